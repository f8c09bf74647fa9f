"""Models of sequences by what they carry from step to step: hidden Markov models, Kalman's filter, CTC.

HMM: α[t, j] = log Σ_i exp(α[t − 1, i] + A[i, j]) + b[t, j]          the derivative by b[t, j] is P(state j at t | all)
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.define import Max, Sum, as_tensor, define
from symgraph.core.indices import Index, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.elementary import abs, exp, log, maximum
from symgraph.vocabulary.functions import logsumexp, sum, where
from symgraph.vocabulary.normalise import stop_gradient
from symgraph.vocabulary.recurrent import counted, scan
from symgraph.vocabulary.reductions import Reduction, reduced
from symgraph.vocabulary.shapes import expand_dims, shown

LOG_ZERO = -(sp.Integer(10) ** 30)
"""The logarithm of what is impossible: finite, so that differences of it are, and in range of float32."""
t, n, i, j, s = (Index(name) for name in "tnijs")


@explained
def hmm_forward(
    log_initial: Any, log_transition: Any, log_observation: Any, length: Any = None
) -> tuple[Tensor, Tensor]:
    """Log-likelihood of sequences under a hidden Markov model, by the forward algorithm (Baum 1972; Rabiner 1989).

    Parameters
    ----------
    log_initial : (K,), log P(state at the first step).
    log_transition : (K, K), log P(next state j | state i) at [i, j].
    log_observation : (T, N, K) or (T, K), log P(observation at t | state).
    length : (N,), the number of steps of each row, as in :func:`scan`.

    Returns
    -------
    The log-likelihood, (N,) or (), and log α at all steps, in the shape of ``log_observation``:
    α[t, n, j] = P(observations up to t, state j at t). The derivative of the likelihood by ``log_observation`` is the
    posterior of the states, that by ``log_transition`` the expected number of transitions. Probabilities of 0 are large
    negative logarithms, such as −1e30.

    Raises
    ------
    ShapeError
        if the shapes do not fit together.
    """
    first, moves, seen = as_tensor(log_initial), as_tensor(log_transition), as_tensor(log_observation)
    states = seen.shape[-1] if seen.ndim in (2, 3) else None
    _check("log_observation", seen, seen.ndim in (2, 3), "(T, N, K) or (T, K)")
    _check("log_initial", first, first.shape == (states,), show_shape((states,)))
    _check("log_transition", moves, moves.shape == (states, states), show_shape((states, states)))
    rows = tuple(Index(f"n{d}") for d in range(seen.ndim - 2))

    def step(before: Tensor, inputs: Any) -> Any:
        b, now = inputs
        scores = define((*rows, i, j), before[(*rows, i)] + moves[i, j])
        most = stop_gradient(define((*rows, j), Max(scores[(*rows, i, j)], i)))
        below = define((*rows, i, j), scores[(*rows, i, j)] - most[(*rows, j)])
        moved = most + log(define((*rows, j), Sum(sp.exp(below[(*rows, i, j)]), i)))
        begun = Cases((Element(first, j), sp.Eq(now.element, 0)), (moved[(*rows, j)], True))
        after = define((*rows, j), begun + b[(*rows, j)]).named("alpha")
        return after, after

    inputs = (seen, counted(seen.shape[0]))
    last, alpha = scan(step, Tensor.define(seen.shape[1:], sp.S.Zero), inputs, length)
    return logsumexp(last, -1), alpha


@explained
def kalman_filter(
    y: Any, transition: Any, observation: Any, transition_cov: Any, observation_var: Any, mean: Any, cov: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Kalman's filter of x′ = F·x + w, y = H·x + v with w ~ N(0, Q), v ~ N(0, diag(r)) (Kalman 1960).

    The measurements of a step are taken in one after the other, each a division by a number, which is the same for
    independent errors and inverts no matrix (Koopman, Durbin 2000).

    Parameters
    ----------
    y : (T, M), measurements; M is a number.
    transition, observation : F (D, D) and H (M, D).
    transition_cov, observation_var : Q (D, D) and r (M,).
    mean, cov : (D,) and (D, D), of the state at the first step before anything is measured.

    Returns
    -------
    Means (T, D) and covariances (T, D, D) of the states given what was measured up to each step, and the logarithm of
    the density of all measurements.

    Raises
    ------
    ShapeError
        if the shapes do not fit together.
    """
    y, F, H, Q, r, x0, P0 = map(as_tensor, (y, transition, observation, transition_cov, observation_var, mean, cov))
    _check("y", y, y.ndim == 2 and y.shape[1].is_Integer, "(T, M), M a number")
    _check("mean", x0, x0.ndim == 1, "(D,)")
    count, size = y.shape[1], x0.shape[0]
    given = {"transition": F, "observation": H, "transition_cov": Q, "observation_var": r, "cov": P0}
    shapes = [(size, size), (count, size), (size, size), (count,), (size, size)]
    for (name, one), shape in zip(given.items(), shapes, strict=True):
        _check(name, one, one.shape == shape, show_shape(shape))

    def step(carry: Any, measured: Tensor) -> Any:
        x, P = carry
        density: Any = 0
        for m in range(int(count)):
            h = H[m]
            gain = P @ h
            S = (sum(h * gain) + r[m]).named(f"S{m + 1}")
            v = (measured[m] - sum(h * x)).named(f"v{m + 1}")
            x, P = x + gain * (v / S), P - define((i, j), gain[i] * gain[j] / S)
            density = density - (log(2 * sp.pi * S) + v**2 / S) / 2
        x, P = x.named("x"), P.named("P")
        return (F @ x, F @ P @ F.T + Q), (x, P, density)

    _, (means, covariances, densities) = scan(step, (x0, P0), y)
    return means, covariances, sum(densities)


