"""Products, statistics, gathers and attention: values and gradients as PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.errors import SymgraphError
from symgraph.reference import evaluate
from symgraph.vocabulary import products, statistics
from tests.test_shapes import weighted

torch = pytest.importorskip("torch")
N = sg.dim("N")
IDS = np.array([[0, 4, 4], [1, 0, 4]])
MASK = np.array([[True, False, True], [True, True, False]])
Case = tuple[list[tuple[Any, ...]], Callable[..., Tensor], Callable[..., Any]]


def subscripts(text: str, *shapes: tuple[Any, ...]) -> Case:
    return [*shapes], lambda *a: products.einsum(text, *a), lambda *a: torch.einsum(text, *a)


def attention(**options: Any) -> Callable[..., Any]:
    return lambda *a: torch.nn.functional.scaled_dot_product_attention(*a, **options)


QKV = [(N, 2, 3), (N, 4, 3), (N, 4, 2)]
CASES: dict[str, Case] = {
    "a matrix product": subscripts("ij,jk->ik", (N, 3), (3, 2)),
    "batched": subscripts("bij,bkj->bik", (N, 3, 2), (N, 4, 2)),
    "without an arrow": subscripts("ij,jk", (2, 3), (3, 2)),
    "a letter summed out": subscripts("ij,k->i", (2, 3), (4,)),
    "a diagonal": subscripts("iij->ij", (3, 3, 2)),
    "a trace": subscripts("ii->", (3, 3)),
    "everything": subscripts("nij->", (N, 3, 2)),
    "dots": subscripts("...ij,jk->...ik", (N, 2, 3), (3, 2)),
    "three factors": subscripts("ni,ij,nj->n", (N, 2), (2, 3), (N, 3)),
    "tensordot": ([(N, 2, 3), (2, 3, 4)], products.tensordot, lambda a, b: torch.tensordot(a, b, 2)),
    "tensordot over axes": ([(N, 2, 3), (3, 4, 2)], lambda a, b: products.tensordot(a, b, ([1, 2], [2, 0])),
                            lambda a, b: torch.tensordot(a, b, ([1, 2], [2, 0]))),
    "outer": ([(N,), (3,)], products.outer, torch.outer),
    "dot": ([(2, 3), (3, 4)], products.dot, torch.matmul),
    "vdot": ([(2, 3), (2, 3)], products.vdot, lambda a, b: (a * b).sum()),
    "kron": ([(2, 3), (3, 2)], products.kron, torch.kron),
    "kron of ranks": ([(3,), (2, 2)], products.kron, torch.kron),
    "tril": ([(N, 3)], products.tril, torch.tril),
    "tril of many": ([(N, 3, 3)], lambda x: products.tril(x, -1), lambda x: torch.tril(x, -1)),
    "triu": ([(3, 4)], lambda x: products.triu(x, 1), lambda x: torch.triu(x, 1)),
    "diag": ([(3, 4)], products.diag, torch.diag),
    "diag above": ([(3, 4)], lambda x: products.diag(x, 2), lambda x: torch.diag(x, 2)),
    "diag of a vector": ([(3,)], products.diag, torch.diag),
    "diag of a vector below": ([(3,)], lambda x: products.diag(x, -1), lambda x: torch.diag(x, -1)),
    "diag of a vector above": ([(3,)], lambda x: products.diag(x, 2), lambda x: torch.diag(x, 2)),
    "trace": ([(3, 3)], products.trace, torch.trace),
    "eye": ([(3, 2)], lambda x: x @ products.eye(2, 4, 1), lambda x: x @ torch.tensor(np.eye(2, 4, 1))),
    "var": ([(N, 4)], lambda x: statistics.var(x, 1), lambda x: x.var(1, unbiased=False)),
    "var with ddof": ([(N, 4)], lambda x: statistics.var(x, ddof=1), lambda x: x.var()),
    "std": ([(N, 4, 2)], lambda x: statistics.std(x, (0, 2), keepdims=True),
            lambda x: x.std((0, 2), unbiased=False, keepdim=True)),
    "average": ([(N, 4, 2), (2, N)], lambda x, w: statistics.average(x, (2, 0), w),
                lambda x, w: (x * w.T[:, None]).sum((0, 2)) / w.sum()),
    "trace of axes": ([(3, 2, 4)], lambda x: products.trace(x, 1, 0, 2), lambda x: x.diagonal(1, 0, 2).sum(-1)),
    "softmax over axes": ([(2, N, 4)], lambda x: sg.softmax(x, (0, 2)),
                          lambda x: (x - x.logsumexp((0, 2), keepdim=True)).exp()),
    "logsumexp of all": ([(N, 4)], lambda x: sg.logsumexp(x, None, True), lambda x: x.logsumexp((0, 1), keepdim=True)),
    "norm": ([(N, 4)], lambda x: statistics.norm(x, axis=1), lambda x: x.norm(dim=1)),
    "norm of order 1": ([(N, 4)], lambda x: statistics.norm(x, 1), lambda x: x.abs().sum()),
    "norm of order 3": ([(N, 4)], lambda x: statistics.norm(x, 3, 1), lambda x: x.norm(3, dim=1)),
    "norm of order inf": ([(N, 4)], lambda x: statistics.norm(x, np.inf, 1), lambda x: x.abs().amax(1)),
    "any": ([(N, 4)], lambda x: statistics.any(x > 1, 1) * x[:, 0], lambda x: (x > 1).any(1) * x[:, 0]),
    "all": ([(N, 2)], lambda x: statistics.all(x > 0, 1) * x[:, 0], lambda x: (x > 0).all(1) * x[:, 0]),
    "clip": ([(N, 4)], lambda x: statistics.clip(x, -0.5, 0.5), lambda x: x.clip(-0.5, 0.5)),
    "clip above": ([(N, 4)], lambda x: statistics.clip(x, max=0.5), lambda x: x.clip(max=0.5)),
    "embedding": ([(5, 3)], lambda x: statistics.embedding(sg.constant(IDS), x), lambda x: x[torch.tensor(IDS)]),
    "one_hot": ([(5, 3)], lambda x: statistics.one_hot(sg.constant(IDS), 5) @ x, lambda x: x[torch.tensor(IDS)]),
    "attention": (QKV, statistics.scaled_dot_product_attention, attention()),
    "causal attention": ([(N, 3, 3), (N, 3, 3), (N, 3, 2)],
                         lambda *a: statistics.scaled_dot_product_attention(*a, is_causal=True),
                         attention(is_causal=True)),
    "masked attention": ([(N, 2, 3), (N, 3, 3), (N, 3, 2)],
                         lambda *a: statistics.scaled_dot_product_attention(*a, attn_mask=MASK),
                         attention(attn_mask=torch.tensor(MASK))),
    "attention with shared heads": ([(N, 4, 3, 2), (N, 2, 3, 2), (N, 2, 3, 2)],
                                    lambda *a: statistics.scaled_dot_product_attention(*a, enable_gqa=True),
                                    attention(enable_gqa=True)),
    "attention with heads": ([(N, 2, 3, 4)] * 3, lambda *a: statistics.scaled_dot_product_attention(*a, scale=2),
                             attention(scale=2)),
}  # fmt: skip
COMPILED = ["softmax over axes", "batched", "kron", "diag of a vector below", "embedding", "causal attention",
            "masked attention", "std"]  # fmt: skip


def case(name: str) -> tuple[list[Tensor], list[Tensor], list[np.ndarray], list[np.ndarray]]:
    """Leaves that no other case has, value and gradients, arrays, and what PyTorch says of these."""
    shapes, ours, theirs = CASES[name]
    number = [*CASES].index(name)
    leaves = [sg.input(f"{letter}{number}", shape) for letter, shape in zip("xyz", shapes, strict=False)]
    draw = np.random.default_rng(5)
    values = [draw.normal(size=tuple(3 if size is N else int(size) for size in shape)) for shape in shapes]
    y = ours(*leaves)
    tensors = [torch.tensor(value, requires_grad=True) for value in values]
    expected = theirs(*tensors)
    positions = torch.arange(expected.numel(), dtype=torch.float64).reshape(expected.shape)
    (expected**2 * (1 + positions / 7)).sum().backward()
    outputs = [y, *(sg.grad(weighted(y), leaf) for leaf in leaves)]
    return leaves, outputs, values, [expected.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def compare(found: list[np.ndarray], expected: list[np.ndarray], name: str) -> None:
    assert np.shape(found[0]) == expected[0].shape
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-10, atol=1e-12, err_msg=name)
    for gradient, wanted in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name: str) -> None:
    leaves, outputs, values, expected = case(name)
    found = evaluate(outputs, {str(leaf.name): value for leaf, value in zip(leaves, values, strict=True)})
    compare(found, expected, name)


def test_value_and_gradients_in_one_native_program() -> None:
    made = {name: case(name) for name in COMPILED}
    leaves, outputs, values = ([one for parts in made.values() for one in parts[k]] for k in range(3))
    found = iter(codegen.function(leaves, outputs, dtype="float64")(*values))
    for name, (_, own, _, expected) in made.items():
        compare([next(found) for _ in own], expected, name)


X, Y = sg.input("x", (4, 6)), sg.input("y", (5, 6))
T = sg.labels("t", (N,), 7)
ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "sizes": (lambda: products.einsum("ij,ij->", X, Y), r"i is 4 and, in y\(5, 6\), 5"),
    "operands": (lambda: products.einsum("ij,jk", X), "is of 2 operands, 1 were given"),
    "axes": (lambda: products.einsum("ijk->i", X), r"'ijk' does not name the axes of x\(4, 6\)"),
    "a letter of none": (lambda: products.einsum("ij->k", X), "no operand has the index k"),
    "tensordot": (lambda: products.tensordot(X, Y, 1), r"axis 1 of x\(4, 6\) and axis 0 of y\(5, 6\) differ"),
    "diagonal": (lambda: products.diag(X, 6), "have no diagonal 6"),
    "tril": (lambda: products.tril(X[0]), "is of matrices"),
    "var": (lambda: statistics.var(X, 0, ddof=4), "n − ddof is 0"),
    "norm": (lambda: statistics.norm(X, 0), "the order is a positive number"),
    "one_hot": (lambda: statistics.one_hot(T, 6), "7 classes in 6 columns"),
    "embedding": (lambda: statistics.embedding(T, X), r"t\(N,\) has 7 classes, x\(4, 6\) fewer rows"),
    "heads": (
        lambda: statistics.scaled_dot_product_attention(
            *[sg.input("q", (n, 2, 2)) for n in (3, 2, 2)], enable_gqa=True
        ),
        r"not shared by those of q\(3, 2, 2\)",
    ),
    "attention": (lambda: statistics.scaled_dot_product_attention(X, Y, X), r"inner sizes differ"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_tensor_and_its_sizes(name: str) -> None:
    wrong, text = ERRORS[name]
    with pytest.raises(SymgraphError, match=text):
        wrong()


def test_dropout_in_attention_takes_some_weights_and_doubles_the_others() -> None:
    q, k = sg.input("q", (8, 2)), sg.input("k", (9, 2))
    found = statistics.scaled_dot_product_attention(q, k, sg.eye(9), dropout_p=0.5)
    program = codegen.function([q, k], [sg.mode(found, which) for which in ("train", "evaluate")], "float64", key=4)
    draw = np.random.default_rng(0)
    train, weights = program(draw.normal(size=(8, 2)), draw.normal(size=(9, 2)))
    kept = train != 0
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_allclose(train[kept], 2 * weights[kept], rtol=1e-12)
