"""Object code, and programs, on disk, so that a second process does not compile again. Nothing read is trusted beyond
its checksum.

An entry is named by the SHA-256 of what it is made of, CPU and versions, and holds a header, the SHA-256 of its key and
content, and the content: object code, or what a program runs by (:mod:`codegen.run.kept`). Entries are written to a
temporary file and moved into place, so that two processes never see half of one. The folder belongs to the user alone
(mode 0700). Whatever else lies where an entry should be (another owner's file, a damaged one, a pipe, a device, a
symbolic link) counts as absent, and so does a folder that cannot be made, read or written: nothing in here raises, and
nothing but :func:`alone` waits, for a while. ``SYMGRAPH_CACHE`` names another folder; ``off`` switches the cache off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from symgraph.core.misuse import forgiven, pass_on

MAGIC = b"symgraph object 1\n"
MOST_BYTES = 1 << 28
"""A longer file is no entry."""
WRITING = ".writing-"
ABANDONED = 3600.0
"""Seconds after which a file that is still being written belongs to a process that was killed."""
MOST_KEPT = 1 << 30
"""Bytes of all files, from which on those go that have not been used for longest, down to three quarters."""
OURS = re.compile(r"[0-9a-f]{64}\.(o|program)|[0-9a-f]{24}\.py")
"""Names of such files: whatever else lies in the folder is somebody else's."""
PATIENCE = 30.0
"""Seconds to wait for what another process makes."""
USED = 86400.0
"""Seconds after which a use of an entry is noted anew."""


@lru_cache(maxsize=1)
def machine() -> str:
    """What object code depends on besides its source: CPU, versions, and our own kernels."""
    import numpy

    from codegen import backend

    return "\n".join([backend.processor(), sys.version, f"numpy {numpy.__version__}", sources("codegen")])


@lru_cache(maxsize=2)
def sources(package: str) -> str:
    """The digest of one of our two packages."""
    found = hashlib.sha256()
    for path in sorted((Path(__file__).parents[2] / package).rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def key_of(source: str, name: str) -> str:
    """Name of an entry."""
    return hashlib.sha256("\0".join([source, name, machine()]).encode()).hexdigest()


def folder() -> Path | None:
    """The cache's folder, made if need be; None if there is none that belongs to this user alone."""
    given = os.environ.get("SYMGRAPH_CACHE")
    if given == "off":
        return None
    try:
        path = Path(given) if given else _users_folder() / "symgraph"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except (OSError, RuntimeError) as error:  # a RuntimeError where nobody knows where the user's home is
        pass_on(error)
        return None
    return path if _is_ours(found) and stat.S_ISDIR(found.st_mode) else None


def _users_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return base if base.is_absolute() else Path.home() / ".cache"


def _is_ours(found: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return True
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def content_of(path: Path) -> bytes | None:
    """What a regular file of this user holds; None for anything else. A pipe is not waited for, a link not followed."""
    flags = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
    try:
        with open(os.open(path, os.O_RDONLY | flags), "rb") as file:
            found = os.fstat(file.fileno())
            fits = _is_ours(found) and stat.S_ISREG(found.st_mode) and found.st_size <= MOST_BYTES
            return file.read(MOST_BYTES) if fits else None
    except OSError as error:
        pass_on(error)
        return None


def load(key: str, suffix: str = ".o") -> bytes | None:
    """The content of an entry; None if it is absent, foreign or damaged."""
    place = folder()
    path = None if place is None else place / f"{key}{suffix}"
    content = None if path is None else content_of(path)
    if path is None or content is None:
        return None
    start = len(MAGIC) + 32
    digest, code = content[len(MAGIC) : start], content[start:]
    if not content.startswith(MAGIC) or hashlib.sha256(key.encode() + code).digest() != digest:
        return None
    with forgiven(OSError):
        if time.time() - path.lstat().st_mtime > USED:
            os.utime(path)
    return code


def store(key: str, code: bytes, suffix: str = ".o") -> None:
    """Write an entry; a cache that cannot be written is no error."""
    path = folder()
    if path is not None:
        _sweep(path)
        _replace(path / f"{key}{suffix}", MAGIC + hashlib.sha256(key.encode() + code).digest() + code)


@contextlib.contextmanager
def alone(key: str) -> Iterator[None]:
    """The time in which one process makes an entry: others that want to make it wait until it is there, or as long as
    :data:`PATIENCE`. The system lets go of what a process held that has died."""
    place = folder()
    path = None if place is None else place / f"{WRITING}{key}"
    held = None if path is None else _lock(path)
    try:
        yield
    finally:
        if path is not None and held is not None:
            try:
                with forgiven(OSError):
                    os.unlink(path)
            finally:
                os.close(held)


def _lock(path: Path) -> int | None:
    """A file that this process alone has; None where there are no locks, or another has it for too long."""
    flags = sum(getattr(os, name, 0) for name in ("O_CREAT", "O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC"))
    with contextlib.ExitStack() as held, forgiven(ImportError, OSError):
        from fcntl import LOCK_EX, LOCK_NB, flock

        file = os.open(path, os.O_RDWR | flags, 0o600)
        held.callback(os.close, file)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
            else:
                held.pop_all()
                return file
    return None


def source_file(key: str, source: str) -> Path:
    """A real file that holds the source; where there is no cache, one that lives as long as the process.

    Where no file can be written at all, the path names none: the program runs, and tracebacks lack its lines.
    """
    name, content = f"{key[:24]}.py", source.encode()
    for found in (folder, _folder_of_process):
        path = found()
        if path is not None and (content_of(path / name) == content or _replace(path / name, content)):
            return path / name
    return Path(f"<{name}>")


@lru_cache(maxsize=1)
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="symgraph-")


def _folder_of_process() -> Path | None:
    try:
        return Path(_temporary_folder().name)
    except OSError as error:
        pass_on(error)
        return None


def _replace(path: Path, content: bytes) -> bool:
    """Put a file in place as a whole; whether that was possible."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=WRITING, delete=False) as file:
            temporary = file.name
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with forgiven(OSError):
                os.unlink(temporary)
        pass_on(error)
        return False
    return True


def _sweep(path: Path) -> None:
    """Remove what processes that were killed have left half written; and, of too much, what is used least."""
    with forgiven(OSError):
        found = []
        for file in os.scandir(path):
            told = file.stat(follow_symlinks=False)
            if OURS.fullmatch(file.name) and stat.S_ISREG(told.st_mode):
                found.append((told.st_mtime, told.st_size, file.path))
            elif file.name.startswith(WRITING) and time.time() - told.st_mtime > ABANDONED:
                os.unlink(file.path)
        kept = sum(size for _, size, _ in found)
        if kept > MOST_KEPT:
            for _, size, old in sorted(found):
                os.unlink(old)
                kept -= size
                if kept <= MOST_KEPT * 3 // 4:
                    break
