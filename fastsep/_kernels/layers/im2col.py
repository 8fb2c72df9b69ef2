"""Lays out, for every tap of a standard convolution, the pixels under it: factors of a matrix product."""

from __future__ import annotations

import numpy as np

from fastsep._kernels.layers import arguments as at
from fastsep._kernels.simd.emitter import lanes as lanes_of
from fastsep._kernels.simd.layers import packing
from fastsep._kernels.simd.memory import word


def build(form: str, acc_name: str):
    """The kernel for "blocks" or "planes" of channels."""
    acc = np.dtype(acc_name)
    size = acc.itemsize
    vector = lanes_of(acc) * size
    planes = form == "planes"

    def lay_out(block, scratch):
        args, tile = at.Layer(block), at.Tile(scratch)
        rows, cols = tile.height, tile.width
        first = tile.group
        kernel_x, groups = args.kernel_x, args.groups
        packed_row = args.packed_row
        step = args.stride_x * vector
        for group in range(first, tile.group_stop):
            packed = tile.packed_at + (group - first) * args.packed_group
            for v in range(args.kernel_y):
                for u in range(kernel_x):
                    number = (v * kernel_x + u) * groups + group
                    to = tile.factors_at + number * args.factors_group
                    for r in range(rows):
                        row = r * args.stride_y + v * args.dilation_y
                        if planes:
                            # Narrow rows spill over into the next one, which is written later.
                            address = packed + row * packed_row + word(args.offsets, u)
                            packing.pack_row(acc, acc, address, cols, to + r * cols * size)
                        else:
                            address = packed + row * packed_row + u * args.dilation_x * vector
                            packing.copy_vectors(acc, address, step, cols, to + r * cols * vector)

    return lay_out
