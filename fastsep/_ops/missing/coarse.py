"""An image with missing pixels in blocks, for Gaussians that are several times wider than these are long."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastsep._call import Request
from fastsep._engine.bands import run_tasks
from fastsep._ops.missing.selection import Selected
from fastsep._validation.array_like import Array, DType

#: The standard deviation from which on a Gaussian is one of blocks, of which it is 4 to 8. What fills a hole in a
#: smooth image is then off by 0.1 % of the range in the mean; Gaussians of pixels take seven times as long for a hole
#: of a tenth of 2160 x 3840 pixels.
COARSE, BLOCKS = 16.0, 4.0
#: Pixels of a strip, so that what is made of it stays in the cache.
STRIP = 1 << 17


class Blocks(NamedTuple):
    """Means over blocks, which begin at the first pixel; what lies outside the image is 0."""

    pixels: Array  # times their weights
    weights: Array
    lengths: tuple[int, ...]  # along every axis


def block_of(sigma: float) -> int:
    """The length of blocks for a Gaussian, a power of 2."""
    return 1 if sigma < COARSE else 2 ** (math.frexp(sigma / BLOCKS)[1] - 1)


def sigma_between(sigma: float, block: int) -> float:
    """The standard deviation, in blocks, of what makes a Gaussian with a mean over one and a line between two."""
    return sigma if block == 1 else math.sqrt((sigma / block) ** 2 - 1 / 12 - 1 / 6)


def strips(place: Sequence[slice], shape: Sequence[int], axis: int, multiple: int = 1) -> list[tuple[slice, ...]]:
    """A part of an image, cut along an axis into pieces of some pixels, each of a multiple of so many rows."""
    sizes = [len(range(*each.indices(size))) for each, size in zip(place, shape, strict=True)]
    start, stop, _ = place[axis].indices(shape[axis])
    rows = max(STRIP * sizes[axis] // max(math.prod(sizes), 1) // multiple, 1) * multiple
    return [
        (*place[:axis], slice(first, min(first + rows, stop)), *place[axis + 1 :])
        for first in range(start, stop, rows)
    ]  # fmt: skip


def of_image(
    shape: tuple[int, ...], lengths: tuple[int, ...], request: Request, acc: DType,
    select: Callable[[tuple[slice, ...]], Selected], workers: int | None,
) -> Blocks:  # fmt: skip
    """Of an image. `select`: the pixels of a part of it, and their weights."""
    few = tuple(-(-size // length) for size, length in zip(shape, lengths, strict=True))
    found = Blocks(np.empty(few, acc), np.empty(few, acc), lengths)
    axis = request.first
    parts = strips([slice(None)] * len(shape), shape, axis, lengths[axis])

    def take(number: int) -> None:
        part = parts[number]
        first, stop = part[axis].start // lengths[axis], -(-part[axis].stop // lengths[axis])
        place = (*part[:axis], slice(first, stop))
        pixels, weights, _ = select(part)
        found.pixels[place], found.weights[place] = _means(pixels, lengths, acc), _means(weights, lengths, acc)

    run_tasks(take, len(parts), workers)
    return found


def of_blocks(blocks: Blocks, lengths: tuple[int, ...]) -> Blocks:
    """Longer blocks, of these."""
    times = tuple(long // short for long, short in zip(lengths, blocks.lengths, strict=True))
    pixels, weights = (_means(each, times, each.dtype) for each in (blocks.pixels, blocks.weights))
    return Blocks(pixels, weights, lengths)


def _means(values: Array, lengths: Sequence[int], acc: DType) -> Array:
    for axis, length in enumerate(lengths):
        if length > 1:
            shape = (*values.shape[:axis], -(-values.shape[axis] // length), *values.shape[axis + 1 :])
            sums = np.zeros(shape, acc)
            for first in range(length):
                every = values[(*(slice(None),) * axis, slice(first, None, length))]
                sums[(*(slice(None),) * axis, slice(every.shape[axis]))] += every
            sums *= acc.type(1 / length)
            values = sums
    return values


def between(values: Array, lengths: Sequence[int], place: Sequence[slice], shape: Sequence[int]) -> Array:
    """What lies between the middles of blocks, at the pixels of a part of the image, which has that shape."""
    for axis, (length, part) in enumerate(zip(lengths, place, strict=True)):
        if length == 1:
            values = values[(*(slice(None),) * axis, part)]
            continue
        at = (np.arange(*part.indices(shape[axis])) + 0.5) / length - 0.5
        before = np.floor(at).astype(np.intp)
        share = (at - before).astype(values.dtype).reshape(-1, *(1,) * (values.ndim - axis - 1))
        low, high = (values.take(np.clip(before + k, 0, values.shape[axis] - 1), axis) for k in range(2))
        high -= low
        high *= share
        values = np.add(low, high, out=low)
    return values
