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
from fastsep._kernels.filters import fir_slopes
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import outside, scratch_of, share
from fastsep._kernels.simd import bit_exact, emitter, fir, memory


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
    lanes = emitter.lanes(acc)
    tile = emitter.tile(acc)
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

    @helper
    def find_borders(block, borders):
        """List which column stands for each one beyond the image, for the line along x of each term; -1: none.

        Behind those of the terms stand those of the lines that come first.
        """
        channels = memory.word(block, at.CHANNELS)
        cols = memory.word(block, at.COLS)
        terms = lines = memory.word(block, at.TERMS)
        if differences:
            lines += memory.word(block, at.ROW_LINES)
        for number in range(lines):
            line = memory.word(block, at.TERMS_AT) + number * (8 * at.TERM_WORDS) + 8 * at.X_LINE
            if differences and number >= terms:
                line = memory.word(block, at.ROW_LINES_AT) + (number - terms) * (8 * at.ROW_LINE_WORDS)
            before = memory.word(line, at.BEFORE)
            count = memory.word(line, at.COUNT)
            for k in range(count - 1):
                pixel = k - before if k < before else k - before + cols
                column = outside(pixel, cols, memory.word(block, at.MODE_X))
                for c in range(channels):
                    value = column * channels + c if column >= 0 else -1
                    memory.set_word(borders, k * channels + c, value)
            borders += 8 * (count - 1) * channels

    @helper
    def fill_border(borders, strip, start, stop, beyond):
        """Fill in the columns `start` .. `stop` - 1, beyond the image; column 0 is at `strip`."""
        for value in range(start, stop):
            column = memory.word(borders, value - start)
            to = strip + value * vector
            if column < 0:
                memory.fill_vector(acc, to, beyond)
            else:
                memory.copy_vector(acc, to, strip + column * vector)

    @helper
    def is_middle(block, top, column):
        """Whether a block of `lanes` x `lanes` pixels touches no pixel with a divisor of its own."""
        if memory.word(block, at.DIVISORS) == 0:
            return True
        margin_y, margin_x = memory.word(block, at.LEAD), memory.word(block, at.LEFT)
        inside_y = margin_y <= top and top + lanes <= memory.word(block, at.ROWS) - margin_y
        return inside_y and margin_x <= column and column + lanes <= memory.word(block, at.COLS) - margin_x

    @helper
    def divide_margin(block, dst_table, top, column):
        """Divide a block by its rows' divisors: those near the top, in the middle or near the bottom."""
        row_bytes = memory.word(block, at.DIVISOR_ROW)
        rows, margin = memory.word(block, at.ROWS), memory.word(block, at.LEAD)
        for r in range(lanes):
            row = min(top + r, rows - 1)
            kind = min(row, max(margin, row + 2 * margin + 1 - rows))
            divisors = memory.word(block, at.DIVISORS) + 2 * kind * row_bytes + column * acc_size
            address = memory.word(dst_table, r) + column * acc_size
            bit_exact.divide_vector(acc, address, divisors, divisors + row_bytes)

    @helper
    def filter_block(block, table, dst_table, scratch, top, ahead):
        """Filter the `lanes` rows whose sources stand in `table` into those in `dst_table`, the first of them `top`.

        `ahead`: the source rows of the next block, to be fetched meanwhile; 0: none.
        """
        channels = memory.word(block, at.CHANNELS)
        width = memory.word(block, at.COLS) * channels
        borders = scratch + memory.word(block, at.BORDERS)
        strip = scratch + memory.word(block, at.STRIP)
        sums = scratch + memory.word(block, at.SUMS)
        last = max(width - lanes, 0)
        step = channels * vector
        terms = memory.word(block, at.TERMS)
        for number in range(terms):
            term = memory.word(block, at.TERMS_AT) + number * (8 * at.TERM_WORDS)
            rows = table + 8 * (memory.word(block, at.LEAD) + 1 - memory.word(term, at.BEFORE))
            row_line = memory.word(term, at.DEPTH_LINE)
            if volume or differences:
                rows += row_line * memory.word(block, at.TABLE)
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
                                fir.fir_rows(
                                    acc, dst, rows + first, column * acc_size, memory.word(term, at.TAPS),
                                    memory.word(term, at.COUNT), memory.word(term, at.KIND),
                                    dst_table + first, column * dst_size,
                                )  # fmt: skip
                    continue
                squares = memory.word(block, at.COMBINE)
                into = sums if squares == 0 and number == 0 else strip
                for x in range(0, width, lanes):
                    column = min(x, last)
                    fir.fir_to_strip(
                        acc, acc, rows, column * acc_size, into + column * vector,
                        memory.word(term, at.TAPS), memory.word(term, at.COUNT), memory.word(term, at.KIND),
                    )  # fmt: skip
                if number < terms - 1 and (squares != 0 or number == 0):
                    if squares != 0:
                        fir.add_squares(acc, sums, strip, width, 1 if number > 0 else 0)
                    continue
                # One more sum, or the last one: the identity along x adds it and stores them.
                if into == sums:
                    memory.copy_bytes(strip, sums, width * vector)
            taps = memory.word(term, at.X_LINE + at.TAPS)
            count = memory.word(term, at.X_LINE + at.COUNT)
            kind = memory.word(term, at.X_LINE + at.KIND)
            before = memory.word(term, at.X_LINE + at.BEFORE) * channels
            after = (count - 1) * channels - before
            # Column 0 of the image is at strip + before, its result goes to strip.
            inside = strip + before * vector
            span, final = width, last
            if sloped:
                joined = memory.word(term, at.JOINED)
                into = inside
                if memory.word(term, at.SPREAD) != 0:
                    into, span = strip, width + before + after
                # No column may be added twice: the last vector has room behind the others.
                final = span
            for x in range(0, span, lanes):
                column = min(x, final)
                if differences and row_line != 0:
                    break
                if exact:
                    bit_exact.exact_to_strip(
                        src, acc, rows, column * row_size, inside + column * vector,
                        memory.word(term, at.TAPS), memory.word(term, at.COUNT), memory.word(block, at.SCALE),
                    )  # fmt: skip
                elif differences:
                    fir.differences_to_strip(
                        src, acc, rows, column * src_size, inside + column * vector,
                        memory.word(term, at.TAPS), memory.word(term, at.COUNT), memory.word(term, at.KIND),
                    )  # fmt: skip
                elif sloped:
                    fir.fir_into_strip(
                        acc, acc, rows, column * acc_size, into + column * vector, memory.word(term, at.TAPS),
                        memory.word(term, at.COUNT), memory.word(term, at.KIND), 1 if joined > 0 else 0,
                    )  # fmt: skip
                else:
                    fir.fir_to_strip(
                        row_dtype, acc, rows, column * row_size, inside + column * vector,
                        memory.word(term, at.TAPS), memory.word(term, at.COUNT), memory.word(term, at.KIND),
                    )  # fmt: skip
                if ahead != 0 and number == 0 and column * row_size % at.LINE == 0:
                    memory.prefetch_rows(acc, lanes, ahead + column * row_size, memory.word(block, at.SRC_ROW))
            beyond = memory.word(term, at.X_OUTSIDE)
            if span == width:
                fill_border(borders, inside, -before, 0, beyond)
                fill_border(borders + 8 * before, inside, width, width + after, beyond)
            borders += 8 * (before + after)
            if sloped and memory.word(term, at.JOINS) != 0:
                continue
            if not several and channels == 1:
                for x in range(0, width, lanes):
                    column = min(x, last)
                    if divided:
                        middle = is_middle(block, top, column)
                        divisor = memory.word(block, at.DIVISOR) if middle else 0
                        bit_exact.divided_from_strip(
                            acc, 1 if exact else 0, strip + column * vector, taps, count,
                            memory.word(block, at.SCALE), dst_table, column * acc_size, divisor,
                        )  # fmt: skip
                        if not middle:
                            divide_margin(block, dst_table, top, column)
                        continue
                    if sloped:
                        fir.slopes_from_strip(
                            acc, dst, strip + column * vector, taps, count, kind,
                            dst_table, column * dst_size,
                        )  # fmt: skip
                        continue
                    fir.fir_from_strip(
                        acc, dst, strip + column * vector, taps, count, kind,
                        dst_table, column * dst_size,
                    )  # fmt: skip
                continue
            stored = 0
            for x in range(0, width, tile * channels):
                # A sum of terms is added up where it belongs; squares are taken first.
                squares = memory.word(block, at.COMBINE) if several else 0
                target = sums if several and squares == 0 else strip
                add = 1 if several and squares == 0 and number > 0 else 0
                if sloped:
                    add = 1 if squares == 0 and number > joined else 0
                for column in range(x, x + channels):
                    place = strip + column * vector
                    if sloped:
                        fir.slopes_along_strip(acc, place, step, taps, count, kind, target + column * vector, add)
                    else:
                        fir.fir_along_strip(acc, place, step, taps, count, kind, target + column * vector, add)
                if several:
                    into = sums + x * vector
                    if squares != 0:
                        fir.add_squares(acc, into, strip + x * vector, tile * channels, 1 if number > 0 else 0)
                    if number == terms - 1:
                        fir.finish(acc, into, tile * channels, squares, memory.word(block, at.CLIP))
                if number == terms - 1:
                    source = sums if several else strip
                    ready = min(x + tile * channels, width)
                    while stored + lanes <= ready:
                        place = source + stored * vector
                        fir.store_strip(acc, dst, place, dst_table, stored * dst_size)
                        stored += lanes
                    if ready == width and stored < width:
                        place = source + last * vector
                        fir.store_strip(acc, dst, place, dst_table, last * dst_size)

    @helper
    def filter_rows_first(block, scratch, table, taken, fresh, row, ahead):
        """Apply each line along x that comes first to the last `fresh` rows of `table`, the first of them number `row`.

        Their results go to a ring of rows for each line, and into a table of its own behind `table`. `ahead`: the
        source rows of the next block, to be fetched meanwhile.
        """
        channels = memory.word(block, at.CHANNELS)
        width = memory.word(block, at.COLS) * channels
        last = max(width - lanes, 0)
        step = channels * vector
        borders = scratch + memory.word(block, at.BORDERS)
        for number in range(memory.word(block, at.TERMS)):
            term = memory.word(block, at.TERMS_AT) + number * (8 * at.TERM_WORDS)
            borders += 8 * (memory.word(term, at.X_LINE + at.COUNT) - 1) * channels
        for number in range(memory.word(block, at.ROW_LINES)):
            line = memory.word(block, at.ROW_LINES_AT) + number * (8 * at.ROW_LINE_WORDS)
            taps, count, kind = memory.word(line, at.TAPS), memory.word(line, at.COUNT), memory.word(line, at.KIND)
            before = memory.word(line, at.BEFORE) * channels
            after = (count - 1) * channels - before
            beyond = memory.word(line, at.R_OUTSIDE)
            filtered = table + (number + 1) * memory.word(block, at.TABLE)
            memory.copy_bytes(filtered, filtered + 8 * lanes, 8 * (taken + 1 - fresh))
            for i in range(taken + 1 - fresh, taken + 1):
                slot = (row + i - (taken + 1 - fresh)) % taken
                place = scratch + memory.word(line, at.R_RING) + slot * memory.word(line, at.R_RING_ROW)
                memory.set_word(filtered, i, place)
            if fresh == taken:
                memory.set_word(filtered, 0, memory.word(filtered, 1))
            memory.set_word(filtered, taken + 1, memory.word(filtered, taken))
            strip = scratch + memory.word(block, at.STRIP)
            inside = strip + before * vector
            for top in range(taken + 1 - fresh, taken + 1, lanes):
                # The last group makes some rows again, to the same bits.
                first = 8 * min(top, taken + 1 - lanes)
                for x in range(0, width, lanes):
                    column = min(x, last)
                    fir.load_strip(src, acc, table + first, column * src_size, inside + column * vector)
                    if number == 0 and column * src_size % at.LINE == 0:
                        memory.prefetch_rows(acc, lanes, ahead + column * src_size, memory.word(block, at.SRC_ROW))
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

    @helper
    def aim(block, dst_table, spare, target, top, end):
        """List where the rows from `top` go; rows from `end` on are not wanted.

        The rows of an image narrower than a vector go to spare memory too.
        """
        width = memory.word(block, at.COLS) * memory.word(block, at.CHANNELS)
        for r in range(lanes):
            if width < lanes:
                address = spare + r * lanes * dst_size
            elif top + r < end:
                address = target + (top + r) * memory.word(block, at.DST_ROW)
            else:
                address = spare
            memory.set_word(dst_table, r, address)

    @helper
    def deliver_narrow(block, spare, target, top, end):
        """Copy the rows of an image narrower than a vector to where they belong."""
        width = memory.word(block, at.COLS) * memory.word(block, at.CHANNELS)
        if width < lanes:
            for r in range(min(lanes, end - top)):
                memory.copy_bytes(
                    target + (top + r) * memory.word(block, at.DST_ROW),
                    spare + r * lanes * dst_size,
                    width * dst_size,
                )

    if slopes:
        find_borders, take_slopes, filter_block = fir_slopes.steps(src, acc, dst, fill_border)

    def plane_band(block, index):
        rows = memory.word(block, at.ROWS)
        row_bytes = memory.word(block, at.SRC_ROW)
        # Rows of a pipeline lie further apart than they are long.
        row_length = memory.word(block, at.COLS) * memory.word(block, at.CHANNELS) * src_size
        unit, stop = share(block, index, memory.word(block, at.PLANES) * rows)
        scratch = scratch_of(block, index)
        lead = memory.word(block, at.LEAD)
        taken = lead + memory.word(block, at.TRAIL) + lanes
        # Entry i of the table is row top - lead - 1 + i. The first and the last are only guards:
        # a tile may load the input before its first and after its last one.
        table = scratch
        dst_table = table + 8 * (taken + 2)
        spare = scratch + memory.word(block, at.SPARE)
        if differences:
            dst_table += memory.word(block, at.ROW_LINES) * memory.word(block, at.TABLE)
        if slopes:
            dst_table += memory.word(block, at.TABLE)
        ring = memory.word(block, at.RING)
        find_borders(block, scratch + memory.word(block, at.BORDERS))
        while unit < stop:
            plane = unit // rows
            first_row = unit - plane * rows
            end = min(rows, first_row + stop - unit)
            unit += end - first_row
            source = memory.word(block, at.SRC) + plane * rows * row_bytes
            target = memory.word(block, at.DST) + plane * rows * memory.word(block, at.DST_ROW)
            slot = 0
            fresh = taken
            for top in range(first_row, end, lanes):
                memory.copy_bytes(table, table + 8 * lanes, 8 * (taken + 1 - fresh))
                for i in range(taken + 1 - fresh, taken + 1):
                    # A pipeline holds no rows past those that the last wanted one needs: any row will do.
                    row = min(top - lead - 1 + i, end + memory.word(block, at.TRAIL) - 1)
                    row = outside(row, rows, memory.word(block, at.MODE_Y))
                    if row < 0:
                        address = memory.word(block, at.CONSTANT_ROW)
                    else:
                        address = source + row * row_bytes
                    if ring != 0:
                        place = scratch + ring + slot * memory.word(block, at.RING_ROW)
                        memory.copy_bytes(place, address, row_length)
                        address = place
                        slot += 1
                        if slot == taken:
                            slot = 0
                    memory.set_word(table, i, address)
                if fresh == taken:
                    memory.set_word(table, 0, memory.word(table, 1))
                memory.set_word(table, taken + 1, memory.word(table, taken))
                # Source rows of the next block: too many streams for the hardware to foresee.
                ahead = source + (top + lanes + memory.word(block, at.TRAIL)) * row_bytes
                if slopes:
                    take_slopes(block, scratch, table, fresh, taken, top - first_row)
                if differences:
                    filter_rows_first(block, scratch, table, taken, fresh, top - first_row + taken - fresh, ahead)
                fresh = lanes
                aim(block, dst_table, spare, target, top, end)
                filter_block(block, table, dst_table, scratch, top, ahead)
                deliver_narrow(block, spare, target, top, end)

    @helper
    def find_columns(block, columns):
        """List the values of a row that stand for those that are copied left and right of it; -1: the constant."""
        channels = memory.word(block, at.CHANNELS)
        cols = memory.word(block, at.COLS)
        left = memory.word(block, at.LEFT)
        for k in range(left + memory.word(block, at.RIGHT)):
            column = outside(k - left if k < left else k - left + cols, cols, memory.word(block, at.MODE_X))
            for c in range(channels):
                memory.set_word(columns, k * channels + c, column * channels + c if column >= 0 else -1)

    @helper
    def copy_ends(block, columns, row, to):
        """Copy what stands for the values left and right of the source row at `row` to either side of `to`."""
        channels = memory.word(block, at.CHANNELS)
        left = memory.word(block, at.LEFT) * channels
        width = memory.word(block, at.COLS) * channels
        for k in range(left + memory.word(block, at.RIGHT) * channels):
            value = memory.word(columns, k)
            source = row + value * src_size if value >= 0 else memory.word(block, at.CONSTANT_ROW)
            place = k - left if k < left else k - left + width
            memory.copy_value(src, to + place * src_size, source)

    @helper
    def filter_depth(line, rows, start, to, slab_plane):
        """Apply a line along the depth to what lies `start` bytes from the places in `rows`, or to its slopes."""
        width = memory.word(line, at.L_WIDTH)
        last = max(width - lanes, 0)
        step, span = memory.word(line, at.L_STEP), memory.word(line, at.L_SPAN)
        start += memory.word(line, at.L_START)
        for x in range(0, width, lanes):
            column = min(x, last)
            if step != 0 or span != 0:
                fir.slopes_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane,
                    memory.word(line, at.TAPS), memory.word(line, at.COUNT), memory.word(line, at.KIND), step, span,
                    memory.word(line, at.BEFORE), memory.word(line, at.L_TOTAL),
                )  # fmt: skip
            else:
                fir.fir_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane,
                    memory.word(line, at.TAPS), memory.word(line, at.COUNT), memory.word(line, at.KIND),
                )  # fmt: skip

    def volume_band(block, index):
        rows = memory.word(block, at.ROWS)
        depth = memory.word(block, at.DEPTH)
        width = memory.word(block, at.COLS) * memory.word(block, at.CHANNELS)
        last = max(width - lanes, 0)
        row_bytes = memory.word(block, at.SRC_ROW)
        window = memory.word(block, at.WINDOW)
        windows = (rows + window - 1) // window
        chunk_planes = memory.word(block, at.CHUNK)
        chunks = (depth + chunk_planes - 1) // chunk_planes
        total = memory.word(block, at.PLANES) * chunks * windows
        bands = memory.word(block, at.BANDS)
        scratch = scratch_of(block, index)
        lead = memory.word(block, at.LEAD)
        trail = memory.word(block, at.TRAIL)
        taken = lead + trail + lanes
        lead_z = memory.word(block, at.LEAD_Z)
        taken_z = lead_z + memory.word(block, at.TRAIL_Z) + tile
        lines = memory.word(block, at.DEPTH_LINES)
        spare = scratch + memory.word(block, at.SPARE)
        slab = scratch + memory.word(block, at.SLAB)
        slab_row = memory.word(block, at.SLAB_ROW)
        # As many rows as a block takes, or one more: an odd number of cache lines.
        slab_plane = taken // 2 * 2 * slab_row + slab_row
        ring = scratch + memory.word(block, at.RING)
        ring_row = memory.word(block, at.RING_ROW)
        # An odd number of cache lines too, as `window` + `taken` + 1 - (its parity) rows are.
        ring_plane = (window + taken) // 2 * 2 * ring_row + ring_row
        table = scratch
        line_table = memory.word(block, at.TABLE)
        dst_table = table + lines * line_table
        plane_table = dst_table + 8 * lanes
        find_borders(block, scratch + memory.word(block, at.BORDERS))
        if sloped:
            columns = scratch + memory.word(block, at.COLUMNS)
            find_columns(block, columns)
        for unit in range(total * index // bands, total * (index + 1) // bands):
            batch = unit // (chunks * windows)
            chunk = (unit - batch * chunks * windows) // windows
            first_row = (unit - (batch * chunks + chunk) * windows) * window
            end = min(rows, first_row + window)
            top_row = first_row - lead
            source = memory.word(block, at.SRC) + batch * depth * rows * row_bytes
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
                    memory.set_word(plane_table, i + 1, place)
                    if i < fresh:
                        continue
                    plane = outside(first_plane - lead_z + i, depth, memory.word(block, at.MODE_Z))
                    for v in range(top_row, end + trail):
                        row = outside(v, rows, memory.word(block, at.MODE_Y))
                        address = source + (plane * rows + row) * row_bytes
                        if plane < 0 or row < 0:
                            address = memory.word(block, at.CONSTANT_ROW)
                        if sloped:
                            # Differences are taken beyond the image, too.
                            to = place + (v - top_row) * ring_row
                            memory.copy_bytes(to, address, width * src_size)
                            copy_ends(block, columns, address, to)
                        elif row >= 0:
                            memory.copy_bytes(place + (v - top_row) * ring_row, address, width * src_size)
                slot += tile
                if slot >= taken_z:
                    slot -= taken_z
                fresh = taken_z - tile
                memory.set_word(plane_table, 0, memory.word(plane_table, 1))
                memory.set_word(plane_table, taken_z + 1, memory.word(plane_table, taken_z))
                filtered = top_row
                for top in range(first_row, end, lanes):
                    # Row by row: what a second line reads is in the first level of the cache then.
                    stop = min(top + lanes, end) + trail
                    for v in range(filtered, stop):
                        place = slab + (v - top_row) % taken * slab_row
                        for number in range(lines):
                            line = memory.word(block, at.DEPTH_LINES_AT) + number * (8 * at.LINE_WORDS)
                            under = plane_table + 8 * (lead_z + 1 - memory.word(line, at.BEFORE))
                            to = place + number * tile * slab_plane
                            if sloped:
                                filter_depth(line, under, (v - top_row) * ring_row, to, slab_plane)
                                continue
                            if outside(v, rows, memory.word(block, at.MODE_Y)) < 0:
                                for r in range(tile):
                                    for x in range(0, width, lanes):
                                        memory.fill_vector(
                                            acc, to + r * slab_plane + x * acc_size,
                                            memory.word(line, at.Y_OUTSIDE),
                                        )  # fmt: skip
                                continue
                            for x in range(0, width, lanes):
                                column = min(x, last)
                                fir.fir_to_rows(
                                    src, acc, under, (v - top_row) * ring_row + column * src_size,
                                    to + column * acc_size, slab_plane, memory.word(line, at.TAPS),
                                    memory.word(line, at.COUNT), memory.word(line, at.KIND),
                                )  # fmt: skip
                    filtered = stop
                    for r in range(min(tile, depth - first_plane)):
                        target = memory.word(block, at.DST)
                        plane = batch * depth + first_plane + r
                        target += plane * rows * memory.word(block, at.DST_ROW)
                        for number in range(lines):
                            start = slab + (number * tile + r) * slab_plane
                            # The first entry and the last are guards, as in `plane_band`. Rows past the end are not
                            # wanted: any will do.
                            place = (top - first_row + taken - 1) % taken
                            for i in range(taken + 2):
                                memory.set_word(table + number * line_table, i, start + place * slab_row)
                                place += 1
                                if place == taken:
                                    place = 0
                        aim(block, dst_table, spare, target, top, end)
                        filter_block(block, table, dst_table, scratch, top, 0)
                        deliver_narrow(block, spare, target, top, end)

    return volume_band if volume else plane_band
