"""Calls of scikit-image's functions: why fastsep does not take one; None if it does.

The functions below have the signatures of those that they tell of. A call that does not fit them is not taken.
"""

from __future__ import annotations

import math
from typing import Any

from numpy import ndarray

from fastsep._patch.checks import (
    AXES,
    AXIS,
    DTYPE,
    FOOTPRINT,
    MODE,
    OUT,
    REAL,
    REAL_AND_HALF,
    SUBCLASS,
    VALUES,
    is_array_like,
    is_real,
    is_reals,
    is_whole,
    of_border,
    of_footprint,
    of_image,
    of_mask,
    of_order,
    of_order_border,
)

Reason = str | None

# ---- smoothing


def gaussian(
    image: Any, sigma: Any = 1.0, *, mode: Any = "nearest", cval: Any = 0, preserve_range: Any = False,
    truncate: Any = 4.0, channel_axis: Any = None, out: Any = None,
) -> Reason:  # fmt: skip
    reason = of_image(image, REAL_AND_HALF) or of_border(mode, cval) or _of_channel(image, channel_axis)
    if reason is not None:
        return reason
    if out is not None and not is_array_like(out, image, "fd"):
        return OUT
    return None if is_reals(sigma) and is_real(truncate) and type(preserve_range) is bool else VALUES


def difference_of_gaussians(
    image: Any, low_sigma: Any, high_sigma: Any = None, *, mode: Any = "nearest", cval: Any = 0,
    channel_axis: Any = None, truncate: Any = 4.0,
) -> Reason:  # fmt: skip
    reason = of_image(image, REAL_AND_HALF) or of_border(mode, cval) or _of_channel(image, channel_axis)
    if reason is not None:
        return reason
    sigmas = is_reals(low_sigma) and (high_sigma is None or is_reals(high_sigma))
    return None if sigmas and is_real(truncate) else VALUES


def unsharp_mask(
    image: Any, radius: Any = 1.0, amount: Any = 1.0, preserve_range: Any = False, *, channel_axis: Any = None
) -> Reason:
    """scikit-image fills only a few rows where `channel_axis` is negative."""
    reason = of_image(image, REAL_AND_HALF) or _of_channel(image, channel_axis)
    if reason is not None:
        return reason
    if channel_axis is not None and channel_axis < 0:
        return AXIS
    return None if is_reals(radius) and is_real(amount) and type(preserve_range) is bool else VALUES


def _of_channel(image: ndarray[Any, Any], channel_axis: Any) -> Reason:
    if channel_axis is None:
        return None
    return None if is_whole(channel_axis) and -image.ndim <= channel_axis < image.ndim > 1 else AXIS


# ---- edges


