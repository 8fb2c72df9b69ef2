"""A filter of an image with missing pixels, a few rows at a time, by kernels that know nothing of them.

Results are K(w f) / (K(w) / total): of some rows the pixels are selected and weighed, both go through a kernel, and
what comes out is divided; all of it stays in the cache. Of several sums of the same pixels, each with its own total,
gradients, masks and differences are made (see `simd.combine`). Where no pixel under the taps is missing, the plain
filter makes the same bits straight from the image: of whole rows, or of what lies beside a hole. Which rows these are
is found in two ways. Next to missing pixels all that are under the taps are looked at. Elsewhere the rows are filtered
first, and the results tell, few of which have to be looked at, because NaN spoils all that it reaches.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import rows_of_plane, share, whole_or_last
from fastsep._kernels.simd import emitter, memory, sweep
from fastsep._kernels.simd import missing as simd

_BLOCK_BYTES = 8 * at.BLOCK_WORDS
#: The kernels, by their places in the table.
PLAIN, PIXELS, WEIGHTS = range(3)
#: Columns that are looked at in one go.
LOOKED_AT = 128
#: Columns that parts of rows begin and end with a multiple of: whole groups of boxes.
UNIT = 64


def build(
    how: str, weights_name: str, src_name: str, pixel_name: str, kept_name: str, acc_name: str, sums_name: str,
    dst_name: str, ending: str, *ways: str,
):  # fmt: skip
    """The band function for these dtypes: of the image, of selected pixels and their weights, of totals, sums, results.

    `how` missing pixels are told: "nan", "equal" to a number, "none". `weights_name`: the dtype of weights that are
    given, of which uint8 are 0 or 1, or "none". `ending`: what is made of sums and totals: "quotient", or see
    `simd.combine`. `ways`: see `simd.normalize`; of several sums "keep" alone.
    """
    src, pixel, kept, acc, sums, dst = map(np.dtype, (src_name, pixel_name, kept_name, acc_name, sums_name, dst_name))
    look, several = _look(how, weights_name, src), ending != "quotient"
    filter_weighed = _weighed(how, weights_name, src, pixel, kept, acc, sums, dst, " ".join(ways), ending)
    line, tells = emitter.lanes(acc) * dst.itemsize, dst.kind == "f"
    plain = "only" not in ways  # else rows without missing pixels stay as they are

    @step
    def spoilt(args, target, top, stop):
        """Whether a missing pixel shows in the rows `top` .. `stop` - 1 of a result.

        It spoils so many rows next to each other, or up to the first or the last one of these.
        """
        if tells:
            row = top
            while row < stop:
                address = target + row * args.dst_row
                if simd.any_meant(dst, "nan", address, args.cols * args.channels, 0) != 0:
                    return True
                row = min(row + args.spoilt, stop - 1) if row < stop - 1 else stop
        return False

    def band(block, index):
        args = at.Missing(block)
        rows, cols, height = args.rows, args.cols, args.block
        high = (rows + height - 1) // height
        unit, last = share(args, index, args.planes * high)
        scratch = args.scratch
        blocks = scratch + args.blocks
        for number in range(3):
            mine = blocks + number * _BLOCK_BYTES
            memory.copy_bytes(mine, at.Pass(args.passes, number).arguments, _BLOCK_BYTES)
            at.Head(mine).bands = 0
            at.Head(mine).scratch = scratch + args.pass_scratch
        fits = (args.dst | args.dst_row) % line == 0
        held = at.Held(scratch + args.buffers)
        while unit < last:
            plane, first_block, last_block = rows_of_plane(unit, last, high)
            unit += last_block - first_block
            top, end = first_block * height, min(last_block * height, rows)
            target = args.dst + plane * rows * args.dst_row
            held.first = held.stop = held.seen_from = held.seen = held.done = top
            hopeful = False  # that no pixels are missing, because none were
            probing = args.spoilt != 0  # of pixels that are missing everywhere one row tells
            while top < end:
                bottom = min(top + (args.run if hopeful else args.step), end)
                # Columns from the first to the last missing pixel under the taps.
                left, right = 0, cols
                if args.always == 0 and (args.open_rows == 0 or (top >= args.halo and bottom <= rows - args.halo)):
                    if hopeful and args.spoilt != 0:
                        right = 0
                    else:
                        low = top if probing else max(top - args.halo, 0)
                        below = top + 1 if probing else min(bottom + args.halo, rows)
                        left, right = look(args, held, plane, low, below)
                if probing:
                    probing = False
                    hopeful = left >= right
                    continue
                if left < right:
                    bottom = min(top + args.step, end)
                if plain and (right - left <= args.widest or args.over != 0) and bottom > held.done:
                    _filter_plain(args, block, held, blocks, plane, top, bottom, end if several else bottom)
                if left < right:
                    filter_weighed(args, block, held, blocks, plane, left, right, top, bottom, end, 1 if fits else 0)
                    hopeful = False
                elif hopeful and args.spoilt != 0 and spoilt(args, target, top, bottom):
                    hopeful = False
                    continue
                else:
                    hopeful = bottom >= held.done  # else they are spoilt somewhere, or were made ahead
                top = bottom
        sweep.finish_streams()

    return band


@helper
def _filter_plain(args, block, held, blocks, plane, top, bottom, end):
    """Make plain results from row `top` to at least row `bottom` - 1.

    Up to row `end` - 1 they are made as many at a time as are worth it: those which are there are not made again.
    """
    top = max(top, held.done)
    bottom = min(max(bottom, top + args.run), end)
    for k in range(args.results):
        target = memory.word(block, at.DST + k) + plane * args.rows * args.dst_row
        memory.set_word(blocks + PLAIN * _BLOCK_BYTES, at.DST + k, target)
    at.Head(blocks + PLAIN * _BLOCK_BYTES).dst_row = args.dst_row
    _filter(args, blocks, PLAIN, args.src + plane * args.rows * args.src_row, args.src_row, top, bottom)
    held.done = bottom


@helper
def _filter(args, blocks, number, source, source_row, top, bottom):
    """Let a kernel make the rows `top` .. `bottom` - 1, from a source whose row 0 is there or would be."""
    mine = at.Head(blocks + number * _BLOCK_BYTES)
    listed = at.Pass(args.passes, number)
    mine.src, mine.src_row = source, source_row
    mine.first, mine.last = top // listed.height, (bottom + listed.height - 1) // listed.height
    memory.call(listed.kernel, blocks + number * _BLOCK_BYTES, 0)


@helper
def _weights_of(args, plane, row):
    """Where the weights of a row are: planes that share them come one after the other."""
    return args.src_2 + (plane * args.rows + row) % args.weight_lines * args.src_2_row


def _look(how, weights_name, src):
    """`look` for a dtype of images and one of weights."""
    weighted = weights_name != "none"
    given = np.dtype(weights_name if weighted else "uint8")
    src_size, given_size = src.itemsize, given.itemsize

    @step
    def is_complete(args, plane, row, column):
        """Whether no pixel is missing of those that are looked at in one go, from `column` on."""
        count = min(LOOKED_AT, args.cols - column)
        if weighted:
            channels = args.weight_channels
            address = _weights_of(args, plane, row) + column * channels * given_size
            if simd.any_meant(given, "unequal", address, count * channels, args.one) != 0:
                return False
        if how != "none":
            channels = args.channels
            address = args.src + (plane * args.rows + row) * args.src_row + column * channels * src_size
            if simd.any_meant(src, how, address, count * channels, args.nodata) != 0:
                return False
        return True

    @step
    def look(args, held, plane, first, stop):
        """Roughly the first column with a missing pixel in the rows `first` .. `stop` - 1, and the one behind the last.

        Where they are further from each other than parts of rows are filtered, it is all columns. Rows that have been
        seen are not looked at again: what was found in each is in a table, in which they take turns.
        """
        cols, table = args.cols, args.scratch + args.extents
        if first < held.seen_from or first > held.seen:
            held.seen_from = held.seen = first
        left, right = cols, 0
        for row in range(first, stop):
            extent = table + row % args.extent_rows * 16
            if row >= held.seen:
                begin, end = 0, (cols + LOOKED_AT - 1) // LOOKED_AT * LOOKED_AT
                for side in range(2):  # from the left, then from the right
                    while begin < end and is_complete(args, plane, row, begin if side == 0 else end - LOOKED_AT):
                        if side == 0:
                            begin += LOOKED_AT
                        else:
                            end -= LOOKED_AT
                memory.set_word(extent, 0, begin)
                memory.set_word(extent, 1, min(end, cols))
                held.seen = row + 1
            begin, end = memory.word(extent, 0), memory.word(extent, 1)
            if begin < end:
                left, right = min(left, begin), max(right, end)
                if right - left > args.widest:
                    return 0, cols
        return left, right

    return look


def _weighed(how, weights_name, src, pixel, kept, acc, sums, dst, ways, ending):
    """`filter_weighed` for some dtypes."""
    lanes, kept_lanes = emitter.lanes(acc), emitter.lanes(kept)
    src_size, pixel_size, kept_size, acc_size = src.itemsize, pixel.itemsize, kept.itemsize, acc.itemsize
    sums_size, dst_size = sums.itemsize, dst.itemsize
    several = ending != "quotient"
    wide = 1 if ending == "difference" else 0  # of several totals, that of the widest kernel
    weighted = weights_name != "none"
    given = np.dtype(weights_name if weighted else "uint8")
    given_size = given.itemsize
    weighing = "none" if not weighted else "mask" if given == np.uint8 else "product"
    vector = lanes * acc.itemsize
    # Whether results and what tells of them are read before they are written.
    over, only = "over" in ways or "only" in ways, "only" in ways
    told = only or "told" in ways

    @step
    def select_row(args, plane, row, left, cols, pixels, weights):
        """Select so many pixels of a row, from column `left` on, and write their weights."""
        width = cols * args.channels
        source = args.src + (plane * args.rows + row) * args.src_row + left * args.channels * src_size
        own = weights
        if weighted:
            origin = _weights_of(args, plane, row) + left * args.weight_channels * given_size
            if args.weight_channels != args.channels:
                simd.spread(given, kept, weights, origin, cols, args.channels)
            elif given != kept or width < kept_lanes:
                memory.convert_values(given, kept, weights, origin, width)
            else:
                own = origin
        if width < kept_lanes:  # vectors would read beyond the image
            memory.copy_bytes(args.scratch + args.spare, source, width * src_size)
            source = args.scratch + args.spare
        for part in range(2):
            column, vectors = whole_or_last(part, width, kept_lanes)
            simd.select(
                src, kept, how, weighing, source + column * src_size, own + column * kept_size, vectors, args.nodata,
                pixels + column * pixel_size, weights + column * kept_size,
            )  # fmt: skip

    @step
    def normalize_row(args, made, totals, weights, width, out, absent, streamed, ahead):
        """Divide so many sums by shares of weight."""
        spare = args.scratch + args.spare
        results, missing = out, absent
        if width < lanes:
            results, missing = spare, spare + 4 * vector
            if over:
                memory.copy_bytes(results, out, width * dst_size)
            if only:
                memory.copy_bytes(missing, absent, width)
        for part in range(2):
            column, vectors = whole_or_last(part, width, lanes)
            simd.normalize(
                sums, acc, dst, ways, made + column * sums_size, totals + column * acc_size,
                weights + column * acc_size, vectors, args.numbers, results + column * dst_size, missing + column,
                streamed, ahead + column * src_size,
            )  # fmt: skip
        if width < lanes:
            memory.copy_bytes(out, results, width * dst_size)
            if told:
                memory.copy_bytes(absent, missing, width)

    @step
    def combine_row(args, block, target, made, totals, pixels, weights, width, merged, ahead):
        """Make results of so many of each of the sums; `target`: from the beginning of a result to where they go."""
        spare, targets = args.scratch + args.spare, args.scratch + args.targets
        for part in range(2):
            column, vectors = whole_or_last(part, width, lanes)
            for k in range(args.results):
                to = memory.word(block, at.DST + k) + target + column * dst_size
                if width < lanes:
                    if part == 1 and merged == 1:
                        memory.copy_bytes(spare + k * lanes * dst_size, to, width * dst_size)
                    to = spare + k * lanes * dst_size
                memory.set_word(targets, k, to)
            simd.combine(
                pixel, kept, acc, dst, ways, ending, made + column * sums_size, args.sums_plane,
                totals + column * acc_size, args.totals_plane, pixels + column * pixel_size,
                weights + column * kept_size, vectors, args.numbers, targets, merged, ahead + column * src_size,
            )  # fmt: skip
        for k in range(args.results if width < lanes else 0):
            to = memory.word(block, at.DST + k) + target
            memory.copy_bytes(to, spare + k * lanes * dst_size, width * dst_size)

    @step
    def any_complete(args, totals, width, count):
        """1 if any of so many totals in so many rows is that of full weight, else 0."""
        for row in range(count):
            if simd.any_meant(acc, "equal", totals + row * args.totals_row, width, args.numbers) != 0:
                return 1
        return 0

    @step
    def filter_weighed(args, block, held, blocks, plane, first_column, stop_column, top, bottom, stop, fits):
        """Filter the rows `top` .. `bottom` - 1 by weights: whole, or where missing pixels in these columns reach.

        `stop`: the row behind the last one of the band in this plane. `fits`: 1: whole rows of the result begin where
        vectors may.
        """
        scratch, rows, reach, channels = args.scratch, args.rows, args.reach, args.channels
        left, right = 0, args.cols  # columns that are filtered
        begin, end = 0, args.cols  # those of them that are delivered
        if stop_column - first_column <= args.widest:
            left = max(first_column - 2 * reach, 0) // UNIT * UNIT
            right = min((stop_column + 2 * reach + UNIT - 1) // UNIT * UNIT, args.cols)
            begin, end = max(first_column - reach, 0), min(stop_column + reach, args.cols)
        streamed = args.streamed if begin == 0 and end == args.cols and fits == 1 else 0
        pixels, weights = scratch + args.pixels, scratch + args.weights
        made, totals = scratch + args.sums, scratch + args.totals
        low, below = max(top - args.halo, 0), min(bottom + args.halo, rows)
        known = left == held.left and right == held.right and held.first <= low <= held.stop
        if not known or below - held.first > args.held:
            held.left, held.right = left, right
            held.first = held.stop = low
        first = held.first
        for row in range(held.stop, below):
            place = row - first
            select_row(
                args, plane, row, left, right - left, pixels + place * args.pixels_row,
                weights + place * args.weights_row,
            )  # fmt: skip
        held.stop = max(held.stop, below)
        for number in range(PIXELS, WEIGHTS + 1):
            mine = blocks + number * _BLOCK_BYTES
            source, source_row = pixels, args.pixels_row
            target, target_row, target_plane = made, args.sums_row, args.sums_plane
            if number == WEIGHTS:
                source, source_row = weights, args.weights_row
                target, target_row, target_plane = totals, args.totals_row, args.totals_plane
            at.Head(mine).cols = right - left
            at.Head(mine).dst_row = target_row
            for k in range(args.sum_count):
                memory.set_word(mine, at.DST + k, target - top * target_row + k * target_plane)
            _filter(args, blocks, number, source - first * source_row, source_row, top, bottom)
        within = (begin - left) * channels
        merged = 1
        if several and begin == 0 and end == args.cols:
            merged = any_complete(args, totals + wide * args.totals_plane, end * channels, bottom - top)
            if merged == 1 and bottom > held.done:
                _filter_plain(args, block, held, blocks, plane, top, bottom, stop)
        for row in range(top, bottom):
            target = args.dst + (plane * rows + row) * args.dst_row + begin * channels * dst_size
            absent = args.dst_2 + ((plane * rows + row) * args.cols + begin) * channels
            # What the next rows are selected from.
            ahead = args.src + (plane * rows + below + row - top) * args.src_row + begin * channels * src_size
            if several:
                place = row - first
                combine_row(
                    args, block, target - args.dst, made + (row - top) * args.sums_row + within * sums_size,
                    totals + (row - top) * args.totals_row + within * acc_size,
                    pixels + place * args.pixels_row + within * pixel_size,
                    weights + place * args.weights_row + within * kept_size, (end - begin) * channels, merged, ahead,
                )  # fmt: skip
                continue
            normalize_row(
                args, made + (row - top) * args.sums_row + within * sums_size,
                totals + (row - top) * args.totals_row + within * acc_size,
                weights + (row - first) * args.weights_row + within * acc_size, (end - begin) * channels, target,
                absent, streamed, ahead,
            )  # fmt: skip

    return filter_weighed
