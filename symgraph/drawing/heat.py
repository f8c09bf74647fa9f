"""Numbers as pictures: a value is a short decimal, an array a small heat map with its range.

Blue is negative, white 0, red positive, on a scale that is the same on both sides; black is not finite.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_CELLS = 24
"""Rows and columns of a heat map; larger arrays are averaged in blocks."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text, and of an array also a picture of so many columns and rows."""

    text: str
    picture: str = ""
    columns: int = 0
    rows: int = 0


def shown(value: Any) -> Shown:
    """A number, or an array with its range."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 0:
        return Shown(number(float(array)))
    if not array.size:
        return Shown("empty")
    finite = array[np.isfinite(array)]
    text = "not finite" if not finite.size else span(float(finite.min()), float(finite.max()))
    if 0 < finite.size < array.size:
        text += ", not all finite"
    cells = _cells(array)
    return Shown(text, heat_map(cells), cells.shape[1], cells.shape[0])


def number(value: float) -> str:
    """At most five digits, without what rounding leaves."""
    text = f"{value + 0.0:.5g}"
    mantissa, found, exponent = text.partition("e")
    return (f"{mantissa}e{int(exponent)}" if found else text).replace("-", "−")


def span(least: float, most: float) -> str:
    """A range, in three digits."""
    if least == most:
        return number(least)
    low, high = (number(float(f"{value:.3g}")) for value in (least, most))
    return f"{low} … {high}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it, in three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{number(float(f'{seconds / size:.3g}'))} {unit}"
    return f"{number(float(f'{seconds * 1e9:.3g}'))} ns"


def error(ulps: float) -> str:
    """An error in units of the last place, in three digits."""
    return number(float(f"{ulps:.3g}")) if np.isfinite(ulps) else "∞"


def _cells(array: np.ndarray) -> np.ndarray:
    """A matrix of the last axis as columns, of at most so many cells a side, each the mean of its block."""
    matrix = array.reshape(1, -1) if array.ndim == 1 else array.reshape(-1, array.shape[-1])
    for axis in (0, 1):
        size = matrix.shape[axis]
        if size > MOST_CELLS:
            edges = np.linspace(0, size, MOST_CELLS + 1).astype(int)[:-1]
            counts = np.diff([*edges, size])
            shares = np.repeat(1 / counts, counts)
            with np.errstate(invalid="ignore"):  # ∞ − ∞ is no number, and shown as none
                matrix = np.add.reduceat(matrix * (shares[:, None] if axis == 0 else shares), edges, axis=axis)
    return matrix


def heat_map(cells: np.ndarray) -> str:
    """A matrix as a PNG of one pixel a cell, in a data URI."""
    finite = np.isfinite(cells)
    largest = float(np.abs(cells[finite]).max()) if finite.any() else 0.0
    scaled = np.where(finite, cells, 0.0) / (largest or 1.0)
    weak = (1 - np.abs(scaled))[..., None]
    strong = np.where((scaled < 0)[..., None], np.array([33, 102, 172]), np.array([178, 24, 43]))
    colours = np.where(finite[..., None], weak * 247 + (1 - weak) * strong, 0.0)
    return "data:image/png;base64," + base64.b64encode(_png(np.rint(colours).astype(np.uint8))).decode()


def _png(pixels: np.ndarray) -> bytes:
    rows, columns, _ = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
