"""Random definitions in index notation: gathers, windows, diagonals, contractions, guards, nested reductions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fuzz.programs import Formula, Program, Size, classes_of

if TYPE_CHECKING:
    from tests.fuzz.generate import Generator

NAMES = ("n", "i", "j", "k", "l", "p")


def random_definition(g: Generator) -> int | None:
    """Enter one; None if it came out malformed."""
    return _Definition(g).enter()


class _Definition:
    def __init__(self, g: Generator) -> None:
        self.g, self.random = g, g.random
        names = list(NAMES)
        self.random.shuffle(names)
        self.args: list[int] = []
        self.free = [(names.pop(), self._size()) for _ in range(self.random.choice([0, 1, 1, 2, 2, 3]))]
        self.bound = [(names.pop(), self._size()) for _ in range(self.random.choice([0, 0, 1, 1, 2]))]
        self.extents: dict[str, Size] = dict(self.free) | dict(self.bound)

    def _size(self) -> Size:
        sizes = [s for shape in self.g.shapes for s in shape] + list(self.g.sizes)
        return self.random.choice(sizes)

    def enter(self) -> int | None:
        visible = [name for name, _ in self.free]
        inner = [name for name, _ in self.bound]
        if not inner:
            body = self.body(visible, 2)
        elif len(inner) == 2 and self.g.chance(0.3):  # one reduction inside another
            nested = ("red", self._op(), (inner[1],), self.body([*visible, *inner], 1, {inner[1]}))
            atoms = [nested, self.element([*visible, inner[0]], {inner[0]})]
            body = ("red", self._op(), (inner[0],), ("mul", atoms[0], atoms[1]))
        else:
            body = ("red", self._op(), tuple(inner), self.body([*visible, *inner], 2, set(inner)))
            if self.g.chance(0.4):  # a reduction is part of a formula
                atoms = [body, self.element(visible)] if visible else [body]
                body = self.g.formula(atoms, 1)
        return self.g.add("define", tuple(self.args), (tuple(self.free), tuple(self.bound), body))

    def _op(self) -> str:
        return self.random.choice(["sum", "sum", "sum", "sum", "max", "min"])

    def body(self, names: list[str], depth: int, required: set[str] = frozenset()) -> Formula:  # type: ignore[assignment]
        """A formula over elements; every required index stands plainly in one of them."""
        first = self.element(names, required)
        atoms = [first] + [self.element(names) for _ in range(self.random.choice([0, 1, 1, 2]))]
        if names and self.g.chance(0.1):
            atoms.append(("idx", self.random.choice(names)))
        product: Formula = first
        for atom in atoms[1:]:
            product = (self.random.choice(["mul", "mul", "add", "sub"]), product, atom)
        body = product if self.g.chance(0.5) else ("mul", first, self.g.formula(atoms, depth - 1))
        if names and self.g.chance(0.12):
            one = self.random.choice(names)
            other = ("idx", self.random.choice(names)) if self.g.chance(0.5) else ("num", "1")
            condition = (self.random.choice(["<", "<=", ">", "=="]), ("idx", one), other)
            body = ("if", condition, body, ("num", "0"))
        return self.g.formula([body], 1) if self.g.chance(0.3) else body

    # -- elements -------------------------------------------------------------------------------------------------
    def element(self, names: list[str], required: set[str] = frozenset()) -> Formula:  # type: ignore[assignment]
        """``x[…]`` with an index for every axis; the required names stand alone."""
        if required:
            sizes = [self.extents[name] for name in sorted(required)]
            fitting = [k for k, s in enumerate(self.g.shapes) if not self.g.label(k) and _covers(s, sizes)]
            extra = [self.extents[name] for name in names if name not in required and self.g.chance(0.5)]
            number = self.random.choice(fitting) if fitting and self.g.chance(0.6) else self.g.leaf((*sizes, *extra))
        else:
            rank = 0 if self.g.chance(0.1) else 1
            number = self.g.real(rank) if self.g.chance(0.7) else self.g.leaf(self.g.shape(self.random.choice([1, 2])))
        waiting = sorted(required)
        self.random.shuffle(waiting)
        indices: list[Any] = [None] * len(self.g.shapes[number])
        for name in waiting:
            places = [d for d, s in enumerate(self.g.shapes[number]) if s == self.extents[name] and indices[d] is None]
            if places:
                indices[self.random.choice(places)] = ("aff", 0, ((name, 1),))
        guards: list[Formula] = []
        for d, size in enumerate(self.g.shapes[number]):
            if indices[d] is None:
                indices[d] = self.index(size, names, guards)
        element: Formula = ("el", self.argument(number), tuple(indices))
        if not guards:
            return element
        return ("if", guards[0] if len(guards) == 1 else ("and", *guards), element, ("num", "0"))

    def argument(self, number: int) -> int:
        if number not in self.args:
            self.args.append(number)
        return self.args.index(number)

    def index(self, size: Size, names: list[str], guards: list[Formula]) -> Any:
        """An index of an axis: plain, affine inside the axis, affine under a guard, a label, or a constant."""
        plain = [name for name in names if self.extents[name] == size]
        if plain and self.g.chance(0.6):
            return ("aff", 0, ((self.random.choice(plain), 1),))
        if self.g.chance(0.35):
            label = self.label(size, names)
            if label is not None:
                return label
        affine = self.affine(size, names, guards)
        if affine is not None and self.g.chance(0.7):
            return affine
        if plain:
            return ("aff", 0, ((self.random.choice(plain), 1),))
        if not isinstance(size, int):
            return ("aff", 0 if self.g.chance(0.8) else self.random.choice([1, 2, 7]), ())
        return ("aff", self.random.randrange(size), ())

    def affine(self, size: Size, names: list[str], guards: list[Formula]) -> Any:
        known = [name for name in names if isinstance(self.extents[name], int)]
        if not isinstance(size, int) or not known:
            return None
        chosen = self.random.sample(known, min(len(known), self.random.choice([1, 1, 2])))
        terms = tuple((name, self.random.choice([1, 1, 1, -1, 2, -2])) for name in chosen)
        low = sum(min(0, f * (self.extents[name] - 1)) for name, f in terms)
        high = sum(max(0, f * (self.extents[name] - 1)) for name, f in terms)
        if high - low < size:
            return ("aff", self.random.randint(-low, size - 1 - high), terms)
        if not self.g.chance(0.3):
            return None
        constant = self.random.randint(-low - 1, max(size - 1 - high, -low) + 1)
        total: Formula = ("num", str(constant))
        for name, factor in terms:
            total = ("add", total, ("mul", ("num", str(factor)), ("idx", name)))
        guards += [(">=", total, ("num", "0")), ("<", total, ("num", str(size)))]
        return ("aff", constant, terms)

    def label(self, size: Size, names: list[str]) -> Any:
        """An element of labels that fit an axis."""
        if not names or not isinstance(size, int):
            return None
        program = Program(tuple(self.g.values), ())
        known = []
        for k, shape in enumerate(self.g.shapes):
            if self.g.label(k) and len(shape) <= 2:
                classes = classes_of(program, k, self.g.shapes)
                if isinstance(classes, int) and classes <= size:
                    known.append(k)
        if known and self.g.chance(0.7):
            number = self.random.choice(known)
        else:
            number = self.g.leaf((self.extents[self.random.choice(names)],), "labels", size)
        at = []
        for extent in self.g.shapes[number]:
            plain = [name for name in names if self.extents[name] == extent]
            if not plain:
                return None
            at.append(("aff", 0, ((self.random.choice(plain), 1),)))
        return ("lab", self.argument(number), tuple(at))


def _covers(shape: tuple[Size, ...], sizes: list[Size]) -> bool:
    left = list(shape)
    for size in sizes:
        if size not in left:
            return False
        left.remove(size)
    return True
