"""Lowers the segments of a row, or of a block of columns, to loops.

rows:     for n: for k: m = max(m, z[n, k]);  for k: e[k] = exp(z[n, k] − m); S += e[k];  for k: y[n, k] = e[k]/S
columns:  for a block of columns: for n: for j: s[j] += g[n, j]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

import sympy as sp

from codegen.loops import ir
from codegen.loops.ir import ZERO, Assign, Const, DType, Expr, For, If, Let, Load, Op, Select, Share, Stmt, Store, Var
from codegen.loops.ranges import bounds_of
from codegen.loops.seldom import NOUGHT
from codegen.lower.comments import formula_text
from codegen.lower.residues import Digits, Nest, Residues, places_of, reached, statements_of, with_residues
from codegen.lower.scatter import ScatterLowering, limits
from codegen.lower.schedule import Segment, Stage
from codegen.lower.scope import Scope, in_blocks
from codegen.lower.types import data_type
from codegen.lower.windows import WindowLowering
from codegen.plan.halves import half_of
from symgraph.core.indices import axis, bound
from symgraph.core.tensor import Element

OF_PLACES: dict[str, ir.Reduction] = {"argmax": "max", "argmin": "min"}
"""Of what a place is that of."""
START = NOUGHT | {place: NOUGHT[op] for place, op in OF_PLACES.items()}
"""What a reduction starts from."""
INTEGER_START = {"sum": 0, "max": -(2**63), "min": 2**63 - 1}
NOWHERE = Const(INTEGER_START["min"], "int64")
"""What is after all places."""
LEAST_TWICE = 16
"""Terms from which on it pays to find the best of all first, and then its place."""
"""What one of integers starts from."""


# -- what threads share -----------------------------------------------------------------------------------------------
def single_rows(scope: Scope) -> list[Stmt]:
    """The threads share the rows, one by one."""
    assert scope.row is not None
    extent = scope.scalars.integer(scope.group.nodes[0].shape[0])
    return [For(scope.row, ZERO, extent, tuple(segments(scope, [scope.row])), parallel=True)]


def alone(scope: Scope) -> list[Stmt]:
    """One thread does everything; of windows, the segments share what is in them."""
    return segments(scope, [])


def owned_rows(scope: Scope) -> list[Stmt]:
    """Every thread goes over all terms, and adds those that belong to its rows."""
    scope.part = scope.variable("first"), scope.variable("last")
    share = Share(*scope.part, scope.scalars.integer(scope.group.nodes[0].shape[0]))
    return [share, *segments(scope, [])]


def blocks_of_columns(scope: Scope) -> list[Stmt]:
    """All segments for some columns after the other; the threads share the columns."""
    block = scope.schedule.share.block
    columns = scope.scalars.integer(scope.group.nodes[0].shape[-1])
    first, last = scope.variable("first"), scope.variable("last")
    scope.first_column, scope.last_column = first, last
    body = [in_blocks(first, last, block), *segments(scope, [])]
    return [For(first, ZERO, columns, tuple(body), step=ir.integer(block), parallel=True)]


def halves(scope: Scope) -> list[Stmt]:
    """Sums of which each half is one thread's: the first ones first, in whatever order they are added."""
    half = scope.variable("half")
    body: list[Stmt] = []
    for segment in sorted(scope.schedule.segments, key=_half_of):
        inside = _segment(scope, segment, [], scope.available | {half.name})
        body.append(If(Op("==", (half, ir.integer(_half_of(segment))), "bool"), tuple(inside)))
    return [For(half, ZERO, ir.integer(2), tuple(body), parallel=True)]


def _half_of(segment: Segment) -> int:
    node = segment.stages[0].node
    number = half_of(node.shape, node.definition)
    assert number is not None
    return number


# -- segments ---------------------------------------------------------------------------------------------------------
def segments(scope: Scope, row: Sequence[Var]) -> list[Stmt]:
    """All segments of one row."""
    body: list[Stmt] = []
    known = scope.available | {var.name for var in row}
    for segment in scope.schedule.segments:
        body += _segment(scope, segment, row, known)
    return body


