"""Plans a program: which tensors are computed, which are inlined into their readers, and in which order.

Comes in: outputs and updates of stored leaves, as tensors. Goes out: :class:`Node` s in an order in which every value
is computed before it is read, and every stored leaf is written after the last read of its old value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from codegen.plan.axis_order import order_axes
from codegen.plan.borders import surround_with_zeros
from codegen.plan.cases import write_out_cases
from codegen.plan.common_functions import share_functions
from codegen.plan.contraction import Contraction, contraction_of, is_large, reshape_sums
from codegen.plan.digit_axes import split_axes
from codegen.plan.equal_values import compute_once
from codegen.plan.few_elements import write_out_windows
from codegen.plan.few_numbers import write_out_numbers
from codegen.plan.halves import halve_column_sums
from codegen.plan.kept_factors import keep_factors
from codegen.plan.masks import mask_by_maxima
from codegen.plan.merge import is_cheap, merge, written_in
from codegen.plan.phases import write_out_phases
from codegen.plan.request import Request
from codegen.plan.slices import own_places, slice_values
from codegen.plan.split_sums import split_sums
from codegen.plan.stacks import split_stacks
from codegen.plan.supports import trim_values
from codegen.plan.through_products import sum_through_products
from codegen.plan.touched import added, scattered
from codegen.plan.turned import turn_constants
from codegen.plan.visits import visit_windows
from symgraph.core.graph import consumers, elements_of, operands, topological
from symgraph.core.indices import Index, Shape, axis
from symgraph.core.recurrence import Loop, Recurrence, recurrence_of
from symgraph.core.scalars import Delta, Uniform
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices


@dataclass(frozen=True, slots=True)
class Node:
    """A value to be computed; with ``target`` it is copied into that leaf, element by element, or, if it ``adds``, the
    terms of its sum are added to the leaf, each in its place."""

    value: Tensor
    target: Tensor | None = None
    adds: bool = False

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def definition(self) -> Definition:
        if (self.target is not None and not self.adds) or self.value.definition is None:
            return Definition(None, (), Element(self.value, *(axis(d) for d in range(self.value.ndim))))
        return self.value.definition

    def extent(self, index: Index) -> sp.Expr:
        """The extent of one of its canonical indices."""
        if index.name.startswith("_r"):
            return self.definition.extents[int(index.name[2:])]
        return self.shape[int(index.name[1:])]

    @property
    def contraction(self) -> Contraction | None:
        return contraction_of(self.value) if self.target is None else None

    @property
    def recurrence(self) -> Recurrence | None:
        found = recurrence_of(self.value) if self.target is None else None
        return None if found is None else found[0]

    @property
    def is_external(self) -> bool:
        """Whether a procedure computes it."""
        return self.definition.op == "external"

    @property
    def reads(self) -> tuple[Element, ...]:
        return elements_of(self.definition.body)


def plan(request: Request, step: Loop | None = None) -> tuple[Request, list[Node]]:
    """Write out recurrences of few numbers, split stacks, trim, unite equal values, slice, write out cases, merge
    temporaries, sum through products, mask by maxima, visit windows, write them and their phases out, surround them
    with zeros, order axes, bring sums into shape, share common functions, split, inline, keep factors, place, order.

    In the ``step`` of a recurrence a thread has rows of its own, and no part of a sum over all, and what is the same at
    every step is laid out for it.
    """
    numbers = _replace(request, write_out_numbers(_roots(request)))
    apart = _replace(numbers, split_stacks(_roots(numbers)))
    trimmed = _replace(apart, trim_values(_roots(apart)))
    once = _replace(trimmed, compute_once(_roots(trimmed)))
    sliced = _replace(once, slice_values(_roots(once)))
    told = _replace(sliced, write_out_cases(_roots(sliced)))
    merged = _replace(told, merge(_roots(told)))
    through = _replace(merged, sum_through_products(_roots(merged)))
    masked = _replace(through, mask_by_maxima(_roots(through)))
    visited = _replace(masked, visit_windows(_roots(masked)))
    written = _replace(visited, write_out_windows(_roots(visited)))
    phases = _replace(written, write_out_phases(_roots(written)))
    around = _replace(phases, surround_with_zeros(_roots(phases)))
    laid = _replace(around, order_axes(_roots(around)))
    digits = _replace(laid, split_axes(_roots(laid)))
    shaped = _replace(digits, reshape_sums(_roots(digits)))
    shaped = _replace(shaped, share_functions(_roots(shaped)))
    shared = _replace(shaped, share_functions(_roots(shaped)))
    split = _replace(shared, split_sums(_roots(shared), [leaf for leaf, _ in request.updates]))
    halved = split if step is not None else _replace(split, halve_column_sums(_roots(split)))
    inlined = _replace(halved, _inline(_roots(halved)))
    kept = _replace(inlined, keep_factors(_roots(inlined)))
    placed = _replace(kept, own_places(_roots(kept)))
    if step is not None:
        placed = _replace(placed, turn_constants(_roots(placed), {*step.carries, *step.inputs}))
    return placed, _ordered(placed)


def _roots(request: Request) -> list[Tensor]:
    return [*request.outputs, *(value for _, value in request.updates)]


def _replace(request: Request, replaced: Mapping[Tensor, Tensor]) -> Request:
    outputs = tuple(replaced[output] for output in request.outputs)
    return Request(outputs, tuple((leaf, replaced[value]) for leaf, value in request.updates))


# -- inlining ---------------------------------------------------------------------------------------------------------


def _inline(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """Write the bodies of cheap or once-read pointwise definitions where they are read.

    A body that SymPy would evaluate together with its reader's, and so compute in another order, stays where it is.
    """
    order = topological(roots)
    readers = consumers(order)
    kept, chosen = set(roots), set[Tensor]()
    reads: dict[Tensor, list[Read]] = {}
    for tensor in reversed(order):
        reads[tensor] = [read for reader in readers[tensor] for read in _reads(tensor, reader, chosen, reads)]
        if tensor not in kept and _inlines(tensor, readers[tensor], reads[tensor]):
            chosen.add(tensor)
    return written_in(roots, chosen)


Read = tuple[Tensor, Element]
"""A definition and the element that it reads."""


def _reads(
    tensor: Tensor, reader: Tensor, chosen: Collection[Tensor], reads: Mapping[Tensor, Sequence[Read]]
) -> Iterable[Read]:
    """What is read of a tensor by a definition, or by those that read it under the name of an alias."""
    definition = reader.definition
    assert definition is not None
    for element in elements_of(definition.body):
        if element.tensor is tensor and reader in chosen and definition.body == element:
            yield from ((other, at_indices(element, e.indices)) for other, e in reads[reader])  # type: ignore[misc]
        elif element.tensor is tensor:
            yield reader, element


def _inlines(tensor: Tensor, readers: Sequence[Tensor], reads: Sequence[Read]) -> bool:
    definition = tensor.definition
    if definition is None or definition.op is not None or definition.body.has(Delta):
        return False
    if any(reader.definition is not None and reader.definition.is_opaque for reader in readers):
        return False
    feeds_contraction = any(contraction_of(reader) is not None for reader in readers)
    if isinstance(definition.body, Element):
        return not feeds_contraction or _is_rows(definition.body, tensor.shape) or (
            _is_permutation(definition.body, tensor.ndim) and _keeps_columns(tensor, readers)
        )
    if feeds_contraction:
        return False
    if definition.body.has(Uniform):  # a random number is computed where it is read, once in each of its iterations
        return all(_covers(reader, element) for reader, element in reads)
    cheap = is_cheap(definition.body)
    if tensor.ndim == 0 and cheap and (len(readers) == 1 or _is_of_numbers(definition.body)):
        return True
    if len(readers) != 1 or readers[0].ndim == 0 or len(reads) != 1:
        return False
    return cheap or _covers(*reads[0])


def _is_of_numbers(body: sp.Expr) -> bool:
    """Whether a body has only numbers that are given, such as hyper-parameters, and is written out where it is read."""
    return all(element.tensor.kind in ("scalar", "state") for element in elements_of(body))


def _is_permutation(element: Element, rank: int) -> bool:
    return len(element.indices) == rank and set(element.indices) == {axis(d) for d in range(rank)}


def _is_rows(element: Element, shape: Shape) -> bool:
    """Whether a value is some of the first rows of another one, which lie as they do in a copy."""
    in_place = list(element.indices) == [axis(d) for d in range(len(shape))]
    return in_place and element.tensor.shape[1:] == shape[1:]


def _keeps_columns(tensor: Tensor, readers: Sequence[Tensor]) -> bool:
    """A transposed copy that makes a contraction's columns contiguous is worth its memory, unless that is large; every
    other is not."""
    for reader in readers:
        found = contraction_of(reader)
        if found is not None and found.right.tensor is tensor:
            return not found.outer and is_large(tensor.shape)
    return True


def _covers(reader: Tensor, element: Element) -> bool:
    """Whether the reader reads a different element in each of its iterations, so that inlining repeats nothing."""
    definition = reader.definition
    assert definition is not None
    loops = {axis(d) for d in range(reader.ndim)} | {index for index in definition.body.atoms(Index)}
    return loops <= {index for index in element.indices if isinstance(index, Index)}


# -- order ------------------------------------------------------------------------------------------------------------


def _ordered(request: Request) -> list[Node]:
    """Depth first from the outputs, then from the updates, last parameter first; a gradient comes before its use."""
    updates = _updates(request)
    everything = topological([*request.outputs, *(node.value for node in updates.values())])
    readers: dict[Tensor, list[Tensor]] = {leaf: [] for leaf in updates}
    for tensor in everything:
        for operand in operands(tensor):
            if operand in readers:
                readers[operand].append(tensor)
    order: dict[Node, None] = {}
    counters = [Node(value) for _, value in request.updates if value.ndim == 0]
    sinks = [*(Node(output) for output in request.outputs), *counters, *reversed(updates.values())]
    pending: list[tuple[Node, bool]] = [(sink, False) for sink in reversed(sinks)]
    while pending:
        node, expanded = pending.pop()
        if node in order or (node.target is None and node.value.definition is None):
            continue
        if expanded:
            order[node] = None
            continue
        pending.append((node, True))
        first = [Node(operand) for operand in _needs(node, readers)]
        pending.extend((need, False) for need in reversed(first) if need not in order)
    return list(order)


def _updates(request: Request) -> dict[Tensor, Node]:
    """The updates by their leaves: rows that are touched alone, where the formula permits it."""
    readers = consumers(topological(_roots(request)))
    outputs = set(request.outputs)
    found: dict[Tensor, Node] = {}
    for leaf, value in request.updates:
        total, is_asked = scattered(value), value in outputs or bool(readers[value])
        terms = None if total is None or total in outputs or is_asked else added(leaf, total, value, readers[total])
        found[leaf] = Node(value, leaf) if terms is None else Node(terms, leaf, adds=True)
    return found


def _needs(node: Node, readers: Mapping[Tensor, Sequence[Tensor]]) -> Iterable[Tensor]:
    if node.target is None:
        return operands(node.value)
    others = [reader for reader in readers[node.target] if reader is not node.value]
    return [*others, *(operands(node.value) if node.adds else [node.value])]
