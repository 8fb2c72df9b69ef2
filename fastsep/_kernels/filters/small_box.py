"""Means of integers over a small rectangular window, in integers.

Sums down columns slide from row to row; integers are subtracted without a trace, so no result depends on where a band
begins. A few rows of them, which stay in the nearest cache, are added up along the rows. What casts means as SciPy does
divides after each axis.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import (
    deliver_narrow,
    list_sources,
    list_targets,
    outside,
    rows_of_plane,
    share,
    whole_or_last,
)
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import small_box as tiles


def build(src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes, height = emitter.lanes(acc), at.BOX_ROWS
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize
    fill_beyond = _filler(acc)

    def band(block, index):
        args = at.SmallBox(block)
        rows, width, size_y = args.rows, args.cols * args.channels, args.size_y
        row_bytes, dst_bytes = args.src_row, args.dst_row
        unit, stop = share(args, index, args.planes * rows)
        scratch = args.scratch
        # From the row above the first window's on.
        taken = size_y + height
        table = scratch + 8
        targets = table + 8 * (taken + 1)
        spare = scratch + args.spare
        spare_row = lanes * dst_size if width < lanes else 0
        sums, sums_row = scratch + args.sums, args.sums_row
        left = args.left * args.channels * acc_size
        start, span = 0, width
        if args.joined != 0:
            start, span = -args.left * args.channels, width + (args.size_x - 1) * args.channels
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            source = args.src + plane * rows * row_bytes
            target = args.dst + plane * rows * dst_bytes
            slot, fresh = 0, taken
            for top in range(first_row, end, height):
                first = top - 1 - args.lead
                slot = list_sources(
                    args, scratch, table - 8, taken, fresh, height, row_bytes, first, first + taken, source, slot
                )
                list_targets(targets, height, target, dst_bytes, top, end, spare, spare_row)
                kept = scratch + args.kept
                for part in range(2):
                    x, vectors = whole_or_last(part, span, lanes)
                    x += start
                    if fresh == taken:
                        tiles.add_rows(src, acc, table, x * src_size, vectors, size_y, kept)
                    tiles.slide_down(
                        src, acc, table, x * src_size, vectors, size_y, kept, sums + x * acc_size, sums_row,
                        args.divide_y,
                    )  # fmt: skip
                    # The last vector overlaps the one before it, whose kept sums have gone on by now.
                    kept += vectors * lanes * acc_size
                fresh = height
                if args.joined == 0:
                    fill_beyond(args, sums, width)
                for part in range(2):
                    x, vectors = whole_or_last(part, width, lanes)
                    tiles.mean_along(
                        acc, dst, sums + x * acc_size - left, sums_row, vectors, args.size_x,
                        args.channels * acc_size, args.divide_x, targets, x * dst_size,
                    )  # fmt: skip
                if spare_row != 0:
                    deliver_narrow(target, dst_bytes, top, min(top + height, end), spare, spare_row, width * dst_size)

    return band


def _filler(acc):
    """`fill_beyond` for sums of dtype `acc`."""
    size = acc.itemsize

    @helper
    def fill_beyond(args, sums, width):
        """Copy the sums that stand for those left and right of the rows at `sums`."""
        channels, row = args.channels, args.sums_row
        left = args.left * channels
        for beyond in range((args.size_x - 1) * channels):
            value = beyond - left if beyond < left else beyond - left + width
            pixel = value // channels
            column = outside(pixel, args.cols, args.mode_x)
            lane = value - pixel * channels
            for r in range(at.BOX_ROWS):
                line = sums + r * row
                source = args.beyond_x if column < 0 else line + (column * channels + lane) * size
                memory.copy_value(acc, line + value * size, source)

    return fill_beyond
