"""Whether threads are worth their meetings: what they save must be more than what the barriers between kernels cost.

Steps that hand values from one row to another meet thousands of times; where each thread keeps to its rows, they do
not meet at all. A kernel of one row is one thread's, whatever there is to do in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codegen.loops.counts import Array, bytes_of, evaluate_integer, flops
from codegen.loops.ir import Const, Expr, For, Share, Stmt

WORTH_THREADS = 1e6
"""Operations of a program from which on all threads take part; or half as many bytes, which take as long."""
MEETING = 1.25e5
"""What a kernel with its barrier costs threads, in operations: a microsecond or more. Measured: a step of an RNN of 32
rows, 64 wide, saves 1.1e5 and loses a third of its time by threads; one of an LSTM saves 1.4e5 and gains a quarter."""
SHARING = 2.5e3
"""What it costs a thread to find its share of a kernel, in operations."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Equal kernels of a program: how many, how often each runs, its body, what it moves to and from memory, and
    whether threads meet before it."""

    count: int
    loops: tuple[Expr, ...]
    body: tuple[Stmt, ...]
    parallel: bool
    moved: tuple[Array, ...]
    meets: bool


def threads_worth(portions: Iterable[Portion], sizes: Mapping[str, int], item: int, most: int) -> int:
    """All threads, or one. ``item`` is the size of a real number in bytes."""
    total = saved = cost = 0.0
    for portion in portions:
        runs = portion.count * math.prod(evaluate_integer(count, sizes) for count in portion.loops)
        work = runs * max(flops(portion.body, sizes), 2.0 * bytes_of(portion.moved, sizes, item))
        total += work
        saved += work * (1 - 1 / min(most, _parts(portion, sizes)))
        cost += runs * (MEETING if portion.meets else SHARING)
    return most if total >= WORTH_THREADS and saved >= cost else 1


def _parts(portion: Portion, sizes: Mapping[str, int]) -> int:
    """How many threads can have a part of a kernel."""
    return max([1, *(_shared(statement, sizes) for statement in portion.body)]) if portion.parallel else 1


def _shared(statement: Stmt, sizes: Mapping[str, int]) -> int:
    match statement:
        case Share(_, _, extent):
            return evaluate_integer(extent, sizes)
        case For(_, start, stop, _, step, True):
            size = int(step.value) if isinstance(step, Const) else 1
            return math.ceil((evaluate_integer(stop, sizes) - evaluate_integer(start, sizes)) / size)
    return 1
