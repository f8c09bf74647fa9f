"""Check a backward: the derivative that somebody claims, against the derivative that is derived.

    sg.audit(y, claimed)     equal                  by algebra, or at points in high precision, and how many
                             equal where x > 0      a condition that tells where it is right from where it is not
                             different              the difference, the simplest point that shows it, a repair

Formulas are compared by algebra first, then as functions are: at points, the simplest first. Two formulas that agree
to thirty digits at all of some fifty points of various sizes are taken to be equal; the result says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import mpmath
import numpy as np
import sympy as sp
from sympy.core.relational import Relational

from symgraph.auditing.claims import Claim, checked_leaves, claim_of, takes_upstream, values_of
from symgraph.auditing.points import DIGITS, is_small, points
from symgraph.auditing.repairs import Sample, opened, repair_of, told
from symgraph.core.cases import Cases
from symgraph.core.cost import operations
from symgraph.core.define import as_tensor
from symgraph.core.graph import rewrite, topological
from symgraph.core.indices import axis, bound, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.reading import name_of
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.derive.differentiate import grad
from symgraph.errors import ArgumentError
from symgraph.simplify.rational import Kernels, in_lowest_terms, presented

DEPTH = 6
"""How many values of values algebra looks through."""
ROUNDING = 1e-6
"""Relative differences up to this are float64's."""
MOST_SHOWN = 12
"""Numbers of an array that an example shows."""
SCALE = 1e-3
"""Differences are also compared with this: a derivative that is 0 is computed as a difference of others."""
MOST_OPERATIONS = 400
"""Formulas up to this size are looked through by algebra."""
KINKS = (sp.Max, sp.Min, sp.Abs, sp.sign)


class Sides(NamedTuple):
    """What the two formulas are called that are compared."""

    short: tuple[str, str]
    whole: tuple[str, str]


DERIVATIVES = Sides(("derived", "claimed"), ("the derivative", "the claimed one"))
FORMULAS = Sides(("left", "right"), ("the left", "the right"))


@dataclass(frozen=True, repr=False)
class Verdict:
    """What was found of a derivative, or of two formulas: ``kind`` is "equal", "equal where", "different" or "missing".

    True in a condition if they are equal everywhere. Its text is the report.
    """

    leaf: Tensor
    kind: str
    reason: str = ""
    condition: str = ""
    difference: str = ""
    counterexample: str = ""
    repair: str = ""
    sides: Sides = DERIVATIVES

    def __bool__(self) -> bool:
        return self.kind == "equal"

    def __str__(self) -> str:
        name = self.leaf.name or name_of(self.leaf)
        first = {"equal": "equal", "equal where": f"equal where {self.condition}", "missing": "not claimed"}
        told = first.get(self.kind, "different") + f" ({self.reason})" * bool(self.reason)
        lines = [told if name is None else f"{name}: {told}"]
        minus = " − ".join(self.sides.short)
        more = {minus: self.difference, "for example": self.counterexample, "repair": self.repair}
        return "\n".join([*lines, *(f"  {what}: {text}" for what, text in more.items() if text)])

    __repr__ = __str__


@dataclass(frozen=True)
class Audit:
    """The verdicts, one for each derivative; true in a condition if all are equal. Its text is the report."""

    verdicts: tuple[Verdict, ...] = field(default=())

    @property
    def equal(self) -> bool:
        """Whether every claimed derivative is the derived one."""
        return all(self.verdicts)

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        return "\n".join(map(str, self.verdicts))

    __repr__ = __str__


@explained
def audit(forward: Any, claimed: Any, of: Any = None, *, upstream: Tensor | None = None, seed: int = 0) -> Audit:
    """Compare claimed derivatives of ``forward`` with the derived ones.

    Parameters
    ----------
    forward : tensor or SymPy formula. If it is no scalar, or a function takes one array more than there are
        leaves, the derivatives are those of Σ forward·upstream.
    claimed : a formula (tensor, SymPy), or a dict from leaf (or its name) to formula; or a function of NumPy arrays,
        a ``torch.autograd.Function``, a JAX function with a custom derivative. See :mod:`symgraph.auditing.claims`.
    of : the leaf or leaves; by default those of a dict, else all real inputs, parameters and symbols of ``forward``.
    upstream : the gradient that flows in, of the shape of ``forward``: an input that claimed formulas may read.
    seed : where random points begin.

    Raises
    ------
    ArgumentError
        if a claimed formula reads or names what ``forward`` does not, or ``upstream`` has another shape.
    """
    value = as_tensor(forward)
    leaves = _leaves_of(value)
    if upstream is None and (value.ndim or takes_upstream(claimed, leaves)):
        upstream = Tensor.leaf("input", "upstream", value.shape)
    if upstream is not None and upstream.shape != value.shape:
        raise ArgumentError(
            at_line(f"upstream has shape {show_shape(upstream.shape)}; expected that of the forward value, "
                    f"{show_shape(value.shape)}")
        )  # fmt: skip
    wanted = _wanted(leaves, list(claimed) if of is None and isinstance(claimed, Mapping) else of)
    claim = claim_of(claimed, leaves, wanted, upstream)
    known = [*leaves, *([upstream] if upstream is not None else [])]
    checked_leaves(claim, known)
    loss = _total(value, upstream)
    gradients = grad(loss, wanted, disconnected="zero")
    return Audit(tuple(_verdict(leaf, gradients[leaf], claim, known, seed) for leaf in wanted))


