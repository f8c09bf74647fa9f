"""The parts of a body that depend on one value alone, and what they become where they lose digits as they are.

A body g[n]·(cos(x[n]) − y[n])/x[n] with y = sin(x)/x has such a part, of x. It is looked at with y as what y is in
terms of x; the values it reads stay as they are in what it becomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import Written, log1p
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import at_indices
from symgraph.errors import DomainError
from symgraph.simplify.branches import flat_piecewise, guarded_product
from symgraph.stabilise.limits import settled, suffers_anywhere
from symgraph.stabilise.saturating import saturates, saturating
from symgraph.stabilise.scalar import stable
from symgraph.stabilise.signs import with_real_values

MAX_LOOKED_AT = 60
"""Operations of a part with the formulas of the values it reads."""
MOST_READ = 16
"""Elements of a formula that is looked through: the 17th summand of a residual sum tells nothing of the first."""
_PARTS = (sp.Add, sp.Mul, sp.Pow, sp.Function, sp.Piecewise)


class Values:
    """What pointwise values are, in terms of leaves, reductions and what is too large to look through."""

    def __init__(self) -> None:
        self.formulas: dict[Tensor, sp.Expr] = {}
        self._opened: dict[sp.Expr, sp.Expr] = {}  # with the formulas that are known now
        self._moved: dict[Element, sp.Expr] = {}

    def remember(self, tensor: Tensor, body: sp.Expr) -> None:
        """A pointwise value's formula over stable operands, as it was written."""
        opened = self.opened(body)
        is_short = operations([opened]) <= MAX_LOOKED_AT and len(elements_of(opened)) <= MOST_READ
        if is_short and not tensor.is_label and not body.has(Written):
            self._opened.clear()
            if tensor in self.formulas:
                self._moved.clear()
            self.formulas[tensor] = opened

    def opened(self, body: sp.Expr) -> sp.Expr:
        """The body with the formulas of the pointwise values it reads."""
        if body not in self._opened:
            rule = {e: self._moved_to(e) for e in elements_of(body) if e.tensor in self.formulas}
            try:
                self._opened[body] = with_real_values(replaced(body, rule)) if rule else body  # type: ignore[arg-type]
            except DomainError:  # a condition has too many branches in it, or compares what is no number in one
                self._opened[body] = body
        return self._opened[body]

    def _moved_to(self, element: Element) -> sp.Expr:
        if element not in self._moved:
            self._moved[element] = at_indices(self.formulas[element.tensor], element.indices)
        return self._moved[element]

    def refined(self, form: sp.Expr, written: sp.Expr, guard: sp.Basic) -> sp.Expr:
        """A stable form of a branch with branches of its own, in its parts of one value, where these need them.

        Parameters
        ----------
        form, written : equal formulas; the second is what is refined if they have to be looked at as a whole.
        guard : the condition of the branch: what it excludes is not looked at.
        """
        if form.has(Written) or written.has(Written):
            return form
        if form != written and (isinstance(form, sp.Piecewise) or len(self._bases(written)) == 1):
            return self._whole(form, written, guard)
        return form if form.has(sp.Piecewise) else self._refined(form, guard)

    def _whole(self, form: sp.Expr, written: sp.Expr, guard: sp.Basic) -> sp.Expr:
        """A form that is stable is kept; else the formula as it was written is refined."""
        if len(self._bases(form)) != 1 or len(self._bases(written)) != 1:
            return form
        return self._part(form, guard, written)

    def _refined(self, body: sp.Expr, guard: sp.Basic) -> sp.Expr:
        if not isinstance(body, _PARTS) or isinstance(body, Element) or not elements_of(body):
            return body
        places, rest = body.as_independent(Element, as_Add=False) if isinstance(body, sp.Mul) else (sp.S.One, body)
        if places.has(Index):  # a δ between places has nothing to do with values
            return places * self._refined(rest, guard)
        if len(self._bases(body)) == 1:
            return self._part(body, guard, body)
        if not isinstance(body, sp.Add | sp.Mul):
            return body
        if isinstance(body, sp.Add) and (apart := self._beside_a_factor(body, guard)) is not None:
            return apart
        groups: dict[object, list[sp.Expr]] = {}
        for n, argument in enumerate(body.args):
            bases = self._bases(argument)
            groups.setdefault(bases[0] if len(bases) == 1 else n, []).append(argument)
        if len(groups) == 1:  # the value goes away where what it is made of is put in
            return body
        return body.func(*(self._refined(body.func(*group), guard) for group in groups.values()))

    def _beside_a_factor(self, total: sp.Add, guard: sp.Basic) -> sp.Expr | None:
        """a·b − a·b·t² + c as a·b·(1 − t²) + c, where 1 − t² is refined; None where no terms are of this kind."""
        for term in total.args:
            for base in self._bases(term):
                factor = sp.Mul(*(f for f in sp.Mul.make_args(term) if self._bases(f) not in ((), (base,))))
                quotients = {other: other / factor for other in total.args}
                parts = {other: part for other, part in quotients.items() if self._bases(part) in ((), (base,))}
                if factor == 1 or len(parts) < 2:
                    continue
                inner = sp.Add(*parts.values())
                refined = self._refined(inner, guard)
                if refined != inner:
                    rest = sp.Add(*(other for other in total.args if other not in parts))
                    return guarded_product(factor, refined) + self._refined(rest, guard)
        return None

    def _bases(self, body: sp.Expr) -> tuple[Element, ...]:
        return elements_of(self.opened(body))

    def _part(self, body: sp.Expr, guard: sp.Basic, written: sp.Expr) -> sp.Expr:
        """A formula of one value, refined from what was ``written`` if as ``body`` it loses digits."""
        (base,) = self._bases(body)
        read = elements_of(sp.Tuple(body, written))
        if base.tensor.is_label or isinstance(body.as_base_exp()[0], Element):
            return body
        opened = self.opened(written)
        if operations([opened]) > MAX_LOOKED_AT or not may_lose(body, opened):
            return body
        x = sp.Symbol("x", real=True)
        names = {element: sp.Symbol(f"v{n}", real=True) for n, element in enumerate(read) if element != base}
        shown = {x: base} | {name: element for element, name in names.items()}
        hidden = {base: x} | names
        known = tuple((name, self.opened(element).xreplace({base: x})) for element, name in names.items())
        asked = (c.xreplace(hidden) for c in sp.And.make_args(guard) if set(elements_of(c)) <= hidden.keys())
        inside = sp.And(*(c for c in asked if not c.has(Index)))  # where it is says nothing of a value
        forms = (body.xreplace(hidden), written.xreplace(hidden))
        if any(atoms_in(form, Index) or not form.free_symbols <= shown.keys() for form in (*forms, inside)):
            return body
        return _improved(*forms, x, known, inside).xreplace(shown)


