"""The three ways to run a program: native code, its source as plain Python, and the reference evaluator."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.reference import evaluate

MODES = pytest.mark.parametrize("mode", ["native", "plain Python", "reference"])


def run(mode: str, inputs: list[Any], output: Any, *arrays: Any) -> np.ndarray:
    """An output by native code, by the generated source as plain Python, or by the reference."""
    return run_all(mode, inputs, [output], *arrays)[0]


def run_all(mode: str, inputs: list[Any], outputs: list[Any], *arrays: Any) -> list[np.ndarray]:
    """Outputs of one program."""
    if mode == "reference":
        values = {str(leaf.name): np.asarray(array) for leaf, array in zip(inputs, arrays, strict=True)}
        return [np.asarray(found, dtype=float) for found in evaluate([*map(sg.as_tensor, outputs)], values)]
    before = os.environ.pop("SYMGRAPH_PYTHON", None)
    try:
        if mode == "plain Python":
            os.environ["SYMGRAPH_PYTHON"] = "1"
        found = codegen.function(inputs, outputs, dtype="float64")(*arrays)
        return [np.asarray(array, dtype=float) for array in found]
    finally:
        os.environ.pop("SYMGRAPH_PYTHON", None)
        if before is not None:
            os.environ["SYMGRAPH_PYTHON"] = before
