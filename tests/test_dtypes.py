"""What a value is, real, integer or boolean, follows as in NumPy, and integers are computed exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import codegen
import symgraph as sg

N = sg.dim("N")
x, k, j = sg.input("x", (N, 3)), sg.input("k", (N,), dtype=int), sg.input("j", (N,), dtype="integer")
t, m = sg.labels("t", (N,), classes=3), sg.input("m", (N,), dtype=bool)
E, c = sg.input("E", (7, 2)), sg.constant([-2, 5, 7], "c")
Z = sg.input("z", (N,), dtype=int)
BIG = 10**12 + 7
VALUES: dict[str, np.ndarray] = {
    "x": np.array([[0.5, -2, 3], [1, 1, -1], [0, 7, 7], [-3, 0.25, 0]]), "k": np.array([BIG, -BIG, 3, -4]),
    "j": np.array([3, -5, 2**40, 1]),
    "z": np.array([0, 2, 0, -1]), "t": np.array([2, 0, 1, 2]), "m": np.array([True, False, True, True]),
    "E": np.arange(14.0).reshape(7, 2),
}  # fmt: skip
LEAVES = (x, k, j, t, m, E, Z)
RESULTS: tuple[tuple[str, Any, Any], ...] = (
    ("k + 1", k + 1, lambda v: v["k"] + 1),
    ("k − j", k - 2 * j, lambda v: v["k"] - 2 * v["j"]),
    ("k·j", k * j, lambda v: v["k"] * v["j"]),
    ("k²", sg.minimum(k, 5) ** 2 + j, lambda v: np.minimum(v["k"], 5) ** 2 + v["j"]),
    ("k % 7", k % 7, lambda v: v["k"] % 7),
    ("k // 7", k // 7, lambda v: v["k"] // 7),
    ("−k // j", -k // j, lambda v: -v["k"] // v["j"]),
    ("k // 0", k // Z, lambda v: v["k"] // v["z"]),
    ("k % 0", k % Z, lambda v: v["k"] % v["z"]),
    ("max", sg.maximum(k, j), lambda v: np.maximum(v["k"], v["j"])),
    ("t + 1", t + 1, lambda v: v["t"] + 1),
    ("Σ k", sg.sum(k), lambda v: v["k"].sum()),
    ("Σ k·j", sg.sum(k * (j % 5)), lambda v: (v["k"] * (v["j"] % 5)).sum()),
    ("max k", sg.max(k), lambda v: v["k"].max()),
    ("min k·j", sg.min(k * j), lambda v: (v["k"] * v["j"]).min()),
    ("where", sg.where(k > j, k, 0), lambda v: np.where(v["k"] > v["j"], v["k"], 0)),
    ("where m", sg.where(m, k, j), lambda v: np.where(v["m"], v["k"], v["j"])),
    ("table", k[:, None] - j[None, :], lambda v: v["k"][:, None] - v["j"][None, :]),
    ("columns", sg.sum(k[:, None] - j[None, :], axis=0), lambda v: (v["k"][:, None] - v["j"][None, :]).sum(0)),
    ("Σ m", sg.sum(m), lambda v: v["m"].sum()),
    ("count", sg.sum(x > 0, axis=1), lambda v: (v["x"] > 0).sum(1)),
    ("argmax", sg.argmax(x, axis=1) + 1, lambda v: v["x"].argmax(1) + 1),
    ("x > 0", x > 0, lambda v: v["x"] > 0),
    ("k even", np.equal(k % 2, 0), lambda v: v["k"] % 2 == 0),
    ("and", (k > 0) & m, lambda v: (v["k"] > 0) & v["m"]),
    ("not", ~((k > 0) | np.equal(t, 2)), lambda v: ~((v["k"] > 0) | (v["t"] == 2))),
    ("any", sg.any(x > 3, axis=1), lambda v: (v["x"] > 3).any(1)),
    ("all", sg.all(x > -2), lambda v: (v["x"] > -2).all()),
    ("E[t + 1]", E[t + 1], lambda v: v["E"][v["t"] + 1]),
    ("E[2t, 1]", E[2 * t, 1], lambda v: v["E"][2 * v["t"], 1]),
    ("E[k % 7]", E[k % 7], lambda v: v["E"][v["k"] % 7]),
    ("E[k // 3 % 7]", E[k // 3 % 7, t // 2], lambda v: v["E"][v["k"] // 3 % 7, v["t"] // 2]),
    ("x·(k % 7)", x[:, 0] * (k % 7) / 2, lambda v: v["x"][:, 0] * (v["k"] % 7) / 2),
    ("(k − 10¹²)·x", sg.sum(x[:, 1] * (k - (BIG - 7))), lambda v: (v["x"][:, 1] * (v["k"] - (BIG - 7))).sum()),
    ("k / 4", k / 4, lambda v: v["k"] / 4),
    ("mean", sg.mean(k), lambda v: v["k"].mean()),
    ("m·x", m * x[:, 2], lambda v: v["m"] * v["x"][:, 2]),
    ("t·c", x * c, lambda v: v["x"] * np.array([-2, 5, 7])),
)


@pytest.mark.parametrize(("dtype", "python"), [("float32", False), ("float32", True), ("float64", True)])
def test_results_are_numpys(dtype: str, python: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One program of all, and in pure Python one of each."""
    if python:
        monkeypatch.setenv("SYMGRAPH_PYTHON", "1")
    values = {name: v.astype(dtype) if v.dtype.kind == "f" else v for name, v in VALUES.items()}
    groups = [[row] for row in RESULTS] if python else [RESULTS]
    for rows in groups:
        compiled = codegen.function(LEAVES, [result for _, result, _ in rows], dtype)
        for _ in range(3):
            for (name, _, numpy), got in zip(rows, compiled(**values), strict=True):
                with np.errstate(divide="ignore"):
                    wanted = np.asarray(numpy(values))
                assert got.dtype == (dtype if wanted.dtype.kind == "f" else wanted.dtype), name
                allowed = 2 * np.finfo(dtype).eps if wanted.dtype.kind == "f" else 0
                np.testing.assert_allclose(got, wanted, rtol=allowed, err_msg=name)


