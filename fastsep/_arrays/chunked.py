"""Calls with arrays of dask: a task for each chunk of the result, handed all chunks of the image that it reads.

Nothing is computed while the graph is made. A task puts the pixels that it reads together in one block, with a single
copy, or none where they are one chunk; then it filters the block on one thread, unless `workers` says otherwise.
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
from dask.array import from_array, map_blocks
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from dask.utils import funcname

from fastsep import _call
from fastsep._arrays.regions import LEAST, Reads, reads
from fastsep._call import NotRun, Program
from fastsep._ops.hysteresis import Tracking
from fastsep._plan import dtypes
from fastsep._validation import array_like, arrays, axes, scalars
from fastsep._validation.array_like import Array, Block, DType, StandIn

#: A result keeps the memory of the block that it was cut out of, unless that is larger by more than this part.
SPARE = 1 / 8


def apply(options: tuple[Any, ...], image: DaskArray, outs: Sequence[Any], workers: Any) -> list[DaskArray]:
    """`_call._checked` for an array of dask."""
    check("image", image, outs)
    workers = 1 if workers is None else scalars.check_workers(workers)
    options, call = _call.for_whole(options, image.shape, image.dtype)
    if isinstance(call.program, Tracking):
        from fastsep._arrays import tracked  # it is built on this module

        return [tracked.apply(options, image, call.program, workers)]
    builder, *_, channel_axis, _, _ = options
    channel = axes.channel(channel_axis, image.ndim)
    tail = call.shape[image.ndim :]
    job = Job(partial(_run, options, len(outs), workers), image.shape, image.dtype)
    reach, look = reach_of(call.program, image.ndim, channel), look_of(call.program, workers)
    name = funcname(builder).strip("_")
    return in_blocks(image, name, job, reach, (call.result,) * len(outs), tail, look)


def by_blocks(
    call: Callable[..., Array], name: str, image: DaskArray, result: DType | None, out: Any, workers: Any
) -> DaskArray:  # fmt: skip
    """What `call(image, workers)` gives for an array in memory. `result`: its dtype; None: the one `explain` tells."""
    check("image", image, (out,))
    workers = 1 if workers is None else scalars.check_workers(workers)
    stand_in = np.broadcast_to(np.zeros((), image.dtype), image.shape).view(StandIn)
    try:
        call(stand_in, None)
    except NotRun as instead:
        program, told = instead.program, instead.result
    if program is not None and not program.accelerated:  # what SciPy refuses, it shall refuse at once
        told = call(np.zeros((1,) * image.ndim, image.dtype), workers).dtype
    reach, look = reach_of(program, image.ndim, None), look_of(program, workers)
    job = Job(partial(_called, call, workers), image.shape, image.dtype)
    return in_blocks(image, name, job, reach, (result or told,), (), look)[0]


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
    job = Job(partial(_eroded, channel), inside.shape, inside.dtype)
    halo = tuple((0, 0) if axis == channel else (1, 1) for axis in range(result.ndim))
    reach = Reach(halo, (False,) * result.ndim, (1,) * result.ndim, 1)
    (inside,) = in_blocks(inside, "mask", job, reach, (np.dtype(bool),), (), None)
    return map_blocks(_times, result, inside, dtype=result.dtype)


def check(name: str, image: DaskArray, outs: Sequence[Any]) -> None:
    """Refuse what cannot be filtered chunk by chunk."""
    if any(out is not None for out in outs):
        raise ValueError(
            "`out` must be None for an array of dask, which is computed later; call `dask.array.store`, or `.compute()`"
            " on the result."
        )
    if array_like.is_masked(image._meta):
        raise ValueError(f"`{name}` must not hold masked arrays; fill them by `dask.array.ma.filled({name}, value)`.")
    if type(image._meta) is not np.ndarray:
        raise TypeError(f"`{name}` must be made of NumPy arrays; got chunks of {type(image._meta).__name__}.")
    if any(length != length for length in image.shape):
        raise ValueError(
            f"`{name}` must have chunks of known sizes; got some that are not. Call `{name}.compute_chunk_sizes()`."
        )


# ---- what runs in a task


class Job(NamedTuple):
    """What all blocks of an image have in common."""

    call: Callable[..., list[Array]]  # of a block of the image, and those of arrays beside it
    whole: tuple[int, ...]  # shape of the image
    dtype: DType


class Along(NamedTuple):
    """What a block reads along one axis."""

    size: int
    chunks: tuple[int, ...]
    parts: tuple[tuple[slice, slice], ...]  # of each of these chunks the pixels, and where they go in the block
    inner: slice  # results that are wanted


def _run(options: tuple[Any, ...], count: int, workers: int, block: Array) -> list[Array]:
    return _call._checked(options, block, (None,) * count, workers)


def _called(call: Callable[..., Array], workers: int, block: Array) -> list[Array]:
    return [call(block, workers)]


def _filtered(job: Job, place: tuple[Along, ...], within: bool | None, *chunks: Array) -> list[Array]:
    """The results of a block that is made of parts of these chunks, the last axis running fastest."""
    count = math.prod(len(along.chunks) for along in place)
    block = Block.of(assembled(place, chunks[:count], job.dtype), job.whole, within)
    beside = [assembled(place, chunks[at : at + count], chunks[at].dtype) for at in range(count, len(chunks), count)]
    return [cut(result, tuple(along.inner for along in place)) for result in job.call(block, *beside)]


def _single(job: Job, place: tuple[Along, ...], within: bool | None, *chunks: Array) -> Array:
    """The same where there is one result."""
    return _filtered(job, place, within, *chunks)[0]


def assembled(place: tuple[Along, ...], chunks: Sequence[Array], dtype: DType) -> Array:
    if len(chunks) == 1:
        return np.asarray(chunks[0], dtype)[tuple(part for along in place for part, _ in along.parts)]
    block = np.empty([along.size for along in place], dtype)
    for chunk, parts in zip(chunks, product(*(along.parts for along in place)), strict=True):
        source, target = zip(*parts, strict=True)
        block[target] = chunk[source]
    return block


def cut(values: Array, inner: tuple[slice, ...]) -> Array:
    result = values[inner]
    return result if values.nbytes <= (1 + SPARE) * result.nbytes else result.copy()


def _eroded(channel: int | None, mask: Array) -> list[Array]:
    return [arrays.eroded(mask.view(np.ndarray) != 0, channel)]


def _times(values: Array, mask: Array) -> Array:
    with np.errstate(all="ignore"):  # infinity outside the mask is NaN
        return np.multiply(values, mask)


def _looked(look: Callable[..., bool], source: DType, chunk: Array) -> bool:
    return look(dtypes.convert(np.asarray(chunk), source, None, False))


def _all(*answers: bool) -> bool:
    return all(answers)


# ---- what is known before


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
    assert program.source is not None
    return partial(_looked, partial(program.look, workers=workers), program.source)


def _places(image: DaskArray, reach: Reach) -> list[list[Along]]:
    """For each axis and each chunk along it, what a block there reads."""
    found = []
    for sizes, length, halo, wraps, least in zip(image.chunks, image.shape, *reach[:3], strict=True):
        starts = [0, *accumulate(sizes)]
        block = partial(reads, length=length, halo=halo, wraps=wraps, unit=reach.unit, least=least)
        found.append([part_of(block(start, stop), starts) for start, stop in pairwise(starts)])
    return found


def part_of(reads: Reads, starts: list[int]) -> Along:
    """`starts`: of the chunks, and where the last one ends."""
    chunks, parts, at = [], [], 0
    for low, high in reads.runs:
        for number in range(bisect_right(starts, low) - 1, bisect_left(starts, high)):
            begin, end = max(low, starts[number]), min(high, starts[number + 1])
            if begin < end:
                chunks.append(number)
                parts.append((slice(begin - starts[number], end - starts[number]), slice(at, at + end - begin)))
                at += end - begin
    return Along(at, tuple(chunks), tuple(parts), reads.inner)


# ---- graphs


def in_blocks(
    image: DaskArray, name: str, job: Job, reach: Reach, results: tuple[DType, ...], tail: tuple[int, ...],
    look: Callable[[Array], bool] | None, beside: Sequence[DaskArray] = (),
) -> list[DaskArray]:  # fmt: skip
    """Results of the dtypes `results`, block by block. `tail`: axes behind those of the image. `beside`: arrays of its
    shape and chunks, of which a task gets the same block."""
    token = tokenize(job, reach, results, tail, look, image.name, *(each.name for each in beside))
    name, common = f"fastsep-{name}-{token}", f"job-{token}"
    layer: dict[Any, Any] = {common: DataNode(common, job)}
    within = None
    if look is not None:
        within = TaskRef(f"within-{token}")
        looks = [(f"look-{token}", *index) for index in np.ndindex(image.numblocks)]
        layer.update({key: Task(key, look, TaskRef((image.name, *key[1:]))) for key in looks})
        layer[within.key] = Task(within.key, _all, *map(TaskRef, looks))
    places, single = _places(image, reach), len(results) == 1
    for index in np.ndindex(image.numblocks):
        key = (name, *index, *(0,) * len(tail))
        shape = (*(sizes[number] for sizes, number in zip(image.chunks, index, strict=True)), *tail)
        if 0 in shape:
            layer[key] = Task(key, partial(_nothing, shape, results))
            continue
        place = tuple(along[number] for along, number in zip(places, index, strict=True))
        wanted = list(product(*(along.chunks for along in place)))
        read = [TaskRef((array.name, *chunk)) for array in (image, *beside) for chunk in wanted]
        layer[key] = Task(key, _single if single else _filtered, TaskRef(common), place, within, *read)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[image, *beside])
    chunks = (*image.chunks, *((length,) for length in tail))
    if single:
        return [array_of(graph, name, chunks, results[0])]
    return [_item(graph, name, number, chunks, dtype) for number, dtype in enumerate(results)]


def _nothing(shape: tuple[int, ...], results: tuple[DType, ...]) -> Any:
    """The results of a chunk without pixels."""
    found = [np.empty(shape, dtype) for dtype in results]
    return found if len(found) > 1 else found[0]


def _item(graph: HighLevelGraph, name: str, number: int, chunks: Any, dtype: DType) -> DaskArray:
    """One of several results, which the tasks of the layer `name` give as lists."""
    own = f"{name}-{number}"
    keys = product((name,), *(range(len(sizes)) for sizes in chunks))
    layer = {(own, *key[1:]): Task((own, *key[1:]), operator.getitem, TaskRef(key), number) for key in keys}
    layers, dependencies = {**graph.layers, own: layer}, {**graph.dependencies, own: {name}}
    return array_of(HighLevelGraph(layers, dependencies), own, chunks, dtype)


def array_of(graph: HighLevelGraph, name: str, chunks: Any, dtype: DType) -> DaskArray:
    return DaskArray(graph, name, chunks, meta=np.empty((0,) * len(chunks), dtype))
