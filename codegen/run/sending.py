"""A training step in another process: what is derived, state and hyper-parameters; the code is in the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from codegen.run.results import arranged
from codegen.run.training import TrainStep
from symgraph.core.packing import Parcel
from symgraph.vocabulary.optimisers import Optimizer
from symgraph.vocabulary.updating import Update


def sent(step: TrainStep) -> Any:
    """What pickle and copy make a step of."""
    extra = step.form.tensors if step.form else ()
    form = step.form and step.form.arranged(range(len(extra)))
    parts = [part for update in step.updates for part in (update.leaf, update.value)]
    options = {
        "dtype": step.dtype.name, "threads": step.threads, "check_finite": step.check_finite, "strict": step.strict,
        "key": step.key,
    }  # fmt: skip
    known = {name: value for name, value in step.hyper.items() if not np.isnan(value)}
    checked = step.formulas.request.outputs[: step.formulas.before_loss]
    parcel = Parcel([step.declared, *extra, *step.parameters, *checked, *parts])
    initial = [update.initial for update in step.updates]
    counts = len(extra), len(step.parameters), len(checked)
    return made, (parcel, step.optimizer.name, form, counts, initial, options, dict(step.state), known)


def made(
    parcel: Parcel, optimizer: str, form: Any, counts: tuple[int, int, int], initial: Sequence[float | None],
    options: dict[str, Any], state: Mapping[str, np.ndarray], hyper: Mapping[str, float],
) -> TrainStep:  # fmt: skip
    """A step of tensors that have come from another process; its optimiser is a name, for its updates are here."""
    loss, *rest = parcel.open()
    begin, end, after = accumulate(counts)
    derived = [Update(*each) for each in zip(rest[after::2], rest[after + 1 :: 2], initial, strict=True)]
    outputs, checked = None if form is None else arranged(form, rest), next(iter(rest[end:after]), None)
    step = TrainStep(loss, Optimizer(optimizer), outputs=outputs, parameters=rest[begin:end], derived=derived,
                     checked=checked, **options)  # fmt: skip
    for name, values in state.items():
        step.state[name] = values
    step.hyper.update(hyper)
    return step
