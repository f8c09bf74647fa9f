"""Fold through outputs: express a derivative by values that the forward pass has already computed.

A forward definition y = f is a relation. If it is linear in one of the kernels (or elements) of f, that kernel can be
eliminated: y = 1/(1 + E) gives E = (1 − y)/y, and E/(1 + E)² becomes y·(1 − y). Nothing here knows a function's name.
A folded form counts only if it is cheaper and divides by nothing that the original did not divide by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import sympy as sp

from symgraph.core.cost import cost
from symgraph.core.scalars import sigmoid
from symgraph.simplify.branches import expand_extrema, per_branch
from symgraph.simplify.rational import (
    Kernels,
    cheapest,
    denominator_factors,
    in_lowest_terms,
    irreducible,
    is_manageable,
    preference,
    shapes,
)  # fmt: skip
from symgraph.simplify.selections import joined, parts

MAX_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Relation:
    """``value = formula``: a forward value (a symbol here) and what defines it."""

    value: sp.Symbol
    formula: sp.Expr


@dataclass(frozen=True, slots=True)
class Step:
    """One rewriting that ran: the rule's name, before and after, and the element of the forward value it used."""

    rule: str
    before: sp.Basic
    after: sp.Basic
    through: sp.Expr | None = None


@lru_cache(maxsize=16384)
def simplify(expression: sp.Expr, relations: tuple[Relation, ...] = ()) -> tuple[sp.Expr, tuple[Step, ...]]:
    """The cheapest equal form over the relations' values, and the steps that lead to it."""
    steps: list[Step] = []

    def inside(branch: sp.Expr, resolved: dict[sp.Basic, sp.Expr]) -> sp.Expr:
        here = tuple(Relation(r.value, _in_branch(r.formula, resolved)) for r in relations)
        selections = parts(branch)
        if selections is None:
            return _simplify_branch(branch, here, steps)
        return joined([(deltas, _simplify_branch(rest, here, steps)) for deltas, rest in selections])

    guarded = expand_extrema(expression)
    result = per_branch(guarded, inside)
    return result, tuple(steps)


def _in_branch(formula: sp.Expr, resolved: dict[sp.Basic, sp.Expr]) -> sp.Expr:
    """What a branching formula is in the branch in which the resolved ones are: its piece of the same conditions."""
    formula = expand_extrema(formula)
    pieces = {tuple(c for _, c in piece.args): (piece, value) for piece, value in resolved.items()}
    if not isinstance(formula, sp.Piecewise):
        return formula
    match = pieces.get(tuple(condition for _, condition in formula.args))
    if match is None:
        return formula
    piece, value = match
    number = [branch.expr for branch in piece.args].index(value)
    return formula.args[number].expr


