"""`correlate` and banks beside OpenCV and SciPy: one table, losses included.

    python -m benchmarks.correlation [--only TEXT] [--rounds N] [--json FILE] [--pool] [--grid]

`--grid` measures, instead of the table, all methods of `correlate` on cells of kernel and shape, and
says how much slower "auto" is than the best of them. How things are measured: see
`benchmarks.separable`.
"""

from __future__ import annotations

from benchmarks._timing import Array, measure  # before all that loads OpenMP

# isort: split

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import cv2
import numpy as np
import scipy.ndimage as ndi

import fastsep
from benchmarks._table import FULL_HD, UHD, Case, Rival, image, main
from fastsep.correlation import Method

REFLECT = cv2.BORDER_REFLECT
METHODS: tuple[Method, ...] = ("direct", "separable", "fft")
Targets = Mapping[int, float | None]


def any_kernel(size: int) -> Array:
    kernel: Array = np.random.default_rng(size).random((size, size))
    kernel /= kernel.sum()
    return kernel


def of_rank(size: int, rank: int, symmetric: bool) -> Array:
    """Sum of products of lines; symmetric ones are even, as the terms of a Gabor filter are."""
    rng = np.random.default_rng(rank)
    lines = rng.random((2, rank, size)) + 0.1
    if symmetric:
        lines = lines + lines[..., ::-1]
    kernel: Array = np.einsum("ri,rj->ij", *lines)
    kernel /= kernel.sum()
    return kernel


def correlate(kernel: Array, dtype: str, targets: Targets, scipy_target: float | None, tolerance: float) -> Case:
    x = image(UHD, dtype)
    mine, theirs, third = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    single = kernel.astype(np.float32)

    def ours(workers: int) -> Any:
        return fastsep.correlate(x, kernel, dtype=x.dtype, out=mine, workers=workers)

    def opencv() -> Any:
        return cv2.filter2D(x, -1, single, theirs, (-1, -1), 0, REFLECT)

    rivals = [Rival("OpenCV", opencv, targets, tolerance)]
    if scipy_target is not None:
        rivals.append(Rival("SciPy", lambda: ndi.correlate(x, kernel, third), {2: scipy_target}, tolerance))
    return Case(ours, tuple(rivals))


def gabor_bank(size: int, gamma: float) -> Array:
    """24 even Gabor filters of mean zero: 8 orientations, 3 scales; absolute values sum to 1."""
    y, x = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1]
    kernels = []
    for sigma in (2.0, 3.0, 4.5):
        for angle in np.arange(8) * np.pi / 8:
            u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            kernel = np.exp(-(u**2 + (gamma * v) ** 2) / (2 * sigma**2)) * np.cos(np.pi * u / sigma)
            kernel -= kernel.mean()
            kernels.append(kernel / np.abs(kernel).sum())
    return np.array(kernels)


def bank(gamma: float, targets: Targets) -> Case:
    """Within 1e-3 of the image's range; OpenCV filters with one kernel after the other."""
    x = image(FULL_HD, "float32")
    kernels = gabor_bank(31, gamma)
    parts = fastsep.factorize_bank(kernels, tol=1e-3)
    print(f"  {parts}")
    mine = np.empty((*x.shape, len(kernels)), np.float32)
    singles = kernels.astype(np.float32)
    theirs = np.empty((len(kernels), *x.shape), np.float32)

    def ours(workers: int) -> Any:
        return fastsep.correlate_bank(x, parts, method="separable", out=mine, workers=workers)

    def opencv() -> Any:
        for kernel, result in zip(singles, theirs, strict=True):
            cv2.filter2D(x, -1, kernel, result, (-1, -1), 0, REFLECT)
        return np.moveaxis(theirs, 0, -1)

    return Case(ours, (Rival("OpenCV", opencv, targets, 1e-3),))


