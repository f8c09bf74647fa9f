"""Simplification: every cotangent in the cheapest equal form over values that the forward pass has computed."""

from symgraph.simplify.fold import LEFT, Relation, Step, Trace, may_fold, simplify
from symgraph.simplify.partial import partial, scalar_derivative

__all__ = ["LEFT", "Relation", "Step", "Trace", "may_fold", "partial", "scalar_derivative", "simplify"]
