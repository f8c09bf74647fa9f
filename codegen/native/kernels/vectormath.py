"""The vector functions as words, and the table that tests and emitters read.

A row names a function, its algorithm on lanes (one source for float32 and float64), what it means un-jitted, the
oracle that tests compare with, and the bound on its error. Native calls return the dtype of their argument:
``exp(float32)`` is float32 arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numba.core import types

from codegen.native.kernels import (
    arctangent,
    cube_root,
    error_function,
    exponential,
    gamma_functions,
    hyperbolic,
    inverse_error,
    inverse_trigonometric,
    logarithm,
    normal,
    power,
    special,
    trigonometric,
)
from codegen.native.kernels.binding import bind
from codegen.native.kernels.lane import Lane
from codegen.native.kernels.lane_llvm import lowering

Scalar = Any
"""A Python float or NumPy floating scalar; results keep NumPy's dtype."""
_NORMAL = NormalDist()


def exp(x: Scalar) -> Scalar:
    """eˣ."""
    return np.exp(x)


def expm1(x: Scalar) -> Scalar:
    """eˣ − 1, accurate near 0."""
    return np.expm1(x)


def log(x: Scalar) -> Scalar:
    """Natural logarithm."""
    return np.log(x)


def log1p(x: Scalar) -> Scalar:
    """log(1 + x), accurate near 0."""
    return np.log1p(x)


def tanh(x: Scalar) -> Scalar:
    """Hyperbolic tangent."""
    return np.tanh(x)


def sigmoid(x: Scalar) -> Scalar:
    """1/(1 + e^{−x}), without overflow."""
    z = np.exp(-abs(x))
    return z / (1 + z) if x < 0 else 1 / (1 + z)


def softplus(x: Scalar) -> Scalar:
    """log(1 + eˣ), without overflow."""
    return np.maximum(x, type(x)(0)) + np.log1p(np.exp(-abs(x)))


def erf(x: Scalar) -> Scalar:
    """Error function 2/√π ∫₀ˣ e^{−t²} dt."""
    return type(x)(math.erf(x))


def erfc(x: Scalar) -> Scalar:
    """1 − erf x, accurate for large x."""
    return type(x)(math.erfc(x))


def erfinv(x: Scalar) -> Scalar:
    """The inverse of the error function; ±inf at ±1, NaN beyond."""
    tail = (1 - abs(float(x))) / 2
    if 0 < tail < 0.25:
        value = -_NORMAL.inv_cdf(tail) * math.sqrt(0.5)
    elif tail >= 0.25:
        value = inverse_error.middle(abs(float(x)))
    else:
        value = math.inf if tail == 0 else math.nan
    return type(x)(math.copysign(value, x))


def sin(x: Scalar) -> Scalar:
    """Sine of an angle in radians."""
    return np.sin(x)


def cos(x: Scalar) -> Scalar:
    """Cosine of an angle in radians."""
    return np.cos(x)


def atan(x: Scalar) -> Scalar:
    """Angle in radians whose tangent is ``x``."""
    return np.arctan(x)


def pow(x: Scalar, y: Scalar) -> Scalar:
    """xʸ for two scalars of one dtype, with C's special values."""
    return np.power(x, y)


@dataclass(frozen=True, slots=True)
class VectorFunction:
    """One row of the table.

    Attributes
    ----------
    word
        The function that emitted source calls.
    algorithm
        The same on lanes; it looks at its argument's dtype.
    oracle
        Name in ``mpmath``, or of a function of the tests where mpmath has none.
    ulp
        Bound on the error, in units of the last place of the result, for float32 and float64.
    ranges
        Intervals that tests sample densely, besides every exponent.
    """

    word: Callable[..., Scalar]
    algorithm: Callable[..., Lane]
    oracle: str
    ulp: float
    ranges: tuple[tuple[float, float], ...]

    @property
    def name(self) -> str:
        return self.word.__name__

    @property
    def arity(self) -> int:
        return self.word.__code__.co_argcount