def _segment(scope: Scope, segment: Segment, row: Sequence[Var], known: set[str]) -> list[Stmt]:
    stage = segment.stages[0]
    if segment.window is not None:
        return WindowLowering(scope, segment.window).product(stage.node, row, shared=not row)
    if segment.scatter is not None:
        before: list[Stmt] = []
        target = stage.node.target
        to = scope.storage.buffers[target] if target is not None else cleared(scope, stage, before)[0]
        return [*before, *ScatterLowering(scope, stage, segment.scatter).additions_to(to)]
    loops = scope.loops(segment.extents)
    return [statement for nest in segment.nests for statement in Loops(scope, segment, row, loops, nest).nest(known)]


class Loops:
    """The loops of a segment, over the periods at hand.

    ``before``, ``inside`` and ``after`` are statements around and in all loops; ``around`` those before and after the
    loops inside so many of them, where reductions begin and end. Comments have ``shown`` for the indices, if given;
    ``told`` are those of numbers that no statement has computed yet.
    """

    def __init__(
        self, scope: Scope, segment: Segment, row: Sequence[Expr], loops: Sequence[Expr], periods: Nest | None = None,
        shown: Mapping[sp.Basic, Expr] | None = None,
    ) -> None:  # fmt: skip
        self.scope, self.scalars, self.segment = scope, scope.scalars, segment
        self.row, self.loops, self.periods, self.shown = row, loops, periods or {}, shown
        parts = [part for part in self.periods.values() if isinstance(part, Digits)]
        self.digits = {d: Var(scope.loop_name(sp.Integer(n)), "int64") for p in parts for d, n in p.sizes.items()}
        self.residues: Residues = {}
        self.told: list[str] = []
        self.before: list[Stmt] = []
        self.inside: list[Stmt] = []
        self.after: list[Stmt] = []
        self.around: tuple[dict[int, list[Stmt]], dict[int, list[Stmt]]] = ({}, {})

    def nest(self, known: set[str]) -> list[Stmt]:
        """The loops with all that is in them; what they bind outside of them becomes ``known``."""
        scope, sharing = self.scope, self.scope.sharing
        for residues in statements_of(self.periods):
            self.residues, scope.forwarded, scope.numbers, self.told = residues, {}, {}, []
            for stage in self.segment.stages:
                self.lower(stage)
        scope.forwarded, scope.numbers = {}, {}
        inside = scope.hoist(self.inside)
        known |= scope.available
        if self.loops:
            hoisted, inside = sharing.hoist(inside, known, outermost=False)
            self.before += hoisted
        inside = sharing.once(inside)
        for statement in (*self.before, *inside, *self.after):
            outside = statement in self.before or statement in self.after or not self.loops
            if outside and isinstance(statement, Let | Assign):
                known.add(statement.var.name)
        return [*self.before, *self._around(inside, known), *self.after]

    def _around(self, inside: Sequence[Stmt], known: Set[str]) -> list[Stmt]:
        """The loops around some statements; of a block of columns, and of owned rows, a part."""
        scope, body, inverses = self.scope, inside, dict[int, list[Stmt]]()
        for position in range(1, len(self.loops)):
            outer = {loop.name for loop in self.loops[:position] if isinstance(loop, Var)}
            if not isinstance(self.periods.get(axis(scope.depth + position)), Digits):
                inverses[position], body = scope.sharing.inverses(body, {*known, *outer})
        for position in reversed(range(len(self.loops))):
            start: Expr = ZERO
            stop = self.scalars.integer(self.segment.extents[position])
            if scope.schedule.has_some_columns and position == len(self.loops) - 1:
                start, stop = scope.first_column, scope.last_column
            elif scope.part is not None and position == 0:
                start, stop = scope.part
            loop, part = self.loops[position], self.periods.get(axis(scope.depth + position))
            if isinstance(part, Digits):
                for digit, size in reversed(list(part.sizes.items())):
                    body = (For(self.digits[digit], ZERO, ir.integer(size), tuple(body)),)
                continue
            if part is not None:
                start, stop = ir.integer(part.first), ir.integer(part.last)
            assert isinstance(loop, Var)
            begin, end = (part.get(position, []) for part in self.around)
            body = (*begin, *inverses.get(position, ()), For(loop, start, stop, tuple(body)), *end)
        return list(body)

    def lower(self, stage: Stage) -> None:
        """One value."""
        scope, node = self.scope, stage.node
        self.scalars.indices = dict(zip(scope.row_axes(), self.row, strict=False))
        self.scalars.indices |= {**dict(zip(stage.loops, self.loops, strict=True)), **self.digits}
        self.scalars.bounds = reached(bounds_of(node.shape, node.definition), self.periods)
        places = places_of(self.residues)
        scope.here = (*self.row, *(self.scalars.integer(places.get(index, index)) for index in stage.loops))
        dtype = data_type(node.value)
        if node.target is None and node.definition.op is None:
            scope.forwarded[node.value] = Var(scope.names.unique(scope.value_name(node.value)), dtype)
        elif node.target is None and len(node.shape) <= scope.depth:
            scope.local[node.value] = Var(scope.names.unique(scope.value_name(node.value)), dtype)
        body = with_residues(node.definition.body, self.residues, self.scalars.bounds)
        text = formula_text(node, self.shown or self.scalars.indices, scope.shown_name, places, body)
        if not any(place or periods.first for place, periods in self.residues.values()):
            scope.formulas.append(text)  # once, not for every residue
        if node.definition.op is not None:
            self._reduce(stage)
            return
        free = tuple(self.scalars.integer(places.get(axis(d), axis(d))) for d in range(len(node.shape)))
        value = self.scalars.value(body, dtype)
        text, self.told = "\n".join([*self.told, text]), []
        if node.target is not None:
            self.inside.append(Store(scope.storage.buffers[node.target], free, value, formula=text))
            return
        scalar: Expr = scope.forwarded[node.value]
        if isinstance(value, Const) and self.residues:  # a number is bound to no name, and decides in what reads it
            scope.numbers[node.value] = scalar = value
            self.told = [text]
        else:
            self.inside.append(Let(scope.forwarded[node.value], value, text))
        if not self.loops:
            scope.local[node.value] = scope.forwarded[node.value]
        if stage.place == "memory":
            self.store(scope.storage.buffers[node.value], free, scalar)
        elif stage.place == "scratch" and self.loops:
            buffer = scope.scratch.get(node.value) or scope.scratch_of(node.value, self.segment.extents)
            self.store(buffer.name, free[scope.depth :], scalar)

    def store(self, buffer: str, place: tuple[Expr, ...], value: Expr) -> None:
        """Keep a value, below the formulas of numbers that have no statement of their own."""
        text, self.told = "\n".join(self.told), []
        self.inside.append(Store(buffer, place, value, formula=text))

    def _reduce(self, stage: Stage) -> None:
        scope, node = self.scope, stage.node
        definition, text = node.definition, scope.formulas[-1]
        is_place = definition.op in ("argmax", "argmin")
        dtype: DType = "real" if is_place else data_type(node.value)
        body = definition.body
        where = tuple(self.scalars.indices[axis(d)] for d in range(len(node.shape)))
        inner = len(node.shape) - scope.depth
        is_kept = stage.place == "memory"
        place, here = where if is_kept else where[scope.depth :], where[scope.depth :]
        before, inside, after = self.before, self.inside, self.after
        if inner and not stage.in_row:
            buffer, best_at = cleared(scope, stage, before, text)
            value = self.scalars.value(body, "int64" if dtype == "int64" else "real")
            if best_at is None:
                inside.append(Store(buffer, place, value, op=definition.op))  # type: ignore[arg-type]
            else:
                inside += self._first_best(
                    stage, value, Load(best_at, here, "real"), Load(buffer, place, "int64"),
                    lambda v: Store(best_at, here, v), lambda at: Store(buffer, place, at),
                )  # fmt: skip
            return
        value = self.scalars.value(body, dtype)
        start = started(str(definition.op), dtype)
        if inner:
            total = Var(scope.names.unique(scope.value_name(node.value)), data_type(node.value))
            before, after = (part.setdefault(inner, []) for part in self.around)
        else:
            total = scope.local[node.value]
        if is_place:
            best = Var(scope.names.unique(f"{total.name}_best"), dtype)
            before.append(Assign(best, start, formula=text))
            terms = sp.Mul(*definition.extents)
            is_short = terms.is_Integer and terms < LEAST_TWICE
            if isinstance(body, Element) and body.tensor not in scope.forwarded and not is_short:
                before.append(Assign(total, NOWHERE))
                inside.append(Assign(best, value, OF_PLACES[str(definition.op)]))
                after += self._place_of(stage, best, total)
            else:
                before.append(Assign(total, ZERO))
                inside += self._first_best(
                    stage, value, best, total, lambda v: Assign(best, v), lambda at: Assign(total, at)
                )
        else:
            before.append(Assign(total, start, formula=text))
            inside.append(Assign(total, value, definition.op))  # type: ignore[arg-type]
        if inner:
            after.append(Store(_row_buffer(scope, stage), place, total))
        if not inner and is_kept:
            after.append(Store(scope.storage.buffers[node.value], where, total))

    def _place_of(self, stage: Stage, best: Expr, total: Var) -> list[Stmt]:
        """Loops that find the first place of the best value, which is known, or that of the first NaN: in vectors."""
        definition, scope = stage.node.definition, self.scope
        over, saved = scope.loops(definition.extents), dict(self.scalars.indices)
        self.scalars.indices |= {bound(d): var for d, var in enumerate(over)}
        value = self.scalars.value(definition.body, "real")
        self.scalars.indices.update(saved)
        sizes = scope.sizes(definition.extents)
        is_best = Op("or", (Op("==", (value, best), "bool"), Op("!=", (value, value), "bool")), "bool")
        place = Select(is_best, ir.flat_index(tuple(over), sizes), NOWHERE, "int64")
        body: tuple[Stmt, ...] = (Assign(total, place, "min"),)
        for var, size in reversed(list(zip(over, sizes, strict=True))):
            body = (For(var, ZERO, size, body),)
        return list(body)

    def _first_best(
        self, stage: Stage, value: Expr, best: Expr, best_at: Expr, set_best: Callable[[Expr], Stmt],
        set_place: Callable[[Expr], Stmt],
    ) -> list[Stmt]:  # fmt: skip
        """Take a value that is better than the best so far, and its place; a NaN is better than any number. Where it is
        not, what was best is kept by being written again: so this is done in vectors."""
        definition = stage.node.definition
        name = f"{self.scope.value_name(stage.node.value)}_candidate"
        candidate = Var(self.scope.names.unique(name), value.dtype)
        over = tuple(self.scalars.indices[bound(d)] for d in range(len(definition.extents)))
        place = ir.flat_index(over, self.scope.sizes(definition.extents))
        worse = Op("<=" if definition.op == "argmax" else ">=", (candidate, best), "bool")
        better = Var(self.scope.names.unique(f"{name}_is_better"), "bool")
        is_better = Op("and", (Op("not", (worse,), "bool"), Op("==", (best, best), "bool")), "bool")
        return [
            Let(candidate, value), Let(better, is_better), set_place(Select(better, place, best_at, "int64")),
            set_best(Select(better, candidate, best, "real")),
        ]  # fmt: skip


