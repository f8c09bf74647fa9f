"""What a share of a whole lacks to 1, as the sum of the other shares: 1 − y_k cancels where the k-th is nearly all.

    y = f/Σ f:      c − c·y[n, k]           c·Σ_{i≠k} y[n, i]
    c·δ(k, j) − c·y[n, k]   in the same way
    log(1 − y[n, k])        log1p(−y[n, k]) where that is less than a half
    log y[n, 0]             log1p(−Σ_{i≠0} y[n, i]) where it is more
    1 − 3·y + 2·y²          (1 − 2·y)·Σ_{i≠k} y[n, i]: what is 0 where y is 1
    f[k]·(S − f[k])/S²      f[k]·Σ_{i≠k} f[i]/S², S = Σ f, in the same way

k is a number or a label, so that there is one such sum for a row. Of a label's δ the second stays as it is: it is the
gradient of cross-entropy, (y − δ)/N, whose error is that of its largest term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, axis, bound
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Delta, log1p
from symgraph.core.tensor import Element
from symgraph.core.views import inlined
from symgraph.simplify.branches import per_branch
from symgraph.simplify.sums import reduction
from symgraph.stabilise.shifts import without_aliases

OTHER = Index("other")
MOST_SUMS = 4
"""Sums in one formula that are changed."""
MOST_OPENED = 40
"""Operations of a formula with those of the cotangents in it."""
Opened = Callable[[sp.Expr], sp.Expr]


def complemented(body: sp.Expr, extents: Mapping[Index, sp.Expr], opened: Opened, by_roots: bool = False) -> sp.Expr:
    """A body without branches, with the sums of others in it; the body itself where there are none.

    ``opened`` puts the formulas of the pointwise values that a formula reads in their place; ``by_roots`` looks for
    sums that are 0 where a part is the whole, and not for two terms that differ by a share.
    """
    plain = _without_cotangents(without_aliases(body)) if body.has(sp.Add, sp.log) else body
    if not any(_is_share(e) or _is_total(e) for e in elements_of(plain)) or not plain.has(sp.Add, sp.log):
        return body
    plain = plain.replace(sp.Mul, _at_its_place)
    sure = {node: _of_share(node, extents) for node in atoms_in(plain, sp.log)}
    changed = per_branch(plain.xreplace(sure), lambda branch, _: branch) if sure else plain
    for _ in range(MOST_SUMS):
        shares = [element for element in elements_of(changed) if _is_share(element)]
        totals = sorted(atoms_in(changed, sp.Add), key=lambda total: (operations([total]), sp.default_sort_key(total)))
        found = (
            ((total, form) for total in reversed(totals) for form in _by_roots(total, extents, opened))
            if by_roots
            else ((total, form) for total in totals for form in _forms(total, shares, extents, opened))
        )
        total, form = next(found, (None, None))
        if total is None:
            break
        logarithm = sp.log(form)
        if sp.S.One in total.args:
            logarithm = Cases((log1p(total - 1), total > sp.S.Half), (logarithm, True))
        changed = per_branch(changed.xreplace({total: form, sp.log(total): logarithm}), lambda branch, _: branch)
    return body if changed == plain else changed


def _without_cotangents(body: sp.Expr) -> sp.Expr:
    """The formula with those of the cotangents it reads, if it is short: they read the shares that it multiplies."""
    opened = body
    while cotangents := [e for e in elements_of(opened) if _is_pointwise_cotangent(e)]:
        opened = without_aliases(replaced(opened, {e: inlined(e) for e in cotangents}))  # type: ignore[arg-type]
        if operations([opened]) > MOST_OPENED:
            return body
    return opened


def _is_pointwise_cotangent(element: Element) -> bool:
    definition = element.tensor.definition
    return element.tensor.cotangent_of is not None and definition is not None and definition.op is None


def _of_share(logarithm: sp.Expr, extents: Mapping[Index, sp.Expr]) -> sp.Expr:
    """log y[n, k] by the others where the k-th is more than a half; of a number k, so that no row is read twice."""
    (share,) = logarithm.args
    if not (isinstance(share, Element) and _is_share(share) and share.indices[-1].is_Integer):
        return logarithm
    return Cases((log1p(-_others(share, share.indices[-1], extents)), share > sp.S.Half), (logarithm, True))


def _at_its_place(*factors: sp.Expr) -> sp.Expr:
    """A product with what a δ selects read where that is."""
    product = sp.Mul(*factors)
    for index, fixed in _selected(product):
        deltas = {delta: sp.Dummy() for delta in atoms_in(product, Delta)}
        hidden = replaced(replaced(product, deltas), {index: fixed})
        product = hidden.xreplace({dummy: delta for delta, dummy in deltas.items()})
    return product


def _by_roots(total: sp.Add, extents: Mapping[Index, sp.Expr], opened: Opened) -> Iterator[sp.Expr]:
    """A sum that is 0 where one part of a whole is all of it, as a multiple of the other parts; at one place alone, if
    a δ selects that."""
    deltas = atoms_in(total, Delta)
    places = {pair for delta in deltas for pair in _selected(delta)}
    if len(places) != len(deltas) or len(places) > 1 or operations([total]) > MOST_OPENED:
        return
    at = replaced(total.xreplace(dict.fromkeys(deltas, sp.S.One)), dict(places))
    for whole, part, rest in _wholes(at, extents, opened):
        w, p = sp.Symbol("w", positive=True), sp.Symbol("p", positive=True)
        value = replaced(at, {part: p, **({whole: w} if whole != 1 else {})})
        value = value.replace(sp.exp, lambda u, own=part, p=p: _power_of(own, u, p))
        above, below = sp.fraction(sp.together(value))
        limit = w if whole != 1 else sp.S.One
        if above.has(p) and above.is_polynomial(p) and sp.expand(above.xreplace({p: limit})) == 0:
            quotient = sp.cancel(above / (limit - p)) / below
            form = quotient.xreplace({w: whole, p: part}) * rest
            elsewhere = total.xreplace(dict.fromkeys(deltas, sp.S.Zero))
            yield Cases((form, sp.And(*(sp.Eq(*pair) for pair in places))), (elsewhere, True))


def _power_of(part: sp.Expr, exponent: sp.Expr, name: sp.Symbol) -> sp.Expr:
    """e^{k·u} as a power of what e^u is called; of another exponent the exponential."""
    times = exponent / part.args[0] if isinstance(part, sp.exp) and part.args[0] != 0 else sp.nan
    return name**times if times.is_Rational else sp.exp(exponent)


def _wholes(
    total: sp.Expr, extents: Mapping[Index, sp.Expr], opened: Opened
) -> Iterator[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """Wholes with one part of each and the sum of its other parts: 1 of a share, and sums with a term that is read."""
    elements = elements_of(total)
    for share in elements:
        if _is_share(share) and not isinstance(share.indices[-1], Index):
            yield sp.S.One, share, _others(share, share.indices[-1], extents)
    for whole in filter(_is_total, elements):
        definition, at = whole.tensor.definition, {axis(d): index for d, index in enumerate(whole.indices)}
        assert definition is not None
        for place in {e.indices[-1]: None for e in elements if e.indices and e.indices[-1].is_Integer}:
            for body in dict.fromkeys((definition.body, opened(definition.body))):
                part, row = (replaced(body, {**at, bound(0): at_place}) for at_place in (place, OTHER))
                if isinstance(part, sp.exp | Element):
                    others = Cases((sp.S.Zero, sp.Eq(OTHER, place)), (row, True))
                    yield whole, part, reduction(others, (OTHER,), {**extents, OTHER: definition.extents[0]})


def _is_total(element: Element) -> bool:
    """Whether it is the sum of a formula along one index."""
    definition = element.tensor.definition
    return definition is not None and definition.op == "sum" and len(definition.extents) == 1


def _forms(total: sp.Add, shares: list[Element], extents: Mapping[Index, sp.Expr], opened: Opened) -> Iterator[sp.Expr]:
    for share in shares:
        place = share.indices[-1]
        for term in total.args:
            factor = sp.Mul(*(f for f in sp.Mul.make_args(term) if f != share))
            if factor == term:
                continue
            for other in total.args:
                rest = total - term - other
                if not isinstance(place, Index) and opened(other) == -opened(factor):
                    yield rest - factor * _others(share, place, extents)
                for index, fixed in _selected(opened(other)):
                    there = {index: fixed}
                    at_it = replaced(other, there), replaced(factor, there)
                    if place in (index, fixed) and opened(at_it[0]) == -opened(at_it[1]):
                        others = _others(share.xreplace(there), fixed, extents)
                        yield rest + factor * Cases((-others, sp.Eq(index, fixed)), (share, True))


def _selected(term: sp.Expr) -> Iterator[tuple[Index, sp.Expr]]:
    """The indices of a term's δ with the numbers at which it is not 0."""
    for delta in (factor for factor in sp.Mul.make_args(term) if isinstance(factor, Delta)):
        fixed, index = delta.args if delta.args[0].is_Integer else reversed(delta.args)
        if fixed.is_Integer and isinstance(index, Index):
            yield index, fixed


