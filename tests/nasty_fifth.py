"""A fifth list, of sixty scalar formulas, written before any of it was tried.

Sources: J. C. Hull and P. Jäckel (options), C. M. Will and W. Rindler (relativity), F. Reif and C. Kittel (Fermi, Bose,
Brillouin, Debye), R. Sinnott and T. Vincenty (the sphere), P. Debye and E. Hückel, H. Eyring (rates), M. Born and
E. Wolf (lenses, films), C. Shannon, A. Rényi, I. Csiszár (information), W. Kahan (triangles, complex numbers, roots).
"""

from __future__ import annotations

from tests.nasty_rows import Formula, Points

SMALL = (1e-60, 1e-25, 1e-11, 1e-6, 1e-3)
USUAL = (0.05, 0.4, 1.1, 2.5)
LARGE = (15.0, 60.0, 400.0, 1e4, 1e8, 1e15)
POSITIVE = (*SMALL[1:], *USUAL, *LARGE)
BOTH = tuple(s * x for x in (*SMALL[1:], *USUAL, *LARGE[:4]) for s in (1, -1))
SPEED = (1e-60, 1e-20, 1e-9, 1e-4, 0.3, 0.99, 1 - 1e-12)
SHARE = (1e-30, 1e-12, 1e-4, 0.3, 0.7, 0.9999, 1 - 1e-13)

