"""What stands beside a formula in a page: how much it computes, in which kernel, how long that takes, how exact it is.

In: the rows of an explanation, and what was counted and measured. Out: a cell for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.tensor import Tensor
from symgraph.core.unfolded import as_read, operands_as_read
from symgraph.display.table import Row
from symgraph.drawing.heat import duration, error
from symgraph.drawing.markup import Markup, element, joined
from symgraph.drawing.words import Say

Beside = Callable[[Row], Markup]


def costs_beside(
    named: Container[Tensor], kernels: Iterable[Any], identifiers: Mapping[str, str], accuracy: Any, say: Say
) -> Beside:
    """What is known of the cost of a row.

    Parameters
    ----------
    named : values that are not computed where another reads them.
    kernels : reports of kernels, with their formulas, and seconds where they were measured.
    identifiers : what values are called in these formulas.
    accuracy : what ``sg.accuracy`` found of the program, or None.
    """
    kernel_of = _kernels_of(kernels, identifiers)
    errors = {} if accuracy is None else {line.value: line for line in accuracy.lines}

    def beside(row: Row) -> Markup:
        count = _count(row.equation.tensor, named)
        kernel, line = kernel_of.get(row.name.partition(" (")[0]), errors.get(row.equation.tensor)
        told = [element("div", say(f"operations: {count}"))] if count else []
        if kernel is not None:
            time = None if kernel.seconds is None else f" {duration(kernel.seconds)}"
            told.append(element("div", element("code", kernel.name), time))
        if line is not None:
            shown = say(f"{error(line.runs)} ulp at worst, {error(line.median)} in the median")
            told.append(element("div", shown, title=f"{say('as written')}: {error(line.written)} ulp"))
        return joined(*told)

    return beside


def _count(tensor: Tensor, named: Container[Tensor]) -> str:
    """Operations of a value, over those that have rows of their own, as a formula of the sizes."""
    total: sp.Expr = sp.S.Zero
    inside: dict[Tensor, None] = {tensor: None}
    pending = [tensor]
    while pending:
        definition = as_read(at := pending.pop())
        if definition is None:
            continue
        if definition.is_opaque:
            return ""
        terms = operations([definition.body]) + (1 if definition.op is not None else 0)
        total += sp.Mul(*at.shape, *definition.extents) * terms
        fresh = [other for other in operands_as_read(at) if other not in named and other not in inside]
        inside |= dict.fromkeys(fresh)
        pending += fresh
    constant, rest = sp.expand(total).as_coeff_Add()
    terms_of_sizes = [_written(term) for term in sp.Add.make_args(rest) if term]
    return " + ".join(terms_of_sizes + ([f"{int(constant):,}"] if constant or not terms_of_sizes else []))


def _written(term: sp.Expr) -> str:
    number, sizes = term.as_coeff_Mul()
    shown = str(sizes).replace("**2", "²").replace("**3", "³").replace("*", "·")
    return shown if number == 1 else f"{int(number):,}·{shown}"


def _kernels_of(kernels: Iterable[Any], identifiers: Mapping[str, str]) -> dict[str, Any]:
    """The kernel that computes each value: the last that has it on the left of a formula."""
    found: dict[str, Any] = {}
    for kernel in kernels:
        for formula in kernel.formulas:
            left = formula.partition("[")[0].partition(" ")[0]
            if (name := identifiers.get(left)) is not None:
                found[name] = kernel
    return found
