"""The language of scalar bodies: what they are made of, and what SymPy's other notations are in it.

    Xor(a, b) → (a ∧ ¬b) ∨ (¬a ∧ b)      frac u → u − ⌊u⌋      Contains(u, [0, 1]) → 0 ≤ u ∧ u ≤ 1      {u > 0} → 1 or 0

A condition is made of relations between values without branches, joined by ∧, ∨ and ¬; a value is a real number.
What follows (derivatives, stable forms, kernels) knows these alone, so that nothing else may enter a definition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import sympy as sp
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean, BooleanAtom

from symgraph.core.cases import Cases, Fails, allow, both, decided, either
from symgraph.core.provenance import at_line
from symgraph.core.rebuild import bottom_up, parts_of, replaced
from symgraph.core.scalars import Delta, modulo
from symgraph.core.tensor import Element, Tensor
from symgraph.core.writing import as_told
from symgraph.errors import DomainError

Asked = Callable[[Tensor], Boolean]

_WHOLE = (Element, Delta)
_JOINED = (sp.And, sp.Or, sp.Not, sp.Xor, sp.Implies, sp.Equivalent, sp.ITE)
_PLAIN = (
    sp.Add, sp.Mul, sp.Pow, sp.Function, sp.Max, sp.Min, sp.Symbol, Tensor, Relational, ExprCondPair, BooleanAtom,
    sp.UnevaluatedExpr, sp.Number, sp.NumberSymbol, type(sp.I), type(sp.zoo), *_JOINED,
)  # fmt: skip
_INSTEAD = (
    ((sp.Integral, sp.Derivative, sp.Sum, sp.Product, sp.Limit, sp.Subs), "write its value, as .doit() gives it; a sum "
     "over indices is sg.Sum in sg.define"),
    ((sp.MatrixBase, sp.MatrixExpr, sp.Indexed, sp.IndexedBase, sp.Array, sp.Tuple), "arrays are tensors (sg.input, "
     "sg.parameter), and x[n, i] in sg.define is an element of one"),
)  # fmt: skip


def as_value(body: sp.Basic) -> sp.Expr:
    """A condition as 1 where it holds and 0 elsewhere; a value as it is."""
    if isinstance(body, BooleanAtom):
        return sp.Integer(int(bool(body)))
    is_condition = isinstance(body, Boolean) and not isinstance(body, sp.Expr)
    return Cases((1, body), (0, True)) if is_condition else body


def in_language(body: sp.Basic, asked: Asked, whole: tuple[type, ...] = ()) -> sp.Basic:
    """The value or condition with every other notation written out.

    Parameters
    ----------
    body : formula over symbols, tensors and elements.
    asked : what a tensor says where a condition is expected.
    whole : further classes that are not looked into, as elements are not.

    Raises
    ------
    DomainError
        for what is no real number, or no formula of one.
    """
    whole = (*_WHOLE, *whole)
    parts = parts_of(body)
    allow(1 + sum(isinstance(part, sp.ITE) for part in parts))  # which is what SymPy makes of branches in a condition
    inside = {part: _member(part.args[0], part.args[1], body) for part in parts if isinstance(part, sp.Contains)}
    body = body.xreplace(inside) if inside else body
    return bottom_up(
        body,
        lambda node: _is_leaf(node, body, whole),
        lambda node, args: _written_out(_with_conditions(node, args, asked)),
        {},
    )


def _is_leaf(node: sp.Basic, body: sp.Basic, whole: tuple[type, ...]) -> bool:
    """Whether a node is not looked into: an element, a number, a symbol.

    Raises
    ------
    DomainError
        for what is no formula of real numbers.
    """
    if isinstance(node, whole):
        return True
    if not isinstance(node, _PLAIN) or (node.is_Symbol and not node.is_commutative):
        raise _foreign(node, body)
    if isinstance(node, sp.Expr) and node.is_number:
        _check_real(node, body)
        return True
    return not node.args


def _check_real(number: sp.Expr, body: sp.Basic) -> None:
    """Raise for a constant that is not real, such as asin(2), or not defined."""
    if number.is_extended_real:
        return
    value = number.evalf()
    real, imaginary = value.as_real_imag()
    if imaginary is sp.nan or (imaginary.is_Number and abs(imaginary) > abs(real) * 1e-12):
        raise DomainError(at_line(f"the formula {body} is not a real number: it has √−1, or divides by 0"))


def _with_conditions(node: sp.Basic, args: list[sp.Basic], asked: Asked) -> sp.Basic:
    """The operation on arguments that are in the language; tensors and symbols as conditions where one is due."""
    if isinstance(node, _JOINED):
        args = [_as_condition(arg, asked) for arg in args]
    elif isinstance(node, ExprCondPair):
        args = [args[0], _as_condition(args[1], asked)]
    elif isinstance(node, Relational) and all(isinstance(a, Boolean) and not isinstance(a, sp.Expr) for a in args):
        same = sp.Equivalent(*args)
        return same if isinstance(node, sp.Eq) else Fails(_written_out(same))
    return as_told(node, args)


def _as_condition(node: sp.Basic, asked: Asked) -> sp.Basic:
    """A tensor by what it says, a symbol or an element by whether it differs from 0."""
    if isinstance(node, Tensor):
        return asked(node)
    return sp.Ne(node, 0) if isinstance(node, (sp.Symbol, Element)) else node


def _written_out(node: sp.Basic) -> sp.Basic:
    """A node whose arguments are in the language, in the language."""
    match node:
        case Relational():
            return decided(node)
        case sp.ITE(args=(test, yes, no)):
            return either(both(test, yes), both(Fails(test), no))
        case sp.Implies(args=(left, right)):
            return either(Fails(left), right)
        case sp.Xor():
            return _odd(sorted(node.args, key=sp.default_sort_key))
        case sp.Equivalent():
            return either(sp.And(*node.args), sp.And(*map(Fails, node.args)))
        case sp.Piecewise():
            return Cases(*node.args)
        case sp.Function() | sp.UnevaluatedExpr() if type(node) in _FUNCTIONS:
            names = {arg: arg if arg.is_Number else sp.Dummy(real=True) for arg in node.args}
            formula = _FUNCTIONS[type(node)](*(names[arg] for arg in node.args))
            return replaced(formula, {name: arg for arg, name in names.items() if name is not arg})
    return node


def _odd(parts: Iterable[sp.Basic]) -> sp.Basic:
    """Whether an odd number of conditions hold."""
    found = sp.false
    for part in parts:
        found = either(both(found, Fails(part)), both(Fails(found), part))
    return found


def _member(value: sp.Expr, region: sp.Set, body: sp.Basic) -> sp.Basic:
    if isinstance(region, sp.Union):
        return sp.Or(*(_member(value, part, body) for part in region.args))
    if isinstance(region, sp.FiniteSet):
        return sp.Or(*(sp.Eq(value, member) for member in region.args))
    if not isinstance(region, sp.Interval):
        raise _foreign(region, body)
    above = value > region.start if region.left_open else value >= region.start
    return sp.And(above, value < region.end if region.right_open else value <= region.end)


def _foreign(node: sp.Basic, body: sp.Basic) -> DomainError:
    instead = next((text for classes, text in _INSTEAD if isinstance(node, classes)), "")
    what = f"{node}, which does not commute," if node.is_Symbol else type(node).__name__
    expected = instead or "expected are numbers, arithmetic, real functions, Piecewise, relations, And, Or, Not"
    return DomainError(at_line(f"{what} is no part of a scalar formula, in {body}: {expected}"))


# -- functions that others compose ------------------------------------------------------------------------------------
def _heaviside(u: sp.Expr, at_zero: sp.Expr = sp.S.Half) -> sp.Expr:
    if at_zero == sp.S.Half:
        return sp.Heaviside(u)
    return Cases((1, sp.Gt(u, 0)), (at_zero, sp.Eq(u, 0)), (0, True))


def _angle(y: sp.Expr, x: sp.Expr) -> sp.Expr:
    """atan2, by the quotient of the smaller and the larger one; 0 at the origin."""
    return Cases(
        (0, sp.And(sp.Eq(x, 0), sp.Eq(y, 0))),
        (sp.atan(y / x), sp.And(sp.Gt(x, 0), sp.Ge(x, sp.Abs(y)))),
        (sp.pi / 2 - sp.atan(x / y), sp.Gt(y, sp.Abs(x))),
        (-sp.pi / 2 - sp.atan(x / y), sp.Gt(-y, sp.Abs(x))),
        (sp.atan(y / x) + sp.pi, sp.And(sp.Lt(x, 0), sp.Ge(y, 0))),
        (sp.atan(y / x) - sp.pi, True),
    )


_FUNCTIONS: dict[type, Callable[..., sp.Expr]] = {
    sp.UnevaluatedExpr: lambda u: u,
    sp.Mod: modulo,
    sp.frac: lambda u: u - sp.floor(u),
    sp.Heaviside: _heaviside,
    sp.KroneckerDelta: lambda u, v, *_: Cases((1, sp.Eq(u, v)), (0, True)),
    sp.sinc: lambda u: Cases((sp.sin(u) / u, sp.Ne(u, 0)), (1, True)),
    sp.atan2: _angle,
    sp.acot: lambda u: Cases((sp.pi / 2 - sp.atan(u), sp.Ge(u, 0)), (-sp.pi / 2 - sp.atan(u), True)),
    sp.asec: lambda u: sp.acos(1 / u),
    sp.acsc: lambda u: sp.asin(1 / u),
    sp.acoth: lambda u: sp.atanh(1 / u),
    sp.asech: lambda u: sp.acosh(1 / u),
    sp.acsch: lambda u: sp.asinh(1 / u),
    sp.csch: lambda u: 1 / sp.sinh(u),
}
"""What functions without a kernel are in terms of those that have one."""
