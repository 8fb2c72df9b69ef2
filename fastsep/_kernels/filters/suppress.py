"""Canny's non-maximum suppression: from derivatives and magnitudes to a byte for each pixel."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import share, whole_or_last
from fastsep._kernels.simd import bit_exact, emitter, memory


def build(acc_name: str):
    """The band function for one float dtype.

    The source is the magnitudes of a gradient, the second one the image whose gradient it is. Rows of both are
    readable for a vector beyond their end.
    """
    acc = np.dtype(acc_name)
    lanes = emitter.lanes(acc)
    size = acc.itemsize

    def band(block, index):
        args = at.Suppress(block)
        rows, cols = args.rows, args.cols
        row_bytes, image_row = args.src_row, args.src_2_row
        limits = args.limits
        first, last = share(args, index, rows)
        # The outermost pixels are no edges; between them whole vectors, the last of which overlaps.
        inside = cols - 2
        spare = args.scratch + args.spare
        for row in range(first, last):
            out = args.dst + row * args.dst_row
            if row == 0 or row == rows - 1 or inside < 1:
                for x in range(cols):
                    bit_exact.set_byte(out, x, 0)
                continue
            bit_exact.set_byte(out, 0, 0)
            bit_exact.set_byte(out, cols - 1, 0)
            here = args.src + row * row_bytes + size
            image = args.src_2 + row * image_row + size
            above, below = here - row_bytes, here + row_bytes
            for part in range(2):
                x, vectors = whole_or_last(part, inside, lanes)
                to = spare if inside < lanes else out + 1 + x
                bit_exact.suppress(
                    acc, image + x * size, image_row, above + x * size, here + x * size, below + x * size, vectors,
                    limits, to, at.WEAK, at.STRONG,
                )  # fmt: skip
            if inside < lanes:
                memory.copy_bytes(out + 1, spare, inside)

    return band
