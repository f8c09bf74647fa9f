"""Long code of the vocabulary's words as functions, which all the kernels of a program have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir


def call_shared(
    builder: ir.IRBuilder, name: str, values: Sequence[ir.Value], write: Callable[..., None]
) -> None:
    """Call the function of a name, which ``write(builder, arguments …)`` fills in where the module has none yet.

    Programs are linked of modules that have it each, and keep one. LLVM finds what all calls give alike, as the row
    length of a matrix that is read once, and takes it for the constant that it is. As with
    the arguments of a kernel, the memory behind one pointer does not overlap what is written behind another.
    """
    function = builder.module.globals.get(name)
    if function is None:
        shape = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        function = ir.Function(builder.module, shape, name)
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        for argument in function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        inner = ir.IRBuilder(function.append_basic_block("enter"))
        write(inner, *function.args)
        inner.ret_void()
    builder.call(function, values)
