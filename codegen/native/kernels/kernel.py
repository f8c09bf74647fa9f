"""Kernels, and the module of LLVM's that those of one program are written into.

Numba lends what it knows of words and operators: its typing says what type a result has, its target writes the
instructions (:mod:`.binding`). It compiles nothing: :mod:`.translate` reads the functions, in one pass each, and
:mod:`codegen.native.compile` optimises a program once, as a whole.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import callconv, types, typing
from numba.core.base import OverloadSelector
from numba.core.cpu import CPUContext
from numba.core.cpu_options import FastMathOptions
from numba.core.fastmathpass import rewrite_module
from numba.core.typing import templates

from codegen.native.kernels.expressions import Callee
from codegen.native.kernels.strided import Stores
from codegen.native.kernels.translate import Writer

writing = threading.RLock()
"""Held while kernels are written: what Numba knows is shared."""

MOST_BLOCKS_INLINED = 9
"""A function with more basic blocks has three loops, and stays a function: fifty equal layers are one piece of code."""

MOST_SIGNATURES = 1 << 14
"""Calls whose types are known; literal numbers are types of their own."""


class _Context(CPUContext):  # type: ignore[misc]
    """Lowers numbers and tuples; the words of the vocabulary bring their own lowering (:mod:`.binding`)."""

    def init(self) -> None:
        self.is32bit = False
        self._defns: Any = defaultdict(OverloadSelector)
        self._lowerings: dict[Any, Any] = {}
        self.error_model = callconv.create_error_model("numpy", self)  # division by zero gives ±inf

    def load_additional_registries(self) -> None:
        from numba.core.imputils import builtin_registry
        from numba.cpython import builtins, mathimpl, numbers, tupleobj  # noqa: F401  they register themselves

        from codegen.native.kernels import integers

        for registry in (builtin_registry, mathimpl.registry, integers.registry):
            self.install_registry(registry)

    def add_linking_libs(self, libs: Any) -> None:
        """No word brings code from elsewhere."""

    def get_function(self, function: Any, signature: Any, **again: bool) -> Any:
        """How to lower a call, found once for a word and types: Numba asks ``inspect`` each time what the arguments of
        the lowering are."""
        key = (function, signature)
        if key not in self._lowerings:
            if len(self._lowerings) == MOST_SIGNATURES:
                self._lowerings.clear()
            self._lowerings[key] = super().get_function(function, signature, **again)
        return self._lowerings[key]


class _Typing(typing.context.BaseContext):  # type: ignore[misc]
    """Knows Numba's builtin functions and our words, without the methods and attributes of arrays and strings."""

    _builtins = templates.Registry()
    _builtins.functions = templates.builtin_registry.functions
    _builtins.globals = templates.builtin_registry.globals

    def _load_builtins(self) -> None:
        from numba.core.typing.builtins import NumberClassAttribute  # and all the module registers

        if not self._builtins.attributes:
            self._builtins.register_attr(NumberClassAttribute)  # float32(x)
        self.install_registry(self._builtins)
        self._signatures: dict[Any, Any] = {}

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        """The signature of a call, found once for a word and types."""
        key = (func, tuple(args))
        found = self._signatures.get(key)
        if found is None:
            found = super().resolve_function_type(func, args, kws)
            if found is not None:
                if len(self._signatures) == MOST_SIGNATURES:
                    self._signatures.clear()
                self._signatures[key] = found
        return found


@lru_cache(maxsize=1)
def _contexts() -> tuple[_Typing, _Context]:
    known = _Typing()
    return known, _Context(known, "cpu")


class Kernel:
    """A function of the native vocabulary, ``py_func``, written for each tuple of argument types."""

    def __init__(self, function: Any) -> None:
        self.py_func = function


class Module:
    """The functions of one program, for a machine with this layout of data.

    Of LLVM's fast-math flags only ``contract`` is set, so that ``a*b + c`` may become one fused operation; sums are
    reordered where the source says :func:`codegen.native.kernels.scalar.accumulate`, nowhere else.
    """

    def __init__(self, layout: str) -> None:
        self._typing, self._target = _contexts()
        self._typing.refresh()  # words may have been bound since
        self._target.refresh()
        self._module = ir.Module("symgraph")
        self._module.triple, self._module.data_layout = llvm.get_process_triple(), layout
        self._written: dict[Any, Callee] = {}
        self._stores = Stores()

    def function(self, kernel: Any, kinds: tuple[types.Type, ...]) -> Callee:
        """The function of a kernel for these types; it is written if it was not asked for before."""
        key = (kernel, kinds)
        if key not in self._written:
            name = self._module.get_unique_name(f"kernel.{kernel.py_func.__name__}")
            shape = ir.FunctionType(ir.VoidType(), [self._target.get_value_type(kind) for kind in kinds])
            function = ir.Function(self._module, shape, name)
            for argument, kind in zip(function.args, kinds, strict=True):
                self._target.data_model_manager[kind].from_argument(ir.IRBuilder(), argument)
            writer = Writer(self._typing, self._target, kernel.py_func, function, kinds, self._callee, self._stores)
            if len(function.blocks) > MOST_BLOCKS_INLINED:
                function.attributes.add("noinline")
            self._written[key] = Callee(function, writer.returns)
        return self._written[key]

    def _callee(self, thing: Any, kinds: tuple[types.Type, ...]) -> Callee | None:
        return self.function(thing, kinds) if isinstance(thing, Kernel) else None

    def parsed(self) -> llvm.ModuleRef:
        """All that was written, as LLVM holds it."""
        rewrite_module(self._module, FastMathOptions({"contract"}))
        return llvm.parse_assembly(str(self._module))


def kernel(function: Callable[..., Any]) -> Any:
    """Make ``function`` callable from other kernels and from programs; never from Python."""
    return Kernel(function)
