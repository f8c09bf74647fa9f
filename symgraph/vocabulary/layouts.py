"""Weights of the same network in other libraries: which array is which, and which axis is which, one row a parameter.

    params = sg.nn.from_torch(net, module)                    arrays by our names, of a module or its state_dict
    module.load_state_dict(sg.nn.to_torch(net, params))       and back
    params = sg.nn.from_keras(net, model)                     by the order of the layers;  to_keras(net, params, model)
    params = sg.nn.from_sklearn(net, perceptron)              of an MLPClassifier or MLPRegressor that is fitted

Layers have PyTorch's names and, but for the (in, out) of an affine one, its layouts. Values are copied, never shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgraph.core.indices import show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.vocabulary.module import Module

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a parameter is called elsewhere, and the order of its axes there: theirs[k] is our axis ``axes[k]``."""

    name: str
    axes: tuple[int, ...] | None = None

    def ours(self, theirs: np.ndarray) -> np.ndarray:
        """Their array in our order."""
        return theirs if self.axes is None else theirs.transpose(np.argsort(self.axes))

    def theirs(self, ours: np.ndarray) -> np.ndarray:
        """Our array in their order."""
        return ours if self.axes is None else ours.transpose(self.axes)


TORCH: dict[tuple[str, str], Layout] = {("Linear", "weight"): Layout("weight", (1, 0))}
"""By layer and parameter where it is not as here."""
SCALED = {"weight": Layout("gamma"), "bias": Layout("beta")}
KERAS: dict[str, dict[str, Layout]] = {
    "Linear": {"weight": Layout("kernel"), "bias": Layout("bias")},
    "Conv1d": {"weight": Layout("kernel", (2, 1, 0)), "bias": Layout("bias")},
    "Conv2d": {"weight": Layout("kernel", (2, 3, 1, 0)), "bias": Layout("bias")},
    "Conv3d": {"weight": Layout("kernel", (2, 3, 4, 1, 0)), "bias": Layout("bias")},
    "Embedding": {"weight": Layout("embeddings")},
    "LayerNorm": SCALED,
    "GroupNorm": SCALED,
    "BatchNorm1d": {**SCALED, "running_mean": Layout("moving_mean"), "running_var": Layout("moving_variance")},
    "BatchNorm2d": {**SCALED, "running_mean": Layout("moving_mean"), "running_var": Layout("moving_variance")},
}
"""By layer, then by parameter. Keras has channels last, so that a Flatten between a convolution and an affine layer
orders its features otherwise: such a network is refused."""


@dataclass(frozen=True, slots=True)
class _Owned:
    """A parameter or state with the layer that it belongs to."""

    layer: str
    leaf: Tensor

    @property
    def part(self) -> str:
        return str(self.leaf.name).rpartition(".")[2]


def _owned(net: Module) -> Iterator[list[_Owned]]:
    """The parameters and states of every layer that has some of its own, in order."""
    every = [*net.parameters(), *net.states()]  # which names those of the layers below
    below = [leaf for child in net.children().values() for leaf in (*child.parameters(), *child.states())]
    own = [leaf for leaf in every if leaf not in below]
    if own:
        yield [_Owned(type(net).__name__, leaf) for leaf in own]
    for child in net.children().values():
        yield from _owned(child)


def _layers(net: Any) -> list[list[_Owned]]:
    if not isinstance(net, Module):
        raise DomainError(at_line(f"weights belong to the layers of a network of sg.nn, not to {net!r}"))
    return list(_owned(net))


def _copied(leaf: Tensor, theirs: np.ndarray, layout: Layout) -> np.ndarray:
    """Their array as ours, of the leaf's shape."""
    shape = tuple(int(size) for size in leaf.shape)
    given = np.asarray(theirs)
    if given.ndim == len(shape):
        given = layout.ours(given)
    if given.shape != shape:
        here = f"{leaf.name} has shape {show_shape(leaf.shape)}"
        raise ShapeError(at_line(f"{here}; {layout.name} there is {given.shape}"))
    return np.array(given, order="C")


# -- PyTorch ----------------------------------------------------------------------------------------------------------
@explained
def from_torch(net: Module, theirs: Any, prefix: str = "") -> Arrays:
    """Parameters and states of a PyTorch module of the same layers.

    Parameters
    ----------
    net : a network of ``sg.nn``.
    theirs : the ``torch.nn.Module``, or its ``state_dict()``.
    prefix : what our names begin with and theirs do not: ``"encoder."`` of ``Sequential(…, name="encoder")``.

    Raises
    ------
    ArgumentError
        for an array that is missing there, or that is none of this network.
    ShapeError
        with both shapes, if they differ.
    """
    state = theirs.state_dict() if hasattr(theirs, "state_dict") else theirs
    if not isinstance(state, Mapping):
        raise DomainError(at_line(f"from_torch takes a torch.nn.Module or its state_dict(), not {theirs!r}"))
    given = {str(name): value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
             for name, value in state.items() if not str(name).endswith("num_batches_tracked")}  # fmt: skip
    found: Arrays = {}
    for owned in (one for layer in _layers(net) for one in layer):
        name = str(owned.leaf.name).removeprefix(prefix)
        if name not in given:
            raise ArgumentError(at_line(f"there is no {name} there; there are {', '.join(given) or 'none'}"))
        layout = TORCH.get((owned.layer, owned.part), Layout(name))
        found[str(owned.leaf.name)] = _copied(owned.leaf, given.pop(name), layout)
    if given:
        raise ArgumentError(at_line(f"the network has no {', '.join(given)}; its parameters are {', '.join(found)}"))
    return found


