"""How much of a corner each pixel is, by a 2 x 2 matrix: Harris and Stephens', Noble's, Shi and Tomasi's measure."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import share, whole_or_last
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, acc_name: str):
    """The band function for one measure (see `sweep_simd.corner`) and float dtype.

    The source is three planes, SRC_PLANE bytes apart, whose rows are readable for a vector beyond their end.
    """
    acc = np.dtype(acc_name)
    lanes = emitter.lanes(acc)
    size = acc.itemsize

    def band(block, index):
        args = at.Corner(block)
        width = args.cols
        plane = args.src_plane
        factor = args.factor
        spare = args.scratch + args.spare
        first, last = share(args, index, args.rows)
        for row in range(first, last):
            rows = args.src + row * args.src_row
            out = args.dst + row * args.dst_row
            for part in range(2):
                column, vectors = whole_or_last(part, width, lanes)
                here = rows + column * size
                to = spare if width < lanes else out + column * size
                sweep_simd.corner(acc, form, here, here + plane, here + 2 * plane, vectors, factor, to)
            if width < lanes:
                memory.copy_bytes(out, spare, width * size)

    return band
