"""Means over a rectangular window: the cost does not depend on its size.

Window sums come from running sums that start at fixed rows and columns (`Emitter.box`), never from
adding what enters and subtracting what leaves: nothing drifts, one NaN stays within its window, and
a row's result does not depend on where its band started, as groups are counted from the top of
the plane.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import outside, scratch_of
from fastsep._kernels.simd import box as box_simd
from fastsep._kernels.simd import emitter, fir, memory


def build(src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes = emitter.lanes(acc)
    vector = lanes * acc.itemsize
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize

    def band(block, index):
        args = at.Box(block)
        rows = args.rows
        cols = args.cols
        channels = args.channels
        width = cols * channels
        last = max(width - lanes, 0)
        row_bytes = args.src_row
        dst_bytes = args.dst_row
        mode_y = args.mode_y
        mode_x = args.mode_x
        size_y = args.size_y
        size_x = args.size_x
        groups_y = (size_y - lanes) // lanes
        rest_y = size_y - lanes - groups_y * lanes
        groups_x = (size_x - lanes) // lanes
        rest_x = size_x - lanes - groups_x * lanes
        before = (size_x // 2) * channels
        after = (size_x - 1) * channels - before
        ones = args.ones
        # Bands are cut between blocks of `lanes` rows.
        high = (rows + lanes - 1) // lanes
        total = args.planes * high
        bands = args.bands
        unit = total * index // bands
        stop = total * (index + 1) // bands
        scratch = scratch_of(args, index)
        taken = size_y + lanes - 1
        table = scratch
        dst_table = table + 8 * taken
        group_table = dst_table + 8 * lanes
        spare = scratch + args.spare
        strip = scratch + args.strip
        inside = strip + before * vector
        ring = scratch + args.ring
        ring_row = args.ring_row
        group_rows = scratch + args.groups
        group_row = (width + lanes) * acc_size // vector * vector + vector
        column_sums = scratch + args.group_columns
        while unit < stop:
            plane = unit // high
            first_block = unit - plane * high
            last_block = min(high, first_block + stop - unit)
            unit += last_block - first_block
            source = args.src + plane * rows * row_bytes
            target = args.dst + plane * rows * dst_bytes
            for number in range(first_block, last_block):
                top = number * lanes
                end = min(top + lanes, rows)
                for i in range(taken):
                    row = outside(top - size_y // 2 + i, rows, mode_y)
                    address = args.constant_row
                    if row >= 0:
                        address = source + row * row_bytes
                    if width < lanes:
                        # A vector would read past the end of the image.
                        memory.copy_bytes(ring + i * ring_row, address, row_bytes)
                        address = ring + i * ring_row
                    memory.set_word(table, i, address)
                # Group g is kept in row g modulo `groups_y`; a block adds its last one.
                for k in range(groups_y):
                    group = number + 1 + k
                    place = group_rows + group % groups_y * group_row
                    memory.set_word(group_table, k, place)
                    if number == first_block or k == groups_y - 1:
                        for x in range(0, width, lanes):
                            box_simd.sum_group(
                                src, acc, table + 8 * lanes * (1 + k),
                                min(x, last) * src_size, place + x * acc_size,
                            )  # fmt: skip
                for r in range(lanes):
                    address = spare
                    if width < lanes:
                        address = spare + r * lanes * dst_size
                    elif top + r < end:
                        address = target + (top + r) * dst_bytes
                    memory.set_word(dst_table, r, address)
                # Source rows of the next block: more streams than the hardware prefetcher follows.
                ahead = source + (top - size_y // 2 + taken) * row_bytes
                for x in range(0, width, lanes):
                    column = min(x, last)
                    box_simd.box_to_strip(
                        src, acc, table, column * src_size, group_table, x * acc_size,
                        groups_y, rest_y, ones, size_y, inside + column * vector,
                    )  # fmt: skip
                    if x * src_size % at.LINE == 0:
                        memory.prefetch_rows(acc, lanes, ahead + x * src_size, row_bytes)
                for beyond in range(before + after):
                    value = beyond - before if beyond < before else beyond - before + width
                    pixel = value // channels
                    column = outside(pixel, cols, mode_x)
                    to = inside + value * vector
                    if column < 0:
                        memory.fill_vector(acc, to, args.beyond_x)
                    else:
                        lane = value - pixel * channels
                        memory.copy_vector(acc, to, inside + (column * channels + lane) * vector)
                step = channels * vector
                high_x = (cols + lanes - 1) // lanes
                for group in range(1, high_x + groups_x):
                    for c in range(channels):
                        place = (group * lanes * channels + c) * vector
                        box_simd.sum_columns(acc, strip + place, step, column_sums + (group * channels + c) * vector)
                stored = 0
                for group in range(high_x):
                    for c in range(channels):
                        place = strip + (group * lanes * channels + c) * vector
                        sums = column_sums + ((group + 1) * channels + c) * vector
                        box_simd.box_along_strip(
                            acc, place, step, sums, groups_x, rest_x, ones, size_x,
                            args.area,
                        )  # fmt: skip
                    ready = min((group + 1) * lanes * channels, width)
                    while stored + lanes <= ready:
                        place = strip + stored * vector
                        fir.store_strip(acc, dst, place, dst_table, stored * dst_size)
                        stored += lanes
                    if ready == width and stored < width:
                        fir.store_strip(acc, dst, strip + last * vector, dst_table, last * dst_size)
                if width < lanes:
                    for r in range(end - top):
                        memory.copy_bytes(
                            target + (top + r) * dst_bytes,
                            spare + r * lanes * dst_size,
                            width * dst_size,
                        )

    return band
