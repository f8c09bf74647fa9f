"""The schedule of whole epochs: 64-bit words that Python fills and :func:`codegen.native.runtime.epochs` follows.

Every step is a launch of its own, of :func:`codegen.native.runtime.batch`, by the native code at ``LAUNCH`` with the
workers of ``POOL``, where there are several ``THREADS``.

After the words named here come, for each array with a row per example

    [address of all rows, bytes of a row, address of the batch, address word]

A schedule is where it is: ``EPOCH``, ``FIRST`` (the next example) and ``TOTAL`` (the sum of losses so far, a float64)
let a run that was stopped go on as if it had not been. The order of an epoch's examples depends on ``STATE`` and on
its number alone, which is ``BEFORE`` + ``EPOCH``.
"""

from __future__ import annotations

(
    EXAMPLES, BATCH, EPOCHS, SHUFFLE, STATE, STEPS, STOP, ARRAYS, ORDER, LOSSES, SIZE_WORD, STOPPED, EPOCH, FIRST,
    TOTAL, BEFORE, THREADS, LAUNCH, POOL, STEP, HEADER,
) = range(21)  # fmt: skip
ROW_RECORD = 4
GO_ON, ASKED, PAUSED = range(3)
"""What ``STOP`` asks for, and ``STOPPED`` says has happened: nothing, the end, or a pause."""
IN_PLACE, SHUFFLED, GIVEN = range(3)
"""What ``SHUFFLE`` says of the order of the examples: that of the data, a new one each epoch, or what Python
has laid at ``ORDER``, one epoch's after another's."""
