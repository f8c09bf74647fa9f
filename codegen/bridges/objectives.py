"""``sg.objective``: a loss as what boosted trees are trained by, its gradient and diagonal Hessian.

lightgbm.LGBMRegressor(objective=sg.objective("huber_loss", "lightgbm", delta=2)).fit(X, y)
xgboost.train({}, data, obj=sg.objective(sg.cross_entropy, "xgboost", classes=3))

Comes in: a loss of each row. Goes out: a callable with the library's own signature, over compiled functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

import symgraph as sg
from codegen.estimators.programs import by_rows
from codegen.plan.request import Request, leaves_in
from codegen.run.arguments import whole_number
from codegen.run.conversion import described
from codegen.run.function import Function
from symgraph.core.indices import Index, axis, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import inlined
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.reference import evaluate
from symgraph.vocabulary.losses import POINTWISE, ROWWISE

LOSSES = POINTWISE | ROWWISE
Loss = str | Callable[..., Any]
Derivatives = tuple[np.ndarray, np.ndarray]


class Objective:
    """Gradient and Hessian of a loss in the scores of its rows; made by :func:`objective`.

    Attributes
    ----------
    value : the loss of each row, (N,), a formula of the scores ``z`` and the target ``t``.
    gradient : ∂ℓ[n]/∂z[n, k], of the scores' shape.
    hessian : ∂²ℓ[n]/∂z[n, k]², or what stands for it, of the same shape.
    """

    def __init__(
        self, loss: Loss, classes: int | None, outputs: int, hessian: str | float, threads: int | None, options: Any
    ) -> None:
        self.threads = threads
        self.name, function = _named(loss, options)
        self.classes, self.width = classes, outputs if classes is None else classes
        rows = sg.dim("N")
        shape = (rows,) if classes is None and outputs == 1 else (rows, self.width)
        self.scores = sg.input("z", shape)
        self.target = sg.input("t", (rows,)) if classes is None else sg.labels("t", (rows,), classes=classes)
        self.weight = sg.input("sample_weight", (rows,))
        self.value = _each(self.name, function, self.scores, self.target)
        self.gradient: Tensor = sg.grad(sg.sum(self.value).named("L"), self.scores)  # type: ignore[assignment]
        self._mixed = _mixed(self.gradient, self.scores)
        self.hessian = _hessian(self._mixed, self.scores, hessian)
        _check_rows(self)
        if hessian == "exact" and self.hessian.definition is not None and self.hessian.definition.body == 0:
            raise DomainError(
                at_line(f"the second derivative of {self.name} is 0: trees would never split; pass hessian=1.0")
            )
        self._functions: dict[Any, Function] = {}
        self._number = None if isinstance(hessian, str) else float(hessian)
        self._filled = np.empty(0)

    def derivatives(self, scores: Any, target: Any, sample_weight: Any = None) -> Derivatives:
        """Gradient and Hessian at scores, each of the scores' shape, in float64.

        Parameters
        ----------
        scores : raw scores, (N,) or (N, K).
        target : (N,), numbers, or whole numbers of 0 … K − 1 where there are classes.
        sample_weight : (N,), or None; both derivatives are multiplied by it.

        Raises
        ------
        ShapeError, DomainError, ArgumentError
            for scores of another number of columns, or labels that are no whole numbers or no classes.
        """
        if self._number is None or _is_given(sample_weight):
            return self._evaluated((self.gradient, self.hessian), scores, target, sample_weight)  # type: ignore[return-value]
        (gradient,) = self._evaluated((self.gradient,), scores, target, None)
        if self._filled.shape != gradient.shape:
            self._filled = np.full(gradient.shape, self._number)
            self._filled.setflags(write=False)
        return gradient, self._filled

    def _evaluated(self, tensors: tuple[Tensor, ...], scores: Any, target: Any, weight: Any) -> Sequence[np.ndarray]:
        z = np.ascontiguousarray(scores, np.float64)
        if z.shape[1:] != self.scores.shape[1:]:
            raise ShapeError(
                at_line(f"{self.name} has scores {show_shape(self.scores.shape)}, the library gives {z.shape}: the "
                        f"number of columns here and num_class there must be one; objective(…, classes=K), num_class=K")
            )  # fmt: skip
        given = [z, self._targets(target)]
        weighted = _is_given(weight)
        if weighted:
            given.append(np.ascontiguousarray(weight, np.float64).reshape(-1))
        return self._function(tensors, weighted)(*given)  # type: ignore[no-any-return]

    def _targets(self, target: Any) -> np.ndarray:
        values = np.asarray(target).reshape(-1)
        if self.classes is None:
            return np.ascontiguousarray(values, np.float64)
        labels = values.astype(np.int64)
        if (labels != values).any():
            first = values[labels != values][0]
            raise DomainError(at_line(f"labels are whole numbers of 0 … {self.classes - 1}, not {first}"))
        return labels

    def _function(self, tensors: tuple[Tensor, ...], weighted: bool) -> Function:
        key = (tensors, weighted)
        if key not in self._functions:
            outputs, inputs = tensors, [self.scores, self.target]
            if weighted:
                inputs.append(self.weight)
                outputs = tuple(_by_rows(self.weight, tensor) for tensor in tensors)
            self._functions[key] = Function(inputs, list(outputs), "float64", threads=self.threads)
        return self._functions[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_functions": {}, "_filled": np.empty(0)}

    def __repr__(self) -> str:
        told = "\n".join(str(tensor) for tensor in (self.value, self.gradient, self.hessian))
        return f"<objective {self.name} for {type(self).library}>\n{told}"

    library = ""


class _OfArrays(Objective):
    """Called with two arrays and weights, or with scores and a data set that knows its labels and weights."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Derivatives:
        """(y_true, y_pred, sample_weight) as estimators call it, or (scores, data set) as ``train`` does."""
        if hasattr(y_pred, "get_label"):
            return self.derivatives(y_true, y_pred.get_label(), y_pred.get_weight())
        return self.derivatives(y_pred, y_true, sample_weight)


