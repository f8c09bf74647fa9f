"""``codegen.train_step``: forward, backward and update of a loss as one native call, and whole epochs as another.

step = codegen.train_step(J, optimizer=sg.SGD(lr=0.1));  params = step.init(seed=0)
loss = step(params, x=xb, t=tb);  history = step.fit(params, {"x": X, "t": T}, epochs=20, batch_size=32, seed=0)
"""

from __future__ import annotations

import array
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from codegen import arguments, debug, fitting, jit
from codegen import interface as words
from codegen.executable import Executable
from codegen.fitting import History
from codegen.pipeline import leaves_in
from codegen.plan import Request
from codegen.program import as_dtype
from codegen.report import Report
from symgraph.define import as_tensor
from symgraph.differentiate import grad
from symgraph.errors import ArgumentError, DisconnectedError, DomainError, NameConflictError
from symgraph.indices import Dim, show_shape
from symgraph.optimisers import SGD, Optimizer
from symgraph.provenance import at_line
from symgraph.tensor import Tensor

Params = MutableMapping[str, np.ndarray]


class Hyper(MutableMapping[str, float]):
    """Hyper-parameters by name: a mapping of numbers that native code reads at every step."""

    def __init__(self, names: Sequence[str]) -> None:
        self.values_array = np.full(max(1, len(names)), np.nan)
        self._position = {name: number for number, name in enumerate(names)}

    def __getitem__(self, name: str) -> float:
        return float(self.values_array[self._position[name]])

    def __setitem__(self, name: str, value: float) -> None:
        if name not in self._position:
            known = ", ".join(self._position) or "none"
            raise ArgumentError(at_line(f"there is no hyper-parameter {name}; known are: {known}"))
        self.values_array[self._position[name]] = float(value)

    def __delitem__(self, name: str) -> None:
        raise ArgumentError(at_line(f"hyper-parameter {name} is part of the formulas and cannot be deleted"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._position)

    def __len__(self) -> int:
        return len(self._position)

    def __repr__(self) -> str:
        return repr(dict(self))


class TrainStep:
    """A compiled training step; made by :func:`train_step`.

    Attributes
    ----------
    parameters, inputs : leaves, in the order of the graph.
    hyper : hyper-parameters by name, to be changed at any time without compiling.
    state : the optimiser's arrays by name, such as ``"W1.m"``; updated in place.
    """

    def __init__(
        self,
        loss: Any,
        optimizer: Optimizer,
        dtype: Any,
        outputs: Any,
        parameters: Sequence[Tensor] | None,
        threads: int | None,
    ) -> None:
        start = time.perf_counter()
        self.dtype = as_dtype(dtype)
        self.optimizer = optimizer
        self._threads = threads
        self.loss = as_tensor(loss)
        if self.loss.ndim:
            raise DomainError(
                at_line(f"the loss must be a scalar; {self.loss.display_name} has shape {show_shape(self.loss.shape)}")
            )
        self._outputs = outputs
        extra = list(outputs.values()) if isinstance(outputs, Mapping) else list(outputs or [])
        self._extra = tuple(as_tensor(output) for output in extra)
        found = leaves_in(Request((self.loss, *self._extra)))
        self.parameters = self._chosen(found, parameters)
        gradients = grad(self.loss, list(self.parameters))
        self.updates = optimizer.updates({p: gradients[p] for p in self.parameters})
        self.seconds_to_derive = time.perf_counter() - start
        computed = tuple(output for output in self._extra if output.definition is not None)
        self._request = Request((self.loss, *computed), tuple((u.leaf, u.value) for u in self.updates))
        leaves = leaves_in(self._request)
        self._check_names(leaves)
        self.inputs = tuple(leaf for leaf in leaves if leaf.kind in ("input", "labels"))
        self._frozen = tuple(leaf for leaf in leaves if leaf.kind == "parameter" and leaf not in self.parameters)
        self._scalars = tuple(leaf for leaf in leaves if leaf.kind == "scalar")
        self.hyper = Hyper([str(leaf.name) for leaf in self._scalars])
        for name, value in optimizer.hyper.items():
            self.hyper[name] = value
        self._leaves = (
            *self.inputs,
            *self._stored,
            *self._scalars,
            *(leaf for leaf in leaves if leaf.kind in ("state", "constant")),
        )
        self._executable: Executable | None = None
        self._native: Any = None
        self._calls = 0
        self.state: dict[str, np.ndarray] = {
            str(u.leaf.name): np.zeros(
                tuple(int(s) for s in u.leaf.shape), np.float64 if u.leaf.ndim == 0 else self.dtype
            )
            for u in self.updates
            if u.leaf.kind == "state"
        }
        self.reset()

    # -- what the program is about ----------------------------------------------------------------------------------------
    def _chosen(self, leaves: Sequence[Tensor], parameters: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        present = [leaf for leaf in leaves if leaf.kind == "parameter"]
        if parameters is None:
            if not present:
                raise DisconnectedError(at_line(f"the loss {self.loss.display_name} depends on no parameter"))
            return tuple(present)
        for parameter in parameters:
            if parameter not in present:
                raise DisconnectedError(
                    at_line(f"parameter {parameter.display_name} does not influence the loss {self.loss.display_name}")
                )
        return tuple(parameters)

    def _check_names(self, leaves: Sequence[Tensor]) -> None:
        seen: dict[str, Tensor] = {}
        for leaf in leaves:
            other = seen.setdefault(str(leaf.name), leaf)
            if other is not leaf and "constant" not in (leaf.kind, other.kind):
                raise NameConflictError(
                    f"the name {leaf.name} stands for two things:\n  {other.kind} at {other.place}\n  {leaf.kind} at {leaf.place}"
                )

    @property
    def _stored(self) -> tuple[Tensor, ...]:
        return (*self.parameters, *self._frozen)

    def init(self, seed: int | np.random.Generator = 0) -> dict[str, np.ndarray]:
        """Fresh parameters from their initialisers, in the order of the graph; the optimiser's state starts anew."""
        generator = np.random.default_rng(seed)
        self.reset()
        result = {}
        for leaf in self._stored:
            shape = tuple(int(size) for size in leaf.shape)
            assert leaf.init is not None
            values = np.asarray(leaf.init(generator, shape))
            result[str(leaf.name)] = np.array(np.broadcast_to(values, shape), dtype=self.dtype, order="C")
        return result

    def reset(self) -> None:
        """Set the optimiser's state to its first values."""
        for update in self.updates:
            if update.leaf.kind == "state":
                self.state[str(update.leaf.name)][...] = update.initial or 0.0

    @property
    def executable(self) -> Executable:
        """The compiled program; compiled at its first use."""
        if self._executable is None:
            self._executable = Executable(self._request, self._leaves, self.dtype, self._threads)
            self._prepare(self._executable)
        return self._executable

    @property
    def source(self) -> str:
        """The generated source."""
        return self.executable.source

    def report(self, measure: bool = False, sizes: Mapping[str, int] | None = None) -> Report:
        """What every kernel computes and costs, and how long each stage took; with ``measure`` also its time now."""
        return Report.of(self.executable, self.seconds_to_derive, measure, sizes)

    # -- calling ----------------------------------------------------------------------------------------------------------
    def _prepare(self, executable: Executable) -> None:
        """Everything about a call that is the same every time."""
        for number, leaf in enumerate(self._scalars):
            executable.bind(leaf, self.hyper.values_array[number : number + 1])
        for name, values in self.state.items():
            executable.bind(next(u.leaf for u in self.updates if u.leaf.name == name), values)
        interface, names = executable.compiled.interface, executable.names
        self._words = executable.words
        self._address = executable.address
        objects = [interface.objects[names[leaf]] for leaf in (*self._stored, *self.inputs)]
        self._parameter_words = objects[: len(self._stored)]
        self._input_words = objects[len(self._stored) :]
        self._parameter_names = [str(leaf.name) for leaf in self._stored]
        self._input_names = [str(leaf.name) for leaf in self.inputs]
        self._pick_parameters = _picker(self._parameter_names)
        self._pick_inputs = _picker(self._input_names)
        self._fast = not (self._extra or debug.runs_as_python()) and _objects_are_as_expected()
        self._table = self._argument_table(executable)
        self._words[words.TABLE] = self._table.buffer_info()[0] + 8
        self._spans = array.array("q", bytes(8 * (1 + 2 * (len(self.parameters) + len(self.state)))))
        self._words[words.SPANS] = self._spans.buffer_info()[0]
        self._loss_array = np.zeros((), dtype=self.dtype)
        self._words[words.LOSS_BYTES] = self.dtype.itemsize
        self._words[words.LOSS] = self._loss_array.ctypes.data
        self._words[interface.addresses[executable.compiled.program.outputs[0]]] = self._loss_array.ctypes.data
        self._read_loss = self._loss_array.item

    def _argument_table(self, executable: Executable) -> array.array[int]:
        """Records for :func:`codegen.guards.arrays_fit`."""
        interface, names = executable.compiled.interface, executable.names
        table = array.array("q", [len(executable.size_names), len(self._stored) + len(self.inputs)])
        learned: set[str] = set()
        sizes = dict(zip(executable.size_names, interface.sizes.values(), strict=True))
        for leaf in (*self._stored, *self.inputs):
            name = names[leaf]
            dtype = executable.type_of(name)
            table.extend(
                [interface.objects[name], interface.addresses[name], int(leaf in self._stored), id(dtype), leaf.ndim]
            )
            table.extend([self._values_check(leaf), dtype.itemsize])
            for size in leaf.shape:
                if size.is_Integer:
                    table.extend([0, int(size)])
                else:
                    table.extend(
                        [sizes[size.name], int(size.name not in learned)] if isinstance(size, Dim) else [0, -1]
                    )
                    learned.add(getattr(size, "name", ""))
        return table

    def _values_check(self, leaf: Tensor) -> int:
        if leaf.rows_sum_to_one:
            return -1
        if leaf.classes is None:
            return 0
        if not leaf.classes.is_Integer:
            self._fast = False
            return 0
        return int(leaf.classes)

    def __call__(self, params: Params, **inputs: Any) -> Any:
        """One step: the loss before the update, as a float; with ``outputs``, also their values.

        Raises
        ------
        ArgumentError, ShapeError, DomainError
            before anything is written.
        """
        if self._native is None or len(params) != len(self._parameter_names):
            return self._checked_call(params, inputs)
        packed = self._words
        try:
            held = self._pick_parameters(params)
            given = self._pick_inputs(inputs)
        except KeyError:
            return self._checked_call(params, inputs)
        for word, values in zip(self._parameter_words, held):  # noqa: B905  equal by construction, and every 0.1 µs counts
            packed[word] = id(values)
        for word, values in zip(self._input_words, given):  # noqa: B905
            packed[word] = id(values)
        if len(inputs) != len(given):
            return self._checked_call(params, inputs)
        self._native(self._address)
        if packed[0]:
            return self._checked_call(params, inputs)
        return self._read_loss()

    def _checked_call(self, params: Params, inputs: Mapping[str, Any]) -> Any:
        executable = self.executable
        arrays = self._validated(params, inputs)
        program = executable.compiled.program
        fresh = {name: executable.new_output(name) for name in program.outputs[1:] if name != program.outputs[0]}
        fresh[program.outputs[0]] = self._loss_array
        copies = {output: arrays[output].copy() for output in self._extra if output.definition is None}
        executable.run()
        if self._fast and self._native is None:
            self._calls += 1
            if self._calls > 1:
                checked = jit.support("call")
                self._native = (
                    checked.call
                    if executable.threads == 1
                    else partial(jit.launch, checked, threads=executable.threads)
                )
        loss = float(self._loss_array)
        if self._outputs is None:
            return loss
        names = iter(program.outputs[1:])
        results = [copies[output] if output.definition is None else fresh[next(names)].copy() for output in self._extra]
        if isinstance(self._outputs, Mapping):
            return loss, dict(zip(self._outputs, results, strict=True))
        return loss, results

    def _validated(self, params: Params, inputs: Mapping[str, Any]) -> dict[Tensor, np.ndarray]:
        """Check everything, then bind it: nothing has been written if this raises."""
        executable = self.executable
        inputs = self._take_hyper(inputs)
        arguments.check_names(params, self._stored)
        arguments.check_names(inputs, self.inputs)
        sizes: dict[str, int] = {}
        written, read = [], []
        for leaf in self._stored:
            written.append((leaf, arguments.as_written(leaf, params[str(leaf.name)], self.dtype)))
            arguments.bind_sizes(leaf, written[-1][1], sizes)
        for leaf in self.inputs:
            read.append((leaf, arguments.as_array(leaf, inputs[str(leaf.name)], self.dtype)))
            arguments.bind_sizes(leaf, read[-1][1], sizes)
        for leaf, values in read:
            if leaf.is_label:
                arguments.check_labels(leaf, values, sizes)
            if leaf.rows_sum_to_one:
                arguments.check_rows(leaf, values)
        state = [
            (update.leaf, self.state[str(update.leaf.name)]) for update in self.updates if update.leaf.kind == "state"
        ]
        arguments.check_overlap([*written, *state], read)
        self._check_hyper()
        executable.resize(sizes)
        self._words[executable.compiled.interface.addresses[executable.compiled.program.outputs[0]]] = (
            self._loss_array.ctypes.data
        )
        for number, (leaf, values) in enumerate([*written, *read]):
            executable.bind(leaf, values)
            if number < len(written):
                self._spans[1 + 2 * number] = values.ctypes.data
                self._spans[2 + 2 * number] = values.ctypes.data + values.nbytes
        self._spans[0] = len(written)
        return dict([*written, *read])

    def _take_hyper(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Scalars of the loss may be given like inputs; they stay as set."""
        rest = dict(inputs)
        for name in [name for name in rest if name in self.hyper]:
            self.hyper[name] = rest.pop(name)
        return rest

    def _check_hyper(self) -> None:
        for leaf in self._scalars:
            if np.isnan(self.hyper[str(leaf.name)]):
                raise ArgumentError(at_line(f"hyper-parameter {leaf.name} has no value: set step.hyper[{leaf.name!r}]"))

    # -- whole epochs -----------------------------------------------------------------------------------------------------
    def fit(
        self,
        params: Params,
        data: Mapping[str, Any],
        epochs: int = 1,
        batch_size: int = 32,
        seed: int = 0,
        shuffle: bool = True,
        validation: Any = None,
        callback: Any = None,
        progress: bool | None = None,
    ) -> History:
        """Train for whole epochs without Python in the loop; see :func:`codegen.fitting.fit`."""
        return fitting.fit(self, params, data, epochs, batch_size, seed, shuffle, validation, callback, progress)


def _picker(names: Sequence[str]) -> Any:
    if not names:
        return lambda mapping: ()
    if len(names) == 1:
        return lambda mapping: (mapping[names[0]],)
    return itemgetter(*names)


def _objects_are_as_expected() -> bool:
    """Whether array objects lie in memory as NumPy's headers say, on this interpreter."""
    import ctypes

    sample = np.zeros((3, 5), dtype=np.float32)
    there = (ctypes.c_int64 * 9).from_address(id(sample))
    extents = (ctypes.c_int64 * 2).from_address(there[4])
    return (
        there[1] == id(np.ndarray)
        and there[2] == sample.ctypes.data
        and there[3] & 0xFFFFFFFF == 2
        and tuple(extents) == (3, 5)
        and there[7] == id(sample.dtype)
        and there[8] & 0x501 == 0x501
    )


def train_step(
    loss: Any,
    optimizer: Optimizer | None = None,
    dtype: Any = "float32",
    outputs: Any = None,
    parameters: Sequence[Tensor] | None = None,
    threads: int | None = None,
) -> TrainStep:
    """Compile a training step.

    Parameters
    ----------
    loss : scalar tensor.
    optimizer : from :mod:`symgraph.optimisers`; ``SGD()`` by default.
    dtype : ``"float32"`` or ``"float64"``, of parameters, inputs and state.
    outputs : a list or dict of further values that every call returns beside the loss; they precede the update.
    parameters : what to train; all parameters of the loss by default.
    threads : at most so many threads; by default one for each processor, where a step is large enough.

    Raises
    ------
    DomainError
        if the loss is no scalar, or the dtype none of the two.
    DisconnectedError
        if there is nothing to train, or a parameter does not influence the loss.
    """
    return TrainStep(loss, optimizer or SGD(), dtype, outputs, parameters, threads)
