"""Formulas of arrays of the ninth list, sixteen, written before any of it was tried.

Sources: E. Pielou, M. Hill, M. Morisita (diversity), J. Nash and J. Sutcliffe (runs of rivers), H. Kuttruff (levels),
A. Gray and J. Markel (spectra), K. Rothman (tables of two by two), P. McCullagh and J. Nelder (deviances).
"""

from __future__ import annotations

import symgraph as sg
from tests.nasty_fourth_tensors import _dot, _lse, _mean, _squares, _sum
from tests.nasty_tensors import FAR, LOGITS, RANGE, VALUES, Row

COUNTS = ((3.0, 5.0, 2.0), (1.0, 1.0, 1.0), (1e9, 1.0, 1e-6), (1e-12, 2e-12, 3e-12), (7.0, 7.0 + 1e-8, 7.0))
TABLES = ((3.0, 4.0, 5.0, 2.0), (1e9, 1.0, 1.0, 1e-9), (1.0, 1 + 1e-10, 1 - 1e-10, 1.0), (1e-200, 1e-180, 1e150, 1e180))
RUNS = ((1.0, 2.0, 4.0), (1.0, 1 + 1e-9, 1 - 1e-9), (1e8, 1e8 + 3, 1e8 + 1), (1e-9, 3e-9, 2e-9))
OBSERVED = (1.0, 2.0, 3.0)


def _levels(m: object, x: object) -> list[object]:
    return [m.exp(a * m.log(10) / 10) for a in x]  # type: ignore[attr-defined]


NINTH: dict[str, Row] = {
    # -- diversity
    "Shannon of counts": (
        lambda x: -sg.sum(x / sg.sum(x) * sg.log(x / sg.sum(x))),
        lambda m, *x: -_sum([a / _sum(x) * m.log(a / _sum(x)) for a in x]), COUNTS,
    ),
    "Gini–Simpson of counts": (
        lambda x: 1 - sg.sum((x / sg.sum(x)) ** 2), lambda m, *x: 1 - _squares([a / _sum(x) for a in x]), COUNTS,
    ),
    "effective species": (
        lambda x: sg.sum(x) ** 2 / sg.sum(x**2), lambda m, *x: _sum(x) ** 2 / _squares(x), COUNTS + RANGE[3:],
    ),
    "evenness less 1": (
        lambda x: sg.log(sg.sum(x)) / sg.log(3) - sg.sum(x * sg.log(x)) / (sg.sum(x) * sg.log(3)) - 1,
        lambda m, *x: m.log(_sum(x)) / m.log(3) - _sum([a * m.log(a) for a in x]) / (_sum(x) * m.log(3)) - 1, COUNTS,
    ),
    "Morisita–Horn": (
        lambda x: 1 - 2 * sg.sum(x[:2] * x[2:]) / (sg.sum(x[:2] ** 2) + sg.sum(x[2:] ** 2)),
        lambda m, *x: 1 - 2 * _dot(x[:2], x[2:]) / (_squares(x[:2]) + _squares(x[2:])), TABLES,
    ),
    # -- runs of rivers
    "Nash–Sutcliffe": (
        lambda x: 1 - sg.sum((x - sg.constant(list(OBSERVED))) ** 2) / sg.sum((x - sg.mean(x)) ** 2),
        lambda m, *x: 1 - _squares([a - int(b) for a, b in zip(x, OBSERVED, strict=True)])
        / _squares([a - _mean(x) for a in x]), RUNS,
    ),
    "log Nash–Sutcliffe's part": (
        lambda x: sg.sum(sg.log(x / sg.mean(x)) ** 2), lambda m, *x: _sum([m.log(a / _mean(x)) ** 2 for a in x]),
        COUNTS,
    ),
    "variation's ratio": (
        lambda x: sg.sqrt(sg.mean(x**2) / sg.mean(x) ** 2 - 1),
        lambda m, *x: m.sqrt(_squares(x) / 3 / _mean(x) ** 2 - 1), VALUES[:1] + RUNS[:1] + COUNTS[2:3] + RUNS[2:],
    ),
    # -- sound
    "equivalent level": (
        lambda x: 10 * sg.log(sg.mean(sg.exp(x * sg.log(10) / 10))) / sg.log(10),
        lambda m, *x: 10 * m.log(_mean(_levels(m, x))) / m.log(10), FAR[:6],
    ),
    "root mean square's level": (
        lambda x: 10 * sg.log(sg.mean(x**2)) / sg.log(10), lambda m, *x: 10 * m.log(_squares(x) / 3) / m.log(10), RANGE,
    ),
    "crest factor of the first": (
        lambda x: x[0] / sg.sqrt(sg.mean(x**2)), lambda m, *x: x[0] / m.sqrt(_squares(x) / 3), RANGE,
    ),
    "flatness": (
        lambda x: sg.exp(sg.mean(sg.log(x))) / sg.mean(x), lambda m, *x: m.exp(_mean([m.log(a) for a in x])) / _mean(x),
        COUNTS,
    ),
    "centroid of exponentials": (
        lambda x: sg.sum(sg.constant(list(OBSERVED)) * sg.exp(x)) / sg.sum(sg.exp(x)),
        lambda m, *x: _sum([(n + 1) * m.exp(a) for n, a in enumerate(x)]) / _sum([m.exp(a) for a in x]), FAR[:6],
    ),
    # -- tables and deviances
    "log odds of a table": (
        lambda x: sg.log(x[0] * x[3] / (x[1] * x[2])), lambda m, *x: m.log(x[0] * x[3] / (x[1] * x[2])), TABLES,
    ),
    "Poisson deviance of counts": (
        lambda x: 2 * sg.sum(x * sg.log(x / sg.mean(x)) - (x - sg.mean(x))),
        lambda m, *x: 2 * _sum([a * m.log(a / _mean(x)) - (a - _mean(x)) for a in x]), COUNTS,
    ),
    "conditional logistic": (
        lambda x: sg.log(sg.sum(sg.exp(x - x[0]))), lambda m, *x: _lse(m, [a - x[0] for a in x]), LOGITS,
    ),
}  # fmt: skip
"""As :data:`tests.nasty_tensors.ROWS`."""
