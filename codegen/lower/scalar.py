"""Here SymPy ends: a scalar formula becomes a typed expression of the IR.

    max(a[n, j] + b[j], 0)   →   maximum(Load a [n, j] + Load b [j], real 0)

Arithmetic of numbers, sizes and hyper-parameters alone is done in float64 and rounded once, where it meets an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import reduce
from itertools import pairwise

import sympy as sp
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from codegen.loops.ir import ZERO, Call, Const, DType, Expr, Load, Op, Select, Var, add, difference, multiply
from codegen.loops.numbers import LARGEST, LARGEST_SIZE, LEAST, SMALLEST, WIDEST, is_known, nearest
from codegen.loops.ranges import Bounds, all_exist, axes_left, exists, narrowed
from codegen.loops.scalar_functions import (
    arithmetic,
    both,
    by_squaring,
    call,
    cast,
    chosen,
    computed,
    first_best,
    negative,
    number_of,
    real,
    same_type,
)
from codegen.plan.few_elements import FirstBest, argmax
from codegen.plan.scatter import is_placed
from symgraph.core.dtypes import is_integer
from symgraph.core.scalars import Delta, Uniform, Written
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import DomainError
from symgraph.simplify.selections import is_place
from symgraph.stabilise.scalar import by_one_exponential

Access = Callable[[Tensor, tuple[Expr, ...]], Expr]
"""How a group reads an element: from memory, or as a scalar that has just been computed."""


class ScalarLowering:
    """Lowers formulas in one scope: ``indices`` maps canonical indices to loop variables.

    ``bounds`` are their ranges, by which an element that need not exist is known. It is read under a guard: the one it
    stands under, if that says that the element exists, else one of its own, and is 0 where it does not exist.
    """

    def __init__(self, access: Access, sizes: Mapping[str, str]) -> None:
        self.access = access
        self.sizes = sizes
        self.indices: dict[sp.Basic, Expr] = {}
        self.bounds: Bounds = {}
        self._under: Bounds | None = None
        self._steps = 0

    def value(self, body: sp.Basic, dtype: DType = "real") -> Expr:
        """The formula as an expression of type ``dtype``."""
        return self.integer(body) if dtype == "int64" else cast(self._lower(body), dtype)

    def product(self, factors: Sequence[sp.Expr]) -> Expr:
        """The product of some factors, as a real value."""
        places = [factor.as_base_exp()[0] for factor in factors if is_place(factor)]
        others = [factor for factor in factors if not is_place(factor)]
        return self._selected(places, others) if places else cast(self._quotient(others), "real")

    @contextmanager
    def guarded(self, condition: sp.Basic = sp.true) -> Iterator[None]:
        """What is lowered in here is evaluated where the condition holds, and nowhere else."""
        before = self._under
        self._under = narrowed(self.bounds if before is None else before, condition)
        try:
            yield
        finally:
            self._under = before

    @contextmanager
    def _exactly(self) -> Iterator[None]:
        """What is lowered in here decides on which side of a step a value lies: quotients are no products."""
        self._steps += 1
        try:
            yield
        finally:
            self._steps -= 1

    def integer(self, body: sp.Basic) -> Expr:
        """An index, a size, or a value that is computed of integers."""
        match body:
            case Element():
                return cast(self._element(body), "int64")
            case sp.Piecewise():
                return self._piecewise(body, self.integer)
            case sp.Integer():
                return Const(int(body), "int64")
            case sp.Symbol():
                return self.indices.get(body) or Var(self.sizes[body.name], "int64")
            case sp.Add():
                minus = [part for part in _ordered(body) if _is_negative(part) and not part.is_Integer]
                plus = [self.integer(part) for part in _ordered(body) if part not in minus]
                return reduce(difference, [reduce(add, plus or [ZERO]), *(self.integer(-part) for part in minus)])
            case sp.Mul():
                return reduce(multiply, [self.integer(part) for part in _ordered(body)])
            case sp.Mod():
                return Op("%", (self.integer(body.args[0]), self.integer(body.args[1])), "int64")
            case sp.floor():
                above, below = sp.fraction(sp.together(body.args[0]))
                return Op("//", (self.integer(above), self.integer(below)), "int64")
            case sp.Pow() if body.exp.is_Integer and body.exp > 0:
                return reduce(multiply, [self.integer(body.base)] * int(body.exp))
            case FirstBest():
                return number_of([self._is_first(sp.Integer(k), body) for k in range(len(body.args))])
            case sp.Max() | sp.Min():
                relation, parts = ">" if isinstance(body, sp.Max) else "<", map(self.integer, _ordered(body))
                return reduce(lambda a, b: Select(Op(relation, (a, b), "bool"), a, b, "int64"), parts)
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
                if isinstance(right, FirstBest) or isinstance(left, FirstBest):
                    return self._is_first(*((left, right) if isinstance(right, FirstBest) else (right, left)))
                whole = all(element.tensor.dtype == "integer" for element in body.atoms(Element))
                if whole and left.is_integer and right.is_integer:
                    return Op(body.rel_op, (self.integer(left), self.integer(right)), "bool")
                with self._exactly():
                    pair = same_type([self._lower(left), self._lower(right)])
                return Op(body.rel_op, tuple(pair), "bool")
            case sp.logic.boolalg.BooleanFunction():
                return self.condition(body.to_nnf(simplify=False))
        raise DomainError(f"{body} is no condition that can be compiled")

    def _is_first(self, place: sp.Expr, best: FirstBest) -> Expr:
        """Whether the best of some values is first at a place, which may be beside them."""
        if not place.is_Integer:
            pairs = [(sp.Eq(place, k), sp.Eq(k, best, evaluate=False)) for k in map(sp.Integer, range(len(best.args)))]
            return reduce(lambda a, b: Op("or", (a, b), "bool"), [reduce(both, map(self.condition, p)) for p in pairs])
        if not 0 <= place < len(best.args):
            return Const(0, "bool")
        values = same_type(list(map(self._lower, best.args)))
        return reduce(both, first_best(values, int(place), "<=" if isinstance(best, argmax) else ">="))

    def _junction(self, word: str, parts: Sequence[sp.Basic]) -> Expr:
        """A chain of ``and`` or ``or``: first what can be evaluated always, then what that may be the guard of."""
        ordered = sorted(parts, key=lambda p: (not all_exist(p, self.bounds), sp.default_sort_key(p)))
        result = self.condition(ordered[0])
        with ExitStack() as under:
            for before, part in pairwise(ordered):
                under.enter_context(self.guarded(before if word == "and" else sp.Not(before)))
                result = Op(word, (result, self.condition(part)), "bool")
        return result

    # -- real values --------------------------------------------------------------------------------------------------
    def _lower(self, body: sp.Basic) -> Expr:
        match body:
            case Element():
                return self._element(body)
            case sp.Add() | sp.Mul() | sp.Pow() | sp.Mod() | sp.floor() | sp.Max() | sp.Min() if is_integer(body):
                return self.integer(body)
            case Delta():
                return self._selected([body], ())
            case Uniform():
                whole = [self.integer(p) if p.is_integer else cast(self._lower(p), "int64") for p in body.args]
                return Call("uniform", (Const(1.0, "real"), *whole), "real")
            case Written():
                return self._written(body)
            case sp.Piecewise():
                return self._piecewise(body)
            case sp.Symbol():
                return self.indices.get(body) or Var(self.sizes[body.name], "int64")
            case sp.core.numbers.NaN():
                return Const(float("nan"), "float64")
            case _ if is_known(body):
                return Const(nearest(body), "float64")
            case sp.Add():
                return self._sum(body)
            case sp.Mul():
                return self._product(body)
            case sp.Pow():
                return self._power(*body.args)
            case sp.Max() | sp.Min():
                word = "maximum" if isinstance(body, sp.Max) else "minimum"
                return reduce(lambda a, b: call(word, a, b), [self._lower(part) for part in _ordered(body)])
            case sp.Mod():
                return self._modulo(body)
            case sp.tanh() if (rational := by_one_exponential(body)) is not None:
                return self._lower(rational)
            case sp.Heaviside():
                return self._piecewise(body.rewrite(sp.Piecewise))
        compose = computed(body)
        if compose is None:
            raise DomainError(f"no kernel computes {type(body).__name__} in {body}")
        with self._exactly() if isinstance(body, STEPS) else nullcontext():
            return compose(real(self._lower(body.args[-1])))

    def _written(self, body: Written) -> Expr:
        """The operands, and then the formula, with no thought of what it could be simplified to."""
        outside = self.indices
        operands = {slot: self._lower(operand) for slot, operand in body.bindings()}
        self.indices = outside | operands
        try:
            return self._lower(body.args[0])
        finally:
            self.indices = outside

    def _element(self, element: Element) -> Expr:
        found = self.access(element.tensor, tuple(self.integer(index) for index in element.indices))
        if not isinstance(found, Load) or exists(element, self.bounds):
            return found
        load = replace(found, guarded=True)
        left = axes_left(element, self.bounds if self._under is None else self._under)
        if not left:
            return load
        inside = reduce(both, [self._is_inside(index, size) for index, size in left])
        return Select(inside, load, Const(0, load.dtype), load.dtype)

    def _is_inside(self, index: sp.Expr, size: sp.Expr) -> Expr:
        place = self.integer(index)
        below = Op("<", (place, self.integer(size)), "bool")
        if isinstance(place, Const) and place.value >= 0:
            return below
        return both(Op(">=", (place, ZERO), "bool"), below)

    def _selected(self, places: Sequence[sp.Basic], factors: Sequence[sp.Expr]) -> Expr:
        """δ₁·δ₂·…·factors: their product where every δ is 1, else 0, whatever it is there."""
        equal = [sp.Eq(*delta.args, evaluate=False) for delta in places]
        condition = self._junction("and", equal)
        with self.guarded(sp.And(*equal, evaluate=False)):
            value = cast(self._quotient(factors), "real")
        return chosen(condition, value, Const(0.0, "real"))

    def _piecewise(self, body: sp.Piecewise, lower: Callable[[sp.Basic], Expr] | None = None) -> Expr:
        pairs: list[tuple[Expr, Expr]] = []
        with ExitStack() as under:
            for value, test in body.args:
                condition = self.condition(test)
                with self.guarded(test):
                    pairs.append(((lower or self._lower)(value), condition))
                under.enter_context(self.guarded(sp.Not(test)))
        last = pairs[-1]
        closed = last[1] == Const(1, "bool")
        values = [value for value, _ in pairs]
        if lower is None:
            values = same_type([*values, *([] if closed else [Const(float("nan"), "float64")])])
        elif not closed:
            raise DomainError(f"{body} is no integer where no condition holds")
        result = values.pop()
        for value, (_, condition) in reversed(list(zip(values, pairs, strict=False))):
            result = chosen(condition, value, result)
        return result

    def _sum(self, body: sp.Add) -> Expr:
        plus: list[sp.Basic] = []
        minus: list[sp.Basic] = []
        for term in _ordered(body):
            (minus if _is_negative(term) else plus).append(term)
        if not plus:
            return negative(reduce(lambda a, b: arithmetic("+", a, b), [self._negated(term) for term in minus]))
        result = self._folded("+", [self._lower(term) for term in plus])
        return reduce(lambda a, b: arithmetic("-", a, b), [result, *(self._negated(term) for term in minus)])

    def _negated(self, term: sp.Expr) -> Expr:
        """−term."""
        return self._product(term, -1) if isinstance(term, sp.Mul) else negative(self._lower(term))

    def _product(self, body: sp.Mul, sign: int = 1) -> Expr:
        places = [factor.as_base_exp()[0] for factor in body.args if is_place(factor)]
        if places:
            rest = [sp.Integer(sign), *(factor for factor in body.args if not is_place(factor))]
            return self._selected(places, rest)
        placed = next((factor for factor in body.args if is_placed(factor)), None)
        if placed is not None:  # (δ₁·a + δ₂·b)·c: where c is not finite, it is so in one place alone
            rest = [factor for factor in body.args if factor is not placed]
            products = [sp.Mul(*sp.Mul.make_args(term), *rest, evaluate=False) for term in _ordered(placed)]
            return reduce(lambda a, b: arithmetic("+", a, b), [self._product(product, sign) for product in products])
        return self._quotient(body.args, sign)

    def _quotient(self, factors: Sequence[sp.Expr], sign: int = 1) -> Expr:
        """A product as one quotient: number · factors / divisors."""
        number = sp.Mul(*(factor for factor in factors if factor.is_Rational))
        if number.is_negative:
            sign, number = -sign, -number
        known = [factor for factor in factors if is_known(factor) and not factor.is_Rational]
        above = [self._lower(sp.Mul(*known))] if known else []  # √2·x/√π is (√2/√π)·x
        below, inverses = list[Expr](), list[Expr]()
        for factor in sorted(sorted((f for f in factors if not is_known(f)), key=sp.default_sort_key), key=_is_steep):
            if isinstance(factor, sp.Pow) and factor.exp.could_extract_minus_sign() and factor.base != sp.E:
                inverse, times = self._inverse(factor.base, -factor.exp)
                inverses += [inverse] * times
                if not times:
                    below.append(self._power(factor.base, -factor.exp))
            elif _is_steep(factor) and any(part.dtype == "real" for part in above):
                inverses += [self._lower(factor.base)] * int(factor.exp)  # (a·x)·x·x: x³ alone may be 0 or infinite
            else:
                above.append(self._lower(factor))
        if below and not inverses and number.p < LARGEST_SIZE and number.q < LARGEST_SIZE:
            result = self._scaled(sp.Integer(number.p), above)
            below = ([Const(float(number.q), "float64")] if number.q != 1 else []) + below
        else:
            result = self._scaled(number, above)
        if below:
            result = arithmetic("/", result, self._folded("*", below))
        result = reduce(lambda a, b: arithmetic("*", a, b), [result, *inverses])
        return negative(result) if sign < 0 else result

    def _inverse(self, base: sp.Expr, exponent: sp.Expr) -> tuple[Expr, int]:
        """What a division by a power multiplies by, and how often: a/q² as (a·r)·r, r = 1/q, where q² may overflow."""
        times = exponent if exponent.is_Integer else 2 * exponent
        if not times.is_Integer or not 2 <= times <= MOST_INVERSES:
            return Const(1.0, "float64"), 0
        value = real(self._lower(base))
        value = value if exponent.is_Integer else call("sqrt", value)
        return arithmetic("/", Const(1.0, "float64"), value), int(times)

    def _scaled(self, number: sp.Rational, factors: Sequence[Expr]) -> Expr:
        """A number that is not negative times some factors, so that it is one that both floating types have.

        One that is too large for float32 divides as its inverse; what float32 has neither way is computed in float64.
        """
        if number == 1:
            return self._folded("*", factors) if factors else Const(1.0, "float64")
        if number == 0 or SMALLEST <= number <= LARGEST or not any(part.dtype == "real" for part in factors):
            if self._steps and number.p == 1 and factors:
                return arithmetic("/", self._folded("*", factors), Const(float(number.q), "float64"))
            return self._folded("*", [Const(nearest(number), "float64"), *factors])
        if LARGEST < number <= 1 / LEAST:
            return arithmetic("/", self._folded("*", factors), Const(nearest(1 / number), "float64"))
        wide = self._folded("*", [cast(real(factor), "float64") for factor in factors])
        if number > WIDEST and (inverse := nearest(1 / number)):
            return cast(arithmetic("/", wide, Const(inverse, "float64")), "real")
        while number != 1:
            step = max(min(number, WIDEST), 1 / WIDEST)
            wide, number = arithmetic("*", Const(nearest(step), "float64"), wide), number / step
        return cast(wide, "real")

    def _folded(self, op: str, parts: Sequence[Expr]) -> Expr:
        """Operands of float64 first, among themselves: what is free of arrays is computed once and exactly."""
        scalars = [part for part in parts if part.dtype != "real"]
        arrays = [part for part in parts if part.dtype == "real"]
        return reduce(lambda a, b: arithmetic(op, a, b), [*scalars, *arrays] if op == "*" else [*arrays, *scalars])

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> Expr:
        if exponent == 1:
            return self._lower(base)
        if base == sp.E:
            return call("exp", real(self._lower(exponent)))
        if exponent.is_Rational and exponent.is_negative:
            inverse, times = self._inverse(base, -exponent)
            if times:
                return by_squaring(inverse, times)
            return arithmetic("/", Const(1.0, "float64"), self._power(base, -exponent))
        if exponent.is_Integer and exponent <= 16:
            return by_squaring(real(self._lower(base)), int(exponent))
        if exponent.is_Rational and exponent.q == 2:
            return by_squaring(call("sqrt", real(self._lower(base))), int(exponent.p))
        if exponent.is_Rational and exponent.q == 3 and exponent.p <= 16:  # ⅓ itself is no floating number
            value = real(self._lower(base))
            below = Op("<", tuple(same_type([value, Const(0.0, "float64")])), "bool")
            root = chosen(below, Const(float("nan"), value.dtype), call("cbrt", value))
            return by_squaring(root if not base.is_nonnegative else call("cbrt", value), int(exponent.p))
        return call("pow", real(self._lower(base)), real(self._lower(exponent)))

    def _modulo(self, body: sp.Mod) -> Expr:
        if body.is_integer:
            return self.integer(body)
        with self._exactly():
            x, y = same_type([self._lower(part) for part in body.args])
        return arithmetic("-", x, arithmetic("*", y, call("floor", arithmetic("/", x, y))))


STEPS = (sp.floor, sp.ceiling, sp.sign)
"""Functions that jump."""
MOST_INVERSES = 4
"""The largest power that is divided by as often as it says; a larger one is computed first."""


def _is_steep(factor: sp.Expr) -> bool:
    return isinstance(factor, sp.Pow) and factor.exp in (3, 4)  # a square is shared by all who have it


def _is_negative(term: sp.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def _ordered(body: sp.Basic) -> list[sp.Basic]:
    return sorted(body.args, key=sp.default_sort_key)
