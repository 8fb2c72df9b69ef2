"""3 x 3 gradients of a smoothed image, in one sweep along the rows of the image and of what smoothing changes.

As in `sweep`, but for two sources: SRC is what smoothing changes (see `deviation`), SRC_2 the image.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.jit import sum_height
from fastsep._kernels.rows import outside, result, scratch_of, share
from fastsep._kernels.simd import deviation as deviation_simd
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, channels_name: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one form (see `sweep_simd.gradient_sweep`), pixel size and dtypes; `src` is the image's."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    channels = int(channels_name)
    lanes = emitter.lanes(acc)
    height = sum_height()
    results = len(form.split("+"))
    taken = height + 2
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize
    pair = 2 * lanes  # values that `copy_values` copies

    def lister(dtype):
        size = dtype.itemsize
        piece = at.SWEEP_COPY * lanes * size

        @helper
        def list_rows(args, table, copies, beyond, source, row_bytes, constant, top, end):
            """Three tables of rows from the one above `top`: where they are, where copies of either end are."""
            rows = args.rows
            width = args.cols * channels
            for r in range(taken):
                # A pipeline holds no rows past those that the last wanted one needs: any row will do.
                row = outside(min(top - 1 + r, end), rows, args.mode_y)
                address = source + row * row_bytes if row >= 0 else constant
                left = copies + r * piece + lanes * size
                right = copies + (taken + r) * piece
                memory.set_word(table, r, address)
                memory.set_word(table, taken + r, left)
                memory.set_word(table, 2 * taken + r, right + lanes * size)
                behind = right + pair * size
                if width < at.SWEEP_SHORT * lanes:
                    behind = left + width * size
                    if width < pair:
                        memory.copy_bytes(left, address, width * size)
                    else:
                        for x in range(0, width, pair):
                            x = min(x, width - pair) * size
                            memory.copy_values(dtype, acc, left + x, address + x)
                else:
                    memory.copy_values(dtype, acc, left, address)
                    memory.copy_values(dtype, acc, right, address + (width - pair) * size)
                for k in range(2 * channels):
                    value = memory.word(beyond, k)
                    value = address + value * size if value >= 0 else constant
                    to = left if k < channels else behind
                    memory.copy_value(dtype, to + (k - channels) * size, value)

        return list_rows

    list_pixels, list_changes = lister(src), lister(acc)

    def band(block, index):
        args = at.GradientOfSum(block)
        rows = args.rows
        cols = args.cols
        width = cols * channels
        dst_bytes = args.dst_row
        first_row, end = share(args, index, rows)
        scratch = scratch_of(args, index)
        table = scratch
        changes = table + 8 * 3 * taken
        targets = changes + 8 * 3 * taken
        pieces = targets + 8 * height * results
        beyond = pieces + 8 * height * results
        spare = scratch + args.spare
        weights = args.taps
        # A short row is copied whole; results of one narrower than a vector go to spare memory.
        short = width < at.SWEEP_SHORT * lanes
        narrow = width < lanes
        # Room for pieces of the rows of all results, which are written around the cache from there.
        line = lanes * dst_size
        room = scratch + args.streamed
        streamed = results > 1 and args.streamed != 0 and not short
        for k in range(results * height):
            if streamed:
                memory.set_word(pieces, k, room + k * at.PIECE * lanes * dst_size)
        # Where in a row the values stand that lie beyond its start and its end; -1: the constant.
        for k in range(2 * channels):
            value = k - channels if k < channels else k - channels + width
            pixel = value // channels
            column = outside(pixel, cols, args.mode_x)
            lane = value - pixel * channels
            memory.set_word(beyond, k, column * channels + lane if column >= 0 else -1)
        for top in range(first_row, end, height):
            list_pixels(
                args, table, scratch + args.copies_2, beyond, args.src_2,
                args.src_2_row, args.constant_row_2, top, end,
            )  # fmt: skip
            list_changes(
                args, changes, scratch + args.copies, beyond, args.src,
                args.src_row, args.constant_row, top, end,
            )  # fmt: skip
            for number in range(results):
                target = result(block, number)
                for r in range(height):
                    address = spare
                    if narrow:
                        address += (number * height + r) * lanes * dst_size
                    elif top + r < end:
                        address = target + (top + r) * dst_bytes
                    memory.set_word(targets, number * height + r, address)
            # As in `sweep`.
            for part in range(4):
                kind = 0
                column = 0
                offset = 0
                vectors = 1
                if short:
                    kind = 1
                    if part == 0:
                        vectors = max(width // lanes, 1)
                    elif part == 1 and width % lanes != 0 and not narrow:
                        column = width - lanes
                        offset = column
                    else:
                        continue
                elif part == 0:
                    kind = 1
                elif part == 1:
                    column = lanes
                    offset = column
                    vectors = 1 if streamed else width // lanes - 2
                elif part == 2:
                    if width % lanes == 0 and not streamed:
                        continue
                    column = width - pair
                    if streamed:
                        column -= lanes
                        vectors = 2
                    offset = column
                else:
                    kind = 2
                    column = width - lanes
                deviation_simd.gradient_of_sum(
                    src, acc, dst, form, channels, height,
                    table + 8 * kind * taken, offset * src_size, changes + 8 * kind * taken,
                    offset * acc_size, vectors, targets, column * dst_size, weights,
                )  # fmt: skip
            if results > 1 and streamed:
                column = lanes
                while column < width - pair:
                    vectors = min(at.PIECE, (width - lanes - column) // lanes)
                    deviation_simd.gradient_of_sum(
                        src, acc, dst, form, channels, height,
                        table, column * src_size, changes, column * acc_size, vectors, pieces, 0, weights,
                    )  # fmt: skip
                    for k in range(results * height):
                        if top + k % height < end:
                            to = memory.word(targets, k) + column * dst_size
                            skip = -to % line
                            count = vectors * line - skip
                            sweep_simd.stream(to + skip, memory.word(pieces, k) + skip, count)
                    column += (vectors - 1) * lanes
                    if vectors < at.PIECE:
                        break
            if not narrow:
                continue
            for number in range(results):
                target = result(block, number)
                for r in range(min(height, end - top)):
                    address = spare + (number * height + r) * lanes * dst_size
                    memory.copy_bytes(target + (top + r) * dst_bytes, address, width * dst_size)

        if results > 1:
            sweep_simd.finish_streams()

    return band
