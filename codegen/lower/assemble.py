"""Which values have memory, and under which names: leaves first, with the user's names, then what kernels share.

Comes in: groups. Goes out: an :class:`codegen.loops.program.Program`, in which SymPy no longer occurs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from codegen.loops import ir
from codegen.loops.carried import with_carried_numbers
from codegen.loops.names import Names
from codegen.loops.program import External, Item, Loop, Program, Slice
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
from symgraph.core.external import Procedure, procedure_of
from symgraph.core.indices import Dim
from symgraph.core.tensor import Tensor

ROLES: Mapping[str, ir.Role] = {
    "input": "input", "labels": "labels", "parameter": "parameter", "state": "state", "scalar": "hyper",
    "constant": "constant",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """A group to be lowered, the values of it that others read from memory, where all values live, and whether it is in
    a loop."""

    group: Group
    kept: set[Tensor]
    buffers: dict[Tensor, str]
    repeated: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A loop to be lowered: the steps that it takes, what is in each, and the slices that move with them."""

    steps: Steps
    body: Sequence[Task | Turn]
    slices: Mapping[str, Slice]


def assemble(
    groups: Sequence[Group], request: Request, leaves: Sequence[Tensor]
) -> tuple[Program, dict[Tensor, str], tuple[str, ...], dict[Tensor, str], tuple[Procedure, ...]]:
    """The program, the buffer name of every leaf and output, the user's names of the sizes, the copies of labels that
    the program checks, and the procedures of its external calls."""
    known: dict[int, Steps] = {}
    names = Names()
    sizes = {dim.name: names.unique(dim.name) for dim in _dims(_with_inner(groups, known), leaves)}
    buffers: dict[Tensor, str] = {leaf: names.unique(str(leaf.name)) for leaf in leaves}
    table: dict[str, ir.Buffer] = {}
    for leaf in leaves:
        table[buffers[leaf]] = _buffer(buffers[leaf], leaf, ROLES[leaf.kind], sizes)
    body: list[Item] = []
    read = {element.tensor for group in groups for node in group.nodes for element in node.reads}
    labels = {leaf: table[buffers[leaf]] for leaf in leaves if leaf.kind == "labels" and leaf in read}
    checked: dict[Tensor, str] = {}
    places = _Places(table, sizes, names, known)
    tasks = places.give(groups, request, buffers, request.outputs, len(groups), repeated=False)
    if labels:
        kernel, copies, status = label_check(labels, sizes, names)
        body.append(kernel)
        table |= {buffer.name: buffer for buffer in (*copies.values(), status)}
        checked = {leaf: copy.name for leaf, copy in copies.items()}
    moved = {buffers[leaf]: name for leaf, name in checked.items()}
    lowered = _Lowered(table, sizes, Names(frozenset(names.taken)), moved)
    body += lowered.items(one for part in tasks for one in part)
    outputs = tuple(buffers[output] for output in request.outputs)
    whole = with_whole_steps(Program(table, tuple(body), tuple(sizes.values()), outputs))
    program = with_carried_numbers(whole)
    return program, buffers, tuple(sizes), checked, tuple(lowered.procedures)


