"""Multi-layer perceptrons with scikit-learn's parameters; activation, loss and optimiser may be any that there are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from codegen.estimators import programs
from codegen.estimators.base import Trained, has_partial_fit
from codegen.estimators.programs import Declared

LANES = 16
"""Features are filled up with zeros to a multiple of this: rows are whole vectors, and data sets share programs."""


class _Perceptron(Trained):
    """h = f(x·W1 + b1), …; see scikit-learn's class of the same name for the parameters.

    Beyond scikit-learn: ``activation``, ``loss`` and ``solver`` take any name of symgraph's, an ``sg.elementwise``
    formula, a loss of yours for each row, an optimiser such as ``sg.AdamW(1e-3)``; ``learning_rate_init``
    takes a schedule; ``explain()`` prints the mathematics. scikit-learn's names of losses are known too; ``loss``
    stands among the options here, where its ``MLPRegressor`` has it before the sizes.
    """

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: Any = "adam", alpha: float = 1e-4,
        batch_size: Any = "auto", learning_rate: str = "constant", learning_rate_init: Any = 1e-3, power_t: float = 0.5,
        max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4, verbose: bool = False,
        warm_start: bool = False, momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: int = 10, max_fun: int = 15000, loss: Any = None,
    ) -> None:  # fmt: skip
        self.hidden_layer_sizes, self.activation = hidden_layer_sizes, activation
        self.solver, self.alpha = solver, alpha
        self.batch_size, self.learning_rate_init, self.max_iter = batch_size, learning_rate_init, max_iter
        self.shuffle, self.random_state, self.tol, self.verbose = shuffle, random_state, tol, verbose
        self.warm_start, self.momentum, self.nesterovs_momentum = warm_start, momentum, nesterovs_momentum
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.n_iter_no_change, self.loss = n_iter_no_change, loss
        self.learning_rate, self.power_t, self.max_fun = learning_rate, power_t, max_fun

    def _hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        found = (sizes,) if isinstance(sizes, int | np.integer) else tuple(sizes)
        if not all(isinstance(size, int | np.integer) and size > 0 for size in found):
            raise ValueError(f"hidden_layer_sizes must be integers, at least 1, not {sizes!r}")
        return tuple(map(int, found))

    def _network(self, features: int) -> Declared:
        return self._declared(-(-features // LANES) * LANES)

    def _declared(self, width: int) -> Declared:
        widths = (width, *self._hidden(), self.n_outputs_)
        return programs.perceptron(widths, self.activation, self._target, self.loss)

    def _initial(self, network: Declared, random: Any) -> dict[str, np.ndarray]:
        widths = (self.n_features_in_, *self._hidden(), self.n_outputs_)
        factor = 2.0 if self.activation == "logistic" else 6.0
        values = programs.drawn(list(pairwise(widths)), factor, random)
        values[0] = np.vstack([values[0], np.zeros((int(network.x.shape[1]) - widths[0], widths[1]))])
        return {str(leaf.name): array for leaf, array in zip(network.parameters, values, strict=True)}

    def _solver_options(self, name: str) -> dict[str, Any]:
        if name == "SGD":
            return {"momentum": self.momentum, "nesterov": bool(self.nesterovs_momentum and self.momentum > 0)}
        if name == "Adam":
            return {"betas": (self.beta_1, self.beta_2), "eps": self.epsilon}
        return {}

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The matrices, (fan_in, fan_out) each."""
        found = [values for values in self._trained.values() if values.ndim == 2]
        return [found[0][: self.n_features_in_], *found[1:]]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases, layer by layer."""
        return [values for values in self._trained.values() if values.ndim == 1]

    @property
    def n_layers_(self) -> int:
        """Input, hidden and output layers."""
        return len(self.coefs_) + 1

    @property
    def out_activation_(self) -> str:
        """What the scores go through."""
        check_is_fitted(self)
        if self._target == "real":
            loss = self._fitted_with["loss"]
            return "exp" if isinstance(loss, str) and loss in programs.LINKS else "identity"
        return "softmax" if self._target == "labels" else "logistic"

    def _shown_network(self) -> Declared:
        return self._declared(self.n_features_in_)


class MLPRegressor(RegressorMixin, _Perceptron):
    """A perceptron for one or several real targets; half the squared error by default."""

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these data; the optimiser's state goes on from the last one."""
        again = hasattr(self, "_params")
        return self._fit(X, y, sample_weight, 1, again=again, first=not again, keeps=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class MLPClassifier(ClassifierMixin, _Perceptron):
    """A perceptron for classes, softmax with cross-entropy, or for indicators of several labels, sigmoids.

    Two classes have one score, as in scikit-learn, unless ``loss`` is another than cross-entropy. ``class_weight`` is
    None, ``"balanced"`` or weights by class.
    """

    _is_classifier = True

    @property
    def _has_one_score(self) -> bool:  # type: ignore[override]
        return self.loss is None or (isinstance(self.loss, str) and self.loss == "log_loss")

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: Any = "adam", alpha: float = 1e-4,
        batch_size: Any = "auto", learning_rate: str = "constant", learning_rate_init: Any = 1e-3, power_t: float = 0.5,
        max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4, verbose: bool = False,
        warm_start: bool = False, momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: int = 10, max_fun: int = 15000, loss: Any = None, class_weight: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size,
            learning_rate=learning_rate, learning_rate_init=learning_rate_init, power_t=power_t, max_iter=max_iter,
            shuffle=shuffle, random_state=random_state, tol=tol, verbose=verbose, warm_start=warm_start,
            momentum=momentum, nesterovs_momentum=nesterovs_momentum, early_stopping=early_stopping,
            validation_fraction=validation_fraction, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon,
            n_iter_no_change=n_iter_no_change, max_fun=max_fun, loss=loss,
        )  # fmt: skip
        self.class_weight = class_weight

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, classes); for indicators of each label by itself."""
        return self._probabilities(X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Their logarithms."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))  # type: ignore[no-any-return]

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these data; ``classes`` are all that there will be, at the first call."""
        again = hasattr(self, "_params")
        if not again and classes is None and np.ndim(y) < 2:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit(X, y, sample_weight, 1, again=again, first=not again, keeps=True, classes=classes)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
