"""``cache show`` and ``cache clear``: the compiled programs that are kept on disk."""

from __future__ import annotations

import argparse
import os
import re
import stat
import time
from pathlib import Path

from codegen.host import cache
from symgraph.commands import DONE, NO, Answer

ENTRY = re.compile(rf"[0-9a-f]{{16,64}}\.[a-z]+|{re.escape(cache.WRITING)}.*")
"""How the cache names its files; nothing else in its folder is touched."""
DAY = 86400.0
UNITS = ("bytes", "kB", "MB", "GB")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("action", nargs="?", choices=("show", "clear"), default="show", help="show by default")
    parser.add_argument("--days", type=_days, metavar="D", help="clear what was written more than D days ago")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days, 0 or more")
    return days


def answer(given: argparse.Namespace) -> Answer:
    """Where the cache is, how much it holds; or how much was removed."""
    folder = cache.folder()
    if folder is None:
        told = "it is switched off: SYMGRAPH_CACHE=off" if os.environ.get("SYMGRAPH_CACHE") == "off" else (
            "there is none: its folder cannot be made, or belongs to others; SYMGRAPH_CACHE names another"
        )  # fmt: skip
        return Answer(told, {"folder": None, "reason": told}, NO)
    before = time.time() - given.days * DAY if given.days is not None else None
    found = _entries(folder)
    if given.action == "show":
        return _shown(folder, found)
    chosen = {path: info for path, info in found.items() if before is None or info.st_mtime < before}
    removed = {path: info for path, info in chosen.items() if _removed(path)}
    size = sum(info.st_size for info in removed.values())
    record = {"folder": str(folder), "removed": len(removed), "bytes": size, "left": len(found) - len(removed)}
    kept = f"; {len(chosen) - len(removed)} could not be removed" if len(removed) < len(chosen) else ""
    text = f"{folder}: {len(removed)} files removed, {_size(size)}{kept}"
    return Answer(text, record, DONE if len(removed) == len(chosen) else NO)


def _entries(folder: Path) -> dict[Path, os.stat_result]:
    found = {}
    for path in sorted(folder.iterdir()):
        try:
            info = path.lstat()
        except OSError:  # another process has just removed it
            continue
        if stat.S_ISREG(info.st_mode) and ENTRY.fullmatch(path.name):
            found[path] = info
    return found


def _shown(folder: Path, found: dict[Path, os.stat_result]) -> Answer:
    kinds: dict[str, tuple[int, int]] = {}
    for path, info in found.items():
        count, size = kinds.get(path.suffix, (0, 0))
        kinds[path.suffix] = count + 1, size + info.st_size
    written = [info.st_mtime for info in found.values()]
    record = {
        "folder": str(folder), "files": len(found), "bytes": sum(info.st_size for info in found.values()),
        "kinds": {kind: {"files": count, "bytes": size} for kind, (count, size) in kinds.items()},
        "oldest": _date(min(written)) if written else None, "newest": _date(max(written)) if written else None,
    }  # fmt: skip
    lines = [f"{folder}: {record['files']} files, {_size(sum(size for _, size in kinds.values()))}"]
    lines += [f"  {kind:5} {count:6} files {_size(size):>12}" for kind, (count, size) in sorted(kinds.items())]
    if written:
        lines.append(f"  written between {record['oldest']} and {record['newest']}")
    return Answer("\n".join(lines), record)


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _size(count: float) -> str:
    unit = 0
    while count >= 1000 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.4g} {UNITS[unit]}"
