"""Which numbers a scalar of a program may be, from what was declared of its symbol.

checked_number("SGD: lr", hyper_symbol("lr"), -1)     DomainError: SGD: lr must be a finite number, at least 0, not -1
"""

from __future__ import annotations

import functools
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.misuse import pass_on
from symgraph.core.provenance import at_line
from symgraph.errors import DomainError

NONNEGATIVE = (
    *("lr", "momentum", "dampening", "weight_decay", "alpha", "beta1", "beta2", "eps", "lr_decay", "rho", "lambd"),
    *("t0", "momentum_decay", "eta_minus", "eta_plus", "smallest", "largest", "eps1", "eps2", "clip_value", "max_norm"),
    *("radius", "average_decay", "slow_step"),
)
"""Hyper-parameters of the vocabulary that are at least 0."""
BELOW_ONE = ("alpha", "beta1", "beta2", "rho", "average_decay", "slow_step")
"""Rates of decaying averages."""


class DecayRate(sp.Symbol):  # type: ignore[misc]
    """A scalar from 0 up to 1, without 1."""

    highest = "below 1", math.nextafter(1, 0)


def hyper_symbol(name: str, group: str = "") -> sp.Symbol:
    """The scalar of a hyper-parameter of an optimiser; in a group ``lr_head``."""
    kind = DecayRate if name in BELOW_ONE else sp.Symbol
    facts = {"nonnegative": True} if name in NONNEGATIVE else {"real": True}
    return kind(f"{name}_{group}" if group else name, **facts)


_INSIDE = sys.float_info.max
_FIRST = math.ulp(0.0)
FACTS: dict[str, tuple[str, float, float]] = {
    "above 0": ("is_positive", _FIRST, _INSIDE),
    "at least 0": ("is_nonnegative", 0.0, _INSIDE),
    "below 0": ("is_negative", -_INSIDE, -_FIRST),
    "at most 0": ("is_nonpositive", -_INSIDE, 0.0),
    "integer": ("is_integer", -_INSIDE, _INSIDE),
}
"""What may have been declared of a scalar: in words, in SymPy's, and as the least and the greatest number."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a scalar may be: from ``lowest`` to ``highest``, all of them or the ``whole`` ones."""

    lowest: float
    highest: float
    whole: bool
    words: tuple[str, ...]

    def __contains__(self, value: float) -> bool:
        return self.lowest <= value <= self.highest and (not self.whole or value % 1 == 0)


@functools.cache
def range_of(symbol: sp.Symbol) -> Range:
    """What a scalar may be: finite, as it was declared, and at most the ``highest`` of its kind of symbol, told
    in words too."""
    held = [(words, low, high) for words, (fact, low, high) in FACTS.items() if getattr(symbol, fact)]
    last = getattr(symbol, "highest", None)
    if last is not None:
        held.append((last[0], -_INSIDE, last[1]))
    lowest = max((low for _, low, _ in held), default=-_INSIDE)
    highest = min((high for _, _, high in held), default=_INSIDE)
    return Range(lowest, highest, bool(symbol.is_integer), ("a finite number", *(words for words, _, _ in held)))


def checked_number(what: str, symbol: sp.Symbol, value: Any) -> float:
    """A value for a scalar, in its range.

    Raises
    ------
    DomainError
        which says what is expected.
    """
    allowed = range_of(symbol)
    try:
        number = math.nan if isinstance(value, str | bytes | bool) or np.ndim(value) else float(value)
    except Exception as error:  # an object's own conversion may raise anything
        pass_on(error)
        number = math.nan
    if number not in allowed:
        raise DomainError(at_line(f"{what} must be {', '.join(allowed.words)}, not {value!r}"))
    return number
