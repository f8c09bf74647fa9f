"""Every kind of definition: emitted source, as plain Python and as machine code, against the reference evaluator."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.reference import evaluate
from tests.sizes import examples

N, M = sg.dim("N"), sg.dim("M")
n, m, i, j, k, p, q = sg.indices("n m i j k p q")
x = sg.input("x", (N, 7))
y = sg.input("y", (N, 7))
a = sg.input("a", (M, N))
B = sg.input("B", (3, N, 7))
C = sg.input("C", (3, 7, 5))
W = sg.parameter("W", (7, 5))
V = sg.parameter("V", (5, 7))
b = sg.parameter("b", (5,))
E = sg.parameter("E", (4, 7))
image = sg.input("image", (N, 8, 8))
taps = sg.parameter("taps", (3, 3))
t = sg.labels("t", (N,), classes=4)
s = sp.Symbol("s", positive=True)
u = sp.Symbol("u", real=True)


def standardised(a: Tensor) -> Tensor:
    centred = a - sg.mean(a, 1, True)
    return centred / sg.sqrt(sg.mean(centred**2, 1, True) + 1)


def nested_pieces() -> Tensor:
    return sg.as_tensor(sp.Piecewise((x, (x > 1) | (x < -1)), (y, sp.And(x > 0, y > 0)), (x * y, True)))


DEFINITIONS: dict[str, Callable[[], Tensor]] = {
    "matmul": lambda: x @ W,
    "matmul, right transposed": lambda: x @ V.T,
    "matmul, left transposed": lambda: x.T @ y,
    "matmul, both transposed": lambda: W.T @ x.T,
    "matmul, bias, activation": lambda: sg.tanh(x @ W + b),
    "matrix · vector": lambda: x @ W @ b,
    "vector · matrix": lambda: b @ V,
    "outer product": lambda: sg.define((i, j), b[i] * b[j]),
    "batched matmul": lambda: B @ C,
    "batched matmul, epilogue": lambda: sg.relu(B @ C) + 1,
    "rank 3 by matrix": lambda: B @ W,
    "matmul of expressions": lambda: sg.define((i, j), sg.Sum(x[n, i] * (y[n, j] - 1) * 2 / N, n)),
    "two products in one sum": lambda: sg.define((i, j), sg.Sum(x[n, i] * y[n, j] + y[n, i] * x[n, j], n)),
    "weighted Gram matrix": lambda: sg.define((i, j), sg.Sum(x[n, i] * x[n, j] * sp.exp(a[0, n]), n)),
    "sum of all": lambda: sg.sum(B),
    "mean": lambda: sg.mean(x * y),
    "column sum": lambda: sg.sum(x, axis=0),
    "row sum": lambda: sg.sum(x, axis=1),
    "middle sum": lambda: sg.sum(B, axis=1),
    "row maximum": lambda: sg.max(x, axis=1),
    "column minimum": lambda: sg.min(x, axis=0),
    "argmax": lambda: sg.argmax(x, axis=1),
    "argmin": lambda: sg.argmin(x, axis=0),
    "softmax": lambda: sg.softmax(x),
    "log-softmax along columns": lambda: sg.log_softmax(x, axis=0),
    "standardised rows": lambda: standardised(x),
    "gather": lambda: sg.define((n, i), E[t[n], i]),
    "pick": lambda: sg.define((n,), x[n, t[n]]),
    "scatter-add": lambda: sg.define((i, j), sg.Sum(x[n, j] * sg.Delta(i, t[n]), n), (4, 7)),
    "histogram": lambda: sg.define((i,), sg.Sum(sg.Delta(i, t[n]), n), (4,)),
    "one-hot": lambda: sg.define((n, i), sg.Delta(i, t[n]), (N, 4)),
    "convolution": lambda: sg.define((n, i, j), sg.Sum(image[n, i + p, j + q] * taps[p, q], p, q), (N, 6, 6)),
    "strided slice": lambda: image[:, 1:7:2, ::-1],
    "guarded shift": lambda: sg.define((n, i), sp.Piecewise((x[n, i - 1], i > 0), (0, True)), (N, 7)),
    "piecewise": lambda: sg.where(x > 0, sg.log(x), 0),
    "nested pieces": nested_pieces,
    "powers": lambda: x**2 + (x**2 + 1) ** sp.Rational(-3, 2) + (y**2 + 1) ** sp.Rational(2, 7),
    "roots and quotients": lambda: 1 / sg.sqrt(x**2 + 1) - x / (y**2 + 2),
    "rounding": lambda: sg.elementwise(sp.floor(u) + sp.ceiling(3 * u) + sp.Mod(u, 2), u)(x),
    "functions": lambda: sg.as_tensor(sp.sin(x) * sp.cos(y) + sp.tan(x / 4) + sp.erf(x) - sp.erfc(y) + sp.sign(x)),
    "hyperbolic": lambda: sg.as_tensor(sp.sinh(x) + sp.cosh(y) + sp.Abs(x)),
    "scalar symbols": lambda: sg.as_tensor(x * s + sp.exp(-s)),
    "numbers of sizes": lambda: sg.sum(x) / (N * M) + sg.sum(a) * M,
    "two sizes": lambda: a @ x,
    "shared exponential": lambda: sg.exp(x) / (1 + sg.exp(x)) + sg.exp(x),
    "transpose": lambda: sg.transpose(B, (2, 0, 1)) * 2,
    "mish": lambda: sg.mish(x),
    "a constant": lambda: x * sg.constant(np.arange(7.0)),
}  # fmt: skip

LEAVES = [x, y, a, B, C, W, V, b, E, image, taps, t, s]


def values(rows: int, columns: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    sizes = {
        "x": (rows, 7),
        "y": (rows, 7),
        "a": (columns, rows),
        "B": (3, rows, 7),
        "C": (3, 7, 5),
        "W": (7, 5),
        "V": (5, 7),
    }
    sizes |= {"b": (5,), "E": (4, 7), "image": (rows, 8, 8), "taps": (3, 3)}
    drawn = {name: random.normal(size=shape) for name, shape in sizes.items()}
    return drawn | {"t": random.integers(0, 4, rows), "s": np.array(0.7)}


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", DEFINITIONS)
def test_as_plain_python(name: str) -> None:
    output = DEFINITIONS[name]()
    given = values(3, 2)
    function = codegen.function(LEAVES, output)
    close(function(**given), evaluate(output, given, sizes={"M": 2, "N": 3}), 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"][: examples(1, 2)])
def test_natively(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All definitions in one program, with several sizes and no recompilation."""
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")
    outputs = {name: make() for name, make in DEFINITIONS.items()}
    function = codegen.function(LEAVES, outputs, dtype)
    for rows, columns in ((5, 3), (1, 1), (33, 17)):
        given = values(rows, columns, seed=rows)
        typed = {name: v.astype(dtype) if v.dtype == np.float64 else v for name, v in given.items()}
        expected = evaluate(list(outputs.values()), typed, sizes={"M": columns, "N": rows})
        found = function(**typed)
        for (name, actual), wanted in zip(found.items(), expected, strict=True):
            tolerance = 1e-11 if dtype == "float64" else 2e-4
            np.testing.assert_allclose(actual, wanted, rtol=tolerance, atol=tolerance, err_msg=name)


