"""An eighth list: eighty-four scalar formulas of fields that seven others leave out, written before any was tried.

Sources: J. D. Kalbfleisch and R. Prentice (survival), L. Kleinrock (queues), N. Bowers (actuaries), R. Murray, Z. Li
and S. Sastry (robots), M. Born and E. Wolf (optics), C. Hill (kinetics), W. Rindler (relativity), G. Golub and C. Van
Loan, W. Kahan (matrices of two rows, complex functions), T. Vincenty, H. Moritz (geodesy), S. Coles (extremes),
T. Gneiting and A. Raftery (scoring rules), S. Amari, F. Nielsen (information geometry), B. Efron (estimation).
"""

from __future__ import annotations

from tests.nasty_rows import Formula, Points

TINY = (1e-25, 1e-11, 1e-6, 1e-3)
USUAL = (0.03, 0.4, 0.8, 1.9, 5.0)
LARGE = (25.0, 90.0, 800.0, 3e5, 1e9, 1e14)
PLUS = (*TINY, *USUAL)
POSITIVE = (*PLUS, *LARGE)
BOTH = tuple(s * x for x in (*PLUS, *LARGE[:4]) for s in (1, -1))
SHARE = (1e-25, 1e-10, 1e-4, 0.2, 0.5, 0.7, 0.999, 1 - 1e-11)
LOAD = (1e-12, 1e-5, 0.1, 0.6, 0.9, 1 - 1e-6, 1 - 1e-12)
ANGLE = (1e-25, 1e-10, 1e-5, 1e-2, 0.3, 1.0, 1.5)
COUNT = (1e-6, 0.4, 3.0, 25.0, 500.0, 1e7, 1e11)

