"""Words that several threads read and write, in one order for all of them; and what they wait with."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I32, I64, POINTER, declare

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
    """Leave the core's other hardware thread to itself for some cycles: for ten to a hundred, by the CPU."""

    def generate(context, builder, signature, values):
        triple = target().triple
        if triple.startswith(("x86", "i686", "amd64")):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(declare(builder.module, kind, "llvm.x86.sse2.pause"), [])
        elif triple.startswith(("aarch64", "arm64")):
            # Not `yield`, which does nothing on cores of one thread; `isb` empties the pipeline. 15: the whole system.
            kind = ir.FunctionType(ir.VoidType(), [I32])
            builder.call(declare(builder.module, kind, "llvm.aarch64.isb"), [I32(15)])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def let_run(typing, function):
    """Let another thread that waits for this core run, if there is one: call the system's function at this address."""

    def generate(context, builder, signature, values):
        builder.call(builder.inttoptr(values[0], ir.FunctionType(I32, []).as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def now(typing, clock, which):
    """What the clock `which` says of the system's function at the address `clock`: nanoseconds, on Windows ticks.

    Counting looks tells no time: a pause takes from ten to more than a hundred cycles. A counter of the CPU's has an
    unknown rate (x86) or may not be read (ARM). The system's clock is right everywhere, for 25 ns.
    """

    def generate(context, builder, signature, values):
        address, which = values
        time = cgutils.alloca_once(builder, I64, size=2)
        if "windows" in target().triple:  # QueryPerformanceCounter
            kind, arguments = ir.FunctionType(I32, [POINTER]), [time]
        else:  # clock_gettime
            kind, arguments = ir.FunctionType(I32, [I32, POINTER]), [builder.trunc(which, I32), time]
        builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)
        ticks = builder.load(time, typ=I64)
        if "windows" in target().triple:
            return ticks
        rest = builder.load(builder.gep(time, [I32(1)], source_etype=I64), typ=I64)
        return builder.add(builder.mul(ticks, I64(10**9)), rest)

    return types.int64(types.int64, types.int64), generate
