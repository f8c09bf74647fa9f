"""The obvious evaluator: every definition on the whole grid of its indices, from its formula. The oracle of all tests.

evaluate([J], {"x": ..., "W": ...})     float64
evaluate([J], values, dtype="mpmath")   object arrays of high-precision numbers
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from statistics import NormalDist
from typing import Any

import numpy as np
import sympy as sp

from symgraph.core.bounds import requirements
from symgraph.core.chance import KEY, STEP, streams
from symgraph.core.external import procedure_of
from symgraph.core.graph import topological
from symgraph.core.indices import Dim, axis, bound, show_shape
from symgraph.core.recurrence import Recurrence, recurrence_of
from symgraph.core.scalars import Delta, StableFunction, Written, selected, slots_in, stop_gradient
from symgraph.core.tensor import Element, Tensor
from symgraph.core.threefry import uniform
from symgraph.errors import ArgumentError, DomainError

Values = Mapping[str, Any]
Grid = dict[sp.Basic, Any]


def evaluate(
    outputs: Iterable[Tensor] | Tensor, values: Values, dtype: Any = np.float64, sizes: Mapping[str, int] | None = None
) -> Any:
    """Values of tensors.

    Parameters
    ----------
    outputs : a tensor (an array comes back) or several (a list comes back).
    values : arrays of the leaves by name; sizes follow from their shapes.
    dtype : a floating dtype, or ``"mpmath"`` for object arrays of numbers with mpmath's working precision.
    sizes : sizes that no leaf tells.

    Raises
    ------
    ArgumentError
        if a leaf is missing or an array does not have its leaf's shape.
    """
    wanted = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    order = topological(wanted)
    mode = _Mpmath() if dtype == "mpmath" else _Floats(np.dtype(dtype))
    known: dict[Tensor, np.ndarray] = {}
    dims: dict[sp.Basic, Any] = {Dim(name): sp.Integer(size) for name, size in (sizes or {}).items()}
    numbers = streams(order)
    for tensor in order:
        if tensor.definition is None and tensor not in numbers:
            known[tensor] = _leaf(tensor, values, mode)
            told = zip(tensor.shape, map(sp.Integer, known[tensor].shape), strict=True)
            dims = dict(pair for pair in told if isinstance(pair[0], Dim)) | dims
    for tensor, array in known.items():
        if array.shape != tuple(size.xreplace(dims) for size in tensor.shape):
            raise ArgumentError(f"{tensor.name} has shape {show_shape(tensor.shape)}; the array has {array.shape}")
    for requirement in requirements(wanted):
        if requirement.size.atoms(Dim) <= dims.keys() and not requirement.holds(dims):
            raise ArgumentError(requirement.message({dim.name: int(size) for dim, size in dims.items()}))
    for tensor, stream in numbers.items():
        known[tensor] = _random(tensor, stream, values, dims, mode)
    with np.errstate(all="ignore"):
        for tensor in order:
            if tensor.definition is not None:
                known[tensor] = _value(tensor, known, dims, mode)
    return known[wanted[0]] if isinstance(outputs, Tensor) else [known[tensor] for tensor in wanted]


def _leaf(tensor: Tensor, values: Values, mode: Any) -> np.ndarray:
    if tensor.value is not None:
        given: Any = tensor.value
    elif str(tensor.name) in values:
        given = values[str(tensor.name)]
    else:
        raise ArgumentError(f"{tensor.kind} {tensor.name}{show_shape(tensor.shape)} has no value")
    array = np.asarray(given)
    if array.ndim != tensor.ndim:
        raise ArgumentError(f"{tensor.name} has shape {show_shape(tensor.shape)}; the array has {array.shape}")
    return array.astype(np.int64) if tensor.dtype == "integer" else mode.array(array)


def _value(tensor: Tensor, known: Mapping[Tensor, np.ndarray], dims: dict[sp.Basic, Any], mode: Any) -> np.ndarray:
    found, called = recurrence_of(tensor), procedure_of(tensor)
    if called is not None:
        shape = [_extent(tensor, size, dims) for size in tensor.shape]
        return mode.array(called[0].values(shape, [known[operand] for operand in called[1]]))
    return _definition(tensor, known, dims, mode) if found is None else _steps(tensor, *found, known, dims, mode)


def _steps(
    tensor: Tensor,
    recurrence: Recurrence,
    value: Tensor,
    known: Mapping[Tensor, np.ndarray],
    dims: dict[sp.Basic, Any],
    mode: Any,
) -> np.ndarray:
    """A value of a recurrence at all steps, one step after the other."""
    loop, given = recurrence.loop, [known[operand] for operand in recurrence.operands]
    count = len(loop.carries)
    carries, inputs, same = given[:count], given[count : count + len(loop.inputs)], given[count + len(loop.inputs) :]
    length = _extent(tensor, loop.length, dims)
    order = topological([*loop.following, value])
    found: dict[int, np.ndarray] = {}
    for t in reversed(range(length)) if loop.backward else range(length):
        step: dict[Tensor, np.ndarray] = dict(zip(loop.carries, carries, strict=True))
        step |= zip(loop.inputs, (array[t] for array in inputs), strict=True)
        step |= zip(loop.constants, same, strict=True)
        for inner in order:
            if inner.definition is not None:
                step[inner] = _value(inner, step, dims, mode)
        carries, found[t] = [step[after] for after in loop.following], step[value]
    return np.stack([found[t] for t in range(length)])


def _random(tensor: Tensor, stream: int, values: Values, dims: dict[sp.Basic, Any], mode: Any) -> np.ndarray:
    """The numbers of a random value; ``random_key`` and ``random_step`` are among the values, 0 unless told."""
    shape = [_extent(tensor, size, dims) for size in tensor.shape]
    places = np.arange(math.prod(shape)).reshape(shape)
    key, step, u = *(int(values.get(str(leaf.name), 0)) for leaf in (KEY, STEP)), sp.Symbol("u", real=True)
    numbers = mode.array(uniform(key, stream, step, places, getattr(mode, "dtype", np.float64)))
    return np.array(_scalar(tensor.draw.distribution.quantile(u), {u: numbers}, {}, mode))


def _definition(tensor: Tensor, known: Mapping[Tensor, np.ndarray], dims: dict[sp.Basic, Any], mode: Any) -> np.ndarray:
    definition = tensor.definition
    assert definition is not None
    free = [_extent(tensor, size, dims) for size in tensor.shape]
    over = [_extent(tensor, size, dims) for size in definition.extents]
    extents = (*free, *over)
    symbols = [axis(d) for d in range(len(free))] + [bound(d) for d in range(len(over))]
    grid: Grid = {dim: int(size) for dim, size in dims.items()}
    grid |= zip(symbols, np.ix_(*map(np.arange, extents)), strict=True)
    body = np.broadcast_to(np.asarray(_scalar(definition.body, grid, known, mode)), extents)
    axes = tuple(range(len(free), len(extents)))
    if definition.op is None:
        return np.array(body)
    if definition.op in ("argmax", "argmin"):
        return np.asarray(getattr(np, definition.op)(body.reshape(*free, -1), axis=-1))
    return np.asarray(getattr(np, definition.op)(body, axis=axes), dtype=body.dtype if body.dtype == object else None)


def _extent(tensor: Tensor, size: sp.Expr, dims: Mapping[sp.Basic, Any]) -> int:
    actual = sp.sympify(size.xreplace(dims))
    if not actual.is_Integer:
        raise ArgumentError(
            f"{tensor.display_name}{show_shape(tensor.shape)}: no array tells the size {actual}; give sizes="
        )
    return int(actual)


def _scalar(body: sp.Basic, grid: Grid, known: Mapping[Tensor, np.ndarray], mode: Any) -> Any:
    """A scalar formula on the grid, operands first, without recursion."""
    done: Grid = {}
    pending = [body]
    while pending:
        node = pending[-1]
        missing = [part for part in _parts(node) if part not in done]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        done[node] = _node(node, done, grid, known, mode)
    return done[body]


def _parts(node: sp.Basic) -> tuple[sp.Basic, ...]:
    if isinstance(node, Element):
        return node.indices
    if isinstance(node, Written):
        return node.operands or node.args
    if isinstance(node, sp.floor):
        above, below = sp.fraction(sp.together(node.args[0]))
        return (above, below) if above.is_integer and below.is_integer else node.args
    if isinstance(node, sp.Piecewise):
        return tuple(part for pair in node.args for part in pair.args)
    return () if node.is_Atom else node.args


def _node(node: Any, done: Grid, grid: Grid, known: Mapping[Tensor, np.ndarray], mode: Any) -> Any:
    args = [done[part] for part in _parts(node)]
    match node:
        case Element():
            return _read(known[node.tensor], args)
        case Delta():
            return mode.truth(np.equal(args[0], args[1]))
        case stop_gradient() | Written(operands=()):
            return args[0]
        case Written():
            return _scalar(node.args[0], {place: args[place.position] for place in slots_in(node.args[0])}, known, mode)
        case sp.Piecewise():
            return _select(args)
        case sp.logic.boolalg.BooleanAtom():
            return bool(node)
        case sp.Symbol():
            return grid[node]
        case _ if node.is_number and node.is_Atom:
            return int(node) if node.is_Integer else mode.number(node)
        case sp.Add():
            return reduce(np.add, args)
        case sp.Mul():
            return _product(node, args, grid, known, mode)
        case sp.Max():
            return reduce(np.maximum, args)
        case sp.Min():
            return reduce(np.minimum, args)
        case sp.And():
            return reduce(np.logical_and, args)
        case sp.Or():
            return reduce(np.logical_or, args)
        case sp.Not():
            return np.logical_not(args[0])
        case sp.floor() if len(args) == 2:
            return np.floor_divide(args[0], args[1])
        case sp.Mod():
            return np.mod(args[0], args[1])
        case sp.Pow():
            return mode.power(node, args)
        case sp.core.relational.Relational():
            return RELATIONS[node.rel_op](args[0], args[1])
        case StableFunction():
            return mode.stable(node, args[0])
        case sp.polygamma() if node.args[0].is_Integer:
            return mode.polygamma(int(node.args[0]), args[1])
    if type(node) not in NAMES or len(args) > 2:
        known_names = ", ".join(NAMES.values())
        raise DomainError(f"no value is known for {type(node).__name__} in {node}; known are {known_names}")
    return mode.function(NAMES[type(node)], args[0])


def _product(node: sp.Mul, args: Sequence[Any], grid: Grid, known: Mapping[Tensor, np.ndarray], mode: Any) -> Any:
    """A product, 0 where its δ are."""
    where = selected(node)
    value = reduce(np.multiply, args)
    return value if where == sp.true else np.where(_scalar(where, grid, known, mode), value, 0 * mode.truth(True))


def _read(array: np.ndarray, indices: Sequence[Any]) -> Any:
    """Elements at indices; outside the array NaN (a label: −1), so that a read that lacks its guard shows."""
    places = np.broadcast_arrays(*(np.asarray(index, dtype=np.int64) for index in indices)) if indices else ()
    outside = np.asarray(False)
    for place, size in zip(places, array.shape, strict=True):
        outside = outside | (place < 0) | (place >= size)
    if not outside.any():
        return array[tuple(places)]
    inside = tuple(np.where(outside, 0, place) for place in places)
    return np.where(outside, -1 if array.dtype.kind == "i" else np.nan, array[inside])


NAMES: dict[type, str] = {
    function: function.__name__
    for function in (
        *(sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh),
        *(sp.acosh, sp.atanh, sp.cot, sp.sec, sp.csc, sp.coth, sp.sech, sp.erf, sp.erfc, sp.Abs, sp.sign, sp.floor),
        *(sp.ceiling, sp.Heaviside, sp.loggamma, sp.gamma, sp.erfinv),
    )
}  # fmt: skip
"""Functions of one argument, by their classes: a user's function of the same name is another one."""
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


