"""Filters groups of channels, each with kernels of its own."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.helper import helper
from fastsep._kernels.jit import target
from fastsep._kernels.layers import words as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS, DEPTHWISE_ROWS, ROWS_TOGETHER
from fastsep._kernels.simd import layers as simd
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.memory import word


def build(form: str, kernel: str, stride: str, acc_name: str):
    """The kernel for "planes", for "blocks", or for blocks whose results go "straight" to the image.

    "in_place": straight, and inputs within the image are read from there. "blocks_in_place": blocks, of
    such inputs.
    `kernel` and `stride`: width and stride (blocks) or height and stride (planes) of the kernels
    that are unrolled; "0", "0": any.
    """
    sizes = int(kernel), int(stride), np.dtype(acc_name)
    if form.endswith("in_place"):
        return _in_place(*sizes, form == "in_place")
    return {"planes": _planes, "blocks": _blocks, "straight": _straight}[form](*sizes)


def _pairs(kernel, stride):
    """Whether two rows of results are computed together: their sums need 32 registers."""
    return kernel > 0 and stride == 1 and target().tile == 8


@helper
def row_by_row(block):
    """Whether results below each other share all rows of inputs but one."""
    return (word(block, at.STRIDE_Y) == 1) & (word(block, at.DILATION_Y) == 1)


def _blocks(kernel, stride, acc):
    vector = lanes_of(acc) * acc.itemsize
    most = DEPTHWISE_COLS
    pairs = _pairs(kernel, stride)

    def filter_groups(block, tile):
        """Tiles wider than the result spill over into the next row, which is written later."""
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        first = word(tile, at.GROUP)
        groups = word(block, at.GROUPS)
        kernel_y, kernel_x = word(block, at.KERNEL_Y), word(block, at.KERNEL_X)
        stride_x, dilation_x = word(block, at.STRIDE_X), word(block, at.DILATION_X)
        packed_row = word(block, at.PACKED_ROW)
        limits = word(block, at.FIRST_LIMITS)
        follow = row_by_row(block) & (cols >= most)
        for m in range(word(block, at.MULTIPLIER)):
            for group in range(first, word(tile, at.GROUP_STOP)):
                number = m * groups + group
                source = word(tile, at.PACKED_AT) + (group - first) * word(block, at.PACKED_GROUP)
                to = word(tile, at.TERMS_AT) + number * word(block, at.TERMS_GROUP)
                weights = word(block, at.WEIGHTS) + number * kernel_y * kernel_x * vector
                bias = word(block, at.FIRST_BIAS) + number * vector
                paired = rows // 2 * 2 if pairs and follow else 0
                for r in range(0, paired, 2):
                    row = source + r * packed_row
                    for col in range(0, cols, most):
                        start = min(col, cols - most)
                        simd.depthwise_pair(
                            acc, most, kernel, row + start * vector, packed_row, weights, kernel_y, bias, limits,
                            to + (r * cols + start) * vector, vector, cols * vector,
                        )  # fmt: skip
                for r in range(paired, rows):
                    row = source + r * word(block, at.STRIDE_Y) * packed_row
                    for col in range(0, cols, most):
                        start = max(min(col, cols - most), 0)
                        simd.depthwise_blocks(
                            acc, most, kernel, stride, row + start * stride_x * vector, vector,
                            word(block, at.DILATION_Y) * packed_row, weights, kernel_y, kernel_x, stride_x,
                            dilation_x, bias, limits, to + (r * cols + start) * vector, vector,
                        )  # fmt: skip

    return filter_groups


def _straight(kernel, stride, acc):
    lanes = lanes_of(acc)
    size = acc.itemsize
    vector = lanes * size
    most = DEPTHWISE_COLS
    pairs = _pairs(kernel, stride)

    def filter_groups(block, tile):
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        first, stop = word(tile, at.GROUP), word(tile, at.GROUP_STOP)
        kernel_y, kernel_x = word(block, at.KERNEL_Y), word(block, at.KERNEL_X)
        stride_x, dilation_x = word(block, at.STRIDE_X), word(block, at.DILATION_X)
        packed_row = word(block, at.PACKED_ROW)
        down = word(block, at.DILATION_Y) * packed_row
        limits = word(block, at.FIRST_LIMITS)
        follow = row_by_row(block) & (cols >= most)
        channels = word(block, at.CHANNELS)
        pixel = channels * size
        streamed = word(block, at.STREAMED) != 0
        room = word(tile, at.STREAMED_AT)
        across = cols if streamed else word(block, at.OUT_COLS)
        for top in range(0, rows, ROWS_TOGETHER):
            bottom = min(top + ROWS_TOGETHER, rows)
            results = word(block, at.DST) + (word(tile, at.RESULT) + top * word(block, at.OUT_COLS)) * pixel
            for group in range(first, stop):
                source = word(tile, at.PACKED_AT) + (group - first) * word(block, at.PACKED_GROUP)
                out = (room if streamed else results) + min(group * lanes, channels - lanes) * size
                weights = word(block, at.WEIGHTS) + group * kernel_y * kernel_x * vector
                bias = word(block, at.FIRST_BIAS) + group * vector
                paired = top + ((bottom - top) // 2 * 2 if pairs and follow else 0)
                for r in range(top, paired, 2):
                    row = source + r * packed_row
                    to = out + (r - top) * across * pixel
                    for col in range(0, cols, most):
                        start = min(col, cols - most)
                        simd.depthwise_pair(
                            acc, most, kernel, row + start * vector, packed_row, weights, kernel_y, bias, limits,
                            to + start * pixel, pixel, across * pixel,
                        )  # fmt: skip
                for r in range(paired, bottom):
                    row = source + r * word(block, at.STRIDE_Y) * packed_row
                    to = out + (r - top) * across * pixel
                    if cols >= most:
                        for col in range(0, cols, most):
                            start = min(col, cols - most)
                            simd.depthwise_blocks(
                                acc, most, kernel, stride, row + start * stride_x * vector, vector, down, weights,
                                kernel_y, kernel_x, stride_x, dilation_x, bias, limits, to + start * pixel, pixel,
                            )  # fmt: skip
                    else:
                        for c in range(cols):
                            simd.depthwise_blocks(
                                acc, 1, kernel, stride, row + c * stride_x * vector, vector, down, weights,
                                kernel_y, kernel_x, stride_x, dilation_x, bias, limits, to + c * pixel, pixel,
                            )  # fmt: skip
            if streamed:
                for r in range(bottom - top):
                    place = results + r * word(block, at.OUT_COLS) * pixel
                    simd.stream(acc, place, room + r * cols * pixel, cols * pixel)
        if streamed:
            simd.finish_streams()

    return filter_groups


def _in_place(kernel, stride, acc, straight):
    lanes = lanes_of(acc)
    size = acc.itemsize
    vector = lanes * size
    most = DEPTHWISE_COLS

    def filter_groups(block, tile):
        """Results whose inputs lie within the image are computed from there, others from what is packed.

        All channels at hand of neighbouring results follow each other, then those of the row below: rows
        under the kernel stay in L1, and results that go straight to the image are
        written in one piece.
        """
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        first, stop = word(tile, at.GROUP), word(tile, at.GROUP_STOP)
        kernel_y, kernel_x = word(block, at.KERNEL_Y), word(block, at.KERNEL_X)
        stride_y, stride_x = word(block, at.STRIDE_Y), word(block, at.STRIDE_X)
        dilation_y, dilation_x = word(block, at.DILATION_Y), word(block, at.DILATION_X)
        all_weights, all_bias = word(block, at.WEIGHTS), word(block, at.FIRST_BIAS)
        limits = word(block, at.FIRST_LIMITS)
        channels = word(block, at.CHANNELS)
        pixel = channels * size
        image_row = word(block, at.COLS) * pixel
        packed, packed_row = word(tile, at.PACKED_AT), word(block, at.PACKED_ROW)
        packed_group = word(block, at.PACKED_GROUP)
        # Where the first value under the tile is, or would be, in the image.
        y = word(block, at.ROWS) * word(tile, at.IMAGE) + word(tile, at.Y) * stride_y - word(block, at.TOP)
        image = word(block, at.SRC) + y * image_row + (word(tile, at.X) * stride_x - word(block, at.LEFT)) * pixel
        above, below = word(tile, at.IN_PLACE_ABOVE), word(tile, at.IN_PLACE_BELOW)
        streamed = straight and word(block, at.STREAMED) != 0
        room = word(tile, at.STREAMED_AT)
        across = word(block, at.OUT_COLS) if straight and not streamed else cols
        together = ROWS_TOGETHER if streamed else rows
        # From one result to the next, and from one block of channels to the next.
        out_pixel = pixel if straight else vector
        out_group = vector if straight else word(block, at.TERMS_GROUP)
        farthest = (channels - lanes) * size if straight else word(block, at.GROUPS) * out_group
        for top in range(0, rows, together):
            bottom = min(top + together, rows)
            results = word(block, at.DST) + (word(tile, at.RESULT) + top * word(block, at.OUT_COLS)) * pixel
            if straight:
                out = (room if streamed else results) - top * across * pixel
            else:
                out = word(tile, at.TERMS_AT)
            # Columns to the left of those that are read in place, these, and those to the right.
            for part in range(3):
                begin, end = word(tile, at.LEFT_EDGE + part), word(tile, at.LEFT_EDGE + part + 1)
                if end - begin >= most:
                    step, last = most, end - most
                else:
                    step, last = 1, end
                col = begin
                while col < end:
                    x = min(col, last)
                    col += step
                    for r in range(top, bottom):
                        if (part == 1) & (above <= r) & (r < below):
                            row, row_step, distance, along, group_step = image, image_row, pixel, 1, 0
                        else:
                            row, row_step, distance, along, group_step = packed, packed_row, vector, 0, packed_group
                        row += r * stride_y * row_step + x * stride_x * distance
                        down = dilation_y * row_step
                        to = out + (r * across + x) * out_pixel
                        for group in range(first, stop):
                            channel = min(group * lanes, channels - lanes) * size
                            address = row + channel * along + (group - first) * group_step
                            place = to + min(group * out_group, farthest)
                            weights = all_weights + group * kernel_y * kernel_x * vector
                            bias = all_bias + group * vector
                            if step > 1:
                                simd.depthwise_blocks(
                                    acc, most, kernel, stride, address, distance, down, weights, kernel_y, kernel_x,
                                    stride_x, dilation_x, bias, limits, place, out_pixel,
                                )  # fmt: skip
                            else:
                                simd.depthwise_blocks(
                                    acc, 1, kernel, stride, address, distance, down, weights, kernel_y, kernel_x,
                                    stride_x, dilation_x, bias, limits, place, out_pixel,
                                )  # fmt: skip
            if streamed:
                for r in range(bottom - top):
                    place = results + r * word(block, at.OUT_COLS) * pixel
                    simd.stream(acc, place, room + r * cols * pixel, cols * pixel)
        if streamed:
            simd.finish_streams()

    return filter_groups


def _planes(kernel, stride, acc):
    lanes = lanes_of(acc)
    size = acc.itemsize
    most = DEPTHWISE_ROWS

    def filter_channels(block, tile):
        """Rows and columns that a tile has beyond the result spill over into those written later."""
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        first = word(tile, at.GROUP)
        multiplier = word(block, at.MULTIPLIER)
        kernel_y, kernel_x = word(block, at.KERNEL_Y), word(block, at.KERNEL_X)
        stride_y, dilation_y = word(block, at.STRIDE_Y), word(block, at.DILATION_Y)
        packed_row = word(block, at.PACKED_ROW)
        for number in range(first * multiplier, word(tile, at.GROUP_STOP) * multiplier):
            packed = word(tile, at.PACKED_AT) + (number // multiplier - first) * word(block, at.PACKED_GROUP)
            to = word(tile, at.TERMS_AT) + number * word(block, at.TERMS_GROUP)
            weights = word(block, at.WEIGHTS) + number * kernel_y * kernel_x * size
            bias = word(block, at.FIRST_BIAS) + number * size
            for row in range(0, rows, most):
                top = max(min(row, rows - most), 0)
                for col in range(0, cols, lanes):
                    left = max(min(col, cols - lanes), 0)
                    simd.depthwise_planes(
                        acc, most, kernel, packed + top * stride_y * packed_row + left * size, packed_row,
                        word(block, at.OFFSETS), weights, kernel_y, kernel_x, stride_y, dilation_y, bias,
                        word(block, at.FIRST_LIMITS), to + (top * cols + left) * size, cols * size,
                    )  # fmt: skip

    return filter_channels
