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
    def find_borders(args, borders):
        """List which column stands for each one beyond the image, for the line along x of each term; -1: none.

        Behind those of the terms stand those of the lines that come first.
        """
        channels = args.channels
        cols = args.cols
        terms = lines = args.term_count
        if differences:
            lines += args.row_line_count
        for number in range(lines):
            line = at.Term(args.terms, number).x
            if differences and number >= terms:
                line = at.RowLine(args.row_lines, number - terms).line
            before, count = line.before, line.count
            for k in range(count - 1):
                pixel = k - before if k < before else k - before + cols
                column = outside(pixel, cols, args.mode_x)
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
    def is_middle(args, top, column):
        """Whether a block of `lanes` x `lanes` pixels touches no pixel with a divisor of its own."""
        if args.divisors == 0:
            return True
        margin_y, margin_x = args.lead, args.margin_x
        inside_y = margin_y <= top and top + lanes <= args.rows - margin_y
        return inside_y and margin_x <= column and column + lanes <= args.cols - margin_x

    @helper
    def divide_margin(args, dst_table, top, column):
        """Divide a block by its rows' divisors: those near the top, in the middle or near the bottom."""
        row_bytes = args.divisor_row
        rows, margin = args.rows, args.lead
        for r in range(lanes):
            row = min(top + r, rows - 1)
            kind = min(row, max(margin, row + 2 * margin + 1 - rows))
            divisors = args.divisors + 2 * kind * row_bytes + column * acc_size
            address = memory.word(dst_table, r) + column * acc_size
            bit_exact.divide_vector(acc, address, divisors, divisors + row_bytes)

    @helper
    def filter_block(args, table, dst_table, scratch, top, ahead):
        """Filter the `lanes` rows whose sources stand in `table` into those in `dst_table`, the first of them `top`.

        `ahead`: the source rows of the next args, to be fetched meanwhile; 0: none.
        """
        channels = args.channels
        width = args.cols * channels
        borders = scratch + args.borders
        strip = scratch + args.strip
        sums = scratch + args.sums
        last = max(width - lanes, 0)
        step = channels * vector
        terms = args.term_count
        for number in range(terms):
            term = at.Term(args.terms, number)
            rows = table + 8 * (args.lead + 1 - term.y.before)
            row_line = term.of_line
            if volume or differences:
                rows += row_line * args.table_bytes
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
                                    acc, dst, rows + first, column * acc_size, term.y.taps,
                                    term.y.count, term.y.kind,
                                    dst_table + first, column * dst_size,
                                )  # fmt: skip
                    continue
                squares = args.combine
                into = sums if squares == 0 and number == 0 else strip
                for x in range(0, width, lanes):
                    column = min(x, last)
                    fir.fir_to_strip(
                        acc, acc, rows, column * acc_size, into + column * vector,
                        term.y.taps, term.y.count, term.y.kind,
                    )  # fmt: skip
                if number < terms - 1 and (squares != 0 or number == 0):
                    if squares != 0:
                        fir.add_squares(acc, sums, strip, width, 1 if number > 0 else 0)
                    continue
                # One more sum, or the last one: the identity along x adds it and stores them.
                if into == sums:
                    memory.copy_bytes(strip, sums, width * vector)
            taps = term.x.taps
            count = term.x.count
            kind = term.x.kind
            before = term.x.before * channels
            after = (count - 1) * channels - before
            # Column 0 of the image is at strip + before, its result goes to strip.
            inside = strip + before * vector
            span, final = width, last
            if sloped:
                joined = term.joined
                into = inside
                if term.spread != 0:
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
                        term.y.taps, term.y.count, args.scale,
                    )  # fmt: skip
                elif differences:
                    fir.differences_to_strip(
                        src, acc, rows, column * src_size, inside + column * vector,
                        term.y.taps, term.y.count, term.y.kind,
                    )  # fmt: skip
                elif sloped:
                    fir.fir_into_strip(
                        acc, acc, rows, column * acc_size, into + column * vector, term.y.taps,
                        term.y.count, term.y.kind, 1 if joined > 0 else 0,
                    )  # fmt: skip
                else:
                    fir.fir_to_strip(
                        row_dtype, acc, rows, column * row_size, inside + column * vector,
                        term.y.taps, term.y.count, term.y.kind,
                    )  # fmt: skip
                if ahead != 0 and number == 0 and column * row_size % at.LINE == 0:
                    memory.prefetch_rows(acc, lanes, ahead + column * row_size, args.src_row)
            beyond = term.beyond_x
            if span == width:
                fill_border(borders, inside, -before, 0, beyond)
                fill_border(borders + 8 * before, inside, width, width + after, beyond)
            borders += 8 * (before + after)
            if sloped and term.joins != 0:
                continue
            if not several and channels == 1:
                for x in range(0, width, lanes):
                    column = min(x, last)
                    if divided:
                        middle = is_middle(args, top, column)
                        divisor = args.divisor if middle else 0
                        bit_exact.divided_from_strip(
                            acc, 1 if exact else 0, strip + column * vector, taps, count,
                            args.scale, dst_table, column * acc_size, divisor,
                        )  # fmt: skip
                        if not middle:
                            divide_margin(args, dst_table, top, column)
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
                squares = args.combine if several else 0
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
                        fir.finish(acc, into, tile * channels, squares, args.clip)
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
            if fresh == taken:
                memory.set_word(filtered, 0, memory.word(filtered, 1))
            memory.set_word(filtered, taken + 1, memory.word(filtered, taken))
            strip = scratch + args.strip
            inside = strip + before * vector
            for top in range(taken + 1 - fresh, taken + 1, lanes):
                # The last group makes some rows again, to the same bits.
                first = 8 * min(top, taken + 1 - lanes)
                for x in range(0, width, lanes):
                    column = min(x, last)
                    fir.load_strip(src, acc, table + first, column * src_size, inside + column * vector)
                    if number == 0 and column * src_size % at.LINE == 0:
                        memory.prefetch_rows(acc, lanes, ahead + column * src_size, args.src_row)
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
    def aim(args, dst_table, spare, target, top, end):
        """List where the rows from `top` go; rows from `end` on are not wanted.

        The rows of an image narrower than a vector go to spare memory too.
        """
        width = args.cols * args.channels
        for r in range(lanes):
            if width < lanes:
                address = spare + r * lanes * dst_size
            elif top + r < end:
                address = target + (top + r) * args.dst_row
            else:
                address = spare
            memory.set_word(dst_table, r, address)

    @helper
    def deliver_narrow(args, spare, target, top, end):
        """Copy the rows of an image narrower than a vector to where they belong."""
        width = args.cols * args.channels
        if width < lanes:
            for r in range(min(lanes, end - top)):
                memory.copy_bytes(
                    target + (top + r) * args.dst_row,
                    spare + r * lanes * dst_size,
                    width * dst_size,
                )

    if slopes:
        find_borders, take_slopes, filter_block = fir_slopes.steps(src, acc, dst, fill_border)

    def plane_band(block, index):
        args = at.Plane(block)
        rows = args.rows
        row_bytes = args.src_row
        # Rows of a pipeline lie further apart than they are long.
        row_length = args.cols * args.channels * src_size
        unit, stop = share(args, index, args.planes * rows)
        scratch = scratch_of(args, index)
        lead = args.lead
        taken = lead + args.trail + lanes
        # Entry i of the table is row top - lead - 1 + i. The first and the last are only guards:
        # a tile may load the input before its first and after its last one.
        table = scratch
        dst_table = table + 8 * (taken + 2)
        spare = scratch + args.spare
        if differences:
            dst_table += args.row_line_count * args.table_bytes
        if slopes:
            dst_table += args.table_bytes
        ring = args.ring
        find_borders(args, scratch + args.borders)
        while unit < stop:
            plane = unit // rows
            first_row = unit - plane * rows
            end = min(rows, first_row + stop - unit)
            unit += end - first_row
            source = args.src + plane * rows * row_bytes
            target = args.dst + plane * rows * args.dst_row
            slot = 0
            fresh = taken
            for top in range(first_row, end, lanes):
                memory.copy_bytes(table, table + 8 * lanes, 8 * (taken + 1 - fresh))
                for i in range(taken + 1 - fresh, taken + 1):
                    # A pipeline holds no rows past those that the last wanted one needs: any row will do.
                    row = min(top - lead - 1 + i, end + args.trail - 1)
                    row = outside(row, rows, args.mode_y)
                    if row < 0:
                        address = args.constant_row
                    else:
                        address = source + row * row_bytes
                    if ring != 0:
                        place = scratch + ring + slot * args.ring_row
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
                ahead = source + (top + lanes + args.trail) * row_bytes
                if slopes:
                    take_slopes(args, scratch, table, fresh, taken, top - first_row)
                if differences:
                    filter_rows_first(args, scratch, table, taken, fresh, top - first_row + taken - fresh, ahead)
                fresh = lanes
                aim(args, dst_table, spare, target, top, end)
                filter_block(args, table, dst_table, scratch, top, ahead)
                deliver_narrow(args, spare, target, top, end)

    @helper
    def find_columns(args, columns):
        """List the values of a row that stand for those that are copied left and right of it; -1: the constant."""
        channels = args.channels
        cols = args.cols
        left = args.left
        for k in range(left + args.right):
            column = outside(k - left if k < left else k - left + cols, cols, args.mode_x)
            for c in range(channels):
                memory.set_word(columns, k * channels + c, column * channels + c if column >= 0 else -1)

    @helper
    def copy_ends(args, columns, row, to):
        """Copy what stands for the values left and right of the source row at `row` to either side of `to`."""
        channels = args.channels
        left = args.left * channels
        width = args.cols * channels
        for k in range(left + args.right * channels):
            value = memory.word(columns, k)
            source = row + value * src_size if value >= 0 else args.constant_row
            place = k - left if k < left else k - left + width
            memory.copy_value(src, to + place * src_size, source)

    @helper
    def filter_depth(line, rows, start, to, slab_plane):
        """Apply a line along the depth to what lies `start` bytes from the places in `rows`, or to its slopes."""
        width = line.width
        last = max(width - lanes, 0)
        step, span = line.step, line.span
        start += line.start
        for x in range(0, width, lanes):
            column = min(x, last)
            if step != 0 or span != 0:
                fir.slopes_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane,
                    line.line.taps, line.line.count, line.line.kind, step, span,
                    line.line.before, line.total,
                )  # fmt: skip
            else:
                fir.fir_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane,
                    line.line.taps, line.line.count, line.line.kind,
                )  # fmt: skip

    def volume_band(block, index):
        args = at.Volume(block)
        rows = args.rows
        depth = args.depth
        width = args.cols * args.channels
        last = max(width - lanes, 0)
        row_bytes = args.src_row
        window = args.window
        windows = (rows + window - 1) // window
        chunk_planes = args.chunk
        chunks = (depth + chunk_planes - 1) // chunk_planes
        total = args.planes * chunks * windows
        bands = args.bands
        scratch = scratch_of(args, index)
        lead = args.lead
        trail = args.trail
        taken = lead + trail + lanes
        lead_z = args.lead_z
        taken_z = lead_z + args.trail_z + tile
        lines = args.depth_line_count
        spare = scratch + args.spare
        slab = scratch + args.slab
        slab_row = args.slab_row
        # As many rows as a block takes, or one more: an odd number of cache lines.
        slab_plane = taken // 2 * 2 * slab_row + slab_row
        ring = scratch + args.ring
        ring_row = args.ring_row
        # An odd number of cache lines too, as `window` + `taken` + 1 - (its parity) rows are.
        ring_plane = (window + taken) // 2 * 2 * ring_row + ring_row
        table = scratch
        line_table = args.table_bytes
        dst_table = table + lines * line_table
        plane_table = dst_table + 8 * lanes
        find_borders(args, scratch + args.borders)
        if sloped:
            columns = scratch + args.beyond
            find_columns(args, columns)
        for unit in range(total * index // bands, total * (index + 1) // bands):
            batch = unit // (chunks * windows)
            chunk = (unit - batch * chunks * windows) // windows
            first_row = (unit - (batch * chunks + chunk) * windows) * window
            end = min(rows, first_row + window)
            top_row = first_row - lead
            source = args.src + batch * depth * rows * row_bytes
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
                    plane = outside(first_plane - lead_z + i, depth, args.mode_z)
                    for v in range(top_row, end + trail):
                        row = outside(v, rows, args.mode_y)
                        address = source + (plane * rows + row) * row_bytes
                        if plane < 0 or row < 0:
                            address = args.constant_row
                        if sloped:
                            # Differences are taken beyond the image, too.
                            to = place + (v - top_row) * ring_row
                            memory.copy_bytes(to, address, width * src_size)
                            copy_ends(args, columns, address, to)
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
                            line = at.DepthLine(args.depth_lines, number)
                            under = plane_table + 8 * (lead_z + 1 - line.line.before)
                            to = place + number * tile * slab_plane
                            if sloped:
                                filter_depth(line, under, (v - top_row) * ring_row, to, slab_plane)
                                continue
                            if outside(v, rows, args.mode_y) < 0:
                                for r in range(tile):
                                    for x in range(0, width, lanes):
                                        memory.fill_vector(
                                            acc, to + r * slab_plane + x * acc_size,
                                            line.beyond_y,
                                        )  # fmt: skip
                                continue
                            for x in range(0, width, lanes):
                                column = min(x, last)
                                fir.fir_to_rows(
                                    src, acc, under, (v - top_row) * ring_row + column * src_size,
                                    to + column * acc_size, slab_plane, line.line.taps,
                                    line.line.count, line.line.kind,
                                )  # fmt: skip
                    filtered = stop
                    for r in range(min(tile, depth - first_plane)):
                        target = args.dst
                        plane = batch * depth + first_plane + r
                        target += plane * rows * args.dst_row
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
                        aim(args, dst_table, spare, target, top, end)
                        filter_block(args, table, dst_table, scratch, top, 0)
                        deliver_narrow(args, spare, target, top, end)

    return volume_band if volume else plane_band
