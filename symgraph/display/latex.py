"""Notation as LaTeX for amsmath: ``\\sum_{n} x_{n,i}\\,\\frac{\\partial J}{\\partial a_{n,j}}``."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from symgraph.display.latex_names import latex_function
from symgraph.display.notation import (
    Absolute,
    Call,
    Cases,
    Entry,
    Fraction,
    Indicator,
    Kronecker,
    Logic,
    Name,
    Node,
    Number,
    Partial,
    Power,
    Product,
    Reduction,
    Relation,
    Root,
    Total,
    Transposed,
)  # fmt: skip
from symgraph.display.text import ATOM, POWER, PRODUCT, level_of

_RELATION = {"<": "<", "≤": r"\leq", ">": ">", "≥": r"\geq", "=": "=", "≠": r"\neq"}
_LOGIC = {"and": r"\land", "or": r"\lor"}
_SEPARATOR = {"·": r" \, ", "⊙": r" \odot ", "@": r" \, "}
_OPERATOR = {
    "sum": r"\sum",
    "max": r"\max",
    "min": r"\min",
    "argmax": r"\operatorname*{arg\,max}",
    "argmin": r"\operatorname*{arg\,min}",
}
_NAMED = {"max": r"\max", "min": r"\min"}


def latex(node: Node) -> str:
    """The node as an amsmath formula without delimiters."""
    return _Latex().write(node)


class _Latex:
    def write(self, node: Node) -> str:
        match node:
            case Number(digits):
                return digits
            case Entry(name, indices):
                return self._entry(name, indices)
            case Total(terms):
                return self._total(terms)
            case Product(factors, kind):
                return self._product(factors, kind)
            case Fraction(numerator, denominator, elementwise):
                if elementwise:
                    return rf"{self.inside(numerator, PRODUCT)} \oslash {self.inside(denominator, POWER)}"
                return rf"\frac{{{self.write(numerator)}}}{{{self.write(denominator)}}}"
            case Power(base, exponent, elementwise):
                return self._power(base, exponent, elementwise)
            case Root(base, degree):
                index = f"[{degree}]" if degree > 2 else ""
                return rf"\sqrt{index}{{{self.write(base)}}}"
            case Call(function, arguments):
                return self._call(function, arguments)
            case Absolute(inner, norm):
                left, right = (r"\lVert", r"\rVert") if norm else (r"\lvert", r"\rvert")
                return rf"\left{left} {self.write(inner)} \right{right}"
            case Kronecker(left, right):
                return rf"\delta_{{{self.write(left)},\,{self.write(right)}}}"
            case Relation(operator, left, right):
                return f"{self.write(left)} {_RELATION[operator]} {self.write(right)}"
            case Logic("not", (part,)):
                return rf"\lnot {_parenthesised(self.write(part))}"
            case Logic(operator, parts):
                return f" {_LOGIC[operator]} ".join(self._condition(part) for part in parts)
            case Indicator(condition):
                return rf"\mathbf{{1}}\left[{self.write(condition)}\right]"
            case Cases(branches):
                return self._cases(branches)
            case Reduction(op, letters, body):
                under = ",".join(map(self.write, letters))
                return rf"{_OPERATOR[op]}_{{{under}}} {self.inside(body, PRODUCT)}"
            case Transposed(inner):
                return rf"{self._superscripted(inner)}^{{\top}}"
            case Partial(value, variable):
                return rf"\frac{{\partial {self.write(value)}}}{{\partial {self.write(variable)}}}"

    def inside(self, node: Node, level: int) -> str:
        """The node with parentheses where it binds more loosely than ``level``."""
        return self.write(node) if level_of(node) >= level else _parenthesised(self.write(node))

    def _entry(self, name: Name, indices: tuple[Node, ...]) -> str:
        if name.ratio is not None and indices:
            loss, of = name.ratio
            inner = self._entry(of, indices)
            return rf"\frac{{\partial {loss.latex}}}{{\partial {inner if of.ratio is None else _parenthesised(inner)}}}"
        if not indices:
            return name.latex
        under = ",".join(self.write(index) for index in indices)
        if any(c in name.latex for c in "_^'"):
            return rf"({name.latex})_{{{under}}}"
        return f"{name.latex}_{{{under}}}"

    def _total(self, terms: tuple[tuple[bool, Node], ...]) -> str:
        parts = []
        for position, (negative, term) in enumerate(terms):
            sign = ("-" if negative else "") if position == 0 else (" - " if negative else " + ")
            parts.append(sign + self.inside(term, PRODUCT))
        return "".join(parts)

    def _product(self, factors: tuple[Node, ...], kind: str) -> str:
        shown = []
        for position, factor in enumerate(factors):
            last = position == len(factors) - 1
            closed = isinstance(factor, Total) or (isinstance(factor, (Reduction, Cases)) and not last)
            closed = closed or (isinstance(factor, Product) and factor.kind != kind and kind != "·")
            closed = closed or (isinstance(factor, Fraction) and factor.elementwise)
            written = self.write(factor)
            shown.append(_parenthesised(written) if closed else written)
        separator = _SEPARATOR[kind]
        if kind == "·" and all(isinstance(factor, Number) or _is_ten(factor) for factor in factors):
            separator = r" \cdot "
        return separator.join(shown)

    def _power(self, base: Node, exponent: Node, elementwise: bool) -> str:
        mark = r"\odot " if elementwise else ""
        function = isinstance(base, Call) and isinstance(base.function, type) and base.function is not sp.exp
        if isinstance(base, Call) and function and not elementwise:
            return self._call(base.function, base.arguments, self.write(exponent))
        return f"{self._superscripted(base)}^{{{mark}{self.write(exponent)}}}"

    def _superscripted(self, base: Node) -> str:
        """A base that takes a superscript: an entry as it is, what has one already or is composed in parentheses."""
        written = self.write(base)
        plain = isinstance(base, Number) or (isinstance(base, Entry) and base.name.ratio is None and "^" not in written)
        plain = plain and (not written.endswith("'"))
        return written if plain or isinstance(base, Absolute) else _parenthesised(written)

    def _call(self, function: type[sp.Basic] | str, arguments: tuple[Node, ...], exponent: str = "") -> str:
        if function is sp.exp:
            return self._exponential(arguments[0])
        name = _NAMED.get(function) if isinstance(function, str) else _function(function)
        name = name or rf"\operatorname{{{function}}}"
        power = f"^{{{exponent}}}" if exponent else ""
        argument = arguments[0]
        if function in (sp.floor, sp.ceiling):
            left, right = ("lfloor", "rfloor") if function is sp.floor else ("lceil", "rceil")
            return rf"\left\{left} {self.write(argument)} \right\{right}{power}"
        bare = name == r"\log" and isinstance(argument, Entry) and argument.name.ratio is None
        shown = ", ".join(self.write(inner) for inner in arguments)
        return f"{name}{power} {shown}" if bare else f"{name}{power}{_parenthesised(shown)}"

    def _exponential(self, argument: Node) -> str:
        shown = self.write(argument)
        tall = any(mark in shown for mark in (r"\frac", r"\sum", r"\begin"))
        return rf"\exp{_parenthesised(shown)}" if tall else f"e^{{{shown}}}"

    def _condition(self, part: Node) -> str:
        return _parenthesised(self.write(part)) if isinstance(part, Logic) else self.write(part)

    def _cases(self, branches: Sequence[tuple[Node, Node | None]]) -> str:
        lines = []
        for value, condition in branches:
            when = r"\text{otherwise}" if condition is None else rf"\text{{if }} {self.write(condition)}"
            lines.append(f"{self.write(value)} & {when}")
        return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"


def _function(function: type[sp.Basic]) -> str:
    if function is sp.Mod:
        return r"\operatorname{mod}"
    return getattr(function, "latex_symbol", None) or latex_function(function)


def _is_ten(node: Node) -> bool:
    return isinstance(node, Power) and node.base == Number("10") and level_of(node.base) == ATOM


def _parenthesised(text: str) -> str:
    return rf"\left({text}\right)"
