"""What flows along the edges of a graph: values forward, derivatives backward, as formulas or as numbers.

The derivative on the edge from X to Y is what Y passes back to X: ∂L/∂Y·∂Y/∂X. Those of all readers add up to ∂L/∂X.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.graph import elements_of, substitute, topological
from symgraph.core.indices import Index, bound
from symgraph.core.mode import TRAINING
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first
from symgraph.core.tensor import Element, Tensor
from symgraph.core.unfolded import as_read, at_steps, carry_read, loops_of, operands_as_read
from symgraph.derive.differentiate import grad, reverse
from symgraph.display.program import Program
from symgraph.display.text import text
from symgraph.drawing.figure import Figure, called, shortened
from symgraph.drawing.heat import Shown, shown
from symgraph.drawing.neighbours import Alone, Neighbour, alone, with_additions
from symgraph.errors import ArgumentError, DomainError
from symgraph.reference import evaluate
from symgraph.simplify.partial import partial

LONGEST = 26
_INDICES = re.compile(r"\[[^]]*\]|_\{[^}]*\}|_\w")
"""What two formulas that are written with other letters differ in."""


class Flow:
    """Values and derivatives of one graph.

    Parameters
    ----------
    root : where the derivatives start. If it is an array, it goes on to some loss L, whose derivative arrives as a
        value ∂L/∂root; a scalar does so if ``upstream`` names the loss, else its own derivative is 1.
    inside : values of the steps of recurrences, where the drawing opens these.
    """

    def __init__(self, root: Tensor, name: str, upstream: str | None, inside: Iterable[Tensor] = ()) -> None:
        self.root = root
        self.arriving: Tensor | None = None
        self._passed: dict[tuple[Neighbour, Tensor], Tensor | None] = {}
        self._alone: dict[Tensor, Alone | None] = {}
        loss_name = upstream or "L"
        if root.ndim or upstream:
            self.arriving = Tensor.leaf("input", f"∂{loss_name}/∂{name}", root.shape)
        became, self.added = with_additions(root, inside)
        self.is_open, start = bool(self.added), became[root]
        loss = start
        if root.ndim and self.arriving is not None:
            loss = (self.arriving * start).sum()
            call_first(loss, loss_name)
        wanted = {new: old for old, new in became.items() if not old.is_label}
        wanted |= {leaf: value for value, leaf in self.added.items()}
        self.results: dict[Tensor, Tensor] = {}
        for of, cotangent in reverse(loss, wanted).items():
            if cotangent.result is not None and of in wanted and (of is not loss or loss is start):
                self.results[wanted[of]] = self.arrived(Tensor.define(of.shape, cotangent.full))

    def arrived(self, result: Tensor) -> Tensor:
        """The derivative of L, from that of a scalar root."""
        if self.root.ndim or self.arriving is None:
            return result
        return Tensor.define(result.shape, Element(self.arriving) * _formula(result))

    def passed(self, tail: Neighbour, head: Tensor, around: Neighbours) -> Tensor | None:
        """What ``head`` passes back to ``tail``; None if nothing."""
        if len(around.heads[tail[0]]) == 1 or tail[0] not in self.results:
            return self.results.get(tail[0])
        if (tail, head) not in self._passed:
            self._passed[tail, head] = None
            for part in (*self._pulled_back(tail, head, around), *self._from_first(tail, head, around)):
                known = self._passed[tail, head]
                self._passed[tail, head] = part if known is None else known + part
        return self._passed[tail, head]

    def alone(self, head: Tensor, around: Neighbours) -> Alone | None:
        """A value over what it reads, if the drawing opens it."""
        if head not in self._alone:
            self._alone[head] = alone(head, around.tails[head], self.is_open)
        return self._alone[head]

    def _pulled_back(self, tail: Neighbour, head: Tensor, around: Neighbours) -> Iterable[Tensor]:
        """∂L/∂head·∂head/∂tail, of what head reads of tail itself: all that it reads stands for itself alone."""
        own = self.alone(head, around)
        if head in self.results and own is not None:
            yield _back(own, own.leaves[tail], self.results[head])

    def _from_first(self, tail: Neighbour, head: Tensor, around: Neighbours) -> Iterable[Tensor]:
        """The same, of what head, a value of a recurrence, starts with."""
        for operand, arrived in self._at_first(head, around):
            own = alone(operand, around.tails[head], self.is_open)
            if tail == (operand, ()):
                yield arrived
            elif own is not None and tail in own.leaves:
                yield _back(own, own.leaves[tail], arrived)

    def _at_first(self, head: Tensor, around: Neighbours) -> Iterable[tuple[Tensor, Tensor]]:
        """What a value of a recurrence starts with, and what its readers at another step pass back to that: also where
        a recurrence in the step begins with it, as g[t, −1] = h[t − 1]."""
        for reader in dict.fromkeys(reader for reader, lag in around.heads.get(head, ()) if lag and self.is_open):
            arriving = [(self.alone(reader, around), self.results.get(reader))]
            if len(loops_of(reader)) > len(loops_of(head)):
                firsts = self._at_first(reader, around)
                arriving += [(alone(o, around.tails[reader], self.is_open), back) for o, back in firsts]
            for own, arrived in arriving:
                if own is not None and arrived is not None:
                    for of, operand in own.first:
                        if of is head:
                            yield operand, _back(own, own.first[of, operand], arrived)


def _back(own: Alone, leaf: Tensor, arrived: Tensor) -> Tensor:
    """What a value passes back to one that it reads, from what arrives at it."""
    shown = own.shown()
    if not own.value.ndim:
        slope = substitute(grad(own.value, [leaf], disconnected="zero")[leaf], shown)
        return Tensor.define(leaf.shape, _formula(arrived) * _formula(slope))
    coming = Tensor.leaf("input", "coming", own.value.shape)
    passed = grad((coming * own.value).sum(), [leaf], disconnected="zero")[leaf]
    return substitute(passed, {**shown, coming: arrived})


def _slope(head: Tensor, own: Alone, leaf: Tensor) -> Tensor:
    """∂head/∂tail, element by element, by values of the program: h·(1 − h) of a sigmoid h."""
    carries = [tensor for tensor in topological([own.value]) if carry_read(tensor) is not None]
    slope = reverse(own.value.sum(), [leaf], cuts=[own.value, *carries])[leaf].result
    assert slope is not None
    return substitute(slope, {**own.shown(), own.value: head})


def _formula(tensor: Tensor) -> sp.Expr:
    """An element by its formula; a sum by its name."""
    definition = tensor.definition
    return tensor.element if definition is None or definition.op is not None else definition.body


def formulas(
    flow: Flow, figure: Figure, program: Program, original: Tensor, single: Mapping[Tensor, Tensor]
) -> dict[int, tuple[Shown, Shown]]:
    """Formulas above and below each edge; a leaf's derivative also as simplified as a whole, where that differs.

    ``original`` is the program as it was declared, and ``single`` the values that stand for its own in the figure.
    """
    found: dict[int, tuple[Shown, Shown]] = {}
    whole, edges = _whole(flow, figure, original), list(passed_back(flow, figure))
    single_reader = {tail for tail, heads in neighbours(figure).heads.items() if len(heads) == 1}
    tensors = [passed for _, _, passed in edges if passed is not None]
    names = program.naming.names
    given = names | {own: names[new] for own, new in single.items() if new in names}
    wide = Program([program.outputs[0], *tensors, *whole.values()], given=given)
    for number, tail, passed in edges:
        above = called(tail, program) or text(wide.arranger.right(tail))
        below = "" if passed is None else _right(wide, passed)
        other = _right(wide, whole[tail]) if tail in whole and tail in single_reader else below
        if _INDICES.sub("", other) != _INDICES.sub("", below) and len(other) <= len(below):
            below = f"{below} = {other}"
        found[number] = Shown(shortened(above, LONGEST)), Shown(shortened(below, 2 * LONGEST))
    return found


def _right(program: Program, tensor: Tensor) -> str:
    return text(program.arranger.right(tensor))


def _whole(flow: Flow, figure: Figure, original: Tensor) -> dict[Tensor, Tensor]:
    """Gradients of the leaves as the whole program has them, simplified through all operations at once."""
    leaves = [n.tensor for n in figure.nodes if n.tensor is not None and n.tensor.definition is None]
    wanted = [leaf for leaf in leaves if leaf in flow.results]
    if original.ndim or original is flow.root or not wanted:
        return {}
    found = grad(original, wanted, disconnected="zero")
    return {leaf: flow.arrived(result) for leaf, result in found.items()}


def numbers(flow: Flow, figure: Figure, values: Mapping[str, Any]) -> dict[int, tuple[Shown, Shown]]:
    """Numbers above and below each edge."""
    edges = list(passed_back(flow, figure))
    known = evaluated(flow, [t for _, tail, passed in edges for t in (tail, passed) if t is not None], values)
    return {
        number: (shown(known[tail]), Shown("") if passed is None else shown(known[passed]))
        for number, tail, passed in edges
    }


def in_use(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, and that of the mode: a network in use, unless told."""
    return {str(TRAINING.name): 0, **by_name(values)}


