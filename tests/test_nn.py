"""Layers as functions with parameters: names, layout, the same formulas as the functional form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError, ShapeError
from symgraph.reference import evaluate
from tests.oracles import agree
from tests.programs import N


def test_sequential_is_the_composition_of_its_layers() -> None:
    net = sg.nn.Sequential(sg.nn.Linear(4, 3), sg.nn.Sigmoid(), sg.nn.Linear(3, 2, bias=False), sg.log_softmax)
    x = sg.input("x", (N, 4))
    y = net(x)
    W, b, V = net.parameters()
    assert [leaf.name for leaf in (W, b, V)] == ["0.weight", "0.bias", "2.weight"]
    assert [leaf.shape for leaf in (W, b, V)] == [(4, 3), (3,), (3, 2)]
    generator = np.random.default_rng(0)
    values = {"x": generator.normal(size=(5, 4)), "0.weight": generator.normal(size=(4, 3)),
              "0.bias": generator.normal(size=3), "2.weight": generator.normal(size=(3, 2))}  # fmt: skip
    agree(evaluate(y, values), evaluate(sg.log_softmax(sg.sigmoid(x @ W + b) @ V), values), 1e-14)


def test_networks_print_their_layers() -> None:
    class Two(sg.nn.Module):
        def __init__(self, width: int) -> None:
            self.first, self.more = sg.nn.Linear(2, width), [sg.nn.Sequential(sg.nn.Dropout(0.1), sg.softmax)]

        def forward(self, x: sg.Tensor, scale: int = 1) -> sg.Tensor:
            return scale * self.more[0](self.first(x))

    x = sg.input("x", (N, 2))
    assert Two(3)(x, scale=2).shape == (N, 3)
    assert repr(Two(3)) == "Two(3)\n  first: Linear(2, 3)\n  more.0: Sequential()\n    0: Dropout(0.1)\n    1: softmax"
    assert repr(sg.nn.CrossEntropyLoss(label_smoothing=0.1)) == "CrossEntropyLoss(label_smoothing=0.1)"


def test_a_call_of_ones_own_is_the_forward() -> None:
    class Two(sg.nn.Module):
        def __init__(self) -> None:
            self.encoder, self.head = (sg.nn.Sequential(sg.nn.Linear(2, 2), sg.nn.ReLU()) for _ in range(2))

        def __call__(self, x: sg.Tensor, y: sg.Tensor) -> sg.Tensor:
            return self.encoder(x) - self.head(y)

    net = Two()
    difference = net(sg.input("x", (N, 2)), sg.input("y", (N, 2)))
    names = [str(leaf.name) for leaf in net.parameters()]
    assert names == ["encoder.0.weight", "encoder.0.bias", "head.0.weight", "head.0.bias"]
    assert set(net.parameters()) <= difference.free_symbols


def test_notebooks_show_layers_and_declare_nothing() -> None:
    class Report(sg.nn.Module):  # called as a class of ours that has another form
        def __init__(self) -> None:
            self.first, self.more = sg.nn.Linear(2, 3), [sg.nn.BatchNorm1d(3)]

    net = Report()
    assert "<td>more.0</td><td><code>BatchNorm1d(3)</code></td><td></td>" in str(net._repr_html_())
    outer = sg.nn.Sequential(net, name="outer")
    assert next(p.name for p in outer.parameters()) == "outer.0.first.weight"
    assert "outer.0.more.0.running_var (3,)" in str(outer._repr_html_())
    assert '<p class="soft">15 parameters</p>' in str(net._repr_html_())
    assert net._repr_svg_() is None


def test_layer_called_twice_shares_its_parameters() -> None:
    layer = sg.nn.Linear(3, 3, name="shared")
    x = sg.input("x", (N, 3))
    y = layer(layer(x))
    assert {leaf.name for leaf in y.free_symbols - {N}} == {"x", "shared.weight", "shared.bias"}
    assert set(sg.grad(sg.sum(y), layer.parameters())) == set(layer.parameters())


def test_linear_is_initialised_as_in_torch() -> None:
    weight, bias = sg.nn.Linear(16, 5, name="l").parameters()
    for leaf in (weight, bias):
        values = leaf.init(np.random.default_rng(0), tuple(int(size) for size in leaf.shape))
        assert np.abs(values).max() <= 0.25


LAYERS = [
    "ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Sigmoid", "LogSigmoid", "Tanh", "Softplus", "Softsign",
    "Hardtanh", "Softmax", "LogSoftmax",
]  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_its_function(name: str) -> None:
    functions = {"LeakyReLU": sg.leaky_relu, "LogSigmoid": sg.log_sigmoid, "LogSoftmax": sg.log_softmax}
    x = sg.input("x", (2, 3))
    assert getattr(sg.nn, name)()(x) is functions.get(name, getattr(sg, name.lower(), None))(x)


def test_wrong_number_of_features_names_layer_and_shape() -> None:
    with pytest.raises(ShapeError, match=r"Linear\(4, 3\) got x\(N, 5\); expected a last axis of 4"):
        sg.nn.Linear(4, 3)(sg.input("x", (N, 5)))


IMAGES, LINES = (2, 4, 5, 6), (2, 4, 7)
WITH_PYTORCH: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "Conv1d": ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, LINES),
    "Conv2d": ("Conv2d", (4, 3, (2, 3), 2, 1), {"bias": False}, IMAGES),
    "ConvTranspose1d": ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "groups": 2}, LINES),
    "MaxPool2d": ("MaxPool2d", (2,), {}, IMAGES),
    "AvgPool1d": ("AvgPool1d", (3, 2), {"padding": 1}, LINES),
    "AdaptiveAvgPool2d": ("AdaptiveAvgPool2d", (2,), {}, IMAGES),
    "Flatten": ("Flatten", (), {}, IMAGES),
    "Upsample": ("Upsample", (), {"scale_factor": 2, "mode": "bilinear"}, IMAGES),
    "LPPool1d": ("LPPool1d", (2, 3), {"stride": 2}, LINES),
    "LPPool2d": ("LPPool2d", (4.0, (2, 3)), {"ceil_mode": True}, IMAGES),
    "UpsamplingNearest2d": ("UpsamplingNearest2d", (), {"scale_factor": 2}, IMAGES),
    "UpsamplingBilinear2d": ("UpsamplingBilinear2d", (), {"size": (7, 9)}, IMAGES),
    "Unfold": ("Unfold", (2,), {"stride": 2}, IMAGES),
    "LayerNorm": ("LayerNorm", (7,), {}, LINES),
    "LayerNorm over two axes": ("LayerNorm", ((5, 6),), {"bias": False}, IMAGES),
    "RMSNorm": ("RMSNorm", (7,), {"eps": 1e-6}, LINES),
    "GroupNorm": ("GroupNorm", (2, 4), {}, IMAGES),
    "InstanceNorm1d": ("InstanceNorm1d", (4,), {"affine": True}, LINES),
    "InstanceNorm2d": ("InstanceNorm2d", (4,), {}, IMAGES),
    "Identity": ("Identity", (), {}, IMAGES),
    "RNNCell": ("RNNCell", (7, 3), {"nonlinearity": "relu"}, (4, 7)),
    "GRUCell": ("GRUCell", (7, 3), {"bias": False}, (4, 7)),
}


@pytest.mark.parametrize("case", WITH_PYTORCH)
def test_a_layer_with_weights_is_pytorchs(case: str) -> None:
    torch = pytest.importorskip("torch")
    name, sizes, options, shape = WITH_PYTORCH[case]
    layer, theirs = getattr(sg.nn, name)(*sizes, **options), getattr(torch.nn, name)(*sizes, **options).double()
    generator = np.random.default_rng(0)
    given = {"x": generator.normal(size=shape)}
    for leaf, weight in zip(layer.parameters(), theirs.parameters(), strict=True):
        assert tuple(map(int, leaf.shape)) == tuple(weight.shape)
        assert leaf.name.endswith(("weight", "bias", "_ih", "_hh"))
        given[leaf.name] = generator.normal(size=tuple(weight.shape))
        weight.data = torch.tensor(given[leaf.name])
    found = evaluate(layer(sg.input("x", shape)), given)
    np.testing.assert_allclose(found, theirs(torch.tensor(given["x"])).detach().numpy(), rtol=1e-10, atol=1e-12)


def test_an_lstm_cell_goes_on_from_its_states() -> None:
    torch = pytest.importorskip("torch")
    cell, theirs = sg.nn.LSTMCell(3, 2, name="c"), torch.nn.LSTMCell(3, 2).double()
    generator = np.random.default_rng(0)
    given = {f"c.{name}": weight.detach().numpy() for name, weight in theirs.named_parameters()}
    given |= {name: generator.normal(size=(4, size)) for name, size in (("x", 3), ("h", 2), ("k", 2))}
    x, h, k = sg.input("x", (4, 3)), sg.input("h", (4, 2)), sg.input("k", (4, 2))
    h2, k2 = cell(x, cell(x, (h, k)))
    states = theirs(torch.tensor(given["x"]), tuple(torch.tensor(given[name]) for name in "hk"))
    for found, expected in zip((h2, k2), theirs(torch.tensor(given["x"]), states), strict=True):
        np.testing.assert_allclose(evaluate(found, given), expected.detach().numpy(), rtol=1e-10)
    with pytest.raises(ShapeError, match=r"LSTMCell\(3, 2\) got h\(4, 2\); expected \(batch, 3\)"):
        cell(h)
    with pytest.raises(ShapeError, match=r"the first state is x\(4, 3\); expected \(4, 2\)"):
        cell(x, (x, k))


def test_functional_norms_say_what_does_not_fit() -> None:
    x, w = sg.input("x", (N, 4, 6)), sg.parameter("w", (4,))
    for wrong, message in (
        (lambda: sg.layer_norm(x, 5), r"layer_norm: x\(N, 4, 6\) does not end in \(5,\)"),
        (lambda: sg.layer_norm(x, (4, 6), w), r"layer_norm: weight is w\(4,\); expected \(4, 6\)"),
        (lambda: sg.group_norm(x, 3), r"4 channels of x\(N, 4, 6\) do not part into 3 groups"),
        (lambda: sg.instance_norm(w), r"instance_norm needs \(batch, channel, place, …\)"),
    ):
        with pytest.raises(ShapeError, match=message):
            wrong()


def test_only_layers_are_listed() -> None:
    listed = [getattr(sg.nn, name) for name in dir(sg.nn)]
    assert all(isinstance(one, type) or one.__module__ == "symgraph.vocabulary.layouts" for one in listed)


def test_tables_and_bilinear_forms() -> None:
    torch = pytest.importorskip("torch")
    ids, generator = np.array([[0, 2, 2], [1, 0, 2]]), np.random.default_rng(1)
    table, W, b = generator.normal(size=(3, 4)), generator.normal(size=(2, 3, 4)), generator.normal(size=2)
    t, x, y = sg.labels("t", (2, 3), 3), sg.input("x", (5, 3)), sg.input("y", (5, 4))
    given = {"e.weight": table, "t": ids, "q.weight": W, "q.bias": b, "x": generator.normal(size=(5, 3)),
             "y": generator.normal(size=(5, 4))}  # fmt: skip
    agree(evaluate(sg.nn.Embedding(3, 4, name="e")(t), given), table[ids], 1e-14)
    agree(evaluate(sg.nn.EmbeddingBag(3, 4, name="e")(t), given), table[ids].mean(1), 1e-14)
    theirs = torch.nn.functional.bilinear(*(torch.tensor(given[k]) for k in ("x", "y", "q.weight", "q.bias")))
    agree(evaluate(sg.nn.Bilinear(3, 4, 2, name="q")(x, y), given), theirs.numpy(), 1e-12)


def test_attention_is_pytorchs() -> None:
    """Values, weights and gradients of the attention and of a whole encoder, with masks."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    E, H, rows = 4, 2, np.random.default_rng(0).normal(size=(3, 5, 4))
    late, pad = np.triu(np.ones((5, 5), bool), 1), np.zeros((3, 5), bool)
    pad[0, -1] = pad[1, 2:] = True
    x = sg.input("x", (3, 5, E))
    ours, theirs = sg.nn.MultiheadAttention(E, H, batch_first=True), torch.nn.MultiheadAttention(E, H, batch_first=True)
    given = torch.tensor(rows)
    y, weights = ours(x, key_padding_mask=pad, attn_mask=late)
    masks = {"key_padding_mask": torch.tensor(pad), "attn_mask": torch.tensor(late)}
    wanted = [part.detach().numpy() for part in theirs.double()(given, given, given, **masks)]
    found = evaluate([y, weights], {"x": rows, **sg.nn.from_torch(ours, theirs)})
    for part, expected in zip(found, wanted, strict=True):
        agree(part, expected, 1e-14)
    assert ours(x, key_padding_mask=pad, is_causal=True)[0].shape == y.shape
    settings: dict[str, Any] = {"dropout": 0.0, "activation": "gelu", "norm_first": True}
    net = sg.nn.TransformerEncoder(sg.nn.TransformerEncoderLayer(E, H, 6, **settings), 2, sg.nn.LayerNorm(E))
    layer = torch.nn.TransformerEncoderLayer(E, H, 6, **settings)
    model = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(E), enable_nested_tensor=False).double()
    (model(given) ** 2).mean().backward()
    slopes = sg.grad(sg.mean(net(x) ** 2), net.parameters())
    values = evaluate(list(slopes.values()), {"x": rows, **sg.nn.from_torch(net, model)})
    for name, slope in zip([str(leaf.name) for leaf in slopes], values, strict=True):
        expected = dict(model.named_parameters())[name].grad.numpy()
        agree(slope, expected if "in_proj" in name else expected.T, 1e-13)
    with pytest.raises(ArgumentError, match="5 features do not part into 2 heads"):
        sg.nn.MultiheadAttention(5, 2)
    with pytest.raises(ShapeError, match=r"MultiheadAttention\(4, 2\) got q\(N, 5, 3\)"):
        ours(sg.input("q", (N, 5, 3)))
    with pytest.raises(ArgumentError, match="copies a layer that has no parameters yet"):
        sg.nn.TransformerEncoder(net.layers[0], 2)


def test_layers_as_functions_of_their_weights_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    arrays = {"u": (2, 4), "v": (2, 3), "W": (4, 5), "B": (2, 4, 3)}
    given = {name: random.normal(size=shape) for name, shape in arrays.items()}
    u, v, W, B = (sg.input(name, shape) for name, shape in arrays.items())
    T = {name: torch.tensor(array) for name, array in given.items()}
    affine, form = evaluate([sg.linear(u, W), sg.bilinear(u, v, B)], given)
    np.testing.assert_allclose(affine, torch.nn.functional.linear(T["u"], T["W"].T).numpy(), rtol=1e-12)
    np.testing.assert_allclose(form, torch.nn.functional.bilinear(T["u"], T["v"], T["B"]).numpy(), rtol=1e-12)
