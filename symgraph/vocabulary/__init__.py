"""What users say, as formulas: operators, functions, activations, layers, losses, optimisers."""
