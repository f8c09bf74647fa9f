"""From definitions to loop nests.

assemble    groups of definitions, one after the other, as a program: a tree of kernels and loops
choose      what threads share, what is tiled, copied, kept: one schedule for each kernel
schedule    what a schedule is
lower       a kernel by its schedule: rows, maps, panels, lanes, with scatter and windows inside of rows
scope       what is known while one kernel is lowered
scalar      formulas as expressions: here SymPy ends
"""
