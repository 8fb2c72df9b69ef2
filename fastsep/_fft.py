"""Correlation by Fourier transform, block by block.

The image is cut into blocks of results that depend on its shape and the kernel's alone. Each block
is transformed with all the pixels under the kernel around it, multiplied by the kernel's spectrum
and transformed back; of the result only what no pixel from the other end of the block reached is
kept (overlap-save). Blocks do not share results, as they would in overlap-add, so threads may take
them in any order and the bits stay the same.
"""

from __future__ import annotations

import itertools
import math
import threading
from typing import Any

import numpy as np
from scipy import fft

from fastsep import _image, _run
from fastsep._image import Array
from fastsep._plan import Fourier, Plan, beyond


def execute(plan: Plan, image: Array, out: Array | None, workers: int | None) -> Array:
    """Run a plan of strategy "fft" on a C-contiguous image of its shape and dtype."""
    if out is None:
        out = np.empty(plan.shape, plan.dst)
    task = _Task(plan, image, out)
    _run.run_tasks(task, len(task.corners), workers)
    return out


class _Task:
    """The blocks of one call; called with the number of a block."""

    def __init__(self, plan: Plan, image: Array, out: Array) -> None:
        assert plan.blocks is not None
        assert isinstance(plan.what, Fourier)
        blocks, ndim = plan.blocks, plan.what.kernel.ndim
        self.plan, self.blocks, self.kernel = plan, blocks, plan.what.kernel
        self.centre = plan.what.centre
        spatial = plan.shape[blocks.first : blocks.first + ndim]
        # (batch, *spatial, channels)
        shape = (math.prod(plan.shape[: blocks.first]), *spatial, math.prod(plan.shape[blocks.first + ndim :]))
        self.image, self.out = image.reshape(shape), out.reshape(shape)
        self.spatial = spatial
        starts = [range(0, n, step) for n, step in zip(spatial, blocks.step, strict=True)]
        self.corners = list(itertools.product(range(shape[0]), range(shape[-1]), *starts))
        self.spectrum = self._spectrum()
        self.local = threading.local()

    def _spectrum(self) -> Array:
        found = self.plan.cache.get("spectrum")
        if not isinstance(found, np.ndarray):
            # Conjugated: correlation, not convolution.
            found = np.conj(fft.rfftn(self.kernel, self.blocks.size))
            found = found.astype(np.result_type(self.plan.acc, np.complex64))
            self.plan.cache["spectrum"] = found
        return found

    def __call__(self, number: int) -> None:
        batch, channel, *corner = self.corners[number]
        sizes = [min(step, n - at) for step, n, at in zip(self.blocks.step, self.spatial, corner, strict=True)]
        values = fft.rfftn(self._around(self.image[batch, ..., channel], corner, sizes))
        values *= self.spectrum
        values = fft.irfftn(values, self.blocks.size, overwrite_x=True)[tuple(map(slice, sizes))]
        place: tuple[Any, ...] = tuple(slice(at, at + size) for at, size in zip(corner, sizes, strict=True))
        self.out[(batch, *place, channel)] = _image.finish(values, self.plan.dst)

    def _around(self, image: Array, corner: list[int], sizes: list[int]) -> Array:
        """The pixels under the kernel for a block of results, zeros behind them, in the dtype of the arithmetic."""
        block = getattr(self.local, "block", None)
        if block is None:  # kept from block to block: fresh memory costs as much as a transform
            block = self.local.block = np.zeros(self.blocks.size, self.plan.acc)
        lengths = [size + k - 1 for size, k in zip(sizes, self.kernel.shape, strict=True)]
        borders = []  # axis, which pixels stand at its places
        for axis, (at, length) in enumerate(zip(corner, lengths, strict=True)):
            first = at - self.centre[axis]
            hull = slice(first, first + length)
            if first < 0 or hull.stop > self.spatial[axis]:
                index = beyond(np.arange(first, first + length), self.spatial[axis], self.blocks.modes[axis])
                known = index[index >= 0]
                hull = slice(known.min(), known.max() + 1)
                borders.append((axis, np.where(index >= 0, index - hull.start, -1)))
            image = image[_along(axis, hull)]
        # Narrowed along all axes before the first copy.
        for axis, index in borders:
            image = np.take(image, np.maximum(index, 0), axis)
        inside = block[tuple(map(slice, lengths))]
        inside[...] = image
        for axis, index in borders:
            inside[_along(axis, index < 0)] = self.plan.border
        if list(self.blocks.size) != lengths:
            for axis, length in enumerate(lengths):  # what a larger block left there
                block[_along(axis, slice(length, None))] = 0
        return block


def _along(axis: int, index: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, index)
