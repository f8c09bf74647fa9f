"""Activations: each a name and a plain formula. Derivatives, stable forms and kernels follow from the formula."""

from __future__ import annotations

import sympy as sp

from symgraph.vocabulary.elementwise import Row, u, v

SELU_ALPHA, SELU_SCALE = "1.6732632423543772", "1.0507009873554805"


def _selu() -> sp.Expr:
    alpha, scale = sp.Rational(SELU_ALPHA), sp.Rational(SELU_SCALE)
    return sp.Piecewise((scale * u, u > 0), (scale * alpha * (sp.exp(u) - 1), True))


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

tanh = Row("tanh", lambda: sp.tanh(u), u)
sigmoid = Row("sigmoid", lambda: 1 / (1 + sp.exp(-u)), u)
relu = Row("relu", lambda: sp.Max(u, 0), u)
leaky_relu = Row("leaky_relu", lambda: sp.Piecewise((u, u > 0), (u / 100, True)), u)
elu = Row("elu", lambda: sp.Piecewise((u, u > 0), (sp.exp(u) - 1, True)), u)
selu = Row("selu", _selu, u)
gelu = Row("gelu", lambda: u * (1 + sp.erf(u / sp.sqrt(2))) / 2, u)
silu = Row("silu", lambda: u / (1 + sp.exp(-u)), u)
mish = Row("mish", lambda: u * sp.tanh(sp.log(1 + sp.exp(u))), u)
softplus = Row("softplus", lambda: sp.log(1 + sp.exp(u)), u)
log_sigmoid = Row("log_sigmoid", lambda: sp.log(1 / (1 + sp.exp(-u))), u)
softsign = Row("softsign", lambda: u / (1 + sp.Abs(u)), u)
hardtanh = Row("hardtanh", lambda: sp.Max(-1, sp.Min(u, 1)), u)

ELEMENTWISE = {
    f.name: f
    for f in (
        *(exp, log, sqrt, sin, cos, erf, erfc, abs, sign, square, maximum, minimum),
        *(tanh, sigmoid, relu, leaky_relu, elu, selu, gelu, silu, mish, softplus, log_sigmoid, softsign, hardtanh),
    )
}

__all__ = [
    "abs",
    "cos",
    "elu",
    "erf",
    "erfc",
    "exp",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "log",
    "log_sigmoid",
    "maximum",
    "minimum",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "tanh",
]  # fmt: skip
