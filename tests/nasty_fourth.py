"""A fourth list of scalar formulas, a hundred and forty, written before any of it was tried.

Sources: N. J. Higham 2002 (ch. 1 and 4), W. Kahan (areas, logs and powers of 1 + x), D. Goldberg 1991, NIST's Digital
Library of Mathematical Functions (identities of Γ, erf and hyperbolic functions), J. T. Barron 2019 (robust losses),
N. L. Johnson, S. Kotz and N. Balakrishnan (densities, hazards, tails), R. K. Pathria (Planck, Langevin, Debye,
Fermi–Dirac), J. C. Hull (options, bonds), J. Meeus (great circles), P. Atkins (kinetics, Debye–Hückel), M. Born and
E. Wolf (optics), T. M. Cover and J. A. Thomas (information).
"""

from __future__ import annotations

from tests.nasty_rows import Formula, Points

TINY = (1e-200, 1e-30, 1e-16, 1e-8, 1e-4)
USUAL = (0.02, 0.3, 1.0, 1.7, 4.0)
LARGE = (12.0, 45.0, 95.0, 300.0, 720.0, 1e5, 1e9, 1e16)
PLUS = TINY[1:] + USUAL
POSITIVE = PLUS + LARGE
BOTH = (*(s * x for x in PLUS for s in (1, -1)), 0.0)
WIDE = (*(s * x for x in (*PLUS, *LARGE[:5]) for s in (1, -1)), 0.0)
ALL = (*(s * x for x in (*TINY, *USUAL, *LARGE, 1e30, 1e150) for s in (1, -1)), 0.0)
SHARE = (1e-200, 1e-18, 1e-9, 1e-3, 0.2, 0.5, 0.8, 0.999, 1 - 1e-9)
COSINE = (*(s * x for x in (1e-20, 1e-9, 1e-3, 0.3, 0.9, 0.9999, 1 - 1e-10) for s in (1, -1)),)
ABOVE = (1 + 1e-12, 1 + 1e-7, 1.001, 1.5, 8.0, 1e4, 1e12, 1e100)
TURN = (1e-30, 1e-12, 1e-7, 1e-3, 0.2, 1.0, 3.1, 9.0, 1e4)
COUNT = (1e-12, 1e-4, 0.3, 1.0, 4.5, 60.0, 1e3, 1e6, 1e10)
RATE = (1e-14, 1e-9, 1e-5, 1e-3, 0.04, 0.3)