ONE_FIFTH: dict[str, tuple[Formula, Points]] = {
    # -- relativity
    "Doppler": (lambda m, x: m.sqrt((1 + x) / (1 - x)) - 1, SPEED),
    "Doppler, there less back": (lambda m, x: m.sqrt((1 + x) / (1 - x)) - m.sqrt((1 - x) / (1 + x)), SPEED),
    "time dilation less 1": (lambda m, x: 1 - m.sqrt(1 - x**2), SPEED),
    "proper time": (lambda m, x: m.log(x + m.sqrt(1 + x**2)) / x, POSITIVE),
    "hyperbolic motion": (lambda m, x: m.sqrt(1 + x**2) - 1 - x**2 / 2, POSITIVE),
    "Schwarzschild": (lambda m, x: 1 / m.sqrt(1 - 2 / x) - 1, (2 + 1e-9, 2.5, 10.0, 1e5, 1e12, 1e30)),
    "Shapiro delay": (lambda m, x: m.log((m.sqrt(1 + x**2) + x) / (m.sqrt(1 + x**2) - x)), POSITIVE),
    # -- quanta and heat
    "Bose less Boltzmann": (lambda m, x: 1 / (m.exp(x) - 1) - m.exp(-x) - m.exp(-2 * x), POSITIVE),
    "Fermi's slope": (lambda m, x: 1 / (4 * m.cosh(x / 2) ** 2), BOTH),
    "Sommerfeld": (lambda m, x: m.log(1 + m.exp(x)) - m.log(1 + m.exp(-x)) - x, BOTH),
    "Bose entropy": (lambda m, x: (1 + x) * m.log(1 + x) - x * m.log(x), POSITIVE),
    "Brillouin ½ less its slope": (lambda m, x: 2 / m.tanh(2 * x) - 1 / m.tanh(x) - x, (*SMALL[3:], *USUAL, 20.0)),
    "Langevin, inverse": (lambda m, x: x * (3 - x**2) / (1 - x**2), SPEED),
    "Schottky's entropy": (lambda m, x: m.log(1 + m.exp(-x)) + x / (m.exp(x) + 1), BOTH),
    "Planck's two ends": (lambda m, x: x / 2 + x / (m.exp(x) - 1) - 1, (*SMALL[3:], *USUAL, 20.0, 800.0)),
    "Eyring": (lambda m, x: x * m.exp(-1 / x), (1e-3, 0.02, *USUAL, 1e8, 1e200)),
    "rate's ratio": (lambda m, x: m.exp(-50 / (1 + x)) / m.exp(-50) - 1, (*SMALL[1:], 0.2, 3.0)),
    "Debye–Hückel, Davies": (
        lambda m, x: -(m.sqrt(x) / (1 + m.sqrt(x)) - 3 * m.half * x / 5) / 2,
        (1e-20, 1e-8, 0.01, 0.3, 2.0),
    ),
    "Poisson–Boltzmann": (lambda m, x: 4 * m.atanh(m.tanh(m.half) * m.exp(-x)), (*SMALL[1:], *USUAL, 60.0, 700.0)),
    "Gouy–Chapman charge": (lambda m, x: m.sqrt(2 * (m.cosh(x) - 1)), (*SMALL[1:], *USUAL, 60.0)),
    "Thomas–Fermi screening": (lambda m, x: (1 - m.exp(-x) * (1 + x)) / x**2, (*SMALL[2:], *USUAL, 60.0, 800.0)),
    "Einstein less Debye": (lambda m, x: 1 - x**2 * m.exp(x) / (m.exp(x) - 1) ** 2, (*SMALL[2:], *USUAL, 60.0, 800.0)),
    # -- waves
    "Lorentz less its wing": (lambda m, x: 1 / x**2 - 1 / (1 + x**2), (1e-60, *POSITIVE[3:])),
    "Rayleigh's sinc²": (lambda m, x: 1 - (m.sin(x) / x) ** 2, (*SMALL[2:], *USUAL, 60.0)),
    "Brewster": (lambda m, x: m.atan(1 + x) - m.atan(1), (*SMALL[1:], 0.3, 2.0, 1e9)),
    "numerical aperture": (lambda m, x: 1 - m.cos(m.asin(x)), SPEED),
    "skin depth": (lambda m, x: m.sqrt(m.sqrt(1 + x**2) - 1), (*SMALL, *USUAL, *LARGE, 1e200)),
    "Josephson": (lambda m, x: m.asin(1 - x), (1e-20, 1e-9, 1e-3, 0.5, 1.5)),
    # -- statistics
    "logit of Φ": (lambda m, x: m.log((1 + m.erf(x)) / (1 - m.erf(x))), (*BOTH[:16], 7.0, -7.0, 30.0, -30.0)),
    "probit less logit": (lambda m, x: m.erf(x) - m.tanh(x), (*SMALL[1:], *USUAL, 15.0)),
    "arcsine transform": (lambda m, x: m.asin(m.sqrt(x)) + m.asin(m.sqrt(1 - x)), SHARE[1:-1]),
    "complementary log-log, inverse": (lambda m, x: 1 - m.exp(-m.exp(x)), BOTH[4:20]),
    "half-logistic": (lambda m, x: m.log(2) - m.log(1 + m.exp(-x)), (*POSITIVE, -1e-9)),
    "Fisher's z less r": (lambda m, x: m.log((1 + x) / (1 - x)) / 2 - x, SPEED),
    "log-odds of log p": (lambda m, x: -x - m.log(m.exp(-x) - 1), tuple(-x for x in POSITIVE)),
    "Student's 3": (lambda m, x: m.half + (m.atan(x) + x / (1 + x**2)) / m.pi, BOTH),
    "Gompertz hazard": (lambda m, x: m.exp(-(m.exp(x) - 1)), BOTH[:20]),
}

NEAR = ((1.0, 1 + 1e-9), (3.0, 3 - 1e-7), (0.2, 0.2 + 1e-12), (1e6, 1e6 + 1e-4), (2.0, 5.0), (1e-9, 3e-9))
PLANE = ((3.0, 4.0), (1e-9, 1.0), (1.0, 1e-9), (-2.0, 1e-12), (1e180, 1e175), (1e-180, 1e-170), (-1e5, 1e-8))
OPTION = ((1.0, 0.2), (1.0, 1e-9), (1.01, 0.01), (0.5, 0.1), (3.0, 0.05), (1e-9, 1.0))
ARC = ((1e-9, 1e-9), (1e-4, 2e-6), (0.3, 0.4), (1.5, 1e-7), (1e-12, 1.0), (0.7, 3.0))

