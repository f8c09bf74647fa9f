"""Gradients of gathers: every term is added in its place, in order, whatever the number of threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor

N, M = sg.dim("N"), sg.dim("M")
V, D, ROWS, COLUMNS = 7, 3, 11, 2
n, m, d, v = sg.indices("n m d v")
E = sg.parameter("E", (V, D))
t, s = sg.labels("t", (N,), classes=V), sg.labels("s", (N,), classes=V)
a, u = sg.labels("a", (N,), classes=D), sg.labels("u", (N, M), classes=V)
w, w2, wide = sg.input("w", (N,)), sg.input("w2", (N, D)), sg.input("wide", (N, M, D))

Arrays = dict[str, np.ndarray]


def values() -> Arrays:
    random = np.random.default_rng(3)
    drawn = {x.name: random.integers(0, int(x.classes), _shape(x)) for x in (t, s, a, u)}
    return drawn | {str(x.name): random.normal(size=_shape(x)) for x in (E, w, w2, wide)}


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(int(size.subs({N: ROWS, M: COLUMNS})) for size in x.shape)


def added(*places: tuple[tuple[np.ndarray, ...], np.ndarray]) -> np.ndarray:
    result = np.zeros((V, D))
    for index, terms in places:
        np.add.at(result, index, terms)
    return result


CASES: dict[str, tuple[Callable[[], Tensor], Callable[[Arrays], np.ndarray]]] = {
    "rows": (lambda: sg.define((n, d), E[t[n], d] * w2[n, d]), lambda x: added(((x["t"],), x["w2"]))),
    "elements": (lambda: sg.define((n,), E[t[n], a[n]] * w[n]), lambda x: added(((x["t"], x["a"]), x["w"]))),
    "columns": (
        lambda: sg.define((n, v), E[v, a[n]] * w[n]),
        lambda x: np.repeat(added(((np.zeros(ROWS, int), x["a"]), x["w"]))[:1], V, axis=0),
    ),
    "labels of two axes": (
        lambda: sg.define((n, m, d), E[u[n, m], d] * wide[n, m, d]),
        lambda x: added(((x["u"],), x["wide"])),
    ),
    "labels of labels' rows": (lambda: sg.define((n, m, d), E[u[n, m], d] * E[t[n], d]), lambda x: products(x)),
    "below a function": (
        lambda: sg.define((n, d), sp.sin(E[t[n], d] * E[s[n], d])),
        lambda x: sines(x["E"], x["t"], x["s"]),
    ),
    "twice the same row": (
        lambda: sg.define((n, d), E[t[n], d] * E[t[n], d] * w[n]),
        lambda x: added(((x["t"],), 2 * x["E"][x["t"]] * x["w"][:, None])),
    ),
    "both kinds": (
        lambda: sg.define((n, d), E[t[n], d] * E[v, d].xreplace({v: sp.Integer(2)}) * w[n]),
        lambda x: added(
            ((x["t"],), x["E"][2] * x["w"][:, None]), ((np.full(ROWS, 2),), x["E"][x["t"]] * x["w"][:, None])
        ),
    ),
}


def products(x: Arrays) -> np.ndarray:
    first, second = x["E"][x["u"]], x["E"][x["t"]][:, None]
    return added(((x["u"],), np.broadcast_to(second, first.shape)), ((x["t"],), first.sum(axis=1)))


def sines(table: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    left, right = table[one], table[other]
    slope = np.cos(left * right)
    return added(((one,), slope * right), ((other,), slope * left))


def check_gradient(name: str) -> None:
    """∂Σ f(E[t[n], …])/∂E is NumPy's ``add.at``."""
    make, oracle = CASES[name]
    given = values()
    leaves = [E, t, s, a, u, w, w2, wide]
    found = codegen.function(leaves, sg.grad(sg.sum(make()), E))(*(given[str(leaf.name)] for leaf in leaves))
    np.testing.assert_allclose(found, oracle(given), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name: str) -> None:
    check_gradient(name)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms of a row are added in the order of the examples, by the one thread that owns the row."""
    monkeypatch.setenv("SYMGRAPH_THREADS", str(threads))
    random = np.random.default_rng(0)
    table, weights = sg.parameter("table", (3000, 130)), sg.input("weights", (N, 130))
    words = sg.labels("words", (N,), classes=3000)
    J = sg.sum(sg.define((n, d), table[words[n], d] * weights[n, d]))
    ids, rows = random.integers(0, 9, 500) * 370, random.normal(size=(500, 130)).astype(np.float32)
    expected = np.zeros((3000, 130), np.float32)
    for word, row in zip(ids, rows, strict=True):
        expected[word] += row
    np.testing.assert_array_equal(codegen.function([words, weights], sg.grad(J, table))(ids, rows), expected)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", CASES)
def test_gradient_in_plain_python(name: str) -> None:
    check_gradient(name)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("optimizer", [sg.SGD(lr=0.1), sg.SGD(lr=0.1, momentum=0.9), sg.Adam(lr=0.1)])
def test_an_embedding_is_trained(optimizer: sg.optimisers.Optimizer) -> None:
    """A step on rows that labels pick is the step on the product with their one-hot rows."""
    hot = sg.input("hot", (N, V))
    picked = sg.sum((sg.define((n, d), E[t[n], d]) - w2) ** 2)
    multiplied = sg.sum((hot @ E - w2) ** 2)
    given = values()
    steps = [codegen.train_step(loss, optimizer, dtype="float64") for loss in (picked, multiplied)]
    tables = [{"E": given["E"].copy()} for _ in steps]
    for _ in range(4):
        steps[0](tables[0], t=given["t"], w2=given["w2"])
        steps[1](tables[1], hot=np.eye(V)[given["t"]], w2=given["w2"])
    np.testing.assert_allclose(tables[0]["E"], tables[1]["E"], rtol=1e-10)


def test_work_grows_with_the_rows_that_are_touched() -> None:
    """No one-hot matrix, and no product of its size: operations are those of N rows, whatever the table."""
    table = sg.parameter("table", (20000, 64))
    words, weights = sg.labels("words", (N,), classes=20000), sg.input("weights", (N, 64))
    J = sg.sum(sg.define((n, d), table[words[n], d] * weights[n, d]))
    gradient = codegen.function([words, weights], sg.grad(J, table))
    ids, rows = np.array([5, 19999, 5]), np.ones((3, 64), np.float32)
    expected = np.zeros((20000, 64), np.float32)
    np.add.at(expected, ids, rows)
    np.testing.assert_array_equal(gradient(ids, rows), expected)
    assert "64·N operations" in gradient.source and "N*20000" not in gradient.source


def test_sgd_touches_the_rows_that_are_read_and_no_others() -> None:
    """W ← W − η·(a sum of rows): each term is taken off in its place, by the thread that owns the row."""
    table, words = sg.parameter("table", (300, 5)), sg.labels("words", (N, 4), classes=300)
    J = sg.sum(sg.mean(sg.embedding(words, table), axis=1) ** 2)
    ids = np.random.default_rng(0).integers(0, 40, (60, 4)) * 7
    start = np.random.default_rng(1).normal(size=(300, 5))
    bag, expected = start[ids].mean(1), start.copy()
    np.subtract.at(expected, ids, 0.1 * np.broadcast_to(bag[:, None] / 2, (*ids.shape, 5)))
    found = []
    for threads in (1, 2):
        step = codegen.train_step(J, sg.SGD(lr=0.1), dtype="float64", threads=threads)
        found.append({"table": start.copy()})
        step(found[-1], words=ids)
        kernel = step.source.split("def update_table")[1].split("def ")[0]
        assert "table[" in kernel and "d_table" not in step.source and "range(300" not in kernel
    np.testing.assert_allclose(found[0]["table"], expected, rtol=1e-13)
    np.testing.assert_array_equal(found[0]["table"], found[1]["table"])


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("what", ["momentum", "decay", "a cost of the table", "its gradient is returned"])
def test_an_update_is_dense_where_its_formula_moves_other_rows(what: str) -> None:
    table, words = sg.parameter("table", (6, 2)), sg.labels("words", (N,), classes=6)
    J = sg.sum(sg.embedding(words, table) ** 2) + (sg.sum(table**2) if what == "a cost of the table" else 0)
    options = {"momentum": {"momentum": 0.9}, "decay": {"weight_decay": 0.1}}.get(what, {})
    outputs = {"slope": sg.grad(J, table)} if what.startswith("its") else None
    step = codegen.train_step(J, sg.SGD(lr=0.1, **options), dtype="float64", outputs=outputs)
    parameters = {"table": np.ones((6, 2))}
    step(parameters, words=np.array([1, 4, 1]))
    slope = 2.0 * np.array([0, 2, 0, 0, 1, 0])[:, None] + {"decay": 0.1, "a cost of the table": 2}.get(what, 0)
    np.testing.assert_allclose(parameters["table"], np.broadcast_to(1 - 0.1 * slope, (6, 2)), rtol=1e-13)
    assert "# table[" in step.source and "] += " not in step.source.split("# table[")[1].splitlines()[0]
