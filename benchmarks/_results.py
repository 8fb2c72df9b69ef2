"""The medians of a run, read from pytest-benchmark's JSON, and the ratios that tables and the picture are made of.

What is kept beside the pages is the part of such a file that is read here.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from typing import Any

from benchmarks._contest import LIMITS, Key
from benchmarks._libraries import OURS, has_one_thread


@dataclass(frozen=True)
class Ratio:
    """How many times as long as fastsep a library takes, or a limit of the machine, in a case."""

    value: float
    case: str
    threads: int
    library: str


@dataclass
class Results:
    machine: dict[str, str]
    cases: dict[str, dict[Key, float]] = field(default_factory=dict)  # seconds, for each library and number of threads
    processes: dict[str, dict[str, str]] = field(default_factory=dict)  # a figure with its unit, for each library
    notes: dict[str, None] = field(default_factory=dict)  # what the reader of ratios has to know, in order

    @property
    def threads(self) -> list[int]:
        """The smallest and the largest number: tables and the picture have room for two."""
        found = {threads for times in self.cases.values() for library, threads in times if library == OURS}
        return sorted({min(found), max(found)}) if found else []

    @property
    def rivals(self) -> list[str]:
        """All libraries but fastsep."""
        names = dict.fromkeys(library for times in self.cases.values() for library, _ in times)
        return [name for name in names if name not in (OURS, *LIMITS)]

    def seconds(self, case: str, library: str, threads: int) -> float | None:
        """A library that has one thread only is the same with any number."""
        return self.cases[case].get((library, 1 if has_one_thread(library) else threads))

    def ratio(self, case: str, library: str, threads: int) -> Ratio | None:
        ours, theirs = self.seconds(case, OURS, threads), self.seconds(case, library, threads)
        return None if ours is None or theirs is None else Ratio(theirs / ours, case, threads, library)

    def ratios(self, library: str, threads: int) -> list[Ratio]:
        """Of all cases in which both were timed."""
        return [found for case in self.cases if (found := self.ratio(case, library, threads))]

    def geometric_mean(self, library: str, threads: int) -> float | None:
        found = [ratio.value for ratio in self.ratios(library, threads)]
        return statistics.geometric_mean(found) if found else None

    def losses(self) -> dict[str, list[Ratio]]:
        """The cases in which another library is faster."""
        pairs = [(threads, library) for threads in self.threads for library in self.rivals]
        found = {case: [self.ratio(case, library, threads) for threads, library in pairs] for case in self.cases}
        lost = {case: [ratio for ratio in ratios if ratio and ratio.value < 1] for case, ratios in found.items()}
        return {case: ratios for case, ratios in lost.items() if ratios}

    def share_of_limit(self) -> float | None:
        """What one core needs at least over what fastsep takes on one: the geometric mean of all cases."""
        found = [[self.ratio(case, limit, 1) for limit in LIMITS] for case in self.cases]
        shares = [max(ratio.value for ratio in ratios if ratio) for ratios in found if any(ratios)]
        return statistics.geometric_mean(shares) if shares else None


def kept(text: str) -> str:
    """Of a JSON of pytest-benchmark what `read` reads: a line for each test, and five digits that count."""
    whole = json.loads(text)
    lines = []
    for test in whole["benchmarks"]:
        figures = {name: _rounded(test["stats"][name]) for name in ("median", "q1", "q3") if name in test["stats"]}
        info = {name: _rounded(value) for name, value in test["extra_info"].items() if value}
        lines.append(json.dumps({"group": test["group"], "extra_info": info, "stats": figures}, ensure_ascii=False))
    machine = json.dumps({"fastsep": whole["machine_info"]["fastsep"]}, indent=1, ensure_ascii=False)
    tests = ",\n".join(lines)
    return f'{{"machine_info": {machine},\n"benchmarks": [\n{tests}\n]}}\n'


def _rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def read(text: str) -> Results:
    """ValueError where it is nothing of pytest-benchmark's."""
    try:
        whole = json.loads(text)
        results = Results(whole["machine_info"]["fastsep"])
        for test in whole["benchmarks"]:
            group, info, figures = test["group"], test["extra_info"], test["stats"]
            if "threads" in info:
                results.cases.setdefault(group, {})[info["library"], info["threads"]] = float(figures["median"])
            elif "bytes" in info:
                results.processes.setdefault(group, {})[info["library"]] = f"{digits(info['bytes'] / 1e6, 3)} MB"
            else:
                results.processes.setdefault(group, {})[info["library"]] = f"{digits(1e3 * figures['median'], 3)} ms"
            if info.get("note"):
                results.notes[f"{info['library']}: {info['note']}"] = None
    except (AttributeError, KeyError, RecursionError, TypeError, json.JSONDecodeError) as error:
        raise ValueError("holds no results of these benchmarks") from error
    return results


def digits(value: float, count: int) -> str:
    """With `count` digits that count, and never as a power of ten."""
    places = count - 1 - int(f"{value:.{count - 1}e}".partition("e")[2])  # the power of ten of the rounded value
    return f"{value:.{max(0, places)}f}"
