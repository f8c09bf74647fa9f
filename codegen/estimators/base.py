"""What all estimators do: check data, train, predict. Parameters and attributes are scikit-learn's."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from copy import copy
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, compute_sample_weight, estimator_html_repr
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

import symgraph as sg
from codegen.estimators import programs
from codegen.estimators.programs import Declared
from codegen.estimators.rates import KINDS, InverseScaling, NoChange
from codegen.estimators.solvers import SOLVERS
from codegen.run.history import History
from symgraph.core.chance import KEY
from symgraph.core.shown import represented
from symgraph.vocabulary.optimisers import OPTIMISERS
from symgraph.vocabulary.updating import Optimizer

MOST_ROWS = 200
"""Rows of a batch where ``batch_size`` is ``"auto"``, as scikit-learn has it."""
RANGES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("validation_fraction", lambda part: 0 < part < 1, "between 0 and 1"),
    ("tol", lambda least: least >= 0, "a number, at least 0"),
    ("momentum", lambda part: 0 <= part <= 1, "a number from 0 to 1"),
)
"""Options that are numbers, with what they may be; not every estimator has all."""
ABSENT = object()
LBFGS = "lbfgs"
"""The solver that takes all rows at once."""


def goes_by_batches(estimator: Any) -> bool:
    """Whether the solver is stochastic."""
    return not (isinstance(estimator.solver, str) and estimator.solver.lower() == LBFGS)


def has_partial_fit(estimator: Any) -> bool:
    """Whether there is a ``partial_fit``; an ``AttributeError`` that says why not."""
    if not goes_by_batches(estimator):
        raise AttributeError("partial_fit is for solvers that go by batches; lbfgs takes all rows at once: use fit")
    return True


class Orders:
    """Orders of examples, each a permutation of the one before: what ``sklearn.utils.shuffle`` makes of it."""

    is_ahead = True

    def __init__(self, rows: int, random: Any) -> None:
        self.order, self.random = np.arange(rows), random

    def __call__(self, epoch: int) -> np.ndarray:
        places = np.arange(len(self.order))
        self.random.shuffle(places)
        self.order = self.order[places]
        return self.order


class Trained(BaseEstimator, metaclass=ABCMeta):
    """An estimator that is trained by gradients of a declared network."""

    _is_classifier = False
    _has_one_score = False
    """Whether two classes have one score, as in scikit-learn, and not one each."""
    class_weight: Any = None
    max_iter: int
    batch_size: Any
    shuffle: bool
    random_state: Any
    tol: float
    n_iter_no_change: int
    early_stopping: bool
    validation_fraction: float
    warm_start: bool
    verbose: Any
    loss_curve_: list[float]
    solver: Any
    learning_rate_init: Any
    learning_rate: str = "constant"
    power_t: float = 0.5
    max_fun: int = 15000
    alpha: float
    t_: int

    # -- what each kind of estimator says ---------------------------------------------------------------------------
    @abstractmethod
    def _network(self, features: int) -> Declared:
        """The declared network for so many features and the target as it was seen."""

    @abstractmethod
    def _initial(self, network: Declared, random: Any) -> dict[str, np.ndarray]:
        """First values of the parameters."""

    def _optimizer(self) -> Optimizer:
        if isinstance(self.solver, str):
            known = {name.lower(): (name, make) for name, make in OPTIMISERS.items()}
            if self.solver.lower() not in known:
                names = ", ".join(known)
                raise ValueError(f"solver must be one of {names}, or an optimiser, not {self.solver!r}")
            name, make = known[self.solver.lower()]
            options = self._solver_options(name)
            return (SOLVERS.get(name, make) if options else make)(self.learning_rate_init, **options)
        return self.solver  # type: ignore[no-any-return]

    def _solver_options(self, name: str) -> dict[str, Any]:
        return {}

    # -- training ----------------------------------------------------------------------------------------------------
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on features (n, d) and a target (n,) or (n, k); rows count ``sample_weight`` times.

        Raises
        ------
        ValueError, TypeError
            for data that are not such; they are scikit-learn's own.
        """
        again = self.warm_start and hasattr(self, "_params")
        return self._fit(X, y, sample_weight, self.max_iter, again=again, first=not again, keeps=False)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, epochs: int, again: bool, first: bool, keeps: bool,
        classes: Any = None,
    ) -> Self:  # fmt: skip
        numeric, allowed = not self._is_classifier, [np.float64, np.float32]
        X, y = validate_data(self, X, y, reset=first, dtype=allowed, multi_output=True, y_numeric=numeric)
        self._check_options()
        target = self._seen(y, again, classes)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        if self._is_classifier and self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, y)
        rows = weight > 0
        if not rows.any():
            raise ValueError("all sample weights are zero: there is nothing to train on")
        y = np.asarray(y)
        if not rows.all():
            X, target, weight, y = X[rows], target[rows], weight[rows], y[rows]
        random = check_random_state(self.random_state)
        network = self._network(X.shape[1])
        if not again:
            self._params = {name: v.astype(X.dtype) for name, v in self._initial(network, random).items()}
        params = {name: values.astype(X.dtype) for name, values in self._params.items()}
        held = None
        if self.early_stopping and not keeps and goes_by_batches(self):
            stratified = target if self._target == "binary" else None  # as scikit-learn has it
            parts = train_test_split(
                X, target, weight, y, test_size=self.validation_fraction, random_state=random, stratify=stratified
            )  # fmt: skip
            X, held_X, target, _, weight, held_w, _, held_y = parts
            held = (held_X, held_y, held_w)
        data = {
            "X": programs.padded(X, self._columns(network), X.dtype),
            "y": np.ascontiguousarray(target, np.int64 if self._target == "labels" else X.dtype),
            "sample_weight": np.ascontiguousarray(weight, X.dtype),
        }
        if not goes_by_batches(self):
            from codegen.estimators.whole import fitted

            limits = {"maxiter": epochs, "maxfun": self.max_fun, "gtol": self.tol}
            history = fitted(network, params, data, self.alpha, limits, int(random.randint(2**31 - 1)))
        else:
            history = self._train(network, params, data, epochs, random, held, keeps, again)
        self._params, self._fitted_with = params, self.get_params(deep=False)
        self._report(history, len(X), again)
        if not keeps and history.ended == "epochs":
            warnings.warn(f"training has not converged in {epochs} epochs", ConvergenceWarning, stacklevel=3)
        return self

    def _train(
        self, network: Declared, params: dict[str, np.ndarray], data: dict[str, np.ndarray], epochs: int, random: Any,
        held: Any, keeps: bool, again: bool,
    ) -> History:  # fmt: skip
        optimizer = self._optimizer()
        rows, dtype = len(data["X"]), data["X"].dtype
        size = min(MOST_ROWS, rows) if self.batch_size == "auto" else min(int(self.batch_size), rows)
        is_plain = isinstance(self.solver, str) and self.solver.lower() == "sgd"
        way = self.learning_rate if is_plain else "constant"
        callbacks: list[Any] = []
        validation = None
        if way == "invscaling":
            seen = self.t_ if again and keeps else 0
            callbacks.append(InverseScaling(float(self.learning_rate_init), self.power_t, rows, seen))
        limits, is_adaptive = (self.n_iter_no_change, max(0.0, self.tol)), way == "adaptive"
        if held is not None:
            callbacks.append(NoChange(*limits, "validation", "max", is_adaptive=is_adaptive))

            def validation(values: Any) -> float:
                return self._scored(self._outputs(network, values, held[0]), held[1], held[2])
        elif not keeps:
            callbacks.append(NoChange(*limits, "loss", restore_best=False, is_adaptive=is_adaptive))
        with programs.borrowed(network, optimizer, dtype) as step:
            if programs.L2.name in step.hyper:
                step.hyper[programs.L2.name] = self.alpha
            if KEY.name in step.hyper:
                step.hyper[str(KEY.name)] = int(random.randint(2**31 - 1))
            if keeps:
                for name, values in getattr(self, "_state", {}).items():
                    step.state[name] = values
            history = step.fit(
                params, data, epochs, size, 0, Orders(rows, random) if self.shuffle else False, validation, callbacks,
                bool(self.verbose),
            )  # fmt: skip
            self._state = {name: values.copy() for name, values in step.state.items()} if keeps else {}
        return history

    def _report(self, history: History, rows: int, goes_on: bool) -> None:
        """scikit-learn's attributes of what happened."""
        before: list[float] = self.loss_curve_ if goes_on else []
        self.loss_curve_ = [*before, *history.loss]
        self.n_iter_ = len(history.loss)
        self.t_ = (self.t_ if goes_on else 0) + rows * self.n_iter_
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.inf
        self.best_loss_ = None if history.validation else min(self.loss_curve_, default=np.inf)
        if history.validation:
            self.validation_scores_ = history.validation
            self.best_validation_score_ = max(history.validation)

    def _check_options(self) -> None:
        for name, least in (("max_iter", 1), ("n_iter_no_change", 1)):
            if not isinstance(getattr(self, name), Integral) or int(getattr(self, name)) < least:
                raise ValueError(f"{name} must be an integer, at least {least}, not {getattr(self, name)!r}")
        for name, fits, told in RANGES:
            value = getattr(self, name, ABSENT)
            if value is not ABSENT and not (isinstance(value, Real) and fits(value)):
                raise ValueError(f"{name} must be {told}, not {value!r}")
        size = self.batch_size
        if not (isinstance(size, Integral) and int(size) >= 1) and not (isinstance(size, str) and size == "auto"):
            raise ValueError(f'batch_size must be an integer, at least 1, or "auto", not {size!r}')
        if self.learning_rate not in KINDS:
            raise ValueError(f"learning_rate must be one of {', '.join(KINDS)}, not {self.learning_rate!r}")

    # -- targets ------------------------------------------------------------------------------------------------------
    def _seen(self, y: Any, again: bool, classes: Any) -> np.ndarray:
        """The target as the program reads it; what it is like is remembered."""
        y = np.asarray(y)
        if self._is_classifier:
            return self._seen_classes(y, again, classes)
        self._target, self._is_flat = "real", y.ndim == 1
        values = y.reshape(len(y), -1)
        self.n_outputs_ = values.shape[1]
        return values

    def _seen_classes(self, y: np.ndarray, again: bool, classes: Any) -> np.ndarray:
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multilabel-indicator":
            self._target, self.n_outputs_ = "multilabel", y.shape[1]
            self.classes_ = np.arange(y.shape[1])
            return y
        if y.ndim == 2 and y.shape[1] == 1:
            from sklearn.utils import column_or_1d

            y = column_or_1d(y, warn=True)
        if y.ndim == 2:
            raise ValueError("targets of several columns must be indicators of labels, 0 and 1")
        known = unique_labels(y)
        if not again:
            self.classes_ = known if classes is None else unique_labels(classes)
        if not np.isin(known, self.classes_).all():
            raise ValueError(f"y has labels that are not among the classes {self.classes_}: {known}")
        places = np.searchsorted(self.classes_, y)
        if self._has_one_score and len(self.classes_) <= 2:
            self._target, self.n_outputs_ = "binary", 1
            return places[:, None]
        self._target, self.n_outputs_ = "labels", max(2, len(self.classes_))
        return places

    # -- predictions --------------------------------------------------------------------------------------------------
    def _outputs(self, network: Declared, params: dict[str, np.ndarray], X: np.ndarray) -> np.ndarray:
        dtype = next(iter(params.values())).dtype
        wide = programs.padded(X, self._columns(network), dtype)
        return programs.predictor(network, dtype)(wide, **params)  # type: ignore[no-any-return]

    def _columns(self, network: Declared) -> int:
        return int(network.x.shape[1])

    def _predicted(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self._outputs(self._as_fitted()._network(X.shape[1]), self._params, X)

    @property
    def _trained(self) -> dict[str, np.ndarray]:
        """The trained arrays by name; ``NotFittedError``, which is an ``AttributeError``, before."""
        check_is_fitted(self)
        return self._params

    def _as_fitted(self) -> Self:
        """This estimator with the options that it was fitted with: those set afterwards are for the next fit."""
        found = copy(self)
        found.__dict__.update(self._fitted_with)
        return found

    def _decided(self, outputs: np.ndarray) -> np.ndarray:
        """Classes or values of what the network gives."""
        if self._target == "labels":
            return self.classes_[outputs[:, : len(self.classes_)].argmax(axis=1)]  # type: ignore[no-any-return]
        if self._target in ("multilabel", "binary"):
            found = (outputs > 0.5).astype(np.int64)
            one = np.minimum(found[:, 0], len(self.classes_) - 1)
            return found if self._target == "multilabel" else self.classes_[one]  # type: ignore[no-any-return]
        return outputs[:, 0] if self._is_flat else outputs

    def _probabilities(self, X: Any) -> np.ndarray:
        """Of the classes that there are: a single one has probability 1."""
        found = self._predicted(X)
        if self._target == "binary":
            found = np.hstack([1 - found, found])
        if self._target == "multilabel" or len(self.classes_) == found.shape[1]:
            return found
        return np.ones((len(found), 1), found.dtype)

    def _scored(self, outputs: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
        measure = accuracy_score if self._is_classifier else r2_score
        return float(measure(y, self._decided(outputs), sample_weight=weight))

    def predict(self, X: Any) -> np.ndarray:
        """Classes or values (n,), or (n, k) for several outputs."""
        return self._decided(self._predicted(X))

    def explain(self) -> Any:
        """The mathematics of the fitted model: forward, backward and update, as ``sg.explain`` prints them."""
        check_is_fitted(self)
        fitted = self._as_fitted()
        optimizer = fitted._optimizer() if goes_by_batches(fitted) else None
        return sg.explain(fitted._shown_network().cost, optimizer)

    def reported(self, values: dict[str, Any] | None) -> tuple[Any, Any, History, dict[str, Any] | None]:
        """What ``sg.report`` shows: the cost, the optimiser, the curves, and with data ``X`` and ``y`` all values."""
        check_is_fitted(self)
        fitted = self._as_fitted()
        network = fitted._shown_network()
        optimizer = fitted._optimizer() if goes_by_batches(fitted) else None
        history = History(loss=list(self.loss_curve_), steps=self.n_iter_)
        if values is not None:
            held = {"sample_weight": np.ones(len(np.asarray(values.get("X", ())))), str(programs.L2): fitted.alpha}
            leaves = {str(leaf.name): leaf.shape for leaf in network.stored}
            own = {name: array[tuple(slice(int(n)) for n in leaves[name])] for name, array in self._params.items()}
            if "y" in values:
                values = {**values, "y": copy(self)._seen(values["y"], True, None)}  # the model remembers its own
            values = {**held, **own, **values}
        return network.cost, optimizer, history, values

    def _repr_html_(self) -> str | None:
        """In a notebook scikit-learn's diagram, and of a fitted model its formulas."""
        is_diagram = get_config()["display"] == "diagram"
        return represented("html", self) if is_diagram else None  # type: ignore[no-any-return]

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        html = self._repr_html_()
        return {"text/plain": repr(self), **({"text/html": html} if html else {})}

    def diagram(self) -> str:
        """scikit-learn's own picture."""
        return estimator_html_repr(self)  # type: ignore[no-any-return]

    def _shown_network(self) -> Declared:
        return self._network(self.n_features_in_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_params")
