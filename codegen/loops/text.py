"""Scalar expressions of the IR as Python text.

Op("+", Load a [n, j], Load b [j])   →   a[n*32 + j] + b[j]
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from codegen.loops import ir
from codegen.loops.guards import guards
from codegen.loops.ir import Call, Cast, Const, Expr, Load, Op, Select, Var

PRECEDENCE = {"or": 1, "and": 2, "not": 3, "+": 6, "-": 6, "*": 7, "/": 7, "//": 7, "%": 7, "neg": 8}
COMPARISON, ATOM, TERNARY = 4, 10, 0

Shapes = Mapping[str, tuple[Expr, ...]]


def text(expression: Expr, shapes: Shapes, level: int = 0) -> str:
    """Python text that binds at least as tightly as ``level``."""
    shown, precedence = _text(expression, shapes)
    return f"({shown})" if precedence < level else shown


def _text(expression: Expr, shapes: Shapes) -> tuple[str, int]:
    match expression:
        case Const(value, dtype):
            return _number(value, dtype)
        case Var(name):
            return name, ATOM
        case Load(buffer, index):
            return f"{buffer}[{text(ir.flat_index(index, shapes[buffer]), shapes)}]", ATOM
        case Call(function, args):
            return f"{function}({', '.join(text(arg, shapes) for arg in args)})", ATOM
        case Cast(value, dtype):
            return f"{dtype}({text(value, shapes)})", ATOM
        case Select(condition, yes, no) if guards(expression):
            return f"{text(yes, shapes, 1)} if {text(condition, shapes, 1)} else {text(no, shapes, TERNARY)}", TERNARY
        case Select(condition, yes, no):
            return f"select({text(condition, shapes)}, {text(yes, shapes)}, {text(no, shapes)})", ATOM
        case Op(op, args):
            return _operation(op, args, shapes)
    raise TypeError(expression)


def _operation(op: str, args: tuple[Expr, ...], shapes: Shapes) -> tuple[str, int]:
    precedence = PRECEDENCE.get(op, COMPARISON)
    if op == "neg":
        return f"-{text(args[0], shapes, precedence)}", precedence
    if op == "not":
        return f"not {text(args[0], shapes, precedence)}", precedence
    left, right = args
    if op == "+" and isinstance(right, Const) and right.dtype == "int64" and right.value < 0:
        return f"{text(left, shapes, precedence)} - {-right.value}", precedence
    if op == "+" and isinstance(right, Op) and right.op == "neg":
        return f"{text(left, shapes, precedence)} - {text(right.args[0], shapes, precedence + 1)}", precedence
    space = "" if op == "*" and left.dtype == "int64" else " "
    loose = op in ("and", "or", "+", "*") and left.dtype in ("int64", "bool") and _continues(op, right)
    shown = f"{text(left, shapes, precedence)}{space}{op}{space}{text(right, shapes, precedence + (not loose))}"
    return shown, precedence


def _continues(op: str, right: Expr) -> bool:
    """Whether a right operand is a chain of the same operation, that needs no parentheses: not (a//b)*c after a*."""
    first = right
    while isinstance(first, Op) and first.op == op:
        first = first.args[0]
    divides = isinstance(first, Op) and first.op in ("//", "%")
    return first is not right and not divides


def _number(value: float, dtype: str) -> tuple[str, int]:
    if dtype == "int64":
        return str(int(value)), ATOM if value >= 0 else PRECEDENCE["neg"]
    if dtype == "bool":
        return str(bool(value)), ATOM
    number = float(value)
    shown = repr(number) if math.isfinite(number) else "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"
    return f"{dtype}({shown})", ATOM
