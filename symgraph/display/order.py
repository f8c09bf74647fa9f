"""The order of terms and factors: what a reader expects first.

y − t                positive terms first            x·W + b              contraction before bias
∂J/∂h·h·(1 − h)      cotangent, value, difference    1 + exp(−a), y + 1   where a number stands
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from functools import cache

import sympy as sp

from symgraph.display.notation import (
    Absolute,
    Call,
    Cases,
    Entry,
    Fraction,
    Indicator,
    Kronecker,
    Name,
    Node,
    Number,
    Power,
    Product,
    Reduction,
    Root,
    Total,
    Transposed,
)  # fmt: skip
from symgraph.display.numbers import is_constant

_KIND = {
    Kronecker: 0, Indicator: 0, Entry: 2, Power: 2, Root: 2, Transposed: 2, Call: 3, Absolute: 3, Fraction: 3,
    Product: 3, Total: 4, Cases: 6, Reduction: 7,
}  # fmt: skip


class Order:
    """Sorts terms and factors; ``position`` is the place of a name in the program, ``rates`` are plain symbols."""

    def __init__(self, position: dict[Name, int], rates: Set[Name] = frozenset()) -> None:
        self.position, self.rates = position, rates

    def total(self, terms: list[tuple[bool, Node]], rank: Mapping[Node, int] | None = None) -> Node:
        """A sum of signed terms in order; ``rank`` says how many axes a term has, where its indices do not."""
        turned = any(negative for negative, _ in terms) and not all(negative for negative, _ in terms)
        number_first = turned or any(isinstance(term, (Call, Absolute)) for _, term in terms)

        loss = any(has_reduction(term) for _, term in terms)

        def key(pair: tuple[bool, Node]) -> tuple[object, ...]:
            negative, term = pair
            number = isinstance(term, Number) or (isinstance(term, Fraction) and isinstance(term.numerator, Number))
            number = number and not any(True for _ in entries(term))
            place = 0 if not number else -1 if number_first else 1
            scaled = has_coefficient(term)
            axes = (rank or {}).get(term, _rank(term))
            appearance = (scaled, not has_reduction(term), -axes, size(term))
            return loss and scaled, negative, place, *appearance, *self.of_names(term)

        return Total(tuple(sorted(terms, key=key)))

    def factors(self, factors: list[Node], free: tuple[str, ...] = ()) -> list[Node]:
        """Factors in order: numbers, scalars, elements by the letters of the left-hand side, sums last.

        For dW[i, j]: x[n, i]·g[n, j], as in the matrix product xᵀ·g.
        """
        return sorted(factors, key=lambda factor: self._factor(factor, free))

    def of_names(self, node: Node) -> tuple[object, ...]:
        """Places in the program of the names in a node; higher powers first among equals, then by their places."""
        places = tuple(self.position[entry.name] for entry in entries(node) if entry.name in self.position)
        return places, -degree(node), _digits(node)

    def _factor(self, factor: Node, free: tuple[str, ...]) -> tuple[object, ...]:
        if is_constant(factor):
            return 0, not isinstance(factor, Number), 0, ()
        kind = _KIND.get(type(factor), 5)
        inner = factor.base if isinstance(factor, (Power, Root)) else factor
        if isinstance(inner, Entry) and (inner.name.ratio or inner.name in self.rates):
            kind = 1 if inner.name.ratio else 0
        if isinstance(factor, (Power, Root)) and not isinstance(inner, Entry):
            kind = _KIND.get(type(inner), 3)
        if isinstance(inner, Call) and inner.function is sp.log:
            kind = 5
        has_indices = any(entry.indices for entry in entries(factor))
        last = isinstance(factor, (Cases, Reduction))
        return 1 + has_indices + 2 * last, _first_free(factor, free), kind, self.of_names(factor)


def parts(node: Node) -> Iterator[Node]:
    """All nodes in a node from left to right, those in indices included."""
    pending: list[object] = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, tuple):
            pending.extend(reversed(current))
        elif names := _fields(type(current)):  # type: ignore[arg-type]
            yield current  # type: ignore[misc]
            pending.extend([getattr(current, name) for name in names])


@cache
def _fields(kind: type) -> tuple[str, ...]:
    """The fields of a kind of notation, the last one first; none of anything else."""
    if not is_dataclass(kind) or kind is Name:
        return ()
    return tuple(field.name for field in reversed(fields(kind)))


def entries(node: Node) -> Iterator[Entry]:
    """The names in a node from left to right."""
    return (part for part in parts(node) if isinstance(part, Entry))


def degree(node: Node) -> int:
    """Degree of a monomial, for the order of the terms of a polynomial."""
    if isinstance(node, Power) and isinstance(node.exponent, Number) and node.exponent.digits.isdigit():
        return int(node.exponent.digits)
    if isinstance(node, Product):
        return sum(degree(factor) for factor in node.factors)
    return 0 if isinstance(node, Number) else 1


def _digits(node: Node) -> tuple[int, ...]:
    return tuple(int(part.digits) for part in parts(node) if isinstance(part, Number) and part.digits.isdigit())


def has_reduction(node: Node) -> bool:
    """Whether a term is a sum, or a product that ends in one."""
    if isinstance(node, Product):
        return node.kind == "@" or any(has_reduction(factor) for factor in node.factors)
    return isinstance(node, Reduction)


def has_coefficient(node: Node) -> bool:
    """Whether a term carries a number as its factor."""
    match node:
        case Product((Number(), *_)):
            return True
        case Product((Fraction(Number("1"), Entry()), *_)):
            return False  # a mean is no coefficient
        case Product((first, *rest), "·"):
            scalar = not any(entry.indices for entry in entries(first)) and not has_reduction(first)
            arrays = any(entry.indices for factor in rest for entry in entries(factor)) or any(map(has_reduction, rest))
            return has_coefficient(first) or (scalar and arrays)
        case Fraction(_, Number()):
            return True
        case Fraction(numerator, _):
            return has_coefficient(numerator)
    return False


def size(node: Node) -> int:
    """Number of parts of a node: the shorter term comes first."""
    return sum(1 for _ in parts(node))


def _rank(node: Node) -> int:
    """Number of different index letters: what is broadcast stands behind what it is added to."""
    return len({index for entry in entries(node) for index in entry.indices})


def _first_free(node: Node, free: tuple[str, ...]) -> int:
    found = [free.index(entry.name.text) for entry in entries(node) if entry.name.text in free and not entry.indices]
    return min(found, default=len(free))
