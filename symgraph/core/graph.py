"""The network as a graph of tensors: topological order, consumers, leaves, substitution. No recursion anywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

import sympy as sp

from symgraph.core.indices import Dim, show_shape
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_alike
from symgraph.core.rebuild import replaced as rebuilt
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.errors import NameConflictError, ShapeError


@lru_cache(maxsize=65536)
def elements_of(body: sp.Basic) -> tuple[Element, ...]:
    """Every element in a scalar body, in a fixed order, those inside indices included."""
    found: dict[Element, None] = {}
    pending = [body]
    while pending:
        node = pending.pop()
        if isinstance(node, Element):
            found[node] = None
        pending.extend(node.args)
    return tuple(found) if len(found) < 2 else tuple(sorted(found, key=sp.default_sort_key))


def operands(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors that a definition reads, each once."""
    if tensor.definition is None:
        return ()
    return tuple(dict.fromkeys(element.tensor for element in elements_of(tensor.definition.body)))


def topological(outputs: Iterable[Tensor], known: Collection[Tensor] = ()) -> list[Tensor]:
    """All tensors that the outputs depend on, operands first, save what only ``known`` ones depend on; the order
    depends on the graph alone."""
    order: dict[Tensor, None] = {}
    pending: list[tuple[Tensor, bool]] = [(output, False) for output in reversed(list(outputs))]
    while pending:
        tensor, expanded = pending.pop()
        if tensor in order:
            continue
        if expanded:
            order[tensor] = None
            continue
        pending.append((tensor, True))
        below = () if tensor in known else operands(tensor)
        pending.extend((operand, False) for operand in reversed(below) if operand not in order)
    return list(order)


def consumers(order: Iterable[Tensor]) -> dict[Tensor, list[Tensor]]:
    """For each tensor, the definitions that read it."""
    found: dict[Tensor, list[Tensor]] = {}
    for tensor in order:
        found.setdefault(tensor, [])
        for operand in operands(tensor):
            found.setdefault(operand, []).append(tensor)
    return found


def leaves(outputs: Iterable[Tensor]) -> dict[str, Tensor]:
    """The leaves under their names, in the order of the graph.

    Raises
    ------
    NameConflictError
        if two different leaves have one name.
    """
    found: dict[str, Tensor] = {}
    for tensor in topological(outputs):
        if tensor.definition is not None:
            continue
        name = str(tensor.name)
        if tensor.kind in ("constant", "random"):
            name = f"{name}#{tensor.serial}"
        other = found.setdefault(name, tensor)
        if other is not tensor:
            raise NameConflictError(
                f"the name {name} stands for two different tensors:\n"
                f"  {other.kind} {name}{show_shape(other.shape)} at {other.place}\n"
                f"  {tensor.kind} {name}{show_shape(tensor.shape)} at {tensor.place}\n"
                "give one of them another; layers take one too, Sequential(…, name='encoder')"
            )
    return found


def free_symbols(tensor: Tensor) -> set[sp.Basic]:
    """Leaves and sizes a tensor depends on; a leaf that stands for a plain symbol is that symbol."""
    found: set[sp.Basic] = set()
    for node in topological([tensor]):
        found.update(size for extent in node.shape for size in extent.atoms(Dim))
        if node.definition is None:
            found.add(node if node.symbol is None else node.symbol)
        else:
            found.update(node.definition.body.atoms(Dim))
    return found


def rewrite(
    outputs: Iterable[Tensor],
    change: Callable[[Tensor, Definition], Tensor],
    instead: Mapping[Tensor, Tensor] = MappingProxyType({}),
) -> dict[Tensor, Tensor]:
    """Rebuild the graph: ``change`` gets each definition over already rebuilt operands and says what replaces it.

    Returns the replacement of every tensor, of a leaf what is ``instead`` of it. What a tensor is called carries over.
    """
    replaced: dict[Tensor, Tensor] = {}
    for tensor in topological(outputs):
        if tensor.definition is None:
            replaced[tensor] = instead.get(tensor, tensor)
            continue
        definition = tensor.definition
        body = replace_tensors(definition.body, replaced)
        new = change(tensor, Definition(definition.op, definition.extents, body))
        call_alike(new, tensor)
        replaced[tensor] = new
    return replaced


def replace_tensors(body: sp.Expr, replaced: Mapping[Tensor, Tensor]) -> sp.Expr:
    """The body with elements of other tensors at the same indices."""
    rule = {tensor: replaced[tensor] for tensor in {e.tensor for e in elements_of(body)} if tensor in replaced}
    rule = {old: new for old, new in rule.items() if old is not new}
    return rebuilt(body, rule) if rule else body


def substitute(output: Tensor, pairs: Mapping[Tensor, object]) -> Tensor:
    """Replace tensors by others (or by numbers) of the same shape, everywhere under ``output``."""
    from symgraph.core.define import as_tensor

    given = {as_tensor(old): as_tensor(new) for old, new in pairs.items()}
    for old, new in given.items():
        if new.shape != old.shape:
            raise ShapeError(
                at_line(f"{old.display_name}{show_shape(old.shape)} cannot become {show_shape(new.shape)}")
            )
    replaced: dict[Tensor, Tensor] = {}
    for tensor in topological([output]):
        if tensor in given:
            replaced[tensor] = given[tensor]
        elif tensor.definition is None:
            replaced[tensor] = tensor
        else:
            definition = tensor.definition
            body = replace_tensors(definition.body, replaced)
            replaced[tensor] = tensor.redefined(Definition(definition.op, definition.extents, body))
    return replaced[output]
