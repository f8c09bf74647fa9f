"""A program's values, one scalar operation after the other, on a tape: no code of what is tested, no array formulas."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from tests.fuzz.programs import Formula, Program, Size, parts, run_size, shapes_of
from tests.fuzz.tape import PRECISION, Num, Tape, derivatives

MOST_OPERATIONS = 60_000


class OutOfRange(Exception):
    """An element outside its array is read: a call has to refuse."""


class TooLong(Exception):
    """More operations than the oracle takes on."""


@dataclass(frozen=True)
class Label:
    """An integer that may index; ``loose`` where rounding may choose another."""

    value: int
    loose: bool = False


def evaluate(program: Program, data: Mapping[str, np.ndarray], dtype: str) -> dict[int, np.ndarray]:
    """Arrays of :class:`Num` or :class:`Label`, by the number of an output."""
    with mpmath.workprec(PRECISION), np.errstate(all="ignore"):
        run = _Run(program, data, Tape(dtype))
        return {number: run.arrays[number] for number in program.outputs}


class _Run:
    def __init__(self, program: Program, data: Mapping[str, np.ndarray], tape: Tape) -> None:
        self.program, self.tape, self.sizes = program, tape, program.size_of
        self.shapes = shapes_of(program)
        self.arrays: dict[int, np.ndarray] = {}
        self.first = tape.number(0).serial
        wrt, needed = program.differentiated(), program.needed()
        for number, value in enumerate(program.values):
            if number in needed:
                self.number = number
                given = [self.arrays[a] for a in value.args]
                if value.op == "leaf":
                    array = self._leaf(value.data, data[value.data.name])
                else:
                    array = getattr(self, f"_{value.op}")(value.data, *given)
                self.arrays[number] = self._fresh(array) if number in wrt and value.op != "leaf" else array

    def _leaf(self, leaf: Any, array: np.ndarray) -> np.ndarray:
        if leaf.kind == "labels":
            return _array(array.shape, lambda at: Label(int(array[at])))
        return _array(array.shape, lambda at: self.tape.number(_exact(array[at])))

    def _fresh(self, array: np.ndarray) -> np.ndarray:
        """The same numbers, told apart from what they were made of."""
        return _array(array.shape, lambda at: self.tape.same(array[at]))

    # -- operations -----------------------------------------------------------------------------------------------
    def _formula(self, formula: Formula, *given: np.ndarray) -> np.ndarray:
        used = sorted({part[1] for part in parts(formula) if part[0] == "arg"})
        shape = np.broadcast_shapes(*(given[k].shape for k in used))
        stretched = {k: np.broadcast_to(given[k], shape) for k in used}
        return _array(shape, lambda at: self._scalar(formula, lambda p: stretched[p[1]][at], {}, {}))

    def _define(self, data: Any, *given: np.ndarray) -> np.ndarray:
        free, bound, body = data
        extents = {name: run_size(size, self.sizes) for name, size in (*free, *bound)}
        names = [name for name, _ in free]

        def element(at: tuple[int, ...]) -> Num:
            place = dict(zip(names, at, strict=True))
            return self._scalar(body, lambda p: p, place, extents, given)

        return _array(tuple(extents[name] for name in names), element)

    def _scalar(
        self, f: Formula, arg: Callable[[Any], Num], place: dict[str, int], extents: dict[str, int], given: Any = ()
    ) -> Num:
        tape = self.tape
        again = lambda g: self._scalar(g, arg, place, extents, given)  # noqa: E731
        match f[0]:
            case "num":
                return tape.number(f[1])
            case "arg":
                return arg(f)
            case "idx":
                return tape.number(place[f[1]])
            case "el":
                return _element(tape, given, f, place)
            case "red":
                _, op, names, body = f
                ranges = [range(extents[name]) for name in names]
                inner = [
                    self._scalar(body, arg, place | dict(zip(names, at, strict=True)), extents, given)
                    for at in itertools.product(*ranges)
                ]
                return self._reduce(op, inner)
            case "if":
                holds, unsure = self._holds(f[1], again)
                taken, other = (f[2], f[3]) if holds else (f[3], f[2])
                return tape.same(again(taken), unsure, losers=self._other_branch(other, again) if unsure else [])
            case "pow":
                return tape.pow(again(f[1]), again(f[2]), not _varies(f[2]))
            case "max" | "min":
                return self._larger(f[0], again(f[1]), again(f[2]), (not _varies(f[1]), not _varies(f[2])))
        self._check_length()
        function = getattr(self, f"f_{f[0]}", None) or getattr(tape, f[0])
        return function(*map(again, f[1:]))  # type: ignore[no-any-return]

    @staticmethod
    def _other_branch(formula: Formula, again: Callable[[Formula], Num]) -> list[Num]:
        try:
            return [again(formula)]
        except OutOfRange:
            return []

    def _check_length(self) -> None:
        if self.tape.number(0).serial - self.first > MOST_OPERATIONS:
            raise TooLong

    def _larger(self, op: str, a: Num, b: Num, literal: tuple[bool, bool]) -> Num:
        """Max or Min; where both are equal the derivative is a literal number's, or nobody says whose."""
        sign, unsure = self.tape.order(a, b)
        if undefined := [number for number in (a, b) if not mpmath.isfinite(number.value)]:
            return self.tape.same(undefined[0], True, losers=[a, b])  # as in NumPy, a NaN is the largest and the smallest
        sign *= 1 if op == "max" else -1
        chosen, other = (a, b) if sign > 0 or (sign == 0 and literal[0]) else (b, a)
        corner = sign == 0 and (unsure or not any(literal))
        return self.tape.same(chosen, unsure and sign != 0, corner, [other])

    def _holds(self, c: Formula, again: Callable[[Formula], Num]) -> tuple[bool, bool]:
        """Whether a condition holds, and whether rounding may turn it; nothing is read that need not be."""
        if c[0] == "not":
            holds, unsure = self._holds(c[1], again)
            return not holds, unsure
        if c[0] in ("and", "or"):
            results = []
            for part in c[1:]:
                holds, unsure = self._holds(part, again)
                if not unsure and holds == (c[0] == "or"):
                    return holds, False
                results.append((holds, unsure))
            return (all if c[0] == "and" else any)(h for h, _ in results), any(u for _, u in results)
        a, b = again(c[1]), again(c[2])
        sign, unsure = self.tape.order(a, b)
        return {"<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0, "==": sign == 0}[c[0]], unsure

    # -- functions that are made of others -----------------------------------------------------------------------
    def f_abs(self, a: Num) -> Num:
        sign, unsure = self.tape.order(a, self.tape.number(0))
        if sign == 0:
            return self.tape.mul(self.tape.number(0), a) if not unsure else self.tape.same(a, ambiguous=True)
        chosen = a if sign > 0 else self.tape.neg(a)
        return self.tape.same(chosen, corner=unsure)

    def f_sign(self, a: Num) -> Num:
        sign, unsure = self.tape.order(a, self.tape.number(0))
        return self.tape.same(self.tape.number(sign), ambiguous=unsure)

    def f_relu(self, a: Num) -> Num:
        sign, unsure = self.tape.order(a, self.tape.number(0))
        if sign > 0 or not mpmath.isfinite(a.value):
            return self.tape.same(a, corner=unsure)
        return self.tape.same(self.tape.number(0), corner=unsure, losers=[a])

    def f_square(self, a: Num) -> Num:
        return self.tape.mul(a, a)

    def f_gelu(self, a: Num) -> Num:
        tape = self.tape
        scaled = tape.mul(a, tape.number(1 / mpmath.sqrt(2)))
        return tape.mul(tape.mul(a, tape.number("1/2")), tape.add(tape.number(1), tape.erf(scaled)))

    def f_silu(self, a: Num) -> Num:
        return self.tape.mul(a, self.tape.sigmoid(a))

    def f_mish(self, a: Num) -> Num:
        return self.tape.mul(a, self.tape.tanh(self.tape.softplus(a)))

    def f_log_sigmoid(self, a: Num) -> Num:
        return self.tape.neg(self.tape.softplus(self.tape.neg(a)))

    def f_softsign(self, a: Num) -> Num:
        return self.tape.div(a, self.tape.add(self.tape.number(1), self.f_abs(a)))

    def f_leaky_relu(self, a: Num) -> Num:
        sign, unsure = self.tape.order(a, self.tape.number(0))
        chosen = a if sign > 0 else self.tape.mul(a, self.tape.number("1/100"))
        return self.tape.same(chosen, corner=unsure)

    def f_elu(self, a: Num) -> Num:
        sign, unsure = self.tape.order(a, self.tape.number(0))
        chosen = a if sign > 0 else self.tape.expm1(a)
        return self.tape.same(chosen, corner=unsure)

    def f_hardtanh(self, a: Num) -> Num:
        low = self._larger("min", a, self.tape.number(1), (False, True))
        return self._larger("max", self.tape.number(-1), low, (True, False))

    # -- arrays ---------------------------------------------------------------------------------------------------
    def _reduce(self, op: str, numbers: list[Num]) -> Any:
        self._check_length()
        if op == "sum":
            return self.tape.total(numbers)
        if op == "mean":
            return self.tape.div(self.tape.total(numbers), self.tape.number(len(numbers)))
        chosen, unsure = self.tape.best(numbers, 1 if op.endswith("max") else -1)
        if op in ("argmax", "argmin"):
            return Label(chosen, unsure)
        losers = [n for position, n in enumerate(numbers) if position != chosen]
        same = all(n.value == numbers[0].value for n in numbers)
        return self.tape.same(numbers[chosen], unsure and not same, unsure, losers)

    def _over(self, op: str, array: np.ndarray, axes: Any, keep: bool) -> np.ndarray:
        over = {axis % array.ndim for axis in (range(array.ndim) if axes is None else axes)}
        kept = [d for d in range(array.ndim) if d not in over]

        def element(at: tuple[int, ...]) -> Any:
            place = dict(zip(kept, at, strict=True))
            return self._reduce(op, list(array[tuple(place.get(d, slice(None)) for d in range(array.ndim))].ravel()))

        result = _array(tuple(array.shape[d] for d in kept), element) if over else array
        return result.reshape([1 if d in over else s for d, s in enumerate(array.shape)]) if keep else result

    def _sum(self, data: Any, array: np.ndarray) -> np.ndarray:
        return self._over("sum", array, *data) if array.ndim else array

    def _mean(self, data: Any, array: np.ndarray) -> np.ndarray:
        return self._over("mean", array, *data) if array.ndim else array

    def _max(self, data: Any, array: np.ndarray) -> np.ndarray:
        return self._over("max", array, *data) if array.ndim else array

    def _min(self, data: Any, array: np.ndarray) -> np.ndarray:
        return self._over("min", array, *data) if array.ndim else array

    def _argmax(self, axis: int, array: np.ndarray) -> np.ndarray:
        return self._over("argmax", array, [axis], False)

    def _argmin(self, axis: int, array: np.ndarray) -> np.ndarray:
        return self._over("argmin", array, [axis], False)

    def _normaliser(self, axis: int, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """exp(x − max) and max, by which no input overflows."""
        largest = _array(array.shape, lambda at: array[at])
        rows = np.moveaxis(largest, axis, -1)
        for row in np.ndindex(rows.shape[:-1]):
            top = max(rows[row], key=lambda n: n.value if mpmath.isfinite(n.value) else -mpmath.inf)
            rows[row] = [Num(top.value, 0.0, top.plain, top.loose)] * rows.shape[-1]
        shifted = _array(array.shape, lambda at: self.tape.exp(self.tape.sub(array[at], largest[at])))
        return shifted, largest

    def _softmax(self, axis: int, array: np.ndarray) -> np.ndarray:
        shifted, _ = self._normaliser(axis, array)
        total = self._over("sum", shifted, [axis], True)
        return _array(array.shape, lambda at: self.tape.div(shifted[at], np.broadcast_to(total, array.shape)[at]))

    def _logsumexp(self, axis: int, array: np.ndarray) -> np.ndarray:
        shifted, largest = self._normaliser(axis, array)
        total = self._over("sum", shifted, [axis], False)
        top = np.take(largest, 0, axis)
        top = top if isinstance(top, np.ndarray) else np.array(top, dtype=object)
        return _array(total.shape, lambda at: self.tape.add(self.tape.log(total[at]), top[at]))

    def _log_softmax(self, axis: int, array: np.ndarray) -> np.ndarray:
        shifted, largest = self._normaliser(axis, array)
        total = np.broadcast_to(self._over("sum", shifted, [axis], True), array.shape)
        tape = self.tape
        return _array(array.shape, lambda at: tape.sub(tape.sub(array[at], largest[at]), tape.log(total[at])))

    def _slice(self, keys: Any, array: np.ndarray) -> np.ndarray:
        for key, size in zip(keys, array.shape, strict=False):
            if isinstance(key, int) and not -size <= key < size:
                raise OutOfRange
        result = array[tuple(key if isinstance(key, int) else slice(*key) for key in keys)]
        if isinstance(result, np.ndarray) and 0 in result.shape:
            raise OutOfRange
        return result if isinstance(result, np.ndarray) else _array((), lambda _: result)

    def _transpose(self, order: Any, array: np.ndarray) -> np.ndarray:
        return array.transpose(order)

    def _matmul(self, _: Any, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        a = left if left.ndim > 1 else left[None, :]
        b = right if right.ndim > 1 else right[:, None]
        outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = np.broadcast_to(a, (*outer, *a.shape[-2:])), np.broadcast_to(b, (*outer, *b.shape[-2:]))

        def element(at: tuple[int, ...]) -> Num:
            pairs = zip(a[(*at[:-1], slice(None))], b[(*at[:-2], slice(None), at[-1])], strict=True)
            return self.tape.total([self.tape.mul(x, y) for x, y in pairs])

        self._check_length()
        result = _array((*outer, a.shape[-2], b.shape[-1]), element)
        result = result if right.ndim > 1 else result[..., 0]
        result = result if left.ndim > 1 else result[..., 0, :] if right.ndim > 1 else result[..., 0]
        return result if isinstance(result, np.ndarray) else _array((), lambda _: result)

    # -- derivatives ----------------------------------------------------------------------------------------------
    def _grad(self, _: Any, loss: np.ndarray, wrt: np.ndarray) -> np.ndarray:
        self._check_length()
        found = iter(derivatives(self.tape, loss[()], list(wrt.ravel())))
        return _array(wrt.shape, lambda _: next(found))

    def _jacobian(self, _: Any, output: np.ndarray, wrt: np.ndarray) -> np.ndarray:
        rows = [self._grad(None, _scalar_array(y), wrt) for y in output.ravel()]
        result = np.empty((len(rows), *wrt.shape), dtype=object)
        for number, row in enumerate(rows):
            result[number, ...] = row
        return result.reshape(output.shape + wrt.shape)

    def _hvp(self, _: Any, loss: np.ndarray, wrt: np.ndarray, vector: np.ndarray) -> np.ndarray:
        gradient = self._grad(None, loss, wrt)
        terms = [self.tape.mul(g, v) for g, v in zip(gradient.ravel(), vector.ravel(), strict=True)]
        return self._grad(None, _array((), lambda _: self.tape.total(terms)), wrt)


def _array(shape: tuple[int, ...], element: Callable[[tuple[int, ...]], Any]) -> np.ndarray:
    result = np.empty(shape, dtype=object)
    for at in np.ndindex(shape):
        result[at] = element(at)
    return result


def _scalar_array(number: Any) -> np.ndarray:
    return _array((), lambda _: number)


def _exact(number: Any) -> Any:
    return number if isinstance(number, mpmath.mpf) else mpmath.mpf(float(number))


def _varies(formula: Formula) -> bool:
    return any(part[0] in ("el", "arg") for part in parts(formula))


def _element(tape: Tape, given: Any, f: Formula, place: dict[str, int]) -> Num:
    at, loose = _place(given, f[1], f[2], place)
    found = given[f[1]][at]
    return tape.same(found, ambiguous=True) if loose else found


def _place(given: Any, k: int, indices: Any, place: dict[str, int]) -> tuple[tuple[int, ...], bool]:
    """Where an element lies, and whether a label on the way may be another."""
    at, loose = [], False
    for index in indices:
        if index[0] == "lab":
            inner, unsure = _place(given, index[1], index[2], place)
            label = given[index[1]][inner]
            at.append(label.value)
            loose |= unsure or label.loose
        else:
            at.append(index[1] + sum(factor * place[name] for name, factor in index[2]))
    if any(not 0 <= i < size for i, size in zip(at, given[k].shape, strict=True)):
        raise OutOfRange
    return tuple(at), loose


def elements(array: np.ndarray) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Every element with its place."""
    for at in np.ndindex(array.shape):
        yield at, array[at]


__all__ = ["Label", "OutOfRange", "Size", "TooLong", "elements", "evaluate"]
