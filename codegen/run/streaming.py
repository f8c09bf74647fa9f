"""Training on batches that come one by one: from a generator, a loader, a list; a step for each, Python in between.

step.fit(params, lambda: ({"x": X, "t": T} for X, T in read("big.h5")), epochs=3)

Comes in: what gives batches, once for every epoch. Goes out: a history, as of arrays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.loops.epoch_words import STEPS
from codegen.run import arguments
from codegen.run.evaluation import Evaluation
from codegen.run.history import History
from codegen.run.intact import Intact
from codegen.run.watch import Watch
from symgraph.core.chance import KEY
from symgraph.core.provenance import at_line
from symgraph.errors import ArgumentError, DomainError, NonFiniteError

if TYPE_CHECKING:
    from codegen.run.training import Params, TrainStep


def gives_batches(data: Any) -> bool:
    """Whether something is no data itself, by names or by columns, but gives some."""
    if isinstance(data, Mapping | str | bytes | np.ndarray) or hasattr(data, "columns"):
        return False
    return callable(data) or isinstance(data, Iterable)


def fit(
    step: TrainStep, params: Params, batches: Any, epochs: int, validation: Any, callbacks: list[Any], shows: bool,
    initial_epoch: int, metrics: Mapping[str, Any] | None, declared: TrainStep,
) -> History:  # fmt: skip
    """Train in place, a step for every batch; the other arguments are those of :func:`codegen.run.fitting.fit`.

    Parameters
    ----------
    batches : an iterable of batches that begins anew for every epoch, such as a list or a loader; or a function that
        is called for each epoch, with nothing or with its number, and returns one. A batch is a dict of arrays by the
        names of the inputs, or a tuple of them in the order of ``step.inputs``. They may differ in size.
    declared : whose loss the validation is of: the step, or that of which it is the weighed one.

    Raises
    ------
    ArgumentError, DomainError
        for an epoch without batches, as of a generator that has been used up; for a batch that is neither; for a
        validation that is a part of the examples, and for metrics without data for them.
    """
    evaluation = _evaluation(declared, validation, metrics)
    size = len(batches) if hasattr(batches, "__len__") else 0
    counted = _Counted({STEPS: 0})
    history, watch = History(), Watch(counted, max(0, epochs - initial_epoch) * size, shows)
    arguments.check_mapping(params, "params")
    arguments.check_names(params, step.stored)
    for each in callbacks:
        getattr(each, "begin", _nothing)(step, params)
    try:
        for epoch in range(initial_epoch, epochs):
            losses = []
            intact = Intact(step, {leaf: params[str(leaf.name)] for leaf in step.updated})
            intact.remember()
            for batch in batches_of(batches, epoch):
                given = named(step, batch)
                started = time.perf_counter()
                try:
                    found = step(params, **given)
                except NonFiniteError:
                    intact.check(epoch, epoch)
                    raise
                history.seconds += time.perf_counter() - started
                losses.append(float(found if step.form is None else found[0]))
                history.steps += 1
                counted.table[STEPS], watch.loss = history.steps, losses[-1]
                watch.show()
            if not losses:
                raise ArgumentError(at_line(f"epoch {epoch} has no batch: a generator gives its batches once; pass a "
                                            "function that makes one, or a list"))  # fmt: skip
            intact.check(epoch, epoch)
            if epoch == 0:
                intact.tell_of_zeros()
            history.loss.append(float(np.mean(losses)))
            if callable(validation):
                history.validation.append(validation(params))
            if evaluation is not None:
                loss, values = evaluation(params, step.hyper)
                history.validation.append(loss)
                for name, value in values.items():
                    history.metrics.setdefault(name, []).append(value)
            asked = [each(epoch, history) for each in callbacks]
            if any(asked):
                history.ended = "callback" if history.ended == "epochs" else history.ended
                break
    except KeyboardInterrupt:
        history.stopped, history.ended = True, "interrupted"
    finally:
        for each in callbacks:
            getattr(each, "end", _nothing)(history)
    watch.finish(history)
    return history


class _Counted:
    """What a watch looks at."""

    def __init__(self, table: dict[int, int]) -> None:
        self.table = table


def _nothing(*_: Any) -> None:
    """What a callback does that has no say at the beginning or the end."""


def _evaluation(step: TrainStep, validation: Any, metrics: Mapping[str, Any] | None) -> Evaluation | None:
    if isinstance(validation, Mapping):
        data = arguments.collect(step.inputs, step.split(validation)[0], step.dtype, strict=step.strict)[0]
        return Evaluation(step.declared, metrics or {}, data, step.dtype, int(step.hyper.get(str(KEY.name), 0)))
    if validation is not None and not callable(validation):
        raise ArgumentError(at_line(f"of batches no part can be held out: validation must be data, not {validation!r}"))
    if metrics:
        raise ArgumentError(at_line("metrics of batches need data: pass validation={…}"))
    return None


def batches_of(given: Any, epoch: int) -> Iterator[Any]:
    """The batches of one epoch."""
    if isinstance(given, Iterable):
        return iter(given)
    found = given(epoch) if _takes_one(given) else given()
    if not isinstance(found, Iterable):
        raise DomainError(at_line(f"the function of batches must return an iterable of them, not {found!r}"))
    return iter(found)


def _takes_one(function: Callable[..., Any]) -> bool:
    from inspect import Parameter, signature

    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = signature(function).parameters.values()
    except ValueError:  # a class such as int tells of none
        return False
    return len([p for p in parameters if p.kind in kinds and p.default is p.empty]) == 1


def named(step: TrainStep, batch: Any) -> dict[str, Any]:
    """A batch as arrays by the names of the inputs."""
    if isinstance(batch, Mapping):
        return dict(batch)
    names = [str(leaf.name) for leaf in step.inputs]
    if isinstance(batch, tuple | list) and len(batch) == len(names):
        return dict(zip(names, batch, strict=True))
    what = f"{len(batch)} arrays" if isinstance(batch, tuple | list) else type(batch).__name__
    raise DomainError(at_line(f"a batch is a dict of arrays by name, or a tuple of {', '.join(names)}; not {what}"))
