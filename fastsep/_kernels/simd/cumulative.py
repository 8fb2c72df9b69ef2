"""Cumulative histograms of columns of bytes, over as many values as a vector has lanes.

Lane k says how many bytes are no larger than the value `start` + k. So what a byte adds are zeros and, from its own
value on, ones: its step, a vector. Steps of larger bytes lie before those of smaller ones.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, Emitter, declare
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of

BYTE = ir.IntType(8)


class Counter(Emitter):
    """Emits what is done with histograms of bytes of one dtype; `steps`: address of the step of zero.

    Histograms of neighbouring columns lie behind each other from `histograms` on.
    """

    def __init__(self, builder, dtype, histograms):
        super().__init__(builder, np.dtype(np.uint8))
        self.flip = BYTE(0x80 if dtype.kind == "i" else 0)  # makes signed bytes unsigned ones in the same order
        self.histograms, self.bytes = histograms, target().vector_bytes
        self.none = ir.Constant(self.vector, [0] * self.count)

    def byte(self, address):
        return self.b.xor(self.b.load(self.at(address), align=1, typ=BYTE), self.flip)

    def step(self, steps, address):
        """What the byte there adds."""
        place = self.b.sub(steps, self.b.mul(self.b.zext(self.byte(address), I64), I64(self.bytes)))
        return self.b.load(self.at(place), align=self.bytes, typ=self.vector)

    def place(self, column):
        return self.at(self.b.add(self.histograms, self.b.mul(column, I64(self.bytes))))

    def histogram(self, column):
        return self.b.load(self.place(column), align=self.bytes, typ=self.vector)

    def not_above(self, counts, rank):
        """A bit for each count, set where it is no larger than `rank`: the lowest ones, as counts do not fall."""
        return self.b.bitcast(self.b.icmp_unsigned("<=", counts, self.splat(rank)), ir.IntType(self.count))

    def number(self, bits):
        """How many bits are set."""
        kind = ir.IntType(self.count)
        found = self.b.call(declare(self.b.module, ir.FunctionType(kind, [kind]), f"llvm.ctpop.i{self.count}"), [bits])
        return found if self.count == 64 else self.b.zext(found, I64)


@intrinsic
def value(typing, dtype, address):
    """The byte there, as an unsigned one in the same order."""

    def generate(context, builder, signature, values):
        return builder.zext(Counter(builder, dtype_of(dtype), None).byte(values[1]), I64)

    return types.int64(dtype, types.int64), generate


@intrinsic
def begin(typing, dtype, steps, histograms, columns, row, row_bytes, rows):
    """Histograms of `columns` columns of `rows` bytes. `row`: address of the first row, `row_bytes` before the next."""

    def generate(context, builder, signature, values):
        steps, histograms, columns, row, row_bytes, rows = values[1:]
        e = Counter(builder, dtype_of(dtype), histograms)

        def count(column, _):
            def one(y, held):
                return [e.add(held[0], e.step(steps, builder.add(top, builder.mul(y, row_bytes))))]

            top = builder.add(row, column)
            builder.store(e.loop(I64(0), rows, [e.none], one)[0], e.place(column), align=e.bytes)
            return []

        e.loop(I64(0), columns, [], count)

    return signature_of(dtype, steps, histograms, columns, row, row_bytes, rows), nothing(generate)


@intrinsic
def rank_row(typing, dtype, steps, left_steps, histograms, row, left_row, size, count, rank, out, apart, keep, more):
    """In each of `count` windows of `size` columns, count the values whose counts are no larger than `rank`.

    Each column is moved to its row first: the byte in `row` comes in, that in `left_row`, with its own steps, goes out.
    The number, and `more`, are added to the bits to `keep` of what is at `out`; results are `apart` bytes from each
    other. Returns the smallest number found, and 256 times the largest one.
    """

    def generate(context, builder, signature, values):
        steps, left_steps, histograms, row, left_row, size, count, rank, out, apart, keep, more = values[1:]
        b, e = builder, Counter(builder, dtype_of(dtype), histograms)
        rank, keep, more = (b.trunc(value, BYTE) for value in (rank, keep, more))

        def moved(column):
            left, come = e.step(left_steps, b.add(left_row, column)), e.step(steps, b.add(row, column))
            counts = e.sub(e.add(e.histogram(column), come), left)
            b.store(counts, e.place(column), align=e.bytes)
            return counts

        def one(window, held):
            counts, every, some = held
            counts = e.add(counts, moved(b.add(window, b.sub(size, I64(1)))))
            bits = e.not_above(counts, rank)
            to = b.add(out, b.mul(window, apart))
            found = b.add(b.and_(e.byte(to), keep), b.add(b.trunc(e.number(bits), BYTE), more))
            b.store(b.xor(found, e.flip), e.at(to), align=1)
            return [e.sub(counts, e.histogram(window)), b.and_(every, bits), b.or_(some, bits)]

        first = e.loop(I64(0), b.sub(size, I64(1)), [e.none], lambda column, held: [e.add(held[0], moved(column))])
        bits = ir.IntType(e.count)
        _, every, some = e.loop(I64(0), count, [*first, bits(-1), bits(0)], one)
        return b.add(e.number(every), b.shl(e.number(some), I64(8)))

    addresses = [steps, left_steps, histograms, row, left_row, size, count, rank, out, apart, keep, more]
    return types.int64(dtype, *[types.int64] * len(addresses)), generate
