"""Native code around every program, the same for all of them: a call that checks its arguments first, and whole epochs.

It is compiled once a machine and kept in the cache; it calls a program's own ``run`` by its address.

``call`` is given the address of a pair of tuples, asks Python for the objects in them (:mod:`codegen.host.capi`), looks
at array objects itself, and lets go of Python's lock while the program runs. What does not fit is looked at again, and
described, by :mod:`codegen.run.arguments`. The table of arguments, in 64-bit words: the number of sizes, which lies
before the table's address, the number of arguments, then for each

    [tuple word, place in it, address word, use, dtype object, rank, classes, bytes of an item, memory for a number]
    per axis: [0, extent], or [word of a size, 1 to learn it]

Classes: of labels that the program does not check itself, or of a number; −1 where rows must sum to 1; minus the word
of a size, which then is the number of classes; else 0. Use, and the extent −2 of any size: see
:mod:`codegen.loops.words`. Arrays that are written, and not where they were, become protected memory. Where there is
memory for a number, a Python number may stand for an array of rank 0.

The schedule of epochs is described in :mod:`codegen.loops.epoch_words`.
"""

from __future__ import annotations

from numpy import float32, float64, int32, int64, uint8

from codegen.host import capi
from codegen.loops.epoch_words import (
    ARRAYS,
    BATCH,
    BEFORE,
    EPOCH,
    EPOCHS,
    EXAMPLES,
    FIRST,
    GIVEN,
    GO_ON,
    HEADER,
    LAUNCH,
    LOSSES,
    ORDER,
    POOL,
    ROW_RECORD,
    SHUFFLE,
    SHUFFLED,
    SIZE_WORD,
    STATE,
    STEP,
    STEPS,
    STOP,
    STOPPED,
    THREADS,
    TOTAL,
)
from codegen.loops.words import (
    ANY,
    ARGUMENTS,
    BAD_VALUES,
    DONE,
    FIRST_SIZE,
    FRESH,
    LENGTH,
    LOSS,
    LOSS_BYTES,
    MISFIT,
    OVERLAP,
    PYTHON,
    READ,
    RUN,
    SCHEDULE,
    SPANS,
    STATUS,
    SYNC,
    TABLE,
    TOO_LARGE,
    UPDATED,
)
from codegen.native.barrier import SYNC_WORDS
from codegen.native.kernels import barrier, chunk, kernel, maximum, minimum, pointer
from codegen.native.kernels.pointer import FlatArray
from codegen.native.native_call import ask, ask_about, ask_number, ask_which, invoke, launched

CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
RECORD = 9
API_WORDS = 32


@kernel
def number_fits(python: FlatArray, given: int, kind: int, memory: int, classes: int, item: int) -> int:
    """Whether a Python object is a number as it is expected; if so, puts it into memory. Returns a status."""
    known = False
    for number in range(python[capi.NUMBER_TYPES]):
        known = known or python[capi.NUMBER_TYPES + 1 + number] == kind
    if memory == 0 or not known:
        return MISFIT
    if classes > 0:
        label = ask_about(python[capi.AS_INTEGER], given)
        if label == -1 and ask(python[capi.HAS_FAILED]) != 0:
            ask(python[capi.FORGET_FAILURE])
            return MISFIT
        pointer(memory, int64, 1)[0] = label
        return DONE if 0 <= label < classes else BAD_VALUES
    value = ask_number(python[capi.AS_DOUBLE], given)
    if value == -1.0 and ask(python[capi.HAS_FAILED]) != 0:
        ask(python[capi.FORGET_FAILURE])
        return MISFIT
    if item == 4:
        pointer(memory, float32, 1)[0] = float32(value)
    else:
        pointer(memory, float64, 1)[0] = value
    return DONE


