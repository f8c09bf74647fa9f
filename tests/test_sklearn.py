"""Estimators for scikit-learn: its own checks, and its tools around them."""

from __future__ import annotations

import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from tests import sizes

pytest.importorskip("sklearn")
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import codegen
from codegen import EarlyStopping, History
from codegen.estimators import programs
from codegen.estimators.rates import InverseScaling, NoChange
from codegen.host.once import Once
from symgraph.errors import SymgraphError
from symgraph.reference import evaluate
from symgraph.sklearn import MLPClassifier, MLPRegressor, SymbolicEstimator

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(24, 3))
T = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small fits as plain Python; --long compiles them."""
    if not sizes.LONG:
        monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


CHECKED: dict[str, Callable[[], Any]] = {
    "own regressor": lambda: SymbolicEstimator(learning_rate_init=0.3, max_iter=sizes.examples(8, 200)),
    "classifier": lambda: MLPClassifier(),
    "regressor": lambda: MLPRegressor(),
    "own classifier": lambda: SymbolicEstimator(kind="classifier"),
}


@pytest.mark.parametrize("name", [*CHECKED][: sizes.examples(1, 4)])
def test_scikit_learns_own_checks(name: str) -> None:
    check_estimator(CHECKED[name](), on_skip=None)


def test_pipelines_grid_search_and_pickling() -> None:
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=3, learning_rate_init=0.1, random_state=0)),
        {"mlpclassifier__alpha": [1e-4, 1e-1]}, cv=2, n_jobs=sizes.examples(1, 2),
    ).fit(X, T)  # fmt: skip
    best = search.best_estimator_
    again = pickle.loads(pickle.dumps(best))
    np.testing.assert_array_equal(again.predict_proba(X), best.predict_proba(X))
    np.testing.assert_allclose(best.predict_proba(X).sum(axis=1), 1)
    assert set(best.predict(X)) <= {"no", "yes"} and list(best.classes_) == ["no", "yes"]


def test_random_state_clone_and_warm_start() -> None:
    first = MLPClassifier((4,), max_iter=2, random_state=3).fit(X, T)
    same, other = clone(first).fit(X, T), clone(first).set_params(random_state=4).fit(X, T)
    np.testing.assert_array_equal(first.coefs_[0], same.coefs_[0])
    assert not np.array_equal(first.coefs_[0], other.coefs_[0])
    assert [w.shape for w in first.coefs_] == [(3, 4), (4, 1)] and len(first.loss_curve_) == first.n_iter_ == 2
    first.set_params(warm_start=True).fit(X, T)
    assert first.loss_curve_[:2] == same.loss_curve_ and first.loss_curve_[2] < same.loss_curve_[1]


def test_options_that_are_set_after_a_fit_are_for_the_next() -> None:
    """Predictions, formulas and copies are of the model that was trained."""
    made = MLPClassifier((4,), max_iter=2, random_state=0).fit(X, T)
    before, told = made.predict_proba(X), str(made.explain())
    made.set_params(hidden_layer_sizes=(3, 3), activation="tanh", solver="sgd")
    for each in (made, pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(each.predict_proba(X), before)
        assert str(each.explain()) == told
    assert len(made.fit(X, T).coefs_) == 3 and "momentum" in str(made.explain())


WRONG_OPTIONS = {
    "validation_fraction": 2, "tol": None, "momentum": 1.5, "batch_size": "all", "activation": 3, "loss": 3,
    "max_iter": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_wrong_options_are_told_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} "):
        MLPClassifier((4,), **{name: WRONG_OPTIONS[name]}).fit(X, T)


def test_models_and_kinds_that_are_none() -> None:
    """Told at the line of the fit, also of what is found out inside of our own ``with``."""
    for options, told in (({"kind": "classes"}, "kind must be 'regressor' or"), ({"model": 3}, "model must be a fun")):
        with pytest.raises(ValueError, match=told):
            SymbolicEstimator(**options).fit(X, X[:, 0])
    with pytest.raises(SymgraphError, match=r"(?s)pass sg\.SGD\(lr=…\)\n  at test_sklearn\.py"):
        SymbolicEstimator(solver=sg.SGD).fit(X, X[:, 0])
    for name in ("coefs_", "intercepts_", "n_layers_", "out_activation_"):
        with pytest.raises(AttributeError, match="is not fitted yet"):
            getattr(MLPRegressor(), name)


def test_weights_and_classes() -> None:
    """Rows that count twice are rows that stand there twice; classes may be balanced."""
    weight = RANDOM.integers(0, 3, 24)
    weighted = MLPClassifier((4,), max_iter=5, random_state=0).fit(X, T, weight)
    repeated = MLPClassifier((4,), max_iter=5, random_state=0).fit(np.repeat(X, weight, 0), np.repeat(T, weight))
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-9)
    balanced = MLPClassifier((4,), max_iter=5, random_state=0, class_weight={"no": 0.0, "yes": 1.0}).fit(X, T)
    assert (balanced.predict(X) == "yes").mean() > (weighted.predict(X) == "yes").mean() - 0.5


def test_partial_fit_goes_on_with_the_optimisers_state() -> None:
    """Epochs one by one are the epochs of a fit, where the whole set is one batch."""
    whole = MLPRegressor((4,), max_iter=4, random_state=0, tol=0).fit(X, X[:, 0])
    parts = MLPRegressor((4,), random_state=0)
    for _ in range(4):
        parts.partial_fit(X, X[:, 0])
    np.testing.assert_allclose(parts.coefs_[0], whole.coefs_[0], rtol=1e-9)
    assert parts.predict(X).shape == (24,) and parts.fit(X, X[:, :2]).predict(X).shape == (24, 2)


def test_several_labels_and_early_stopping() -> None:
    labels = (X[:, :2] > 0).astype(int)
    model = MLPClassifier((4,), max_iter=40, learning_rate_init=0.1, early_stopping=True, n_iter_no_change=3,
                          validation_fraction=0.2, random_state=1).fit(X, labels)  # fmt: skip
    assert model.predict(X).shape == model.predict_proba(X).shape == (24, 2)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert accuracy_score(labels, model.predict(X)) > 0.5
    cost, optimizer, history, values = model.reported({"X": X, "y": labels})
    assert history.loss == model.loss_curve_ and optimizer.name == "Adam"
    assert np.isfinite(evaluate(cost, values))
    shown = model._repr_mimebundle_()
    assert shown["text/plain"] == repr(model) and "Update (Adam)" in shown["text/html"]
    assert all(part in shown["text/html"] for part in ("sk-container", "<math"))
    assert "<math" not in MLPClassifier()._repr_html_()


@pytest.mark.parametrize("names", [["no", "</script>"], ["no", "yes", "</script>"]])
def test_the_page_of_a_model_reads_targets_as_its_fit_does(names) -> None:
    """Two classes are one column of 0 and 1, more are labels, numbers a column."""
    y = np.array(names)[np.arange(24) % len(names)]
    model = MLPClassifier((4,), max_iter=2, random_state=1).fit(X, y)
    real = MLPRegressor((4,), max_iter=2, random_state=1).fit(X, X[:, 0])
    for fitted, target in ((model, y), (real, X[:, 0])):
        cost, _, _, values = fitted.reported({"X": X, "y": target})
        assert np.isfinite(evaluate(cost, values))
    assert str(sg.report(model, values={"X": X, "y": y})).count("</script>") == 1


def test_own_formulas_and_catalogue_names() -> None:
    (u,) = sg.sigmoid.arguments
    model = MLPRegressor((4,), activation=sg.elementwise(u * sg.sigmoid.formula),
                         loss="huber_loss", solver="adamw", max_iter=3, random_state=0).fit(X, X[:, 0])  # fmt: skip
    named = MLPRegressor((4,), activation="silu", loss="huber_loss", solver=sg.AdamW(1e-3), max_iter=3, random_state=0)
    np.testing.assert_allclose(named.fit(X, X[:, 0]).coefs_[0], model.coefs_[0], rtol=1e-12)
    told = str(named.explain())
    assert "∂" in told and "X (N, 3)" in told
    with pytest.raises(ValueError, match="activation 'wobble' is not known"):
        MLPRegressor(activation="wobble").fit(X, X[:, 0])


def decay(x: sg.Tensor) -> sg.Tensor:
    """a·exp(−b·x), a curve with two parameters."""
    a, b = sg.parameter("a", (1,), init=sg.init.ones()), sg.parameter("b", (1,), init=sg.init.ones())
    return a * sg.exp(-b * x)


def test_a_model_of_ones_own() -> None:
    x = np.linspace(0, 2, 40)[:, None]
    y = 3 * np.exp(-0.5 * x[:, 0])
    model = SymbolicEstimator(decay, learning_rate_init=0.1, max_iter=150, tol=0, n_iter_no_change=150).fit(x, y)
    assert model.score(x, y) > 0.99
    found = pickle.loads(pickle.dumps(model)).parameters_
    np.testing.assert_allclose([found["a"][0], found["b"][0]], [3, 0.5], rtol=0.1)
    with pytest.raises(sg.errors.ShapeError, match=r"\(N, 3\); expected \(N, 1\), .* kind=\"classifier\" for classes"):
        SymbolicEstimator(sg.nn.Linear(3, 3, name="three")).fit(X, T)


(u,) = sg.sigmoid.arguments
GRIDS: dict[str, tuple[MLPRegressor, dict[str, Any]]] = {
    "a name": (MLPRegressor((3,)), {"learning_rate_init": 0.01, "alpha": 1.0, "beta_1": 0.8}),
    "an optimiser": (MLPRegressor((3,), solver=sg.AdamW(0.01)), {"alpha": 1.0, "solver": sg.AdamW(0.1, eps=1e-6)}),
    "wrapped": (MLPRegressor((3,), solver=sg.clip_grad_norm(sg.SGD(0.1), 1.0)),
                {"solver": sg.clip_grad_norm(sg.SGD(0.2), 2.0)}),
    "a schedule": (MLPRegressor((3,), learning_rate_init=sg.schedules.StepLR(0.1, 5)), {"alpha": 1.0}),
    "an activation": (MLPRegressor((3,), sg.elementwise(u / (1 + u**2), name="bent")), {"learning_rate_init": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize("name", GRIDS)
def test_a_second_fit_of_the_same_formulas_makes_no_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clones, and other numbers, train by the program that there is, as if it had been made for them."""
    given, others = GRIDS[name]
    made: list[int] = []
    first = programs.TrainStep
    monkeypatch.setattr(programs, "TrainStep", lambda *options, **named: made.append(1) or first(*options, **named))
    options = {"max_iter": 2, "random_state": 0}
    clone(given).set_params(**options).fit(X, X[:, 0])
    found = clone(given).set_params(**options, **others).fit(X, X[:, 0])
    assert len(made) <= 1
    monkeypatch.setattr(programs, "_forms", Once(2))
    alone = clone(given).set_params(**options, **others).fit(X, X[:, 0])
    assert [values.tolist() for values in found.coefs_] == [values.tolist() for values in alone.coefs_]


