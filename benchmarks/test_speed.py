"""Every case: all libraries in turns, a test for each of them and for each number of threads.

    python -m pytest -n 0 benchmarks [-m quick] [-k TEXT] [--benchmark-autosave] [--benchmark-compare]

Only what is selected takes part in the turns: `-k fastsep` compares two versions, with `--benchmark-compare`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest

from benchmarks._contest import LIMITS, Case, Key, random_image
from benchmarks._libraries import has_one_thread
from benchmarks._measure import LeftOut, run
from benchmarks._replay import replay, replayed
from benchmarks.cases import CASES, image, tiny
from benchmarks.conftest import numbers_of_threads
from benchmarks.operations import OPERATIONS

pytestmark = pytest.mark.filterwarnings("default", "ignore:Benchmark fixture was not used")  # warnings of others


def contenders(case: Case, threads: list[int]) -> Iterator[tuple[Key, str]]:
    """Who can take part, by what is set up for a small image, and what the reader has to know."""
    small = tiny(case)
    contest = OPERATIONS[case.operation](random_image(small.shape, small.dtype), **case.parameters)
    for entry in contest.entries:
        for count in (1,) if has_one_thread(entry.library) else threads:
            yield (entry.library, count), entry.note
    yield from (((limit, 1), "") for limit in LIMITS if contest.work)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    threads = numbers_of_threads(metafunc.config)
    parameters = [
        pytest.param(case, key, note, id=f"{case.name}, {key[0]}, {key[1]}", marks=[pytest.mark.quick] * case.quick)
        for case in CASES
        for key, note in contenders(case, threads)
    ]
    metafunc.parametrize(("case", "key", "note"), parameters)


@lru_cache(maxsize=1)  # tests of one case follow each other
def timed(session: pytest.Session, name: str) -> dict[Key, list[float] | Exception]:
    """What is measured of all that were selected."""
    case = next(case for case in CASES if case.name == name)
    selected = [item.callspec.params for item in session.items if isinstance(item, pytest.Function)]
    keys: list[Any] = [each["key"] for each in selected if each.get("case") is case]
    return run(case, image(case), keys, session.config.getoption("rounds"))


@replayed
def test_speed(case: Case, key: Key, note: str, request: pytest.FixtureRequest, benchmark: Any) -> None:
    seconds = timed(request.session, case.name)[key]
    if isinstance(seconds, LeftOut):
        pytest.skip(str(seconds))
    if isinstance(seconds, Exception):
        pytest.fail(f"{key[0]} is left out: {type(seconds).__name__}: {seconds}", pytrace=False)
    replay(benchmark, seconds, case.name, library=key[0], threads=key[1], note=note)
