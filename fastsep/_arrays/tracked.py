"""Edges by hysteresis in arrays of dask: Canny's, and those of thresholds.

Each chunk's pixels are classified, and the edges within it followed; one task joins them across chunks; then each chunk
is finished. Between, a chunk is kept as one bit a pixel and the few pixels that others decide about.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
from dask._task_spec import List, Task, TaskRef
from dask.array import Array as DaskArray
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from fastsep import _call
from fastsep._arrays import tasks
from fastsep._arrays.chunked import in_blocks, reach_of, without_pixels
from fastsep._arrays.tasks import Job
from fastsep._ops.hysteresis import Tracking
from fastsep._ops.joining import Marks, finished, join, marks, two_axes
from fastsep._validation.array_like import Array


def apply(options: tuple[Any, ...], image: DaskArray, program: Tracking, workers: int) -> DaskArray:
    """The edges that `program`, made of `options`, finds in an image in memory."""
    if program.use_quantiles:
        raise ValueError(
            "`use_quantiles` must be False for an array of dask: a quantile needs the magnitudes of all pixels at once."
            " Pass thresholds of magnitudes."
        )
    builder, parameters, *others = options
    bare, beside = without_pixels(parameters, image)
    classify = partial(_codes, (builder, bare, *others), tuple(beside), workers)
    job = Job(classify, image.shape, image.dtype, (np.dtype(np.uint8),))
    (codes,) = in_blocks(image, "codes", job, reach_of(program, image.ndim, None), None, list(beside.values()))
    return tracked(codes, program.diagonal)


def _codes(
    options: tuple[Any, ...], per_pixel: tuple[int, ...], workers: int, block: Array, outs: Sequence[Array | None],
    *beside: Array,
) -> list[Array]:  # fmt: skip
    """WEAK, STRONG or 0 for each pixel of a block. `per_pixel`: numbers of the parameters that `beside` holds."""
    _, call = _call.for_whole(tasks.with_pixels(options, per_pixel, beside), block.shape, block.dtype)
    assert isinstance(call.program, Tracking)
    codes = np.empty(block.shape, np.uint8) if outs[0] is None else outs[0]
    call.program.classify(block.view(np.ndarray), codes, workers)
    return [codes]


def tracked(codes: DaskArray, diagonal: bool) -> DaskArray:
    """The edges in an array of bytes WEAK, STRONG and 0, as `hysteresis.track` finds them in memory."""
    token = tokenize(codes.name, diagonal)
    name, marked, ends, join_key, own = (f"{part}-{token}" for part in ("edges", "marks", "ends", "joined", "own"))
    starts = [[0, *accumulate(sizes)] for sizes in codes.chunks]
    find = partial(_marks, whole=codes.shape, diagonal=diagonal)
    blocks = list(np.ndindex(codes.numblocks))
    layer: dict[Any, Any] = {}
    for number, index in enumerate(blocks):
        start = tuple(along[at] for along, at in zip(starts, index, strict=True))
        # Marks travel once, and what joins them gets only what it needs.
        for key, *call in (
            ((marked, *index), find, start, TaskRef((codes.name, *index))),
            ((ends, *index), _ends, TaskRef((marked, *index))),
            ((own, *index), operator.getitem, TaskRef(join_key), number),
            ((name, *index), _finished, TaskRef((marked, *index)), TaskRef((own, *index))),
        ):
            layer[key] = Task(key, *call)
    all_ends = List(*(TaskRef((ends, *index)) for index in blocks))
    layer[join_key] = Task(join_key, partial(join, whole=two_axes(codes.shape), diagonal=diagonal), all_ends)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[codes])
    return DaskArray(graph, name, codes.chunks, meta=np.empty((0,) * codes.ndim, bool))


def _marks(start: Sequence[int], codes: Array, whole: Sequence[int], diagonal: bool) -> tuple[tuple[int, ...], Marks]:
    lifted = codes.reshape(two_axes(codes.shape))
    return codes.shape, marks(lifted, two_axes(start, 0), two_axes(whole), diagonal)


def _ends(marked: tuple[tuple[int, ...], Marks]) -> tuple[Array, Array]:
    return marked[1].places, marked[1].faces


def _finished(marked: tuple[tuple[int, ...], Marks], joined: Array) -> Array:
    shape, known = marked
    return finished(known, joined).reshape(shape)
