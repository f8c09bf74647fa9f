"""Native code calls other code by its address: ``invoke`` another program's entry, ``ask`` a C function of Python's.

Un-jitted, an entry's address is the ``id`` of a :class:`codegen.native.jit.PythonEntry`, and a C function is called
through ctypes.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

from llvmlite import ir
from numba.core import types

from codegen.native.kernels.binding import bind

PYTHON_ENTRIES: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Entries that run as Python, by what stands for their address."""

_WORD = ir.IntType(64)


def invoke(entry: int, packed: int, thread: int, threads: int) -> None:
    """Call ``entry(packed, thread, threads)``."""
    PYTHON_ENTRIES[int(entry)].function(packed, thread, threads)


def launched(function: int, pool: int, entry: int, packed: int, threads: int) -> int:
    """Call ``launch`` of :mod:`codegen.native.team_text`, at its address. Un-jitted code has one thread, no team."""
    raise ValueError(f"un-jitted code runs one thread, not {threads}")


def ask(function: int) -> int:
    """The word, or pointer, that a C function without parameters returns; 0 or garbage where it returns nothing."""
    return int(ctypes.PYFUNCTYPE(ctypes.c_int64)(int(function))())


def ask_about(function: int, subject: int) -> int:
    """As :func:`ask`, with one word or pointer."""
    return int(ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(int(function))(int(subject)))


def ask_which(function: int, subject: int, number: int) -> int:
    """As :func:`ask`, with two words or pointers."""
    return int(
        ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(int(function))(int(subject), int(number))
    )


def ask_number(function: int, subject: int) -> float:
    """As :func:`ask_about`, of a function that returns a double."""
    return float(ctypes.PYFUNCTYPE(ctypes.c_double, ctypes.c_int64)(int(function))(int(subject)))


def _call(result: ir.Type, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    address, *given = (
        context.cast(builder, value, kind, types.int64) for value, kind in zip(arguments, signature.args, strict=True)
    )
    function = ir.FunctionType(result, [_WORD] * len(given))
    return builder.call(builder.inttoptr(address, function.as_pointer()), given)


def _lower_invoke(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    _call(ir.VoidType(), context, builder, signature, arguments)
    return context.get_dummy_value()


def _lower_word(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    return _call(_WORD, context, builder, signature, arguments)


def _lower_number(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    return _call(ir.DoubleType(), context, builder, signature, arguments)


bind(invoke, lambda entry, packed, thread, threads: types.none, _lower_invoke)
bind(launched, lambda function, pool, entry, packed, threads: types.int64, _lower_word)
bind(ask, lambda function: types.int64, _lower_word)
bind(ask_about, lambda function, subject: types.int64, _lower_word)
bind(ask_which, lambda function, subject, number: types.int64, _lower_word)
bind(ask_number, lambda function, subject: types.float64, _lower_number)
