"""Seventy more scalar formulas, written before any of them was tried: what mends the first list has to do here too.

Sources: Herbie's benchmarks (R. W. Hamming's exercises, the Rust and Racket libraries' bugs), W. Kahan (triangles,
complex roots, loss of significance), D. Goldberg 1991, N. J. Higham 2002, M. Mächler 2012 (log1mexp), Stan's function
reference (likelihoods), J. C. Hull (Black–Scholes), textbooks of physics, and losses of PyTorch and JAX.
"""

from __future__ import annotations

from tests.nasty_rows import INF, LARGE, MIDDLE, MODERATE, NEAR_ZERO, POSITIVE, REAL, SMALL, UNIT, Formula, Points

ANGLES = (1e-18, 1e-8, 1e-3, 0.5, 2.5, 40.0)
TAIL = (*NEAR_ZERO, 5.0, -5.0, 12.0, -12.0, 30.0, -30.0)
COUNTS = (1e-6, 0.5, 2.0, 30.0, 1e3, 1e6, 1e9)

ONE_MORE: dict[str, tuple[Formula, Points]] = {
    # -- exponentials and logarithms
    "log(1 − e^(−x²))": (lambda m, x: m.log(1 - m.exp(-(x**2))), (*SMALL, *MIDDLE, 6.0, 30.0)),
    "softplus inverse": (lambda m, x: x + m.log(1 - m.exp(-x)), POSITIVE),
    "e²ˣ − 2eˣ + 1": (lambda m, x: m.exp(2 * x) - 2 * m.exp(x) + 1, NEAR_ZERO),
    "eˣ − 2 + e⁻ˣ": (lambda m, x: m.exp(x) - 2 + m.exp(-x), (*NEAR_ZERO, 20.0, -20.0)),
    "(eˣ − e⁻ˣ − 2x)/x³": (
        lambda m, x: m.where(m.nonzero(x), (m.exp(x) - m.exp(-x) - 2 * x) / x**3, m.third), NEAR_ZERO,
    ),
    "1/x − 1/sinh x": (lambda m, x: 1 / x - 1 / m.sinh(x), (*SMALL, *MIDDLE, 20.0, 150.0)),
    "1/tanh x − 1": (lambda m, x: 1 / m.tanh(x) - 1, POSITIVE[4:]),
    "(eˣ − 1)/(eˣ + 1)": (lambda m, x: (m.exp(x) - 1) / (m.exp(x) + 1), (*REAL, INF, -INF)),
    "log of sinh over x": (lambda m, x: m.log(m.sinh(x) / x), (*SMALL, *MIDDLE, 20.0, 150.0, 1e4)),
    "Fermi entropy": (
        lambda m, x: m.log(1 + m.exp(-x)) + x / (m.exp(x) + 1), (*MODERATE, 800.0, -800.0),
    ),
    "Debye integrand": (lambda m, x: x**4 * m.exp(x) / (m.exp(x) - 1) ** 2, POSITIVE),
    "log σ − log(1 − σ)": (
        lambda m, x: m.log(1 / (1 + m.exp(-x))) - m.log(1 - 1 / (1 + m.exp(-x))), (*REAL,),
    ),
    "hard mix": (lambda m, x: m.where(x > 1, 0 * x, m.where(x > 0, (1 - x) ** 2 / 2, m.half - x)), (-3.0, 0.4, 2.0)),
    "smooth hinge": (lambda m, x: m.log(1 + m.exp(5 * (1 - x))) / 5, (*MODERATE, 800.0, -800.0)),
    "exp-log loss": (lambda m, x: m.log(1 + m.exp(-x)) ** 2, (*MODERATE, 800.0, -800.0)),
    "log(2 − e⁻ˣ)": (lambda m, x: m.log(2 - m.exp(-x)), (*SMALL, *MIDDLE, 20.0, 800.0)),
    "softexp": (lambda m, x: m.exp(x) / (m.exp(x) + m.exp(-x)) - m.half, (*REAL,)),
    "swish²": (lambda m, x: x**2 / (1 + m.exp(-x)), (*MODERATE, 800.0, -800.0)),
    "tanh-shrink": (lambda m, x: x - m.tanh(x), (*MODERATE, 1e4, -1e4)),
    "log-cosh less |x|": (lambda m, x: m.log(m.cosh(x)) - m.sqrt(x**2), (1e-5, 0.3, 5.0, 40.0, 800.0)),
    "x·coth x": (lambda m, x: m.where(m.nonzero(x), x * m.cosh(x) / m.sinh(x), 1), (*MODERATE, 800.0)),
    "digit sum of logs": (lambda m, x: m.log(x + 2) - 2 * m.log(x + 1) + m.log(x), (*MIDDLE, *LARGE[:5])),
    "log1p(x)·log x": (lambda m, x: m.log(1 + x) * m.log(x), POSITIVE[:12]),
    "(log(1 + x) − x + x²/2)/x³": (
        lambda m, x: m.where(m.nonzero(x), (m.log(1 + x) - x + x**2 / 2) / x**3, m.third),
        [x for x in NEAR_ZERO if x > -1],
    ),
    "x − log(1 + x)": (lambda m, x: x - m.log(1 + x), [x for x in NEAR_ZERO if x > -1] + [1e4, 1e12]),
    "binary KL from ½": (lambda m, x: x * m.log(2 * x) + (1 - x) * m.log(2 * (1 - x)), (*UNIT, 0.5001, 0.5 - 1e-9)),
    "logit(x) + logit(½)": (lambda m, x: m.log(x) - m.log(1 - x), (*UNIT, 0.5 + 1e-12)),
    "Gini of σ": (
        lambda m, x: 1 - (1 / (1 + m.exp(-x))) ** 2 - (1 - 1 / (1 + m.exp(-x))) ** 2, (*MODERATE, 300.0, -300.0),
    ),
    # -- roots, polynomials, quotients
    "√(x² + x) − x": (lambda m, x: m.sqrt(x**2 + x) - x, POSITIVE),
    "√(x + √x) − √x": (lambda m, x: m.sqrt(x + m.sqrt(x)) - m.sqrt(x), POSITIVE[2:]),
    "complex root": (lambda m, x: m.sqrt((m.sqrt(x**2 + 1) - x) / 2), REAL),
    "relativistic energy less rest": (lambda m, x: m.sqrt(1 + x**2) - 1 - x**2 / 2, (*SMALL[1:], *MIDDLE, 1e4)),
    "rapidity": (lambda m, x: m.log((m.sqrt(1 + x**2) + x) / (m.sqrt(1 + x**2) - x)) / 2, REAL),
    "van der Waals": (lambda m, x: 8 / (3 * x - 1) - 3 / x**2, (0.34, 0.5, 0.99999, 1.0, 1.00001, 30.0, 1e6)),
    "1/(x − 1) − 1/(x + 1)": (lambda m, x: 1 / (x - 1) - 1 / (x + 1), (0.3, 3.0, 1e3, 1e6, 1e12)),
    "Horner of (x − 1)⁷": (
        lambda m, x: x**7 - 7 * x**6 + 21 * x**5 - 35 * x**4 + 35 * x**3 - 21 * x**2 + 7 * x - 1,
        (0.5, 0.99, 1.001, 1.01, 2.0),
    ),
    "∜(1 + x) − 1": (lambda m, x: m.power(1 + x, m.half / 2) - 1, [x for x in NEAR_ZERO if x > -1]),
    "Lennard-Jones": (lambda m, x: 4 * (x**-12 - x**-6), (1e-5, 0.5, 1.0001, 2.0, 1e3, 1e12)),
    "lens of two": (lambda m, x: 1 - m.sqrt(1 - x**2), (*SMALL, 0.1, 0.7, 0.999)),
    "student kernel": (lambda m, x: m.log(1 + x**2 / 3) * 2, (*REAL, 1e150, 1e200)),
    # -- trigonometry
    "sinc′": (lambda m, x: m.where(m.nonzero(x), (x * m.cos(x) - m.sin(x)) / x**2, 0), (*ANGLES, 0.0)),
    "rotation B": (
        lambda m, x: m.where(m.nonzero(x), (1 - x / 2 / m.tan(x / 2)) / x**2, m.sixth / 2), (*ANGLES[:5], 0.0),
    ),
    "quaternion log": (lambda m, x: m.acos(x) / m.sqrt(1 - x**2), (0.1, 0.9, 0.9999, 1 - 1e-9, -0.5)),
    "acosh(1 + x)": (lambda m, x: m.acosh(1 + x), POSITIVE),
    "sin 1 − sin(1 − x)": (lambda m, x: m.sin(1) - m.sin(1 - x), ANGLES),
    "1 − sin": (lambda m, x: 1 - m.sin(x), (*ANGLES, 1.5707)),
    "tan(x + 1) − tan x": (lambda m, x: m.tan(x + 1) - m.tan(x), ANGLES[:4]),
    # -- tails and likelihoods
    "probit loss": (lambda m, x: -m.log(1 - (1 + m.erf(x / m.sqrt(2))) / 2), TAIL),
    "inverse Mills": (lambda m, x: m.exp(-(x**2) / 2) / (m.sqrt(2 * m.pi) * (1 + m.erf(x / m.sqrt(2))) / 2), TAIL),
    "expected improvement": (
        lambda m, x: x * (1 + m.erf(x / m.sqrt(2))) / 2 + m.exp(-(x**2) / 2) / m.sqrt(2 * m.pi), TAIL,
    ),
    "erf of near": (lambda m, x: m.erf(x + 1) - m.erf(x), (1e-9, 0.3, 2.0, 5.0, -4.0)),
    "negative binomial": (
        lambda m, x: m.loggamma(3 + x) - m.loggamma(x) - m.loggamma(4)
        + x * m.log(x / (x + 2)) + 3 * m.log(2 / (x + 2)),
        COUNTS,
    ),
    "Student-t constant": (
        lambda m, x: m.loggamma((x + 1) / 2) - m.loggamma(x / 2) - m.log(x * m.pi) / 2, COUNTS,
    ),
    "Stirling's rest": (lambda m, x: m.loggamma(x) - (x - m.half) * m.log(x) + x, COUNTS[1:]),
    "Wallis": (lambda m, x: m.gamma(x + 1) / (m.gamma(x + m.half) * m.sqrt(x)), COUNTS[1:]),
}  # fmt: skip

