# %% [markdown] en
# # LSTM: a memory with gates, on a sine wave
#
# The cell c[t] = f·c[t−1] + i·c̃ *adds* to its memory instead of squashing it. Going back, the derivative is multiplied by f
# alone; with f near 1 the past keeps its voice.
# %% [markdown] zh
# # LSTM：带门的记忆，学习正弦波
#
# 记忆单元 c[t] = f·c[t−1] + i·c̃，是往记忆里*相加*，而不是反复压缩。反向传播时导数只乘以遗忘门 f；f 接近 1，遥远的过去就仍有声音。
# %%
import symgraph as sg

T, N = sg.dim("T"), sg.dim("N")
c0 = sg.input("c0", (N, 2))
i, f, u = (sg.input(name, (T, N, 2)) for name in ("i", "f", "u"))


def remember(c, gates):
    i, f, u = gates
    c = (f * c + i * u).named("c")
    return c, c


last, memory = sg.scan(remember, c0, (i, f, u))
sg.grad(sg.sum(last), c0)
# %% [markdown] en
# ## The whole layer
#
# `sg.nn.LSTM` has PyTorch's names, layouts and weights. Given 12 values of a noisy wave, predict the next.
# %% [markdown] zh
# ## 完整的 LSTM 层
#
# `sg.nn.LSTM` 的参数名、排布和权重格式与 PyTorch 一致。给出带噪声的波形的 12 个值，预测下一个。
# %%
import codegen
import numpy as np

STEPS = 12
x, target = sg.input("x", (STEPS, N, 1)), sg.input("target", (N, 1))
lstm, head = sg.nn.LSTM(1, 8, name="lstm"), sg.nn.Linear(8, 1, name="head")
outputs, _ = lstm(x)
y = head(outputs[STEPS - 1])
J = sg.mse_loss(y, target)
sg.draw(J)
# %% [markdown] en
# Three gates and the candidate g read the step before of h; the memory c reads its own.
# %% [markdown] zh
# 三个门和候选值 g 读取上一时刻的 h；记忆 c 读取自己上一时刻的值。
# %%
random = np.random.default_rng(0)
wave = (np.sin(0.3 * np.arange(400)) + 0.05 * random.normal(size=400)).astype(np.float32)
windows = np.lib.stride_tricks.sliding_window_view(wave, STEPS + 1)
X, Y = np.ascontiguousarray(windows[:, :STEPS, None]), np.ascontiguousarray(windows[:, STEPS:])

step = codegen.train_step(J, sg.Adam(lr=0.02), dtype="float32", threads=1)  # it is small
params = step.init(seed=0)
train = {"x": np.ascontiguousarray(X[:300].swapaxes(0, 1)), "target": Y[:300]}
costs = [step(params, **train) for _ in range(150)]
print(f"mean squared error {costs[0]:.3f} → {costs[-1]:.4f}; the noise alone is {0.05**2:.4f}")
assert costs[-1] < 0.02
# %% [markdown] en
# ## It sings on its own
#
# Feed each prediction back as the next input. What it has learned is not the data but the rhythm.
# %% [markdown] zh
# ## 让它自己唱下去
#
# 把每次的预测当作下一次的输入。它学到的不是数据，而是节律。
# %%
predict = codegen.function([x, *lstm.parameters(), *head.parameters()], y)
weights = {name: value for name, value in params.items() if name.startswith(("lstm", "head"))}
names = [w.name for w in (*lstm.parameters(), *head.parameters())]
heard = list(wave[300 : 300 + STEPS])
for _ in range(60):
    window = np.array(heard[-STEPS:], dtype=np.float32).reshape(STEPS, 1, 1)
    heard.append(float(predict(window, *(weights[name] for name in names))[0, 0]))


def line(values):
    return "".join("▁▂▃▄▅▆▇█"[int(np.clip(4 * (v + 1), 0, 7))] for v in values)


print("the wave     ", line(np.sin(0.3 * np.arange(300, 372))))
print("heard + sung ", line(heard[:STEPS]) + "|" + line(heard[STEPS:]))
