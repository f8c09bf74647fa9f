"""What deriving takes grows as the formulas do: counted in problems and operations, not in seconds."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import codegen
import symgraph as sg
from codegen.bridges.translation import Translation
from codegen.loops.counts import flops
from codegen.lower.types import data_type
from codegen.plan.request import Request, leaves_in
from codegen.run.pipeline import translate
from symgraph.core.cost import multiplied_out, operations
from symgraph.core.graph import replace_tensors, topological
from symgraph.core.tensor import Tensor
from symgraph.derive import relations
from symgraph.reference import evaluate
from symgraph.simplify import LEFT, fold
from symgraph.simplify.partial import _derivative, partial
from symgraph.simplify.polynomials import Work
from symgraph.simplify.rational import PROBLEM
from symgraph.stabilise import stabilise
from tests.counting import calls_of

Problem = tuple[Tensor, list[Tensor]]


def predator_and_prey(steps: int) -> Problem:
    """Steps of Heun's method for Lotka and Volterra's equations, all of them with the same four parameters."""
    a, b, c, d = rates = [sg.parameter(name, ()) for name in "abcd"]
    x, y = sg.input("x", ()), sg.input("y", ())
    total = sg.as_tensor(0)
    for _ in range(steps):
        u, v = a * x - b * x * y, c * x * y - d * y
        xh, yh = x + u / 10, y + v / 10
        x, y = x + (u + a * xh - b * xh * yh) / 20, y + (v + c * xh * yh - d * yh) / 20
        total = total + x**2 + y**2
    return total, rates


def tied(layers: int) -> Problem:
    """A chain of tanh with one weight."""
    weight, value = sg.parameter("w", ()), sg.input("x", ())
    for _ in range(layers):
        value = sg.tanh(weight * value)
    return value, [weight]


def mixture(components: int) -> Problem:
    """The log-density of a mixture of Gaussians, written out."""
    x = sg.input("x", (sg.dim("N"),))
    names = [[sg.parameter(f"{letter}{k}", ()) for letter in "pms"] for k in range(components)]
    density = sum(p * sg.exp(-((x - m) ** 2) / (2 * s**2)) / s for p, m, s in names)
    return sg.sum(sg.log(density)), [parameter for triple in names for parameter in triple]


def body(tensor: Tensor) -> sp.Expr:
    assert tensor.definition is not None
    return tensor.definition.body


class Counter:
    """Counts of what one ``grad`` asks of algebra; caches are empty before it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts = {"simplified": 0, "distinct": 0, "candidates": 0}
        self.patch = monkeypatch

    def of(self, problem: Problem) -> dict[str, int]:
        fold.simplify.cache_clear()
        _derivative.cache_clear()
        self.counts = dict.fromkeys(self.counts, 0)
        self.work = 0.0
        original, consumer = relations.Relations.simplify, relations.placed
        with self.patch.context() as patch:
            patch.setattr(relations.Relations, "simplify", self._counting("simplified", original))
            patch.setattr(Work, "spend", self._spending(Work.spend))
            patch.setattr(relations, "placed", self._counting("candidates", consumer))
            gradients = sg.grad(*problem)
        self.counts["distinct"] = fold.simplify.cache_info().misses
        self.counts["work"] = int(self.work)
        self.counts["slopes"] = _derivative.cache_info().misses
        self.counts["operations"] = sum(
            operations([body(t)]) for t in topological(gradients.values()) if t.definition is not None
        )
        return self.counts

    def _spending(self, spend: Callable[[Work, float], None]) -> Callable[[Work, float], None]:
        def spent(work: Work, amount: float) -> None:
            self.work += amount
            spend(work, amount)

        return spent

    def _counting(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object) -> object:
            self.counts[name] += 1
            return function(*args)

        return counted


