"""Optimisers: each a few rows of update formulas; training is these rows applied to every parameter, as definitions.

    SGD(momentum=μ):   v ← μ·v + g      θ ← θ − lr·v

A row reads what the rows above it have just assigned. Names, defaults and conventions are those of ``torch.optim``,
whose documentation gives the same rows; the papers are cited at each. Hyper-parameters stay symbols: their values are
given at run time, and only a hyper-parameter that is zero from the start leaves its terms out of the formula.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.define import scalar_body
from symgraph.core.indices import axis
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import DomainError

theta = sp.Symbol("theta", real=True)
gradient = sp.Symbol("g", real=True)
count = sp.Symbol("k", integer=True, positive=True)

lr, momentum, dampening, weight_decay, alpha, beta1, beta2, eps, lr_decay = sp.symbols(
    "lr momentum dampening weight_decay alpha beta1 beta2 eps lr_decay", nonnegative=True
)
HYPER = (lr, momentum, dampening, weight_decay, alpha, beta1, beta2, eps, lr_decay)
BELOW_ONE = (alpha, beta1, beta2)
"""Rates of decaying averages."""


@dataclass(frozen=True, slots=True)
class Row:
    """``symbol ← update``, for every element of a parameter; ``initial`` is the state's first value.

    A row without ``initial`` only names a value of this step. The counter ``k`` is one scalar for all parameters.
    """

    symbol: sp.Symbol
    update: sp.Expr
    initial: float | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A stored leaf and the definition of its next value."""

    leaf: Tensor
    value: Tensor
    initial: float | None


