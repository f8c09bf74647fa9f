"""Common functions: what several definitions need, an exponential for example, is computed once, as a definition.

S[n] = Σ_k exp(d[n, k]);  y[n, j] = exp(d[n, j])/S[n]     →     e[n, k] = exp(d[n, k]);  S[n] = Σ_k e[n, k];  y = e/S
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from symgraph.core.graph import elements_of, replace_tensors, rewrite, topological
from symgraph.core.indices import Index, axis
from symgraph.core.rebuild import literal
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Definition, Element, Tensor


def share_functions(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The replacement of every tensor under ``roots``; functions of one element are shared across definitions."""
    users: dict[sp.Expr, set[Tensor]] = {}
    for tensor in topological(roots):
        if tensor.definition is not None:
            for function in _functions(tensor.definition.body):
                users.setdefault(_at_axes(function), set()).add(tensor)
    if all(len(found) < 2 for found in users.values()):
        return {tensor: tensor for tensor in topological(roots)}
    shared = {function for function, found in users.items() if len(found) > 1}

    renamed: dict[Tensor, Tensor] = {}

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        body, before = definition.body, tensor.definition
        assert before is not None
        if not (before.op is None and before.body in shared):
            rule: dict[sp.Basic, sp.Basic] = {}
            for function in _functions(before.body):
                if _at_axes(function) in shared:
                    new = replace_tensors(function, renamed)
                    rule[new] = _element(new)
            body = (literal(body, rule) or body) if rule else body
        renamed[tensor] = tensor.redefined(Definition(definition.op, definition.extents, body))
        return renamed[tensor]

    return rewrite(roots, change)


def _functions(body: sp.Expr) -> list[sp.Expr]:
    """Outermost functions of exactly one plainly indexed element, in a fixed order."""
    return sorted(_functions_unsorted(body), key=sp.default_sort_key)


def _functions_unsorted(body: sp.Expr) -> set[sp.Expr]:
    found: set[sp.Expr] = set()
    pending = [body]
    while pending:
        node = pending.pop()
        if isinstance(node, Element):
            continue
        if is_costly(node) and _single(node) is not None:
            found.add(node)
        else:
            pending.extend(node.args)
    return found


def is_costly(node: sp.Basic) -> bool:
    """Whether a part of a formula is a function whose value takes many operations, and is rounded."""
    if isinstance(node, sp.Pow):
        return not node.exp.is_Rational
    return isinstance(node, sp.Function | sp.exp) and not isinstance(
        node, Delta | sp.Piecewise | sp.Max | sp.Min | sp.Abs | sp.sign | sp.floor | sp.ceiling | sp.Mod
    )


def _single(node: sp.Expr) -> Element | None:
    elements = elements_of(node)
    if len(elements) != 1 or elements[0].tensor.dtype == "integer" or not elements[0].indices:
        return None
    indices = elements[0].indices
    plain = all(isinstance(index, Index) for index in indices) and len(set(indices)) == len(indices)
    return elements[0] if plain and node.atoms(Index) == set(indices) else None


def _at_axes(function: sp.Expr) -> sp.Expr:
    element = _single(function)
    assert element is not None
    return function.xreplace({index: axis(d) for d, index in enumerate(element.indices)})


def _element(function: sp.Expr) -> Element:
    element = _single(function)
    assert element is not None
    return Element(Tensor.define(element.tensor.shape, _at_axes(function)), *element.indices)
