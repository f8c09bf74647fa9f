"""Random numbers: Random123's known answers, what programs draw, distributions, and dropout in both modes."""

from __future__ import annotations

import math
import pickle
import re
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.threefry import threefry
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.reference import evaluate

N = sg.dim("N")
KNOWN = [  # Random123's kat_vectors: threefry2x32, 20 rounds: counter, key, answer
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_threefry_gives_the_known_answers(counter: Any, key: Any, answer: Any) -> None:
    assert threefry(key, counter) == answer
    as_arrays = [np.array([word], np.uint64) for word in (*key, *counter)]
    assert tuple(int(word[0]) for word in threefry(tuple(as_arrays[:2]), tuple(as_arrays[2:]))) == answer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_native_numbers_are_those_of_the_words(dtype: str) -> None:
    """By Random123's words alone: the places 0 and 2³² − 1 of the known counters, natively."""
    from codegen.native.compile import compile_entry, load_entry
    from codegen.native.kernels import pointer, uniform

    kind = getattr(np, dtype)

    def entry(packed: int) -> None:
        words = pointer(packed, np.int64, 13)
        out = pointer(words[0], kind, 3)
        for i in range(3):
            at = 1 + 4 * i
            out[i] = uniform(kind(1), words[at], words[at + 1], words[at + 2], words[at + 3], 0)

    found = np.zeros(3, kind)
    rows = [(*key, counter[1], counter[0]) for counter, key, _ in KNOWN]
    packed = np.array([found.ctypes.data, *(word for row in rows for word in row)], np.int64)
    load_entry(compile_entry(entry))(packed.ctypes.data)
    bits = 23 if dtype == "float32" else 52
    words = [((first << 32 | second) >> (64 - bits), bits) for _, _, (first, second) in KNOWN]
    assert found.tolist() == [(2 * word + 1) / 2 ** (k + 1) for word, k in words]


def test_numbers_agree_with_jax_bit_by_bit() -> None:
    prng = pytest.importorskip("jax.extend.random")
    key, counter = np.array([7, 9], np.uint32), np.arange(64, dtype=np.uint32)
    theirs = np.asarray(prng.threefry_2x32(key, counter)).astype(np.uint64)
    ours = threefry((np.uint64(7), np.uint64(9)), (np.arange(32, dtype=np.uint64), np.arange(32, 64, dtype=np.uint64)))
    assert np.array_equal(np.concatenate(ours), theirs)


def network(p: Any = 0.25) -> tuple[Any, Any, Any]:
    x, t = sg.input("x", (N, 8)), sg.labels("t", (N,), classes=3)
    W, V = sg.parameter("W", (8, 16), init=sg.init.normal(0.3)), sg.parameter("V", (16, 3), init=sg.init.normal(0.3))
    h = sg.dropout(sg.dropout(sg.relu(x @ W), p), 0.5)
    return x, h, sg.cross_entropy(h @ V, t)


def data(rows: int = 40) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {"x": rng.normal(size=(rows, 8)), "t": rng.integers(0, 3, rows)}


@pytest.fixture
def plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")


@pytest.mark.usefixtures("plain_python")
def test_steps_draw_what_the_reference_draws() -> None:
    _, _, J = network()
    step = codegen.train_step(J, sg.SGD(lr=0.1), dtype="float64", key=3)
    params, batch, trained = step.init(0), data(5), sg.mode(J, "train")
    for number in range(3):
        values = {**params, **batch, "random_key": 3, "random_step": number}
        expected = evaluate([trained, sg.grad(trained, [leaf for leaf in step.parameters])["W"]], values)
        before = params["W"].copy()
        assert step(params, **batch) == pytest.approx(float(expected[0]), rel=1e-12)
        np.testing.assert_allclose(before - params["W"], 0.1 * expected[1], atol=1e-12)
    assert step.state["random_step"] == 3


def test_a_run_resumes_exactly_and_threads_change_nothing() -> None:
    x, w = sg.input("x", (N, 300)), sg.parameter("w", (300,), init=sg.init.ones())
    J = sg.sum(sg.dropout(x * w, 0.5) ** 2) / N
    batch = {"x": np.random.default_rng(0).normal(size=(4000, 300))}
    whole, other = (codegen.train_step(J, sg.SGD(), "float64", key=5, threads=threads) for threads in (2, 1))
    params, same = whole.init(0), other.init(0)
    first = evaluate(sg.mode(J, "train"), {**params, **batch, "random_key": 5})
    losses = [whole(params, **batch) for _ in range(4)]
    assert losses[0] == pytest.approx(float(first), rel=1e-12)
    assert [other(same, **batch) for _ in range(2)] == losses[:2]
    other.reset()
    other.state["random_step"] = 2
    assert [other(same, **batch) for _ in range(2)] == losses[2:]
    assert np.array_equal(params["w"], same["w"])
    assert len(set(losses)) == 4
    other.hyper["random_key"] = 6
    other.reset()
    assert other(other.init(0), **batch) != losses[0]


@pytest.mark.usefixtures("plain")
def test_what_dropout_keeps_tells_where_its_derivative_is_not_zero() -> None:
    """2·max(0, z) where u ≥ ½ is positive just where both hold: u is drawn once, and z is not stored."""
    x, w, v = sg.input("x", (6, 5)), sg.parameter("w", (5, 4)), sg.input("v", (4, 3))
    kept = sg.nn.Dropout(0.5)(sg.relu(x @ w))
    step = codegen.train_step(sg.sum(sg.sin(kept @ v)), sg.SGD(lr=0.1), "float64", key=3)
    assert step.source.count("uniform(") == 1
    random = np.random.default_rng(1)
    batch = {"x": random.normal(size=(6, 5)), "v": random.normal(size=(4, 3))}
    params = {"w": random.normal(size=(5, 4))}
    z = batch["x"] @ params["w"]
    u = codegen.function([], sg.random.uniform((6, 4)), key=3)()
    mask = 2 * ((u >= 0.5) & (z > 0))
    slope = batch["x"].T @ (mask * (np.cos((mask * z) @ batch["v"]) @ batch["v"].T))
    expected = params["w"] - 0.1 * slope
    step(params, **batch)
    np.testing.assert_allclose(params["w"], expected, rtol=1e-12)


def test_a_mask_after_a_batch_norm_is_asked_of_the_value_that_is_kept() -> None:
    """And not of all that the maximum's argument is made of, with random numbers that are kept for that."""
    x, t = sg.input("x", (sg.dim("N"), 8)), sg.labels("t", (sg.dim("N"),), classes=4)
    layers = [sg.nn.Linear(8, 16), sg.nn.BatchNorm1d(16), sg.nn.ReLU(), sg.nn.Dropout(0.5), sg.nn.Linear(16, 4)]
    net = sg.nn.Sequential(*layers)
    step = codegen.train_step(sg.cross_entropy(net(x), t), sg.SGD(lr=0.01), key=0, updates=net.updates())
    assert "if Uniform(" in step.source and " = Uniform(" not in step.source


def test_streams_follow_the_order_of_declaration_or_what_is_told() -> None:
    def drawn(*made: Any) -> list[Any]:
        return evaluate(list(made), {"random_key": 1})

    a, b = sg.random.uniform((50,)), sg.random.uniform((50,))
    first, second = drawn(a, b)
    assert not np.array_equal(first, second)
    for _ in range(3):
        sg.random.uniform((50,))  # what was made before does not matter
    c, d = sg.random.uniform((50,)), sg.random.uniform((50,))
    assert all(map(np.array_equal, drawn(d, c), (second, first)))
    told = drawn(sg.random.uniform((50,), stream=4), sg.random.uniform((50,), stream=4))
    assert np.array_equal(*told)
    assert not np.array_equal(told[0], first)
    rows = drawn(sg.random.uniform((50, 3), stream=0), sg.random.uniform((7, 3), stream=0))
    assert np.array_equal(rows[0][:7], rows[1])  # a number depends on its place, not on how many there are


@pytest.mark.usefixtures("plain_python")
@pytest.mark.usefixtures("plain")
def test_one_number_is_the_first_of_several() -> None:
    of = sg.random
    pairs = [(draw((), stream=7), draw((3,), stream=7)) for draw in (of.normal, of.logistic, of.laplace, of.gumbel)]
    found = codegen.function([], pairs, key=0)()
    assert all(one == several[0] for one, several in found)


def test_functions_take_the_step_and_evaluate_unless_told() -> None:
    x, h, _ = network()
    W = next(leaf for leaf in sg.mode(h, "evaluate").free_symbols if getattr(leaf, "name", "") == "W")
    batch, w = data(6)["x"], np.random.default_rng(0).normal(size=(8, 16))
    plain = codegen.function([x, W], h)
    np.testing.assert_allclose(plain(batch, w), np.maximum(batch @ w, 0), rtol=1e-12)
    noisy = codegen.function([x, W], h, key=2, mode="train")
    assert np.array_equal(noisy(batch, w), noisy(batch, w))
    assert not np.array_equal(noisy(batch, w), noisy(batch, w, random_step=1))
    assert not np.array_equal(noisy(batch, w), noisy(batch, w, random_key=3))
    copied = pickle.loads(pickle.dumps(noisy))
    assert np.array_equal(noisy(batch, w), copied(batch, w))


def normal_cdf(x: Any) -> Any:
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.ravel()])


