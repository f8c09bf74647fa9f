"""What somebody claims a derivative to be: formulas, or a function of arrays, of PyTorch or of JAX.

A formula is evaluated in high precision, a function in float64. A function gets the arrays of the leaves, and of the
upstream gradient if the forward value is no scalar or the function takes it all the same, by the names of its
parameters where they are those of the leaves (the upstream gradient is then any other one), else in order, the
upstream gradient last.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from symgraph.auditing.points import DIGITS, Point, is_small
from symgraph.core.define import as_tensor
from symgraph.core.graph import topological
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError
from symgraph.reference import evaluate
from symgraph.vocabulary.elementwise import Elementwise

Arrays = dict[Tensor, np.ndarray]
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Claim:
    """Claimed derivatives by leaf: ``formulas``, or ``function`` from the arrays of a point to theirs."""

    formulas: Mapping[Tensor, Tensor]
    function: Callable[[Point], Arrays] | None = None

    def at(self, point: Point) -> Arrays:
        """The claimed derivatives at a point."""
        return self.function(point) if self.function is not None else values_of(self.formulas, point)


def values_of(formulas: Mapping[Tensor, Tensor], point: Point) -> Arrays:
    """Formulas by leaf, evaluated in high precision; in float64 where the arrays are large."""
    with mpmath.workdps(DIGITS):
        dtype = "mpmath" if is_small(point) else np.float64
        found = evaluate(list(formulas.values()), dict(point.values), dtype, point.sizes)
    return dict(zip(formulas, found, strict=True))


def claim_of(claimed: Any, leaves: Sequence[Tensor], of: Sequence[Tensor], upstream: Tensor | None) -> Claim:
    """What is claimed, as a :class:`Claim` on the derivatives with respect to ``of``."""
    if isinstance(claimed, Elementwise):
        claimed = claimed(*leaves)
    if isinstance(claimed, Mapping):
        by_name = {str(getattr(key, "name", key)): value for key, value in claimed.items()}
        unknown = sorted(by_name.keys() - {str(leaf.name) for leaf in of})
        if unknown:
            raise ArgumentError(at_line(f"{unknown[0]} is no leaf of the forward value; it has {_names(of)}"))
        return Claim({leaf: as_tensor(by_name[str(leaf.name)]) for leaf in of if str(leaf.name) in by_name})
    if not isinstance(claimed, Tensor | sp.Basic) and (callable(claimed) or isinstance(claimed, type)):
        given = [*leaves, *([upstream] if upstream is not None else [])]
        return Claim({}, _called(_arrays_function(claimed, upstream), given, of, upstream))
    if len(of) != 1:
        raise ArgumentError(
            at_line(f"one formula is claimed, and the forward value has {len(of)} leaves, {_names(of)}: give of=, "
                    "or a dict from leaf to formula")
        )  # fmt: skip
    return Claim({of[0]: as_tensor(claimed)})


def takes_upstream(claimed: Any, leaves: Sequence[Tensor]) -> bool:
    """Whether a function needs one array more than there are leaves: a backward written for any gradient."""
    if isinstance(claimed, Tensor | sp.Basic | Mapping | type) or not callable(claimed):
        return False
    try:
        taken = inspect.signature(claimed).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(p.kind in POSITIONAL and p.default is p.empty for p in taken) == len(leaves) + 1


def checked_leaves(claim: Claim, known: Sequence[Tensor]) -> None:
    """Raise if a claimed formula reads a leaf that the forward value does not have."""
    for formula in claim.formulas.values():
        for tensor in topological([formula]):
            if tensor.definition is None and tensor.value is None and tensor not in known:
                raise ArgumentError(
                    at_line(f"the claimed formula reads {tensor.kind} {tensor.name}, which the forward value does not: "
                            f"it has {_names(known)}")
                )  # fmt: skip


def _names(leaves: Sequence[Tensor]) -> str:
    return ", ".join(str(leaf.name) for leaf in leaves)


def _called(
    function: Callable[..., Any], given: Sequence[Tensor], of: Sequence[Tensor], upstream: Tensor | None
) -> Callable[[Point], Arrays]:
    place = _places(function, given, upstream)
    _check_call(function, given, place)

    def at(point: Point) -> Arrays:
        arrays = [np.array(point.values[str(leaf.name)]) for leaf in given]
        positional = [array for array, name in zip(arrays, place, strict=True) if name is None]
        named = {name: array for array, name in zip(arrays, place, strict=True) if name is not None}
        with np.errstate(all="ignore"):
            found = function(*positional, **named)
        if isinstance(found, Mapping):
            return {leaf: np.asarray(found[str(leaf.name)]) for leaf in of if str(leaf.name) in found}
        listed = found if isinstance(found, tuple | list) else (found,)
        if len(listed) == len(given) - (upstream is not None):  # PyTorch's and JAX's: one for each input
            everyone = [leaf for leaf in given if leaf is not upstream]
            by_leaf = dict(zip(everyone, listed, strict=True))
            return {leaf: np.asarray(by_leaf[leaf]) for leaf in of if by_leaf[leaf] is not None}
        if len(listed) != len(of):
            raise ArgumentError(f"the claimed function gives {len(listed)} arrays; expected {len(of)}: {_names(of)}")
        return {leaf: np.asarray(array) for leaf, array in zip(of, listed, strict=True) if array is not None}

    return at


def _places(function: Callable[..., Any], given: Sequence[Tensor], upstream: Tensor | None) -> list[str | None]:
    """The parameter that takes each array; None for one that is given in order."""
    try:
        taken = inspect.signature(function).parameters.values()
        parameters = [p.name for p in taken if p.kind is p.POSITIONAL_OR_KEYWORD]
    except (TypeError, ValueError):
        return [None] * len(given)
    names = [str(leaf.name) for leaf in given if leaf is not upstream]
    rest = [name for name in parameters if name not in names]
    if set(names) <= set(parameters) and len(rest) == (upstream is not None):
        return [str(leaf.name) if leaf is not upstream else rest[0] for leaf in given]
    return [None] * len(given)


def _check_call(function: Callable[..., Any], given: Sequence[Tensor], place: Sequence[str | None]) -> None:
    """Raise if a function cannot be called with these arrays."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*(0 for name in place if name is None), **{name: 0 for name in place if name is not None})
    except TypeError as error:
        raise ArgumentError(
            at_line(f"the claimed function takes {signature}; it is given the arrays {_names(given)}: {error}")
        ) from error


