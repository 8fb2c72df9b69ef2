"""Which dtypes the engine computes in, and how values get there and back.

No argument is checked here: that is `_validation`'s part.
"""

from __future__ import annotations

import math

import numpy as np

from fastsep._validation.array_like import Array, DType
from fastsep._validation.axes import Frame

# What the engine reads and writes, native byte order.
ENGINE_DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "int16", "float32", "float64"))


# ---- rules


def source_dtype(image: DType) -> DType:
    """The smallest dtype of the engine that holds every value of `image`'s, else float64."""
    native: DType = image.newbyteorder("=")
    if native in ENGINE_DTYPES:
        return native
    names = {("b", 1): "uint8", ("i", 1): "int16", ("f", 2): "float32"}
    return np.dtype(names.get((image.kind, image.itemsize), "float64"))


def target_dtype(result: DType) -> DType:
    """What the engine computes so that `finish` can make `result` of it."""
    native: DType = result.newbyteorder("=")
    if native in ENGINE_DTYPES:
        return native
    names = {("i", 1): "int16", ("f", 2): "float32"}
    return np.dtype(names.get((result.kind, result.itemsize), "float64"))


def working_dtype(image: DType, result: DType) -> DType:
    """The float dtype that holds what lies between several filters on the way to `result`."""
    narrow = result.kind == "f" and result.itemsize <= 4 and not (image.kind == "f" and image.itemsize > 4)
    return np.dtype(np.float32) if narrow else np.dtype(np.float64)


def border_dtype(source: DType, target: DType, value: float) -> DType:
    """`source`, or a float dtype if a border of `value` does not fit it."""
    if source.kind == "f":
        with np.errstate(over="ignore", under="ignore"):
            exact = target != np.float64 or float(source.type(value)) == value or value != value
        return source if exact else np.dtype(np.float64)
    info = np.iinfo(source)
    if info.min <= value <= info.max and value == int(value):
        return source
    return np.dtype(np.float32) if target == np.float32 else np.dtype(np.float64)


def order_dtype(image: DType) -> DType:
    """What order statistics of an image are read, computed and written in: its own dtype, where kernels know it.

    Bool is uint8, and what is wider than float64 is float64.
    """
    native: DType = image.newbyteorder("=")
    if native.kind in "iu" or native in (np.float16, np.float32, np.float64):
        return native
    return np.dtype({"b": "uint8", "f": "float64"}[native.kind])


def order_border(source: DType, value: float) -> float:
    """A border of `value` for order statistics in `source`: for integers truncated, and within their range.

    Neither changes which pixels are smaller or larger, so that results are SciPy's, which truncates them, unless they
    are a border out of range.
    """
    if source.kind == "f":
        return value
    info = np.iinfo(source)
    return 0.0 if value != value else float(math.trunc(min(max(value, float(info.min)), float(info.max))))


def cast_dtypes(image: DType, result: DType, border: float | None) -> tuple[DType, DType]:
    """What is read and what is written where integer results are casts: each its own dtype; bool is uint8.

    `border`: a constant beyond the image, or None. It is no pixel and never cast: where it does not fit, the image is
    read as float64.
    """
    source, target = order_dtype(image), order_dtype(result)
    return source if border is None else border_dtype(source, np.dtype(np.float64), border), target


def unit(image: DType) -> float:
    """The value that becomes 1.0 where an image is rescaled."""
    return float(np.iinfo(image).max) if image.kind in "iu" else 1.0


def clip_range(frame: Frame, preserve_range: bool, signed: bool) -> tuple[float, float] | None:
    """Range of the image's dtype, from 0 unless `signed`; rescaled unless the result is integer."""
    if not frame.integer:
        return None if preserve_range else (-1.0 if signed else 0.0, 1.0)
    if frame.dtype.kind == "f":
        return None
    return (float(np.iinfo(frame.dtype).min) if signed else 0.0, unit(frame.dtype))


# ---- values


def finite_in(dtype: DType, value: float) -> bool:
    """Whether `value` is neither NaN nor infinite as a value of this dtype."""
    with np.errstate(over="ignore", under="ignore"):
        return math.isfinite(value) and bool(np.isfinite(np.float64(value).astype(dtype)))


def is_within(image: Array, limit: float) -> bool:
    """Whether all values lie in [-limit, limit], which is finite: no NaN, no infinity, none near it."""
    return not image.size or (-limit <= float(image.min()) and float(image.max()) <= limit)


def has_negative(image: Array) -> bool:
    """Whether any value is below zero; NaN is not."""
    if not image.size or image.dtype.kind in "bu":
        return False
    # Along an axis of stride zero there is but one pixel, however often it is repeated.
    image = image[tuple(slice(None) if stride else slice(1) for stride in image.strides)]
    lowest = image.min()
    if lowest != lowest:
        lowest = np.fmin.reduce(image, axis=None)
    return bool(lowest < 0)


def convert(image: Array, source: DType, front: int | None, clamp: bool) -> Array:
    """`image` as the engine reads it; at most one copy.

    `front`: the axis to move to the front. `clamp`: raise the most negative integer by one, because
    rescaled to [-1, 1] by the largest it would be below -1.
    """
    if front is not None:
        image = np.moveaxis(image, front, 0)
    if image.dtype == np.bool_ and source == np.uint8 and image.flags.c_contiguous:
        # Pillow's pictures of one bit, among others, have bytes of 255 for true, which the conversion makes 1.
        values = image.view(np.uint8)
        if np.maximum.reduce(values, axis=None, initial=0) <= 1:
            image = values
    with np.errstate(all="ignore"):  # what is wider than float64
        array = image.astype(source, order="C", copy=False)
    if not array.flags.aligned:
        array = array.copy()
    if clamp:
        lowest = source.type(-unit(image.dtype))
        if not np.may_share_memory(array, image):
            np.maximum(array, lowest, out=array)
        elif array.size and array.min() < lowest:
            array = np.maximum(array, lowest)
    return array


def finish(values: Array, result: DType) -> Array:
    """`values` in the dtype asked for: rounded half to even and saturated for integers, for bool true where not 0."""
    if values.dtype == result:
        return values
    with np.errstate(all="ignore"):  # infinity is what float16 has for larger values, and zero for tiny ones
        return values.astype(result) if result.kind in "fb" else _rounded(values, result)


def _rounded(values: Array, result: DType) -> Array:
    info = np.iinfo(result)
    rounded = np.rint(values) if values.dtype.kind == "f" else values
    # The largest int64 and uint64 are no float64: what is not below them is set apart, not
    # converted.
    high = rounded >= float(info.max)
    inside = (rounded > float(info.min)) & ~high
    converted = np.where(inside, rounded, 0).astype(result)
    converted[high] = info.max
    converted[~(rounded > float(info.min))] = info.min  # NaN too, as the kernels have it
    return converted
