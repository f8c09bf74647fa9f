"""Types of native values: numbers, buffers, and what is known where a kernel is compiled and takes no part in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir


@dataclass(frozen=True, slots=True)
class Type:
    """A type of values; two of equal fields are one."""

    @property
    def llvm(self) -> ir.Type:
        """As LLVM knows it."""
        raise TypeError(f"{self} has no values at run time")


@dataclass(frozen=True, slots=True)
class Integer(Type):
    """A whole number of so many bits."""

    bits: int
    signed: bool = True

    @property
    def llvm(self) -> ir.Type:
        """An LLVM integer, which does not know its sign."""
        return ir.IntType(self.bits)


@dataclass(frozen=True, slots=True)
class Float(Type):
    """A binary floating-point number of 32 or 64 bits."""

    bits: int

    @property
    def llvm(self) -> ir.Type:
        """LLVM's ``float`` or ``double``."""
        return ir.FloatType() if self.bits == 32 else ir.DoubleType()


@dataclass(frozen=True, slots=True)
class Boolean(Type):
    """True or false: one bit."""

    @property
    def llvm(self) -> ir.Type:
        """LLVM's ``i1``."""
        return ir.IntType(1)


@dataclass(frozen=True, slots=True)
class Nothing(Type):
    """What a word or a kernel returns that returns nothing."""

    @property
    def llvm(self) -> ir.Type:
        """LLVM's ``void``."""
        return ir.VoidType()


@dataclass(frozen=True, slots=True)
class Buffer(Type):
    """A raw pointer to elements of one type.

    Parameters
    ----------
    dtype
        Type of an element: ``float32``, ``float64``, ``int64``, ``int32``, ``uint8``.
    """

    dtype: Type

    @property
    def llvm(self) -> ir.Type:
        """LLVM's ``ptr``."""
        return ir.PointerType()


@dataclass(frozen=True, slots=True)
class NumberClass(Type):
    """The type of ``float32`` itself, where it is an argument: ``dtype`` is that of its numbers."""

    dtype: Type


@dataclass(frozen=True, slots=True)
class Several(Type):
    """A tuple, which is taken apart at once."""

    parts: tuple[Type, ...]


int32, int64, uint8 = Integer(32), Integer(64), Integer(8, signed=False)
float32, float64, boolean, none = Float(32), Float(64), Boolean(), Nothing()

_OF: dict[Any, Type] = {np.int32: int32, np.int64: int64, np.uint8: uint8, np.float32: float32, np.float64: float64}
_OF |= {int: int64, float: float64, bool: boolean}


def of_class(given: Any) -> Type | None:
    """The type of the numbers of a NumPy scalar class, or of ``int``, ``float`` or ``bool``; None for anything else."""
    return _OF.get(given) if isinstance(given, type) else None


def cast(builder: ir.IRBuilder, value: ir.Value, given: Type, wanted: Type) -> ir.Value:
    """A number as one of another type, as C converts it.

    Raises
    ------
    TypeError
        There is no such conversion.
    """
    if given == wanted:
        return value
    to = wanted.llvm
    if isinstance(value, ir.Constant) and isinstance(wanted, Float):
        number = float(value.constant)
        return ir.Constant(to, number if wanted.bits == 64 else float(np.float32(number)))
    match given, wanted:
        case (Float(), Float()):
            return builder.fptrunc(value, to) if wanted.bits < given.bits else builder.fpext(value, to)
        case (Float(), Integer()):
            return builder.fptosi(value, to)
        case (Integer(), Float()):
            return builder.sitofp(value, to) if given.signed else builder.uitofp(value, to)
        case (Boolean(), Float()):
            return builder.uitofp(value, to)
        case (Boolean(), Integer()):
            return builder.zext(value, to)
        case (Integer(), Integer()):
            if wanted.bits <= given.bits:
                return value if wanted.bits == given.bits else builder.trunc(value, to)
            return builder.sext(value, to) if given.signed else builder.zext(value, to)
        case (Integer(), Boolean()):
            return builder.icmp_signed("!=", value, ir.Constant(given.llvm, 0))
        case (Float(), Boolean()):
            return builder.fcmp_unordered("!=", value, ir.Constant(given.llvm, 0.0))
    raise TypeError(f"no {wanted} is made of a {given}")