def by_name(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Values by the names of leaves, for which tensors and symbols may stand.

    Raises
    ------
    ArgumentError, DomainError
        if the values are no dict, or one of them is no array of real numbers.
    """
    if not isinstance(values, Mapping):
        raise ArgumentError(at_line(f'values is a dict of arrays by name, {{"x": X, …}}, not {type(values).__name__}'))
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = key if isinstance(key, str) else str(getattr(key, "name", key))
        try:
            array = np.asarray(value)
            found[name] = array.astype(np.float64) if array.dtype.kind == "O" else array
        except (TypeError, ValueError):
            raise DomainError(at_line(f"{name} needs real numbers, not {type(value).__name__}")) from None
        if found[name].dtype.kind not in "biuf":
            raise DomainError(at_line(f"{name} needs real numbers, not {array.dtype}"))
    return found


def evaluated(flow: Flow, tensors: Iterable[Tensor], values: Mapping[str, Any]) -> dict[Tensor, Any]:
    """Values of tensors in double precision; a derivative that arrives is 1 unless it is given."""
    wanted = list(dict.fromkeys([flow.root, *tensors]))
    given = in_use(values)
    arriving = flow.arriving
    if arriving is not None and str(arriving.name) not in given:
        given[str(arriving.name)] = np.ones_like(evaluate(flow.root, given))
    for leaf, array in zip(flow.added.values(), evaluate(flow.added, given), strict=True):
        given[str(leaf.name)] = np.zeros_like(array)
    return dict(zip(wanted, evaluate(wanted, given), strict=True))


def local(figure: Figure, program: Program) -> dict[int, tuple[Shown, Shown]]:
    """The derivative of each value by what it reads, below the edge, where one formula says it."""
    found: dict[int, tuple[Shown, Shown]] = {}
    tails = neighbours(figure).tails
    for number, edge in enumerate(figure.edges):
        tail, head = figure.nodes[edge.tail].tensor, figure.nodes[edge.head].tensor
        if tail is None or head is None or head.definition is None or tail.is_label:
            continue
        between = _between(tail, head, {tensor for tensor, _ in tails[head]})
        definition = as_read(head)
        assert definition is not None
        over: tuple[Index, ...] = ()
        is_pointwise = not edge.lag and not any(read.op for t in (head, *between) if (read := as_read(t)))
        if head.ndim and head.shape == tail.shape and is_pointwise:
            own = alone(head, tails[head], is_open=True, with_carries=True)
            if own is None:
                continue
            slope = _slope(head, own, own.leaves[tail, ()])
            body = at_steps(slope.element if carry_read(slope) else _formula(slope))
        else:
            slopes = [partial(definition.body, e) for e in elements_of(definition.body) if e.tensor is tail]
            if between or len(slopes) != 1:
                continue
            body, over = slopes[0], tuple(bound(d) for d in range(len(definition.extents)))
        scope = program.arranger.bind(head, over, program.arranger.scope(head))
        found[number] = Shown(""), Shown(shortened(text(program.arranger.expression(body, scope)), LONGEST))
    return found


def _between(tail: Tensor, head: Tensor, beside: Container[Tensor]) -> list[Tensor]:
    """The values without nodes through which head reads tail."""
    found: dict[Tensor, None] = {}
    pending = [head]
    while pending:
        for operand in operands_as_read(pending.pop()):
            if operand not in beside and operand not in found and tail in topological([operand]):
                found[operand] = None
                pending.append(operand)
    return list(found)


def passed_back(flow: Flow, figure: Figure) -> Iterable[tuple[int, Tensor, Tensor | None]]:
    """Each edge with the value at its tail and what comes back along it."""
    around = neighbours(figure)
    for number, edge in enumerate(figure.edges):
        tail, head = figure.nodes[edge.tail].tensor, figure.nodes[edge.head].tensor
        if tail is not None and head is not None:
            yield number, tail, flow.passed((tail, edge.lag), head, around)
        elif tail is flow.root:
            yield number, tail, flow.results.get(tail, flow.arriving)


@dataclass(frozen=True)
class Neighbours:
    """What reads each value, and what each value reads, of those with nodes; and at how many steps from its own."""

    heads: dict[Tensor, list[Neighbour]]
    tails: dict[Tensor, list[Neighbour]]


def neighbours(figure: Figure) -> Neighbours:
    """Those of all values with nodes."""
    found = Neighbours({}, {})
    for edge in figure.edges:
        tail, head = figure.nodes[edge.tail].tensor, figure.nodes[edge.head].tensor
        if tail is not None and head is not None:
            found.heads.setdefault(tail, []).append((head, edge.lag))
            found.tails.setdefault(head, []).append((tail, edge.lag))
    return found
