"""What holds the design together: one direction of imports, no evaluated text, small files, one result."""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests import sizes

ROOT = Path(__file__).parent.parent
DOORS = [ROOT / "symgraph" / "bridges.py", ROOT / "symgraph" / "sklearn.py"]
"""Where users go from the mathematics to machines: estimators, objectives; nothing of the mathematics goes there."""
SYMGRAPH = sorted(path for path in (ROOT / "symgraph").rglob("*.py") if path not in DOORS)
PACKAGES = [*SYMGRAPH, *DOORS, *sorted((ROOT / "codegen").rglob("*.py"))]
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc"}


def run(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def faults(files: Iterable[Path], fault: Callable[[Path], object]) -> dict[str, object]:
    """What is wrong with files, of those with which something is."""
    return {relative(file): found for file in files if (found := fault(file))}


def test_mathematics_never_imports_machines() -> None:
    machines = {"codegen", "numba", "llvmlite", "scipy", "sklearn"}
    assert faults(SYMGRAPH, lambda file: imported(file) & machines) == {}
    assert faults(SYMGRAPH, lambda file: "symgraph.sklearn" in file.read_text()) == {}


IMPORTED = """
import sys, symgraph
print(*{'codegen', 'numba', 'llvmlite', 'scipy', 'numpy'} & set(sys.modules))
print(*[name for name in sys.modules if name.startswith('symgraph.')])
import codegen
print(*{name for name in sys.modules if name.startswith('symgraph.drawing')} | (set(%s) & set(sys.modules)))
print(*dir(symgraph))
from symgraph import *
print(relu, explain, derivation, sum)
"""
FOR_LATER = [
    "numba", "llvmlite", "symgraph.display.program", "symgraph.derive.derivation", "importlib.metadata", "codegen.run",
    "symgraph.stabilise.rewriter", "numpy.random", "numpy.ma", "sympy.tensor.tensor",  # the last for any sum of SymPy's
]  # fmt: skip


@cache
def imports() -> list[list[str]]:
    """What a process tells that imports symgraph, then codegen, then all names."""
    return [line.split() for line in run(IMPORTED % FOR_LATER).split("\n")]


def test_importing_symgraph_loads_no_machine_and_no_vocabulary() -> None:
    """Besides SymPy, which its import waits for, it is to take less than a quarter of SymPy's own time."""
    assert imports()[0] == []
    assert len(imports()[1]) < 12 and not any(name.startswith("symgraph.vocabulary") for name in imports()[1])


def test_files_are_small_and_have_docstrings() -> None:
    assert faults(PACKAGES, lambda file: len(file.read_text().splitlines()) > 400) == {}
    assert faults(PACKAGES, lambda file: file.stem in FORBIDDEN_NAMES) == {}
    assert faults(PACKAGES, lambda file: parsed(file).body and not ast.get_docstring(parsed(file))) == {}


def evaluated(file: Path) -> list[str]:
    """Calls that turn text into code or formulas."""
    found = []
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            reads = name == "loads" and not relative(file).startswith("codegen")
            formula = name in ("sympify", "S") and node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
            if name in ("eval", "parse_expr") or reads or formula:
                found.append(ast.unparse(node))
    return found


def test_no_text_is_evaluated() -> None:
    assert faults(PACKAGES, evaluated) == {}


LATE = "class A:\n def __eq__(self, other): return isinstance(other, A) and hash(self) == hash(other)\n"
ASKED_LATE = {"__eq__", "__hash__", "__del__", "_hashable_content"}
"""What dictionaries of weak references ask while the interpreter ends, when modules have lost their names."""


def outlived(file: Path) -> list[str]:
    """Names of the module that methods use which may be called after it is gone."""
    methods = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef) and node.name in ASKED_LATE]
    found = []
    for method in methods:
        own = {argument.arg for argument in method.args.args}
        names = [node.id for statement in method.body for node in ast.walk(statement) if isinstance(node, ast.Name)]
        found += [f"{method.name}: {name}" for name in names if name not in own and not hasattr(builtins, name)]
    return found


