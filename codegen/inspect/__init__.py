"""What is told about a program: its kernels, their costs and times."""
