"""Declare a network as formulas, differentiate it by the chain rule, read what comes out. ``codegen`` runs it."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from symgraph import errors
from symgraph.core.declare import constant, input, labels, parameter
from symgraph.core.define import ArgMax, ArgMin, Max, Min, Sum, as_tensor, define
from symgraph.core.external import external
from symgraph.core.habits import unknown
from symgraph.core.indices import dim, indices
from symgraph.core.mode import in_training, mode
from symgraph.core.scalars import Delta
from symgraph.core.state import state
from symgraph.core.tensor import Element, Tensor
from symgraph.derive.differentiate import grad
from symgraph.derive.higher import hessian, hvp, jacobian
from symgraph.stabilise import stabilise
from symgraph.vocabulary import (
    activations,
    cumulative,
    elementary,
    functions,
    gates,
    gathers,
    init,
    integrators,
    layer_functions,
    losses,
    metrics,
    nn,
    norms,
    optimisers,
    random,
    resampling,
    row_losses,
    schedules,
    state_space,
)
from symgraph.vocabulary.activations import *
from symgraph.vocabulary.cumulative import *
from symgraph.vocabulary.elementary import *
from symgraph.vocabulary.elementwise import Elementwise, elementwise
from symgraph.vocabulary.functions import (
    argmax,
    argmin,
    log_softmax,
    logsumexp,
    matmul,
    max,
    mean,
    min,
    softmax,
    sum,
    transpose,
    where,
)
from symgraph.vocabulary.gates import *
from symgraph.vocabulary.gathers import *
from symgraph.vocabulary.integrators import *
from symgraph.vocabulary.joining import concatenate, flip, pad, repeat, roll, split, stack, take, tile
from symgraph.vocabulary.layer_functions import *
from symgraph.vocabulary.losses import *
from symgraph.vocabulary.normalise import batch_norm, stop_gradient
from symgraph.vocabulary.norms import *
from symgraph.vocabulary.optimisers import *
from symgraph.vocabulary.products import (
    diag,
    diagonal,
    dot,
    einsum,
    eye,
    kron,
    outer,
    tensordot,
    trace,
    tril,
    triu,
    vdot,
)
from symgraph.vocabulary.random import dropout
from symgraph.vocabulary.recurrent import scan
from symgraph.vocabulary.resampling import *
from symgraph.vocabulary.row_losses import *
from symgraph.vocabulary.shapes import (
    broadcast_to,
    expand_dims,
    flatten,
    moveaxis,
    permute,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    unsqueeze,
)
from symgraph.vocabulary.state_space import *
from symgraph.vocabulary.statistics import (
    all,
    any,
    average,
    clip,
    embedding,
    norm,
    one_hot,
    scaled_dot_product_attention,
    std,
    var,
)
from symgraph.vocabulary.weighing import weigh_rows
from symgraph.vocabulary.windows import (
    avg_pool,
    conv1d,
    conv2d,
    conv3d,
    global_avg_pool,
    global_max_pool,
    max_pool,
    unfold,
    upsample,
)

if TYPE_CHECKING:
    from symgraph.auditing import audit, equal, gradcheck
    from symgraph.bridges import load, objective, save, scipy
    from symgraph.derive.derivation import derivation
    from symgraph.display.explain import explain
    from symgraph.drawing.draw import draw
    from symgraph.drawing.page import report
    from symgraph.rounding.report import accuracy

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ArgMax",
    "ArgMin",
    "Delta",
    "Element",
    "Elementwise",
    "Lion",
    "Max",
    "Min",
    "Muon",
    "NAdam",
    "NaturalGradient",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Sum",
    "Tensor",
    "accumulate",
    "accuracy",
    "activations",
    "all",
    "any",
    "argmax",
    "argmin",
    "as_tensor",
    "audit",
    "average",
    "average_weights",
    "avg_pool",
    "batch_norm",
    "broadcast_to",
    "celu",
    "clip",
    "clip_grad_norm",
    "clip_grad_value",
    "concatenate",
    "constant",
    "conv1d",
    "conv2d",
    "conv3d",
    "define",
    "derivation",
    "diag",
    "diagonal",
    "dim",
    "dot",
    "draw",
    "dropout",
    "einsum",
    "elementwise",
    "elu",
    "embedding",
    "equal",
    "errors",
    "expand_dims",
    "explain",
    "external",
    "eye",
    "flatten",
    "flip",
    "functions",
    "gelu",
    "global_avg_pool",
    "global_max_pool",
    "grad",
    "gradcheck",
    "grouped",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hessian",
    "hvp",
    "in_training",
    "indices",
    "init",
    "input",
    "jacobian",
    "kron",
    "labels",
    "leaky_relu",
    "load",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "lookahead",
    "losses",
    "matmul",
    "max",
    "max_pool",
    "mean",
    "metrics",
    "min",
    "mish",
    "mode",
    "moveaxis",
    "nn",
    "norm",
    "objective",
    "one_hot",
    "optimisers",
    "outer",
    "pad",
    "parameter",
    "permute",
    "random",
    "ravel",
    "relu",
    "relu6",
    "repeat",
    "report",
    "reshape",
    "roll",
    "sam",
    "save",
    "scaled_dot_product_attention",
    "scan",
    "schedules",
    "scipy",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softshrink",
    "softsign",
    "split",
    "squeeze",
    "stabilise",
    "stack",
    "state",
    "std",
    "stop_gradient",
    "sum",
    "swapaxes",
    "take",
    "tanh",
    "tanhshrink",
    "tensordot",
    "threshold",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "unfold",
    "unsqueeze",
    "upsample",
    "var",
    "vdot",
    "weigh_rows",
    "where",
]  # fmt: skip
__all__ += cumulative.__all__
__all__ += elementary.__all__
__all__ += gates.__all__
__all__ += gathers.__all__
__all__ += integrators.__all__
__all__ += layer_functions.__all__
__all__ += losses.__all__
__all__ += norms.__all__
__all__ += resampling.__all__
__all__ += row_losses.__all__
__all__ += state_space.__all__
__version__ = "0.1.0"
_WHEN_ASKED = {
    "accuracy": "symgraph.rounding.report",
    "audit": "symgraph.auditing",
    "derivation": "symgraph.derive.derivation",
    "draw": "symgraph.drawing.draw",
    "equal": "symgraph.auditing",
    "explain": "symgraph.display.explain",
    "gradcheck": "symgraph.auditing",
    "load": "symgraph.bridges",
    "objective": "symgraph.bridges",
    "report": "symgraph.drawing.page",
    "save": "symgraph.bridges",
    "scipy": "symgraph.bridges",
}


def __getattr__(name: str) -> Any:
    """What is for reading, or for other libraries, is imported when somebody asks for it."""
    if name not in _WHEN_ASKED:
        places = {"sg.nn": nn, "sg.schedules": schedules, "sg.metrics": metrics, "sg.random": random, "sg.init": init}
        raise unknown("module 'symgraph'", name, sys.modules[__name__], places)
    found = globals()[name] = getattr(import_module(_WHEN_ASKED[name]), name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
