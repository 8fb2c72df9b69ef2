"""Filters with scikit-image's names and results.

The options below mean the same in every function that has them, here and in the other modules of
filters; each function's page repeats those that it has.

Parameters
----------
image : array_like, at least 1-D (2-D where a filter says so)
    bool, integer or float. It is never changed. A C-contiguous array of uint8, uint16, int16,
    float32 or float64 is read where it lies; other layouts and dtypes are converted into one copy.
    Several images go in as one array with `channel_axis`, not as a list. An array of dask gives an
    array of dask in the same chunks, with the same values, which is computed when it is asked for;
    `out` must then be None. Arrays of xarray, PyTorch, JAX and others give results of their own kind;
    the notes of `fastsep.filters` tell how.
mode : str, one str per spatial axis, or dict by dimension
    What lies outside the image, as in SciPy: "reflect" (d c b a | a b c d | d c b a), "constant"
    (`cval`), "nearest" (a a a a | a b c d | d d d d), "mirror" (d c b | a b c d | c b a), "wrap" (a
    b c d | a b c d | a b c d); "grid-mirror", "grid-constant" and "grid-wrap" mean reflect,
    constant and wrap. Functions with `weights` also take "ignore": nothing there has any weight.
cval : float
    Value outside the image for mode "constant", on the scale of the result.
channel_axis : int or name of a dimension, optional
    An axis that is not filtered. Sigma, size, taps and mode then count the other, spatial axes.
out : ndarray, optional
    Array of the image's shape to write into, also returned. It may be the image itself or overlap
    it (the image is then copied first). A float `out` settles the dtype; an integer one needs the
    same `dtype`, except in functions that scikit-image lacks.
dtype : dtype, optional
    Dtype of the result. Default: float32 for float16 and float32 images, else float64. With an
    integer dtype, values stay on the image's own scale and are rounded half to even and saturated,
    never wrapped; NaN becomes the smallest value.
workers : int, optional
    Threads for this call; -1 is all cores. Default: what `set_num_threads` or the machine allows;
    for an array of dask, one for each of its tasks. The result does not depend on it.
weights : array_like of bool or of numbers, optional
    Which pixels of the image count, or how much: an array that broadcasts to its spatial shape, or with
    `channel_axis` one of the image's shape. Numbers are from 0 to 1e15; below 1e-38, which float32 hardly
    holds, they may count as 0. Pixels of weight 0 are missing. The notes of `fastsep.filters` tell what is
    made of the others.
nan : {"propagate", "ignore"}
    With "ignore", NaN stands for a missing pixel. Pixels outside the image count as always, a `cval` of
    NaN too, unless `mode` is "ignore".
min_weight : float
    From 0 to 1: where the pixels that count have less than this part of the kernel's weight, the result
    has no value. With 0, only where none counts.
keep_nan : bool
    The result has no value where the pixel itself is missing, either.
nodata : int, optional
    The value that stands for a missing pixel of an integer image. Of others pass
    `weights=image != nodata`.
fill_value : float, optional
    What stands for a result that has no value. Default: NaN, and in an integer dtype `nodata`.

Returns
-------
ndarray of the image's shape
    As in scikit-image, functions that it has, too, rescale integer images to [0, 1], or [-1, 1] if
    signed, before they filter them. With `preserve_range=True`, with an integer `dtype`, and in all
    other functions, values stay on the image's own scale.

Raises
------
ValueError
    For a bad value, an unsupported image or an unsuitable `out`. An unknown mode, a wrong number of
    values per axis and a wrong shape of `out` are `fastsep.ArgumentError`, which is a RuntimeError
    too, as in scikit-image; an axis out of range is `numpy.exceptions.AxisError`.
TypeError
    For an argument of the wrong kind.

Notes
-----
Accuracy: results agree with scikit-image's to 1e-12 of the largest pixel in float64 and to 1e-6 in
float32, or 2e-6 under blurs of sigma 20 and more. Where taps cancel, in edges, derivatives,
Laplacians and differences of Gaussians, float32 keeps 1e-6 of the image's range, largest minus
smallest pixel, times the sum of the taps' magnitudes, because differences are taken before anything
is summed; an infinite pixel may give NaN there.

Coming from SciPy: `fastsep.ndimage` has its names and rules. Here, for a float image x,
`scipy.ndimage.sobel(x, k)` is 4 ** (x.ndim - 1) * sobel(x, axis=k), `scipy.ndimage.prewitt(x, k)` is
3 ** (x.ndim - 1) * prewitt(x, axis=k), `scipy.ndimage.laplace(x)` is -laplace(x),
`scipy.ndimage.gaussian_filter(x, sigma)` is gaussian(x, sigma, mode="reflect"), and
`scipy.ndimage.uniform_filter(x, size)` is box(x, size).

Missing pixels: `weights`, `nan="ignore"`, `nodata`, or a masked array for the image, tell which pixels are
missing, or how much each counts. A result is then the sum of tap times weight times pixel over the sum of
tap times weight, times the sum of all taps: normalized convolution (Knutsson and Westin, "Normalized and
differential convolution", 1993, doi:10.1109/CVPR.1993.341081). Where all weights are 1 it is the plain
filter's, bit for bit. Infinity is no missing pixel. `mode="ignore"` gives no weight to what lies outside
the image; a `cval` has weight 1. `min_weight` and `keep_nan` tell which results have no value, and
`fill_value` what stands there. A masked array gives a masked array, which hides them. A derivative of a
Gaussian is that of the smoothed image; `unsharp_mask` takes the smoothed image for missing pixels. Other
taps of both signs are refused, because their sum may vanish where pixels are missing.

Memory: besides its result a call needs scratch of cache size. Temporaries of the image's size are taken
for more than three filtered axes and for `box` over three. With missing pixels there are none: where
`explain` does not say "once over the image" it names blocks, which take some 10 MB a thread, or more if
taps reach far along three axes; a masked array takes a byte a pixel, and so does `interpolate_missing`.
A `stride` takes all results where these are made, and of volumes what is left along the first axis.
Openings, closings and top hats take one image, but none with two spatial axes and a footprint of at most
16 rows, unless that is a sequence or a border is of mode "wrap". `gaussian` with `tol` holds the rows
that it keeps twice: at sigma 20 a sixth of an image of float32. On planes, `gradient` with `sigma`,
structure tensors, corner measures and `hessian_matrix` by differences take none, unless a border is of
mode "wrap"; their other forms may. `canny` takes a byte a pixel, its result, and more with a mask or
quantiles. A Fourier transform takes a few blocks for each thread, which for kernels of hundreds of
pixels are as large as the image; a bank some 4 MB a thread, or 16 rows of all its terms if that is more.

Arrays of other packages: results, and `out`, are of the kind of the image.

An `xarray.DataArray` keeps its dimensions, coordinates, attributes and name, but not its encoding;
arrays of dask inside stay lazy. `axis`, `axes` and `channel_axis` may be names of dimensions. Where an
argument has a value for each axis, so may the keys of a dict: `sigma={"y": 2, "x": 2}`. Dimensions that
are not named are left alone by sigma, size, taps and stride, and have order and origin 0; `mode` names all that
are filtered. The kernels of a bank are a last dimension, "kernel". Masks and thresholds with dimensions
are turned as the image is. A Dataset is filtered by `dataset.map(fastsep.gaussian, sigma=2)`.

Tensors of PyTorch, arrays of JAX and whatever has DLPack are read and given back without a copy, if
they are in the memory of the CPU and do not require gradients; all others are refused. `dtype` is
given as NumPy's. (JAX has no float64 unless `jax_enable_x64`, and makes float32 of it.)

Large results begin on a cache line. Large arrays that NumPy allocates begin 16 bytes behind one,
which costs up to a fifth of the time of a small filter. So in a loop, the result of the first call
is the best `out` for the others. (It is a view of a slightly larger buffer, which `ndarray.resize`
refuses to change.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import ndarray

from fastsep._call import OWN, PRESERVED, SKIMAGE, Builder, Operation, Rules, apply, foreign, takes_wrappers
from fastsep._docs import complete
from fastsep._ops import missing
from fastsep._ops.clipping import Range, clipped
from fastsep._ops.missing import COMPLETE, differ
from fastsep._plan import dtypes, operators, spec
from fastsep._types import Axes, Axis, Floats, Integers, Mode, Nan
from fastsep._validation import arrays, axes, scalars
from fastsep._validation.array_like import Array, is_masked, show
from fastsep._validation.axes import Frame

__all__ = [
    "box",
    "difference_of_gaussians",
    "farid",
    "farid_h",
    "farid_v",
    "gaussian",
    "laplace",
    "prewitt",
    "prewitt_h",
    "prewitt_v",
    "roberts",
    "roberts_neg_diag",
    "roberts_pos_diag",
    "scharr",
    "scharr_h",
    "scharr_v",
    "sobel",
    "sobel_h",
    "sobel_v",
    "unsharp_mask",
]


def __dir__() -> list[str]:
    return __all__


# ---- smoothing


def gaussian(
    image: npt.ArrayLike,
    sigma: Floats = 1.0,
    *,
    mode: Mode = "nearest",
    cval: float = 0,
    preserve_range: bool = False,
    truncate: float = 4.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    order: Integers = 0,
    tol: float = 0.0,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
    weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Blur with a Gaussian, or take a derivative of the blurred image.

    Parameters
    ----------
    sigma : float, one float per spatial axis, or dict by dimension
        Standard deviation in pixels; 0 leaves an axis alone. With `channel_axis`, one per array
        axis passes too.
    preserve_range : bool
        Keep integer images on their own scale.
    truncate : float
        The taps reach int(truncate * sigma + 0.5) pixels to each side.
    order : int, one int per spatial axis, or dict by dimension
        0 blurs; n takes the n-th derivative along the axis, as `scipy.ndimage.gaussian_filter`. With
        missing pixels 1 along one axis is all that passes.
    tol : float
        How far the kernel may be off, as the sum of the absolute differences from its taps: no value of the
        result is off by more than `tol` times the largest of the absolute values of the image and `cval`.
        0: exact to the rounding of the arithmetic. With 0.001, wide Gaussians of images of two and more axes
        take a fraction of the time: along one axis, which is never the last, only every n-th pixel is blurred,
        and the others are filled in from these, so that kernels differ a little from pixel to pixel. `explain`
        tells whether that is so, the bound that holds, and how far NaN and infinity reach then, its `halo`. The
        taps end with a step, `truncate` sigmas away, which is hard to keep to 0.0002 and less: such bounds take
        much longer unless `truncate` is 5. Derivatives and images with missing pixels are exact.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> spot = np.zeros((5, 5))
    >>> spot[2, 2] = 1
    >>> fastsep.gaussian(spot, sigma=0.5)[2].round(3).tolist()
    [0.0, 0.084, 0.619, 0.084, 0.0]
    """
    if channel_axis is not None and not isinstance(sigma, float | int):
        array: Any = image if is_masked(image) else arrays.as_image(image)
        channel_axis = axes.by_position("channel_axis", channel_axis, array)
        sigma, order, mode, channel_axis = axes.split_channel(array.ndim, sigma, order, mode, channel_axis)
        image = array
    rules = SKIMAGE if preserve_range is False else _rules(preserve_range)
    # Written out because a tuple that is compared, as in the other functions, takes 0.1 us more: 2 % of a small call.
    plain = True
    try:
        if (
            type(image) is not ndarray or type(mode) is not str or mode == "ignore" or nan != "propagate" or tol != 0.0
            or weights is not None or min_weight != 0.0 or keep_nan is not False or nodata is not None
            or fill_value is not None
        ):  # fmt: skip
            plain = False
    except (ValueError, TypeError):  # as in `differ`
        plain = False
    if not plain:
        tol = scalars.tolerance(tol)
        blur: tuple[Any, ...] = _gaussian, (sigma, order, truncate)
        parts: Builder = _gaussian_parts
        if tol:
            blur, parts = (_near_gaussian, (sigma, order, truncate, tol)), _near_gaussian_parts
        call = (*blur, image, mode, cval, channel_axis, rules, dtype, out, workers)
        given = (nan, min_weight, keep_nan, nodata, fill_value)
        return missing.apply(call, parts, weights, given)  # type: ignore[no-any-return]
    return apply(_gaussian, (sigma, order, truncate), image, mode, cval, channel_axis, rules, dtype, out, workers)


