"""Correlation with kernels that are no product of lines: every tap is multiplied, in any number of axes.

A block of `height` output rows is computed vector by vector. The source rows under the kernel are
first copied, in the dtype of the arithmetic and with the border around them, into rings, one for
each offset of the kernel along the axes before the last two: later accesses know neither dtypes nor
borders. Where few rows of that dtype lie under the kernel only their ends are copied and the rest is
read where it lies, which saves a tenth of the time at 7 x 7 (measured). Of a volume, the planes follow
each other a window of rows at a time, so that rows that several planes are made of are still near.

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

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.jit import dense_height
from fastsep._kernels.rows import deliver_narrow, list_targets, outside, rows_of_window, share
from fastsep._kernels.simd import dense, emitter, memory


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype.

    `form`: "sums" or "differences"; or "sums cast" for results that are cast as C casts, "ordered cast" for such whose
    products are rounded before they are added, in the order of the runs.
    """
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes = emitter.lanes(acc)
    differences = form == "differences"
    height = dense_height(differences)
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize

    find_borders, take_rows = _rows(src, acc, height)

    def band(block, index):
        args = at.Dense(block)
        rows, cols, channels = args.rows, args.cols, args.channels
        row_bytes, dst_bytes = args.src_row, args.dst_row
        slices, offsets = args.depth, args.offsets
        unit, stop = share(args, index, args.planes * slices * rows)
        scratch = args.scratch
        taken = args.lead + args.trail + height
        edge = args.edge
        # Three tables: of copies of whole rows or of their left ends, of rows in place, of right ends. Entry i of
        # an offset is row top - lead + i of the plane at that offset.
        table = scratch
        table_bytes = 8 * offsets * taken
        targets = table + 3 * table_bytes
        spare = scratch + args.spare
        spare_row = lanes * dst_size if cols * channels < lanes else 0
        values = cols * channels
        in_a_row = args.in_a_row != 0 and row_bytes == values * src_size and dst_bytes == values * dst_size
        along, src_step = (height, at.LINE) if in_a_row else (1, row_bytes)
        find_borders(args, scratch + args.borders)
        while unit < stop:
            plane, first_row, end = rows_of_window(unit, stop, rows, slices, args.window)
            unit += end - first_row
            target = args.dst + plane * rows * dst_bytes
            # Of the planes under the kernel the last one is new, the others were read for the plane before.
            batch = plane // slices
            new = memory.word(args.slices, (plane - batch * slices + 1) * offsets - 1)
            new = batch * slices + new if new >= 0 else plane
            for column in range(0, cols, args.chunk):
                # The last chunk overlaps the one before it, so that all are of one size.
                column = max(min(column, cols - args.chunk), 0)
                width = min(args.chunk, cols) * channels
                slot = 0
                fresh = taken
                for top in range(first_row, end, height):
                    take_rows(args, scratch, plane, column, top, taken, fresh, slot)
                    slot = (slot + fresh) % taken
                    fresh = height
                    to = target + column * channels * dst_size
                    list_targets(targets, height, to, dst_bytes, top, end, spare, spare_row)
                    # The next block's rows, whose copying would else wait for them.
                    below = min(top + height + args.trail, rows - height)
                    ahead = args.src + (new * rows + max(below, 0)) * row_bytes
                    ahead += column * channels * src_size
                    to += (top + height) * dst_bytes
                    ends = edge * channels
                    for number in range(3 if edge != 0 else 1):
                        begin, finish = 0, width
                        if edge != 0:
                            begin = 0 if number == 0 else (ends if number == 1 else width - ends)
                            finish = ends if number == 0 else (width - ends if number == 1 else width)
                        origin = begin if number == 2 else 0
                        entries = table + number * table_bytes
                        for x in range(begin, finish, lanes):
                            if x * src_size % at.LINE == 0:
                                memory.prefetch_rows(acc, height, ahead + x * src_size * along, src_step)
                            if in_a_row and x * dst_size % at.LINE == 0:
                                memory.prefetch_targets(acc, height, to + x * dst_size * height, at.LINE)
                            # The last vector overlaps the one before it.
                            x = max(min(x, finish - lanes), begin)
                            if differences:
                                dense.dense_tile(
                                    acc, dst, form, height, args.runs, args.run_count,
                                    entries, (x - origin) * acc_size, targets, x * dst_size,
                                    entries + 8 * args.middle_row, args.middle_shift, args.total,
                                )  # fmt: skip
                            else:
                                dense.dense_tile(
                                    acc, dst, form, height, args.runs, args.run_count,
                                    entries, (x - origin) * acc_size, targets, x * dst_size, 0, 0, 0,
                                )  # fmt: skip
                    if spare_row != 0:
                        deliver_narrow(
                            target, dst_bytes, top, min(top + height, end), spare, spare_row, width * dst_size
                        )

    return band