ONE_EIGHTH: dict[str, tuple[Formula, Points]] = {
    # -- survival, lives, ruin
    "discrete hazard": (lambda m, x: 1 - m.exp(-m.log(1 + m.exp(x))), BOTH),
    "Weibull's survival of two": (lambda m, x: m.exp(-(x**2)) - m.exp(-2 * x**2), POSITIVE),
    "Gompertz's survival": (lambda m, x: m.exp(-(m.exp(x / 10) - 1) / 50), BOTH[:20]),
    "log-logistic hazard": (lambda m, x: 2 * x / (1 + x**2), (*POSITIVE, 1e200)),
    "cumulative hazard less chance": (lambda m, x: -m.log(1 - x) - x, SHARE),
    "Aalen's variance": (lambda m, x: x / (1 - x) + m.log(1 - x), SHARE),
    "force of mortality": (lambda m, x: (1 - m.exp(-x)) / (1 + m.exp(-x)), BOTH),
    "endowment": (lambda m, x: (1 - m.exp(-10 * x)) / x + m.exp(-10 * x), BOTH),
    "increasing annuity": (lambda m, x: ((1 - m.exp(-5 * x)) / x - 5 * m.exp(-5 * x)) / x, PLUS),
    "whole life's loading": (lambda m, x: x / m.log(1 + x) - 1, POSITIVE),
    "ruin": (lambda m, x: 1 - m.exp(-x / (1 + x)) / (1 + x), POSITIVE),
    "Lundberg's equation": (lambda m, x: m.exp(x) - 1 - 11 * x / 10, (*PLUS, 0.18)),
    # -- queues
    "M/M/1/4, lost": (lambda m, x: (1 - x) * x**4 / (1 - x**5), (*LOAD, 1 + 1e-9, 3.0, 1e80)),
    "M/M/1/4, mean": (lambda m, x: x / (1 - x) - 5 * x**5 / (1 - x**5), (*LOAD, 1 + 1e-7, 3.0, 1e40)),
    "Erlang's B of two": (lambda m, x: x**2 / (2 + 2 * x + x**2), (*POSITIVE, 1e180)),
    "M/D/1's wait": (lambda m, x: x / (2 * (1 - x)) - x / 2, LOAD),
    "busy period's transform": (lambda m, x: x + 3 * m.half - m.sqrt((x + 3 * m.half) ** 2 - 2), POSITIVE),
    # -- robots, rotations
    "rotation's log, scale": (lambda m, x: x / (2 * m.sin(x)) - m.half, (*ANGLE, 2.5, 3.1)),
    "left Jacobian's inverse": (
        lambda m, x: 1 / x**2 - (1 + m.cos(x)) / (2 * x * m.sin(x)),
        (*ANGLE[1:], 2.5, 3.1),
    ),
    "left Jacobian's second": (lambda m, x: (x - m.sin(x)) / x**3 - (1 - m.cos(x)) / x**2 / 3, (*ANGLE[1:], 3.0)),
    "elbow": (lambda m, x: m.acos((x**2 - 2) / 2), (1e-8, 1e-3, 0.5, 1.4, 1.9, 2 - 1e-9)),
    "quaternion's log": (lambda m, x: m.acos(x) / m.sqrt(1 - x**2), (-0.999, 1e-9, 0.5, 1 - 1e-6, 1 - 1e-12)),
    # -- light
    "Fabry–Pérot less 1": (lambda m, x: 1 / (1 + 10 * m.sin(x / 2) ** 2) - 1, (*ANGLE, 3.14, 100.0)),
    "Brewster's excess": (lambda m, x: (1 - x) ** 2 / (1 + x) ** 2, (*POSITIVE, 1 - 1e-9, 1e200)),
    "Gaussian beam's width less 1": (lambda m, x: m.sqrt(1 + x**2) - 1 - x**2 / 2, PLUS),
    "Gouy's phase's rest": (lambda m, x: m.atan(x) - x / (1 + x**2), POSITIVE),
    "conic's sag": (lambda m, x: x**2 / (1 + m.sqrt(1 - x**2)), SHARE),
    "conic's sag less parabola's": (lambda m, x: 1 - m.sqrt(1 - x**2) - x**2 / 2, SHARE),
    "Strehl's loss": (lambda m, x: 1 - m.exp(-((2 * m.pi * x) ** 2)), PLUS),
    "Kubelka–Munk": (lambda m, x: 1 + x - m.sqrt(x**2 + 2 * x), (*POSITIVE, 1e180)),
    "Beer–Lambert, absorbed": (lambda m, x: 1 - m.power(10, -x), POSITIVE),
    # -- kinetics
    "consecutive, at one rate nearly": (lambda m, x: (m.exp(-x) - m.exp(-x * 1000001 / 1000000)) * 1000000, POSITIVE),
    "Thiele's effectiveness": (lambda m, x: 3 / x**2 * (x / m.tanh(x) - 1), POSITIVE),
    "Lindemann's fall-off": (lambda m, x: x / (1 + x) - m.log(1 + x) / x, POSITIVE),
    "Marcus's rate's rest": (lambda m, x: (1 - x) ** 2 / 4 - 1 / (4 * (1 + x)), PLUS),
    "Lambert–Beer of second order": (lambda m, x: 1 / (1 + x) - m.exp(-x), POSITIVE),
    "van 't Hoff": (lambda m, x: m.exp(10 * (1 - 1 / x)), (0.01, 0.1, 0.999999, 1 + 1e-9, 2.0, 1e9)),
    # -- relativity
    "rocket's proper time": (lambda m, x: m.acosh(1 + x), (*POSITIVE, 1e200)),
    "kinetic energy by rapidity": (lambda m, x: m.cosh(x) - 1 - x**2 / 2, (*PLUS, 25.0, 700.0)),
    "β of kinetic energy": (lambda m, x: m.sqrt(x * (x + 2)) / (1 + x), (*POSITIVE, 1e200)),
    "1 − β of kinetic energy": (lambda m, x: 1 - m.sqrt(1 - 1 / (1 + x) ** 2), POSITIVE),
    "twins": (lambda m, x: 2 * m.sinh(x / 2) - x, BOTH[:18]),
    "aberration of light": (lambda m, x: m.sqrt((1 - x) / (1 + x)) - 1 + x, SHARE),
    # -- geodesy and maps
    "Web Mercator": (lambda m, x: m.log((1 + m.sin(x)) / m.cos(x)), ANGLE),
    "meridian's radius less": (lambda m, x: m.power(1 - x, -3 * m.half) - m.power(1 - x, -m.half), SHARE),
    "third flattening": (lambda m, x: (1 - m.sqrt(1 - x)) / (1 + m.sqrt(1 - x)), SHARE),
    "haversine less square": (lambda m, x: m.sin(x / 2) ** 2 - x**2 / 4, ANGLE),
    "Albers' area": (lambda m, x: m.sin(x) / (1 - x**2) + m.atanh(x) - 2 * x, (1e-6, 1e-3, 0.3, 0.9, 1 - 1e-9)),
    "refraction": (lambda m, x: 1 / m.tan(x + 1 / (x + 4)), (1e-9, 1e-3, 0.3, 1.0, 1.5)),
    # -- extremes, scores, geometry of information
    "GEV at ξ = −½": (lambda m, x: m.exp(-((1 - x / 2) ** 2)), (-1e3, -20.0, -1.0, 1e-12, 0.5, 1.999999)),
    "Gumbel's return level": (lambda m, x: -m.log(-m.log(1 - 1 / x)), (1 + 1e-9, 1.5, 10.0, 1e6, 1e15)),
    "return level less log": (lambda m, x: -m.log(-m.log(1 - 1 / x)) - m.log(x), (1.5, 10.0, 1e4, 1e8, 1e15)),
    "maximum of many": (lambda m, x: 1 - m.power(1 - m.exp(-x), 1000), (0.1, 2.0, 7.0, 30.0, 400.0, 740.0)),
    "CRPS of a normal": (
        lambda m, x: x * m.erf(x / m.sqrt(2)) + 2 * m.exp(-(x**2) / 2) / m.sqrt(2 * m.pi) - 1 / m.sqrt(m.pi),
        BOTH,
    ),
    "CRPS of a logistic": (lambda m, x: x - 2 * m.log(1 / (1 + m.exp(-x))) - 1, BOTH),
    "expected shortfall": (
        lambda m, x: m.exp(-(x**2) / 2) / (m.sqrt(2 * m.pi) * m.erfc(x / m.sqrt(2)) / 2) - x,
        BOTH[:22],
    ),
    "log score of a half-normal": (lambda m, x: m.log(m.erf(x)), POSITIVE),
    "spherical score": (lambda m, x: x / m.sqrt(x**2 + (1 - x) ** 2) - 1, SHARE),
    "Fisher–Rao of coins": (lambda m, x: m.acos(m.sqrt(x / 2) + m.sqrt((1 - x) / 2)), SHARE[:4] + SHARE[5:]),
    "Bregman's of Burg": (lambda m, x: x - m.log(x) - 1, (1e-25, 0.3, 1 - 1e-9, 1 + 1e-6, 1.5, 1e9)),
    "Bregman's of Fermi–Dirac": (lambda m, x: x * m.log(2 * x) + (1 - x) * m.log(2 * (1 - x)), SHARE),
    "potential of a Poisson": (lambda m, x: m.exp(x) - x - 1, BOTH[:24]),
    "James–Stein's shrinkage": (lambda m, x: 1 - (1 - m.exp(-x)) / x, POSITIVE),
    "Tweedie's kernel": (lambda m, x: x * m.exp(-x / 2) / 2 + 2 * m.exp(x / 2), BOTH[:22]),
    "Jensen's gap of logs": (lambda m, x: m.log(m.cosh(x)) - x**2 / 2, (*PLUS, 90.0, 1e7)),
    "Stein's half": (lambda m, x: m.tanh(x) / x - 1 / m.cosh(x) ** 2, (*PLUS, 90.0, 800.0)),
}
"""Formulas of one variable: as :data:`tests.nasty_rows.ONE`."""

