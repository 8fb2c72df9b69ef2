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
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import fft

from fastsep._engine import bands, execution, rounding
from fastsep._engine.caches import MIB, Cache, emptied_by
from fastsep._plan import dtypes, planner
from fastsep._plan.arithmetic import F64
from fastsep._plan.borders import beyond
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Dense, Fourier
from fastsep._validation.array_like import Array, DType

_Source = slice | Array | None  # pixels of an axis: a run, which may go backwards or be a single one, any, the constant
_Pieces = list[tuple[slice, _Source]]  # where pixels of a block go, and come from


class Transform:
    """A plan of strategy "fft", with what every call needs to know besides the pixels."""

    def __init__(self, plan: Plan) -> None:
        assert plan.blocks is not None
        assert isinstance(plan.what, Fourier)
        kernel, (first, modes) = plan.what.kernel, plan.axes
        self.plan, self.blocks, self.kernel, self.centre = plan, plan.blocks, kernel, plan.what.centre
        behind = first + kernel.ndim
        self.spatial = spatial = plan.shape[first:behind]
        self.shape = (math.prod(plan.shape[:first]), *spatial, math.prod(plan.shape[behind:]))  # batch, ..., channels
        starts = [range(0, n, step) for n, step in zip(spatial, self.blocks.step, strict=True)]
        self._counts = (self.shape[0], self.shape[-1], *map(len, starts))  # blocks, along every axis of the shape
        # For each axis: of the blocks of results from each start on.
        self.sources: list[dict[int, _Pieces]] = [
            {at: _pieces(at - centre, min(along.step, n - at) + taps - 1, n, mode) for at in along}
            for along, centre, taps, n, mode in zip(starts, self.centre, kernel.shape, spatial, modes, strict=True)
        ]
        with np.errstate(over="ignore", under="ignore"):
            self.border: Any = np.float64(plan.border).astype(plan.acc)
            self.size = float(np.abs(kernel).sum())
            self.norm = rounding.norm(kernel)  # Euclidean
        self.positive = not (kernel < 0).any()

    def run(
        self, image: Array, out: Array, workers: int | None, others: Sequence[Array] = (), second: Array | None = None
    ) -> None:  # fmt: skip
        """Filter `image` into `out`."""
        bands.run_tasks(_Task(self, image, out), math.prod(self._counts), workers)

    def place(self, number: int) -> tuple[int, int, list[int]]:
        """Of a block: image of the batch, channel, and where it begins along each axis."""
        batch, channel, *index = (int(place) for place in np.unravel_index(number, self._counts))
        return batch, channel, [at * step for at, step in zip(index, self.blocks.step, strict=True)]

    def spectrum(self, dtype: DType) -> Array:
        key = id(self.plan), dtype
        found: tuple[Plan, Array] | None = _spectra.get(key)
        if found is None or found[0] is not self.plan:
            spectrum = fft.rfftn(self.kernel, self.blocks.size)
            np.conj(spectrum, out=spectrum)  # correlation, not convolution
            found = self.plan, spectrum.astype(np.result_type(dtype, np.complex64), copy=False)
            _spectra.keep(key, found)
        return found[1]


