"""The formula of a node as one line of text, with the names and loop variables of the generated source.

h[n, j] = Max(0, a[n, j] + b[j])          c[i, j] = Σ_n x[n, i]*d[n, j]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy as sp

from codegen.loops.ir import Expr, Var
from codegen.plan.plan import Node
from symgraph.core.graph import elements_of
from symgraph.core.indices import axis, bound
from symgraph.core.tensor import Element, Tensor

SYMBOL = {"sum": "Σ", "max": "max", "min": "min", "argmax": "argmax", "argmin": "argmin"}


def formula_text(node: Node, indices: Mapping[sp.Basic, Expr], name: Callable[[Tensor], str]) -> str:
    """One line; ``name`` gives the name of a tensor in the source."""
    definition = node.definition
    rename = {index: sp.Symbol(var.name) for index, var in indices.items() if isinstance(var, Var)}
    rule: dict[sp.Basic, sp.Basic] = {}
    for element in sorted(elements_of(definition.body), key=lambda e: e.atoms(Element).__len__()):
        shown = ", ".join(str(index.xreplace(rule).xreplace(rename)) for index in element.indices)
        rule[element] = sp.Symbol(f"{name(element.tensor)}[{shown}]" if shown else name(element.tensor), real=True)
    body = str(definition.body.xreplace(rule).xreplace(rename))
    left = ", ".join(str(rename.get(axis(d), axis(d))) for d in range(len(node.shape)))
    target = name(node.target or node.value)
    if definition.op is not None:
        over = ", ".join(str(rename.get(bound(d), bound(d))) for d in range(len(definition.extents)))
        body = f"{SYMBOL[definition.op]}_{over} {body}"
    arrow = "←" if node.target is not None else "="
    return f"{target}[{left}] {arrow} {body}" if left else f"{target} {arrow} {body}"
