"""The error of each vector function in units of the last place: ``python -m tests.ulp [--points N] [NAME …]``.

Every binade of both floating types and both signs, the intervals of the function's row, and its zeros, poles and
borders; the truth is mpmath's.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import mpmath
import numpy as np

from codegen.native.kernels import VECTOR_MATH
from tests.vector_oracles import domain, errors_of, exact_values, native, samples


def measured(name: str, dtype: Any, points: int) -> tuple[float, float, Any]:
    """Worst and median error of one function, and where the worst is."""
    row = VECTOR_MATH[name]
    x = samples(dtype, row.ranges, points)
    x = x[domain(name, x)]
    with mpmath.workdps(60):
        errors = errors_of(native(name, x), exact_values(name, x), dtype)
    worst = int(np.argmax(errors))
    return errors[worst], float(np.median(errors)), x[worst]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--points", type=int, default=1000, help="in each interval")
    given = parser.parse_args(arguments)
    print(f"{'function':<12} {'dtype':<8} {'worst':>6} {'bound':>6} {'median':>6}   at")
    for row in VECTOR_MATH.values():
        if row.arity == 1 and (not given.names or row.name in given.names):
            for dtype in (np.float32, np.float64):
                worst, median, at = measured(row.name, dtype, given.points)
                mark = " !" if worst > row.ulp else ""
                print(
                    f"{row.name:<12} {dtype.__name__:<8} {worst:6.2f} {row.ulp:6.1f} {median:6.2f}   {at!r}{mark}",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
