"""Goes through formulas in their order, and gives each value a stable form over stable operands.

What is proposed for a value are forms by the rules of this package; the one that is measured to be the best is chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import sympy as sp

from symgraph.core.bounds import stays_inside
from symgraph.core.cases import Fails
from symgraph.core.cost import operations
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, Shape, bound, extents_of
from symgraph.core.rebuild import atoms_in, replaced
from symgraph.core.scalars import selected, sigmoid, softplus
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices, inlined
from symgraph.simplify.branches import guard_of, per_branch
from symgraph.simplify.polynomials import OutOfWorkError, Work
from symgraph.stabilise.centred import centred
from symgraph.stabilise.complement import complemented
from symgraph.stabilise.gaps import grown, is_from_largest, is_gap, reading_alike, single
from symgraph.stabilise.one_variable import Values
from symgraph.stabilise.places import GROWING, by_place, is_of_places
from symgraph.stabilise.proposals import MOST_OPENED, joined, parts_of, proposals
from symgraph.stabilise.ranges import with_long_sums_scaled
from symgraph.stabilise.read_once import is_read_once
from symgraph.stabilise.rewritings import without_common_factors, without_products
from symgraph.stabilise.scalar import stable, two_sided, with_one_exponential
from symgraph.stabilise.shifts import Shift, are_equal, exponent_along, shift, without_aliases, without_multiples
from symgraph.stabilise.signs import is_positive, with_real_values
from symgraph.stabilise.special import special

if TYPE_CHECKING:
    from symgraph.rounding.choose import Choice

MAX_OPENED = 60
"""Operations of a formula that is looked through."""
MAX_OPENED_STABLE = 16
"""The same, where its value cannot overflow: a chain of twenty softplus is not one logarithm of twenty exponentials."""
MOST_WORK = 60_000
"""Squares of operations of the formulas that rules are tried on for one value."""
MOST_PROPOSED = 160
"""Operations of the branches of a value's forms of which others are proposed."""
MOST_OF_FORM = 240
"""Operations of a form that is offered, or twice those of a longer body: what is longer is not measured."""
ROOM = 0.15
"""Bits that other forms gain where they are better than the chosen one, so that their branches are put before it."""
MOST_TURNS = 3
"""Of putting the chosen form together with others."""
_LOGISTIC = (sigmoid, softplus, sp.tanh)


