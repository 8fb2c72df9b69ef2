"""How calls on two threads get along with others: a program that keeps a core busy, and other libraries' threads.

    python -m benchmarks.neighbours [--rounds N]

Beside the busy program, calls on one and two threads take turns. With another library, its call and one of fastsep take
turns; each is also timed alone. A fair neighbour takes no longer on two threads than on one, and costs the other
nothing. The other's call beside fastsep on one thread tells what is owed to the cache, which both use, and not to
threads.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

import fastsep
from benchmarks import ENVIRONMENT

for name in ENVIRONMENT:  # threads of others are to wait as they do for users
    os.environ.pop(name, None)

Call = Callable[[], object]
Work = Callable[[int], object]  # on so many threads

WARM_UP = 0.06  # seconds: so that the second core is awake
TURNS = 40  # in a row, of each kind and round
LAYERS = 5

RNG = np.random.default_rng(0)
IMAGE = RNG.random((2160, 3840), np.float32)


def blur(sigma: float) -> Work:
    out = np.empty_like(IMAGE)
    return lambda workers: fastsep.gaussian(IMAGE, sigma, out=out, workers=workers)


def layers() -> Work:
    """Five small layers in a row."""
    pixels = RNG.random((56, 56, 128), np.float32)
    layer = fastsep.SeparableConv2D(RNG.random((3, 3, 128), np.float32), RNG.random((128, 128), np.float32))
    out = layer(pixels)
    return lambda workers: [layer(pixels, out=out, workers=workers) for _ in range(LAYERS)]


def matrices() -> Iterator[tuple[str, Call]]:
    left, right, product = (RNG.random((600, 600)) for _ in range(3))
    yield "NumPy 600x600 product", lambda: np.dot(left, right, out=product)
    matrix, vector, result = RNG.random((1024, 1000)), RNG.random(1000), np.empty(1024)
    yield "NumPy 1024x1000 by vector", lambda: np.dot(matrix, vector, out=result)


def torch_product() -> Iterator[tuple[str, Call]]:
    import torch

    matrix = torch.from_numpy(RNG.random((600, 600), np.float32))
    yield "torch 600x600 product", lambda: torch.mm(matrix, matrix)


def opencv_blur() -> Iterator[tuple[str, Call]]:
    import cv2

    out = np.empty_like(IMAGE)
    yield "OpenCV blur 4K", lambda: cv2.GaussianBlur(IMAGE, (13, 13), 2, dst=out)


def numba_loop() -> Iterator[tuple[str, Call]]:
    import numba

    @numba.njit(parallel=True)  # type: ignore[untyped-decorator]
    def roots(source: NDArray[np.float32], result: NDArray[np.float32]) -> None:
        for row in numba.prange(source.shape[0]):
            for column in range(source.shape[1]):
                result[row, column] = np.sqrt(source[row, column]) + np.sin(source[row, column])

    source = IMAGE[:500].copy()
    result = np.empty_like(source)
    yield "a prange loop of Numba's", lambda: roots(source, result)


#: What has to be installed, and calls that use it.
OTHERS = {"numpy": matrices, "torch": torch_product, "cv2": opencv_blur, "numba": numba_loop}


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def turns(calls: list[Call]) -> list[list[float]]:
    """Seconds of each call, where they take turns."""
    end = time.perf_counter() + WARM_UP
    while time.perf_counter() < end:
        for call in calls:
            call()
    rows = [[seconds(call) for call in calls] for _ in range(TURNS)]
    return [list(column) for column in zip(*rows, strict=True)]


def beside_busy_program(work: Work, rounds: int) -> str:
    samples: dict[int, list[float]] = {1: [], 2: []}
    for workers in samples:
        work(workers)
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.5)
        for _ in range(rounds * TURNS):
            for workers, kept in samples.items():
                kept += [seconds(lambda workers=workers: work(workers)) for _ in range(2)]  # type: ignore[misc]
    finally:
        program.kill()
        program.wait()
    (one, slow_one), (two, slow_two) = (np.quantile(samples[workers], (0.5, 0.9)) * 1e3 for workers in (1, 2))
    return (
        f"one thread {one:6.2f} ms (90 % below {slow_one:.2f})   two {two:6.2f} ms (90 % below {slow_two:.2f})"
        f"   two / one {two / one:.2f}"
    )


def beside_library(other: Call, work: Work, rounds: int) -> str:
    on = {workers: (lambda workers=workers: work(workers)) for workers in (1, 2)}
    kinds: dict[str, list[Call]] = {
        "other": [other], "one": [on[1]], "two": [on[2]], "turns of one": [other, on[1]], "turns of two": [other, on[2]]
    }  # fmt: skip
    kept: dict[str, list[list[float]]] = {kind: [[] for _ in calls] for kind, calls in kinds.items()}
    for _ in range(rounds):
        for kind, calls in kinds.items():
            for samples, found in zip(kept[kind], turns(calls), strict=True):
                samples += found
    other_alone, _, two_alone, (other_one, one), (other_two, two) = (
        [float(np.median(samples)) * 1e3 for samples in found] for found in kept.values()
    )
    together = (other_two + two) / (other_alone[0] + two_alone[0])
    return (
        f"two threads / one in turns {two / one:.2f}   the other beside two / one {other_two / other_one:.2f},"
        f" / alone {other_two / other_alone[0]:.2f}   both in turns / alone {together:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison (5)")
    rounds = parser.parse_args().rounds
    print("a busy program, gaussian sigma 5 4K: ", beside_busy_program(blur(5), rounds), flush=True)
    for module, calls in OTHERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{module} is not installed")
            continue
        for name, other in calls():
            for ours, work in (("gaussian sigma 2 4K", blur(2)), (f"{LAYERS} layers 56x56x128", layers())):
                print(f"{name}, {ours}: ", beside_library(other, work, rounds), flush=True)


if __name__ == "__main__":
    main()
