"""Results written past the caches."""

from __future__ import annotations

from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.simd.emitter import I32, I64
from fastsep._kernels.simd.layers.tile import Tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of


@intrinsic
def stream(typing, acc, to, address, count):
    """Copy `count` bytes with non-temporal stores: a result much larger than the cache need not be read first."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        to, address, count = values[1:]
        e = Tile(builder, arithmetic)
        size = I64(e.size)
        hint = builder.module.add_metadata([I32(1)])
        before = builder.and_(builder.neg(to), I64(e.size - 1))
        before = builder.select(builder.icmp_signed("<", before, count), before, count)
        vectors = builder.sdiv(builder.sub(count, before), size)

        def body(i, carried):
            at = builder.add(before, builder.mul(i, size))
            store = builder.store(e.unaligned(address, at), e.at(to, at), align=e.size)
            store.set_metadata("nontemporal", hint)
            return []

        def single(i, carried):
            at = builder.mul(i, I64(arithmetic.itemsize))
            value = builder.load(e.at(address, at), align=arithmetic.itemsize, typ=e.scalar)
            builder.store(value, e.at(to, at), align=arithmetic.itemsize)
            return []

        item = I64(arithmetic.itemsize)
        e.loop(I64(0), builder.sdiv(before, item), [], single)
        e.loop(I64(0), vectors, [], body)
        done = builder.add(before, builder.mul(vectors, size))
        e.loop(builder.sdiv(done, item), builder.sdiv(count, item), [], single)

    return signature_of(acc, to, address, count), nothing(generate)


@intrinsic
def finish_streams(typing):
    """Streamed results are visible to other threads from here on."""

    def generate(context, builder, signature, values):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate
