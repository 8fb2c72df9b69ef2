"""The gate: every argument check and error message, and the dtypes that a caller may ask for.

Behind it nothing is checked again. Messages are one line: the argument, what is accepted, what
came. What makes an array is settled in `_array_like`.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastsep._array_like import NUMBERS, made_array, makes_array, refuse_masked
from fastsep._array_like import Array as Array
from fastsep._array_like import is_sequence as is_sequence
from fastsep._array_like import one_image as one_image
from fastsep._array_like import real_array as real_array
from fastsep._array_like import show as show

DType = np.dtype[Any]

# SciPy's names; for filters (not for its interpolation) the grid names mean the same as the plain
# ones.
MODES = {
    "reflect": "reflect",
    "constant": "constant",
    "nearest": "nearest",
    "mirror": "mirror",
    "wrap": "wrap",
    "grid-mirror": "reflect",
    "grid-constant": "constant",
    "grid-wrap": "wrap",
}

# What others call these borders: NumPy, MATLAB and PyTorch by a word, OpenCV by a number.
_MODES_ELSEWHERE: dict[int | str, str] = {
    "symmetric": "reflect",
    "edge": "nearest",
    "replicate": "nearest",
    "circular": "wrap",
    "periodic": "wrap",
    "zeros": "constant",
    0: "constant",
    1: "nearest",
    2: "reflect",
    3: "wrap",
    4: "mirror",
}

# A Gaussian with more taps than this is a mistyped sigma, and would only fill the memory.
WIDEST_RADIUS = 1_000_000


class ArgumentError(RuntimeError, ValueError):
    """An unknown mode, a wrong number of values or a wrong shape: a ValueError, and RuntimeError as in scikit-image."""

    __module__ = "fastsep"  # where users find it, hence what tracebacks say


# ---- scalars and values per axis


def number(name: str, value: Any) -> float:
    """A real number; NaN and infinity pass."""
    try:
        if isinstance(value, str | bytes | complex | np.complexfloating | np.ma.MaskedArray) or is_sequence(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"`{name}` must be a real number; got {show(value)}.") from None


def finite(name: str, value: Any) -> float:
    """A number that is neither NaN nor infinite."""
    result = number(name, value)
    if not math.isfinite(result):
        raise ValueError(f"`{name}` must be a finite number; got {show(value)}.")
    return result


def not_negative(name: str, value: Any) -> float:
    """A finite number, zero or more."""
    result = number(name, value)
    if not 0.0 <= result < math.inf:
        raise ValueError(f"`{name}` must be finite and not negative; got {show(value)}.")
    return result


def integer(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, at least `least`. 2.0 passes as 2: as keys of plans they are equal."""
    try:
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError
        result = operator.index(value)
    except TypeError:
        if not (isinstance(value, float | np.floating) and float(value).is_integer()):
            raise TypeError(f"`{name}` must be an integer; got {show(value)}.") from None
        result = int(value)
    if least is not None and result < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}; got {show(value)}.")
    return result


def check_workers(value: Any) -> int:
    """A number of threads for one call."""
    return thread_count("workers", value)


def thread_count(name: str, value: Any) -> int:
    """A number of threads; -1, as in SciPy, is one for each CPU that this process may run on."""
    if isinstance(value, bool | np.bool_):  # which says whether, not how many
        raise TypeError(f"`{name}` must be an integer; got {show(value)}.")
    count = integer(name, value)
    if count == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, or -1 for all cores; got {show(value)}.")
    return count


