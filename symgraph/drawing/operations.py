"""A program with one operation a value, as computational graphs are drawn in books: add, multiply, exp, 1/x.

y = 1/(1 + exp(−x))     →     v1 = −x,  v2 = exp(v1),  v3 = 1 + v2,  y = 1/v3

In: a tensor. Out: an equal one whose definitions are single operations. A sum of products stays one (a dot product),
and so do a formula of branches and a recurrence.
"""

from __future__ import annotations

import sympy as sp

from symgraph.core.graph import elements_of, replace_tensors, topological
from symgraph.core.indices import Index, axis, bound, extents_of
from symgraph.core.reading import call_first, name_of
from symgraph.core.rebuild import replaced
from symgraph.core.scalars import Written
from symgraph.core.tensor import Definition, Element, Tensor
from symgraph.core.views import is_contraction


def exploded(root: Tensor) -> dict[Tensor, Tensor]:
    """The tensor, and all that it depends on, by single operations; names stay with the values that have them."""
    done: dict[Tensor, Tensor] = {}
    for tensor in topological([root]):
        definition = tensor.definition
        if definition is None:
            done[tensor] = tensor
            continue
        body = replace_tensors(definition.body, done)
        new = tensor.redefined(_single(tensor, Definition(definition.op, definition.extents, body)))
        name = name_of(tensor)
        if name is not None:
            call_first(new, name)
        done[tensor] = new
    return done


def sign(tensor: Tensor) -> str:
    """What is written in the node of an operation: ``×``, ``+ 1``, ``exp``, ``1/x``, ``Σ``, ``dot``."""
    definition = tensor.definition
    assert definition is not None
    body = definition.body
    if definition.op is not None:
        return "dot" if is_contraction(tensor) else "Σ" if definition.op == "sum" else definition.op
    if isinstance(body, sp.Max | sp.Min) and body.args[0].is_number:
        return f"{'max' if isinstance(body, sp.Max) else 'min'}({body.args[0]}, x)"
    if not elements_of(body):
        return "const"
    match body:
        case Element():
            return "copy"
        case sp.Add():
            return _sign_of_sum(body)
        case sp.Mul():
            return _sign_of_product(body)
        case sp.exp():
            return "exp"
        case sp.Pow():
            named = {sp.S.NegativeOne: "1/x", sp.S.Half: "√x", sp.Integer(2): "x²", sp.Integer(3): "x³"}
            exponent = body.exp
            return named.get(exponent, f"x^{exponent}" if exponent.is_number else "xʸ")
        case sp.Piecewise():
            return "cases"
        case Written():
            return "f"
    return type(body).__name__.lower() if isinstance(body, sp.Abs | sp.Max | sp.Min) else type(body).__name__


def _sign_of_sum(body: sp.Add) -> str:
    constant, terms = body.as_coeff_Add()
    negative = [term for term in sp.Add.make_args(terms) if term.could_extract_minus_sign()]
    if constant:
        return f"{'−' if constant < 0 else '+'} {abs(constant)}" if not negative else f"{constant} − x"
    return "−" if negative else "+"


def _sign_of_product(body: sp.Mul) -> str:
    coefficient, rest = body.as_coeff_Mul()
    factors = sp.Mul.make_args(rest)
    below = [factor for factor in factors if factor.is_Pow and factor.exp == -1]
    if len(elements_of(body)) == 1 and below and not elements_of(below[0]):
        return f"/ {below[0].base}"
    if len(factors) == 1 and not below:
        return "× (−1)" if coefficient == -1 else f"× {coefficient}".replace("-", "−")
    return "/" if below else "×"


def _single(tensor: Tensor, definition: Definition) -> Definition:
    """The definition over the values of its inner operations."""
    if is_contraction(tensor) or definition.is_opaque:
        return definition
    writer = _Operations(extents_of(tensor.shape, definition.extents))
    if definition.op is None:
        return Definition(None, (), writer.over_values(definition.body))
    if isinstance(definition.body, Element):
        return definition
    return Definition(definition.op, definition.extents, writer.value(definition.body))


class _Operations:
    def __init__(self, extents: dict[Index, sp.Expr]) -> None:
        self.extents = extents

    def value(self, body: sp.Expr) -> sp.Expr:
        """A formula as an element of a value of its own, over the indices in it; a number as it is."""
        if isinstance(body, Element) or not elements_of(body):
            return body
        single = self.over_values(body)
        free = sorted(single.atoms(Index) & self.extents.keys(), key=_position)
        shape = tuple(self.extents[index] for index in free)
        rename = {index: axis(d) for d, index in enumerate(free)}
        return Element(Tensor.define(shape, replaced(single, rename)), *free)

    def over_values(self, body: sp.Expr) -> sp.Expr:
        """One operation on values."""
        if isinstance(body, Element | sp.Piecewise | Written) or not body.args:
            return body
        if isinstance(body, sp.Mul):
            above, below = body.as_numer_denom() if body.is_commutative else (body, sp.S.One)
            if elements_of(below) and elements_of(above):
                return self._over(above, below)
            return body.func(*map(self.value, body.args))
        if isinstance(body, sp.Add):
            return body.func(*map(self._term, body.args))
        if isinstance(body, sp.Pow) and body.exp.is_number and body.exp.could_extract_minus_sign() and body.exp != -1:
            return 1 / self.value(body.base**-body.exp)
        if isinstance(body, sp.Function | sp.exp | sp.Pow | sp.Max | sp.Min):
            return body.func(*map(self.value, body.args))
        return body

    def _over(self, above: sp.Expr, below: sp.Expr) -> sp.Expr:
        """A quotient: one operation, after the products above and below it; a factor −1 or 1/2 is one more."""
        coefficient, rest = above.as_coeff_Mul()
        quotient = self.value(rest) / self.value(below)
        return quotient if coefficient == 1 else coefficient * self.value(quotient)

    def _term(self, term: sp.Expr) -> sp.Expr:
        """A term of a sum; a subtracted one stays subtracted."""
        coefficient, rest = term.as_coeff_Mul()
        if coefficient == -1 and elements_of(rest):
            return -self.value(rest)
        return self.value(term)


def _position(index: Index) -> tuple[bool, int]:
    """Free indices, then bound ones."""
    is_bound = index.name.startswith(bound(0).name[:2])
    return is_bound, int(index.name.lstrip("_r"))
