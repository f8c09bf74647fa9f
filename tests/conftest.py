"""Fixtures of the whole suite: golden files, rewritten by ``pytest --update`` and reviewed like code; plain Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the golden files anew instead of comparing with them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden("name.txt", text)`` compares a text with ``tests/golden/name.txt``."""

    def compare(name: str, shown: str) -> None:
        path = GOLDEN / name
        shown = shown.rstrip("\n") + "\n"
        if request.config.getoption("--update"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(shown, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run pytest --update and review it"
        assert shown == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run as plain Python, and every stage is verified."""
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")
