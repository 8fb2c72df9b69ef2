"""Minima or maxima over a rectangle: the cost hardly depends on its size.

Of a block of rows the best of each column under the windows comes first, then, row by row, the best along the row. What
is best may be counted twice, so that a window along a row is two overlapping ones of half its size or more, and these
are made by doubling; along columns groups of rows that lie under all windows of a block are shared, and their best is
kept from block to block (see `_groups`).

Columns are done in chunks, so that rows stay in the cache. Between the two steps rows lie in scratch, as keys (see
`simd.extremum`) and with the border around them. Pixels are compared only, so a result is the same however an image is
cut.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.jit import target
from fastsep._kernels.rows import list_sources, outside, rows_of_plane, share
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import extremum as simd


def build(which: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for the "minimum" or "maximum" of images of one dtype; all three names are its."""
    dtype = np.dtype(src_name)
    assert src_name == acc_name == dst_name
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    height = target().tile
    down = _down(which, dtype, height)
    prepare_groups, end_block = _groups(which, dtype, height)
    find_borders, fill_constant, copy_borders = _borders(which, dtype, height)
    along = _along(which, dtype)

    def band(block, index):
        args = at.Extremum(block)
        rows, cols, channels, chunk = args.rows, args.cols, args.channels, args.chunk
        unit, stop = share(args, index, args.planes * rows)
        scratch = args.scratch
        table, taken = scratch, args.size_y + height - 1
        kept, kept_row = scratch + args.kept, args.kept_row
        narrow = cols * channels < lanes
        find_borders(args, scratch + args.borders)
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            source = args.src + plane * rows * args.src_row
            dest = args.dst + plane * rows * args.dst_row
            for column in range(0, cols, chunk):
                # The last chunk overlaps the one before it, so that all are of one size.
                column = min(column, cols - chunk)
                # Values of the image, and where in rows of scratch they and the leftmost one under a window lie.
                before, behind = column - args.centre_x, column - args.centre_x + chunk + args.size_x - 1
                first = max(before, 0) * channels // lanes * lanes
                last = min(behind, cols) * channels
                inside = kept + args.margin
                left = inside + (before * channels - first) * size
                fill_constant(args, kept)
                fresh, slot, phase = taken, 0, 0
                for top in range(first_row, end, height):
                    start = top - args.centre_y
                    slot = list_sources(
                        args, scratch, table, taken, fresh, height, cols * channels * size, start, start + taken,
                        source, slot,
                    )  # fmt: skip
                    if fresh == taken:
                        prepare_groups(args, table + 8, first, last)
                    fresh = height
                    down(args, table + 8, first, last, phase, inside)
                    phase += 1
                    if phase >= args.groups:
                        end_block(args)
                        phase = 0
                    if args.mode_x != at.CONSTANT or narrow:
                        copy_borders(args, scratch + args.borders, inside - first * size, before, behind)
                    for row in range(top, min(top + height, end)):
                        along(args, left + (row - top) * kept_row, dest + row * args.dst_row + column * channels * size)

    return band


def _down(which, dtype, height):
    """`down` for one dtype."""
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    vector = lanes * size

    @step
    def down(args, table, first, last, phase, to):
        """The best of each column, of the values `first` .. `last` - 1 of a block's rows; value `first` goes to `to`."""
        end = max(last - lanes, 0)
        ring, prefix = args.scratch + args.ring_of_groups + phase * args.group_row, args.scratch + args.prefix
        if args.size_y <= height:
            for x in range(first, last, lanes):
                x = min(x, end)
                simd.best_of_few(
                    dtype, which, height, table, x * size, args.size_y, to + (x - first) * size, args.kept_row
                )
        else:
            place = 0
            for x in range(first, last, lanes):
                x = min(x, end)
                simd.best_of_many(
                    dtype, which, height, table, x * size, args.size_y, args.first_y, args.groups, ring + place,
                    prefix + place, to + (x - first) * size, args.kept_row,
                )  # fmt: skip
                place += vector

    return down


