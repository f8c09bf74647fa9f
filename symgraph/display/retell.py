"""A formula as a paper would print it: over fewer values, as a sum of fractions, where that is shorter.

(1 − v1²)/(σ2·v1) with v1 = σ2/σ1   →   σ1/σ2² − 1/σ1          (μ − x − |σ|)·(x − μ − |σ|)/σ³   →   1/σ − (x − μ)²/σ³

In: a tensor. Out: equal tensors, of which the printer takes the shortest. Nothing is computed by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.reading import name_of
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices

MOST = 40
"""Operations of a formula that is told in another way."""
MOST_FACTORS = 4
"""Sums in it, and its largest power: what is multiplied out stays small."""


def retold(tensor: Tensor, values: Iterable[Tensor] = ()) -> Iterator[Tensor]:
    """The tensor by equal formulas: rational functions of real values alone, since others are guarded or costly; a sum
    that is one of the named ``values`` is that value."""
    definition = tensor.definition
    if definition is None or definition.op is not None:
        return
    for whole in (False, True):
        names: dict[sp.Basic, sp.Dummy] = {}
        body = _opened(definition.body, names, whole)
        if body is None:
            continue
        for element, total in _named_sums(values if body.has(sp.Add) else (), names, tensor):
            body = _folded(body, names.setdefault(element, sp.Dummy(real=True)), total)
        told = _fractions(_without_signs(body))
        for part, dummy in reversed(names.items()):
            told = told.xreplace({dummy: part})
        yield tensor.redefined(Definition(None, (), told))


def _opened(body: sp.Expr, names: dict[sp.Basic, sp.Dummy], whole: bool, depth: int = 8) -> sp.Expr | None:
    """The body over symbols: unnamed pointwise values by their formulas, whose sums stay together unless ``whole``."""
    rule: dict[sp.Basic, sp.Expr] = {}
    for element in elements_of(body):
        inner = element.tensor.definition
        if inner is None or inner.op is not None or name_of(element.tensor) is not None:
            rule[element] = names.setdefault(element, sp.Dummy(real=True))
            continue
        if depth == 0 or operations([inner.body]) > MOST:
            return None
        opened = _opened(at_indices(inner.body, element.indices), names, whole, depth - 1)
        if opened is None:
            return None
        if not whole:
            sums = {part: names.setdefault(part, sp.Dummy(real=True)) for part in opened.atoms(sp.Add)}
            opened = opened.xreplace(sums)
        rule[element] = opened
    found = body.xreplace(rule)
    return found if operations([found]) <= MOST and _is_rational(found) else None


def _named_sums(
    values: Iterable[Tensor], names: dict[sp.Basic, sp.Dummy], reader: Tensor
) -> Iterator[tuple[Element, sp.Expr]]:
    """Elements of named values that are sums, at the reader's own indices, and the sums over the same symbols."""
    for value in values:
        definition = value.definition
        if definition is None or definition.op is not None or name_of(value) is None or value.shape != reader.shape:
            continue
        total = _opened(definition.body, names, True)
        if total is not None and isinstance(total, sp.Add) and total.is_polynomial():
            yield value.element, total


def _folded(body: sp.Expr, symbol: sp.Dummy, total: sp.Expr) -> sp.Expr:
    """The body with each sum that equals ``total``, or its negative, as the symbol."""
    if not total.free_symbols <= body.free_symbols:
        return body
    wanted = sp.expand(total)
    rule: dict[sp.Expr, sp.Expr] = {}
    for part in body.atoms(sp.Add):
        written = sp.expand(part)
        if written in (wanted, sp.expand(-wanted)):
            rule[part] = symbol if written == wanted else -symbol
    return body.xreplace(rule)


def _is_rational(body: sp.Expr) -> bool:
    allowed = (sp.Add, sp.Mul, sp.Pow, sp.Abs, sp.sign, sp.Number, sp.Symbol)
    powers = all(power.exp.is_Integer and abs(power.exp) <= MOST_FACTORS for power in body.atoms(sp.Pow))
    return (
        powers
        and len(body.atoms(sp.Add)) <= MOST_FACTORS
        and all(isinstance(node, allowed) for node in sp.preorder_traversal(body))
    )


def _without_signs(body: sp.Expr) -> sp.Expr:
    """sign(u) as |u|/u where the formula divides by |u| already, so that u = 0 is excluded."""
    divided = {power.base for power in body.atoms(sp.Pow) if power.exp.is_negative}
    return body.xreplace({s: abs(s.args[0]) / s.args[0] for s in body.atoms(sp.sign) if abs(s.args[0]) in divided})


def _fractions(body: sp.Expr) -> sp.Expr:
    """A sum of fractions, one for each denominator, numerators factored."""
    groups: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(body)):
        numerator, denominator = sp.fraction(term)
        constant, denominator = denominator.as_coeff_Mul()
        groups[denominator] = groups.get(denominator, sp.S.Zero) + numerator / constant
    return sp.Add(*(sp.factor(numerator) / denominator for denominator, numerator in groups.items()))
