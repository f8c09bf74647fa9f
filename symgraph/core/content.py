"""What tells one tensor from another, without names and without what was made before: a digest of its form.

[n, i] ↦ x[n, i]·m[n, i]     →     "None N 3 Mul/2 Element/3 9f… axis:i0 axis:i1 Element/3 …", as a digest
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

import sympy as sp

from symgraph.core.indices import Dim

if TYPE_CHECKING:
    from symgraph.core.tensor import Tensor

MOST_LEAVES = 8
"""Leaves that tell apart two definitions of one form."""


def content(tensor: Tensor) -> tuple[str, str, tuple[str, ...], list[Tensor]]:
    """The form of a tensor as a digest, its place among others, the places of the first leaves it depends on, and the
    tensors that its formula reads.

    None of it depends on a leaf's name or on what was made before: leaves come in the order of their declaration,
    scalars by name, then definitions by their form, and those of one form by their leaves.
    """
    definition = tensor.definition
    if definition is None:
        told = f"{tensor.kind} {tensor.is_label} {tensor.rows_sum_to_one} {_told(sp.Tuple(*tensor.shape))}"
        told += f" {tensor.dtype}" * (tensor.dtype != "real" and not tensor.is_label)
        told += f" {tensor.name}" * (tensor.kind == "slot") + f" {tensor.draw}" * (tensor.kind == "random")
        place = f"~{tensor.name}" if tensor.kind in ("scalar", "slot") else f"!{tensor.age}"
        return _digest(told), place, (place,), []
    read: list[Tensor] = []
    told = f"{definition.op} {_told(sp.Tuple(*tensor.shape, *definition.extents))} {_told(definition.body, read)}"
    first = tuple(dict.fromkeys(leaf for operand in read for leaf in operand.first))[:MOST_LEAVES]
    digest = _digest(told)
    return digest, f"{digest}{''.join(first)}{tensor.serial:012d}", first, read


def _digest(told: str) -> str:
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _told(body: sp.Basic, read: list[Tensor] | None = None) -> str:
    """A body as text, parents first, tensors by their digests, names left out; the tensors are added to ``read``."""
    words: list[str] = []
    pending = [body]
    while pending:
        node = pending.pop()
        if getattr(node, "is_tensor", False):
            words.append(node.content)
            if read is not None:
                read.append(node)
        elif not node.args:
            words.append(_word(node))
        else:
            words.append(f"{type(node).__name__}/{len(node.args)}")
            pending.extend(reversed(node.args))
    return " ".join(words)


@lru_cache(maxsize=4096)
def _word(atom: sp.Basic) -> str:
    return "N" if isinstance(atom, Dim) else f"{type(atom).__name__}:{atom}"
