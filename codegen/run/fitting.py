"""Training for whole epochs: one native call, watched from Python.

The native code runs in a thread of its own without Python's lock. The caller's thread waits and prints progress from a
counter that the native code keeps. Whatever exception comes to it meanwhile, from Ctrl-C or a handler of any signal,
asks the native code to stop before its next batch, and unwinds when it has.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.loops.epoch_words import (
    BEFORE,
)  # fmt: skip
from codegen.run import arguments, streaming, weighing
from codegen.run.callbacks import all_of
from codegen.run.conversion import described
from codegen.run.epochs import BatchAxis, Epochs
from codegen.run.evaluation import Evaluation
from codegen.run.history import History
from codegen.run.watch import Watch, is_watched
from symgraph.core.chance import KEY
from symgraph.core.indices import Dim
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError

if TYPE_CHECKING:
    from codegen.run.training import Params, TrainStep

MOST_EPOCHS = 2**62
AT_ONCE, MOST_ORDERS = 1 << 16, 1 << 20
"""Epochs of one native call, and numbers of examples in their orders: memory is made as they come."""


def fit(
    step: TrainStep,
    params: Params,
    data: Mapping[str, Any],
    epochs: int,
    batch_size: int,
    seed: int,
    shuffle: bool | Callable[[int], Any],
    validation: Callable[[Params], Any] | Mapping[str, Any] | float | None = None,
    callback: Any = None,
    progress: bool | None = None,
    initial_epoch: int = 0,
    metrics: Mapping[str, Any] | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
) -> History:
    """Train in place.

    Parameters
    ----------
    step : the compiled step.
    params : arrays by name, updated in place.
    data : arrays by input name. The batch size is the first size of the input declared first that has a symbolic one;
        every array with this first size has a row per example. Memory-mapped arrays are read where they are. Or
        batches, one by one: a list, a loader, a function that makes a generator (:mod:`codegen.run.streaming`).
    epochs, batch_size : at least 0 and 1; the last batch of an epoch may be short.
    seed : of the order of the examples, where ``shuffle``.
    shuffle : True, False, or a function that is called with the number of each epoch and returns its order, as many
        numbers of examples as there are: a sampler of yours, in which one may come several times. With a true attribute
        ``is_ahead`` it looks at nothing that training changes, and may be called for several epochs before they run.
    validation : data like ``data`` that is not trained on, or a part of the examples between 0 and 1, which ``seed``
        chooses and training leaves out: the history has their loss after each epoch. Or a function, which is called
        with the parameters after each epoch; its values are kept.
    callback : called with (epoch, history) after each epoch; a true result ends training. Or a list of such, as
        :class:`.EarlyStopping` and :class:`.ReduceLROnPlateau` are.
    metrics : scalar tensors by name, formulas of the same leaves such as ``sg.metrics.accuracy(z, t)``: one compiled
        function gives their values after each epoch, for the validation data, or else for the training data.
    initial_epoch : epochs that have been trained before, of ``epochs`` in all: with the parameters and the optimiser's
        state of then (:func:`codegen.load`) training goes on as if it had not stopped, bit for bit.
    sample_weight, class_weight : rows that count so often in the loss, by themselves, or by their class
        (:func:`codegen.run.weighing.weighed`); the loss becomes :func:`symgraph.weigh_rows` of it, and is compiled
        once. The history has this loss; validation and metrics count every row once.
    progress : print a line as training goes on; by default where standard error is a terminal or a notebook's.

    Raises
    ------
    ArgumentError, ShapeError, DomainError
        before anything is written; or when data has become wrong, which a callback or another thread may change: then
        the parameters are those of the steps before.
    NonFiniteError
        where a loss is not finite, as a call of the step does; the parameters are those of the steps before. Where a
        parameter or state is not finite after epochs whose losses are: then they are as they were before these, the
        last epoch if there is a validation or a callback that wants to see each, else all.

    Notes
    -----
    Ctrl-C ends training, also in the callback or the validation: the history says ``stopped``. Any other exception, of
    a signal's handler, of the callback or of the validation, ends it too, and is raised. Another thread may call the
    step meanwhile; it waits for the end of an epoch if there is a callback or a validation, else for that of training.
    """
    _check_data(step, data)
    epochs = arguments.whole_number("epochs", epochs, 0, MOST_EPOCHS)
    batch_size = arguments.whole_number("batch_size", batch_size, 1)
    initial_epoch = arguments.whole_number("initial_epoch", initial_epoch, 0)
    seed = arguments.whole_number("seed", seed, 0)
    orders = shuffle if callable(shuffle) else None
    if orders is None and not isinstance(shuffle, bool | np.bool_):
        told = "an order" if isinstance(shuffle, np.ndarray | list) else repr(shuffle)
        raise ArgumentError(
            at_line(f"shuffle must be True, False, or a function: lambda epoch: order, as long as the data; not {told}")
        )
    shows = is_watched() if progress is None else arguments.flag("progress", progress)
    callbacks = all_of(callback)
    declared = step
    if sample_weight is not None or class_weight is not None:
        step, data = weighing.weighed(step, data, sample_weight, class_weight)
    if streaming.gives_batches(data):
        return streaming.fit(step, params, data, epochs, validation, callbacks, shows, initial_epoch, metrics, declared)
    given, hyper = step.split(data)
    axis, sizes, arrays = _rows(step, given)
    arrays, held = _held_out(declared, validation, axis, arrays, seed)
    sizes[axis.size.name] = len(arrays[axis.leaves[0]])
    measured = arrays if held is None else held
    evaluation = (
        None
        if held is None and metrics is None
        else Evaluation(declared.declared, metrics or {}, measured, step.dtype, int(step.hyper.get(str(KEY.name), 0)))
    )
    examples = sizes[axis.size.name]
    batch = min(batch_size, examples)
    for rows in (batch, examples % batch or batch):
        step.executable.check(sizes | {axis.size.name: rows})
    first: dict[str, Any] = dict(hyper)
    for leaf, values in arrays.items():
        first[str(leaf.name)] = values[:batch] if leaf in axis.leaves else values
    bound = step.checked(params, first)
    step.check_apart(bound.arrays, arrays)
    plan = Epochs(step, arrays, axis, examples, batch, seed, bool(shuffle))
    history = History()
    looks = validation is not None or evaluation is not None
    watch = Watch(plan, max(0, epochs - initial_epoch) * plan.steps_per_epoch, shows)
    for each in callbacks:
        getattr(each, "begin", _nothing)(step, params)
    done, passed = initial_epoch, list[float]()
    try:
        while done < epochs and history.ended == "epochs":
            count = min(1 if looks else AT_ONCE, epochs - done, *(_unasked(each) for each in callbacks))
            count = plan.in_a_moment(count)
            plan.table[BEFORE] = done
            if orders is not None:
                count = min(count, max(1, MOST_ORDERS // examples) if getattr(orders, "is_ahead", False) else 1)
                plan.take([orders(epoch) for epoch in range(done, done + count)])
            plan.run(params, first, count, watch, history)
            if history.stopped:
                history.ended = "interrupted"
                break
            if callable(validation):
                history.validation.append(validation(params))
            if evaluation is not None:
                _measure(evaluation, step, params, history, held is not None)
            if callbacks:  # each is asked as if it had been after every epoch
                history.loss, passed = history.loss[:-count], history.loss[-count:]
            for epoch in range(done, done + len(passed)):
                history.loss.append(passed.pop(0))
                asked = [each(epoch, history) for each in callbacks]
                if any(asked) and history.ended == "epochs":
                    history.ended = "callback"
            done += count
    except KeyboardInterrupt:  # between two epochs: what is asked there may lack for the last one
        history.stopped, history.ended = True, "interrupted"
    finally:
        history.loss += passed
        for each in callbacks:
            getattr(each, "end", _nothing)(history)
    watch.finish(history)
    return history


def _check_data(step: TrainStep, data: Any, what: str = "data") -> None:
    """Raise for arrays without names, as Keras and scikit-learn take them."""
    arrays = data if isinstance(data, list | tuple) else [data]
    if arrays and all(isinstance(array, np.ndarray) for array in arrays):
        names = ", ".join(f"{str(leaf.name)!r}: …" for leaf in step.inputs)
        raise DomainError(at_line(f"{what} must be arrays by name, {{{names}}}, not arrays alone"))


def _unasked(callback: Any) -> int:
    """Epochs until a callback has something to do that changes training: all that it wants of those before is what the
    history has of them."""
    return int(callback.unasked()) if hasattr(callback, "unasked") else 1


def _nothing(*_: Any) -> None:
    """What a callback does that has no say at the beginning or the end."""


def _measure(evaluation: Evaluation, step: TrainStep, params: Params, history: History, is_held: bool) -> None:
    loss, values = evaluation(params, step.hyper)
    if is_held:
        history.validation.append(loss)
    for name, value in values.items():
        history.metrics.setdefault(name, []).append(value)


def _held_out(
    step: TrainStep, validation: Any, axis: BatchAxis, arrays: dict[Tensor, np.ndarray], seed: int
) -> tuple[dict[Tensor, np.ndarray], dict[Tensor, np.ndarray] | None]:
    """What is trained on, and the data of the validation."""
    if validation is None or callable(validation):
        return arrays, None
    _check_data(step, validation, "validation")
    if not isinstance(validation, numbers.Real):
        return arrays, arguments.collect(step.inputs, step.split(validation)[0], step.dtype, strict=step.strict)[0]
    examples = len(arrays[axis.leaves[0]])
    count = round(float(validation) * examples) if 0 < float(validation) < 1 else 0
    if isinstance(validation, bool) or not 0 < count < examples:
        raise ArgumentError(
            at_line(f"validation must be a function, data, or a part of {examples} examples, not {validation!r}")
        )
    chosen = np.random.default_rng([seed, 1]).permutation(examples)

    def part(rows: np.ndarray) -> dict[Tensor, np.ndarray]:
        return {leaf: values[rows] if leaf in axis.leaves else values for leaf, values in arrays.items()}

    return part(np.sort(chosen[count:])), part(np.sort(chosen[:count]))


def _rows(step: TrainStep, data: Mapping[str, Any]) -> tuple[BatchAxis, dict[str, int], dict[Tensor, np.ndarray]]:
    """The size that stands for the batch, all sizes, that one as the number of examples, and the data, all checked."""
    leading = [leaf.shape[0] for leaf in step.inputs if leaf.ndim and isinstance(leaf.shape[0], Dim)]
    if not leading:
        raise ShapeError(at_line("fit needs an input whose first size is symbolic, sg.dim(...): the batch size"))
    size = leading[0]
    for leaf in step.inputs:
        others = leaf.shape[1:] if leaf.shape[:1] == (size,) else leaf.shape
        if any(size in extent.atoms(Dim) for extent in others):
            raise ShapeError(
                at_line(f"fit takes rows: {described(leaf)} has the batch size {size} not as its first size alone")
            )
    axis = BatchAxis(size, tuple(leaf for leaf in step.inputs if leaf.ndim and leaf.shape[0] == size))
    arrays, sizes = arguments.collect(step.inputs, data, step.dtype, strict=step.strict)
    return axis, sizes, arrays
