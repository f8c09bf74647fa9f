"""What the process has of this machine: the cache's files, processors, functions of Python that native code calls."""
