"""Builders of filters that compare pixels and sum none, in the image's own dtype; see `_call.ORDER`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsep._plan.spec import Extremum, Filter, FlatExtremum, Rank
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame


def extremum(frame: Frame, which: str, sizes: tuple[int, ...], centres: tuple[int, ...]) -> Filter:
    """The "minimum" or "maximum" of a window with a size and a centre for each spatial axis."""
    return Extremum(which, sizes, centres)


def flat_extremum(frame: Frame, which: str, footprint: Any, centre: tuple[int, ...]) -> Filter:
    """The same of the pixels under a footprint, an array of bools or nested tuples of them, which may be keys."""
    pixels = np.array(footprint, bool)
    return Extremum(which, pixels.shape, centre) if pixels.all() else FlatExtremum(which, pixels, centre)


def rank(frame: Frame, footprint: Array, centre: tuple[int, ...], rank: int) -> Filter:
    """The value of a rank, counted from the smallest, 0, within a footprint: bool, one axis per spatial axis.

    NaN is larger than all other values, as in `numpy.sort`. See `order.can_rank` for what footprints there may be.
    """
    return Rank(footprint, centre, int(rank))
