"""Plain SymPy as tensors: symbols, IndexedBase with Sum, MatrixSymbol and Matrix, as people have them.

Sum(log(A[i]), (i, 0, n - 1))   →   Σ_i log(A[i]) of an input A of shape (n,)
M*v + w                         →   matrix products of inputs; a Matrix of formulas is a grid of scalars

Comes in: what ``sympy.lambdify`` takes. Goes out: leaves, and the tensors that the formulas are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import sympy as sp
from sympy.codegen import cfunctions
from sympy.core.function import AppliedUndef
from sympy.matrices.expressions.matexpr import MatrixElement

import symgraph as sg
from symgraph.core.checked_names import checked_name
from symgraph.core.indices import Dim, Index
from symgraph.core.provenance import at_line
from symgraph.core.rebuild import parts_of, replaced
from symgraph.core.tensor import DISPLAYED, Element, Tensor
from symgraph.errors import ArgumentError, DomainError, NameConflictError, ShapeError

ATOMS = (sp.Symbol, AppliedUndef, sp.Derivative, sp.IndexedBase, sp.MatrixSymbol)
"""What stands for a value, or for an array."""
GRIDS = (sp.MatrixBase, sp.NDimArray)
"""Arrays of formulas."""
Scope = dict[sp.Basic, sp.Expr]
"""What bound indices of SymPy are here."""


def is_plain(given: Any) -> bool:
    """Whether inputs are SymPy's own: symbols, bases, matrices, and tuples of such."""
    if isinstance(given, tuple | list | sp.Tuple):
        return bool(given) and all(map(is_plain, given))
    return isinstance(given, (*ATOMS, *GRIDS)) and not isinstance(given, Tensor | Dim | Index)


def atoms_in(given: Any) -> Iterator[sp.Basic]:
    """The atoms of nested inputs, in their order."""
    if isinstance(given, GRIDS):
        given = list(sp.flatten(given.tolist()))
    if not isinstance(given, tuple | list | sp.Tuple):
        yield given
        return
    for part in given:
        yield from atoms_in(part)


