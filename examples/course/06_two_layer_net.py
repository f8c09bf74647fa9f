# %% [markdown] en
# # The two-layer network
#
# Affine, ReLU, affine, softmax with loss. Every piece is known from the lessons before; put together, the gradient needs
# no new idea, only the order: from the loss back to the input.
# %% [markdown] zh
# # 两层神经网络
#
# 仿射、ReLU、仿射、Softmax-with-Loss。每个零件前面都学过；拼在一起之后，求梯度不需要任何新的想法，
# 只要按次序：从损失一路回到输入。
# %%
import symgraph as sg

N = sg.dim("N")
x, t = sg.input("x", (N, 4)), sg.labels("t", (N,), classes=3)
W1, b1 = sg.parameter("W1", (4, 5)), sg.parameter("b1", (5,))
W2, b2 = sg.parameter("W2", (5, 3)), sg.parameter("b2", (3,))
a1 = x @ W1 + b1
z1 = sg.relu(a1)
a2 = z1 @ W2 + b2
J = sg.cross_entropy(a2, t)
sg.draw(J)
# %% [markdown] en
# ## The backward equations
#
# Read the backward table from top to bottom: (y − t)/N at the end, times W2ᵀ, through the ReLU's mask, and at each weight
# a product with what the layer had read. The index form says it element by element, the matrix form as the books do.
# %% [markdown] zh
# ## 反向传播的方程
#
# 从上往下读反向部分的表：末端是 (y − t)/N，乘以 W2ᵀ，通过 ReLU 的掩码，再在每个权重处与该层的输入相乘。
# 下标形式逐个元素地写，矩阵形式与教科书的写法一致。
# %%
sg.explain(J)
# %% [markdown] en
# ## Backpropagation against differences
#
# The honest check: move each parameter a little both ways, and see by how much the cost changes. It takes two evaluations
# for each of the 43 parameters; backpropagation takes one pass for all of them. Use the first to test the second.
# %% [markdown] zh
# ## 梯度确认：与数值微分比较
#
# 最可靠的检验：让每个参数向两边各移动一点，看代价函数变化多少。43 个参数，每个都要计算两次；
# 而反向传播一遍就能得到全部梯度。所以用前者来检验后者。
# %%
import codegen
import numpy as np

weights = [W1, b1, W2, b2]
cost = codegen.function([x, t, *weights], J)
slopes = codegen.function([x, t, *weights], list(sg.grad(J, weights).values()))

random = np.random.default_rng(0)
X, T = random.normal(size=(20, 4)), random.integers(0, 3, 20)
params = {w.name: random.normal(size=tuple(map(int, w.shape))) for w in weights}


def by_differences(name, h=1e-5):
    found = np.zeros_like(params[name])
    for place in np.ndindex(found.shape):
        kept = params[name][place]
        params[name][place] = kept + h
        above = cost(X, T, **params)
        params[name][place] = kept - h
        below = cost(X, T, **params)
        params[name][place] = kept
        found[place] = (above - below) / (2 * h)
    return found


for w, slope in zip(weights, slopes(X, T, **params), strict=True):
    error = np.abs(slope - by_differences(w.name)).max()
    print(f"∂J/∂{w.name}: largest difference below 1e-8: {error < 1e-8}")
    assert error < 1e-8
# %% [markdown] en
# ## With numbers on it
#
# The same network while it computes: each array as a heat map, forward above, backward below. White cells of ∂J/∂a1 are
# where ReLU has switched a unit off.
# %% [markdown] zh
# ## 代入数值
#
# 同一个网络，正在计算：每个数组画成热力图，上方是正向的值，下方是反向的导数。∂J/∂a1 中的白格，就是被 ReLU 截断的单元。
# %%
sg.draw(J, values=params | {"x": X[:6], "t": T[:6]})
