"""Comparisons, Max and Min over other arguments, by their form.

SymPy asks whether u + v ≥ 0, which takes milliseconds; the answer depends on what u and v are assumed to be, not on
what they are called. So it is kept by the form of the arguments, over numbered stand-ins for their elements.

A comparison is decided of whole numbers alone: u < u + 1 and u² ≥ 0 hold for every real number, yet neither for NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from symgraph.core.scalars import Written

COMPARING = (sp.Max, sp.Min, Relational)
MOST_COMPARED = 3
"""Arguments of an extremum that SymPy compares with each other; of more it only leaves out what is twice there."""


def compared(function: Any, args: Sequence[sp.Basic]) -> sp.Basic:
    """``function(*args)``, one of :data:`COMPARING`, as SymPy evaluates it; no real number is compared as NaN is."""
    if any(map(_is_no_number, args)):
        return sp.nan if function in (sp.Max, sp.Min) else sp.S(function is sp.Ne)
    if function in (sp.Max, sp.Min) and len(set(args)) > MOST_COMPARED:
        return function(*dict.fromkeys(args), evaluate=False)
    if isinstance(function, type) and issubclass(function, Relational):
        return related(function, *args)
    return _evaluated(function, args)


def _is_no_number(arg: sp.Basic) -> bool:
    """Whether it is NaN wherever it is asked for, as √(−1 − u²) is; 1/0 may be infinite."""
    return arg is sp.nan or (arg.is_extended_real is False and arg is not sp.zoo)


def related(relation: type[Relational], left: sp.Basic, right: sp.Basic) -> sp.Basic:
    """``left ≷ right``, decided where both are numbers or integers, of which none is NaN.

    Of others a side is :class:`.Written` where SymPy would decide, so that nobody who rebuilds the relation does.
    """
    found = _evaluated(relation, (left, right))
    if found not in (sp.true, sp.false) or all(side.is_number or side.is_integer for side in (left, right)):
        return found
    if left.is_number:
        return relation(left, Written(right), evaluate=False)
    return relation(Written(left), right, evaluate=False)


def _evaluated(function: Any, args: Sequence[sp.Basic]) -> sp.Basic:
    names: dict[sp.Basic, sp.Symbol] = {}
    known = _outcome(function, tuple(_form(arg, names) for arg in args))
    if not isinstance(known, tuple):
        return function(*args) if known is None else known
    return args[known[0]] if len(known) == 1 else function(*(args[place] for place in known), evaluate=False)


def _form(arg: sp.Basic, names: dict[sp.Basic, sp.Symbol]) -> sp.Basic:
    """The argument with stand-ins for its elements, numbered in the order in which they are met."""
    pending, found = [arg], False
    while pending:
        node = pending.pop()
        if getattr(node, "is_element", False):
            found = True
            if node not in names:
                names[node] = _stand_in(len(names), node.is_integer, node.is_nonnegative)
        else:
            pending.extend(node.args)
    return _renamed(arg, names) if found else arg


def _renamed(node: sp.Basic, names: Mapping[sp.Basic, sp.Symbol]) -> sp.Basic:
    """A formula with other names for its elements, the extrema in it compared as all are here."""
    if node in names or not node.args:
        return names.get(node, node)
    args = [_renamed(arg, names) for arg in node.args]
    return compared(node.func, args) if isinstance(node, sp.Max | sp.Min) else node.func(*args)


@lru_cache(maxsize=1024)
def _stand_in(number: int, integer: bool | None, nonnegative: bool | None) -> sp.Symbol:
    return sp.Dummy(f"e{number}", real=True, integer=integer, nonnegative=nonnegative)


@lru_cache(maxsize=4096)
def _outcome(function: Any, args: tuple[sp.Basic, ...]) -> tuple[int, ...] | sp.Basic | None:
    """True or false, or the places of the arguments that stay, if SymPy only leaves some out; else None."""
    found = function(*args)
    if found in (sp.true, sp.false):
        return found
    parts = found.args if isinstance(found, function) else (found,)
    return tuple(args.index(part) for part in parts) if all(part in args for part in parts) else None
