"""A seventh list, of a hundred and twenty-seven scalar formulas, written before any of it was tried.

Sources: J. Danby and R. Battin (Kepler, Stumpff, Lambert), J. P. Snyder and C. Karney (latitudes), J. D. Anderson
(shocks, isentropic flow), F. Birch, E. R. Cohen (Klein–Nishina), NIST's Digital Library (spherical Bessel functions,
Legendre's second kind, Chebyshev), S. Boucheron, G. Lugosi and P. Massart (cumulants, Bennett), F. J. Anscombe and
M. F. Freeman, S. Ament 2023 (log of expected improvement), P. S. Hagan 2002 (SABR), J. C. Cox 1985, E. G. Haug
(vanna, volga), M. Kimura (fixation), A. Goldbeter and D. E. Koshland, J. F. Morrison (tight binding), A. Hodgkin,
J. Hagenauer 1996 (box-plus), N. Cressie and T. Read, C. Tsallis, A. Rényi, W. Kahan (complex elementary functions).
"""

from __future__ import annotations

from tests.nasty_rows import Formula, Points

TINY = (1e-30, 1e-12, 1e-7, 1e-4)
USUAL = (0.01, 0.2, 0.9, 1.6, 4.0)
LARGE = (18.0, 70.0, 500.0, 2e4, 1e7, 1e13)
PLUS = (*TINY, *USUAL)
POSITIVE = (*PLUS, *LARGE)
BOTH = tuple(s * x for x in (*PLUS, *LARGE[:4]) for s in (1, -1))
SHARE = (1e-30, 1e-12, 1e-5, 0.1, 0.5, 0.8, 0.9999, 1 - 1e-12)
SPEED = (1e-30, 1e-10, 1e-4, 0.1, 0.6, 0.999, 1 - 1e-11)
ANGLE = (1e-30, 1e-11, 1e-6, 1e-3, 0.2, 1.1, 1.5)
BESIDE_ONE = (0.02, 0.7, 1 - 1e-6, 1 + 1e-10, 1 + 1e-5, 1.3, 20.0, 1e8)
ABOVE = (1 + 1e-12, 1 + 1e-6, 1.01, 1.7, 12.0, 1e5, 1e13)
COUNT = (1e-5, 0.3, 2.0, 15.0, 300.0, 1e6, 1e10)

