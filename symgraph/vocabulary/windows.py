"""Windows: convolutions and poolings, each a few lines of index notation over the padded input.

    conv2d:    y[n, o, p, q] = Σ_{c,u,v} x[n, c, 2·p + u, 2·q + v]·W[o, c, u, v] + b[o]
    max_pool:  y[n, c, p, q] = max_{u,v} x[n, c, 2·p + u, 2·q + v]

Axes are PyTorch's: (batch, channels, places…). Their gradients are what the index equations say.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import Any

import sympy as sp

from symgraph.core.define import Max, Sum, as_tensor, define
from symgraph.core.indices import Index, Ranged, Shape, is_at_least_zero, several, show_size
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor, require_real
from symgraph.errors import ShapeError
from symgraph.vocabulary.functions import max, mean
from symgraph.vocabulary.joining import pad, repeat
from symgraph.vocabulary.shapes import broadcast_to, reshape, shown

__all__ = [
    "avg_pool", "conv1d", "conv2d", "conv3d", "global_avg_pool", "global_max_pool", "max_pool", "unfold",
    "upsample",
]  # fmt: skip

Numbers = int | Iterable[int]
Padding = int | str | Iterable[Any]


def numbers(given: Any, count: int, what: str, least: int = 1) -> tuple[int, ...]:
    """A number for each place axis."""
    found = several(given) * (count if hasattr(given, "__index__") else 1)
    if len(found) != count or not all(hasattr(n, "__index__") and int(n) >= least for n in found):
        raise ShapeError(at_line(f"{what} is a number of at least {least}, or {count} of them, not {given!r}"))
    return tuple(map(int, found))


class _Windows:
    """The padded input, and how far and where a window of some size moves over its last axes."""

    def __init__(
        self,
        name: str,
        x: Tensor,
        kernel: tuple[int, ...],
        stride: Any,
        padding: Any,
        dilation: Any,
        fill: Any = 0,
        ceil_mode: bool = False,
    ) -> None:
        places = len(kernel)
        self.kernel, self.name = kernel, name
        self.stride = numbers(stride, places, f"{name}: stride")
        self.dilation = numbers(dilation, places, f"{name}: dilation")
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, self.dilation, strict=True)]
        self.widths = self._widths(padding)
        self.beyond = self._beyond(x, reach) if ceil_mode else [(0, 0)] * places
        borders = zip(self.widths, self.beyond, strict=True)
        self.x = self.padded(x, [(before, after + more) for (before, after), (_, more) in borders], fill)
        sizes = self.x.shape[-places:]
        for d, (size, far) in enumerate(zip(sizes, reach, strict=True)):
            if is_at_least_zero(size - far) is False:
                where = f"axis {x.ndim - places + d} of {shown(x)}"
                raise ShapeError(
                    at_line(f"{name}: the window of {kernel[d]} reaches over {far} elements, {where} has, padded, "
                            f"{show_size(size)}: expected no more; take a smaller one, or more padding")
                )  # fmt: skip
        self.shape: Shape = tuple(
            sp.expand(sp.floor((size - far) / sp.Integer(s))) + 1
            for size, far, s in zip(sizes, reach, self.stride, strict=True)
        )
        self.out = [Ranged(f"p{d}", size) for d, size in enumerate(self.shape)]
        self.over = [Ranged(f"u{d}", sp.Integer(size)) for d, size in enumerate(kernel)]
        moves = zip(self.stride, self.out, self.dilation, self._inside, strict=True)
        self.at = [s * p + d * u for s, p, d, u in moves]

    @property
    def _inside(self) -> list[sp.Expr]:
        """The places in a window; a window of one element has the place 0."""
        return [sp.S.Zero if size == 1 else u for u, size in zip(self.over, self.kernel, strict=True)]

    @staticmethod
    def padded(x: Tensor, widths: list[tuple[int, int]], fill: Any) -> Tensor:
        """``x`` with borders of a value along its last axes."""
        if not any(w for pair in widths for w in pair):
            return x
        return pad(x, [(0, 0)] * (x.ndim - len(widths)) + widths, value=fill)

    def _beyond(self, x: Tensor, reach: list[int]) -> list[tuple[int, int]]:
        """How far the last window goes on where every one counts that begins before the right border."""
        sizes = x.shape[-len(reach) :]
        if not all(size.is_Integer for size in sizes):
            raise ShapeError(at_line(f"{self.name}: ceil_mode needs places that are numbers, not those of {shown(x)}"))
        found = []
        for size, far, step, (before, after) in zip(sizes, reach, self.stride, self.widths, strict=True):
            last = -((far - int(size) - before - after) // step) * step
            last -= step if last >= size + before else 0
            found.append((0, builtins.max(last + far - int(size) - before - after, 0)))
        return found

    def _widths(self, padding: Any) -> list[tuple[int, int]]:
        places = len(self.kernel)
        if padding == "valid":
            return [(0, 0)] * places
        if padding == "same":
            if any(s != 1 for s in self.stride):
                raise ShapeError(at_line(f'{self.name}: padding "same" needs stride 1, not {self.stride}'))
            total = [d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True)]
            return [(n // 2, n - n // 2) for n in total]
        if isinstance(padding, str):
            raise ShapeError(at_line(f'{self.name}: padding is "same", "valid" or numbers, not {padding!r}'))
        pairs = several(padding)
        if len(pairs) == places and all(isinstance(p, tuple) and len(p) == 2 for p in pairs):
            return [(int(before), int(after)) for before, after in pairs]
        return [(n, n) for n in numbers(padding, places, f"{self.name}: padding", 0)]

    def reduced(self, kind: Callable[..., Any]) -> Tensor:
        """``kind`` over every window."""
        outer = [Index(f"n{d}") for d in range(self.x.ndim - len(self.kernel))]
        body = kind(Element(self.x, *outer, *self.at), *self.over)
        return define([*outer, *self.out], body, (*self.x.shape[: len(outer)], *self.shape))


def _convolution(places: int, x: Any, weight: Any, bias: Any, moves: tuple[Any, ...], groups: int) -> Tensor:
    name = f"conv{places}d"
    a, w = as_tensor(x), as_tensor(weight)
    for tensor in (a, w):
        require_real(tensor, name)
        if tensor.ndim != places + 2:
            raise ShapeError(at_line(f"{name}: {shown(tensor)} needs {places + 2} axes"))
    channels, outputs = a.shape[1], w.shape[0]
    if not all(size.is_Integer for size in (*w.shape, channels)):
        raise ShapeError(at_line(f"{name}: the sizes of {shown(w)} and the channels of {shown(a)} must be numbers"))
    (count,) = numbers(groups, 1, f"{name}: groups")
    if channels % count or outputs % count or w.shape[1] * count != channels:
        of_groups = f" in {count} groups" if count > 1 else ""
        raise ShapeError(
            at_line(f"{name}: {shown(w)} takes {w.shape[1] * count} channels{of_groups}, {shown(a)} has {channels}: "
                    f"expected weights of shape (outputs, {show_size(sp.sympify(channels) / count)}, …)")
        )  # fmt: skip
    view = _Windows(name, a, tuple(map(int, w.shape[2:])), *moves)
    n, o, c = Index("n"), Index("o"), Ranged("c", w.shape[1])
    inner = sp.S.Zero if w.shape[1] == 1 else c
    first = sp.S.Zero if count == 1 else w.shape[1] * sp.floor(o / (outputs // count))
    body: Any = Sum(Element(view.x, n, first + inner, *view.at) * Element(w, o, c, *view.over), c, *view.over)
    if bias is not None:
        b = as_tensor(bias)
        if b.shape != (outputs,):
            raise ShapeError(at_line(f"{name}: the bias {shown(b)} needs the shape ({outputs},)"))
        body += Element(b, o)
    return define([n, o, *view.out], body, (a.shape[0], outputs, *view.shape))


@names_result
def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Numbers = 1, padding: Padding = 0, dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Correlation of (N, C, L) with a weight (O, C/groups, K): (N, O, ⌊(L + 2p − d·(K − 1) − 1)/s⌋ + 1).

    Parameters
    ----------
    padding : a number, (before, after) pairs, one for each place axis, ``"same"`` (stride 1) or ``"valid"``.

    Raises
    ------
    ShapeError
        for channels that do not agree, and a window that is larger than the padded input.
    """
    return _convolution(1, x, weight, bias, (stride, padding, dilation), groups)


