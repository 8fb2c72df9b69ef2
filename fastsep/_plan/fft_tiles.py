"""How an image is cut into blocks for its Fourier transforms: by its shape and the kernel's alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from fastsep._plan import tuning

#: Lengths of transforms that are tried.
LENGTHS = (16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 2048, 1 << 62)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one image or batch."""

    step: tuple[int, ...]  # results of a block along each spatial axis
    size: tuple[int, ...]  # of the transforms
    count: int
    work: float  # of all transforms


def work_of(size: tuple[int, ...], itemsize: int) -> float:
    """What the two transforms of a block of this size take: units of some hundred picoseconds."""
    count = math.prod(size)
    # Measured: float64 takes 1.6 times as long as float32; three axes and more, whose lines are short and far
    # apart in memory, 1.5 times as long as two.
    work = count * (8.0 + math.log2(count)) * (1.6 if itemsize == 8 else 1.0) * (1.5 if len(size) > 2 else 1.0)
    return work * (1.0 + 0.15 * max(math.log2(count * itemsize / tuning.FFT_CACHED), 0.0))


def cut(shape: tuple[int, ...], first: int, kernel: tuple[int, ...], itemsize: int) -> Blocks:
    """The cheapest blocks for a kernel of this shape on the axes from `first` on.

    The axes before them and behind the kernel's are batch and channels, each transformed by itself.
    """
    spatial = shape[first : first + len(kernel)]
    options = []
    for n, k in zip(spatial, kernel, strict=True):
        steps = {-(-n // -(-n // max(length - k + 1, 1))) for length in LENGTHS}
        options.append([(step, fast_length(step + k - 1)) for step in sorted(steps)])

    def pieces(each: tuple[tuple[int, int], ...]) -> int:
        return math.prod(-(-n // step) for n, (step, _) in zip(spatial, each, strict=True))

    def work(each: tuple[tuple[int, int], ...]) -> float:
        return pieces(each) * (tuning.FFT_BLOCK_WORK + work_of(tuple(size for _, size in each), itemsize))

    best = min(itertools.product(*options), key=work)
    steps_taken, sizes = zip(*best, strict=True)
    count = pieces(best) * (math.prod(shape) // math.prod(spatial))
    return Blocks(steps_taken, sizes, count, count * work_of(sizes, itemsize))


def fast_length(least: int) -> int:
    """The smallest even number from `least` on whose only factors are 2, 3 and 5."""
    length = least + least % 2
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2