USER_NAMES = [
    "I",
    "E",
    "S",
    "N_",
    "Q",
    "O",
    "pi",
    "gamma",
    "beta",
    "lambda",
    "W_{1}",
    "0.weight",
    "λ",
    "for",
    "real",
    "exp",
    "thread",
]


def test_names_of_users() -> None:
    rows = sg.dim("rows")
    leaves = [sg.input(name, (rows, 2)) for name in USER_NAMES]
    total = leaves[0]
    for leaf in leaves[1:]:
        total = total + leaf * 2
    function = codegen.function(leaves, total)
    given = {name: np.full((3, 2), float(position)) for position, name in enumerate(USER_NAMES)}
    close(function(**given), sum(given.values()) * 2 - given["I"], 1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tanh_of_a_softplus_is_right_to_a_few_ulp(dtype: str) -> None:
    """By one exponential and no logarithm, from where it is subnormal to where it is 1."""
    function = codegen.function(x, sg.tanh(sg.softplus(x)), dtype)
    at = np.concatenate([np.linspace(-85, 45, 3 * 7 * 40), [0, -np.inf, np.inf] * 7]).reshape(-1, 7).astype(dtype)
    with mpmath.workdps(40):
        exact = [mpmath.tanh(mpmath.log1p(mpmath.exp(mpmath.mpf(float(v))))) for v in at.ravel()]
        errors = [
            abs(mpmath.mpf(float(v)) - e) / max(e, mpmath.mpf("1e-300"))
            for v, e in zip(function(at).ravel(), exact, strict=True)
        ]
    assert max(errors) <= 3 * np.finfo(dtype).eps


SHIFTED = {
    "mish of x − 60": lambda: sg.mish(x - 60),
    "mish of x + 45": lambda: sg.mish(x + 45),
    "a large coefficient": lambda: sg.elementwise(sp.tanh(sp.log(1 + 10**20 * sp.exp(u))), u)(x),
    "a small coefficient": lambda: sg.elementwise(sp.tanh(sp.log(1 + sp.exp(u) / 10**30)), u)(x),
    "another value": lambda: sg.tanh(sg.log(1 + y**2 * sg.exp(x))),
    "two powers": lambda: sg.elementwise((sp.exp(u) - 3) / (sp.exp(2 * u) + 5), u)(x),
}  # fmt: skip


@pytest.mark.parametrize("name", SHIFTED)
def test_rational_functions_of_an_exponential_far_from_zero(name: str) -> None:
    at = np.array([-45.0, 0, 1, 50, 60, 70, 85]).astype(np.float32)[None]
    given = {"x": at, "y": np.float32(2) ** np.arange(-3, 4, dtype=np.float32)[None]}
    output = SHIFTED[name]()
    expected = evaluate(output, {k: v.astype(np.float64) for k, v in given.items()}, sizes={"N": 1})
    found = codegen.function([x, y], output)(**given)
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=1e-18)


