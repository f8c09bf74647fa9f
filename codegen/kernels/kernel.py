"""``kernel``: compiles one emitted function, with the flags that every native function of this project shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Make ``function`` callable from other kernels and from an entry; never from Python.

    Division by zero gives ±inf (``error_model``), there are no reference counts (``_nrt``) and no wrappers. Of LLVM's
    fast-math flags only ``contract`` is set, so that ``a*b + c`` may become one fused operation; sums are reordered
    where the source says :func:`codegen.kernels.scalar.accumulate`, nowhere else.
    """
    options = njit(
        error_model="numpy", fastmath={"contract"}, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False
    )
    return options(function)  # type: ignore[no-any-return]
