"""A product that is read by sums alone is not made: the sums go through it, to products that are made anyway.

    h[n, d] = γ[d]·x̂[n, d] + β[d];  q = h·W;  ∂W[d, j] = Σ_n h[n, d]·q̄[n, j]            the layer after a norm of data
    h̄[n, d] = Σ_j q̄[n, j]·W[d, j];   ∂γ[d] = Σ_n h̄[n, d]·x̂[n, d],   ∂β[d] = Σ_n h̄[n, d]

    G[d, j] = Σ_n x̂[n, d]·q̄[n, j],   g[j] = Σ_n q̄[n, j];   ∂W[d, j] = γ[d]·G[d, j] + β[d]·g[j]
    ∂γ[d] = Σ_j W[d, j]·G[d, j],      ∂β[d] = Σ_j W[d, j]·g[j]                    and h̄, one product of three, is gone

Every sum has the terms that it had, in another order, and so the same bound of its error. ∂W has γ·x̂ and β apart: where
they cancel in h, so does what is left of their sums; but h has lost as much, as x̂ is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from codegen.plan.common_functions import is_costly
from symgraph.core.graph import consumers, elements_of, replace_tensors, rewrite, topological
from symgraph.core.indices import Index, Shape, axis, bound
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices

Readers = Mapping[Tensor, Sequence[Tensor]]


def sum_through_products(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``."""
    order = topological(roots)
    readers = consumers(order)
    new: dict[Tensor, Definition] = {}
    for value in order:
        if value not in roots and value.definition is not None:
            new |= _without(value, roots, readers) or {}
    if not new:
        return {tensor: tensor for tensor in order}
    renamed: dict[Tensor, Tensor] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        renamed[tensor] = tensor.redefined(_over(new[tensor], renamed) if tensor in new else definition)
        return renamed[tensor]

    return rewrite(roots, change)


def _over(definition: Definition, renamed: Mapping[Tensor, Tensor]) -> Definition:
    """A definition over replacements, down to what has one."""
    rule = dict(renamed)
    for tensor in dict.fromkeys(element.tensor for element in elements_of(definition.body)):
        if tensor not in rule and tensor.definition is not None:
            rule[tensor] = tensor.redefined(_over(tensor.definition, renamed))
    return Definition(definition.op, definition.extents, replace_tensors(definition.body, rule))


def _without(value: Tensor, roots: Sequence[Tensor], readers: Readers) -> dict[Tensor, Definition] | None:
    """What the sums that read a value are without it, and the products that they share; None if others read it, it is
    no sum of products, or a product more would be made."""
    new: dict[Tensor, Definition] = {}
    for reader in readers[value]:
        one = _sum_of(reader, value)
        products = None if one is None else _products(value, one, roots, readers)
        if one is None or not products:
            return None
        terms = []
        for product in products:
            shared = one.through(product, readers)
            if shared is None:
                return None
            terms.append(shared[0])
            new |= shared[1]
        new[reader] = Definition(None, (), sp.Add(*terms))
    return new


@dataclass(frozen=True, slots=True)
class _Product:
    """C[rows, own] = Σ_depth moving·fixed; ``fixed`` has no rows."""

    depth: Shape
    moving: Element
    fixed: Element


def _products(value: Tensor, one: _Sum, roots: Sequence[Tensor], readers: Readers) -> list[_Product]:
    """The products that a value adds up, itself if it is one; none if it is anything else."""
    definition = value.definition
    assert definition is not None
    whole = [value.element] if definition.op == "sum" else sp.Add.make_args(definition.body)
    if definition.is_opaque or not all(isinstance(part, Element) and part.is_all_of(value.shape) for part in whole):
        return []
    parts = [part.tensor for part in whole]
    if not all(part is value or (readers[part] == [value] and part not in roots) for part in parts):
        return []
    found = [_product(part, {axis(p) for p, i in enumerate(one.read.indices) if i in one.rows}) for part in parts]
    return [product for product in found if product is not None] if None not in found else []


def _product(value: Tensor, rows: set[Index]) -> _Product | None:
    definition = value.definition
    if definition is None or definition.op != "sum":
        return None
    factors = sp.Mul.make_args(definition.body)
    if len(factors) != 2 or not all(isinstance(factor, Element) for factor in factors):
        return None
    depth = {*map(bound, range(len(definition.extents)))}
    first, second = factors if factors[1].atoms(Index).isdisjoint(rows) else reversed(factors)
    whole = depth <= first.atoms(Index) and depth <= second.atoms(Index)
    return _Product(definition.extents, first, second) if whole and second.atoms(Index).isdisjoint(rows) else None


