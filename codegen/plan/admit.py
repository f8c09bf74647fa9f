"""What can be compiled, checked on the user's own definitions, so that an error names their tensor and their line.

Every size must be told by an input's axis, and every function have a kernel.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.loops.scalar_functions import FUNCTIONS, computed
from symgraph.core.graph import topological
from symgraph.core.indices import Dim, show_shape
from symgraph.core.provenance import at_line
from symgraph.core.recurrence import with_steps
from symgraph.core.scalars import Delta, Uniform, Written
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ArgumentError, DomainError

STRUCTURE = (
    sp.Add, sp.Mul, sp.Pow, sp.exp, sp.Max, sp.Min, sp.Mod, sp.Piecewise, ExprCondPair, sp.Heaviside,
    sp.logic.boolalg.BooleanFunction, sp.core.relational.Relational, sp.logic.boolalg.BooleanAtom, Delta, Uniform,
    Written,
)  # fmt: skip


def admit(outputs: Iterable[Tensor], leaves: Iterable[Tensor]) -> None:
    """Raise unless the outputs can be compiled as functions of the leaves.

    Raises
    ------
    ArgumentError
        for a size that is no axis of a leaf.
    DomainError
        for a function that has no kernel.
    """
    order = with_steps(topological(outputs))
    given = list(leaves)
    told = {size for leaf in given for size in leaf.shape if isinstance(size, Dim)}
    for tensor in [*given, *order]:
        _check_sizes(tensor, told)
        if tensor.definition is not None:
            _check_functions(tensor)


def _check_sizes(tensor: Tensor, told: set[Dim]) -> None:
    sizes = [*tensor.shape, *([tensor.classes] if tensor.classes is not None else [])]
    if tensor.definition is not None:
        sizes += [*tensor.definition.extents, tensor.definition.body]
    used = {dim for size in sizes for dim in size.atoms(Dim)}
    for size in sorted(used - told, key=str):
        what = f"{tensor.display_name} {show_shape(tensor.shape)}"
        raise ArgumentError(
            at_line(f"no input tells the size {size} of {what}: expected an input with an axis of size {size}")
        )


def _check_functions(tensor: Tensor) -> None:
    assert tensor.definition is not None
    if tensor.definition.is_opaque:
        return
    pending = [tensor.definition.body]
    while pending:
        node = pending.pop()
        if isinstance(node, Element) or node.is_Atom or (getattr(node, "is_number", False) and not node.free_symbols):
            continue
        known = isinstance(node, STRUCTURE) or computed(node) is not None
        if not known:
            name = type(node).__name__
            kernels = ", ".join(sorted(function.__name__ for function in FUNCTIONS))
            raise DomainError(
                at_line(f"{tensor.display_name} {show_shape(tensor.shape)} needs {name}, for which there is no kernel; "
                        f"there are kernels for {kernels}", tensor.place)
            )  # fmt: skip
        pending.extend(node.args)
