"""What a call says of missing pixels: its keywords, checked.

A filter K of an image f whose pixels have weights w is normalized: S * K(w f) / K(w), with S the sum of the taps, so
that a constant stays what the plain filter makes of it (Knutsson and Westin, "Normalized and differential
convolution", 1993, doi:10.1109/CVPR.1993.341081). All programs take the same operations, and hence give the same bits:

    total = K of weights of one, as the kernel adds them up
    share = K(w) / total
    result = K(w f) / share

Where all weights are 1, the kernel finds `total` again, `share` is 1 and the result is that of the plain filter, bit
for bit. Next to a constant that counts as pixels it may find a little more or less; shares in that range count as 1.
Pixels of weight 0 are selected, not multiplied: NaN * 0 is NaN. No sum of weights cancels, because taps have one sign:
`share` is 0 only where there is nothing.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastsep._ops.missing import names_ignore
from fastsep._validation import scalars
from fastsep._validation.array_like import is_sequence, show
from fastsep._validation.axes import IGNORE, Frame
from fastsep._validation.scalars import ArgumentError


class Missing(NamedTuple):
    """Which pixels have no weight, and which results have no value."""

    ignore_nan: bool  # NaN is missing
    nodata: int | None  # the value of integers that is
    min_weight: float  # a result with a smaller share has no value
    keep_nan: bool  # nor has that of a pixel which is missing itself
    fill: float | int  # results that have no value
    ignored: tuple[bool, ...]  # spatial axes beyond whose ends nothing has any weight: the mode is "constant" there
    weights: str = "weights"  # the keyword for weights of pixels

    @property
    def border_weight(self) -> float:
        """Of the constant beyond the border."""
        return 0.0 if any(self.ignored) else 1.0

    def counts(self, request_modes: tuple[str, ...]) -> bool:
        """Whether a constant beyond a border counts as pixels of weight 1."""
        return "constant" in request_modes and not any(self.ignored)


def missing_of(
    frame: Frame, options: tuple[Any, ...], weights: str, ignored: tuple[bool, ...], hidden: bool
) -> Missing:
    """The keywords behind that for weights, in the order of `NOTHING`.

    `hidden`: a mask tells which results have no value.
    """
    nan, min_weight, keep_nan, nodata, fill_value = options
    ignore_nan = scalars.one_of("nan", nan, ("propagate", "ignore")) == "ignore"
    least = scalars.number("min_weight", min_weight)
    if not 0.0 <= least <= 1.0:
        raise ValueError(f"`min_weight` must lie in [0, 1], as a part of the kernel's weight; got {show(min_weight)}.")
    if nodata is not None:
        nodata = _nodata(nodata, weights, frame)
    keep = scalars.flag("keep_nan", keep_nan)
    fill = _fill(fill_value, nodata, frame, hidden)
    return Missing(ignore_nan and frame.dtype.kind == "f", nodata, least, keep, fill, ignored, weights)


def _nodata(value: Any, weights: str, frame: Frame) -> int:
    if frame.dtype.kind not in "iu":
        advice = f" Pass `{weights}=image != nodata`, or make it NaN." if frame.dtype.kind == "f" else ""
        raise ValueError(f"`nodata` must be None for an image of {frame.dtype}, it is for integers.{advice}")
    number = scalars.integer("nodata", value)
    if not _holds(frame.dtype, number):
        raise ValueError(f"`nodata` must be a value that the image's dtype {frame.dtype} has; got {show(value)}.")
    return number


def _fill(value: Any, nodata: int | None, frame: Frame, hidden: bool) -> float | int:
    if not frame.integer:
        return math.nan if value is None else scalars.number("fill_value", value)
    if value is None and nodata is not None and _holds(frame.result, nodata):
        return nodata
    if value is None and hidden:
        return 0
    if value is None:
        raise ValueError(
            f"`fill_value` must be given for results of {frame.result}: integers have no NaN for those without a value."
        )
    number = scalars.integer("fill_value", value)
    if not _holds(frame.result, number):
        raise ValueError(f"`fill_value` must be a value that the result's dtype {frame.result} has; got {show(value)}.")
    return number


def _holds(dtype: np.dtype[Any], value: int) -> bool:
    if dtype.kind == "b":
        return 0 <= value <= 1
    info = np.iinfo(dtype)
    return int(info.min) <= value <= int(info.max)


def without_ignore(mode: Any, ndim: int, channel: int | None) -> tuple[Any, tuple[bool, ...]]:
    """Modes as the engine knows them, and for each spatial axis whether its mode was "ignore"."""
    count = ndim - (channel is not None)
    if not names_ignore(mode):
        return mode, (False,) * count
    if is_sequence(mode) and channel is not None and len(mode) == ndim:
        mode = [value for axis, value in enumerate(mode) if axis != channel]
    modes = scalars.per_axis("mode", mode, count)
    if any(value in ("constant", "grid-constant") for value in modes if isinstance(value, str)):
        raise ArgumentError(f"`mode` must not be ignore on one axis and constant on another; got {show(mode)}.")
    ignored = tuple(isinstance(value, str) and value == IGNORE for value in modes)
    return tuple("constant" if none else value for none, value in zip(ignored, modes, strict=True)), ignored
