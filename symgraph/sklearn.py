"""Estimators for scikit-learn (extra ``sklearn``): a door to ``codegen`` that nothing in ``symgraph`` goes through.

from symgraph.sklearn import MLPClassifier, MLPRegressor, SymbolicEstimator
"""

from codegen.estimators.perceptrons import MLPClassifier, MLPRegressor
from codegen.estimators.symbolic import SymbolicEstimator

__all__ = ["MLPClassifier", "MLPRegressor", "SymbolicEstimator"]
