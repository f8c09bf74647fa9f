"""Activations: each a name and a plain formula. Derivatives, stable forms and kernels follow from the formula."""

from __future__ import annotations

import sympy as sp

from symgraph.vocabulary.elementwise import elementwise, u, v

exp = elementwise(sp.exp(u), u, name="exp")
log = elementwise(sp.log(u), u, name="log")
sqrt = elementwise(sp.sqrt(u), u, name="sqrt")
sin = elementwise(sp.sin(u), u, name="sin")
cos = elementwise(sp.cos(u), u, name="cos")
erf = elementwise(sp.erf(u), u, name="erf")
erfc = elementwise(sp.erfc(u), u, name="erfc")
abs = elementwise(sp.Abs(u), u, name="abs")
sign = elementwise(sp.sign(u), u, name="sign")
square = elementwise(u**2, u, name="square")
maximum = elementwise(sp.Max(u, v), u, v, name="maximum")
minimum = elementwise(sp.Min(u, v), u, v, name="minimum")

tanh = elementwise(sp.tanh(u), u, name="tanh")
sigmoid = elementwise(1 / (1 + sp.exp(-u)), u, name="sigmoid")
relu = elementwise(sp.Max(u, 0), u, name="relu")
leaky_relu = elementwise(sp.Piecewise((u, u > 0), (u / 100, True)), u, name="leaky_relu")
elu = elementwise(sp.Piecewise((u, u > 0), (sp.exp(u) - 1, True)), u, name="elu")
selu_alpha, selu_scale = sp.Rational("1.6732632423543772"), sp.Rational("1.0507009873554805")
selu = elementwise(
    sp.Piecewise((selu_scale * u, u > 0), (selu_scale * selu_alpha * (sp.exp(u) - 1), True)), u, name="selu"
)
gelu = elementwise(u * (1 + sp.erf(u / sp.sqrt(2))) / 2, u, name="gelu")
silu = elementwise(u / (1 + sp.exp(-u)), u, name="silu")
mish = elementwise(u * sp.tanh(sp.log(1 + sp.exp(u))), u, name="mish")
softplus = elementwise(sp.log(1 + sp.exp(u)), u, name="softplus")
log_sigmoid = elementwise(sp.log(1 / (1 + sp.exp(-u))), u, name="log_sigmoid")
softsign = elementwise(u / (1 + sp.Abs(u)), u, name="softsign")
hardtanh = elementwise(sp.Max(-1, sp.Min(u, 1)), u, name="hardtanh")

ELEMENTWISE = {
    f.name: f
    for f in (
        *(exp, log, sqrt, sin, cos, erf, erfc, abs, sign, square, maximum, minimum),
        *(tanh, sigmoid, relu, leaky_relu, elu, selu, gelu, silu, mish, softplus, log_sigmoid, softsign, hardtanh),
    )
}
