"""The examples and the README run as they are written, and find the numbers they should."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import io
import re
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests import sizes

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
README, GUIDE = ROOT / "README.md", EXAMPLES / "guide.md"
LESSONS = sorted((EXAMPLES / "lessons").glob("*.py"))


def load(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module
    specification.loader.exec_module(module)
    return module


# -- lessons: each asserts its own numbers ----------------------------------------------------------------------------


SLOW = ("training", "a_recurrent_cell", "a_pendulum", "a_variational_auto_encoder")
"""Lessons that train for some seconds: ``--long``."""
NATIVE = ("machine_code", "its_mask")
"""Lessons about what is compiled, and one that trains."""


@pytest.mark.parametrize(
    "path", [path for path in LESSONS if sizes.LONG or not path.stem.endswith(SLOW)], ids=lambda path: path.stem
)
def test_lesson(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a lesson is about are formulas and numbers: only ``--long`` compiles them all."""
    if not (sizes.LONG or path.stem.endswith(NATIVE)):
        monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    module = load(path)
    assert module.__doc__, "a lesson says what it is about"
    assert module.main() is not None
    assert capsys.readouterr().out, "a lesson prints what it shows"


def test_price_of_apples() -> None:
    total, slopes = load(LESSONS[0]).main()
    assert round(total, 9) == 220
    assert {name: round(slope, 9) for name, slope in slopes.items()} == {"apple": 2.2, "count": 110, "tax": 200}


# -- the main job -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not sizes.LONG, reason="the command line trains, too: --long")
def test_digits_learns_in_a_few_epochs() -> None:
    params, history, accuracies = load(EXAMPLES / "digits.py").train(epochs=10, seed=0, show=False)
    assert {name: values.shape for name, values in params.items()} == {
        "W1": (64, 32), "b1": (32,), "W2": (32, 10), "b2": (10,),
    }  # fmt: skip
    assert len(history.loss) == len(accuracies) == 10 and history.steps == 10 * 45
    assert history.loss[-1] < 0.3 < 2 < history.loss[0]
    assert accuracies[-1] >= 0.94


def test_digits_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "digits.png"
    accuracy = load(EXAMPLES / "digits.py").main(["--out", str(picture)])
    assert accuracy >= 0.96
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "(y[n, k] − δ[k = t[n]])/N" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--seed", "-1"], ["--epochs", "many"]])
def test_digits_refuses(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(EXAMPLES / "digits.py").main(wrong)
    assert stopped.value.code == 2


# -- IDX files --------------------------------------------------------------------------------------------------------


def idx(array: Any, code: int = 0x08) -> bytes:
    values = np.asarray(array, dtype=np.uint8)
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, code, values.ndim, *values.shape) + values.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 10


def write_set(folder: Path, zipped: bool = False, dotted: bool = False) -> Path:
    for part in ("train", "t10k"):
        for content, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
            name = f"{part}-{content.replace('-', '.') if dotted else content}-ubyte{'.gz' if zipped else ''}"
            (folder / name).write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return folder


@pytest.fixture(scope="module")
def mnist() -> ModuleType:
    return load(EXAMPLES / "mnist.py")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dotted", [False, True])
def test_mnist_reads(mnist: ModuleType, tmp_path: Path, zipped: bool, dotted: bool) -> None:
    images, labels = mnist.load(write_set(tmp_path, zipped, dotted), "train")
    assert images.dtype == np.float32 and images.flags.c_contiguous
    np.testing.assert_array_equal(images, IMAGES.reshape(20, 784).astype(np.float32) / 255)
    np.testing.assert_array_equal(labels, LABELS)


DAMAGED = {
    "empty file": (b"", "begins with nothing"),
    "short magic": (b"\0\0", "not an IDX file"),
    "text": (b"<html>not found</html>", "not an IDX file"),
    "no axes given": (b"\0\0\x08\x01", "header ends"),
    "half a header": (idx(LABELS)[:6], "header ends"),
    "floats": (idx(LABELS, code=0x0D), "data type 0x0d"),
    "images in place of labels": (idx(IMAGES), "3 axes; expected 1"),
    "no labels": (idx(np.zeros(0)), "empty"),
    "absurd size": (struct.pack(">BBBBI", 0, 0, 8, 1, 2**32 - 1), "too large"),
    "cut off": (idx(LABELS)[:-1], "19 bytes of data; the shape (20,) needs 20"),
    "more than announced": (idx(LABELS) + b"\0", "more data"),
    "cut-off gzip": (gzip.compress(idx(LABELS))[:-9], "damaged gzip"),
    "gzip checksum": (gzip.compress(idx(LABELS))[:-8] + bytes(8), "damaged gzip"),
    "gzip garbage": (b"\x1f\x8b" + bytes(40), "damaged gzip"),
    "two digits": (idx([10] * 20), "label 10 at 0"),
    "fewer labels": (idx(LABELS[:7]), "20 images, but"),
}


