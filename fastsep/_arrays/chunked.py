"""Calls with arrays of dask: a task for each chunk of the result, handed all chunks of the image that it reads.

Nothing is computed while the graph is made, and no layers of slices and concatenations are: a task copies what it reads
into one block (see `tasks`). It runs on one thread, unless `workers` says otherwise.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise, product
from typing import Any, NamedTuple

import numpy as np
from dask._task_spec import DataNode, Task, TaskRef
from dask.array import Array as DaskArray
from dask.array import broadcast_to, from_array, map_blocks
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from dask.utils import funcname

from fastsep import _call
from fastsep._arrays import tasks
from fastsep._arrays.tasks import Along, Job
from fastsep._call import NotRun, PerPixel, Program
from fastsep._ops.hysteresis import Tracking
from fastsep._plan.regions import LEAST, Reads, reads
from fastsep._validation import array_like, arrays, axes, scalars
from fastsep._validation.array_like import Array, DType, StandIn

#: A block is filtered in strips of rows of about so many bytes (measured: small blurs of chunks of 2048 x 2048 pixels
#: of float32 take 0.94 times as long, and 5 MB beside their results in place of 17) ...
STRIP_BYTES = 4 << 20
#: ... and of so many times the rows that are read beside them.
STRIP_HALOS = 8


def apply(options: tuple[Any, ...], image: DaskArray, outs: Sequence[Any], workers: Any) -> list[DaskArray]:
    """`_call._checked` for an array of dask."""
    check("image", image, outs)
    workers = 1 if workers is None else scalars.check_workers(workers)
    options, call = _call.for_whole(options, image.shape, image.dtype)
    if isinstance(call.program, Tracking):
        from fastsep._arrays import tracked  # it is built on this module

        return [tracked.apply(options, image, call.program, workers)]
    builder, parameters, *others = options
    if call.stays:  # all results of a chunk are made; the last parameter is the stride
        (whole,) = apply((builder, (*parameters[:-1], 1), *others), image, outs, workers)
        return [whole[call.stays]]
    channel_axis, *_ = others[-3:]
    bare, beside = without_pixels(parameters, image)
    results, tail = (call.result,) * len(outs), call.shape[image.ndim :]
    job = Job(
        partial(tasks.run, (builder, bare, *others), tuple(beside), workers), image.shape, image.dtype, results, tail
    )  # fmt: skip
    reach = reach_of(call.program, image.ndim, axes.channel(channel_axis, image.ndim))
    look = look_of(call.program, workers)
    return in_blocks(image, funcname(builder).strip("_"), job, reach, look, list(beside.values()))


def without_pixels(parameters: tuple[Any, ...], image: DaskArray) -> tuple[tuple[Any, ...], dict[int, DaskArray]]:
    """Parameters without those that have a value for each pixel, and these by their numbers, in the image's chunks."""
    beside = {n: like(value.values[0], image) for n, value in enumerate(parameters) if isinstance(value, PerPixel)}
    return tuple(None if number in beside else value for number, value in enumerate(parameters)), beside


def like(values: Any, image: DaskArray) -> DaskArray:
    """`values` for each pixel, in the image's chunks."""
    if not isinstance(values, DaskArray):
        return from_array(np.broadcast_to(values, image.shape), image.chunks)
    return broadcast_to(values, image.shape).rechunk(image.chunks)


def by_blocks(
    call: Callable[..., Array], name: str, image: DaskArray, result: DType | None, out: Any, workers: Any
) -> DaskArray:  # fmt: skip
    """What `call(image, out, workers)` gives for an array in memory.

    `result`: its dtype; None: the one that `explain` tells.
    """
    check("image", image, (out,))
    workers = 1 if workers is None else scalars.check_workers(workers)
    stand_in = np.broadcast_to(np.zeros((), image.dtype), image.shape).view(StandIn)
    try:
        call(stand_in, None, None)
    except NotRun as instead:
        program, told, channel = instead.program, instead.result, instead.channel
    if program is not None and not program.accelerated:  # what SciPy refuses, it shall refuse at once
        told = call(np.zeros((1,) * image.ndim, image.dtype), None, workers).dtype
    job = Job(partial(tasks.run_call, call, workers), image.shape, image.dtype, (result or told,))
    return in_blocks(image, name, job, reach_of(program, image.ndim, channel), look_of(program, workers))[0]


def joined(join: Callable[..., Array], real: DaskArray, imaginary: DaskArray, dtype: DType, out: Any) -> DaskArray:
    """A complex array of both parts."""
    check("input", real, (out,))
    return map_blocks(join, real, imaginary, dtype, None, dtype=dtype.newbyteorder("="))