TWO_FIFTH: dict[str, tuple[Formula, Points]] = {
    # -- complex numbers and roots
    "|z| − x": (lambda m, x, y: m.sqrt(x**2 + y**2) - x, PLANE),
    "real part of √z": (lambda m, x, y: m.sqrt((m.sqrt(x**2 + y**2) + x) / 2), PLANE),
    "log |1 + z|": (
        lambda m, x, y: m.log((1 + x) ** 2 + y**2) / 2,
        ((1e-9, 1e-9), (-1e-8, 1e-4), (-2 + 1e-9, 1e-9), (3.0, 4.0)),
    ),
    "x of 1/z": (lambda m, x, y: x / (x**2 + y**2), PLANE),
    "smaller root": (
        lambda m, x, y: x - m.sqrt(x**2 - y),
        ((1e8, 1.0), (3.0, 1e-12), (2.0, 3.0), (1e150, 1e3), (-1e8, 1.0)),
    ),
    "√(x + y) − √x": (
        lambda m, x, y: m.sqrt(x + y) - m.sqrt(x),
        ((1.0, 1e-12), (1e20, 1.0), (1e-3, 1e-10), (2.0, 7.0)),
    ),
    "argument near the axis": (
        lambda m, x, y: m.atan(y / x) - y / x,
        ((3.0, 1e-6), (1.0, 1e-3), (2.0, 5.0), (1e8, 1.0)),
    ),
    # -- differences of one function
    "aᵃ − bᵇ by logs": (lambda m, x, y: x * m.log(x) - y * m.log(y), NEAR),
    "difference of logistics": (
        lambda m, x, y: 1 / (1 + m.exp(-x)) - 1 / (1 + m.exp(-y)),
        (*NEAR[:3], (40.0, 41.0), (-40.0, -40.5)),
    ),
    "difference of softplus": (
        lambda m, x, y: m.log(1 + m.exp(x)) - m.log(1 + m.exp(y)),
        (*NEAR[:3], (-40.0, -40.5), (40.0, 41.0)),
    ),
    "difference of cubes": (lambda m, x, y: x**3 - y**3, NEAR),
    "difference of reciprocal roots": (lambda m, x, y: 1 / m.sqrt(x) - 1 / m.sqrt(y), NEAR),
    "difference of Φ": (
        lambda m, x, y: (m.erfc(x / m.sqrt(2)) - m.erfc(y / m.sqrt(2))) / 2,
        (*NEAR[:3], (9.0, 9.5), (-9.0, -9.5)),
    ),
    "log of a ratio of ones": (
        lambda m, x, y: m.log((1 + x) / (1 + y)),
        ((1e-9, 2e-9), (1e-20, 1e-5), (0.3, 0.3 + 1e-9), (1e9, 2e9)),
    ),
    # -- finance
    "call at the money": (
        lambda m, x, y: (
            (m.erf((m.log(x) / y + y / 2) / m.sqrt(2)) * x - m.erf((m.log(x) / y - y / 2) / m.sqrt(2)) + x - 1) / 2
        ),
        OPTION,
    ),
    "annuity of y years": (
        lambda m, x, y: (m.power(1 + x, y) - 1) / x,
        ((1e-12, 10.5), (1e-5, 30.5), (0.05, 2.5), (0.3, 1e-9)),
    ),
    "real rate": (
        lambda m, x, y: (1 + x) / (1 + y) - 1,
        ((1e-9, 2e-9), (0.05, 0.05 + 1e-12), (1e-5, 0.03), (0.5, 0.2)),
    ),
    # -- the sphere and triangles
    "haversine of two angles": (lambda m, x, y: 1 - m.cos(x) * m.cos(y), ARC),
    "spherical excess": (lambda m, x, y: 2 * m.atan(m.tan(x / 2) * m.tan(y / 2)), ARC),
    "chord less arc": (
        lambda m, x, y: x * y - 2 * x * m.sin(y / 2),
        ((1.0, 1e-5), (1e3, 1e-9), (2.0, 1.0), (1e-5, 0.3)),
    ),
    "area of a segment": (
        lambda m, x, y: x**2 * (y - m.sin(y)) / 2,
        ((1.0, 1e-5), (1e3, 1e-9), (2.0, 1.0), (1e-5, 0.3)),
    ),
    # -- information
    "KL, exponential rates": (lambda m, x, y: m.log(x / y) + y / x - 1, NEAR),
    "mutual information": (lambda m, x, y: x * m.log(2 * x / (x + y)) + y * m.log(2 * y / (x + y)), NEAR),
}
