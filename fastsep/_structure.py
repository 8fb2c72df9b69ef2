"""Matrices of derivatives, and what corners are by them.

Images are C-contiguous, of float32 or float64, and no argument is checked any more. The results are
new arrays of the image's dtype: the upper triangle of a symmetric matrix for each pixel, row by
row. What overflows or has no value is infinite or NaN, as in the engine, without a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement

import numpy as np

from fastsep import _dtypes, _plan, _tensor, taps
from fastsep._funnel import apply
from fastsep._image import Array, DType, Frame

# Sobel's, correlated and not divided by anything, as SciPy has it.
SLOPE, ACROSS = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)


def as_float(image: Array, dtype: DType, rescale: bool, workers: int | None) -> Array:
    """Any image as the functions below take it: itself if it can be, else a copy."""
    if image.dtype.kind == "f":
        return _dtypes.convert(image, dtype, None, False)
    return apply(_untouched, (image.ndim,), image, "reflect", 0.0, None, rescale, dtype, None, workers)


# ---- first derivatives


def smoothed_products(
    image: Array, sigma: tuple[float, ...], modes: tuple[str, ...], cval: float, workers: int | None
) -> list[Array]:
    """Products of all pairs of Sobel's derivatives, blurred; takes one more array of the image's size at most."""
    if _tensor.possible(image, modes, cval):
        return _tensor.products(image, sigma, modes, cval, workers)
    ndim = image.ndim
    product = np.empty_like(image)
    slopes = [_derivative(image, axis, modes, cval, product, workers) for axis in range(ndim)]
    blurred = {}
    # The squares come last: then nobody needs the derivatives any more, and their memory is free.
    for pair in (*combinations(range(ndim), 2), *((axis, axis) for axis in range(ndim))):
        with np.errstate(all="ignore"):
            np.multiply(slopes[pair[0]], slopes[pair[1]], out=product)
        out = slopes[pair[0]] if pair[0] == pair[1] else None
        blurred[pair] = apply(
            _gaussian, (sigma, (0,) * ndim, 4.0), product, modes, cval, None, False, None, out, workers
        )
    return [blurred[pair] for pair in combinations_with_replacement(range(ndim), 2)]


def _derivative(
    image: Array,
    axis: int,
    modes: tuple[str, ...],
    cval: float,
    scratch: Array,
    workers: int | None,
) -> Array:
    """The derivative first, then the smoothing along the other axes from the first to the last."""
    lines: list[tuple[float, ...] | None] = [ACROSS] * image.ndim
    lines[axis] = SLOPE
    # Only what lies beyond a constant border tells one order of the axes from another.
    if axis > 0 and cval != 0 and "constant" in modes:
        alone = tuple(line if i == axis else None for i, line in enumerate(lines))
        image = apply(_lines, (alone,), image, modes, cval, None, False, None, scratch, workers)
        lines[axis] = None
    return apply(_lines, (tuple(lines),), image, modes, cval, None, False, None, None, workers)


# ---- second derivatives


def difference_hessian(
    image: Array,
    axes: Sequence[int],
    sigma: tuple[float, ...],
    modes: tuple[str, ...],
    cval: float,
    workers: int | None,
) -> list[Array]:
    """Differences of differences of the blurred image; where no sweep has them, by two more arrays of it in float64."""
    # The kernel for float32 compares neighbours, which the two ends of a row that goes round are not.
    if image.ndim == 2 and (image.dtype == np.float64 or modes[1] != "wrap"):
        forwards = axes[0] == 0
        result = _tensor.hessian(image, "yx" if forwards else "xy", sigma, modes, cval, workers)
        return result if forwards else result[::-1]
    # In float64, since an image that stands high and differs little has few digits left for second differences.
    order = (0,) * image.ndim
    blurred = apply(_gaussian, (sigma, order, 4.0), image, modes, cval, None, False, np.float64, None, workers)
    first = np.empty_like(blurred)
    result = []
    for number, axis in enumerate(axes):
        _difference(blurred, axis, first, workers)
        second = (_difference(first, other, None, workers) for other in axes[number:])
        result += [_dtypes.finish(element, image.dtype) for element in second]
    return result


def _difference(image: Array, axis: int, out: Array | None, workers: int | None) -> Array:
    """Central differences along an axis, and the whole difference of the two pixels at either end."""
    result = apply(_central, (axis,), image, "nearest", 0.0, None, False, None, out, workers)
    ends = np.moveaxis(result, axis, 0)[:: image.shape[axis] - 1]
    with np.errstate(all="ignore"):
        ends *= 2.0
    return result


def gaussian_hessian(
    image: Array,
    axes: Sequence[int],
    sigma: tuple[float, ...],  # of either derivative
    truncate: float,
    modes: tuple[str, ...],
    cval: float,
    workers: int | None,
) -> list[Array]:
    """A derivative of a Gaussian, and another one of that; takes one more array of the image's size."""

    def derivative(image: Array, axis: int, out: Array | None) -> Array:
        order = tuple(int(i == axis) for i in range(image.ndim))
        return apply(_gaussian, (sigma, order, truncate), image, modes, cval, None, False, None, out, workers)

    first = np.empty_like(image)
    result = []
    for number, axis in enumerate(axes):
        derivative(image, axis, first)
        result += [derivative(first, other, None) for other in axes[number:]]
    return result


# ---- what is a corner, by the matrix of two axes


def corners(
    image: Array,
    measure: str,  # "harris", "noble" or "shi_tomasi"
    factor: float,
    sigma: tuple[float, ...],
    modes: tuple[str, ...],
    cval: float,
    workers: int | None,
) -> Array:
    """One measure, from the image; takes three more arrays of its size at most."""
    if _tensor.possible(image, modes, cval):
        return _tensor.corners(image, measure, factor, sigma, modes, cval, workers)
    rows, mixed, cols = smoothed_products(image, sigma, modes, cval, workers)
    with np.errstate(all="ignore"):
        trace = rows + cols
        if measure == "shi_tomasi":
            rows -= cols
            rows *= rows
            mixed *= mixed
            mixed *= 4.0
            rows += mixed
            trace -= np.sqrt(rows, out=rows)
            trace *= 0.5
            return trace
        rows *= cols
        mixed *= mixed
        rows -= mixed
        if measure == "harris":
            np.multiply(trace, trace, out=trace)
            trace *= factor
            rows -= trace
        else:
            rows *= 2.0
            trace += factor
            rows /= trace
    return rows


# ---- recipes


def _untouched(frame: Frame, ndim: int) -> _plan.Filter:
    return taps.separable((None,) * ndim)


def _lines(frame: Frame, lines: tuple[tuple[float, ...] | None, ...]) -> _plan.Filter:
    return taps.separable(lines)


def _gaussian(frame: Frame, sigma: tuple[float, ...], order: tuple[int, ...], truncate: float) -> _plan.Filter:
    return taps.gaussian(sigma, order, truncate)


def _central(frame: Frame, axis: int) -> _plan.Filter:
    return taps.central_difference(frame.ndim, axis)
