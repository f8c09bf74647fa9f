"""The cache: processes at once, entries that are damaged, foreign or old. Whatever lies there, results are right."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.host import cache
from codegen.native import jit

ROOT = Path(__file__).parent.parent
SCRIPT = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import numpy as np, symgraph as sg, codegen
x = sg.input("x", (sg.dim("N"), 3))
compilers = {{"numba", "codegen.native.emit", "codegen.plan.plan", "codegen.lower.lower", "codegen.run.pipeline"}}
print(codegen.function(x, sg.exp(x) * 2)(np.zeros((2, 3))).sum(), len(compilers & set(sys.modules)))
"""


def started(**environment: str) -> subprocess.Popen[str]:
    """A process that runs a program of its own, and tells its value and how many modules of the compiler it has."""
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.Popen(command, env=os.environ | environment, stdout=-1, stderr=-1, text=True)


def told(process: subprocess.Popen[str]) -> list[str]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.split()


def test_two_processes_at_once_and_one_after_them(tmp_path: Path) -> None:
    """Of the first two one imports Numba, and the other waits for it; the third does not import the compiler at all."""
    folder = tmp_path / "cache"
    both = [started(SYMGRAPH_CACHE=str(folder)) for _ in "ab"]
    found = [told(process) for process in both]
    assert [value for value, _ in found] == ["12.0"] * 2
    assert sorted(compilers for _, compilers in found) in (["4", "5"], ["0", "5"])
    names = [path.name for path in folder.iterdir()]
    assert sorted(name.rpartition(".")[2] for name in names) == ["o", "program", "py"], names
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert told(started(SYMGRAPH_CACHE=str(folder))) == ["12.0", "0"]


def test_waiting_for_another_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it has died, when it takes too long, and at once where no lock can be: nothing is needed but time."""
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path / "cache"))
    script = f"""
