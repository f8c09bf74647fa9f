"""Estimators for scikit-learn over compiled training steps; users import them as ``symgraph.sklearn``."""
