"""Notation as MathML Core, which browsers set without anything else: ``<mfrac>…</mfrac>``.

In: notation, as for text and LaTeX. Out: markup, in which each entry carries its name: ``<mrow data-v="h">…</mrow>``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import sympy as sp

from symgraph.display.notation import (
    BRACKETS,
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
from symgraph.display.text import POWER, PRODUCT, level_of
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.words import Say, english

_LOGIC = {"and": "∧", "or": "∨"}
_SEPARATOR = {"·": "\u2062", "⊙": "⊙", "@": "\u2062"}
_FUNCTIONS = {"sigmoid": "σ", "loggamma": "log Γ", "Mod": "mod"}
_OPERATORS = {"sum": "∑", "argmax": "arg max", "argmin": "arg min"}
_ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~", "dot": "˙", "vec": "→"}
_TALL = (Fraction, Reduction, Cases)


def mathml(*nodes: Node | Markup, block: bool = False, say: Say = english) -> Markup:
    """Nodes in a row as one formula; ``block`` on a line of its own. Operators between them come as markup.

    The row is one element, for browsers may break lines between those that stand in ``math`` itself, as Firefox does.
    """
    inside = _row([node if isinstance(node, Markup) else _MathML(say).write(node) for node in nodes])
    return element("math", inside, display="block" if block else "inline", displaystyle="true")


def operator(sign: str) -> Markup:
    """A sign between two nodes."""
    return element("mo", sign)


@lru_cache(maxsize=4096)
def name_markup(name: str) -> Markup:
    """MathML of a name as users type it: ``W1`` has a subscript, ``lambda`` is λ, ``hidden`` is upright."""
    if any(c in name for c in "\\^{}"):
        return element("mtext", name)
    *path, last = name.split(".") if not name.startswith(".") and not name.endswith(".") else [name]
    stem, *rest = last.rstrip("'′").strip("_").split("_") if last.strip("_'′") else [last]
    primes = "′" * (len(last) - len(last.rstrip("'′")))
    letters = stem.rstrip("0123456789") or stem
    under = [stem[len(letters) :], *(part for part in rest if part not in _ACCENTS), *path]
    base = _word(letters)
    for accent in rest:
        if accent in _ACCENTS:
            base = element("mover", base, element("mo", _ACCENTS[accent]), accent="true")
    below = [element("mn", part) if part.isdigit() else _word(part) for part in under if part]
    if below and primes:
        return element("msubsup", base, _row(_separated(below)), element("mo", primes))
    if primes:
        return element("msup", base, element("mo", primes))
    return element("msub", base, _row(_separated(below))) if below else base


def _word(word: str) -> Markup:
    """A letter in italics, a Greek letter by its name, a word upright."""
    size, spoken = ("CAPITAL", word) if word[:1].isupper() else ("SMALL", "epsilon" if word == "eps" else word)
    try:
        return element("mi", unicodedata.lookup(f"GREEK {size} LETTER {spoken.upper().replace('LAMBDA', 'LAMDA')}"))
    except KeyError:
        return element("mi", word, mathvariant="normal" if len(word) > 1 else None)


class _MathML:
    def __init__(self, say: Say) -> None:
        self.say = say

    def write(self, node: Node) -> Markup:
        match node:
            case Number(digits):
                return element("mn", digits)
            case Entry(name, indices):
                return self._entry(name, indices)
            case Total(terms):
                return self._total(terms)
            case Product(factors, kind):
                return self._product(factors, kind)
            case Fraction(numerator, denominator, elementwise):
                if elementwise:
                    below = self.inside(denominator, POWER)
                    return _row([self.inside(numerator, PRODUCT), operator("⊘"), below])
                return element("mfrac", self.write(numerator), self.write(denominator))
            case Power(base, exponent, elementwise):
                mark = operator("⊙") if elementwise else Markup()
                return self._raised(base, _row([joined(mark, self.write(exponent))]))
            case Root(base, 2):
                return element("msqrt", self.write(base))
            case Root(base, degree):
                return element("mroot", self.write(base), element("mn", degree))
            case Call(function, arguments):
                return self._call(function, arguments)
            case Absolute(inner, norm):
                return _row([_fence("‖" if norm else "|"), self.write(inner), _fence("‖" if norm else "|")])
            case Kronecker(left, right):
                pair = _separated([self.write(left), self.write(right)])
                return element("msub", element("mi", "δ"), _row(pair))
            case Relation(sign, left, right):
                return _row([self.write(left), operator(sign), self.write(right)])
            case Logic("not", (part,)):
                return _row([operator("¬"), _parenthesised(self.write(part))])
            case Logic(joint, parts):
                return _row(_separated([self._condition(part) for part in parts], _LOGIC[joint]))
            case Indicator(condition):
                one = element("mn", "1", mathvariant="bold")
                return _row([one, _fence("["), self.write(condition), _fence("]")])
            case Cases(branches):
                return self._cases(branches)
            case Reduction(op, letters, body):
                return _row([self._operator(op, letters), self.inside(body, PRODUCT)])
            case Transposed(inner):
                return element("msup", self._superscripted(inner), element("mo", "⊤"))
            case Partial(value, variable):
                return element("mfrac", *(_row([_partial(), self.write(part)]) for part in (value, variable)))

    def inside(self, node: Node, level: int) -> Markup:
        """The node with parentheses where it binds more loosely than ``level``."""
        return self.write(node) if level_of(node) >= level else _parenthesised(self.write(node))

    def _entry(self, name: Name, indices: tuple[Node, ...], power: Markup | None = None) -> Markup:
        shown = self._named(name, _separated([self.write(index) for index in indices]))
        if power is not None:
            inside = Markup(shown.removeprefix("<msub>").removesuffix("</msub>"))
            shown = element("msubsup" if shown.startswith("<msub>") else "msup", inside, power)
        return element("mrow", shown, data_v=name.text)

    def _raised(self, base: Node, power: Markup) -> Markup:
        """A power; over its indices where an entry has some."""
        if isinstance(base, Entry) and base.name.ratio is None and "<msup" not in self._entry(base.name, base.indices):
            return self._entry(base.name, base.indices, power)
        return element("msup", self._superscripted(base), power)

    def _named(self, name: Name, under: Sequence[Markup]) -> Markup:
        if name.ratio is not None:
            loss, of = name.ratio
            if loss.ratio is not None:
                return self._higher(name, under)
            above = self._named(loss, ())
            below = self._named(of, under)
            if of.ratio is not None:
                below = _parenthesised(below)
            return element("mfrac", _row([_partial(), above]), _row([_partial(), below]))
        shown = name_markup(name.text)
        if not under:
            return shown
        is_single = shown.startswith(("<mi", "<mtext"))
        return element("msub", shown if is_single else _parenthesised(shown), _row(under))

    def _higher(self, name: Name, under: Sequence[Markup]) -> Markup:
        """∂²z/∂x² and ∂²z/(∂y ∂x) of a derivative of a derivative; indices are those of the last variable."""
        variables: list[Name] = []
        while name.ratio is not None:
            name, of = name.ratio
            variables.append(of)
        order = element("mn", str(len(variables)))
        above = _row([element("msup", _partial(), order), self._named(name, ())])
        if not under and len({of.text for of in variables}) == 1:
            return element("mfrac", above, _row([_partial(), element("msup", self._variable(variables[0], ()), order)]))
        below = [(_partial(), self._variable(of, under if n == 0 else ())) for n, of in enumerate(variables)]
        return element("mfrac", above, _row([part for pair in below for part in pair]))

    def _variable(self, of: Name, under: Sequence[Markup]) -> Markup:
        shown = self._named(of, under)
        return _parenthesised(shown) if of.ratio else shown

    def _total(self, terms: tuple[tuple[bool, Node], ...]) -> Markup:
        parts: list[Markup] = []
        for position, (negative, term) in enumerate(terms):
            if negative or position:
                parts.append(element("mo", "−" if negative else "+", form="infix" if position else "prefix"))
            parts.append(self.inside(term, PRODUCT))
        return _row(parts)

    def _product(self, factors: tuple[Node, ...], kind: str) -> Markup:
        shown = []
        for position, factor in enumerate(factors):
            last = position == len(factors) - 1
            closed = isinstance(factor, Total) or (isinstance(factor, (Reduction, Cases)) and not last)
            closed = closed or (isinstance(factor, Product) and factor.kind != kind and kind != "·")
            closed = closed or (isinstance(factor, Fraction) and factor.elementwise)
            written = self.write(factor)
            shown.append(_parenthesised(written) if closed else written)
        digits = all(isinstance(factor, Number | Power) for factor in factors)
        return _row(_separated(shown, "·" if digits else _SEPARATOR[kind]))

    def _superscripted(self, base: Node) -> Markup:
        written = self.write(base)
        plain = isinstance(base, Number | Absolute) or (isinstance(base, Entry) and base.name.ratio is None)
        return written if plain and "<msup" not in written else _parenthesised(written)

    def _call(self, function: type[sp.Basic] | str, arguments: tuple[Node, ...]) -> Markup:
        if function is sp.exp and not _is_tall(arguments[0]):
            return element("msup", element("mi", "e"), self.write(arguments[0]))
        called = function if isinstance(function, str) else function.__name__
        inside = _row(_separated([self.write(argument) for argument in arguments]))
        if called in BRACKETS:
            left, right = BRACKETS[called]
            return _row([_fence(left), inside, _fence(right)])
        return _row([element("mi", _FUNCTIONS.get(called, called)), operator("\u2061"), _parenthesised(inside)])

    def _operator(self, op: str, letters: Sequence[Node]) -> Markup:
        large = "true" if op == "sum" else None
        sign = element("mo", _OPERATORS.get(op, op), movablelimits="false", largeop=large)
        return element("munder", sign, _row(_separated([self.write(part) for part in letters])))

    def _condition(self, part: Node) -> Markup:
        return _parenthesised(self.write(part)) if isinstance(part, Logic) else self.write(part)

    def _cases(self, branches: Sequence[tuple[Node, Node | None]]) -> Markup:
        rows = []
        for value, condition in branches:
            said = element("mtext", self.say("otherwise") if condition is None else self.say("if") + "\u00a0")
            when = said if condition is None else _row([said, self.write(condition)])
            cells = (element("mtd", part, style="text-align:left") for part in (self.write(value), when))
            rows.append(element("mtr", *cells))
        return _row([_fence("{"), element("mtable", *rows)])


def _is_tall(node: Any) -> bool:
    if isinstance(node, _TALL) or (isinstance(node, Entry) and node.name.ratio is not None):
        return True
    parts = node if isinstance(node, tuple) else [getattr(node, slot) for slot in getattr(node, "__slots__", ())]
    return any(_is_tall(part) for part in parts if isinstance(part, tuple) or hasattr(part, "__slots__"))


def _row(parts: Iterable[Markup]) -> Markup:
    found = list(parts)
    return found[0] if len(found) == 1 else element("mrow", *found)


def _separated(parts: Sequence[Markup], sign: str = ",") -> list[Markup]:
    space = {"lspace": "0", "rspace": "0.17em"} if sign in (",", "\u2062") else {}
    between = element("mo", sign, **space)
    return [piece for part in parts for piece in (between, part)][1:]


def _fence(sign: str) -> Markup:
    return element("mo", sign, fence="true", stretchy="true")


def _parenthesised(inside: Markup) -> Markup:
    return joined(element("mrow", _fence("("), inside, _fence(")")))


def _partial() -> Markup:
    return element("mo", "∂", lspace="0", rspace="0")
