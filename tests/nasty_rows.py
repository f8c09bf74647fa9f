"""Scalar formulas that are known to go wrong in floating point, each once, for SymPy and for mpmath alike.

``m`` is a table of functions: SymPy's (:data:`tests.nasty.SYMBOLIC`) or mpmath's (:data:`tests.nasty.EXACT`). Sources:
W. Kahan's and N. J. Higham's (Accuracy and Stability of Numerical Algorithms, 2002) examples, D. Goldberg 1991, the
kinds of formulas of Herbie's benchmarks (R. W. Hamming 1987), SciPy's and PyTorch's trackers, textbooks of statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Formula = Callable[..., Any]
Points = tuple[Any, ...]
INF = float("inf")

SMALL = (1e-30, 1e-12, 1e-7, 1e-3)
MIDDLE = (0.1, 0.7, 1.3, 2.6)
LARGE = (20.0, 87.0, 150.0, 1e4, 1e12, 1e30)
POSITIVE = SMALL + MIDDLE + LARGE
REAL = (*(s * x for x in POSITIVE for s in (1, -1)), 0.0, -0.0)
NEAR_ZERO = (*(s * x for x in SMALL + MIDDLE for s in (1, -1)), 0.0)
MODERATE = (*(s * x for x in (*SMALL, *MIDDLE, 5.0, 20.0, 60.0) for s in (1, -1)), 0.0)
UNIT = (1e-30, 1e-10, 1e-3, 0.25, 0.5, 0.75, 0.99, 0.9999)
SIGNED_UNIT = (*(s * x for x in UNIT for s in (1, -1)), 0.0)
MORE_THAN_MINUS_ONE = tuple(x for x in REAL if x > -1)
NEAR_ONE = (0.5, 0.99, 0.99999, 1.00001, 1.01, 2.0)
ABOVE_ONE = (1.0000001, 1.001, 1.5, 10.0, 1e5, 1e15, 1e30)
COUNTS = (0.5, 1.0, 2.5, 10.0, 100.0, 1e4, 1e8)
ANGLES = (1e-20, 1e-9, 1e-4, 0.3, 1.5, 3.0, 1e3)

ONE: dict[str, tuple[Formula, Points]] = {
    # -- logistic, softplus and relatives
    "sigmoid": (lambda m, x: 1 / (1 + m.exp(-x)), (*REAL, INF, -INF)),
    "sigmoid by eˣ": (lambda m, x: m.exp(x) / (1 + m.exp(x)), REAL),
    "1 − sigmoid": (lambda m, x: 1 - 1 / (1 + m.exp(-x)), REAL),
    "softplus": (lambda m, x: m.log(1 + m.exp(x)), (*REAL, -INF)),
    "softplus of −x": (lambda m, x: m.log(1 + m.exp(-x)), REAL),
    "softplus less x": (lambda m, x: m.log(1 + m.exp(x)) - x, MODERATE),
    "log sigmoid": (lambda m, x: m.log(1 / (1 + m.exp(-x))), REAL),
    "log (1 − sigmoid)": (lambda m, x: m.log(1 - 1 / (1 + m.exp(-x))), REAL),
    "log tanh": (lambda m, x: m.log(m.tanh(x)), POSITIVE),
    "logistic density": (lambda m, x: m.exp(-x) / (1 + m.exp(-x)) ** 2, REAL),
    "log logistic density": (lambda m, x: -x - 2 * m.log(1 + m.exp(-x)), REAL),
    "scaled softplus": (lambda m, x: m.log(1 + m.exp(10 * x)) / 10, REAL),
    "silu": (lambda m, x: x / (1 + m.exp(-x)), REAL),
    "mish": (lambda m, x: x * m.tanh(m.log(1 + m.exp(x))), REAL),
    "gelu": (lambda m, x: x * (1 + m.erf(x / m.sqrt(2))) / 2, REAL),
    "gelu by tanh": (lambda m, x: x * (1 + m.tanh(m.sqrt(2 / m.pi) * (x + x**3 / 20))) / 2, MODERATE),
    "elu": (lambda m, x: m.where(x > 0, x, m.exp(x) - 1), [x for x in REAL if x]),
    "log cosh": (lambda m, x: m.log(m.cosh(x)), REAL),
    "log cosh by exponentials": (lambda m, x: m.log((m.exp(x) + m.exp(-x)) / 2), REAL),
    "log 2 sinh": (lambda m, x: m.log(2 * m.sinh(x)), POSITIVE),
    "log expm1": (lambda m, x: m.log(m.exp(x) - 1), POSITIVE),
    "log(1 − e⁻ˣ)": (lambda m, x: m.log(1 - m.exp(-x)), POSITIVE),
    "binary cross-entropy, t = 1": (lambda m, x: -m.log(1 / (1 + m.exp(-x))), REAL),
    "binary cross-entropy, t = 1/3": (
        lambda m, x: -(m.log(1 / (1 + m.exp(-x))) + 2 * m.log(1 - 1 / (1 + m.exp(-x)))) / 3,
        REAL,
    ),
    "focal loss": (lambda m, x: -((1 - 1 / (1 + m.exp(-x))) ** 2) * m.log(1 / (1 + m.exp(-x))), REAL),
    "logistic variance": (lambda m, x: 1 / (1 + m.exp(-x)) * (1 - 1 / (1 + m.exp(-x))), REAL),
    "gompertz": (lambda m, x: m.exp(-m.exp(-x)), MODERATE),
    "1 − gompertz": (lambda m, x: 1 - m.exp(-m.exp(-x)), MODERATE),
    "complementary log-log": (lambda m, x: m.log(-m.log(1 - x)), UNIT),
    # -- exponentials
    "eˣ − 1": (lambda m, x: m.exp(x) - 1, (*NEAR_ZERO, 20.0, -20.0, -800.0)),
    "(eˣ − 1)/x": (lambda m, x: m.where(m.nonzero(x), (m.exp(x) - 1) / x, 1), MODERATE),
    "x/(eˣ − 1)": (lambda m, x: m.where(m.nonzero(x), x / (m.exp(x) - 1), 1), REAL),
    "(eˣ − 1 − x)/x²": (lambda m, x: m.where(m.nonzero(x), (m.exp(x) - 1 - x) / x**2, m.half), MODERATE),
    "1/(eˣ − 1)": (lambda m, x: 1 / (m.exp(x) - 1), POSITIVE),
    "Bose–Einstein less 1/x": (lambda m, x: 1 / (m.exp(x) - 1) - 1 / x, MODERATE[:-1]),
    "Planck": (lambda m, x: x**3 / (m.exp(x) - 1), POSITIVE),
    "Einstein heat": (lambda m, x: x**2 * m.exp(x) / (m.exp(x) - 1) ** 2, POSITIVE),
    "e²ˣ − e⁻²ˣ over": (lambda m, x: (m.exp(2 * x) - m.exp(-2 * x)) / (m.exp(2 * x) + m.exp(-2 * x)), REAL),
    "tanh by exponentials": (lambda m, x: (m.exp(x) - m.exp(-x)) / (m.exp(x) + m.exp(-x)), REAL),
    "1 − tanh²": (lambda m, x: 1 - m.tanh(x) ** 2, REAL),
    "1 − tanh": (lambda m, x: 1 - m.tanh(x), REAL),
    "sech": (lambda m, x: 2 / (m.exp(x) + m.exp(-x)), REAL),
    "sinh by exponentials": (lambda m, x: (m.exp(x) - m.exp(-x)) / 2, NEAR_ZERO),
    "cosh − 1": (lambda m, x: m.cosh(x) - 1, NEAR_ZERO),
    "sinh x/x": (lambda m, x: m.where(m.nonzero(x), m.sinh(x) / x, 1), NEAR_ZERO),
    "tanh x/x": (lambda m, x: m.where(m.nonzero(x), m.tanh(x) / x, 1), REAL),
    "Langevin": (lambda m, x: m.where(m.nonzero(x), m.cosh(x) / m.sinh(x) - 1 / x, 0), MODERATE),
    "(1 − e⁻²ˣ)/2x": (lambda m, x: m.where(m.nonzero(x), (1 - m.exp(-2 * x)) / (2 * x), 1), MODERATE),
    "e⁻¹ᐟˣ": (lambda m, x: m.exp(-1 / x), POSITIVE),
    "e^(−x²)": (lambda m, x: m.exp(-(x**2)), NEAR_ZERO),
    "1 − e^(−x²)": (lambda m, x: 1 - m.exp(-(x**2)), REAL),
    "eˣ·e⁻ˣ²": (lambda m, x: m.exp(x) * m.exp(-(x**2)), REAL),
    "e¹⁰⁰⁺ˣ/e¹⁰⁰": (lambda m, x: m.exp(100 + x) / m.exp(100), NEAR_ZERO),
    # -- logarithms
    "log(1 + x)": (lambda m, x: m.log(1 + x), MORE_THAN_MINUS_ONE),
    "log(1 − x)": (lambda m, x: m.log(1 - x), SIGNED_UNIT),
    "log(1 + x)/x": (lambda m, x: m.where(m.nonzero(x), m.log(1 + x) / x, 1), MORE_THAN_MINUS_ONE),
    "log(1 + x) − x": (lambda m, x: m.log(1 + x) - x, SIGNED_UNIT),
    "log((1 + x)/(1 − x))": (lambda m, x: m.log((1 + x) / (1 - x)), SIGNED_UNIT),
    "logit": (lambda m, x: m.log(x / (1 - x)), UNIT),
    "logit by difference": (lambda m, x: m.log(x) - m.log(1 - x), UNIT),
    "log(x + 1) − log x": (lambda m, x: m.log(x + 1) - m.log(x), POSITIVE),
    "(x + 1)·log(x + 1) − x·log x − …": (lambda m, x: (x + 1) * m.log(x + 1) - x * m.log(x) - 1, POSITIVE),
    "log x/(x − 1)": (lambda m, x: m.log(x) / (x - 1), NEAR_ONE),
    "log(x + √(x² + 1))": (lambda m, x: m.log(x + m.sqrt(x**2 + 1)), REAL),
    "log(x + √(x² − 1))": (lambda m, x: m.log(x + m.sqrt(x**2 - 1)), ABOVE_ONE),
    "log(1 + x²)": (lambda m, x: m.log(1 + x**2), REAL),
    "log(1 + √x)": (lambda m, x: m.log(1 + m.sqrt(x)), POSITIVE),
    "log log": (lambda m, x: m.log(m.log(x)), ABOVE_ONE),
    "x log x": (lambda m, x: x * m.log(x), POSITIVE),
    "binary entropy": (lambda m, x: -x * m.log(x) - (1 - x) * m.log(1 - x), UNIT),
    "log 10": (lambda m, x: m.log(x) / m.log(10), POSITIVE),
    "signed log": (lambda m, x: m.sign(x) * m.log(1 + abs(x)), [x for x in REAL if x]),
    # -- roots and quotients
    "√(x + 1) − √x": (lambda m, x: m.sqrt(x + 1) - m.sqrt(x), POSITIVE),
    "√(1 + x) − 1": (lambda m, x: m.sqrt(1 + x) - 1, MORE_THAN_MINUS_ONE),
    "(√(1 + x) − 1)/x": (lambda m, x: m.where(m.nonzero(x), (m.sqrt(1 + x) - 1) / x, m.half), MORE_THAN_MINUS_ONE),
    "√(1 + x²) − 1": (lambda m, x: m.sqrt(1 + x**2) - 1, REAL),
    "√(1 + x²) − x": (lambda m, x: m.sqrt(1 + x**2) - x, REAL),
    "pseudo-Huber": (lambda m, x: m.sqrt(1 + x**2) - 1, REAL),
    "√(x² + 1)": (lambda m, x: m.sqrt(x**2 + 1), REAL),
    "1/√x − 1/√(x + 1)": (lambda m, x: 1 / m.sqrt(x) - 1 / m.sqrt(x + 1), POSITIVE[:10]),
    "1/x − 1/(x + 1)": (lambda m, x: 1 / x - 1 / (x + 1), POSITIVE[1:]),
    "2 over three poles": (lambda m, x: 1 / (x + 1) - 2 / x + 1 / (x - 1), (0.3, 3.0, 30.0, 1e3, 1e6)),
    "x/(1 + x²)": (lambda m, x: x / (1 + x**2), REAL),
    "1 − 1/(1 + x)": (lambda m, x: 1 - 1 / (1 + x), [x for x in REAL if x > -0.5]),
    "x − x³/(1 + x²)": (lambda m, x: x - x**3 / (1 + x**2), REAL),
    "x/√(1 + x²)": (lambda m, x: x / m.sqrt(1 + x**2), REAL),
    "1 − x/√(1 + x²)": (lambda m, x: 1 - x / m.sqrt(1 + x**2), REAL),
    "∛(x + 1) − ∛x": (lambda m, x: m.power(x + 1, m.third) - m.power(x, m.third), POSITIVE),
    "√√": (lambda m, x: m.sqrt(m.sqrt(1 + x) - 1), POSITIVE),
    "quadratic root": (lambda m, x: (-x + m.sqrt(x**2 + 4)) / 2, REAL),
    "other quadratic root": (lambda m, x: (x + m.sqrt(x**2 + 4)) / 2, REAL),
    "small quadratic root": (lambda m, x: (-1 + m.sqrt(1 - x)) / x, [x for x in SIGNED_UNIT if x]),
    "x² − 1": (lambda m, x: x**2 - 1, NEAR_ONE),
    "(x² − 1)/(x − 1)": (lambda m, x: (x**2 - 1) / (x - 1), NEAR_ONE),
    "(1 + x)² − 1": (lambda m, x: (1 + x) ** 2 - 1, NEAR_ZERO),
    "(1 + x)¹⁰ − 1": (lambda m, x: (1 + x) ** 10 - 1, NEAR_ZERO),
    "(1 + 1/x)ˣ": (lambda m, x: m.power(1 + 1 / x, x), POSITIVE[2:]),
    "compound interest": (lambda m, x: (m.power(1 + x, 360) - 1) / x, (*SMALL, 0.1)),
    "annuity": (lambda m, x: x / (1 - m.power(1 + x, -360)), (*SMALL, 0.1)),
    "relativistic γ − 1": (lambda m, x: 1 / m.sqrt(1 - x**2) - 1, SIGNED_UNIT),
    "relativistic γ": (lambda m, x: 1 / m.sqrt(1 - x**2), SIGNED_UNIT),
    "velocity addition": (lambda m, x: (x + m.half) / (1 + x * m.half), SIGNED_UNIT),
    "x⁰": (lambda m, x: x**0 + 0 * x, NEAR_ZERO),
    "|x|": (lambda m, x: abs(x), [x for x in REAL if x]),
    "softsign": (lambda m, x: x / (1 + abs(x)), [x for x in REAL if x]),
    "√x²": (lambda m, x: m.sqrt(x**2), [x for x in REAL if x]),
    "xˣ": (lambda m, x: m.power(x, x), POSITIVE[:9]),
    "x^(1/x)": (lambda m, x: m.power(x, 1 / x), (0.1, 1.0, 10.0, 1e4)),
    "1/(1 + x⁴)": (lambda m, x: 1 / (1 + x**4), REAL),
    # -- angles
    "1 − cos": (lambda m, x: 1 - m.cos(x), ANGLES),
    "(1 − cos x)/x²": (lambda m, x: m.where(m.nonzero(x), (1 - m.cos(x)) / x**2, m.half), (*ANGLES, 0.0)),
    "(1 − cos x)/sin x": (lambda m, x: (1 - m.cos(x)) / m.sin(x), ANGLES),
    "sin x/x": (lambda m, x: m.where(m.nonzero(x), m.sin(x) / x, 1), (*ANGLES, 0.0, -0.5)),
    "x − sin x": (lambda m, x: x - m.sin(x), ANGLES),
    "(x − sin x)/x³": (lambda m, x: m.where(m.nonzero(x), (x - m.sin(x)) / x**3, m.sixth), (*ANGLES, 0.0)),
    "(x − sin x)/(x − tan x)": (lambda m, x: (x - m.sin(x)) / (x - m.tan(x)), ANGLES[1:]),
    "tan x − x": (lambda m, x: m.tan(x) - x, ANGLES[:5]),
    "tan x/x": (lambda m, x: m.where(m.nonzero(x), m.tan(x) / x, 1), (*ANGLES[:5], 0.0)),
    "1/sin − 1/x": (lambda m, x: 1 / m.sin(x) - 1 / x, ANGLES),
    "1/x − cot": (lambda m, x: 1 / x - m.cos(x) / m.sin(x), ANGLES),
    "sin(x + 1) − sin 1": (lambda m, x: m.sin(x + 1) - m.sin(1), ANGLES),
    "cos(x + 1) − cos 1": (lambda m, x: m.cos(x + 1) - m.cos(1), ANGLES),
    "sin² + cos² − 1": (lambda m, x: m.sin(x) ** 2 + m.cos(x) ** 2, ANGLES),
    "haversine": (lambda m, x: m.asin(m.sqrt(m.sin(x / 2) ** 2)), ANGLES[:5]),
    "arc cos of cos law": (lambda m, x: m.acos(1 - x), (1e-12, 1e-6, 0.1, 1.0, 1.9)),
    "atan(x + 1) − atan x": (lambda m, x: m.atan(x + 1) - m.atan(x), REAL),
    "π/2 − atan": (lambda m, x: m.pi / 2 - m.atan(x), POSITIVE),
    "asin": (lambda m, x: m.asin(x), SIGNED_UNIT),
    "acos": (lambda m, x: m.acos(x), SIGNED_UNIT),
    "asinh": (lambda m, x: m.asinh(x), REAL),
    "acosh": (lambda m, x: m.acosh(x), ABOVE_ONE),
    "atanh": (lambda m, x: m.atanh(x), SIGNED_UNIT),
    "asin x/x": (lambda m, x: m.where(m.nonzero(x), m.asin(x) / x, 1), SIGNED_UNIT),
    "Gudermann": (lambda m, x: 2 * m.atan(m.tanh(x / 2)), MODERATE),
    # -- normal distribution and error function
    "erf": (lambda m, x: m.erf(x), REAL),
    "erfc": (lambda m, x: m.erfc(x), (*NEAR_ZERO, 5.0, 9.0, 20.0)),
    "1 − erf": (lambda m, x: 1 - m.erf(x), (*NEAR_ZERO, 5.0, 9.0, 20.0)),
    "erf x/x": (lambda m, x: m.where(m.nonzero(x), m.erf(x) / x, 1 + 0 * x), [x for x in REAL if x]),
    "Φ": (lambda m, x: (1 + m.erf(x / m.sqrt(2))) / 2, MODERATE),
    "log Φ": (lambda m, x: m.log((1 + m.erf(x / m.sqrt(2))) / 2), MODERATE),
    "log erfc": (lambda m, x: m.log(m.erfc(x)), MODERATE),
    "eˣ²·erfc": (lambda m, x: m.exp(x**2) * m.erfc(x), MODERATE[::2]),
    "Mills ratio": (lambda m, x: m.erfc(x / m.sqrt(2)) / m.exp(-(x**2) / 2), MODERATE[::2]),
    "hazard": (lambda m, x: m.exp(-(x**2) / 2) / m.erfc(x / m.sqrt(2)), MODERATE[::2]),
    "normal log density": (lambda m, x: m.log(m.exp(-(x**2) / 2) / m.sqrt(2 * m.pi)), REAL),
    # -- Γ
    "log Γ": (lambda m, x: m.loggamma(x), (*SMALL, *COUNTS)),
    "log Γ of Γ": (lambda m, x: m.log(m.gamma(x)), (*SMALL, *COUNTS)),
    "ψ": (lambda m, x: m.digamma(x), (*SMALL, *COUNTS)),
    "log Γ(x + 1) − log Γ(x)": (lambda m, x: m.loggamma(x + 1) - m.loggamma(x), (*SMALL, *COUNTS)),
    "log Γ(x + ½) − log Γ(x)": (lambda m, x: m.loggamma(x + m.half) - m.loggamma(x), (*SMALL, *COUNTS)),
    "Γ(x + ½)/Γ(x)": (lambda m, x: m.gamma(x + m.half) / m.gamma(x), (*SMALL, *COUNTS)),
    "Γ(x + 2)/Γ(x)": (lambda m, x: m.gamma(x + 2) / m.gamma(x), (*SMALL, *COUNTS)),
    "ψ(x + 1) − ψ(x)": (lambda m, x: m.digamma(x + 1) - m.digamma(x), (*SMALL, *COUNTS)),
    "log x − ψ": (lambda m, x: m.log(x) - m.digamma(x), COUNTS),
    "log B(x, 3)": (lambda m, x: m.loggamma(x) + m.log(2) - m.loggamma(x + 3), (*SMALL, *COUNTS)),
    "Poisson log pmf of 3": (lambda m, x: 3 * m.log(x) - x - m.loggamma(4), POSITIVE),
    "Student-t log density at 1": (
        lambda m, x: m.loggamma((x + 1) / 2) - m.loggamma(x / 2) - m.log(x * m.pi) / 2 - (x + 1) / 2 * m.log(1 + 1 / x),
        COUNTS,
    ),
}  # fmt: skip
"""Formulas of one variable and the points at which they are judged."""

PAIRS = ((1.0, 2.0), (1e-8, 1.0), (3.0, 3.0000002), (1e10, 1e-10), (30.0, 1e-3))
SIGNED_PAIRS = (*PAIRS, (-1.0, 2.0), (0.5, -7.0), (-100.0, -90.0))
HUGE_PAIRS = (*SIGNED_PAIRS, (1e25, 3e25), (1e-25, 1e-26), (800.0, 802.0), (-800.0, 3.0))
PROBABILITIES = ((0.5, 0.25), (1e-10, 0.3), (0.999, 0.99), (0.9, 1e-6))

TWO: dict[str, tuple[Formula, Points]] = {
    "log(eˣ + eʸ)": (lambda m, x, y: m.log(m.exp(x) + m.exp(y)), HUGE_PAIRS[:-1]),
    "log(eˣ − eʸ)": (lambda m, x, y: m.log(m.exp(x) - m.exp(y)), ((2.0, 1.0), (1e3, 1.0), (3.5, 3.25), (0.0, -90.0))),
    "hypot": (lambda m, x, y: m.sqrt(x**2 + y**2), HUGE_PAIRS),
    "x/hypot": (lambda m, x, y: x / m.sqrt(x**2 + y**2), HUGE_PAIRS),
    "x² − y²": (lambda m, x, y: x**2 - y**2, SIGNED_PAIRS),
    "√x − √y": (lambda m, x, y: m.sqrt(x) - m.sqrt(y), PAIRS),
    "1/x − 1/y": (lambda m, x, y: 1 / x - 1 / y, PAIRS),
    "log x − log y": (lambda m, x, y: m.log(x) - m.log(y), PAIRS),
    "eˣ − eʸ": (lambda m, x, y: m.exp(x) - m.exp(y), ((1.0, 2.0), (1e-8, 1.0), (3.0, 3.0000002), (1e-12, -1e-12))),
    "sin x − sin y": (lambda m, x, y: m.sin(x) - m.sin(y), ((1.0, 2.0), (3.0, 3.0000002), (1e-12, -1e-12))),
    "softmax of two": (lambda m, x, y: m.exp(x) / (m.exp(x) + m.exp(y)), HUGE_PAIRS[:-4] + HUGE_PAIRS[-2:]),
    "log softmax of two": (lambda m, x, y: m.log(m.exp(x) / (m.exp(x) + m.exp(y))), HUGE_PAIRS[:-4] + HUGE_PAIRS[-2:]),
    "KL of Bernoulli": (
        lambda m, x, y: x * m.log(x / y) + (1 - x) * m.log((1 - x) / (1 - y)),
        PROBABILITIES,
    ),
    "KL of Gaussians": (
        lambda m, x, y: m.log(y / x) + x**2 / (2 * y**2) - m.half,
        ((1.0, 2.0), (1e-8, 1.0), (5.0, 1.0)),
    ),
    "x·log y": (lambda m, x, y: x * m.log(y), PAIRS),
    "Gaussian log density": (lambda m, x, y: -m.log(y) - (x / y) ** 2 / 2 - m.log(2 * m.pi) / 2, SIGNED_PAIRS[:3]),
    "quadratic formula": (lambda m, x, y: (-x + m.sqrt(x**2 - 4 * y)) / 2, ((3.0, 1.0), (1e8, 1.0), (-50.0, 1e-5))),
    "parallel resistors": (lambda m, x, y: x * y / (x + y), (*PAIRS, (1e25, 1e25), (1e-25, 1e-25))),
    "harmonic mean": (lambda m, x, y: 2 / (1 / x + 1 / y), PAIRS),
    "logarithmic mean": (lambda m, x, y: (x - y) / (m.log(x) - m.log(y)), ((1.0, 2.0), (1e-8, 1.0), (30.0, 1e-3))),
    "2×2 log det": (lambda m, x, y: m.log(x * x * y * y - x * y / 4), ((1.0, 2.0), (1e10, 1e9), (0.7, 0.9))),
    "log B": (lambda m, x, y: m.loggamma(x) + m.loggamma(y) - m.loggamma(x + y), (*PAIRS[:3], (1e8, 2.0), (2.0, 1e6))),
    "beta-binomial log pmf, 2 of 5": (
        lambda m, x, y: m.loggamma(x + 2) + m.loggamma(y + 3) - m.loggamma(x + y + 5)
        - m.loggamma(x) - m.loggamma(y) + m.loggamma(x + y),
        ((1.0, 2.0), (30.0, 1e-3), (1e6, 1e5)),
    ),
    "angle": (lambda m, x, y: m.atan(y / x), SIGNED_PAIRS),
    "xʸ": (lambda m, x, y: m.power(x, y), ((1.0, 2.0), (1.00001, 1e5), (0.5, 60.0), (30.0, 1e-3))),
    "(1 + x)ʸ − 1": (lambda m, x, y: m.power(1 + x, y) - 1, ((1e-9, 3.0), (0.1, 1e-10), (1e-10, 1e8))),
    "Box–Cox": (lambda m, x, y: (m.power(x, y) - 1) / y, ((2.0, 1.0), (2.0, 1e-8), (10.0, 1e-3), (0.1, -1e-10))),
    "Haversine": (
        lambda m, x, y: m.asin(m.sqrt(m.sin((x - y) / 2) ** 2 + m.cos(x) * m.cos(y) * m.sin(m.half) ** 2)),
        ((0.3, 0.2), (1e-8, 1.0), (1.0, 1.0000001)),
    ),
    "lens": (lambda m, x, y: 1 / (1 / x - 1 / y), ((1.0, 2.0), (3.0, 3.0000002), (1e-8, 1.0))),
    "weighted mean": (lambda m, x, y: (x * m.exp(x) + y * m.exp(y)) / (m.exp(x) + m.exp(y)), HUGE_PAIRS[:3]),
}  # fmt: skip
"""Formulas of two variables."""
