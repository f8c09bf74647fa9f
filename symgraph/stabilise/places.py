"""Parts of a body that are values at other places."""

from __future__ import annotations

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.indices import Index
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Delta, expm1
from symgraph.simplify.selections import split

GROWING = (sp.exp, expm1, sp.sinh, sp.cosh)
"""Functions that overflow."""


def by_place(body: sp.Expr) -> list[sp.Expr]:
    """The parts of a sum whose terms have different δ: values at other places, with nothing to do with each other.

    What a δ(2, n) multiplies is read at n = 2.
    """
    if not body.has(Delta):
        return [body]
    parts: dict[tuple[sp.Basic, ...], list[sp.Expr]] = {}
    for term in sp.Add.make_args(body):
        deltas = tuple(factor for factor in sp.Mul.make_args(term) if isinstance(factor, Delta))
        parts.setdefault(deltas, []).append(term)
    return [_at_its_place(sp.Add(*terms), deltas) for deltas, terms in parts.items()]


def selections(body: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    """Those parts as (product of δ, what it selects)."""
    found = [[split(term) for term in sp.Add.make_args(part)] for part in by_place(body)]
    return [(terms[0][0], sp.Add(*(rest for _, rest in terms))) for terms in found]


def _at_its_place(part: sp.Expr, deltas: tuple[sp.Basic, ...]) -> sp.Expr:
    if not part.has(*GROWING):
        return part
    places = (delta.args for delta in deltas)
    rule = {index: place for place, index in places if isinstance(index, Index) and place.is_Integer}
    others = {delta: sp.Dummy() for delta in deltas}
    return replaced(replaced(part, others), rule).xreplace({d: delta for delta, d in others.items()})


def is_of_places(body: sp.Expr) -> bool:
    """Whether a body has branches by its indices alone, as a slice's gradient has, and none by values."""
    conditions = atoms_in(body, sp.core.relational.Relational)
    return body.has(sp.Piecewise) and not any(elements_of(condition) for condition in conditions)
