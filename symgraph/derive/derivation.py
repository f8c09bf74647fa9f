"""The derivation of a gradient, as in a paper: the chain rule and the simplifications that ran, each with its rule.

    ∂J/∂y[n, k] = −t[n, k]/(N·y[n, k])
    ∂J/∂z[n, k] = ∂J/∂y[n, k]·∂y[n, k]/∂z[n, k] + ...        chain rule
                = ...
                = (y[n, k] − t[n, k])/N                       cancel and collect

Nothing is derived here: it is the trace of :func:`symgraph.derive.differentiate.reverse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgraph.core.define import Reduced, Sum, as_tensor
from symgraph.core.graph import elements_of, operands, replace_tensors, rewrite, topological
from symgraph.core.indices import axis, bound, fresh, show_shape
from symgraph.core.kept import cached_property
from symgraph.core.misuse import explained
from symgraph.core.provenance import at_line
from symgraph.core.reading import name_of
from symgraph.core.recurrence import recurrence_of
from symgraph.core.shown import Shown
from symgraph.core.tensor import Definition, Tensor
from symgraph.derive.differentiate import Contribution, Cotangent, reverse
from symgraph.display.arrange import Scope
from symgraph.display.latex import latex
from symgraph.display.names import ratio
from symgraph.display.notation import Entry, Name, Node, Partial, Reduction, Total, letter, product
from symgraph.display.order import entries
from symgraph.display.program import Equation, Program, sweep_pairs
from symgraph.display.text import text
from symgraph.display.widths import padded, width
from symgraph.errors import DisconnectedError
from symgraph.simplify import LEFT, Step
from symgraph.stabilise import stabilise

RULE_COLUMN = 84


@dataclass(frozen=True, slots=True)
class Line:
    """``left = right`` by a rule; without ``left`` it continues the line above. ``depth`` 1 is a side calculation."""

    left: Node | None
    right: Node
    rule: str
    of: Name | None = None
    depth: int = 0

    def rule_text(self) -> str:
        """The rule, with the forward value that it used."""
        return f"{self.rule} {self.of.text}" if self.of else self.rule

    def rule_latex(self) -> str:
        """The rule as LaTeX text."""
        return rf"\text{{{self.rule} }} {self.of.latex}" if self.of else rf"\text{{{self.rule}}}"


@dataclass(frozen=True, repr=False)
class Derivation(Shown):
    """How a gradient follows from the definitions: what is given, then every step that ran."""

    title: Name
    given: tuple[Equation, ...]
    steps: tuple[Line, ...]

    def __str__(self) -> str:
        lines = [f"Derivation of {self.title.text}", "", "Given"]
        lines += [f"  {equation}" for equation in self.given]
        lines += ["", "Backward"]
        shown = self._equations()
        column = min(max((width(left) for left, _ in shown), default=0), RULE_COLUMN)
        return "\n".join([*lines, *(f"{padded(left, column)}   {rule}".rstrip() for left, rule in shown)])

    def _equations(self) -> list[tuple[str, str]]:
        """Lines and their rules, the equality signs of one left-hand side aligned."""
        lines: list[tuple[str, str]] = []
        indent, inside = 0, False
        for step in self.steps:
            start = ""
            if step.left is not None:
                start = "  " * (1 + step.depth) + text(step.left)
                indent = len(start)
                if step.depth == 0 and lines and not inside:
                    lines.append(("", ""))
                inside = step.depth > 0
            lines.append((f"{start or ' ' * indent} = {text(step.right)}", step.rule_text()))
        return lines

    def latex(self) -> str:
        """What is given and the steps as an amsmath ``aligned`` environment."""
        rows = [rf"{equation.latex('&=')} && \text{{given}}" for equation in self.given]
        for step in self.steps:
            left = "" if step.left is None else (r"\qquad " if step.depth else "") + latex(step.left)
            rows.append(rf"{left} &= {latex(step.right)} && {step.rule_latex()}")
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _latex(self, printer: Any) -> str:
        return self.latex()


@explained
def derivation(loss: Any, of: Any) -> Derivation:
    """The steps that lead from a scalar to its gradient with respect to ``of``.

    Raises
    ------
    DisconnectedError
        if the loss does not depend on it.
    """
    output, target = as_tensor(loss), as_tensor(of)
    named = [t for t in topological([output]) if t.definition is not None and name_of(t) is not None and not t.is_label]
    cotangents, computed = reverse(output, [target], cuts=named), reverse(output, [target])
    if target not in cotangents:
        name = f"{target.display_name}{show_shape(target.shape)}"
        raise DisconnectedError(at_line(f"the loss does not depend on {name}, declared at {target.place}"))
    return _Writer(output, list(cotangents.values()), cotangents[target], computed).derivation()


class _Writer:
    def __init__(
        self, root: Tensor, cotangents: list[Cotangent], target: Cotangent, computed: Mapping[Tensor, Cotangent]
    ) -> None:
        self.computed = computed
        self.cuts = [c.of for c in cotangents if c.of not in computed and name_of(c.of) is not None]
        self.root = root
        order = {tensor: position for position, tensor in enumerate(topological([self.root]))}
        self.sweep = sorted((c for c in cotangents if c.contributions), key=lambda c: -order[c.of])
        self.target = target
        mentioned = {element.tensor for c in self.sweep for e in _expressions(c) for element in elements_of(e)}
        results = [c.result for c in [*self.sweep, *computed.values()] if c.result is not None]
        extra = sorted(mentioned, key=lambda tensor: tensor.serial)
        self.of = {c.of: c for c in self.sweep}
        self.alias = self._aliases()
        shown = [c.of for c in self.sweep if c.of not in self.alias]
        pairs = sweep_pairs(self.root, [(c.of, c.result) for c in self.sweep])
        self.program = Program([self.root, *results, *extra], named=[self.root, *shown], pairs=pairs)
        self.names = self.program.naming.names
        self.arranger = self.program.arranger

    def derivation(self) -> Derivation:
        lines: list[Line] = []
        for c in self.sweep:
            if recurrence_of(c.of) is not None:
                continue  # a part of what it is in the loop that runs the other way
            if any(recurrence_of(contribution.consumer) is not None for contribution in c.contributions):
                lines += self._through_time(c, lines)
            elif c.of not in self.alias:
                lines += self._cotangent(c)
        spoken = self._spoken_of(lines)
        given = [t for t in self.program.naming.order if t in spoken]
        title = self._ratio(self.target.of)
        return Derivation(title, tuple(self.program.equation(t) for t in given), tuple(lines))

    def _through_time(self, cotangent: Cotangent, told: list[Line]) -> list[Line]:
        """The loop that runs the other way, where nothing has told it, and what follows from it."""
        result, lines = cotangent.result, []
        assert result is not None
        before = {line.left for line in told}
        needed = [result] if result in self.names else []
        needed += [t for t in self.program.background(result) if recurrence_of(t) is not None]
        for tensor in reversed(list(dict.fromkeys(needed))):
            equation = self.program.equation(tensor)
            if equation.left is not None and equation.left not in before and recurrence_of(tensor) is not None:
                lines.append(Line(equation.left, equation.right, "back through the steps"))
        scope = self.arranger.scope(cotangent.of)
        left = Entry(self._ratio(cotangent.of), tuple(scope.called.values()))
        if left not in before and left not in {line.left for line in lines}:
            lines.append(Line(left, self.arranger.right(result), "sum over the steps"))
        return lines

    def _spoken_of(self, lines: list[Line]) -> set[Tensor]:
        """The definitions on the path, those that the steps name, and what these read in turn, as far as the user or
        a step does not say what it is."""
        naming = self.program.naming
        path = {c.of for c in self.sweep if c.of not in self.alias} - {self.target.of} | {self.root}
        told = {line.left.name for line in lines if isinstance(line.left, Entry)}
        read = {entry.name for line in lines for entry in entries(line.right)}
        found: set[Tensor] = set()
        pending = [t for t in naming.order if t in path or self.names.get(t) in read]
        while pending:
            tensor = pending.pop()
            on_path = tensor in path
            known = self.names[tensor] in told or tensor is self.target.of or naming.is_users(tensor)
            if tensor.definition is not None and tensor not in found and (on_path or not known):
                found.add(tensor)
                pending += self.program.reads(tensor)
        return found

    def _aliases(self) -> dict[Tensor, Tensor]:
        """x·W inside a = x·W + b is not spoken of: its cotangent is that of a."""
        found: dict[Tensor, Tensor] = {}
        for c in self.sweep:
            only = c.contributions[0]
            same = only.consumer in self.of and c.result is self.of[only.consumer].result
            plain = not only.over and only.at == tuple(axis(d) for d in range(c.of.ndim))
            hidden = name_of(c.of) is None and c.of.definition is not None and c is not self.target and c.of.ndim > 0
            if len(c.contributions) == 1 and same and plain and hidden and only.consumer.ndim == c.of.ndim:
                found[c.of] = found.get(only.consumer, only.consumer)
        return found

    def _consumer(self, contribution: Contribution) -> Tensor:
        return self.alias.get(contribution.consumer, contribution.consumer)

    def _ratio(self, tensor: Tensor) -> Name:
        return ratio(self.names[self.root], self.names[tensor])

    def _cotangent(self, cotangent: Cotangent) -> list[Line]:
        scope = self.arranger.scope(cotangent.of)
        left = Entry(self._ratio(cotangent.of), tuple(scope.called.values()))
        scopes = [self._inner(c, scope) for c in cotangent.contributions]
        chains = [self._chain(cotangent.of, c, s) for c, s in zip(cotangent.contributions, scopes, strict=True)]
        which = 0 if cotangent.folded else 1
        if len(chains) == 1:
            contribution, inner = cotangent.contributions[0], scopes[0]
            lines = self._contribution(chains[0], contribution, which, inner, left, depth=0)
        else:
            lines = [Line(left, Total(tuple((False, chain) for chain in chains)), "chain rule")]
            for chain, contribution, inner in zip(chains, cotangent.contributions, scopes, strict=True):
                lines += self._contribution(chain, contribution, which, inner, chain, depth=1)
            parts = [c.full if which == 0 else c.reference for c in cotangent.contributions]
            lines.append(Line(left, self.arranger.expression(sp.Add(*parts), scope), "sum of the contributions"))
        current = sp.Add(*(c.full if which == 0 else c.reference for c in cotangent.contributions))
        lines += self._steps(current, cotangent.steps, scope, 0)
        return _distinct(lines + self._result(cotangent, scope))

    def _result(self, cotangent: Cotangent, scope: Scope) -> list[Line]:
        """The definition that was stored."""
        result = cotangent.result
        if result is None:
            return []
        if result.definition is not None and not elements_of(result.definition.body):
            return []
        if result in self.names and self._is_other(result, cotangent):
            return [Line(None, Entry(self.names[result], tuple(scope.called.values())), "which is known")]
        return [Line(None, self.arranger.right(result), "collected"), *self._as_computed(cotangent)]

    def _as_computed(self, cotangent: Cotangent) -> list[Line]:
        """The form that programs compute, where algebra looks through values that stand in the derivation by name."""
        other = self.computed.get(cotangent.of)
        if other is None or other.result is None or other.result is cotangent.result or not self.cuts:
            return []
        through = ", ".join(self.names[cut].text for cut in self.cuts if cut in self.names)
        return [Line(None, self._stable(other.result), f"as computed, through {through}")]

    def _stable(self, result: Tensor) -> Node:
        """The right-hand side as programs run it, over the values of the derivation."""
        sources, stable = topological([result]), self._forms[result]
        source_of: dict[Tensor, Tensor] = {}
        for source in sources:
            if source in self.names:
                source_of.setdefault(self._forms[source], source)
        definition = stable.definition
        if stable in sources or definition is None:
            return self.arranger.right(result)
        made = rewrite(operands(stable), lambda tensor, form: source_of.get(tensor) or tensor.redefined(form))
        body = replace_tensors(definition.body, made)
        return self.arranger.right(result.redefined(Definition(definition.op, definition.extents, body)), like=result)

    @cached_property
    def _forms(self) -> dict[Tensor, Tensor]:
        """The stable form of each value that programs compute."""
        values = topological([c.result for c in self.computed.values() if c.result is not None])
        return dict(zip(values, stabilise(values), strict=True))

    def _is_other(self, result: Tensor, cotangent: Cotangent) -> bool:
        return self.names[result].text != self._ratio(cotangent.of).text

    def _inner(self, contribution: Contribution, scope: Scope) -> Scope:
        """The scope of a contribution: summed indices are called as in the consumer."""
        consumer = contribution.consumer
        called, used = dict(scope.called), set(scope.used)
        for index in contribution.over:
            position = next(d for d in range(consumer.ndim + len(contribution.over) + 8) if fresh(d) == index)
            slot = axis(position) if position < consumer.ndim else bound(position - consumer.ndim)
            chosen = self.arranger.letters.choose(self.arranger.letters.preferred(consumer, slot), used)
            used.add(chosen)
            called[index] = letter(chosen)
        return Scope(called, frozenset(used), scope.free)

    def _chain(self, of: Tensor, contribution: Contribution, scope: Scope) -> Node:
        """Σ ∂J/∂Y·∂Y/∂X as it is written before anything is worked out."""
        at = tuple(self.arranger.expression(index, scope) for index in contribution.at)
        variable = Entry(self.names[of], tuple(scope.called[axis(d)] for d in range(of.ndim)))
        consumer = self._consumer(contribution)
        factors: list[Node] = [Partial(Entry(self.names[consumer], at), variable)]
        if consumer is not self.root:
            factors.insert(0, Entry(self._ratio(consumer), at))
        summed = [index for index in contribution.over if any(index in i.free_symbols for i in contribution.at)]
        chain = product(factors)
        return Reduction("sum", tuple(scope.called[index] for index in summed), chain) if summed else chain

    def _contribution(
        self, chain: Node, contribution: Contribution, which: int, scope: Scope, left: Node, depth: int
    ) -> list[Line]:
        term = contribution.terms[which]
        current = Sum(term, *contribution.over) if contribution.over else term
        shown = self.arranger.expression(current, scope)
        through = self.names[self._consumer(contribution)]
        if depth or contribution.consumer is self.root:
            lines = [Line(left, shown, "derivative of", through, depth)]
        else:
            lines = [Line(left, chain, "chain rule through", through), Line(None, shown, "derivative of", through)]
        return lines + self._steps(current, contribution.steps[which], scope, depth)

    def _steps(self, current: sp.Expr, steps: list[Step], scope: Scope, depth: int) -> list[Line]:
        lines = []
        for step in steps:
            through = step.through.tensor if step.through is not None else None  # type: ignore[attr-defined]
            rule = " ".join(step.rule.split(" ")[:-1]) if through is not None else step.rule
            name = self.names.get(through) if through is not None else None
            if current.has(step.before) or current == step.before:
                current = current.xreplace({step.before: step.after})
                lines.append(Line(None, self.arranger.expression(current, scope), rule, name, depth))
            else:
                before, after = (self.arranger.expression(part, scope) for part in (step.before, step.after))
                lines.append(Line(before, after, rule, name, depth=1))
        return lines


def _distinct(lines: list[Line]) -> list[Line]:
    """Without continuations that read like the line before them."""
    kept: list[Line] = []
    for line in lines:
        repeats = kept and text(kept[-1].right) == text(line.right) and line.depth == kept[-1].depth
        if not (repeats and line.left is None and line.rule != LEFT):
            kept.append(line)
    return kept


def _expressions(cotangent: Cotangent) -> list[sp.Basic]:
    found: list[sp.Basic] = [part for step in cotangent.steps for part in (step.before, step.after)]
    for contribution in cotangent.contributions:
        found += [*contribution.terms, contribution.full, contribution.reference]
        found += [part for steps in contribution.steps for step in steps for part in (step.before, step.after)]
    return [_opened(part) for part in found]


def _opened(expression: sp.Basic) -> sp.Basic:
    return expression.args[1] if isinstance(expression, Reduced) else expression
