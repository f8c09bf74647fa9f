# %% [markdown] en
# # Sigmoid: four nodes and a surprise
#
# y = 1/(1 + e⁻ˣ) is four simple nodes: negate, exp, add 1, divide. Going back through them gives y²e⁻ˣ; a glance at the
# forward value turns that into y(1 − y).
# %% [markdown] zh
# # Sigmoid：四个节点，一个惊喜
#
# y = 1/(1 + e⁻ˣ) 由四个简单节点组成：取负、exp、加 1、取倒数。反向走一遍得到 y²e⁻ˣ；再看一眼正向传播的值，它就变成了 y(1 − y)。
# %%
import symgraph as sg

x = sg.input("x", ())
y = sg.sigmoid(x)
sg.draw(y, level="scalar", upstream="L")
# %% [markdown] en
# From right to left, with ∂L/∂y arriving:
#
# | node | local derivative | what goes on |
# | --- | --- | --- |
# | 1/x | −y² | −∂L/∂y·y² |
# | + 1 | 1 | the same |
# | exp | its own output, e⁻ˣ | −∂L/∂y·y²·e⁻ˣ |
# | × (−1) | −1 | ∂L/∂y·y²·e⁻ˣ |
#
# And then: y·e⁻ˣ = e⁻ˣ/(1 + e⁻ˣ) = 1 − y. So y²e⁻ˣ = y(1 − y). No exponential is computed on the way back; the layer need
# only remember its output. symgraph finds this by algebra modulo the forward definitions, for any formula:
# %% [markdown] zh
# 从右往左看，传入的是 ∂L/∂y：
#
# | 节点 | 局部导数 | 继续往回传的值 |
# | --- | --- | --- |
# | 1/x | −y² | −∂L/∂y·y² |
# | + 1 | 1 | 不变 |
# | exp | 它自己的输出 e⁻ˣ | −∂L/∂y·y²·e⁻ˣ |
# | × (−1) | −1 | ∂L/∂y·y²·e⁻ˣ |
#
# 接着注意：y·e⁻ˣ = e⁻ˣ/(1 + e⁻ˣ) = 1 − y，所以 y²e⁻ˣ = y(1 − y)。反向传播不必再算指数，这一层只需记住自己的输出。
# symgraph 以正向传播的定义为前提做代数化简，自动找到这一步，而且对任何公式都如此：
# %%
sg.grad(y, x)
# %%
for activation in (sg.tanh, sg.exp, sg.softplus, sg.elu, sg.relu):
    y = activation(x)
    print(f"{activation.name:9} {y!s:36} {sg.grad(y, x)}")
# %% [markdown] en
# ## With numbers, ReLU beside it
#
# ReLU lets the gradient through where its input was positive, and stops it elsewhere. At 0 exactly, the derivative is
# taken to be 0. Sigmoid lets through at most a quarter, y(1 − y) ≤ ¼: stack ten of them and a millionth is left.
# %% [markdown] zh
# ## 代入数值，与 ReLU 对比
#
# 输入为正时，ReLU 让梯度原样通过，否则就把它截断；恰好为 0 时，约定导数为 0。
# 而 sigmoid 最多让四分之一通过：y(1 − y) ≤ ¼。叠上十层，就只剩下百万分之一：这就是梯度消失。
# %%
import numpy as np

u = sg.input("u", (2, 2))
batch = {"u": np.array([[1.0, -0.5], [-2.0, 3.0]])}
r, s = sg.relu(u), sg.sigmoid(u)
sg.draw(sg.sum(r), values=batch)
# %%
sg.draw(sg.sum(s), values=batch)
# %%
from symgraph.reference import evaluate

mask, damped = evaluate([sg.grad(sg.sum(r), u), sg.grad(sg.sum(s), u)], batch)
print(mask)
print(damped.round(4))
assert mask.tolist() == [[1, 0], [0, 1]] and damped.max() <= 0.25
