"""Looking through temporaries: what a definition is as a formula over the values that matter.

    m = −a;  e = exp(m);  p = 1 + e;  y = 1/p      as written, one operation a definition
    y = 1/(1 + exp(−a))                            as algebra sees it

Which values are *anchors*, over which others are seen, follows from the graph alone: leaves, reductions, what several
definitions read, what reads a contraction, formulas with functions of their own. Names have no part in it. Nothing is
rebuilt: a view is another way to look at the definitions as they were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.graph import consumers, elements_of, topological
from symgraph.core.indices import Index, axis
from symgraph.core.rebuild import replaced
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.errors import DomainError
from symgraph.simplify.partial import partial

MAX_OPERATIONS, MAX_KERNELS, MAX_ELEMENTS = 24, 2, 8
"""Of a view, beyond which a temporary is an anchor: algebra grows faster than its formulas."""
CHEAP = 5
"""Value and derivatives of a view may cost this many times the value alone, as they do operation by operation."""


class Views:
    """The views of all values under ``roots``; ``asked`` are anchors because somebody asks for their derivatives."""

    def __init__(self, roots: Iterable[Tensor], asked: Iterable[Tensor] = ()) -> None:
        outputs = [*roots, *asked]
        self.order = topological(outputs)
        self.readers = consumers(self.order)
        self.anchors = set(outputs)
        self.bodies: dict[Tensor, sp.Expr] = {}
        for tensor in self.order:
            if tensor.definition is None:
                self.anchors.add(tensor)
            else:
                self._look(tensor, tensor.definition)
        self.anchors.update(t for t in self.order if t.definition is not None and not self._may_be_seen_through(t))

    def definition(self, tensor: Tensor) -> Definition | None:
        """A tensor's definition over anchors."""
        own = tensor.definition
        return None if own is None else Definition(own.op, own.extents, self.bodies[tensor])

    def at(self, element: Element) -> sp.Expr:
        """The view of a pointwise value at an element's indices."""
        return at_indices(self.bodies[element.tensor], element.indices)

    def _look(self, tensor: Tensor, definition: Definition) -> None:
        body = definition.body
        if definition.is_opaque:
            self.anchors.update(element.tensor for element in elements_of(body))
        for element in elements_of(body):
            if element.tensor in self.anchors:
                continue
            if self._may_be_seen_through(element.tensor) and self._suits(element, tensor, definition):
                wider = seen_through(body, element, self.at(element))
                branches = definition.op is not None and isinstance(wider, sp.Piecewise)
                if wider is not None and not branches and _is_small(wider):
                    body = wider
                    continue
            self.anchors.add(element.tensor)
        self.bodies[tensor] = body

    def _may_be_seen_through(self, tensor: Tensor) -> bool:
        definition = tensor.definition
        if tensor in self.anchors or definition is None or definition.op is not None or tensor.is_label:
            return False
        if len(self.readers[tensor]) != 1 or tensor.cotangent_of is not None:
            return False
        return not any(is_contraction(element.tensor) for element in elements_of(definition.body))

    def _suits(self, element: Element, reader: Tensor, definition: Definition) -> bool:
        """Whether nothing is repeated by looking through, and no formula with functions of its own is lost."""
        own = element.tensor.definition
        assert own is not None
        covered = covers(element, reader)
        if definition.op is not None:
            return covered
        return (covered and is_single(own.body)) or not has_kernel(own.body)


def at_indices(body: sp.Expr, indices: Sequence[sp.Expr]) -> sp.Expr:
    """A pointwise body at other indices than its own."""
    rule = {axis(d): index for d, index in enumerate(indices) if index != axis(d)}
    return replaced(body, rule) if rule else body  # type: ignore[return-value]


def inlined(element: Element) -> sp.Expr:
    """The body of the element's definition, as it was written, at the element's indices."""
    definition = element.tensor.definition
    assert definition is not None and definition.op is None
    return at_indices(definition.body, element.indices)


def seen_through(body: sp.Expr, element: Element, inner: sp.Expr) -> sp.Expr | None:
    """``body`` with ``inner`` in an element's place; None where SymPy drops a part of either: exp(log u) is not u.

    None too where that would be a condition with more branches than are written out.
    """
    try:
        wider = replaced(body, {element: inner})
    except DomainError:  # a condition with too many branches in it
        return None
    expected = (set(elements_of(body)) - {element}) | set(elements_of(inner))
    if set(elements_of(wider)) != expected or wider.has(sp.zoo, sp.nan):  # 1/z of z = 0 stays a division
        return None
    hidden = sp.Dummy(real=True)
    around = _kernels_in(body.xreplace({element: hidden}))
    return wider if _kernels_in(wider) >= max(around, _kernels_in(inner)) and _keeps(wider, inner) else None


def _keeps(wider: sp.Expr, inner: sp.Expr) -> bool:
    """Whether the functions of the inner formula are still there."""
    return all(wider.has(kernel) for kernel in inner.atoms(sp.Function, sp.exp) if not isinstance(kernel, sp.Piecewise))


def _kernels_in(body: sp.Expr) -> int:
    return sum(1 for node in sp.preorder_traversal(body) if is_kernel(node))


def is_kernel(node: sp.Basic) -> bool:
    """A function, or a power that is none of an integer: what rational algebra does not look into."""
    if isinstance(node, sp.Pow):
        return not node.exp.is_Integer
    return isinstance(node, (sp.Function, sp.exp)) and not isinstance(node, sp.Piecewise)


def has_kernel(body: sp.Expr) -> bool:
    """Whether a formula has a function or a root in it."""
    return any(is_kernel(node) for node in sp.preorder_traversal(body) if not isinstance(node, Element))


def is_single(body: sp.Expr) -> bool:
    """Whether a body is one operation on elements, as an operator between tensors writes it."""
    inner = [arg for arg in body.args if arg.args and not isinstance(arg, Element)]
    return all(isinstance(arg, sp.Pow) and isinstance(arg.base, Element) and arg.exp == -1 for arg in inner)


def is_contraction(tensor: Tensor) -> bool:
    """Whether a tensor sums a product of at least two elements, as a matrix product does."""
    definition = tensor.definition
    if definition is None or definition.op != "sum" or not tensor.ndim:
        return False
    return len(elements_of(definition.body)) > 1


def covers(element: Element, reader: Tensor) -> bool:
    """Whether a definition reads another element in each of its iterations, so that looking through repeats no work."""
    assert reader.definition is not None
    indices = {index for index in element.indices if isinstance(index, Index)}
    return len(indices) == reader.ndim + len(reader.definition.extents)


def _is_small(body: sp.Expr) -> bool:
    elements = elements_of(body)
    kernels = {node for node in sp.preorder_traversal(body) if is_kernel(node)}
    if len(elements) > MAX_ELEMENTS or len(kernels) > MAX_KERNELS:
        return False
    names = {element: _symbol(n) for n, element in enumerate(elements)}
    return _differentiates_cheaply(replaced(body, names), len(elements))


@lru_cache(maxsize=4096)
def _symbol(number: int) -> sp.Symbol:
    return sp.Symbol(f"e{number}", real=True)


@lru_cache(maxsize=4096)
def _differentiates_cheaply(body: sp.Expr, count: int) -> bool:
    """Whether all derivatives of a formula together cost no more than operation by operation."""
    value = operations([body])
    if value > MAX_OPERATIONS:
        return False
    slopes = [partial(body, _symbol(n)) for n in range(count)]
    return operations([body, *slopes]) + count <= CHEAP * value
