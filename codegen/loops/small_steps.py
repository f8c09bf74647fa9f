"""The kernels of a step with little to do become one, which LLVM makes straight-line code of.

    k1[i] = …; y1[i] = y[i] + h·k1[i]/2; …; k4[i] = …; y[i] = …      a step of Runge and Kutta: one call, not nine

What one kernel stores and the next loads stays in registers, where all sizes are numbers and loops have few trips. One
thread runs it: there is less to be shared than a meeting costs.
"""

from __future__ import annotations

from dataclasses import replace

from codegen.loops import ir
from codegen.loops.counts import flops
from codegen.loops.ir import ONE, ZERO, Const, Expr, For, If, Kernel, Let, Share, Stmt, Var
from codegen.loops.names import Names
from codegen.loops.program import Item, Loop, Program
from codegen.loops.rename import Renaming
from codegen.loops.share import replaced

LITTLE = 2048.0
"""Operations of a step with little to do."""

LITTLE_ALONE = 16384.0
"""The same of a step of which one thread has to run a part alone, as of a batch of one: others would wait for it."""

MOST_STATEMENTS = 400
"""Statements of one kernel."""


def with_whole_steps(program: Program) -> Program:
    """The program with one kernel for every innermost loop whose steps have little to do."""
    return replace(program, body=tuple(map(_whole, program.body)))


def _whole(item: Item) -> Item:
    if not isinstance(item, Loop):
        return item
    kernels = tuple(inner for inner in item.body if isinstance(inner, Kernel))
    if len(kernels) < len(item.body):
        return replace(item, body=tuple(map(_whole, item.body)))
    return replace(item, body=(_merged(kernels),)) if len(kernels) > 1 and _is_little(kernels) else item


def _is_little(kernels: tuple[Kernel, ...]) -> bool:
    if any(kernel.sizes for kernel in kernels):
        return False
    statements = [statement for kernel in kernels for statement in ir.statements(kernel.body)]
    plain = all(not isinstance(s, ir.Contract | ir.Copy) for s in statements)
    numbers = all(isinstance(s.step, Const) for s in statements if isinstance(s, For))
    few = plain and numbers and len(statements) <= MOST_STATEMENTS
    most = LITTLE if all(map(_is_shared, kernels)) else LITTLE_ALONE
    return few and sum(flops(kernel.body, {}) for kernel in kernels) <= most


def _is_shared(kernel: Kernel) -> bool:
    """Whether there is something to do for a second thread."""
    loops = [statement for statement in kernel.body if isinstance(statement, For) and statement.parallel]
    return kernel.parallel and all(loop.stop != ONE for loop in loops)


def _merged(kernels: tuple[Kernel, ...]) -> Kernel:
    arguments = tuple(dict.fromkeys(name for kernel in kernels for name in kernel.arguments))
    local = {name: name.replace(".", "_") for name in arguments}
    names = Names(frozenset(local.values()))
    body: list[Stmt] = []
    for kernel in kernels:
        buffers = {own: local[name] for own, name in zip(kernel.buffers, kernel.arguments, strict=True)}
        body += Renaming(buffers, names.unique, formulas=True).block(_alone(kernel.body, {}))
    formulas = tuple(formula for kernel in kernels for formula in kernel.formulas)
    how = "one thread, a whole step"
    return Kernel(kernels[0].name, tuple(local.values()), arguments, (), tuple(body), formulas, False, how)


def _alone(body: tuple[Stmt, ...], ends: dict[str, Expr]) -> tuple[Stmt, ...]:
    """The statements of a thread that has no others beside it; ``ends`` is where its shares end."""

    def at_end(expression: Expr) -> Expr:
        return replaced(expression, lambda node: ends.get(node.name) if isinstance(node, Var) else None)

    found: list[Stmt] = []
    for statement in body:
        match statement:
            case For(var, start, stop, inner, step, parallel):
                known = {**ends, f"{var.name}_end": stop} if parallel else ends
                found.append(For(var, at_end(start), at_end(stop), _alone(inner, known), step))
            case Share(first, last, count):
                found += [Let(first, ZERO), Let(last, count)]
            case If(condition, inner):
                found.append(If(condition, _alone(inner, ends)))
            case Let(var, value):
                found.append(replace(statement, value=at_end(value)))
            case _:
                found.append(statement)
    return tuple(found)
