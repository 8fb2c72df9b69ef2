"""Filters groups of channels, each with kernels of its own."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.arguments import LINE
from fastsep._kernels.helper import helper
from fastsep._kernels.jit import target
from fastsep._kernels.layers import arguments as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS, DEPTHWISE_ROWS, LINES_AHEAD, ROWS_TOGETHER
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.layers import depthwise as tiles
from fastsep._kernels.simd.layers import streaming
from fastsep._kernels.simd.memory import prefetch_rows, word


def build(form: str, kernel: str, stride: str, acc_name: str):
    """The kernel for "planes", for "blocks", or for blocks whose results go "straight" to the image.

    "in_place": straight, and inputs within the image are read from there. "blocks_in_place": blocks, of
    such inputs. " by columns" behind one of these for blocks: taps are added up in the order of planes.
    `kernel` and `stride` of the kernels that are unrolled: width and stride (blocks), height and stride (planes), or
    size and stride of square ones (blocks by columns); "0", "0": any.
    """
    layout = form.removesuffix(" by columns")
    sizes = int(kernel), int(stride), np.dtype(acc_name)
    if layout == "planes":
        return _planes(*sizes)
    filter_tile = tiles.depthwise_blocks if layout == form else tiles.depthwise_columns
    if layout.endswith("in_place"):
        return _in_place(*sizes, filter_tile, layout == "in_place")
    return {"blocks": _blocks, "straight": _straight}[layout](*sizes, filter_tile)


def _pairs(kernel, stride):
    """Whether two rows of results are computed together: their sums need 32 registers."""
    return kernel > 0 and stride == 1 and target().tile == 8


@helper
def row_by_row(args):
    """Whether results below each other share all rows of inputs but one."""
    return (args.stride_y == 1) & (args.dilation_y == 1)


def _fetching(acc):
    lines = LINES_AHEAD

    @helper
    def fetch_ahead(args, tile):
        """Ask for a part of what the next tile needs of the image: memory would be idle while this one is filtered."""
        if tile.ahead_rows > 0:
            prefetch_rows(acc, lines, tile.ahead + tile.ahead_at, LINE)
            tile.ahead_at += lines * LINE
            if tile.ahead_at >= tile.ahead_bytes:
                tile.ahead += args.cols * args.pixel
                tile.ahead_at = 0
                tile.ahead_rows -= 1

    return fetch_ahead


def _blocks(kernel, stride, acc, filter_tile):
    vector = lanes_of(acc) * acc.itemsize
    most = DEPTHWISE_COLS
    pairs = _pairs(kernel, stride)

    def filter_groups(block, scratch):
        """Tiles wider than the result spill over into the next row, which is written later."""
        args, tile = at.Layer(block), at.Tile(scratch)
        rows, cols = tile.height, tile.width
        first = tile.group
        groups = args.groups
        kernel_y, kernel_x = args.kernel_y, args.kernel_x
        stride_x, dilation_x = args.stride_x, args.dilation_x
        packed_row = args.packed_row
        limits = args.depthwise_limits
        follow = row_by_row(args) & (cols >= most)
        for m in range(args.multiplier):
            for group in range(first, tile.group_stop):
                number = m * groups + group
                source = tile.packed_at + (group - first) * args.packed_group
                to = tile.factors_at + number * args.factors_group
                weights = args.depthwise_weights + number * kernel_y * kernel_x * vector
                bias = args.depthwise_bias + number * vector
                paired = rows // 2 * 2 if pairs and follow else 0
                for r in range(0, paired, 2):
                    row = source + r * packed_row
                    for col in range(0, cols, most):
                        start = min(col, cols - most)
                        tiles.depthwise_pair(
                            acc, most, kernel, row + start * vector, packed_row, weights, kernel_y, bias, limits,
                            to + (r * cols + start) * vector, vector, cols * vector,
                        )  # fmt: skip
                for r in range(paired, rows):
                    row = source + r * args.stride_y * packed_row
                    for col in range(0, cols, most):
                        start = max(min(col, cols - most), 0)
                        filter_tile(
                            acc, most, kernel, stride, row + start * stride_x * vector, vector,
                            args.dilation_y * packed_row, weights, kernel_y, kernel_x, stride_x,
                            dilation_x, bias, limits, to + (r * cols + start) * vector, vector,
                        )  # fmt: skip

    return filter_groups


def _straight(kernel, stride, acc, filter_tile):
    lanes = lanes_of(acc)
    size = acc.itemsize
    vector = lanes * size
    most = DEPTHWISE_COLS
    pairs = _pairs(kernel, stride)
    fetch_ahead = _fetching(acc)

    def filter_groups(block, scratch):
        args, tile = at.Layer(block), at.Tile(scratch)
        rows, cols = tile.height, tile.width
        first, stop = tile.group, tile.group_stop
        kernel_y, kernel_x = args.kernel_y, args.kernel_x
        stride_x, dilation_x = args.stride_x, args.dilation_x
        packed_row = args.packed_row
        down = args.dilation_y * packed_row
        limits = args.depthwise_limits
        follow = row_by_row(args) & (cols >= most)
        channels = args.channels
        pixel = channels * size
        streamed = args.streamed != 0
        room = tile.streamed_at
        across = cols if streamed else args.out_cols
        for top in range(0, rows, ROWS_TOGETHER):
            bottom = min(top + ROWS_TOGETHER, rows)
            results = args.dst + (tile.result + top * args.out_cols) * pixel
            for group in range(first, stop):
                source = tile.packed_at + (group - first) * args.packed_group
                out = (room if streamed else results) + min(group * lanes, channels - lanes) * size
                weights = args.depthwise_weights + group * kernel_y * kernel_x * vector
                bias = args.depthwise_bias + group * vector
                paired = top + ((bottom - top) // 2 * 2 if pairs and follow else 0)
                for r in range(top, paired, 2):
                    row = source + r * packed_row
                    to = out + (r - top) * across * pixel
                    for col in range(0, cols, most):
                        start = min(col, cols - most)
                        tiles.depthwise_pair(
                            acc, most, kernel, row + start * vector, packed_row, weights, kernel_y, bias, limits,
                            to + start * pixel, pixel, across * pixel,
                        )  # fmt: skip
                        if streamed:
                            fetch_ahead(args, tile)
                for r in range(paired, bottom):
                    row = source + r * args.stride_y * packed_row
                    to = out + (r - top) * across * pixel
                    if cols >= most:
                        for col in range(0, cols, most):
                            start = min(col, cols - most)
                            filter_tile(
                                acc, most, kernel, stride, row + start * stride_x * vector, vector, down, weights,
                                kernel_y, kernel_x, stride_x, dilation_x, bias, limits, to + start * pixel, pixel,
                            )  # fmt: skip
                            if streamed:
                                fetch_ahead(args, tile)
                    else:
                        for c in range(cols):
                            filter_tile(
                                acc, 1, kernel, stride, row + c * stride_x * vector, vector, down, weights,
                                kernel_y, kernel_x, stride_x, dilation_x, bias, limits, to + c * pixel, pixel,
                            )  # fmt: skip
            if streamed:
                for r in range(bottom - top):
                    place = results + r * args.out_cols * pixel
                    streaming.stream(acc, place, room + r * cols * pixel, cols * pixel)
        if streamed:
            streaming.finish_streams()

    return filter_groups


def _in_place(kernel, stride, acc, filter_tile, straight):
    lanes = lanes_of(acc)
    size = acc.itemsize
    vector = lanes * size
    most = DEPTHWISE_COLS
    fetch_ahead = _fetching(acc)

    def filter_groups(block, scratch):
        """Results whose inputs lie within the image are computed from there, others from what is packed.

        All channels at hand of neighbouring results follow each other, then those of the row below: rows
        under the kernel stay in L1, and results that go straight to the image are
        written in one piece.
        """
        args, tile = at.Layer(block), at.Tile(scratch)
        rows, cols = tile.height, tile.width
        first, stop = tile.group, tile.group_stop
        kernel_y, kernel_x = args.kernel_y, args.kernel_x
        stride_y, stride_x = args.stride_y, args.stride_x
        dilation_y, dilation_x = args.dilation_y, args.dilation_x
        all_weights, all_bias = args.depthwise_weights, args.depthwise_bias
        limits = args.depthwise_limits
        channels = args.channels
        pixel = channels * size
        image_row = args.cols * pixel
        packed, packed_row = tile.packed_at, args.packed_row
        packed_group = args.packed_group
        # Where the first value under the tile is, or would be, in the image.
        y = args.rows * tile.image + tile.y * stride_y - args.pad_top
        image = args.src + y * image_row + (tile.x * stride_x - args.pad_left) * pixel
        above, below = tile.in_place_above, tile.in_place_below
        streamed = straight and args.streamed != 0
        room = tile.streamed_at
        across = args.out_cols if straight and not streamed else cols
        together = ROWS_TOGETHER if streamed else rows
        # From one result to the next, and from one block of channels to the next.
        out_pixel = pixel if straight else vector
        out_group = vector if straight else args.factors_group
        farthest = (channels - lanes) * size if straight else args.groups * out_group
        for top in range(0, rows, together):
            bottom = min(top + together, rows)
            results = args.dst + (tile.result + top * args.out_cols) * pixel
            if straight:
                out = (room if streamed else results) - top * across * pixel
            else:
                out = tile.factors_at
            # Columns to the left of those that are read in place, these, and those to the right.
            for part in range(3):
                begin, end = word(scratch, at.EDGES + part), word(scratch, at.EDGES + part + 1)
                step, last = (most, end - most) if end - begin >= most else (1, end)
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
                                filter_tile(
                                    acc, most, kernel, stride, address, distance, down, weights, kernel_y, kernel_x,
                                    stride_x, dilation_x, bias, limits, place, out_pixel,
                                )  # fmt: skip
                                if streamed:
                                    fetch_ahead(args, tile)
                            else:
                                filter_tile(
                                    acc, 1, kernel, stride, address, distance, down, weights, kernel_y, kernel_x,
                                    stride_x, dilation_x, bias, limits, place, out_pixel,
                                )  # fmt: skip
            if streamed:
                for r in range(bottom - top):
                    place = results + r * args.out_cols * pixel
                    streaming.stream(acc, place, room + r * cols * pixel, cols * pixel)
        if streamed:
            streaming.finish_streams()

    return filter_groups


def _planes(kernel, stride, acc):
    lanes = lanes_of(acc)
    size = acc.itemsize
    most = DEPTHWISE_ROWS

    def filter_channels(block, scratch):
        """Rows and columns that a tile has beyond the result spill over into those written later."""
        args, tile = at.Layer(block), at.Tile(scratch)
        rows, cols = tile.height, tile.width
        first = tile.group
        multiplier = args.multiplier
        kernel_y, kernel_x = args.kernel_y, args.kernel_x
        stride_y, dilation_y = args.stride_y, args.dilation_y
        packed_row = args.packed_row
        for number in range(first * multiplier, tile.group_stop * multiplier):
            packed = tile.packed_at + (number // multiplier - first) * args.packed_group
            to = tile.factors_at + number * args.factors_group
            weights = args.depthwise_weights + number * kernel_y * kernel_x * size
            bias = args.depthwise_bias + number * size
            for row in range(0, rows, most):
                top = max(min(row, rows - most), 0)
                for col in range(0, cols, lanes):
                    left = max(min(col, cols - lanes), 0)
                    tiles.depthwise_planes(
                        acc, most, kernel, packed + top * stride_y * packed_row + left * size, packed_row,
                        args.offsets, weights, kernel_y, kernel_x, stride_y, dilation_y, bias,
                        args.depthwise_limits, to + (top * cols + left) * size, cols * size,
                    )  # fmt: skip

    return filter_channels
