"""Which sums are matrix products, and how any sum is brought into the shapes that kernels are good at.

    Σ_n x[n, i]·(y[n, j] − t[n, j])/N   →   d[n, j] = (y[n, j] − t[n, j])/N,   c[i, j] = Σ_n x[n, i]·d[n, j]

Comes in: any tensors. Goes out: equal tensors, in which every contraction is exactly a sum of a product of two plain
elements, its right operand has the column index last, and a total reduction is done row by row first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import sympy as sp

from codegen.loops.ranges import all_exist, bounds_of, exists
from codegen.loops.seldom import NOUGHT
from codegen.plan.scatter import ordered, scatter_of, terms_of, with_scatter
from symgraph.core.bounds import running
from symgraph.core.graph import rewrite
from symgraph.core.indices import Dim, Index, Shape, axis, bound, is_at_least_zero
from symgraph.core.scalars import selected
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.simplify.selections import is_place


@dataclass(frozen=True, slots=True)
class Contraction:
    """``out[outer…, row, column] = Σ_depth left·right``: the index of each role, and the operands' elements.

    Several indices of the depth lie one after the other in both operands, and count as one. Where a sum is in parts,
    the last part ends where the operands do: the first index of the depth stops before ``end`` then. Rows that are not
    ``where`` a condition holds are 0, or terms, if it is about the depth.
    """

    outer: tuple[Index, ...]
    row: Index
    column: Index
    depth: tuple[Index, ...]
    left: Element
    right: Element
    end: sp.Expr | None = None
    where: sp.Basic = sp.true

    @property
    def leaves_out_terms(self) -> bool:
        """Whether a condition is about the terms of the sums, and not about the rows."""
        return self.where.has(*self.depth)


def contraction_of(tensor: Tensor) -> Contraction | None:
    """The contraction that a tensor is as it stands, if it is one.

    Its columns lie side by side in the right operand, or that is large and transposed; row, column and depth are no
    multiples in an index of either.
    """
    if tensor not in _known:
        _known[tensor] = _contraction_of(tensor)
    return _known[tensor]


_known: WeakKeyDictionary[Tensor, Contraction | None] = WeakKeyDictionary()


def _contraction_of(tensor: Tensor) -> Contraction | None:
    definition = tensor.definition
    if definition is None or definition.op != "sum":
        return None
    product, end, where = _guards(definition.body)
    if not isinstance(product, sp.Mul):
        return None
    factors = product.args
    if len(factors) != 2 or not all(isinstance(factor, Element) and _is_regular(factor) for factor in factors):
        return None
    depth = tuple(bound(d) for d in range(len(definition.extents)))
    if not all(_in_a_row(depth, definition.extents, factor) for factor in factors):
        return None
    if end is None and not all_exist(definition.body, bounds_of(tensor.shape, definition)):
        return None
    found = _roles(tensor.ndim, factors[0], factors[1], depth)
    if found is None or (end is None and where == sp.true):
        return found
    found = replace(found, end=end, where=where)
    asked, others = where.atoms(Index), {*found.outer, *(found.depth if found.leaves_out_terms else (found.row,))}
    return found if asked <= others and found.right.indices[-1] is found.column else None


def _guards(body: sp.Expr) -> tuple[sp.Expr, sp.Expr | None, sp.Basic]:
    """The product under guards, one of which may say that rows of its operands exist, as a sum in parts has it: where
    the first index of the depth ends by that, and the others. A body that is none, None, and true."""
    if not isinstance(body, sp.Piecewise) or len(body.args) != 2 or body.args[1].expr != 0:
        return body, None, sp.true
    product, guard = body.args[0]
    if not isinstance(product, sp.Mul):
        return body, None, sp.true
    others = [part for part in sp.And.make_args(guard) if part.has(Element)]
    ends = [part for part in sp.And.make_args(guard) if not part.has(Element)]
    end = None if len(ends) != 1 else _end(product, ends[0])
    return (body, None, sp.true) if ends and end is None else (product, end, sp.And(*others))


def _end(product: sp.Mul, guard: sp.Basic) -> sp.Expr | None:
    """Where the first index of the depth ends by a guard that the rows of a product's operands exist."""
    if not isinstance(guard, sp.StrictLessThan):
        return None
    row, whole = guard.args
    ours = all(isinstance(f, Element) and f.indices[:1] == (row,) and f.tensor.shape[0] == whole for f in product.args)
    plain = all(isinstance(index, Index) for f in product.args if isinstance(f, Element) for index in f.indices[1:])
    return whole - (row - bound(0)) if ours and plain and row.has(bound(0)) else None


