"""Formulas of arrays of the seventh list, sixteen, written before any of it was tried.

Sources: K. V. Mardia (circular statistics), A. B. Atkinson, L. Jost (diversity), T. P. Minka (Dirichlet, Pólya),
R. Plackett, F. Radenović 2018 (GeM pooling), J. R. Shewchuk (orientation), L. Kish, W. Kahan (triangles, areas).
"""

from __future__ import annotations

from typing import Any

import symgraph as sg
from tests.nasty_fourth_tensors import _dot, _lse, _mean, _soft, _squares, _sum
from tests.nasty_tensors import FAR, RANGE, VALUES, Row

ANGLES = ((0.1, 0.2, 0.3), (1e-8, 2e-8, -1e-8), (0.7, 0.7 + 1e-6, 0.7 - 2e-6), (3.0, -3.0, 2.5), (1e-3, 0.0, 2e-3))
PLUS = ((0.6, 1.7, 2.9), (1e-11, 2.0, 50.0), (5.0, 5.0 + 1e-7, 5.0 - 2e-7), (3e4, 4e4, 1.0))
FOURS = ((1.0, 2.5, 0.3, -1.0), (1.0, 1.0 + 1e-8, 2.0, 2.0 + 1e-8), (1e-9, 3e-9, 2e-9, 1e-9), (3e8, 4e8, 3e8 + 1, 4e8))
HOT = ((2.0, -1.0, 0.4, 1.3), (50.0, -50.0, 49.0, 1.0), (-850.0, 2.0, 600.0, 5.0), (1e-9, 0.0, -1e-9, 2e-9))
COUNTS = ((0.5, 2.0, 7.0), (1e-4, 3.0, 40.0), (300.0, 500.0, 2e3), (1e7, 2e7, 1.0))


def _norm(m: Any, x: Any) -> Any:
    return m.sqrt(_squares(x))


SEVENTH: dict[str, Row] = {
    # -- directions
    "circular variance": (
        lambda x: 1 - sg.sqrt(sg.mean(sg.cos(x)) ** 2 + sg.mean(sg.sin(x)) ** 2),
        lambda m, *x: 1 - m.sqrt(_mean([m.cos(a) for a in x]) ** 2 + _mean([m.sin(a) for a in x]) ** 2), ANGLES,
    ),
    "Σ of von Mises' logs": (
        lambda x: sg.sum(100 * (sg.cos(x) - 1)), lambda m, *x: _sum([100 * (m.cos(a) - 1) for a in x]), ANGLES,
    ),
    "orientation of three": (
        lambda x: x[0] * x[3] - x[1] * x[2] + x[1] - x[0],
        lambda m, *x: x[0] * x[3] - x[1] * x[2] + x[1] - x[0], FOURS,
    ),
    "angle between by halves": (
        lambda x: 2 * sg.arctan(sg.sqrt(sg.sum((x[:2] - x[2:]) ** 2)) / sg.sqrt(sg.sum((x[:2] + x[2:]) ** 2))),
        lambda m, *x: 2 * m.atan(
            _norm(m, [x[0] - x[2], x[1] - x[3]]) / _norm(m, [x[0] + x[2], x[1] + x[3]])), FOURS[:2],
    ),
    # -- inequality and diversity
    "Atkinson": (
        lambda x: 1 - sg.exp(sg.mean(sg.log(x))) / sg.mean(x),
        lambda m, *x: 1 - m.exp(_mean([m.log(a) for a in x])) / _mean(x), PLUS,
    ),
    "Theil's other": (
        lambda x: sg.log(sg.mean(x)) - sg.mean(sg.log(x)),
        lambda m, *x: m.log(_mean(x)) - _mean([m.log(a) for a in x]), PLUS,
    ),
    "Simpson of logits": (
        lambda x: 1 - sg.sum(sg.softmax(x) ** 2), lambda m, *x: 1 - _squares(_soft(m, x)), FAR,
    ),
    "perplexity": (
        lambda x: sg.exp(-sg.sum(sg.softmax(x) * sg.log_softmax(x))),
        lambda m, *x: m.exp(_lse(m, x) - _dot(_soft(m, x), x)), FAR[:2] + FAR[3:4],
    ),
    "Kish's design effect less 1": (
        lambda x: 3 * sg.sum(x**2) / sg.sum(x) ** 2 - 1, lambda m, *x: 3 * _squares(x) / _sum(x) ** 2 - 1, PLUS,
    ),
    # -- pooling, ranking
    "GeM": (
        lambda x: sg.cbrt(sg.mean(sg.abs(x) ** 3)),
        lambda m, *x: m.power(_mean([m.where(a > 0, a, -a) ** 3 for a in x]), m.third), RANGE,
    ),
    "Plackett–Luce": (
        lambda x: x[0] + x[1] - sg.logsumexp(x) - sg.logsumexp(x[1:]),
        lambda m, *x: x[0] + x[1] - _lse(m, x) - _lse(m, x[1:]), FAR,
    ),
    "variance under softmax": (
        lambda x: sg.sum(sg.softmax(x) * x**2) - sg.sum(sg.softmax(x) * x) ** 2,
        lambda m, *x: _dot(_soft(m, x), [a**2 for a in x]) - _dot(_soft(m, x), x) ** 2, FAR[:2] + FAR[3:5],
    ),
    "gap of two soft maxima": (
        lambda x: sg.logsumexp(2 * x) / 2 - sg.logsumexp(x),
        lambda m, *x: _lse(m, [2 * a for a in x]) / 2 - _lse(m, x), FAR,
    ),
    "mixture of two, told": (
        lambda x: sg.log(sg.sum(sg.softmax(x[:2]) * sg.sigmoid(x[2:]))),
        lambda m, *x: m.log(_dot(_soft(m, x[:2]), [1 / (1 + m.exp(-a)) for a in x[2:]])), HOT,
    ),
    # -- counts
    "Pólya's log": (
        lambda x: sg.gammaln(sg.sum(x)) - sg.gammaln(sg.sum(x) + 2) + sg.gammaln(x[0] + 2) - sg.gammaln(x[0]),
        lambda m, *x: m.loggamma(_sum(x)) - m.loggamma(_sum(x) + 2) + m.loggamma(x[0] + 2) - m.loggamma(x[0]), COUNTS,
    ),
    "pooled less within": (
        lambda x: sg.mean(x**2) - sg.mean(x) ** 2 - (x[0] - x[1]) ** 2 / 9,
        lambda m, *x: (x[0] ** 2 + x[1] ** 2 + x[2] ** 2) / 3 - (_sum(x) / 3) ** 2 - (x[0] - x[1]) ** 2 / 9, VALUES,
    ),
}  # fmt: skip
"""As :data:`tests.nasty_tensors.ROWS`."""
