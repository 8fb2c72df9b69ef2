"""A block of rows, filtered from one line of taps to the next: what planes and volumes share (see `fir`)."""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import copy_ends, outside
from fastsep._kernels.simd import bit_exact, emitter, fir, memory


def borders(form, acc):
    """`find_borders` and `fill_border` for a form of `fir.build` and the dtype of the arithmetic."""
    vector = emitter.lanes(acc) * acc.itemsize
    differences = form.startswith("plane differences")

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

    return find_borders, fill_border


def filterer(form, src, acc, dst, fill_border):
    """`filter_block` for a form and the dtypes of source, arithmetic and result."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    vector = lanes * acc.itemsize
    acc_size, dst_size = acc.itemsize, dst.itemsize
    several, volume = form.endswith("terms"), form.startswith("volume")
    differences = form.startswith("plane differences")
    sloped = form.startswith("volume differences")
    filter_down = line_along_y(form, src, acc, dst)
    filter_along = _along(form, acc, dst)

    @helper
    def filter_block(args, table, dst_table, scratch, top, ahead):
        """Filter the `lanes` rows whose sources stand in `table` into those in `dst_table`, the first of them `top`.

        `ahead`: the source rows of the next block, to be fetched meanwhile; 0: none.
        """
        channels = args.channels
        width = args.cols * channels
        last = max(width - lanes, 0)
        borders = scratch + args.borders
        strip, sums = scratch + args.strip, scratch + args.sums
        for number in range(args.term_count):
            term = at.Term(args.terms, number)
            rows = table + 8 * (args.lead + 1 - term.y.before)
            if volume or differences:
                rows += term.of_line * args.table_bytes
            before = term.x.before * channels
            after = (term.x.count - 1) * channels - before
            # Column 0 of the image is at strip + before, its result goes to strip.
            inside = strip + before * vector
            if differences and term.of_line != 0:
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
                                    term.y.count, term.y.kind, dst_table + first, column * dst_size,
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
                if number < args.term_count - 1 and (squares != 0 or number == 0):
                    if squares != 0:
                        fir.add_squares(acc, sums, strip, width, 1 if number > 0 else 0)
                    continue
                # One more sum, or the last one: the identity along x adds it and stores them.
                if into == sums:
                    memory.copy_bytes(strip, sums, width * vector)
            else:
                spread = sloped and term.spread != 0
                complete = spread or args.joined != 0  # no border is needed
                first, span = (0 if spread else -before, width + before + after) if complete else (0, width)
                into = strip if complete else inside
                filter_down(args, term, rows, first, into, span, ahead if number == 0 and not spread else 0)
                if not complete:
                    fill_border(borders, inside, -before, 0, term.beyond_x)
                    fill_border(borders + 8 * before, inside, width, width + after, term.beyond_x)
            borders += 8 * (before + after)
            if not (sloped and term.joins != 0):
                filter_along(args, term, number, strip, sums, dst_table, top)

    return filter_block


def line_along_y(form, src, acc, dst):
    """`filter_down` for a form and the dtypes of source, arithmetic and result."""
    lanes = emitter.lanes(acc)
    vector = lanes * acc.itemsize
    exact, cast, differences = form.endswith("exact"), form.endswith("cast"), form.startswith("plane differences")
    sloped = form.startswith("volume differences")
    # A volume's planes are filtered from rows that were filtered along the depth before.
    row_dtype = acc if form.startswith("volume") else src
    row_size = row_dtype.itemsize

    @step
    def filter_down(args, term, rows, first, into, span, ahead):
        """The line along y, for `span` columns from number `first` on, into those of a strip from `into` on.

        `ahead`: the source rows of the next block, to be fetched meanwhile; 0: none.
        """
        # No column may be added twice: the last vector has room behind the others.
        last = span if sloped else max(span - lanes, 0)
        for x in range(0, span, lanes):
            column = min(x, last)
            place = (first + column) * row_size
            if exact:
                bit_exact.exact_to_strip(
                    src, acc, rows, place, into + column * vector,
                    term.y.taps, term.y.count, args.scale,
                )  # fmt: skip
            elif cast:
                fir.cast_to_strip(
                    row_dtype, acc, dst, rows, place, into + column * vector,
                    term.y.taps, term.y.count, term.y.kind,
                )  # fmt: skip
            elif differences:
                fir.differences_to_strip(
                    src, acc, rows, place, into + column * vector,
                    term.y.taps, term.y.count, term.y.kind,
                )  # fmt: skip
            elif sloped:
                fir.fir_into_strip(
                    acc, acc, rows, place, into + column * vector, term.y.taps,
                    term.y.count, term.y.kind, 1 if term.joined > 0 else 0,
                )  # fmt: skip
            else:
                fir.fir_to_strip(
                    row_dtype, acc, rows, place, into + column * vector,
                    term.y.taps, term.y.count, term.y.kind,
                )  # fmt: skip
            if ahead != 0 and column * row_size % at.LINE == 0:
                memory.prefetch_rows(acc, lanes, ahead + column * row_size, args.src_row)

    return filter_down


def _along(form, acc, dst):
    """`filter_along` for a form and the dtypes of arithmetic and result."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    vector, acc_size, dst_size = lanes * acc.itemsize, acc.itemsize, dst.itemsize
    several, exact = form.endswith("terms"), form.endswith("exact")
    divided, cast = exact or form.endswith("divided"), form.endswith("cast")
    sloped, volume = form.startswith("volume differences"), form == "volume"
    store_strip = fir.cast_strip if cast else fir.store_strip
    is_middle, divide_margin = _divider(acc)
    filter_past_caches = _past_caches(acc, dst)

    @step
    def filter_along(args, term, number, strip, sums, dst_table, top):
        """The line along x of term `number`, from the first column of a strip on; store the results of the last one."""
        channels = args.channels
        width = args.cols * channels
        last = max(width - lanes, 0)
        step = channels * vector
        taps, count, kind = term.x.taps, term.x.count, term.x.kind
        if not several and channels == 1:
            if volume:
                filter_past_caches(args, strip, taps, count, kind, dst_table)
                return
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
                if cast:
                    fir.cast_from_strip(
                        acc, dst, strip + column * vector, taps, count, kind,
                        dst_table, column * dst_size,
                    )  # fmt: skip
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
            return
        stored = 0
        for x in range(0, width, tile * channels):
            # A sum of terms is added up where it belongs; squares are taken first.
            squares = args.combine if several else 0
            target = sums if several and squares == 0 else strip
            add = 1 if several and squares == 0 and number > 0 else 0
            if sloped:
                add = 1 if squares == 0 and number > term.joined else 0
            for column in range(x, x + channels):
                place = strip + column * vector
                if sloped:
                    fir.slopes_along_strip(acc, place, step, taps, count, kind, target + column * vector, add)
                elif cast:
                    fir.ordered_along_strip(acc, place, step, taps, count, kind, place, 0)
                else:
                    fir.fir_along_strip(acc, place, step, taps, count, kind, target + column * vector, add)
            if several:
                into = sums + x * vector
                if squares != 0:
                    fir.add_squares(acc, into, strip + x * vector, tile * channels, 1 if number > 0 else 0)
                if number == args.term_count - 1:
                    fir.finish(acc, into, tile * channels, squares, args.clip)
            if number == args.term_count - 1:
                source = sums if several else strip
                ready = min(x + tile * channels, width)
                while stored + lanes <= ready:
                    place = source + stored * vector
                    store_strip(acc, dst, place, dst_table, stored * dst_size)
                    stored += lanes
                if ready == width and stored < width:
                    place = source + last * vector
                    store_strip(acc, dst, place, dst_table, last * dst_size)

    return filter_along


