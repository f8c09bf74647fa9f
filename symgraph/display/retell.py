"""A formula as a paper would print it: over fewer values, as a sum of fractions, where that is shorter.

(1 − v1²)/(σ2·v1) with v1 = σ2/σ1   →   σ1/σ2² − 1/σ1          (μ − x − |σ|)·(x − μ − |σ|)/σ³   →   1/σ − (x − μ)²/σ³

In: a tensor. Out: equal tensors, of which the printer takes the shortest. Nothing is computed by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.reading import name_of
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices
from symgraph.derive.relations import placed

MOST = 40
"""Operations of a formula that is told in another way."""
MOST_FACTORS = 4
"""Sums in it, and its largest power: what is multiplied out stays small."""


def retold(tensor: Tensor, values: Iterable[Tensor] = ()) -> Iterator[Tensor]:
    """The tensor by equal formulas, without branches, since these are guarded: a sum that is, or begins with, one of
    the named ``values`` is that value, and what one of them is the root of is its square; quotients are fractions."""
    definition = tensor.definition
    if definition is None or definition.op not in (None, "sum"):
        return
    named = [value for value in values if name_of(value) is not None and _is_pointwise(value)]
    roots = {root: value for value in named if (root := _under_root(value)) is not None}
    sums = {e: _shortest(e, named) for e in elements_of(definition.body) if _is_sum(e, roots)}
    for whole in (False, True):
        names: dict[sp.Basic, sp.Expr] = {}
        if definition.op == "sum":  # the chain of a network keeps its lines
            names = {e: sp.Dummy(real=True) for e in elements_of(definition.body) if e.tensor.cotangent_of is not None}
        body = _opened(definition.body.xreplace(sums), names, whole, roots)
        if body is None:
            continue
        told = body
        for element, total in _named_sums(named if body.has(sp.Add) else (), names):
            told = _folded(told, names.setdefault(element, sp.Dummy(real=True)), total)
        if _is_rational(body):
            told = _fractions(_cancelled(_without_signs(told)) if whole else _without_signs(told))
        elif told == body and all(element == told for element, told in sums.items()):
            continue
        for part, dummy in reversed(names.items()):
            told = told.xreplace({dummy: part}) if dummy.is_Symbol else told
        yield tensor.redefined(Definition(definition.op, definition.extents, told))


def _is_sum(element: Element, roots: Mapping[Tensor, Tensor]) -> bool:
    """Whether it is of a sum that is written where it is read."""
    value = element.tensor
    definition = value.definition
    if definition is None or definition.op != "sum" or value in roots:
        return False
    return name_of(value) is None and value.cotangent_of is None


def _shortest(element: Element, named: list[Tensor]) -> sp.Expr:
    """Of the forms of a sum that one with fewest operations, a number before it."""
    forms = [form.definition for form in retold(element.tensor, named) if form.definition is not None]
    if not forms:
        return element
    best = min(forms, key=lambda definition: operations([definition.body]))
    number, body = best.body.as_coeff_Mul()
    return number * Element(element.tensor.redefined(Definition("sum", best.extents, body)), *element.indices)


def _is_pointwise(value: Tensor) -> bool:
    return value.definition is not None and value.definition.op is None


def _under_root(value: Tensor) -> Tensor | None:
    """What a value is the root of, all of it at its own indices."""
    definition = value.definition
    assert definition is not None
    base, exponent = definition.body.as_base_exp()
    is_root = exponent == sp.S.Half and isinstance(base, Element) and base.is_all_of(value.shape)
    return base.tensor if is_root else None


def _opened(
    body: sp.Expr, names: dict[sp.Basic, sp.Expr], whole: bool, roots: Mapping[Tensor, Tensor], through: bool = False,
    depth: int = 8,
) -> sp.Expr | None:
    """The body over symbols: pointwise values without a name, or all of them where it goes ``through`` names too, by
    their formulas, whose sums stay together unless ``whole``."""
    rule: dict[sp.Basic, sp.Expr] = {}
    for element in elements_of(body):
        inner = element.tensor.definition
        if element.tensor in roots:
            root = Element(roots[element.tensor], *element.indices)
            rule[element] = names.setdefault(root, sp.Dummy(real=True)) ** 2
            continue
        if element in names or inner is None or inner.op is not None or (name_of(element.tensor) and not through):
            rule[element] = names.setdefault(element, sp.Dummy(real=True))
            continue
        if depth == 0 or operations([inner.body]) > MOST:
            return None
        opened = _opened(at_indices(inner.body, element.indices), names, whole, roots, through, depth - 1)
        if opened is None:
            return None
        if not whole:
            sums = {part: names.setdefault(part, sp.Dummy(real=True)) for part in opened.atoms(sp.Add)}
            opened = opened.xreplace(sums)
        rule[element] = opened
    found = body.xreplace(rule)
    return found if operations([found]) <= MOST and _is_plain(found) else None


def _named_sums(values: Iterable[Tensor], names: dict[sp.Basic, sp.Expr]) -> Iterator[tuple[Element, sp.Expr]]:
    """Elements of named values that are sums of what has a symbol, and the sums over the same symbols."""
    present = [part for part in names if isinstance(part, Element)]
    for value, through in product(values, (False, True)):
        own: dict[sp.Basic, sp.Expr] = {}
        body = value.definition.body if value.definition else sp.S.Zero
        total = _opened(body, own, True, {}, through)
        if not isinstance(total, sp.Add) or any(power.exp.is_negative for power in total.atoms(sp.Pow)):
            continue
        reads = sp.Tuple(*(part for part in own if isinstance(part, Element)))
        for element in placed(value, reads, present):
            at = {dummy: names.get(at_indices(part, element.indices)) for part, dummy in own.items()}
            if None not in at.values():
                yield element, total.xreplace(at)


def _folded(body: sp.Expr, symbol: sp.Dummy, total: sp.Expr) -> sp.Expr:
    """The body with each sum that is ``total``, or its negative, and terms beside it, as the symbol and these."""
    if not total.free_symbols <= body.free_symbols:
        return body
    wanted = _multiplied_out(total)
    rule: dict[sp.Expr, sp.Expr] = {}
    for part in body.atoms(sp.Add):
        written = _multiplied_out(part)
        for sign in (1, -1):
            rest = _multiplied_out(written - sign * wanted)
            if len(_terms(rest)) == len(_terms(written)) - len(_terms(wanted)):
                rule[part] = sign * symbol + rest
                break
    return body.xreplace(rule)


def _terms(total: sp.Expr) -> tuple[sp.Expr, ...]:
    return () if total == 0 else sp.Add.make_args(total)


def _multiplied_out(body: sp.Expr) -> sp.Expr:
    """Products of sums as sums; functions are not taken apart."""
    return sp.expand(body, func=False, log=False, power_base=False, power_exp=False, trig=False)


def _is_plain(body: sp.Expr) -> bool:
    """Whether it has functions without branches alone."""
    allowed = (*_RATIONAL, sp.exp, sp.log, sp.sin, sp.cos, sp.tanh)
    return all(isinstance(node, allowed) for node in sp.preorder_traversal(body))


_RATIONAL = (sp.Add, sp.Mul, sp.Pow, sp.Abs, sp.sign, sp.Number, sp.Symbol)


def _is_rational(body: sp.Expr) -> bool:
    powers = all(power.exp.is_Integer and abs(power.exp) <= MOST_FACTORS for power in body.atoms(sp.Pow))
    return (
        powers
        and len(body.atoms(sp.Add)) <= MOST_FACTORS
        and all(isinstance(node, _RATIONAL) for node in sp.preorder_traversal(body))
    )


def _without_signs(body: sp.Expr) -> sp.Expr:
    """sign(u) as |u|/u where the formula divides by |u| already, so that u = 0 is excluded."""
    divided = {power.base for power in body.atoms(sp.Pow) if power.exp.is_negative}
    return body.xreplace({s: abs(s.args[0]) / s.args[0] for s in body.atoms(sp.sign) if abs(s.args[0]) in divided})


def _cancelled(body: sp.Expr) -> sp.Expr:
    """Fractions in denominators multiplied out: z²/(ν·(z²/ν + 1)) is z²/(z² + ν)."""
    below = [power.base for power in body.atoms(sp.Pow) if power.exp.is_negative and isinstance(power.base, sp.Add)]
    nested = any(power.exp.is_negative for base in below for power in base.atoms(sp.Pow))
    return sp.factor(sp.cancel(body)) if nested else body


def _fractions(body: sp.Expr) -> sp.Expr:
    """A sum of fractions, one for each denominator, numerators factored."""
    groups: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(body)):
        numerator, denominator = sp.fraction(term)
        constant, denominator = denominator.as_coeff_Mul()
        groups[denominator] = groups.get(denominator, sp.S.Zero) + numerator / constant
    return sp.Add(*(sp.factor(numerator) / denominator for denominator, numerator in groups.items()))
