"""MNIST as in the textbook: 784-50-10, batches of 100, learning rate 0.1, 10,000 steps, weights 0.01·N(0, 1).

    python examples/mnist.py --data DIR

DIR holds the four IDX files of LeCun, Cortes and Burges, gzip'd or not: ``train-images-idx3-ubyte``,
``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte`` (also with ``.gz``, or ``.idx3-ubyte``).
"""

import argparse
import gzip
import math
import sys
import time
import zlib
from pathlib import Path

import numpy as np

import codegen
import symgraph as sg

UNSIGNED_BYTE = 0x08
MAX_BYTES = 1 << 31  # no file is read further than this, whatever its header says


class IdxError(ValueError):
    """A file that is not what it should be; the message names the file and says what was found."""


def read_idx(path, ndim):
    """The array of unsigned bytes in an IDX file, gzip'd or not.

    The format: two zero bytes, the code of the data type, the number of axes; each axis' size as a big-endian 32-bit
    integer; then the elements in row-major order, and nothing else.

    Raises
    ------
    IdxError
        if the file is damaged, is no IDX file, or does not hold unsigned bytes with ``ndim`` axes.
    """
    path = Path(path)
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if zipped else raw as file:
                return _read(path, file, ndim)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise IdxError(f"{path}: damaged gzip data ({error})") from error
    except OSError as error:
        raise IdxError(f"{path}: cannot be read ({error.strerror or error})") from error


def _read(path, file, ndim):
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise IdxError(f"{path}: not an IDX file: it begins with {magic.hex(' ') or 'nothing'}, expected 00 00 08 {ndim:02x}")
    if magic[2] != UNSIGNED_BYTE:
        raise IdxError(f"{path}: data type 0x{magic[2]:02x}; expected 0x08, unsigned bytes")
    if magic[3] != ndim:
        raise IdxError(f"{path}: {magic[3]} axes; expected {ndim}")
    header = file.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise IdxError(f"{path}: the header ends after {4 + len(header)} bytes of {4 + 4 * ndim}")
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">u4"))
    expected = math.prod(shape)
    if not 0 < expected <= MAX_BYTES:
        raise IdxError(f"{path}: a shape of {shape} is empty or too large")
    data = file.read(expected)
    if len(data) < expected:
        raise IdxError(f"{path}: {len(data)} bytes of data; the shape {shape} needs {expected}")
    if file.read(1):
        raise IdxError(f"{path}: more data than the shape {shape} has elements")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def find(folder, name):
    """The file of this name in the folder, under one of its usual spellings."""
    stem, kind = name.rsplit("-", 2)[0], name[len(name.rsplit("-", 2)[0]) + 1 :]
    spellings = [f"{stem}{sign}{kind}{end}" for end in ("", ".gz") for sign in ("-", ".")]
    for spelling in spellings:
        if (folder / spelling).is_file():
            return folder / spelling
    raise IdxError(f"{folder}: there is no {name}; looked for {', '.join(spellings)}")


def load(folder, part):
    """Images as rows of floats in [0, 1] and labels, of ``part`` "train" or "t10k"."""
    folder = Path(folder)
    if not folder.is_dir():
        raise IdxError(f"{folder}: there is no such folder")
    image_file, label_file = find(folder, f"{part}-images-idx3-ubyte"), find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(image_file, ndim=3), read_idx(label_file, ndim=1)
    if len(images) != len(labels):
        raise IdxError(f"{image_file} has {len(images)} images, but {label_file} has {len(labels)} labels")
    if labels.max() > 9:
        raise IdxError(f"{label_file}: label {labels.max()} at {labels.argmax()}; expected 0 … 9")
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int64)
