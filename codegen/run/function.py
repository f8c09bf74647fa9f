"""``codegen.function``: any expressions as one compiled function of their leaves.

probs = codegen.function([x, W, b], sg.softmax(x @ W + b));   probs(X, W=w, b=c)   →   a fresh array
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from codegen.loops.words import DONE
from codegen.plan.request import Request, leaves_in
from codegen.run import arguments, kept
from codegen.run.conversion import described
from codegen.run.direct import Calls
from codegen.run.executable import Executable
from codegen.run.results import Outputs, Results, arranged
from codegen.run.turn import Turn
from symgraph.core.chance import COUNTERS, KEY, STEP, checked_key, drawn
from symgraph.core.define import as_tensor
from symgraph.core.habits import Habits
from symgraph.core.indices import Dim, Index, show_shape
from symgraph.core.misuse import explained
from symgraph.core.mode import TRAINING, in_mode
from symgraph.core.packing import Parcel
from symgraph.core.provenance import at_line
from symgraph.core.tensor import Tensor
from symgraph.errors import ArgumentError, DomainError, NameConflictError
from symgraph.vocabulary.ranges import checked_number

if TYPE_CHECKING:
    from codegen.inspect.report import Report

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
    except (TypeError, ValueError) as error:
        raise DomainError(at_line(f"dtype must be float32 or float64, not {dtype!r}")) from error
    if found not in DTYPES:
        raise DomainError(at_line(f"dtype must be float32 or float64, not {found}"))
    return found


TYPES = {"integer": np.dtype(np.int64), "boolean": np.dtype(np.bool_)}
"""Of results that are no reals."""


class Function(Habits):
    """Compiled expressions; made by :func:`function`.

    Attributes
    ----------
    inputs : the leaves, in the order of positional arguments.
    threads : how many at most; None for as many as there are processors.
    source : the generated source of the last dtype that was called.
    """

    def __init__(
        self, inputs: Sequence[Tensor], outputs: Any, dtype: Any = None, strict: bool = False, key: int | None = None,
        mode: str = "evaluate", threads: int | None = None,
    ) -> None:  # fmt: skip
        self.threads = threads
        self.dtype = None if dtype is None else as_dtype(dtype)
        self.strict = arguments.flag("strict", strict)
        self._form = Outputs(outputs)
        self._made_from = (tuple(inputs), key, mode)
        chosen = self._form.tensors if TRAINING in inputs else in_mode(self._form.tensors, mode)
        self.outputs = tuple(drawn(chosen))
        self._numbers: dict[str, int] = {}
        self.inputs = (*inputs, *self._of_chance(inputs, key))
        self._check_inputs()
        self.request = Request(self.outputs)
        constants = [leaf for leaf in leaves_in(self.request) if leaf.kind == "constant"]
        self.leaves = (*self.inputs, *constants)
        from codegen.plan.admit import admit

        admit(self.outputs, self.leaves)
        self._executables: dict[np.dtype[Any], Executable] = {}
        self._calls_of: dict[np.dtype[Any], Calls | None] = {}
        self._calls: Calls | None = None
        self._turn = Turn("this function")
        self._types = [TYPES.get(tensor.dtype) for tensor in self._form.tensors]
        self._are_real = not any(self._types)

    def _of_chance(self, inputs: Sequence[Tensor], key: int | None) -> list[Tensor]:
        """Key and step as further inputs that a call need not give, where the outputs have random values."""
        used = leaves_in(Request(self.outputs))
        found = [leaf for leaf in (KEY, STEP) if leaf in used and leaf not in inputs]
        if KEY in found and key is None:
            raise ArgumentError(at_line("the outputs have random values: pass a key, codegen.function(…, key=0)"))
        self._numbers = {str(leaf.name): checked_key(key) if leaf is KEY else 0 for leaf in found}
        return found

    def _with_chance(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name with key and step, which are checked where a call gives them."""
        told = [name for name in self._numbers if name in given]
        return {**self._numbers, **given, **{name: checked_number(name, COUNTERS[name], given[name]) for name in told}}

    def _check_inputs(self) -> None:
        for leaf in self.inputs:
            if leaf.definition is not None:
                raise ArgumentError(at_line(f"{leaf.display_name} is computed, not a leaf: it cannot be an input"))
        names = [str(leaf.name) for leaf in self.inputs]
        if "out" in names:
            raise NameConflictError(at_line("an input cannot be named out: it is the argument for results"))
        for name in names:
            if names.count(name) > 1:
                raise NameConflictError(at_line(f"the name {name} occurs twice among the inputs"))
        for leaf in leaves_in(Request(self.outputs)):
            if leaf.kind != "constant" and leaf not in self.inputs:
                raise ArgumentError(
                    at_line(f"the outputs depend on {described(leaf)}, which is not among the inputs: write "
                            f"codegen.function([{', '.join([*names, str(leaf.name)])}], …)")
                )  # fmt: skip

    def __repr__(self) -> str:
        """``<function of x (N, 3), W (3, 1): 2 outputs>``"""
        inputs = ", ".join(f"{leaf.name} {show_shape(leaf.shape)}" for leaf in self.inputs)
        return f"<function of {inputs}: {len(self.outputs)} output{'s' if len(self.outputs) > 1 else ''}>"

    def __reduce__(self) -> Any:
        """What it was made from: the function is made anew, and its code is in the cache."""
        form = self._form.arranged(range(len(self.outputs)))
        inputs, key, mode = self._made_from
        parcel = Parcel([*inputs, *self._form.tensors])
        return _again, (parcel, len(inputs), form, self.dtype and self.dtype.name, self.strict, key, mode, self.threads)

    def __deepcopy__(self, memo: Any) -> Function:
        inputs, key, mode = self._made_from
        return Function(inputs, self._form.given, self.dtype, self.strict, key, mode, self.threads)

    def __call__(self, /, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        """Values of the outputs, as fresh arrays (a rank-0 output as a NumPy array of shape ``()``).

        Parameters
        ----------
        args, kwargs : the inputs by position or by name.
        out : arrays in the form of the outputs, to be written and returned instead of fresh ones: of the results' shape
            and dtype, contiguous, and apart in memory from each other and from the inputs.

        Raises
        ------
        ArgumentError, ShapeError, DomainError
            before anything is written.
        """
        into = None if out is None else self._form.arrays(out)
        if not self._are_real:
            typed = self._of_their_types(self._values(args, kwargs, None))
            return self._form.arranged(typed) if into is None else self._copied(typed, into, out)
        values = self._values(args, kwargs, into)
        return out if out is not None else self._form.arranged(values)

    def _values(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], into: Sequence[np.ndarray] | None
    ) -> Sequence[np.ndarray]:
        """Values of the outputs as the program computes them, in one row."""
        if self._numbers:
            kwargs = self._with_chance(kwargs)
        values, turn = None, self._turn
        with turn.lock:
            if turn.inside:
                raise turn.refusal()
            turn.inside = True
            try:
                if self._calls is not None:
                    values = self._calls(args, kwargs, into)
            finally:
                turn.inside = False
        return self._checked_call(args, kwargs, into) if values is None else values

    def _of_their_types(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Truth values and integers as such, where the program computes with 0 and 1 or counts in reals."""
        return [
            value if dtype is None else value.astype(dtype, copy=False)
            for value, dtype in zip(values, self._types, strict=True)
        ]

    def _copied(self, values: Sequence[np.ndarray], into: Sequence[np.ndarray], out: Any) -> Any:
        """``out``, with the values written into it."""
        for tensor, value, array in zip(self._form.tensors, values, into, strict=True):
            arguments.check_out(tensor, array, value.shape, value.dtype)
        for value, array in zip(values, into, strict=True):
            array[...] = value
        return out

    def _checked_call(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], out: Sequence[np.ndarray] | None
    ) -> Sequence[np.ndarray]:
        given = self._named(args, kwargs)
        dtype = self.dtype or arguments.one_dtype(self.inputs, given, DTYPES, self.strict) or np.dtype(np.float64)
        arrays, sizes = arguments.collect(self.inputs, given, dtype, strict=self.strict)
        values, wrong = self._turn.take(self._run, self.executable(dtype), arrays, sizes, out)
        for leaf, labels in wrong.items():
            arguments.check_labels(leaf, labels, sizes)
        return values  # type: ignore[no-any-return]

    def _run(
        self,
        executable: Executable,
        arrays: Mapping[Tensor, np.ndarray],
        sizes: Mapping[str, int],
        out: Sequence[np.ndarray] | None,
    ) -> tuple[Sequence[np.ndarray], Mapping[Tensor, np.ndarray]]:
        """Values of the outputs; or the labels of which some are wrong, which they were not before the run."""
        executable.resize(sizes)
        if out is not None:
            for tensor, array, name in zip(self.outputs, out, executable.linked.outputs, strict=True):
                arguments.check_out(tensor, array, executable.shape(name), executable.type_of(name))
            arguments.check_overlap(list(zip(self.outputs, out, strict=True)), list(arrays.items()))
        for leaf, array in arrays.items():
            executable.bind(leaf, array)
        results = Results(executable, arrays, out=out)
        if executable.run() != DONE:
            return (), executable.labels_read()
        self._learn(executable.dtype, executable)
        return results.values(), {}

    def _learn(self, dtype: np.dtype[Any], executable: Executable) -> None:
        """From its second checked call on, native code checks calls of this dtype."""
        if dtype not in self._calls_of:
            calls = Calls(executable, self.inputs)
            self._calls_of[dtype] = calls if calls.possible else None
            return
        self._calls = self._calls_of[dtype]
        if self._calls is not None:
            self._calls.learn()

    def _named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) > len(self.inputs):
            raise ArgumentError(at_line(f"{len(args)} arguments are given; there are {len(self.inputs)} inputs"))
        given = {str(leaf.name): value for leaf, value in zip(self.inputs, args, strict=False)}
        for name, value in kwargs.items():
            if name in given:
                raise ArgumentError(at_line(f"{name} is given twice"))
            given[name] = value
        return given

    def executable(self, dtype: Any = "float64") -> Executable:
        """The program for a dtype, compiled at its first use."""
        chosen = as_dtype(dtype)
        if chosen not in self._executables:
            with self._turn.lock:  # whoever comes meanwhile finds it made
                if chosen not in self._executables:
                    made = Executable(kept.function_program(self, chosen.name), self.leaves, chosen, self.threads)
                    self._executables.setdefault(chosen, made)
        return self._executables[chosen]

    @property
    def source(self) -> str:
        return self._latest().source

    def report(self, measure: bool = False, sizes: Mapping[str, int] | None = None, errors: bool = False) -> Report:
        """What every kernel computes and costs, for the last dtype; as :meth:`.TrainStep.report`."""
        from codegen.inspect.report import Report

        return self._turn.take(  # type: ignore[no-any-return]
            Report.of, self._latest(), measure, sizes, self.request if errors else None
        )

    def _latest(self) -> Executable:
        """The program for the last dtype that was called, or the one that a first call would take."""
        executables = list(self._executables.values())
        return executables[-1] if executables else self.executable(self.dtype or "float64")


def _again(
    parcel: Parcel, count: int, form: Any, dtype: str | None, strict: bool, key: int | None, mode: str,
    threads: int | None = None,
) -> Function:  # fmt: skip
    tensors = parcel.open()
    return Function(tensors[:count], arranged(form, tensors[count:]), dtype, strict, key, mode, threads)


@explained
def function(
    inputs: Any, outputs: Any, dtype: Any = None, strict: bool = False, key: int | None = None, mode: str = "evaluate",
    gradient: Any = None,
) -> Function:  # fmt: skip
    """Compile expressions.

    Where all inputs are plain SymPy (symbols, IndexedBase, MatrixSymbol, Matrix, tuples of these), outputs may be too,
    as for ``sympy.lambdify``: scalar formulas whose arrays broadcast, ``Sum`` over ``IndexedBase``, sums and products
    of matrices, a Matrix of formulas, nested as you like.

    Parameters
    ----------
    inputs : the leaves, in the order in which values are passed; they may also be passed by name. Values are arrays of
        one floating dtype; numbers, lists, and what NumPy makes an array of (a data frame, a tensor of another library)
        are converted to it, or to float64 where no array tells.
    outputs : a tensor, or a list, tuple or dict of outputs, nested as you like; the result has the same form.
    dtype : ``"float32"`` or ``"float64"``; by default that of the arrays at each call.
    strict : an array of another dtype, order or stride is an error; else it is copied, and a warning says so.
    key : of random values, an integer of 0 … 2³² − 1. The same key and step give the same numbers: step 0, unless a
        call says ``random_step=…``; it may say another ``random_key`` too.
    mode : ``"evaluate"``, or ``"train"`` for a network as it is in training.
    gradient : of plain SymPy, the inputs by which the one output is differentiated: the result is (value, slopes).

    Returns
    -------
    A function that checks its arguments and returns fresh arrays. It is compiled at its first call.

    Raises
    ------
    ArgumentError
        if an output depends on a leaf that is no input, on a size that no input tells, or on chance without a key.
    DomainError
        if an output needs a function for which there is no kernel.
    """
    chosen = [inputs] if isinstance(inputs, sp.Basic) else arguments.listed("inputs", inputs)
    if not any(isinstance(leaf, Tensor) for leaf in chosen):
        from codegen.bridges.broadcasting import Formulas, is_plain

        if is_plain(inputs):
            return Formulas(inputs, outputs, gradient, dtype, strict, key, mode)
    if gradient is not None:
        raise ArgumentError(at_line("gradient= is for plain SymPy: put sg.grad(J, …) among the outputs"))
    return Function([_leaf(leaf) for leaf in chosen], outputs, dtype, strict, key, mode)


def _leaf(given: Any) -> Tensor:
    if isinstance(given, Dim | Index):
        raise DomainError(at_line(f"{given} cannot be an input: sizes follow from the shapes of arrays"))
    if isinstance(given, sp.Expr) and not isinstance(given, sp.Symbol | Tensor):
        raise ArgumentError(at_line(f"{given} is a formula, not a symbol: it cannot be an input"))
    return Tensor.scalar(given) if isinstance(given, sp.Symbol) else as_tensor(given)
