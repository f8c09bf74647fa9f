"""A program as data: values in order, each an operation on earlier ones; and the rules for shapes.

A scalar formula is a nested tuple:

    ("num", "1/10")   ("arg", k)   ("el", k, indices)   ("idx", "i")   ("add", f, g)   ("exp", f)   …
    ("if", condition, f, g)   ("red", "sum", names, f)            condition: ("<", f, g), ("and", c, d), ("not", c)

``k`` counts the arguments of the value; an index is ("aff", constant, ((name, factor), …)) or ("lab", k, indices).
A size is an integer, or ("N", offset) for one that is free at run time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

Size = Any
Formula = tuple[Any, ...]
LABELS = ("argmax", "argmin")


class Malformed(Exception):
    """A program that breaks the rules: no program at all."""


@dataclass(frozen=True)
class Leaf:
    """Given values; ``profile`` says how they are drawn. A symbol is a plain SymPy symbol."""

    kind: str  # input, parameter, labels, constant, symbol
    name: str
    shape: tuple[Size, ...]
    profile: str = "normal"
    classes: int = 0


@dataclass(frozen=True)
class Value:
    """An operation on earlier values: their numbers, and what else the operation needs."""

    op: str
    args: tuple[int, ...] = ()
    data: Any = None


@dataclass(frozen=True)
class Program:
    """Values, the numbers of those that are asked for, and the sizes at run time."""

    values: tuple[Value, ...]
    outputs: tuple[int, ...]
    sizes: tuple[tuple[str, int], ...] = (("N", 3),)
    seed: int = 0
    dtype: str = "float64"
    native: bool = False
    kinds: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)

    @property
    def leaves(self) -> list[Leaf]:
        return [value.data for value in self.values if value.op == "leaf"]

    @property
    def size_of(self) -> dict[str, int]:
        return dict(self.sizes)

    def needed(self) -> set[int]:
        """Values that an output depends on."""
        found, pending = set(), list(self.outputs)
        while pending:
            number = pending.pop()
            if number not in found:
                found.add(number)
                pending.extend(self.values[number].args)
        return found

    def trimmed(self) -> Program:
        """Without the values that no output depends on."""
        keep = sorted(self.needed())
        new = {old: position for position, old in enumerate(keep)}
        values = [replace(self.values[old], args=tuple(new[a] for a in self.values[old].args)) for old in keep]
        return replace(self, values=tuple(values), outputs=tuple(dict.fromkeys(new[o] for o in self.outputs)))

    def differentiated(self) -> set[int]:
        """Values that something is differentiated with respect to."""
        return {v.args[1] for v in self.values if v.op in ("grad", "jacobian", "hvp")}


def parts(formula: Formula) -> Iterator[Formula]:
    """The formula and everything in it that is one, indices of elements left out."""
    yield formula
    for part in formula[1:]:
        if isinstance(part, tuple) and part and isinstance(part[0], str) and formula[0] not in ("el", "num", "idx"):
            if formula[0] == "red" and part is formula[2]:
                continue
            yield from parts(part)


def run_size(size: Size, sizes: dict[str, int]) -> int:
    """A size at run time."""
    return size if isinstance(size, int) else sizes[size[0]] + size[1]


def shapes_of(program: Program) -> list[tuple[Size, ...]]:
    """The shape of every value.

    Raises
    ------
    Malformed
        where an operation does not take what it is given.
    """
    shapes: list[tuple[Size, ...]] = []
    for value in program.values:
        if any(not 0 <= a < len(shapes) for a in value.args):
            raise Malformed("an argument comes later")
        shapes.append(_shape(program, value, shapes))
    return shapes


def is_label(program: Program, number: int) -> bool:
    """Whether a value holds integers that may index an axis."""
    value = program.values[number]
    return value.op in LABELS or (value.op == "leaf" and value.data.kind == "labels")


def classes_of(program: Program, number: int, shapes: list[tuple[Size, ...]]) -> Size:
    """How many different integers a label may be."""
    value = program.values[number]
    return value.data.classes if value.op == "leaf" else shapes[value.args[0]][value.data]


def _shape(program: Program, value: Value, shapes: list[tuple[Size, ...]]) -> tuple[Size, ...]:
    given = [shapes[a] for a in value.args]
    real = value.op not in ("leaf", "define")
    if real and any(is_label(program, a) for a in value.args):
        raise Malformed("a label where a real is needed")
    match value.op:
        case "leaf":
            return value.data.shape
        case "formula":
            return broadcast([given[p[1]] for p in parts(value.data) if p[0] == "arg"])
        case "sum" | "mean" | "max" | "min":
            axes, keep = value.data
            over = _axes(range(len(given[0])) if axes is None else axes, len(given[0]))
            return tuple(1 if d in over else s for d, s in enumerate(given[0]) if keep or d not in over)
        case "argmax" | "argmin" | "logsumexp":
            (over,) = _axes([value.data], len(given[0]))
            return tuple(s for d, s in enumerate(given[0]) if d != over)
        case "softmax" | "log_softmax":
            _axes([value.data], len(given[0]))
            return given[0]
        case "slice":
            return _sliced(given[0], value.data)
        case "transpose":
            if sorted(value.data) != list(range(len(given[0]))):
                raise Malformed("no permutation")
            return tuple(given[0][d] for d in value.data)
        case "matmul":
            return _product(*given)
        case "define":
            return _defined(given, value.data)
        case "grad":
            if given[0]:
                raise Malformed("a gradient of an array")
            return given[1]
        case "jacobian":
            return given[0] + given[1]
        case "hvp":
            if given[0] or given[1] != given[2]:
                raise Malformed("shapes of a product with a Hessian")
            return given[1]
    raise Malformed(value.op)


def _axes(axes: Any, rank: int) -> set[int]:
    if any(not -rank <= axis < rank for axis in axes):
        raise Malformed("no such axis")
    return {axis % rank for axis in axes}


def broadcast(shapes: list[tuple[Size, ...]]) -> tuple[Size, ...]:
    """NumPy's rule."""
    rank = max(map(len, shapes), default=0)
    result = []
    for position in range(-rank, 0):
        sizes = {s[position] for s in shapes if len(s) >= -position} - {1}
        if len(sizes) > 1:
            raise Malformed("shapes differ")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def _sliced(shape: tuple[Size, ...], keys: tuple[Any, ...]) -> tuple[Size, ...]:
    if len(keys) > len(shape):
        raise Malformed("more keys than axes")
    result = []
    for size, key in zip(shape, (*keys, *((None, None, None),) * (len(shape) - len(keys))), strict=True):
        if isinstance(key, int):
            if isinstance(size, int) and not -size <= key < size:
                raise Malformed("outside")
        elif isinstance(size, int):
            count = len(range(*slice(*key).indices(size)))
            if count == 0:
                raise Malformed("empty")
            result.append(count)
        else:
            start, stop, step = key
            if step not in (None, -1) or (step == -1 and (start, stop) != (None, None)):
                raise Malformed("a step along a symbolic axis")
            result.append((size[0], size[1] - (start or 0) + (stop or 0)))
    return tuple(result)


