"""``sg.accuracy``: every formula of a program with its errors, the form written beside the form that runs.

formula                    dtype    written    runs  median   worst at
y[n] = log(1 + exp(a[n]))  float32        ∞    1.21    0.03   a = 0.000217693
  runs as softplus(a[n])
  float32: as written exp(a[n]) overflows at a = 89.1914
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.define import as_tensor
from symgraph.core.graph import topological
from symgraph.core.indices import Index, axis, bound
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.rebuild import atoms_in
from symgraph.core.shown import Shown
from symgraph.core.tensor import Element, Tensor
from symgraph.display.notation import Name
from symgraph.display.program import Program
from symgraph.display.text import text
from symgraph.errors import ArgumentError
from symgraph.rounding.domains import Interval, domains_of
from symgraph.rounding.losses import Loss, loss_at
from symgraph.rounding.measure import Errors, errors_of
from symgraph.rounding.tape import Tape, Unmeasured
from symgraph.rounding.write import tape_of
from symgraph.stabilise import stabilise

POINTS = 160
"""Points of a formula, beside those at borders."""
LOSSY = 2.0**10
"""An error in units of the last place that is told as a loss."""
STEEP = 2.0**10
"""A condition number from which on a formula is told to be ill-conditioned, where ordinary numbers have it."""
ORDINARY = 2.0**7
SHARE = 0.1
"""The part of the points of ordinary size that has to be ill-conditioned."""
WIDEST = 76
MOST_SHOWN = 3
"""Variables of a point, and definitions behind a form, that are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One formula in one dtype.

    ``written`` and ``runs`` are the worst errors of the form as written and of the form that runs, in units of the
    last place, ``median`` that of the form that runs, ``at`` the point of its worst error. ``form`` is the form that
    runs, "" where it is the one written; ``why`` says why it was taken, or where the bits go. ``value`` is the tensor
    of the formula.
    """

    formula: str
    dtype: str
    written: float
    runs: float
    median: float
    at: str
    form: str
    why: str
    points: int
    value: Tensor


@dataclass(frozen=True)
class Accuracy(Shown):
    """The errors of formulas; ``lint`` names what loses bits, and where; ``unmeasured`` formulas, and why. ``str`` is
    a table."""

    lines: tuple[Line, ...]
    lint: tuple[str, ...]
    unmeasured: tuple[str, ...]

    @property
    def worst(self) -> float:
        """The largest error of the forms that run, in units of the last place."""
        return max((line.runs for line in self.lines), default=0.0)

    def __str__(self) -> str:
        width = min(WIDEST, max([7, *(len(line.formula) for line in self.lines)]))
        lines = [f"{'formula':{width}}  {'dtype':8}{'written':>8}{'runs':>8}{'median':>8}   worst at"]
        before = ""
        for line in self.lines:
            shown = "" if line.formula == before else line.formula
            numbers = f"{_ulp(line.written):>8}{_ulp(line.runs):>8}{_ulp(line.median):>8}"
            wide = [f"{shown}"] if len(shown) > width else []
            lines += [*wide, f"{'' if wide else shown:{width}}  {line.dtype:8}{numbers}   {line.at}".rstrip()]
            if line.form and line.formula != before:
                lines.append(f"  runs as {line.form}")
            if line.why:
                lines.append(f"  {line.dtype}: {line.why}")
            before = line.formula
        lines += [f"lint: {told}" for told in self.lint]
        lines += [f"not measured: {told}" for told in self.unmeasured]
        lines.append("units of the last place, what rounding the variables changes counted apart")
        return "\n".join(lines)

    __repr__ = __str__


@explained
def accuracy(
    outputs: Any, dtype: Any = None, points: int = POINTS, *, domain: Mapping[Any, Any] | None = None
) -> Accuracy:
    """Measure how far off formulas are in floating point, as written and as they run.

    Every named value is measured as a function of leaves, of products of matrices and of recurrences; whatever lies
    between is looked through. Points are of all sizes and both signs, several variables jointly, and on both sides of
    every border; they are the same every time. The true value is computed with more bits until it is certain; points
    without one are left out. Errors are in units of the last place of ``dtype``, after what rounding the variables
    changes: |computed − true|/(ulp + Σ|f(x₁, …, xᵢ·(1 + ε), …) − f(x)|).

    Parameters
    ----------
    outputs : a tensor or a SymPy formula, or several, or a dict of them, as ``sg.grad`` gives.
    dtype : ``"float32"`` or ``"float64"``; both unless told.
    points : how many, at least 8.
    domain : where variables are looked at, ``{x: (low, high)}``, by tensors or symbols; everywhere unless told.

    Raises
    ------
    ArgumentError
        for another dtype, too few points, an interval that is none, or a domain of what no formula is measured in.
    """
    given = outputs.values() if isinstance(outputs, Mapping) else outputs
    several = isinstance(given, Iterable) and not isinstance(given, Tensor | sp.Basic)
    roots = [as_tensor(output) for output in (given if several else [given])]
    dtypes = [_dtype(name) for name in ([dtype] if dtype is not None else ["float32", "float64"])]
    if isinstance(points, bool) or not isinstance(points, int) or points < 8:
        raise ArgumentError(at_line(f"points is {points!r}; expected a whole number of at least 8"))
    return _Measuring(roots, points, domains_of(domain)).all(dtypes)


def _dtype(name: Any) -> np.dtype:
    try:
        found = np.dtype(name)
    except TypeError:
        found = np.dtype(object)
    if found.name not in ("float32", "float64"):
        raise ArgumentError(at_line(f"dtype is {name!r}; expected 'float32' or 'float64'"))
    return found


def _is_told(tensor: Tensor) -> bool:
    """Whether a value is computed, and no sum of what is given, whose error is of its length alone."""
    definition = tensor.definition
    if definition is None or definition.op not in (None, "sum", "max", "min"):
        return False
    body = definition.body
    return definition.op is None or not isinstance(body, Element) or body.tensor.definition is not None


class _Measuring:
    """Measures the formulas of a program one after the other."""

    def __init__(self, roots: list[Tensor], count: int, domains: Mapping[Tensor, Interval]) -> None:
        self.count, self.domains = count, domains
        self.program = Program(roots)
        order = topological(roots)
        self.form = dict(zip(order, stabilise(order), strict=True))
        names = self.program.naming.names  # there are also those of losses that derivatives in the program are of
        self.names = {t: name for t, name in names.items() if t.definition is not None and t in self.form}
        self.told = [t for t in self.program.naming.order if (t in self.names or t in roots) and _is_told(t)]
        self.source = {form: source for source, form in reversed(list(self.form.items()))}
        given: dict[Tensor, Name] = {}
        for tensor, name in self.names.items():
            given.setdefault(self.form[tensor], name)
        self.stable = Program([self.form[root] for root in roots], given=given)
        self.lint: dict[tuple[str, str], str] = {}

    def all(self, dtypes: list[np.dtype]) -> Accuracy:
        tapes: dict[Tensor, list[Tape]] = {}
        lines: list[Line] = []
        unmeasured: list[str] = []
        for tensor in self.told:
            try:
                tapes[tensor] = self._tapes(tensor)
            except Unmeasured as error:
                unmeasured.append(f"{self._formula(tensor)}: {error}")
        self._check_domains([variable for forms in tapes.values() for variable, _ in forms[0].keys])
        for tensor, forms in tapes.items():
            try:
                lines += self._lines(tensor, forms, dtypes)
            except Unmeasured as error:
                unmeasured.append(f"{self._formula(tensor)}: {error}")
        return Accuracy(tuple(lines), tuple(self.lint.values()), tuple(unmeasured))

    def _tapes(self, tensor: Tensor) -> list[Tape]:
        """The value as it was written, and as it runs where that differs."""
        runs = self.form[tensor]
        return [tape_of(tensor), *([tape_of(runs, known=self.source)] if runs is not tensor else [])]

    def _check_domains(self, variables: list[Tensor | None]) -> None:
        for tensor in self.domains:
            if variables and tensor not in variables:
                told = dict.fromkeys(self._name(variable) for variable in variables if variable is not None)
                raise ArgumentError(
                    at_line(f"domain has {self._name(tensor)}, of which no formula is measured; they are of "
                            f"{', '.join(told)}")
                )  # fmt: skip

    def _name(self, tensor: Tensor) -> str:
        names = self.program.naming.names
        return names[tensor].text if tensor in names else tensor.display_name

    def _lines(self, tensor: Tensor, tapes: list[Tape], dtypes: list[np.dtype]) -> list[Line]:
        found = []
        for dtype in dtypes:
            errors = errors_of(tapes, dtype, self.count, domains=self.domains)
            last = len(tapes) - 1
            at = _point(self.program, tapes[0], errors.points[:, errors.where(last)])
            form = self._form(tensor) if last else ""
            why = self._why(tapes, errors)
            found.append(
                Line(self._formula(tensor), dtype.name, errors.worst(0), errors.worst(last), errors.median(last), at,
                     form, why, errors.points.shape[1], tensor)
            )  # fmt: skip
            self._look(tensor, tapes, errors)
        return found

    def _why(self, tapes: list[Tape], errors: Errors) -> str:
        """What went wrong with the form as written, where another one runs; where bits go in the one that runs."""
        last = len(tapes) - 1
        if last and errors.worst(0) > 2 * errors.worst(1):
            place = errors.where(0)
            loss = loss_at(tapes[0], errors.points[:, place], errors.dtype)
            at = _point(self.program, tapes[0], errors.points[:, place])
            return f"as written {self._shown(loss)} at {at}" if loss else ""
        return ""

    def _look(self, tensor: Tensor, tapes: list[Tape], errors: Errors) -> None:
        """Lint: what still loses bits, and what is ill-conditioned by nature at points of ordinary size."""
        last, dtype = len(tapes) - 1, errors.dtype
        name = self.names[tensor].text if tensor in self.names else self._formula(tensor)
        if errors.worst(last) > LOSSY:
            place = errors.points[:, errors.where(last)]
            loss = loss_at(tapes[last], self._own(tapes, place), dtype)
            if loss is not None:
                at = _point(self.program, tapes[0], place)
                self.lint.setdefault(
                    (loss.kind, self._fragment(loss)),
                    f"{name} loses {loss.bits:.0f} of {np.finfo(dtype).nmant + 1} bits of {dtype.name} at {at}: "
                    f"{self._shown(loss)}{ADVICE[loss.kind]}",
                )
                return
        with np.errstate(all="ignore"):
            size = np.abs(errors.points)
            ordinary = ((size < ORDINARY) & (size > 1 / ORDINARY)).all(axis=0)
        steep = ordinary & (np.nan_to_num(errors.conditions) > STEEP)
        if steep.sum() > SHARE * max(ordinary.sum(), 1):
            worst = int(np.argmax(np.where(steep, np.nan_to_num(errors.conditions), 0)))
            at = _point(self.program, tapes[0], errors.points[:, worst])
            loss = loss_at(tapes[0], errors.points[:, worst], dtype)
            where = f", in {self._fragment(loss)}" if loss else ""
            self.lint.setdefault(
                ("nature", name),
                f"{name} is ill-conditioned by nature: at {at} a change of its variables by one part changes it by "
                f"{errors.conditions[worst]:.1e} parts{where}; no form of it is better, another variable may be",
            )

    def _own(self, tapes: list[Tape], point: np.ndarray) -> np.ndarray:
        """A point of the first tape as one of the last."""
        row = {key: n for n, key in enumerate(tapes[0].keys)}
        return point[[row[key] for key in tapes[-1].keys]]

    # -- as text ------------------------------------------------------------------------------------------------------
    def _formula(self, tensor: Tensor) -> str:
        return str(self.program.equation(tensor))

    def _form(self, tensor: Tensor) -> str:
        runs = self.form[tensor]
        shown = text(self.stable.equation(runs).right)
        if shown == text(self.program.equation(tensor).right):
            return ""
        where = [str(self.stable.equation(t)) for t in self.stable.background(runs)[:MOST_SHOWN]]
        return f"{shown} where {', '.join(where)}" if where else shown

    def _shown(self, loss: Loss | None) -> str:
        return f"{self._fragment(loss)} {loss.kind}" if loss else ""

    def _fragment(self, loss: Loss) -> str:
        """The formula of an operation, over the names of the program."""
        tensor, source = loss.tensor, loss.source
        if tensor is None or tensor.definition is None or not isinstance(source, sp.Expr):
            return str(source)
        extents = tensor.definition.extents
        free = {bound(d): axis(tensor.ndim + d) for d in range(len(extents))}
        body = source.xreplace(free)
        shape = (*tensor.shape, *extents)
        used = sorted(atoms_in(body, Index), key=str)
        names = self.names if tensor in self.form else {self.form[t]: n for t, n in self.names.items()}
        part = Tensor.define(shape, body)
        given = {t: n for t, n in names.items() if t is not part}
        return text(Program([part], given=given).equation(part).right) if used or not shape else str(body)


ADVICE = {
    "overflows": "; write it so that what is large cancels first",
    "underflows": "; write it so that what is small is not divided by, nor its logarithm taken",
    "cancels": "; write the difference so that it is not formed, or compute in float64",
    "is steep": "; compute what it is a function of in float64",
}


def _point(program: Program, tape: Tape, point: np.ndarray) -> str:
    """The variables with their values."""
    names, keys = program.naming.names, tape.keys
    several = {tensor for tensor, number in Counter(tensor for tensor, _ in keys).items() if number > 1}
    shown = []
    for (tensor, places), value in zip(keys, point, strict=True):
        assert tensor is not None
        name = names[tensor].text if tensor in names else tensor.display_name
        at = f"[{', '.join(map(str, places))}]" if tensor in several else ""
        shown.append(f"{name}{at} = {float(value):.6g}")
    return ", ".join(shown[:MOST_SHOWN]) + (", …" if len(shown) > MOST_SHOWN else "")


def _ulp(error: float) -> str:
    if not np.isfinite(error):
        return "∞"
    return f"{error:.2f}" if error < 100 else f"{error:.1e}" if error >= 1e5 else f"{error:.0f}"