import sys, time; sys.path.insert(0, {str(ROOT)!r})
from codegen.host import cache
with cache.alone("key"):
    print("held", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=-1, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    with cache.alone("key"):
        assert process.poll() is None, "too long"
    process.kill()
    process.wait()
    monkeypatch.setattr(cache, "PATIENCE", 60.0)
    with cache.alone("key"), cache.alone("other"):
        assert len(list((tmp_path / "cache").iterdir())) == 2
    assert not list((tmp_path / "cache").iterdir())
    for number, make in enumerate([Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")]):
        make(tmp_path / "cache" / f"{cache.WRITING}{number}")
        with cache.alone(str(number)):
            pass
    monkeypatch.setenv("SYMGRAPH_CACHE", "off")
    with cache.alone("key"):
        pass


def test_nothing_is_left_behind_without_a_cache(tmp_path: Path) -> None:
    assert told(started(SYMGRAPH_CACHE="off", SYMGRAPH_PYTHON="1", TMPDIR=str(tmp_path)))[0] == "12.0"
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small program in it."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SYMGRAPH_CACHE", str(folder))
        assert results() == [2.0, 2.0]
    return folder


@pytest.fixture
def entry(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one entry of a small program, in a folder of its own."""
    shutil.copytree(filled, tmp_path / "cache")
    (tmp_path / "cache").chmod(0o700)
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path / "cache"))
    (path,) = (tmp_path / "cache").glob("*.o")
    return path


def results() -> list[float]:
    x = sg.input("x", (sg.dim("N"),))
    return codegen.function(x, x + 2)(np.zeros(2)).tolist()


def test_damaged_entries_are_rebuilt(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, compiled, compile_program = entry.read_bytes(), [], jit.compile_program
    monkeypatch.setattr(jit, "compile_program", lambda *given: compiled.append(given) or compile_program(*given))
    assert results() == [2.0, 2.0] and not compiled
    start = len(cache.MAGIC) + 32
    spoilt = {
        "empty": b"",
        "half a header": good[:10],
        "a header and little else": good[:100],
        "truncated": good[: len(good) // 2],
        "one byte less": good[:-1],
        "garbage": b"garbage" * 1000,
        "one bit": good[:-1] + bytes([good[-1] ^ 1]),
        "longer": good + b"\0",
        "older format": good.replace(b"object 1", b"object 0", 1),
        "no code": good[:start],
    }
    for name, content in spoilt.items():
        entry.write_bytes(content)
        assert cache.load(entry.stem) is None, name
    assert results() == [2.0, 2.0] and len(compiled) == 1
    assert cache.load(entry.stem) is not None


def test_foreign_entries_are_not_read(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.load(entry.stem) is not None
    foreign = SimpleNamespace(st_uid=os.getuid() + 1, st_mode=0o100600)
    with monkeypatch.context() as patched:
        patched.setattr(cache.os, "fstat", lambda descriptor: foreign)
        assert cache.load(entry.stem) is None
        assert results() == [2.0, 2.0]


def test_entries_of_other_versions_are_not_found(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = cache.machine()
    monkeypatch.setattr(cache, "machine", lambda: machine + " of yesterday")
    assert results() == [2.0, 2.0]
    assert len(list(entry.parent.glob("*.o"))) == 2


SOMETHING_ELSE = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a folder that is not empty": lambda path: (path / "inside").mkdir(parents=True),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to(path.parent / "nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "bytes that are no text": lambda path: path.write_bytes(b"\xff\xfe\x00 \x80"),
    "a huge file": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
    "an unreadable file": lambda path: path.touch(mode=0),
}


@pytest.mark.parametrize("what", SOMETHING_ELSE)
@pytest.mark.parametrize("suffix", [".o", ".py"])
def test_anything_in_the_place_of_an_entry_counts_as_absent(
    entry: Path, suffix: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Object code is compiled, and a program has the right lines in its traceback, whatever lies in the cache."""
    code, compiled = cache.load(entry.stem), []
    monkeypatch.setattr(jit, "compile_program", lambda *given: compiled.append(given) or code)
    place = {".o": entry, ".py": entry.with_name(f"{entry.stem[:24]}.py")}[suffix]
    text = place.read_bytes()
    entry.unlink()
    place.unlink(missing_ok=True)
    SOMETHING_ELSE[what](place)
    assert results() == [2.0, 2.0] and len(compiled) == 1
    assert results() == [2.0, 2.0]
    if suffix == ".py":
        file = cache.source_file(entry.stem, text.decode())
        assert file.is_file() and file.read_bytes() == text


def test_a_device_that_is_not_waited_for(entry: Path) -> None:
    """A pipe at both places, with a writer that never writes."""
    places = [entry, entry.with_name(f"{entry.stem[:24]}.py")]
    for place in places:
        place.unlink()
        os.mkfifo(place)
    writers = [os.open(place, os.O_RDWR) for place in places]
    assert results() == [2.0, 2.0]
    for writer in writers:
        os.close(writer)


def full(*_: object, **__: object) -> None:
    raise OSError("no space left on device")


def test_nowhere_to_write_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a home, nor a folder of the user's, nor one for temporary files."""
    monkeypatch.delenv("SYMGRAPH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)

    def unknown(user: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert cache.folder() is None
    assert results() == [2.0, 2.0]
    cache._temporary_folder.cache_clear()
    monkeypatch.setattr(cache.tempfile, "TemporaryDirectory", full)
    monkeypatch.setattr(cache.tempfile, "NamedTemporaryFile", full)
    assert results() == [2.0, 2.0]


@pytest.mark.parametrize(
    "given", ["/dev/null", "/dev/null/below", "/proc/symgraph", "{link}", "{file}", "relative/../x" * 900]
)
def test_folders_that_cannot_be(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    (tmp_path / "file").touch()
    monkeypatch.setenv("SYMGRAPH_CACHE", given.format(link=tmp_path / "link", file=tmp_path / "file"))
    assert cache.folder() is None
    assert results() == [2.0, 2.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that is like this one")
def test_a_disk_that_is_full(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file may grow over a kilobyte: an entry is written in part, and then given up."""
    monkeypatch.setenv("SYMGRAPH_CACHE", str(entry.parent / "full"))
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
            os._exit(0 if results() == [2.0, 2.0] else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    left = [path for path in (entry.parent / "full").iterdir() if path.suffix == ".o" or path.name.startswith(".")]
    assert not left, left


def test_processes_killed_while_they_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any moment, they leave an entry that is whole or none; what they had begun is swept away in time."""
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path / "cache"))
    script = f"""
import os, signal, sys, time; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from codegen.host import cache
for number in range(24):
    begun, told = os.pipe()
    process = os.fork()
    while not process:
        cache.store("key", b"code" * 100_000)
        cache.source_file("key" * 8, "# text\\n" * 100_000)
        os.write(told, b".")
    os.read(begun, 1)
    time.sleep(0.0015 * number)
    os.kill(process, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(process, 0)[1])
    for path in Path({str(tmp_path / "cache")!r}).iterdir():
        assert path.name.startswith(".") or path.stat().st_size >= 400_000, path
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
    for path in (tmp_path / "cache").glob(".*"):
        os.utime(path, (0, 0))
    assert results() == [2.0, 2.0]
    assert not list((tmp_path / "cache").glob(".*"))


def test_what_is_used_least_goes_when_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "MOST_KEPT", 3000)
    (tmp_path / "thesis.o").write_bytes(bytes(10_000))
    for number, key in enumerate("abcd"):
        cache.store(key * 64, bytes(900))
        os.utime(tmp_path / f"{key * 64}.o", (number, number))
    assert cache.load("a" * 64) == bytes(900)  # which is a use of it
    cache.store("e" * 64, bytes(900), ".program")
    assert {path.name[0] for path in tmp_path.iterdir()} == {"a", "d", "e", "t"}


def test_a_cache_that_cannot_be_written(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry.unlink()
    monkeypatch.setattr(cache.tempfile, "NamedTemporaryFile", full)
    assert results() == [2.0, 2.0]
