"""Definitions that read themselves at an earlier index: what :func:`symgraph.core.define.define` makes of a function.

    h[t, n] = f(h[t − 1, n], x[t, n], w),  h[−1, n] = h₀[n]

The index that all reads of the defined values move one way is the step. What is read at earlier steps becomes the
carries of a recurrence, what depends on the step without them its inputs (:mod:`symgraph.core.recurrence`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgraph.core.broadcast import broadcast_element
from symgraph.core.cases import Cases
from symgraph.core.define import Reduced, as_tensor, define_by, extents_in, scalar_body
from symgraph.core.graph import topological
from symgraph.core.indices import Index, as_shape, axis, fresh, show_shape
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first
from symgraph.core.rebuild import evaluated
from symgraph.core.recurrence import closed
from symgraph.core.scalars import as_formula
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ArgumentError, DomainError, IndexNotationError, ShapeError


@dataclass(frozen=True)
class Unknown:
    """A value to be defined: the leaf that stands for it in bodies, its free indices, its body, its first values."""

    leaf: Tensor
    free: tuple[Index, ...]
    body: sp.Basic
    first: Any

    def shown(self, element: Element | None = None) -> str:
        inner = ", ".join(map(str, self.free if element is None else element.indices))
        return f"{self.leaf.name}[{inner}]"


def defined_by_itself(free: Any, body: Callable[..., Any], shape: Any, first: Any) -> Any:
    """The value, or the values of a system, that a function of them defines; see :func:`symgraph.define`."""
    values = _unknowns(free, body, shape, first)
    step = _step_index(values)
    moves = {move for value in values for _, move in _reads(value, values, step) if move}
    backward = min(moves) < 0
    for value in values:
        if any((move < 0) != backward for _, move in _reads(value, values, step) if move):
            both = " and ".join(value.shown(element) for element, move in _reads(value, values, step) if move)
            raise IndexNotationError(at_line(f"{value.shown()} reads {both}: expected earlier steps, or later ones"))
    return _Defined(values, step, backward).results()


def _unknowns(free: Any, body: Callable[..., Any], shape: Any, first: Any) -> list[Unknown]:
    """The values, in the order of the function's parameters."""
    names = list(inspect.signature(body).parameters)
    if shape is None:
        raise ArgumentError(at_line(f"the shape of {', '.join(names)} does not follow from the formula: give shape="))
    orders = _each(free if not isinstance(free, Index) else (free,), len(names), Index)
    shapes = [as_shape(one) for one in _each(shape, len(names), (int, sp.Basic))]
    firsts = [first] if len(names) == 1 else list(first) if isinstance(first, (tuple, list)) else []
    if len(firsts) != len(names) or any(one is None for one in firsts):
        raise ArgumentError(
            at_line(f"{', '.join(names)} read themselves at an earlier step: expected first=, the value before the "
                    f"first step{', for each of them' if len(names) > 1 else ''}")
        )  # fmt: skip
    for name, order, sizes in zip(names, orders, shapes, strict=True):
        if len(order) != len(sizes):
            raise ShapeError(at_line(f"{name} has {len(order)} free indices but shape {show_shape(sizes)}"))
    leaves = [Tensor.leaf("input", name, sizes) for name, sizes in zip(names, shapes, strict=True)]
    found = body(*leaves)
    bodies = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(bodies) != len(names):
        raise ArgumentError(at_line(f"the formulas of {', '.join(names)} are {len(names)}, not {len(bodies)}"))
    written = [scalar_body(one) for one in bodies]
    inner = {element.tensor for one in written for element in one.atoms(Element)} - set(leaves)
    for leaf in topological(sorted(inner, key=lambda tensor: tensor.serial)):
        if leaf in leaves:
            raise IndexNotationError(
                at_line(f"{leaf.name} is read whole, or at a place that is a number: expected its elements at a step "
                        f"before or after, such as {leaf.name}[{orders[leaves.index(leaf)][0]} − 1, …]")
            )  # fmt: skip
    return [Unknown(*one) for one in zip(leaves, orders, written, firsts, strict=True)]


def _each(given: Any, count: int, kinds: Any) -> list[Any]:
    """What was given for each value: the same for all, or a tuple for each."""
    several = list(given) if isinstance(given, (tuple, list)) else [given]
    if several and not any(isinstance(one, kinds) for one in several):
        if len(several) != count:
            raise ArgumentError(at_line(f"{count} values are defined; indices or shapes are given for {len(several)}"))
        return [tuple(one) for one in several]
    return [tuple(several)] * count


def _reads(value: Unknown, values: Iterable[Unknown], step: Index) -> list[tuple[Element, Any]]:
    """The elements of the unknowns in a body, and by how many steps each lies behind; None where that is no number."""
    found = []
    known = {other.leaf: other for other in values}
    for element in sorted(value.body.atoms(Element), key=sp.default_sort_key):
        other = known.get(element.tensor)
        if other is not None:
            place = other.free.index(step)
            move = sp.expand(step - element.indices[place])
            moved = any(index.has(step) for d, index in enumerate(element.indices) if d != place)
            found.append((element, int(move) if move.is_Integer and not moved else None))
    return found


