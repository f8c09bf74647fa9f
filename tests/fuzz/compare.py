"""What is right: within the error that the formula as written may have, and a number wherever it gives one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from tests.fuzz.oracle import Label, elements
from tests.fuzz.programs import Program
from tests.fuzz.tape import PRECISION, Num

SLACK = 24
"""Multiples of the error bound that are allowed: the computed formula is another one than the formula as written."""
FAR = 1e-3
"""A result that is off by more than this part is wrong, not inaccurate."""
DERIVATIVES = ("grad", "jacobian", "hvp")


@dataclass(frozen=True)
class Finding:
    """One difference: what kind, how it shows, in which style, and a place in the code where one is known."""

    kind: str
    text: str
    style: int
    place: str = ""

    @property
    def fingerprint(self) -> str:
        """Findings of one fingerprint are one finding to the minimiser."""
        return f"{self.kind} {self.place}".strip()


@dataclass
class Tally:
    """How many numbers were compared, and how many the oracle could not bound."""

    compared: int = 0
    loose: int = 0


def compare(
    program: Program, expected: Mapping[int, np.ndarray], outcome: Mapping[str, np.ndarray], style: int, tally: Tally
) -> list[Finding]:
    """Findings in the outputs of one run; at most one for each output."""
    found = []
    with mpmath.workprec(PRECISION):
        for number in program.outputs:
            got, want = outcome[f"o{number}"], expected[number]
            if got.shape != want.shape:
                found.append(Finding("shape", f"o{number} has shape {got.shape}, expected {want.shape}", style))
                continue
            what = "gradient" if _is_derived(program, number) else "value"
            for at, exact in elements(want):
                fault = _fault(exact, got[at], program.dtype, tally)
                if fault:
                    kind, text = fault
                    found.append(Finding(f"{kind}-{what}", f"o{number}{list(at)}: {text}", style))
                    break
    return found


def _is_derived(program: Program, number: int) -> bool:
    pending = [number]
    while pending:
        value = program.values[pending.pop()]
        if value.op in DERIVATIVES:
            return True
        pending.extend(value.args)
    return False


def _fault(exact: Any, got: Any, dtype: str, tally: Tally) -> tuple[str, str] | None:
    if isinstance(exact, Label):
        if exact.loose:
            tally.loose += 1
            return None
        tally.compared += 1
        return None if exact.value == int(got) else ("wrong", f"got label {got}, expected {exact.value}")
    number = float(got)
    if not np.isfinite(number):
        return _not_finite(exact, number, tally)
    if exact.loose or exact.fragile or not mpmath.isfinite(exact.value):
        tally.loose += 1
        return None
    tally.compared += 1
    difference = float(abs(mpmath.mpf(number) - exact.value))
    info = np.finfo(dtype)
    size = float(abs(exact.value))
    allowed = SLACK * (exact.error + float(info.eps) * size) + 4 * float(info.tiny)
    if difference <= allowed:
        return None
    kind = "wrong" if difference > FAR * size + allowed else "inaccurate"
    return kind, f"got {number!r}, expected {mpmath.nstr(exact.value, 17)} ± {exact.error:.1e}"


def _not_finite(exact: Num, number: float, tally: Tally) -> tuple[str, str] | None:
    """NaN or infinity is wrong wherever the plain formula gives a number."""
    plain = float(exact.plain)
    if exact.fragile or (exact.loose and not np.isfinite(plain)):
        tally.loose += 1
        return None
    tally.compared += 1
    if not mpmath.isfinite(exact.value) or not np.isfinite(plain):
        return None
    return "not-finite", f"got {number!r}, expected {mpmath.nstr(exact.value, 17)}, which the plain formula gives"


def compare_splittings(
    program: Program, expected: Mapping[int, np.ndarray], outcomes: Sequence[Mapping[str, np.ndarray]], styles: Any
) -> list[Finding]:
    """The same declarations under other names: equal within the bound, and finite in the same places; a derivative
    where there is a value to derive: of (√v)² it is √v/√v, or 1, where v < 0."""
    first = outcomes[0]
    for other in outcomes[1:]:
        for number in program.outputs:
            a, b = first[f"o{number}"], other[f"o{number}"]
            if a.shape != b.shape or a.dtype.kind != "f":
                continue
            differ = map(tuple, np.argwhere(np.isfinite(a) != np.isfinite(b)))
            somewhere = {at: expected[number][at] for at in differ if not expected[number][at].fragile}
            odd = [at for at, exact in somewhere.items() if not (_is_derived(program, number) and mpmath.isnan(exact.value))]
            if odd:
                at = odd[0]
                text = f"o{number}{list(map(int, at))}: {a[at]!r} in style {styles[0]}, {b[at]!r} in style {styles[-1]}"
                return [Finding("names-decide", text, styles[-1])]
    return []


def same_bits(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """Whether all arrays are equal bit for bit."""
    return all(np.asarray(one[name]).tobytes() == np.asarray(two[name]).tobytes() for name in one)
