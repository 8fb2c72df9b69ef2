"""Tiles of the matrix product."""

from __future__ import annotations

from functools import partial

from numba.extending import intrinsic

from fastsep._kernels.arguments import LINE
from fastsep._kernels.simd.emitter import I64
from fastsep._kernels.simd.layers.tile import Tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of

#: Bytes of a panel between those that are used and those that are asked for. Where it is larger than L1 the processor
#: itself asks too late (measured, layers of 7 to 28 rows and columns: 0.86 to 0.97 of the time so). A single pixel is
#: through with a row in a cycle, so that more are on their way at a time (1024 -> 1000 in a network: 0.9 and, on two
#: threads, 0.7).
PANEL_AHEAD, PANEL_FAR_AHEAD = 768, 4096


@intrinsic(prefer_literal=True)
def matrix_tile(
    typing, acc, planes, large, small, cols, rows, factors, group_step, runs, table, whole, rest, panel, bias, limits,
    to, step, count, ahead,
):  # fmt: skip
    """`rows` pixels, `large`, `small` or 1, by `cols` vectors of results: bias + factors x panel, limited.

    `panel` holds `cols` vectors for each row of the matrix. Blocks: `runs` times, table[run] bytes from
    `factors`, there are `whole` blocks and, where `rest` is not 0, one of which only the last `rest` lanes
    count. Planes: there are `runs` of them. A tile one vector wide stores the first `count` lanes of it.
    `ahead`: what to bring into L2 meanwhile, a line for each row of the matrix.
    """
    arithmetic = dtype_of(acc)
    flat, heights, width = planes.literal_value, (large.literal_value, small.literal_value, 1), cols.literal_value

    def generate(context, builder, signature, values):
        rows, factors, group_step, runs, table, whole, rest, panel, bias, limits, to, step, count, ahead = values[5:]
        e = Tile(builder, arithmetic)
        each = e.acc.itemsize
        pixel = each if flat else e.size

        def tile(height):
            def multiply(i, carried):
                """Add the products of one factor of each pixel with one row of the panel."""
                address, panel, ahead, *sums = carried
                weights = [e.aligned(panel, c * e.size) for c in range(width)]
                e.prefetch(ahead)
                for line in range(0, width * e.size, LINE):
                    e.prefetch(
                        builder.add(panel, I64((PANEL_AHEAD if height > 1 else PANEL_FAR_AHEAD) + line)), level=1
                    )
                new = []
                for r in range(height):
                    factor = e.scalar_at(address, r * pixel)
                    new += [e.muladd(factor, weights[c], sums[r * width + c]) for c in range(width)]
                panel, ahead = builder.add(panel, I64(width * e.size)), builder.add(ahead, I64(LINE))
                return [builder.add(address, I64(each)), panel, ahead, *new]

            some = builder.zext(builder.icmp_signed("!=", rest, I64(0)), I64)

            def block(i, carried):
                address, *carried = carried
                # The last block of a run begins where the one before it ends.
                incomplete = builder.icmp_signed("==", i, whole)
                start = builder.select(incomplete, builder.sub(I64(e.count), rest), I64(0))
                # From one register, or the optimiser has an address for each pixel in memory and increments them all.
                place = e.opaque(builder.add(address, builder.mul(start, I64(each))))
                following = builder.add(address, group_step)

                def multiply_and_fetch(k, carried):
                    """Ask for a pixel of the next block, too."""
                    e.prefetch(builder.add(following, builder.mul(k, I64(pixel))), level=1)
                    return multiply(k, carried)

                _, *carried = e.loop(start, I64(e.count), [place, *carried], multiply_and_fetch)
                return [following, *carried]

            def run(i, carried):
                start = builder.add(factors, e.word(table, i))
                if flat:
                    return multiply(i, [start, *carried[1:]])
                return e.loop(I64(0), builder.add(whole, some), [start, *carried[1:]], block)

            first = [e.aligned(bias, c * e.size) for c in range(width)]
            carried = [factors, panel, ahead, *first * height]
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
