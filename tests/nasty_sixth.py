"""A sixth list, of a hundred and eight scalar formulas, written before any of it was tried.

Sources: Stan's and TensorFlow Probability's densities, links and bijectors, S. Coles (extremes), P. McCullagh and
J. Nelder (deviances), J. T. Barron 2019, T. Haarnoja 2018 (squashed normals), J. P. Snyder (map projections), K.
Shoemake 1985 (slerp), J. Ratcliffe (hyperbolic geometry), A. J. Stone (damped potentials), M. Saha, L. Onsager,
F. Black 1976, N. L. Johnson 1949, G. E. P. Box and D. R. Cox 1964, W. H. Press et al. (Numerical Recipes).
"""

from __future__ import annotations

from tests.nasty_rows import Formula, Points

TINY = (1e-40, 1e-14, 1e-8, 1e-5, 1e-2)
USUAL = (0.15, 0.6, 1.0, 1.9, 3.5)
LARGE = (11.0, 38.0, 120.0, 740.0, 3e4, 1e10)
PLUS = (*TINY, *USUAL)
POSITIVE = (*PLUS, *LARGE)
BOTH = tuple(s * x for x in (*PLUS, *LARGE[:4]) for s in (1, -1))
SHARE = (1e-25, 1e-10, 1e-3, 0.25, 0.5, 0.9, 0.9999, 1 - 1e-11)
SIGNED = tuple(s * x for x in (1e-25, 1e-10, 1e-3, 0.25, 0.9, 0.9999, 1 - 1e-11) for s in (1, -1))
ANGLE = (1e-25, 1e-10, 1e-5, 1e-2, 0.3, 1.2, 1.55)
COUNT = (1e-6, 0.2, 1.0, 3.5, 25.0, 400.0, 1e5, 1e9)

