"""Random values: leaves that a program computes, each number a pure function of key, stream, step and place.

    u ~ U(0, 1), of shape (N, 3)   →   u[n, i] = uniform(key, stream, step, 3·n + i)

For the calculus a random value is a leaf, so it has no derivative, and what depends on it is differentiated with it
held (reparameterisation). Before a program is compiled it becomes the definition above: nothing is stored, forward and
backward compute the same numbers. A stream is numbered by its place among the declarations of one program, or as told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgraph.core.graph import rewrite, topological
from symgraph.core.indices import Shape, axis
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first, name_of
from symgraph.core.recurrence import with_changed_steps, with_steps
from symgraph.core.scalars import Uniform, stop_gradient
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.errors import ArgumentError, DomainError

MOST = 2**32


class KeySymbol(sp.Symbol):  # type: ignore[misc]
    """A key as a scalar: an integer below 2³²."""

    highest = "below 2³²", MOST - 1


class StepSymbol(sp.Symbol):  # type: ignore[misc]
    """A count of steps, which is exact in float64."""

    highest = "below 2⁵³", 2**53 - 1


KEY = Tensor.scalar(KeySymbol("random_key", integer=True, nonnegative=True))
"""Which run it is: an argument of a program."""
STEP = Tensor.leaf("state", "random_step", (), age="-")  # before all that users declare, whenever this is imported
"""How many steps a training step has made before this one; an argument of a function, 0 unless told."""
COUNTERS = {"random_key": KEY.symbol, "random_step": StepSymbol("random_step", integer=True, nonnegative=True)}
"""What a call of a function may say of chance, by name, and the symbols that tell which numbers each may be."""
DECLARED = 2**31
"""The first number of streams that are numbered by declaration: those that are told lie below."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What is printed, the letter of a value without a name, and the quantile function: its value at u ~ U(0, 1)."""

    name: str
    shown: str
    letter: str
    quantile: Callable[[sp.Expr], sp.Expr] = field(repr=False)

    def __reduce__(self) -> Any:
        return _of_name, (self.name,)


def _of_name(name: str) -> Distribution:
    return DISTRIBUTIONS[name]


DISTRIBUTIONS = {
    row.name: row
    for row in (
        Distribution("uniform", "U(0, 1)", "u", lambda u: u),
        Distribution("normal", "N(0, 1)", "z", lambda u: sp.sqrt(2) * sp.erfinv(2 * u - 1)),
        Distribution("exponential", "Exp(1)", "e", lambda u: -sp.log(u)),
        Distribution("laplace", "Laplace(0, 1)", "l", lambda u: -sp.sign(2 * u - 1) * sp.log(1 - sp.Abs(2 * u - 1))),
        Distribution("logistic", "Logistic(0, 1)", "l", lambda u: sp.log(u / (1 - u))),
        Distribution("gumbel", "Gumbel(0, 1)", "g", lambda u: -sp.log(-sp.log(u))),
        Distribution("cauchy", "Cauchy(0, 1)", "c", lambda u: sp.tan(sp.pi * (u - sp.S.Half))),
    )
}


@dataclass(frozen=True, slots=True)
class Draw:
    """What a random value is drawn from: a distribution, and a stream where one is told."""

    distribution: Distribution
    stream: int | None

    @property
    def letter(self) -> str:
        return self.distribution.letter


def random_leaf(distribution: Distribution, shape: Shape, stream: int | None) -> Tensor:
    """A new random value; two of them are independent unless they are told the same stream.

    Raises
    ------
    DomainError
        for a stream that is no integer of 0 … 2³¹ − 1.
    """
    if stream is not None and (isinstance(stream, bool) or not isinstance(stream, int) or not 0 <= stream < DECLARED):
        raise DomainError(at_line(f"a stream must be an integer of 0 … 2³¹ − 1, not {stream!r}"))
    return Tensor.leaf("random", None, shape, draw=Draw(distribution, stream))


def checked_key(key: Any) -> int:
    """A key for random numbers.

    Raises
    ------
    ArgumentError
        for anything but an integer of 0 … 2³² − 1.
    """
    if key is None:
        raise ArgumentError(at_line("the program has random values: pass a key, train_step(…, key=0)"))
    if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key < MOST:
        raise ArgumentError(at_line(f"key must be an integer of 0 … 2³² − 1, not {key!r}"))
    return key


def streams(order: Iterable[Tensor]) -> dict[Tensor, int]:
    """The stream of every random value in a program."""
    found = sorted({tensor for tensor in order if tensor.kind == "random"}, key=lambda tensor: tensor.age)
    declared = [tensor for tensor in found if tensor.draw.stream is None]
    numbers = {tensor: DECLARED + number for number, tensor in enumerate(declared)}
    return numbers | {tensor: tensor.draw.stream for tensor in found if tensor.draw.stream is not None}


def drawn(roots: Sequence[Tensor]) -> list[Tensor]:
    """The same values as a program computes them: every random one by its definition, and no gradient stopped."""
    order = topological(roots)
    numbers = streams(order)
    if not numbers and not _stopped(order):
        return list(roots)
    leaves = {leaf: _definition(leaf, stream) for leaf, stream in numbers.items()}
    found = rewrite(roots, _without_stops, leaves)
    return [found[root] for root in roots]


def _stopped(order: Iterable[Tensor]) -> bool:
    bodies = (tensor.definition.body for tensor in with_steps(order) if tensor.definition is not None)
    return any(body.has(stop_gradient) for body in bodies)


def _without_stops(tensor: Tensor, definition: Definition) -> Tensor:
    if definition.op == "recurrence":
        return tensor.redefined(with_changed_steps(definition, _without_stops) if _stopped([tensor]) else definition)
    body = (
        definition.body.replace(stop_gradient, lambda u: u) if definition.body.has(stop_gradient) else definition.body
    )
    return tensor.redefined(Definition(definition.op, definition.extents, body))


def _definition(leaf: Tensor, stream: int) -> Tensor:
    row, column = sp.S.Zero, sp.S.Zero
    for number, size in enumerate(leaf.shape):
        row, column = sp.expand((row + column) * size), axis(number)
    at_place = Uniform(Element(KEY), sp.Integer(stream), Element(STEP), row, column)
    made = Tensor.define(leaf.shape, leaf.draw.distribution.quantile(at_place))
    call_first(made, name_of(leaf) or leaf.draw.distribution.letter)
    return made