def _arrays_function(claimed: Any, upstream: Tensor | None) -> Callable[..., Any]:
    """A function of arrays; PyTorch's Functions and JAX's custom derivatives are run by their own libraries."""
    kind = claimed if isinstance(claimed, type) else type(claimed)
    modules = {base.__module__.split(".")[0] for base in kind.__mro__}
    if isinstance(claimed, type) and "torch" in modules:
        return _by_torch(claimed.apply, upstream)  # type: ignore[attr-defined]
    if "jax" in modules:
        return _by_jax(claimed, upstream)
    return claimed  # type: ignore[no-any-return]


def _by_torch(apply: Callable[..., Any], upstream: Tensor | None) -> Callable[..., Any]:
    def backward(*arrays: np.ndarray) -> list[np.ndarray | None]:
        import torch

        given = arrays[:-1] if upstream is not None else arrays
        inputs = [torch.from_numpy(array) for array in given]
        real = [tensor.requires_grad_() for tensor in inputs if tensor.is_floating_point()]
        output = apply(*inputs)
        seed = torch.from_numpy(arrays[-1]) if upstream is not None else torch.ones_like(output)
        found = iter(torch.autograd.grad(output, real, seed.reshape(output.shape), allow_unused=True))
        slopes = [next(found) if tensor.is_floating_point() else None for tensor in inputs]
        return [None if slope is None else slope.numpy() for slope in slopes]

    return backward


def _by_jax(function: Callable[..., Any], upstream: Tensor | None) -> Callable[..., Any]:
    def backward(*arrays: np.ndarray) -> list[np.ndarray | None]:
        import jax

        home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental  # it has moved

        with home.enable_x64(True):
            given = arrays[:-1] if upstream is not None else arrays
            output, pull = jax.vjp(function, *given)
            seed = arrays[-1] if upstream is not None else np.ones(())
            found = pull(np.asarray(seed, output.dtype).reshape(output.shape))
        is_real = [np.issubdtype(array.dtype, np.floating) for array in given]
        return [np.asarray(slope) if real else None for slope, real in zip(found, is_real, strict=True)]

    return backward
