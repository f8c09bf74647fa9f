"""The formula of a node as one line of text: the notation of the printed formulas, with the names and loop variables of
the generated source.

h[n, j] = max(a[n, j] + b[j], 0)          c[i, j] = Σ_n x[n, i]·d[n, j]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import sympy as sp

from codegen.loops.ir import Expr, Var
from codegen.plan.plan import Node
from codegen.plan.scatter import Term
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, axis, bound
from symgraph.core.rebuild import written_product
from symgraph.core.tensor import Element, Tensor
from symgraph.display.arrange import Arranger, Scope
from symgraph.display.compose import reduction
from symgraph.display.notation import Entry, Name, letter
from symgraph.display.notation import Node as Notation
from symgraph.display.text import text


def formula_text(
    node: Node,
    indices: Mapping[sp.Basic, Expr],
    name: Callable[[Tensor], str],
    places: Mapping[sp.Basic, sp.Basic] | None = None,
    formula: sp.Expr | None = None,
) -> str:
    """One line; ``name`` gives the name of a tensor in the source, ``places`` are what is written for an index, and
    ``formula`` is the node's own at these."""
    definition, places = node.definition, places or {}
    formula = definition.body if formula is None else formula
    write = _Writer(node, formula, indices, name)
    body = write(formula)
    if definition.op is not None:
        body = reduction(definition.op, tuple(write(bound(d)) for d in range(len(definition.extents))), body)
    left = write.target([places.get(axis(d), axis(d)) for d in range(len(node.shape))])
    sign = "+=" if node.adds else "←" if node.target else "="
    return f"{text(left)} {sign} {text(body)}"


def term_text(
    node: Node, term: Term, adds: bool, indices: Mapping[sp.Basic, Expr], name: Callable[[Tensor], str]
) -> str:
    """One term of a scatter, in its places: d_A[0, j] = g[j]; += if it ``adds`` to what is there."""
    value = written_product(term.factors)
    write = _Writer(node, value, indices, name)
    fixed = {p: other for p, other in term.places if not other.has(Index, Element)}
    left = write.target([fixed.get(d, axis(d)) for d in range(len(node.shape))])
    return f"{text(left)} {'+=' if adds else '='} {text(write(value))}"


class _Named:
    """Every value that is read, by the name that it has in the source: nothing is written out where it is read."""

    def __init__(self, tensors: Iterable[Tensor], name: Callable[[Tensor], str]) -> None:
        self.position = {tensor: place for place, tensor in enumerate(tensors)}
        self.names = {tensor: Name(name(tensor), "") for tensor in self.position}

    def is_inlined(self, tensor: Tensor) -> bool:
        return False

    def symbol(self, text: str) -> Name:
        return Name(text, "")


class _Writer:
    """The parts of a body as notation."""

    def __init__(
        self, node: Node, body: sp.Expr, indices: Mapping[sp.Basic, Expr], name: Callable[[Tensor], str]
    ) -> None:
        self._target = node.target or node.value
        others = sorted(body.atoms(Tensor), key=lambda tensor: tensor.place_in_order)
        values = [*(element.tensor for element in elements_of(body)), *others]
        self._named = _Named(dict.fromkeys([*values, self._target]), name)
        self._arranger = Arranger(self._named)
        loops = {index: loop for index, loop in indices.items() if isinstance(loop, Var)}
        called: dict[Index, Notation] = {index: letter(loop.name) for index, loop in loops.items()}
        free = [axis(d) for d in range(len(node.shape))]
        self._scope = Scope(called, frozenset(), tuple(text(called[i]) for i in free if i in called))

    def __call__(self, part: sp.Basic) -> Notation:
        return self._arranger.expression(part, self._scope)

    def target(self, places: Sequence[sp.Basic]) -> Entry:
        return Entry(self._named.names[self._target], tuple(map(self, places)))
