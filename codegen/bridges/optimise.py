"""``sg.scipy``: a cost, or residuals, as the functions that other optimisers call.

problem = sg.scipy(J, {"x": X, "t": T})
scipy.optimize.minimize(problem.value_and_grad, problem.x0, jac=True, bounds=problem.bounds(sigma=(0.1, None)))
iminuit.Minuit(problem.cost(errordef=0.5), mu=0, sigma=1).migrad()

Comes in: an expression over parameters and data. Goes out: functions of one flat vector, or of arrays by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import combinations_with_replacement, product
from operator import add
from typing import Any

import numpy as np
import sympy as sp

import symgraph as sg
from codegen.plan.request import Request, leaves_in
from codegen.run import arguments
from codegen.run.conversion import described
from codegen.run.declared import first_values, in_order
from codegen.run.function import Function
from symgraph.core.indices import show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError

FLOAT = np.dtype(np.float64)
Point = np.ndarray | Sequence[float] | Mapping[str, Any]
Pair = tuple[float | None, float | None]


class Problem:
    """Functions of a flat vector x, float64, that holds all parameters one after the other, row by row.

    Where a vector is expected, arrays by name will do. Nothing is kept from call to call, so that calls may come from
    several threads; a function is compiled when it is first called.

    Attributes
    ----------
    parameters : the leaves that x holds, in its order.
    names : of the numbers of x: ``"mu"``, ``"W[0, 1]"``.
    sizes : how many numbers each parameter takes.
    """

    def __init__(self, loss: Any, data: Mapping[str, Any] | None, parameters: Any, key: int | None, mode: str) -> None:
        self.loss = sg.as_tensor(loss)
        if self.loss.ndim > 1:
            raise ShapeError(
                at_line(f"{self.loss.display_name}{show_shape(self.loss.shape)} is neither a cost () nor residuals "
                        "(M,): sum it, or flatten it")
            )  # fmt: skip
        given = {} if data is None else data
        arguments.check_mapping(given, "data")
        leaves = [leaf for leaf in leaves_in(Request((self.loss,))) if leaf.kind not in ("constant", "random")]
        self.parameters = _chosen(self.loss, leaves, parameters, given)
        self._rest = [leaf for leaf in in_order(leaves) if leaf not in self.parameters]
        arrays, _ = arguments.collect(self._rest, given, FLOAT)
        self._data = list(arrays.values())
        self._options = {"key": key, "mode": mode}
        self.sizes = [int(sp.prod(leaf.shape)) for leaf in self.parameters]
        self._ends = np.cumsum(self.sizes).tolist()
        self.names = [name for leaf in self.parameters for name in _names(leaf)]
        self._functions: dict[str, Function] = {}

    # -- points -------------------------------------------------------------------------------------------------------
    @property
    def x0(self) -> np.ndarray:
        """A first vector: of :meth:`start` with seed 0."""
        return self.start(0)

    def start(self, seed: int = 0) -> np.ndarray:
        """First values by the parameters' initialisers; of a plain symbol 0, or 1 where it is positive."""
        draws = np.random.default_rng(seed)
        return self.flat({str(leaf.name): _first(leaf, draws) for leaf in self.parameters})

    def flat(self, values: Mapping[str, Any]) -> np.ndarray:
        """The vector of arrays by name."""
        arguments.check_names(values, self.parameters)
        arrays, _ = arguments.collect(self.parameters, values, FLOAT)
        return np.concatenate([array.reshape(-1) for array in arrays.values()])

    def by_name(self, x: Any) -> dict[str, np.ndarray]:
        """Arrays by name, views of the vector where it is contiguous float64."""
        vector = self._vector(x)
        return {str(leaf.name): part for leaf, part in zip(self.parameters, self._parts(vector), strict=True)}

    def bounds(self, **limits: Any) -> list[Pair]:
        """A pair of bounds for every number of x, as scipy's ``bounds=`` takes them.

        A pair (low, high) of numbers, arrays of the parameter's shape, or None, for each parameter that has some. A
        symbol declared positive or nonnegative is bounded below without saying so.

        Raises
        ------
        ArgumentError, ShapeError
            for a name that is none, for bounds that are no pair, or of another shape, or the wrong way round.
        """
        known = {str(leaf.name): leaf for leaf in self.parameters}
        for name in limits.keys() - known.keys():
            raise ArgumentError(at_line(f"there is no parameter {name}; there are {', '.join(known)}"))
        return [pair for name, leaf in known.items() for pair in _bounds(leaf, limits.get(name))]

    # -- functions ----------------------------------------------------------------------------------------------------
    def fun(self, x: Point) -> Any:
        """The cost, a float; or residuals (M,)."""
        return _value(self._function("fun")(*self._arguments(x)))

    def value_and_grad(self, x: Point) -> tuple[float, Any]:
        """The cost and its gradient by one program: pass ``jac=True``. Residuals have ``jac``."""
        vector, gradient = self._vector(x), np.empty(self._ends[-1])
        value = np.empty(())
        self._function("gradient")(*self._parts(vector), *self._data, out=[value, *self._parts(gradient)])
        return float(value), self.by_name(gradient) if isinstance(x, Mapping) else gradient

    def jac(self, x: Point) -> Any:
        """The gradient (n,), or by name where x is; of residuals the Jacobian (M, n)."""
        if self.loss.ndim == 0:
            return self.value_and_grad(x)[1]
        columns = self._function("jacobian")(*self._arguments(x))
        return np.concatenate([part.reshape(len(part), -1) for part in columns], axis=1)

    def hess(self, x: Point) -> np.ndarray:
        """The matrix of second derivatives of the cost, (n, n)."""
        blocks = iter(self._function("hessian")(*self._arguments(x)))
        found = np.empty((self._ends[-1], self._ends[-1]))
        places = [slice(end - size, end) for end, size in zip(self._ends, self.sizes, strict=True)]
        for i, j in combinations_with_replacement(range(len(self.parameters)), 2):
            block = next(blocks).reshape(self.sizes[i], self.sizes[j])
            found[places[i], places[j]], found[places[j], places[i]] = block, block.T
        return found

    def hessp(self, x: Point, p: Point) -> Any:
        """The matrix of second derivatives times a vector, (n,), without the matrix; by name where x is."""
        vector, product = self._vector(x), np.empty(self._ends[-1])
        directions = self._parts(self._vector(p))
        self._function("product")(*self._parts(vector), *self._data, *directions, out=self._parts(product))
        return self.by_name(product) if isinstance(x, Mapping) else product

    def cost(self, errordef: float = 1.0, **limits: Any) -> Cost:
        """The cost as ``iminuit.Minuit`` takes it, with names, gradient and limits.

        Parameters
        ----------
        errordef : by how much the cost rises at one standard deviation: 1 for χ², 0.5 for −log likelihood.
        limits : as of :meth:`bounds`.
        """
        if not errordef > 0:
            raise ArgumentError(at_line(f"errordef must be above 0, not {errordef!r}: 1 for χ², 0.5 for −log L"))
        return Cost(self, float(errordef), self.bounds(**limits))

    # -- how ----------------------------------------------------------------------------------------------------------
    def _vector(self, x: Point) -> np.ndarray:
        if isinstance(x, Mapping):
            return self.flat(x)
        vector = np.ascontiguousarray(x, FLOAT)
        if vector.shape != (self._ends[-1],):
            told = ", ".join(f"{leaf.name} {show_shape(leaf.shape)}" for leaf in self.parameters)
            raise ShapeError(at_line(f"x has shape {vector.shape}; the parameters {told} are ({self._ends[-1]},)"))
        return vector

    def _parts(self, vector: np.ndarray) -> list[np.ndarray]:
        rows = zip(self.parameters, self._ends, self.sizes, strict=True)
        return [vector[end - size : end].reshape([int(n) for n in leaf.shape]) for leaf, end, size in rows]

    def _arguments(self, x: Point) -> list[np.ndarray]:
        return [*self._parts(self._vector(x)), *self._data]

    def _function(self, what: str) -> Function:
        if what not in self._functions:
            if what != "fun" and (self.loss.ndim == 0) == (what == "jacobian"):
                raise DomainError(at_line(f"{self.loss.display_name}{show_shape(self.loss.shape)} are residuals: they "
                                          f"have fun and jac, as scipy.optimize.least_squares takes them"))  # fmt: skip
            inputs, outputs = self._program(what)
            self._functions[what] = Function(inputs, outputs, "float64", **self._options)  # type: ignore[arg-type]
        return self._functions[what]

    def _program(self, what: str) -> tuple[list[Tensor], list[Tensor]]:
        loss, leaves = self.loss, self.parameters
        inputs = [*leaves, *self._rest]
        if what == "fun":
            return inputs, [loss]
        if what == "jacobian":
            return inputs, [sg.jacobian(loss, leaf) for leaf in leaves]
        slopes = sg.grad(loss, leaves, disconnected="zero")
        gradients: list[Tensor] = [slopes[leaf] for leaf in leaves]
        if what == "gradient":
            return inputs, [loss, *gradients]
        if what == "hessian":
            return inputs, [sg.jacobian(gradients[i], other) for i in range(len(leaves)) for other in leaves[i:]]
        directions = [sg.input(f"p.{leaf.name}", leaf.shape) for leaf in leaves]
        along = reduce(add, (sg.sum(g * p) for g, p in zip(gradients, directions, strict=True)))
        products = sg.grad(along, leaves, disconnected="zero")
        return [*inputs, *directions], [products[leaf] for leaf in leaves]

    def __repr__(self) -> str:
        told = ", ".join(f"{leaf.name} {show_shape(leaf.shape)}" for leaf in self.parameters)
        return f"<{self.loss.display_name} as a function of {self._ends[-1]} numbers: {told}>"


