"""Packs the part of an image that a tile of a convolution needs: its type, layout and border end here."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.helper import helper
from fastsep._kernels.layers import arguments as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS, DEPTHWISE_ROWS
from fastsep._kernels.rows import outside
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.layers import packing


def build(form: str, together: str, stride: str, src_name: str, acc_name: str):
    """The kernel for "blocks" or "planes" of channels, from one dtype to another.

    "in_place": blocks, without what is read in place.

    `together`: the number of channels that are split into planes together, `stride` pixels apart; "0": one by one.
    """
    src, acc = np.dtype(src_name), np.dtype(acc_name)
    return _planes(src, acc, int(together), int(stride)) if form == "planes" else _blocks(src, acc, form == "in_place")


@helper
def extent(count, stride, kernel, dilation):
    """Inputs under the taps of `count` neighbouring results."""
    return (count - 1) * stride + (kernel - 1) * dilation + 1


def _blocks(src, acc, in_place):
    lanes = lanes_of(acc)
    vector = lanes * acc.itemsize
    size = src.itemsize

    def pack(block, scratch):
        args, tile = at.Layer(block), at.Tile(scratch)
        height = args.rows
        width = args.cols
        channels = args.channels
        pixel = channels * size
        cval = args.cval
        stride_y, stride_x = args.stride_y, args.stride_x
        top = tile.y * stride_y - args.pad_top
        left = tile.x * stride_x - args.pad_left
        high = extent(tile.height, stride_y, args.kernel_y, args.dilation_y)
        wide = extent(tile.width, stride_x, args.kernel_x, args.dilation_x)
        first, stop = tile.group, tile.group_stop
        packed_group, packed_row = args.packed_group, args.packed_row
        packed = tile.packed_at
        # What lies outside the image is the same for all groups that take turns in one place.
        border = tile.fresh != 0 or args.fill == 0
        if args.fill == 0:
            # Pixels are factors as they are.
            packed_group, packed_row = args.factors_group, wide * vector
            packed = tile.factors_at + first * packed_group
        # Columns `begin` .. `end` - 1 of the packed part lie within the image.
        begin = min(max(-left, 0), wide)
        end = max(min(width - left, wide), begin)
        # Rows `above` .. `below` - 1 are under results only that are read in place, but for those to the
        # left and right: they are packed before column `before` and from `behind` on, others as a whole.
        above, below, before, behind = 0, 0, 0, 0
        if in_place:
            above, below = tile.in_place_above, tile.in_place_below
            before, behind = tile.in_place_left, tile.in_place_right
            above = (above > 0) * (high - (tile.height - above) * stride_y)
            before = (before > 0) * (wide - (tile.width - before) * stride_x)
            below = below * stride_y + (below == tile.height) * high
            behind = min(behind * stride_x + (behind == tile.width) * wide, wide)
        source = args.src + tile.image * height * width * pixel
        # The last block ends with the last channel, and so overlaps with the one before.
        whole = min(stop, channels // lanes) - first
        # Results beyond a narrow tile are computed, too: see `_planes`.
        beyond = packed_row // vector - wide if border & (tile.width < DEPTHWISE_COLS) else 0
        for i in range(high):
            if beyond > 0:
                for group in range(stop - first):
                    to = packed + group * packed_group + i * packed_row + wide * vector
                    packing.fill_vectors(acc, cval, beyond, to)
            row = outside(top + i, height, args.mode)
            if row < 0:
                for group in range((stop - first) * border):
                    packing.fill_vectors(acc, cval, wide, packed + group * packed_group + i * packed_row)
                continue
            apart, behind_apart, together = begin, end, end - begin
            if in_place and (above <= i) & (i < below):
                apart, behind_apart, together = before, behind, 0
            for part in range(2):
                groups = stop - first - whole if part else whole
                if groups == 0:
                    continue
                to = packed + i * packed_row + (whole * packed_group if part else 0)
                channel = channels - lanes if part else first * lanes
                address = source + row * width * pixel + channel * size
                for k in range(apart + wide - behind_apart):
                    col = k if k < apart else behind_apart + k - apart
                    source_col = outside(left + col, width, args.mode)
                    if source_col < 0:
                        for group in range(groups * border):
                            packing.fill_vectors(acc, cval, 1, to + group * packed_group + col * vector)
                    else:
                        packing.pack_pixels(
                            src, acc, address + source_col * pixel, pixel, 1, groups, to + col * vector, packed_group
                        )
                packing.pack_pixels(
                    src, acc, address + (left + begin) * pixel, pixel, together, groups, to + begin * vector,
                    packed_group,
                )  # fmt: skip

    return pack


def _planes(src, acc, together, known_stride):
    lanes = lanes_of(acc)
    src_size, acc_size = src.itemsize, acc.itemsize
    vector = lanes * acc_size

    @helper
    def pack_each(pixel, address, step, count, to, group_step, channels):
        """Pack `count` columns, `step` bytes apart, that lie within the image."""
        for channel in range(channels):
            if step == src_size and count >= lanes:
                packing.pack_row(src, acc, address + channel * src_size, count, to + channel * group_step)
            else:
                packing.pack_values(src, acc, address + channel * src_size, step, count, to + channel * group_step)

    @helper
    def pack_together(pixel, address, step, count, to, group_step, channels):
        if channels == together and step == known_stride * pixel and count >= lanes:
            packing.pack_channels(src, acc, together, known_stride, address, count, to, group_step)
        else:
            pack_each(pixel, address, step, count, to, group_step, channels)

    pack_inside = pack_together if together else pack_each

    def pack(block, scratch):
        """Columns that one tap of the kernel meets follow each other.

        First come those that are 0 modulo the stride, then those that are 1, ...
        """
        args, tile = at.Layer(block), at.Tile(scratch)
        height = args.rows
        width = args.cols
        pixel = args.channels * src_size
        cval = args.cval
        stride_y, stride = args.stride_y, args.stride_x
        top = tile.y * stride_y - args.pad_top
        left = tile.x * stride - args.pad_left
        high = extent(tile.height, stride_y, args.kernel_y, args.dilation_y)
        wide = extent(tile.width, stride, args.kernel_x, args.dilation_x)
        begin = min(max(-left, 0), wide)
        end = max(min(width - left, wide), begin)
        group_step = args.packed_group
        first = tile.group
        channels = tile.group_stop - first
        source = args.src + tile.image * height * width * pixel + first * src_size
        # Without im2col they are factors as they are.
        packed = tile.packed_at if args.fill != 0 else tile.factors_at + first * group_step
        if tile.width < lanes or tile.height < DEPTHWISE_ROWS:
            # Results beyond the tile are computed, too, and what happens to be in memory must not go into them:
            # subnormal numbers take some processors a hundred times as long (measured: 4 x 4 x 512, 3 x 3, 0.6 of the
            # time so).
            packing.fill_vectors(acc, cval, channels * group_step // vector, packed)
        for i in range(high):
            row = outside(top + i, height, args.mode)
            to = packed + i * args.packed_row
            address = source + (row * width + left) * pixel
            for phase in range(stride):
                place = to + phase * args.packed_phase
                # Of the `count` columns of this phase, those from `inside` to before `behind` are
                # within the image.
                count = (wide - phase + stride - 1) // stride
                inside = min(max((begin - phase + stride - 1) // stride, 0), count)
                behind = max(min((end - phase + stride - 1) // stride, count), inside)
                if row < 0:
                    inside, behind = count, count
                start = address + (inside * stride + phase) * pixel
                pack_inside(
                    pixel, start, stride * pixel, behind - inside, place + inside * acc_size, group_step, channels
                )
                for k in range(inside + count - behind):
                    number = k if k < inside else behind + k - inside
                    source_col = outside(left + number * stride + phase, width, args.mode)
                    for channel in range(channels):
                        into = place + channel * group_step + number * acc_size
                        if row < 0 or source_col < 0:
                            packing.copy_value(acc, cval, into)
                        else:
                            value = address + (source_col - left) * pixel + channel * src_size
                            packing.pack_values(src, acc, value, pixel, 1, into)

    return pack
