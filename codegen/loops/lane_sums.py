"""Adds up a sum whose last loop is short lane by lane: its vectors are added to each other once, not in every round.

s = 0                                                 for j in 0..32: t[j] = 0
for i in 0..900: for j in 0..32: s += a[i, j]·b[j]    for i in 0..900: for j in 0..32: t[j] += a[i, j]·b[j]
                                                      for j in 0..32: s += t[j]

Comes in: statements, whose long sums are in blocks. Goes out: equal ones, in which these sums have another order, the
same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Assign, Const, For, If, Load, Stmt, Store, Var
from codegen.loops.names import Names
from codegen.loops.places import affine

SHORTEST, LONGEST = 16, 64
"""Terms of the last loop: those of a vector at least; of many, to add up the lanes is little beside the rest."""

LEAST_ROUNDS = 8
"""How often that loop runs, from which on it pays."""


class LaneSums:
    """The sums of one kernel, and the ``scratch`` that they need."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.scratch: list[ir.Buffer] = []

    def __call__(self, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """The statements with every such sum in lanes."""
        return tuple(one for statement in body for one in self._statement(statement))

    def _statement(self, statement: Stmt) -> Sequence[Stmt]:
        if isinstance(statement, For) and (found := _sum_of(statement)) is not None:
            return self._in_lanes(*found)
        if isinstance(statement, For | If):
            return [replace(statement, body=self(statement.body))]
        return [statement]

    def _in_lanes(self, nest: Sequence[For], term: Assign) -> Sequence[Stmt]:
        last = nest[-1]
        lanes = ir.Buffer(self.names.unique(f"{term.var.name}_lanes"), "real", (last.stop,), "scratch")
        self.scratch.append(lanes)
        at = (last.var,)
        body: tuple[Stmt, ...] = (*last.body[:-1], Store(lanes.name, at, term.value, "sum"))
        for loop in reversed(nest):
            body = (replace(loop, body=body),)
        zero = replace(last, body=(Store(lanes.name, at, Const(0.0, "real")),))
        end = replace(last, body=(Assign(term.var, Load(lanes.name, at, "real"), "sum"),))
        return [zero, *body, end]


def _sum_of(loop: For) -> tuple[list[For], Assign] | None:
    """The loops of a sum to a scalar, and what is added; None if it is none, or not worth it."""
    nest = [loop]
    while len(nest[-1].body) == 1 and isinstance(inner := nest[-1].body[0], For):
        nest.append(inner)
    *before, term = nest[-1].body
    last = nest[-1]
    if not isinstance(term, Assign) or term.op != "sum" or term.value.dtype != "real" or len(nest) < 2:
        return None
    if any(one.parallel or one.step != ONE for one in nest) or last.start != ZERO or not isinstance(last.stop, Const):
        return None
    if before or not SHORTEST <= last.stop.value <= LONGEST or not _often(nest[:-1]):
        return None
    loads = [part for part in ir.subexpressions(term.value) if isinstance(part, Load)]
    return (nest, term) if all(_runs_along(load, last.var) for load in loads) else None


def _often(loops: Sequence[For]) -> bool:
    """Whether loops have rounds enough, or nobody knows how many."""
    counts = [loop.stop.value if isinstance(loop.stop, Const) and loop.start == ZERO else None for loop in loops]
    known = [int(count) for count in counts if count is not None]
    return len(known) < len(counts) or prod(known) >= LEAST_ROUNDS


def _runs_along(load: Load, var: Var) -> bool:
    """Whether what is read lies side by side from one round to the next, or is the same."""
    if load.guarded or not load.index:
        return not load.guarded
    found = affine(load.index[-1], {var.name})
    apart = any(var in ir.subexpressions(place) for place in load.index[:-1])
    return found is not None and not apart and found[0].get(var.name, 0) in (0, 1)