def _select(args: Sequence[Any]) -> Any:
    result: Any = np.nan
    for value, condition in reversed(list(zip(args[::2], args[1::2], strict=True))):
        result = np.where(condition, value, result)
    return result


class _Floats:
    """NumPy arithmetic in one floating dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def array(self, given: np.ndarray) -> np.ndarray:
        return given.astype(self.dtype)

    def number(self, node: sp.Expr) -> Any:
        return self.dtype.type(float(node))

    def truth(self, condition: Any) -> Any:
        return np.asarray(condition).astype(self.dtype)

    def power(self, node: sp.Pow, args: Sequence[Any]) -> Any:
        if node.exp == sp.S.Half:
            return np.sqrt(self._real(args[0]))
        if node.base == sp.E:
            return np.exp(self._real(args[1]))
        if node.exp.is_Integer:
            return self._real(args[0]) ** int(node.exp)
        return np.power(self._real(args[0]), self._real(args[1]))

    def _real(self, value: Any) -> Any:
        array = np.asarray(value)
        return array if array.dtype == self.dtype else array.astype(self.dtype)

    def function(self, name: str, u: Any) -> Any:
        u = self._real(u)
        if name in ("erf", "erfc", "loggamma", "erfinv", "gamma"):
            return _by_element(name, u).astype(self.dtype)
        return NUMPY_FUNCTIONS[name](u)

    def polygamma(self, order: int, u: Any) -> Any:
        return self.array(_Mpmath().polygamma(order, u))

    def stable(self, node: StableFunction, u: Any) -> Any:
        u = self._real(u)
        match type(node).__name__:
            case "sigmoid":
                small = np.exp(-np.abs(u))
                return np.where(u >= 0, 1 / (1 + small), small / (1 + small))
            case "softplus":
                return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))
            case "erfcx" | "ndtr" | "log_ndtr":
                return self.array(_Mpmath().stable(node, u))
            case name if hasattr(np, name):
                return getattr(np, name)(u)
        symbol = sp.Dummy(real=True)
        return _scalar(node.formula(symbol), {symbol: u}, {}, self)


NUMPY_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "Abs": np.abs, "sign": np.sign, "floor": np.floor, "ceiling": np.ceil,
    "Heaviside": lambda u: np.heaviside(u, 0.5), "cot": lambda u: 1 / np.tan(u), "sec": lambda u: 1 / np.cos(u),
    "csc": lambda u: 1 / np.sin(u), "coth": lambda u: 1 / np.tanh(u), "sech": lambda u: 1 / np.cosh(u),
}  # fmt: skip


def _by_element(name: str, u: np.ndarray) -> np.ndarray:
    def inverse(x: float) -> float:
        tail = (1 - abs(x)) / 2
        return math.copysign(-NormalDist().inv_cdf(tail) / math.sqrt(2) if tail > 0 else math.inf, x)

    functions = {"erfinv": inverse, "erf": math.erf, "erfc": math.erfc}
    return np.vectorize(functions.get(name, lambda x: float(_Mpmath().function(name, x))), otypes=[np.float64])(u)


class _Mpmath:
    """Arithmetic on object arrays of mpmath numbers, element by element; a value that does not exist is NaN."""

    def __init__(self) -> None:
        import mpmath

        self.mp = mpmath.mp

    def array(self, given: np.ndarray) -> np.ndarray:
        return self._each(lambda value: self.mp.mpf(value) if not isinstance(value, self.mp.mpf) else value, given)

    def number(self, node: sp.Expr) -> Any:
        if node is sp.nan or node.is_infinite:
            return self.mp.nan if node is sp.nan else self.mp.inf if node.is_extended_positive else -self.mp.inf
        return self.mp.mpf(node.p) / node.q if node.is_Rational else self.mp.mpf(sp.N(node, self.mp.dps + 5)._mpf_)

    def truth(self, condition: Any) -> Any:
        return self._each(lambda value: self.mp.mpf(int(value)), condition)

    def power(self, node: sp.Pow, args: Sequence[Any]) -> Any:
        if node.base == sp.E:
            return self._each(self.mp.exp, args[1])
        if node.exp == sp.S.Half:
            return self._each(self.mp.sqrt, args[0])
        return self._each(lambda base, exponent: self.mp.mpf(base) ** exponent, *np.broadcast_arrays(*args))

    def function(self, name: str, u: Any) -> Any:
        name = {"Abs": "fabs", "ceiling": "ceil"}.get(name, name)
        if name == "Heaviside":
            return self._each(lambda value: self.mp.mpf(value > 0) if value else self.mp.mpf(1) / 2, u)
        function = getattr(self.mp, name)
        return self._each((lambda value: function(value).real) if name == "loggamma" else function, u)

    def polygamma(self, order: int, u: Any) -> Any:
        return self._each(lambda value: self.mp.psi(order, value), u)

    def stable(self, node: StableFunction, u: Any) -> Any:
        symbol = sp.Dummy(real=True)
        return _scalar(node.formula(symbol), {symbol: u}, {}, self)

    def _each(self, function: Callable[..., Any], *arrays: Any) -> np.ndarray:
        def guarded(*numbers: Any) -> Any:
            if any(isinstance(number, np.generic) for number in numbers):
                numbers = tuple(n.item() if isinstance(n, np.generic) else n for n in numbers)
            try:
                result = function(*numbers)
            except (ZeroDivisionError, ValueError, OverflowError):
                return self.mp.nan
            return result if isinstance(result, self.mp.mpf) else self.mp.nan

        return np.asarray(np.vectorize(guarded, otypes=[object])(*arrays), dtype=object)
