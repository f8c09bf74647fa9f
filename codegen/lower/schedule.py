"""How a kernel is computed, as data: what threads share, what runs in lanes, what is reduced, tiled and copied.

    panels shared by 32 · tile any×10×32 of whole rows · in lanes of 16: 10 [z_max max over 10] → 10 [e in scratch, …]

A schedule is made in :mod:`codegen.lower.choose`; everything else in this folder follows it and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from codegen.lower.residues import Nest
from codegen.lower.window_ways import Windowed
from codegen.plan.plan import Node
from codegen.plan.scatter import Scatter
from codegen.plan.value_names import value_name
from symgraph.core.indices import Index, show_size

Shared = Literal["nothing", "rows", "owned rows", "columns", "halves", "elements", "panels", "blocks", "window"]
Inside = Literal["rows", "lanes", "elements", "transposed", "nothing"]
Place = Literal["memory", "scratch", "scalar"]
Size = int | None


@dataclass(frozen=True, slots=True)
class Share:
    """What the threads of a kernel share, ``block`` of it at a time; ``by_rows`` where a thread must have whole rows.

    Rows, columns and elements are those of the first value. Of *owned rows* a thread adds up those that are its own; a
    *panel* is rows of a product, as many as tiles make; a *block* has some rows and some columns of one; of a *window*
    they share the columns, of sums down columns the *halves*.
    """

    what: Shared
    block: int = 1
    by_rows: bool = False

    def __str__(self) -> str:
        if self.what == "nothing":
            return "one thread"
        return f"{self.what} shared" + (f" by {self.block}" if self.block > 1 else "")


@dataclass(frozen=True, slots=True)
class Product:
    """A contraction in register tiles, a block of ``height`` rows and ``width`` columns (all where None) at a time.

    ``tile`` are the rows, columns and depth that the tile suits, None where known only at run time. The columns of the
    right operand are read ``in place``, ``copied`` together first, or copied ``transposed``; the last two where there
    are ``many`` rows, ``least_rows`` of them, which a call tells where that is None. Few rows are multiplied element by
    element with a matrix whose columns are apart. Blocks follow each other down a strip of columns, or ``rows_first``.
    """

    height: int
    width: Size
    tile: tuple[Size, Size, Size]
    operand: Literal["in place", "copied", "transposed"] = "in place"
    least_rows: int = 1
    many: bool | None = True
    rows_first: bool = False

    def __str__(self) -> str:
        tile = "×".join("any" if size is None else str(size) for size in self.tile)
        block = "whole rows" if self.width is None else f"{self.height}×{self.width}"
        block += ", rows first" if self.rows_first else ""
        if self.operand == "in place":
            return f"tile {tile} of {block}"
        if self.many is False:
            return f"rows times rows, {block}"
        when = "" if self.many else f" from {self.least_rows} rows on"
        return f"tile {tile} of {block}, right operand {self.operand}{when}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A value in a segment: its inner loops, outermost first, and where it is kept for who reads it.

    A value is a ``scalar``, lies in ``scratch``, or in the ``memory`` that kernels share. A reduction with free indices
    is ``in_row`` where all its terms follow each other, so that it is added up in a scalar.
    """

    node: Node
    loops: tuple[Index, ...]
    place: Place
    in_row: bool = False

    def __str__(self) -> str:
        name = self.node.target.name if self.node.target is not None else value_name(self.node.value)
        kept, definition = " in scratch" if self.place == "scratch" else "", self.node.definition
        over = f" {definition.op} over {_sizes(definition.extents)}" if definition.op is not None else ""
        return f"{name}{over}{kept}"


def _sizes(extents: Sequence[sp.Expr]) -> str:
    """Sizes as a product, of which sums are in parentheses."""
    return "×".join(f"({show_size(size)})" if size.is_Add else show_size(size) for size in extents)


@dataclass(frozen=True, slots=True)
class Segment:
    """Values that share nests of inner loops; a scatter or a window, whose loops are others, stands alone.

    ``nests`` are over whole periods of what indices are divided by, where that is worth it; else one, of all.
    """

    extents: tuple[sp.Expr, ...]
    stages: tuple[Stage, ...]
    nests: tuple[Nest, ...]
    scatter: Scatter | None = None
    window: Windowed | None = None

    def __str__(self) -> str:
        loops = _sizes(self.extents)
        what = "scatter" if self.scatter is not None else str(self.window or "")
        return " ".join(part for part in (what, loops, f"[{', '.join(map(str, self.stages))}]") if part)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What threads share, the product at the head, how the values of a block are computed, and in which segments.

    ``depth`` is the number of axes that are loops around the segments, ``lanes`` that of rows computed at once.
    """

    share: Share
    inside: Inside
    depth: int
    segments: tuple[Segment, ...]
    product: Product | None = None
    lanes: int = 1

    @property
    def has_some_columns(self) -> bool:
        """Whether a block has a part of the columns alone."""
        return self.share.what == "columns" or (self.product is not None and self.product.width is not None)

    def __str__(self) -> str:
        after = " → ".join(map(str, self.segments))
        how = {
            "rows": "row by row" if self.depth else "", "lanes": f"in lanes of {self.lanes}",
            "elements": "element by element", "transposed": "in transposed squares", "nothing": "",
        }[self.inside]  # fmt: skip
        inside = ": ".join(part for part in (how, after) if part)
        return " · ".join(part for part in (str(self.share), str(self.product or ""), inside) if part)