class Rewriter:
    """Looks through every value that leads to an exponential, named or not.

    ``plain`` has the formulas, as they were written, of values that lead to an exponential; ``growing`` are the values
    that still do after stabilisation, so that they may overflow.
    """

    def __init__(self) -> None:
        self.shifted: dict[Tensor, Shift] = {}
        self.shift_of: dict[Tensor, Shift] = {}
        self.vanishing: dict[Tensor, Shift | None] = {}
        self.positive: set[Tensor] = set()
        self.plain: dict[Tensor, sp.Expr] = {}
        self.branched: dict[Tensor, sp.Expr] = {}
        self.growing: set[Tensor] = set()
        self.over_sums: set[Tensor] = set()
        self.extents: dict[Index, sp.Expr] = {}
        self.values = Values()
        self.written: dict[Tensor, Tensor] = {}
        self.choice: Choice | None = None
        self.work, self.proposing = Work(MOST_WORK), Work(MOST_PROPOSED)
        self.left: list[Tensor] = []

    def change(self, tensor: Tensor, definition: Definition) -> Tensor:
        """The stable form of one definition over stable operands."""
        if definition.is_opaque:
            return tensor.redefined(definition)  # a recurrence's step is made stable where it is planned
        self.extents = extents_of(tensor.shape, definition.extents)
        self.work, self.proposing = Work(MOST_WORK), Work(MOST_PROPOSED)
        written = special(with_real_values(self._with_branches(definition.body)))
        self._ask_for(written)
        chosen = self._chosen(tensor, definition, written, self._forms(definition.body, written))
        body = with_long_sums_scaled(chosen, self.values.opened)
        self.left += [tensor] if self.work.left or self.proposing.left else []
        if definition.op is None and isinstance(body, Element) and body.is_all_of(tensor.shape):
            return body.tensor  # a cotangent that is another tensor, under a name of its own
        new = tensor.redefined(Definition(definition.op, definition.extents, body))
        self.written.setdefault(new, tensor)
        if is_positive(body, self.positive) and definition.op in (None, "sum", "max", "min"):
            self.positive.add(new)
        if self._hazard(body):
            self.growing.add(new)
        if definition.op is None:
            self._remember(new, definition.body)
            self.values.remember(new, written)
            if any(self._leads_to_sum(e.tensor) for e in elements_of(body)) or self._single_maxima(body):
                self.over_sums.add(new)
        if definition.op == "sum" and not self._factor_out(new, definition):
            self._shift(new, definition.extents, [body, definition.body])
        return new

    def _forms(self, body: sp.Expr, written: sp.Expr) -> list[sp.Expr]:
        """What the rules make of a body, the most that they make of it first, and the body itself."""
        is_safe = written == body and not self._hazard(body) and not self._reads_sum(body)
        if is_safe and is_read_once(body, self.values.opened):
            return [body]
        form = cache(self._stable_form)

        def stable(branch: sp.Expr, _: object) -> sp.Expr:
            return sp.Add(*map(form, by_place(branch)))

        def refined(branch: sp.Expr, taken: dict[sp.Basic, sp.Expr]) -> sp.Expr:
            guard = guard_of(taken)
            return sp.Add(*(self.values.refined(form(part), part, guard) for part in by_place(branch)))

        longest = max(MOST_OF_FORM, 2 * operations([written]))
        try:
            found = [per_branch(written, stable), per_branch(written, refined)]
            apart = per_branch(written, lambda branch, _: without_common_factors(branch))
            made = [per_branch(f, lambda branch, _: branch) for f in reversed(found)]
            made += [per_branch(apart, refined)] if apart != written else []
            made = [*(per_branch(f, refined) for f in [self._complemented(written)] if f != written), *made]
            through = self.values.opened(written)
            whole = through if operations([through]) <= MOST_OPENED else written
            for seen in dict.fromkeys((written, per_branch(whole, lambda branch, _: branch))):
                made += [per_branch(f, refined) for f in [self._complemented(seen, by_roots=True)] if f != seen]
            forms_seen = [made[1], written] if made[0].has(sp.Piecewise) else [*made[:2], written]
            made += [*proposals(forms_seen, self.values.opened, longest, self.proposing), *parts_of(made[0], written)]
        except OutOfWorkError:
            made = []
        return list(dict.fromkeys([*(form for form in made if operations([form]) <= longest), written, body]))

    def _chosen(self, tensor: Tensor, definition: Definition, written: sp.Expr, bodies: list[sp.Expr]) -> sp.Expr:
        """The form that is measured to be the best of a value, of its forms and of what is put together of them."""
        if len(bodies) == 1 or definition.op not in (None, "sum", "max", "min"):
            return bodies[0]
        if self.choice is None:
            from symgraph.rounding.choose import Choice  # numbers in high precision are loaded when there is a choice

            self.choice = Choice(self.written)
        chosen, better = self._judged(tensor, definition, bodies)
        for _ in range(MOST_TURNS):
            if others := joined(chosen, better, written):
                chosen, better = self._judged(tensor, definition, [chosen, *others, *better])
        return chosen

    def _judged(self, tensor: Tensor, definition: Definition, bodies: list[sp.Expr]) -> tuple[sp.Expr, list[sp.Expr]]:
        """The form to run, and those that are better somewhere, the one that gains most first; of equal ones one."""
        assert self.choice is not None
        forms = [tensor.redefined(Definition(definition.op, definition.extents, body)) for body in bodies]
        number, gains = self.choice.judged(tensor, forms)
        better = {gain: body for gain, body in zip(gains[::-1], bodies[::-1], strict=True) if gain > ROOM}
        return bodies[number], [better[gain] for gain in sorted(better, reverse=True)]

    def _stable_form(self, body: sp.Expr) -> sp.Expr:
        body = without_aliases(body) if body.has(*GROWING) else body
        body = centred(body, self.values.opened) or body
        rescaled = self._rescaled(body)
        if rescaled is not None:
            return rescaled
        hazard, seen = self._hazard(body), self._seen(body, self.growing)
        if self._hazard(form := self._stable(seen)) < hazard + (form != seen):
            return form
        if hazard:
            form = self._stable(opened := self._opened(body))
            if grown(form) > grown(body):  # ∞·0, unless e^{m − u} meets e^{u − m}
                parts = by_place(with_one_exponential(without_products(opened)))
                apart = sp.Add(*map(self._stable, parts))
                form = apart if self._hazard(apart) < self._hazard(form) else form
            if self._hazard(form) < hazard:
                return form
        return body

    def _stable(self, body: sp.Expr) -> sp.Expr:
        self.work.spend(operations([body]) ** 2)
        names: dict[Element, sp.Symbol] = {}

        def hidden(expression: sp.Expr) -> sp.Expr:
            for element in elements_of(expression):
                if element.tensor.dtype != "integer":
                    positive = True if element.tensor in self.positive else None
                    names.setdefault(element, sp.Symbol(f"e{len(names)}", real=True, positive=positive))
            return replaced(expression, names)  # type: ignore[return-value]

        def shown(expression: sp.Expr) -> sp.Expr:
            rule = {symbol: element for element, symbol in names.items()}
            return replaced(expression, rule)  # type: ignore[return-value]

        return shown(stable(hidden(body), lambda w: hidden(self._opened(shown(w)))))

    def _hazard(self, body: sp.Expr) -> int:
        """How many exponentials in a formula may overflow, those of the values that it reads included, each once."""
        own = sum(self._may_vanish(power.base) for power in atoms_in(body, sp.Pow) if power.exp.is_negative)
        return grown(body) + own + len({element.tensor for element in elements_of(body)} & self.growing)

    def _may_vanish(self, value: sp.Expr) -> bool:
        """Whether it is a value that is a product of exponentials, and so 0 where these underflow."""
        plain = self.plain.get(value.tensor) if isinstance(value, Element) else None
        return isinstance(plain, sp.Mul) and plain.has(sp.exp) and value.tensor not in self.shifted

    def _remember(self, tensor: Tensor, written: sp.Expr) -> None:
        """The formula of a value that leads to an exponential, unless it has branches or is a cotangent."""
        if is_of_places(written) and self._reads_sum(written) and operations([written]) <= MAX_OPENED_STABLE:
            self.branched[tensor] = written
        form = tensor.definition.body if tensor.definition is not None and isinstance(written, sp.log) else written
        if sp.Tuple(written, form).has(sp.Piecewise, sp.Max, sp.Min) or tensor.is_label:
            return  # a logarithm that is right on both sides of something loses that where it is looked through
        body = without_aliases(self._seen(written, self.plain))
        leads = body.has(*GROWING, *_LOGISTIC)
        is_needed = tensor in self.growing or self._reads_sum(body)
        if leads or is_needed:
            if operations([body]) <= (MAX_OPENED if is_needed else MAX_OPENED_STABLE):
                self.plain[tensor] = body
            elif is_needed:
                self.left.append(tensor)

    def _with_branches(self, body: sp.Expr) -> sp.Expr:
        """The body with values that are a quotient by a sum at some places, as of a slice, and 0 elsewhere."""
        known = self.branched
        rule = {e: at_indices(known[e.tensor], e.indices) for e in elements_of(body) if e.tensor in known}
        return replaced(body, rule) if rule else body  # type: ignore[return-value]

    def _seen(self, body: sp.Expr, through: Collection[Tensor]) -> sp.Expr:
        """The body with the formulas of some values in it."""
        rule = {
            element: at_indices(self.plain[element.tensor], element.indices)
            for element in elements_of(body)
            if element.tensor in through and element.tensor in self.plain
        }
        return replaced(body, rule) if rule else body  # type: ignore[return-value]

    def _shift(self, tensor: Tensor, extents: Shape, bodies: Sequence[sp.Expr]) -> None:
        """Remember S = exp(m)·S′ for a sum whose terms, equal formulas of which are given, have an exponential factor
        that varies along it; of one that is positive and can vanish, for a logarithm or a quotient that asks for it."""
        over = {bound(d) for d in range(len(extents))}
        for body in dict.fromkeys(bodies):
            term, mask = self._masked(body)
            if self._reads_sum(term):
                term = self._opened(term)
            exponent = exponent_along(term, over)
            if exponent is not None:
                found = shift(tensor.shape, extents, term, mask, exponent)
                if not is_from_largest(exponent, over, extents):
                    self._know(tensor, found, is_positive(term, self.positive))
                elif mask != sp.true and is_positive(term, self.positive):
                    self.vanishing[tensor] = found  # the largest may be one that is left out
                return
        if tensor in self.positive and any(e.tensor in self.plain for e in elements_of(bodies[0])):
            term = self._opened(bodies[0])
            exponent = exponent_along(term, over)
            if exponent is not None and not is_from_largest(exponent, over, extents):
                self.vanishing[tensor] = shift(tensor.shape, extents, term, sp.true, exponent)

    def _know(self, tensor: Tensor, shift: Shift | None, has_positive_terms: bool = True) -> None:
        if shift is None:
            return
        self.shifted[tensor] = shift
        self.shift_of[shift.largest] = shift
        for exponent in elements_of(shift.exponent):
            if exponent.tensor not in self.growing | self.over_sums:
                self.plain.pop(exponent.tensor, None)  # e to it is seen as that, so that it meets e^{−m}
        if tensor in self.positive or has_positive_terms:
            self.positive.add(shift.scaled)  # where a mask is nowhere, its logarithm is −∞ as it has to be

    def _ask_for(self, body: sp.Expr) -> None:
        """Sums that vanish are shifted from here on where their logarithm is taken, or something is divided by them."""
        asking = [log.args[0] for log in atoms_in(body, sp.log)]
        asking += [power.base for power in atoms_in(body, sp.Pow) if power.exp.is_negative]
        for element in elements_of(sp.Tuple(*asking)):
            self._know(element.tensor, self.vanishing.pop(element.tensor, None))

    def _factor_out(self, tensor: Tensor, definition: Definition) -> bool:
        """Remember Σ_i f_i/S = (Σ_i f_i)/S for a sum of exponentials S that all terms have, and so Σ_i f_i·eᵘ."""
        over = {bound(d) for d in range(len(definition.extents))}
        body = self._seen(definition.body, self.growing)
        if not selected(body).free_symbols.isdisjoint(over):
            return False  # where no term is selected, the factor need not be a number
        values = [value for value, _ in body.args] if isinstance(body, sp.Piecewise) else [body]
        terms = [term for value in values for term in sp.Add.make_args(value) if term != 0]

        def outside(term: sp.Expr) -> sp.Expr:
            powers = [(factor, factor.as_base_exp()[0]) for factor in sp.Mul.make_args(term)]
            sums = [f for f, base in powers if isinstance(base, Element) and base.tensor in self.shifted]
            sums += [f for f, _ in powers if isinstance(f, sp.exp) and elements_of(f) and not is_gap(f.args[0])]
            return sp.Mul(*(factor for factor in sums if not factor.free_symbols & over))

        common = {outside(term) for term in terms}
        if len(common) != 1 or sp.S.One in common:
            return False
        (factor,) = common
        inner = per_branch(body, lambda value, _: sp.Add(*(term / factor for term in sp.Add.make_args(value))))
        rest = Tensor.define(tensor.shape, self._forms(inner, self._with_branches(inner))[0], "sum", definition.extents)
        self.plain[tensor] = factor * rest.element
        self.over_sums.add(tensor)
        return True

    def _complemented(self, body: sp.Expr, by_roots: bool = False) -> sp.Expr:
        """The body with sums of others, which are looked through if they may leave the range, if it has any."""
        form = per_branch(body, lambda part, _: complemented(part, self.extents, self.values.opened, by_roots))
        new = {e.tensor: e.tensor.definition for e in elements_of(form) if e.tensor not in self.written}
        for tensor, definition in new.items() if form != body else ():
            if definition and definition.op == "sum" and (form.has(sp.log) or definition.body.has(*GROWING)):
                self._shift(tensor, definition.extents, [definition.body])
        self._ask_for(form if form != body and form.has(sp.log) else sp.S.Zero)
        return form

    def _masked(self, body: sp.Expr) -> tuple[sp.Expr, sp.Basic]:
        """What a sum adds, and where; elsewhere it is 0."""
        opened = self.values.opened(body)
        match getattr(opened, "args", ()):
            case (pair, other) if isinstance(opened, sp.Piecewise) and other.cond == sp.true:
                if other.expr == 0:
                    return pair.expr, pair.cond
                if pair.expr == 0:
                    return other.expr, Fails(pair.cond)
        return self._seen(body, self.growing), sp.true

    def _rescaled(self, body: sp.Expr) -> sp.Expr | None:
        """The stable form of the body with S as exp(m)·S′, if every exp(m) cancels or stands under a logarithm."""
        if not any(self._leads_to_sum(element.tensor) for element in elements_of(body)):
            return None
        for opened in self._openings(body):
            form = self._stable(opened)
            if not self._single_maxima(form):
                return form
        return self._two_sided(body)

    def _openings(self, body: sp.Expr) -> Iterator[sp.Expr]:
        """The body with S as exp(m)·S′: with all formulas that lead to an exponential, multiplied out, and with those
        alone that may overflow, which show the exponents of sums by name."""
        opened = self._opened(body)
        yield opened
        yield with_one_exponential(without_products(opened))
        yield self._opened(body, self.growing)

    def _two_sided(self, body: sp.Expr) -> sp.Expr | None:
        """A quotient of S = exp(m)·S′ and of exp(u) = exp(d)·exp(m) by exp(−|m|), if it has one maximum m."""
        plain = self._seen(body, self.plain)
        sums = [element for element in elements_of(plain) if element.tensor in self.shifted]
        largest = {Element(self.shifted[element.tensor].largest, *element.indices) for element in sums}
        if len(largest) != 1:
            return None
        (m,) = largest
        E = sp.Dummy("E", positive=True)
        rule = {element: E * Element(self.shifted[element.tensor].scaled, *element.indices) for element in sums}
        for kernel in atoms_in(plain, sp.exp):
            gap = self._of_gap(sp.exp(kernel.args[0] - m))
            if is_gap(gap.args[0]):
                rule[kernel] = E * gap
        quotient = replaced(plain, rule).replace(sp.log, lambda w: self._stable(sp.log(w.subs(E, sp.exp(m)))))
        form = two_sided(quotient, E, m)
        if form.has(E):  # under a root it is no factor of numerator or denominator
            return None
        return form if all(is_gap(k.args[0]) or k.args[0].is_nonpositive for k in atoms_in(form, sp.exp)) else None

    def _single_maxima(self, body: sp.Expr) -> bool:
        """Whether a formula has exp(m) or exp(−|m|): 0 where an exp(u) that it is multiplied by may be infinite."""
        exponents = [kernel.args[0] for kernel in atoms_in(body, sp.exp)]
        return any(m.tensor in self.shift_of for exponent in exponents for m in single(exponent))

    def _leads_to_sum(self, tensor: Tensor) -> bool:
        """Whether a tensor is a sum of exponentials, or a pointwise value that no rule has freed of one."""
        return tensor in self.shifted or tensor in self.over_sums

    def _reads_sum(self, body: sp.Expr) -> bool:
        return any(self._leads_to_sum(element.tensor) for element in elements_of(body))

    def _opened(self, expression: sp.Expr, through: Collection[Tensor] | None = None) -> sp.Expr:
        """The expression with the formulas of values that lead to an exponential, and S as exp(m)·S′."""
        expression = without_aliases(self._seen(expression, self.plain if through is None else through))
        self.work.spend(operations([expression]) ** 2)
        rule: dict[sp.Basic, sp.Basic] = {}
        for element in (e for e in elements_of(expression) if e.tensor in self.shifted):
            shift = self.shifted[element.tensor]
            largest, scaled = (Element(part, *element.indices) for part in (shift.largest, shift.scaled))
            rule[element] = sp.exp(largest) * scaled
        expression = with_one_exponential(replaced(expression, rule))
        return expression.xreplace({kernel: self._of_gap(kernel) for kernel in atoms_in(expression, sp.exp)})

    def _of_gap(self, kernel: sp.Expr) -> sp.Expr:
        """exp(u − m) as exp(d) of the definition d = u − m, which rounds once, and exp(m − u) as exp(−d): they meet."""
        exponent = kernel.args[0]
        for m in elements_of(exponent):
            shift = self.shift_of.get(m.tensor)
            if shift is None:
                continue
            exponent = without_multiples(exponent)
            for candidate in reading_alike(exponent, shift.gap, m):
                for sign in (1, -1) if stays_inside(candidate, self.extents) else ():
                    if are_equal(sign * inlined(candidate), exponent):
                        return sp.exp(sign * candidate)
        return kernel
