"""The compiler: one line a stage, from tensors to a source and where everything in it lives.

stabilise → plan → fuse → lower → memory → emit            (compile and run: codegen.run.loading, codegen.run.function)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codegen import debug
from codegen.backend import emit
from codegen.loops.counts import item_bytes
from codegen.loops.driver import Source
from codegen.loops.memory import Arena, plan_memory
from codegen.loops.program import Program
from codegen.loops.verify import verify_memory, verify_program
from codegen.loops.words import Interface, interface_of
from codegen.plan.commit import updates_after
from codegen.plan.fuse import fuse
from codegen.plan.order import ordered
from codegen.plan.plan import plan
from codegen.plan.request import Request
from symgraph.core.external import Procedure
from symgraph.core.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the stages leave: a program, its memory, its text, and the names of leaves and outputs in it."""

    program: Program
    arena: Arena
    scratch: Arena
    interface: Interface
    source: Source
    names: dict[Tensor, str]
    size_names: tuple[str, ...]
    outputs: tuple[Tensor, ...]
    label_copies: dict[Tensor, str]
    procedures: tuple[Procedure, ...]
    as_written: tuple[str, ...] = ()
    """Values for whose stable forms no rules were tried to the end: that would have taken too long."""


def translate(
    request: Request, leaves: Sequence[Tensor], dtype: str, seconds: dict[str, float] | None = None
) -> Compiled:
    """Source and memory plan of a program. ``leaves`` are in the order of the interface; the time of each stage is
    added to ``seconds``."""
    from codegen.lower.assemble import assemble  # with the notation of its comments, which an import does not wait for

    item, seconds = item_bytes(dtype), {} if seconds is None else seconds
    with debug.stage("stabilise", seconds):
        left: list[Tensor] = []
        stable = stabilised(request, left)
    with debug.stage("plan", seconds):
        planned, nodes = plan(stable)
    with debug.stage("fuse", seconds):
        groups = ordered(fuse(nodes))
        if request.updates:
            groups = updates_after(groups, planned.outputs[0])
    with debug.stage("lower", seconds) as show:
        program, names, size_names, checked, procedures = assemble(groups, planned, leaves)
        show(program)
        verify_program(program)
    with debug.stage("memory", seconds) as show:
        arena, scratch = plan_memory(program, item), plan_memory(program, item, ("scratch",))
        show(arena)
        verify_memory(program, arena, scratch, item)
    with debug.stage("emit", seconds) as show:
        interface = interface_of(program)
        source = emit(program, arena, interface, dtype)
        show(source)
    as_written = tuple(dict.fromkeys(tensor.display_name for tensor in left))
    return Compiled(
        program, arena, scratch, interface, source, names, size_names, planned.outputs, checked, procedures, as_written
    )


def stabilised(request: Request, left: list[Tensor] | None = None) -> Request:
    """The request with values rewritten to forms that are right in floating point; ``left`` gets what stays as it was
    written since that would take too long."""
    from symgraph.stabilise import stabilise

    roots = [*request.outputs, *(value for _, value in request.updates)]
    stable = list(stabilise(roots, left))
    count = len(request.outputs)
    updates = tuple((leaf, value) for (leaf, _), value in zip(request.updates, stable[count:], strict=True))
    return Request(tuple(stable[:count]), updates)