ONE_FOURTH: dict[str, tuple[Formula, Points]] = {
    # -- physics
    "Planck by wavelength": (lambda m, x: 1 / (x**5 * (m.exp(1 / x) - 1)), (1e-3, 0.02, 0.2, 1.0, 30.0, 1e4, 1e8)),
    "Planck's log": (lambda m, x: 3 * m.log(x) - m.log(m.exp(x) - 1), POSITIVE[1:]),
    "Wien less Planck": (lambda m, x: 1 / (m.exp(x) - 1) - m.exp(-x), POSITIVE[:12]),
    "Langevin over x": (
        lambda m, x: m.where(m.nonzero(x), (1 / m.tanh(x) - 1 / x) / x, m.third), (*TURN[2:6], 3.0, 20.0, 400.0, 0.0),
    ),
    "Brillouin 1": (lambda m, x: 3 / m.tanh(3 * x) / 2 - 1 / m.tanh(x) / 2, (*PLUS[2:], 20.0, 400.0)),
    "Fermi less step": (lambda m, x: 1 / (m.exp(x) + 1) - m.where(x > 0, 0 * x, 1 + 0 * x), [x for x in WIDE if x]),
    "grand potential": (lambda m, x: -m.log(1 + m.exp(-x)) - m.log(1 - m.exp(-x)), POSITIVE),
    "two-level heat": (lambda m, x: x**2 * m.exp(x) / (1 + m.exp(x)) ** 2, WIDE),
    "oscillator's free energy": (lambda m, x: x / 2 + m.log(1 - m.exp(-x)), POSITIVE),
    "oscillator's entropy": (lambda m, x: x / (m.exp(x) - 1) - m.log(1 - m.exp(-x)), POSITIVE[:13]),
    "Debye–Hückel": (lambda m, x: m.sqrt(x) / (1 + m.sqrt(x)), POSITIVE),
    "Bethe–Bloch's log": (lambda m, x: m.log(x**2 / (1 - x**2)) - x**2, COSINE),
    "Compton": (lambda m, x: 1 / (1 + x * (1 - m.cos(m.third))), (*PLUS, 1e5)),
    "Klein–Nishina part": (
        lambda m, x: (1 + x) / x**2 * (2 * (1 + x) / (1 + 2 * x) - m.log(1 + 2 * x) / x), (1e-3, 0.02, *USUAL, 1e4),
    ),
    "relativistic kinetic": (lambda m, x: x**2 / (m.sqrt(1 + x**2) + 1), ALL),
    "rocket": (lambda m, x: m.log(1 / (1 - x)), SHARE),
    "terminal velocity": (lambda m, x: m.log(m.cosh(x)) / x, POSITIVE),
    "drag distance": (lambda m, x: (x - 1 + m.exp(-x)) / x, (*PLUS[1:], 45.0, 800.0)),
    "pendulum's energy": (lambda m, x: 2 * (1 - m.cos(x)) - x**2, TURN[2:]),
    "catenary sag": (lambda m, x: (m.cosh(x) - 1) / x, (*PLUS[:9], 30.0)),
    "capacitor": (lambda m, x: (1 - m.exp(-x)) / (1 + m.exp(-x)), WIDE),
    "diode": (lambda m, x: m.exp(40 * x) - 1, (1e-20, 1e-9, 1e-4, 0.3, 0.7, -1e-9, -0.5, -20.0)),
    "Morse": (lambda m, x: (1 - m.exp(-x)) ** 2, (*BOTH, 30.0, 400.0)),
    "Morse less harmonic": (lambda m, x: (1 - m.exp(-x)) ** 2 - x**2, (*PLUS[2:], -0.3)),
    "Yukawa": (lambda m, x: (1 - m.exp(-x)) / x, (*PLUS[1:], 30.0, 1e5)),
    "Debye screening": (lambda m, x: m.exp(-x) * (1 + x) / x**2, (*PLUS[2:], 30.0, 700.0)),
    "Clausius–Mossotti": (lambda m, x: (x**2 - 1) / (x**2 + 2), (*ABOVE[:5], 1e100, 1e-100)),
    # -- optics and waves
    "Fresnel at normal": (lambda m, x: ((1 - x) / (1 + x)) ** 2, (0.2, 0.999, 1 + 1e-12, 1.5, 1e3, 1e160)),
    "Fresnel, s": (
        lambda m, x: (m.cos(x) - m.sqrt(9 * m.half / 2 - m.sin(x) ** 2))
        / (m.cos(x) + m.sqrt(9 * m.half / 2 - m.sin(x) ** 2)),
        (1e-9, 1e-3, 0.3, 1.2, 1.57),
    ),
    "Airy function of a cavity": (lambda m, x: 1 / (1 + 100 * m.sin(x / 2) ** 2), TURN),
    "single slit": (lambda m, x: m.where(m.nonzero(x), (m.sin(x) / x) ** 2, 1), (*TURN, 0.0)),
    "two slits": (lambda m, x: (m.sin(2 * x) / m.sin(x)) ** 2 / 4, TURN[1:]),
    "Dirichlet kernel": (lambda m, x: m.sin(5 * x) / (5 * m.sin(x)), TURN),
    "sagitta": (lambda m, x: x**2 / (1 + m.sqrt(1 - x**2)), COSINE),
    "sagitta as written": (lambda m, x: 1 - m.sqrt(1 - x**2 / 4), COSINE),
    "thin film": (lambda m, x: 2 * (1 + m.cos(x)), (*TURN, 3.14159265)),
    "Snell's deviation": (lambda m, x: m.asin(3 * m.half * m.sin(x)) - x, (1e-9, 1e-4, 0.1, 0.5, 0.72)),
    "group delay": (lambda m, x: m.atan(2 * x) - m.atan(x), (*POSITIVE, 1e30)),
    # -- finance
    "bond, ten years": (lambda m, x: (1 - (1 + x) ** -10) / x, (*RATE, -0.01)),
    "bond duration": (lambda m, x: (1 + x) / x - (1 + x) / ((1 + x) ** 10 - 1), RATE[2:]),
    "continuous annuity": (lambda m, x: (1 - m.exp(-30 * x)) / x, (*RATE, -1e-9, 40.0)),
    "effective rate": (lambda m, x: m.power(1 + x / 12, 12) - 1, (*RATE, -1e-9)),
    "nominal rate": (lambda m, x: 12 * (m.power(1 + x, m.half / 6) - 1), (*RATE, -1e-9)),
    "force of interest": (lambda m, x: m.log(1 + x) / x, (*RATE, -0.3, 1e9)),
    "log return less return": (lambda m, x: m.log(1 + x) - x, (*RATE, -0.3, -1e-8)),
    "Vasicek B": (lambda m, x: (1 - m.exp(-10 * x)) / (10 * x), (*RATE, 5.0, -0.01)),
    "Vasicek C": (lambda m, x: 1 - (1 - m.exp(-x)) / x, (*RATE, 5.0, 900.0)),
    "Nelson–Siegel": (lambda m, x: (1 - m.exp(-x)) / x - m.exp(-x), (*PLUS[1:], 45.0, 900.0)),
    "CRRA utility near 1": (lambda m, x: (m.power(2, x) - 1) / x, (1e-15, 1e-8, 1e-3, 0.5, -1e-8, -3.0)),
    "Kelly growth": (lambda m, x: m.half * m.log(1 + x) + m.half * m.log(1 - x), SHARE),
    # -- densities, hazards, tails
    "Gumbel quantile": (lambda m, x: -m.log(-m.log(x)), SHARE),
    "Weibull hazard's log": (lambda m, x: m.log(1 - m.exp(-(x**2))), POSITIVE[:13]),
    "Gumbel survival": (lambda m, x: m.log(1 - m.exp(-m.exp(-x))), (*BOTH, 30.0, 500.0, -6.0)),
    "Pareto log": (lambda m, x: m.log(1 + x / 3) * -4, POSITIVE),
    "Burr": (lambda m, x: 1 - (1 + x**2) ** -3, (*POSITIVE, 1e80)),
    "Rayleigh": (lambda m, x: x * m.exp(-(x**2) / 2), (*PLUS, 12.0, 30.0, 1e5)),
    "Maxwell log": (lambda m, x: m.log(x**2 * m.exp(-(x**2) / 2)), (1e-160, *PLUS, 12.0, 45.0, 1e5)),
    "half-normal survival": (lambda m, x: m.log(m.erfc(x / m.sqrt(2))), (*BOTH, 9.0, 30.0, 1e4)),
    "Laplace of normal": (lambda m, x: m.exp(x**2 / 2) * m.erfc(x / m.sqrt(2)) / 2, (*BOTH, 12.0, 45.0, 1e4)),
    "truncated normal mean": (
        lambda m, x: m.exp(-(x**2) / 2) * m.sqrt(2 / m.pi) / m.erfc(x / m.sqrt(2)) - x, (*BOTH, 12.0, -12.0, 1e3),
    ),
    "skew normal log": (
        lambda m, x: -(x**2) / 2 + m.log(1 + m.erf(3 * x / m.sqrt(2))), (*BOTH, 12.0, -12.0, -100.0),
    ),
    "Voigt wing": (lambda m, x: 1 - m.sqrt(m.pi) * x * m.exp(x**2) * m.erfc(x), (*PLUS, 5.0, 12.0, 1e3)),
    "inverse Gaussian log": (lambda m, x: -((x - 1) ** 2) / (2 * x) - 3 * m.log(x) / 2, (1e-8, *USUAL, 1.0000001, 1e9)),
    "hyperbolic secant log": (lambda m, x: -m.log(2 * m.cosh(m.pi * x / 2)), WIDE),
    "Student t, 4": (lambda m, x: m.power(1 + x**2 / 4, -5 * m.half), ALL),
    "Cauchy cdf": (lambda m, x: m.half + m.atan(x) / m.pi, (*BOTH, -12.0, -1e5, -1e16)),
    "Cauchy quantile": (lambda m, x: m.tan(m.pi * (x - m.half)), SHARE[2:]),
    "beta(½, ½) cdf": (lambda m, x: 2 * m.asin(m.sqrt(x)) / m.pi, SHARE),
    "geometric's entropy": (lambda m, x: -m.log(x) - (1 - x) / x * m.log(1 - x), SHARE),
    "zero-truncated Poisson log": (lambda m, x: 2 * m.log(x) - m.log(m.exp(x) - 1), POSITIVE[1:]),
    "log-series": (lambda m, x: -x / m.log(1 - x), SHARE),
    # -- losses
    "Barron, α = −2": (lambda m, x: 2 * x**2 / (x**2 + 4), ALL),
    "Barron, α = ½": (lambda m, x: 3 * (m.power(x**2 / 3 * 2 + 1, m.half / 2) - 1), ALL[::2]),
    "Welsch": (lambda m, x: 1 - m.exp(-(x**2) / 2), ALL),
    "Tukey's biweight": (
        lambda m, x: m.where(x**2 < 16, (1 - (1 - x**2 / 16) ** 3) / 6, m.sixth + 0 * x), (*PLUS[1:9], 3.9, 12.0),
    ),
    "Charbonnier": (lambda m, x: m.sqrt(x**2 + m.half**20) - m.half**10, ALL[4:-6]),
    "log-cosh, centred": (lambda m, x: m.log(m.cosh(x)) - x**2 / 2, (*PLUS[2:8], 12.0)),
    "Fair": (lambda m, x: m.where(x > 0, x, -x) - m.log(1 + m.where(x > 0, x, -x)), [x for x in ALL[:-6] if x]),
    "Huberised softplus": (lambda m, x: m.log(1 + m.exp(8 * x)) / 8 - m.where(x > 0, x, 0 * x), [x for x in WIDE if x]),
    "exponential family's A": (lambda m, x: m.log((m.exp(x) - 1) / x), [x for x in WIDE if x]),
    "savage": (lambda m, x: 1 / (1 + m.exp(x)) ** 2, WIDE),
    "tangent": (lambda m, x: (2 * m.atan(x) - 1) ** 2, (*BOTH, 0.546302489843790)),
    # -- chemistry, biology
    "logistic growth": (lambda m, x: m.exp(x) / (9 + m.exp(x)), WIDE),
    "Gompertz growth": (lambda m, x: m.exp(-3 * m.exp(-x)), WIDE),
    "von Bertalanffy": (lambda m, x: (1 - m.exp(-x)) ** 3, (*PLUS, 45.0, 800.0)),
    "Arrhenius": (lambda m, x: m.exp(-1 / x) / x**2, (1e-3, 0.02, *USUAL, 1e9)),
    "Nernst–Goldman": (lambda m, x: x / (1 - m.exp(-x)), [x for x in WIDE if x]),
    "Butler–Volmer": (lambda m, x: m.exp(x / 2) - m.exp(-x / 2), WIDE),
    "Michaelis–Menten, tight": (
        lambda m, x: (x + 2 - m.sqrt((x + 2) ** 2 - 4 * x)) / 2, (*PLUS, 45.0, 1e5, 1e9),
    ),
    "weak acid": (lambda m, x: (m.sqrt(1 + 4 * x) - 1) / 2, (*POSITIVE, 1e30)),
    "weak acid's pH": (lambda m, x: -m.log((m.sqrt(x**2 + 4 * x) - x) / 2) / m.log(10), (1e-30, 1e-8, *USUAL, 1e9)),
    "Jukes–Cantor": (lambda m, x: -3 * m.log(1 - 4 * x / 3) / 4, (1e-20, 1e-9, 1e-3, 0.3, 0.7, 0.7499999)),
    "Haldane's map": (lambda m, x: (1 - m.exp(-2 * x)) / 2, (*PLUS, 45.0)),
    "Kosambi's map": (lambda m, x: m.log((1 + 2 * x) / (1 - 2 * x)) / 4, (1e-20, 1e-9, 1e-3, 0.3, 0.4999999)),
    # -- special functions
    "log Γ duplication": (
        lambda m, x: m.loggamma(2 * x) - m.loggamma(x) - m.loggamma(x + m.half), COUNT,
    ),
    "Catalan's log": (lambda m, x: m.loggamma(2 * x + 1) - m.loggamma(x + 2) - m.loggamma(x + 1), COUNT),
    "central binomial": (lambda m, x: m.exp(m.loggamma(2 * x + 1) - 2 * m.loggamma(x + 1) - 2 * x * m.log(2)), COUNT),
    "ψ(x + ½) − ψ(x)": (lambda m, x: m.digamma(x + m.half) - m.digamma(x), COUNT),
    "ψ(x) − log x + 1/(2x)": (lambda m, x: m.digamma(x) - m.log(x) + 1 / (2 * x), COUNT[2:8]),
    "Γ ratio by 3": (lambda m, x: m.gamma(x + 3) / (m.gamma(x) * x**3), COUNT),
    "gamma log density at mean": (lambda m, x: x * m.log(x) - x - m.loggamma(x), COUNT),
    "entropy of gamma": (lambda m, x: x + m.loggamma(x) + (1 - x) * m.digamma(x), COUNT[2:8]),
    "erf less its slope": (lambda m, x: m.erf(x) - 2 * x / m.sqrt(m.pi), (1e-9, 1e-5, 1e-2, 0.3, 1.0, 4.0)),
    "ierfc": (lambda m, x: m.exp(-(x**2)) / m.sqrt(m.pi) - x * m.erfc(x), (*PLUS, 6.0, 12.0, 20.0)),
    "erfc(x)/erfc(2x)": (lambda m, x: m.erfc(x) / m.erfc(2 * x), (*PLUS[3:], 6.0, 10.0)),
    "Dirac delta's width": (lambda m, x: m.exp(-1 / x**2) / x, (0.02, 0.05, *USUAL[1:], 1e8)),
}  # fmt: skip

