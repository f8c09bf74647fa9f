"""The compiler's own rules: memory plans, valid IR, equal kernels, reproducible source, the cache, imports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg
from codegen.host import cache
from codegen.loops import ir, nests
from codegen.loops.memory import SMALL_TOGETHER, Slot, check_memory, plan_memory
from codegen.loops.verify import InvalidProgram, verify_kernel, verify_program
from codegen.native.compile import optimise
from codegen.plan.split_sums import split_sums
from codegen.run.executable import Executable
from symgraph.core.tensor import Tensor
from symgraph.reference import evaluate
from symgraph.vocabulary.optimisers import SGD

ROOT = Path(__file__).parent.parent


def deep_network(depth: int) -> Tensor:
    rows = sg.dim("N")
    h = sg.input("x", (rows, 8))
    for layer in range(depth):
        W = sg.parameter(f"W{layer}", (8, 8), init=sg.init.kaiming_normal())
        b = sg.parameter(f"b{layer}", (8,))
        h = sg.tanh(h @ W + b)
    return sg.sum(h**2) / rows


@pytest.fixture(scope="module")
def executable() -> Executable:
    return codegen.train_step(deep_network(6), SGD(0.1, momentum=0.5)).executable


def test_memory_plan_is_valid_and_tight(executable: Executable) -> None:
    compiled = executable.compiled
    assert check_memory(compiled.program, compiled.arena, 4) == []
    found = [b for b in compiled.program.buffers.values() if b.role == "temporary" and len(b.shape) == 2]
    of_rows = [buffer for buffer in found if buffer.shape[0] != buffer.shape[1]]
    fixed, *others = compiled.arena.regions  # what is small and of a known size shares no place
    assert max(region.size for region in others) < 64 * len(of_rows) and fixed.size <= SMALL_TOGETHER


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("rows", (64, 200, sg.dim("N")), ids=str)
def test_scratch_is_planned_only_where_a_kernel_uses_it(rows: Any) -> None:
    x, W = sg.input("x", (rows, 300)), sg.parameter("W", (300, 1024))
    program = codegen.function([x, W], sg.relu(x @ W)).executable().compiled.program
    used = {name for kernel in program.kernels for name in kernel.arguments}
    assert all(name in used for name, buffer in program.buffers.items() if buffer.role == "scratch")


def test_an_overlapping_plan_is_caught(executable: Executable) -> None:
    program = executable.compiled.program
    arena = plan_memory(program, 4)
    caught = 0
    for name, slot in arena.slots.items():
        for other, place in arena.slots.items():
            if name != other and place.region == slot.region and place.offset != slot.offset:
                planted = replace(arena, slots={**arena.slots, name: Slot(slot.region, place.offset, slot.size)})
                caught += any("overlap" in line for line in check_memory(program, planted, 4))
    assert caught > 0
    shrunk = {name: Slot(slot.region, slot.offset, 0) for name, slot in arena.slots.items()}
    everything_at_once = {name: replace(slot, offset=0) for name, slot in shrunk.items()}
    assert any("overlap" in line for line in check_memory(program, replace(arena, slots=everything_at_once), 4))


def test_invalid_kernels_are_caught(executable: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")
    program = executable.compiled.program
    verify_program(program)
    kernel = program.kernels[0]
    unbound = ir.Let(ir.Var("a", "real"), ir.Var("nowhere", "real"))
    with pytest.raises(InvalidProgram, match="nowhere"):
        verify_kernel(replace(kernel, body=(unbound, *kernel.body)), program)
    mixed = ir.Op("+", (ir.Const(1.0, "real"), ir.Const(1.0, "float64")), "real")
    with pytest.raises(InvalidProgram, match=r"real.*float64"):
        verify_kernel(replace(kernel, body=(ir.Let(ir.Var("a", "real"), mixed),)), program)
    flat = ir.Let(ir.Var("a", "real"), ir.Load(kernel.buffers[0], (), "real"))
    with pytest.raises(InvalidProgram, match="rank"):
        verify_kernel(replace(kernel, body=(flat,)), program)
    with pytest.raises(InvalidProgram, match="nothing has written"):
        verify_program(replace(program, body=program.body[::-1]))


def test_equal_layers_share_kernels() -> None:
    sources = [codegen.train_step(deep_network(depth), SGD(0.1)).source for depth in (5, 10)]
    assert sources[0].count("@kernel") == sources[1].count("@kernel")


def test_source_has_the_users_names_and_formulas(executable: Executable) -> None:
    assert "update_W5" in executable.source and "# W5[i, k] ← " in executable.source
    compile(executable.source, "generated", "exec")


def test_cache_entries_are_bound_to_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path / "cache"))
    cache.store("a" * 64, b"code")
    assert cache.load("a" * 64) == b"code"
    (tmp_path / "cache" / f"{'b' * 64}.o").write_bytes((tmp_path / "cache" / f"{'a' * 64}.o").read_bytes())
    assert cache.load("b" * 64) is None
    (tmp_path / "cache" / f"{'a' * 64}.o").chmod(0o666)
    assert cache.load("a" * 64) is None


def test_a_folder_open_to_others_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("SYMGRAPH_CACHE", str(folder))
    assert cache.folder() is None
    monkeypatch.setenv("SYMGRAPH_CACHE", "off")
    assert cache.folder() is None


def test_sympy_ends_before_the_loops() -> None:
    sympy_ends_before = [*(ROOT / "codegen" / "native").rglob("*.py"), *(ROOT / "codegen" / "inspect").rglob("*.py")]
    without = ("ir", "program", "driver", "meetings", "memory", "share", "counts", "verify", "text")
    sympy_ends_before += [ROOT / "codegen" / "loops" / f"{name}.py" for name in without]
    for path in sympy_ends_before:
        assert "import sympy" not in path.read_text(encoding="utf-8"), path


def test_results_of_functions_are_fresh() -> None:
    x = sg.input("x", (sg.dim("N"),))
    function = codegen.function(x, [x, x + 1, x + 1], "float64")
    given = np.arange(3.0)
    first, second, third = function(given)
    assert first is not given and second is not third
    second[:] = 0
    np.testing.assert_array_equal(third, given + 1)
    np.testing.assert_array_equal(function(given)[1], given + 1)


def test_the_argument_of_a_relu_is_stored_only_where_it_is_asked_for() -> None:
    x, W = sg.input("x", (sg.dim("N"), 3)), sg.parameter("W", (3, 4))
    a = x @ W
    loss = sg.sum(sg.relu(a) ** 2)
    batch, start = np.linspace(-1, 1, 15).reshape(5, 3), np.linspace(1, -1, 12).reshape(3, 4)
    expected = start - 2 * batch.T @ np.maximum(batch @ start, 0)
    sources = []
    for outputs in (None, a, sg.where(a > 0, a, 1)):
        step = codegen.train_step(loss, sg.SGD(1.0), "float64", outputs=outputs)
        params = {"W": start.copy()}
        step(params, x=batch)
        np.testing.assert_allclose(params["W"], expected, rtol=1e-12)
        sources.append(step.source)
    assert " a = pointer" not in sources[0] and " a = pointer" in sources[1]


@pytest.mark.parametrize(
    ("level", "shown"), [(1, "lower"), (2, "y[n] = exp(x[n])"), (3, "region 0"), (4, "def run"), (5, "parallel for")]
)
def test_debugging_shows_more_at_every_level(
    level: int, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    x = sg.input("x", (sg.dim("N"),))
    y = sg.exp(x)
    printed = []
    for at in (level - 1, level):
        monkeypatch.setenv("SYMGRAPH_DEBUG", str(at))
        codegen.function(x, y, "float32").executable("float32")
        printed.append(capsys.readouterr().err)
    assert shown in printed[1] and shown not in printed[0]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_matrix_is_read_transposed_where_it_lies(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are products with its rows; for more of them some of its columns are copied together at a time."""
    x, W = sg.input("x", (sg.dim("N"), 300)), sg.parameter("W", (500, 300))
    loss = sg.sum((x @ W.T) ** 2)
    W_value = np.random.default_rng(0).integers(-4, 5, (500, 300)).astype(np.float64)
    monkeypatch.setenv("SYMGRAPH_THREADS", str(threads))
    function = codegen.function([x, W], [x @ W.T, sg.grad(loss, x)])
    for rows in (1, 3, 4, 61, 130):
        given = np.random.default_rng(rows).integers(-4, 5, (rows, 300)).astype(np.float64)
        found, slope = function(given, W_value)
        np.testing.assert_array_equal(found, given @ W_value.T)
        np.testing.assert_array_equal(slope, 2 * (given @ W_value.T) @ W_value)
    assert function.source.count("transpose_block(") == function.source.count("transpose_block(W_strip") == 1