CDF = {
    "uniform": lambda x: x.ravel(),
    "normal": normal_cdf,
    "exponential": lambda x: 1 - np.exp(-x.ravel()),
    "laplace": lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)) / 2, 1 - np.exp(-np.abs(x)) / 2).ravel(),
    "logistic": lambda x: 1 / (1 + np.exp(-x.ravel())),
    "gumbel": lambda x: np.exp(-np.exp(-x.ravel())),
    "cauchy": lambda x: 0.5 + np.arctan(x.ravel()) / np.pi,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions_fit_by_kolmogorov_and_smirnov(dtype: str) -> None:
    """√n·D stays below 1.95, which one sample of a thousand exceeds; all rows in one program."""
    count = 20000
    made = [getattr(sg.random, name)((count,)) for name in CDF]
    if dtype == "float32":
        values = codegen.function([], made, dtype=dtype, key=11)()
    else:
        values = evaluate(made, {"random_key": 11})
    uniforms = []
    for name, numbers in zip(CDF, values, strict=True):
        assert np.isfinite(numbers).all(), name
        uniforms.append(CDF[name](numbers.astype(np.float64)))
        places = np.sort(uniforms[-1])
        steps = np.arange(count + 1) / count
        distance = max(np.abs(places - steps[1:]).max(), np.abs(places - steps[:-1]).max())
        assert math.sqrt(count) * distance < 1.95, name
    correlation = np.corrcoef(uniforms) - np.eye(len(CDF))
    assert np.abs(correlation).max() < 4.5 / math.sqrt(count)  # streams are independent of each other
    neighbours = np.corrcoef(uniforms[0][:-1], uniforms[0][1:])[0, 1]
    assert abs(neighbours) < 4.5 / math.sqrt(count)