def test_nothing_needs_its_module_when_the_interpreter_ends() -> None:
    assert faults(PACKAGES, outlived) == {}


def test_the_rules_find_what_breaks_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "utils.py"
    file.write_text(f"import numba\nsp.sympify('x')\neval('1')\n{LATE}" + "\n" * 400)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert imported(file) == {"numba"} and evaluated(file) == ["sp.sympify('x')", "eval('1')"]
    assert faults([file], evaluated) == {"utils.py": evaluated(file)}
    assert outlived(file) == ["__eq__: A"]


def test_text_is_never_turned_into_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    import symgraph as sg

    x, text = sg.input("x", (2,)), "print('evaluated')"
    attempts: tuple[Callable[[], object], ...] = (
        lambda: sg.as_tensor(text), lambda: x + text, lambda: sg.elementwise(text), lambda: sg.define((), text),
        lambda: sg.grad(sg.sum(x), [x])[text], lambda: x[text], lambda: sg.huber_loss(x, x, text),
    )  # fmt: skip
    for attempt in attempts:
        with pytest.raises((sg.errors.SymgraphError, KeyError)):
            attempt()
    assert "evaluated" not in capsys.readouterr().out


DERIVE = """
import sympy as sp, symgraph as sg
from symgraph.vocabulary.elementwise import u
from symgraph.core.fingerprint import fingerprint
from symgraph.core.graph import topological
N = sg.dim("N")
alpha, beta, gamma = sp.symbols("alpha beta gamma")
x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
W1, b1 = sg.parameter("W1", (4, 5)), sg.parameter("b1", (5,))
W2, b2 = sg.parameter("W2", (5, 3)), sg.parameter("b2", (3,))
h = sg.elementwise(sp.tanh(alpha * u) + beta * sp.sin(gamma), u)(x @ W1 + b1)
z = h @ W2 + b2
J = sg.cross_entropy(z, t) + alpha * beta * gamma * sg.sum(W1**2)
g = sg.grad(J, [W1, b1, W2, b2, alpha, beta, gamma])
print(fingerprint([J, *g.values()]))
for tensor in topological(sg.stabilise([J, *g.values()])):
    print(tensor.serial, tensor.kind, tensor.display_name, tensor.shape)
    print(tensor.definition and (tensor.definition.op, tensor.definition.body.args))
print("source")
"""


def source_of_three_layers() -> str:
    import codegen
    import symgraph as sg

    h = sg.input("x", (sg.dim("N"), 8))
    for layer in range(3):
        W, b = sg.parameter(f"W{layer}", (8, 8)), sg.parameter(f"b{layer}", (8,))
        h = sg.tanh(h @ W + b)
    return codegen.train_step(sg.sum(h**2) / h.shape[0], sg.Adam()).source


ORDERED = """
import symgraph as sg
x = sg.input("x", ())
assert "symgraph.core.chance" not in sys.modules
from symgraph.core.chance import STEP
print(STEP.age < x.age, STEP.place_in_order < x.place_in_order)
"""


def test_no_order_depends_on_when_a_module_is_imported() -> None:
    """Of one net there were two programs: the count of steps stood before its leaves, or after them."""
    assert run(f"import sys{ORDERED}").split() == ["True", "True"]


def test_derivation_and_source_are_the_same_under_any_hash_seed() -> None:
    """Nor does source depend on what this process has done before: the others have nothing behind them."""
    code = f"{DERIVE}\n{inspect.getsource(source_of_three_layers)}\nprint(source_of_three_layers())"
    found = {run(code, PYTHONHASHSEED=seed) for seed in ("0", "1", "42")[-sizes.examples(2, 3) :]}
    assert len(found) == 1
    dump, _, source = found.pop().partition("\nsource\n")
    assert re.search("parameter W1", dump)
    assert "def run" in source and source == f"{source_of_three_layers()}\n"


