"""What a program costs: each kernel's formulas, operations, bytes, on request its time; and the time of every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codegen.loops.counts import evaluate_integer, flops, item_bytes, traffic
from codegen.loops.program import External, work_in
from codegen.run.arguments import check_mapping, whole_number
from codegen.run.direct import obstacle
from codegen.run.executable import Executable
from symgraph.core.graph import topological
from symgraph.core.provenance import at_line
from symgraph.core.shown import Shown
from symgraph.errors import ArgumentError

if TYPE_CHECKING:
    from codegen.plan.request import Request
    from symgraph.rounding.report import Accuracy

UNTOLD = 128
"""A size before the first call."""

STAGES = ("derive", "stabilise", "plan", "fuse", "lower", "memory", "emit", "compile", "load", "first call")
"""In their order; those of a program from the cache may have run when the report was asked for."""

FAR, WORTH = 0.5, 0.05
"""A kernel is marked that reaches less than ``FAR`` of the machine's limit, if that costs ``WORTH`` of all kernels."""


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One kernel at given sizes, and its schedule in words (:mod:`codegen.lower.schedule`); ``seconds``, and
    ``expected`` of one thread of this machine, None if not measured."""

    name: str
    formulas: tuple[str, ...]
    operations: float
    bytes: int
    schedule: str = ""
    seconds: float | None = None
    expected: float | None = None

    @property
    def reached(self) -> float | None:
        """The part of the machine's limit that the kernel reaches, where it was measured."""
        return self.expected / self.seconds if self.expected and self.seconds else None


@dataclass(frozen=True, slots=True, repr=False)
class Report(Shown):
    """Kernels in the order in which they run, and seconds of the stages. ``str`` is a table.

    Stages are ``derive`` (of a training step: gradients, simplified, and updates), those of the compiler, ``compile``
    (unless its object code was in the cache), ``load``, the ``first call`` and, where measured, a ``warm call``.
    Gradients in ``left`` were too long for algebra: they are as the chain rule gave them. Values in ``as_written`` were
    too long to be made stable: they may lose digits, or overflow, as the formula does that was written.
    Native code checks the arguments of calls; ``obstacle`` is why it cannot, so that Python does at every call.
    ``errors`` are those of the formulas, None unless asked for.
    ``calls`` are those of external functions, whose time is in the warm call alone.
    ``memory`` is the bytes of all that lies between the kernels, the arena; arguments and results are not in it.
    """

    kernels: tuple[KernelReport, ...]
    sizes: Mapping[str, int]
    stages: Mapping[str, float]
    obstacle: str = ""
    left: tuple[str, ...] = ()
    memory: int = 0
    errors: Accuracy | None = None
    as_written: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()

    @staticmethod
    def of(
        executable: Executable,
        measure: bool = False,
        sizes: Mapping[str, int] | None = None,
        errors: Request | None = None,
    ) -> Report:
        """Report of a compiled program at ``sizes``, by default those of the last call, and of what a request's values
        are off by.

        Raises
        ------
        ArgumentError
            for a size that the program does not have, or that is no positive integer.
        """
        program, positions = executable.compiled.program, executable.linked.interface.sizes
        known = dict(zip(executable.size_names, positions, strict=True))
        chosen = {name: executable.words[position] or UNTOLD for name, position in positions.items()}
        if sizes is not None:
            check_mapping(sizes, "sizes")
        for name, size in (sizes or {}).items():
            if str(name) not in known:
                raise ArgumentError(at_line(f"there is no size {name}; known are: {', '.join(known) or 'none'}"))
            chosen[known[str(name)]] = whole_number(f"the size {name}", size, 1)
        item = item_bytes(executable.dtype.name)
        rows = [
            KernelReport(
                k.name, k.formulas, flops(k.body, chosen), traffic(k, program.buffers, chosen, item), k.schedule
            )
            for k in program.kernels
        ]
        warm = None
        if measure:
            rows, warm = _measured(rows, executable, chosen)
        stages = {stage: executable.seconds[stage] for stage in STAGES if stage in executable.seconds}
        stages |= {"warm call": warm} if warm else {}
        at = {name: chosen[position] for name, position in known.items()}
        memory = evaluate_integer(executable.linked.arena.size, chosen)
        lost, as_written = _errors(errors, executable), executable.compiled.as_written
        calls = tuple(item.formulas[0] for _, item in work_in(program.body) if isinstance(item, External))
        return Report(tuple(rows), at, stages, obstacle(executable), (), memory, lost, as_written, calls)

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        columns = f"{'µs':>9} {'expected':>9} {'GFLOP/s':>8} {'GB/s':>7}"
        worth = WORTH * sum(row.seconds or 0.0 for row in self.kernels)
        lines = [f"{'kernel':24} {'operations':>12} {'bytes':>12} {columns} {'of limit':>8}   at {at}"]
        for row in self.kernels:
            shown = f"{row.name:24} {row.operations:12.0f} {row.bytes:12d}"
            if row.seconds and row.expected and row.reached:
                rates = row.operations / row.seconds / 1e9, row.bytes / row.seconds / 1e9
                shown += f" {row.seconds * 1e6:9.3f} {row.expected * 1e6:9.3f} {rates[0]:8.1f} {rates[1]:7.1f}"
                is_far = row.reached < FAR and row.seconds - row.expected > worth
                shown += f" {row.reached:8.0%}" + (" ◂ far" if is_far else "")
            lines.append(shown)
            lines += [f"    {formula}" for formula in row.formulas]
            lines += [f"    ({row.schedule})"] if row.schedule else []
        lines += [f"external call {formula}" for formula in self.calls]
        lines.append(f"memory between kernels: {self.memory} bytes")
        lines.append("seconds: " + ", ".join(f"{name} {_shown(seconds)}" for name, seconds in self.stages.items()))
        if self.left:
            lines.append(f"left as the chain rule gave them: {', '.join(self.left)}")
        if self.as_written:
            lines.append(f"run as written, too long to be made stable: {', '.join(self.as_written)}")
        if self.obstacle:
            lines.append(f"Python checks every call: {self.obstacle}")
        if self.errors is not None:
            lines.append(str(self.errors))
        return "\n".join(lines)


def _shown(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds >= 1e-3 else f"{seconds:.1e}"


def _errors(request: Request | None, executable: Executable) -> Accuracy | None:
    if request is None:
        return None
    from symgraph.rounding.report import accuracy

    updates = topological(value for _, value in request.updates)
    slopes = [t for t in updates if t.cotangent_of is not None and t.cotangent_of[1].kind == "parameter"]
    return accuracy([*request.outputs, *(slopes or (value for _, value in request.updates))], executable.dtype)


def _measured(
    rows: list[KernelReport], executable: Executable, sizes: Mapping[str, int]
) -> tuple[list[KernelReport], float | None]:
    from codegen.inspect.measure import measured
    from codegen.inspect.peak import expected_seconds

    kernels, warm = measured(executable, sizes)
    return [
        replace(row, seconds=seconds, expected=expected_seconds(row.operations, row.bytes, executable.dtype.name))
        for row, seconds in zip(rows, kernels, strict=True)
    ], warm