@dataclass(frozen=True, slots=True)
class Optimizer:
    """A name, rows of formulas, and first values of the hyper-parameters in them."""

    name: str
    rows: tuple[Row, ...]
    hyper: Mapping[str, float]

    def formulas(self) -> list[tuple[sp.Symbol, sp.Expr, float | None]]:
        """(symbol, update, initial value) of every row, in the order in which they are computed."""
        return [(row.symbol, row.update, row.initial) for row in self.rows]

    def updates(self, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        """The rows applied to parameters and their gradients: the state first, each parameter's own value last."""
        result: list[Update] = []
        shared: dict[sp.Basic, sp.Expr] = {symbol: Element(Tensor.scalar(symbol)) for symbol in HYPER}
        counter = next((row for row in self.rows if row.symbol == count), None)
        if counter is not None:
            leaf = Tensor.leaf("state", "optimizer.k", ())
            value = Tensor.define((), scalar_body(counter.update).xreplace(_plain(shared | {count: Element(leaf)})))
            shared[count] = Element(value)
            result.append(Update(leaf, value, counter.initial))
        for parameter, slope in gradients.items():
            result += self._parameter_updates(parameter, slope, shared)
        return result

    def _parameter_updates(self, parameter: Tensor, slope: Tensor, shared: Mapping[sp.Basic, sp.Expr]) -> list[Update]:
        free = [axis(d) for d in range(parameter.ndim)]
        known = dict(shared) | {theta: Element(parameter, *free), gradient: Element(slope, *free)}
        leaves: dict[sp.Symbol, Tensor] = {theta: parameter}
        result: list[Update] = []
        for row in self.rows:
            if row.symbol == count:
                continue
            if row.initial is not None:
                leaves[row.symbol] = Tensor.leaf("state", f"{parameter.name}.{row.symbol}", parameter.shape)
                known[row.symbol] = Element(leaves[row.symbol], *free)
            value = Tensor.define(parameter.shape, row.update.xreplace(known))
            if value.definition is not None and row.symbol not in (theta, gradient):
                call_first(value, f"{parameter.name}_{row.symbol}")
            known[row.symbol] = Element(value, *free)
            if row.symbol in leaves:
                result.append(Update(leaves[row.symbol], value, row.initial))
        return result


def _plain(rule: Mapping[sp.Basic, sp.Expr]) -> dict[sp.Basic, sp.Expr]:
    """The rule for a body in which plain symbols have already become elements of scalars."""
    return {Element(Tensor.scalar(symbol)): value for symbol, value in rule.items() if isinstance(symbol, sp.Symbol)}


_INSIDE = sys.float_info.max
_FIRST = math.ulp(0.0)
FACTS: dict[str, tuple[str, float, float]] = {
    "above 0": ("is_positive", _FIRST, _INSIDE),
    "at least 0": ("is_nonnegative", 0.0, _INSIDE),
    "below 0": ("is_negative", -_INSIDE, -_FIRST),
    "at most 0": ("is_nonpositive", -_INSIDE, 0.0),
    "integer": ("is_integer", -_INSIDE, _INSIDE),
}
"""What may have been declared of a scalar: in words, in SymPy's, and as the least and the greatest number."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a scalar may be: from ``lowest`` to ``highest``, all of them or the ``whole`` ones."""

    lowest: float
    highest: float
    whole: bool
    words: tuple[str, ...]

    def __contains__(self, value: float) -> bool:
        return self.lowest <= value <= self.highest and (not self.whole or value % 1 == 0)


@functools.cache
def range_of(symbol: sp.Symbol) -> Range:
    """What a scalar may be: finite, as it was declared, and below 1 if it is a rate of decay."""
    held = [(words, low, high) for words, (fact, low, high) in FACTS.items() if getattr(symbol, fact)]
    if symbol in BELOW_ONE:
        held.append(("below 1", -_INSIDE, math.nextafter(1, 0)))
    lowest = max((low for _, low, _ in held), default=-_INSIDE)
    highest = min((high for _, _, high in held), default=_INSIDE)
    return Range(lowest, highest, bool(symbol.is_integer), ("a finite number", *(words for words, _, _ in held)))


def checked_number(what: str, symbol: sp.Symbol, value: Any) -> float:
    """A value for a scalar, in its range.

    Raises
    ------
    DomainError
        which says what is expected.
    """
    allowed = range_of(symbol)
    try:
        number = math.nan if isinstance(value, str | bytes | bool) or np.ndim(value) else float(value)
    except Exception:  # an object's own conversion may raise anything
        number = math.nan
    if number not in allowed:
        raise DomainError(at_line(f"{what} must be {', '.join(allowed.words)}, not {value!r}"))
    return number


def _checked(name: str, **hyper: Any) -> dict[str, float]:
    symbols = {symbol.name: symbol for symbol in HYPER}
    return {key: checked_number(f"{name}: {key}", symbols[key], value) for key, value in hyper.items()}


def _betas(name: str, betas: Any) -> dict[str, Any]:
    try:
        first, second = betas
    except (TypeError, ValueError):
        raise DomainError(
            at_line(f"{name}: betas must be two numbers, at least 0 and below 1, not {betas!r}")
        ) from None
    return {"beta1": first, "beta2": second}


def _used(rows: Sequence[Row], hyper: Mapping[str, float]) -> dict[str, float]:
    names = {symbol.name for row in rows for symbol in row.update.free_symbols}
    return {name: value for name, value in hyper.items() if name in names}


def _decayed(hyper: Mapping[str, float]) -> list[Row]:
    """L2 decay as Torch couples it: the gradient of the cost plus weight_decay/2·‖θ‖²."""
    return [Row(gradient, gradient + weight_decay * theta)] if hyper["weight_decay"] else []


_counter = Row(count, count + 1, 0.0)


def SGD(
    lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False
) -> Optimizer:
    """Stochastic gradient descent, with heavy-ball or Nesterov momentum (Sutskever et al. 2013).

    Torch's convention: v ← μ·v + (1 − τ)·g, θ ← θ − lr·v; the first step with dampening takes v = g.
    """
    hyper = _checked("SGD", lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
    if nesterov and (not hyper["momentum"] or hyper["dampening"]):
        raise DomainError(at_line("SGD: nesterov needs momentum and no dampening"))
    mu, tau, eta = sp.Symbol("momentum", nonnegative=True), sp.Symbol("dampening", nonnegative=True), HYPER[0]
    v = sp.Symbol("v", real=True)
    rows = _decayed(hyper)
    if not hyper["momentum"]:
        rows.append(Row(theta, theta - eta * gradient))
    elif hyper["dampening"]:
        rows += [
            _counter,
            Row(v, sp.Piecewise((gradient, sp.Eq(count, 1)), (mu * v + (1 - tau) * gradient, True)), 0.0),
        ]
        rows.append(Row(theta, theta - eta * v))
    else:
        rows += [Row(v, mu * v + gradient, 0.0), Row(theta, theta - eta * (gradient + mu * v if nesterov else v))]
    return Optimizer("SGD", tuple(rows), _used(rows, hyper))


def Adagrad(
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> Optimizer:
    """AdaGrad (Duchi, Hazan & Singer 2011)."""
    hyper = _checked("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
    start = checked_number("Adagrad: initial_accumulator_value", HYPER[7], initial_accumulator_value)
    s = sp.Symbol("s", nonnegative=True)
    rate, small, fall = HYPER[0], HYPER[7], HYPER[8]
    rows = _decayed(hyper) + ([_counter] if hyper["lr_decay"] else [])
    rows.append(Row(s, s + gradient**2, start))
    falling = rate / (1 + (count - 1) * fall) if hyper["lr_decay"] else rate
    rows.append(Row(theta, theta - falling * gradient / (sp.sqrt(s) + small)))
    return Optimizer("Adagrad", tuple(rows), _used(rows, hyper))


def RMSprop(
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> Optimizer:
    """RMSprop (Hinton, lecture 6e of "Neural networks for machine learning"; centered: Graves, arXiv 1308.0850)."""
    hyper = _checked("RMSprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
    rate, mu, smooth, small = HYPER[0], HYPER[1], HYPER[4], HYPER[7]
    s, mean, v = sp.Symbol("s", nonnegative=True), sp.Symbol("a", real=True), sp.Symbol("v", real=True)
    rows = _decayed(hyper)
    rows.append(Row(s, smooth * s + (1 - smooth) * gradient**2, 0.0))
    if centered:
        rows.append(Row(mean, smooth * mean + (1 - smooth) * gradient, 0.0))
    scaled = gradient / (sp.sqrt(s - mean**2 if centered else s) + small)
    if hyper["momentum"]:
        rows += [Row(v, mu * v + scaled, 0.0), Row(theta, theta - rate * v)]
    else:
        rows.append(Row(theta, theta - rate * scaled))
    return Optimizer("RMSprop", tuple(rows), _used(rows, hyper))


def _adam_rows(step_from: sp.Expr) -> list[Row]:
    m, v = sp.Symbol("m", real=True), sp.Symbol("v", nonnegative=True)
    rate, b1, b2, small = HYPER[0], HYPER[5], HYPER[6], HYPER[7]
    mean, square = m / (1 - b1**count), v / (1 - b2**count)
    return [
        Row(m, b1 * m + (1 - b1) * gradient, 0.0),
        Row(v, b2 * v + (1 - b2) * gradient**2, 0.0),
        Row(theta, step_from - rate * mean / (sp.sqrt(square) + small)),
    ]


def Adam(
    lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> Optimizer:
    """Adam (Kingma & Ba, arXiv 1412.6980); ε outside the square root; weight decay coupled."""
    hyper = _checked("Adam", lr=lr, **_betas("Adam", betas), eps=eps, weight_decay=weight_decay)
    rows = [_counter, *_decayed(hyper), *_adam_rows(theta)]
    return Optimizer("Adam", tuple(rows), _used(rows, hyper))


def AdamW(
    lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101)."""
    hyper = _checked("AdamW", lr=lr, **_betas("AdamW", betas), eps=eps, weight_decay=weight_decay)
    decay = sp.Symbol("weight_decay", nonnegative=True)
    rows = [_counter, *_adam_rows(theta * (1 - HYPER[0] * decay) if hyper["weight_decay"] else theta)]
    return Optimizer("AdamW", tuple(rows), _used(rows, hyper))


OPTIMISERS: dict[str, Callable[..., Optimizer]] = {f.__name__: f for f in (SGD, Adagrad, RMSprop, Adam, AdamW)}
