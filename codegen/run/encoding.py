"""Programs as text and back: data of a fixed set of classes. Nothing that is read is ever evaluated.

    Op("*", (Var("N", "int64"), Const(4, "int64")), "int64")
    ["Op", "*", ["()", ["Var", "N", "int64"], ["Const", 4, "int64"]], "int64"]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, get_args

from codegen.loops import ir
from codegen.loops.memory import Arena, Region, Slot
from codegen.loops.words import Interface
from codegen.loops.worth import Portion
from codegen.run.linked import Linked

CLASSES: dict[str, type[Any]] = {
    made.__name__: made
    for made in (
        *get_args(ir.Expr), *get_args(ir.Stmt), ir.Operand, ir.Buffer, Interface, Slot, Region, Arena, Portion, Linked,
    )
}  # fmt: skip
PLAIN = (str, int, float, bool, NoneType)
_FIELDS = {made: tuple(field.name for field in fields(made)) for made in CLASSES.values()}


def encoded(thing: Any) -> bytes:
    """The text of data.

    Raises
    ------
    TypeError
        for anything else.
    """
    return json.dumps(_listed(thing), separators=(",", ":")).encode()


def decoded(text: bytes) -> Any:
    """The data of a text.

    Raises
    ------
    ValueError, TypeError, KeyError
        where it is none.
    """
    return _built(json.loads(text))


def _listed(thing: Any) -> Any:
    kind = type(thing)
    if kind in PLAIN:
        return thing
    if kind in _FIELDS:
        return [kind.__name__, *(_listed(getattr(thing, name)) for name in _FIELDS[kind])]
    if kind is tuple:
        return ["()", *map(_listed, thing)]
    if isinstance(thing, Mapping):
        return ["{}", *(_listed(part) for pair in thing.items() for part in pair)]
    raise TypeError(f"{kind} is no part of a program")


def _built(data: Any) -> Any:
    if not isinstance(data, list):
        return data
    kind, parts = data[0], [_built(part) if isinstance(part, list) else part for part in data[1:]]
    if kind == "()":
        return tuple(parts)
    if kind == "{}":
        return dict(zip(parts[::2], parts[1::2], strict=True))
    return CLASSES[kind](*parts)