@explained
def equal(left: Any, right: Any, *, seed: int = 0) -> Verdict:
    """Whether two formulas of one shape have the same values: by algebra, or at points in high precision.

    Raises
    ------
    ArgumentError
        if they have different shapes.
    """
    first, second = as_tensor(left), as_tensor(right)
    if first.shape != second.shape:
        raise ArgumentError(
            at_line(f"shapes differ: {show_shape(first.shape)} and {show_shape(second.shape)}; expected one shape")
        )
    leaves = list(dict.fromkeys([*_leaves_of(first), *_leaves_of(second)]))
    return _verdict(first, first, Claim({first: second}), leaves, seed, FORMULAS)


def _leaves_of(value: Tensor) -> list[Tensor]:
    found = [tensor for tensor in topological([value]) if tensor.definition is None and tensor.value is None]
    return sorted(found, key=lambda leaf: leaf.age)


def _wanted(leaves: Sequence[Tensor], of: Any) -> list[Tensor]:
    if of is None:
        return [leaf for leaf in leaves if leaf.dtype == "real"]
    given = of if isinstance(of, list | tuple) else [of]
    by_name = {str(leaf.name): leaf for leaf in leaves}
    names = [str(getattr(leaf, "name", leaf)) for leaf in given]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ArgumentError(at_line(f"{unknown[0]} is no leaf of the forward value; it has {', '.join(by_name)}"))
    return [by_name[name] for name in names]


def _total(value: Tensor, upstream: Tensor | None) -> Tensor:
    """The scalar Σ value·upstream, whose derivatives are a backward's."""
    if upstream is None:
        return value
    total = Tensor.define(value.shape, value.element * upstream.element)
    for d in reversed(range(value.ndim)):  # the last index first: each sum is over one
        at = [axis(k) for k in range(d)]
        total = Tensor.define(value.shape[:d], Element(total, *at, bound(0)), "sum", (value.shape[d],))
    return total


