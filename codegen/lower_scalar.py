"""Here SymPy ends: a scalar formula becomes a typed expression of the IR.

    max(a[n, j] + b[j], 0)   →   maximum(Load a [n, j] + Load b [j], real 0)

Arithmetic of numbers, sizes and hyper-parameters alone is done in float64 and rounded once, where it meets an array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import sympy as sp
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from codegen.ir import Call, Cast, Const, DType, Expr, Load, Op, Select, Var, add, multiply
from symgraph.bounds import first_asked, stays_inside
from symgraph.errors import DomainError
from symgraph.indices import Index
from symgraph.scalars import Delta, selected
from symgraph.stabilise.scalar import by_one_exponential
from symgraph.tensor import Element, Tensor

Access = Callable[[Tensor, tuple[Expr, ...]], Expr]
"""How a group reads an element: from memory, or as a scalar that has just been computed."""


def data_type(tensor: Tensor) -> DType:
    """Type of a tensor's elements: labels are integers; scalars that depend on no array are computed in float64."""
    if tensor.is_label:
        return "int64"
    if tensor.kind == "scalar" or (tensor.kind == "state" and tensor.ndim == 0):
        return "float64"
    if tensor.definition is None or tensor.ndim or tensor.definition.op is not None:
        return "real"
    operands = {element.tensor for element in tensor.definition.body.atoms(Element)}
    return "float64" if operands and all(data_type(o) == "float64" for o in operands) else "real"


