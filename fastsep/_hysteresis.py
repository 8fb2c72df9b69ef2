"""Tracks edges by hysteresis, in place: which weak pixels are connected to a strong one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from fastsep import _run
from fastsep._kernels import blocks as at
from fastsep._kernels import jit
from fastsep._run import Array, address_of


class _Kernel:
    def __init__(self) -> None:
        self.address = jit.kernel("hysteresis")
        self.band: Callable[..., int] = jit.BAND(self.address)
        self.work = float("inf")  # more than a pool needs to be worth it: `bands` has decided


@cache
def _kernel() -> _Kernel:
    return _Kernel()


#: Multiply-adds that looking at a byte and following some edges are worth.
PIXEL_WORK = 4.0


def track(codes: Array, lines: Sequence[int], reach: int, workers: int | None) -> None:
    """Make 1 of every STRONG byte and of every WEAK one that is connected to it, 0 of all others.

    `codes` is C-contiguous and zero at its border. `lines`: how many bytes away the lines of
    neighbours lie that touch a pixel's own; of each, `reach` pixels to either side count.
    """
    pixels = codes[0].size
    rows = codes.shape[0]
    bands = min(_run.bands_for(PIXEL_WORK * codes.size, workers), rows)
    kernel = _kernel()
    offsets = np.array(lines, np.int64)
    scratch = 8 * at.STACK_WORDS
    workspace = _run.take_workspace(scratch * bands)
    workspace.filled_by = None
    word = workspace.word
    word[at.DST], word[at.DST_ROW], word[at.ROWS] = address_of(codes), pixels, rows
    word[at.SCRATCH], word[at.SCRATCH_BAND] = workspace.scratch, scratch
    word[at.LINES], word[at.LINES_AT], word[at.REACH] = len(offsets), offsets.ctypes.data, reach
    word[at.FURTHEST] = int(abs(offsets).max(initial=0)) + reach
    steps = [(at.SEARCH, bands), (at.BOOLS, bands)]
    if bands > 1:
        steps.insert(1, (at.JOIN, 1))
    for phase, number in steps:
        word[at.PHASE], word[at.BANDS], word[at.SRC] = phase, number, bands
        if number == 1:
            kernel.band(_run.UNUSED, _run.UNUSED, workspace.address, 0)
        else:
            _run.run_bands(kernel, workspace.address, number)
    _run.give_back(workspace)


def neighbour_lines(shape: Sequence[int], diagonal: bool) -> tuple[list[int], int]:
    """Distances of the lines next to a pixel's own in an array of `shape`, and how far along them neighbours lie."""
    lines = [0]
    straight = []
    stride = shape[-1]
    for size in reversed(shape[:-1]):
        straight += [stride, -stride]
        lines = [line + step for line in lines for step in (-stride, 0, stride)]
        stride *= size
    return ([line for line in lines if line], 1) if diagonal else (straight, 0)


def connected(image: Array, low: Any, high: Any, workers: int | None) -> Array:
    """Pixels above `high`, and those above `low` that are connected to one of them by sides that they share."""
    given = image.shape
    # An axis before the first: bands are cut along it, and no line may run from band to band.
    shape = image.shape if image.ndim > 1 else (1, image.size)
    codes = np.zeros([size + 2 for size in shape], np.uint8)
    inside = codes[(slice(1, -1),) * len(shape)]
    if image.size:
        image = image.reshape(shape)
        low = np.minimum(low, high)
        inside[...] = image > (_float_below(low, image.dtype) if np.ndim(low) == 0 else low)
        strong = image > high
        strong &= inside.view(np.bool_)
        # WEAK and STRONG are 1 and 2.
        inside += strong
        track(codes, *neighbour_lines(codes.shape, diagonal=False), workers)
    return np.ascontiguousarray(inside).view(np.bool_).reshape(given)


def _float_below(value: Any, dtype: np.dtype[Any]) -> Any:
    """For a float64 `value` and an image of float32 the largest float32 up to it: the same pixels are above both.

    NumPy would convert the image.
    """
    if dtype != np.float32 or value.dtype != np.float64 or np.isnan(value):
        return value
    with np.errstate(over="ignore"):
        near = np.float32(value)
    return near if near <= value else np.nextafter(near, np.float32(-np.inf))
