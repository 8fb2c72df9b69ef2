"""Rows of pixels compared with each other, a vector at a time."""

from __future__ import annotations

from functools import cache

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


class Selector(Comparer):
    """Emits a network's comparisons, of which rows of pixels and what is in memory are found at `places`."""

    def __init__(self, builder, dtype, network, leaves, targets, ahead, write_ahead):
        super().__init__(builder, dtype)
        self.network, self.bytes, self.ahead, self.write_ahead = network, target().vector_bytes, ahead, write_ahead
        self.places = {row: self.word(leaves, I64(row)) for row in range(network.rows)}
        self.targets = [self.word(targets, I64(number)) for number in range(len(network.results))]

    def seen(self, value, offset):
        """What lies so many bytes behind the beginning of a value's row."""
        return self.b.load(self.at(self.b.add(self.places[value], offset)), align=1, typ=self.vector)

    def carry_out(self, comparisons, seen, store=lambda value, vector: None):
        """What comparisons make, by value. `seen(value, shift)`: one that they have not made; `store`: told of each."""
        made = {}
        for low, high, *operands in comparisons:
            pair = [made[value] if shift == 0 and value in made else seen(value, shift) for value, shift in operands]
            for value, pick in ((low, self.smaller), (high, self.larger)):
                if value >= 0:
                    made[value] = pick(*pair)
                    store(value, made[value])
        return made

    def deliver(self, made, start, asks):
        """Store the results among what was `made`, `start` bytes from the beginning of their rows.

        The cache lines that the next tile writes are asked for, and if the stage `asks`, those that it reads.
        """
        for number, (value, _) in enumerate(self.network.results):
            if value in made:
                result = self.restored(made[value]) if self.pixel.kind == "f" else made[value]
                place = self.b.add(self.targets[number], start)
                self.b.store(result, self.at(place), align=1)
                self.prefetch(self.b.add(place, self.write_ahead), write=True)
                if asks:
                    row = self.network.rows - len(self.targets) + number
                    self.prefetch(self.b.add(self.b.add(self.places[row], start), self.ahead))


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
        e = Selector(builder, pixel_dtype, network, leaves, targets, ahead, write_ahead)
        for stage in stages.stages(network).stages:
            for stored, row in stage.stored.items():
                e.places[stored] = builder.add(values, builder.mul(I64(row), value_row))

            def step(k, _, stage=stage):
                start = builder.mul(k, I64(e.bytes))

                @cache
                def seen(value, shift):
                    return e.seen(value, builder.add(start, builder.mul(pixel, I64(shift))))

                def store(value, vector):
                    if value in stage.stored:
                        builder.store(vector, e.at(builder.add(e.places[value], start)), align=e.bytes)

                e.deliver(e.carry_out(stage.comparisons, seen, store), start, asks=pixel_dtype.kind != "f")
                return []

            e.loop(I64(0), wide if stage.stored else vectors, [], step)

    addresses = [leaves, values, value_row, pixel, wide, vectors, targets, ahead, write_ahead]
    return signature_of(dtype, form, *addresses), nothing(generate)


@intrinsic(prefer_literal=True)
def select_in_registers(typing, dtype, form, leaves, vectors, targets, ahead, write_ahead):
    """The same for a network of two stages, floats as they are. `form`: the number of channels before its name.

    What the second stage sees further right is shuffled out of two vectors of the first one, of which the later one
    stays in registers until the next step. So one vector more is read of each row.
    """
    channels, _, name = form.literal_value.partition(" ")
    pixel_dtype, channels, network = dtype_of(dtype), int(channels), selection.named(name)

    def generate(context, builder, signature, arguments):
        leaves, vectors, targets, ahead, write_ahead = arguments[2:]
        e = Selector(builder, pixel_dtype, network, leaves, targets, ahead, write_ahead)
        first, second = stages.stages(network).stages

        def loads(k):
            """Rows of pixels, seen from vector `k` on."""

            @cache
            def seen(value, shift):
                further = I64(shift * channels * pixel_dtype.itemsize)
                vector = e.seen(value, builder.add(builder.mul(k, I64(e.bytes)), further))
                return e.ordered(vector) if pixel_dtype.kind == "f" else vector

            return seen

        def front(k):
            made = e.carry_out(first.comparisons, loads(k))
            return [made[value] for value in first.stored]

        def step(k, held):
            following = front(builder.add(k, I64(1)))
            pairs, rows = dict(zip(first.stored, zip(held, following, strict=True), strict=True)), loads(k)

            @cache
            def seen(value, shift):
                return e.neighbours(*pairs[value], shift * channels) if value in pairs else rows(value, shift)

            e.deliver(e.carry_out(second.comparisons, seen), builder.mul(k, I64(e.bytes)), asks=True)
            return following

        e.loop(I64(0), vectors, front(I64(0)), step)

    return signature_of(dtype, form, leaves, vectors, targets, ahead, write_ahead), nothing(generate)
