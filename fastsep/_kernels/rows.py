"""Index arithmetic: a band's share of the rows and of the scratch memory, and what lies outside an image."""

from __future__ import annotations

from fastsep._kernels.arguments import BANDS, CONSTANT, FIRST, LAST, MIRROR, NEAREST, REFLECT, SCRATCH, SCRATCH_BAND
from fastsep._kernels.helper import helper
from fastsep._kernels.simd import memory


@helper
def share(block, index, total):
    """The first row of a band and the one after its last, of `total` rows in all planes together."""
    bands = memory.word(block, BANDS)
    if bands == 0:
        return memory.word(block, FIRST), memory.word(block, LAST)
    return total * index // bands, total * (index + 1) // bands


@helper
def scratch_of(block, index):
    """The scratch memory of a band."""
    return memory.word(block, SCRATCH) + index * memory.word(block, SCRATCH_BAND)


@helper
def outside(index, size, mode):
    """The pixel that stands for pixel `index` of `size`; -1 for the constant."""
    if 0 <= index < size:
        return index
    if mode == CONSTANT:
        return -1
    if mode == NEAREST:
        return 0 if index < 0 else size - 1
    if mode == REFLECT:
        index = index % (2 * size)
        return index if index < size else 2 * size - 1 - index
    if mode == MIRROR:
        if size == 1:
            return 0
        index = index % (2 * size - 2)
        return index if index < size else 2 * size - 2 - index
    return index % size
