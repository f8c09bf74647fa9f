"""``codegen.save`` and ``codegen.load``: parameters, and what a training step needs to go on as if it had not stopped.

codegen.save("run.safetensors", params, step, epoch=3);   saved = codegen.load("run.safetensors", step, params)

They are here and not in ``symgraph`` because optimiser state, hyper-parameters and dtype belong to a compiled step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from codegen.disk import files
from codegen.run import arguments
from codegen.run.training import TrainStep
from symgraph.core.indices import show_shape, show_size
from symgraph.core.misuse import explained, pass_on
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError

STATE = "state/"
"""Begins the names of the optimiser's arrays in a file; parameters have their own, as other programs expect."""


@dataclass(frozen=True, slots=True, repr=False)
class Saved:
    """What a file holds.

    Attributes
    ----------
    params, state : arrays by name, those of the parameters and of the optimiser.
    hyper : hyper-parameters by name.
    epoch : what was given to :func:`save`; ``initial_epoch`` of the ``fit`` that goes on.
    extra : JSON values that were saved beside.
    declaration : inputs, parameters, optimiser and dtype of the step, as text; empty where none was given.
    """

    params: dict[str, np.ndarray]
    state: dict[str, np.ndarray] = field(default_factory=dict)
    hyper: dict[str, float] = field(default_factory=dict)
    epoch: int | None = None
    extra: Any = None
    declaration: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """``<saved epoch 3: W1 (64, 32), b1 (32,); state of W1.m, b1.m>``, without their numbers."""
        arrays = ", ".join(f"{name} {show_shape(values.shape)}" for name, values in self.params.items())
        state = f"; state of {', '.join(self.state)}" if self.state else ""
        return f"<saved{'' if self.epoch is None else f' epoch {self.epoch}'}: {arrays}{state}>"


@explained
def save(
    path: str | os.PathLike[str],
    params: Mapping[str, np.ndarray],
    step: TrainStep | None = None,
    epoch: int | None = None,
    extra: Any = None,
) -> None:
    """Write parameters to a file, whole or not at all.

    Parameters
    ----------
    path : ends in ``.safetensors`` (extra ``io``) or ``.npz``.
    params : arrays by name.
    step : whose optimiser state, hyper-parameters and declaration are saved too.
    epoch : epochs that have been trained; ``fit(…, initial_epoch=…)`` goes on from there.
    extra : JSON values to be kept beside: a list of class names, a score.

    Raises
    ------
    ArgumentError, DomainError, ShapeError
        for another suffix, for what is no array, or for parameters that are not those of the step.
    OSError
        as the system says. Whatever is raised, a file that was there stays as it was.
    """
    if isinstance(path, Mapping):
        raise DomainError(at_line("the path comes first: save(path, params, step)"))
    arguments.check_mapping(params, "params")
    if epoch is not None:
        epoch = arguments.whole_number("epoch", epoch, 0)
    arrays = {name: _array(name, values) for name, values in params.items()}
    for name in arrays:
        if not isinstance(name, str):
            raise ArgumentError(at_line(f"arrays are saved by names, which are texts, not {name!r}"))
        if name.startswith(STATE) or name == files.DESCRIPTION:
            raise ArgumentError(at_line(f"a parameter to be saved cannot be called {name}"))
    description: dict[str, Any] = {"parameters": list(arrays), "epoch": epoch, "extra": extra}
    if step is not None:
        _check_arrays(step, arrays, "params")
        arrays |= {f"{STATE}{name}": values for name, values in step.state.items()}
        arrays = step.turn.take(lambda: {name: values.copy() for name, values in arrays.items()})
        known = {name: value for name, value in step.hyper.items() if not np.isnan(value)}
        description |= {"state": list(step.state), "hyper": known, "declaration": declaration(step)}
    files.write(path, arrays, description)


