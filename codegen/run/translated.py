"""One program of one dtype: taken from the cache, where an earlier process has left it, or translated from formulas.

A program from the cache has what it runs by. What a reader sees of it, source and kernels with their formulas, is
translated when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

from codegen.plan.plan import Request
from codegen.run.linked import Linked, linked
from codegen.run.pipeline import Compiled, translate
from symgraph.core.bounds import Requirement, requirements
from symgraph.core.tensor import Tensor


class Formulas(Protocol):
    """What a program computes, and its leaves in the order of its interface."""

    @property
    def request(self) -> Request: ...

    @property
    def leaves(self) -> tuple[Tensor, ...]: ...


class Translated:
    """A program for ``dtype``; ``kept`` is what the cache had of it, and else ``keep`` is handed what to put there.

    ``seconds`` are those of the stages that have run.
    """

    def __init__(
        self, formulas: Formulas, dtype: str, kept: Linked | None = None, keep: Callable[[Linked], None] | None = None,
        seconds: dict[str, float] | None = None,
    ) -> None:  # fmt: skip
        self._formulas, self._dtype, self._kept, self._keep = formulas, dtype, kept, keep
        self.seconds = {} if seconds is None else seconds

    @cached_property
    def linked(self) -> Linked:
        """What it runs by."""
        if self._kept is not None:
            return self._kept
        asked = self.asked
        found = linked(self.compiled, self._formulas.leaves, asked)
        if self._keep is not None:
            self._keep(found)
        return found

    @cached_property
    def compiled(self) -> Compiled:
        """What the compiler leaves."""
        return translate(self._formulas.request, self._formulas.leaves, self._dtype, self.seconds)

    @property
    def asked(self) -> list[Requirement]:
        """What the formulas ask of sizes."""
        request = self._formulas.request
        return requirements([*request.outputs, *(value for _, value in request.updates)])