def _rows(src, acc, height):
    """`find_borders` and `take_rows` for the dtypes of the source and of the arithmetic."""
    src_size, acc_size = src.itemsize, acc.itemsize

    @helper
    def find_borders(args, borders):
        """List which column stands for each one left and right of the image; -1: none."""
        left = args.left
        cols = args.cols
        for k in range(left + args.right):
            pixel = k - left if k < left else k - left + cols
            memory.set_word(borders, k, outside(pixel, cols, args.mode_x))

    @helper
    def copy_row(args, borders, row, to, first, stop):
        """Copy the pixels `first` .. `stop` - 1 of the source row at `row`, some of them beyond its ends."""
        channels = args.channels
        cols = args.cols
        left = args.left
        inside, end = (max(first, 0), min(stop, cols)) if args.joined == 0 else (first, stop)
        place = to + (inside - first) * channels * acc_size
        memory.convert_values(src, acc, place, row + inside * channels * src_size, (end - inside) * channels)
        for side in range(2):
            begin, finish = (first, inside) if side == 0 else (end, stop)
            for pixel in range(begin, finish):
                column = memory.word(borders, pixel + left if side == 0 else pixel + left - cols)
                value = row + column * channels * src_size
                if column < 0:
                    value = args.constant_row
                memory.convert_values(src, acc, to + (pixel - first) * channels * acc_size, value, channels)

    @step
    def take_rows(args, scratch, plane, column, top, taken, fresh, slot):
        """Copy the last `fresh` of the `taken` rows under a block, from `slot` on in their rings, and list all of them.

        The block begins at `column` and row `top`.
        """
        channels, rows = args.channels, args.rows
        left, edge = args.left, args.edge
        table_bytes = 8 * args.offsets * taken
        batch = plane // args.depth
        stands = args.slices + 8 * args.offsets * (plane - batch * args.depth)
        borders = scratch + args.borders
        for offset in range(args.offsets):
            entries = scratch + 8 * offset * taken
            for number in range(3):
                moved = entries + number * table_bytes
                memory.copy_bytes(moved, moved + 8 * height, 8 * (taken - fresh))
            source_plane = memory.word(stands, offset)
            ring = scratch + args.ring + offset * taken * args.ring_row
            place = slot
            for i in range(taken - fresh, taken):
                row = outside(top - args.lead + i, rows, args.mode_y)
                address = args.src + ((batch * args.depth + source_plane) * rows + row) * args.src_row
                if row < 0 or source_plane < 0:
                    address = args.constant_row
                to = ring + place * args.ring_row
                memory.set_word(entries, i, to)
                if edge == 0:
                    last = column + min(args.chunk, args.cols) + args.right
                    copy_row(args, borders, address, to, column - left, last)
                else:
                    copy_row(args, borders, address, to, -left, edge + args.right)
                    memory.set_word(entries + table_bytes, i, address - left * channels * src_size)
                    to += (edge + left + args.right) * channels * acc_size
                    copy_row(args, borders, address, to, args.cols - edge - left, args.cols + args.right)
                    memory.set_word(entries + 2 * table_bytes, i, to)
                place += 1
                if place == taken:
                    place = 0

    return find_borders, take_rows
