"""`fastsep run --report`: what was replaced, what was not and why, and how much time that saved."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pathlib
import sys
from typing import NamedTuple

from fastsep._cli.estimates import Estimates
from fastsep._cli.files import replacing
from fastsep._patch import patching, tally, wrappers
from fastsep._patch.targets import VERSIONS


class Row(NamedTuple):
    """One function."""

    function: str
    calls: int  # that were replaced, and
    seconds: float  # what they took
    saved: float | None  # seconds, about; None if that is not known
    original: dict[str, tuple[int, float]]  # calls that were not, and what they took, by reason


def at_exit(path: str) -> None:
    """Write the report when the program ends, into a file or, if `path` is empty, as a table on stderr."""
    estimates = Estimates()
    tally.observer = estimates.observe
    process = os.getpid()

    def write() -> None:
        tally.observer = None
        if os.getpid() != process:  # a fork of the program, which leaves as it does
            return
        found = rows(estimates)
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody is there to read it
            if not path:
                sys.stderr.write(table(found, estimates))
                return
            try:
                with replacing(pathlib.Path(path)) as file:
                    file.write(as_json(found, estimates).encode())
            except OSError as error:
                sys.stderr.write(f"fastsep run: the report cannot be written to {path}: {error.strerror or error}\n")

    atexit.register(write)


def rows(estimates: Estimates) -> list[Row]:
    """What was counted, the functions that took longest first."""
    found = []
    for function, calls in tally.calls.items():
        before = estimates.original_seconds(function)
        saved = None if before is None else before - calls.fast.seconds
        original = {reason: (count.calls, count.seconds) for reason, count in calls.original.items()}
        if calls.fast.calls or original:
            found.append(Row(function, calls.fast.calls, calls.fast.seconds, saved, original))
    return sorted(found, key=lambda row: -row.seconds - sum(seconds for _, seconds in row.original.values()))


def total_saved(found: list[Row]) -> float:
    return sum(row.saved for row in found if row.saved is not None)


def as_json(found: list[Row], estimates: Estimates) -> str:
    functions = [
        {
            "function": row.function,
            "fast": {"calls": row.calls, "seconds": row.seconds},
            "original": [
                {"reason": reason, "calls": calls, "seconds": seconds}
                for reason, (calls, seconds) in row.original.items()
            ],
            "saved_seconds": row.saved,
        }
        for row in found
    ]
    whole = {"functions": functions, "saved_seconds": total_saved(found), "estimate": estimates.describe()}
    return json.dumps(whole, indent=2) + "\n"


def table(found: list[Row], estimates: Estimates) -> str:
    if not found:
        lines = ["fastsep: the program called none of the functions that are replaced, in this process", *_left_alone()]
        return "\n".join([*lines, ""])
    reasons = [(reason, calls) for row in found for reason, (calls, _) in row.original.items()]
    inside = any(reason == wrappers.INSIDE for reason, _ in reasons)
    fast = sum(row.calls for row in found)
    own = fast + sum(calls for reason, calls in reasons if reason != wrappers.INSIDE)  # others are parts of these
    known = sum(row.seconds for row in found if row.saved is not None)
    before = known + total_saved(found)
    width = max(len(row.function) for row in found)
    seconds = f", in {known:.3g} s instead of about {before:.3g} s" if fast else ""
    lines = [
        f"fastsep: {f'{fast:,}' if fast else 'none'} of {own:,} calls ran fast{seconds}",
        "",
        f"{'':{width}}  {'fast':>8}  {'seconds':>9}  {'original':>8}  {'seconds':>9}  {'saved':>9}",
    ]
    for row in found:
        slow = sum(calls for calls, _ in row.original.values())
        slow_seconds = sum(seconds for _, seconds in row.original.values())
        saved = "" if not row.calls else "unknown" if row.saved is None else f"{row.saved:.3f}"
        lines.append(
            f"{row.function:{width}}  {row.calls or '':>8}  {_seconds(row.calls, row.seconds):>9}"
            f"  {slow or '':>8}  {_seconds(slow, slow_seconds):>9}  {saved:>9}".rstrip()
        )
        lines += [f"  original {calls} x: {reason}" for reason, (calls, _) in row.original.items()]
    notes = _left_alone()
    if inside:
        notes.append("Calls inside scikit-image and SciPy are no calls of the program; most run fast with --internal.")
    if fast:
        first = sum(estimates.first.values())
        notes.append(f"First calls took {first:.3g} s of this: they load kernels, or compile them once for this CPU.")
    notes.append("Calls in other processes are not counted.")
    return "\n".join([*lines, "", *notes, estimates.describe(), ""])


def _left_alone() -> list[str]:
    """A line for each package whose functions are not replaced because of its version."""
    return [
        f"{package} {version} was left alone: fastsep replaces functions of {VERSIONS[package]}x only."
        for package, version in patching.left_alone().items()
    ]


def _seconds(calls: int, seconds: float) -> str:
    return f"{seconds:.3f}" if calls else ""