def one_of(name: str, value: Any, accepted: Sequence[str]) -> str:
    """One of several words."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"`{name}` must be one of {', '.join(accepted)}; got {show(value)}.")
    return value


def words(name: str, value: Any) -> tuple[Any, ...]:
    """A word or several, as a tuple."""
    found = tuple(value) if is_sequence(value) else ()
    if not found:
        raise ValueError(f"`{name}` must be a name or several names; got {show(value)}.")
    return found


def per_axis(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """One value for every axis, from one value or one per axis."""
    if not is_sequence(value):
        return (value,) * count
    values = tuple(value)
    if len(values) != count:
        raise ArgumentError(
            f"`{name}` must be one value or one for each of the {count} spatial axes; got {len(values)} values."
        )
    return values


def sigmas(name: str, value: Any, count: int, truncate: float) -> tuple[float, ...]:
    """Standard deviations, one for each axis."""
    result = tuple(not_negative(name, item) for item in per_axis(name, value, count))
    if max(result, default=0.0) * truncate > WIDEST_RADIUS:
        raise ValueError(
            f"`{name}` times `truncate` must be at most {WIDEST_RADIUS} pixels; got {show(value)} times {truncate}."
        )
    return result


def integers(name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """Whole numbers of at least `least`, one for each axis."""
    return tuple(integer(name, item, least) for item in per_axis(name, value, count))


def difference_sigmas(low: Any, high: Any, count: int, truncate: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Both sigmas of a difference of Gaussians; a sequence of one value counts for all axes."""
    if high is None:
        narrow = sigmas("low_sigma", _unwrapped(low), count, 1.6 * truncate)
        return narrow, tuple(1.6 * sigma for sigma in narrow)
    narrow = sigmas("low_sigma", _unwrapped(low), count, truncate)
    wide = sigmas("high_sigma", _unwrapped(high), count, truncate)
    if any(w < n for n, w in zip(narrow, wide, strict=True)):
        raise ValueError(
            f"`high_sigma` must be at least `low_sigma` on every axis; got {show(high)} with `low_sigma` {show(low)}."
        )
    return narrow, wide


def _unwrapped(value: Any) -> Any:
    return value[0] if is_sequence(value) and len(value) == 1 else value


def tap_lines(taps: Any) -> tuple[Any, ...]:
    """Taps as hashable tuples: numbers for one line for all axes, else a tuple or None per axis.

    Called before the remembered plans are looked up, so it does no more than that.
    """
    if isinstance(taps, np.ndarray) and taps.ndim == 1:
        return _tap_line(taps)
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


def taps_per_axis(lines: tuple[Any, ...], count: int) -> tuple[tuple[float, ...] | None, ...]:
    """One line of finite taps, or None, for each axis, from what `tap_lines` gave."""
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


# ---- axes


@dataclass(frozen=True, slots=True)
class Frame:
    """What a filter may know of the image while it turns its parameters into taps."""

    ndim: int
    channel: int | None  # the axis that is not filtered, counted from the front
    dtype: DType
    result: DType
    border: float  # cval where a mode is "constant", else 0

    @property
    def integer(self) -> bool:
        """Whether the result has an integer dtype, hence the image's own scale."""
        return self.result.kind != "f"

    @property
    def spatial(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(self.ndim) if axis != self.channel)


def axis_index(name: str, value: Any, ndim: int) -> int:
    """An axis of the array, counted from the front."""
    axis = integer(name, value)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(
            f"`{name}` must lie in [{-ndim}, {ndim - 1}] for an array of {ndim} dimensions; got {show(axis)}."
        )
    return axis % ndim


def channel(value: Any, ndim: int) -> int | None:
    """The channel axis, counted from the front; at least one axis must remain."""
    if value is None:
        return None
    axis = axis_index("channel_axis", value, ndim)
    if ndim == 1:
        raise ValueError("`channel_axis` must leave an axis to filter; got an array of 1 dimension.")
    return axis


def edge_axes(value: Any, frame: Frame) -> tuple[int, ...]:
    """Positions, among the spatial axes, of the axes named by `axis` (None: all)."""
    spatial = frame.spatial
    if value is None:
        return tuple(range(len(spatial)))
    named = tuple(value) if is_sequence(value) else (value,)
    if not named:
        raise ValueError("`axis` must be None, an axis or several axes; got an empty sequence.")
    axes = [axis_index("axis", item, frame.ndim) for item in named]
    if frame.channel in axes:
        raise ValueError(f"`axis` must not name the channel axis; got {show(value)}.")
    return tuple(spatial.index(axis) for axis in axes)


def need_2d(frame: Frame) -> None:
    """Refuse all but two spatial axes."""
    count = len(frame.spatial)
    if count != 2:
        hint = " For colours pass `channel_axis`, or convert them to grey first." if count == 3 else ""
        raise ValueError(f"`image` must have 2 spatial axes for this filter; got {count}.{hint}")


def grey_image(image: Any) -> Array:
    """An image of two axes, all of which are spatial."""
    array = as_image(image)
    if array.ndim != 2:
        raise ValueError(f"`image` must have 2 dimensions; got {array.ndim}.{_grey_hint(array.shape)}")
    return array


def _grey_hint(shape: tuple[int, ...]) -> str:
    colours = len(shape) == 3 and shape[-1] in (3, 4)
    return " Convert colours to grey first, for instance with `skimage.color.rgb2gray`." if colours else ""


