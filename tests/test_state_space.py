"""Hidden Markov models against all paths, Kalman's filter against the joint density, CTC against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.errors import DomainError, ShapeError
from symgraph.reference import evaluate
from tests import sizes

N, S, T = sg.dim("N"), sg.dim("S"), sg.dim("T")
RNG = np.random.default_rng(11)


def log_rows(*shape: int) -> np.ndarray:
    """Logarithms of probabilities that sum to 1 along the last axis."""
    rows = RNG.random(shape)
    return np.asarray(np.log(rows / rows.sum(-1, keepdims=True)))


@pytest.mark.usefixtures("plain")
def test_the_forward_algorithm_is_the_sum_over_all_paths() -> None:
    p, A, b, length = sg.input("p", (3,)), sg.input("A", (3, 3)), sg.input("b", (T, N, 3)), sg.labels("l", (N,), T + 1)
    likelihood, _ = sg.hmm_forward(p, A, b, length)
    slopes = sg.grad(sg.sum(likelihood), [p, A, b])
    run = codegen.function([p, A, b, length], [likelihood, *slopes.values()], dtype="float64")
    first, moves, seen, counts = log_rows(3), log_rows(3, 3), log_rows(4, 2, 3) - 300, np.array([4, 2])
    moves[0, 1] = -1e30  # impossible
    found = run(first, moves, seen, counts)
    for n, count in enumerate(counts):
        scores, paths = [], list(itertools.product(range(3), repeat=int(count)))
        for path in paths:
            steps = sum(moves[one, other] for one, other in itertools.pairwise(path))
            scores.append(first[path[0]] + steps + sum(seen[t, n, state] for t, state in enumerate(path)))
        total = np.logaddexp.reduce(scores)
        assert found[0][n] == pytest.approx(total, rel=1e-14)
        posterior = np.zeros((4, 3))
        for path, score in zip(paths, scores, strict=True):
            for t, state in enumerate(path):
                posterior[t, state] += np.exp(score - total)
        np.testing.assert_allclose(found[3][:, n], posterior, atol=1e-12)
    assert found[2].sum() == pytest.approx(np.sum(counts - 1), rel=1e-12) and found[2][0, 1] == 0
    long = run(first, moves, np.repeat(log_rows(1, 2, 3), 800, 0) - 50, np.array([800, 799]))
    assert long[0].max() < -40_000 and long[3].sum() == pytest.approx(800 + 799, rel=1e-12)


def test_kalmans_filter_is_the_conditional_of_the_joint_normal() -> None:
    D, M, steps = 2, 2, 4
    F, H, y = RNG.normal(size=(D, D)) / 2, RNG.normal(size=(M, D)), RNG.normal(size=(steps, M))
    Q, r, mean, cov = (
        np.diag([0.5, 0.2]),
        np.array([0.3, 0.1]),
        np.array([1.0, -1.0]),
        np.array([[1.0, 0.3], [0.3, 2.0]]),
    )
    values = dict(zip("yFHQrmP", (y, F, H, Q, r, mean, cov), strict=True))
    leaves = {name: sg.input(name, (T, M) if name == "y" else np.shape(value)) for name, value in values.items()}
    means, covariances, density = sg.kalman_filter(*leaves.values())
    states = np.kron(np.eye(steps), np.eye(D))  # states as a linear map of the first state and all noises
    for t in range(1, steps):
        states[t * D : (t + 1) * D] += F @ states[(t - 1) * D : t * D]
    noise = np.kron(np.eye(steps), Q)
    noise[:D, :D] = cov
    prior = states @ noise @ states.T
    center = np.concatenate([np.linalg.matrix_power(F, t) @ mean for t in range(steps)])
    seen = np.kron(np.eye(steps), H)
    joint = seen @ prior @ seen.T + np.kron(np.eye(steps), np.diag(r))

    def log_density(shift: np.ndarray) -> Any:
        gap = (y + shift).ravel() - seen @ center
        return -(gap @ np.linalg.solve(joint, gap) + np.linalg.slogdet(2 * np.pi * joint)[1]) / 2

    slope = sg.grad(density, leaves["y"])
    got = evaluate([means, covariances, density, slope], values)
    gain = np.linalg.solve(joint, seen @ prior).T
    last = center + gain @ (y.ravel() - seen @ center)
    np.testing.assert_allclose(got[0][-1], last[-D:], rtol=1e-12)
    np.testing.assert_allclose(got[1][-1], (prior - gain @ seen @ prior)[-D:, -D:], rtol=1e-12)
    assert got[2] == pytest.approx(log_density(np.zeros_like(y)), rel=1e-12)
    gap = np.linalg.solve(joint, y.ravel() - seen @ center)
    np.testing.assert_allclose(got[3], -gap.reshape(steps, M), rtol=1e-10)


@pytest.mark.usefixtures("plain")
def test_ctc_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    z, labels = sg.input("z", (T, N, 5)), sg.labels("y", (N, S), 5)
    frames, counts = sg.labels("frames", (N,), T + 1), sg.labels("counts", (N,), S + 1)
    loss = sg.ctc_loss(sg.log_softmax(z), labels, frames, counts, zero_infinity=True)
    each = sg.ctc_loss(sg.log_softmax(z), labels, frames, counts, blank=4, reduction="none")
    slopes = [sg.grad(loss, z)] if sizes.LONG else []
    run = codegen.function([z, labels, frames, counts], [loss, each, *slopes], dtype="float64")
    chosen = np.array([[1, 2, 3], [1, 1, 2], [3, 3, 3], [2, 1, 2], [1, 2, 3]])
    lengths = np.array([6, 3, 6, 3, 2]), np.array([3, 3, 3, 1, 0])  # the second row is too short for a repeated label
    for scale in (1.0, 100.0):
        array = RNG.normal(size=(6, 5, 5)) * scale
        given = torch.tensor(array, requires_grad=True)
        arguments = torch.log_softmax(given, -1), torch.tensor(chosen), *map(torch.tensor, lengths)
        wanted = torch.nn.functional.ctc_loss(*arguments, zero_infinity=True)
        wanted.backward()
        got = run(array, chosen, *lengths)
        assert got[0] == pytest.approx(wanted.item(), rel=1e-12)
        for slope in got[2:]:
            np.testing.assert_allclose(slope, given.grad.numpy(), atol=1e-13)
        expected = torch.nn.functional.ctc_loss(*arguments, blank=4, reduction="none")
        np.testing.assert_allclose(got[1], expected.detach().numpy(), rtol=1e-12)


def test_errors_name_what_does_not_fit() -> None:
    p, y, n = sg.input("p", (T, N, 5)), sg.labels("y", (N, S), 5), sg.labels("n", (N,), S + 1)
    with pytest.raises(ShapeError, match=r"log_probs is q\(N, 5\); expected \(T, N, C\)"):
        sg.ctc_loss(sg.input("q", (N, 5)), y, n, n)
    with pytest.raises(DomainError, match="blank is one of the 5 classes, not 5"):
        sg.ctc_loss(p, y, n, n, blank=5)
    with pytest.raises(DomainError, match="targets are integers"):
        sg.ctc_loss(p, sg.input("q", (N, S)), n, n)
    with pytest.raises(ShapeError, match=r"log_transition is A\(3, 4\); expected \(3, 3\)"):
        sg.hmm_forward(sg.input("a", (3,)), sg.input("A", (3, 4)), sg.input("b", (T, 3)))
    with pytest.raises(ShapeError, match=r"observation is H\(2, 2\); expected \(3, 2\)"):
        F = sg.input("F", (2, 2))
        sg.kalman_filter(
            sg.input("y", (T, 3)), F, sg.input("H", (2, 2)), F, sg.input("r", (3,)), sg.input("x", (2,)), F
        )