n, h, p, j, k = sg.indices("n h p j k")
Q = sg.input("Q", (N, 11))
f, g, stack = sg.parameter("f", (3, 2)), sg.parameter("g", (2, 11)), sg.parameter("stack", (11, 4, 5))
R = sg.input("R", (N, 11, 4))
strided = sg.define((n, p, j, k), Q[n, 2 * p + k] * f[k, j], shape=(N, 5, 2, 3))
across = sg.define((n, j, k), Q[n, k] * g[j, k])
inner = sg.define((n, h, j), sg.Sum(R[n, h, k] * stack[h, k, j], k))
LIKE_PRODUCTS = {
    "strided rows": (lambda: sg.sum(strided, axis=-1), lambda v: np.einsum("npk,kj->npj", v["windows"], v["f"])),
    "columns not last": (lambda: sg.sum(across, axis=-1), lambda v: v["Q"] @ v["g"].T),
    "rows before the batch": (lambda: sg.tanh(inner), lambda v: np.tanh(np.einsum("nhk,hkj->nhj", v["R"], v["stack"]))),
}  # fmt: skip


@pytest.mark.parametrize("name", LIKE_PRODUCTS)
def test_sums_that_are_like_matrix_products(name: str) -> None:
    output, expected = LIKE_PRODUCTS[name]
    random = np.random.default_rng(0)
    values = {leaf.name: random.normal(size=leaf.shape) for leaf in (f, g, stack)}
    values |= {"Q": random.normal(size=(70, 11)), "R": random.normal(size=(70, 11, 4))}
    found = codegen.function([Q, R, f, g, stack], output())(**values)
    values["windows"] = np.lib.stride_tricks.sliding_window_view(values["Q"], 3, axis=1)[:, ::2]
    np.testing.assert_allclose(found, expected(values), rtol=1e-12, atol=1e-12)