def test_a_batch_of_one_walks_over_each_matrix_once_forward_and_once_backward() -> None:
    """By whole rows of each thread's half, and updated in the pass that reads them for the cotangent below."""
    x, t = sg.input("x", (1, 512)), sg.input("t", (1, 8))
    V, W = sg.parameter("V", (512, 512)), sg.parameter("W", (512, 8))
    step = codegen.train_step(sg.mean((sg.tanh(x @ V) @ W - t) ** 2), SGD(0.1))
    kernels = step.executable.compiled.program.kernels
    for matrix in (V, W):
        forward, backward = (kernel for kernel in kernels if matrix.name in kernel.arguments)
        assert f"rows shared · row by row: 256×{matrix.shape[1]} [" in forward.schedule
        assert f"{matrix.name}]" in backward.schedule
    random = np.random.default_rng(0)
    a, given = x @ V, {"x": random.normal(size=(1, 512)), "V": random.normal(size=(512, 512))}
    np.testing.assert_allclose(evaluate(split_sums([a], [V])[a], given), given["x"] @ given["V"], rtol=1e-9)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("where", ["named", "in a formula", "in a gradient"])
def test_what_is_the_same_in_all_rows_is_computed_once(where: str) -> None:
    """exp(Σ_n x[n, i]) was written into the loop over n: N·4 exponentials for 4."""
    x = sg.input("x", (sg.dim("N"), 4))
    s = sg.sum(x, axis=0, keepdims=True)
    e = sg.exp(-(s**2))
    kept = sg.where(s > 2, e, -2)
    value = {"named": x * e, "in a formula": x * sg.exp(sg.sum(x, axis=0)), "in a gradient": sg.grad(sg.mean(kept), x)}
    lines = codegen.function([x], value[where]).source.splitlines()
    (loop,) = [n for n, line in enumerate(lines) if line.lstrip().startswith("for n in range(n_begin")]
    assert not any("exp(" in line or "select(" in line for line in lines[loop:] if not line.lstrip().startswith("#"))


