"""Object code is loaded wherever there is room, and what is dropped leaves no trace in the process."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from codegen.host import undisturbed as undisturbing
from codegen.host.collector import resting
from codegen.host.once import Once
from codegen.host.undisturbed import undisturbed
from codegen.run import loading
from codegen.run.turn import Turn
from tests import sizes

ROOT = Path(__file__).parent.parent


BETWEEN = """
os.environ.clear()
os.environ.update(given)
print({name!r}, flush=True)
"""


@pytest.fixture(scope="module")
def ended() -> subprocess.CompletedProcess[str]:
    """A process of its own, in which one script runs after the other; it prints the names of those that it has done."""
    code = "import os\ngiven = dict(os.environ)\nimport codegen, numpy as np, symgraph as sg\n"
    for name, script in {"switched": SWITCHED, "dropped": DROPPED, "crowded": CROWDED}.items():
        code += textwrap.dedent(script) + BETWEEN.format(name=name)
    command = [sys.executable, "-X", "faulthandler", "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def check(ended: subprocess.CompletedProcess[str], name: str) -> None:
    assert name in ended.stdout.split(), f"exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}"


CROWDED = """
    import ctypes
    import sys

    N = sg.dim("N")
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
    W = sg.parameter("W", (4, 3))
    X, T = np.ones((8, 4)), np.arange(8) % 3

    def programs():
        y = sg.softmax(sg.sin(x @ W) + sg.log(1 + sg.exp(x @ W)))
        np.testing.assert_allclose(codegen.function([x, W], y)(X, np.ones((4, 3))), 1 / 3)
        step = codegen.train_step(sg.cross_entropy(x @ W, t), sg.SGD(lr=0.1), dtype="float64", threads=2)
        history = step.fit({"W": np.zeros((4, 3))}, {"x": X, "t": T}, epochs=2, batch_size=8, shuffle=False)
        assert abs(history.loss[0] - np.log(3)) < 1e-12

    if not os.path.exists("/proc/self/maps"):
        sys.exit()
    programs()
    mmap = ctypes.CDLL(None).mmap
    mmap.restype = ctypes.c_void_p
    mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    ONLY_RESERVED, GIGABYTE, PAGE = 0x104022, 1 << 30, 4096  # private, anonymous, no swap, never over what is there

    def areas():
        lines = [line.split() for line in open("/proc/self/maps") if "vsyscall" not in line and "[stack]" not in line]
        return [tuple(int(end, 16) for end in line[0].split("-")) for line in lines]

    taken = areas()
    gaps = [(end, start) for (_, end), (start, _) in zip(taken, taken[1:])]
    for end, start in gaps:
        if 0 < start - end < 64 * GIGABYTE:
            mmap(end, start - end, 0, ONLY_RESERVED, -1, 0)
    below = max(start for end, start in gaps if start - end >= 64 * GIGABYTE)
    for block in range(1, 400):  # free are one to three pages between blocks of four gigabytes, and what is below them
        mmap(below - block * 4 * GIGABYTE, 4 * GIGABYTE - (1 + block % 3) * PAGE, 0, ONLY_RESERVED, -1, 0)
    for _ in range(10):
        programs()
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux to crowd the address space")
def test_programs_are_loaded_where_other_libraries_have_left_holes(ended: subprocess.CompletedProcess[str]) -> None:
    """As when PyTorch and JAX are both in the process: sections of one object, gigabytes apart, ended it."""
    check(ended, "crowded")
    assert ended.returncode == 0, ended.stderr


SWITCHED = """
    N = sg.dim("N")
    x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
    W = sg.parameter("W", (4, 3))
    rows = np.random.default_rng(0)
    data = {"x": rows.normal(size=(12, 4)), "t": rows.integers(0, 3, size=12)}

    def made():
        return codegen.train_step(sg.cross_entropy(x @ W, t), sg.SGD(lr=0.1), dtype="float64", threads=2)

    def fitted(step):
        params = {"W": np.full((4, 3), 0.1)}
        losses = step.fit(params, data, epochs=2, batch_size=5, seed=3).loss
        losses += [step(params, **data) for _ in range(4)]
        return [*losses, *params["W"].flat, *codegen.function([x, W], sg.softmax(x @ W))(data["x"], params["W"]).flat]

    found, steps = [], []
    for setting in ("", "1", "", "1"):
        os.environ["SYMGRAPH_PYTHON"] = setting
        steps += [made(), made()]
        steps[-1].executable  # compiled under this setting, first called under the next
        found += map(fitted, steps)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-12)
"""


def test_native_and_plain_python_programs_live_in_one_process(ended: subprocess.CompletedProcess[str]) -> None:
    """Fit natively, set SYMGRAPH_PYTHON=1 and fit: the process called a Python function as machine code."""
    check(ended, "switched")


DROPPED = """
    import gc, linecache, sys, types
    from codegen.native.kernels.kernel import Kernel
    from codegen.native.compile import Entry
    from codegen.run.loading import native_part

    for name in ("call", "check", "epochs"):
        native_part(name)
    os.environ["SYMGRAPH_CACHE"] = "off"  # models are compiled; what all of them share need not be
    N = sg.dim("N")
    x, W = sg.input("x", (N, 4)), sg.parameter("W", (4, 3))

    def model(number):
        values = codegen.function([x, W], number * sg.sum(sg.sin(x @ W)))
        for _ in range(3):
            values(np.ones((3, 4)), np.ones((4, 3)))
        step = codegen.train_step(sg.sum(sg.exp(number * x @ W)), sg.SGD(lr=0.1), dtype="float64")
        params = {"W": np.zeros((4, 3))}
        for _ in range(3):
            step(params, x=np.ones((3, 4)))
        step.fit(params, {"x": np.ones((6, 4))}, batch_size=3)

    def left():
        gc.collect()
        kinds = (Kernel, Entry, codegen.TrainStep, codegen.Function, types.ModuleType)
        alive = [sum(isinstance(found, kind) for found in gc.get_objects()) for kind in kinds]
        return [*alive, len(sys.modules), len(linecache.cache)]

    for setting in ("", "1"):
        os.environ["SYMGRAPH_PYTHON"] = setting
        model(2)
        before = left()
        model(3)
        assert left() == before, (left(), before)
"""


