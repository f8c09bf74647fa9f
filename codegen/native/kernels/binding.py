"""Binds a plain Python function to machine code: what comes in is the function, what goes out is one word of the
vocabulary.

A *word* such as ``exp(x)`` has two meanings that must agree. Called from Python it is the plain function; called from
a kernel, it is the LLVM instructions which its lowering writes straight into the caller. There is no
overload body for Numba to analyse, optimise and link, so a word costs microseconds of compile time instead of the
tens of milliseconds of an ``@overload``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import lower_builtin, type_callable

Typer = Callable[..., Any]
"""Numba argument types in, Numba result type out, or ``None`` when the word has no such signature."""

Lowering = Callable[..., Any]
"""``(context, builder, signature, arguments)`` in, the LLVM value of the result out
(``numba.extending.lower_builtin``)."""


def bind(function: Callable[..., Any], typer: Typer, lowering: Lowering) -> None:
    """Give the plain Python ``function`` a native meaning.

    Parameters
    ----------
    function
        The word as Python runs it; emitted source refers to it by its global name.
    typer
        Must have the same parameter names as ``function``.
    lowering
        Writes the instructions.
    """
    type_callable(function)(lambda context: typer)
    lower_builtin(function, types.VarArg(types.Any))(lowering)  # type: ignore[attr-defined]
