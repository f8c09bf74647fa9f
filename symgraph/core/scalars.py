"""Scalar functions that SymPy lacks: Kronecker's δ, and the stable forms that values are rewritten to.

Each stable form has a defining formula, so that algebra can go both ways, and SymPy differentiates it by ``fdiff``.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import sympy as sp

from symgraph.core.misuse import pass_on
from symgraph.core.provenance import at_line
from symgraph.errors import IndexNotationError


def as_formula(value: Any) -> sp.Basic:
    """A number or a SymPy object as the latter; text is never evaluated.

    Raises
    ------
    IndexNotationError
        for anything else.
    """
    try:
        return sp.sympify(value, strict=True)
    except Exception as error:  # an object's own conversion may raise anything
        pass_on(error)
        raise IndexNotationError(at_line(f"{value!r} is no number and no SymPy formula")) from None


def _is_place(side: sp.Basic) -> bool:
    return isinstance(side, sp.Expr) and side.is_commutative and not (side.is_number and side.is_real is not True)


class Delta(sp.Function):  # type: ignore[misc]
    """Kronecker's δ of two index expressions: 1 where they are equal, else 0; a factor selects (:func:`selected`)."""

    nargs = 2

    def __new__(cls, *sides: Any, **options: Any) -> Any:
        found = [side if isinstance(side, sp.Expr) else as_formula(side) for side in sides]
        if len(found) != 2 or not all(map(_is_place, found)):
            raise IndexNotationError(at_line(f"δ is of two index expressions, not of {' and '.join(map(repr, sides))}"))
        return super().__new__(cls, *found, **options)

    @classmethod
    def eval(cls, left: sp.Expr, right: sp.Expr) -> sp.Expr | None:
        difference = sp.expand(left - right)
        if difference.is_Integer:
            return sp.S.One if difference == 0 else sp.S.Zero
        if sp.default_sort_key(left) > sp.default_sort_key(right):
            return cls(right, left)
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _eval_is_nonnegative(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return sp.S.Zero

    def _eval_power(self, exponent: sp.Expr) -> sp.Expr | None:
        return self if exponent.is_Integer and exponent.is_positive else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return rf"\delta_{{{printer._print(self.args[0])},{printer._print(self.args[1])}}}"


def selected(expression: sp.Basic) -> sp.Basic:
    """Where an expression can be other than 0 by its δ: δ(m, e) as a factor selects, as {… if m = e, else 0} does.

    So a product is 0 where the δ in it is, whatever its other factors are there: δ·(1/0) is 0, not NaN.
    """
    if isinstance(expression, Delta):
        return sp.Eq(*expression.args)
    if isinstance(expression, sp.Mul):
        return sp.And(*map(selected, expression.args))
    if isinstance(expression, sp.Add):
        return sp.Or(*map(selected, expression.args))
    if isinstance(expression, sp.Pow) and expression.exp.is_positive:
        return selected(expression.base)
    return sp.true


def modulo(u: sp.Expr, v: sp.Expr) -> sp.Expr:
    """u − v·⌊u/v⌋, as NumPy's remainder; of integers, an index, SymPy's Mod."""
    return sp.Mod(u, v) if u.is_integer and v.is_integer else u - v * sp.floor(u / v)


class Uniform(sp.Function):  # type: ignore[misc]
    """The random number of (0, 1) at key, stream, step, and the place row + column (:mod:`symgraph.core.threefry`)."""

    nargs = 5

    def _sympystr(self, printer: Any) -> str:
        return f"uniform({', '.join(map(printer._print, self.args))})"

    def _eval_is_real(self) -> bool:
        return True

    def _eval_is_positive(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return sp.S.Zero


class stop_gradient(sp.Function):  # type: ignore[misc]
    """u itself, with derivative 0; a program computes u."""

    nargs = 1

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return sp.S.Zero


class Slot(sp.Symbol):
    """The place of an operand in a formula, a real or an integer."""

    def __new__(cls, position: int, integer: bool = False) -> Slot:
        facts = {"integer": True} if integer else {"real": True}
        return super().__new__(cls, f"_w{position}", **facts)  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> tuple[tuple[int, bool], dict[str, Any]]:
        return ((self.position, bool(self.is_integer)), {})

    @property
    def position(self) -> int:
        return int(self.name[2:])


@cache
def slot(position: int, integer: bool = False) -> Slot:
    """The place of operand number ``position``."""
    return Slot(position, integer)


def slots_in(formula: sp.Basic) -> list[Slot]:
    """The places of operands in a formula."""
    return sorted(formula.atoms(Slot), key=lambda found: found.position)


class Written(sp.Function):  # type: ignore[misc]
    """A formula at operands that SymPy would evaluate away: x − x and 0·x, which are NaN where x is.

    ``Written(_w0 − _w1, x, x)``: what is written is what is computed; algebra sees :meth:`plain`. Without operands,
    ``Written(x)`` is the side of a comparison that SymPy would decide: x < x + 1, which does not hold where x is NaN.
    """

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Basic | None:
        return args[0] if len(args) == 1 and args[0].is_number else None

    @property
    def operands(self) -> tuple[sp.Basic, ...]:
        return self.args[1:]  # type: ignore[no-any-return]

    def plain(self) -> sp.Expr:
        """The formula as SymPy evaluates it."""
        return self.args[0].xreplace(dict(self.bindings()))

    def bindings(self) -> list[tuple[sp.Symbol, sp.Basic]]:
        """The slots of the formula with what stands in them."""
        return [(place, self.operands[place.position]) for place in slots_in(self.args[0])] if self.operands else []

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return self.plain().diff(symbol)


def plain(body: sp.Basic) -> sp.Basic:
    """The body for algebra: what was kept as written is evaluated, but not the side of a comparison."""
    while written := {node for node in body.atoms(Written) if node.operands}:
        body = body.xreplace({node: node.plain() for node in written})
    return body


class StableFunction(sp.Function):  # type: ignore[misc]
    """A real function of one argument with a formula that defines it and a kernel that computes it well."""

    nargs = 1
    latex_symbol: ClassVar[str]

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        """The defining formula."""
        raise NotImplementedError

    def rewrite_plain(self) -> sp.Expr:
        """The defining formula at this argument."""
        return self.formula(self.args[0])

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite_plain()._eval_evalf(prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"{self.latex_symbol}\left({printer._print(self.args[0])}\right)"
        return rf"{text}^{{{exp}}}" if exp is not None else text


class sigmoid(StableFunction):
    """1/(1 + e⁻ᵘ), right for every u."""

    latex_symbol = r"\sigma"

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        return 1 / (1 + sp.exp(-u))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self * (1 - self)

    def _eval_is_positive(self) -> bool:
        return True


class softplus(StableFunction):
    """log(1 + eᵘ), right for every u (Mächler 2012)."""

    latex_symbol = r"\operatorname{softplus}"

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        return sp.log(1 + sp.exp(u))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sigmoid(self.args[0])

    def _eval_is_positive(self) -> bool:
        return True


class log1p(StableFunction):
    """log(1 + u), right near 0."""

    latex_symbol = r"\operatorname{log1p}"

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        return sp.log(1 + u)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 1 / (1 + self.args[0])


class expm1(StableFunction):
    """eᵘ − 1, right near 0."""

    latex_symbol = r"\operatorname{expm1}"

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        return sp.exp(u) - 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.exp(self.args[0])


class erfcx(StableFunction):
    """e^{u²}·erfc u, which neither factor overflows or underflows."""

    latex_symbol = r"\operatorname{erfcx}"

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        return sp.exp(u**2) * sp.erfc(u)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 2 * self.args[0] * self - 2 / sp.sqrt(sp.pi)

    def _eval_is_positive(self) -> bool:
        return True


class ndtr(StableFunction):
    """Φ(u), the normal distribution function; its lower tail to the last bit."""

    latex_symbol = r"\Phi"

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        return sp.erfc(-u / sp.sqrt(2)) / 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.exp(-(self.args[0] ** 2) / 2) / sp.sqrt(2 * sp.pi)

    def _eval_is_positive(self) -> bool:
        return True


class log_ndtr(StableFunction):
    """log Φ(u), right in both tails."""

    latex_symbol = r"\log\Phi"

    @staticmethod
    def formula(u: sp.Expr) -> sp.Expr:
        return sp.log(sp.erfc(-u / sp.sqrt(2)) / 2)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.sqrt(2 / sp.pi) / erfcx(-self.args[0] / sp.sqrt(2))

    def _eval_is_negative(self) -> bool:
        return True


class StirlingRest(sp.Function):  # type: ignore[misc]
    """What Stirling's leading terms leave of log Γ, log Γ(u) − (u − ½)·log u + u − ½·log 2π, and its derivatives.

    ``StirlingRest(n, u)`` is the n-th derivative, u > 0; it falls like 1/u^(n + 1), where the terms cancel.
    """

    nargs = 2

    def rewrite_plain(self) -> sp.Expr:
        """The defining formula at this argument."""
        order, u = self.args
        if order == 0:
            return sp.loggamma(u) - (u - sp.S.Half) * sp.log(u) + u - sp.log(2 * sp.pi) / 2
        w = sp.Dummy(positive=True)
        slope = sp.log(w) - 1 / (2 * w)
        return sp.polygamma(order - 1, u) - slope.diff(w, order - 1).subs(w, u)

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        return StirlingRest(self.args[0] + 1, self.args[1])

    def _eval_is_real(self) -> bool | None:
        return self.args[1].is_real
