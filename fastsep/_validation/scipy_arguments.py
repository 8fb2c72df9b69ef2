"""Arguments as `scipy.ndimage` reads them: `output`, `axes`, `origin`, and modes, sizes and footprints for some axes.

Messages hold the words of SciPy's that its own tests look for.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsep._validation.array_like import Array, Block, Borrowed, DType, StandIn, is_foreign, is_masked, show
from fastsep._validation.axes import border_mode
from fastsep._validation.scalars import ArgumentError, integer, number


def as_array(value: Any) -> Array:
    """`value` as a plain array of any dtype, or what stands for one; arrays of other packages stay what they are."""
    if type(value) not in (np.ndarray, StandIn, Block):
        from fastsep._validation.borrowing import lent  # for arrays of other packages alone

        if is_masked(value):
            return as_array(value.data)
        value = lent("input", value)
        if type(value) is not Borrowed and not is_foreign(value):
            value = np.asarray(value)
    array: Array = value
    return array


def output_of(value: Any, shape: tuple[int, ...], complex_result: bool) -> tuple[DType | None, Array | None]:
    """The dtype that `output` asks for, or the array to write into; neither if it is None."""
    if value is None:
        return None, None
    if isinstance(value, type | np.dtype | str):
        return _dtype_of(value, complex_result), None
    if is_foreign(value):
        raise TypeError(f"`output` must be a NumPy array or a dtype; got {type(value).__name__}.")
    out = np.asarray(value)
    if out.shape != shape:
        raise ArgumentError(f"`output` must have the shape of `input`, {shape}; got {out.shape}.")
    if not out.flags.writeable:
        raise ValueError("`output` must be writeable; got a read-only array.")
    if complex_result and out.dtype.kind != "c":
        raise RuntimeError(f"`output` must have a complex dtype for a complex result; got {out.dtype}.")
    return None, out


def _dtype_of(value: Any, complex_result: bool) -> DType:
    try:
        dtype: DType = np.dtype(value)
    except TypeError:
        raise TypeError(f"`output` must be an array or a dtype; got {show(value)}.") from None
    if isinstance(value, str) and not issubclass(dtype.type, np.number):
        raise RuntimeError(f"`output` must name a numeric dtype; got {show(value)}.")
    if complex_result and dtype.kind != "c":
        if isinstance(value, str):
            raise RuntimeError(f"`output` must name a complex dtype for a complex result; got {show(value)}.")
        warnings.warn(
            f"promoting specified output dtype to complex, as the result is; got {dtype}.",
            UserWarning,
            stacklevel=_levels_to_caller(),
        )
        dtype = np.promote_types(dtype, np.complex64)
    return dtype


def _levels_to_caller() -> int:
    """`stacklevel` of a warning in the function that asks, to point at the code that has called this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("fastsep."):
        frame, level = frame.f_back, level + 1
    return level


def axes_of(value: Any, ndim: int) -> tuple[int, ...]:
    """The axes to filter, counted from the front; None is all."""
    if value is None:
        return tuple(range(ndim))
    if np.iterable(value) and not isinstance(value, str):
        given = tuple(map(_axis, value))
    elif np.isscalar(value):
        given = (_axis(value),)
    else:
        raise ValueError(f"`axes` must be None, an integer or several; got {show(value)}.")
    for axis in given:
        if not -ndim <= axis < ndim:
            raise np.exceptions.AxisError(f"axis {axis} of `axes` is out of range for an array of {ndim} dimensions.")
    found = tuple(axis % ndim for axis in given)
    if len(set(found)) != len(found):
        raise ValueError(f"axes must be unique; got {show(value)}.")
    return found


def _axis(value: Any) -> int:
    try:
        return integer("axes", value)
    except TypeError:
        raise TypeError(f"`axes` must be integers; {show(value)} cannot be interpreted as an integer.") from None