NEAR = ((1.0, 1 + 1e-9), (3.0, 2.0), (1e-7, 2e-7), (1e7, 1e7 + 1), (0.2, 30.0))
TWO_EIGHTH: dict[str, tuple[Formula, Points]] = {
    "frailty's survival": (
        lambda m, x, y: m.power(1 + x * y, -1 / y),
        ((1.0, 1e-10), (3.0, 2.0), (1e-9, 0.5), (50.0, 1e-3), (1e9, 0.1)),
    ),
    "hazards' cumulated difference": (lambda m, x, y: m.exp(-x) - m.exp(-y), (*NEAR, (700.0, 701.0))),
    "competing risks": (
        lambda m, x, y: x / (x + y) * (1 - m.exp(-(x + y))),
        ((1e-9, 2e-9), (1.0, 3.0), (1e-12, 5.0), (400.0, 500.0)),
    ),
    "consecutive reaction": (lambda m, x, y: x / (y - x) * (m.exp(-x) - m.exp(-y)), NEAR),
    "relativistic Doppler of two": (
        lambda m, x, y: m.sqrt((1 + x) * (1 - y) / ((1 - x) * (1 + y))) - 1,
        ((0.5, 0.5 + 1e-9), (1e-9, 1e-10), (0.999, 0.9), (1 - 1e-9, 1 - 2e-9)),
    ),
    "invariant mass": (
        lambda m, x, y: m.sqrt(m.sqrt(1 + x**2) * 2 + 2 - 2 * y),
        ((1e-6, 0.5), (1e-9, 1 - 1e-9), (3.0, 0.2), (1e9, 0.9)),
    ),
    "eigenvalue gap of two rows": (
        lambda m, x, y: m.sqrt((x - y) ** 2 + 4) - (x - y),
        (*NEAR, (1e9, 1.0), (1e200, 1.0), (-1e6, 3.0)),
    ),
    "Jacobi's rotation": (
        lambda m, x, y: y / (x + m.sqrt(x**2 + y**2)),
        ((1.0, 1e-9), (1e-9, 1.0), (3.0, 4.0), (1e160, 1e160), (1e-170, 1e-170)),
    ),
    "Givens' less 1": (
        lambda m, x, y: 1 - x / m.sqrt(x**2 + y**2),
        ((1.0, 1e-9), (1e-9, 1.0), (3.0, 4.0), (1e160, 1e150), (1e-170, 1e-170)),
    ),
    "log cosh of two": (
        lambda m, x, y: m.log(m.cosh(x) / m.cosh(y)),
        ((1e-6, 2e-6), (3.0, 3.0 + 1e-9), (800.0, 799.0), (-20.0, 1.0)),
    ),
    "real part of log1p z": (
        lambda m, x, y: m.log((1 + x) ** 2 + y**2) / 2,
        ((1e-9, 1e-9), (1e-12, 1e-6), (-1e-8, 1e-4), (3.0, 4.0), (1e200, 1e200)),
    ),
    "real part of z over sinh z": (
        lambda m, x, y: (x * m.sinh(x) * m.cos(y) + y * m.cosh(x) * m.sin(y)) / (m.sinh(x) ** 2 + m.sin(y) ** 2),
        ((1e-6, 2e-6), (1e-3, 0.5), (1.0, 1.0), (50.0, 2.0), (800.0, 1.0)),
    ),
    "imaginary part of √z": (
        lambda m, x, y: m.sqrt((m.sqrt(x**2 + y**2) - x) / 2),
        ((1.0, 1e-9), (-1.0, 1e-9), (3.0, 4.0), (1e160, 1e150), (1e-170, 1e-170)),
    ),
    "bearing": (
        lambda m, x, y: m.atan(m.sin(x) / (m.cos(y) - m.cos(x) * m.sin(y) / 2)),
        ((1e-9, 0.3), (0.5, 1.0), (3.1, -0.7), (1e-5, 1e-5)),
    ),
    "Fisher–Rao of normals": (
        lambda m, x, y: m.acosh(1 + ((x - 1) ** 2 + (y - 1) ** 2) / (2 * x * y)),
        ((1 + 1e-6, 1 + 2e-6), (2.0, 3.0), (1e-9, 1.5), (1e8, 2.0), (1.0, 1 + 1e-9)),
    ),
    "χ² of Poissons": (lambda m, x, y: m.exp((x - y) ** 2 / y) - 1, NEAR),
    "GEV": (
        lambda m, x, y: m.exp(-m.power(1 + x * y, -1 / y)),
        ((1.0, 1e-9), (0.3, 0.2), (20.0, 0.5), (-1.0, 1e-5), (1e6, 0.1)),
    ),
    "β-divergence": (lambda m, x, y: (x**3 - y**3) / 3 - y**2 * (x - y), NEAR),
}
"""Formulas of two: as :data:`tests.nasty_rows.TWO`."""
