"""An estimator of the user's own formulas."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

import symgraph as sg
from codegen.estimators import programs
from codegen.estimators.base import Trained, has_partial_fit
from codegen.estimators.programs import Declared
from codegen.run.declared import first_values

KINDS = ("regressor", "classifier")


@programs.once
def declared_by(given: programs.Same, loss: programs.Same, features: int, outputs: int, target: str) -> Declared:
    """The network of a model and a loss, which are told by what they are and not by what they equal."""
    model, x = given.given, sg.input("X", (sg.dim("N"), features))
    takes_outputs = getattr(getattr(model, "__code__", None), "co_argcount", 1) == 2
    score = model(x, outputs) if takes_outputs else model(x)
    updates = model.updates() if isinstance(model, sg.nn.Module) else {}
    if isinstance(score, tuple):
        score, updates = score
    each = None if loss.given is None else programs.named("loss", loss.given, programs.LOSSES)
    link = programs.LINKS.get(loss.given) if isinstance(loss.given, str) else None
    return programs.declared(x, sg.as_tensor(score), target, outputs, each, updates, link)


def _is_a_classifier(estimator: Any) -> bool:
    return bool(estimator._is_classifier)


class SymbolicEstimator(Trained):
    """A model and a loss of the user's, trained and used like any estimator of scikit-learn.

    Parameters
    ----------
    model : a function of the features, a tensor (N, d), that declares its parameters and gives scores (N, k): a layer
        of ``sg.nn`` too. Called with the number of outputs as well if it takes two arguments. Where it has states of
        its own, as batch norm does, it returns (scores, updates), as ``net(x), net.updates()`` are.
    loss : a function of (scores, target) for each row, or a name such as ``"huber_loss"``; None for half the
        squared error, or cross-entropy for a classifier.
    kind : ``"regressor"`` or ``"classifier"``.
    solver : a name, or an optimiser such as ``sg.AdamW(1e-3)``.
    alpha : weight of ½‖W‖² of all matrices.

    The others are those of :class:`.MLPClassifier`.
    """

    def __init__(
        self, model: Any = None, loss: Any = None, *, kind: str = "regressor", solver: Any = "adam", alpha: float = 0.0,
        batch_size: Any = "auto", learning_rate_init: Any = 1e-2, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: bool = False, warm_start: bool = False,
        early_stopping: bool = False, validation_fraction: float = 0.1, n_iter_no_change: int = 10,
        class_weight: Any = None,
    ) -> None:  # fmt: skip
        self.model, self.loss, self.kind, self.solver, self.alpha = model, loss, kind, solver, alpha
        self.batch_size, self.learning_rate_init, self.max_iter = batch_size, learning_rate_init, max_iter
        self.shuffle, self.random_state, self.tol, self.verbose = shuffle, random_state, tol, verbose
        self.warm_start, self.early_stopping = warm_start, early_stopping
        self.validation_fraction, self.n_iter_no_change = validation_fraction, n_iter_no_change
        self.class_weight = class_weight

    def _check_options(self) -> None:
        super()._check_options()
        if self.kind not in KINDS:
            raise ValueError(f"kind must be {' or '.join(map(repr, KINDS))}, not {self.kind!r}")
        if self.model is not None and not callable(self.model):
            raise ValueError(f"model must be a function of the features, or a layer of sg.nn, not {self.model!r}")

    @property
    def _is_classifier(self) -> bool:  # type: ignore[override]
        return self.kind == "classifier"

    def _network(self, features: int) -> Declared:
        model: Any = self.model if self.model is not None else linear
        return declared_by(programs.Same(model), programs.Same(self.loss), features, self.n_outputs_, self._target)

    def _initial(self, network: Declared, random: Any) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(random.randint(2**31 - 1))
        double = np.dtype(np.float64)
        return {str(leaf.name): first_values(leaf, generator, double) for leaf in network.stored}

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these data; for a classifier, ``classes`` are all that there will be."""
        again = hasattr(self, "_params")
        if self._is_classifier and not again and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit(X, y, sample_weight, 1, again=again, first=not again, keeps=True, classes=classes)

    @property
    def parameters_(self) -> dict[str, np.ndarray]:
        """The trained arrays by name."""
        return self._trained

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of a classifier, R² of a regressor."""
        return self._scored(self._predicted(X), np.asarray(y), sample_weight)

    @available_if(_is_a_classifier)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, classes) of a classifier."""
        return self._probabilities(X)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.target_tags.required = self.kind, True
        if self._is_classifier:
            tags.classifier_tags = ClassifierTags()
        else:
            tags.regressor_tags = RegressorTags()
            tags.target_tags.multi_output = True
        return tags


def linear(x: sg.Tensor, outputs: int) -> sg.Tensor:
    """x·W + b, beginning at zeros."""
    return x @ sg.parameter("W", (x.shape[1], outputs)) + sg.parameter("b", (outputs,))
