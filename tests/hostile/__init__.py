"""Hostile use: signals, threads, forks and wrong arguments at random moments, each scene in a process of its own.

``python -m tests.hostile --rounds 1000 --seed 1``. What comes back is right, or a clear error; there is no crash, no
hang, and no parameter that is not the one after a whole number of steps.
"""
