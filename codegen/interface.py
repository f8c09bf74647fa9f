"""The one argument of native code: a packed array of 64-bit words, and what each of them means.

Fixed words, then the sizes, the largest sizes that memory has been made for, the addresses of leaves and outputs, the
array objects of leaves, and the addresses of the arena and of the scratch memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.ir import Program

STATUS, TABLE, ARRAY_TYPE, SPANS, SYNC, SCHEDULE, RUN, LOSS, LOSS_BYTES, LENGTH, FIRST_SIZE = range(11)
DONE, MISFIT, TOO_LARGE, OVERLAP, BAD_VALUES = range(5)
"""Status of a call whose arguments native code checks."""
OUTSIDE = ("input", "labels", "parameter", "state", "hyper", "constant", "output")


@dataclass(frozen=True, slots=True)
class Interface:
    """Position of every word that is not fixed."""

    sizes: Mapping[str, int]
    limits: Mapping[str, int]
    addresses: Mapping[str, int]
    objects: Mapping[str, int]
    arena: int
    scratch: int
    length: int


def interface_of(program: Program) -> Interface:
    """Buffers that are not temporaries, in the order of the program's table."""
    outside = [name for name, buffer in program.buffers.items() if buffer.role in OUTSIDE]
    count, many = len(program.sizes), len(outside)
    starts = (FIRST_SIZE, FIRST_SIZE + count, FIRST_SIZE + 2 * count, FIRST_SIZE + 2 * count + many)
    end = starts[3] + many
    return Interface(
        {size: starts[0] + number for number, size in enumerate(program.sizes)},
        {size: starts[1] + number for number, size in enumerate(program.sizes)},
        {name: starts[2] + number for number, name in enumerate(outside)},
        {name: starts[3] + number for number, name in enumerate(outside)},
        end, end + 1, end + 2,
    )  # fmt: skip
