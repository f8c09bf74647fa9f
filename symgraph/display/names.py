"""One naming of all tensors of a program.

In: output tensors. Out: a :class:`Name` for each tensor that has one; the others are shown inside the formula that
reads them::

    x, W1, b1     leaves: their own names              h       a value: the variable the user bound it to
    ∂J/∂W1        a cotangent                          a1, s1  an unnamed affine value, an unnamed sum read twice
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import sympy as sp

from symgraph.core.graph import elements_of, topological
from symgraph.core.indices import Dim
from symgraph.core.reading import cotangent_pair, name_of
from symgraph.core.recurrence import recurrence_of
from symgraph.core.tensor import Element, Tensor
from symgraph.core.unfolded import as_read, first_values, operands_as_read
from symgraph.core.views import is_contraction
from symgraph.display.latex_names import latex_name, latex_names
from symgraph.display.notation import Name

MAX_INLINED = 40
SHORT, SHORT_INLINED = 2, 7
"""Symbols and operations, beyond one for each axis, of what is written out again where it is read twice: alone, and
with what is written out in it."""
MAX_NAME = 28
_PREFIX = {"sum": "s", "max": "m", "min": "m", "argmax": "m", "argmin": "m"}


Pair = tuple[Tensor, Tensor]


def cotangent_of(tensor: Tensor) -> Pair | None:
    """(loss, value) of a cotangent; None for a value that was there before the loss and happens to equal one."""
    pair = tensor.cotangent_of or cotangent_pair(tensor)
    return pair if pair is not None and tensor.serial > pair[0].serial else None


class Naming:
    """Names of a program's tensors, and which definitions are written inside the formulas that read them.

    Parameters
    ----------
    outputs : the tensors of the program. The losses of their cotangents come first, so that the names in one gradient
        are those in the table of all of them.
    named : tensors that need a name even if they would be written inline.
    given : names that are settled.
    pairs : (loss, value) of cotangents, where that is known better than by the tensor, which may be one of two losses.
    inline : values without a name of the user's that are written where they are read.
    """

    def __init__(
        self,
        outputs: Iterable[Tensor],
        named: Iterable[Tensor] = (),
        given: Mapping[Tensor, Name] | None = None,
        pairs: Mapping[Tensor, Pair] | None = None,
        inline: Iterable[Tensor] = (),
    ) -> None:
        self.pairs, self._inline = dict(pairs or {}), set(inline)
        roots, required = list(outputs), list(named)
        self.order = _closure([*roots, *required], self.pair)
        required += [part for tensor in self.order for part in _handed_over(tensor)]
        self._inline -= set(required)
        depth = _depths([p[0] for p in map(self.pair, self.order) if p is not None] or roots)
        declared = sorted((t for t in self.order if t.definition is None), key=lambda t: _declaration(t, depth))
        self.reading_order = [*declared, *(t for t in self.order if t.definition is not None)]
        self.position = {tensor: position for position, tensor in enumerate(self.reading_order)}
        self.names: dict[Tensor, Name] = dict(given or {})
        self._leaves = {tensor.display_name for tensor in declared}
        fixed = self._leaves | _sizes(self.order) | {name.text for name in self.names.values()}
        hinted = [t for t in self.order if t.definition and t not in self.names and _usable(name_of(t))]
        count = Counter(name_of(t) for t in hinted)
        self._own = {name for name, times in count.items() if times == 1} - fixed
        self.taken = fixed | set(map(str, count))
        self._typeset = latex_names(self.taken)
        self._latex = set(self._typeset.values())
        self._name_leaves()
        self._name_hinted()
        while True:
            known = [pair for t in self.order if t not in self._inline and (pair := self.pair(t)) is not None]
            referred = {part for pair in known for part in pair}
            if self._inline.isdisjoint(referred):
                break
            self._inline -= referred  # what a cotangent is called by has a name
        self._name_unnamed(referred | set(required), {loss for loss, _ in known})
        self._name_cotangents()

    def pair(self, tensor: Tensor) -> Pair | None:
        """(loss, value) if the tensor is a cotangent in this program."""
        return self.pairs.get(tensor) or cotangent_of(tensor)

    def is_inlined(self, tensor: Tensor) -> bool:
        """Whether the tensor's definition is written where it is read."""
        return tensor not in self.names

    def symbol(self, text: str) -> Name:
        """What a size or another symbol is called: by its name, or as ``size(N)`` where a tensor is called N."""
        latex = self._typeset.get(text) or latex_name(text)
        return Name(f"size({text})", rf"\operatorname{{size}}({latex})") if text in self._leaves else Name(text, latex)

    def _name_leaves(self) -> None:
        for tensor in self.order:
            if tensor.definition is None and tensor not in self.names:
                text = tensor.display_name
                several = tensor.kind in ("constant", "random")
                if several and any(name.text == text for name in self.names.values()):
                    text = self._numbered(text)
                self.names[tensor] = self._called(text)

    def _name_hinted(self) -> None:
        """What the user has named keeps its name, where that is one value's; the others of a name are numbered."""
        for tensor in self.order:
            hint = name_of(tensor)
            if tensor.definition and tensor not in self.names and not self.pair(tensor) and _usable(hint):
                self._give(tensor, str(hint) if hint in self._own else self._numbered(str(hint)))

    def _name_unnamed(self, required: set[Tensor], losses: set[Tensor]) -> None:
        reads = _reads(self.order)
        size: dict[Tensor, int] = {}
        folds: set[Tensor] = set()
        for tensor in self.order:
            if tensor.definition is None or tensor in self.names or self.pair(tensor) or tensor in self._inline:
                continue
            times, read = len(reads.get(tensor, [])), as_read(tensor)
            assert read is not None
            body = read.body
            read_here = {element.tensor for element in elements_of(body)}
            size[tensor] = _size(body) + sum(size.get(element.tensor, 0) for element in elements_of(body))
            if read.op is not None or read_here & folds:
                folds.add(tensor)
            affine = _is_affine(tensor) and not _is_linear_part(tensor, reads.get(tensor, []))
            is_loss = tensor in losses or (tensor in required and not times)
            if is_loss and tensor.ndim == 0 and not name_of(tensor):
                self._give(tensor, "J" if "J" not in self.taken else self._numbered("J"))
            elif affine and times:
                self._give(tensor, self._numbered("a"))
            elif tensor in required or self._needs_name(tensor, times, size[tensor], tensor in folds):
                self._give(tensor, self._numbered("a" if affine else _PREFIX.get(str(tensor.definition.op), "v")))
            if tensor in self.names:
                size[tensor] = 0
                folds.discard(tensor)
        tracks = [tensor for tensor in self.order if recurrence_of(tensor) is not None]
        for tensor in sorted(tracks, key=lambda track: not _tells_first(track)):
            named = tensor in self.names or self.pair(tensor) is not None
            if not named and (_tells_first(tensor) or self._reads_itself(tensor)):
                self._give(tensor, self._numbered("v"))

    def _reads_itself(self, tensor: Tensor) -> bool:
        """Whether a value stands in its own formula, if what has no name is written out."""
        seen: set[Tensor] = set()
        pending = [tensor]
        while pending:
            node = pending.pop()
            if node in seen or (node is not tensor and (node in self.names or self.pair(node))):
                continue
            seen.add(node)
            reads = operands_as_read(node)
            if tensor in reads and not self.pair(tensor):
                return True
            pending += reads
        return False

    def _needs_name(self, tensor: Tensor, reads: int, size: int, folds: bool) -> bool:
        """Long formulas have names, and what is read twice, unless it is short and sums nothing."""
        read = as_read(tensor)
        assert read is not None
        rank = max(len(_axes_of(tensor)), 1)
        if read.op is None and not folds and _size(read.body) <= rank + SHORT and size <= rank + SHORT_INLINED:
            return False
        return reads > 1 or (size > MAX_INLINED and reads > 0)

    def _name_cotangents(self) -> None:
        for tensor in sorted(self.order, key=self._order_of_derivative):
            if self.pair(tensor) is None or tensor in self.names or tensor in self._inline:
                continue
            pair = self.pair(tensor)
            assert pair is not None
            name = ratio(*(self.names[part] for part in pair))
            if len(name.text) > MAX_NAME or name.text in self.taken:
                self._give(tensor, self._numbered("g"))
                continue
            self.taken.add(name.text)
            self.names[tensor] = name

    def _order_of_derivative(self, tensor: Tensor) -> int:
        depth = 0
        pending = [(tensor, 0)]
        while pending:
            node, level = pending.pop()
            depth = max(depth, level)
            pending.extend((part, level + 1) for part in self.pair(node) or ())
        return depth

    def _give(self, tensor: Tensor, text: str) -> None:
        self.names[tensor] = self._called(text)
        self.taken.add(text)
        self._latex.add(self.names[tensor].latex)

    def _called(self, text: str) -> Name:
        return Name(text, self._typeset.get(text) or latex_name(text))

    def _numbered(self, stem: str) -> str:
        """The first number that makes a name, in text and in LaTeX, that neither the user nor another value has."""
        joint = "_" if stem[-1].isdigit() else ""
        candidates = (f"{stem}{joint}{number}" for number in itertools.count(1))
        return next(name for name in candidates if name not in self.taken and latex_name(name) not in self._latex)

    def is_users(self, tensor: Tensor) -> bool:
        """Whether the name is one that the user gave, so that its definition need not be told."""
        return self.names[tensor].text == name_of(tensor)


