"""Runs the whole test suites of scikit-image and of `scipy.ndimage` without fastsep, and patched, and compares them.

    python tests/suites.py FOLDER [options of pytest]

FOLDER holds the peer's own tests: those of SciPy come with its wheel, in `scipy/ndimage/tests`; those of scikit-image
are in its source release, in `tests/skimage` (where pytest-pretty is not installed, with `--confcutdir FOLDER`). Every
test has to end in the same way without `fastsep.patch()`, with it, and with `internal=True`; those that do not are
printed. Most images of tests are so small that their calls are not replaced, unless `--small` is given. `--keep` names
a folder for what came out, from which `--only` takes what it does not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

WAYS = ("original", "patched", "internal")


class Outcomes:
    """A plugin of pytest: how each test ended."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report):
        # A test is what its worst phase is; of expected failures, `wasxfail` tells.
        outcome = "x" + report.outcome if hasattr(report, "wasxfail") else report.outcome
        if report.when == "call" or outcome != "passed":
            self.found[report.nodeid] = outcome

    def pytest_collectreport(self, report):
        if report.failed:
            self.found[f"{report.nodeid} (collecting)"] = "failed"


def run(way: str, folder: Path, options: list[str], small: bool) -> dict[str, str]:
    """How each test ended, in this process."""
    if way != "original":
        import fastsep.filters  # so that it is loaded, and takes the first calls, too
        from fastsep._patch import checks

        if small:
            checks.smallest = 1
        fastsep.patch(internal=way == "internal")
    outcomes = Outcomes()
    # The options of this project's own tests are not for theirs.
    # A name such as `skimage.filters.test_edges` would make the test a part of scikit-image: its calls are inside ones.
    settings = [
        "-c",
        os.devnull,
        "--rootdir",
        str(folder.parents[1]),
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
    ]
    pytest.main([*settings, str(folder), *options], [outcomes])
    return outcomes.found


def run_apart(way: str, folder: Path, options: list[str], results: Path, small: bool) -> dict[str, str]:
    """The same in a process of its own."""
    options = [*options, *(["--small"] if small else [])]
    subprocess.run([sys.executable, __file__, str(folder), "--inside", way, "--keep", results, *options], check=True)
    return json.loads((results / f"{way}.json").read_text())


def compare(found: dict[str, dict[str, str]]) -> list[str]:
    """A line for each test that did not end as without fastsep."""
    before = found[WAYS[0]]
    return [
        f"{way}: {test}: {after.get(test, 'not run')}, originally {before.get(test, 'not run')}"
        for way, after in found.items()
        for test in sorted(before.keys() | after.keys())
        if before.get(test) != after.get(test)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds the peer's tests")
    parser.add_argument("--only", choices=WAYS, action="append", help="run these, and read the others")
    parser.add_argument("--keep", type=Path, help="folder for what came out")
    parser.add_argument("--small", action="store_true", help="replace calls with small images, too")
    parser.add_argument("--inside", choices=WAYS, help=argparse.SUPPRESS)
    arguments, options = parser.parse_known_args()
    folder = arguments.folder.resolve()
    if arguments.inside:
        outcomes = run(arguments.inside, folder, options, arguments.small)
        (arguments.keep / f"{arguments.inside}.json").write_text(json.dumps(outcomes, indent=0))
        return 0

    with tempfile.TemporaryDirectory() as temporary:
        results = arguments.keep or Path(temporary)
        results.mkdir(exist_ok=True)
        found = {}
        for way in WAYS:
            kept = results / f"{way}.json"
            if way in (arguments.only or WAYS) or not kept.exists():
                found[way] = run_apart(way, folder, options, results, arguments.small)
            else:
                found[way] = json.loads(kept.read_text())
    for way, outcomes in found.items():
        print(
            f"{way}: {', '.join(f'{count} {outcome}' for outcome, count in sorted(Counter(outcomes.values()).items()))}"
        )
    differences = compare(found)
    print("\n".join(differences) or "all tests ended in the same way")
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
