"""Selection networks: which minima and maxima of pixels give the value of a rank in a window.

A network is data. Its values are rows of pixels: the rows that lie under a tile of windows, and minima and maxima of
two values, each seen a number of pixels further to the right. So what two windows of one row have in common is computed
once: a value that is asked for at another place is the same value, seen further right.

The lists that are sorted grow like this (Adams, "Fast median filters using separable sorting networks", SIGGRAPH 2021;
for tiles, "Hierarchical tiling", arXiv 2507.19926). The pixels that all windows of a tile have in common are sorted
column by column; the columns are merged two by two, the pairs two by two, and so on. What is left over of the windows
of the upper half of the tile is sorted likewise and merged into the list, and so for the lower half, down to single
windows. Of every list only those values are kept that may have the rank wanted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

#: A value and how many pixels further right it is seen.
Seen: TypeAlias = tuple[int, int]
#: Pixels: their row under the tile, and their column from the left end of the window.
Pixels: TypeAlias = frozenset[tuple[int, int]]

#: Those of a window of 3 x 3.
NINE = [(y, x) for y in range(3) for x in range(3)]


class Comparison(NamedTuple):
    """The smaller and the larger one of two values; -1 for the one that nobody wants."""

    low: int
    high: int
    first: Seen
    second: Seen


class Network(NamedTuple):
    """Values 0 .. rows - 1 are rows of pixels, all others results of comparisons, in order."""

    rows: int
    values: int
    comparisons: tuple[Comparison, ...]
    results: tuple[Seen, ...]  # of each window of the tile, from the top down

    @property
    def operations(self) -> int:
        """Minima and maxima."""
        return sum((each.low >= 0) + (each.high >= 0) for each in self.comparisons)


class _Sorted(NamedTuple):
    """What is kept of a sorted list of so many values in `total`: `below` of them were dropped before its first one."""

    kept: list[Seen]
    below: int
    total: int


def height(footprint: Array) -> int:
    """How many windows of this form, one below the other, share what they have in common.

    Fewer operations for each window in all, for squares of any size (counted); of 3 x 3 as few, and fewer tiles.
    """
    rows = footprint.shape[1]
    return 1 if rows == 1 else 2 if rows < 7 and footprint.shape != (1, 3, 3) else 4 if rows < 17 else 8


@lru_cache(64)
def network(footprint: bytes, shape: tuple[int, int, int], rank: int, height: int) -> Network:
    """For `height` windows, one below the other.

    `footprint`: a bool for each pixel of the window, of `shape` (planes, rows, columns). The rows of pixels are those
    of the first plane, from the top down, `shape[1]` + `height` - 1 of them, then those of the next one.
    """
    taken = shape[1] + height - 1
    window = [
        (plane * taken + y, x) for plane, y, x in np.argwhere(np.frombuffer(footprint, bool).reshape(shape)).tolist()
    ]
    network = _Builder(shape[0] * taken, rank, len(window))
    if window == NINE and rank == 4:
        return network.of([network.median_of_nine(top) for top in range(height)])
    windows = [frozenset((row + below, x) for row, x in window) for below in range(height)]
    return network.of(network.select(windows, frozenset(), _Sorted([], 0, 0)))


def name(footprint: Array, rank: int, height: int) -> str:
    """The name of a network, for the key of a kernel that is compiled for it."""
    bits = np.packbits(footprint).tobytes().hex()
    return f"{'x'.join(map(str, footprint.shape))} {bits} {rank} {height}"


def named(form: str) -> Network:
    """The network of a name."""
    sizes, bits, rank, height = form.split()
    planes, rows, cols = map(int, sizes.split("x"))
    footprint = np.unpackbits(np.frombuffer(bytes.fromhex(bits), np.uint8), count=planes * rows * cols).astype(bool)
    return network(footprint.tobytes(), (planes, rows, cols), int(rank), int(height))


class _Builder:
    """Values by number, and how each was made."""

    def __init__(self, rows: int, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self.rows = rows
        self.made: list[tuple[bool, Seen, Seen] | None] = [None] * rows  # whether the larger one, and of which two
        self.known: dict[tuple[bool, Seen, Seen], int] = {}

    def take(self, larger: bool, one: Seen, other: Seen) -> Seen:
        """The smaller or larger one of two values, made as far left as it can be."""
        one, other = sorted((one, other))
        shift = min(one[1], other[1])
        key = larger, (one[0], one[1] - shift), (other[0], other[1] - shift)
        if key not in self.known:
            self.known[key] = len(self.made)
            self.made.append(key)
        return self.known[key], shift

    def median_of_nine(self, top: int) -> Seen:
        """Of the 3 x 3 pixels from row `top` on: the median of the largest of the smallest ones of the columns, of the
        median of their medians, and of the smallest of their largest ones (Smith, "Implementing median filters in
        XC4000E FPGAs", XCELL 23, 1996). Windows below each other share the rows that they have in common, two by two.
        """
        pair, third = ((top + 1, top + 2), top) if top % 2 == 0 else ((top, top + 1), top + 2)
        low, high = self.exchange((pair[0], 0), (pair[1], 0))
        smallest, middle = self.exchange(low, (third, 0))
        median, largest = self.exchange(middle, high)
        (a, b, c), columns, (d, e, f) = (
            [(value, x + by) for by in range(3)] for value, x in (smallest, median, largest)
        )
        most, least = self.take(True, self.take(True, a, b), c), self.take(False, self.take(False, d, e), f)
        return self.median_of_three(most, self.median_of_three(*columns), least)

    def median_of_three(self, one: Seen, two: Seen, three: Seen) -> Seen:
        low, high = self.exchange(one, two)
        return self.take(True, low, self.take(False, high, three))

    def exchange(self, one: Seen, other: Seen) -> tuple[Seen, Seen]:
        return self.take(False, one, other), self.take(True, one, other)

    def select(self, windows: list[Pixels], done: Pixels, found: _Sorted) -> list[Seen]:
        """The value of the rank wanted in each window, where `found` is what is kept of the pixels in `done`."""
        shared = frozenset.intersection(*windows)
        more = self.sort_pixels(shared - done)
        if len(windows) == 1:
            return [self.ranked(found.kept, more.kept, self.rank - found.below - more.below)]
        found = self.join(found, more)
        half = len(windows) // 2
        return self.select(windows[:half], shared, found) + self.select(windows[half:], shared, found)

    def ranked(self, one: list[Seen], other: list[Seen], rank: int) -> Seen:
        """The value of a rank of two sorted lists: the smallest of what is the largest of rank + 1 values from both."""
        best = None
        for count in range(max(rank + 1 - len(other), 0), min(rank + 1, len(one)) + 1):
            ends = [*one[count - 1 : count] * (count > 0), *other[rank - count : rank - count + 1] * (count <= rank)]
            largest = ends[0] if len(ends) == 1 else self.take(True, *ends)
            best = largest if best is None else self.take(False, best, largest)
        assert best is not None
        return best

    def sort_pixels(self, pixels: Pixels) -> _Sorted:
        """Column by column; neighbouring columns with pixels in the same rows two by two."""
        columns: dict[int, tuple[int, ...]] = {}
        for row, x in sorted(pixels):
            columns[x] = (*columns.get(x, ()), row)
        runs: list[tuple[int, int]] = []  # the first column of those with the same rows, and their number
        for x in sorted(columns):
            if runs and sum(runs[-1]) == x and columns[runs[-1][0]] == columns[x]:
                runs[-1] = runs[-1][0], runs[-1][1] + 1
            else:
                runs.append((x, 1))
        lists = [self.sort_columns(columns[x], x, count) for x, count in runs]
        while len(lists) > 1:
            lists.sort(key=lambda each: len(each.kept))
            lists[:2] = [self.join(lists[0], lists[1])]
        return lists[0] if lists else _Sorted([], 0, 0)

    def sort_columns(self, rows: tuple[int, ...], x: int, count: int) -> _Sorted:
        """The pixels of these rows in `count` columns from number `x` on."""
        if count == 1:
            return self.prune(self.sort([(row, x) for row in rows]), 0, len(rows))
        half = 1 << (count - 1).bit_length() - 1
        return self.join(self.sort_columns(rows, x, half), self.sort_columns(rows, x + half, count - half))

    def sort(self, values: list[Seen]) -> list[Seen]:
        if len(values) < 2:
            return values
        half = len(values) // 2
        return self.merge(self.sort(values[:half]), self.sort(values[half:]))

    def join(self, one: _Sorted, other: _Sorted) -> _Sorted:
        return self.prune(self.merge(one.kept, other.kept), one.below + other.below, one.total + other.total)

    def prune(self, values: list[Seen], below: int, total: int) -> _Sorted:
        """Without the values that are smaller or larger than too many others of `total`."""
        first = max(total - self.count + self.rank - below, 0)
        return _Sorted(values[first : self.rank - below + 1], below + first, total)

    def merge(self, one: list[Seen], other: list[Seen]) -> list[Seen]:
        """Batcher's odd-even merge of two sorted lists (Knuth, "The Art of Computer Programming" 3, 5.3.4)."""
        if not one or not other:
            return one or other
        if len(one) == len(other) == 1:
            return [*self.exchange(one[0], other[0])]
        even, odd = self.merge(one[::2], other[::2]), self.merge(one[1::2], other[1::2])
        merged = even[:1]
        for low, high in zip(odd, even[1:], strict=False):
            merged += self.exchange(low, high)
        paired = min(len(odd), len(even) - 1)
        return merged + odd[paired:] + even[paired + 1 :]

    def of(self, results: list[Seen]) -> Network:
        """The network of what these results need."""
        needed, waiting = set(), [value for value, _ in results]
        while waiting:
            value = waiting.pop()
            if value not in needed:
                needed.add(value)
                waiting += [operand for operand, _ in (self.made[value] or (None,))[1:]]
        pairs: dict[tuple[Seen, Seen], list[int]] = {}
        for value in sorted(needed):
            made = self.made[value]
            if made is not None:
                larger, *operands = made
                pairs.setdefault(tuple(operands), [-1, -1])[larger] = value  # type: ignore[arg-type]
        comparisons = tuple(Comparison(*values, *operands) for operands, values in pairs.items())
        return Network(self.rows, len(self.made), comparisons, tuple(results))
