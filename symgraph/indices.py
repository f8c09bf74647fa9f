"""Sizes and indices: the symbols that stand in brackets, ``x[n, i]``, and the extents they run over."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import sympy as sp

from symgraph.checked_names import checked_name
from symgraph.errors import ShapeError
from symgraph.provenance import at_line

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


def dim(name: str) -> Dim:
    """Declare a symbolic size.

    >>> dim("N") is dim("N")
    True
    """
    return Dim(checked_name(name, "the name of a size"))


def indices(names: str) -> tuple[Index, ...]:
    """Declare indices for :func:`define`: ``n, i, j = sg.indices("n i j")``."""
    if not isinstance(names, str) or not names.replace(",", " ").split():
        checked_name(names, "names of indices")
    return tuple(Index(checked_name(name, "the name of an index")) for name in names.replace(",", " ").split())


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


def as_shape(dims: Iterable[Any] | Any) -> Shape:
    """Normalise a shape: integers at least 1 and size symbols.

    Raises
    ------
    ShapeError
        for a size that is not a positive integer or an integer symbol.
    """
    try:
        sizes = (dims,) if hasattr(dims, "__index__") or isinstance(dims, sp.Basic) else tuple(dims)
    except TypeError:
        raise ShapeError(at_line(f"a shape is a tuple of sizes, not {dims!r}")) from None
    result = []
    for size in sizes:
        try:
            value = sp.sympify(int(size)) if hasattr(size, "__index__") else size
        except TypeError:
            value = size
        if not isinstance(value, sp.Expr) or value.is_integer is False or not value.is_positive:
            raise ShapeError(at_line(f"a size must be a positive integer or sg.dim(...), not {size!r}"))
        for symbol in value.free_symbols:
            checked_name(symbol.name, "the name of a size")
        result.append(value)
    return tuple(result)


def show_shape(shape: Iterable[sp.Expr]) -> str:
    """Text of a shape: ``(N, 64)``, ``(10,)``, ``()``."""
    sizes = [str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
