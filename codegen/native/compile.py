"""Native entries: kernels go in, position-independent object code comes out, and a later process runs it without
importing Numba.

An entry takes the address of one packed ``int64`` array of sizes and addresses, so that a call costs one argument,
and ``(thread, threads)``. Its code needs neither Python's lock nor its exceptions nor an allocator; this is checked,
and an error names what would be missing.

The object exports two C functions, ``void name(int64_t packed)`` for a program of one thread, and
``void name_team(int64_t packed, int64_t thread, int64_t threads)`` for :class:`codegen.native.team.Team`. The functions
of a program are one module (:mod:`codegen.native.kernels.kernel`), which is optimised once, as a whole.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.host.cache import content_of
from codegen.native import barrier
from symgraph.core.kept import cached_property

if TYPE_CHECKING:  # else imported where it is used: who only derives formulas does not wait for LLVM
    import llvmlite.binding as llvm

RUNTIME_SYMBOLS = frozenset({"clock_gettime", "memcpy", "memmove", "memset", "sched_yield", "syscall"})
"""C functions that any process resolves; everything else that is undefined is an error."""

WHOLE_VECTORS = ",-prefer-256-bit" if platform.machine() in ("x86_64", "AMD64") else ""
"""LLVM takes half of an AVX-512 register for loops, since the first processors that had it ran slower with all of it.
Our tiles use all of it anyway. Measured on Sapphire Rapids: element-wise loops of tanh take 0.69 of the time."""
UNLIMITED = 2**32 - 1
_vector_loops_kept = threading.Lock()
"""Held while LLVM has options of ours. It has only options of the process for them, which are undone after use, so that
what others compile is as it would be without us."""
OPTIONS = {"unroll-full-max-count": ("15", str(UNLIMITED))}
"""Of LLVM, while a program is compiled and otherwise. No loop of sixteen or more is unrolled in full: such an inner
loop is a vector, and must not be unrolled first and then vectorised around, by gathers. Every second element of a short
row, as in a pooling, is of a vector that is loaded whole."""
if WHOLE_VECTORS:
    OPTIONS["enable-masked-interleaved-mem-accesses"] = ("true", "false")

_SINGLE = """
define void @{symbol}(i64 %packed) {{
  call void @{symbol}_team(i64 %packed, i64 0, i64 1)
  ret void
}}
"""
ROOM = "\n@symgraph_room = global [8 x i64] zeroinitializer\n"
"""Memory that may be written. Loading needs some for the addresses of C functions, and one block for all sections
(:func:`in_one_place`) has none of it where LLVM, which leaves those addresses out of account, expects none."""

_ENTRY = """
declare void @"{callee}"(i64{types})
define void @{symbol}_team(i64 %packed, i64 %thread, i64 %threads) {{
  call void @"{callee}"(i64 %packed{arguments})
  ret void
}}
"""


def host_machine() -> llvm.TargetMachine:
    """LLVM target machine of this CPU, for position-independent code."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=f"{llvm.get_host_cpu_features().flatten()}{WHOLE_VECTORS}",
        opt=3,
        reloc="pic",
        codemodel="default",
    )


def host_name() -> str:
    """LLVM's name of this CPU."""
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


def host_description() -> str:
    """CPU and versions. Numba's is that of its own file: a program from the cache does not wait for its import."""
    import llvmlite
    import llvmlite.binding as llvm

    found = find_spec("numba")
    told = None if found is None or found.origin is None else content_of(Path(found.origin).with_name("_version.py"))
    numba = hashlib.sha256(told or b"").hexdigest()
    cpu = [host_name(), llvm.get_host_cpu_features().flatten(), platform.machine()]
    return "\n".join([*cpu, f"numba {numba} llvmlite {llvmlite.__version__}"])


@lru_cache(maxsize=1)
def register_file() -> tuple[int, int]:
    """Bytes of the widest vector register of the host, and how many registers there are.

    Of the features that LLVM reports: AVX-512 has 32 of 64 bytes, AVX 16 of 32, ARM's NEON 32 of 16, and SSE 16 of 16.
    """
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 32
    if features.get("avx"):
        return 32, 16
    return (16, 32) if features.get("neon") or features.get("asimd") else (16, 16)


