"""Second differences of an image: what numpy.gradient makes of what it makes of the image, along all pairs of two axes.

A difference is half of that of the two neighbours of a pixel, or, at either end of an axis, the whole one of the
pixel and its only neighbour.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import share
from fastsep._kernels.simd import deviation as deviation_simd
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, acc_name: str):
    """The band function for one float dtype; the results are differences along (y, y), (y, x) and (x, x).

    `form`: "yx" or "xy", along which axis those of two axes are taken first; "... of sum" where the image is the sum
    of both sources.
    """
    acc = np.dtype(acc_name)
    size = acc.itemsize
    order, is_sum = form[:2], form.endswith("of sum")

    @helper
    def down(args, below, above, factor, to):
        """Differences of two rows, which are two apart or neighbours."""
        sweep_simd.difference(acc, acc, below, above, factor, args.cols, to)

    @helper
    def across(args, row, to):
        """Differences along a row."""
        half, cols = args.factors, args.cols
        whole, end = half + size, (cols - 1) * size
        sweep_simd.difference(acc, acc, row + 2 * size, row, half, cols - 2, to + size)
        sweep_simd.difference(acc, acc, row + size, row, whole, 1, to)
        sweep_simd.difference(acc, acc, row + end, row + end - size, whole, 1, to + end)

    @helper
    def subtract(args, row, column, other_row, other_column, factor, count, to):
        """Differences of `count` pixels of the image from one on and from another on."""
        source, row_bytes = args.src, args.src_row
        high = source + row * row_bytes + column * size
        low = source + other_row * row_bytes + other_column * size
        if is_sum:
            source, row_bytes = args.src_2, args.src_2_row
            second_high = source + row * row_bytes + column * size
            second_low = source + other_row * row_bytes + other_column * size
            deviation_simd.difference_of_sums(acc, high, low, second_high, second_low, factor, count, to)
        else:
            sweep_simd.difference(acc, acc, high, low, factor, count, to)

    @helper
    def across_image(args, row, to):
        """Differences along a row of the image."""
        half, cols = args.factors, args.cols
        whole, end = half + size, (cols - 1) * size
        subtract(args, row, 2, row, 0, half, cols - 2, to + size)
        subtract(args, row, 1, row, 0, whole, 1, to)
        subtract(args, row, cols - 1, row, cols - 2, whole, 1, to + end)

    def band(block, index):
        args = at.Hessian(block)
        rows, cols = args.rows, args.cols
        kept = args.scratch + args.spare
        kept_row = args.spare_row
        slope_x = kept + at.SLOPES_Y * kept_row
        slope_x_above = slope_x + kept_row
        first, last = share(args, index, rows)
        made = max(first - 1, 0)
        for row in range(first, last):
            # Differences along y are one row ahead: second ones are made of those above and below.
            for r in range(made, min(row + 1, rows - 1) + 1):
                above, below = max(r - 1, 0), min(r + 1, rows - 1)
                factor = args.factors + (0 if below - above == 2 else size)
                to = kept + r % at.SLOPES_Y * kept_row
                subtract(args, below, 0, above, 0, factor, cols, to)
            above, below = max(row - 1, 0), min(row + 1, rows - 1)
            made = below + 1
            factor = args.factors + (0 if below - above == 2 else size)
            place = row * args.dst_row
            slope_above, slope_below = kept + above % at.SLOPES_Y * kept_row, kept + below % at.SLOPES_Y * kept_row
            down(args, slope_below, slope_above, factor, args.dst + place)
            if order == "yx":
                across(args, kept + row % at.SLOPES_Y * kept_row, args.dst_2 + place)
            else:
                across_image(args, below, slope_x)
                across_image(args, above, slope_x_above)
                down(args, slope_x, slope_x_above, factor, args.dst_2 + place)
            across_image(args, row, slope_x)
            across(args, slope_x, args.dst_3 + place)

    return band
