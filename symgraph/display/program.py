"""A program on paper: its names, its letters, and each of its definitions as an equation.

In: output tensors. Out: equations as notation, text or LaTeX, one a named definition, operands first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from symgraph.core.graph import elements_of, operands, topological
from symgraph.core.recurrence import recurrence_of
from symgraph.core.tensor import Tensor
from symgraph.core.unfolded import first_values, operands_as_read
from symgraph.display.arrange import Arranger
from symgraph.display.compose import is_large
from symgraph.display.latex import latex
from symgraph.display.letters import Letters
from symgraph.display.names import Naming, Pair, cotangent_of
from symgraph.display.notation import Entry, Name, Node, letter
from symgraph.display.retell import retold
from symgraph.display.text import text

MAX_WHERE = 20


@dataclass(frozen=True, slots=True)
class Equation:
    """``left = right`` of a tensor; ``left`` is None for a value without a name. A carry has its ``first`` values."""

    tensor: Tensor
    left: Entry | None
    indices: tuple[Node, ...]
    right: Node
    first: tuple[tuple[Entry, Node], ...] = ()

    def __str__(self) -> str:
        if self.left is not None and self.first:
            return f"{text(self.left)} = {text(self.right)}{self.start()}"
        if self.left is None:
            return f"[{', '.join(map(text, self.indices))}] ↦ {text(self.right)}" if self.indices else text(self.right)
        return f"{text(self.left)} = {text(self.right)}"

    def start(self) -> str:
        """The first values of a carry, behind commas: ``,  h[−1] = h0``."""
        return "".join(f",  {text(place)} = {text(value)}" for place, value in self.first)

    def start_latex(self) -> str:
        """The same in LaTeX."""
        return "".join(rf",\quad {latex(place)} = {latex(value)}" for place, value in self.first)

    def latex(self, sign: str = "=") -> str:
        """The equation in LaTeX; the left side of a value without a name is the list of its indices, as in text."""
        if self.left is not None:
            return f"{latex(self.left)} {sign} {latex(self.right)}{self.start_latex()}"
        mark = "&" if sign.startswith("&") else ""
        if not self.indices:
            return mark + latex(self.right)
        return rf"\left[{', '.join(map(latex, self.indices))}\right] {mark}\mapsto {latex(self.right)}"


class Program:
    """Everything that is said about some tensors uses one naming and one choice of letters."""

    def __init__(
        self,
        outputs: Iterable[Tensor],
        named: Iterable[Tensor] = (),
        given: Mapping[Tensor, Name] | None = None,
        pairs: Mapping[Tensor, Pair] | None = None,
        inline: Iterable[Tensor] = (),
    ) -> None:
        self.outputs = list(outputs)
        self.naming = Naming(self.outputs, named, given, pairs, inline)
        self.arranger = Arranger(self.naming, Letters(self.naming))

    def equation(self, tensor: Tensor) -> Equation:
        """The definition of a tensor."""
        named = tensor in self.naming.names
        scope = self.arranger.scope(tensor)
        left = self.arranger.left(tensor) if named else None
        free, right = tuple(letter(c) for c in scope.free), self.arranger.right(tensor)
        first = first_values(tensor)
        if left is None:
            return Equation(tensor, left, free, right)
        shown = partial(self.arranger.expression, scope=scope)
        begin = tuple(
            (Entry(left.name, (*map(shown, steps), *free[len(steps):])), shown(value)) for steps, value in first
        )
        return Equation(tensor, left, free, right, begin)

    def reads(self, tensor: Tensor) -> list[Tensor]:
        """The named definitions that a tensor's equation refers to."""
        found: dict[Tensor, None] = {}
        pending = list(reversed(operands_as_read(tensor)))
        while pending:
            operand = pending.pop()
            if operand in found or operand.definition is None:
                continue
            if self.naming.is_inlined(operand):
                pending.extend(reversed(operands_as_read(operand)))
            else:
                found[operand] = None
        return list(found)

    def background(self, tensor: Tensor) -> list[Tensor]:
        """Backward and unnamed values in a tensor's equation, those of its own recurrence's steps (which no variable
        of the user's holds), and what is in theirs in turn, nearest first."""
        needed: set[Tensor] = set()
        pending, own = [tensor], recurrence_of(tensor)
        while pending:
            for operand in self.reads(pending.pop()):
                named_by_user = self.naming.pair(operand) is None and self.naming.is_users(operand)
                other = recurrence_of(operand)
                is_of_step = own is not None and other is not None and other[0] == own[0] and operand is not tensor
                if operand not in needed and (is_of_step or not named_by_user):
                    needed.add(operand)
                    pending.append(operand)
        return sorted(needed, key=lambda t: -self.naming.position[t])


