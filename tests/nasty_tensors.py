"""Formulas of arrays that are known to go wrong in floating point: as they are written here, and written out.

A row is a scalar of a vector, what it is in terms of its elements (``m`` as in :mod:`tests.nasty_rows`), and the points
at which value, gradient and a column of the Hessian are judged. Sources: P. Blanchard, D. J. Higham, N. J. Higham 2021
(log-sum-exp), T. F. Chan, G. H. Golub and R. J. LeVeque 1983 (variance), J. L. Blue 1978 (norms), PyTorch's and JAX's
trackers (masked rows, −inf entries, norms at 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

import symgraph as sg

Row = tuple[Callable[[Any], Any], Callable[..., Any], Sequence[tuple[float, ...]]]
INF = math.inf

LOGITS = ((1.0, 2.0, 3.0), (1000.0, 999.0, 998.5), (-1000.0, -1002.0, -1001.0), (0.0, 0.0, 0.0), (60.0, -60.0, 0.0))
FAR = (*LOGITS, (1e4, -1e4, 0.0), (-800.0, 3.0, 2.0), (5.0, 5.0, -300.0))
WITH_INFINITE = ((1.0, 2.0, -INF), (-INF, -1000.0, -1001.0), (1000.0, -INF, -INF))
VALUES = ((1.0, 2.0, 3.0), (1e-3, -2.0, 0.5), (1e8, 1e8 + 1, 1e8 + 2), (1e4, 1e4 + 1, 1e4 - 2.0))
SPREAD = ((1.0, -2.0, 3.0), (1e-12, 1.0, 1e12), (3e-8, 4e-8, 5e-8))
RANGE = (*SPREAD, (3e30, 4e30, 5e30), (3e-30, 4e-30, 5e-30), (3e200, 4e200, -5e200), (3e-200, 4e-200, 5e-200))
POSITIVE = ((1.0, 2.0, 3.0), (1e-12, 0.5, 2e6), (1e-30, 1e20, 1e15), (1e200, 1e180, 1e-250), (0.25, 0.5, 0.25))
SHARES = ((0.2, 0.3, 0.5), (1e-12, 0.5, 0.5), (0.0, 0.25, 0.75), (1.0, 0.0, 0.0))
PAIRS = ((1.0, 2.0, 3.0, 4.0), (1.0, 1e-8, 1.0, -1e-8), (1e200, 1.0, 1e199, 2.0), (1e-200, 2e-200, 3e-200, -1e-200))
OFFSET = ((1.0, 2.0, 3.0, 5.0), (1e8, 1e8 + 2, 3.0, 4.0), (1e6, 1e6 + 1, 1e6 + 2, 1e6 - 1))

T = (sp.Rational(1, 5), sp.Rational(3, 10), sp.Rational(1, 2))
N = 3
PLACES = sg.constant([0.0, 1.0, 2.0])
FIRST_TWO = sg.constant([1.0, 1.0, 0.0]) > 0


def _exps(m: Any, *x: Any) -> Any:
    return sum(m.exp(a) for a in x)


def _lse(m: Any, *x: Any) -> Any:
    return m.log(_exps(m, *x))


def _dot(a: Sequence[Any], b: Sequence[Any]) -> Any:
    return sum(p * q for p, q in zip(a, b, strict=True))


def _norm(m: Any, *x: Any) -> Any:
    return m.sqrt(sum(a**2 for a in x))


def _variance(*x: Any) -> Any:
    mean = sum(x) / len(x)
    return sum((a - mean) ** 2 for a in x) / len(x)


def _t(m: Any) -> tuple[Any, ...]:
    return m.half * 2 / 5, m.half * 3 / 5, m.half


def _p(m: Any, *x: Any) -> list[Any]:
    return [m.exp(a) / _exps(m, *x) for a in x]


ROWS: dict[str, Row] = {
    # -- softmax and cross-entropy, in different writings
    "softmax": (lambda x: sg.softmax(x)[0], lambda m, *x: _p(m, *x)[0], FAR),
    "softmax by exponentials": (lambda x: (sg.exp(x) / sg.sum(sg.exp(x)))[1], lambda m, *x: _p(m, *x)[1], FAR),
    "softmax of elements": (
        lambda x: sg.exp(x[2]) / (sg.exp(x[0]) + sg.exp(x[1]) + sg.exp(x[2])), lambda m, *x: _p(m, *x)[2], FAR,
    ),
    "softmax by one over": (
        lambda x: 1 / sg.sum(sg.exp(x - x[0])), lambda m, *x: 1 / sum(m.exp(a - x[0]) for a in x), FAR,
    ),
    "log softmax": (lambda x: sg.log(sg.softmax(x))[0], lambda m, *x: x[0] - _lse(m, *x), FAR),
    "−log softmax[k]": (lambda x: -sg.log(sg.softmax(x)[1]), lambda m, *x: _lse(m, *x) - x[1], FAR),
    "log-softmax by logsumexp": (
        lambda x: x[2] - sg.log(sg.sum(sg.exp(x))), lambda m, *x: x[2] - _lse(m, *x), FAR,
    ),
    "contrastive loss": (
        lambda x: -sg.log(sg.exp(x[0]) / (sg.exp(x[0]) + sg.exp(x[1]) + sg.exp(x[2]))),
        lambda m, *x: _lse(m, *x) - x[0], FAR,
    ),
    "soft cross-entropy": (
        lambda x: -sum(t * sg.log(sg.softmax(x)[n]) for n, t in enumerate(T)),
        lambda m, *x: _lse(m, *x) - _dot(_t(m), x), FAR,
    ),
    "entropy of softmax": (
        lambda x: -sg.sum(sg.softmax(x) * sg.log(sg.softmax(x))),
        lambda m, *x: _lse(m, *x) - _dot(_p(m, *x), x), FAR,
    ),
    "soft maximum": (lambda x: sg.sum(x * sg.softmax(x)), lambda m, *x: _dot(_p(m, *x), x), LOGITS),
    "softmax at a temperature": (
        lambda x: sg.softmax(10 * x)[0], lambda m, *x: _p(m, *(10 * a for a in x))[0], LOGITS,
    ),
    "margin of softmax": (
        lambda x: sg.softmax(x)[0] - sg.softmax(x)[1], lambda m, *x: _p(m, *x)[0] - _p(m, *x)[1], FAR,
    ),
    "one less softmax": (
        lambda x: 1 - sg.softmax(x)[2], lambda m, *x: (m.exp(x[0]) + m.exp(x[1])) / _exps(m, *x), FAR,
    ),
    "focal loss": (
        lambda x: -((1 - sg.softmax(x)[0]) ** 2) * sg.log(sg.softmax(x)[0]),
        lambda m, *x: ((m.exp(x[1]) + m.exp(x[2])) / _exps(m, *x)) ** 2 * (_lse(m, *x) - x[0]), FAR,
    ),
    # -- log-sum-exp
    "logsumexp": (lambda x: sg.log(sg.sum(sg.exp(x))), _lse, FAR),
    "logsumexp, −inf entries": (lambda x: sg.log(sg.sum(sg.exp(x))), _lse, WITH_INFINITE),
    "sg.logsumexp, −inf entries": (lambda x: sg.logsumexp(x), _lse, WITH_INFINITE),
    "softmax, −inf entries": (lambda x: sg.softmax(x)[1], lambda m, *x: _p(m, *x)[1], WITH_INFINITE[:2]),
    "logsumexp of elements": (lambda x: sg.log(sg.exp(x[0]) + sg.exp(x[1]) + sg.exp(x[2])), _lse, FAR),
    "logsumexp with a number": (
        lambda x: sg.log(1 + sg.sum(sg.exp(x))), lambda m, *x: m.log(1 + _exps(m, *x)), FAR,
    ),
    "logsumexp with factors": (
        lambda x: sg.log(sg.sum(sg.exp(x)) * 2 + sg.exp(x[0])),
        lambda m, *x: m.log(2 * _exps(m, *x) + m.exp(x[0])), FAR,
    ),
    "logsumexp at a temperature": (
        lambda x: sg.log(sg.sum(sg.exp(10 * x))) / 10, lambda m, *x: _lse(m, *(10 * a for a in x)) / 10, FAR,
    ),
    "soft minimum": (lambda x: -sg.log(sg.sum(sg.exp(-x))), lambda m, *x: -_lse(m, *(-a for a in x)), FAR),
    "log mean exp": (lambda x: sg.log(sg.mean(sg.exp(x))), lambda m, *x: m.log(_exps(m, *x) / N), FAR),
    "logsumexp of a mask": (
        lambda x: sg.log(sg.sum(sg.where(FIRST_TWO, sg.exp(x), 0))), lambda m, *x: _lse(m, *x[:2]), FAR,
    ),
    "mixture of Gaussians": (
        lambda x: sg.log(sg.sum(sg.exp(-(x**2) / 2))), lambda m, *x: _lse(m, *(-(a**2) / 2 for a in x)),
        ((1.0, 2.0, 3.0), (60.0, 61.0, 62.0), (-50.0, 40.0, 45.0)),
    ),
    # -- attention
    "attention with a mask": (
        lambda x: sg.sum(sg.softmax(sg.where(FIRST_TWO, x, -INF)) * PLACES),
        lambda m, *x: _p(m, *x[:2])[1], FAR,
    ),
    "attention, −inf scores": (
        lambda x: sg.sum(sg.softmax(x) * PLACES), lambda m, *x: _dot(_p(m, *x), (0, 1, 2)), WITH_INFINITE,
    ),
    # -- sums of logistic losses
    "Σ softplus": (
        lambda x: sg.sum(sg.log(1 + sg.exp(x))), lambda m, *x: sum(m.log(1 + m.exp(a)) for a in x), FAR,
    ),
    "Σ −log σ": (
        lambda x: -sg.sum(sg.log(1 / (1 + sg.exp(-x)))), lambda m, *x: sum(m.log(1 + m.exp(-a)) for a in x), FAR,
    ),
    "Π σ": (
        lambda x: sg.prod(1 / (1 + sg.exp(-x))), lambda m, *x: math.prod(1 / (1 + m.exp(-a)) for a in x), LOGITS[:1],
    ),
    "noisy or": (
        lambda x: -sg.log(1 - sg.exp(-sg.sum(sg.exp(x)))), lambda m, *x: -m.log(1 - m.exp(-_exps(m, *x))),
        ((1.0, 0.5, -1.0), (-20.0, -22.0, -21.0), (-3.0, 0.0, -60.0)),
    ),
    # -- norms
    "norm": (lambda x: sg.sqrt(sg.sum(x**2)), _norm, RANGE),
    "norm of elements": (lambda x: sg.sqrt(x[0] ** 2 + x[1] ** 2 + x[2] ** 2), _norm, RANGE),
    "unit vector": (lambda x: (x / sg.sqrt(sg.sum(x**2)))[0], lambda m, *x: x[0] / _norm(m, *x), RANGE),
    "log of a norm": (lambda x: sg.log(sg.sqrt(sg.sum(x**2))), lambda m, *x: m.log(_norm(m, *x)), RANGE),
    "log of a square": (lambda x: sg.log(sg.sum(x**2)), lambda m, *x: 2 * m.log(_norm(m, *x)), RANGE),
    "4-norm": (
        lambda x: sg.sum(x**4) ** sp.Rational(1, 4), lambda m, *x: m.power(sum(a**4 for a in x), m.half / 2), RANGE,
    ),
    "distance": (
        lambda x: sg.sqrt(sg.sum((x[:2] - x[2:]) ** 2)), lambda m, *x: _norm(m, x[0] - x[2], x[1] - x[3]), PAIRS,
    ),
    "cosine similarity": (
        lambda x: sg.sum(x[:2] * x[2:]) / (sg.sqrt(sg.sum(x[:2] ** 2)) * sg.sqrt(sg.sum(x[2:] ** 2))),
        lambda m, *x: _dot(x[:2], x[2:]) / (_norm(m, *x[:2]) * _norm(m, *x[2:])), PAIRS,
    ),
    "RMS norm": (
        lambda x: (x / sg.sqrt(sg.mean(x**2)))[1], lambda m, *x: x[1] / m.sqrt(sum(a**2 for a in x) / N), RANGE,
    ),
    "distance less a norm": (
        lambda x: sg.sqrt(1 + sg.sum(x**2)) - 1, lambda m, *x: m.sqrt(1 + sum(a**2 for a in x)) - 1, RANGE[:5],
    ),
    # -- moments
    "mean of huge values": (
        lambda x: sg.mean(x), lambda m, *x: sum(x) / N,
        ((1e308, 1.5e308, 1.2e308), (1.0, 2.0, 4.0), (3e38, 2e38, 3e38)),
    ),
    "variance": (lambda x: sg.var(x), lambda m, *x: _variance(*x), VALUES),
    "E[x²] − E[x]²": (
        lambda x: sg.mean(x**2) - sg.mean(x) ** 2, lambda m, *x: _variance(*x), VALUES,
    ),
    "Σx² − (Σx)²/n": (
        lambda x: sg.sum(x**2) - sg.sum(x) ** 2 / 3, lambda m, *x: 3 * _variance(*x), VALUES,
    ),
    "deviation": (lambda x: sg.sqrt(sg.var(x)), lambda m, *x: m.sqrt(_variance(*x)), VALUES),
    "standardised": (
        lambda x: ((x - sg.mean(x)) / sg.sqrt(sg.var(x)))[0],
        lambda m, *x: (x[0] - sum(x) / N) / m.sqrt(_variance(*x)), VALUES,
    ),
    "layer norm": (
        lambda x: ((x - sg.mean(x)) / sg.sqrt(sg.var(x) + sp.Rational(1, 10**5)))[2],
        lambda m, *x: (x[2] - sum(x) / N) / m.sqrt(_variance(*x) + m.half * 2 / 10**5), VALUES,
    ),
    "covariance": (
        lambda x: sg.mean(x[:2] * x[2:]) - sg.mean(x[:2]) * sg.mean(x[2:]),
        lambda m, *x: (x[0] - x[1]) * (x[2] - x[3]) / 4, OFFSET,
    ),
    # -- products and entropies
    "product": (lambda x: sg.prod(x), lambda m, *x: x[0] * x[1] * x[2], POSITIVE),
    "product of elements": (lambda x: x[0] * x[1] * x[2], lambda m, *x: x[0] * x[1] * x[2], POSITIVE[:3]),
    "log of a product": (lambda x: sg.log(sg.prod(x)), lambda m, *x: sum(m.log(a) for a in x), POSITIVE),
    "geometric mean": (
        lambda x: sg.prod(x) ** sp.Rational(1, 3), lambda m, *x: m.power(x[0] * x[1] * x[2], m.third), POSITIVE,
    ),
    "geometric mean by logs": (
        lambda x: sg.exp(sg.mean(sg.log(x))), lambda m, *x: m.power(x[0] * x[1] * x[2], m.third), POSITIVE,
    ),
    "harmonic mean": (lambda x: 3 / sg.sum(1 / x), lambda m, *x: 3 / sum(1 / a for a in x), POSITIVE),
    "entropy": (
        lambda x: -sg.sum(x * sg.log(x)), lambda m, *x: -sum(a * m.log(a) if a != 0 else 0 for a in x), SHARES,
    ),
    "Σ pseudo-Huber": (
        lambda x: sg.sum(sg.sqrt(1 + x**2) - 1), lambda m, *x: sum(m.sqrt(1 + a**2) - 1 for a in x), RANGE[:5],
    ),
    "Σ log(1 + x²)": (
        lambda x: sg.sum(sg.log(1 + x**2)), lambda m, *x: sum(m.log(1 + a**2) for a in x), RANGE[:5],
    ),
}  # fmt: skip
"""A scalar of a vector x, the same of its elements, and the points at which it is judged."""