class ScalarLowering:
    """Lowers formulas in one scope: ``indices`` maps canonical indices to loop variables, ``extents`` says how far they
    run."""

    def __init__(self, access: Access, sizes: Mapping[str, str]) -> None:
        self.access = access
        self.sizes = sizes
        self.indices: dict[sp.Basic, Expr] = {}
        self.extents: Mapping[Index, sp.Expr] = {}
        self.branches = 0

    def value(self, body: sp.Basic, dtype: DType = "real") -> Expr:
        """The formula as an expression of type ``dtype``."""
        return cast(self._lower(body), dtype)

    def integer(self, body: sp.Basic) -> Expr:
        """An index or a size."""
        match body:
            case Element():
                return self._element(body)
            case sp.Integer():
                return Const(int(body), "int64")
            case sp.Symbol():
                return self.indices.get(body) or Var(self.sizes[body.name], "int64")
            case sp.Add():
                return _fold(add, [self.integer(part) for part in _ordered(body)])
            case sp.Mul():
                return _fold(multiply, [self.integer(part) for part in _ordered(body)])
            case sp.Mod():
                return Op("%", (self.integer(body.args[0]), self.integer(body.args[1])), "int64")
            case sp.floor():
                above, below = sp.fraction(sp.together(body.args[0]))
                return Op("//", (self.integer(above), self.integer(below)), "int64")
            case sp.Pow() if body.exp.is_Integer and body.exp > 0:
                return _fold(multiply, [self.integer(body.base)] * int(body.exp))
            case sp.Max() | sp.Min():
                relation = ">" if isinstance(body, sp.Max) else "<"
                return _fold(
                    lambda a, b: Select(Op(relation, (a, b), "bool"), a, b, "int64"),
                    [self.integer(part) for part in _ordered(body)],
                )
        raise DomainError(f"{body} cannot be an index")

    def condition(self, body: sp.Basic) -> Expr:
        """A relation or a combination of relations."""
        match body:
            case BooleanTrue() | BooleanFalse():
                return Const(int(bool(body)), "bool")
            case sp.And():
                first = sorted(first_asked(body), key=sp.default_sort_key)
                asked = [self.condition(part) for part in first]
                self.branches += 1
                asked += [self.condition(part) for part in _ordered(body) if part not in first]
                self.branches -= 1
                return _fold(lambda a, b: Op("and", (a, b), "bool"), asked)
            case sp.Or():
                return _fold(lambda a, b: Op("or", (a, b), "bool"), [self.condition(part) for part in _ordered(body)])
            case sp.Not():
                return Op("not", (self.condition(body.args[0]),), "bool")
            case sp.core.relational.Relational():
                left, right = body.args
                if left.is_integer and right.is_integer:
                    return Op(body.rel_op, (self.integer(left), self.integer(right)), "bool")
                pair = _same_type([self._lower(left), self._lower(right)])
                return Op(body.rel_op, tuple(pair), "bool")
        raise DomainError(f"{body} is no condition that can be compiled")

    # -- real values --------------------------------------------------------------------------------------------------
    def _lower(self, body: sp.Basic) -> Expr:
        match body:
            case Element():
                return self._element(body)
            case Delta():
                left, right = (self.integer(part) for part in body.args)
                return Select(Op("==", (left, right), "bool"), Const(1.0, "real"), Const(0.0, "real"), "real")
            case sp.Piecewise():
                return self._piecewise(body)
            case sp.Symbol():
                return self.indices.get(body) or Var(self.sizes[body.name], "int64")
            case sp.core.numbers.NaN():
                return Const(float("nan"), "float64")
            case _ if body.is_number and not body.free_symbols:
                return Const(float(body), "float64")
            case sp.Add():
                return self._sum(body)
            case sp.Mul():
                return self._product(body)
            case sp.Pow():
                return self._power(body)
            case sp.exp():
                return call("exp", self._lower(body.args[0]))
            case sp.Max() | sp.Min():
                word = "maximum" if isinstance(body, sp.Max) else "minimum"
                return _fold(lambda a, b: call(word, a, b), [self._lower(part) for part in _ordered(body)])
            case sp.Mod():
                return self._modulo(body)
            case sp.tanh() if (rational := by_one_exponential(body)) is not None:
                return self._lower(rational)
            case sp.Heaviside():
                return self._piecewise(body.rewrite(sp.Piecewise))
        compose = FUNCTIONS.get(type(body).__name__)
        if compose is None or len(body.args) != 1:
            raise DomainError(f"no kernel computes {type(body).__name__} in {body}")
        return compose(real(self._lower(body.args[0])))

    def _element(self, element: Element) -> Expr:
        value = self.access(element.tensor, tuple(self.integer(index) for index in element.indices))
        if self.branches and isinstance(value, Load) and not stays_inside(element, self.extents):
            return replace(value, guarded=True)
        return value

    def _piecewise(self, body: sp.Piecewise) -> Expr:
        self.branches += 1
        pairs = [(self._lower(value), self.condition(condition)) for value, condition in body.args]
        self.branches -= 1
        last = pairs[-1]
        closed = last[1] == Const(1, "bool")
        values = _same_type([value for value, _ in pairs] + ([] if closed else [Const(float("nan"), "float64")]))
        result = values.pop()
        for value, (_, condition) in reversed(list(zip(values, pairs, strict=False))):
            result = _chosen(condition, value, result)
        return result

    def _sum(self, body: sp.Add) -> Expr:
        plus, minus = [], []
        for term in _ordered(body):
            if term.could_extract_minus_sign():
                minus.append(-term)
            else:
                plus.append(term)
        if not plus:
            return negative(self._lower(-body))
        result = self._folded("+", [self._lower(term) for term in plus])
        return _fold(lambda a, b: arithmetic("-", a, b), [result, *(self._lower(term) for term in minus)])

    def _product(self, body: sp.Mul) -> Expr:
        """A product; where it has δ as factors, they select it."""
        where = selected(body)
        if where == sp.true:
            return self._plain_product(body)
        rest = sp.Mul(*(factor for factor in body.args if not isinstance(factor, Delta)))
        self.branches += 1
        value = real(self._plain_product(rest) if isinstance(rest, sp.Mul) else self._lower(rest))
        self.branches -= 1
        return Select(self.condition(where), value, Const(0.0, value.dtype), value.dtype)

    def _plain_product(self, body: sp.Mul) -> Expr:
        sign, rest = (-1, -body) if body.could_extract_minus_sign() else (1, body)
        if not isinstance(rest, sp.Mul):
            return negative(self._lower(rest)) if sign < 0 else self._lower(rest)
        above, below = [], []
        for factor in _ordered(rest):
            if isinstance(factor, sp.Rational) and factor.q != 1:
                above += (
                    [sp.Integer(factor.p)] if abs(factor.p) != 1 else [sp.Integer(factor.p)] if factor.p < 0 else []
                )
                below.append(sp.Integer(factor.q))
            elif isinstance(factor, sp.Pow) and factor.exp.could_extract_minus_sign() and factor.base != sp.E:
                below.append(1 / factor)
            else:
                above.append(factor)
        if below and all(part.is_Integer for part in below) and above:
            scale = Const(1.0 / float(sp.prod(below)), "float64")
            result = self._folded("*", [scale, *(self._lower(part) for part in above)])
        else:
            result = self._folded("*", [self._lower(part) for part in above]) if above else Const(1.0, "float64")
            if below:
                result = arithmetic("/", result, self._folded("*", [self._lower(part) for part in below]))
        return negative(result) if sign < 0 else result

    def _folded(self, op: str, parts: Sequence[Expr]) -> Expr:
        """Operands of float64 first, among themselves: what is free of arrays is computed once and exactly."""
        scalars = [part for part in parts if part.dtype != "real"]
        arrays = [part for part in parts if part.dtype == "real"]
        return _fold(lambda a, b: arithmetic(op, a, b), [*scalars, *arrays] if op == "*" else [*arrays, *scalars])

    def _power(self, body: sp.Pow) -> Expr:
        base, exponent = body.args
        if base == sp.E:
            return call("exp", real(self._lower(exponent)))
        if exponent.is_Rational and exponent.is_negative:
            return arithmetic("/", Const(1.0, "float64"), self._lower(base**-exponent))
        if exponent.is_Integer and exponent <= 16:
            return _by_squaring(real(self._lower(base)), int(exponent))
        if exponent.is_Rational and exponent.q == 2:
            root = call("sqrt", real(self._lower(base)))
            return _by_squaring(root, int(exponent.p))
        return call("pow", real(self._lower(base)), real(self._lower(exponent)))

    def _modulo(self, body: sp.Mod) -> Expr:
        if body.is_integer:
            return self.integer(body)
        x, y = _same_type([self._lower(part) for part in body.args])
        return arithmetic("-", x, arithmetic("*", y, call("floor", arithmetic("/", x, y))))


