"""The formula of a node as one line of text, with the names and loop variables of the generated source.

h[n, j] = Max(0, a[n, j] + b[j])          c[i, j] = Σ_n x[n, i]*d[n, j]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from codegen.loops.ir import Expr, Var
from codegen.plan.plan import Node
from codegen.plan.scatter import Term
from symgraph.core.graph import elements_of
from symgraph.core.indices import Index, axis, bound
from symgraph.core.tensor import Element, Tensor

SYMBOL = {"sum": "Σ", "max": "max", "min": "min", "argmax": "argmax", "argmin": "argmin"}


def formula_text(node: Node, indices: Mapping[sp.Basic, Expr], name: Callable[[Tensor], str]) -> str:
    """One line; ``name`` gives the name of a tensor in the source."""
    definition = node.definition
    shown = _shown(definition.body, indices, name)
    body = shown(definition.body)
    if definition.op is not None:
        over = ", ".join(shown(bound(d)) for d in range(len(definition.extents)))
        body = f"{SYMBOL[definition.op]}_{over} {body}"
    return f"{_left(node, [axis(d) for d in range(len(node.shape))], shown, name)} {'←' if node.target else '='} {body}"


def term_text(
    node: Node, term: Term, adds: bool, indices: Mapping[sp.Basic, Expr], name: Callable[[Tensor], str]
) -> str:
    """One term of a scatter, in its places: d_A[0, j] = g[j]; += if it ``adds`` to what is there."""
    value = sp.Mul(*term.factors, evaluate=False) if len(term.factors) > 1 else sp.Mul(*term.factors)
    shown = _shown(value, indices, name)
    fixed = {p: other for p, other in term.places if not other.has(Index, Element)}
    places = [fixed.get(d, axis(d)) for d in range(len(node.shape))]
    return f"{_left(node, places, shown, name)} {'+=' if adds else '='} {shown(value)}"


def _left(
    node: Node, places: Sequence[sp.Expr], shown: Callable[[sp.Basic], str], name: Callable[[Tensor], str]
) -> str:
    target = name(node.target or node.value)
    return f"{target}[{', '.join(map(shown, places))}]" if places else target


def _shown(
    body: sp.Expr, indices: Mapping[sp.Basic, Expr], name: Callable[[Tensor], str]
) -> Callable[[sp.Basic], str]:
    """How a body, its parts and its indices are written."""
    rename = {index: sp.Symbol(var.name) for index, var in indices.items() if isinstance(var, Var)}
    rule: dict[sp.Basic, sp.Basic] = {}
    for element in sorted(elements_of(body), key=lambda e: e.atoms(Element).__len__()):
        at = ", ".join(str(index.xreplace(rule).xreplace(rename)) for index in element.indices)
        rule[element] = sp.Symbol(f"{name(element.tensor)}[{at}]" if at else name(element.tensor), real=True)
    return lambda part: str(part.xreplace(rule).xreplace(rename))
