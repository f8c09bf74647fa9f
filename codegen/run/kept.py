"""Programs in the cache, by what was declared: a later process neither derives, simplifies nor lowers them again.

The key is a digest of the declaration (:mod:`symgraph.core.fingerprint`): formulas, names and order of the leaves, the
optimiser's rows, the dtype; and the versions of all that makes programs of it. An entry is text of plain data
(:mod:`codegen.run.encoding`). It is checked and whole, and its object code is there too, or it counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import sympy as sp

from codegen import debug
from codegen.host import cache
from codegen.plan.request import Request, leaves_in
from codegen.run.declared import check_names, in_order
from codegen.run.encoding import decoded, encoded
from codegen.run.formulas import StepFormulas
from codegen.run.linked import Linked
from codegen.run.translated import Formulas, Translated
from symgraph.core.chance import KEY, STEP
from symgraph.core.fingerprint import fingerprint
from symgraph.core.indices import as_shape
from symgraph.core.misuse import pass_on
from symgraph.core.tensor import Tensor
from symgraph.vocabulary.optimisers import Optimizer

OWN = "symgraph."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Layout:
    """A step's program, its leaves in the order of declaration, and of what it stores the first values."""

    leaves: Sequence[Tensor]
    first: Mapping[Tensor, float | None]
    translated: Translated


# -- functions --------------------------------------------------------------------------------------------------------
def function_program(formulas: Formulas, dtype: str) -> Translated:
    """The program of a request whose leaves are known."""
    parts = [*formulas.request.outputs, *formulas.leaves]
    key = _key("function", parts, [dtype, str(len(formulas.leaves))]) if _is_used() else None

    def built(found: Any) -> Translated:
        if len(found.leaves) != len(formulas.leaves):
            raise ValueError(found)
        return Translated(formulas, dtype, (found, _object_code(found)))

    return _read(key, built) or Translated(formulas, dtype, None, partial(_write, key))


# -- training steps ---------------------------------------------------------------------------------------------------
def step_program(formulas: StepFormulas, dtype: str) -> Layout:
    """The program of a step, derived only where the cache does not have it.

    Raises
    ------
    NameConflictError, ArgumentError, DomainError, DisconnectedError
        for what cannot be compiled, or not be told apart.
    """
    known, key = _declared(formulas, dtype) if _is_used() else ({}, None)
    found = _read(key, lambda found: _step_of(found, formulas, dtype, list(known)))
    if found is not None:
        return found
    from codegen.plan.admit import admit

    leaves = in_order(leaves_in(formulas.request))
    check_names(leaves)
    admit((*formulas.request.outputs, *(value for _, value in formulas.request.updates)), leaves)
    first = {update.leaf: update.initial for update in formulas.updates}

    def keep(linked: Linked) -> None:
        place = {leaf: number for number, leaf in enumerate(leaves)}
        told = tuple(_reference(leaf, known) for leaf in leaves)
        if None not in told:
            _write(key, (told, tuple((place[leaf], value) for leaf, value in first.items()), linked))

    return Layout(leaves, first, Translated(formulas, dtype, None, keep, formulas.seconds))


def _step_of(found: Any, formulas: StepFormulas, dtype: str, known: Sequence[Tensor]) -> Layout:
    """What an entry says of a step."""
    told, first, linked = found
    if len(told) != len(linked.leaves):
        raise ValueError(told)
    leaves = [known[one] if isinstance(one, int) else Tensor.leaf("state", one[0], as_shape(one[1])) for one in told]
    translated = Translated(formulas, dtype, (linked, _object_code(linked)), None, formulas.seconds)
    return Layout(leaves, {leaves[number]: value for number, value in first}, translated)


def _reference(leaf: Tensor, known: Mapping[Tensor, int]) -> Any:
    """A leaf as its place among those that were declared, a state of the optimiser's as its name and shape; None for
    any other."""
    if leaf in known:
        return known[leaf]
    return (str(leaf.name), tuple(map(int, leaf.shape))) if leaf.kind == "state" and leaf.init is None else None


