"""What the operations share: how entries are made, which images a library reads, how far results may be apart."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, Entry, Work, is_rgb
from benchmarks._libraries import OURS, load
from benchmarks._timing import Array, Call

# Rounding of some 160 operations on pixels in [0, 1).
FLOAT32, FLOAT64 = 2e-6, 1e-12

# OpenCV's constants: SciPy's border rule "reflect", and types of results.
REFLECT, CV_16S, CV_32F, CV_64F = 2, 3, 5, 6

# DIPlib's border rule. It has none that repeats the outermost pixel once (SciPy's "reflect"), so that results
# differ as far from the border as the filter reaches.
MIRROR = ["mirror"]

# ---- how a library's call is set up, once its module is there

Prepare = Callable[[Any], Call]


def named(function: str, *parameters: Any, **options: Any) -> Prepare:
    """A function of the library, and what it is told."""
    return lambda module: partial(attrgetter(function)(module), *parameters, **options)


def in_turn(*steps: Prepare, result: Any = None) -> Prepare:
    """One call after another; the result is that of the last, or what they write into."""

    def prepare(module: Any) -> Call:
        calls = [step(module) for step in steps]

        def call() -> Any:
            for each in calls:
                last = each()
            return last if result is None else result

        return call

    return prepare


def blur(x: Array, sigma: float, out: Array) -> Prepare:
    """OpenCV's Gaussian."""
    size = 2 * reach(sigma) + 1
    return named("GaussianBlur", x, (size, size), sigma, out, sigma, REFLECT)


def diplib(x: Array, function: str, *parameters: Any, **options: Any) -> Prepare:
    """DIPlib takes the memory of its result again in every call but the first. It mirrors borders."""

    def prepare(dip: Any) -> Call:
        # Told which axis is that of the colours: by itself it takes the shortest.
        image, out = dip.Image(x, 2 if is_rgb(x.shape) else None), dip.Image()
        run = named(function, image, *parameters, out=out, boundaryCondition=MIRROR, **options)
        return in_turn(run, result=out)(dip)

    return prepare


def pillow(x: Array, name: str, *parameters: Any) -> Prepare:
    def prepare(pil: Any) -> Call:
        return partial(pil.fromarray(x).filter, getattr(importlib.import_module("PIL.ImageFilter"), name)(*parameters))

    return prepare


# ---- entries and contests


def peer(library: str, prepare: Prepare, tolerance: float | None = 0.0, **details: Any) -> Entry:
    """An entry of a library that is not told its threads in the call."""
    return Entry(library, lambda threads: prepare(load(library)), tolerance, **details)


def ours(call: Call, **details: Any) -> Entry:
    """An entry of fastsep where threads do not matter."""
    return Entry(OURS, lambda threads: call, **details)


def contest(
    function: Callable[..., Any], x: Array, *parameters: Any,
    peers: list[Entry], results: int = 1, allocated: bool = True, out: str = "out",
    shape: tuple[int, ...] | None = None, **options: Any,
) -> Contest:  # fmt: skip
    """A function of fastsep, with as many results, allocated beforehand or by the call, and its peers.

    `out`: the name of the argument for what is allocated beforehand. `shape`: of each result, if not the image's.
    """
    shape = shape or x.shape
    plan = partial(fastsep.explain, function, x, *parameters, **options)

    def start(threads: int) -> Call:
        call = partial(function, x, *parameters, **options, workers=threads)
        if not allocated:
            return call
        arrays = tuple(np.empty(shape, plan().result) for _ in range(results))
        return partial(call, **{out: arrays[0] if results == 1 else arrays})

    def work() -> Work:
        found = plan()
        arithmetic = "float64" if found.arithmetic == np.float64 else "float32"  # there are whole numbers too
        moved = x.nbytes + results * math.prod(shape) * found.result.itemsize
        return Work(moved, (found.multiplications or 0) * math.prod(shape), arithmetic)

    return Contest((Entry(OURS, start), *peers), work)


# ---- images and results


def allowed(x: Array, levels: float, scale: float = 1.0) -> float:
    """A difference by rounding: in levels of grey for integers, or for results up to `scale`."""
    if x.dtype.kind != "f":
        return levels
    return scale * (FLOAT32 if x.dtype == np.float32 else FLOAT64)


def scaled(factor: float) -> Callable[[Any], Array]:
    return lambda result: factor * np.asarray(result)


def channels(x: Array) -> int | None:
    return -1 if is_rgb(x.shape) else None


def reach(sigma: float) -> int:
    """Pixels that a Gaussian reaches, with truncate=4."""
    return int(4 * sigma + 0.5)


def gauss_options(sigma: float) -> dict[str, Any]:
    """DIPlib's options for as many taps as truncate=4 gives; it rounds up."""
    return {"sigmas": [sigma], "truncation": (reach(sigma) - 0.25) / sigma}


def in_levels(x: Array) -> Callable[[Any], Array]:
    """Floats on the scale of an integer image as its levels of grey; those of a float image as they are."""
    if x.dtype.kind == "f":
        return np.asarray
    limits = np.iinfo(x.dtype)
    return lambda result: np.clip(np.rint(result), limits.min, limits.max)


def as_levels(x: Array) -> dict[str, Any]:
    """Of an entry whose results are floats on the scale of the image, where that is one of integers."""
    return {} if x.dtype.kind == "f" else {"view": in_levels(x), "note": "gives floats"}
