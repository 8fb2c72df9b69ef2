"""Register tiles of convolution layers as Numba intrinsics.

Channels come in one of two forms. *Blocks*: a vector holds as many neighbouring channels of one
pixel as it has lanes, and pixels follow each other. *Planes*: a vector holds neighbouring pixels of
one channel. Packed images, depthwise results and factors of the matrix product are all kept in one
of the two, on cache lines, so that pixels are at constant distances from each other and a tile
needs few address registers. None of the intrinsics checks an address.
"""

from __future__ import annotations

from functools import partial

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.arguments import LINE
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I32, I64, POINTER, Emitter, declare, scalar_type
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of


class _Tile(Emitter):
    """An emitter of one tile of sums."""

    def __init__(self, builder, acc):
        super().__init__(builder, acc)
        self.size = target().vector_bytes

    def aligned(self, address, offset=0):
        return self.b.load(self.at(address, offset), align=self.size, typ=self.vector)

    def unaligned(self, address, offset=0):
        return self.b.load(self.at(address, offset), align=self.acc.itemsize, typ=self.vector)

    def opaque(self, value):
        """The same value, about whose origin the optimiser knows nothing."""
        kind = ir.FunctionType(I64, [I64])
        return self.b.asm(kind, "", "=r,0", [value], False)

    def spaced(self, address, step, count):
        """Addresses of `count` vectors, `step` bytes apart: a number, or a value known at run time.

        In the latter case every third has a register to itself, and those between are one and two
        index registers further. Left alone, the optimiser keeps all in memory and increments each.
        """
        if isinstance(step, int):
            return [self.b.add(address, I64(j * step)) for j in range(count)]
        double = self.b.add(step, step)
        third = self.b.add(double, step)
        addresses = []
        for j in range(count):
            if j % 3 == 0:
                address = self.opaque(self.b.add(address, third) if j else address)
            addresses.append([address, self.b.add(address, step), self.b.add(address, double)][j % 3])
        return addresses

    def filter_row(self, values, parts, pace):
        """Add the products of a row of inputs: each part is a row of weights and the sums they are added to."""
        for j, value in enumerate(values):
            for weights, sums in parts:
                for r in range(len(sums)):
                    if 0 <= j - r * pace < len(weights):
                        sums[r] = self.muladd(value, weights[j - r * pace], sums[r])

    def scalar_at(self, address, offset=0):
        value = self.b.load(self.at(address, offset), align=self.acc.itemsize, typ=self.scalar)
        return self.splat(value)

    def limited(self, values, limits):
        low, high = self.broadcast(limits, I64(0)), self.broadcast(limits, I64(1))
        return [self.clip(value, low, high) for value in values]

    def store_first(self, value, address, count):
        """Store the first `count` lanes."""
        i32 = ir.VectorType(I32, self.count)
        numbers = ir.Constant(i32, list(range(self.count)))
        wanted = self.b.trunc(count, I32)
        undefined = ir.Constant(i32, ir.Undefined)
        wanted = self.b.insert_element(undefined, wanted, I32(0))
        wanted = self.b.shuffle_vector(wanted, undefined, ir.Constant(i32, [0] * self.count))
        mask = self.b.icmp_signed("<", numbers, wanted)
        kind = ir.FunctionType(ir.VoidType(), [self.vector, POINTER, I32, mask.type])
        name = f"llvm.masked.store.v{self.count}f{8 * self.acc.itemsize}.p0"
        store = declare(self.b.module, kind, name)
        self.b.call(store, [value, self.at(address), I32(1), mask])


# --- packing -------------------------------------------------------------------------------------


