"""Tensor formulas."""
TENSORS = {}
def tensor_verdicts(rows, dtype):
    return iter(())
