"""The value of a rank in large rectangles of bytes, at a cost that hardly depends on their size.

A histogram of each column under a row of windows follows the rows down; from window to window along the row one column
is added and one taken away (Perreault and Hebert, "Median filtering in constant time", IEEE Transactions on Image
Processing 16, 2007). Columns are done in strips, whose histograms stay in the cache.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.rank_rows import copier
from fastsep._kernels.helper import helper, step
from fastsep._kernels.jit import target
from fastsep._kernels.rows import outside, rows_of_plane, share
from fastsep._kernels.simd import histogram, memory


def build(src_name: str, acc_name: str, dst_name: str):
    """The band function for bytes, with a sign or without."""
    dtype = np.dtype(src_name)
    assert src_name == acc_name == dst_name
    find_borders, copy_row = copier(dtype)
    vector = target().vector_bytes

    @helper
    def take_row(args, source, row, column, count, number):
        """Copy what lies under the strip of a row that may be outside; where it is copied to."""
        row = outside(row, args.rows, args.mode_y)
        address = source + row * args.src_row if row >= 0 else args.constant_row
        to = args.scratch + args.copies + number * args.copy_row
        wide = ((count + args.size_x - 1) * args.channels + vector - 1) // vector
        copy_row(args, address, to, column - args.left, column + count + args.right, wide)
        return to

    @step
    def rank_strip(args, source, target_rows, column, count, first_row, end):
        """All rows of a strip of `count` columns."""
        channels = args.channels
        columns = (count + args.size_x - 1) * channels
        coarse, fine = args.scratch + args.coarse, args.scratch + args.fine
        recent, sums = args.scratch + args.recent, args.scratch + args.sums
        memory.clear_bytes(coarse, columns * histogram.BYTES)
        memory.clear_bytes(fine, histogram.BINS * columns * histogram.BYTES)
        for row in range(first_row - args.lead, first_row - args.lead + args.size_y):
            copy = take_row(args, source, row, column, count, 0)
            histogram.count_row(dtype, args.ones, coarse, fine, columns, copy)
        for row in range(first_row, end):
            out = target_rows + row * args.dst_row + column * channels
            for channel in range(channels):
                for number in range(histogram.BINS):
                    at.Recent(recent, number).window = -1 - args.size_x
                start = channel * histogram.BYTES
                histogram.rank_row(
                    dtype, coarse + start, fine + start, columns, channels, recent, sums, args.size_x, count,
                    args.rank, out + channel,
                )  # fmt: skip
            if row + 1 < end:
                above = take_row(args, source, row - args.lead, column, count, 0)
                below = take_row(args, source, row - args.lead + args.size_y, column, count, 1)
                histogram.move_row(dtype, args.ones, coarse, fine, columns, below, above)

    def band(block, index):
        args = at.Histogram(block)
        rows, cols = args.rows, args.cols
        unit, stop = share(args, index, args.planes * rows)
        find_borders(args, args.scratch + args.borders)
        memory.clear_bytes(args.scratch + args.sums - at.LINE, at.LINE)
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            source, target_rows = args.src + plane * rows * args.src_row, args.dst + plane * rows * args.dst_row
            for column in range(0, cols, args.chunk):
                rank_strip(args, source, target_rows, column, min(args.chunk, cols - column), first_row, end)

    return band
