"""Words that several threads read and write, in one order for all of them."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.emit import I64, POINTER, declare
from fastsep._kernels.jit import target

ORDER, SIZE = "seq_cst", 8


@intrinsic
def load(typing, address):
    def generate(context, builder, signature, values):
        return builder.load_atomic(builder.inttoptr(values[0], POINTER), ORDER, SIZE, typ=I64)

    return types.int64(types.int64), generate


@intrinsic
def store(typing, address, value):
    def generate(context, builder, signature, values):
        # llvmlite's store_atomic knows no opaque pointers.
        builder.atomic_rmw("xchg", builder.inttoptr(values[0], POINTER), values[1], ORDER)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add(typing, address, value):
    """Add to a word; what it was before."""

    def generate(context, builder, signature, values):
        return builder.atomic_rmw("add", builder.inttoptr(values[0], POINTER), values[1], ORDER)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def pause(typing):
    """Leave the core to others for some cycles."""

    def generate(context, builder, signature, values):
        if target().triple.startswith(("x86", "i686", "amd64")):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(declare(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate
