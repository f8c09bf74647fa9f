"""A formula as operations, in the order and the form in which :mod:`codegen.lower.scalar` has them computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache, reduce
from typing import TYPE_CHECKING

import sympy as sp

from symgraph.core.indices import Dim
from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import Delta, Uniform, Written, selected, stop_gradient
from symgraph.core.tensor import Element, Tensor
from symgraph.rounding.functions import function_of
from symgraph.rounding.tape import Unmeasured
from symgraph.stabilise.scalar import by_one_exponential

if TYPE_CHECKING:
    from symgraph.rounding.write import Writer

Environment = Mapping[sp.Basic, int]
Slots = Mapping[sp.Basic, int]


class Body:
    """A formula of ``tensor`` at some indices; ``slots`` are values that have been computed."""

    def __init__(self, writer: Writer, env: Environment, tensor: Tensor, slots: Slots) -> None:
        self.writer, self.env, self.tensor, self.slots = writer, env, tensor, slots
        self.done: dict[sp.Basic, int] = {}

    def value(self, node: sp.Basic) -> int:
        if node in self.slots:
            return self.slots[node]
        if node not in self.done:
            found = self._value(node)
            self.done[node] = found
        return self.done[node]

    def op(self, node: sp.Basic, name: str, *operands: int) -> int:
        self.writer.source = (node, self.tensor)
        return self.writer.op(name, *operands)

    def _value(self, node: sp.Basic) -> int:
        writer = self.writer
        match node:
            case Element():
                if node.tensor.is_label:
                    return writer.number(sp.Integer(self.integer(node)))
                return writer.element(node.tensor, tuple(self.integer(index) for index in node.indices))
            case Delta():
                return writer.number(sp.Integer(self.integer(node.args[0]) == self.integer(node.args[1])))
            case stop_gradient():
                return self.value(node.args[0])
            case Written():
                slots = {slot: self.value(operand) for slot, operand in node.bindings()}
                return writer.body(node.args[0], self.env, self.tensor, slots)
            case sp.Piecewise():
                return self._cases(node)
            case _ if not self.slots and _is_of_indices(node):
                return writer.number(sp.Integer(self.integer(node)))
            case sp.Symbol():
                return writer.number(sp.Integer(self.integer(node)))
            case _ if node.is_number and not node.free_symbols:
                return writer.number(node)
            case sp.Add():
                return self._sum(node)
            case sp.Mul():
                return self._product(node)
            case sp.Pow():
                return self._power(node, *node.args)
            case sp.Max() | sp.Min():
                name = "maximum" if isinstance(node, sp.Max) else "minimum"
                return reduce(lambda a, b: self.op(node, name, a, b), [self.value(p) for p in _ordered(node)])
            case sp.Mod():
                x, y = map(self.value, node.args)
                whole = self.op(node, "floor", self.op(node, "div", x, y))
                return self.op(node, "sub", x, self.op(node, "mul", y, whole))
            case sp.Heaviside():
                return self.value(node.rewrite(sp.Piecewise))
            case sp.tanh() if (rational := by_one_exponential(node)) is not None:
                return self.value(rational)
            case sp.cot() | sp.sec() | sp.csc() | sp.coth() | sp.sech():
                return self.value(1 / RECIPROCALS[type(node)](*node.args))
            case Uniform():
                raise Unmeasured("a random number")
        function = function_of(node)
        if function is None:
            raise Unmeasured(f"no row of ROWS computes {type(node).__name__}")
        return self.op(node, function, self.value(node.args[-1]))

    # -- indices ------------------------------------------------------------------------------------------------------
    def integer(self, node: sp.Basic) -> int:
        """An index, a size or a label; of labels one stands for all, the place itself within the classes."""
        if node in self.env:
            return self.env[node]
        if isinstance(node, sp.Integer):
            return int(node)
        if isinstance(node, Element):
            classes = self.writer.size(node.tensor.classes) if node.tensor.classes is not None else self.writer.terms
            return sum(self.integer(index) for index in node.indices) % min(classes, self.writer.terms)
        rule: dict[sp.Basic, sp.Basic] = {e: sp.Integer(self.integer(e)) for e in _outermost(node)}
        rule |= {symbol: sp.Integer(value) for symbol, value in self.env.items()}
        rule |= {dim: sp.Integer(self.writer.terms) for dim in atoms_in(node, Dim)}
        found = node.xreplace(rule)
        if not found.is_Integer:
            raise Unmeasured(f"the index {node} has no value")
        return int(found)

    def condition(self, node: sp.Basic) -> int | bool:
        """The position of a condition on values, or the truth of one on indices."""
        if node in (sp.true, sp.false):
            return bool(node)
        if isinstance(node, sp.Not):
            inner = self.condition(node.args[0])
            return not inner if isinstance(inner, bool) else self.op(node, "not", inner)
        if isinstance(node, sp.And | sp.Or):
            decisive = isinstance(node, sp.Or)
            found: list[int] = []
            for part in sorted(node.args, key=lambda p: (bool(atoms_in(p, Element)), sp.default_sort_key(p))):
                holds = self.condition(part)
                if isinstance(holds, bool):
                    if holds == decisive:
                        return decisive
                else:
                    found.append(holds)
            if not found:
                return not decisive
            return reduce(lambda a, b: self.op(node, "or" if decisive else "and", a, b), found)
        if isinstance(node, sp.core.relational.Relational):
            left, right = node.args
            if not self.slots and all(map(_is_of_indices_or_labels, node.args)):
                return bool(node.func(sp.Integer(self.integer(left)), sp.Integer(self.integer(right))))
            return self.op(node, node.rel_op, self.value(left), self.value(right))
        if isinstance(node, sp.logic.boolalg.BooleanFunction):
            return self.condition(node.to_nnf(simplify=False))
        raise Unmeasured(f"the condition {node}")

    # -- operations ---------------------------------------------------------------------------------------------------
    def _cases(self, node: sp.Piecewise) -> int:
        pairs: list[tuple[int, int]] = []
        last: int | None = None
        for value, test in node.args:
            holds = self.condition(test)
            if holds is True:
                last = self.value(value)
                break
            if holds is not False:
                pairs.append((holds, self.value(value)))
        if last is None:
            last = self.writer.number(sp.nan)
        for holds, value in reversed(pairs):
            last = self.op(node, "select", holds, value, last)
        return last

    def _sum(self, node: sp.Add) -> int:
        plus = [term for term in _ordered(node) if not _is_negative(term)]
        minus = [term for term in _ordered(node) if _is_negative(term)]
        if not plus:
            total = reduce(lambda a, b: self.op(node, "add", a, b), [self.value(-term) for term in minus])
            return self.op(node, "neg", total)
        # numbers last, among themselves in float64
        parts = [self.value(t) for t in plus if not t.is_number] + [self.value(t) for t in plus if t.is_number]
        total = reduce(lambda a, b: self.op(node, "add", a, b), parts)
        return reduce(lambda a, b: self.op(node, "sub", a, b), [total, *(self.value(-term) for term in minus)])

    def _product(self, node: sp.Mul) -> int:
        where = _where(node)
        if where != sp.true:
            holds = self.condition(where)
            if holds is False:
                return self.writer.number(sp.S.Zero)
        number = sp.Mul(*(factor for factor in node.args if factor.is_Rational))
        sign, number = (-1, -number) if number.is_negative else (1, number)
        factors = sorted((f for f in node.args if not f.is_Rational), key=sp.default_sort_key)
        above: list[int] = []
        below: list[int] = []
        inverses: list[int] = []
        for factor in factors:
            if isinstance(factor, sp.Pow) and factor.exp.could_extract_minus_sign() and factor.base != sp.E:
                inverse = self._inverse(factor, factor.base, -factor.exp)
                if inverse is not None:
                    inverses += inverse
                else:
                    below.append(self._power(factor, factor.base, -factor.exp))
            else:
                above.append(self.value(factor))
        if below and not inverses:
            above = ([] if number.p == 1 and above else [self.writer.number(sp.Integer(number.p))]) + above
            below = ([] if number.q == 1 else [self.writer.number(sp.Integer(number.q))]) + below
        else:
            above = ([] if number == 1 and above else [self.writer.number(number)]) + above
        found = reduce(lambda a, b: self.op(node, "mul", a, b), above)
        if below:
            found = self.op(node, "div", found, reduce(lambda a, b: self.op(node, "mul", a, b), below))
        found = reduce(lambda a, b: self.op(node, "mul", a, b), [found, *inverses])
        return self.op(node, "neg", found) if sign < 0 else found

    def _inverse(self, node: sp.Basic, base: sp.Expr, exponent: sp.Expr) -> list[int] | None:
        """a/q² as (a·r)·r, r = 1/q."""
        times = exponent if exponent.is_Integer else 2 * exponent
        if not times.is_Integer or not 2 <= times <= 4:
            return None
        value = self.value(base) if exponent.is_Integer else self.op(node, "sqrt", self.value(base))
        return [self.op(node, "div", self.writer.number(sp.S.One), value)] * int(times)

    def _power(self, node: sp.Basic, base: sp.Expr, exponent: sp.Expr) -> int:
        if exponent == 1:
            return self.value(base)
        if base == sp.E:
            return self.op(node, "exp", self.value(exponent))
        if exponent.is_Rational and exponent.is_negative:
            inverse = self._inverse(node, base, -exponent)
            if inverse is not None:
                return self._squared(node, inverse[0], len(inverse))
            return self.op(node, "div", self.writer.number(sp.S.One), self._power(node, base, -exponent))
        if exponent.is_Integer and exponent <= 16:
            return self._squared(node, self.value(base), int(exponent))
        if exponent.is_Rational and exponent.q == 2:
            return self._squared(node, self.op(node, "sqrt", self.value(base)), int(exponent.p))
        return self.op(node, "pow", self.value(base), self.value(exponent))

    def _squared(self, node: sp.Basic, base: int, exponent: int) -> int:
        if exponent == 1:
            return base
        half = self._squared(node, base, exponent // 2)
        square = self.op(node, "mul", half, half)
        return self.op(node, "mul", square, base) if exponent % 2 else square


RECIPROCALS = {sp.cot: sp.tan, sp.sec: sp.cos, sp.csc: sp.sin, sp.coth: sp.tanh, sp.sech: sp.cosh}


@lru_cache(maxsize=1 << 14)
def _is_of_indices(node: sp.Basic) -> bool:
    """Whether a formula is a whole number of indices and sizes alone; it is computed as such."""
    return not atoms_in(node, Element) and bool(node.is_integer) and not node.has(sp.floor)


@lru_cache(maxsize=1 << 14)
def _is_of_indices_or_labels(node: sp.Basic) -> bool:
    return bool(node.is_integer) and not any(element.tensor.dtype != "integer" for element in atoms_in(node, Element))


@lru_cache(maxsize=1 << 14)
def _where(node: sp.Mul) -> sp.Basic:
    return selected(node)


@lru_cache(maxsize=1 << 14)
def _is_negative(term: sp.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


@lru_cache(maxsize=1 << 14)
def _ordered(node: sp.Basic) -> list[sp.Basic]:
    return sorted(node.args, key=sp.default_sort_key)


def _outermost(node: sp.Basic) -> Iterator[Element]:
    pending = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, Element):
            yield part
        else:
            pending.extend(part.args)
