"""What tasks of dask run: a block is put together of the chunks that it reads, filtered, and cut to what is wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fastsep import _call
from fastsep._call import PerPixel
from fastsep._engine.memory import empty
from fastsep._plan import dtypes
from fastsep._validation import arrays
from fastsep._validation.array_like import Array, Block, DType

#: A result keeps the memory of all that was computed with it, unless that is larger by more than this part.
SPARE = 1 / 8


class Along(NamedTuple):
    """What a block reads along one axis."""

    size: int
    # By number among the chunks of the task along this axis: which pixels of the chunk, and where in the block.
    parts: tuple[tuple[int, slice, slice], ...]
    inner: slice  # results that are wanted


class Job(NamedTuple):
    """What all blocks of an image have in common."""

    # Of a block, as many arrays for its results, or None, and such blocks of arrays beside the image.
    call: Callable[..., Sequence[Array]]
    whole: tuple[int, ...]  # shape of the image
    dtype: DType  # of the image
    results: tuple[DType, ...]
    tail: tuple[int, ...] = ()  # axes of a result behind those of the image


def filtered(
    job: Job, strips: tuple[Along, ...], others: tuple[Along, ...], grid: tuple[int, ...], within: bool | None,
    *chunks: Array,
) -> list[Array]:  # fmt: skip
    """The results of a block, of which `strips` of rows are filtered one after the other.

    `others`: the axes behind the first. `chunks`: of the image and of each array beside it as many along each axis as
    `grid` says, the last axis running fastest. `within`: see `Block`.
    """
    count = math.prod(grid)

    def call(strip: Along, outs: Sequence[Array | None]) -> Sequence[Array]:
        place = (strip, *others)
        block = Block.of(assembled(chunks[:count], grid, place, job.dtype), job.whole, within)
        beside = (chunks[at : at + count] for at in range(count, len(chunks), count))
        return job.call(block, outs, *(assembled(each, grid, place, each[0].dtype) for each in beside))

    inner = tuple(along.inner for along in others)
    if len(strips) == 1:
        found = call(strips[0], (None,) * len(job.results))
        return [cut(values, (strips[0].inner, *inner)) for values in found]
    starts, total = _starts(strips)
    shape = (total, *(along.size for along in others), *job.tail)
    outs = [empty(shape, dtype) for dtype in job.results]
    for strip, start in zip(strips, starts, strict=True):
        targets = [out[start : start + strip.size] for out in outs]
        above = [target[: strip.inner.start].copy() for target in targets]  # results of the strip before
        call(strip, targets)
        for target, rows in zip(targets, above, strict=True):
            target[: len(rows)] = rows
    wanted = slice(starts[0] + strips[0].inner.start, starts[-1] + strips[-1].inner.stop)
    return [cut(out, (wanted, *inner)) for out in outs]


def filtered_once(*arguments: Any) -> Array:
    """`filtered` for a single result."""
    return filtered(*arguments)[0]


def _starts(strips: tuple[Along, ...]) -> tuple[list[int], int]:
    """Where each strip begins in an array that holds them all, one over the other, and the length of that."""
    starts, done = [], 0
    for strip in strips:
        starts.append(done - strip.inner.start)
        done += strip.inner.stop - strip.inner.start
    first = min(starts)
    ends = [start + strip.size for start, strip in zip(starts, strips, strict=True)]
    return [start - first for start in starts], max(ends) - first


def assembled(chunks: Sequence[Array], grid: tuple[int, ...], place: Sequence[Along], dtype: DType) -> Array:
    """The pixels of a block; they are not copied where they lie as in a block already."""
    found = []
    for parts in product(*(along.parts for along in place)):
        numbers, sources, targets = zip(*parts, strict=True)
        found.append((chunks[int(np.ravel_multi_index(numbers, grid))], sources, targets))
    if len(found) == 1:
        ((chunk, sources, _),) = found
        return np.asarray(chunk, dtype)[sources]
    beside = side_by_side(found, [along.size for along in place], dtype) if found else None
    if beside is not None:
        return beside
    block = np.empty([along.size for along in place], dtype)
    for chunk, sources, targets in found:
        block[targets] = chunk[sources]
    return block


def side_by_side(
    found: Sequence[tuple[Array, tuple[slice, ...], tuple[slice, ...]]], shape: Sequence[int], dtype: DType
) -> Array | None:  # fmt: skip
    """A view of parts of chunks that lie in memory as in the block, as those of one array do that dask has cut.

    `found`: chunks, which pixels of them, and where in the block.
    """
    parts = [chunk[sources] for chunk, sources, _ in found]
    strides, origin = parts[0].strides, parts[0].ctypes.data
    for part, (_, _, targets) in zip(parts, found, strict=True):
        offset = sum(target.start * stride for target, stride in zip(targets, strides, strict=True))
        whole = part.shape == tuple(target.stop - target.start for target in targets)  # chunks may be shorter than told
        if not whole or part.dtype != dtype or part.strides != strides or part.ctypes.data != origin + offset:
            return None
    return np.lib.stride_tricks.as_strided(parts[0], shape, strides, writeable=False)


def cut(values: Array, inner: tuple[slice, ...]) -> Array:
    """What is wanted of a block's results."""
    result = values[inner]
    return result if values.nbytes <= (1 + SPARE) * result.nbytes else result.copy()


def nothing(shape: tuple[int, ...], results: tuple[DType, ...]) -> Any:
    """The results of a chunk without pixels."""
    found = [np.empty(shape, dtype) for dtype in results]
    return found if len(found) > 1 else found[0]


# ---- jobs, and what else has to be done with chunks


def run(
    options: tuple[Any, ...], per_pixel: tuple[int, ...], workers: int, block: Array, outs: Sequence[Array | None],
    *beside: Array,
) -> Sequence[Array]:  # fmt: skip
    """A call of `_call.apply`. `per_pixel`: numbers of the parameters that `beside` holds."""
    return _call._checked(with_pixels(options, per_pixel, beside), block, outs, workers)


def with_pixels(options: tuple[Any, ...], per_pixel: Sequence[int], beside: Sequence[Array]) -> tuple[Any, ...]:
    """`options` with parameters that have a value for each pixel put in."""
    builder, parameters, *others = options
    values = dict(zip(per_pixel, map(PerPixel, beside), strict=True))
    return (builder, tuple(values.get(number, value) for number, value in enumerate(parameters)), *others)


def run_call(call: Callable[..., Array], workers: int, block: Array, outs: Sequence[Array | None]) -> Sequence[Array]:
    """A call of one result."""
    return [call(block, outs[0], workers)]


def erode(channel: int | None, block: Array, outs: Sequence[Array | None]) -> Sequence[Array]:
    """`arrays.eroded` for a mask of any dtype."""
    found = arrays.eroded(block.view(np.ndarray) != 0, channel)
    if outs[0] is not None:
        outs[0][...] = found
    return [found]


def times(values: Array, mask: Array) -> Array:
    """A result times a mask."""
    with np.errstate(all="ignore"):  # infinity outside the mask is NaN
        return np.multiply(values, mask)


def look_at(look: Callable[..., bool], source: DType | None, chunk: Array, *beside: Array) -> bool:
    """What `Program.look` says of a chunk, in the dtype that the program reads, and of what lies beside it."""
    values = np.asarray(chunk)
    return look(values if source is None else dtypes.convert(values, source, None, False), *beside)


def all_of(*answers: bool) -> bool:
    """Whether all chunks answer yes."""
    return all(answers)
