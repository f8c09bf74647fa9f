"""``codegen.function``: any expressions as one compiled function of their leaves.

probs = codegen.function([x, W, b], sg.softmax(x @ W + b));   probs(X, W=w, b=c)   →   a fresh array
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from codegen import arguments
from codegen.executable import Executable
from codegen.pipeline import leaves_in
from codegen.plan import Request
from symgraph.define import as_tensor
from symgraph.errors import ArgumentError, DomainError, NameConflictError
from symgraph.provenance import at_line
from symgraph.tensor import Tensor

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """float32 or float64.

    Raises
    ------
    DomainError
        for anything else.
    """
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DomainError(at_line(f"dtype must be float32 or float64, not {dtype!r}")) from error
    if found not in DTYPES:
        raise DomainError(at_line(f"dtype must be float32 or float64, not {found}"))
    return found


class Function:
    """Compiled expressions; made by :func:`function`.

    Attributes
    ----------
    inputs : the leaves, in the order of positional arguments.
    source : the generated source of the last dtype that was called.
    """

    def __init__(self, inputs: Sequence[Tensor], outputs: Any, dtype: Any = None) -> None:
        self.dtype = None if dtype is None else as_dtype(dtype)
        self._shape_of_result = outputs
        chosen = (
            list(outputs.values())
            if isinstance(outputs, Mapping)
            else list(outputs)
            if isinstance(outputs, list | tuple)
            else [outputs]
        )
        self.outputs = tuple(as_tensor(output) for output in chosen)
        self.inputs = tuple(inputs)
        self._check_inputs()
        request = Request(self.outputs)
        self._request = Request(tuple(output for output in self.outputs if output.definition is not None))
        constants = [leaf for leaf in leaves_in(request) if leaf.kind == "constant"]
        self._leaves = (*self.inputs, *constants)
        self._executables: dict[np.dtype[Any], Executable] = {}

    def _check_inputs(self) -> None:
        for leaf in self.inputs:
            if leaf.definition is not None:
                raise ArgumentError(at_line(f"{leaf.display_name} is computed, not a leaf: it cannot be an input"))
        names = [leaf.name for leaf in self.inputs]
        for name in names:
            if names.count(name) > 1:
                raise NameConflictError(at_line(f"the name {name} occurs twice among the inputs"))
        for leaf in leaves_in(Request(self.outputs)):
            if leaf.kind != "constant" and leaf not in self.inputs:
                raise ArgumentError(
                    at_line(f"the outputs depend on {arguments.described(leaf)}, which is not among the inputs")
                )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Values of the outputs, as fresh arrays (a rank-0 output as a NumPy scalar array of shape ``()``)."""
        given = self._named(args, kwargs)
        dtype = self.dtype or self._dtype_of(given)
        sizes: dict[str, int] = {}
        arrays = {}
        for leaf in self.inputs:
            wanted = np.dtype(np.float64) if leaf.kind == "scalar" else dtype
            arrays[leaf] = arguments.as_array(leaf, given[str(leaf.name)], wanted)
            arguments.bind_sizes(leaf, arrays[leaf], sizes)
        for leaf, array in arrays.items():
            if leaf.is_label:
                arguments.check_labels(leaf, array, sizes)
            if leaf.rows_sum_to_one:
                arguments.check_rows(leaf, array)
        return self._results(self.executable(dtype), arrays, sizes)

    def _results(self, executable: Executable, arrays: Mapping[Tensor, np.ndarray], sizes: Mapping[str, int]) -> Any:
        executable.resize(sizes)
        for leaf, array in arrays.items():
            executable.bind(leaf, array)
        fresh = {name: executable.new_output(name) for name in dict.fromkeys(executable.compiled.program.outputs)}
        executable.run()
        results = []
        computed = iter(executable.compiled.program.outputs)
        seen: set[str] = set()
        for output in self.outputs:
            if output.definition is None:
                results.append(
                    arrays[output].copy() if output in arrays else np.array(output.value, dtype=executable.dtype)
                )
                continue
            name = next(computed)
            results.append(fresh[name] if name not in seen else fresh[name].copy())
            seen.add(name)
        if isinstance(self._shape_of_result, Mapping):
            return dict(zip(self._shape_of_result, results, strict=True))
        if isinstance(self._shape_of_result, list | tuple):
            return type(self._shape_of_result)(results)
        return results[0]

    def _named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) > len(self.inputs):
            raise ArgumentError(at_line(f"{len(args)} arguments are given; there are {len(self.inputs)} inputs"))
        given = {str(leaf.name): value for leaf, value in zip(self.inputs, args, strict=False)}
        for name, value in kwargs.items():
            if name in given:
                raise ArgumentError(at_line(f"{name} is given twice"))
            given[name] = value
        arguments.check_names(given, self.inputs)
        return given

    def _dtype_of(self, given: Mapping[str, Any]) -> np.dtype[Any]:
        found: dict[np.dtype[Any], str] = {}
        for leaf in self.inputs:
            value = given[str(leaf.name)]
            if isinstance(value, np.ndarray) and value.ndim and not leaf.is_label:
                found.setdefault(value.dtype, str(leaf.name))
        floating = {dtype: name for dtype, name in found.items() if dtype in DTYPES}
        if len(floating) > 1:
            shown = " and ".join(f"{name} is {dtype}" for dtype, name in floating.items())
            raise DomainError(at_line(f"one floating dtype is expected; {shown}"))
        return next(iter(floating), np.dtype(np.float64))

    def executable(self, dtype: Any = "float64") -> Executable:
        """The program for a dtype, compiled at its first use."""
        chosen = as_dtype(dtype)
        if chosen not in self._executables:
            self._executables[chosen] = Executable(self._request, self._leaves, chosen)
        return self._executables[chosen]

    @property
    def source(self) -> str:
        executables = list(self._executables.values())
        return (executables[-1] if executables else self.executable(self.dtype or "float64")).source


def function(inputs: Any, outputs: Any, dtype: Any = None) -> Function:
    """Compile expressions.

    Parameters
    ----------
    inputs : the leaves, in the order in which values are passed; they may also be passed by name.
    outputs : a tensor, or a list, tuple or dict of tensors; the result has the same form.
    dtype : ``"float32"`` or ``"float64"``; by default that of the arrays at each call.

    Returns
    -------
    A function that checks its arguments and returns fresh arrays. It is compiled at its first call.

    Raises
    ------
    ArgumentError
        if an output depends on a leaf that is no input.
    """
    chosen = [inputs] if isinstance(inputs, sp.Basic) else list(inputs)
    leaves = [Tensor.scalar(leaf) if isinstance(leaf, sp.Symbol) else as_tensor(leaf) for leaf in chosen]
    return Function(leaves, outputs, dtype)