def sobel(image: Any, mask: Any = None, *, axis: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Reason:
    """Along a negative axis scikit-image smooths, too."""
    reason = of_image(image, REAL_AND_HALF) or of_border(mode, cval) or of_mask(mask, image)
    if reason is not None or axis is None:
        return reason
    if type(axis) in (tuple, list):
        fits = all(is_whole(each) and 0 <= each < image.ndim for each in axis) and len(set(axis)) == len(axis) > 1
    else:
        fits = is_whole(axis) and 0 <= axis < image.ndim
    return None if fits else AXIS


scharr = prewitt = farid = sobel


def sobel_h(image: Any, mask: Any = None) -> Reason:
    reason = of_image(image, REAL_AND_HALF) or of_mask(mask, image)
    return reason if reason is not None or image.ndim == 2 else AXES


sobel_v = scharr_h = scharr_v = prewitt_h = prewitt_v = sobel_h
roberts = roberts_pos_diag = roberts_neg_diag = sobel_h


def farid_h(image: Any, *, mask: Any = None) -> Reason:
    return sobel_h(image, mask)


farid_v = farid_h


def laplace(image: Any, ksize: Any = 3, mask: Any = None) -> Reason:
    reason = of_image(image, REAL_AND_HALF) or of_mask(mask, image)
    return reason if reason is not None or (is_whole(ksize) and ksize >= 3) else VALUES


def canny(
    image: Any, sigma: Any = 1.0, low_threshold: Any = None, high_threshold: Any = None, mask: Any = None,
    use_quantiles: Any = False, *, mode: Any = "constant", cval: Any = 0.0,
) -> Reason:  # fmt: skip
    """Of float32 images, whose decisions fastsep rounds otherwise, scikit-image's edges; it refuses 64-bit integers."""
    reason = of_image(image, "?bBhHiId") or of_border(mode, cval) or of_mask(mask, image)
    if reason is not None:
        return reason
    if image.ndim != 2:
        return AXES
    thresholds = all(each is None or is_real(each) for each in (low_threshold, high_threshold))
    return None if thresholds and is_reals(sigma) and type(use_quantiles) is bool else VALUES


def apply_hysteresis_threshold(image: Any, low: Any, high: Any) -> Reason:
    """With a threshold of NaN scikit-image keeps everything."""
    reason = of_image(image, REAL)
    return reason if reason is not None or (is_real(low) and is_real(high)) else VALUES


# ---- corners


def structure_tensor(
    image: Any, sigma: Any = 1, mode: Any = "constant", cval: Any = 0, order: Any = "rc"
) -> Reason:  # fmt: skip
    reason = of_image(image, REAL_AND_HALF) or of_border(mode, cval)
    if reason is not None:
        return reason
    if not 2 <= image.ndim <= 5 or 1 in image.shape:
        return AXES
    return None if is_reals(sigma) and type(order) is str else VALUES


def hessian_matrix(
    image: Any, sigma: Any = 1, mode: Any = "constant", cval: Any = 0, order: Any = "rc",
    use_gaussian_derivatives: Any = None,
) -> Reason:  # fmt: skip
    """Not given, `use_gaussian_derivatives` makes scikit-image warn, in its own words."""
    reason = of_image(image, REAL_AND_HALF) or of_border(mode, cval)
    if reason is not None:
        return reason
    if image.ndim < 2 or min(image.shape) < 2:
        return AXES
    fits = is_reals(sigma) and type(order) is str and type(use_gaussian_derivatives) is bool
    return None if fits else VALUES


def corner_harris(image: Any, method: Any = "k", k: Any = 0.05, eps: Any = 1e-6, sigma: Any = 1) -> Reason:
    """Any other `method` is "eps" in scikit-image."""
    reason = corner_shi_tomasi(image, sigma)
    if reason is not None:
        return reason
    return None if method in ("k", "eps") and is_real(k) and is_real(eps) else VALUES


def corner_shi_tomasi(image: Any, sigma: Any = 1) -> Reason:
    reason = of_image(image, REAL_AND_HALF)
    if reason is not None:
        return reason
    if image.ndim != 2 or 1 in image.shape:
        return AXES
    return None if is_reals(sigma) else VALUES


def peak_local_max(
    image: Any, min_distance: Any = 1, threshold_abs: Any = None, threshold_rel: Any = None,
    exclude_border: Any = True, num_peaks: Any = math.inf, footprint: Any = None, labels: Any = None,
    num_peaks_per_label: Any = math.inf, p_norm: Any = math.inf,
) -> Reason:  # fmt: skip
    """Of a distance below 1 scikit-image warns, and it cannot sort bools."""
    reason = of_image(image, REAL[1:]) or of_footprint(footprint)
    if reason is not None:
        return reason
    if labels is not None and not (type(labels) is ndarray and labels.dtype.kind in "iu"):
        return DTYPE
    if labels is not None and image.ndim != 2:  # if there is no peak, scikit-image's result has two columns
        return AXES
    thresholds = all(each is None or is_real(each) for each in (threshold_abs, threshold_rel))
    counts = is_real(num_peaks) and is_real(num_peaks_per_label) and is_real(p_norm)
    border = type(exclude_border) in (bool, int, tuple)
    if not (thresholds and counts and border and is_whole(min_distance) and min_distance >= 1):
        return VALUES
    return of_order(image)


# ---- ranks and grey morphology


def median(
    image: Any, footprint: Any = None, out: Any = None, mode: Any = "nearest", cval: Any = 0.0,
    behavior: Any = "ndimage",
) -> Reason:  # fmt: skip
    """SciPy's ranks of a line ignore holes in its footprint."""
    reason = of_image(image, REAL) or of_border(mode, cval) or of_footprint(footprint)
    if reason is not None:
        return reason
    if behavior != "ndimage":
        return VALUES
    if out is not None and not is_array_like(out, image, image.dtype.char):
        return OUT
    if image.ndim == 1 and footprint is not None and not footprint.all():
        return FOOTPRINT
    return of_order_border(image, cval) or of_order(image)


def erosion(image: Any, footprint: Any = None, out: Any = None, *, mode: Any = "reflect", cval: Any = 0.0) -> Reason:
    """Of a `numpy.memmap` scikit-image makes another one; the largest integer of 64 bits SciPy makes a float."""
    if type(image) is not ndarray:
        return SUBCLASS
    reason = of_image(image, REAL) or of_border(mode, cval)
    if reason is not None:
        return reason
    if out is not None and not is_array_like(out, image, image.dtype.char):
        return OUT
    if not (footprint is None or type(footprint) is ndarray or type(footprint) in (tuple, list)):
        return FOOTPRINT
    if mode in ("max", "min", "ignore") and image.dtype.kind in "iu" and image.dtype.itemsize == 8:
        return MODE
    return of_order_border(image, cval) or of_order(image)


dilation = opening = closing = white_tophat = black_tophat = erosion
