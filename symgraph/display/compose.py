"""Composing notation: signs leave products and sums, fractions stay low, {1 if c, else 0} is an indicator."""

from __future__ import annotations

from typing import Any

from symgraph.display.notation import (
    ONE,
    ZERO,
    Cases,
    Entry,
    Fraction,
    Indicator,
    Name,
    Node,
    Number,
    Product,
    Reduction,
    Total,
    negated,
    product,
)


def reduction(op: str, letters: tuple[Node, ...], body: Node) -> Node:
    """A reduction; a minus sign leaves a sum, and sums of sums are one."""
    sign, inner = unsigned(body) if op == "sum" else (1, body)
    if op == "sum" and isinstance(inner, Reduction) and inner.op == "sum":
        letters, inner = (*letters, *inner.letters), inner.body
    node = Reduction(op, letters, inner)
    return node if sign > 0 else negated(node)


def unsigned(node: Node) -> tuple[int, Node]:
    """A sign, and what is left without it; a difference keeps its signs."""
    if isinstance(node, Total) and all(negative for negative, _ in node.terms):
        return -1, negated(node)
    return 1, node


def quotient(above: list[Node], below: list[Node]) -> Node:
    """A product over a product; what ends in a big operator stands behind its fraction: 1/N·Σ…"""
    if not below:
        return product(above)
    scalar = [is_scalar(factor) for factor in above]
    outside = any(is_large(factor) for factor in above) and all(is_scalar(factor) for factor in below)
    large = [f for f, plain in zip(above, scalar, strict=True) if (not plain if outside else is_large(f))]
    small = [factor for factor in above if factor not in large]
    fraction = Fraction(product(small), product(below))
    return product([fraction, *large])


def is_large(node: Node) -> bool:
    """Whether a factor is too tall or too long for a numerator: a big operator, a sum of such, branches."""
    if isinstance(node, Total):
        return any(is_large(term) for _, term in node.terms)
    if isinstance(node, Entry):
        return node.name.ratio is not None
    return isinstance(node, (Reduction, Cases)) or (isinstance(node, Product) and is_large(node.factors[0]))


def is_scalar(node: Node) -> bool:
    """Whether a factor is a number or a symbol such as N."""
    return isinstance(node, Number) or (isinstance(node, Entry) and not node.indices and node.name.ratio is None)


def is_numeric(node: Node) -> bool:
    """Whether it is a number, a sign before it included."""
    if isinstance(node, Total):
        return len(node.terms) == 1 and is_numeric(node.terms[0][1])
    if isinstance(node, Fraction):
        return is_numeric(node.numerator) and is_numeric(node.denominator)
    return isinstance(node, Number)


def cases(branches: list[tuple[Node, Node | None]]) -> Node:
    """Branches; {1 if c, else 0} is an indicator."""
    if len(branches) == 2 and branches[1] == (ZERO, None) and branches[0][0] == ONE and branches[0][1] is not None:
        return Indicator(branches[0][1])
    return Cases(tuple(branches))


def replaced(node: Any, rule: dict[Node, Node]) -> Any:
    """The node, or a field of one, with parts replaced."""
    if isinstance(node, tuple):
        return tuple(replaced(part, rule) for part in node)
    if not hasattr(node, "__slots__") or isinstance(node, (Name, str, type)):
        return node
    if node in rule:
        return rule[node]
    fields = {slot: getattr(node, slot) for slot in node.__slots__}
    changed = {slot: replaced(value, rule) for slot, value in fields.items()}
    return node if changed == fields else type(node)(**changed)
