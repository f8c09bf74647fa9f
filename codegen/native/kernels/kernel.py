"""Numba as a front end: it types and lowers our functions to LLVM, and does nothing else.

Numba's own CPU target optimises, links and loads every function with all that it calls, and knows arrays, dicts and
strings. This target keeps each function's LLVM module as it was lowered; :mod:`codegen.native.compile` links what a
program needs and optimises it once, as a whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from numba.core import types, typing
from numba.core.base import OverloadSelector
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.cpu import CPUContext, CPUTargetOptions
from numba.core.descriptors import TargetDescriptor
from numba.core.dispatcher import Dispatcher
from numba.core.fastmathpass import rewrite_module
from numba.core.typing import templates

from codegen.native.kernels.passes import Passes

MOST_BLOCKS_INLINED = 8
"""A function with more basic blocks has loops, and stays a function: fifty equal layers are one piece of code."""

MOST_SIGNATURES = 1 << 14
"""Calls whose types are known; literal numbers are types of their own."""


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """The module of one function, and links to those of the functions that it calls."""

    def add_llvm_module(self, module: llvm.ModuleRef) -> None:
        module.data_layout = self._codegen._data_layout
        self._final_module.link_in(module)

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class _Codegen(JITCPUCodegen):  # type: ignore[misc]
    _library_class = _Library


class _Callee:
    """What Numba knows a compiled function by; it holds how to call it, so that nothing of a dropped function stays."""

    def __init__(self) -> None:
        self.calls = OverloadSelector()


class _Definitions(defaultdict[Any, OverloadSelector]):
    """How to lower a call, by what is called."""

    def __getitem__(self, key: Any) -> OverloadSelector:
        return key.calls if isinstance(key, _Callee) else super().__getitem__(key)


class _Context(CPUContext):  # type: ignore[misc]
    """Lowers numbers, ranges and tuples; the words of the vocabulary bring their own lowering (:mod:`.binding`)."""

    def init(self) -> None:
        self.is32bit = False
        self._internal_codegen = _Codegen("symgraph")
        self._defns = _Definitions(OverloadSelector)
        self._sizes: dict[Any, int] = {}
        self._lowerings: dict[Any, Any] = {}

    def load_additional_registries(self) -> None:
        from numba.core.imputils import builtin_registry
        from numba.cpython import builtins, mathimpl, numbers, rangeobj, tupleobj  # noqa: F401  they register themselves

        from codegen.native.kernels import integers

        for registry in (builtin_registry, mathimpl.registry, integers.registry):
            self.install_registry(registry)

    def pair_first(self, builder: Any, value: Any, kind: Any) -> Any:
        """The index of a loop."""
        return builder.extract_value(value, 0)

    def pair_second(self, builder: Any, value: Any, kind: Any) -> Any:
        """Whether a loop goes on."""
        return builder.extract_value(value, 1)

    def post_lowering(self, module: Any, library: Any) -> None:
        """Sets the functions' attributes and flags. There are no reference counts, so no run-time library is linked."""
        for function in module.functions:
            if len(function.blocks) > MOST_BLOCKS_INLINED:
                function.attributes.add("noinline")
        if self.fastmath:
            rewrite_module(module, self.fastmath)

    def get_abi_sizeof(self, kind: Any) -> int:
        """Bytes of an LLVM type, asked for every variable; LLVM answers by a module of its own."""
        if kind not in self._sizes:
            self._sizes[kind] = super().get_abi_sizeof(kind)
        return self._sizes[kind]

    def get_function(self, function: Any, signature: Any, *again: bool) -> Any:
        """How to lower a call, found once for a word and types: Numba asks ``inspect`` each time what the arguments of
        the lowering are. Of a kernel it is asked each time, as its types are."""
        if isinstance(function, types.Dispatcher | _Callee):
            return super().get_function(function, signature, *again)
        key = (function, signature)
        if key not in self._lowerings:
            if len(self._lowerings) == MOST_SIGNATURES:
                self._lowerings.clear()
            self._lowerings[key] = super().get_function(function, signature, *again)
        return self._lowerings[key]

    def get_executable(self, library: Any, fndesc: Any, env: Any) -> object:
        """Nothing is loaded: a caller links the library."""
        library._ensure_finalized()
        return _Callee()


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
        """The signature of a call, found once for a word and types. Of a kernel it is asked each time: the word is our
        own, the kernel may be dropped."""
        if kws or isinstance(func, types.Dispatcher):
            return super().resolve_function_type(func, args, kws)
        key = (func, tuple(args))
        found = self._signatures.get(key)
        if found is None:
            found = super().resolve_function_type(func, args, kws)
            if found is not None:
                if len(self._signatures) == MOST_SIGNATURES:
                    self._signatures.clear()
                self._signatures[key] = found
        return found


class _Target(TargetDescriptor):  # type: ignore[misc]
    options = CPUTargetOptions

    def __init__(self) -> None:
        super().__init__("cpu")
        self._typing = _Typing()
        self._context = _Context(self._typing, "cpu")

    @property
    def typing_context(self) -> Any:
        return self._typing

    @property
    def target_context(self) -> Any:
        return self._context


class Kernel(Dispatcher):  # type: ignore[misc]
    """A function of the native vocabulary, compiled for each tuple of argument types."""

    targetdescr = _Target()

    def _make_finalizer(self) -> Callable[[], None]:
        """There is nothing to take back; Numba's finalizer would keep what it is to release."""
        return _nothing

    def add_overload(self, compiled: Any) -> None:
        """Keep what was compiled; there is nothing that Python could call."""
        self.overloads[tuple(compiled.signature.args)] = compiled

    def lowered(self, arguments: tuple[types.Type, ...]) -> tuple[str, llvm.ModuleRef]:
        """LLVM's name of the function for these types, and the module that holds it and all that it calls.

        Its signature there is Numba's: ``i32 (ptr result, ptr exception, arguments …)``.
        """
        self.compile(arguments)
        found = self.overloads[arguments]
        return found.fndesc.mangled_name, found.library._final_module


def _nothing() -> None:
    pass


def kernel(function: Callable[..., Any]) -> Any:
    """Make ``function`` callable from other kernels and from programs; never from Python.

    Division by zero gives ±inf (``error_model``), there are no reference counts (``_nrt``) and no wrappers. Of LLVM's
    fast-math flags only ``contract`` is set, so that ``a*b + c`` may become one fused operation; sums are reordered
    where the source says :func:`codegen.native.kernels.scalar.accumulate`, nowhere else.
    """
    options = {
        "nopython": True, "error_model": "numpy", "fastmath": {"contract"}, "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True, "_nrt": False, "boundscheck": False,
    }  # fmt: skip
    return Kernel(function, targetoptions=options, pipeline_class=Passes)
