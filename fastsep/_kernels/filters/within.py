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
        count, bands = memory.word(block, at.COLS), memory.word(block, at.BANDS)
        begin, end = count * index // bands, count * (index + 1) // bands
        address = memory.word(block, at.SRC) + begin * size
        found = memory.any_beyond(src, address, end - begin, memory.word(block, at.CLIP))
        memory.set_word(memory.word(block, at.DST), index, found)

    return band
