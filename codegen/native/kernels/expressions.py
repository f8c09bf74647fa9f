"""What a kernel's expressions are in LLVM, and of which type."""

from __future__ import annotations

import ast
import builtins
import operator
import types as python_types
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
    ast.Not: operator.not_,
}  # fmt: skip


class Typed(NamedTuple):
    """A value of the program, and its type."""

    kind: types.Type
    value: ir.Value


class Known(NamedTuple):
    """What is known while compiling: a word, a type of numbers, a kernel, a module."""

    thing: Any


class Place(NamedTuple):
    """The memory of a variable, and the type of what it holds."""

    kind: types.Type
    address: ir.Value


class Callee(NamedTuple):
    """A function that has been written, and the type of what it returns."""

    function: ir.Function
    returns: types.Type


def _is_harmless(node: ast.expr) -> bool:
    """Whether something may be computed though nobody asks: it reads no memory, calls nothing, divides by nothing."""
    harm = ast.Subscript | ast.Call | ast.Div | ast.Mod | ast.FloorDiv
    return not any(isinstance(part, harm) for part in ast.walk(node))


class Expressions:
    """Computes values where ``builder`` is; a subclass puts variables into ``scopes``, the innermost last, or, where
    they are ``in_memory``, into ``places``."""

    def __init__(
        self, typing: Any, target: Any, function: python_types.FunctionType, builder: ir.IRBuilder,
        callee: Callable[[Any, tuple[types.Type, ...]], Callee | None],
    ) -> None:  # fmt: skip
        self.typing, self.target, self.callee, self.function = typing, target, callee, function
        self.builder = builder
        self.in_memory: set[str] = set()
        self.scopes: list[dict[str, Typed | Known]] = [{}]
        self.places: dict[str, Place] = {}
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        self.around = {**vars(builtins), **function.__globals__, **{name: cell.cell_contents for name, cell in cells}}

    def _expression(self, node: ast.expr) -> Typed | Known:
        match node:
            case ast.Constant(value):
                return self._of(value)
            case ast.Name(name):
                return self._variable(name, node)
            case ast.Attribute(base, name):
                known = self._expression(base)
                if isinstance(known, Known):
                    return self._of(getattr(known.thing, name))
            case ast.BinOp(left, operation, right):
                return self._by(operation, [left, right])
            case ast.UnaryOp(operation, operand):
                return self._by(operation, [operand])
            case ast.Subscript(base, index):
                operands = [self._typed(self._expression(one), one) for one in (base, index)]
                return self._operate(operator.getitem, operands, node)
            case ast.Compare(left, operations, rights):
                return self._compare(left, operations, rights)
            case ast.BoolOp(operation, parts):
                return self._joined(isinstance(operation, ast.Or), parts)
            case ast.IfExp(test, then, otherwise):
                return self._choice(test, lambda: self._expression(then), otherwise)
            case ast.Call(called, arguments, []):
                return self._call(called, arguments)
        raise self._wrong(node, "is no expression of a kernel")

    def _of(self, thing: Any) -> Typed | Known:
        """Something of Python's: a number is a value."""
        kinds: dict[type, types.Type] = {bool: types.boolean, int: types.int64, float: types.float64}
        kind = kinds.get(type(thing))
        return Known(thing) if kind is None else Typed(kind, ir.Constant(self.target.get_value_type(kind), thing))

    def _variable(self, name: str, node: ast.expr) -> Typed | Known:
        if name in self.places:
            kind, address = self.places[name]
            return Typed(kind, self.builder.load(address))
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if name in self.around and name not in self.in_memory:
            return self._of(self.around[name])
        raise self._wrong(node, "has no value here")

    def _by(self, operation: ast.AST, operands: Sequence[ast.expr]) -> Typed:
        values = [self._typed(self._expression(operand), operand) for operand in operands]
        return self._operate(OPERATORS[type(operation)], values, operands[0])

    def _compare(self, left: ast.expr, operations: Sequence[ast.cmpop], rights: Sequence[ast.expr]) -> Typed:
        values = [self._typed(self._expression(one), one) for one in (left, *rights)]
        found = [
            self._operate(OPERATORS[type(operation)], values[k : k + 2], left) for k, operation in enumerate(operations)
        ]
        whole = found[0].value
        for other in found[1:]:
            whole = self.builder.and_(whole, other.value)
        return Typed(types.boolean, whole)

    def _joined(self, is_or: bool, parts: Sequence[ast.expr]) -> Typed | Known:
        """``or``, or ``and``, of truth values. The next one is computed where those before do not decide; where none
        can do harm all are, which leaves a loop one block."""
        first, *others = parts
        if not others or all(map(_is_harmless, parts)):
            join = self.builder.or_ if is_or else self.builder.and_
            return Typed(types.boolean, reduce(join, map(self._truth, parts)))
        asked = ast.UnaryOp(ast.Not(), first) if is_or else first
        return self._choice(asked, lambda: self._joined(is_or, others), ast.Constant(is_or))

    def _jump(self, test: ast.expr, yes: ir.Block, no: ir.Block) -> None:
        """Go on where a condition leads, whose parts jump each of their own: no truth value of it is computed."""
        match test:
            case ast.UnaryOp(ast.Not(), inverse):
                self._jump(inverse, no, yes)
            case ast.BoolOp(operation, [*before, last]):
                for one in before:
                    more = self._block("also")
                    self._jump(one, *((yes, more) if isinstance(operation, ast.Or) else (more, no)))
                    self.builder.position_at_end(more)
                self._jump(last, yes, no)
            case _:
                self.builder.cbranch(self._truth(test), yes, no)

    def _choice(self, test: ast.expr, then: Callable[[], Typed | Known], otherwise: ast.expr) -> Typed:
        """One of two values, of which one is computed."""
        yes, no, after = map(self._block, ("then", "else", "after"))
        self._jump(test, yes, no)
        self.builder.position_at_end(yes)
        first, yes = self._typed(then(), otherwise), self.builder.block
        self.builder.position_at_end(no)
        second, no = self._typed(self._expression(otherwise), otherwise), self.builder.block
        kind = first.kind if first.kind == second.kind else self.typing.unify_types(first.kind, second.kind)
        if kind is None:
            raise self._wrong(otherwise, f"is {second.kind} where the other is {first.kind}")
        ends = []
        for end, value in ((yes, first), (no, second)):
            self.builder.position_at_end(end)
            ends.append((self._as(value, kind), end))
            self.builder.branch(after)
        self.builder.position_at_end(after)
        found = self.builder.phi(self.target.get_value_type(kind))
        for value, end in ends:
            found.add_incoming(value, end)
        return Typed(kind, found)

    def _call(self, called: ast.expr, arguments: Sequence[ast.expr]) -> Typed | Known:
        word = self._expression(called)
        if not isinstance(word, Known):
            raise self._wrong(called, "cannot be called")
        given = [self._expression(argument) for argument in arguments]
        typed = [one for one in given if isinstance(one, Typed)]
        callee = self.callee(word.thing, tuple(one.kind for one in typed))
        if callee is None:
            return self._operate(word.thing, given, called)
        return Typed(callee.returns, self.builder.call(callee.function, [one.value for one in typed]))

    # -- values -------------------------------------------------------------------------------------------------------
    def _operate(self, word: Any, given: Sequence[Typed | Known], node: ast.expr) -> Typed:
        """What Numba's contexts know of a word or an operator."""
        known = self.typing.resolve_value_type(word)
        kinds = tuple(self.typing.resolve_value_type(v.thing) if isinstance(v, Known) else v.kind for v in given)
        try:
            signature = self.typing.resolve_function_type(known, kinds, {})
        except TypingError:
            signature = None
        if signature is None:
            told = f"{getattr(word, '__name__', word)}({', '.join(map(str, kinds))})"
            raise self._wrong(node, f"needs {told}, which there is not")
        values = [
            self.target.get_dummy_value() if isinstance(value, Known) else self._as(value, kind)
            for value, kind in zip(given, signature.args, strict=True)
        ]
        return Typed(signature.return_type, self.target.get_function(known, signature)(self.builder, values))

    def _as(self, value: Typed, kind: types.Type) -> ir.Value:
        return value.value if value.kind == kind else self.target.cast(self.builder, value.value, value.kind, kind)

    def _typed(self, value: Typed | Known, node: ast.expr | str) -> Typed:
        if isinstance(value, Typed):
            return value
        raise self._wrong(node, "has no value in a kernel")

    def _truth(self, node: ast.expr) -> ir.Value:
        kind, value = self._typed(self._expression(node), node)
        return value if kind == types.boolean else self.target.is_true(self.builder, kind, value)

    def _index(self, node: ast.expr) -> ir.Value:
        return self._as(self._typed(self._expression(node), node), types.int64)

    def _block(self, name: str) -> ir.Block:
        return self.builder.function.append_basic_block(name)

    def _wrong(self, node: ast.AST | str, what: str) -> TypeError:
        text = node if isinstance(node, str) else ast.unparse(node)
        return TypeError(f"{self.function.__code__.co_filename}, {self.function.__qualname__}: {text} {what}")