def test_the_package_shows_its_vocabulary_and_nothing_else() -> None:
    shown, loaded = imports()[3:5]
    assert {"grad", "derivation", "explain", "nn", "__version__"} <= set(shown)
    assert not {"core", "derive", "simplify", "sp", "Any", "u", "v"} & set(shown)
    assert loaded


def test_importing_waits_neither_for_llvm_nor_for_what_is_for_reading() -> None:
    assert imports()[2] == []


def shown_to_editors(file: Path) -> set[tuple[str, str]]:
    """Modules and names that a package imports where types are checked; of ``*`` what the module lists."""
    only = next(node for node in parsed(file).body if isinstance(node, ast.If))
    return {
        (node.module, name)
        for node in only.body if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        for name in (import_module(node.module).__all__ if alias.name == "*" else [alias.name])
    }  # fmt: skip


@pytest.mark.parametrize("package", ["symgraph", "codegen"])
def test_editors_and_python_find_the_same_names_in_the_same_modules(package: str) -> None:
    module = import_module(package)
    places = {(place, name) for place, names in module._PLACES.items() for name in names.split()}
    assert shown_to_editors(ROOT / package / "__init__.py") == places
    assert {name for _, name in places} <= set(module.__all__) and len(places) == len({name for _, name in places})


FIRST = """
import os, sys, sympy, numpy
from symgraph import _PLACES
for place in _PLACES:
    if not (child := os.fork()):
        __import__(place)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(place)
"""


def test_any_module_of_the_vocabulary_may_be_the_first_that_is_imported() -> None:
    assert run(FIRST) == ""


TAKEN = """
import symgraph.stabilise.rewriter, symgraph as sg
print(callable(sg.stabilise), callable(sg.random.normal), callable(sg.sum))
"""


def test_names_that_are_folders_too_are_what_the_vocabulary_says() -> None:
    assert run(TAKEN).split() == ["True"] * 3


CODEGEN = sorted((ROOT / "codegen").rglob("*.py"))
SEAM, BACKEND = ROOT / "codegen" / "backend.py", ROOT / "codegen" / "native"
UPWARDS = {
    "loops": {"plan", "lower", "native", "backend", "run"}, "plan": {"lower", "native", "backend", "run"},
    "lower": {"native", "backend", "run"}, "host": {"plan", "loops", "lower", "native", "run"},
    "native": {"plan", "lower", "backend", "run"},
}  # fmt: skip
"""What a folder of codegen must not import, since that is made of it."""


def modules(file: Path) -> set[str]:
    """Full names of the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_what_knows_the_compiler_is_one_folder_behind_one_file() -> None:
    outside = [file for file in CODEGEN if BACKEND not in file.parents]
    knows = {relative(file): imported(file) & {"numba", "llvmlite"} for file in outside}
    assert not {file for file, found in knows.items() if found}
    enters = {file for file in outside if any(name.startswith("codegen.native") for name in modules(file))}
    assert enters == {SEAM}


def test_arrows_in_codegen_go_downwards() -> None:
    for file in CODEGEN:
        above = {f"codegen.{other}" for other in UPWARDS.get(file.relative_to(ROOT / "codegen").parts[0], ())}
        assert not {".".join(name.split(".")[:2]) for name in modules(file)} & above, relative(file)


def test_no_class_that_programs_and_formulas_are_made_of_slows_its_attributes() -> None:
    """``__getattr__`` makes CPython look up every attribute in five times its time; what is missing is told anyway."""
    import codegen
    import symgraph as sg

    x, W = sg.input("x", (3,)), sg.parameter("W", (3,))
    for one in (x, x[0], codegen.function(x, sg.exp(x)), codegen.train_step(sg.sum(W**2), sg.SGD(0.1))):
        defined = {name for kind in type(one).__mro__ if kind is not object for name in vars(kind)}
        assert not {"__getattr__", "__getattribute__"} & defined
        assert not hasattr(one, "numpy") and "numpy" not in dir(one)
    with pytest.raises(AttributeError, match=r"has no attribute 'numpy': write codegen\.function"):
        x.numpy()
