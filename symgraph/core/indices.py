"""Sizes and indices: the symbols that stand in brackets, ``x[n, i]``, and the extents they run over."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from symgraph.core.checked_names import checked_name
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.errors import IndexNotationError, ShapeError

__all__ = ["dim", "indices"]

Shape = tuple[sp.Expr, ...]


class Dim(sp.Symbol):
    """A size that stays a symbol in formulas and is free at run time, such as the batch size ``N``; at least 1."""

    def __new__(cls, name: str) -> Dim:
        return super().__new__(cls, name, integer=True, positive=True)  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return ((self.name,), {})


class Index(sp.Symbol):
    """An index that runs over an axis: a non-negative integer symbol. Its extent follows from where it is used."""

    def __new__(cls, name: str) -> Index:
        return super().__new__(cls, name, integer=True, nonnegative=True)  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return ((self.name,), {})


class Ranged(Index):
    """An index that says itself how far it runs: ``u, v = sg.indices("u v", 3)``."""

    extent: sp.Expr

    def __new__(cls, name: str, extent: sp.Expr) -> Ranged:
        index = sp.Symbol.__xnew__(cls, name, integer=True, nonnegative=True)
        index.extent = extent
        return index  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> tuple[Any, dict[str, Any]]:
        return ((self.name, self.extent), {})

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.extent)


class Indices(tuple[Index, ...]):
    """What :func:`indices` returns: to be unpacked, also where it is one."""

    def _unpacked(self, other: Any) -> Any:
        names = " ".join(index.name for index in self)
        left = f"({', '.join(index.name for index in self)}{',' * (len(self) == 1)})"
        raise IndexNotationError(at_line(f"sg.indices({names!r}) is a tuple: write {left} = sg.indices({names!r})"))

    def __add__(self, other: Any) -> Any:
        return (*self, *other) if isinstance(other, tuple) else self._unpacked(other)

    def __radd__(self, other: Any) -> Any:
        return (*other, *self) if isinstance(other, tuple) else self._unpacked(other)

    __sub__ = __rsub__ = __mul__ = __rmul__ = _unpacked  # type: ignore[assignment]
    __floordiv__ = __mod__ = __pow__ = __truediv__ = __rtruediv__ = _unpacked


@explained
def dim(name: str) -> Dim:
    """Declare a symbolic size.

    >>> dim("N") is dim("N")
    True
    """
    return Dim(checked_name(name, "the name of a size"))


@explained
def indices(names: str, extent: Any = None) -> Indices:
    """Declare indices for :func:`define`: ``n, i, j = sg.indices("n i j")``; all of one extent, ``("u v", 3)``.

    Without an extent an index runs over the axis that it stands on.
    """
    if not isinstance(names, str) or not names.replace(",", " ").split():
        checked_name(names, "names of indices")
    checked = [checked_name(name, "the name of an index") for name in names.replace(",", " ").split()]
    if extent is None:
        return Indices(Index(name) for name in checked)
    (size,) = as_shape((extent,))
    return Indices(Ranged(name, size) for name in checked)


@cache
def axis(position: int) -> Index:
    """Canonical free index of a definition: the name a stored body uses for axis ``position``."""
    return Index(f"_{position}")


@cache
def bound(position: int) -> Index:
    """Canonical bound index of a reduction."""
    return Index(f"_r{position}")


@cache
def fresh(position: int) -> Index:
    """An index that no stored body uses: for renaming without capture."""
    return Index(f"_f{position}")


def extents_of(shape: Shape, reduced: Shape = ()) -> dict[Index, sp.Expr]:
    """How far the canonical indices of a definition run: free ones over a shape, bound ones over what is reduced."""
    free = {axis(d): size for d, size in enumerate(shape)}
    return free | {bound(d): size for d, size in enumerate(reduced)}


def is_size(value: Any) -> bool:
    """Whether something is an integer made of numbers and :func:`dim` sizes alone."""
    if not isinstance(value, sp.Expr) or not value.is_integer:
        return False
    return all(isinstance(atom, (Dim, sp.Rational)) for atom in value.atoms())


def several(given: Any) -> list[Any]:
    """One integer, or what a list, a tuple or another iterable has.

    Raises
    ------
    TypeError
        for what has places and no end, as an IndexedBase.
    """
    if hasattr(given, "__index__"):
        return [given]
    if not isinstance(given, Iterable):
        raise TypeError(f"{given!r} is no list")
    return list(given)


def as_shape(dims: Iterable[Any] | Any) -> Shape:
    """Normalise a shape: positive integers, and expressions of :func:`dim` sizes such as N − 1 and N//2.

    What may be less than 1 for some sizes is asked of the sizes of each call
    (:func:`symgraph.core.bounds.requirements`).

    Raises
    ------
    ShapeError
        for a size that is no integer, that other symbols occur in, or that is less than 1 for all sizes.
    """
    try:
        sizes = (dims,) if hasattr(dims, "__index__") or isinstance(dims, sp.Basic) else tuple(dims)
    except TypeError:
        raise ShapeError(at_line(f"a shape is a tuple of sizes, not {dims!r}")) from None
    result = []
    for size in sizes:
        try:
            value = sp.sympify(int(size)) if hasattr(size, "__index__") else size
        except (TypeError, ValueError, OverflowError):  # an array has __index__, whatever it holds
            value = size
        if not is_size(value) or is_at_least_zero(value - 1) is False:
            raise ShapeError(at_line(f"a size must be a positive integer or made of sg.dim(...), not {size!r}"))
        for symbol in value.free_symbols:
            checked_name(symbol.name, "the name of a size")
        result.append(sp.expand(value))
    return tuple(result)


@lru_cache(maxsize=65536)
def is_at_least_zero(size: sp.Expr) -> bool | None:
    """Whether an integer made of sizes is at least 0: True or False where that holds for all sizes, else None."""
    if size.is_Integer:
        return bool(size >= 0)
    if _never_negative(size):
        return True
    return False if _never_negative(-1 - size) else None


def _never_negative(size: sp.Expr) -> bool:
    low = _without_floors(sp.expand(size))
    if low is None:
        return False
    grown = sp.expand(low.xreplace({dim: 1 + sp.Dummy(nonnegative=True) for dim in low.atoms(Dim)}))
    return bool(grown.is_nonnegative) or all(term.is_nonnegative for term in sp.Add.make_args(grown))


def _without_floors(size: sp.Expr) -> sp.Expr | None:
    """A lower bound in which ⌊p/q⌋ is p/q or p/q − (q − 1)/q."""
    total = sp.S.Zero
    for term in sp.Add.make_args(size):
        factor, rest = term.as_coeff_Mul()
        floors = [part for part in sp.Mul.make_args(rest) if isinstance(part, sp.floor)]
        if not floors:
            total += term
        elif rest == floors[0]:
            inside = floors[0].args[0]
            below = sp.denom(sp.together(inside))
            if not below.is_Integer:
                return None
            total += factor * (inside - (sp.Rational(below - 1, below) if factor > 0 else 0))
        else:
            return None
    return total if not total.has(sp.floor) else _without_floors(sp.expand(total))


class _SizePrinter(StrPrinter):  # type: ignore[misc]
    """⌊N/2⌋ as N//2."""

    def _print_floor(self, expression: sp.floor) -> str:
        above, below = sp.fraction(sp.together(expression.args[0]))
        return f"{self.parenthesize(above, PRECEDENCE['Mul'])}//{self._print(below)}"


def show_size(size: sp.Expr) -> str:
    """Text of a size, or of an index: ``N - 1``, ``(N + 1)//2``."""
    return str(_SizePrinter().doprint(size))


def show_shape(shape: Iterable[sp.Expr]) -> str:
    """Text of a shape: ``(N, 64)``, ``(10,)``, ``()``, ``((N + 1)//2,)``."""
    sizes = [show_size(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
