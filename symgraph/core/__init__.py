"""What a program is made of: indices, scalars, tensors, definitions, and what can be said of them."""
