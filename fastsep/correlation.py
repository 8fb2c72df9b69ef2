"""Correlation with taps of one's own. Shared options: see `fastsep.filters`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from fastsep import _image, _plan
from fastsep import taps as _taps
from fastsep._funnel import apply
from fastsep._image import Array, Frame
from fastsep.filters import Mode

__all__ = ["separable_filter"]


def separable_filter(
    image: npt.ArrayLike,
    taps: npt.ArrayLike | Sequence[npt.ArrayLike | None],
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    channel_axis: int | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Correlate every axis with its own 1-D taps.

    The same as `scipy.ndimage.correlate1d` along one axis after the other, without rounding in
    between: result[i] = sum over k of taps[k] * image[i + k - len(taps) // 2]; taps are not
    flipped. Integer images are not rescaled. Integer taps on an integer image with an integer
    `dtype` are exact while the sum of the absolute values of the taps, times the largest pixel,
    stays under 2**53. Options: see `fastsep.filters`.

    Parameters
    ----------
    taps : 1-D array_like, or a sequence of one 1-D array_like or None for each spatial axis
        A single 1-D array is used on every spatial axis; None leaves an axis alone.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8)
    >>> fastsep.separable_filter(image, ([1, 2, 1], [-1, 0, 1]), dtype=np.int16).tolist()
    [[9, 0, -9], [18, 0, -18], [9, 0, -9]]
    """
    lines = _image.tap_lines(taps)
    return apply(_separable, (lines,), image, mode, cval, channel_axis, False, dtype, out, workers)


def _separable(frame: Frame, lines: tuple[Any, ...]) -> _plan.Filter:
    return _taps.separable(_image.taps_per_axis(lines, len(frame.spatial)))
