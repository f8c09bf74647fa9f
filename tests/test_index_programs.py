"""Random index programs: values and gradients against plain loops and central differences.

``INDEX_PROGRAMS=2000 INDEX_SEED=0 python -m pytest tests/test_index_programs.py`` runs more, with ``INDEX_NATIVE=1``
as native code for all of them.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.graph import leaves
from symgraph.reference import evaluate
from tests.index_programs import curvature, difference, given, make, value

MORE = int(os.environ.get("INDEX_PROGRAMS", "0"))
FIRST = int(os.environ.get("INDEX_SEED", "0"))
NATIVE_EVERY = 1 if os.environ.get("INDEX_NATIVE") else 12


ONCE_WRONG = [] if MORE else [200925, 303288, 304292, 401046, 402789]
"""A slope that is 0·Σx, whose kernel was looked for without end; stores with gaps, at which LLVM's assertion ended the
process; slopes that are 0 but at one place and at some that a size tells, of which one was left."""


@pytest.mark.parametrize("seed", [*range(FIRST, FIRST + (MORE or 40)), *ONCE_WRONG])
def test_index_program_means_what_loops_say(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    p = make(seed)
    values, story = given(p), "; ".join(p.story)
    expected = float(value(p))
    np.testing.assert_allclose(float(evaluate(p.tensor, values)), expected, 1e-9, 1e-12, err_msg=story)
    names = [name for name in p.real if name in {leaf.name for leaf in leaves([p.tensor]).values()}]
    wrt = [p.leaves[name] for name in names]
    slopes = {name: difference(p, name) for name in names}
    gradients = sg.grad(p.tensor, wrt, disconnected="zero")
    bare = sg.grad(p.tensor, wrt, disconnected="zero", simplify=False)
    sizes = {s.name: n for x, a in zip(p.leaves.values(), p.arrays.values(), strict=True)
             for s, n in zip(x.shape, a.shape, strict=True) if s.is_Symbol}  # fmt: skip
    for leaf in wrt:
        for which, forms in (("simplified", gradients), ("bare", bare)):
            found = evaluate(forms[leaf], values, sizes=sizes)
            np.testing.assert_allclose(found, slopes[leaf.name], 1e-7, 1e-9, err_msg=f"{which} ∂/∂{leaf.name}: {story}")
    if MORE or seed % 4 == 0:
        random = np.random.default_rng(seed)
        ways = {leaf.name: random.standard_normal(p.arrays[leaf.name].shape) for leaf in wrt}
        along = [sg.sum(gradients[leaf] * sg.input(f"along_{leaf.name}", leaf.shape)) for leaf in wrt]
        second = sg.grad(sum(along[1:], along[0]), wrt, disconnected="zero")
        given_too = {**values, **{f"along_{name}": way for name, way in ways.items()}}
        found = sum((evaluate(second[leaf], given_too, sizes=sizes) * ways[leaf.name]).sum() for leaf in wrt)
        np.testing.assert_allclose(found, curvature(p, ways), 1e-7, 1e-8, err_msg=f"second derivative: {story}")
    if seed % NATIVE_EVERY:
        monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    compiled = codegen.function(
        list(p.leaves.values()), [p.tensor, *(gradients[leaf] for leaf in wrt)], dtype="float64"
    )
    total, *found = compiled(**values)
    np.testing.assert_allclose(total, expected, 1e-9, 1e-12, err_msg=f"{story}\n{compiled.source}")
    for leaf, array in zip(wrt, found, strict=True):
        np.testing.assert_allclose(
            array, slopes[leaf.name], 1e-7, 1e-9, err_msg=f"∂/∂{leaf.name}: {story}\n{compiled.source}"
        )