@names_result
def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Numbers = 1, padding: Padding = 0, dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Correlation of (N, C, H, W) with a weight (O, C/groups, K, K′), as :func:`conv1d`."""
    return _convolution(2, x, weight, bias, (stride, padding, dilation), groups)


@names_result
def conv3d(
    x: Any, weight: Any, bias: Any = None, stride: Numbers = 1, padding: Padding = 0, dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Correlation of (N, C, D, H, W) with a weight (O, C/groups, K, K′, K″), as :func:`conv1d`."""
    return _convolution(3, x, weight, bias, (stride, padding, dilation), groups)


# -- pooling ----------------------------------------------------------------------------------------------------------
def _pooled(
    name: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, fill: Any, ceil_mode: bool
) -> _Windows:
    a = as_tensor(x)
    if a.ndim < 3:
        raise ShapeError(at_line(f"{name}: {shown(a)} needs axes (batch, channels, places…)"))
    sizes = numbers(kernel, a.ndim - 2, f"{name}: kernel_size")
    padded = padding if hasattr(padding, "__index__") else None
    if padded is not None and any(2 * int(padded) > size for size in sizes):
        raise ShapeError(at_line(f"{name}: a padding of {padded} is more than half of the window {sizes}"))
    return _Windows(name, a, sizes, sizes if stride is None else stride, padding, dilation, fill, ceil_mode)


