"""``//`` and ``%`` of whole numbers, rounded down as in Python: by a positive constant, few instructions; a quotient by
0 is 0, for native code raises nothing."""

from __future__ import annotations

from llvmlite import ir


def _below_zero(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """−1 where the value is negative, else 0."""
    return builder.ashr(value, ir.Constant(value.type, value.type.width - 1))


def quotient(builder: ir.IRBuilder, value: ir.Value, divisor: ir.Value) -> ir.Value:
    """⌊value/divisor⌋: the machine's quotient, which is rounded to zero, less 1 where the remainder has the other
    sign."""
    if isinstance(divisor, ir.Constant) and divisor.constant > 0:
        return builder.add(builder.sdiv(value, divisor), _below_zero(builder, builder.srem(value, divisor)))
    safe, is_zero, is_minus_one = _safe(builder, divisor)
    rest = builder.srem(value, safe)
    rounded = builder.sub(builder.sdiv(value, safe), builder.zext(_is_off(builder, rest, safe), value.type))
    zero = ir.Constant(value.type, 0)
    return builder.select(is_minus_one, builder.sub(zero, value), builder.select(is_zero, zero, rounded))


def remainder(builder: ir.IRBuilder, value: ir.Value, divisor: ir.Value) -> ir.Value:
    """``value`` modulo ``divisor``, which has the divisor's sign."""
    if isinstance(divisor, ir.Constant) and divisor.constant > 0:
        rest = builder.srem(value, divisor)
        return builder.add(rest, builder.and_(_below_zero(builder, rest), divisor))
    safe, is_zero, is_minus_one = _safe(builder, divisor)
    rest = builder.srem(value, safe)
    zero = ir.Constant(value.type, 0)
    moved = builder.add(rest, builder.select(_is_off(builder, rest, safe), safe, zero))
    return builder.select(builder.or_(is_minus_one, is_zero), zero, moved)


def _safe(builder: ir.IRBuilder, divisor: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """A divisor that the machine divides every number by, and whether the given one is 0 or −1, which overflows."""
    is_zero, is_minus_one = (builder.icmp_signed("==", divisor, ir.Constant(divisor.type, n)) for n in (0, -1))
    safe = builder.select(builder.or_(is_zero, is_minus_one), ir.Constant(divisor.type, 1), divisor)
    return safe, is_zero, is_minus_one


def _is_off(builder: ir.IRBuilder, rest: ir.Value, divisor: ir.Value) -> ir.Value:
    """Whether a remainder is not 0 and has not the divisor's sign."""
    zero = ir.Constant(rest.type, 0)
    differs = builder.icmp_signed("<", builder.xor(rest, divisor), zero)
    return builder.and_(builder.icmp_signed("!=", rest, zero), differs)