class LightGBM(_OfArrays):
    """``objective=`` of ``lightgbm.LGBMModel`` and its kin, and of the parameters of ``lightgbm.train``."""

    library = "lightgbm"


class XGBoost(_OfArrays):
    """``objective=`` of ``xgboost.XGBModel`` and its kin, and ``obj=`` of ``xgboost.train``."""

    library = "xgboost"


class CatBoost(Objective):
    """``loss_function=`` of ``catboost.CatBoost``, which wants derivatives of −ℓ; several scores are a
    ``MultiTargetCustomObjective``'s or a classifier's, with the whole Hessian of a row."""

    library = "catboost"
    no_jit = True  # is compiled already

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> Any:
        """Pairs (−ℓ′, −ℓ″), an array (N, 2)."""
        scores, target = (np.array(part, np.float64) for part in (approxes, targets))
        return -np.stack(self.derivatives(scores, target, weights), axis=1)

    def calc_ders_multi(self, approxes: Any, target: Any, weight: Any) -> Any:
        """−ℓ′ of one row, a list of K, and −ℓ″, a list of K lists."""
        row = np.array(approxes, np.float64)[None]
        gradient, hessian = self._evaluated((self.gradient, self._square), row, [target], [weight])
        return (-gradient[0]).tolist(), (-hessian[0]).tolist()

    def __init__(
        self, loss: Loss, classes: int | None, outputs: int, hessian: str | float, threads: int | None, options: Any
    ) -> None:
        super().__init__(loss, classes, outputs, hessian, threads, options)
        n, k, c = sg.indices("n k c")
        if self.scores.ndim == 1:
            return
        body = self._mixed[k, n, c] if hessian == "exact" else self.hessian[n, k] * sg.Delta(k, c)
        self._square = sg.define((n, k, c), body, shape=(*self.scores.shape, self.width))
        """The Hessian of a row (N, K, K): as it is, or with what stands for it on its diagonal."""


LIBRARIES: dict[str, type[Objective]] = {made.library: made for made in (XGBoost, LightGBM, CatBoost)}


@explained
def objective(
    loss: Loss, library: str, *, classes: int | None = None, outputs: int = 1, hessian: str | float = "exact",
    threads: int | None = 1, **options: Any,
) -> Objective:  # fmt: skip
    """A loss as an objective of a library of boosted trees.

    Parameters
    ----------
    loss : a name of the catalogue, or a function of (scores, target) that gives the loss of each row, (N,): one of
        symgraph's, an ``sg.elementwise`` formula of two symbols, a Python function of tensors. A row's loss reads
        its own scores only.
    library : ``"xgboost"``, ``"lightgbm"`` or ``"catboost"``.
    classes : K for scores (N, K) and targets that are labels of 0 … K − 1; None for real targets.
    outputs : scores of a row where targets are real: 2 for a mean and a logarithm of a variance, say.
    hessian : ``"exact"``, the diagonal of the Hessian; ``"upper"``, Σ_l |∂²ℓ/∂z[k]∂z[l]|, the diagonal of a matrix
        that is no less than the Hessian H (their difference is diagonally dominant) and never negative: 2y(1 − y) for
        softmax with cross-entropy, as XGBoost has it; or a number, as 1.0 for quantiles, whose ℓ″ is 0.
    threads : that compute derivatives; None for as many as there are processors. The libraries' own threads wait for
        their next turn by spinning, each on its processor: several of ours beside them take three times as long as one.
    options : of the loss: ``delta=2.0``, ``label_smoothing=0.1``.

    Returns
    -------
    A callable with the library's signature that can be copied, pickled and cloned; printed, it tells its formulas.
    CatBoost's is an object with the methods that it calls. Weights of examples multiply both derivatives.

    Raises
    ------
    ArgumentError, DomainError, ShapeError
        for a loss or library that there is not, one without second derivative, one that joins rows, one that gives no
        value for each row.
    """
    if library not in LIBRARIES:
        raise ArgumentError(at_line(f"library must be one of {', '.join(LIBRARIES)}, not {library!r}"))
    if classes is not None and outputs != 1:
        raise ArgumentError(at_line("pass classes for labels, or outputs for real targets, not both"))
    count = None if classes is None else whole_number("classes", classes, least=2)
    if not (hessian in ("exact", "upper") if isinstance(hessian, str) else _is_positive(hessian)):
        raise ArgumentError(at_line(f"hessian must be 'exact', 'upper' or a number above 0, not {hessian!r}"))
    several = None if threads is None else whole_number("threads", threads, least=1)
    return LIBRARIES[library](loss, count, whole_number("outputs", outputs, least=1), hessian, several, options)