def test_parameters_of_distributions_have_derivatives() -> None:
    mean, std = sg.input("mean", (N, 2)), sg.input("std", (N, 2))
    z = sg.random.normal((N, 2), mean, std)
    L = sg.sum(z**2)
    values = {"mean": np.arange(6.0).reshape(3, 2), "std": np.full((3, 2), 0.5), "random_key": 1}
    got = evaluate([z, *sg.grad(L, [mean, std]).values()], values)
    noise = (got[0] - values["mean"]) / 0.5
    np.testing.assert_allclose(got[1], 2 * got[0])
    np.testing.assert_allclose(got[2], 2 * got[0] * noise)
    assert np.std(noise) > 0.1
    assert "z" in str(sg.grad(L, std))


def test_what_networks_do() -> None:
    x = sg.input("x", (N, 4, 50))
    logits = sg.input("logits", (N, 3))
    made = {
        "drop": sg.dropout(x, 0.2),
        "rows": sg.random.dropout1d(x, 0.5),
        "none": sg.dropout(x, 0),
        "all": sg.dropout(x, 1.0),
        "alpha": sg.random.alpha_dropout(x, 0.3),
        "channels": sg.random.feature_alpha_dropout(x, 0.3),
        "noise": sg.random.gaussian_noise(x, 0.1),
        "leaky": sg.random.rrelu(-sg.abs(x)),
        "soft": sg.random.gumbel_softmax(logits, 0.5),
        "class": sg.random.categorical(logits),
        "coin": sg.random.bernoulli(0.3, (N, 4, 50)),
    }
    values = {"x": np.random.default_rng(0).normal(size=(60, 4, 50)), "random_key": 4}
    probabilities = np.array([0.2, 0.5, 0.3])
    values["logits"] = np.tile(np.log(probabilities), (60, 1))
    got = dict(zip(made, evaluate([sg.mode(each, "train") for each in made.values()], values), strict=True))
    a = values["x"]
    kept = got["drop"] != 0
    np.testing.assert_allclose(got["drop"][kept], a[kept] / 0.8)
    assert abs(kept.mean() - 0.8) < 4.5 * 0.4 / math.sqrt(a.size)
    whole = (got["rows"] != 0).mean(axis=2)
    assert set(np.unique(whole)) == {0.0, 1.0}
    assert np.array_equal(got["none"], a)
    assert not got["all"].any()
    assert abs(got["alpha"].mean()) < 0.05
    assert abs(got["alpha"].std() - 1) < 0.05
    fate = np.ptp(got["channels"], axis=2) == 0
    assert abs(fate.mean() - 0.3) < 4.5 * 0.46 / math.sqrt(fate.size) and np.unique(got["channels"][fate]).size == 1
    assert abs((got["noise"] - a).std() - 0.1) < 0.003
    slope = got["leaky"] / -np.abs(a)
    assert 1 / 8 <= slope.min() < 0.13
    assert 0.33 < slope.max() <= 1 / 3
    np.testing.assert_allclose(got["soft"].sum(axis=1), 1)
    assert len(set(got["class"].tolist())) == 3
    assert abs(got["coin"].mean() - 0.3) < 4.5 * 0.46 / math.sqrt(a.size)
    plain = evaluate([sg.mode(made[name], "evaluate") for name in ("drop", "alpha", "noise", "leaky")], values)
    np.testing.assert_allclose(plain[3], -np.abs(a) * (1 / 8 + 1 / 3) / 2)
    assert all(np.array_equal(value, a) for value in plain[:3])


