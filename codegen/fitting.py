"""Training for whole epochs: one native call, watched from Python.

The native code runs in a thread of its own without Python's lock. The caller's thread waits, prints progress from a
counter that the native code keeps, and, on Ctrl-C, sets a flag that the native code reads before every batch.
"""

from __future__ import annotations

import array
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen import arguments, jit, placement
from codegen import interface as words
from symgraph.errors import DomainError, ShapeError
from symgraph.indices import Dim
from symgraph.provenance import at_line
from symgraph.tensor import Tensor

if TYPE_CHECKING:
    from codegen.training import Params, TrainStep

EPOCHS, DONE, STOP, LOSSES, STOPPED = 2, 5, 6, 9, 11
"""Words of the table that :mod:`codegen.support` describes."""


@dataclass(slots=True)
class History:
    """What happened: the mean loss of every finished epoch, values of the validation, and the time.

    ``seconds`` are those of training alone, without compiling, validation and callbacks; ``stopped`` tells that
    training was interrupted before its end.
    """

    loss: list[float] = field(default_factory=list)
    validation: list[Any] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0
    stopped: bool = False


def fit(
    step: TrainStep,
    params: Params,
    data: Mapping[str, Any],
    epochs: int,
    batch_size: int,
    seed: int,
    shuffle: bool,
    validation: Callable[[Params], Any] | None,
    callback: Callable[[int, History], Any] | None,
    progress: bool | None,
) -> History:
    """Train in place.

    Parameters
    ----------
    step : the compiled step.
    params : arrays by name, updated in place.
    data : arrays by input name. The batch size is the first size of the input declared first that has a symbolic one;
        every array with this first size has a row per example.
    epochs, batch_size : the last batch of an epoch may be short.
    seed : of the order of the examples, where ``shuffle``.
    validation : called with the parameters after each epoch; its values are kept.
    callback : called with (epoch, history) after each epoch; a true result ends training.
    progress : print a line as training goes on; by default where standard error is a terminal.

    Raises
    ------
    ArgumentError, ShapeError, DomainError
        before anything is written.
    """
    epochs = arguments.whole_number("epochs", epochs, 0)
    batch_size = arguments.whole_number("batch_size", batch_size, 1)
    seed = arguments.whole_number("seed", seed, 0)
    for name, function in (("validation", validation), ("callback", callback)):
        if function is not None and not callable(function):
            raise DomainError(at_line(f"{name} must be a function, not {function!r}"))
    given, numbers = step.split(data)
    axis, sizes, arrays = _rows(step, given)
    examples = sizes[axis.size.name]
    batch = min(batch_size, examples)
    for rows in (batch, examples % batch or batch):
        step.executable.check(sizes | {axis.size.name: rows})
    first: dict[str, Any] = dict(numbers)
    for leaf, values in arrays.items():
        first[str(leaf.name)] = values[:batch] if leaf in axis.leaves else values
    bound = step.bind(params, first)
    step.check_apart(bound, arrays)
    plan = _Plan(step, arrays, axis, examples, batch, seed, shuffle)
    history = History()
    in_one_call = validation is None and callback is None
    shows = sys.stderr.isatty() if progress is None else progress
    watch = _Watch(plan, epochs * -(-examples // batch), shows)
    done = 0
    while done < epochs and not history.stopped:
        count = epochs if in_one_call else 1
        losses, history.stopped, seconds = plan.run(params, first, count, watch)
        history.loss += losses
        history.seconds += seconds
        done += count
        if validation is not None and not history.stopped:
            history.validation.append(validation(params))
        if callback is not None and not history.stopped and callback(done - 1, history):
            break
    history.steps = plan.table[DONE]
    watch.finish(history)
    return history


@dataclass(frozen=True, slots=True)
class _BatchAxis:
    size: Dim
    leaves: tuple[Tensor, ...]


def _rows(step: TrainStep, data: Mapping[str, Any]) -> tuple[_BatchAxis, dict[str, int], dict[Tensor, np.ndarray]]:
    """The size that stands for the batch, all sizes, that one as the number of examples, and the data, all checked."""
    leading = [leaf.shape[0] for leaf in step.inputs if leaf.ndim and isinstance(leaf.shape[0], Dim)]
    if not leading:
        raise ShapeError(at_line("fit needs an input whose first size is symbolic, sg.dim(...): the batch size"))
    size = leading[0]
    for leaf in step.inputs:
        others = leaf.shape[1:] if leaf.shape[:1] == (size,) else leaf.shape
        if any(size in extent.atoms(Dim) for extent in others):
            raise ShapeError(
                at_line(
                    f"fit takes rows: {arguments.described(leaf)} has the batch size {size} not as its first size alone"
                )
            )
    axis = _BatchAxis(size, tuple(leaf for leaf in step.inputs if leaf.ndim and leaf.shape[0] == size))
    arrays, sizes = arguments.collect(step.inputs, data, step.dtype)
    return axis, sizes, arrays


class _Plan:
    """The table of :mod:`codegen.support`, and all memory that it points to."""

    def __init__(
        self,
        step: TrainStep,
        arrays: Mapping[Tensor, np.ndarray],
        axis: _BatchAxis,
        examples: int,
        batch: int,
        seed: int,
        shuffle: bool,
    ) -> None:
        self.step, self.executable = step, step.executable
        self.entry = self.executable.entry  # compiled before the clock starts
        self.native = jit.support("epochs")
        interface, names = self.executable.compiled.interface, self.executable.names
        self.bound: Mapping[Tensor, np.ndarray] = {}
        self.steps_per_epoch = -(-examples // batch)
        self.order = np.arange(examples, dtype=np.int64)
        self.data = dict(arrays)
        self.batches = {leaf: np.empty((batch, *arrays[leaf].shape[1:]), arrays[leaf].dtype) for leaf in axis.leaves}
        position = dict(zip(self.executable.size_names, interface.sizes.values(), strict=True))[axis.size.name]
        state = int(np.random.SeedSequence(seed).generate_state(1)[0]) or 1
        header = [
            examples,
            batch,
            0,
            int(shuffle),
            state,
            0,
            0,
            len(axis.leaves),
            self.order.ctypes.data,
            0,
            position,
            0,
        ]
        self.table = array.array("q", header)
        for leaf in axis.leaves:
            row_bytes = arrays[leaf].nbytes // examples
            address = interface.addresses[names[leaf]]
            self.table.extend([arrays[leaf].ctypes.data, row_bytes, self.batches[leaf].ctypes.data, address])

    def run(
        self, params: Params, first: Mapping[str, Any], epochs: int, watch: _Watch
    ) -> tuple[list[float], bool, float]:
        """Losses of the epochs that were finished, whether training was stopped, and the seconds it took.

        Everything is bound anew: between two epochs a callback may have replaced an array, or called the step itself.
        """
        with self.step.lock:
            self.bound = self.step.bind(params, first)
            losses = np.empty(max(1, epochs))
            done = self.table[DONE]
            self.table[EPOCHS], self.table[LOSSES] = epochs, losses.ctypes.data
            self.executable.words[words.SCHEDULE] = self.table.buffer_info()[0]
            started = time.perf_counter()
            watch.wait_for(lambda: jit.launch(self.native, self.executable.address, self.executable.threads))
            seconds = time.perf_counter() - started
        stopped = self.table[STOPPED] != 0
        finished = (self.table[DONE] - done) // self.steps_per_epoch if stopped else epochs
        return losses[:finished].tolist(), stopped, seconds


class _Watch:
    """Waits for native code in a second thread; shows its counter; passes Ctrl-C on."""

    def __init__(self, plan: _Plan, steps: int, shows: bool) -> None:
        self.plan, self.steps, self.shows = plan, steps, shows
        self.started = time.perf_counter()

    def wait_for(self, run: Callable[[], Any]) -> None:
        """Run to the end, or until a first Ctrl-C has been answered; a failure in the thread is raised here."""
        failures: list[BaseException] = []
        ended = threading.Event()
        here = placement.processor()

        def guarded() -> None:
            placement.move_to(here)  # from here on it is the caller that waits, and workers may be elsewhere
            try:
                run()
            except BaseException as error:
                failures.append(error)
            finally:
                ended.set()

        threading.Thread(target=guarded, daemon=True).start()
        waiting = True
        while waiting:
            try:
                while not ended.wait(0.1):
                    self._show()
                waiting = False
            except KeyboardInterrupt:
                self.plan.table[STOP] = 1
        if failures:
            raise failures[0]

    def _show(self) -> None:
        if self.shows:
            done = self.plan.table[DONE]
            rate = done / max(1e-9, time.perf_counter() - self.started)
            print(f"\r{done}/{self.steps} steps, {rate:.0f}/s", end="", file=sys.stderr, flush=True)

    def finish(self, history: History) -> None:
        """End the progress line."""
        if self.shows:
            self._show()
            last = f", loss {history.loss[-1]:.4g}" if history.loss else ""
            print(f", {history.seconds:.2f} s{last}", file=sys.stderr)
