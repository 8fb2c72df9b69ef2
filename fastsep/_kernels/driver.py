"""One parallel loop for every kernel: bands are called by address.

Nothing is inlined into the loop, so a serial run, a pool of threads and this loop execute the same
machine code, and the loop is compiled once, not once for each kernel.
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic


@intrinsic
def _call(typing, address, block, band):
    """Call the band function at `address` with Numba's native calling convention."""

    def generate(context, builder, signature, values):
        pointer = ir.PointerType()
        kind = ir.FunctionType(ir.IntType(32), [pointer, pointer, ir.IntType(64), ir.IntType(64)])
        address, block, band = values
        unused = builder.alloca(ir.IntType(64), size=2)
        function = builder.inttoptr(address, kind.as_pointer())
        builder.call(function, [unused, unused, block, band])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@njit("void(int64, int64, int64)", parallel=True, nogil=True)
def run(address, block, bands):
    for band in prange(bands):
        _call(address, block, band)