def ratio(loss: Name, of: Name) -> Name:
    """The name ∂J/∂X of the cotangent of X."""
    above = rf"\left({loss.latex}\right)" if loss.ratio else loss.latex
    below = rf"\left({of.latex}\right)" if of.ratio else of.latex
    numerator, denominator = (f"({name.text})" if name.ratio else name.text for name in (loss, of))
    return Name(f"∂{numerator}/∂{denominator}", rf"\frac{{\partial {above}}}{{\partial {below}}}", (loss, of))


def _closure(outputs: list[Tensor], pair: Callable[[Tensor], Pair | None]) -> list[Tensor]:
    """All tensors of the program in topological order: losses and what their cotangents belong to come first."""
    roots = list(outputs)
    made: dict[tuple[int, tuple[Tensor, ...]], list[Tensor]] = {}
    while True:
        order = topological(roots)
        known = set(order)
        found = [p for p in map(pair, order) if p is not None]
        tracks = [
            v for t in order for v in (*_tracks_of(t, made), *operands_as_read(t)) if v not in known or v in roots
        ]
        first = list(dict.fromkeys([*(loss for loss, _ in found), *(of for _, of in found), *tracks, *roots]))
        if known.issuperset(first) and first == roots:
            return order
        roots = first


def _tracks_of(tensor: Tensor, made: dict[tuple[int, tuple[Tensor, ...]], list[Tensor]]) -> list[Tensor]:
    """The values of the loop that a tensor is of; those of one loop are ``made`` once."""
    found = recurrence_of(tensor)
    if found is None:
        return []
    loop = found[0].loop
    key = (id(loop), found[0].operands)  # the tensor holds the loop
    if key not in made:
        made[key] = [found[0].track(value) for value in loop.steps]
    return made[key]