ONE_SIXTH: dict[str, tuple[Formula, Points]] = {
    # -- bijectors and squashing
    "log det of tanh": (lambda m, x: m.log(1 - m.tanh(x) ** 2), BOTH),
    "log det of tanh as taught": (lambda m, x: 2 * (m.log(2) - x - m.log(1 + m.exp(-2 * x))), BOTH),
    "log det of a sigmoid": (lambda m, x: m.log(1 / (1 + m.exp(-x))) + m.log(1 - 1 / (1 + m.exp(-x))), BOTH),
    "softplus, inverse": (lambda m, x: x + m.log(1 - m.exp(-x)), POSITIVE),
    "softplus less log 2": (lambda m, x: m.log(1 + m.exp(x)) - m.log(2), BOTH),
    "sinh–arcsinh": (lambda m, x: m.sinh(2 * m.asinh(x)), BOTH),
    "Johnson's SU": (lambda m, x: m.asinh(x) - m.log(1 + x**2) / 2, BOTH),
    "symlog": (lambda m, x: m.where(x > 0, m.log(1 + x), -m.log(1 - x)), [x for x in BOTH if x]),
    "symexp less x": (lambda m, x: m.exp(x) - 1 - x, (*PLUS, 11.0, -1e-8, -0.6, -120.0)),
    "Gumbel-softplus": (lambda m, x: m.log(1 + m.exp(-m.exp(x))), BOTH),
    "cloglog of softplus": (lambda m, x: 1 - 1 / (1 + m.exp(x)) ** 2, BOTH),
    "swish at 1.702": (lambda m, x: x / (1 + m.exp(-851 * x / 500)), BOTH),
    "GELU less relu": (
        lambda m, x: x * (1 + m.erf(x / m.sqrt(2))) / 2 - m.where(x > 0, x, 0 * x), [x for x in BOTH if x],
    ),
    "hard tail of CELU": (lambda m, x: 2 * (m.exp(x / 2) - 1) - x, (*PLUS, -1e-8, -0.6, -38.0, -740.0)),
    "square root of softplus": (lambda m, x: m.sqrt(m.log(1 + m.exp(x))), BOTH),
    "inverse square root unit": (lambda m, x: x - x / m.sqrt(1 + x**2), BOTH),
    # -- densities, scores, tails
    "logistic score": (lambda m, x: (1 - m.exp(-x)) / (1 + m.exp(-x)), BOTH),
    "Cauchy tail": (lambda m, x: m.half - m.atan(x) / m.pi, (*PLUS, *LARGE, -0.6, -38.0)),
    "hyperbolic secant cdf": (lambda m, x: 2 * m.atan(m.exp(m.pi * x / 2)) / m.pi, BOTH[:26]),
    "log of Cauchy's tail": (lambda m, x: m.log(m.half - m.atan(x) / m.pi), (*PLUS, *LARGE, -0.6, -38.0)),
    "Lomax survival's complement": (lambda m, x: 1 - m.power(1 + x / 2, -5 * m.half), POSITIVE),
    "Weibull's log survival of log": (lambda m, x: m.log(1 - m.exp(-m.exp(2 * x))), BOTH[:24]),
    "exponentiated Weibull": (lambda m, x: (1 - m.exp(-m.sqrt(x))) ** 3, POSITIVE),
    "Kumaraswamy's log": (lambda m, x: m.log(1 - m.power(1 - x**2, 3)), SHARE),
    "Rayleigh's tail's odds": (lambda m, x: m.exp(-(x**2)) / (1 - m.exp(-(x**2))), PLUS[1:]),
    "Lévy": (lambda m, x: m.erfc(m.sqrt(1 / (2 * x))), (1e-3, 0.01, *USUAL, *LARGE)),
    "half-Cauchy's log": (lambda m, x: m.log(2 * m.atan(x) / m.pi), POSITIVE),
    "truncated exponential's mean": (lambda m, x: 1 / x - 1 / (m.exp(x) - 1), [x for x in BOTH[4:] if x]),
    "Poisson's chance of some": (lambda m, x: m.log(1 - m.exp(-x)) + x, POSITIVE),
    "zero-inflated Poisson's log": (lambda m, x: m.log(m.half + m.exp(-x) / 2), POSITIVE),
    "skew logistic's log": (lambda m, x: -x - 3 * m.log(1 + m.exp(-x)), BOTH),
    "normal's log hazard": (lambda m, x: -(x**2) / 2 - m.log(m.erfc(x / m.sqrt(2))), BOTH[:28]),
    "log of normal's two tails": (lambda m, x: m.log(m.erf(x)), POSITIVE[1:]),
    "probit score": (lambda m, x: m.exp(-(x**2)) / (1 - m.erf(x) ** 2), (*BOTH[:20], 11.0, -11.0, 25.0)),
    # -- deviances and information
    "Poisson deviance at 1": (lambda m, x: 2 * (x * m.log(x) - x + 1), (1e-9, 0.5, 0.999999, 1 + 1e-9, 3.0, 1e9)),
    "gamma deviance at 1": (lambda m, x: 2 * (x - 1 - m.log(x)), (1e-9, 0.5, 0.999999, 1 + 1e-9, 3.0, 1e9)),
    "inverse Gaussian deviance": (lambda m, x: (x - 1) ** 2 / x, (1e-9, 0.5, 0.999999, 1 + 1e-9, 3.0, 1e200)),
    "Bernoulli's KL from a half": (
        lambda m, x: m.log(2) + x * m.log(x) + (1 - x) * m.log(1 - x), (1e-12, 0.2, 0.4999999, 0.5000001, 0.8, 0.99999),
    ),
    "KL of standard normals": (lambda m, x: (x - 1 - m.log(x)) / 2, (1e-9, 0.5, 0.999999, 1 + 1e-9, 3.0, 1e9)),
    "KL of scales": (lambda m, x: (m.exp(2 * x) - 1) / 2 - x, (*PLUS, -1e-8, -1e-5, -0.6, -38.0)),
    "Jensen–Shannon of a scale": (
        lambda m, x: m.log((1 + x**2) / (2 * x)), (1e-9, 0.5, 0.999999, 1 + 1e-7, 3.0, 1e9, 1e180),
    ),
    "mutual information of normals": (lambda m, x: -m.log(1 - x**2) / 2, SIGNED),
    "capacity": (lambda m, x: m.log(1 + x) / m.log(2), (*POSITIVE, 1e300)),
    "Tsallis 2 entropy": (lambda m, x: 1 - x**2 - (1 - x) ** 2, SHARE),
    # -- extremes
    "Gumbel's median shift": (lambda m, x: -m.log(m.log(2) * m.exp(-x)), BOTH),
    "GEV at ξ = ½": (lambda m, x: m.exp(-m.power(1 + x / 2, -2)), (*PLUS, *LARGE[:4], -1.0, -1.9)),
    "1 − GEV": (lambda m, x: 1 - m.exp(-m.power(1 + x / 2, -2)), (*PLUS, *LARGE, -1.0, -1.9)),
    "return period": (lambda m, x: -m.log(-m.log(1 - 1 / x)), (1.001, 1.5, 10.0, 1e4, 1e9, 1e16)),
    # -- physics and chemistry
    "Saha": (lambda m, x: (m.sqrt(x**2 + 4 * x) - x) / 2, POSITIVE),
    "Onsager": (lambda m, x: (m.sqrt(1 + 8 * x**2) + 1 - 4 * m.half * x) / 4, POSITIVE),
    "Tang–Toennies 2": (lambda m, x: 1 - m.exp(-x) * (1 + x + x**2 / 2), (*PLUS[3:], *LARGE)),
    "Thole's damping": (lambda m, x: 1 - m.exp(-(x**3)), (*PLUS[2:], *LARGE)),
    "Ewald's real part": (lambda m, x: (1 - m.erfc(x)) / x, (*PLUS[1:], *LARGE)),
    "Coulomb of a cloud": (lambda m, x: 1 / x - m.exp(-2 * x) * (1 + 1 / x), (*PLUS[2:], *LARGE)),
    "Bose's log fugacity": (lambda m, x: -m.log(1 - x) / x - 1, SIGNED),
    "Planck's tail": (lambda m, x: x**4 * m.exp(x) / (m.exp(x) - 1) ** 2, (*PLUS[1:], *LARGE)),
    "Bragg–Williams": (
        lambda m, x: ((1 + x) * m.log(1 + x) + (1 - x) * m.log(1 - x)) / 2 - x**2 / 2, SIGNED[2:],
    ),
    "Carnot's work": (lambda m, x: x - 1 - m.log(x), (0.3, 1 - 1e-8, 1 + 1e-5, 2.0, 1e12)),
    "lapse": (lambda m, x: m.sqrt(1 - 1 / x) - 1, (1 + 1e-9, 1.5, 30.0, 1e6, 1e15)),
    "aberration": (lambda m, x: 2 * m.atan(m.sqrt((1 - x) / (1 + x)) * m.tan(m.third)), SIGNED),
    # -- geometry
    "Mercator": (lambda m, x: m.log(m.tan(m.pi / 4 + x / 2)), ANGLE[:-1]),
    "Mercator, inverse": (lambda m, x: 2 * m.atan(m.exp(x)) - m.pi / 2, (*PLUS, 11.0, 38.0, -0.6, -11.0)),
    "Lambert's equal area": (lambda m, x: m.sqrt(2 * (1 - m.sin(x))), (*ANGLE, -0.6)),
    "Poincaré distance": (lambda m, x: m.acosh(1 + 2 * x**2 / (1 - x**2)), SHARE),
    "hyperbolic circle": (lambda m, x: 2 * m.pi * (m.cosh(x) - 1), PLUS),
    "slerp at ⅓": (lambda m, x: m.sin(x / 3) / m.sin(x), (*ANGLE, 3.0)),
    "versed root": (lambda m, x: m.sqrt(2 - 2 * m.cos(x)), (*ANGLE, 3.0, 100.0)),
    "chord's sagitta": (lambda m, x: (1 - m.cos(x / 2)) / m.sin(x / 2), (*ANGLE, 3.0)),
    "perimeter of an ellipse, near": (
        lambda m, x: 3 * (1 + x) - m.sqrt((3 + x) * (1 + 3 * x)) - 2, (*PLUS, 1 + 1e-8, 1e8),
    ),
    "flattening": (lambda m, x: 1 - m.sqrt(1 - x) - x / 2, SHARE[1:]),
    # -- special functions
    "log Pochhammer": (lambda m, x: m.loggamma(x + 3 * m.half) - m.loggamma(x), COUNT),
    "beta-binomial's 0 of 2": (lambda m, x: m.loggamma(x + 2) - m.loggamma(x) - 2 * m.log(1 + x), COUNT),
    "Γ score at 1": (lambda m, x: -m.digamma(x) + m.log(x) - 1 / x, COUNT),
    "erf less tanh's twin": (lambda m, x: m.erf(x) / x - 2 / m.sqrt(m.pi), (*PLUS[2:], 11.0)),
}  # fmt: skip

