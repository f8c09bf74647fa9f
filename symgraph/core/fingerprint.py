"""A digest of what was declared: equal for equal mathematics, in every process and under every hash seed.

    h = sg.tanh(x @ W)   →   sizes, names and order of the leaves, the formula; not "h", nor the line it stands on

Names of leaves and sizes count, for arrays and sizes are given by them; names of computed values do not. Each tensor
is told once, over the numbers of those that it reads, so that the digest takes time in proportion to the graph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import sympy as sp

from symgraph.core.external import Called
from symgraph.core.packing import with_all_below
from symgraph.core.recurrence import Loop, Track
from symgraph.core.tensor import Tensor

OWN = ("sympy.", "symgraph.")
"""Packages whose versions say what an operation of theirs is."""


class Untold(Exception):
    """Something whose meaning no text tells: an operation of the user's own class, an external function."""


def fingerprint(roots: Iterable[Tensor]) -> str | None:
    """The digest of some tensors, in their order; None where one of their formulas has an operation of a class that is
    neither SymPy's nor ours."""
    try:
        return _digest(list(roots))
    except Untold:
        return None


def _digest(roots: list[Tensor]) -> str:
    order = with_all_below(roots)
    number = {tensor: place for place, tensor in enumerate(order)}
    found = hashlib.sha256()
    for tensor in order:
        found.update(_told(tensor, number).encode("utf-8", "surrogatepass"))
    sorts = sorted(order, key=lambda tensor: tensor.place_in_order)  # on which the order of sums depends
    places = [str(number[tensor]) for tensor in (*roots, *sorts)]
    found.update("\n".join(places).encode())
    return found.hexdigest()


def _told(tensor: Tensor, number: dict[Tensor, int]) -> str:
    """All that a tensor is, as a line; names are in quotes, in which nothing else can be mistaken for them."""
    definition, value = tensor.definition, tensor.value
    words = [type(tensor).__name__, tensor.kind, repr(tensor.name), str(tensor.rows_sum_to_one)]
    words += [str(tensor.init is None), repr(tensor.draw), _formula(sp.Tuple(*tensor.shape), number)]
    if tensor.classes is not None:
        words += ["of", _formula(tensor.classes, number)]
    if tensor.symbol is not None:
        words.append(_symbol(tensor.symbol))
    if value is not None:
        words += [value.dtype.str, hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()]
    if tensor.cotangent_of is not None:
        words += ["∂", *(str(number[part]) for part in tensor.cotangent_of)]
    if definition is not None:
        words += [str(definition.op), _formula(sp.Tuple(*definition.extents), number)]
        words.append(_formula(definition.body, number))
    return " ".join([*words, "\n"])


def _formula(body: sp.Basic, number: dict[Tensor, int]) -> str:
    """A formula as text, parents first, tensors by their numbers."""
    words: list[str] = []
    pending = [body]
    while pending:
        node = pending.pop()
        if isinstance(node, Tensor):
            words.append(f"#{number[node]}")
        elif isinstance(node, Track):
            words.append(_track(node.loop, node.value))
        elif isinstance(node, Called):
            raise Untold(node.procedure.name)
        elif node.args:
            words.append(f"{_class(node)}/{len(node.args)}")
            pending.extend(reversed(node.args))
        else:
            words.append(_symbol(node) if isinstance(node, sp.Symbol) else _atom(node))
    return " ".join(words)


def _track(loop: Loop, value: Tensor) -> str:
    """A value of a loop, which is closed: it reads its slots alone."""
    groups = [str(len(group)) for group in (loop.carries, loop.inputs, loop.constants)]
    inside = _digest([*loop.slots, *loop.following, value])
    flags = map(str, (loop.backward, loop.recompute, loop.stable))
    return " ".join(["loop", _formula(loop.length, {}), *flags, *groups, inside])


def _class(node: sp.Basic) -> str:
    name = f"{type(node).__module__}.{type(node).__qualname__}"
    if not name.startswith(OWN):
        raise Untold(name)
    return name


@lru_cache(maxsize=4096)
def _symbol(symbol: sp.Symbol) -> str:
    if isinstance(symbol, sp.Dummy):
        raise Untold(symbol)
    facts = sorted(fact for fact, holds in symbol.assumptions0.items() if holds)
    return f"{_class(symbol)}:{symbol.name!r}:{','.join(facts)}"


@lru_cache(maxsize=4096)
def _atom(atom: sp.Basic) -> str:
    told = atom._mpf_ if isinstance(atom, sp.Float) else atom
    return f"{_class(atom)}:{told!r}"