def _step_index(values: Sequence[Unknown]) -> Index:
    """The index along which every read of a value by itself, also by way of others, is at another step."""
    common = [index for index in values[0].free if all(index in value.free for value in values)]
    wrong = ""
    for step in common:
        told = _wrong(values, step)
        if told is None:
            return step
        wrong = wrong or told
    names = ", ".join(str(value.leaf.name) for value in values)
    raise IndexNotationError(at_line(wrong or f"{names} have no free index in common, along which to step"))


def _wrong(values: Sequence[Unknown], step: Index) -> str | None:
    """Why an index is not the step."""
    now: dict[Tensor, set[Tensor]] = {}
    earlier = False
    for value in values:
        for element, move in _reads(value, values, step):
            if move is None:
                return (
                    f"{value.shown()} reads {value.shown(element) if element.tensor is value.leaf else element}: "
                    f"expected a step before or after by a number, such as {step} − 1"
                )
            earlier = earlier or move != 0
            if move == 0:
                now.setdefault(value.leaf, set()).add(element.tensor)
    for value in values:
        seen, pending = set[Tensor](), list(now.get(value.leaf, ()))
        while pending:
            other = pending.pop()
            if other not in seen:
                seen.add(other)
                pending += now.get(other, ())
        if value.leaf in seen:
            return f"{value.shown()} reads itself at the same step {step}: expected an earlier one, such as {step} − 1"
    return None if earlier else f"{values[0].shown()} reads itself nowhere: expected a formula, without a function"