def masked(result: DaskArray, mask: Any, channel_axis: Any) -> DaskArray:
    """`result` times `mask` less the pixels with a neighbour outside of it, as `arrays.eroded_mask` has it."""
    channel = axes.channel(channel_axis, result.ndim)
    inside = arrays.expanded_mask(mask, array_like.real_image("mask", mask), result.shape, channel)
    chunks = tuple((1,) if n == 1 else sizes for n, sizes in zip(inside.shape, result.chunks, strict=True))
    inside = inside.rechunk(chunks) if isinstance(inside, DaskArray) else from_array(inside, chunks)
    job = Job(partial(tasks.erode, channel), inside.shape, inside.dtype, (np.dtype(bool),))
    halo = tuple((0, 0) if axis == channel else (1, 1) for axis in range(result.ndim))
    (eroded,) = in_blocks(inside, "mask", job, Reach(halo, (False,) * len(halo), (1,) * len(halo), 1), None)
    return map_blocks(tasks.times, result, eroded, dtype=result.dtype)


def check(name: str, image: DaskArray, outs: Sequence[Any]) -> None:
    """Refuse what cannot be filtered chunk by chunk."""
    if any(out is not None for out in outs):
        raise ValueError(
            "`out` must be None for an array of dask, which is computed later; call `dask.array.store`, or `.compute()`"
            " on the result."
        )
    if not isinstance(image.dask, HighLevelGraph):
        raise TypeError(f"`{name}` must have a graph; set dask's `array.query-planning` to False before its import.")
    if array_like.is_masked(image._meta):
        raise ValueError(f"`{name}` must not hold masked arrays; fill them by `dask.array.ma.filled({name}, value)`.")
    if type(image._meta) is not np.ndarray:
        raise TypeError(f"`{name}` must be made of NumPy arrays; got chunks of {type(image._meta).__name__}.")
    if any(length != length for length in image.shape):
        raise ValueError(
            f"`{name}` must have chunks of known sizes; got some that are not. Call `{name}.compute_chunk_sizes()`."
        )


# ---- what a block reads


class Reach(NamedTuple):
    """What a result depends on, along each axis of the image."""

    halo: tuple[tuple[int, int], ...]
    wraps: tuple[bool, ...]
    least: tuple[int, ...]  # see `regions.reads`
    unit: int


def reach_of(program: Program | None, ndim: int, channel: int | None) -> Reach:
    """That of a program; None: of an empty image."""
    if program is None:
        return Reach(((0, 0),) * ndim, (False,) * ndim, (1,) * ndim, 1)
    if not (program.local or isinstance(program, Tracking)):
        raise ValueError(
            "`image` must be an array in memory here, because pixels depend on all others: `.compute()` it."
        )
    halo, wraps = list(program.halo), list(program.wraps)
    if channel is not None:
        halo.insert(channel, (0, 0))
        wraps.insert(channel, False)
    # Leading axes that are not filtered are a batch of any length; the last one may be one of channels.
    least = [1 if sides == (0, 0) else LEAST for sides in halo[:-1]]
    return Reach(tuple(halo), tuple(wraps), (*least, LEAST), program.unit)


def look_of(program: Program | None, workers: int) -> Callable[[Array], bool] | None:
    """What has to be asked of every chunk before any block is filtered."""
    if program is None or program.look is None:
        return None
    return partial(tasks.look_at, partial(program.look, workers=workers), program.source)


class Stretch(NamedTuple):
    """What is read for a chunk of the result along one axis."""

    chunks: tuple[int, ...]
    strips: tuple[Along, ...]  # parts of the chunk, one behind the other


def stretch(found: Sequence[Reads], starts: Sequence[int]) -> Stretch:
    """The chunks that strips read. `starts`: of the chunks of the image, and where the last one ends."""
    numbers: dict[int, int] = {}  # of chunks, in the order in which the task gets them
    strips = []
    for region in found:
        parts, at = [], 0
        for low, high in region.runs:
            for chunk in range(bisect_right(starts, low) - 1, bisect_left(starts, high)):
                begin, end = max(low, starts[chunk]), min(high, starts[chunk + 1])
                if begin < end:
                    source = slice(begin - starts[chunk], end - starts[chunk])
                    parts.append((numbers.setdefault(chunk, len(numbers)), source, slice(at, at + end - begin)))
                    at += end - begin
        strips.append(Along(at, tuple(parts), region.inner))
    return Stretch(tuple(numbers), tuple(strips))


