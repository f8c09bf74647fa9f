"""What an estimator declares, once for all fits of one form, and the compiled steps and functions that it borrows.

Comes in: a declared network with weighted examples. Goes out: a :class:`TrainStep` for the time of one fit, and
functions for predictions. Grid searches fit the same form again and again: what is derived and compiled is kept, and
lent to one fit at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial, wraps
from inspect import Parameter, signature
from itertools import pairwise
from numbers import Real
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

import numpy as np
import sympy as sp

import symgraph as sg
from codegen.host.once import Once
from codegen.plan.request import Request, leaves_in
from codegen.run.function import Function
from codegen.run.training import TrainStep
from symgraph.core.indices import show_shape
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, ShapeError

MOST_FORMS, MOST_IDLE = 32, 8
"""Forms whose steps are kept for later fits, and steps of one form."""
MOST_MADE = 64
P = ParamSpec("P")
R = TypeVar("R")
L2 = sp.Symbol("l2", nonnegative=True)
_forms: Once[tuple[TrainStep, list[TrainStep]]] = Once(MOST_FORMS)
"""The first step of each form, of which those of other fits at the same time are copies, and those that nobody has."""


def once(make: Callable[P, R]) -> Callable[P, R]:
    """Decorate what is made once for the same arguments."""
    made: Once[R] = Once(MOST_MADE)

    @wraps(make)
    def found(*given: P.args, **named: P.kwargs) -> R:
        return made(given, lambda: make(*given, **named))

    return found


class Same:
    """An object as a key that only it equals; it lives as long as the key."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.given is other.given

    def __hash__(self) -> int:
        return id(self.given)


def form(given: Any) -> Any:
    """A key for optimisers of the same formulas: two of one form differ in hyper-parameters alone, which are arguments
    of the program. A function is its code and what it holds, so that copies and makers' second makes are of one form.
    """
    if isinstance(given, FunctionType):
        held = [cell.cell_contents for cell in given.__closure__ or ()]
        return given.__code__, form(held), form(given.__defaults__), form(given.__kwdefaults__)
    if is_dataclass(given) and not isinstance(given, type):
        return type(given), *(form(getattr(given, part.name)) for part in fields(given))
    if isinstance(given, Mapping):
        return tuple((name, None if isinstance(value, Real) else form(value)) for name, value in given.items())
    if isinstance(given, list | tuple):
        return tuple(map(form, given))
    return given if isinstance(given, Hashable) else Same(given)


@dataclass(frozen=True, eq=False)
class Declared:
    """A network with its weighted loss.

    Attributes
    ----------
    x, parameters : the features (N, d), and what is trained, in the order of declaration.
    output : what predictions are made of: probabilities, or values.
    cost : (Σ_n w[n]·ℓ[n] + ½·l2·Σ‖W‖²)/Σ_n w[n], where ℓ is the loss of a row and W the matrices.
    updates : next values of states, such as the running statistics of a batch norm.
    """

    x: Tensor
    parameters: tuple[Tensor, ...]
    output: Tensor
    cost: Tensor
    updates: dict[Tensor, Tensor] = field(default_factory=dict)

    @property
    def stored(self) -> tuple[Tensor, ...]:
        """The leaves whose arrays a fitted model consists of: parameters, then states."""
        return (*self.parameters, *self.updates)


def declared(
    x: Tensor, score: Tensor, target: str, width: int, loss: Any, updates: dict[Tensor, Tensor] | None = None,
    link: Any = None,
) -> Declared:  # fmt: skip
    """The weighted cost of scores of shape (N, width) against a target of the kind ``"labels"``, ``"binary"``,
    ``"multilabel"`` or ``"real"``; ``loss`` is a function of (scores, target), of the catalogue or one's own, that
    gives a value for each row, or None for the usual one. Predictions of real targets are ``link`` of the scores.

    Raises
    ------
    ShapeError
        if the scores have another shape, or the loss gives no value for each row.
    """
    rows = x.shape[0]
    if score.shape != (rows, width):
        of_kind = {"labels": "for each class", "real": 'for each target, or kind="classifier" for classes'}
        told = f"a column {of_kind.get(target, 'for each label')}"
        raise ShapeError(
            at_line(f"the model gives {score.display_name}{show_shape(score.shape)}; expected (N, {width}), {told}")
        )
    weight = sg.input("sample_weight", (rows,))
    t = sg.labels("y", (rows,), classes=width) if target == "labels" else sg.input("y", (rows, width))
    usual: dict[str, Any] = {
        "labels": sg.cross_entropy, "real": sg.half_mse_loss,
        **dict.fromkeys(("binary", "multilabel"), sg.binary_cross_entropy_with_logits),
    }  # fmt: skip
    each = by_rows(loss or usual[target])(score, t)
    if each.ndim == 2:
        each = sg.sum(each, axis=1)  # scikit-learn descends this sum, and reports the mean of squared errors
    if each.shape != (rows,):
        raise ShapeError(at_line(f"the loss gives {each.shape}; expected a value for each row, (N,)"))
    found = [leaf for leaf in leaves_in(Request((score,))) if leaf.kind == "parameter"]
    parameters = tuple(sorted(found, key=sp.default_sort_key))
    for state in leaves_in(Request((score,))):
        if state.kind == "state" and state not in (updates or {}):
            raise ArgumentError(
                at_line(f"the state {state.name} of the model has no update: return (scores, net.updates())")
            )
    total = sg.sum(weight * each)
    for matrix in (parameter for parameter in parameters if parameter.ndim > 1):
        total = total + L2 / 2 * sg.sum(matrix**2)
    of_real = link or (lambda values: values)
    output = {"labels": sg.softmax, "binary": sg.sigmoid, "multilabel": sg.sigmoid, "real": of_real}[target](score)
    return Declared(x, parameters, output, total / sg.sum(weight), updates or {})