class Cost:
    """A cost as iminuit calls it: by the numbers one after the other, or by one vector."""

    def __init__(self, problem: Problem, errordef: float, limits: Sequence[Pair]) -> None:
        self.errordef, self._problem = errordef, problem
        rows = zip(problem.names, limits, strict=True)
        self._parameters = {name: None if pair == (None, None) else pair for name, pair in rows}

    def __call__(self, *x: Any) -> float:
        return self._problem.fun(_together(x))  # type: ignore[no-any-return]

    def grad(self, *x: Any) -> np.ndarray:
        """The gradient (n,)."""
        return self._problem.jac(_together(x))  # type: ignore[no-any-return]


def _together(x: Sequence[Any]) -> Any:
    return x[0] if len(x) == 1 and np.ndim(x[0]) == 1 else x


@explained
def scipy(
    loss: Any, data: Mapping[str, Any] | None = None, *, parameters: Any = None, key: int | None = None,
    mode: str = "evaluate",
) -> Problem:  # fmt: skip
    """A cost as functions for ``scipy.optimize`` and iminuit: ``fun``, ``jac``, ``hess``, ``hessp``, ``bounds``.

    Parameters
    ----------
    loss : a scalar, to be minimised; or residuals (M,), as ``scipy.optimize.least_squares`` and ``root`` take them.
    data : arrays of the leaves that are no parameters, by name; converted to float64 once.
    parameters : the leaves, symbols or names that x holds, in its order; by default all parameters in the order of
        their declaration or, where there are none, all plain symbols without data, by name.
    key, mode : as of :func:`codegen.function`.

    Returns
    -------
    :class:`Problem`.

    Raises
    ------
    ArgumentError, ShapeError, DomainError
        for data that are missing or do not fit, for parameters that the loss does not depend on.
    """
    return Problem(loss, data, parameters, key, mode)