@explained
def to_torch(net: Module, params: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, Any]:
    """A ``state_dict`` of tensors for a PyTorch module of the same layers; ``prefix`` as in :func:`from_torch`.

    Raises
    ------
    ArgumentError
        if ``params`` lacks an array of the network.
    """
    import torch

    found: dict[str, Any] = {}
    for owned in (one for layer in _layers(net) for one in layer):
        name = str(owned.leaf.name).removeprefix(prefix)
        layout = TORCH.get((owned.layer, owned.part), Layout(name))
        found[name] = torch.from_numpy(np.array(layout.theirs(_of(params, owned.leaf)), order="C"))
    return found


def _of(params: Mapping[str, np.ndarray], leaf: Tensor) -> np.ndarray:
    if str(leaf.name) not in params:
        raise ArgumentError(at_line(f"params has no {leaf.name}; it has {', '.join(map(str, params)) or 'none'}"))
    return np.asarray(params[str(leaf.name)])


# -- Keras ------------------------------------------------------------------------------------------------------------
@explained
def from_keras(net: Module, model: Any) -> Arrays:
    """Parameters and states of a Keras model of the same layers, which are told apart by their order.

    Raises
    ------
    ArgumentError
        for another number of layers with weights, or a layer whose layout there is not known.
    ShapeError
        with both shapes, if they differ.
    """
    found: Arrays = {}
    for owned, layer in _in_keras(net, model):
        layout = KERAS[owned.layer][owned.part]
        found[str(owned.leaf.name)] = _copied(owned.leaf, np.asarray(getattr(layer, layout.name)), layout)
    return found


@explained
def to_keras(net: Module, params: Mapping[str, np.ndarray], model: Any) -> None:
    """Set the weights of a Keras model of the same layers; errors as of :func:`from_keras`."""
    values = [(owned, layer, _of(params, owned.leaf)) for owned, layer in _in_keras(net, model)]
    for owned, layer, array in values:
        layout = KERAS[owned.layer][owned.part]
        getattr(layer, layout.name).assign(layout.theirs(array))


def _in_keras(net: Module, model: Any) -> Iterator[tuple[_Owned, Any]]:
    ours, theirs = _layers(net), [layer for layer in model.layers if layer.weights]
    kinds = [layer[0].layer for layer in ours]
    _check_count("layers with weights", kinds, [type(layer).__name__ for layer in theirs])
    unknown = sorted(set(kinds) - set(KERAS))
    if unknown:
        raise ArgumentError(at_line(f"the layout of {unknown[0]} in Keras is not known; known are {', '.join(KERAS)}"))
    if any("Conv" in kind for kind in kinds) and any(type(layer).__name__ == "Flatten" for layer in model.layers):
        raise ArgumentError(
            at_line("Keras flattens channels last: the features after Flatten are in another order than here; take the "
                    "mean over places (global_avg_pool) on both sides, or permute the weights after it yourself")
        )  # fmt: skip
    for layer, there in zip(ours, theirs, strict=True):
        yield from ((owned, there) for owned in layer)


def _check_count(what: str, ours: Sequence[str], theirs: Sequence[str]) -> None:
    if len(ours) != len(theirs):
        raise ArgumentError(
            at_line(f"the network has {len(ours)} {what} ({', '.join(ours)}), there are {len(theirs)} there "
                    f"({', '.join(theirs)})")
        )  # fmt: skip


# -- scikit-learn -----------------------------------------------------------------------------------------------------
@explained
def from_sklearn(net: Module, perceptron: Any) -> Arrays:
    """Parameters of a fitted ``MLPClassifier`` or ``MLPRegressor`` for a network of as many affine layers.

    Its output of two classes is one score, the second against the first.

    Raises
    ------
    ArgumentError, ShapeError
        if it is not fitted, or has other layers.
    """
    if not hasattr(perceptron, "coefs_"):
        raise ArgumentError(at_line(f"{type(perceptron).__name__} has no coefs_: fit it first"))
    ours = _layers(net)
    _check_count("layers", [layer[0].layer for layer in ours], ["Linear"] * len(perceptron.coefs_))
    found: Arrays = {}
    for layer, weight, bias in zip(ours, perceptron.coefs_, perceptron.intercepts_, strict=True):
        if [owned.part for owned in layer] != ["weight", "bias"] or layer[0].layer != "Linear":
            raise ArgumentError(at_line(f"{layer[0].layer} is no affine layer with a bias, as a perceptron's are"))
        for owned, array, name in zip(layer, (weight, bias), ("coefs_", "intercepts_"), strict=True):
            found[str(owned.leaf.name)] = _copied(owned.leaf, array, Layout(name))
    return found


__all__ = ["from_keras", "from_sklearn", "from_torch", "to_keras", "to_torch"]
