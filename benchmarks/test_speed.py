"""Every case: all libraries in turns, a test for each of them and for each number of threads.

    python -m pytest -n 0 benchmarks [-m quick] [-k TEXT] [--benchmark-autosave] [--benchmark-compare]

Only what is selected takes part in the turns: `-k fastsep` compares two versions, with `--benchmark-compare`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest

from benchmarks._contest import LIMITS, Case, Key, random_image
from benchmarks._libraries import has_one_thread
from benchmarks._measure import LeftOut, Timed, run
from benchmarks._replay import replay, replayed
from benchmarks.cases import CASES, image, tiny
from benchmarks.conftest import numbers_of_threads
from benchmarks.operations import OPERATIONS

pytestmark = pytest.mark.filterwarnings("default", "ignore:Benchmark fixture was not used")  # warnings of others


def keys_of(case: Case, threads: list[int]) -> list[Key]:
    """Who can take part, by what is set up for a small image."""
    small = tiny(case)
    contest = OPERATIONS[case.operation](random_image(small.shape, small.dtype), **case.parameters)
    names = [entry.library for entry in contest.entries]
    keys = [(name, count) for name in names for count in ((1,) if has_one_thread(name) else threads)]
    return keys + [(limit, 1) for limit in LIMITS if contest.work]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    threads = numbers_of_threads(metafunc.config)
    parameters = [
        pytest.param(case, key, id=f"{case.name}, {key[0]}, {key[1]}", marks=[pytest.mark.quick] * case.quick)
        for case in CASES
        for key in keys_of(case, threads)
    ]
    metafunc.parametrize(("case", "key"), parameters)


@lru_cache(maxsize=1)  # tests of one case follow each other
def timed(session: pytest.Session, name: str) -> dict[Key, Timed | Exception]:
    """What is measured of all that were selected."""
    case = next(case for case in CASES if case.name == name)
    selected: list[dict[str, Any]] = [
        item.callspec.params for item in session.items if isinstance(item, pytest.Function)
    ]
    keys = [each["key"] for each in selected if each.get("case") is case]
    return run(case, image(case), keys, session.config.getoption("rounds"))


@replayed
def test_speed(case: Case, key: Key, request: pytest.FixtureRequest, benchmark: Any) -> None:
    outcome = timed(request.session, case.name)[key]
    if isinstance(outcome, LeftOut):
        pytest.skip(str(outcome))
    if isinstance(outcome, Exception):
        pytest.fail(f"{key[0]} is left out: {type(outcome).__name__}: {outcome}", pytrace=False)
    note = {"note": outcome.note} if outcome.note else {}
    replay(benchmark, outcome.seconds, case.name, library=key[0], threads=key[1], **note)
