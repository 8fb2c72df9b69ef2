"""What is not one filter of taps of one sign, as values: how it is normalized part by part."""

from __future__ import annotations

from typing import NamedTuple

from fastsep._call import Operation
from fastsep._ops.clipping import Range
from fastsep._plan.spec import Filter


class Combination(NamedTuple):
    """Filters that are normalized one by one, and then combined."""

    plain: Filter | Operation  # of complete images
    filters: tuple[Filter, ...]  # the widest kernel comes last
    amount: float | None  # of an unsharp mask of one filter; None: the difference of two
    ranges: tuple[Range, Range] = (None, None)  # see `clipped`


class Derivatives(NamedTuple):
    """Derivatives of a Gaussian blur, and what is made of them."""

    plain: Filter | Operation  # of complete images
    sigma: tuple[float, ...]
    truncate: float
    wanted: tuple[int | str, ...]  # spatial axes, "magnitude", "orientation"
    over: tuple[int, ...] = ()  # spatial axes of the magnitude


class Scales(NamedTuple):
    """Pixels that are missing, and those only, filled in by Gaussians of this standard deviation and of wider ones."""

    sigma: tuple[float, ...]
