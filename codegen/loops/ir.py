"""The typed loop-nest IR: what is left of a program once SymPy has ended, and before it is text.

    Kernel "h": for n in 0..N: Contract(a[n, :] = x[n, :] · W[:, :]); for j in 0..32: h[n, j] = max(a[n, j] + b[j], 0)

All is compared by content. Sizes are expressions, so a program serves every batch. ``verify`` says what is valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

DType = Literal["real", "float64", "int64", "bool"]
Role = Literal[
    "input", "labels", "parameter", "state", "hyper", "constant", "output", "temporary", "scratch", "status", "slice"
]
Reduction = Literal["sum", "max", "min"]

# -- scalar expressions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Const:
    """A number; ``dtype`` says how the generated code types it."""

    value: float | int
    dtype: DType


@dataclass(frozen=True, slots=True)
class Var:
    """A loop index, a run-time size or a let-bound scalar."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Load:
    """One element of a buffer, at as many indices as the buffer has axes.

    A ``guarded`` one exists only where the guards that it stands under hold: it is read nowhere else. A branch of a
    Select, what follows the first part of ``and`` and ``or``, and the body of an If stand under a guard.
    """

    buffer: str
    index: tuple[Expr, ...]
    dtype: DType
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Op:
    """Arithmetic ``+ - * / // %``, comparison ``< <= > >= == !=``, and ``and or not neg``.

    ``and`` and ``or`` are evaluated in their order, and only as far as it takes to know the result.
    """

    op: str
    args: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the kernels' vocabulary, such as ``exp``."""

    function: str
    args: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Select:
    """``yes`` where the condition holds, else ``no``; the one that is not taken has no effect."""

    condition: Expr
    yes: Expr
    no: Expr
    dtype: DType


@dataclass(frozen=True, slots=True)
class Cast:
    """A value converted to another type."""

    value: Expr
    dtype: DType


Expr = Const | Var | Load | Op | Call | Select | Cast

# -- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Let:
    """Bind a scalar once, for the rest of the enclosing block. ``formula`` is a comment above it."""

    var: Var
    value: Expr
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """Start, or update, a scalar accumulator. ``op`` None sets it."""

    var: Var
    value: Expr
    op: Reduction | None = None
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """``buffer[index] = value``; with ``op`` the element is combined with the value."""

    buffer: str
    index: tuple[Expr, ...]
    value: Expr
    op: Reduction | None = None
    formula: str = ""


@dataclass(frozen=True, slots=True)
class For:
    """``for var in [start, stop)``, in blocks of ``step``. Threads share a ``parallel`` one in grains, or in blocks."""

    var: Var
    start: Expr
    stop: Expr
    body: tuple[Stmt, ...]
    step: Expr = Const(1, "int64")
    parallel: bool = False
    grain: Expr | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """Bind the part [first, last) of ``[0, count)`` that is this thread's, for the rest of the enclosing block."""

    first: Var
    last: Var
    count: Expr


@dataclass(frozen=True, slots=True)
class If:
    """Run the body where the condition holds."""

    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix inside a buffer: the flat offset of its first element and the strides of its two axes, in elements."""

    buffer: str
    offset: Expr
    strides: tuple[Expr, Expr]


Steps = tuple[tuple[int, int], ...]  # how many values an index has, and how far apart; the slowest first


@dataclass(frozen=True, slots=True)
class Contract:
    """``out[m, n] = Σ_k left[m, k]·right[k, n]``, or ``+=`` to ``accumulate``, for one block, in register tiles.

    ``extents`` are those of the whole product (rows, columns, depth; None where known only at run time), which the tile
    suits. Where the left operand's rows and depth, the right one's depth, or the result's rows have no one stride, they
    have steps.
    """

    out: Operand
    left: Operand
    right: Operand
    rows: Expr
    columns: Expr
    depth: Expr
    extents: tuple[int | None, int | None, int | None]
    formula: str = ""
    accumulate: bool = False
    left_steps: tuple[Steps, Steps] | None = None
    right_steps: Steps | None = None
    out_steps: Steps | None = None

    @property
    def tile(self) -> str:
        """Name of the tile in the generated source."""
        name = "x".join("any" if extent is None else str(extent) for extent in self.extents)
        parts = *(self.left_steps or ()), self.right_steps or ()
        name += "".join(f"_{count}by{distance}".replace("-", "m") for part in parts for count, distance in part)
        name += "".join(f"_to{count}by{distance}" for count, distance in self.out_steps or ())
        return f"{name}_added" if self.accumulate else name


@dataclass(frozen=True, slots=True)
class Copy:
    """``out[r, c] = source[r, c]`` for a block of ``rows`` × ``columns``; ``out[c, r]`` if it is ``transposed``."""

    out: Operand
    source: Operand
    rows: Expr
    columns: Expr
    transposed: bool = False
    formula: str = ""


Stmt = Let | Assign | Store | For | Share | If | Contract | Copy

# -- kernels ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory of one tensor, dense and row-major. Scratch belongs to one thread and one call of one kernel."""

    name: str
    dtype: DType
    shape: tuple[Expr, ...]
    role: Role


