"""Here SymPy ends: a scalar formula becomes a typed expression of the IR.

    max(a[n, j] + b[j], 0)   →   maximum(Load a [n, j] + Load b [j], real 0)

Arithmetic of numbers, sizes and hyper-parameters alone is done in float64 and rounded once, where it meets an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import sympy as sp
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from codegen.ir import Const, DType, Expr, Load, Op, Select, Var, add, multiply
from codegen.ranges import Extents, all_exist, exists
from codegen.scalar_functions import FUNCTIONS, arithmetic, by_squaring, call, cast, chosen, negative, real, same_type
from symgraph.errors import DomainError
from symgraph.scalars import Delta
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
    """Lowers formulas in one scope: ``indices`` maps canonical indices to loop variables.

    ``extents`` say how far they run, by which an element that need not exist is known: under a guard, it is marked.
    """

    def __init__(self, access: Access, sizes: Mapping[str, str]) -> None:
        self.access = access
        self.sizes = sizes
        self.indices: dict[sp.Basic, Expr] = {}
        self.extents: Extents = {}
        self._guards = 0

    def value(self, body: sp.Basic, dtype: DType = "real") -> Expr:
        """The formula as an expression of type ``dtype``."""
        return cast(self._lower(body), dtype)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What is lowered in here is evaluated under a guard."""
        self._guards += 1
        try:
            yield
        finally:
            self._guards -= 1

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
            case sp.floor() if body.args[0].is_Mul and body.args[0].as_numer_denom()[1] != 1:
                above, below = body.args[0].as_numer_denom()
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
            case sp.And() | sp.Or():
                return self._junction("and" if isinstance(body, sp.And) else "or", body.args)
            case sp.Not():
                return Op("not", (self.condition(body.args[0]),), "bool")
            case sp.core.relational.Relational():
                left, right = body.args
                if left.is_integer and right.is_integer:
                    return Op(body.rel_op, (self.integer(left), self.integer(right)), "bool")
                pair = same_type([self._lower(left), self._lower(right)])
                return Op(body.rel_op, tuple(pair), "bool")
            case sp.logic.boolalg.BooleanFunction():
                return self.condition(body.to_nnf(simplify=False))
        raise DomainError(f"{body} is no condition that can be compiled")

    def _junction(self, word: str, parts: Sequence[sp.Basic]) -> Expr:
        """A chain of ``and`` or ``or``: first what can be evaluated always, then what that may be the guard of."""
        ordered = sorted(parts, key=lambda p: (not all_exist(p, self.extents), sp.default_sort_key(p)))
        result = self.condition(ordered[0])
        with self.guarded():
            for part in ordered[1:]:
                result = Op(word, (result, self.condition(part)), "bool")
        return result

    # -- real values --------------------------------------------------------------------------------------------------
    def _lower(self, body: sp.Basic) -> Expr:
        match body:
            case Element():
                return self._element(body)
            case Delta():
                return self._selected([body], sp.S.One)
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
        compose = FUNCTIONS.get(type(body))
        if compose is None or len(body.args) != 1:
            raise DomainError(f"no kernel computes {type(body).__name__} in {body}")
        return compose(real(self._lower(body.args[0])))

    def _element(self, element: Element) -> Expr:
        found = self.access(element.tensor, tuple(self.integer(index) for index in element.indices))
        if self._guards and isinstance(found, Load) and not exists(element, self.extents):
            return replace(found, guarded=True)
        return found

    def _selected(self, places: Sequence[sp.Basic], body: sp.Expr) -> Expr:
        """δ₁·δ₂·…·body: the body where every δ is 1, else 0, whatever the body is there."""
        condition = self._junction("and", [sp.Eq(*delta.args, evaluate=False) for delta in places])
        with self.guarded():
            value = self.value(body)
        return Select(condition, value, Const(0.0, "real"), "real")

    def _piecewise(self, body: sp.Piecewise) -> Expr:
        pairs: list[tuple[Expr, Expr]] = []
        with ExitStack() as under:
            for value, test in body.args:
                condition = self.condition(test)
                under.enter_context(self.guarded())
                pairs.append((self._lower(value), condition))
        last = pairs[-1]
        closed = last[1] == Const(1, "bool")
        values = same_type([value for value, _ in pairs] + ([] if closed else [Const(float("nan"), "float64")]))
        result = values.pop()
        for value, (_, condition) in reversed(list(zip(values, pairs, strict=False))):
            result = chosen(condition, value, result)
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
        places = [factor.as_base_exp()[0] for factor in body.args if is_place(factor)]
        if places:
            return self._selected(places, sp.Mul(*(factor for factor in body.args if not is_place(factor))))
        placed = next((factor for factor in body.args if _is_placed(factor)), None)
        if placed is not None:  # (δ₁·a + δ₂·b)·c: where c is not finite, it is so in one place alone
            rest = [factor for factor in body.args if factor is not placed]
            terms = [self._product(sp.Mul(*term.args, *rest, evaluate=False)) for term in _ordered(placed)]
            return _fold(lambda a, b: arithmetic("+", a, b), terms)
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
            return by_squaring(real(self._lower(base)), int(exponent))
        if exponent.is_Rational and exponent.q == 2:
            root = call("sqrt", real(self._lower(base)))
            return by_squaring(root, int(exponent.p))
        return call("pow", real(self._lower(base)), real(self._lower(exponent)))

    def _modulo(self, body: sp.Mod) -> Expr:
        if body.is_integer:
            return self.integer(body)
        x, y = same_type([self._lower(part) for part in body.args])
        return arithmetic("-", x, arithmetic("*", y, call("floor", arithmetic("/", x, y))))


def is_place(factor: sp.Basic) -> bool:
    """Whether a factor is a δ, or a power of one, which says where a product is not 0."""
    base, exponent = factor.as_base_exp()
    return isinstance(base, Delta) and bool(exponent.is_positive)


def _is_placed(factor: sp.Basic) -> bool:
    """Whether a factor is a sum in which every term has its place."""
    return isinstance(factor, sp.Add) and all(
        isinstance(term, sp.Mul) and any(map(is_place, term.args)) for term in factor.args
    )


def _fold(combine: Callable[[Expr, Expr], Expr], parts: Sequence[Expr]) -> Expr:
    result = parts[0]
    for part in parts[1:]:
        result = combine(result, part)
    return result


def _ordered(body: sp.Basic) -> list[sp.Basic]:
    return sorted(body.args, key=sp.default_sort_key)
