"""How far off a formula is in floating point: measured at sampled points of its domain, against the true value."""