def _verdict(
    leaf: Tensor, true: Tensor, claim: Claim, known: Sequence[Tensor], seed: int, sides: Sides = DERIVATIVES
) -> Verdict:
    formula = claim.formulas.get(leaf)
    if claim.function is None and formula is None:
        return Verdict(leaf, "missing")
    difference = ""
    if formula is not None and formula.shape == true.shape:
        gap = _difference(true, formula)
        if gap.definition is not None and gap.definition.body == 0:
            return Verdict(leaf, "equal", "by algebra")
        difference = told(gap)
    samples = list(_samples(leaf, true, claim, known, seed))
    if not samples:
        reason = "nowhere finite" if sides is FORMULAS else "not claimed anywhere, or the derivative is nowhere finite"
        return Verdict(leaf, "different", reason)
    shape = next((s for s in samples if s[1].shape != s[2].shape), None)
    exact = claim.function is None and all(is_small(point) for point, _, _ in samples)
    same = _Same(10.0 ** (-DIGITS // 2) if exact else ROUNDING)
    unequal = [] if shape else [sample for sample in samples if not same(sample[1], sample[2])]
    if shape is None and not unequal:
        how = f"at {len(samples)} points" + (f", to {DIGITS // 2} digits" if exact else ", in float64")
        return Verdict(leaf, "equal", how)
    with mpmath.workdps(DIGITS):
        repair = repair_of(true, samples, same) or ""
    if shape is not None:
        shapes = f"the derivative has shape {shape[1].shape}, the claimed one {shape[2].shape}"
        return Verdict(leaf, "different", shapes, repair=repair)
    example = _example(unequal[0], same, sides)
    condition = "" if repair else _condition(true, samples, same)
    return Verdict(leaf, "equal where" if condition else "different", "", condition, difference, example, repair, sides)


class _Same:
    """Whether two arrays are equal up to rounding, where the first is finite."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def each(self, derived: np.ndarray, claimed: np.ndarray) -> np.ndarray:
        """Whether each element is."""
        with mpmath.workdps(DIGITS):
            known, given = _finite(derived), _finite(claimed)
            largest = max((abs(v) for v in derived[known].ravel()), default=0) + SCALE
            gap = np.where(known & given, np.abs(np.where(known, derived, 0) - np.where(given, claimed, 0)), 0)
            bound = self.tolerance * (np.abs(np.where(known, derived, 0)) + largest)
            return ~known | (given & (gap <= bound).astype(bool))

    def __call__(self, derived: np.ndarray, claimed: np.ndarray) -> bool:
        return derived.shape == claimed.shape and bool(np.all(self.each(derived, claimed)))


def _samples(leaf: Tensor, true: Tensor, claim: Claim, known: Sequence[Tensor], seed: int) -> Iterator[Sample]:
    for point in points(known, seed):
        derived = values_of({leaf: true}, point)[leaf]
        found = claim.at(point)
        if leaf in found:
            yield point, np.asarray(derived, object), np.asarray(found[leaf], object)


def _finite(array: np.ndarray) -> np.ndarray:
    return np.array([bool(mpmath.isfinite(value)) for value in array.ravel()], bool).reshape(array.shape)


# -- algebra ----------------------------------------------------------------------------------------------------------
def _difference(true: Tensor, claimed: Tensor) -> Tensor:
    """Derived − claimed, by rational algebra over the formulas' functions and sums."""
    forms = rewrite([true, claimed], _looked_through)
    body = opened(forms[true].element) - opened(forms[claimed].element)
    kernels = Kernels([body])
    return Tensor.define(true.shape, presented(kernels.thaw(in_lowest_terms(kernels.freeze(body)))))


def _looked_through(tensor: Tensor, definition: Definition) -> Tensor:
    """The definition with the formulas of the pointwise values that it reads, in sums too."""
    body = opened(definition.body)
    if operations([body]) > MOST_OPERATIONS:
        body = definition.body
    return Tensor.define(tensor.shape, body, definition.op, definition.extents)


# -- where ------------------------------------------------------------------------------------------------------------
def _condition(true: Tensor, samples: Sequence[Sample], same: _Same) -> str:
    """A condition of the formulas that holds where the claim is right and nowhere where it is wrong."""
    masks = [same.each(derived, claimed) for _, derived, claimed in samples]
    if not any(mask.any() for mask in masks):
        return ""
    for relation in _relations(true):
        holds = Tensor.define(true.shape, Cases((1, relation), (0, True)))
        there = [values_of({holds: holds}, point)[holds].astype(bool) for point, _, _ in samples]
        for mask_of, shown in ((lambda m: m, relation), (lambda m: ~m, ~relation)):
            if all(bool((mask_of(t) == mask).all()) for t, mask in zip(there, masks, strict=True)):
                return _shown(true, shown)
    return ""


def _relations(true: Tensor) -> list[sp.Basic]:
    """Conditions on values, at the derivative's own indices, by which a formula has branches or kinks."""
    found: dict[sp.Basic, None] = {}
    own = {axis(d) for d in range(true.ndim)}
    body = true.element
    for _ in range(DEPTH):
        for node in sorted(body.atoms(Relational), key=sp.default_sort_key):
            found.setdefault(node)
        for node in sorted(body.atoms(*KINKS), key=sp.default_sort_key):
            if len(node.args) == 1:
                found.setdefault(sp.Gt(node.args[0], 0))
            else:
                found.setdefault(sp.Gt(node.args[0], node.args[1]))
        body = opened(body)
    extra: dict[sp.Basic, None] = {}
    for relation in found:
        if isinstance(relation, Relational):
            extra.update(dict.fromkeys(r for r in (relation, sp.Ge(*relation.args), sp.Ne(*relation.args))))
    return [r for r in extra if isinstance(r, Relational) and _is_own(r, own)]


def _is_own(relation: sp.Basic, own: set[sp.Basic]) -> bool:
    elements = relation.atoms(Element)
    return bool(elements) and all(set(element.indices) <= own for element in elements)


def _shown(true: Tensor, relation: sp.Basic) -> str:
    return told(Tensor.define(true.shape, Cases((1, relation), (0, True)))).removeprefix("1[").removesuffix("]")


# -- examples ---------------------------------------------------------------------------------------------------------
def _example(sample: Sample, same: _Same, sides: Sides) -> str:
    """The first element of a point that tells derived from claimed, and the values there."""
    point, derived, claimed = sample
    place = tuple(int(p[0]) for p in np.nonzero(~np.atleast_1d(same.each(derived, claimed))))
    place = place if derived.ndim else ()
    given = ", ".join(f"{name} = {_array(array)}" for name, array in point.values.items())
    sizes = "".join(f"{name} = {size}, " for name, size in point.sizes.items())
    at = f"[{', '.join(map(str, place))}]" if place else ""
    first, second = sides.whole
    return f"at {sizes}{given} {first}{at} is {_number(derived[place])}, {second} {_number(claimed[place])}"


def _array(array: np.ndarray) -> str:
    return str(array.tolist()) if array.size <= MOST_SHOWN else f"an array of shape {show_shape(array.shape)}"


def _number(value: Any) -> str:
    return f"{float(mpmath.re(value)):.10g}" if mpmath.isfinite(value) else str(value)
