"""Copies depthwise results that are kept apart to where they belong among a pixel's channels."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.layers import words as at
from fastsep._kernels.simd import layers as simd
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.memory import word


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

    def interleave(block, tile):
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        channels, multiplier = word(block, at.CHANNELS), word(block, at.MULTIPLIER)
        groups = word(block, at.GROUPS)
        step = word(block, at.TERMS_GROUP)
        pixel = channels * multiplier * size
        for r in range(rows):
            out = word(block, at.DST) + (word(tile, at.RESULT) + r * word(block, at.OUT_COLS)) * pixel
            for c in range(cols):
                terms = word(tile, at.TERMS_AT) + (r * cols + c) * lanes * size
                for group in range(groups):
                    to = out + c * pixel + min(group * lanes, channels - lanes) * multiplier * size
                    if together:
                        simd.join(acc, together, terms + group * step, groups * step, to)
                        continue
                    for m in range(multiplier):
                        for lane in range(lanes):
                            address = terms + (m * groups + group) * step + lane * size
                            simd.copy_value(acc, address, to + (lane * multiplier + m) * size)

    return interleave


def _planes(acc, together):
    size = acc.itemsize
    lanes = lanes_of(acc)

    def interleave(block, tile):
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        channels = word(block, at.OUT_CHANNELS)
        pixel = channels * size
        step = word(block, at.TERMS_GROUP)
        for r in range(rows):
            out = word(block, at.DST) + (word(tile, at.RESULT) + r * word(block, at.OUT_COLS)) * pixel
            terms = word(tile, at.TERMS_AT) + r * cols * size
            first = 0
            if cols >= lanes and (together > 0 or channels >= lanes):
                for col in range(0, cols, lanes):
                    c = min(col, cols - lanes)
                    if together:
                        simd.join(acc, together, terms + c * size, step, out + c * pixel)
                    else:
                        for channel in range(0, channels, lanes):
                            k = min(channel, channels - lanes)
                            address = terms + k * step + c * size
                            simd.transpose(acc, address, step, out + c * pixel + k * size, pixel)
                first = cols
            for c in range(first, cols):
                for channel in range(channels):
                    simd.copy_value(acc, terms + channel * step + c * size, out + c * pixel + channel * size)

    return interleave
