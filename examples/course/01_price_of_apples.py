# %% [markdown] en
# # The price of apples
#
# Two apples at 100 each, 10 % tax: the bill is 220. How much does it grow if one apple gets dearer by 1? A drawing
# answers, and every later lesson is this drawing, grown.
# %% [markdown] zh
# # 苹果的价格
#
# 苹果每个 100 元，买 2 个，消费税 10%，共付 220 元。如果苹果每个涨价 1 元，要多付多少？画一张计算图就能回答；
# 后面的每一课，都是这张图的延伸。
# %%
import symgraph as sg

apple = sg.input("apple", ())  # () is the shape of a single number
count = sg.input("count", ())
tax = sg.input("tax", ())
apple_price = apple * count
price = apple_price * tax

shopping = {"apple": 100, "count": 2, "tax": 1.1}
sg.draw(price, level="scalar", values=shopping)
# %% [markdown] en
# Read it twice. **Forward**, left to right, above the edges: 100 · 2 = 200, and 200 · 1.1 = 220. **Backward**, right to
# left, below the edges: it starts with 1, because the bill grows by 1 when the bill grows by 1. At each node it is
# multiplied by the node's *local derivative*. For a product, that is the *other* factor:
#
# - at the last node, 1 · 1.1 = 1.1 goes back to the apples, and 1 · 200 = 200 to the tax;
# - at the first, 1.1 · 2 = **2.2** goes back to the price of an apple, and 1.1 · 100 = **110** to the count.
#
# So one apple dearer by 1 makes the bill larger by 2.2. One pass forward and one back gave *all three* derivatives, and
# the 1.1 in the middle was computed once for two of them. That sharing is why backpropagation is fast.
# %% [markdown] zh
# 这张图要读两遍。**正向传播**，从左往右，看边的上方：100 · 2 = 200，200 · 1.1 = 220。**反向传播**，从右往左，看边的下方：
# 从 1 开始（支付金额对它自身的导数是 1），每经过一个节点，就乘以该节点的*局部导数*。对乘法节点来说，局部导数就是*另一个*因数：
#
# - 在最后一个节点，1 · 1.1 = 1.1 传回苹果一侧，1 · 200 = 200 传给消费税；
# - 在第一个节点，1.1 · 2 = **2.2** 传给苹果的单价，1.1 · 100 = **110** 传给个数。
#
# 所以苹果每个涨价 1 元，支付金额增加 2.2 元。正向、反向各走一遍，就得到了*全部三个*导数，
# 而且中间的 1.1 只算了一次，却被用了两次。正是这种共享，让反向传播如此高效。
# %% [markdown] en
# ## The same drawing, in symbols
#
# Without numbers the drawing carries formulas. Nothing here was written by hand: each one is the chain rule, applied
# at one node.
# %% [markdown] zh
# ## 同一张图，换成符号
#
# 不给数值，图上就是公式。没有一个是手写的：每个公式都是在一个节点上用一次链式法则得到的。
# %%
sg.draw(price, level="scalar")
# %%
gradient = sg.grad(price, [apple, count, tax])
gradient
# %% [markdown] en
# ## Believe nothing
#
# A derivative is a promise about small changes. Make the change and see.
# %% [markdown] zh
# ## 验证一下
#
# 导数是对“微小变化”的断言。那就真的变一变，看看对不对。
# %%
import codegen

bill = codegen.function([apple, count, tax], price)
slopes = codegen.function([apple, count, tax], [gradient[apple], gradient[count], gradient[tax]])

print("price                    ", float(bill(100.0, 2.0, 1.1)))
print("apple dearer by 1        ", round(float(bill(101.0, 2.0, 1.1) - bill(100.0, 2.0, 1.1)), 9))
print("∂price/∂apple, count, tax", *(round(float(s), 9) for s in slopes(100.0, 2.0, 1.1)))
assert [round(float(s), 9) for s in slopes(100.0, 2.0, 1.1)] == [2.2, 110, 200]
# %% [markdown] en
# The last digits of 220.00000000000003 are floating point's: 1.1 has no exact binary form. Reordering a product may move
# them, so symgraph computes what you wrote, in the order you wrote it.
# %% [markdown] zh
# 220.00000000000003 的尾数来自浮点数：1.1 没有精确的二进制表示。改变乘法的次序，尾数就可能改变；
# 因此 symgraph 严格按照你写的式子和次序计算。
