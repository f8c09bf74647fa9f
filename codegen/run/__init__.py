"""Compiled functions and training steps: what a call checks, binds and runs."""
