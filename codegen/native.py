"""Native entries: a Python function goes in, position-independent object code comes out, and a later process runs it
without importing Numba.

An entry takes the address of one packed ``int64`` array of sizes and addresses, so that a call costs one argument,
and optionally ``(thread, threads)``. Its code needs neither Python's lock nor its exceptions nor an allocator;
:func:`compile_entry` checks this and names what would be missing.

The object exports two C functions, ``void name(int64_t packed)`` for a program of one thread, and
``void name_team(int64_t packed, int64_t thread, int64_t threads)`` for :class:`codegen.kernels.team.Team`.
"""

from __future__ import annotations

import ctypes
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm

RUNTIME_SYMBOLS = frozenset({"memcpy", "memmove", "memset", "sched_yield", "usleep"})
"""C functions that any process resolves; everything else that is undefined is an error."""

_EXCEPTION_PREFIX = ".const.picklebuf"
"""How Numba's name begins for the constant that holds an exception; a function that cannot raise has none."""

_MOST_BLOCKS_INLINED = 8
"""A function with more basic blocks has loops, and stays a function: fifty equal layers are one piece of code."""

_ENTRY = """
declare i32 @"{callee}"(ptr, ptr, i64 {parameter_types})
define void @{symbol}_team(i64 %packed, i64 %thread, i64 %threads) {{
  %result = alloca ptr
  %exception = alloca ptr
  %status = call i32 @"{callee}"(ptr %result, ptr %exception, i64 %packed {arguments})
  ret void
}}
define void @{symbol}(i64 %packed) {{
  call void @{symbol}_team(i64 %packed, i64 0, i64 1)
  ret void
}}
"""


def host_machine() -> llvm.TargetMachine:
    """LLVM target machine of this CPU, for position-independent code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="default",
    )


def pause_intrinsic() -> tuple[str, tuple[int, ...]]:
    """LLVM's name, and 32-bit arguments, of the instruction that tells this processor it is in a waiting loop."""
    if platform.machine() in ("x86_64", "AMD64", "i686"):
        return "llvm.x86.sse2.pause", ()
    if platform.machine() in ("aarch64", "arm64"):
        return "llvm.aarch64.hint", (1,)
    return "llvm.donothing", ()


def compile_entry(pyfunc: Callable[..., None], name: str = "entry") -> tuple[bytes, str]:
    """Compile ``pyfunc(packed)`` or ``pyfunc(packed, thread, threads)``, and all it calls, to object code.

    Parameters
    ----------
    pyfunc
        Nopython function of one or three ``int64``, the first the address of the packed array; returns nothing.
    name
        C identifier for the exported symbol.

    Returns
    -------
    object_bytes, symbol_name
        ELF (Mach-O, COFF) object for this CPU and the name of its exported function.

    Raises
    ------
    RuntimeError
        The code calls something that a process without Numba does not have.
    """
    from numba import cfunc, types  # compiling is the one thing that needs Numba; loading must not pay for its import

    parameters = pyfunc.__code__.co_argcount
    if parameters not in (1, 3):
        raise TypeError(
            f"an entry takes (packed) or (packed, thread, threads); {pyfunc.__name__} takes {parameters} arguments"
        )
    _keep_vector_loops()
    with _one_optimisation():
        native = cfunc(types.void(*[types.int64] * parameters), error_model="numpy", _nrt=False)(pyfunc)
    module = _export(native.inspect_llvm(), native.native_name, name, with_threads=parameters == 3)
    missing = undefined_symbols(module)
    if missing:
        raise RuntimeError(f"{pyfunc.__name__} needs Python: it allocates or calls {', '.join(missing)}")
    if any(symbol.name.startswith(_EXCEPTION_PREFIX) for symbol in module.global_variables):
        raise RuntimeError(f"{pyfunc.__name__} needs Python: it, or a kernel it calls, may raise an exception")
    return host_machine().emit_object(module), name


