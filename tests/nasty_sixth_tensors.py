"""Formulas of arrays of the sixth list, thirty, written before any of it was tried.

Sources: A. Vaswani 2017 (attention), B. Zhang and R. Sennrich 2019, X. Zhai 2023 (sigmoid loss), F. Milletari 2016,
M. Blondel 2020, K. Murphy (mixtures, ARD), Y. Sun 2020, W. Liu 2020 (energies), J. Hinton 2015 (distillation),
B. P. Welford 1962, A. Feragen 2015 (kernels), N. J. Higham 2002 (angles, distances).
"""

from __future__ import annotations

from typing import Any

import sympy as sp

import symgraph as sg
from tests.nasty_fourth_tensors import _dot, _lse, _mean, _soft, _sp, _squares, _sum
from tests.nasty_tensors import FAR, LOGITS, POSITIVE, RANGE, VALUES, WITH_INFINITE, Row

FOURS = ((1.0, 2.0, 0.5, -1.0), (1.0, 1.0, 1 + 1e-8, 1.0), (1e-9, 2e-9, -1e-9, 3e-9), (300.0, -200.0, 299.0, -198.0))
HOT = ((2.0, -1.0, 0.3, 1.1), (60.0, -60.0, 59.0, 0.0), (-900.0, 2.0, 700.0, 5.0), (1e-9, 0.0, -1e-9, 2e-9))
SURE = (*LOGITS, (800.0, 0.0, -3.0), (40.0, 0.0, 1.0), (-40.0, 0.0, 1.0), (0.0, 800.0, 790.0))
PLUS = ((0.4, 1.5, 2.0), (1e-10, 3.0, 20.0), (7.0, 7.0, 7.0), (2.0, 2.0 + 1e-7, 2.0 - 1e-7))
MASK = sg.constant([1.0, 0.0, 1.0])
HALF = sp.Rational(1, 2)


def _masked(x: Any) -> list[Any]:
    return [x[0], x[2]]


