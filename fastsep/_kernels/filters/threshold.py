"""A byte for each pixel: `arguments.STRONG` above the upper threshold, `WEAK` above the lower one, else 0."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import share
from fastsep._kernels.simd import bit_exact, emitter


def build(src_name: str):
    """The band function for rows of one float dtype, each at least a vector long."""
    src = np.dtype(src_name)
    lanes = emitter.lanes(src)
    size = src.itemsize

    def band(block, index):
        args = at.Threshold(block)
        cols = args.cols
        limits = args.limits
        first, last = share(args, index, args.rows)
        for row in range(first, last):
            address = args.src + row * args.src_row
            out = args.dst + row * args.dst_row
            bit_exact.classify(src, address, cols // lanes, limits, out, at.WEAK, at.STRONG)
            rest = cols - lanes
            bit_exact.classify(src, address + rest * size, 1, limits, out + rest, at.WEAK, at.STRONG)

    return band