def test_a_value_is_laid_out_as_what_it_is_computed_of() -> None:
    """Vectors run along what is read: of a softmax over the first axis, of the slope of a maximum over the last."""
    x = sg.parameter("x", (64, 48))
    for y in (sg.softmax(x, axis=0), sg.max(x, axis=1)):
        source = codegen.train_step(sg.sum(sg.sin(y))).source
        assert "*48 + " in source and "*64 + " not in source  # nothing has its axes the other way round


# -- long kernels -----------------------------------------------------------------------------------------------------
def chain_of_windows(depth: int) -> codegen.TrainStep:
    """Convolutions over images so small that one kernel computes all of them, image by image."""
    h = sg.input("x", (sg.dim("N"), 2, 6, 6))
    for layer in range(depth):
        W = sg.parameter(f"W{layer}", (2, 2, 3, 3), init=sg.init.normal(0.3))
        h = sg.relu(sg.conv2d(h, W, padding=1))
    return codegen.train_step(sg.mean(h**2), SGD(0.1))


@pytest.mark.usefixtures("plain")
def test_equal_loop_nests_of_a_long_kernel_are_one_function() -> None:
    """LLVM would take four times as long for twice as many layers in one function."""
    few, many = (chain_of_windows(depth).source for depth in (4, 7))
    assert many.count("\ndef ") == few.count("\ndef ") and "def nest_1(" in few