def _simplify_branch(expression: sp.Expr, relations: tuple[Relation, ...], steps: list[Step]) -> sp.Expr:
    best = _record(steps, "cancel and collect", expression, cheapest(expression))
    for _ in range(MAX_ROUNDS if _may_fold(best) else 0):
        found = _cheapest_valid(_candidates(best, relations), cost(best))
        if found is None:
            break
        best = _record(steps, found.rule, best, found.form)
    return best


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A folded form, and whether it may stand for the original: asked of the cheapest only, since it takes long."""

    rule: str
    form: sp.Expr
    is_valid: Callable[[], bool]


def _cheapest_valid(candidates: Iterable[_Candidate], most: float) -> _Candidate | None:
    cheaper = sorted((c for c in candidates if cost(c.form) < most), key=lambda c: preference(c.form))
    return next((candidate for candidate in cheaper if candidate.is_valid()), None)


def _may_fold(expression: sp.Expr) -> bool:
    """Whether there is a function, a root or a quotient that a forward value could stand for."""
    return any(not node.exp.is_Integer or node.exp.is_negative for node in expression.atoms(sp.Pow)) or expression.has(
        sp.Function
    )


def _record(steps: list[Step], rule: str, before: sp.Expr, after: sp.Expr) -> sp.Expr:
    if before != after:
        steps.append(Step(rule, before, after))
    return after


def _candidates(expression: sp.Expr, relations: tuple[Relation, ...]) -> Iterator[_Candidate]:
    for relation in relations:
        formula = relation.formula
        for known in expression.atoms(sigmoid):
            formula = _through(formula, Relation(known, known.rewrite_plain()), keep=known)
        forms = [Relation(relation.value, formula)]
        if formula.has(sp.log):  # y = u − log S also says eʸ = eᵘ/S
            forms.append(Relation(sp.exp(relation.value), sp.exp(sp.expand(formula))))
        for form in forms:
            for candidate, is_valid in eliminate(expression, form):
                yield _Candidate(f"fold through {relation.value}", candidate, is_valid)
    for name, identity in _identities(expression):
        for candidate, is_valid in eliminate(expression, identity):
            yield _Candidate(name, candidate, is_valid)


def _identities(expression: sp.Expr) -> Iterator[tuple[str, Relation]]:
    """Relations that hold by themselves: σ(±u) for every eᵘ at the rational level, and the like."""
    for kernel in Kernels([expression]).kernel_of.values():
        if isinstance(kernel, sp.exp):
            for value in (sigmoid(kernel.args[0]), sigmoid(-kernel.args[0])):
                yield "logistic function", Relation(value, value.rewrite_plain())
        if isinstance(kernel, sp.cosh):
            yield "sinh u / cosh u = tanh u", Relation(sp.tanh(kernel.args[0]), sp.sinh(kernel.args[0]) / kernel)
        if isinstance(kernel, sp.sign):
            yield "|u| = u·sign u", Relation(sp.Abs(kernel.args[0]), kernel.args[0] * kernel)


def _through(formula: sp.Expr, relation: Relation, keep: sp.Expr) -> sp.Expr:
    """A forward formula with the exponential inside ``keep`` = σ(u) eliminated, if that is possible."""
    options = [form for form, _ in eliminate(formula, relation) if form.has(keep)]
    return min(options, key=cost, default=formula)


def eliminate(expression: sp.Expr, relation: Relation) -> Iterator[tuple[sp.Expr, Callable[[], bool]]]:
    """The expression with one kernel of the relation's formula eliminated, in every possible way.

    With each the question whether it divides by nothing that may be 0 where the expression's denominators are not.
    """
    strict = not relation.value.is_Symbol
    kernels = Kernels([expression, relation.value, relation.formula])
    frozen, value = kernels.freeze(expression), kernels.freeze(relation.value)
    formula = kernels.freeze(relation.formula)
    if not (is_manageable(frozen) and is_manageable(formula)):
        return
    equation = sp.numer(sp.together(value - formula))
    shared = formula.free_symbols & frozen.free_symbols - value.free_symbols
    for symbol in sorted(shared, key=lambda s: s.sort_key()):
        substituted = _substitute_solution(frozen, equation, symbol)
        if substituted is None:
            continue
        best = min(shapes(substituted), key=lambda shape: preference(kernels.thaw(shape)))
        yield kernels.thaw(best), partial(_divides_by_nothing_new, best, frozen, value, formula, strict)


def _substitute_solution(frozen: sp.Expr, equation: sp.Expr, symbol: sp.Symbol) -> sp.Expr | None:
    """Solve a polynomial equation linear in some power of the symbol, and put the solution in; None where it is not."""
    if not equation.is_polynomial(symbol):
        return None
    polynomial = sp.Poly(equation, symbol)
    exponents = [power for (power,) in polynomial.monoms()]
    if len(exponents) > 2 or 0 not in exponents or len(exponents) < 2:
        return None
    degree = max(exponents)
    solution = -polynomial.coeff_monomial(1) / polynomial.LC()
    if degree == 1:
        return frozen.subs(symbol, solution)
    fraction = [sp.Poly(part, symbol) for part in sp.fraction(in_lowest_terms(frozen))]
    if any(power % degree for part in fraction for (power,) in part.monoms()):
        return None
    numerator, denominator = (
        sp.Add(*(factor * solution ** (power // degree) for (power,), factor in part.terms())) for part in fraction
    )
    return numerator / denominator


def _divides_by_nothing_new(
    folded: sp.Expr, original: sp.Expr, value: sp.Symbol, formula: sp.Expr, strict: bool
) -> bool:
    """Whether no denominator of the folded form can be 0 where the original's is not; strictly: none has the value."""
    allowed = set(denominator_factors(original))
    for factor in denominator_factors(folded):
        if factor in allowed or (factor.is_positive and not strict):
            continue
        if strict and factor.has(value):
            return False
        numerator = sp.numer(sp.together(factor.subs(value, formula)))
        if numerator.is_positive:
            continue
        if not numerator.is_polynomial():
            return False
        for part, _ in irreducible(numerator)[1]:
            if part not in allowed and -part not in allowed and not part.is_positive:
                return False
    return True