def test_fits_at_once_in_threads_derive_and_translate_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And are those of one after the other."""
    made: list[int] = []
    first = programs.TrainStep
    monkeypatch.setattr(programs, "TrainStep", lambda *options, **named: made.append(1) or first(*options, **named))
    monkeypatch.setattr(programs, "_forms", Once(2))
    start = threading.Barrier(4)

    def fitted(seed: int) -> Any:
        start.wait()
        return MLPRegressor((5,), max_iter=3, alpha=seed / 10, random_state=seed).fit(X, X[:, 0])

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fitted, range(4)))
    assert made == [1]
    start = threading.Barrier(1)
    for seed, each in enumerate(found):
        assert [values.tolist() for values in each.coefs_] == [values.tolist() for values in fitted(seed).coefs_]


def test_a_model_may_compile_something_while_it_is_declared() -> None:
    """What is loaded meanwhile waited for the lock that the declaration held."""
    def model(x: Any) -> Any:
        u = sg.input("u", (3,))
        factor = codegen.function([u], sg.sum(u**2))(u=np.ones(3))
        return x @ sg.parameter("W", (3, 1)) * float(factor)

    made: list[SymbolicEstimator] = []
    thread = threading.Thread(
        target=lambda: made.append(SymbolicEstimator(model, max_iter=2).fit(X, X[:, 0])), daemon=True
    )
    thread.start()
    thread.join(100)
    assert len(made) == 1


def test_other_formulas_are_another_program() -> None:
    steps = sg.schedules.MultiStepLR
    one, *others = (
        sg.Muon(), sg.Muon(ns_steps=3), sg.LBFGS(history_size=3), sg.LBFGS(), sg.SGD(), sg.SGD(momentum=0.9),
        sg.lookahead(sg.SGD(), 3), sg.lookahead(sg.SGD(), 4), sg.SGD(steps(0.1, [2])), sg.SGD(steps(0.1, [3])),
    )  # fmt: skip
    forms = [programs.form(optimizer) for optimizer in (one, *others)]
    assert len(set(forms)) == len(forms) and programs.form(sg.Muon(0.5)) == forms[0]


@pytest.mark.skipif("not config.getoption('--long')")
def test_digits() -> None:
    images, digits = load_digits(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier((64,), max_iter=40, random_state=0))
    model.fit(images[:1400], digits[:1400])
    assert model.score(images[1400:], digits[1400:]) > 0.92


def normed(x: Any, outputs: int) -> Any:
    net = sg.nn.Sequential(
        sg.nn.Linear(3, 8), sg.nn.BatchNorm1d(8), sg.nn.ReLU(), sg.nn.Dropout(0.2), sg.nn.Linear(8, outputs)
    )
    return net(x), net.updates()


def test_batch_norm_and_dropout() -> None:
    """Statistics run along with training, and both are as in evaluation when predictions are made."""
    made = SymbolicEstimator(normed, kind="classifier", max_iter=15, random_state=0).fit(X, T)
    assert made.score(X, T) > 0.8
    assert made.parameters_["1.running_mean"].any()
    one_by_one = np.concatenate([made.predict_proba(X[n : n + 1]) for n in range(5)])
    np.testing.assert_allclose(one_by_one, made.predict_proba(X)[:5])
    again = clone(made).fit(X, T)
    assert again.predict_proba(X).tolist() == made.predict_proba(X).tolist()
    assert pickle.loads(pickle.dumps(made)).predict_proba(X).tolist() == made.predict_proba(X).tolist()
    with pytest.raises(sg.errors.ArgumentError, match=r"no update: return \(scores, net.updates\(\)\)"):
        SymbolicEstimator(lambda x, k: normed(x, k)[0], kind="classifier").fit(X, T)


def test_little_that_adds_up_is_no_change_as_in_scikit_learn() -> None:
    """Every epoch is better by less than tol: scikit-learn ends, Keras goes on."""
    losses = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75]
    for made, ended in ((NoChange(3, 0.1, "loss"), 5), (EarlyStopping(3, 0.1, "loss"), None)):
        step: Any = SimpleNamespace(state={}, hyper=SimpleNamespace(values_array=np.zeros(1)))
        made.begin(step, {})
        history = History()
        for epoch, loss in enumerate(losses, 1):
            history.loss.append(loss)
            if made(epoch, history):
                break
        assert (epoch if history.ended == "early stopping" else None) == ended


def test_all_rows_at_once_and_poissons_loss_are_scikit_learns() -> None:
    counts = RANDOM.poisson(np.exp(X[:, 0] / 2))
    options = {"hidden_layer_sizes": (2,), "activation": "tanh", "solver": "lbfgs", "alpha": 0.1, "max_iter": 4}
    for loss in ("squared_error", "poisson"):
        ours = MLPRegressor(**options, loss=loss, random_state=0).fit(X, counts)
        theirs = neural_network.MLPRegressor(**options, loss=loss, random_state=0).fit(X, counts)
        assert ours.n_iter_ == theirs.n_iter_ and ours.out_activation_ == theirs.out_activation_
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6) and ours.loss_curve_[-1] == ours.loss_
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)
    assert not hasattr(ours, "partial_fit") and "Update" not in str(ours.explain())
    with pytest.raises(AttributeError) as missing:
        ours.partial_fit(X, counts)
    assert "lbfgs takes all rows at once" in str(missing.value.__cause__)
    with pytest.raises(ValueError, match="lbfgs is for models without states"):
        SymbolicEstimator(normed, kind="classifier", solver="lbfgs").fit(X, T)


def test_rates_that_fall() -> None:
    options = {"solver": "sgd", "learning_rate_init": 0.2, "batch_size": 24, "momentum": 0, "random_state": 0}
    for way in ("invscaling", "adaptive"):
        given = {**options, "learning_rate": way, "tol": 0.1, "max_iter": 12, "n_iter_no_change": 2, "shuffle": False}
        ours = MLPRegressor((2,), **given).fit(X, X[:, 0])
        theirs = neural_network.MLPRegressor(hidden_layer_sizes=(2,), **given).fit(X, X[:, 0])
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    schedule = SimpleNamespace(hyper={"lr": 0.2})
    rate = InverseScaling(0.2, 0.5, 24)
    rate.begin(schedule, {})
    rate(0, History(loss=[1.0]))
    assert schedule.hyper["lr"] == 0.2 / 25**0.5
    stop = NoChange(0, 0.1, "loss", restore_best=False, is_adaptive=True)
    stop.begin(schedule, {})
    history = History(loss=[1.0])
    stop(0, history)
    assert not stop(1, history) and schedule.hyper["lr"] == 0.2 / 5 / 5 and history.ended == "epochs"
    schedule.hyper["lr"] = 1e-7
    assert stop(2, history) and history.ended == "early stopping"
    with pytest.raises(ValueError, match="learning_rate must be one of constant, invscaling, adaptive, not 'fast'"):
        MLPClassifier(learning_rate="fast").fit(X, T)


LIKE_THEIRS: dict[str, tuple[Any, dict[str, Any]]] = {
    "adam": ("MLPClassifier", {"activation": "logistic"}),
    "nesterov": ("MLPRegressor", {"solver": "sgd", "learning_rate_init": 0.05}),
    "momentum": ("MLPClassifier", {"solver": "sgd", "nesterovs_momentum": False, "learning_rate": "invscaling"}),
    "stopped": ("MLPClassifier", {"early_stopping": True, "n_iter_no_change": 1, "validation_fraction": 0.3}),
}


@pytest.mark.parametrize("name", LIKE_THEIRS)
def test_fits_are_scikit_learns(name: str) -> None:
    """First values, shuffles, splits, batches and updates: the same numbers, so that no accuracy can be lower."""
    kind, options = LIKE_THEIRS[name]
    given = {"batch_size": 10, "max_iter": 4, "alpha": 0.01, "random_state": 3, **options}
    target = np.stack([X[:, 0], X[:, 1] ** 2], 1) if kind == "MLPRegressor" else X[:, 0] > 0
    kinds = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
    ours, theirs = (
        make(hidden_layer_sizes=(3,), **given).fit(X, target) for make in (kinds[kind], getattr(neural_network, kind))
    )
    for mine, their in zip([*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-10, atol=1e-13)
    assert ours.n_iter_ == theirs.n_iter_ and ours.n_outputs_ == theirs.n_outputs_
    np.testing.assert_allclose(ours.predict(X[:5]), theirs.predict(X[:5]))
