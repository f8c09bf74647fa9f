"""The errors of the forms of one value: at the same points, against one truth, in units of the last place.

    error = |computed − true| / (ulp(true) + Σ |f(x₁, …, xᵢ·(1 + ε), …) − f(x)|)

so that what rounding the variables alone changes (the condition of the formula) is no error of a form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from mpmath import libmp

from symgraph.core.tensor import Tensor
from symgraph.rounding.domains import EVERYWHERE, Interval
from symgraph.rounding.evaluate import condition, exact, floating
from symgraph.rounding.points import of_all_sizes, points_of, where_ranges_end
from symgraph.rounding.raw import Raw, as_float
from symgraph.rounding.tape import Tape, Unmeasured

COUNT = 96
"""Points beside borders."""
SMALL = 1.0
"""Errors up to this are those of rounding: the condition is not asked for."""
AFTER = np.iinfo(int).max
"""The place of a point that is not there for every formula."""
FEWEST = 4
"""Points with a value, at least."""


@dataclass(frozen=True)
class Errors:
    """Errors of some forms at points: ``errors`` is (forms, points), ``points`` (variables, points).

    ``values`` are computed, ``truth`` is the true value, rounded to float64, ``conditions`` Σ |Δf|/(ε·|f|) where
    it was asked for, else NaN. ``defined`` is at how many points some form has a value, without those at borders and
    beside numbers at which all forms are alike: so many are looked at as a formula has borders. ``numbers``, (forms,),
    is at how many finite points each has a value, which include those without a true value: 0·log 0.
    """

    dtype: np.dtype
    points: np.ndarray
    values: np.ndarray
    truth: np.ndarray
    errors: np.ndarray
    conditions: np.ndarray
    defined: int
    numbers: np.ndarray

    def worst(self, form: int = 0) -> float:
        """The largest error of a form."""
        return float(self.errors[form].max())

    def median(self, form: int = 0) -> float:
        """The median error of a form."""
        return float(np.median(self.errors[form]))

    def where(self, form: int = 0) -> int:
        """The point of the largest error; of several, the one nearest to ordinary numbers."""
        worst = self.errors[form] == self.errors[form].max()
        with np.errstate(all="ignore"):
            far = np.abs(np.log2(np.abs(self.points))).max(axis=0) if len(self.points) else np.zeros(len(worst))
        return int(np.argmin(np.where(worst, np.where(np.isfinite(far), far, 1e9), np.inf)))


def errors_of(
    forms: Sequence[Tape],
    dtype: np.dtype,
    count: int = COUNT,
    most: int = 10**6,
    domains: Mapping[Tensor, Interval] | None = None,
    apart: float | None = None,
) -> Errors:
    """Errors of forms of one value, the first of which is what is meant; all have the variables of the first.

    ``count`` is how many points, beside those at borders, ``most`` how many bits the true value may take, and
    ``domains`` where variables are looked at, by their tensors. With ``apart`` the true value, which is what takes
    long, is asked for where the forms are further apart than that many units of the last place, and nowhere else;
    there may be no such point.

    Raises
    ------
    Unmeasured
        if there are too few points at which the value is certain.
    """
    meant = forms[0]
    stated = [EVERYWHERE if t is None or not domains else domains.get(t, EVERYWHERE) for t, _ in meant.keys]
    domain = stated if any(ends != EVERYWHERE for ends in stated) else ()
    points = points_of(meant, dtype, count, domain, ends=apart is not None)
    points, place = np.unique(points, axis=1, return_index=True)
    tables = [_computed(form, meant, points) for form in forms]
    values = np.array([_result(form, table, points) for form, table in zip(forms, tables, strict=True)])
    if apart is not None and (more := where_ranges_end(points, list(zip(forms, tables, strict=True)))).size:
        points, place = np.concatenate([points, more], axis=1), np.append(place, np.full(more.shape[1], AFTER))
        values = np.append(values, [_result(form, _computed(form, meant, more), more) for form in forms], axis=1)
    asked_for = ~(np.isnan(values).all(axis=0) if apart is not None else np.zeros(points.shape[1], bool))
    numbers = (~np.isnan(values) & np.isfinite(points).all(axis=0)).sum(axis=1)
    counted = asked_for & (place < of_all_sizes(count))
    if apart is not None:
        asked_for &= _are_apart(values, apart, dtype)
    defined = int((counted | asked_for).sum())
    true_values = _truth_of(meant, dtype, most)
    truth = [true_values.value(point) if at else None for point, at in zip(points.T, asked_for, strict=True)]
    known = [n for n, value in enumerate(truth) if value is not None]
    if apart is None and len(known) < min(FEWEST, points.shape[1]):
        raise Unmeasured("there are too few points at which it has a value")
    points, certain = np.ascontiguousarray(points[:, known]), [value for value in truth if value is not None]
    values = values[:, known]
    true, rest = np.array([_split(value) for value, _ in certain]).reshape(-1, 2).T
    gaps = np.array([_gap(value, true, rest, dtype) for value in values])
    units = _ulp(true, dtype)
    conditions = np.full(len(known), np.nan)
    info = np.finfo(dtype)
    asked = ((gaps > SMALL * units) & np.isfinite(gaps)).any(axis=0)
    for n in np.nonzero(asked & np.isfinite(true))[0]:
        conditions[n] = true_values.condition(points[:, n], certain[n][1])
    with np.errstate(all="ignore"):
        unit = units + float(info.eps) * np.nan_to_num(conditions, nan=0.0, posinf=np.inf)
        errors = np.where((gaps == 0) | (np.isinf(unit) & np.isfinite(gaps)), 0.0, gaps / unit)
        relative = conditions / np.abs(true)
    return Errors(dtype, points, values, true, errors, relative, defined, numbers)


class _Truth:
    """True values of one formula in one type, and their conditions, each found once: forms are compared in turns."""

    def __init__(self, meant: Tape, dtype: np.dtype, most: int) -> None:
        self.meant, self.dtype, self.most = meant, dtype, most
        self.values: dict[bytes, tuple[Raw, int] | None] = {}
        self.conditions: dict[bytes, float] = {}

    def value(self, point: np.ndarray) -> tuple[Raw, int] | None:
        """The value, and the bits it took; None where there is none, or none that is certain."""
        key = point.tobytes()
        if key not in self.values:
            self.values[key] = exact(self.meant, point, self.dtype, self.most)
        return self.values[key]

    def condition(self, point: np.ndarray, precision: int) -> float:
        """Σ |Δf|/ε."""
        key = point.tobytes()
        if key not in self.conditions:
            self.conditions[key] = condition(self.meant, point, precision, self.dtype)
        return self.conditions[key]


@lru_cache(maxsize=64)
def _truth_of(meant: Tape, dtype: np.dtype, most: int) -> _Truth:
    return _Truth(meant, dtype, most)


def _are_apart(values: np.ndarray, most: float, dtype: np.dtype) -> np.ndarray:
    """Where forms have values that differ by more than ``most`` units of the last place of the largest, or not all are
    numbers, or infinite alike."""
    with np.errstate(all="ignore"):
        low, high = values.min(axis=0), values.max(axis=0)
        near = high - low <= most * _ulp(np.abs(values).max(axis=0), dtype)
    return ~(near | (low == high))  # what is not a number is near to nothing


def _computed(form: Tape, meant: Tape, points: np.ndarray) -> list[np.ndarray]:
    """The values of the operations of a form whose variables are among those of the first."""
    place = {key: row for row, key in enumerate(meant.keys)}
    try:
        own = points[[place[key] for key in form.keys]]
    except KeyError:
        raise Unmeasured("its forms read different values") from None
    return floating(form, own.reshape(len(form.variables), points.shape[1]))


def _result(form: Tape, table: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(table[form.result], np.float64), points.shape[1])


def _split(value: Raw) -> tuple[float, float]:
    """A number as the nearest float64 and what is left."""
    high = as_float(value)
    if not np.isfinite(high):
        return high, 0.0
    return high, as_float(libmp.mpf_sub(value, libmp.from_float(high), 60, "n"))


def _gap(value: np.ndarray, true: np.ndarray, rest: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """|computed − true|; 0 where both overflow, or both are below the smallest normal number."""
    info = np.finfo(dtype)
    largest, least = float(info.max), float(info.smallest_normal)
    with np.errstate(all="ignore"):
        gap = np.abs((value - true) - rest)
        gap = np.where(np.isnan(gap), np.inf, gap)
        over = (np.abs(true) > largest * (1 - 2.0**-20)) & (np.abs(value) > largest * (1 - 2.0**-10))
        same = (np.isinf(true) & (value == true)) | (over & (np.sign(value) == np.sign(true)))
        return np.where(same | (gap < least), 0.0, gap)


def _ulp(true: np.ndarray, dtype: np.dtype) -> np.ndarray:
    info = np.finfo(dtype)
    size = np.clip(np.abs(true), float(info.smallest_normal), float(info.max))
    return np.ldexp(float(info.eps), np.frexp(size)[1] - 1)
