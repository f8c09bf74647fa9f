"""Object code on disk, so that a second process does not compile again. Nothing read is trusted beyond its checksum.

An entry is named by the SHA-256 of source, CPU and versions, and holds a header, the SHA-256 of its key and code, and
the code. Entries are written to a temporary file and moved into place, so that two processes never see half of one.
The folder belongs to the user alone (mode 0700); a folder or an entry of another owner, or a damaged entry, counts as
absent. ``SYMGRAPH_CACHE`` names another folder; ``SYMGRAPH_CACHE=off`` switches the cache off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import stat
import sys
import tempfile
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MAGIC = b"symgraph object 1\n"


@lru_cache(maxsize=1)
def machine() -> str:
    """What object code depends on besides its source: CPU, versions, and our own kernels."""
    import llvmlite.binding as llvm

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "?"

    own = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        own.update(path.read_bytes())
    features = llvm.get_host_cpu_features().flatten()
    packages = " ".join(f"{package} {of(package)}" for package in ("numba", "llvmlite", "numpy"))
    return "\n".join([llvm.get_host_cpu_name(), features, platform.machine(), sys.version, packages, own.hexdigest()])


def key_of(source: str, name: str) -> str:
    """Name of an entry."""
    return hashlib.sha256("\0".join([source, name, machine()]).encode()).hexdigest()


def folder() -> Path | None:
    """The cache's folder, made if need be; None if there is none that belongs to this user alone."""
    given = os.environ.get("SYMGRAPH_CACHE")
    if given == "off":
        return None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(given) if given else Path(base) / "symgraph"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError:
        return None
    return path if _is_ours(found) and stat.S_ISDIR(found.st_mode) else None


def _is_ours(found: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return True
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def load(key: str) -> bytes | None:
    """Object code of an entry; None if it is absent, foreign or damaged."""
    path = folder()
    if path is None:
        return None
    try:
        with open(path / f"{key}.o", "rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    start = len(MAGIC) + 32
    digest, code = content[len(MAGIC) : start], content[start:]
    if not content.startswith(MAGIC) or hashlib.sha256(key.encode() + code).digest() != digest:
        return None
    return code


def store(key: str, code: bytes) -> None:
    """Write an entry; a cache that cannot be written is no error."""
    path = folder()
    if path is not None:
        _replace(path / f"{key}.o", MAGIC + hashlib.sha256(key.encode() + code).digest() + code)


def source_file(key: str, source: str) -> Path:
    """A real file that holds the source; where there is no cache, one that lives as long as the process."""
    path = folder() or Path(_folder_of_process().name)
    file = path / f"{key[:24]}.py"
    with contextlib.suppress(OSError):
        if file.is_file() and file.read_text(encoding="utf-8") == source:
            return file
    _replace(file, source.encode())
    return file


@lru_cache(maxsize=1)
def _folder_of_process() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="symgraph-")


def _replace(path: Path, content: bytes) -> None:
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as file:
            temporary = file.name
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
