"""Writes the tape of a value: what is looked into, and what is a variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import islice, product
from types import MappingProxyType

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.indices import Dim, axis, bound
from symgraph.core.rebuild import atoms_in
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import is_contraction
from symgraph.rounding.formulas import Body, Environment, Slots
from symgraph.rounding.tape import Key, Operation, Places, Tape, Unmeasured

TERMS = 3
"""Terms of a reduction, and what a symbolic size is."""
SHORT = 32
"""Terms of a sum of squares that is looked into; a longer one is a variable that is not negative."""
MOST_OPERATIONS, DEEPEST = 400, 24
"""Operations of a value with all that it reads, and how many values deep it reads them."""


def tape_of(
    tensor: Tensor,
    opened: Callable[[Tensor], bool] | None = None,
    known: Mapping[Tensor, Tensor] | None = None,
    most: int = MOST_OPERATIONS,
    whole: int = 0,
) -> Tape:
    """An element of a value, or a term of its sum, as operations.

    ``opened`` says which of the values that it reads are looked into; ``known`` gives what is not looked into as
    another tensor, so that two forms of one value have the same variables. ``most`` is how many operations. With
    ``whole`` it is the sum of so many terms, or of as many as there are, not a term of it.

    Raises
    ------
    Unmeasured
        if it is an index or a recurrence, or has unknown functions, or is too long or too deep.
    """
    return Writer(opened or is_looked_into, known or {}).tape(tensor, whole, most)


def is_looked_into(tensor: Tensor) -> bool:
    """Whether a value is no leaf, no recurrence, no sum of products but a short one of squares, and no sum or multiple
    of these."""
    definition = tensor.definition
    if definition is None or definition.op not in (None, "sum", "max", "min"):
        return False
    if is_contraction(tensor) and not (is_short(definition) and _is_nonnegative(tensor)):
        return False
    return definition.op is not None or not _is_affine(definition.body)


def is_short(definition: Definition) -> bool:
    """Whether a reduction is over at most ``SHORT`` places, the number of which is known."""
    size = sp.Mul(*definition.extents)
    return bool(size.is_Integer) and int(size) <= SHORT


def _is_affine(body: sp.Expr) -> bool:
    """Whether a formula is a sum of multiples of elements, with a sum of products among them and no maximum, from which
    a difference is never far: x·W + b, not z − max z."""
    terms = [term.as_coeff_Mul()[1] for term in sp.Add.make_args(body)]
    if not all(isinstance(term, Element) for term in terms):
        return False
    ops = {term.tensor.definition.op for term in terms if term.tensor.definition is not None}
    return not ops & {"max", "min"} and any(is_contraction(term.tensor) for term in terms)


class Writer:
    """Writes each operation once, and each element of a value once for all tapes that read it."""

    terms = TERMS

    def __init__(self, opened: Callable[[Tensor], bool], known: Mapping[Tensor, Tensor]) -> None:
        self.opened, self.known, self.depth, self.most, self.begun = opened, known, 0, 0, 0
        self.operations: list[Operation] = []
        self.sources: list[tuple[sp.Basic, Tensor | None]] = []
        self.positions: dict[Operation, int] = {}
        self.elements: dict[Key, int] = {}
        self.source: tuple[sp.Basic, Tensor | None] = (sp.nan, None)

    def tape(
        self, tensor: Tensor, whole: int = 0, most: int = MOST_OPERATIONS, at: Environment = MappingProxyType({})
    ) -> Tape:
        """The tape of a value, as :func:`tape_of` says it, at some places ``at`` along its axes."""
        self.depth, self.most, self.begun, self.source = 0, most, len(self.operations), (sp.nan, None)
        definition = tensor.definition
        if definition is None or definition.op not in (None, "sum", "max", "min"):
            raise Unmeasured("an index" if tensor.is_label else "a leaf or a recurrence")
        if whole:
            result = self._opened(tensor, tuple(map(self.place, tensor.shape)), whole)
        else:
            env = {axis(d): self.place(size) for d, size in enumerate(tensor.shape)}
            env |= {bound(d): self.place(size) for d, size in enumerate(definition.extents)} | dict(at)
            result = self.body(definition.body, env, tensor)
        return self._read_by(result)

    def _read_by(self, result: int) -> Tape:
        """What a value is computed from, operands first, in an order that nothing else has a part in."""
        place: dict[int, int] = {}
        pending = [result]
        while pending:
            missing = [n for n in reversed(self.operations[pending[-1]].operands) if n not in place]
            if missing:
                pending += missing
                continue
            if len(place) == self.most:
                raise self._too_long()
            place.setdefault(pending.pop(), len(place))
        read = [self.operations[n] for n in place]
        operations = tuple(replace(o, operands=tuple(place[n] for n in o.operands)) if o.operands else o for o in read)
        variables = tuple(n for n, operation in enumerate(operations) if operation.key is not None)
        return Tape(operations, place[result], variables, tuple(self.sources[n] for n in place))

    def _too_long(self) -> Unmeasured:
        return Unmeasured(f"more than {self.most} operations")

    def add(self, operation: Operation) -> int:
        found = self.positions.get(operation)
        if found is None:
            if len(self.operations) - self.begun >= self.most:
                raise self._too_long()
            found = self.positions[operation] = len(self.operations)
            self.operations.append(operation)
            self.sources.append(self.source)
        return found

    def op(self, name: str, *operands: int) -> int:
        return self.add(Operation(name, operands))

    def number(self, value: sp.Expr) -> int:
        return self.add(Operation("number", (), value))

    # -- tensors ------------------------------------------------------------------------------------------------------
    def element(self, tensor: Tensor, places: Places) -> int:
        if (tensor, places) in self.elements:
            return self.elements[tensor, places]
        before = self.source
        if any(size.is_Integer and not 0 <= p < size for p, size in zip(places, tensor.shape, strict=True)):
            found = self.number(sp.S.Zero)
        elif tensor.value is not None:
            found = self.number(sp.Float(float(tensor.value[places]), 17))
        elif self.opened(tensor):
            if self.depth == DEEPEST:
                raise Unmeasured(f"it reads values more than {DEEPEST} deep")
            self.depth += 1
            found = self._opened(tensor, places)
            self.depth -= 1
        else:
            name = "nonnegative" if _is_nonnegative(tensor) else "variable"
            found = self.add(Operation(name, (), None, (self.known.get(tensor, tensor), places)))
        self.source = before
        self.elements[tensor, places] = found
        return found

    def _opened(self, tensor: Tensor, places: Places, terms: int = TERMS) -> int:
        definition = tensor.definition
        assert definition is not None
        env = {axis(d): place for d, place in enumerate(places)}
        if definition.op is None:
            return self.body(definition.body, env, tensor)
        sizes = [terms if atoms_in(extent, Dim) else self.size(extent) for extent in definition.extents]
        over = islice(product(*(range(min(size, terms)) for size in sizes)), terms)
        parts = [
            self.body(definition.body, env | {bound(d): at for d, at in enumerate(place)}, tensor) for place in over
        ]
        return self.fold({"sum": "add", "max": "maximum", "min": "minimum"}[definition.op], parts)

    def size(self, extent: sp.Expr) -> int:
        """A size with all that is not a number taken as ``TERMS``; one at the least, since no axis is empty."""
        return max(1, int(extent.xreplace({dim: sp.Integer(TERMS) for dim in atoms_in(extent, Dim)})))

    def place(self, size: sp.Expr) -> int:
        """The place along an axis that is measured: its second, since what is times a place says nothing at 0."""
        return min(self.size(size), TERMS) // 2

    def fold(self, name: str, parts: Sequence[int]) -> int:
        return reduce(lambda a, b: self.op(name, a, b), parts)

    # -- formulas -----------------------------------------------------------------------------------------------------
    def body(self, body: sp.Basic, env: Environment, tensor: Tensor, slots: Slots = MappingProxyType({})) -> int:
        return Body(self, env, tensor, slots).value(body)


def _is_nonnegative(tensor: Tensor) -> bool:
    """Whether a value that is not looked into is at least 0 by its formula: a sum of squares."""
    definition = tensor.definition
    if definition is None or definition.op not in (None, "sum", "max", "min"):
        return False
    names = {e: sp.Symbol(f"e{n}", real=True) for n, e in enumerate(elements_of(definition.body))}
    return bool(definition.body.xreplace(names).is_nonnegative)
