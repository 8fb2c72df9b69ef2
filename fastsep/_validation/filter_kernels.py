"""Taps and kernels of the caller's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastsep._validation.array_like import (
    NUMBERS,
    Array,
    is_sequence,
    made_array,
    makes_array,
    real_array,
    refuse_masked,
    show,
)
from fastsep._validation.scalars import ArgumentError


def tap_lines(taps: Any) -> Any:
    """Taps as hashable tuples: numbers for one line for all axes, else a tuple or None per axis.

    Called before the remembered plans are looked up, so it does no more than that.
    """
    if isinstance(taps, np.ndarray) and taps.ndim == 1:
        return _tap_line(taps)
    if isinstance(taps, Mapping):  # by the names of dimensions
        return {name: None if line is None else _tap_line(line) for name, line in taps.items()}
    if not is_sequence(taps):
        array = made_array("taps", taps) if makes_array(taps) else None
        if array is None or not array.ndim:
            raise TypeError(
                f"`taps` must be a 1-D array, or one 1-D array or None for each spatial axis; got {show(taps)}."
            )
        return tap_lines(array)
    items = tuple(taps)
    if not items or not (items[0] is None or is_sequence(items[0])):
        return _tap_line(items)
    return tuple(None if item is None else _tap_line(item) for item in items)


def _tap_line(values: Any) -> tuple[Any, ...]:
    if type(values) in (list, tuple) and values and NUMBERS.issuperset(map(type, values)):
        try:
            return tuple(map(float, values))
        except OverflowError:
            raise ValueError(f"`taps` must be finite real numbers; got {show(values)}.") from None
    if type(values) is not np.ndarray:
        refuse_masked("taps", values)
    try:
        line = np.asarray(values)
    except ValueError:  # ragged
        line = np.empty((0, 0))
    if line.ndim != 1 or not line.size:
        hint = " A kernel of several axes goes to `correlate`." if line.size else ""
        raise ArgumentError(f"`taps` of an axis must be 1-D with at least one tap; got {show(values)}.{hint}")
    if line.dtype.kind not in "biuf":
        raise ValueError(f"`taps` must be finite real numbers; got {show(values)}.")
    return tuple(line.tolist())


def kernel(value: Any) -> Array:
    """A kernel of any number of axes in float64, finite; the caller may change its own afterwards."""
    if callable(getattr(value, "dense", None)):
        raise TypeError("`kernel` must be an array; of a factorization pass `.dense()`.")
    array = real_array("kernel", value)
    if not array.ndim or not array.size:
        raise ArgumentError(f"`kernel` must have at least one axis and one tap; got shape {array.shape}.")
    return np.ascontiguousarray(finite_float64("kernel", array))


def kernel_stack(value: Any) -> Array:
    """Kernels (n, kh, kw) in float64, finite."""
    array = real_array("kernels", value)
    if array.ndim != 3 or not array.size:
        raise ArgumentError(f"`kernels` must be (n, kh, kw), none of them zero; got shape {array.shape}.")
    return np.ascontiguousarray(finite_float64("kernels", array))


def taps_per_axis(lines: Any, count: int) -> tuple[tuple[float, ...] | None, ...]:
    """One line of finite taps, or None, for each axis, from what `tap_lines` gave."""
    if isinstance(lines, dict):
        raise TypeError(f"`taps` must name no dimensions of an image without names; got {show(list(lines))}.")
    result = (lines,) * count
    if lines[0] is None or is_sequence(lines[0]):
        if len(lines) != count:
            raise ArgumentError(
                f"`taps` must be one line or one for each of the {count} spatial axes; got {len(lines)} lines."
                " A kernel goes to `correlate` as a whole."
            )
        result = lines
    for line in result:
        if line is not None and not all(map(math.isfinite, line)):
            raise ValueError(f"`taps` must be finite real numbers; got {show(line)}.")
    return result


def need_one_sign(lines: Sequence[Array]) -> None:
    """Refuse taps whose sum may vanish where pixels are missing."""
    if any((taps < 0).any() and (taps > 0).any() for taps in lines):
        raise ValueError(
            "Weights of pixels, `nan`, `nodata`, masks and mode ignore need taps of one sign: results are divided by"
            " the sum of those that meet a pixel, and that of others may vanish."
        )
    if not all(taps.any() for taps in lines):
        raise ValueError("Weights of pixels, `nan`, `nodata`, masks and mode ignore need taps that are not all zero.")


def finite_float64(name: str, array: Array) -> Array:
    """A real array in float64; NaN and infinity refused."""
    with np.errstate(all="ignore"):  # what is wider than float64
        values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite in float64; got NaN or infinity in it.")
    return values
