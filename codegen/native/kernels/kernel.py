"""Kernels: Python functions that are compiled, for each tuple of argument types, where a program calls them."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Callable
from functools import cached_property
from typing import Any


class Kernel:
    """A function of the native vocabulary; ``py_func`` is what Python runs in its place.

    Parameters
    ----------
    function
        As :func:`kernel` takes it.
    tree
        Its definition, where that is at hand; else it is read from the function's file.
    """

    def __init__(self, function: Callable[..., Any], tree: ast.FunctionDef | None = None) -> None:
        assert isinstance(function, types.FunctionType)
        self.py_func = function
        self.__name__ = function.__name__
        if tree is not None:
            self.tree = tree

    @cached_property
    def tree(self) -> ast.FunctionDef:
        """The definition."""
        found = ast.parse(textwrap.dedent(inspect.getsource(self.py_func))).body[0]
        assert isinstance(found, ast.FunctionDef)
        return found

    def lookup(self, name: str) -> Any:
        """What a name that the function does not bind stands for.

        Raises
        ------
        KeyError
            for none.
        """
        code, cells = self.py_func.__code__, self.py_func.__closure__ or ()
        if name in code.co_freevars:
            return cells[code.co_freevars.index(name)].cell_contents
        known = self.py_func.__globals__
        if name in known:
            return known[name]
        builtins = known["__builtins__"]
        return (builtins if isinstance(builtins, dict) else vars(builtins))[name]


def kernel(function: Callable[..., Any]) -> Any:
    """Make ``function`` callable from other kernels and from programs; never from Python.

    Division by zero gives ±inf, or 0 of whole numbers. Of LLVM's fast-math flags only ``contract`` is set, so that
    ``a*b + c`` may become one fused operation; sums are reordered where the source says
    :func:`codegen.native.kernels.scalar.accumulate`, nowhere else.
    """
    return Kernel(function)
