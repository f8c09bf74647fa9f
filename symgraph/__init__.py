"""Declare a network as formulas, differentiate it by the chain rule, read what comes out. ``codegen`` runs it."""

from symgraph import init
from symgraph.activations import *  # noqa: F403
from symgraph.declare import constant, input, labels, one_hot, parameter
from symgraph.define import ArgMax, ArgMin, Max, Min, Sum, as_tensor, define
from symgraph.elementwise import Elementwise, elementwise
from symgraph.functions import *
from symgraph.indices import dim, indices
from symgraph.scalars import Delta
from symgraph.tensor import Element, Tensor
from symgraph.differentiate import grad
from symgraph.stabilise import stabilise