def compile_entry(function: Callable[..., None], name: str = "entry") -> bytes:
    """Compile one function, and all it calls, to object code.

    Parameters
    ----------
    function
        Nopython function of ``int64``: the address of the packed array, and, for several threads, thread and threads;
        returns nothing.
    name
        C identifier for the exported symbol.

    Returns
    -------
    ELF (Mach-O, COFF) object for this CPU.

    Raises
    ------
    RuntimeError
        The code calls something that a process without Numba does not have.
    """
    from numba.core import types  # compiling is the one thing that needs Numba; loading must not pay for its import

    from codegen.native.kernels.kernel import Module, kernel, writing

    more = ("thread", "threads")[: function.__code__.co_argcount - 1]
    with writing:
        module = Module(str(host_machine().target_data))
        callee = module.function(kernel(function), (types.int64,) * (1 + len(more))).function.name
    words = {"types": ", i64" * len(more), "arguments": "".join(f", i64 %{name}" for name in more)}
    return _object_code(module.parsed(), _ENTRY.format(callee=callee, symbol=name, **words), name)


def compile_program(
    functions: Mapping[str, tuple[Any, Sequence[str]]], driver: Callable[[Mapping[str, str]], str], name: str = "entry"
) -> bytes:
    """Compile kernels, and the driver that calls them, to object code.

    Parameters
    ----------
    functions
        Kernels by name, each with its argument types: ``int64``, or ``buffer of`` a scalar type.
    driver
        From LLVM's names of the kernels to the text that defines ``name_team``.
    """
    from numba.core import types

    from codegen.native.kernels.kernel import Module, writing
    from codegen.native.kernels.pointer import Buffer

    def kind(given: str) -> types.Type:
        scalar = getattr(types, given.removeprefix("buffer of "))
        return scalar if given == "int64" else Buffer(scalar)

    with writing:
        module = Module(str(host_machine().target_data))
        written = {
            known: module.function(kernel, tuple(map(kind, given))) for known, (kernel, given) in functions.items()
        }
    names = {known: callee.function.name for known, callee in written.items()}
    return _object_code(module.parsed(), driver(names), name)


def _object_code(kernels: llvm.ModuleRef, text: str, exported: str) -> bytes:
    """Link, keep only what is exported and what that uses, optimise, and emit."""
    import llvmlite.binding as llvm

    from codegen.native.kernels import far
    from codegen.native.kernels.translate import EXCEPTION

    module = llvm.parse_assembly(text + _SINGLE.format(symbol=exported) + ROOM)
    rare = {symbol.name for symbol in kernels.functions if far.is_far_name(symbol.name)}
    if rare:  # first, for what is declared again keeps the attributes that it had
        module.link_in(llvm.parse_assembly(far.declarations(rare)))
    module.link_in(kernels)
    if any(symbol.name == barrier.SYMBOL for symbol in module.functions):
        module.link_in(llvm.parse_assembly(barrier.barrier_text()))
    kept = (exported, f"{exported}_team", "symgraph_room")
    for symbol in (*module.functions, *module.global_variables):
        if not symbol.is_declaration and symbol.name not in kept and not symbol.name.startswith("llvm."):
            symbol.linkage = "internal"
    optimise(module)
    if rare:
        _with_bodies(module, far.bodies(frozenset(rare)), far.is_far_name)
    missing = undefined_symbols(module)
    if EXCEPTION in missing:
        raise RuntimeError(f"{exported} needs Python: it, or a kernel it calls, may raise an exception")
    if missing:
        raise RuntimeError(f"{exported} needs Python: it allocates or calls {', '.join(missing)}")
    return host_machine().emit_object(module)  # type: ignore[no-any-return]


