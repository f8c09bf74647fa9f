"""Equal forms by the modules that are imported here, for a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import sympy as sp

from symgraph.core.cases import Case, Cases
from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import at_indices
from symgraph.simplify.branches import guarded_product, per_branch
from symgraph.simplify.polynomials import Work
from symgraph.stabilise.decaying import decaying
from symgraph.stabilise.homogeneous import in_range
from symgraph.stabilise.in_powers import in_powers
from symgraph.stabilise.lowest import in_lowest_terms, reduced
from symgraph.stabilise.one_part import of_one_part
from symgraph.stabilise.places import selections
from symgraph.stabilise.ranges import is_short_sum, runs_along_leaves, scaled, without_squares_of_nought
from symgraph.stabilise.recombined import recombined
from symgraph.stabilise.rewritings import rewritten
from symgraph.stabilise.scalar import has_nested_exponentials, stable
from symgraph.stabilise.shapes import of_logarithm
from symgraph.stabilise.two_variables import of_one

MOST_OPENED = 60
"""Operations of a body with the formulas of all that it reads."""
MOST_BRANCHES = 3
"""Of a form that are taken into another one."""
MOST_BOUNDED = 2
"""Values whose size a branch asks for: each is a comparison, in loops that have few operations else."""
MOST_JOINED = 4
"""Forms that are put together with one."""
USUAL = sp.Integer(2) ** 40
"""What is smaller has a cube in the range of float32."""
MOST_BUSHY = 24
"""Branches of a form of which others are proposed: each of these has as many, and is longer than what is measured."""


def proposals(
    forms: Sequence[sp.Expr], opened: Callable[[sp.Expr], sp.Expr], most: float, work: Work
) -> Iterator[sp.Expr]:
    """Forms whose terms cannot cancel, and those for where something overflows or underflows.

    Parameters
    ----------
    forms : equal bodies, the last one as it was written.
    opened : puts the formulas of the pointwise values that a body reads in their place.
    most : operations of a form that others are proposed of.
    work : what rules may take, in operations of the branches that they are tried on.
    """
    through = opened(forms[-1])
    is_short = operations([through]) <= MOST_OPENED
    is_seen_through = is_short and _short_sums(through) <= _short_sums(forms[-1])
    seen = dict.fromkeys([*forms, _of_factors(forms[-1]), *([through] if is_seen_through else ())])

    def counted(branch: sp.Expr) -> Sequence[sp.Expr]:
        work.spend(operations([branch]))
        return _of_branch(branch)

    def each(form: sp.Expr, proposed: Callable[[sp.Expr], Sequence[sp.Expr]]) -> list[sp.Expr]:
        return _each(form, proposed) if operations([form]) <= most else []

    apart = list(work.affordable(new for form in seen for new in each(form, counted)))
    apart += [_flat(form.xreplace(rule)) for form in forms if (rule := _collapsed(form, opened))]
    yield from apart
    yield from (_flat(new) for form in seen if (new := without_squares_of_nought(form, opened)) != form)
    others = [through] if is_short and not is_seen_through else []
    for form in (*seen, *apart, *others):
        yield from each(form, decaying)
    for form in (*seen, *apart, *(others if _short_sums(through) == _of_leaves_under_roots(through) else ())):
        for new in each(form, lambda branch: (*scaled(branch, opened), *in_range(branch))):
            yield _flat(without_squares_of_nought(new, opened))


@lru_cache(maxsize=1024)
def _of_branch(branch: sp.Expr) -> tuple[sp.Expr, ...]:
    return (
        *recombined(branch), *of_one(branch), *of_logarithm(branch), *of_one_part(branch), *rewritten(branch),
        *in_lowest_terms(branch), *in_powers(branch),
    )  # fmt: skip


def _short_sums(form: sp.Expr) -> set[Tensor]:
    """Those that are scaled where they are read; what reads √Σ t² by a name is left to read that, unless t is given."""
    return {element.tensor for element in elements_of(form) if is_short_sum(element)}


def _of_factors(form: sp.Expr) -> sp.Expr:
    """The form with the factors of the products that it reads: a·x − b·(x·y) has a factor, whatever x and y are; what
    has a number before it is put in, since the number belongs to its terms, and may be what keeps them in range."""
    if form.is_Mul and form.args[0].is_number:
        form = _with_bodies(form)
    while (other := _with_bodies(form, sp.Mul, sp.Pow, Element)) != form and operations([other]) <= MOST_OPENED:
        form = other
    return form


def _with_bodies(form: sp.Expr, *kinds: type) -> sp.Expr:
    """The form with the bodies of the pointwise values that it reads, of those of some ``kinds`` if there are any."""
    found = {e: e.tensor.definition for e in elements_of(form) if not e.tensor.is_label}
    rule = {
        e: at_indices(definition.body, e.indices)
        for e, definition in found.items()
        if definition is not None and definition.op is None and (not kinds or isinstance(definition.body, kinds))
    }
    return replaced(form, rule) if rule else form  # type: ignore[return-value]


def _collapsed(form: sp.Expr, opened: Callable[[sp.Expr], sp.Expr]) -> dict[sp.Basic, sp.Expr]:
    """The sums that are no sums with the formulas of what they read: 1 − y, of y = 1 − eᵘ or of y = 1/(1 + eᵘ); in some
    cases at least, as 1 + y of y = eᵘ − 1 where u ≤ 0."""
    found = {total: opened(total) for total in atoms_in(form, sp.Add) if total.args[0].is_number}
    plain = {total: form for total, form in found.items() if not has_nested_exponentials(form)}
    totals = {total: per_branch(form, lambda value, _: _in_one(value)) for total, form in plain.items()}
    return {total: form for total, form in totals.items() if any(not isinstance(v, sp.Add) for v in _values(form))}


def _in_one(value: sp.Expr) -> sp.Expr:
    """A sum with exponentials in lowest terms, and stable; anything else as it is."""
    found = reduced(value) if isinstance(value, sp.Add) and value.has(sp.exp) else None
    return stable(found, lambda argument: argument) if found else value


def _values(form: sp.Expr) -> list[sp.Expr]:
    return [value for value, _ in form.args] if isinstance(form, sp.Piecewise) else [form]


def _flat(form: sp.Expr) -> sp.Expr:
    return per_branch(form, lambda branch, _: branch)


def _of_leaves_under_roots(form: sp.Expr) -> set[Tensor]:
    """The sums of what the caller gives that roots are taken of."""
    bases = sp.Tuple(*(power.base for power in atoms_in(form, sp.Pow) if power.exp.is_Rational and power.exp.q > 1))
    sums = {element.tensor: element.tensor.definition for element in elements_of(bases)}
    return {t for t, definition in sums.items() if definition is not None and runs_along_leaves(definition)}


def parts_of(form: sp.Expr, written: sp.Expr) -> Iterator[sp.Expr]:
    """The first branches of a form alone, with what was written as the rest."""
    for count in range(1, min(len(form.args), MOST_BRANCHES + 1)) if isinstance(form, sp.Piecewise) else ():
        yield _flat(Cases(*form.args[:count], (written, True)))


def joined(chosen: sp.Expr, better: Sequence[sp.Expr], written: sp.Expr) -> list[sp.Expr]:
    """The branches of other forms, which are better somewhere, put together with the chosen one's.

    Each one's but the last, with the chosen form where none of them is taken; the chosen form's, with the other where
    none of its is, or where it is as it was written; and the other where what it reads is of usual size.
    """
    own = _branches(chosen)
    plain = {value for value, _ in _branches(written)}
    of_sums = any(e.tensor.definition is not None and e.tensor.definition.op for e in elements_of(chosen))
    found: list[tuple[sp.Basic, ...]] = []
    for form in better[:MOST_JOINED]:
        other = _branches(form)
        if len(other) > 1:
            found.append((*other[:-1], (chosen, sp.true)))
        if len(own) > 1 and other[-1] != own[-1]:
            found.append((*own[:-1], *other))
        found.append(tuple(Case(form if value in plain else value, condition) for value, condition in own))
        if not of_sums and _is_of_few(other):
            found.append(_of_usual_size(other, chosen))
    new = [_flat(Cases(*branches)) for branches in dict.fromkeys(found)]
    return [form for form in dict.fromkeys(new) if form not in (chosen, *better, written)]


def _is_of_few(branches: tuple[sp.Basic, ...]) -> bool:
    """Whether a form reads few values, and has more than products and sums of them."""
    read = elements_of(sp.Tuple(*branches))
    return len(read) <= MOST_BOUNDED and not all(value.is_polynomial(*read) for value, _ in branches)


def _of_usual_size(branches: tuple[sp.Basic, ...], elsewhere: sp.Expr) -> tuple[sp.Basic, ...]:
    """A form where what it reads is not so large that its cube overflows; a sum may have left the range by itself."""
    bounds = [sp.Abs(element) < USUAL for element in elements_of(sp.Tuple(*branches)) if not element.tensor.is_label]
    return (*(Case(value, sp.And(condition, *bounds)) for value, condition in branches), Case(elsewhere, sp.true))


def _branches(form: sp.Expr) -> tuple[sp.Basic, ...]:
    return form.args if isinstance(form, sp.Piecewise) else (Case(form, sp.true),)


def _each(form: sp.Expr, proposed: Callable[[sp.Expr], Sequence[sp.Expr]]) -> list[sp.Expr]:
    """The form with the first of what is proposed for each of its branches, with the second, …"""
    if sum(len(piece.args) for piece in atoms_in(form, sp.Piecewise)) > MOST_BUSHY:
        return []
    found: dict[sp.Expr, Sequence[sp.Expr]] = {}

    def changed(branch: sp.Expr, number: int) -> sp.Expr:
        if branch.has(Delta):
            selected = selections(branch)
            if not any(part.has(Delta) for _, part in selected):
                total = sp.Add(*(guarded_product(places, changed(part, number)) for places, part in selected))
                return _flat(total)
        if branch not in found:
            found[branch] = _at_all_places(branch, proposed)
        return found[branch][min(number, len(found[branch]) - 1)] if found[branch] else branch

    def whole(number: int) -> sp.Expr:
        return per_branch(form, lambda branch, _: changed(branch, number))

    new = [whole(0)]
    new += [whole(number) for number in range(1, max(map(len, found.values()), default=0))]
    return [other for other in dict.fromkeys(new) if other != form]


def _at_all_places(branch: sp.Expr, proposed: Callable[[sp.Expr], Sequence[sp.Expr]]) -> Sequence[sp.Expr]:
    """What is proposed for a branch, with the δ inside its factors as numbers that are not known."""
    deltas = sorted(atoms_in(branch, Delta), key=sp.default_sort_key)
    if not deltas:
        return proposed(branch)
    names = {delta: sp.Symbol(f"_delta{n}", real=True) for n, delta in enumerate(deltas)}
    shown: dict[sp.Basic, sp.Expr] = {name: delta for delta, name in names.items()}
    return [form.xreplace(shown) for form in proposed(replaced(branch, names))]  # type: ignore[union-attr,arg-type]