def _is_given(weight: Any) -> bool:
    return weight is not None and np.size(weight) > 0


def _is_positive(number: Any) -> bool:
    is_number = isinstance(number, int | float | np.number) and not isinstance(number, bool)
    return is_number and bool(0 < number < np.inf)


def _named(loss: Loss, options: dict[str, Any]) -> tuple[str, Callable[..., Any]]:
    if isinstance(loss, str) and loss not in LOSSES:
        near = get_close_matches(loss, LOSSES, n=3) or LOSSES
        raise ArgumentError(at_line(f"there is no loss {loss!r}; there are {', '.join(near)}"))
    found = LOSSES[loss] if isinstance(loss, str) else loss
    if not callable(found):
        raise ArgumentError(at_line(f"loss must be a name or a function of (scores, target), not {loss!r}"))
    name = getattr(found, "__name__", None) or getattr(found, "name", "the loss")
    return str(name), partial(by_rows(found), **options) if options else by_rows(found)


def _each(name: str, function: Callable[..., Any], scores: Tensor, target: Tensor) -> Tensor:
    value = sg.as_tensor(function(scores, target))
    if value.shape != target.shape:
        advice = "" if target.is_label else "; a loss over classes needs classes=K"
        raise ShapeError(
            at_line(f"{name} gives {show_shape(value.shape)} for scores {show_shape(scores.shape)} and a target "
                    f"{show_shape(target.shape)}; expected a value for each row, (N,){advice}")
        )  # fmt: skip
    for leaf in leaves_in(Request((value,))):
        if leaf not in (scores, target) and leaf.kind != "constant":
            raise ArgumentError(at_line(f"{name} depends on {described(leaf)}: pass a number for it"))
    return value.named("l")


def _mixed(gradient: Tensor, scores: Tensor) -> Tensor:
    """∂²ℓ[n]/∂z[n, c]∂z[n, k] as [c, n, k], or [n] where a row has one score: in Σ_n of the gradient one row alone
    depends on z[n]."""
    return sg.jacobian(sg.sum(gradient, axis=0).named("dL"), scores)


def _hessian(mixed: Tensor, scores: Tensor, hessian: str | float) -> Tensor:
    if not isinstance(hessian, str):
        return sg.broadcast_to(sg.as_tensor(float(hessian)), scores.shape)
    if hessian == "exact":
        n, *c = (axis(d) for d in range(scores.ndim))
        return Tensor.define(scores.shape, _seen(mixed, *c, n, *c)).named("h")  # in one piece, as it was derived
    if scores.ndim == 1:
        return sg.abs(mixed).named("h")
    n, c, k = sg.indices("n c k")
    return sg.define((n, c), sg.Sum(sg.abs(mixed[c, n, k]), k)).named("h")


def _seen(tensor: Tensor, *indices: Index) -> Any:
    """An element, or its formula where it has one of its own: δ[c = c] is 1."""
    element = Element(tensor, *indices)
    return element if tensor.definition is None or tensor.definition.op is not None else inlined(element)


def _by_rows(weight: Tensor, tensor: Tensor) -> Tensor:
    return weight.reshape((weight.shape[0], *(1,) * (tensor.ndim - 1))) * tensor


def _check_rows(made: Objective) -> None:
    """Raise if the loss of a row changes with the scores of another."""
    draws = np.random.default_rng(0)
    shape = (3, *(int(size) for size in made.scores.shape[1:]))
    scores = draws.uniform(0.2, 0.8, shape)
    target = np.ones(3) if made.classes is None else np.array([0, 1, 0])
    changed = scores.copy()
    changed[1] = draws.uniform(0.2, 0.8, shape[1:])
    before, after = (evaluate(made.value, {"z": z, "t": target}) for z in (scores, changed))
    if not np.array_equal(before[[0, 2]], after[[0, 2]], equal_nan=True):
        raise DomainError(
            at_line(f"{made.name} of a row depends on the scores of other rows: trees need a loss for each by itself")
        )
