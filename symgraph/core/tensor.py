"""Tensors: interned SymPy expressions that are leaves or definitions of their own elements.

A tensor is declared by what one of its elements is::

    a[n, j] = Σ_i x[n, i]·W[i, j] + b[j]

It is an atom for SymPy, so nothing ever walks the network as a tree; what it stands for is in ``definition``: a
scalar SymPy body over :class:`Element` of other tensors and canonical indices, with at most one reduction.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import sympy as sp

from symgraph.core import content, dtypes
from symgraph.core.checked_names import checked_name
from symgraph.core.dtypes import DType
from symgraph.core.indices import Shape, axis, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import Provenance, at_line, here
from symgraph.core.reading import call, name_of
from symgraph.core.rebuild import without_ones
from symgraph.core.scalars import as_formula
from symgraph.core.shown import Shown
from symgraph.errors import DomainError, IndexNotationError, ShapeError
from symgraph.vocabulary.init import Initializer
from symgraph.vocabulary.operators import Operators

__all__ = ["Element", "Tensor"]

if TYPE_CHECKING:
    import numpy as np

DISPLAYED = " /|()[],:-−+*=∂∇"
"""What a name may have beside letters, digits and marks where it is only displayed."""

Kind = Literal["input", "parameter", "state", "labels", "scalar", "constant", "slot", "random", "definition"]
Reduction = Literal["sum", "max", "min", "argmax", "argmin", "recurrence", "external"]
_FOLDS = ("sum", "max", "min")


@dataclass(frozen=True, slots=True)
class Definition:
    """``op`` over ``bound(0..)`` of ``body``, for every ``axis(0..)``; without ``op`` the body itself.

    ``extents`` are the sizes of the bound indices. ``argmax`` and ``argmin`` give the first best index, of several
    bound indices their row-major position; a NaN is better than any number, as in NumPy. A ``recurrence`` is a value of
    a loop at all its steps (:mod:`symgraph.core.recurrence`), an ``external`` value is what a procedure computes
    (:mod:`symgraph.core.external`).
    """

    op: Reduction | None
    extents: Shape
    body: sp.Expr

    @property
    def is_opaque(self) -> bool:
        """Whether the body is no formula: it names what computes the value, and has an element of each operand."""
        return self.op in ("recurrence", "external")


class Tensor(Shown, Operators, sp.AtomicExpr):  # type: ignore[misc]
    """A real or integer array of symbolic shape. Build one with :mod:`symgraph.core.declare` or operators, not
    directly.

    Attributes
    ----------
    kind : where its values come from; ``"definition"`` for everything computed.
    name : name of a leaf, else None.
    shape : tuple of positive integers and sizes.
    dtype : ``"real"``, ``"integer"`` or ``"boolean"`` (:mod:`symgraph.core.dtypes`).
    classes : for labels, the number of classes: values are integers in ``[0, classes)``; an ``argmax`` has it too.
    rows_sum_to_one : declared fact of a leaf: the last axis sums to 1.
    definition : :class:`Definition`, or None for a leaf.
    draw : of a random value, its distribution and stream (:class:`symgraph.core.chance.Draw`).
    age : leaves sorted by it are in the order of their declaration, also those of another process.
    cotangent_of : (loss, tensor) for a cotangent, which is displayed as ∂loss/∂tensor.
    """

    _op_priority: ClassVar[float] = 1000.0
    is_commutative: ClassVar[bool] = True
    is_number: ClassVar[bool] = False
    is_tensor: ClassVar[bool] = True
    _counter: ClassVar[itertools.count[int]] = itertools.count()
    _lock: ClassVar[threading.RLock] = threading.RLock()
    _interned: ClassVar[weakref.WeakValueDictionary[Any, Tensor]] = weakref.WeakValueDictionary()

    kind: Kind
    name: str | None
    shape: Shape
    dtype: DType
    classes: sp.Expr | None
    rows_sum_to_one: bool
    definition: Definition | None
    init: Initializer | None
    symbol: sp.Symbol | None
    value: np.ndarray | None
    draw: Any
    cotangent_of: tuple[Tensor, Tensor] | None
    place: Provenance
    age: str
    content: str
    place_in_order: str
    first: tuple[str, ...]

    def __new__(cls, *_: Any, **__: Any) -> Tensor:
        raise DomainError(at_line("a tensor is declared, sg.input('x', (N, 3)), or made of others: see sg.as_tensor"))

    @classmethod
    def _new(cls, kind: Kind, shape: Shape, **attributes: Any) -> Tensor:
        tensor = sp.AtomicExpr.__new__(cls)
        defaults = dict.fromkeys(
            ("name", "classes", "definition", "init", "value", "symbol", "cotangent_of", "draw", "dtype")
        )
        tensor.__dict__.update(defaults | {"rows_sum_to_one": False} | attributes)
        tensor.kind, tensor.shape, tensor.serial, tensor.place = kind, shape, next(cls._counter), here()
        tensor.age = attributes.get("age") or f"{tensor.serial:012d}"
        if tensor.definition is None and tensor.dtype is None:
            tensor.dtype = "integer" if tensor.is_label else "real"
        tensor.content, tensor.place_in_order, tensor.first, read = content.content(tensor)
        if tensor.dtype is None:
            tensor.dtype = _dtype(tensor.definition, read)
        tensor._assumptions = dtypes.facts(tensor.dtype, tensor.is_label)
        return tensor  # type: ignore[no-any-return]

    @classmethod
    def leaf(cls, kind: Kind, name: str | None, shape: Shape, **attributes: Any) -> Tensor:
        """A new leaf; each call makes another one, and two of one name in one program are an error."""
        return cls._new(kind, shape, name=name, **attributes)

    @classmethod
    def scalar(cls, symbol: sp.Symbol) -> Tensor:
        """The rank-0 leaf that a plain SymPy symbol in a formula stands for; one per symbol."""
        checked_name(symbol.name, "the name of a scalar", DISPLAYED)
        return cls._intern(("scalar", symbol), lambda: cls._new("scalar", (), name=symbol.name, symbol=symbol))

    @classmethod
    def slot(cls, number: int, shape: Shape, classes: sp.Expr | None = None, dtype: DType | None = None) -> Tensor:
        """The leaf of that number in the closed step of a recurrence; one for each number, shape and kind of value."""
        key, made = ("slot", number, shape, classes, dtype), {"classes": classes, "dtype": dtype}
        return cls._intern(key, lambda: cls._new("slot", shape, name=f"slot{number:04d}", **made))

    @classmethod
    def define(
        cls,
        shape: Shape,
        body: sp.Expr,
        op: Reduction | None = None,
        extents: Shape = (),
        cotangent_of: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The one tensor of this definition: equal definitions are the same object.

        A cotangent is told apart by what it is a cotangent of: equal ones of two losses are two tensors.
        """
        if op in _FOLDS and (fewer := without_ones(body, extents)) is not None:
            op, (body, extents) = op if fewer[1] else None, fewer
        if op is None and cotangent_of is None and isinstance(body, Element) and body.is_all_of(shape):
            return body.tensor
        passed_on = body.tensor.classes if op is None and isinstance(body, Element) else None  # labels, as in t[i]
        classes = sp.prod(extents) if op in ("argmax", "argmin") else passed_on
        made = {"definition": Definition(op, extents, body), "classes": classes, "cotangent_of": cotangent_of}
        key = (shape, op, extents, body, cotangent_of)
        return cls._intern(key, lambda: cls._new("definition", shape, **made))

    def redefined(self, definition: Definition) -> Tensor:
        """This tensor by another, equal definition; a cotangent stays one."""
        return Tensor.define(self.shape, definition.body, definition.op, definition.extents, self.cotangent_of)

    @classmethod
    def _intern(cls, key: Any, make: Callable[[], Tensor]) -> Tensor:
        with cls._lock:
            known = cls._interned.get(key)
            if known is None:
                known = cls._interned[key] = make()
            return known

    # -- what SymPy asks ------------------------------------------------------------------------------------------
    def _hashable_content(self) -> tuple[str]:
        return (self.place_in_order,)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return hash((type(self), self.serial))

    def sort_key(self, order: Any = None) -> Any:
        """Leaves by age, scalars by name, definitions by content: the order depends on no past."""
        return self.class_key(), (1, (self.place_in_order,)), sp.S.One.sort_key(), sp.S.One

    def __reduce__(self) -> Any:
        from symgraph.core.packing import Parcel, first

        return first, (Parcel([self]),)

    def __deepcopy__(self, memo: Any = None) -> Tensor:
        return self

    __copy__ = __deepcopy__

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """Leaves and sizes that the tensor depends on."""
        from symgraph.core.graph import free_symbols

        return free_symbols(self)

    def diff(self, *wrt: Any, **_: Any) -> Any:
        """Gradient, repeated for several arguments (the tensor must be a scalar)."""
        from symgraph.derive.differentiate import grad

        result: Any = self
        for variable in wrt:
            result = grad(result, variable)
        return result

    @explained
    def subs(self, *args: Any, **_: Any) -> Any:
        """Replace leaves or other tensors: ``J.subs(x, x2)``, ``J.subs({x: x2})``. Shapes must agree."""
        from symgraph.core.graph import substitute

        return substitute(self, dict(args[0]) if len(args) == 1 else {args[0]: args[1]})

    # -- the shape ------------------------------------------------------------------------------------------------
    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_label(self) -> bool:
        """Whether the values are integers that may index an axis."""
        return self.classes is not None

    @property
    def T(self) -> Tensor:
        """Transpose: all axes in reverse order."""
        from symgraph.vocabulary.functions import transpose

        return transpose(self)

    @property
    def element(self) -> Element:
        """The element at the canonical indices."""
        return Element(self, *(axis(d) for d in range(self.ndim)))

    @property
    def display_name(self) -> str:
        """The leaf's name, or the variable the user bound it to, or a letter by kind and rank."""
        return self.name or name_of(self) or (self.draw.letter if self.draw else "v")

    def named(self, name: str) -> Tensor:
        """Give the tensor a display name; returns the tensor."""
        call(self, checked_name(name, more=DISPLAYED))
        return self

    def graph(self, **options: Any) -> Any:
        """The computational graph as a picture: :func:`symgraph.drawing.draw.draw`."""
        from symgraph.drawing.draw import draw

        return draw(self, **options)

    # -- printing -------------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        return f"<{self.kind} {self.display_name} {show_shape(self.shape)}>"

    def __str__(self) -> str:
        from symgraph.display import formula

        return formula(self)

    def _sympystr(self, printer: Any) -> str:
        return self.display_name

    _sympyrepr = _pretty_name = _sympystr

    def _pretty(self, printer: Any) -> Any:
        from sympy.printing.pretty.stringpict import prettyForm

        return prettyForm(self.display_name)

    def _latex(self, printer: Any) -> str:
        from symgraph.display import latex_formula, latex_name

        return latex_formula(self) if printer._print_level == 1 else latex_name(self.display_name)


