"""Products of tensors by their indices: einsum and its instances; matrices made of comparisons of indices.

    einsum("nij,jk->nik", a, b)  =  Σ_j a[n, i, j]·b[j, k]     trace(x) = Σ_i x[i, i]     tril(x) = {x[i, j] if j ≤ i}

Of diagonals and triangles the derivative is again one, by their index equations and conditions.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.define import Sum, as_tensor, define
from symgraph.core.indices import Index, Ranged, as_shape, axis, is_at_least_zero, several, show_size
from symgraph.core.provenance import at_line, names_result
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element, Tensor, require_real
from symgraph.errors import IndexNotationError, ShapeError
from symgraph.vocabulary.functions import axis_of, matmul
from symgraph.vocabulary.shapes import moveaxis, places, ravel, reshape, shown

__all__ = ["diag", "diagonal", "dot", "einsum", "eye", "kron", "outer", "tensordot", "trace", "tril", "triu", "vdot"]


@names_result
def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Sum of products by subscripts, as NumPy's ``einsum``: letters that the result does not have are summed over.

    A repeated letter of one operand is a diagonal; ``...`` stands for axes that are broadcast; without ``->`` the
    result has the letters that occur once, in alphabetical order.

    Raises
    ------
    IndexNotationError
        for subscripts that are none, or whose number is not that of the operands.
    ShapeError
        if a letter stands for two sizes.
    """
    tensors = [as_tensor(operand) for operand in operands]
    inputs, output = _subscripts(subscripts, tensors)
    sizes: dict[str, sp.Expr] = {}
    for letters, tensor in zip(inputs, tensors, strict=True):
        require_real(tensor, "einsum")
        for letter, size in zip(letters, tensor.shape, strict=True):
            known = sizes.setdefault(letter, size)
            if known == 1 and _is_broadcast(letter):
                sizes[letter] = size
            elif known != size and not (size == 1 and _is_broadcast(letter)):
                raise ShapeError(
                    at_line(f"einsum {subscripts!r}: {letter} is {show_size(known)} and, in {shown(tensor)}, "
                            f"{show_size(size)}")
                )  # fmt: skip
    index = {letter: Ranged(f"i{letter}", size) for letter, size in sizes.items()}
    factors = [
        Element(tensor, *(sp.S.Zero if size == 1 else index[i] for i, size in zip(letters, tensor.shape, strict=True)))
        for letters, tensor in zip(inputs, tensors, strict=True)
    ]
    summed = [index[letter] for letter in sizes if letter not in output]
    body = sp.Mul(*factors)
    return define([index[i] for i in output], Sum(body, *summed) if summed else body, [sizes[i] for i in output])


def _is_broadcast(letter: str) -> bool:
    return letter.isdigit()


def _subscripts(text: str, tensors: list[Tensor]) -> tuple[list[str], str]:
    """The letters of every operand and of the result; axes of ``...`` are digits, aligned at the right."""
    left, arrow, right = text.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(tensors):
        raise IndexNotationError(at_line(f"einsum {text!r} is of {len(parts)} operands, {len(tensors)} were given"))
    spread = [tensor.ndim - len(part.replace("...", "")) for part, tensor in zip(parts, tensors, strict=True)]
    most = max((n for part, n in zip(parts, spread, strict=True) if "..." in part), default=0)
    if most > 10:
        raise IndexNotationError(at_line(f"einsum {text!r}: ... stands for more than 10 axes"))
    digits = "0123456789"[:most]
    inputs = []
    for part, n, tensor in zip(parts, spread, tensors, strict=True):
        if n < 0 or ("..." not in part and n):
            raise ShapeError(at_line(f"einsum {text!r}: {part!r} does not name the axes of {shown(tensor)}"))
        inputs.append(part.replace("...", digits[most - n :] if n else ""))
    letters = "".join(inputs)
    if not arrow:
        right = "..." * ("..." in left) + "".join(
            sorted(i for i in set(letters) - set(digits) if letters.count(i) == 1)
        )
    output = right.replace("...", digits)
    named = set(letters + output) - set(digits)
    if not all(i.isascii() and i.isalpha() for i in named) or len(set(output)) < len(output):
        raise IndexNotationError(at_line(f"einsum {text!r} is not of letters, each once in the result"))
    if not set(output) <= set(letters):
        missing = "".join(sorted(set(output) - set(letters)))
        raise IndexNotationError(at_line(f"einsum {text!r}: no operand has the index {missing}"))
    return inputs, output


@names_result
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """Sum of products over axes: the last of ``a`` with the first of ``b``, or those listed, (of a, of b)."""
    left, right = as_tensor(a), as_tensor(b)
    if hasattr(axes, "__index__"):
        ours, theirs = list(range(left.ndim - int(axes), left.ndim)), list(range(int(axes)))
    else:
        ours, theirs = (several(p) for p in axes)
    if len(ours) != len(theirs):
        raise ShapeError(at_line(f"tensordot of {shown(left)} and {shown(right)}: {axes} differ in number"))
    pairs = [(axis_of(left, i), axis_of(right, j)) for i, j in zip(ours, theirs, strict=True)]
    for i, j in pairs:
        if left.shape[i] != right.shape[j]:
            raise ShapeError(at_line(f"tensordot: axis {i} of {shown(left)} and axis {j} of {shown(right)} differ"))
    of_left = [Ranged(f"i{d}", size) for d, size in enumerate(left.shape)]
    of_right = [Ranged(f"j{d}", size) for d, size in enumerate(right.shape)]
    for i, j in pairs:
        of_right[j] = of_left[i]
    over = [of_left[i] for i, _ in pairs]
    free = [index for index in (*of_left, *of_right) if index not in over]
    body = Element(left, *of_left) * Element(right, *of_right)
    return define(free, Sum(body, *over) if over else body, [index.extent for index in free])