class _Task:
    """The blocks of one call; called with the number of a block."""

    def __init__(self, known: Transform, image: Array, out: Array) -> None:
        self.known, self.plan, self.blocks, self.kernel = known, known.plan, known.blocks, known.kernel
        self.image, self.out = image.reshape(known.shape), out.reshape(known.shape)
        with np.errstate(over="ignore", under="ignore"):
            self.spectra = {self.plan.acc: known.spectrum(self.plan.acc)}
        self.direct: execution.Runner | None = None  # for blocks that no transform is good enough for

    def __call__(self, number: int) -> None:
        batch, channel, corner = self.known.place(number)
        sizes = [min(step, n - at) for step, n, at in zip(self.blocks.step, self.known.spatial, corner, strict=True)]
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
            return self._transformed(block, sizes)[inside]
        norm = rounding.norm(block)
        if norm == 0.0:
            return np.zeros(sizes, acc)
        if not math.isfinite(norm):  # asked for by name
            return self._transformed(block, sizes)[inside]
        whole = self._transformed(block, sizes)
        values = whole[inside]
        local, lost = rounding.LOCAL[acc], rounding.lost(norm, self.known.norm, acc)
        # Of the whole block the least is found in half the time.
        if self.known.positive and (lost <= local * float(whole.min()) or lost <= local * float(values.min())):
            return values
        pixels = block[tuple(slice(size + k - 1) for size, k in zip(sizes, taps, strict=True))]
        positive = self.known.positive and not pixels.min() < 0
        if not positive and lost <= local * self.known.size * rounding.least_peak(pixels, taps):
            return values

        # The range of values is large: float64, or tap by tap.
        if acc != F64:
            block = block.astype(F64)
            values = self._transformed(block, sizes)[inside]
            lost = rounding.lost(norm, self.known.norm, F64)
        largest = self.known.size * rounding.largest_under(pixels, taps)
        least = lost / (rounding.FAINT / 2 if positive else local)
        if not ((lost <= local * np.abs(values)) | (least <= largest) | (largest == 0)).all():
            return self._tap_by_tap(block, sizes)
        # Zero as far as anyone can tell, but perhaps below it: so is the result where the kernel meets zeros only.
        values[values <= lost if positive else largest == 0] = 0
        return values

    def _transformed(self, block: Array, sizes: list[int]) -> Array:
        """The results of a block, and along the last axis those, too, that the block's other end reached."""
        spectrum = self.spectra.get(block.dtype)
        if spectrum is None:
            spectrum = self.spectra[block.dtype] = self.known.spectrum(block.dtype)
        values = fft.rfftn(block)
        values *= spectrum
        # Along each axis only the results that are kept go on to the next one: for 63 x 63 taps a fifth fewer rows.
        for axis, size in enumerate(sizes[:-1]):
            values = fft.ifft(values, axis=axis, overwrite_x=True)
            values = values[(*(slice(None),) * axis, slice(size))]
        result: Array = fft.irfft(values, self.blocks.size[-1], overwrite_x=True)
        return result

    def _tap_by_tap(self, block: Array, sizes: list[int]) -> Array:
        centre = self.known.centre
        if self.direct is None:
            plan = planner.prepare(
                Dense(self.kernel, centre), block.shape, F64, F64, first=0, modes=("constant",) * block.ndim,
                cval=0.0, scale=1.0,
            )  # fmt: skip
            self.direct = execution.Runner(plan)
        values = self.direct.run(block, None, 1)
        return values[tuple(slice(at, at + size) for at, size in zip(centre, sizes, strict=True))]

    def _fill(self, block: Array, image: Array, corner: list[int], sizes: list[int]) -> None:
        """Into `block`: the pixels under the kernel for a block of results, zeros behind them."""
        # Inside, before and behind along each axis.
        for piece in itertools.product(*(found[at] for found, at in zip(self.known.sources, corner, strict=True))):
            place = tuple(to for to, _ in piece)
            if any(source is None for _, source in piece):
                block[place] = self.known.border
                continue
            values = image[tuple(source if isinstance(source, slice) else slice(None) for _, source in piece)]
            for axis, (_, source) in enumerate(piece):
                if isinstance(source, np.ndarray):
                    values = np.take(values, source, axis)
            block[place] = values
        for axis, (size, taps) in enumerate(zip(sizes, self.kernel.shape, strict=True)):
            block[(*(slice(None),) * axis, slice(size + taps - 1, None))] = 0


def _pieces(first: int, length: int, n: int, mode: str) -> _Pieces:
    """Where pixels from `first` on, some of them beyond an axis of n, go and come from."""
    start, stop = max(-first, 0), min(n - first, length)
    found: _Pieces = [(slice(start, stop), slice(first + start, first + stop))]
    for before, behind in ((0, start), (stop, length)):
        if before < behind:
            place = slice(before, behind)
            index = beyond(np.arange(first + before, first + behind), n, mode)
            found.append((place, None if mode == "constant" else _run_of(index)))
    return found


def _run_of(index: Array) -> slice | Array:
    """These places of an axis as a slice, if they are one: it is copied several times as fast."""
    steps = set(np.diff(index).tolist())
    if len(steps) > 1 or not steps <= {-1, 0, 1}:
        return index
    first, last = int(index[0]), int(index[-1])
    if last < first:
        return slice(first, last - 1 if last else None, -1)
    return slice(first, last + 1)  # of a single place, which fills all


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
