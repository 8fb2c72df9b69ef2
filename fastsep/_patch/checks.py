"""What the checks of calls share. Each tells why fastsep does not take an argument; None if it does.

A call that goes to the original pays for them, hence a few looks at types instead of all that a call checks later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import maximum, may_share_memory, memmap, minimum, ndarray

from fastsep._patch import worth

SUBCLASS = "no plain array"
DTYPE = "dtype"
BYTE_ORDER = "byte order"
SMALL = "small image"
NAN = "NaN or infinite pixels"
LARGE = "large integers"
AXES = "axes"
AXIS = "`axis`"
MODE = "`mode`"
CVAL = "`cval`"
OUT = "`out` or `output`"
MASK = "`mask`"
FOOTPRINT = "`footprint`"
VALUES = "kind of an argument"

REAL = "?bBhHiIlLqQfd"
REAL_AND_HALF = REAL + "e"

#: For as many pixels originals take 6 to 200 us, and fastsep 5 to 30. Compiling a kernel takes about a second, which is
#: thousands of such calls; and a few filters along one axis are sooner done by the original (measured: 6 us, not 9).
smallest = 1024
#: Of a single line (measured, 3 taps: 4096 pixels 13 us, SciPy 11; 8192 pixels 15 us, SciPy 18).
smallest_line = 1 << 13

_PLAIN = (ndarray, memmap)
_NUMBERS = (int, float)
#: Of other types the originals compute with fewer digits, or overflow.
_NUMPY_NUMBERS = (np.float64, np.int64)
_SEVERAL = (tuple, list)


def of_image(image: Any, dtypes: str) -> str | None:
    """Array, dtype, size."""
    if type(image) not in _PLAIN:
        return SUBCLASS
    dtype = image.dtype
    if dtype.char not in dtypes:
        return DTYPE
    if not dtype.isnative:
        return BYTE_ORDER
    return SMALL if image.size < smallest or not image.ndim else None


def of_line(image: Any, dtypes: str) -> str | None:
    """`of_image` for filters that add pixels up."""
    reason = of_image(image, dtypes)
    if reason is None and image.ndim == 1 and image.size < smallest_line:
        return SMALL
    return reason


def is_real(value: Any) -> bool:
    """A number that is not NaN."""
    return (type(value) in _NUMBERS or isinstance(value, _NUMPY_NUMBERS)) and value == value


def is_reals(value: Any) -> bool:
    """A number, or several."""
    if type(value) in _SEVERAL:
        return all(map(is_real, value))
    return is_real(value) or (type(value) is ndarray and value.dtype.char in "dlq" and value.ndim == 1)


def is_whole(value: Any) -> bool:
    """An integer; no bool, no whole float."""
    return type(value) is int or type(value) is np.int64


def is_whole_each(value: Any) -> bool:
    """An integer, or several."""
    if type(value) in _SEVERAL:
        return all(map(is_whole, value))
    return is_whole(value) or (type(value) is ndarray and value.dtype.char in "lq" and value.ndim == 1)


def of_border(mode: Any, cval: Any) -> str | None:
    """One mode, and a number."""
    if type(mode) is not str:
        return MODE
    return None if is_real(cval) else CVAL


def of_order_border(image: ndarray[Any, Any], cval: float) -> str | None:
    """A border that an integer image cannot hold SciPy compares, and turns into one."""
    kind = image.dtype.kind
    if cval == 0 or kind == "f":
        return None
    if kind == "b":
        return None if cval == 1 else CVAL
    info = np.iinfo(image.dtype)
    return None if info.min <= cval <= info.max else CVAL


def of_footprint(footprint: Any) -> str | None:
    """Which pixels count, as an array."""
    return None if footprint is None or type(footprint) is ndarray else FOOTPRINT


def of_mask(mask: Any, image: ndarray[Any, Any]) -> str | None:
    """Bools of the image's shape."""
    fits = mask is None or (type(mask) is ndarray and mask.dtype.char == "?" and mask.shape == image.shape)
    return None if fits else MASK


def is_array_like(out: Any, image: ndarray[Any, Any], dtypes: str) -> bool:
    """Whether `out` can be written in place of an array of `dtypes`."""
    return (
        type(out) is ndarray and out.shape == image.shape and out.dtype.char in dtypes and out.dtype.isnative
    )  # fmt: skip


def of_overlap(input: Any, output: Any) -> str | None:
    """SciPy's functions of several steps read an input again that they have written to."""
    return OUT if type(output) is ndarray and may_share_memory(input, output) else None


# ---- looks at all pixels


def of_order(image: ndarray[Any, Any]) -> str | None:
    """Pixels that SciPy does not compare as numbers: NaN, and integers that float64 does not hold."""
    kind = image.dtype.kind
    if kind == "f":
        if _is_large(image) and _is_within(image):
            return None
        lowest = minimum.reduce(image, axis=None)
        return None if lowest == lowest else NAN
    return _of_integers(image, 2**53) if kind in "iu" else None


def of_running_sum(image: ndarray[Any, Any]) -> str | None:
    """Pixels that spoil SciPy's running sums to the end of the line, or fastsep's sums in float32."""
    kind = image.dtype.kind
    if kind == "f":
        if _is_large(image):
            return None if _is_within(image) else NAN
        limit = _HUGE[image.dtype.char]
        within = -limit <= minimum.reduce(image, axis=None) and maximum.reduce(image, axis=None) <= limit
        return None if within else NAN
    return _of_integers(image, 2**40) if kind in "iu" else None


def of_casts(image: ndarray[Any, Any], output: Any, cval: Any, gain: float) -> str | None:
    """Sums that C does not turn into integers: those beyond 32 bits, for which it has no rule.

    `output`: an array, a dtype or None. `gain`: how much larger than the image results may be.
    """
    source = image.dtype
    result = source if output is None else output.dtype if type(output) is ndarray else np.dtype(output)
    if source.kind == "f" or result.kind not in "iu" or (gain <= 1 and result == source and cval == 0):
        return None
    if source.itemsize <= 2:
        largest = 1 << 8 * source.itemsize
    else:
        largest = max(-int(image.min()), int(image.max()))
    return LARGE if max(largest, abs(cval)) * gain >= 2**31 else None


#: Far enough below the largest value for sums over windows.
_HUGE = {"f": 1e32, "d": 1e300}


def _of_integers(image: ndarray[Any, Any], limit: int) -> str | None:
    if image.dtype.itemsize < 8:
        return None
    return None if -limit <= int(image.min()) and int(image.max()) <= limit else LARGE


def _is_large(image: ndarray[Any, Any]) -> bool:
    """Whether fastsep's threads, where they are loaded, look at the pixels sooner than NumPy."""
    return worth.is_loaded() and image.size >= 1 << 18 and image.flags.c_contiguous and image.flags.aligned


def _is_within(image: ndarray[Any, Any]) -> bool:
    from fastsep._engine.execution import is_within  # takes longer to import than all of this folder

    return is_within(image, _HUGE[image.dtype.char], None)