ONE_SEVENTH: dict[str, tuple[Formula, Points]] = {
    # -- orbits
    "Kepler, near a parabola": (lambda m, x: x - m.sin(x) * (10**10 - 1) / 10**10, (*TINY[1:], 0.01, 0.2, 1.6)),
    "Kepler, hyperbolic": (lambda m, x: m.sinh(x) * (10**9 + 1) / 10**9 - x, (*TINY[1:], *USUAL, 18.0)),
    "Stumpff c₂": (lambda m, x: (1 - m.cos(m.sqrt(x))) / x, (*PLUS[1:], 18.0)),
    "Stumpff c₃": (lambda m, x: (m.sqrt(x) - m.sin(m.sqrt(x))) / m.sqrt(x) ** 3, (*PLUS[1:], 18.0)),
    "period's excess": (lambda m, x: m.power(1 - x, -3 * m.half) - 1, SHARE),
    "vis viva less 1": (lambda m, x: m.sqrt(2 / x - 1) - 1, (1e-9, 0.3, 1 - 1e-8, 1 + 1e-10, 1.2, 1.999999)),
    "radial infall": (lambda m, x: m.acos(m.sqrt(x)) + m.sqrt(x * (1 - x)), SHARE[1:]),
    # -- the sphere and the ellipsoid
    "chord to arc": (lambda m, x: 2 * m.asin(x / 2) - x, (*PLUS[1:7], 1.9)),
    "isometric latitude": (lambda m, x: m.atanh(m.sin(x)) - m.atanh(m.sin(x) * 2 / 25) * 2 / 25, ANGLE),
    "geocentric latitude less": (lambda m, x: m.atan(299 * m.tan(x) / 300) - x, ANGLE),
    "dip of the horizon": (lambda m, x: m.acos(1 / (1 + x)), POSITIVE),
    "distance to the horizon": (lambda m, x: m.sqrt((1 + x) ** 2 - 1), (*POSITIVE, 1e200)),
    "gnomonic less stereographic": (lambda m, x: m.tan(x) - 2 * m.tan(x / 2), ANGLE),
    "cap's volume": (lambda m, x: (2 + m.cos(x)) * (1 - m.cos(x)) ** 2 / 3, (*ANGLE, 3.0)),
    "transverse Mercator's start": (lambda m, x: m.asinh(m.tan(x)) - x, ANGLE),
    "Robinson-like secant": (lambda m, x: 1 / m.cos(x) - 1, ANGLE),
    # -- relativity and gravity
    "γ of a rapidity less 1": (lambda m, x: m.cosh(m.atanh(x)) - 1, SPEED),
    "1 − β of γ": (lambda m, x: 1 - m.sqrt(1 - 1 / x**2), ABOVE),
    "rocket's speed": (lambda m, x: ((1 + x) ** 2 - 1) / ((1 + x) ** 2 + 1), (*POSITIVE, 1e200)),
    "potential less Newton's": (lambda m, x: 1 - m.sqrt(1 - 2 / x) - 1 / x, (2 + 1e-9, 2.5, 30.0, 1e5, 1e12)),
    "tortoise": (lambda m, x: x + 2 * m.log(x / 2 - 1), (2 + 1e-9, 2.5, 30.0, 1e9)),
    "distance, Einstein–de Sitter": (lambda m, x: 2 * (1 + x - m.sqrt(1 + x)), POSITIVE),
    # -- quanta, matter, flow
    "Klein–Nishina": (
        lambda m, x: (1 + x) / x**2 * (2 * (1 + x) / (1 + 2 * x) - m.log(1 + 2 * x) / x)
        + m.log(1 + 2 * x) / (2 * x) - (1 + 3 * x) / (1 + 2 * x) ** 2, (1e-4, *USUAL, 18.0, 1e4),
    ),
    "Bose less Fermi": (lambda m, x: 1 / (m.exp(x) - 1) - 1 / (m.exp(x) + 1), POSITIVE),
    "brightness temperature": (lambda m, x: 1 / m.log(1 + 1 / x), POSITIVE),
    "Kelvin's equation": (lambda m, x: m.exp(1 / x) - 1, (0.01, *USUAL[1:], *LARGE)),
    "Birch–Murnaghan": (lambda m, x: 3 * m.half * (m.power(x, 7 * m.third) - m.power(x, 5 * m.third)), BESIDE_ONE),
    "compressibility": (lambda m, x: m.power(1 + x**2 / 5, 7 * m.half) - 1 - 7 * x**2 / 10, (*PLUS[2:], 18.0, 1e4)),
    "Prandtl–Meyer": (
        lambda m, x: m.sqrt(6) * m.atan(m.sqrt((x**2 - 1) / 6)) - m.atan(m.sqrt(x**2 - 1)), ABOVE[1:],
    ),
    "entropy of a shock": (
        lambda m, x: 5 * m.half * m.log((7 * x**2 - 1) / 6) - 7 * m.half * m.log(6 * x**2 / (x**2 + 5)),
        (1 + 1e-6, 1.001, 1.3, 4.0, 1e5, 1e12),
    ),
    "exchanger's effectiveness": (
        lambda m, x: (1 - m.exp(-x / 2)) / (1 - m.exp(-x / 2) / 2), POSITIVE,
    ),
    "group speed of waves": (lambda m, x: m.half + x / m.sinh(2 * x), POSITIVE[1:]),
    "skin of a wire": (lambda m, x: m.tanh(m.sqrt(x)) / m.sqrt(x), POSITIVE),
    "Fresnel, p": (
        lambda m, x: (m.cos(x) * 9 / 4 - m.sqrt(9 * m.half / 2 - m.sin(x) ** 2))
        / (m.cos(x) * 9 / 4 + m.sqrt(9 * m.half / 2 - m.sin(x) ** 2)), (1e-9, 1e-3, 0.3, 0.98, 1.5),
    ),
    "Buckingham": (lambda m, x: m.exp(-x) - 1 / x**6, (1e-3, 0.2, 0.9, 4.0, 16.9988, 70.0, 500.0)),
    # -- special functions that are elementary
    "j₁": (lambda m, x: m.sin(x) / x**2 - m.cos(x) / x, (*PLUS[1:], 18.0, 500.0)),
    "j₂": (lambda m, x: (3 / x**3 - 1 / x) * m.sin(x) - 3 * m.cos(x) / x**2, (*PLUS[2:], 18.0, 500.0)),
    "i₁": (lambda m, x: m.cosh(x) / x - m.sinh(x) / x**2, (*PLUS[1:], 18.0, 500.0)),
    "Legendre's Q₁": (lambda m, x: x * m.atanh(1 / x) - 1, (1 + 1e-9, 1.01, 1.7, 12.0, 1e4, 1e9)),
    "Chebyshev, 5": (lambda m, x: m.cos(5 * m.acos(x)), (1e-12, 0.1, 0.7, 0.9999, 1 - 1e-10, -0.5)),
    "Chebyshev above 1": (lambda m, x: m.cosh(5 * m.acosh(x)), (1 + 1e-10, 1.001, 1.7, 12.0, 1e5)),
    "tanh–sinh weight": (
        lambda m, x: m.cosh(x) / m.cosh(m.pi / 2 * m.sinh(x)) ** 2, (*(s * x for x in PLUS[:8] for s in (1, -1)), 5.5),
    ),
    "sinhc's remainder": (lambda m, x: m.sinh(x) / x - 1 - x**2 / 6, (*PLUS[2:], 18.0)),
    "sinc less its Gaussian": (lambda m, x: m.sin(x) / x - m.exp(-(x**2) / 6), (*PLUS[3:], 18.0)),
    "Cardano's": (
        lambda m, x: m.power(m.sqrt(x**2 + 1) + x, m.third) - m.power(m.sqrt(x**2 + 1) - x, m.third), POSITIVE,
    ),
    "Padé less exp": (lambda m, x: (2 + x) / (2 - x) - m.exp(x), (*PLUS[3:], 1.99, 18.0)),
    "Fejér's less 1": (lambda m, x: (m.sin(5 * x) / m.sin(x)) ** 2 / 25 - 1, ANGLE[1:]),
    "x less √(x² − 1)": (lambda m, x: x - m.sqrt(x**2 - 1), (*ABOVE, 1e200)),
    # -- distributions
    "Student's t, ν = 10⁹": (lambda m, x: -(10**9 + 1) * m.half * m.log(1 + x**2 / 10**9), BOTH),
    "t less normal": (lambda m, x: x**2 / 2 - 201 * m.half * m.log(1 + x**2 / 200), BOTH),
    "von Mises, κ = 10⁶": (lambda m, x: m.exp(10**6 * (m.cos(x) - 1)), (1e-30, 1e-8, 1e-4, 1e-3, 0.02, 0.03, 6.2831)),
    "von Mises–Fisher's constant": (lambda m, x: m.log(x) - x - m.log(1 - m.exp(-2 * x)), POSITIVE),
    "generalised logistic": (lambda m, x: m.power(1 + m.exp(-x), -m.third), BOTH),
    "generalised logistic, tail": (lambda m, x: 1 - m.power(1 + m.exp(-x), -m.third), BOTH),
    "Gompertz–Makeham": (lambda m, x: 1 - m.exp(-x - (m.exp(x) - 1) / 10), (*PLUS, 18.0)),
    "Bernoulli's cumulant, centred": (lambda m, x: m.log(m.half + m.exp(x) / 2) - x / 2, BOTH),
    "gamma's cumulant": (lambda m, x: -m.log(1 - x) - x, (*SHARE, -1e-9, -0.7, -1e5)),
    "Bennett's h": (lambda m, x: (1 + x) * m.log(1 + x) - x, (*POSITIVE, -1e-9, -0.7)),
    "Bennett's h over x²": (lambda m, x: ((1 + x) * m.log(1 + x) - x) / x**2, (*POSITIVE[1:], -0.7)),
    "sub-gamma": (lambda m, x: 1 + x - m.sqrt(1 + 2 * x), (*POSITIVE, -1e-9, -0.4)),
    "Anscombe": (lambda m, x: 2 * m.sqrt(x + 3 * m.half / 4) - 2 * m.sqrt(x), POSITIVE),
    "Freeman–Tukey": (lambda m, x: m.sqrt(x) + m.sqrt(x + 1) - m.sqrt(4 * x + 1), POSITIVE),
    "Wilson–Hilferty": (lambda m, x: 9 * (m.power(x, m.third) - 1), BESIDE_ONE),
    "Mills less 1/x": (
        lambda m, x: m.sqrt(m.pi / 2) * m.exp(x**2 / 2) * m.erfc(x / m.sqrt(2)) - 1 / x, (*USUAL, 9.0, 30.0, 1e4),
    ),
    "log expected improvement": (
        lambda m, x: m.log(m.exp(-(x**2) / 2) / m.sqrt(2 * m.pi) + x * m.erfc(-x / m.sqrt(2)) / 2),
        (*(s * x for x in PLUS for s in (1, -1)), -9.0, -30.0, 30.0, -1e4),
    ),
    "entropy of a probit": (
        lambda m, x: -m.erfc(-x) / 2 * m.log(m.erfc(-x) / 2) - m.erfc(x) / 2 * m.log(m.erfc(x) / 2),
        (*(s * x for x in PLUS for s in (1, -1)), 9.0, -9.0),
    ),
    "Ewens": (lambda m, x: x * (m.digamma(x + 10) - m.digamma(x)), COUNT),
    "log central t constant": (
        lambda m, x: m.loggamma((x + 1) / 2) - m.loggamma(x / 2) - m.log(x / 2) / 2, COUNT,
    ),
    "ψ(x + 1) less log": (lambda m, x: m.digamma(x + 1) - m.log(x), COUNT),
    # -- information
    "Tsallis, q near 1": (
        lambda m, x: 10**6 * (1 - m.power(x, (10**6 + 1) * m.half / 500000)
                              - m.power(1 - x, (10**6 + 1) * m.half / 500000)), SHARE[1:-1],
    ),
    "Rényi 2 of a coin": (lambda m, x: -m.log(x**2 + (1 - x) ** 2), SHARE),
    "min-entropy's gap": (lambda m, x: -m.log(1 - x) + x * m.log(x), SHARE),
    # -- money
    "convexity of a zero": (lambda m, x: m.exp(-x) - 1 + x, (*POSITIVE, -1e-9, -3.0)),
    "continuous less monthly": (lambda m, x: m.exp(x) - (1 + x / 12) ** 12, (*PLUS[2:], -0.3)),
    "doubling time": (lambda m, x: m.log(2) / m.log(1 + x), POSITIVE),
    "SABR's z over χ": (
        lambda m, x: x / m.log(2 * (m.sqrt(1 - x + x**2) + x - m.half)), (*PLUS, -1e-9, -0.4, -30.0, 1e7),
    ),
    "CIR's B of its volatility": (
        lambda m, x: 2 * (m.exp(m.sqrt(1 + 2 * x**2)) - 1)
        / ((m.sqrt(1 + 2 * x**2) + 1) * (m.exp(m.sqrt(1 + 2 * x**2)) - 1) + 2 * m.sqrt(1 + 2 * x**2)),
        (*PLUS, 18.0, 900.0),
    ),
    # -- chemistry, biology
    "Goldbeter–Koshland": (
        lambda m, x: (1 - x / 2 + m.half / 50 - m.sqrt((1 - x / 2 + m.half / 50) ** 2 - (1 - x) / 25)) / (2 * (1 - x)),
        (1e-9, 0.2, 0.9, 1.5, 12.0),
    ),
    "GHK flux": (lambda m, x: x * (1 - 2 * m.exp(-x)) / (1 - m.exp(-x)), BOTH),
    "sodium's gate": (
        lambda m, x: (25 - x) / 10 / (m.exp((25 - x) / 10) - 1), (-1e4, 1.0, 24.0, 25 - 1e-9, 25 + 1e-6, 60.0, 9e3),
    ),
    "final size of an epidemic": (lambda m, x: 1 - x - m.exp(-2 * x), (*TINY, 0.2, 0.7968, 0.99)),
    "Kimura's fixation": (lambda m, x: (1 - m.exp(-2 * x)) / (1 - m.exp(-2000 * x)), BOTH[:18]),
    # -- activations
    "log-cosh by softplus": (lambda m, x: x + 2 * m.log(1 + m.exp(-x)) - 2 * m.log(2), BOTH),
    "mish less x": (lambda m, x: x * m.tanh(m.log(1 + m.exp(x))) - x, BOTH),
    "x less GELU": (lambda m, x: x - x * (1 + m.erf(x / m.sqrt(2))) / 2, BOTH),
    "Serf": (lambda m, x: x * m.erf(m.log(1 + m.exp(x))), BOTH),
    "squareplus less x": (lambda m, x: (m.sqrt(x**2 + 4) - x) / 2, (*BOTH, 1e200)),
    "soft pinball": (lambda m, x: m.log(1 + m.exp(x)) - x / 4, BOTH),
    "softclip": (lambda m, x: m.log((1 + m.exp(x)) / (1 + m.exp(x - 1))), BOTH),
}  # fmt: skip

