"""The project's errors: every one names the user's symbol, what was expected, and the user's line."""

from __future__ import annotations


class SymgraphError(Exception):
    """Base class of every error this project raises on purpose."""


class ShapeError(SymgraphError, ValueError):
    """Two shapes, or an index and an axis, do not fit together."""


class NameConflictError(SymgraphError, ValueError):
    """One name stands for two different tensors in one program, or is not usable as a name."""


class DomainError(SymgraphError, TypeError):
    """A value of the wrong kind: a label where a real is needed, a wrong dtype, a loss that is no scalar."""


class IndexNotationError(SymgraphError, ValueError):
    """A definition in index notation that does not say what its elements are."""


class DisconnectedError(SymgraphError, ValueError):
    """A derivative is asked for with respect to something that the expression does not depend on."""


class ArgumentError(SymgraphError, ValueError):
    """An argument of a compiled function: unknown, missing, out of range, read-only, overlapping, of a wrong size."""


class NonFiniteError(SymgraphError, ArithmeticError):
    """A loss that is infinite or NaN: nothing was updated."""


class ConversionWarning(UserWarning):
    """An array was copied, for it has another dtype, order or stride than a program reads."""


class BroadcastWarning(UserWarning):
    """A column of rows met a row of them, (N, 1) and (N,): that makes (N, N)."""


class StillZeroWarning(UserWarning):
    """A parameter that began with zeros has zeros after an epoch: nothing in the loss tells it where to go."""