@pytest.mark.parametrize(("family", "size"), [(predator_and_prey, 4), (tied, 6), (mixture, 4)])
def test_work_grows_linearly(family: Callable[[int], Problem], size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Counter(monkeypatch)
    half, whole = work.of(family(size)), work.of(family(2 * size))
    for name, count in whole.items():
        assert count <= 2.5 * half[name], (name, half, whole)


def exponentials(rates: int) -> Problem:
    """Exponentials of one value whose rates have a large common denominator."""
    x = sg.input("x", ())
    return sg.define((), sum(sp.exp(-k * x.element / (k + 2)) for k in range(1, rates + 1))), [x]


def test_work_is_bounded_and_what_is_left_is_told() -> None:
    """Powers of one exponential of degree 10¹⁷ took hours; a sum of many terms is not simplified as one problem."""
    loss, [x] = exponentials(40)
    assert fold.simplify(partial(body(loss), x.element))[1].work <= PROBLEM
    weight, inputs = sg.parameter("w", ()), [sg.input(f"x{k}", ()) for k in range(20)]
    J = sum(sg.exp(weight * value) for value in inputs)
    assert sg.grad(J, [weight]).left == (weight,)
    told = [line for line in str(sg.derivation(J, weight)).splitlines() if line.endswith(LEFT)]
    assert len(told) == 1
    step = codegen.train_step(J, sg.SGD(lr=0.1))
    assert step.report().left == ("∂J/∂w",)
    assert "left as the chain rule gave them: ∂J/∂w" in str(step.report())


def test_what_is_in_the_cache_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem's work counts once for each gradient, whether it was in the cache or not."""
    monkeypatch.setattr(relations, "SWEEP", 4000)
    monkeypatch.setattr(relations, "EACH", 0)
    fold.simplify.cache_clear()
    problem = mixture(3)
    first, again = sg.grad(*problem), sg.grad(*problem)
    assert first.left and [*first.values()] == [*again.values()]


def test_equal_bodies_over_other_elements_are_differentiated_once() -> None:
    x, z = sg.input("x", (4,)), sg.input("z", (4,))
    _derivative.cache_clear()
    first = partial(sp.tanh(x.element) * x.element**2, x.element)
    asked = _derivative.cache_info().misses
    second = partial(sp.tanh(z.element) * z.element**2, z.element)
    assert _derivative.cache_info().misses == asked
    assert first.xreplace({x.element: z.element}) == second


def test_the_side_of_a_tie_does_not_depend_on_the_variable() -> None:
    x, z = sg.input("x", (3,)), sg.input("z", (3,))
    body = sp.Max(x.element, z.element)
    shares = [partial(body, side.element).xreplace({x.element: 1, z.element: 1}) for side in (x, z)]
    assert shares == [sp.Rational(1, 2)] * 2


def product() -> Problem:
    x = sg.parameter("x", (20,))
    return math.prod((x[k] for k in range(1, 20)), start=x[0]), [x]


def product_of_scalars() -> Problem:
    x = [sg.parameter(f"x{k}", ()) for k in range(40)]
    return math.prod(x[1:], start=x[0]), x


def minors() -> Problem:
    """A determinant by Laplace's expansion over the first two rows."""
    A = sg.parameter("A", (4, 4))
    pairs = list(itertools.combinations(range(4), 2))
    upper, lower = ({(i, j): A[r, i] * A[r + 1, j] - A[r, j] * A[r + 1, i] for i, j in pairs} for r in (0, 2))
    signed = [(-1) ** sum(pair) * upper[pair] * lower[rest] for pair, rest in zip(pairs, pairs[::-1], strict=True)]
    return -sum(signed[1:], start=signed[0]), [A]


def pieces() -> Problem:
    x = sg.parameter("x", (30,))
    return sg.sum(sg.elu(x**2)), [x]


def runge_kutta() -> Problem:
    """One step of the classical method for Lotka and Volterra's equations, rates and state as vectors."""
    rates, start = sg.parameter("p", (4,)), sg.parameter("s", (2,))
    a, b, c, d = (rates[k] for k in range(4))

    def slope(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return a * x - b * x * y, c * x * y - d * y

    x, y = start[0], start[1]
    first = slope(x, y)
    second = slope(x + first[0] / 20, y + first[1] / 20)
    third = slope(x + second[0] / 20, y + second[1] / 20)
    fourth = slope(x + third[0] / 10, y + third[1] / 10)
    slopes = zip(first, second, third, fourth, strict=True)
    x, y = (z + (p + 2 * q + 2 * r + s) / 60 for z, (p, q, r, s) in zip((x, y), slopes, strict=True))
    return (x - 1) ** 2 + (y - 2) ** 2, [rates, start]


def words_and_rows() -> Problem:
    """Rows that labels pick, beside fixed ones."""
    E, w, t = sg.parameter("E", (7, 3)), sg.input("w", (30,)), sg.labels("t", (30,), classes=7)
    n, d = sg.indices("n d")
    return sg.sum(sg.define((n, d), E[t[n], d] * E[2, d] * sp.sin(w[n] * E[0, d]))), [E]


def fixed_rows() -> Problem:
    A, B = sg.parameter("A", (6, 30)), sg.parameter("B", (6, 30))
    (j,) = sg.indices("j")
    rows = sp.sin(A[0, j] * B[1, j]) * sp.exp(A[3, j]) + A[4, j] ** 2 * B[0, j]
    return sg.sum(sg.define((j,), rows)), [A, B]


def diagonal() -> Problem:
    """A δ of two indices selects one of eight columns in each row."""
    A, w = sg.parameter("A", (8, 8)), sg.input("w", (30,))
    k, j = sg.indices("k j")
    return sg.sum(sg.define((k, j), sp.sin(A[k, k] * w[j]))), [A]


def first_row_of_any_number() -> Problem:
    """Of a value over N rows, one is read."""
    x, w = sg.input("x", (sg.dim("N"),)), sg.input("w", (30,))
    n, j = sg.indices("n j")
    return sg.sum(sg.define((n, j), sp.sin(x[n] * w[j])), axis=1)[0] ** 2, [x]


CHEAP = [
    product, product_of_scalars, minors, pieces, runge_kutta, words_and_rows, fixed_rows, diagonal,
    first_row_of_any_number,
]  # fmt: skip


@pytest.mark.parametrize("make", CHEAP, ids=lambda make: make.__name__)
def test_value_and_gradient_cost_at_most_five_values(make: Callable[[], Problem]) -> None:
    """Griewank's bound: reverse mode costs at most five times the value, whatever the number of parameters."""
    loss, wrt = make()
    value, both = (operations_of(roots) for roots in ([loss], [loss, *sg.grad(loss, wrt).values()]))
    assert both <= 5 * value, (value, both)


def operations_of(roots: list[Tensor]) -> float:
    """Floating-point operations of a program at 64 rows, as its source says."""
    request = Request(tuple(roots))
    kernels = translate(request, leaves_in(request), "float64").program.kernels
    return sum(flops(kernel.body, {"N": 64}) for kernel in kernels)


u, v, w = sp.symbols("u v w", real=True)


@pytest.mark.parametrize(
    ("formula", "out"),
    [
        ((u + v) ** 3, u**3 + 3 * u**2 * v + 3 * u * v**2 + v**3),
        (u * (v + sp.exp(u * (v + 1))), u * v + u * sp.exp(u) * sp.exp(u * v)),
        ((u + v + w + 1) ** 18, (u + v + w + 1) ** 18),
        (sp.exp((u + v + w + 1) ** 18), sp.exp((u + v + w + 1) ** 18)),
        (((u + 1) ** 50 + 1) ** 50, ((u + 1) ** 50 + 1) ** 50),
    ],
)
def test_what_would_be_long_multiplied_out_stays_as_it_is(formula: sp.Expr, out: sp.Expr) -> None:
    assert multiplied_out(formula) == out


HUNG: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda x, s: sg.tanh(101 * x) * sg.tanh(99 * x) - sg.tanh(97 * x),  # e^−2|x| to the power of 297
    lambda x, s: sg.erfc((x + s[0] + s[1] + s[2] + s[3]) ** 9) * sg.exp((x + s[0]) ** 2),  # 7315 terms of w²
]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("make", HUNG, ids=["powers of one exponential", "terms of an exponent"])
def test_stabilising_multiplies_nothing_out_that_is_long(make: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, s = sg.input("x", ()), sg.parameter("s", (4,))
    found = codegen.function([x, s], make(x, s), "float64")(0.01, [0.0, 0.1, 0.0, 0.1])
    assert math.isfinite(float(found))


@pytest.mark.parametrize("steps", [5, 10])
def test_a_chain_of_logarithms_of_exponentials_is_made_stable_step_by_step(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """log(1 + eʸ) − u again and again is one logarithm of as many exponentials, and every two of them were compared."""
    x, u = sg.input("x", (3,)), sg.input("u", (3,))
    y: Tensor = x
    for _ in range(steps):
        y = sg.log(1 + sg.exp(y)) - u
    spent: list[float] = []
    monkeypatch.setattr(Work, "spend", lambda work, amount: spent.append(amount))
    left: list[Tensor] = []
    (stable,) = stabilise([y], left)
    assert sum(spent) < 8000 * steps and not left
    far = {"x": np.array([-2000.0, 0.0, 2000.0]), "u": np.array([1.0, -700.0, 0.5])}
    wanted = far["x"]
    for _ in range(steps):
        wanted = np.logaddexp(0.0, wanted) - far["u"]
    np.testing.assert_allclose(evaluate([stable], far)[0], wanted, rtol=1e-14)


def test_what_is_too_long_to_be_made_stable_is_told() -> None:
    """The logarithm of forty exponentials, written out, runs as written: the report says what is not looked through."""
    xs = [sg.input(f"x{n}", ()) for n in range(40)]
    total = sum(sg.exp(x) for x in xs)
    left: list[Tensor] = []
    stabilise([sg.log(total)], left)
    assert len(left) == 1
    shown = str(codegen.function(xs, sg.log(total), dtype="float64").report())
    assert f"run as written, too long to be made stable: {left[0].display_name}" in shown


def test_the_largest_of_many_is_not_compared_pair_by_pair_at_each_rewriting(monkeypatch: pytest.MonkeyPatch) -> None:
    """log Σ exp of twenty scalars written out took a minute to compile: SymPy asked of each two which is larger."""
    asked = 0
    plain = sp.Max._is_connected

    def counted(*pair: Any) -> Any:
        nonlocal asked
        asked += 1
        return plain(*pair)

    scalars = [sg.input(f"u{n}", ()) for n in range(20)]
    for largest in (sp.Max, sp.Min):
        body = largest(*(x.element for x in scalars), evaluate=False)
        monkeypatch.setattr(largest, "_is_connected", counted)
        other = replace_tensors(body, {x: sg.exp(x) for x in scalars})
        assert other == largest(*(sg.exp(x).element for x in scalars), evaluate=False)
        assert replace_tensors(other, dict.fromkeys([sg.exp(x) for x in scalars], scalars[3])) == scalars[3].element
    assert asked == 0


def test_what_a_scalar_is_in_memory_asks_a_shared_part_once() -> None:
    """By each that reads it, sixty steps would be asked 2⁶⁰ times; in float64 are scalars of scalars alone."""
    rate, start = Tensor.scalar(sp.Symbol("rate")), sg.input("start", ())
    of_scalars, of_inputs = rate, start
    for _ in range(60):
        of_scalars, of_inputs = of_scalars + rate * sg.sin(of_scalars), of_inputs + rate * sg.sin(of_inputs)
    assert data_type(sg.as_tensor(of_scalars)) == "float64" and data_type(sg.as_tensor(of_inputs)) == "real"


def residual(layers: int) -> Tensor:
    h = sg.input("x", (sg.dim("N"), 8))
    for k in range(layers):
        h = h + sg.relu(h @ sg.parameter(f"W{k}", (8, 8)))
    return h


def test_a_sum_of_many_sums_without_products_is_not_searched_for_moments() -> None:
    """The pairs of its terms were tried: a hundred residual layers took twelve seconds to be made stable."""
    half, whole = (calls_of(functools.partial(stabilise, [residual(layers)]))[0] for layers in (12, 24))
    assert whole < 2.5 * half


@pytest.mark.parametrize("kind", ["symbols", "elements"])
def test_a_formula_that_is_nested_in_itself_twice_is_declared_part_by_part(kind: str) -> None:
    """y ← y + sin(y)/2, thirty times, is sixty operations, and 2³⁰ where every part is looked at as often as it stands
    there."""
    symbol, x, (n,) = sp.Symbol("x", real=True), sg.input("x", (sg.dim("size"),)), sg.indices("n")
    y: sp.Expr = symbol if kind == "symbols" else x[n]
    value, slope = 0.3, 1.0
    for _ in range(30):
        y = y + sp.sin(y) / 2
        value, slope = value + math.sin(value) / 2, slope * (1 + math.cos(value) / 2)
    if kind == "symbols":
        translation = Translation([symbol], [y])
        found, at = translation.tensor(y), translation.leaves[symbol]
    else:
        found, at = sg.sum(sg.define((n,), y)), x
    given = {"x": np.full((1,) * at.ndim, 0.3)}
    assert evaluate(found, given) == pytest.approx(value, rel=1e-14)
    assert evaluate(sg.grad(found, at), given) == pytest.approx(slope, rel=1e-12)


def test_forms_are_not_proposed_of_what_has_branches_in_every_term() -> None:
    """Second derivatives of a product of maxima were made stable for minutes: all forms of 80 branches were made."""
    x = sg.input("x", (2, 3))
    value = sg.prod(sg.where(x > 0, x, 1), axis=1)
    second = sg.grad(sg.sum(sg.grad(sg.sum(value**2), x) ** 2), x)
    assert calls_of(functools.partial(stabilise, [second]))[0] < 2_200_000


def test_forms_are_proposed_of_as_many_branches_as_a_value_may_take() -> None:
    """A second derivative of a power of maxima took half a minute: each form of one had a dozen branches, each of which
    was looked at in every form, and no budget counted that. The fuzzer's 91001000542 and 88004000749."""
    x = sg.input("x", ())
    base = 1 + sg.maximum(sg.maximum(x, -2), sg.arctan(x)) ** 2
    slope = sg.grad(base ** (sg.where(x > 0, sg.log(x), -1) + x), x)
    second = sg.grad(slope**2, x)
    left: list[Tensor] = []
    assert calls_of(functools.partial(stabilise, [slope, second], left))[0] < 13_000_000 and left
