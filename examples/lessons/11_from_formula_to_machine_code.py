"""Every stage of the compiler on a toy: logistic loss of one neuron, from its formula to machine code.

declare → differentiate → simplify → stabilise    |    plan → fuse → lower → memory → emit → compile → run
              symgraph (mathematics)              |                   codegen (machines)
"""

import numpy as np

import codegen
import symgraph as sg
from codegen.inspect.show import show_arena, show_program
from codegen.plan.fuse import fuse
from codegen.plan.plan import plan
from codegen.plan.request import Request, leaves_in
from codegen.run.pipeline import stabilised, translate
from symgraph.reference import evaluate


def stage(name, what):
    print(f"\n—— {name}: {what}")


def main():
    stage("declare", "a tensor is what one of its elements is")
    N = sg.dim("N")
    x = sg.input("x", (N, 3))
    w = sg.parameter("w", (3,))
    a = x @ w
    p = sg.sigmoid(a)
    L = -sg.mean(sg.log(p))
    for value in (a, p, L):
        print(value)

    stage("differentiate", "the chain rule in index form, term by term")
    print(sg.grad(L, w, simplify=False))

    stage("simplify", "through the values of the forward pass; this is the trace of what ran")
    dw = sg.grad(L, w)
    print(sg.derivation(L, w))

    stage("stabilise", "the same values, right in floating point: log p no longer overflows")
    stable_L, stable_dw = sg.stabilise([L, dw])
    print(stable_L)
    print(stable_dw)

    stage("plan", "what is computed, in which order; what is cheap is inlined where it is read")
    request = Request((L, dw))
    _, nodes = plan(stabilised(request))
    for node in nodes:
        print(f"  {node.value}".replace("\n", "\n  "))

    stage("fuse", "what can run in one kernel")
    for group in fuse(nodes):
        print(f"  {group.kind}: {', '.join(repr(node.value) for node in group.nodes)}")

    stage("lower, memory", "loops over typed buffers (SymPy ends here); one arena, offsets by live ranges")
    leaves = leaves_in(request)
    compiled = translate(request, leaves, "float64")
    print(show_program(compiled.program))
    print(show_arena(compiled.arena))

    stage("emit", "Python for Numba, under each formula what computes it")
    print(compiled.source.text)

    stage("compile and run", "the same numbers as the obvious evaluator, and in native code")
    function = codegen.function([x, w], [L, dw])
    values = {"x": np.array([[1.0, 2.0, -1.0], [0.5, -3.0, 0.0]]), "w": np.array([0.2, -0.1, 0.4])}
    loss, slope = function(**values)
    print(f"L = {loss:.6f}, ∂L/∂w = {slope}")
    scores = values["x"] @ values["w"]
    np.testing.assert_allclose(loss, np.mean(np.log1p(np.exp(-scores))), rtol=1e-14)
    np.testing.assert_allclose(slope, -values["x"].T @ (1 / (1 + np.exp(scores))) / 2, rtol=1e-14)
    np.testing.assert_allclose(slope, evaluate(dw, values), rtol=1e-14)
    extreme = function(values["x"] * 1e4, values["w"])
    assert np.isfinite(extreme[0]) and np.isfinite(extreme[1]).all()
    return loss.item(), slope


if __name__ == "__main__":
    main()
