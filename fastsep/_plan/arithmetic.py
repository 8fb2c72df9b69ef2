"""The dtype in which a filter is computed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastsep._plan.casting import sums_exactly
from fastsep._plan.differences import ZERO_SUM_DENSE, loses_digits, middle, takes_differences, takes_slopes
from fastsep._plan.plan import Axes
from fastsep._plan.spec import IDENTITY, Filter, Fourier, Separable, tap_sum
from fastsep._validation.array_like import DType

F32, F64, I16 = np.dtype("float32"), np.dtype("float64"), np.dtype("int16")


def arithmetic_dtype(what: Filter, axes: Axes, src: DType, dst: DType, scale: float, border: float) -> DType:
    """float64 for float64 images and results, and where integers would not stay exact or differences would be lost;
    else float32. The image's own where pixels are only compared."""
    if what.own_dtype:
        return src
    if what.cast:  # in float64 as SciPy, unless 24 digits hold every sum
        return F32 if max(src.itemsize, dst.itemsize) <= 2 and sums_exactly(what, src, dst, border, 24) else F64
    if F64 in (src, dst) or not what.fits_float32():
        return F64
    gain = what.whole_gain()
    if src.kind == "f" or dst.kind == "f" or scale != 1 or gain is None:
        integers = src.kind != "f" and dst.kind != "f" and scale == 1
        return F64 if (integers and what.whole) or _needs_float64(what, axes, scale, border) else F32
    return F32 if gain * max(_largest(src), abs(border)) <= 2**24 else F64


def _largest(dtype: DType) -> int:
    info = np.iinfo(dtype)
    return max(-int(info.min), int(info.max))


def _reaches_far_beyond(what: Separable, axes: Axes) -> bool:
    """Whether lines along y see some rows many times: rows filtered along x before would all have to be kept."""
    if len(axes.sizes) != 2:
        return False
    halo = max(len(line.taps) - 1 for line in (term.lines[0] or IDENTITY for term in what.terms))
    return halo > max(axes.sizes[0], MOST_HALO)


def _needs_float64(what: Filter, axes: Axes, scale: float, border: float) -> bool:
    """Whether a filter whose taps cancel is beyond the kernels that take differences first."""
    beyond = BEYOND_DIFFERENCES.get(type(what))
    return beyond is not None and beyond(what, axes, scale, border)


def _terms_cancel(what: Separable, axes: Axes, scale: float, border: float) -> bool:
    if what.exact or what.divisors is not None:
        return False
    reduced = what.of_axes(axes.start, axes.stop)
    if loses_digits(reduced, scale):
        if len(axes.sizes) == 3:
            beyond = not takes_slopes(reduced, axes.modes, border)
        else:
            beyond = len(axes.sizes) > 3 or not takes_differences(what) or _reaches_far_beyond(reduced, axes)
        if beyond:
            return True
    if what.combine != "sum":
        return False
    # Terms that cancel each other, but not each by itself.
    sums = [math.prod(map(tap_sum, term.lines)) for term in what.terms]
    return abs(math.fsum(sums)) < ZERO_SUM_DENSE * what.gain() < max(map(abs, sums))


def _kernel_cancels(what: Fourier, axes: Axes, scale: float, border: float) -> bool:
    return middle(what.kernel) is not None


#: Of the other kinds no sum cancels, or each has a kernel that takes differences.
BEYOND_DIFFERENCES: dict[type[Filter], Callable[..., bool]] = {Separable: _terms_cancel, Fourier: _kernel_cancels}

#: Rows above and below a row that may be more than the image has, where they are filtered along x first.
MOST_HALO = 16
