"""Convolution layers, tile by tile: images of many channels filtered channel by channel and mixed.

A layer works in tiles of some rows and columns of its result. Each goes through up to three kernels,
which are called by address, so that each is compiled once for all the layers it serves:

- *pack* (`pack`): the part of the image that the tile needs, with the border around it, is
  converted to blocks or planes of channels (see `simd.layers`), a few groups of channels at a time.
  That makes every later access aligned and at constant distances, and leaves types, borders and
  odd sizes to this step alone; it costs some two cycles a vector. Where that is as much as the
  filtering, only what lies under a border is packed, and the rest read in place.
- *fill* (`depthwise`, `im2col`): these groups are filtered depthwise, or laid out as
  factors of a standard convolution. (Blocks of packed pixels can be its factors as they are: see
  `zero_copy` in _ops/layers/variant.py.)
- *finish* (`gemm`, `interleave`): the factors of all groups are multiplied by the matrix
  of weights, in panels that stay in the cache while all pixels of the tile pass.

Every result has one order of operations, however a layer is cut into tiles and bands.
"""

from __future__ import annotations

from fastsep._kernels.helper import helper
from fastsep._kernels.layers import words as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS
from fastsep._kernels.simd.memory import call, set_word, word


def build():
    """The band function of all layers."""

    @helper
    def place(block, unit):
        """The image of a tile, the first row and column of its result, and the ones behind the last."""
        tiles_y, tiles_x = word(block, at.TILES_Y), word(block, at.TILES_X)
        image, number = unit // (tiles_y * tiles_x), unit % (tiles_y * tiles_x)
        # Heights of tiles differ by one row at most, so bands get nearly equal work.
        y = word(block, at.OUT_ROWS) * (number // tiles_x) // tiles_y
        below = word(block, at.OUT_ROWS) * (number // tiles_x + 1) // tiles_y
        x = number % tiles_x * word(block, at.TILE_COLS)
        return image, y, below, x, min(x + word(block, at.TILE_COLS), word(block, at.OUT_COLS))

    @helper
    def inputs(first, stop, stride, kernel, dilation, before, size):
        """The first value of an image under results along one axis, and the one behind the last."""
        begin = first * stride - before
        return max(begin, 0), min(begin + (stop - first - 1) * stride + (kernel - 1) * dilation + 1, size)

    @helper
    def look_ahead(block, tile, unit):
        """Note what a tile needs of the image."""
        image, y, below, x, right = place(block, unit)
        rows, cols = word(block, at.ROWS), word(block, at.COLS)
        top, bottom = inputs(
            y, below, word(block, at.STRIDE_Y), word(block, at.KERNEL_Y), word(block, at.DILATION_Y),
            word(block, at.TOP), rows,
        )  # fmt: skip
        left, right = inputs(
            x, right, word(block, at.STRIDE_X), word(block, at.KERNEL_X), word(block, at.DILATION_X),
            word(block, at.LEFT), cols,
        )  # fmt: skip
        pixel = word(block, at.PIXEL)
        count, size = bottom - top, (right - left) * pixel
        if right - left == cols:
            # Whole rows follow each other.
            count, size = min(count, 1), count * size
        set_word(tile, at.AHEAD, word(block, at.SRC) + ((image * rows + top) * cols + left) * pixel)
        set_word(tile, at.AHEAD_ROWS, count)
        set_word(tile, at.AHEAD_BYTES, size)

    def band(block, index):
        stage = word(block, at.STAGE)
        bands = word(block, at.BANDS)
        tiles = word(block, at.TILES_Y) * word(block, at.TILES_X)
        tile = word(block, at.SCRATCH)
        shared = word(block, at.SHARED)
        pack, fill, finish = word(block, at.PACK), word(block, at.FILL), word(block, at.FINISH)
        unit, stop = 0, word(block, at.IMAGES) * tiles
        group, group_stop = 0, word(block, at.GROUPS)
        panel, panel_stop = 0, word(block, at.WIDE) + word(block, at.NARROW)
        if stage == at.BOTH:
            unit, stop = stop * index // bands, stop * (index + 1) // bands
            shared = tile
        elif stage == at.FIRST:
            group, group_stop = group_stop * index // bands, group_stop * (index + 1) // bands
        else:
            panel, panel_stop = panel_stop * index // bands, panel_stop * (index + 1) // bands
        set_word(tile, at.PACKED_AT, tile + word(block, at.PACKED))
        set_word(tile, at.TERMS_AT, shared + word(block, at.TERMS))
        set_word(tile, at.STREAMED_AT, tile + word(block, at.STREAMED))
        set_word(tile, at.PANEL, panel)
        set_word(tile, at.PANEL_STOP, panel_stop)
        while unit < stop:
            image, y, below, x, right = place(block, unit)
            set_word(tile, at.IMAGE, image)
            set_word(tile, at.Y, y)
            set_word(tile, at.X, x)
            set_word(tile, at.HEIGHT, below - y)
            cols = right - x
            set_word(tile, at.WIDTH, cols)
            set_word(tile, at.AHEAD_ROWS, 0)
            if unit + 1 < stop:
                look_ahead(block, tile, unit + 1)
            above, below = max(word(block, at.INSIDE_TOP) - y, 0), min(word(block, at.INSIDE_BOTTOM), below) - y
            left, right = max(word(block, at.INSIDE_LEFT) - x, 0), min(word(block, at.INSIDE_RIGHT) - x, cols)
            if right - left < DEPTHWISE_COLS or below <= above:
                above, below, left, right = 0, 0, 0, 0
            set_word(tile, at.IN_PLACE_ABOVE, above)
            set_word(tile, at.IN_PLACE_BELOW, below)
            set_word(tile, at.LEFT_EDGE, 0)
            set_word(tile, at.IN_PLACE_LEFT, left)
            set_word(tile, at.IN_PLACE_RIGHT, right)
            set_word(tile, at.RIGHT_EDGE, cols)
            set_word(tile, at.RESULT, (image * word(block, at.OUT_ROWS) + y) * word(block, at.OUT_COLS) + x)
            if stage != at.SECOND:
                start = group
                while start < group_stop:
                    set_word(tile, at.GROUP, start)
                    set_word(tile, at.FRESH, start == group)
                    start = min(start + word(block, at.CHUNK), group_stop)
                    set_word(tile, at.GROUP_STOP, start)
                    call(pack, block, tile)
                    if fill != 0:
                        call(fill, block, tile)
            if stage != at.FIRST and finish != 0:
                call(finish, block, tile)
            unit += 1

    return band
