"""Which blocks an image is cut into."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from fastsep._engine.caches import MIB

#: Bounds of a block along each axis.
Bounds = tuple[tuple[int, int], ...]


def blocks(shape: Sequence[int], block: Sequence[int]) -> list[Bounds]:
    """All blocks, along the first axis first: neighbours along it share what they read."""
    along = [
        [(start, min(start + step, length)) for start in range(0, length, step)]
        for length, step in zip(shape, block, strict=True)
    ]
    return [bounds[::-1] for bounds in itertools.product(*reversed(along))]


def choose(
    shape: Sequence[int], steps: Sequence[int], least: Sequence[int], whole: Sequence[bool],
    size_of: Callable[[Sequence[int]], int], most: int, memory: int,
) -> tuple[int, ...]:  # fmt: skip
    """The shape of blocks that take `most` bytes, if not more than `memory`: multiples of `steps`, cut along the first
    axes rather than along the last.

    `least`: thinner blocks would read more of their neighbours than of themselves. `size_of`: the bytes of a block.
    """
    block = list(shape)

    def cut(axis: int, least: int) -> None:
        step = steps[axis]
        low, high = max(-(-least // step), 1), -(-shape[axis] // step)
        while low < high:
            middle = (low + high + 1) // 2
            block[axis] = min(middle * step, shape[axis])
            low, high = (middle, high) if size_of(block) <= most else (low, middle - 1)
        block[axis] = min(low * step, shape[axis])

    free = [axis for axis in range(len(shape)) if not whole[axis]]
    for thinnest in (least, steps):
        for axis in free:
            if size_of(block) > most:
                cut(axis, thinnest[axis])
        most = max(most, memory)  # where it cannot be what is best
    if size_of(block) > memory:
        text = " x ".join(map(str, block))
        raise ValueError(
            f"`memory` must be at least {math.ceil(size_of(block) / MIB)} MiB for a block of {text}; "
            f"got {memory / MIB:.4g} MiB."
        )
    return tuple(block)


def steps(shape: Sequence[int], stores: Sequence[Sequence[int] | None]) -> list[int]:
    """Of what blocks are multiples: of the chunks of all stores, or of the last ones' where that is too much."""
    found = [1] * len(shape)
    for chunks in stores:
        if chunks is not None:
            for axis, (length, chunk) in enumerate(zip(shape, chunks, strict=False)):
                both = math.lcm(found[axis], chunk)
                found[axis] = min(both if both <= 4 * max(found[axis], chunk) else chunk, length)
    return found
