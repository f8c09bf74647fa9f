"""Attributes that are worked out when they are first asked for."""

from __future__ import annotations

from threading import Event, Thread

from symgraph.core.kept import cached_property


class Program:
    """Is made slowly, or at once."""

    def __init__(self, begun: Event | None = None, may_end: Event | None = None) -> None:
        self.begun, self.may_end = begun, may_end

    @cached_property
    def made(self) -> object:
        if self.begun and self.may_end:
            self.begun.set()
            self.may_end.wait(60)
        return object()


def test_what_is_made_for_one_object_keeps_no_other_waiting() -> None:
    """With functools' of Python 3.11 it does, and a child of a fork waits for ever: that thread is not in it."""
    begun, may_end, found = Event(), Event(), list[object]()
    slow = Thread(target=lambda: Program(begun, may_end).made, daemon=True)
    slow.start()
    assert begun.wait(60)
    other = Thread(target=lambda: found.append(Program().made), daemon=True)
    other.start()
    other.join(20)
    may_end.set()
    slow.join(60)
    assert found


def test_it_is_made_once() -> None:
    program = Program()
    assert program.made is program.made
    assert Program.made.name == "made"
