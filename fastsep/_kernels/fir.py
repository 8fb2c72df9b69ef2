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
from numba.extending import register_jitable

from fastsep._kernels import blocks as at
from fastsep._kernels import simd
from fastsep._kernels.borders import outside


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype.

    `form` is "plane" (one term), "terms" (any number, combined) or "volume" (terms, 3-D).
    """
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes = simd.lanes(acc)
    tile = simd.tile(acc)
    vector = lanes * acc.itemsize
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize
    several = form != "plane"
    # A volume's planes are filtered from rows that were filtered along the depth before.
    row_dtype = acc if form == "volume" else src
    row_size = row_dtype.itemsize

    @register_jitable
    def fill_border(block, term, strip, start, stop):
        """Fill in the columns `start` .. `stop` - 1, beyond the image; column 0 is at `strip`."""
        channels = simd.word(block, at.CHANNELS)
        cols = simd.word(block, at.COLS)
        mode = simd.word(block, at.MODE_X)
        for value in range(start, stop):
            pixel = value // channels
            column = outside(pixel, cols, mode)
            to = strip + value * vector
            if column < 0:
                simd.fill_vector(acc, to, simd.word(term, at.X_OUTSIDE))
            else:
                lane = value - pixel * channels
                simd.copy_vector(acc, to, strip + (column * channels + lane) * vector)

    @register_jitable
    def filter_block(block, table, dst_table, scratch, ahead):
        """Filter the `lanes` rows whose sources stand in `table` into those in `dst_table`.

        `ahead`: the source rows of the next block, to be fetched meanwhile; 0: none.
        """
        channels = simd.word(block, at.CHANNELS)
        width = simd.word(block, at.COLS) * channels
        strip = scratch + simd.word(block, at.STRIP)
        sums = scratch + simd.word(block, at.SUMS)
        last = max(width - lanes, 0)
        step = channels * vector
        terms = simd.word(block, at.TERMS)
        for number in range(terms):
            term = simd.word(block, at.TERMS_AT) + number * (8 * at.TERM_WORDS)
            rows = table + 8 * (simd.word(block, at.LEAD) + 1 - simd.word(term, at.BEFORE))
            if form == "volume":
                rows += simd.word(term, at.DEPTH_LINE) * simd.word(block, at.TABLE)
            taps = simd.word(term, at.X_LINE + at.TAPS)
            count = simd.word(term, at.X_LINE + at.COUNT)
            kind = simd.word(term, at.X_LINE + at.KIND)
            before = simd.word(term, at.X_LINE + at.BEFORE) * channels
            after = (count - 1) * channels - before
            # Column 0 of the image is at strip + before, its result goes to strip.
            inside = strip + before * vector
            for x in range(0, width, lanes):
                column = min(x, last)
                simd.fir_to_strip(
                    row_dtype, acc, rows, column * row_size, inside + column * vector,
                    simd.word(term, at.TAPS), simd.word(term, at.COUNT), simd.word(term, at.KIND),
                )  # fmt: skip
                if ahead != 0 and number == 0 and column * row_size % 64 == 0:
                    simd.prefetch_rows(
                        acc, ahead + column * row_size, simd.word(block, at.SRC_ROW)
                    )
            fill_border(block, term, inside, -before, 0)
            fill_border(block, term, inside, width, width + after)
            if not several and channels == 1:
                for x in range(0, width, lanes):
                    column = min(x, last)
                    simd.fir_from_strip(
                        acc, dst, strip + column * vector, taps, count, kind,
                        dst_table, column * dst_size,
                    )  # fmt: skip
                continue
            stored = 0
            for x in range(0, width, tile * channels):
                for column in range(x, x + channels):
                    place = strip + column * vector
                    simd.fir_along_strip(acc, place, step, taps, count, kind, place)
                if several:
                    operation = simd.word(block, at.COMBINE) * 2 + (number > 0)
                    for column in range(x, x + tile * channels):
                        into = sums + column * vector
                        simd.combine(acc, into, strip + column * vector, operation)
                        if number == terms - 1:
                            simd.finish(
                                acc, into,
                                simd.word(block, at.COMBINE), simd.word(block, at.CLIP),
                            )  # fmt: skip
                if number == terms - 1:
                    source = sums if several else strip
                    ready = min(x + tile * channels, width)
                    while stored + lanes <= ready:
                        place = source + stored * vector
                        simd.store_strip(acc, dst, place, dst_table, stored * dst_size)
                        stored += lanes
                    if ready == width and stored < width:
                        place = source + last * vector
                        simd.store_strip(acc, dst, place, dst_table, last * dst_size)

    @register_jitable
    def aim(block, dst_table, spare, target, top, end):
        """List where the rows from `top` go; rows from `end` on are not wanted.

        The rows of an image narrower than a vector go to spare memory too.
        """
        width = simd.word(block, at.COLS) * simd.word(block, at.CHANNELS)
        for r in range(lanes):
            if width < lanes:
                address = spare + r * lanes * dst_size
            elif top + r < end:
                address = target + (top + r) * simd.word(block, at.DST_ROW)
            else:
                address = spare
            simd.set_word(dst_table, r, address)

    @register_jitable
    def deliver_narrow(block, spare, target, top, end):
        """Copy the rows of an image narrower than a vector to where they belong."""
        width = simd.word(block, at.COLS) * simd.word(block, at.CHANNELS)
        if width < lanes:
            for r in range(min(lanes, end - top)):
                simd.copy_bytes(
                    target + (top + r) * simd.word(block, at.DST_ROW),
                    spare + r * lanes * dst_size,
                    width * dst_size,
                )

    def plane_band(block, index):
        rows = simd.word(block, at.ROWS)
        row_bytes = simd.word(block, at.SRC_ROW)
        total = simd.word(block, at.PLANES) * rows
        bands = simd.word(block, at.BANDS)
        unit = total * index // bands
        stop = total * (index + 1) // bands
        scratch = simd.word(block, at.SCRATCH) + index * simd.word(block, at.SCRATCH_BAND)
        lead = simd.word(block, at.LEAD)
        taken = lead + simd.word(block, at.TRAIL) + lanes
        # Entry i of the table is row top - lead - 1 + i. The first and the last are only guards:
        # a tile may load the input before its first and after its last one.
        table = scratch
        dst_table = table + 8 * (taken + 2)
        spare = scratch + simd.word(block, at.SPARE)
        ring = simd.word(block, at.RING)
        while unit < stop:
            plane = unit // rows
            first_row = unit - plane * rows
            end = min(rows, first_row + stop - unit)
            unit += end - first_row
            source = simd.word(block, at.SRC) + plane * rows * row_bytes
            target = simd.word(block, at.DST) + plane * rows * simd.word(block, at.DST_ROW)
            slot = 0
            fresh = taken
            for top in range(first_row, end, lanes):
                simd.copy_bytes(table, table + 8 * lanes, 8 * (taken + 1 - fresh))
                for i in range(taken + 1 - fresh, taken + 1):
                    row = outside(top - lead - 1 + i, rows, simd.word(block, at.MODE_Y))
                    if row < 0:
                        address = simd.word(block, at.CONSTANT_ROW)
                    else:
                        address = source + row * row_bytes
                    if ring != 0:
                        place = scratch + ring + slot * simd.word(block, at.RING_ROW)
                        simd.copy_bytes(place, address, row_bytes)
                        address = place
                        slot += 1
                        if slot == taken:
                            slot = 0
                    simd.set_word(table, i, address)
                if fresh == taken:
                    simd.set_word(table, 0, simd.word(table, 1))
                simd.set_word(table, taken + 1, simd.word(table, taken))
                fresh = lanes
                aim(block, dst_table, spare, target, top, end)
                # Source rows of the next block: too many streams for the hardware to foresee.
                ahead = source + (top + lanes + simd.word(block, at.TRAIL)) * row_bytes
                filter_block(block, table, dst_table, scratch, ahead)
                deliver_narrow(block, spare, target, top, end)

    def volume_band(block, index):
        rows = simd.word(block, at.ROWS)
        depth = simd.word(block, at.DEPTH)
        width = simd.word(block, at.COLS) * simd.word(block, at.CHANNELS)
        last = max(width - lanes, 0)
        row_bytes = simd.word(block, at.SRC_ROW)
        groups = (depth + tile - 1) // tile
        total = simd.word(block, at.PLANES) * groups * rows
        bands = simd.word(block, at.BANDS)
        unit = total * index // bands
        stop = total * (index + 1) // bands
        scratch = simd.word(block, at.SCRATCH) + index * simd.word(block, at.SCRATCH_BAND)
        lead = simd.word(block, at.LEAD)
        trail = simd.word(block, at.TRAIL)
        taken = lead + trail + lanes
        spare = scratch + simd.word(block, at.SPARE)
        slab = scratch + simd.word(block, at.SLAB)
        slab_row = simd.word(block, at.SLAB_ROW)
        window = simd.word(block, at.WINDOW)
        slab_plane = (window + taken) * slab_row
        lines = simd.word(block, at.DEPTH_LINES)
        table = scratch
        line_table = simd.word(block, at.TABLE)
        dst_table = table + lines * line_table
        depth_table = dst_table + 8 * lanes
        while unit < stop:
            group = unit // rows
            first_row = unit - group * rows
            end = min(rows, first_row + min(stop - unit, window))
            unit += end - first_row
            batch = group // groups
            first_plane = (group - batch * groups) * tile
            source = simd.word(block, at.SRC) + batch * depth * rows * row_bytes
            for number in range(lines):
                line = simd.word(block, at.DEPTH_LINES_AT) + number * (8 * at.LINE_WORDS)
                count = simd.word(line, at.COUNT)
                for v in range(first_row - lead, end + trail):
                    to = slab + number * tile * slab_plane + (v - first_row + lead) * slab_row
                    row = outside(v, rows, simd.word(block, at.MODE_Y))
                    if row < 0:
                        for r in range(tile):
                            for x in range(0, width, lanes):
                                simd.fill_vector(
                                    acc, to + r * slab_plane + x * acc_size,
                                    simd.word(line, at.Y_OUTSIDE),
                                )  # fmt: skip
                        continue
                    for j in range(-1, count + tile):
                        plane = outside(
                            first_plane - simd.word(line, at.BEFORE) + j,
                            depth,
                            simd.word(block, at.MODE_Z),
                        )
                        if plane < 0:
                            address = simd.word(block, at.CONSTANT_ROW)
                        else:
                            address = source + (plane * rows + row) * row_bytes
                        simd.set_word(depth_table, j + 1, address)
                    for x in range(0, width, lanes):
                        column = min(x, last)
                        simd.fir_to_rows(
                            src, acc, depth_table + 8, column * src_size,
                            to + column * acc_size, slab_plane,
                            simd.word(line, at.TAPS), count, simd.word(line, at.KIND),
                        )  # fmt: skip
            for r in range(min(tile, depth - first_plane)):
                target = simd.word(block, at.DST)
                target += (batch * depth + first_plane + r) * rows * simd.word(block, at.DST_ROW)
                for top in range(first_row, end, lanes):
                    for number in range(lines):
                        start = slab + (number * tile + r) * slab_plane
                        for i in range(taken + 2):
                            # Rows past the end of the slab are not wanted: any row will do.
                            v = min(max(top - first_row - 1 + i, 0), end + trail + lead - first_row - 1)
                            simd.set_word(table + number * line_table, i, start + v * slab_row)
                    aim(block, dst_table, spare, target, top, end)
                    filter_block(block, table, dst_table, scratch, 0)
                    deliver_narrow(block, spare, target, top, end)

    return volume_band if form == "volume" else plane_band
