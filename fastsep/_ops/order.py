"""Builders of filters that compare pixels and sum none, in the image's own dtype; see `_call.ORDER`."""

from __future__ import annotations

from fastsep._plan.spec import Extremum, Filter
from fastsep._validation.axes import Frame


def extremum(frame: Frame, which: str, sizes: tuple[int, ...], centres: tuple[int, ...]) -> Filter:
    """The "minimum" or "maximum" of a window with a size and a centre for each spatial axis."""
    return Extremum(which, sizes, centres)
