"""Declare a network as formulas, differentiate it by the chain rule, read what comes out. ``codegen`` runs it."""

from typing import TYPE_CHECKING

import sympy  # what all names stand on: who imports us waits for it here, not at the first formula

from symgraph import errors
from symgraph.asked import asked
from symgraph.stabilise import stabilise  # called as its folder, which else were found in its place

__version__ = "0.1.0"
_PLACES = {
    "symgraph.auditing": "audit equal gradcheck",
    "symgraph.bridges": "load objective save scipy",
    "symgraph.core.declare": "constant input labels parameter",
    "symgraph.core.define": "ArgMax ArgMin Max Min Sum as_tensor define",
    "symgraph.core.external": "external",
    "symgraph.core.indices": "dim indices",
    "symgraph.core.mode": "in_training mode",
    "symgraph.core.scalars": "Delta",
    "symgraph.core.state": "state",
    "symgraph.core.tensor": "Element Tensor",
    "symgraph.derive.derivation": "derivation",
    "symgraph.derive.differentiate": "grad",
    "symgraph.derive.higher": "hessian hvp jacobian",
    "symgraph.display.explain": "explain",
    "symgraph.drawing.draw": "draw",
    "symgraph.drawing.page": "report",
    "symgraph.rounding.report": "accuracy",
    "symgraph.vocabulary": "activations functions init losses metrics nn optimisers random schedules",
    "symgraph.vocabulary.activations": """
        celu elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish relu relu6 selu
        sigmoid silu softplus softshrink softsign tanh tanhshrink threshold""",
    "symgraph.vocabulary.cumulative": "cummax cummin cumprod cumsum discounted_sum ewma logcumsumexp polyval",
    "symgraph.vocabulary.elementary": """
        abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil cos cosh degrees digamma erf erfc
        erfcx erfinv exp exp2 expm1 floor floor_divide gamma gammaln heaviside hypot log log10 log1p log2
        log_ndtr logaddexp logit maximum minimum ndtr power radians reciprocal remainder sign sin sinc sinh sqrt
        square tan trunc xlogy""",
    "symgraph.vocabulary.elementwise": "Elementwise elementwise",
    "symgraph.vocabulary.functions": """
        argmax argmin log_softmax logsumexp matmul max mean min softmax sum transpose where""",
    "symgraph.vocabulary.gates": "cosine_similarity geglu glu normalize pairwise_distance prelu reglu softmin swiglu",
    "symgraph.vocabulary.gathers": "embedding_bag gather index_add prod scatter_add take_along_axis",
    "symgraph.vocabulary.integrators": "leapfrog odeint",
    "symgraph.vocabulary.joining": "concatenate flip pad repeat roll split stack take tile",
    "symgraph.vocabulary.layer_functions": "bilinear linear",
    "symgraph.vocabulary.losses": """
        asymmetric_loss binary_cross_entropy binary_cross_entropy_with_logits cauchy_loss expectile_loss
        fair_loss gamma_deviance_loss gaussian_kl_loss gaussian_nll_loss half_mse_loss hinge_embedding_loss
        hinge_loss huber_loss kl_div l1_loss linex_loss log_cosh_loss mape_loss margin_ranking_loss mse_loss
        msle_loss poisson_deviance_loss poisson_nll_loss quantile_loss sigmoid_focal_loss smooth_l1_loss
        soft_margin_loss squared_hinge_loss tweedie_deviance_loss""",
    "symgraph.vocabulary.normalise": "batch_norm stop_gradient",
    "symgraph.vocabulary.norms": "group_norm instance_norm layer_norm rms_norm",
    "symgraph.vocabulary.optimisers": """
        ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Lion Muon NAdam NaturalGradient Optimizer RAdam
        RMSprop Row Rprop SGD accumulate average_weights clip_grad_norm clip_grad_value grouped lookahead sam""",
    "symgraph.vocabulary.products": "diag diagonal dot einsum eye kron outer tensordot trace tril triu vdot",
    "symgraph.vocabulary.random": "dropout",
    "symgraph.vocabulary.recurrent": "scan",
    "symgraph.vocabulary.resampling": """
        adaptive_avg_pool adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d
        conv_transpose1d conv_transpose2d conv_transpose3d fold interpolate lp_pool lp_pool1d lp_pool2d
        lp_pool3d max_pool1d max_pool2d max_pool3d""",
    "symgraph.vocabulary.row_losses": """
        cosine_embedding_loss cross_entropy dice_loss focal_loss info_nce_loss multi_margin_loss
        multilabel_margin_loss multilabel_soft_margin_loss nll_loss nll_of_probabilities triplet_margin_loss
        tversky_loss""",
    "symgraph.vocabulary.shapes": """
        broadcast_to expand_dims flatten moveaxis permute ravel reshape squeeze swapaxes unsqueeze""",
    "symgraph.vocabulary.state_space": "ctc_loss hmm_forward kalman_filter",
    "symgraph.vocabulary.statistics": """
        all any average clip embedding norm one_hot scaled_dot_product_attention std var""",
    "symgraph.vocabulary.weighing": "weigh_rows",
    "symgraph.vocabulary.windows": """
        avg_pool conv1d conv2d conv3d global_avg_pool global_max_pool max_pool unfold upsample""",
}
if TYPE_CHECKING:  # the same for editors: each module's ``__all__``, which tests compare
    from symgraph.auditing import audit as audit
    from symgraph.auditing import equal as equal
    from symgraph.auditing import gradcheck as gradcheck
    from symgraph.bridges import *
    from symgraph.core.declare import *
    from symgraph.core.define import *
    from symgraph.core.external import external as external
    from symgraph.core.indices import *
    from symgraph.core.mode import *
    from symgraph.core.scalars import Delta as Delta
    from symgraph.core.state import state as state
    from symgraph.core.tensor import *
    from symgraph.derive.derivation import derivation as derivation
    from symgraph.derive.differentiate import grad as grad
    from symgraph.derive.higher import *
    from symgraph.display.explain import explain as explain
    from symgraph.drawing.draw import draw as draw
    from symgraph.drawing.page import report as report
    from symgraph.rounding.report import accuracy as accuracy
    from symgraph.vocabulary import activations as activations
    from symgraph.vocabulary import functions as functions
    from symgraph.vocabulary import init as init
    from symgraph.vocabulary import losses as losses
    from symgraph.vocabulary import metrics as metrics
    from symgraph.vocabulary import nn as nn
    from symgraph.vocabulary import optimisers as optimisers
    from symgraph.vocabulary import random as random
    from symgraph.vocabulary import schedules as schedules
    from symgraph.vocabulary.activations import *
    from symgraph.vocabulary.cumulative import *
    from symgraph.vocabulary.elementary import *
    from symgraph.vocabulary.elementwise import *
    from symgraph.vocabulary.functions import *
    from symgraph.vocabulary.gates import *
    from symgraph.vocabulary.gathers import *
    from symgraph.vocabulary.integrators import *
    from symgraph.vocabulary.joining import *
    from symgraph.vocabulary.layer_functions import *
    from symgraph.vocabulary.losses import *
    from symgraph.vocabulary.normalise import *
    from symgraph.vocabulary.norms import *
    from symgraph.vocabulary.optimisers import *
    from symgraph.vocabulary.products import *
    from symgraph.vocabulary.random import dropout as dropout
    from symgraph.vocabulary.recurrent import scan as scan
    from symgraph.vocabulary.resampling import *
    from symgraph.vocabulary.row_losses import *
    from symgraph.vocabulary.shapes import *
    from symgraph.vocabulary.state_space import *
    from symgraph.vocabulary.statistics import *
    from symgraph.vocabulary.weighing import weigh_rows as weigh_rows
    from symgraph.vocabulary.windows import *
else:
    __all__, __getattr__ = asked(
        __name__, _PLACES, ["errors", "stabilise"], elsewhere=["nn", "schedules", "metrics", "random", "init"]
    )

    def __dir__() -> list[str]:
        return [*__all__, "__version__"]
