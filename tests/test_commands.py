"""``python -m symgraph``: what each command answers, as text and as JSON, with which status."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from codegen.commands import bench, doctor
from codegen.host import cache
from symgraph.__main__ import main
from symgraph.display import colour

MODEL = """
import sympy as sp
import symgraph as sg
N = sg.dim("N")
x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
W, b = sg.parameter("W", (4, 3)), sg.parameter("b", (3,))
z = x @ W + b
J = sg.cross_entropy(z, t)
u = sp.Symbol("u", real=True)
bell = sp.exp(-u**2)
wrong = -u * sp.exp(-u**2)
swish = sg.elementwise(u / (1 + sp.exp(-u)), name="swish")
rate = sg.AdamW(lr=0.1)
number = [1]
class Held:
    loss = J
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's module in the working folder."""
    name = f"model_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODEL, encoding="utf-8")
    (tmp_path / "broken.py").write_text("import math\nmath.sqrt(-1)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    return name


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(words)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def record(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    status, text, _ = asked(capsys, *words, "--json")
    assert status in (0, 1)
    return json.loads(text)


def test_derive_prints_gradients(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    of_b = "∂J/∂b[j] = Σ_n (y[n, j] − δ[j = t[n]])/N"
    status, text, _ = asked(capsys, "derive", f"{model}:J")
    assert status == 0 and text.splitlines()[1] == of_b
    assert asked(capsys, "derive", f"{model}:Held.loss", "--of", "b") == (0, f"{of_b}\n", "")
    assert asked(capsys, "derive", f"{model}:bell") == (0, "∂bell/∂u = −2·u·bell\n", "")
    assert asked(capsys, "derive", f"{model}:swish") == (0, "∂swish/∂u = σ(u) + swish·(1 − σ(u))\n", "")
    (found,) = record(capsys, "derive", f"{model}:J", "--of", "W")
    assert found["shape"] == ["4", "3"] and found["latex"].startswith(r"\frac{\partial J}{\partial W_{i,j}} = \sum_{n}")
    assert "upstream[n, j]" in asked(capsys, "derive", f"{model}:z", "--of", "W")[1], "what is no scalar has a gradient"
    (steps,) = record(capsys, "derive", f"{model}:J", "--of", "b", "--steps")
    assert steps["steps"][-1]["rule"] == "derivative of z" and "z[n, j] = Σ_i x[n, i]·W[i, j] + b[j]" in steps["given"]


def test_explain_takes_an_optimiser_and_writes_a_page(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = record(capsys, "explain", f"{model}:J", "--optimizer", "sgd")
    rows = {section["title"]: section["rows"] for section in table["sections"]}
    assert rows["Update (SGD)"][-1]["index form"] == "b[j] ← b[j] − lr·∂J/∂b[j]"
    assert "AdamW" in asked(capsys, "explain", f"{model}:J", "--optimizer", f"{model}:rate")[1]
    assert asked(capsys, "explain", f"{model}:J", "--html", "page.html") == (0, "page.html\n", "")
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_audit_says_no(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = asked(capsys, "audit", f"{model}:bell", f"{model}:wrong")
    assert status == 1 and text.startswith("u: different")
    found = record(capsys, "audit", f"{model}:bell", f"{model}:wrong")
    assert not found["equal"] and found["derivatives"][0]["difference"] == "−u·exp(−u²)"


@pytest.mark.parametrize(
    "words, message",
    [
        (["derive", "{0}"], "write {0}:J for J in {0}.py"),
        (["derive", "{0}.py:J"], "{0}.py is a file: write its module's name, {0}:J"),
        (["derive", "elsewhere:J"], "there is no module elsewhere in"),
        (["derive", "broken:J"], r"broken cannot be imported: ValueError: math domain error (broken.py:2)"),
        (["derive", "{0}:K"], "{0} has no K; there are Held, J, N, W, b"),
        (["derive", "{0}:number"], "{0}:number is of the type list; expected a tensor or formula"),
        (["derive", "{0}:J", "--of", "q"], "{0}:J has no leaf q; it has x, W, b"),
        (["derive", "{0}:J+1"], "{0} has no J+1"),
        (["explain", "{0}:J", "--optimizer", "Adm"], "there is no optimiser Adm; there are SGD"),
        (["explain", "{0}:J", "--optimizer", "{0}:number"], "[1] is no optimiser: pass one of sg.SGD"),
        (["explain", "{0}:J", "--html", "no/page.html"], "No such file or directory"),
        (["bench", "--size", "N=3"], "--size is for a program of yours"),
    ],
)
def test_what_is_refused(words: list[str], message: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = [word.format(model) for word in words]
    status, text, error = asked(capsys, *told)
    assert (status, text) == (2, "") and message.format(model) in error and "frozen" not in error
    main([*told, "--json"])
    assert message.format(model) in json.loads(capsys.readouterr().out)["message"]


@pytest.mark.parametrize("words", [[], ["train"], ["bench", "--size", "N"], ["cache", "clear", "--days", "-1"]])
def test_what_is_no_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2 and "usage: python -m symgraph" in capsys.readouterr().err


def test_the_cache_is_shown_and_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what the cache has written is removed: its folder may be anybody's."""
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path))
    cache.store("ab" * 32, b"code")
    cache.source_file("cd" * 32, "source")
    (tmp_path / "thesis.py").write_text("mine", encoding="utf-8")
    os.utime(tmp_path / f"{'ab' * 32}.o", (0, 0))
    found = record(capsys, "cache", "show")
    assert found["files"] == 2 and found["kinds"][".py"] == {"files": 1, "bytes": 6}
    assert record(capsys, "cache", "clear", "--days", "1") | {"folder": ""} == {
        "folder": "", "removed": 1, "bytes": 54, "left": 1,
    }  # fmt: skip
    assert main(["cache", "clear"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.py"]
    monkeypatch.setenv("SYMGRAPH_CACHE", "off")
    assert asked(capsys, "cache")[0] == 1


def test_the_doctor_tries_a_step(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    for name in ("ROWS", "FEATURES", "HIDDEN", "CLASSES"):
        monkeypatch.setattr(doctor, name, 3)
    monkeypatch.setattr(doctor, "BOUNDS", {"float64": 1e-13})
    monkeypatch.setattr(doctor, "EXTRAS", {"numpy": "core", "nothing-of-that-name": "io"})
    found = record(capsys, "doctor")
    checks = {check["name"]: check for check in found["checks"]}
    assert found["good"] and checks["step in float64"]["said"].startswith("run as plain Python")
    assert checks["nothing-of-that-name"]["said"] == "is not installed; pip install 'symgraph[io]'"
    monkeypatch.setenv("SYMGRAPH_THREAD", "2")
    monkeypatch.setattr(doctor, "evaluate", lambda outputs, values: [np.float64(1)] * len(outputs))
    monkeypatch.setattr(doctor, "_agree", lambda: 1 / 0)
    status, text, _ = asked(capsys, "doctor")
    assert status == 1 and text.endswith("failed: SYMGRAPH_THREAD, step in float64, threads agree\n")
    assert "threads agree        FAILED ZeroDivisionError: division by zero" in text
    assert "SYMGRAPH_THREAD      FAILED is no variable; there are SYMGRAPH_CACHE" in text


def test_bench_measures(model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    monkeypatch.setattr(bench, "NETWORKS", (((3, 2), 4),))
    monkeypatch.setattr(bench, "BATCHES", 1)
    machine = SimpleNamespace(least_seconds=lambda run: run(1) or 1e-3, flops_a_second=lambda dtype: 1e9)
    monkeypatch.setattr(bench, "peak", machine)
    (row,) = record(capsys, "bench")
    assert row["network"] == "3-2" and row["operations"] == 2 * 2 * 4 * 3 * 2 and row["in_fit"] == 1e-3
    report = record(capsys, "bench", f"{model}:J", "--size", "N=7")
    assert report["sizes"] == {"N": 7} and "J = result/N" in report["kernels"][-3]["formulas"]


def test_a_reader_that_leaves_early_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(["catalogue", "relu"]) == 0


def test_terminals_have_colours_and_pipes_have_none(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    words = ("derive", f"{model}:J", "--of", "b", "--steps")
    plain = asked(capsys, *words)[1]
    assert "\x1b" not in plain
    terminal = SimpleNamespace(isatty=lambda: True)
    assert colour.wanted(terminal)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = asked(capsys, *words)[1]
    assert "\x1b[1mBackward\x1b[0m" in shown and "\x1b[31m∂J/∂b\x1b[0m" in shown
    assert re.search(r"\x1b\[2m +derivative of z\x1b\[0m\n", shown)
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == plain
    assert "\x1b" not in asked(capsys, *words, "--json")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.wanted(terminal) and asked(capsys, *words)[1] == plain
