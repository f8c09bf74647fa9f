"""``codegen.train_step``: forward, backward and update of a loss as one native call, and whole epochs as another.

step = codegen.train_step(J, optimizer=sg.SGD(lr=0.1));  params = step.init(seed=0)
loss = step(params, x=xb, t=tb);  history = step.fit(params, {"x": X, "t": T}, epochs=20, batch_size=32, seed=0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.loops.words import DONE, NEEDS_FINITE, NOT_FINITE
from codegen.plan.request import Request, leaves_in
from codegen.run import arguments, fitting, kept
from codegen.run.conversion import code
from codegen.run.declared import Chosen, chosen_of, first_values, in_order, told
from codegen.run.executable import Executable
from codegen.run.formulas import Roles, StepFormulas
from codegen.run.function import as_dtype
from codegen.run.hyper import Hyper, State
from codegen.run.results import Outputs
from codegen.run.stepping import Bound, StepProgram
from codegen.run.turn import Turn
from symgraph.core.chance import KEY, checked_key
from symgraph.core.declare import input as leaf_of
from symgraph.core.define import as_tensor
from symgraph.core.habits import Habits
from symgraph.core.indices import Dim, show_shape
from symgraph.core.misuse import explained
from symgraph.core.mode import in_mode
from symgraph.core.provenance import at_line
from symgraph.core.state import checked_updates
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, SymgraphError
from symgraph.vocabulary.optimisers import SGD, Optimizer
from symgraph.vocabulary.updating import Update, checked_optimizer
from symgraph.vocabulary.weighing import weigh_rows

if TYPE_CHECKING:  # else imported where it is used
    from codegen.inspect.report import Report
    from codegen.run.diagnose import Diagnosis
    from codegen.run.history import History

Params = MutableMapping[str, np.ndarray]


SETTABLE = ("check_finite", "strict")
"""What of a step may be set."""


class TrainStep(Habits):
    """A compiled training step; made by :func:`train_step`. Calls from several threads take turns.

    Attributes
    ----------
    parameters, inputs : what is trained, and what is given at every call, in the order of declaration.
    hyper : hyper-parameters by name, to be changed at any time without compiling.
    state : the optimiser's arrays by name, such as ``"W1.m"``; updated in place.
    check_finite : whether a loss or gradient that is not finite stops a step before it updates anything.
    """

    def __init__(
        self,
        loss: Any,
        optimizer: Optimizer,
        dtype: Any,
        outputs: Any,
        parameters: Chosen,
        threads: int | None,
        check_finite: bool,
        strict: bool = False,
        key: int | None = None,
        updates: Mapping[Tensor, Any] | None = None,
        derived: Sequence[Update] | None = None,
        checked: Tensor | None = None,
    ) -> None:
        self.dtype = as_dtype(dtype)
        self.optimizer = checked_optimizer("train_step", optimizer)
        self._program: StepProgram | None = None
        self._weighed: dict[Dim, TrainStep] = {}
        self.check_finite = check_finite
        self.strict = arguments.flag("strict", strict)
        self.threads = None if threads is None else arguments.whole_number("threads", threads, 1)
        self.declared = given = as_tensor(loss)
        if given.ndim:
            raise DomainError(
                at_line(f"the loss must be a scalar; {given.display_name} has shape {show_shape(given.shape)}: "
                        "take sg.mean or sg.sum of it")
            )  # fmt: skip
        self.form = None if outputs is None else Outputs(outputs)
        self._own = own = checked_updates(updates)
        self.loss, *others = in_mode([given, *(self.form.tensors if self.form else ()), *own.values()], "train")
        extra = tuple(others[: len(others) - len(own)])
        found = in_order(leaves_in(Request((self.loss, *extra))))
        self.parameters = chosen_of(self.loss, found, parameters)
        following = dict(zip(own, others[len(extra) :], strict=True))
        self.formulas = StepFormulas(self.loss, extra, following, self.parameters, self.optimizer, derived, checked)
        layout = kept.step_program(self.formulas, self.dtype.name)
        roles = Roles.of(layout.leaves)
        self.inputs, self.stored, self.scalars = roles.inputs, roles.stored, roles.scalars
        self.states = tuple(leaf for leaf in roles.stored if leaf.kind == "state")
        self.hyper = Hyper(self.scalars)
        self.hyper.update({name: value for name, value in self.optimizer.hyper.items() if name in self.hyper})
        if KEY in self.scalars:
            self.hyper[str(KEY.name)] = checked_key(key)
        self.key = key
        self._leaves, self._translated = roles.all, layout.translated
        own_states, kept_states = frozenset(self.states), frozenset(roles.kept)
        self.updated = (*self.parameters, *(leaf for leaf in layout.first if leaf in own_states))
        self.first = {leaf: value for leaf, value in layout.first.items() if leaf in kept_states}
        self.state = State({str(leaf.name): self._new_state(leaf) for leaf in self.first})
        self.turn = Turn("this training step")
        self._set_to_first_values()

    def __setattr__(self, name: str, value: Any) -> None:
        if "turn" in self.__dict__ and not name.startswith("_") and name not in SETTABLE:
            known = f"step.hyper[…] = … of {', '.join(self.hyper)}" if self.hyper else "other arguments of train_step"
            advice = f"step.hyper[{name!r}] = {value!r}" if name in self.hyper else known
            raise ArgumentError(at_line(f"step.{name} sets nothing: write {advice}"))
        object.__setattr__(self, name, value)

    __repr__ = told

    # -- what the program is about -----------------------------------------------------------------------------------
    def _new_state(self, leaf: Tensor) -> np.ndarray:
        return np.zeros(tuple(int(size) for size in leaf.shape), self.dtype_of(leaf))

    def dtype_of(self, leaf: Tensor) -> np.dtype[Any]:
        """That of the step, but of a state of rank 0, which may count."""
        return np.dtype(np.float64) if arguments.is_wide(leaf) else self.dtype

    def init(self, seed: int | np.random.Generator = 0) -> dict[str, np.ndarray]:
        """Fresh parameters and states from their initialisers, in the order of declaration; state starts anew."""
        try:
            generator = np.random.default_rng(seed)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                at_line(f"seed must be an integer, at least 0, or a generator, not {seed!r}")
            ) from error
        result = {str(leaf.name): first_values(leaf, generator, self.dtype_of(leaf)) for leaf in self.stored}
        self.reset()
        return result

    def reset(self) -> None:
        """Set the optimiser's state to its first values."""
        self.turn.take(self._set_to_first_values)

    def _set_to_first_values(self) -> None:
        for leaf, initial in self.first.items():
            self.state[str(leaf.name)][...] = initial or 0.0

    @property
    def check_finite(self) -> bool:
        """Whether a loss or gradient that is not finite stops a step."""
        return self._check_finite

    @check_finite.setter
    def check_finite(self, value: bool) -> None:
        self._check_finite = arguments.flag("check_finite", value)
        if self._program is not None:
            self._program.executable.words[NEEDS_FINITE] = self._check_finite

    @property
    def program(self) -> StepProgram:
        """The compiled program and what its calls need; compiled at its first use."""
        if self._program is None:
            with self.turn.lock:  # whoever comes meanwhile finds it made
                if self._program is None:
                    made = StepProgram(self, self._compiled())
                    self._program = self._program or made
        return self._program

    def _compiled(self) -> Executable:
        executable = Executable(self._translated, self._leaves, self.dtype, self.threads)
        loss = executable.linked.read[-1 - len(self.formulas.extra)]
        if loss is not None:
            name = self._leaves[loss].name
            raise DomainError(at_line(f"the loss {self.loss.display_name} is {name} itself"))
        for number, leaf in enumerate(self.scalars):
            executable.bind(leaf, self.hyper.values_array[number : number + 1])
        for leaf in self.first:
            executable.bind(leaf, self.state[str(leaf.name)])
        return executable

    @property
    def updates(self) -> list[Update]:
        """The next values of parameters and states, derived when they are first read."""
        return self.formulas.updates

    @property
    def executable(self) -> Executable:
        """The compiled program."""
        return self.program.executable

    @property
    def source(self) -> str:
        """The generated source."""
        return self.executable.source

    def report(self, measure: bool = False, sizes: Mapping[str, int] | None = None, errors: bool = False) -> Report:
        """What every kernel computes and costs, and how long each stage took; with ``measure`` also its time now, with
        ``errors`` how far off every formula is (:func:`sg.accuracy`). ``sizes`` are by name, those of the last call.
        """
        from codegen.inspect.report import Report

        report = self.turn.take(Report.of, self.executable, measure, sizes, self.formulas.request if errors else None)
        return replace(report, left=self.formulas.left)

    def __reduce__(self) -> Any:
        """Everything that has been derived, state and hyper-parameters; the code is in the cache."""
        from codegen.run.sending import sent

        return sent(self)

    def __deepcopy__(self, memo: Any) -> TrainStep:
        """A step with its own state and hyper-parameters; the mathematics is shared."""
        made = object.__new__(TrainStep)
        made.__dict__.update(self.__dict__ | {"_program": None, "_weighed": {}, "turn": Turn("this training step")})
        state = State({name: values.copy() for name, values in self.state.items()})
        made.__dict__.update(hyper=Hyper(self.scalars), state=state)
        made.hyper.values_array[:] = self.hyper.values_array
        return made

    # -- calling ------------------------------------------------------------------------------------------------------
    def __call__(self, params: Params, /, *unnamed: Any, **inputs: Any) -> Any:
        """One step: the loss before the update, as a float; with ``outputs``, also their values.

        Raises
        ------
        ArgumentError, ShapeError, DomainError
            before anything is written.
        NonFiniteError
            if the loss or a gradient is not finite, before anything is updated, unless ``check_finite`` is False.
        """
        program, turn = self._program, self.turn
        if unnamed:
            names = ", ".join(f"{code(leaf)}=…" for leaf in self.inputs)
            raise ArgumentError(at_line(f"a step takes params and its inputs by name: write step(params, {names})"))
        if program is not None:
            with turn.lock:
                if turn.inside:
                    raise turn.refusal()
                turn.inside = True
                try:
                    loss = program.direct_call(params, inputs)
                finally:
                    turn.inside = False
            if loss is not None:
                return loss
        return self._checked_call(params, inputs)

    def _checked_call(self, params: Params, inputs: Mapping[str, Any]) -> Any:
        bound = self.checked(params, inputs)
        status, loss, values = self.turn.take(self.program.checked_call, bound)
        if status != DONE:
            raise self.refused(status, loss, bound)
        return loss if self.form is None else (loss, self.form.arranged(values))

    def checked(self, params: Params, inputs: Mapping[str, Any]) -> Bound:
        """Check everything: nothing has been written if this raises, and nothing if it does not."""
        arguments.check_mapping(params, "params")
        given, numbers = self.split(inputs)
        arguments.check_names(params, self.stored)
        arguments.check_names(given, self.inputs)
        leaves = (*self.stored, *self.inputs)
        arrays, sizes = arguments.collect(leaves, {**params, **given}, self.dtype, self.updated, self.strict)
        self.check_apart(arrays, arrays)
        for name in (name for name in self.hyper.missing() if name not in numbers):
            raise ArgumentError(at_line(f"hyper-parameter {name} has no value: set step.hyper[{name!r}]"))
        return Bound(arrays, sizes, numbers)

    def refused(self, status: int, loss: float, bound: Bound) -> SymgraphError:
        """The error of a program that stopped: at a label that changed after it was checked, or at its loss."""
        if status == NOT_FINITE:
            from codegen.run.nonfinite import explained

            return explained(self, loss, bound)
        for leaf, labels in self.executable.labels_read().items():
            try:
                arguments.check_labels(leaf, labels, bound.sizes)
            except ArgumentError as error:
                return error
        return ArgumentError(at_line("labels were out of range while the step ran: another thread changes them"))

    def check_apart(self, stored: Mapping[Tensor, np.ndarray], read: Mapping[Tensor, np.ndarray]) -> None:
        """Raise if an array that is updated shares memory with another."""
        updated = frozenset(self.updated)
        others = [(leaf, array) for leaf, array in read.items() if leaf not in updated]
        arguments.check_overlap(self.written(stored), others)

    def written(self, stored: Mapping[Tensor, np.ndarray]) -> list[tuple[Tensor, np.ndarray]]:
        """Every array that a step updates."""
        given = [(leaf, stored[leaf]) for leaf in self.updated]
        return given + [(leaf, self.state[str(leaf.name)]) for leaf in self.first]

    def split(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
        """Inputs, and scalars of the loss, which may be given like inputs; they stay as set. Of a data frame the
        columns of their names are read."""
        if hasattr(inputs, "columns") and not isinstance(inputs, Mapping):
            inputs = arguments.columns_of(inputs, self.inputs, self.hyper)
        arguments.check_mapping(inputs, "data")
        numbers = {name: self.hyper.checked(name, value) for name, value in inputs.items() if name in self.hyper}
        return {name: value for name, value in inputs.items() if name not in numbers}, numbers

    def diagnose(self, params: Params, /, **inputs: Any) -> Diagnosis:
        """Why a loss is NaN, a gradient 0, a value huge: :mod:`codegen.run.diagnose`. Nothing is updated."""
        from codegen.run.diagnose import diagnosed

        return diagnosed(self, params, inputs)

    # -- whole epochs -------------------------------------------------------------------------------------------------
    @explained
    def fit(
        self,
        params: Params,
        data: Mapping[str, Any],
        epochs: int = 1,
        batch_size: int = 32,
        seed: int = 0,
        shuffle: bool | Callable[[int], Any] = True,
        validation: Any = None,
        callback: Any = None,
        progress: bool | None = None,
        initial_epoch: int = 0,
        metrics: Mapping[str, Any] | None = None,
        sample_weight: Any = None, class_weight: Any = None,
    ) -> History:  # fmt: skip
        """Train for whole epochs without Python in the loop; see :func:`codegen.run.fitting.fit`."""
        return fitting.fit(
            self, params, data, epochs, batch_size, seed, shuffle, validation, callback, progress, initial_epoch,
            metrics, sample_weight, class_weight,
        )

    def weighed(self, rows: Dim) -> TrainStep:
        """The step of the loss in which each row counts as often as an input ``sample_weight`` says. It shares state,
        hyper-parameters and turns with this one."""
        with self.turn.lock:
            if rows not in self._weighed:
                if self.formulas.given is not None:
                    raise ArgumentError(
                        at_line("weights need a loss to weigh: make the step in this process, or declare the weights "
                                "as an input, sample_weight= of the loss")
                    )  # fmt: skip
                loss = weigh_rows(self.declared, leaf_of("sample_weight", (rows,)))
                made = TrainStep(loss, self.optimizer, self.dtype, None, self.parameters, self.threads,
                                 self.check_finite, self.strict, self.key, self._own)  # fmt: skip
                made.__dict__.update({name: self.__dict__[name] for name in ("scalars", "hyper", "state", "turn")})
                self._weighed[rows] = made
            self._weighed[rows].check_finite = self.check_finite
        return self._weighed[rows]


@explained
def train_step(
    loss: Any,
    optimizer: Optimizer | None = None,
    dtype: Any = "float32",
    outputs: Any = None,
    parameters: Chosen = None,
    threads: int | None = None,
    check_finite: bool = True,
    strict: bool = False,
    key: int | None = None,
    updates: Mapping[Tensor, Any] | None = None,
) -> TrainStep:
    """Compile a training step.

    Parameters
    ----------
    loss : scalar tensor.
    optimizer : from :mod:`symgraph.vocabulary.optimisers`; ``SGD()`` by default.
    dtype : ``"float32"`` or ``"float64"``, of parameters, inputs and state.
    outputs : one tensor or a list, tuple or dict of them, which a call returns beside the loss, as before the update.
    parameters : what to train, tensors or names; all parameters of the loss by default. Others stay as they are given.
    threads : at most so many threads; by default one for each processor, where a step is large enough.
    check_finite : a step whose loss is infinite or NaN, or the derivative of a finite one, as that of √ at 0, updates
        nothing and raises ``NonFiniteError``, which says where that came from; so does ``fit``. An update that itself
        overflows, or is NaN as 0·∞ is, of a gradient or a rate, is seen in what was written, which a call does not
        read again: the next one meets it. ``fit`` looks where its epochs end, and gives back what was before them.
        False lets all go on.
    strict : an input of another dtype, order or stride is an error; else it is copied, and a warning says so.
    key : of random values, an integer of 0 … 2³² − 1; ``step.hyper["random_key"]`` from then on. Step number
        ``step.state["random_step"]`` has numbers of its own, so that saved parameters and state resume a run exactly.
    updates : formulas of the next values of states (:func:`sg.state`), over values before the step; their arrays are
        among the parameters.

    Raises
    ------
    DomainError
        if the loss is no scalar, the dtype none of the two, or something has no kernel.
    DisconnectedError
        if there is nothing to train, or a parameter does not influence the loss.
    ArgumentError
        if no input tells a size, a program has random values and no key, or what ``updates`` has is no state.
    """
    rows = SGD() if optimizer is None else optimizer
    return TrainStep(loss, rows, dtype, outputs, parameters, threads, check_finite, strict, key, updates)
