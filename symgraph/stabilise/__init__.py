"""Stabilisation: the same values by formulas that are right in floating point. It comes after all simplification.

    Σ_k exp(z_k) = exp(m)·Σ_k exp(z_k − m),  m = max_k z_k     so that     exp(z)/S = exp(z − m)/S′,  log S = m + log S′
    log(1/(1 + e⁻ᵃ)) = −softplus(−a)          eᵘ/(1 + eᵘ) = σ(u)          log(1 + u) = log1p(u)

Nothing here names a layer: exponentials are found by algebra. A rewriting that needs a positive factor proves it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from symgraph.bounds import stays_inside
from symgraph.canonical import canonical, inlined
from symgraph.graph import elements_of, rewrite
from symgraph.indices import Index, axis, bound
from symgraph.scalars import sigmoid
from symgraph.simplify.branches import per_branch
from symgraph.stabilise.scalar import stable, with_one_exponential
from symgraph.tensor import Definition, Element, Tensor

MAX_INLINED = 3


def stabilise(outputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs by stable formulas, temporaries merged."""
    forms = canonical(outputs)
    roots = [forms[output] for output in outputs]
    replaced = rewrite(roots, _Rewriter().change)
    return [replaced[root] for root in roots]


@dataclass(frozen=True, slots=True)
class _Shift:
    """What a sum of exponentials Σ exp(u) becomes: m = max u, d = u − m, S′ = Σ exp(d)."""

    largest: Tensor
    gap: Tensor
    scaled: Tensor


class _Rewriter:
    def __init__(self) -> None:
        self.shifted: dict[Tensor, _Shift] = {}
        self.shift_of: dict[Tensor, _Shift] = {}
        self.positive: set[Tensor] = set()
        self.extents: dict[Index, sp.Expr] = {}

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """The stable form of one definition over stable operands."""
        self.extents = {axis(d): size for d, size in enumerate(tensor.shape)}
        self.extents |= {bound(d): size for d, size in enumerate(definition.extents)}
        body = per_branch(definition.body, lambda branch, _: self._stable_branch(branch))
        if definition.op is None and isinstance(body, Element) and body.is_all_of(tensor.shape):
            return body.tensor  # a cotangent that is another tensor, under a name of its own
        new = tensor.redefined(Definition(definition.op, definition.extents, body))
        if self._is_positive(body) and definition.op in (None, "sum", "max", "min"):
            self.positive.add(new)
        if definition.op == "sum":
            self._shift(new, Definition("sum", definition.extents, body))
        return new

    def _stable_branch(self, body: sp.Expr) -> sp.Expr:
        rescaled = self._rescaled(body)
        names: dict[Element, sp.Symbol] = {}

        def hidden(expression: sp.Expr) -> sp.Expr:
            for element in elements_of(expression):
                if not element.tensor.is_label:
                    positive = True if element.tensor in self.positive else None
                    names.setdefault(element, sp.Symbol(f"e{len(names)}", real=True, positive=positive))
            return expression.xreplace(names)

        def shown(expression: sp.Expr) -> sp.Expr:
            return expression.xreplace({symbol: element for element, symbol in names.items()})

        return shown(stable(hidden(rescaled), lambda w: hidden(self._opened(shown(w)))))

    def _shift(self, tensor: Tensor, definition: Definition) -> None:
        """Remember S = exp(m)·S′ for a sum whose terms have an exponential factor that varies along it."""
        over = {bound(d) for d in range(len(definition.extents))}
        body = definition.body.xreplace(
            {e: inlined(e) for e in elements_of(definition.body) if _is_exponential(e.tensor)}
        )
        exponents = [
            factor.args[0]
            for factor in sp.Mul.make_args(body)
            if isinstance(factor, sp.exp) and factor.free_symbols & over
        ]
        if len(exponents) != 1 or _is_gap(exponents[0]):
            return
        if not exponents[0].atoms(Index) >= {axis(d) for d in range(tensor.ndim)}:
            return
        largest = Tensor.define(tensor.shape, exponents[0], "max", definition.extents)
        along = {bound(d): axis(tensor.ndim + d) for d in range(len(definition.extents))}
        gap = Tensor.define(tensor.shape + definition.extents, exponents[0].xreplace(along) - largest.element)
        gap.kept = True
        at = [*(axis(d) for d in range(tensor.ndim)), *along]
        term = body / sp.exp(exponents[0]) * sp.exp(Element(gap, *at))
        scaled = Tensor.define(tensor.shape, term, "sum", definition.extents)
        self.shifted[tensor] = shift = _Shift(largest, gap, scaled)
        self.shift_of[largest] = shift
        if tensor in self.positive:
            self.positive.add(scaled)

    def _rescaled(self, body: sp.Expr) -> sp.Expr:
        """The body with S as exp(m)·S′ where every exp(m) cancels against another exponential."""
        if not any(self._reads_sum(element.tensor) for element in elements_of(body)):
            return body
        opened = self._opened(body)
        for form in (opened, with_one_exponential(sp.expand_mul(opened))):
            if not any(e.tensor in self.shift_of for kernel in form.atoms(sp.exp) for e in _single(kernel.args[0])):
                return form
        return body

    def _reads_sum(self, tensor: Tensor) -> bool:
        """Whether a tensor is a sum of exponentials, or a pointwise definition that reads one."""
        definition = tensor.definition
        if tensor in self.shifted:
            return True
        if definition is None or definition.op is not None:
            return False
        return any(element.tensor in self.shifted for element in elements_of(definition.body))

    def _opened(self, expression: sp.Expr) -> sp.Expr:
        """The expression with elements of exponential definitions replaced by these, and S by exp(m)·S′."""
        for _ in range(MAX_INLINED):
            rule: dict[Element, sp.Expr] = {}
            for element in elements_of(expression):
                if element.tensor in self.shifted:
                    shift = self.shifted[element.tensor]
                    rule[element] = sp.exp(_at(shift.largest, element)) * _at(shift.scaled, element)
                elif self._opens(element.tensor):
                    rule[element] = inlined(element)
            if not rule:
                break
            expression = expression.xreplace(rule)
        expression = with_one_exponential(expression)
        return expression.xreplace({kernel: self._of_gap(kernel) for kernel in expression.atoms(sp.exp)})

    def _of_gap(self, kernel: sp.Expr) -> sp.Expr:
        """exp(u − m) as exp(d) of the definition d = u − m, which rounds once."""
        exponent = kernel.args[0]
        for m in elements_of(exponent):
            shift = self.shift_of.get(m.tensor)
            if shift is None:
                continue
            for candidate in _reading_alike(exponent, shift.gap, m):
                if stays_inside(candidate, self.extents) and sp.expand(inlined(candidate) - exponent) == 0:
                    return sp.exp(candidate)
        return kernel

    def _opens(self, tensor: Tensor) -> bool:
        """Whether a pointwise definition is replaced by its formula: an exponential or a sum of them, no branches."""
        definition = tensor.definition
        if definition is None or definition.op is not None or definition.body.has(sp.Piecewise, sp.Max, sp.Min):
            return False
        return self._reads_sum(tensor) or (tensor.cotangent_of is None and definition.body.has(sp.exp, sigmoid))

    def _is_positive(self, body: sp.Expr) -> bool:
        rule = {e: sp.Dummy(positive=True) for e in elements_of(body) if e.tensor in self.positive}
        return bool(body.xreplace(rule).is_positive)