@names_result
def outer(a: Any, b: Any) -> Tensor:
    """All products of elements of two tensors, which are flattened: (m,), (n,) → (m, n)."""
    return tensordot(ravel(a), ravel(b), 0)


@names_result
def dot(a: Any, b: Any) -> Tensor:
    """NumPy's ``dot``: a product with a scalar, else a sum over the last axis of ``a``, the last but one of ``b``."""
    left, right = as_tensor(a), as_tensor(b)
    if left.ndim == 0 or right.ndim == 0:
        return left * right  # type: ignore[no-any-return]
    if left.ndim <= 2 and right.ndim <= 2:
        return matmul(left, right)
    return tensordot(left, right, (-1, -2 if right.ndim > 1 else 0))


@names_result
def vdot(a: Any, b: Any) -> Tensor:
    """Σ of the products of all elements of two tensors."""
    return matmul(ravel(a), ravel(b))


@names_result
def kron(a: Any, b: Any) -> Tensor:
    """The Kronecker product: ``a`` with each element replaced by its product with ``b``."""
    left, right = as_tensor(a), as_tensor(b)
    rank = max(left.ndim, right.ndim)
    left, right = (reshape(t, (*[1] * (rank - t.ndim), *t.shape)) if t.ndim < rank else t for t in (left, right))
    blocks = tensordot(left, right, 0)
    blocks = moveaxis(blocks, range(rank, 2 * rank), range(1, 2 * rank, 2)) if rank else blocks
    return reshape(blocks, [i * j for i, j in zip(left.shape, right.shape, strict=True)])


# -- where indices meet -----------------------------------------------------------------------------------------------
@names_result
def eye(n: Any, m: Any = None, k: int = 0) -> Tensor:
    """The matrix of 1 on diagonal ``k`` and 0 elsewhere, of (n, m) or (n, n)."""
    shape = as_shape((n, n if m is None else m))
    return Tensor.define(shape, Delta(axis(0) + int(k), axis(1)))


def _last_two(x: Tensor, what: str) -> tuple[Index, Index]:
    if x.ndim < 2:
        raise ShapeError(at_line(f"{what} is of matrices, and {shown(x)} has {x.ndim} axes"))
    return axis(x.ndim - 2), axis(x.ndim - 1)


@names_result
def tril(x: Any, k: int = 0) -> Tensor:
    """The part of a matrix, the last two axes, on and below diagonal ``k``; 0 above."""
    a = as_tensor(x)
    i, j = _last_two(a, "tril")
    return Tensor.define(a.shape, Cases((a.element, j <= i + int(k)), (0, True)))


@names_result
def triu(x: Any, k: int = 0) -> Tensor:
    """The part of a matrix, the last two axes, on and above diagonal ``k``; 0 below."""
    a = as_tensor(x)
    i, j = _last_two(a, "triu")
    return Tensor.define(a.shape, Cases((a.element, j >= i + int(k)), (0, True)))


@names_result
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The elements on a diagonal of two axes, as the last axis.

    Raises
    ------
    ShapeError
        if there is no such diagonal, or its length depends on which of two sizes is smaller.
    """
    a = as_tensor(x)
    i, j = axis_of(a, axis1), axis_of(a, axis2)
    down, right = max(-int(offset), 0), max(int(offset), 0)
    tall, wide = a.shape[i] - down, a.shape[j] - right
    length = tall if is_at_least_zero(wide - tall) else wide if is_at_least_zero(tall - wide) else None
    if i == j or length is None or is_at_least_zero(length - 1) is False:
        raise ShapeError(at_line(f"axes {axis1} and {axis2} of {shown(a)} have no diagonal {offset} of known length"))
    rest = [d for d in range(a.ndim) if d not in (i, j)]
    at: dict[int, sp.Expr] = {d: axis(position) for position, d in enumerate(rest)}
    at |= {i: axis(len(rest)) + down, j: axis(len(rest)) + right}
    shape = as_shape((*(a.shape[d] for d in rest), length))
    return Tensor.define(shape, Element(a, *places(a, at)))


@names_result
def diag(x: Any, k: int = 0) -> Tensor:
    """Diagonal ``k`` of a matrix, or the matrix with a vector on it."""
    a = as_tensor(x)
    if a.ndim == 2:
        return diagonal(a, k)
    if a.ndim != 1:
        raise ShapeError(at_line(f"diag is of a vector or a matrix, and {shown(a)} has {a.ndim} axes"))
    down, right, size = max(-int(k), 0), max(int(k), 0), a.shape[0] + abs(int(k))
    inside = sp.And(axis(0) >= down, sp.Eq(axis(0) + right, axis(1) + down), axis(0) < a.shape[0] + down)
    return Tensor.define(as_shape((size, size)), Cases((Element(a, axis(0) - down), inside), (0, True)))


@names_result
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of the elements on a diagonal of two axes, the first two unless told."""
    from symgraph.vocabulary.functions import sum as total

    return total(diagonal(x, offset, axis1, axis2), -1)
