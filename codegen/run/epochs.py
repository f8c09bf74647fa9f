"""Whole epochs as native code runs them: their schedule, all memory that it points to, and the thread they run in."""

from __future__ import annotations

import array
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.backend import Job, team_addresses
from codegen.loops import words
from codegen.loops.epoch_words import (
    ARRAYS,
    ASKED,
    BATCH,
    BEFORE,
    EPOCH,
    EPOCHS,
    EXAMPLES,
    FIRST,
    GIVEN,
    GO_ON,
    HEADER,
    IN_PLACE,
    LAUNCH,
    LOSSES,
    ORDER,
    PAUSED,
    POOL,
    SHUFFLE,
    SHUFFLED,
    SIZE_WORD,
    STATE,
    STEP,
    STEPS,
    STOP,
    STOPPED,
    THREADS,
    TOTAL,
)  # fmt: skip
from codegen.run import arguments, loading, nonfinite
from codegen.run.history import History
from codegen.run.intact import Intact
from codegen.run.results import Results
from codegen.run.stepping import Bound
from codegen.run.turn import GATE
from codegen.run.watch import Watch
from symgraph.core.indices import Dim
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, ShapeError, SymgraphError

if TYPE_CHECKING:
    from codegen.run.training import Params, TrainStep

A_MOMENT = 0.005
"""Seconds that a signal may wait: epochs that by those before will have ended by then get no thread of their own."""


@dataclass(frozen=True, slots=True)
class BatchAxis:
    """The size that stands for the batch, and the inputs whose first size it is."""

    size: Dim
    leaves: tuple[Tensor, ...]