SIXTH: dict[str, Row] = {
    # -- attention and softmax
    "attention scaled": (
        lambda x: sg.sum(sg.softmax(x / 4)[:2]) - HALF, lambda m, *x: _sum(_soft(m, [a / 4 for a in x])[:2]) - m.half,
        FAR,
    ),
    "softmax plus one": (
        lambda x: (sg.exp(x) / (1 + sg.sum(sg.exp(x))))[0],
        lambda m, *x: m.exp(x[0]) / (1 + _sum([m.exp(a) for a in x])), FAR,
    ),
    "log(1 − softmax[k]), sure": (
        lambda x: sg.log(1 - sg.softmax(x)[0]), lambda m, *x: _lse(m, x[1:]) - _lse(m, x), SURE,
    ),
    "focal of softmax, 2": (
        lambda x: -((1 - sg.softmax(x)[0]) ** 2) * sg.log(sg.softmax(x)[0]),
        lambda m, *x: (1 - _soft(m, x)[0]) ** 2 * (_lse(m, x) - x[0]), SURE,
    ),
    "complement cross-entropy": (
        lambda x: -sg.log(sg.sum(sg.softmax(x)[1:])), lambda m, *x: _lse(m, x) - _lse(m, x[1:]), SURE,
    ),
    "distillation": (
        lambda x: -sg.sum(sg.softmax(MASK) * sg.log(sg.softmax(x / 2))),
        lambda m, *x: _lse(m, [a / 2 for a in x])
        - (m.exp(1) * x[0] / 2 + x[1] / 2 + m.exp(1) * x[2] / 2) / (2 * m.exp(1) + 1), FAR,
    ),
    "energy score": (lambda x: -3 * sg.log(sg.sum(sg.exp(x / 3))), lambda m, *x: -3 * _lse(m, [a / 3 for a in x]), FAR),
    "masked log-sum-exp": (
        lambda x: sg.log(sg.sum(MASK * sg.exp(x))), lambda m, *x: _lse(m, _masked(x)), FAR,
    ),
    "InfoNCE, −inf entries": (
        lambda x: sg.logsumexp(x) - x[1], lambda m, *x: _lse(m, x) - x[1], WITH_INFINITE[1:2],
    ),
    "sharpened share": (
        lambda x: (sg.softmax(x) ** 2 / sg.sum(sg.softmax(x) ** 2))[1],
        lambda m, *x: _soft(m, [2 * a for a in x])[1], FAR,
    ),
    "KL of two softmaxes": (
        lambda x: sg.sum(sg.softmax(x[:2]) * (sg.log_softmax(x[:2]) - sg.log_softmax(x[2:]))),
        lambda m, *x: _dot(_soft(m, x[:2]), [a - b for a, b in zip(x[:2], x[2:], strict=True)])
        - _lse(m, x[:2]) + _lse(m, x[2:]), HOT,
    ),
    "odds of two sets": (
        lambda x: sg.logsumexp(x[:2]) - sg.logsumexp(x[2:]), lambda m, *x: _lse(m, x[:2]) - _lse(m, x[2:]), HOT,
    ),
    "sigmoid contrastive": (
        lambda x: -sg.log(sg.sigmoid(x[0])) - sg.sum(sg.log(sg.sigmoid(-x[1:]))),
        lambda m, *x: _sp(m, -x[0]) + _sum([_sp(m, a) for a in x[1:]]), FAR,
    ),
    "noisy and": (
        lambda x: 1 - sg.prod(1 - sg.sigmoid(x)),
        lambda m, *x: 1 - 1 / ((1 + m.exp(x[0])) * (1 + m.exp(x[1])) * (1 + m.exp(x[2]))), FAR,
    ),
    "soft dice": (
        lambda x: 1 - 2 * sg.sum(sg.sigmoid(x)[:2]) / (sg.sum(sg.sigmoid(x)) + 2),
        lambda m, *x: 1 - 2 * _sum([1 / (1 + m.exp(-a)) for a in x[:2]]) / (_sum([1 / (1 + m.exp(-a)) for a in x]) + 2),
        FAR,
    ),
    # -- norms, means, distances
    "RMS": (lambda x: sg.sqrt(sg.mean(x**2)), lambda m, *x: m.sqrt(_mean([a**2 for a in x])), RANGE),
    "distance's log": (
        lambda x: sg.log(sg.sum((x[:2] - x[2:]) ** 2)) / 2,
        lambda m, *x: m.log((x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2) / 2, FOURS,
    ),
    "squared distance multiplied out": (
        lambda x: sg.sum(x[:2] ** 2) - 2 * sg.sum(x[:2] * x[2:]) + sg.sum(x[2:] ** 2),
        lambda m, *x: (x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2, FOURS,
    ),
    "rational quadratic kernel less 1": (
        lambda x: 1 / (1 + sg.sum((x[:2] - x[2:]) ** 2)) - 1,
        lambda m, *x: 1 / (1 + (x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2) - 1, FOURS,
    ),
    "Student's kernel's log": (
        lambda x: -sg.log(1 + sg.sum((x[:2] - x[2:]) ** 2)),
        lambda m, *x: -m.log(1 + (x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2), FOURS,
    ),
    "masked mean": (
        lambda x: sg.sum(MASK * x) / sg.sum(MASK), lambda m, *x: (x[0] + x[2]) / 2, (*VALUES, *RANGE),
    ),
    "masked variance": (
        lambda x: sg.sum(MASK * x**2) / 2 - (sg.sum(MASK * x) / 2) ** 2, lambda m, *x: (x[0] - x[2]) ** 2 / 4, VALUES,
    ),
    "weighted variance": (
        lambda x: sg.sum(x**2 * sg.constant([1.0, 2.0, 1.0])) / 4 - (sg.sum(x * sg.constant([1.0, 2.0, 1.0])) / 4) ** 2,
        lambda m, *x: (x[0] ** 2 + 2 * x[1] ** 2 + x[2] ** 2) / 4 - ((x[0] + 2 * x[1] + x[2]) / 4) ** 2, VALUES,
    ),
    "unit vector's angle": (
        lambda x: sg.sum(x[:2] * x[2:]) / sg.sqrt(sg.sum(x[:2] ** 2) * sg.sum(x[2:] ** 2)),
        lambda m, *x: _dot(x[:2], x[2:]) / m.sqrt(_squares(x[:2]) * _squares(x[2:])), (*FOURS[:1], FOURS[3]),
    ),
    "group norm of two": (
        lambda x: ((x - sg.mean(x)) / (sg.sqrt(sg.var(x)) + sp.Rational(1, 10**6)))[0],
        lambda m, *x: (x[0] - _mean(x)) / (m.sqrt(_mean([(a - _mean(x)) ** 2 for a in x])) + m.half * 2 / 10**6),
        VALUES,
    ),
    # -- sums of logs
    "dispersion of logs": (
        lambda x: sg.var(sg.log(x)),
        lambda m, *x: _mean([m.log(a) ** 2 for a in x]) - _mean([m.log(a) for a in x]) ** 2, PLUS,
    ),
    "geometric over harmonic": (
        lambda x: sg.mean(sg.log(x)) + sg.log(sg.mean(1 / x)),
        lambda m, *x: _mean([m.log(a) for a in x]) + m.log(_mean([1 / a for a in x])), PLUS,
    ),
    "multinomial's log": (
        lambda x: sg.sum(x) * sg.log(sg.sum(x)) - sg.sum(x * sg.log(x)),
        lambda m, *x: _sum(x) * m.log(_sum(x)) - _sum([a * m.log(a) for a in x]), POSITIVE[:1] + PLUS,
    ),
    "Poisson deviance of three": (
        lambda x: sg.sum(x * sg.log(x / 2) - x + 2), lambda m, *x: _sum([a * m.log(a / 2) - a + 2 for a in x]), PLUS,
    ),
    "Σ of Hellinger's": (
        lambda x: sg.sum((sg.sqrt(x) - sg.sqrt(2)) ** 2), lambda m, *x: _sum([(m.sqrt(a) - m.sqrt(2)) ** 2 for a in x]),
        PLUS,
    ),
}  # fmt: skip
"""As :data:`tests.nasty_tensors.ROWS`."""
