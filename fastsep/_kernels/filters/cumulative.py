"""The value of a rank in rectangles of up to 255 bytes, at a cost that depends on how much results differ.

A cumulative histogram of each column under a row of windows follows the rows down. That of a window is the sum of its
columns: from window to window along the row one is added and one taken away (Perreault and Hebert, "Median filtering in
constant time", IEEE Transactions on Image Processing 16, 2007). The result is the number of values whose count is not
above the rank.

Histograms are one vector long: they know as many values as it has lanes, from `start` on. So an image is done in tiles,
in which results hardly differ. Rows of a tile with results that lie above or below these values are done again with the
values there, and the numbers added up.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.rank_rows import copier
from fastsep._kernels.helper import helper, step
from fastsep._kernels.jit import target
from fastsep._kernels.rows import outside, rows_of_plane, share
from fastsep._kernels.simd import cumulative, memory

VALUES = 256


def build(src_name: str, acc_name: str, dst_name: str):
    """The band function for bytes, with a sign or without."""
    dtype = np.dtype(src_name)
    assert src_name == acc_name == dst_name
    find_borders, copy_row = copier(dtype)
    lanes = target().vector_bytes

    @step
    def copy_tile(args, source, column, count, channel, top, rows):
        """Copy one channel of what lies under `rows` rows of windows."""
        columns = count + args.size_x - 1
        wide = (columns * args.channels + lanes - 1) // lanes
        for number in range(rows + args.size_y - 1):
            row = outside(top - args.lead + number, args.rows, args.mode_y)
            address = source + row * args.src_row if row >= 0 else args.constant_row
            to = args.scratch + args.copies + number * args.copy_row
            copy_row(args, address, to, column - args.left, column + count + args.right, wide)
            if args.channels > 1:
                for x in range(columns):
                    memory.copy_value(dtype, to + x, to + x * args.channels + channel)

    @helper
    def rank_rows(args, found, count, top, bottom, start, out, keep, more):
        """Rows `top` .. `bottom` - 1 of a tile, and the lowest and the highest number `found` in each."""
        steps, histograms = args.steps + start * lanes, args.scratch + args.histograms
        row, below = args.scratch + args.copies + top * args.copy_row, (args.size_y - 1) * args.copy_row
        cumulative.begin(dtype, steps, histograms, count + args.size_x - 1, row, args.copy_row, args.size_y - 1)
        left_steps = args.steps - lanes * lanes  # nothing has to go out yet
        for number in range(top, bottom):
            extent = cumulative.rank_row(
                dtype, steps, left_steps, histograms, row + below, row - args.copy_row, args.size_x, count, args.rank,
                out + number * args.dst_row, args.channels, keep, more,
            )  # fmt: skip
            memory.set_word(found, 2 * number, extent & 255)
            memory.set_word(found, 2 * number + 1, extent >> 8)
            left_steps = steps
            row += args.copy_row

    @helper
    def rows_left(found, which, wanted, top, bottom):
        """The first row of some, and the one after the last, whose lowest or highest number is the one wanted."""
        while top < bottom and memory.word(found, 2 * top + which) != wanted:
            top += 1
        while top < bottom and memory.word(found, 2 * bottom - 2 + which) != wanted:
            bottom -= 1
        return top, bottom

    @step
    def rank_tile(args, count, rows, start, out):
        """All windows of a tile, first with values from `start` on; from which on results would lie in the middle."""
        found = args.scratch + args.found
        beyond = found + 16 * args.height
        rank_rows(args, found, count, 0, rows, start, out, 0, start)
        low, high = lanes, 0
        for row in range(rows):
            low, high = min(low, memory.word(found, 2 * row)), max(high, memory.word(found, 2 * row + 1))
        for upwards in range(2):
            wanted, more, level = (lanes, 0, start + lanes) if upwards else (0, -lanes, start - lanes)
            top, bottom = rows_left(found, upwards, wanted, 0, rows)
            while top < bottom and -lanes < level < VALUES:
                rank_rows(args, beyond, count, top, bottom, level, out, VALUES - 1, more)
                top, bottom = rows_left(beyond, upwards, wanted, top, bottom)
                level += lanes if upwards else -lanes
        return start + (low + high - lanes) // 2

    def band(block, index):
        args = at.Cumulative(block)
        rows, cols = args.rows, args.cols
        unit, stop = share(args, index, args.planes * rows)
        find_borders(args, args.scratch + args.borders)
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            source, target_rows = args.src + plane * rows * args.src_row, args.dst + plane * rows * args.dst_row
            tiles = (end - first_row + args.height - 1) // args.height
            for column in range(0, cols, args.chunk):
                count = min(args.chunk, cols - column)
                middle = args.size_y // 2 * args.copy_row + (count + args.size_x) // 2
                for channel in range(args.channels):
                    start = 0
                    for tile in range(tiles):
                        top = first_row + (end - first_row) * tile // tiles
                        bottom = first_row + (end - first_row) * (tile + 1) // tiles
                        copy_tile(args, source, column, count, channel, top, bottom - top)
                        if tile == 0:  # a guess
                            start = cumulative.value(dtype, args.scratch + args.copies + middle) - lanes // 2
                        start = min(max(start, 0), VALUES - lanes)
                        out = target_rows + top * args.dst_row + column * args.channels + channel
                        start = rank_tile(args, count, bottom - top, start, out)

    return band
