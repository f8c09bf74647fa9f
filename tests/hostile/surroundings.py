"""Scenes with an unfriendly system: processes that are killed, caches that are damaged, affinity that is refused."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]

SMALL = """
import numpy as np, symgraph as sg, codegen
N = sg.dim("N")
x, w = sg.input("x", (N, 3)), sg.parameter("w", (3,))
step = codegen.train_step(sg.mean((x @ w - SALT) ** 2), sg.SGD(lr=0.1), "float64")
params = step.init(0)
loss = step.fit(params, {"x": np.eye(3)}, epochs=1, batch_size=3, progress=False).loss[0]
assert loss == SALT**2, loss
np.testing.assert_allclose(params["w"], 0.2 * SALT / 3)
"""


def _child(script: str, cache: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SYMGRAPH_CACHE": cache, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-X", "faulthandler", "-c", script], env=environment)


def killed_while_caching(random: Random, rounds: int) -> None:
    """Kill −9 a process that compiles and stores; damage what it left; the next process is right."""
    for number in range(max(1, rounds // 50)):
        with tempfile.TemporaryDirectory() as cache:
            script = SMALL.replace("SALT", str(number % 7 + 2))
            child = _child(script, cache)
            time.sleep(random.uniform(0.5, 6.0))
            child.send_signal(signal.SIGKILL)
            child.wait()
            for file in sorted(Path(cache).rglob("*")):
                if file.is_file() and random.random() < 0.5:
                    content = file.read_bytes()
                    cut = random.randrange(len(content) + 1)
                    file.write_bytes(random.choice((b"", content[:cut], content[:cut] + b"\xff\x00" + content[cut:])))
            assert _child(script, cache).wait(timeout=120) == 0
            assert _child(script, cache).wait(timeout=120) == 0


_DENY = {"x86_64": (0xC000003E, (203, 204)), "aarch64": (0xC00000B7, (122, 123))}
"""Architecture, and numbers of ``sched_setaffinity`` and ``sched_getaffinity``, of Linux."""


def affinity_is_refused(random: Random, rounds: int) -> None:
    """The system refuses to tell and to set affinity (a filter of system calls): two threads work all the same."""
    if sys.platform != "linux" or platform.machine() not in _DENY:
        return
    import numba  # noqa: F401 - asks for the affinity itself when it is imported

    from tests.hostile.model import Model

    if not _deny(*_DENY[platform.machine()]):
        return
    model = Model(wide=True, most=40)
    assert model.step.executable.threads == 2
    for _ in range(3):
        model.check(model.fresh())
        time.sleep(0.05)  # workers fall asleep, and are woken


def _deny(architecture: int, numbers: tuple[int, ...]) -> bool:
    """Let some system calls fail with EPERM, by a filter in classic BPF."""
    load, jump, give = 0x20, 0x15, 0x06
    refused, allowed = 0x00050001, 0x7FFF0000
    program = [(load, 0, 0, 4), (jump, 0, len(numbers) + 1, architecture), (load, 0, 0, 0)]
    program += [(jump, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    program += [(give, 0, 0, allowed), (give, 0, 0, refused)]
    code = b"".join(
        kind.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little") for kind, yes, no, value in program
    )
    text = ctypes.create_string_buffer(code, len(code))
    header = (ctypes.c_uint64 * 2)(len(program), ctypes.addressof(text))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    word = ctypes.c_ulong
    return prctl(38, word(1), word(0), word(0), word(0)) == 0 and prctl(22, word(2), ctypes.byref(header)) == 0
