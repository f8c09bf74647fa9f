"""What users call says which of its arguments it cannot take, whatever in it noticed first.

    sg.sum(x, axis="rows")     →     DomainError: sum(x=x(N, 3), axis="rows"): …; expected sum(x, axis=None, …)

Errors of the project are better, and pass: they say what is expected. This is what holds for the arguments that nobody
has thought of. Errors of a user's own code, as of the body of a scan, pass too.
"""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

from symgraph.core.habits import unexpected
from symgraph.core.provenance import at_line, is_own, is_users, is_users_module
from symgraph.errors import ArgumentError, DomainError, SymgraphError

P = ParamSpec("P")
R = TypeVar("R")

PYTHONS = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, NotImplementedError, AssertionError)
LIBRARIES = ("numpy", "sympy", "mpmath")
"""Whose own kinds of errors say no more to a user than Python's."""
LONGEST = 60


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate what users call and :func:`symgraph.core.provenance.names_result` does not."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            found = misfit(function, args, kwargs, error)
            if found is None:
                raise
            raise found from error

    return checked


def misfit(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> SymgraphError | None:
    """What an error inside a function means to who called it; None where the error itself says it better."""
    frames = _frames(error.__traceback__)
    if isinstance(error, TypeError) and len(frames) == 1 and (said := unexpected(called(function), kwargs)) is not None:
        return DomainError(at_line(said))
    is_inner = len(frames) < 2 or is_own(frames[0].f_back)
    is_known = isinstance(error, PYTHONS) or type(error).__module__.startswith(LIBRARIES)
    if isinstance(error, SymgraphError) or not is_known or is_inner or any(map(is_users, frames)):
        return None
    function = called(function)
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        return None
    shown = ", ".join(f"{name}={_shown(value)}" for name, value in given.items() if name != "self")
    name = function.__name__ if function.__name__ != "__init__" else function.__qualname__.split(".")[-2]
    parameters = ", ".join(str(p.replace(annotation=p.empty)) for p in _parameters(function))
    reason = str(error).strip().splitlines() or [type(error).__name__]
    kind = DomainError if isinstance(error, TypeError | AttributeError) else ArgumentError
    return kind(at_line(f"{name}({shown}): {reason[0]}; expected {name}({parameters})"))


def pass_on(error: Exception) -> None:
    """Raise an error again that comes of nothing that was called, but of a handler of signals or another thread.

    A handler is what was called with a frame; another thread's is what neither Python nor a library raises, where no
    user's code ran.
    """
    users = [frame for frame in _frames(error.__traceback__) if is_users(frame)]
    is_known = isinstance(error, (SymgraphError, RuntimeError, *PYTHONS)) or getattr(error, "errno", None) is not None
    is_librarys = type(error).__module__ != "builtins" and not is_users_module(type(error).__module__)
    if any(map(_was_given_a_frame, users)) or not (users or is_known or is_librarys):
        raise error


def _was_given_a_frame(frame: FrameType) -> bool:
    arguments, further, _, values = inspect.getargvalues(frame)
    given = [*map(values.get, arguments), *values.get(further or "", ())]
    return any(isinstance(one, FrameType) for one in given)


@contextmanager
def forgiven(*kinds: type[Exception]) -> Iterator[None]:
    """As ``contextlib.suppress``, but for what a handler of signals raises, of whatever kind."""
    try:
        yield
    except kinds as error:
        pass_on(error)


def called(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a method that stands for a function calls."""
    return getattr(function, "stands_for", lambda: function)()  # type: ignore[no-any-return]


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.name != "self"]


def _frames(traceback: TracebackType | None) -> list[Any]:
    found = []
    while traceback is not None:
        found.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return found


def _shown(value: Any) -> str:
    """A value in a message; of a tensor what it is called and its shape."""
    name, shape = getattr(value, "display_name", None), getattr(value, "shape", None)
    if name is not None and shape is not None:
        return f"{name}{shape}"
    try:
        text = reprlib.repr(value)
    except Exception as error:
        pass_on(error)
        return type(value).__name__
    return text if len(text) <= LONGEST and " at 0x" not in text else type(value).__name__
