"""The value of a rank in windows of any form, in any number of axes: median, percentiles, minimum and maximum.

A tile of `height` output rows is computed for a strip of columns. The rows under it are copied, with the border around
them, into rows of values; floats become integers in the same order there. Then whole rows of values are compared with
each other, as a network says (see `selection`), each seen some pixels further right: what lies right of the strip's
results is not used. Rows are short enough that most of them stay in the nearest cache.

Rows hold pixels of `channels` values.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import outside, rows_of_plane, share
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import rank as rank_simd


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for images of one dtype. `form`: "table" where comparisons are read from a table."""
    dtype = np.dtype(src_name)
    assert src_name == acc_name == dst_name
    floats, size, lanes = dtype.kind == "f", dtype.itemsize, emitter.lanes(dtype)
    find_borders, take_rows = taker(dtype)

    def band(block, index):
        args = at.Rank(block)
        rows, cols, depth = args.rows, args.cols, args.depth
        pixel = args.channels * size
        unit, stop = share(args, index, args.planes * depth * rows)
        values = args.scratch + args.values
        find_borders(args, args.scratch + args.borders)
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            target = args.dst + plane * rows * args.dst_row
            for column in range(0, cols, args.chunk):
                count = min(args.chunk, cols - column)
                for top in range(first_row, end, args.height):
                    take_rows(args, values, plane, column, count, top)
                    rank_simd.compare_rows(dtype, values, args.comparisons, args.comparison_count, args.vectors)
                    for row in range(min(args.height, end - top)):
                        result = values + memory.word(args.results, row)
                        if floats:
                            rank_simd.restore(dtype, result, (count * args.channels + lanes - 1) // lanes)
                        memory.copy_bytes(target + (top + row) * args.dst_row + column * pixel, result, count * pixel)

    return band


def taker(dtype):
    """`find_borders` and `take_rows` for pixels of a dtype."""
    floats, size = dtype.kind == "f", dtype.itemsize

    @helper
    def find_borders(args, borders):
        """List which column stands for each one left and right of the image; -1: none."""
        for k in range(args.left + args.right):
            pixel = k - args.left if k < args.left else k - args.left + args.cols
            memory.set_word(borders, k, outside(pixel, args.cols, args.mode_x))

    @helper
    def copy_row(args, row, to, first, stop):
        """Copy the pixels `first` .. `stop` - 1 of the row at `row`, some of them beyond its ends."""
        pixel, cols = args.channels * size, args.cols
        inside, end = max(first, 0), min(stop, cols)
        memory.copy_bytes(to + (inside - first) * pixel, row + inside * pixel, (end - inside) * pixel)
        for side in range(2):
            begin, finish = (first, min(stop, 0)) if side == 0 else (max(first, cols), stop)
            for x in range(begin, finish):
                k = x + args.left if side == 0 else x + args.left - cols
                column = memory.word(args.scratch + args.borders, k)
                value = row + column * pixel if column >= 0 else args.constant_row
                memory.copy_bytes(to + (x - first) * pixel, value, pixel)

    @step
    def take_rows(args, values, plane, column, count, top):
        """Copy what lies under the tile of `count` columns that begins at `column` and row `top`."""
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
            to = values + number * args.value_row
            copy_row(args, address, to, column - args.left, column + count + args.right)
            if floats:
                rank_simd.order(dtype, to, args.vectors)

    return find_borders, take_rows