def _past_caches(acc, dst):
    """`filter_past_caches` for the dtypes of arithmetic and result."""
    lanes, vector, dst_size = emitter.lanes(acc), emitter.lanes(acc) * acc.itemsize, dst.itemsize

    @step
    def filter_past_caches(args, strip, taps, count, kind, table):
        """The line along x, from the first column of a strip on; results are streamed if `args.streamed` says so."""
        width = args.cols
        last = max(width - lanes, 0)
        start, ends = 0, 0
        streamed = args.streamed != 0 and args.dst_row % at.LINE == 0
        if streamed and args.dst % at.LINE != 0:
            # From the first column on that begins a cache line. What lies at the ends of rows is put aside: lines that
            # are written both ways would cost more than all others gain (measured: 1.4 times the time of no streams).
            start = -args.dst % at.LINE // dst_size - lanes
            ends = args.scratch + args.streamed
            for r in range(lanes):
                memory.set_word(ends, r, ends + 8 * lanes + 2 * at.LINE * r)
        for x in range(start, width, lanes):
            column, to, place, how = min(x, last), table, min(x, last) * dst_size, 1 if streamed else 0
            if streamed and (x < 0 or x > last):
                column, to, place, how = (0, ends, 0, 0) if x < 0 else (last, ends, at.LINE, 0)
            fir.fir_past_caches(acc, dst, strip + column * vector, taps, count, kind, to, place, how)
        if ends != 0:
            for r in range(lanes):
                copy_ends(memory.word(table, r), memory.word(ends, r), width * dst_size)

    return filter_past_caches


def _divider(acc):
    """`is_middle` and `divide_margin`, for results that are divided by numbers of their own near the borders."""
    lanes, acc_size = emitter.lanes(acc), acc.itemsize

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

    return is_middle, divide_margin
