"""Lanes: scalars with the operators of mathematics, in which the vector functions are written.

A formula over lanes such as ``fma(p, z, 1/6)`` writes its instructions through a :class:`Builder`. They are scalar and
branch-free; a compiler's loop vectoriser widens them. Nothing in here knows who writes: :mod:`.lane_llvm` does it into
the LLVM function that is being compiled, and the tests as C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, Protocol

Kind = Literal["float32", "float64", "int32", "int64", "bool"]
Operation = Literal["add", "sub", "mul", "div", "and", "or", "xor", "shl", "ashr", "lshr"]
Conversion = Literal["bits", "number", "wider", "narrower", "low", "unsigned"]
"""The same bits; the nearest float of the same width; float64, float32; int32 of int64, and int64 of int32, with zeros
above."""

FLOATS: tuple[Kind, Kind] = ("float32", "float64")


class Builder(Protocol):
    """Writes instructions, each *strict*: rounded by itself, in this order, whatever its surroundings allow.

    Values are the builder's own. A comparison, of signed integers or of floats, is false where one of them is NaN.
    """

    def number(self, kind: Kind, number: float) -> Any: ...

    def binary(self, operation: Operation, kind: Kind, left: Any, right: Any) -> Any: ...

    def negative(self, kind: Kind, value: Any) -> Any: ...

    def compare(self, relation: str, kind: Kind, left: Any, right: Any) -> Any: ...

    def is_nan(self, kind: Kind, value: Any) -> Any: ...

    def select(self, kind: Kind, condition: Any, yes: Any, no: Any) -> Any: ...

    def convert(self, conversion: Conversion, value: Any, kind: Kind, to: Kind) -> Any: ...

    def call(self, function: str, kind: Kind, operands: Sequence[Any]) -> Any:
        """fma, fabs, copysign, sqrt, floor, rint, trunc, maximum, minimum; of integers fshl."""

    def unless_far(self, function: str, kind: Kind, x: Any, value: Any) -> Any:
        """The value, or the function of x where x is far from 0 (:mod:`.far`)."""


@dataclass(slots=True, eq=False)
class Lane:
    """One scalar, and the builder that computes with it."""

    builder: Builder
    kind: Kind
    value: Any

    @property
    def is_double(self) -> bool:
        return self.kind == "float64"

    def constant(self, number: float) -> Lane:
        """A constant of this lane's kind."""
        return Lane(self.builder, self.kind, self.builder.number(self.kind, number))

    def _lane(self, other: Lane | float) -> Lane:
        return other if isinstance(other, Lane) else self.constant(other)

    def _binary(self, operation: Operation, left: Lane | float, right: Lane | float) -> Lane:
        one, other = self._lane(left).value, self._lane(right).value
        return Lane(self.builder, self.kind, self.builder.binary(operation, self.kind, one, other))

    def __add__(self, other: Lane | float) -> Lane:
        return self._binary("add", self, other)

    def __radd__(self, other: float) -> Lane:
        return self._binary("add", other, self)

    def __sub__(self, other: Lane | float) -> Lane:
        return self._binary("sub", self, other)

    def __rsub__(self, other: float) -> Lane:
        return self._binary("sub", other, self)

    def __mul__(self, other: Lane | float) -> Lane:
        return self._binary("mul", self, other)

    def __rmul__(self, other: float) -> Lane:
        return self._binary("mul", other, self)

    def __truediv__(self, other: Lane | float) -> Lane:
        return self._binary("div", self, other)

    def __rtruediv__(self, other: float) -> Lane:
        return self._binary("div", other, self)

    def __and__(self, other: Lane | int) -> Lane:
        return self._binary("and", self, other)

    def __or__(self, other: Lane | int) -> Lane:
        return self._binary("or", self, other)

    def __xor__(self, other: Lane | int) -> Lane:
        return self._binary("xor", self, other)

    def __lshift__(self, count: int) -> Lane:
        return self._binary("shl", self, count)

    def __rshift__(self, count: int) -> Lane:
        """Arithmetic shift."""
        return self._binary("ashr", self, count)

    def unsigned_shift(self, count: int) -> Lane:
        """A shift to the right by which zeros come in."""
        return self._binary("lshr", self, count)

    def __neg__(self) -> Lane:
        return Lane(self.builder, self.kind, self.builder.negative(self.kind, self.value))

    def __abs__(self) -> Lane:
        return call("fabs", self)

    def _compare(self, relation: str, other: Lane | float) -> Lane:
        return Lane(
            self.builder, "bool", self.builder.compare(relation, self.kind, self.value, self._lane(other).value)
        )

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
        return Lane(self.builder, "bool", self.builder.is_nan(self.kind, self.value))

    def _converted(self, conversion: Conversion, to: Kind) -> Lane:
        return Lane(self.builder, to, self.builder.convert(conversion, self.value, self.kind, to))

    def bits(self) -> Lane:
        """The bit pattern of a float as an integer of the same width."""
        return self._converted("bits", "int64" if self.is_double else "int32")

    def as_float(self) -> Lane:
        """The float whose bit pattern this integer is."""
        return self._converted("bits", "float64" if self.kind == "int64" else "float32")

    def to_float(self) -> Lane:
        """The float of the same width nearest to this integer."""
        return self._converted("number", "float64" if self.kind == "int64" else "float32")

    def widened(self) -> Lane:
        return self._converted("wider", "float64")

    def narrowed(self) -> Lane:
        return self._converted("narrower", "float32")

    def low(self) -> Lane:
        """The lower half of a 64-bit integer."""
        return self._converted("low", "int32")

    def unsigned(self) -> Lane:
        """An integer of 32 bits, of which none is a sign, as one of 64."""
        return self._converted("unsigned", "int64")


def call(function: str, *operands: Lane) -> Lane:
    """A function whose operands and result are of one kind."""
    first = operands[0]
    return Lane(first.builder, first.kind, first.builder.call(function, first.kind, [one.value for one in operands]))


def unless_far(function: str, x: Lane, value: Lane) -> Lane:
    """``value``, which is the function of x unless that is far from 0 (:mod:`.far`)."""
    return Lane(x.builder, x.kind, x.builder.unless_far(function, x.kind, x.value, value.value))


def fma(a: Lane, b: Lane | float, c: Lane | float) -> Lane:
    """``a*b + c``, rounded once."""
    return call("fma", a, a._lane(b), a._lane(c))


def select(condition: Lane, then: Lane | float, otherwise: Lane | float) -> Lane:
    """``then if condition else otherwise``; at least one of the two is a lane."""
    typed = then if isinstance(then, Lane) else otherwise
    assert isinstance(typed, Lane)
    yes, no = typed._lane(then).value, typed._lane(otherwise).value
    return Lane(typed.builder, typed.kind, typed.builder.select(typed.kind, condition.value, yes, no))


def copysign(magnitude: Lane, sign: Lane) -> Lane:
    """``magnitude`` with the sign of ``sign``."""
    return call("copysign", magnitude, sign)


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