@names_result
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """−log P(targets), summed over all alignments with blanks (Graves et al. 2006); PyTorch's arguments and layout.

    B[t, s] is the log-probability of the first s labels with a blank last, Λ[t, s] that of label s last:

    B[t, s] = log p(blank) + log(e^B[t−1, s] + e^Λ[t−1, s−1])
    Λ[t, s] = log p(label s) + log(e^Λ[t−1, s] + e^B[t−1, s] + e^Λ[t−1, s−1]), the last if label s is not label s − 1

    Parameters
    ----------
    log_probs : (T, N, C), log-probabilities, such as ``log_softmax`` gives.
    targets : (N, S), labels of C classes; what lies behind a row's ``target_lengths`` is not read.
    input_lengths, target_lengths : (N,), up to T and S.
    reduction : ``"mean"`` divides each loss by its number of labels, as PyTorch does; ``"sum"``; ``"none"``: (N,).
    zero_infinity : whether a loss is 0, and not ∞, where the input is too short for the labels; its derivative is 0.

    Raises
    ------
    ShapeError, DomainError
        if shapes do not fit, targets are no labels, or the blank is no class.
    """
    p, labels = as_tensor(log_probs), as_tensor(targets)
    frames, counts = as_tensor(input_lengths), as_tensor(target_lengths)
    _check("log_probs", p, p.ndim == 3, "(T, N, C)")
    _check(
        "targets", labels, labels.ndim == 2 and labels.shape[0] == p.shape[1], show_shape((p.shape[1], sp.Symbol("S")))
    )
    for name, one in (("input_lengths", frames), ("target_lengths", counts)):
        _check(name, one, one.shape == p.shape[1:2], show_shape(p.shape[1:2]))
    for name, one in (("targets", labels), ("target_lengths", counts)):
        if not one.is_label:
            raise DomainError(at_line(f"ctc_loss: {name} are integers, declared by sg.labels; not {one!r}"))
    if not isinstance(blank, int) or blank < 0 or (p.shape[2].is_Integer and blank >= p.shape[2]):
        raise DomainError(at_line(f"ctc_loss: blank is one of the {p.shape[2]} classes, not {blank!r}"))
    rows, most = labels.shape
    emitted = define((t, n, s), p[t, n, labels[n, s]])
    silent = define((t, n), p[t, n, blank])

    def step(carry: Any, inputs: Any) -> Any:
        (B, L), (label, none) = carry, inputs
        before = define((n, s), Cases((L[n, s - 1], s > 0), (LOG_ZERO, True)), (rows, most + 1))
        other = sp.And(s > 0, sp.Ne(labels[n, s], labels[n, s - 1]))
        skipped = define((n, s), Cases((L[n, s - 1], other), (LOG_ZERO, True)), (rows, most))
        same = B[:, :-1]
        after = _log_of_sum(B, before) + expand_dims(none, 1), _log_of_sum(_log_of_sum(L, same), skipped) + label
        return (after[0].named("B"), after[1].named("L")), None

    begun = define((n, s), Cases((sp.S.Zero, sp.Eq(s, 0)), (LOG_ZERO, True)), (rows, most + 1))
    never = define((n, s), LOG_ZERO, (rows, most))
    (B, L), _ = scan(step, (begun, never), (emitted, silent), frames)
    at = Element(counts, n)
    end = define((n,), B[n, at], (rows,))
    label = define((n,), Cases((L[n, at - 1], at > 0), (LOG_ZERO, True)), (rows,))
    likelihood = _log_of_sum(end, label)
    losses = where(likelihood > LOG_ZERO / 2, -likelihood, 0 if zero_infinity else sp.oo)
    if reduction != "mean":
        return reduced(losses, reduction)
    return reduced(losses / define((n,), sp.Max(at, 1), (rows,)), "mean")


def _log_of_sum(a: Tensor, b: Tensor) -> Tensor:
    """log(eᵃ + eᵇ) by the greater one and how far the other lies below it."""
    return maximum(a, b) + log(1 + exp(-abs(a - b)))  # type: ignore[no-any-return]


def _check(name: str, given: Tensor, fits: bool, expected: str) -> None:
    if not fits:
        raise ShapeError(at_line(f"{name} is {shown(given)}; expected {expected}"))


__all__ = ["ctc_loss", "hmm_forward", "kalman_filter"]