def _row_buffer(scope: Scope, stage: Stage) -> str:
    """Where a reduction with free inner indices is kept, or its row in scratch memory."""
    value = stage.node.value
    if stage.place == "memory":
        return scope.storage.buffers[value]
    return scope.scratch_of(value, value.shape[scope.depth :]).name


def cleared(scope: Scope, stage: Stage, before: list[Stmt], formula: str = "") -> tuple[str, str | None]:
    """The buffer of a reduction with free inner indices, whose row of results is first filled with what it starts
    from; for places, also that of the best values."""
    node = stage.node
    shape = node.shape[scope.depth :]
    buffer = _row_buffer(scope, stage)
    op = node.definition.op
    is_place = op in ("argmax", "argmin")
    start = started(op or "sum", "int64" if data_type(node.value) == "int64" and not is_place else "real")
    fill = scope.loops(shape)
    rows = tuple(scope.scalars.indices[d] for d in scope.row_axes()) if stage.place == "memory" else ()
    body: list[Stmt] = [Store(buffer, (*rows, *fill), ZERO if is_place else start, formula=formula)]
    best = scope.unnamed(f"{scope.value_name(node.value)}_best", shape) if is_place else None
    if best is not None:
        body.append(Store(best, tuple(fill), start))
    for position in reversed(range(len(fill))):
        begin, end = limits(scope, position, shape)
        body = [For(fill[position], begin, end, tuple(body))]
    before += body
    return buffer, best


def started(op: str, dtype: DType) -> Const:
    """What a reduction of such values starts from."""
    return Const(INTEGER_START[op] if dtype == "int64" else START[op], dtype)