def may_lose(body: sp.Expr, opened: sp.Expr) -> bool:
    """Whether something in a body is near another value that it is compared with: a sum, a logarithm near 1."""
    both = sp.Tuple(body, opened)
    if not both.has(sp.Add, sp.log, log1p, sp.acos, sp.acosh):
        return False
    powers = atoms_in(both, sp.Pow)
    if any(not (power.exp.is_Integer and power.exp.is_positive) or power.base.is_Add for power in powers):
        return True
    return bool(atoms_in(both, sp.Function))


def improved(formula: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """A formula of ``x`` with the branches it needs; the formula itself where it needs none."""
    return _improved(formula, formula, x, (), sp.true)


@lru_cache(maxsize=4096)
def _improved(
    body: sp.Expr, written: sp.Expr, x: sp.Symbol, known: tuple[tuple[sp.Symbol, sp.Expr], ...], guard: sp.Basic
) -> sp.Expr:
    values: Mapping[sp.Basic, sp.Expr] = dict(known)
    opened = written.xreplace(dict(known))
    for form in dict.fromkeys((body, written, opened, stable(opened, lambda argument: argument))):
        read = {name: value for name, value in known if form.has(name)}
        if not (suffers_anywhere(form, x, read, guard) or saturates(form, x, read, guard)):
            return form
    form = saturating(written, x, values, guard) or written
    form = settled(form, x, values, guard, opened)
    if not isinstance(form, sp.Piecewise):
        return form
    return flat_piecewise([(body if value == written else value, holds) for value, holds in form.args])
