"""Minima or maxima over a rectangle: the cost hardly depends on its size.

Of a block of rows the best of each column under the windows comes first, then, row by row, the best along the row. What
is best may be counted twice, so that a window along a row is two overlapping ones of half its size or more, and these
are made by doubling; along columns, groups of rows that lie under all windows of a block are shared, and their best is
kept from block to block (see `_groups`).

Between the two steps the rows of a block lie in scratch, as keys (see `simd.extremum`) and with the border around them.
Pixels are only compared, so a result is the same however an image is cut.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.extremum_borders import borders
from fastsep._kernels.helper import helper, step
from fastsep._kernels.jit import extremum_height
from fastsep._kernels.rows import copy_ends, list_sources, rows_of_plane, share
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import extremum as simd
from fastsep._kernels.simd.sweep import finish_streams


def build(which: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for the "minimum" or "maximum" of images of one dtype; all three names are its."""
    dtype = np.dtype(src_name)
    assert src_name == acc_name == dst_name
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    height = extremum_height(dtype.itemsize)
    down = _down(which, dtype, height)
    prepare_groups, end_block = _groups(which, dtype, height)
    prepare_borders, copy_borders = borders(which, dtype, height)
    along = _along(which, dtype)

    def band(block, index):
        args = at.Extremum(block)
        rows, width = args.rows, args.cols * args.channels
        unit, stop = share(args, index, args.planes * rows)
        scratch = args.scratch
        table, taken = scratch, args.size_y + height - 1
        inside = scratch + args.kept + args.margin
        left = inside - args.centre_x * args.channels * size
        prepare_borders(args)
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            source = args.src + plane * rows * args.src_row
            dest = args.dst + plane * rows * args.dst_row
            fresh, slot, phase = taken, 0, 0
            for top in range(first_row, end, height):
                first = top - args.centre_y
                last = first + end - top + args.size_y - 2
                slot = list_sources(args, scratch, table, taken, fresh, height, width * size, first, last, source, slot)
                if fresh == taken:
                    prepare_groups(args, table + 8)
                    fresh = height
                down(args, table + 8, phase, inside, source + (first + taken) * args.src_row)
                phase += 1
                if phase >= args.groups:
                    end_block(args)
                    phase = 0
                if args.joined == 0 and (args.mode_x != at.CONSTANT or width < lanes):
                    copy_borders(args, inside)
                for row in range(top, min(top + height, end)):
                    along(args, left + (row - top) * args.kept_row, dest + row * args.dst_row)
        if args.streamed != 0:
            finish_streams()

    return band


def _down(which, dtype, height):
    """`down` for one dtype."""
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    vector = lanes * size

    @step
    def down(args, table, phase, to, ahead):
        """The best of each column of a block's rows; `ahead`: the first row of those that the next block needs besides.

        A row narrower than a vector is read as one.
        """
        width, size_y, row_bytes, to_row = args.cols * args.channels, args.size_y, args.src_row, args.kept_row
        start, stop = 0, width
        if args.joined != 0:
            # Whole vectors on either side, so that all lie on cache lines as the pixels of the row do.
            before, after = args.centre_x * args.channels, (args.size_x - 1 - args.centre_x) * args.channels
            start = -((before + lanes - 1) // lanes) * lanes
            stop = width + (after + lanes - 1) // lanes * lanes
        last = max(stop - lanes, start)
        groups, first_y = args.groups, args.first_y
        group = args.scratch + args.ring_of_groups + phase * args.group_row
        prefix = args.scratch + args.prefix
        for x in range(start, stop, lanes):
            if (x - start) * size % at.LINE == 0:
                memory.prefetch_rows(dtype, height, ahead + x * size, row_bytes)
            x = min(x, last)
            if size_y <= height:
                simd.best_of_few(dtype, which, height, table, x * size, size_y, to + x * size, to_row)
            else:
                simd.best_of_many(
                    dtype, which, height, table, x * size, size_y, first_y, groups, group, prefix, to + x * size, to_row
                )
                group += vector
                prefix += vector

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
        row = args.group_row
        for number in range(args.groups - 2, -1, -1):
            place = args.scratch + args.ring_of_groups + number * row
            simd.best_of_two(dtype, which, place, row, place, row // vector)
        if args.groups > 0:
            simd.fill(dtype, which, args.scratch + args.prefix, row // vector, 0)

    @helper
    def prepare_groups(args, table):
        """Find the best of the groups before the first block of rows; `table`: its rows."""
        width = args.cols * args.channels
        for number in range(args.groups):
            rows = table + 8 * (args.first_y + number * height)
            place = args.scratch + args.ring_of_groups + number * args.group_row
            for x in range(0, width, lanes):
                simd.best_of_group(dtype, which, height, rows, max(min(x, width - lanes), 0) * size, place)
                place += vector
        end_block(args)

    return prepare_groups, end_block


def _along(which, dtype):
    """`along` for one dtype."""
    lanes, size = emitter.lanes(dtype), dtype.itemsize

    @step
    def along(args, source, to):
        """The best along a row, whose first window begins at `source`."""
        channels, size_x = args.channels, args.size_x
        count = args.cols * channels
        work = args.scratch + args.work
        # Windows of `have` pixels.
        have = 1
        if args.doublings > 0:
            have = 1 << args.doublings
            simd.best_of_neighbours(dtype, which, source, args.doublings, work, (count + size_x - 1) // lanes)
            source = work
        while 3 * have < size_x:
            shift = have * channels
            have *= 2
            vectors = (count + (size_x - have) * channels) // lanes + 1
            simd.best_of_two(dtype, which, source, shift * size, work, vectors)
            source = work
        shift = (size_x - have) * channels * size
        middle = have * channels * size if 2 * have < size_x else 0
        narrow = count < lanes
        ends = args.scratch + args.streamed if args.streamed != 0 else 0
        simd.deliver(dtype, which, source, middle, shift, work if narrow else to, max(count, lanes), ends)
        if narrow:
            memory.copy_bytes(to, work, count * size)
        elif ends != 0:
            copy_ends(to, ends, count * size)

    return along