@dataclass(frozen=True, slots=True)
class _Sum:
    """S[own] = Σ_rows A[rows, own]·beside[rows, own], or of A alone; ``read`` is the element of A."""

    shape: Shape
    extents: Shape
    read: Element
    beside: Element | None

    @property
    def rows(self) -> list[Index]:
        return [bound(d) for d in range(len(self.extents))]

    @property
    def own(self) -> list[Index]:
        return [axis(d) for d in range(len(self.shape))]

    def through(self, product: _Product, readers: Readers) -> tuple[sp.Expr, dict[Tensor, Definition]] | None:
        """The sum's part of one product, and what the product that it shares becomes; None if it shares none."""
        rank, deep = len(self.shape), len(product.depth)
        if self.beside is None:
            return self._part(product, self._plain(product, list(map(bound, range(deep))), self.own)), {}
        for own, depth in ((0, rank), (deep, 0)):
            ours, deeper = [axis(own + d) for d in range(rank)], [axis(depth + d) for d in range(deep)]
            moving, beside = self._moving(product, deeper, ours), at_indices(self.beside, ours)
            for reader in readers[product.moving.tensor]:
                other = _other(reader, moving, self.extents)
                if other is None or other.indices != beside.indices:
                    continue
                core = Tensor.define(reader.shape, moving * beside, "sum", self.extents)
                at = {**dict(zip(ours, self.own, strict=True)), **{axis(depth + d): bound(d) for d in range(deep)}}
                total = self._part(product, core.element.xreplace(at))
                if other == beside:
                    return total, {}
                affine = _affine(other, self.beside.tensor, self.rows)
                if affine is not None:
                    apart = affine[0] * core.element + affine[1] * self._plain(product, deeper, ours)
                    return total, {reader: Definition(None, (), apart)}
        return None

    def _part(self, product: _Product, total: sp.Expr) -> sp.Expr:
        """Σ_depth fixed·total, over the indices of the sum."""
        body = at_indices(product.fixed, self.read.indices) * total
        return Element(Tensor.define(self.shape, body, "sum", product.depth), *self.own)

    def _moving(self, product: _Product, deep: Sequence[Index], own: Sequence[Index]) -> Element:
        """What moves, with other indices for those of depth and the sum's own."""
        rule = dict(zip(self.own, own, strict=True))
        at = {axis(p): rule.get(index, index) for p, index in enumerate(self.read.indices)}
        return product.moving.xreplace(at | {bound(d): index for d, index in enumerate(deep)})  # type: ignore[no-any-return]

    def _plain(self, product: _Product, deep: Sequence[Index], own: Sequence[Index]) -> Element:
        """Σ_rows moving, at these indices of depth and own."""
        used = [d for d, index in enumerate(self.own) if index in self._moving(product, (), self.own).atoms(Index)]
        ours: list[Index] = self.own[:]
        for place, d in enumerate(used):
            ours[d] = axis(place)
        moving = self._moving(product, [axis(len(used) + d) for d in range(len(deep))], ours)
        shape = (*(self.shape[d] for d in used), *product.depth)
        return Element(Tensor.define(shape, moving, "sum", self.extents), *(own[d] for d in used), *deep)


def _sum_of(reader: Tensor, value: Tensor) -> _Sum | None:
    """A reader of a value, if it is a sum of its elements, each by itself or times one other element."""
    definition = reader.definition
    factors = sp.Mul.make_args(definition.body) if definition is not None and definition.op == "sum" else ()
    if definition is None or len(factors) > 2 or not all(isinstance(factor, Element) for factor in factors):
        return None
    read = [factor for factor in factors if factor.tensor is value]
    if len(read) != 1:
        return None
    beside = [factor for factor in factors if factor.tensor is not value]
    one = _Sum(reader.shape, definition.extents, read[0], beside[0] if beside else None)
    each = [*one.rows, *one.own]
    return one if len(read[0].indices) == len(each) and {*read[0].indices} == {*each} else None


def _other(reader: Tensor, moving: Element, extents: Shape) -> Element | None:
    """What a sum multiplies an element by, if that is an element."""
    definition = reader.definition
    assert definition is not None
    factors = sp.Mul.make_args(definition.body)
    if definition.op != "sum" or definition.extents != extents or len(factors) != 2 or moving not in factors:
        return None
    other = factors[0] if factors[1] == moving else factors[1]
    return other if isinstance(other, Element) else None


def _affine(value: Element, inner: Tensor, rows: Sequence[Index]) -> tuple[sp.Expr, sp.Expr] | None:
    """(slope, offset) of an element that is slope·inner + offset, both the same for all rows; ``inner`` is rounded."""
    definition = value.tensor.definition
    if definition is None or definition.op is not None or not _is_rounded(inner):
        return None
    along = {axis(p) for p, index in enumerate(value.indices) if not index.atoms(Index).isdisjoint(rows)}
    slope, offset = sp.S.Zero, sp.S.Zero
    for term in sp.Add.make_args(definition.body):
        factors = sp.Mul.make_args(term)
        rest = sp.Mul(*(factor for factor in factors if factor != inner.element))
        if not rest.atoms(Index).isdisjoint(along) or rest.has(inner):
            return None
        slope, offset = (slope + rest, offset) if inner.element in factors else (slope, offset + rest)
    return None if slope == 0 else (at_indices(slope, value.indices), at_indices(offset, value.indices))


def _is_rounded(value: Tensor) -> bool:
    """Whether each element is a quotient, a root or a function of others."""
    body = value.definition.body if value.definition is not None else sp.S.Zero
    divides = any(not power.exp.is_Integer or power.exp < 0 for power in body.atoms(sp.Pow))
    return divides or any(map(is_costly, sp.preorder_traversal(body)))
