"""One program for one dtype, ready to run: its native entry, its packed words, and its memory, which grows."""

from __future__ import annotations

import array
import ctypes
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen import backend, debug
from codegen.host import capi, placement
from codegen.loops import words
from codegen.loops.counts import evaluate_integer, largest_integer
from codegen.loops.ir import Buffer, Expr
from codegen.loops.memory import Arena
from codegen.loops.program import External, work_in
from codegen.loops.worth import threads_worth
from codegen.run import loading
from codegen.run.outside import Outside
from codegen.run.pool import Blocks
from codegen.run.translated import Translated
from symgraph.core.kept import cached_property
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError

if TYPE_CHECKING:
    from codegen.run.pipeline import Compiled

ALIGNMENT = 64
FIRST_CALL = "first call"
NUMPY_TYPES = {"float64": np.dtype(np.float64), "int64": np.dtype(np.int64)}


class Executable:
    """A program and what its calls need. Not for two threads at once: words and memory are its own.

    ``seconds`` are those of the stages that it has passed, in their order; ``compile`` is not among them where the
    object code was in the cache, nor are the stages before it where the program was there.

    Parameters
    ----------
    program : which may be in the cache; then it is translated when somebody reads it.
    """

    def __init__(
        self,
        program: Translated,
        leaves: Sequence[Tensor],
        dtype: np.dtype[Any],
        threads: int | None = None,
    ) -> None:
        self.program, self.seconds = program, program.seconds
        self.dtype = dtype
        self.leaves = tuple(leaves)
        self.runs_as_python = debug.runs_as_python()  # once and for all: what runs must not change under its caller
        self.linked = program.anew if self.runs_as_python else program.linked
        self.names = dict(zip(leaves, self.linked.leaves, strict=True))
        interface = self.linked.interface
        self.words = array.array("q", bytes(8 * interface.length))
        self.address = self.words.buffer_info()[0]
        self.most_threads = 1 if self.runs_as_python else placement.thread_limit(threads)
        self.threads = 1
        self._work: dict[tuple[int, ...], int] = {}
        self.sizes: dict[str, int] = {}
        self._memory: dict[int, np.ndarray] = {}
        self._blocks: dict[str, Blocks] = {}
        self._largest: dict[str, int] | None = None
        self.outside = self._outside()
        self._kept = self._support()
        for leaf in leaves:
            if leaf.kind == "constant":
                self._kept.append(
                    self.bind(leaf, np.ascontiguousarray(leaf.value, dtype=self.type_of(self.names[leaf])))
                )
        if not interface.sizes:
            self.resize({})

    def _support(self) -> list[np.ndarray]:
        """The barrier's words."""
        sync = np.zeros(24, dtype=np.int64)
        self.words[words.SYNC] = -(-sync.ctypes.data // ALIGNMENT) * ALIGNMENT
        self.words[words.PYTHON] = capi.table().buffer_info()[0]
        self.words[words.LENGTH] = len(self.words)
        for name, buffer in self.linked.buffers.items():
            if buffer.role == "status":
                self.words[self.linked.interface.addresses[name]] = self.address + 8 * words.STATUS
        return [sync]

    def _outside(self) -> Outside | None:
        """What the external calls of the program call."""
        places = self.linked.interface.procedures
        if not places:
            return None
        program, found = self.compiled.program, self.compiled.procedures
        calls = [item for _, item in work_in(program.body) if isinstance(item, External)]
        kinds = [[(self._kind(program.buffers[n]), len(program.buffers[n].shape)) for n in c.arguments] for c in calls]
        outside = Outside([(call, found[call.number]) for call in calls], kinds)
        for call, address in zip(calls, outside.addresses, strict=True):
            self.words[places[call.number]] = address
        return outside

    @property
    def compiled(self) -> Compiled:
        """What the stages of the compiler leave, for reading."""
        return self.program.compiled

    @property
    def source(self) -> str:
        """The generated source."""
        return self.compiled.source.text

    @cached_property
    def entry(self) -> backend.Entry:
        """The native entry, compiled or loaded at its first use."""
        code, source_of = self.program.code, lambda: self.compiled.source
        entry = loading.program(self.linked.code, source_of, self.seconds, self.runs_as_python, code)
        self.words[words.RUN] = entry.team_address
        return entry

    @cached_property
    def kernels(self) -> backend.Entry:
        """The kernels apart, of which ``call_team(address, number, repeats)`` runs one as often as asked."""
        return loading.kernels(self.linked.code, lambda: self.compiled.source)

    def type_of(self, name: str) -> np.dtype[Any]:
        """NumPy dtype of a buffer."""
        return self._kind(self.linked.buffers[name])

    def _kind(self, buffer: Buffer) -> np.dtype[Any]:
        return NUMPY_TYPES.get(buffer.dtype, self.dtype)

    def bind(self, leaf: Tensor, values: np.ndarray) -> np.ndarray:
        """Hand an array to the program under a leaf; the caller keeps it alive."""
        self.words[self.linked.interface.addresses[self.names[leaf]]] = values.ctypes.data
        return values

    def resize(self, sizes: Mapping[str, int]) -> None:
        """Take run-time sizes by the names of :func:`sg.dim`, and memory for them.

        Raises
        ------
        ArgumentError
            for sizes with which an index would leave its axis, or an axis would have no elements.
        """
        self.check(sizes)
        interface = self.linked.interface
        self.sizes = dict(zip(interface.sizes, (sizes[name] for name in self.size_names), strict=True))
        for name, size in self.sizes.items():
            self.words[interface.sizes[name]] = size
        self.threads = self._threads_for(tuple(self.sizes.values()))
        largest = {name: max(size, self.words[interface.limits[name]]) for name, size in self.sizes.items()}
        if largest != self._largest:
            self.words[words.SCRATCH] = self._reserve(self.linked.scratch, largest, self.most_threads)
            self._reserve(self.linked.arena, largest, 1)
            for name, size in largest.items():
                self.words[interface.limits[name]] = size
            self._largest = largest

    def check(self, sizes: Mapping[str, int]) -> None:
        """Raise unless sizes meet what the definitions ask of them; the error tells what is missed by most."""
        missed = [(evaluate_integer(size, sizes), number) for number, size in enumerate(self.linked.required)]
        if missed and min(missed)[0] < 0:
            raise ArgumentError(self.program.missed(min(missed)[1], sizes))

    def _threads_for(self, sizes: tuple[int, ...]) -> int:
        if self.most_threads == 1:
            return 1
        if sizes not in self._work:
            self._work[sizes] = threads_worth(self.linked.portions, self.sizes, self.dtype.itemsize, self.most_threads)
        return self._work[sizes]

    @property
    def size_names(self) -> tuple[str, ...]:
        """Names of :func:`sg.dim`, in the order of the interface."""
        return self.linked.size_names

    def _reserve(self, arena: Arena, largest: Mapping[str, int], copies: int) -> int:
        """Memory for the largest sizes so far, and in it a place for every buffer; bytes of one of its copies."""
        units = [largest_integer(region.unit, largest) for region in arena.regions]
        bases = [0, *accumulate(unit * region.size for unit, region in zip(units, arena.regions, strict=True))]
        size = bases[-1]
        held = self._memory.get(id(arena))
        if held is None or held.nbytes < size * copies + ALIGNMENT:
            held = self._memory[id(arena)] = np.zeros(size * copies + ALIGNMENT, dtype=np.uint8)
        start = -(-held.ctypes.data // ALIGNMENT) * ALIGNMENT
        for name, slot in arena.slots.items():
            place = start + bases[slot.region] + units[slot.region] * slot.offset
            self.words[self.linked.interface.memory[name]] = place
        return size

    def evaluate(self, size: Expr) -> int:
        return evaluate_integer(size, self.sizes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a buffer at the current sizes."""
        return tuple(self.evaluate(extent) for extent in self.linked.buffers[name].shape)

    def blocks(self, name: str) -> Blocks:
        """Memory for an output."""
        if name not in self._blocks:
            self._blocks[name] = Blocks(self.type_of(name))
        return self._blocks[name]

    def set_output(self, name: str, values: np.ndarray | None = None) -> np.ndarray:
        """Bind an array to an output, a fresh one if none is given."""
        result = self.blocks(name).maker(self.shape(name))() if values is None else values
        self.words[self.linked.interface.addresses[name]] = result.ctypes.data
        return result

    def run(self) -> int:
        """Run the program on what is bound; its status afterwards, as :mod:`codegen.loops.words` names them. What an
        external function has raised is raised."""
        entry = self.entry
        self.words[words.STATUS] = words.DONE
        with nullcontext() if FIRST_CALL in self.seconds else debug.stage(FIRST_CALL, self.seconds):
            backend.launch(entry, self.address, self.threads)
        status = self.words[words.STATUS]
        if status == words.FAILED and self.outside is not None:
            raise self.outside.failed()
        return status

    def run_often(self, times: int) -> None:
        """Run the program on what is bound, again and again."""
        for _ in range(times):
            backend.launch(self.entry, self.address, self.threads)

    def labels_read(self) -> dict[Tensor, np.ndarray]:
        """What the program has read as labels when it found one of them wrong."""
        found = {}
        for number, name in self.linked.labels:
            shape = self.shape(name)
            memory = (ctypes.c_int64 * math.prod(shape)).from_address(self.words[self.linked.interface.memory[name]])
            found[self.leaves[number]] = np.array(memory, dtype=np.int64).reshape(shape)
        return found

    @property
    def dims(self) -> dict[str, int]:
        """The run-time sizes by the names of :func:`sg.dim`."""
        return dict(zip(self.size_names, self.sizes.values(), strict=True))