VECTOR_MATH: dict[str, VectorFunction] = {
    row.name: row
    for row in (
        VectorFunction(exp, exponential.exp, "exp", 1.0, ((-1, 1), (-110, 90), (-750, 715))),
        VectorFunction(expm1, exponential.expm1, "expm1", 2.0, ((-1, 1), (-20, 90), (-45, 715))),
        VectorFunction(log, logarithm.log, "log", 1.0, ((0.4, 2.5), (0.99, 1.01), (0, 1000))),
        VectorFunction(log1p, logarithm.log1p, "log1p", 1.5, ((-0.999, 1), (-0.01, 0.01), (0, 1000))),
        VectorFunction(tanh, exponential.tanh, "tanh", 2.0, ((-0.01, 0.01), (-1, 1), (-12, 12))),
        VectorFunction(sigmoid, exponential.sigmoid, "sigmoid", 2.0, ((-2, 2), (-110, 20), (-750, 40))),
        VectorFunction(softplus, logarithm.softplus, "softplus", 2.0, ((-2, 2), (-110, 40), (-750, 40))),
        VectorFunction(erf, error_function.erf, "erf", 1.5, ((-0.01, 0.01), (-1, 1), (-6, 6))),
        VectorFunction(erfc, error_function.erfc, "erfc", 2.0, ((-1, 1), (-6, 6), (1, 10.3), (1, 27.5))),
        VectorFunction(erfinv, inverse_error.erfinv, "erfinv", 2.0, ((-0.01, 0.01), (-1, 1), (0.999, 1))),
        VectorFunction(sin, trigonometric.sin, "sin", 2.0, ((-10, 10), (-1000, 1000), (-1e9, 1e9))),
        VectorFunction(cos, trigonometric.cos, "cos", 2.0, ((-10, 10), (-1000, 1000), (-1e9, 1e9))),
        VectorFunction(atan, arctangent.atan, "atan", 2.0, ((-0.1, 0.1), (-3, 3), (-100, 100))),
        VectorFunction(special.tan, trigonometric.tan, "tan", 2.0, ((-10, 10), (-1000, 1000), (-1e9, 1e9))),
        VectorFunction(special.asin, inverse_trigonometric.asin, "asin", 2.0, ((-1, 1), (-0.1, 0.1), (0.99, 1))),
        VectorFunction(special.acos, inverse_trigonometric.acos, "acos", 2.0, ((-1, 1), (0.99, 1), (-1, -0.99))),
        VectorFunction(special.sinh, hyperbolic.sinh, "sinh", 2.0, ((-1, 1), (-90, 90), (-711, 711))),
        VectorFunction(special.cosh, hyperbolic.cosh, "cosh", 2.0, ((-1, 1), (-90, 90), (-711, 711))),
        VectorFunction(special.asinh, hyperbolic.asinh, "asinh", 2.0, ((-1, 1), (-0.01, 0.01), (-1e4, 1e4))),
        VectorFunction(special.acosh, hyperbolic.acosh, "acosh", 2.0, ((1, 1.01), (1, 3), (1, 1e4))),
        VectorFunction(special.atanh, hyperbolic.atanh, "atanh", 2.0, ((-1, 1), (-0.01, 0.01), (0.99, 1))),
        VectorFunction(special.cbrt, cube_root.cbrt, "cbrt", 1.0, ((-10, 10), (0.7, 1.5))),
        VectorFunction(special.erfcx, normal.erfcx, "erfcx", 2.0, ((-1, 1), (-9, 12), (-26, 30), (0, 1e4))),
        VectorFunction(special.bell, normal.bell, "bell", 1.5, ((-1, 1), (-14.5, 14.5), (-39, 39))),
        VectorFunction(special.ndtr, normal.ndtr, "ndtr", 2.0, ((-1, 1), (-14, 8), (-38, 8))),
        VectorFunction(special.log_ndtr, normal.log_ndtr, "log_ndtr", 2.0, ((-1, 1), (-14, 14), (-40, 38))),
        VectorFunction(special.gamma, gamma_functions.gamma, "gamma", 2.0, ((0, 3), (0, 35), (0, 172))),
        VectorFunction(
            special.lgamma, gamma_functions.lgamma, "lgamma", 2.0, ((0, 3), (0.99, 1.01), (1.99, 2.01), (0, 1e3))
        ),
        VectorFunction(special.digamma, gamma_functions.digamma, "digamma", 2.0, ((0, 3), (1.46, 1.463), (0, 30))),
        VectorFunction(special.trigamma, gamma_functions.trigamma, "trigamma", 2.0, ((0, 3), (0, 30))),
        VectorFunction(special.tetragamma, gamma_functions.tetragamma, "tetragamma", 2.0, ((0, 3), (0, 30))),
        VectorFunction(special.lgamma_rest, gamma_functions.lgamma_rest, "lgamma_rest", 2.0, ((3, 30), (10, 1e4))),
        VectorFunction(special.digamma_rest, gamma_functions.digamma_rest, "digamma_rest", 2.0, ((3, 30), (10, 1e4))),
        VectorFunction(special.trigamma_rest, gamma_functions.trigamma_rest, "trigamma_rest", 2.0, ((3, 30), (9, 1e4))),
        VectorFunction(pow, power.pow_, "power", 1.5, ()),
    )
}


def _type_unary(x: types.Type) -> types.Type | None:
    return x if isinstance(x, types.Float) else None


def _type_binary(x: types.Type, y: types.Type) -> types.Type | None:
    return x if isinstance(x, types.Float) and x == y else None


for _row in VECTOR_MATH.values():
    bind(_row.word, _type_unary if _row.arity == 1 else _type_binary, lowering(_row.algorithm))
