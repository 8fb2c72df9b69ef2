"""Correlation with kernels that are no product of lines: every tap is multiplied, in any number of axes.

A block of `height` output rows is computed vector by vector. The source rows under the kernel are
first copied, in the dtype of the arithmetic and with the border around them, into rings, one for
each offset of the kernel along the axes before the last two: later accesses know neither dtypes nor
borders. Where few rows of that dtype lie under the kernel only their ends are copied and the rest is
read where it lies, which saves a tenth of the time at 7 x 7 (measured).

The kernel is cut into *runs*, stretches of taps in one column without a zero; along a run the rows
slide through registers, so that a tap costs one multiply-add for each output row and one load for
all of them. Zero taps are in no run: they cost nothing, and NaN or inf under them does not count.

Taps that sum to zero apply to differences, so that an image of large values that differ little loses nothing: along a
run from pixel to pixel, and at its first one from the pixel under the largest tap.

Columns are done in chunks, so that the rings stay in the cache. Rows hold `cols` pixels of
`channels` values.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from fastsep._kernels import blocks as at
from fastsep._kernels import simd
from fastsep._kernels.borders import outside
from fastsep._kernels.jit import dense_height


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype; `form`: "sums" or "differences"."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes = simd.lanes(acc)
    differences = form == "differences"
    height = dense_height(differences)
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize

    @register_jitable
    def find_borders(block, borders):
        """List which column stands for each one left and right of the image; -1: none."""
        left = simd.word(block, at.LEFT)
        cols = simd.word(block, at.COLS)
        for k in range(left + simd.word(block, at.RIGHT)):
            pixel = k - left if k < left else k - left + cols
            simd.set_word(borders, k, outside(pixel, cols, simd.word(block, at.MODE_X)))

    @register_jitable
    def copy_row(block, borders, row, to, first, stop):
        """Copy the pixels `first` .. `stop` - 1 of the source row at `row`, some of them beyond its ends."""
        channels = simd.word(block, at.CHANNELS)
        cols = simd.word(block, at.COLS)
        left = simd.word(block, at.LEFT)
        inside, end = max(first, 0), min(stop, cols)
        place = to + (inside - first) * channels * acc_size
        simd.convert_values(src, acc, place, row + inside * channels * src_size, (end - inside) * channels)
        for side in range(2):
            begin, finish = (first, min(stop, 0)) if side == 0 else (max(first, cols), stop)
            for pixel in range(begin, finish):
                column = simd.word(borders, pixel + left if side == 0 else pixel + left - cols)
                value = row + column * channels * src_size
                if column < 0:
                    value = simd.word(block, at.CONSTANT_ROW)
                simd.convert_values(src, acc, to + (pixel - first) * channels * acc_size, value, channels)

    def band(block, index):
        rows = simd.word(block, at.ROWS)
        cols = simd.word(block, at.COLS)
        channels = simd.word(block, at.CHANNELS)
        row_bytes, dst_bytes = simd.word(block, at.SRC_ROW), simd.word(block, at.DST_ROW)
        slices, offsets = simd.word(block, at.DEPTH), simd.word(block, at.OFFSETS)
        total = simd.word(block, at.PLANES) * slices * rows
        bands = simd.word(block, at.BANDS)
        unit = total * index // bands
        stop = total * (index + 1) // bands
        scratch = simd.word(block, at.SCRATCH) + index * simd.word(block, at.SCRATCH_BAND)
        lead = simd.word(block, at.LEAD)
        taken = lead + simd.word(block, at.TRAIL) + height
        left, right = simd.word(block, at.LEFT), simd.word(block, at.RIGHT)
        edge = simd.word(block, at.EDGE)
        # Three tables: of copies of whole rows or of their left ends, of rows in place, of right ends. Entry i of
        # an offset is row top - lead + i of the plane at that offset.
        table = scratch
        table_bytes = 8 * offsets * taken
        targets = table + 3 * table_bytes
        spare = scratch + simd.word(block, at.SPARE)
        borders = scratch + simd.word(block, at.BORDERS)
        ring_row = simd.word(block, at.RING_ROW)
        chunk = simd.word(block, at.CHUNK)
        narrow = cols * channels < lanes
        find_borders(block, borders)
        while unit < stop:
            plane = unit // rows
            first_row = unit - plane * rows
            end = min(rows, first_row + stop - unit)
            unit += end - first_row
            batch = plane // slices
            stands = simd.word(block, at.SLICE_TABLE) + 8 * offsets * (plane - batch * slices)
            target = simd.word(block, at.DST) + plane * rows * dst_bytes
            for column in range(0, cols, chunk):
                # The last chunk overlaps the one before it, so that all are of one size.
                column = max(min(column, cols - chunk), 0)
                width = min(chunk, cols) * channels
                slot = 0
                fresh = taken
                for top in range(first_row, end, height):
                    for offset in range(offsets):
                        entries = table + 8 * offset * taken
                        for number in range(3):
                            moved = entries + number * table_bytes
                            simd.copy_bytes(moved, moved + 8 * height, 8 * (taken - fresh))
                        source_plane = simd.word(stands, offset)
                        ring = scratch + simd.word(block, at.RING) + offset * taken * ring_row
                        place = slot
                        for i in range(taken - fresh, taken):
                            row = outside(top - lead + i, rows, simd.word(block, at.MODE_Y))
                            address = simd.word(block, at.SRC)
                            address += ((batch * slices + source_plane) * rows + row) * row_bytes
                            if row < 0 or source_plane < 0:
                                address = simd.word(block, at.CONSTANT_ROW)
                            to = ring + place * ring_row
                            simd.set_word(entries, i, to)
                            if edge == 0:
                                last = column + min(chunk, cols) + right
                                copy_row(block, borders, address, to, column - left, last)
                            else:
                                copy_row(block, borders, address, to, -left, edge + right)
                                simd.set_word(entries + table_bytes, i, address - left * channels * src_size)
                                to += (edge + left + right) * channels * acc_size
                                copy_row(block, borders, address, to, cols - edge - left, cols + right)
                                simd.set_word(entries + 2 * table_bytes, i, to)
                            place += 1
                            if place == taken:
                                place = 0
                    slot += fresh
                    if slot >= taken:
                        slot -= taken
                    fresh = height
                    for r in range(height):
                        address = spare
                        if narrow:
                            address = spare + r * lanes * dst_size
                        elif top + r < end:
                            address = target + (top + r) * dst_bytes + column * channels * dst_size
                        simd.set_word(targets, r, address)
                    # The next block's rows, whose copying would else wait for them.
                    below = min(top + height + simd.word(block, at.TRAIL), rows - height)
                    ahead = simd.word(block, at.SRC) + (plane * rows + max(below, 0)) * row_bytes
                    ahead += column * channels * src_size
                    ends = edge * channels
                    for number in range(3 if edge != 0 else 1):
                        begin, finish = 0, width
                        if edge != 0:
                            begin = 0 if number == 0 else (ends if number == 1 else width - ends)
                            finish = ends if number == 0 else (width - ends if number == 1 else width)
                        origin = begin if number == 2 else 0
                        for x in range(begin, finish, lanes):
                            if x * src_size % at.LINE == 0:
                                simd.prefetch_rows(acc, height, ahead + x * src_size, row_bytes)
                            # The last vector overlaps the one before it.
                            x = max(min(x, finish - lanes), begin)
                            entries = table + number * table_bytes
                            if differences:
                                simd.dense_tile(
                                    acc, dst, height, simd.word(block, at.RUNS_AT), simd.word(block, at.RUNS),
                                    entries, (x - origin) * acc_size, targets, x * dst_size,
                                    entries + 8 * simd.word(block, at.MIDDLE_ROW), simd.word(block, at.MIDDLE_SHIFT),
                                    simd.word(block, at.FACTOR),
                                )  # fmt: skip
                            else:
                                simd.dense_tile(
                                    acc, dst, height, simd.word(block, at.RUNS_AT), simd.word(block, at.RUNS),
                                    entries, (x - origin) * acc_size, targets, x * dst_size, 0, 0, 0,
                                )  # fmt: skip
                    if narrow:
                        for r in range(min(height, end - top)):
                            simd.copy_bytes(
                                target + (top + r) * dst_bytes, spare + r * lanes * dst_size, width * dst_size
                            )

    return band
