"""A short run of the hostile suite (``python -m tests.hostile``), and what a system may say about processors."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.host.placement import processor_quota, thread_limit
from codegen.run.turn import GATE
from symgraph.errors import ArgumentError, NonFiniteError
from tests.hostile.__main__ import SCENES, run_scenes
from tests.sizes import examples

WRONG, APART = ["wrong_arguments", "wrong_arguments_of_functions"], ["affinity_is_refused", "killed_while_caching"]
TOGETHER = [name for name in SCENES if name not in WRONG + APART]
ROUNDS = examples(4, 50)
RUNS = {"together": (TOGETHER, ROUNDS), "arguments": (WRONG, examples(100, 1000)), APART[0]: (APART[:1], ROUNDS)}


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals and forks")
@pytest.mark.parametrize(("names", "rounds"), RUNS.values(), ids=RUNS)
def test_hostile_use(names: list[str], rounds: int) -> None:
    assert run_scenes(names, rounds, seed=1) == ""


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


QUOTAS: dict[str, tuple[str, dict[str, str], float | None]] = {
    "version 2": ("0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
    "version 2, a group above": ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
    "version 2, no limit": ("0::/a\n", {"a/cpu.max": "max 100000\n"}, None),
    "version 2, in a container": ("0::/../host/path\n", {"cpu.max": "200000 100000\n"}, 2.0),
    "version 1": (
        "4:cpu,cpuacct:/docker/x\n3:memory:/\n",
        {"cpu/docker/x/cpu.cfs_quota_us": "300000\n", "cpu/docker/x/cpu.cfs_period_us": "100000\n"},
        3.0,
    ),
    "version 1, no limit": (
        "4:cpu,cpuacct:/\n",
        {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
        None,
    ),
    "damaged": ("nonsense\n\n0::/\n", {"cpu.max": "0 x 7\n"}, None),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_quota_of_control_groups(name: str, tmp_path: Path) -> None:
    membership, files, expected = QUOTAS[name]
    write(tmp_path, {"membership": membership, **{f"groups/{file}": text for file, text in files.items()}})
    assert processor_quota(tmp_path / "groups", tmp_path / "membership") == expected


# -- losses that are not finite ---------------------------------------------------------------------------------------

N = sg.dim("N")
x = sg.input("x", (N, 3))
w = sg.parameter("w", (3,))


def test_a_value_on_the_way_is_named() -> None:
    """All that is given is finite: the logarithm of 0 is the first value that is not."""
    p = x @ w
    loss = -sg.mean(sg.log(p))
    step = codegen.train_step(loss, sg.SGD(lr=0.1), "float64")
    params = {"w": np.array([1.0, 1.0, 0.0])}
    data = {"x": np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])}
    for call in (lambda: step(params, **data), lambda: step.fit(params, data, batch_size=3, progress=False)):
        with pytest.raises(
            NonFiniteError, match=r"the loss loss is inf: .* is -?inf, and all that it is computed from"
        ):
            call()
    np.testing.assert_array_equal(params["w"], [1.0, 1.0, 0.0])


def test_the_row_of_the_data_is_named_whatever_the_order() -> None:
    step = codegen.train_step(sg.mean((x @ w) ** 2), sg.Adam(lr=0.1))
    data = np.ones((100, 3), np.float32)
    data[71, 2] = np.nan
    params = {"w": np.ones(3, np.float32)}
    with pytest.raises(NonFiniteError, match=r"input x\[71, 2\] is nan"):
        step.fit(params, {"x": data}, batch_size=8, seed=5, progress=False)
    assert np.isfinite(params["w"]).all() and all(np.isfinite(array).all() for array in step.state.values())


def test_an_option_lets_it_go_on() -> None:
    step = codegen.train_step(sg.mean((x @ w) ** 2), check_finite=False)
    params = {"w": np.ones(3, np.float32)}
    data = {"x": np.full((4, 3), np.inf, np.float32)}
    losses = [step(params, **data) for _ in range(4)]
    assert losses[0] == np.inf
    assert np.isnan(params["w"]).any()
    assert np.isnan(step.fit(params, data, epochs=2, progress=False).loss).all()


@pytest.mark.parametrize(
    "wrong", [{"shuffle": "no"}, {"shuffle": 2}, {"shuffle": None}, {"epochs": 2**63}, {"progress": "yes"}]
)
def test_arguments_of_fit(wrong: dict[str, object]) -> None:
    step = codegen.train_step(sg.mean((x @ w) ** 2))
    params = {"w": np.ones(3, np.float32)}
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        step.fit(params, {"x": np.ones((4, 3), np.float32)}, **{"progress": False, **wrong})  # type: ignore[arg-type]
    np.testing.assert_array_equal(params["w"], np.ones(3))


def test_processors_are_shared_as_joblib_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMGRAPH_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert thread_limit(None) == 3 and thread_limit(2) == 2
    monkeypatch.setenv("SYMGRAPH_THREADS", "1")
    assert thread_limit(None) == 1


@pytest.mark.usefixtures("plain")
def test_epochs_on_the_callers_thread_do_not_wait_for_a_fork() -> None:
    """A fork waits for their turn to end, and they waited for the fork: both for ever."""
    x, w = sg.input("x", (sg.dim("N"), 2)), sg.parameter("w", (2,))
    step = codegen.train_step(sg.mean((x @ w - 1) ** 2), optimizer=sg.SGD(lr=0.1))
    data = {"x": np.ones((4, 2), np.float32)}
    histories: list[object] = []
    thread = threading.Thread(
        target=lambda: histories.append(step.fit(step.init(0), data, epochs=3, batch_size=2, progress=False))
    )
    with GATE:
        thread.start()
        thread.join(60)
        assert histories
