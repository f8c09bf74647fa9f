"""Weights of classes and of rows in ``fit``, for a loss that was declared without: a step of the weighed loss.

step.fit(params, data, class_weight="balanced");   step.fit(params, data, sample_weight=w)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.run import arguments, streaming
from codegen.run.conversion import described
from symgraph.core.define import as_tensor
from symgraph.core.indices import Dim
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError

if TYPE_CHECKING:
    from codegen.run.training import TrainStep

NAME = "sample_weight"


def weighed(step: TrainStep, data: Any, sample_weight: Any, class_weight: Any) -> tuple[TrainStep, Any]:
    """The step of the weighed loss (:func:`symgraph.weigh_rows`), and the data with the weights, without rows of
    weight 0: they are there no times.

    Parameters
    ----------
    sample_weight : as many numbers as there are rows, at least 0, or the name of a column of the data.
    class_weight : a number, at least 0, for each class: a sequence, or a dict in which a class that lacks has 1; or
        ``"balanced"``, rows/(classes · rows of the class), of classes that occur. Rows of several classes, as one-hot
        targets and such of probabilities are, weigh the mean.

    Raises
    ------
    ArgumentError, DomainError, ShapeError
        for weights that are none, for a loss without one target of classes, and for what :func:`symgraph.weigh_rows`
        refuses.
    """
    size = next((leaf.shape[0] for leaf in step.inputs if leaf.ndim and isinstance(leaf.shape[0], Dim)), None)
    if size is None:
        raise ShapeError(at_line("weights are of rows: the loss needs an input whose first size is sg.dim(...)"))
    target = _target(step, size) if class_weight is not None else None
    if any(str(leaf.name) == NAME for leaf in step.inputs):
        raise ArgumentError(at_line(f"the loss has an input {NAME} of its own: its weights belong into the data"))
    made = step.weighed(size)
    if streaming.gives_batches(data):
        if sample_weight is not None or isinstance(class_weight, str):
            what = f"{NAME}=" if sample_weight is not None else f"class_weight={class_weight!r}"
            raise ArgumentError(
                at_line(f"{what} needs all rows at once, and the data come in batches: declare weights as an input, "
                        "sample_weight=sg.input(…) of the loss, and let each batch bring them")
            )  # fmt: skip
        assert target is not None
        return made, _Batches(step, data, target, class_weight)
    if isinstance(sample_weight, str):
        data, sample_weight = _without(data, sample_weight)
    given, numbers = step.split(data)
    arrays, sizes = arguments.collect(step.inputs, given, step.dtype, strict=step.strict)
    rows = sizes[str(size.name)]
    weight = np.ones(rows) if sample_weight is None else _of_rows(sample_weight, rows)
    if target is not None:
        weight = weight * _by_class(target, arrays[target], class_weight)
    named: dict[str, Any] = {str(leaf.name): values for leaf, values in arrays.items()}
    named[NAME] = weight.astype(step.dtype)
    if not weight.all():
        batched = {NAME, *(str(leaf.name) for leaf in step.inputs if leaf.shape[:1] == (size,))}
        named = {name: values[weight > 0] if name in batched else values for name, values in named.items()}
    return made, {**named, **numbers}


def _without(data: Any, name: str) -> tuple[Any, Any]:
    """The data without a column that is a weight, and the column."""
    known = [str(column) for column in (data.columns if hasattr(data, "columns") else data)]
    if name not in known:
        raise ArgumentError(at_line(f"{NAME}: the data have no column {name}; they have {', '.join(known)}"))
    rest = {key: value for key, value in data.items() if key != name} if isinstance(data, Mapping) else data
    return rest, data[name]


def _of_rows(given: Any, rows: int) -> np.ndarray:
    leaf = Tensor.leaf("input", NAME, as_tensor(np.zeros(rows)).shape)
    found = arguments.collect([leaf], {NAME: given}, np.dtype(np.float64), is_copied=True)[0][leaf]
    if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
        raise DomainError(at_line(f"{NAME} must be finite numbers, at least 0 and not all 0"))
    return found


def _target(step: TrainStep, size: Dim) -> Tensor:
    """The input that tells the classes of rows."""
    found = [leaf for leaf in step.inputs if leaf.is_label and leaf.shape == (size,)]
    found = found or [leaf for leaf in step.inputs if leaf.rows_sum_to_one and leaf.shape[:-1] == (size,)]
    if len(found) != 1:
        told = ", ".join(described(leaf) for leaf in found) or "none"
        raise ArgumentError(
            at_line(f"class_weight needs one target of classes, sg.labels(name, ({size},), classes=…) or sg.one_hot; "
                    f"the loss has {told}: write the weights into the loss, as weight= of sg.cross_entropy")
        )  # fmt: skip
    return found[0]


def _by_class(target: Tensor, values: np.ndarray, given: Any) -> np.ndarray:
    """The weights of rows by the weights of their classes; values are those of a target, checked."""
    count = int(target.shape[-1] if target.classes is None else target.classes)
    table = _table(given, count, target, values)
    if target.is_label:
        return table[np.clip(values, 0, count - 1)]  # of labels that are ignored, any
    return values @ table


def _is_class(key: Any, count: int) -> bool:
    return isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= int(key) < count


def _table(given: Any, count: int, target: Tensor, values: np.ndarray) -> np.ndarray:
    if isinstance(given, str):
        if given != "balanced":
            raise ArgumentError(at_line(f'class_weight is "balanced" or numbers by class, not {given!r}'))
        if target.is_label:
            seen = np.bincount(values[(values >= 0) & (values < count)], minlength=count).astype(np.float64)
        else:
            seen = values.sum(axis=0, dtype=np.float64)
        return np.where(seen > 0, seen.sum() / (np.count_nonzero(seen) * np.where(seen > 0, seen, 1)), 1.0)
    if isinstance(given, Mapping):
        wrong = [key for key in given if not _is_class(key, count)]
        if wrong:
            raise ArgumentError(at_line(f"class_weight: there is no class {wrong[0]!r} in {described(target)}: "
                                        f"classes are 0 … {count - 1}"))  # fmt: skip
        numbers = [given.get(label, 1.0) for label in range(count)]
    else:
        numbers = list(given) if isinstance(given, Sequence | np.ndarray) else [given]
    if len(numbers) != count:
        raise ArgumentError(at_line(f"class_weight needs {count} numbers, one for each class, not {len(numbers)}"))
    try:
        table = np.array([float(number) for number in numbers])
    except (TypeError, ValueError) as error:
        raise DomainError(at_line(f"class_weight must be numbers: {error}")) from error
    if not (np.isfinite(table).all() and (table >= 0).all() and table.any()):
        raise DomainError(at_line("class_weight must be finite numbers, at least 0 and not all 0"))
    return table


class _Batches:
    """Batches with the weights of their rows' classes; begins anew for every epoch if what it is made of does."""

    def __init__(self, step: TrainStep, batches: Any, target: Tensor, given: Any) -> None:
        self._step, self._batches, self._target, self._given, self._epoch = step, batches, target, given, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        found: Iterable[Any] = streaming.batches_of(self._batches, self._epoch)
        self._epoch += 1
        for batch in found:
            given = streaming.named(self._step, batch)
            name, dtype = str(self._target.name), self._step.dtype
            own = {key: value for key, value in given.items() if key == name}
            values = arguments.collect([self._target], own, dtype)[0][self._target]
            yield {**given, NAME: _by_class(self._target, values, self._given).astype(dtype)}
