"""Notation as Unicode text: ``∂J/∂W1[i, j] = Σ_n x[n, i]·∂J/∂a1[n, j] + W1[i, j]/10000``."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.display.notation import (
    BRACKETS,
    ONE,
    Absolute,
    Call,
    Cases,
    Entry,
    Fraction,
    Indicator,
    Kronecker,
    Logic,
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

TOTAL, PRODUCT, POWER, ATOM = 1, 2, 3, 4
_SUPERSCRIPT = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SEPARATOR = {"·": "·", "⊙": " ⊙ ", "@": "·"}
_FUNCTIONS = {"sigmoid": "σ", "Abs": "abs", "Mod": "mod"}


def text(node: Node) -> str:
    """The node as one line."""
    return _Text().write(node)


class _Text:
    def write(self, node: Node) -> str:
        match node:
            case Number(digits):
                return digits
            case Entry(name, indices):
                return f"{name.text}[{self._list(indices)}]" if indices else name.text
            case Total(terms):
                return self._total(terms)
            case Product(factors, kind):
                return self._product(factors, kind)
            case Fraction(numerator, denominator, elementwise):
                sign = " ⊘ " if elementwise else "/"
                return f"{self._numerator(numerator)}{sign}{self._denominator(denominator)}"
            case Power(base, exponent, elementwise):
                return self._power(base, exponent, elementwise)
            case Root(base, degree):
                sign = {2: "√", 3: "∛", 4: "∜"}.get(degree, f"root{degree}")
                return sign + (self.write(base) if self._is_atom(base) else f"({self.write(base)})")
            case Call(function, arguments):
                called = function if isinstance(function, str) else function.__name__
                left, right = BRACKETS.get(called, (f"{_FUNCTIONS.get(called, called)}(", ")"))
                return f"{left}{self._list(arguments)}{right}"
            case Absolute(inner, norm):
                return f"‖{self.write(inner)}‖" if norm else f"|{self.write(inner)}|"
            case Kronecker(left, right):
                return f"δ[{self.write(left)} = {self.write(right)}]"
            case Relation(operator, left, right):
                return f"{self.write(left)} {operator} {self.write(right)}"
            case Logic("not", (part,)):
                return f"not ({self.write(part)})"
            case Logic(operator, parts):
                return f" {operator} ".join(self._condition(part) for part in parts)
            case Indicator(condition):
                return f"1[{self.write(condition)}]"
            case Cases(branches):
                return self._cases(branches)
            case Reduction(op, letters, body):
                return f"{self._operator(op, letters)} {self.inside(body, PRODUCT)}"
            case Transposed(inner):
                return f"{self.inside(inner, ATOM)}ᵀ"
            case Partial(value, variable):
                return f"∂{self.write(value)}/∂{self.write(variable)}"

    def inside(self, node: Node, level: int) -> str:
        """The node with parentheses where it binds more loosely than ``level``."""
        shown = self.write(node)
        return shown if level_of(node) >= level else f"({shown})"

    def _list(self, nodes: Sequence[Node]) -> str:
        return ", ".join(self.write(node) for node in nodes)

    def _total(self, terms: tuple[tuple[bool, Node], ...]) -> str:
        parts = []
        for position, (negative, term) in enumerate(terms):
            sign = ("−" if negative else "") if position == 0 else (" − " if negative else " + ")
            parts.append(sign + self.inside(term, PRODUCT))
        return "".join(parts)

    def _product(self, factors: tuple[Node, ...], kind: str) -> str:
        *front, last = factors
        if isinstance(last, Total) and len(front) == 1 and isinstance(front[0], Fraction) and front[0].numerator == ONE:
            return f"({self.write(last)})/{self._denominator(front[0].denominator)}"
        shown = []
        for factor in front:
            closed = isinstance(factor, (Reduction, Total, Fraction))
            closed = closed or (isinstance(factor, Product) and factor.kind != kind)
            written = self.write(factor)
            shown.append(f"({written})" if closed else written)
        tail = isinstance(last, (Total, Fraction)) or (isinstance(last, Product) and last.kind != kind and kind != "·")
        shown.append(f"({self.write(last)})" if tail else self.write(last))
        return _SEPARATOR[kind].join(shown)

    def _numerator(self, node: Node) -> str:
        if isinstance(node, Entry) and node.name.ratio:
            return f"({self.write(node)})"
        written = self.write(node)
        return f"({written})" if isinstance(node, (Total, Fraction, Reduction)) or _ends_open(node) else written

    def _denominator(self, node: Node) -> str:
        if isinstance(node, Reduction) and isinstance(node.body, (Entry, Call, Power)):
            return self.write(node)
        return self.inside(node, POWER) if not _is_ratio(node) else f"({self.write(node)})"

    def _power(self, base: Node, exponent: Node, elementwise: bool) -> str:
        shown = self.write(base) if self._is_atom(base) else f"({self.write(base)})"
        power = self.write(exponent)
        if elementwise:
            return f"{shown}^⊙{power if power.isdigit() else f'({power})'}"
        if power.lstrip("−").isdigit():
            return shown + power.translate(_SUPERSCRIPT)
        return f"{shown}^{power if self._is_atom(exponent) else f'({power})'}"

    def _is_atom(self, node: Node) -> bool:
        return level_of(node) == ATOM and not _is_ratio(node)

    def _condition(self, part: Node) -> str:
        return f"({self.write(part)})" if isinstance(part, Logic) else self.write(part)

    def _cases(self, branches: tuple[tuple[Node, Node | None], ...]) -> str:
        parts = [self.write(v) + (f" if {self.write(c)}" if c is not None else "") for v, c in branches]
        if branches[-1][1] is None:
            parts[-1] = f"else {parts[-1]}"
        return f"{{{', '.join(parts)}}}"

    def _operator(self, op: str, letters: tuple[Node, ...]) -> str:
        sign = "Σ" if op == "sum" else op
        under = ",".join(self.write(node) for node in letters)
        return f"{sign}_{under}" if len(letters) == 1 else f"{sign}_{{{under}}}"


def level_of(node: Node) -> int:
    """How tightly a node binds."""
    match node:
        case Total() | Relation() | Logic():
            return TOTAL
        case Product() | Fraction() | Reduction() | Partial():
            return PRODUCT
        case Power() | Root() | Transposed():
            return POWER
        case _:
            return ATOM


def _is_ratio(node: Node) -> bool:
    return isinstance(node, Entry) and node.name.ratio is not None


def _ends_open(node: Node) -> bool:
    return isinstance(node, Product) and isinstance(node.factors[-1], (Reduction, Fraction))