# -- typed building blocks --------------------------------------------------------------------------------------------


def cast(value: Expr, dtype: DType) -> Expr:
    """The value as another type; a number becomes one of that type."""
    if value.dtype == dtype:
        return value
    return Const(float(value.value), dtype) if isinstance(value, Const) and dtype != "int64" else Cast(value, dtype)


def real(value: Expr) -> Expr:
    """A floating value: integers become float64."""
    return cast(value, "float64") if value.dtype in ("int64", "bool") else value


def _chosen(condition: Expr, yes: Expr, no: Expr) -> Expr:
    """One of two values; of two quotients, a quotient of what is chosen: one division."""
    match yes, no:
        case Op("/", (above, below)), Op("/", (other_above, other_below)):
            sides = (_chosen(condition, above, other_above), _chosen(condition, below, other_below))
            return Op("/", sides, yes.dtype)
    return Select(condition, yes, no, yes.dtype)


def _same_type(values: Sequence[Expr]) -> list[Expr]:
    dtype: DType = "real" if any(value.dtype == "real" for value in values) else "float64"
    return [cast(value, dtype) for value in values]


def arithmetic(op: str, left: Expr, right: Expr) -> Expr:
    """An operation on floating values of one type; numbers are folded."""
    if isinstance(left, Const) and isinstance(right, Const) and op != "/":
        a, b = float(left.value), float(right.value)
        return Const({"+": a + b, "-": a - b, "*": a * b}[op], "float64")
    if op == "*" and isinstance(left, Const) and left.value == 1.0:
        return real(right)
    left, right = _same_type([left, right])
    return Op(op, (left, right), left.dtype)


def negative(value: Expr) -> Expr:
    """−value."""
    value = real(value)
    return Const(-value.value, value.dtype) if isinstance(value, Const) else Op("neg", (value,), value.dtype)


def call(function: str, *args: Expr) -> Expr:
    """A word of the vocabulary, its arguments of one floating type."""
    typed = _same_type([real(arg) for arg in args])
    return Call(function, tuple(typed), typed[0].dtype)


def _fold(combine: Callable[[Expr, Expr], Expr], parts: Sequence[Expr]) -> Expr:
    result = parts[0]
    for part in parts[1:]:
        result = combine(result, part)
    return result


def _ordered(body: sp.Basic) -> list[sp.Basic]:
    return sorted(body.args, key=sp.default_sort_key)


def _by_squaring(base: Expr, exponent: int) -> Expr:
    if exponent == 1:
        return base
    half = _by_squaring(base, exponent // 2)
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


WORDS_BY_THEIR_NAME = (
    "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "erfc", "sin", "cos", "atan", "sqrt", "rsqrt",
    "floor", "sign",
)  # fmt: skip
FUNCTIONS: dict[str, Callable[[Expr], Expr]] = {
    **{name: _word(name) for name in WORDS_BY_THEIR_NAME},
    "Abs": _word("abs"),
    "ceiling": lambda u: negative(call("floor", negative(u))),
    "tan": lambda u: arithmetic("/", call("sin", u), call("cos", u)),
    "cot": lambda u: arithmetic("/", call("cos", u), call("sin", u)),
    "sec": lambda u: arithmetic("/", _number(1.0), call("cos", u)),
    "csc": lambda u: arithmetic("/", _number(1.0), call("sin", u)),
    "coth": lambda u: arithmetic("/", _number(1.0), call("tanh", u)),
    "sech": lambda u: arithmetic("/", _number(1.0), _cosh(u)),
    "sinh": _odd(_sinh),
    "cosh": _cosh,
    "asinh": _odd(_asinh),
    "acosh": _acosh,
    "atanh": _odd(_atanh),
    "asin": _asin,
    "acos": _acos,
}
