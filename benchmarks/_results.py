"""What was measured: kept as JSON, and the ratios that tables, plots and comparisons are made of."""

from __future__ import annotations

import json
import math
import pathlib
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks._files import write_whole
from benchmarks._libraries import LIBRARIES, NOT_INSTALLED

FORMAT = 1
NOISY = 0.15  # of the median, between the quartiles
OURS = "fastsep"


@dataclass(frozen=True)
class Timing:
    library: str
    threads: int
    median: float  # seconds a call, as all below
    low: float  # first quartile
    high: float  # third quartile
    note: str = ""

    @property
    def noisy(self) -> bool:
        return self.high - self.low > NOISY * self.median


@dataclass(frozen=True)
class Limit:
    """What the machine needs at least, with `threads` threads; measured in turns with the libraries."""

    threads: int
    memory: float  # seconds: np.copyto of as many bytes
    arithmetic: float  # seconds: as many multiply-adds in registers; 0 where the work has none to speak of

    @property
    def binding(self) -> str:
        return "memory" if self.memory >= self.arithmetic else "arithmetic"

    @property
    def seconds(self) -> float:
        return max(self.memory, self.arithmetic)


@dataclass(frozen=True)
class Row:
    """All timings of one case."""

    name: str
    operation: str
    shape: tuple[int, ...]
    dtype: str
    parameters: dict[str, Any]
    bytes: int
    multiply_adds: int
    busy: float  # cores that other processes used meanwhile
    timings: tuple[Timing, ...]
    limits: tuple[Limit, ...]
    left_out: dict[str, str]  # library -> why it was not timed: missing, or its result differs

    def timing(self, library: str, threads: int) -> Timing | None:
        """With as many threads; a library that has only one is the same with any number."""
        wanted = 1 if LIBRARIES[library].threads == "one" else threads
        return next((timing for timing in self.timings if (timing.library, timing.threads) == (library, wanted)), None)

    def limit(self, threads: int) -> Limit | None:
        return next((limit for limit in self.limits if limit.threads == threads), None)

    def ratio(self, library: str, threads: int) -> float | None:
        """How many times as long the library takes."""
        ours, theirs = self.timing(OURS, threads), self.timing(library, threads)
        return None if ours is None or theirs is None else theirs.median / ours.median

    @property
    def wrong(self) -> list[str]:
        """Libraries that are there, and failed or gave another result."""
        return [library for library, why in self.left_out.items() if not why.endswith(NOT_INSTALLED)]

    @property
    def threads(self) -> list[int]:
        return sorted({timing.threads for timing in self.timings if timing.library == OURS})

    @property
    def rivals(self) -> list[str]:
        return list(dict.fromkeys(timing.library for timing in self.timings if timing.library != OURS))


@dataclass(frozen=True)
class Process:
    """A figure of whole processes: how long they take, or how much memory."""

    name: str
    unit: str  # "s" or "bytes"
    values: tuple[Timing, ...]  # in that unit; `threads` is 0: whatever the library takes by itself


@dataclass(frozen=True)
class Results:
    machine: dict[str, str]
    rows: tuple[Row, ...] = ()
    processes: tuple[Process, ...] = ()
    format: int = field(default=FORMAT)

    def threads(self) -> list[int]:
        return sorted({threads for row in self.rows for threads in row.threads})

    def ratios(self, library: str, threads: int) -> Iterator[tuple[Row, float]]:
        """Of all cases in which both were timed."""
        for row in self.rows:
            ratio = row.ratio(library, threads)
            if ratio is not None and threads in row.threads:
                yield row, ratio

    def rivals(self) -> list[str]:
        return list(dict.fromkeys(library for row in self.rows for library in row.rivals))

    def geometric_mean(self, library: str, threads: int) -> float | None:
        found = [ratio for _, ratio in self.ratios(library, threads)]
        return statistics.geometric_mean(found) if found else None


def save(results: Results, path: pathlib.Path) -> None:
    write_whole(path, to_text(results).encode())


def to_text(results: Results) -> str:
    """JSON, one case a line, times with five digits that count."""
    whole = asdict(results, dict_factory=_rounded)
    heads = {key: value for key, value in whole.items() if key not in ("rows", "processes")}
    lines = [f' "{key}": {json.dumps(value, indent=1)}' for key, value in heads.items()]
    for key in ("processes", "rows"):
        items = ",\n".join("  " + json.dumps(item) for item in whole[key])
        lines.append(f' "{key}": [\n{items}\n ]' if items else f' "{key}": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rounded(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in items}


def read(path: pathlib.Path) -> Results:
    """ValueError where the file holds something else."""
    try:
        whole = json.loads(path.read_text())
        if whole["format"] != FORMAT:
            raise ValueError(f"has format {whole['format']}, and this version reads {FORMAT}")
        rows = tuple(
            Row(
                **row
                | {
                    "shape": tuple(row["shape"]),
                    "timings": tuple(Timing(**timing) for timing in row["timings"]),
                    "limits": tuple(Limit(**limit) for limit in row["limits"]),
                }
            )
            for row in whole["rows"]
        )
        processes = tuple(
            Process(**entry | {"values": tuple(Timing(**value) for value in entry["values"])})
            for entry in whole["processes"]
        )
        results = Results(whole["machine"], rows, processes)
    except (AttributeError, KeyError, RecursionError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("holds no results of a benchmark") from error
    if not _sound(results):
        raise ValueError("holds results that make no sense here: types, times, or a library that is unknown")
    return results


def _sound(results: Results) -> bool:
    """Whether all that is read elsewhere has the types and ranges that are expected there."""
    timings = [timing for row in results.rows for timing in row.timings]
    values = [value for process in results.processes for value in process.values]
    limits = [limit for row in results.rows for limit in row.limits]
    names = [row.name for row in results.rows] + [process.name for process in results.processes]
    return (
        _is_text(results.machine)
        and all(isinstance(name, str) for name in names)
        and all(isinstance(row.operation, str) and isinstance(row.dtype, str) for row in results.rows)
        and all(isinstance(row.parameters, dict) and _is_text(row.left_out) for row in results.rows)
        and all(_are_numbers(row.bytes, row.multiply_adds, row.busy, *row.shape) for row in results.rows)
        and all(one.library in LIBRARIES and isinstance(one.threads, int) for one in timings + values)
        and all(_are_numbers(one.median, one.low, one.high) for one in timings + values)
        and all(min(timing.median, timing.low, timing.high) > 0 for timing in timings)
        and all(isinstance(limit.threads, int) and _are_numbers(limit.memory, limit.arithmetic) for limit in limits)
        and all(process.unit in ("s", "bytes") for process in results.processes)
    )


def _is_text(entries: object) -> bool:
    return isinstance(entries, dict) and all(isinstance(text, str) for pair in entries.items() for text in pair)


def _are_numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)
