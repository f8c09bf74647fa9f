"""Numbers as people write them: 1/10000, 0.999, 10⁻⁸, 2¹⁰⁰, and 17 significant digits where a rational is long.

In: an exact SymPy number. Out: a numerator and a denominator as notation, either of them absent where it is 1.
"""

from __future__ import annotations

import sympy as sp

from symgraph.display.notation import (
    ONE,
    Entry,
    Fraction,
    Name,
    Node,
    Number,
    Power,
    Product,
    Root,
    Total,
    negated,
    product,
)

LONGEST_FRACTION = 12
SIGNIFICANT = 17
_CONSTANTS = {
    sp.pi: Name("π", r"\pi"),
    sp.E: Name("e", "e"),
    sp.EulerGamma: Name("γ", r"\gamma"),
    sp.oo: Name("∞", r"\infty"),
}


def parts(value: sp.Number) -> tuple[Node | None, Node | None]:
    """Numerator and denominator of a positive number."""
    if isinstance(value, sp.Float):
        return _decimal(value), None
    if value == 1:
        return None, None
    p, q = int(value.p), int(value.q)
    if q == 1:
        return (_power_of_ten(p) or _power_of_two(p) or Number(str(p))), None
    if p == 1 and q <= 10**6:
        return None, Number(str(q))
    if p == 1 and _power_of_ten(q):
        return Power(Number("10"), _negative(len(str(q)) - 1)), None
    if p == 1 and _power_of_two(q):
        return Power(Number("2"), _negative(q.bit_length() - 1)), None
    if (q >= 10 and _terminates(q)) or len(str(p)) + len(str(q)) > LONGEST_FRACTION:
        return _decimal(value), None
    return Number(str(p)), Number(str(q))


def number(value: sp.Expr) -> Node:
    """A number or a named constant on its own."""
    if value in _CONSTANTS:
        return Entry(_CONSTANTS[value])
    if value == -sp.oo or value is sp.S.NegativeInfinity:
        return negated(Entry(_CONSTANTS[sp.oo]))
    if not isinstance(value, (sp.Rational, sp.Float)):
        return Entry(Name(str(value), rf"\mathrm{{{value}}}"))
    if value == 0:
        return Number("0")
    if value < 0:
        return negated(number(-value))
    numerator, denominator = parts(value)
    return Fraction(numerator or ONE, denominator) if denominator else numerator or ONE


def gather_roots(value: sp.Number, above: list[Node], below: list[Node]) -> tuple[sp.Number, list[Node], list[Node]]:
    """Square roots of numbers in one: u·√2/2 as u/√2, √2/(2·√π) as 1/√(2·π), √2/√π as √(2/π)."""
    under = [node for node in above if _is_numeric_root(node)]
    if len(under) != 1 or not isinstance(value, sp.Rational):
        return value, above, below
    radicand = _radicand(under[0])
    roots = [node for node in below if isinstance(node, Root) and node.degree == 2 and is_constant(node.base)]
    constants = product([root.base for root in roots if isinstance(root, Root)])
    others = [node for node in above if node not in under]
    rest = [node for node in below if node not in roots]
    if value.q % int(radicand) == 0:
        inside = product([Number(radicand), constants]) if roots else Number(radicand)
        return value * int(radicand), others, [Root(inside), *rest]
    if roots:
        return value, [Root(Fraction(Number(radicand), constants)), *others], rest
    return value, above, below


def is_constant(node: Node) -> bool:
    """Whether a node is written with numbers, π and such alone."""
    match node:
        case Entry(name, ()):
            return name in _CONSTANTS.values()
        case Fraction(numerator, denominator):
            return is_constant(numerator) and is_constant(denominator)
        case Root(base) | Power(base):
            return is_constant(base)
        case Product(factors):
            return all(is_constant(factor) for factor in factors)
    return isinstance(node, Number)


def _is_numeric_root(node: Node) -> bool:
    return (
        isinstance(node, Root)
        and node.degree == 2
        and isinstance(node.base, Number)
        and node.base.digits.strip("0").isdigit()
    )


def _radicand(node: Node) -> str:
    assert isinstance(node, Root) and isinstance(node.base, Number)
    return node.base.digits


def _terminates(q: int) -> bool:
    for prime in (2, 5):
        while q % prime == 0:
            q //= prime
    return q == 1


def _power_of_ten(p: int) -> Node | None:
    digits = str(p)
    if p < 10**7 or digits.strip("0") != "1":
        return None
    return Power(Number("10"), Number(str(len(digits) - 1)))


def _power_of_two(p: int) -> Node | None:
    """2^100, where the digits would be longer than those of a 64-bit integer."""
    exponent = p.bit_length() - 1
    return Power(Number("2"), Number(str(exponent))) if exponent >= 64 and p == 1 << exponent else None


def _decimal(value: sp.Number) -> Node:
    """Shortest decimal of at most 17 significant digits; small and large ones with a power of ten."""
    digits = f"{sp.Float(value, SIGNIFICANT + 3):.{SIGNIFICANT - 1}e}" if value.is_finite else str(value)
    mantissa, _, exponent = digits.partition("e")
    if not exponent:
        return Number(digits)
    power = int(exponent)
    mantissa = mantissa.rstrip("0").rstrip(".")
    if -5 < power < SIGNIFICANT:
        return Number(_plain(mantissa.replace(".", ""), power))
    scale = Power(Number("10"), Number(str(power)) if power > 0 else _negative(-power))
    return scale if mantissa == "1" else Product((Number(mantissa), scale))


def _plain(digits: str, power: int) -> str:
    """Digits d0d1d2… with the point after position ``power``."""
    if power < 0:
        return "0." + "0" * (-power - 1) + digits
    whole, rest = digits[: power + 1].ljust(power + 1, "0"), digits[power + 1 :]
    return f"{whole}.{rest}" if rest else whole


def _negative(power: int) -> Node:
    return Total(((True, Number(str(power))),))
