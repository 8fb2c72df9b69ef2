"""fastsep beside OpenCV, scikit-image, SciPy and a plain copy: one table, losses included.

    python -m benchmarks.separable [--only TEXT] [--rounds N] [--json FILE] [--pool]

Every cell runs with one thread and with two, on both sides (scikit-image, SciPy and np.copyto
always use one). Results are preallocated wherever the library allows it. Before a cell is timed,
its results must agree within the tolerance written beside it. The contenders take turns within one
process; each turn begins with 60 ms of the same call, because a core that slept wakes too slowly
for a short measurement. Ratios are other / fastsep, of the medians of all samples.
"""

from __future__ import annotations

from benchmarks._timing import Array, measure, multiply_adds  # before all that loads OpenMP

# isort: split

import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cv2
import numpy as np
import scipy.ndimage as ndi
import skimage.filters

import fastsep
from benchmarks._table import FULL_HD, UHD, Case, Rival, image, main
from fastsep._kernels import jit

REFLECT = cv2.BORDER_REFLECT


def gaussian(
    shape: tuple[int, ...],
    dtype: str,
    sigma: float,
    targets: Mapping[int, float | None],
    tolerance: float,
    extra: Callable[[Array], tuple[Rival, ...]] = lambda x: (),
) -> Case:
    """Result in the image's own dtype, against OpenCV with as many taps as truncate=4 gives."""
    x = image(shape, dtype)
    mine, theirs = np.empty_like(x), np.empty_like(x)
    size = 2 * int(4 * sigma + 0.5) + 1
    channel_axis = -1 if x.ndim == 3 else None

    def ours(workers: int) -> Any:
        return fastsep.gaussian(
            x,
            sigma,
            mode="reflect",
            channel_axis=channel_axis,
            dtype=x.dtype,
            out=mine,
            workers=workers,
        )

    def opencv() -> Any:
        return cv2.GaussianBlur(x, (size, size), sigma, theirs, sigma, REFLECT)

    return Case(ours, (Rival("OpenCV", opencv, targets, tolerance), *extra(x)))


def copy(x: Array, target: float) -> tuple[Rival, ...]:
    return (Rival("np.copyto", partial(np.copyto, np.empty_like(x), x), {1: target}),)


def fma_limit(x: Array, length: int) -> tuple[Rival, ...]:
    """The multiply-adds of two passes of `length` taps, with no memory in the way."""
    chains, vector = 16, jit.target().vector_bytes // 4  # 16 chains hide the latency of each
    turns = 2 * length * x.size // (chains * vector)
    run = multiply_adds(chains, vector)
    return (Rival("FMA limit", lambda: run(turns), {1: 1.0}),)


def width_3840(sigma: float) -> Callable[[Array], tuple[Rival, ...]]:
    """The same rows at a width that is no power of two, scaled to as many pixels."""

    def rivals(x: Array) -> tuple[Rival, ...]:
        narrow = np.ascontiguousarray(x[:, :3840])
        out = np.empty_like(narrow)
        call = partial(fastsep.gaussian, narrow, sigma, mode="reflect", out=out, workers=1)
        return (Rival("width 3840", call, {1: 0.95}, None, x.shape[1] / 3840),)

    return rivals


def defaults(name: str, *args: float, preallocated: bool = True) -> Case:
    """A uint8 image and no option: a float64 result, as scikit-image gives it."""
    x = image(UHD, "uint8")
    filter_, reference = getattr(fastsep, name), getattr(skimage.filters, name)
    mine = {"out": np.empty(UHD)} if preallocated else {}
    # scikit-image's edge operators have no `out`.
    theirs = {"out": np.empty(UHD)} if preallocated and name == "gaussian" else {}
    targets: Mapping[int, float | None] = {1: 20, 2: 35} if preallocated else {1: None, 2: None}
    return Case(
        lambda workers: filter_(x, *args, workers=workers, **mine),
        (Rival("scikit-image", lambda: reference(x, *args, **theirs), targets, 1e-12),),
    )


