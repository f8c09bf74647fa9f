"""The cache: processes at once, entries that are damaged, foreign or old. Whatever lies there, results are right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen import cache

ROOT = Path(__file__).parent.parent
SCRIPT = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import numpy as np, symgraph as sg, codegen
x = sg.input("x", (sg.dim("N"),))
print(codegen.function(x, sg.exp(x) * 3)(np.zeros(2)).sum())
"""


def test_two_processes_at_once(tmp_path: Path) -> None:
    environment = os.environ | {"SYMGRAPH_CACHE": str(tmp_path / "cache")}
    started = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=-1, stderr=-1, text=True) for _ in "ab"
    ]
    for process in started:
        out, errors = process.communicate(timeout=120)
        assert out.split() == ["6.0"], errors
    names = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert [name[-2:] for name in names if not name.endswith(".py")] == [".o"], names


def test_nothing_is_left_behind_without_a_cache(tmp_path: Path) -> None:
    environment = os.environ | {"SYMGRAPH_CACHE": "off", "SYMGRAPH_PYTHON": "1", "TMPDIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["6.0"] and not list(tmp_path.iterdir())


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one entry of a small program."""
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path / "cache"))
    assert results() == [2.0, 2.0]
    (path,) = (tmp_path / "cache").glob("*.o")
    return path


def results() -> list[float]:
    x = sg.input("x", (sg.dim("N"),))
    return codegen.function(x, x + 2)(np.zeros(2)).tolist()


def test_damaged_entries_are_rebuilt(entry: Path) -> None:
    good = entry.read_bytes()
    start = len(cache.MAGIC) + 32
    spoilt = {
        "empty": b"",
        "half a header": good[:10],
        "truncated": good[: len(good) // 2],
        "one bit": good[:-1] + bytes([good[-1] ^ 1]),
        "longer": good + b"\0",
        "older format": good.replace(b"object 1", b"object 0", 1),
        "no code": good[:start],
    }
    for name, content in spoilt.items():
        entry.write_bytes(content)
        assert cache.load(entry.stem) is None, name
    assert results() == [2.0, 2.0]
    assert cache.load(entry.stem) is not None


def test_foreign_entries_are_not_read(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.load(entry.stem) is not None
    foreign = SimpleNamespace(st_uid=os.getuid() + 1, st_mode=0o100600)
    with monkeypatch.context() as patched:
        patched.setattr(cache.os, "fstat", lambda descriptor: foreign)
        assert cache.load(entry.stem) is None
        assert results() == [2.0, 2.0]
    entry.unlink()
    entry.symlink_to("/dev/null")
    assert cache.load(entry.stem) is None
    assert results() == [2.0, 2.0]


def test_entries_of_other_versions_are_not_found(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = cache.machine()
    monkeypatch.setattr(cache, "machine", lambda: machine + " of yesterday")
    assert results() == [2.0, 2.0]
    assert len(list(entry.parent.glob("*.o"))) == 2


def test_a_cache_that_cannot_be_written(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    entry.unlink()
    monkeypatch.setattr(cache.tempfile, "NamedTemporaryFile", full)
    assert results() == [2.0, 2.0]
