"""Builders of order statistics: filters that compare pixels and sum nothing."""

from __future__ import annotations

from fastsep._plan.spec import Rank
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame


def rank(frame: Frame, footprint: Array, centre: tuple[int, ...], rank: int) -> Rank:
    """The value of a rank, counted from the smallest, 0, within a footprint: bool, one axis per spatial axis.

    NaN is larger than all other values, as in `numpy.sort`. See `order.can_rank` for what footprints there may be.
    """
    return Rank(footprint, centre, int(rank))
