# %% [markdown] en
# # Training: 1,797 handwritten digits
#
# Learning is one line, repeated: θ ← θ − lr·∂J/∂θ. Here it runs on real data, scikit-learn's 8 × 8 digits.
# %% [markdown] zh
# # 训练：1797 个手写数字
#
# 学习就是反复执行一行式子：θ ← θ − lr·∂J/∂θ。这里用真实数据：scikit-learn 自带的 8 × 8 手写数字。
# %%
import numpy as np
from sklearn.datasets import load_digits

images, T = load_digits(return_X_y=True)
X = (images / 16).astype(np.float32)
for row in X[5].reshape(8, 8):
    print("".join(" .:-=+*#%@"[int(9 * value)] * 2 for value in row))
print("label", T[5])
# %%
import codegen
import symgraph as sg

N = sg.dim("N")
x, t = sg.input("x", (N, 64)), sg.labels("t", (N,), classes=10)
W1 = sg.parameter("W1", (64, 32), init=sg.init.kaiming_normal())
b1 = sg.parameter("b1", (32,))
W2 = sg.parameter("W2", (32, 10), init=sg.init.normal(0.01))
b2 = sg.parameter("b2", (10,))
h = sg.relu(x @ W1 + b1)
z = h @ W2 + b2
J = sg.cross_entropy(z, t) + 1e-4 * (sg.sum(W1**2) + sg.sum(W2**2))  # J = L + λΩ(θ)
sg.draw(J)
# %% [markdown] en
# A *step* is forward, backward and update, in native code. An *epoch* is one walk through the training data, in batches of
# 32 in a new order. The last 297 digits are never trained on: they are the examination.
# %% [markdown] zh
# 一*步*（step）包括正向传播、反向传播和参数更新，全部是机器码。一个*轮次*（epoch）是把训练数据以新的次序、每批 32 个过一遍。
# 最后 297 个数字从不参加训练：它们是测试集，用来检验泛化能力。
# %%
step = codegen.train_step(J, sg.SGD(lr=0.1), dtype="float32")
params = step.init(seed=0)
first = step(params, x=X[:1500], t=T[:1500])
data = {"x": X[:1500], "t": T[:1500]}
history = step.fit(params, data, epochs=30, batch_size=32, seed=0, progress=False)
predict = codegen.function([x, W1, b1, W2, b2], sg.argmax(z, axis=1))
accuracy = np.mean(predict(X[1500:], **params) == T[1500:])
print(f"cost {first:.2f} → {history.loss[-1]:.2f} after {history.steps} steps")
print(f"{accuracy:.0%} of unseen digits are right")
assert abs(first - np.log(10)) < 0.3 and accuracy > 0.88
# %%
history
# %% [markdown] en
# The first cost is ln 10 ≈ 2.30: a network that knows nothing gives each digit a tenth. If yours starts elsewhere, look at
# the initial weights before anything else.
#
# Which ones does it get wrong? Always look.
# %% [markdown] zh
# 最初的代价约为 ln 10 ≈ 2.30：什么都不知道的网络，给每个数字十分之一的概率。如果你的网络不是从这里起步，先检查初始权重。
#
# 它认错了哪些？一定要亲眼看看。
# %%
found = predict(X[1500:], **params)
wrong = 1500 + np.flatnonzero(found != T[1500:])[:4]
for rows in zip(*(X[n].reshape(8, 8) for n in wrong), strict=True):
    print("    ".join("".join(" .:-=+*#%@"[int(9 * value)] * 2 for value in row) for row in rows))
print("    ".join(f"{f'is {T[n]}, seen as {found[n - 1500]}':16}" for n in wrong))
