"""A table of cells, each a call of fastsep's beside the same of others: measured, printed, kept as JSON."""

from __future__ import annotations

from benchmarks._timing import ENVIRONMENT, Array, Call, measure  # before all that loads OpenMP

# isort: split

import argparse
import json
import os
import pathlib
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import scipy
import skimage

import fastsep

UHD, FULL_HD = (2160, 3840), (1080, 1920)


@dataclass(frozen=True)
class Rival:
    name: str
    call: Call
    targets: Mapping[int, float | None]  # threads -> ratio aimed at; None: measured, nothing aimed at
    tolerance: float | None = None  # largest difference from fastsep's result; None: nothing to compare
    scale: float = 1.0  # multiplies the rival's time: where its work is smaller or larger than ours


@dataclass(frozen=True)
class Case:
    ours: Callable[[int], Any]  # takes the number of threads
    rivals: tuple[Rival, ...]


def image(shape: tuple[int, ...], dtype: str) -> Array:
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return (values * np.iinfo(dtype).max).astype(dtype)


def check(case: Case) -> None:
    """Refuse to time libraries that do not compute the same thing."""
    for rival in case.rivals:
        if rival.tolerance is None:
            continue
        mine, theirs = case.ours(1), rival.call()
        assert mine.dtype == theirs.dtype, f"{rival.name} gives {theirs.dtype}, not {mine.dtype}"
        gap = float(np.abs(np.subtract(mine, theirs, dtype=np.float64)).max())
        assert gap <= rival.tolerance, f"{rival.name} differs by {gap:.3g}, tolerated {rival.tolerance}"


def header() -> dict[str, str]:
    report = dict(fastsep.show_config())
    versions = {"opencv": cv2.__version__, "scikit-image": skimage.__version__}
    report |= versions | {"scipy": scipy.__version__, "system": platform.platform()}
    report["cores"] = str(os.cpu_count())
    if hasattr(os, "getloadavg"):
        report["load"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    report["environment"] = " ".join(f"{name}={os.environ[name]}" for name in ENVIRONMENT)
    return report


def main(cells: Mapping[str, Callable[[], Case]], about: str, more: Callable[[str, int], dict[str, Any] | None]) -> int:
    """Measure the cells of a module with the docstring `about`; `more` adds a row of its own to a cell, or None."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="cells whose name contains TEXT")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--pool", action="store_true", help="do not load Numba's threads beforehand")
    options = parser.parse_args()
    chosen = {name: setup for name, setup in cells.items() if options.only in name}
    if not chosen:
        parser.error(f"no cell contains {options.only!r}; there are: {'; '.join(cells)}")

    if not options.pool:
        import numba  # noqa: F401 - a process that has Numba runs on its threads, whatever the cache held
    fastsep.gaussian(image((512, 512), "float32"), workers=2)  # the layer is known after a parallel call
    machine = header()
    for key, text in machine.items():
        print(f"{key:16} {text}")
    columns = f"{'cell':46} {'other':13} {'threads':>7} {'other ms':>10} {'fastsep ms':>10}"
    print(f"\n{columns} {'ratio':>7} {'target':>7}")

    rows = []
    short = wrong = 0
    for name, setup in chosen.items():
        case = setup()
        try:
            check(case)
        except AssertionError as error:
            print(f"{name:46} NOT TIMED: {error}")
            wrong += 1
            continue
        for threads in (1, 2):
            rivals = [rival for rival in case.rivals if threads in rival.targets]
            if not rivals or threads > (os.cpu_count() or 1):
                continue
            cv2.setNumThreads(threads)
            calls: list[Call] = [partial(case.ours, threads), *(rival.call for rival in rivals)]
            mine, *others = measure(calls, options.rounds)
            for rival, theirs in zip(rivals, others, strict=True):
                row = result(name, threads, rival, mine, theirs)
                short += row["verdict"] == "SHORT"
                rows.append(row)
                print_row(row)
        added = more(name, options.rounds)
        if added is not None:
            rows.append(added)
    print(f"\n{short} cells short of their target, {wrong} not timed")
    if options.json:
        options.json.write_text(json.dumps({"about": machine, "rows": rows}, indent=1) + "\n")
    return 1 if wrong else 0


def result(cell: str, threads: int, rival: Rival, mine: list[float], theirs: list[float]) -> dict[str, Any]:
    other = rival.scale * statistics.median(theirs)
    ours = statistics.median(mine)
    target = rival.targets[threads]
    verdict = "" if target is None else "ok" if other / ours >= target else "SHORT"
    return {
        "cell": cell,
        "other": rival.name,
        "threads": threads,
        "other_ms": 1e3 * other,
        "fastsep_ms": 1e3 * ours,
        "other_quartiles_ms": [1e3 * rival.scale * q for q in quartiles(theirs)],
        "fastsep_quartiles_ms": [1e3 * q for q in quartiles(mine)],
        "ratio": other / ours,
        "target": target,
        "verdict": verdict,
    }


def quartiles(samples: list[float]) -> list[float]:
    return [float(q) for q in np.quantile(samples, (0.25, 0.75))]


def print_row(row: dict[str, Any]) -> None:
    target = "" if row["target"] is None else f"{row['target']:.2f}"
    print(
        f"{row['cell']:46} {row['other']:13} {row['threads']:7} {row['other_ms']:10.4f}"
        f" {row['fastsep_ms']:10.4f} {row['ratio']:7.2f} {target:>7} {row['verdict']}",
        flush=True,
    )
