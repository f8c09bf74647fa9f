"""A random program from a seed: a few leaves, a few operations of every kind, a loss, and derivatives of it."""

from __future__ import annotations

import contextlib
import random
from typing import Any

from tests.fuzz.indexed import random_definition
from tests.fuzz.programs import (
    Formula,
    Leaf,
    Malformed,
    Program,
    Size,
    Value,
    broadcast,
    is_label,
    parts,
    shapes_of,
)

NUMBERS = ("0", "1", "2", "3", "-1", "-2", "1/2", "-1/2", "1/3", "1/10", "3/2", "5", "-7/4", "100")
UNARY = (
    "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "softplus", "relu", "abs", "sign", "square", "erf", "atan",
    "leaky_relu", "elu", "gelu", "silu", "mish", "hardtanh", "log_sigmoid", "softsign", "neg",
)  # fmt: skip
SAFE = ("sin", "cos", "tanh", "sigmoid", "softplus", "relu", "abs", "square", "erf", "atan", "neg", "gelu", "elu")
LEAF_NAMES = ("x", "w", "A", "b", "mu", "theta", "s", "lam", "a1", "v1", "s1", "x_1", "E", "S", "out_", "i", "n", "in_")
PROFILES = ("normal",) * 12 + ("positive", "ties", "zeros", "large", "small", "huge", "tiny", "extreme")
SYMBOL = ("N", 0)


