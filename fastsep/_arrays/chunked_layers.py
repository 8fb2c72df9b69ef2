"""Convolution layers of arrays of dask: batch, rows and columns chunk by chunk, with all channels in each block."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from dask._task_spec import DataNode, Task, TaskRef
from dask.array import Array as DaskArray
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from fastsep._arrays.chunked import Stretch, array_of, check, given, stretch
from fastsep._arrays.tasks import Along, assembled, cut
from fastsep._ops.layers.calls import Layer
from fastsep._plan import convolution
from fastsep._plan.convolution import LayerSpec, Sizes
from fastsep._plan.regions import Reads
from fastsep._validation import scalars
from fastsep._validation.array_like import Array, DType

Runs = tuple[tuple[int, int], ...]


class Window(NamedTuple):
    """What a block reads along an axis, and what comes of it."""

    reads: Stretch
    pads: Sizes  # that the layer adds to it
    results: int


class Axis(NamedTuple):
    """Rows or columns, along which a kernel moves."""

    chunks: tuple[int, ...]
    stride: int
    span: int  # pixels that the kernel reaches over
    pads: Sizes
    mode: str
    results: int

    @property
    def windows(self) -> list[Window]:
        """A window for each chunk of the result: those whose kernels begin in the same chunk of the image."""
        starts = [0, *accumulate(self.chunks)]
        bounds = {min(-(-start // self.stride), self.results) for start in starts[:-1]} | {self.results}
        found = []
        for first, stop in pairwise(sorted(bounds)):
            runs, pads, skipped = self._reads(first, stop, starts[-1])
            reads = stretch([Reads(runs, slice(skipped, skipped + stop - first))], starts)
            found.append(Window(reads, pads, stop - first))
        return found

    def _reads(self, first: int, stop: int, length: int) -> tuple[Runs, Sizes, int]:
        """What results `first` .. `stop` - 1 read, the padding beside it, and how many results come before theirs."""
        start, end = first * self.stride - self.pads[0], (stop - 1) * self.stride - self.pads[0] + self.span
        if self.mode == "wrap":
            return _round(start, end, length), (0, 0), 0
        before, after, skipped = max(-start, 0), max(end - length, 0), 0
        low, high = min(max(start, 0), length), max(min(end, length), 0)
        if self.mode == "constant":
            # Where there is no pixel, all of it is padding.
            return ((low, high),) if low < high else (), (before, after) if low < high else (0, end - start), 0
        # The other borders read as far inside as they reach outside; results that come of that are dropped.
        if before:
            high = max(high, min(before + 1, length))
        if after and low > length - after - 1:
            skipped = min(-(-(low - max(length - after - 1, 0)) // self.stride), first)
            start -= skipped * self.stride
            before, low = max(-start, 0), max(start, 0)
        return ((low, high),), (before, after), skipped


def _round(start: int, end: int, length: int) -> Runs:
    """The pixels `start` .. `end` - 1 of an axis that goes round its ends."""
    runs = []
    while start < end:
        at = start % length
        stop = min(at + end - start, length)
        runs.append((at, stop))
        start += stop - at
    return tuple(runs)


def convolve(spec: LayerSpec, x: DaskArray, out: Any, workers: Any) -> DaskArray:
    """What a layer makes of an array of dask."""
    check("x", x, (out,))
    workers = 1 if workers is None else scalars.check_workers(workers)
    image, place = convolution.image_of(spec, x.shape, x.dtype), spec.place
    channel, *moved = (axis + x.ndim for axis in ((-3, -2, -1) if place.channels_first else (-1, -3, -2)))
    # All channels, and all of an image without pixels, which is nothing but padding.
    x = x.rechunk(dict.fromkeys((channel, *moved) if image.blank else (channel,), -1))
    windows = [_as_it_is(sizes) for sizes in x.chunks]
    windows[channel] = [windows[channel][0]._replace(results=spec.results)]
    for axis, size, stride, dilation, pads in zip(
        moved, spec.size, place.stride, place.dilation, image.pads, strict=True
    ):
        count = image.shape[axis]
        if image.blank:
            windows[axis] = [windows[axis][0]._replace(results=count)]
        else:
            windows[axis] = Axis(x.chunks[axis], stride, (size - 1) * dilation + 1, pads, place.mode, count).windows

    token = tokenize(spec, x.name, workers)
    name = f"fastsep-layer-{token}"
    layer: dict[Any, Any] = {}
    for index in np.ndindex(*map(len, windows)):
        block = [along[number] for along, number in zip(windows, index, strict=True)]
        padding = None if image.blank else tuple(block[axis].pads for axis in moved)
        common = f"weights-{token}-{padding}"
        if common not in layer:
            one = spec if padding is None else replace(spec, place=replace(place, padding=padding))
            layer[common] = DataNode(common, Layer(one))
        grid, refs = given(x, [window.reads for window in block])
        reads = tuple(window.reads.strips[0] for window in block)
        layer[(name, *index)] = Task((name, *index), _convolved, TaskRef(common), reads, grid, x.dtype, workers, *refs)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[x])
    return array_of(graph, name, tuple(tuple(window.results for window in along) for along in windows), image.dtype)


def _as_it_is(chunks: tuple[int, ...]) -> list[Window]:
    """An axis whose chunks are read as they are."""
    found = []
    for number, size in enumerate(chunks):
        along = Along(size, ((0, slice(0, size), slice(0, size)),), slice(None))
        found.append(Window(Stretch((number,), (along,)), (0, 0), size))
    return found


def _convolved(
    layer: Layer, reads: tuple[Along, ...], grid: tuple[int, ...], dtype: DType, workers: int, *chunks: Array
) -> Array:  # fmt: skip
    result = layer(assembled(chunks, grid, reads, dtype), workers=workers)
    return cut(result, tuple(along.inner for along in reads))