def _stretches(image: DaskArray, reach: Reach) -> list[list[Stretch]]:
    """For each axis and each chunk along it, what is read there."""
    found: list[list[Stretch]] = []
    height = _strip_height(image, reach)
    for axis, (sizes, length) in enumerate(zip(image.chunks, image.shape, strict=True)):
        starts = [0, *accumulate(sizes)]
        strip = partial(
            reads, length=length, halo=reach.halo[axis], wraps=reach.wraps[axis], unit=reach.unit,
            least=reach.least[axis],
        )  # fmt: skip
        found.append([])
        for start, stop in pairwise(starts):
            count = 1 if axis else max((stop - start) // height, 1)
            bounds = [start + (stop - start) * number // count for number in range(count + 1)]
            found[axis].append(stretch([strip(*bound) for bound in pairwise(bounds)], starts))
    return found


def _strip_height(image: DaskArray, reach: Reach) -> int:
    """Rows of a strip, at least."""
    beside = zip(image.chunks[1:], reach.halo[1:], strict=True)
    row: int = image.dtype.itemsize * math.prod(max(sizes) + sum(halo) for sizes, halo in beside)
    return max(STRIP_BYTES // max(row, 1), STRIP_HALOS * (sum(reach.halo[0]) + reach.unit), reach.least[0])


# ---- graphs


def in_blocks(
    image: DaskArray, name: str, job: Job, reach: Reach, look: Callable[[Array], bool] | None,
    beside: Sequence[DaskArray] = (),
) -> list[DaskArray]:  # fmt: skip
    """The results of a job, block by block. `beside`: arrays of the image's shape and chunks, of which the job gets the
    same blocks."""
    token = tokenize(job, reach, look, image.name, [each.name for each in beside])
    name, common = f"fastsep-{name}-{token}", f"job-{token}"
    layer: dict[Any, Any] = {common: DataNode(common, job)}
    within = None
    if look is not None:
        within = TaskRef(f"within-{token}")
        looks = [(f"look-{token}", *index) for index in np.ndindex(image.numblocks)]
        given_to = (image, *beside)
        for key in looks:
            layer[key] = Task(key, look, *(TaskRef((each.name, *key[1:])) for each in given_to))
        layer[within.key] = Task(within.key, tasks.all_of, *map(TaskRef, looks))
    stretches = _stretches(image, reach)
    run = tasks.filtered_once if len(job.results) == 1 else tasks.filtered
    for index in np.ndindex(image.numblocks):
        key = (name, *index, *(0,) * len(job.tail))
        shape = (*(sizes[number] for sizes, number in zip(image.chunks, index, strict=True)), *job.tail)
        if 0 in shape:
            layer[key] = Task(key, partial(tasks.nothing, shape, job.results))
            continue
        read = [along[number] for along, number in zip(stretches, index, strict=True)]
        strips, others = read[0].strips, tuple(along.strips[0] for along in read[1:])
        grid, refs = given(image, read)
        refs += (ref for each in beside for ref in given(each, read)[1])
        layer[key] = Task(key, run, TaskRef(common), strips, others, grid, within, *refs)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[image, *beside])
    chunks = (*image.chunks, *((length,) for length in job.tail))
    if len(job.results) == 1:
        return [array_of(graph, name, chunks, job.results[0])]
    return [_item(graph, name, number, chunks, dtype) for number, dtype in enumerate(job.results)]


def given(image: DaskArray, read: Sequence[Stretch]) -> tuple[tuple[int, ...], list[TaskRef]]:
    """The chunks that a task gets: how many along each axis, and which, the last axis running fastest."""
    refs = [TaskRef((image.name, *chunk)) for chunk in product(*(along.chunks for along in read))]
    return tuple(len(along.chunks) for along in read), refs


def _item(graph: HighLevelGraph, name: str, number: int, chunks: Any, dtype: DType) -> DaskArray:
    """One of several results, which the tasks of the layer `name` give as lists."""
    own = f"{name}-{number}"
    keys = product((name,), *(range(len(sizes)) for sizes in chunks))
    layer = {(own, *key[1:]): Task((own, *key[1:]), operator.getitem, TaskRef(key), number) for key in keys}
    layers, dependencies = {**graph.layers, own: layer}, {**graph.dependencies, own: {name}}
    return array_of(HighLevelGraph(layers, dependencies), own, chunks, dtype)


def array_of(graph: HighLevelGraph, name: str, chunks: Any, dtype: DType) -> DaskArray:
    """The array that a layer computes."""
    return DaskArray(graph, name, chunks, meta=np.empty((0,) * len(chunks), dtype))
