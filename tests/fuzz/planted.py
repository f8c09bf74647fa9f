"""Faults on purpose, each of a kind that has happened: the fuzzer has to find every one.

A fault is planted where users come in (``sg.…``, ``codegen.function``), or in SymPy, so that it stays possible however
the inside is built.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from tests.fuzz.programs import Program, Value, parts


def wrong_sign(patch: pytest.MonkeyPatch) -> None:
    """The gradient with another sign."""
    original = sg.grad
    patch.setattr(sg, "grad", lambda loss, wrt, **options: -original(loss, wrt, **options))


def no_steps_back(patch: pytest.MonkeyPatch) -> None:
    """A slice backwards is taken forwards."""
    original = sg.Tensor.__getitem__

    def forwards(key: Any) -> Any:
        return slice(None) if isinstance(key, slice) and key == slice(None, None, -1) else key

    def take(x: Any, key: Any) -> Any:
        return original(x, tuple(map(forwards, key)) if isinstance(key, tuple) else forwards(key))

    patch.setattr(sg.Tensor, "__getitem__", take)


def lost_slice(patch: pytest.MonkeyPatch) -> None:
    """The gradient of a part goes to the whole: what each element gets is what the first one gets."""
    original = sg.grad

    def grad(loss: Any, wrt: Any, **options: Any) -> Any:
        found = original(loss, wrt, **options)
        is_row = not isinstance(wrt, list) and wrt.ndim == 1
        return 0 * wrt + found[0] if is_row else found

    patch.setattr(sg, "grad", grad)


def mean_is_sum(patch: pytest.MonkeyPatch) -> None:
    """A factor is lost."""
    patch.setattr(sg, "mean", sg.sum)


def max_is_min(patch: pytest.MonkeyPatch) -> None:
    """Maximum and minimum are exchanged."""
    patch.setattr(sg, "max", sg.min)


def branches_leak(patch: pytest.MonkeyPatch) -> None:
    """The branch that is not taken takes part, times zero."""

    def where(condition: Any, yes: Any, no: Any) -> Any:
        mask = sg.as_tensor(sp.Piecewise((1, condition), (0, True)))
        return mask * yes + (1 - mask) * no

    patch.setattr(sg, "where", where)


def few_digits(patch: pytest.MonkeyPatch) -> None:
    """Results carry half of their digits."""
    _patch_results(patch, lambda array: array.astype(np.float32).astype(array.dtype) if array.dtype == float else array)


def nan_in_results(patch: pytest.MonkeyPatch) -> None:
    """One element of each array of at least two is no number."""

    def spoilt(array: np.ndarray) -> np.ndarray:
        if array.size > 1 and array.dtype.kind == "f":
            array.ravel()[-1] = np.nan
        return array

    _patch_results(patch, spoilt)


def lost_axis(patch: pytest.MonkeyPatch) -> None:
    """Axes of size 1 are dropped."""
    _patch_results(patch, np.squeeze)


def raises(patch: pytest.MonkeyPatch) -> None:
    """An exception that is not the project's own."""

    def matmul(x: Any, y: Any) -> Any:
        raise KeyError("k")

    patch.setattr(sg.Tensor, "__matmul__", matmul)


def names_decide(patch: pytest.MonkeyPatch) -> None:
    """A value that depends on whether a helper function made it: it is no number there."""
    original = sg.sum

    def sum(x: Any, **options: Any) -> Any:
        found = original(x, **options)
        in_helper = sys._getframe(1).f_code.co_name.startswith("helper")
        return found + sg.log(-1 - sg.square(found)) if in_helper else found

    patch.setattr(sg, "sum", sum)


def hangs(patch: pytest.MonkeyPatch) -> None:
    """A simplification that does not end."""

    def softmax(*_: Any, **__: Any) -> Any:
        while True:
            pass

    patch.setattr(sg, "softmax", softmax)


def dies(patch: pytest.MonkeyPatch) -> None:
    """The process ends."""
    patch.setattr(sg, "logsumexp", lambda *_, **__: os.abort())


def _patch_results(patch: pytest.MonkeyPatch, change: Callable[[np.ndarray], np.ndarray]) -> None:
    original = codegen.Function.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return {name: change(np.asarray(array)) for name, array in original(self, *args, **kwargs).items()}

    patch.setattr(codegen.Function, "__call__", call)


@dataclass(frozen=True)
class Fault:
    """What is planted, and what a program has to contain to meet it."""

    plant: Callable[[pytest.MonkeyPatch], None]
    needs: Callable[[Value], bool]
    in_child: bool = False

    @property
    def name(self) -> str:
        return self.plant.__name__

    def met_by(self, program: Program) -> bool:
        return any(map(self.needs, program.values))


def _is(*operations: str) -> Callable[[Value], bool]:
    return lambda value: value.op in operations


def _guarded(value: Value) -> bool:
    """Whether a condition keeps a logarithm or a root from what has none."""
    found = parts(value.data) if value.op == "formula" else ()
    return any(part[0] == "if" and part[2][0] in ("log", "sqrt") for part in found)


def _backwards(value: Value) -> bool:
    return value.op == "slice" and (None, None, -1) in value.data


FAULTS = (
    Fault(wrong_sign, _is("grad")),
    Fault(no_steps_back, _backwards),
    Fault(lost_slice, _is("grad")),
    Fault(mean_is_sum, _is("mean")),
    Fault(max_is_min, _is("max")),
    Fault(branches_leak, _guarded),
    Fault(few_digits, _is("formula")),
    Fault(nan_in_results, _is("formula")),
    Fault(lost_axis, _is("grad")),
    Fault(raises, _is("matmul")),
    Fault(names_decide, _is("sum")),
    Fault(hangs, _is("softmax"), in_child=True),
    Fault(dies, _is("logsumexp"), in_child=True),
)