def _others(share: Element, place: sp.Expr, extents: Mapping[Index, sp.Expr]) -> sp.Expr:
    """Σ_{i≠k} y[n, i]."""
    row = Element(share.tensor, *share.indices[:-1], OTHER)
    return reduction(
        Cases((sp.S.Zero, sp.Eq(OTHER, place)), (row, True)), (OTHER,), {**extents, OTHER: share.tensor.shape[-1]}
    )


def _is_share(element: Element) -> bool:
    """Whether it is of a value f[n, k]/Σ_k f[n, k], at a place that one index, a number or a label says."""
    definition, last = element.tensor.definition, element.tensor.ndim - 1
    if definition is None or definition.op is not None or last < 0:
        return False
    place = element.indices[-1]
    if not (isinstance(place, Index | sp.Integer) or (isinstance(place, Element) and place.tensor.is_label)):
        return False
    sums = [f.base for f in sp.Mul.make_args(definition.body) if isinstance(f, sp.Pow) and f.exp == -1]
    return any(_is_whole(total, definition.body * total, last) for total in sums if isinstance(total, Element))


def _is_whole(total: Element, part: sp.Expr, last: int) -> bool:
    """Whether it is the sum of all values of a formula along the last index."""
    definition = total.tensor.definition
    if definition is None or definition.op != "sum" or len(definition.extents) != 1:
        return False
    if total.indices != tuple(axis(d) for d in range(last)):
        return False
    return bool(definition.body.xreplace({bound(0): axis(last)}) == part)
