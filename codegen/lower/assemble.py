"""Which values have memory, and under which names: leaves first, with the user's names, then what kernels share.

Comes in: groups. Goes out: an :class:`ir.Program`, in which SymPy no longer occurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.loops import ir
from codegen.loops.names import Names
from codegen.loops.repeat import Loop, Slice
from codegen.lower.label_check import label_check
from codegen.lower.lower import lower
from codegen.lower.scalar import ScalarLowering, data_type
from codegen.lower.segments import Storage
from codegen.plan.fuse import Group, spans
from codegen.plan.plan import Request
from codegen.plan.scatter import scatter_of
from codegen.plan.steps import Steps, steps_of
from codegen.plan.value_names import kernel_name, value_name
from symgraph.core.indices import Dim
from symgraph.core.tensor import Tensor

ROLES: Mapping[str, ir.Role] = {
    "input": "input", "labels": "labels", "parameter": "parameter", "state": "state", "scalar": "hyper",
    "constant": "constant",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """A group to be lowered, the values of it that others read from memory, and where all values live; in a loop, the
    number of it."""

    group: Group
    kept: set[Tensor]
    buffers: dict[Tensor, str]
    loop: int | None = None


def assemble(
    groups: Sequence[Group], request: Request, leaves: Sequence[Tensor]
) -> tuple[ir.Program, dict[Tensor, str], tuple[str, ...], dict[Tensor, str]]:
    """The program, the buffer name of every leaf and output, the user's names of the sizes, and the copies of labels
    that the program checks."""
    steps = {number: steps_of(group) for number, group in enumerate(groups) if group.kind == "loop"}
    inner = [group for found in steps.values() for group in (*found.before, *found.groups)]
    names = Names()
    sizes = {dim.name: names.unique(dim.name) for dim in _dims([*groups, *inner], leaves)}
    buffers: dict[Tensor, str] = {leaf: names.unique(str(leaf.name)) for leaf in leaves}
    table: dict[str, ir.Buffer] = {}
    for leaf in leaves:
        table[buffers[leaf]] = _buffer(buffers[leaf], leaf, ROLES[leaf.kind], sizes)
    kernels: list[ir.Kernel] = []
    read = {element.tensor for group in groups for node in group.nodes for element in node.reads}
    labels = {leaf: table[buffers[leaf]] for leaf in leaves if leaf.kind == "labels" and leaf in read}
    checked: dict[Tensor, str] = {}
    outside = spans(groups, request)
    tasks: list[Task] = []
    parts: list[dict[str, Slice]] = []
    shared = buffers
    for number, group in enumerate(groups):
        scattered = {node.value for node in group.nodes if scatter_of(len(node.shape), node.definition) is not None}
        kept = {value for value in group.values if outside[value] - {number}} | scattered
        for node in group.nodes:
            if node.target is None and node.value in kept:
                name = buffers[node.value] = names.unique(value_name(node.value))
                role: ir.Role = "output" if node.value in request.outputs else "temporary"
                table[name] = _buffer(name, node.value, role, sizes)
        if number in steps:
            found, slices = _loop(steps[number], len(parts), buffers, table, sizes, names)
            tasks += found
            parts.append(slices)
        else:
            tasks.append(Task(group, kept, shared))
    if labels:
        kernel, copies, status = label_check(labels, sizes, names)
        kernels.append(kernel)
        table |= {buffer.name: buffer for buffer in (*copies.values(), status)}
        checked = {leaf: copy.name for leaf, copy in copies.items()}
    driver_names = Names(frozenset(names.taken))
    ranges: dict[int, list[int]] = {}
    moved = {buffers[leaf]: name for leaf, name in checked.items()}
    for task in tasks:
        storage = Storage({value: moved.get(name, name) for value, name in task.buffers.items()}, sizes)
        name = driver_names.unique(kernel_name(task.group, task.kept))
        kernel, scratch = _with_own_scratch(*lower(task.group, storage, task.kept, name), driver_names)
        if task.loop is not None:
            ranges.setdefault(task.loop, []).append(len(kernels))
        kernels.append(kernel)
        table |= {buffer.name: buffer for buffer in scratch}
    loops = tuple(
        _as_loop(found, ranges[number], parts[number], moved, sizes) for number, found in enumerate(steps.values())
    )
    outputs = tuple(buffers[output] for output in request.outputs)
    program = ir.Program(table, tuple(kernels), tuple(sizes.values()), outputs, loops=loops)
    return program, buffers, tuple(sizes), checked


def _loop(
    steps: Steps, number: int, buffers: dict[Tensor, str], table: dict[str, ir.Buffer], sizes: Mapping[str, str],
    names: Names,
) -> tuple[list[Task], dict[str, Slice]]:  # fmt: skip
    """The groups of a step, over slices of what lies outside; memory for values of all steps that have none."""
    recurrence, loop = steps.recurrence, steps.recurrence.loop
    own: dict[Tensor, str] = {}
    slices: dict[str, Slice] = {}
    whole: dict[Tensor, str] = {}
    for value, planned in steps.results.items():
        track = recurrence.track(value)
        if planned in whole:
            buffers[track] = whole[planned]
            continue
        if track not in buffers:
            name = buffers[track] = names.unique(value_name(track))
            table[name] = _buffer(name, track, "temporary", sizes)
        whole[planned] = buffers[track]
        own[planned] = _slice(planned, Slice(buffers[track]), "now", slices, table, sizes, names)
    filled = dict(zip(loop.slots, recurrence.operands, strict=True))
    for carry, value in zip(loop.carries, loop.following, strict=True):
        part = Slice(whole[steps.results[value]], buffers[filled[carry]])
        own[carry] = _slice(carry, part, "before", slices, table, sizes, names)
    for slot in loop.inputs:
        own[slot] = _slice(slot, Slice(buffers[filled[slot]]), "now", slices, table, sizes, names)
    for slot in loop.constants:
        own[slot] = buffers[filled[slot]]
    request = Request(tuple(dict.fromkeys(steps.results.values())))
    groups = [*steps.before, *steps.groups]
    outside = spans(groups, request)
    tasks: list[Task] = []
    for place, group in enumerate(groups):
        scattered = {node.value for node in group.nodes if scatter_of(len(node.shape), node.definition) is not None}
        kept = {value for value in group.values if outside[value] - {place}} | scattered
        for node in group.nodes:
            if node.value in kept and node.value not in own:
                name = own[node.value] = names.unique(value_name(node.value))
                table[name] = _buffer(name, node.value, "temporary", sizes)
        tasks.append(Task(group, kept, own, number if place >= len(steps.before) else None))
    return tasks, slices


def _slice(
    tensor: Tensor, part: Slice, when: str, slices: dict[str, Slice], table: dict[str, ir.Buffer],
    sizes: Mapping[str, str], names: Names,
) -> str:  # fmt: skip
    """A buffer for one step's part of another: its name."""
    name = names.unique(f"{part.base}_{when}")
    slices[name] = part
    table[name] = _buffer(name, tensor, "slice", sizes)
    return name


def _as_loop(
    steps: Steps, numbers: Sequence[int], slices: Mapping[str, Slice], moved: Mapping[str, str],
    sizes: Mapping[str, str],
) -> Loop:  # fmt: skip
    loop = steps.recurrence.loop
    parts = {name: Slice(moved.get(part.base, part.base), part.first) for name, part in slices.items()}
    count = ScalarLowering(lambda tensor, index: ir.ZERO, sizes).integer(loop.length)
    return Loop(min(numbers), max(numbers) + 1, count, loop.backward, parts)


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
