"""Which variables of a function are memory: those that are assigned again while they are seen, or read elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Sequence


def reassigned(function: ast.FunctionDef) -> set[str]:
    """Names that one value does not stand for: what a block assigns is seen in it, and in those inside it."""
    parameters = {argument.arg for argument in function.args.args}
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    found: set[str] = set()

    def body(statements: Sequence[ast.stmt], scopes: list[set[str]]) -> None:
        own = [*scopes, set()]
        for statement in statements:
            look(statement, own)

    def look(node: ast.AST, scopes: list[set[str]]) -> None:
        match node:
            case ast.Name(name, ast.Store()):
                found.update({name} if any(name in scope for scope in scopes) else ())
                scopes[-1].add(name)
            case ast.Name(name):
                found.update({name} if name in stored and not any(name in scope for scope in scopes) else ())
            case ast.Assign(targets, value):
                for part in (value, *targets):
                    look(part, scopes)
            case ast.AugAssign(target, _, value):
                look(value, scopes)
                look(target, scopes)
            case ast.For(target, limits, statements):
                look(limits, scopes)
                inner = [*scopes, set()]
                look(target, inner)
                body(statements, inner)
            case ast.If(test, then, otherwise):
                look(test, scopes)
                body(then, scopes)
                body(otherwise, scopes)
            case ast.While(test, statements):
                look(test, scopes)
                body(statements, scopes)
            case _:
                for child in ast.iter_child_nodes(node):
                    look(child, scopes)

    body(function.body, [parameters])
    return found
