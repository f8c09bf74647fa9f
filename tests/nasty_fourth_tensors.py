"""A fourth list of formulas of arrays, forty-five, written before any of it was tried.

Sources: N. J. Higham 2002 (sums, products, norms), T. M. Cover and J. A. Thomas (divergences), C. M. Bishop 2006
(mixtures, attention, kernels), W. Kahan (angles between vectors), J. M. Bernardo (Dirichlet), A. van den Oord 2018
(contrastive losses), J. T. Barron 2019 (robust losses), A. Martins 2016, J. Su 2022 (circle loss), J. C. Hull (bonds).
"""

from __future__ import annotations

from typing import Any

import sympy as sp

import symgraph as sg
from tests.nasty_tensors import FAR, LOGITS, OFFSET, PAIRS, POSITIVE, RANGE, SPREAD, VALUES, Row

SMALL = ((1e-9, 2e-9, -3e-9), (1e-4, -2e-4, 5e-5), (0.5, 1.5, -1.0), (3.0, 4.0, 12.0))
PLUS = ((0.2, 0.3, 0.5), (1e-9, 2.0, 30.0), (4.0, 1e3, 2e5), (1e-12, 1e-11, 3e-10))
ONES = ((1.0, 1.0000001, 0.9999999), (1.0, 1.0, 1.0), (0.9, 1.2, 1.1))
FOURS = ((1.0, 2.0, 3.0, 4.0), (1.0, 1.0, 1.0, 1.0 + 1e-7), (1.0, 1e-9, 1.0, 2e-9), (3.0, 4.0, -3.0, -4.0))
HOT = ((1.0, 2.0, -1.0, 0.5), (40.0, -40.0, 30.0, 2.0), (-800.0, 3.0, 700.0, 0.0), (1e-9, 2e-9, 1e-9, 0.0))
TOLD = (sp.Rational(1, 4), sp.Rational(1, 4), sp.Rational(1, 2))
PLACES = sg.constant([1.0, 2.0, 3.0])


def _told(m: Any) -> tuple[Any, ...]:
    return m.half / 2, m.half / 2, m.half


def _sum(x: Any) -> Any:
    total = x[0]
    for a in x[1:]:
        total = total + a
    return total


def _dot(a: Any, b: Any) -> Any:
    return _sum([p * q for p, q in zip(a, b, strict=True)])


def _squares(x: Any) -> Any:
    return _dot(x, x)


def _lse(m: Any, x: Any) -> Any:
    return m.log(_sum([m.exp(a) for a in x]))


def _soft(m: Any, x: Any) -> list[Any]:
    return [m.exp(a) / _sum([m.exp(b) for b in x]) for a in x]


def _sp(m: Any, a: Any) -> Any:
    return m.log(1 + m.exp(a))


def _mean(x: Any) -> Any:
    return _sum(x) / len(x)


