"""Separable FIR filters over planes and volumes: sums of rank-1 terms, or the root of their squares.

A block of `lanes` output rows is made in three steps.

1. Vertical taps, straight from the source rows or from a ring of copies of them; the result is
   transposed in registers into a strip, in which one vector holds one column of the block.
2. The columns beyond the image are filled in by the border rule.
3. Horizontal taps run along the strip with the same register tile, so that no load is unaligned.
   Each result overwrites the column under its first tap, which nobody needs any more. Columns are
   transposed back, converted and stored.

Copying rows into the ring pays when many taps read many rows: rows of an image may lie a multiple
of 4096 bytes apart and then compete for the same few cache sets; rows of the ring never do.

Rows hold `cols` pixels of `channels` values; horizontal taps are `channels` values apart.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters import fir_block, fir_each, fir_planes, fir_slopes, fir_volume
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import (
    deliver_narrow,
    guard,
    list_sources,
    list_targets,
    rows_of_plane,
    share,
)
from fastsep._kernels.simd import emitter, fir, memory


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype.

    `form` is "plane" or "volume", for one term, or "plane terms" or "volume terms", for several; or
    "plane exact", for one term of symmetric taps in SciPy's order of operations, or "plane divided", for
    the same in any order; both divide results by numbers that differ near the borders of the image. "plane cast" and
    "volume cast" are for one term and integers that equal SciPy's (see `TapEmitter.fir_in_order`). "plane
    differences" is for terms whose taps sum to zero or nearly so, along one axis at least: that axis comes first and
    works on differences of neighbours, so that an image of large values that differ little loses nothing. "plane
    slopes terms" is for two terms of which one has taps along x that sum to exactly zero (see `fir_slopes`). "plane
    each" makes several results, one of each term (see `fir_each`). "volume differences" is the same as "plane
    differences" for volumes: differences are taken, along any axis, while the line along the depth is applied.
    """
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    if form.startswith("volume differences"):
        return fir_volume.build(form, src, acc, dst)
    if form.startswith("volume"):
        return fir_planes.build(form, src, acc, dst)
    lanes, src_size, dst_size = emitter.lanes(acc), src.itemsize, dst.itemsize
    differences, slopes = form.startswith("plane differences"), form.startswith("plane slopes")
    each = form == "plane each"
    find_borders, fill_border = fir_block.borders(form, acc)
    if slopes:
        find_borders, take_slopes, filter_block = fir_slopes.steps(src, acc, dst, fill_border)
    elif each:
        list_results, deliver_results, filter_block = fir_each.steps(form, src, acc, dst, fill_border)
    else:
        filter_block = fir_block.filterer(form, src, acc, dst, fill_border)
    filter_rows_first = _rows_first(src, acc, fill_border)

    def band(block, index):
        args = at.Plane(block)
        rows, row_bytes = args.rows, args.src_row
        width = args.cols * args.channels
        unit, stop = share(args, index, args.planes * rows)
        scratch = args.scratch
        lead, trail = args.lead, args.trail
        taken = lead + trail + lanes
        # Entry i of the table is row top - lead - 1 + i.
        table = scratch
        dst_table = table + args.table_bytes
        spare = scratch + args.spare
        spare_row = lanes * dst_size if width < lanes else 0
        if differences:
            dst_table += args.row_line_count * args.table_bytes
        if slopes:
            dst_table += args.table_bytes
        find_borders(args, scratch + args.borders)
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            source = args.src + plane * rows * row_bytes
            target = args.dst + plane * rows * args.dst_row
            slot = 0
            fresh = taken
            for top in range(first_row, end, lanes):
                slot = list_sources(
                    args, scratch, table, taken, fresh, lanes, width * src_size, top - lead, end + trail - 1,
                    source, slot,
                )  # fmt: skip
                # Source rows of the next block: too many streams for the hardware to foresee.
                ahead = source + (top + lanes + trail) * row_bytes
                if slopes:
                    take_slopes(args, scratch, table, fresh, taken, top - first_row)
                if differences:
                    filter_rows_first(args, scratch, table, taken, fresh, top - first_row + taken - fresh, ahead)
                fresh = lanes
                if each:
                    list_results(args, block, dst_table, plane, top, end, spare)
                else:
                    list_targets(dst_table, lanes, target, args.dst_row, top, end, spare, spare_row)
                filter_block(args, table, dst_table, scratch, top, ahead)
                if each:
                    deliver_results(args, block, plane, top, end, spare)
                elif spare_row != 0:
                    stop_row = min(top + lanes, end)
                    deliver_narrow(target, args.dst_row, top, stop_row, spare, spare_row, width * dst_size)

    return band


def _rows_first(src, acc, fill_border):
    """`filter_rows_first` for the dtypes of source and arithmetic."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    vector, src_size, acc_size = lanes * acc.itemsize, src.itemsize, acc.itemsize

    @helper
    def filter_rows_first(args, scratch, table, taken, fresh, row, ahead):
        """Apply each line along x that comes first to the last `fresh` rows of `table`, the first of them number `row`.

        Their results go to a ring of rows for each line, and into a table of its own behind `table`. `ahead`: the
        source rows of the next args, to be fetched meanwhile.
        """
        channels = args.channels
        width = args.cols * channels
        last = max(width - lanes, 0)
        step = channels * vector
        borders = scratch + args.borders
        for number in range(args.term_count):
            term = at.Term(args.terms, number)
            borders += 8 * (term.x.count - 1) * channels
        for number in range(args.row_line_count):
            line = at.RowLine(args.row_lines, number)
            taps, count, kind = line.line.taps, line.line.count, line.line.kind
            before = line.line.before * channels
            after = (count - 1) * channels - before
            beyond = line.beyond_x
            filtered = table + (number + 1) * args.table_bytes
            memory.copy_bytes(filtered, filtered + 8 * lanes, 8 * (taken + 1 - fresh))
            for i in range(taken + 1 - fresh, taken + 1):
                slot = (row + i - (taken + 1 - fresh)) % taken
                place = scratch + line.ring + slot * line.ring_row
                memory.set_word(filtered, i, place)
            guard(filtered, taken, fresh == taken)
            strip = scratch + args.strip
            inside = strip + before * vector
            joined = args.joined != 0
            start, span = (-before, width + before + after) if joined else (0, width)
            for top in range(taken + 1 - fresh, taken + 1, lanes):
                # The last group makes some rows again, to the same bits.
                first = 8 * min(top, taken + 1 - lanes)
                for x in range(0, span, lanes):
                    column = start + min(x, max(span - lanes, 0))
                    fir.load_strip(src, acc, table + first, column * src_size, inside + column * vector)
                    if number == 0 and x * src_size % at.LINE == 0:
                        memory.prefetch_rows(acc, lanes, ahead + column * src_size, args.src_row)
                if not joined:
                    fill_border(borders, inside, -before, 0, beyond)
                    fill_border(borders + 8 * before, inside, width, width + after, beyond)
                if channels == 1:
                    for x in range(0, width, lanes):
                        column = min(x, last)
                        fir.differences_from_strip(
                            acc, acc, strip + column * vector, taps, count, kind, filtered + first, column * acc_size
                        )
                    continue
                for x in range(0, width, tile * channels):
                    for column in range(x, x + channels):
                        place = strip + column * vector
                        fir.differences_along_strip(acc, place, step, taps, count, kind, place, 0)
                for x in range(0, width, lanes):
                    column = min(x, last)
                    fir.store_strip(acc, acc, strip + column * vector, filtered + first, column * acc_size)
            borders += 8 * (before + after)

    return filter_rows_first
