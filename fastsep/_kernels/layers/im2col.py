"""Lays out, for every tap of a standard convolution, the pixels under it: factors of a matrix product."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.layers import words as at
from fastsep._kernels.simd import layers as simd
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.memory import word


def build(form: str, acc_name: str):
    """The kernel for "blocks" or "planes" of channels."""
    acc = np.dtype(acc_name)
    size = acc.itemsize
    vector = lanes_of(acc) * size
    planes = form == "planes"

    def lay_out(block, tile):
        rows, cols = word(tile, at.HEIGHT), word(tile, at.WIDTH)
        first = word(tile, at.GROUP)
        kernel_x, groups = word(block, at.KERNEL_X), word(block, at.GROUPS)
        packed_row = word(block, at.PACKED_ROW)
        step = word(block, at.STRIDE_X) * vector
        for group in range(first, word(tile, at.GROUP_STOP)):
            packed = word(tile, at.PACKED_AT) + (group - first) * word(block, at.PACKED_GROUP)
            for v in range(word(block, at.KERNEL_Y)):
                for u in range(kernel_x):
                    number = (v * kernel_x + u) * groups + group
                    to = word(tile, at.TERMS_AT) + number * word(block, at.TERMS_GROUP)
                    for r in range(rows):
                        row = r * word(block, at.STRIDE_Y) + v * word(block, at.DILATION_Y)
                        if planes:
                            # Narrow rows spill over into the next one, which is written later.
                            address = packed + row * packed_row + word(word(block, at.OFFSETS), u)
                            simd.pack_row(acc, acc, address, cols, to + r * cols * size)
                        else:
                            address = packed + row * packed_row + u * word(block, at.DILATION_X) * vector
                            simd.copy_vectors(acc, address, step, cols, to + r * cols * vector)

    return lay_out