class _Lowered:
    """Lowers tasks in their order; what is ``moved`` is read from a copy."""

    def __init__(
        self, table: dict[str, ir.Buffer], sizes: Mapping[str, str], names: Names, moved: Mapping[str, str]
    ) -> None:
        self.table, self.sizes, self.names, self.moved = table, sizes, names, moved
        self.procedures: list[Procedure] = []

    def items(self, tasks: Iterable[Task | Turn]) -> list[Item]:
        return [self.loop(task) if isinstance(task, Turn) else self.item(task) for task in tasks]

    def item(self, task: Task) -> Item:
        return self.external(task) if task.group.kind == "external" else self.kernel(task)

    def external(self, task: Task) -> External:
        value = task.group.nodes[0].value
        found = procedure_of(value)
        assert found is not None
        self.procedures.append(found[0])
        arguments = tuple(self.moved.get(name, name) for name in (task.buffers[one] for one in (value, *found[1])))
        formula = f"{arguments[0]} = {found[0].name}({', '.join(arguments[1:])})"
        name = self.names.unique(kernel_name(task.group, task.kept))
        return External(name, len(self.procedures) - 1, arguments, (formula,))

    def kernel(self, task: Task) -> ir.Kernel:
        buffers = {value: self.moved.get(name, name) for value, name in task.buffers.items()}
        name = self.names.unique(kernel_name(task.group, task.kept))
        lowered = lower(task.group, Storage(buffers, self.sizes), task.kept, name, task.repeated)
        kernel, scratch = _with_own_scratch(*lowered, self.names)
        self.table |= {buffer.name: buffer for buffer in scratch}
        return kernel

    def loop(self, turn: Turn) -> Loop:
        loop = turn.steps.recurrence.loop
        parts = {name: Slice(self.moved.get(part.base, part.base), part.first) for name, part in turn.slices.items()}
        count = ScalarLowering(lambda tensor, index: ir.ZERO, self.sizes).integer(loop.length)
        return Loop(tuple(self.items(turn.body)), count, loop.backward, parts)


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
    """Gives values memory, and slices of it in loops."""

    def __init__(
        self, table: dict[str, ir.Buffer], sizes: Mapping[str, str], names: Names, steps: Mapping[int, Steps]
    ) -> None:
        self.table, self.sizes, self.names, self.steps = table, sizes, names, steps

    def give(
        self, groups: Sequence[Group], request: Request, buffers: dict[Tensor, str], outputs: Collection[Tensor],
        once: int, repeated: bool,
    ) -> list[list[Task | Turn]]:  # fmt: skip
        """What is to be done for each group, in the order of all, with memory for what they hand to each other. Those
        from the number ``once`` on are in a loop, and all are if that is ``repeated`` itself."""
        outside = spans(groups, request)
        found: list[list[Task | Turn]] = []
        for place, group in enumerate(groups):
            scattered = {node.value for node in group.nodes if scatter_of(len(node.shape), node.definition) is not None}
            kept = {value for value in group.values if outside[value] - {place} or value in scattered}
            for node in group.nodes:
                if node.target is None and node.value in kept and node.value not in buffers:
                    self.own(node.value, buffers, "output" if node.value in outputs else "temporary")
            inside = repeated or place >= once
            if group.kind == "loop":
                found.append(self.loop(self.steps[id(group)], buffers, inside))
            else:
                found.append([Task(group, kept, buffers, inside)])
        return found

    def own(self, value: Tensor, buffers: dict[Tensor, str], role: ir.Role) -> None:
        name = buffers[value] = self.names.unique(value_name(value))
        self.table[name] = _buffer(name, value, role, self.sizes)

    def loop(self, steps: Steps, buffers: dict[Tensor, str], repeated: bool) -> list[Task | Turn]:
        """What is the same at every step, then the loop over slices of what lies outside; memory for values of all
        steps that have none."""
        recurrence, loop = steps.recurrence, steps.recurrence.loop
        own: dict[Tensor, str] = {}
        whole: dict[Tensor, str] = {}
        slices: dict[str, Slice] = {}
        for value, planned in steps.results.items():
            track = recurrence.track(value)
            if planned in whole:
                buffers[track] = whole[planned]
                continue
            if track not in buffers:
                self.own(track, buffers, "temporary")
            whole[planned] = buffers[track]
            own[planned] = self.slice(planned, Slice(buffers[track]), "now", slices)
        filled = dict(zip(loop.slots, recurrence.operands, strict=True))
        for carry, value in zip(loop.carries, loop.following, strict=True):
            part = Slice(whole[steps.results[value]], buffers[filled[carry]])
            own[carry] = self.slice(carry, part, "before", slices)
        for slot in loop.inputs:
            own[slot] = self.slice(slot, Slice(buffers[filled[slot]]), "now", slices)
        for slot in loop.constants:
            own[slot] = buffers[filled[slot]]
        request = Request(tuple(dict.fromkeys(steps.results.values())))
        groups, once = [*steps.before, *steps.groups], len(steps.before)
        found = self.give(groups, request, own, (), once, repeated)
        before, inside = ([task for tasks in part for task in tasks] for part in (found[:once], found[once:]))
        return [*before, Turn(steps, inside, slices)]

    def slice(self, tensor: Tensor, part: Slice, when: str, slices: dict[str, Slice]) -> str:
        """A buffer for one step's part of another: its name."""
        name = self.names.unique(f"{part.base}_{when}")
        slices[name] = part
        self.table[name] = _buffer(name, tensor, "slice", self.sizes)
        return name


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