@explained
def load(
    path: str | os.PathLike[str], step: TrainStep | None = None, params: Mapping[str, np.ndarray] | None = None
) -> Saved:
    """Read a file that :func:`save` has written, or the arrays of another program's ``.safetensors`` or ``.npz``.

    Parameters
    ----------
    path : the file.
    step : whose optimiser state and hyper-parameters become those of the file, which must be of the same names, shapes
        and dtype.
    params : arrays by name into which the parameters are copied; else they are fresh arrays of the result.

    Raises
    ------
    FileNotFoundError
        if there is no such file.
    ArgumentError, ShapeError, DomainError
        for a damaged file, a later version, or a model that is another; then nothing has been changed.
    """
    arrays, described = files.read(path)
    numbers: dict[str, float] = {}
    found = Saved(arrays) if described is None else _saved(path, arrays, described)
    if step is not None:
        if described is None or "state" not in described:
            raise ArgumentError(at_line(f"{path} was saved without a step: load it without one, for its parameters"))
        _check_arrays(step, found.params, f"the parameters of {path}")
        _check_like(step.state, found.state, f"the optimiser state of {path}")
        numbers = {name: step.hyper.checked(name, value) for name, value in found.hyper.items()}
    if params is not None:
        _check_like(params, found.params, f"the parameters of {path}")
        for name, values in params.items():
            if not values.flags.writeable:
                raise ArgumentError(at_line(f"parameter {name} is to be loaded into an array that is read-only"))

    def copy() -> None:
        for name, values in (params or {}).items():
            values[...] = found.params[name]
        if step is not None:
            for name, values in found.state.items():
                step.state[name] = values
            step.hyper.update(numbers)

    copy() if step is None else step.turn.take(copy)
    return found


def _saved(path: Any, arrays: Mapping[str, np.ndarray], described: Mapping[str, Any]) -> Saved:
    try:
        return Saved(
            {name: arrays[name] for name in described["parameters"]},
            {name: arrays[f"{STATE}{name}"] for name in described.get("state", ())},
            {str(name): float(value) for name, value in described.get("hyper", {}).items()},
            None if described.get("epoch") is None else arguments.whole_number("epoch", described["epoch"], 0),
            described.get("extra"),
            dict(described.get("declaration", {})),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ArgumentError(at_line(f"{path} is damaged: its description does not fit its arrays ({error})")) from error


def declaration(step: TrainStep) -> dict[str, Any]:
    """What a step is about, as JSON values for people and other programs."""
    return {
        "dtype": step.dtype.name,
        "optimizer": step.optimizer.name,
        "inputs": [_leaf(leaf) for leaf in step.inputs],
        "parameters": [_leaf(leaf) for leaf in step.stored],
        "trained": [str(leaf.name) for leaf in step.parameters],
    }


def _array(name: Any, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except Exception as error:  # an object's own conversion may raise anything
        pass_on(error)
        raise DomainError(at_line(f"{name} needs an array of numbers: {error}")) from error


def _leaf(leaf: Tensor) -> dict[str, Any]:
    classes = {} if leaf.classes is None else {"classes": show_size(leaf.classes)}
    return {"name": str(leaf.name), "kind": leaf.kind, "shape": [show_size(size) for size in leaf.shape], **classes}


def _check_arrays(step: TrainStep, arrays: Mapping[str, np.ndarray], what: str) -> None:
    """The arrays are those of the step's parameters and states: names, shapes and dtype."""
    try:
        arguments.check_names(arrays, step.stored)
    except ArgumentError as error:
        raise ArgumentError(f"{what}: {error}") from None
    for leaf in step.stored:
        shape, dtype = tuple(map(int, leaf.shape)), step.dtype_of(leaf)
        _check_one(f"{what}: {leaf.name}", arrays[str(leaf.name)], shape, dtype, leaf.shape)


def _check_like(wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], what: str) -> None:
    for name in {**wanted, **found}:
        if name not in found:
            raise ArgumentError(at_line(f"{name} is missing in {what}; there are {', '.join(found) or 'none'}"))
        if name not in wanted:
            raise ArgumentError(at_line(f"{name} is among {what}; expected are {', '.join(wanted) or 'none'}"))
        if not isinstance(wanted[name], np.ndarray):
            raise DomainError(at_line(f"{name} is to be loaded into an array, not {type(wanted[name]).__name__}"))
        _check_one(f"{what}: {name}", found[name], wanted[name].shape, wanted[name].dtype, wanted[name].shape)


def _check_one(what: str, array: np.ndarray, shape: tuple[int, ...], dtype: Any, shown: Any) -> None:
    if array.shape != shape:
        raise ShapeError(at_line(f"{what} has shape {array.shape}; expected {show_shape(shown)}"))
    if array.dtype != dtype:
        raise DomainError(at_line(f"{what} has dtype {array.dtype}; expected {dtype}"))
