"""3 x 3 gradients in one sweep: dy, dx, both or the magnitude, and Roberts' 2 x 2 differences.

A strip of `height` rows runs along the columns with the previous and the present vector of each
source row in registers. Interior columns are read straight from the image. The first and the last
vector of a row are read from small copies that carry the border pixels.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import blocks as at
from fastsep._kernels import simd
from fastsep._kernels.borders import outside


def build(form: str, channels_name: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one result (see `simd.gradient_sweep`), pixel size and dtypes."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    channels = int(channels_name)
    lanes = simd.lanes(acc)
    smooth = form.startswith("smooth")
    radius = int(form.removeprefix("smooth")) if smooth else 1
    height = simd.sweep_height()
    taken = height + 2 * radius
    margin = radius * channels  # columns beyond the image
    src_size, dst_size = src.itemsize, dst.itemsize
    edge = 6 * lanes * src_size  # bytes of a copied piece of a row

    def band(block, index):
        rows = simd.word(block, at.ROWS)
        cols = simd.word(block, at.COLS)
        width = cols * channels
        row_bytes = simd.word(block, at.SRC_ROW)
        dst_bytes = simd.word(block, at.DST_ROW)
        mode_x = simd.word(block, at.MODE_X)
        total = simd.word(block, at.PLANES) * rows
        bands = simd.word(block, at.BANDS)
        unit = total * index // bands
        stop = total * (index + 1) // bands
        scratch = simd.word(block, at.SCRATCH) + index * simd.word(block, at.SCRATCH_BAND)
        table = scratch
        left_table = table + 8 * taken
        right_table = left_table + 8 * taken
        targets = right_table + 8 * taken
        second = targets + 8 * height
        spare = scratch + simd.word(block, at.SPARE)
        left_copies = scratch + simd.word(block, at.STRIP)
        right_copies = left_copies + taken * edge
        narrow = width < 3 * lanes
        weights = simd.word(block, at.WEIGHTS)
        while unit < stop:
            plane = unit // rows
            first_row = unit - plane * rows
            end = min(rows, first_row + stop - unit)
            unit += end - first_row
            source = simd.word(block, at.SRC) + plane * rows * row_bytes
            target = simd.word(block, at.DST) + plane * rows * dst_bytes
            target_2 = simd.word(block, at.DST_2) + plane * rows * dst_bytes
            for top in range(first_row, end, height):
                for r in range(taken):
                    row = outside(top - radius + r, rows, simd.word(block, at.MODE_Y))
                    address = simd.word(block, at.CONSTANT_ROW)
                    if row >= 0:
                        address = source + row * row_bytes
                    simd.set_word(table, r, address)
                    # Copies: one vector before the image, the row's start or end, what follows.
                    inside = left_copies + r * edge + lanes * src_size
                    simd.set_word(left_table, r, inside)
                    pixel = channels * src_size
                    for beyond in range(1, radius + 1):
                        column = outside(-beyond, cols, mode_x)
                        value = simd.word(block, at.CONSTANT_ROW)
                        if column >= 0:
                            value = address + column * pixel
                        simd.copy_bytes(inside - beyond * pixel, value, pixel)
                    behind = inside + width * src_size
                    if narrow:
                        simd.copy_bytes(inside, address, width * src_size)
                    else:
                        simd.copy_bytes(inside, address, 2 * lanes * src_size)
                        inside = right_copies + r * edge + lanes * src_size
                        behind = inside + lanes * src_size
                        simd.set_word(right_table, r, inside)
                        tail = address + (width - 2 * lanes) * src_size
                        simd.copy_bytes(inside - lanes * src_size, tail, 2 * lanes * src_size)
                    for beyond in range(radius):
                        column = outside(cols + beyond, cols, mode_x)
                        value = simd.word(block, at.CONSTANT_ROW)
                        if column >= 0:
                            value = address + column * pixel
                        simd.copy_bytes(behind + beyond * pixel, value, pixel)
                for r in range(height):
                    if narrow:
                        address = spare + r * 4 * lanes * dst_size
                        other = spare + (height + r) * 4 * lanes * dst_size
                    elif top + r < end:
                        address = target + (top + r) * dst_bytes
                        other = target_2 + (top + r) * dst_bytes
                    else:
                        address = spare
                        other = spare
                    simd.set_word(targets, r, address)
                    simd.set_word(second, r, other)
                # The row's start, its interior, the vector before the last, the last.
                for part in range(1 if narrow else 4):
                    lines = table
                    offset = 0
                    place = 0
                    vectors = 1
                    if part == 0:
                        lines = left_table
                        if narrow:
                            vectors = (width + lanes - 1) // lanes
                    elif part == 1:
                        offset = lanes * src_size
                        place = lanes * dst_size
                        vectors = width // lanes - 2
                    elif part == 2:
                        offset = (width - 2 * lanes) * src_size
                        place = (width - 2 * lanes) * dst_size
                    else:
                        lines = right_table
                        place = (width - lanes) * dst_size
                    if smooth:
                        simd.smooth_sweep(
                            src, acc, dst, radius, channels, height,
                            lines, offset, vectors, targets, second, place,
                            weights, simd.word(block, at.WEIGHTS_X),
                        )  # fmt: skip
                    else:
                        simd.gradient_sweep(
                            src, acc, dst, form, channels, height,
                            lines, offset, vectors, targets, second, place, weights,
                        )  # fmt: skip
                if narrow:
                    for r in range(min(height, end - top)):
                        simd.copy_bytes(
                            target + (top + r) * dst_bytes,
                            spare + r * 4 * lanes * dst_size,
                            width * dst_size,
                        )
                        if form == "both":
                            simd.copy_bytes(
                                target_2 + (top + r) * dst_bytes,
                                spare + (height + r) * 4 * lanes * dst_size,
                                width * dst_size,
                            )

    return band
