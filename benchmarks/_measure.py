"""One case: agreement first, then all libraries, round by round, in one process."""

from __future__ import annotations

from benchmarks._timing import Array, Call, Samples, measure, others

# isort: split

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import _limits
from benchmarks._contest import Case, Contest, Entry
from benchmarks._libraries import LIBRARIES, missing, reason, settle
from benchmarks._results import Limit, Row, Timing
from benchmarks.operations import OPERATIONS

#: Calls before all else: libraries that keep memory from call to call get it from the system in the first ones. Of
#: the libraries the first call is the one whose result is checked.
SETTLING = 2


@dataclass(frozen=True)
class Contender:
    """One call in the turns, and whom its time belongs to."""

    library: str  # or the name of a limit
    threads: int
    call: Call
    note: str = ""
    scale: float = 1.0  # multiplies the time


def run(case: Case, image: Array, threads: Sequence[int], rounds: int) -> Row:
    """Time a case on an image. AssertionError where fastsep's own results depend on the threads."""
    contest = OPERATIONS[case.operation](image, **case.parameters)
    contenders, left_out = agreeing(contest, threads)
    for contender in limits(contest, threads):
        for _ in range(SETTLING):
            contender.call()
        contenders.append(contender)
    used, begin = others(), time.perf_counter()
    samples = measure(
        [contender.call for contender in contenders],
        rounds,
        lambda number: settle(contenders[number].library, contenders[number].threads),
    )
    busy = (others() - used) / (time.perf_counter() - begin)
    timings = tuple(summaries(contenders, samples))
    return Row(
        case.name,
        case.operation,
        case.shape,
        case.dtype,
        dict(case.parameters),
        contest.bytes,
        contest.multiply_adds,
        max(0.0, busy),
        tuple(timing for timing in timings if timing.library in LIBRARIES),
        tuple(limit(timings, count) for count in threads),
        left_out,
    )


def agreeing(contest: Contest, threads: Sequence[int]) -> tuple[list[Contender], dict[str, str]]:
    """All that may be timed, and why the other libraries may not."""
    ours, *rest = contest.entries
    reference = np.array(ours.view(ours.start(1)()))

    def same(result: Any) -> None:
        equal = np.array_equal(ours.view(result), reference, equal_nan=reference.dtype.kind == "f")
        assert equal, "fastsep's result depends on the number of threads"

    kept, left_out = list(ready(ours, threads, same)), {}
    for entry in rest:
        left_out[entry.library] = missing(entry.library)
        if left_out[entry.library]:
            continue
        try:
            kept += list(ready(entry, threads, partial(entry.check, reference=reference)))
        except Exception as error:  # whatever a library raises, the others can still be timed
            left_out[entry.library] = reason(error)
    return kept, {library: why for library, why in left_out.items() if why}


def ready(entry: Entry, threads: Sequence[int], check: Callable[[Any], None]) -> Iterator[Contender]:
    """With each number of threads; what is checked is what will be timed."""
    for count in (1,) if LIBRARIES[entry.library].threads == "one" else threads:
        settle(entry.library, count)
        call = entry.start(count)
        check(call())
        for _ in range(SETTLING - 1):
            call()
        yield Contender(entry.library, count, call, entry.note)


MEMORY, ARITHMETIC = "np.copyto", "multiply-adds"


def limits(contest: Contest, threads: Sequence[int]) -> Iterator[Contender]:
    for count in threads:
        if contest.bytes:
            call, share = _limits.copy(contest.bytes, count)
            yield Contender(MEMORY, count, call, scale=share)
        if contest.multiply_adds:
            call, share = _limits.arithmetic(contest.multiply_adds, contest.arithmetic, count)
            yield Contender(ARITHMETIC, count, call, scale=share)


def summaries(contenders: Sequence[Contender], samples: Samples) -> Iterator[Timing]:
    for contender, seconds in zip(contenders, samples, strict=True):
        low, median, high = (float(q) * contender.scale for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
        yield Timing(contender.library, contender.threads, median, low, high, contender.note)


def limit(timings: Sequence[Timing], threads: int) -> Limit:
    def seconds(name: str) -> float:
        return next((t.median for t in timings if (t.library, t.threads) == (name, threads)), 0.0)

    return Limit(threads, seconds(MEMORY), seconds(ARITHMETIC))
