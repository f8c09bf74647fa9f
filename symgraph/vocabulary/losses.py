"""Losses: each a plain formula of one element, and the reduction over elements. Gradients and stable forms follow.

Order of arguments, names and divisors as in ``torch.nn.functional``: (input, target), then options; ``reduction`` is
"mean" over all elements, "sum", "batchmean" (the sum by the number of rows) or "none"; ``sample_weight`` of (rows…)
weighs rows, and the mean is then Σ w·ℓ/Σ w. Losses over the classes of a row: :mod:`symgraph.vocabulary.row_losses`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgraph.core.cases import Cases
from symgraph.core.define import as_tensor
from symgraph.core.indices import axis, show_shape
from symgraph.core.provenance import at_line, names_result
from symgraph.core.tensor import Element, Tensor
from symgraph.core.views import Views
from symgraph.errors import ArgumentError, DomainError, ShapeError
from symgraph.vocabulary.elementwise import Row, u, v, w
from symgraph.vocabulary.reductions import Reduction, reduced
from symgraph.vocabulary.row_losses import (
    cosine_embedding_loss,
    cross_entropy,
    dice_loss,
    focal_loss,
    info_nce_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    nll_of_probabilities,
    triplet_margin_loss,
    tversky_loss,
)

Range = tuple[Callable[[Any], Any], str]
_POSITIVE: Range = (lambda value: value > 0, "above 0")
_EXPONENT: Range = (lambda value: value >= 0, "at least 0")
RANGES: dict[str, Range] = {
    **dict.fromkeys(("delta", "beta", "c"), _POSITIVE),
    **dict.fromkeys(("gamma", "gamma_neg", "gamma_pos"), _EXPONENT),
    "q": (lambda value: 0 < value < 1, "between 0 and 1"),
    "power": (lambda value: 1 < value < 2, "between 1 and 2"),
}
"""Where options that are numbers lie: widths, exponents, a quantile."""


class Loss:
    """A formula ℓ of an element of (input, target), and the reduction over all elements.

    ``loss(input, target, *options, reduction="mean", sample_weight=None)``: input and target have one shape. A word
    among the options is the reduction.

    Raises
    ------
    ShapeError
        with both shapes, if they differ.
    DomainError
        for a sigmoid where the loss is ``of_logits``.
    ArgumentError, DomainError
        for an option that there is not, or a number outside its :data:`RANGES`.
    """

    def __init__(self, row: Row, text: str, of_logits: bool = False) -> None:
        self.row, self.text, self.of_logits, self.__name__ = row, text, of_logits, row.name

    @names_result
    def __call__(self, *given: Any, **named: Any) -> Tensor:
        count = len(self.row.arguments)
        known = (*self.row.options, "sample_weight", "reduction")
        words = [("reduction", value) for value in given[count:] if isinstance(value, str)]
        others = [value for value in given[count:] if not isinstance(value, str)]
        options = dict([*zip(known, others, strict=False), *words]) | named
        wrong = [name for name in options if name not in known]
        if len(given) < count or len(given) > count + len(known) or wrong:
            said = f"there is no option {wrong[0]}" if wrong else f"{len(given)} arguments were given"
            raise ArgumentError(
                at_line(f"{self.row.name} takes {count} tensors and the options {', '.join(known)}; {said}")
            )
        for name, value in options.items():
            holds, where = RANGES.get(name, (None, ""))
            if holds is not None and isinstance(value, int | float | sp.Number) and not holds(value):
                raise DomainError(at_line(f"{self.row.name}: {name} must be {where}, not {value}"))
        reduction: Reduction = options.pop("reduction", "mean")
        weight = options.pop("sample_weight", None)
        prediction, wanted, *more = map(as_tensor, given[:count])
        if prediction.shape != wanted.shape:
            pair = ((prediction, wanted), (wanted, prediction))
            column = next((one.display_name for one, other in pair if one.shape == (*other.shape, 1)), "")
            advice = f", which {column}[..., 0] has" if column else ""
            raise ShapeError(
                at_line(f"{self.row.name}: {prediction.display_name}{show_shape(prediction.shape)} against "
                        f"{wanted.display_name}{show_shape(wanted.shape)}; expected one shape{advice}")
            )  # fmt: skip
        if self.of_logits:
            _refuse_probabilities(self.row.name, prediction)
        return reduced(self.row(prediction, wanted, *more, **options), reduction, weight)

    def __repr__(self) -> str:
        return f"sg.{self.row.name}: {self.text}"


def _refuse_probabilities(name: str, z: Tensor) -> None:
    """Raise if an element of ``z`` is 1/(1 + eᵃ): a sigmoid before a loss that has its own is a mistake."""
    if z.definition is None or z.definition.op is not None:
        return
    value = Views([z]).at(Element(z, *(axis(d) for d in range(z.ndim))))
    divisor = 1 / value
    if divisor.is_Add and (divisor - 1).func is sp.exp:
        raise DomainError(
            at_line(f"{z.display_name}{show_shape(z.shape)} is a sigmoid, a probability already: {name} takes logits; "
                    "leave the sigmoid out, or use binary_cross_entropy")
        )  # fmt: skip


def _loss(
    name: str, formula: Any, text: str, *more: sp.Symbol, source: str = "", of_logits: bool = False, **options: Any
) -> Loss:  # fmt: skip
    return Loss(Row(name, formula, u, v, *more, source=source, **options), text, of_logits)


# -- regression -------------------------------------------------------------------------------------------------------
mse_loss = _loss("mse_loss", lambda: (u - v) ** 2, "squared error (y − t)²")
half_mse_loss = _loss("half_mse_loss", lambda: (u - v) ** 2 / 2, "half squared error ½(y − t)²")
l1_loss = _loss("l1_loss", lambda: sp.Abs(u - v), "absolute error |y − t|")
huber_loss = _loss(
    "huber_loss",
    lambda delta: Cases(((u - v) ** 2 / 2, sp.Abs(u - v) <= delta), (delta * (sp.Abs(u - v) - delta / 2), True)),
    "½r² where |r| ≤ δ, else δ(|r| − ½δ), with r = y − t",
    source="Huber 1964",
    delta=1,
)
smooth_l1_loss = _loss(
    "smooth_l1_loss",
    lambda beta: Cases(((u - v) ** 2 / (2 * beta), sp.Abs(u - v) < beta), (sp.Abs(u - v) - beta / 2, True)),
    "½r²/β where |r| < β, else |r| − ½β; Huber's is δ times this with β = δ",
    source="Girshick, arXiv 1504.08083",
    beta=1,
)
log_cosh_loss = _loss("log_cosh_loss", lambda: sp.log(sp.cosh(u - v)), "log cosh(y − t)")
quantile_loss = _loss(
    "quantile_loss",
    lambda q: sp.Max(q * (v - u), (q - 1) * (v - u)),
    "the pinball loss, q(t − y) below and (1 − q)(y − t) above: least at the q-quantile",
    source="Koenker & Bassett 1978",
    q=0.5,
)
expectile_loss = _loss(
    "expectile_loss",
    lambda q: Cases((q * (u - v) ** 2, u < v), ((1 - q) * (u - v) ** 2, True)),
    "q(y − t)² where y < t, else (1 − q)(y − t)²",
    source="Newey & Powell 1987",
    q=0.5,
)
fair_loss = _loss(
    "fair_loss",
    lambda c: c**2 * (sp.Abs(u - v) / c - sp.log(1 + sp.Abs(u - v) / c)),
    "c²(|r|/c − log(1 + |r|/c))",
    source="Fair 1974",
    c=1,
)
cauchy_loss = _loss(
    "cauchy_loss",
    lambda c: c**2 * sp.log(1 + ((u - v) / c) ** 2) / 2,
    "½c² log(1 + (r/c)²)",
    source="Barron 1701.03077",
    c=1,
)
linex_loss = _loss(
    "linex_loss",
    lambda a: sp.exp(a * (u - v)) - a * (u - v) - 1,
    "exp(a·r) − a·r − 1, asymmetric",
    source="Varian 1975",
    a=1,
)
msle_loss = _loss("msle_loss", lambda: (sp.log(1 + u) - sp.log(1 + v)) ** 2, "(log(1 + y) − log(1 + t))²")
mape_loss = _loss("mape_loss", lambda: sp.Abs((u - v) / v), "|y − t|/|t|, not times 100")

# -- two classes, and several labels ----------------------------------------------------------------------------------
binary_cross_entropy = _loss(
    "binary_cross_entropy",
    lambda weight: weight * (-v * sp.log(u) - (1 - v) * sp.log(1 - u)),
    "−t log y − (1 − t) log(1 − y), y probabilities",
    weight=1,
)
binary_cross_entropy_with_logits = _loss(
    "binary_cross_entropy_with_logits",
    lambda weight, pos_weight: weight * (sp.log(1 + sp.exp(u)) - v * u + (pos_weight - 1) * v * sp.log(1 + sp.exp(-u))),
    "−p·t log σ(z) − (1 − t) log(1 − σ(z)), z logits; p is pos_weight",
    weight=1,
    pos_weight=1,
    of_logits=True,
)


def _sigma(z: sp.Expr) -> sp.Expr:
    return 1 / (1 + sp.exp(-z))


sigmoid_focal_loss = _loss(
    "sigmoid_focal_loss",
    lambda alpha, gamma: (
        (alpha * v + (1 - alpha) * (1 - v))
        * (v * _sigma(-u) + (1 - v) * _sigma(u)) ** gamma
        * (sp.log(1 + sp.exp(u)) - v * u)
    ),
    "α_t(1 − p_t)^γ times binary cross-entropy with logits",
    source="Lin et al., arXiv 1708.02002",
    alpha=0.25,
    gamma=2,
    of_logits=True,
)
asymmetric_loss = _loss(
    "asymmetric_loss",
    lambda gamma_neg, gamma_pos, clip: (
        v * _sigma(-u) ** gamma_pos * sp.log(1 + sp.exp(-u))
        - (1 - v) * sp.Max(_sigma(u) - clip, 0) ** gamma_neg * sp.log(1 - sp.Max(_sigma(u) - clip, 0))
    ),
    "−t(1 − p)^γ₊ log p − (1 − t)q^γ₋ log(1 − q) with p = σ(z), q = max(p − clip, 0)",
    source="Ridnik et al., arXiv 2009.14119",
    gamma_neg=4,
    gamma_pos=1,
    clip=0.05,
    of_logits=True,
)
hinge_loss = _loss(
    "hinge_loss", lambda: sp.Max(0, 1 - v * u), "max(0, 1 − t·y), t is ±1", source="Cortes & Vapnik 1995"
)
squared_hinge_loss = _loss("squared_hinge_loss", lambda: sp.Max(0, 1 - v * u) ** 2, "max(0, 1 − t·y)², t is ±1")
soft_margin_loss = _loss("soft_margin_loss", lambda: sp.log(1 + sp.exp(-v * u)), "log(1 + exp(−t·y)), t is ±1")
hinge_embedding_loss = _loss(
    "hinge_embedding_loss",
    lambda margin: Cases((u, sp.Eq(v, 1)), (sp.Max(0, margin - u), True)),
    "y where t = 1, max(0, margin − y) where t = −1",
    source="torch.nn",
    margin=1,
)
margin_ranking_loss = _loss(
    "margin_ranking_loss",
    lambda margin: sp.Max(0, margin - w * (u - v)),
    "max(0, margin − t(y₁ − y₂)), t is ±1",
    w,
    source="torch.nn",
    margin=0,
)


# -- likelihoods and deviances ----------------------------------------------------------------------------------------
def _poisson(log_input: bool, full: bool, eps: Any) -> sp.Expr:
    value = sp.exp(u) - v * u if log_input else u - v * sp.log(u + eps)
    stirling = v * sp.log(v) - v + sp.log(2 * sp.pi * v) / 2
    return value + Cases((stirling, v > 1), (0, True)) if full else value


poisson_nll_loss = _loss(
    "poisson_nll_loss",
    _poisson,
    "exp(y) − t·y, or y − t log(y + ε) without log_input; full adds Stirling's log t! for t > 1",
    log_input=True,
    full=False,
    eps=1e-8,
)
gaussian_nll_loss = _loss(
    "gaussian_nll_loss",
    lambda full, eps: (sp.log(sp.Max(w, eps)) + (u - v) ** 2 / sp.Max(w, eps) + (sp.log(2 * sp.pi) if full else 0)) / 2,
    "½(log σ² + (y − t)²/σ²), σ² at least ε",
    w,
    source="Nix & Weigend 1994",
    full=False,
    eps=1e-6,
)
kl_div = _loss(
    "kl_div",
    lambda log_target: sp.exp(v) * (v - u) if log_target else Cases((v * (sp.log(v) - u), v > 0), (0, True)),
    "t(log t − y), y log-probabilities; mathematics' divergence has reduction batchmean",
    source="Kullback & Leibler 1951",
    log_target=False,
)
gaussian_kl_loss = _loss(
    "gaussian_kl_loss",
    lambda: (sp.exp(v) + u**2 - 1 - v) / 2,
    "½(σ² + μ² − 1 − log σ²), KL(N(μ, σ²) ‖ N(0, 1)) of a mean μ and a log variance: a variational autoencoder's",
    source="Kingma & Welling, arXiv 1312.6114, appendix B",
)
poisson_deviance_loss = _loss(
    "poisson_deviance_loss",
    lambda: 2 * (Cases((v * sp.log(v / u), v > 0), (0, True)) - v + u),
    "2(t log(t/y) − t + y), y means",
    source="McCullagh & Nelder 1989",
)
gamma_deviance_loss = _loss(
    "gamma_deviance_loss",
    lambda: 2 * (sp.log(u / v) + v / u - 1),
    "2(log(y/t) + t/y − 1), y means",
    source="McCullagh & Nelder 1989",
)


def _tweedie(power: Any) -> sp.Expr:
    one, two = 1 - power, 2 - power
    return 2 * (v**two / (one * two) - v * u**one / one + u**two / two)


tweedie_deviance_loss = _loss(
    "tweedie_deviance_loss",
    _tweedie,
    "2(t^(2−p)/((1−p)(2−p)) − t·y^(1−p)/(1−p) + y^(2−p)/(2−p)), 1 < p < 2",
    source="Jørgensen 1987",
    power=1.5,
)

POINTWISE: dict[str, Loss] = {name: value for name, value in globals().items() if isinstance(value, Loss)}
"""Losses of one element, by name."""
ROWWISE = {
    f.__name__: f
    for f in (
        *(cross_entropy, nll_loss, nll_of_probabilities, focal_loss, multi_margin_loss, multilabel_margin_loss),
        *(multilabel_soft_margin_loss, dice_loss, tversky_loss, cosine_embedding_loss, triplet_margin_loss),
        info_nce_loss,
    )
}
"""Losses of one row, by name."""

__all__ = [
    "asymmetric_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cauchy_loss",
    "expectile_loss",
    "fair_loss",
    "gamma_deviance_loss",
    "gaussian_kl_loss",
    "gaussian_nll_loss",
    "half_mse_loss",
    "hinge_embedding_loss",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linex_loss",
    "log_cosh_loss",
    "mape_loss",
    "margin_ranking_loss",
    "mse_loss",
    "msle_loss",
    "poisson_deviance_loss",
    "poisson_nll_loss",
    "quantile_loss",
    "sigmoid_focal_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "squared_hinge_loss",
    "tweedie_deviance_loss",
]
