"""Temporaries are written where they are read: ``1/(1 + exp(−a))`` is one definition for the machine, not four.

Nothing is evaluated anew: where SymPy would put two operations into another order, (t − x) − y, both stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.graph import consumers, elements_of, rewrite, topological
from symgraph.core.indices import Index, axis
from symgraph.core.rebuild import literal
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import at_indices, covers, is_contraction

MAX_OPERATIONS = 60


def merge(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``; what one definition reads once, at every index, is merged."""
    order = topological(roots)
    readers = consumers(order)
    kept = set(roots)
    return written_in(roots, {t for t in order if t not in kept and _is_temporary(t, readers[t])})


def written_in(roots: Sequence[Tensor], chosen: Collection[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``, with the chosen ones written where they are read if they may."""
    bodies: dict[Tensor, sp.Expr] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        body = definition.body
        for element in elements_of(body):
            if element.tensor in bodies:
                wider = literal(body, {element: at_indices(bodies[element.tensor], element.indices)})
                if wider is not None and operations([wider]) <= MAX_OPERATIONS:
                    body = wider
        new = tensor.redefined(Definition(definition.op, definition.extents, body))
        if tensor in chosen:
            bodies[new] = body
        return new

    return rewrite(roots, change)


def _is_temporary(tensor: Tensor, readers: Sequence[Tensor]) -> bool:
    definition = tensor.definition
    if definition is None or definition.op is not None or tensor.cotangent_of is not None or len(readers) != 1:
        return False
    if any(is_contraction(element.tensor) for element in elements_of(definition.body)):
        return False
    reader = readers[0]
    assert reader.definition is not None
    reads = [element for element in elements_of(reader.definition.body) if element.tensor is tensor]
    if reader.definition.op is None:
        return is_cheap(definition.body) or all(map(_is_hoisted, reads))
    return not reader.definition.is_opaque and all(covers(element, reader) for element in reads)


def _is_hoisted(element: Element) -> bool:
    """Whether what a reader reads is computed once for each of its elements, outside the loops over other axes."""
    own = {index for place in element.indices for index in place.atoms(Index)}
    return own == {axis(d) for d in range(len(own))}


def is_cheap(body: sp.Expr) -> bool:
    """Whether computing a body again costs no more than reading its value."""
    if body.atoms(sp.Function, sp.Piecewise, sp.Max, sp.Min, sp.exp):
        return False
    return int(sp.count_ops(body.xreplace({e: sp.Symbol("e") for e in elements_of(body)}))) <= 2
