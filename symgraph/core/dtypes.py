"""What a value is: real, integer or boolean.

    t + 1, k % 7, k // 2, Σ k, argmax   integer       t/2, k·x, mean   real       x > 0, any(m), all(m)   boolean

As NumPy promotes them. Integers are computed as such, exactly up to 64 bits, and rounded where they meet a real.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import sympy as sp
from sympy.core.assumptions import assumptions

from symgraph.core.provenance import at_line
from symgraph.errors import DomainError

DType = Literal["real", "integer", "boolean"]
DTYPES: dict[Any, DType] = {"real": "real", "integer": "integer", "boolean": "boolean", float: "real", int: "integer",
                            bool: "boolean"}  # fmt: skip
_KEEPING = (sp.Add, sp.Mul, sp.Mod, sp.Max, sp.Min)


def as_dtype(given: Any) -> DType:
    """``"real"``, ``"integer"``, ``"boolean"``, or Python's ``float``, ``int``, ``bool``.

    Raises
    ------
    DomainError
        for anything else: what a real is in memory, float32 or float64, is said where a program is compiled.
    """
    if isinstance(given, str | type) and given in DTYPES:
        return DTYPES[given]
    raise DomainError(
        at_line(f"a tensor is real, integer or boolean, not {given!r}; float32 or float64 is said to codegen.function")
    )


def dtype_of(op: str | None, body: sp.Basic) -> DType:
    """That of a definition with this body; its operands have theirs."""
    if op in ("argmax", "argmin"):
        return "integer"
    if op in ("recurrence", "external"):
        return "real"
    found = _of(body)
    return "integer" if op == "sum" and found == "boolean" else found or "real"


def is_integer(body: sp.Basic) -> bool:
    """Whether a formula reads integers, and is computed as one."""
    return _of(body) == "integer"


def _of(body: sp.Basic) -> DType | None:
    """That of a formula; None for a whole number, which is what it stands beside."""
    if hasattr(body, "indices"):  # an element
        return body.tensor.dtype  # type: ignore[no-any-return]
    if body.is_Integer:
        return None
    if isinstance(body, sp.floor):
        parts: Any = sp.fraction(sp.together(body.args[0]))
    elif isinstance(body, sp.Pow) and body.exp.is_Integer and body.exp > 0:
        parts = (body.base,)
    elif isinstance(body, sp.Piecewise):
        parts = tuple(value for value, _ in body.args)
    elif isinstance(body, _KEEPING):
        parts = body.args
    else:
        return "real"
    found: DType | None = None
    for part in parts:
        kind = _of(part)
        if kind == "real":
            return "real"
        found = found or (kind and "integer")
    return found


@cache
def facts(dtype: DType, is_label: bool) -> Any:
    """All that SymPy may ask of a value, with its answers: real, an integer, and for labels of at least 0.

    SymPy searches its rules at the first question to each object; this table is complete, and shared by all.
    """
    if dtype == "integer":
        value = sp.Dummy(integer=True, nonnegative=True if is_label else None)
    else:
        value = sp.Dummy(real=True)
    assumptions(value)  # asks everything
    return value._assumptions
