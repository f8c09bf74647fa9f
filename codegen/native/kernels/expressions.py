"""Values in a kernel: what a Python expression writes, and where variables live; :mod:`.translate` has the statements.

Whole numbers have 64 bits wherever they are not in memory. Of two floating numbers the wider decides; a whole number
and a floating one meet in float64.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from codegen.native.kernels import integers, types
from codegen.native.kernels.binding import Signature, word_of
from codegen.native.kernels.kernel import Kernel
from codegen.native.kernels.pointer import element_address
from codegen.native.kernels.types import Boolean, Buffer, Float, Integer, Type, cast

INT64, BOOL = ir.IntType(64), ir.IntType(1)
CONTRACT = ("contract",)
_FLOAT = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_INTEGER: dict[type[ast.operator], Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]] = {
    ast.Add: lambda b, x, y: b.add(x, y),
    ast.Sub: lambda b, x, y: b.sub(x, y),
    ast.Mult: lambda b, x, y: b.mul(x, y),
    ast.FloorDiv: integers.quotient,
    ast.Mod: integers.remainder,
    ast.LShift: lambda b, x, y: b.shl(x, y),
    ast.RShift: lambda b, x, y: b.ashr(x, y),
    ast.BitAnd: lambda b, x, y: b.and_(x, y),
    ast.BitOr: lambda b, x, y: b.or_(x, y),
    ast.BitXor: lambda b, x, y: b.xor(x, y),
}
_RELATION = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_UNSAFE = (ast.Subscript, ast.Call, ast.FloorDiv, ast.Mod)
"""What must not run before its guard is known to hold, or takes long."""


class Value(NamedTuple):
    """A value at run time, or several."""

    kind: Type
    value: Any


class Static(NamedTuple):
    """A Python object that is known where the kernel is compiled: a word, a class of numbers, a module."""

    thing: Any


class KernelError(TypeError):
    """A kernel says what has no native meaning."""


class Expressions:
    """Writes the values of one function; ``called`` gives the function that a kernel is for some argument types, and
    the type of its result."""

    def __init__(
        self, kernel: Kernel, function: ir.Function,
        called: Callable[[Kernel, tuple[Type, ...]], tuple[ir.Function, Type]],
    ) -> None:  # fmt: skip
        self.kernel, self.function, self.called = kernel, function, called
        self.start = function.append_basic_block("enter")
        self.builder = ir.IRBuilder(function.append_basic_block("body"))
        self.places: dict[str, tuple[Type, ir.Value]] = {}

    def error(self, node: ast.AST, text: str = "has no meaning in a kernel") -> KernelError:
        """What to raise for a part of the kernel."""
        return KernelError(f"{self.kernel.__name__}: {ast.unparse(node)} {text}")

    # -- variables and memory -----------------------------------------------------------------------------------------
    def room(self, kind: ir.Type) -> ir.Value:
        """Memory for a variable, made once a call."""
        return ir.IRBuilder(self.start).alloca(kind)

    def store(self, name: str, value: Value) -> None:
        if isinstance(value.kind, types.Several | types.Nothing):
            raise KernelError(f"{self.kernel.__name__}: {name} would be {value.kind}")
        if name not in self.places:
            self.places[name] = value.kind, self.room(value.kind.llvm)
        kind, place = self.places[name]
        if kind != value.kind:
            raise KernelError(f"{self.kernel.__name__}: {name} is first {kind}, then {value.kind}")
        self.builder.store(value.value, place)

    def load(self, name: str) -> Value:
        kind, place = self.places[name]
        return Value(kind, self.builder.load(place, typ=kind.llvm))

    def address(self, of: ast.expr, index: ast.expr) -> tuple[Type, ir.Value]:
        """Of an element, with its type."""
        buffer, at = self.value(of), self.value(index)
        if not isinstance(buffer.kind, Buffer) or not isinstance(at.kind, Integer):
            raise self.error(of, f"at {ast.unparse(index)} is no element of a buffer")
        return buffer.kind.dtype, element_address(self.builder, buffer.kind, buffer.value, at.kind, at.value)

    def read(self, element: Type, address: ir.Value) -> Value:
        return _wide(self.builder, Value(element, self.builder.load(address, typ=element.llvm)))

    def write(self, element: Type, address: ir.Value, value: Value) -> None:
        self.builder.store(cast(self.builder, value.value, value.kind, element), address)

    def declared(self, name: str, shape: ir.FunctionType) -> ir.Function:
        return self.function.module.globals.get(name) or ir.Function(self.function.module, shape, name)

    # -- expressions --------------------------------------------------------------------------------------------------
    def value(self, node: ast.expr) -> Value:
        found = self.any(node)
        if isinstance(found, Static):
            raise self.error(node, "is no number")
        return found

    def whole(self, node: ast.expr) -> ir.Value:
        found = self.value(node)
        if not isinstance(found.kind, Integer):
            raise self.error(node, "is no whole number")
        return found.value

    def truth(self, node: ast.expr) -> ir.Value:
        found = self.value(node)
        return cast(self.builder, found.value, found.kind, types.boolean)

    def any(self, node: ast.expr) -> Value | Static:
        match node:
            case ast.Constant(value):
                return _known(value)
            case ast.Name(name):
                return self.load(name) if name in self.places else self._outside(node, name)
            case ast.Attribute(of, name):
                owner = self.any(of)
                if not isinstance(owner, Static) or not hasattr(owner.thing, name):
                    raise self.error(node)
                return _known(getattr(owner.thing, name))
            case ast.Subscript(of, index):
                return self.read(*self.address(of, index))
            case ast.BinOp():
                return self._chain(node)
            case ast.UnaryOp(operator, operand):
                return self._unary(node, operator, operand)
            case ast.Compare(left, relations, others):
                return self._compared(node, left, relations, others)
            case ast.BoolOp(operator, parts):
                return self._joined(isinstance(operator, ast.And), parts)
            case ast.IfExp(condition, yes, no):
                return self._chosen(node, condition, yes, no)
            case ast.Call(function, arguments, []):
                return self._called(node, function, arguments)
        raise self.error(node)

    def _outside(self, node: ast.expr, name: str) -> Value | Static:
        try:
            return _known(self.kernel.lookup(name))
        except KeyError:
            raise self.error(node, "is not defined") from None

    def _chain(self, node: ast.BinOp) -> Value:
        """A long sum is a tree as deep as it is long, to the left: that side is no recursion."""
        spine = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp):
            spine.append(first)
            first = first.left
        found = self.value(first)
        for one in reversed(spine):
            found = self.binary(one, one.op, found, self.value(one.right))
        return found

    def binary(self, node: ast.AST, operator: ast.operator, left: Value, right: Value) -> Value:
        builder = self.builder
        if isinstance(operator, ast.Div) and not isinstance(left.kind, Float) and not isinstance(right.kind, Float):
            left, right = (_as(builder, side, types.float64) for side in (left, right))
        kind, a, b = self._alike(node, left, right)
        if isinstance(kind, Float) and type(operator) in _FLOAT:
            return Value(kind, getattr(builder, _FLOAT[type(operator)])(a, b, flags=CONTRACT))
        if isinstance(kind, Integer) and type(operator) in _INTEGER:
            return Value(kind, _INTEGER[type(operator)](builder, a, b))
        raise self.error(node)

    def _alike(self, node: ast.AST, left: Value, right: Value) -> tuple[Type, ir.Value, ir.Value]:
        """Two numbers as two of one type."""
        kinds = left.kind, right.kind
        if not all(isinstance(kind, Float | Integer | Boolean) for kind in kinds):
            raise self.error(node, f"joins {kinds[0]} and {kinds[1]}")
        kind: Type = types.int64
        if any(isinstance(kind, Float) for kind in kinds):
            kind = types.float32 if kinds == (types.float32, types.float32) else types.float64
        return kind, *(cast(self.builder, side.value, side.kind, kind) for side in (left, right))

    def _unary(self, node: ast.AST, operator: ast.unaryop, operand: ast.expr) -> Value:
        builder = self.builder
        if isinstance(operator, ast.Not):
            return Value(types.boolean, builder.not_(self.truth(operand)))
        found = self.value(operand)
        if isinstance(operator, ast.USub) and isinstance(found.kind, Float | Integer):
            if isinstance(found.value, ir.Constant):
                return Value(found.kind, ir.Constant(found.kind.llvm, -found.value.constant))
            negative = builder.fneg if isinstance(found.kind, Float) else builder.neg
            return Value(found.kind, negative(found.value))
        raise self.error(node)

    def _compared(
        self, node: ast.AST, first: ast.expr, relations: Sequence[ast.cmpop], others: Sequence[ast.expr]
    ) -> Value:
        left, found = self.value(first), None
        for relation, other in zip(relations, others, strict=True):
            right = self.value(other)
            kind, a, b = self._alike(node, left, right)
            if type(relation) not in _RELATION:
                raise self.error(node)
            word = _RELATION[type(relation)]
            if isinstance(kind, Float):
                compare = self.builder.fcmp_unordered if word == "!=" else self.builder.fcmp_ordered
                holds = compare(word, a, b)
            else:
                holds = self.builder.icmp_signed(word, a, b)
            found = holds if found is None else self.builder.and_(found, holds)
            left = right
        return Value(types.boolean, found)

    def _joined(self, is_and: bool, parts: Sequence[ast.expr]) -> Value:
        """``and`` and ``or``: what may fail, or takes long, runs where it is asked for."""
        builder = self.builder
        found = self.truth(parts[0])
        for part in parts[1:]:
            if not any(isinstance(inner, _UNSAFE) for inner in ast.walk(part)):
                other = self.truth(part)
                sides = (other, ir.Constant(BOOL, 0)) if is_and else (ir.Constant(BOOL, 1), other)
                found = builder.select(found, *sides)
                continue
            asked, after = (self.function.append_basic_block(name) for name in ("asked", "after"))
            before = builder.block
            builder.cbranch(found, *((asked, after) if is_and else (after, asked)))
            builder.position_at_end(asked)
            other, end = self.truth(part), builder.block
            builder.branch(after)
            builder.position_at_end(after)
            either = builder.phi(BOOL)
            either.add_incoming(ir.Constant(BOOL, int(not is_and)), before)
            either.add_incoming(other, end)
            found = either
        return Value(types.boolean, found)

    def _chosen(self, node: ast.expr, condition: ast.expr, yes: ast.expr, no: ast.expr) -> Value:
        builder = self.builder
        blocks = [self.function.append_basic_block(name) for name in ("yes", "no", "after")]
        builder.cbranch(self.truth(condition), *blocks[:2])
        found, ends = [], []
        for block, part in zip(blocks, (yes, no), strict=False):
            builder.position_at_end(block)
            found.append(self.value(part))
            ends.append(builder.block)
        if found[0].kind != found[1].kind:
            raise self.error(node, f"is {found[0].kind} or {found[1].kind}")
        for end in ends:
            builder.position_at_end(end)
            builder.branch(blocks[2])
        builder.position_at_end(blocks[2])
        either = builder.phi(found[0].kind.llvm)
        for one, end in zip(found, ends, strict=True):
            either.add_incoming(one.value, end)
        return Value(found[0].kind, either)

    def _called(self, node: ast.expr, function: ast.expr, arguments: Sequence[ast.expr]) -> Value:
        builder, callee = self.builder, self.any(function)
        if not isinstance(callee, Static):
            raise self.error(node)
        found = [self.any(argument) for argument in arguments]
        given = [one for one in found if isinstance(one, Value)]
        kind = types.of_class(callee.thing)
        if kind is not None and len(given) == len(found) == 1:
            return _wide(builder, _as(builder, given[0], kind))
        if isinstance(callee.thing, Kernel) and len(given) == len(found):
            written, result = self.called(callee.thing, tuple(one.kind for one in given))
            return Value(result, builder.call(written, [one.value for one in given]))
        if callee.thing is abs and len(given) == len(found) == 1:
            return self._absolute(node, given[0])
        word, kinds = word_of(callee.thing), tuple(map(_type_of, found))
        if word is None or None in kinds:
            raise self.error(node)
        told = tuple(kind for kind in kinds if kind is not None)
        typed = word.typer(*told)
        if typed is None:
            raise self.error(node, f"is no call for {', '.join(map(str, told))}")
        values = [one.value if isinstance(one, Value) else None for one in found]
        return Value(typed, word.lowering(builder, Signature(told, typed), values))

    def _absolute(self, node: ast.expr, given: Value) -> Value:
        builder, kind = self.builder, given.kind
        if isinstance(kind, Float):
            name = f"llvm.fabs.f{kind.bits}"
            word = self.declared(name, ir.FunctionType(kind.llvm, [kind.llvm]))
            return Value(kind, builder.call(word, [given.value]))
        if not isinstance(kind, Integer):
            raise self.error(node)
        is_negative = builder.icmp_signed("<", given.value, ir.Constant(kind.llvm, 0))
        return Value(kind, builder.select(is_negative, builder.neg(given.value), given.value))


def _known(thing: Any) -> Value | Static:
    """A Python object as a constant, if it is a number."""
    if isinstance(thing, bool | np.bool_):
        return Value(types.boolean, ir.Constant(BOOL, int(thing)))
    if isinstance(thing, int | np.integer):
        return Value(types.int64, ir.Constant(INT64, int(thing)))
    if isinstance(thing, float | np.floating):
        kind = types.float32 if isinstance(thing, np.float32) else types.float64
        return Value(kind, ir.Constant(kind.llvm, float(thing)))
    return Static(thing)


def _type_of(found: Value | Static) -> Type | None:
    """Of an argument; None of a Python object that words do not take."""
    if isinstance(found, Value):
        return found.kind
    kind = types.of_class(found.thing)
    return None if kind is None else types.NumberClass(kind)


def _as(builder: ir.IRBuilder, value: Value, kind: Type) -> Value:
    return Value(kind, cast(builder, value.value, value.kind, kind))


def _wide(builder: ir.IRBuilder, value: Value) -> Value:
    """A whole number in 64 bits, whatever it has in memory."""
    return _as(builder, value, types.int64) if isinstance(value.kind, Integer) else value
