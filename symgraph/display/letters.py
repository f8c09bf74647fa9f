"""Readable letters for canonical indices: one axis keeps its letter through the program.

    x[n, i]    W1[i, j]    h[n, j]    W2[j, k]    z[n, k]

Axes that one index runs over are one class. A class over the size ``N`` is called n; the others i, j, k, … in
the order in which leaves were declared, with no letter that is the name of a tensor, a size or a symbol.
"""

from __future__ import annotations

import sympy as sp

from symgraph.core.graph import elements_of
from symgraph.core.indices import Dim, Index, axis, bound
from symgraph.core.tensor import Tensor
from symgraph.core.unfolded import as_read
from symgraph.display.names import Naming, Pair

POOL = "ijklmpqrsuvwabcdfgh"
Slot = tuple[Tensor, Index]


class Letters:
    """Preferred letters of axes and bound indices: ``preferred(tensor, axis(0))``."""

    def __init__(self, naming: Naming) -> None:
        self._parent: dict[Slot, Slot] = {}
        self._extent: dict[Slot, sp.Expr] = {}
        for tensor in naming.reading_order:
            self._add(tensor, naming.pair(tensor))
        sizes = sorted({extent.name for extent in self._extent.values() if isinstance(extent, Dim)})
        reserved = {name: name[0].lower() for name in sizes}
        self.pool = [c for c in POOL if c not in naming.taken and c not in reserved.values()]
        self.pool += [c for c in "noxyz" if c not in naming.taken and c not in reserved.values()]
        self.pool += [f"i{number}" for number in range(1, 40) if f"i{number}" not in naming.taken]
        self._reserved = {size: c for size, c in reserved.items() if c not in naming.taken}
        self._letter = self._assign(naming)

    def preferred(self, tensor: Tensor, index: Index) -> str:
        """The letter of an axis or bound index, if nothing else in the formula has it."""
        return self._letter.get(self._find((tensor, index)), self.pool[0])

    def choose(self, wanted: str, used: set[str]) -> str:
        """``wanted``, or the first letter that is not used."""
        if wanted not in used:
            return wanted
        start = self.pool.index(wanted) + 1 if wanted in self.pool else 0
        return next(c for c in [*self.pool[start:], *self.pool] if c not in used)

    def _add(self, tensor: Tensor, pair: Pair | None) -> None:
        for d, extent in enumerate(tensor.shape):
            self._extent.setdefault((tensor, axis(d)), extent)
        if pair is not None:
            for d in range(tensor.ndim):
                self._join((tensor, axis(d)), (pair[1], axis(d)))
        definition = as_read(tensor)
        if definition is None:
            return
        for d, extent in enumerate(definition.extents):
            self._extent[tensor, bound(d)] = extent
        for element in elements_of(definition.body):
            for d, index in enumerate(element.indices):
                if isinstance(index, Index):
                    self._join((tensor, index), (element.tensor, axis(d)))

    def _find(self, slot: Slot) -> Slot:
        root = slot
        while self._parent.get(root, root) != root:
            root = self._parent[root]
        while self._parent.get(slot, slot) != root:
            self._parent[slot], slot = root, self._parent.get(slot, slot)
        return root

    def _join(self, left: Slot, right: Slot) -> None:
        self._parent[self._find(left)] = self._find(right)

    def _assign(self, naming: Naming) -> dict[Slot, str]:
        order = [self._find(slot) for slot in self._extent]
        classes = list(dict.fromkeys(order))
        together = self._interference(naming)
        extent = {self._find(slot): size for slot, size in self._extent.items()}
        letter: dict[Slot, str] = {}
        of_extent: dict[sp.Expr, list[str]] = {}
        fresh = iter(self.pool)
        for found in classes:
            size = extent[found]
            near = {letter[other] for other in together.get(found, ()) if other in letter}
            reserved = self._reserved.get(size.name) if isinstance(size, Dim) else None
            again = next((c for c in of_extent.get(size, []) if c not in near), None)
            chosen = reserved or again or next(fresh, None) or next(c for c in [*self.pool, "i"] if c not in near)
            letter[found] = chosen
            of_extent.setdefault(size, []).append(chosen)
        return letter

    def _interference(self, naming: Naming) -> dict[Slot, set[Slot]]:
        """Classes that stand in one definition."""
        together: dict[Slot, set[Slot]] = {}
        for tensor in naming.order:
            definition = as_read(tensor)
            extents = definition.extents if definition else ()
            indices = [axis(d) for d in range(tensor.ndim)] + [bound(d) for d in range(len(extents))]
            found = {self._find((tensor, index)) for index in indices}
            for one in found:
                together.setdefault(one, set()).update(found - {one})
        return together