def per_axis(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """One value for each of the axes that are filtered, from one value or as many as there are axes."""
    if isinstance(value, str) or not np.iterable(value):
        return (value,) * count
    values = tuple(value)
    if len(values) != count:
        raise ArgumentError(
            f"`{name}`: sequence argument must have length equal to input rank, or to that of `axes`: {count};"
            f" got {len(values)}."
        )
    return values


def modes(value: Any, axes: Sequence[int], ndim: int) -> tuple[str, ...]:
    """A mode for every axis of the array, from those of `axes`."""
    found = ["reflect"] * ndim
    for axis, mode in zip(axes, per_axis("mode", value, len(axes)), strict=True):
        found[axis] = border_mode(mode)
    return tuple(found)


def single_mode(value: Any) -> str:
    """A mode for all axes, where SciPy takes no sequence."""
    if not isinstance(value, str) and np.iterable(value):
        raise ArgumentError(f"`mode` must be a single one here; got {show(value)}.")
    return border_mode(value)


def centre(size: int, origin: Any, taps: bool = False) -> int:
    """Which of `size` pixels of a window, or of taps, lies on the pixel itself.

    A ValueError if none does, a TypeError for a part of one and for NaN. Of taps, an origin between the last one and
    the next is a ValueError, too.
    """
    least, most = -(size // 2), (size - 1) // 2
    message = f"`origin` must be an integer in [{least}, {most}] for a size of {size}; got {show(origin)}."
    try:
        if origin != origin or (least <= origin < most + 1 and not (taps and origin > most)):
            return size // 2 + integer("origin", origin)
    except TypeError:
        raise TypeError(message) from None
    raise ValueError(message)


def turned(size: int, origin: Any) -> Any:
    """The origin of a window of `size` that is turned around."""
    number("origin", origin)
    return -origin - (size % 2 == 0)


def radius(value: Any) -> int:
    """How far taps reach, given directly."""
    try:
        return integer("radius", value, 0)
    except (TypeError, ValueError):
        raise ValueError(f"`radius` must be a nonnegative integer; got {show(value)}.") from None


def window_size(name: str, value: Any) -> int:
    """The size of a window along one axis."""
    size = integer(name, value)
    if size < 1:
        raise ArgumentError(f"`{name}` must be at least 1; got {show(value)}.")
    return size


def check_window(name: str, shape: Sequence[int], count: int) -> None:
    """Refuse a kernel or footprint that does not have `count` axes, or is empty."""
    if len(shape) != count:
        raise ArgumentError(
            f"`{name}` must have an axis for each that is filtered: {name}.ndim ({len(shape)}) must match"
            f" len(axes) ({count})."
        )
    if 0 in shape:
        raise ArgumentError(f"`{name}` must not have an axis of length 0; got shape {tuple(shape)}.")


def for_all_axes(items: Array, axes: Sequence[int], ndim: int, name: str) -> Array:
    """A kernel or footprint of some axes as one of all: of length 1 along the others.

    As in SciPy, its axes are taken in the order of the array's, whatever the order of `axes`.
    """
    check_window(name, items.shape, len(axes))
    return np.expand_dims(items, tuple(axis for axis in range(ndim) if axis not in axes))


def of_all_axes(name: str, value: Any, axes: Sequence[int], ndim: int) -> list[Any]:
    """A value for every axis of the array, in its order, from those of `axes`; 0 for the others.

    Where SciPy reads a value this way, the order of `axes` that name all of them is ignored.
    """
    given = per_axis(name, value, len(axes))
    found = list(given) if len(axes) == ndim else [0] * ndim
    if len(axes) < ndim:
        for axis, item in zip(axes, given, strict=True):
            found[axis] = item
    return found


def centres(sizes: Sequence[int], origins: Sequence[Any], taps: bool = False) -> tuple[int, ...]:
    """`centre` for each axis."""
    return tuple(centre(size, origin, taps) for size, origin in zip(sizes, origins, strict=True))
