"""All that knows Numba or LLVM: from loop nests to machine code, and the threads that run it."""
