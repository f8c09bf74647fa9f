"""Where a value was made: the user's file and line, and the name its result is bound to.

``h = sg.sigmoid(a)`` gives the value the display name ``h``: the instruction after the call stores to that name.
Names found here are for people (printing, errors); no value ever depends on them.
"""

from __future__ import annotations

import dis
import functools
import linecache
import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, ParamSpec, TypeVar

from symgraph.core.reading import call_first, name_of

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_LINE = 120
_HERE = Path(__file__).parents[1]
_OWN_FOLDERS = tuple(f"{folder}{os.sep}" for folder in (_HERE, _HERE.parent / "codegen"))
_FOREIGN_PARTS = ("/sympy/", "/numpy/")
_PYTHONS = (str(Path(os.__file__).parent), "<frozen ")
_STORES = ("STORE_NAME", "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF")
_NEUTRAL = ("NOP", "RESUME", "CACHE", "EXTENDED_ARG", "KW_NAMES", "MAKE_CELL", "COPY_FREE_VARS", "NOT_TAKEN")


@dataclass(frozen=True, slots=True)
class Provenance:
    """A place in the user's source."""

    file: str
    line: int

    def __str__(self) -> str:
        text = textwrap.shorten(linecache.getline(self.file, self.line), LONGEST_LINE, placeholder=" …")
        place = f"{Path(self.file).name}:{self.line}"
        return f"{place}: {text}" if text else place


@lru_cache(maxsize=4096)
def _bindings(code: CodeType) -> dict[int, str]:
    """Offset of each instruction, its inline caches included, whose result is stored to a name: the first such name.

    The code is followed as a stack of the instructions that made its entries, so that ``q, k = x @ A, x @ B``,
    ``y = z = f(x)`` and ``(h := f(x))`` name what they bind.
    """
    found: dict[int, str] = {}
    stack: list[Any] = []
    instructions = list(dis.get_instructions(code))
    ends = [*(instruction.offset for instruction in instructions[1:]), len(code.co_code)]

    def pop(count: int) -> list[Any]:
        stack[:0] = [None] * (count - len(stack))
        taken = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return taken

    for instruction, end in zip(instructions, ends, strict=True):
        operation, own = instruction.opname, range(instruction.offset, end)
        count = instruction.arg or 0
        if operation.startswith(_STORES):  # Python 3.13 fuses two stores, or a store and a load, into one instruction
            names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
            loads = operation.endswith("_LOAD_FAST")
            for name in names[:1] if loads else names:
                [made] = pop(1)
                if isinstance(made, range) and str(name).isidentifier():  # pytest stores to names that are none
                    found = dict.fromkeys(made, str(name)) | found
            stack += [own] * loads
        elif operation == "SWAP":
            taken = pop(count)
            stack += [taken[-1], *taken[1:-1], taken[0]]
        elif operation == "COPY":
            taken = pop(count)
            stack += [*taken, taken[0]]
        elif operation in ("BUILD_TUPLE", "BUILD_LIST"):
            stack.append(pop(count))
        elif operation == "UNPACK_SEQUENCE":
            [made] = pop(1)
            stack += reversed(made) if isinstance(made, list) and len(made) == count else [None] * count
        elif operation.startswith(("JUMP", "RETURN", "RAISE", "RERAISE")):
            stack.clear()  # what follows is reached from elsewhere
        elif operation not in _NEUTRAL:
            effect = dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
            takes_only = operation.startswith(("POP", "STORE", "DELETE"))
            pop(-effect if takes_only else max(0, 1 - effect))
            stack += [] if takes_only else [own] * max(1, effect)
    return found


def here() -> Provenance:
    """The nearest frame outside this project, SymPy and NumPy, and outside of what Python itself calls us by: the
    ``with`` of a generator of ours."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (_is_foreign(frame) or is_own(frame) or _is_pythons(frame)):
        frame = frame.f_back
    return Provenance(frame.f_code.co_filename, frame.f_lineno)


def names_result(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate what users call: the tensor it returns takes the name of the variable it is bound to."""

    @functools.wraps(function)
    def named(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            from symgraph.core.misuse import misfit

            found = misfit(function, args, kwargs, error)
            if found is None:
                raise
            raise found from error
        if getattr(result, "name", "") is None and name_of(result) is None:  # type: ignore[arg-type]
            caller = sys._getframe(1)
            while caller.f_back is not None and _is_foreign(caller):
                caller = caller.f_back
            if not is_own(caller):
                name = _bindings(caller.f_code).get(caller.f_lasti)
                if name is not None:
                    call_first(result, name)  # type: ignore[arg-type]
        return result

    return named


def is_own(frame: FrameType) -> bool:
    """Whether a frame is of this project, or of the ``__init__`` that Python wrote for a data class of it."""
    file = frame.f_code.co_filename
    return file.startswith(_OWN_FOLDERS) or (
        file == "<string>" and frame.f_globals.get("__name__", "").startswith(("symgraph.", "codegen."))
    )


def is_users(frame: FrameType) -> bool:
    """Whether a frame is neither of this project, nor of Python, nor of a library that this is made with."""
    file = frame.f_code.co_filename
    is_compiled = file.endswith(".pyx")
    return not (is_own(frame) or _is_pythons(frame) or is_compiled or "/mpmath/" in file or _is_foreign(frame))


def is_users_module(name: str) -> bool:
    """Whether a module is neither of Python nor installed."""
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return name == "__main__" or not (file == "" or file.startswith(_PYTHONS) or "site-packages" in file)


def _is_pythons(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_PYTHONS) and "site-packages" not in file


def _is_foreign(frame: FrameType) -> bool:
    return any(part in frame.f_code.co_filename for part in _FOREIGN_PARTS)


def at_line(message: str, place: Provenance | None = None) -> str:
    """``message`` followed by the user's line, where there is one: a command line has none."""
    place = place or here()
    return message if place.file.startswith("<frozen ") else f"{message}\n  at {place}"