@intrinsic
def pack_pixels(typing, src, acc, address, step, count, groups, to, group_step):
    """Convert `groups` neighbouring blocks of `count` pixels, `step` bytes apart.

    The pixels of a block follow each other, blocks are `group_step` bytes apart. Pixel by pixel, as
    they lie in memory: images that are not in the cache are read at full speed.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        address, step, count, groups, to, group_step = values[2:]
        e = _Tile(builder, arithmetic)

        def pixel(i, carried):
            address, to = carried

            def block(k, carried):
                address, to = carried
                e.b.store(e.load(address, source), e.at(to), align=e.size)
                return [builder.add(address, I64(e.count * source.itemsize)), builder.add(to, group_step)]

            e.loop(I64(0), groups, [address, to], block)
            return [builder.add(address, step), builder.add(to, I64(e.size))]

        e.loop(I64(0), count, [address, to], pixel)

    return signature_of(src, acc, address, step, count, groups, to, group_step), nothing(generate)


@intrinsic
def pack_values(typing, src, acc, address, step, count, to):
    """Convert `count` values, `step` bytes apart, to values that follow each other."""
    source, arithmetic = dtype_of(src), dtype_of(acc)
    scalar = scalar_type(source)

    def generate(context, builder, signature, values):
        address, step, count, to = values[2:]
        e = _Tile(builder, arithmetic)
        whole = builder.sdiv(count, I64(e.count))

        def gather(address, number):
            gathered = ir.Constant(ir.VectorType(scalar, e.count), ir.Undefined)
            for lane in range(number):
                value = builder.load(e.at(address), align=1, typ=scalar)
                gathered = builder.insert_element(gathered, value, I32(lane))
                address = builder.add(address, step)
            return e.convert(gathered, source), address

        def vectors(i, carried):
            address, to = carried
            gathered, address = gather(address, e.count)
            builder.store(gathered, e.at(to), align=e.acc.itemsize)
            return [address, builder.add(to, I64(e.size))]

        def single(i, carried):
            address, to = carried
            gathered, address = gather(address, 1)
            value = builder.extract_element(gathered, I32(0))
            builder.store(value, e.at(to), align=e.acc.itemsize)
            return [address, builder.add(to, I64(e.acc.itemsize))]

        carried = e.loop(I64(0), whole, [address, to], vectors)
        e.loop(builder.mul(whole, I64(e.count)), count, carried, single)

    return signature_of(src, acc, address, step, count, to), nothing(generate)


@intrinsic(prefer_literal=True)
def pack_channels(typing, src, acc, channels, stride, address, count, to, group_step):
    """Convert `count` pixels of a few channels, `stride` pixels apart, to planes `group_step` bytes apart.

    At least a vector of pixels; the last vectors overlap with those before. What is under a vector of each plane
    is loaded once and taken apart in registers, for three channels and stride 1 by 2 shuffles a plane.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)
    number, pace = channels.literal_value, stride.literal_value

    def generate(context, builder, signature, values):
        address, count, to, group_step = values[4:]
        e = _Tile(builder, arithmetic)
        each = arithmetic.itemsize
        last = builder.sub(count, I64(e.count))
        vectors = builder.sdiv(builder.add(count, I64(e.count - 1)), I64(e.count))
        # The last of the loaded vectors ends with the last pixel: behind it nothing may be read.
        end = (e.count - 1) * pace * number + number
        places = [min(k * e.count, end - e.count) for k in range(-(-end // e.count))]

        def body(i, carried):
            at = builder.mul(i, I64(e.count))
            at = builder.select(builder.icmp_signed("<", at, last), at, last)
            start = builder.add(address, builder.mul(at, I64(pace * number * source.itemsize)))
            parts = [e.load(builder.add(start, I64(place * source.itemsize)), source) for place in places]
            place = builder.add(to, builder.mul(at, I64(each)))
            for channel in range(number):
                # Lane i of the plane is value (i * pace * number + channel) of the parts.
                wanted = [divmod(lane * pace * number + channel, e.count) for lane in range(e.count)]
                wanted = [(k, k * e.count + lane - places[k]) for k, lane in wanted]
                plane = parts[0]
                for k in range(1, len(parts)):
                    picks = []
                    for lane, (part, value) in enumerate(wanted):
                        kept = value if k == 1 and part == 0 else lane
                        picks.append(e.count + value if part == k else kept)
                    plane = e.shuffle(plane, parts[k], picks)
                builder.store(plane, e.at(builder.add(place, builder.mul(group_step, I64(channel)))), align=each)
            return []

        e.loop(I64(0), vectors, [], body)

    return signature_of(src, acc, channels, stride, address, count, to, group_step), nothing(generate)


@intrinsic
def pack_row(typing, src, acc, address, count, to):
    """Convert `count` values that follow each other, in whole vectors of which the last overlap.

    With fewer values than a vector holds, a vector is read and written all the same.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        address, count, to = values[2:]
        e = _Tile(builder, arithmetic)
        last = builder.sub(count, I64(e.count))
        last = builder.select(builder.icmp_signed("<", last, I64(0)), I64(0), last)
        vectors = builder.sdiv(builder.add(count, I64(e.count - 1)), I64(e.count))

        def body(i, carried):
            at = builder.mul(i, I64(e.count))
            at = builder.select(builder.icmp_signed("<", at, last), at, last)
            value = e.load(builder.add(address, builder.mul(at, I64(source.itemsize))), source)
            place = builder.add(to, builder.mul(at, I64(e.acc.itemsize)))
            builder.store(value, e.at(place), align=e.acc.itemsize)
            return []

        e.loop(I64(0), vectors, [], body)

    return signature_of(src, acc, address, count, to), nothing(generate)


@intrinsic(prefer_literal=True)
def join(typing, acc, number, address, step, to):
    """Interleave `number` vectors, `step` bytes apart: all first lanes, all second lanes, ..."""
    arithmetic = dtype_of(acc)
    parts = number.literal_value

    def generate(context, builder, signature, values):
        address, step, to = values[2:]
        e = _Tile(builder, arithmetic)
        loaded = [e.unaligned(address, builder.mul(step, I64(k))) for k in range(parts)]
        for place in range(parts):
            # Lane i is lane v // parts of part v % parts, where v = place * count + i.
            wanted = [divmod(place * e.count + i, parts) for i in range(e.count)]
            joined = loaded[0]
            for k in range(1, parts):
                picks = []
                for i, (lane, part) in enumerate(wanted):
                    kept = lane if k == 1 and part == 0 else i
                    picks.append(e.count + lane if part == k else kept)
                joined = e.shuffle(joined, loaded[k], picks)
            builder.store(joined, e.at(to, place * e.size), align=e.acc.itemsize)

    return signature_of(acc, number, address, step, to), nothing(generate)


@intrinsic
def transpose(typing, acc, address, step, to, to_step):
    """Store lane i of all of `lanes` vectors, `step` bytes apart, `to_step` * i bytes after `to`."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        address, step, to, to_step = values[1:]
        e = _Tile(builder, arithmetic)
        rows = [e.unaligned(address, builder.mul(step, I64(k))) for k in range(e.count)]
        for i, value in enumerate(e.transpose(rows)):
            builder.store(value, e.at(to, builder.mul(to_step, I64(i))), align=e.acc.itemsize)

    return signature_of(acc, address, step, to, to_step), nothing(generate)


@intrinsic
def fill_vectors(typing, acc, value, count, to):
    """Store the value at address `value` in `count` vectors."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        value, count, to = values[1:]
        e = _Tile(builder, arithmetic)
        filled = e.scalar_at(value)

        def body(i, carried):
            builder.store(filled, e.at(carried[0]), align=e.size)
            return [builder.add(carried[0], I64(e.size))]

        e.loop(I64(0), count, [to], body)

    return signature_of(acc, value, count, to), nothing(generate)


@intrinsic
def copy_value(typing, acc, address, to):
    """Copy one value."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        address, to = values[1:]
        e = _Tile(builder, arithmetic)
        value = builder.load(e.at(address), align=e.acc.itemsize, typ=e.scalar)
        builder.store(value, e.at(to), align=e.acc.itemsize)

    return signature_of(acc, address, to), nothing(generate)


@intrinsic
def copy_vectors(typing, acc, address, step, count, to):
    """Copy `count` vectors, `step` bytes apart, to where they follow each other."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        address, step, count, to = values[1:]
        e = _Tile(builder, arithmetic)

        def body(i, carried):
            address, to = carried
            builder.store(e.aligned(address), e.at(to), align=e.size)
            return [builder.add(address, step), builder.add(to, I64(e.size))]

        e.loop(I64(0), count, [address, to], body)

    return signature_of(acc, address, step, count, to), nothing(generate)


# --- depthwise -----------------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def depthwise_blocks(
    typing, acc, cols, kernel, stride, address, pixel, row_step, weights, kernel_y, kernel_x, stride_x, dilation_x,
    bias, limits, to, step,
):  # fmt: skip
    """`cols` neighbouring results of one block of channels.

    `address`: the vector under the first tap of the first result; `pixel`, `row_step`: from there to
    the next pixel and row; `step`: from result to result. Where `pixel` is literal, vectors are aligned.
    A literal width `kernel` of the kernel together with a literal `stride` loads each input once,
    for all results that it is part of; width 0 takes the sizes at run time. Taps are added up row
    by row, from left to right, in either case.
    """
    arithmetic = dtype_of(acc)
    outputs, taps, pace = cols.literal_value, kernel.literal_value, stride.literal_value
    known = getattr(pixel, "literal_value", None)

    def generate(context, builder, signature, values):
        address, pixel, row_step, weights, kernel_y, kernel_x, stride_x, dilation_x, bias, limits, to, step = values[4:]
        e = _Tile(builder, arithmetic)
        load = e.aligned if known else e.unaligned
        sums = [e.aligned(bias)] * outputs

        def unrolled(i, carried):
            address, weights, *sums = carried
            tap = [e.aligned(weights, k * e.size) for k in range(taps)]
            places = e.spaced(address, known or pixel, (outputs - 1) * pace + taps)
            e.filter_row(map(load, places), [(tap, sums)], pace)
            return [builder.add(address, row_step), builder.add(weights, I64(taps * e.size)), *sums]

        def any_row(i, carried):
            address, weights, *sums = carried
            between = builder.mul(stride_x, pixel)
            right = builder.mul(dilation_x, pixel)

            def any_tap(k, carried):
                place, weights, *sums = carried
                tap = e.aligned(weights)
                for r, input_place in enumerate(e.spaced(place, between, outputs)):
                    sums[r] = e.muladd(load(input_place), tap, sums[r])
                return [builder.add(place, right), builder.add(weights, I64(e.size)), *sums]

            _, weights, *sums = e.loop(I64(0), kernel_x, [address, weights, *sums], any_tap)
            return [builder.add(address, row_step), weights, *sums]

        row = unrolled if taps else any_row
        _, _, *sums = e.loop(I64(0), kernel_y, [address, weights, *sums], row)
        for r, value in enumerate(e.limited(sums, limits)):
            builder.store(value, e.at(to, builder.mul(step, I64(r))), align=e.acc.itemsize)

    arguments = (acc, cols, kernel, stride, address, pixel, row_step, weights, kernel_y, kernel_x, stride_x)
    return signature_of(*arguments, dilation_x, bias, limits, to, step), nothing(generate)


@intrinsic(prefer_literal=True)
def depthwise_columns(
    typing, acc, cols, kernel, stride, address, pixel, row_step, weights, kernel_y, kernel_x, stride_x, dilation_x,
    bias, limits, to, step,
):  # fmt: skip
    """`depthwise_blocks` with taps added up column by column, from top to bottom.

    `kernel` is the literal size of a square kernel here. With 3, what is used at a time fits in 16 registers.
    """
    arithmetic = dtype_of(acc)
    outputs, taps, pace = cols.literal_value, kernel.literal_value, stride.literal_value
    known = getattr(pixel, "literal_value", None)

    def generate(context, builder, signature, values):
        address, pixel, row_step, weights, kernel_y, kernel_x, stride_x, dilation_x, bias, limits, to, step = values[4:]
        e = _Tile(builder, arithmetic)
        load = e.aligned if known else e.unaligned
        sums = [e.aligned(bias)] * outputs

        def square():
            """Each column of inputs is loaded once, and added to all results that it is part of."""
            tap = [[e.aligned(weights, (u * taps + v) * e.size) for v in range(taps)] for u in range(taps)]
            places = [builder.add(address, builder.mul(row_step, I64(v))) for v in range(taps)]
            for j in range((outputs - 1) * pace + taps):
                values = [load(place) for place in places]
                for r in range(outputs):
                    if 0 <= j - r * pace < taps:
                        for value, weight in zip(values, tap[j - r * pace], strict=True):
                            sums[r] = e.muladd(value, weight, sums[r])
                places = [following(place) for place in places]
            return sums

        def following(place):
            # From one register, or the optimiser has an address for each input in memory.
            return builder.add(place, I64(known)) if known else e.opaque(builder.add(place, pixel))

        def any_column(k, carried):
            between, right = builder.mul(stride_x, pixel), builder.mul(dilation_x, pixel)

            def any_tap(j, carried):
                place, weights, *sums = carried
                tap = e.aligned(weights)
                inputs = map(load, e.spaced(place, between, outputs))
                sums = [e.muladd(value, tap, total) for value, total in zip(inputs, sums, strict=True)]
                return [builder.add(place, row_step), builder.add(weights, I64(e.size)), *sums]

            address, *rest = carried
            _, *rest = e.loop(I64(0), kernel_y, [address, *rest], any_tap)
            return [builder.add(address, right), *rest]

        sums = square() if taps else e.loop(I64(0), kernel_x, [address, weights, *sums], any_column)[2:]
        for r, value in enumerate(e.limited(sums, limits)):
            builder.store(value, e.at(to, builder.mul(step, I64(r))), align=e.acc.itemsize)

    arguments = (acc, cols, kernel, stride, address, pixel, row_step, weights, kernel_y, kernel_x, stride_x)
    return signature_of(*arguments, dilation_x, bias, limits, to, step), nothing(generate)


@intrinsic(prefer_literal=True)
def depthwise_pair(
    typing, acc, cols, kernel, address, row_step, weights, kernel_y, bias, limits, to, step, below
):  # fmt: skip
    """`cols` neighbouring results in each of two rows of one block of channels, `below` bytes apart.

    Of packed inputs, for kernels of a literal width and stride and dilation 1: an input is loaded once for
    both rows, and there are as many sums as a processor can add to before it must wait for the first.
    """
    arithmetic = dtype_of(acc)
    outputs, taps = cols.literal_value, kernel.literal_value

    def generate(context, builder, signature, values):
        address, row_step, weights, kernel_y, bias, limits, to, step, below = values[3:]
        e = _Tile(builder, arithmetic)
        row_size = I64(taps * e.size)

        def inputs(address):
            return (e.aligned(address, j * e.size) for j in range(outputs + taps - 1))

        def row_of(weights):
            return [e.aligned(weights, k * e.size) for k in range(taps)]

        def both(i, carried):
            """A row of inputs under a row of weights of the upper results, and under the row above of the lower."""
            address, above, *sums = carried
            upper, lower = sums[:outputs], sums[outputs:]
            weights = builder.add(above, row_size)
            e.filter_row(inputs(address), [(row_of(weights), upper), (row_of(above), lower)], 1)
            return [builder.add(address, row_step), weights, *upper, *lower]

        upper, lower = [e.aligned(bias)] * outputs, [e.aligned(bias)] * outputs
        e.filter_row(inputs(address), [(row_of(weights), upper)], 1)
        carried = [builder.add(address, row_step), weights, *upper, *lower]
        address, weights, *sums = e.loop(I64(1), kernel_y, carried, both)
        upper, lower = sums[:outputs], sums[outputs:]
        e.filter_row(inputs(address), [(row_of(weights), lower)], 1)
        for row, place in ((upper, to), (lower, builder.add(to, below))):
            for r, value in enumerate(e.limited(row, limits)):
                builder.store(value, e.at(place, builder.mul(step, I64(r))), align=e.acc.itemsize)

    arguments = (acc, cols, kernel, address, row_step, weights, kernel_y, bias, limits, to, step, below)
    return signature_of(*arguments), nothing(generate)


@intrinsic(prefer_literal=True)
def depthwise_planes(
    typing, acc, rows, kernel, address, row_step, offsets, weights, kernel_y, kernel_x, stride_y, dilation_y,
    bias, limits, to, step,
):  # fmt: skip
    """One vector of pixels in `rows` rows of one channel's results.

    `address`: the values under the first tap of the first row; offsets[k] bytes further are those
    under column k of the kernel; `step`: from row to row of results. A literal height `kernel` of
    the kernel (stride and dilation 1) loads each input once for all rows; height 0 takes the sizes
    at run time. Taps are added up column by column, from top to bottom, in either case.
    """
    arithmetic = dtype_of(acc)
    outputs, taps = rows.literal_value, kernel.literal_value

    def generate(context, builder, signature, values):
        address, row_step, offsets, weights, kernel_y, kernel_x, stride_y, dilation_y, bias, limits, to, step = values[
            3:
        ]
        e = _Tile(builder, arithmetic)
        sums = [e.scalar_at(bias)] * outputs
        each = e.acc.itemsize

        def unrolled(k, carried):
            weights, *sums = carried
            place = builder.add(address, e.word(offsets, k))
            tap = [e.scalar_at(weights, j * each) for j in range(taps)]
            for j in range(outputs + taps - 1):
                value = e.unaligned(place, builder.mul(row_step, I64(j)))
                for r in range(outputs):
                    if 0 <= j - r < taps:
                        sums[r] = e.muladd(value, tap[j - r], sums[r])
            return [builder.add(weights, I64(taps * each)), *sums]

        def any_column(k, carried):
            weights, *sums = carried
            place = builder.add(address, e.word(offsets, k))
            between = builder.mul(stride_y, row_step)
            down = builder.mul(dilation_y, row_step)

            def any_tap(j, carried):
                place, weights, *sums = carried
                tap = e.scalar_at(weights)
                for r in range(outputs):
                    value = e.unaligned(place, builder.mul(between, I64(r)))
                    sums[r] = e.muladd(value, tap, sums[r])
                return [builder.add(place, down), builder.add(weights, I64(each)), *sums]

            _, weights, *sums = e.loop(I64(0), kernel_y, [place, weights, *sums], any_tap)
            return [weights, *sums]

        column = unrolled if taps else any_column
        _, *sums = e.loop(I64(0), kernel_x, [weights, *sums], column)
        for r, value in enumerate(e.limited(sums, limits)):
            builder.store(value, e.at(to, builder.mul(step, I64(r))), align=each)

    arguments = (acc, rows, kernel, address, row_step, offsets, weights, kernel_y, kernel_x, stride_y)
    return signature_of(*arguments, dilation_y, bias, limits, to, step), nothing(generate)


# --- the matrix product --------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def matrix_tile(
    typing, acc, planes, large, small, cols, rows, factors, group_step, runs, table, whole, rest, panel, bias, limits,
    to, step, count, ahead,
):  # fmt: skip
    """`rows` pixels, `large`, `small` or 1, by `cols` vectors of results: bias + factors x panel, limited.

    `panel` holds `cols` vectors for each row of the matrix. Blocks: `runs` times, table[run] bytes from
    `factors`, there are `whole` blocks and, where `rest` is not 0, one of which only the last `rest` lanes
    count. Planes: there are `whole` of them. A tile one vector wide stores the first `count` lanes of it.
    `ahead`: what to bring into L2 meanwhile, a line for each row of the matrix.
    """
    arithmetic = dtype_of(acc)
    flat, heights, width = planes.literal_value, (large.literal_value, small.literal_value, 1), cols.literal_value

    def generate(context, builder, signature, values):
        rows, factors, group_step, runs, table, whole, rest, panel, bias, limits, to, step, count, ahead = values[5:]
        e = _Tile(builder, arithmetic)
        each = e.acc.itemsize
        pixel = each if flat else e.size
        forward = group_step if flat else I64(each)

        def tile(height):
            def multiply(i, carried):
                """Add the products of one factor of each pixel with one row of the panel."""
                address, panel, ahead, *sums = carried
                weights = [e.aligned(panel, c * e.size) for c in range(width)]
                e.prefetch(ahead)
                new = []
                for r in range(height):
                    factor = e.scalar_at(address, r * pixel)
                    new += [e.muladd(factor, weights[c], sums[r * width + c]) for c in range(width)]
                panel, ahead = builder.add(panel, I64(width * e.size)), builder.add(ahead, I64(LINE))
                return [builder.add(address, forward), panel, ahead, *new]

            some = builder.zext(builder.icmp_signed("!=", rest, I64(0)), I64)

            def block(i, carried):
                address, *carried = carried
                # The last block of a run begins where the one before it ends.
                incomplete = builder.icmp_signed("==", i, whole)
                start = builder.select(incomplete, builder.sub(I64(e.count), rest), I64(0))
                # From one register, or the optimiser has an address for each pixel in memory and increments them all.
                place = e.opaque(builder.add(address, builder.mul(start, I64(each))))
                _, *carried = e.loop(start, I64(e.count), [place, *carried], multiply)
                return [builder.add(address, group_step), *carried]

            def run(i, carried):
                start = builder.add(factors, e.word(table, i))
                return e.loop(I64(0), builder.add(whole, some), [start, *carried[1:]], block)

            first = [e.aligned(bias, c * e.size) for c in range(width)]
            carried = [factors, panel, ahead, *first * height]
            if flat:
                _, _, _, *sums = e.loop(I64(0), whole, carried, multiply)
            else:
                _, _, _, *sums = e.loop(I64(0), runs, carried, run)
            sums = e.limited(sums, limits)
            for r in range(height):
                place = builder.add(to, builder.mul(step, I64(r)))
                for c in range(width):
                    value = sums[r * width + c]
                    if width == 1:
                        e.store_first(value, place, count)
                    else:
                        builder.store(value, e.at(place, c * e.size), align=each)
            return []

        e.switch(rows, {height: partial(tile, height) for height in heights})

    arguments = (acc, planes, large, small, cols, rows, factors, group_step, runs, table, whole, rest, panel, bias)
    return signature_of(*arguments, limits, to, step, count, ahead), nothing(generate)


@intrinsic
def stream(typing, acc, to, address, count):
    """Copy `count` bytes with non-temporal stores: a result much larger than the cache need not be read first."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        to, address, count = values[1:]
        e = _Tile(builder, arithmetic)
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
