"""The value of a rank in windows of any form, in any number of axes: median and percentiles.

A tile of `height` output rows is computed for a strip of columns. The rows under it are copied, with the border around
them, into rows of values; floats become integers in the same order there. Then whole rows of values are compared with
each other, as a network says (see `selection`), each seen some pixels further right: what lies right of the strip's
results is not used. Rows are short enough that most of them stay in the nearest cache. Where all values fit registers,
as those of 3 x 3 pixels do, rows are as long as the image's and are read in place, floats too.

Rows hold pixels of `channels` values.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.rank_rows import copier
from fastsep._kernels.helper import helper, step
from fastsep._kernels.jit import target
from fastsep._kernels.rows import outside, rows_of_plane, share
from fastsep._kernels.simd import memory
from fastsep._kernels.simd import rank as rank_simd


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for images of one dtype.

    `form`: "table" where comparisons are read from a table; or the name of a network that is compiled, behind "rows",
    or "registers" and the number of channels where `stages.fits_registers`.
    """
    dtype = np.dtype(src_name)
    assert src_name == acc_name == dst_name
    size, vector = dtype.itemsize, target().vector_bytes
    how, _, name = form.partition(" ")
    compiled, registers, floats = how != "table", how == "registers", dtype.kind == "f"
    find_borders, _ = copier(dtype)
    find_rows, next_strip, take_rows = taker(dtype, ordered=floats and not registers, copied=not compiled)

    def band(block, index):
        args = at.Rank(block)
        rows, cols, height, taken = args.rows, args.cols, args.height, args.offsets * args.taken
        pixel = args.channels * size
        halo = args.left + args.right
        unit, stop = share(args, index, args.planes * args.depth * rows)
        values = args.scratch + args.values
        leaves, targets = args.scratch + args.leaves, args.scratch + args.targets
        find_borders(args, args.scratch + args.borders)
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            result_rows = args.dst + plane * rows * args.dst_row
            for top in range(first_row, end, height):
                find_rows(args, leaves, plane, top)
                column = 0
                while column < cols:
                    last = next_strip(args, column)
                    count = last - column
                    vectors = (count * pixel + vector - 1) // vector
                    wide = vectors + (halo * pixel + vector - 1) // vector
                    inside = column >= args.left and (column - args.left + halo) * pixel + wide * vector <= cols * pixel
                    inside = inside or args.joined != 0
                    take_rows(args, leaves, values, column, count, wide, inside)
                    to = column * pixel
                    fits = compiled and to + vectors * vector <= cols * pixel
                    for row in range(height):
                        place = values + memory.word(args.results, row)
                        if fits and top + row < end:
                            place = result_rows + (top + row) * args.dst_row + to
                        memory.set_word(targets, row, place)
                    ahead, write_ahead = height * args.src_row, height * args.dst_row
                    if registers:
                        rank_simd.select_in_registers(
                            dtype, name, leaves + 8 * taken, vectors, targets, ahead, write_ahead
                        )  # fmt: skip
                    elif compiled:
                        rank_simd.select_rows(
                            dtype, name, leaves + 8 * taken, values + taken * args.value_row, args.value_row,
                            pixel, wide, vectors, targets, ahead, write_ahead,
                        )  # fmt: skip
                    else:
                        rank_simd.compare_rows(
                            dtype,
                            values,
                            args.comparisons,
                            args.comparison_count,
                            -(-wide // rank_simd.TOGETHER) * rank_simd.TOGETHER,
                        )
                    if not fits:
                        for row in range(min(height, end - top)):
                            result = values + memory.word(args.results, row)
                            if floats and not compiled:
                                rank_simd.restore_into(dtype, result, result, vectors)
                            memory.copy_bytes(result_rows + (top + row) * args.dst_row + to, result, count * pixel)
                    column = last

    return band


def taker(dtype, *, ordered, copied):
    """What finds and copies the rows under a tile, for pixels of a dtype.

    `ordered`: they become integers in the same order. `copied`: all are, those that could be read in place too.
    """
    size, vector = dtype.itemsize, target().vector_bytes
    _, copy_row = copier(dtype)

    @step
    def find_rows(args, leaves, plane, top):
        """List the rows under the tile that begins at row `top`."""
        rows = args.rows
        batch = plane // args.depth
        stands = args.slices + 8 * args.offsets * (plane - batch * args.depth)
        for number in range(args.offsets * args.taken):
            offset = number // args.taken
            source = memory.word(stands, offset)
            row = outside(top - args.lead + number - offset * args.taken, rows, args.mode_y)
            address = args.src + ((batch * args.depth + source) * rows + row) * args.src_row
            if row < 0 or source < 0:
                address = args.constant_row
            memory.set_word(leaves, number, address)

    @helper
    def next_strip(args, column):
        """The column after the last one of the strip that begins at `column`."""
        end = args.cols
        if args.left_strip != 0:
            if column == 0:  # what comes behind it is stored where vectors belong
                address = args.dst + args.left_strip * args.channels * size
                return args.left_strip + -address % vector // (args.channels * size)
            if column < end - args.right_strip:
                end -= args.right_strip
        return min(column + args.chunk, end)

    @step
    def take_rows(args, leaves, values, column, count, wide, inside):
        """List where the rows under a strip begin, copied unless they can be read where they lie."""
        number_of_rows = args.offsets * args.taken
        pixel = args.channels * size
        for number in range(number_of_rows):
            row = memory.word(leaves, number)
            to = values + number * args.value_row
            place = row + (column - args.left) * pixel
            if inside and ordered:
                rank_simd.order_into(dtype, place, to, wide, args.height * args.src_row)
                place = to
            elif copied or not inside:
                copy_row(args, row, to, column - args.left, column + count + args.right, wide)
                if ordered:
                    rank_simd.order_into(dtype, to, to, wide, 0)
                place = to
            memory.set_word(leaves, number_of_rows + number, place)

    return find_rows, next_strip, take_rows
