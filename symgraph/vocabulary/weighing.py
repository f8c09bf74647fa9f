"""Rows that count as often as their weight says, in a loss that is already a formula.

J = Σ_n ℓ[n]/N   →   sg.weigh_rows(J, w) = Σ_n w[n]·ℓ[n]/Σ_n w[n]
"""

from __future__ import annotations

from symgraph.core.define import as_tensor
from symgraph.core.graph import elements_of, operands, rewrite, topological
from symgraph.core.indices import Dim, bound, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.recurrence import recurrence_of, with_steps
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.functions import sum


@names_result
def weigh_rows(loss: Tensor, weight: Tensor) -> Tensor:
    """A loss in which row n counts ``weight[n]`` times.

    Every sum over the rows that goes into the loss alone is weighed, and where such a formula divides by the number of
    rows N it divides by Σ w: whole weights give the loss of the rows repeated as often. Sums that rows themselves read
    stay as they are, such as the mean of a batch norm.

    Parameters
    ----------
    loss : a scalar.
    weight : of shape (N,), N the size of the batch.

    Raises
    ------
    ShapeError
        if the loss is no scalar, or the weights are not of one symbolic size.
    DomainError
        for a loss that sums over no rows, or reads them in a way that no weight goes with: a largest one, pairs of
        them, rows and another axis as one, a row by its number.
    """
    loss, weight = as_tensor(loss), as_tensor(weight)
    if loss.ndim or weight.ndim != 1 or not isinstance(weight.shape[0], Dim):
        raise ShapeError(
            at_line(f"weigh_rows takes a scalar and weights (N,), N = sg.dim(…), not {loss.display_name}"
                    f"{show_shape(loss.shape)} and {weight.display_name}{show_shape(weight.shape)}")
        )  # fmt: skip
    rows, total = weight.shape[0], sum(weight)
    order = topological([loss])
    read = _read_by_rows(order, rows)
    weighed: list[Tensor] = []

    def change(tensor: Tensor, definition: Definition) -> Tensor:
        if tensor in read:
            return tensor.redefined(definition)
        body = definition.body
        if not _is_plain(tensor, definition, rows):
            raise DomainError(
                at_line(f"{tensor.display_name}, which goes into {loss.display_name}, reads rows in a way that no "
                        "weight goes with: write the weights into the loss, as sample_weight= or in its formula")
            )  # fmt: skip
        if rows in body.atoms(Dim):
            body = body.xreplace({rows: Element(total)})
        if rows in definition.extents:
            weighed.append(tensor)
            body = body * Element(weight, bound(definition.extents.index(rows)))
        return tensor.redefined(Definition(definition.op, definition.extents, body))

    found = rewrite([loss], change)[loss]
    if not weighed:
        raise DomainError(at_line(f"{loss.display_name} sums over no rows ({rows}): there is nothing to weigh"))
    return found


def _read_by_rows(order: list[Tensor], rows: Dim) -> set[Tensor]:
    """Tensors that have an axis of rows, and all that they read."""
    found: set[Tensor] = set()
    for tensor in reversed(order):
        if tensor in found or any(rows in size.atoms(Dim) for size in tensor.shape):
            found |= {tensor, *operands(tensor)}
    return found


def _is_plain(tensor: Tensor, definition: Definition, rows: Dim) -> bool:
    """Whether a definition reads rows, if at all, as terms of one sum over them."""
    if recurrence_of(tensor) is not None:
        steps = (each.definition for each in with_steps([tensor]) if each.definition is not None and each is not tensor)
        return not any(rows in part.atoms(Dim) for step in steps for part in (step.body, *step.extents))
    inside = [place for place, size in enumerate(definition.extents) if rows in size.atoms(Dim)]
    row = bound(inside[0]) if len(inside) == 1 and definition.extents[inside[0]] == rows else None
    reads = [pair for element in elements_of(definition.body)
             for pair in zip(element.tensor.shape, element.indices, strict=True)]  # fmt: skip
    if any(rows in size.atoms(Dim) and index != row for size, index in reads):
        return False
    return not inside or (row is not None and definition.op == "sum")
