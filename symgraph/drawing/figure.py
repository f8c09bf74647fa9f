"""What a drawing shows: nodes and edges, before anything has a place. Repeated layers are folded into one node.

In: a program (names and formulas) and the values that have nodes. Out: :class:`Figure`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from symgraph.core.graph import operands, topological
from symgraph.core.indices import axis, show_shape
from symgraph.core.tensor import Element, Tensor
from symgraph.core.unfolded import Lag, added, in_steps, steps_before
from symgraph.display.matrix import matrix_form
from symgraph.display.program import Program
from symgraph.display.text import text
from symgraph.drawing.folding import LEAST_REPEATS, repeats
from symgraph.drawing.layout import ranks
from symgraph.drawing.operations import sign

LONGEST = 34
"""Characters of a formula in a node; the whole of it is in the node's title."""
FAR = 2
"""Ranks between two readers of a leaf, beyond which it is drawn once for each."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box: what is written in it, what it is, the name that it is selected by, and its whole formula."""

    lines: tuple[str, ...]
    kind: str
    name: str = ""
    formula: str = ""
    tensor: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """``head`` reads ``tail``, both positions of nodes; in a recurrence at ``step``, as ``t − 1``, if not at its own,
    ``lag`` steps from it."""

    tail: int
    head: int
    step: str = ""
    lag: Lag = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """Nodes, operands first, and edges; those to another step of a recurrence alone go in a circle."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def pairs(self) -> list[tuple[int, int]]:
        """(tail, head) of the edges that make no circle."""
        return [(edge.tail, edge.head) for edge in self.edges if not edge.step]


def figure_of(root: Tensor, program: Program, level: str = "definition", is_open: bool = False) -> Figure:
    """The graph under a value.

    Parameters
    ----------
    level : ``"definition"`` has a node for each named value, ``"scalar"`` for each definition, with its operation.
    is_open : with what a recurrence computes in a step, and what it reads of other steps; else it is one node.
    """
    order = _opened(root, program) if is_open else topological([root])
    names = program.naming.names
    seen = [t for t in order if level == "scalar" or t is root or (t in names and not _is_part(t, program))]
    make = _operation if level == "scalar" else _definition
    at = {tensor: position for position, tensor in enumerate(seen)}
    edges = [
        Edge(at[tail], at[head], _step(program, head, step), step)
        for head in seen
        for tail, step in _reads(head, at.__contains__, steps_before if is_open else _at_once)
    ]
    return Figure(tuple(make(tensor, program) for tensor in seen), tuple(edges))


def _is_part(tensor: Tensor, program: Program) -> bool:
    """Whether a value is elements of another, as W[:, :4], that nobody has named: its readers read the other."""
    definition = tensor.definition
    is_copy = definition is not None and definition.op is None and isinstance(definition.body, Element)
    return is_copy and not program.naming.is_users(tensor)


def _opened(root: Tensor, program: Program) -> list[Tensor]:
    """The values that are read on the way to one, with those of the steps of recurrences."""
    reached, pending = {root}, [root]
    while pending:
        fresh = {tensor for tensor, _ in steps_before(pending.pop())} - reached
        reached |= fresh
        pending += fresh
    return [tensor for tensor in in_steps(program.naming.order) if tensor in reached]


def _at_once(tensor: Tensor) -> list[tuple[Tensor, Lag]]:
    return [(operand, ()) for operand in operands(tensor)]


def _reads(
    tensor: Tensor, is_seen: Callable[[Tensor], bool], operands_of: Callable[[Tensor], list[tuple[Tensor, Lag]]]
) -> list[tuple[Tensor, Lag]]:
    """The values with nodes that a definition reads, through those without, and at how many steps from its own."""
    found: dict[tuple[Tensor, Lag], None] = {}
    pending = list(reversed(operands_of(tensor)))
    passed: set[tuple[Tensor, Lag]] = set()
    while pending:
        operand, step = pending.pop()
        if is_seen(operand):
            found[operand, step] = None
        elif (operand, step) not in passed:
            passed.add((operand, step))
            pending.extend((other, added(step, more)) for other, more in reversed(operands_of(operand)))
    return list(found)


def _step(program: Program, tensor: Tensor, lag: Lag) -> str:
    """``t − 1``, with the letters that the steps of a value have."""
    shown = program.arranger.scope(tensor).called if lag else {}
    moved = [(text(shown[axis(d)]), move) for d, move in enumerate(lag) if move]
    return ", ".join(f"{step} {'−' if move < 0 else '+'} {abs(move)}" for step, move in moved)


def called(tensor: Tensor, program: Program) -> str:
    """The name of a value in the program, or nothing."""
    name = program.naming.names.get(tensor)
    return "" if name is None else name.text


def _definition(tensor: Tensor, program: Program) -> Node:
    name = called(tensor, program)
    shape = f" {show_shape(tensor.shape)}" if tensor.ndim else ""
    if tensor.definition is None:
        return Node((f"{name}{shape}", tensor.kind), tensor.kind, name, f"{tensor.kind} {name}{shape}", tensor)
    equation = program.equation(tensor)
    matrix = matrix_form(program.arranger, tensor)
    shown = text(equation.right if matrix is None else matrix)
    return Node((f"{name}{shape}", shortened(shown)), "value", name, str(equation), tensor)


def _operation(tensor: Tensor, program: Program) -> Node:
    name = called(tensor, program)
    if tensor.definition is None:
        return Node((name,), "leaf", name, f"{tensor.kind} {name} {show_shape(tensor.shape)}", tensor)
    return Node((sign(tensor),), "operation", name, str(program.equation(tensor)), tensor)


def shortened(shown: str, longest: int = LONGEST) -> str:
    """At most so many characters."""
    return shown if len(shown) <= longest else f"{shown[: longest - 1].rstrip()}…"


def with_near_leaves(figure: Figure) -> Figure:
    """Leaves that are read far apart are drawn near each of their readers."""
    rank = ranks(len(figure.nodes), figure.pairs())
    nodes, edges = list(figure.nodes), [edge for edge in figure.edges if edge.step]
    readers: dict[int, list[int]] = {}
    for tail, head in figure.pairs():
        readers.setdefault(tail, []).append(head)
    for tail, heads in sorted(readers.items()):
        node = figure.nodes[tail]
        is_leaf = node.tensor is not None and node.tensor.definition is None
        here, first = tail, None
        for head in sorted(heads, key=lambda head: (rank[head], head)):
            if is_leaf and first is not None and rank[head] - first > FAR:
                here, first = len(nodes), None
                nodes.append(node)
            first = rank[head] if first is None else first
            edges.append(Edge(here, head))
    return Figure(tuple(nodes), tuple(edges))


# -- folding --------------------------------------------------------------------------------------------------------
def folded(figure: Figure) -> Figure:
    """Blocks of values that repeat: the first and the last are drawn, and one node stands for those between them."""
    values = [n for n, node in enumerate(figure.nodes) if node.tensor is not None and node.tensor.definition]
    forms = _forms(figure, values)
    group_of: dict[int, int] = {}
    groups: list[Node] = []
    start = 0
    while start < len(values):
        period, count = repeats(forms, start)
        if count >= LEAST_REPEATS:
            inside = values[start + period : start + period * (count - 1)]
            group_of |= dict.fromkeys(inside, len(groups))
            groups.append(_group([figure.nodes[n] for n in inside], period, count - 2))
            start += period * count
        else:
            start += 1
    return _contracted(figure, group_of, groups) if groups else figure


def _forms(figure: Figure, values: Sequence[int]) -> list[str]:
    """What one value has in common with another of the same form: its formula, and how far back its operands are."""
    position = {node.tensor: p for p, node in enumerate(figure.nodes[n] for n in values)}
    seen = {node.tensor for node in figure.nodes}
    forms = []
    for own, tensor in enumerate(position):
        assert tensor is not None
        leaves: dict[Tensor, None] = {}

        def operand(other: Tensor, own: int = own, leaves: dict[Tensor, None] = leaves) -> str:
            if other in position:
                return f"{own - position[other]} back"
            if other in seen or other.definition is None:
                leaves[other] = None
                return f"{other.kind} {show_shape(other.shape)}"
            return _form(other, operand)

        forms.append(f"{_form(tensor, operand)} of {len(leaves)}")
    return forms


def _form(tensor: Tensor, operand: Callable[[Tensor], str]) -> str:
    """A definition with its operands by what ``operand`` says of them."""
    definition = tensor.definition
    assert definition is not None

    def told(node: sp.Basic) -> str:
        if isinstance(node, Tensor):
            return operand(node)
        parts = [told(part) for part in node.args]
        if isinstance(node, sp.Add | sp.Mul):
            parts.sort()
        return f"{type(node).__name__}({', '.join(parts)})" if parts else str(node)

    return f"{definition.op} {show_shape(tensor.shape)} {definition.extents} {told(definition.body)}"


def _group(nodes: Sequence[Node], period: int, count: int) -> Node:
    names = [f"{nodes[p].name} … {nodes[p - period].name}" for p in range(period)]
    shown = nodes[:period]
    lines = (f"{count} × the same", shortened(", ".join(names)))
    return Node(lines, "fold", "", "\n".join(node.formula for node in shown))


def _contracted(figure: Figure, group_of: dict[int, int], groups: Sequence[Node]) -> Figure:
    """The figure with groups as nodes; a leaf whose first reader is in a group is in it as well."""
    readers: dict[int, int] = {}
    for edge in figure.edges:
        readers[edge.tail] = min(edge.head, readers.get(edge.tail, edge.head))
    hidden: set[int] = set()
    for n, node in enumerate(figure.nodes):
        is_leaf = node.tensor is not None and node.tensor.definition is None
        if is_leaf and node.kind in ("parameter", "state", "leaf") and readers.get(n) in group_of:
            group_of[n] = group_of[readers[n]]
            hidden.add(n)
    at: dict[int, int] = {}
    placed: dict[int, int] = {}
    nodes: list[Node] = []
    for n, node in enumerate(figure.nodes):
        group = group_of.get(n)
        if group is not None and group in placed:
            at[n] = placed[group]
            continue
        at[n] = len(nodes)
        if group is not None:
            placed[group] = at[n]
        nodes.append(node if group is None else replace(groups[group]))
    shown = (edge for edge in figure.edges if edge.tail not in hidden or edge.head not in group_of)
    edges = dict.fromkeys(replace(edge, tail=at[edge.tail], head=at[edge.head]) for edge in shown)
    inside = {placed[group] for group in placed}
    return Figure(tuple(nodes), tuple(e for e in edges if e.tail != e.head or (e.step and e.tail not in inside)))