@kernel
def arguments_fit(packed: FlatArray, table: FlatArray, size_count: int) -> int:
    """Whether every argument is as its record says; learns sizes and addresses on the way. Returns a status."""
    python = pointer(packed[PYTHON], int64, API_WORDS)
    first = ask_which(python[capi.ITEM_OF], packed[ARGUMENTS], 0)
    second = ask_which(python[capi.ITEM_OF], packed[ARGUMENTS], 1)
    position = 1
    for _ in range(table[0]):
        group = second if table[position] else first
        given = ask_which(python[capi.ITEM_OF], group, table[position + 1])
        kind = pointer(given + python[capi.TYPE_AT], int64, 1)[0]
        use = table[position + 3]
        rank = table[position + 5]
        classes = table[position + 6]
        if classes < -1:
            classes = packed[-classes]
        start = position + RECORD
        position = start + 2 * rank
        if kind != python[capi.ARRAY_TYPE]:
            status = number_fits(python, given, kind, table[start - 1], classes, table[start - 2])
            if status != DONE:
                return status
            packed[table[start - 7]] = table[start - 1]
            continue
        fields = given + python[capi.OBJECT_BYTES]
        wanted = CONTIGUOUS | ALIGNED | (0 if use == READ else WRITEABLE)
        if (pointer(fields + capi.FLAGS, int32, 1)[0] & wanted) != wanted:
            return MISFIT
        if pointer(fields + capi.DTYPE, int64, 1)[0] != table[start - 5]:
            return MISFIT
        if pointer(fields + capi.RANK, int32, 1)[0] != rank:
            return MISFIT
        extents = pointer(pointer(fields + capi.EXTENTS, int64, 1)[0], int64, rank)
        count = 1
        for axis in range(rank):
            extent = extents[axis]
            count *= extent
            word = table[start + 2 * axis]
            if word == 0:
                if extent != table[start + 2 * axis + 1] and table[start + 2 * axis + 1] != ANY:
                    return MISFIT
            elif table[start + 2 * axis + 1]:
                if extent <= 0:
                    return MISFIT
                if extent > packed[word + size_count]:
                    return TOO_LARGE
                packed[word] = extent
            elif extent != packed[word]:
                return MISFIT
        address = pointer(fields + capi.DATA, int64, 1)[0]
        if use == UPDATED:
            if packed[table[start - 7]] != address:
                return MISFIT
        else:
            packed[table[start - 7]] = address
            spans = pointer(packed[SPANS], int64, 1)
            end = address + count * table[start - 2]
            for number in range(spans[0]):
                if address < spans[2 + 2 * number] and spans[1 + 2 * number] < end:
                    return OVERLAP
            if use == FRESH:
                spans[1 + 2 * spans[0]] = address
                spans[2 + 2 * spans[0]] = end
                spans[0] += 1
            if classes > 0:
                if not labels_fit(pointer(address, int64, count), count, classes):
                    return BAD_VALUES
            elif classes < 0:
                width = extents[rank - 1]
                if table[start - 2] == 4:
                    if not rows_fit(pointer(address, float32, count), count // width, width):
                        return BAD_VALUES
                elif not rows_fit(pointer(address, float64, count), count // width, width):
                    return BAD_VALUES
    return DONE


@kernel
def labels_fit(labels: FlatArray, count: int, classes: int) -> bool:
    """Whether all labels lie in [0, classes)."""
    lowest = labels[0]
    highest = labels[0]
    for i in range(count):
        lowest = minimum(lowest, labels[i])
        highest = maximum(highest, labels[i])
    return lowest >= 0 and highest < classes


@kernel
def rows_fit(values: FlatArray, rows: int, width: int) -> bool:
    """Whether every row sums to 1 within 10⁻³."""
    for row in range(rows):
        total = 0.0
        for i in range(width):
            total += values[row * width + i]
        if not abs(total - 1.0) <= 1e-3:
            return False
    return True


@kernel
def call_fits(packed: FlatArray) -> int:
    """Whether the arguments fit; the caller holds Python's lock. Returns a status, which is noted too."""
    table = pointer(packed[TABLE], int64, 1)
    spans = pointer(packed[SPANS], int64, 1)
    lasting = spans[0]
    status = arguments_fit(packed, table, table[-1])
    spans[0] = lasting  # results are protected memory in their own call alone
    packed[STATUS] = status
    return status


def check(address: int) -> None:
    """Check the arguments; holds Python's lock."""
    call_fits(pointer(address, int64, TABLE + 1))


def call(address: int) -> None:
    """Check the arguments, then run the program on one thread; holds Python's lock but for the run."""
    packed = pointer(address, int64, TABLE + 1)
    if call_fits(packed) == DONE:
        python = pointer(packed[PYTHON], int64, API_WORDS)
        state = ask(python[capi.UNLOCK])
        invoke(packed[RUN], address, 0, 1)
        ask_about(python[capi.LOCK], state)


@kernel
def mixed(state: int, number: int) -> int:
    """32 bits, not all of them zero, from a seed and a number: Wellons' lowbias32 of their combination."""
    bits = (state ^ (number * 0x9E3779B9)) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return maximum((bits ^ (bits >> 16)) & 0xFFFFFFFF, 1)


@kernel
def shuffle(order: FlatArray, count: int, state: int) -> None:
    """A permutation of 0 … count − 1 by Fisher and Yates; numbers from xorshift32 (Marsaglia 2003)."""
    for place in range(count):
        order[place] = place
    for last in range(count - 1, 0, -1):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        other = (state * (last + 1)) >> 32
        kept = order[last]
        order[last] = order[other]
        order[other] = kept


@kernel
def copy_bytes(target: FlatArray, source: FlatArray, count: int) -> None:
    """Two buffers that do not overlap: LLVM makes this a call of memcpy."""
    for i in range(count):
        target[i] = source[i]


@kernel
def gather(schedule: FlatArray, order: FlatArray, first: int, begin: int, end: int) -> None:
    """Copy rows ``begin`` to ``end`` of a batch to their places."""
    for number in range(schedule[ARRAYS]):
        record = HEADER + ROW_RECORD * number
        size = schedule[record + 1]
        for row in range(begin, end):
            copy_bytes(
                pointer(schedule[record + 2] + row * size, uint8, size),
                pointer(schedule[record] + order[first + row] * size, uint8, size),
                size,
            )


@kernel
def point(packed: FlatArray, schedule: FlatArray, first: int) -> None:
    """Hand the batch to the program: where it is gathered, or its place in the data, where the order is the data's."""
    for number in range(schedule[ARRAYS]):
        record = HEADER + ROW_RECORD * number
        in_place = schedule[record] + first * schedule[record + 1]
        packed[schedule[record + 3]] = schedule[record + 2] if schedule[SHUFFLE] else in_place


@kernel
def take_batch(packed: FlatArray, address: int, thread: int, threads: int) -> None:
    """A thread's part of a step: it gathers rows of the batch, where the order is not the data's, and runs."""
    header = pointer(packed[SCHEDULE], int64, HEADER)
    if header[SHUFFLE]:
        schedule = pointer(packed[SCHEDULE], int64, HEADER + ROW_RECORD * header[ARRAYS])
        begin, end = chunk(packed[header[SIZE_WORD]], 1, thread, threads)
        gather(schedule, pointer(header[ORDER], int64, header[EXAMPLES]), header[FIRST], begin, end)
        barrier(pointer(packed[SYNC], int64, SYNC_WORDS), threads)
    invoke(packed[RUN], address, thread, threads)


def batch(address: int, thread: int, threads: int) -> None:
    """One step, on several threads."""
    packed = pointer(address, int64, pointer(address, int64, FIRST_SIZE)[LENGTH])
    take_batch(packed, address, thread, threads)


def epochs(address: int, thread: int, threads: int) -> None:
    """Shuffle, gather, step and record, for as many epochs as the schedule says, from where it is; stops before a batch
    where another thread asks, and after one that the program refused. One thread runs it, and launches the steps."""
    packed = pointer(address, int64, pointer(address, int64, FIRST_SIZE)[LENGTH])
    header = pointer(packed[SCHEDULE], int64, HEADER)
    schedule = pointer(packed[SCHEDULE], int64, HEADER + ROW_RECORD * header[ARRAYS])
    total = pointer(packed[SCHEDULE] + 8 * TOTAL, float64, 1)
    examples = schedule[EXAMPLES]
    order = pointer(schedule[ORDER], int64, examples)
    losses = pointer(schedule[LOSSES], float64, schedule[EPOCHS])
    while schedule[EPOCH] < schedule[EPOCHS]:
        schedule[STOPPED] = schedule[STOP]
        if schedule[STOPPED] != GO_ON:
            return
        first = schedule[FIRST]
        rows = minimum(schedule[BATCH], examples - first)
        packed[schedule[SIZE_WORD]] = rows
        point(packed, schedule, first)
        if first == 0 and schedule[SHUFFLE] == SHUFFLED:
            shuffle(order, examples, mixed(schedule[STATE], schedule[BEFORE] + schedule[EPOCH]))
        if schedule[THREADS] == 1:
            take_batch(packed, address, 0, 1)
        else:
            launched(schedule[LAUNCH], schedule[POOL], schedule[STEP], address, schedule[THREADS])
        if packed[STATUS] != DONE:
            return
        if packed[LOSS_BYTES] == 4:
            total[0] += float64(pointer(packed[LOSS], float32, 1)[0]) * rows
        else:
            total[0] += pointer(packed[LOSS], float64, 1)[0] * rows
        schedule[STEPS] += 1
        schedule[FIRST] = first + rows
        if schedule[FIRST] >= examples:
            losses[schedule[EPOCH]] = total[0] / examples
            schedule[EPOCH] += 1
            schedule[FIRST] = 0
            total[0] = 0.0
            if schedule[SHUFFLE] == GIVEN:
                schedule[ORDER] += 8 * examples
