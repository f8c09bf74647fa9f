"""Of several values that are kept for a later factor alone, the factor is kept: it is computed where they are.

    z = x·W + b;  Φ = ndtr(z);  y = z·Φ;                       z̄ = ȳ·(Φ + z·φ(z))       keeps z and Φ for z̄
    z = x·W + b;  Φ = ndtr(z);  y = z·Φ,  s = Φ + z·φ(z);      z̄ = ȳ·s                  keeps s, of half their size

Later is what depends on y through other values: it is no part of the kernel that computes z. A single value that is
kept stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symgraph.core.graph import consumers, elements_of, operands, rewrite, topological
from symgraph.core.indices import Index, axis
from symgraph.core.rebuild import literal
from symgraph.core.tensor import Definition, Element, Tensor

Readers = Mapping[Tensor, Sequence[Tensor]]


def keep_factors(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    order = topological(roots)
    readers = consumers(order)
    families: dict[Tensor, set[Tensor]] = {}
    for value in order:
        family = {value, *(reader for reader in readers[value] if _is_function_of(reader, value))}
        if len(family) > 1 and value.definition is not None and family.isdisjoint(roots):
            families |= dict.fromkeys(_later(family, readers), family)
    if not families:
        return {tensor: tensor for tensor in order}
    renamed: dict[Tensor, Tensor] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        family = {renamed[member] for member in families.get(tensor, ())}
        rule = {part.whole: part.over(part.kept(family)) for part in _parts(definition.body, family)}
        body = literal(definition.body, rule) if rule else None
        renamed[tensor] = tensor.redefined(Definition(definition.op, definition.extents, body or definition.body))
        return renamed[tensor]

    return rewrite(roots, change)


def _is_function_of(reader: Tensor, value: Tensor) -> bool:
    """Whether a value is a function of one other, element by element."""
    definition = reader.definition
    if definition is None or definition.op is not None:
        return False
    return all(e.tensor is value and e.is_all_of(reader.shape) for e in elements_of(definition.body))


def _later(family: Collection[Tensor], readers: Readers) -> list[Tensor]:
    """The later readers of a family, if they keep two of its values at least, for one factor alone."""
    around = list(dict.fromkeys(reader for member in family for reader in readers[member] if reader not in family))
    after = _after(around, readers)
    late = [reader for reader in around if any(o in after for o in operands(reader) if o not in family)]
    kept = {operand for reader in late for operand in operands(reader) if operand in family}
    if len(kept) < 2 or any(not _is_element_wise(reader, family) for reader in around if reader not in late):
        return []
    parts = [part for reader in late for part in _parts(_body(reader), family)]
    factors = {part.at_axes() for part in parts}
    nested = any(e.tensor in family for part in parts for other in part.others for e in elements_of(other))
    return late if len(factors) == 1 and None not in factors and not nested else []


def _after(values: Sequence[Tensor], readers: Readers) -> set[Tensor]:
    """What depends on values, they included."""
    found = set(values)
    pending = [*values]
    while pending:
        new = [reader for reader in readers[pending.pop()] if reader not in found]
        found.update(new)
        pending += new
    return found


def _body(tensor: Tensor) -> sp.Expr:
    assert tensor.definition is not None
    return tensor.definition.body


def _is_element_wise(reader: Tensor, family: Collection[Tensor]) -> bool:
    """Whether a definition reads each value at its own element."""
    definition = reader.definition
    read = (e for e in elements_of(_body(reader)) if e.tensor in family)
    return definition is not None and definition.op is None and all(e.is_all_of(reader.shape) for e in read)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a formula that reads some values alone: a ``factor`` of a product (or a term of a sum), what it is in,
    and what ``others`` there are."""

    whole: sp.Expr
    factor: sp.Expr
    others: tuple[sp.Expr, ...]

    @property
    def places(self) -> tuple[sp.Expr, ...]:
        """The indices of what it reads, if they are the same."""
        found = {element.indices for element in elements_of(self.factor)}
        return next(iter(found)) if len(found) == 1 else ()

    def at_axes(self) -> sp.Expr | None:
        """The factor of element (i, j, …); None if it has others, or is a value as it is."""
        indices = self.places
        if isinstance(self.factor, Element) or self.factor.atoms(Index) != {*indices} or len({*indices}) < len(indices):
            return None
        return self.factor.xreplace({index: axis(d) for d, index in enumerate(indices)})

    def kept(self, family: Collection[Tensor]) -> Element:
        """The element of the factor as a value of its own."""
        factor = self.at_axes()
        assert factor is not None
        return Element(Tensor.define(next(iter(family)).shape, factor), *self.places)

    def over(self, kept: Element) -> sp.Expr:
        """The whole with another factor."""
        return self.whole.func(*self.others, kept) if self.others else kept


def _parts(body: sp.Expr, family: Collection[Tensor]) -> Iterator[_Part]:
    """The largest parts of a formula that read values of a family, and nothing else."""
    read = elements_of(body)
    if all(element.tensor not in family for element in read):
        return
    if all(element.tensor in family for element in read):
        yield _Part(body, body, ())
        return
    ours = [arg for arg in body.args if arg.is_Number or _reads_alone(arg, family)]
    if isinstance(body, sp.Add | sp.Mul) and any(elements_of(arg) for arg in ours):
        others = tuple(arg for arg in body.args if arg not in ours)
        yield _Part(body, body.func(*ours), others)
        yield from (part for arg in others for part in _parts(arg, family))
        return
    for arg in body.args:
        yield from _parts(arg, family)


def _reads_alone(body: sp.Expr, family: Collection[Tensor]) -> bool:
    read = elements_of(body)
    return bool(read) and all(element.tensor in family for element in read)