@dataclass(frozen=True, slots=True)
class Kernel:
    """One function of the generated source.

    ``buffers`` are the names in its text, ``arguments`` those of the program that take their places, ``sizes`` the
    run-time sizes it needs, ``formulas`` what it computes as mathematics, ``schedule`` how. A kernel that is not
    ``parallel`` is run by one thread.
    """

    name: str
    buffers: tuple[str, ...]
    arguments: tuple[str, ...]
    sizes: tuple[str, ...]
    body: tuple[Stmt, ...]
    formulas: tuple[str, ...]
    parallel: bool
    schedule: str = ""


# -- building integer expressions -------------------------------------------------------------------------------------

ZERO, ONE = Const(0, "int64"), Const(1, "int64")


def integer(value: int) -> Const:
    """A number."""
    return Const(value, "int64")


def add(left: Expr, right: Expr) -> Expr:
    """Integer sum, folded."""
    if isinstance(left, Const) and isinstance(right, Const):
        return integer(int(left.value) + int(right.value))
    if left == ZERO:
        return right
    return left if right == ZERO else Op("+", (left, right), "int64")


def difference(left: Expr, right: Expr) -> Expr:
    """Integer difference, folded."""
    if isinstance(left, Const) and isinstance(right, Const):
        return integer(int(left.value) - int(right.value))
    return left if right == ZERO else Op("-", (left, right), "int64")


def multiply(left: Expr, right: Expr) -> Expr:
    """Integer product, folded, with the constant last: ``n*64``."""
    if isinstance(left, Const) and isinstance(right, Const):
        return integer(int(left.value) * int(right.value))
    if isinstance(left, Const):
        left, right = right, left
    if isinstance(right, Const):
        if right.value == 0:
            return ZERO
        if right.value == 1:
            return left
        if isinstance(left, Op) and left.op == "*" and isinstance(left.args[1], Const):
            return multiply(left.args[0], integer(int(left.args[1].value) * int(right.value)))
    return Op("*", (left, right), "int64")


def product(sizes: tuple[Expr, ...]) -> Expr:
    """Integer product of several, folded."""
    result: Expr = ONE
    for size in sizes:
        result = multiply(result, size)
    return result


def flat_index(index: tuple[Expr, ...], shape: tuple[Expr, ...]) -> Expr:
    """Row-major position of an element: ``n*64 + i``."""
    position: Expr = ZERO
    for axis, at in enumerate(index):
        position = add(position, multiply(at, product(shape[axis + 1 :])))
    return position


# -- walking ----------------------------------------------------------------------------------------------------------


def children(expression: Expr) -> tuple[Expr, ...]:
    """Direct sub-expressions."""
    match expression:
        case Load(index=index):
            return index
        case Op(args=args) | Call(args=args):
            return args
        case Select(condition, yes, no):
            return condition, yes, no
        case Cast(value):
            return (value,)
    return ()


def subexpressions(expression: Expr) -> Iterator[Expr]:
    """The expression and everything in it, parents first."""
    pending = [expression]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def rebuild(expression: Expr, parts: tuple[Expr, ...]) -> Expr:
    """The expression with other direct sub-expressions."""
    match expression:
        case Load(buffer, _, dtype, guarded):
            return Load(buffer, parts, dtype, guarded)
        case Op(op, _, dtype):
            return Op(op, parts, dtype)
        case Call(function, _, dtype):
            return Call(function, parts, dtype)
        case Select(dtype=dtype):
            return Select(parts[0], parts[1], parts[2], dtype)
        case Cast(dtype=dtype):
            return Cast(parts[0], dtype)
    return expression


def statements(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement, outer before inner."""
    pending = list(reversed(body))
    while pending:
        statement = pending.pop()
        yield statement
        if isinstance(statement, For | If):
            pending.extend(reversed(statement.body))


def expressions_of(statement: Stmt) -> tuple[Expr, ...]:
    """The expressions that stand directly in a statement."""
    match statement:
        case Let(_, value) | Assign(_, value):
            return (value,)
        case Store(_, index, value):
            return (*index, value)
        case For(_, start, stop, _, step):
            return start, stop, step
        case If(expression) | Share(_, _, expression):
            return (expression,)
        case Contract(out, left, right, rows, columns, depth):
            return (*(p for one in (out, left, right) for p in (one.offset, *one.strides)), rows, columns, depth)
        case Copy(out, source, rows, columns):
            return (*(p for one in (out, source) for p in (one.offset, *one.strides)), rows, columns)
    raise TypeError(statement)


def reads(body: tuple[Stmt, ...]) -> list[str]:
    """Names of the buffers read, in order of first use."""
    found: dict[str, None] = {}
    for statement in statements(body):
        if isinstance(statement, Contract):
            found |= {statement.left.buffer: None, statement.right.buffer: None}
        if isinstance(statement, Copy) or (isinstance(statement, Store) and statement.op is not None):
            found[statement.source.buffer if isinstance(statement, Copy) else statement.buffer] = None
        for expression in expressions_of(statement):
            found |= {node.buffer: None for node in subexpressions(expression) if isinstance(node, Load)}
    return list(found)


def writes(body: tuple[Stmt, ...]) -> list[str]:
    """Names of the buffers written, in order of first use."""
    found = (s for s in statements(body) if isinstance(s, Store | Contract | Copy))
    return list(dict.fromkeys(s.buffer if isinstance(s, Store) else s.out.buffer for s in found))
