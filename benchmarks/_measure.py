"""One case: agreement first, then all libraries and the machine's limits, round by round, in one process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np

from benchmarks import _limits
from benchmarks._contest import ARITHMETIC, MEMORY, Case, Contest, Entry, Key, Work
from benchmarks._libraries import missing, settle
from benchmarks._timing import Array, Call, measure
from benchmarks.operations import OPERATIONS


class LeftOut(Exception):
    """The library is not there."""


def run(case: Case, image: Array, keys: Collection[Key], rounds: int) -> dict[Key, list[float] | Exception]:
    """Seconds a call, of every sample, or why somebody is left out: everybody where fastsep itself fails."""
    contest = OPERATIONS[case.operation](image, **case.parameters)
    try:
        found = agreeing(contest, keys) | limits(contest, keys)
    except Exception as error:
        return dict.fromkeys(keys, error)
    calls = {key: call for key, call in found.items() if not isinstance(call, Exception)}
    order = list(calls)
    samples = measure(list(calls.values()), rounds, lambda number: settle(*order[number]))
    left_out = {key: error for key, error in found.items() if isinstance(error, Exception)}
    return left_out | dict(zip(calls, samples, strict=True))


def agreeing(contest: Contest, keys: Collection[Key]) -> dict[Key, Call | Exception]:
    """Calls that may be timed, and why others may not. What is checked is what will be timed."""
    ours, *rest = contest.entries
    reference = np.array(ours.view(ours.start(1)()))

    def same(result: Any) -> None:
        equal = np.array_equal(ours.view(result), reference, equal_nan=reference.dtype.kind == "f")
        assert equal, "fastsep's result depends on the number of threads"

    def ready(key: Key, entry: Entry, check: Callable[[Any], None]) -> Call:
        settle(*key)
        call = entry.start(key[1])
        check(call())
        return settled(call)

    found: dict[Key, Call | Exception] = {key: ready(key, ours, same) for key in keys if key[0] == ours.library}
    for entry in rest:
        own = [key for key in keys if key[0] == entry.library]
        try:
            if own and (why := missing(entry.library)):
                raise LeftOut(why)
            found |= {key: ready(key, entry, partial(entry.check, reference=reference)) for key in own}
        except Exception as error:  # whatever a library raises, the others can still be timed
            found |= dict.fromkeys(own, error)
    return found


def limits(contest: Contest, keys: Collection[Key]) -> dict[Key, Call | Exception]:
    """What one core needs at least."""
    work = contest.work() if contest.work else Work()
    found: dict[Key, Call | Exception] = {}
    for key in keys:
        if key[0] == MEMORY:
            found[key] = settled(_limits.copy(work.bytes))
        elif key[0] == ARITHMETIC and work.multiply_adds:
            found[key] = settled(_limits.arithmetic(work.multiply_adds, work.arithmetic))
        elif key[0] == ARITHMETIC:
            found[key] = LeftOut("there is no arithmetic to speak of")
    return found


def settled(call: Call) -> Call:
    """Called once more: libraries that keep memory from call to call get it from the system in the first ones."""
    call()
    return call
