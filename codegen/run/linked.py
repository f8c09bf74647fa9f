"""What a program needs in order to run: where its words and its memory are, what is asked of sizes, its object code.

Comes in: what the compiler leaves. Goes out: plain data, without formulas or kernels' texts, which a later process
reads from the cache (:mod:`codegen.run.kept`) in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from codegen.loops.counts import moved
from codegen.loops.ir import ZERO, Buffer, Expr, Program
from codegen.loops.memory import Arena
from codegen.loops.repeat import loops_of
from codegen.loops.words import OUTSIDE, Interface
from codegen.loops.worth import Portion
from codegen.lower.scalar import ScalarLowering
from codegen.native.emit import content
from codegen.native.emit_driver import Call
from codegen.native.jit import key_of
from codegen.run.pipeline import Compiled
from symgraph.core.bounds import Requirement
from symgraph.core.indices import Dim
from symgraph.core.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Linked:
    """A compiled program without its formulas.

    Attributes
    ----------
    code : the key of its object code.
    interface : the words of its argument.
    size_names : of :func:`sg.dim`, in the order of the interface.
    leaves : names of the leaves' buffers, in the order of the leaves.
    outputs, read : names of the outputs' buffers; the number of the leaf that an output is, None where it is computed.
    buffers : those outside the program, and its copies of labels.
    labels : (number of a leaf, name of the program's copy), where the program checks labels.
    arena, scratch : the memory plans.
    required : what must be at least 0, over sizes by the names of :func:`sg.dim`.
    portions : what threads are worth.
    """

    code: str
    interface: Interface
    size_names: tuple[str, ...]
    leaves: tuple[str, ...]
    outputs: tuple[str, ...]
    read: tuple[int | None, ...]
    buffers: Mapping[str, Buffer]
    labels: tuple[tuple[int, str], ...]
    arena: Arena
    scratch: Arena
    required: tuple[Expr, ...]
    portions: tuple[Portion, ...]


def linked(compiled: Compiled, leaves: Sequence[Tensor], asked: Sequence[Requirement]) -> Linked:
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
        required=_required(asked, compiled.size_names),
        portions=portions_of(program, compiled.source.calls),
    )


def portions_of(program: Program, calls: Sequence[Call]) -> tuple[Portion, ...]:
    """The kernels of a program, equal ones together; ``calls`` are those of its driver, one for each."""
    found: dict[Portion, int] = {}
    for number, (kernel, call) in enumerate(zip(program.kernels, calls, strict=True)):
        loops, body = tuple(loop.count for loop in loops_of(program, number)), content(kernel, program)[0]
        portion = Portion(1, loops, body, kernel.parallel, moved(kernel, program.buffers), call.meets)
        found[portion] = found.get(portion, 0) + 1
    return tuple(replace(portion, count=count) for portion, count in found.items())


def told(asked: Sequence[Requirement], size_names: Sequence[str]) -> list[Requirement]:
    """The requirements on sizes that a call tells."""
    return [one for one in asked if {dim.name for dim in one.size.atoms(Dim)} <= {*size_names}]


def _required(asked: Sequence[Requirement], size_names: Sequence[str]) -> tuple[Expr, ...]:
    lowering = ScalarLowering(lambda tensor, index: ZERO, {name: name for name in size_names})
    return tuple(lowering.integer(requirement.size) for requirement in told(asked, size_names))
