# %% [markdown] en
# # Optimisers are formulas too
#
# SGD, momentum, Adam: each is two or three lines of algebra on the gradient. Here they are as they run (a prime marks
# the new value of what the optimiser remembers), and then as they walk down the same valley.
# %% [markdown] zh
# # 优化器也是公式
#
# SGD、动量法、Adam：每一个都只是对梯度的两三行代数式。先看它们实际执行的公式（带撇号的是优化器所记之量的新值），
# 再看它们在同一个山谷里怎么走。
# %%
import symgraph as sg

theta = sg.parameter("theta", (2,))
optimisers = {
    "SGD": sg.SGD(lr=0.095),
    "momentum": sg.SGD(lr=0.02, momentum=0.9),
    "AdaGrad": sg.Adagrad(lr=1.5),
    "Adam": sg.Adam(lr=0.3),
}
J = theta[0] ** 2 / 20 + 10 * theta[1] ** 2
for name, optimiser in optimisers.items():
    print(f"{name}: {sg.explain(J, optimiser).sections[-1]}")
# %% [markdown] en
# ## A long valley
#
# f(θ) = θ₀²/20 + 10·θ₁²: two hundred times steeper across than along. Plain SGD has one rate for both directions: large
# enough to move along, it bounces from wall to wall. Momentum gathers speed along the valley. AdaGrad divides
# each direction by the size of its own gradients and walks almost straight; Adam does both, and swings a little.
# %% [markdown] zh
# ## 狭长的山谷
#
# f(θ) = θ₀²/20 + 10·θ₁²：横向比纵向陡两百倍。普通 SGD 两个方向共用一个学习率：大到能沿谷底前进时，就会在两壁之间来回震荡。
# 动量法沿谷底不断加速；AdaGrad 在每个方向上除以自身梯度的大小，几乎走直线；
# Adam 兼有两者，略有摆动。
# %%
import codegen
import numpy as np

paths = {}
print("after          " + " ".join(f"{k:6}" for k in range(0, 41, 5)), "steps")
for name, optimiser in optimisers.items():
    step = codegen.train_step(sg.as_tensor(J), optimiser, dtype="float64")
    params = step.init(seed=0)
    params["theta"][:] = [-7, 2]
    path = [params["theta"].copy()]
    for _ in range(40):
        step(params)
        path.append(params["theta"].copy())
    paths[name] = np.array(path)
    first, second = (" ".join(f"{v:6.2f}" for v in paths[name][:41:5, k]) for k in (0, 1))
    print(f"{name:9}  θ₀ {first}\n{'':9}  θ₁ {second}")
assert all(abs(path[-1, 1]) < 2 for path in paths.values())
assert np.sum(np.diff(np.sign(paths["SGD"][:, 1])) != 0) > 30  # from wall to wall
# %% [markdown] en
# The same walks, drawn on the map of the valley: each ellipse is a line of equal cost.
# %% [markdown] zh
# 把同样的路径画在山谷的地图上：每个椭圆都是一条等高线。
# %%
class Picture(str):
    """SVG that a notebook shows as it is."""

    def _repr_html_(self):
        return self


def walk(name):
    levels = [(32 * np.sqrt(20 * c), 24 * np.sqrt(c / 10)) for c in (0.2, 1, 3, 8, 20, 40)]
    lines = "".join(f'<ellipse rx="{across:.0f}" ry="{down:.1f}"/>' for across, down in levels)
    points = " ".join(f"{32 * x:.1f},{-24 * y:.1f}" for x, y in paths[name])
    path = f'<polyline points="{points}" stroke="crimson" stroke-width="1.5"/>'
    text = f'<text x="-250" y="-46" font-size="14" fill="currentColor" stroke="none">{name}</text>'
    look = 'viewBox="-260 -60 360 120" width="480" fill="none" stroke="#8b949e"'
    return f'<svg {look} role="img" aria-label="{name}">{lines}{path}{text}</svg>'


Picture("".join(map(walk, paths)))
# %% [markdown] en
# The update is part of the compiled step: one pass over memory computes the gradient's last operation, the moments and the
# new weights. Hyper-parameters stay symbols of the program, so a schedule changes a number and compiles nothing:
# %% [markdown] zh
# 更新是编译后程序的一部分：梯度的最后一步运算、各阶矩和新的权重，在同一遍内存访问中算完。
# 超参数在程序里始终是符号，所以调整学习率只是改一个数，不必重新编译：
# %%
step.hyper["lr"] = 0.01
print(step.hyper)
# %% [markdown] en
# Your own optimiser is a formula and a name. This one goes by the signs of the gradient alone; its update stands in one
# table with the network's equations, and it trains like any other:
# %% [markdown] zh
# 自己的优化器，只需一个公式和一个名字。下面这个只看梯度的符号；它的更新公式与网络的方程列在同一张表里，
# 训练时也和其他优化器一样使用：
# %%
from symgraph.vocabulary.updating import Optimizer, Row

rule = Row("theta", lambda theta, g, lr: theta - lr * sg.sign(g))
by_sign = Optimizer("SignDescent", (rule,), {"lr": 0.1})
step = codegen.train_step(sg.as_tensor(J), by_sign, dtype="float64")
params = {"theta": np.array([-7.0, 2.0])}
costs = [float(step(params)) for _ in range(80)]
assert costs[-1] < 0.2
sg.explain(J, by_sign)
