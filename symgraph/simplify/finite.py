"""Which values are finite whatever the leaves are, and where a guarded cotangent can be other than 0.

A guard c on a cotangent, {g if c, else 0}, may be dropped in g·s only if the slope s is finite outside c too: 0·(1/0)
is NaN. Arithmetic counts as exact; an exponential, or a power by a value, that overflows counts in the slope itself
(``overflow=True``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

import sympy as sp

from symgraph.core.bounds import unproved
from symgraph.core.cases import Cases, Fails, both, either
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index
from symgraph.core.scalars import Delta, expm1, sigmoid, softplus
from symgraph.core.tensor import Tensor
from symgraph.simplify.branches import guarded_product
from symgraph.simplify.sums import Extents, reduction

_BOUNDED = (sp.sin, sp.cos, sp.tanh, sp.atan, sp.erf, sp.erfc, sp.sign, sp.Heaviside, sigmoid, Delta)
_GROWING = (sp.exp, sp.sinh, sp.cosh, expm1)
_TAME = (sp.Add, sp.Mul, sp.Abs, sp.Max, sp.Min, sp.floor, sp.ceiling, sp.asinh, softplus, *_BOUNDED)


class FiniteValues:
    """What is known of the values of a graph: which are finite, and their signs. Operands come first in ``order``."""

    def __init__(self, order: Iterable[Tensor]) -> None:
        self.finite: set[Tensor] = set()
        self.sign: dict[Tensor, dict[str, bool]] = {}
        for tensor in order:
            definition = tensor.definition
            if definition is None or self.is_finite(definition.body):
                self.finite.add(tensor)
            if definition is not None and definition.op in (None, "sum", "max", "min"):
                body = self._signed(definition.body)
                self.sign[tensor] = {"positive": True} if body.is_positive else {}
                if body.is_nonnegative and not body.is_positive:
                    self.sign[tensor] = {"nonnegative": True}

    def is_finite(self, body: sp.Expr, overflow: bool = False) -> bool:
        """Whether a scalar formula is finite wherever its operands are anything that they can be."""
        if any(element.tensor not in self.finite for element in elements_of(body)):
            return False
        pending = [self._signed(body)]
        while pending:
            node = pending.pop()
            if isinstance(node, sp.Piecewise):
                pending.extend(value for value, _ in node.args)
            elif overflow and (isinstance(node, sp.exp) or (isinstance(node, sp.Pow) and not node.exp.is_number)):
                return False
            elif isinstance(node, sp.exp):
                pending.append(node.args[0])
            elif isinstance(node, (sp.Pow, sp.log)) and not _is_defined(node):
                return False
            elif node.args:
                tame = isinstance(node, (*_TAME, sp.Pow, sp.log)) or (isinstance(node, _GROWING) and not overflow)
                if not tame:
                    return False
                pending.extend(node.args)
        return True

    def _signed(self, body: sp.Expr) -> sp.Expr:
        """The body with a symbol of the known sign for each element; equal bodies have equal ones."""
        return body.xreplace({e: _signed(n, *self.sign.get(e.tensor, {})) for n, e in enumerate(elements_of(body))})


@lru_cache(maxsize=4096)
def _signed(number: int, *known: str) -> sp.Symbol:
    return sp.Symbol(f"_f{number}", real=True, **dict.fromkeys(known, True))


def _is_defined(node: sp.Expr) -> bool:
    """Whether a power or a logarithm is finite by the sign of its argument."""
    base, exponent = (node.args[0], sp.S.NegativeOne) if isinstance(node, sp.log) else node.as_base_exp()
    if exponent.is_integer and exponent.is_nonnegative:
        return True
    return bool(base.is_positive or (exponent.is_positive and base.is_nonnegative))


def support(expression: sp.Expr) -> sp.Basic:
    """The condition outside which an expression is 0 by a branch that says so, or by a δ."""
    if isinstance(expression, Delta):
        return sp.Eq(*expression.args)
    if isinstance(expression, sp.Add):
        return either(*(support(term) for term in expression.args))
    if isinstance(expression, sp.Mul):
        return sp.And(*(support(factor) for factor in expression.args))
    if not isinstance(expression, sp.Piecewise):
        return sp.false if expression == 0 else sp.true
    found, before = sp.false, sp.true
    for value, condition in expression.args:
        found = either(found, sp.And(before, condition, support(value)))
        before = both(before, Fails(condition))
    return found


def within(condition: sp.Basic, indices: Collection[sp.Basic]) -> sp.Basic:
    """The parts of a condition that do not depend on the indices: what it implies for every value of these."""
    if isinstance(condition, sp.Or):
        return either(*(within(part, indices) for part in condition.args))
    hidden = set(indices)
    return sp.And(*(part for part in sp.And.make_args(condition) if hidden.isdisjoint(part.free_symbols)))


def for_some(condition: sp.Basic, over: tuple[Index, ...], extents: Extents) -> sp.Basic:
    """Those, and whether places meet for some value of the indices: i = t[n] for some n is Σ_n δ[i = t[n]] > 0."""
    if isinstance(condition, sp.Or):
        return either(*(for_some(part, over, extents) for part in condition.args))
    parts = [part for part in sp.And.make_args(condition) if _is_of_places(part)]
    parts = [part for part in parts if not _meets(part, [p for p in parts if p is not part], over, extents)]
    met = sp.Mul(*(Delta(*part.args) for part in parts if not part.free_symbols.isdisjoint(over)))
    under = tuple(index for index in over if index in met.free_symbols)
    known = within(condition, over)
    return sp.And(known, reduction(met, under, extents) > 0) if under else known


def _meets(part: sp.Basic, others: list[sp.Basic], over: tuple[Index, ...], extents: Extents) -> bool:
    """Whether i = k holds for one of the places that i runs over, whatever k is, and nothing else is asked of i."""
    for index, place in (part.args, part.args[::-1]):
        if index in over and place.free_symbols.isdisjoint(over) and not any(p.has(index) for p in others):
            return not unproved(place, extents[index], extents)
    return False


def _is_of_places(part: sp.Basic) -> bool:
    return isinstance(part, sp.Eq) and bool(part.lhs.is_integer)


def guarded(expression: sp.Expr, condition: sp.Basic) -> sp.Expr:
    """The expression where the condition holds, else 0; the expression itself if it says so already."""
    if condition == sp.true or support(expression) == condition:
        return expression
    equal = [part for part in sp.And.make_args(condition) if _is_of_places(part)]
    deltas = sp.Mul(*(Delta(*part.args) for part in equal))
    failing = [part for part in sp.And.make_args(condition) if isinstance(part, Fails)]
    rest = sp.And(*(part for part in sp.And.make_args(condition) if part not in [*equal, *failing]))
    return Cases(*((0, part.args[0]) for part in failing), (guarded_product(deltas, expression), rest), (0, True))
