"""Random values as definitions, ``sg.random.normal((N, 3))``, and what networks do with them.

A value is the quantile function of its distribution at u ~ U(0, 1) (inverse transform sampling). A program needs a key
(``train_step(…, key=0)``, ``function(…, key=0)``): a number is a pure function of key, stream, step and place, by
Threefry-2×32 (:mod:`symgraph.core.threefry`), so a step has other numbers than the one before, and a run can be
repeated from any step. Values are declared as leaves are: each declaration is a stream of its own, numbered in the
order of declaration among those of one program, or as ``stream=`` says. Parameters of distributions may be tensors,
and have derivatives through the value (Kingma & Welling, arXiv 1312.6114).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.chance import DISTRIBUTIONS, random_leaf
from symgraph.core.define import as_tensor, pointwise
from symgraph.core.indices import as_shape
from symgraph.core.mode import in_training
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Tensor, require_real
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.functions import argmax, softmax, where

Shape = Iterable[Any] | Any


def _standard(name: str, shape: Shape, stream: int | None) -> Tensor:
    return random_leaf(DISTRIBUTIONS[name], as_shape(shape), stream)


def _located(name: str, shape: Shape, location: Any, scale: Any, stream: int | None) -> Tensor:
    """location + scale·(the standard value), of ``shape``."""
    standard = _standard(name, shape, stream)
    moved = standard if _is(scale, 1) else standard * scale
    found = as_tensor(moved if _is(location, 0) else moved + location)
    if found.shape != standard.shape:
        raise ShapeError(
            at_line(f"random.{name} of shape {standard.shape} got parameters of a wider shape {found.shape}")
        )
    return found


def _is(value: Any, number: int) -> bool:
    return isinstance(value, int | float | sp.Number) and value == number


def _checked_positive(what: str, value: Any, least: str = "positive") -> None:
    fits = {"positive": lambda v: v > 0, "at least 0": lambda v: v >= 0}[least]
    if isinstance(value, int | float | sp.Number) and not fits(value):
        raise DomainError(at_line(f"{what} must be {least}, not {value}"))


def _checked_probability(what: str, p: Any) -> Any:
    if isinstance(p, int | float | sp.Number) and not 0 <= p <= 1:
        raise DomainError(at_line(f"{what}: p must lie in [0, 1], not {p}"))
    return p


# -- distributions ----------------------------------------------------------------------------------------------------
@names_result
def uniform(shape: Shape = (), low: Any = 0, high: Any = 1, *, stream: int | None = None) -> Tensor:
    """Numbers of (low, high), of ``shape``; the ends do not occur.

    Raises
    ------
    DomainError
        for a stream that is none, as with every distribution.
    """
    return _located("uniform", shape, low, high if _is(low, 0) else as_tensor(high) - low, stream)


@names_result
def normal(shape: Shape = (), mean: Any = 0, std: Any = 1, *, stream: int | None = None) -> Tensor:
    """mean + std·z with z ~ N(0, 1), of ``shape``; both may be tensors, and have derivatives."""
    _checked_positive("random.normal: std", std, "at least 0")
    return _located("normal", shape, mean, std, stream)


@names_result
def bernoulli(p: Any, shape: Shape | None = None, *, stream: int | None = None) -> Tensor:
    """1 with probability p, else 0; of ``shape``, or of that of ``p``, which may be a tensor."""
    probability = as_tensor(_checked_probability("random.bernoulli", p))
    return where(_standard("uniform", probability.shape if shape is None else shape, stream) < probability, 1, 0)


@names_result
def exponential(shape: Shape = (), rate: Any = 1, *, stream: int | None = None) -> Tensor:
    """Exponential numbers of density rate·e^(−rate·x)."""
    _checked_positive("random.exponential: rate", rate)
    return _located("exponential", shape, 0, 1 if _is(rate, 1) else 1 / as_tensor(rate), stream)


@names_result
def laplace(shape: Shape = (), mean: Any = 0, scale: Any = 1, *, stream: int | None = None) -> Tensor:
    """Numbers of density e^(−|x − mean|/scale)/(2·scale)."""
    _checked_positive("random.laplace: scale", scale)
    return _located("laplace", shape, mean, scale, stream)


@names_result
def logistic(shape: Shape = (), mean: Any = 0, scale: Any = 1, *, stream: int | None = None) -> Tensor:
    """Numbers whose distribution function is σ((x − mean)/scale)."""
    _checked_positive("random.logistic: scale", scale)
    return _located("logistic", shape, mean, scale, stream)


@names_result
def gumbel(shape: Shape = (), location: Any = 0, scale: Any = 1, *, stream: int | None = None) -> Tensor:
    """Numbers whose distribution function is exp(−exp(−(x − location)/scale))."""
    _checked_positive("random.gumbel: scale", scale)
    return _located("gumbel", shape, location, scale, stream)


@names_result
def cauchy(shape: Shape = (), location: Any = 0, scale: Any = 1, *, stream: int | None = None) -> Tensor:
    """Numbers of density 1/(π·scale·(1 + ((x − location)/scale)²))."""
    _checked_positive("random.cauchy: scale", scale)
    return _located("cauchy", shape, location, scale, stream)


@names_result
def categorical(logits: Any, *, stream: int | None = None) -> Tensor:
    """Labels drawn from softmax(logits) along the last axis, by the Gumbel-max trick (Gumbel 1954)."""
    scores = as_tensor(logits)
    return argmax(scores + gumbel(scores.shape, stream=stream), axis=-1)


# -- what networks do -------------------------------------------------------------------------------------------------
@names_result
def dropout(x: Any, p: Any = 0.5, *, shared: Sequence[int] = (), stream: int | None = None) -> Tensor:
    """In training {x/(1 − p) if u ≥ p, else 0} with u ~ U(0, 1), in evaluation x (Srivastava et al. 2014, inverted).

    Parameters
    ----------
    x : of any shape.
    p : the probability of 0, a number in [0, 1] or a symbol.
    shared : axes along which all elements have one fate: those after the channel for :func:`dropout1d`, 2d and 3d.

    Raises
    ------
    DomainError
        for p outside of [0, 1], or an axis that x lacks.
    """
    value = as_tensor(x)
    u = _mask(value, "dropout", p, shared, stream)
    scale = 0 if _is(p, 1) else 1 / (1 - as_tensor(p))
    return in_training(where(u >= p, value * scale, 0), value)


def _mask(x: Tensor, what: str, p: Any, shared: Sequence[int], stream: int | None) -> Tensor:
    require_real(x, what)
    _checked_probability(what, p)
    for axis in shared:
        if not isinstance(axis, int) or not -x.ndim <= axis < x.ndim:
            raise DomainError(at_line(f"{what}: {x.display_name} has {x.ndim} axes, and none of number {axis!r}"))
    one = {axis % x.ndim for axis in shared}
    return _standard("uniform", tuple(1 if d in one else size for d, size in enumerate(x.shape)), stream)


def _channels(x: Any, what: str, rank: int) -> tuple[int, ...]:
    value = as_tensor(x)
    if value.ndim != rank:
        found = f"{value.display_name} has {value.ndim}"
        raise ShapeError(at_line(f"{what} needs {rank} axes, (batch, channel, …); {found}"))
    return tuple(range(2, rank))


@names_result
def dropout1d(x: Any, p: Any = 0.5, *, stream: int | None = None) -> Tensor:
    """Dropout of whole channels of x, (batch, channel, length) (Tompson et al. 2015)."""
    return dropout(x, p, shared=_channels(x, "dropout1d", 3), stream=stream)


@names_result
def dropout2d(x: Any, p: Any = 0.5, *, stream: int | None = None) -> Tensor:
    """Dropout of whole channels of x, (batch, channel, height, width) (Tompson et al. 2015)."""
    return dropout(x, p, shared=_channels(x, "dropout2d", 4), stream=stream)


@names_result
def dropout3d(x: Any, p: Any = 0.5, *, stream: int | None = None) -> Tensor:
    """Dropout of whole channels of x, (batch, channel, depth, height, width) (Tompson et al. 2015)."""
    return dropout(x, p, shared=_channels(x, "dropout3d", 5), stream=stream)


_SATURATED = sp.Rational(-17580993408473766, 10**16)
"""−λα of SELU."""


@names_result
def alpha_dropout(x: Any, p: Any = 0.5, *, shared: Sequence[int] = (), stream: int | None = None) -> Tensor:
    """Dropout to −λα that keeps mean 0 and variance 1 behind SELU (Klambauer et al., arXiv 1706.02515); ``shared`` as
    for :func:`dropout`."""
    value, rate = as_tensor(x), sp.nsimplify(p, rational=True) if isinstance(p, float) else p
    u = _mask(value, "alpha_dropout", p, shared, stream)
    if _is(rate, 1):
        return in_training(value * 0, value)
    scale = 1 / sp.sqrt((1 - rate) * (1 + rate * _SATURATED**2))
    shift = -scale * rate * _SATURATED
    return in_training(where(u >= rate, value, _SATURATED) * scale + shift, value)


@names_result
def feature_alpha_dropout(x: Any, p: Any = 0.5, *, stream: int | None = None) -> Tensor:
    """:func:`alpha_dropout` of whole channels of x, (batch, channel, …)."""
    return alpha_dropout(x, p, shared=range(2, as_tensor(x).ndim), stream=stream)


@names_result
def gaussian_noise(x: Any, std: Any = 1, *, stream: int | None = None) -> Tensor:
    """x + std·z with z ~ N(0, 1) in training, x in evaluation."""
    value = as_tensor(x)
    return in_training(value + normal(value.shape, 0, std, stream=stream), value)


@names_result
def rrelu(x: Any, lower: float = 1 / 8, upper: float = 1 / 3, *, stream: int | None = None) -> Tensor:
    """{x if x ≥ 0, else a·x} with a ~ U(lower, upper) in training, (lower + upper)/2 in evaluation (Xu et al. 2015)."""
    if not lower <= upper:
        raise DomainError(at_line(f"rrelu: lower must be at most upper, not {lower} and {upper}"))
    value = as_tensor(x)
    low, high = (sp.nsimplify(edge, rational=True, tolerance=1e-15) for edge in (lower, upper))
    slope = in_training(uniform(value.shape, low, high, stream=stream), (low + high) / 2)
    return pointwise(lambda u, a: Cases((u, u >= 0), (a * u, True)), value, slope)  # type: ignore[no-any-return]


@names_result
def gumbel_softmax(logits: Any, tau: Any = 1, *, stream: int | None = None) -> Tensor:
    """softmax((logits + g)/τ) with g ~ Gumbel(0, 1) (Jang et al., arXiv 1611.01144)."""
    _checked_positive("gumbel_softmax: tau", tau)
    scores = as_tensor(logits)
    return softmax((scores + gumbel(scores.shape, stream=stream)) / tau)
