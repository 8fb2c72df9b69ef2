"""Multiplies the factors of a tile's pixels by the matrix of weights."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.arguments import LINE
from fastsep._kernels.helper import helper
from fastsep._kernels.layers import arguments as at
from fastsep._kernels.layers.tile_sizes import matrix_rows
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.layers import gemm as tiles
from fastsep._kernels.simd.layers import streaming
from fastsep._kernels.simd.memory import set_word, word


def build(form: str, width: str, acc_name: str):
    """The kernel for factors in "blocks" or "planes", and panels of `width` vectors; if that is "2", of one, too."""
    acc = np.dtype(acc_name)
    planes = int(form == "planes")
    vectors = int(width)
    large, small = matrix_rows(vectors)
    lanes = lanes_of(acc)
    size = acc.itemsize
    vector = lanes * size
    pixel = size if planes else vector

    # Most numbers of pixels are sums of two numbers that follow each other.
    exact = large == small + 1

    @helper
    def height(broad, left, reach):
        """Pixels of the next tile, of `left` ones that are left of the `reach` ones that it may overlap with."""
        missing = -left % large
        if exact and 0 < missing <= (left + missing) // large:
            return small
        if left >= large or (reach >= large and (exact or not broad or left > small)):
            return large
        return small if broad and reach >= small else 1

    @helper
    def find_factors(args, table, length):
        """List how far each run's factors are from a pixel's first one; bytes from row to row of `length` pixels.

        In planes each factor is a run.

        The factors are those that another stage laid out for each result; or, where there is none, the
        pixels under the results, packed as they are.
        """
        kernel_x = args.kernel_x
        if planes:
            step = args.factors_group
            if (args.fill != 0) | (args.offsets == 0):
                for number in range(args.depth):
                    set_word(table, number, number * step)
                return length * pixel
            number = 0
            for v in range(args.kernel_y):
                for u in range(kernel_x):
                    offset = v * args.dilation_y * args.packed_row + word(args.offsets, u)
                    for channel in range(args.groups):
                        set_word(table, number, offset + channel * step)
                        number += 1
            return args.packed_row * args.stride_y
        row = length * pixel if args.fill != 0 else (length + (kernel_x - 1) * args.dilation_x) * pixel
        for run in range(args.runs):
            offset = run * args.groups * args.factors_group
            if args.fill == 0:
                offset = run // kernel_x * args.dilation_y * row + run % kernel_x * args.dilation_x * pixel
            set_word(table, run, offset)
        return row if args.fill != 0 else row * args.stride_y

    def multiply(block, scratch):
        """Broad panels first, then those of one vector; the last overlap with those before them.

        Of the pixels, what is left over after tiles of the large height is done by small ones, or by a
        large one that overlaps with the one before. Panels of one vector, at most two in a layer, have
        no tile of the small height.
        """
        args, tile = at.Layer(block), at.Tile(scratch)
        channels, depth = args.out_channels, args.depth
        runs, table = depth if planes else args.runs, scratch + args.run_table
        whole, rest = args.channels // lanes, args.channels % lanes
        groups, limits, wide = args.factors_group, args.limits, args.wide
        step = channels * size
        factor_row = find_factors(args, table, tile.width)
        pieces, length = tile.height, tile.width
        if length == args.out_cols and factor_row == length * pixel:
            # Full rows follow each other in the result too.
            pieces, length = 1, pieces * length
        image, image_rows, image_at = tile.ahead, tile.ahead_rows, 0
        image_row, image_bytes = args.cols * args.pixel, tile.ahead_bytes
        strip, streamed = args.strip, args.streamed != 0
        # Results of a single panel follow each other, so that the place of the next ones is easily asked for.
        single = (wide + args.narrow == 1) & (not streamed)
        # Rows that pass a panel before they pass the next one.
        together = 1 if streamed or strip < length else pieces
        for first in range(0, pieces, together):
            for begin in range(0, length, strip):
                end = min(begin + strip, length)
                # How far back a tile may begin: what a stream has taken away stays away.
                reach = end - begin if streamed else end
                for number in range(tile.panel, tile.panel_stop):
                    broad = number < wide
                    unit = vectors * number if broad else (vectors - 1) * wide + number
                    across = vectors if broad else 1
                    column = max(min(unit * lanes, channels - across * lanes), 0)
                    panel = args.matrix + unit * depth * vector
                    next_panel = panel + across * depth * vector
                    bias = args.bias + unit * vector
                    for piece in range(first, first + together):
                        last_piece = piece == pieces - 1 and end == length
                        factors = tile.factors_at + piece * factor_row
                        number_of_first = tile.result + piece * args.out_cols
                        to = args.dst + number_of_first * step + column * size
                        if streamed:
                            to = tile.streamed_at + column * size - begin * step
                        p = begin
                        while p < end:
                            left = end - p
                            # The last tiles fetch a part of the next panel each. In a chain of layers no
                            # weights are in the cache, and the fetches hide much of that. The others fetch
                            # what the next tile of results needs of the image: otherwise memory would be idle
                            # here, and multipliers while it is read (8 to 18 % where it is not in the cache).
                            # Of a single panel every other tile, and all once the image is there, fetch where the
                            # next results go instead (112 x 112 x 32 -> 64: 6 to 10 %, MobileNetV1 1.5 to 2 %).
                            ahead = panel
                            rows = height(broad, left, reach)
                            if single and (image_rows <= 0 or p // large % 2 == 0):
                                ahead = to + (p + rows) * step
                            elif last_piece and left <= vectors * large:
                                ahead = next_panel + (left - 1) // large * depth * LINE
                            elif image_rows > 0:
                                ahead = image + image_at
                                image_at += depth * LINE
                                if image_at >= image_bytes:
                                    image, image_at = image + image_row, 0
                                    image_rows -= 1
                            p = min(p, end - rows)
                            if vectors == 2 and number >= wide:
                                tiles.matrix_tile(
                                    acc, planes, large, 1, 1, rows, factors + p * pixel, groups, runs, table, whole,
                                    rest, panel, bias, limits, to + p * step, step, min(lanes, channels), ahead,
                                )  # fmt: skip
                            else:
                                tiles.matrix_tile(
                                    acc, planes, large, small, vectors, rows, factors + p * pixel, groups, runs, table,
                                    whole, rest, panel, bias, limits, to + p * step, step, lanes, ahead,
                                )  # fmt: skip
                            p += rows
                if streamed:
                    number_of_first = tile.result + first * args.out_cols + begin
                    result = args.dst + number_of_first * step
                    streaming.stream(acc, result, tile.streamed_at, (end - begin) * step)
        if streamed:
            streaming.finish_streams()

    return multiply
