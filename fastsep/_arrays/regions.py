"""Which pixels a block of a result reads: its own, and a halo around them.

A block is filtered as an image of its own, and what lies in its halo is dropped. At an end of the whole image the block
ends, too, and the filter goes on beyond it as it does for the whole.
"""

from __future__ import annotations

from typing import NamedTuple

#: Of an axis so many pixels are read, if the image has them: how axes of few pixels are filtered depends on their
#: number, which must not be that of a block.
LEAST = 16


class Reads(NamedTuple):
    """What a block reads along one axis."""

    runs: tuple[tuple[int, int], ...]  # start and stop of pixels of the whole, one run behind the other
    inner: slice  # the block's own results in what is made of these


def reads(
    start: int, stop: int, length: int, halo: tuple[int, int], wraps: bool, unit: int = 1, least: int = LEAST
) -> Reads:  # fmt: skip
    """What results `start` .. `stop` - 1 of an axis of `length` pixels depend on.

    `wraps`: the axis goes round its ends. `unit`: the filter adds in groups of pixels, so many of which are whole
    groups: the first pixel that is read is a multiple of it. `least`: pixels that are read, if there are as many.
    """
    before, after = halo
    low, high = start - before, stop + after
    least = min(max(least, before + after), length)  # whether an axis is shorter than the halo counts, too
    if not wraps:
        # A border that reflects reads as far inside as the filter reaches outside.
        if low <= 0:
            high = max(high, before + 1)
        if high >= length:
            low = min(low, length - 1 - after)
        low, high = max(low, 0), min(high, length)
    missing = least - (high - low)
    if missing > 0 and not wraps:
        high = min(high + missing, length)
        low = max(min(low, high - least), 0)
    elif missing > 0:
        high += missing
    low -= low % unit
    if high - low >= length:
        return Reads(((0, length),), slice(start, stop))
    inner = slice(start - low, stop - low)
    if low < 0:
        return Reads(((length + low, length), (0, high)), inner)
    if high > length:
        return Reads(((low, length), (0, high - length)), inner)
    return Reads(((low, high),), inner)
