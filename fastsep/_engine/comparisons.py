"""Where the values of a selection network lie in memory, and the table of comparisons that a kernel reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastsep._kernels.arguments import Comparison
from fastsep._kernels.selection import Network, Seen
from fastsep._validation.array_like import Array


class Places(NamedTuple):
    """Rows of memory: how many there are, and in which one each value lies; -1: it is no value of the network."""

    rows: int
    of_value: Array


def places(network: Network) -> Places:
    """As few rows as there are values needed at a time: those that nobody needs any more are used again.

    A row may be written by the comparison that is the last to read it: it goes from the left to the right, and reads
    nothing left of what it writes.
    """
    last = dict.fromkeys(range(network.rows), -1)
    for number, each in enumerate(network.comparisons):
        last.update({each.first[0]: number, each.second[0]: number})
    last.update({value: len(network.comparisons) for value, _ in network.results})
    place = np.full(network.values, -1, np.int64)
    place[: network.rows] = range(network.rows)
    free = [value for value in range(network.rows) if last[value] < 0]
    count = network.rows
    for number, each in enumerate(network.comparisons):
        free += [int(place[value]) for value in {each.first[0], each.second[0]} if last[value] == number]
        for value in (each.low, each.high):
            if value >= 0:
                if not free:
                    free.append(count)
                    count += 1
                place[value] = free.pop()
    return Places(count, place)


def table(network: Network, places: Places, row_bytes: int, pixel: int) -> tuple[Array, Array]:
    """`Comparison`s for rows of so many bytes, and the offset of each result."""

    def offset(seen: Seen) -> int:
        value, shift = seen
        return int(places.of_value[value]) * row_bytes + shift * pixel

    words = np.zeros(max(len(network.comparisons), 1) * Comparison.length, np.int64)
    for number, each in enumerate(network.comparisons):
        to = Comparison(words, number)
        to.low, to.high = (-1 if value < 0 else offset((value, 0)) for value in (each.low, each.high))
        to.first, to.second = offset(each.first), offset(each.second)
    return words, np.array([offset(seen) for seen in network.results], np.int64)
