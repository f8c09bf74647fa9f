"""Statements under other names: of their buffers, and of the variables that they bind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

from codegen.loops import ir
from codegen.loops.ir import Assign, Contract, Copy, Expr, For, If, Kernel, Let, Operand, Share, Stmt, Store, Var
from codegen.loops.program import Program

Body = tuple[Stmt, ...]


class Renaming:
    """``variable`` gives every variable that is bound its new name; what is not bound in here keeps its own.

    Formulas, which are comments, are left out unless asked for.
    """

    def __init__(self, buffers: Mapping[str, str], variable: Callable[[str], str], formulas: bool = False) -> None:
        self.buffers, self.variable, self.formulas = buffers, variable, formulas
        self.variables: dict[str, str] = {}

    def block(self, body: Body) -> Body:
        return tuple(self.one(statement) for statement in body)

    def expression(self, node: Expr) -> Expr:
        parts = tuple(self.expression(part) for part in ir.children(node))
        if isinstance(node, ir.Load):
            return ir.Load(self.buffers[node.buffer], parts, node.dtype, node.guarded)
        if isinstance(node, Var) and node.name in self.variables:
            return Var(self.variables[node.name], node.dtype)
        if isinstance(node, Var) and node.name.removesuffix("_end") in self.variables:
            return Var(f"{self.variables[node.name.removesuffix('_end')]}_end", node.dtype)
        return ir.rebuild(node, parts) if parts else node

    def bound(self, var: Var) -> Var:
        if var.name not in self.variables:
            self.variables[var.name] = self.variable(var.name)
        return Var(self.variables[var.name], var.dtype)

    def operand(self, matrix: Operand) -> Operand:
        first, second = map(self.expression, matrix.strides)
        return Operand(self.buffers[matrix.buffer], self.expression(matrix.offset), (first, second))

    def one(self, statement: Stmt) -> Stmt:
        formula = getattr(statement, "formula", "") if self.formulas else ""
        match statement:
            case Let(var, value):
                value = self.expression(value)
                return Let(self.bound(var), value, formula)
            case Assign(var, value, op):
                value = self.expression(value)
                return Assign(self.bound(var), value, op, formula)
            case Store(buffer, index, value, op):
                index = tuple(map(self.expression, index))
                return Store(self.buffers[buffer], index, self.expression(value), op, formula)
            case For(var, start, stop, body, step, parallel, grain):
                start, stop = self.expression(start), self.expression(stop)
                return For(self.bound(var), start, stop, self.block(body), step, parallel, grain)
            case Share(first, last, count):
                count = self.expression(count)
                return Share(self.bound(first), self.bound(last), count)
            case If(condition, body):
                return If(self.expression(condition), self.block(body))
            case Contract(out, left, right, rows, columns, depth, extents):
                operands = self.operand(out), self.operand(left), self.operand(right)
                sizes = self.expression(rows), self.expression(columns), self.expression(depth)
                steps = statement.left_steps, statement.right_steps, statement.out_steps
                return Contract(*operands, *sizes, extents, formula, statement.accumulate, *steps)
            case Copy(out, source, rows, columns, transposed):
                area = self.expression(rows), self.expression(columns)
                return Copy(self.operand(out), self.operand(source), *area, transposed, formula)
        raise TypeError(statement)


class _Content(Renaming):
    """Without names, and without the order of two factors, which is that of theirs: a product of two is the same bits
    either way, a sum that is fused with one is not."""

    def expression(self, node: Expr) -> Expr:
        found = super().expression(node)
        if isinstance(found, ir.Op) and found.op == "*":
            return replace(found, args=tuple(sorted(found.args, key=repr)))
        return found


def content(kernel: Kernel, program: Program) -> tuple[tuple[Stmt, ...], object, tuple[str, ...]]:
    """What makes two kernels one function: everything but formulas, names of buffers and the order of factors."""
    rename = {name: f"b{position}" for position, name in enumerate(kernel.buffers)}
    shapes = tuple((program.buffers[argument].dtype, program.buffers[argument].shape) for argument in kernel.arguments)
    numbers = count()
    return _Content(rename, lambda name: f"v{next(numbers)}").block(kernel.body), shapes, kernel.sizes
