"""Tiles of depthwise layers."""

from __future__ import annotations

from numba.extending import intrinsic

from fastsep._kernels.simd.emitter import I64
from fastsep._kernels.simd.layers.tile import Tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of


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
        e = Tile(builder, arithmetic)
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
        e = Tile(builder, arithmetic)
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
        e = Tile(builder, arithmetic)
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
        e = Tile(builder, arithmetic)
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
