"""Metrics: scalars that tell how good predictions are, as formulas like any other; names and values as scikit-learn's.

    sg.metrics.accuracy(z, t)        mean over n of [argmax_k z[n, k] = t[n]]

They compile like everything else: ``step.fit(…, metrics={"accuracy": sg.metrics.accuracy(z, t)})``.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgraph.core.define import Sum, as_tensor, define
from symgraph.core.indices import Index, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor
from symgraph.errors import ShapeError
from symgraph.vocabulary.functions import argmax, mean, sum
from symgraph.vocabulary.losses import l1_loss, mse_loss

n, m, k = Index("n"), Index("m"), Index("k")


def _scored(scores: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Scores (N, C) and class numbers (N,)."""
    z, t = as_tensor(scores), as_tensor(target)
    if z.ndim != 2 or not t.is_label or t.shape != z.shape[:1] or t.classes != z.shape[1]:
        raise ShapeError(
            at_line(f"scores {z.display_name}{show_shape(z.shape)} against {t.display_name}{show_shape(t.shape)}: "
                    "expected scores (N, C) and labels (N,) of C classes")
        )  # fmt: skip
    return z, t


def _alike(prediction: Any, target: Any) -> tuple[Tensor, Tensor]:
    y, t = as_tensor(prediction), as_tensor(target)
    if y.shape != t.shape:
        raise ShapeError(
            at_line(f"{y.display_name}{show_shape(y.shape)} against {t.display_name}{show_shape(t.shape)}: "
                    "expected one shape")
        )  # fmt: skip
    return y, t


@names_result
def accuracy(scores: Any, target: Any) -> Tensor:
    """Part of the rows whose largest score, the first of equal ones, is that of their class.

    Parameters
    ----------
    scores : (N, C), logits or probabilities.
    target : labels (N,) of C classes.
    """
    z, t = _scored(scores, target)
    best = argmax(z, axis=1)
    right = define((n,), sp.Piecewise((1, sp.Eq(best[n], t[n])), (0, True)), shape=t.shape)
    return mean(right)


def _over_classes(scores: Any, target: Any, told_counts: int, there_counts: int) -> Tensor:
    """(a + b)·TP/(a·(TP + FP) + b·(TP + FN)) of every class, averaged over the classes; 0 where that is 0/0."""
    z, t = _scored(scores, target)
    best = argmax(z, axis=1)
    told, there = sp.Eq(best[n], k), sp.Eq(t[n], k)
    one_told, one_there = (sp.Piecewise((1, condition), (0, True)) for condition in (told, there))
    both = define((k,), Sum(sp.Piecewise((1, sp.And(told, there)), (0, True)), n), shape=z.shape[1:])
    each = define((k,), Sum(told_counts * one_told + there_counts * one_there, n), shape=z.shape[1:])
    part = (told_counts + there_counts) * both[k] / each[k]
    return mean(define((k,), sp.Piecewise((part, each[k] > 0), (0, True)), shape=z.shape[1:]))


@names_result
def f1_score(scores: Any, target: Any) -> Tensor:
    """F₁ = 2·TP/(2·TP + FP + FN) of every class, averaged over the classes (``average="macro"``); 0 where a class is
    neither told nor there."""
    return _over_classes(scores, target, 1, 1)


@names_result
def precision_score(scores: Any, target: Any) -> Tensor:
    """TP/(TP + FP) of every class, averaged over the classes (``average="macro"``); 0 where a class is not told."""
    return _over_classes(scores, target, 1, 0)


@names_result
def recall_score(scores: Any, target: Any) -> Tensor:
    """TP/(TP + FN) of every class, averaged over the classes (``average="macro"``); 0 where a class is not there."""
    return _over_classes(scores, target, 0, 1)


@names_result
def roc_auc_score(score: Any, target: Any) -> Tensor:
    """Probability that a row of class 1 has a higher score than one of class 0, equal scores counted half (Hanley &
    McNeil 1982); over all pairs of rows, N² operations. NaN where one class is missing.

    Parameters
    ----------
    score : (N,), larger for class 1.
    target : labels (N,) of two classes.
    """
    s, t = _alike(score, target)
    ahead = sp.Piecewise((1, s[n] > s[m]), (sp.Rational(1, 2), sp.Eq(s[n], s[m])), (0, True))
    pairs = define((n,), Sum(ahead * Element(t, n) * (1 - Element(t, m)), m), shape=s.shape)
    ones = define((), Sum(Element(t, n), n))
    zeros = define((), Sum(1 - Element(t, n), n))
    return sum(pairs) / (ones * zeros)


@names_result
def r2_score(prediction: Any, target: Any) -> Tensor:
    """1 − Σ(t − y)²/Σ(t − t̄)², for several columns averaged over them; arrays of one shape, rows first."""
    y, t = _alike(prediction, target)
    left = sum((t - y) ** 2, axis=0)
    return mean(1 - left / sum((t - mean(t, axis=0)) ** 2, axis=0))


@names_result
def mean_absolute_error(prediction: Any, target: Any) -> Tensor:
    """|y − t| averaged over all elements."""
    return l1_loss(prediction, target)


@names_result
def mean_squared_error(prediction: Any, target: Any) -> Tensor:
    """(y − t)² averaged over all elements."""
    return mse_loss(prediction, target)
