"""Functions of shapes: values as NumPy's, gradients as PyTorch's, natively too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.indices import axis
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import SymgraphError
from symgraph.reference import evaluate
from symgraph.vocabulary import joining, shapes
from tests.sizes import examples

N = sg.dim("N")
Case = tuple[tuple[Any, ...], Callable[[Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]


def ramp(shape: tuple[Any, ...]) -> np.ndarray:
    sizes = tuple(3 if size is N else int(size) for size in shape)
    return np.random.default_rng(1).normal(size=sizes)


CASES: dict[str, Case] = {
    "squeeze": ((1, 3, 1), shapes.squeeze, np.squeeze),
    "squeeze one": ((1, 3, 1), lambda x: shapes.squeeze(x, -1), lambda x: x.squeeze(-1)),
    "expand_dims": ((N, 4), lambda x: shapes.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1))),
    "moveaxis": ((N, 2, 4), lambda x: shapes.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1)),
    "moveaxis two": ((N, 2, 4), lambda x: shapes.moveaxis(x, (0, 2), (1, 0)), lambda x: np.moveaxis(x, (0, 2), (1, 0))),
    "swapaxes": ((N, 2, 4), lambda x: shapes.swapaxes(x, 0, -1), lambda x: x.swapaxes(0, -1)),
    "permute": ((N, 2, 4), lambda x: shapes.permute(x, 2, 0, 1), lambda x: x.transpose(2, 0, 1)),
    "broadcast_to": ((N, 1), lambda x: shapes.broadcast_to(x, (2, N, 4)), lambda x: np.broadcast_to(x, (2, 3, 4))),
    "reshape": ((4, 6), lambda x: shapes.reshape(x, 3, 8), lambda x: x.reshape(3, 8)),
    "reshape up": ((24,), lambda x: shapes.reshape(x, (2, 3, 4)), lambda x: x.reshape(2, 3, 4)),
    "reshape down": ((2, 3, 4), lambda x: shapes.reshape(x, -1), lambda x: x.reshape(-1)),
    "reshape of coprime sizes": ((6, 10), lambda x: shapes.reshape(x, 15, 4), lambda x: x.reshape(15, 4)),
    "reshape with sizes 1": ((1, 4, 1, 3), lambda x: shapes.reshape(x, 6, 1, 2), lambda x: x.reshape(6, 1, 2)),
    "reshape of a batch": ((N, 3, 4), lambda x: shapes.reshape(x, N, 2, -1), lambda x: x.reshape(3, 2, 6)),
    "a batch into one axis": ((N, 3, 4), lambda x: shapes.reshape(x, -1, 4), lambda x: x.reshape(-1, 4)),
    "a batch out of one axis": ((N, 2, 4), lambda x: shapes.reshape(shapes.reshape(x, -1, 4), N, 8),
                                lambda x: x.reshape(3, 8)),
    "reshape of a reshape": ((6, 4), lambda x: shapes.reshape(shapes.reshape(x, 8, 3), 2, 12),
                             lambda x: x.reshape(2, 12)),
    "flatten": ((N, 2, 3, 3), lambda x: shapes.flatten(x, 1), lambda x: x.reshape(3, -1)),
    "concatenate": ((N, 3), lambda x: joining.concatenate([x, 2 * x[:, :2], x], 1),
                    lambda x: np.concatenate([x, 2 * x[:, :2], x], 1)),
    "concatenate rows": ((N, 3), lambda x: joining.concatenate([x, x * x]), lambda x: np.concatenate([x, x * x])),
    "stack": ((N, 3), lambda x: joining.stack([x, x * x], 1), lambda x: np.stack([x, x * x], 1)),
    "split": ((N, 6), lambda x: joining.split(x, 3, 1)[1], lambda x: np.split(x, 3, 1)[1]),
    "split at": ((N, 6), lambda x: joining.split(x, [1, 5], 1)[1], lambda x: np.split(x, [1, 5], 1)[1]),
    "flip": ((N, 4), joining.flip, np.flip),
    "flip one": ((N, 4), lambda x: joining.flip(x, 1), lambda x: np.flip(x, 1)),
    "roll": ((5,), lambda x: joining.roll(x, 2), lambda x: np.roll(x, 2)),
    "roll back": ((N, 5), lambda x: joining.roll(x, -7, 1), lambda x: np.roll(x, -7, 1)),
    "roll two": ((4, 5), lambda x: joining.roll(x, (1, 2), (0, 1)), lambda x: np.roll(x, (1, 2), (0, 1))),
    "roll flat": ((2, 3), lambda x: joining.roll(x, 1), lambda x: np.roll(x, 1)),
    "repeat": ((N, 3), lambda x: joining.repeat(x, 2, 1), lambda x: np.repeat(x, 2, 1)),
    "repeat rows": ((N, 3), lambda x: joining.repeat(x, 2, 0), lambda x: np.repeat(x, 2, 0)),
    "repeat flat": ((2, 3), lambda x: joining.repeat(x, 3), lambda x: np.repeat(x, 3)),
    "tile": ((2, 3), lambda x: joining.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3))),
    "tile a column": ((2, 1), lambda x: joining.tile(x, 3), lambda x: np.tile(x, 3)),
    "take": ((N, 4), lambda x: joining.take(x, [3, 0, 3], 1), lambda x: np.take(x, [3, 0, 3], 1)),
    "take flat": ((2, 3), lambda x: joining.take(x, [[0, 5], [5, 2]]), lambda x: np.take(x, [[0, 5], [5, 2]])),
    "pad": ((N, 3), lambda x: joining.pad(x, ((0, 0), (1, 2))), lambda x: np.pad(x, ((0, 0), (1, 2)))),
    "pad all": ((N, 3), lambda x: joining.pad(x, 1, value=1.5), lambda x: np.pad(x, 1, constant_values=1.5)),
    "pad edge": ((2, 3), lambda x: joining.pad(x, (2, 1), "edge"), lambda x: np.pad(x, (2, 1), "edge")),
    "pad reflect": ((3, 4), lambda x: joining.pad(x, 2, "reflect"), lambda x: np.pad(x, 2, "reflect")),
    "pad symmetric": ((2, 3), lambda x: joining.pad(x, ((2, 1),), "symmetric"),
                      lambda x: np.pad(x, ((2, 1),), "symmetric")),
    "concatenate flat": ((2, 3), lambda x: joining.concatenate([x, x[0]], None),
                         lambda x: np.concatenate([x, x[0]], None)),
    "split from the end": ((N, 6), lambda x: joining.split(x, [-4, -1], 1)[1], lambda x: np.split(x, [-4, -1], 1)[1]),
    "repeat each its times": ((N, 3), lambda x: x.repeat([1, 0, 2], 1), lambda x: x.repeat([1, 0, 2], 1)),
    "take from the end": ((N, 4), lambda x: joining.take(x, [[-1, 0], [2, -2]], 1),
                          lambda x: np.take(x, [[-1, 0], [2, -2]], 1)),
    "no axes": ((2, 3), lambda x: x.sum(()) + x.mean(()) + x.max(()),
                lambda x: x.sum(()) + x.mean(()) + x.max(())),
    "pad circular": ((2, 3), lambda x: joining.pad(x, (2, 1), "circular"), lambda x: np.pad(x, (2, 1), "wrap")),
}  # fmt: skip


def differences(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """∂Σy²·c/∂x of a linear or polynomial function, by central differences."""
    result = np.empty(at.shape)
    for place in np.ndindex(at.shape):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved[place] += sign * 1e-5
            y = np.asarray(function(moved))
            ends.append((y**2 * (1 + np.arange(y.size).reshape(y.shape) / 7)).sum())
        result[place] = (ends[0] - ends[1]) / 2e-5
    return result


def weighted(y: Tensor) -> Tensor:
    """Σ y²·(1 + k/7), k the row-major position: a wrong place has another gradient."""
    free = [sg.indices("p q r s t")[d] for d in range(y.ndim)]
    position: Any = 0
    for index, size in zip(free, y.shape, strict=True):
        position = position * size + index
    return sg.sum(sg.define(free, y[tuple(free)] ** 2 * (1 + position / 7)))


def compare(found: list[np.ndarray], name: str) -> None:
    shape, _, theirs = CASES[name]
    values = ramp(shape)
    assert found[0].shape == theirs(values).shape
    np.testing.assert_allclose(found[0], theirs(values), rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(found[1], differences(theirs, values), rtol=1e-6, atol=1e-8, err_msg=name)


def case(name: str) -> tuple[Tensor, list[Tensor]]:
    """A leaf that no other case has; the value and its gradient."""
    shape, ours, _ = CASES[name]
    x = sg.input(f"x{[*CASES].index(name)}", shape)
    y = ours(x)
    return x, [y, sg.grad(weighted(y), x)]


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str) -> None:
    x, outputs = case(name)
    compare(evaluate(outputs, {str(x.name): ramp(CASES[name][0])}, sizes={"N": 3}), name)


def test_value_and_gradient_in_one_native_program() -> None:
    made = {name: case(name) for name in [*CASES][:: examples(6, 3)]}
    outputs = [output for _, own in made.values() for output in own]
    function = codegen.function([x for x, _ in made.values()], outputs, dtype="float64")
    found = iter(function(*(ramp(CASES[name][0]) for name in made)))
    for name in made:
        compare([next(found), next(found)], name)


X = sg.input("x", (4, 6))
ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "moveaxis": (lambda: shapes.moveaxis(sg.input("m", (3, 4)), (0, 0), (0, 1)), r"m\(3, 4\): .* name an axis twice"),
    "elements": (lambda: shapes.reshape(X, 5, 5), r"reshape of x\(4, 6\) to \(5, 5\): it has 24 elements, not 25"),
    "does not divide": (lambda: shapes.reshape(X, 5, -1), "it has 24 elements"),
    "squeeze": (lambda: shapes.squeeze(X, 1), r"axis 1 of x\(4, 6\) has size 6, not 1"),
    "expand_dims": (lambda: shapes.expand_dims(X, 4), "expected places below 3"),
    "no axis": (lambda: shapes.swapaxes(X, 0, 2), r"x\(4, 6\) has no axis 2"),
    "broadcast": (lambda: shapes.broadcast_to(X, (4, 5)), r"do not broadcast|does not broadcast to \(4, 5\)"),
    "concatenate": (lambda: joining.concatenate([X, X[:, :2]]), r"\(4, 6\) and .*\(4, 2\) differ beside axis 0"),
    "stack": (lambda: joining.stack([X, X[:, :2]]), "differ in shape"),
    "split": (lambda: joining.split(X, 4, 1), r"axis 1 of x\(4, 6\) has no 4 equal sections"),
    "split outside": (lambda: joining.split(X, [7], 1), "7 is no part of axis 1"),
    "pad": (lambda: joining.pad(X, (1, 2, 3)), "expected a number"),
    "pad too wide": (lambda: joining.pad(X, 4, "reflect"), "too short for a border"),
    "pad mode": (lambda: joining.pad(X, 1, "mirror"), "known are constant, edge"),
    "take": (lambda: joining.take(X, [6], 1), "outside|6"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_tensor_and_its_sizes(name: str) -> None:
    wrong, text = ERRORS[name]
    with pytest.raises(SymgraphError, match=text):
        wrong()


# -- gradients without loops ------------------------------------------------------------------------------------------
LOOPLESS: dict[str, tuple[tuple[Any, ...], Callable[[Tensor], Tensor]]] = {
    "down": ((2, 3, 4), lambda x: shapes.reshape(x, 24)),
    "up": ((24,), lambda x: shapes.reshape(x, 2, 3, 4)),
    "across": ((6, 10), lambda x: shapes.reshape(x, 15, 4)),
    "with a batch": ((N, 3, 4), lambda x: shapes.reshape(x, -1, 4)),
    "windows side by side": ((7,), lambda x: sg.define(P, sg.Sum(x[2 * P + U], U) ** 2, (3,))),
    "windows with gaps": ((8,), lambda x: sg.define(P, sg.Sum(x[3 * P + U], U) ** 2, (2,))),
}
(P,), (U,) = sg.indices("i"), sg.indices("u", 2)


@pytest.mark.parametrize("name", LOOPLESS)
def test_the_gradient_of_a_reshape_is_a_reshape(name: str) -> None:
    shape, ours = LOOPLESS[name]
    x = sg.input("x", shape)
    loss = weighted(ours(x))
    gradient = sg.grad(loss, x)
    pending, seen = [gradient], set()
    while pending:
        tensor = pending.pop()
        if tensor.definition is None or tensor in seen or tensor.cotangent_of is None:
            continue
        seen.add(tensor)
        assert tensor.definition.op is None
        pending += tensor.definition.body.atoms(Tensor)
    values = ramp(shape)
    found = evaluate([loss, gradient], {"x": values})
    step = 1e-6 * np.random.default_rng(2).normal(size=values.shape)
    ends = [evaluate(loss, {"x": values + sign * step}) for sign in (1, -1)]
    np.testing.assert_allclose(ends[0] - ends[1], 2 * (found[1] * step).sum(), rtol=1e-5)


# -- methods, and NumPy's own functions -------------------------------------------------------------------------------
def test_methods_and_numpys_functions_are_the_same_definitions() -> None:
    x = sg.input("x", (2, 3, 4))
    pairs = [
        (x.reshape(6, 4), np.reshape(x, (6, 4)), sg.reshape(x, (-1, 4))),
        (x.sum(axis=(0, 2)), np.sum(x, axis=(0, 2)), sg.sum(x, (0, 2))),
        (x.mean(1), np.mean(x, 1), sg.mean(x, 1)),
        (x.max(-1), np.max(x, -1), sg.max(x, 2)),
        (x.var(0, ddof=1), np.var(x, 0, ddof=1), sg.var(x, 0, 1)),
        (x.swapaxes(0, 1), np.swapaxes(x, 0, 1), sg.permute(x, 1, 0, 2)),
        (x.transpose(2, 0, 1), np.transpose(x, (2, 0, 1)), np.moveaxis(x, 2, 0)),
        (x.transpose(), x.T, np.transpose(x)),
        (x.flatten(), x.ravel(), np.ravel(x)),
        (x.squeeze(), np.squeeze(x), x),
        (x.repeat(2, 1), np.repeat(x, 2, 1), sg.repeat(x, 2, axis=1)),
        (x.flip(0), np.flip(x, 0), sg.flip(x, 0)),
        (x.clip(0, 1), np.clip(x, 0, 1), sg.clip(x, 0, 1)),
        (x.trace(), np.trace(x), sg.trace(x)),
        (sg.concatenate([x, x]), np.concatenate([x, x]), sg.concatenate((x, x), 0)),
        (sg.einsum("ijk->ik", x), np.einsum("ijk->ik", x), x.sum(1)),
        (sg.pad(x, 1, value=2), np.pad(x, 1, constant_values=2), sg.pad(x, (1, 1), "constant", 2)),
        (sg.norm(x, 1, 0), np.linalg.norm(x, 1, 0), x.norm(1, 0)),
    ]  # fmt: skip
    for first, *others in pairs:
        assert all(first is other for other in others), others
    with pytest.raises(SymgraphError, match="of a matrix has no order"):
        np.linalg.norm(x[0], 1)


def test_elements_of_a_reshape_at_labels() -> None:
    x, t = sg.input("x", (4, 6)), sg.labels("t", (N,), 24)
    loss = sg.sum(sg.ravel(x)[t] ** 2)
    values, ids = ramp((4, 6)), np.array([5, 23, 5, 0])
    expected = np.zeros(24)
    np.add.at(expected, ids, 2 * values.ravel()[ids])
    for gradient in (sg.grad(loss, x), sg.grad(loss, x, simplify=False)):
        np.testing.assert_allclose(evaluate(gradient, {"x": values, "t": ids}), expected.reshape(4, 6))
    found = codegen.function([x, t], sg.grad(loss, x), dtype="float64")(values, ids)
    np.testing.assert_allclose(found, expected.reshape(4, 6))


def test_what_stands_beside_a_window_is_read_at_the_place_itself() -> None:
    x, w = sg.input("x", (6,)), sg.input("w", (6,))
    loss = sg.sum(sg.define(P, sg.Sum(x[2 * P + U] * w[2 * P + U], U), (3,)) ** 2)
    body = sg.grad(loss, x).definition.body
    assert w[axis(0)] in body.atoms(Element)


def test_a_pooling_of_windows_side_by_side_visits_each_place_once() -> None:
    x = sg.input("x", (7,))
    y = sg.define(P, sg.Max(x[3 * P + U], U), (2,))
    gradient = sg.grad(sg.sum(y**3), x)
    assert gradient.definition.op is None
    values = np.array([2.0, 2, 9, 1, 4, 9, 9])
    expected = [12, 0, 0, 0, 48, 0, 0]
    np.testing.assert_allclose(evaluate(gradient, {"x": values}), expected)
    np.testing.assert_allclose(codegen.function([x], gradient, dtype="float64")(values), expected)
