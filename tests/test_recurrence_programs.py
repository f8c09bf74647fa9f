"""Random recurrences: values and derivatives against NumPy loops, and two threads that take turns at every meeting.

``RECURRENCES=2000 RECURRENCE_SEED=0 python -m pytest tests/test_recurrence_programs.py`` runs more, with
``RECURRENCE_NATIVE=1`` as native code too.
"""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

import codegen
import symgraph as sg
from tests.recurrence_programs import derivative, loops, make, said
from tests.turns import ORDERS, InTurns

MORE = int(os.environ.get("RECURRENCES", "0"))
FIRST = int(os.environ.get("RECURRENCE_SEED", "18"))
ONCE_WRONG = (777020, 777226)
"""A condition on the index of a sum; a divisor of what is 0 behind the end of a row."""
NATIVE = bool(os.environ.get("RECURRENCE_NATIVE"))


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("seed", [*range(FIRST, FIRST + (MORE or 6)), *(() if MORE else ONCE_WRONG)])
def test_a_recurrence_is_what_its_loops_compute(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    p = make(seed)
    J, leaves, values = said(p)
    slopes = sg.grad(J, [leaves[name] for name in p.arrays], disconnected="zero")
    outputs = [J, *slopes.values()]
    expected = [np.real(loops(p, p.arrays)), *(derivative(p, name) for name in p.arrays)]
    function = codegen.function(list(leaves.values()), outputs, dtype="float64")
    executable = function.executable(np.dtype("float64"))
    results = {"alone": [np.array(one) for one in function(**values)]}
    for order in ORDERS:
        InTurns(executable, order)
        results[f"threads in turns {order}"] = [np.array(one) for one in function(**values)]
    if NATIVE:
        monkeypatch.setenv("SYMGRAPH_PYTHON", "0")
        native = codegen.function(list(leaves.values()), outputs, dtype="float64")
        results["native"] = [np.array(one) for one in native(**values)]
    for how, found in results.items():
        for name, got, wanted in zip(["J", *p.arrays], found, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-11, err_msg=f"{how}: {name} of {p}")


def test_states_before_each_step_are_read_where_they_lie() -> None:
    """The first one is 0, so that a weight's gradient sums over the other steps, of h itself: no copy of it is made."""
    x = sg.input("x", (6, 8, 3))
    h, _ = sg.nn.RNN(3, 16, name="net")(x)
    step = codegen.train_step(sg.sum(h**2), sg.SGD(lr=0.1))
    assert re.search(r"Σ_\{k,l\} \w+\[k \+ 1, l, i\]·\w+\[k, l, j\]$", step.source, re.MULTILINE)
    assert "else 0}" not in step.source
