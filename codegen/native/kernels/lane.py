"""Lanes: LLVM scalars with the operators of mathematics, in which the vector functions are written.

A formula over lanes such as ``fma(p, z, 1/6)`` writes its instructions into the function being compiled. They are
scalar and branch-free; LLVM's loop vectoriser widens them. Every instruction is *strict*: a caller compiled with
fast-math flags cannot make LLVM reorder a Cody–Waite reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from llvmlite import ir

FLOAT32, FLOAT64 = ir.FloatType(), ir.DoubleType()
INT32, INT64 = ir.IntType(32), ir.IntType(64)


class _StrictFlags(list[str]):
    """Fast-math flags of a binary operation that Numba's fast-math pass cannot extend."""

    def append(self, flag: str) -> None:
        pass


class _StrictCallFlags:
    """The same for a call."""

    def add(self, flag: str) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


class Lane:
    """One LLVM scalar (``float``, ``double``, ``i32``, ``i64`` or ``i1``) and the builder that computes with it."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    @property
    def type(self) -> ir.Type:
        return self.value.type

    @property
    def is_float(self) -> bool:
        return self.type in (FLOAT32, FLOAT64)

    @property
    def is_double(self) -> bool:
        return self.type == FLOAT64

    def constant(self, number: float) -> Lane:
        """A constant of this lane's type."""
        return Lane(self.builder, ir.Constant(self.type, number))

    def _operand(self, other: Lane | float) -> ir.Value:
        return other.value if isinstance(other, Lane) else ir.Constant(self.type, other)

    def _binary(self, name: str, left: ir.Value, right: ir.Value) -> Lane:
        instruction = getattr(self.builder, ("f" if self.is_float else "") + name)(left, right)
        if self.is_float:
            instruction.flags = _StrictFlags()
        return Lane(self.builder, instruction)

    def __add__(self, other: Lane | float) -> Lane:
        return self._binary("add", self.value, self._operand(other))

    def __radd__(self, other: float) -> Lane:
        return self._binary("add", self._operand(other), self.value)

    def __sub__(self, other: Lane | float) -> Lane:
        return self._binary("sub", self.value, self._operand(other))

    def __rsub__(self, other: float) -> Lane:
        return self._binary("sub", self._operand(other), self.value)

    def __mul__(self, other: Lane | float) -> Lane:
        return self._binary("mul", self.value, self._operand(other))

    def __rmul__(self, other: float) -> Lane:
        return self._binary("mul", self._operand(other), self.value)

    def __truediv__(self, other: Lane | float) -> Lane:
        return self._binary("div", self.value, self._operand(other))

    def __rtruediv__(self, other: float) -> Lane:
        return self._binary("div", self._operand(other), self.value)

    def __neg__(self) -> Lane:
        return Lane(self.builder, self.builder.fneg(self.value) if self.is_float else self.builder.neg(self.value))

    def __abs__(self) -> Lane:
        return call("llvm.fabs", self)

    def __and__(self, other: Lane | int) -> Lane:
        return Lane(self.builder, self.builder.and_(self.value, self._operand(other)))

    def __or__(self, other: Lane | int) -> Lane:
        return Lane(self.builder, self.builder.or_(self.value, self._operand(other)))

    def __xor__(self, other: Lane | int) -> Lane:
        return Lane(self.builder, self.builder.xor(self.value, self._operand(other)))

    def __lshift__(self, count: int) -> Lane:
        return Lane(self.builder, self.builder.shl(self.value, self._operand(count)))

    def __rshift__(self, count: int) -> Lane:
        """Arithmetic shift."""
        return Lane(self.builder, self.builder.ashr(self.value, self._operand(count)))

    def _compare(self, relation: str, other: Lane | float) -> Lane:
        if not self.is_float:
            return Lane(self.builder, self.builder.icmp_signed(relation, self.value, self._operand(other)))
        instruction = self.builder.fcmp_ordered(relation, self.value, self._operand(other))
        instruction.flags = _StrictFlags()
        return Lane(self.builder, instruction)

    def __lt__(self, other: Lane | float) -> Lane:
        return self._compare("<", other)

    def __gt__(self, other: Lane | float) -> Lane:
        return self._compare(">", other)

    def __le__(self, other: Lane | float) -> Lane:
        return self._compare("<=", other)

    def __ge__(self, other: Lane | float) -> Lane:
        return self._compare(">=", other)

    def equals(self, other: Lane | float) -> Lane:
        return self._compare("==", other)

    def is_nan(self) -> Lane:
        return Lane(self.builder, self.builder.fcmp_unordered("uno", self.value, self.value))

    def bits(self) -> Lane:
        """The bit pattern of a float as an integer of the same width."""
        return Lane(self.builder, self.builder.bitcast(self.value, INT64 if self.is_double else INT32))

    def as_float(self) -> Lane:
        """The float whose bit pattern this integer is."""
        return Lane(self.builder, self.builder.bitcast(self.value, FLOAT64 if self.type == INT64 else FLOAT32))

    def to_float(self) -> Lane:
        """The float of the same width nearest to this integer."""
        return Lane(self.builder, self.builder.sitofp(self.value, FLOAT64 if self.type == INT64 else FLOAT32))

    def widened(self) -> Lane:
        return Lane(self.builder, self.builder.fpext(self.value, FLOAT64))

    def narrowed(self) -> Lane:
        return Lane(self.builder, self.builder.fptrunc(self.value, FLOAT32))