LIKE = ((1.0, 1 + 1e-8), (2.5, 2.5 - 1e-6), (1e-8, 3e-8), (4.0, 0.3), (1e5, 1e5 + 1e-3), (1e-150, 2e-150))
SHARES = ((0.3, 0.3 + 1e-8), (0.7, 0.1), (1e-9, 0.2), (0.9999, 0.99), (0.5, 0.5))
REALS = ((0.5, 1.5), (3.0, 3 + 1e-8), (-2.0, 0.1), (50.0, -50.0), (-700.0, 20.0), (1e-9, 2e-9), (900.0, 901.0))
SHAPED = ((1.0, 0.3), (3.0, 1e-9), (0.2, 1e-4), (1e-9, 0.5), (40.0, 2.0), (1e6, 1e-3))
MONEY = ((1.0, 0.2), (1.001, 0.01), (0.9, 0.05), (1.5, 0.05), (1.0, 1e-5), (1.0, 3.0))

TWO_SIXTH: dict[str, tuple[Formula, Points]] = {
    # -- transforms with a shape
    "Box–Cox": (lambda m, x, y: (m.power(x, y) - 1) / y, SHAPED),
    "Yeo–Johnson": (lambda m, x, y: (m.power(1 + x, y) - 1) / y, SHAPED),
    "generalised Pareto's log survival": (lambda m, x, y: -m.log(1 + x * y) / y, SHAPED),
    "Barron's general": (lambda m, x, y: m.power(x**2 + 1, y / 2) - 1, SHAPED),
    "q-exponential": (lambda m, x, y: m.power(1 + x * y, 1 / y), ((1.0, 0.3), (3.0, 1e-9), (0.2, 1e-4), (1e-9, 0.5))),
    "scaled ELU": (lambda m, x, y: y * (m.exp(x / y) - 1), ((1.0, 0.3), (1e-9, 2.0), (-3.0, 0.01), (0.2, 1e9))),
    "temperature softplus": (lambda m, x, y: y * m.log(1 + m.exp(x / y)), ((1.0, 0.3), (1.0, 1e-4), (-1.0, 1e-4))),
    # -- divergences and likelihoods
    "KL of normals' scales": (lambda m, x, y: m.log(y / x) + x**2 / (2 * y**2) - m.half, LIKE),
    "Wasserstein of scales": (lambda m, x, y: x + y - 2 * m.sqrt(x * y), LIKE),
    "Bhattacharyya of scales": (lambda m, x, y: m.log((x**2 + y**2) / (2 * x * y)) / 2, LIKE),
    "Bernoulli KL of logits": (
        lambda m, x, y: (x - y) / (1 + m.exp(-x)) - m.log(1 + m.exp(x)) + m.log(1 + m.exp(y)), REALS[:5],
    ),
    "Brier of logits": (lambda m, x, y: (1 / (1 + m.exp(-x)) - 1 / (1 + m.exp(-y))) ** 2, REALS[:5]),
    "Poisson loss of a log rate": (lambda m, x, y: m.exp(x) - m.exp(y) - m.exp(y) * (x - y), (*REALS[:3], REALS[5])),
    "ordinal logit": (lambda m, x, y: m.log(1 / (1 + m.exp(-y)) - 1 / (1 + m.exp(-x))),
                      ((1.5, 0.5), (3 + 1e-8, 3.0), (60.0, 50.0), (-50.0, -60.0), (50.0, -50.0))),
    "pairwise hinge, soft": (lambda m, x, y: m.log(1 + m.exp(1 - x + y)), REALS),
    "mixture's responsibility": (lambda m, x, y: 1 / (1 + m.exp(y**2 / 2 - x**2 / 2)), (*REALS[:4], (80.0, 81.0))),
    "Bradley–Terry": (lambda m, x, y: m.log(m.exp(x) / (m.exp(x) + m.exp(y))), REALS),
    "Dirichlet of two's mean log": (lambda m, x, y: m.digamma(x) - m.digamma(x + y), (*LIKE[:5], (1e9, 2.0))),
    "χ² of shares": (lambda m, x, y: (x - y) ** 2 / (x + y), SHARES),
    "total covariance": (lambda m, x, y: x * y - x * (1 - y), SHARES),
    # -- finance
    "gamma of an option": (
        lambda m, x, y: m.exp(-((m.log(x) / y + y / 2) ** 2) / 2) / (x * y * m.sqrt(2 * m.pi)), MONEY,
    ),
    "Black 76 call": (
        lambda m, x, y: x * m.erfc(-(m.log(x) / y + y / 2) / m.sqrt(2)) / 2
        - m.erfc(-(m.log(x) / y - y / 2) / m.sqrt(2)) / 2, MONEY,
    ),
    "digital": (lambda m, x, y: m.erfc(-(m.log(x) / y - y / 2) / m.sqrt(2)) / 2, MONEY),
    "forward rate": (
        lambda m, x, y: (m.exp(x * y) - 1) / y,
        ((0.05, 0.25), (1e-9, 1.0), (0.05, 1e-9), (3.0, 5.0), (-0.01, 1e-3)),
    ),
    # -- geometry and numbers
    "Heron, needle": (
        lambda m, x, y: m.sqrt((1 + x + y) * (y + x - 1) * (1 + y - x) * (1 + x - y)) / 4,
        ((0.5, 0.5 + 1e-9), (1.0, 1e-8), (1.0, 1.0), (30.0, 30.5)),
    ),
    "velocity addition less x": (lambda m, x, y: (x + y) / (1 + x * y) - x, SHARES),
    "hyperbolic law": (
        lambda m, x, y: m.acosh(m.cosh(x) * m.cosh(y) - m.sinh(x) * m.sinh(y) * m.cos(m.third)),
        ((1.0, 1.0), (1e-3, 1e-3), (0.5, 0.5000001), (20.0, 3.0)),
    ),
    "log of a norm's square less": (lambda m, x, y: m.log(x**2 + y**2) - 2 * m.log(x), LIKE),
    "smooth maximum": (lambda m, x, y: (x + y + m.sqrt((x - y) ** 2 + m.half)) / 2, (*REALS, (1e200, -1e200))),
    "smooth absolute": (lambda m, x, y: m.sqrt(x**2 + y**2) - y, SHAPED),
    "Fischer–Burmeister": (lambda m, x, y: x + y - m.sqrt(x**2 + y**2), (*LIKE, (1e-9, 1.0), (1.0, 1e-9))),
    "relative entropy of rates": (lambda m, x, y: x * m.log(x / y) + y - x, LIKE[:5]),
    "logarithmic mean": (lambda m, x, y: (x - y) / m.log(x / y), LIKE),
    "Stolarsky 2": (lambda m, x, y: m.sqrt((x**2 + x * y + y**2) / 3), LIKE),
}  # fmt: skip
