"""Arrays by name and a description in one file: written whole or not at all, read without evaluating anything.

Comes in: arrays by name, and a description of JSON values. Goes out: a file in one of two published formats, the
suffix of its name says which; or, from a file, the same again, checked.

    .safetensors   https://huggingface.co/docs/safetensors: the description stands in its ``__metadata__``
    .npz           numpy.lib.format, as ``np.savez`` writes it; the description is one of the arrays
"""

from __future__ import annotations

import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.core.misuse import forgiven, pass_on
from symgraph.core.provenance import at_line
from symgraph.errors import ArgumentError, DomainError, SymgraphError

DESCRIPTION = "symgraph.json"
FORMAT, VERSION = "symgraph", 1
Arrays = dict[str, np.ndarray]
Described = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How arrays and a text are written to a path, and read from it (no text: a file of somebody else's)."""

    write: Callable[[Path, Mapping[str, np.ndarray], str], None]
    read: Callable[[Path], tuple[Arrays, str | None]]


# -- the two formats --------------------------------------------------------------------------------------------------
def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise ArgumentError(
            at_line("files of .safetensors need the package safetensors: pip install 'symgraph[io]', or write .npz")
        ) from None
    return safetensors


def _write_safetensors(path: Path, arrays: Mapping[str, np.ndarray], text: str) -> None:
    _safetensors().numpy.save_file(dict(arrays), path, metadata={DESCRIPTION: text})


def _read_safetensors(path: Path) -> tuple[Arrays, str | None]:
    with _safetensors().safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        wide = [name for name in names if file.get_slice(name).get_dtype() == "BF16"]
        arrays = {name: file.get_tensor(name) for name in names if name not in wide}
        text = (file.metadata() or {}).get(DESCRIPTION)
    arrays |= _widened(path, wide)
    return {name: arrays[name] for name in names}, text


def _widened(path: Path, names: Sequence[str]) -> Arrays:
    """bfloat16, which NumPy lacks, as float32, of which it is the first half; the file has been checked."""
    found = {}
    with path.open("rb") as file:
        rows = json.loads(file.read(int.from_bytes(file.read(8), "little"))) if names else {}
        start = file.tell()
        for name in names:
            begin, end = rows[name]["data_offsets"]
            file.seek(start + begin)
            halves = np.frombuffer(file.read(end - begin), "<u2").astype(np.uint32)
            found[name] = (halves << 16).view(np.float32).reshape(rows[name]["shape"])
    return found


def _write_npz(path: Path, arrays: Mapping[str, np.ndarray], text: str) -> None:
    """As ``np.savez`` does, which has no place for an array called ``file``."""
    with zipfile.ZipFile(path, "w") as whole:
        for name, array in {**arrays, DESCRIPTION: np.array(text)}.items():
            with whole.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, np.asanyarray(array), allow_pickle=False)


def _read_npz(path: Path) -> tuple[Arrays, str | None]:
    arrays: Arrays = {}
    with zipfile.ZipFile(path) as whole:
        for name in whole.namelist():
            with whole.open(name) as part:
                arrays[name.removesuffix(".npy")] = np.lib.format.read_array(part, allow_pickle=False)
    text = arrays.pop(DESCRIPTION, None)
    return arrays, None if text is None else str(text)


FORMATS = {
    ".safetensors": Format(_write_safetensors, _read_safetensors),
    ".npz": Format(_write_npz, _read_npz),
}


