"""Jacobians, Hessians and products with them: the one derivative rule, applied again.

A Jacobian is one reverse sweep: the gradient of Σ_f s[f]·y[f] is linear in the seed s, and with s[f] = δ(f, f′) for
rows f′ it is ∂y[f′]/∂x. The rows become leading axes of whatever depends on the seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy as sp

from symgraph.core.define import Sum, as_tensor, define
from symgraph.core.graph import elements_of, topological
from symgraph.core.indices import Index, Shape, axis, bound, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.rebuild import written_product
from symgraph.core.recurrence import Loop, Recurrence, recurrence_of
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices
from symgraph.derive.differentiate import gradient
from symgraph.errors import DomainError, ShapeError
from symgraph.simplify.selections import before_branches, is_place
from symgraph.simplify.sums import summed

__all__ = ["hessian", "hvp", "jacobian"]


@names_result
def jacobian(output: Any, wrt: Any) -> Tensor:
    """∂output[f]/∂wrt[m], a tensor of shape ``output.shape + wrt.shape``."""
    y, x = as_tensor(output), as_tensor(wrt)
    if y.ndim == 0:
        return gradient(y, x)
    seed = Tensor.leaf("input", "seed", y.shape)
    over = [Index(f"s{d}") for d in range(y.ndim)]
    total = define((), Sum(Element(seed, *over) * Element(y, *over), *over))
    return _with_rows(gradient(total, x), seed, y.shape)


@names_result
def hessian(loss: Any, wrt: Any, other: Any = None) -> Tensor:
    """∂²loss/∂wrt[m]∂other[k], a tensor of shape ``wrt.shape + other.shape``; ``other`` is ``wrt`` unless given."""
    return jacobian(gradient(loss, as_tensor(wrt)), wrt if other is None else other)


@names_result
def hvp(loss: Any, wrt: Any, vector: Any) -> Tensor:
    """Hessian of a scalar times a vector: Σ_k ∂²loss/∂wrt[m]∂wrt[k]·vector[k], of the shape of ``wrt``.

    Raises
    ------
    ShapeError
        if the vector's shape is not that of ``wrt``.
    """
    x, v = as_tensor(wrt), as_tensor(vector)
    if x.shape != v.shape:
        raise ShapeError(
            at_line(f"hvp: {v.display_name}{show_shape(v.shape)} must have the shape of "
                    f"{x.display_name}{show_shape(x.shape)}")
        )  # fmt: skip
    over = [Index(f"s{d}") for d in range(x.ndim)]
    product = Element(gradient(loss, x), *over) * Element(v, *over)
    return gradient(define((), Sum(product, *over) if over else product), x)


def _with_rows(output: Tensor, seed: Tensor, rows: Shape) -> Tensor:
    """``output`` with leading axes of sizes ``rows`` and the seed's element s[f] as δ(f, row)."""
    identity = sp.Mul(*(Delta(axis(d), axis(d + len(rows))) for d, size in enumerate(rows) if size != 1))
    lifted = {seed: Tensor.define(rows + rows, identity)}
    _lift_all(topological([output]), rows, lifted)
    return lifted.get(output) or Tensor.define(rows + output.shape, sp.S.Zero)


def _lift_all(order: Iterable[Tensor], rows: Shape, lifted: dict[Tensor, Tensor]) -> None:
    """With rows, whatever reads something that has rows already."""
    for tensor in order:
        definition = tensor.definition
        if definition is not None and any(e.tensor in lifted for e in elements_of(definition.body)):
            found = recurrence_of(tensor)
            if definition.op == "external":
                raise DomainError(
                    at_line(f"there are no Jacobian rows through the external function {definition.body.args[0]}; "
                            "take sg.grad of each element, or sg.hvp")
                )  # fmt: skip
            if found is not None:
                lifted[tensor] = _lift_loop(*found, rows, lifted)
            else:
                lifted[tensor] = _lift(tensor, definition, rows, lifted)


