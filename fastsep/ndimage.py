"""The filters of `scipy.ndimage`, under its names and rules, many times faster.

    import fastsep.ndimage as ndi  # in place of `import scipy.ndimage as ndi`

Signatures, defaults, dtypes, borders and exceptions are those of SciPy 1.17. `workers`, by keyword, is
on top, but for the two generic functions, whose derivatives may have it. What is not accelerated goes
to SciPy: other dtypes, options and functions, `generic_filter` and all that is no filter, such as
`label` or `zoom`, which this module shows as its own.

Differences from SciPy:

- float32 is computed in float32: results are within 8 units in the last place of the sum of the absolute
  taps times the largest value under them. SciPy sums in float64 and rounds after every axis. Values
  beyond some 1e38, such as -3.4e38 for missing data, may hence become infinite within a window, as may
  values near the end of float64 under taps that add up to more than 1; a zero may be negative.
- A NaN in `uniform_filter` stays within its window, where SciPy spoils the rest of the line. In minima,
  maxima and flat grey morphology a window that holds a NaN gives NaN, and in ranks a NaN counts as larger
  than all numbers; in SciPy its effect depends on where it lies.
- 64-bit integers beyond 2**53, which SciPy sends through float64, come through minima, maxima, ranks and
  grey morphology unchanged; a `cval` is a float, as in SciPy. Means of 64-bit integers are SciPy's bit
  for bit while the sums of its windows are far below 2**53, as those of values up to 2**40 are.
- Minima, maxima, ranks and grey morphology take float16, too. Whole floats, such as `size=3.0`, pass as
  integers everywhere. `axes=-1`, a single negative axis, passes beside a kernel or footprint.
- Ranks of a line under a footprint with holes are those of the pixels that it names, where SciPy 1.17
  takes them all. Windows much wider than the image reflect it as often as it takes; SciPy 1.17 reads
  beyond the line from some four times its length on.
- A Gaussian that reaches more than a million pixels is refused.
- `output` may overlap `input` in any way. It is not written to before all arguments are checked, except
  by a generic function whose derivative refuses the mode of a later axis.
- `correlate`, `convolve`, `gaussian_filter` and `uniform_filter`, also along one axis, take images with missing
  pixels, by `pixel_weights` and the keywords beside it, and `mode="ignore"`. Integers are rounded where a pixel
  under the kernel is missing; elsewhere results are those without these keywords, bit for bit.
- `from fastsep.ndimage import *` gives the filters that are listed here; import others by name.

The options below mean the same in every function that has them; each function's page repeats those
that it has.

Parameters
----------
input : array_like
    It is never changed, unless it is also `output`. An array of dask gives an array of dask in the
    same chunks, with the same values, which is computed when it is asked for; `output` may then be a
    dtype only. Where SciPy takes running sums, in `uniform_filter` of floats with an `output` of
    integers, values are the same to rounding. Arrays of xarray, PyTorch, JAX and others give results
    of their own kind, where SciPy gives plain ones; the notes of `fastsep.filters` tell how.
output : array or dtype, optional
    Array of the shape of `input` to write into, also returned, or the dtype of the result. Default:
    the dtype of `input`.
mode : str, one str for each axis that is filtered, or dict by dimension
    What lies outside the image: "reflect" (d c b a | a b c d | d c b a), "constant" (`cval`),
    "nearest" (a a a a | a b c d | d d d d), "mirror" (d c b | a b c d | c b a), "wrap" (a b c d | a b
    c d | a b c d); "grid-mirror", "grid-constant" and "grid-wrap" mean reflect, constant and wrap.
    Functions of one axis, and those of kernels or footprints that are no products of lines, take
    one mode.
cval : scalar
    Value outside the image for mode "constant".
origin : int, one int for each axis that is filtered, or dict by dimension
    Shifts the window: 0 has its middle on the pixel, positive values have it further left.
axis : int or name of a dimension
    The axis to filter along.
axes : int, name of a dimension, or several, optional
    The axes to filter; None is all. Values for each axis belong to these.
size : int, one int for each axis that is filtered, or dict by dimension
    Length of the window. In functions that go along one axis after the other (`uniform_filter`,
    `minimum_filter`, `maximum_filter`, `grey_erosion`) one below 1 leaves the axis alone, as in SciPy.
footprint : array_like of bool, optional
    Which pixels of a window count, in place of `size`.
structure : array_like, optional
    Values that are added to the pixels of the window for a maximum, and subtracted for a minimum. Zeros
    are a footprint of ones; anything else goes to SciPy.
workers : int, optional
    Threads for this call; -1 is all cores. Default: what `fastsep.set_num_threads` or the machine
    allows; for an array of dask, one for each of its tasks. The result does not depend on it, and
    where SciPy does the work it has no effect.
pixel_weights, nan, min_weight, keep_nan, nodata, fill_value : optional
    Missing pixels, an extension of this module: as `weights` (here the name of taps) and the same keywords of
    `fastsep.gaussian`, with `mode="ignore"`. A masked array is then one of missing pixels, and gives a masked
    array; without any of these its mask is ignored, as in SciPy.

Returns
-------
ndarray of the shape of `input`
    `output`, if that is an array.

Raises
------
RuntimeError
    For an unknown mode, a size below 1 that does not leave the axis alone, a wrong number of values for
    each axis or of axes of a kernel, a wrong shape of `output`, and dtypes that SciPy does not know.
ValueError
    For an `origin` outside the window, axes that are out of range or not unique, and other bad values.
TypeError
    For an argument of the wrong kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

from fastsep._docs import complete as _complete
from fastsep._ops.missing import differ as _differ
from fastsep._ops.ndimage import derivatives as _derivatives
from fastsep._ops.ndimage import linear as _linear
from fastsep._ops.ndimage import missing as _missing
from fastsep._ops.ndimage import morphology as _morphology
from fastsep._ops.ndimage import order as _order
from fastsep._ops.ndimage.calls import run as _run
from fastsep._ops.ndimage.calls import scipy_module as _scipy_module
from fastsep._ops.ndimage.complex_weights import weighted as _weighted
from fastsep._types import Axes, Axis, Floats, Integers, Mode, Nan
from fastsep._validation.array_like import Array

__all__ = [
    "black_tophat",
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "generic_gradient_magnitude",
    "generic_laplace",
    "grey_closing",
    "grey_dilation",
    "grey_erosion",
    "grey_opening",
    "laplace",
    "maximum_filter",
    "maximum_filter1d",
    "median_filter",
    "minimum_filter",
    "minimum_filter1d",
    "morphological_gradient",
    "morphological_laplace",
    "percentile_filter",
    "prewitt",
    "rank_filter",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
    "white_tophat",
]

Output: TypeAlias = npt.ArrayLike | npt.DTypeLike | None


def __dir__() -> list[str]:
    return sorted({*__all__, *_scipy_module().__all__})


def __getattr__(name: str) -> Any:
    """What is no filter, or not accelerated, from SciPy."""
    if name.startswith("_") or not hasattr(_scipy_module(), name):
        raise AttributeError(f"module 'fastsep.ndimage' has no attribute {name!r}")
    return getattr(_scipy_module(), name)


# ---- correlation with weights of one's own


def correlate1d(
    input: npt.ArrayLike,
    weights: npt.ArrayLike,
    axis: Axis = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: int = 0,
    *,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Correlate along one axis.

    result[i] = sum over k of weights[k] * input[i + k - len(weights) // 2 - origin]. Complex weights are
    conjugated.

    Parameters
    ----------
    weights : 1-D array_like

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.correlate1d([0, 0, 9, 0, 0], [1, 2, 3]).tolist()
    [0, 27, 18, 9, 0]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.weighted(
            _linear.CORRELATE1D, weights, (axis, origin), input, output, mode, cval, workers, pixel_weights, given[1:]
        )
    return _weighted(_linear.CORRELATE1D, weights, (axis, origin), input, output, mode, cval, workers)


def convolve1d(
    input: npt.ArrayLike,
    weights: npt.ArrayLike,
    axis: Axis = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: int = 0,
    *,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Convolve along one axis: `correlate1d` with the weights turned around.

    Parameters
    ----------
    weights : 1-D array_like

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.convolve1d([0, 0, 9, 0, 0], [1, 2, 3]).tolist()
    [0, 9, 18, 27, 0]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.weighted(
            _linear.CONVOLVE1D, weights, (axis, origin), input, output, mode, cval, workers, pixel_weights, given[1:]
        )
    return _weighted(_linear.CONVOLVE1D, weights, (axis, origin), input, output, mode, cval, workers)


def correlate(
    input: npt.ArrayLike,
    weights: npt.ArrayLike,
    output: Output = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Correlate with a kernel of any form.

    The pixel lies under weights[shape // 2 + origin]; no NaN comes through a weight of zero. Complex
    weights are conjugated.

    Parameters
    ----------
    weights : array_like
        One axis for each axis that is filtered, in the order of those of the array.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> image = np.zeros((3, 3))
    >>> image[1, 1] = 1
    >>> ndi.correlate(image, [[1, 2, 0], [0, 0, 0], [0, 0, 3]]).tolist()
    [[3.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 2.0, 1.0]]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.weighted(
            _linear.CORRELATE, weights, (origin, axes), input, output, mode, cval, workers, pixel_weights, given[1:]
        )
    return _weighted(_linear.CORRELATE, weights, (origin, axes), input, output, mode, cval, workers)


def convolve(
    input: npt.ArrayLike,
    weights: npt.ArrayLike,
    output: Output = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Convolve with a kernel of any form: `correlate` with the kernel turned around.

    Parameters
    ----------
    weights : array_like
        One axis for each axis that is filtered, in the order of those of the array.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> image = np.zeros((3, 3))
    >>> image[1, 1] = 1
    >>> ndi.convolve(image, [[1, 2, 0], [0, 0, 0], [0, 0, 3]]).tolist()
    [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.weighted(
            _linear.CONVOLVE, weights, (origin, axes), input, output, mode, cval, workers, pixel_weights, given[1:]
        )
    return _weighted(_linear.CONVOLVE, weights, (origin, axes), input, output, mode, cval, workers)


# ---- smoothing


def gaussian_filter1d(
    input: npt.ArrayLike,
    sigma: float,
    axis: Axis = -1,
    order: int = 0,
    output: Output = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Blur along one axis with a Gaussian, or take a derivative of the blurred image.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels.
    order : int
        0 blurs; n takes the n-th derivative.
    truncate : float
        The taps reach int(truncate * sigma + 0.5) pixels to each side.
    radius : int, optional
        How far they reach, in place of `truncate`.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.gaussian_filter1d([0.0, 0.0, 1.0, 0.0, 0.0], 0.5).round(3).tolist()
    [0.0, 0.106, 0.787, 0.106, 0.0]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.run(
            _linear.GAUSSIAN_FILTER1D,
            (sigma, axis, order, truncate, radius),
            input,
            output,
            mode,
            cval,
            workers,
            pixel_weights,
            given[1:],
        )
    return _run(_linear.GAUSSIAN_FILTER1D, (sigma, axis, order, truncate, radius), input, output, mode, cval, workers)


def gaussian_filter(
    input: npt.ArrayLike,
    sigma: Floats,
    order: Integers = 0,
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    truncate: float = 4.0,
    *,
    radius: Integers | None = None,
    axes: Axes | None = None,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Blur with a Gaussian, or take derivatives of the blurred image.

    Parameters
    ----------
    sigma : float, one float for each axis that is filtered, or dict by dimension
        Standard deviation in pixels; 0 leaves an axis alone.
    order : int, one int for each axis that is filtered, or dict by dimension
        0 blurs; n takes the n-th derivative along the axis.
    truncate : float
        The taps reach int(truncate * sigma + 0.5) pixels to each side.
    radius : int, one int for each axis that is filtered, or dict by dimension, optional
        How far they reach, in place of `truncate`.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> spot = np.zeros((5, 5))
    >>> spot[2, 2] = 1
    >>> ndi.gaussian_filter(spot, 0.5)[2].round(3).tolist()
    [0.0, 0.084, 0.619, 0.084, 0.0]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.run(
            _linear.GAUSSIAN_FILTER,
            (sigma, order, truncate, radius, axes),
            input,
            output,
            mode,
            cval,
            workers,
            pixel_weights,
            given[1:],
        )
    return _run(_linear.GAUSSIAN_FILTER, (sigma, order, truncate, radius, axes), input, output, mode, cval, workers)


def uniform_filter1d(
    input: npt.ArrayLike,
    size: int,
    axis: Axis = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: int = 0,
    *,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Mean over a window along one axis.

    Parameters
    ----------
    size : int
        Length of the window.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.uniform_filter1d([0.0, 3.0, 6.0, 0.0], 3).tolist()
    [1.0, 3.0, 3.0, 2.0]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.run(
            _linear.UNIFORM_FILTER1D, (size, axis, origin), input, output, mode, cval, workers, pixel_weights, given[1:]
        )
    return _run(_linear.UNIFORM_FILTER1D, (size, axis, origin), input, output, mode, cval, workers)


def uniform_filter(
    input: npt.ArrayLike,
    size: Integers = 3,
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
    pixel_weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Mean over a window; the cost does not depend on its size.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.uniform_filter(np.eye(3), 3)[1].round(3).tolist()
    [0.333, 0.333, 0.333]
    """
    given = (type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    if _differ(given, _missing.COMPLETE) or pixel_weights is not None or mode == "ignore":
        return _missing.run(
            _linear.UNIFORM_FILTER, (size, origin, axes), input, output, mode, cval, workers, pixel_weights, given[1:]
        )
    return _run(_linear.UNIFORM_FILTER, (size, origin, axes), input, output, mode, cval, workers)


# ---- edges


def sobel(
    input: npt.ArrayLike,
    axis: Axis = -1,
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    *,
    workers: int | None = None,
) -> Array:
    """Sobel derivative: (-1, 0, 1) along `axis`, (1, 2, 1) along all others.

    Unlike `fastsep.sobel` it is not divided by the sum of the smoothing taps.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> step = np.tile([0.0, 0.0, 1.0, 1.0], (3, 1))
    >>> ndi.sobel(step)[1].tolist()
    [0.0, 4.0, 4.0, 0.0]
    """
    return _run(_linear.SOBEL, (axis,), input, output, mode, cval, workers)


def prewitt(
    input: npt.ArrayLike,
    axis: Axis = -1,
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    *,
    workers: int | None = None,
) -> Array:
    """Prewitt derivative: (-1, 0, 1) along `axis`, (1, 1, 1) along all others.

    Unlike `fastsep.prewitt` it is not divided by the sum of the smoothing taps.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> step = np.tile([0.0, 0.0, 1.0, 1.0], (3, 1))
    >>> ndi.prewitt(step)[1].tolist()
    [0.0, 3.0, 3.0, 0.0]
    """
    return _run(_linear.PREWITT, (axis,), input, output, mode, cval, workers)


def laplace(
    input: npt.ArrayLike,
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Sum of the second differences (1, -2, 1) along all axes; `fastsep.laplace` has the other sign.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.laplace([0.0, 0.0, 1.0, 0.0, 0.0]).tolist()
    [0.0, 1.0, -2.0, 1.0, 0.0]
    """
    return _run(_linear.LAPLACE, (axes,), input, output, mode, cval, workers)


def gaussian_laplace(
    input: npt.ArrayLike,
    sigma: Floats,
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
    **kwargs: Any,
) -> Array:
    """Laplacian of Gaussian: the sum over axes of the second derivatives of the blurred image.

    Of several modes each counts for its term of the sum, along all axes.

    Parameters
    ----------
    sigma : float, one float for each axis that is filtered, or dict by dimension
        Standard deviation in pixels.
    **kwargs
        `truncate` and `radius` of `gaussian_filter`.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> spot = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    >>> ndi.gaussian_laplace(spot, 1).round(2).tolist()
    [0.04, 0.16, 0.0, -0.4, 0.0, 0.16, 0.04]
    """
    reach = _linear.reach("gaussian_laplace", **kwargs)
    return _run(_linear.GAUSSIAN_LAPLACE, (sigma, *reach, axes), input, output, mode, cval, workers)


def gaussian_gradient_magnitude(
    input: npt.ArrayLike,
    sigma: Floats,
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
    **kwargs: Any,
) -> Array:
    """Edge magnitude of the blurred image: root of the sum over axes of the squared first derivatives.

    All axes are blurred, and derivatives taken along `axes`. Of several modes each counts for its term of
    the sum, along all axes.

    Parameters
    ----------
    sigma : float, one float for each axis of the array, or dict by dimension without `axes`
        Standard deviation in pixels.
    **kwargs
        `truncate` and `radius` of `gaussian_filter`.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> ndi.gaussian_gradient_magnitude(step, 1).round(2).tolist()
    [0.0, 0.01, 0.12, 0.36, 0.36, 0.12, 0.01, 0.0]
    """
    reach = _linear.reach("gaussian_gradient_magnitude", **kwargs)
    return _run(_linear.GAUSSIAN_GRADIENT_MAGNITUDE, (sigma, *reach, axes), input, output, mode, cval, workers)


def generic_laplace(
    input: npt.ArrayLike,
    derivative2: Callable[..., Any],
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (),
    extra_keywords: Mapping[str, Any] | None = None,
    *,
    axes: Axes | None = None,
) -> Array:
    """Sum over axes of second derivatives that a function takes.

    Parameters
    ----------
    derivative2 : callable
        derivative2(input, axis, output, mode, cval, *extra_arguments, **extra_keywords), which writes into
        `output` if that is an array, else returns an array of that dtype.
    extra_arguments : sequence
        Passed on to it.
    extra_keywords : dict, optional
        Passed on to it.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> def second(image, axis, output, mode, cval):
    ...     return ndi.correlate1d(image, [1, -2, 1], axis, output, mode, cval)
    >>> ndi.generic_laplace([0.0, 0.0, 1.0, 0.0, 0.0], second).tolist()
    [0.0, 1.0, -2.0, 1.0, 0.0]
    """
    return _derivatives.laplacian(input, derivative2, output, mode, cval, extra_arguments, extra_keywords, axes)


def generic_gradient_magnitude(
    input: npt.ArrayLike,
    derivative: Callable[..., Any],
    output: Output = None,
    mode: Mode = "reflect",
    cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (),
    extra_keywords: Mapping[str, Any] | None = None,
    *,
    axes: Axes | None = None,
) -> Array:
    """Root of the sum over axes of squared derivatives that a function takes.

    Parameters
    ----------
    derivative : callable
        derivative(input, axis, output, mode, cval, *extra_arguments, **extra_keywords), which writes into
        `output` if that is an array, else returns an array of that dtype.
    extra_arguments : sequence
        Passed on to it.
    extra_keywords : dict, optional
        Passed on to it.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.generic_gradient_magnitude(np.tril(np.ones((4, 4))), ndi.sobel)[1].round(2).tolist()
    [1.41, 4.24, 4.24, 1.41]
    """
    return _derivatives.magnitude(input, derivative, output, mode, cval, extra_arguments, extra_keywords, axes)


# ---- minimum, maximum, ranks


def minimum_filter1d(
    input: npt.ArrayLike,
    size: int,
    axis: Axis = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: int = 0,
    *,
    workers: int | None = None,
) -> Array:
    """Minimum over a window along one axis; the cost does not depend on its size.

    NaN: a window that holds one gives NaN.

    Parameters
    ----------
    size : int
        Length of the window.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.minimum_filter1d([3, 5, 1, 4, 4], 3).tolist()
    [3, 1, 1, 1, 4]
    """
    return _run(_order.MINIMUM_FILTER1D, (size, axis, origin), input, output, mode, cval, workers)


def maximum_filter1d(
    input: npt.ArrayLike,
    size: int,
    axis: Axis = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: int = 0,
    *,
    workers: int | None = None,
) -> Array:
    """Maximum over a window along one axis; the cost does not depend on its size.

    NaN: a window that holds one gives NaN.

    Parameters
    ----------
    size : int
        Length of the window.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.maximum_filter1d([3, 5, 1, 4, 4], 3).tolist()
    [5, 5, 5, 4, 4]
    """
    return _run(_order.MAXIMUM_FILTER1D, (size, axis, origin), input, output, mode, cval, workers)


def minimum_filter(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Minimum over a window or footprint; that of a rectangle costs the same whatever its size.

    NaN: a window that holds one gives NaN.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.minimum_filter([[1, 2, 3], [4, 5, 6], [7, 8, 9]], 3)[1].tolist()
    [1, 1, 2]
    """
    size, packed = _order.window(size, footprint, 1)
    return _order.run_window(_order.MINIMUM_FILTER, size, packed, (origin, axes), input, output, mode, cval, workers)


def maximum_filter(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Maximum over a window or footprint; that of a rectangle costs the same whatever its size.

    NaN: a window that holds one gives NaN.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.maximum_filter([[1, 2, 3], [4, 5, 6], [7, 8, 9]], 3)[1].tolist()
    [8, 9, 9]
    """
    size, packed = _order.window(size, footprint, 1)
    return _order.run_window(_order.MAXIMUM_FILTER, size, packed, (origin, axes), input, output, mode, cval, workers)


def rank_filter(
    input: npt.ArrayLike,
    rank: int,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """The value of a rank among those of a window or footprint.

    NaN counts as larger than all numbers, as in `numpy.sort`.

    Parameters
    ----------
    rank : int
        0 is the smallest, -1 the largest.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.rank_filter([3, 5, 1, 4, 4], 1, size=3).tolist()
    [3, 3, 4, 4, 4]
    """
    size, packed = _order.window(size, footprint, 1)
    rank = _order.index_of(rank)
    return _run(_order.RANK_FILTER, (rank, size, packed, origin, axes), input, output, mode, cval, workers)


def median_filter(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Median of a window or footprint; of an even number of pixels the larger one of the middle two.

    NaN counts as larger than all numbers, as in `numpy.sort`.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.median_filter([3, 5, 1, 4, 4], 3).tolist()
    [3, 3, 4, 4, 4]
    """
    size, packed = _order.window(size, footprint, 1)
    return _run(_order.MEDIAN_FILTER, (size, packed, origin, axes), input, output, mode, cval, workers)


def percentile_filter(
    input: npt.ArrayLike,
    percentile: float,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """A percentile of the values of a window or footprint, without interpolation.

    NaN counts as larger than all numbers, as in `numpy.sort`.

    Parameters
    ----------
    percentile : float
        The value of rank int(n * percentile / 100) of n pixels is taken; negative ones count from 100.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.percentile_filter([3, 5, 1, 4, 4], 50, size=3).tolist()
    [3, 3, 4, 4, 4]
    """
    size, packed = _order.window(size, footprint, 1)
    return _run(_order.PERCENTILE_FILTER, (percentile, size, packed, origin, axes), input, output, mode, cval, workers)


# ---- grey morphology


def grey_erosion(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Minimum over a window, footprint or structure.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.grey_erosion([3, 5, 1, 4, 4], 3).tolist()
    [3, 1, 1, 1, 4]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return how.erode(input, output)


def grey_dilation(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Maximum over a window, footprint or structure, turned around.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.grey_dilation([3, 5, 1, 4, 4], 3).tolist()
    [5, 5, 5, 4, 4]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return how.dilate(input, output)


def grey_opening(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Erosion, then dilation: bright spots smaller than the window vanish.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.grey_opening([1, 1, 5, 1, 1, 4, 4, 4], 3).tolist()
    [1, 1, 1, 1, 1, 4, 4, 4]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return _morphology.composed(input, _morphology.opened, how, output)


def grey_closing(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Dilation, then erosion: dark spots smaller than the window vanish.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.grey_closing([4, 4, 1, 4, 4, 1, 1, 1], 3).tolist()
    [4, 4, 4, 4, 4, 1, 1, 1]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return _morphology.composed(input, _morphology.closed, how, output)


def morphological_gradient(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Dilation minus erosion. An `output` that is a dtype is ignored, as in SciPy.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.morphological_gradient([1, 1, 5, 5], 3).tolist()
    [0, 4, 4, 0]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return _morphology.composed(input, _morphology.gradient, how, output)


def morphological_laplace(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """Dilation plus erosion, minus twice the image.

    An `output` that is a dtype is ignored, as in SciPy.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.morphological_laplace([1, 1, 5, 5], 3).tolist()
    [0, 4, -4, 0]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return _morphology.composed(input, _morphology.laplacian, how, output)


def white_tophat(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """The image minus its opening: bright spots smaller than the window.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.white_tophat([1, 1, 5, 1, 1, 4, 4, 4], 3).tolist()
    [0, 0, 4, 0, 0, 0, 0, 0]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return _morphology.composed(input, _morphology.white_tophat, how, output)


def black_tophat(
    input: npt.ArrayLike,
    size: Integers | None = None,
    footprint: npt.ArrayLike | None = None,
    structure: npt.ArrayLike | None = None,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: Integers = 0,
    *,
    axes: Axes | None = None,
    workers: int | None = None,
) -> Array:
    """The closing minus the image: dark spots smaller than the window.

    Examples
    --------
    >>> import numpy as np, fastsep.ndimage as ndi
    >>> ndi.black_tophat([4, 4, 1, 4, 4, 1, 1, 1], 3).tolist()
    [0, 0, 3, 0, 0, 0, 0, 0]
    """
    how = _morphology.options(size, footprint, structure, mode, cval, origin, axes, workers)
    return _morphology.composed(input, _morphology.black_tophat, how, output)


_complete((globals()[name] for name in __all__), __doc__)