def sobel_magnitude() -> Case:
    x = image(UHD, "float32")
    mine, dy, dx, theirs = (np.empty_like(x) for _ in range(4))
    scale = 1 / np.sqrt(32)  # smoothing (1, 2, 1) / 4 across, and the mean of two squares

    def opencv() -> Any:
        cv2.Sobel(x, cv2.CV_32F, 1, 0, dx, 3, scale, 0, REFLECT)
        cv2.Sobel(x, cv2.CV_32F, 0, 1, dy, 3, scale, 0, REFLECT)
        return cv2.magnitude(dx, dy, theirs)

    return Case(
        lambda workers: fastsep.sobel(x, out=mine, workers=workers),
        (
            Rival("OpenCV", opencv, {1: 4.5, 2: 6}, 2e-6),
            Rival("scikit-image", lambda: skimage.filters.sobel(x), {1: 80, 2: None}, 2e-6),
            *copy(x, 1 / 1.4),
        ),
    )


def sobel_x() -> Case:
    x = image(UHD, "uint8")
    mine, theirs = np.empty(UHD, np.int16), np.empty(UHD, np.int16)
    taps = [np.array([1, 2, 1]), np.array([-1, 0, 1])]

    def ours(workers: int) -> Any:
        return fastsep.separable_filter(x, taps, mode="reflect", dtype=np.int16, out=mine, workers=workers)

    def opencv() -> Any:
        return cv2.Sobel(x, cv2.CV_16S, 1, 0, theirs, 3, 1, 0, REFLECT)

    return Case(ours, (Rival("OpenCV", opencv, {1: 2.5, 2: 4}, 0),))


def box(size: int, one: float, two: float) -> Case:
    x = image(UHD, "float32")
    mine, theirs = np.empty_like(x), np.empty_like(x)
    return Case(
        lambda workers: fastsep.box(x, size, mode="reflect", out=mine, workers=workers),
        (
            Rival(
                "OpenCV",
                lambda: cv2.blur(x, (size, size), theirs, (-1, -1), REFLECT),
                {1: one, 2: two},
                2e-6,
            ),
        ),
    )


def any_taps(length: int, one: float, two: float) -> Case:
    x = image(UHD, "float32")
    mine, theirs = np.empty_like(x), np.empty_like(x)
    rows, columns = np.random.default_rng(1).random((2, length), dtype=np.float32) / length

    def ours(workers: int) -> Any:
        return fastsep.separable_filter(x, [rows, columns], mode="reflect", out=mine, workers=workers)

    def opencv() -> Any:
        return cv2.sepFilter2D(x, -1, columns, rows, theirs, (-1, -1), 0, REFLECT)

    return Case(ours, (Rival("OpenCV", opencv, {1: one, 2: two}, 2e-6),))


def volume() -> Case:
    x = image((256, 256, 256), "float32")
    mine, theirs = np.empty_like(x), np.empty_like(x)

    def ours(workers: int) -> Any:
        return fastsep.gaussian(x, 2, mode="reflect", out=mine, workers=workers)

    def reference() -> Any:
        ndi.gaussian_filter(x, 2, mode="reflect", output=theirs)
        return theirs

    return Case(ours, (Rival("SciPy", reference, {1: 25, 2: 40}, 2e-6),))


