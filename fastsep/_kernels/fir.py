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
from fastsep._kernels import exact_simd, fir_slopes, simd
from fastsep._kernels.borders import outside, share


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype.

    `form` is "plane" or "volume", for one term, or "plane terms" or "volume terms", for several; or
    "plane exact", for one term of symmetric taps in SciPy's order of operations, or "plane divided", for
    the same in any order; both divide results by numbers that differ near the borders of the image. "plane
    differences" is for terms whose taps sum to zero or nearly so, along one axis at least: that axis comes first and
    works on differences of neighbours, so that an image of large values that differ little loses nothing. "plane
    slopes terms" is for two terms of which one has taps along x that sum to exactly zero (see `fir_slopes`). "volume
    differences" is the same for volumes: differences are taken, along any axis, while the line along the depth is
    applied.
    """
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes = simd.lanes(acc)
    tile = simd.tile(acc)
    vector = lanes * acc.itemsize
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize
    several = form.endswith("terms")
    exact = form.endswith("exact")
    divided = exact or form.endswith("divided")
    volume = form.startswith("volume")
    differences = form.startswith("plane differences")
    slopes = form.startswith("plane slopes")
    sloped = form.startswith("volume differences")
    # A volume's planes are filtered from rows that were filtered along the depth before.
    row_dtype = acc if volume else src
    row_size = row_dtype.itemsize

    @register_jitable
    def find_borders(block, borders):
        """List which column stands for each one beyond the image, for the line along x of each term; -1: none.

        Behind those of the terms stand those of the lines that come first.
        """
        channels = simd.word(block, at.CHANNELS)
        cols = simd.word(block, at.COLS)
        terms = lines = simd.word(block, at.TERMS)
        if differences:
            lines += simd.word(block, at.ROW_LINES)
        for number in range(lines):
            line = simd.word(block, at.TERMS_AT) + number * (8 * at.TERM_WORDS) + 8 * at.X_LINE
            if differences and number >= terms:
                line = simd.word(block, at.ROW_LINES_AT) + (number - terms) * (8 * at.ROW_LINE_WORDS)
            before = simd.word(line, at.BEFORE)
            count = simd.word(line, at.COUNT)
            for k in range(count - 1):
                pixel = k - before if k < before else k - before + cols
                column = outside(pixel, cols, simd.word(block, at.MODE_X))
                for c in range(channels):
                    value = column * channels + c if column >= 0 else -1
                    simd.set_word(borders, k * channels + c, value)
            borders += 8 * (count - 1) * channels

    @register_jitable
    def fill_border(borders, strip, start, stop, beyond):
        """Fill in the columns `start` .. `stop` - 1, beyond the image; column 0 is at `strip`."""
        for value in range(start, stop):
            column = simd.word(borders, value - start)
            to = strip + value * vector
            if column < 0:
                simd.fill_vector(acc, to, beyond)
            else:
                simd.copy_vector(acc, to, strip + column * vector)

    @register_jitable
    def is_middle(block, top, column):
        """Whether a block of `lanes` x `lanes` pixels touches no pixel with a divisor of its own."""
        if simd.word(block, at.DIVISORS) == 0:
            return True
        margin_y, margin_x = simd.word(block, at.LEAD), simd.word(block, at.LEFT)
        inside_y = margin_y <= top and top + lanes <= simd.word(block, at.ROWS) - margin_y
        return inside_y and margin_x <= column and column + lanes <= simd.word(block, at.COLS) - margin_x

    @register_jitable
    def divide_margin(block, dst_table, top, column):
        """Divide a block by its rows' divisors: those near the top, in the middle or near the bottom."""
        row_bytes = simd.word(block, at.DIVISOR_ROW)
        rows, margin = simd.word(block, at.ROWS), simd.word(block, at.LEAD)
        for r in range(lanes):
            row = min(top + r, rows - 1)
            kind = min(row, max(margin, row + 2 * margin + 1 - rows))
            divisors = simd.word(block, at.DIVISORS) + 2 * kind * row_bytes + column * acc_size
            address = simd.word(dst_table, r) + column * acc_size
            exact_simd.divide_vector(acc, address, divisors, divisors + row_bytes)

    @register_jitable
    def filter_block(block, table, dst_table, scratch, top, ahead):
        """Filter the `lanes` rows whose sources stand in `table` into those in `dst_table`, the first of them `top`.

        `ahead`: the source rows of the next block, to be fetched meanwhile; 0: none.
        """
        channels = simd.word(block, at.CHANNELS)
        width = simd.word(block, at.COLS) * channels
        borders = scratch + simd.word(block, at.BORDERS)
        strip = scratch + simd.word(block, at.STRIP)
        sums = scratch + simd.word(block, at.SUMS)
        last = max(width - lanes, 0)
        step = channels * vector
        terms = simd.word(block, at.TERMS)
        for number in range(terms):
            term = simd.word(block, at.TERMS_AT) + number * (8 * at.TERM_WORDS)
            rows = table + 8 * (simd.word(block, at.LEAD) + 1 - simd.word(term, at.BEFORE))
            row_line = simd.word(term, at.DEPTH_LINE)
            if volume or differences:
                rows += row_line * simd.word(block, at.TABLE)
            if differences and row_line != 0:
                # The line along x is done; that along y is all that is left.
                if not several:
                    # Each piece of the rows twice, for one half of the results after the other: they stay in the
                    # second level of the cache meanwhile (measured with 41 taps: 0.9 times the time of whole rows).
                    for start in range(0, width, at.PIECE_VALUES):
                        stop = min(start + at.PIECE_VALUES, width)
                        for first in range(0, 8 * lanes, 8 * tile):
                            for x in range(start, stop, lanes):
                                column = min(x, last)
                                simd.fir_rows(
                                    acc, dst, rows + first, column * acc_size, simd.word(term, at.TAPS),
                                    simd.word(term, at.COUNT), simd.word(term, at.KIND),
                                    dst_table + first, column * dst_size,
                                )  # fmt: skip
                    continue
                squares = simd.word(block, at.COMBINE)
                into = sums if squares == 0 and number == 0 else strip
                for x in range(0, width, lanes):
                    column = min(x, last)
                    simd.fir_to_strip(
                        acc, acc, rows, column * acc_size, into + column * vector,
                        simd.word(term, at.TAPS), simd.word(term, at.COUNT), simd.word(term, at.KIND),
                    )  # fmt: skip
                if number < terms - 1 and (squares != 0 or number == 0):
                    if squares != 0:
                        simd.add_squares(acc, sums, strip, width, 1 if number > 0 else 0)
                    continue
                # One more sum, or the last one: the identity along x adds it and stores them.
                if into == sums:
                    simd.copy_bytes(strip, sums, width * vector)
            taps = simd.word(term, at.X_LINE + at.TAPS)
            count = simd.word(term, at.X_LINE + at.COUNT)
            kind = simd.word(term, at.X_LINE + at.KIND)
            before = simd.word(term, at.X_LINE + at.BEFORE) * channels
            after = (count - 1) * channels - before
            # Column 0 of the image is at strip + before, its result goes to strip.
            inside = strip + before * vector
            span, final = width, last
            if sloped:
                joined = simd.word(term, at.JOINED)
                into = inside
                if simd.word(term, at.SPREAD) != 0:
                    into, span = strip, width + before + after
                # No column may be added twice: the last vector has room behind the others.
                final = span
            for x in range(0, span, lanes):
                column = min(x, final)
                if differences and row_line != 0:
                    break
                if exact:
                    exact_simd.exact_to_strip(
                        src, acc, rows, column * row_size, inside + column * vector,
                        simd.word(term, at.TAPS), simd.word(term, at.COUNT), simd.word(block, at.SCALE),
                    )  # fmt: skip
                elif differences:
                    simd.differences_to_strip(
                        src, acc, rows, column * src_size, inside + column * vector,
                        simd.word(term, at.TAPS), simd.word(term, at.COUNT), simd.word(term, at.KIND),
                    )  # fmt: skip
                elif sloped:
                    simd.fir_into_strip(
                        acc, acc, rows, column * acc_size, into + column * vector, simd.word(term, at.TAPS),
                        simd.word(term, at.COUNT), simd.word(term, at.KIND), 1 if joined > 0 else 0,
                    )  # fmt: skip
                else:
                    simd.fir_to_strip(
                        row_dtype, acc, rows, column * row_size, inside + column * vector,
                        simd.word(term, at.TAPS), simd.word(term, at.COUNT), simd.word(term, at.KIND),
                    )  # fmt: skip
                if ahead != 0 and number == 0 and column * row_size % at.LINE == 0:
                    simd.prefetch_rows(acc, lanes, ahead + column * row_size, simd.word(block, at.SRC_ROW))
            beyond = simd.word(term, at.X_OUTSIDE)
            if span == width:
                fill_border(borders, inside, -before, 0, beyond)
                fill_border(borders + 8 * before, inside, width, width + after, beyond)
            borders += 8 * (before + after)
            if sloped and simd.word(term, at.JOINS) != 0:
                continue
            if not several and channels == 1:
                for x in range(0, width, lanes):
                    column = min(x, last)
                    if divided:
                        middle = is_middle(block, top, column)
                        divisor = simd.word(block, at.DIVISOR) if middle else 0
                        exact_simd.divided_from_strip(
                            acc, 1 if exact else 0, strip + column * vector, taps, count,
                            simd.word(block, at.SCALE), dst_table, column * acc_size, divisor,
                        )  # fmt: skip
                        if not middle:
                            divide_margin(block, dst_table, top, column)
                        continue
                    if sloped:
                        simd.slopes_from_strip(
                            acc, dst, strip + column * vector, taps, count, kind,
                            dst_table, column * dst_size,
                        )  # fmt: skip
                        continue
                    simd.fir_from_strip(
                        acc, dst, strip + column * vector, taps, count, kind,
                        dst_table, column * dst_size,
                    )  # fmt: skip
                continue
            stored = 0
            for x in range(0, width, tile * channels):
                # A sum of terms is added up where it belongs; squares are taken first.
                squares = simd.word(block, at.COMBINE) if several else 0
                target = sums if several and squares == 0 else strip
                add = 1 if several and squares == 0 and number > 0 else 0
                if sloped:
                    add = 1 if squares == 0 and number > joined else 0
                for column in range(x, x + channels):
                    place = strip + column * vector
                    if sloped:
                        simd.slopes_along_strip(acc, place, step, taps, count, kind, target + column * vector, add)
                    else:
                        simd.fir_along_strip(acc, place, step, taps, count, kind, target + column * vector, add)
                if several:
                    into = sums + x * vector
                    if squares != 0:
                        simd.add_squares(acc, into, strip + x * vector, tile * channels, 1 if number > 0 else 0)
                    if number == terms - 1:
                        simd.finish(acc, into, tile * channels, squares, simd.word(block, at.CLIP))
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
    def filter_rows_first(block, scratch, table, taken, fresh, row, ahead):
        """Apply each line along x that comes first to the last `fresh` rows of `table`, the first of them number `row`.

        Their results go to a ring of rows for each line, and into a table of its own behind `table`. `ahead`: the
        source rows of the next block, to be fetched meanwhile.
        """
        channels = simd.word(block, at.CHANNELS)
        width = simd.word(block, at.COLS) * channels
        last = max(width - lanes, 0)
        step = channels * vector
        borders = scratch + simd.word(block, at.BORDERS)
        for number in range(simd.word(block, at.TERMS)):
            term = simd.word(block, at.TERMS_AT) + number * (8 * at.TERM_WORDS)
            borders += 8 * (simd.word(term, at.X_LINE + at.COUNT) - 1) * channels
        for number in range(simd.word(block, at.ROW_LINES)):
            line = simd.word(block, at.ROW_LINES_AT) + number * (8 * at.ROW_LINE_WORDS)
            taps, count, kind = simd.word(line, at.TAPS), simd.word(line, at.COUNT), simd.word(line, at.KIND)
            before = simd.word(line, at.BEFORE) * channels
            after = (count - 1) * channels - before
            beyond = simd.word(line, at.R_OUTSIDE)
            filtered = table + (number + 1) * simd.word(block, at.TABLE)
            simd.copy_bytes(filtered, filtered + 8 * lanes, 8 * (taken + 1 - fresh))
            for i in range(taken + 1 - fresh, taken + 1):
                slot = (row + i - (taken + 1 - fresh)) % taken
                place = scratch + simd.word(line, at.R_RING) + slot * simd.word(line, at.R_RING_ROW)
                simd.set_word(filtered, i, place)
            if fresh == taken:
                simd.set_word(filtered, 0, simd.word(filtered, 1))
            simd.set_word(filtered, taken + 1, simd.word(filtered, taken))
            strip = scratch + simd.word(block, at.STRIP)
            inside = strip + before * vector
            for top in range(taken + 1 - fresh, taken + 1, lanes):
                # The last group makes some rows again, to the same bits.
                first = 8 * min(top, taken + 1 - lanes)
                for x in range(0, width, lanes):
                    column = min(x, last)
                    simd.load_strip(src, acc, table + first, column * src_size, inside + column * vector)
                    if number == 0 and column * src_size % at.LINE == 0:
                        simd.prefetch_rows(acc, lanes, ahead + column * src_size, simd.word(block, at.SRC_ROW))
                fill_border(borders, inside, -before, 0, beyond)
                fill_border(borders + 8 * before, inside, width, width + after, beyond)
                if channels == 1:
                    for x in range(0, width, lanes):
                        column = min(x, last)
                        simd.differences_from_strip(
                            acc, acc, strip + column * vector, taps, count, kind, filtered + first, column * acc_size
                        )
                    continue
                for x in range(0, width, tile * channels):
                    for column in range(x, x + channels):
                        place = strip + column * vector
                        simd.differences_along_strip(acc, place, step, taps, count, kind, place, 0)
                for x in range(0, width, lanes):
                    column = min(x, last)
                    simd.store_strip(acc, acc, strip + column * vector, filtered + first, column * acc_size)
            borders += 8 * (before + after)

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

    if slopes:
        find_borders, take_slopes, filter_block = fir_slopes.steps(src, acc, dst, fill_border)

    def plane_band(block, index):
        rows = simd.word(block, at.ROWS)
        row_bytes = simd.word(block, at.SRC_ROW)
        # Rows of a pipeline lie further apart than they are long.
        row_length = simd.word(block, at.COLS) * simd.word(block, at.CHANNELS) * src_size
        unit, stop = share(block, index, simd.word(block, at.PLANES) * rows)
        scratch = simd.word(block, at.SCRATCH) + index * simd.word(block, at.SCRATCH_BAND)
        lead = simd.word(block, at.LEAD)
        taken = lead + simd.word(block, at.TRAIL) + lanes
        # Entry i of the table is row top - lead - 1 + i. The first and the last are only guards:
        # a tile may load the input before its first and after its last one.
        table = scratch
        dst_table = table + 8 * (taken + 2)
        spare = scratch + simd.word(block, at.SPARE)
        if differences:
            dst_table += simd.word(block, at.ROW_LINES) * simd.word(block, at.TABLE)
        if slopes:
            dst_table += simd.word(block, at.TABLE)
        ring = simd.word(block, at.RING)
        find_borders(block, scratch + simd.word(block, at.BORDERS))
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
                    # A pipeline holds no rows past those that the last wanted one needs: any row will do.
                    row = min(top - lead - 1 + i, end + simd.word(block, at.TRAIL) - 1)
                    row = outside(row, rows, simd.word(block, at.MODE_Y))
                    if row < 0:
                        address = simd.word(block, at.CONSTANT_ROW)
                    else:
                        address = source + row * row_bytes
                    if ring != 0:
                        place = scratch + ring + slot * simd.word(block, at.RING_ROW)
                        simd.copy_bytes(place, address, row_length)
                        address = place
                        slot += 1
                        if slot == taken:
                            slot = 0
                    simd.set_word(table, i, address)
                if fresh == taken:
                    simd.set_word(table, 0, simd.word(table, 1))
                simd.set_word(table, taken + 1, simd.word(table, taken))
                # Source rows of the next block: too many streams for the hardware to foresee.
                ahead = source + (top + lanes + simd.word(block, at.TRAIL)) * row_bytes
                if slopes:
                    take_slopes(block, scratch, table, fresh, taken, top - first_row)
                if differences:
                    filter_rows_first(block, scratch, table, taken, fresh, top - first_row + taken - fresh, ahead)
                fresh = lanes
                aim(block, dst_table, spare, target, top, end)
                filter_block(block, table, dst_table, scratch, top, ahead)
                deliver_narrow(block, spare, target, top, end)

    @register_jitable
    def find_columns(block, columns):
        """List the values of a row that stand for those that are copied left and right of it; -1: the constant."""
        channels = simd.word(block, at.CHANNELS)
        cols = simd.word(block, at.COLS)
        left = simd.word(block, at.LEFT)
        for k in range(left + simd.word(block, at.RIGHT)):
            column = outside(k - left if k < left else k - left + cols, cols, simd.word(block, at.MODE_X))
            for c in range(channels):
                simd.set_word(columns, k * channels + c, column * channels + c if column >= 0 else -1)

    @register_jitable
    def copy_ends(block, columns, row, to):
        """Copy what stands for the values left and right of the source row at `row` to either side of `to`."""
        channels = simd.word(block, at.CHANNELS)
        left = simd.word(block, at.LEFT) * channels
        width = simd.word(block, at.COLS) * channels
        for k in range(left + simd.word(block, at.RIGHT) * channels):
            value = simd.word(columns, k)
            source = row + value * src_size if value >= 0 else simd.word(block, at.CONSTANT_ROW)
            place = k - left if k < left else k - left + width
            simd.copy_value(src, to + place * src_size, source)

    @register_jitable
    def filter_depth(line, rows, start, to, slab_plane):
        """Apply a line along the depth to what lies `start` bytes from the places in `rows`, or to its slopes."""
        width = simd.word(line, at.L_WIDTH)
        last = max(width - lanes, 0)
        step, span = simd.word(line, at.L_STEP), simd.word(line, at.L_SPAN)
        start += simd.word(line, at.L_START)
        for x in range(0, width, lanes):
            column = min(x, last)
            if step != 0 or span != 0:
                simd.slopes_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane,
                    simd.word(line, at.TAPS), simd.word(line, at.COUNT), simd.word(line, at.KIND), step, span,
                    simd.word(line, at.BEFORE), simd.word(line, at.L_TOTAL),
                )  # fmt: skip
            else:
                simd.fir_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane,
                    simd.word(line, at.TAPS), simd.word(line, at.COUNT), simd.word(line, at.KIND),
                )  # fmt: skip

    def volume_band(block, index):
        rows = simd.word(block, at.ROWS)
        depth = simd.word(block, at.DEPTH)
        width = simd.word(block, at.COLS) * simd.word(block, at.CHANNELS)
        last = max(width - lanes, 0)
        row_bytes = simd.word(block, at.SRC_ROW)
        window = simd.word(block, at.WINDOW)
        windows = (rows + window - 1) // window
        chunk_planes = simd.word(block, at.CHUNK)
        chunks = (depth + chunk_planes - 1) // chunk_planes
        total = simd.word(block, at.PLANES) * chunks * windows
        bands = simd.word(block, at.BANDS)
        scratch = simd.word(block, at.SCRATCH) + index * simd.word(block, at.SCRATCH_BAND)
        lead = simd.word(block, at.LEAD)
        trail = simd.word(block, at.TRAIL)
        taken = lead + trail + lanes
        lead_z = simd.word(block, at.LEAD_Z)
        taken_z = lead_z + simd.word(block, at.TRAIL_Z) + tile
        lines = simd.word(block, at.DEPTH_LINES)
        spare = scratch + simd.word(block, at.SPARE)
        slab = scratch + simd.word(block, at.SLAB)
        slab_row = simd.word(block, at.SLAB_ROW)
        # As many rows as a block takes, or one more: an odd number of cache lines.
        slab_plane = taken // 2 * 2 * slab_row + slab_row
        ring = scratch + simd.word(block, at.RING)
        ring_row = simd.word(block, at.RING_ROW)
        # An odd number of cache lines too, as `window` + `taken` + 1 - (its parity) rows are.
        ring_plane = (window + taken) // 2 * 2 * ring_row + ring_row
        table = scratch
        line_table = simd.word(block, at.TABLE)
        dst_table = table + lines * line_table
        plane_table = dst_table + 8 * lanes
        find_borders(block, scratch + simd.word(block, at.BORDERS))
        if sloped:
            columns = scratch + simd.word(block, at.COLUMNS)
            find_columns(block, columns)
        for unit in range(total * index // bands, total * (index + 1) // bands):
            batch = unit // (chunks * windows)
            chunk = (unit - batch * chunks * windows) // windows
            first_row = (unit - (batch * chunks + chunk) * windows) * window
            end = min(rows, first_row + window)
            top_row = first_row - lead
            source = simd.word(block, at.SRC) + batch * depth * rows * row_bytes
            slot = 0
            fresh = 0
            last_plane = min(depth, (chunk + 1) * chunk_planes)
            for first_plane in range(chunk * chunk_planes, last_plane, tile):
                # The ring holds this window of the planes that the next `tile` planes need.
                for i in range(taken_z):
                    place = slot + i
                    if place >= taken_z:
                        place -= taken_z
                    place = ring + place * ring_plane
                    simd.set_word(plane_table, i + 1, place)
                    if i < fresh:
                        continue
                    plane = outside(first_plane - lead_z + i, depth, simd.word(block, at.MODE_Z))
                    for v in range(top_row, end + trail):
                        row = outside(v, rows, simd.word(block, at.MODE_Y))
                        address = source + (plane * rows + row) * row_bytes
                        if plane < 0 or row < 0:
                            address = simd.word(block, at.CONSTANT_ROW)
                        if sloped:
                            # Differences are taken beyond the image, too.
                            to = place + (v - top_row) * ring_row
                            simd.copy_bytes(to, address, width * src_size)
                            copy_ends(block, columns, address, to)
                        elif row >= 0:
                            simd.copy_bytes(place + (v - top_row) * ring_row, address, width * src_size)
                slot += tile
                if slot >= taken_z:
                    slot -= taken_z
                fresh = taken_z - tile
                simd.set_word(plane_table, 0, simd.word(plane_table, 1))
                simd.set_word(plane_table, taken_z + 1, simd.word(plane_table, taken_z))
                filtered = top_row
                for top in range(first_row, end, lanes):
                    # Row by row: what a second line reads is in the first level of the cache then.
                    stop = min(top + lanes, end) + trail
                    for v in range(filtered, stop):
                        place = slab + (v - top_row) % taken * slab_row
                        for number in range(lines):
                            line = simd.word(block, at.DEPTH_LINES_AT) + number * (8 * at.LINE_WORDS)
                            under = plane_table + 8 * (lead_z + 1 - simd.word(line, at.BEFORE))
                            to = place + number * tile * slab_plane
                            if sloped:
                                filter_depth(line, under, (v - top_row) * ring_row, to, slab_plane)
                                continue
                            if outside(v, rows, simd.word(block, at.MODE_Y)) < 0:
                                for r in range(tile):
                                    for x in range(0, width, lanes):
                                        simd.fill_vector(
                                            acc, to + r * slab_plane + x * acc_size,
                                            simd.word(line, at.Y_OUTSIDE),
                                        )  # fmt: skip
                                continue
                            for x in range(0, width, lanes):
                                column = min(x, last)
                                simd.fir_to_rows(
                                    src, acc, under, (v - top_row) * ring_row + column * src_size,
                                    to + column * acc_size, slab_plane, simd.word(line, at.TAPS),
                                    simd.word(line, at.COUNT), simd.word(line, at.KIND),
                                )  # fmt: skip
                    filtered = stop
                    for r in range(min(tile, depth - first_plane)):
                        target = simd.word(block, at.DST)
                        plane = batch * depth + first_plane + r
                        target += plane * rows * simd.word(block, at.DST_ROW)
                        for number in range(lines):
                            start = slab + (number * tile + r) * slab_plane
                            # The first entry and the last are guards, as in `plane_band`. Rows past the end are not
                            # wanted: any will do.
                            place = (top - first_row + taken - 1) % taken
                            for i in range(taken + 2):
                                simd.set_word(table + number * line_table, i, start + place * slab_row)
                                place += 1
                                if place == taken:
                                    place = 0
                        aim(block, dst_table, spare, target, top, end)
                        filter_block(block, table, dst_table, scratch, top, 0)
                        deliver_narrow(block, spare, target, top, end)

    return volume_band if volume else plane_band
