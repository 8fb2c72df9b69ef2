"""Histograms of columns of bytes: sixteen counts of the upper four bits, for each of these sixteen of the lower four.

Counts are sums: number k says how many values are no larger than k. So a byte that comes in adds one to all counts from
its own on, which is one addition, and the value of a rank is the number of counts that are not above it.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.arguments import Recent
from fastsep._kernels.simd.emitter import I64, Emitter, declare
from fastsep._kernels.simd.memory import dtype_of, nothing

#: Counts of a histogram, and their bytes.
BINS, BYTES = 16, 32
COUNT, BYTE = ir.IntType(16), ir.IntType(8)
COUNTS = ir.VectorType(COUNT, BINS)


class Counter(Emitter):
    """Emits what is done with histograms of bytes of one dtype."""

    def __init__(self, builder, dtype):
        super().__init__(builder, np.dtype(np.uint16))
        self.count, self.vector = BINS, COUNTS
        self.flip = BYTE(0x80 if dtype.kind == "i" else 0)  # makes signed bytes unsigned ones in the same order

    def place(self, start, index):
        """The address of histogram number `index`."""
        return self.b.add(start, self.b.mul(index, I64(BYTES)))

    def counts(self, address):
        return self.b.load(self.at(address), align=BYTES, typ=COUNTS)

    def parts(self, address):
        """The upper and the lower four bits of the byte there."""
        byte = self.b.xor(self.b.load(self.at(address), align=1, typ=BYTE), self.flip)
        byte = self.b.zext(byte, I64)
        return self.b.lshr(byte, I64(4)), self.b.and_(byte, I64(15))

    def not_above(self, counts, rank):
        """How many counts are no larger than `rank`."""
        bits = self.b.bitcast(self.b.icmp_unsigned("<=", counts, self.splat(rank)), COUNT)
        kind = ir.FunctionType(COUNT, [COUNT])
        return self.b.zext(self.b.call(declare(self.b.module, kind, "llvm.ctpop.i16"), [bits]), I64)


def _count(dtype, addresses):
    def generate(context, builder, signature, values):
        ones, coarse, fine, columns, *rows = values[1:]
        e = Counter(builder, dtype_of(dtype))

        def histograms(row, column):
            upper, lower = e.parts(builder.add(row, column))
            at = e.place(fine, builder.add(builder.mul(upper, columns), column))
            return at, e.counts(e.place(ones, upper)), e.counts(e.place(ones, lower))

        def step(column, _):
            at, upper, lower = histograms(rows[0], column)
            above, below = e.counts(e.place(coarse, column)), e.add(e.counts(at), lower)
            if len(rows) > 1:
                left_at, left_upper, left_lower = histograms(rows[1], column)
                # Both may be the same histogram: what was stored last would be read back late.
                left = builder.select(builder.icmp_signed("==", at, left_at), below, e.counts(left_at))
                upper = e.sub(upper, left_upper)
            builder.store(e.add(above, upper), e.at(e.place(coarse, column)), align=BYTES)
            builder.store(below, e.at(at), align=BYTES)
            if len(rows) > 1:
                builder.store(e.sub(left, left_lower), e.at(left_at), align=BYTES)
            return []

        e.loop(I64(0), columns, [], step)

    return types.void(dtype, *[types.int64] * len(addresses)), nothing(generate)


@intrinsic
def count_row(typing, dtype, ones, coarse, fine, columns, row):
    """Add a row of `columns` bytes to their histograms. `ones`: address of those of the bytes 0 to 15 alone."""
    return _count(dtype, [ones, coarse, fine, columns, row])


@intrinsic
def move_row(typing, dtype, ones, coarse, fine, columns, row, left_row):
    """Add a row, and take another one away."""
    return _count(dtype, [ones, coarse, fine, columns, row, left_row])


@intrinsic
def rank_row(typing, dtype, coarse, fine, columns, step, recent, sums, size, count, rank, out):
    """The value of a rank in each of `count` windows of `size` columns, `step` columns apart.

    The histograms of the lower bits in a window are kept for two values of the upper bits, between which results may go
    to and fro; those of all others are in `recent` (see `arguments`), as they were when they were needed last.
    `sums`: address of room for a histogram, behind a zero.
    """

    def generate(context, builder, signature, values):
        coarse, fine, columns, step, recent, sums, size, count, rank, out = values[1:]
        b, e = builder, Counter(builder, dtype_of(dtype))
        wanted = b.trunc(rank, COUNT)
        none = ir.Constant(COUNTS, [0] * BINS)

        def at(start, window):
            return e.place(start, b.mul(window, step))

        def added(start):
            return lambda window, held: [e.add(held[0], e.counts(at(start, window)))]

        def moved(start):
            """From the window before `window` to it."""

            def to(window, held):
                last = e.counts(at(start, b.add(window, b.sub(size, I64(1)))))
                return [e.sub(e.add(held[0], last), e.counts(at(start, b.sub(window, I64(1)))))]

            return to

        def own(upper):
            return b.add(fine, b.mul(b.mul(upper, columns), I64(BYTES)))

        def record(upper):
            return b.add(recent, b.mul(upper, I64(8 * Recent.length)))

        def one(window, held):
            counts, old, new, old_upper, new_upper = held
            upper = e.not_above(counts, wanted)
            b.store(counts, e.at(sums), align=BYTES)
            below = b.load(e.at(b.add(sums, b.mul(upper, I64(2))), -2), align=2, typ=COUNT)

            def other():
                kept = record(old_upper)
                b.store(old, e.at(kept), align=BYTES)
                b.store(window, e.at(kept, 8 * Recent.window), align=8)
                kept = record(upper)
                last = b.load(e.at(kept, 8 * Recent.window), align=8, typ=I64)
                end = b.add(window, size)
                stale = b.icmp_signed(">", b.sub(window, last), size)
                found = [b.select(stale, none, e.counts(kept))]
                found = e.loop(b.select(stale, window, end), end, found, added(own(upper)))
                start = b.add(b.select(stale, window, last), I64(1))
                return [new, *e.loop(start, b.add(window, I64(1)), found, moved(own(upper)))]

            is_old, is_new = (b.icmp_signed("==", upper, each) for each in (old_upper, new_upper))
            known = b.or_(is_old, is_new)
            old, new = e.switch(b.zext(known, I64), {1: lambda: [old, new], 0: other})
            old_upper, new_upper = b.select(known, old_upper, new_upper), b.select(known, new_upper, upper)
            lower_counts = b.select(b.icmp_signed("==", upper, new_upper), new, old)
            lower = e.not_above(lower_counts, b.sub(wanted, below))
            value = b.trunc(b.or_(b.shl(upper, I64(4)), lower), BYTE)
            b.store(b.xor(value, e.flip), e.at(b.add(out, b.mul(window, step))), align=1)
            after = b.add(window, I64(1))
            starts = (coarse, counts), (own(old_upper), old), (own(new_upper), new)
            return [*(moved(start)(after, [each])[0] for start, each in starts), old_upper, new_upper]

        firsts = [e.loop(I64(0), size, [none], added(start))[0] for start in (coarse, own(I64(0)), own(I64(1)))]
        e.loop(I64(0), count, [*firsts, I64(0), I64(1)], one)

    arguments = [coarse, fine, columns, step, recent, sums, size, count, rank, out]
    return types.void(dtype, *[types.int64] * len(arguments)), nothing(generate)
