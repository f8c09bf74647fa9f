# %% [markdown] en
# # The affine layer: why Xᵀ stands there
#
# Y = X·W + b. Everybody remembers that ∂L/∂W = Xᵀ·∂L/∂Y. Nobody has to: write one element of Y, and the transpose,
# the order and the sum over the batch follow.
# %% [markdown] zh
# # 仿射层（全连接层）：转置从何而来
#
# Y = X·W + b。人人都背过 ∂L/∂W = Xᵀ·∂L/∂Y，其实不用背：写出 Y 的一个元素，转置、相乘的次序、对批次的求和，就都出来了。
# %%
import symgraph as sg

N = sg.dim("N")  # the batch size stays a symbol
X = sg.input("X", (N, 2))
W = sg.parameter("W", (2, 3))
b = sg.parameter("b", (3,))
Y = X @ W + b
sg.draw(Y, level="scalar")
# %% [markdown] en
# What flows along the edges are matrices now. One element of the layer is Y[n, j] = Σ_i X[n, i]·W[i, j] + b[j]. Ask what
# W[i, j] touches: Y[n, j], for **every** row n of the batch, with weight X[n, i]. Collect:
# ∂L/∂W[i, j] = Σ_n X[n, i]·∂L/∂Y[n, j]. A sum over the *first* index of X is a product with Xᵀ. That is all.
# %% [markdown] zh
# 现在沿着边流动的是矩阵。这一层的一个元素是 Y[n, j] = Σ_i X[n, i]·W[i, j] + b[j]。想一想 W[i, j] 影响了谁：
# 批次中**每一行** n 的 Y[n, j]，系数是 X[n, i]。把它们加起来：∂L/∂W[i, j] = Σ_n X[n, i]·∂L/∂Y[n, j]。
# 对 X 的*第一个*下标求和，就是左乘 Xᵀ。仅此而已。
# %%
t = sg.input("t", (N, 3))
L = sg.half_mse_loss(Y, t, reduction="sum")
sg.explain(L, wrt=[X, W, b])
# %% [markdown] en
# b is added to every row, so every row sends its derivative back: a sum over n, which is why a bias gradient is
# `dY.sum(axis=0)`. Look at it with numbers; arrays are small heat maps with their range.
# %% [markdown] zh
# b 加到了每一行上，所以每一行都把导数传回来：对 n 求和。这就是偏置的梯度写作 `dY.sum(axis=0)` 的原因。
# 代入数值来看；数组画成小热力图，并标出取值范围。
# %%
import numpy as np

random = np.random.default_rng(0)
values = {"X": random.normal(size=(4, 2)), "W": random.normal(size=(2, 3))}
values |= {"b": np.zeros(3), "t": np.ones((4, 3))}
sg.draw(L, values=values)
# %% [markdown] en
# ## By hand, in NumPy
# %% [markdown] zh
# ## 用 NumPy 手算核对
# %%
import codegen

layer = codegen.function([X, W, b, t], list(sg.grad(L, [X, W, b]).values()))
for rows in (1, 4, 7):  # one compiled function for every batch size
    Xs, ts = random.normal(size=(rows, 2)), random.normal(size=(rows, 3))
    Ws, bs = values["W"], values["b"]
    dX, dW, db = layer(Xs, Ws, bs, ts)
    dY = Xs @ Ws + bs - ts
    for mine, by_hand in ((dX, dY @ Ws.T), (dW, Xs.T @ dY), (db, dY.sum(axis=0))):
        np.testing.assert_allclose(mine, by_hand, rtol=1e-12, atol=1e-12)
print("∂L/∂W =\n", dW.round(3))
