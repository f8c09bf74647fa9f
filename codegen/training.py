"""``codegen.train_step``: forward, backward and update of a loss as one native call, and whole epochs as another.

step = codegen.train_step(J, optimizer=sg.SGD(lr=0.1));  params = step.init(seed=0)
loss = step(params, x=xb, t=tb);  history = step.fit(params, {"x": X, "t": T}, epochs=20, batch_size=32, seed=0)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from codegen import arguments, fitting
from codegen import interface as words
from codegen.admit import admit
from codegen.direct import Direct, picker
from codegen.executable import Executable
from codegen.fitting import History
from codegen.hyper import Hyper, State
from codegen.interface import STATUS
from codegen.pipeline import leaves_in
from codegen.plan import Request
from codegen.program import as_dtype
from codegen.report import Report
from codegen.results import Outputs, Results
from symgraph.define import as_tensor
from symgraph.differentiate import grad
from symgraph.errors import ArgumentError, DisconnectedError, DomainError, NameConflictError, ShapeError
from symgraph.indices import show_shape
from symgraph.optimisers import OPTIMISERS, SGD, Optimizer
from symgraph.provenance import at_line
from symgraph.tensor import Tensor

Params = MutableMapping[str, np.ndarray]
Chosen = Sequence[Tensor | str] | Tensor | str | None


class TrainStep:
    """A compiled training step; made by :func:`train_step`. Calls from several threads wait for each other.

    Attributes
    ----------
    parameters, inputs : what is trained, and what is given at every call, in the order of declaration.
    hyper : hyper-parameters by name, to be changed at any time without compiling.
    state : the optimiser's arrays by name, such as ``"W1.m"``; updated in place.
    """

    def __init__(
        self, loss: Any, optimizer: Optimizer, dtype: Any, outputs: Any, parameters: Chosen, threads: int | None
    ) -> None:
        start = time.perf_counter()
        self.dtype = as_dtype(dtype)
        self.optimizer = _as_optimizer(optimizer)
        self._threads = None if threads is None else arguments.whole_number("threads", threads, 1)
        self.loss = as_tensor(loss)
        if self.loss.ndim:
            raise DomainError(
                at_line(f"the loss must be a scalar; {self.loss.display_name} has shape {show_shape(self.loss.shape)}")
            )
        self._form = None if outputs is None else Outputs(outputs)
        extra = self._form.tensors if self._form else ()
        found = _declared(leaves_in(Request((self.loss, *extra))))
        self.parameters = self._chosen(found, parameters)
        gradients = grad(self.loss, list(self.parameters))
        self.updates = self.optimizer.updates({p: gradients[p] for p in self.parameters})
        self.seconds_to_derive = time.perf_counter() - start
        self._request = Request((self.loss, *extra), tuple((u.leaf, u.value) for u in self.updates))
        leaves = _declared(leaves_in(self._request))
        _check_names(leaves)
        kinds = {
            kind: tuple(leaf for leaf in leaves if leaf.kind == kind)
            for kind in ("parameter", "scalar", "state", "constant")
        }
        self.inputs = tuple(leaf for leaf in leaves if leaf.kind in ("input", "labels"))
        self._stored = kinds["parameter"]
        self._scalars = kinds["scalar"]
        self.hyper = Hyper(self._scalars)
        self.hyper.update(self.optimizer.hyper)
        self._leaves = (*self.inputs, *self._stored, *self._scalars, *kinds["state"], *kinds["constant"])
        admit((self.loss, *extra, *(update.value for update in self.updates)), self._leaves)
        self._state_updates = [update for update in self.updates if update.leaf.kind == "state"]
        self.state = State({str(u.leaf.name): self._new_state(u.leaf) for u in self._state_updates})
        self._executable: Executable | None = None
        self._native: Any = None
        self._calls = 0
        self.lock = threading.RLock()
        self.reset()

    # -- what the program is about -----------------------------------------------------------------------------------
    def _chosen(self, leaves: Sequence[Tensor], parameters: Chosen) -> tuple[Tensor, ...]:
        """The parameters to train, in the order of declaration."""
        present = [leaf for leaf in leaves if leaf.kind == "parameter"]
        if parameters is None:
            if not present:
                raise DisconnectedError(at_line(f"the loss {self.loss.display_name} depends on no parameter"))
            return tuple(present)
        named = {str(leaf.name): leaf for leaf in present}
        given = (
            [parameters] if isinstance(parameters, Tensor | str) or not isinstance(parameters, Iterable) else parameters
        )
        chosen = [named.get(item, item) if isinstance(item, str) else item for item in given]
        for item in chosen:
            if isinstance(item, Tensor) and item.kind != "parameter":
                raise DomainError(at_line(f"{item.display_name} is no parameter: only parameters are trained"))
            if item not in present:
                name = item.display_name if isinstance(item, Tensor) else item
                raise DisconnectedError(
                    at_line(f"parameter {name} does not influence the loss {self.loss.display_name}; "
                            f"its parameters are {', '.join(named) or 'none'}")
                )  # fmt: skip
        if not chosen:
            raise DisconnectedError(at_line("there is nothing to train: parameters is empty"))
        return tuple(leaf for leaf in present if leaf in chosen)

    def _new_state(self, leaf: Tensor) -> np.ndarray:
        return np.zeros(tuple(int(size) for size in leaf.shape), self.dtype if leaf.ndim else np.float64)

    def init(self, seed: int | np.random.Generator = 0) -> dict[str, np.ndarray]:
        """Fresh parameters from their initialisers, in the order of declaration; the optimiser's state starts anew."""
        try:
            generator = np.random.default_rng(seed)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                at_line(f"seed must be an integer, at least 0, or a generator, not {seed!r}")
            ) from error
        result = {str(leaf.name): self._first_values(leaf, generator) for leaf in self._stored}
        self.reset()
        return result

    def _first_values(self, leaf: Tensor, generator: np.random.Generator) -> np.ndarray:
        assert leaf.init is not None
        shape = tuple(int(size) for size in leaf.shape)
        values = np.asarray(leaf.init(generator, shape))
        if values.dtype.kind not in "biuf":
            raise DomainError(at_line(f"the initialiser of {leaf.name} gives {values.dtype}, no real numbers"))
        try:
            return np.array(np.broadcast_to(values, shape), dtype=self.dtype, order="C")
        except ValueError:
            raise ShapeError(
                at_line(
                    f"the initialiser of {leaf.name} {show_shape(leaf.shape)} gives an array of shape {values.shape}"
                )
            ) from None

    def reset(self) -> None:
        """Set the optimiser's state to its first values."""
        for update in self._state_updates:
            self.state[str(update.leaf.name)][...] = update.initial or 0.0

    @property
    def executable(self) -> Executable:
        """The compiled program; compiled at its first use."""
        if self._executable is None:
            known = {"derive": self.seconds_to_derive}
            executable = Executable(self._request, self._leaves, self.dtype, self._threads, known)
            self._prepare(executable)
            self._executable = executable
        return self._executable

    @property
    def source(self) -> str:
        """The generated source."""
        return self.executable.source

    def report(self, measure: bool = False, sizes: Mapping[str, int] | None = None) -> Report:
        """What every kernel computes and costs, and how long each stage took; with ``measure`` also its time now.

        ``sizes`` are by name, ``{"N": 100}``; by default those of the last call.
        """
        with self.lock:
            return Report.of(self.executable, measure, sizes)

    def __reduce__(self) -> Any:
        raise DomainError(at_line("a training step is not pickled: keep the parameters, step.state and step.hyper"))

    # -- calling ------------------------------------------------------------------------------------------------------
    def _prepare(self, executable: Executable) -> None:
        """Everything about a call that is the same every time."""
        compiled = executable.compiled
        if compiled.outputs[0].definition is None:
            raise DomainError(at_line(f"the loss {self.loss.display_name} is {compiled.outputs[0].name} itself"))
        for number, leaf in enumerate(self._scalars):
            executable.bind(leaf, self.hyper.values_array[number : number + 1])
        for update in self._state_updates:
            executable.bind(update.leaf, self.state[str(update.leaf.name)])
        interface = compiled.interface
        self._words = executable.words
        self._address = executable.address
        protected = len(self.parameters) + len(self.state)
        self._direct = Direct(
            executable, self._stored, self.inputs, self.parameters, protected=protected,
            learns_sizes=not executable.requirements,
        )  # fmt: skip
        self._pick_parameters = picker([str(leaf.name) for leaf in self._stored])
        self._pick_inputs = picker([str(leaf.name) for leaf in self.inputs])
        self._loss_array = np.zeros((), dtype=self.dtype)
        self._words[words.LOSS_BYTES] = self.dtype.itemsize
        self._words[words.LOSS] = self._loss_array.ctypes.data
        self._loss_name = compiled.program.outputs[0]
        self._words[interface.addresses[self._loss_name]] = self._loss_array.ctypes.data
        self._read_loss = self._loss_array.item

    def __call__(self, params: Params, /, **inputs: Any) -> Any:
        """One step: the loss before the update, as a float; with ``outputs``, also their values.

        Raises
        ------
        ArgumentError, ShapeError, DomainError
            before anything is written.
        """
        with self.lock:
            if self._native is None:
                return self._checked_call(params, inputs)
            packed = self._words
            try:
                held = self._pick_parameters(params)
                given = self._pick_inputs(inputs)
                complete = len(params) == len(held) and len(inputs) == len(given)
            except (KeyError, TypeError, IndexError):
                complete = False
            if not complete:
                return self._checked_call(params, inputs)
            packed[words.FIRST], packed[words.SECOND] = id(held), id(given)
            self._native(self._address)
            if packed[STATUS]:
                return self._checked_call(params, inputs)
            return self._read_loss()

    def _checked_call(self, params: Params, inputs: Mapping[str, Any]) -> Any:
        arrays = self.bind(params, inputs)
        executable = self.executable
        results = Results(executable, arrays, skip=1)
        executable.run()
        self._calls += 1
        if self._form is None and self._direct.possible and self._native is None and self._calls > 1:
            self._native = self._direct.native()
        loss = float(self._loss_array)
        if self._form is None:
            return loss
        return loss, self._form.arranged(results.values({self._loss_name: self._loss_array}))

    def bind(self, params: Params, inputs: Mapping[str, Any]) -> dict[Tensor, np.ndarray]:
        """Check everything, then hand it to the program: nothing has been written if this raises.

        The caller keeps the arrays that come back as long as the program runs on them.
        """
        arguments.check_mapping(params, "params")
        given, numbers = self.split(inputs)
        arguments.check_names(params, self._stored)
        arguments.check_names(given, self.inputs)
        leaves = (*self._stored, *self.inputs)
        arrays, sizes = arguments.collect(leaves, {**params, **given}, self.dtype, self.parameters)
        self.check_apart(arrays, arrays)
        for name in self.hyper.missing():
            if name not in numbers:
                raise ArgumentError(at_line(f"hyper-parameter {name} has no value: set step.hyper[{name!r}]"))
        executable = self.executable
        executable.resize(sizes)
        self.hyper.update(numbers)
        self._words[executable.compiled.interface.addresses[self._loss_name]] = self._loss_array.ctypes.data
        for leaf, values in arrays.items():
            executable.bind(leaf, values)
        self._direct.protect([values for _, values in self._written(arrays)])
        return arrays

    def check_apart(self, stored: Mapping[Tensor, np.ndarray], read: Mapping[Tensor, np.ndarray]) -> None:
        """Raise if an array that is updated shares memory with another."""
        others = [(leaf, array) for leaf, array in read.items() if leaf not in self.parameters]
        arguments.check_overlap(self._written(stored), others)

    def _written(self, stored: Mapping[Tensor, np.ndarray]) -> list[tuple[Tensor, np.ndarray]]:
        """Every array that a step updates."""
        parameters = [(leaf, stored[leaf]) for leaf in self.parameters]
        return parameters + [(update.leaf, self.state[str(update.leaf.name)]) for update in self._state_updates]

    def split(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
        """Inputs, and scalars of the loss, which may be given like inputs; they stay as set."""
        arguments.check_mapping(inputs, "data")
        numbers = {name: self.hyper.checked(name, value) for name, value in inputs.items() if name in self.hyper}
        return {name: value for name, value in inputs.items() if name not in numbers}, numbers

    # -- whole epochs -------------------------------------------------------------------------------------------------
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


def _declared(leaves: Sequence[Tensor]) -> list[Tensor]:
    """In the order in which the user has declared them; scalars last, by name."""
    return sorted(leaves, key=sp.default_sort_key)


def _as_optimizer(given: Any) -> Optimizer:
    if isinstance(given, Optimizer):
        return given
    known = ", ".join(f"sg.{name}" for name in OPTIMISERS)
    name = next(
        (name for name, make in OPTIMISERS.items() if given is make or str(given).lower() == name.lower()), None
    )
    advice = f"pass sg.{name}(lr=…)" if name else f"pass one of {known}, such as sg.SGD(lr=0.1)"
    shown = f"the function sg.{name}" if name and callable(given) else repr(given)
    raise DomainError(at_line(f"{shown} is no optimiser: {advice}"))


def _check_names(leaves: Sequence[Tensor]) -> None:
    seen: dict[str, Tensor] = {}
    for leaf in leaves:
        other = seen.setdefault(str(leaf.name), leaf)
        if other is not leaf and "constant" not in (leaf.kind, other.kind):
            raise NameConflictError(
                f"the name {leaf.name} stands for two things:\n"
                f"  {other.kind} at {other.place}\n  {leaf.kind} at {leaf.place}"
            )


def train_step(
    loss: Any,
    optimizer: Optimizer | None = None,
    dtype: Any = "float32",
    outputs: Any = None,
    parameters: Chosen = None,
    threads: int | None = None,
) -> TrainStep:
    """Compile a training step.

    Parameters
    ----------
    loss : scalar tensor.
    optimizer : from :mod:`symgraph.optimisers`; ``SGD()`` by default.
    dtype : ``"float32"`` or ``"float64"``, of parameters, inputs and state.
    outputs : a tensor, or a list, tuple or dict of tensors, that every call returns beside the loss, in the same form;
        they precede the update.
    parameters : what to train, tensors or names; all parameters of the loss by default. Others stay as they are given.
    threads : at most so many threads; by default one for each processor, where a step is large enough.

    Raises
    ------
    DomainError
        if the loss is no scalar, the dtype none of the two, or something has no kernel.
    DisconnectedError
        if there is nothing to train, or a parameter does not influence the loss.
    ArgumentError
        if no input tells a size.
    """
    return TrainStep(loss, SGD() if optimizer is None else optimizer, dtype, outputs, parameters, threads)
