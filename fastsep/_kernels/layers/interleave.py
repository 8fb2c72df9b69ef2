"""Copies depthwise results that are kept apart to where they belong among a pixel's channels."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.layers import arguments as at
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.layers import packing


def build(form: str, together: str, acc_name: str):
    """The kernel for "blocks" or "planes" of channels.

    `together`: the number of multiples (blocks) or channels (planes) that are interleaved in
    registers; "0": another.
    """
    make = _planes if form == "planes" else _blocks
    return make(np.dtype(acc_name), int(together))


def _blocks(acc, together):
    size = acc.itemsize
    lanes = lanes_of(acc)

    def interleave(block, scratch):
        args, tile = at.Layer(block), at.Tile(scratch)
        rows, cols = tile.height, tile.width
        channels, multiplier = args.channels, args.multiplier
        groups = args.groups
        step = args.factors_group
        pixel = channels * multiplier * size
        for r in range(rows):
            out = args.dst + (tile.result + r * args.out_cols) * pixel
            for c in range(cols):
                source = tile.factors_at + (r * cols + c) * lanes * size
                for group in range(groups):
                    to = out + c * pixel + min(group * lanes, channels - lanes) * multiplier * size
                    if together:
                        packing.join(acc, together, source + group * step, groups * step, to)
                        continue
                    for m in range(multiplier):
                        for lane in range(lanes):
                            address = source + (m * groups + group) * step + lane * size
                            packing.copy_value(acc, address, to + (lane * multiplier + m) * size)

    return interleave


def _planes(acc, together):
    size = acc.itemsize
    lanes = lanes_of(acc)

    def interleave(block, scratch):
        args, tile = at.Layer(block), at.Tile(scratch)
        rows, cols = tile.height, tile.width
        channels = args.out_channels
        pixel = channels * size
        step = args.factors_group
        for r in range(rows):
            out = args.dst + (tile.result + r * args.out_cols) * pixel
            source = tile.factors_at + r * cols * size
            first = 0
            if cols >= lanes and (together > 0 or channels >= lanes):
                for col in range(0, cols, lanes):
                    c = min(col, cols - lanes)
                    if together:
                        packing.join(acc, together, source + c * size, step, out + c * pixel)
                    else:
                        for channel in range(0, channels, lanes):
                            k = min(channel, channels - lanes)
                            address = source + k * step + c * size
                            packing.transpose(acc, address, step, out + c * pixel + k * size, pixel)
                first = cols
            for c in range(first, cols):
                for channel in range(channels):
                    packing.copy_value(acc, source + channel * step + c * size, out + c * pixel + channel * size)

    return interleave