def call(intrinsic: str, *operands: Lane) -> Lane:
    """Call an LLVM intrinsic whose operands and result share one type."""
    first = operands[0]
    shape = ir.FunctionType(first.type, [first.type] * len(operands))
    function = first.builder.module.declare_intrinsic(intrinsic, [first.type], shape)
    instruction = first.builder.call(function, [operand.value for operand in operands])
    instruction.fastmath = _StrictCallFlags()
    return Lane(first.builder, instruction)


def fma(a: Lane, b: Lane | float, c: Lane | float) -> Lane:
    """``a*b + c``, rounded once."""
    return call("llvm.fma", a, Lane(a.builder, a._operand(b)), Lane(a.builder, a._operand(c)))


def select(condition: Lane, then: Lane | float, otherwise: Lane | float) -> Lane:
    """``then if condition else otherwise``; at least one of the two is a lane."""
    typed = then if isinstance(then, Lane) else otherwise
    assert isinstance(typed, Lane)
    return Lane(typed.builder, typed.builder.select(condition.value, typed._operand(then), typed._operand(otherwise)))


def copysign(magnitude: Lane, sign: Lane) -> Lane:
    """``magnitude`` with the sign of ``sign``."""
    return call("llvm.copysign", magnitude, sign)


def clamp(x: Lane, low: float, high: float) -> Lane:
    """``x`` limited to [low, high]; NaN stays NaN."""
    below = select(x > high, high, x)
    return select(below < low, low, below)


def horner(z: Lane, coefficients: Sequence[float]) -> Lane:
    """Polynomial in ``z``; coefficients from the highest power down."""
    value = z.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        value = fma(value, z, coefficient)
    return value


def in_double(function: Callable[[Lane], Lane]) -> Callable[[Lane], Lane]:
    """A function on lanes of float64; of float32 it is computed in float64 and rounded."""

    @wraps(function)
    def any_width(x: Lane) -> Lane:
        return function(x) if x.is_double else function(x.widened()).narrowed()

    return any_width


Choice = tuple[Lane, Lane, Sequence[float]]
"""Where, the argument, and the coefficients from the highest power down."""


def chosen_polynomial(choices: Sequence[Choice], otherwise: tuple[Lane, Sequence[float]]) -> Lane:
    """The polynomial of the first choice that holds: one Horner scheme whose coefficients are selected."""
    length = max(len(otherwise[1]), *(len(coefficients) for _, _, coefficients in choices))
    z, last = otherwise[0], _padded(otherwise[1], length)
    for where, argument, _ in reversed(choices):
        z = select(where, argument, z)

    def coefficient(place: int) -> Lane:
        value = z.constant(last[place])
        for where, _, coefficients in reversed(choices):
            value = select(where, _padded(coefficients, length)[place], value)
        return value

    result = coefficient(0)
    for place in range(1, length):
        result = fma(result, z, coefficient(place))
    return result


def _padded(coefficients: Sequence[float], length: int) -> list[float]:
    return [0.0] * (length - len(coefficients)) + list(coefficients)
