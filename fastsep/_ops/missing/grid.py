"""How an image is cut into blocks: what each of them reads, and where its results belong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from fastsep._call import Request
from fastsep._plan.regions import LEAST, Reads, reads
from fastsep._plan.spec import Halo
from fastsep._validation.array_like import Array

#: An axis is cut into so many parts at most, as all combinations of axes are compared; into more of them only where
#: blocks would take too much.
PARTS = 64


class Along(NamedTuple):
    """An axis that is cut."""

    length: int
    halo: tuple[int, int]  # pixels that a result needs beside its own
    wraps: bool
    unit: int  # see `Program`
    cut: bool = True  # it may be cut

    def parts(self, start: int, stop: int, size: int) -> list[Part]:
        """Results `start` .. `stop` - 1, so many at a time.

        All parts read as many pixels, if they do not go round the ends.
        """
        least = size if self.halo == (0, 0) else max(size + sum(self.halo) + self.unit - 1, LEAST)
        bounds = [*range(start, stop, size), stop]
        return [self._part(*each, least) for each in pairwise(bounds)]

    def _part(self, start: int, stop: int, least: int) -> Part:
        found = reads(start, stop, self.length, self.halo, self.wraps, self.unit, least)
        return Part(slice(start, stop), found, start < self.halo[0] or stop + self.halo[1] > self.length)

    def sample(self) -> Array:
        """Results so close together that each pixel is under the kernel of one."""
        before, after = self.halo
        return np.unique([*range(min(before, self.length - 1), self.length, 1 + before + after), self.length - 1])

    def sizes(self, count: int, most: int) -> list[int]:
        """How long at most so many parts of results may be: not so short that more is read beside them than in them."""
        found, shortest = [], max(sum(self.halo), LEAST, self.unit)
        for parts in (1, *sorted(3**k * 2**j for k in (0, 1) for j in range(1, 30))):
            size = -(-count // parts // self.unit) * self.unit
            if parts > 1 and (not self.cut or size < shortest or parts > most):
                break
            found.append(size)
        return found


def extent(marked: Array, place: Sequence[slice]) -> Iterator[tuple[int, int]]:
    """The first pixel that is marked and the one behind the last, along each axis of an image with them in a place."""
    for axis, part in enumerate(place):
        along = np.flatnonzero(marked.any(axis=tuple(other for other in range(marked.ndim) if other != axis)))
        yield part.start + int(along[0]), part.start + int(along[-1]) + 1


class Part(NamedTuple):
    """What a block has of an axis."""

    results: slice
    reads: Reads
    leaves: bool  # it depends on what lies beyond an end

    @property
    def size(self) -> int:
        """Pixels that it reads."""
        return sum(stop - start for start, stop in self.reads.runs)

    def reads_some(self, start: int, stop: int) -> bool:
        """Whether it reads any of these pixels."""
        return any(low < stop and start < high for low, high in self.reads.runs)


class Block(NamedTuple):
    """A part of the image, with the axes as the engine has them."""

    parts: tuple[Part, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels that it reads."""
        return tuple(part.size for part in self.parts)

    @property
    def place(self) -> tuple[slice, ...]:
        """Where its results belong."""
        return tuple(part.results for part in self.parts)

    @property
    def size(self) -> tuple[int, ...]:
        """Of its results."""
        return tuple(each.stop - each.start for each in self.place)

    @property
    def inner(self) -> tuple[slice, ...]:
        """Its results in what is made of the pixels that it reads."""
        return tuple(part.reads.inner for part in self.parts)

    def read(self, array: Array) -> Array:
        """What it reads; a view, unless it goes round the ends of an axis."""
        runs = [part.reads.runs for part in self.parts]
        if all(len(each) == 1 for each in runs):
            found: Array = array[tuple(slice(*each) for (each,) in runs)]
            return found
        block = np.empty(self.shape, array.dtype)
        for source in product(*runs):
            part = array[tuple(slice(*run) for run in source)]
            before = (each[: each.index(run)] for each, run in zip(runs, source, strict=True))
            starts = [sum(stop - start for start, stop in each) for each in before]
            block[tuple(slice(start, start + size) for start, size in zip(starts, part.shape, strict=True))] = part
        return block


def axes_of(request: Request, halo: Halo, unit: int) -> list[Along]:
    """The axes of an image as the engine has them. Those that are not filtered are not cut where they come last."""
    behind, idle = len(request.shape) - request.first - len(request.modes), (0, 0)
    halos = [*[idle] * request.first, *halo, *[idle] * behind]
    modes = [*[""] * request.first, *request.modes, *[""] * behind]
    return [
        Along(length, sides, mode == "wrap", unit if sides != idle else 1, axis < len(halos) - behind)
        for axis, (length, sides, mode) in enumerate(zip(request.shape, halos, modes, strict=True))
    ]


def grid(along: Sequence[Along], region: Sequence[tuple[int, int]], most: int) -> list[list[Part]]:
    """The parts of blocks along each axis.

    `region`: the results that they make. `most`: pixels that a block reads, if the taps let it be so small.
    """
    counts = [stop - start for start, stop in region]

    def cost(sizes: tuple[int, ...]) -> tuple[int, int, int]:
        read = [min(size + sum(each.halo), each.length) for size, each in zip(sizes, along, strict=True)]
        blocks = math.prod(-(-count // size) for count, size in zip(counts, sizes, strict=True))
        return max(math.prod(read) - most, 0), blocks * math.prod(read), -sizes[-1]

    parts = PARTS
    while True:
        sizes = min(product(*(each.sizes(count, parts) for each, count in zip(along, counts, strict=True))), key=cost)
        if cost(sizes)[0] == 0 or parts >= max(counts):
            break
        parts *= 16
    return [each.parts(*part, size) for each, part, size in zip(along, region, sizes, strict=True)]
