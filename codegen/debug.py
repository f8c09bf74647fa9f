"""``SYMGRAPH_DEBUG``: what the compiler tells about itself, to standard error.

    0  nothing (default)          3  … and the memory plan, and every stage is verified
    1  stages and their times     4  … and the generated source
    2  … and kernels' formulas    5  … and, in place of formulas, the IR after lowering

``SYMGRAPH_DUMP=folder`` writes the same as files; ``SYMGRAPH_PYTHON=1`` runs the generated source as plain Python;
``SYMGRAPH_CHECK=1`` verifies every stage without printing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def level() -> int:
    """The debugging level."""
    text = os.environ.get("SYMGRAPH_DEBUG", "0")
    return int(text) if text.isdigit() else 0


def checks() -> bool:
    """Whether stages verify what they are given."""
    return level() >= 3 or os.environ.get("SYMGRAPH_CHECK", "") == "1"


def looks() -> bool:
    """Whether somebody looks at the stages, so that none is left out because its result is in the cache."""
    return level() >= 1 or checks() or runs_as_python() or bool(os.environ.get("SYMGRAPH_DUMP"))


def runs_as_python() -> bool:
    """Whether the generated source is to run un-jitted."""
    return os.environ.get("SYMGRAPH_PYTHON", "") == "1"


@contextmanager
def stage(name: str, seconds: dict[str, float]) -> Iterator[Callable[[object], None]]:
    """Enter the time of a stage in ``seconds``; the function it yields shows what the stage leaves."""
    results: list[object] = []
    start = time.perf_counter()
    yield results.append
    seconds[name] = time.perf_counter() - start
    if level() >= 1:
        print(f"symgraph: {name:10} {seconds[name] * 1e3:8.1f} ms", file=sys.stderr)
    for result in results:
        _show(name, result)


def _show(name: str, result: Any) -> None:
    folder = os.environ.get("SYMGRAPH_DUMP")
    if level() < 2 and not folder:
        return
    from codegen.inspect.show import show_formulas

    text = describe(result)
    if name == "lower" and 2 <= level() < 5:
        print(show_formulas(result), file=sys.stderr)
    elif level() >= {"memory": 3, "emit": 4, "lower": 5}[name]:
        print(text, file=sys.stderr)
    if folder:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        number = len(list(path.iterdir()))
        (path / f"{number:03d}-{name}.{'py' if name == 'emit' else 'txt'}").write_text(text, encoding="utf-8")


def describe(result: object) -> str:
    """Text of what a stage leaves."""
    from codegen.inspect.show import show_arena, show_program
    from codegen.loops.driver import Source
    from codegen.loops.memory import Arena
    from codegen.loops.program import Program

    match result:
        case Program():
            return show_program(result)
        case Arena():
            return show_arena(result)
        case Source():
            return result.text
    return str(result)