NEAR = ((1.0, 1 + 1e-9), (2.5, 2.5 - 1e-6), (1e-6, 4e-6), (7.0, 0.4), (1e6, 1e6 + 1e-3))
LOGITS = ((0.4, 1.7), (2.0, 2 + 1e-9), (-3.0, 0.2), (45.0, -45.0), (-800.0, 30.0), (1e-9, 3e-9), (700.0, 701.0))
MONEY = ((1.0, 0.3), (1.0001, 0.01), (0.8, 0.07), (1.6, 0.04), (1.0, 1e-6), (1.0, 5.0))
SPEEDS = ((0.3, 0.3 + 1e-9), (0.9, 0.2), (1e-9, 0.4), (1 - 1e-9, 0.999), (0.5, 0.5))
POWERS = ((2.0, 0.3), (5.0, 1e-8), (0.1, 1e-3), (1e-8, 0.7), (30.0, 4.0), (1e7, 1e-4))

TWO_SEVENTH: dict[str, tuple[Formula, Points]] = {
    # -- rotations, orbits, complex functions
    "slerp's weight": (
        lambda m, x, y: m.sin((1 - y) * x) / m.sin(x), ((1e-9, 0.3), (1e-3, 0.9), (0.7, 1e-9), (3.1, 0.5), (1.0, 1.0)),
    ),
    "slerp by a cosine": (
        lambda m, x, y: m.sin(y * m.acos(x)) / m.sqrt(1 - x**2),
        ((1 - 1e-12, 0.3), (0.999, 0.9), (0.2, 1e-9), (-0.7, 0.5)),
    ),
    "Kepler of two": (
        lambda m, x, y: y - x * m.sin(y), ((1 - 1e-10, 1e-6), (0.9, 1e-3), (0.2, 2.0), (1.0, 1e-3), (1e-9, 0.5)),
    ),
    "imaginary part of artanh's like": (
        lambda m, x, y: m.log((x**2 + (1 + y) ** 2) / (x**2 + (1 - y) ** 2)) / 4,
        ((1e-9, 1e-9), (1.0, 1e-8), (1e-9, 1 + 1e-8), (3.0, 4.0), (1e9, 1.0)),
    ),
    "real part of expm1 z": (
        lambda m, x, y: m.exp(x) * m.cos(y) - 1, ((1e-9, 1e-9), (1e-5, 1e-3), (0.3, 1.0), (-40.0, 2.0), (1e-12, 1e-7)),
    ),
    "real part of tanh z": (
        lambda m, x, y: m.sinh(2 * x) / (m.cosh(2 * x) + m.cos(2 * y)),
        ((1e-9, 0.3), (0.5, 1.0), (400.0, 1.0), (-30.0, 0.2), (1e-6, 1.5707)),
    ),
    # -- particles
    "reduced mass less": (lambda m, x, y: x * y / (x + y) - x, (*NEAR, (1.0, 1e12), (1e-150, 1e150))),
    "momentum of a decay": (
        lambda m, x, y: m.sqrt((x**2 - (1 + y) ** 2) * (x**2 - (1 - y) ** 2)) / (2 * x),
        ((2 + 1e-9, 1.0), (5.0, 0.3), (1e6, 1e-3), (1.5 + 1e-6, 0.5), (1e90, 2.0)),
    ),
    "elastic loss": (lambda m, x, y: 1 - 4 * x * y / (x + y) ** 2, (*NEAR, (1.0, 1e12), (1e-200, 1e-199))),
    "relative speed": (lambda m, x, y: (x - y) / (1 - x * y), SPEEDS),
    "relative rapidity": (lambda m, x, y: m.atanh(x) - m.atanh(y), SPEEDS),
    "two Lorentzians": (lambda m, x, y: 1 / (1 + x**2) - 1 / (1 + y**2), (*NEAR, (1e160, 2e160))),
    "screening's loss": (lambda m, x, y: (m.exp(-x * y) - 1) / x, (*POWERS, (900.0, 3.0))),
    # -- statistics
    "Student's log density": (
        lambda m, x, y: m.loggamma((y + 1) / 2) - m.loggamma(y / 2) - m.log(m.pi * y) / 2
        - (y + 1) / 2 * m.log(1 + x**2 / y), ((1.0, 3.0), (2.0, 1e9), (1e-9, 0.4), (1e5, 2.0), (30.0, 1e6)),
    ),
    "negative binomial's log of 3": (
        lambda m, x, y: m.loggamma(3 + y) - m.loggamma(y) - m.log(6) + y * m.log(y / (y + x)) + 3 * m.log(x / (x + y)),
        ((1.0, 3.0), (2.0, 1e9), (1e-9, 0.4), (1e5, 2.0), (30.0, 1e6)),
    ),
    "log rising factorial less": (
        lambda m, x, y: m.loggamma(x + y) - m.loggamma(x) - y * m.log(x),
        ((3.0, 0.5), (1e6, 2.0), (1e9, 1e-3), (0.1, 7.0), (40.0, 40.0)),
    ),
    "KL of gammas' shapes": (lambda m, x, y: (x - y) * m.digamma(x) - m.loggamma(x) + m.loggamma(y), NEAR),
    "KL to a standard normal": (
        lambda m, x, y: (x**2 + y**2 - 1) / 2 - m.log(y),
        ((1e-9, 1 + 1e-9), (0.3, 2.0), (1e-5, 1.0), (20.0, 1e-9)),
    ),
    "log ratio of normals": (
        lambda m, x, y: x**2 / (2 * y**2) - x**2 / 2 + m.log(y),
        ((1.0, 1 + 1e-9), (3.0, 0.2), (1e-6, 4.0), (1e5, 1.0)),
    ),
    "Hellinger of normals": (lambda m, x, y: 1 - m.sqrt(2 * x * y / (x**2 + y**2)), (*NEAR, (1e-170, 2e-170))),
    "Hellinger of Poissons": (lambda m, x, y: 1 - m.exp(-((m.sqrt(x) - m.sqrt(y)) ** 2) / 2), NEAR),
    "Jeffreys of Poissons": (lambda m, x, y: (x - y) * (m.log(x) - m.log(y)), NEAR),
    "Cressie–Read": (lambda m, x, y: x * (m.power(x / y, 2 * m.third) - 1), NEAR),
    "mixing entropy": (
        lambda m, x, y: (x + y) * m.log(x + y) - x * m.log(x) - y * m.log(y), (*NEAR, (1e8, 1e-3), (1e-12, 1.0)),
    ),
    # -- means, norms
    "p-norm of 1 and x": (
        lambda m, x, y: m.power(1 + m.power(x, y), 1 / y),
        (*POWERS[:1], (1e5, 80.0), (0.3, 2e3), (3.0, 900.0)),
    ),
    "p-mean of 1 and x": (
        lambda m, x, y: m.power((1 + m.power(x, y)) / 2, 1 / y),
        (*POWERS[:3], (1e5, 80.0), (3.0, 900.0)),
    ),
    "log-mean-exp at y": (
        lambda m, x, y: y * m.log((1 + m.exp(x / y)) / 2),
        ((1.0, 0.3), (1.0, 1e-3), (-2.0, 1e-3), (0.5, 1e9), (1e-9, 2.0)),
    ),
    # -- codes and gates
    "box-plus": (lambda m, x, y: m.log((1 + m.exp(x + y)) / (m.exp(x) + m.exp(y))), LOGITS),
    "box-plus by tanh": (lambda m, x, y: 2 * m.atanh(m.tanh(x / 2) * m.tanh(y / 2)), LOGITS),
    "exclusive or": (
        lambda m, x, y: 1 / (1 + m.exp(-x)) * (1 - 1 / (1 + m.exp(-y)))
        + 1 / (1 + m.exp(-y)) * (1 - 1 / (1 + m.exp(-x))),
        LOGITS,
    ),
    "soft shrinkage": (lambda m, x, y: m.log(1 + m.exp(x - y)) - m.log(1 + m.exp(-x - y)), LOGITS),
    "Hill less a half": (
        lambda m, x, y: m.power(x, y) / (1 + m.power(x, y)) - m.half,
        (*POWERS, (1 + 1e-9, 2.0), (3.0, 900.0)),
    ),
    "tight binding": (
        lambda m, x, y: (x + y + 1 - m.sqrt((x + y + 1) ** 2 - 4 * x * y)) / 2,
        ((1.0, 2.0), (1e-9, 3.0), (1e5, 1.0), (1e8, 1e8), (1e-6, 1e-7)),
    ),
    # -- money
    "vanna": (
        lambda m, x, y: -m.exp(-((m.log(x) / y + y / 2) ** 2) / 2) / m.sqrt(2 * m.pi) * (m.log(x) / y - y / 2) / y,
        MONEY,
    ),
    "volga": (
        lambda m, x, y: x * m.exp(-((m.log(x) / y + y / 2) ** 2) / 2) / m.sqrt(2 * m.pi)
        * (m.log(x) / y + y / 2) * (m.log(x) / y - y / 2) / y, MONEY,
    ),
    "interest on interest": (
        lambda m, x, y: m.power(1 + x, y) - 1 - x * y,
        ((1e-9, 30.0), (0.04, 2.5), (1e-4, 1e-3), (0.3, 12.0), (1e-6, 1e6)),
    ),
    "continuous less y times a year": (
        lambda m, x, y: m.exp(x) - m.power(1 + x / y, y),
        ((0.05, 12.0), (0.05, 1e8), (1.0, 365.0), (1e-8, 4.0), (3.0, 1e4)),
    ),
    "shifted log-normal": (
        lambda m, x, y: m.log((x + y) / (1 + y)), ((1 + 1e-10, 0.3), (2.0, 1e12), (1e-9, 1e-9), (0.4, 3.0)),
    ),
}  # fmt: skip