class Translation:
    """The leaves of inputs, and formulas over them.

    Attributes
    ----------
    leaves : by what was given; a symbol that is a size has its :class:`Dim` here.
    """

    def __init__(self, inputs: Any, outputs: Iterable[Any]) -> None:
        atoms = list(atoms_in(inputs))
        self._numbers = count()
        self._names: set[str] = set()
        given = [output for output in outputs if isinstance(output, sp.Basic | sp.MatrixBase)]
        self.sizes = {symbol: sg.dim(symbol.name) for symbol in _sizes([*atoms, *given])}
        self.leaves: dict[sp.Basic, Any] = {}
        for atom in atoms:
            if atom in self.leaves:
                raise NameConflictError(at_line(f"the name {atom} occurs twice among the inputs"))
            self.leaves[atom] = self._leaf(atom, given)
        derivatives_first = sorted(self.leaves, key=lambda atom: not isinstance(atom, sp.Derivative))
        stands_for = [atom for atom in derivatives_first if isinstance(atom, AppliedUndef | sp.Derivative | sp.Symbol)]
        self._rule: dict[sp.Basic, sp.Basic] = {
            atom: self.leaves[atom].symbol for atom in stands_for if isinstance(self.leaves[atom], Tensor)
        } | self.sizes

    # -- inputs -------------------------------------------------------------------------------------------------------
    def _leaf(self, atom: sp.Basic, given: list[Any]) -> Any:
        if atom in self.sizes:
            return self.sizes[atom]
        match atom:
            case sp.MatrixSymbol():
                return sg.input(self._name(atom), [size.xreplace(self.sizes) for size in atom.shape])
            case sp.IndexedBase():
                return sg.input(self._name(atom), self._shape(atom, given))
            case sp.Symbol() if self._is_free(atom.name):
                self._names.add(atom.name)
                return Tensor.scalar(atom)
            case sp.Symbol() | AppliedUndef() | sp.Derivative():
                return Tensor.scalar(sp.Symbol(self._name(atom), real=True))
        raise ArgumentError(at_line(f"{atom} is a formula, not a symbol: it cannot be an input"))

    def _name(self, atom: Any) -> str:
        """A name for a leaf: its own, if it is one and free."""
        own = str(getattr(atom, "name", "") or getattr(atom, "label", ""))
        own = own if self._is_free(own) else next(name for n in count() if self._is_free(name := f"arg_{n}"))
        self._names.add(own)
        return own

    def _is_free(self, name: str) -> bool:
        try:
            return checked_name(name, more=DISPLAYED) not in {*self._names, "out"}
        except NameConflictError:
            return False

    def _shape(self, base: sp.IndexedBase, given: list[Any]) -> list[Any]:
        """As declared; else each axis by how far the indices run that read it, or a size of its own."""
        if base.shape is not None:
            return [sp.sympify(size).xreplace(self.sizes) for size in base.shape]
        reads = [read for formula in given for read in _atoms(formula, sp.Indexed) if read.base == base]
        if len({len(read.indices) for read in reads}) != 1:
            said = "with different numbers of indices" if reads else "nowhere, or without indices"
            raise ArgumentError(at_line(f"{base} is read {said}: give it a shape, IndexedBase({str(base)!r}, shape=…)"))
        runs = dict(_ranges(given))
        shape = []
        for place in range(len(reads[0].indices)):
            ends = [end for read in reads if (end := _end(read.indices[place], runs)).free_symbols]
            largest = next((end for end in ends if all((end - other).is_nonnegative for other in ends)), None)
            own = sg.dim(f"{_letters(str(base))}{place}")
            shape.append(own if largest is None else largest.xreplace(self.sizes))
        return shape

    # -- formulas -----------------------------------------------------------------------------------------------------
    def tensor(self, formula: Any) -> Tensor:
        """The tensor of a formula: of rank 0; of a matrix expression of rank 2; of ``Eq(y[i, j], …)`` that of y.

        Raises
        ------
        ArgumentError, DomainError, ShapeError
            for what is no formula of the inputs, with what to write instead.
        """
        if isinstance(formula, Tensor):
            return formula
        body = sp.sympify(formula) if isinstance(formula, int | float | complex | bool) else formula
        if not isinstance(body, sp.Basic):
            raise DomainError(at_line(f"{formula!r} is no formula of SymPy"))
        if isinstance(body, sp.MatrixExpr):
            return self._matrix(body)
        if isinstance(body, sp.Eq) and isinstance(body.lhs, sp.Indexed) and body.lhs.base not in self.leaves:
            return self._defined(body)
        return sg.as_tensor(sg.define((), self._body(body, {})))

    def _defined(self, equation: sp.Eq) -> Tensor:
        """y[i, j] = …, an array over the indices of its left side."""
        runs = dict(_ranges([equation]))
        order, sizes = [], []
        scope: Scope = {}
        for index in equation.lhs.indices:
            if index in scope or not isinstance(index, sp.Idx | sp.Symbol):
                raise DomainError(at_line(f"{equation.lhs} is defined by different indices, Eq(y[i, j], …)"))
            own = Index(f"i{next(self._numbers)}")
            scope[index] = own
            order.append(own)
            sizes.append(runs.get(index))
        shape = None if None in sizes else [size.xreplace(self.sizes) for size in sizes]  # type: ignore[union-attr]
        return sg.define(order, self._body(equation.rhs, scope), shape)  # type: ignore[no-any-return]

    def _body(self, formula: sp.Basic, scope: Scope) -> Any:
        """A scalar formula in index notation."""
        rule: dict[sp.Basic, Any] = {}
        seen: set[sp.Basic] = set()
        pending = [formula]
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in self._rule or node in scope:
                rule[node] = scope.get(node, self._rule.get(node))
            elif isinstance(node, _LARGE):
                rule[node] = self._large(node, scope)
            elif isinstance(node, sp.IndexedBase | sp.MatrixExpr):
                raise ShapeError(at_line(f"{node} stands in {formula} without its indices"))
            elif isinstance(node, sp.Symbol | sp.Idx | AppliedUndef):
                raise ArgumentError(at_line(f"the outputs depend on {node}, which is not among the inputs"))
            elif type(node) in _REAL:
                written = _REAL[type(node)](*node.args)
                rule[node] = self._body(written, scope)
            else:
                pending.extend(node.args)
        return replaced(formula, rule)

    def _large(self, node: Any, scope: Scope) -> Any:
        """What is no scalar operation: reads, sums, what a matrix gives."""
        match node:
            case sp.Indexed():
                leaf = self._known(node.base)
                return Element(leaf, *(self._body(index, scope) for index in node.indices))
            case MatrixElement():
                return Element(self._matrix(node.parent), *(self._body(index, scope) for index in node.indices))
            case sp.Sum() if sp.oo not in parts_of(node):
                return self._sum(node.function, list(node.limits), scope)
            case sp.Trace():
                return Element(sg.trace(self._matrix(node.arg)))
        done = node.doit()
        if done.has(type(node)):
            raise DomainError(at_line(f"{node} has no formula that SymPy finds: write its value, or integrate first"))
        return self._body(done, scope)

    def _sum(self, body: sp.Expr, limits: list[Any], scope: Scope) -> Any:
        """Σ from the outermost limit, which SymPy writes last."""
        if not limits:
            return self._body(body, scope)
        symbol, low, high = limits[-1] if len(limits[-1]) == 3 else (limits[-1][0], *_runs_of(limits[-1][0]))
        low, high = (self._body(end, scope) for end in (low, high))
        index = Index(f"i{next(self._numbers)}")
        inner = self._sum(body, limits[:-1], {**scope, symbol: index + low})
        return sg.Sum(inner, (index, sp.expand(high - low + 1)))

    def _matrix(self, node: Any) -> Tensor:
        match node:
            case sp.MatrixSymbol():
                return self._known(node)
            case sp.MatAdd() | sp.HadamardProduct():
                parts = [self._matrix(arg) for arg in node.args]
                found = parts[0]
                for part in parts[1:]:
                    found = found + part if isinstance(node, sp.MatAdd) else found * part
                return found
            case sp.MatMul():
                factor, parts = node.as_coeff_matrices()
                found = self._matrix(parts[0])
                for part in parts[1:]:
                    found = found @ self._matrix(part)
                return found if factor == 1 else sg.define((), self._body(factor, {})) * found  # type: ignore[no-any-return]
            case sp.Transpose():
                return self._matrix(node.arg).T
            case sp.Identity():
                return sg.eye(node.shape[0].xreplace(self.sizes))
            case sp.MatPow() if node.exp.is_Integer and node.exp > 0:
                return self._matrix(sp.MatMul(*[node.base] * int(node.exp)))
            case sp.MatrixBase():
                return self.grid(node)
            case sp.ZeroMatrix():
                return sg.broadcast_to(sg.as_tensor(0), [size.xreplace(self.sizes) for size in node.shape])
        done = node.doit()
        if done != node:
            return self._matrix(done)
        raise DomainError(
            at_line(f"{type(node).__name__} has no program, in {node}: expected are sums, products, powers and "
                    "transposes of matrices; solve a system with numpy.linalg first")
        )  # fmt: skip

    def grid(self, matrix: Any) -> Tensor:
        """A Matrix of formulas as one tensor."""
        rows = [sg.stack([self.tensor(entry) for entry in row]) for row in matrix.tolist()]
        return sg.stack(rows)

    def _known(self, atom: sp.Basic) -> Tensor:
        if atom not in self.leaves:
            raise ArgumentError(at_line(f"the outputs depend on {atom}, which is not among the inputs"))
        return self.leaves[atom]  # type: ignore[no-any-return]


