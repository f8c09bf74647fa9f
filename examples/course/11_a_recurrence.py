# %% [markdown] en
# # Through time, by hand
#
# h[t] = tanh(h[t−1]·V + x[t]). The value reads itself, one step earlier. Its derivative is a recurrence as well, which runs
# the other way: backpropagation through time is one line.
# %% [markdown] zh
# # 沿时间反向传播：手工推导
#
# h[t] = tanh(h[t−1]·V + x[t])。这个量读取的是它自己上一时刻的值。它的导数同样是一个递推式，只是方向相反：
# 沿时间反向传播（BPTT）只有一行。
# %%
import symgraph as sg

T, N = sg.dim("T"), sg.dim("N")
x, h0 = sg.input("x", (T, N, 2)), sg.input("h0", (N, 2))
V = sg.parameter("V", (2, 2))


def cell(h, at):
    a = (h @ V).named("a")
    h = sg.tanh(a + at).named("h")
    return h, h


last, outputs = sg.scan(cell, h0, x)
E = sg.sum(outputs**2) / 2
outputs
# %% [markdown] en
# Drawn, it goes in a circle: the dashed edge reads the step before.
# %% [markdown] zh
# 画成图，它是一个环：虚线读取的是上一时刻的值。
# %%
sg.draw(E)
# %% [markdown] en
# By hand: h[t] is read by the loss, which sends back h[t] itself, and by the next step, which sends back what arrived there,
# through tanh and Vᵀ. So ∂E/∂h[t] = h[t] + ∂E/∂a[t+1]·Vᵀ, and ∂E/∂a[t] = ∂E/∂h[t]·(1 − h[t]²). V is used at every step;
# its gradient is the sum over all of them. And derived:
# %% [markdown] zh
# 手工推导：h[t] 被损失读取，传回 h[t] 本身；又被下一时刻读取，传回那里收到的值，经过 tanh 和 Vᵀ。
# 所以 ∂E/∂h[t] = h[t] + ∂E/∂a[t+1]·Vᵀ，∂E/∂a[t] = ∂E/∂h[t]·(1 − h[t]²)。每个时刻都用到 V，因此它的梯度是对所有时刻求和。
# 程序推导的结果：
# %%
sg.grad(E, V)
# %% [markdown] en
# ## Check, with a loop that anyone can read
# %% [markdown] zh
# ## 用一个人人能读懂的循环核对
# %%
import codegen
import numpy as np

random = np.random.default_rng(0)
steps, rows = 6, 3
xs, start = random.normal(size=(steps, rows, 2)), np.zeros((rows, 2))
weights = random.normal(size=(2, 2))

hs = [start]
for t in range(steps):
    hs.append(np.tanh(hs[-1] @ weights + xs[t]))
dV, back = np.zeros((2, 2)), np.zeros((rows, 2))
for t in reversed(range(steps)):
    da = (hs[t + 1] + back) * (1 - hs[t + 1] ** 2)  # from the loss, and from the step after
    dV += hs[t].T @ da
    back = da @ weights.T

derived = codegen.function([x, h0, V], sg.grad(E, V))(xs, start, weights)
print(derived.round(6))
np.testing.assert_allclose(derived, dV, rtol=1e-12)
# %% [markdown] en
# ## Why long memories are hard
#
# Each step back multiplies by (1 − h²)·Vᵀ. If that shrinks, the past has no voice; if it grows, it shouts. Take the last
# step alone as the loss: here is its derivative by h0, over 1, 5, 25, 100 steps, for V = 0.5·I, I and 1.5·I near h = 0:
# %% [markdown] zh
# ## 为什么长程记忆很难
#
# 每往回一步，就乘一次 (1 − h²)·Vᵀ。如果它使向量缩小，遥远的过去就没有声音（梯度消失）；如果放大，就震耳欲聋（梯度爆炸）。
# 设损失只取最后时刻，下面是在 h = 0 附近，V 取 0.5·I、I、1.5·I 时，经过 1、5、25、100 步，损失对 h0 的导数的大小：
# %%
end = sg.sum(last)
slope = codegen.function([x, h0, V], sg.grad(end, h0))
for scale in (0.5, 1.0, 1.5):
    weights = scale * np.eye(2)
    past = [slope(np.zeros((k, 1, 2)), np.zeros((1, 2)), weights) for k in (1, 5, 25, 100)]
    sizes = [np.abs(found).max() for found in past]
    print(f"V = {scale}·I:  " + "  ".join(f"{size:8.2g}" for size in sizes))
    assert np.isclose(sizes[2], scale**25)
