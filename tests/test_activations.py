"""Activations over an axis, gated ones, learned slopes, similarities, and layers: values and gradients as PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import DomainError, ShapeError
from symgraph.reference import evaluate
from symgraph.vocabulary import activations
from tests.test_shapes import weighted

torch = pytest.importorskip("torch")
F = torch.nn.functional
generator = np.random.default_rng(4)
Case = tuple[list[tuple[int, ...]], Callable[..., Any], Callable[..., Any]]
CASES: dict[str, Case] = {
    "softmax over rows": ([(3, 4)], lambda x: sg.softmax(x, 0), lambda x: F.softmax(x, 0)),
    "softmin in the middle": ([(2, 3, 4)], lambda x: sg.softmin(x, 1), lambda x: F.softmin(x, 1)),
    "log-softmax over channels": ([(2, 3, 4)], lambda x: sg.log_softmax(x, 1), lambda x: F.log_softmax(x, 1)),
    "glu": ([(3, 4)], sg.glu, F.glu),
    "glu over channels": ([(2, 4, 3)], lambda x: sg.glu(x, 1), lambda x: F.glu(x, 1)),
    "reglu": ([(3, 4)], sg.reglu, lambda x: F.relu(x[:, :2]) * x[:, 2:]),
    "geglu": ([(3, 4)], sg.geglu, lambda x: F.gelu(x[:, :2]) * x[:, 2:]),
    "swiglu": ([(3, 4)], sg.swiglu, lambda x: F.silu(x[:, :2]) * x[:, 2:]),
    "prelu": ([(3, 4), (1,)], sg.prelu, F.prelu),
    "prelu of channels": ([(2, 3, 4), (3,)], sg.prelu, F.prelu),
    "normalize": ([(3, 4)], sg.normalize, F.normalize),
    "normalize by sums": ([(3, 4)], lambda x: sg.normalize(x, 1, 0), lambda x: F.normalize(x, 1, 0)),
    "cosine similarity": ([(3, 4), (3, 4)], sg.cosine_similarity, F.cosine_similarity),
    "pairwise distance": ([(3, 4), (3, 4)], sg.pairwise_distance, F.pairwise_distance),
    "pairwise distance by sums": ([(3, 4), (3, 4)], lambda a, b: sg.pairwise_distance(a, b, 1),
                                  lambda a, b: F.pairwise_distance(a, b, 1)),
    "gelu by tanh": ([(3, 4)], lambda x: sg.gelu(x, approximate="tanh"), lambda x: F.gelu(x, approximate="tanh")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name: str) -> None:
    shapes, ours, theirs = CASES[name]
    leaves = [sg.input(letter, shape) for letter, shape in zip("xyz", shapes, strict=False)]
    arrays = [generator.normal(size=shape) for shape in shapes]
    y = ours(*leaves)
    outputs = [y, *(sg.grad(weighted(y), leaf) for leaf in leaves)]
    found = evaluate(outputs, {str(leaf.name): array for leaf, array in zip(leaves, arrays, strict=True)})
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    expected = theirs(*tensors)
    positions = torch.arange(expected.numel(), dtype=torch.float64).reshape(expected.shape)
    (expected**2 * (1 + positions / 7)).sum().backward()
    np.testing.assert_allclose(found[0], expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    for gradient, tensor in zip(found[1:], tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


LAYERS: dict[str, tuple[Any, ...]] = {
    "ReLU": (), "ReLU6": (), "LeakyReLU": (0.2,), "ELU": (0.5,), "CELU": (0.5,), "SELU": (), "GELU": (), "SiLU": (),
    "Mish": (), "Sigmoid": (), "LogSigmoid": (), "Tanh": (), "Softplus": (2.0,), "Softsign": (), "Hardtanh": (-2, 0.5),
    "Hardsigmoid": (), "Hardswish": (), "Tanhshrink": (), "Softshrink": (0.25,), "Hardshrink": (0.25,),
    "Threshold": (0.1, 20.0), "GLU": (-1,), "Softmax": (-1,), "Softmin": (-1,), "LogSoftmax": (-1,), "PReLU": (),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_pytorchs_name_options_and_values(name: str) -> None:
    layer, theirs = getattr(sg.nn, name)(*LAYERS[name]), getattr(torch.nn, name)(*LAYERS[name]).double()
    values = generator.normal(size=(3, 4)) * 3
    given = {"x": values} | {str(leaf.name): np.array([0.25]) for leaf in layer.parameters()}
    found = evaluate(layer(sg.input("x", (3, 4))), given)
    np.testing.assert_allclose(found, theirs(torch.tensor(values)).detach().numpy(), rtol=1e-12, atol=1e-14)


def test_activations_are_found_by_the_names_of_others() -> None:
    assert activations.named("swish") is sg.silu and activations.named("Logistic") is sg.sigmoid
    with pytest.raises(DomainError, match="there is no activation 'swoosh'; known are relu, relu6"):
        activations.named("swoosh")


def test_errors_name_the_tensor_and_its_sizes() -> None:
    x = sg.input("x", (3, 5))
    with pytest.raises(ShapeError, match=r"glu: axis 1 of x\(3, 5\) has no two halves"):
        sg.glu(x)
    with pytest.raises(ShapeError, match=r"prelu: w\(4,\) needs one slope, or one for each of the 5 channels of x"):
        sg.prelu(x, sg.input("w", (4,)))