def formula(tensor: Tensor) -> str:
    """A tensor as its definition, with the definitions of the values in it that nobody has named.

    >>> print(g[W1])  # doctest: +SKIP
    ∂J/∂W1[i, j] = Σ_n x[n, i]·∂J/∂a1[n, j] + W1[i, j]/10000
      where ∂J/∂a1[n, j] = ∂J/∂h[n, j]·h[n, j]·(1 − h[n, j])
      ...
    """
    if tensor.draw is not None:
        return f"{tensor.display_name} ~ {tensor.draw.distribution.shown}"
    if tensor.definition is None:
        return str(tensor.name)
    first, *where = told(tensor)
    lines = [str(first)]
    lines += [f"  {'where' if n == 0 else '     '} {equation}" for n, equation in enumerate(where[:MAX_WHERE])]
    if len(where) > MAX_WHERE:
        lines.append(f"        … ({len(where) - MAX_WHERE} more: sg.explain)")
    return "\n".join(lines)


def latex_formula(tensor: Tensor) -> str:
    """What :func:`formula` says, in LaTeX: ``aligned`` lines where there are several; of a leaf, its element."""
    if tensor.definition is None:
        return latex(Program([tensor]).arranger.right(tensor))
    first, *where = told(tensor)
    if not where:
        return first.latex()
    lines = [first.latex("&="), *(rf"\text{{where }} {e.latex('&=')}" for e in where[:1])]
    lines += [equation.latex("&=") for equation in where[1:MAX_WHERE]]
    if len(where) > MAX_WHERE:
        lines.append(rf"& \text{{({len(where) - MAX_WHERE} more)}}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def told(tensor: Tensor) -> list[Equation]:
    """The equation of a tensor, and those of what it reads without the user's having named it; of a gradient, in the
    shortest of its forms."""
    pairs = _pairs(tensor)
    if tensor not in pairs:
        return _equations(Program([tensor], pairs=pairs))
    found: list[list[Equation]] = []
    for form in (tensor, *retold(tensor, topological([pairs[tensor][0]]))):
        given = {**pairs, form: pairs[tensor]}
        found.append(_equations(Program([form], pairs=given)))
        inside = _told_inside(form, found[-1], given)
        if inside:
            found.append(_equations(Program([form], pairs=given, inline=inside)))
    return min(found, key=lambda equations: sum(len(str(equation)) for equation in equations))


def _equations(program: Program) -> list[Equation]:
    (output,) = program.outputs
    return [program.equation(t) for t in (output, *program.background(output))]


def _told_inside(gradient: Tensor, equations: list[Equation], pairs: Mapping[Tensor, Pair]) -> list[Tensor]:
    """What may be written where it is read: once, by the gradient's own formula, and free of cotangents. Cotangents
    also of sums and branches, so that the chain of a network keeps its lines."""
    readers: dict[Tensor, list[Tensor]] = {}
    for reader in topological([gradient]):
        for element in elements_of(reader.definition.body) if reader.definition else ():
            readers.setdefault(element.tensor, []).append(reader)
    own = {gradient, *(t for t in readers if t not in pairs)}
    value_of = {t: pair[1] for t in (gradient, *readers) if (pair := pairs.get(t) or cotangent_of(t)) is not None}
    found: list[Tensor] = []
    for e in equations[1:]:
        in_chain = is_large(e.right) or any(t in pairs for t in operands(e.tensor))
        names_another = any(value is e.tensor and t not in found for t, value in value_of.items())
        if recurrence_of(e.tensor) is None and not names_another and not (e.tensor in pairs and in_chain):
            read = readers[e.tensor]
            if len(read) == 1 and read[0] in own and not _is_opaque(read[0]):
                own.add(e.tensor)
                found.append(e.tensor)
    return found


def _is_opaque(reader: Tensor) -> bool:
    """Whether it reads whole tensors, which need names."""
    return reader.definition is not None and reader.definition.is_opaque


def _pairs(tensor: Tensor) -> dict[Tensor, Pair]:
    """The cotangents in a gradient as those of its own loss: equal ones of another loss are the same tensors."""
    pair = cotangent_of(tensor)
    if pair is None:
        return {}
    forward = set(topological([pair[0]]))
    found: dict[Tensor, Pair] = {}
    for other in topological([tensor]):
        known = cotangent_of(other)
        if known is not None and known[1] in forward and other not in forward:
            found[other] = (pair[0], known[1])
    return found


def sweep_pairs(root: Tensor, results: Iterable[tuple[Tensor, Tensor | None]]) -> dict[Tensor, Pair]:
    """(root, value) of the cotangents of one sweep, given as (value, cotangent) in its order."""
    forward = set(topological([root]))
    found: dict[Tensor, Pair] = {}
    for of, result in results:
        known = result is not None and result.definition is not None and result not in forward
        if result is not None and known and recurrence_of(of) is None and recurrence_of(result) is None:
            found.setdefault(result, (root, of))
    return found
