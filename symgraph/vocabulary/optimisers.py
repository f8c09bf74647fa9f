"""Optimisers: each a few rows of update formulas; training is these rows applied to every parameter, as definitions.

    SGD(momentum=μ):   v ← μ·v + g      θ ← θ − lr·v

What a row is says :mod:`symgraph.vocabulary.updating`. Names, defaults and conventions are those of ``torch.optim``,
whose documentation gives the same rows; the papers are cited at each. Hyper-parameters stay symbols: their values are
given at run time, and only a hyper-parameter that is zero from the start leaves its terms out of the formula. Each may
be a schedule, :mod:`symgraph.vocabulary.schedules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.accumulation import accumulate
from symgraph.vocabulary.averaging import average_weights, lookahead, sam
from symgraph.vocabulary.elementary import abs, maximum, minimum, sign, sqrt
from symgraph.vocabulary.functions import matmul, mean, sum, transpose, where
from symgraph.vocabulary.natural_gradient import NaturalGradient
from symgraph.vocabulary.quasi_newton import LBFGS
from symgraph.vocabulary.ranges import checked_number, hyper_symbol
from symgraph.vocabulary.updating import (
    Optimizer,
    Row,
    Schedule,
    clip_grad_norm,
    clip_grad_value,
    grouped,
)
from symgraph.vocabulary.updating import made as _made

Rate = float | Schedule
Betas = tuple[Rate, Rate]


def _pair(name: str, what: str, given: Any, expected: str = "two numbers, at least 0 and below 1") -> tuple[Any, Any]:
    try:
        first, second = given
    except (TypeError, ValueError):
        raise DomainError(at_line(f"{name}: {what} must be {expected}, not {given!r}")) from None
    return first, second


def _coupled(weight_decay: Any) -> list[Row]:
    """L2 decay as Torch couples it: the gradient of the cost plus weight_decay/2·‖θ‖²."""
    return [Row("g", lambda theta, g, weight_decay: g + weight_decay * theta)] if weight_decay else []


def _decoupled(weight_decay: Any) -> list[Row]:
    """Decay of the parameter itself, apart from the gradient (Loshchilov & Hutter, arXiv 1711.05101)."""
    return [Row("theta", lambda theta, lr, weight_decay: theta * (1 - lr * weight_decay))] if weight_decay else []


_MEAN = Row("m", lambda m, g, beta1: beta1 * m + (1 - beta1) * g, 0.0)
_SQUARE = Row("v", lambda v, g, beta2: beta2 * v + (1 - beta2) * g**2, 0.0)


@explained
def SGD(
    lr: Rate = 1e-3, momentum: Rate = 0.0, dampening: Rate = 0.0, weight_decay: Rate = 0.0, nesterov: bool = False
) -> Optimizer:
    """Stochastic gradient descent, with heavy-ball or Nesterov momentum (Sutskever et al. 2013).

    Torch's convention: v ← μ·v + (1 − τ)·g, θ ← θ − lr·v; the first step with dampening takes v = g.
    """
    if nesterov and (not momentum or dampening):
        raise DomainError(at_line("SGD: nesterov needs momentum and no dampening"))
    rows = _coupled(weight_decay)
    if not momentum:
        rows.append(Row("theta", lambda theta, g, lr: theta - lr * g))
    else:
        heavy = Row("v", lambda v, g, momentum: momentum * v + g, 0.0)
        damped = Row(
            "v",
            lambda v, g, momentum, dampening, k: where(sp.Eq(k, 1), g, momentum * v + (1 - dampening) * g),
            0.0,
        )
        straight = Row("theta", lambda theta, v, lr: theta - lr * v)
        ahead = Row("theta", lambda theta, g, v, lr, momentum: theta - lr * (g + momentum * v))
        rows += [damped if dampening else heavy, ahead if nesterov else straight]
    return _made("SGD", rows, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)


@explained
def Adagrad(
    lr: Rate = 1e-2,
    lr_decay: Rate = 0.0,
    weight_decay: Rate = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: Rate = 1e-10,
) -> Optimizer:
    """AdaGrad (Duchi, Hazan & Singer 2011)."""
    start = checked_number("Adagrad: initial_accumulator_value", hyper_symbol("eps"), initial_accumulator_value)
    rows = [*_coupled(weight_decay), Row("s", lambda s, g: s + g**2, start)]
    if lr_decay:
        rows.append(Row("lr", lambda lr, lr_decay, k: lr / (1 + (k - 1) * lr_decay)))
    rows.append(Row("theta", lambda theta, g, s, lr, eps: theta - lr * (g / (sqrt(s) + eps))))
    return _made("Adagrad", rows, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)


@explained
def Adadelta(lr: Rate = 1.0, rho: Rate = 0.9, eps: Rate = 1e-6, weight_decay: Rate = 0.0) -> Optimizer:
    """Adadelta (Zeiler, arXiv 1212.5701); ε inside the square roots."""
    rows = [
        *_coupled(weight_decay),
        Row("s", lambda s, g, rho: rho * s + (1 - rho) * g**2, 0.0),
        Row("d", lambda g, s, u, eps: sqrt(u + eps) / sqrt(s + eps) * g),
        Row("u", lambda u, d, rho: rho * u + (1 - rho) * d**2, 0.0),
        Row("theta", lambda theta, d, lr: theta - lr * d),
    ]
    return _made("Adadelta", rows, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)


@explained
def RMSprop(
    lr: Rate = 1e-2,
    alpha: Rate = 0.99,
    eps: Rate = 1e-8,
    weight_decay: Rate = 0.0,
    momentum: Rate = 0.0,
    centered: bool = False,
) -> Optimizer:
    """RMSprop (Hinton, lecture 6e of "Neural networks for machine learning"; centered: Graves, arXiv 1308.0850)."""
    rows = [*_coupled(weight_decay), Row("s", lambda s, g, alpha: alpha * s + (1 - alpha) * g**2, 0.0)]
    if centered:
        rows.append(Row("a", lambda a, g, alpha: alpha * a + (1 - alpha) * g, 0.0))
        rows.append(Row("d", lambda g, s, a, eps: g / (sqrt(s - a**2) + eps)))
    else:
        rows.append(Row("d", lambda g, s, eps: g / (sqrt(s) + eps)))
    if momentum:
        rows.append(Row("v", lambda v, d, momentum: momentum * v + d, 0.0))
        rows.append(Row("theta", lambda theta, v, lr: theta - lr * v))
    else:
        rows.append(Row("theta", lambda theta, d, lr: theta - lr * d))
    return _made("RMSprop", rows, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)


_RATE = Row("rate", lambda lr, beta1, k: lr / (1 - beta1**k), shared=True)
_UNBIASED = Row("c", lambda beta2, k: sqrt(1 - beta2**k), shared=True)
"""The corrections of both means for having begun at 0, once for all parameters: θ ← θ − rate·c·m/(√v + c·ε)."""


def _adam(amsgrad: bool) -> list[Row]:
    rows = [_RATE, _UNBIASED, _MEAN, _SQUARE]
    if not amsgrad:
        return [*rows, Row("theta", lambda theta, m, v, rate, c, eps: theta - rate * c * (m / (sqrt(v) + c * eps)))]
    return [
        *rows,
        Row("v_max", lambda v_max, v: maximum(v_max, v), 0.0),
        Row("theta", lambda theta, m, v_max, rate, c, eps: theta - rate * c * (m / (sqrt(v_max) + c * eps))),
    ]


@explained
def Adam(
    lr: Rate = 1e-3, betas: Betas = (0.9, 0.999), eps: Rate = 1e-8, weight_decay: Rate = 0.0, amsgrad: bool = False
) -> Optimizer:
    """Adam (Kingma & Ba, arXiv 1412.6980); ε outside the square root; weight decay coupled; amsgrad: Reddi 2018."""
    beta1, beta2 = _pair("Adam", "betas", betas)
    rows = [*_coupled(weight_decay), *_adam(amsgrad)]
    return _made("Adam", rows, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


@explained
def AdamW(
    lr: Rate = 1e-3, betas: Betas = (0.9, 0.999), eps: Rate = 1e-8, weight_decay: Rate = 1e-2, amsgrad: bool = False
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101)."""
    beta1, beta2 = _pair("AdamW", "betas", betas)
    rows = [*_decoupled(weight_decay), *_adam(amsgrad)]
    return _made("AdamW", rows, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


@explained
def Adamax(lr: Rate = 2e-3, betas: Betas = (0.9, 0.999), eps: Rate = 1e-8, weight_decay: Rate = 0.0) -> Optimizer:
    """Adam by the infinity norm, u ← max(β₂·u, |g| + ε) (Kingma & Ba, arXiv 1412.6980, section 7)."""
    beta1, beta2 = _pair("Adamax", "betas", betas)
    rows = [
        *_coupled(weight_decay),
        _MEAN,
        Row("u", lambda u, g, beta2, eps: maximum(beta2 * u, abs(g) + eps), 0.0),
        _RATE,
        Row("theta", lambda theta, m, u, rate: theta - rate * (m / u)),
    ]
    return _made("Adamax", rows, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


@explained
def NAdam(
    lr: Rate = 2e-3,
    betas: Betas = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: Rate = 0.0,
    momentum_decay: Rate = 4e-3,
) -> Optimizer:
    """Adam with Nesterov's momentum, μₖ = β₁(1 − ½·0.96^(k·ψ)) (Dozat 2016)."""
    beta1, beta2 = _pair("NAdam", "betas", betas)
    fall = sp.Rational(96, 100)
    rows = [
        Row("mu", lambda beta1, momentum_decay, k: beta1 * (1 - fall ** (k * momentum_decay) / 2), shared=True),
        Row("next", lambda beta1, momentum_decay, k: beta1 * (1 - fall ** ((k + 1) * momentum_decay) / 2), shared=True),
        Row("mu_product", lambda mu_product, mu: mu_product * mu, 1.0, shared=True),
        *_coupled(weight_decay),
        _MEAN,
        _SQUARE,
        Row("m_hat", lambda m, g, mu, next, mu_product: (1 - mu) / (1 - mu_product) * g
            + next / (1 - mu_product * next) * m),
        _UNBIASED,
        Row("theta", lambda theta, m_hat, v, lr, c, eps: theta - lr * c * (m_hat / (sqrt(v) + c * eps))),
    ]  # fmt: skip
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}
    return _made("NAdam", rows, **given, weight_decay=weight_decay, momentum_decay=momentum_decay)


@explained
def RAdam(lr: Rate = 1e-3, betas: Betas = (0.9, 0.999), eps: Rate = 1e-8, weight_decay: Rate = 0.0) -> Optimizer:
    """Adam that rectifies the variance of its rate, and follows the mean while that is unknown (Liu, 1908.03265)."""
    beta1, beta2 = _pair("RAdam", "betas", betas)
    rows = [
        Row("rho_inf", lambda beta2: 2 / (1 - beta2) - 1, shared=True),
        Row("rho_k", lambda rho_inf, beta2, k: rho_inf - 2 * k * beta2**k / (1 - beta2**k), shared=True),
        Row("r", lambda rho_k, rho_inf: where(
            rho_k > 5,
            sqrt((rho_k - 4) * (rho_k - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_k)), 0), shared=True),
        *_coupled(weight_decay),
        _MEAN,
        _SQUARE,
        _RATE,
        _UNBIASED,
        Row("d", lambda v, r, rho_k, c, eps: where(rho_k > 5, r * c / (sqrt(v) + eps), 1)),
        Row("theta", lambda theta, m, d, rate: theta - rate * (m * d)),
    ]  # fmt: skip
    return _made("RAdam", rows, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


@explained
def Rprop(lr: Rate = 1e-2, etas: Betas = (0.5, 1.2), step_sizes: Betas = (1e-6, 50.0)) -> Optimizer:
    """Resilient propagation: steps by the signs of gradients alone (Riedmiller & Braun 1993)."""
    eta_minus, eta_plus = _pair("Rprop", "etas", etas, "two numbers")
    smallest, largest = _pair("Rprop", "step_sizes", step_sizes, "two numbers")
    start = checked_number("Rprop: lr", hyper_symbol("lr"), lr.base if isinstance(lr, Schedule) else lr)
    rows = [
        Row("turn", lambda g, before: sign(g * before)),
        Row("size", lambda size, turn, eta_minus, eta_plus, smallest, largest: maximum(minimum(
            size * where(turn > 0, eta_plus, where(turn < 0, eta_minus, 1)), largest), smallest), start),
        Row("before", lambda g, turn: where(turn < 0, 0, g), 0.0),
        Row("theta", lambda theta, before, size: theta - sign(before) * size),
    ]  # fmt: skip
    given = {"eta_minus": eta_minus, "eta_plus": eta_plus}
    return _made("Rprop", rows, **given, smallest=smallest, largest=largest)


@explained
def ASGD(
    lr: Rate = 1e-2, lambd: Rate = 1e-4, alpha: Rate = 0.75, t0: Rate = 1e6, weight_decay: Rate = 0.0
) -> Optimizer:
    """Averaged SGD: ``step.state["W.ax"]`` is the mean of θ after ``t0`` steps (Polyak & Juditsky 1992)."""
    rows = [
        Row("eta", lambda lr, lambd, alpha, k: lr / (1 + lambd * lr * (k - 1)) ** alpha, shared=True),
        *_coupled(weight_decay),
        Row("theta", lambda theta, g, eta, lambd: theta * (1 - lambd * eta) - eta * g),
        Row("ax", lambda ax, theta, k, t0: ax + (theta - ax) / maximum(1, k - 1 - t0), 0.0),
    ]
    return _made("ASGD", rows, lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay)


@explained
def Lion(lr: Rate = 1e-4, betas: Betas = (0.9, 0.99), weight_decay: Rate = 0.0) -> Optimizer:
    """The sign of an interpolated momentum (Chen et al., arXiv 2302.06675); decay decoupled."""
    beta1, beta2 = _pair("Lion", "betas", betas)
    rows = [
        *_decoupled(weight_decay),
        Row("theta", lambda theta, m, g, lr, beta1: theta - lr * sign(beta1 * m + (1 - beta1) * g)),
        Row("m", lambda m, g, beta2: beta2 * m + (1 - beta2) * g, 0.0),
    ]
    return _made("Lion", rows, lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay)


def _root_mean_square(x: Tensor) -> Tensor:
    return sqrt(mean(x**2))  # type: ignore[no-any-return]


def _is_matrix(shape: tuple[sp.Expr, ...]) -> bool:
    return len(shape) > 1


def _is_vector(shape: tuple[sp.Expr, ...]) -> bool:
    return len(shape) <= 1


@explained
def Adafactor(
    lr: Rate = 1e-2,
    beta2_decay: Rate = -0.8,
    eps: tuple[Rate, Rate] = (2.0**-23, 1e-3),
    d: Rate = 1.0,
    weight_decay: Rate = 0.0,
) -> Optimizer:
    """A second moment of rows and columns alone, r·c/mean(r), and steps relative to θ (Shazeer, 1804.04235).

    Torch's convention; ``eps[0]`` is float32's unless told, where Torch takes the dtype's.
    """
    eps1, eps2 = _pair("Adafactor", "eps", eps, "two numbers")
    rows = [
        Row("rate", lambda beta2_decay, k: k**beta2_decay, shared=True),
        Row("alpha", lambda theta, lr, eps2, k: maximum(eps2, _root_mean_square(theta)) * minimum(lr, 1 / sqrt(k))),
        *_decoupled(weight_decay),
        Row("r", lambda r, g, rate: r + rate * (mean(g**2, -1, keepdims=True) - r), 0.0,
            lambda shape: (*shape[:-1], 1), when=_is_matrix),
        Row("c", lambda c, g, rate: c + rate * (mean(g**2, -2, keepdims=True) - c), 0.0,
            lambda shape: (*shape[:-2], 1, shape[-1]), when=_is_matrix),
        Row("v", lambda r, c, eps1: r * c / maximum(mean(r, -2, keepdims=True), eps1), when=_is_matrix),
        Row("v", lambda v, g, rate: v + rate * (g**2 - v), 0.0, when=_is_vector),
        Row("u", lambda v, g, eps1: g / sqrt(maximum(v, eps1**2))),
        Row("theta", lambda theta, u, alpha, d: theta - alpha / maximum(1, _root_mean_square(u) / d) * u),
    ]  # fmt: skip
    given = {"lr": lr, "beta2_decay": beta2_decay, "eps1": eps1, "eps2": eps2}
    return _made("Adafactor", rows, **given, d=d, weight_decay=weight_decay)


NEWTON_SCHULZ = ("3.4445", "-4.7750", "2.0315")


def _orthogonal(x: Tensor, steps: int, eps: Any) -> Tensor:
    """About UVᵀ of x = UΣVᵀ by Newton–Schulz's iteration X ← aX + (bA + cA²)X with A = XXᵀ."""
    if x.ndim != 2:
        raise ShapeError(
            at_line(f"Muon is for matrices, and a parameter has {x.ndim} axes: give the others an optimiser of their "
                    "own, sg.grouped(sg.AdamW(), matrices=([W1, W2], sg.Muon()))")
        )  # fmt: skip
    a, b, c = (sp.Rational(number) for number in NEWTON_SCHULZ)
    wide = transpose(x) if (x.shape[0] > x.shape[1]) == sp.true else x
    found = wide / maximum(sqrt(sum(wide**2)), eps)
    for _ in range(steps):
        gram = matmul(found, transpose(found))
        found = a * found + matmul(b * gram + c * matmul(gram, gram), found)
    return found if wide is x else transpose(found)


@explained
def Muon(
    lr: Rate = 1e-3,
    weight_decay: Rate = 0.1,
    momentum: Rate = 0.95,
    nesterov: bool = True,
    eps: Rate = 1e-7,
    ns_steps: int = 5,
) -> Optimizer:
    """Momentum, made orthogonal, for matrices (Jordan 2024); Torch iterates in bfloat16, here in the step's dtype."""
    rows = [
        Row("m", lambda m, g, momentum: m + (1 - momentum) * (g - m), 0.0),
        Row("u", lambda m, g, momentum: g + momentum * (m - g)) if nesterov else Row("u", lambda m: m),
        Row("o", lambda u, eps: _orthogonal(u, ns_steps, eps)),
        *_decoupled(weight_decay),
        Row("theta", lambda theta, o, lr: theta - lr * sp.sqrt(sp.Max(1, o.shape[0] / o.shape[1])) * o),
    ]
    return _made("Muon", rows, lr=lr, weight_decay=weight_decay, momentum=momentum, eps=eps)


OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    f.__name__: f
    for f in (
        *(SGD, Adagrad, Adadelta, RMSprop, Adam, AdamW, Adamax, NAdam, RAdam, Rprop, ASGD, LBFGS, Lion, Adafactor),
        *(Muon, NaturalGradient),
    )
}
"""By name, as in ``torch.optim``."""

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Muon", "NAdam",
    "NaturalGradient", "Optimizer", "RAdam", "RMSprop", "Row", "Rprop", "accumulate", "average_weights",
    "clip_grad_norm", "clip_grad_value", "grouped", "lookahead", "sam",
]  # fmt: skip
