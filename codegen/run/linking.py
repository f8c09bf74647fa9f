"""From what the compiler leaves to what a program runs by; and what its formulas ask of sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.loops.counts import moved
from codegen.loops.driver import Driver
from codegen.loops.ir import ZERO, Expr, Kernel
from codegen.loops.program import Item, Loop, Program
from codegen.loops.rename import content
from codegen.loops.words import OUTSIDE
from codegen.loops.worth import Portion
from codegen.lower.scalar import ScalarLowering
from codegen.plan.request import Request
from codegen.run.linked import Linked
from codegen.run.loading import key_of
from codegen.run.pipeline import Compiled
from symgraph.core.bounds import Requirement, requirements
from symgraph.core.indices import Dim
from symgraph.core.tensor import Tensor


def linked(compiled: Compiled, leaves: Sequence[Tensor], request: Request) -> Linked:
    """What is needed of a compiled program, and what its formulas ask of sizes."""
    program, names = compiled.program, compiled.names
    number = {leaf: place for place, leaf in enumerate(leaves)}
    buffers = {name: buffer for name, buffer in program.buffers.items() if buffer.role in OUTSIDE}
    buffers |= {name: program.buffers[name] for name in compiled.label_copies.values()}
    return Linked(
        code=key_of(compiled.source),
        interface=compiled.interface,
        size_names=compiled.size_names,
        leaves=tuple(names[leaf] for leaf in leaves),
        outputs=program.outputs,
        read=tuple(number.get(tensor) for tensor in compiled.outputs),
        buffers=buffers,
        labels=tuple((number[leaf], name) for leaf, name in compiled.label_copies.items()),
        arena=compiled.arena,
        scratch=compiled.scratch,
        required=_required(request, compiled.size_names),
        portions=portions_of(program, compiled.source.driver),
    )


def portions_of(program: Program, driver: Driver) -> tuple[Portion, ...]:
    """The kernels of a program, equal ones together; in its driver there is a call for each."""
    found: dict[Portion, int] = {}
    calls = iter(driver.calls)

    def follow(body: tuple[Item, ...], counts: tuple[Expr, ...]) -> None:
        for item in body:
            if isinstance(item, Kernel):
                what = content(item, program)[0]
                portion = Portion(1, counts, what, item.parallel, moved(item, program.buffers), next(calls).meets)
                found[portion] = found.get(portion, 0) + 1
            elif isinstance(item, Loop):
                follow(item.body, (*counts, item.count))

    follow(program.body, ())
    return tuple(replace(portion, count=count) for portion, count in found.items())


def asked(request: Request, size_names: Sequence[str]) -> list[Requirement]:
    """What formulas ask of the sizes that a call tells."""
    found = requirements([*request.outputs, *(value for _, value in request.updates)])
    return [one for one in found if {dim.name for dim in one.size.atoms(Dim)} <= {*size_names}]


def _required(request: Request, size_names: Sequence[str]) -> tuple[Expr, ...]:
    lowering = ScalarLowering(lambda tensor, index: ZERO, {name: name for name in size_names})
    return tuple(lowering.integer(requirement.size) for requirement in asked(request, size_names))
