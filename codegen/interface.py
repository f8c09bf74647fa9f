"""The one argument of native code: a packed array of 64-bit words, and what each of them means.

    [0] status   [1] threads   [2…] sizes   then addresses of leaves, of outputs, of the arena and of the scratch memory
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.ir import Program

STATUS, THREADS, FIRST_SIZE = 0, 1, 2
OUTSIDE = ("input", "labels", "parameter", "state", "hyper", "constant", "output")


@dataclass(frozen=True, slots=True)
class Interface:
    """Position of every word."""

    sizes: Mapping[int, str]
    addresses: Mapping[int, str]
    arena: int
    scratch: int
    length: int

    def address_of(self, name: str) -> int:
        """Position of a buffer's address."""
        return next(position for position, known in self.addresses.items() if known == name)


def interface_of(program: Program) -> Interface:
    """Sizes first, then every buffer that is not a temporary, in the order of the program's table."""
    sizes = {FIRST_SIZE + number: size for number, size in enumerate(program.sizes)}
    start = FIRST_SIZE + len(sizes)
    outside = [name for name, buffer in program.buffers.items() if buffer.role in OUTSIDE]
    addresses = {start + number: name for number, name in enumerate(outside)}
    end = start + len(addresses)
    return Interface(sizes, addresses, end, end + 1, end + 2)
