"""The catalogue: a page and a command, made from the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from symgraph.__main__ import main
from symgraph.catalogue import entries


def test_a_row_tells_formula_derivative_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "elu"]) == 0
    assert capsys.readouterr().out == (
        "elu(alpha=1)    Clevert, Unterthiner & Hochreiter, arXiv 1511.07289\n"
        "    y = {u if u > 0, else exp(u) − 1}\n"
        "    ∂y/∂u = {1 if u > 0, else y + 1}\n"
    )


def test_losses_of_rows_and_optimisers_are_told_as_derived() -> None:
    (loss,) = entries(name="cross_entropy")
    assert loss.derivative == ("∂J/∂logits[n, i] = (y[n, i] − δ[i = t[n]])/N",)
    (adamw,) = entries(name="AdamW")
    assert adamw.formula[-1].startswith("θ[i, j] ← (1 − lr·weight_decay)·θ[i, j] − optimizer_rate·")
    (cosine,) = entries(name="CosineAnnealingLR")
    assert cosine.formula == ("lr[t] = eta_min + (lr − eta_min)·(1 + cos(π·t/T_max))/2",)


def test_the_page_and_the_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "--kind", "schedule", "--html", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<tr id=") == 9 and "&#x27;" not in page.partition("</style>")[0]
    assert main(["catalogue", "softplus", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["derivative"] == ["∂y/∂u = σ(u)"] and record["latex"][1].endswith(r"\sigma\left(u\right)")
    assert main(["catalogue", "swoosh"]) == 1
    assert capsys.readouterr().err.endswith("there is no row swoosh; without a name all are shown\n")
    assert main(["catalogue", "adamv"]) == 1
    assert capsys.readouterr().err.endswith("there is no row adamv; the nearest are Adam, RAdam, NAdam\n")
