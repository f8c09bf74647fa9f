"""The catalogue: a page and a command, made from the rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.__main__ import main
from symgraph.catalogue import entries
from symgraph.drawing.gallery import gallery
from symgraph.reference import evaluate
from tests.test_page import tags


def test_a_row_tells_formula_derivative_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "elu"]) == 0
    assert capsys.readouterr().out == (
        "elu(alpha=1)    Clevert, Unterthiner & Hochreiter, arXiv 1511.07289\n"
        "    y = {u if u > 0, else exp(u) − 1}\n"
        "    ∂y/∂u = {1 if u > 0, else y + 1}\n"
        "    ∂²y/∂u² = {0 if u > 0, else y + 1}\n"
    )


def test_losses_of_rows_and_optimisers_are_told_as_derived() -> None:
    (loss,) = entries(name="cross_entropy")
    assert [str(line) for line in loss.derivative] == ["∂J/∂logits[n, i] = (y[n, i] − δ[i = t[n]])/N"]
    (adamw,) = entries(name="AdamW")
    assert adamw.formula[-1].text.startswith("θ[i, j] ← (1 − lr·weight_decay)·θ[i, j] − optimizer_rate·")
    (cosine,) = entries(name="CosineAnnealingLR")
    assert cosine.formula[0].text == "lr[t] = eta_min + (lr − eta_min)·(1 + cos(π·t/T_max))/2"


SECOND = {
    "sigmoid": "y·(1 − y)·(1 − 2·y)",
    "tanh": "−2·y·(1 − y²)",
    "softplus": "σ(u)·(1 − σ(u))",
    "huber_loss": "1[|u − v| ≤ 1]",
    "binary_cross_entropy_with_logits": "σ(u)·(1 − σ(u))",
}


@pytest.mark.parametrize("name, formula", SECOND.items())
def test_second_derivatives_are_formulas_of_the_value(name: str, formula: str) -> None:
    (row,) = entries(name=name, second=True)
    assert row.second[0].text == f"∂²y/∂u² = {formula}"
    xs = np.linspace(-2, 2, 9) + 0.01
    value, slope, second = evaluate(row.values, dict.fromkeys("vw", 1.0) | {"u": xs})
    above, below = (evaluate(row.values[1], dict.fromkeys("vw", 1.0) | {"u": xs + step}) for step in (1e-6, -1e-6))
    np.testing.assert_allclose(second, (above - below) / 2e-6, atol=1e-7)
    assert len(value) == len(slope) == 9


def test_the_page_has_formulas_and_plots_of_every_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symgraph.drawing.gallery.MEASURED", 8)
    for kind, count in (("schedule", 9), ("initialiser", 15)):
        assert main(["catalogue", "--kind", kind, "--html", str(tmp_path / "page.html")]) == 0
        assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert page.count("<tr id=") == count and page.count('class="sg plot"') == (9 if kind == "schedule" else 0)
    page = str(gallery([*entries(name="elu", second=True), *entries(name="binary_cross_entropy", second=True)]))
    assert "elu and its two derivatives for u from −4 to 4" in page.replace("-4", "−4")
    assert "binary_cross_entropy and its two derivatives for u from 0 to 1, v = 1" in page
    assert len(re.findall(r'title="at [^;]*; median 0\.\d">(value|derivative) ', page)) == 4
    tags(page)


def test_the_records_and_what_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "softplus", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["derivative"] == ["∂y/∂u = σ(u)"] and record["latex"][1].endswith(r"\sigma\left(u\right)")
    assert record["second derivative"] == ["∂²y/∂u² = σ(u)·(1 − σ(u))"]
    assert main(["catalogue", "zzz"]) == 1
    assert capsys.readouterr().err.endswith("there is no row zzz; without a name all are shown\n")
    assert main(["catalogue", "adamv"]) == 1
    assert capsys.readouterr().err.endswith("there is no row adamv; the nearest are Adam, RAdam, NAdam\n")


LAYERS = """
ReLU ReLU6 LeakyReLU PReLU RReLU ELU CELU SELU GELU SiLU Mish Sigmoid LogSigmoid Tanh Softplus Softsign Hardtanh
Hardsigmoid Hardswish Tanhshrink Softshrink Hardshrink Threshold GLU Softmax Softmin LogSoftmax
MSELoss L1Loss HuberLoss SmoothL1Loss CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss KLDivLoss PoissonNLLLoss
GaussianNLLLoss HingeEmbeddingLoss MarginRankingLoss MultiMarginLoss MultiLabelMarginLoss SoftMarginLoss
MultiLabelSoftMarginLoss CosineEmbeddingLoss TripletMarginLoss CTCLoss HalfMSELoss
Linear Bilinear Flatten Identity Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d MaxPool1d
MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool2d AdaptiveMaxPool2d LPPool1d LPPool2d Affine Upsample
UpsamplingNearest2d UpsamplingBilinear2d FeatureAlphaDropout Fold Unfold Embedding
EmbeddingBag BatchNorm1d BatchNorm2d BatchNorm3d LayerNorm GroupNorm InstanceNorm2d RMSNorm Dropout Dropout1d Dropout2d
Dropout3d AlphaDropout MultiheadAttention TransformerEncoderLayer TransformerEncoder RNN GRU LSTM RNNCell GRUCell
LSTMCell CosineSimilarity PairwiseDistance
"""
FUNCTIONS = """
quantile_loss log_cosh_loss sigmoid_focal_loss focal_loss dice_loss tversky_loss poisson_deviance_loss
tweedie_deviance_loss gamma_deviance_loss fair_loss asymmetric_loss gaussian_kl_loss info_nce_loss triplet_margin_loss
reglu geglu swiglu scaled_dot_product_attention SGD Adam AdamW NAdam RAdam Adamax Adagrad Adadelta RMSprop Rprop ASGD
LBFGS Adafactor Muon NaturalGradient Lion grouped clip_grad_norm clip_grad_value
"""
INITIALISERS = """
zeros ones constant uniform normal trunc_normal xavier_uniform xavier_normal glorot_uniform glorot_normal
kaiming_uniform kaiming_normal he_uniform he_normal lecun_uniform lecun_normal orthogonal eye sparse
"""
SCHEDULES = "StepLR ExponentialLR CosineAnnealingLR OneCycleLR LinearLR"


def test_what_was_asked_for_is_there() -> None:
    """Activations, losses, layers, initialisers, optimisers and schedules by their names elsewhere."""
    for names, where in ((LAYERS, sg.nn), (FUNCTIONS, sg), (INITIALISERS, sg.init), (SCHEDULES, sg.schedules)):
        assert [name for name in names.split() if not callable(getattr(where, name, None))] == []
    assert callable(codegen.ReduceLROnPlateau)


def test_names_that_are_elsewhere_are_told() -> None:
    for name, where in (("StepLR", "sg.schedules.StepLR"), ("rrelu", "sg.random.rrelu"), ("swish", r"sg.silu\(x\)"),
                        ("LSTM", "sg.nn.LSTM"), ("kaiming_normal", "sg.init.kaiming_normal")):  # fmt: skip
        with pytest.raises(AttributeError, match=f"'symgraph' has no attribute '{name}': write {where}$"):
            getattr(sg, name)
