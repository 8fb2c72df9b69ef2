"""A filter of an image with missing pixels, a few rows at a time, by kernels that know nothing of them.

Results are K(w f) / (K(w) / total): of some rows the pixels are selected and weighed, both go through a kernel, and
what comes out is divided; all of it stays in the cache. Where no pixel under the taps is missing, the plain filter
makes the same bits straight from the image: of whole rows, or of what lies beside a hole. Which rows these are is
found in two ways. Next to missing pixels all that are under the taps are looked at. Elsewhere the rows are filtered
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
    how: str,
    weights_name: str,
    src_name: str,
    pixel_name: str,
    acc_name: str,
    sums_name: str,
    dst_name: str,
    *ways: str,
):
    """The band function for these dtypes: of the image, of selected pixels, of weights and totals, of sums, of results.

    `how` missing pixels are told: "nan", "equal" to a number, "none". `weights_name`: the dtype of weights that are
    given, of which uint8 are 0 or 1, or "none". `ways`: see `simd.normalize`.
    """
    src, pixel, acc, sums, dst = (np.dtype(name) for name in (src_name, pixel_name, acc_name, sums_name, dst_name))
    look = _look(how, weights_name, src)
    filter_weighed = _weighed(how, weights_name, src, pixel, acc, sums, dst, " ".join(ways))
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
            source = args.src + plane * rows * args.src_row
            target = args.dst + plane * rows * args.dst_row
            held.first = held.stop = held.seen_from = held.seen = top
            done = top  # rows of plain results are there up to this one
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
                if plain and (right - left <= args.widest or args.over != 0) and bottom > done:
                    _filter(args, blocks, PLAIN, source, args.src_row, target, args.dst_row, top, bottom)
                    done = bottom
                if left < right:
                    filter_weighed(args, held, blocks, plane, left, right, top, bottom, 1 if fits else 0)
                    hopeful = False
                elif hopeful and args.spoilt != 0 and spoilt(args, target, top, bottom):
                    hopeful = False
                    continue
                else:
                    hopeful = bottom >= done  # else those rows are known to be spoilt somewhere
                top = bottom
        sweep.finish_streams()

    return band


@helper
def _filter(args, blocks, number, source, source_row, target, target_row, top, bottom):
    """Let a kernel make the rows `top` .. `bottom` - 1; `source` and `target` are where row 0 is or would be."""
    mine = at.Head(blocks + number * _BLOCK_BYTES)
    listed = at.Pass(args.passes, number)
    mine.src, mine.src_row = source, source_row
    mine.dst, mine.dst_row = target, target_row
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


def _weighed(how, weights_name, src, pixel, acc, sums, dst, ways):
    """`filter_weighed` for some dtypes."""
    lanes = emitter.lanes(acc)
    src_size, pixel_size, acc_size = src.itemsize, pixel.itemsize, acc.itemsize
    sums_size, dst_size = sums.itemsize, dst.itemsize
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
                simd.spread(given, acc, weights, origin, cols, args.channels)
            elif given != acc or width < lanes:
                memory.convert_values(given, acc, weights, origin, width)
            else:
                own = origin
        if width < lanes:  # vectors would read beyond the image
            memory.copy_bytes(args.scratch + args.spare, source, width * src_size)
            source = args.scratch + args.spare
        for part in range(2):
            column, vectors = whole_or_last(part, width, lanes)
            simd.select(
                src, acc, how, weighing, source + column * src_size, own + column * acc_size, vectors, args.nodata,
                pixels + column * pixel_size, weights + column * acc_size,
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
    def filter_weighed(args, held, blocks, plane, first_column, stop_column, top, bottom, fits):
        """Filter the rows `top` .. `bottom` - 1 by weights: whole, or where missing pixels in these columns reach.

        `fits`: 1: whole rows of the result begin where vectors may.
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
            at.Head(blocks + number * _BLOCK_BYTES).cols = right - left
            source, source_row = pixels, args.pixels_row
            target, target_row = made, args.sums_row
            if number == WEIGHTS:
                source, source_row = weights, args.weights_row
                target, target_row = totals, args.totals_row
            _filter(
                args, blocks, number, source - first * source_row, source_row, target - top * target_row, target_row,
                top, bottom,
            )  # fmt: skip
        within = (begin - left) * channels
        for row in range(top, bottom):
            target = args.dst + (plane * rows + row) * args.dst_row + begin * channels * dst_size
            absent = args.dst_2 + ((plane * rows + row) * args.cols + begin) * channels
            # What the next rows are selected from.
            ahead = args.src + (plane * rows + below + row - top) * args.src_row + begin * channels * src_size
            normalize_row(
                args, made + (row - top) * args.sums_row + within * sums_size,
                totals + (row - top) * args.totals_row + within * acc_size,
                weights + (row - first) * args.weights_row + within * acc_size, (end - begin) * channels, target,
                absent, streamed, ahead,
            )  # fmt: skip

    return filter_weighed
