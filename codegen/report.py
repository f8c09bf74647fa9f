"""What a program costs: each kernel's formulas, operations, bytes, on request its time; and the time of every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen import debug
from codegen.arguments import whole_number
from codegen.cost import flops, traffic
from codegen.emit import ITEM
from codegen.executable import Executable
from symgraph.errors import ArgumentError
from symgraph.provenance import at_line

UNTOLD = 128
"""A size before the first call."""


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
        """Report of a compiled program at ``sizes``, by default those of the last call.

        Raises
        ------
        ArgumentError
            for a size that the program does not have, or that is no positive integer.
        """
        program, positions = executable.compiled.program, executable.compiled.interface.sizes
        known = dict(zip(executable.size_names, positions, strict=True))
        chosen = {name: executable.words[position] or UNTOLD for name, position in positions.items()}
        for name, size in (sizes or {}).items():
            if str(name) not in known:
                raise ArgumentError(at_line(f"there is no size {name}; known are: {', '.join(known) or 'none'}"))
            chosen[known[str(name)]] = whole_number(f"the size {name}", size, 1)
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
        shown = {name: chosen[position] for name, position in known.items()}
        return Report(tuple(rows), shown, stages | {f"  {name}": s for name, s in debug.TIMES.items()})

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        lines = [f"{'kernel':24} {'operations':>12} {'bytes':>12} {'µs':>9} {'GFLOP/s':>8} {'GB/s':>7}   at {at}"]
        for row in self.kernels:
            shown = f"{row.name:24} {row.operations:12.0f} {row.bytes:12d}"
            if row.seconds:
                rates = row.operations / row.seconds / 1e9, row.bytes / row.seconds / 1e9
                shown += f" {row.seconds * 1e6:9.2f} {rates[0]:8.1f} {rates[1]:7.1f}"
            lines.append(shown)
            lines += [f"    {formula}" for formula in row.formulas]
        lines.append("seconds: " + ", ".join(f"{name.strip()} {seconds:.3f}" for name, seconds in self.stages.items()))
        return "\n".join(lines)
