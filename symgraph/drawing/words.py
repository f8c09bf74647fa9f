"""What pages say, in English and in Chinese. A phrase is known by its English; ``{}`` stands for names and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from symgraph.core.provenance import at_line
from symgraph.errors import ArgumentError

Say = Callable[[str], str]
"""From a phrase in English to that of a language."""

CHINESE = {
    # panes and their tables
    "Declaration": "声明", "Graph": "计算图", "Formulas": "公式", "Derivation": "推导", "Kernels": "内核",
    "Cost": "开销", "Values": "数值", "Training": "训练",
    "{}: formula, graph, derivation": "{}：公式、计算图、推导",
    "{}: formula, graph, derivation, kernels": "{}：公式、计算图、推导、内核",
    "panes": "各部分", "light or dark": "浅色／深色",
    "Select a value, by click or by Tab and Enter, and it lights up everywhere.":
        "单击某个量（或用 Tab 键移动、回车键选中），它出现的每一处都会高亮。",
    "{}: in {} places. Escape ends the selection.": "{}：共 {} 处。按 Esc 取消选中。",
    "name": "名称", "kind": "种类", "shape": "形状", "values": "取值", "declared at": "声明于",
    "input": "输入", "labels": "标签", "parameter": "参数", "state": "状态", "scalar": "标量", "constant": "常量",
    "random": "随机数", "rows sum to 1": "各行之和为 1", "of the optimiser": "属于优化器",
    "Graph of {}": "{} 的计算图", "{}, all layers": "{}，所有层",
    "Fold or open the layers that repeat": "折叠或展开重复的层",
    "value": "量", "index form": "下标形式", "matrix form": "矩阵形式",
    "Forward": "正向传播", "Forward as computed": "正向传播，实际计算的形式", "Backward": "反向传播",
    "Backward as computed": "反向传播，实际计算的形式", "Update": "更新", "Update ({})": "更新（{}）", "where": "其中",
    "{} more of this form: {}": "同样形式的还有 {} 组：{}", "{} more of this form": "同样形式的还有 {} 组",
    "if": "若", "otherwise": "其他情形",
    # notes
    "max(u, c)′ = 0 at u = c: a branch that is not taken has derivative 0 (ReLU′(0) = 0).":
        "max(u, c) 在 u = c 处的导数取 0：未选中的分支导数为 0（ReLU′(0) = 0）。",
    "|u|′ = sign(u), 0 at u = 0.": "|u|′ = sign(u)，在 u = 0 处取 0。",
    "A maximum or minimum over an axis passes its derivative to the first element that attains it.":
        "沿某个轴的最大值或最小值，把导数传给第一个取到它的元素。",
    "sign, floor and ceiling count as locally constant.": "sign、floor、ceiling 视为局部常数。",
    "Declared and used: the rows of {} sum to 1.": "用到的声明：{} 的各行之和为 1。",
    "The other {} parameters are updated by the same formulas.": "其余 {} 个参数按同样的公式更新。",
    "Matrix form: functions, ⊙ and ⊘ are element-wise; an array that lacks an axis is repeated along it.":
        "矩阵形式：函数、⊙ 和 ⊘ 都逐元素进行；缺少某个轴的数组沿该轴重复。",
    # derivations
    "Derivation of ": "推导：", "Derivation of {}": "推导：{}", "given": "已知", "derivative {}": "导数 {}",
    "which derivative": "哪个导数", "← back": "← 上一步", "on →": "下一步 →", "all steps": "全部步骤",
    "or the arrow keys": "也可以用方向键", "step {} of {}": "第 {} 步，共 {} 步",
    "chain rule": "链式法则", "chain rule through": "链式法则，经过", "derivative of": "求导", "fold through": "代回",
    "cancel and collect": "约分并合并", "collected": "合并", "sum of the contributions": "各项贡献相加",
    "which is known": "已经求得", "sum over the steps": "对各时间步求和", "back through the steps": "沿时间步反向",
    "as computed, through {}": "实际计算的形式，代回 {}", "δ collapses the sum": "δ 使求和只剩一项",
    "sum of a constant": "常数求和", "factor out of the sum": "提到求和号之外",
    "left as the chain rule gave it": "保留链式法则的结果",
    # kernels, costs, values, curves
    "formulas of {}": "{} 的公式", "code of {}": "{} 的代码", "code": "代码", "output": "输出", "result": "结果",
    "{} operations, {} bytes": "{} 次运算，{} 字节", "kernel": "内核", "operations": "运算次数", "bytes": "字节数",
    "of the machine's limit": "占机器极限", "At {}.": "当 {} 时。", "Stages: {}.": "各阶段：{}。",
    "layer": "层", "declared": "声明", "parameters": "参数个数", "{} parameters": "{} 个参数",
    "cost": "开销", "operations: {}": "运算次数：{}",
    "{} ulp at worst, {} in the median": "最差 {} ulp，中位数 {}",
    "Errors": "误差", "formula": "公式", "dtype": "类型", "written": "按原式",
    "runs": "实际", "median": "中位数", "worst at": "最差之处", "runs as": "实际计算的形式", "as written": "同原式",
    "not measured: {}": "未测：{}",
    "range": "范围", "mean": "均值", "deviation": "标准差", "distribution": "分布",
    "{} not finite, the first at {}": "{} 个值不是有限数，第一个在 {}", "0 everywhere": "处处为 0",
    "not finite": "不是有限数",
    "{} of {} columns are 0 in every row: {}": "{} 列（共 {} 列）在每一行都为 0：{}",
    "vanishes: {} of {}, the nearest to the loss": "梯度消失：只有最靠近损失的 {1} 的 {0}",
    "explodes: {} times {}, the nearest to the loss": "梯度爆炸：是最靠近损失的 {1} 的 {0} 倍",
    **dict.fromkeys((f"{{}} epoch{e}, {{}} step{s}, {{}}" for e in ("", "s") for s in ("", "s")), "{} 轮，{} 步，{}"),
    "epoch": "轮", "loss": "损失", "validation": "验证",
    "{}, logarithmic": "{}（对数坐标）", "histogram of {} values": "{} 个值的直方图",
    "{} over {} epochs, from {} to {}": "{}，共 {} 轮，从 {} 到 {}",
}  # fmt: skip
_BY_LANGUAGE = {"en": {}, "zh": CHINESE}


def english(phrase: str) -> str:
    """The phrase itself."""
    return phrase


@lru_cache
def words(language: str) -> Say:
    """What phrases are in a language, ``"en"`` or ``"zh"``; one that has no translation stays as it is.

    Raises
    ------
    ArgumentError
        for another language.
    """
    if language not in _BY_LANGUAGE:
        raise ArgumentError(at_line(f"language must be one of {', '.join(_BY_LANGUAGE)}, not {language!r}"))
    known: dict[str, str] = _BY_LANGUAGE[language]
    open_phrases = [(_pattern(phrase), told) for phrase, told in known.items() if "{}" in phrase]

    def say(phrase: str) -> str:
        if phrase in known:
            return known[phrase]
        for pattern, told in open_phrases:
            if (found := pattern.fullmatch(phrase)) is not None:
                return told.format(*found.groups())
        return phrase

    return say


def _pattern(phrase: str) -> re.Pattern[str]:
    return re.compile("(.+)".join(map(re.escape, phrase.split("{}"))), re.DOTALL)