def _lift_loop(recurrence: Recurrence, value: Tensor, rows: Shape, lifted: Mapping[Tensor, Tensor]) -> Tensor:
    """A value of a loop at all steps with leading axes: of a loop whose carries have the rows, behind its steps."""
    loop, count = recurrence.loop, len(rows)
    slots: dict[Tensor, Tensor] = {}
    operands: list[Tensor] = []
    for n, (slot, operand) in enumerate(zip(loop.slots, recurrence.operands, strict=True)):
        if slot in loop.carries:
            operand = lifted.get(operand) or _repeated(operand, rows)
        elif operand not in lifted:
            operands.append(operand)
            continue
        elif slot in loop.inputs:
            inner = lifted[operand]
            at = (*(axis(d + 1) for d in range(count)), axis(0), *(axis(d) for d in range(count + 1, inner.ndim)))
            operand = Tensor.define((loop.length, *rows, *inner.shape[count + 1 :]), Element(inner, *at))
        else:
            operand = lifted[operand]
        operands.append(operand)
        slots[slot] = Tensor.slot(n, rows + slot.shape, slot.classes, slot.dtype)
    _lift_all(loop.steps, rows, slots)
    carries, inputs, constants = (
        tuple(slots.get(slot, slot) for slot in part) for part in (loop.carries, loop.inputs, loop.constants)
    )
    following = tuple(slots.get(after) or _repeated(after, rows) for after in loop.following)
    lifted_loop = Loop(loop.length, loop.backward, carries, inputs, constants, following)
    track = Recurrence(lifted_loop, tuple(operands)).track(slots.get(value) or _repeated(value, rows))
    at = (axis(count), *(axis(d) for d in range(count)), *(axis(d) for d in range(count + 1, track.ndim)))
    return Tensor.define((*rows, loop.length, *value.shape), Element(track, *at))


def _repeated(tensor: Tensor, rows: Shape) -> Tensor:
    """The same for every row."""
    return Tensor.define(rows + tensor.shape, Element(tensor, *(axis(d + len(rows)) for d in range(tensor.ndim))))


def _lift(tensor: Tensor, definition: Definition, rows: Shape, lifted: Mapping[Tensor, Tensor]) -> Tensor:
    shift = {axis(d): axis(d + len(rows)) for d in range(tensor.ndim)}
    body = definition.body.xreplace(shift)
    rule = {e: _at_rows(lifted[e.tensor], e.indices, len(rows)) for e in elements_of(body) if e.tensor in lifted}
    body, shape = body.xreplace(rule), rows + tensor.shape
    if definition.op != "sum":
        return Tensor.define(shape, body, definition.op, definition.extents)
    over = tuple(bound(d) for d in range(len(definition.extents)))
    extents = dict(zip([axis(d) for d in range(len(shape))], shape, strict=True))
    extents |= dict(zip(over, definition.extents, strict=True))
    return Tensor.define(shape, summed(body, over, extents, []))


def _at_rows(value: Tensor, indices: Sequence[sp.Expr], count: int) -> sp.Expr:
    """An element of a value with rows; of δ·(what does not depend on the row), δ and an element without rows, so that
    a sum over what it is read at is solved, and what δ does not select is not asked for."""
    row, definition = [axis(d) for d in range(count)], value.definition
    if definition is not None and definition.op is None:
        factors = sp.Mul.make_args(before_branches(definition.body))
        places = [factor for factor in factors if is_place(factor)]
        rest = written_product([factor for factor in factors if factor not in places])
        if not rest.free_symbols & set(row):
            back = {axis(d): axis(d - count) for d in range(count, value.ndim)}
            own = Tensor.define(value.shape[count:], rest.xreplace(back)).element if rest.has(Element) else rest
            return sp.Mul(*(at_indices(part, [*row, *indices]) for part in places), at_indices(own, indices))
    return Element(value, *row, *indices)
