"""Buffers, entries, object code in a fresh process, threads and barriers."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import float32, int64, uint8

from codegen.loops.words import SYNC
from codegen.native import team
from codegen.native.barrier import ARRIVALS, SLEEPERS, SYNC_WORDS
from codegen.native.compile import compile_entry, host_machine, load_entry, optimise
from codegen.native.kernels import Buffer, at, barrier, chunk, kernel, new_sync, pointer
from codegen.native.team_text import ALONE
from tests.sizes import examples


def twelve_streams(
    a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, p: Any, q: Any, r: Any, s: Any, size: Any
) -> None:
    for i in range(size):
        p[i] = a[i] * b[i]
        q[i] = c[i] - d[i]
        r[i] = e[i] + f[i]
        s[i] = g[i] + h[i] + p[i]


def twice_in_place(x: Any, y: Any, size: Any) -> None:
    for i in range(size):
        x[i] = x[i] + y[i]


def arena_program(arena: Any, size: Any) -> None:
    """Two kernels that use the same memory one after the other, as different buffers."""
    x, y = at(arena, 0, float32), at(arena, size * 4, float32)
    twice_in_place(x, y, size)
    twice_in_place(y, x, size)
    twice_in_place(x, y, size)


def test_buffers_of_one_kernel_need_no_overlap_checks() -> None:
    """The vectoriser's run-time checks, of each pair of twelve pointers, would be a block ``vector.memcheck``."""
    from numba.core import types

    from codegen.native.kernels.kernel import Module

    written = Module(str(host_machine().target_data))
    written.function(kernel(twelve_streams), (Buffer(types.float32),) * 12 + (types.int64,))
    module = written.parsed()
    optimise(module)
    code = str(module)
    assert "vector.body" in code
    assert "memcheck" not in code


def test_arena_memory_shared_by_consecutive_kernels_stays_in_order() -> None:
    namespace = dict(arena_program.__globals__)
    namespace["twice_in_place"] = kernel(twice_in_place)
    program = kernel(type(arena_program)(arena_program.__code__, namespace))

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 2)
        program(pointer(w[0], uint8, w[1] * 8), w[1])

    memory = np.arange(2 * 100, dtype=float32)
    plain = memory.copy()
    arena_program(plain.view(uint8), 100)
    load_entry(compile_entry(entry))(np.array([memory.ctypes.data, 100], int64).ctypes.data)
    assert np.array_equal(memory, plain)


def test_plain_python_words_reach_the_same_memory() -> None:
    values = np.arange(8, dtype=float32)
    assert np.array_equal(at(values.view(uint8), 8, float32), values[2:])
    packed = np.array([values.ctypes.data, 8], int64)
    view = pointer(packed[0], float32, packed[1])
    view[3] = -1
    assert values[3] == -1


def test_integers_and_loops_mean_what_python_means() -> None:
    """Quotients and remainders are rounded down, whatever the signs; a loop goes either way."""
    lowest, ends = -(2**63), (-5, -1, 0, 1, 2, 7)

    def of(out: Any, n: Any) -> None:
        out[0], out[1], out[2], out[3] = n // 1, n % 1, n // 3, n % 3
        out[4], out[5], out[6], out[7] = n // 8, n % 8, n // 100, n % 100
        out[8], out[9], out[10], out[11] = n // -3, n % -3, n // out[12], n % out[12]

    def rounds(out: Any, start: Any, stop: Any, step: Any) -> None:
        for i in range(stop):
            out[0] = out[0] * 3 + i
        for i in range(start, stop):
            out[1] = out[1] * 3 + i
        for i in range(start, stop, 2):
            out[2] = out[2] * 3 + i
        for i in range(start, stop, -3):
            out[3] = out[3] * 3 + i
        for i in range(start, stop, step):
            out[4] = out[4] * 3 + i
            for _ in range(i):
                out[5] += 1

    native_of, native_rounds = kernel(of), kernel(rounds)

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 24)
        native_of(pointer(w[0], int64, 13), w[2])
        native_rounds(pointer(w[1], int64, 6), w[3], w[4], w[5])

    run = load_entry(compile_entry(entry))
    numbers = [lowest, lowest + 1, *range(-17, 18), 2**63 - 1]
    loops = [(start, stop, step) for start in ends for stop in ends for step in (1, 2, 3, -1, -4)]
    for place, given in enumerate(loops):
        n, divisor = numbers[place % len(numbers)], (5, -7)[place % 2]
        found, wanted = (np.zeros(19, int64) for _ in range(2))
        found[12] = wanted[12] = divisor
        start = found.ctypes.data
        run(np.array([start, start + 8 * 13, n, *given], int64).ctypes.data)
        of(values := [0] * 12 + [divisor], n)
        rounds(counts := [0] * 6, *given)
        assert found.tolist() == values + counts, (n, divisor, given)


