"""From index notation to definitions: the one way in which every tensor operation is written.

    sg.define((n, j), sg.Sum(x[n, i]*W[i, j], i) + b[j])     →     a[n, j]

A reduction inside a formula becomes a definition of its own, so that a definition has at most one reduction, at its
top. Extents follow from where an index stands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.core.symbol import Str

from symgraph.core.bounds import check_reads
from symgraph.core.broadcast import broadcast, broadcast_element
from symgraph.core.condition import Condition
from symgraph.core.cost import operations
from symgraph.core.indices import Dim, Index, Indices, Ranged, as_shape, axis, bound, show_shape
from symgraph.core.language import as_value, in_language
from symgraph.core.misuse import explained
from symgraph.core.pieces import defined
from symgraph.core.provenance import at_line, names_result
from symgraph.core.rebuild import atoms_in, parts_of, replaced
from symgraph.core.scalars import Slot, as_formula, slot
from symgraph.core.tensor import Element, Reduction, Tensor
from symgraph.core.writing import as_written
from symgraph.errors import ArgumentError, DomainError, IndexNotationError, ShapeError

__all__ = ["ArgMax", "ArgMin", "Max", "Min", "Sum", "as_tensor", "define"]

MAX_INLINED = 4
"""Operations of a formula of plain symbols that is written into the formula that uses it, as λ/2 is."""


class Reduced(sp.Expr):  # type: ignore[misc]
    """``op`` over indices of a body, as written in a formula; :func:`define` makes a definition of it."""

    is_commutative: ClassVar[bool] = True

    def __new__(cls, op: Str, body: sp.Expr, *over: Index) -> Reduced:
        return sp.Expr.__new__(cls, op, body, *over)  # type: ignore[no-any-return]

    def _eval_is_real(self) -> bool:
        return True

    def _eval_is_integer(self) -> bool | None:
        return True if self.args[0].name in ("argmax", "argmin") else None

    def _eval_is_nonnegative(self) -> bool | None:
        return self._eval_is_integer()


def _reduction(op: Reduction, body: Any, over: tuple[Any, ...]) -> Reduced:
    ranged: dict[Index, Ranged] = {}
    for place in over:
        index, extent = place if isinstance(place, tuple) and len(place) == 2 else (place, None)
        if not isinstance(index, Index):
            shown = "a tuple of one: (i,) = sg.indices('i')" if isinstance(index, Indices) else repr(place)
            raise IndexNotationError(at_line(f"{op} runs over indices (sg.indices), not over {shown}"))
        if extent is not None:
            ranged[index] = Ranged(index.name, *as_shape((extent,)))
    order = [place[0] if isinstance(place, tuple) else place for place in over]
    if not over or len(set(order)) < len(order):
        raise IndexNotationError(at_line(f"{op} needs at least one index, each once"))
    return Reduced(Str(op), _ranging(scalar_body(body), ranged), *(ranged.get(index, index) for index in order))


def _ranging(body: sp.Basic, ranged: dict[Index, Ranged]) -> sp.Basic:
    """A body with indices that say their extent; a reduction inside that runs over one of them means its own."""
    own = {node: sp.Dummy() for node in atoms_in(body, Reduced) if ranged.keys() & set(node.args[2:])}
    return replaced(replaced(replaced(body, own), ranged), {dummy: node for node, dummy in own.items()})


Over = Index | tuple[Index, Any]
"""What a reduction runs over: an index, whose extent follows from where it stands, or an index and its extent."""


@explained
def Sum(body: Any, *over: Over) -> Reduced:
    """Σ over indices, for use in :func:`define`: ``sg.Sum(x[n, i]*W[i, j], i)``, ``sg.Sum(x[n + k], (k, 3))``."""
    return _reduction("sum", body, over)


@explained
def Max(body: Any, *over: Over) -> Reduced:
    """Maximum over indices; where several elements attain it, the derivative goes to the first."""
    return _reduction("max", body, over)


@explained
def Min(body: Any, *over: Over) -> Reduced:
    """Minimum over indices; where several elements attain it, the derivative goes to the first."""
    return _reduction("min", body, over)


@explained
def ArgMax(body: Any, *over: Over) -> Reduced:
    """The first index at which the maximum is attained; of several indices their row-major position."""
    return _reduction("argmax", body, over)


@explained
def ArgMin(body: Any, *over: Over) -> Reduced:
    """The first index at which the minimum is attained; of several indices their row-major position."""
    return _reduction("argmin", body, over)


def scalar_body(value: Any) -> sp.Basic:
    """``value`` as a scalar body: floats as the rationals they print as, plain symbols and rank-0 tensors as elements.

    Raises
    ------
    ShapeError
        if a tensor with axes stands in the formula without indices.
    """
    body = as_value(in_language(as_formula(value), lambda tensor: _asked(tensor, 0), (Reduced,)))
    parts = parts_of(body)
    rule: dict[sp.Basic, sp.Basic] = {part: exact(part) for part in parts if isinstance(part, sp.Float)}
    symbols = [part for part in parts if isinstance(part, sp.Symbol) and not isinstance(part, (Index, Dim, Slot))]
    for symbol in sorted(symbols, key=str):
        rule[symbol] = Element(Tensor.scalar(symbol))
    alone = {arg for part in parts if not isinstance(part, Element) for arg in part.args} | {body}
    for tensor in parts:
        if isinstance(tensor, Tensor) and tensor in alone:
            element = _only_element(tensor)
            rule |= {tensor: element, element: element}
    return finite(replaced(body, rule) if rule else body)


def _only_element(tensor: Tensor) -> Element:
    """A scalar tensor as the element that it is."""
    if tensor.ndim:
        raise ShapeError(
            at_line(f"{tensor.display_name}{show_shape(tensor.shape)} stands in the formula without its indices")
        )
    return Element(tensor)


def finite(body: sp.Basic) -> sp.Basic:
    """The body, if it is real and defined.

    Raises
    ------
    DomainError
        for a formula with the imaginary unit, that divides by zero, or that has a function without a formula.
    """
    parts = parts_of(body)
    for unknown in sorted((part for part in parts if isinstance(part, AppliedUndef)), key=str):
        raise DomainError(
            at_line(f"sympy.Function({unknown.func.__name__!r}) is a name of which nothing is known: "
                    f"write its formula, sg.elementwise(formula), or take a function of sg or SymPy")
        )  # fmt: skip
    if sp.I in parts or sp.zoo in parts or sp.nan in parts:
        raise DomainError(at_line(f"the formula {body} is not a real number: it has √−1, or divides by 0"))
    return body


def exact(number: sp.Float) -> sp.Expr:
    """The shortest decimal of a float as a rational, so that algebra stays exact: 0.1 is 1/10."""
    if not number.is_finite:
        return number
    return sp.Rational(repr(float(number)))


@names_result
def define(free: Any, body: Any, shape: Any = None, first: Any = None) -> Any:
    """Define a tensor by its elements, or a recurrence by elements of its own at earlier steps.

    ``h = sg.define((t, n, j), lambda h: sg.tanh(x[t, n, j] + sg.Sum(h[t - 1, n, k] * V[k, j], k)), (T, N, H), h0)``

    Parameters
    ----------
    free : the indices of an element, in the order of the axes; ``()`` for a scalar.
    body : SymPy expression over elements ``x[n, i]``, sizes, symbols, and :func:`Sum`, :func:`Max`, ... of such; or a
        function of the tensor that is defined, which reads it at earlier steps of one index, or at later ones. A
        function of several tensors, which returns as many formulas, is a system: it defines all of them, and a tuple
        of indices and of sizes for each may stand for ``free`` and ``shape``.
    shape : extents of the free indices, where they do not follow from an element ``x[n, i]`` alone.
    first : of a recurrence, what it is before the first step, a tensor that broadcasts; where it reads several steps
        back ``{-1: …, -2: …}``, where it reads later steps, and begins at the last, also ``{T: …}``; of a system a
        tuple of these.

    Raises
    ------
    ShapeError
        if an index runs over two axes of different sizes, or a first value has another shape.
    IndexNotationError
        if an index is neither free nor reduced, is repeated, or has no extent; if a value reads itself at the same
        step, or at earlier and later ones.
    ArgumentError
        if first values are missing.

    Notes
    -----
    SymPy decides a relation of elements that holds for every real number while it is written: ``x[n]**2 >= 0`` is true,
    of NaN too, and ``~(x[n] > 0)`` is ``x[n] <= 0``. One of tensors, ``x**2 >= 0``, is compared as NumPy does.
    """
    if inspect.isfunction(body):
        from symgraph.core.by_index import defined_by_itself

        return defined_by_itself(free, body, shape, first)
    if first is not None:
        raise ArgumentError(at_line("first= is the value of a recurrence before its first step: expected a function"))
    order = (free,) if isinstance(free, Index) else tuple(free)
    if len(set(order)) < len(order) or not all(isinstance(index, Index) for index in order):
        raise IndexNotationError(at_line(f"free indices must be different indices (sg.indices), not {order}"))
    expression = scalar_body(body)
    return define_by(order, expression, extents_in(order, expression, shape))


def extents_in(order: tuple[Index, ...], expression: sp.Basic, shape: Iterable[Any] | None) -> dict[Index, sp.Expr]:
    """How far the indices of a formula run: by where they stand, by themselves, by the shape of the result."""
    extents = _extents(expression) | {index: index.extent for index in order if isinstance(index, Ranged)}
    if shape is not None:
        sizes = as_shape(shape)
        if len(sizes) != len(order):
            raise ShapeError(at_line(f"{len(order)} free indices but shape {show_shape(sizes)}"))
        for index, size in zip(order, sizes, strict=True):
            _agree(extents, index, size, "shape=")
    return extents


def define_by(order: tuple[Index, ...], body: sp.Expr, extents: dict[Index, sp.Expr]) -> Tensor:
    """The tensor of a formula whose indices run as far as ``extents`` says."""
    op: Reduction | None = None
    over: tuple[Index, ...] = ()
    if isinstance(body, Reduced):
        op, over = body.args[0].name, body.args[2:]
        body = body.args[1]
        if op in ("max", "min") and len(over) > 1:  # one index at a time: the first best one is the derivative's
            over, body = over[:1], Reduced(Str(op), body, *over[1:])
    inner = {node: _as_element(node, order + over, extents) for node in _outermost_reductions(body)}
    body = replaced(body, inner)
    stray = sorted((atoms_in(body, Index) - set(order) - set(over)), key=str)
    if stray:
        free = ", ".join(map(str, order))
        raise IndexNotationError(at_line(f"index {stray[0]} is neither free ({free}) nor reduced"))
    for index in (*order, *over):
        if index not in extents:
            raise IndexNotationError(at_line(f"the extent of {index} does not follow from the formula: give shape="))
    check_reads(body, extents)
    rename = {index: axis(d) for d, index in enumerate(order)} | {index: bound(d) for d, index in enumerate(over)}
    body = replaced(body, rename)
    return defined(tuple(extents[i] for i in order), body, op, tuple(extents[i] for i in over))


def _outermost_reductions(body: sp.Expr) -> list[Reduced]:
    found: dict[sp.Basic, bool] = {}
    pending = [body]
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = isinstance(node, Reduced)
            pending.extend(() if found[node] else node.args)
    return [node for node, is_outermost in found.items() if is_outermost]


def _as_element(node: Reduced, outer: tuple[Index, ...], extents: dict[Index, sp.Expr]) -> Element:
    free = atoms_in(node.args[1], Index) - set(node.args[2:])
    order = tuple(index for index in outer if index in free)
    return Element(define_by(order, node, extents), *order)


def _extents(body: sp.Expr) -> dict[Index, sp.Expr]:
    extents: dict[Index, sp.Expr] = {index: index.extent for index in atoms_in(body, Ranged)}
    for element in sorted(atoms_in(body, Element), key=sp.default_sort_key):
        for position, index in enumerate(element.indices):
            if isinstance(index, Index) and not isinstance(index, Ranged):
                name = element.tensor.display_name
                _agree(extents, index, element.tensor.shape[position], f"axis {position} of {name}")
    return extents


def _agree(extents: dict[Index, sp.Expr], index: Index, size: sp.Expr, where: str) -> None:
    known = extents.setdefault(index, size)
    if known != size:
        raise ShapeError(at_line(f"index {index} runs over {known} and, in {where}, over {size}"))


def as_tensor(value: Any) -> Tensor:
    """A tensor from a tensor, a number, a symbol, or a SymPy formula in which tensors stand element-wise.

    >>> as_tensor(sp.tanh(x) * y)  # doctest: +SKIP
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (str, bytes)):
        raise IndexNotationError(at_line(f"{value!r} is text, no formula; formulas are SymPy expressions and tensors"))
    if not isinstance(value, sp.Basic) and hasattr(value, "__array__") and getattr(value, "ndim", None):
        from symgraph.core.declare import constant

        return constant(value)
    expression = as_formula(value.item() if hasattr(value, "item") and not isinstance(value, sp.Basic) else value)
    if isinstance(expression, sp.Basic) and atoms_in(expression, Reduced):
        raise IndexNotationError(at_line("index notation is no tensor: sg.define((), formula) makes one of a formula"))
    if not isinstance(expression, (sp.Expr, sp.logic.boolalg.Boolean)):
        raise IndexNotationError(at_line(f"{value!r} is no tensor and no formula of tensors; see sg.define"))
    stray = atoms_in(expression, Index)
    if stray:
        raise IndexNotationError(at_line(f"{expression} has free indices: say which axes they are with sg.define"))
    shape = broadcast(*(tensor.shape for tensor in _standing(expression)))
    return defined(shape, scalar_body(opened(expression, len(shape))))