_LARGE = (sp.Indexed, MatrixElement, sp.Sum, sp.Product, sp.Trace, sp.Determinant, sp.Derivative, sp.Integral, sp.Subs)
_REAL: dict[type, Any] = {
    cfunctions.log1p: lambda u: sp.log(1 + u),
    cfunctions.expm1: lambda u: sp.exp(u) - 1,
    cfunctions.log2: lambda u: sp.log(u) / sp.log(2),
    cfunctions.log10: lambda u: sp.log(u) / sp.log(10),
    cfunctions.exp2: lambda u: 2**u,
    cfunctions.fma: lambda u, v, w: u * v + w,
    cfunctions.Sqrt: sp.sqrt,
    cfunctions.Cbrt: lambda u: sp.sign(u) * sp.Abs(u) ** sp.Rational(1, 3),
    cfunctions.hypot: lambda u, v: sp.sqrt(u**2 + v**2),
    sp.re: lambda u: u,
    sp.im: lambda u: sp.S.Zero,
    sp.conjugate: lambda u: u,
    sp.adjoint: lambda u: u,
    sp.arg: lambda u: sp.Piecewise((sp.pi, u < 0), (0, True)),
    sp.factorial: lambda u: sp.gamma(u + 1),
    sp.beta: lambda u, v: sp.gamma(u) * sp.gamma(v) / sp.gamma(u + v),
    sp.binomial: lambda n, k: sp.gamma(n + 1) / (sp.gamma(k + 1) * sp.gamma(n - k + 1)),
}
"""Functions of real numbers by others."""


