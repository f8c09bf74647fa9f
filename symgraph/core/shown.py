"""What notebooks ask of an object: HTML, LaTeX, SVG, text. All of it is answered in one place, when somebody looks."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


class Shown:
    """An object that a notebook shows as :mod:`symgraph.drawing.rich` says of its class."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """IPython takes ``_repr_pretty_`` or ``__repr__``, whichever a class has first: each class has its own."""
        super().__init_subclass__(**kwargs)
        if "_repr_pretty_" not in cls.__dict__:
            cls._repr_pretty_ = Shown._repr_pretty_  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return str(represented("pretty", self))

    def _repr_html_(self) -> str | None:
        return represented("html", self)

    def _repr_latex_(self) -> str | None:
        return represented("latex", self)

    def _repr_svg_(self) -> str | None:
        return represented("svg", self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        if cycle:
            printer.text("…")
            return
        colour = import_module("symgraph.display.colour")
        printer.text(colour.shown(represented("pretty", self), sys.stdout))


def represented(form: str, shown: Any) -> Any:
    """An object as ``"html"``, ``"latex"``, ``"svg"`` or ``"pretty"``; None if it has no such form."""
    return import_module("symgraph.drawing.rich").represented(form, shown)
