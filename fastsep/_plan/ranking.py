"""Which windows pixels can be ranked in."""

from __future__ import annotations

import numpy as np

from fastsep._validation.array_like import Array, DType

#: Pixels of the largest window that is ranked by comparisons. To make the network takes 0.1 s for 31 x 31 pixels, and
#: 1 s for as many at random (measured); it is remembered.
MOST_COMPARED = 1024
#: Pixels of the largest windows whose histograms have counts of 8 and of 16 bits.
MOST_IN_BYTES, MOST_COUNTED = (1 << 8) - 1, (1 << 16) - 1


def has_histograms(footprint: Array, dtype: DType) -> bool:
    """Whether the footprint is a rectangle in a plane of bytes, of no more pixels than can be counted."""
    used = [axis for axis, size in enumerate(footprint.shape) if size > 1]
    plane = not used or used[-1] - used[0] < 2
    return plane and dtype.itemsize == 1 and footprint.size <= MOST_COUNTED and bool(footprint.all())


def can_rank(footprint: Array, dtype: DType) -> bool:
    """Whether there is a kernel for this footprint (bool, an axis for each spatial one) on images of this dtype."""
    return int(np.count_nonzero(footprint)) <= MOST_COMPARED or has_histograms(footprint, dtype)
