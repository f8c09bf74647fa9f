"""Hypothesis strategies: small random programs, one to four operations on tensors of one to four rows or columns."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from hypothesis import strategies as st

import symgraph as sg
from symgraph.core.tensor import Tensor
from symgraph.vocabulary.elementwise import u

N = sg.dim("N")
n, i, j = sg.indices("n i j")

FORMULAS: tuple[sp.Expr, ...] = (
    1 / (1 + sp.exp(-u)), sp.tanh(u), sp.exp(u / 2), sp.sin(u) + u, u**2 - u, sp.log(1 + u**2), sp.log(1 + sp.exp(u)),
    u / (1 + sp.exp(-u)), sp.sqrt(1 + u**2), sp.Max(u, 0), sp.Abs(u), sp.Piecewise((u, u > 0), (sp.exp(u) - 1, True)),
    sp.Piecewise((sp.sqrt(u), u > 0), (0, True)), 1 / (2 + sp.cos(u)), sp.exp(-(u**2)), sp.erf(u),
)  # fmt: skip


@dataclass(slots=True)
class _Program:
    """A (N, columns) value under construction, with the leaves met on the way."""

    value: Tensor
    leaves: list[Tensor]

    @property
    def columns(self) -> int:
        return int(self.value.shape[-1])

    def parameter(self, *shape: int) -> Tensor:
        self.leaves.append(sg.parameter(f"p{len(self.leaves)}", shape))
        return self.leaves[-1]


def _formula(draw: st.DrawFn, program: _Program) -> Tensor:
    return sg.elementwise(draw(st.sampled_from(FORMULAS)), u)(program.value)


def _affine(draw: st.DrawFn, program: _Program) -> Tensor:
    width = draw(st.integers(1, 4))
    product = program.value @ program.parameter(program.columns, width)
    return product + program.parameter(width) if draw(st.booleans()) else product


def _normalised(draw: st.DrawFn, program: _Program) -> Tensor:
    return draw(st.sampled_from([sg.softmax, sg.log_softmax]))(program.value, axis=draw(st.sampled_from([0, 1])))


def _centred(draw: st.DrawFn, program: _Program) -> Tensor:
    reduce = draw(st.sampled_from([sg.mean, sg.sum, sg.max, sg.min]))
    return program.value - reduce(program.value, axis=draw(st.sampled_from([0, 1])), keepdims=True)


def _branch(draw: st.DrawFn, program: _Program) -> Tensor:
    value = program.value
    other = draw(st.sampled_from([0, 1])) if draw(st.booleans()) else value**2
    return sg.where(value > sp.Rational(1, 3), sg.elementwise(draw(st.sampled_from(FORMULAS)), u)(value), other)


def _scaled(draw: st.DrawFn, program: _Program) -> Tensor:
    shape = draw(st.sampled_from([(), (program.columns,), (1, program.columns), (1, 1)]))
    return program.value * program.parameter(*shape)


def _residual(draw: st.DrawFn, program: _Program) -> Tensor:
    return program.value + sg.elementwise(draw(st.sampled_from(FORMULAS)), u)(program.value)


def _picked(draw: st.DrawFn, program: _Program) -> Tensor:
    value = program.value
    labels = sg.labels(f"t{value.serial}", (N,), classes=program.columns)
    return sg.define((n, i), value[n, labels[n]] * value[n, i])


def _reversed(draw: st.DrawFn, program: _Program) -> Tensor:
    return (
        program.value[:, ::-1] * program.value
        if draw(st.booleans())
        else program.value @ program.value.T @ program.value
    )


OPERATIONS = (_formula, _affine, _normalised, _centred, _branch, _scaled, _residual, _picked, _reversed)


@st.composite
def programs(draw: st.DrawFn) -> tuple[Tensor, list[Tensor]]:
    """A scalar loss and its real leaves."""
    program = _Program(sg.input("x", (N, draw(st.integers(1, 4)))), [])
    program.leaves.append(program.value)
    for _ in range(draw(st.integers(1, 4))):
        program.value = draw(st.sampled_from(OPERATIONS))(draw, program)
    weights = sg.input("c", (N, program.columns))
    total = sg.sum(weights * program.value)
    return (total / N if draw(st.booleans()) else total), program.leaves
