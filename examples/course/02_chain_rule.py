# %% [markdown] en
# # The chain rule: z = (x + y)²
#
# A derivative passed back through two nodes is the product of two local derivatives. That is the whole rule.
# %% [markdown] zh
# # 链式法则：z = (x + y)²
#
# 导数往回经过两个节点，就等于两个局部导数之积。链式法则仅此而已。
# %%
import symgraph as sg

x, y = sg.input("x", ()), sg.input("y", ())
t = x + y
z = t**2
sg.draw(z, level="scalar")
# %% [markdown] en
# The square sends back 1 · 2t. The addition has local derivatives 1 and 1, so it copies what arrives to both sides:
# ∂z/∂x = 2t · 1 = 2(x + y), and the same for y. On the edges themselves, ask for the local derivatives alone:
# %% [markdown] zh
# 平方节点往回传 1 · 2t。加法节点的两个局部导数都是 1，于是把收到的值原样传给两侧：
# ∂z/∂x = 2t · 1 = 2(x + y)，对 y 也一样。也可以让每条边只显示局部导数：
# %%
sg.draw(z, level="scalar", edges="local")
# %% [markdown] en
# ## The trace of what ran
#
# A derivation is not a story told afterwards; it is the record of the rules that were applied. Step through it with ← and →.
# %% [markdown] zh
# ## 推导的记录
#
# 推导不是事后编写的说明，而是程序实际用过的规则的记录。用 ← 和 → 键逐步查看。
# %%
sg.derivation(z, x)
# %% [markdown] en
# ## One rule for numbers and for arrays
#
# For vectors, Y = g(X) and Z = f(Y), the sum over all paths appears: ∂Z/∂X[i] = Σ_j ∂Z/∂Y[j] · ∂Y[j]/∂X[i]. Below,
# U = X², Y = A·U and Z = Σ sin Y. The index j, over which the Jacobian is multiplied, is found by the rule itself.
# %% [markdown] zh
# ## 标量与数组，同一条法则
#
# 对于向量，设 Y = g(X)、Z = f(Y)，要对所有路径求和：∂Z/∂X[i] = Σ_j ∂Z/∂Y[j] · ∂Y[j]/∂X[i]。
# 下面取 U = X²、Y = A·U、Z = Σ sin Y。与 Jacobian 矩阵相乘时的求和下标，是链式法则自己找出来的。
# %%
X, A = sg.input("X", (3,)), sg.input("A", (2, 3))
U = X**2
Y = A @ U
Z = sg.sum(sg.sin(Y))
sg.grad(Z, X)
# %%
Jacobian = sg.jacobian(Y, X)
Jacobian
# %% [markdown] en
# A gradient is an expression like any other, so it can be differentiated again:
# %% [markdown] zh
# 梯度也是普通的表达式，因此可以继续求导：
# %%
curvature = sg.grad(sg.grad(z, x), x)
curvature
# %%
import codegen

at = codegen.function([x, y], [sg.grad(z, x), curvature])
slope, bend = map(float, at(3.0, -1.0))
print(f"at x = 3, y = −1: ∂z/∂x = {slope:g}, ∂²z/∂x² = {bend:g}")
assert (slope, bend) == (4, 2)
