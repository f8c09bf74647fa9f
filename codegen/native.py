"""Native entries: a Python function goes in, position-independent object code comes out, and a later process runs it without importing Numba.

The entry has the C signature ``void entry(int64_t *packed)``: sizes and addresses, packed in one array, so that a call costs one argument. Its code needs
neither Python's lock nor its exceptions nor an allocator; :func:`compile_entry` checks this on the linked module and names what would be missing.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

RUNTIME_SYMBOLS = frozenset({"memcpy", "memmove", "memset", "sched_yield", "usleep"})
"""C functions that any process resolves; everything else that is undefined is an error."""

_ENTRY = """
declare i32 @"{callee}"(ptr, ptr, i64)
define void @{symbol}(i64 %packed) {{
  %result = alloca ptr
  %exception = alloca ptr
  %status = call i32 @"{callee}"(ptr %result, ptr %exception, i64 %packed)
  ret void
}}
"""


def host_machine() -> llvm.TargetMachine:
    """LLVM target machine of this CPU, for position-independent code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, reloc="pic", codemodel="default"
    )


def compile_entry(pyfunc: Callable[[int], None], name: str = "entry") -> tuple[bytes, str]:
    """Compile ``pyfunc(packed)`` and all it calls to object code.

    Parameters
    ----------
    pyfunc
        Nopython function of one ``int64``, the address of the packed array; returns nothing.
    name
        C identifier for the exported symbol.

    Returns
    -------
    object_bytes, symbol_name
        ELF (Mach-O, COFF) object for this CPU and the name of its one exported function.

    Raises
    ------
    RuntimeError
        The code calls something that a process without Numba does not have.
    """
    from numba import cfunc, types  # compiling is the one thing that needs Numba; loading must not pay for its import

    native = cfunc(types.void(types.int64), error_model="numpy", _nrt=False)(pyfunc)
    module = _export(native.inspect_llvm(), native.native_name, name)
    missing = undefined_symbols(module)
    if missing:
        raise RuntimeError(f"native code of {pyfunc.__name__} needs {', '.join(missing)}: a kernel raised, allocated or called into Python")
    return host_machine().emit_object(module), name


def _export(linked: str, wrapper: str, name: str) -> llvm.ModuleRef:
    """Replace Numba's C wrapper, which reports exceptions through Python, by one that cannot fail; drop what is then unused."""
    module = llvm.parse_assembly(linked)
    module.link_in(llvm.parse_assembly(_ENTRY.format(callee=wrapper.removeprefix("cfunc."), symbol=name)))
    for symbol in (*module.functions, *module.global_variables):
        if not symbol.is_declaration and symbol.name != name:
            symbol.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(host_machine(), llvm.create_pipeline_tuning_options()))
    return module


def undefined_symbols(module: llvm.ModuleRef) -> list[str]:
    """Names the module uses, does not define, and no bare process provides."""
    declared = (symbol.name for symbol in (*module.functions, *module.global_variables) if symbol.is_declaration)
    return sorted(name for name in declared if not re.match(r"llvm\.", name) and name not in RUNTIME_SYMBOLS)


def load_entry(object_bytes: bytes, symbol_name: str) -> Callable[[int], None]:
    """Load object code made by :func:`compile_entry`, here or in another process on the same kind of CPU.

    Returns
    -------
    entry
        ``ctypes`` function of one address, to call as ``entry(packed.ctypes.data)``; it releases Python's lock and keeps its code alive.
    """
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), host_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(object_bytes))
    engine.finalize_object()
    entry: Any = ctypes.CFUNCTYPE(None, ctypes.c_int64)(engine.get_function_address(symbol_name))
    entry.engine = engine
    return entry  # type: ignore[no-any-return]
