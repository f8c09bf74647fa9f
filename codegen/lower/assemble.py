"""Which values have memory, and under which names: leaves first, with the user's names, then what kernels share.

Comes in: groups. Goes out: an :class:`ir.Program`, in which SymPy no longer occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from codegen.loops import ir
from codegen.loops.names import Names
from codegen.loops.repeat import Loop, Slice
from codegen.loops.small_steps import with_whole_steps
from codegen.lower.label_check import label_check
from codegen.lower.lower import lower
from codegen.lower.scalar import ScalarLowering
from codegen.lower.scope import Storage
from codegen.lower.types import data_type
from codegen.plan.fuse import Group, spans
from codegen.plan.request import Request
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
    """A group to be lowered, the values of it that others read from memory, where all values live, and the numbers of
    the loops that it is in."""

    group: Group
    kept: set[Tensor]
    buffers: dict[Tensor, str]
    loops: tuple[int, ...]


def assemble(
    groups: Sequence[Group], request: Request, leaves: Sequence[Tensor]
) -> tuple[ir.Program, dict[Tensor, str], tuple[str, ...], dict[Tensor, str]]:
    """The program, the buffer name of every leaf and output, the user's names of the sizes, and the copies of labels
    that the program checks."""
    known: dict[int, Steps] = {}
    names = Names()
    sizes = {dim.name: names.unique(dim.name) for dim in _dims(_with_inner(groups, known), leaves)}
    buffers: dict[Tensor, str] = {leaf: names.unique(str(leaf.name)) for leaf in leaves}
    table: dict[str, ir.Buffer] = {}
    for leaf in leaves:
        table[buffers[leaf]] = _buffer(buffers[leaf], leaf, ROLES[leaf.kind], sizes)
    kernels: list[ir.Kernel] = []
    read = {element.tensor for group in groups for node in group.nodes for element in node.reads}
    labels = {leaf: table[buffers[leaf]] for leaf in leaves if leaf.kind == "labels" and leaf in read}
    checked: dict[Tensor, str] = {}
    places = _Places(table, sizes, names, known)
    places.give(groups, request, buffers, request.outputs, lambda place: ())
    if labels:
        kernel, copies, status = label_check(labels, sizes, names)
        kernels.append(kernel)
        table |= {buffer.name: buffer for buffer in (*copies.values(), status)}
        checked = {leaf: copy.name for leaf, copy in copies.items()}
    driver_names = Names(frozenset(names.taken))
    ranges: dict[int, list[int]] = {}
    moved = {buffers[leaf]: name for leaf, name in checked.items()}
    for task in places.tasks:
        storage = Storage({value: moved.get(name, name) for value, name in task.buffers.items()}, sizes)
        name = driver_names.unique(kernel_name(task.group, task.kept))
        lowered = lower(task.group, storage, task.kept, name, repeated=bool(task.loops))
        kernel, scratch = _with_own_scratch(*lowered, driver_names)
        for loop in task.loops:
            ranges.setdefault(loop, []).append(len(kernels))
        kernels.append(kernel)
        table |= {buffer.name: buffer for buffer in scratch}
    loops = tuple(
        _as_loop(found, ranges[number], places.slices[number], moved, sizes)
        for number, found in enumerate(places.loops)
    )
    outputs = tuple(buffers[output] for output in request.outputs)
    program = with_whole_steps(ir.Program(table, tuple(kernels), tuple(sizes.values()), outputs, loops=loops))
    return program, buffers, tuple(sizes), checked


def _with_inner(groups: Sequence[Group], known: dict[int, Steps]) -> list[Group]:
    """Groups, and those of the steps of the loops among them, which become ``known``."""
    found: list[Group] = []
    for group in groups:
        found.append(group)
        if group.kind == "loop":
            steps = known[id(group)] = steps_of(group)
            found += _with_inner([*steps.before, *steps.groups], known)
    return found


class _Places:
    """Gives values memory, and slices of it in loops; the tasks in order, and the loops, outer ones first."""

    def __init__(
        self, table: dict[str, ir.Buffer], sizes: Mapping[str, str], names: Names, steps: Mapping[int, Steps]
    ) -> None:
        self.table, self.sizes, self.names, self.steps = table, sizes, names, steps
        self.tasks: list[Task] = []
        self.loops: list[Steps] = []
        self.slices: list[dict[str, Slice]] = []

    def give(
        self, groups: Sequence[Group], request: Request, buffers: dict[Tensor, str], outputs: Collection[Tensor],
        loops: Callable[[int], tuple[int, ...]],
    ) -> None:  # fmt: skip
        """Memory for what the groups hand to each other; ``loops`` tells in which ones a group is."""
        outside = spans(groups, request)
        for place, group in enumerate(groups):
            scattered = {node.value for node in group.nodes if scatter_of(len(node.shape), node.definition) is not None}
            kept = {value for value in group.values if outside[value] - {place} or value in scattered}
            for node in group.nodes:
                if node.target is None and node.value in kept and node.value not in buffers:
                    self.own(node.value, buffers, "output" if node.value in outputs else "temporary")
            if group.kind == "loop":
                self.loop(self.steps[id(group)], buffers, loops(place))
            else:
                self.tasks.append(Task(group, kept, buffers, loops(place)))

    def own(self, value: Tensor, buffers: dict[Tensor, str], role: ir.Role) -> None:
        name = buffers[value] = self.names.unique(value_name(value))
        self.table[name] = _buffer(name, value, role, self.sizes)

    def loop(self, steps: Steps, buffers: dict[Tensor, str], loops: tuple[int, ...]) -> None:
        """The groups of a step, over slices of what lies outside; memory for values of all steps that have none."""
        recurrence, loop, number = steps.recurrence, steps.recurrence.loop, len(self.loops)
        own: dict[Tensor, str] = {}
        whole: dict[Tensor, str] = {}
        self.loops.append(steps)
        self.slices.append({})
        for value, planned in steps.results.items():
            track = recurrence.track(value)
            if planned in whole:
                buffers[track] = whole[planned]
                continue
            if track not in buffers:
                self.own(track, buffers, "temporary")
            whole[planned] = buffers[track]
            own[planned] = self.slice(planned, Slice(buffers[track]), "now", number)
        filled = dict(zip(loop.slots, recurrence.operands, strict=True))
        for carry, value in zip(loop.carries, loop.following, strict=True):
            part = Slice(whole[steps.results[value]], buffers[filled[carry]])
            own[carry] = self.slice(carry, part, "before", number)
        for slot in loop.inputs:
            own[slot] = self.slice(slot, Slice(buffers[filled[slot]]), "now", number)
        for slot in loop.constants:
            own[slot] = buffers[filled[slot]]
        request = Request(tuple(dict.fromkeys(steps.results.values())))
        groups, once = [*steps.before, *steps.groups], len(steps.before)
        self.give(groups, request, own, (), lambda place: loops if place < once else (*loops, number))

    def slice(self, tensor: Tensor, part: Slice, when: str, number: int) -> str:
        """A buffer for one step's part of another: its name."""
        name = self.names.unique(f"{part.base}_{when}")
        self.slices[number][name] = part
        self.table[name] = _buffer(name, tensor, "slice", self.sizes)
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
    return replace(kernel, arguments=arguments), renamed


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
