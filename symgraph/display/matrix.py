"""Matrix form: a definition of rank at most 2 without indices, recognised by where its indices stand.

    Σ_i x[n, i]·W[i, j] + b[j]   →   x·W + b             Σ_n x[n, i]·g[n, j]   →   xᵀ·g
    g[n, j]·h[n, j]·(1 − h[n, j])   →   g ⊙ h ⊙ (1 − h)      Σ_n g[n, j]           →   Σ_n g

Conventions: functions, ⊙ and ⊘ act element-wise; Σ_n sums over the axis that the index form calls n; an array that
lacks an axis is repeated along it, as b in x·W + b. ‖W‖² is the sum of all squares. What has no such form gives None.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFunction

from symgraph.core.indices import Index, bound
from symgraph.core.rebuild import unevaluated
from symgraph.core.scalars import Delta, Written
from symgraph.core.tensor import Element, Tensor
from symgraph.display import numbers
from symgraph.display.arrange import Arranger, Scope, is_reciprocal, is_root_of_reciprocal
from symgraph.display.compose import is_large, quotient, reduction, replaced, unsigned
from symgraph.display.notation import (
    ONE,
    ZERO,
    Absolute,
    Call,
    Cases,
    Entry,
    Fraction,
    Indicator,
    Name,
    Node,
    Number,
    Power,
    Product,
    Root,
    Total,
    Transposed,
    negated,
    product,
)  # fmt: skip
from symgraph.display.order import size
from symgraph.display.text import text

Axes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A notation and the letters of its axes: none for a scalar, one for a vector, two for a matrix."""

    node: Node
    axes: Axes


class _NoMatrixForm(Exception):
    """The formula needs its indices."""


def matrix_form(arranger: Arranger, tensor: Tensor, like: Tensor | None = None) -> Node | None:
    """The right-hand side of a tensor's definition in matrix form, with the letters of ``like`` if told, or None."""
    if tensor.definition is None or tensor.ndim > 2 or tensor.definition.is_opaque:
        return None
    scope = arranger.scope(tensor if like is None else like)
    extents = {letter: extent for letter, extent in zip(scope.free, (n for n in tensor.shape if n != 1), strict=True)}
    try:
        return _Matrix(arranger, extents).body(tensor, scope, scope.free).node
    except _NoMatrixForm:
        return None


