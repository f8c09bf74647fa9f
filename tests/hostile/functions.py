"""A scene in which every public function is given wrong values: an error of the project's, in finite time."""

from __future__ import annotations

import inspect
import itertools
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import numpy as np
import sympy as sp

import codegen
import symgraph as sg
from symgraph.core.graph import topological
from symgraph.errors import SymgraphError
from tests.hostile import arguments

N = sg.dim("N")
x, v, s = sg.input("x", (N, 4)), sg.input("v", (4,)), sg.input("s", ())
image, A, t = sg.input("image", (N, 3, 8, 8)), sg.input("A", (4, 4)), sg.labels("t", (N,), classes=4)
MORE: tuple[Any, ...] = (
    x, t, s, A, x > 0, x[0, 0], sg.sum(x), [x], (x, A), {"a": x}, sg.Sum, N, N - 1, N / 2, -N, slice(None), ..., float,
    [None], ["a"], (0, 0), (-1,), (1, 2, 3), [[1, 2], [3]], Exception, bytearray(b"a"), frozenset(), -(10**30), 1e300,
    np.array([1 + 2j]), np.array([object()]), np.array(np.nan), np.zeros((0, 3)), np.asfortranarray(np.ones((4, 3))),
    sp.I, sp.oo, sp.nan, sp.zoo, sp.true, sp.Rational(1, 2), sp.Matrix([[1, 2], [3, 4]]), sp.Function("f"),
    sp.Eq(sp.Symbol("q"), 0), sp.IndexedBase("ib"), *sg.indices("i j"), "🙂", "a b", "\x00", "x",
)  # fmt: skip
RIGHT = (x, v, s, t, A, image, 2, (4, 3), 1, 0.5, "a", [v], [v, v], x > 0, sg.sum(x**2), sg.SGD())
"""What is right somewhere: with these a call is looked for that works, so that one argument is wrong at a time."""
METHODS = ("__getitem__", "__add__", "__rtruediv__", "__pow__", "__mod__", "__gt__", "__and__", "__matmul__", "diff")
"""Of tensors; the others are functions by another name."""
TRIES, SECONDS = 40, 5
ROOMS = ("nn", "init", "schedules", "metrics", "losses", "optimisers", "random", "activations")
LEFT_OUT = ("save", "load", "report", "draw", "Function", "TrainStep", "Saved", "History", "Optimizer", "Row", "Update")
"""What writes files, and classes of what functions return, which nobody makes."""


class Hang(BaseException):
    """More processor time than a message may take."""


@contextmanager
def limited() -> Iterator[None]:
    def over(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def public() -> dict[str, Callable[..., Any]]:
    """What users call, by name; each once."""
    rooms: list[tuple[str, Any]] = [("sg", sg), ("codegen", codegen)]
    rooms += [(f"sg.{room}", getattr(sg, room)) for room in ROOMS]
    found: dict[str, Callable[..., Any]] = {}
    for room, module in rooms:
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name)
            home = getattr(value, "__module__", "")
            own = home.startswith(("symgraph", "codegen")) if hasattr(module, "__all__") else home == module.__name__
            known = any(value is other for other in found.values())
            if callable(value) and own and not known and not name.startswith("_") and name not in LEFT_OUT:
                found[f"{room}.{name}"] = value
    return found | {f"x.{name}": getattr(x, name) for name in METHODS}


def right_arguments(function: Callable[..., Any], random: Random) -> list[Any]:
    """Values for the arguments that must be given, with which a call works where some are found."""
    parameters = inspect.signature(function).parameters.values()
    count = sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    drawn = ([random.choice(RIGHT) for _ in range(count)] for _ in range(TRIES))
    tries = itertools.product(RIGHT) if count == 1 else drawn
    for given in tries:
        try:
            with limited():
                function(*given)
            return list(given)
        except (Exception, Hang):
            continue
    return [x] * count


def call_with(parameters: Any, name: str, value: Any, right: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The right arguments, but one that is the value."""
    places = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
        return [*right, value], {}
    if name in places[: len(right)]:
        return [*right[: places.index(name)], value, *right[places.index(name) + 1 :]], {}
    return right, {name: value}


def _has_whole_tensor(tensor: sg.Tensor) -> bool:
    """Whether a tensor stands in a scalar formula that is none of its elements, which nothing can compute."""
    definition = tensor.definition
    if definition is None or definition.is_opaque:
        return False
    elements = {element: sp.Dummy() for element in definition.body.atoms(sg.Element)}
    return bool(definition.body.xreplace(elements).atoms(sg.Tensor))


def leak(function: Callable[..., Any], given: list[Any], named: dict[str, Any]) -> str | None:
    """What a call raises that is no error of ours; what comes out of it is printed, too."""
    try:
        with limited():
            result = function(*given, **named)
            if isinstance(result, sg.Tensor):
                str(result), sp.latex(result)
                unread = [tensor for tensor in topological([result]) if _has_whole_tensor(tensor)]
                return f"a whole tensor stands in the formula of {unread[0]}" if unread else None
    except SymgraphError:
        return None
    except Hang:
        return f"more than {SECONDS} s"
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        is_users = frames[-1].filename in (__file__, arguments.__file__)
        return None if is_users else f"{type(error).__name__}: {str(error)[:100]} at {frames[-1]}"
    return None


def wrong_arguments_of_functions(random: Random, rounds: int) -> None:
    """As many functions, of each argument five wrong values."""
    warnings.simplefilter("ignore")
    functions, leaks = public(), []
    for name in random.sample(sorted(functions), min(rounds, len(functions))):
        function = functions[name]
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # a class of errors
            continue
        right = right_arguments(function, random)
        for argument, parameter in parameters.items():
            if parameter.kind is not parameter.VAR_KEYWORD:
                for value in random.sample(arguments.VALUES + MORE, 5):
                    found = leak(function, *call_with(parameters, argument, value, right))
                    leaks += [f"{name}({argument} = {value!r:.60}): {found}"] if found else []
    assert not leaks, "\n".join(leaks)