SIDES = ((3.0, 4.0), (1.0, 1e-9), (1.0, 1.0000001), (1e-160, 3e-160), (2e170, 1e170))
OPTIONS = ((1.0, 0.2), (1.05, 0.01), (0.95, 1e-3), (1.0, 1e-6), (3.0, 0.2), (0.2, 0.1), (1.0, 4.0))
LATITUDES = ((0.3, 0.3000001), (0.8, 0.8), (1e-9, 2e-9), (1.2, -0.4), (-0.7, 0.7))
SHARES = ((0.2, 0.7), (0.5, 0.5000001), (1e-9, 1e-8), (0.999, 0.9999), (1e-200, 0.3))

TWO_FOURTH: dict[str, tuple[Formula, Points]] = {
    "delta": (lambda m, x, y: (1 + m.erf((m.log(x) / y + y / 2) / m.sqrt(2))) / 2, OPTIONS),
    "vega": (lambda m, x, y: x * m.exp(-((m.log(x) / y + y / 2) ** 2) / 2) / m.sqrt(2 * m.pi), OPTIONS),
    "put": (
        lambda m, x, y: m.erfc((m.log(x) / y - y / 2) / m.sqrt(2)) / 2
        - x * m.erfc((m.log(x) / y + y / 2) / m.sqrt(2)) / 2, OPTIONS,
    ),
    "Bachelier": (
        lambda m, x, y: (x - 1) * m.erfc((1 - x) / (y * m.sqrt(2))) / 2
        + y * m.exp(-((x - 1) ** 2) / (2 * y**2)) / m.sqrt(2 * m.pi), OPTIONS,
    ),
    "present value": (
        lambda m, x, y: (1 - m.power(1 + x, -y)) / x,
        ((1e-9, 30.0), (0.05, 10.0), (1e-15, 3.0), (0.3, 200.0)),
    ),
    "growth in y years": (lambda m, x, y: m.power(1 + x, y), ((1e-9, 1e9), (0.05, 10.0), (-0.5, 3.0), (1e-15, 40.0))),
    "great circle": (
        lambda m, x, y: m.acos(m.sin(x) * m.sin(y) + m.cos(x) * m.cos(y) * m.cos(m.third)), LATITUDES,
    ),
    "same meridian": (lambda m, x, y: m.acos(m.sin(x) * m.sin(y) + m.cos(x) * m.cos(y)), (LATITUDES[0], LATITUDES[3])),
    "triangle by Heron": (
        lambda m, x, y: m.sqrt((x + y + 1) * (x + y - 1) * (1 + x - y) * (1 - x + y)) / 4,
        ((1.0, 1.0), (3.0, 2.5), (1e9, 1e9), (0.7, 0.3000001)),
    ),
    "law of cosines": (lambda m, x, y: m.sqrt(x**2 + y**2 - 2 * x * y * m.cos(m.third)), SIDES),
    "angle of a triangle": (
        lambda m, x, y: m.acos((x**2 + y**2 - 1) / (2 * x * y)),
        ((1.0, 1.0), (2.0, 1.0000001), (40.0, 40.5), (1e6, 1e6)),
    ),
    "half angle": (lambda m, x, y: m.atan(y / (m.sqrt(x**2 + y**2) + x)), (*SIDES, (-1.0, 1e-9))),
    "eccentricity": (
        lambda m, x, y: m.sqrt(1 - (y / x) ** 2),
        ((1.0, 0.2), (1.0, 0.9999999), (3e200, 1e200), (5.0, 1e-9)),
    ),
    "eigenvalue of a 2×2": (lambda m, x, y: (x - m.sqrt(x**2 + 4 * y**2)) / 2, (*SIDES, (1e8, 1.0))),
    "Kahan's discriminant": (lambda m, x, y: x**2 - 4 * y, ((3.0, 2.0), (2.0, 0.9999999), (1e8, 1.0), (1e160, 3.0))),
    "difference of cosines": (lambda m, x, y: m.cos(x) - m.cos(y), ((0.3, 0.3000001), (1e-9, 2e-9), (5.0, 1.0))),
    "difference of tangents": (lambda m, x, y: m.tan(x) - m.tan(y), ((0.3, 0.3000001), (1e-9, 2e-9), (1.5, 1.0))),
    "difference of arctangents": (
        lambda m, x, y: m.atan(x) - m.atan(y), ((0.3, 0.3000001), (1e9, 2e9), (1e-9, 3e-9), (5.0, -1.0)),
    ),
    "difference of logs of 1 + x": (
        lambda m, x, y: m.log(1 + x) - m.log(1 + y), ((0.3, 0.3000001), (1e9, 2e9), (1e-9, 3e-9), (5.0, 1e-20)),
    ),
    "sum of inverse squares": (lambda m, x, y: 1 / m.sqrt(1 / x**2 + 1 / y**2), SIDES),
    "Hellinger": (
        lambda m, x, y: 1 - m.sqrt(x * y) - m.sqrt((1 - x) * (1 - y)), SHARES,
    ),
    "χ² of Bernoullis": (lambda m, x, y: (x - y) ** 2 / (y * (1 - y)), SHARES),
    "Jensen–Shannon": (
        lambda m, x, y: x * m.log(2 * x / (x + y)) + y * m.log(2 * y / (x + y)), SHARES,
    ),
    "log odds ratio": (lambda m, x, y: m.log(x * (1 - y) / (y * (1 - x))), SHARES),
    "Rényi ½": (lambda m, x, y: -2 * m.log(m.sqrt(x * y) + m.sqrt((1 - x) * (1 - y))), SHARES),
    "Itakura–Saito": (
        lambda m, x, y: x / y - m.log(x / y) - 1,
        ((1.0, 1.0000001), (3.0, 2.0), (1e-9, 1.0), (1e200, 1e199)),
    ),
    "Hill's 2": (lambda m, x, y: x**2 / (x**2 + y**2), SIDES),
    "Gaussian overlap": (lambda m, x, y: m.sqrt(2 * x * y / (x**2 + y**2)), SIDES),
    "log-normal mean's log": (
        lambda m, x, y: m.log(m.exp(x + y**2 / 2)),
        ((3.0, 2.0), (-800.0, 2.0), (1e3, 40.0), (1e-9, 1e-5)),
    ),
    "Tsallis log": (
        lambda m, x, y: (m.power(x, 1 - y) - 1) / (1 - y),
        ((2.0, 0.5), (2.0, 1.0000001), (1e-9, 0.99), (7.0, 3.0)),
    ),
    "softplus of a product": (
        lambda m, x, y: m.log(1 + m.exp(x * y)),
        ((3.0, 2.0), (30.0, 40.0), (-1e3, 2.0), (1e-9, 1.0)),
    ),
    "logaddexp less": (
        lambda m, x, y: m.log(m.exp(x) + m.exp(y)) - x, ((3.0, 2.0), (40.0, -3.0), (1e3, -1e3), (-900.0, 2.0)),
    ),
    "gain of two": (lambda m, x, y: m.sqrt(x**2 + y**2) - y, ((1e-9, 1.0), (3.0, 4.0), (1.0, 1e9), (1e-200, 1e-190))),
}  # fmt: skip
