"""Which loop nests of long kernels are functions of their own, equal ones the same.

    for n: (for j: for k: …)(for j: for k: …) …    →    for n: nest_1(a, b, n) nest_1(b, c, n) …

LLVM's loop passes take time with the square of a function's loops, and a chain of twenty layers, row by row, is one
kernel. Most of its layers are equal, so that few functions are compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from codegen.loops import ir
from codegen.loops.ir import Assign, Contract, Copy, DType, Expr, For, Let, Share, Stmt, Var
from codegen.loops.rename import Renaming

MOST_LOOPS = 24
"""Of a kernel that stays one function, tiles and copies counted as the loops that they are."""
LEAST_LOOPS = 2
"""Of a nest: around one loop alone, a call would be much of the work."""

Array = tuple[DType, tuple[Expr, ...]]
"""Of a buffer."""


@dataclass(frozen=True, slots=True)
class Nest:
    """The function of a loop, with the names of its first place: its parameters, buffers and then variables."""

    name: str
    parameters: tuple[str, ...]
    loop: For
    arrays: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Run:
    """A call of a nest in the place of a loop; ``formulas`` are what it computes there."""

    nest: Nest
    arguments: tuple[str, ...]
    formulas: tuple[str, ...]


@dataclass(slots=True)
class Nests:
    """Those of a program, by their content."""

    found: dict[object, Nest] = field(default_factory=dict)

    def of(self, body: tuple[Stmt, ...], arrays: Mapping[str, Array]) -> dict[int, Run]:
        """The calls in the body of a kernel with these buffers, by the identity of the loops that they replace."""
        runs: dict[int, Run] = {}
        if _loops(body) > MOST_LOOPS:
            self._follow(body, frozenset(), arrays, runs)
        return runs

    def _follow(
        self, body: tuple[Stmt, ...], outer: frozenset[str], arrays: Mapping[str, Array], runs: dict[int, Run]
    ) -> None:
        for statement in body:
            if isinstance(statement, Let | Assign):
                outer |= {statement.var.name}
            if not isinstance(statement, For):
                continue
            if statement.parallel or _loops(statement.body) > MOST_LOOPS:
                self._follow(statement.body, outer, arrays, runs)
            elif _loops([statement]) >= LEAST_LOOPS and _is_closed(statement, outer):
                runs[id(statement)] = self._run(statement, arrays)

    def _run(self, loop: For, arrays: Mapping[str, Array]) -> Run:
        buffers = tuple(dict.fromkeys([*ir.writes((loop,)), *ir.reads((loop,))]))
        own = {name: arrays[name] for name in buffers}
        variables = _free(loop, own)
        names, bound = {name: f"b{place}" for place, name in enumerate(buffers)}, count()
        renaming = Renaming(names, lambda name: f"v{next(bound)}")
        renaming.variables |= {name: f"f{place}" for place, name in enumerate(variables)}
        content = (renaming.one(loop), tuple(own.values()), tuple(variables.values()))
        parameters = (*buffers, *variables)
        nest = self.found.setdefault(content, Nest(f"nest_{len(self.found) + 1}", parameters, loop, own))
        formulas = (getattr(statement, "formula", "") for statement in ir.statements((loop,)))
        return Run(nest, parameters, tuple(line for formula in formulas for line in formula.split("\n") if line))


def _loops(body: Iterable[Stmt]) -> int:
    """How many loops LLVM sees: a product is one over tiles' columns, rows, and depth."""
    return sum(1 if isinstance(one, For) else 3 if isinstance(one, Contract) else 2 if isinstance(one, Copy) else 0
               for one in ir.statements(tuple(body)))  # fmt: skip


def _is_closed(loop: For, outer: frozenset[str]) -> bool:
    """Whether a loop sets no scalar of what is around it, and is no thread's share."""
    inside = list(ir.statements((loop,)))
    shared = any(isinstance(one, Share) or (isinstance(one, For) and one.parallel) for one in inside)
    return not shared and not any(isinstance(one, Assign) and one.var.name in outer for one in inside)


def _free(loop: For, arrays: Mapping[str, Array]) -> dict[str, DType]:
    """The variables that a loop reads of what is around it, each with its type; widths of panels belong to the module.

    Rows of a buffer are as long as its shape says, whose first extent alone is not asked for.
    """
    inside = list(ir.statements((loop,)))
    bound = {one.var.name for one in inside if isinstance(one, Let | Assign | For)}
    bound |= {one.step.name for one in inside if isinstance(one, For) and isinstance(one.step, Var)}
    asked = [expression for one in inside for expression in ir.expressions_of(one)]
    asked += [extent for _, shape in arrays.values() for extent in shape[1:]]
    nodes = (node for expression in asked for node in ir.subexpressions(expression))
    return {node.name: node.dtype for node in nodes if isinstance(node, Var) and node.name not in bound}
