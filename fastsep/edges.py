"""Edge detection: gradients, Canny's detector, hysteresis.

Options that these functions share with the filters are described in `fastsep.filters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy.typing as npt

from fastsep import filters
from fastsep._call import OWN_RESCALED, apply, apply_for_several
from fastsep._docs import complete
from fastsep._ops import canny as _canny
from fastsep._ops import gradient as _gradient
from fastsep._ops import hysteresis as _hysteresis
from fastsep._ops import missing
from fastsep._ops.missing import COMPLETE, differ
from fastsep._types import Axes, Axis, Floats, Mode, Nan
from fastsep._validation import arrays, scalars
from fastsep._validation.array_like import Array

__all__ = ["apply_hysteresis_threshold", "canny", "gradient"]


def __dir__() -> list[str]:
    return __all__


@overload
def gradient(
    image: npt.ArrayLike,
    operator: str = ...,
    *,
    sigma: Floats | None = ...,
    output: str,
    mode: Mode = ...,
    cval: float = ...,
    channel_axis: Axis | None = ...,
    axis: Axes | None = ...,
    dtype: npt.DTypeLike | None = ...,
    out: Array | None = ...,
    workers: int | None = ...,
    weights: npt.ArrayLike | None = ...,
    nan: Nan = ...,
    min_weight: float = ...,
    keep_nan: bool = ...,
    nodata: int | None = ...,
    fill_value: float | None = ...,
) -> Array: ...


@overload
def gradient(
    image: npt.ArrayLike,
    operator: str = ...,
    *,
    sigma: Floats | None = ...,
    output: tuple[str, ...] | list[str] = ...,
    mode: Mode = ...,
    cval: float = ...,
    channel_axis: Axis | None = ...,
    axis: Axes | None = ...,
    dtype: npt.DTypeLike | None = ...,
    out: Sequence[Array | None] | None = ...,
    workers: int | None = ...,
    weights: npt.ArrayLike | None = ...,
    nan: Nan = ...,
    min_weight: float = ...,
    keep_nan: bool = ...,
    nodata: int | None = ...,
    fill_value: float | None = ...,
) -> tuple[Array, ...]: ...


def gradient(
    image: npt.ArrayLike,
    operator: str = "sobel",
    *,
    sigma: Floats | None = None,
    output: str | tuple[str, ...] | list[str] = ("dy", "dx"),
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    axis: Axes | None = None,
    dtype: npt.DTypeLike | None = None,
    out: Any = None,
    workers: int | None = None,
    weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Any:
    """Derivatives, magnitude and orientation of the gradient, of a 2-D image in one sweep.

    magnitude = sqrt(sum of the squares of the derivatives), so that `sobel(x)` is the magnitude divided by
    sqrt(ndim); orientation = arctan2(dy, dx) in radians.

    Parameters
    ----------
    operator : str
        "sobel", "scharr", "prewitt" or "farid", normalised as the filters of these names; "central", half
        the difference of both neighbours (`numpy.gradient` inside the image); or "gaussian",
        derivatives of a Gaussian of standard deviation `sigma`. Missing pixels need the last one: results
        are then derivatives of the normalized blur.
    sigma : float, one float per spatial axis, or dict by dimension, optional
        Smooth with a Gaussian first, in the same sweep; for "gaussian", that Gaussian (default: 1). It
        reaches int(4 * sigma + 0.5) pixels.
    output : str or tuple of str
        What to compute: "dx" along the last spatial axis, "dy" along the one before, "dz" along the
        third from the end, "d0", "d1", ... counted from the first; "magnitude"; "orientation" (two
        spatial axes or more). A string gives an array, a tuple a tuple of arrays.
    axis : int, name of a dimension, or several, optional
        Array axes over which the magnitude is taken. Default: all spatial axes.
    out : ndarray or tuple of ndarray, optional
        Arrays to write into, as many as `output` names. None in a tuple: a new array.

    Returns
    -------
    ndarray or tuple of ndarray, each of the image's shape

    Raises
    ------
    ValueError
        As the filters do; and for an unknown operator or output.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> ramp = np.add.outer(np.arange(5.0), np.arange(5.0))
    >>> fastsep.gradient(ramp, output="dy")[2].tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0]
    >>> float(np.degrees(fastsep.gradient(ramp, output="orientation")[2, 2]).round(6))
    45.0
    """
    names = (output,) if isinstance(output, str) else scalars.words("output", output)
    parameters = (operator, sigma, type(sigma), names, axis)
    call = (_gradient.builder, parameters, image, mode, cval, channel_axis, OWN_RESCALED, dtype)
    given = (type(image), type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    incomplete = differ(given, COMPLETE) or weights is not None or mode == "ignore"
    if isinstance(output, str):
        if incomplete:
            return missing.apply((*call, out, workers), _gradient.of_missing, weights, given[2:])
        return apply(*call, out, workers)
    outs = arrays.outs(out, len(names))
    if incomplete:
        call = (*call, outs, workers)  # type: ignore[assignment]
        return tuple(missing.apply_for_several(call, _gradient.of_missing, weights, given[2:]))
    return tuple(apply_for_several(*call, outs, workers))


def canny(
    image: npt.ArrayLike,
    sigma: Floats = 1.0,
    low_threshold: float | None = None,
    high_threshold: float | None = None,
    mask: npt.ArrayLike | None = None,
    use_quantiles: bool = False,
    *,
    mode: Mode = "constant",
    cval: float = 0.0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Edges of a 2-D image, one pixel wide, by Canny's method.

    The image is smoothed, and the gradient taken by Sobel's operator. A pixel counts if its magnitude is the
    largest across the edge, interpolated along the gradient. Those above the high threshold are
    edges, and so are those above the low one that are connected to an edge, diagonally too.

    Integer and float64 images are computed in float64 and give exactly scikit-image's edges; float16
    and float32 images are computed in float32. That may lose the edges of an image that stands high
    and differs little, as elevations and temperatures do: give `dtype=np.float64`.

    Parameters
    ----------
    image : array_like of shape (rows, cols)
        bool, integer of up to 32 bits, or float. Integers are rescaled to [0, 1], or [-1, 1] if signed.
    sigma : float, one float per axis, or dict by dimension
        Standard deviation of the Gaussian, which reaches int(4 * sigma + 0.5) pixels.
    low_threshold, high_threshold : float, optional
        Limits of the magnitude of Sobel's gradient (not divided by anything), on the image's own
        scale. Default: 10 % and 20 % of the largest value of an integer dtype, 0.1 and 0.2 for floats.
    mask : array_like of bool, of the image's shape, optional
        Pixels outside do not count; nor do those next to one outside.
    use_quantiles : bool
        Take the thresholds, in [0, 1], as quantiles of the magnitudes.
    mode, cval : str, one str per axis, or dict by dimension; and float
        Border of the Gaussian, as for all filters. With "constant" the smoothed image is divided by the share of
        the Gaussian that lies inside.
    out : ndarray of bool, optional
        Array of the image's shape to write into, also returned.
    dtype : float32 or float64, optional
        Arithmetic. float32 is about twice as fast for integers; few pixels differ, where a decision is close.

    Returns
    -------
    ndarray of bool, of the image's shape

    Raises
    ------
    ValueError
        For an image that is not 2-D or has integers of 64 bits, a low threshold above the high one,
        quantiles outside of [0, 1], or a mask of another shape.

    References
    ----------
    Canny, "A Computational Approach to Edge Detection" (1986), doi:10.1109/TPAMI.1986.4767851

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> square = np.zeros((8, 8))
    >>> square[2:6, 2:6] = 1
    >>> fastsep.canny(square, sigma=0.5).sum(axis=1).tolist()
    [0, 0, 4, 2, 2, 4, 0, 0]
    """
    return _canny.canny(
        image, sigma, low_threshold, high_threshold, mask, bool(use_quantiles), mode, cval, out, dtype, workers
    )


def apply_hysteresis_threshold(
    image: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    *,
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """Pixels above `high`, and those above `low` that are connected to one of them.

    Neighbours share a side (4 in two dimensions, 6 in three), as in scikit-image.

    Parameters
    ----------
    image : array_like of any number of dimensions
        Real values; NaN is above nothing.
    low, high : float, or array_like that broadcasts to the image's shape
        Thresholds; where `low` is above `high`, `high` counts for both.
    out : ndarray of bool, optional
        Array of the image's shape to write into, also returned.

    Returns
    -------
    ndarray of bool, of the image's shape

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.array([1, 2, 3, 2, 1, 2, 1, 3, 2])
    >>> fastsep.apply_hysteresis_threshold(image, 1.5, 2.5).astype(int).tolist()
    [0, 1, 1, 1, 0, 0, 0, 1, 1]
    """
    return _hysteresis.thresholded(image, low, high, out, workers)


complete((gradient, canny, apply_hysteresis_threshold), filters.__doc__)