def _groups(which, dtype, height):
    """`prepare_groups` and `end_block`.

    A block of rows needs what is best in `groups` groups before it (see `simd.best_of_many`): van Herk's scheme, with
    groups for pixels. Groups are counted in blocks of as many. In a ring lies for each group of the last block what is
    best from there on to the block's end, or the group's own, if it is of the block at work; of these, `prefix` has
    what is best in all.
    """
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    vector = lanes * size

    @helper
    def end_block(args):
        """Groups of a block become what is best from each on, and a new block begins."""
        if args.groups == 0:
            return
        ring, row = args.scratch + args.ring_of_groups, args.group_row
        for number in range(args.groups - 2, -1, -1):
            place = ring + number * row
            simd.best_of_two(dtype, which, place, row, place, row // vector)
        simd.fill(dtype, which, args.scratch + args.prefix, row // vector, 0)

    @helper
    def prepare_groups(args, table, first, last):
        """Find the best of the groups before the first block; `table`: its rows."""
        ring, end = args.scratch + args.ring_of_groups, max(last - lanes, 0)
        for number in range(args.groups):
            rows = table + 8 * (args.first_y + number * height)
            place = ring + number * args.group_row
            for x in range(first, last, lanes):
                simd.best_of_group(dtype, which, height, rows, min(x, end) * size, place)
                place += vector
        end_block(args)

    return prepare_groups, end_block


def _borders(which, dtype, height):
    """`find_borders`, `fill_constant` and `copy_borders`, for what lies left and right of the image."""
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    vector = lanes * size

    @helper
    def find_borders(args, borders):
        """List which column stands for each one left and right of the image; -1: the constant."""
        for k in range(args.size_x - 1):
            pixel = k - args.centre_x if k < args.centre_x else k - args.centre_x + args.cols
            memory.set_word(borders, k, outside(pixel, args.cols, args.mode_x))

    @helper
    def fill_constant(args, kept):
        """Fill rows of scratch with the constant, where it is no pixel that stands for those outside."""
        if args.mode_x == at.CONSTANT:
            simd.fill(dtype, which, kept, height * args.kept_row // vector, args.beyond_x)
            simd.fill(dtype, which, args.scratch + args.constant_key, 1, args.beyond_x)

    @step
    def copy_borders(args, borders, origin, before, behind):
        """Copy what stands for the columns before .. behind - 1 that lie outside; value 0 of a row is at `origin`."""
        channels, cols, centre = args.channels, args.cols, args.centre_x
        for side in range(2):
            start, stop = (before, min(behind, 0)) if side == 0 else (max(before, cols), behind)
            for pixel in range(start, stop):
                column = memory.word(borders, pixel + centre if side == 0 else pixel + centre - cols)
                to = origin + pixel * channels * size
                for _ in range(height):
                    if column < 0:
                        for c in range(channels):
                            memory.copy_value(dtype, to + c * size, args.scratch + args.constant_key)
                    else:
                        shift = (column - pixel) * channels * size
                        for c in range(channels):
                            memory.copy_value(dtype, to + c * size, to + shift + c * size)
                    to += args.kept_row

    return find_borders, fill_constant, copy_borders


def _along(which, dtype):
    """`along` for one dtype."""
    lanes, size = emitter.lanes(dtype), dtype.itemsize

    @step
    def along(args, source, to):
        """The best along a row, whose first window begins at `source`."""
        channels, size_x = args.channels, args.size_x
        count = args.chunk * channels
        work = args.scratch + args.work
        # Windows of `have` pixels.
        have = 1
        if args.doublings > 0:
            have = 1 << args.doublings
            simd.best_of_neighbours(dtype, which, source, args.doublings, work, (count + size_x - have) // lanes + 1)
            source = work
        while 2 * have < size_x:
            shift = have * channels
            have *= 2
            vectors = (count + (size_x - have) * channels) // lanes + 1
            simd.best_of_two(dtype, which, source, shift * size, work, vectors)
            source = work
        shift = (size_x - have) * channels * size
        if count < lanes:
            simd.deliver(dtype, which, source, shift, work, lanes)
            memory.copy_bytes(to, work, count * size)
        else:
            simd.deliver(dtype, which, source, shift, to, count)

    return along
