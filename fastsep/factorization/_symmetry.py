"""Which flips give a kernel back, or minus it, and the parts that flips of one axis tell apart.

If K(-y, -x) = K(y, x), the part of K that is even in y is even in x too, and the odd part odd. Rows
and columns of one part are orthogonal to those of the other, so their ranks add up to that of K.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from fastsep._validation.array_like import Array

# Axes flipped jointly, and the sign: 1 if that gives the kernel back, -1 if it gives minus it.
Flips = dict[tuple[int, ...], int]

# With more dimensions only single axes and all of them together are flipped: there are 2**ndim sets.
_EVERY_SET = 4


class Part(NamedTuple):
    """One of the kernels whose sum is the whole."""

    kernel: Array
    parity: int  # along axis 0: 1 even, -1 odd, 0 neither
    rest: Flips  # of everything that remains of it behind axis 0


def flips(kernel: Array) -> Flips:
    """All joint flips that give the kernel back or minus it, exactly."""
    ndim = kernel.ndim
    sizes = range(1, ndim + 1) if ndim <= _EVERY_SET else (1, ndim)
    found = {}
    for axes in (axes for size in sizes for axes in combinations(range(ndim), size)):
        flipped = np.flip(kernel, axes)
        if np.array_equal(flipped, kernel):
            found[axes] = 1
        elif np.array_equal(flipped, -kernel):
            found[axes] = -1
    return found


def parts(kernel: Array) -> list[Part]:
    """The kernel, in an even and an odd part along axis 0 if only a joint flip of it is a symmetry."""
    found = flips(kernel)
    if (0,) in found or not any(0 in axes for axes in found):
        parity = found.get((0,), 0)
        return [Part(kernel, parity, _behind(found, parity))]
    mirrored = kernel[::-1]
    halves = (((kernel + mirrored) / 2, 1), ((kernel - mirrored) / 2, -1))
    return [Part(half, parity, _behind(found, parity)) for half, parity in halves if half.any()]


def _behind(found: Flips, parity: int) -> Flips:
    # Flipping axis 0 of the part multiplies it by its parity, so what is behind has the other sign.
    return {
        tuple(axis - 1 for axis in axes if axis): sign * (parity if 0 in axes else 1)
        for axes, sign in found.items()
        if axes != (0,)
    }


def symmetrised(kernel: Array, found: Flips) -> Array:
    """The kernel made to have these symmetries to the last bit.

    a + b and b + a are the same float, and a - b is minus b - a; both stay so in the next round.
    """
    for axes, sign in found.items():
        kernel = (kernel + sign * np.flip(kernel, axes)) / 2
    return kernel
