"""Declare a network as formulas, differentiate it by the chain rule, read what comes out. ``codegen`` runs it."""

from symgraph import init, nn
from symgraph.activations import *
from symgraph.declare import constant, input, labels, one_hot, parameter
from symgraph.define import ArgMax, ArgMin, Max, Min, Sum, as_tensor, define
from symgraph.derivation import derivation
from symgraph.differentiate import grad
from symgraph.elementwise import Elementwise, elementwise
from symgraph.explain import explain
from symgraph.functions import (
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
from symgraph.higher import hessian, hvp, jacobian
from symgraph.indices import dim, indices
from symgraph.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    half_mse_loss,
    huber_loss,
    l1_loss,
    log_cosh_loss,
    mse_loss,
    nll_of_probabilities,
    smooth_l1_loss,
)
from symgraph.optimisers import SGD, Adagrad, Adam, AdamW, RMSprop
from symgraph.scalars import Delta
from symgraph.stabilise import stabilise
from symgraph.tensor import Element, Tensor
