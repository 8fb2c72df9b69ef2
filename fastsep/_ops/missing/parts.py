"""What is not one filter of taps of one sign, as values: how it is normalized part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastsep._call import Operation
from fastsep._ops.clipping import Range
from fastsep._plan.spec import Filter
from fastsep._validation.array_like import Array


class Combination(NamedTuple):
    """Filters that are normalized one by one, and then combined."""

    plain: Filter | Operation  # of complete images
    filters: tuple[Filter, ...]  # the widest kernel comes last
    combine: Callable[..., Array]  # (pixels, which of them count, *results of the filters), all in float64
    ranges: tuple[Range, Range] = (None, None)  # see `clipped`


class Derivatives(NamedTuple):
    """Derivatives of a Gaussian blur, and what is made of them."""

    plain: Filter | Operation  # of complete images
    sigma: tuple[float, ...]
    truncate: float
    wanted: tuple[int | str, ...]  # spatial axes, "magnitude", "orientation"
    over: tuple[int, ...] = ()  # spatial axes of the magnitude


def difference(pixels: Array, counts: Array, narrow: Array, wide: Array) -> Array:
    """Of two blurs."""
    return narrow - wide


def sharpened(amount: float, pixels: Array, counts: Array, blurred: Array) -> Array:
    """An unsharp mask; a pixel that is missing stands as high as those around it."""
    values: Array = (1.0 + amount) * pixels - amount * blurred
    return np.where(counts, values, blurred)


class Scales(NamedTuple):
    """Pixels that are missing, and those only, filled in by Gaussians of this standard deviation and of wider ones."""

    sigma: tuple[float, ...]