def _in_a_row(depth: Sequence[Index], extents: Shape, element: Element) -> bool:
    """Whether several indices lie one after the other in an element, and all but the first of them run over their whole
    axes: what they count is then so many elements apart throughout."""
    if len(depth) == 1 or not set(depth) <= set(_indices_in(element)):
        return len(depth) == 1
    first = next(place for place, entry in enumerate(element.indices) if depth[0] in _indices_of(entry))
    others = slice(first + 1, first + len(depth))
    return element.indices[others] == tuple(depth[1:]) and element.tensor.shape[others] == tuple(extents[1:])


def _is_regular(element: Element) -> bool:
    """Whether every index occurs once, by itself, so many places on, or in a sum 9·h + k over a part of an axis."""
    used = _indices_in(element)
    return all(entry.is_Integer or _indices_of(entry) for entry in element.indices) and len(set(used)) == len(used)


def _is_placed(element: Element) -> bool:
    """Whether an element is read where it lies: of each axis all places in their order, from some on, or one."""
    return _is_regular(element) and all(len(_indices_of(entry)) < 2 for entry in element.indices)


def _indices_in(element: Element) -> list[Index]:
    return [index for entry in element.indices for index in _indices_of(entry)]


def _indices_of(entry: sp.Expr) -> tuple[Index, ...]:
    """The indices in one place of an element, (k,) of k or k + 1, or (k, h) of 9·h + k; none if it is anything else."""
    if isinstance(entry, Index):
        return (entry,)
    match entry.args if isinstance(entry, sp.Add) else ():
        case (sp.Integer(), Index() as index):
            return (index,)
        case (one, other):
            single, part = (one, other) if isinstance(one, Index) else (other, one)
            size, index = part.as_independent(Index, as_Add=False)
            if isinstance(single, Index) and isinstance(index, Index) and (size.is_Integer is not True or size > 1):
                return (single, index) if is_size(size) else ()
    return ()


def _roles(rank: int, first: Element, second: Element, depth: tuple[Index, ...]) -> Contraction | None:
    free = [axis(d) for d in range(rank)]
    if rank < 2:
        return None
    column = free[-1]
    left, right = (second, first) if column in _indices_in(first) else (first, second)
    in_left, in_right = _indices_in(left), _indices_in(right)
    if depth[0] not in in_left or depth[0] not in in_right or column in in_left:
        return None
    if right.indices[-1] is not column and not _is_large_transposed(right, column, depth[0]):
        return None
    rows = [index for index in free if index in in_left and index not in in_right]
    if not rows:
        return None
    outer = tuple(index for index in free[:-1] if index is not rows[-1])
    scaled = {index for entry in (*left.indices, *right.indices) for index in _indices_of(entry)[1:]}
    return Contraction(outer, rows[-1], column, depth, left, right) if scaled <= set(outer) else None


ROW_LIMIT = 1 << 17
"""Largest right operand, in elements, for which a panel takes all columns at once, so that whole rows can follow it."""


def _is_large_transposed(right: Element, column: Index, depth: Index) -> bool:
    """Whether a matrix with its columns apart is read where it lies: one that is too large to be copied as a whole.

    Its product copies some columns at a time, transposed, or reads its rows, where there are few of the left operand.
    """
    return tuple(right.indices) == (column, depth) and is_large(right.tensor.shape)


