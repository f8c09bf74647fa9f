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

from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.errors import DomainError

Initializer = Callable[["np.random.Generator", tuple[int, ...]], np.ndarray]
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


@explained
def initializer(make: Callable[P, Initializer]) -> Callable[P, Initializer]:
    """Decorate what makes an initialiser: the result knows its maker and what it was given."""

    @explained
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
def trunc_normal(std: float = 1.0, mean: float = 0.0, a: float = -2.0, b: float = 2.0) -> Initializer:
    """Normal(mean, std²) drawn again until it lies in [a, b].

    Raises
    ------
    DomainError
        if [a, b] is empty, or farther than four standard deviations from the mean.
    """
    if not a < b or a > mean + 4 * std or b < mean - 4 * std:
        raise DomainError(at_line(f"trunc_normal: [{a}, {b}] has next to nothing of Normal({mean}, {std}²)"))

    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        values = generator.normal(mean, std, shape)
        while (outside := (values < a) | (values > b)).any():
            values = np.where(outside, generator.normal(mean, std, shape), values)
        return values

    return draw


@initializer
def eye(gain: float = 1.0) -> Initializer:
    """The identity, of as many ones as fit: y = x·W keeps its inputs."""
    return lambda generator, shape: gain * np.eye(shape[0], math.prod(shape[1:])).reshape(shape)


GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


@explained
def calculate_gain(nonlinearity: str, negative_slope: float = 0.01) -> float:
    """The factor that keeps the size of what an activation passes on, as ``torch.nn.init.calculate_gain``."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + negative_slope**2))
    if nonlinearity not in GAINS:
        raise DomainError(at_line(f"no gain is known for {nonlinearity!r}; known are {', '.join(GAINS)}, leaky_relu"))
    return GAINS[nonlinearity]


@initializer
def xavier_normal(gain: float = 1.0) -> Initializer:
    """Normal with std gain·√(2/(fan_in + fan_out))."""
    return _scaled_normal(lambda fan_in, fan_out: gain * math.sqrt(2 / (fan_in + fan_out)))


@initializer
def xavier_uniform(gain: float = 1.0) -> Initializer:
    """Uniform in ±gain·√(6/(fan_in + fan_out))."""
    return _scaled_uniform(lambda fan_in, fan_out: gain * math.sqrt(6 / (fan_in + fan_out)))


@initializer
def kaiming_normal(gain: float = math.sqrt(2), mode: str = "fan_in") -> Initializer:
    """Normal with std gain/√fan_in, or fan_out; the gain √2 suits ReLU."""
    of = _fan("kaiming_normal", mode)
    return _scaled_normal(lambda *fans: gain / math.sqrt(fans[of]))


@initializer
def kaiming_uniform(gain: float = math.sqrt(2), mode: str = "fan_in") -> Initializer:
    """Uniform in ±gain·√(3/fan_in), or fan_out."""
    of = _fan("kaiming_uniform", mode)
    return _scaled_uniform(lambda *fans: gain * math.sqrt(3 / fans[of]))


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


@initializer
def sparse(sparsity: float, std: float = 0.01) -> Initializer:
    """N(0, std²) in a matrix, and for every input a part ``sparsity`` of its weights 0 (Martens 2010)."""
    if not 0 <= sparsity <= 1:
        raise DomainError(at_line(f"sparse: sparsity must lie in [0, 1], not {sparsity!r}"))

    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) != 2:
            raise DomainError(at_line(f"sparse is for matrices (in, out), not for the shape {shape}"))
        values = generator.normal(0.0, std, shape)
        for row in values:
            row[generator.permutation(shape[1])[: math.ceil(sparsity * shape[1])]] = 0.0
        return values

    return draw


def _fan(name: str, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise DomainError(at_line(f'{name}: mode is "fan_in" or "fan_out", not {mode!r}'))
    return ("fan_in", "fan_out").index(mode)


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


glorot_normal, glorot_uniform, he_normal, he_uniform = xavier_normal, xavier_uniform, kaiming_normal, kaiming_uniform
"""What Keras calls them."""
INITIALISERS: dict[str, Callable[..., Initializer]] = {
    f.__name__: f
    for f in (
        *(zeros, ones, constant, uniform, normal, trunc_normal, xavier_uniform, xavier_normal, kaiming_uniform),
        *(kaiming_normal, lecun_uniform, lecun_normal, orthogonal, eye, sparse),
    )
}
"""By name, as in ``torch.nn.init``."""