@names_result
def max_pool(
    x: Any, kernel_size: Numbers, stride: Numbers | None = None, padding: Padding = 0, dilation: Numbers = 1,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """Largest element of every window over the places of (N, C, places…); the stride is the window unless told.

    The derivative goes to the first that attains it; the border is −∞. With ``ceil_mode`` a last window may leave the
    border at the right, if it begins before.
    """
    return _pooled("max_pool", x, kernel_size, stride, padding, dilation, -sp.oo, ceil_mode).reduced(Max)


@names_result
def avg_pool(
    x: Any, kernel_size: Numbers, stride: Numbers | None = None, padding: Padding = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Tensor:  # fmt: skip
    """Mean of every window over the places of (N, C, places…), as PyTorch's.

    The border counts as zeros, unless ``count_include_pad`` is False; what ``ceil_mode`` adds behind it counts never.
    ``divisor_override`` is what the sums are divided by instead.
    """
    view = _pooled("avg_pool", x, kernel_size, stride, padding, 1, 0, ceil_mode)
    totals = view.reduced(Sum)
    if divisor_override is not None:
        return totals / divisor_override  # type: ignore[no-any-return]
    borders = view.beyond if count_include_pad else [*view.widths, *view.beyond]
    if not any(w for pair in borders for w in pair):
        return view.reduced(lambda body, *over: Sum(body, *over) / sp.prod(view.kernel))
    counted = broadcast_to(1, (1, 1, *as_tensor(x).shape[2:]))
    counted = view.padded(counted, view.widths, 1 if count_include_pad else 0)
    counts = _Windows("avg_pool", view.padded(counted, view.beyond, 0), view.kernel, view.stride, 0, 1)
    return totals / counts.reduced(Sum)  # type: ignore[no-any-return]


@names_result
def global_max_pool(x: Any) -> Tensor:
    """Largest element over all places: (N, C, places…) → (N, C)."""
    return max(x, range(2, as_tensor(x).ndim))


@names_result
def global_avg_pool(x: Any) -> Tensor:
    """Mean over all places: (N, C, places…) → (N, C)."""
    return mean(x, range(2, as_tensor(x).ndim))


# -- windows as axes --------------------------------------------------------------------------------------------------
@names_result
def unfold(x: Any, kernel_size: Numbers, dilation: Numbers = 1, padding: Padding = 0, stride: Numbers = 1) -> Tensor:
    """Every window of (N, C, places…) as a column: (N, C·window, number of windows), PyTorch's ``unfold``."""
    a = as_tensor(x)
    if a.ndim < 3:
        raise ShapeError(at_line(f"unfold: {shown(a)} needs axes (batch, channels, places…)"))
    view = _Windows("unfold", a, numbers(kernel_size, a.ndim - 2, "unfold: kernel_size"), stride, padding, dilation)
    n, c = Index("n"), Index("c")
    columns = define([n, c, *view.over, *view.out], Element(view.x, n, c, *view.at),
                     (*a.shape[:2], *view.kernel, *view.shape))  # fmt: skip
    return reshape(columns, (a.shape[0], a.shape[1] * sp.prod(view.kernel), sp.prod(view.shape)))


@names_result
def upsample(x: Any, scale_factor: Numbers) -> Tensor:
    """Every place of (N, C, places…) so many times: nearest upsampling."""
    a = as_tensor(x)
    for d, times in enumerate(numbers(scale_factor, a.ndim - 2, "upsample: scale_factor")):
        a = repeat(a, times, d + 2)
    return a
