"""All that knows LLVM: from loop nests to machine code, and the threads that run it."""
