"""Arrangement: a scalar SymPy body as notation, in the order and with the signs a person would write.

In: a body over elements and canonical indices, a :class:`Scope` that says what the indices are called.
Out: notation, with unnamed definitions written where they are read::

    Mul(1/N, Add(−t[_0, _1], y[_0, _1]))     →     (y[n, k] − t[n, k])/N
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFunction

from symgraph.core.cases import Fails
from symgraph.core.define import Reduced
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, axis, bound
from symgraph.core.rebuild import evaluated, unevaluated
from symgraph.core.recurrence import recurrence_of
from symgraph.core.scalars import Delta, Written
from symgraph.core.tensor import Element, Tensor
from symgraph.core.unfolded import as_read
from symgraph.display import numbers, order
from symgraph.display.compose import cases, is_numeric, quotient, reduction, unsigned
from symgraph.display.latex import latex
from symgraph.display.latex_names import latex_name
from symgraph.display.letters import Letters
from symgraph.display.names import Naming
from symgraph.display.notation import (
    ZERO,
    Absolute,
    Call,
    Entry,
    Kronecker,
    Logic,
    Name,
    Node,
    Power,
    Relation,
    Root,
    Total,
    letter,
    negated,
)  # fmt: skip
from symgraph.display.text import text

_RELATIONS = {
    sp.StrictLessThan: "<", sp.LessThan: "≤", sp.StrictGreaterThan: ">", sp.GreaterThan: "≥", sp.Eq: "=", sp.Ne: "≠",
}  # fmt: skip
_MIRRORED = {"<": ">", "≤": "≥", ">": "<", "≥": "≤", "=": "=", "≠": "≠"}
_LOGIC = {sp.And: "and", sp.Or: "or", sp.Not: "not", Fails: "not"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What each index of a body is called, the letters in use, and the letters of the left-hand side in order."""

    called: dict[Index, Node]
    used: frozenset[str]
    free: tuple[str, ...] = ()


class Named(Protocol):
    """What values are called, in which order a reader meets them, and which are written where they are read."""

    @property
    def names(self) -> Mapping[Tensor, Name]: ...
    @property
    def position(self) -> Mapping[Tensor, int]: ...
    def is_inlined(self, tensor: Tensor) -> bool: ...
    def symbol(self, text: str) -> Name: ...


