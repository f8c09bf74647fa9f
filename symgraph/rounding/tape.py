"""A value as a list of operations on numbers, operation by operation as a kernel does them, through all that it reads.

    y = log(1 + t), t = exp(−a)      a · neg · exp · add 1 · log

Names and inlined values are looked through: what a formula reads is not sampled where it has a formula of its own, so
that a sigmoid lies in (0, 1) and a sum of its terms is that sum. A reduction is opened with its first few terms.
What is not opened (leaves; sums of products, as matrix products are) is a variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy as sp

from symgraph.core.kept import cached_property
from symgraph.core.tensor import Tensor

Places = tuple[int, ...]
Key = tuple[Tensor | None, Places]
"""An element; without a tensor, a variable of that number."""


class Unmeasured(Exception):
    """A value that cannot be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done to which earlier values; ``number`` of a constant, ``key`` of a variable, which is "nonnegative" by
    name where it cannot be less than 0."""

    name: str
    operands: tuple[int, ...] = ()
    number: sp.Expr | None = None
    key: Key | None = None


@dataclass(frozen=True)
class Tape:
    """Operations, operands first. ``result`` is the position of the value, ``variables`` those of what is sampled;
    ``sources`` are the formulas that the operations are steps of, and the values whose formulas these are."""

    operations: tuple[Operation, ...]
    result: int
    variables: tuple[int, ...]
    sources: tuple[tuple[sp.Basic, Tensor | None], ...]

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """What the variables are."""
        return tuple(key for position in self.variables if (key := self.operations[position].key) is not None)

    @cached_property
    def reached(self) -> Mapping[int, tuple[int, ...]]:
        """The positions of the operations that depend on each of the variables."""
        found: dict[int, list[int]] = {position: [] for position in self.variables}
        read: list[set[int]] = []
        for position, operation in enumerate(self.operations):
            own = set[int]().union(*(read[operand] for operand in operation.operands))
            read.append({position} if operation.key is not None else own)
            for variable in own:
                found[variable].append(position)
        return {variable: tuple(positions) for variable, positions in found.items()}

    def renamed(self, number: Mapping[Key, int]) -> Tape:
        """The operations alone, with variables by numbers."""
        operations = tuple(o if o.key is None else replace(o, key=(None, (number[o.key],))) for o in self.operations)
        return Tape(operations, self.result, self.variables, ())
