"""Notation: what is written on paper, before it is text or LaTeX.

In: nothing. Out: a small tree whose nodes are what a reader sees, with order, signs and fractions already decided::

    Fraction(Total(((False, y[n, k]), (True, t[n, k]))), N)      →      (y[n, k] − t[n, k])/N
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sympy as sp


@dataclass(frozen=True, slots=True)
class Name:
    """A name in text and in LaTeX; for a cotangent ∂J/∂X the names of J and X."""

    text: str
    latex: str
    ratio: tuple[Name, Name] | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is not negative, as its digits are written."""

    digits: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A name, with the indices of one of its elements or without any."""

    name: Name
    indices: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Total:
    """Signed terms; the flag says whether a term is subtracted. One subtracted term alone is a negation."""

    terms: tuple[tuple[bool, Node], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """``·`` of numbers, ``⊙`` element-wise, ``@`` of matrices (written as a plain product)."""

    factors: tuple[Node, ...]
    kind: Literal["·", "⊙", "@"] = "·"


@dataclass(frozen=True, slots=True)
class Fraction:
    """A quotient; ``elementwise`` where the denominator is an array."""

    numerator: Node
    denominator: Node
    elementwise: bool = False


@dataclass(frozen=True, slots=True)
class Power:
    """A power; ``elementwise`` where the base is an array."""

    base: Node
    exponent: Node
    elementwise: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    """A square root, or one of higher degree."""

    base: Node
    degree: int = 2


@dataclass(frozen=True, slots=True)
class Call:
    """A function by its SymPy class, or by a name, applied to arguments."""

    function: type[sp.Basic] | str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Absolute:
    """|u|, or the norm ‖u‖."""

    inner: Node
    norm: bool = False


@dataclass(frozen=True, slots=True)
class Kronecker:
    """δ, 1 where both sides are equal."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Relation:
    """A comparison."""

    operator: Literal["<", "≤", ">", "≥", "=", "≠"]
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined."""

    operator: Literal["and", "or", "not"]
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Indicator:
    """1 where the condition holds, else 0."""

    condition: Node


@dataclass(frozen=True, slots=True)
class Cases:
    """The first branch whose condition holds; None is "otherwise"."""

    branches: tuple[tuple[Node, Node | None], ...]


@dataclass(frozen=True, slots=True)
class Reduction:
    """``sum``, ``max``, … over letters."""

    op: str
    letters: tuple[Node, ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Transposed:
    """A transpose."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Partial:
    """∂f/∂x of a value with respect to a value, in a chain rule."""

    value: Entry
    variable: Entry


Node = (
    Number | Entry | Total | Product | Fraction | Power | Root | Call | Absolute | Kronecker | Relation | Logic
    | Indicator | Cases | Reduction | Transposed | Partial
)  # fmt: skip

ONE = Number("1")
ZERO = Number("0")


def letter(text: str) -> Entry:
    """An index letter."""
    return Entry(Name(text, text))


def negated(node: Node) -> Node:
    """−u, with the signs of a sum turned and the positive terms first."""
    if isinstance(node, Total):
        terms = tuple((not negative, term) for negative, term in node.terms)
        ordered = tuple(sorted(terms, key=lambda pair: pair[0]))
        return ordered[0][1] if len(ordered) == 1 and not ordered[0][0] else Total(ordered)
    return Total(((True, node),))


def product(factors: list[Node], kind: Literal["·", "⊙", "@"] = "·") -> Node:
    """The product of any number of factors; a product of the same kind inside is flattened."""
    flat: list[Node] = []
    for factor in factors:
        flat.extend(factor.factors if isinstance(factor, Product) and factor.kind == kind else (factor,))
    if not flat:
        return ONE
    return flat[0] if len(flat) == 1 else Product(tuple(flat), kind)

BRACKETS = {"floor": ("⌊", "⌋"), "ceiling": ("⌈", "⌉")}
"""What stands around the argument of a function instead of its name."""
