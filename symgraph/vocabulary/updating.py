"""What an optimiser is: rows, each a function of tensors (θ, g, its state, its hyper-parameters) → one next value.

    Row("v", lambda g, v, momentum: momentum * v + g, 0.0)        v ← μ·v + g,  a state that begins at 0
    Row("theta", lambda theta, v, lr: theta - lr * v)             θ ← θ − lr·v

A row names what it reads: ``theta``, ``g``, rows, hyper-parameters, and ``k``, the number of this step, 1 at the first.
It reads what the rows above it have just assigned. An optimiser is what :class:`Update` rows it makes of gradients;
groups and clipping are optimisers made of others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgraph.core.cost import operations
from symgraph.core.define import as_tensor
from symgraph.core.graph import consumers, elements_of, topological
from symgraph.core.indices import as_shape, show_shape
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.reading import call_first
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import MAX_OPERATIONS, inlined, seen_through
from symgraph.errors import DomainError, ShapeError
from symgraph.vocabulary.elementary import minimum, sqrt
from symgraph.vocabulary.functions import sum
from symgraph.vocabulary.ranges import checked_number, hyper_symbol


@dataclass(frozen=True, slots=True)
class Row:
    """``name ← function(…)``, an array for every parameter; ``initial`` is the state's first value.

    A row without ``initial`` only names a value of this step. A state has the parameter's shape, unless ``shape`` says
    another of it; a ``shared`` one is a scalar of all parameters. ``when`` says to which shapes the row belongs.
    """

    name: str
    function: Callable[..., Any]
    initial: float | None = None
    shape: Callable[[tuple[sp.Expr, ...]], tuple[Any, ...]] | None = None
    shared: bool = False
    when: Callable[[tuple[sp.Expr, ...]], bool] | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The names that the row reads."""
        return tuple(inspect.signature(self.function).parameters)


@dataclass(frozen=True, slots=True)
class Update:
    """A stored leaf and the definition of its next value."""

    leaf: Tensor
    value: Tensor
    initial: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Schedule:
    """A hyper-parameter as a formula of its base value and the number t of steps done, with numbers of its own.

    ``Schedule("ExponentialLR", lambda base, t, gamma: base * gamma**t, 0.1, {"gamma": 0.99})``
    """

    name: str
    formula: Callable[..., Any]
    base: float
    hyper: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.hyper, Mapping):
            raise DomainError(at_line(f"{self.name}: its numbers are a dict by name, not {self.hyper!r}"))
        numbers = {key: checked_number(f"{self.name}: {key}", hyper_symbol(key), n) for key, n in self.hyper.items()}
        object.__setattr__(self, "hyper", numbers)
        object.__setattr__(self, "base", checked_number(f"{self.name}: base", sp.Symbol("base"), self.base))

    def __repr__(self) -> str:
        numbers = [f"{self.base:g}", *(f"{key}={value:g}" for key, value in self.hyper.items())]
        return f"{self.name}({', '.join(numbers)})"


