"""The benchmarks run: each on tiny parameters, so that they cannot rot unseen."""

from __future__ import annotations

import numpy as np
import pytest

from tests import sizes
from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import busy, mnist, peers, processes, timing
from tests.benchmarks.networks import Network


def test_peers_train_the_same_network() -> None:
    network = Network((3, 4, 2), 5)
    runs = {name: run for name in ("symgraph call", "NumPy") if (run := peers.PEERS[name](network)) is not None}
    for _ in range(5):
        assert runs["symgraph call"][0]() == pytest.approx(runs["NumPy"][0](), rel=1e-5)
    assert all(seconds > 0 for seconds in timing.medians(runs, seconds=0.001, rounds=1).values())


@pytest.mark.skipif(not sizes.LONG, reason="a process of its own: --long")
def test_beside_a_spinning_process() -> None:
    found = busy.seconds_beside(Network((3, 2), 2), 1, 1e-4, 1, {"ours": ("symgraph call", 1)})
    assert found["ours"] > 0


@pytest.mark.skipif(not sizes.LONG, reason="five processes compile: --long")
def test_stages_of_compiling_are_told_apart() -> None:
    found = processes.compile_seconds((3, 2), rounds=1)
    assert all(set(stages) == set(processes.STAGES) for stages in found.values())
    assert found["cold"]["compile"] > found["cached"]["compile"] > 0


@pytest.mark.skipif(not sizes.LONG, reason="eight processes: --long")
def test_imports_are_told_apart() -> None:
    found = processes.import_seconds(rounds=1)
    assert found["nothing"] < found["SymPy"] < found["SymPy, NumPy"] and found["symgraph, codegen"] > 0


def test_mnist_without_data_is_skipped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNIST", raising=False)
    benchmarks.main(["mnist"])
    assert "skipped" in capsys.readouterr().out


@pytest.mark.skipif(not sizes.LONG, reason="an example of the examples does the same: --long")
def test_mnist_trains_on_a_folder_of_idx_files(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "JOBS", {"symgraph": mnist.JOBS["symgraph"]})
    for part, count in (("train", 200), ("t10k", 10)):
        for content, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
            with open(f"{tmp_path}/{part}-{content}-ubyte", "wb") as file:
                file.write(header + np.zeros(shape, np.uint8).tobytes())
    assert mnist.seconds_to_goal(str(tmp_path), rounds=1, epochs=1, goal=0.0)["symgraph"] > 0