def need_range(image: Array) -> None:
    """Refuse integers of 64 bits: their range, which thresholds are measured by, is never that of the pixels."""
    if image.dtype.kind in "iu" and image.dtype.itemsize > 4:
        raise ValueError(
            f"`image` must not have integers of 64 bits, since thresholds follow the range of the dtype;"
            f" got {image.dtype}. Convert it to the dtype of its values: `image.astype(np.uint8)` for 0 to 255."
        )


def matrix_order(value: Any, ndim: int) -> str:
    """Which axis comes first in a matrix of derivatives: "rc" the first, "xy" the last."""
    order = one_of("order", value, ("rc", "xy"))
    if order == "xy" and ndim > 2:
        raise ValueError(f"`order` must be rc for an image of more than 2 axes; got {show(value)} for {ndim} axes.")
    return order


def modes(value: Any, frame: Frame) -> tuple[str, ...]:
    """Canonical border modes of the spatial axes; one per array axis passes, as in scikit-image."""
    if is_sequence(value) and frame.channel is not None and len(value) == frame.ndim:
        value = [value[axis] for axis in frame.spatial]
    return tuple(border_mode(mode) for mode in per_axis("mode", value, len(frame.spatial)))


def border_mode(value: Any) -> str:
    """Canonical name of one border mode."""
    if not isinstance(value, str) or value not in MODES:
        known = isinstance(value, str | int)
        ours = _MODES_ELSEWHERE.get(value.lower() if isinstance(value, str) else value) if known else None
        hint = "" if ours is None else f" {'It' if isinstance(value, str) else 'In OpenCV it'} means {ours!r}."
        raise ArgumentError(f"`mode` must be one of {', '.join(MODES)}; got {show(value)}.{hint}")
    return MODES[value]


def split_channel(ndim: int, sigma: Any, order: Any, mode: Any, channel_axis: Any) -> tuple[Any, Any, Any, Any]:
    """Read one sigma per array axis, which scikit-image takes beside one per spatial axis.

    The channel axis then has a sigma of its own. Where it is 0 the entries for that axis are
    dropped, else the channels are filtered like any other axis.
    """
    if not is_sequence(sigma) or len(sigma) != ndim:
        return sigma, order, mode, channel_axis
    axis = channel(channel_axis, ndim)
    values = [not_negative("sigma", item) for item in sigma]
    if axis is None or values[axis] > 0:
        return tuple(values), order, mode, None

    def spatial(value: Any) -> Any:
        full = is_sequence(value) and len(value) == ndim
        return tuple(item for i, item in enumerate(value) if i != axis) if full else value

    return spatial(values), spatial(order), spatial(mode), channel_axis


# ---- dtypes


def result_dtype(image: DType, dtype: Any, out: DType | None) -> DType:
    """Dtype of the result from that of the image, the argument `dtype` and that of `out`."""
    if dtype is None:
        if out is None:
            return np.dtype(np.float32) if image.kind == "f" and image.itemsize <= 4 else np.dtype(np.float64)
        if out.kind != "f":
            raise ValueError(f"dtype of `out` must be float; got {out}. For an integer result pass `dtype={out}` too.")
        return out
    try:
        wanted: DType = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"`dtype` must be a float or integer dtype; got {show(dtype)}.") from None
    if wanted.kind not in "fiu":
        raise ValueError(f"`dtype` must be a float or integer dtype; got {wanted}.")
    if out is not None and out != wanted:
        raise ValueError(f"dtype of `out` must be `dtype`, which is {wanted}; got {out}.")
    return wanted


def arithmetic_dtype(image: DType, dtype: Any) -> DType:
    """float32 or float64 for a result that is neither: what `dtype` asks for, else that of `image`."""
    result = result_dtype(image, dtype, None)
    if result not in (np.float32, np.float64):
        raise ValueError(f"`dtype` must be float32 or float64; got {result}.")
    return result.newbyteorder("=")


# ---- arrays


class Probe(np.ndarray[Any, Any]):
    """An image that is not filtered: whatever the funnel would do with it is added to `seen`."""

    seen: list[Any]

    def __array_finalize__(self, source: Any) -> None:
        self.seen = getattr(source, "seen", [])


def as_image(image: Any) -> Array:
    """`image` as a plain array (or a probe) of a real dtype with at least one axis."""
    one_image("image", image, False)
    array = real_array("image", image)
    if not array.ndim:
        raise ValueError("`image` must have at least one dimension; got a single number.")
    return image if isinstance(image, Probe) else array


