"""Vectors of minima or maxima: of rows under a window, and along a row.

Pixels are compared as integers, their *keys*: integers are their own; the bits of a float, with those of a negative
one turned, count in the order of its values. So a comparison is one instruction in every dtype, -0.0 is smaller than
0.0, and of any number of pixels in any order the same one comes out. NaNs lie at both ends of that order; to a minimum
they count as smaller than all numbers, to a maximum as larger, which a constant that is added with wrap-around does.

As in `simd.fir`, dtypes are static and no address is checked.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.arguments import LINE
from fastsep._kernels.simd.emitter import I32, I64, Emitter, declare, lanes
from fastsep._kernels.simd.memory import dtype_of, nothing

#: Bits of the fraction of floats, by their bytes.
FRACTION = {2: 10, 4: 23, 8: 52}


def most_doublings(dtype) -> int:
    """How often a window along a row is doubled in registers: up to eight vectors."""
    return lanes(dtype).bit_length() + 2


class Keys(Emitter):
    """Emits code for the keys of pixels of a dtype, of which the "minimum" or the "maximum" is wanted."""

    def __init__(self, builder, dtype, which):
        super().__init__(builder, dtype)
        self.bits = 8 * dtype.itemsize
        self.vector = ir.VectorType(ir.IntType(self.bits), self.count)
        sign = "u" if dtype.kind == "u" else "s"
        self.operation = f"llvm.{sign}{which[:3]}.v{self.count}i{self.bits}"
        # What never wins.
        low = 0 if sign == "u" else -(1 << (self.bits - 1))
        high = low + (1 << self.bits) - 1
        self.neutral = self.all(high if which == "minimum" else low)
        if self.float:
            self.magnitude_bits = self.all((1 << (self.bits - 1)) - 1)
            shift = (1 << FRACTION[dtype.itemsize]) - 1
            self.nan_shift = self.all(shift if which == "minimum" else -shift)

    def all(self, value):
        """A vector of equal lanes."""
        return ir.Constant(self.vector, [value] * self.count)

    def key(self, address, align=1):
        """Keys that lie in scratch."""
        return self.b.load(self.at(address), align=align, typ=self.vector)

    def keep(self, key, address, align=1):
        self.b.store(key, self.at(address), align=align)

    def pixel(self, address):
        """The keys of pixels."""
        bits = self.key(address)
        return self.b.add(self._turned(bits), self.nan_shift) if self.float else bits

    def deliver(self, key, address, streamed=False):
        """Store the pixels that have these keys; with a non-temporal store, if `streamed`, to a vector's own place."""
        instruction = self.b.store(
            self._pixels(key), self.at(address), align=self.count * self.bits // 8 if streamed else 1
        )
        if streamed:
            instruction.set_metadata("nontemporal", self.b.module.add_metadata([I32(1)]))

    def deliver_row(self, to, length, ends, best, body):
        """Deliver a row of `length` bytes, a vector at least; the last vector overlaps.

        `body(start, vectors, streamed)` delivers so many vectors from byte `start` on; `best(place)`: the keys of one.

        If `ends` is not 0, the row is `streamed`: whole cache lines with non-temporal stores. Its first and its last
        `LINE` bytes go to `ends`, whence the caller copies what belongs to parts of lines: a line that is also written
        with an ordinary store is brought into the cache and out again (measured: 90 ns each, half the time of 4K).
        """
        b, size = self.b, self.count * self.bits // 8

        def ordinary():
            last = b.sub(length, I64(size))
            body(I64(0), b.udiv(b.add(last, I64(size - 1)), I64(size)), False)
            self.deliver(best(last), b.add(to, last))
            return []

        def streamed():
            start = b.and_(b.neg(to), I64(LINE - 1))
            body(start, b.mul(b.udiv(b.sub(length, start), I64(LINE)), I64(LINE // size)), True)
            places = [I64(place) for place in range(0, LINE, size)]
            places += [b.sub(length, I64(LINE - place)) for place in range(0, LINE, size)]
            for number, key in enumerate([best(place) for place in places]):
                self.deliver(key, b.add(ends, I64(number * size)))
            return []

        return self.switch(ends, {0: ordinary, 1: streamed})

    def _pixels(self, key):
        return self._turned(self.b.sub(key, self.nan_shift)) if self.float else key

    def _turned(self, bits):
        """All bits but the sign turned where that is set: its own inverse."""
        negative = self.b.ashr(bits, self.all(self.bits - 1))
        return self.b.xor(bits, self.b.and_(negative, self.magnitude_bits))

    def best(self, a, b):
        kind = ir.FunctionType(self.vector, [self.vector] * 2)
        return self.b.call(declare(self.b.module, kind, self.operation), [a, b])


@intrinsic(prefer_literal=True)
def best_of_few(typing, acc, which, height, table, offset, size, to, to_row):
    """Best of `size` rows under each of `height` output rows, one vector wide; output row r is kept at to + r * to_row.

    table[j]: the address of source row j.
    """
    dtype, name, rows = dtype_of(acc), which.literal_value, height.literal_value

    def generate(context, builder, signature, values):
        table, offset, size, to, to_row = values[3:]
        e = Keys(builder, dtype, name)

        def element(j):
            return e.pixel(builder.add(e.word(table, j), offset))

        held = [element(I64(r)) for r in range(rows)]

        def step(k, carried):
            best, held = carried[:rows], carried[rows:]
            held = [*held[1:], element(builder.add(k, I64(rows - 1)))]
            return [*map(e.best, best, held), *held]

        for r, value in enumerate(e.loop(I64(1), size, [*held, *held], step)[:rows]):
            e.keep(value, builder.add(to, builder.mul(to_row, I64(r))))

    return types.void(acc, which, height, *[types.int64] * 5), nothing(generate)


@intrinsic(prefer_literal=True)
def best_of_many(
    typing, acc, which, height, table, offset, size, first, groups, group, prefix, to, to_row
):  # fmt: skip
    """`best_of_few` for windows that are taller than `height` rows, at a cost that does not depend on their size.

    The last row under the first window and those behind it, `height` of them, are a group. `groups` groups before it
    lie under all windows; what is best in them is kept in the vectors at `group` and `prefix`, where in return this
    group's is kept: alone, and with what is there. Of the rows before those, `first` of them, each window has its
    share.
    """
    dtype, name, rows = dtype_of(acc), which.literal_value, height.literal_value

    def generate(context, builder, signature, values):
        table, offset, size, first, groups, group, prefix, to, to_row = values[3:]
        e = Keys(builder, dtype, name)

        def element(j):
            return e.pixel(builder.add(e.word(table, j), offset))

        before = e.key(prefix)
        (best,) = e.switch(
            builder.zext(builder.icmp_signed(">", groups, I64(0)), I64),
            {1: lambda: [e.best(before, e.key(group))], 0: lambda: [e.neutral]},
        )
        (best,) = e.loop(I64(rows - 1), first, [best], lambda j, carried: [e.best(carried[0], element(j))])
        starts = [best]
        for r in range(rows - 2, -1, -1):
            starts.insert(0, e.best(starts[0], element(I64(r))))
        end = None
        for r, start in enumerate(starts):
            row = element(builder.add(size, I64(r - 1)))
            end = row if end is None else e.best(end, row)
            e.keep(e.best(start, end), builder.add(to, builder.mul(to_row, I64(r))))
        e.keep(end, group)
        e.keep(e.best(before, end), prefix)

    return types.void(acc, which, height, *[types.int64] * 9), nothing(generate)


@intrinsic(prefer_literal=True)
def best_of_group(typing, acc, which, height, table, offset, to):
    """Best of `height` rows, one vector wide."""
    dtype, name = dtype_of(acc), which.literal_value

    def generate(context, builder, signature, values):
        table, offset, to = values[3:]
        e = Keys(builder, dtype, name)
        best = None
        for r in range(height.literal_value):
            row = e.pixel(builder.add(e.word(table, I64(r)), offset))
            best = row if best is None else e.best(best, row)
        e.keep(best, to)

    return types.void(acc, which, height, *[types.int64] * 3), nothing(generate)


@intrinsic(prefer_literal=True)
def fill(typing, acc, which, to, count, value):
    """Fill `count` vectors with the key of the pixel at address `value`, or if that is 0 with what is never best."""
    dtype, name = dtype_of(acc), which.literal_value

    def generate(context, builder, signature, values):
        to, count, value = values[2:]
        e = Keys(builder, dtype, name)
        (key,) = e.switch(
            builder.zext(builder.icmp_signed("==", value, I64(0)), I64),
            {1: lambda: [e.neutral], 0: lambda: [e.pixel(value)]},
        )

        def step(k, _):
            e.keep(key, builder.add(to, builder.mul(k, I64(e.count * dtype.itemsize))))
            return []

        e.loop(I64(0), count, [], step)

    return types.void(acc, which, *[types.int64] * 3), nothing(generate)


@intrinsic(prefer_literal=True)
def best_of_two(typing, acc, which, source, shift, to, count):
    """Of `count` vectors at `source` each with the one `shift` bytes further on; `to` may be `source`."""
    dtype, name = dtype_of(acc), which.literal_value

    def generate(context, builder, signature, values):
        source, shift, to, count = values[2:]
        e = Keys(builder, dtype, name)
        size = e.count * dtype.itemsize

        def step(k, _):
            place = builder.mul(k, I64(size))
            here = builder.add(source, place)
            e.keep(e.best(e.key(here), e.key(builder.add(here, shift))), builder.add(to, place))
            return []

        e.loop(I64(0), count, [], step)

    return types.void(acc, which, *[types.int64] * 4), nothing(generate)


@intrinsic(prefer_literal=True)
def best_of_neighbours(typing, acc, which, source, doublings, to, count):
    """`best_of_two` for shifts of 1, 2, 4 and so on values, one after the other: `doublings` of them.

    From vector number `count` back to the first one: what lies further on, of which neighbours are taken, is in
    registers. Nothing lies behind that vector.
    """
    dtype, name = dtype_of(acc), which.literal_value

    def generate(context, builder, signature, values):
        source, doublings, to, count = values[2:]
        e = Keys(builder, dtype, name)
        size = e.count * dtype.itemsize

        def chain(times):
            # For each shift the vectors that follow, the next one first: as many as the shift spans.
            spans = [max((1 << number) // e.count, 1) for number in range(times)]

            def step(k, carried):
                place = builder.mul(builder.sub(count, k), I64(size))
                here = e.key(builder.add(source, place))
                kept = []
                for number, span in enumerate(spans):
                    after, carried = carried[:span], carried[span:]
                    kept += [here, *after[:-1]]
                    here = e.best(here, e.neighbours(here, after[-1], min(1 << number, e.count)))
                e.keep(here, builder.add(to, place))
                return kept

            e.loop(I64(0), builder.add(count, I64(1)), [e.neutral] * sum(spans), step)
            return []

        cases = range(1, most_doublings(dtype) + 1)
        e.switch(doublings, {times: lambda times=times: chain(times) for times in cases})

    return types.void(acc, which, *[types.int64] * 4), nothing(generate)


@intrinsic(prefer_literal=True)
def deliver(typing, acc, which, source, middle, shift, to, count, ends):
    """Store the pixels that are best of three: of a vector, and those `middle` and `shift` bytes further on.

    `count` pixels; `ends`: see `Keys.deliver_row`. If `middle` is 0, best of two. A single vector may go to where it
    comes from, and `source` may lie at `ends`.
    """
    dtype, name = dtype_of(acc), which.literal_value

    def generate(context, builder, signature, values):
        source, middle, shift, to, count, ends = values[2:]
        e = Keys(builder, dtype, name)
        size = e.count * dtype.itemsize

        def row(three):
            def best(place):
                here = builder.add(source, place)
                best = e.best(e.key(here), e.key(builder.add(here, shift)))
                return e.best(best, e.key(builder.add(here, middle))) if three else best

            def body(start, vectors, streamed):
                def step(k, _):
                    # From the end to the start: what `best_of_neighbours` has stored last is needed last.
                    back = builder.mul(builder.sub(vectors, builder.add(k, I64(1))), I64(size))
                    place = builder.add(start, back)
                    e.deliver(best(place), builder.add(to, place), streamed)
                    return []

                e.loop(I64(0), vectors, [], step)

            return e.deliver_row(to, builder.mul(count, I64(dtype.itemsize)), ends, best, body)

        e.switch(middle, {0: lambda: row(False), 1: lambda: row(True)})

    return types.void(acc, which, *[types.int64] * 6), nothing(generate)


class _Differences(Keys):
    """Delivers values as they are."""

    def __init__(self, builder, dtype):
        super().__init__(builder, dtype, "minimum")
        self.values = ir.VectorType(self.scalar, self.count)

    def difference(self, one, other):
        if not self.float:
            return self.b.sub(one, other)
        one, other = (self.b.bitcast(bits, self.values) for bits in (one, other))
        return self.b.bitcast(self.b.fsub(one, other), self.vector)

    def _pixels(self, key):
        return key


@intrinsic(prefer_literal=True)
def deliver_difference(typing, acc, form, source, second, to, count, ends):
    """Store `count` pixels less others: "second" from those at `source`, or "source" from the others.

    `ends`: see `Keys.deliver_row`. A single vector may go to where one comes from.
    """
    dtype, second_from_source = dtype_of(acc), form.literal_value == "second"

    def generate(context, builder, signature, values):
        source, second, to, count, ends = values[2:]
        e = _Differences(builder, dtype)
        size = e.count * dtype.itemsize

        def difference(place):
            pair = [e.key(builder.add(address, place)) for address in (source, second)]
            return e.difference(*(pair if second_from_source else pair[::-1]))

        def body(start, vectors, streamed):
            def step(k, _):
                place = builder.add(start, builder.mul(k, I64(size)))
                e.deliver(difference(place), builder.add(to, place), streamed)
                return []

            e.loop(I64(0), vectors, [], step)

        e.deliver_row(to, builder.mul(count, I64(dtype.itemsize)), ends, difference, body)

    return types.void(acc, form, *[types.int64] * 5), nothing(generate)


@intrinsic(prefer_literal=True)
def keep_pixels(typing, acc, which, source, to, count):
    """Keep the keys of `count` pixels, a vector at least; the last vector overlaps."""
    dtype, name = dtype_of(acc), which.literal_value

    def generate(context, builder, signature, values):
        source, to, count = values[2:]
        e = Keys(builder, dtype, name)

        def keep(number):
            place = builder.mul(number, I64(dtype.itemsize))
            e.keep(e.pixel(builder.add(source, place)), builder.add(to, place))
            return []

        e.loop(I64(0), builder.sdiv(count, I64(e.count)), [], lambda k, _: keep(builder.mul(k, I64(e.count))))
        keep(builder.sub(count, I64(e.count)))

    return types.void(acc, which, *[types.int64] * 3), nothing(generate)


@intrinsic(prefer_literal=True)
def best_of_listed(typing, acc, which, table, listed, to, count, ends):
    """Store the pixels that are best in the rows of keys whose addresses are in `table`, `listed` of them.

    `count` pixels; `ends`: see `Keys.deliver_row`.
    """
    dtype, name = dtype_of(acc), which.literal_value

    def generate(context, builder, signature, values):
        table, listed, to, count, ends = values[2:]
        e = Keys(builder, dtype, name)
        vector = e.count * dtype.itemsize
        several = 4  # vectors for which addresses are read once

        def look(place, vectors):
            def step(k, best):
                row = builder.add(e.word(table, k), place)
                return [e.best(b, e.key(builder.add(row, I64(v * vector)))) for v, b in enumerate(best)]

            return e.loop(I64(0), listed, [e.neutral] * vectors, step)

        def body(start, vectors, streamed):
            def store(first, number):
                place = builder.add(start, builder.mul(first, I64(vector)))
                for v, key in enumerate(look(place, number)):
                    e.deliver(key, builder.add(to, builder.add(place, I64(v * vector))), streamed)
                return []

            groups = builder.udiv(vectors, I64(several))
            e.loop(I64(0), groups, [], lambda k, _: store(builder.mul(k, I64(several)), several))
            e.loop(builder.mul(groups, I64(several)), vectors, [], lambda k, _: store(k, 1))

        e.deliver_row(to, builder.mul(count, I64(dtype.itemsize)), ends, lambda place: look(place, 1)[0], body)

    return types.void(acc, which, *[types.int64] * 5), nothing(generate)
