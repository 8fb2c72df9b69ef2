"""Rows that are sums of other rows.

In both intrinsics the dtypes come first, then how many vectors of neighbouring columns are made together: a literal; 0:
one value. `table` is the address of an array of row addresses, `offset` the distance in bytes from a row's start.
"""

from __future__ import annotations

from numba.extending import intrinsic

from fastsep._kernels.arguments import LINE
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I32, I64, tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of
from fastsep._kernels.simd.taps import TapEmitter


def _emitter(builder, acc, vectors):
    return TapEmitter(builder, acc, vectors.literal_value * target().vector_bytes // acc.itemsize or 1)


@intrinsic(prefer_literal=True)
def reduce_rows(typing, src, acc, dst, vectors, table, step, offset, taps, count, targets, place):
    """Results of one phase, `step` rows of the source apart, as many as a tile has.

    Result r is the sum over p < `step` and k < `count` of taps[p * count + k] times row table[(r + k) * step + p], and
    goes to targets[r] + place.
    """
    source, arithmetic, result = dtype_of(src), dtype_of(acc), dtype_of(dst)

    def generate(context, builder, signature, values):
        table, step, offset, taps, count, targets, place = values[4:]
        e = _emitter(builder, arithmetic, vectors)
        apart, line = builder.mul(step, I64(8)), builder.mul(count, I64(arithmetic.itemsize))

        def phase(p, sums):
            first = builder.add(table, builder.mul(p, I64(8)))

            def element(j):
                at = builder.add(e.word(builder.add(first, builder.mul(j, apart)), I64(0)), offset)
                e.prefetch(builder.add(at, I64(LINE)), level=1)  # rows are too many streams for the hardware
                return e.load(at, source)

            return e.slide(element, builder.add(taps, builder.mul(p, line)), count, sums, False)

        sums = e.loop(I64(0), step, [e.splat(0)] * tile(arithmetic), phase)
        for r, value in enumerate(sums):
            e.store(value, builder.add(e.word(targets, I64(r)), place), result)

    return signature_of(src, acc, dst, vectors, table, step, offset, taps, count, targets, place), nothing(generate)


@intrinsic(prefer_literal=True)
def expand_rows(typing, src, acc, dst, vectors, table, offset, taps, count, to, streamed):
    """Store at `to` the sum over k < `count` of taps[k] times row table[k].

    If `streamed` is 1, stores are non-temporal; then `to` is a multiple of a vector's size and `dst` is the dtype of
    the arithmetic.
    """
    source, arithmetic, result = dtype_of(src), dtype_of(acc), dtype_of(dst)

    def generate(context, builder, signature, values):
        table, offset, taps, count, to, streamed = values[4:]
        e = _emitter(builder, arithmetic, vectors)

        def step(k, sums):
            value = e.load(builder.add(e.word(table, k), offset), source)
            return [e.muladd(e.broadcast(taps, k), value, sums[0])]

        (total,) = e.loop(I64(0), count, [e.splat(0)], step)

        def store():
            e.store(total, to, result)
            return []

        def stream():
            hint = builder.module.add_metadata([I32(1)])
            builder.store(total, e.at(to), align=target().vector_bytes).set_metadata("nontemporal", hint)
            return []

        if result == arithmetic and vectors.literal_value:
            e.switch(streamed, {0: store, 1: stream})
        else:
            store()

    return signature_of(src, acc, dst, vectors, table, offset, taps, count, to, streamed), nothing(generate)
