"""Fold through outputs: express a derivative by values that the forward pass has already computed.

A forward definition y = f is a relation. If it is linear in one of the kernels (or elements) of f, that kernel can be
eliminated: y = 1/(1 + E) gives E = (1 − y)/y, and E/(1 + E)² becomes y·(1 − y). Nothing here knows a function's name.
A folded form counts only if it is cheaper and divides by nothing that the original did not divide by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

import sympy as sp

from symgraph.core.cases import conditions
from symgraph.core.cost import ADD, cost, multiplied_out
from symgraph.core.indices import Index
from symgraph.core.scalars import sigmoid
from symgraph.simplify.branches import expand_extrema, per_branch
from symgraph.simplify.polynomials import Field, OutOfWorkError, Polynomial, Quotient, Work, expression_of, written
from symgraph.simplify.rational import PROBLEM, Kernels, cheapest, preference, shapes
from symgraph.simplify.selections import joined, parts
from symgraph.simplify.whole_sums import opened, sum_of, whole_sums

MAX_ROUNDS = 4
MOST_ADDED = 2
"""The number that is added to a value which is told from the sum: two bits of it are lost."""

LEFT = "left as the chain rule gave it"
"""The rule of a step after which there might be a simpler form, too long to look for."""


@dataclass(frozen=True, slots=True)
class Relation:
    """``value = formula``: a forward value (a symbol here) and what defines it."""

    value: sp.Symbol
    formula: sp.Expr


Formulas = tuple[sp.Basic, sp.Basic]


class Step:
    """One rewriting that ran: the rule's name, before and after, and the element of the forward value it used.

    Before and after may be given by what makes them when somebody reads them.
    """

    __slots__ = ("_formulas", "rule", "through")

    def __init__(self, rule: str, formulas: Formulas | Callable[[], Formulas], through: sp.Expr | None = None) -> None:
        self.rule, self._formulas, self.through = rule, formulas, through

    @property
    def formulas(self) -> Formulas:
        """Before and after."""
        if not isinstance(self._formulas, tuple):
            self._formulas = self._formulas()
        return self._formulas

    @property
    def before(self) -> sp.Basic:
        """What was rewritten."""
        return self.formulas[0]

    @property
    def after(self) -> sp.Basic:
        """What it became."""
        return self.formulas[1]


class Trace(tuple[Step, ...]):
    """The steps of one simplification, and the work that it took."""

    work: float = 0.0


@lru_cache(maxsize=16384)
def simplify(expression: sp.Expr, relations: tuple[Relation, ...] = ()) -> tuple[sp.Expr, Trace]:
    """The cheapest equal form over the relations' values, and the steps that lead to it.

    What is not found with ``PROBLEM`` of work stays as it is, and the last step says so: its rule is ``LEFT``.
    """
    rule = whole_sums([expression, *(part for r in relations for part in (r.value, r.formula))])
    if not rule:
        return _simplify(expression, relations)
    back = sum_of(rule)
    found, steps = _simplify(
        expression.xreplace(rule), tuple(Relation(r.value, r.formula.xreplace(rule)) for r in relations)
    )
    trace = Trace(Step(s.rule, partial(_replaced, s, back), s.through) for s in steps)
    trace.work = steps.work
    return opened(found, back), trace


def _replaced(step: Step, rule: dict[sp.Symbol, sp.Expr]) -> Formulas:
    return opened(step.before, rule), opened(step.after, rule)


def _simplify(expression: sp.Expr, relations: tuple[Relation, ...]) -> tuple[sp.Expr, Trace]:
    steps: list[Step] = []
    work = Work(PROBLEM)

    def inside(branch: sp.Expr, resolved: dict[sp.Basic, sp.Expr]) -> sp.Expr:
        at_places = any(condition.has(Index) for piece in resolved for condition in conditions(piece))
        known = [r for r in relations if _is_inside(r, branch, expression)] if at_places else relations
        here = tuple(Relation(r.value, _in_branch(r.formula, resolved)) for r in known)
        selections = parts(branch)
        if selections is None:
            return _simplify_branch(branch, here, steps, work)
        return joined([(deltas, _simplify_branch(rest, here, steps, work)) for deltas, rest in selections])

    guarded = expand_extrema(expression)
    result = per_branch(guarded, inside)
    if work.left:
        steps.append(Step(LEFT, (result, result)))
    trace = Trace(steps)
    trace.work = work.done
    return result, trace


def _is_inside(relation: Relation, branch: sp.Expr, expression: sp.Expr) -> bool:
    """Whether a value may be read in a branch over places: y[i − 1], of what is there where i ≥ 1, has no place −1."""
    everywhere, here = expression.free_symbols, branch.free_symbols
    if relation.value in everywhere:
        return relation.value in here
    return bool(relation.formula.free_symbols & everywhere <= here)


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


def _simplify_branch(expression: sp.Expr, relations: tuple[Relation, ...], steps: list[Step], work: Work) -> sp.Expr:
    best = _record(steps, "cancel and collect", expression, cheapest(expression, work))
    for _ in range(MAX_ROUNDS if may_fold(best) and not work.left else 0):
        found = _cheapest_valid(work.affordable(_candidates(best, relations, work)), cost(best))
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
    return next((candidate for candidate in cheaper if _is_proved(candidate)), None)


def _is_proved(candidate: _Candidate) -> bool:
    try:
        return candidate.is_valid()
    except OutOfWorkError:
        return False


def may_fold(expression: sp.Expr) -> bool:
    """Whether there is a function, a root or a quotient that a forward value could stand for."""
    return any(not node.exp.is_Integer or node.exp.is_negative for node in expression.atoms(sp.Pow)) or expression.has(
        sp.Function
    )


def _record(steps: list[Step], rule: str, before: sp.Expr, after: sp.Expr) -> sp.Expr:
    if before != after:
        steps.append(Step(rule, (before, after)))
    return after


def _candidates(expression: sp.Expr, relations: tuple[Relation, ...], work: Work) -> Iterator[_Candidate]:
    most = cost(expression)
    for relation in relations:
        formula = relation.formula
        for known in expression.atoms(sigmoid):
            formula = _through(formula, Relation(known, known.rewrite_plain()), keep=known, work=work)
        forms = [Relation(relation.value, formula)]
        if formula.has(sp.log):  # y = u − log S also says eʸ = eᵘ/S
            forms.append(Relation(sp.exp(relation.value), sp.exp(multiplied_out(formula))))
        for form in forms:
            for candidate, is_valid in eliminate(expression, form, work, most):
                yield _Candidate(f"fold through {relation.value}", candidate, is_valid)
    for name, identity in _identities(expression):
        for candidate, is_valid in eliminate(expression, identity, work, most):
            yield _Candidate(name, candidate, is_valid)


def _identities(expression: sp.Expr) -> Iterator[tuple[str, Relation]]:
    """Relations that hold by themselves: σ(±u) for every eᵘ at the rational level, and the like."""
    for kernel in Kernels([expression]).kernel_of.values():
        if isinstance(kernel, sp.exp):
            for value in (sigmoid(kernel.args[0]), sigmoid(-kernel.args[0])):
                yield "logistic function", Relation(value, value.rewrite_plain())
        if isinstance(kernel, sp.cosh):
            yield "sinh u / cosh u = tanh u", Relation(sp.tanh(kernel.args[0]), sp.sinh(kernel.args[0]) / kernel)
        if isinstance(kernel, sp.sign) and isinstance(size := sp.Abs(kernel.args[0]), sp.Abs):
            yield "|u| = u·sign u", Relation(size, kernel.args[0] * kernel)  # k = k·sign k, of an index, divides by 0


def _through(formula: sp.Expr, relation: Relation, keep: sp.Expr, work: Work) -> sp.Expr:
    """A forward formula with the exponential inside ``keep`` = σ(u) eliminated, if that is possible."""
    options = [form for form, _ in eliminate(formula, relation, work) if form.has(keep)]
    return min(options, key=cost, default=formula)


def eliminate(
    expression: sp.Expr, relation: Relation, work: Work, most: float = float("inf")
) -> Iterator[tuple[sp.Expr, Callable[[], bool]]]:
    """The expression with one kernel of the relation's formula eliminated, in all ways that may cost below ``most``.

    With each the question whether it divides by nothing that may be 0 where the expression's denominators are not.
    """
    strict = not relation.value.is_Symbol
    kernels = Kernels([expression, relation.value, relation.formula])
    frozen, value = kernels.freeze(expression), kernels.freeze(relation.value)
    formula = kernels.freeze(relation.formula)
    shared = formula.free_symbols & frozen.free_symbols - value.free_symbols
    if not shared:
        return
    field = Field([frozen, value, formula], work)
    equation = field.above(field.quotient(value - formula))
    for symbol in sorted(shared, key=lambda s: s.sort_key()):
        solved = _solution(equation, symbol, field)
        if solved is None:
            continue
        substituted = _substituted(field.quotient(frozen), symbol, *solved, field)
        if substituted is None or _least(substituted, kernels, field) >= most:
            continue
        degree, solution = solved
        given = frozen.xreplace({symbol: written(solution)}) if degree == 1 else written(substituted)
        best = min(shapes(given, substituted, field), key=lambda shape: preference(kernels.thaw(shape)))
        if _recovers_a_term(best, value, formula) or _recovers_a_power(best, kernels.thaw(symbol), formula, field):
            continue
        yield kernels.thaw(best), partial(_divides_by_nothing_new, best, frozen, value, formula, strict, field)


def _recovers_a_term(folded: sp.Expr, value: sp.Expr, formula: sp.Expr) -> bool:
    """Whether a varying term of a forward sum is found again from its total, r + v for f where r = f − v: all digits
    are lost where the term is small beside the others, as those of σ are in σ − 100, whatever is made of it; the
    number of y = eᵘ − 1 is as large as the term is, and y + 1 what one writes."""
    if not isinstance(formula, sp.Add):
        return False
    if abs(formula.as_coeff_Add()[0]) > MOST_ADDED and folded.has(value):
        return True
    rest = [term for term in formula.args if not term.is_number]
    return any(
        (coefficient := total.coeff(value)) != 0 and any(-coefficient * term in total.args for term in rest)
        for total in folded.atoms(sp.Add)
    )


def _recovers_a_power(folded: sp.Expr, kernel: sp.Expr, formula: sp.Expr, field: Field) -> bool:
    """Whether eᵘ is found again as y·S, of y = eᵘ/S, by the sum S that y has been divided by: both overflow, where eᵘ
    over another sum, which stands beside it, does not."""
    if not isinstance(kernel, sp.exp):
        return False
    below = {factor for factor in field.divisors(formula) if not expression_of(factor).is_number}
    above = field.quotient(folded)
    return any(above.powers.get(factor, 0) > 0 or _in_terms(above, factor, field) for factor in below)


def _in_terms(quotient: Quotient, factor: Polynomial, field: Field) -> bool:
    """Whether a symbol stands in a sum of the numerator."""
    symbol = expression_of(factor)
    return symbol.is_Symbol and any(field.has(one, symbol) for one, power in quotient.powers.items() if power > 0)


def _least(quotient: Quotient, kernels: Kernels, field: Field) -> float:
    """What any form of a quotient costs at least: its symbols are read, and joined by operations."""
    symbols = [symbol for symbol in field.symbols if any(field.has(factor, symbol) for factor in quotient.powers)]
    return cost(sp.Tuple(*map(kernels.thaw, symbols))) + ADD * (len(symbols) - 1)


def _solution(equation: Polynomial, symbol: sp.Symbol, field: Field) -> tuple[int, Quotient] | None:
    """The degree of an equation c·symbolᵈ + b = 0 and −b/c, if it is one."""
    parts = field.by_power(equation, symbol)
    if len(parts) != 2 or 0 not in parts:
        return None
    degree = max(parts)
    return degree, Quotient(Fraction(-1), {}) * field.factored(parts[0]) * field.factored(parts[degree]) ** -1


def _substituted(
    quotient: Quotient, symbol: sp.Symbol, degree: int, solution: Quotient, field: Field
) -> Quotient | None:
    """A quotient with symbolᵈ = solution put in; None where it has other powers of the symbol than those of its dᵗʰ."""
    result, parts = Quotient(quotient.number, {}), []
    for factor, power in quotient.powers.items():
        if not field.has(factor, symbol):
            result = result * Quotient(Fraction(1), {factor: power})
        elif degree == 1:
            parts.append((factor, power))
    if degree > 1:  # K² − 1 has K² alone, though its factors do not
        having = Quotient(Fraction(1), {f: p for f, p in quotient.powers.items() if field.has(f, symbol)})
        parts = [(field.above(having), 1), (field.below(having), -1)]
    for part, power in parts:
        terms = []
        for exponent, coefficient in field.by_power(part, symbol).items():
            if exponent % degree:
                return None
            terms.append(field.factored(coefficient) * solution ** (exponent // degree))
        result = result * field.total(terms) ** power
    return result


def _divides_by_nothing_new(
    folded: sp.Expr, original: sp.Expr, value: sp.Expr, formula: sp.Expr, strict: bool, field: Field
) -> bool:
    """Whether no denominator of the folded form can be 0 where the original's is not; strictly: none has the value."""
    allowed = field.divisors(original)
    for factor in field.divisors(folded) - allowed:
        expression = expression_of(factor)
        if expression.is_positive and not strict:
            continue
        if strict and expression.has(value):
            return False
        inside = field.quotient(expression.subs(value, formula))
        parts = [part for part, power in inside.powers.items() if power > 0]
        if not all(part in allowed or expression_of(part).is_positive for part in parts):
            return False
    return True