def test_what_is_printed() -> None:
    h = sg.input("h", (N, 3))
    p = sp.Symbol("p")
    y = sg.dropout(h, p)
    assert str(sg.mode(y, "train")) == "y[n, i] = {h[n, i]/(1 − p) if u[n, i] ≥ p, else 0}"
    assert sg.mode(y, "evaluate") is h
    loss = sg.sum(sg.mode(y, "train") ** 2)
    assert "random: u (N, 3) ~ U(0, 1)" in str(sg.explain(loss, wrt=[h]))


def test_wrong_use_is_an_error() -> None:
    x, h, J = network()
    wrong: list[tuple[Any, Any, str]] = [
        (DomainError, lambda: sg.dropout(x, 1.5), r"dropout: p must lie in \[0, 1\], not 1.5"),
        (DomainError, lambda: sg.random.bernoulli(-0.1, (3,)), r"p must lie in \[0, 1\], not -0.1"),
        (DomainError, lambda: sg.random.normal((3,), 0, -1), "std must be at least 0, not -1"),
        (DomainError, lambda: sg.random.uniform((3,), stream=-1), "a stream must be an integer"),
        (DomainError, lambda: sg.dropout(x, 0.5, shared=(2,)), "x has 2 axes, and none of number 2"),
        (ShapeError, lambda: sg.random.dropout2d(x), "dropout2d needs 4 axes"),
        (ShapeError, lambda: sg.random.normal((3,), x), "do not broadcast"),
        (ShapeError, lambda: sg.random.normal((8,), x), "parameters of a wider shape"),
        (ArgumentError, lambda: codegen.train_step(J), r"pass a key, train_step\(…, key=0\)"),
        (ArgumentError, lambda: codegen.train_step(J, key=2**32), "key must be an integer of 0"),
        (ArgumentError, lambda: codegen.function([x], sg.random.uniform((3,))), r"function\(…, key=0\)"),
        (ArgumentError, lambda: sg.mode(h, "test"), 'mode must be "train" or "evaluate"'),
    ]
    for kind, attempt, message in wrong:
        with pytest.raises(kind, match=message) as caught:
            attempt()
        assert re.search(message, str(caught.value).splitlines()[0])  # the line that is shown has the pattern too


@pytest.mark.usefixtures("plain")
def test_validation_of_what_is_random_in_use_too() -> None:
    """As a variational autoencoder is: every epoch with the numbers of step 0, so that epochs can be compared."""
    x, w = sg.input("x", (N, 2)), sg.parameter("w", (2,))
    loss = sg.mean((x * w + sg.random.normal((N, 2))) ** 2)
    step = codegen.train_step(loss, sg.SGD(0.1), "float64", key=5)
    params, rows = step.init(), np.arange(8.0).reshape(4, 2)
    history = step.fit(params, {"x": rows}, epochs=2, validation={"x": rows[:3]})
    expected = evaluate(loss, {**params, "x": rows[:3], "random_key": 5, "random_step": 0})
    np.testing.assert_allclose(history.validation[-1], expected, rtol=1e-12)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["random_key", "random_step"])
def test_a_call_takes_whole_keys_and_steps_in_their_range(name: str) -> None:
    drawn = codegen.function([], sg.random.uniform((3,)), key=0)
    for wrong in (-1, 1.5, 2**60, np.nan, np.inf, "1"):
        with pytest.raises(DomainError, match=f"{name} must be a finite number, at least 0, integer, below 2"):
            drawn(**{name: wrong})
    assert np.array_equal(drawn(**{name: np.array(0.0)}), drawn())
