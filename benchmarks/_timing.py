"""How calls are timed: in turns, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Call = Callable[[], Any]  # runs once and returns its result
Samples = list[list[float]]  # seconds per call, of each contender

WARM_UP = 0.060  # seconds: a core that slept wakes too slowly for a short measurement
BURST = 0.060  # seconds of samples in one turn
SAMPLE = 0.001  # seconds in one sample at least: short calls are timed in groups


def turn(call: Call, each: float | None = None) -> list[float]:
    """Seconds per call: one contender's samples in one round. `each`: about what a call takes, if known."""
    if each is None or each < 5 * WARM_UP:  # a longer call is awake by itself for most of its time
        count, elapsed, start = 0, 0.0, time.perf_counter()
        while elapsed < WARM_UP:
            call()
            count, elapsed = count + 1, time.perf_counter() - start
        each = elapsed / count
    group = max(1, round(SAMPLE / each))
    samples = []
    for _ in range(max(1, round(BURST / (group * each)))):
        start = time.perf_counter()
        for _ in range(group):
            call()
        samples.append((time.perf_counter() - start) / group)
    return samples


def measure(calls: Sequence[Call], rounds: int, before: Callable[[int], object] = lambda number: None) -> Samples:
    """Samples of each call, which take turns; `before` is told the number of the call whose turn begins."""
    samples: Samples = [[] for _ in calls]
    for _ in range(rounds):
        for number, (call, kept) in enumerate(zip(calls, samples, strict=True)):
            before(number)
            kept += turn(call, min(kept, default=None))
    return samples
