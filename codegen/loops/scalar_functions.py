"""Typed arithmetic of the IR, and what each function of SymPy is made of in it.

cot u   →   1 / tan u            1 + 2·u   →   real 1 + real 2 * u            ψ′(u)   →   trigamma(u)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from codegen.loops.ir import Call, Cast, Const, DType, Expr, Op, Select
from symgraph.core.scalars import StirlingRest, erfcx, expm1, log1p, log_ndtr, ndtr, sigmoid, softplus


def cast(value: Expr, dtype: DType) -> Expr:
    """The value as another type; a number becomes one of that type."""
    if value.dtype == dtype:
        return value
    return Const(float(value.value), dtype) if isinstance(value, Const) and dtype != "int64" else Cast(value, dtype)


def real(value: Expr) -> Expr:
    """A floating value: integers become float64."""
    return cast(value, "float64") if value.dtype in ("int64", "bool") else value


def chosen(condition: Expr, yes: Expr, no: Expr) -> Expr:
    """One of two values, of equal numbers either; of two quotients, a quotient of what is chosen: one division."""
    match yes, no:
        case Const(), Const() if repr(yes) == repr(no):  # 0 and −0 differ
            return yes
        case Op("/", (above, below)), Op("/", (other_above, other_below)):
            sides = (chosen(condition, above, other_above), chosen(condition, below, other_below))
            return Op("/", sides, yes.dtype)
    return Select(condition, yes, no, yes.dtype)


def both(one: Expr, other: Expr) -> Expr:
    """Whether both of two conditions hold; the second is asked where the first does."""
    return Op("and", (one, other), "bool")


def number_of(conditions: Sequence[Expr]) -> Expr:
    """Which of some conditions holds first, counted from 0; if none of the others, the last."""
    result: Expr = Const(len(conditions) - 1, "int64")
    for number, condition in reversed(list(enumerate(conditions[:-1]))):
        result = Select(condition, Const(number, "int64"), result, "int64")
    return result


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


def _exponential(exponent: Expr) -> Expr:
    """exp of an exponent; of −u²/2 the bell at u, which keeps what u² rounds away."""
    match exponent:
        case Op("neg", (Op("*", (Const(0.5), Op("*", (base, other)))),)) if base == other:
            return call("bell", base)
    return call("exp", exponent)


def _word(name: str) -> Callable[[Expr], Expr]:
    return lambda u: call(name, u)


WORDS: Mapping[type[sp.Basic], str] = {
    sp.exp: "exp", expm1: "expm1", sp.log: "log", log1p: "log1p", sp.tanh: "tanh", sigmoid: "sigmoid",
    softplus: "softplus", sp.erf: "erf", sp.erfc: "erfc", sp.erfinv: "erfinv", sp.sin: "sin", sp.cos: "cos",
    sp.tan: "tan", sp.asin: "asin", sp.acos: "acos", sp.atan: "atan", sp.sinh: "sinh", sp.cosh: "cosh",
    sp.asinh: "asinh", sp.acosh: "acosh", sp.atanh: "atanh", sp.floor: "floor", sp.sign: "sign", sp.Abs: "abs",
    erfcx: "erfcx", ndtr: "ndtr", log_ndtr: "log_ndtr", sp.loggamma: "lgamma",
    sp.gamma: "gamma",
}  # fmt: skip
"""Functions that are one word."""

FUNCTIONS: Mapping[type[sp.Basic], Callable[[Expr], Expr]] = {
    **{function: _word(word) for function, word in WORDS.items()},
    sp.exp: _exponential,
    sp.ceiling: lambda u: negative(call("floor", negative(u))),
    sp.cot: lambda u: arithmetic("/", _number(1.0), call("tan", u)),
    sp.sec: lambda u: arithmetic("/", _number(1.0), call("cos", u)),
    sp.csc: lambda u: arithmetic("/", _number(1.0), call("sin", u)),
    sp.coth: lambda u: arithmetic("/", _number(1.0), call("tanh", u)),
    sp.sech: lambda u: arithmetic("/", _number(1.0), call("cosh", u)),
}
"""How each class of function of one argument is computed: a function is what it is, whatever it is called."""

POLYGAMMA = ("digamma", "trigamma", "tetragamma")
"""ψ and its derivatives, by their order."""
RESTS = ("lgamma_rest", "digamma_rest", "trigamma_rest")


def computed(function: sp.Basic) -> Callable[[Expr], Expr] | None:
    """How a function is computed from its last argument; None where no kernel does."""
    match function:
        case sp.polygamma() if function.args[0] in range(len(POLYGAMMA)):
            return _word(POLYGAMMA[int(function.args[0])])
        case StirlingRest() if function.args[0] in range(len(RESTS)):
            return _word(RESTS[int(function.args[0])])
        case _ if len(function.args) == 1:
            return FUNCTIONS.get(type(function))
    return None


def first_best(values: Sequence[Expr], place: int, worse: str) -> list[Expr]:
    """What holds, all of it, where the value at a place is the first of the best; a NaN is better than any number."""

    def better(new: Expr, old: Expr) -> Expr:
        is_worse, is_number = Op(worse, (new, old), "bool"), Op("==", (old, old), "bool")
        return Op("and", (Op("not", (is_worse,), "bool"), is_number), "bool")

    before = [better(values[place], value) for value in values[:place]]
    return before + [Op("not", (better(value, values[place]),), "bool") for value in values[place + 1 :]]