def by_rows(loss: Any) -> Any:
    """A loss that gives a value for each row: those of the catalogue are told so by ``reduction``; one's own need not
    take it."""
    try:
        taken = signature(loss).parameters.values()
    except (TypeError, ValueError):
        return partial(loss, reduction="none")
    told = any(each.name == "reduction" or each.kind is Parameter.VAR_KEYWORD for each in taken)
    return partial(loss, reduction="none") if told else loss


def named(what: str, given: Any, known: dict[str, Any]) -> Any:
    """A function by its name in the catalogue, or the user's own.

    Raises
    ------
    ArgumentError
        for a name that is none.
    """
    if callable(given):
        return given
    found = known.get(given, getattr(sg, given) if given in dir(sg) else None) if isinstance(given, str) else None
    if not callable(found):
        listed = ", ".join([*known, "a name of symgraph's, or a function"])
        raise ArgumentError(at_line(f"{what} {given!r} is not known: pass {listed}"))
    return found


ACTIVATIONS: dict[str, Any] = {
    **dict.fromkeys(("identity", "linear"), lambda u: u), "logistic": sg.sigmoid, "tanh": sg.tanh, "relu": sg.relu,
    "swish": sg.silu,
}  # fmt: skip
"""By scikit-learn's and Keras' names."""


def _of_counts(score: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Half of Poisson's deviance of means exp(score)."""
    return sg.poisson_deviance_loss(sg.exp(score), target, reduction=reduction) / 2


LOSSES: dict[str, Any] = {
    "squared_error": sg.half_mse_loss, "absolute_error": sg.l1_loss, "log_loss": sg.cross_entropy,
    "poisson": _of_counts,
}  # fmt: skip
"""By scikit-learn's names."""
LINKS: dict[str, Any] = {"poisson": sg.exp}
"""What predictions are of scores, where a loss says so."""


@once
def perceptron(widths: tuple[int, ...], activation: Any, target: str, loss: Any) -> Declared:
    """h₁ = f(x·W1 + b1), …, scores = h·W + b."""
    function = named("activation", activation, ACTIVATIONS)
    x = value = sg.input("X", (sg.dim("N"), widths[0]))
    for number, (before, after) in enumerate(pairwise(widths), start=1):
        weight, bias = sg.parameter(f"W{number}", (before, after)), sg.parameter(f"b{number}", (after,))
        value = (value @ weight + bias).named(f"a{number}")
        if number < len(widths) - 1:
            value = function(value).named(f"h{number}")
    link = LINKS.get(loss) if isinstance(loss, str) else None
    cost = None if target == "binary" or loss is None else named("loss", loss, LOSSES)
    return declared(x, value, target, widths[-1], cost, link=link)


# -- compiled, and lent -----------------------------------------------------------------------------------------------
@contextmanager
def borrowed(network: Declared, optimizer: Any, dtype: np.dtype[Any]) -> Iterator[TrainStep]:
    """A step for one fit alone; optimisers of one form share it, with numbers of their own."""
    try:
        place = (network, form(optimizer), dtype)
    except (RecursionError, ValueError):  # a function that holds itself, or what is not there yet
        place = (network, Same(optimizer), dtype)
    first, idle = _forms(place, lambda: _translated(network, optimizer, dtype))
    try:
        step = idle.pop()
    except IndexError:
        step = deepcopy(first)
    step.reset()
    step.hyper.update({name: value for name, value in optimizer.hyper.items() if name in step.hyper})
    yield step  # after an error it is not lent again
    if len(idle) < MOST_IDLE:
        idle.append(step)


def _translated(network: Declared, optimizer: Any, dtype: np.dtype[Any]) -> tuple[TrainStep, list[TrainStep]]:
    step = TrainStep(network.cost, optimizer, dtype, None, None, None, True, key=0, updates=network.updates)
    step.program  # noqa: B018  translated now, for all
    return step, [step]


@once
def predictor(network: Declared, dtype: np.dtype[Any]) -> Function:
    """Predictions by features, parameters and states."""
    return Function((network.x, *network.stored), network.output, dtype)


def padded(array: np.ndarray, columns: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Features with columns of zeros up to a width, contiguous."""
    if array.shape[1] == columns:
        return np.ascontiguousarray(array, dtype)
    wide = np.zeros((len(array), columns), dtype)
    wide[:, : array.shape[1]] = array
    return wide


def drawn(shapes: Sequence[tuple[int, ...]], factor: float, random: Any) -> list[np.ndarray]:
    """Glorot's uniform values ±√(factor/(fan_in + fan_out)) for pairs of (fan_in, fan_out), each with its bias."""
    found = []
    for fan_in, fan_out in shapes:
        edge = np.sqrt(factor / (fan_in + fan_out))
        found += [random.uniform(-edge, edge, (fan_in, fan_out)), random.uniform(-edge, edge, fan_out)]
    return found
