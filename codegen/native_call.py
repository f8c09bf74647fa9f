"""``invoke``: native code calls another program's entry by its address.

Un-jitted, an address is the ``id`` of a :class:`codegen.jit.PythonEntry`.
"""

from __future__ import annotations

import weakref
from typing import Any

from llvmlite import ir
from numba.core import types

from codegen.kernels.binding import bind

PYTHON_ENTRIES: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Entries that run as Python, by what stands for their address."""


def invoke(entry: int, packed: int, thread: int, threads: int) -> None:
    """Call ``entry(packed, thread, threads)``."""
    PYTHON_ENTRIES[int(entry)].function(packed, thread, threads)


def _typer(entry: types.Type, packed: types.Type, thread: types.Type, threads: types.Type) -> types.Type:
    return types.none


def _lowering(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    word = ir.IntType(64)
    numbers = [
        context.cast(builder, value, kind, types.int64) for value, kind in zip(arguments, signature.args, strict=True)
    ]
    function = ir.FunctionType(ir.VoidType(), [word] * 3)
    builder.call(builder.inttoptr(numbers[0], function.as_pointer()), numbers[1:])
    return context.get_dummy_value()


bind(invoke, _typer, _lowering)
