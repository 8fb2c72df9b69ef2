"""How far the taps of a sum of rank-1 terms must reach at least. Whole numbers only, no pixels.

What of a kernel lies farther than so much from its middle along an axis is made by the terms whose taps reach farther,
and by no others. So these are as many as its rank, and that is found for all distances by one elimination.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastsep import _symmetry
from fastsep._image import Array

#: Ranks are counted modulo a prime, where they may be lower, but hardly ever are. Products fit 32 bits.
_PRIME = 32749


class Reaches(NamedTuple):
    """Along one axis."""

    far: list[int]  # from the middle, of the terms that reach farthest, the next ones, and so on
    mirrored: bool  # all taps are even or odd about the middle


def least_reaches(numbers: Array, centre: tuple[int, ...], most: int) -> list[Reaches]:
    """For each axis, how far from `centre` the taps of terms whose sum is an int64 kernel must reach at least.

    Of `most` terms, if there are more. Terms of the same taps along an axis count as one.
    """
    flips = _symmetry.flips(numbers)
    # The other half of an axis along which the kernel is even or odd repeats the first.
    half = numbers[tuple(slice((n + 1) // 2) if (a,) in flips else slice(None) for a, n in enumerate(numbers.shape))]
    found = []
    for axis, middle in enumerate(centre):
        lines = np.moveaxis(half, axis, 0).reshape(half.shape[axis], -1)
        distances = np.abs(np.arange(len(lines)) - middle)
        order = np.argsort(-distances, kind="stable")
        far: list[int] = []
        for rank, distance in zip(_ranks(lines[order], most), distances[order].tolist(), strict=True):
            far += [distance] * (rank - len(far))
        found.append(Reaches(far, (axis,) in flips and 2 * middle + 1 == numbers.shape[axis]))
    return found


def _ranks(lines: Array, most: int) -> list[int]:
    """The ranks of the first line, the first two, and so on; none counted above `most`."""
    left = np.remainder(lines, _PRIME).astype(np.int32)
    found = []
    rank = 0
    for number, line in enumerate(left):
        if rank < most and line.any():
            rank += 1
            place = int((line != 0).argmax())
            line = line * pow(int(line[place]), -1, _PRIME) % _PRIME
            rest = left[number + 1 :]
            rest -= rest[:, place, None] * line
            rest -= rest // _PRIME * _PRIME  # half the time of a remainder
        found.append(rank)
    return found
