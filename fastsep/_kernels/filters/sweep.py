"""One sweep along the rows for small kernels: gradients, Roberts' differences, short smoothing.

A strip of `height` rows runs along the columns, with the vector before and the present one of each
row in registers; neighbours are shuffled out of them. Interior columns are read straight from the
image. The first and the last vector of a row are read from copies that carry the border values.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.jit import sweep_height, sweep_radius
from fastsep._kernels.rows import outside, result, scratch_of, share
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, channels_name: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one form, pixel size and dtypes.

    `form`: as in `sweep_simd.gradient_sweep`, with "wide2 " before it where taps reach two pixels, and so on; or
    "smooth1", "smooth2" and so on.
    """
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    channels = int(channels_name)
    lanes = emitter.lanes(acc)
    smooth = form.startswith("smooth")
    wide = form.startswith("wide")
    names = form.split()[-1]
    radius = sweep_radius(form)
    height = sweep_height(exact=form.startswith("exact"))
    results = len(form.split("+"))
    taken = height + 2 * radius
    margin = radius * channels  # values beyond either end of a row
    assert margin <= lanes, "a neighbour must lie within the next vector"
    src_size, dst_size = src.itemsize, dst.itemsize
    pair = 2 * lanes  # values that `copy_values` copies
    piece = at.SWEEP_COPY * lanes * src_size

    def band(block, index):
        args = at.Sweep(block)
        rows = args.rows
        cols = args.cols
        width = cols * channels
        row_bytes = args.src_row
        dst_bytes = args.dst_row
        mode_x = args.mode_x
        mode_y = args.mode_y
        total = args.planes * rows
        unit, stop = share(args, index, total)
        scratch = scratch_of(args, index)
        table = scratch
        left_table = table + 8 * taken
        right_table = left_table + 8 * taken
        targets = right_table + 8 * taken
        beyond = targets + 8 * height * results
        spare = scratch + args.spare
        left_copies = scratch + args.copies
        right_copies = left_copies + taken * piece
        constant = args.constant_row
        weights = args.taps_y
        weights_x = args.taps_x
        # A short row is copied whole; results of one narrower than a vector go to spare memory.
        short = width < at.SWEEP_SHORT * lanes
        narrow = width < lanes
        # Staging buffer: pieces of the rows of all results, written from there with non-temporal stores.
        line = lanes * dst_size
        room = scratch + args.streamed
        streamed = results > 1 and args.streamed != 0 and not short
        pieces = beyond + 8 * 2 * margin
        for k in range(results * height):
            if streamed:
                memory.set_word(pieces, k, room + k * at.PIECE * lanes * dst_size)
        # Where in a row the values stand that lie beyond its start and its end; -1: the constant.
        for k in range(2 * margin):
            value = k - margin if k < margin else k - margin + width
            pixel = value // channels
            column = outside(pixel, cols, mode_x)
            lane = value - pixel * channels
            memory.set_word(beyond, k, (column * channels + lane) * src_size if column >= 0 else -1)
        while unit < stop:
            plane = unit // rows
            first_row = unit - plane * rows
            end = min(rows, first_row + stop - unit)
            unit += end - first_row
            source = args.src + plane * rows * row_bytes
            # Copies are kept in a ring: a strip needs those of `height` new rows.
            slot = 0
            fresh = 0
            for top in range(first_row, end, height):
                for r in range(taken):
                    # Rows past the last one needed do not exist in a pipeline's buffer: take any valid row.
                    row = outside(min(top - radius + r, end + radius - 1), rows, mode_y)
                    address = source + row * row_bytes if row >= 0 else constant
                    memory.set_word(table, r, address)
                    place = slot + r
                    if place >= taken:
                        place -= taken
                    left = left_copies + place * piece + lanes * src_size
                    right = right_copies + place * piece
                    memory.set_word(left_table, r, left)
                    memory.set_word(right_table, r, right + lanes * src_size)
                    if r < fresh:
                        continue
                    behind = right + pair * src_size
                    if short:
                        behind = left + width * src_size
                        if width < pair:
                            memory.copy_bytes(left, address, width * src_size)
                        else:
                            for x in range(0, width, pair):
                                x = min(x, width - pair) * src_size
                                memory.copy_values(src, acc, left + x, address + x)
                    else:
                        memory.copy_values(src, acc, left, address)
                        memory.copy_values(src, acc, right, address + (width - pair) * src_size)
                    for k in range(2 * margin):
                        value = memory.word(beyond, k)
                        value = address + value if value >= 0 else constant
                        to = left if k < margin else behind
                        memory.copy_value(src, to + (k - margin) * src_size, value)
                slot += height
                if slot >= taken:
                    slot -= taken
                fresh = 2 * radius
                for number in range(results):
                    target = result(block, number)
                    target += plane * rows * dst_bytes
                    for r in range(height):
                        address = spare
                        if narrow:
                            address += (number * height + r) * lanes * dst_size
                        elif top + r < end:
                            address = target + (top + r) * dst_bytes
                        memory.set_word(targets, number * height + r, address)
                # The row's start, its interior, the vector before the last, the last. A short row:
                # its whole vectors, and the last vector again where they do not fill it. Where the
                # interior is streamed, two vectors at its end: it begins and ends within those around it.
                for part in range(4):
                    lines = table
                    column = 0
                    offset = 0
                    vectors = 1
                    if short:
                        lines = left_table
                        if part == 0:
                            vectors = max(width // lanes, 1)
                        elif part == 1 and width % lanes != 0 and not narrow:
                            column = width - lanes
                            offset = column
                        else:
                            continue
                    elif part == 0:
                        lines = left_table
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
                        lines = right_table
                        column = width - lanes
                    if smooth:
                        sweep_simd.smooth_sweep(
                            src, acc, dst, radius, channels, height,
                            lines, offset * src_size, vectors, targets, column * dst_size,
                            weights, weights_x,
                        )  # fmt: skip
                    elif wide:
                        sweep_simd.wide_sweep(
                            src, acc, dst, names, radius, channels, height,
                            lines, offset * src_size, vectors, targets, column * dst_size,
                            weights, weights_x,
                        )  # fmt: skip
                    else:
                        sweep_simd.gradient_sweep(
                            src, acc, dst, form, channels, height,
                            lines, offset * src_size, vectors, targets, column * dst_size,
                            weights,
                        )  # fmt: skip
                if results > 1 and streamed:
                    # A piece begins a vector before the end of the one before it, so that each result can be
                    # cut where its whole vectors lie.
                    column = lanes
                    while column < width - pair:
                        vectors = min(at.PIECE, (width - lanes - column) // lanes)
                        if wide:
                            sweep_simd.wide_sweep(
                                src, acc, dst, names, radius, channels, height,
                                table, column * src_size, vectors, pieces, 0, weights, weights_x,
                            )  # fmt: skip
                        else:
                            sweep_simd.gradient_sweep(
                                src, acc, dst, form, channels, height,
                                table, column * src_size, vectors, pieces, 0, weights,
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
                    target += plane * rows * dst_bytes
                    for r in range(min(height, end - top)):
                        address = spare + (number * height + r) * lanes * dst_size
                        memory.copy_bytes(target + (top + r) * dst_bytes, address, width * dst_size)

        if results > 1:
            sweep_simd.finish_streams()

    return band
