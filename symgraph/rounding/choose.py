"""Which of several forms of one value runs: the one that is measured to lose the fewest bits, and is nowhere far worse.

A form's score is the mean of the bits it loses at sampled points of both floating types, log₂(1 + error), and of those
that it loses beyond ``ALLOWED`` more than what the user wrote; points at infinity, and those at which the true value
overflows, weigh less. A value that is not finite though the true one is loses ``INFINITE_LOSS``, more than any digits
are worth. A form that is worse by more than ``MOST_WORSE`` bits at any finite point has to be better by ``WORTH_IT`` in
the mean of each type: what is infinite over a part of the domain is not kept for a few bits somewhere. The forms come
in the order of preference; a later one is taken where its score is lower by ``WORTH``.

A type that does not hold a number of the formula, as float32 10⁴⁰, tells nothing of forms.

The true value is asked for where the forms are ``APART`` alone, which is at few points and of most values at none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import sympy as sp

from symgraph.core.indices import Index
from symgraph.core.rebuild import atoms_in
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Tensor
from symgraph.rounding.evaluate import holds_numbers
from symgraph.rounding.formulas import Environment
from symgraph.rounding.measure import errors_of
from symgraph.rounding.tape import Key, Tape, Unmeasured
from symgraph.rounding.write import TERMS, Writer, is_looked_into

COUNT = 48
"""Points of each floating type, beside those at borders."""
BITS = 420
"""The most bits that a true value may take; points where it takes more are left out."""
ALLOWED, MOST_WORSE = 2.0, 3.0
"""Bits by which a form may be worse than what was written, at any point: more of them count twice, and those beyond
the second number speak against the form. What was written is taken to lose one bit at the least."""
WORTH_IT = 2.0
"""Bits, in the mean, that a form has to gain which is worse by more at some point."""
WORTH = 0.1
"""Bits, in the mean over all points, that another form is taken for."""
MOST_OPERATIONS, MOST_OF_A_FORM = 160, 480
"""Operations of a value with all that it reads, as it was written and by another form; a longer one is not measured."""
APART = 2.0
"""Units of the last place by which forms may differ and are as good as each other."""
MOST_MEASURED = 32
"""Different problems of one program; what comes after them is not measured."""
INFINITE = 1 / 8
"""The weight of a point that has an infinite value in it, or at which the true value overflows."""
WHOLE, INFINITE_LOSS = 54.0, 128.0
"""The most bits that are lost, and those where a value is not finite though the true one is."""


Problem = tuple[Tape, ...]
TOTALS = (2, 5)
"""A form of a sum's terms is taken for what totals of so many terms keep of it, not for one term alone."""


class Choice:
    """Chooses for one program, whose first ``MOST_MEASURED`` different values are measured, whatever is known.

    ``known`` is what values that may be other forms themselves were written as; it may grow.
    """

    def __init__(self, known: Mapping[Tensor, Tensor] = MappingProxyType({})) -> None:
        self.met: set[Tape] = set()
        self.written, self.formed = Writer(is_looked_into, {}), Writer(is_looked_into, known)

    def among(self, written: Tensor, forms: Sequence[Tensor]) -> int:
        """The number of the form to run; 0, the preferred one, where that cannot be measured."""
        return self.judged(written, forms)[0]

    def judged(self, written: Tensor, forms: Sequence[Tensor]) -> tuple[int, list[float]]:
        """The same number, and for each form the bits, in the mean over all points, that it loses less where that one
        loses more than it does; 0 where it was not measured.

        Parameters
        ----------
        written : the value as the user wrote it, over values as they were written.
        forms : equal values by other formulas, over values that may be other forms themselves.
        """
        problems = [self._problem(written, forms, 0, at) for at in _places(written)]
        found = [problem for problem in problems if problem is not None]
        if not found:
            return 0, [0.0] * len(forms)
        places = found[0][0]
        measured = dict.fromkeys(problem for at, problem in found if at == places)
        meant = {problem[0] for problem in measured}
        if not self.met.issuperset(meant) and len(self.met) >= MOST_MEASURED:
            return 0, [0.0] * len(forms)
        self.met.update(meant)
        try:
            chosen, gains = _chosen(tuple(measured))
            if chosen and _kind(written) == "sum":
                totals = [self._problem(written, [forms[n] for n in places], terms) for terms in TOTALS]
                whole = [other for at, other in filter(None, totals) if len(at) == len(places)]
                chosen, gains = _chosen((*measured, *whole))
            gained = dict(zip(places, gains, strict=True))
            return places[chosen], [gained.get(n, 0.0) for n in range(len(forms))]
        except Unmeasured:
            return 0, [0.0] * len(forms)

    def _problem(
        self, written: Tensor, forms: Sequence[Tensor], terms: int, at: Environment = MappingProxyType({})
    ) -> tuple[list[int], Problem] | None:
        """The forms that can be measured, by their numbers, and the tapes of what is meant and of them: of a term, or
        of a sum of so many; None where there is nothing to choose."""
        kind = _kind(written)
        try:
            meant = self.written.tape(written, terms, MOST_OPERATIONS, at)
        except Unmeasured:
            return None
        if not meant.keys:
            return None  # of constants alone: what is right at the one place that is looked at may overflow at others
        keys, measured = set(meant.keys), {}
        for n, form in enumerate(forms):
            try:
                tape = self.formed.tape(form, terms if _kind(form) == kind else TERMS, MOST_OF_A_FORM, at)
            except Unmeasured:
                continue
            if keys.issuperset(tape.keys):
                measured[n] = tape
        problem = tuple(_renamed([meant, *measured.values()]))
        return (list(measured), problem) if 0 in measured and len(set(problem[1:])) > 1 else None


