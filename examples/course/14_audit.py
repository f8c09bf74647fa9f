# %% [markdown] en
# # Somebody else's backward
#
# Most wrong gradients train. They train a little worse, and nobody knows why. Instead of trusting a hand-written backward, ask
# for the difference.
# %% [markdown] zh
# # 审查别人的反向传播
#
# 大多数写错的梯度也能训练，只是效果差一点，而且没人知道为什么。与其相信手写的反向传播，不如直接求出它与正确结果之差。
# %% [markdown] en
# ## ReLU without its mask
#
# The most common mistake: g is passed on unchanged. The answer is not a number but a place where the two agree, and the
# simplest counter-example.
# %% [markdown] zh
# ## 忘了掩码的 ReLU
#
# 最常见的错误：把 g 原样传回。审查给出的不是一个数，而是两者在何处一致，以及最简单的反例。
# %%
import symgraph as sg

N = sg.dim("N")
a, g = sg.input("a", (N, 3)), sg.input("g", (N, 3))
print(sg.audit(sg.relu(a), g, upstream=g))
# %% [markdown] en
# ## A constant that is off
#
# The mean's 1/N forgotten: the audit names the factor.
# %% [markdown] zh
# ## 差一个系数
#
# 忘了均值的 1/N：审查会指出所差的因子。
# %%
t = sg.input("t", (N, 3))
L = sg.mse_loss(a, t)
print(sg.audit(L, 2 * (a - t), of=[a]))
# %% [markdown] en
# ## A right one
#
# The textbook's sigmoid, dout·y·(1 − y), is equal by algebra: for all values, not at some points.
# %% [markdown] zh
# ## 正确的例子
#
# 教科书里的 sigmoid 反向传播 dout·y·(1 − y)：代数上恒等，对所有取值成立，而不只是在若干点上。
# %%
y = sg.sigmoid(a)
print(sg.audit(y, g * y * (1 - y), upstream=g))
# %% [markdown] en
# ## NumPy functions
#
# A function of arrays, such as the backward methods of a tutorial's classes, is called at chosen points. Here is a softmax
# whose author forgot the sum over the row.
# %% [markdown] zh
# ## NumPy 函数
#
# 以数组为参数的函数，例如教程里各种类的 backward 方法，会在选定的点上被调用。下面是一个忘了按行求和的 softmax。
# %%
import numpy as np


def backward(a, g):
    y = np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)
    return g * y * (1 - y)  # true of the diagonal alone


print(sg.audit(sg.softmax(a), backward, upstream=g))


def repaired(a, g):
    y = np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


found = sg.audit(sg.softmax(a), repaired, upstream=g)
print(found)
assert found
# %% [markdown] en
# What it should have been, for anyone who writes it by hand:
# %% [markdown] zh
# 手写时应当写成这样：
# %%
sg.grad(sg.sum(g * sg.softmax(a)), a)
# %% [markdown] en
# In a shell: `python -m symgraph audit module:forward module:backward`, which ends with 1 if they differ; PyTorch's and JAX's
# custom functions are taken as they are.
# %% [markdown] zh
# 在命令行中：`python -m symgraph audit module:forward module:backward`，若不一致则返回 1；
# PyTorch 和 JAX 的自定义求导函数也可以直接审查。
