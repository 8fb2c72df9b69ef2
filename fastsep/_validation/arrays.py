"""Images, results, masks, and their dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsep._validation.array_like import Array, DType, is_masked, is_sequence, one_image, real_array, real_image, show
from fastsep._validation.axes import channel
from fastsep._validation.scalars import ArgumentError

#: Sums of larger ones, and of pixels times these, might leave float32.
LARGEST_WEIGHT = 1e15


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


def result_dtype(image: DType, dtype: Any, out: DType | None, integer_out: bool) -> DType:
    """Dtype of the result from that of the image, the argument `dtype` and that of `out`.

    `integer_out`: an integer `out` settles it, too.
    """
    if dtype is None and integer_out and out is not None:
        dtype = out
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
    result = result_dtype(image, dtype, None, False)
    if result not in (np.float32, np.float64):
        raise ValueError(f"`dtype` must be float32 or float64; got {result}.")
    return result.newbyteorder("=")


def as_image(image: Any) -> Array:
    """`image` as a plain array of a real dtype with at least one axis; those of dask and xarray stay what they are."""
    if type(image) is not np.ndarray:
        from fastsep._validation.borrowing import taken  # for arrays of other packages alone

        image = taken("image", image)
    one_image("image", image, False)
    array = real_image("image", image)
    if not array.ndim:
        raise ValueError("`image` must have at least one dimension; got a single number.")
    return array


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


def check_shape(out: Any, shape: tuple[int, ...]) -> None:
    """Refuse what has another shape than the result."""
    if out is not None and out.shape != shape:
        raise ArgumentError(f"`out` must have the result's shape {shape}; got {out.shape}.")


def check_bool(out: DType | None) -> None:
    """Refuse the dtype of what a result of bools cannot be written into."""
    if out is not None and out != np.bool_:
        raise ValueError(f"dtype of `out` must be bool; got {out}.")


def outs(value: Any, count: int) -> list[Any]:
    """`count` arrays to write into, or None for new ones."""
    if value is None:
        return [None] * count
    if not is_sequence(value) or isinstance(value, np.ndarray) or len(value) != count:
        raise ValueError(f"`out` must be as many arrays as `output` names, {count}; got {show(type(value).__name__)}.")
    return list(value)


def dtype_of_outs(outs: Sequence[Any]) -> DType | None:
    """The dtype that all arrays have which are not None, and which can be written into without one changing another."""
    given = [out for out in outs if out is not None]
    for number, out in enumerate(given):
        check_writeable(out)
        if out.dtype != given[0].dtype:
            found = ", ".join(sorted((str(given[0].dtype), str(out.dtype))))
            raise ValueError(f"`out` must be arrays of one dtype; got {found}.")
        if any(np.may_share_memory(out, other) for other in given[:number]):
            raise ValueError("`out` must be arrays that share no memory; got two that may.")
    return given[0].dtype if given else None


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
    if not isinstance(out, np.ndarray) or is_masked(out):
        raise TypeError(f"`out` must be a NumPy array; got {type(out).__name__}.")
    if not out.flags.writeable:
        raise ValueError("`out` must be writeable; got a read-only array.")


def eroded_mask(mask: Any, image: Any, channel_axis: Any) -> Array:
    """`mask` less all pixels with a neighbour outside it or the image, to multiply a result by."""
    axis = channel(channel_axis, len(image.shape))
    return eroded(expanded_mask(mask, real_array("mask", mask), image.shape, axis) != 0, axis)


def expanded_mask(mask: Any, inside: Array, shape: tuple[int, ...], channel: int | None) -> Array:
    """`mask`, as the array that it makes, with the axis of channels that the image of that shape may have."""
    spatial = tuple(n for i, n in enumerate(shape) if i != channel)
    if inside.shape not in (shape, spatial):
        hint = "" if inside.ndim else " An axis is passed by name: `axis=0`."
        raise ValueError(f"`mask` must have the image's shape {shape}; got {inside.shape or show(mask)}.{hint}")
    return inside if inside.shape == shape else np.expand_dims(inside, channel)  # type: ignore[arg-type]


def expanded_weights(name: str, weights: Array, shape: tuple[int, ...], channel: int | None) -> Array:
    """Weights for every pixel of an image of that shape: given for its spatial axes, or for all."""
    spatial = tuple(n for axis, n in enumerate(shape) if axis != channel)
    whole = channel is not None and weights.ndim == len(shape)
    try:
        fits = np.broadcast_shapes(weights.shape, shape if whole else spatial) == (shape if whole else spatial)
    except ValueError:
        fits = False
    if not fits:
        raise ArgumentError(f"`{name}` must fit the image's spatial shape {spatial}; got shape {weights.shape}.")
    if channel is not None and not whole:
        weights = weights[(None,) * (len(spatial) - weights.ndim)]  # those that broadcast
        weights = weights[(*(slice(None),) * channel, None)]
    return np.broadcast_to(weights, shape)


def checked_weights(name: str, weights: Array) -> Array:
    """Bools, or numbers of which float32 holds the sums."""
    if weights.dtype.kind != "b" and weights.size:
        lowest, highest = weights.min(), weights.max()
        if not (lowest >= 0 and highest <= LARGEST_WEIGHT):
            found = lowest if not lowest >= 0 else highest
            raise ValueError(
                f"`{name}` must be finite, not negative and at most {LARGEST_WEIGHT:.0e}; got {found} among them."
            )
    return weights


def eroded(inside: Array, channel: int | None) -> Array:
    """Which pixels of a mask of bools have no neighbour outside it or the image."""
    for along in range(inside.ndim):
        if along != channel:
            inside = _eroded_along(inside, along)
    return inside


def _eroded_along(inside: Array, axis: int) -> Array:
    lines = np.moveaxis(inside, axis, 0)
    result = np.zeros_like(inside)
    np.moveaxis(result, axis, 0)[1:-1] = lines[:-2] & lines[1:-1] & lines[2:]
    return result