def is_large(shape: Sequence[sp.Expr]) -> bool:
    """Whether a matrix is known to have more elements than a panel takes at once."""
    return len(shape) == 2 and all(size.is_Integer for size in shape) and int(sp.prod(shape)) > ROW_LIMIT


def reshape_sums(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``outputs``."""
    return rewrite(outputs, lambda tensor, definition: with_scatter(_reshaped(tensor, definition)))


def _reshaped(tensor: Tensor, definition: Definition) -> Tensor:
    if definition.op in (None, "argmax", "argmin") or definition.is_opaque:
        return tensor.redefined(definition)
    if definition.op == "sum":
        found = _as_contractions(tensor, definition.body, definition.extents)
        if found is not None:
            return found
    if tensor.ndim == 0:
        return _row_by_row(definition)
    return tensor.redefined(definition)


def is_seldom(definition: Definition) -> bool:
    """Whether a reduction adds nothing unless something holds that is the same for all its terms: it is left out as a
    whole (:mod:`codegen.loops.seldom`), if it shares no loop, and is no work to be shared."""
    body, op, over = definition.body, definition.op, range(len(definition.extents))
    if op not in NOUGHT or not isinstance(body, sp.Piecewise) or len(body.args) != 2:
        return False
    (_, condition), (otherwise, _) = body.args
    return otherwise.is_number and float(otherwise) == NOUGHT[op] and not condition.has(*map(bound, over))


def _row_by_row(definition: Definition) -> Tensor:
    """A reduction to one number: over the inner indices of each row, then over rows."""
    rows, inner = definition.extents[0], definition.extents[1:]
    if (not inner and isinstance(definition.body, Element)) or is_seldom(definition):
        return Tensor.define((), definition.body, definition.op, definition.extents)
    rename: dict[sp.Basic, sp.Basic] = {bound(0): axis(0)} | {bound(d + 1): bound(d) for d in range(len(inner))}
    row = Tensor.define((rows,), definition.body.xreplace(rename), definition.op if inner else None, inner)
    return Tensor.define((), Element(row, bound(0)), definition.op, (rows,))


def _as_contractions(tensor: Tensor, body: sp.Expr, extents: Sequence[sp.Expr]) -> Tensor | None:
    """The sum with its matrix products and scatters split off; None if it has none, or is one scatter."""
    shape = tensor.shape
    free = [axis(d) for d in range(len(shape))]
    terms = terms_of(body)
    if len(terms) > 1:
        parts = [_term(shape, term, extents) or _scattered(shape, term, extents) for term in terms]
        if all(found is None for found in parts):
            return None
        rest = [term for term, found in zip(terms, parts, strict=True) if found is None]
        split = [found for found in parts if found is not None]
        if rest:
            split.append(Element(Tensor.define(tuple(shape), sp.Add(*rest), "sum", tuple(extents)), *free))
        return Tensor.define(tuple(shape), sp.Add(*split))
    found = _term(shape, body, extents)
    if found is None:
        return None
    if isinstance(found, Element) and found.tensor.definition is not None:
        return tensor.redefined(found.tensor.definition)
    return Tensor.define(tuple(shape), found)


def _scattered(shape: Sequence[sp.Expr], term: sp.Expr, extents: Sequence[sp.Expr]) -> sp.Expr | None:
    """The sum of one term, if it is a scatter."""
    if scatter_of(len(shape), Definition("sum", tuple(extents), term)) is None:
        return None
    return Element(Tensor.define(tuple(shape), term, "sum", tuple(extents)), *(axis(d) for d in range(len(shape))))


def _term(shape: Sequence[sp.Expr], body: sp.Expr, extents: Sequence[sp.Expr]) -> sp.Expr | None:
    """One product summed over one index, as coefficient · contraction; None if it is no contraction."""
    if len(extents) != 1 or len(shape) < 2 or not isinstance(body, sp.Mul):
        return None
    free, depth = [axis(d) for d in range(len(shape))], bound(0)
    sizes = dict(zip(free, shape, strict=True)) | {depth: extents[0]}
    places = [factor for factor in sp.Mul.make_args(body) if is_place(factor)]
    if any(depth in place.atoms(Index) for place in places) or not (places == [] or all_exist(body, running(sizes))):
        return None
    outside: list[sp.Expr] = []
    inside: list[tuple[frozenset[Index], sp.Expr]] = []
    for factor in ordered(body):
        used = frozenset(factor.atoms(Index))
        if depth in used and selected(factor) != sp.true:
            return None  # it selects what the others are, and is no number beside them
        if depth in used:
            inside.append((used - {depth}, factor))
        else:
            outside.append(factor)
    with_column = [used for used, _ in inside if free[-1] in used]
    without = [used for used, _ in inside if used and free[-1] not in used]
    if not with_column or not without:
        return None
    right_free, left_free = frozenset().union(*with_column), frozenset().union(*without)
    if not left_free - right_free:
        return None
    left_factors = [f for used, f in inside if free[-1] not in used and used]
    right_factors = [f for used, f in inside if free[-1] in used]
    loose = [f for used, f in inside if not used]
    (left_factors if len(left_factors) > len(right_factors) else right_factors).extend(loose)
    rows = [index for index in free if index in left_free and index not in right_free]
    left_order = [*(i for i in free if i in left_free and i is not rows[-1]), rows[-1], depth]
    right_order = [*(i for i in free[:-1] if i in right_free), depth, free[-1]]
    left = _operand(sp.Mul(*left_factors), left_order, sizes, column_last=False)
    right = _operand(sp.Mul(*right_factors), right_order, sizes, column_last=True)
    core = Tensor.define(tuple(shape), left * right, "sum", tuple(extents))
    return sp.Mul(*outside, Element(core, *free))


def _operand(value: sp.Expr, order: Sequence[Index], sizes: dict[Index, sp.Expr], column_last: bool) -> Element:
    """The factor as one plain element; what is more than that, or has the wrong index last, becomes a definition."""
    is_real = isinstance(value, Element) and value.tensor.dtype != "integer"
    plain = is_real and _is_placed(value) and exists(value, running(sizes))
    if plain and (not column_last or value.indices[-1] is order[-1] or _is_large_transposed(value, *order[:-3:-1])):
        return value
    rename = {index: axis(d) for d, index in enumerate(order)}
    tensor = Tensor.define(tuple(sizes[index] for index in order), value.xreplace(rename))
    return Element(tensor, *order)


PANEL_COLUMNS = 64
"""Columns of a block of a product. Threads share the rows of a product of fewer, and the columns of a wider one."""

MOST_ROWS = 72
"""Rows of a block that has all rows of a product."""

LINE = 16
"""Elements of a cache line, of float32."""


def has_whole_lines(columns: sp.Expr) -> bool:
    """Whether rows of a matrix end where cache lines do, so that threads may have some columns each."""
    return not columns.is_Integer or columns % LINE == 0


def has_few_rows(rows: sp.Expr) -> bool:
    """Whether a block of a product has all its rows."""
    return bool(rows.is_Integer) and int(rows) <= MOST_ROWS


def is_narrow(columns: sp.Expr) -> bool:
    """Whether blocks of a product have whole rows: of few columns, or of some more that are no whole lines."""
    few, more = (is_at_least_zero(n * PANEL_COLUMNS - columns) is True for n in (1, 2))
    return few or (more and not has_whole_lines(columns))


def is_size(expression: sp.Basic) -> bool:
    """Whether an expression is made of numbers and sizes alone."""
    return all(isinstance(symbol, Dim) for symbol in expression.free_symbols) and not expression.atoms(Element)
