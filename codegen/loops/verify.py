"""What a valid program is. Each stage is checked where ``SYMGRAPH_DEBUG`` asks for it, as the tests do."""

from __future__ import annotations

from collections.abc import Mapping, Set

from codegen import debug
from codegen.loops import ir
from codegen.loops.guards import is_exposed
from codegen.loops.ir import (
    Assign,
    Contract,
    Copy,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Op,
    Operand,
    Share,
    Stmt,
    Store,
    Var,
)
from codegen.loops.memory import Arena, check_memory
from codegen.loops.program import External, Item, Loop, Program, memory, touched_by, work_in


class InvalidProgram(AssertionError):
    """A stage has left a program that breaks the rules of the IR: an error of the compiler, not of the user."""


def verify_program(program: Program) -> None:
    """Raise :class:`InvalidProgram` if a kernel is ill-formed or reads what nobody wrote; where checks are on."""
    if not debug.checks():
        return
    computed = ("temporary", "scratch", "output", "slice")
    _Reads(program).verify(program.body, {n for n, buffer in program.buffers.items() if buffer.role not in computed})


class _Reads:
    """Follows a program in its order, and knows what was written."""

    def __init__(self, program: Program) -> None:
        self.program, self.slices = program, program.slices

    def verify(self, body: tuple[Item, ...], written: set[str], before: frozenset[str] = frozenset()) -> None:
        """Check some items; ``before`` is what the loops around them write, and have written in an earlier step."""
        for item in body:
            if isinstance(item, Loop):
                self.verify(item.body, written, before | self._written_in(item.body))
                continue
            own = self._written(item)
            if isinstance(item, Kernel):
                verify_kernel(item, self.program)
                known = written | own
            else:
                known = written
                self._verify_call(item)
            for name in sorted(touched_by(item)[0]):
                if not self._holds_values(name, known, before):
                    raise InvalidProgram(f"{item.name} reads {name}, which nothing has written")
            written |= own

    def _verify_call(self, item: External) -> None:
        """An external call writes no operand of it, and touches nothing that each thread has for itself."""
        if not item.arguments or item.arguments[0] in item.arguments[1:]:
            raise InvalidProgram(f"{item.name} calls a procedure whose result is no buffer of its own")
        for name in item.arguments:
            if self.program.buffers[name].role == "scratch":
                raise InvalidProgram(f"{item.name} hands {name}, which each thread has for itself, to a procedure")

    def _holds_values(self, name: str, written: set[str], before: Set[str]) -> bool:
        """Whether a buffer holds values; ``before`` is what earlier steps of its loops have written."""
        part = self.slices.get(name)
        if part is None:
            return name in written
        known = written | before if part.first is not None else written
        return self._holds_values(part.base, known, before) and (
            part.first is None or self._holds_values(part.first, written, before)
        )

    def _written(self, item: Kernel | External) -> set[str]:
        return {memory(self.slices, name)[0] for name in touched_by(item)[1]}

    def _written_in(self, body: tuple[Item, ...]) -> frozenset[str]:
        return frozenset(name for _, item in work_in(body) for name in self._written(item))


def verify_kernel(kernel: Kernel, program: Program) -> None:
    """Every name bound before use, every index of the right rank, every expression well typed."""
    ranks = {
        local: len(program.buffers[argument].shape)
        for local, argument in zip(kernel.buffers, kernel.arguments, strict=True)
    }
    panels = {s.step.name for s in ir.statements(kernel.body) if isinstance(s, For) and isinstance(s.step, Var)}
    _verify_block(kernel.body, {*kernel.sizes, *panels}, ranks, kernel.name)


def _verify_block(
    body: tuple[Stmt, ...], scope: set[str], ranks: Mapping[str, int], where: str, guarded: bool = False
) -> None:
    known = set(scope)
    for statement in body:
        for expression in ir.expressions_of(statement):
            _verify_expression(expression, known, ranks, where)
            if is_exposed(expression) and not guarded:
                raise InvalidProgram(f"{where}: an element is read outside of the guard that it exists under")
        match statement:
            case Let(var, value):
                if var.name in known:
                    raise InvalidProgram(f"{where}: {var.name} is bound twice")
                if var.dtype != value.dtype:
                    raise InvalidProgram(f"{where}: {var.name} is {var.dtype}, its value {value.dtype}")
                known.add(var.name)
            case Assign(var, _, op):
                if op is not None and var.name not in known:
                    raise InvalidProgram(f"{where}: {var.name} is accumulated before it is set")
                known.add(var.name)
            case Store(buffer, index):
                if ranks.get(buffer) != len(index):
                    raise InvalidProgram(f"{where}: {buffer} has rank {ranks.get(buffer)}, not {len(index)}")
            case For(var, _, _, inner):
                if var.name in known:
                    raise InvalidProgram(f"{where}: loop variable {var.name} shadows another name")
                _verify_block(inner, known | {var.name, f"{var.name}_end"}, ranks, where, guarded)
            case Share(first, last):
                known |= {first.name, last.name}
            case If(_, inner):
                _verify_block(inner, known, ranks, where, guarded=True)
            case Contract(out, left, right):
                _verify_operands((out, left, right), ranks, where)
            case Copy(out, source):
                _verify_operands((out, source), ranks, where)


def _verify_operands(operands: tuple[Operand, ...], ranks: Mapping[str, int], where: str) -> None:
    for operand in operands:
        if operand.buffer not in ranks:
            raise InvalidProgram(f"{where}: {operand.buffer} is no argument")


def _verify_expression(expression: Expr, known: set[str], ranks: Mapping[str, int], where: str) -> None:
    for node in ir.subexpressions(expression):
        if isinstance(node, Var) and node.name not in known:
            raise InvalidProgram(f"{where}: {node.name} is used before it is bound")
        if isinstance(node, Load) and ranks.get(node.buffer) != len(node.index):
            raise InvalidProgram(f"{where}: {node.buffer} has rank {ranks.get(node.buffer)}, not {len(node.index)}")
        if isinstance(node, Op) and len({part.dtype for part in node.args}) > 1:
            raise InvalidProgram(f"{where}: {node.op} of {[part.dtype for part in node.args]}")


def verify_memory(program: Program, arena: Arena, scratch: Arena, item: int) -> None:
    """Raise :class:`InvalidProgram` if two live buffers overlap."""
    if not debug.checks():
        return
    wrong = check_memory(program, arena, item) + check_memory(program, scratch, item, ("scratch",))
    if wrong:
        raise InvalidProgram("; ".join(wrong))
