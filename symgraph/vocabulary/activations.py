"""Activations: each a name and a plain formula. Derivatives, stable forms and kernels follow from the formula."""

from __future__ import annotations

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.provenance import at_line
from symgraph.errors import DomainError
from symgraph.vocabulary.elementary import abs, cos, erf, erfc, exp, log, maximum, minimum, sign, sin, sqrt, square
from symgraph.vocabulary.elementwise import Row, u

SELU_ALPHA, SELU_SCALE = "1.6732632423543772", "1.0507009873554805"


def _elu(alpha: sp.Expr) -> sp.Expr:
    return Cases((u, u > 0), (alpha * (sp.exp(u) - 1), True))


def _selu() -> sp.Expr:
    alpha, scale = sp.Rational(SELU_ALPHA), sp.Rational(SELU_SCALE)
    return Cases((scale * u, u > 0), (scale * alpha * (sp.exp(u) - 1), True))


def _gelu(approximate: str) -> sp.Expr:
    match approximate:
        case "none":
            return u * (1 + sp.erf(u / sp.sqrt(2))) / 2
        case "tanh":
            return u * (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (u + sp.Rational("0.044715") * u**3))) / 2
    raise DomainError(at_line(f'gelu: approximate is "none" or "tanh", not {approximate!r}'))


tanh = Row("tanh", lambda: sp.tanh(u), u)
sigmoid = Row("sigmoid", lambda: 1 / (1 + sp.exp(-u)), u)
relu = Row("relu", lambda: sp.Max(u, 0), u, source="Nair & Hinton 2010; Glorot, Bordes & Bengio 2011")
leaky_relu = Row(
    "leaky_relu",
    lambda negative_slope: Cases((u, u > 0), (negative_slope * u, True)),
    u,
    source="Maas, Hannun & Ng 2013",
    negative_slope=0.01,
)
elu = Row("elu", _elu, u, source="Clevert, Unterthiner & Hochreiter, arXiv 1511.07289", alpha=1)
selu = Row("selu", _selu, u, source="Klambauer et al., arXiv 1706.02515")
gelu = Row("gelu", _gelu, u, source="Hendrycks & Gimpel, arXiv 1606.08415", approximate="none")
silu = Row("silu", lambda: u / (1 + sp.exp(-u)), u, source="arXiv 1606.08415; Ramachandran, arXiv 1710.05941")
mish = Row("mish", lambda: u * sp.tanh(sp.log(1 + sp.exp(u))), u, source="Misra, arXiv 1908.08681")
softplus = Row("softplus", lambda beta: sp.log(1 + sp.exp(beta * u)) / beta, u, source="Dugas et al. 2001", beta=1)
log_sigmoid = Row("log_sigmoid", lambda: sp.log(1 / (1 + sp.exp(-u))), u)
softsign = Row("softsign", lambda: u / (1 + sp.Abs(u)), u, source="Bergstra et al. 2009")
hardtanh = Row(
    "hardtanh",
    lambda min_val, max_val: sp.Max(min_val, sp.Min(u, max_val)),
    u,
    source="Collobert 2004",
    min_val=-1,
    max_val=1,
)
relu6 = Row("relu6", lambda: sp.Min(sp.Max(u, 0), 6), u, source="Krizhevsky 2010")
celu = Row(
    "celu",
    lambda alpha: Cases((u, u > 0), (alpha * (sp.exp(u / alpha) - 1), True)),
    u,
    source="Barron, arXiv 1704.07483",
    alpha=1,
)
hardsigmoid = Row("hardsigmoid", lambda: sp.Min(sp.Max(u + 3, 0), 6) / 6, u, source="Courbariaux 2015; torch.nn")
hardswish = Row("hardswish", lambda: u * sp.Min(sp.Max(u + 3, 0), 6) / 6, u, source="Howard et al., arXiv 1905.02244")
tanhshrink = Row("tanhshrink", lambda: u - sp.tanh(u), u, source="torch.nn")
softshrink = Row(
    "softshrink",
    lambda lambd: Cases((u - lambd, u > lambd), (u + lambd, u < -lambd), (0, True)),
    u,
    source="Donoho & Johnstone 1994",
    lambd=0.5,
)
hardshrink = Row(
    "hardshrink",
    lambda lambd: Cases((u, sp.Or(u > lambd, u < -lambd)), (0, True)),
    u,
    source="Donoho & Johnstone 1994",
    lambd=0.5,
)
threshold = Row(
    "threshold", lambda threshold, value: Cases((u, u > threshold), (value, True)), u, source="torch.nn",
    threshold=0, value=0,
)  # fmt: skip

ACTIVATIONS = {
    f.name: f
    for f in (
        *(relu, relu6, leaky_relu, elu, celu, selu, gelu, silu, mish, sigmoid, log_sigmoid, tanh, softplus, softsign),
        *(hardtanh, hardsigmoid, hardswish, tanhshrink, softshrink, hardshrink, threshold),
    )
}
"""The rows that are called activations; options by PyTorch's names."""
ALIASES = {
    "swish": "silu", "logistic": "sigmoid", "logsigmoid": "log_sigmoid", "hard_tanh": "hardtanh",
    "hard_sigmoid": "hardsigmoid", "hard_swish": "hardswish", "hard_silu": "hardswish",
}  # fmt: skip
"""What Keras and scikit-learn call them."""


def named(name: str) -> Row:
    """An activation by its name here, in PyTorch, Keras or scikit-learn: ``named("swish")`` is ``silu``.

    Raises
    ------
    DomainError
        which lists the names.
    """
    found = ACTIVATIONS.get(ALIASES.get(str(name).lower(), str(name).lower()))
    if found is None:
        raise DomainError(at_line(f"there is no activation {name!r}; known are {', '.join(ACTIVATIONS)}"))
    return found


ELEMENTWISE = {
    f.name: f
    for f in (
        *(exp, log, sqrt, sin, cos, erf, erfc, abs, sign, square, maximum, minimum),
        *(tanh, sigmoid, relu, leaky_relu, elu, selu, gelu, silu, mish, softplus, log_sigmoid, softsign, hardtanh),
        *(relu6, celu, hardsigmoid, hardswish, tanhshrink, softshrink, hardshrink, threshold),
    )
}

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]  # fmt: skip
