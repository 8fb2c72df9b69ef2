"""What a Fourier transform of a block rounds away, and where in the block that would show.

A transform mixes all pixels of a block, so that its rounding errors follow the largest of them: beside a peak they may
be larger than the pixels. These functions say how large the errors are, and what lies under the kernel at each result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastsep._plan.arithmetic import F32, F64
from fastsep._validation.array_like import Array, DType

#: No result of a transform is off by more, as a part of the sum of the magnitudes of the taps times the largest
#: magnitude under the kernel; and where neither pixels nor taps are negative, as a part of the result itself.
LOCAL = {F32: 1e-4, F64: 1e-10}
#: Where no result can be negative, an error of this part of that product is allowed, too: a tap that small beside the
#: others does not count.
FAINT = 1e-12
#: Errors as a multiple of eps times the Euclidean norms of block and kernel. Measured over blocks of one to three axes,
#: 64 to 2048 values long, of noise, steps, ramps and single peaks, under five kinds of kernels: at most 1.8.
_ERROR = 2.0
#: Below this float32 soon has fewer digits.
_SMALL = 2.0**-100
#: Values of which BLAS adds up the squares. For more than 10,000 it takes threads of its own, and the sum would depend
#: on their number.
_TOGETHER = 4096


def norm(values: Array) -> float:
    """The Euclidean norm of a contiguous array, about; NaN or infinite if a value or the norm is."""
    flat = values.reshape(-1)
    rows = flat[: flat.size // _TOGETHER * _TOGETHER].reshape(-1, _TOGETHER)
    rest = flat[rows.size :]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        total = float(np.vecdot(rows, rows).sum() + np.dot(rest, rest))
        if 1e-20 < total < 1e30:  # no square has left the range of float32
            return math.sqrt(total)
        largest = np.float64(np.abs(flat).max(initial=0.0))
        return float(largest * np.linalg.norm(flat / largest) if 0.0 < largest < math.inf else largest)


def lost(block: float, kernel: float, dtype: DType) -> float:
    """What no result of a transform in `dtype` is off by more than, of a block and a kernel of these norms."""
    if dtype == F32 and min(block, kernel) < _SMALL:
        return math.inf
    return _ERROR * float(np.finfo(dtype).eps) * block * kernel


def least_peak(pixels: Array, kernel: tuple[int, ...]) -> float:
    """A lower bound of the largest magnitude under a kernel of this shape, wherever it is in `pixels`.

    Of a row in every kernel's height only, in stretches of which every kernel covers a whole one.
    """
    every: tuple[Any, ...] = tuple(slice(None, None, size) for size in kernel[:-1])
    lines = np.abs(pixels[every])
    length = (kernel[-1] + 1) // 2
    count = lines.shape[-1] // length
    starts = np.arange(0, count * length, length)
    return float(np.maximum.reduceat(lines[..., : count * length], starts, axis=-1).min())


def largest_under(pixels: Array, kernel: tuple[int, ...]) -> Array:
    """The largest magnitude under a kernel of this shape at each place in `pixels` where it fits."""
    found = np.abs(pixels)
    for axis, size in enumerate(kernel):
        lines = np.moveaxis(found, axis, 0)
        width = 1
        while width < size:  # windows of twice the width, the last time of less
            step = min(width, size - width)
            lines = np.maximum(lines[:-step], lines[step:])
            width += step
        found = np.moveaxis(lines, 0, axis)
    return found
