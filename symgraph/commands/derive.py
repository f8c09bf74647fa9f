"""``derive module:object``: gradients as formulas, or the steps that lead to them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from symgraph.commands import REFERENCE, Answer, Refused, named
from symgraph.core.define import as_tensor
from symgraph.core.graph import topological
from symgraph.core.reading import call_first
from symgraph.core.tensor import Tensor
from symgraph.derive.derivation import Derivation, derivation
from symgraph.derive.differentiate import grad
from symgraph.display import latex_formula
from symgraph.display.latex import latex
from symgraph.display.text import text
from symgraph.errors import SymgraphError
from symgraph.vocabulary.elementwise import Elementwise
from symgraph.vocabulary.functions import sum


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "formula", metavar="FORMULA", help=f"a tensor, SymPy formula or sg.elementwise function: {REFERENCE}"
    )
    parser.add_argument("--of", nargs="+", metavar="LEAF", help="names; by default all parameters, else all leaves")
    parser.add_argument("--steps", action="store_true", help="every step of the derivation, with its rule")
    parser.add_argument("--latex", action="store_true", help="LaTeX in place of text")


def answer(given: argparse.Namespace) -> Answer:
    """The gradient by each leaf."""
    loss, leaves = scalar_of(given.formula, named(given.formula), given.of)
    if given.steps:
        derivations = [derivation(loss, leaf) for leaf in leaves]
        shown = [each.latex() if given.latex else str(each) for each in derivations]
        return Answer("\n\n".join(shown), [_steps(leaf, each) for leaf, each in zip(leaves, derivations, strict=True)])
    slopes = grad(loss, leaves)
    records: list[dict[str, Any]] = [
        {"of": str(leaf.name), "shape": [str(size) for size in leaf.shape], "text": str(slopes[leaf]),
         "latex": latex_formula(slopes[leaf])}
        for leaf in leaves
    ]  # fmt: skip
    return Answer("\n".join(record["latex" if given.latex else "text"] for record in records), records)


def _steps(leaf: Tensor, found: Derivation) -> dict[str, Any]:
    steps = [
        {"left": text(line.left) if line.left is not None else "", "right": text(line.right), "rule": line.rule_text(),
         "latex": latex(line.right)}
        for line in found.steps
    ]  # fmt: skip
    return {"of": str(leaf.name), "given": [str(equation) for equation in found.given], "steps": steps}


def scalar_of(place: str, found: Any, of: Sequence[str] | None) -> tuple[Tensor, list[Tensor]]:
    """A formula as a scalar, and its leaves by name: all parameters by default, or all leaves where it has none.

    Of a training step it is the loss; a function made by ``sg.elementwise`` is applied to its own symbols. A formula
    that is no scalar is multiplied by the gradient that flows in, ``upstream``, and summed.

    Raises
    ------
    Refused
        for what is no formula, or a name that is no leaf of it.
    """
    found = getattr(found, "declared", found)
    try:
        value = as_tensor(found(*found.arguments) if isinstance(found, Elementwise) else found)
    except SymgraphError:
        kind = type(found).__name__
        raise Refused(f"{place} is of the type {kind}; expected a tensor or formula that you have declared") from None
    if value.definition is not None:
        call_first(value, place.rpartition(":")[2].rpartition(".")[2])
    reals = [leaf for leaf in topological([value]) if leaf.definition is None and leaf.kind != "constant"]
    reals = sorted((leaf for leaf in reals if not leaf.is_label), key=lambda leaf: leaf.age)
    by_name = {str(leaf.name): leaf for leaf in reals}
    if of is not None:
        for name in of:
            if name not in by_name:
                raise Refused(f"{place} has no leaf {name}; it has {', '.join(by_name) or 'none'}")
        leaves = [by_name[name] for name in of]
    else:
        leaves = [leaf for leaf in reals if leaf.kind == "parameter"] or reals
    if not leaves:
        raise Refused(f"{place} depends on nothing: there is no derivative")
    if value.ndim:
        value = sum(value * Tensor.leaf("input", "upstream", value.shape))
    return value, leaves
