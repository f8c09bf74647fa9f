"""A scalar formula as Python source: with operators and ``sg``'s functions, NumPy's, or SymPy's alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fuzz.programs import Formula

NUMPY = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sign", "square")
SYMPY = {
    "exp": "sp.exp({0})", "log": "sp.log({0})", "sqrt": "sp.sqrt({0})", "sin": "sp.sin({0})", "cos": "sp.cos({0})",
    "tanh": "sp.tanh({0})", "abs": "sp.Abs({0})", "sign": "sp.sign({0})", "erf": "sp.erf({0})", "atan": "sp.atan({0})",
    "square": "({0})**2", "sigmoid": "1/(1 + sp.exp(-({0})))", "softplus": "sp.log(1 + sp.exp({0}))",
    "relu": "sp.Max({0}, 0)", "neg": "-({0})", "max": "sp.Max({0}, {1})", "min": "sp.Min({0}, {1})",
    "leaky_relu": "sp.Piecewise(({0}, ({0}) > 0), (({0})/100, True))",
    "elu": "sp.Piecewise(({0}, ({0}) > 0), (sp.exp({0}) - 1, True))",
    "gelu": "({0})*(1 + sp.erf(({0})/sp.sqrt(2)))/2", "silu": "({0})/(1 + sp.exp(-({0})))",
    "mish": "({0})*sp.tanh(sp.log(1 + sp.exp({0})))", "hardtanh": "sp.Max(-1, sp.Min({0}, 1))",
    "log_sigmoid": "sp.log(1/(1 + sp.exp(-({0}))))", "softsign": "({0})/(1 + sp.Abs({0}))",
}  # fmt: skip
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}
RELATIONS = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
CONNECTIVES = {"and": "sp.And", "or": "sp.Or", "not": "sp.Not"}
LETTERS = {"sum": "Sum", "max": "Max", "min": "Min"}


EVALUATED, AS_WRITTEN = "", ", evaluate=False"
"""SymPy makes 0 of √x·0, and x of what is x in both cases, before ``sg`` sees it."""


@dataclass(frozen=True)
class Spelling:
    """Whose functions are written; with ``chooser``, sometimes NumPy's in place of ``sg``'s."""

    functions: str  # "sg" or "sympy"
    chooser: random.Random | None = None


def in_words(f: Formula, spelling: Spelling, atom: Callable[[Formula], str]) -> str:
    """The formula, with its atoms written by ``atom``."""
    again = lambda g: in_words(g, spelling, atom)  # noqa: E731
    match f[0]:
        case "num":
            return _number(f[1])
        case "arg" | "el" | "idx":
            return atom(f)
        case "red":
            return f"sg.{LETTERS[f[1]]}({again(f[3])}, {', '.join(f[2])})"
        case "if" if spelling.functions == "sg":
            return f"sg.where({condition(f[1], again)}, {again(f[2])}, {again(f[3])})"
        case "if":
            cases = f"({again(f[2])}, {condition(f[1], again)}), ({again(f[3])}, True)"
            return f"sp.Piecewise({cases}{EVALUATED if f[2] != f[3] else AS_WRITTEN})"
        case "mul" if spelling.functions == "sympy" and ("num", "0") in f[1:]:
            return f"sp.Mul({again(f[1])}, {again(f[2])}{AS_WRITTEN})"
        case "add" | "sub" | "mul" | "div" | "pow":
            left = f"sp.Integer({f[1][1]})" if f[1][0] == "num" and "/" not in f[1][1] else again(f[1])
            return f"({left} {OPERATORS[f[0]]} {again(f[2])})"
    return _function(f, spelling, [again(g) for g in f[1:]])


def _function(f: Formula, spelling: Spelling, given: list[str]) -> str:
    name, chooser = f[0], spelling.chooser
    if spelling.functions == "sympy":
        return f"({SYMPY[name].format(*given)})"
    if name == "neg":
        return f"(-{given[0]})"
    if name == "atan":
        return f"sg.as_tensor(sp.atan({given[0]}))"
    if name in ("max", "min"):
        return f"sg.{name}imum({given[0]}, {given[1]})"
    if chooser is not None and name in NUMPY and f[1][0] == "arg" and chooser.random() < 0.2:
        return f"np.{name}({given[0]})"
    return f"sg.{name}({given[0]})"


def condition(c: Formula, again: Callable[[Formula], str]) -> str:
    """A condition as SymPy's."""
    if c[0] in CONNECTIVES:
        return f"{CONNECTIVES[c[0]]}({', '.join(condition(part, again) for part in c[1:])})"
    left, right = (again(part) for part in c[1:])
    if c[0] == "==":
        return f"sp.Eq({left}, {right})"
    left = f"sp.sympify({left})" if c[1][0] == "num" else left
    return f"({left} {RELATIONS[c[0]]} {right})"


def _number(text: str) -> str:
    if "/" in text:
        top, bottom = text.split("/")
        return f"sp.Rational({top}, {bottom})"
    return f"({text})" if text.startswith("-") else text


def in_brackets(f: Any, given: Sequence[str]) -> str:
    """An element, ``x[n, i + 1]``."""
    shown = [_position(part, given) for part in f[2]]
    if not shown:
        return given[f[1]]
    return f"{given[f[1]]}[{', '.join(shown)}]"


def _position(part: Any, given: Sequence[str]) -> str:
    if part[0] == "lab":
        return in_brackets(("el", part[1], part[2]), given)
    _, constant, terms = part
    text = ""
    for name, factor in terms:
        sign = "-" if factor < 0 else "+" if text else ""
        size = "" if abs(factor) == 1 else f"{abs(factor)}*"
        text += f" {sign} {size}{name}" if text else f"{sign}{size}{name}"
    if constant or not text:
        text += (f" {'-' if constant < 0 else '+'} {abs(constant)}") if text else str(constant)
    return text
