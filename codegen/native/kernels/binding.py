"""Binds a plain Python function to machine code: what comes in is the function, what goes out is one word of the
vocabulary.

A *word* such as ``exp(x)`` has two meanings that must agree. Called from Python it is the plain function; called from
a kernel, it is the LLVM instructions which its lowering writes straight into the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llvmlite import ir

from codegen.native.kernels.types import Type

Typer = Callable[..., Type | None]
"""Types of the arguments in, that of the result out, or ``None`` when the word has no such signature."""


class Signature(NamedTuple):
    """Types of a call's arguments, and of its result."""

    args: tuple[Type, ...]
    return_type: Type


Lowering = Callable[[ir.IRBuilder, Signature, Sequence[Any]], Any]
"""Writes the instructions; the LLVM value of the result out, several of a tuple, None of nothing."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a function means natively."""

    typer: Typer
    lowering: Lowering


def bind(function: Callable[..., Any], typer: Typer, lowering: Lowering) -> None:
    """Give the plain Python ``function`` a native meaning.

    Parameters
    ----------
    function
        The word as Python runs it; emitted source refers to it by its global name.
    typer
        Takes as many types as ``function`` has arguments.
    lowering
        Writes the instructions.
    """
    function.native = Word(typer, lowering)  # type: ignore[attr-defined]


def word_of(function: Any) -> Word | None:
    """The native meaning of a function; None if it has none."""
    return getattr(function, "native", None)