def test_code_that_needs_python_is_refused_by_name() -> None:
    def raises(packed: int) -> None:
        if packed == 1:
            raise ValueError

    with pytest.raises(RuntimeError, match="entry needs Python"):
        compile_entry(raises)


def test_object_code_runs_in_a_process_without_numba(tmp_path: Path) -> None:
    def entry(packed: int) -> None:
        w = pointer(packed, int64, 2)
        w[1] = w[0] + 1

    code = compile_entry(entry)
    (tmp_path / "entry.o").write_bytes(code)
    script = f"""
        import sys, time
        import numpy as np
        from codegen.native.compile import load_entry
        from codegen.native import team
        code = open({str(tmp_path / "entry.o")!r}, "rb").read()
        start = time.process_time()
        entry = load_entry(code)
        took = time.process_time() - start
        sync = np.zeros(16, np.int64)
        words = np.array([41, 0, 0, 0, sync.ctypes.data])
        entry(words.ctypes.data)
        team.launch(entry.team_address, words.ctypes.data, 2)
        assert words[1] == 42 and took < 1 and "numba" not in sys.modules, (words, took)
    """
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, cwd=root)


@pytest.mark.parametrize("total", (0, 1, 7, 8, 100))
@pytest.mark.parametrize("threads", (1, 2, 3, 5))
def test_chunks_partition_the_range_at_whole_grains(total: int, threads: int) -> None:
    shares = [chunk(total, 8, thread, threads) for thread in range(threads)]
    assert [i for first, last in shares for i in range(first, last)] == list(range(total))
    assert all(first % 8 == 0 or first == total for first, _ in shares)


def rounds(packed: int, thread: int, threads: int) -> None:
    """Every thread writes, all meet, every thread checks what all others wrote, all meet again.

    It ends where the first thread finds ``board[1]`` to be 1.
    """
    w = pointer(packed, int64, SYNC + 1)
    sync, board, faults = pointer(w[SYNC], int64, SYNC_WORDS), pointer(w[1], int64, 64), pointer(w[2], int64, 64)
    for i in range(w[0]):
        board[8 * thread] = i
        if thread == 0:
            board[2] = board[1]
        barrier(sync, threads)
        ends = board[2] == 1
        for other in range(threads):
            if board[8 * other] != i:
                faults[8 * thread] += 1
        barrier(sync, threads)
        if ends:
            break
    first, last = chunk(100, 8, thread, threads)
    faults[8 * thread + 1], faults[8 * thread + 2] = first, last


@pytest.fixture(scope="module")
def code_of_rounds() -> bytes:
    return compile_entry(rounds)


def test_barrier_orders_the_writes_of_all_threads(code_of_rounds: bytes) -> None:
    entry = load_entry(code_of_rounds)
    sync = new_sync()
    for threads in (1, 2, 3):
        for count in (0, 1, examples(400, 10_000), 3):
            board, faults = np.full(64, -1), np.zeros(64, int64)
            packed = np.array([count, board.ctypes.data, faults.ctypes.data, 0, sync.ctypes.data], int64)
            took = team.launch(entry.team_address, packed.ctypes.data, threads)
            assert took in (threads, 1)  # alone, where a worker was late before
            assert not faults[::8].any()
            assert [tuple(faults[8 * t + 1 : 8 * t + 3]) for t in range(took)] == [
                chunk(100, 8, t, took) for t in range(took)
            ]
        time.sleep(0.02)  # the workers fall asleep
        assert team.launch(entry.team_address, packed.ctypes.data, threads) in (threads, 1)
        assert not faults[::8].any()


def test_plain_python_barrier_is_for_one_thread() -> None:
    barrier(new_sync(), 1)
    with pytest.raises(ValueError, match="one thread"):
        barrier(new_sync(), 2)


def test_launches_and_jobs_leave_the_caller_where_it_may_be(code_of_rounds: bytes) -> None:
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    entry, sync, stop = load_entry(code_of_rounds), new_sync(), np.zeros(1, int64)
    board, faults = np.full(64, -1), np.zeros(64, int64)
    packed = np.array([100, board.ctypes.data, faults.ctypes.data, 0, sync.ctypes.data], int64)
    job = team.Job(stop.ctypes.data)
    job.finish()  # nothing runs
    assert job.has_ended()
    for _ in range(20):
        job.begin(entry.team_address, packed.ctypes.data, 2)
        job.finish()
        team.launch(entry.team_address, packed.ctypes.data, 2)
    assert job.has_ended() and not faults[::8].any()
    assert not before or os.sched_getaffinity(0) == before


