"""A few of the nasty list's formulas, as a sample of ``python -m tests.nasty``, and what its measure says of itself."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from tests.nasty import EXACT, scalar_verdicts, summary, tensor_verdicts, truth
from tests.nasty_eighth import ONE_EIGHTH, TWO_EIGHTH
from tests.nasty_eighth_tensors import EIGHTH
from tests.nasty_fourth import ONE_FOURTH, TWO_FOURTH
from tests.nasty_fourth_tensors import FOURTH
from tests.nasty_ninth import ONE_NINTH, TWO_NINTH
from tests.nasty_ninth_tensors import NINTH
from tests.nasty_rows import ONE
from tests.nasty_seventh import ONE_SEVENTH, TWO_SEVENTH
from tests.nasty_seventh_tensors import SEVENTH
from tests.nasty_sixth import ONE_SIXTH, TWO_SIXTH
from tests.nasty_sixth_tensors import SIXTH
from tests.nasty_tensors import ROWS

SCALARS = ("sin x/x",)
ARRAYS = ("E[x²] − E[x]²", "−log softmax[k]")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_sample_is_right_where_it_was_not(dtype: type) -> None:
    verdicts = list(scalar_verdicts({name: ONE[name] for name in SCALARS}, 1, dtype))
    assert all(verdict.right for verdict in verdicts), summary(verdicts)
    assert not all(verdict.plain_error <= 1 for verdict in verdicts)


def test_formulas_of_arrays_are_measured_too() -> None:
    rows = {name: (*ROWS[name][:2], ROWS[name][2][1:3]) for name in ARRAYS}
    verdicts = list(tensor_verdicts(rows, np.float64))
    assert {verdict.row for verdict in verdicts} == set(ARRAYS)
    assert all(verdict.right for verdict in verdicts), summary(verdicts)


def test_the_truth_is_that_of_series_at_removable_points() -> None:
    sine = ONE["sin x/x"][0]
    for at, orders, expected in ((0.0, (2,), -1 / 3), (1e-20, (1,), -1e-20 / 3), (0.3, (0,), np.sinc(0.3 / np.pi))):
        found = truth(lambda x: sine(EXACT, x), (at,), orders)
        assert mpmath.almosteq(found, float(expected), 1e-14)


def test_the_list_is_as_long_as_it_has_to_be() -> None:
    assert len(ONE) >= 150 and len(ROWS) >= 40
    assert len(ONE_FOURTH) + len(TWO_FOURTH) >= 120 and len(FOURTH) >= 40
    assert len(ONE_SIXTH) + len(TWO_SIXTH) >= 100 and len(SIXTH) >= 30
    assert len(ONE_SEVENTH) + len(TWO_SEVENTH) >= 120 and len(SEVENTH) >= 15
    assert len(ONE_EIGHTH) + len(TWO_EIGHTH) >= 80 and len(EIGHTH) >= 15
    assert len(ONE_NINTH) + len(TWO_NINTH) >= 60 and len(NINTH) >= 15


def test_the_truth_is_right_where_an_argument_is_below_its_digits() -> None:
    """1 − x is 1 in sixty digits where x is 1e-200."""
    rocket = ONE_FOURTH["rocket"][0]
    assert mpmath.almosteq(truth(lambda x: rocket(EXACT, x), (1e-200,), (2,)), 1, 1e-14)
