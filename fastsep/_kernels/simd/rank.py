"""Rows of pixels compared with each other, a vector at a time."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from fastsep._kernels.arguments import Comparison
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, Emitter, declare
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of

#: Comparisons of rows of vectors: how many vectors of each are compared at a time.
TOGETHER = 2


def compared(dtype):
    """The dtype in which values are compared: floats as integers in the same order."""
    return np.dtype(f"int{8 * dtype.itemsize}") if dtype.kind == "f" else dtype


class Comparer(Emitter):
    """Emits comparisons of values of one dtype, as they are `compared`."""

    def __init__(self, builder, dtype):
        super().__init__(builder, compared(dtype))
        self.pixel = dtype
        self.kind = "u" if dtype.kind == "u" else "s"

    def smaller(self, a, b):
        return self._pick("min", a, b)

    def larger(self, a, b):
        return self._pick("max", a, b)

    def _pick(self, which, a, b):
        name = f"llvm.{self.kind}{which}.v{self.count}i{8 * self.acc.itemsize}"
        function = declare(self.b.module, ir.FunctionType(self.vector, [self.vector] * 2), name)
        return self.b.call(function, [a, b])

    def ordered(self, bits):
        """Of floats, which are bits here, integers in the same order: NaN, whatever its sign, is larger than all else.

        Of negative floats all bits but the sign are turned. That leaves NaN with a sign below all others, by as many
        steps as there are of them: all values are lowered by so many, modulo 2^n, which brings them to the top.
        """
        return self.b.sub(self._turned(bits), self.splat(self._negative_nans()))

    def restored(self, values):
        """The floats again, bit for bit."""
        return self._turned(self.b.add(values, self.splat(self._negative_nans())))

    def _turned(self, bits):
        width = 8 * self.acc.itemsize
        sign = self.b.ashr(bits, self.splat(width - 1))
        return self.b.xor(bits, self.b.lshr(sign, self.splat(1)))

    def _negative_nans(self):
        """How many floats with a sign are NaN."""
        return (1 << np.finfo(self.pixel).nmant) - 1


def _in_place(typing, dtype, address, vectors, change):
    pixel = dtype_of(dtype)

    def generate(context, builder, signature, values):
        address, vectors = values[1:]
        e = Comparer(builder, pixel)
        size = target().vector_bytes

        def step(k, _):
            place = e.at(address, builder.mul(k, I64(size)))
            value = builder.load(place, align=1, typ=e.vector)
            builder.store(change(e)(value), place, align=1)
            return []

        e.loop(I64(0), vectors, [], step)

    return signature_of(dtype, address, vectors), nothing(generate)


@intrinsic
def order(typing, dtype, address, vectors):
    """Turn so many vectors of floats into integers in the same order, where they are."""
    return _in_place(typing, dtype, address, vectors, lambda e: e.ordered)


@intrinsic
def restore(typing, dtype, address, vectors):
    """Turn so many vectors of such integers into the floats again, where they are."""
    return _in_place(typing, dtype, address, vectors, lambda e: e.restored)


@intrinsic
def compare_rows(typing, dtype, values, comparisons, count, vectors):
    """Carry out `count` comparisons (see `arguments`) of rows of vectors, a multiple of TOGETHER.

    `values`: the address that their offsets count from.
    """
    pixel = dtype_of(dtype)

    def generate(context, builder, signature, arguments):
        values, comparisons, count, vectors = arguments[1:]
        e = Comparer(builder, pixel)
        size = target().vector_bytes

        def compare(number, _):
            words = builder.add(comparisons, builder.mul(number, I64(8 * Comparison.length)))
            low, high, first, second = (
                e.word(words, I64(getattr(Comparison, name))) for name in ("low", "high", "first", "second")
            )

            def along(targets):
                def step(k, _):
                    start = builder.add(values, builder.mul(k, I64(TOGETHER * size)))
                    pairs = [
                        [
                            builder.load(e.at(builder.add(start, place), part * size), align=1, typ=e.vector)
                            for place in (first, second)
                        ]
                        for part in range(TOGETHER)
                    ]
                    for to, pick in targets:
                        for part, pair in enumerate(pairs):
                            builder.store(pick(*pair), e.at(builder.add(start, to), part * size), align=size)
                    return []

                return e.loop(I64(0), builder.udiv(vectors, I64(TOGETHER)), [], step)

            smaller, larger = (low, e.smaller), (high, e.larger)
            wanted = builder.add(
                builder.zext(builder.icmp_signed(">=", low, I64(0)), I64),
                builder.shl(builder.zext(builder.icmp_signed(">=", high, I64(0)), I64), I64(1)),
            )
            return e.switch(
                wanted, {3: lambda: along([smaller, larger]), 2: lambda: along([larger]), 1: lambda: along([smaller])}
            )

        e.loop(I64(0), count, [], compare)

    return signature_of(dtype, values, comparisons, count, vectors), nothing(generate)