def test_launches_do_not_wait_for_each_other(code_of_rounds: bytes, tmp_path: Path) -> None:
    """Where all workers are taken, the caller works alone: here there is one, in a process of its own."""
    (tmp_path / "rounds.o").write_bytes(code_of_rounds)
    script = f"""
        import ctypes
        import numpy as np
        from codegen.native import team
        from codegen.native.kernels import new_sync
        from codegen.native.team_text import ALONE
        from codegen.native.compile import load_entry

        entry, stop = load_entry(open({str(tmp_path / "rounds.o")!r}, "rb").read()), np.zeros(1, np.int64)
        boards = [(np.full(64, -1), np.zeros(64, np.int64), new_sync()) for _ in range(2)]
        first, second = (
            np.array([count, board.ctypes.data, faults.ctypes.data, 0, sync.ctypes.data])
            for count, (board, faults, sync) in zip((10**12, 10), boards)
        )
        assert team.launch(entry.team_address, second.ctypes.data, 2) == 2
        ctypes.memset(team._pool() + 8 * ALONE, 0, 8)  # even if the worker was late
        job = team.Job(stop.ctypes.data)
        job.begin(entry.team_address, first.ctypes.data, 2)
        while boards[0][0][0] < 1:
            assert not job.has_ended(100_000)
        assert team.launch(entry.team_address, second.ctypes.data, 2) == 1
        boards[0][0][1] = 1
        job.finish()
        assert not any(faults[::8].any() for _, faults, _ in boards)
    """
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, cwd=root, timeout=120)


def late(packed: int, thread: int, threads: int) -> None:
    """The first thread computes for long before it comes to a meeting, the second after it."""
    w = pointer(packed, int64, SYNC + 1)
    results = pointer(w[1], int64, 16)
    sync = pointer(w[SYNC], int64, SYNC_WORDS)
    for turn in range(2):
        if thread == turn:
            state = int64(1)
            for i in range(w[0]):
                state = (state * 48271 + i) % 2147483647
            results[8 * turn] = state
        barrier(sync, threads)


def test_who_waits_long_sleeps() -> None:
    """Two threads that wait for each other in turn use one processor's time, not two's."""
    entry, sync, results = load_entry(compile_entry(late)), new_sync(), np.zeros(16, int64)
    packed = np.array([10_000_000, results.ctypes.data, 0, 0, sync.ctypes.data], int64)
    start = time.process_time()
    team.launch(entry.team_address, packed.ctypes.data, 1)
    alone = time.process_time() - start
    expected = int(results[0])
    results[:] = 0
    start = time.process_time()
    team.launch(entry.team_address, packed.ctypes.data, 2)
    assert time.process_time() - start < 3 * alone  # which is the first thread's half; waiting awake makes it four
    assert results[0] == expected and not sync[[ARRIVALS, SLEEPERS]].any()


def test_a_worker_that_was_late_is_left_out_for_a_while(code_of_rounds: bytes) -> None:
    entry, sync = load_entry(code_of_rounds), new_sync()
    board, faults = np.full(64, -1), np.zeros(64, int64)
    packed = np.array([10, board.ctypes.data, faults.ctypes.data, 0, sync.ctypes.data], int64)
    word = ctypes.c_int64.from_address(team._pool() + 8 * ALONE)
    word.value = time.monotonic_ns() + 10**11
    assert team.launch(entry.team_address, packed.ctypes.data, 2) == 1 and word.value
    word.value = time.monotonic_ns() - 1
    assert team.launch(entry.team_address, packed.ctypes.data, 2) == 2 and not faults[::8].any()


TWENTY_TIMES = """
declare float @g(float)
define void @f(ptr noalias %a) {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %p = getelementptr float, ptr %a, i64 %i
  %x = load float, ptr %p
  %y = call float @g(float %x)
  store float %y, ptr %p
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, 20
  br i1 %more, label %loop, label %out
out:
  ret void
}
"""


def test_what_others_compile_is_as_it_would_be_without_us() -> None:
    """LLVM's options are the process's: a loop that it unrolls in full is unrolled so after we have compiled, too."""
    import llvmlite.binding as llvm

    def calls(through: Callable[[Any], object]) -> int:
        module = llvm.parse_assembly(TWENTY_TIMES)
        through(module)
        return str(module).count("call float @g")

    def as_others(module: Any) -> None:
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        builder = llvm.create_pass_builder(host_machine(), options)
        builder.getModulePassManager().run(module, builder)

    assert [calls(through) for through in (as_others, optimise, as_others, optimise)] == [20, 1, 20, 1]
