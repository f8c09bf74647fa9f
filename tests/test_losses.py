"""Losses: a row is a test. Values against independent NumPy formulas, gradients against the table of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import SymgraphError
from symgraph.reference import evaluate
from symgraph.vocabulary import losses
from tests.oracles import DIGITS, agree, precise
from tests.programs import N

torch = pytest.importorskip("torch")
generator = np.random.default_rng(0)
T = generator.uniform(0.1, 0.9, (3, 2))
Y = generator.uniform(0.1, 0.9, (3, 2)) * 1.0
Z = generator.normal(size=(3, 2)) * 3
R = Z - T


def sigma(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


ROWS: dict[str, tuple[Callable[..., sg.Tensor], np.ndarray, np.ndarray, np.ndarray]] = {
    "mse": (sg.mse_loss, Z, R**2, 2 * R),
    "half mse": (sg.half_mse_loss, Z, R**2 / 2, R),
    "l1": (sg.l1_loss, Z, abs(R), np.sign(R)),
    "huber": (sg.huber_loss, Z, np.where(abs(R) <= 1, R**2 / 2, abs(R) - 0.5), np.clip(R, -1, 1)),
    "huber 2": (lambda y, t, reduction="mean": sg.huber_loss(y, t, 2, reduction), Z,
                np.where(abs(R) <= 2, R**2 / 2, 2 * (abs(R) - 1)), np.clip(R, -2, 2)),
    "smooth l1": (lambda y, t, reduction="mean": sg.smooth_l1_loss(y, t, 0.5, reduction), Z,
                  np.where(abs(R) < 0.5, R**2, abs(R) - 0.25), np.clip(R / 0.5, -1, 1)),
    "binary": (sg.binary_cross_entropy, Y, -T * np.log(Y) - (1 - T) * np.log(1 - Y), (Y - T) / (Y * (1 - Y))),
    "binary with logits": (sg.binary_cross_entropy_with_logits, Z, np.log1p(np.exp(Z)) - T * Z, sigma(Z) - T),
    "log cosh": (sg.log_cosh_loss, Z, np.log(np.cosh(R)), np.tanh(R)),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_value_and_gradient_for_every_reduction(name: str) -> None:
    loss, at, values, slopes = ROWS[name]
    y, t = sg.input("y", (N, 2)), sg.input("t", (N, 2))
    given = {"y": at, "t": T}
    agree(evaluate(loss(y, t, reduction="none"), given), values, 1e-12)
    agree(evaluate(loss(y, t, reduction="sum"), given), values.sum(), 1e-12)
    agree(evaluate(loss(y, t), given), values.mean(), 1e-12)
    agree(evaluate(sg.grad(loss(y, t), y), given), slopes / 6, 1e-11)


LABELS = np.array([1, 0, 1])
SOFTMAX = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)


@pytest.mark.parametrize("kind", ["labels", "one-hot", "soft"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(kind: str, reduction: str) -> None:
    z = sg.input("z", (N, 2))
    t = {"labels": lambda: sg.labels("t", (N,), classes=2), "one-hot": lambda: sg.one_hot("t", (N, 2)),
         "soft": lambda: sg.input("t", (N, 2))}[kind]()  # fmt: skip
    target = {"labels": LABELS, "one-hot": np.eye(2)[LABELS], "soft": T}[kind]
    weights = T if kind == "soft" else np.eye(2)[LABELS]
    rows = -(weights * np.log(SOFTMAX)).sum(1)
    expected = {"mean": rows.mean(), "sum": rows.sum(), "none": rows}[reduction]
    loss = sg.cross_entropy(z, t, reduction)
    agree(evaluate(loss, {"z": Z, "t": target}), expected, 1e-12)
    if reduction == "mean":
        slope = (SOFTMAX * weights.sum(1, keepdims=True) - weights) / 3
        agree(evaluate(sg.grad(loss, z), {"z": Z, "t": target}), slope, 1e-11)


def test_cross_entropy_of_a_single_row() -> None:
    z, t = sg.input("z", (2,)), sg.labels("t", (), classes=2)
    agree(evaluate(sg.cross_entropy(z, t), {"z": Z[0], "t": 1}), -np.log(SOFTMAX[0, 1]), 1e-12)


C = 4
SCORES, OTHER, THIRD = (generator.normal(size=(5, C)) for _ in range(3))
CLASSES = np.array([1, 0, 3, 1, 2])
MULTI = generator.integers(0, 2, (5, C)).astype(float)
SIGNS = np.where(MULTI > 0, 1.0, -1.0)
COUNTS = generator.integers(0, 4, (5, C)).astype(float)
MEANS, CHANCES = generator.uniform(0.2, 3, (5, C)), generator.uniform(0.05, 0.95, (5, C))
SOFT = CHANCES / CHANCES.sum(1, keepdims=True)
CLASS_WEIGHT, ROW_WEIGHT = np.array([0.5, 2.0, 1.0, 0.25]), np.array([1.0, 2.0, 0.5, 0.0, 3.0])
F = torch.nn.functional


def weight(array: np.ndarray) -> Any:
    return torch.tensor(array)


def labelled(name: str, smoothing: float = 0.0, **options: Any) -> Callable[..., Any]:
    """PyTorch's loss with the same options."""
    given = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    more = {"label_smoothing": smoothing} if smoothing else {}
    return lambda *a, reduction: getattr(F, name)(*a, **given, **more, reduction=reduction)


