"""What a program needs in order to run: where its words and its memory are, what is asked of sizes, its object code.

Plain data, without formulas or kernels' texts, which a later process reads from the cache in their place
(:mod:`codegen.run.kept`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.loops.ir import Buffer, Expr
from codegen.loops.memory import Arena
from codegen.loops.words import Interface
from codegen.loops.worth import Portion


@dataclass(frozen=True, slots=True)
class Linked:
    """A compiled program without its formulas.

    Attributes
    ----------
    code : the key of its object code.
    interface : the words of its argument.
    size_names : of :func:`sg.dim`, in the order of the interface.
    leaves : names of the leaves' buffers, in the order of the leaves.
    outputs, read : names of the outputs' buffers; the number of the leaf that an output is, None where it is computed.
    buffers : those outside the program, and its copies of labels.
    labels : (number of a leaf, name of the program's copy), where the program checks labels.
    arena, scratch : the memory plans.
    required : what must be at least 0, over sizes by the names of :func:`sg.dim`.
    portions : what threads are worth.
    """

    code: str
    interface: Interface
    size_names: tuple[str, ...]
    leaves: tuple[str, ...]
    outputs: tuple[str, ...]
    read: tuple[int | None, ...]
    buffers: Mapping[str, Buffer]
    labels: tuple[tuple[int, str], ...]
    arena: Arena
    scratch: Arena
    required: tuple[Expr, ...]
    portions: tuple[Portion, ...]
