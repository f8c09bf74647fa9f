"""From a kernel's Python to LLVM in one pass over its syntax: numbers, buffers, loops and branches, and nothing else.

What a variable's type is follows from what is first assigned to it. A variable is memory only where it is assigned
again; any other is the value itself. Operators and words mean what Numba's typing and lowering contexts say.
"""

from __future__ import annotations

import ast
import linecache
import operator
import types as python_types
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types

from codegen.native.kernels.expressions import OPERATORS, Callee, Expressions, Known, Place, Typed
from codegen.native.kernels.names import reassigned
from codegen.native.kernels.strided import Stores

EXCEPTION = "symgraph_exception"
"""What is called where a kernel raises. It does not exist: LLVM drops the call if it proves that nothing can."""

_INDEX = ir.IntType(64)


class Loop(NamedTuple):
    """Where ``continue`` and ``break`` lead."""

    again: ir.Block
    after: ir.Block


@lru_cache(maxsize=4)
def _functions(text: str) -> dict[int, ast.FunctionDef]:
    """The functions of a source by their first lines, decorators included."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    return {min([node.lineno, *(above.lineno for above in node.decorator_list)]): node for node in found}


def syntax_of(function: python_types.FunctionType) -> ast.FunctionDef:
    """A function's definition, read from its file."""
    code = function.__code__
    return _functions("".join(linecache.getlines(code.co_filename)))[code.co_firstlineno]


