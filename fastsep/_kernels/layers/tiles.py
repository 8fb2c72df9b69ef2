"""Convolution layers, tile by tile: images of many channels filtered channel by channel and mixed.

A layer works in tiles of some rows and columns of its result. Each goes through up to three kernels,
which are called by address, so that each is compiled once for all the layers it serves:

- *pack* (`pack`): the part of the image that the tile needs, with the border around it, is
  converted to blocks or planes of channels (see `simd/layers`), a few groups of channels at a time.
  That makes every later access aligned and at constant distances, and leaves types, borders and
  odd sizes to this step alone; it costs some two cycles a vector. Where that is as much as the
  filtering, only what lies under a border is packed, and the rest read in place.
- *fill* (`depthwise`, `im2col`): these groups are filtered depthwise, or laid out as
  factors of a standard convolution. (Packed pixels can be its factors as they are: see `zero_copy`
  in _ops/layers/variant.py.)
- *finish* (`gemm`, `interleave`): the factors of all groups are multiplied by the matrix
  of weights, in panels that stay in the cache while all pixels of the tile pass.

Every result has one order of operations, however a layer is cut into tiles and bands.
"""

from __future__ import annotations

from fastsep._kernels.helper import helper
from fastsep._kernels.layers import arguments as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS
from fastsep._kernels.simd.memory import call


def build():
    """The band function of all layers."""

    @helper
    def place(args, unit):
        """The image of a tile, the first row and column of its result, and the ones behind the last."""
        tiles_y, tiles_x = args.tiles_y, args.tiles_x
        image, number = unit // (tiles_y * tiles_x), unit % (tiles_y * tiles_x)
        # Heights differ by one row at most, and so do the rows of either half: see `run_bands` of the pool.
        row = number // tiles_x
        y, below = args.out_rows * row // tiles_y, args.out_rows * (row + 1) // tiles_y
        x = number % tiles_x * args.tile_cols
        return image, y, below, x, min(x + args.tile_cols, args.out_cols)

    @helper
    def inputs(first, stop, stride, kernel, dilation, before, size):
        """The first value of an image under results along one axis, and the one behind the last."""
        begin = first * stride - before
        return max(begin, 0), min(begin + (stop - first - 1) * stride + (kernel - 1) * dilation + 1, size)

    @helper
    def look_ahead(args, tile, unit):
        """Note what a tile needs of the image."""
        image, y, below, x, right = place(args, unit)
        rows, cols = args.rows, args.cols
        top, bottom = inputs(y, below, args.stride_y, args.kernel_y, args.dilation_y, args.pad_top, rows)
        left, right = inputs(x, right, args.stride_x, args.kernel_x, args.dilation_x, args.pad_left, cols)
        pixel = args.pixel
        count, size = bottom - top, (right - left) * pixel
        if right - left == cols:
            # Whole rows follow each other.
            count, size = min(count, 1), count * size
        tile.ahead = args.src + ((image * rows + top) * cols + left) * pixel
        tile.ahead_rows = count
        tile.ahead_bytes = size
        tile.ahead_at = 0

    def band(block, index):
        args = at.Layer(block)
        stage = args.stage
        bands = args.bands
        tiles = args.tiles_y * args.tiles_x
        scratch = args.scratch
        tile = at.Tile(scratch)
        shared = args.shared
        pack, fill, finish = args.pack, args.fill, args.finish
        unit, stop = 0, args.images * tiles
        group, group_stop = 0, args.groups
        panel, panel_stop = 0, args.wide + args.narrow
        if stage == at.BOTH:
            unit, stop = stop * index // bands, stop * (index + 1) // bands
            shared = scratch
        elif stage == at.FIRST:
            group, group_stop = group_stop * index // bands, group_stop * (index + 1) // bands
        else:
            panel, panel_stop = panel_stop * index // bands, panel_stop * (index + 1) // bands
        tile.packed_at = scratch + args.packed
        tile.factors_at = shared + args.factors
        tile.streamed_at = scratch + args.streamed
        tile.panel = panel
        tile.panel_stop = panel_stop
        while unit < stop:
            image, y, below, x, right = place(args, unit)
            tile.image = image
            tile.y = y
            tile.x = x
            tile.height = below - y
            cols = right - x
            tile.width = cols
            tile.ahead_rows = 0
            if unit + 1 < stop:
                look_ahead(args, tile, unit + 1)
            above, below = max(args.inside_top - y, 0), min(args.inside_bottom, below) - y
            left, right = max(args.inside_left - x, 0), min(args.inside_right - x, cols)
            if right - left < DEPTHWISE_COLS or below <= above:
                above, below, left, right = 0, 0, 0, 0
            tile.in_place_above = above
            tile.in_place_below = below
            tile.left_edge = 0
            tile.in_place_left = left
            tile.in_place_right = right
            tile.right_edge = cols
            tile.result = (image * args.out_rows + y) * args.out_cols + x
            if stage != at.SECOND:
                start = group
                while start < group_stop:
                    tile.group = start
                    tile.fresh = start == group
                    start = min(start + args.chunk, group_stop)
                    tile.group_stop = start
                    call(pack, block, scratch)
                    if fill != 0:
                        call(fill, block, scratch)
            if stage != at.FIRST and finish != 0:
                call(finish, block, scratch)
            unit += 1

    return band