def test_kinds_are_told() -> None:
    told = {"real": (x, k / 2, k * x[:, 0], sg.mean(k), sg.where(x > 0, 1, 0)), "boolean": (m, x > 0, sg.any(m), ~m),
            "integer": (k, t, k + t, k % 2, k // 2, sg.sum(m), sg.argmax(x))}  # fmt: skip
    assert all(value.dtype == dtype for dtype, values in told.items() for value in values)


def test_slopes_are_of_reals() -> None:
    """An integer is a number beside x, and has no derivative itself."""
    slope = codegen.function([x, k], sg.grad(sg.sum(x**2 * (k % 3)[:, None]), x))
    assert np.array_equal(slope(VALUES["x"], VALUES["k"]), 2 * VALUES["x"] * (VALUES["k"] % 3)[:, None])
    with pytest.raises(sg.errors.DomainError, match="k holds integers and has no derivative"):
        sg.grad(sg.sum(k * x[:, 0]), k)
    with pytest.raises(sg.errors.DomainError, match="m holds truth values"):
        sg.grad(sg.sum(m * x[:, 0]), m)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("k", np.ones(4), "needs integers, not dtype float64"),
        ("m", np.ones(4), "needs truth values, not dtype float64: pass m != 0"),
        ("k", np.full(4, 2**63, np.uint64), "64 bits"),
    ],
)
def test_other_arrays_are_refused(name: str, value: np.ndarray, said: str) -> None:
    compiled = codegen.function([k, m], [k + 1, ~m])
    with pytest.raises(sg.errors.DomainError, match=said):
        compiled(**{"k": VALUES["k"], "m": VALUES["m"], name: value})


def test_what_is_written_into() -> None:
    compiled, places = codegen.function([x], [x > 0, sg.argmax(x, axis=1)]), np.empty(4, np.int64)
    truth = np.empty((4, 3), bool)
    given = compiled(VALUES["x"], out=[truth, places])
    assert given[0] is truth
    assert np.array_equal(truth, VALUES["x"] > 0)
    assert np.array_equal(places, VALUES["x"].argmax(1))
    with pytest.raises(sg.errors.DomainError, match="needs dtype bool, not float64"):
        compiled(VALUES["x"], out=[np.empty((4, 3)), places])


def test_an_index_that_may_leave_its_axis() -> None:
    with pytest.raises(sg.errors.ShapeError, match="may lie outside"):
        E[4 * t]
    with pytest.raises(sg.errors.ShapeError, match="may lie outside"):
        E[k]
    with pytest.raises(sg.errors.DomainError, match="real, integer or boolean, not 'float32'"):
        sg.input("y", (3,), dtype="float32")
