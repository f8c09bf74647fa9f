"""A third list, written before any of it was tried: eighty scalar formulas and twenty of arrays.

Sources: Herbie's suite (Hamming's exercises, libraries' formulas), W. Kahan (areas, angles), N. J. Higham 2002,
J.-M. Muller 2016, M. Mächler 2012, Stan's and TensorFlow Probability's densities, and situations of PyTorch's and JAX's
trackers: log-sum-exp over masks, log-probability of a truncated or a mixed distribution, angles between near vectors,
norms that over- and underflow, products of many probabilities, ratios of special functions, gradients behind ``where``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import symgraph as sg
from tests.nasty_rows import LARGE, MIDDLE, MODERATE, NEAR_ZERO, POSITIVE, SMALL, Formula, Points
from tests.nasty_tensors import FAR, LOGITS, RANGE, SPREAD, VALUES, Row
from tests.nasty_tensors import POSITIVE as POSITIVES

ANGLES = (1e-18, 1e-8, 1e-3, 0.5, 2.5, 40.0)
HUGE = (1e-200, 1e-100, 1e-9, 0.3, 2.0, 1e9, 1e100, 1e200)
BOTH = (*MODERATE, 800.0, -800.0)
COUNTS = (1e-6, 0.5, 2.0, 30.0, 172.0, 1e3, 1e6, 1e9)

ONE_THIRD: dict[str, tuple[Formula, Points]] = {
    # -- exponentials and logarithms
    "Γ(x + 1)/(Γ(x + ½)·√x)": (lambda m, x: m.gamma(x + 1) / (m.gamma(x + m.half) * m.sqrt(x)), COUNTS[1:]),
    "log(σ(x)·σ(−x))": (lambda m, x: m.log(1 / (1 + m.exp(-x)) * (1 / (1 + m.exp(x)))), BOTH),
    "focal loss of 3": (
        lambda m, x: (1 - 1 / (1 + m.exp(-x))) ** 3 * m.log(1 + m.exp(-x)), BOTH,
    ),
    "σ(x)·log σ(x)": (lambda m, x: -m.log(1 + m.exp(-x)) / (1 + m.exp(-x)), BOTH),
    "binary entropy of σ": (
        lambda m, x: m.log(1 + m.exp(-x)) / (1 + m.exp(-x)) + m.log(1 + m.exp(x)) / (1 + m.exp(x)), BOTH,
    ),
    "x·log(1 + 1/x)": (lambda m, x: x * m.log(1 + 1 / x), POSITIVE),
    "(1 + 1/x)ˣ less e": (lambda m, x: m.exp(x * m.log(1 + 1 / x)) - m.exp(1), (0.5, 2.0, 1e3, 1e6, 1e9)),
    "log(1 + eˣ) − max": (lambda m, x: m.log(1 + m.exp(x)) - m.where(x > 0, x, 0 * x), [x for x in BOTH if x]),
    "(1 − e⁻ˣ)/x": (lambda m, x: m.where(m.nonzero(x), (1 - m.exp(-x)) / x, 1), (*NEAR_ZERO, 30.0, 800.0, -30.0)),
    "φ₂": (lambda m, x: m.where(m.nonzero(x), (m.exp(x) - 1 - x) / x**2, m.half), (*NEAR_ZERO, -40.0, -1e4)),
    "φ₃": (
        lambda m, x: m.where(m.nonzero(x), (m.exp(x) - 1 - x - x**2 / 2) / x**3, m.sixth), (*NEAR_ZERO, -40.0),
    ),
    "x²/(eˣ − 1 − x)": (lambda m, x: m.where(m.nonzero(x), x**2 / (m.exp(x) - 1 - x), 2), NEAR_ZERO),
    "Bernoulli generating": (lambda m, x: x / (1 - m.exp(-x)) - 1 - x / 2, (*SMALL[1:], *MIDDLE, 40.0)),
    "e^(x − e^x)": (lambda m, x: m.exp(x - m.exp(x)), BOTH),
    "1 − e^(−e^x)": (lambda m, x: 1 - m.exp(-m.exp(x)), BOTH),
    "Fréchet": (lambda m, x: m.exp(-1 / x) / x**2, POSITIVE),
    "log of logit": (lambda m, x: m.log(m.log(1 + m.exp(x))), BOTH),
    "Mish's inner": (lambda m, x: m.tanh(m.log(1 + m.exp(x))), BOTH),
    "Gompertz hazard": (lambda m, x: (m.exp(x / 2) - 1) / (m.half), NEAR_ZERO),
    "log(cosh x) less log 2": (lambda m, x: m.log(2 * m.cosh(x)) - x, (*MODERATE, 400.0, 800.0)),
    "tanh x − x/(1 + x²)": (lambda m, x: m.tanh(x) - x / (1 + x**2), (*SMALL[1:], *MIDDLE)),
    "1 − x·coth x": (lambda m, x: m.where(m.nonzero(x), 1 - x / m.tanh(x), 0), NEAR_ZERO),
    "Brillouin ½": (lambda m, x: 2 / m.tanh(2 * x) - 1 / m.tanh(x), (*SMALL[1:], *MIDDLE, 30.0)),
    "sech² by cosh": (lambda m, x: 1 / m.cosh(x) ** 2, BOTH),
    "x/sinh x": (lambda m, x: m.where(m.nonzero(x), x / m.sinh(x), 1), (*NEAR_ZERO, 800.0)),
    "2σ(x) − 1": (lambda m, x: 2 / (1 + m.exp(-x)) - 1, BOTH),
    "σ(x) − ½ − x/4": (lambda m, x: 1 / (1 + m.exp(-x)) - m.half - x / 4, (*SMALL[1:], *MIDDLE)),
    "log((eˣ − 1)/x)": (lambda m, x: m.log((m.exp(x) - 1) / x), (*SMALL[1:], *MIDDLE, 800.0, -800.0)),
    # -- powers and roots
    "√(1 + x) − √(1 − x)": (lambda m, x: m.sqrt(1 + x) - m.sqrt(1 - x), (*SMALL, 0.1, 0.7, 0.999)),
    "√(x² + 1) − |x|": (lambda m, x: m.sqrt(x**2 + 1) - m.sqrt(x**2), (*MIDDLE, *LARGE, 1e100)),
    "(1 − √(1 − x²))/x": (lambda m, x: (1 - m.sqrt(1 - x**2)) / x, (*SMALL, 0.1, 0.7, 0.999)),
    "log(1 + √(1 + x²))": (lambda m, x: m.log(1 + m.sqrt(1 + x**2)), HUGE),
    "x²/(1 + x²)": (lambda m, x: x**2 / (1 + x**2), HUGE),
    "Cauchy's loss": (lambda m, x: m.log(1 + x**2 / 4), HUGE),
    "Geman–McClure": (lambda m, x: x**2 / (x**2 + 4) / 2, HUGE),
    "x/(1 + x²)²": (lambda m, x: x / (1 + x**2) ** 2, (1e-100, 1e-9, 0.3, 2.0, 1e9, 1e60)),
    "1/√(1 + x²)³": (lambda m, x: 1 / m.sqrt(1 + x**2) ** 3, (1e-100, 1e-9, 0.3, 2.0, 1e9, 1e90)),
    "(x + 1)^¼ − x^¼": (lambda m, x: m.power(x + 1, m.half / 2) - m.power(x, m.half / 2), (*MIDDLE, *LARGE[:5])),
    "x^⅔ of a square": (lambda m, x: m.power(x**2, m.third), HUGE),
    "1/(√(x + 1) − √x)": (lambda m, x: 1 / (m.sqrt(x + 1) - m.sqrt(x)), (*MIDDLE, *LARGE)),
    "Doppler": (lambda m, x: m.sqrt((1 - x) / (1 + x)) - 1, (*SMALL, 0.1, 0.9, -0.5, -1e-9)),
    "(1 + x)⁵ − (1 − x)⁵": (lambda m, x: (1 + x) ** 5 - (1 - x) ** 5, NEAR_ZERO),
    "Kepler": (lambda m, x: x - m.sin(x) / 2 - x / 2, (*ANGLES[:4],)),
    "loan": (lambda m, x: x / (1 - (1 + x) ** -30), (*SMALL[1:], 0.01, 0.5)),
    # -- trigonometry
    "sin of 1e16·x": (lambda m, x: m.sin(x), (1e15, 3e16, 1e22, 2.0**1000)),
    "cos of 1e16·x": (lambda m, x: m.cos(x), (1e15, 3e16, 1e22, 2.0**1000)),
    "versine/x": (lambda m, x: m.where(m.nonzero(x), (1 - m.cos(x)) / x, 0), (*ANGLES, 0.0)),
    "cos x − 1 + x²/2": (lambda m, x: m.cos(x) - 1 + x**2 / 2, ANGLES),
    "log cos x": (lambda m, x: m.log(m.cos(x)), (1e-18, 1e-8, 1e-3, 0.5, 1.5)),
    "sin x·tan x/2": (lambda m, x: m.sin(x) * m.tan(x / 2), ANGLES),
    "acos x by atan": (lambda m, x: 2 * m.atan(m.sqrt((1 - x) / (1 + x))), (0.1, 0.9, 1 - 1e-9, -0.5, -0.999999)),
    "asin(x) − x": (lambda m, x: m.asin(x) - x, (*SMALL[1:], 0.1, 0.7)),
    "x − atan x": (lambda m, x: x - m.atan(x), (*SMALL[1:], *MIDDLE, 1e4)),
    "atan of 1/x": (lambda m, x: m.atan(1 / x), (*SMALL, *MIDDLE, *LARGE)),
    # -- special functions
    "erfc ratio": (lambda m, x: m.exp(-(x**2)) / m.erfc(x), (*MODERATE, 20.0, 100.0, -20.0)),
    "log(1 + erf)": (lambda m, x: m.log(1 + m.erf(x)), (*MODERATE, 20.0, -20.0, -100.0)),
    "truncated mass": (lambda m, x: m.erf(x + 1) - m.erf(x), (*MODERATE, 6.0, 20.0, -6.0)),
    "2√π-scaled Dawson": (lambda m, x: x * m.exp(x**2) * m.erfc(x), (*POSITIVE[:12],)),
    "log Γ near 2": (lambda m, x: m.loggamma(x + 2), (1e-15, 1e-8, 1e-3, 0.5, 1e4)),
    "Γ(x + 1) − 1": (lambda m, x: m.gamma(x + 1) - 1, (1e-15, 1e-8, 1e-3, 0.5)),
    "χ² log density": (
        lambda m, x: (x / 2 - 1) * m.log(2 * x) - x - x / 2 * m.log(2) - m.loggamma(x / 2), COUNTS[1:],
    ),
    "ψ less log": (lambda m, x: x * (m.log(x) - m.digamma(x)), COUNTS[1:]),
}  # fmt: skip

NEAR = ((1.0, 1.0000001), (2.0, 2.0), (3.0, -1.0), (1e-9, 2e-9), (1e150, 2e150), (1e-170, -3e-170))
SHIFTED = ((1.0, 2.0), (-3.0, 0.5), (1e3, 999.0), (-1e3, -1001.0), (40.0, -40.0), (800.0, -3.0))

TWO_THIRD: dict[str, tuple[Formula, Points]] = {
    "v·(eᵘ − cos u)": (lambda m, x, y: y * m.exp(x) - y * m.cos(x), ((1e-9, 2.0), (0.5, 3.0), (-1e-5, 1e30))),
    "x/(x² + y²)": (lambda m, x, y: x / (x**2 + y**2), NEAR),
    "x²/√(x² + y²)": (lambda m, x, y: x**2 / m.sqrt(x**2 + y**2), NEAR),
    "complex quotient": (lambda m, x, y: (3 * x + 4 * y) / (x**2 + y**2), NEAR),
    "√(x² + y²) − x": (lambda m, x, y: m.sqrt(x**2 + y**2) - x, ((1.0, 1e-9), (-1.0, 1e-9), (1e200, 1.0), (3.0, 4.0))),
    "log|x| − log|y| by a square": (lambda m, x, y: m.log(x**2 / y**2), NEAR),
    "x³ − y³": (lambda m, x, y: x**3 - y**3, ((1.0, 1.0000001), (2.0, 2.0), (1e-9, 2e-9), (3.0, 1.0))),
    "log(σ(x) + σ(y))": (lambda m, x, y: m.log(1 / (1 + m.exp(-x)) + 1 / (1 + m.exp(-y))), SHIFTED),
    "logit of a mean": (
        lambda m, x, y: m.log((m.exp(x) + m.exp(y)) / (2 + m.exp(-x) + m.exp(-y))), SHIFTED[:2],
    ),
    "softplus difference": (
        lambda m, x, y: m.log(1 + m.exp(x)) - m.log(1 + m.exp(y)), (*SHIFTED, (3.0, 3.0000001), (-50.0, -50.001)),
    ),
    "pairwise logistic": (lambda m, x, y: m.log(1 + m.exp(y - x)), SHIFTED),
    "product of sigmoids": (lambda m, x, y: m.log(1 / (1 + m.exp(-x)) / (1 + m.exp(-y))), SHIFTED),
    "JS of Bernoullis' part": (
        lambda m, x, y: x * m.log(2 * x / (x + y)), ((0.3, 0.3), (0.2, 0.9), (1e-300, 0.5), (1e-9, 1e-9)),
    ),
    "Welch": (lambda m, x, y: (x + y) ** 2 / (x**2 / 3 + y**2 / 4), ((1.0, 2.0), (1e-170, 1e-170), (1e160, 1.0))),
    "relative difference": (
        lambda m, x, y: 2 * (x - y) / (x + y), ((1.0, 1.0000001), (1e-300, 2e-300), (1.5e308, 1e308)),
    ),
    "Hill": (lambda m, x, y: m.power(x, y) / (1 + m.power(x, y)), ((2.0, 3.0), (1e200, 2.0), (1e-200, 2.0))),
}  # fmt: skip

NESTED = (*LOGITS, (3e3, -1e3, 2.0))


def _lse(m: Any, *x: Any) -> Any:
    return m.log(sum(m.exp(a) for a in x))


def _relu(m: Any, a: Any) -> Any:
    return m.where(a > 0, a, 0 * a)


def _softmax(m: Any, *x: Any) -> list[Any]:
    return [m.exp(a) / sum(m.exp(b) for b in x) for a in x]


def _product(x: Any) -> Any:
    value = 1
    for a in x:
        value = value * a
    return value


THIRD: dict[str, Row] = {
    "log Σ exp(−relu)": (
        lambda x: sg.logsumexp(-sg.relu(x)), lambda m, *x: _lse(m, *(-_relu(m, a) for a in x)),
        ((1e3, 2e3, 3e3), (-1.0, 2e3, 3e3), (800.0, 900.0, 850.0), (1.0, 2.0, 3.0)),
    ),
    "log Σ σ": (
        lambda x: sg.logsumexp(sg.log_sigmoid(x)), lambda m, *x: m.log(sum(1 / (1 + m.exp(-a)) for a in x)), FAR,
    ),
    "log Σ of two of a softmax": (
        lambda x: sg.log(sg.sum(sg.softmax(x)[:2])), lambda m, *x: m.log(sum(_softmax(m, *x)[:2])), NESTED,
    ),
    "log-softmax of −x²": (
        lambda x: sg.log_softmax(-(x**2))[0], lambda m, *x: -(x[0] ** 2) - _lse(m, *(-(a**2) for a in x)),
        ((1.0, 2.0, 3.0), (30.0, 31.0, 32.0), (100.0, 1.0, 50.0)),
    ),
    "Gumbel-softmax at 1/10": (
        lambda x: sg.softmax(10 * x)[0], lambda m, *x: _softmax(m, *(10 * a for a in x))[0], LOGITS,
    ),
    "1 − softmax[k], sure": (lambda x: 1 - sg.softmax(x)[0], lambda m, *x: 1 - _softmax(m, *x)[0], NESTED),
    "log(1 − softmax[k])": (
        lambda x: sg.log(1 - sg.softmax(x)[0]), lambda m, *x: m.log(1 - _softmax(m, *x)[0]), NESTED,
    ),
    "power mean of exponentials": (
        lambda x: sg.log(sg.mean(sg.exp(3 * x))) / 3, lambda m, *x: m.log(sum(m.exp(3 * a) for a in x) / 3) / 3, FAR,
    ),
    "free energy difference": (
        lambda x: sg.logsumexp(x) - sg.logsumexp(x / 2),
        lambda m, *x: _lse(m, *x) - _lse(m, *(a / 2 for a in x)), FAR,
    ),
    "σ of a log-sum": (
        lambda x: sg.sigmoid(sg.logsumexp(x)), lambda m, *x: 1 / (1 + 1 / sum(m.exp(a) for a in x)), FAR,
    ),
    "log Σ x·eˣ": (
        lambda x: sg.log(sg.sum(sg.exp(2 * x) * x**2)),
        lambda m, *x: m.log(sum(m.exp(2 * a) * a**2 for a in x)), LOGITS,
    ),
    "norm to the fourth": (lambda x: sg.sum(x**2) ** 2, lambda m, *x: sum(a**2 for a in x) ** 2, SPREAD),
    "norm of differences": (
        lambda x: sg.sqrt(sg.sum((x[1:] - x[:-1]) ** 2)),
        lambda m, *x: m.sqrt(sum((b - a) ** 2 for a, b in pairwise(x))), RANGE,
    ),
    "L1 over L2": (
        lambda x: sg.sum(sg.abs(x)) / sg.sqrt(sg.sum(x**2)),
        lambda m, *x: sum(m.where(a > 0, a, -a) for a in x) / m.sqrt(sum(a**2 for a in x)), RANGE,
    ),
    "inverse of a norm": (
        lambda x: 1 / sg.sqrt(sg.sum(x**2)), lambda m, *x: 1 / m.sqrt(sum(a**2 for a in x)), RANGE,
    ),
    "coefficient of variation": (
        lambda x: sg.sqrt(sg.mean((x - sg.mean(x)) ** 2)) / sg.mean(x),
        lambda m, *x: m.sqrt(sum((a - sum(x) / 3) ** 2 for a in x) / 3) / (sum(x) / 3), VALUES,
    ),
    "kurtosis": (
        lambda x: sg.mean((x - sg.mean(x)) ** 4) / sg.mean((x - sg.mean(x)) ** 2) ** 2,
        lambda m, *x: sum((a - sum(x) / 3) ** 4 for a in x) / 3 / (sum((a - sum(x) / 3) ** 2 for a in x) / 3) ** 2,
        (*VALUES, (1e-90, 3e-90, 7e-90), (1e90, 3e90, 7e90)),
    ),
    "log of a product": (lambda x: sg.log(sg.prod(x)), lambda m, *x: m.log(_product(x)), POSITIVES),
    "root of a product": (
        lambda x: sg.exp(sg.log(sg.prod(x)) / 3),
        lambda m, *x: m.exp(m.log(_product(x)) / 3), POSITIVES,
    ),
    "entropy of shares": (
        lambda x: -sg.sum(x / sg.sum(x) * sg.log(x / sg.sum(x))),
        lambda m, *x: -sum(a / sum(x) * m.log(a / sum(x)) for a in x), (*POSITIVES[:2], POSITIVES[4]),
    ),
    "mean of huge values": (lambda x: sg.mean(x), lambda m, *x: sum(x) / 3, ((1e308, 1.2e308, 1.5e308), *VALUES)),
    "harmonic of squares": (
        lambda x: 1 / sg.sum(1 / x**2), lambda m, *x: 1 / sum(1 / a**2 for a in x), ((1.0, 2.0, 3.0), (1e-9, 1.0, 5.0)),
    ),
}  # fmt: skip
