"""One program, both ways: what ``symgraph`` and ``codegen`` make of it, what the oracle says, and the differences."""

from __future__ import annotations

import contextlib
import linecache
import math
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from tests.fuzz.compare import Finding, Tally, compare, compare_splittings, same_bits
from tests.fuzz.data import data_of
from tests.fuzz.oracle import OutOfRange, TooLong, evaluate
from tests.fuzz.programs import Program, run_size, shapes_of
from tests.fuzz.render import PLAIN, SYMBOLS, render

HERE = os.path.dirname(__file__)
MANY_ROWS = (2000, 200, 50)
MOST_ITERATIONS = 3_000_000
SLOW = 10.0
FULL = 64


@dataclass
class Result:
    """What came of one program."""

    findings: list[Finding] = field(default_factory=list)
    refused: str | None = None
    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """What is checked besides values."""

    styles: tuple[int, ...] = (PLAIN, 1)
    cost: bool = False


def execute(program: Program, options: Options = Options()) -> Result:
    """Run a program and compare."""
    result = Result()
    data = data_of(program)
    start = time.perf_counter()
    expected, refusal_due = None, False
    try:
        expected = evaluate(program, data, program.dtype)
    except OutOfRange:
        refusal_due = True
    except TooLong:
        result.refused = "too long for the oracle"
        return result
    except Exception as error:
        result.findings.append(Finding("oracle", _described(error), PLAIN, _place(error)))
        return result
    result.seconds["oracle"] = time.perf_counter() - start
    outcomes: list[dict[str, np.ndarray]] = []
    for style in options.styles:
        start = time.process_time()
        with _environment(SYMGRAPH_PYTHON="" if program.native else "1"):
            outcome = _run(program, style, data, result, options)
        result.seconds[f"style {style}"] = time.process_time() - start
        if outcome is None:
            continue
        if refusal_due:
            if all(isinstance(size, int) for leaf in program.leaves for size in leaf.shape):
                result.findings.append(Finding("not-refused", "an element outside its array was read", style))
            continue  # under a condition on sizes that a call brings, nothing is read there and the value is 0
        assert expected is not None
        result.findings += compare(program, expected, outcome, style, result.tally)
        outcomes.append(outcome)
    if expected is not None and len(outcomes) > 1:
        result.findings += compare_splittings(program, expected, outcomes, options.styles)
    slowest = max(seconds for name, seconds in result.seconds.items() if name != "oracle")
    if slowest > SLOW:
        result.findings.append(Finding("slow", f"{slowest:.0f} s to derive, compile and run", options.styles[0]))
    return result


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    known = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(known)


def declared(program: Program, style: int, data: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Run the declarations; what they leave."""
    import symgraph as sg

    source = render(program, style, data)
    name = f"<fuzz program {program.seed} style {style}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    symbols = {f"S_{k + 1}": sp.Symbol("uvwz"[k], real=True) for k in range(SYMBOLS)}
    scope: dict[str, Any] = {"sg": sg, "sp": sp, "np": np, "__name__": "fuzzed", **symbols}
    exec(compile(source, name, "exec"), scope)
    return scope


def _run(
    program: Program, style: int, data: Mapping[str, np.ndarray], result: Result, options: Options
) -> dict[str, np.ndarray] | None:
    """The outputs by name; None if refused or if it failed, which is noted."""
    import codegen
    from symgraph.errors import SymgraphError

    given = {leaf.name: data[leaf.name] for leaf in program.leaves if leaf.kind != "constant"}
    try:
        with np.errstate(all="ignore"):
            scope = declared(program, style, data)
            function = codegen.function(scope["inputs"], scope["outputs"], dtype=program.dtype)
            outcome = function(**given)
            if program.native:
                _check_threads(program, function, given, outcome, style, result)
            if options.cost and style == PLAIN:
                result.findings += _check_cost(program, scope)
    except SymgraphError as error:
        result.refused = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return None
    except Exception as error:
        result.findings.append(Finding("exception", _described(error), style, _place(error)))
        return None
    return {name: np.asarray(array) for name, array in outcome.items()}


def _described(error: Exception) -> str:
    lines = (str(error) or "no message").splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}"


def _place(error: Exception) -> str:
    """Function and file of the innermost frame of the tested packages."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/symgraph/" in f.filename or "/codegen/" in f.filename]
    frame = (own or frames)[-1]
    place = f"{os.path.basename(frame.filename)}:{frame.name}"
    return f"{type(error).__name__} {place}"


def _check_threads(
    program: Program, function: Any, given: Mapping[str, np.ndarray], outcome: Any, style: int, result: Result
) -> None:
    """One and two threads give the same bits, at the program's sizes and at many rows."""
    import codegen

    several = [dict(given)]
    rows = next((r for r in MANY_ROWS if _iterations(program, r) <= MOST_ITERATIONS), None)
    if rows is not None:
        several.append({k: v for k, v in data_of(program, {"N": rows}).items() if k in given})
    results = []
    for threads in ("1", "2"):
        with _environment(SYMGRAPH_THREADS=threads):
            again = codegen.function(function.inputs, dict(zip(outcome, function.outputs, strict=True)), program.dtype)
            results.append([again(**arrays) for arrays in several])
    for one, two in zip(*results, strict=True):
        if not same_bits(one, two):
            result.findings.append(Finding("threads", "one and two threads differ", style))
            return


def _iterations(program: Program, rows: int) -> int:
    """The most elements that one value of a program has or reads, with as many rows."""
    sizes, most = {"N": rows}, 1
    for value, shape in zip(program.values, shapes_of(program), strict=True):
        bound = [size for _, size in value.data[1]] if value.op == "define" else []
        operands = [shapes_of(program)[a] for a in value.args] if value.op in ("matmul", "grad") else []
        for extents in ([*shape, *bound], *([*shape, *operand] for operand in operands)):
            most = max(most, math.prod(max(1, run_size(size, sizes)) for size in extents))
    return most


def _check_cost(program: Program, scope: Mapping[str, Any]) -> list[Finding]:
    """Value and gradient together cost at most five times the value's operations, and two for each element given.

    At as many rows as fill blocks: a block of lanes takes as long whatever it holds.
    """
    import codegen

    by_loss: dict[int, list[int]] = {}
    for k in program.outputs:
        value = program.values[k]
        if value.op == "grad" and all(program.values[n].op != "grad" for n in _below(program, value.args[0])):
            by_loss.setdefault(value.args[0], []).append(k)
    shapes = [leaf.shape for leaf in program.leaves]
    sizes = {"N": FULL} if any(not isinstance(size, int) for shape in shapes for size in shape) else {}
    elements = sum(math.prod(run_size(size, {"N": FULL}) for size in shape) for shape in shapes)
    found = []
    for loss, gradients in by_loss.items():
        if loss not in program.outputs:
            continue
        outputs = scope["outputs"]
        both = {f"o{k}": outputs[f"o{k}"] for k in (loss, *gradients)}
        functions = [codegen.function(scope["inputs"], some, program.dtype) for some in ([outputs[f"o{loss}"]], both)]
        counts = [sum(row.operations for row in f.report(sizes=sizes).kernels) for f in functions]
        if counts[1] > 5 * counts[0] + 2 * elements + 8:
            text = f"value {counts[0]:.0f} operations, value and gradient {counts[1]:.0f}, {elements} elements given"
            found.append(Finding("cost", text, PLAIN))
    return found


def _below(program: Program, number: int) -> set[int]:
    found, pending = set(), [number]
    while pending:
        k = pending.pop()
        if k not in found:
            found.add(k)
            pending.extend(program.values[k].args)
    return found
