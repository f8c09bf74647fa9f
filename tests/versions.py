"""Runs the core of the suite on the oldest and the newest supported SymPy, NumPy and Numba, in environments of its own.

    python -m tests.versions                    both, on this Python
    python -m tests.versions oldest             one of them
    python -m tests.versions --python python3.13 python3.12     on other Pythons as well, where they are installed
    python -m tests.versions --all              the whole suite
    python -m tests.versions newest --tests test_codegen_direct.py      these files alone

The upper bounds in ``pyproject.toml`` are what this has been run with.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent

ENDS = {
    "oldest": ("sympy==1.13.0", "numpy==2.0.0", "numba==0.62.0"),
    "newest": ("sympy==1.14.*", "numpy==2.4.*", "numba==0.65.*"),
}
OLDEST_NUMPY = {(3, 13): "numpy==2.1.0"}
"""The first NumPy for a Python, where it is later than the oldest."""

CORE = (
    "test_kernels_native.py", "test_kernels_translate.py", "test_codegen_direct.py", "test_codegen_functions.py",
    "test_codegen_cache.py", "test_codegen_loading.py", "test_differentiate.py", "test_end_to_end.py",
)  # fmt: skip
TOOLS = (
    "pytest>=8",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "mpmath>=1.3",
    "scikit-learn>=1.4",
    "matplotlib",
    "tqdm",
)


def packages(end: str, python: str) -> list[str]:
    """What is installed for one end of the range on one Python."""
    shown = subprocess.check_output([python, "-c", "import sys; print(*sys.version_info[:2])"], text=True)
    major, minor = map(int, shown.split())
    later = OLDEST_NUMPY.get((major, minor)) if end == "oldest" else None
    return [later if later and name.startswith("numpy==") else name for name in ENDS[end]]


def passes(end: str, python: str, tests: Sequence[str]) -> bool:
    """Whether the tests pass; prints what was run."""
    wanted = packages(end, python)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "venv", folder], check=True)
        subprocess.run([own, "-m", "pip", "install", "-q", *wanted, *TOOLS], check=True)
        environment = {"PATH": "/usr/bin:/bin", "SYMGRAPH_CACHE": str(Path(folder) / "cache"), "HOME": folder}
        command = [own, "-m", "pytest", "-n", "auto", *(f"tests/{name}" for name in tests)]
        found = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    print(f"{end} on {python}: {', '.join(wanted)}: {'passed' if found.returncode == 0 else 'FAILED'}", flush=True)
    return found.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ends", nargs="*", choices=[*ENDS, []], help="oldest, newest, or both")
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters")
    parser.add_argument("--all", action="store_true", help="the whole suite, not its core")
    parser.add_argument("--tests", nargs="+", default=CORE, help="files in tests/; by default those of the core")
    given = parser.parse_args()
    tests = [""] if given.all else given.tests
    return int(not all([passes(end, python, tests) for python in given.python for end in given.ends or ENDS]))


if __name__ == "__main__":
    sys.exit(main())
