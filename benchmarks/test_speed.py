"""pytest-benchmark's front end: one test a case, library and number of threads.

    python -m pytest -n 0 benchmarks [-m quick] [-k TEXT] [--benchmark-autosave] [--benchmark-compare]

For statistics of one call and for comparing two versions. Libraries do not take turns here: to compare
them, `python -m benchmarks`.
"""

from __future__ import annotations

from benchmarks._timing import Array  # before all that loads OpenMP

# isort: split

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import fastsep
from benchmarks._contest import Case, Contest, Entry, random_image
from benchmarks._libraries import LIBRARIES, missing, settle
from benchmarks.cases import CASES, image, tiny
from benchmarks.operations import OPERATIONS

BY_NAME = {case.name: case for case in CASES}

pytestmark = pytest.mark.filterwarnings("default")  # what other libraries warn of is their affair


def parameters() -> Iterator[Any]:
    counts = sorted({1, fastsep.get_num_threads()})
    for case in CASES:
        small = tiny(case)
        contest = OPERATIONS[case.operation](random_image(small.shape, small.dtype), **case.parameters)
        for entry in contest.entries:
            for threads in (1,) if LIBRARIES[entry.library].threads == "one" else counts:
                name = f"{case.name}, {entry.library}, {threads}"
                yield pytest.param(case, entry.library, threads, id=name, marks=[pytest.mark.quick] * case.quick)


@lru_cache(maxsize=1)  # tests of one case follow each other
def ready(name: str) -> tuple[Contest, Array]:
    """The case of that name, and fastsep's result."""
    case = BY_NAME[name]
    contest = OPERATIONS[case.operation](image(case), **case.parameters)
    ours = contest.entries[0]
    return contest, np.array(ours.view(ours.start(1)()))


def by_name(contest: Contest, library: str) -> Entry:
    return next(entry for entry in contest.entries if entry.library == library)


@pytest.mark.benchmark(max_time=0.25, min_rounds=3, warmup=True, warmup_iterations=1)
@pytest.mark.parametrize(("case", "library", "threads"), list(parameters()))
def test_speed(benchmark: Any, case: Case, library: str, threads: int) -> None:
    if missing(library):
        pytest.skip(missing(library))
    contest, reference = ready(case.name)
    entry = by_name(contest, library)
    settle(library, threads)
    call = entry.start(threads)
    entry.check(call(), reference)
    benchmark.group = case.name
    benchmark.extra_info = {"library": library, "threads": threads, "note": entry.note}
    benchmark(call)
