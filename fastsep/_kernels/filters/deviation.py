"""What smoothing changes: a smoothed plane less the plane itself, for symmetric taps that sum to one.

Of an image that stands high and differs little, smoothing in float32 leaves few digits; what it changes has all of
them. With c_j the sum of the taps t_k from k = j outwards, and d_j = x[j + 1] - x[j], it is along one axis

    sum_k t_k x[k] - x[0] = sum_(j > 0) c_j (d_(j - 1) - d_(-j))

which takes no more operations than smoothing does. Along y, d is taken of the rows of the image as they are loaded, and
the results stand in rows of the result. Along x, d is taken of the sum of both and stands in a strip (see `fir`), one
vector for a column of `lanes` rows; what comes of it is added to the rows of the result.

The result is a buffer of a pipeline: its rows have room for a vector behind them.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import list_sources, list_targets, outside, share
from fastsep._kernels.simd import deviation as deviation_simd
from fastsep._kernels.simd import emitter, memory


def build(src_name: str, acc_name: str):
    """The band function for one source dtype and that of arithmetic and result."""
    src, acc = np.dtype(src_name), np.dtype(acc_name)
    lanes, src_size = emitter.lanes(acc), src.itemsize
    filter_block = _filter(src, acc)

    def band(block, index):
        args = at.Deviation(block)
        row_length = args.cols * args.channels * src_size
        first_row, end = share(args, index, args.rows)
        scratch = args.scratch
        lead = args.reach_y
        taken = 2 * lead + lanes
        table = scratch
        targets = table + 8 * (taken + 2)
        slot = 0
        fresh = taken
        for top in range(first_row, end, lanes):
            slot = list_sources(
                args, scratch, table, taken, fresh, lanes, row_length, top - lead, end + lead - 1, args.src, slot
            )  # fmt: skip
            fresh = lanes
            list_targets(targets, lanes, args.dst, args.dst_row, top, end, scratch + args.spare, 0)
            filter_block(args, scratch, table + 8, targets, args.src + (top + lanes + lead) * args.src_row)

    return band


def _filter(src, acc):
    """`filter_block` for one source dtype and that of arithmetic and result."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    vector = lanes * acc.itemsize
    src_size, acc_size = src.itemsize, acc.itemsize
    fill_border = _border(src, acc)

    @helper
    def filter_block(args, scratch, table, targets, ahead):
        """Make the `lanes` rows listed in `targets`, from source rows in `table`: one each, and those around them.

        `ahead`: the source rows of the next args, to be fetched meanwhile.
        """
        channels = args.channels
        width = args.cols * channels
        row_bytes = args.src_row
        lead, left = args.reach_y, args.reach_x
        taps_y, taps_x = args.sums_y, args.sums_x
        middle = table + 8 * lead
        strip = scratch + args.strip
        inside = strip + left * channels * vector
        last = max(width - lanes, 0)
        last_rise = max(width - channels - lanes, 0)
        for x in range(0, width + lanes, lanes):
            if x < width:
                column = min(x, last)
                deviation_simd.filter_down(src, acc, table, column * src_size, taps_y, lead, targets, column * acc_size)
                if column * src_size % at.LINE == 0:
                    memory.prefetch_rows(acc, lanes, ahead + column * src_size, row_bytes)
            if x > 0:
                # The columns before those: the ones next to them are there by now.
                column = min(x - lanes, last_rise)
                deviation_simd.rises_to_strip(
                    src, acc, middle, column * src_size, targets, column * acc_size, channels,
                    inside + column * vector,
                )  # fmt: skip
        fill_border(args, middle, targets, inside, -left * channels, 0)
        fill_border(args, middle, targets, inside, width - channels, width + (left - 1) * channels)
        # Results of the last columns may be made twice, but are added once, to what stood there before.
        ends = targets + 8 * lanes
        kept = scratch + args.kept
        for r in range(lanes):
            memory.set_word(ends, r, kept + r * vector - last * acc_size)
            memory.copy_bytes(kept + r * vector, memory.word(targets, r) + last * acc_size, vector)
        if channels > 1:
            for x in range(0, width, tile * channels):
                for column in range(x, x + channels):
                    deviation_simd.filter_along(acc, strip + column * vector, channels * vector, taps_x, left)
        for x in range(0, width, lanes):
            before = targets if x <= last else ends
            column = min(x, last)
            place = strip + column * vector
            if channels > 1:
                deviation_simd.add_strip(acc, place, before, targets, column * acc_size)
            else:
                deviation_simd.filter_and_add(acc, place, taps_x, left, before, targets, column * acc_size)

    return filter_block


def _border(src, acc):
    """`fill_border` for the same dtypes."""
    vector, src_size, acc_size = emitter.lanes(acc) * acc.itemsize, src.itemsize, acc.itemsize

    @helper
    def fill_border(args, table, targets, inside, start, stop):
        """Fill in the columns `start` .. `stop` - 1 of a strip: pixels beyond the image, or before one there."""
        channels = args.channels
        cols, mode = args.cols, args.mode_x
        for value in range(start, stop):
            pixel = value // channels
            lane = value - pixel * channels
            one, next_one = outside(pixel, cols, mode), outside(pixel + 1, cols, mode)
            to = inside + value * vector
            if one == next_one:
                memory.fill_vector(acc, to, args.zero)
            elif one < 0 or next_one < 0:
                inner = max(one, next_one) * channels + lane
                deviation_simd.rise_to_constant(
                    src, acc, table, inner * src_size, targets, inner * acc_size, args.beyond_x, to
                )
                if one < 0:
                    deviation_simd.negate_vector(acc, to, to)
            elif one < next_one:
                memory.copy_vector(acc, to, inside + (one * channels + lane) * vector)
            else:
                deviation_simd.negate_vector(acc, to, inside + (next_one * channels + lane) * vector)

    return fill_border