class Arranger:
    """Writes the definitions of one program; ``letters`` are asked where an index is not called anything yet."""

    def __init__(self, naming: Named, letters: Letters | None = None) -> None:
        self.naming = naming
        self._letters = letters
        named = {t: naming.names[t] for t in naming.position if t in naming.names}
        rates = frozenset(name for t, name in named.items() if t.definition is None and t.kind == "scalar")
        self.order = order.Order({name: naming.position[t] for t, name in named.items()}, rates)

    @property
    def letters(self) -> Letters:
        if self._letters is None:
            assert isinstance(self.naming, Naming)
            self._letters = Letters(self.naming)
        return self._letters

    # -- definitions ----------------------------------------------------------------------------------------------
    def scope(self, tensor: Tensor) -> Scope:
        """Letters for the axes of a tensor; 0 for an axis of one, as where it is read."""
        called: dict[Index, Node] = {}
        used: list[str] = []
        for d, extent in enumerate(tensor.shape):
            if extent == 1:
                called[axis(d)] = ZERO
                continue
            chosen = self.letters.choose(self.letters.preferred(tensor, axis(d)), set(used))
            used.append(chosen)
            called[axis(d)] = letter(chosen)
        return Scope(called, frozenset(used), tuple(used))

    def left(self, tensor: Tensor) -> Entry:
        """The element that a definition defines: ``h[n, j]``."""
        return Entry(self.naming.names[tensor], tuple(self.scope(tensor).called.values()))

    def right(self, tensor: Tensor, like: Tensor | None = None) -> Node:
        """The right-hand side of a definition, with the letters of ``like`` if told; a leaf's element."""
        scope = self.scope(tensor if like is None else like)
        if tensor.definition is None:
            return Entry(self.naming.names[tensor], tuple(scope.called.values()))
        return self._body(tensor, scope)

    def _body(self, tensor: Tensor, scope: Scope) -> Node:
        definition = as_read(tensor)
        assert definition is not None
        if definition.op is None:
            return self.expression(definition.body, scope)
        if definition.op == "external":
            return self._called(tensor, definition.body, scope)
        over = tuple(bound(d) for d in range(len(definition.extents)))
        inner = self.bind(tensor, over, scope)
        return reduction(definition.op, tuple(inner.called[i] for i in over), self.expression(definition.body, inner))

    def _called(self, tensor: Tensor, body: sp.Expr, scope: Scope) -> Entry:
        """An element of what a procedure computes of whole arrays, ``solve(A, b)[n]``; of those of a step in a
        recurrence: ``f(h[t − 1])[n]``."""
        called, *elements = body.args
        steps = [tuple(self.expression(index, scope) for index in e.indices if index != 0) for e in elements]
        given = [Entry(self.naming.names[e.tensor], at) for e, at in zip(elements, steps, strict=True)]
        shown = f"{called}({', '.join(map(text, given))})", f"{latex_name(str(called))}({', '.join(map(latex, given))})"
        own = range(recurrence_of(tensor) is not None, tensor.ndim)
        return Entry(Name(*shown), tuple(scope.called[axis(d)] for d in own))

    def bind(self, tensor: Tensor | None, over: tuple[Index, ...], scope: Scope) -> Scope:
        """The scope inside a reduction: letters for its bound indices."""
        called, used = dict(scope.called), set(scope.used)
        for index in over:
            wanted = self.letters.preferred(tensor, index) if tensor else self.letters.pool[0]
            chosen = self.letters.choose(wanted, used)
            used.add(chosen)
            called[index] = letter(chosen)
        return Scope(called, frozenset(used), scope.free)

    def inner_scope(self, element: Element, scope: Scope) -> Scope:
        """The scope of the body of the element's definition, at the element's indices."""
        called = {axis(d): self.expression(index, scope) for d, index in enumerate(element.indices)}
        return Scope(called, scope.used, scope.free)

    def opened(self, element: sp.Expr, scope: Scope) -> tuple[sp.Expr, Scope] | None:
        """Body and scope of an inlined element without reduction; None for anything else."""
        if not isinstance(element, Element) or not self.naming.is_inlined(element.tensor):
            return None
        definition = as_read(element.tensor)
        if definition is None or definition.op is not None:
            return None
        return definition.body, self.inner_scope(element, scope)

    # -- expressions ----------------------------------------------------------------------------------------------
    def expression(self, expression: sp.Basic, scope: Scope) -> Node:
        """Any scalar expression or condition."""
        match expression:
            case sp.Add():
                return self._add(expression, scope)
            case sp.exp():
                return Call(sp.exp, (self.expression(expression.args[0], scope),))
            case sp.Mul() | sp.Pow():
                return self._mul(expression, scope)
            case Element():
                return self._element(expression, scope)
            case Tensor():
                return Entry(self.naming.names[expression])
            case Index():
                return scope.called.get(expression) or letter(expression.name.lstrip("_"))
            case sp.Symbol():
                return Entry(self.naming.symbol(expression.name))
            case Reduced():
                return self._reduced(expression, scope)
            case sp.Number() | sp.NumberSymbol():
                return numbers.number(expression)
            case Delta():
                return self._delta(expression, scope)
            case sp.Piecewise():
                return self._piecewise(expression, scope)
            case sp.Abs():
                return Absolute(self.expression(expression.args[0], scope))
            case sp.Max() | sp.Min():
                parts = [self.expression(arg, scope) for arg in expression.args]
                name = "max" if isinstance(expression, sp.Max) else "min"
                return Call(name, tuple(sorted(parts, key=lambda p: (is_numeric(p), self.order.of_names(p)))))
            case Relational():
                return self._relation(expression, scope)
            case BooleanFunction() if type(expression) in _LOGIC:
                joined = tuple(self.expression(arg, scope) for arg in sorted(expression.args, key=sp.default_sort_key))
                return Logic(_LOGIC[type(expression)], joined)  # type: ignore[arg-type]
            case Written():
                return self.expression(unevaluated(expression.args[0], dict(expression.bindings())), scope)
            case sp.Function():
                return Call(expression.func, tuple(self.expression(arg, scope) for arg in expression.args))
            case _:
                return Entry(Name(str(expression), sp.latex(expression)))

    def _element(self, element: Element, scope: Scope) -> Node:
        tensor = element.tensor
        if self.naming.is_inlined(tensor):
            return self._body(tensor, self.inner_scope(element, scope))
        return Entry(self.naming.names[tensor], tuple(self.expression(index, scope) for index in element.indices))

    def _reduced(self, node: Reduced, scope: Scope) -> Node:
        op, body, *over = node.args
        missing = tuple(index for index in over if index not in scope.called)
        inner = self._bind_like(body, missing, scope)
        return reduction(op.name, tuple(inner.called[index] for index in over), self.expression(body, inner))

    def _bind_like(self, body: sp.Expr, over: tuple[Index, ...], scope: Scope) -> Scope:
        """Letters of indices that belong to no stored definition: those of the axes that they run over."""
        called, used = dict(scope.called), set(scope.used)
        for index in over:
            chosen = self.letters.choose(self.letter_in(body, index), used)
            used.add(chosen)
            called[index] = letter(chosen)
        return Scope(called, frozenset(used), scope.free)

    def letter_in(self, body: sp.Basic, index: Index) -> str:
        """The preferred letter of the axis over which an index runs in a body."""
        for element in elements_of(body):
            for d, at in enumerate(element.indices):
                if at == index and element.tensor in self.naming.position:
                    return self.letters.preferred(element.tensor, axis(d))
        return self.letters.pool[0]

    def grouped(self, expression: sp.Add) -> list[sp.Expr]:
        """The terms, with c·Σ… + c·Σ… as c·(Σ… + Σ…)."""
        groups: dict[sp.Expr, list[sp.Expr]] = {}
        found: list[sp.Expr] = []
        for term in expression.args:
            sums = [factor for factor in sp.Mul.make_args(term) if self._is_sum(factor)]
            cofactor = term / sums[0] if len(sums) == 1 else sp.S.One
            if cofactor == 1:
                found.append(term)
            else:
                groups.setdefault(cofactor, []).append(sums[0])
        for cofactor, parts in groups.items():
            alone = len(parts) == 1
            found.append(parts[0] * cofactor if alone else sp.Mul(cofactor, sp.Add(*parts), evaluate=False))
        return found

    def _is_sum(self, factor: sp.Expr) -> bool:
        inlined = isinstance(factor, Element) and self.naming.is_inlined(factor.tensor)
        definition = as_read(factor.tensor) if inlined else None
        return definition is not None and definition.op == "sum"

    def _add(self, expression: sp.Expr, scope: Scope) -> Node:
        common = abs(expression.args[0].as_coeff_Mul()[0])
        is_factor = common.is_Rational and common not in (0, 1)  # by a float, 1.0 is left, and that is not 1
        if is_factor and all(abs(term.as_coeff_Mul()[0]) == common for term in expression.args):
            rest = sp.Add(*(term / common for term in expression.args))
            return self._quotient(common, [self.expression(rest, scope)], [], scope.free)
        terms: list[tuple[bool, Node]] = []
        pending = [(term, scope, False) for term in reversed(self.grouped(expression))]
        while pending:
            term, inside, negative = pending.pop()
            coefficient, rest = term.as_coeff_Mul()
            opened = self.opened(rest, inside) if coefficient in (1, -1) else None
            if opened and isinstance(opened[0], sp.Add):
                turned = negative != (coefficient == -1)
                pending += [(inner, opened[1], turned) for inner in reversed(opened[0].args)]
                continue
            node = self.expression(term, inside)
            if isinstance(node, Total) and len(node.terms) == 1:
                terms.append((not negative, node.terms[0][1]))
            elif isinstance(node, Total):
                terms += [(negative != sign, part) for sign, part in node.terms]
            else:
                terms.append((negative, node))
        return self.order.total(terms)

    def _mul(self, expression: sp.Expr, scope: Scope) -> Node:
        coefficient = sp.S.One
        above: list[Node] = []
        below: list[Node] = []
        pending: list[tuple[sp.Expr, Scope, bool]] = [(expression, scope, False)]
        while pending:
            factor, inside, inverse = pending.pop()
            opened = self.opened(factor, inside)
            if opened and isinstance(opened[0], (sp.Mul, sp.Pow)) and not isinstance(opened[0], sp.exp):
                pending.append((*opened, inverse))
            elif isinstance(factor, sp.Mul):
                pending += [(inner, inside, inverse) for inner in reversed(factor.args)]
            elif isinstance(factor, (sp.Rational, sp.Float)):
                coefficient = coefficient / factor if inverse else coefficient * factor
            elif is_root_of_reciprocal(factor):
                pending.append((evaluated(factor, [factor.base.base, factor.exp]), inside, not inverse))
            elif is_reciprocal(factor):
                pending.append((evaluated(factor, [factor.base, -factor.exp]), inside, not inverse))
            else:
                node = self._power(factor, inside) if isinstance(factor, sp.Pow) else self.expression(factor, inside)
                sign, node = unsigned(node)
                coefficient *= sign
                (below if inverse else above).append(node)
        return self._quotient(coefficient, above, below, scope.free)

    def _quotient(self, coefficient: sp.Number, above: list[Node], below: list[Node], free: tuple[str, ...]) -> Node:
        if coefficient.is_infinite or coefficient.is_zero or coefficient is sp.nan:
            if not above and not below:
                return numbers.number(coefficient)
            coefficient, above = sp.S.One, [numbers.number(coefficient), *above]  # 0·x is NaN where x is infinite
        coefficient, above, below = numbers.gather_roots(coefficient, above, below)
        numerator, denominator = numbers.parts(abs(coefficient))
        if numerator is None and denominator is None and len(above) == 1 and not below:
            return above[0] if coefficient > 0 else negated(above[0])
        above = self.order.factors(([numerator] if numerator else []) + above, free)
        below = self.order.factors(([denominator] if denominator else []) + below, free)
        node = quotient(above, below)
        return node if coefficient > 0 else negated(node)

    def _power(self, power: sp.Pow, scope: Scope) -> Node:
        base = self.expression(power.base, scope)
        if power.exp.is_Rational and power.exp.p == 1 and power.exp.q > 1:
            return Root(base, int(power.exp.q))
        return base if power.exp == 1 else Power(base, self.expression(power.exp, scope))

    def _delta(self, delta: Delta, scope: Scope) -> Node:
        left, right = (self.expression(arg, scope) for arg in delta.args)
        plain = isinstance(left, Entry) and not left.indices
        return Kronecker(left, right) if plain else Kronecker(right, left)

    def _piecewise(self, expression: sp.Piecewise, scope: Scope) -> Node:
        branches: list[tuple[Node, Node | None]] = []
        for value, condition in expression.args:
            shown = None if condition == sp.true else self.expression(condition, scope)
            branches.append((self.expression(value, scope), shown))
        return cases(branches)

    def _relation(self, relation: Relational, scope: Scope) -> Node:
        left, right = (self.expression(arg, scope) for arg in relation.args)
        operator = _RELATIONS[type(relation)]
        if is_numeric(left) and not is_numeric(right):
            left, right, operator = right, left, _MIRRORED[operator]
        return Relation(operator, left, right)  # type: ignore[arg-type]


def is_reciprocal(factor: sp.Expr) -> bool:
    """A power with a minus sign in its exponent, eᵘ left out."""
    return isinstance(factor, sp.Pow) and not isinstance(factor, sp.exp) and factor.exp.could_extract_minus_sign()


def is_root_of_reciprocal(factor: sp.Expr) -> bool:
    """√(1/u), which is written 1/√u."""
    root = isinstance(factor, sp.Pow) and factor.exp == sp.S.Half
    return root and isinstance(factor.base, sp.Pow) and factor.base.exp == -1