class _Defined:
    """The recurrence of the values, step by step."""

    def __init__(self, values: Sequence[Unknown], step: Index, backward: bool) -> None:
        self.values, self.step, self.backward = values, step, backward
        self.leaves = {value.leaf: value for value in values}
        self.length = values[0].leaf.shape[values[0].free.index(step)]
        self.carries: dict[tuple[Tensor, int], Tensor] = {}
        self.slices: dict[Tensor, Tensor] = {}
        self.after: dict[Tensor, Tensor] = {}

    def results(self) -> Any:
        firsts: dict[Tensor, Tensor] = {}
        for value in self.values:
            for lag, first in enumerate(self._first_values(value), start=1):
                self.carries[value.leaf, lag] = Tensor.leaf("input", f"{value.leaf.name}{lag}", first.shape)
                firsts[self.carries[value.leaf, lag]] = first
        for value in self.values:
            self._define(value)
        following = [self.after[leaf] if lag == 1 else self.carries[leaf, lag - 1] for leaf, lag in self.carries]
        inputs = {leaf: whole for whole, leaf in self.slices.items()}
        _, course = closed(self.length, self.backward, firsts, inputs, following)
        found = [self._in_order(value, course.of(self.after[value.leaf])) for value in self.values]
        if len(found) == 1:
            return found[0]
        for value, result in zip(self.values, found, strict=True):
            call_first(result, str(value.leaf.name))
        return tuple(found)

    def _in_order(self, value: Unknown, track: Tensor) -> Tensor:
        """A value at all steps with its axes in the user's order."""
        place = value.free.index(self.step)
        order = [axis(d) for d in range(track.ndim)]
        element = Element(track, order.pop(place), *order)
        return track if place == 0 else Tensor.define(value.leaf.shape, element)

    def _first_values(self, value: Unknown) -> list[Tensor]:
        """A value before the first step, from the nearest on, as far back as anything reads it."""
        lags = [abs(move) for other in self.values for element, move in _reads(other, self.values, self.step)
                if element.tensor is value.leaf]  # fmt: skip
        count = max(lags, default=0) or 1
        shape = self._rest(value, value.leaf.shape)
        places = [self.length + n if self.backward else -sp.Integer(n + 1) for n in range(count)]
        given = value.first if isinstance(value.first, dict) else {places[0]: value.first}
        given = {as_formula(place): first for place, first in given.items()}
        if set(given) != set(places):
            wanted = "{" + ", ".join(f"{place}: …" for place in places) + "}"
            raise ArgumentError(
                at_line(f"{value.leaf.name} is read at {', '.join(map(str, places))}: expected first={wanted}, not "
                        f"values at {', '.join(map(str, given)) or 'none'}")
            )  # fmt: skip
        found = []
        for place in places:
            first = as_tensor(given[place])
            pairs = zip(first.shape[::-1], shape[::-1], strict=False)
            if first.ndim > len(shape) or any(size not in (1, own) for size, own in pairs):
                shown = f"{first.display_name}{show_shape(first.shape)}"
                raise ShapeError(at_line(f"{value.leaf.name}[{place}] is {shown}; expected {show_shape(shape)}"))
            if first.is_label and first.definition is None:
                raise DomainError(at_line(f"{value.leaf.name}[{place}] is {first.display_name}, which holds integers: "
                                          "expected real numbers"))  # fmt: skip
            found.append(Tensor.define(shape, broadcast_element(first, len(shape))))
        return found

    def _define(self, value: Unknown) -> Tensor:
        """A value after one step; those that it reads at the same step come first."""
        if value.leaf not in self.after:
            extents = extents_in(value.free, value.body, value.leaf.shape)
            body = self._written(value.body, extents, ())
            free = tuple(index for index in value.free if index != self.step)
            after = self.after[value.leaf] = define_by(free, body, extents)
            if after.is_label:
                raise DomainError(at_line(f"{value.shown()} holds integers: expected a formula of real numbers"))
        return self.after[value.leaf]

    def _rest(self, value: Unknown, indices: Sequence[Any]) -> tuple[Any, ...]:
        place = value.free.index(self.step)
        return (*indices[:place], *indices[place + 1 :])

    def _written(self, node: Any, extents: dict[Index, sp.Expr], path: tuple[sp.Basic, ...]) -> Any:
        """A part of a body in one step: over carries, slices and what is the same at every step."""
        if isinstance(node, Element) and node.tensor in self.leaves:
            value = self.leaves[node.tensor]
            move = abs(int(self.step - node.indices[value.free.index(self.step)]))
            source = self.carries[node.tensor, move] if move else self._define(value)
            rest = self._rest(value, node.indices)
            return Element(source, *(self._written(index, extents, path) for index in rest))
        if not node.has(self.step):
            return node if not node.atoms(Tensor) & self.leaves.keys() else self._rebuilt(node, extents, path)
        if node == self.step:
            return self._slice(Tensor.define((self.length,), axis(0)))
        own = node.atoms(Tensor) & self.leaves.keys()
        if isinstance(node, Element) and not own:
            return self._of_steps(node, extents, path)
        if isinstance(node, Reduced) and not own and self.step not in node.args[2:]:
            return self._at_all_steps(node, extents, path)
        return self._rebuilt(node, extents, path)

    def _rebuilt(self, node: Any, extents: dict[Index, sp.Expr], path: tuple[sp.Basic, ...]) -> Any:
        if isinstance(node, sp.Piecewise):
            pairs, before = [], path
            for value, condition in node.args:
                holds = self._written(condition, extents, before)
                pairs.append((self._written(value, extents, (*before, condition)), holds))
                before = (*before, sp.Not(condition))
            return Cases(*pairs)
        if isinstance(node, Reduced):
            op, body, *over = node.args
            return Reduced(op, self._written(body, extents, path), *over)
        return evaluated(node, [self._written(arg, extents, path) for arg in node.args])

    def _of_steps(self, element: Element, extents: dict[Index, sp.Expr], path: tuple[sp.Basic, ...]) -> sp.Expr:
        """An element that depends on the step: of a slice, with the step as first axis of all slices."""
        places = [d for d, index in enumerate(element.indices) if index.has(self.step)]
        move = element.indices[places[0]] - self.step
        if len(places) > 1 or not move.is_Integer or (move and path):
            return self._at_all_steps(element, extents, path)
        source = element.tensor
        rest = {d: fresh(d) for d in range(source.ndim) if d != places[0]}
        whole = Element(source, *(rest.get(d, element.indices[places[0]]) for d in range(source.ndim)))
        sizes = {index: source.shape[d] for d, index in rest.items()} | {self.step: self.length}
        slices = define_by((self.step, *rest.values()), whole, sizes)
        indices = [self._written(element.indices[d], extents, path) for d in rest]
        return self._slice(slices, *indices)

    def _at_all_steps(self, node: sp.Expr, extents: dict[Index, sp.Expr], path: tuple[sp.Basic, ...]) -> sp.Expr:
        """A part that depends on the step and on no value of an earlier one, computed for all steps at once."""
        known = [one for one in path if not one.atoms(Tensor) & self.leaves.keys()]
        body = Cases((node, sp.And(*known)), (sp.S.Zero, True)) if known else node
        over = {index for part in node.atoms(Reduced) | ({node} if isinstance(node, Reduced) else set())
                for index in part.args[2:]}  # fmt: skip
        order = [index for value in self.values for index in value.free]
        rest = sorted(body.atoms(Index) - over - {self.step, *order}, key=str)
        used = [index for index in dict.fromkeys([*order, *rest]) if body.has(index) and index != self.step]
        return self._slice(define_by((self.step, *used), body, extents), *used)

    def _slice(self, whole: Tensor, *indices: Any) -> Element:
        """An element of the slice of one step."""
        if whole not in self.slices:
            name = f"input{len(self.slices)}"
            self.slices[whole] = Tensor.leaf("input", name, whole.shape[1:], classes=whole.classes, dtype=whole.dtype)
        return Element(self.slices[whole], *indices)
