"""Prints the IR and memory plans, for people."""

from __future__ import annotations

from codegen.loops import ir
from codegen.loops.ir import Assign, Contract, Copy, For, If, Kernel, Let, Share, Stmt, Store
from codegen.loops.memory import Arena
from codegen.loops.program import External, Item, Loop, Program
from codegen.loops.text import text


def show_program(program: Program) -> str:
    """Buffers, then kernels."""
    lines = [
        f"{b.role:10} {b.name}: {b.dtype}[{', '.join(text(s, {}) for s in b.shape)}]" for b in program.buffers.values()
    ]
    return "\n".join([*lines, *_show_items(program.body, program)])


def _show_items(body: tuple[Item, ...], program: Program) -> list[str]:
    lines: list[str] = []
    for item in body:
        if isinstance(item, Loop):
            way = " backward" if item.backward else ""
            lines.append(f"loop of {text(item.count, {})} steps{way}")
            lines += [f"  {line}" for inner in _show_items(item.body, program) for line in inner.split("\n")]
        elif isinstance(item, External):
            lines.append(f"call {item.formulas[0]}")
        else:
            lines.append(show_kernel(item, program))
    return lines


def show_formulas(program: Program) -> str:
    """What each kernel computes, and how."""
    lines: list[str] = []
    for kernel in program.kernels:
        lines += [f"kernel {kernel.name}", *(f"    {formula}" for formula in kernel.formulas)]
        lines += [f"    ({kernel.schedule})"] if kernel.schedule else []
    return "\n".join(lines)


def show_kernel(kernel: Kernel, program: Program) -> str:
    """One kernel as indented pseudo-code; indices stay those of the axes."""
    lines = [f"kernel {kernel.name}({', '.join(kernel.arguments)})"]
    _show_block(kernel.body, 1, lines)
    return "\n".join(lines)


def _show_block(body: tuple[Stmt, ...], depth: int, lines: list[str]) -> None:
    pad = "  " * depth
    for statement in body:
        match statement:
            case Let(var, value):
                lines.append(f"{pad}let {var.name}: {var.dtype} = {_axes(value)}")
            case Assign(var, value, op):
                lines.append(f"{pad}{var.name} {op or ''}= {_axes(value)}")
            case Store(buffer, index, value, op):
                lines.append(f"{pad}{buffer}[{', '.join(_axes(i) for i in index)}] {op or ''}= {_axes(value)}")
            case Share(first, last, count):
                lines.append(f"{pad}share {first.name}..{last.name} of {_axes(count)}")
            case If(condition, inner):
                lines.append(f"{pad}if {_axes(condition)}")
                _show_block(inner, depth + 1, lines)
            case For(var, start, stop, inner, step, parallel):
                by = "" if step == ir.ONE else f" by {_axes(step)}"
                lines.append(
                    f"{pad}{'parallel ' if parallel else ''}for {var.name} in {_axes(start)}..{_axes(stop)}{by}"
                )
                _show_block(inner, depth + 1, lines)
            case Copy(out, source, rows, columns, transposed):
                shape = f"{_axes(rows)} × {_axes(columns)}"
                lines.append(f"{pad}copy {out.buffer} = {source.buffer}{'ᵀ' if transposed else ''}    ({shape})")
            case Contract(out, left, right, rows, columns, depth_):
                shape = " × ".join(_axes(extent) for extent in (rows, columns, depth_))
                lines.append(f"{pad}contract {out.buffer} = {left.buffer} · {right.buffer}    ({shape})")


def _axes(expression: ir.Expr) -> str:
    return text(_named(expression), {})


def _named(expression: ir.Expr) -> ir.Expr:
    """Loads as ``buffer[i, j]`` with axes, not flat."""
    parts = tuple(_named(part) for part in ir.children(expression))
    if isinstance(expression, ir.Load):
        return ir.Var(f"{expression.buffer}[{', '.join(text(part, {}) for part in parts)}]", expression.dtype)
    return ir.rebuild(expression, parts) if parts else expression


def show_arena(arena: Arena) -> str:
    """Regions and slots, in bytes."""
    lines = [f"region {number}: {region.size} · {text(region.unit, {})}" for number, region in enumerate(arena.regions)]
    lines += [
        f"  {slot.offset:8} … {slot.offset + slot.size:8} of region {slot.region}  {name}"
        for name, slot in arena.slots.items()
    ]
    return "\n".join(lines)
