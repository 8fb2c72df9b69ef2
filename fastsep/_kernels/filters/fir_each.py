"""Several sums of the same pixels, each a result of its own: the steps of a block of rows (see `fir`).

Terms that have the same line along y share what it makes.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.fir_block import line_along_y
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import deliver_narrow, list_targets
from fastsep._kernels.simd import emitter, fir, memory


def steps(form, src, acc, dst, fill_border):
    """`list_results`, `deliver_results` and `filter_block` for the dtypes of source, arithmetic and result."""
    lanes, tile, dst_size = emitter.lanes(acc), emitter.tile(acc), dst.itemsize
    vector, room = lanes * acc.itemsize, lanes * lanes * dst_size
    filter_down = line_along_y(form, src, acc, dst)

    @helper
    def list_results(args, block, dst_table, plane, top, end, spare):
        """List where the rows of each result go (see `list_targets`), one list behind the other."""
        narrow = lanes * dst_size if args.cols * args.channels < lanes else 0
        for k in range(args.term_count):
            target = memory.word(block, at.DST + k) + plane * args.rows * args.dst_row
            place = spare + k * room if narrow != 0 else spare
            list_targets(dst_table + k * 8 * lanes, lanes, target, args.dst_row, top, end, place, narrow)

    @helper
    def deliver_results(args, block, plane, top, end, spare):
        """Copy the rows of each result of an image narrower than a vector to where they belong."""
        width = args.cols * args.channels
        for k in range(args.term_count if width < lanes else 0):
            target = memory.word(block, at.DST + k) + plane * args.rows * args.dst_row
            stop = min(top + lanes, end)
            deliver_narrow(target, args.dst_row, top, stop, spare + k * room, lanes * dst_size, width * dst_size)

    @helper
    def filter_block(args, table, dst_table, scratch, top, ahead):
        """Filter the `lanes` rows whose sources stand in `table` into those in the lists from `dst_table` on.

        `ahead`: the source rows of the next block, to be fetched meanwhile.
        """
        channels = args.channels
        width = args.cols * channels
        last = max(width - lanes, 0)
        borders = scratch + args.borders
        strip, sums = scratch + args.strip, scratch + args.sums
        for number in range(args.term_count):
            term = at.Term(args.terms, number)
            line = term.x
            taps, count, kind = line.taps, line.count, line.kind
            before = line.before * channels
            after = (count - 1) * channels - before
            if term.again == 0:
                inside = strip + before * vector
                rows = table + 8 * (args.lead + 1 - term.y.before)
                filter_down(args, term, rows, 0, inside, width, ahead if number == 0 else 0)
                fill_border(borders, inside, -before, 0, term.beyond_x)
                fill_border(borders + 8 * before, inside, width, width + after, term.beyond_x)
            borders += 8 * (before + after)
            if channels == 1:
                for x in range(0, width, lanes):
                    column = min(x, last)
                    fir.fir_from_strip(
                        acc, dst, strip + column * vector, taps, count, kind, dst_table, column * dst_size
                    )  # fmt: skip
            else:
                step = channels * vector
                for x in range(0, width, tile * channels):
                    for column in range(x, x + channels):
                        place = column * vector
                        fir.fir_along_strip(acc, strip + place, step, taps, count, kind, sums + place, 0)
                for x in range(0, width, lanes):
                    column = min(x, last)
                    fir.store_strip(acc, dst, sums + column * vector, dst_table, column * dst_size)
            dst_table += 8 * lanes

    return list_results, deliver_results, filter_block