@dataclass(frozen=True, slots=True, repr=False)
class Optimizer:
    """A name, rows, and the hyper-parameters in them, each a number or a :class:`Schedule`."""

    name: str
    rows: tuple[Row, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """``Adam(lr=0.01, beta1=0.9, …)``; its formulas are what :func:`symgraph.explain` shows of a loss and it."""
        shown = {n: repr(v) if isinstance(v, Schedule) else f"{v:g}" for n, v in self.given.items()}
        given = ", ".join(f"{name}={value}" for name, value in shown.items())
        return f"{self.name}({given})"

    @property
    def hyper(self) -> dict[str, float]:
        """First values of the scalars of the program, by name."""
        return self.scalars("")

    def scalars(self, group: str) -> dict[str, float]:
        """First values by name; a name in two schedules is one number."""
        found: dict[str, float] = {}
        for name, value in self.given.items():
            numbers = {name: value.base, **value.hyper} if isinstance(value, Schedule) else {name: value}
            for key, number in numbers.items():
                if found.setdefault(str(hyper_symbol(key, group)), number) != number:
                    raise DomainError(at_line(f"{self.name}: {key} is {found[key]} and {number}; expected one number"))
        return found

    def updates(self, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        """The rows applied to parameters and their gradients: the state first, each parameter's own value last."""
        return self.in_group("", gradients)

    def in_group(self, group: str, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        """The updates, with names of scalars and shared state that tell the group."""
        known, found = self.shared(group)
        for parameter, slope in gradients.items():
            each = _Applied(self, str(parameter.name), parameter.shape, parameter)
            own = [row for row in self.rows if not row.shared and (row.when is None or row.when(parameter.shape))]
            each.rows(own, {**known, "theta": parameter, "g": slope})
            found += each.found
        return found

    def shared(self, group: str) -> tuple[dict[str, Tensor], list[Update]]:
        """What all parameters read, hyper-parameters and shared rows by name, and the updates of the latter."""
        rows = [row for row in self.rows if row.shared]
        if self._counts and all(row.name != "k" for row in rows):
            rows = [COUNTER, *rows]
        counted = next((place for place, row in enumerate(rows, 1) if row.name == "k"), 0)
        step = _Applied(self, group or "optimizer", ())
        known = step.rows(rows[:counted], {name: Tensor.scalar(hyper_symbol(name, group)) for name in self.given})
        for name, value in self.given.items():
            if isinstance(value, Schedule):
                numbers = {key: Tensor.scalar(hyper_symbol(key, group)) for key in value.hyper}
                known[name] = as_tensor(value.formula(known[name], known["k"] - 1, **numbers))
        known = step.rows(rows[counted:], known)
        return known, list(step.found)

    @property
    def inside(self) -> tuple[tuple[tuple[str, ...], Optimizer | None], ...]:
        """The optimisers that it is made of, each with the names of those parameters that are listed for it."""
        return ()

    @property
    def _counts(self) -> bool:
        scheduled = any(isinstance(value, Schedule) for value in self.given.values())
        return scheduled or any("k" in row.reads for row in self.rows)


def made(name: str, rows: Sequence[Row], **hyper: Any) -> Optimizer:
    """An optimiser of rows and checked hyper-parameters, as far as the rows read them."""
    for key, value in hyper.items():
        for part, number in ({key: value.base, **value.hyper} if isinstance(value, Schedule) else {key: value}).items():
            checked_number(f"{name}: {part}", hyper_symbol(part), number)
    read = {name for row in rows for name in row.reads}
    numbers = {key: value if isinstance(value, Schedule) else float(value) for key, value in hyper.items()}
    return Optimizer(name, tuple(rows), {key: value for key, value in numbers.items() if key in read})


COUNTER = Row("k", lambda k: k + 1, 0.0, shared=True)


class _Applied:
    """Rows made into definitions for one parameter, or for all."""

    def __init__(self, optimizer: Optimizer, owner: str, shape: tuple[sp.Expr, ...], theta: Tensor | None = None):
        self.optimizer, self.owner, self.shape = optimizer, owner, shape
        self.leaves: dict[str, Tensor] = {} if theta is None else {"theta": theta}
        self.found: list[Update] = []

    def rows(self, rows: Sequence[Row], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        known = dict(given)
        for row in rows:
            if row.initial is not None:
                shape = as_shape(row.shape(self.shape)) if row.shape else self.shape
                known[row.name] = self.leaves[row.name] = Tensor.leaf("state", f"{self.owner}.{row.name}", shape)
        for row in rows:
            value = known[row.name] = self._value(row, known)
            if row.name not in ("theta", "g") and value.definition is not None:
                call_first(value, f"{self.owner}_{row.name}")
        first = {row.name: row.initial for row in rows}
        order = sorted(self.leaves, key=lambda name: name == "theta")
        self.found += [Update(self.leaves[name], known[name], first[name]) for name in order if name in first]
        return known

    def _value(self, row: Row, known: Mapping[str, Tensor]) -> Tensor:
        missing = [name for name in row.reads if name not in known]
        if missing:
            raise DomainError(
                at_line(f"{self.optimizer.name}: the row {row.name} reads {missing[0]}, which is no row above it and "
                        f"no hyper-parameter; known are {', '.join(known)}")
            )  # fmt: skip
        value = _one_formula(as_tensor(row.function(*(known[name] for name in row.reads))), set(known.values()))
        leaf = self.leaves.get(row.name)
        if leaf is not None and value.shape != leaf.shape:
            raise ShapeError(
                at_line(f"{self.optimizer.name}: the row {row.name} of {self.owner} has shape "
                        f"{show_shape(value.shape)}; expected {show_shape(leaf.shape)}")
            )  # fmt: skip
        return value


def _one_formula(value: Tensor, known: set[Tensor]) -> Tensor:
    """The value as one formula of what the row reads, as far as no difference is rounded in another order."""
    if value in known or value.definition is None or value.definition.op is not None:
        return value
    body = value.definition.body
    readers = consumers(topological([value], known))
    pending = list(elements_of(body))
    while pending:
        element = pending.pop()
        own = element.tensor.definition
        if own is None or own.op is not None or element.tensor in known or len(readers[element.tensor]) != 1:
            continue
        inner = inlined(element)
        wider = None if inner.is_Add and _is_term(element, body) else seen_through(body, element, inner)
        if wider is not None and operations([wider]) <= MAX_OPERATIONS:
            body = wider
            pending += elements_of(inner)
    return Tensor.define(value.shape, body)


def _is_term(element: Element, body: sp.Basic) -> bool:
    """Whether an element is a term of a sum in a formula, with a number before it or not."""
    sums = [body, *body.atoms(sp.Add)]
    return any(term.as_coeff_Mul()[1] == element for total in sums for term in sp.Add.make_args(total))


# -- optimisers made of others ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, repr=False)
class _Grouped(Optimizer):
    groups: tuple[tuple[str, tuple[str, ...], Optimizer | None], ...] = ()
    default: Optimizer = field(default_factory=lambda: Optimizer("none"))

    @property
    def inside(self) -> tuple[tuple[tuple[str, ...], Optimizer | None], ...]:
        return (((), self.default), *((members, part) for _, members, part in self.groups))

    def __repr__(self) -> str:
        groups = (f", {name}=({list(members)}, {part!r})" for name, members, part in self.groups)
        return f"grouped({self.default!r}{''.join(groups)})"

    def scalars(self, group: str) -> dict[str, float]:
        parts = [(_joined(group, name), part) for name, _, part in self.groups]
        found = self.default.scalars(group)
        for name, part in parts:
            found |= part.scalars(name) if part is not None else {}
        return found

    def in_group(self, group: str, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        named = {str(parameter.name): parameter for parameter in gradients}
        rest = dict(gradients)
        found: list[Update] = []
        for name, members, part in self.groups:
            own: dict[Tensor, Tensor] = {}
            for member in members:
                if named.get(member) not in rest:
                    what = "is in groups twice" if member in named else "is no parameter that is trained"
                    raise DomainError(at_line(f"group {name}: {member} {what}; those are {', '.join(named)}"))
                own[named[member]] = rest.pop(named[member])
            found += part.in_group(_joined(group, name), own) if part is not None else []
        return (self.default.in_group(group, rest) if rest else []) + found


def _joined(outer: str, inner: str) -> str:
    return f"{outer}_{inner}" if outer else inner


@explained
def grouped(optimizer: Optimizer, **groups: tuple[Any, Optimizer | None]) -> Optimizer:
    """Other rates, decay or rows for some parameters: ``grouped(Adam(), head=([W2, "b2"], Adam(1e-2)))``.

    Parameters
    ----------
    optimizer : for every parameter that is in no group.
    groups : by name (parameters or their names, their optimiser); None freezes them. The hyper-parameters of a group
        are named by it, ``step.hyper["lr_head"]``, and so is the state that its parameters share.

    Raises
    ------
    DomainError
        for what is no optimiser; when applied, for a name that is no parameter or is twice in groups.
    """
    made = []
    for name, group in groups.items():
        members, part = _pair_of(name, group)
        listed = [members] if isinstance(members, str | Tensor) else list(members)
        made.append((name, tuple(str(m.name) if isinstance(m, Tensor) else str(m) for m in listed), part))
    return _Grouped(checked_optimizer("grouped", optimizer).name, groups=tuple(made), default=optimizer)


def _pair_of(name: str, group: Any) -> tuple[Any, Optimizer | None]:
    if not isinstance(group, tuple) or len(group) != 2:
        raise DomainError(at_line(f"group {name}: write {name}=(parameters, optimiser), not {group!r}"))
    return group[0], None if group[1] is None else checked_optimizer(f"group {name}", group[1])


def checked_optimizer(what: str, given: Any) -> Optimizer:
    """The optimiser; of anything else a ``DomainError`` that begins with ``what`` takes it, and says what to pass."""
    if isinstance(given, Optimizer):
        return given
    from symgraph.vocabulary.optimisers import OPTIMISERS

    makers = OPTIMISERS.items()
    name = next((name for name, make in makers if given is make or str(given).lower() == name.lower()), None)
    known = ", ".join(f"sg.{name}" for name in OPTIMISERS)
    advice = f"pass sg.{name}(lr=…)" if name else f"pass one of {known}, such as sg.SGD(lr=0.1)"
    shown = f"the function sg.{name}" if name and callable(given) else repr(given)
    raise DomainError(at_line(f"{what}: {shown} is no optimiser: {advice}"))


@dataclass(frozen=True, slots=True, repr=False)
class _Changed(Optimizer):
    inner: Optimizer = field(default_factory=lambda: Optimizer("none"))
    change: Callable[[Mapping[Tensor, Tensor], Tensor], dict[Tensor, Tensor]] = lambda gradients, bound: dict(gradients)
    maker: str = ""

    @property
    def inside(self) -> tuple[tuple[tuple[str, ...], Optimizer | None], ...]:
        return (((), self.inner),)

    def __repr__(self) -> str:
        return f"{self.maker}({self.inner!r}, {', '.join(f'{bound:g}' for bound in self.given.values())})"

    def scalars(self, group: str) -> dict[str, float]:
        return Optimizer.scalars(self, group) | self.inner.scalars(group)

    def in_group(self, group: str, gradients: Mapping[Tensor, Tensor]) -> list[Update]:
        (name,) = self.given
        return self.inner.in_group(group, self.change(gradients, Tensor.scalar(hyper_symbol(name, group))))


@explained
def clip_grad_norm(optimizer: Optimizer, max_norm: float) -> Optimizer:
    """Gradients scaled together by min(1, max_norm/(‖g‖ + 10⁻⁶)), ‖g‖ over all of them (Pascanu, arXiv 1211.5063)."""

    def scaled(gradients: Mapping[Tensor, Tensor], bound: Tensor) -> dict[Tensor, Tensor]:
        squares = [sum(slope**2) for slope in gradients.values()]
        total = squares[0]
        for square in squares[1:]:
            total = total + square
        size = sqrt(total)
        call_first(size, "norm_g")
        factor = minimum(bound / (size + sp.Rational(1, 10**6)), 1)
        call_first(factor, "clip_factor")
        return {parameter: slope * factor for parameter, slope in gradients.items()}

    return changed("clip_grad_norm", optimizer, "max_norm", max_norm, scaled)


def changed(maker: str, optimizer: Any, name: str, bound: Any, change: Callable[..., Any]) -> Optimizer:
    """An optimiser of gradients that ``change(gradients, number)`` has changed; the number is a hyper-parameter."""
    inner = checked_optimizer(maker, optimizer)
    given = {name: checked_number(f"{maker}: {name}", hyper_symbol(name), bound)}
    return _Changed(inner.name, given=given, inner=inner, change=change, maker=maker)


@explained
def clip_grad_value(optimizer: Optimizer, clip_value: float) -> Optimizer:
    """Every element of a gradient between −clip_value and clip_value."""
    from symgraph.vocabulary.elementary import maximum

    def between(gradients: Mapping[Tensor, Tensor], bound: Tensor) -> dict[Tensor, Tensor]:
        return {parameter: maximum(minimum(slope, bound), -bound) for parameter, slope in gradients.items()}

    return changed("clip_grad_value", optimizer, "clip_value", clip_value, between)