def theirs(name: str, **options: Any) -> Callable[..., Any]:
    return lambda *a, reduction: getattr(F, name)(*a, **options, reduction=reduction)


Against = tuple[Callable[..., Any], Callable[..., Any], tuple[np.ndarray, ...]]
PYTORCH: dict[str, Against] = {
    "mse": (sg.mse_loss, theirs("mse_loss"), (SCORES, OTHER)),
    "l1": (sg.l1_loss, theirs("l1_loss"), (SCORES, OTHER)),
    "huber": (partial(sg.huber_loss, delta=0.5), theirs("huber_loss", delta=0.5), (SCORES, OTHER)),
    "smooth l1": (partial(sg.smooth_l1_loss, beta=0.5), theirs("smooth_l1_loss", beta=0.5), (SCORES, OTHER)),
    "binary, weighted": (partial(sg.binary_cross_entropy, weight=MEANS[0]),
                         theirs("binary_cross_entropy", weight=weight(MEANS[0])), (CHANCES, MULTI)),
    "binary with logits": (
        partial(sg.binary_cross_entropy_with_logits, pos_weight=list(CLASS_WEIGHT), weight=MEANS[0]),
        theirs("binary_cross_entropy_with_logits", pos_weight=weight(CLASS_WEIGHT), weight=weight(MEANS[0])),
        (SCORES * 4, CHANCES)),
    "soft margin": (sg.soft_margin_loss, theirs("soft_margin_loss"), (SCORES, SIGNS)),
    "hinge embedding": (partial(sg.hinge_embedding_loss, margin=0.5), theirs("hinge_embedding_loss", margin=0.5),
                        (SCORES, SIGNS)),
    "margin ranking": (partial(sg.margin_ranking_loss, margin=0.5), theirs("margin_ranking_loss", margin=0.5),
                       (SCORES, OTHER, SIGNS)),
    "poisson": (sg.poisson_nll_loss, theirs("poisson_nll_loss"), (SCORES, COUNTS)),
    "poisson of means": (partial(sg.poisson_nll_loss, log_input=False, full=True),
                         theirs("poisson_nll_loss", log_input=False, full=True), (MEANS, COUNTS)),
    "gaussian": (partial(sg.gaussian_nll_loss, full=True), theirs("gaussian_nll_loss", full=True),
                 (SCORES, OTHER, MEANS)),
    "divergence": (sg.kl_div, theirs("kl_div"), (SCORES, SOFT * (MULTI > 0))),
    "divergence of logarithms": (partial(sg.kl_div, log_target=True), theirs("kl_div", log_target=True),
                                 (SCORES, OTHER)),
    "cross-entropy, weighted": (partial(sg.cross_entropy, weight=CLASS_WEIGHT),
                                labelled("cross_entropy", weight=CLASS_WEIGHT), (SCORES, CLASSES)),
    "cross-entropy, smoothed": (
        partial(sg.cross_entropy, weight=CLASS_WEIGHT, label_smoothing=0.1, ignore_index=3),
        labelled("cross_entropy", 0.1, weight=CLASS_WEIGHT, ignore_index=3), (SCORES, CLASSES)),
    "cross-entropy, soft": (
        partial(sg.cross_entropy, weight=CLASS_WEIGHT, label_smoothing=0.25),
        labelled("cross_entropy", 0.25, weight=CLASS_WEIGHT), (SCORES, SOFT)),
    "cross-entropy, ignoring": (partial(sg.cross_entropy, ignore_index=1), labelled("cross_entropy", ignore_index=1),
                                (SCORES, CLASSES)),
    "nll": (partial(sg.nll_loss, weight=CLASS_WEIGHT, ignore_index=0),
            labelled("nll_loss", weight=CLASS_WEIGHT, ignore_index=0), (SCORES, CLASSES)),
    "multi-margin": (partial(sg.multi_margin_loss, p=2, margin=0.5, weight=CLASS_WEIGHT),
                     labelled("multi_margin_loss", p=2, margin=0.5, weight=CLASS_WEIGHT), (SCORES, CLASSES)),
    "multi-label soft margin": (partial(sg.multilabel_soft_margin_loss, weight=CLASS_WEIGHT),
                                theirs("multilabel_soft_margin_loss", weight=weight(CLASS_WEIGHT)), (SCORES, MULTI)),
    "cosine embedding": (partial(sg.cosine_embedding_loss, margin=0.1), theirs("cosine_embedding_loss", margin=0.1),
                         (SCORES, OTHER, SIGNS[:, 0])),
    "triplets": (sg.triplet_margin_loss, theirs("triplet_margin_loss"), (SCORES, OTHER, THIRD)),
    "triplets, swapped": (partial(sg.triplet_margin_loss, p=1, swap=True),
                          theirs("triplet_margin_loss", p=1, swap=True), (SCORES, OTHER, THIRD)),
}  # fmt: skip
"""Losses that PyTorch has, with their options."""