def _export(linked: str, wrapper: str, name: str, with_threads: bool) -> llvm.ModuleRef:
    """Replace Numba's C wrapper, which reports exceptions through Python, by one that cannot fail; drop what is then
    unused. The function itself stays visible, and with it any exception that it may raise."""
    module = llvm.parse_assembly(_with_loops_apart(linked))
    threads = (
        {"parameter_types": ", i64, i64", "arguments": ", i64 %thread, i64 %threads"}
        if with_threads
        else {"parameter_types": "", "arguments": ""}
    )
    callee = wrapper.removeprefix("cfunc.")
    module.link_in(llvm.parse_assembly(_ENTRY.format(callee=callee, symbol=name, **threads)))
    for symbol in (*module.functions, *module.global_variables):
        if not symbol.is_declaration and symbol.name not in (name, f"{name}_team", callee):
            symbol.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    options.loop_unrolling = True
    builder = llvm.create_pass_builder(host_machine(), options)
    builder.getModulePassManager().run(module, builder)
    return module


@lru_cache(maxsize=1)
def _keep_vector_loops() -> None:
    """An inner loop of sixteen is a vector: LLVM must not unroll it first and then vectorise around it, by gathers.
    Set before Numba compiles: its passes over functions unroll too."""
    llvm.set_option("symgraph", "-unroll-full-max-count=15")


def _with_loops_apart(assembly: str) -> str:
    """The module with functions of many blocks marked ``noinline``.

    Done in the text: llvmlite's ``add_function_attribute`` puts the attribute on the returned value.
    """
    lines = assembly.splitlines()
    head, blocks = 0, 0
    for number, line in enumerate(lines):
        if line.startswith("define "):
            head, blocks = number, 0
        elif line == "}" and blocks > _MOST_BLOCKS_INLINED:
            before, _, after = lines[head].rpartition(")")
            lines[head] = f"{before}) noinline{after}"
        elif line.startswith("  br ") or line.startswith("  ret "):
            blocks += 1
    return "\n".join(lines)


@contextmanager
def _one_optimisation() -> Iterator[None]:
    """Numba optimises, loads and links every function with all that it calls; here this is done once, for the whole
    program, at the end."""
    from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary, JITCPUCodegen

    replaced: tuple[tuple[type, str, Callable[..., Any]], ...] = (
        (CPUCodeLibrary, "_optimize_final_module", lambda library: None),
        (JITCodeLibrary, "_finalize_specific", lambda library: None),
        (JITCodeLibrary, "get_pointer_to_function", lambda library, name: library._ensure_finalized() or 0),
        (JITCPUCodegen, "_add_module", lambda codegen, module: None),
        (JITCPUCodegen, "set_env", lambda codegen, name, environment: None),
    )
    originals = [getattr(owner, name) for owner, name, _ in replaced]
    for owner, name, stand_in in replaced:
        setattr(owner, name, stand_in)
    try:
        yield
    finally:
        for (owner, name, _), original in zip(replaced, originals, strict=True):
            setattr(owner, name, original)


def undefined_symbols(module: llvm.ModuleRef) -> list[str]:
    """Names the module uses, does not define, and no bare process provides."""
    declared = (symbol.name for symbol in (*module.functions, *module.global_variables) if symbol.is_declaration)
    return sorted(name for name in declared if not re.match(r"llvm\.", name) and name not in RUNTIME_SYMBOLS)


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

    __slots__ = ("_engine", "call", "team_address")

    def __init__(self, engine: llvm.ExecutionEngine, symbol_name: str) -> None:
        self._engine = engine
        self.call: Callable[[int], None] = ctypes.CFUNCTYPE(None, ctypes.c_int64)(
            engine.get_function_address(symbol_name)
        )
        self.team_address: int = engine.get_function_address(f"{symbol_name}_team")

    def __call__(self, packed: int) -> None:
        self.call(packed)


def load_entry(object_bytes: bytes, symbol_name: str) -> Entry:
    """Load object code made by :func:`compile_entry`, here or in another process on the same kind of CPU.

    Returns
    -------
    entry
        To call as ``entry(packed.ctypes.data)``; it releases Python's lock.
    """
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), host_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(object_bytes))
    engine.finalize_object()
    return Entry(engine, symbol_name)
