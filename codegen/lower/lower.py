"""Lowers groups of definitions to kernels of loop nests. One group is one kernel, and its schedule says which of these:

rows, columns    codegen.lower.rows      loops over the segments of a row, or down columns
maps             codegen.lower.maps      one flat loop, where indices do not matter; transpositions
panels           codegen.lower.panels    a contraction, then the rows of its block
short rows       codegen.lower.lanes     a block of rows by columns, so that vectors hold one element of many rows
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from codegen.loops import ir
from codegen.loops.ir import Expr, For, Share, Stmt, Var
from codegen.loops.jam import jammed
from codegen.loops.join import joined
from codegen.loops.lane_sums import LaneSums
from codegen.loops.seldom import with_loops_left_out
from codegen.loops.together import together
from codegen.loops.turns import Turns
from codegen.loops.unswitch import unswitched
from codegen.lower import lanes, maps, panels, rows
from codegen.lower.choose import schedule_of
from codegen.lower.long_sums import LongSums
from codegen.lower.schedule import Inside, Shared
from codegen.lower.scope import Scope, Storage
from codegen.lower.types import data_type
from codegen.plan.fuse import Group
from symgraph.core.tensor import Tensor

SHARES: Mapping[Shared, Callable[[Scope], list[Stmt]]] = {
    "nothing": rows.alone, "window": rows.alone, "owned rows": rows.owned_rows, "columns": rows.blocks_of_columns,
    "halves": rows.halves,
    "elements": maps.blocks_of_elements, "panels": panels.panels, "blocks": panels.panels,
}  # fmt: skip
ROWS: Mapping[Inside, Callable[[Scope], list[Stmt]]] = {
    "rows": rows.single_rows, "lanes": lanes.blocks_of_rows, "transposed": maps.transposition,
}  # fmt: skip
"""What is made of rows that threads share."""


def lower(
    group: Group, storage: Storage, kept: set[Tensor], name: str, repeated: bool = False
) -> tuple[ir.Kernel, list[ir.Buffer]]:
    """The kernel of a group, and its scratch buffers. ``kept`` are the values that others read from memory.

    In what is ``repeated``, the step of a recurrence, threads share rows one by one: in every kernel the same.
    """
    schedule = schedule_of(group, kept, repeated)
    scope = Scope(group, storage, kept, schedule)
    share = schedule.share.what
    body = (ROWS[schedule.inside] if share == "rows" else SHARES[share])(scope)
    return _kernel(scope, name, (*scope.sharing.once(scope.top, loads=False), *body))


def _kernel(scope: Scope, name: str, body: tuple[Stmt, ...]) -> tuple[ir.Kernel, list[ir.Buffer]]:
    """The kernel, its loops joined, left out or unswitched, its sums in blocks and lanes, with all that it touches."""
    buffers, used = scope.storage.buffers, {*ir.reads(body), *ir.writes(body)}
    given = {name: (scope.sizes(t.shape), data_type(t)) for t, name in buffers.items() if name in used}
    scratch = [*scope.scratch.values(), *scope.unnamed_scratch]
    given |= {buffer.name: (buffer.shape, buffer.dtype) for buffer in (*scratch, *scope.copies)}
    turns = Turns({name: shape for name, (shape, _) in given.items()}, scope.names)
    body = turns(body)
    scratch += turns.scratch
    given |= {buffer.name: (buffer.shape, buffer.dtype) for buffer in turns.scratch}
    body = with_loops_left_out(joined(body, {name: shape for name, (shape, _) in given.items()}))
    body = unswitched(body)
    written = {*ir.writes(body), *(buffer.name for buffer in scratch)}
    shapes = {name: shape for name, (shape, dtype) in given.items() if dtype == "real" and name in written}
    sums, lanes = LongSums(shapes, scope.names), LaneSums(scope.names)
    whole = together(jammed(lanes(sums(body))))
    scratch += [*sums.scratch, *lanes.scratch]
    touched = dict.fromkeys([*ir.reads(whole), *ir.writes(whole)])
    strides = [extent for buffer in scratch for extent in buffer.shape[1:]]
    strides += [size for t, name in buffers.items() if name in touched for size in scope.sizes(t.shape[1:])]
    sizes = _sizes_in(whole, scope.storage.sizes, strides)
    parallel = any(isinstance(s, Share) or (isinstance(s, For) and s.parallel) for s in ir.statements(whole))
    names, formulas = tuple(touched), tuple(scope.formulas)
    kernel = ir.Kernel(name, names, names, sizes, whole, formulas, parallel, str(scope.schedule))
    return kernel, [*scratch, *scope.copies]


def _sizes_in(body: tuple[Stmt, ...], sizes: Mapping[str, str], strides: Sequence[Expr]) -> tuple[str, ...]:
    """Names of the run-time sizes that some statements use, or the strides of what they read and write."""
    expressions = [expression for statement in ir.statements(body) for expression in ir.expressions_of(statement)]
    used = {
        node.name
        for expression in (*expressions, *strides)
        for node in ir.subexpressions(expression)
        if isinstance(node, Var)
    }
    return tuple(name for name in sizes.values() if name in used)