def test_models_that_are_dropped_leave_nothing_in_the_process(ended: subprocess.CompletedProcess[str]) -> None:
    check(ended, "dropped")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_a_fork_waits_until_nothing_is_loaded() -> None:
    """Else the child would find the compiler's lock taken by a thread of its parent."""
    held = threading.Event()

    def load() -> None:
        held.set()
        time.sleep(0.1)

    thread = threading.Thread(target=undisturbed, args=(load,))
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        threading.Timer(5, os._exit, (1,)).start()
        os._exit(undisturbed(lambda: 0))
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_a_fork_beside_something_that_is_made_once_ends() -> None:
    """The fork holds the turn that was made last; who made it takes it next, and held what the fork waited for."""
    begun, once = threading.Event(), Once[int](2)

    def made() -> int:
        turn = Turn("what is made")
        begun.set()
        time.sleep(0.1)
        return int(turn.take(undisturbed, lambda: 3))

    thread = threading.Thread(target=once, args=("key", made), daemon=True)
    thread.start()
    assert begun.wait(60)
    watch = threading.Timer(30, os._exit, (1,))
    watch.start()
    child = os.fork()
    watch.cancel()
    if child == 0:  # nobody makes it here: the thread that did is not in this process
        os._exit(0 if once("key", lambda: 3) == 3 else 1)
    thread.join(60)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_a_fork_waits_until_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the child would wait for a thread of its parent to end the import, as of what SymPy imports where it is used
    first."""
    (tmp_path / "slowly_imported.py").write_text("import time\ntime.sleep(0.2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=importlib.import_module, args=("slowly_imported",))
    thread.start()
    while "slowly_imported" not in sys.modules:
        time.sleep(0.001)
    child = os.fork()
    if child == 0:
        threading.Timer(5, os._exit, (1,)).start()
        importlib.import_module("slowly_imported")
        os._exit(0)
    thread.join()
    sys.modules.pop("slowly_imported")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_made_once_waits_for_nothing_else() -> None:
    once, here, there = Once[str](2), threading.Event(), threading.Event()
    found: list[str] = []

    def slow() -> str:
        here.set()
        assert there.wait(60)
        return undisturbed(lambda: "first")

    threads = [threading.Thread(target=lambda: found.append(once("a", slow))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert here.wait(60)
    assert undisturbed(lambda: 3) == 3
    assert once("b", lambda: "second") == "second"
    there.set()
    for thread in threads:
        thread.join(60)
    assert found == ["first"] * 3
    assert once("c", lambda: once("c", lambda: "inner") + "!") == "inner!"
    with pytest.raises(KeyError):
        once("d", lambda: {}["nothing"])
    assert once("d", lambda: "third") == "third"
    assert once("a", lambda: "again") == "again", "the last two are kept"


def test_a_handler_of_forks_may_compile() -> None:
    undisturbing.stop()
    try:
        assert undisturbed(lambda: 3) == 3
    finally:
        undisturbing.go_on()


def test_the_collector_rests_while_something_is_compiled_and_is_then_as_it_was() -> None:
    with resting(), resting():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), resting():
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with resting():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_a_handler_that_raises_leaves_a_compiler_to_its_end() -> None:
    """llvmlite frees an object and notes that in two steps: an exception between them freed it twice."""
    begun, left, done = threading.Event(), threading.Event(), threading.Event()

    def compiles() -> None:
        begun.set()
        assert left.wait(60)
        done.set()

    def handler(number: int, frame: object) -> None:
        if not begun.is_set():
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            return
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(TimeoutError):
            undisturbed(compiles)
        assert not done.is_set()
        left.set()
        assert done.wait(60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_handler_that_raises_while_a_compiler_begins_is_told_as_it_is() -> None:
    """``threading.Thread.start`` made a KeyError of its own of what came between its lines."""

    def handler(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for moment in range(sizes.examples(400, 4000)):
            with contextlib.suppress(TimeoutError):
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + 1e-6 * (moment % 100))
                assert undisturbed(lambda: 3) == 3
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_what_cannot_be_compiled_says_so_where_it_was_asked_for() -> None:
    """What is raised in the thread that compiles, also of work within work, is raised where one waits for it."""
    with pytest.raises(RuntimeError, match="it is this"):
        undisturbed(lambda: undisturbed(lambda: _raise(RuntimeError("it is this"))))
    assert undisturbed(lambda: undisturbed(lambda: 3)) == 3


def _raise(error: Exception) -> None:
    raise error


def test_two_threads_that_load_at_once_have_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither had found it loaded; one's was dropped while its bare function ran, which ended the process."""
    monkeypatch.setattr(loading, "_parts", {})
    found, start = [], threading.Barrier(8)
    threads = [
        threading.Thread(target=lambda: (start.wait(), found.append(loading.native_part("check")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1