def _single(exponent: sp.Expr) -> tuple[Element, ...]:
    """The elements of an exponent that is a multiple of one: exp(−m), left over, as against exp(u − m)."""
    return () if isinstance(exponent, sp.Add) else elements_of(exponent)


def _is_exponential(tensor: Tensor) -> bool:
    """A pointwise product with an exponential that nothing bounds, such as e = exp(z)."""
    definition = tensor.definition
    if definition is None or definition.op is not None:
        return False
    exponents = [f.args[0] for f in sp.Mul.make_args(definition.body) if isinstance(f, sp.exp)]
    return bool(exponents) and not any(_is_gap(exponent) for exponent in exponents)


def _is_gap(exponent: sp.Expr) -> bool:
    """Whether an exponent is d = u − max u already, so that the largest term of its sum is 1."""
    definition = exponent.tensor.definition if isinstance(exponent, Element) else None
    if definition is None or definition.op is not None:
        return False
    gap = inlined(exponent)
    return any(
        m.tensor.definition is not None
        and m.tensor.definition.op == "max"
        and gap + m == m.tensor.definition.body.xreplace({axis(d): index for d, index in enumerate(m.indices)})
        for m in elements_of(gap)
    )


def _at(tensor: Tensor, element: Element) -> Element:
    return Element(tensor, *element.indices)


def _reading_alike(exponent: sp.Expr, gap: Tensor, m: Element) -> Iterator[Element]:
    """Elements of ``gap`` at the indices of ``m`` and, along the sum, at the indices at which the exponent reads."""
    assert gap.definition is not None
    along = [axis(d) for d in range(m.tensor.ndim, gap.ndim)]
    for read in elements_of(gap.definition.body):
        for other in elements_of(exponent):
            if other.tensor is read.tensor:
                at = {i: v for i, v in zip(read.indices, other.indices, strict=True) if isinstance(i, Index)}
                if all(index in at for index in along):
                    yield Element(gap, *m.indices, *(at[index] for index in along))
