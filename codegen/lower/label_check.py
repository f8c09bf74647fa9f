"""Labels are read once, checked, and kept: no program indexes by what another thread may change meanwhile.

for n in range(N):
    label = t[n];  t_checked[n] = label;  wrong = 4 if label < 0 or label >= 10 else wrong
status[0] = wrong                                 a program goes on where this is 0
"""

from __future__ import annotations

from collections.abc import Mapping

from codegen.loops import ir
from codegen.loops import words as interface
from codegen.loops.ir import ZERO, Assign, Buffer, Expr, For, Let, Load, Op, Select, Stmt, Store, Var
from codegen.loops.names import Names
from codegen.lower.scalar import ScalarLowering
from symgraph.core.tensor import Tensor


def label_check(
    labels: Mapping[Tensor, Buffer], sizes: Mapping[str, str], names: Names
) -> tuple[ir.Kernel, dict[Tensor, Buffer], Buffer]:
    """The kernel that copies and checks all labels, the buffers of the copies, and that of the status."""
    local = Names(frozenset(sizes.values()))
    copies = {
        leaf: Buffer(names.unique(f"{given.name}_checked"), "int64", given.shape, "temporary")
        for leaf, given in labels.items()
    }
    status = Buffer(names.unique("status"), "int64", (ir.ONE,), "status")
    used = [*labels.values(), *copies.values(), status]
    for buffer in used:
        local.unique(buffer.name)
    wrong = Var(local.unique("wrong"), "int64")
    body: list[Stmt] = [Assign(wrong, ZERO)]
    for leaf, given in labels.items():
        body.extend(_one(leaf, given, copies[leaf], wrong, sizes, local))
    body.append(Store(status.name, (ZERO,), wrong))
    here = tuple(buffer.name for buffer in used)
    kernel = ir.Kernel(names.unique("check_labels"), here, here, tuple(sizes.values()), tuple(body), (), False)
    return kernel, copies, status


def _one(
    leaf: Tensor, given: Buffer, copy: Buffer, wrong: Var, sizes: Mapping[str, str], local: Names
) -> tuple[Stmt, ...]:
    indices = tuple(Var(local.unique("n"), "int64") for _ in given.shape)
    label = Var(local.unique("label"), "int64")
    classes = ScalarLowering(lambda tensor, index: ZERO, sizes).integer(leaf.classes)
    outside: Expr = Op("or", (Op("<", (label, ZERO), "bool"), Op(">=", (label, classes), "bool")), "bool")
    code = ir.integer(interface.BAD_VALUES)
    block: tuple[Stmt, ...] = (
        Let(label, Load(given.name, indices, "int64")),
        Store(copy.name, indices, label),
        Assign(wrong, Select(outside, code, wrong, "int64")),
    )
    for index, extent in reversed(list(zip(indices, given.shape, strict=True))):
        block = (For(index, ZERO, extent, block),)
    return block