@pytest.mark.parametrize("name", PYTORCH)
def test_value_gradient_and_hessian_are_pytorchs(name: str) -> None:
    """Losses of an element with their diagonal Hessian, losses of a row with their mean and all their values."""
    ours, expected, arrays = PYTORCH[name]
    leaves = [
        sg.labels(letter, (N,), classes=C) if array.dtype.kind == "i" else sg.input(letter, (N, C)[: array.ndim])
        for letter, array in zip("xyz", arrays, strict=False)
    ]
    pointwise = getattr(ours, "func", ours).__name__ in losses.POINTWISE
    tensors = [torch.tensor(array, requires_grad=not number) for number, array in enumerate(arrays)]
    reduction = "none" if pointwise else "mean"
    loss, value = ours(*leaves, reduction=reduction), expected(*tensors, reduction=reduction)
    slope = sg.grad(sg.sum(loss), leaves[0])
    (first,) = torch.autograd.grad(value.sum(), tensors[0], create_graph=True)
    outputs, wanted = [loss, slope], [value, first]
    if not pointwise:
        outputs.append(ours(*leaves, reduction="none"))
        wanted.append(expected(*tensors, reduction="none"))
    elif first.requires_grad:
        outputs.append(sg.grad(sg.sum(slope), leaves[0], disconnected="zero", simplify=False))
        wanted.append(torch.autograd.grad(first.sum(), tensors[0])[0])
    found = evaluate(outputs, {str(leaf.name): array for leaf, array in zip(leaves, arrays, strict=True)})
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(force=True), rtol=1e-9, atol=1e-12)


def logistic(z: mpmath.mpf) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-z))


def asymmetric(z: mpmath.mpf, t: float) -> mpmath.mpf:
    q = max(logistic(z) - mpmath.mpf("0.05"), mpmath.mpf(0))
    return logistic(-z) * mpmath.log1p(mpmath.exp(-z)) if t else -(q**2) * mpmath.log(1 - q)