class Writer(Expressions):
    """Writes one function; ``callee`` is asked for the kernels that it calls, ``stores`` is told of its loops.

    Raises
    ------
    TypeError
        at a statement that kernels do not have, or a variable that changes its type; the message has its line.
    """

    def __init__(
        self, typing: Any, target: Any, function: python_types.FunctionType, written: ir.Function,
        kinds: Sequence[types.Type], callee: Callable[[Any, tuple[types.Type, ...]], Callee | None], stores: Stores,
    ) -> None:  # fmt: skip
        super().__init__(typing, target, function, ir.IRBuilder(written.append_basic_block("enter")), callee)
        self.stores = stores
        self.returns: types.Type = types.none
        self.loops: list[Loop] = []
        syntax = syntax_of(function)
        names = [argument.arg for argument in syntax.args.args]
        self.in_memory = reassigned(syntax)
        for name, kind, value in zip(names, kinds, written.args, strict=True):
            value.name = f"given.{name}"
            self._assign(name, Typed(kind, value))
        self._body(syntax.body)
        if not self.builder.block.is_terminated:
            self._return(None) if self.returns == types.none else self._raise()

    # -- statements ---------------------------------------------------------------------------------------------------
    def _body(self, statements: Sequence[ast.stmt]) -> None:
        """Statements of a block, whose variables end with it; what follows a return is left out."""
        self.scopes.append({})
        for statement in statements:
            if self.builder.block.is_terminated:
                break
            self._statement(statement)
        self.scopes.pop()

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Expr(value):
                self._expression(value)
            case ast.Assign([ast.Tuple(targets)], ast.Tuple(parts)):
                for one, given in zip(targets, list(map(self._expression, parts)), strict=True):
                    self._store(one, given)
            case ast.Assign([target], value):
                self._store(target, self._expression(value))
            case ast.AnnAssign(target, _, ast.expr() as value):
                self._store(target, self._expression(value))
            case ast.AugAssign(target, operation, value):
                self._augment(target, operation, value)
            case ast.If(test, then, otherwise):
                self._if(test, then, otherwise)
            case ast.For(ast.Name(name), ast.Call(ast.Name("range"), bounds), body, []):
                self._for(name, [self._index(bound) for bound in bounds], body)
            case ast.While(test, body, []):
                self._while(test, body)
            case ast.Return(value):
                self._return(value)
            case ast.Break() if self.loops:
                self.builder.branch(self.loops[-1].after)
            case ast.Continue() if self.loops:
                self.builder.branch(self.loops[-1].again)
            case ast.Raise():
                self._raise()
            case ast.Pass():
                pass
            case _:
                raise self._wrong(statement, "is no statement of a kernel")

    def _store(self, target: ast.expr, value: Typed | Known) -> None:
        match target:
            case ast.Name(name):
                self._assign(name, value)
            case ast.Subscript(base, index):
                arguments = [self._expression(base), self._expression(index), value]
                self._operate(operator.setitem, [self._typed(one, target) for one in arguments], target)
            case ast.Tuple(parts):
                kind, whole = self._typed(value, target)
                for number, part in enumerate(parts):
                    self._store(part, Typed(kind[number], self.builder.extract_value(whole, number)))
            case _:
                raise self._wrong(target, "cannot be assigned to")

    def _assign(self, name: str, value: Typed | Known) -> None:
        if name not in self.in_memory:
            self.scopes[-1][name] = value
            return
        kind, given = self._typed(value, name)
        if name not in self.places:
            kind = types.int64 if isinstance(kind, types.Integer) and kind.bitwidth < 64 else kind
            memory = cgutils.alloca_once(self.builder, self.target.get_value_type(kind), name=name)
            self.places[name] = Place(kind, memory)
            kind = value.kind if isinstance(value, Typed) else kind
        place = self.places[name]
        if kind != place.kind and not (isinstance(kind, types.Integer) and isinstance(place.kind, types.Number)):
            raise TypeError(f"{name} of {self.function.__qualname__} is {place.kind}, and then {kind}")
        self.builder.store(self._as(Typed(kind, given), place.kind), place.address)

    def _augment(self, target: ast.expr, operation: ast.operator, value: ast.expr) -> None:
        word = OPERATORS[type(operation)]
        if isinstance(target, ast.Subscript):  # whose place is computed once
            base, index = (self._typed(self._expression(one), one) for one in (target.value, target.slice))
            before = self._operate(operator.getitem, [base, index], target)
            after = self._operate(word, [before, self._typed(self._expression(value), value)], target)
            self._operate(operator.setitem, [base, index, after], target)
        else:
            before = self._typed(self._expression(target), target)
            self._store(target, self._operate(word, [before, self._typed(self._expression(value), value)], target))

    def _if(self, test: ast.expr, then: Sequence[ast.stmt], otherwise: Sequence[ast.stmt]) -> None:
        yes, no = self._block("then"), self._block("else")
        self._jump(test, yes, no)
        ends = []
        for block, statements in ((yes, then), (no, otherwise)):
            self.builder.position_at_end(block)
            self._body(statements)
            ends += [self.builder.block] if not self.builder.block.is_terminated else []
        if ends:
            after = self._block("after")
            for end in ends:
                self.builder.position_at_end(end)
                self.builder.branch(after)
            self.builder.position_at_end(after)

    def _for(self, name: str, bounds: Sequence[ir.Value], body: Sequence[ast.stmt]) -> None:
        zero, one = ir.Constant(_INDEX, 0), ir.Constant(_INDEX, 1)
        start, stop, step = {1: [zero, *bounds, one], 2: [*bounds, one], 3: bounds}[len(bounds)]
        written = len(self.builder.function.blocks)
        enter, inside, again, after = self.builder.block, *map(self._block, ("body", "next", "after"))
        entering = self.builder.cbranch(self._goes_on(start, stop, step), inside, after)
        self.builder.position_at_end(inside)
        index = self.builder.phi(_INDEX, name)
        self.stores.enter(index, (start, stop, step), entering)
        index.add_incoming(start, enter)
        self.scopes.append({})
        self._assign(name, Typed(types.int64, index))
        self._loop(body, Loop(again, after))
        self.scopes.pop()
        self.builder.position_at_end(again)
        following = self.builder.add(index, step, flags=["nsw"])
        index.add_incoming(following, again)
        going_on = self.builder.cbranch(self._goes_on(following, stop, step), inside, after)
        self.stores.leave(index, self.builder.function.blocks[written:], going_on)
        self.builder.position_at_end(after)

    def _goes_on(self, index: ir.Value, stop: ir.Value, step: ir.Value) -> ir.Value:
        """Whether an index is one of a range, which goes up or down."""
        if isinstance(step, ir.Constant):
            return self.builder.icmp_signed("<" if step.constant > 0 else ">", index, stop)
        rises = self.builder.icmp_signed(">", step, ir.Constant(_INDEX, 0))
        ways = [self.builder.icmp_signed(way, index, stop) for way in "<>"]
        return self.builder.select(rises, *ways)

    def _while(self, test: ast.expr, body: Sequence[ast.stmt]) -> None:
        head, inside, after = map(self._block, ("head", "body", "after"))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        self._jump(test, inside, after)
        self.builder.position_at_end(inside)
        self._loop(body, Loop(head, after))
        self.builder.position_at_end(after)

    def _loop(self, body: Sequence[ast.stmt], loop: Loop) -> None:
        self.loops.append(loop)
        self._body(body)
        self.loops.pop()
        if not self.builder.block.is_terminated:
            self.builder.branch(loop.again)

    def _return(self, value: ast.expr | None) -> None:
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            self.builder.ret_void()
            return
        found = self._typed(self._expression(value), value)
        if self.returns == types.none:
            self.returns = types.int64 if isinstance(found.kind, types.Integer) else found.kind
            self.builder.function.ftype.return_type = self.target.get_value_type(self.returns)
            self.builder.function.return_value.type = self.target.get_value_type(self.returns)
        self.builder.ret(self._as(found, self.returns))

    def _raise(self) -> None:
        module = self.builder.module
        known = module.globals.get(EXCEPTION)
        self.builder.call(known or ir.Function(module, ir.FunctionType(ir.VoidType(), []), EXCEPTION), [])
        self.builder.unreachable()