# -- whole or not at all ----------------------------------------------------------------------------------------------
def write(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> None:
    """Write a file: first beside its place, then to the disk, then under its name, which is one act of the system; but
    not before it has been read again.

    A process that is killed meanwhile leaves the file that was there before, and at most a hidden one that ends in
    ``.part``.

    Raises
    ------
    ArgumentError
        for another suffix, a description that is no JSON, or names and dtypes that the format cannot give back;
        nothing is written.
    OSError
        as the system says; the file that was there stays.
    """
    target = Path(path)
    form = _form(target)
    held = {name: _held(array) for name, array in arrays.items()}
    rows = {name: _row(array) for name, array in held.items()}
    try:
        text = json.dumps({**description, "format": FORMAT, "version": VERSION, "arrays": rows}, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError(at_line(f"what is saved beside the arrays must be JSON values: {error}")) from error
    part = target.parent / f".{target.name}.{secrets.token_hex(8)}.part"
    try:
        part.touch(exist_ok=False)
        mode = (target if target.exists() else part).stat().st_mode & 0o777
        _write_and_read(form, part, held, text, rows)
        part.chmod(mode)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        with forgiven(OSError):
            part.unlink()
        raise
    _folder_to_disk(target.parent)


def _held(array: np.ndarray) -> np.ndarray:
    """Contiguous, and in this machine's order of bytes."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)


def _write_and_read(form: Format, part: Path, held: Arrays, text: str, rows: Described) -> None:
    """Each format raises errors of its own for what it cannot hold, or writes something else."""
    try:
        form.write(part, held, text)
        found, again = form.read(part)
        wrong = [name for name in {**held, **found} if name not in found or rows.get(name) != _row(found[name])]
    except (SymgraphError, OSError, MemoryError):
        raise
    except Exception as error:
        pass_on(error)
        raise ArgumentError(at_line(f"the arrays cannot be saved in this format: {error}")) from error
    if wrong or text != again:
        shown = ", ".join(map(repr, wrong[:3])) or "what is saved beside them"
        raise ArgumentError(at_line(f"the arrays cannot be saved in this format, which does not give back {shown}"))


def _folder_to_disk(folder: Path) -> None:
    """So that the new name outlives a loss of power, where a folder can be opened."""
    with forgiven(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(path: str | os.PathLike[str]) -> tuple[Arrays, Described | None]:
    """Arrays by name and the description; None for a file that another program has written.

    Raises
    ------
    FileNotFoundError
        if there is none.
    ArgumentError
        for a file that is damaged, or of a later version.
    """
    target = Path(path)
    form = _form(target)
    if not target.exists():
        raise FileNotFoundError(at_line(f"there is no file {target}"))
    try:
        arrays, text = form.read(target)
        description = None if text is None else json.loads(text)
    except ArgumentError:
        raise
    except Exception as error:  # each format raises errors of its own
        pass_on(error)
        raise ArgumentError(at_line(f"{target} is no whole {target.suffix} file: {error}")) from error
    if description is not None:
        _check(target, arrays, description)
    return arrays, description


def _check(target: Path, arrays: Arrays, description: Any) -> None:
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ArgumentError(at_line(f"{target} has a description that is none of symgraph's"))
    if description.get("version") != VERSION:
        raise ArgumentError(
            at_line(f"{target} is of version {description.get('version')}; this symgraph reads version {VERSION}")
        )
    rows, found = description.get("arrays"), {name: _row(array) for name, array in arrays.items()}
    if rows != found:
        told = rows if isinstance(rows, dict) else {}
        wrong = next((name for name in {**told, **found} if told.get(name) != found.get(name)), "what it tells of them")
        raise ArgumentError(at_line(f"{target} is damaged: {wrong} is not what was saved"))


def _row(array: np.ndarray) -> Described:
    """What an array is told by: dtype, shape and the CRC-32 of its bytes."""
    if array.dtype.kind not in "biuf":
        raise DomainError(at_line(f"arrays of numbers are saved, not of dtype {array.dtype}"))
    crc = zlib.crc32(array.reshape(-1).view(np.uint8).data) if array.size else 0
    return {"dtype": array.dtype.name, "shape": list(array.shape), "crc32": crc}


def _form(path: Path) -> Format:
    if path.suffix not in FORMATS:
        raise ArgumentError(at_line(f"{path.name} must end in {' or '.join(FORMATS)}"))
    return FORMATS[path.suffix]
