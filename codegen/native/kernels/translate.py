"""From Python's syntax tree to LLVM: the front end for kernels, and for nothing else.

A kernel is numbers, buffers, ``range`` loops and words. Every variable has the type of what it is first given, so one
walk over the tree types and writes all of it:

    h[n*50 + j] = sigmoid(a[n*50 + j] + b[j])   →   getelementptr, load, fadd contract, what ``sigmoid`` writes, store

Variables live on the stack, from where LLVM takes them into registers.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from llvmlite import ir

from codegen.native.compile import EXCEPTION
from codegen.native.kernels import types
from codegen.native.kernels.expressions import INT64, Expressions, KernelError, Value
from codegen.native.kernels.kernel import Kernel
from codegen.native.kernels.types import Buffer, Type, cast

MOST_BLOCKS_INLINED = 4
"""A function with more basic blocks has loops, and stays a function: fifty equal layers are one piece of code."""

_RETURNS = {"None": types.none, "int": types.int64, "float": types.float64, "bool": types.boolean}


class Unit:
    """The functions of one program as an LLVM module: each kernel once for each tuple of argument types."""

    def __init__(self) -> None:
        self.module = ir.Module("symgraph")
        self._known: dict[tuple[Kernel, tuple[Type, ...]], tuple[ir.Function, Type]] = {}

    def function(self, kernel: Kernel, kinds: tuple[Type, ...]) -> tuple[ir.Function, Type]:
        """The function for arguments of these types, and the type of its result.

        Raises
        ------
        KernelError
            It says what kernels do not know.
        """
        key = kernel, kinds
        if key not in self._known:
            returns = kernel.tree.returns
            result = _RETURNS.get(ast.unparse(returns) if returns is not None else "None", types.none)
            shape = ir.FunctionType(result.llvm, [kind.llvm for kind in kinds])
            written = ir.Function(self.module, shape, f"{kernel.__name__}.{len(self._known)}")
            self._known[key] = written, result
            _Writer(self, kernel, written, kinds, result).whole_function()
        return self._known[key]


class _Writer(Expressions):
    """Writes one function."""

    def __init__(
        self, unit: Unit, kernel: Kernel, function: ir.Function, kinds: tuple[Type, ...], result: Type
    ) -> None:
        super().__init__(kernel, function, unit.function)
        self.kinds, self.result = kinds, result
        self.loops: list[tuple[ir.Block, ir.Block]] = []
        """Of the loops around: where the next round begins, and where they end."""

    def whole_function(self) -> None:
        """The whole function."""
        names = [argument.arg for argument in self.kernel.tree.args.args]
        if len(names) != len(self.kinds):
            raise KernelError(f"{self.kernel.__name__} takes {len(names)} arguments, not {len(self.kinds)}")
        first = self.builder.block
        for name, argument, kind in zip(names, self.function.args, self.kinds, strict=True):
            if isinstance(kind, Buffer):
                argument.add_attribute("noalias")
            self.store(name, Value(kind, argument))
        self._block(self.kernel.tree.body)
        if not self.builder.block.is_terminated:
            if self.result == types.none:
                self.builder.ret_void()
            else:
                self.builder.unreachable()
        ir.IRBuilder(self.start).branch(first)
        if len(self.function.blocks) > MOST_BLOCKS_INLINED:
            self.function.attributes.add("noinline")

    def _block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if self.builder.block.is_terminated:
                return
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        builder = self.builder
        match node:
            case ast.Assign([target], value):
                self._assign(target, value)
            case ast.AugAssign(ast.Name(name), operator, value):
                self.store(name, self.binary(node, operator, self.load(name), self.value(value)))
            case ast.AugAssign(ast.Subscript(of, index), operator, value):
                element, address = self.address(of, index)
                before = self.read(element, address)
                self.write(element, address, self.binary(node, operator, before, self.value(value)))
            case ast.Expr(ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value):
                self.any(value)
            case ast.For(ast.Name(name), ast.Call(ast.Name("range"), arguments), body, []):
                self._for(name, [self.whole(argument) for argument in arguments], body)
            case ast.While(condition, body, []):
                head, inside, after = (self.function.append_basic_block(n) for n in ("while", "inside", "after"))
                builder.branch(head)
                builder.position_at_end(head)
                builder.cbranch(self.truth(condition), inside, after)
                self._loop(inside, head, after, body)
            case ast.If(condition, body, other):
                self._if(condition, body, other)
            case ast.Return(None):
                builder.ret_void()
            case ast.Return(value) if value is not None:
                found = self.value(value)
                builder.ret(cast(builder, found.value, found.kind, self.result))
            case ast.Break():
                builder.branch(self.loops[-1][1])
            case ast.Continue():
                builder.branch(self.loops[-1][0])
            case ast.Raise():
                builder.call(self.declared(EXCEPTION, ir.FunctionType(ir.VoidType(), [])), [])
                builder.unreachable()
            case _:
                raise self.error(node)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        match target, value:
            case ast.Tuple(targets), ast.Tuple(values) if len(targets) == len(values):
                found = [self.value(one) for one in values]
                for one, part in zip(targets, found, strict=True):
                    self._give(one, part)
            case ast.Tuple(targets), _:
                several = self.value(value)
                assert isinstance(several.kind, types.Several) and len(several.kind.parts) == len(targets)
                for one, kind, part in zip(targets, several.kind.parts, several.value, strict=True):
                    self._give(one, Value(kind, part))
            case ast.Name(name), _:
                self.store(name, self.value(value))
            case _:
                self._give(target, self.value(value))

    def _give(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(name):
                self.store(name, value)
            case ast.Subscript(of, index):
                self.write(*self.address(of, index), value)
            case _:
                raise self.error(target)

    def _for(self, name: str, given: list[ir.Value], body: Sequence[ast.stmt]) -> None:
        """The index is compared with its end before each round; what the body does to it changes no round."""
        builder, zero, one = self.builder, ir.Constant(INT64, 0), ir.Constant(INT64, 1)
        start, stop, step = {1: [zero, *given, one], 2: [*given, one], 3: given}[len(given)]
        counter = self.room(INT64)
        builder.store(start, counter)
        head, inside, again, after = (
            self.function.append_basic_block(f"{name}.{part}") for part in ("head", "inside", "again", "after")
        )
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.load(counter)
        below, above = (builder.icmp_signed(relation, index, stop) for relation in "<>")
        if isinstance(step, ir.Constant):
            goes_on = below if step.constant > 0 else above
        else:
            goes_on = builder.select(builder.icmp_signed(">", step, zero), below, above)
        builder.cbranch(goes_on, inside, after)
        builder.position_at_end(again)
        builder.store(builder.add(builder.load(counter), step, flags=["nsw"]), counter)
        builder.branch(head)
        builder.position_at_end(inside)
        self.store(name, Value(types.int64, index))
        self._loop(inside, again, after, body)

    def _loop(self, inside: ir.Block, again: ir.Block, after: ir.Block, body: Sequence[ast.stmt]) -> None:
        self.builder.position_at_end(inside)
        self.loops.append((again, after))
        self._block(body)
        self.loops.pop()
        if not self.builder.block.is_terminated:
            self.builder.branch(again)
        self.builder.position_at_end(after)

    def _if(self, condition: ast.expr, body: Sequence[ast.stmt], other: Sequence[ast.stmt]) -> None:
        builder = self.builder
        yes, no, after = (self.function.append_basic_block(n) for n in ("then", "else", "after"))
        builder.cbranch(self.truth(condition), yes, no)
        for block, part in ((yes, body), (no, other)):
            builder.position_at_end(block)
            self._block(part)
            if not builder.block.is_terminated:
                builder.branch(after)
        builder.position_at_end(after)
