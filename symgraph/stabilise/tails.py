"""Sums of functions that go to numbers which cancel, by what each of them lacks to its number.

    erf a − tanh b        =   2·σ(−2b) − erfc a                 where a and b > 1,   and so mirrored
    atan a − (π/2)·erf b  =   (π/2)·erfc b − atan(1/a)
    e^{−a} + tanh² a − 1  =   e^{−a} − t·(2 − t),  t = 2·σ(−2a)
    log erf a             =   log1p(−erfc a)                    where a > 1
    −a² − log erfc a      =   −log erfcx a                      where a > 1
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.cost import multiplied_out
from symgraph.core.scalars import Written, erfcx, log1p, log_ndtr, ndtr, sigmoid, slot

MOST_POWER = 4
Tail = Callable[[sp.Expr], sp.Expr]
TAILS: dict[type[sp.Basic], tuple[sp.Expr, sp.Expr, Tail]] = {
    sp.erf: (sp.S.One, -sp.S.One, sp.erfc),
    sp.tanh: (sp.S.One, -sp.S.One, lambda u: 2 * sigmoid(-2 * u)),
    sp.atan: (sp.pi / 2, -sp.pi / 2, lambda u: sp.atan(1 / u)),
    sigmoid: (sp.S.One, sp.S.Zero, lambda u: sigmoid(-u)),
    ndtr: (sp.S.One, sp.S.Zero, lambda u: ndtr(-u)),
}
"""What a function f goes to at +∞ and at −∞, and the first less f(u), which is f(−u) less the second."""


def by_tails(total: sp.Expr) -> sp.Expr | None:
    """A sum in which something cancels of what its functions go to on one side, by their tails; None for any other."""
    terms = sp.Add.make_args(total)
    found = {term: part for term in terms if (part := _of_function(term)) is not None}
    rest = sp.Add(*(term for term in terms if term not in found))
    branches = []
    for side in (1, -1) if found else ():
        limits, tails = zip(*(_apart(*part, side) for part in found.values()), strict=True)
        constant = multiplied_out(rest + sp.Add(*limits))
        left = 0 if constant == 0 else len(sp.Add.make_args(constant))
        several = len({(f.func, n) for _, f, n in found.values()}) > 1
        alone = len(found) == 1 and not any(part.has(sp.tanh, sigmoid) for part in found)
        if left <= len(terms) - 2 and (left or several or alone):  # 1 − tanh², and atan a − atan b, have better forms
            reached = [side * f.args[0] > 1 for _, f, _ in found.values()]
            branches.append((constant + sp.Add(*tails), sp.And(*reached)))
    return Cases(*branches, (total, True)) if branches else None


def log_by_tail(logarithm: sp.Expr) -> sp.Expr | None:
    """log f(u) as log1p of what f(u) lacks to 1, where u > 1."""
    (function,) = logarithm.args
    if function.func not in TAILS or TAILS[function.func][0] != 1:
        return None
    (u,) = function.args
    return Cases((log1p(-TAILS[function.func][2](u)), u > 1), (logarithm, True))


def without_falling(total: sp.Expr) -> sp.Expr | None:
    """A sum with log erfc(u) as log erfcx(u) − u² where u > 1, and log Φ so where u < −1, if u² cancels."""
    for term in sp.Add.make_args(total):
        for kernel in (factor for factor in sp.Mul.make_args(term) if _is_of_tail(factor)):
            (inside,) = kernel.args if isinstance(kernel, log_ndtr) else kernel.args[0].args
            u = -inside / sp.sqrt(2) if isinstance(kernel, log_ndtr) else inside
            half = sp.log(2) if isinstance(kernel, log_ndtr) else 0
            apart = sp.expand(total - term + term / kernel * (sp.log(erfcx(u)) - half - u**2))
            if len(sp.Add.make_args(apart)) < len(total.args) + bool(half):
                return Cases((apart, u > 1), (total, True))
    return None


def _is_of_tail(kernel: sp.Expr) -> bool:
    return isinstance(kernel, log_ndtr) or (isinstance(kernel, sp.log) and isinstance(kernel.args[0], sp.erfc))


def _of_function(term: sp.Expr) -> tuple[sp.Expr, sp.Expr, int] | None:
    """c, f(u) and n of a term c·f(u)ⁿ with a function of ``TAILS``."""
    powers = [(factor, *factor.as_base_exp()) for factor in sp.Mul.make_args(term)]
    of_tails = [(p, f, n) for p, f, n in powers if f.func in TAILS and n.is_Integer and 0 < n <= MOST_POWER]
    if len(of_tails) != 1:
        return None
    power, function, n = of_tails[0]
    return term / power, function, int(n)


def _apart(c: sp.Expr, function: sp.Expr, n: int, side: int) -> tuple[sp.Expr, sp.Expr]:
    """c·f(u)ⁿ as what it goes to on a side, and the rest of it."""
    above, below, tail = TAILS[function.func]
    limit = above if side > 0 else below
    t = sp.Dummy("t")
    rest = sp.horner(sp.expand((limit - side * t) ** n - limit**n), t)
    (u,) = function.args
    value = tail(u) if side > 0 else Written(tail(slot(0)), -u)  # SymPy writes erfc(−u) as 2 − erfc(u)
    return c * limit**n, c * rest.xreplace({t: value})