def _product(left: tuple[Size, ...], right: tuple[Size, ...]) -> tuple[Size, ...]:
    if not left or not right or left[-1] != right[0 if len(right) == 1 else -2]:
        raise Malformed("inner sizes")
    outer = broadcast([left[:-2], right[:-2]])
    return (*outer, *left[-2:-1], *(right[-1:] if len(right) > 1 else ()))


def _defined(given: list[tuple[Size, ...]], data: Any) -> tuple[Size, ...]:
    """``data``: free indices with their sizes, bound ones with theirs, the body."""
    free, bound, body = data
    extents = dict(free) | dict(bound)
    if len(extents) < len(free) + len(bound):
        raise Malformed("an index twice")
    for part in parts(body):
        if part[0] == "el":
            _check_element(given[part[1]], part[2], extents, given)
        if part[0] == "idx" and part[1] not in extents:
            raise Malformed("no such index")
        if part[0] == "red" and any(name not in dict(bound) for name in part[2]):
            raise Malformed("no such index")
    plain = {i[2][0][0]: None for p in parts(body) if p[0] == "el" for i in p[2] if _is_plain(i)}
    if any(name not in plain for name in dict(bound)):
        raise Malformed("the extent does not follow")
    return tuple(size for _, size in free)


def _is_plain(index: Any) -> bool:
    return index[0] == "aff" and index[1] == 0 and len(index[2]) == 1 and index[2][0][1] == 1


def _check_element(shape: tuple[Size, ...], indices: Any, extents: dict[str, Size], given: Any) -> None:
    if len(indices) != len(shape):
        raise Malformed("rank")
    for size, index in zip(shape, indices, strict=True):
        if index[0] == "lab":
            _check_element(given[index[1]], index[2], extents, given)
        elif any(name not in extents for name, _ in index[2]):
            raise Malformed("no such index")
        elif _is_plain(index) and extents[index[2][0][0]] != size:
            raise Malformed("two extents")
