"""Formulas of arrays of the eighth list, seventeen, written before any of it was tried.

Sources: D. R. Cox (partial likelihood, ties by B. Efron), G. Golub and C. Van Loan (matrices of two and three rows),
W. Kahan (angles of vectors), S. Amari (exponential families), T. Gneiting (scoring rules), J. Bradley (paired choices).
"""

from __future__ import annotations

import symgraph as sg
from tests.nasty_fourth_tensors import _dot, _lse, _mean, _soft, _squares, _sum
from tests.nasty_tensors import FAR, LOGITS, RANGE, VALUES, Row

SHARES = ((0.2, 0.3, 0.5), (1e-9, 0.4, 0.6), (1e-20, 1e-12, 1.0), (0.25, 0.25 + 1e-9, 0.5))
ROWS_OF_TWO = ((1.0, 2.0, 3.0, 4.0), (1.0, 1.0, 1.0, 1.0 + 1e-9), (1e9, 1.0, 1.0, 1e-9), (1e-9, 2e-9, 3e-9, -1e-9))
BESIDE = ((1.0, 1 + 1e-8, 1 - 2e-8), (0.5, 2.0, 1.5), (1e-9, 1.0, 3.0), (40.0, 50.0, 1e5))
FAINT = ((1e-9, -2e-9, 3e-9), (1e-4, 2e-4, -1e-4), (0.4, -1.0, 1.3), (30.0, -40.0, 25.0))

EIGHTH: dict[str, Row] = {
    # -- survival and choices
    "partial likelihood": (
        lambda x: x[0] - sg.logsumexp(x) + x[1] - sg.logsumexp(x[1:]),
        lambda m, *x: x[0] - _lse(m, x) + x[1] - _lse(m, x[1:]), FAR,
    ),
    "Efron's ties": (
        lambda x: sg.log(sg.sum(sg.exp(x)) - (sg.exp(x[0]) + sg.exp(x[1])) / 2),
        lambda m, *x: m.log(_sum([m.exp(a) for a in x]) - (m.exp(x[0]) + m.exp(x[1])) / 2), LOGITS,
    ),
    "nested choice": (
        lambda x: sg.log(1 + sg.sqrt(sg.exp(2 * x[0]) + sg.exp(2 * x[1]))) - x[2],
        lambda m, *x: m.log(1 + m.sqrt(m.exp(2 * x[0]) + m.exp(2 * x[1]))) - x[2], LOGITS,
    ),
    "survivals' product less 1": (
        lambda x: sg.prod(1 - x) - 1, lambda m, *x: (1 - x[0]) * (1 - x[1]) * (1 - x[2]) - 1,
        ((1e-9, 2e-9, 3e-9), (0.1, 0.2, 0.3), (1e-20, 0.5, 1e-3)),
    ),
    # -- matrices of two rows
    "larger eigenvalue": (
        lambda x: (x[0] + x[3] + sg.sqrt((x[0] - x[3]) ** 2 + 4 * x[1] * x[2])) / 2,
        lambda m, *x: (x[0] + x[3] + m.sqrt((x[0] - x[3]) ** 2 + 4 * x[1] * x[2])) / 2,
        ROWS_OF_TWO[:1] + ROWS_OF_TWO[2:3],
    ),
    "log of a determinant": (
        lambda x: sg.log(x[0] * x[3] - x[1] * x[2]), lambda m, *x: m.log(x[0] * x[3] - x[1] * x[2]),
        ((4.0, 2.0, 1.0, 3.0), (1.0, 1e-9, 1e-9, 1.0), (1e100, 1.0, 2.0, 1e120), (1.0 + 1e-6, 1.0, 1.0, 1.0)),
    ),
    "condition in Frobenius' norm": (
        lambda x: sg.sum(x**2) / (x[0] * x[3] - x[1] * x[2]),
        lambda m, *x: _squares(x) / (x[0] * x[3] - x[1] * x[2]), ROWS_OF_TWO[:1] + ROWS_OF_TWO[3:],
    ),
    # -- distances and divergences
    "angle of two vectors": (
        lambda x: sg.arctan(sg.sqrt(sg.sum(x[:2] ** 2) * sg.sum(x[2:] ** 2) - sg.sum(x[:2] * x[2:]) ** 2)
                            / sg.sum(x[:2] * x[2:])),
        lambda m, *x: m.atan(m.sqrt(_squares(x[:2]) * _squares(x[2:]) - _dot(x[:2], x[2:]) ** 2) / _dot(x[:2], x[2:])),
        (ROWS_OF_TWO[0], (1.0, 1e-6, 1.0, 2e-6), (3.0, 4.0, 4.0, 3.1)),
    ),
    "KL of Dirichlets' shares": (
        lambda x: sg.sum(x * sg.log(x)) - sg.sum(x) * sg.log(sg.sum(x) / 3),
        lambda m, *x: _sum([a * m.log(a) for a in x]) - _sum(x) * m.log(_sum(x) / 3), SHARES + BESIDE,
    ),
    "Σ of Burg's": (
        lambda x: sg.sum(x - sg.log(x) - 1), lambda m, *x: _sum([a - m.log(a) - 1 for a in x]), BESIDE,
    ),
    "free energy less mean": (
        lambda x: sg.logsumexp(x) - sg.mean(x) - sg.log(3),
        lambda m, *x: _lse(m, x) - _mean(x) - m.log(3), LOGITS[:1] + LOGITS[2:] + FAINT,
    ),
    "softmax less a third": (
        lambda x: sg.softmax(x)[0] - sg.constant(1) / 3, lambda m, *x: _soft(m, x)[0] - m.third, FAINT,
    ),
    # -- scores
    "spherical score of logits": (
        lambda x: sg.softmax(x)[0] / sg.sqrt(sg.sum(sg.softmax(x) ** 2)),
        lambda m, *x: _soft(m, x)[0] / m.sqrt(_squares(_soft(m, x))), FAR[:5],
    ),
    "Brier of logits, whole": (
        lambda x: sg.sum(sg.softmax(x) ** 2) - 2 * sg.softmax(x)[1] + 1,
        lambda m, *x: _squares(_soft(m, x)) - 2 * _soft(m, x)[1] + 1, FAR[:5],
    ),
    "mean of logs of coshes": (
        lambda x: sg.mean(sg.log(sg.cosh(x))), lambda m, *x: _mean([m.log(m.cosh(a)) for a in x]), FAR[:5] + FAINT,
    ),
    "norm less the largest's": (
        lambda x: sg.sqrt(sg.sum(x**2)) - sg.abs(x[2]),
        lambda m, *x: m.sqrt(_squares(x)) - m.where(x[2] > 0, x[2], -x[2]), RANGE[:5],
    ),
    "variance over squared mean": (
        lambda x: (sg.mean(x**2) - sg.mean(x) ** 2) / sg.mean(x) ** 2,
        lambda m, *x: (_mean([a**2 for a in x]) - _mean(x) ** 2) / _mean(x) ** 2, VALUES,
    ),
}  # fmt: skip
"""As :data:`tests.nasty_tensors.ROWS`."""
