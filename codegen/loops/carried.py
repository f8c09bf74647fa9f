"""A loop over steps of a few numbers is one kernel, which keeps in registers what a step hands to the next.

    for t: x[t] = f(x[t − 1])       →       before = x₀;  for t: now = f(before); x[t] = now; before = now

Each step of a kernel of its own would load what the step before has stored, and wait for the memory between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codegen.loops import ir
from codegen.loops.ir import ONE, ZERO, Assign, Const, Expr, For, If, Kernel, Let, Load, Stmt, Store, Var
from codegen.loops.names import Names
from codegen.loops.program import Item, Loop, Program, Slice
from codegen.loops.rename import Renaming
from codegen.loops.share import replaced, with_expressions


def with_carried_numbers(program: Program) -> Program:
    """The program with such a kernel for every outermost loop that is one kernel over numbers, run by one thread."""
    body: list[Item] = []
    gone: set[str] = set()
    for item in program.body:
        kernel = _walked(item, program.buffers) if isinstance(item, Loop) else None
        if isinstance(item, Loop) and kernel is not None:
            gone |= set(item.slices)
        body.append(item if kernel is None else kernel)
    buffers = {name: buffer for name, buffer in program.buffers.items() if name not in gone}
    return replace(program, body=tuple(body), buffers=buffers)


def _walked(loop: Loop, buffers: Mapping[str, ir.Buffer]) -> Kernel | None:
    """The kernel that goes through all steps of a loop; None if it is another loop."""
    kernel = loop.body[0]
    if not isinstance(kernel, Kernel) or not _is_of_numbers(loop, kernel, buffers):
        return None
    used = {name: loop.slices[name] for name in kernel.arguments if name in loop.slices}
    firsts = {name: part.first for name, part in used.items() if part.first is not None}
    bases = [part.base for part in used.values()]
    arguments = dict.fromkeys([*(name for name in kernel.arguments if name not in used), *bases, *firsts.values()])
    shown = {name: name.replace(".", "_") for name in arguments}
    names = Names(frozenset(one.var.name for one in ir.statements(kernel.body) if isinstance(one, Let | Assign)))
    step = Var(names.unique("step"), "int64")
    place: Expr = ir.difference(ir.difference(loop.count, ONE), step) if loop.backward else step
    local = dict(zip(kernel.arguments, kernel.buffers, strict=True))
    carried = {name: Var(names.unique(local[name]), buffers[name].dtype) for name in firsts}
    walk = _Walk(kernel, shown, used, carried, place, buffers)
    start: list[Stmt] = [Assign(var, walk.first(firsts[name])) for name, var in carried.items()]
    hand = [Assign(var, walk.stored(used[name].base)) for name, var in carried.items()]
    body = (*start, For(step, ZERO, loop.count, (*walk.block(kernel.body), *hand)))
    own = {name: name for name in shown.values()}
    renamed = Renaming(own, Names(frozenset(own)).unique, formulas=True).block(body)
    how = "one thread, all steps"
    return Kernel(kernel.name, tuple(own), tuple(shown), (), renamed, kernel.formulas, False, how)


def _is_of_numbers(loop: Loop, kernel: Kernel, buffers: Mapping[str, ir.Buffer]) -> bool:
    """Whether a step is one kernel of one thread, over numbers: those of each step, and what it hands to the next."""
    if len(loop.body) > 1 or not isinstance(loop.count, Const) or kernel.parallel or kernel.sizes:
        return False
    written = {part.base for part in loop.slices.values() if part.first is None}
    numbers = all(ir.product(buffers[name].shape) == ONE for name in loop.slices)
    outermost = all(part.base not in loop.slices for part in loop.slices.values())
    known = all(part.first is None or part.base in written for part in loop.slices.values())
    plain = all(isinstance(one, Let | Assign | Store | If | For) for one in ir.statements(kernel.body))
    return numbers and outermost and known and plain


class _Walk:
    """The statements of a step over what is kept of all, and numbers that are handed on."""

    def __init__(
        self, kernel: Kernel, shown: Mapping[str, str], used: Mapping[str, Slice], carried: Mapping[str, Var],
        place: Expr, buffers: Mapping[str, ir.Buffer],
    ) -> None:  # fmt: skip
        self.names = dict(zip(kernel.buffers, kernel.arguments, strict=True))
        self.shown, self.used, self.carried, self.place, self.buffers = shown, used, carried, place, buffers

    def block(self, body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return tuple(map(self.one, body))

    def one(self, statement: Stmt) -> Stmt:
        match statement:
            case If(condition, inner):
                return If(replaced(condition, self.moved), self.block(inner))
            case For():
                return replace(statement, body=self.block(statement.body))
            case Store(buffer):
                base, index = self.place_of(self.names[buffer], statement.index)
                return replace(statement, buffer=base, index=index, value=replaced(statement.value, self.moved))
        return with_expressions(statement, lambda expression: replaced(expression, self.moved))

    def moved(self, node: Expr) -> Expr | None:
        """What is read of a step's part."""
        if not isinstance(node, Load):
            return None
        name = self.names[node.buffer]
        if name in self.carried:
            return self.carried[name]
        base, index = self.place_of(name, node.index)
        return replace(node, buffer=base, index=index)

    def place_of(self, name: str, index: tuple[Expr, ...]) -> tuple[str, tuple[Expr, ...]]:
        """The buffer and the place where a number of the step is."""
        base = self.used[name].base if name in self.used else name
        return self.shown[base], index if base == name else self.at(base)

    def at(self, base: str) -> tuple[Expr, ...]:
        return (self.place, *(ZERO for _ in self.buffers[base].shape[1:]))

    def first(self, name: str) -> Load:
        """What the first step is handed."""
        return Load(self.shown[name], tuple(ZERO for _ in self.buffers[name].shape), self.buffers[name].dtype)

    def stored(self, base: str) -> Load:
        """What a step has made of a number."""
        return Load(self.shown[base], self.at(base), self.buffers[base].dtype)