def _places(written: Tensor) -> Iterator[Environment]:
    """Where a value is measured: at the same places as any other, and where a δ in it holds, at the first number."""
    yield {}
    definition = written.definition
    deltas = sorted(atoms_in(definition.body, Delta), key=sp.default_sort_key) if definition is not None else []
    for index, place in (pair for delta in deltas for pair in (delta.args, delta.args[::-1])):
        if isinstance(index, Index) and place.is_Integer:
            yield {index: int(place)}
            return


def _kind(tensor: Tensor) -> str | None:
    """What a value is: a sum, a maximum, …; another form of a value may be another value's name, whatever that is."""
    return tensor.definition.op if tensor.definition is not None else None


def _renamed(tapes: Sequence[Tape]) -> list[Tape]:
    """The tapes with variables by numbers, so that equal problems are one."""
    number: dict[Key, int] = {key: n for n, key in enumerate(dict.fromkeys(k for tape in tapes for k in tape.keys))}
    return [tape.renamed(number) for tape in tapes]


def _chosen(problems: Sequence[Problem]) -> tuple[int, list[float]]:
    """The first form whose score is near the lowest, of all problems, each of which has the same forms; of those after
    it that are no worse anywhere, the first with the fewest branches, for a branch is there for what it gains. And what
    each form gains over it where that one is the better."""
    scores, numbers, *gains = np.mean([_measured(problem) for problem in problems], axis=0)
    first = next(n for n, score in enumerate(scores) if score <= scores.min() + WORTH)
    as_good = [n for n in range(first, len(scores)) if scores[n] <= scores[first] and numbers[n] >= numbers[first]]
    found = min(as_good, key=lambda n: sum(operation.name == "select" for operation in problems[0][1 + n].operations))
    return found, [float(gain) for gain in gains[found]]


@lru_cache(maxsize=1024)
def _measured(tapes: Problem) -> np.ndarray:
    """The scores of the forms, at how many points each is a number, and for each the bits in the mean that others gain
    where they are better: (2 + forms, forms)."""
    scores, refused, numbers = (np.zeros(len(tapes) - 1, kind) for kind in (float, bool, int))
    gains = np.zeros((len(scores), len(scores)))
    for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
        if not all(holds_numbers(tape, dtype) for tape in tapes):
            continue
        found = errors_of(tapes, dtype, COUNT, BITS, apart=APART)
        overflows = np.abs(found.truth) > float(np.finfo(dtype).max)
        lost = np.minimum(bits_lost(found.errors), np.where(overflows, WHOLE, INFINITE_LOSS))
        more = np.maximum(lost[1:] - np.maximum(lost[0], 1.0) - ALLOWED, 0.0)
        finite = np.isfinite(found.points).all(axis=0) & ~overflows
        weights = np.where(finite, 1.0, INFINITE)
        scores += (lost[1:] + more) @ weights / max(found.defined, 1)
        gains += np.maximum(lost[1:, None] - lost[1:], 0.0) @ weights / max(found.defined, 1)
        refused |= (more > MOST_WORSE - ALLOWED)[:, finite].any(axis=1)
        numbers += found.numbers[1:]
    scores[refused] += 2 * WORTH_IT
    return np.array([scores, numbers, *gains])


def bits_lost(errors: np.ndarray) -> np.ndarray:
    """Errors in units of the last place as bits."""
    return np.where(np.isfinite(errors), np.minimum(np.log2(1.0 + errors), WHOLE), INFINITE_LOSS)
