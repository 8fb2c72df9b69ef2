"""One case: agreement first, then all libraries and the machine's limits, round by round, in one process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import _limits
from benchmarks._contest import ARITHMETIC, LIMITS, MEMORY, Case, Contest, Entry, Key, Work
from benchmarks._libraries import missing, settle
from benchmarks._timing import Array, Call, measure
from benchmarks.operations import OPERATIONS

#: Calls before all else: libraries that keep memory from call to call get it from the system in the first ones. Of
#: the libraries the first call is the one whose result is checked.
SETTLING = 2


class LeftOut(Exception):
    """The library is not there."""


@dataclass(frozen=True)
class Contender:
    """One call in the turns."""

    key: Key
    call: Call
    note: str = ""


@dataclass(frozen=True)
class Timed:
    """Seconds a call, of every sample."""

    seconds: list[float]
    note: str


def run(case: Case, image: Array, keys: Collection[Key], rounds: int) -> dict[Key, Timed | Exception]:
    """Time a case on an image, or tell why somebody is left out: everybody where fastsep itself fails."""
    contest = OPERATIONS[case.operation](image, **case.parameters)
    try:
        libraries, machine = agreeing(contest, keys), limits(contest, keys)
    except Exception as error:
        return dict.fromkeys(keys, error)
    ready = libraries[0] + machine[0]
    samples = measure([each.call for each in ready], rounds, lambda number: settle(*ready[number].key))
    found = zip(ready, samples, strict=True)
    return libraries[1] | machine[1] | {each.key: Timed(times, each.note) for each, times in found}


def agreeing(contest: Contest, keys: Collection[Key]) -> tuple[list[Contender], dict[Key, Timed | Exception]]:
    """All that may be timed, and why others may not. What is checked is what will be timed."""
    ours, *rest = contest.entries
    reference = np.array(ours.view(ours.start(1)()))

    def same(result: Any) -> None:
        equal = np.array_equal(ours.view(result), reference, equal_nan=reference.dtype.kind == "f")
        assert equal, "fastsep's result depends on the number of threads"

    def ready(key: Key, entry: Entry, check: Callable[[Any], None]) -> Contender:
        settle(*key)
        call = entry.start(key[1])
        check(call())
        for _ in range(SETTLING - 1):
            call()
        return Contender(key, call, entry.note)

    kept = [ready(key, ours, same) for key in keys if key[0] == ours.library]
    left_out: dict[Key, Timed | Exception] = {}
    for entry in rest:
        own = [key for key in keys if key[0] == entry.library]
        try:
            if own and (why := missing(entry.library)):
                raise LeftOut(why)
            kept += [ready(key, entry, partial(entry.check, reference=reference)) for key in own]
        except Exception as error:  # whatever a library raises, the others can still be timed
            left_out |= dict.fromkeys(own, error)
    return kept, left_out


def limits(contest: Contest, keys: Collection[Key]) -> tuple[list[Contender], dict[Key, Timed | Exception]]:
    """What one core needs at least."""
    work = contest.work() if contest.work else Work()
    kept: list[Contender] = []
    left_out: dict[Key, Timed | Exception] = {}
    for key in keys:
        if key[0] == ARITHMETIC and not work.multiply_adds:
            left_out[key] = LeftOut("there is no arithmetic to speak of")
        elif key[0] in LIMITS:
            call = _limits.copy(work.bytes) if key[0] == MEMORY else _limits.arithmetic(*work[1:])
            for _ in range(SETTLING):
                call()
            kept.append(Contender(key, call))
    return kept, left_out
