"""A step stops before its updates where the loss is finite and a gradient is not; others compute nothing for it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import codegen
import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.errors import NonFiniteError

N = sg.dim("N")
x, t = sg.input("x", (N, 3)), sg.labels("t", (N,), classes=4)
W = sg.parameter("W", (3,), init=sg.init.normal(1.0))
ROWS = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]])


def entropy() -> Tensor:
    u = sg.abs(x @ W)
    return sg.sum(u * sg.log(u))


def root() -> Tensor:
    return sg.mean(sg.sqrt(1 - sg.exp(-((x @ W) ** 2))))


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("make", [entropy, root])
def test_nothing_is_updated_where_a_gradient_is_not_finite(make: object) -> None:
    J = make()  # type: ignore[operator]
    step = codegen.train_step(J, sg.Adam(0.1), dtype="float64", outputs=[x @ W])
    params = step.init(0)
    before = {name: values.copy() for name, values in params.items()}
    for again in (step, pickle.loads(pickle.dumps(step))):
        with pytest.raises(NonFiniteError, match=r"a gradient of the loss .* is not finite.*\[1\] is (-?inf|nan)"):
            again(params, x=ROWS)
        with pytest.raises(NonFiniteError, match=r"a gradient of the loss .*\[1\] is (-?inf|nan).*Nothing was updated"):
            again.fit(params, {"x": ROWS}, batch_size=3, shuffle=False)
    assert all(np.array_equal(params[name], before[name]) for name in before)
    assert not any(values.any() for values in step.state.values())
    loss, outputs = step(params, x=ROWS[[0, 2]])
    np.testing.assert_array_equal(outputs[0], ROWS[[0, 2]] @ before["W"])
    step.check_finite = False
    assert np.isfinite(loss) and np.isfinite(step(params, x=ROWS)[0]) and np.isnan(params["W"]).all()


def test_a_native_step_stops_before_its_updates() -> None:
    step = codegen.train_step(entropy(), sg.SGD(0.1), dtype="float64")
    params = step.init(0)
    u = np.abs(ROWS[[0, 2]] @ params["W"])
    assert step(params, x=ROWS[[0, 2]]) == pytest.approx(np.sum(u * np.log(u)), rel=1e-14)
    before = params["W"].copy()
    for _ in range(3):  # checked by Python, then by native code alone
        with pytest.raises(NonFiniteError, match="a gradient of the loss"):
            step(params, x=ROWS)
    np.testing.assert_array_equal(params["W"], before)


def test_what_the_loss_is_divided_by_is_not_looked_at_again() -> None:
    A = sg.parameter("A", (3, 4))
    z = x @ A
    normal = (z - sg.mean(z, axis=0)) / sg.sqrt(sg.var(z, axis=0) + 1e-5)
    losses = [
        sg.cross_entropy(sg.gelu(z), t), sg.mean(sg.sigmoid(normal) ** 2), sg.mean(1 / z),
        sg.huber_loss(z, sg.tanh(normal)),
        sg.mean(z[:, 0] * sg.sqrt(1 + sg.sum(z**2, axis=1))), sg.mean(sg.log(sg.sum(z**2, axis=1) + 1)),
        sg.nn.LayerNorm(4)(z).sum(), sg.mean(sg.logsumexp(z, axis=1) - sg.log(1 + sg.exp(z[:, 0]))),
    ]  # fmt: skip
    for J in losses:
        assert len(codegen.train_step(J, sg.SGD()).formulas.request.outputs) == 1


def test_fit_gives_back_what_an_update_has_ruined() -> None:
    """The loss is finite: tanh of an infinite input is, 0·∞ in the gradient is not; nor is a step of 10³⁸."""
    step = codegen.train_step(sg.mean(sg.tanh(x @ W)), sg.Adam(0.1))
    params, odd = step.init(0), np.float32(np.tile(ROWS, (4, 1)))
    step.fit(params, {"x": odd}, epochs=2, batch_size=3)
    before = {name: values.copy() for name, values in {**params, **step.state}.items()}
    odd[7, 1] = np.inf
    batches = [{"x": odd[start : start + 3]} for start in range(0, 12, 3)]
    called = {"callback": lambda epoch, history: False}
    for data, options in (({"x": odd}, {}), ({"x": odd}, called), (batches, {})):
        cause = "an input was infinite" if data is batches else r"input x\[7, 1\] is inf"
        told = rf"parameter W\[\d\] is nan in epoch 2, .*{cause}.* again as they were"
        with pytest.raises(NonFiniteError, match=told):
            step.fit(params, data, epochs=4, batch_size=3, initial_epoch=2, **options)
        after = {**params, **step.state}
        assert all(np.array_equal(after[name], before[name]) for name in before)
    step.hyper["lr"] = 3e38
    with pytest.raises(NonFiniteError, match=r"parameter W\[\d\] is -?inf .*a lower rate"):
        step.fit(params, {"x": odd[:6] * 1e3}, epochs=1, batch_size=3)
    assert np.array_equal(params["W"], before["W"])
    step.hyper["lr"], params["W"][1] = 0.1, np.nan
    with pytest.raises(NonFiniteError, match=r"parameter W\[1\] is nan \(if an earlier step wrote that, a gradient"):
        step(params, x=odd[:6])
