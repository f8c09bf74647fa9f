"""Counts of a kernel at given sizes: floating-point operations, and the fewest bytes that can cross memory.

Each buffer counts once if read and once if written; a division, a comparison and an elementary function are
one operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from codegen.loops import ir
from codegen.loops.ir import (
    Assign,
    Buffer,
    Call,
    Cast,
    Const,
    Contract,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Op,
    Select,
    Share,
    Stmt,
    Store,
    Var,
)

PANEL_ROWS = 32
"""Most rows of a panel: their results stay in the first-level cache until the epilogue has read them."""

ITEM_BYTES = {"int64": 8, "float64": 8, "float32": 4, "bool": 1}
Array = tuple[ir.DType, tuple[Expr, ...]]
"""The dtype and the shape of a buffer."""


def item_bytes(dtype: str, real: int = 4) -> int:
    """Bytes of a number; of a real one, ``real``."""
    return ITEM_BYTES.get(dtype, real)


def evaluate_integer(expression: Expr, sizes: Mapping[str, int]) -> int:
    """An integer expression at given sizes."""
    match expression:
        case Const(value):
            return int(value)
        case Var(name):
            return sizes[name]
        case Cast(value):
            return evaluate_integer(value, sizes)
        case Call("minimum", args):
            return min(evaluate_integer(arg, sizes) for arg in args)
        case Call("maximum", args):
            return max(evaluate_integer(arg, sizes) for arg in args)
        case Select(condition, yes, no):
            return evaluate_integer(yes if evaluate_integer(condition, sizes) else no, sizes)
        case Op("neg", (value,)):
            return -evaluate_integer(value, sizes)
        case Op(op, (left, right)):
            a, b = evaluate_integer(left, sizes), evaluate_integer(right, sizes)
            return (
                int({"+": a + b, "-": a - b, "*": a * b, ">": a > b, "<": a < b}[op])
                if op not in ("//", "%")
                else (a // b if op == "//" else a % b)
            )
    raise TypeError(expression)


def largest_integer(expression: Expr, sizes: Mapping[str, int]) -> int:
    """An upper bound of an integer expression for all sizes from 1 to the given ones."""
    return _interval(expression, sizes)[1]


def _interval(expression: Expr, sizes: Mapping[str, int]) -> tuple[int, int]:
    match expression:
        case Var(name):
            return 1, sizes[name]
        case Op("neg", (value,)):
            low, high = _interval(value, sizes)
            return -high, -low
        case Op("+" | "-" | "*" as op, (left, right)):
            first, second = _interval(left, sizes), _interval(right, sizes)
            ends = [{"+": a + b, "-": a - b, "*": a * b}[op] for a in first for b in second]
            return min(ends), max(ends)
        case Op("//", (left, Const(below))):
            quotients = [end // int(below) for end in _interval(left, sizes)]
            return min(quotients), max(quotients)
        case Op("%", (_, Const(below))):
            return 0, int(below) - 1
        case Select(_, yes, no):
            either = [*_interval(yes, sizes), *_interval(no, sizes)]
            return min(either), max(either)
    exact = evaluate_integer(expression, sizes)
    return exact, exact


def flops(body: tuple[Stmt, ...], sizes: Mapping[str, int]) -> float:
    """Floating-point operations of some statements."""
    total = 0.0
    for statement in body:
        match statement:
            case For(var, start, stop, inner, step):
                first, end = evaluate_integer(start, sizes), evaluate_integer(stop, sizes)
                count = _trips(stop, sizes) - first
                block = int(step.value) if isinstance(step, Const) else PANEL_ROWS
                trips = count / min(block, count) if count > 0 else 0
                total += trips * flops(inner, {**sizes, var.name: first, f"{var.name}_end": end} | _panel(step))
            case Share(first, last, extent):
                sizes = {**sizes, first.name: 0, last.name: evaluate_integer(extent, sizes)}
            case If(condition, inner):
                total += _operations(condition) + (flops(inner, sizes) if _may_hold(condition, sizes) else 0)
            case Contract(_, _, _, rows, columns, depth):
                total += (
                    2.0
                    * evaluate_integer(rows, sizes)
                    * evaluate_integer(columns, sizes)
                    * evaluate_integer(depth, sizes)
                )
            case Store() | Assign():
                total += _operations(statement.value) + (statement.op is not None)
            case Let(var, value):
                total += _operations(value)
                if var.dtype == "int64" and _follows_from(value, sizes):
                    sizes = {**sizes, var.name: evaluate_integer(value, sizes)}
    return total


def _follows_from(value: Expr, sizes: Mapping[str, int]) -> bool:
    """Whether the sizes alone tell an integer: it reads no array, and nothing that was read of one."""
    parts = list(ir.subexpressions(value))
    return all(part.name in sizes for part in parts if isinstance(part, Var)) and not any(
        isinstance(part, Load) for part in parts
    )


def blocks(total: Expr, size: Const) -> Expr:
    """How many blocks of ``size`` cover ``total``; a number where all are full."""
    if isinstance(total, Const) and int(total.value) % int(size.value) == 0:
        return ir.integer(int(total.value) // int(size.value))
    return Op("//", (Op("+", (total, ir.integer(int(size.value) - 1)), "int64"), size), "int64")


def _trips(count: Expr, sizes: Mapping[str, int]) -> float:
    """A number of trips, where a last block that is not full counts as the part that it is."""
    match count:
        case Op("*", (left, right)):
            return _trips(left, sizes) * _trips(right, sizes)
        case Op("//", (Op("+", (total, Const(rest))), Const(size))) if rest == size - 1:
            return max(1.0, evaluate_integer(total, sizes) / size)
    return evaluate_integer(count, sizes)


def _may_hold(condition: Expr, sizes: Mapping[str, int]) -> bool:
    """False where the sizes alone say that a condition does not hold, or where it is that less is there than all."""
    match condition:
        case Op("<", (Var(name), _)) if name not in sizes:
            return False
        case Op("<" | ">=" as op, (Var(name), Const(limit))) if name in sizes:
            return (sizes[name] < limit) == (op == "<")
    return True


def _panel(step: Expr) -> dict[str, int]:
    return {step.name: PANEL_ROWS} if isinstance(step, Var) else {}


def _operations(expression: Expr) -> int:
    return sum(
        isinstance(node, Op | Call) and node.dtype in ("real", "float64") for node in ir.subexpressions(expression)
    )


def traffic(kernel: Kernel, buffers: Mapping[str, Buffer], sizes: Mapping[str, int], item: int) -> int:
    """Bytes read and written, scratch excluded."""
    return bytes_of(moved(kernel, buffers), sizes, item)


def moved(kernel: Kernel, buffers: Mapping[str, Buffer]) -> tuple[Array, ...]:
    """What a kernel reads, then what it writes, scratch excluded."""
    actual = dict(zip(kernel.buffers, kernel.arguments, strict=True))
    touched = [buffers[actual[name]] for name in (*ir.reads(kernel.body), *ir.writes(kernel.body))]
    return tuple((buffer.dtype, buffer.shape) for buffer in touched if buffer.role != "scratch")


def bytes_of(arrays: Iterable[Array], sizes: Mapping[str, int], item: int) -> int:
    """Bytes of some arrays; ``item`` is the size of a real number."""
    return sum(evaluate_integer(ir.product(shape), sizes) * item_bytes(dtype, item) for dtype, shape in arrays)


def as_formula(values: Mapping[int, float], size: str) -> str:
    """``a + b·N`` through the counts at several N; at one N if they do not lie on a line."""
    points = sorted(values.items())
    slopes = {round((y2 - y1) / (x2 - x1), 6) for (x1, y1), (x2, y2) in pairwise(points)}
    if len(slopes) != 1:
        return f"{points[0][1]:.4g} at {size} = {points[0][0]}"
    slope = slopes.pop()
    start = points[0][1] - slope * points[0][0]
    terms = [f"{start:.0f}"] if round(start) or not slope else []
    return " + ".join(terms + ([f"{slope:g}·{size}" if slope != 1 else size] if slope else []))
