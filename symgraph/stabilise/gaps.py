"""Exponents d = u − m with m = max u: where one is, and of which maximum."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import lru_cache

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, Shape, axis
from symgraph.core.rebuild import atoms_in
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import inlined
from symgraph.stabilise.places import GROWING
from symgraph.stabilise.signs import is_below_largest


def single(exponent: sp.Expr) -> tuple[Element, ...]:
    """The elements of an exponent that is a multiple of one: exp(−m), left over, as against exp(u − m); in a sum, those
    of what stands beside terms that are not above a number, as in exp(−m − v²)."""
    terms = sp.Add.make_args(exponent)
    left = [term for term in terms if len(terms) == 1 or not is_below_largest(term)]
    return elements_of(left[0]) if len(left) == 1 else ()


def is_gap(exponent: sp.Expr) -> bool:
    """Whether an exponential of it is not above a number."""
    if is_below_largest(exponent) or is_from_largest(exponent):
        return True
    return all(is_below_largest(term) or _is_share_of_gap(*term.as_coeff_Mul()) for term in sp.Add.make_args(exponent))


def _is_share_of_gap(number: sp.Expr, rest: sp.Expr) -> bool:
    return bool(number.is_positive) and is_from_largest(rest)


def is_from_largest(exponent: sp.Expr, over: Set[sp.Basic] | None = None, extents: Shape = ()) -> bool:
    """Whether an exponent is d = u − max u already, a maximum over just the indices ``over`` if they are given.

    Then the largest term of a sum over them is 1. A maximum over others is no more than a bound from above.
    """
    definition = exponent.tensor.definition if isinstance(exponent, Element) else None
    if definition is None or definition.op is not None:
        return False
    gap = inlined(exponent)
    ranges = ((m, _ranged_over(m, gap + m)) for m in elements_of(gap))
    if over is None:
        return any(found is not None for _, found in ranges)
    return any(found == over and not over & m.free_symbols and _extents(m) == extents for m, found in ranges)


def _extents(element: Element) -> Shape:
    definition = element.tensor.definition
    return () if definition is None else definition.extents


def _ranged_over(m: Element, value: sp.Expr) -> Set[sp.Basic] | None:
    """The indices over which ``m`` is the maximum of ``value``; None if it is the maximum of something else."""
    definition = m.tensor.definition
    if definition is None or definition.op != "max":
        return None
    own = {axis(d): index for d, index in enumerate(m.indices)}
    body = definition.body.args[0].expr if isinstance(definition.body, sp.Piecewise) else definition.body
    for inside in elements_of(body):
        for outside in elements_of(value):
            if inside.tensor is outside.tensor:
                pairs = dict(zip(inside.indices, outside.indices, strict=True))
                along = {i: at for i, at in pairs.items() if isinstance(i, Index) and i not in own}
                if body.xreplace(own | along) == value:
                    return set(along.values())
    return None


def reading_alike(exponent: sp.Expr, gap: Tensor, m: Element) -> Iterator[Element]:
    """Elements of ``gap`` at the indices of ``m`` and, along the sum, at the indices at which the exponent reads."""
    assert gap.definition is not None
    along = [axis(d) for d in range(m.tensor.ndim, gap.ndim)]
    for read in elements_of(gap.definition.body):
        for other in elements_of(exponent):
            if other.tensor is read.tensor:
                at = {i: v for i, v in zip(read.indices, other.indices, strict=True) if isinstance(i, Index)}
                if all(index in at for index in along):
                    yield Element(gap, *m.indices, *(at[index] for index in along))


@lru_cache(maxsize=4096)
def grown(body: sp.Expr) -> int:
    """How many exponentials that may overflow are in a formula itself."""
    return sum(not is_gap(kernel.args[0]) for kernel in atoms_in(body, *GROWING) if not kernel.is_number)