class _Matrix:
    """Every method takes the axes there are to fill, in their order, and returns an array over some of them."""

    def __init__(self, arranger: Arranger, extents: dict[str, sp.Expr]) -> None:
        self.arranger, self.extents = arranger, extents

    def body(self, tensor: Tensor, scope: Scope, axes: Axes) -> Array:
        definition = tensor.definition
        assert definition is not None
        if definition.op is None:
            return self.form(definition.body, scope, axes)
        if definition.op in ("argmax", "argmin") and len(definition.extents) > 1:
            raise _NoMatrixForm
        over = tuple(bound(d) for d in range(len(definition.extents)))
        inner = self.arranger.bind(tensor, over, scope)
        letters = tuple(inner.called[index] for index in over)
        self.extents |= zip(map(text, letters), definition.extents, strict=True)
        return self._reduce(definition.op, letters, definition.body, inner, axes)

    def form(self, expression: sp.Basic, scope: Scope, axes: Axes) -> Array:
        match expression:
            case sp.exp():
                return self._call(expression, scope, axes)
            case sp.Add():
                return self._add(expression, scope, axes)
            case sp.Mul() | sp.Pow():
                return self._mul(expression, scope, axes)
            case Element():
                return self._element(expression, scope, axes)
            case Index() | Relational() | BooleanFunction():
                raise _NoMatrixForm
            case sp.Symbol() | sp.Number() | sp.NumberSymbol() | Tensor():
                return Array(self.arranger.expression(expression, scope), ())
            case Delta():
                return self._delta(expression, scope, axes)
            case sp.Piecewise():
                return self._piecewise(expression, scope, axes)
            case Written():
                return self.form(unevaluated(expression.args[0], dict(expression.bindings())), scope, axes)
            case sp.Function() | sp.Max() | sp.Min():
                return self._call(expression, scope, axes)
        raise _NoMatrixForm

    # -- elements -------------------------------------------------------------------------------------------------
    def _element(self, element: Element, scope: Scope, axes: Axes) -> Array:
        tensor = element.tensor
        if self.arranger.naming.is_inlined(tensor):
            return self.body(tensor, self.arranger.inner_scope(element, scope), axes)
        letters: list[str] = []
        for extent, index in zip(tensor.shape, element.indices, strict=True):
            if extent != 1:
                letters.append(self._letter(index, scope))
                if self.extents.get(letters[-1], extent) != extent:
                    raise _NoMatrixForm  # a part of it: x[:5]
        name = Entry(self.arranger.naming.names[tensor])
        return _oriented(name, tuple(letters), axes)

    def _letter(self, index: sp.Expr, scope: Scope) -> str:
        """The letter of a plain index; what is no plain index has no matrix form."""
        called = scope.called.get(index) if isinstance(index, Index) else None
        if not isinstance(called, Entry) or called.indices:
            raise _NoMatrixForm
        return called.name.text

    def _delta(self, delta: Delta, scope: Scope, axes: Axes) -> Array:
        """δ(k, t[n]) is the one-hot matrix of t; δ(i, j) the identity."""
        plain = [arg for arg in delta.args if isinstance(arg, Index)]
        other = [arg for arg in delta.args if not isinstance(arg, Index)]
        letters = tuple(self._letter(index, scope) for index in plain)
        if len(plain) == 2 and set(letters) <= set(axes):
            return Array(Entry(Name("I", r"\mathbf{I}")), tuple(a for a in axes if a in letters))
        if len(plain) != 1 or not isinstance(other[0], Element) or not other[0].tensor.is_label:
            raise _NoMatrixForm
        labels = self._element(other[0], scope, tuple(a for a in axes if a not in letters))
        return _oriented(Call("onehot", (labels.node,)), (*labels.axes, *letters), axes)

    # -- element-wise ---------------------------------------------------------------------------------------------
    def _add(self, expression: sp.Add, scope: Scope, axes: Axes) -> Array:
        found: list[tuple[bool, Array]] = []
        for term in self.arranger.grouped(expression):
            array = self.form(term, scope, axes)
            sign, node = unsigned(array.node)
            found.append((sign < 0, Array(node, array.axes)))
        terms: list[tuple[bool, Node]] = []
        for negative, array in found:
            inner = array.node.terms if isinstance(array.node, Total) else ((False, array.node),)
            terms += [(negative != sign, node) for sign, node in inner]
        rank = {array.node: len(array.axes) for _, array in found}
        return Array(self.arranger.order.total(terms, rank), _union([array.axes for _, array in found], axes))

    def _mul(self, expression: sp.Expr, scope: Scope, axes: Axes) -> Array:
        coefficient, above, below = self._factors(expression, scope, axes)
        return self._elementwise(coefficient, above, below, axes)

    def _factors(self, expression: sp.Expr, scope: Scope, axes: Axes) -> tuple[sp.Number, list[Array], list[Array]]:
        """Sign and number, factors and divisors of a product, inlined ones taken apart."""
        coefficient = sp.S.One
        above: list[Array] = []
        below: list[Array] = []
        pending: list[tuple[sp.Expr, Scope, bool]] = [(expression, scope, False)]
        while pending:
            factor, inside, inverse = pending.pop()
            opened = self.arranger.opened(factor, inside)
            if opened and isinstance(opened[0], (sp.Mul, sp.Pow)):
                pending.append((*opened, inverse))
            elif isinstance(factor, sp.Mul):
                pending += [(part, inside, inverse) for part in reversed(factor.args)]
            elif isinstance(factor, (sp.Rational, sp.Float)):
                coefficient = coefficient / factor if inverse else coefficient * factor
            elif is_root_of_reciprocal(factor):
                pending.append((sp.Pow(factor.base.base, factor.exp), inside, not inverse))
            elif is_reciprocal(factor):
                pending.append((sp.Pow(factor.base, -factor.exp), inside, not inverse))
            else:
                array = self._power(factor, inside, axes) if _is_power(factor) else self.form(factor, inside, axes)
                sign, node = unsigned(array.node)
                coefficient *= sign
                (below if inverse else above).append(Array(node, array.axes))
        return coefficient, above, below

    def _power(self, power: sp.Pow, scope: Scope, axes: Axes) -> Array:
        base, exponent = self.form(power.base, scope, axes), self.form(power.exp, scope, axes)
        if exponent.axes:
            raise _NoMatrixForm
        if power.exp.is_Rational and power.exp.p == 1 and power.exp.q > 1:
            return Array(Root(base.node, int(power.exp.q)), base.axes)
        if base.axes and power.exp == 2 and isinstance(base.node, (Entry, Transposed)):
            return Array(Product((base.node, base.node), "⊙"), base.axes)
        return Array(Power(base.node, exponent.node, elementwise=bool(base.axes)), base.axes)

    def _elementwise(self, coefficient: sp.Number, above: list[Array], below: list[Array], axes: Axes) -> Array:
        """number·scalars/divisors · (arrays joined by ⊙, a column and a row by an outer product)."""
        free = _union([array.axes for array in [*above, *below]], axes)
        order = self.arranger.order
        scalars = [array.node for array in above if not array.axes]
        divisors = [array.node for array in below if not array.axes]
        arrays = self._outer([array for array in above if array.axes], axes)
        numerator, denominator = numbers.parts(abs(coefficient))
        scalars = order.factors(([numerator] if numerator else []) + scalars)
        divisors = order.factors(([denominator] if denominator else []) + divisors)
        joined = product(order.factors([array.node for array in arrays]), "⊙") if arrays else None
        under = product(order.factors([array.node for array in below if array.axes]), "⊙")
        if any(array.axes for array in below):
            joined = Fraction(joined or ONE, under, elementwise=True)
        node = _scaled(scalars, joined, divisors)
        return Array(node if coefficient >= 0 else negated(node), free)

    def _hadamard(self, arrays: list[Array]) -> Node:
        return product(self.arranger.order.factors([array.node for array in arrays]), "⊙")

    def _outer(self, arrays: list[Array], axes: Axes) -> list[Array]:
        """A vector along the rows and one along the columns: a·bᵀ."""
        free = _union([array.axes for array in arrays], axes)
        if len(free) != 2:
            return arrays
        columns, rows = ([array for array in arrays if array.axes == (letter,)] for letter in free)
        rest = [array for array in arrays if len(array.axes) != 1]
        if not columns or not rows:
            return arrays
        left, right = (self._hadamard(group) for group in (columns, rows))
        return [Array(Product((left, _transposed(right)), "@"), free), *rest]

    def _call(self, expression: sp.Expr, scope: Scope, axes: Axes) -> Array:
        arrays = [self.form(arg, scope, axes) for arg in expression.args]
        nodes = tuple(array.node for array in arrays)
        free = _union([array.axes for array in arrays], axes)
        if isinstance(expression, sp.Abs):
            return Array(Absolute(nodes[0]), free)
        if isinstance(expression, (sp.Max, sp.Min)):
            shown = sorted(nodes, key=lambda node: isinstance(node, (Number, Total)))
            return Array(Call("max" if isinstance(expression, sp.Max) else "min", tuple(shown)), free)
        return Array(Call(expression.func, nodes), free)

    def _piecewise(self, expression: sp.Piecewise, scope: Scope, axes: Axes) -> Array:
        """{g if c, else 0} is g ⊙ 1[c]; other branches stay branches, element by element."""
        branches: list[tuple[Node, Node | None]] = []
        free: list[Axes] = []
        for value, condition in expression.args:
            array = self.form(value, scope, axes)
            free.append(array.axes)
            shown = None if condition == sp.true else self._condition(condition, scope, axes, free)
            branches.append((array.node, shown))
        union = _union(free, axes)
        (value, condition), *others = branches
        if others != [(ZERO, None)] or condition is None:
            return Array(Cases(tuple(branches)), union)
        indicator: Node = Indicator(condition)
        sign, value = unsigned(value)
        node = indicator if value == ONE else product([value, indicator], "⊙")
        return Array(node if sign > 0 else negated(node), union)

    def _condition(self, condition: sp.Basic, scope: Scope, axes: Axes, free: list[Axes]) -> Node:
        """A condition over arrays: the index form with each element replaced by its array."""
        shown = self.arranger.expression(condition, scope)
        plain: dict[Node, Node] = {}
        for element in sorted(condition.atoms(Element), key=sp.default_sort_key):
            array = self._element(element, scope, axes)
            free.append(array.axes)
            plain[self.arranger.expression(element, scope)] = array.node
        return replaced(shown, plain)

    # -- reductions -----------------------------------------------------------------------------------------------
    def _reduce(self, op: str, letters: tuple[Node, ...], body: sp.Expr, scope: Scope, axes: Axes) -> Array:
        names = tuple(node.name.text for node in letters if isinstance(node, Entry))
        if op == "sum" and len(names) == 1 and len(axes) <= 2:
            contraction = self._contraction(names[0], body, scope, axes)
            if contraction is not None:
                return contraction
        options = [self.form(body, scope, order) for order in ((*axes, *names), (*names, *axes))]
        inner = min(options, key=lambda array: size(array.node))
        match inner.node:
            case Product((first, second), "⊙") if op == "sum" and first == second and set(inner.axes) == set(names):
                return Array(Power(Absolute(first, norm=True), Number("2")), ())
            case Power(base, Number("2"), elementwise=True) if op == "sum" and set(inner.axes) == set(names):
                return Array(Power(Absolute(base, norm=True), Number("2")), ())
        left = tuple(a for a in inner.axes if a not in names)
        return Array(reduction(op, letters, inner.node), left)

    def _contraction(self, over: str, body: sp.Expr, scope: Scope, axes: Axes) -> Array | None:
        """Σ over one index of factors along (row, over) and (over, column): a product of matrices and vectors."""
        rows, columns = axes[:1], axes[1:]
        coefficient, above, below = self._factors(body, scope, (*rows, over, *columns))
        inside = [array for array in above if over in array.axes]
        outside = [array for array in above if over not in array.axes]
        if any(over in array.axes for array in below):
            return None
        left = [array for array in inside if set(array.axes) == {*rows, over} and rows]
        right = [array for array in inside if set(array.axes) == {over, *columns} and columns]
        vectors = [array for array in inside if array.axes == (over,)]
        if left and right:
            found = Array(Product((self._hadamard(left + vectors), self._hadamard(right)), "@"), axes)
        elif left and vectors:
            found = Array(Product((self._hadamard(left), self._hadamard(vectors)), "@"), rows)
        elif right and vectors:
            found = Array(Product((_transposed(self._hadamard(right)), self._hadamard(vectors)), "@"), columns)
        elif not left and not right and len(vectors) == 2:
            found = Array(Product((_transposed(vectors[0].node), vectors[1].node), "@"), ())
        else:
            return None
        return self._elementwise(coefficient, [found, *outside], below, axes)


