"""Attributes that are worked out when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):
    """As that of ``functools`` from Python 3.12 on: no object waits for another.

    Before, all objects of a class share a lock: what one thread compiles keeps the programs of others waiting, and a
    process that is forked meanwhile waits for ever. Threads that ask one object at once may all work the value out;
    they get the same.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function, self.name, self.__doc__ = function, function.__name__, function.__doc__

    @overload
    def __get__(self, instance: None, owner: Any = None) -> cached_property[T]: ...

    @overload
    def __get__(self, instance: object, owner: Any = None) -> T: ...

    def __get__(self, instance: object | None, owner: Any = None) -> cached_property[T] | T:
        if instance is None:
            return self
        value = self.function(instance)
        return instance.__dict__.setdefault(self.name, value)  # type: ignore[no-any-return]
