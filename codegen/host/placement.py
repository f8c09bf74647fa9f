"""Where threads run: which processors a process may use, and the calls by which a thread is moved.

The scheduler likes to put a thread that is started or woken beside the one that did it, or beside one that only waits,
and then the two take turns on one processor while another is idle; :mod:`codegen.native.team_text` moves them apart.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from symgraph.core.misuse import pass_on

MOST = 63
"""Threads that one program takes."""
VARIABLES = ("SYMGRAPH_THREADS", "OMP_NUM_THREADS")
"""The first that is a number counts; the second is how joblib and others share processors among their processes."""
CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def is_known() -> bool:
    """Whether a thread can learn its processor, and ask for another."""
    try:
        library = ctypes.CDLL(None)
        return all(hasattr(library, name) for name in ("sched_getcpu", "sched_getaffinity", "sched_setaffinity"))
    except (OSError, TypeError) as error:
        pass_on(error)
        return False


def thread_limit(asked: int | None) -> int:
    """Threads that a program may use: what was asked for, else what :data:`VARIABLES` say, else all processors."""
    if asked is None:
        told = (os.environ.get(name, "") for name in VARIABLES)
        asked = next((int(given) for given in told if given.isascii() and given.isdigit()), None)
    return max(1, min(threads_available() if asked is None else asked, MOST))


def threads_available() -> int:
    """Processors this process may use: by its affinity, and by the quota of its control groups, rounded up."""
    try:
        count = len(os.sched_getaffinity(0))
    except (AttributeError, OSError) as error:
        pass_on(error)
        count = os.cpu_count() or 1
    quota = processor_quota()
    return max(1, count if quota is None else min(count, -int(-quota // 1)))


def processor_quota(mounted: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """Processors' worth of time that the control groups of this process (versions 1 and 2) allow; None without limit.

    Every group above is a limit too. In a container the path of the group may lie above what is mounted: then the
    mounted root is the group.
    """
    limits: list[float] = []
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        pass_on(error)
        lines = ["0::/"]
    for line in lines:
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        roots = [mounted / "cpu", mounted / controllers] if controllers else [mounted, mounted / "unified"]
        read = _quota_of_version_1 if controllers else _quota_of_version_2
        parts = [part for part in group.split("/") if part not in ("", "..")]
        places = [root.joinpath(*parts[:depth]) for root in roots for depth in range(len(parts) + 1)]
        limits += [limit for place in places if (limit := read(place)) is not None]
    return min(limits, default=None)


def _quota_of_version_1(group: Path) -> float | None:
    return _ratio([_word(group / "cpu.cfs_quota_us"), _word(group / "cpu.cfs_period_us")])


def _quota_of_version_2(group: Path) -> float | None:
    return _ratio(_word(group / "cpu.max").split())


def _word(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        pass_on(error)
        return ""


def _ratio(words: list[str]) -> float | None:
    """Quota over period, of a group that has both."""
    if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words):
        return None
    quota, period = map(int, words)
    return quota / period if quota > 0 and period > 0 else None
