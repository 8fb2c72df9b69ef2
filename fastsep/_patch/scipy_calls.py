"""Calls of SciPy's filters: why fastsep does not take one; None if it does.

The functions below have the signatures of those that they tell of. A call that does not fit them is not taken.
Whatever else fastsep's function passes on to SciPy or refuses goes to the original, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from fastsep._patch.checks import (
    AXES,
    CVAL,
    FOOTPRINT,
    MODE,
    OUT,
    REAL,
    VALUES,
    is_array_like,
    is_real,
    is_reals,
    is_whole,
    is_whole_each,
    of_casts,
    of_footprint,
    of_image,
    of_line,
    of_order,
    of_order_border,
    of_overlap,
    of_running_sum,
)

Reason = str | None

_DTYPES = (type, np.dtype, str)


def _of_linear(input: Any, output: Any, mode: Any, cval: Any) -> Reason:
    """What all linear filters have. Of floats with an `output` of integers SciPy truncates what it has rounded."""
    return of_line(input, REAL) or _of_others(input, output, mode, cval)


def _of_others(input: Any, output: Any, mode: Any, cval: Any) -> Reason:
    if output is not None:
        if type(output) is ndarray:
            if not is_array_like(output, input, REAL):
                return OUT
            dtype = output.dtype
        elif isinstance(output, _DTYPES):
            dtype = np.dtype(output)
            if dtype.char not in REAL:
                return OUT
        else:
            return OUT
        if input.dtype.kind == "f" and dtype.kind != "f":
            return OUT
    if type(mode) is not str and type(mode) not in (tuple, list):
        return MODE
    return None if is_real(cval) else CVAL


def _of_order_arrays(input: Any, output: Any, mode: Any, cval: Any) -> Reason:
    """What all minima, maxima and ranks have."""
    reason = of_image(input, REAL) or _of_others(input, output, mode, cval)
    if reason is not None:
        return reason
    if output is not None:
        dtype = output.dtype if type(output) is ndarray else np.dtype(output)
        if dtype != input.dtype:
            return OUT
    return of_order_border(input, cval)


def _are_axes(axes: Any) -> bool:
    """A single negative axis is refused by SciPy in some functions."""
    return axes is None or (type(axes) in (tuple, list) and is_whole_each(axes)) or (is_whole(axes) and axes >= 0)


# ---- correlation with weights of one's own


def correlate1d(
    input: Any, weights: Any, axis: Any = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0,
) -> Reason:  # fmt: skip
    reason = _of_linear(input, output, mode, cval)
    if reason is not None:
        return reason
    if not (_are_weights(weights) and is_whole(axis) and is_whole(origin)):
        return VALUES
    return _of_weights(input, output, cval, weights)


convolve1d = correlate1d


def correlate(
    input: Any, weights: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None,
) -> Reason:  # fmt: skip
    reason = _of_linear(input, output, mode, cval)
    if reason is not None:
        return reason
    if not _are_axes(axes):
        return AXES
    if not (_are_weights(weights) and is_whole_each(origin)):
        return VALUES
    return _of_weights(input, output, cval, weights)


convolve = correlate


def _are_weights(weights: Any) -> bool:
    if type(weights) is ndarray:
        return weights.dtype.char in REAL
    return type(weights) in (tuple, list)


def _of_weights(input: Any, output: Any, cval: Any, weights: Any) -> Reason:
    return None if input.dtype.kind == "f" else of_casts(input, output, cval, float(np.abs(weights).sum()))


# ---- smoothing and edges


def _gain(order: Any, sigma: Any) -> float:
    """How much larger than an image derivatives of a Gaussian may be. For sigma 0.5 absolute taps add up to 6."""
    if np.all(np.equal(order, 0)):
        return 1
    return 256 if np.max(order) <= 2 and np.min(sigma) >= 0.5 else np.inf


def gaussian_filter1d(
    input: Any, sigma: Any, axis: Any = -1, order: Any = 0, output: Any = None, mode: Any = "reflect",
    cval: Any = 0.0, truncate: Any = 4.0, *, radius: Any = None,
) -> Reason:  # fmt: skip
    reason = _of_linear(input, output, mode, cval)
    if reason is not None:
        return reason
    whole = is_whole(axis) and is_whole(order) and (radius is None or is_whole(radius))
    if not (whole and is_real(sigma) and is_real(truncate)):
        return VALUES
    return None if input.dtype.kind == "f" else of_casts(input, output, cval, _gain(order, sigma))


def gaussian_filter(
    input: Any, sigma: Any, order: Any = 0, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    truncate: Any = 4.0, *, radius: Any = None, axes: Any = None,
) -> Reason:  # fmt: skip
    reason = _of_linear(input, output, mode, cval)
    if reason is not None:
        return reason
    if not _are_axes(axes):
        return AXES
    whole = is_whole_each(order) and (radius is None or is_whole_each(radius))
    if not (whole and is_reals(sigma) and is_real(truncate)):
        return VALUES
    return None if input.dtype.kind == "f" else of_casts(input, output, cval, _gain(order, sigma))


def uniform_filter1d(
    input: Any, size: Any, axis: Any = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0,
) -> Reason:  # fmt: skip
    reason = _of_linear(input, output, mode, cval)
    if reason is not None:
        return reason
    if not (is_whole(size) and is_whole(axis) and is_whole(origin)):
        return VALUES
    return CVAL if abs(cval) > 1e30 else of_running_sum(input) or of_casts(input, output, cval, 1)


def uniform_filter(
    input: Any, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None,
) -> Reason:  # fmt: skip
    reason = _of_linear(input, output, mode, cval)
    if reason is not None:
        return reason
    if not _are_axes(axes):
        return AXES
    if not (is_whole_each(size) and is_whole_each(origin)):
        return VALUES
    return CVAL if abs(cval) > 1e30 else of_running_sum(input) or of_casts(input, output, cval, 1)


def sobel(input: Any, axis: Any = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Reason:
    reason = _of_linear(input, output, mode, cval)
    if reason is not None:
        return reason
    return of_casts(input, output, cval, 4**input.ndim) if is_whole(axis) else VALUES


prewitt = sobel


def laplace(input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None) -> Reason:
    reason = _of_linear(input, output, mode, cval) or of_overlap(input, output)
    if reason is not None:
        return reason
    return of_casts(input, output, cval, 4 * input.ndim) if _are_axes(axes) else AXES


def gaussian_laplace(
    input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    truncate: Any = 4.0, radius: Any = None,
) -> Reason:  # fmt: skip
    reason = gaussian_filter(input, sigma, 2, output, mode, cval, truncate, radius=radius, axes=axes)
    return reason or of_overlap(input, output)


gaussian_gradient_magnitude = gaussian_laplace


# ---- minimum, maximum, ranks


def minimum_filter1d(
    input: Any, size: Any, axis: Any = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0,
) -> Reason:  # fmt: skip
    reason = _of_order_arrays(input, output, mode, cval)
    if reason is not None:
        return reason
    return of_order(input) if is_whole(size) and is_whole(axis) and is_whole(origin) else VALUES


maximum_filter1d = minimum_filter1d


def _of_window(
    input: Any, size: Any, footprint: Any, output: Any, mode: Any, cval: Any, origin: Any, axes: Any, ranks: bool
) -> Reason:
    """Of both `size` and `footprint` SciPy warns. Its ranks of a line ignore holes in the footprint."""
    reason = _of_order_arrays(input, output, mode, cval) or of_footprint(footprint)
    if reason is not None:
        return reason
    if footprint is not None and (size is not None or (ranks and input.ndim == 1 and not footprint.all())):
        return FOOTPRINT
    if not _are_axes(axes):
        return AXES
    return of_order(input) if (size is None or is_whole_each(size)) and is_whole_each(origin) else VALUES


def minimum_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0, *, axes: Any = None,
) -> Reason:  # fmt: skip
    return _of_window(input, size, footprint, output, mode, cval, origin, axes, False)


maximum_filter = minimum_filter


def median_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0, *, axes: Any = None,
) -> Reason:  # fmt: skip
    return _of_window(input, size, footprint, output, mode, cval, origin, axes, True)


def rank_filter(
    input: Any, rank: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
    cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Reason:  # fmt: skip
    return _of_window(input, size, footprint, output, mode, cval, origin, axes, True) if is_whole(rank) else VALUES


def percentile_filter(
    input: Any, percentile: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
    cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Reason:  # fmt: skip
    if not is_real(percentile):
        return VALUES
    return _of_window(input, size, footprint, output, mode, cval, origin, axes, True)


# ---- grey morphology


def grey_erosion(
    input: Any, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Reason:  # fmt: skip
    """A structure that is not flat is SciPy's."""
    if structure is not None:
        return VALUES
    return _of_window(input, size, footprint, output, mode, cval, origin, axes, False)


grey_dilation = grey_opening = grey_closing = grey_erosion


def morphological_gradient(
    input: Any, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Reason:  # fmt: skip
    reason = grey_erosion(input, size, footprint, structure, output, mode, cval, origin, axes=axes)
    return reason or of_overlap(input, output)


morphological_laplace = white_tophat = black_tophat = morphological_gradient
