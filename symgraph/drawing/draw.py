"""``sg.draw``: the computational graph of a value as a picture, with what flows forward and backward along it.

sg.draw(J).save("graph.svg")        sg.draw(price, level="scalar", values={"apple": 100, "count": 2, "tax": 1.1})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symgraph.core.define import as_tensor
from symgraph.core.kept import cached_property
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.shown import Shown
from symgraph.core.tensor import Tensor
from symgraph.display.program import Program
from symgraph.drawing import plain
from symgraph.drawing.figure import Edge, Figure, Node, called, figure_of, folded, with_near_leaves
from symgraph.drawing.flow import Flow, formulas, local, numbers
from symgraph.drawing.operations import exploded
from symgraph.drawing.svg import Labels, Picture, picture_of
from symgraph.errors import ArgumentError

LEVELS = ("definition", "scalar")
EDGES = ("auto", "none", "flow", "local")
DIRECTIONS = ("auto", "right", "down")


@dataclass(frozen=True)
class Drawing(Shown):
    """A graph to be looked at: SVG in a notebook or a file, DOT or Mermaid for other programs.

    Attributes
    ----------
    figure : nodes and edges.
    labels : by the number of an edge, what is written above and below it.
    """

    title: str
    figure: Figure
    labels: Labels
    direction: str = "auto"

    @cached_property
    def picture(self) -> Picture:
        """The figure with its places."""
        return picture_of(self.figure, self.labels, self.direction)

    def svg(self) -> str:
        """The picture as one SVG element."""
        return str(self.picture.svg(self.title))

    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        return plain.dot(self.figure, self.labels, self.direction != "down")

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return plain.mermaid(self.figure, self.labels, self.direction != "down")

    @explained
    def save(self, path: Any) -> None:
        """Write a file by its ending: ``.svg``, ``.dot`` or ``.gv``, ``.mmd``.

        Raises
        ------
        ArgumentError
            for another ending.
        """
        ways = {".svg": self.svg, ".dot": self.dot, ".gv": self.dot, ".mmd": self.mermaid}
        write = ways.get(Path(path).suffix.lower())
        if write is None:
            raise ArgumentError(at_line(f"a drawing is saved as {', '.join(ways)}, not as {Path(path).name!r}"))
        Path(path).write_text(write(), encoding="utf-8")

    def __str__(self) -> str:
        return f"{self.title}: {len(self.figure.nodes)} nodes, {len(self.figure.edges)} edges; .save('graph.svg')"

    __repr__ = __str__


@explained
def draw(
    value: Any,
    *,
    level: str = "definition",
    values: Mapping[str, Any] | None = None,
    edges: str = "auto",
    upstream: str | None = None,
    fold: bool = True,
    direction: str = "auto",
) -> Drawing:
    """The computational graph of a value.

    Parameters
    ----------
    value : tensor or formula.
    level : ``"definition"`` draws what has a name, with its formula; ``"scalar"`` one node an operation (add, multiply,
        exp, 1/x; a sum of products stays whole), as in textbooks.
    values : arrays of the leaves, by name or by leaf. Then each edge has the value that goes forward above it and the
        derivative that comes back below: numbers, or heat maps (blue negative, red positive) with their range.
    edges : ``"flow"`` writes formulas there where no values are given, ``"local"`` the derivative of each value by what
        it reads, ``"none"`` nothing. ``"auto"`` is ``"flow"`` at level ``"scalar"``, with values or with ``upstream``.
    upstream : the name of a loss that a scalar value goes on to, as in L̄·y(1 − y); an array always does, to L unless
        told. Its derivative is the value ``∂L/∂y``, which may be given in ``values`` and is else 1.
    fold : draw a block of values that repeats five times or more by its first, its last and one node between.
    direction : ``"right"``, ``"down"``, or as the length of the graph suggests.

    Raises
    ------
    ArgumentError
        if an option is none of these, or a leaf has no value.
    """
    for name, given, known in (("level", level, LEVELS), ("edges", edges, EDGES), ("direction", direction, DIRECTIONS)):
        if given not in known:
            raise ArgumentError(at_line(f"{name} must be one of {', '.join(known)}, not {given!r}"))
    original = as_tensor(value)
    single = exploded(original) if level == "scalar" else {}
    root = single.get(original, original)
    program = Program([root], named=[root])
    asks_flow = level == "scalar" or values is not None or upstream is not None
    is_flow = edges == "flow" or (edges == "auto" and asks_flow)
    is_open = level == "definition" and (values is not None or not is_flow)
    figure = figure_of(root, program, level, is_open)
    if fold and not is_flow:
        figure = folded(figure)
    figure = with_near_leaves(figure)
    name = called(root, program)
    labels: Labels = {}
    if edges == "local":
        labels = local(figure, program)
    elif is_flow:
        inside = (node.tensor for node in figure.nodes if is_open and node.tensor is not None)
        figure, flow = _with_end(figure, root, name), Flow(root, name, upstream, inside)
        told = formulas(flow, figure, program, original, single) if values is None else numbers(flow, figure, values)
        labels = told
    return Drawing(f"Graph of {name}", figure, labels, direction)


def _with_end(figure: Figure, root: Tensor, name: str) -> Figure:
    """The figure with an edge on which its result leaves."""
    at = next(n for n, node in enumerate(figure.nodes) if node.tensor is root)
    end = Node((name if figure.nodes[at].kind == "operation" else "",), "end", name)
    return Figure((*figure.nodes, end), (*figure.edges, Edge(at, len(figure.nodes))))
