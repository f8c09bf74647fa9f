"""Names of computed values and of kernels: the user's where there is one, else one that tells what the value is.

∂J/∂h → d_h      max_k z[n, k] → z_max      Σ_k e[n, k] → e_sum      exp(…) → e      W[j, i] → W_T      x·W → x_W
"""

from __future__ import annotations

import sympy as sp

from codegen.plan.contraction import contraction_of
from codegen.plan.fuse import Group
from symgraph.core.graph import elements_of
from symgraph.core.indices import axis
from symgraph.core.reading import name_of
from symgraph.core.tensor import Definition, Element, Tensor

UNNAMED = "v"
MOST_STEPS = 3
"""How far names are made of names, before they grow too long."""


def value_name(tensor: Tensor, steps: int = MOST_STEPS) -> str:
    """A name for a value; it need not be the only one of that name."""
    if tensor.definition is None:
        return UNNAMED if tensor.kind == "slot" else str(tensor.name or UNNAMED)
    name = name_of(tensor)
    if name:
        return name
    if tensor.cotangent_of is not None and steps:
        return f"d_{value_name(tensor.cotangent_of[1], steps - 1)}"
    found = _by_definition(tensor, tensor.definition, steps)
    return found if found is not None else UNNAMED if tensor.ndim > 1 else "per_row" if tensor.ndim else "result"


def _by_definition(tensor: Tensor, definition: Definition, steps: int) -> str | None:
    body, elements = definition.body, elements_of(definition.body)
    if isinstance(body, sp.exp) or (isinstance(body, sp.Pow) and body.base == sp.E):
        return "e"
    contraction = contraction_of(tensor)
    if contraction is not None:
        parts = [value_name(e.tensor, steps - 1) if steps else UNNAMED for e in (contraction.left, contraction.right)]
        return UNNAMED if UNNAMED in parts else "_".join(parts)
    source = value_name(elements[0].tensor, steps - 1) if elements and steps else UNNAMED
    if definition.op is not None:
        return f"{source}_{definition.op}" if isinstance(body, Element) and source != UNNAMED else None
    if isinstance(body, Element) and body.indices == (axis(1), axis(0)) and source != UNNAMED:
        return f"{source}_T"
    return None


def kernel_name(group: Group, kept: set[Tensor]) -> str:
    """A kernel is called after the last of what it leaves to others."""
    written = [str(n.target.name) for n in group.nodes if n.target is not None and n.target.kind == "parameter"]
    if written:
        return f"update_{written[-1]}"
    left = [value_name(node.value) for node in group.nodes if node.target is None and node.value in kept]
    last = next((name for name in reversed(left) if name != UNNAMED), "values")
    if last.startswith("d_"):
        return f"backward_{last.removeprefix('d_')}"
    return f"transpose_{last.removesuffix('_T')}" if last.endswith("_T") else f"forward_{last}"
