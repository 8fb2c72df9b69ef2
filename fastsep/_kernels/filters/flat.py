"""Minima or maxima of the pixels under a footprint of any form.

A footprint is seen as runs of pixels, row by row. Of each source row the best of every run of 2, 4, 8 ... pixels is
kept, as long as a footprint's row lies on it; a run of any length is two overlapping ones of these (see
`filters.extremum`). So a result costs two comparisons for each run, however long it is. Where all runs are short, their
pixels are looked at one by one, and no row of pairs is made.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.extremum_borders import borders
from fastsep._kernels.helper import step
from fastsep._kernels.rows import copy_ends, outside, rows_of_plane, share
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import extremum as simd
from fastsep._kernels.simd.sweep import finish_streams


def build(which: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for the "minimum" or "maximum" of images of one dtype; all three names are its."""
    dtype = np.dtype(src_name)
    assert src_name == acc_name == dst_name
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    prepare_borders, copy_borders = borders(which, dtype, 1)

    def band(block, index):
        args = at.Flat(block)
        rows, slices, offsets, taken = args.rows, args.depth, args.offsets, args.taken
        width = args.cols * args.channels
        unit, stop = share(args, index, args.planes * slices * rows)
        table, kept, work = args.scratch, args.scratch + args.kept, args.scratch + args.work
        narrow, ends = width < lanes, args.scratch + args.streamed if args.streamed != 0 else 0
        prepare_borders(args)
        while unit < stop:
            plane, first, end = rows_of_plane(unit, stop, rows)
            unit += end - first
            batch = plane // slices
            stands = args.slices + 8 * offsets * (plane - batch * slices)
            for row in range(first, end):
                # Source row r of each plane is kept in place r modulo `taken`.
                for number in range(row - args.lead + (0 if row == first else taken - 1), row - args.lead + taken):
                    for offset in range(offsets):
                        source = memory.word(stands, offset)
                        inside = outside(number, rows, args.mode_y)
                        address = args.src + ((batch * slices + source) * rows + inside) * args.src_row
                        if inside < 0 or source < 0:
                            address = args.constant_row
                        keep_row(args, address, kept + (offset * taken + number % taken) * args.kept_row)
                top = (row - args.lead) % taken
                for number in range(args.look_count):
                    look = at.Look(args.looks, number)
                    # Not a remainder for each: those of a cross take a tenth of the time of a row of 4K bytes.
                    place = top + look.row
                    if place >= taken:
                        place -= taken
                    place += look.offset * taken
                    memory.set_word(table, number, kept + place * args.kept_row + look.place)
                target = args.dst + (plane * rows + row) * args.dst_row
                to = work if narrow else target
                simd.best_of_listed(dtype, which, table, args.look_count, to, max(width, lanes), ends)
                if narrow:
                    memory.copy_bytes(target, work, width * size)
                elif ends != 0:
                    copy_ends(target, ends, width * size)
        if args.streamed != 0:
            finish_streams()

    @step
    def keep_row(args, source, to):
        """Keep the keys of the row at `source`, with the border around it, and what is best in runs of its pixels."""
        width = args.cols * args.channels
        inside = to + args.margin
        if width < lanes:
            memory.copy_bytes(args.scratch + args.work, source, width * size)
            source = args.scratch + args.work
        left = args.centre_x * args.channels * size
        first = inside - left
        span = width + (args.size_x - 1) * args.channels
        if args.joined != 0:
            simd.keep_pixels(dtype, which, source - left, first, span)
        else:
            simd.keep_pixels(dtype, which, source, inside, max(width, lanes))
            copy_borders(args, inside)
        shift = args.channels * size
        vectors = span // lanes + 1
        for _ in range(args.levels - 1):
            simd.best_of_two(dtype, which, first, shift, first + args.level_row, vectors)
            first += args.level_row
            shift *= 2

    return band
