"""Differential equations by steps of fixed length: a method is a row, its tableau; the solution is a :func:`scan`.

    k[i] = f(y + h·Σ_j a[i, j]·k[j], t + c[i]·h)        y ← y + h·Σ_i b[i]·k[i]        (Butcher 1964)

The derivative is that of the steps that were taken, not a second equation that is integrated backward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgraph.core.define import as_tensor, exact
from symgraph.core.indices import as_shape, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, ShapeError
from symgraph.vocabulary.joining import concatenate
from symgraph.vocabulary.recurrent import counted, flat, in_form_of, scan
from symgraph.vocabulary.shapes import expand_dims, shown

R = sp.Rational


@dataclass(frozen=True, slots=True)
class Tableau:
    """An explicit Runge–Kutta method: ``a`` below the diagonal, weights ``b``, and its source. c are the sums of a."""

    a: tuple[tuple[sp.Expr, ...], ...]
    b: tuple[sp.Expr, ...]
    source: str


METHODS = {
    "euler": Tableau(((),), (R(1),), "Euler 1768"),
    "midpoint": Tableau(((), (R(1, 2),)), (R(0), R(1)), "Runge 1895"),
    "heun": Tableau(((), (R(1),)), (R(1, 2), R(1, 2)), "Heun 1900"),
    "ralston": Tableau(((), (R(2, 3),)), (R(1, 4), R(3, 4)), "Ralston 1962"),
    "rk4": Tableau(
        ((), (R(1, 2),), (R(0), R(1, 2)), (R(0), R(0), R(1))), (R(1, 6), R(1, 3), R(1, 3), R(1, 6)), "Kutta 1901"
    ),
    "rk38": Tableau(
        ((), (R(1, 3),), (R(-1, 3), R(1)), (R(1), R(-1), R(1))), (R(1, 8), R(3, 8), R(3, 8), R(1, 8)), "Kutta 1901"
    ),
}
"""Methods by name."""


@explained
def odeint(
    f: Callable[[Any, Tensor], Any],
    y0: Any,
    t: Any = None,
    *,
    step: Any = None,
    steps: Any = None,
    method: str = "rk4",
) -> Any:
    """The solution of dy/dt = f(y, t) from y0 on, one step of a method from each time to the next.

    Parameters
    ----------
    f : the rate of a state, a function of tensors as in SciPy's and JAX's ``odeint``; called once, while declaring.
    y0 : the first state: a tensor, or tuples, lists and dicts of tensors; rates have its form.
    t : times (T,), a tensor or an array; or
    step, steps : the length of a step, a number, symbol or tensor, and how many: times are 0, step, 2·step, …
    method : a row of ``METHODS``: euler, midpoint, heun, ralston, rk4, rk38.

    Returns
    -------
    The states at all times, in the form of y0, each with a first axis of T (``steps + 1``); the first are y0.

    Raises
    ------
    ArgumentError
        for an unknown method, or if not either t or step and steps are given.
    ShapeError
        if t has not one axis, or a rate has another form or shape than the state.
    """
    if method not in METHODS:
        raise ArgumentError(at_line(f"odeint: method is one of {', '.join(METHODS)}, not {method!r}"))
    tableau, values, form = METHODS[method], *flat(y0)

    def rate(y: list[Tensor], now: Any) -> list[Tensor]:
        found = in_form_of(y0, f(form(y), now), "odeint: the rate is {}; the state is {}")
        return [_of_shape(slope, one, "the rate") for slope, one in zip(found, y, strict=True)]

    def advance(y: list[Tensor], at: Any) -> Any:
        now, h = times.of(at)
        slopes: list[list[Tensor]] = []
        for row in tableau.a:
            slopes.append(rate(_moved(y, h, row, slopes), now + sum(row) * h if row else now))
            if len(values) == 1:
                slopes[-1][0].named(f"k{len(slopes)}")
        after = _moved(y, h, tableau.b, slopes)
        return after, after

    times = _Times.given(t, step, steps)
    _, found = scan(advance, values, times.inputs)
    return form([_from(first, rest) for first, rest in zip(values, found, strict=True)])


@explained
def leapfrog(
    acceleration: Callable[[Any, Tensor], Any], q0: Any, v0: Any, t: Any = None, *, step: Any = None, steps: Any = None
) -> tuple[Any, Any]:
    """Positions and velocities of d²q/dt² = a(q, t) by leapfrog steps: half a kick, a drift, half a kick.

    v ← v + h/2·a(q),  q ← q + h·v,  v ← v + h/2·a(q)     (Störmer 1907, Verlet 1967). It is symplectic: the energy of a
    system without friction does not drift. Arguments are as those of :func:`odeint`; q0 and v0 are tensors of one
    shape.

    Returns
    -------
    q and v at all times, each with a first axis of T (``steps + 1``).

    Raises
    ------
    ArgumentError, ShapeError
        as :func:`odeint`.
    """
    q0, v0 = as_tensor(q0), as_tensor(v0)
    times = _Times.given(t, step, steps)

    def at(q: Tensor, now: Any) -> Tensor:
        return _of_shape(as_tensor(acceleration(q, now)), q, "the acceleration")

    def advance(carry: Any, inputs: Any) -> Any:
        (q, v, a), (now, h) = carry, times.of(inputs)
        half = v + h / 2 * a
        q = q + h * half
        a = at(q, now + h)
        v = half + h / 2 * a
        return (q, v, a), (q, v)

    first = (q0, _of_shape(v0, q0, "the first velocity"), at(q0, times.first))
    _, (positions, velocities) = scan(advance, first, times.inputs)
    return _from(q0, positions), _from(v0, velocities)


@dataclass(frozen=True, slots=True)
class _Times:
    """When a solution is asked for: what a scan over the steps reads, the first time, the length of all steps."""

    inputs: Any
    first: Any
    step: Any = None

    @staticmethod
    def given(t: Any, step: Any, steps: Any) -> _Times:
        if (t is None) == (steps is None) or (step is None) != (steps is None):
            raise ArgumentError(at_line("expected times t, or step and steps"))
        if t is None:
            (count,) = as_shape((steps,))
            step = exact(sp.Float(step)) if isinstance(step, float) else step
            return _Times((counted(count) * step,), sp.S.Zero, step)
        times = as_tensor(t)
        if times.ndim != 1 or times.shape[0] == 1:
            raise ShapeError(at_line(f"times are (T,), at least two; not {shown(times)}"))
        return _Times((times[:-1], times[1:] - times[:-1]), times[0])

    def of(self, inputs: Any) -> tuple[Any, Any]:
        """The time of a step, and how long it is."""
        return (inputs[0], self.step) if self.step is not None else inputs


def _moved(y: list[Tensor], h: Any, weights: tuple[sp.Expr, ...], slopes: list[list[Tensor]]) -> list[Tensor]:
    """y + h·Σ w·k, without the slopes whose weight is 0; y + (w·h)·k of a single one, whose next step waits for it."""
    used = [(weight, slope) for weight, slope in zip(weights, slopes, strict=True) if weight]
    if len(used) == 1:
        ((weight, slope),) = used
        return [one + weight * h * rate for one, rate in zip(y, slope, strict=True)]
    found = []
    for n, one in enumerate(y):
        terms = [weight * slope[n] for weight, slope in used]
        found.append(one + h * sum(terms[1:], terms[0]) if terms else one)
    return found


def _of_shape(value: Tensor, state: Tensor, what: str) -> Tensor:
    if value.shape != state.shape:
        expected = f"expected {show_shape(state.shape)}, the shape of the state"
        raise ShapeError(at_line(f"{what} is {shown(value)}; {expected}"))
    return value


def _from(first: Tensor, rest: Tensor) -> Tensor:
    """All states: the first one, and those after every step."""
    return concatenate([expand_dims(first, 0), rest], 0)  # type: ignore[no-any-return]


__all__ = ["leapfrog", "odeint"]
