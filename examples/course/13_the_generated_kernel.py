# %% [markdown] en
# # Reading the kernel
#
# The formula you read is the program that runs. Follow one small loss through every stage, to the loop a processor executes.
# %% [markdown] zh
# # 阅读生成的内核
#
# 你读到的公式，就是运行的程序。让一个小小的损失函数走过每个阶段，直到处理器执行的循环。
# %%
import symgraph as sg

N = sg.dim("N")
x, w = sg.input("x", (N, 3)), sg.parameter("w", (3,))
a = x @ w
p = sg.sigmoid(a)
L = -sg.mean(sg.log(p))  # logistic loss of one neuron
sg.draw(L)
# %%
sg.derivation(L, w)
# %% [markdown] en
# ## The same values, right in floating point
#
# log σ(a) for a = −1000 is log 0 = −∞ as written. The stabiliser finds and proves the form without the overflow; it is what
# is compiled.
# %% [markdown] zh
# ## 数值相同，浮点也正确
#
# 按字面计算，a = −1000 时 log σ(a) 就是 log 0 = −∞。数值稳定化会找到并证明不溢出的等价形式，编译的正是它。
# %%
stable, slope = sg.stabilise([L, sg.grad(L, w)])
print(stable)
print(slope)
# %% [markdown] en
# ## What runs
#
# A training step as Python for Numba; above each statement stands the formula it computes, in this program's own names. The
# first kernel goes through the rows, sixteen at a time in vector lanes: a, the loss of a row, and ∂L/∂a. The second adds up
# the loss. The third takes ∂L/∂w and updates w. Operations and bytes are counted from the loops; `step.report(measure=True)`
# adds times and what your machine could do at best.
# %% [markdown] zh
# ## 实际运行的程序
#
# 训练的一步，写成供 Numba 编译的 Python；每条语句上方是它所计算的公式，用的就是程序里的名字。第一个内核逐行处理数据，
# 每次 16 行，用向量指令并行：计算 a、每行的损失和 ∂L/∂a；第二个把损失加起来；第三个计算 ∂L/∂w 并更新 w。
# 运算次数和字节数是从循环中数出来的；`step.report(measure=True)` 还会给出用时，以及你这台机器的极限。
# %%
import codegen

step = codegen.train_step(L, sg.SGD(lr=0.1), dtype="float64")
kernels = [part for part in step.source.split("\n\n\n") if "@kernel" in part]
print("\n\n".join(kernels))
# %% [markdown] en
# ## Run it
# %% [markdown] zh
# ## 运行
# %%
import numpy as np

random = np.random.default_rng(0)
params = step.init(seed=0)
X = random.normal(size=(50, 3)) + 1
costs = [step(params, x=X) for _ in range(100)]
assert costs[-1] < costs[0]
extreme = codegen.function([x, w], L)(np.array([[-1e3, 0, 0]]), np.ones(3))
print("loss at a = −1000:", float(extreme))
assert extreme == 1000
