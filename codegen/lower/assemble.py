"""Which values have memory, and under which names: leaves first, with the user's names, then what kernels share.

Comes in: groups. Goes out: an :class:`ir.Program`, in which SymPy no longer occurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codegen.loops import ir
from codegen.loops.names import Names
from codegen.lower.label_check import label_check
from codegen.lower.lower import lower
from codegen.lower.scalar import ScalarLowering, data_type
from codegen.lower.segments import Storage
from codegen.plan.fuse import Group, spans
from codegen.plan.plan import Request
from codegen.plan.scatter import scatter_of
from codegen.plan.value_names import kernel_name, value_name
from symgraph.core.indices import Dim
from symgraph.core.tensor import Tensor

ROLES: Mapping[str, ir.Role] = {
    "input": "input", "labels": "labels", "parameter": "parameter", "state": "state", "scalar": "hyper",
    "constant": "constant",
}  # fmt: skip


def assemble(
    groups: Sequence[Group], request: Request, leaves: Sequence[Tensor]
) -> tuple[ir.Program, dict[Tensor, str], tuple[str, ...], dict[Tensor, str]]:
    """The program, the buffer name of every leaf and output, the user's names of the sizes, and the copies of labels
    that the program checks."""
    names = Names()
    sizes = {dim.name: names.unique(dim.name) for dim in _dims(groups, leaves)}
    buffers: dict[Tensor, str] = {leaf: names.unique(str(leaf.name)) for leaf in leaves}
    table: dict[str, ir.Buffer] = {}
    for leaf in leaves:
        table[buffers[leaf]] = _buffer(buffers[leaf], leaf, ROLES[leaf.kind], sizes)
    outside = spans(groups, request)
    kept: list[set[Tensor]] = []
    for number, group in enumerate(groups):
        shared = {node.value for node in group.nodes if scatter_of(len(node.shape), node.definition) is not None}
        kept.append({value for value in group.values if outside[value] - {number}} | shared)
        for node in group.nodes:
            if node.target is None and node.value in kept[-1]:
                name = buffers[node.value] = names.unique(value_name(node.value))
                role: ir.Role = "output" if node.value in request.outputs else "temporary"
                table[name] = _buffer(name, node.value, role, sizes)
    kernels: list[ir.Kernel] = []
    read = {element.tensor for group in groups for node in group.nodes for element in node.reads}
    labels = {leaf: table[buffers[leaf]] for leaf in leaves if leaf.kind == "labels" and leaf in read}
    checked: dict[Tensor, str] = {}
    if labels:
        kernel, copies, status = label_check(labels, sizes, names)
        kernels.append(kernel)
        table |= {buffer.name: buffer for buffer in (*copies.values(), status)}
        checked = {leaf: copy.name for leaf, copy in copies.items()}
    storage = Storage(buffers | checked, sizes)
    driver_names = Names(frozenset(names.taken))
    for group, own in zip(groups, kept, strict=True):
        kernel, scratch = lower(group, storage, own, driver_names.unique(kernel_name(group, own)))
        kernel, scratch = _with_own_scratch(kernel, scratch, driver_names)
        kernels.append(kernel)
        table |= {buffer.name: buffer for buffer in scratch}
    outputs = tuple(buffers[output] for output in request.outputs)
    return ir.Program(table, tuple(kernels), tuple(sizes.values()), outputs), buffers, tuple(sizes), checked


def _with_own_scratch(
    kernel: ir.Kernel, scratch: Sequence[ir.Buffer], names: Names
) -> tuple[ir.Kernel, list[ir.Buffer]]:
    """Scratch names are local to a kernel's text; the program's table needs them distinct."""
    local = tuple(buffer.name for buffer in scratch)
    shown = {name: names.unique(f"{kernel.name}.{name}") for name in local}
    arguments = tuple(shown.get(name, name) for name in kernel.buffers)
    renamed = [ir.Buffer(shown[b.name], b.dtype, b.shape, b.role) for b in scratch]
    return ir.Kernel(
        kernel.name, kernel.buffers, arguments, kernel.sizes, kernel.body, kernel.formulas, kernel.parallel
    ), renamed


def _buffer(name: str, tensor: Tensor, role: ir.Role, sizes: Mapping[str, str]) -> ir.Buffer:
    lowering = ScalarLowering(lambda tensor, index: ir.ZERO, sizes)
    return ir.Buffer(name, data_type(tensor), tuple(lowering.integer(size) for size in tensor.shape), role)


def _dims(groups: Sequence[Group], leaves: Sequence[Tensor]) -> list[Dim]:
    found: dict[Dim, None] = {}
    for leaf in leaves:
        for size in leaf.shape:
            found |= dict.fromkeys(sorted(size.atoms(Dim), key=str))
    for group in groups:
        for node in group.nodes:
            for size in (*node.shape, *node.definition.extents, node.definition.body):
                found |= dict.fromkeys(sorted(size.atoms(Dim), key=str))
    return list(found)