def optimise(module: llvm.ModuleRef) -> None:
    """LLVM's passes of level 2, for this CPU, in place: those of level 3 take a third longer, for the same kernels."""
    import llvmlite.binding as llvm

    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = True
    options.loop_unrolling = True
    builder = llvm.create_pass_builder(host_machine(), options)
    with _vector_loops_kept:
        for name, (ours, _) in OPTIONS.items():
            llvm.set_option("symgraph", f"-{name}={ours}")
        try:
            builder.getModulePassManager().run(module, builder)
        finally:
            for name, (_, others) in OPTIONS.items():
                llvm.set_option("symgraph", f"-{name}={others}")


def _with_bodies(module: llvm.ModuleRef, text: str, is_of_them: Callable[[str], bool]) -> None:
    """Functions that the vectoriser has seen by their declarations alone, put where they are called."""
    import llvmlite.binding as llvm

    unused = module.get_global_variable("llvm.compiler.used")  # it has kept the declarations
    unused.name, unused.linkage = "unused", "internal"
    module.link_in(llvm.parse_assembly(text))
    for symbol in module.functions:
        if is_of_them(symbol.name) and not symbol.is_declaration:
            symbol.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(host_machine(), llvm.create_pipeline_tuning_options(speed_level=2)))


def undefined_symbols(module: llvm.ModuleRef) -> list[str]:
    """Names the module uses, does not define, and no bare process provides."""
    declared = (symbol.name for symbol in (*module.functions, *module.global_variables) if symbol.is_declaration)
    return sorted(name for name in declared if not name.startswith("llvm.") and name not in RUNTIME_SYMBOLS)


ADDRESS = ctypes.c_void_p
"""Of a word that a native function takes: ``ctypes`` converts a Python integer to it faster than to ``c_int64``."""


class Entry:
    """A loaded entry, callable as ``entry(packed_address)``; holds its machine code.

    Attributes
    ----------
    call
        The bare ``ctypes`` function, for a loop that counts every tenth of a microsecond. The code lives as long as
        the ``Entry``.
    team_address
        Address of the function with ``(packed, thread, threads)``.
    """

    is_native = True

    def __init__(self, engine: llvm.ExecutionEngine, symbol_name: str) -> None:
        self._engine = engine
        self._address = engine.get_function_address(symbol_name)
        self.call: Callable[[int], None] = ctypes.CFUNCTYPE(None, ADDRESS)(self._address)
        self.team_address: int = engine.get_function_address(f"{symbol_name}_team")

    @cached_property
    def call_with_lock(self) -> Callable[[int], None]:
        """As ``call``, for code that asks Python: Python's lock is not released around it."""
        return ctypes.PYFUNCTYPE(None, ADDRESS)(self._address)

    @cached_property
    def call_team(self) -> Callable[[int, int, int], None]:
        """The function at ``team_address``."""
        return ctypes.CFUNCTYPE(None, ADDRESS, ctypes.c_int64, ctypes.c_int64)(self.team_address)

    def __call__(self, packed: int) -> None:
        self.call(packed)


def in_one_place(text: str = "") -> llvm.ExecutionEngine:
    """An engine for a module's text, or for an object, that gives all sections of an object one block of memory.

    Code reaches its constants by 32-bit distances. LLVM's own memory manager asks for each section alone, and in a
    process whose address space is crowded by other libraries they end up further apart than that, which is an abort.
    """
    import llvmlite.binding as llvm

    return llvm.create_mcjit_compiler(llvm.parse_assembly(text + (ROOM if text else "")), host_machine(), use_lmm=True)


def load_entry(object_bytes: bytes, symbol_name: str = "entry") -> Entry:
    """Load object code made by :func:`compile_entry`, here or in another process on the same kind of CPU.

    Returns
    -------
    entry
        To call as ``entry(packed.ctypes.data)``; it releases Python's lock.
    """
    import llvmlite.binding as llvm

    engine = in_one_place()
    engine.add_object_file(llvm.ObjectFileRef.from_data(object_bytes))
    engine.finalize_object()
    return Entry(engine, symbol_name)
