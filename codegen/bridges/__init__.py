"""For other libraries: objectives of boosted trees, functions of flat vectors, plain SymPy as programs."""
