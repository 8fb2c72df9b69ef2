"""Times that were measured in turns, told to pytest-benchmark: it makes the statistics, tables, files and comparisons.

Its fixture times one function after the other, and these take turns. So it is given a clock that stands still but for
its target, which moves it on by one sample in each round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

_shown = [0.0]


def clock() -> float:
    return _shown[0]


def advance(seconds: float) -> None:
    _shown[0] += seconds


replayed = pytest.mark.benchmark(timer=clock)


def replay(benchmark: Any, samples: Sequence[float], group: str, **info: Any) -> None:
    """`info` stands beside the statistics of the test that the fixture `benchmark` belongs to."""
    benchmark.group = group
    benchmark.extra_info = info
    waiting = iter(samples)
    benchmark.pedantic(advance, setup=lambda: ((next(waiting),), {}), rounds=len(samples))
