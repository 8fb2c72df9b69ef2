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
    # Pixels of the other end, which stand at the block's other side: a filter that goes round the ends of the block
    # finds them there, and for its later steps, which may reflect, the end of the image stays that of the block.
    left, right = (max(-low, 0), max(high - length, 0)) if wraps else (0, 0)
    right += -right % unit
    # A border that reflects reads as far inside as the filter reaches outside. Of several steps the first reads around
    # what a later one reads there.
    if low <= 0:
        high = max(high, before + after + 1)
    if high >= length:
        low = min(low, length - 1 - after - before)
    low, high = max(low, 0), min(high, length)
    least = min(max(least, before + after), length)  # whether an axis is shorter than the halo counts, too
    high = min(max(high, low + least), length)
    low = max(min(low, high - least), 0)
    low -= low % unit
    if left + high - low + right >= length:
        return Reads(((0, length),), slice(start, stop))
    runs = [(0, right), (low, high), (length - left, length)]
    inner = slice(right + start - low, right + stop - low)
    return Reads(tuple(run for run in runs if run[0] < run[1]), inner)
