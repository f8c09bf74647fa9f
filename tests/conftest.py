"""Fixtures of the whole suite: golden files, rewritten by ``pytest --update`` and reviewed like code; plain Python."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import sizes

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the golden files anew instead of comparing with them")
    parser.addoption("--long", action="store_true", help="run what takes more than some seconds a test")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is collected: decorators ask for sizes. Formulas are many small objects that live long: looking
    among them for cycles after every 700 new ones takes a sixth of the suite. A process that a shell starts in its
    background ignores SIGINT, which tests send to themselves. Processes that tests start keep the bytecode of the two
    packages: without it each of them would compile these anew, which takes half of a child's time."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sizes.LONG = bool(config.getoption("--long"))
    gc.set_threshold(50_000, 20, 20)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """What has been imported stays: it is looked through for cycles once, and not again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """The process ends: nothing more of it is looked through."""
    gc.freeze()


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


@pytest.fixture(autouse=True)
def settings_of_one_test_only() -> Iterator[None]:
    """What a test sets in the environment ends with it."""
    before = {key: value for key, value in os.environ.items() if key.startswith("SYMGRAPH_")}
    yield
    for key in [key for key in os.environ if key.startswith("SYMGRAPH_")]:
        del os.environ[key]
    os.environ.update(before)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run as plain Python, and every stage is verified."""
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    monkeypatch.setenv("SYMGRAPH_CHECK", "1")
