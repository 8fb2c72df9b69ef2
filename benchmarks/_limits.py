"""What the machine needs at least: np.copyto of as many bytes, and as many multiply-adds in registers."""

from __future__ import annotations

from benchmarks._timing import Call, multiply_adds

# isort: split

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from fastsep._kernels import jit

LEAST = 1e-3  # seconds in one call of a limit for several threads, so that starting them does not show


def copy(size: int, threads: int) -> tuple[Call, float]:
    """A call that reads and writes `size` bytes in all, some times over, and one over how many times."""
    half = max(1, size // 2)
    # Written to, so that every page exists and is another one.
    source, target = np.full(half, 1, np.uint8), np.full(half, 0, np.uint8)
    cuts = [half * k // threads for k in range(threads + 1)]
    parts = [(target[start:stop], source[start:stop]) for start, stop in itertools.pairwise(cuts)]
    times = 1 if threads == 1 else max(1, round(LEAST * 20e9 / size))

    def part(number: int) -> None:
        for _ in range(times):
            np.copyto(*parts[number])

    return _together(part, threads), 1 / times


def arithmetic(count: int, dtype: str, threads: int) -> tuple[Call, float]:
    """A call that does `count` multiply-adds, some times over, and one over how many times."""
    run, each = _loop()
    if dtype == "float64":
        each //= 2  # as many vectors, of half as many lanes
    turns = max(1, round(count / (each * threads)))
    times = 1 if threads == 1 else max(1, round(LEAST * 100e9 / count))
    return _together(lambda number: run(turns * times), threads), 1 / times


@cache
def _loop() -> tuple[Callable[[int], None], int]:
    """A loop at the peak of one core, and its multiply-adds a turn."""
    target = jit.target()
    # As many chains as hide the latency of each, and leave two of the registers to the constants.
    chains, vector = 16 if target.tile == 8 else 12, target.vector_bytes // 4
    return multiply_adds(chains, vector), chains * vector


def _together(part: Callable[[int], None], threads: int) -> Call:
    if threads == 1:
        return lambda: part(0)
    pool = _pool(threads)

    def call() -> None:
        rest = [pool.submit(part, number) for number in range(1, threads)]
        part(0)
        for other in rest:
            other.result()

    return call


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1)
