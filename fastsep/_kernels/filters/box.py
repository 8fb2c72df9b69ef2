"""Means over a rectangular window: the cost does not depend on its size.

Window sums come from running sums that start at fixed rows and columns (`window_sums`), never from
adding what enters and subtracting what leaves: nothing drifts, one NaN stays within its window, and
a row's result does not depend on where its band started, as groups are counted from the top of
the plane. Nor does it depend on how wide vectors are: a group has as many values as the widest
ones, and where vectors are narrower a group of rows is transposed into several strips.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import step
from fastsep._kernels.rows import deliver_narrow, list_sources, list_targets, outside, rows_of_plane, share
from fastsep._kernels.simd import box as box_simd
from fastsep._kernels.simd import emitter, fir, memory


def build(*options: str):
    """The band function for one source, arithmetic and result dtype.

    With "cast" before them, sums are divided and cast after each axis, as SciPy does.
    """
    *form, src_name, acc_name, dst_name = options
    cast = form == ["cast"]
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes, count = emitter.lanes(acc), box_simd.group_count(acc)
    vector = lanes * acc.itemsize
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize
    filter_along = _along(acc, dst, cast)

    def band(block, index):
        args = at.Box(block)
        rows = args.rows
        width = args.cols * args.channels
        last = max(width - count, 0)
        start, span = 0, width
        if args.joined != 0:
            start, span = -args.left * args.channels, width + (args.size_x - 1) * args.channels
        row_bytes, dst_bytes = args.src_row, args.dst_row
        size_y = args.size_y
        groups_y = (size_y - count) // count
        rest_y = size_y - count - groups_y * count
        # Bands are cut between blocks of `count` rows.
        high = (rows + count - 1) // count
        unit, stop = share(args, index, args.planes * high)
        scratch = args.scratch
        taken = size_y + count - 1
        table = scratch + 8
        dst_table = table + 8 * (taken + 1)
        group_table = dst_table + 8 * count
        spare = scratch + args.spare
        spare_row = count * dst_size if width < count else 0
        strip = scratch + args.strip
        inside = strip + args.left * args.channels * vector
        group_row = (width // count + 2) * at.BOX_GROUP
        while unit < stop:
            plane, first_block, last_block = rows_of_plane(unit, stop, high)
            unit += last_block - first_block
            source = args.src + plane * rows * row_bytes
            target = args.dst + plane * rows * dst_bytes
            slot = 0
            for number in range(first_block, last_block):
                top = number * count
                end = min(top + count, rows)
                first = top - args.lead
                fresh = taken if number == first_block else count
                slot = list_sources(
                    args, scratch, table - 8, taken, fresh, count, width * src_size, first, first + taken, source, slot
                )  # fmt: skip
                # Group g is kept in row g modulo `groups_y`; a block adds its last one.
                for k in range(groups_y):
                    group = number + 1 + k
                    place = scratch + args.groups + group % groups_y * group_row
                    memory.set_word(group_table, k, place)
                    if number == first_block or k == groups_y - 1:
                        for x in range(0, width, count):
                            box_simd.sum_group(
                                src, acc, table + 8 * count * (1 + k),
                                min(x, last) * src_size, place + x * acc_size,
                            )  # fmt: skip
                list_targets(dst_table, count, target, dst_bytes, top, end, spare, spare_row)
                # Source rows of the next block: more streams than the hardware prefetcher follows.
                ahead = source + (first + taken) * row_bytes
                for x in range(0, span, count):
                    column = start + min(x, max(span - count, 0))
                    if cast:
                        box_simd.means_to_strips(
                            src, acc, dst, table, column * src_size, group_table, x * acc_size,
                            groups_y, rest_y, args.ones, size_y, inside + column * vector, args.strip_bytes,
                            args.area,
                        )  # fmt: skip
                    else:
                        box_simd.box_to_strips(
                            src, acc, table, column * src_size, group_table, x * acc_size,
                            groups_y, rest_y, args.ones, size_y, inside + column * vector, args.strip_bytes,
                        )  # fmt: skip
                    if x * src_size % at.LINE == 0:
                        memory.prefetch_rows(acc, count, ahead + x * src_size, row_bytes)
                for part in range(count // lanes):
                    if part * lanes < end - top:
                        filter_along(args, scratch, strip + part * args.strip_bytes, dst_table + 8 * lanes * part)
                if spare_row != 0:
                    deliver_narrow(target, dst_bytes, top, end, spare, spare_row, width * dst_size)

    return band


def _along(acc, dst, cast):
    """`filter_along` for the dtypes of the arithmetic and of the result."""
    lanes, count = emitter.lanes(acc), box_simd.group_count(acc)
    vector = lanes * acc.itemsize
    store_strip = fir.cast_strip if cast else fir.store_strip
    dst_size = dst.itemsize

    @step
    def filter_along(args, scratch, strip, dst_table):
        """Fill in a strip's columns beyond the image, sum them all, and store the sums."""
        cols, channels, size_x = args.cols, args.channels, args.size_x
        width = cols * channels
        before = args.left * channels
        inside = strip + before * vector
        for beyond in range((size_x - 1) * channels if args.joined == 0 else 0):
            value = beyond - before if beyond < before else beyond - before + width
            pixel = value // channels
            column = outside(pixel, cols, args.mode_x)
            to = inside + value * vector
            if column < 0:
                memory.fill_vector(acc, to, args.beyond_x)
            else:
                lane = value - pixel * channels
                memory.copy_vector(acc, to, inside + (column * channels + lane) * vector)
        groups = (size_x - count) // count
        rest = size_x - count - groups * count
        column_sums = scratch + args.group_columns
        high = (cols + count - 1) // count
        # Windows shorter than two groups hold no whole one.
        for group in range(1, high + groups if groups > 0 else 0):
            for c in range(channels):
                place = (group * count * channels + c) * vector
                sums = column_sums + (group * channels + c) * vector
                box_simd.sum_columns(acc, strip + place, channels * vector, sums)
        stored = 0
        for group in range(high):
            for c in range(channels):
                place = strip + (group * count * channels + c) * vector
                sums = column_sums + ((group + 1) * channels + c) * vector
                box_simd.box_along_strip(
                    acc, place, channels * vector, sums, groups, rest, args.ones, size_x, args.area
                )  # fmt: skip
            ready = min((group + 1) * count * channels, width)
            while stored + lanes <= ready:
                store_strip(acc, dst, strip + stored * vector, dst_table, stored * dst_size)
                stored += lanes
            if ready == width and stored < width:
                last = max(width - lanes, 0)
                store_strip(acc, dst, strip + last * vector, dst_table, last * dst_size)

    return filter_along
