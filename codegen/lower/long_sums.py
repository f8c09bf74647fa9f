"""Adds up long sums in blocks, whose partial sums are added in float64: an error that does not grow with their length.

s = 0                                  s = 0;  w = 0
for n in 0..N: s += x[n]      →        for block in 0..N by 1024:  if block > 0: w += s;  s = 0
                                                                   for n in the block: s += x[n]
                                       if N > 1024: s = w + s

A sum whose terms are known to be at most ``SHORT_SUM`` is left as it is. With u the unit roundoff, |computed − exact| ≤
(SHORT_SUM + 1)·u·Σ|terms| at worst, where a block is added in its order (N. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., sec. 4.2 and 4.3). Comes in: a kernel's statements, whatever made them. What has computed places,
as scatters have, is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from codegen.loops import ir
from codegen.loops.ir import ZERO, Assign, Cast, Const, Expr, For, If, Let, Load, Op, Share, Stmt, Store, Var
from codegen.loops.names import Names
from codegen.loops.numbers import SHORT_SUM

BLOCK = {Assign: SHORT_SUM, Store: 128}
"""Terms of a block: a scalar is accumulated in the lanes of several vectors, an element of an array in one place."""

Shapes = Mapping[str, tuple[Expr, ...]]
Path = tuple[Stmt, ...]


@dataclass(slots=True)
class _Blocked:
    """What becomes of a loop: its blocks, the first number of each, and what comes before a block."""

    first: Var
    step: int
    carry: list[Stmt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _End:
    """What ends a sum that went through a ``blocked`` loop, and through ``outer`` ones, more than one block of it."""

    blocked: _Blocked
    loop: For
    outer: Sequence[For]
    body: list[Stmt]

    def statement(self) -> If:
        several = [Op(">", (_extent(self.loop), ir.integer(self.blocked.step)), "bool")]
        several += [Op(">", (_extent(loop), ir.ONE), "bool") for loop in self.outer]
        return If(_any(several), tuple(self.body))


class LongSums:
    """The long sums of one kernel: ``shapes`` of its buffers of real numbers, and the ``scratch`` that is needed."""

    def __init__(self, shapes: Shapes, names: Names) -> None:
        self.shapes, self.names = shapes, names
        self.scratch: list[ir.Buffer] = []
        self.blocked: dict[int, _Blocked] = {}
        self.before: dict[int, list[Stmt]] = {}
        self.after: dict[int, list[_End]] = {}

    def __call__(self, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """The statements with their long sums in blocks."""
        starts: dict[str, list[Path]] = {}
        sums: dict[str, list[Path]] = {}
        for path in _paths(tuple(body), ()):
            match path[-1]:
                case Assign(Var(name, "real"), _, op) | Store(name, _, _, op) if op in (None, "sum"):
                    (starts if op is None else sums).setdefault(name, []).append(path)
        for name, paths in sums.items():
            if len(paths) == 1 and len(starts.get(name, ())) == 1:
                self._consider(paths[0], starts[name][0])
        return self._rebuilt(body)

    def _consider(self, path: Path, start: Path) -> None:
        """Note what is to be done for one sum, if it may be long."""
        shared = sum(1 for one, other in zip(path, start, strict=False) if one is other)
        term = path[-1]
        loops = [statement for statement in path[shared:-1] if isinstance(statement, For)]
        index = term.index if isinstance(term, Store) else ()
        used = {node.name for place in index for node in ir.subexpressions(place) if isinstance(node, Var)}
        over = [loop for loop in loops if loop.var.name not in used]
        free = [loop for loop in loops if loop.var.name in used]
        if not over or loops[0].parallel or not self._is_plain(term, path[shared:], loops, over, used):
            return
        extents = [_extent(loop) for loop in over]
        total = ir.product(tuple(extents))
        if isinstance(total, Const) and total.value <= SHORT_SUM:
            return
        limit, inner, chosen = BLOCK[type(term)], 1, over[-1]
        for loop, extent in reversed(list(zip(over, extents, strict=True))):
            chosen = loop
            if not isinstance(extent, Const) or inner * int(extent.value) > limit:
                break
            inner *= int(extent.value)
        else:
            return  # a known number of terms, which is no more than a block
        inside = [loop for loop in loops[loops.index(chosen) :] if loop in free]
        begin, carry, end = self._wide(term, free, inside)
        found = self.blocked.setdefault(id(chosen), _Blocked(Var(self.names.unique("block"), "int64"), limit // inner))
        found.step = min(found.step, limit // inner)
        outer = over[: over.index(chosen)]
        later = [Op(">", (found.first, chosen.start), "bool")]
        later += [Op(">", (loop.var, loop.start), "bool") for loop in outer]
        found.carry.append(If(_any(later), tuple(carry)))
        self.before.setdefault(id(loops[0]), []).extend(begin)
        self.after.setdefault(id(loops[0]), []).append(_End(found, chosen, outer, end))

    def _is_plain(self, term: Stmt, inside: Path, loops: Sequence[For], over: Sequence[For], used: set[str]) -> bool:
        """Whether the places of a sum, and how many terms it has, are known before its loops begin."""
        bound = {name for statement in inside for name in _bound(statement)}
        bounds = [part for loop in loops for part in (loop.start, loop.stop)]
        in_bounds = {node.name for part in bounds for node in ir.subexpressions(part) if isinstance(node, Var)}
        known = not used & bound and not in_bounds & (bound | {loop.var.name for loop in loops})
        is_real = not isinstance(term, Store) or term.buffer in self.shapes
        return known and is_real and all(loop.step == ir.ONE for loop in loops)

    def _wide(self, term: Stmt, free: Sequence[For], inner: Sequence[For]) -> tuple[list[Stmt], list[Stmt], list[Stmt]]:
        """Start sums in float64; add what is there, in the ``inner`` loops over places, and clear it; add the rest."""
        zero, nothing = Const(0.0, "float64"), Const(0.0, "real")
        if isinstance(term, Assign):
            total, wide = term.var, Var(self.names.unique(f"{term.var.name}_wide"), "float64")
            added = Op("+", (wide, Cast(total, "float64")), "float64")
            carry: list[Stmt] = [Assign(wide, added), Assign(total, nothing)]
            return [Assign(wide, zero)], carry, [Assign(total, Cast(added, "real"))]
        assert isinstance(term, Store)
        name, shape = term.buffer, self.shapes[term.buffer]
        places = {loop.var.name for loop in free}
        axes = [
            position
            for position, place in enumerate(term.index)
            if any(isinstance(node, Var) and node.name in places for node in ir.subexpressions(place))
        ]
        buffer = ir.Buffer(self.names.unique(f"{name}_wide"), "float64", _room(shape, term.index, axes), "scratch")
        self.scratch.append(buffer)
        at = tuple(term.index[a] for a in axes)
        part, sum_ = Load(name, term.index, "real"), Load(buffer.name, at, "float64")
        added = Op("+", (sum_, Cast(part, "float64")), "float64")
        return (
            _nest(free, [Store(buffer.name, at, zero)]),
            _nest(inner, [Store(buffer.name, at, added), Store(name, term.index, nothing)]),
            _nest(free, [Store(name, term.index, Cast(added, "real"))]),
        )

    def _rebuilt(self, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
        result: list[Stmt] = []
        for statement in body:
            new = statement
            if isinstance(statement, For | If):
                new = replace(statement, body=self._rebuilt(statement.body))
            found = self.blocked.get(id(statement))
            if found is not None and isinstance(new, For):
                step = ir.integer(found.step)
                last = ir.Call("minimum", (ir.add(found.first, step), new.stop), "int64")
                part = replace(new, start=found.first, stop=last)
                new = For(found.first, new.start, new.stop, (*found.carry, part), step=step)
            result += [*self.before.get(id(statement), ()), new]
            result += [end.statement() for end in self.after.get(id(statement), ())]
        return tuple(result)


def _extent(loop: For) -> Expr:
    return loop.stop if loop.start == ZERO else Op("-", (loop.stop, loop.start), "int64")


def _any(conditions: Sequence[Expr]) -> Expr:
    return reduce(lambda one, other: Op("or", (one, other), "bool"), conditions)


def _paths(body: Sequence[Stmt], above: Path) -> Iterator[Path]:
    """Every statement below those that it stands in."""
    for statement in body:
        yield (*above, statement)
        if isinstance(statement, For | If):
            yield from _paths(statement.body, (*above, statement))


def _bound(statement: Stmt) -> set[str]:
    """Names that are bound within a loop or a condition, but for those of loops."""
    if not isinstance(statement, For | If):
        return set()
    inside = list(ir.statements(statement.body))
    names = {s.var.name for s in inside if isinstance(s, Let | Assign)}
    return names | {var.name for s in inside if isinstance(s, Share) for var in (s.first, s.last)}


def _room(shape: tuple[Expr, ...], index: tuple[Expr, ...], axes: Sequence[int]) -> tuple[Expr, ...]:
    """How far the places along some axes may go: an index after 0s may run on over the axes of these, as in (0, e)."""
    sizes: list[Expr] = []
    over: Expr = ir.ONE
    for position, (size, place) in enumerate(zip(shape, index, strict=True)):
        over = ir.multiply(over, size)
        if position in axes:
            sizes.append(over)
        if place != ZERO:
            over = ir.ONE
    return tuple(sizes)


def _nest(loops: Sequence[For], body: list[Stmt]) -> list[Stmt]:
    for loop in reversed(loops):
        body = [For(loop.var, loop.start, loop.stop, tuple(body))]
    return body
