"""Orders products that have most factors in common so that they share work: by halves of one order of all factors.

The derivatives of x₀·x₁·…·xₙ₋₁ are n products that leave out one factor each. In any order they take about n²
multiplications. Of blocks of halves, (x₀·x₁)·(x₂·x₃) and so on, the largest first, they take 3·n: a block is made
once, and so is what those have in common that leave out a factor of the same block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce

from codegen.loops.ir import Expr, Op, children, rebuild

FEWEST_FACTORS, FEWEST_PRODUCTS = 4, 4
"""Shorter products, and fewer of them, are left in the order in which they are written."""


def by_halves(expressions: Iterable[Expr]) -> Callable[[Expr], Expr] | None:
    """How the products in expressions are brought into that order, where each factor is in four of them on average."""
    chains = [chain for expression in expressions for chain in _chains(expression)]
    order = {factor: place for place, factor in enumerate(dict.fromkeys(f for chain in chains for f in chain))}
    if len(chains) < FEWEST_PRODUCTS or 4 * len(order) > sum(map(len, chains)):
        return None

    def change(expression: Expr) -> Expr:
        factors = _factors(expression)
        if len(factors) >= FEWEST_FACTORS:
            return _halved(sorted(factors, key=order.__getitem__), order)
        parts = tuple(map(change, children(expression)))
        return rebuild(expression, parts) if parts != children(expression) else expression

    return change


def _chains(expression: Expr) -> Iterator[list[Expr]]:
    """The factors of each product that is no factor of another and has enough of them."""
    pending = [expression]
    while pending:
        node = pending.pop()
        factors = _factors(node)
        if len(factors) >= FEWEST_FACTORS:
            yield factors
        else:
            pending.extend(children(node))


def _factors(expression: Expr) -> list[Expr]:
    found: list[Expr] = []
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, Op) and node.op == "*" and node.dtype in ("real", "float64"):
            pending.extend(reversed(node.args))
        else:
            found.append(node)
    dtypes = {factor.dtype for factor in found}
    return found if len(dtypes) == 1 else [expression]


def _halved(factors: list[Expr], order: dict[Expr, int]) -> Expr:
    """The product of the largest blocks of places that it has whole, the larger first: of 2, 4, 8, … places each."""
    at = {order[factor]: factor for factor in factors}
    if len(at) < len(factors):  # a power
        return _folded(factors)
    blocks: list[tuple[int, int, Expr]] = []
    pending = [(0, 1 << (len(order) - 1).bit_length())]
    while pending:
        begin, size = pending.pop()
        inside = range(begin, min(begin + size, len(order)))
        if inside and all(place in at for place in inside):
            blocks.append((-size, begin, _block([at[place] for place in inside])))
        elif any(place in at for place in inside):
            pending += [(begin, size // 2), (begin + size // 2, size // 2)]
    return _folded([block for _, _, block in sorted(blocks, key=lambda block: block[:2])])


def _block(factors: Sequence[Expr]) -> Expr:
    if len(factors) == 1:
        return factors[0]
    half = 1 << ((len(factors) - 1).bit_length() - 1)
    return _folded([_block(factors[:half]), _block(factors[half:])])


def _folded(factors: Sequence[Expr]) -> Expr:
    return reduce(lambda left, right: Op("*", (left, right), right.dtype), factors)
