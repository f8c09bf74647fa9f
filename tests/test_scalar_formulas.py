"""Random scalar formulas, against an oracle of their own: no exception but the project's, no wrong number."""

from __future__ import annotations

import pytest

from tests.scalar_formulas import check, formula
from tests.sizes import examples

BATCHES, SIZE, LARGEST = 5, examples(12, 400), 80


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_formulas(batch: int) -> None:
    ended = []
    for seed in range(10_000 + batch * SIZE, 10_000 + (batch + 1) * SIZE):
        tree, by_operators = formula(seed)
        if len(str(tree)) <= LARGEST:
            ended.append(check(tree, seed, by_operators, compiled=seed % 4 == 0))
    assert ended.count("checked") > len(ended) / 4
