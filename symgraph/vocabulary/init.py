"""Initial values of parameters, with the layout (fan_in, fan_out): names and formulas as in ``torch.nn.init``.

An initialiser is a function of a NumPy generator and a shape that returns float64 values.

Sources: Glorot & Bengio 2010 (xavier); He et al., arXiv 1502.01852 (kaiming); LeCun et al. 1998 (lecun);
Saxe et al., arXiv 1312.6120 (orthogonal).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

Initializer = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
P = ParamSpec("P")


class Made:
    """An initialiser that knows how it was made, so that it can be shown and sent to another process."""

    def __init__(self, make: Callable[..., Initializer], draw: Initializer, args: Any, kwargs: Any) -> None:
        self.make, self.draw, self.args, self.kwargs = make, draw, args, kwargs

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return self.draw(generator, shape)

    def __reduce__(self) -> Any:
        return functools.partial(self.make, *self.args, **self.kwargs), ()

    def __repr__(self) -> str:
        told = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{self.make.__name__}({', '.join(told)})"


def initializer(make: Callable[P, Initializer]) -> Callable[P, Initializer]:
    """Decorate what makes an initialiser: the result knows its maker and what it was given."""

    @functools.wraps(make)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> Initializer:
        return Made(recorded, make(*args, **kwargs), args, kwargs)

    return recorded


@initializer
def zeros() -> Initializer:
    """All zeros."""
    return lambda generator, shape: np.zeros(shape)


@initializer
def ones() -> Initializer:
    """All ones."""
    return lambda generator, shape: np.ones(shape)


@initializer
def constant(value: float) -> Initializer:
    """All equal to ``value``."""
    return lambda generator, shape: np.full(shape, float(value))


@initializer
def given(array: np.ndarray) -> Initializer:
    """The values of an array of the parameter's shape."""
    values = np.array(array, dtype=np.float64)
    return lambda generator, shape: np.broadcast_to(values, shape).copy()


@initializer
def normal(std: float = 1.0, mean: float = 0.0) -> Initializer:
    """Normal(mean, std²)."""
    return lambda generator, shape: generator.normal(mean, std, shape)


@initializer
def uniform(low: float = 0.0, high: float = 1.0) -> Initializer:
    """Uniform in [low, high)."""
    return lambda generator, shape: generator.uniform(low, high, shape)


@initializer
def xavier_normal(gain: float = 1.0) -> Initializer:
    """Normal with std gain·√(2/(fan_in + fan_out))."""
    return _scaled_normal(lambda fan_in, fan_out: gain * math.sqrt(2 / (fan_in + fan_out)))


@initializer
def xavier_uniform(gain: float = 1.0) -> Initializer:
    """Uniform in ±gain·√(6/(fan_in + fan_out))."""
    return _scaled_uniform(lambda fan_in, fan_out: gain * math.sqrt(6 / (fan_in + fan_out)))


@initializer
def kaiming_normal(gain: float = math.sqrt(2)) -> Initializer:
    """Normal with std gain/√fan_in; the gain √2 suits ReLU."""
    return _scaled_normal(lambda fan_in, fan_out: gain / math.sqrt(fan_in))


@initializer
def kaiming_uniform(gain: float = math.sqrt(2)) -> Initializer:
    """Uniform in ±gain·√(3/fan_in)."""
    return _scaled_uniform(lambda fan_in, fan_out: gain * math.sqrt(3 / fan_in))


@initializer
def lecun_normal() -> Initializer:
    """Normal with std 1/√fan_in."""
    return kaiming_normal(gain=1.0)


@initializer
def lecun_uniform() -> Initializer:
    """Uniform in ±√(3/fan_in)."""
    return kaiming_uniform(gain=1.0)


@initializer
def orthogonal(gain: float = 1.0) -> Initializer:
    """Orthonormal columns (or rows, where there are fewer), from the QR factors of a normal matrix."""

    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        rows, columns = shape[0], int(np.prod(shape[1:]))
        q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return gain * (q if rows >= columns else q.T).reshape(shape)

    return draw


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """fan_in and fan_out of a weight (in, out), or of a kernel (out, in, *window)."""
    if len(shape) < 2:
        return max(1, math.prod(shape)), max(1, math.prod(shape))
    if len(shape) == 2:
        return shape[0], shape[1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _scaled_normal(std: Callable[[int, int], float]) -> Initializer:
    return lambda generator, shape: generator.normal(0.0, std(*_fans(shape)), shape)


def _scaled_uniform(limit: Callable[[int, int], float]) -> Initializer:
    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        edge = limit(*_fans(shape))
        return generator.uniform(-edge, edge, shape)

    return draw
