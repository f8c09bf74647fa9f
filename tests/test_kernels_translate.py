"""Kernels as LLVM: each of Python's statements that they may have means what Python means, and no other is taken."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy import float32, float64, int32, int64

from codegen.native.compile import compile_entry, host_machine, load_entry
from codegen.native.kernels import kernel, maximum, pointer
from codegen.native.kernels.names import reassigned
from codegen.native.kernels.translate import syntax_of


def halves(n: Any) -> Any:
    """Rounds until one is left; with a return from within a loop."""
    count = 0
    while True:
        if n <= 1:
            return count
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count += 1


def statements(out: Any, n: Any, m: Any) -> None:
    out[0] = halves(n)
    for i in range(n):
        if i % 3 == 1:
            continue
        if i > m:
            break
        out[1] += i
    else_taken = 5
    if n > m:
        else_taken = n
    elif n == m:
        else_taken = -m
    else:
        pass
    out[2] = else_taken
    first, last = m, n
    first, last = last, first
    out[3], out[4] = first - last, -first
    out[5] = 1 if 0 <= n < m else 2
    seen = 0
    for k in range(4):
        both = k > 0 and out[k - 1] > 0
        either = k == 0 or out[k - 1] < 0
        if both or not either:
            seen = (seen << 1) ^ k
    out[6] = seen
    i = 7
    for j in range(3):
        i += j
    for j in range(i):
        out[7] = out[7] * 2 + j
    out[out[5]] |= 64


def test_statements_mean_what_python_means() -> None:
    inner, namespace = kernel(halves), dict(statements.__globals__)
    namespace["halves"] = inner
    native = kernel(type(statements)(statements.__code__, namespace))

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 3)
        native(pointer(w[0], int64, 8), w[1], w[2])

    run = load_entry(compile_entry(entry))
    for n in range(1, 12):
        for m in (1, 3, 6, 20):
            found, wanted = np.zeros(8, int64), [0] * 8
            run(np.array([found.ctypes.data, n, m], int64).ctypes.data)
            statements(wanted, n, m)
            assert found.tolist() == wanted, (n, m)


def test_a_variable_is_memory_where_it_is_assigned_again_or_read_outside_its_block() -> None:
    assert reassigned(syntax_of(statements)) == {"else_taken", "first", "last", "seen", "i"}
    assert reassigned(syntax_of(halves)) == {"count", "n"}


def test_small_integers_become_indices_and_numbers_keep_their_width() -> None:
    def mixed(small: Any, values: Any) -> None:
        at = small[0]
        at = at + 1
        values[at] = values[0] * float32(0.1)

    native = kernel(mixed)

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 2)
        native(pointer(w[0], int32, 1), pointer(w[1], float32, 4))

    small, values = np.array([2], int32), np.array([3, 0, 0, 0], float32)
    load_entry(compile_entry(entry))(np.array([small.ctypes.data, values.ctypes.data], int64).ctypes.data)
    assert values.tolist() == [3, 0, 0, float32(3) * float32(0.1)]


def lists(packed: int) -> None:
    values = [packed]
    pointer(packed, int64, 1)[0] = values[0]


def changes(packed: int) -> None:
    value = packed
    value = 0.5
    pointer(packed, int64, 1)[0] = value


def absent(packed: int) -> None:
    pointer(packed, float32, 1)[0] = unknown(packed)  # type: ignore[name-defined] # noqa: F821


def strangers(packed: int) -> None:
    pointer(packed, int64, 1)[0] = maximum(packed, 0.5)


@pytest.mark.parametrize("function, told", [
    (lists, r"lists: \[packed\] is no expression of a kernel"),
    (changes, "value of changes is int64, and then float64"),
    (absent, "absent: unknown has no value here"),
    (strangers, r"strangers: maximum needs maximum\(int64, float64\), which there is not"),
])  # fmt: skip
def test_what_kernels_do_not_have_is_refused_by_name(function: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        compile_entry(function)


def test_a_kernel_is_one_function_for_types_that_are_equal() -> None:
    from numba.core import types

    from codegen.native.kernels.kernel import Module

    module, one = Module(str(host_machine().target_data)), kernel(halves)
    first, again = (module.function(one, (types.int64,)) for _ in range(2))
    other = module.function(one, (types.int32,))
    assert first is again and other.function.name != first.function.name


def with_gaps(out: Any, x: Any, m: Any, first: Any, last: Any) -> None:
    for i in range(first, last):
        for j in range(2):
            out[i * 2 + j] = x[m - j * 2] if m >= j * 2 else 0.0


def test_stores_with_gaps_are_compiled_though_two_cost_models_of_llvm_disagree() -> None:
    """LLVM leaves gaps: it stores the second element of two in the branches of the first one's condition."""
    native = kernel(with_gaps)

    def entry(packed: int) -> None:
        w = pointer(packed, int64, 5)
        native(pointer(w[0], float64, 40), pointer(w[1], float64, 20), w[2], w[3], w[4])

    run = load_entry(compile_entry(entry))  # an assertion of LLVM 20's ended the process
    x = np.arange(1.0, 21.0)
    for m in (-1, 0, 1, 2, 19):
        found, wanted = np.full((2, 40), -1.0)
        run(np.array([found.ctypes.data, x.ctypes.data, m, 1, 19], int64).ctypes.data)
        with_gaps(wanted, x, m, 1, 19)
        assert found.tolist() == wanted.tolist(), m


def store_pair(out: Any, at: Any) -> None:
    out[at + 1] = 0.0


pair = kernel(store_pair)


def gaps(out: Any, where: Any, n: Any) -> None:
    for i in range(n):
        out[5 - 3 * i] = 0.0
        out[n + 2 * i] = 0.0
        out[2 * n + 2 * i + 1] = 0.0
    for j in range(0, n, 4):
        pair(out, j)
    for i in range(n):
        for j in range(i + i, n):
            out[j] = 0.0
    for i in range(n):
        for j in range(2):
            out[2 * i + j] = out[n] if j < n else 0.0


def none(out: Any, where: Any, n: Any) -> None:
    for i in range(n):
        out[i] = out[i * 2]
        out[i * n] = out[9 * i]
        out[9 * i] = out[n // 2]
        out[where[i * 2]] = out[i // 2]
        out[i // 2] = 0.0
        for j in range(3):
            out[3 * i + j] = out[n] if j < i else 0.0
        out[5 - 2 * i] = 0.0
        out[n * 4 + 3 - 2 * i] = 1.0
        out[n * 4 - 2 * i + 4] = 1.0
        for j in range(2):
            out[(n + 2 * i) * 2 + j] = 0.0
            out[(n + 2 * i) * 2 + j + 2] = 0.0
    for j in range(0, n, 2):
        pair(out, j)
        pair(out, j + 1)


def test_of_stores_that_leave_gaps_it_is_not_promised_that_addresses_do_not_overflow() -> None:
    from numba.core import types

    from codegen.native.kernels.kernel import Module
    from codegen.native.kernels.pointer import Buffer

    for function, addresses in ((gaps, 6), (none, 1)):
        module = Module(str(host_machine().target_data))
        module.function(kernel(function), (Buffer(types.float32), Buffer(types.int64), types.int64))
        text = str(module.parsed())
        assert len(re.findall("getelementptr (?!inbounds)", text)) == addresses
