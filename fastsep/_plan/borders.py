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