BEYOND: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[tuple[float, float]]]] = {
    "quantile": (partial(sg.quantile_loss, q=0.9), lambda y, t: (t - y) * 0.9 if t > y else (y - t) * 0.1,
                 [(1, 3), (3, 1), (-2, 50)]),
    "expectile": (partial(sg.expectile_loss, q=0.9), lambda y, t: (y - t) ** 2 * (0.9 if y < t else 0.1),
                  [(1, 3), (3, 1)]),
    "fair": (partial(sg.fair_loss, c=2), lambda y, t: 4 * (abs(y - t) / 2 - mpmath.log1p(abs(y - t) / 2)),
             [(1, 3), (300, 1), (1.001, 1)]),
    "cauchy": (partial(sg.cauchy_loss, c=2), lambda y, t: 2 * mpmath.log1p(((y - t) / 2) ** 2), [(1, 3), (3000, 1)]),
    "linex": (partial(sg.linex_loss, a=-1), lambda y, t: mpmath.expm1(t - y) - (t - y), [(1, 3), (3, 1), (1.1, 1)]),
    "log cosh": (sg.log_cosh_loss, lambda y, t: mpmath.log(mpmath.cosh(y - t)), [(1, 3), (900, 1), (1.1, 1)]),
    "msle": (sg.msle_loss, lambda y, t: (mpmath.log1p(y) - mpmath.log1p(t)) ** 2, [(1, 3), (0, 1)]),
    "mape": (sg.mape_loss, lambda y, t: abs(y - t) / abs(t), [(1, 3), (1, -3)]),
    "focal": (sg.sigmoid_focal_loss, lambda z, t: (0.25 * logistic(-z) ** 2 * mpmath.log1p(mpmath.exp(-z)) if t
              else 0.75 * logistic(z) ** 2 * mpmath.log1p(mpmath.exp(z))),
              [(2, 1), (-30, 1), (30, 1), (2, 0), (-2, 0)]),
    "gaussian kl": (sg.gaussian_kl_loss, lambda m, s: (mpmath.exp(s) + m**2 - 1 - s) / 2, [(2, -3), (1e-3, 5), (0, 0)]),
    "asymmetric": (partial(sg.asymmetric_loss, gamma_neg=2), lambda z, t: asymmetric(z, t),
                   [(2, 1), (2, 0), (-9, 0)]),
    "hinge": (sg.hinge_loss, lambda y, t: max(mpmath.mpf(0), 1 - t * y), [(0.5, 1), (0.5, -1), (2, 1)]),
    "squared hinge": (sg.squared_hinge_loss, lambda y, t: max(mpmath.mpf(0), 1 - t * y) ** 2, [(0.5, 1), (2, 1)]),
    "poisson deviance": (sg.poisson_deviance_loss, lambda y, t: 2 * ((t * mpmath.log(t / y) if t else 0) - t + y),
                         [(2, 3), (2, 0), (1e-3, 50)]),
    "gamma deviance": (sg.gamma_deviance_loss, lambda y, t: 2 * (mpmath.log(y / t) + t / y - 1), [(2, 3), (1e-3, 50)]),
    "tweedie": (sg.tweedie_deviance_loss, lambda y, t: 4 * (mpmath.sqrt(y) + t / mpmath.sqrt(y) - 2 * mpmath.sqrt(t)),
                [(2, 3), (2, 0), (1e-3, 50)]),
}  # fmt: skip
"""Losses that PyTorch does not have: of one prediction and target."""


@pytest.mark.parametrize("name", BEYOND)
def test_value_gradient_and_hessian_are_the_definitions(name: str) -> None:
    ours, definition, points = BEYOND[name]
    y, t = sg.input("y", (len(points),)), sg.input("t", (len(points),))
    loss = ours(y, t, reduction="none")
    slope = sg.grad(sg.sum(loss), y)
    given = {"y": [p for p, _ in points], "t": [t for _, t in points]}
    with mpmath.workdps(DIGITS):
        exact = [[mpmath.diff(lambda p, t=t: definition(p, t), mpmath.mpf(p), n) for p, t in points] for n in (1, 2)]
        values = [definition(mpmath.mpf(p), mpmath.mpf(t)) for p, t in points]
        agree(precise(loss, given), values, mpmath.mpf(10) ** -16)
        agree(precise(slope, given), exact[0], mpmath.mpf(10) ** -12)
        curvature = sg.grad(sg.sum(slope), y, disconnected="zero", simplify=False)
        agree(precise(curvature, given), exact[1], mpmath.mpf(10) ** -9)


def test_weights_of_rows() -> None:
    """Σ w·ℓ/Σ w, of elements and of rows; the divisor of class weights counts them too."""
    x, y, t = sg.input("x", (N, C)), sg.input("y", (N, C)), sg.labels("t", (N,), classes=C)
    given = {"x": SCORES, "y": OTHER, "t": CLASSES, "w": ROW_WEIGHT}
    squares = ((SCORES - OTHER) ** 2).mean(1)
    w = sg.input("w", (N,))
    agree(evaluate(sg.mse_loss(x, y, sample_weight=w), given), (squares * ROW_WEIGHT).sum() / ROW_WEIGHT.sum(), 1e-12)
    rows = evaluate(sg.cross_entropy(x, t, "none", weight=CLASS_WEIGHT), given)
    counted = CLASS_WEIGHT[CLASSES] * ROW_WEIGHT
    found = evaluate(sg.cross_entropy(x, t, weight=CLASS_WEIGHT, sample_weight=w), given)
    agree(found, (rows * ROW_WEIGHT).sum() / counted.sum(), 1e-12)
    agree(evaluate(sg.kl_div(x, y, "batchmean"), given | {"y": SOFT}),
          F.kl_div(torch.tensor(SCORES), torch.tensor(SOFT), reduction="batchmean").item(), 1e-12)  # fmt: skip


