"""Long formulas in pieces: a body of many operations becomes several definitions of few, each over the same indices.

    Σ_k c_k·sin(k·x) of 300 terms   →   p1 = Σ of 8 terms, p2 = …,  q1 = p1 + … + p8, …

Algebra on a formula grows much faster than the formula; on pieces it grows with their number. What occurs twice is one
piece, so that its derivative is taken once. Formulas of the usual size stay whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.indices import Index, Shape, axis, extents_of
from symgraph.core.rebuild import evaluated, replaced
from symgraph.core.tensor import Element, Reduction, Tensor

MAX_WHOLE, MAX_WRITTEN = 32, 40
"""Operations of a body that is left as it is: different ones, and all that are written."""
PIECE = 12
"""Operations of a piece, from which on it is a definition of its own."""
SHARED = 3
"""Operations from which on what occurs twice is a piece."""
MOST_TERMS, MOST_FACTORS = 8, 4
"""Of one piece. The derivative of a product has as many products as it has factors."""


def defined(shape: Shape, body: sp.Expr, op: Reduction | None = None, extents: Shape = ()) -> Tensor:
    """The tensor of a definition, whose body is of at most a few operations over pieces.

    What stands in a branch stays there: it may be readable only where the branch is taken.
    """
    if isinstance(body, sp.Expr) and (operations([body]) > MAX_WHOLE or _written(body) > MAX_WRITTEN):
        body = _Splitter(body, extents_of(shape, extents)).split()
    return Tensor.define(shape, body, op, extents)


class _Splitter:
    def __init__(self, body: sp.Expr, extents: dict[Index, sp.Expr]) -> None:
        self.body, self.extents = body, extents

    def split(self) -> sp.Expr:
        order = _postorder(self.body)
        parents = Counter(arg for node in order for arg in dict.fromkeys(node.args))
        done: dict[sp.Basic, sp.Expr] = {}
        for node in order:
            new = self._short(evaluated(node, [done.get(arg, arg) for arg in node.args]))
            size = _different(new)
            large = size >= PIECE or (parents[node] > 1 and size >= SHARED)
            done[node] = self._piece(new) if large and node is not self.body else new
        return done.get(self.body, self.body)

    def _short(self, node: sp.Expr) -> sp.Expr:
        """Sums of many terms and products of many factors in groups of few."""
        most = MOST_TERMS if isinstance(node, sp.Add) else MOST_FACTORS
        if not isinstance(node, (sp.Add, sp.Mul)):
            return node
        parts = sorted(node.args, key=sp.default_sort_key)
        while len(parts) > most or (isinstance(node, sp.Add) and len(parts) > 1 and operations(parts) > 2 * PIECE):
            groups = list(self._groups(parts, most))
            if len(groups) == len(parts):
                break
            parts = [group[0] if len(group) == 1 else self._piece(node.func(*group)) for group in groups]
        return node.func(*parts)

    def _groups(self, parts: list[sp.Expr], most: int) -> Iterable[list[sp.Expr]]:
        group: list[sp.Expr] = []
        for part in parts:
            if group and (len(group) == most or operations([*group, part]) > PIECE):
                yield group
                group = []
            group.append(part)
        yield group

    def _piece(self, value: sp.Expr) -> sp.Expr:
        """The value as an element of its own definition, over the indices that occur in it."""
        if not value.args or isinstance(value, Element):
            return value
        free = sorted(value.atoms(Index), key=lambda index: index.name)
        rename = {index: axis(d) for d, index in enumerate(free)}
        shape: Shape = tuple(self.extents[index] for index in free)
        return Element(Tensor.define(shape, replaced(value, rename)), *free)


def _different(body: sp.Expr) -> int:
    """Operations of a formula, each once; those in a maximum too, which is looked into by nothing else."""
    return sum(map(_own, _postorder(body))) if body.has(sp.Max, sp.Min) else operations([body])


def _written(body: sp.Expr) -> int:
    """Operations outside branches and indices, each as often as it is written."""
    counts: dict[sp.Basic, int] = {}
    for node in _postorder(body):
        counts[node] = _own(node) + sum(counts.get(arg, 0) for arg in node.args)
    return counts.get(body, 0)


def _own(node: sp.Basic) -> int:
    return max(len(node.args) - 1, 1)


def _postorder(body: sp.Expr) -> list[sp.Expr]:
    """Operations outside branches and indices, operands first, each once."""
    order: dict[sp.Basic, None] = {}
    pending: list[tuple[sp.Basic, bool]] = [(body, False)]
    while pending:
        node, expanded = pending.pop()
        if node in order or _is_whole(node):
            continue
        if expanded:
            order[node] = None
            continue
        pending.append((node, True))
        pending.extend((arg, False) for arg in reversed(node.args))
    return list(order)


def _is_whole(node: sp.Basic) -> bool:
    return not node.args or isinstance(node, (Element, sp.Piecewise, sp.logic.boolalg.Boolean)) or node.is_number