def _oriented(node: Node, letters: Axes, axes: Axes) -> Array:
    """An array whose axes are ``letters``, in the order of ``axes``."""
    if len(letters) > 2 or len(set(letters)) < len(letters) or not set(letters) <= set(axes):
        raise _NoMatrixForm
    ordered = tuple(a for a in axes if a in letters)
    return Array(node if ordered == letters else Transposed(node), ordered)


def _transposed(node: Node) -> Node:
    return node.inner if isinstance(node, Transposed) else Transposed(node)


def _union(parts: list[Axes], axes: Axes) -> Axes:
    found = tuple(a for a in axes if any(a in part for part in parts))
    if len(found) > 2:
        raise _NoMatrixForm
    return found


def _scaled(scalars: list[Node], joined: Node | None, divisors: list[Node]) -> Node:
    """scalars·array/divisors."""
    if joined is None:
        return quotient(scalars, divisors)
    if not divisors:
        return product([*scalars, joined])
    if not is_large(joined) and not isinstance(joined, Product):
        return Fraction(product([*scalars, joined]), product(divisors))
    return product([Fraction(product(scalars), product(divisors)), joined])


def _is_power(factor: sp.Basic) -> bool:
    return isinstance(factor, sp.Pow) and not isinstance(factor, sp.exp)
