"""Looks for values beyond a limit, NaN among them, at the speed of memory."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.simd import memory


def build(src_name: str):
    """The band function for images of one float dtype: each band sets its word of the result, to 1 if it found any."""
    src = np.dtype(src_name)
    size = src.itemsize

    def band(block, index):
        args = at.Within(block)
        count, bands = args.count, args.bands
        begin, end = count * index // bands, count * (index + 1) // bands
        address = args.src + begin * size
        found = memory.any_beyond(src, address, end - begin, args.limit)
        memory.set_word(args.dst, index, found)

    return band