def _depths(losses: Iterable[Tensor]) -> dict[Tensor, int]:
    """Number of definitions on the longest way from a loss to each tensor."""
    depth: dict[Tensor, int] = {}
    for tensor in reversed(topological(dict.fromkeys(losses))):
        below = depth.setdefault(tensor, 0) + 1
        for element in elements_of(tensor.definition.body) if tensor.definition else ():
            depth[element.tensor] = max(depth.get(element.tensor, 0), below)
    return depth


def _declaration(leaf: Tensor, depth: Mapping[Tensor, int]) -> tuple[bool, int, str]:
    """Leaves from the first layer to the targets, in order of declaration; plain symbols last, by name."""
    if leaf.kind == "scalar":
        return True, 0, str(leaf.name)
    return False, -depth.get(leaf, -1), leaf.age


def _sizes(order: list[Tensor]) -> set[str]:
    formulas = itertools.chain(*(t.shape for t in order), (t.definition.body for t in order if t.definition))
    return {size.name for formula in formulas for size in formula.atoms(Dim)}


def _tells_first(track: Tensor) -> bool:
    """Whether it is a carry whose first value is not 0, which stands beside its formula."""
    values = (first.tensor.definition for _, first in first_values(track))
    return any(definition is None or definition.body != 0 for definition in values)


def _usable(hint: str | None) -> bool:
    return hint is not None and hint.isidentifier() and hint.strip("_") != ""


def _reads(order: list[Tensor]) -> dict[Tensor, list[tuple[Tensor, Element]]]:
    found: dict[Tensor, list[tuple[Tensor, Element]]] = {}
    for tensor in order:
        definition = as_read(tensor)
        if definition is not None:
            for element in elements_of(definition.body):
                found.setdefault(element.tensor, []).append((tensor, element))
    return found


@lru_cache(maxsize=65536)
def _size(body: sp.Expr) -> int:
    """Number of symbols and operations, indices left out."""
    count, pending = 0, [body]
    while pending:
        node = pending.pop()
        count += 1
        if not isinstance(node, Element):
            pending.extend(node.args)
    return count


def _handed_over(tensor: Tensor) -> tuple[Tensor, ...]:
    """Operands of a procedure, which is given them whole."""
    read = as_read(tensor)
    return operands_as_read(tensor) if read is not None and read.op == "external" else ()


def _is_affine(tensor: Tensor) -> bool:
    """A contraction, or a pointwise value that reads one: x·W + b, the a of every layer."""
    return tensor.ndim > 0 and (is_contraction(tensor) or _reads_contraction(tensor))


def _reads_contraction(tensor: Tensor) -> bool:
    definition = tensor.definition
    if definition is None or definition.op is not None:
        return False
    return any(is_contraction(e.tensor) and _is_term(e, definition.body) for e in elements_of(definition.body))


def _is_linear_part(tensor: Tensor, reads: list[tuple[Tensor, Element]]) -> bool:
    """Whether its only reader adds it to something: then it is written there."""
    if len(reads) != 1:
        return False
    reader, element = reads[0]
    assert reader.definition is not None
    same = _axes_of(reader) == _axes_of(tensor)
    return reader.definition.op is None and same and _is_term(element, reader.definition.body)


def _axes_of(tensor: Tensor) -> list[sp.Expr]:
    """The sizes, axes of one left out."""
    return [extent for extent in tensor.shape if extent != 1]


def _is_term(element: Element, body: sp.Expr) -> bool:
    return any(term.as_coeff_Mul()[1] == element for term in sp.Add.make_args(body))