def test_losses_of_a_whole_row() -> None:
    p, t = CHANCES, MULTI
    x, y, classes = sg.input("x", (N, C)), sg.input("y", (N, C)), sg.labels("t", (N,), classes=C)
    dice = 1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)
    agree(evaluate(sg.dice_loss(x, y, reduction="none"), {"x": p, "y": t}), dice, 1e-12)
    tversky = 1 - ((p * t).sum(1) + 1) / ((p * t).sum(1) + 0.3 * (p * (1 - t)).sum(1) + 0.7 * ((1 - p) * t).sum(1) + 1)
    agree(evaluate(sg.tversky_loss(x, y, 0.3, 0.7, reduction="none"), {"x": p, "y": t}), tversky, 1e-12)
    multi = [sum(max(0, 1 - s[j] + s[k]) for j in range(C) for k in range(C) if m[j] and not m[k]) / C
             for s, m in zip(SCORES, MULTI, strict=True)]  # fmt: skip
    agree(evaluate(sg.multilabel_margin_loss(x, y, "none"), {"x": SCORES, "y": MULTI}), np.array(multi), 1e-12)
    chosen = F.softmax(torch.tensor(SCORES), 1).numpy()[np.arange(5), CLASSES]
    focal = -((1 - chosen) ** 2) * np.log(chosen) * CLASS_WEIGHT[CLASSES]
    found = evaluate(sg.focal_loss(x, classes, weight=CLASS_WEIGHT, reduction="none"), {"x": SCORES, "t": CLASSES})
    agree(found, focal, 1e-12)
    a, b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (SCORES, OTHER))
    expected = F.cross_entropy(torch.tensor(a @ b.T / 0.5), torch.arange(5)).item()
    agree(evaluate(sg.info_nce_loss(x, y, 0.5), {"x": SCORES, "y": OTHER}), expected, 1e-12)


def test_every_loss_has_a_test() -> None:
    tested = {getattr(ours, "func", ours).__name__ for ours, *_ in (*PYTORCH.values(), *BEYOND.values())}
    assert losses.POINTWISE.keys() <= tested | {"half_mse_loss"}


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "shapes": (lambda: sg.mse_loss(sg.input("y", (N, 2)), sg.input("t", (N,))), r"mse_loss: y\(N, 2\) against t\(N,\)"),
    "an option": (lambda: sg.huber_loss(T, T, gamma=1), "huber_loss takes 2 tensors and the options delta, .* gamma"),
    "a quantile": (lambda: sg.quantile_loss(T, T, q=2), "quantile_loss: q must be between 0 and 1, not 2"),
    "a power": (lambda: sg.tweedie_deviance_loss(T, T, power=2.5), "power must be between 1 and 2, not 2.5"),
    "an exponent": (lambda: sg.sigmoid_focal_loss(T, T, gamma=-1), "gamma must be at least 0, not -1"),
    "a reduction": (lambda: sg.mse_loss(T, T, "median"), 'reduction is "mean", .* not \'median\''),
    "class weights": (lambda: sg.cross_entropy(sg.input("z", (N, 3)), sg.labels("t", (N,), 3), weight=[1, 2]),
                      r"need the shape \(3,\)"),
    "soft targets": (lambda: sg.cross_entropy(sg.input("z", (N, 3)), sg.input("t", (N, 3)), ignore_index=1),
                     r"ignore_index is of labels, and t\(N, 3\) holds probabilities"),
    "sample weights": (lambda: sg.mse_loss(T, T, sample_weight=sg.input("w", (2,))), r"sample_weight w\(2,\) does not"),
    "rows": (lambda: sg.dice_loss(sg.input("p", (N, 3)), sg.input("t", (N, 2))), r"p\(N, 3\) against t\(N, 2\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_the_tensor_and_its_sizes(name: str) -> None:
    wrong, text = WRONG[name]
    with pytest.raises(SymgraphError, match=text):
        wrong()


def test_negative_log_likelihood_of_probabilities() -> None:
    y, t = sg.input("y", (N, 2)), sg.labels("t", (N,), classes=2)
    agree(evaluate(sg.nll_of_probabilities(y, t), {"y": SOFTMAX, "t": LABELS}),
          -np.log(SOFTMAX[np.arange(3), LABELS]).mean(), 1e-12)  # fmt: skip


def test_a_criterion_has_pytorchs_name_and_options() -> None:
    z, t = sg.input("z", (N, 2)), sg.labels("t", (N,), classes=2)
    found = sg.nn.CrossEntropyLoss(label_smoothing=0.1)(z, t)
    assert found is sg.cross_entropy(z, t, label_smoothing=0.1)
    names = [name for name in dir(sg.nn) if name.endswith("Loss") and not name.startswith("Half")]
    assert len(names) == 20 and all(hasattr(torch.nn, name) for name in names)
