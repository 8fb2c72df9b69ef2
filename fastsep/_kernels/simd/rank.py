"""Rows of pixels compared with each other, a vector at a time."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from fastsep._kernels import selection, stages
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


def _change(typing, dtype, source, to, vectors, change, ahead=None):
    pixel = dtype_of(dtype)

    def generate(context, builder, signature, values):
        source, to, vectors = values[1:4]
        e = Comparer(builder, pixel)
        size = target().vector_bytes

        def step(k, _):
            offset = builder.mul(k, I64(size))
            value = builder.load(e.at(source, offset), align=1, typ=e.vector)
            builder.store(change(e)(value), e.at(to, offset), align=1)
            if ahead is not None:
                e.prefetch(builder.add(builder.add(source, values[4]), offset))
            return []

        e.loop(I64(0), vectors, [], step)

    more = () if ahead is None else (ahead,)
    return signature_of(dtype, source, to, vectors, *more), nothing(generate)


@intrinsic
def order_into(typing, dtype, source, to, vectors, ahead):
    """Turn so many vectors of floats into integers in the same order; `ahead`: bytes to what is read next."""
    return _change(typing, dtype, source, to, vectors, lambda e: e.ordered, ahead)


@intrinsic
def copy_vectors(typing, dtype, source, to, vectors):
    """Copy so many vectors."""
    return _change(typing, dtype, source, to, vectors, lambda e: lambda value: value)


@intrinsic
def restore_into(typing, dtype, source, to, vectors):
    """Turn so many vectors of such integers into the floats again."""
    return _change(typing, dtype, source, to, vectors, lambda e: e.restored)


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


@intrinsic(prefer_literal=True)
def select_rows(
    typing, dtype, form, leaves, values, value_row, pixel, wide, vectors, targets, ahead, write_ahead
):  # fmt: skip
    """Carry out the network that `form` names (see `selection.named`), stage by stage.

    leaves[i]: address of row i under the tile; `values`: address of rows for what later stages read, `value_row` bytes
    apart; `pixel`: bytes of one; `wide`: vectors that stages make for later ones; `vectors`: those of the results;
    targets[r]: where result r goes. `ahead`, `write_ahead`: bytes to where the next tile reads and writes.
    """
    pixel_dtype, network = dtype_of(dtype), selection.named(form.literal_value)

    def generate(context, builder, signature, arguments):
        leaves, values, value_row, pixel, wide, vectors, targets, ahead, write_ahead = arguments[2:]
        e = Comparer(builder, pixel_dtype)
        size = target().vector_bytes
        plan = stages.stages(network)
        places = {}  # where values in memory begin
        for row in range(network.rows):
            places[row] = e.word(leaves, I64(row))
        to = [e.word(targets, I64(number)) for number in range(len(network.results))]
        for stage in plan.stages:
            for value, row in stage.stored.items():
                places[value] = builder.add(values, builder.mul(I64(row), value_row))

            def step(k, _, stage=stage):
                start = builder.mul(k, I64(size))
                made, loaded = {}, {}

                def seen(value, shift):
                    if shift == 0 and value in made:
                        return made[value]
                    if (value, shift) not in loaded:
                        place = builder.add(places[value], builder.mul(pixel, I64(shift)))
                        loaded[value, shift] = builder.load(e.at(builder.add(place, start)), align=1, typ=e.vector)
                    return loaded[value, shift]

                for low, high, first, second in stage.comparisons:
                    pair = seen(*first), seen(*second)
                    for value, pick in ((low, e.smaller), (high, e.larger)):
                        if value >= 0:
                            made[value] = pick(*pair)
                            if value in stage.stored:
                                builder.store(made[value], e.at(builder.add(places[value], start)), align=size)
                for number, (value, _) in enumerate(network.results):
                    if value in made:
                        result = e.restored(made[value]) if pixel_dtype.kind == "f" else made[value]
                        place = builder.add(to[number], start)
                        builder.store(result, e.at(place), align=1)
                        e.prefetch(builder.add(place, write_ahead), write=True)
                        if pixel_dtype.kind != "f":  # whose rows are copies
                            row = network.rows - len(to) + number
                            e.prefetch(builder.add(builder.add(places[row], start), ahead))
                return []

            e.loop(I64(0), wide if stage.stored else vectors, [], step)

    addresses = [leaves, values, value_row, pixel, wide, vectors, targets, ahead, write_ahead]
    return signature_of(dtype, form, *addresses), nothing(generate)
