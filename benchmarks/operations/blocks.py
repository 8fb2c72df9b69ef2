"""Images in chunks and blocks: arrays of dask, and from array to array."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, Entry, operation
from benchmarks._libraries import OURS
from benchmarks._timing import Array, Call
from benchmarks.operations._peers import FLOAT32

CHUNK = 2048  # pixels along either side


def of_chunks(make: Callable[[], Callable[..., Any]], x: Array, sigma: float, **options: Any) -> Callable[[int], Call]:
    """A filter of dask's arrays, computed by so many threads. `make` finds it, once its package is there."""

    def start(threads: int) -> Call:
        chunks = importlib.import_module("dask.array").from_array(x, CHUNK)
        return partial(make()(chunks, sigma, **options).compute, scheduler="threads", num_workers=threads)

    return start


@operation
def gaussian_of_chunks(x: Array, *, sigma: float) -> Contest:
    """An array of dask whose chunks lie in memory."""

    def dask_image() -> Callable[..., Any]:
        return importlib.import_module("dask_image.ndfilters").gaussian_filter  # type: ignore[no-any-return]

    own = of_chunks(lambda: fastsep.gaussian, x, sigma, mode="reflect")
    other = of_chunks(dask_image, x, sigma, mode="reflect")
    return Contest((Entry(OURS, own), Entry("dask-image", other, 2 * FLOAT32)))


@operation
def filter_blocks(x: Array, *, sigma: float) -> Contest:
    """From array to array."""
    out = np.empty_like(x)

    def start(threads: int) -> Call:
        call = partial(fastsep.filter_blocks, fastsep.gaussian, x, out, sigma, workers=threads)

        def run() -> Array:
            call()
            return out

        return run

    return Contest((Entry(OURS, start),))