# Tolerances. float32 and float64, pixels in [0, 1): the rounding of some 160 operations. Integers:
# OpenCV works in fixed point with rounded taps, and is off by two grey levels in a few pixels.
CELLS: dict[str, Callable[[], Case]] = {
    "gaussian float32 sigma 1": lambda: gaussian(UHD, "float32", 1, {1: 2.3, 2: 2.8}, 2e-6, lambda x: copy(x, 0.5)),
    "gaussian float32 sigma 2": lambda: gaussian(UHD, "float32", 2, {1: 2.9, 2: 2.8}, 2e-6),
    "gaussian float32 sigma 5": lambda: gaussian(UHD, "float32", 5, {1: 4.5, 2: 4.7}, 2e-6),
    "gaussian float32 sigma 10": lambda: gaussian(UHD, "float32", 10, {1: 8, 2: 8}, 2e-6, lambda x: fma_limit(x, 81)),
    "gaussian uint8 sigma 1": lambda: gaussian(UHD, "uint8", 1, {1: 2.1, 2: 2.1}, 2),
    "gaussian uint8 sigma 2": lambda: gaussian(UHD, "uint8", 2, {1: 3, 2: 3}, 2),
    "gaussian uint8 sigma 5": lambda: gaussian(UHD, "uint8", 5, {1: 4.7, 2: 4.7}, 2),
    "gaussian uint16 sigma 2": lambda: gaussian(UHD, "uint16", 2, {1: 6, 2: 6}, 2),
    "gaussian float64 sigma 2": lambda: gaussian(UHD, "float64", 2, {1: 3.3, 2: 3.5}, 1e-12),
    "gaussian RGB uint8 sigma 2, 1080p": lambda: gaussian((*FULL_HD, 3), "uint8", 2, {1: 2.4, 2: 2.4}, 2),
    "gaussian RGB float32 sigma 2, 1080p": lambda: gaussian((*FULL_HD, 3), "float32", 2, {1: 2.4, 2: 2.4}, 2e-6),
    "uint8 defaults: gaussian sigma 1": lambda: defaults("gaussian", 1),
    "uint8 defaults: gaussian sigma 2": lambda: defaults("gaussian", 2),
    "uint8 defaults: sobel": lambda: defaults("sobel"),
    "uint8 defaults: gaussian sigma 1, new result": lambda: defaults("gaussian", 1, preallocated=False),
    "uint8 defaults: sobel, new result": lambda: defaults("sobel", preallocated=False),
    "sobel float32": sobel_magnitude,
    "sobel-x uint8 to int16": sobel_x,
    "box float32 size 5": lambda: box(5, 1.5, 2.5),
    "box float32 size 21": lambda: box(21, 2.4, 4.8),
    "box float32 size 101": lambda: box(101, 2.4, 2.4),
    "any taps float32, length 17": lambda: any_taps(17, 3.5, 4),
    "any taps float32, length 81": lambda: any_taps(81, 11, 11),
    "gaussian float32 sigma 1, 64x64": lambda: gaussian((64, 64), "float32", 1, {1: 3}, 2e-6),
    "gaussian float32 sigma 2, 256^3": volume,
    "gaussian float32 sigma 10, width 4096": lambda: gaussian(
        (2160, 4096), "float32", 10, {1: 10, 2: None}, 2e-6, width_3840(10)
    ),
}


def wrapper(rounds: int) -> dict[str, Any]:
    """What Python adds to the kernel on a 64x64 image: the whole call less the kernel."""
    from fastsep import _plan, _run

    x = image((64, 64), "float32")
    out = np.empty_like(x)
    taps = np.exp(-0.5 * np.arange(-4, 5) ** 2.0)
    line = _plan.Line(tuple((taps / taps.sum()).tolist()), 4)
    what = _plan.Separable((_plan.Term((line, line)),))
    modes = ("reflect", "reflect")
    plan = _plan.prepare(
        what, x.shape, x.dtype, x.dtype, first=0, modes=modes, cval=0.0, scale=1.0, vector_bytes=_run.vector_bytes()
    )
    whole = partial(fastsep.gaussian, x, 1, mode="reflect", out=out, workers=1)
    # The kernel alone: the same band function on an argument block that is filled in already.
    ready = _run._ready(plan)
    blocks: list[Any] = []
    give_back = _run.give_back
    _run.give_back = blocks.append  # type: ignore[assignment]
    ready.run(x, out, 1)
    _run.give_back = give_back
    kernel = partial(ready.band, _run.UNUSED, _run.UNUSED, blocks[0].address, 0)
    call, alone = (1e6 * statistics.median(times) for times in measure([whole, kernel], rounds))
    verdict = "ok" if call - alone < 3 else "SHORT"
    print(f"  wrapper: call {call:.2f} us - kernel {alone:.2f} us = {call - alone:.2f} us, target < 3 us: {verdict}")
    return {"call": call, "kernel": alone}


def more(name: str, rounds: int) -> dict[str, Any] | None:
    return {"cell": "wrapper", **wrapper(rounds)} if "64x64" in name else None


if __name__ == "__main__":
    raise SystemExit(main(CELLS, __doc__ or "", more))
