"""What a program costs: per kernel its formulas, operations and bytes, on request its time; and the time of every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen import debug
from codegen.cost import flops, traffic
from codegen.emit import ITEM
from codegen.executable import Executable
from symgraph.errors import ArgumentError
from symgraph.provenance import at_line


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One kernel at given sizes; ``seconds`` None where it was not measured."""

    name: str
    formulas: tuple[str, ...]
    operations: float
    bytes: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Kernels in the order in which they run, bytes of the arena, and seconds of the stages. ``str`` is a table."""

    kernels: tuple[KernelReport, ...]
    sizes: Mapping[str, int]
    stages: Mapping[str, float]

    @staticmethod
    def of(
        executable: Executable, seconds_to_derive: float, measure: bool = False, sizes: Mapping[str, int] | None = None
    ) -> Report:
        """Report of a compiled program at ``sizes``, by default those of the last call."""
        program = executable.compiled.program
        called = dict(executable.sizes)
        chosen = (called or dict.fromkeys(program.sizes, 128)) | dict(sizes or {})
        if measure and ((not called and program.sizes) or chosen != called):
            raise ArgumentError(at_line("kernels are measured on the arrays of the last call: call the step first"))
        item = ITEM[executable.dtype.name]
        rows = [
            KernelReport(k.name, k.formulas, flops(k.body, chosen), traffic(k, program.buffers, chosen, item))
            for k in program.kernels
        ]
        if measure:
            from codegen.measure import measured

            times = measured(executable, chosen)
            rows = [
                KernelReport(r.name, r.formulas, r.operations, r.bytes, s) for r, s in zip(rows, times, strict=True)
            ]
        stages = {
            "derive": seconds_to_derive,
            "lower": executable.seconds_to_lower,
            "compile": executable.seconds_to_compile,
        }
        return Report(tuple(rows), chosen, stages | {f"  {name}": s for name, s in debug.TIMES.items()})

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        lines = [f"{'kernel':24} {'operations':>12} {'bytes':>12} {'µs':>9} {'GFLOP/s':>8} {'GB/s':>7}   at {at}"]
        for row in self.kernels:
            shown = f"{row.name:24} {row.operations:12.0f} {row.bytes:12d}"
            if row.seconds:
                shown += f" {row.seconds * 1e6:9.2f} {row.operations / row.seconds / 1e9:8.1f} {row.bytes / row.seconds / 1e9:7.1f}"
            lines.append(shown)
            lines += [f"    {formula}" for formula in row.formulas]
        lines.append("seconds: " + ", ".join(f"{name.strip()} {seconds:.3f}" for name, seconds in self.stages.items()))
        return "\n".join(lines)