# Tolerances. float32: the rounding of up to 1000 operations on pixels in [0, 1). uint8: OpenCV's fixed point.
CELLS: dict[str, Callable[[], Case]] = {
    "dense float32 3x3": lambda: correlate(any_kernel(3), "float32", {1: None, 2: None}, None, 2e-6),
    "dense float32 5x5": lambda: correlate(any_kernel(5), "float32", {1: None, 2: None}, None, 2e-6),
    "dense float32 7x7": lambda: correlate(any_kernel(7), "float32", {1: 2, 2: 2}, 20, 2e-6),
    "dense float32 11x11": lambda: correlate(any_kernel(11), "float32", {1: None, 2: None}, None, 2e-6),
    "dense float32 21x21": lambda: correlate(any_kernel(21), "float32", {1: None, 2: None}, None, 2e-6),
    "dense float32 31x31": lambda: correlate(any_kernel(31), "float32", {1: 1.3, 2: 1.3}, None, 2e-6),
    "dense float32 63x63": lambda: correlate(any_kernel(63), "float32", {1: None, 2: None}, None, 2e-6),
    "dense uint8 7x7": lambda: correlate(any_kernel(7), "uint8", {1: None, 2: None}, None, 1),
    "rank 1 float32 21x21": lambda: correlate(of_rank(21, 1, False), "float32", {1: None, 2: None}, 60, 2e-6),
    "rank 1 float32 31x31": lambda: correlate(of_rank(31, 1, False), "float32", {1: 5, 2: 5}, None, 2e-6),
    "rank 2 float32 31x31": lambda: correlate(of_rank(31, 2, False), "float32", {1: 5, 2: 5}, None, 2e-6),
    "rank 4 float32 31x31": lambda: correlate(of_rank(31, 4, False), "float32", {1: 5, 2: 5}, None, 2e-6),
    "rank 4 symmetric float32 31x31": lambda: correlate(of_rank(31, 4, True), "float32", {1: 5, 2: 5}, None, 2e-6),
    "24 Gabor filters 31x31, round": lambda: bank(1.0, {1: 5, 2: 5}),
    "24 Gabor filters 31x31, twice as long": lambda: bank(0.5, {1: None, 2: None}),
}


# ---- the grid


def grid() -> Iterator[tuple[str, Array, Array]]:
    """Name, image and kernel of each cell."""
    shapes: tuple[tuple[int, ...], ...] = ((64, 64), (270, 480), FULL_HD, UHD)
    for shape in shapes:
        for size in (3, 5, 7, 11, 15, 21, 31):
            yield f"{size}x{size} any", image(shape, "float32"), any_kernel(size)
        for size, rank in ((7, 2), (15, 2), (31, 2), (31, 4), (31, 8)):
            yield f"{size}x{size} rank {rank}", image(shape, "float32"), of_rank(size, rank, False)
    for shape in (FULL_HD, UHD):
        yield "31x31 diagonal", image(shape, "float32"), np.eye(31) / 31
        for size in (7, 15, 31):
            yield f"{size}x{size} any, float64", image(shape, "float64"), any_kernel(size)
            yield f"{size}x{size} any, uint8 to float64", image(shape, "uint8"), any_kernel(size)
    volume = image((64, 96, 128), "float32")
    rng = np.random.default_rng(0)
    for size in (3, 5, 7):
        yield f"{size}x{size}x{size} any", volume, rng.random((size,) * 3)


def run_grid(rounds: int) -> int:
    worst = 0
    print(f"{'cell':44} {'auto takes':10} {'auto ms':>9} {'direct':>9} {'lines':>9} {'fft':>9}  auto / best")
    for name, x, kernel in grid():
        takes = fastsep.explain(fastsep.correlate, x, kernel).strategy
        methods = [m for m in METHODS if m == "fft" or _possible(x, kernel, m)]
        calls = [partial(fastsep.correlate, x, kernel, method=m, workers=1) for m in ("auto", *methods)]
        auto, *others = (float(np.median(samples)) for samples in measure(calls, rounds))
        times = dict(zip(methods, others, strict=True))
        ratio = auto / min(others)
        worst += ratio > 1.25
        cells = [f"{1e3 * times[m]:9.3f}" if m in times else f"{'-':>9}" for m in METHODS]
        size = " x ".join(map(str, x.shape))
        mark = "  SHORT" if ratio > 1.25 else ""
        print(f"{f'{name}, {size}':44} {takes:10} {1e3 * auto:9.3f} {' '.join(cells)}  {ratio:.2f}{mark}", flush=True)
    print(f"{worst} cells in which auto is more than 1.25 times slower than the best method")
    return 0


def _possible(x: Array, kernel: Array, method: Method) -> bool:
    """Whether a method is possible, and not certain to take minutes."""
    rejected = {name: seconds for name, seconds, _ in fastsep.explain(fastsep.correlate, x, kernel).rejected}
    seconds = rejected.get(method, 0.0)
    return seconds is not None and seconds < 2.0


if __name__ == "__main__":
    if "--grid" in sys.argv:
        raise SystemExit(run_grid(3))
    raise SystemExit(main(CELLS, __doc__ or "", lambda name, rounds: None))
