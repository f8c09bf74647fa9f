"""A reproduction that runs alone: declarations, arrays, what came, and what the oracle says."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

from tests.fuzz.compare import Finding
from tests.fuzz.data import data_of
from tests.fuzz.oracle import Label, OutOfRange, TooLong, elements, evaluate
from tests.fuzz.programs import Program
from tests.fuzz.render import render

HEAD = '''"""{kind}: {text}

Seed {seed}, {dtype}, {mode}. {place}
"""

import os

{environment}import numpy as np
import sympy as sp

import codegen
import symgraph as sg

S_1, S_2, S_3, S_4 = sp.symbols("u v w z", real=True)
'''


def script(program: Program, finding: Finding) -> str:
    """Python source that shows a finding and prints what was expected."""
    data = data_of(program)
    mode = "native" if program.native else "plain Python"
    environment = "" if program.native else 'os.environ["SYMGRAPH_PYTHON"] = "1"\n'
    text = HEAD.format(
        kind=finding.kind, text=finding.text, seed=program.seed, dtype=program.dtype, mode=mode, place=finding.place,
        environment=environment,
    )  # fmt: skip
    styles = [0, finding.style] if finding.kind == "names-decide" else [finding.style]
    text += "\nvalues = {\n"
    for leaf in program.leaves:
        if leaf.kind != "constant":
            text += f'    "{leaf.name}": {_array(data[leaf.name])},\n'
    text += "}\n" + f"expected = {_expected(program, data)}\n"
    for style in styles:
        text += "\n" + render(program, style, data)
        text += f'got = codegen.function(inputs, outputs, dtype="{program.dtype}")(**values)\n'
        text += 'for name, array in got.items():\n    print(name, "got", array.tolist())\n'
        text += '    print(name, "expected", expected.get(name))\n'
    return text


def _array(array: np.ndarray) -> str:
    dtype = "int64" if array.dtype.kind == "i" else str(array.dtype)
    return f"np.array({array.tolist()!r}, dtype=np.{dtype})"


def _expected(program: Program, data: Any) -> str:
    try:
        found = evaluate(program, data, program.dtype)
    except OutOfRange:
        return "{}  # an element outside its array is read: a SymgraphError"
    except TooLong:
        return "{}  # too long for the oracle"
    shown = {}
    for number, array in found.items():
        numbers = np.empty(array.shape, dtype=object)
        for at, exact in elements(array):
            numbers[at] = _shown(exact)
        shown[f"o{number}"] = numbers.tolist()
    return repr(shown)


def _shown(exact: Any) -> Any:
    if isinstance(exact, Label):
        return exact.value
    if not mpmath.isfinite(exact.value):
        return "?"
    text = mpmath.nstr(exact.value, 17)
    return f"{text} (no bound)" if exact.loose else float(text)