FAR = ((1.0, 2.0), (-3.0, 0.5), (1e3, 999.0), (-1e3, -1001.0), (40.0, -40.0), (1e-9, 1.0))
TRIANGLES = ((1.0, 1.0), (1.0, 1e-9), (3e100, 4e100), (1e-120, 2e-120), (0.7, 0.7000001))

TWO_MORE: dict[str, tuple[Formula, Points]] = {
    "log(eˣ + eʸ) − log 2": (lambda m, x, y: m.log((m.exp(x) + m.exp(y)) / 2), FAR),
    "log(eˣ − eʸ), far": (lambda m, x, y: m.log(m.exp(x) - m.exp(y)), ((1e3, 999.0), (-999.0, -1e3), (1e4, 3.0))),
    "Black–Scholes d": (lambda m, x, y: (m.log(x) + y**2 / 2) / y, ((1.0, 1e-3), (1.0000001, 1e-4), (2.0, 0.2))),
    "Black–Scholes call": (
        lambda m, x, y: x * (1 + m.erf((m.log(x) / y + y / 2) / m.sqrt(2))) / 2
        - (1 + m.erf((m.log(x) / y - y / 2) / m.sqrt(2))) / 2,
        ((1.0, 0.2), (1.0, 1e-5), (1.2, 0.3), (0.8, 0.3), (0.5, 0.1)),
    ),
    "isosceles area": (lambda m, x, y: y * m.sqrt(4 * x**2 - y**2) / 4, TRIANGLES),
    "distance of logs": (lambda m, x, y: m.log(m.sqrt(x**2 + y**2)), TRIANGLES),
    "contrast": (lambda m, x, y: (x - y) / (x + y), TRIANGLES),
    "geometric mean of two": (lambda m, x, y: m.sqrt(x * y), (*TRIANGLES, (1e200, 1e180), (1e-200, 1e-150))),
    "arithmetic less geometric": (
        lambda m, x, y: (x + y) / 2 - m.sqrt(x * y), ((1.0, 2.0), (3.0, 3.0001), (1e8, 1e8 + 1)),
    ),
    "KL of exponentials": (lambda m, x, y: m.log(x / y) + y / x - 1, ((1.0, 1.0001), (2.0, 3.0), (1e100, 1e99))),
    "KL of Poissons": (lambda m, x, y: x * m.log(x / y) - x + y, ((1.0, 1.0001), (2.0, 3.0), (1e8, 1e8 + 1))),
    "softmax difference": (
        lambda m, x, y: m.exp(x) / (m.exp(x) + m.exp(y)) - m.exp(y) / (m.exp(x) + m.exp(y)), FAR,
    ),
    "log-odds mix": (lambda m, x, y: m.log(m.exp(x) + m.exp(y)) - m.log(1 + m.exp(y)), FAR),
    "Cauchy log": (lambda m, x, y: m.log(1 + (x / y) ** 2), ((1.0, 2.0), (1e-9, 1.0), (1e200, 1.0), (1.0, 1e-200))),
    "sigmoid difference": (lambda m, x, y: 1 / (1 + m.exp(-x)) - 1 / (1 + m.exp(-y)), ((2.0, 2.0000001), *FAR[:5])),
}  # fmt: skip
