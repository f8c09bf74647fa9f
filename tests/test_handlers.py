"""What a handler of signals raises, or another thread, comes to who waits, and is no error of what was called."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.host import cache
from codegen.host.placement import processor_quota
from codegen.run.arguments import listed, whole_number
from symgraph.core.misuse import pass_on
from symgraph.core.scalars import as_formula
from symgraph.errors import SymgraphError

x, w = sg.input("x", (3,)), sg.parameter("w", (3,))
f = codegen.function([x], sg.sum(x))
step = codegen.train_step(sg.sum((x * w) ** 2), sg.Adam(lr=0.1))


class Ended(Exception):
    """Of a program's own, as that of a time limit."""


class Converted:
    """Does something whatever it is converted to."""

    def __init__(self, does: Callable[[], Any]) -> None:
        self._does = does

    def __float__(self) -> float:
        return float(self._does())

    def __index__(self) -> int:
        return int(self._does())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._does())

    def __array__(self, *words: Any, **options: Any) -> np.ndarray:
        return np.array(self._does())

    def _sympy_(self) -> Any:
        return self._does()


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "a formula": as_formula,
    "an array": lambda given: f(x=given),
    "a number": lambda given: step(step.init(0), x=np.ones(3), lr=given),
    "a whole number": lambda given: whole_number("n", given, 0),
    "a list": lambda given: listed("names", given),
    "a state": lambda given: step.state.__setitem__("w.m", given),
}


@pytest.fixture(params=[TimeoutError, TypeError, Ended])
def raised(request: pytest.FixtureRequest) -> Iterator[type[Exception]]:
    """The kind of error that a handler of SIGUSR1 raises."""

    def handler(*_: object) -> None:
        raise request.param

    before = signal.signal(signal.SIGUSR1, handler)
    yield request.param
    signal.signal(signal.SIGUSR1, before)


def interrupt(*_: Any, **__: Any) -> None:
    signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_a_handlers_error_is_none_of_a_conversion(convert: Callable[[Any], Any], raised: type[Exception]) -> None:
    with pytest.raises(raised) as found:
        convert(Converted(interrupt))
    assert type(found.value) is raised


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_a_conversions_own_error_says_what_was_expected(convert: Callable[[Any], Any]) -> None:
    def fails() -> None:
        raise Ended

    with pytest.raises(SymgraphError):
        convert(Converted(fails))


@pytest.mark.parametrize("reads, where, name", [
    (cache.folder, Path, "lstat"),
    (lambda: processor_quota(membership=Path(__file__)), Path, "read_text"),
])  # fmt: skip
def test_a_handlers_error_is_none_of_a_file(
    reads: Callable[[], Any], where: Any, name: str, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, interrupt)
    with pytest.raises(raised):
        reads()


def test_an_error_of_another_thread_is_none_of_what_was_called() -> None:
    with pytest.raises(TimeoutError):
        pass_on(TimeoutError())
    for known in (ValueError(), FileNotFoundError(2, "no such file"), RuntimeError(), sg.errors.DomainError("")):
        pass_on(known)
