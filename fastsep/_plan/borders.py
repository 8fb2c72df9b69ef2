"""Which pixels stand for those outside an image."""

from __future__ import annotations

import numpy as np

from fastsep._validation.array_like import Array


def beyond(index: Array, size: int, mode: str) -> Array:
    """The pixels that stand for `index`, inside or outside of `size` pixels; -1 for the constant."""
    if mode == "constant":
        return np.where((index < 0) | (index >= size), -1, index)
    if mode == "nearest":
        return np.clip(index, 0, size - 1)
    if mode == "wrap":
        return index % size
    if mode == "mirror":
        period = max(2 * size - 2, 1)
        index = index % period
        return np.where(index < size, index, period - index)
    index = index % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


def lies_inside(mode: str, before: int, after: int) -> bool:
    """Whether what stands for pixels outside lies under the part of a window that is inside, wherever it is.

    `before`, `after`: pixels of the window on either side of its own. Those outside then count twice, which no minimum
    notices.
    """
    return (
        mode == "nearest" or (mode == "reflect" and abs(before - after) <= 1) or (mode == "mirror" and before == after)
    )