def opened(expression: sp.Basic, rank: int) -> sp.Basic:
    """A formula of tensors at ``axis(0..rank-1)``, with their elements in it, and what conditions say of these."""
    written = in_language(expression, lambda tensor: _asked(tensor, rank))
    kept = {element: sp.Dummy() for element in atoms_in(written, Element)}
    written = replaced(written, kept)
    rule = {tensor: broadcast_element(tensor, rank) for tensor in atoms_in(written, Tensor)}
    return replaced(written, rule | {dummy: element for element, dummy in kept.items()})


def _asked(tensor: Tensor, rank: int) -> sp.Basic:
    """What a tensor says where a condition is expected: its relation, or that it is not 0."""
    if tensor.ndim > rank:
        shown = f"{tensor.display_name}{show_shape(tensor.shape)}"
        raise ShapeError(at_line(f"{shown} stands in a condition without indices"))
    at = broadcast_element(tensor, rank)
    if not isinstance(tensor, Condition):
        return sp.Ne(at, 0)
    return replaced(tensor.relation, {axis(d): index for d, index in enumerate(at.indices)})


def _standing(expression: sp.Basic) -> list[Tensor]:
    """Tensors that stand in a formula without indices."""
    indexed = {element: sp.Dummy() for element in atoms_in(expression, Element)}
    return sorted(atoms_in(replaced(expression, indexed), Tensor), key=lambda tensor: tensor.age)


