# %% [markdown] en
# # Softmax with loss: y − t
#
# Softmax has an ugly derivative, and so has cross-entropy. Put one behind the other and what is left is the prediction
# minus the truth.
# %% [markdown] zh
# # Softmax-with-Loss：y − t
#
# Softmax 的导数不好看，交叉熵误差的导数也不好看。把两者接在一起，剩下的却只有“预测减去真值”。
# %%
import symgraph as sg

a = sg.input("a", (3,))
t = sg.one_hot("t", (3,))
y = sg.softmax(a)
L = -sg.sum(t * sg.log(y))
sg.draw(L, level="scalar", values={"a": [0.3, 2.9, 4.0], "t": [0, 0, 1]})
# %% [markdown] en
# The scores 0.3, 2.9, 4.0 become probabilities; the third class is the right one. The loss sends back −t/y, the division
# turns it over, and the exponentials' branches meet again at `a`: y − t.
# %% [markdown] zh
# 得分 0.3、2.9、4.0 变成了概率，正确答案是第三类。损失往回传 −t/y，经过除法，指数的两条支路在 `a` 处重新汇合：y − t。
# %% [markdown] en
# ## Where it comes from, step by step
#
# Two facts do it: the rows of a one-hot t sum to 1 (declared by `one_hot`), and exp(a)/S *is* y. For a batch of N rows:
# %% [markdown] zh
# ## 一步一步推导
#
# 关键只有两点：one-hot 向量 t 的各元素之和为 1（由 `one_hot` 声明），以及 exp(a)/S *就是* y。对于 N 行的批次：
# %%
N = sg.dim("N")
a = sg.input("a", (N, 3))
t = sg.one_hot("t", (N, 3))
y = sg.softmax(a)
L = -sg.sum(t * sg.log(y)) / N
sg.derivation(L, a)
# %% [markdown] en
# Without the fact, the sum stays. A soft target that does not sum to 1 is a different problem, and gets its own, right
# gradient:
# %% [markdown] zh
# 没有这个前提，求和就留在式子里。元素之和不为 1 的软标签是另一个问题，也会得到它自己的、正确的梯度：
# %%
soft = sg.input("t", (N, 3))
sg.grad(-sg.sum(soft * sg.log(y)) / N, a)
# %% [markdown] en
# ## Scores of ten thousand
#
# exp(10000) overflows. The formula says 1/(Σ exp), but what is compiled is shifted by the largest score, in the forward and
# in the backward pass: an algebraic identity that is proved before it is used.
# %% [markdown] zh
# ## 得分是一万时
#
# exp(10000) 会溢出。公式写的是 1/(Σ exp)，编译出来的程序却会先减去最大的得分，正向、反向都是如此：
# 这是一个代数恒等式，先经证明，才被使用。
# %%
import codegen
import numpy as np

labels = sg.labels("k", (N,), classes=3)
loss = sg.cross_entropy(a, labels)  # softmax and loss in one; a are scores
run = codegen.function([a, labels], [loss, sg.grad(loss, a)])
value, slope = run(np.array([[1e4, 0, -1e4], [0.3, 2.9, 4.0]]), np.array([1, 2]))
print("loss", float(value))
print(slope.round(4))
assert np.isfinite(slope).all() and slope[0].tolist() == [0.5, -0.5, 0]
