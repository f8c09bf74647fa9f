# %% [markdown] en
# # Batch norm and dropout
#
# Two layers that behave differently in training and in use. As formulas nothing about them is mysterious, not even the
# random numbers.
# %% [markdown] zh
# # 批归一化与 Dropout
#
# 这两种层在训练和推理时的行为不同。写成公式，就毫无神秘之处，连随机数也不例外。
# %% [markdown] en
# ## Batch norm
#
# Each column of the batch is shifted to mean 0 and scaled to variance 1. The mean and the variance *depend on x*, so the
# gradient has two more paths than one would think: through the mean and through the variance.
# %% [markdown] zh
# ## 批归一化（Batch Normalization）
#
# 把批次的每一列平移到均值 0、缩放到方差 1。均值和方差都*依赖于 x*，因此梯度比直觉多出两条路径：经过均值的，和经过方差的。
# %%
import symgraph as sg

N = sg.dim("N")
x, g = sg.input("x", (N, 2)), sg.input("g", (N, 2))
mu = sg.mean(x, axis=0)
s2 = sg.mean((x - mu) ** 2, axis=0)
xhat = (x - mu) / sg.sqrt(s2 + 1e-5)
L = sg.sum(g * xhat)  # g is whatever derivative arrives from above
sg.draw(L)
# %%
sg.grad(L, x)
# %% [markdown] en
# What it says: take g, remove from it its mean and its part along x̂, divide by σ. So a derivative can neither shift a column
# nor stretch it; the layer has promised that neither matters. Test the promise:
# %% [markdown] zh
# 它的意思是：从 g 中减去其均值，再减去沿 x̂ 方向的分量，然后除以 σ。因此导数既不能平移一列，也不能拉伸一列：
# 这一层早已保证，平移和缩放都不影响输出。检验一下：
# %%
import codegen
import numpy as np

random = np.random.default_rng(0)
layer = codegen.function([x, g], [sg.grad(L, x), xhat])
slope, hat = layer(random.normal(size=(8, 2)), random.normal(size=(8, 2)))
print("Σ_n ∂L/∂x is 0:", np.allclose(slope.sum(axis=0), 0, atol=1e-12))
print("Σ_n ∂L/∂x·x̂ is 0, up to ε:", np.allclose((slope * hat).sum(axis=0), 0, atol=1e-3))
assert np.allclose(slope.sum(axis=0), 0, atol=1e-12)
# %% [markdown] en
# ## Dropout and its mask
#
# In training each value is dropped with probability p, and what stays is divided by 1 − p, so that the mean stays what it
# was. In use nothing happens. One declaration, two formulas:
# %% [markdown] zh
# ## Dropout 与它的掩码
#
# 训练时，每个值以概率 p 被丢弃，留下的除以 1 − p，使期望保持不变；推理时什么也不做。一次声明，两个公式：
# %%
h = sg.input("h", (N, 20))
y = sg.dropout(h, 0.5).named("y")
print("training:  ", sg.mode(y, "train"))
print("evaluation:", sg.mode(y, "evaluate"))
# %% [markdown] en
# The random u is not drawn from a stream; it is a *function* of key, step and place (Threefry, the counter generator that
# JAX uses too). So no mask is stored: the backward pass computes it again, and any step can be repeated. Here are the masks
# of three steps, and then the first again:
# %% [markdown] zh
# 随机数 u 不是从随机流里依次取出的，而是密钥、步数和位置的*函数*（Threefry 计数器型生成器，JAX 也用它）。
# 因此不需要存储掩码：反向传播时重新算一遍即可，任何一步都能重现。下面是三步的掩码，最后再重复第一步：
# %%
drop = codegen.function([h], y, key=7, mode="train")
ones = np.ones((4, 20))
masks = [drop(ones, random_step=k) for k in (0, 1, 2, 0)]
for rows in zip(*masks, strict=True):
    print("   ".join("".join("█" if value else "·" for value in row) for row in rows))
assert np.array_equal(masks[0], masks[3]) and not np.array_equal(masks[0], masks[1])
assert set(np.unique(masks[0])) == {0, 2}
# %% [markdown] en
# The derivative passes where the value passed, with the same factor: the mask again.
# %% [markdown] zh
# 值通过的地方，导数也通过，系数相同：还是同一个掩码。
# %%
dy = sg.input("dy", (N, 20))
sg.grad(sg.mode(sg.sum(dy * y), "train"), h)
