"""Which pixels count: the image with zeros in the place of the others, and the weights of all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._ops.missing.options import Missing
from fastsep._plan import dtypes
from fastsep._validation import arrays
from fastsep._validation.array_like import Array, DType


class Selected(NamedTuple):
    """An image as the engine reads it."""

    pixels: Array  # times their weights; 0 where there is none
    weights: Array
    whole: Array | None  # the pixels that have a weight, if some weights may be neither 0 nor 1; else `pixels` are

    @property
    def own(self) -> Array:
        """The pixels that have a weight, as they are."""
        return self.pixels if self.whole is None else self.whole

    def part(self, place: tuple[slice, ...]) -> Selected:
        """A part of it."""
        return Selected(*(None if each is None else np.ascontiguousarray(each[place]) for each in self))  # type: ignore[arg-type]


def is_partial(weights: PerPixel | None) -> bool:
    """Whether weights may be other numbers than 0 and 1."""
    return weights is not None and bool(weights.values[0].dtype != np.bool_)


def pixel_dtype(request: Request, weights: PerPixel | None, acc: DType) -> DType:
    """The dtype of pixels times weights: that which the plain filter reads, unless those are integers and these not."""
    return request.source if request.source.kind == "f" or not is_partial(weights) else acc


def engine_axes(array: Array, request: Request) -> Array:
    """An array of the image's axes with the channels where the engine has them."""
    channel = request.frame.channel
    return np.moveaxis(array, channel, 0) if request.first and channel else array


def counting(image: Array, missing: Missing, weights: Array | None) -> Array:
    """Which pixels have a weight."""
    counts: Array
    if missing.ignore_nan:
        counts = np.isnan(image)
        np.logical_not(counts, out=counts)
    elif missing.nodata is not None:
        counts = image != image.dtype.type(missing.nodata)
    else:
        return np.ones(image.shape, bool) if weights is None else weights > 0
    if weights is not None:
        counts &= weights > 0
    return counts


def select(
    image: Array, missing: Missing, weights: PerPixel | None, request: Request, source: DType, acc: DType
) -> Selected:  # fmt: skip
    """The pixels of an image, which has its own dtype and layout, as `source`, and weights as `acc`."""
    image, given = engine_axes(image, request), given_weights(weights, missing, request)
    return select_part(image, given, missing, request, source, acc)


def given_weights(weights: PerPixel | None, missing: Missing, request: Request) -> Array | None:
    """Weights, checked, with the axes as the engine has them."""
    return None if weights is None else engine_axes(arrays.checked_weights(missing.weights, weights.values[0]), request)


@np.errstate(all="ignore")
def select_part(
    image: Array, given: Array | None, missing: Missing, request: Request, source: DType, acc: DType
) -> Selected:  # fmt: skip
    """`select` for a part of an image and of the weights that are given, both as the engine has them."""
    counts = counting(image, missing, given)
    clamp = request.scale != 1.0 and image.dtype.kind == "i"
    if clamp or image.dtype != source:  # else `where` makes the only copy
        image = dtypes.convert(image, source, None, clamp)
    pixels = np.ascontiguousarray(np.where(counts, image, source.type(0)))
    if given is None or given.dtype == np.bool_:
        return Selected(pixels, counts.astype(acc, order="C"), None)
    factors = np.where(counts, given, 0).astype(acc, order="C")
    return Selected(np.where(counts, pixels * factors, 0).astype(source), factors, pixels)
