"""Correlation with taps of one's own. The options are those of `fastsep.filters`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

from fastsep import filters
from fastsep._call import OWN, Operation, apply
from fastsep._docs import complete
from fastsep._ops import choice, missing
from fastsep._ops.missing import COMPLETE, differ
from fastsep._plan import operators as _taps
from fastsep._plan import spec
from fastsep._types import Axis, Integers, Mode, Nan, Taps
from fastsep._validation import filter_kernels, scalars
from fastsep._validation.array_like import Array, show
from fastsep._validation.axes import Frame

if TYPE_CHECKING:
    from fastsep.factorization.bank import BankFactorization

__all__ = ["convolve", "correlate", "correlate_bank", "separable_filter"]


def __dir__() -> list[str]:
    return __all__


Method = Literal["auto", "direct", "separable", "fft"]
BankMethod = Literal["auto", "direct", "separable"]


def separable_filter(
    image: npt.ArrayLike,
    taps: Taps,
    *,
    stride: Integers = 1,
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
    """Correlate every axis with its own 1-D taps.

    The same as `scipy.ndimage.correlate1d` along one axis after the other, without rounding in
    between: result[i] = sum over k of taps[k] * image[i + k - len(taps) // 2]; taps are not
    flipped. Integer images are not rescaled. Integer taps on an integer image with an integer
    `dtype` are exact while the sum of the absolute values of the taps, times the largest pixel,
    stays under 2**53.

    Parameters
    ----------
    taps : 1-D array_like; or one 1-D array_like or None for each spatial axis, or a dict of these by dimension
        A single 1-D array is used on every spatial axis; None leaves an axis alone.
    stride : int; or one int for each spatial axis, or a dict of these by dimension
        Along each axis only the first result and every stride-th after it stay: of a plane the result is
        `separable_filter(image, taps)[::stride, ::stride]`, bit for bit, and has ceil(n / stride) pixels
        along an axis of n. The others are not made, except where it is faster to make all, or where
        derivatives are summed in another order; `explain` tells. Images with missing pixels take none.
    out : ndarray, optional
        Array of the result's shape to write into, also returned. It may be the image itself, if that
        has this shape, or overlap it (the image is then copied first). It settles the dtype.

    Returns
    -------
    ndarray
        Of the image's shape, or of what a `stride` leaves of it. Values stay on the image's own scale.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8)
    >>> fastsep.separable_filter(image, ([1, 2, 1], [-1, 0, 1]), dtype=np.int16).tolist()
    [[9, 0, -9], [18, 0, -18], [9, 0, -9]]

    One level of a pyramid:

    >>> image = np.ones((480, 640), np.float32)
    >>> fastsep.separable_filter(image, np.array([1, 4, 6, 4, 1]) / 16, stride=2).shape
    (240, 320)
    """
    lines = filter_kernels.tap_lines(taps)
    given = (type(image), type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    call = (_separable, (lines, stride), image, mode, cval, channel_axis, OWN, dtype, out, workers)
    if differ(given, COMPLETE) or weights is not None or mode == "ignore":
        return missing.apply(call, _separable_of_missing, weights, given[2:])  # type: ignore[no-any-return]
    return apply(*call)


def correlate(
    image: npt.ArrayLike,
    kernel: npt.ArrayLike,
    *,
    tol: float = 0.0,
    method: Method = "auto",
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
    """Correlate an image with any kernel, by the cheapest way there is.

    result[i] = sum over k of kernel[k] * image[i + k - shape // 2], with `shape` that of the kernel:
    the same as `scipy.ndimage.correlate`, also for NaN and infinity, which no zero of the kernel
    lets through (SciPy takes taps up to 2.2e-16 for zeros). Integer images are not rescaled.
    `explain(correlate, image, kernel)` tells which way is taken and why.

    Parameters
    ----------
    kernel : array_like
        Real and finite, one axis for each spatial axis of the image.
    tol : float
        How far the kernel may be off, as the sum of the absolute differences: no value of the
        result is off by more than `tol` times the largest of the absolute values of the image and
        `cval`. 0: exact to the rounding of the arithmetic.
    method : {"auto", "direct", "separable", "fft"}
        "direct" multiplies tap by tap, "separable" runs the sum of products of lines that
        `factorize` finds, "fft" transforms blocks of the image. "auto" takes what should be
        fastest; a transform, or terms that together reach further than the kernel, only for a float
        result of an image without NaN or infinity. Asked for by name they spread NaN. It takes the
        same way on every CPU; the last bits of a transform, and of several terms, may differ. With missing
        pixels it takes a single term or taps one by one, and "fft" is refused.

        The rounding errors of a transform stay local, however large the values are elsewhere: no
        float result is off by more than 1e-4 (in float64: 1e-10) times the sum of the absolute taps
        times the largest absolute pixel under the kernel. Of an image and a kernel without negative
        values no result is negative, and none is off by more than 1e-4 (1e-10) of itself plus 1e-12
        times that product. Blocks of the image whose range of values is too large for a transform
        in float32 are transformed in float64, and if that cannot keep to it, summed tap by tap.

        An integer result of an integer image under a kernel of whole numbers is exact while it
        stays under 2**53; where a method cannot promise that, "auto" does not take it and asking
        for it is refused.

    Raises
    ------
    ValueError
        For a kernel that is empty, complex, not finite or has another number of axes than the
        image; a negative `tol`; an unknown `method`, or one that is not possible.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8)
    >>> fastsep.correlate(image, [[1, 2, 0], [0, 0, 0], [0, 0, 3]], dtype=np.int16).tolist()
    [[27, 0, 0], [0, 0, 0], [0, 18, 9]]
    """
    key = choice.pack(filter_kernels.kernel(kernel))
    parameters = (key, False, scalars.tolerance(tol), method)
    given = (type(image), type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    call = (choice.candidates, parameters, image, mode, cval, channel_axis, OWN, dtype, out, workers)
    if differ(given, COMPLETE) or weights is not None or mode == "ignore":
        return missing.apply(call, choice.of_missing, weights, given[2:])  # type: ignore[no-any-return]
    return apply(*call)


def convolve(
    image: npt.ArrayLike,
    kernel: npt.ArrayLike,
    *,
    tol: float = 0.0,
    method: Method = "auto",
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
    """Convolve an image with any kernel: `correlate` with the kernel turned around.

    The same as `scipy.ndimage.convolve`: result[i] = sum over k of kernel[k] * image[i - k +
    shape // 2].

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> impulse = np.zeros((3, 3))
    >>> impulse[1, 1] = 1
    >>> fastsep.convolve(impulse, [[1, 2, 0], [0, 0, 0], [0, 0, 3]]).tolist()
    [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]
    """
    key = choice.pack(filter_kernels.kernel(kernel))
    parameters = (key, True, scalars.tolerance(tol), method)
    given = (type(image), type(mode), nan, min_weight, keep_nan, nodata, fill_value)
    call = (choice.candidates, parameters, image, mode, cval, channel_axis, OWN, dtype, out, workers)
    if differ(given, COMPLETE) or weights is not None or mode == "ignore":
        return missing.apply(call, choice.of_missing, weights, given[2:])  # type: ignore[no-any-return]
    return apply(*call)


def correlate_bank(
    image: npt.ArrayLike,
    kernels: npt.ArrayLike | BankFactorization,
    *,
    tol: float = 0.0,
    method: BankMethod = "auto",
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Correlate an image with all kernels of a bank at once.

    result[..., i] = correlate(image, kernels[i]), for an image of two spatial axes. Separable terms
    that all kernels share (see `factorize_bank`) are run once and mixed pixel by pixel, strip by
    strip in the cache. Integer images are not rescaled.

    Parameters
    ----------
    kernels : (n, kh, kw) array_like, or BankFactorization
        Finding the terms of kernels may take seconds; it is done once for a bank in a process. To
        choose their number, or to have the very same ones on another CPU, pass
        `factorize_bank(kernels)`.
    tol : float
        How far each kernel may be off, as the sum of the absolute differences. 0: not at all, to
        rounding. For kernels only.
    method : {"auto", "separable", "direct"}
        "separable" runs the terms; "direct" multiplies tap by tap. "auto" takes what should be
        faster, and "direct" for an image with NaN or infinity, whose reach it does not widen.
    dtype : float32 or float64, optional
        By default float32 for a float32 or float16 image, else float64.
    out : (..., n) ndarray of the result's dtype, optional

    Returns
    -------
    ndarray
        Of the image's shape with an axis for the n kernels behind it.

    Raises
    ------
    ValueError
        For kernels that are not (n, kh, kw), real and finite; an image that has not two spatial
        axes; an integer `dtype`; a negative `tol`, an unknown `method`, an unsuitable `out`.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> impulse = np.zeros((5, 5), np.float32)
    >>> impulse[2, 2] = 1
    >>> bank = np.stack([np.ones((3, 3)), np.eye(3)])
    >>> fastsep.correlate_bank(impulse, bank)[1:4, 1:4, 1].round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    from fastsep._ops import bank  # with SciPy's linear algebra, which takes long to import

    return bank.correlate(image, kernels, tol, method, mode, cval, channel_axis, out, dtype, workers)


complete((separable_filter, correlate, correlate_bank), filters.__doc__)
complete((convolve,), correlate.__doc__)


def _separable(frame: Frame, taps: Any, stride: Any) -> spec.Filter | Operation:
    what = _taps.separable(filter_kernels.taps_per_axis(taps, len(frame.spatial)))
    strides = scalars.integers("stride", stride, len(frame.spatial), 1)
    if max(strides, default=1) == 1:
        return what
    from fastsep._ops import strided  # for it alone, as it describes plans

    return strided.separable(what, strides)


def _separable_of_missing(frame: Frame, taps: Any, stride: Any) -> spec.Filter | Operation:
    what = _separable(frame, taps, stride)
    if not isinstance(what, spec.Filter):
        raise ValueError(
            f"`stride` must be 1 with `weights`, `nan`, `nodata`, masked arrays and mode ignore; got {show(stride)}."
        )
    return what
