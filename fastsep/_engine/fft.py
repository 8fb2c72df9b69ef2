"""Correlation by Fourier transform, block by block.

The image is cut into blocks of results that depend on its shape and the kernel's alone. Each block
is transformed with all the pixels under the kernel around it, multiplied by the kernel's spectrum
and transformed back; of the result only what no pixel from the other end of the block reached is
kept (overlap-save). Blocks do not share results, as they would in overlap-add, so threads may take
them in any order and the bits stay the same.

A block with a range of values so large that the rounding errors of its transform would show is transformed in float64,
or summed up tap by tap (see `rounding`). That is up to its own pixels, which are the same for any number of threads.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from scipy import fft

from fastsep._engine import bands, execution, memory, rounding
from fastsep._engine.caches import MIB, Cache, emptied_by
from fastsep._plan import dtypes, planner
from fastsep._plan.planner import F64, Dense, Fourier, Plan, beyond
from fastsep._validation.array_like import Array, DType


def execute(plan: Plan, image: Array, out: Array | None, workers: int | None) -> Array:
    """Run a plan of strategy "fft" on a C-contiguous image of its shape and dtype."""
    if out is None:
        out = memory.empty(plan.shape, plan.dst)
    task = _Task(plan, image, out)
    bands.run_tasks(task, len(task.corners), workers)
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
        with np.errstate(over="ignore", under="ignore"):
            self.border = np.float64(plan.border).astype(plan.acc)
            self.spectra = {plan.acc: self._spectrum(plan.acc)}
            self.size, self.norm = float(np.abs(self.kernel).sum()), rounding.norm(self.kernel)
        self.positive = not (self.kernel < 0).any()
        self.direct: Plan | None = None  # for blocks that no transform is good enough for

    def _spectrum(self, dtype: DType) -> Array:
        key = id(self.plan), dtype
        found: tuple[Plan, Array] | None = _spectra.get(key)
        if found is None or found[0] is not self.plan:
            spectrum = fft.rfftn(self.kernel, self.blocks.size)
            np.conj(spectrum, out=spectrum)  # correlation, not convolution
            found = self.plan, spectrum.astype(np.result_type(dtype, np.complex64), copy=False)
            _spectra.keep(key, found)
        return found[1]

    def __call__(self, number: int) -> None:
        batch, channel, *corner = self.corners[number]
        sizes = [min(step, n - at) for step, n, at in zip(self.blocks.step, self.spatial, corner, strict=True)]
        block = _take(self.blocks.size, self.plan.acc)
        with np.errstate(all="ignore"):  # in whatever thread this is
            self._fill(block, self.image[batch, ..., channel], corner, sizes)
            values = self._correlated(block, sizes)
        _give_back(block)
        place: tuple[Any, ...] = tuple(slice(at, at + size) for at, size in zip(corner, sizes, strict=True))
        self.out[(batch, *place, channel)] = dtypes.finish(values, self.plan.dst)

    def _correlated(self, block: Array, sizes: list[int]) -> Array:
        """The results of a block, each as close as `rounding.LOCAL` says."""
        acc, taps, inside = self.plan.acc, self.kernel.shape, tuple(map(slice, sizes))
        if self.plan.dst.kind != "f":  # rounding gives the exact integers, or the transform would not be allowed
            return self._transformed(block)[inside]
        norm = rounding.norm(block)
        if norm == 0.0:
            return np.zeros(sizes, acc)
        if not math.isfinite(norm):  # asked for by name
            return self._transformed(block)[inside]
        whole = self._transformed(block)
        values = whole[inside]
        local, lost = rounding.LOCAL[acc], rounding.lost(norm, self.norm, acc)
        # Of the whole block the least is found in half the time.
        if self.positive and (lost <= local * float(whole.min()) or lost <= local * float(values.min())):
            return values
        pixels = block[tuple(slice(size + k - 1) for size, k in zip(sizes, taps, strict=True))]
        positive = self.positive and not pixels.min() < 0
        if not positive and lost <= local * self.size * rounding.least_peak(pixels, taps):
            return values

        # The range of values is large: float64, or tap by tap.
        if acc != F64:
            block = block.astype(F64)
            values = self._transformed(block)[inside]
            lost = rounding.lost(norm, self.norm, F64)
        largest = self.size * rounding.largest_under(pixels, taps)
        least = lost / (rounding.FAINT / 2 if positive else local)
        if not ((lost <= local * np.abs(values)) | (least <= largest) | (largest == 0)).all():
            return self._tap_by_tap(block, sizes)
        # Zero as far as anyone can tell, but perhaps below it: so is the result where the kernel meets zeros only.
        values[values <= lost if positive else largest == 0] = 0
        return values

    def _transformed(self, block: Array) -> Array:
        spectrum = self.spectra.get(block.dtype)
        if spectrum is None:
            spectrum = self.spectra[block.dtype] = self._spectrum(block.dtype)
        values = fft.rfftn(block)
        values *= spectrum
        result: Array = fft.irfftn(values, self.blocks.size, overwrite_x=True)
        return result

    def _tap_by_tap(self, block: Array, sizes: list[int]) -> Array:
        if self.direct is None:
            self.direct = planner.prepare(
                Dense(self.kernel, self.centre), block.shape, F64, F64, first=0, modes=("constant",) * block.ndim,
                cval=0.0, scale=1.0, vector_bytes=execution.vector_bytes(),
            )  # fmt: skip
        values = execution.execute(self.direct, block, None, 1)
        return values[tuple(slice(at, at + size) for at, size in zip(self.centre, sizes, strict=True))]

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


#: Spectra of kernels, by plan and dtype.
_spectra = Cache(12 * MIB, 64)
_free: list[Array] = []  # pop and append are atomic
#: More memory for blocks is given back to the system.
_KEPT_BYTES = 16 * MIB
emptied_by(_free.clear)


def _take(size: tuple[int, ...], dtype: Any) -> Array:
    """A block kept from an earlier call, where fresh memory would cost as much as a transform.

    Nobody else has it until it is given back: a signal handler may filter in the midst of a filter.
    """
    try:
        found = _free.pop()
    except IndexError:
        return np.empty(size, dtype)
    return found if found.shape == size and found.dtype == dtype else np.empty(size, dtype)


def _give_back(block: Array) -> None:
    if sum(kept.nbytes for kept in _free) + block.nbytes <= _KEPT_BYTES:
        _free.append(block)
