"""Recurrent layers with PyTorch's names, layouts and weights: ``RNN``, ``GRU``, ``LSTM``, stacked and bidirectional.

Inputs are (steps, batch, features); weights are (gates·hidden, features), their gates in PyTorch's order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import sympy as sp

from symgraph.core.declare import parameter
from symgraph.core.define import as_tensor
from symgraph.core.indices import Shape, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, ShapeError
from symgraph.vocabulary import init
from symgraph.vocabulary.activations import relu, sigmoid, tanh
from symgraph.vocabulary.joining import concatenate, stack
from symgraph.vocabulary.module import Module
from symgraph.vocabulary.random import dropout
from symgraph.vocabulary.recurrent import scan
from symgraph.vocabulary.shapes import swapaxes

KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Recurrent(Module):
    """A layer that reads a sequence; made as :class:`RNN`, :class:`GRU` or :class:`LSTM`.

    Parameters
    ----------
    input_size, hidden_size : features of an input and of a state.
    num_layers : each reads the outputs of the one before.
    bias : False for no ``bias_ih`` and ``bias_hh``.
    batch_first : whether inputs and outputs are (batch, steps, features).
    dropout : in training, of the outputs of every layer but the last.
    bidirectional : a second layer reads from the last step; outputs are (…, 2·hidden_size).
    name : a prefix of the parameters' names, as in ``lstm.weight_ih_l0``.
    """

    gates: ClassVar[int] = 1
    carried: ClassVar[int] = 1
    _unnamed: ClassVar[itertools.count[int]] = itertools.count(1)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        name: str | None = None,
    ) -> None:
        if num_layers < 1 or hidden_size < 1:
            raise ArgumentError(at_line(f"num_layers and hidden_size must be at least 1: {num_layers}, {hidden_size}"))
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout = dropout
        self.weights: dict[str, Tensor] = {}
        if name is not None:
            self.build(f"{name}.")

    def build(self, prefix: str) -> None:
        """Declare the parameters under names that begin with ``prefix``, U(±1/√hidden_size) as in PyTorch."""
        if self.weights:
            return
        edge = 1 / math.sqrt(self.hidden_size)
        rows = self.gates * self.hidden_size
        for place, columns in self._places():
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, self.hidden_size)}
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {}
            for kind, shape in shapes.items():
                key = f"{kind}{place}"
                self.weights[key] = parameter(f"{prefix}{key}", shape, init=init.uniform(-edge, edge))

    def _places(self) -> Iterator[tuple[str, int]]:
        """How the weights of each layer and way end, and the features that they read."""
        ways = ("", "_reverse")[: 1 + self.bidirectional]
        for layer, way in itertools.product(range(self.num_layers), ways):
            yield f"_l{layer}{way}", self.hidden_size * len(ways) if layer else self.input_size

    def parameters(self) -> list[Tensor]:
        """The parameters, in PyTorch's order."""
        self.build(f"{type(self).__name__.lower()}_{next(self._unnamed)}." if not self.weights else "")
        return list(self.weights.values())

    def __call__(self, x: Any, state: Any = None, length: Any = None) -> tuple[Tensor, Any]:  # type: ignore[override]
        """Outputs at all steps, and the states after the last, (num_layers·ways, batch, hidden_size) each.

        ``length`` (batch,) is the number of steps of each row, as in :func:`scan`: outputs after it are 0, the states
        are those after its last step, and the way back begins there, as with PyTorch's packed sequences.

        Raises
        ------
        ShapeError
            if x is not (steps, batch, input_size), or a state or length has another shape.
        """
        x = as_tensor(x)
        self.parameters()
        self._check(x, "batch, steps" if self.batch_first else "steps, batch")
        values = swapaxes(x, 0, 1) if self.batch_first else x
        first = self._first(state, values.shape[1])
        last: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            found = []
            for way in ("", "_reverse")[: 1 + self.bidirectional]:
                states, outputs = self._run(values, f"_l{layer}{way}", first[len(last)], bool(way), length)
                last.append(states)
                found.append(outputs)
            values = concatenate(found, axis=2) if self.bidirectional else found[0]
            if self.dropout and layer < self.num_layers - 1:
                values = dropout(values, self.dropout)
        ends = tuple(stack([states[n] for states in last]) for n in range(self.carried))
        return swapaxes(values, 0, 1) if self.batch_first else values, ends if self.carried > 1 else ends[0]

    def _first(self, state: Any, batch: sp.Expr) -> list[tuple[Tensor, ...]]:
        """The first states of every layer and way: those given, or zeros."""
        count = self.num_layers * (1 + self.bidirectional)
        if state is None:
            return [self._zeros(batch)] * count
        given = self._checked_states(state, (sp.Integer(count), batch, sp.Integer(self.hidden_size)))
        return [tuple(one[place] for one in given) for place in range(count)]

    def _zeros(self, batch: sp.Expr) -> tuple[Tensor, ...]:
        return (Tensor.define((batch, sp.Integer(self.hidden_size)), sp.S.Zero),) * self.carried

    def _checked_states(self, state: Any, expected: Shape) -> tuple[Tensor, ...]:
        """States that somebody gave."""
        is_pair = isinstance(state, tuple | list) and len(state) == self.carried
        if not is_pair and self.carried > 1:
            raise ArgumentError(at_line(f"the first state of {type(self).__name__} is a pair, (h, c)"))
        given = [as_tensor(one) for one in (state if self.carried > 1 else (state,))]
        for one in given:
            if one.shape != expected:
                shown = f"{one.display_name}{show_shape(one.shape)}"
                raise ShapeError(at_line(f"the first state is {shown}; expected {show_shape(expected)}"))
        return tuple(given)

    def _check(self, x: Tensor, axes: str) -> None:
        """Raise unless x is (axes, features)."""
        if x.ndim != axes.count(",") + 2 or x.shape[-1] != self.input_size:
            raise ShapeError(
                at_line(f"{type(self).__name__}({self.input_size}, {self.hidden_size}) got {x.display_name}"
                        f"{show_shape(x.shape)}; expected ({axes}, {self.input_size})")
            )  # fmt: skip

    def _run(
        self, values: Tensor, key: str, first: tuple[Tensor, ...], backward: bool, length: Any
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        weights = {kind: self.weights.get(f"{kind}{key}") for kind in KINDS}

        def step(states: tuple[Tensor, ...], x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            after = self._next(x, states, weights)
            return after, after[0]

        return scan(step, first, values, length, reverse=backward)

    def _next(
        self, x: Tensor, states: tuple[Tensor, ...], weights: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, ...]:
        """The states after one step, by the weights of one layer."""
        of_x, of_h, bias_x, bias_h = (self._parts(weights.get(kind)) for kind in KINDS)
        from_input = [x @ weight.T + bias for weight, bias in zip(of_x, bias_x, strict=True)]
        from_state = [states[0] @ weight.T + bias for weight, bias in zip(of_h, bias_h, strict=True)]
        return self.cell(from_input, from_state, states)

    def cell(self, x: list[Tensor], h: list[Tensor], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The next states, by what comes from the input, and from the state, to every gate."""
        raise NotImplementedError

    def _parts(self, weights: Tensor | None) -> list[Any]:
        """The rows of each gate. Every gate is a product of its own, so that no cotangent is put together of parts."""
        size = self.hidden_size
        if weights is None:
            return [0] * self.gates
        return [weights[gate * size : (gate + 1) * size] for gate in range(self.gates)]


class RNN(Recurrent):
    """Elman's network (1990): h′ = tanh(x·W_ihᵀ + b_ih + h·W_hhᵀ + b_hh), or ReLU by ``nonlinearity="relu"``."""

    def __init__(self, *args: Any, nonlinearity: str = "tanh", **kwargs: Any) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(at_line(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}"))
        self.nonlinearity = tanh if nonlinearity == "tanh" else relu
        super().__init__(*args, **kwargs)

    def cell(self, x: list[Tensor], h: list[Tensor], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (self.nonlinearity(x[0] + h[0]),)


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078) in PyTorch's form: n = tanh(x_n + r·h_n).

    r = σ(x_r + h_r), z = σ(x_z + h_z), h′ = (1 − z)·n + z·h
    """

    gates = 3

    def cell(self, x: list[Tensor], h: list[Tensor], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        r, z = (sigmoid(x[gate] + h[gate]).named(name) for gate, name in enumerate("rz"))
        new = tanh(x[2] + r * h[2]).named("n")
        return ((1 - z) * new + z * states[0],)


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter, Schmidhuber 1997; forget gate of Gers et al. 2000). States are (h, c).

    i, f, o = σ(x + h) of their columns, g = tanh(x_g + h_g), c′ = f·c + i·g, h′ = o·tanh(c′)
    """

    gates, carried = 4, 2

    def cell(self, x: list[Tensor], h: list[Tensor], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        i, f, g, o = (
            function(of_x + of_h).named(name)
            for name, function, of_x, of_h in zip("ifgo", (sigmoid, sigmoid, tanh, sigmoid), x, h, strict=True)
        )
        c = (f * states[1] + i * g).named("c")
        return (o * tanh(c)).named("h"), c


class _Cell(Recurrent):
    """One step of a layer, with PyTorch's names: weight_ih, weight_hh, bias_ih, bias_hh."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, name: str | None = None, **options: Any
    ) -> None:
        super().__init__(input_size, hidden_size, 1, bias, name=name, **options)

    def _places(self) -> Iterator[tuple[str, int]]:
        yield "", self.input_size

    @names_result
    def __call__(self, x: Any, state: Any = None) -> Any:  # type: ignore[override]
        """The state after a step, (batch, hidden_size); of an LSTM a pair, (h, c). Before it zeros, unless told.

        Raises
        ------
        ShapeError
            if x is not (batch, input_size), or a state has another shape.
        """
        x = as_tensor(x)
        self.parameters()
        self._check(x, "batch")
        batch = x.shape[0]
        expected = (batch, sp.Integer(self.hidden_size))
        first = self._zeros(batch) if state is None else self._checked_states(state, expected)
        after = self._next(x, first, self.weights)
        return after if self.carried > 1 else after[0]


class RNNCell(_Cell, RNN):
    """One step of :class:`RNN`."""


class GRUCell(_Cell, GRU):
    """One step of :class:`GRU`."""


class LSTMCell(_Cell, LSTM):
    """One step of :class:`LSTM`; states are (h, c)."""