def _atoms(formula: Any, *kinds: type) -> list[Any]:
    """The parts of some kinds, each looked at once, however often it occurs."""
    entries = formula.flat() if isinstance(formula, sp.MatrixBase) else [formula]
    parts = {node: None for entry in entries if isinstance(entry, sp.Basic) for node in parts_of(entry)}
    return [node for node in parts if isinstance(node, kinds)]


def _letters(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum()) or "n"


def _sizes(given: Iterable[Any]) -> list[sp.Symbol]:
    """Symbols that are sizes: of bases and matrices, and of ranges of indices."""
    found: dict[sp.Symbol, None] = {}
    for formula in given:
        shapes = [size for base in _atoms(formula, sp.IndexedBase) for size in base.shape or ()]
        shapes += [size for matrix in _atoms(formula, sp.MatrixSymbol) for size in matrix.shape]
        for size in [*shapes, *(size for _, size in _ranges([formula]))]:
            found |= dict.fromkeys(sorted(sp.sympify(size).atoms(sp.Symbol), key=str))
    return list(found)


def _ranges(given: Iterable[Any]) -> Iterator[tuple[sp.Basic, sp.Expr]]:
    """Indices that run from 0, with how far."""
    for formula in given:
        for total in _atoms(formula, sp.Sum, sp.Product):
            for limit in total.limits:
                if len(limit) == 3 and limit[1] == 0:
                    yield limit[0], sp.expand(limit[2] + 1)
        for index in sorted(_atoms(formula, sp.Idx), key=str):
            if index.lower == 0 and index.upper is not None:
                yield index, sp.expand(index.upper + 1)


def _end(index: sp.Expr, runs: dict[sp.Basic, sp.Expr]) -> sp.Expr:
    """One more than the largest value of an index and a number, of a range that a symbol limits; else 0."""
    for symbol in (symbol for symbol in index.atoms(sp.Symbol, sp.Idx) if symbol in runs):
        shift = index - symbol
        if shift.is_Integer:
            return sp.expand(runs[symbol] + shift)
    return sp.S.Zero


def _runs_of(index: Any) -> tuple[sp.Expr, sp.Expr]:
    if not isinstance(index, sp.Idx) or index.upper is None:
        raise DomainError(at_line(f"Σ over {index} needs its limits: Sum(…, ({index}, 0, n - 1))"))
    return index.lower, index.upper
