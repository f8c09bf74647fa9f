"""A program as Python source: the declarations a user would write.

One program has many renderings: a value may be bound to a variable, stand inside the formula that uses it, come from a
helper function, or lie in a list; a formula may be written with operators, NumPy's functions, SymPy's, or be given to
``sg.elementwise``. A style's seed chooses.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.fuzz.programs import Formula, Program, Size, shapes_of
from tests.fuzz.render_formula import Spelling, in_brackets, in_words

LONGEST = 160
SYMBOLS = 4
"""Symbols ``S_1 …`` of a script."""
PLAIN = 0
"""The seed of the style in which every value has a variable."""
NAMES = ("y", "z", "h", "a", "t", "g", "u2", "J", "L", "e", "p", "q", "v2", "s2", "sigma", "T", "a2", "f", "k1", "sums")


def render(program: Program, style: int, data: Mapping[str, np.ndarray]) -> str:
    """Statements that leave ``inputs`` (a list of leaves) and ``outputs`` (a dict of tensors)."""
    return _Rendering(program, style, data).text()


class _Rendering:
    def __init__(self, program: Program, style: int, data: Mapping[str, np.ndarray]) -> None:
        self.program, self.style, self.data = program, style, data
        self.random = random.Random(style)
        self.shapes = shapes_of(program)
        self.lines: list[str] = []
        self.helpers: list[str] = []
        self.written: dict[int, str] = {}
        self.names = list(NAMES)
        if style != PLAIN:
            self.random.shuffle(self.names)
        taken = {leaf.name for leaf in program.leaves} | self._index_names()
        self.names = [name for name in self.names if name not in taken]

    def text(self) -> str:
        used = {size[0] for shape in self.shapes for size in shape if not isinstance(size, int)}
        used |= {size[0] for _, size in self._indices() if not isinstance(size, int)}
        lines = [f'{name} = sg.dim("{name}")' for name in sorted(used)]
        indices = sorted(self._index_names())
        if indices:
            lines.append(f'{"".join(f"{i}, " for i in indices)[:-1]} = sg.indices("{" ".join(indices)}")')
        fixed = self.program.differentiated() | set(self.program.outputs)
        for number in range(len(self.program.values)):
            self._write(number, number in fixed)
        inputs = [
            self.written[k] for k, v in enumerate(self.program.values) if v.op == "leaf" and v.data.kind != "constant"
        ]
        outputs = ", ".join(f'"o{k}": {self.written[k]}' for k in self.program.outputs)
        lines += self.helpers + self.lines + [f"inputs = [{', '.join(inputs)}]", f"outputs = {{{outputs}}}"]
        return "\n".join(lines) + "\n"

    def _index_names(self) -> set[str]:
        return {name for name, _ in self._indices()}

    def _indices(self) -> list[tuple[str, Size]]:
        return [pair for v in self.program.values if v.op == "define" for pair in (*v.data[0], *v.data[1])]

    def _write(self, number: int, fixed: bool) -> None:
        value = self.program.values[number]
        text = self._leaf(number) if value.op == "leaf" else self._operation(number)
        manner = "variable"
        if self.style != PLAIN and value.op != "leaf":
            manner = self.random.choice(["variable", "inside", "inside", "helper", "list"])
            if manner == "inside" and (fixed or len(text) > LONGEST):
                manner = "list"
        match manner:
            case "inside":
                self.written[number] = f"({text})"
            case "variable":
                self._bind(self._name(number), number, text)
            case "list":
                if "kept = {}" not in self.lines:
                    self.lines.append("kept = {}")
                self._bind(f"kept[{number}]", number, text)
            case "helper":
                name = f"helper{number}"
                self.helpers.append(self._helper(name, number))
                given = ", ".join(self.written[a] for a in dict.fromkeys(value.args))
                self._bind(self._name(number), number, f"{name}({given})")

    def _helper(self, name: str, number: int) -> str:
        """A function of the arguments that gives the value, with or without a variable in it."""
        value = self.program.values[number]
        known = dict(self.written)
        self.written |= {a: f"_{k}" for k, a in enumerate(dict.fromkeys(value.args))}
        text = self._operation(number)
        self.written = known
        arguments = ", ".join(f"_{k}" for k in range(len(dict.fromkeys(value.args))))
        body = [f"    inner = {text}", "    return inner"] if self.random.random() < 0.3 else [f"    return {text}"]
        return "\n".join([f"def {name}({arguments}):", *body])

    def _bind(self, target: str, number: int, text: str) -> None:
        self.lines.append(f"{target} = {text}")
        self.written[number] = target

    def _name(self, number: int) -> str:
        value = self.program.values[number]
        if value.op == "leaf":
            name = value.data.name
            return f"{name}_" if name in self._index_names() | self.program.size_of.keys() else name
        return self.names.pop() if self.names else f"r{number}"

    # -- values ---------------------------------------------------------------------------------------------------
    def _leaf(self, number: int) -> str:
        leaf = self.program.values[number].data
        match leaf.kind:
            case "symbol":
                return f'sg.parameter("{leaf.name}", ())'
            case "constant":
                return f'sg.constant({self.data[leaf.name].tolist()!r}, name="{leaf.name}")'
            case "labels":
                return f'sg.labels("{leaf.name}", {show_shape(leaf.shape)}, classes={show_size(leaf.classes)})'
        return f'sg.{leaf.kind}("{leaf.name}", {show_shape(leaf.shape)})'

    def _operation(self, number: int) -> str:
        value = self.program.values[number]
        given = [self.written[a] for a in value.args]
        match value.op:
            case "formula":
                return self._formula(value.data, given)
            case "sum" | "mean" | "max" | "min":
                axes, keep = value.data
                axis = "" if axes is None else f", axis={axes[0] if len(axes) == 1 else axes}"
                return f"sg.{value.op}({given[0]}{axis}{', keepdims=True' if keep else ''})"
            case "argmax" | "argmin" | "softmax" | "log_softmax" | "logsumexp":
                return f"sg.{value.op}({given[0]}, axis={value.data})"
            case "slice":
                return f"{self._tensor(given[0], value.args[0])}[{', '.join(map(_key, value.data))}]"
            case "transpose":
                if value.data == (1, 0) and self.random.random() < 0.5:
                    return f"{self._tensor(given[0], value.args[0])}.T"
                return f"sg.transpose({given[0]}, {value.data})"
            case "matmul":
                left, right = (self._tensor(g, a) for g, a in zip(given, value.args, strict=True))
                return f"{left} @ {right}"
            case "define":
                return self._define(number, given)
            case "grad":
                if self.random.random() < 0.2:
                    return f'sg.grad({given[0]}, [{given[1]}], disconnected="zero")[{given[1]}]'
                return f'sg.grad({given[0]}, {given[1]}, disconnected="zero")'
            case "jacobian" | "hvp":
                return f"sg.{value.op}({', '.join(given)})"
        raise ValueError(value.op)

    def _tensor(self, text: str, number: int) -> str:
        return text if self.program.values[number].op != "formula" else f"sg.as_tensor({text})"

    def _formula(self, formula: Formula, given: list[str]) -> str:
        way = "operators" if self.style == PLAIN else self.random.choice(["operators"] * 4 + ["sympy", "user"])
        if way == "user" and (text := self._as_users_formula(formula, given)):
            return text
        spelling = Spelling("sympy" if way == "sympy" else "sg", self.random if self.style != PLAIN else None)
        text = in_words(formula, spelling, lambda p: given[p[1]])
        return text if way == "operators" and formula[0] != "num" else f"sg.as_tensor({text})"

    def _as_users_formula(self, formula: Formula, given: list[str]) -> str | None:
        """With a symbol for each occurrence of a value: SymPy makes u/u 1 before we see it, and s/s may be NaN."""
        occurrences: list[int] = []

        def letter(part: Formula) -> str:
            occurrences.append(part[1])
            return f"S_{len(occurrences)}"

        inner = in_words(formula, Spelling("sympy", self.random), letter)
        if len(occurrences) > SYMBOLS:
            return None
        symbols = ", ".join(f"S_{k + 1}" for k in range(len(occurrences)))
        return f"sg.elementwise({inner}, {symbols})({', '.join(given[k] for k in occurrences)})"

    def _define(self, number: int, given: list[str]) -> str:
        free, _, body = self.program.values[number].data
        text = in_words(body, Spelling("sympy"), lambda p: p[1] if p[0] == "idx" else in_brackets(p, given))
        names = [name for name, _ in free]
        order = f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"
        shape = show_shape([size for _, size in free])
        return f"sg.define({order}, {text}, shape={shape})"


def _key(key: Any) -> str:
    if isinstance(key, int):
        return str(key)
    start, stop, step = key
    shown = ["" if part is None else str(part) for part in (start, stop, step)]
    return ":".join(shown[:2]) + (f":{shown[2]}" if shown[2] else "")


def show_size(size: Size) -> str:
    """A size as it is written."""
    return str(size) if isinstance(size, int) else size[0] + (f" + {size[1]}" if size[1] else "")


def show_shape(shape: object) -> str:
    """A shape as it is written."""
    sizes = [show_size(size) for size in shape]  # type: ignore[attr-defined]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
