"""Elementary and special functions of tensors, by NumPy's names and those of scipy.special: each a name and a formula.

Real values alone: log of a negative number, arcsin beyond 1 and the like are NaN, as in NumPy. ``np.tan(x)`` of a
symbol is ``sg.tan(x)``.
"""

from __future__ import annotations

import sympy as sp

from symgraph.core import scalars
from symgraph.core.cases import Cases
from symgraph.core.scalars import modulo
from symgraph.vocabulary.elementwise import Row, u, v

SPECIAL = "scipy.special"

exp = Row("exp", lambda: sp.exp(u), u)
log = Row("log", lambda: sp.log(u), u)
sqrt = Row("sqrt", lambda: sp.sqrt(u), u)
sin = Row("sin", lambda: sp.sin(u), u)
cos = Row("cos", lambda: sp.cos(u), u)
erf = Row("erf", lambda: sp.erf(u), u)
erfc = Row("erfc", lambda: sp.erfc(u), u)
abs = Row("abs", lambda: sp.Abs(u), u)
sign = Row("sign", lambda: sp.sign(u), u)
square = Row("square", lambda: u**2, u)
maximum = Row("maximum", lambda: sp.Max(u, v), u, v)
minimum = Row("minimum", lambda: sp.Min(u, v), u, v)

tan = Row("tan", lambda: sp.tan(u), u)
arcsin = Row("arcsin", lambda: sp.asin(u), u)
arccos = Row("arccos", lambda: sp.acos(u), u)
arctan = Row("arctan", lambda: sp.atan(u), u)
sinh = Row("sinh", lambda: sp.sinh(u), u)
cosh = Row("cosh", lambda: sp.cosh(u), u)
arcsinh = Row("arcsinh", lambda: sp.asinh(u), u)
arccosh = Row("arccosh", lambda: sp.acosh(u), u)
arctanh = Row("arctanh", lambda: sp.atanh(u), u)
log1p = Row("log1p", lambda: sp.log(1 + u), u)
expm1 = Row("expm1", lambda: sp.exp(u) - 1, u)
log2 = Row("log2", lambda: sp.log(u) / sp.log(2), u)
log10 = Row("log10", lambda: sp.log(u) / sp.log(10), u)
exp2 = Row("exp2", lambda: 2**u, u)
cbrt = Row("cbrt", lambda: sp.sign(u) * sp.Abs(u) ** sp.Rational(1, 3), u)
reciprocal = Row("reciprocal", lambda: 1 / u, u)
floor = Row("floor", lambda: sp.floor(u), u)
ceil = Row("ceil", lambda: sp.ceiling(u), u)
trunc = Row("trunc", lambda: sp.sign(u) * sp.floor(sp.Abs(u)), u)
arctan2 = Row("arctan2", lambda: sp.atan2(u, v), u, v)
hypot = Row("hypot", lambda: sp.sqrt(u**2 + v**2), u, v)
logaddexp = Row("logaddexp", lambda: sp.log(sp.exp(u) + sp.exp(v)), u, v)
power = Row("power", lambda: u**v, u, v)
remainder = Row("remainder", lambda: modulo(u, v), u, v)
floor_divide = Row("floor_divide", lambda: sp.floor(u / v), u, v)
heaviside = Row("heaviside", lambda: Cases((0, u < 0), (v, sp.Eq(u, 0)), (1, u > 0), (u, True)), u, v)
degrees = Row("degrees", lambda: 180 * u / sp.pi, u)
radians = Row("radians", lambda: sp.pi * u / 180, u)
sinc = Row("sinc", lambda: Cases((sp.sin(sp.pi * u) / (sp.pi * u), sp.Ne(u, 0)), (1, True)), u)

erfinv = Row("erfinv", lambda: sp.erfinv(u), u, source=SPECIAL)
erfcx = Row("erfcx", lambda: scalars.erfcx(u), u, source=SPECIAL)
ndtr = Row("ndtr", lambda: scalars.ndtr(u), u, source=SPECIAL)
log_ndtr = Row("log_ndtr", lambda: scalars.log_ndtr(u), u, source=SPECIAL)
gamma = Row("gamma", lambda: sp.gamma(u), u, source=SPECIAL)
gammaln = Row("gammaln", lambda: sp.loggamma(u), u, source=SPECIAL)
digamma = Row("digamma", lambda: sp.polygamma(0, u), u, source=SPECIAL)
logit = Row("logit", lambda: sp.log(u / (1 - u)), u, source=SPECIAL)
xlogy = Row("xlogy", lambda: Cases((0, sp.Eq(u, 0)), (u * sp.log(v), True)), u, v, source=SPECIAL)

ELEMENTARY = {name: row for name, row in globals().items() if isinstance(row, Row)}

__all__ = [
    "abs",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "degrees",
    "digamma",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "floor_divide",
    "gamma",
    "gammaln",
    "heaviside",
    "hypot",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_ndtr",
    "logaddexp",
    "logit",
    "maximum",
    "minimum",
    "ndtr",
    "power",
    "radians",
    "reciprocal",
    "remainder",
    "sign",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "trunc",
    "xlogy",
]