def _chosen(loss: Tensor, leaves: Sequence[Tensor], parameters: Any, data: Mapping[str, Any]) -> list[Tensor]:
    known = {str(leaf.name): leaf for leaf in in_order(leaves)}
    if parameters is None:
        found = [leaf for leaf in in_order(leaves) if leaf.kind == "parameter"]
        found = found or [leaf for leaf in in_order(leaves) if leaf.kind == "scalar" and leaf.name not in data]
        if not found:
            raise ArgumentError(at_line(f"{loss.display_name} depends on no parameter; say which: parameters=[…]"))
        return found
    single = isinstance(parameters, str | sp.Basic) or not isinstance(parameters, Iterable)
    items = [parameters] if single else list(parameters)
    chosen = []
    for item in items:
        leaf = known.get(item) if isinstance(item, str) else item if isinstance(item, Tensor) else None
        leaf = Tensor.scalar(item) if isinstance(item, sp.Symbol) else leaf
        if leaf is None or leaf not in leaves:
            raise ArgumentError(
                at_line(f"{loss.display_name} does not depend on {item}; it does on {', '.join(known)}")
            )
        if leaf.is_label or not all(size.is_Integer for size in leaf.shape):
            raise DomainError(at_line(f"{described(leaf)} is no parameter: expected real numbers of a fixed shape"))
        if str(leaf.name) in data:
            raise ArgumentError(at_line(f"{leaf.name} is a parameter and among the data: leave it out of one of them"))
        chosen.append(leaf)
    if len(set(chosen)) < len(chosen) or not chosen:
        raise ArgumentError(at_line("parameters needs at least one, each once"))
    return chosen


