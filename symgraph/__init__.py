"""Declare a network as formulas, differentiate it by the chain rule, read what comes out. ``codegen`` runs it."""

from symgraph.core.declare import constant, input, labels, one_hot, parameter
from symgraph.core.define import ArgMax, ArgMin, Max, Min, Sum, as_tensor, define
from symgraph.core.indices import dim, indices
from symgraph.core.scalars import Delta
from symgraph.core.tensor import Element, Tensor
from symgraph.derive.derivation import derivation
from symgraph.derive.differentiate import grad
from symgraph.derive.higher import hessian, hvp, jacobian
from symgraph.display.explain import explain
from symgraph.stabilise import stabilise
from symgraph.vocabulary import activations, functions, init, losses, nn, optimisers
from symgraph.vocabulary.activations import *
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
from symgraph.vocabulary.losses import (
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
from symgraph.vocabulary.optimisers import SGD, Adagrad, Adam, AdamW, RMSprop