@pytest.mark.parametrize("content, message", DAMAGED.values(), ids=DAMAGED.keys())
def test_mnist_refuses(mnist: ModuleType, tmp_path: Path, content: bytes, message: str) -> None:
    (write_set(tmp_path) / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(mnist.IdxError, match=re.escape(message)) as refused:
        mnist.load(tmp_path, "train")
    assert "train-labels-idx1-ubyte" in str(refused.value)


def test_mnist_refuses_what_is_not_there(mnist: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(mnist.IdxError, match="no such folder"):
        mnist.load(tmp_path / "elsewhere", "train")
    with pytest.raises(mnist.IdxError, match=r"looked for train-images-idx3-ubyte, .*\.gz"):
        mnist.load(tmp_path, "train")
    (write_set(tmp_path) / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "train-labels-idx1-ubyte").mkdir()
    with pytest.raises(mnist.IdxError, match="none of them"):
        mnist.load(tmp_path, "train")
    with pytest.raises(SystemExit, match=r"mnist\.py: "):
        mnist.main(["--data", str(tmp_path)])


def test_mnist_trains(mnist: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five steps of ten images are two epochs and a half."""
    arguments = ["--data", str(write_set(tmp_path)), "--steps", "5", "--batch", "10", "--lr", "0.5"]
    assert 0 <= mnist.main(arguments) <= 1
    shown = capsys.readouterr().out
    assert "epoch  2: loss" in shown and "5 steps in" in shown


@pytest.mark.skipif(not sizes.LONG, reason="two convolutions compile: --long")
def test_mnist_cnn_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    assert 0 <= load(EXAMPLES / "mnist_cnn.py").main(["--data", str(write_set(tmp_path))]) <= 1
    assert "one epoch: accuracy" in capsys.readouterr().out


def test_mnist_cnn_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with pytest.raises(SystemExit, match=r"mnist_cnn\.py: .*no such folder"):
        load(EXAMPLES / "mnist_cnn.py").main(["--data", str(tmp_path / "elsewhere")])


# -- the README -------------------------------------------------------------------------------------------------------

BLOCK = re.compile(r"```python\n(?P<code>.*?)```(?:\n\n```text\n(?P<shown>.*?)```)?", re.DOTALL)


def test_readme_runs_and_prints_what_it_says(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_page(README, bool(request.config.getoption("--update")))


LARGE = ("lightgbm", "sklearn", "scipy", "iminuit", "torch")


@pytest.mark.filterwarnings("ignore")
def test_each_task_of_the_guide_is_a_snippet(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: None
) -> None:
    """Of at most fifteen lines; they run as plain Python, which computes what the kernels do. With ``--long`` also
    those that import large libraries."""
    for library in ("pandas", "polars", *LARGE):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    blocks = list(BLOCK.finditer(GUIDE.read_text(encoding="utf-8")))
    assert len(blocks) > 15 and all(len(block["code"].splitlines()) <= 15 for block in blocks)
    check_page(GUIDE, bool(request.config.getoption("--update")), () if sizes.LONG else LARGE)


def check_page(page: Path, update: bool, without: tuple[str, ...] = ()) -> None:
    """One namespace for all blocks, as a reader would type them; a text block after a Python block is its output."""
    text = page.read_text(encoding="utf-8")
    written, printed = text, []
    namespace: dict[str, Any] = {"__name__": page.stem.lower()}
    for block in BLOCK.finditer(text):
        if any(re.search(rf"^(import|from) \S*{library}", block["code"], re.M) for library in without):
            continue
        line = text.count("\n", 0, block.start("code"))
        output = io.StringIO()
        code = compile("\n" * line + block["code"], str(page), "exec")
        with contextlib.redirect_stdout(output):
            exec(code, namespace)
        if block["shown"] is not None:
            actual = "\n".join(row.rstrip() for row in output.getvalue().rstrip().split("\n")) + "\n"
            printed.append((line, block["shown"], actual))
            written = written.replace(block[0], block[0].removesuffix(f"{block['shown']}```") + f"{actual}```")
    assert printed
    if update:
        page.write_text(written, encoding="utf-8")
        return
    for line, shown, actual in printed:
        assert shown == actual, f"{page.name}:{line + 1} prints something else: run pytest --update and review it"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    test = ".venv/bin/python -m pytest -n auto --dist worksteal"
    command = f"python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && {test}"
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command in README.read_text(encoding="utf-8").splitlines()
