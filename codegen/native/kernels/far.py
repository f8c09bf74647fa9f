"""sin, cos and tan of arguments that are far from 0, where x − k·π/2 takes more of π than three float64 hold.

A loop that is vectorised has no branches; a table that every lane looks into would make every argument four times
slower. So the loop calls :func:`rarely`, a function that LLVM has variants of for vectors, in which one branch asks
whether any lane is far; only then are those lanes computed, one by one. The loop vectoriser sees declarations alone;
their bodies come after it, and are put into the loops (:func:`bodies`).

The reduction is M. Payne's and R. Hanek's (1983): of 2/π the 192 bits that matter, times the 53 of the argument, as
integers. What is left out is below 2⁻¹³⁷, and no float64 is nearer to a multiple of π/2 than 2⁻⁶¹ (J.-M. Muller 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise

import mpmath
from llvmlite import ir

from codegen.native.kernels.lane import Lane

PREFIX = "symgraph_far_"
WIDTHS = (2, 4, 8, 16, 32)
"""Lanes that a loop may have."""
KINDS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
_I1, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (1, 32, 64, 128))
_DOUBLE = KINDS["float64"]
KEPT = "llvm.compiler.used"
WORDS = 20
"""Words of 2/π; the largest exponent asks for those up to bit 64 + 971 − 2 + 192 of what follows a word of zeros."""


def name_of(function: str, kind: str) -> str:
    """The function of an argument and of what is the value unless that is far."""
    return f"{PREFIX}{function}_{kind}"


def is_far_name(name: str) -> bool:
    """Whether a symbol is one of these functions."""
    return name.startswith(PREFIX)


def declarations(names: Iterable[str]) -> str:
    """What the vectoriser has to know of some of them."""
    lines: list[str] = []
    used: list[str] = []
    for name in sorted(names):
        kind = "float" if name.endswith("float32") else "double"
        variants = [f"_ZGV_LLVM_N{width}vv_{name}({name}_{width})" for width in WIDTHS]
        lines += [f"declare <{w} x {kind}> @{name}_{w}(<{w} x {kind}>, <{w} x {kind}>) #0" for w in WIDTHS]
        used += [f"ptr @{name}", *(f"ptr @{name}_{w}" for w in WIDTHS)]
        attribute = f'"vector-function-abi-variant"="{",".join(variants)}"'
        lines.append(f"declare {kind} @{name}({kind}, {kind}) #0 {attribute}")
    lines.append("attributes #0 = { nounwind willreturn speculatable memory(none) }")
    kept = f"[{len(used)} x ptr] [{', '.join(used)}]"
    lines.append(f'@{KEPT} = appending global {kept}, section "llvm.metadata"')
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=16)
def bodies(names: frozenset[str]) -> str:
    """Some of the functions, of single arguments and of vectors."""
    from codegen.native.kernels.trigonometric import FAR, LIMIT

    module = ir.Module("far")
    table = _table(module)
    for function, algorithm in FAR.items():
        kinds = [kind for kind in KINDS if name_of(function, kind) in names]
        slow = _slow(module, table, function, algorithm) if kinds else None
        for kind in kinds:
            for width in (1, *WIDTHS):
                _guarded(module, slow, function, kind, width, LIMIT)
    return str(module)


def _table(module: ir.Module) -> ir.GlobalVariable:
    with mpmath.workprec(64 * WORDS + 64):
        digits = int(mpmath.floor(mpmath.ldexp(2 / mpmath.pi, 64 * (WORDS - 1))))
    words = [0] + [digits >> 64 * (WORDS - 2 - n) & 2**64 - 1 for n in range(WORDS - 1)]
    kind = ir.ArrayType(_I64, WORDS)
    table = ir.GlobalVariable(module, kind, f"{PREFIX}table")
    table.initializer, table.global_constant, table.linkage = ir.Constant(kind, words), True, "internal"
    return table


def _slow(module: ir.Module, table: ir.GlobalVariable, name: str, algorithm: Callable[..., Lane]) -> ir.Function:
    """The function of one float64 that is far."""
    from codegen.native.kernels.lane_llvm import lanes

    function = ir.Function(module, ir.FunctionType(_DOUBLE, [_DOUBLE]), f"{PREFIX}{name}_slow")
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("cold")
    builder = ir.IRBuilder(function.append_basic_block())
    (x,) = function.args
    value = algorithm(*lanes(builder, reduced(builder, table, x)))
    finite = builder.fcmp_ordered("<", builder.call(_intrinsic(builder, "fabs", _DOUBLE, 1), [x]), _number(math.inf))
    builder.ret(builder.select(finite, value.value, _number(math.nan)))
    return function


def _intrinsic(builder: ir.IRBuilder, name: str, kind: ir.Type, operands: int) -> ir.Function:
    element, count = (kind.element, f"v{kind.count}") if isinstance(kind, ir.VectorType) else (kind, "")
    full = f"llvm.{name}.{count}{element.intrinsic_name}"
    known = builder.module.globals.get(full)
    return known or ir.Function(builder.module, ir.FunctionType(kind, [kind] * operands), full)


def reduced(builder: ir.IRBuilder, table: ir.GlobalVariable, x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """r = high + low, |r| ≤ π/4, and k mod 4, with x = k·π/2 + r, of a finite float64 of 2^45 or more in size."""
    from codegen.native.kernels.trigonometric import HALF_PI

    def word(number: int) -> ir.Constant:
        return ir.Constant(_I64, number)

    def funnel(high: ir.Value, low: ir.Value, count: ir.Value) -> ir.Value:
        return builder.call(_intrinsic(builder, "fshl", _I64, 3), [high, low, count])

    def product(left: ir.Value, right: ir.Value) -> ir.Value:
        return builder.mul(builder.zext(left, _I128), builder.zext(right, _I128))

    def upper(wide: ir.Value) -> ir.Value:
        return builder.lshr(wide, ir.Constant(_I128, 64))

    bits = builder.bitcast(x, _I64)
    exponent = builder.and_(builder.lshr(bits, word(52)), word(2047))
    mantissa = builder.or_(builder.and_(bits, word(2**52 - 1)), word(2**52))
    start = builder.add(exponent, word(64 - 1075 - 2))  # of the first bit that is not a multiple of 4 of the product
    at, shift = builder.lshr(start, word(6)), builder.and_(start, word(63))
    found = []
    for n in range(4):
        place = builder.add(at, word(n))
        last = builder.icmp_unsigned("<", place, word(WORDS))
        place = builder.select(last, place, word(WORDS - 1))  # what is not finite reads some word
        found.append(builder.load(builder.gep(table, [word(0), place], inbounds=True)))
    window = [funnel(high, low, shift) for high, low in pairwise(found)]
    last_part = product(mantissa, window[2])
    middle = builder.add(product(mantissa, window[1]), upper(last_part))
    first = builder.add(product(mantissa, window[0]), upper(middle))
    words = [builder.trunc(part, _I64) for part in (first, middle, last_part)]
    two = word(2)
    parts = [funnel(words[0], words[1], two), funnel(words[1], words[2], two), builder.shl(words[2], two)]
    below = builder.ashr(parts[0], word(63))  # all ones where the next multiple is nearer
    quarter = builder.sub(builder.lshr(words[0], word(62)), below)
    sizes = [builder.xor(part, below) for part in parts]
    zeros = builder.call(
        builder.module.declare_intrinsic("llvm.ctlz", [_I64], ir.FunctionType(_I64, [_I64, _I1])),
        [sizes[0], ir.Constant(_I1, 0)],
    )
    leading, following = funnel(sizes[0], sizes[1], zeros), funnel(sizes[1], sizes[2], zeros)
    second = funnel(leading, following, word(53))
    scale = builder.bitcast(builder.shl(builder.sub(word(1023), zeros), word(52)), _DOUBLE)
    high, low = (
        builder.fmul(builder.fmul(builder.uitofp(builder.lshr(part, word(11)), _DOUBLE), _number(2.0**power)), scale)
        for part, power in ((leading, -53), (second, -106))
    )
    halves = [_number(part) for part in HALF_PI]
    fma = _intrinsic(builder, "fma", _DOUBLE, 3)
    whole = builder.fmul(high, halves[0])
    lost = builder.call(fma, [high, halves[0], builder.fneg(whole)])
    rest = builder.fadd(lost, builder.fadd(builder.fmul(high, halves[1]), builder.fmul(low, halves[0])))
    total = builder.fadd(whole, rest)
    rest = builder.fsub(rest, builder.fsub(total, whole))
    negative = builder.icmp_signed("<", builder.xor(bits, below), word(0))
    signed = [builder.select(negative, builder.fneg(part), part) for part in (total, rest)]
    from_below = builder.icmp_signed("<", bits, word(0))
    return signed[0], signed[1], builder.select(from_below, builder.neg(quarter), quarter)


def _number(number: float) -> ir.Constant:
    return ir.Constant(_DOUBLE, number)


def _guarded(module: ir.Module, slow: ir.Function, name: str, kind: str, width: int, limit: float) -> None:
    """The function of an argument, or of a vector of them, and of what its value is where no lane is far."""
    scalar = KINDS[kind]
    whole = scalar if width == 1 else ir.VectorType(scalar, width)
    full = name_of(name, kind) if width == 1 else f"{name_of(name, kind)}_{width}"
    function = ir.Function(module, ir.FunctionType(whole, [whole, whole]), full)
    function.attributes.add("alwaysinline")
    x, value = function.args
    start, rare, end = (function.append_basic_block(part) for part in ("start", "rare", "end"))
    builder = ir.IRBuilder(start)
    far = _is_far(builder, x, limit, width)
    if width > 1:
        mask = ir.IntType(width)
        far = builder.icmp_unsigned("!=", builder.bitcast(far, mask), ir.Constant(mask, 0))
    builder.cbranch(far, rare, end).set_weights([1, 2**20])
    builder.position_at_end(rare)
    changed = builder.call(_by_lanes(module, slow, kind, width, limit, f"{full}_rare"), [x, value])
    builder.branch(end)
    builder.position_at_end(end)
    result = builder.phi(whole)
    result.add_incoming(value, start)
    result.add_incoming(changed, rare)
    builder.ret(result)


def _by_lanes(module: ir.Module, slow: ir.Function, kind: str, width: int, limit: float, name: str) -> ir.Function:
    """The values of the lanes that are far by themselves, of the others as they are given."""
    scalar = KINDS[kind]
    whole = scalar if width == 1 else ir.VectorType(scalar, width)
    function = ir.Function(module, ir.FunctionType(whole, [whole, whole]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("cold")
    x, changed = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    for lane in range(width):
        place = ir.Constant(_I32, lane)
        one, before = (v if width == 1 else builder.extract_element(v, place) for v in (x, changed))
        wide = one if kind == "float64" else builder.fpext(one, _DOUBLE)
        far = _is_far(builder, wide, limit, 1)
        found = builder.call(slow, [builder.select(far, wide, _number(2 * limit))])
        found = builder.select(far, found if kind == "float64" else builder.fptrunc(found, scalar), before)
        changed = found if width == 1 else builder.insert_element(changed, found, place)
    builder.ret(changed)
    return function


def _is_far(builder: ir.IRBuilder, x: ir.Value, limit: float, width: int) -> ir.Value:
    most = ir.Constant(x.type, limit if width == 1 else [limit] * width)
    return builder.fcmp_ordered(">", builder.call(_intrinsic(builder, "fabs", x.type, 1), [x]), most)