class Generator:
    """One random program; ``wide`` lets in what is refused or rare."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.values: list[Value] = []
        self.shapes: list[tuple[Size, ...]] = []
        sizes = [1, 2, 3, 4, 5]
        self.sizes = self.random.sample(sizes, self.random.randint(1, 3))
        if self.random.random() < 0.6:
            self.sizes.append(SYMBOL)
        self.names = list(LEAF_NAMES)
        self.random.shuffle(self.names)
        self.profile = self.random.choice(PROFILES)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # -- values ---------------------------------------------------------------------------------------------------
    def add(self, op: str, args: tuple[int, ...] = (), data: Any = None) -> int | None:
        """Enter a value; None if it is malformed, the number of an equal one if there is one."""
        value = Value(op, args, data)
        if value in self.values:
            return self.values.index(value)
        try:
            shapes = shapes_of(Program((*self.values, value), ()))
        except Malformed:
            return None
        if len(shapes[-1]) > 4 or _count(shapes[-1]) > 130:
            return None
        self.values.append(value)
        self.shapes = shapes
        return len(self.values) - 1

    def leaf(self, shape: tuple[Size, ...], kind: str | None = None, classes: Any = 0) -> int:
        kind = kind or self.random.choice(["input", "input", "parameter", "constant"])
        if kind in ("parameter", "constant") and any(not isinstance(s, int) for s in shape):
            kind = "input"
        if kind == "constant" and not shape:
            kind = "parameter"
        profile = self.profile if self.chance(0.8) else self.random.choice(PROFILES)
        name = self.names.pop() if self.names else f"leaf{len(self.values)}"
        number = self.add("leaf", (), Leaf(kind, name, shape, profile, classes))
        if number is None:
            raise Malformed("too large")
        return number

    def shape(self, rank: int | None = None) -> tuple[Size, ...]:
        rank = self.random.choice([0, 1, 1, 2, 2, 2, 3]) if rank is None else rank
        return tuple(self.random.choice(self.sizes) for _ in range(rank))

    def real(self, rank: int = 0) -> int:
        """An earlier real value of at least a rank, rather a late one; a new leaf where there is none."""
        found = [k for k, s in enumerate(self.shapes) if len(s) >= rank and not self.label(k)]
        if not found or self.chance(0.05):
            return self.leaf(self.shape(max(rank, self.random.choice([1, 2, 2]))))
        return found[-1] if self.chance(0.5) else self.random.choice(found)

    def label(self, number: int) -> bool:
        return is_label(Program(tuple(self.values), ()), number)

    def fitting(self, shape: tuple[Size, ...]) -> int:
        """A value that broadcasts against a shape: an earlier one, or a leaf."""
        found = [k for k, s in enumerate(self.shapes) if not self.label(k) and _broadcasts(s, shape)]
        if found and self.chance(0.65):
            return self.random.choice(found)
        own = list(shape[self.random.randint(0, len(shape)) :] if self.chance(0.4) else shape)
        return self.leaf(tuple(1 if self.chance(0.2) else size for size in own))

    # -- formulas -------------------------------------------------------------------------------------------------
    def number(self) -> Formula:
        return ("num", self.random.choice(NUMBERS))

    def formula(self, atoms: list[Formula], depth: int) -> Formula:
        """A random scalar formula over some atoms."""
        again = lambda: self.formula(atoms, depth - 1)  # noqa: E731
        if depth <= 0:
            return self.random.choice(atoms)
        kind = self.random.choices(
            ["unary", "add", "sub", "mul", "div", "pow", "larger", "if", "guarded", "atom"],
            [5, 3, 3, 4, 2, 1.5, 1.5, 1.5, 1, 1],
        )[0]
        match kind:
            case "unary":
                name = self.random.choice(UNARY if self.chance(0.5) else SAFE)
                inner = again()
                if name in ("log", "sqrt") and self.chance(0.7):
                    inner = ("add", ("num", self.random.choice(["1", "1/2", "1/10"])), ("square", inner))
                if name == "exp" and self.chance(0.6):
                    inner = self.random.choice([("neg", ("square", inner)), ("mul", ("num", "1/2"), inner)])
                return (name, inner)
            case "add" | "sub" | "mul":
                return (kind, again(), self.number() if self.chance(0.25) else again())
            case "div":
                number = ("num", self.random.choice(NUMBERS[1:]))  # SymPy makes 0/x 0 before we see it
                return ("div", number if self.chance(0.2) else again(), self.denominator(again()))
            case "pow":
                exponent = self.random.choice(["2", "2", "3", "-1", "1/2", "0", "4", "-2", "3/2"])
                if self.chance(0.2):
                    return ("pow", ("add", ("num", "1"), ("square", again())), again())
                return ("pow", again(), again() if self.chance(0.1) else ("num", exponent))
            case "larger":
                return (self.random.choice(["max", "min"]), again(), self.number() if self.chance(0.4) else again())
            case "if":
                return ("if", self.condition(atoms, depth - 1), again(), self.number() if self.chance(0.3) else again())
            case "guarded":
                inner = again()
                taken = self.random.choice([("log", inner), ("sqrt", inner), ("div", again(), inner)])
                return ("if", (">", inner, ("num", "0")), taken, self.number())
        return self.random.choice(atoms)

    def denominator(self, formula: Formula) -> Formula:
        if formula[0] == "num" or self.chance(0.25):
            return ("num", "3") if formula == ("num", "0") else formula
        return ("add", ("num", self.random.choice(["1", "2"])), ("square", formula))

    def condition(self, atoms: list[Formula], depth: int) -> Formula:
        if self.chance(0.25):
            parts = [self.condition(atoms, depth) for _ in range(2)]
            return self.random.choice([("and", *parts), ("or", *parts), ("not", parts[0])])
        left = self.formula(atoms, min(depth, 1))
        right = self.number() if self.chance(0.5) else self.formula(atoms, min(depth, 1))
        if right == left:  # which SymPy decides before anybody sees it
            right = self.number()
        return (self.random.choices(["<", "<=", ">", ">=", "=="], [3, 1, 3, 1, 0.5])[0], left, right)

    # -- operations -----------------------------------------------------------------------------------------------
    def pointwise(self) -> int | None:
        first = self.real()
        args = [first]
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            args.append(self.fitting(self.shapes[first]))
        args = list(dict.fromkeys(args))
        atoms: list[Formula] = [("arg", k) for k in range(len(args))]
        body = self.formula(atoms, self.random.choice([1, 1, 2, 2, 3]))
        return self.add("formula", tuple(args), body) if _uses(body, len(args)) else None

    def reduced(self) -> int | None:
        x = self.real(1)
        rank = len(self.shapes[x])
        axes = None if self.chance(0.2) else tuple(self.random.sample(range(rank), self.random.randint(1, rank)))
        if axes is not None and self.chance(0.4):
            axes = tuple(a - rank for a in axes)
        return self.add(self.random.choice(["sum", "sum", "mean", "max", "min"]), (x,), (axes, self.chance(0.4)))

    def normalised(self) -> int | None:
        x = self.real(1)
        axis = self.random.randrange(-len(self.shapes[x]), len(self.shapes[x]))
        return self.add(self.random.choice(["softmax", "log_softmax", "logsumexp"]), (x,), axis)

    def best(self) -> int | None:
        x = self.real(1)
        axis = self.random.randrange(-len(self.shapes[x]), len(self.shapes[x]))
        return self.add(self.random.choice(["argmax", "argmin"]), (x,), axis)

    def sliced(self) -> int | None:
        x = self.real(1)
        keys: list[Any] = []
        for size in self.shapes[x][: self.random.randint(1, len(self.shapes[x]))]:
            keys.append(self._key(size))
        return self.add("slice", (x,), tuple(keys))

    def _key(self, size: Size) -> Any:
        if not isinstance(size, int):
            choices: list[Any] = [(None, None, None)] * 8 + [0, -1, 1, 3, (1, None, None), (None, -1, None)]
            return self.random.choice([*choices, (None, None, -1)])
        if self.chance(0.3):
            return self.random.randrange(-size, size)
        ends = [None, None, *range(-size, size + 1)]
        return self.random.choice(ends), self.random.choice(ends), self.random.choice([None, None, 1, 2, 3, -1, -2])

    def transposed(self) -> int | None:
        x = self.real(2)
        order = list(range(len(self.shapes[x])))
        self.random.shuffle(order)
        return self.add("transpose", (x,), tuple(order))

    def product(self) -> int | None:
        x = self.real(1)
        inner = self.shapes[x][-1]
        arrays = [k for k, s in enumerate(self.shapes) if s and not self.label(k)]
        found = [k for k in arrays if self.shapes[k][-2:][0] == inner]
        if found and self.chance(0.4):
            other = self.random.choice(found)
        else:
            outer = self.shapes[x][:-2] if self.chance(0.3) else ()
            other = self.leaf((*outer, inner, self.random.choice(self.sizes)) if self.chance(0.8) else (inner,))
        return self.add("matmul", (x, other))

    def indexed(self) -> int | None:
        return random_definition(self)

    # -- the program ----------------------------------------------------------------------------------------------
    def program(self, native: bool = False) -> Program:
        """The program; the same for the same seed."""
        for _ in range(self.random.randint(1, 3)):
            self.leaf(self.shape())
        operations = self.random.choices(
            [self.pointwise, self.reduced, self.normalised, self.best, self.sliced, self.transposed, self.product,
             self.indexed],
            [7, 3, 1.5, 0.4, 2.5, 0.7, 2, 4], k=self.random.randint(1, 6),
        )  # fmt: skip
        for operation in operations:
            with contextlib.suppress(Malformed):
                operation()
        computed = [k for k, v in enumerate(self.values) if v.op != "leaf"]
        outputs = [computed[-1]] if computed else [0]
        outputs += [k for k in computed if self.chance(0.2)]
        loss = self._loss(computed or [0])
        outputs.append(loss)
        outputs += self._derivatives(loss)
        sizes = (("N", self.random.choice([1, 2, 2, 3, 4])),)
        dtype = self.random.choice(["float64", "float64", "float32"])
        program = Program(tuple(self.values), tuple(dict.fromkeys(outputs)), sizes, self.seed, dtype, native)
        return program.trimmed()

    def _loss(self, computed: list[int]) -> int:
        """A scalar that weighs a late value, so that no gradient is trivial."""
        real = [k for k in computed if not self.label(k)] or [self.real()]
        last = real[-1]
        other = self.random.choice(real)
        terms: list[int] = []
        for number in dict.fromkeys([last, other] if self.chance(0.3) else [last]):
            args: tuple[int, ...] = (number,)
            body: Formula = ("arg", 0)
            if self.chance(0.6):
                args, body = (number, self.leaf(self.shapes[number], "input")), ("mul", ("arg", 1), ("arg", 0))
            elif self.chance(0.5):
                body = ("square", ("arg", 0))
            term = self.add("formula", args, body) if body != ("arg", 0) else number
            assert term is not None
            if self.shapes[term]:
                term = self.add(self.random.choice(["sum", "sum", "mean"]), (term,), (None, False))
            assert term is not None
            terms.append(term)
        if len(terms) == 1:
            return terms[0]
        total = self.add("formula", tuple(terms), ("add", ("arg", 0), ("arg", 1)))
        assert total is not None
        return total

    def _derivatives(self, loss: int) -> list[int]:
        needed = Program(tuple(self.values), (loss,)).needed()
        leaves = [k for k in sorted(needed) if self.values[k].op == "leaf" and self.values[k].data.kind
                  in ("input", "parameter", "symbol")]  # fmt: skip
        inner = [k for k in sorted(needed) if k != loss and self._is_solid(k)]
        wrt = [k for k in leaves if self.chance(0.7)] or leaves[:1]
        wrt += [k for k in inner if self.chance(0.25)]
        found = [self.add("grad", (loss, k)) for k in wrt]
        gradients = [g for g in found if g is not None and self.values[g].args[1] in leaves]
        if gradients and self.chance(0.3):
            found.append(self._second(self.random.choice(gradients), leaves))
        if leaves and self.chance(0.08):
            k = self.random.choice(leaves)
            direction = self.leaf(self.shapes[k], "input")
            found.append(self.add("hvp", (loss, k, direction)))
        if leaves and self.chance(0.12):
            outputs = [k for k in sorted(needed) if self.values[k].op != "leaf" and not self.label(k)]
            found.append(self.add("jacobian", (self.random.choice(outputs or [loss]), self.random.choice(leaves))))
        return [number for number in found if number is not None]

    def _second(self, gradient: int, leaves: list[int]) -> int | None:
        """A gradient of a scalar made of a gradient."""
        shape = self.shapes[gradient]
        if self.chance(0.5):
            term = self.add("formula", (gradient,), ("square", ("arg", 0)))
        else:
            term = self.add("formula", (gradient, self.leaf(shape, "input")), ("mul", ("arg", 0), ("arg", 1)))
        if term is not None and shape:
            term = self.add("sum", (term,), (None, False))
        return None if term is None else self.add("grad", (term, self.random.choice(leaves)))

    def _is_solid(self, number: int) -> bool:
        """Whether a value is surely a tensor of its own: no view of another, and nothing that SymPy may make one of."""
        value = self.values[number]
        return value.op in ("matmul", "softmax", "log_softmax") or (
            value.op == "formula" and value.data[0] in ("exp", "sin", "tanh", "sigmoid", "gelu", "erf", "softplus")
        )


def generate(seed: int, native: bool = False) -> Program:
    """The program of a seed."""
    return Generator(seed).program(native)


def _uses(body: Formula, count: int) -> bool:
    return {p[1] for p in parts(body) if p[0] == "arg"} == set(range(count))


def _broadcasts(shape: tuple[Size, ...], onto: tuple[Size, ...]) -> bool:
    try:
        return broadcast([shape, onto]) == onto
    except Malformed:
        return False


def _count(shape: tuple[Size, ...]) -> int:
    total = 1
    for size in shape:
        total *= size if isinstance(size, int) else 4
    return total
