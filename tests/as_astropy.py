"""Astropy's `convolve`, made of fastsep's: for the tests of astropy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

import fastsep

MODES = {"fill": "constant", "wrap": "wrap", "extend": "nearest", None: "constant"}
NAN_LEFT = (
    "nan_treatment='interpolate', however, NaN values detected post convolution. A contiguous region of NaN values, "
    "larger than the kernel size, are present in the input array. Increase the kernel size to avoid this."
)


def convolve(
    array: Any,
    kernel: Any,
    boundary: str | None = "fill",
    fill_value: float = 0.0,
    nan_treatment: str = "interpolate",
    normalize_kernel: bool = True,
    mask: Any = None,
    preserve_nan: bool = False,
    normalization_zero_tol: float = 1e-8,
) -> Any:
    """Where astropy needs no weights, because no pixel is missing, there are none here: kernels may have both signs."""
    image = array if isinstance(array, np.ma.MaskedArray) else np.asanyarray(array)
    if image.dtype.kind in "biu":
        image = image.astype(np.float64)
    kernel = np.asarray(getattr(kernel, "array", kernel), np.float64)
    if normalize_kernel:
        total = kernel.sum()
        if abs(total) <= normalization_zero_tol:
            raise ValueError("a kernel whose sum is close to zero cannot be normalized")
        kernel = kernel / total
    options: dict[str, Any] = {"mode": MODES[boundary], "cval": fill_value}
    if np.isnan(fill_value):
        options = {"mode": "ignore"}
    missing = np.ma.getmaskarray(image) | (np.ma.getdata(image) != np.ma.getdata(image))
    if mask is not None:
        missing = missing | (mask != 0)
    if nan_treatment == "fill":
        image = np.where(missing, image.dtype.type(fill_value), image)
    elif missing.any():
        options |= {"nan": "ignore", "keep_nan": preserve_nan, "weights": None if mask is None else mask == 0}
    result = fastsep.convolve(image, kernel, **options)
    if isinstance(result, np.ma.MaskedArray):
        result = result.filled(np.nan)
    if boundary is None:  # astropy has no results where the kernel reaches beyond the image
        inner = tuple(slice(n // 2, size - n // 2) for n, size in zip(kernel.shape, image.shape, strict=True))
        whole, result = result, np.zeros_like(result)
        result[inner] = whole[inner]
    if preserve_nan:
        result[missing] = np.nan
    elif nan_treatment == "interpolate" and np.isnan(result).any():
        warnings.warn(NAN_LEFT, AstropyUserWarning, stacklevel=2)
    return result.astype(image.dtype, copy=False)  # astropy keeps the order of bytes