FOURTH: dict[str, Row] = {
    # -- functions of a sum
    "log(1 + (Σ)²)": (lambda x: sg.log(1 + sg.sum(x) ** 2), lambda m, *x: m.log(1 + _sum(x) ** 2), SMALL),
    "√(1 + Σx²) less 1, over": (
        lambda x: (sg.sqrt(1 + sg.sum(x**2)) - 1) / 2, lambda m, *x: (m.sqrt(1 + _squares(x)) - 1) / 2, SMALL,
    ),
    "1 − cos Σ": (lambda x: 1 - sg.cos(sg.sum(x * PLACES)), lambda m, *x: 1 - m.cos(_dot(x, (1, 2, 3))), SMALL),
    "exp(−Σx²) − 1": (lambda x: sg.exp(-sg.sum(x**2)) - 1, lambda m, *x: m.exp(-_squares(x)) - 1, SMALL),
    "Hyperbolic distance": (
        lambda x: sg.log(1 + 2 * sg.sum(x**2) + sg.sqrt((1 + 2 * sg.sum(x**2)) ** 2 - 1)),
        lambda m, *x: m.acosh(1 + 2 * _squares(x)), SMALL,
    ),
    "sinc of a norm": (
        lambda x: sg.sin(sg.sqrt(sg.sum(x**2))) / sg.sqrt(sg.sum(x**2)),
        lambda m, *x: m.sin(m.sqrt(_squares(x))) / m.sqrt(_squares(x)), SMALL,
    ),
    "squash": (
        lambda x: (x * sg.sqrt(sg.sum(x**2)) / (1 + sg.sum(x**2)))[0],
        lambda m, *x: x[0] * m.sqrt(_squares(x)) / (1 + _squares(x)), (*SMALL, (1e200, 2e200, 1e199)),
    ),
    "σ of a dot product, log": (
        lambda x: -sg.log(1 / (1 + sg.exp(-sg.sum(x[:2] * x[2:])))),
        lambda m, *x: m.log(1 + m.exp(-_dot(x[:2], x[2:]))), HOT,
    ),
    "softplus of a sum, centred": (
        lambda x: sg.log(1 + sg.exp(sg.sum(x))) - sg.log(2), lambda m, *x: m.log(1 + m.exp(_sum(x))) - m.log(2), SMALL,
    ),
    "tanh of a sum less it": (
        lambda x: sg.sum(x) - sg.tanh(sg.sum(x)), lambda m, *x: _sum(x) - m.tanh(_sum(x)), SMALL,
    ),
    "multiquadric": (
        lambda x: sg.sqrt(1 + sg.sum((x[:2] - x[2:]) ** 2)) - 1,
        lambda m, *x: m.sqrt(1 + (x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2) - 1, FOURS,
    ),
    "Gaussian kernel distance": (
        lambda x: 2 - 2 * sg.exp(-sg.sum((x[:2] - x[2:]) ** 2) / 2),
        lambda m, *x: 2 - 2 * m.exp(-((x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2) / 2), FOURS,
    ),
    # -- log-sum-exp and softmax
    "InfoNCE at 1/5": (
        lambda x: sg.logsumexp(5 * x) - 5 * x[0], lambda m, *x: _lse(m, [5 * a for a in x]) - 5 * x[0], FAR,
    ),
    "KL to a told distribution": (
        lambda x: sum(t * (sg.log(t) - sg.log_softmax(x)[n]) for n, t in enumerate(TOLD)),
        lambda m, *x: _sum([t * (m.log(t) - a + _lse(m, x)) for t, a in zip(_told(m), x, strict=True)]), FAR,
    ),
    "Gini of softmax": (
        lambda x: 1 - sg.sum(sg.softmax(x) ** 2), lambda m, *x: 1 - _sum([p**2 for p in _soft(m, x)]), FAR,
    ),
    "Rényi 2 of softmax": (
        lambda x: -sg.log(sg.sum(sg.softmax(x) ** 2)), lambda m, *x: -m.log(_sum([p**2 for p in _soft(m, x)])), FAR,
    ),
    "label smoothing": (
        lambda x: -(sg.log_softmax(x)[0] * 9 + sg.sum(sg.log_softmax(x)) / 3) / 10,
        lambda m, *x: -(9 * (x[0] - _lse(m, x)) + _sum([a - _lse(m, x) for a in x]) / 3) / 10, FAR,
    ),
    "focal of softmax, power 3": (
        lambda x: -((1 - sg.softmax(x)[1]) ** 3) * sg.log(sg.softmax(x)[1]),
        lambda m, *x: -((_soft(m, x)[0] + _soft(m, x)[2]) ** 3) * (x[1] - _lse(m, x)), FAR,
    ),
    "odds of a class": (
        lambda x: sg.softmax(x)[0] / (1 - sg.softmax(x)[0]),
        lambda m, *x: m.exp(x[0]) / (m.exp(x[1]) + m.exp(x[2])), LOGITS,
    ),
    "margin's softplus": (
        lambda x: sg.log(1 + sg.sum(sg.exp(x[1:] - x[0]))),
        lambda m, *x: m.log(1 + _sum([m.exp(a - x[0]) for a in x[1:]])), FAR,
    ),
    "circle loss": (
        lambda x: sg.log(1 + sg.sum(sg.exp(x[:2])) * sg.sum(sg.exp(x[2:]))),
        lambda m, *x: m.log(1 + (m.exp(x[0]) + m.exp(x[1])) * (m.exp(x[2]) + m.exp(x[3]))), HOT,
    ),
    "log of a mixture of two": (
        lambda x: sg.log(sg.sum(sg.exp(x[:2])) / 3 + 2 * sg.sum(sg.exp(x[2:])) / 3),
        lambda m, *x: m.log((m.exp(x[0]) + m.exp(x[1]) + 2 * m.exp(x[2]) + 2 * m.exp(x[3])) / 3), HOT,
    ),
    "effective sample size": (
        lambda x: sg.sum(sg.exp(x)) ** 2 / sg.sum(sg.exp(2 * x)),
        lambda m, *x: _sum([m.exp(a) for a in x]) ** 2 / _sum([m.exp(2 * a) for a in x]), FAR,
    ),
    "log Σ softplus": (
        lambda x: sg.log(sg.sum(sg.log(1 + sg.exp(x)))), lambda m, *x: m.log(_sum([_sp(m, a) for a in x])), FAR,
    ),
    "Bernoulli product's log": (
        lambda x: sg.sum(sg.log(1 - 1 / (1 + sg.exp(-x)))), lambda m, *x: -_sum([_sp(m, a) for a in x]), FAR,
    ),
    "soft IoU of logits": (
        lambda x: sg.sum(sg.sigmoid(x)) / (3 + sg.sum(sg.sigmoid(x))),
        lambda m, *x: _sum([1 / (1 + m.exp(-a)) for a in x]) / (3 + _sum([1 / (1 + m.exp(-a)) for a in x])), FAR,
    ),
    # -- norms, angles, moments
    "cosine distance": (
        lambda x: 1 - sg.sum(x[:2] * x[2:]) / sg.sqrt(sg.sum(x[:2] ** 2) * sg.sum(x[2:] ** 2)),
        lambda m, *x: 1 - _dot(x[:2], x[2:]) / m.sqrt(_squares(x[:2]) * _squares(x[2:])), PAIRS[:2],
    ),
    "sine of an angle": (
        lambda x: (x[0] * x[3] - x[1] * x[2]) / sg.sqrt(sg.sum(x[:2] ** 2) * sg.sum(x[2:] ** 2)),
        lambda m, *x: (x[0] * x[3] - x[1] * x[2]) / m.sqrt(_squares(x[:2]) * _squares(x[2:])), FOURS[:3],
    ),
    "polarisation": (
        lambda x: (sg.sum((x[:2] + x[2:]) ** 2) - sg.sum((x[:2] - x[2:]) ** 2)) / 4,
        lambda m, *x: _dot(x[:2], x[2:]), FOURS,
    ),
    "norm's 3/2": (
        lambda x: sg.sum(x**2) ** sp.Rational(3, 4), lambda m, *x: m.power(_squares(x), 3 * m.half / 2), RANGE[:5],
    ),
    "Student's t of a sample": (
        lambda x: sg.mean(x) / sg.sqrt(sg.var(x) / 3),
        lambda m, *x: _mean(x) / m.sqrt(_mean([(a - _mean(x)) ** 2 for a in x]) / 3), VALUES,
    ),
    "skewness": (
        lambda x: sg.mean((x - sg.mean(x)) ** 3) / sg.var(x) ** sp.Rational(3, 2),
        lambda m, *x: _mean([(a - _mean(x)) ** 3 for a in x])
        / m.power(_mean([(a - _mean(x)) ** 2 for a in x]), 3 * m.half),
        VALUES[:2],
    ),
    "correlation": (
        lambda x: (x[0] - x[1]) * (x[2] - x[3]) / sg.sqrt(sg.var(x[:2]) * sg.var(x[2:])) / 4,
        lambda m, *x: (x[0] - x[1]) * (x[2] - x[3]) / m.sqrt((x[0] - x[1]) ** 2 * (x[2] - x[3]) ** 2), OFFSET,
    ),
    "slope of a line": (
        lambda x: (sg.sum(x * PLACES) - sg.sum(x) * 2) / 2, lambda m, *x: (x[2] - x[0]) / 2, VALUES,
    ),
    "log of a variance": (
        lambda x: sg.log(sg.mean(x**2) - sg.mean(x) ** 2),
        lambda m, *x: m.log(_mean([(a - _mean(x)) ** 2 for a in x])), VALUES[:3],
    ),
    # -- shares, products, means
    "Dirichlet's log": (
        lambda x: sg.sum((x - 1) * sg.log(x)), lambda m, *x: _sum([(a - 1) * m.log(a) for a in x]), PLUS,
    ),
    "arithmetic over geometric": (
        lambda x: sg.log(sg.mean(x)) - sg.mean(sg.log(x)),
        lambda m, *x: m.log(_mean(x)) - _mean([m.log(a) for a in x]), (*ONES[1:], *PLUS[:2]),
    ),
    "Theil": (
        lambda x: sg.mean(x / sg.mean(x) * sg.log(x / sg.mean(x))),
        lambda m, *x: _mean([a / _mean(x) * m.log(a / _mean(x)) for a in x]), (ONES[2], *PLUS),
    ),
    "compound return": (
        lambda x: sg.prod(1 + x) - 1, lambda m, *x: (1 + x[0]) * (1 + x[1]) * (1 + x[2]) - 1, SMALL[:3],
    ),
    "log return of many": (
        lambda x: sg.sum(sg.log(1 + x)), lambda m, *x: _sum([m.log(1 + a) for a in x]), SMALL[:2],
    ),
    "bond of three coupons": (
        lambda x: sg.sum(sg.exp(-x * PLACES)) - 3, lambda m, *x: _sum([m.exp(-n * a) - 1 for n, a in enumerate(x, 1)]),
        ((0.02, 0.03, 0.04), (1e-9, 1e-9, 2e-9), (0.5, 40.0, 900.0)),
    ),
    "Σ x·log(x/Σ)": (
        lambda x: sg.sum(x * sg.log(x / sg.sum(x))),
        lambda m, *x: _sum([a * m.log(a / _sum(x)) for a in x]), PLUS,
    ),
    "Σ Barron's loss": (
        lambda x: sg.sum(2 * x**2 / (x**2 + 4)), lambda m, *x: _sum([2 * a**2 / (a**2 + 4) for a in x]), RANGE,
    ),
    "Σ of Welsch's": (
        lambda x: sg.sum(1 - sg.exp(-(x**2) / 2)), lambda m, *x: _sum([1 - m.exp(-(a**2) / 2) for a in x]), SPREAD,
    ),
    "p-mean, p = −2": (
        lambda x: sg.mean(1 / x**2) ** -sp.Rational(1, 2),
        lambda m, *x: m.power(_mean([1 / a**2 for a in x]), -m.half), POSITIVE,
    ),
}  # fmt: skip
