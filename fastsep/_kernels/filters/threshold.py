"""A byte for each pixel: `blocks.STRONG` above the upper threshold, `WEAK` above the lower one, else 0."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import share
from fastsep._kernels.simd import bit_exact
from fastsep._kernels.simd import intrinsics as simd


def build(src_name: str):
    """The band function for rows of one float dtype, each at least a vector long."""
    src = np.dtype(src_name)
    lanes = simd.lanes(src)
    size = src.itemsize

    def band(block, index):
        cols = simd.word(block, at.COLS)
        limits = simd.word(block, at.LIMITS)
        first, last = share(block, index, simd.word(block, at.ROWS))
        for row in range(first, last):
            address = simd.word(block, at.SRC) + row * simd.word(block, at.SRC_ROW)
            out = simd.word(block, at.DST) + row * simd.word(block, at.DST_ROW)
            bit_exact.classify(src, address, cols // lanes, limits, out, at.WEAK, at.STRONG)
            rest = cols - lanes
            bit_exact.classify(src, address + rest * size, 1, limits, out + rest, at.WEAK, at.STRONG)

    return band
