"""Typed arithmetic of the IR, and what each function of SymPy is made of in it.

tan u   →   sin u / cos u            1 + 2·u   →   real 1 + real 2 * u            asinh u   →   sign u · log1p(…)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from codegen.loops.ir import Call, Cast, Const, DType, Expr, Op, Select
from symgraph.core.scalars import expm1, log1p, sigmoid, softplus


def cast(value: Expr, dtype: DType) -> Expr:
    """The value as another type; a number becomes one of that type."""
    if value.dtype == dtype:
        return value
    return Const(float(value.value), dtype) if isinstance(value, Const) and dtype != "int64" else Cast(value, dtype)


def real(value: Expr) -> Expr:
    """A floating value: integers become float64."""
    return cast(value, "float64") if value.dtype in ("int64", "bool") else value


def chosen(condition: Expr, yes: Expr, no: Expr) -> Expr:
    """One of two values; of two quotients, a quotient of what is chosen: one division."""
    match yes, no:
        case Op("/", (above, below)), Op("/", (other_above, other_below)):
            sides = (chosen(condition, above, other_above), chosen(condition, below, other_below))
            return Op("/", sides, yes.dtype)
    return Select(condition, yes, no, yes.dtype)


def same_type(values: Sequence[Expr]) -> list[Expr]:
    """The values as real, where one of them is, else as float64."""
    dtype: DType = "real" if any(value.dtype == "real" for value in values) else "float64"
    return [cast(value, dtype) for value in values]


def arithmetic(op: str, left: Expr, right: Expr) -> Expr:
    """An operation on floating values of one type; numbers are folded."""
    if isinstance(left, Const) and isinstance(right, Const) and op != "/":
        a, b = float(left.value), float(right.value)
        return Const({"+": a + b, "-": a - b, "*": a * b}[op], "float64")
    if op == "*" and isinstance(left, Const) and left.value == 1.0:
        return real(right)
    left, right = same_type([left, right])
    return Op(op, (left, right), left.dtype)


def negative(value: Expr) -> Expr:
    """−value."""
    value = real(value)
    return Const(-value.value, value.dtype) if isinstance(value, Const) else Op("neg", (value,), value.dtype)


def call(function: str, *args: Expr) -> Expr:
    """A word of the vocabulary, its arguments of one floating type."""
    typed = same_type([real(arg) for arg in args])
    return Call(function, tuple(typed), typed[0].dtype)


def by_squaring(base: Expr, exponent: int) -> Expr:
    """base**exponent by few products."""
    if exponent == 1:
        return base
    half = by_squaring(base, exponent // 2)
    square = arithmetic("*", half, half)
    return arithmetic("*", square, base) if exponent % 2 else square


def _number(value: float) -> Expr:
    return Const(value, "float64")


def _odd(half: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    """An odd function from what it is at |u|."""
    return lambda u: arithmetic("*", call("sign", u), half(call("abs", u)))


def _sinh(u: Expr) -> Expr:
    """½·(m + m/(m + 1)) with m = e^u − 1, u ≥ 0: no cancellation near 0, and the quotient is 1 where m is infinite."""
    m = call("expm1", u)
    bounded = call("minimum", m, _number(1e30))
    quotient = arithmetic("/", bounded, arithmetic("+", bounded, _number(1.0)))
    return arithmetic("*", _number(0.5), arithmetic("+", m, quotient))


def _cosh(u: Expr) -> Expr:
    return arithmetic("*", _number(0.5), arithmetic("+", call("exp", u), call("exp", negative(u))))


def _asinh(u: Expr) -> Expr:
    """log(1 + u + u²/(1 + √(1 + u²))), u ≥ 0, with 1/u in place of u² where that would overflow."""
    v = arithmetic("/", _number(1.0), u)
    root = call("sqrt", arithmetic("+", _number(1.0), arithmetic("*", v, v)))
    return call("log1p", arithmetic("+", u, arithmetic("/", u, arithmetic("+", v, root))))


def _acosh(u: Expr) -> Expr:
    """log(1 + w + √w·√(w + 2)) with w = u − 1."""
    w = arithmetic("-", u, _number(1.0))
    root = arithmetic("*", call("sqrt", w), call("sqrt", arithmetic("+", w, _number(2.0))))
    return call("log1p", arithmetic("+", w, root))


def _atanh(u: Expr) -> Expr:
    """½·log(1 + 2u/(1 − u)), u ≥ 0."""
    quotient = arithmetic("/", arithmetic("*", _number(2.0), u), arithmetic("-", _number(1.0), u))
    return arithmetic("*", _number(0.5), call("log1p", quotient))


def _asin(u: Expr) -> Expr:
    """atan(u/√((1 − u)(1 + u))), whose argument is infinite at ±1."""
    below = arithmetic("*", arithmetic("-", _number(1.0), u), arithmetic("+", _number(1.0), u))
    return call("atan", arithmetic("/", u, call("sqrt", below)))


def _acos(u: Expr) -> Expr:
    """2·atan √((1 − u)/(1 + u))."""
    quotient = arithmetic("/", arithmetic("-", _number(1.0), u), arithmetic("+", _number(1.0), u))
    return arithmetic("*", _number(2.0), call("atan", call("sqrt", quotient)))


def _word(name: str) -> Callable[[Expr], Expr]:
    return lambda u: call(name, u)


FUNCTIONS: Mapping[type[sp.Basic], Callable[[Expr], Expr]] = {
    **{
        function: _word(word)
        for function, word in (
            (sp.exp, "exp"), (expm1, "expm1"), (sp.log, "log"), (log1p, "log1p"), (sp.tanh, "tanh"),
            (sigmoid, "sigmoid"), (softplus, "softplus"), (sp.erf, "erf"), (sp.erfc, "erfc"),
            (sp.erfinv, "erfinv"), (sp.sin, "sin"),
            (sp.cos, "cos"), (sp.atan, "atan"), (sp.floor, "floor"), (sp.sign, "sign"), (sp.Abs, "abs"),
        )
    },
    sp.ceiling: lambda u: negative(call("floor", negative(u))),
    sp.tan: lambda u: arithmetic("/", call("sin", u), call("cos", u)),
    sp.cot: lambda u: arithmetic("/", call("cos", u), call("sin", u)),
    sp.sec: lambda u: arithmetic("/", _number(1.0), call("cos", u)),
    sp.csc: lambda u: arithmetic("/", _number(1.0), call("sin", u)),
    sp.coth: lambda u: arithmetic("/", _number(1.0), call("tanh", u)),
    sp.sech: lambda u: arithmetic("/", _number(1.0), _cosh(u)),
    sp.sinh: _odd(_sinh),
    sp.cosh: _cosh,
    sp.asinh: _odd(_asinh),
    sp.acosh: _acosh,
    sp.atanh: _odd(_atanh),
    sp.asin: _asin,
    sp.acos: _acos,
}  # fmt: skip
"""How each class of function of one argument is computed: a function is what it is, whatever it is called."""
