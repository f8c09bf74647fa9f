"""Where in a formula the bits go: the first operation whose result is off though what it works on is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp
from mpmath import libmp

from symgraph.core.tensor import Tensor
from symgraph.rounding.evaluate import MOST, Point, at_precision, floating
from symgraph.rounding.raw import as_float
from symgraph.rounding.tape import Tape

KEPT = 8.0
"""Units of the last place by which operands may be off."""
KINDS = {"add": "cancels", "sub": "cancels"}


@dataclass(frozen=True, slots=True)
class Loss:
    """An operation that loses bits: ``kind`` is "overflows", "underflows", "cancels" or "is steep"."""

    kind: str
    bits: float
    source: sp.Basic
    tensor: Tensor | None


def loss_at(tape: Tape, point: Point, dtype: np.dtype) -> Loss | None:
    """The operation at which a value goes wrong at a point; None where nothing does."""
    column = np.array(point, dtype).reshape(-1, 1)
    computed = [float(np.asarray(value, np.float64).ravel()[0]) for value in floating(tape, column)]
    given = {position: libmp.from_float(float(x)) for position, x in zip(tape.variables, point, strict=True)}
    true = [as_float(value) for value in at_precision(tape, given, MOST[dtype.name])]
    off = [_off(a, b, dtype) for a, b in zip(computed, true, strict=True)]
    found: Loss | None = None
    for n, operation in enumerate(tape.operations):
        before = max((off[m] for m in operation.operands if not np.isnan(true[m])), default=0.0)
        if off[n] <= KEPT or before > KEPT or not operation.operands:
            continue
        loss = Loss(_kind(operation.name, computed[n], true[n], dtype), _bits(off[n], dtype), *tape.sources[n])
        if found is None or loss.bits >= found.bits:
            found = loss
    return found


def _off(computed: float, true: float, dtype: np.dtype) -> float:
    """The error of a value, in units of the last place of the true one."""
    info = np.finfo(dtype)
    if computed == true or (np.isnan(true)):
        return 0.0
    if not np.isfinite(computed) or not np.isfinite(true):
        return np.inf if not np.isfinite(computed) else 0.0
    size = min(max(abs(true), float(info.smallest_normal)), float(info.max))
    return abs(computed - true) / float(np.ldexp(float(info.eps), np.frexp(size)[1] - 1))


def _bits(off: float, dtype: np.dtype) -> float:
    most = float(np.finfo(dtype).nmant + 1)
    return most if not np.isfinite(off) else min(most, float(np.log2(max(off, 1.0))))


def _kind(name: str, computed: float, true: float, dtype: np.dtype) -> str:
    if not np.isfinite(computed):
        return "overflows"
    if computed == 0 and abs(true) < float(np.finfo(dtype).smallest_normal):
        return "underflows"
    return KINDS.get(name, "is steep")
