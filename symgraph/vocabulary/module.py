"""What every layer is: a function of a tensor, with parameters and states that the enclosing network names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from symgraph.core.define import as_tensor
from symgraph.core.misuse import explained
from symgraph.core.provenance import names_result
from symgraph.core.shown import Shown
from symgraph.core.tensor import Tensor


class Module(Shown):
    """A function of a tensor with parameters. A network of your own has layers as attributes, and a ``forward``:

        class Net(sg.nn.Module):
            def __init__(self):
                self.first, self.last = sg.nn.Linear(8, 16), sg.nn.Linear(16, 3)

            def forward(self, x):
                return self.last(sg.tanh(self.first(x)))

    Parameters are named by attributes, ``first.weight``, and by places in lists and dicts, ``blocks.0.weight``. A
    network of several inputs has a ``forward(self, x, y)``; options are passed by name, ``net(x, scale=2)``. A
    ``__call__`` of your own is taken for ``forward``.
    """

    _given: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__module__.startswith("symgraph.") and "__init__" in vars(cls):
            cls.__init__ = explained(cls.__init__)  # type: ignore[method-assign]
        if not cls.__module__.startswith("symgraph.") and "forward" not in vars(cls) and "__call__" in vars(cls):
            cls.forward = vars(cls)["__call__"]  # as a class of Python's own would have it
            del cls.__call__

    def __new__(cls, *given: Any, **named: Any) -> Self:
        made = super().__new__(cls)
        made._given = given, named
        return made

    def __repr__(self) -> str:
        """``Linear(4, 8)``; of a network also its layers, each on a line with its name."""
        values, named = self._given
        options = [repr(value) for value in values if not callable(value)]
        options += [f"{name}={value!r}" for name, value in named.items() if not callable(value)]
        lines = [f"{type(self).__name__}({', '.join(options)})"]
        for name, layer in self.children().items():
            lines.append(f"  {name}: " + repr(layer).replace("\n", "\n  "))
        return "\n".join(lines)

    def _unsaid(self, *inputs: Tensor) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, x)")

    forward: Callable[..., Any] = _unsaid
    """The network's formula, which a network of your own says."""

    def children(self) -> dict[str, Module]:
        """The layers in this one, by name."""
        found: dict[str, Module] = {}
        for name, value in vars(self).items():
            if isinstance(value, Module):
                found[name] = value
            elif isinstance(value, list | tuple | dict):
                parts = value.items() if isinstance(value, dict) else enumerate(value)
                found |= {f"{name}.{key}": layer for key, layer in parts if isinstance(layer, Module)}
        return found

    def declared_tensors(self) -> list[Tensor]:
        """The parameters and states of this layer itself that are declared by now, without declaring any."""
        values: list[Any] = []
        for value in vars(self).values():
            values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        found = (value for value in values if isinstance(value, Tensor) and value.kind in ("parameter", "state"))
        return list(dict.fromkeys(found))

    def build(self, prefix: str) -> None:
        """Declare the parameters under names that begin with ``prefix``, unless they are declared."""
        for name, layer in self.children().items():
            layer.build(f"{prefix}{name}.")

    def parameters(self) -> list[Tensor]:
        """The parameters, in order of declaration."""
        return self._all("parameter", lambda layer: layer.parameters())

    def states(self) -> list[Tensor]:
        """The states, such as running statistics; their arrays stand among those of the parameters."""
        return self._all("state", lambda layer: layer.states())

    def _all(self, kind: str, of: Callable[[Module], list[Tensor]]) -> list[Tensor]:
        Module.build(self, "")
        own = [t for t in vars(self).values() if isinstance(t, Tensor) and t.kind == kind]
        return list(dict.fromkeys([*own, *(t for layer in self.children().values() for t in of(layer))]))

    def updates(self) -> dict[Tensor, Tensor]:
        """The next values of the states, by the last call: for ``train_step(…, updates=net.updates())``."""
        return {state: value for layer in self.children().values() for state, value in layer.updates().items()}

    @names_result
    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        Module.build(self, "")
        return self.forward(*map(as_tensor, inputs), **options)
