"""Sums of few terms that are told apart by cases are written out: what is 0 for a term has no part in it.

    s[t] = Σ_j {f[t]·g[t, j] if j < 1, else 0}, j < 2          →   s[t] = f[t]·g[t, 0]

They come from stacks, such as the rate (u̇, v̇) of a state (u, v), whose derivatives are sums over the stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import sympy as sp
from sympy.core.relational import Relational

from symgraph.core.graph import elements_of, rewrite
from symgraph.core.indices import bound
from symgraph.core.tensor import Definition, Tensor

MOST_TERMS = 4


def write_out_few_terms(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        terms = _terms(definition)
        if terms is None:
            return tensor.redefined(definition)
        return tensor.redefined(Definition(None, (), sp.Add(*terms, evaluate=False) if len(terms) > 1 else terms[0]))

    return rewrite(roots, change)


def _terms(definition: Definition) -> list[sp.Expr] | None:
    """The terms of a sum, if they are few and cases tell which of them are 0."""
    body, extents = definition.body, definition.extents
    if definition.op != "sum" or not all(size.is_Integer for size in extents) or not _is_told_by_cases(definition):
        return None
    if not 1 < sp.prod(extents) <= MOST_TERMS:
        return None
    over = [bound(d) for d in range(len(extents))]
    places = product(*(map(sp.Integer, range(int(size))) for size in extents))
    terms = [body.xreplace(dict(zip(over, place, strict=True))) for place in places]
    kept = [term for term in terms if term != 0]
    return kept or [sp.S.Zero] if len(kept) < len(terms) else None


def _is_told_by_cases(definition: Definition) -> bool:
    """Whether the indices of a sum are places of elements and compared with numbers, and are no factors themselves."""
    over = {bound(d) for d in range(len(definition.extents))}
    bare = definition.body.xreplace({element: sp.Dummy() for element in elements_of(definition.body)})
    conditions = {c for c in bare.atoms(Relational) if c.free_symbols and c.free_symbols <= over}
    return bool(conditions) and not bare.xreplace({c: sp.Dummy() for c in conditions}).free_symbols & over