def _declared(formulas: StepFormulas, dtype: str) -> tuple[dict[Tensor, int], str | None]:
    """The leaves that were declared with their places, and the key of the declaration."""
    values = [formulas.loss, *formulas.extra, *formulas.own.values()]
    try:
        rows = formulas.given or formulas.optimizer.updates(_examples(formulas.optimizer, formulas.parameters))
    except Exception as error:  # which the user's own row may raise: it is raised again where the step is derived
        pass_on(error)
        return {}, None
    parts = [part for update in rows for part in (update.leaf, update.value)]
    scalars = [leaf for leaf in leaves_in(Request(tuple(parts))) if leaf.kind == "scalar" or formulas.given]
    known = in_order(dict.fromkeys((*leaves_in(Request(tuple(values))), *formulas.own, *scalars, KEY, STEP)))
    counts = [len(formulas.extra), len(formulas.own), len(formulas.parameters), len(rows)]
    words = [dtype, _structure(formulas.optimizer), *map(str, counts), *(str(update.initial) for update in rows)]
    places = {leaf: place for place, leaf in enumerate(known)}
    return places, _key("step", [*values, *formulas.own, *formulas.parameters, *known, *parts], words)


def _examples(optimizer: Optimizer, parameters: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """Parameters with some gradient each: one of every shape, for our rows are the same for all of a shape, and those
    that are listed by name; all of them where somebody else has written a row."""
    listed, ours = _listed(optimizer)
    shapes: set[Any] = set()
    found = {}
    for parameter in parameters:
        if not ours or parameter.name in listed or parameter.shape not in shapes:
            found[parameter] = Tensor.leaf("input", f"∂{parameter.name}", parameter.shape)
            shapes.add(parameter.shape)
    return found


def _listed(optimizer: Optimizer | None) -> tuple[set[str], bool]:
    """The parameters that an optimiser lists, and whether all its code is ours."""
    if optimizer is None:
        return set(), True
    inside = [(members, *_listed(part)) for members, part in optimizer.inside]
    code = [type(optimizer), *(row.function for row in optimizer.rows)]
    code += [rule for row in optimizer.rows for rule in (row.shape, row.when) if rule is not None]
    ours = all(str(getattr(one, "__module__", "")).startswith(OWN) for one in code)
    ours = ours and all(own for _, _, own in inside)
    return {name for members, deeper, _ in inside for name in (*members, *deeper)}, ours


def _structure(optimizer: Optimizer | None) -> str:
    if optimizer is None:
        return "frozen"
    inside = ", ".join(f"{members}: {_structure(part)}" for members, part in optimizer.inside)
    return f"{type(optimizer).__qualname__}({inside})"


# -- the cache --------------------------------------------------------------------------------------------------------
def _is_used() -> bool:
    """Whether there is a cache, and nobody wants to see every stage."""
    return not debug.looks() and cache.folder() is not None


def _key(what: str, tensors: Sequence[Tensor], words: Sequence[str]) -> str | None:
    """The name of an entry; None where there can be none."""
    told = fingerprint(tensors)
    if told is None:
        return None
    return cache.key_of("\n".join([sp.__version__, cache.sources("symgraph"), told, *words]), what)


def _read(key: str | None, built: Callable[[Any], T]) -> T | None:
    """What is built of an entry; None where it is absent, or is no such thing."""
    content = None if key is None else cache.load(key, ".program")
    try:
        return None if content is None else built(decoded(content))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def _object_code(linked: Linked) -> bytes:
    found = cache.load(linked.code)
    if found is None:
        raise KeyError(linked.code)
    return found


def _write(key: str | None, thing: Any) -> None:
    if key is not None:
        try:
            cache.store(key, encoded(thing), ".program")
        except (TypeError, RecursionError):
            return
