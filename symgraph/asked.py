"""Names of a package that are imported when somebody asks for them (PEP 562): who declares a network of two layers
does not wait for optimisers, convolutions and pages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def asked(
    package: str, places: Mapping[str, str], own: Iterable[str] = (), elsewhere: Iterable[str] = ()
) -> tuple[list[str], Callable[[str], Any]]:
    """``__all__`` and ``__getattr__`` of a package whose names are words of ``places``, by module.

    ``own`` are those that the package itself defines. In names of ``elsewhere``, which are modules, is looked too for
    what somebody asks that is not there, so that the error tells where it is.
    """
    module = sys.modules[package]
    where = {name: place for place, names in places.items() for name in names.split()}
    names = sorted([*own, *where])

    def get(name: str) -> Any:
        if name in where:  # as ``from place import name``, which imports a module that is called so, does
            found = getattr(__import__(where[name], fromlist=[name]), name)
            setattr(module, name, found)
            return found
        from symgraph.core.habits import unknown

        near = () if name.startswith("_") else elsewhere
        modules = {f"sg.{other}": import_module(f"{where[other]}.{other}") for other in near}
        raise unknown(f"module {package!r}", name, module, modules)

    return names, get
