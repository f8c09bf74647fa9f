"""Sums over several indices as products of matrices: convolutions, their gradients, batched products."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.plan.borders import surround_with_zeros
from codegen.plan.windows import window_of
from symgraph.core.graph import elements_of
from symgraph.reference import evaluate
from tests.sizes import LONG, examples
from tests.source import code_of

N = sg.dim("N")
n, o, p, q, c, u, v, k = sg.indices("n o p q c u v k")


def convolution(channels: int, maps: int, size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple:
    out = (size - dilation * (kernel - 1) - 1) // stride + 1
    x = sg.input("x", (N, channels, size, size))
    W = sg.parameter("W", (maps, channels, kernel, kernel))
    element = x[n, c, stride * p + dilation * u, stride * q + dilation * v]
    return x, W, sg.define((n, o, p, q), sg.Sum(element * W[o, c, u, v], c, u, v), shape=(N, maps, out, out))


def plain(x: np.ndarray, W: np.ndarray, stride: int, dilation: int, out: int) -> np.ndarray:
    y = np.zeros((len(x), len(W), out, out))
    for i in range(W.shape[2]):
        for j in range(W.shape[3]):
            rows = slice(dilation * i, dilation * i + stride * (out - 1) + 1, stride)
            columns = slice(dilation * j, dilation * j + stride * (out - 1) + 1, stride)
            y += np.einsum("ncpq,oc->nopq", x[:, :, rows, columns], W[:, :, i, j])
    return y


SHAPES = [
    (1, 6, 12, 5, 1, 1), (3, 4, 11, 3, 2, 1), (2, 5, 13, 3, 1, 2), (3, 2, 16, 4, 3, 2), (8, 16, 8, 1, 1, 1),
    (40, 3, 9, 3, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES[:: examples(3, 1)])
def test_convolution_and_both_of_its_gradients(shape: tuple) -> None:
    *_, stride, dilation = shape
    x, W, y = convolution(*shape)
    assert window_of(y.shape, y.definition, 1) is not None
    g = sg.input("g", y.shape)
    slopes = sg.grad(sg.sum(y * g), [x, W])
    function = codegen.function([x, W, g], [y, slopes[x], slopes[W]], "float64")
    assert "tile(" in function.source
    random = np.random.default_rng(1)
    given = [random.normal(size=(3, *map(int, t.shape[1:]))) for t in (x, y)]
    weights = random.normal(size=tuple(map(int, W.shape)))
    found, by_x, by_W = function(given[0], weights, given[1])
    expected = plain(given[0], weights, stride, dilation, int(y.shape[-1]))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    # the product is bilinear: each gradient is the transpose of the map, told by its inner products
    other_x, other_W = random.normal(size=given[0].shape), random.normal(size=weights.shape)
    shape_out = int(y.shape[-1])
    np.testing.assert_allclose(
        (by_x * other_x).sum(), (plain(other_x, weights, stride, dilation, shape_out) * given[1]).sum(), rtol=1e-11
    )
    np.testing.assert_allclose(
        (by_W * other_W).sum(), (plain(given[0], other_W, stride, dilation, shape_out) * given[1]).sum(), rtol=1e-11
    )


def test_results_do_not_depend_on_threads() -> None:
    *_, y = convolution(3, 8, 14, 3)
    step = {t: codegen.train_step(sg.mean(y**2), sg.SGD(lr=0.1), threads=t) for t in (1, 2)}
    data = np.random.default_rng(0).normal(size=(17, 3, 14, 14)).astype(np.float32)
    trained = {}
    for threads, one in step.items():
        trained[threads] = {"W": np.random.default_rng(2).normal(size=(8, 3, 3, 3)).astype(np.float32)}
        for _ in range(3):
            one(trained[threads], x=data)
    assert trained[1]["W"].tobytes() == trained[2]["W"].tobytes()


def test_padding_is_a_guard_of_the_copy() -> None:
    x = sg.input("x", (N, 2, 8, 8))
    W = sg.parameter("W", (6, 2, 3, 3))
    inside = (p + u >= 1) & (p + u <= 8) & (q + v >= 1) & (q + v <= 8)
    body = sp.Piecewise((x[n, c, p + u - 1, q + v - 1], inside), (0, True)) * W[o, c, u, v]
    y = sg.define((n, o, p, q), sg.Sum(body, c, u, v), shape=(N, 6, 8, 8))
    random = np.random.default_rng(3)
    given, weights = random.normal(size=(2, 2, 8, 8)), random.normal(size=(6, 2, 3, 3))
    padded = np.pad(given, ((0, 0), (0, 0), (1, 1), (1, 1)))
    function = codegen.function([x, W], y, "float64")
    np.testing.assert_allclose(function(given, weights), plain(padded, weights, 1, 1, 8), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"][: examples(1, 2)])
def test_grouped_and_batched_products(dtype: str) -> None:
    x = sg.input("x", (N, 2, 3, 9, 9))
    W = sg.parameter("W", (2, 4, 3, 3, 3))
    h = sg.indices("h")[0]
    grouped = sg.define(
        (n, h, o, p, q), sg.Sum(x[n, h, c, p + u, q + v] * W[h, o, c, u, v], c, u, v), shape=(N, 2, 4, 7, 7)
    )
    a, b = sg.input("a", (N, 2, 12, 4, 4)), sg.input("b", (N, 2, 4, 4, 12))
    batched = sg.define((n, h, p, q), sg.Sum(a[n, h, p, u, v] * b[n, h, u, v, q], u, v), shape=(N, 2, 12, 12))
    random = np.random.default_rng(4)
    shapes = ((3, 2, 3, 9, 9), (2, 4, 3, 3, 3), (3, 2, 12, 4, 4), (3, 2, 4, 4, 12))
    values = [random.normal(size=shape).astype(dtype) for shape in shapes]
    function = codegen.function([x, W, a, b], [grouped, batched], dtype)
    first, second = function(*values)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
    for group in range(2):
        expected = plain(values[0][:, group].astype(float), values[1][group].astype(float), 1, 1, 7)
        np.testing.assert_allclose(first[:, group], expected, **tolerance)
    np.testing.assert_allclose(second, np.einsum("nhpuv,nhuvq->nhpq", values[2], values[3]), **tolerance)


def test_a_chain_of_convolutions_against_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sg.input("x", (N, 1, 10, 10))
    W1, W2 = sg.parameter("W1", (4, 1, 3, 3)), sg.parameter("W2", (5, 4, 3, 3))
    h = sg.tanh(sg.define((n, o, p, q), sg.Sum(x[n, c, p + u, q + v] * W1[o, c, u, v], c, u, v), shape=(N, 4, 8, 8)))
    y = sg.define((n, o, p, q), sg.Sum(h[n, c, p + u, q + v] * W2[o, c, u, v], c, u, v), shape=(N, 5, 6, 6))
    loss = sg.mean(y**2)
    slopes = sg.grad(loss, [W1, W2])
    random = np.random.default_rng(5)
    shapes = {"x": (2, 1, 10, 10), "W1": (4, 1, 3, 3), "W2": (5, 4, 3, 3)}
    values = {name: random.normal(size=shape) for name, shape in shapes.items()}
    wanted = evaluate([loss, slopes[W1], slopes[W2]], values)
    for plainly in ("1", "")[: examples(1, 2)]:  # natively each of its products is tested alone
        monkeypatch.setenv("SYMGRAPH_PYTHON", plainly)
        found = codegen.function([x, W1, W2], [loss, slopes[W1], slopes[W2]], "float64")(*values.values())
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


LAST = {
    "straight": (x_last := sg.input("x", (N, 12, 9, 5)))[n, p + u, q + v, c],
    "copied": x_last[n, p // 3 + u, q + v, c],
}


@pytest.mark.parametrize("way", LAST)
def test_channels_may_be_last_in_a_user_s_own_layout(way: str) -> None:
    V = sg.parameter("V", (16, 5, 3, 3))
    y = sg.define((n, p, q, o), sg.Sum(LAST[way] * V[o, c, u, v], c, u, v), shape=(N, 10, 7, 16))
    function = codegen.function([x_last, V], y, "float64")
    assert f"window {way}" in str(function.report())
    random = np.random.default_rng(6)
    given, weights = random.normal(size=(3, 12, 9, 5)), random.normal(size=(16, 5, 3, 3))
    expected = np.zeros((3, 10, 7, 16))
    for i in range(3):
        for j in range(3):
            moved = given[:, np.arange(10) // (3 if way == "copied" else 1) + i]
            expected += np.einsum("npqc,oc->npqo", moved[:, :, j : j + 7], weights[:, :, i, j])
    np.testing.assert_allclose(function(given, weights), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("groups", [2, 4][: examples(1, 2)])
def test_grouped_convolutions_and_their_gradients_are_windows(groups: int) -> None:
    x, W = sg.input("x", (N, 16, 9, 9)), sg.parameter("W", (16, 16 // groups, 3, 3))
    y = sg.conv2d(x, W, groups=groups)
    g = sg.input("g", y.shape)
    slopes = sg.grad(sg.sum(y * g), [x, W])
    function = codegen.function([x, W, g], [y, slopes[x], slopes[W]], "float64")
    assert str(function.report()).count("lines at once") == 3
    assert "→" not in str(codegen.function([W, g], slopes[x]).report())  # written where it stays, not copied there
    random = np.random.default_rng(7)
    given = random.normal(size=(3, 16, 9, 9)), random.normal(size=tuple(map(int, W.shape)))
    above = random.normal(size=(3, 16, 7, 7))
    value, by_x, by_W = function(*given, above)
    wanted, dx, dW = np.zeros_like(above), np.zeros_like(given[0]), np.zeros_like(given[1])
    for o in range(16):
        first = o // (16 // groups) * (16 // groups)
        for c, i, j in np.ndindex(16 // groups, 3, 3):
            read = given[0][:, first + c, i : i + 7, j : j + 7]
            wanted[:, o] += read * given[1][o, c, i, j]
            dx[:, first + c, i : i + 7, j : j + 7] += above[:, o] * given[1][o, c, i, j]
            dW[o, c, i, j] = (read * above[:, o]).sum()
    for found, expected in ((value, wanted), (by_x, dx), (by_W, dW)):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


x_of = functools.partial(sg.input, "x")
VISITS: dict[str, Callable[[], tuple[list, object]]] = {
    "strided convolution": lambda: ([x := x_of((2, 8, 33, 33)), W := sg.parameter("W", (16, 8, 3, 3))],
                                    sg.conv2d(x, W, stride=2, padding=1)),
    "transposed convolution": lambda: ([x := x_of((2, 8, 16, 16)), W := sg.parameter("W", (8, 16, 4, 4))],
                                       sg.conv_transpose2d(x, W, stride=2, padding=1)),
    "grouped convolution": lambda: ([x := x_of((2, 8, 16, 16)), W := sg.parameter("W", (16, 2, 3, 3))],
                                    sg.conv2d(x, W, groups=4)),
    "average of windows that overlap": lambda: ([x := x_of((2, 8, 33, 33))], sg.avg_pool2d(x, 3, stride=2)),
    "maximum of windows that overlap": lambda: ([x := x_of((2, 8, 33, 33))], sg.max_pool2d(x, 3, stride=2)),
    "repeat": lambda: ([x := x_of((64, 40))], sg.sin(sg.repeat(x, 5, axis=1))),
    "tile": lambda: ([x := x_of((64, 40))], sg.sin(sg.tile(x, (1, 5)))),
}  # fmt: skip


@pytest.mark.parametrize("name", VISITS if LONG else [name for name in VISITS if "overlap" in name])
def test_a_gradient_visits_no_more_than_the_value_did(name: str) -> None:
    leaves, y = VISITS[name]()
    loss = sg.sum(y**2)
    value = codegen.function(leaves, loss, "float32").report()
    both = codegen.function(leaves, [loss, *sg.grad(loss, leaves).values()], "float32").report()
    first, second = (sum(kernel.operations for kernel in report.kernels) for report in (value, both))
    assert second <= 5 * first


def test_the_gradient_of_a_strided_convolution_is_a_window_for_each_remainder() -> None:
    leaves, y = VISITS["strided convolution"]()
    function = codegen.function([leaves[1], g := sg.input("g", y.shape)], sg.grad(sg.sum(y * g), leaves[0]), "float64")
    assert str(function.report()).count("lines at once") == 4
    W, above = (np.random.default_rng(8).normal(size=tuple(map(int, t.shape))) for t in (leaves[1], g))
    wanted = np.zeros((2, 8, 35, 35))
    for i, j in np.ndindex(3, 3):
        wanted[:, :, i : i + 33 : 2, j : j + 33 : 2] += np.einsum("nopq,oc->ncpq", above, W[:, :, i, j])
    np.testing.assert_allclose(function(W, above), wanted[:, :, 1:-1, 1:-1], rtol=1e-12, atol=1e-12)


def test_windows_of_remainders_are_products_where_channels_are_last_too() -> None:
    """Their weights are read at every second place, and lie in no row of channels: they are brought together."""
    x, W = sg.input("x", (N, 16, 28, 28)), sg.parameter("W", (32, 16, 3, 3))
    loss = sg.sum(sg.conv2d(x, W, stride=2, padding=1) ** 2)
    function = codegen.function([x, W], sg.grad(loss, x), "float32")
    assert str(function.report()).count("lines at once") == 5


def test_small_sums_stay_loops() -> None:
    *_, y = convolution(1, 1, 6, 3)
    assert window_of(y.shape, y.definition, 1) is None


def test_a_pooling_s_gradient_has_a_statement_for_each_remainder() -> None:
    x = sg.input("x", (N, 3, 8, 8))
    corners = [x[n, c, 2 * p + i, 2 * q + j] for i in range(2) for j in range(2)]
    average = sg.define((n, c, p, q), sum(corners) / 4, shape=(N, 3, 4, 4))
    slope = sg.grad(sg.sum(sg.exp(average)), x)
    function = codegen.function(x, slope, "float64")
    given = np.random.default_rng(6).normal(size=(2, 3, 8, 8))
    windows = given.reshape(2, 3, 4, 2, 4, 2)
    expected = np.broadcast_to(np.exp(windows.mean((3, 5), keepdims=True)) / 4, windows.shape).reshape(given.shape)
    np.testing.assert_allclose(function(given), expected, rtol=1e-12)
    code = code_of(function.source)
    assert "range(4)" in code and "% 2" not in code and "// 2" not in code


@pytest.mark.parametrize("shape", [(4, 6), (5, 7)], ids=str)
def test_the_largest_of_windows_and_the_first_that_is(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the definition, element by element: ties, NaN before and after the largest, places in no window."""
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    x, g = sg.input("x", (N, 1, *shape)), sg.input("g", (N, 1, shape[0] // 2, shape[1] // 2))
    largest = sg.max_pool(x, 2)
    slope = sg.grad(sg.sum(largest * g), x)
    function = codegen.function([x, g], [largest, slope], "float64")
    random = np.random.default_rng(3)
    given, weights = random.integers(0, 3, (40, 1, *shape)).astype(float), random.normal(size=(40, *g.shape[1:]))
    given[random.random(given.shape) < 0.1] = np.nan
    found, back = function(given, weights)
    expected = np.zeros_like(given)
    for n, p, q in np.ndindex(40, *weights.shape[2:]):
        window = given[n, 0, 2 * p : 2 * p + 2, 2 * q : 2 * q + 2]
        u, v = divmod(int(window.argmax()), 2)  # NumPy's argmax: the first, and a NaN before all
        expected[n, 0, 2 * p + u, 2 * q + v] = weights[n, 0, p, q]
        np.testing.assert_equal(found[n, 0, p, q], window[u, v])
    np.testing.assert_array_equal(back, expected)
    assert "int64" not in code_of(function.source).split("def run")[0].split("real =")[1]  # no places are stored


def test_an_image_s_gradient_reads_a_copy_with_a_border_of_zeros() -> None:
    x, W, y = convolution(4, 6, 9, 3)
    function = codegen.function([x, W], sg.grad(sg.sum(sg.exp(y)), x), "float64")
    code = code_of(function.source).split("def ")[-2]
    assert "bordered[" in code and " if " not in code


def test_small_windows_read_zeros_and_ask_nothing() -> None:
    """A depthwise convolution's gradient has its border around what it reads, as the padded image has it."""
    x, W = sg.parameter("x", (2, 3, 6, 7)), sg.parameter("W", (3, 1, 3, 3))
    g = sg.input("g", (2, 3, 6, 7))
    slopes = sg.grad(sg.sum(sg.conv2d(x, W, groups=3, padding=1) * g), [x, W])
    function = codegen.function([x, W, g], [slopes[x], slopes[W]], "float64")
    products = [line for line in code_of(function.source).splitlines() if "accumulate" in line]
    assert products and not any(" if " in line for line in products)
    random = np.random.default_rng(3)
    given = {t: random.normal(size=tuple(map(int, t.shape))) for t in (x, W, g)}
    around = [np.pad(given[t], ((0, 0), (0, 0), (1, 1), (1, 1))) for t in (x, g)]
    by_x, by_W = np.zeros(given[x].shape), np.zeros(given[W].shape)
    for i, j in np.ndindex(3, 3):
        by_x += around[1][:, :, 2 - i : 8 - i, 2 - j : 9 - j] * given[W][:, 0, i, j][:, None, None]
        by_W[:, 0, i, j] = (around[0][:, :, i : i + 6, j : j + 7] * given[g]).sum((0, 2, 3))
    for found, expected in zip(function(*given.values()), (by_x, by_W), strict=True):
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("long, size", [(200, 200), (8, 3)])
def test_what_is_long_or_would_grow_keeps_its_conditions(long: int, size: int) -> None:
    """Of a sum over all that came before, half of the terms are not there; a row of three is no row of ten."""
    a, b = sg.input("a", (size,)), sg.input("b", (long,))
    i, j = sg.indices("i j")
    is_there = (i - j >= 0) & (i - j < size)
    before = sg.define((i,), sg.Sum(sp.Piecewise((a[i - j] * b[j], is_there), (0, True)), (j, long)), shape=(size,))
    left = surround_with_zeros([before])[before]
    assert left.definition is not None and left.definition.body.has(sp.Piecewise)
    assert {element.tensor for element in elements_of(left.definition.body)} == {a, b}


OPTIONS: list[dict[str, int]] = [{"padding": 1}, {"padding": 1, "stride": 2}, {}, {"padding": 2, "dilation": 2}]


@pytest.mark.parametrize("options", OPTIONS[: examples(2, 4)], ids=str)
@pytest.mark.parametrize("known", [(None, None), (None, 9), (9, None)], ids=str)
def test_windows_of_sizes_known_at_run_time(known: tuple[int | None, int | None], options: dict[str, int]) -> None:
    """They go through the register tile as those of fixed sizes, in blocks of columns and of a long sum, and have their
    values."""

    def slopes(*sizes: sp.Expr | int) -> codegen.Function:
        x, W = sg.input("x", (N, 4, *sizes)), sg.parameter("W", (6, 4, 3, 3))
        y = sg.conv2d(x, W, **options)
        slopes = sg.grad(sg.sum(sg.exp(y / 20) * y), [x, W])
        return codegen.function([x, W], [y, slopes[x], slopes[W]], "float64")

    any_size = slopes(*(size or sg.dim(name) for size, name in zip(known, ("H", "L"), strict=True)))
    assert any_size.source.count("tile_row in") == 2 + options.get("stride", 1) ** 2
    random = np.random.default_rng(5)
    for sizes in [(5, 5), (9, 7), (40, 9), (9, 300)][:: examples(3, 1)]:
        sizes = tuple(b or a for a, b in zip(sizes, known, strict=True))
        given = random.normal(size=(3, 4, *sizes)), random.normal(size=(6, 4, 3, 3))
        for found, expected in zip(any_size(*given), slopes(*sizes)(*given), strict=True):
            assert np.allclose(found, expected, rtol=1e-11, atol=1e-11)


def _sum_over_parts(seed: int) -> tuple[list[sg.Tensor], list[np.ndarray], sg.Tensor, np.ndarray]:
    """A product of two arrays over axes of each of which it reads some places, from some on, in any order of axes, for
    each of those of a third; and what NumPy says of it."""
    random = np.random.default_rng(seed)
    depth, has_outer = int(random.integers(1, 4)), random.random() < 0.3
    letters = "abc"[:depth] + "o" * has_outer
    sizes = dict(zip(letters, random.integers(2, 7, len(letters)), strict=True))
    sizes |= {"i": random.integers(1, 20), "j": random.integers(1, 40)}
    index = {letter: sg.indices(letter, int(size))[0] for letter, size in sizes.items()}
    found = []
    for name, own in (("x", "i"), ("w", "j")):
        order = list(letters + own)
        if random.random() < 0.5:
            random.shuffle(order)
        more = {letter: int(random.integers(0, 3)) if random.random() < 0.5 else 0 for letter in order}
        first = {letter: int(random.integers(0, more[letter] + 1)) for letter in order}
        leaf = sg.input(name, tuple(int(sizes[letter]) + more[letter] for letter in order))
        values = random.normal(size=tuple(map(int, leaf.shape)))
        part = values[tuple(slice(first[letter], first[letter] + sizes[letter]) for letter in order)]
        found.append((leaf, values, leaf[tuple(index[letter] + first[letter] for letter in order)], part, order))
    (x, x_values, left, x_part, x_order), (w, w_values, right, w_part, w_order) = found
    free = "o" * has_outer + "ij"
    total = sg.define(tuple(map(index.get, free)), sg.Sum(left * right, *map(index.get, letters[:depth])))
    expected = np.einsum(f"{''.join(x_order)},{''.join(w_order)}->{free}", x_part, w_part)
    return [x, w], [x_values, w_values], total, expected


@pytest.mark.parametrize("seed", range(examples(12, 400)))
def test_sums_over_parts_of_axes(seed: int) -> None:
    """Two axes of which the second is read in part do not lie one after the other: rows beside it were added up."""
    leaves, values, total, expected = _sum_over_parts(seed)
    slopes = sg.grad(sg.sum(total**2), leaves)
    found, *by = codegen.function(leaves, [total, *(slopes[leaf] for leaf in leaves)], dtype="float64")(*values)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    for leaf, slope, at in zip(leaves, by, values, strict=True):  # J is quadratic in each: J = ∂J/∂x·x/2
        assert np.vdot(slope, at) == pytest.approx(2 * (expected**2).sum(), rel=1e-10), leaf


def test_a_sum_over_rows_whose_result_has_as_many_columns() -> None:
    """Whether the result is small was asked of 3·N elements, which nobody knows: a TypeError."""
    (n,), (k,), (i,), (j,) = sg.indices("n", N), sg.indices("k", 3), sg.indices("i", 3), sg.indices("j", N)
    x, z = sg.input("x", (N, 3, 3)), sg.input("z", (N, 3, N))
    found = codegen.function([x, z], sg.define((i, j), sg.Sum(x[n, k, i] * z[n, k, j], n, k)))
    values = [np.random.default_rng(0).normal(size=shape) for shape in ((5, 3, 3), (5, 3, 5))]
    np.testing.assert_allclose(found(*values), np.einsum("nki,nkj->ij", *values), rtol=1e-12)
