"""All methods of `correlate` on cells of kernel and shape: how much slower "auto" is than the best of them.

    python -m benchmarks.methods [--rounds N]

One thread. What the constants behind the choice are: see `benchmarks.calibrate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np

import fastsep
from benchmarks._contest import FULL_HD, UHD, random_image
from benchmarks._timing import Array, measure
from benchmarks.operations.kernels import any_kernel, of_rank
from fastsep.correlation import Method

METHODS: tuple[Method, ...] = ("direct", "separable", "fft")


def grid() -> Iterator[tuple[str, Array, Array]]:
    """Name, image and kernel of each cell."""
    shapes: tuple[tuple[int, ...], ...] = ((64, 64), (270, 480), FULL_HD, UHD)
    for shape in shapes:
        for size in (3, 5, 7, 11, 15, 21, 31):
            yield f"{size}x{size} any", random_image(shape, "float32"), any_kernel(size)
        for size, rank in ((7, 2), (15, 2), (31, 2), (31, 4), (31, 8)):
            yield f"{size}x{size} rank {rank}", random_image(shape, "float32"), of_rank(size, rank, False)
    for shape in (FULL_HD, UHD):
        yield "31x31 diagonal", random_image(shape, "float32"), np.eye(31) / 31
        for size in (7, 15, 31):
            yield f"{size}x{size} any, float64", random_image(shape, "float64"), any_kernel(size)
            yield f"{size}x{size} any, uint8 to float64", random_image(shape, "uint8"), any_kernel(size)
    volume = random_image((64, 96, 128), "float32")
    rng = np.random.default_rng(0)
    for size in (3, 5, 7):
        yield f"{size}x{size}x{size} any", volume, rng.random((size,) * 3)


def run_grid(rounds: int) -> None:
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


def _possible(x: Array, kernel: Array, method: Method) -> bool:
    """Whether a method is possible, and not certain to take minutes."""
    rejected = {name: seconds for name, seconds, _ in fastsep.explain(fastsep.correlate, x, kernel).rejected}
    seconds = rejected.get(method, 0.0)
    return seconds is not None and seconds < 2.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    run_grid(parser.parse_args().rounds)
