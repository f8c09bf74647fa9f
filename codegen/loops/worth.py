"""Whether threads are worth their meetings: what they save must be more than what the barriers between kernels cost.

Steps that hand values from one row to another meet thousands of times; where each thread keeps to its rows, they do
not meet at all. A kernel of one row is one thread's, whatever there is to do in it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from codegen.loops.counts import evaluate_integer, flops, traffic
from codegen.loops.ir import Const, For, Kernel, Program, Share, Stmt
from codegen.loops.repeat import loops_of

WORTH_THREADS = 1e6
"""Operations of a program from which on all threads take part; or half as many bytes, which take as long."""
MEETING = 1.25e5
"""What a kernel with its barrier costs threads, in operations: a microsecond or more. Measured: a step of an RNN of 32
rows, 64 wide, saves 1.1e5 and loses a third of its time by threads; one of an LSTM saves 1.4e5 and gains a quarter."""


SHARING = 2.5e3
"""What it costs a thread to find its share of a kernel, in operations."""


def threads_worth(
    program: Program, sizes: Mapping[str, int], item: int, most: int, met: Collection[int] | None = None
) -> int:
    """All threads, or one. ``item`` is the size of a real number in bytes; ``met`` are the numbers of the kernels
    before which threads meet, all unless told."""
    total = saved = cost = 0.0
    for number, kernel in enumerate(program.kernels):
        runs = math.prod(evaluate_integer(loop.count, sizes) for loop in loops_of(program, number))
        work = runs * max(flops(kernel.body, sizes), 2.0 * traffic(kernel, program.buffers, sizes, item))
        total += work
        saved += work * (1 - 1 / min(most, _parts(kernel, sizes)))
        cost += runs * (MEETING if met is None or number in met else SHARING)
    return most if total >= WORTH_THREADS and saved >= cost else 1


def _parts(kernel: Kernel, sizes: Mapping[str, int]) -> int:
    """How many threads can have a part of a kernel."""
    return max([1, *(_shared(statement, sizes) for statement in kernel.body)]) if kernel.parallel else 1


def _shared(statement: Stmt, sizes: Mapping[str, int]) -> int:
    match statement:
        case Share(_, _, extent):
            return evaluate_integer(extent, sizes)
        case For(_, start, stop, _, step, True):
            size = int(step.value) if isinstance(step, Const) else 1
            return math.ceil((evaluate_integer(stop, sizes) - evaluate_integer(start, sizes)) / size)
    return 1
