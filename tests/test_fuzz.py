"""A short run of the fuzzer, its oracle against differences, and faults on purpose that it has to find."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest

from tests.fuzz import planted
from tests.fuzz.data import data_of
from tests.fuzz.execute import Options, Result, execute
from tests.fuzz.generate import generate
from tests.fuzz.minimise import minimise
from tests.fuzz.oracle import evaluate
from tests.fuzz.pool import Pool
from tests.fuzz.programs import Program, Value
from tests.fuzz.script import script
from tests.fuzz.tape import PRECISION, Tape
from tests.sizes import examples

SEEDS = range(examples(8, 200))
SMALL = 8


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_program_is_what_its_formula_says(seed: int) -> None:
    assert not execute(generate(seed), Options(styles=(0, seed + 1), cost=seed % 4 == 0)).findings


def test_a_seed_is_one_program() -> None:
    assert generate(5) == generate(5)
    assert len({generate(seed).values for seed in range(20)}) == 20


def test_the_sign_of_what_underflows_is_not_told() -> None:
    """x²·tanh x is 7·10⁻⁴⁰² for x = 1.9·10⁻¹³⁴: 0 in float64, whose sign is 0. The seed 92002000120."""
    tape = Tape("float64")
    with mpmath.workprec(PRECISION):
        x = tape.number(1.9e-134)
        product = tape.mul(tape.mul(x, x), tape.tanh(x))
        assert tape.order(product, tape.number(0)) == (1, True)
        assert tape.order(tape.mul(x, x), tape.number(0)) == (1, False)


def test_nobody_says_in_which_order_factors_are_multiplied() -> None:
    """x·(x·0) is 0, x²·0 is NaN where x² overflows; so it is where x·0 is the value of a branch. Seed 95001000389."""
    tape = Tape("float64")
    with mpmath.workprec(PRECISION):
        x = tape.number(1e200)
        product = tape.mul(x, tape.number(0))
        assert not product.fragile and tape.mul(x, product).fragile
        assert tape.mul(x, tape.same(product)).fragile


@pytest.mark.parametrize("seed", [2, 5, 14, 16, 27, 34])
def test_the_oracle_agrees_with_differences(seed: int) -> None:
    """∂J/∂x of the tape against (J(x + h) − J(x − h))/2h in 51 digits, which shares nothing with the reverse sweep."""
    program = generate(seed)
    for number in program.outputs:
        value = program.values[number]
        if value.op == "grad" and program.values[value.args[1]].op == "leaf":
            _check_by_differences(program, number, value)


def _check_by_differences(program: Program, number: int, value: Value) -> None:
    loss, leaf = value.args[0], program.values[value.args[1]].data
    data = data_of(program)
    alone = Program(program.values, (loss, number), program.sizes, program.seed, "float64")
    gradient = evaluate(alone, data, "float64")[number]
    step = mpmath.mpf(10) ** -20
    with mpmath.workprec(PRECISION):
        for at in itertools.islice(np.ndindex(gradient.shape), 4):
            exact = gradient[at]
            if exact.loose:
                continue
            ends = [_loss_at(alone, loss, data, leaf.name, at, sign * step) for sign in (1, -1)]
            assert abs((ends[0] - ends[1]) / (2 * step) - exact.value) <= mpmath.mpf(10) ** -15 * (1 + abs(exact.value))


def _loss_at(program: Program, loss: int, data: dict, name: str, at: tuple[int, ...], step: mpmath.mpf) -> mpmath.mpf:
    moved = np.empty(data[name].shape, dtype=object)
    for place in np.ndindex(moved.shape):
        moved[place] = mpmath.mpf(float(data[name][place])) + (step if place == at else 0)
    alone = Program(program.values, (loss,), program.sizes, program.seed, "float64")
    return evaluate(alone, {**data, name: moved}, "float64")[loss][()].value


def _programs_with(fault: planted.Fault) -> Iterator[Program]:
    """Small programs that meet a fault."""
    programs = (generate(seed) for seed in itertools.count(100))
    meeting = (p for p in programs if len(p.values) <= SMALL and fault.met_by(p))
    return itertools.islice(meeting, 25)


SLOW = ("no_steps_back", "branches_leak", "names_decide")
"""Planted faults that few programs meet, or of which each is written in several ways."""


@pytest.mark.parametrize("fault", [f for f in planted.FAULTS if not f.in_child], ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: planted.Fault, request: pytest.FixtureRequest) -> None:
    if fault.name in SLOW and not request.config.getoption("--long"):
        pytest.skip("half a minute: pytest --long")
    for program in _programs_with(fault):
        with pytest.MonkeyPatch.context() as patch:
            fault.plant(patch)
            spoilt = execute(program)
        if spoilt.findings and not execute(program).findings:
            return
    pytest.fail("the fuzzer does not see it")


def test_a_program_that_hangs_or_dies_is_a_finding() -> None:
    """And the next one runs as if nothing had been."""
    faults = [fault for fault in planted.FAULTS if fault.in_child]
    programs = [next(p for p in _programs_with(f) if sum(other.met_by(p) for other in faults) == 1) for f in faults]
    healthy = next(p for p in map(generate, SEEDS) if not p.native and not any(fault.met_by(p) for fault in faults))
    with Pool(1, seconds=60.0, prepare=_plant_all) as pool:
        for fault, program in zip(faults, programs, strict=True):
            pool.seconds = 1.0 if fault.name == "hangs" else 60.0
            assert [finding.kind for finding in pool.run(program, Options()).findings] == [fault.name]
        pool.seconds = 60.0
        assert pool.run(healthy, Options()).findings == []


def _plant_all() -> None:
    for fault in planted.FAULTS:
        if fault.in_child:
            fault.plant(pytest.MonkeyPatch())


def test_a_finding_becomes_small_and_its_script_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.mean_is_sum(monkeypatch)
    fault = next(f for f in planted.FAULTS if f.name == "mean_is_sum")

    def shown(program: Program) -> Result:
        return execute(program, Options(styles=(0,)))

    def shows(program: Program) -> bool:
        return any(finding.kind == "wrong-value" for finding in shown(program).findings)

    program = next(p for p in _programs_with(fault) if shows(p))
    smallest = minimise(program, shows)
    assert [value.op for value in smallest.values] == ["leaf", "mean"]
    scope: dict[str, object] = {}
    exec(script(smallest, shown(smallest).findings[0]), scope)
    (number,) = smallest.outputs
    assert not np.allclose(scope["got"][f"o{number}"], scope["expected"][f"o{number}"])  # type: ignore[index]
