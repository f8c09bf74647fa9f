"""One program of one dtype: taken from the cache, where an earlier process has left it, or translated from formulas.

A program from the cache has what it runs by. What a reader sees of it, source and kernels with their formulas, is
translated when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from codegen.host.collector import resting
from codegen.plan.request import Request
from codegen.run.linked import Linked
from symgraph.core.kept import cached_property
from symgraph.core.tensor import Tensor

if TYPE_CHECKING:  # else imported where it is used: a program from the cache does not wait for the compiler
    from codegen.run.pipeline import Compiled


class Formulas(Protocol):
    """What a program computes, and its leaves in the order of its interface."""

    @property
    def request(self) -> Request: ...

    @property
    def leaves(self) -> tuple[Tensor, ...]: ...


class Translated:
    """A program for ``dtype``; ``kept`` is what the cache had of it, with its object code, and else ``keep`` is handed
    what to put there.

    ``seconds`` are those of the stages that have run.
    """

    def __init__(
        self, formulas: Formulas, dtype: str, kept: tuple[Linked, bytes] | None = None,
        keep: Callable[[Linked], None] | None = None, seconds: dict[str, float] | None = None,
    ) -> None:  # fmt: skip
        self._formulas, self._dtype, self._kept, self._keep = formulas, dtype, kept, keep
        self.seconds = {} if seconds is None else seconds

    @property
    def linked(self) -> Linked:
        """What it runs by."""
        return self.anew if self._kept is None else self._kept[0]

    @property
    def code(self) -> bytes | None:
        """Its object code, where the program was in the cache."""
        return None if self._kept is None else self._kept[1]

    @cached_property
    def anew(self) -> Linked:
        """What the source runs by, which is translated now."""
        from codegen.run.linking import linked

        found = linked(self.compiled, self._formulas.leaves, self._formulas.request)
        if self._keep is not None:
            self._keep(found)
        return found

    @cached_property
    def compiled(self) -> Compiled:
        """What the compiler leaves."""
        from codegen.run.pipeline import translate

        with resting():
            return translate(self._formulas.request, self._formulas.leaves, self._dtype, self.seconds)

    def missed(self, number: int, sizes: Mapping[str, int]) -> str:
        """The error of a call with sizes that a requirement of that number excludes."""
        from codegen.run.linking import asked

        return asked(self._formulas.request, self.linked.size_names)[number].message(sizes)
