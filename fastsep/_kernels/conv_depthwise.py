"""Filters groups of channels, each with kernels of its own."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import conv_simd as simd
from fastsep._kernels import conv_words as at
from fastsep._kernels.conv_shapes import DEPTHWISE_COLS, DEPTHWISE_ROWS, ROWS_TOGETHER
from fastsep._kernels.emit import lanes as lanes_of
from fastsep._kernels.simd import word


def build(form: str, kernel: str, stride: str, acc_name: str):
    """The kernel for "planes", for "blocks", or for blocks whose results go "straight" to the image.

    `kernel` and `stride`: width and stride (blocks) or height and stride (planes) of the kernels
    that are unrolled; "0", "0": any.
    """
    make = {"planes": _planes, "blocks": _blocks, "straight": _straight}[form]
    return make(int(kernel), int(stride), np.dtype(acc_name))


def _blocks(kernel, stride, acc):
    vector = lanes_of(acc) * acc.itemsize
    most = DEPTHWISE_COLS

    def filter_groups(block, tile):
        """Tiles wider than the result spill over into the next row, which is written later."""
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        first = word(tile, at.GROUP)
        groups = word(block, at.GROUPS)
        kernel_y, kernel_x = word(block, at.KERNEL_Y), word(block, at.KERNEL_X)
        stride_x, dilation_x = word(block, at.STRIDE_X), word(block, at.DILATION_X)
        packed_row = word(block, at.PACKED_ROW)
        for m in range(word(block, at.MULTIPLIER)):
            for group in range(first, word(tile, at.GROUP_STOP)):
                number = m * groups + group
                source = word(tile, at.PACKED_AT) + (group - first) * word(block, at.PACKED_GROUP)
                to = word(tile, at.TERMS_AT) + number * word(block, at.TERMS_GROUP)
                weights = word(block, at.WEIGHTS) + number * kernel_y * kernel_x * vector
                bias = word(block, at.FIRST_BIAS) + number * vector
                for r in range(rows):
                    row = source + r * word(block, at.STRIDE_Y) * packed_row
                    for col in range(0, cols, most):
                        start = max(min(col, cols - most), 0)
                        simd.depthwise_blocks(
                            acc, most, kernel, stride, row + start * stride_x * vector,
                            word(block, at.DILATION_Y) * packed_row, weights, kernel_y, kernel_x, stride_x,
                            dilation_x, bias, word(block, at.FIRST_LIMITS), to + (r * cols + start) * vector, vector,
                        )  # fmt: skip

    return filter_groups


def _straight(kernel, stride, acc):
    lanes = lanes_of(acc)
    size = acc.itemsize
    vector = lanes * size
    most = DEPTHWISE_COLS

    def filter_groups(block, tile):
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        first, stop = word(tile, at.GROUP), word(tile, at.GROUP_STOP)
        kernel_y, kernel_x = word(block, at.KERNEL_Y), word(block, at.KERNEL_X)
        stride_x, dilation_x = word(block, at.STRIDE_X), word(block, at.DILATION_X)
        packed_row = word(block, at.PACKED_ROW)
        down = word(block, at.DILATION_Y) * packed_row
        limits = word(block, at.FIRST_LIMITS)
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
                for r in range(top, bottom):
                    row = source + r * word(block, at.STRIDE_Y) * packed_row
                    to = out + (r - top) * across * pixel
                    if cols >= most:
                        for col in range(0, cols, most):
                            start = min(col, cols - most)
                            simd.depthwise_blocks(
                                acc, most, kernel, stride, row + start * stride_x * vector, down, weights, kernel_y,
                                kernel_x, stride_x, dilation_x, bias, limits, to + start * pixel, pixel,
                            )  # fmt: skip
                    else:
                        for c in range(cols):
                            simd.depthwise_blocks(
                                acc, 1, kernel, stride, row + c * stride_x * vector, down, weights, kernel_y,
                                kernel_x, stride_x, dilation_x, bias, limits, to + c * pixel, pixel,
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