def squeezed(image: Array, most: int) -> Array:
    """`image` without its axes of length 1, of which 2 to `most` must remain."""
    result = np.squeeze(image)
    if not image.size or not 2 <= result.ndim <= most:
        count = "2" if most == 2 else f"2 to {most}"
        hint = _grey_hint(result.shape) if most == 2 else ""
        raise ValueError(
            f"`image` must have {count} axes, apart from those of length 1; got shape {image.shape}.{hint}"
        )
    return result


def need_pixels(image: Array, least: int) -> None:
    """Refuse an image with fewer pixels than `least` along any axis."""
    if min(image.shape) < least:
        raise ValueError(f"`image` must have at least {least} pixels along every axis; got shape {image.shape}.")


def finite_float64(name: str, array: Array) -> Array:
    """A real array in float64; NaN and infinity refused."""
    with np.errstate(all="ignore"):  # what is wider than float64
        values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite in float64; got NaN or infinity in it.")
    return values


def check_out(out: Any, shape: tuple[int, ...]) -> None:
    """Refuse what a result of the image's shape cannot be written into."""
    check_writeable(out)
    if out.shape != shape:
        raise ArgumentError(f"`out` must have the image's shape {shape}; got {out.shape}.")


def check_bool_out(out: Any, shape: tuple[int, ...]) -> None:
    """Refuse what a result of bools of the image's shape cannot be written into."""
    check_out(out, shape)
    if out.dtype != np.bool_:
        raise ValueError(f"dtype of `out` must be bool; got {out.dtype}.")


def outs(value: Any, count: int | None, shape: tuple[int, ...]) -> list[Any]:
    """Arrays to write into, or None for new ones: `count` in a tuple, or one by itself if `count` is None."""
    if value is None:
        return [None] * (count or 1)
    if count is None:
        value = (value,)
    elif not is_sequence(value) or isinstance(value, np.ndarray) or len(value) != count:
        raise ValueError(f"`out` must be as many arrays as `output` names, {count}; got {show(type(value).__name__)}.")
    for number, array in enumerate(value):
        if array is not None:
            check_out(array, shape)
            if any(other is not None and np.may_share_memory(array, other) for other in value[:number]):
                raise ValueError("`out` must be arrays that share no memory; got two that may.")
    return list(value)


def check_threshold(name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Refuse what is neither a real number nor an array of them that broadcasts to the image's shape."""
    limit = real_array(name, value)
    try:
        fits = np.broadcast_shapes(limit.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"`{name}` must be a number or fit the image's shape {shape}; got shape {limit.shape}.")


def check_writeable(out: Any) -> None:
    """Refuse what is no array to write into."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"`out` must be a NumPy array; got {type(out).__name__}.")
    if not out.flags.writeable:
        raise ValueError("`out` must be writeable; got a read-only array.")


def eroded_mask(mask: Any, image: Any, channel_axis: Any) -> Array:
    """`mask` less all pixels with a neighbour outside it or the image, to multiply a result by."""
    shape = np.shape(image)
    axis = channel(channel_axis, len(shape))
    spatial = tuple(n for i, n in enumerate(shape) if i != axis)
    inside = real_array("mask", mask)
    if inside.shape not in (shape, spatial):
        hint = "" if inside.ndim else " An axis is passed by name: `axis=0`."
        raise ValueError(f"`mask` must have the image's shape {shape}; got {inside.shape or show(mask)}.{hint}")
    inside = inside != 0
    if axis is not None and inside.shape == spatial:
        inside = np.expand_dims(inside, axis)
    for along in range(inside.ndim):
        if along != axis:
            inside = _eroded_along(inside, along)
    return inside


def _eroded_along(inside: Array, axis: int) -> Array:
    lines = np.moveaxis(inside, axis, 0)
    result = np.zeros_like(inside)
    np.moveaxis(result, axis, 0)[1:-1] = lines[:-2] & lines[1:-1] & lines[2:]
    return result


def hashable(value: Any) -> Any:
    """`value` with lists and arrays in it made tuples, to serve as a key."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(hashable(item) for item in value)
    return value


def drop_axis(items: Sequence[int], axis: int) -> tuple[int, ...]:
    """`items` without the one at `axis`, which goes to the front."""
    return (items[axis], *items[:axis], *items[axis + 1 :])