def difference_of_gaussians(
    image: npt.ArrayLike,
    low_sigma: Floats,
    high_sigma: Floats | None = None,
    *,
    mode: Mode = "nearest",
    cval: float = 0,
    channel_axis: Axis | None = None,
    truncate: float = 4.0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
    weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Band-pass: a narrow Gaussian blur minus a wide one, in one sweep.

    Parameters
    ----------
    low_sigma, high_sigma : float, one float per spatial axis, or dict by dimension
        Standard deviations, `high_sigma` at least `low_sigma` on every axis. Without `high_sigma`
        it is 1.6 * `low_sigma`, which comes close to a Laplacian of Gaussian (Marr and Hildreth,
        "Theory of Edge Detection", 1980, doi:10.1098/rspb.1980.0020).
    truncate : float
        The taps reach int(truncate * sigma + 0.5) pixels to each side.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> fastsep.difference_of_gaussians(step, 1).round(2).tolist()
    [-0.01, -0.05, -0.11, -0.07, 0.07, 0.11, 0.05, 0.01]
    """
    parameters = (low_sigma, high_sigma, truncate)
    given = (type(image), type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    call = (_difference_of_gaussians, parameters, image, mode, cval, channel_axis, SKIMAGE, dtype, out, workers)
    if differ(given, COMPLETE) or weights is not None or mode == "ignore":
        return missing.apply(call, _difference_parts, weights, given[2:])  # type: ignore[no-any-return]
    return apply(*call)


def unsharp_mask(
    image: npt.ArrayLike,
    radius: Floats = 1.0,
    amount: float = 1.0,
    preserve_range: bool = False,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
    weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Sharpen with a Gaussian blur: image + amount * (image - blurred).

    The result is clipped to [0, 1], or to [-1, 1] if the image has a negative value; to the same
    range of the image's own scale with an integer `dtype` (a float image has no range then).

    Parameters
    ----------
    radius : float, one float per spatial axis, or dict by dimension
        Standard deviation of the blur in pixels.
    amount : float
        Strength; 0 changes nothing and a negative one blurs.
    preserve_range : bool
        Keep the image's scale and do not clip.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat(np.uint8([100, 110]), 4)
    >>> fastsep.unsharp_mask(step, amount=2, dtype=np.uint8).tolist()
    [100, 100, 99, 94, 116, 111, 110, 110]
    """
    rules = SKIMAGE if preserve_range is False else _rules(preserve_range)
    parameters = (radius, amount, rules is PRESERVED)
    given = (type(image), type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    call = (_unsharp, parameters, image, mode, cval, channel_axis, rules, dtype, out, workers)
    if differ(given, COMPLETE) or weights is not None or mode == "ignore":
        return missing.apply(call, _unsharp_parts, weights, given[2:])  # type: ignore[no-any-return]
    return apply(*call)


def box(
    image: npt.ArrayLike,
    size: Integers,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
    weights: npt.ArrayLike | None = None,
    nan: Nan = "propagate",
    min_weight: float = 0.0,
    keep_nan: bool = False,
    nodata: int | None = None,
    fill_value: float | None = None,
) -> Array:
    """Mean over a window; the cost does not depend on its size.

    Integer images are not rescaled: uint8 means 0 to 255. The same window as
    `scipy.ndimage.uniform_filter`.

    Parameters
    ----------
    size : int, one int per spatial axis, or dict by dimension
        Length of the window; pixel i sees i - size // 2 to i - size // 2 + size - 1.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.box(np.array([0.0, 3.0, 6.0, 0.0]), 3).tolist()
    [1.0, 3.0, 3.0, 2.0]
    """
    given = (type(image), type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    call = (_box, (size,), image, mode, cval, channel_axis, OWN, dtype, out, workers)
    if differ(given, COMPLETE) or weights is not None or mode == "ignore":
        return missing.apply(call, _box, weights, given[2:])  # type: ignore[no-any-return]
    return apply(*call)


# ---- edges


def laplace(
    image: npt.ArrayLike,
    ksize: int = 3,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Discrete Laplacian: 2 n times the pixel minus its 2 n nearest neighbours, in n dimensions.

    Parameters
    ----------
    ksize : int
        At least 3. As in scikit-image it does not change the operator.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.laplace(np.array([0.0, 0.0, 1.0, 0.0, 0.0])).tolist()
    [0.0, -1.0, 2.0, -1.0, 0.0]
    """
    return _masked(_laplace, (ksize,), image, mask, mode, cval, channel_axis, dtype, out, workers)


def sobel(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    axis: Axes | None = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Sobel derivative along `axis`, or the edge magnitude.

    Per axis: the derivative (1, 0, -1) along it, in convolution order, smoothed by (1, 2, 1) / 4
    along the others. Magnitude over axes: sqrt(sum of squares / number of spatial axes).

    Parameters
    ----------
    mask : array_like of bool, optional
        Of the image's shape, or of its spatial shape. The result is multiplied by it after pixels
        with a neighbour outside the mask or the image have been taken from it.
    axis : int, name of a dimension, or several, optional
        Array axis of the derivative. None (all) or several give the magnitude over these axes,
        still divided by the square root of the number of all spatial axes; one axis gives the
        signed derivative.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.tile([0.0, 0.0, 1.0, 1.0], (3, 1))
    >>> fastsep.sobel(step, axis=1)[1].tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    return _masked(_edges, ("sobel", axis), image, mask, mode, cval, channel_axis, dtype, out, workers)


def sobel_h(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Sobel derivative along the first axis of a 2-D image, across its horizontal edges.

    The kernel, to convolve with, times 4::

         1   2   1
         0   0   0
        -1  -2  -1

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[:, None] * np.ones((6, 6))
    >>> fastsep.sobel_h(step)[:, 3].round(3).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """
    return _masked(_edges_2d, ("sobel", 0), image, mask, mode, cval, channel_axis, dtype, out, workers)


def sobel_v(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Sobel derivative along the second axis of a 2-D image, across its vertical edges.

    The kernel, to convolve with, times 4::

         1   0  -1
         2   0  -2
         1   0  -1

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[None, :] * np.ones((6, 6))
    >>> fastsep.sobel_v(step)[3].round(3).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """
    return _masked(_edges_2d, ("sobel", 1), image, mask, mode, cval, channel_axis, dtype, out, workers)


def scharr(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    axis: Axes | None = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Scharr derivative along `axis`, or the edge magnitude; rotates better than `sobel`.

    Smooths by (3, 10, 3) / 16 across the derivative (1, 0, -1). Parameters and magnitude: see
    `sobel`.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.scharr(np.eye(4), axis=0)[1].tolist()
    [-0.8125, 0.0, 0.625, 0.1875]
    """
    return _masked(_edges, ("scharr", axis), image, mask, mode, cval, channel_axis, dtype, out, workers)


def scharr_h(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Scharr derivative along the first axis of a 2-D image, across its horizontal edges.

    The kernel, to convolve with, times 16::

          3   10    3
          0    0    0
         -3  -10   -3

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[:, None] * np.ones((6, 6))
    >>> fastsep.scharr_h(step)[:, 3].round(3).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """
    return _masked(_edges_2d, ("scharr", 0), image, mask, mode, cval, channel_axis, dtype, out, workers)


def scharr_v(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Scharr derivative along the second axis of a 2-D image, across its vertical edges.

    The kernel, to convolve with, times 16::

          3    0   -3
         10    0  -10
          3    0   -3

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[None, :] * np.ones((6, 6))
    >>> fastsep.scharr_v(step)[3].round(3).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """
    return _masked(_edges_2d, ("scharr", 1), image, mask, mode, cval, channel_axis, dtype, out, workers)


def prewitt(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    axis: Axes | None = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Prewitt derivative along `axis`, or the edge magnitude.

    Smooths by (1, 1, 1) / 3 across the derivative (1, 0, -1). Parameters and magnitude: see
    `sobel`.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.prewitt(np.eye(4), axis=0)[1].round(3).tolist()
    [-0.667, 0.0, 0.333, 0.333]
    """
    return _masked(_edges, ("prewitt", axis), image, mask, mode, cval, channel_axis, dtype, out, workers)


def prewitt_h(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Prewitt derivative along the first axis of a 2-D image, across its horizontal edges.

    The kernel, to convolve with, times 3::

         1   1   1
         0   0   0
        -1  -1  -1

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[:, None] * np.ones((6, 6))
    >>> fastsep.prewitt_h(step)[:, 3].round(3).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """
    return _masked(_edges_2d, ("prewitt", 0), image, mask, mode, cval, channel_axis, dtype, out, workers)


def prewitt_v(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Prewitt derivative along the second axis of a 2-D image, across its vertical edges.

    The kernel, to convolve with, times 3::

         1   0  -1
         1   0  -1
         1   0  -1

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[None, :] * np.ones((6, 6))
    >>> fastsep.prewitt_v(step)[3].round(3).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """
    return _masked(_edges_2d, ("prewitt", 1), image, mask, mode, cval, channel_axis, dtype, out, workers)


def farid(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    axis: Axes | None = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Farid derivative along `axis`, or the edge magnitude: five taps that match each other.

    H. Farid and E. P. Simoncelli, "Differentiation of discrete multidimensional signals", IEEE
    Transactions on Image Processing 13(4), 2004, doi:10.1109/TIP.2004.823819. The magnitude is that
    of `sobel`.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> ramp = np.tile(np.arange(7.0), (7, 1))
    >>> fastsep.farid(ramp, axis=1)[3, 3].round(3).item()
    0.992
    """
    return _masked(_edges, ("farid", axis), image, mask, mode, cval, channel_axis, dtype, out, workers)


def farid_h(
    image: npt.ArrayLike,
    *,
    mask: npt.ArrayLike | None = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Farid derivative along the first axis of a 2-D image, across its horizontal edges.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[:, None] * np.ones((6, 6))
    >>> fastsep.farid_h(step)[1:5, 3].round(3).tolist()
    [0.11, 0.386, 0.386, 0.11]
    """
    return _masked(_edges_2d, ("farid", 0), image, mask, mode, cval, channel_axis, dtype, out, workers)


def farid_v(
    image: npt.ArrayLike,
    *,
    mask: npt.ArrayLike | None = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Farid derivative along the second axis of a 2-D image, across its vertical edges.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 3)[None, :] * np.ones((6, 6))
    >>> fastsep.farid_v(step)[3, 1:5].round(3).tolist()
    [0.11, 0.386, 0.386, 0.11]
    """
    return _masked(_edges_2d, ("farid", 1), image, mask, mode, cval, channel_axis, dtype, out, workers)


def roberts(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Edge magnitude of a 2-D image: root mean square of Roberts' two diagonal differences.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.tile([0.0, 0.0, 1.0, 1.0], (3, 1))
    >>> fastsep.roberts(step)[1].round(3).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    return _masked(_roberts, ("magnitude",), image, mask, mode, cval, channel_axis, dtype, out, workers)


def roberts_pos_diag(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Roberts' diagonal difference of a 2-D image: pixel (i + 1, j + 1) minus pixel (i, j).

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.roberts_pos_diag(np.diag([0.0, 1.0, 3.0])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 2.0, 3.0], [0.0, 3.0, 0.0]]
    """
    return _masked(_roberts, ("pos_diag",), image, mask, mode, cval, channel_axis, dtype, out, workers)


def roberts_neg_diag(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Roberts' other difference of a 2-D image: pixel (i + 1, j) minus pixel (i, j + 1).

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.roberts_neg_diag(np.diag([0.0, 1.0, 3.0])).tolist()
    [[0.0, 1.0, 0.0], [-1.0, 0.0, 3.0], [0.0, -3.0, 0.0]]
    """
    return _masked(_roberts, ("neg_diag",), image, mask, mode, cval, channel_axis, dtype, out, workers)


def _masked(
    builder: Builder,
    parameters: tuple[Any, ...],
    image: Any,
    mask: Any,
    mode: Any,
    cval: Any,
    channel_axis: Any,
    dtype: Any,
    out: Any,
    workers: Any,
) -> Array:
    if mask is None:
        return apply(builder, parameters, image, mode, cval, channel_axis, SKIMAGE, dtype, out, workers)
    return _inside(image, mask, builder, parameters, mode, cval, channel_axis, dtype, out, workers)


@takes_wrappers
def _inside(
    image: Any, mask: Any, builder: Builder, parameters: Any, mode: Any, cval: Any, channel_axis: Any, dtype: Any,
    out: Any, workers: Any,
) -> Array:  # fmt: skip
    """Of a result, what does not depend on pixels outside the mask; 0 elsewhere."""
    image = arrays.as_image(image)
    if not isinstance(image, np.ndarray):
        result = apply(builder, parameters, image, mode, cval, channel_axis, SKIMAGE, dtype, out, workers)
        return foreign().masked(result, mask, channel_axis)  # type: ignore[no-any-return]
    inside = arrays.eroded_mask(mask, image, channel_axis)  # before the run: `out` may overlap `mask`
    result = apply(builder, parameters, image, mode, cval, channel_axis, SKIMAGE, dtype, out, workers)
    with np.errstate(all="ignore"):  # infinity outside the mask is NaN, as in scikit-image
        np.multiply(result, inside, out=result)
    return result


def _rules(preserve_range: Any) -> Rules:
    """How a function with `preserve_range` treats dtypes."""
    return PRESERVED if scalars.flag("preserve_range", preserve_range) else SKIMAGE


complete((gaussian, difference_of_gaussians, unsharp_mask, box, sobel), __doc__)
complete((globals()[name] for name in __all__), sobel.__doc__)


# ---- builders: from the frame and the parameters to what has to be computed


def _gaussian(frame: Frame, sigma: Any, order: Any, truncate: Any) -> spec.Separable:
    count = len(frame.spatial)
    truncate = scalars.not_negative("truncate", truncate)
    sigma = scalars.sigmas("sigma", sigma, count, truncate)
    return operators.gaussian(sigma, scalars.integers("order", order, count, 0), truncate)


def _near_gaussian(frame: Frame, sigma: Any, order: Any, truncate: Any, tol: float) -> spec.Filter | Operation:
    from fastsep._ops import decimated  # for it alone

    exact = _gaussian(frame, sigma, order, truncate)
    count = len(frame.spatial)
    if any(scalars.integers("order", order, count, 0)):
        return exact
    truncate = scalars.not_negative("truncate", truncate)
    return decimated.gaussian(exact, scalars.sigmas("sigma", sigma, count, truncate), truncate, tol)


def _difference_of_gaussians(frame: Frame, low_sigma: Any, high_sigma: Any, truncate: Any) -> spec.Filter:
    truncate = scalars.not_negative("truncate", truncate)
    low, high = scalars.difference_sigmas(low_sigma, high_sigma, len(frame.spatial), truncate)
    return operators.difference_of_gaussians(low, high, truncate)


def _unsharp(frame: Frame, radius: Any, amount: Any, preserve_range: bool) -> spec.Filter | Operation:
    truncate = operators.TRUNCATE  # scikit-image's unsharp_mask does not let one choose it
    radius = scalars.sigmas("radius", radius, len(frame.spatial), truncate)
    sharpened = operators.unsharp(radius, scalars.finite("amount", amount), truncate, None)
    return clipped(sharpened, *_ranges(frame, preserve_range))


def _ranges(frame: Frame, preserve_range: bool) -> tuple[Range, Range]:
    """What is clipped to, of an image without negative values and of others."""
    return dtypes.clip_range(frame, preserve_range, False), dtypes.clip_range(frame, preserve_range, True)


def _box(frame: Frame, size: Any) -> spec.Filter:
    return spec.Box(scalars.integers("size", size, len(frame.spatial), 1))


# ---- the same for images with missing pixels: what is normalized


def _gaussian_parts(frame: Frame, sigma: Any, order: Any, truncate: Any) -> Any:
    from fastsep._ops.missing.parts import Derivatives  # for them alone

    what = _gaussian(frame, sigma, order, truncate)
    truncate = scalars.not_negative("truncate", truncate)
    sigma = scalars.sigmas("sigma", sigma, len(frame.spatial), truncate)
    orders = scalars.integers("order", order, len(frame.spatial), 0)
    if not any(k and s > operators.SMALLEST_SIGMA for k, s in zip(orders, sigma, strict=True)):
        return what
    if sorted(orders)[-2:] not in ([1], [0, 1]):
        raise ValueError(
            f"`order` must be 0, or 1 along one axis, for an image with missing pixels; got {show(order)}."
        )
    return Derivatives(what, sigma, truncate, (orders.index(1),))


def _near_gaussian_parts(frame: Frame, sigma: Any, order: Any, truncate: Any, tol: float) -> Any:
    return _gaussian_parts(frame, sigma, order, truncate)  # exact taps keep to any tolerance


def _difference_parts(frame: Frame, low_sigma: Any, high_sigma: Any, truncate: Any) -> Any:
    from fastsep._ops.missing.parts import Combination  # as above

    truncate = scalars.not_negative("truncate", truncate)
    sigmas = scalars.difference_sigmas(low_sigma, high_sigma, len(frame.spatial), truncate)
    blurs = tuple(operators.gaussian(sigma, (0,) * len(sigma), truncate) for sigma in sigmas)
    plain = _difference_of_gaussians(frame, low_sigma, high_sigma, truncate)
    return Combination(plain, blurs, None)


def _unsharp_parts(frame: Frame, radius: Any, amount: Any, preserve_range: bool) -> Any:
    from fastsep._ops.missing.parts import Combination  # as above

    plain = _unsharp(frame, radius, amount, preserve_range)
    blur = _gaussian(
        frame, scalars.sigmas("radius", radius, len(frame.spatial), operators.TRUNCATE), 0, operators.TRUNCATE
    )
    return Combination(plain, (blur,), scalars.finite("amount", amount), _ranges(frame, preserve_range))


# ---- the others


def _laplace(frame: Frame, ksize: Any) -> spec.Filter:
    scalars.integer("ksize", ksize, 3)
    return operators.laplace(len(frame.spatial))


def _edges(frame: Frame, name: str, axis: Any) -> spec.Filter:
    return operators.edges(name, len(frame.spatial), axes.edge_axes(axis, frame))


def _edges_2d(frame: Frame, name: str, along: int) -> spec.Filter:
    axes.need_2d(frame)
    return operators.edges(name, 2, (along,))


def _roberts(frame: Frame, which: str) -> spec.Filter:
    axes.need_2d(frame)
    return spec.Roberts(which)
