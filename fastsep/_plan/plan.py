"""A plan: how one filter runs on images of one shape and dtype; and what planning knows of them.

A plan holds no address, does not depend on the number of threads, and on the CPU only by its vectors and registers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fastsep._kernels import jit
from fastsep._plan.fft_tiles import Blocks
from fastsep._plan.spec import Filter, Step
from fastsep._validation.array_like import Array, DType


class Plan(NamedTuple):
    """How one filter runs on images of one shape and dtype.

    The image is seen as (planes, depth, rows, cols, channels); `modes` are those of depth, rows
    and cols. The filter in `what` is that of these three axes, scale included.
    """

    strategy: str  # one of those that the glossary lists
    kernel: tuple[str, ...]
    what: Filter | Step
    shape: tuple[int, ...]
    view: tuple[int, int, int, int, int]
    modes: tuple[str, str, str]
    cval: float
    border: float  # `cval` in the source's units
    src: DType
    acc: DType
    dst: DType
    work: float  # multiply-adds, roughly
    scale: float  # what values are multiplied by first, if it is not in the taps
    passes: tuple[tuple[Plan, ...], ...] = ()  # strategy "passes": of each term, in order
    blocks: Blocks | None = None  # strategy "fft"
    axes: tuple[int, tuple[str, ...]] = (0, ())  # strategy "fft": leading axes of the batch, modes of those behind
    slices: Array | None = None  # of dense, flat, rank: the plane at each offset from each; -1: the constant
    joined: bool = False  # rows are stretches of one long row, and no border is needed (see `_plan.stretches`)


class Context(NamedTuple):
    """All that a plan depends on but the filter."""

    shape: tuple[int, ...]
    first: int  # leading axes that are a batch
    axes: Axes
    modes: tuple[str, ...]
    cval: float
    scale: float
    src: DType
    acc: DType
    dst: DType

    @property
    def border(self) -> float:
        return self.cval / self.scale

    def reaches(self, radius: int) -> bool:
        """Whether all neighbours of a pixel along its row lie within the next vector."""
        return self._bytes(radius) <= jit.target().vector_bytes

    def sweeps(self, radius: int) -> bool:
        """The same with the widest vectors there are, on every CPU: lines may round differently from a sweep."""
        return self._bytes(radius) <= jit.WIDEST

    def _bytes(self, radius: int) -> int:
        return self.axes.channels * radius * self.acc.itemsize

    def plan(
        self, strategy: str, kernel: tuple[str, ...], what: Filter, work: float,
        passes: tuple[tuple[Plan, ...], ...] = (),
    ) -> Plan:  # fmt: skip
        """The plan; `work` counts multiply-adds per value."""
        view, modes = self.axes.view()
        key = (*kernel, self.src.name, self.acc.name, self.dst.name)
        return Plan(
            strategy, key, what, self.shape, view, modes, self.cval, self.border, self.src, self.acc, self.dst,
            work * math.prod(view), self.scale, passes,
        )  # fmt: skip


class Axes(NamedTuple):
    """The image's shape as a batch, spatial axes that are filtered, and channels."""

    planes: int
    sizes: tuple[int, ...]
    channels: int
    modes: tuple[str, ...]
    start: int  # the first spatial axis that is left; those before it joined the batch
    stop: int  # one after the last; those behind it joined the channels

    @staticmethod
    def of(what: Filter, shape: tuple[int, ...], first: int, modes: tuple[str, ...]) -> Axes:
        spatial = shape[first : first + len(modes)]
        channels = math.prod(shape[first + len(modes) :])
        start, stop = 0, len(modes)
        idle = what.idle()
        while start < stop - 1 and idle[start]:
            start += 1
        # A short last axis that is not filtered is an axis of channels by another name.
        if stop - start > 1 and idle[stop - 1] and channels == 1 and spatial[stop - 1] <= 4:
            channels = spatial[stop - 1]
            stop -= 1
        planes = math.prod(shape[:first]) * math.prod(spatial[:start])
        return Axes(planes, spatial[start:stop], channels, modes[start:stop], start, stop)

    def view(self) -> tuple[tuple[int, int, int, int, int], tuple[str, str, str]]:
        """(planes, depth, rows, cols, channels) and the modes of the three in the middle."""
        modes = (*("reflect",) * (3 - len(self.modes)), *self.modes[-3:])
        if len(self.sizes) == 1:
            # Every row by itself: the batch serves as rows.
            return (1, 1, self.planes, self.sizes[0], self.channels), modes  # type: ignore[return-value]
        depth = math.prod(self.sizes[:-2])
        return (self.planes, depth, *self.sizes[-2:], self.channels), modes  # type: ignore[return-value]
