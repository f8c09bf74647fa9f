"""What users of other libraries write, and what is written here: said where a name or a keyword is not known."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

_VALUE = "codegen.function(inputs, J)(…), which gives arrays"
_GRADIENT = "g = sg.grad(J, [W, b]), formulas as J is; codegen.train_step(J, sg.SGD(lr=0.1)) trains by them"
_CONSTANT = "sg.constant(array) with NumPy's array"
_STEP = "step = codegen.train_step(J, sg.SGD(lr=0.1)); step.fit(step.init(0), {'x': …}, epochs=…)"
_NOTHING = "nothing: a formula has no gradients of its own, and each step computes them anew"

WRITTEN_HERE: Mapping[str, str] = {
    "backward": _GRADIENT, "grad": _GRADIENT,
    "value_and_grad": "codegen.function(inputs, [J, *sg.grad(J, [W]).values()])",
    "requires_grad": "sg.parameter(name, shape)", "item": _VALUE, "numpy": _VALUE, "to_numpy": _VALUE, "eval": _VALUE,
    "values": _VALUE, "data": _VALUE, "detach": "sg.stop_gradient(x)", "zero_grad": _NOTHING, "no_grad": _NOTHING,
    "cpu": "nothing: programs run on the processor", "cuda": "nothing: programs run on the processor",
    "to": "dtype= of codegen.function; programs run on the processor", "view": "x.reshape(…)", "size": "x.shape",
    "dim": "x.ndim", "mm": "x @ W", "bmm": "x @ W", "dot": "x @ W", "matmul": "x @ W",
    "parameters": "step.parameters, or model.inputs",
    "state_dict": "params = step.init(0), a dict of arrays by name, which fit updates",
    "predict": "model(x, W, …)", "fit": _STEP,
    "train": _STEP, "step": _STEP, "compile": _STEP, "optim": "sg.SGD, sg.Adam, …", "optimizers": "sg.SGD, sg.Adam, …",
    "jit": "codegen.function(inputs, outputs)", "vmap": "a leading axis: sg.input('x', (sg.dim('N'), 3))",
    "tensor": _CONSTANT, "array": _CONSTANT, "asarray": _CONSTANT, "zeros": _CONSTANT, "ones": _CONSTANT,
    "full": _CONSTANT, "arange": _CONSTANT, "linspace": _CONSTANT, "Variable": "sg.parameter(name, shape)",
    "placeholder": "sg.input(name, shape)", "Sequential": "calls, one after the other: sg.relu(x @ W + b)",
    "Dense": "sg.nn.Linear(3, 2), or x @ W + b", "Linear": "sg.nn.Linear(3, 2), or x @ W + b",
    "CrossEntropyLoss": "sg.cross_entropy(z, t)", "MSELoss": "sg.mse_loss(y, t)", "functional": "sg.relu, …",
    "lgamma": "sg.gammaln(x)", "loggamma": "sg.gammaln(x)", "swish": "sg.silu(x)", "logistic": "sg.sigmoid(x)",
    "pinball_loss": "sg.quantile_loss(y, t, q)", "LinearWarmup": "sg.schedules.LinearLR(…)",
    "Affine": "sg.nn.Linear(3, 2), or x @ W + b", "SoftmaxWithLoss": "sg.cross_entropy(z, t)",
    "EarlyStopping": "codegen.EarlyStopping(patience=5)", "ReduceLROnPlateau": "codegen.ReduceLROnPlateau(factor=0.5)",
    "train_step": "codegen.train_step(J, sg.SGD(lr=0.1))", "function": _VALUE,
    **dict.fromkeys(("NewtonCG", "GaussNewton", "LevenbergMarquardt"),
                    "p = sg.scipy(J, …), whose fun, jac, hess and hessp scipy.optimize.minimize takes"),
}  # fmt: skip
"""What stands for an attribute of other libraries' tensors, models and modules."""
KEYWORDS: Mapping[str, str] = {
    "dim": "axis", "keepdim": "keepdims", "learning_rate": "lr", "eta": "lr", "lambda_": "weight_decay",
    "threads": "the environment variable SYMGRAPH_THREADS", "n_jobs": "the environment variable SYMGRAPH_THREADS",
    "device": "nothing: programs run on the processor", "backend": "the environment variable SYMGRAPH_PYTHON",
    "validation_data": "validation", "validation_split": "validation", "callbacks": "callback", "verbose": "progress",
    "params": "nothing: a step trains the parameters of its loss",
}  # fmt: skip
"""What stands for a keyword of theirs."""


def unknown(owner: str, name: str, obj: Any, elsewhere: Mapping[str, Any] = MappingProxyType({})) -> AttributeError:
    """The error of an attribute that is not there; Python adds the nearest name of the object. ``elsewhere`` are
    modules by what users call them, whose own names are looked at too."""
    there = [f"{place}.{name}" for place, module in elsewhere.items() if _is_own(module, name)]
    written = WRITTEN_HERE.get(name) or " or ".join(there)
    hint = f": write {written}" if written else ""
    return AttributeError(f"{owner} has no attribute {name!r}{hint}", name=name, obj=obj)


def _is_own(module: Any, name: str) -> bool:
    value = vars(module).get(name)
    return not name.startswith("_") and callable(value) and str(getattr(value, "__module__", "")).startswith("symgraph")


class _Elsewhere:
    """An attribute of other libraries' objects, for a class that has none of this name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, found: Any, owner: type) -> Any:
        raise unknown(f"{owner.__name__!r} object", self.name, owner if found is None else found)

    def __repr__(self) -> str:
        return f"<not here: write {WRITTEN_HERE[self.name]}>"


class Habits:
    """An object whose missing attributes are answered with what is written here.

    Each has its descriptor: beside ``__getattr__`` CPython looks up every attribute in five times its time, those that
    are there too, and calls of programs and whatever walks through formulas do little else.
    """

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in WRITTEN_HERE:
            if not hasattr(cls, name):
                setattr(cls, name, _Elsewhere(name))

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in WRITTEN_HERE or hasattr(self, name)]


def unexpected(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> str | None:
    """What to say of a keyword that a function does not have, with what to write instead; None if it has all."""
    parameters = {name: p for name, p in inspect.signature(function).parameters.items() if name != "self"}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    for name in kwargs.keys() - parameters.keys():
        near = [KEYWORDS[name]] if name in KEYWORDS else difflib.get_close_matches(name, parameters, n=1)
        written = f"write {near[0]}{'=…' * (near[0] in parameters)}; " if near else ""
        shown = ", ".join(str(parameter.replace(annotation=parameter.empty)) for parameter in parameters.values())
        called = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
        return f"{called}() got an unexpected keyword argument {name!r}: {written}expected {called}({shown})"
    return None
