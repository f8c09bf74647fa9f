# %% [markdown] en
# # LeNet: convolution is a sum with shifted indices
#
# A small network of LeCun's kind, with two convolutions, on real digits. A convolution brings no new rule: it is a sum in
# which the indices are shifted, and the chain rule turns the shift around.
# %% [markdown] zh
# # LeNet：卷积就是下标平移的求和
#
# 一个 LeCun 式的小网络，含两个卷积层，处理真实的手写数字。卷积不需要新的求导法则：它是下标带平移的求和，链式法则会把平移反过来。
# %% [markdown] en
# ## One dimension first
# %% [markdown] zh
# ## 先看一维
# %%
import symgraph as sg

N = sg.dim("N")
n, p, k = sg.indices("n p k")
s, f = sg.input("s", (N, 8)), sg.parameter("f", (3,))
out = sg.define((n, p), sg.Sum(s[n, p + k] * f[k], k), shape=(N, 6))
E = sg.sum(out**2) / 2
out
# %%
sg.grad(E, [f, s])
# %% [markdown] en
# The gradient of the filter slides the *derivative* over the signal. In the gradient of the signal the shift is turned
# around, k + j becomes i − j: a convolution with the flipped filter. Its condition says which windows exist at the border.
# Nobody wrote it.
# %% [markdown] zh
# 滤波器的梯度，是让*导数*在信号上滑动。在信号的梯度里，下标的平移反了过来，加 j 变成了减 j：这就是与翻转后的滤波器做卷积。
# 式中的条件说明在边界处哪些窗口存在。这些都不是手写的。
# %% [markdown] en
# ## The network
#
# Convolution, ReLU and max pooling, twice, and three affine layers; sizes for images of 8 × 8.
# %% [markdown] zh
# ## 网络
#
# 卷积、ReLU、最大池化，做两遍，然后是三个全连接层；尺寸适配 8 × 8 的图像。
# %%
import codegen
import numpy as np
from sklearn.datasets import load_digits

x, t = sg.input("x", (N, 1, 8, 8)), sg.labels("t", (N,), classes=10)
lenet = sg.nn.Sequential(
    sg.nn.Conv2d(1, 6, 3, padding=1, name="c1"), sg.nn.ReLU(), sg.nn.MaxPool2d(2),
    sg.nn.Conv2d(6, 16, 3, padding=1, name="c2"), sg.nn.ReLU(), sg.nn.MaxPool2d(2),
    sg.nn.Flatten(), sg.nn.Linear(64, 48, name="f1"), sg.nn.ReLU(),
    sg.nn.Linear(48, 24, name="f2"), sg.nn.ReLU(), sg.nn.Linear(24, 10, name="f3"),
)  # fmt: skip
z = lenet(x)
J = sg.cross_entropy(z, t)
sg.draw(J)
# %%
images, T = load_digits(return_X_y=True)
X = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
step = codegen.train_step(J, sg.SGD(lr=0.02, momentum=0.9), dtype="float32")
params = step.init(seed=0)
unseen = np.arange(len(T)) % 6 == 0
data = {"x": X[~unseen], "t": T[~unseen]}
history = step.fit(params, data, epochs=20, batch_size=32, seed=0, progress=False)
predict = codegen.function([x, *lenet.parameters()], sg.argmax(z, axis=1))
accuracy = np.mean(predict(X[unseen], **params) == T[unseen])
numbers = sum(params[str(w.name)].size for w in lenet.parameters())
print(f"{numbers} numbers trained; {accuracy:.0%} of unseen digits are right")
assert accuracy > 0.92
# %%
history
# %% [markdown] en
# ## What the first layer looks for
# %% [markdown] zh
# ## 第一层学到了什么
# %%
filters = params["c1.weight"][:, 0]
shades = " ░▒▓█"
scaled = (filters - filters.min()) / (filters.max() - filters.min())
for row in range(3):
    print("    ".join("".join(shades[int(4 * v)] * 2 for v in one[row]) for one in scaled))
