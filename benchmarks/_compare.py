"""What became slower or faster since other results were kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks._results import OURS, Results, Row
from benchmarks._text import NAME, count, digits

LEAST = 0.10  # smaller changes are not worth a look
NAMED = 10  # cases that are named; more are counted


@dataclass(frozen=True)
class Change:
    """fastsep's time of a case, before and now."""

    name: str
    threads: int
    old: float  # seconds, the median
    new: float
    raw: float  # new / old
    normalised: float  # the same, had the machine been as fast as before
    verdict: str  # "slower", "faster" or "same": of the normalised figure


def compare(old: Results, new: Results) -> list[Change]:
    """All cases and numbers of threads that both have."""
    before = {row.name: row for row in old.rows}
    return [
        _change(before[row.name], row, threads)
        for row in new.rows
        if row.name in before
        for threads in row.threads
        if threads in before[row.name].threads
    ]


def _change(old: Row, new: Row, threads: int) -> Change:
    was, now = old.timing(OURS, threads), new.timing(OURS, threads)
    assert was is not None
    assert now is not None
    pace = machine_change(old, new, threads)
    raw = now.median / was.median
    normalised = raw / pace
    verdict = "same"
    if normalised > 1 + LEAST and now.low / pace > was.high:
        verdict = "slower"
    elif normalised < 1 / (1 + LEAST) and now.high / pace < was.low:
        verdict = "faster"
    return Change(new.name, threads, was.median, now.median, raw, normalised, verdict)


def machine_change(old: Row, new: Row, threads: int) -> float:
    """How many times as long the machine takes for the same work as before, by the limit that bound the case then.

    A method that needs fewer multiply-adds does not make the machine faster, so the limits are taken for each.
    """
    was, now = old.limit(threads), new.limit(threads)
    if was is None or now is None:
        return 1.0
    if was.binding == "memory":
        before, after = was.memory * new.bytes, now.memory * old.bytes
    else:
        before, after = was.arithmetic * new.multiply_adds, now.arithmetic * old.multiply_adds
    return after / before if before and after else 1.0


def lines(old: Results, new: Results, changes: Sequence[Change]) -> Iterator[str]:
    """For the terminal."""
    yield "\ncompared with the earlier results (new / old; in brackets as measured, else as if on the same machine)"
    cpus = [results.machine.get("cpu", "unknown") for results in (old, new)]
    if cpus[0] != cpus[1]:
        yield f"  another machine: {cpus[0]} before, {cpus[1]} now"
    for verdict in ("slower", "faster"):
        for change in changes:
            if change.verdict == verdict:
                yield f"  {verdict}  {line(change)}"
    found = [change.verdict for change in changes]
    yield f"  of {count(len(found), 'cell')}: {found.count('slower')} slower, {found.count('faster')} faster"
    names = [{row.name: None for row in results.rows} for results in (old, new)]
    yield from _only("before", [name for name in names[0] if name not in names[1]])
    yield from _only("now", [name for name in names[1] if name not in names[0]])


def line(change: Change) -> str:
    where = f"{change.name}, {count(change.threads, 'thread')}"
    return f"{where:{NAME + 12}} {digits(change.normalised, 3)} ({digits(change.raw, 3)})"


def _only(when: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"  only {when}: {count(len(names), 'case')}"
        yield from (f"    {name}" for name in names[:NAMED])
    if len(names) > NAMED:
        yield f"    and {len(names) - NAMED} more"