def pointwise(operation: Callable[..., sp.Expr], *operands: Any) -> Any:
    """Apply a scalar operation to broadcast operands and define the result."""
    if any(isinstance(operand, sp.Basic) and operand.has(sp.I) for operand in operands):
        return _no_tensor(operation, operands)
    if any(is_index_notation(operand) for operand in operands):
        return operation(*map(in_index_notation, operands))
    tensors = [as_tensor(operand) for operand in operands]
    shape = broadcast(*(tensor.shape for tensor in tensors), of=tensors)
    elements = [element_of(tensor, len(shape)) for tensor in tensors]
    formula = operation(*(slot(n, bool(e.is_integer)) for n, e in enumerate(elements)))
    for tensor in _standing(formula) if formula.atoms(Tensor) else ():
        raise DomainError(at_line(f"{tensor!r} stands where a number is expected"))
    return Tensor.define(shape, finite(as_written(formula, elements)))


def is_index_notation(operand: Any) -> bool:
    """Whether an operand is part of a formula over indices, ``x[n, i]`` or a :func:`Sum`, and not a tensor."""
    return isinstance(operand, sp.Expr) and not isinstance(operand, Tensor) and bool(atoms_in(operand, Index, Reduced))


def in_index_notation(operand: Any) -> sp.Basic:
    """An operand of a formula over indices; a tensor must be a scalar there."""
    return _only_element(operand) if isinstance(operand, Tensor) else as_formula(operand)


def _no_tensor(operation: Callable[..., sp.Expr], operands: Iterable[Any]) -> sp.Expr:
    """The operation as a plain expression: SymPy divides by √−1 to learn about an argument, and drops the quotient."""
    names = {operand: sp.Dummy(real=True) for operand in operands if isinstance(operand, Tensor)}
    result = operation(*(names.get(operand, operand) for operand in operands))
    return result.xreplace({name: tensor for tensor, name in names.items()})


def element_of(tensor: Tensor, rank: int) -> sp.Expr:
    """The operand's element; a number or a formula of symbols alone (rank 0, no tensor in it) as itself."""
    definition = tensor.definition
    if tensor.ndim or definition is None or definition.op is not None:
        return broadcast_element(tensor, rank)
    constant = all(element.tensor.kind == "scalar" for element in atoms_in(definition.body, Element))
    short = operations([definition.body]) <= MAX_INLINED
    return definition.body if constant and short else broadcast_element(tensor, rank)
