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

from fastsep import _dtypes, _run
from fastsep._image import Array
from fastsep._plan import Fourier, Plan, beyond


def execute(plan: Plan, image: Array, out: Array | None, workers: int | None) -> Array:
    """Run a plan of strategy "fft" on a C-contiguous image of its shape and dtype."""
    if out is None:
        out = _run.empty(plan.shape, plan.dst)
    task = _Task(plan, image, out)
    _run.run_tasks(task, len(task.corners), workers)
    return out


class _Task:
    """The blocks of one call; called with the number of a block."""

    def __init__(self, plan: Plan, image: Array, out: Array) -> None:
        assert plan.blocks is not None
        assert isinstance(plan.what, Fourier)
        blocks, ndim = plan.blocks, plan.what.kernel.ndim
        first, self.modes = plan.axes
        self.plan, self.blocks, self.kernel = plan, blocks, plan.what.kernel
        self.centre = plan.what.centre
        spatial = plan.shape[first : first + ndim]
        # (batch, *spatial, channels)
        shape = (math.prod(plan.shape[:first]), *spatial, math.prod(plan.shape[first + ndim :]))
        self.image, self.out = image.reshape(shape), out.reshape(shape)
        self.spatial = spatial
        starts = [range(0, n, step) for n, step in zip(spatial, blocks.step, strict=True)]
        self.corners = list(itertools.product(range(shape[0]), range(shape[-1]), *starts))
        with np.errstate(over="ignore"):
            self.border = np.float64(plan.border).astype(plan.acc)
            self.spectrum = self._spectrum()

    def _spectrum(self) -> Array:
        found = self.plan.cache.get("spectrum")
        if not isinstance(found, np.ndarray):
            # Conjugated: correlation, not convolution.
            found = np.conj(fft.rfftn(self.kernel, self.blocks.size))
            found = found.astype(np.result_type(self.plan.acc, np.complex64))
            # Plans are remembered by number, not by size.
            if found.nbytes <= _KEPT_SPECTRUM:
                self.plan.cache["spectrum"] = found
        return found

    def __call__(self, number: int) -> None:
        batch, channel, *corner = self.corners[number]
        sizes = [min(step, n - at) for step, n, at in zip(self.blocks.step, self.spatial, corner, strict=True)]
        block = _take(self.blocks.size, self.plan.acc)
        self._fill(block, self.image[batch, ..., channel], corner, sizes)
        values = fft.rfftn(block)
        _give_back(block)
        values *= self.spectrum
        values = fft.irfftn(values, self.blocks.size, overwrite_x=True)[tuple(map(slice, sizes))]
        place: tuple[Any, ...] = tuple(slice(at, at + size) for at, size in zip(corner, sizes, strict=True))
        self.out[(batch, *place, channel)] = _dtypes.finish(values, self.plan.dst)

    def _fill(self, block: Array, image: Array, corner: list[int], sizes: list[int]) -> None:
        """Into `block`: the pixels under the kernel for a block of results, zeros behind them."""
        lengths = [size + k - 1 for size, k in zip(sizes, self.kernel.shape, strict=True)]
        pieces = [
            _pieces(at - centre, length, n, mode)
            for at, centre, length, n, mode in zip(corner, self.centre, lengths, self.spatial, self.modes, strict=True)
        ]
        # Inside, before and behind along each axis: only narrow pieces are gathered pixel by pixel.
        for piece in itertools.product(*pieces):
            place = tuple(to for to, _ in piece)
            if any(source is None for _, source in piece):
                block[place] = self.border
                continue
            values = image[tuple(source if isinstance(source, slice) else slice(None) for _, source in piece)]
            for axis, (_, source) in enumerate(piece):
                if isinstance(source, np.ndarray):
                    values = np.take(values, source, axis)
            block[place] = values
        for axis, length in enumerate(lengths):
            block[(*(slice(None),) * axis, slice(length, None))] = 0


_Source = slice | Array | None  # pixels of an axis: a run, any, or the constant


def _pieces(first: int, length: int, n: int, mode: str) -> list[tuple[slice, _Source]]:
    """Where pixels from `first` on, some of them beyond an axis of n, go and come from."""
    start, stop = max(-first, 0), min(n - first, length)
    found: list[tuple[slice, _Source]] = [(slice(start, stop), slice(first + start, first + stop))]
    for before, behind in ((0, start), (stop, length)):
        if before < behind:
            index = beyond(np.arange(first + before, first + behind), n, mode)
            found.append((slice(before, behind), None if mode == "constant" else index))
    return found


_local = threading.local()
#: A larger block is given back to the system.
_KEPT_BYTES = 16 << 20
_KEPT_SPECTRUM = 1 << 20


def _take(size: tuple[int, ...], dtype: Any) -> Array:
    """A block kept from an earlier call of this thread's, where fresh memory would cost as much as a transform.

    Nobody else has it until it is given back: a signal handler may filter in the midst of a filter.
    """
    found: Array | None = getattr(_local, "block", None)
    _local.block = None
    fits = found is not None and found.shape == size and found.dtype == dtype
    return found if found is not None and fits else np.empty(size, dtype)


def _give_back(block: Array) -> None:
    if block.nbytes <= _KEPT_BYTES:
        _local.block = block