def _names(leaf: Tensor) -> list[str]:
    """``W`` of a scalar, ``W[0, 1]``, … of an array."""
    if not leaf.ndim:
        return [str(leaf.name)]
    places = product(*(range(int(size)) for size in leaf.shape))
    return [f"{leaf.name}[{', '.join(map(str, place))}]" for place in places]


def _first(leaf: Tensor, draws: np.random.Generator) -> Any:
    if leaf.init is not None:
        return first_values(leaf, draws, FLOAT)
    is_positive = leaf.symbol is not None and leaf.symbol.is_positive
    return np.full([int(size) for size in leaf.shape], 1.0 if is_positive else 0.0)


def _bounds(leaf: Tensor, given: Any) -> list[Pair]:
    shape = tuple(int(size) for size in leaf.shape)
    symbol = leaf.symbol
    least = None
    if symbol is not None and symbol.is_nonnegative:
        least = sys.float_info.min if symbol.is_positive else 0.0
    low, high = (least, None) if given is None else _pair(leaf, given)
    sides = [_broadcast(leaf, side, shape) for side in (low, high)]
    pairs = list(zip(*sides, strict=True))
    for name, (below, above) in zip(_names(leaf), pairs, strict=True):
        if below is not None and above is not None and below > above:
            raise ArgumentError(at_line(f"the bounds of {name} are the wrong way round: {below} > {above}"))
    return pairs  # type: ignore[return-value]


def _pair(leaf: Tensor, given: Any) -> Any:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ArgumentError(at_line(f"the bounds of {leaf.name} are a pair (low, high), None where there is none"))
    return given


def _broadcast(leaf: Tensor, side: Any, shape: tuple[int, ...]) -> list[float | None]:
    if side is None:
        return [None] * int(np.prod(shape, dtype=int))
    try:
        values = np.broadcast_to(np.asarray(side, FLOAT), shape).reshape(-1)
    except (ValueError, TypeError):
        raise ShapeError(
            at_line(f"bounds of {leaf.name} {show_shape(leaf.shape)} are numbers, or arrays of its shape, not {side!r}")
        ) from None
    return [float(value) if np.isfinite(value) else None for value in values]


def _value(outputs: Sequence[np.ndarray]) -> Any:
    return outputs[0] if outputs[0].ndim else float(outputs[0])
