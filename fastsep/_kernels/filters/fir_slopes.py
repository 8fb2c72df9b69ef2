"""Sums of two terms of which one takes differences along x: the steps of a block of rows (see `fir`).

Taps that sum to exactly zero are differences of neighbours with taps between the pixels. The differences, "slopes",
are taken while rows are copied, before all else; then the line along y, then the taps between the pixels, so that
such a term costs no more than one whose line along y takes differences.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import guard, outside
from fastsep._kernels.simd import emitter, fir, memory
from fastsep._kernels.simd import sweep as sweep_simd


def steps(src, acc, dst, fill_border):
    """`find_borders`, `take_slopes` and `filter_block` for one source, arithmetic and result dtype."""
    return _find_borders, _taker(src, acc), _filterer(src, acc, dst, fill_border)


@helper
def _find_borders(args, borders):
    """List which column stands for each one beyond the image, for the line along x of each term; -1: none.

    Slopes lie between pixels and those left of them, and there is one more of them than pixels, since the first
    and the last take one beyond the image. -2 - n stands for minus number n.
    """
    channels, cols = args.channels, args.cols
    mode = args.mode_x
    for number in range(args.term_count):
        term = at.Term(args.terms, number)
        between = 1 if term.of_line != 0 else 0
        before = term.x.before
        count = term.x.count
        for k in range(count - 1):
            pixel = k - before if k < before else k - before + cols + between
            column = outside(pixel, cols, mode)
            left = outside(pixel - 1, cols, mode)
            for c in range(channels):
                value = column * channels + c if column >= 0 else -1
                if between != 0 and column == left:
                    value = -1
                elif between != 0 and left == column + 1:
                    value = -2 - (left * channels + c)
                memory.set_word(borders, k * channels + c, value)
        borders += 8 * (count - 1) * channels


def _taker(src, acc):
    """`take_slopes` for the dtypes of source and arithmetic."""
    lanes, src_size, acc_size = emitter.lanes(acc), src.itemsize, acc.itemsize

    @helper
    def take_slopes(args, scratch, table, fresh, taken, row):
        """Make rows of slopes of the last `fresh` rows of `table`, in a ring, and list them in a table behind it.

        `row`: the number of the block's first row, counted from the first one that the band filters.
        """
        channels, cols = args.channels, args.cols
        width = cols * channels
        one = args.scale + acc_size
        lead = args.slopes_lead
        kept = lead + args.slopes_trail + lanes
        slopes_table = table + args.table_bytes
        above = args.lead - lead
        first = 1 if fresh == taken else kept + 1 - lanes
        left, right = (
            outside(-1, cols, args.mode_x),
            outside(cols, cols, args.mode_x),
        )
        memory.copy_bytes(slopes_table, slopes_table + 8 * lanes, 8 * first)
        for i in range(first, kept + 1):
            to = scratch + args.slopes + (row + i) % kept * args.slopes_row
            memory.set_word(slopes_table, i, to)
            source = memory.word(table, i + above)
            second, end = source + channels * src_size, source + (width - channels) * src_size
            constant = args.constant_row
            before = source + left * channels * src_size if left >= 0 else constant
            behind = source + right * channels * src_size if right >= 0 else constant
            sweep_simd.difference(src, acc, source, before, one, channels, to)
            sweep_simd.difference(src, acc, second, source, one, width - channels, to + channels * acc_size)
            sweep_simd.difference(src, acc, behind, end, one, channels, to + width * acc_size)
        guard(slopes_table, kept, fresh == taken)

    return take_slopes


def _filterer(src, acc, dst, fill_border):
    """`filter_block` for one source, arithmetic and result dtype."""
    vector = emitter.lanes(acc) * acc.itemsize
    filter_down, (filter_along, finish) = _down(src, acc), _along(acc, dst)

    @helper
    def fill_slopes(borders, strip, start, stop, zero):
        """`fill_border` for slopes."""
        for value in range(start, stop):
            column = memory.word(borders, value - start)
            to = strip + value * vector
            if column == -1:
                memory.fill_vector(acc, to, zero)
            elif column < 0:
                memory.negate_vector(acc, to, strip + (-2 - column) * vector)
            else:
                memory.copy_vector(acc, to, strip + column * vector)

    @helper
    def filter_block(args, table, dst_table, scratch, top, ahead):
        """Filter the `lanes` rows whose sources stand in `table` into those in `dst_table`: see `fir.build`."""
        channels = args.channels
        width = args.cols * channels
        borders = scratch + args.borders
        strip, sums = scratch + args.strip, scratch + args.sums
        first_line = at.Term(args.terms, 0).x
        parted, inner = args.inner_line != 0, at.Line(args.inner_line)
        for number in range(2):
            term = at.Term(args.terms, number)
            line = term.x
            before = line.before * channels
            after = (line.count - 1) * channels - before
            rows = table + 8 * (args.lead + 1 - term.y.before)
            between = term.of_line != 0
            here, columns = strip, width
            if between:
                rows += args.table_bytes
                rows += 8 * (args.slopes_lead - args.lead)
                columns += channels
            elif parted:
                here = scratch + args.other_strip
            inside = here + before * vector
            filter_down(args, term, rows, columns, inside, ahead if number == 0 else 0)
            beyond = term.beyond_x
            if between:
                fill_slopes(borders, inside, -before, 0, beyond)
                fill_slopes(borders + 8 * before, inside, columns, columns + after, beyond)
            else:
                fill_border(borders, inside, -before, 0, beyond)
                fill_border(borders + 8 * before, inside, columns, columns + after, beyond)
            borders += 8 * (before + after)
            if parted:
                # y1 x1 + y2 (x0 - x1) with x0 shorter than x1: the taps of x1 meet slopes of y1 less those of y2.
                if number == 0:
                    place = inside - inner.before * channels * vector
                    filter_along(args, inner, True, place, sums, at.STORE)
                    continue
                fir.subtract_slopes(acc, here, channels * vector, strip, width + before + after - channels)
                fir.add_vectors(acc, sums, inside, width)
                finish(args, first_line, True, strip, sums, dst_table)
            elif number == 0:
                filter_along(args, line, between, here, sums, args.combine * at.STORE_SQUARE)
            else:
                finish(args, line, between, here, sums, dst_table)

    return filter_block


def _down(src, acc):
    """`filter_down` for the dtypes of source and arithmetic."""
    lanes, src_size, acc_size = emitter.lanes(acc), src.itemsize, acc.itemsize
    vector = lanes * acc_size

    @step
    def filter_down(args, term, rows, columns, inside, ahead):
        """The line along y, for the first `columns` columns, into those of a strip from `inside` on.

        `ahead`: the source rows of the next args, to be fetched meanwhile; 0: none.
        """
        taps, count, kind = term.y.taps, term.y.count, term.y.kind
        between = term.of_line != 0
        for x in range(0, columns, lanes):
            column = min(x, max(columns - lanes, 0))
            to = inside + column * vector
            if between:
                fir.fir_to_strip(acc, acc, rows, column * acc_size, to, taps, count, kind)
            else:
                fir.differences_to_strip(src, acc, rows, column * src_size, to, taps, count, kind)
            if ahead != 0 and column * src_size % at.LINE == 0:
                memory.prefetch_rows(acc, lanes, ahead + column * src_size, args.src_row)

    return filter_down


def _along(acc, dst):
    """`filter_along` and `finish` for the dtypes of arithmetic and result."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    vector, dst_size = lanes * acc.itemsize, dst.itemsize

    @step
    def filter_along(args, line, between, strip, sums, how):
        """A line along x, from the first column of a strip on; its results join the sums as `how` says."""
        channels = args.channels
        step = channels * vector
        taps, count, kind = line.taps, line.count, line.kind
        for x in range(0, args.cols * channels, tile * channels):
            for column in range(x, x + channels):
                place, to = strip + column * vector, sums + column * vector
                if between:
                    fir.term_between_strip(acc, place, step, taps, count, kind, to, how)
                else:
                    fir.term_along_strip(acc, place, step, taps, count, kind, to, how)

    @helper
    def finish(args, line, between, strip, sums, dst_table):
        """The last line along x; store the results of all."""
        channels = args.channels
        width = args.cols * channels
        taps, count, kind = line.taps, line.count, line.kind
        root = args.combine
        if channels > 1:
            filter_along(args, line, between, strip, sums, at.ADD if root == 0 else at.ADD_SQUARE)
            fir.finish(acc, sums, width, root, 0)
        for x in range(0, width, lanes):
            column = min(x, max(width - lanes, 0))
            place, others, offset = strip + column * vector, sums + column * vector, column * dst_size
            if channels > 1:
                fir.store_strip(acc, dst, others, dst_table, offset)
            elif between:
                fir.last_between_strip(acc, dst, place, taps, count, kind, others, root, dst_table, offset)
            else:
                fir.last_from_strip(acc, dst, place, taps, count, kind, others, root, dst_table, offset)

    return filter_along, finish