class Element(sp.Expr):  # type: ignore[misc]
    """One element of a tensor, ``x[n, i]``: a real scalar whose indices are index expressions or label elements."""

    is_commutative: ClassVar[bool] = True
    is_element: ClassVar[bool] = True
    _diff_wrt: ClassVar[bool] = True

    def __new__(cls, tensor: Tensor, *indices: Any) -> Element:
        if not isinstance(tensor, Tensor):
            raise DomainError(at_line(f"an element is one of a tensor, not of {tensor!r}"))
        if len(indices) != tensor.ndim:
            raise ShapeError(
                at_line(f"{tensor.display_name}{show_shape(tensor.shape)} has {tensor.ndim} axes, not {len(indices)}")
            )
        checked = [_as_index(tensor, position, index) for position, index in enumerate(indices)]
        element = sp.Expr.__new__(cls, tensor, *checked)
        element._assumptions = tensor._assumptions
        return element  # type: ignore[no-any-return]

    @property
    def tensor(self) -> Tensor:
        return self.args[0]  # type: ignore[no-any-return]

    @property
    def indices(self) -> tuple[sp.Expr, ...]:
        return self.args[1:]  # type: ignore[no-any-return]

    def is_all_of(self, shape: Shape) -> bool:
        """Whether this is the element at the canonical indices: for every element of ``shape`` the tensor itself."""
        places = zip(self.indices, shape, strict=False)
        return self.tensor.shape == shape and all(
            index == axis(d) or (index == 0 and size == 1) for d, (index, size) in enumerate(places)
        )

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The tensor and the symbols in the indices."""
        return {self.tensor}.union(*(index.free_symbols for index in self.indices))

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return sp.S.One if self == symbol else sp.S.Zero

    def _sympystr(self, printer: Any) -> str:
        name = self.tensor.display_name
        return f"{name}[{', '.join(map(printer._print, self.indices))}]" if self.indices else name

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        from symgraph.display import latex_name

        name = latex_name(self.tensor.display_name)
        text = f"{{{name}}}_{{{','.join(map(printer._print, self.indices))}}}" if self.indices else name
        return f"{text}^{{{exp}}}" if exp is not None else text


def _dtype(definition: Definition, read: Iterable[Tensor]) -> DType:
    if definition.op in ("argmax", "argmin") or any(operand.dtype != "real" for operand in read):
        return dtypes.dtype_of(definition.op, definition.body)
    return "real"


def _as_index(tensor: Tensor, position: int, index: Any) -> sp.Expr:
    if isinstance(index, Tensor) and index.ndim == 0:
        index = Element(index)
    index = as_formula(index)
    if not isinstance(index, sp.Expr) or not index.is_integer:
        axes = f"{tensor.display_name}{show_shape(tensor.shape)}"
        what = f"axis {position} of {axes} is indexed with {index}, which is no index, no integer and no label"
        raise IndexNotationError(at_line(what))
    return index


def require_real(tensor: Tensor, what: str) -> None:
    """Raise if ``tensor`` holds labels where real values are needed; the integers of a constant are numbers too."""
    if tensor.is_label and tensor.kind != "constant":
        raise DomainError(at_line(f"{what} needs real values; {tensor.display_name} holds class labels"))
