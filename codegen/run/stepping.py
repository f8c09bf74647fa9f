"""The compiled program of a training step, and its two kinds of calls: checked by Python, or by native code alone.

Every method is called by a thread whose turn it is (:mod:`codegen.run.turn`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.loops import words
from codegen.loops.words import ARGUMENTS, STATUS
from codegen.run.direct import Direct, picker
from codegen.run.executable import Executable
from codegen.run.loading import native_part
from codegen.run.results import Results
from symgraph.core.tensor import Tensor

if TYPE_CHECKING:
    from codegen.run.training import TrainStep


@dataclass(frozen=True, slots=True)
class Bound:
    """What a call is given, checked: arrays by leaf, sizes by the names of dims, and new hyper-parameters."""

    arrays: Mapping[Tensor, np.ndarray]
    sizes: Mapping[str, int]
    numbers: Mapping[str, float]


class StepProgram:
    """A program with the words that are the same at every call.

    Attributes
    ----------
    native : checks arrays and runs; None until a checked call has been made twice, and while what one has left in the
        words may be incomplete.
    """

    def __init__(self, step: TrainStep, executable: Executable) -> None:
        self.step, self.executable = step, executable
        self.native: Any = None
        self._words, self._address = executable.words, executable.address
        protected = len(step.updated) + len(step.state)
        self._direct = Direct(
            executable, step.stored, step.inputs, step.updated, protected=protected,
            learns_sizes=not executable.linked.required,
        )  # fmt: skip
        self._pick_parameters = picker([str(leaf.name) for leaf in step.stored])
        self._pick_inputs = picker([str(leaf.name) for leaf in step.inputs])
        self._parameter_count, self._input_count = len(step.stored), len(step.inputs)
        self._loss = np.zeros((), dtype=step.dtype)
        self.read_loss = self._loss.item
        self._words[words.NEEDS_FINITE] = step.check_finite
        self._words[words.LOSS_BYTES] = step.dtype.itemsize
        self._words[words.LOSS] = self._loss.ctypes.data
        outputs, addresses = executable.linked.outputs, executable.linked.interface.addresses
        self._own = len(outputs) - len(step.formulas.extra)
        self._loss_name = outputs[self._own - 1]
        checked = np.zeros((), dtype=step.dtype)  # what may be before the loss
        self._outputs = {addresses[name]: checked for name in outputs[: self._own - 1]}
        self._outputs[addresses[self._loss_name]] = self._loss
        self._checked_calls = 0

    def direct_call(self, params: Any, inputs: Mapping[str, Any]) -> float | None:
        """The loss; None where the call has to be checked, and nothing has been written."""
        native, packed = self.native, self._words
        if native is None:
            return None
        try:
            given = self._pick_parameters(params), self._pick_inputs(inputs)
            if len(params) != self._parameter_count:
                return None
            more = len(inputs) - self._input_count
            before = self._take_numbers(inputs, more) if more else None
        except (KeyError, TypeError, IndexError, OverflowError):
            return None
        packed[ARGUMENTS] = id(given)
        native(self._address)
        if packed[STATUS]:
            if before is not None:
                self.step.hyper.values_array[:] = before
            return None
        return self.read_loss()

    def _take_numbers(self, inputs: Mapping[str, Any], count: int) -> np.ndarray:
        """Set the hyper-parameters among the inputs; their earlier values. ``KeyError`` where Python has to check."""
        numbers = self.step.hyper.with_plain(inputs, count)
        values = self.step.hyper.values_array
        before = values.copy()
        values[:] = numbers
        return before

    def checked_call(self, bound: Bound) -> tuple[int, float, list[np.ndarray]]:
        """Status, loss, and the values of further outputs."""
        results = self.bind(bound)
        status = self.executable.run()
        if status != words.DONE:
            return status, self.read_loss(), []
        self._checked_calls += 1
        if self.step.form is None and self._direct.possible and self._checked_calls > 1:
            self.native = self._direct.native()
        return status, self.read_loss(), results.values({self._loss_name: self._loss}) if self.step.form else []

    def bind(self, bound: Bound) -> Results:
        """Hand everything to the program, with memory for further outputs; the caller keeps the arrays and the results
        as long as it runs on them."""
        self.native = None
        self.step.hyper.update(bound.numbers)
        self.executable.resize(bound.sizes)
        for word, array in self._outputs.items():
            self._words[word] = array.ctypes.data
        for leaf, values in bound.arrays.items():
            self.executable.bind(leaf, values)
        self._direct.protect([values for _, values in self.step.written(bound.arrays)])
        return Results(self.executable, bound.arrays, skip=self._own)

    def fits_again(self, params: Any, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
        """Whether nobody has bound the program since it got these ``sizes``, what is written is where it was then, and
        native code finds that all of these arguments fit: then it is bound to them. False where Python has to look."""
        executable, packed = self.executable, self._words
        if executable.sizes is not sizes or self.step.form is not None or not self._direct.possible:
            return False
        try:
            given = self._pick_parameters(params), self._pick_inputs(inputs)
        except (KeyError, TypeError, IndexError):
            return False
        if len(params) != self._parameter_count or len(inputs) != self._input_count or self.step.hyper.missing():
            return False
        for name, size in sizes.items():  # an epoch leaves those of its last batch
            packed[executable.linked.interface.sizes[name]] = size
        packed[ARGUMENTS] = id(given)
        native_part("check").call_with_lock(self._address)
        return packed[STATUS] == words.DONE  # type: ignore[no-any-return]
