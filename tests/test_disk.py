"""Models on disk: whole or not at all, checked when read, and training that goes on as if it had not stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.errors import ArgumentError, DomainError, ShapeError, SymgraphError
from tests.sizes import examples

SUFFIXES = (".npz", ".safetensors")
N = sg.dim("N")
X = np.random.default_rng(0).normal(size=(23, 4)).astype(np.float32)
T = (X[:, 0] > 0).astype(np.int64)


@pytest.fixture(autouse=True, params=SUFFIXES)
def suffix(request: pytest.FixtureRequest) -> str:
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return request.param


@pytest.fixture
def path(tmp_path: Path, suffix: str) -> Path:
    return tmp_path / f"model{suffix}"


@pytest.fixture(scope="module")
def step() -> codegen.TrainStep:
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=2)
    W, b = sg.parameter("W", (4, 2), init=sg.init.normal(0.1)), sg.parameter("b", (2,))
    return codegen.train_step(sg.cross_entropy(x @ W + b, t), sg.Adam(0.05))


def same(left: Any, right: Any) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def test_a_run_that_is_resumed_equals_one_that_is_not(step: codegen.TrainStep, path: Path) -> None:
    data = {"x": X, "t": T}
    whole = step.init(0)
    history = step.fit(whole, data, epochs=6, batch_size=8, seed=3)
    state = {name: values.copy() for name, values in step.state.items()}

    params = step.init(0)

    def save(epoch: int, _: codegen.History) -> bool:
        codegen.save(path, params, step, epoch=epoch + 1, extra={"classes": ["no", "yes"]})
        return epoch == 2

    first = step.fit(params, data, epochs=6, batch_size=8, seed=3, callback=save)
    again = step.init(7)
    step.hyper["lr"] = 0.5
    saved = codegen.load(path, step, again)
    assert saved.epoch == 3 and saved.extra == {"classes": ["no", "yes"]} and step.hyper["lr"] == 0.05
    second = step.fit(again, data, epochs=6, batch_size=8, seed=3, initial_epoch=saved.epoch)
    assert same(again, whole) and same(step.state, state) and first.loss + second.loss == history.loss


@pytest.mark.usefixtures("plain")
def test_chance_and_statistics_are_resumed_too(path: Path) -> None:
    """Dropout draws what it would have drawn, and running statistics go on."""
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=2)
    net = sg.nn.Sequential(sg.nn.Linear(4, 3), sg.nn.BatchNorm1d(3), sg.nn.Dropout(0.5), sg.nn.Linear(3, 2))
    loss = sg.cross_entropy(net(x), t)
    step = codegen.train_step(loss, sg.SGD(0.1), key=5, updates=net.updates())
    data, whole = {"x": X, "t": T}, step.init(0)
    step.fit(whole, data, epochs=4, batch_size=8)
    params = step.init(0)
    history = step.fit(params, data, epochs=2, batch_size=8, validation=data)
    assert history.validation[0] != history.loss[0]  # without dropout
    codegen.save(path, params, step, epoch=2)
    again = step.init(3)
    codegen.load(path, step, again)
    step.fit(again, data, epochs=4, batch_size=8, initial_epoch=2)
    assert same(again, whole)


def test_what_a_file_says(step: codegen.TrainStep, path: Path) -> None:
    params = step.init(0)
    codegen.save(path, params, step)
    saved = codegen.load(path)
    assert same(saved.params, params) and saved.epoch is None and list(saved.state) == list(step.state)
    assert saved.declaration["optimizer"] == "Adam" and saved.declaration["dtype"] == "float32"
    assert saved.declaration["inputs"][1] == {"name": "t", "kind": "labels", "shape": ["N"], "classes": "2"}


def test_arrays_of_any_kind_and_name(path: Path) -> None:
    given = {"file": np.arange(3), "0.weight": np.asfortranarray(np.ones((2, 3))), "ω": np.array(2.5, np.float32),
             "none": np.zeros((0, 2)), "every other": np.arange(6.0)[::2], "mask": np.array([True, False])}  # fmt: skip
    codegen.save(path, given)
    found = codegen.load(path).params
    assert same(found, given) and all(found[name].dtype == given[name].dtype for name in given)
    target = {name: np.zeros_like(values) for name, values in given.items()}
    codegen.load(path, params=target)
    assert same(target, given)


def test_a_file_of_another_program(path: Path, suffix: str) -> None:
    if suffix == ".npz":
        np.savez(path, W=X)
    else:
        from safetensors.numpy import save_file

        save_file({"W": X}, path)
    np.testing.assert_array_equal(codegen.load(path).params["W"], X)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[held.index(X.tobytes()) + 17] ^= 4
    path.write_bytes(held)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (_cut, "no whole"),
    "a bit": (_flip, "damaged|no whole"),
    "nothing": (lambda path: path.write_bytes(b""), "no whole"),
    "text": (lambda path: path.write_text("print('evaluated')" * 9), "no whole"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found(name: str, path: Path) -> None:
    damage, message = DAMAGES[name]
    codegen.save(path, {"W": X})
    damage(path)
    target = {"W": np.zeros_like(X)}
    with pytest.raises(ArgumentError, match=message):
        codegen.load(path, params=target)
    assert not target["W"].any()


def test_bfloat16_of_another_program_is_read_as_float32(path: Path, suffix: str) -> None:
    """Which holds all of its numbers; NumPy has no such type."""
    pytest.importorskip("safetensors")
    numbers = np.array([[1.5, -2.0], [0.0, 3e38]], np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype("<u2")
    rows = {"b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "W": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [8, 16]}}  # fmt: skip
    head = json.dumps(rows).encode()
    place = path.with_suffix(".safetensors")
    place.write_bytes(len(head).to_bytes(8, "little") + head + numbers[0].tobytes() + halves.tobytes())
    found = codegen.load(place).params
    assert sorted(found) == ["W", "b"] and found["W"].dtype == np.float32
    np.testing.assert_array_equal(found["b"], numbers[0])
    np.testing.assert_allclose(found["W"], numbers, rtol=2**-8)
    np.testing.assert_array_equal(found["W"][0], numbers[0])



def test_pickled_objects_are_not_read(path: Path, suffix: str) -> None:
    if suffix == ".npz":
        np.savez(path, W=np.array([print], dtype=object))
        with pytest.raises(ArgumentError, match="no whole"):
            codegen.load(path)


def test_a_later_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegen.disk.files.VERSION", 2)
    codegen.save(path, {"W": X})
    monkeypatch.undo()
    with pytest.raises(ArgumentError, match="version 2; this symgraph reads version 1"):
        codegen.load(path)


MISFITS: dict[str, tuple[Callable[[dict[str, Any]], Any], type[SymgraphError], str]] = {
    "name": (lambda p: p.update(V=p.pop("W")), ArgumentError, "V"),
    "shape": (lambda p: p.update(W=np.zeros((4, 3), np.float32)), ShapeError, r"W has shape \(4, 3\); .* \(4, 2\)"),
    "dtype": (lambda p: p.update(W=p["W"].astype(float)), DomainError, "W has dtype float64; expected float32"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_another_model_changes_nothing(name: str, step: codegen.TrainStep, path: Path) -> None:
    spoil, error, message = MISFITS[name]
    params = step.init(0)
    before = {key: values.copy() for key, values in {**params, **step.state}.items()}
    other = dict(params)
    spoil(other)
    with pytest.raises(error, match=message):
        codegen.save(path, other, step)
    assert not path.exists()
    codegen.save(path, other)
    with pytest.raises(error, match=message):
        codegen.load(path, params=params)
    with pytest.raises(ArgumentError, match="saved without a step"):
        codegen.load(path, step, params)
    assert same({**params, **step.state}, before)


def test_a_failed_save_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codegen.save(path, {"W": X})
    for extra in ({1, 2}, float):
        with pytest.raises(ArgumentError, match="JSON"):
            codegen.save(path, {"W": X + 1}, extra=extra)

    def full(_: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        codegen.save(path, {"W": X + 1})
    monkeypatch.undo()
    np.testing.assert_array_equal(codegen.load(path).params["W"], X)
    assert os.listdir(path.parent) == [path.name]
    with pytest.raises(ArgumentError, match=r"must end in \.safetensors or \.npz"):
        codegen.save(path.with_suffix(".pkl"), {"W": X})


@pytest.fixture
def killed() -> Iterator[list[int]]:
    """Processes that are at an end when the test is."""
    children: list[int] = []
    yield children
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_is_killed_leaves_a_whole_model(
    step: codegen.TrainStep, path: Path, killed: list[int]
) -> None:
    """A training process saves after every epoch and is killed at a random moment; the next goes on from its file."""
    data, epochs, chance = {"x": X, "t": T}, 10**6, random.Random(0)
    params = step.init(0)
    step.fit(params, data, epochs=1, batch_size=8, seed=3)
    codegen.save(path, params, step, epoch=1)
    last = 1
    for number in range(examples(6, 200)):
        before, deadline = path.stat().st_ino, time.monotonic() + 60
        child = os.fork()
        if not child:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                start = codegen.load(path, step, params).epoch
                assert start is not None
                step.fit(params, data, epochs, 8, seed=3, progress=False, initial_epoch=start,
                         callback=lambda epoch, _: codegen.save(path, params, step, epoch=epoch + 1))  # fmt: skip
            finally:
                os._exit(1)
        killed.append(child)
        while number % 2 and path.stat().st_ino == before and time.monotonic() < deadline:
            time.sleep(0.001)  # every other one has saved at least once
        time.sleep(chance.uniform(0, 0.02))
        killed.remove(child)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        found = codegen.load(path, step, params).epoch
        assert found is not None and found >= last
        last = found
    assert last > 1
    once = step.init(0)
    step.fit(once, data, epochs=last, batch_size=8, seed=3)
    assert same(once, params)


def test_reading_evaluates_nothing(path: Path) -> None:
    """The description is JSON as it stands in the file."""
    codegen.save(path, {"W": X}, extra="__import__('os').abort()")
    assert codegen.load(path).extra == "__import__('os').abort()"
    if path.suffix == ".safetensors":
        size = int.from_bytes(path.read_bytes()[:8], "little")
        header = json.loads(path.read_bytes()[8 : 8 + size])
        assert json.loads(header["__metadata__"]["symgraph.json"])["parameters"] == ["W"]


@pytest.mark.parametrize(
    "name", ["a\0b", "\ud800", "__metadata__", "a.npy", "symgraph.json.npy", "x" * 70_000, "../a", ""], ids=ascii
)
def test_what_is_saved_is_read_again_or_refused(name: str, path: Path) -> None:
    codegen.save(path, {"before": np.ones(2)})
    arrays = {name: np.arange(3).astype(">f4"), "a": np.ones(2)}
    try:
        codegen.save(path, arrays)
    except ArgumentError:
        assert list(codegen.load(path).params) == ["before"]
    else:
        assert same(codegen.load(path).params, arrays)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "told",
    [{"arrays": 1}, {"arrays": ["W"]}, {"hyper": {"lr": 10**400}}, {"epoch": -1}, {"epoch": "x"}, {"parameters": [[]]}],
    ids=str,
)
def test_a_description_of_any_kind_is_an_error_of_ours(told: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dumps = json.dumps
    monkeypatch.setattr(json, "dumps", lambda given, **how: dumps({**given, **told}, **how))
    codegen.save(path, {"W": np.ones(2)})
    with pytest.raises(ArgumentError, match="damaged"):
        codegen.load(path)