@pytest.mark.parametrize("most", [4, nests.MOST_LOOPS])
def test_a_nest_computes_what_it_does_in_its_place(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(3, 2, 6, 6)).astype(np.float32)

    def trained(loops: int) -> list[bytes]:
        monkeypatch.setattr(nests, "MOST_LOOPS", loops)
        step = chain_of_windows(4)
        params = step.init(0)
        losses = [step(params, x=x) for _ in range(3)]
        assert ("nest_1" in step.source) == (loops < 1 << 20)
        return [*map(bytes, params.values()), np.array(losses).tobytes()]

    assert trained(most) == trained(1 << 20)


def modules_before_optimising(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fills with the text of each module that LLVM is given from here on; nothing comes from the cache."""
    modules: list[str] = []

    def seen(module: Any) -> None:
        modules.append(str(module))
        optimise(module)

    monkeypatch.setattr("codegen.native.compile.optimise", seen)
    monkeypatch.setenv("SYMGRAPH_CACHE", "off")
    return modules


def test_transposed_copies_of_large_matrices_have_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code is longer than all else in their kernels; a block of short rows is turned where it is read."""
    x, *weights = sg.input("x", (sg.dim("N"), 10)), sg.parameter("W", (80, 70)), sg.parameter("V", (70, 90))
    modules = modules_before_optimising(monkeypatch)
    function = codegen.function([x, *weights], [*map(sg.transpose, weights), sg.softmax(x)])
    values = [np.random.default_rng(0).normal(size=size).astype(np.float32) for size in ((33, 10), (80, 70), (70, 90))]
    results = function(*values)
    (text,) = [text for text in modules if "entry_team" in text]
    assert text.count("define internal void @symgraph_transpose_block_float(") == 1
    assert text.count("call void @symgraph_transpose_block_float(") == 2 < function.source.count("transpose_block(")
    assert all(np.array_equal(result, value.T) for result, value in zip(results[:2], values[1:], strict=True))


def test_equal_tiles_of_products_are_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """One product after the other has rows of its own, and the tile of the one before; a sum over rows of which nobody
    knows how many there are has a second function beside it, for as many as are added in float64."""
    x, W, V = sg.input("x", (sg.dim("N"), 64)), sg.parameter("W", (64, 64)), sg.parameter("V", (64, 64))
    modules = modules_before_optimising(monkeypatch)
    function = codegen.function([x, W, V], [sg.tanh(x @ W) @ V, sg.einsum("ni,nj->ij", x, sg.tanh(x))])
    random = np.random.default_rng(0)
    w, v = random.normal(size=(2, 64, 64)).astype(np.float32)
    for rows in (33, 3000):
        values = random.normal(size=(rows, 64)).astype(np.float32)
        product, squares = function(values, w, v)
        np.testing.assert_allclose(product, np.tanh(values.astype(float) @ w) @ v, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(squares, values.T.astype(float) @ np.tanh(values), rtol=1e-3, atol=1e-2)
    (text,) = [text for text in modules if "entry_team" in text]
    defined = [line for line in text.splitlines() if line.startswith('define internal void @"symgraph tile')]
    names = [line.split("(")[0] for line in defined]
    assert len(names) == len(set(names)) and sum("long" in name for name in names) == 1
    calls, products = text.count('call void @"symgraph tile'), 3
    assert len(names) <= products and calls == products + 2, "one calls either of two, of which one calls the other"
