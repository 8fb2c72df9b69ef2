"""A selection network in stages, each of which is one loop along the rows.

Within a stage values are in registers, so they are seen where they are made. A value that is seen further right has to
be in memory: a stage before has made and stored it. Every value is made as late as it can be.
"""

from __future__ import annotations

from typing import NamedTuple

from fastsep._kernels.selection import Comparison, Network


class Stage(NamedTuple):
    comparisons: list[Comparison]
    stored: dict[int, int]  # values that later stages read, and the row of memory where each lies


class Stages(NamedTuple):
    """In the order in which they run; the last one makes the results."""

    stages: list[Stage]
    rows: int  # of memory


def stages(network: Network) -> Stages:
    after = {value: 0 for value, _ in network.results}  # how many stages come after the one that makes a value
    for each in reversed(network.comparisons):
        own = max(after[value] for value in (each.low, each.high) if value >= 0)
        after.update({value: own for value in (each.low, each.high) if value >= 0})
        for value, shift in (each.first, each.second):
            after[value] = max(after.get(value, 0), own + (shift > 0))
    last = max(after[each.low if each.low >= 0 else each.high] for each in network.comparisons)
    found = [Stage([], {}) for _ in range(last + 1)]
    read = {}  # the last stage that reads a value
    for each in network.comparisons:
        stage = last - after[each.low if each.low >= 0 else each.high]
        found[stage].comparisons.append(each)
        for value, _ in (each.first, each.second):
            read[value] = max(read.get(value, 0), stage)
    # Rows of memory that no later stage reads are used again.
    free: list[int] = []
    rows = 0
    for number, stage in enumerate(found):
        for each in stage.comparisons:
            for value in (each.low, each.high):
                if value >= 0 and read.get(value, number) > number:
                    if not free:
                        free.append(rows)
                        rows += 1
                    stage.stored[value] = free.pop()
        for before in found[: number + 1]:
            free += [row for value, row in before.stored.items() if read[value] == number]
    return Stages(found, rows)


def fits_registers(network: Network) -> bool:
    """Whether there are two stages, and only the second one sees values further right, by no more than two pixels."""
    found = stages(network).stages
    shifts = [max(each.first[1], each.second[1]) for stage in found for each in stage.comparisons]
    first = len(found[0].comparisons)
    return len(found) == 2 and not any(shifts[:first]) and max(shifts) <= 2
