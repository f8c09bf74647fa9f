"""Ranges of index expressions, proved: which reads stay on their axis for every size, and what others ask of the sizes.

    x[2·p + q], p < 3, q < 2, on an axis of N    →    0 ≤ 2·p + q is proved;  2·p + q ≤ N − 1 asks that N − 6 ≥ 0

An index runs from 0 to its extent − 1, a label from 0 to its classes − 1, a size is at least 1. Proofs are by interval
arithmetic over sums of such atoms, ⌊ ⌋ and mod included; what is not proved is asked, never assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symgraph.core.graph import topological
from symgraph.core.guarded import Conditions, place_outside, range_under, reads
from symgraph.core.indices import Dim, Index, extents_of, is_at_least_zero, show_shape, show_size
from symgraph.core.provenance import Provenance, at_line
from symgraph.core.recurrence import with_steps
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ShapeError

Extents = Mapping[Index, sp.Expr]
Interval = tuple[sp.Expr, sp.Expr]
"""The least and the greatest value of an integer expression."""
Intervals = Mapping[Index, Interval]


@dataclass(frozen=True, slots=True)
class Requirement:
    """``size ≥ 0`` must hold for the sizes of a call; ``what`` and ``place`` say which value needs it."""

    size: sp.Expr
    what: str
    place: Provenance

    def holds(self, sizes: Mapping[sp.Basic, sp.Basic]) -> bool:
        """Whether it holds at given sizes."""
        return bool(self.size.xreplace(dict(sizes)) >= 0)

    def message(self, sizes: Mapping[str, int]) -> str:
        """The error of a call with sizes that it excludes."""
        dims = sorted(self.size.atoms(Dim), key=str)
        given = ", ".join(f"{dim} = {sizes[dim.name]}" for dim in dims)
        return at_line(f"{self.what} needs {shown(self.size)}; here {given}", self.place)


def shown(size: sp.Expr) -> str:
    """``size ≥ 0`` as one reads it: N ≥ 4, N ≥ M + 1."""
    terms = sp.Add.make_args(sp.expand(size))
    left = sp.Add(*(term for term in terms if not term.is_number and not term.could_extract_minus_sign()))
    right = left - size
    factor = left.as_coeff_Mul()[0]
    if right.is_number and factor > 0:
        left, right = left / factor, sp.ceiling(right / factor)
    return f"{show_size(left)} ≥ {show_size(sp.expand(right))}"


# -- ranges of indices ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def _range(index: sp.Expr, intervals: tuple[tuple[Index, Interval], ...]) -> Interval | None:
    known = dict(intervals)
    low = high = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(index)):
        factor, atom = term.as_independent(Index, Element, as_Add=False)
        if atom == 1:
            low, high = low + factor, high + factor
            continue
        ends = _atom_range(atom, known)
        sign = is_at_least_zero(factor) if factor.is_integer else bool(factor >= 0) if factor.is_number else None
        if ends is None or sign is None:
            return None
        first, last = (factor * end for end in (ends if sign else ends[::-1]))
        low, high = low + first, high + last
    return sp.expand(low), sp.expand(high)


def _atom_range(atom: sp.Expr, intervals: Intervals) -> Interval | None:
    if atom.is_Rational:
        return atom, atom
    if isinstance(atom, Index):
        return intervals.get(atom)
    if isinstance(atom, Element):
        return (sp.S.Zero, atom.tensor.classes - 1) if atom.tensor.classes is not None else None
    if isinstance(atom, sp.floor):
        inside = range_of(atom.args[0], intervals)
        return None if inside is None else (sp.floor(inside[0]), sp.floor(inside[1]))
    if isinstance(atom, sp.Mod) and atom.args[1].is_positive:
        inside = range_of(atom.args[0], intervals)
        if inside is not None and is_at_least_zero(inside[0]) and is_at_least_zero(atom.args[1] - 1 - inside[1]):
            return inside
        return sp.S.Zero, atom.args[1] - 1
    if isinstance(atom, sp.Mul) or (isinstance(atom, sp.Pow) and atom.exp.is_Integer and atom.exp > 0):
        factors = atom.args if isinstance(atom, sp.Mul) else [atom.base] * int(atom.exp)
        parts = [_atom_range(part, intervals) for part in factors]
        if all(part is not None and is_at_least_zero(part[0]) for part in parts):
            return sp.Mul(*(part[0] for part in parts if part)), sp.Mul(*(part[1] for part in parts if part))
    return None


def running(extents: Extents) -> dict[Index, Interval]:
    """The intervals of indices that run from 0 to their extent − 1."""
    return {index: (sp.S.Zero, size - 1) for index, size in extents.items()}


def range_of(index: sp.Expr, intervals: Intervals) -> Interval | None:
    """The least and the greatest value of an index expression, in sizes; None where they are not known."""
    used = sorted(index.atoms(Index), key=lambda i: i.name)
    return _range(index, tuple((i, intervals[i]) for i in used if i in intervals))


def unproved(
    index: sp.Expr, size: sp.Expr, extents: Extents, path: Conditions = ()
) -> list[tuple[sp.Expr, sp.Expr | None]]:
    """The bounds of ``0 ≤ index < size`` that are not proved: (what must be ≥ 0, the same in sizes alone if known)."""
    if isinstance(index, Index) and extents.get(index) == size:
        return []
    ends = range_of(index, running(extents))
    if path and (ends is None or not _is_inside(ends, size)):
        ends = range_under(index, path, extents)
        if ends is not None and ends[0] > ends[1]:
            return []  # its conditions hold nowhere
    if ends is None:
        return [(index, None), (size - 1 - index, None)]
    found = [(index, sp.sympify(ends[0])), (size - 1 - index, sp.expand(size - 1 - ends[1]))]
    return [(condition, least) for condition, least in found if not is_at_least_zero(least)]


def _is_inside(ends: Interval, size: sp.Expr) -> bool:
    return bool(is_at_least_zero(ends[0]) and is_at_least_zero(sp.expand(size - 1 - ends[1])))


def stays_inside(element: Element, extents: Extents) -> bool:
    """Whether an element is proved to lie in its tensor wherever the indices run."""
    return not any(unproved(i, size, extents) for i, size in zip(element.indices, element.tensor.shape, strict=True))


# -- what a definition asks -------------------------------------------------------------------------------------------


def check_reads(body: sp.Basic, extents: Extents) -> None:
    """Raise for an element that is read outside its tensor at some place, whatever the sizes are.

    Raises
    ------
    ShapeError
        it names the tensor, the axis, how far the indices run, and the place if the element stands under a condition.
    """
    for element, path in sorted(reads(body), key=lambda read: sp.default_sort_key(sp.Tuple(*read[1], read[0]))):
        check_element(element, extents, path)


def check_element(element: Element, extents: Extents, path: Conditions = ()) -> None:
    """Raise for an element that lies outside its tensor for some index, as :func:`check_reads` does."""
    for position, (index, size) in enumerate(zip(element.indices, element.tensor.shape, strict=True)):
        for _, least in unproved(index, size, extents, path):
            if least is not None and is_at_least_zero(least) is None:
                continue
            if least is None and not path and not all(e.tensor.is_label for e in index.atoms(Element)):
                raise ShapeError(at_line(_anywhere(element, position)))
            if least is None and (path or not index.atoms(Index, Element) <= extents.keys()):
                continue
            if path:
                raise ShapeError(at_line(_outside_under(element, position, extents, path)))
            raise ShapeError(at_line(_outside(element, position, extents)))


def _outside_under(element: Element, position: int, extents: Extents, path: Conditions) -> str:
    """The error of a read that its conditions do not keep inside."""
    tensor, index, size = element.tensor, element.indices[position], element.tensor.shape[position]
    at = place_outside(index, path, int(size), extents) if size.is_Integer else {}
    where = f"axis {position} of {tensor.display_name}{show_shape(tensor.shape)}"
    place = f" at {', '.join(f'{symbol} = {value}' for symbol, value in at.items())}" if at else ""
    return (
        f"index {index} is outside {where}{place}, where its condition {' and '.join(map(str, path))} may hold; "
        "expected a condition on the indices that keeps it inside"
    )


def _anywhere(element: Element, position: int) -> str:
    """The error of a read at an integer whose range nobody knows."""
    tensor, index, size = element.tensor, element.indices[position], show_size(element.tensor.shape[position])
    number = next(e.tensor for e in index.atoms(Element) if not e.tensor.is_label)
    name, where = number.display_name, f"axis {position} of {tensor.display_name}{show_shape(tensor.shape)}"
    return (
        f"index {index} of {where} may lie outside 0…{size} − 1, since {name} is any integer: declare it as labels, "
        f"sg.labels({name!r}, …, classes={size}), or write {name} % {size}"
    )


def _outside(element: Element, position: int, extents: Extents) -> str:
    tensor, index = element.tensor, element.indices[position]
    where = f"axis {position} of {tensor.display_name}{show_shape(tensor.shape)}"
    used = sorted(index.atoms(Index), key=str)
    if isinstance(index, Element):
        size = show_size(tensor.shape[position])
        return (
            f"labels {index.tensor.display_name} run over {index.tensor.classes} classes; {where} has {size} elements: "
            "expected at least as many"
        )
    if not used:
        size = tensor.shape[position]
        return f"index {_as_given(index, size)} is outside {where}: expected −{show_size(size)} … {show_size(size - 1)}"
    runs = ", ".join(f"{symbol} < {extents[symbol]}" for symbol in used if symbol in extents)
    last = tensor.shape[position] - 1
    return (
        f"index {index} of {where} may lie outside 0…{last} for {runs}; "
        "expected it inside, or under a condition (Piecewise)"
    )


def _as_given(index: sp.Expr, size: sp.Expr) -> str:
    """A number that was counted from the end, as it was written."""
    return f"−{show_size(size - index)}" if index.is_negative and size.is_Integer else show_size(index)


def requirements(outputs: Iterable[Tensor]) -> list[Requirement]:
    """What everything under the outputs asks of sizes that are known only when arrays come; each once.

    A gradient asks what its loss asks. What no size could cure was declared under a condition, which lowering keeps.
    """
    found: dict[sp.Expr, Requirement] = {}
    order = topological(outputs)
    losses = dict.fromkeys(tensor.cotangent_of[0] for tensor in order if tensor.cotangent_of is not None)
    for tensor in with_steps(topological([*order, *losses])):
        for size, before, of, after in _asked(tensor):
            if size not in found:
                what = f"{before} {of.display_name}{show_shape(of.shape)}{after}"
                found[size] = Requirement(size, what, tensor.place)
    return list(found.values())


@lru_cache(maxsize=4096)
def _asked(tensor: Tensor) -> tuple[tuple[sp.Expr, str, Tensor, str], ...]:
    """What must be at least 0 and is not so for all sizes; and what asks it: the words before and after a tensor, whose
    name may come later."""
    found = (asked for asked in _all_asked(tensor) if asked[0].atoms(Dim) and not is_at_least_zero(asked[0]))
    return tuple(found)


def _all_asked(tensor: Tensor) -> Iterator[tuple[sp.Expr, str, Tensor, str]]:
    for position, size in enumerate(tensor.shape):
        yield size - 1, f"axis {position} of", tensor, f", of size {show_size(size)},"
    definition = tensor.definition
    if definition is None:
        return
    for size in definition.extents:
        yield size - 1, f"a reduction over {show_size(size)} elements in", tensor, ""
    extents = extents_of(tensor.shape, definition.extents)
    for element, path in sorted(reads(definition.body), key=lambda read: sp.default_sort_key(read[0])):
        for position, (index, size) in enumerate(zip(element.indices, element.tensor.shape, strict=True)):
            for _, least in unproved(index, size, extents, path):
                if least is not None:
                    yield least, f"index {_shown_index(index)} of axis {position} of", element.tensor, ""


def _shown_index(index: sp.Expr) -> str:
    """An index with letters for the canonical ones."""
    letters = [Index(letter) for letter in "ijklmnpqrs"]
    used = sorted(index.atoms(Index), key=lambda i: i.name)
    return show_size(index.xreplace(dict(zip(used, letters, strict=False))))