class Epochs:
    """The table of :mod:`codegen.native.runtime`, and all memory that it points to."""

    def __init__(
        self,
        step: TrainStep,
        arrays: Mapping[Tensor, np.ndarray],
        axis: BatchAxis,
        examples: int,
        batch: int,
        seed: int,
        shuffle: bool,
    ) -> None:
        self.step, self.executable = step, step.executable
        self.entry = step.turn.take(lambda: step.executable.entry)  # compiled before the clock starts
        as_python = self.executable.runs_as_python
        self.native = loading.part("epochs", as_python)
        several = self.executable.most_threads > 1
        self.one_step = loading.part("batch", as_python) if several else self.native  # which one thread does not launch
        interface, names = self.executable.linked.interface, self.executable.names
        self.steps_per_epoch = -(-examples // batch)
        self.orders = np.arange(examples, dtype=np.int64)[None]
        self.data, self.axis, self.batch = dict(arrays), axis, batch
        self.batches = {leaf: np.empty((batch, *arrays[leaf].shape[1:]), arrays[leaf].dtype) for leaf in axis.leaves}
        position = dict(zip(self.executable.size_names, interface.sizes.values(), strict=True))[axis.size.name]
        state = int(np.random.SeedSequence(seed).generate_state(1)[0]) or 1
        header = dict.fromkeys(range(HEADER), 0)
        header |= {EXAMPLES: examples, BATCH: batch, ARRAYS: len(axis.leaves), STATE: state}
        header[SHUFFLE] = SHUFFLED if shuffle else IN_PLACE
        header |= {ORDER: self.orders.ctypes.data, SIZE_WORD: position, STEP: self.one_step.team_address}
        self.table = array.array("q", header.values())
        for leaf in axis.leaves:
            row_bytes = arrays[leaf].nbytes // examples
            address = interface.addresses[names[leaf]]
            self.table.extend([arrays[leaf].ctypes.data, row_bytes, self.batches[leaf].ctypes.data, address])
        self.bound: Bound
        self.epoch_took = float("inf")
        self.sizes: Mapping[str, int] | None = None
        self.intact: Intact
        self.job = _Background(self.native, self.executable, self.table)

    def in_a_moment(self, most: int) -> int:
        """As many of ``most`` epochs as need no thread of their own; all of them where a single one needs it."""
        return int(min(most, A_MOMENT / self.epoch_took)) or most

    def take(self, orders: Sequence[Any]) -> None:
        """The orders of the next epochs, of a function of the user's."""
        examples = self.table[EXAMPLES]
        self.orders = np.empty((len(orders), examples), np.int64)
        for place, order in enumerate(orders):
            found = np.asarray(order)
            if found.shape != (examples,) or found.dtype.kind not in "iu":
                raise ShapeError(
                    at_line(f"shuffle must return as many numbers of examples as there are, {examples}, not "
                            f"{found.dtype} of shape {found.shape}")
                )  # fmt: skip
            self.orders[place] = found
        least, most = self.orders.min(), self.orders.max()
        if least < 0 or most >= examples:
            raise ArgumentError(at_line(f"shuffle returns {least} … {most}; examples are 0 … {examples - 1}"))
        self.table[SHUFFLE], self.table[ORDER] = GIVEN, self.orders.ctypes.data

    def run(self, params: Params, first: Mapping[str, Any], epochs: int, watch: Watch, history: History) -> None:
        """Train for so many epochs, and enter in the history what was done.

        Between two epochs a callback may have replaced an array, or called the step itself: then everything is bound
        anew.
        """
        losses = np.zeros(epochs)
        self.table[EPOCH] = 0
        try:
            status = self.step.turn.take(self._run, params, first, losses, watch, history)
        except KeyboardInterrupt:
            history.stopped = True
            status = words.DONE
        history.loss += losses[: self.table[EPOCH]].tolist()
        history.steps = self.table[STEPS]
        if status in (words.DONE, words.NOT_FINITE) and not history.stopped:
            before = self.table[BEFORE]
            self.intact.check(before, before + max(0, self.table[EPOCH] - (status == words.DONE)), self.data)
            if before == 0 and status == words.DONE:
                self.intact.tell_of_zeros()
        if status != words.DONE:
            raise self._refused(status, self.bound)

    def _bind(self, params: Params, first: Mapping[str, Any]) -> Results | None:
        """Bind the program; memory for further outputs, which no epoch returns."""
        program, held = self.step.program, None
        if self.sizes is None or not program.fits_again(params, first, self.sizes):
            self.bound = self.step.checked(params, first)
            self.intact = Intact(self.step, self.bound.arrays)
            held = program.bind(self.bound)
            self.sizes = self.executable.sizes  # which every binding makes anew
        self.intact.remember()
        return held

    def _run(
        self, params: Params, first: Mapping[str, Any], losses: np.ndarray, watch: Watch, history: History
    ) -> int:
        """The status of the last step. Fork hooks find the job in the turn, may pause it, and it goes on here."""
        table, turn = self.table, self.step.turn
        table[EPOCH] = table[FIRST] = table[TOTAL] = 0
        table[EPOCHS], table[LOSSES] = len(losses), losses.ctypes.data
        held = self._bind(params, first)
        self.executable.words[words.SCHEDULE] = table.buffer_info()[0]
        self.executable.words[words.STATUS] = words.DONE
        started = time.perf_counter()
        try:
            is_short = len(losses) * self.epoch_took < A_MOMENT
            turn.job = self.job if self.job.is_elsewhere and not is_short else None
            paused = True
            while paused:
                try:
                    self.job.begin(is_short)
                    ended = False
                    while not ended:
                        ended = self.job.has_ended()
                        watch.loss = losses[table[EPOCH] - 1] if table[EPOCH] else watch.loss
                        watch.show()
                finally:
                    self.job.finish()
                paused = table[STOPPED] == PAUSED
        finally:
            turn.job = None
            del held
            took = time.perf_counter() - started
            self.epoch_took = took / max(1, table[EPOCH])
            history.seconds += took
        status = self.executable.words[words.STATUS]
        if status == words.FAILED and self.executable.outside is not None:
            raise self.executable.outside.failed()
        return status

    def _refused(self, status: int, bound: Bound) -> SymgraphError:
        """Why the last step has not been taken, in terms of the rows of the data."""
        if status == words.NOT_FINITE:
            examples, way = self.table[EXAMPLES], self.table[SHUFFLE]
            rows = self.orders[self.table[EPOCH] if way == GIVEN else 0] if way else np.arange(examples)
            chosen = rows[self.table[FIRST] : self.table[FIRST] + self.batch]
            batch = {
                leaf: self.data[leaf][chosen] if leaf in self.axis.leaves else self.data[leaf] for leaf in self.data
            }
            sizes = {**bound.sizes, self.axis.size.name: len(chosen)}
            given = Bound({**bound.arrays, **batch}, sizes, bound.numbers)
            loss = self.step.program.read_loss()
            return nonfinite.explained(self.step, loss, given, rows=chosen, batched=self.axis.leaves)
        sizes = {**bound.sizes, self.axis.size.name: self.table[EXAMPLES]}
        try:
            for leaf, values in self.data.items():
                if leaf.is_label:
                    arguments.check_labels(leaf, values, sizes)
        except SymgraphError as error:
            return error
        return self.step.refused(status, 0.0, bound)


class _Background:
    """The launch of a schedule in the background; on the caller's thread where that is short, or where it runs Python:
    as plain source, or in external functions, which may call the step again, or be interrupted."""

    def __init__(self, native: Any, executable: Any, table: array.array[int]) -> None:
        self._native, self._executable, self._table = native, executable, table
        self._job = Job(table.buffer_info()[0] + 8 * STOP)
        self.finish = self._job.finish
        outside = executable.outside
        self.is_elsewhere = native.is_native and (outside is None or not outside.asks_python)

    def begin(self, is_short: bool) -> None:
        """On the caller's thread a fork waits for its turn, so that it must not wait for the fork."""
        if not self.is_elsewhere or is_short:
            self._set_off()
            self._native.call(self._executable.address)
            return
        with GATE:
            self._set_off()
            self._job.begin(self._native.team_address, self._executable.address, 1)

    def _set_off(self) -> None:
        self._table[STOP] = self._table[STOPPED] = GO_ON
        self._table[THREADS] = self._executable.threads
        if self._native.is_native and self._executable.threads > 1:
            self._table[LAUNCH], self._table[POOL] = team_addresses()

    def pause(self) -> None:
        if self._table[STOP] != ASKED:
            self._table[STOP] = PAUSED

    def has_ended(self) -> bool:
        return self._job.has_ended()

    def forget(self) -> None:
        self._job.forget()
