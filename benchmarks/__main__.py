"""Times all libraries in turns with pytest-benchmark, and says who is how much faster.

Every library that is installed takes part where it has the operation. Before a case is timed, the results
have to agree. Then all take turns: 60 ms of calls to warm up, because a core that slept wakes too slowly
for a short measurement, and as much again that counts. Beside them run what the machine needs at least:
np.copyto of as many bytes, and as many multiply-adds in registers. Figures are medians.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Sequence

import pytest

from benchmarks import _pages
from benchmarks._results import kept, read

ROOT = pathlib.Path(__file__).parents[1]
#: Told to pytest: one process, the reasons why who was left out, and the columns that tables have room for.
OPTIONS = (
    "-n0", "-rfEs", "--benchmark-columns=median,iqr,rounds", "--benchmark-name=short",
    "-Wignore::pytest_benchmark.logger.PytestBenchmarkWarning",  # that nothing was measured is to be seen
)  # fmt: skip
QUICK = ("-m", "quick", "--rounds=2")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(__doc__ or "").partition("\n\n")[0],
        epilog="All other options are pytest's: --only TEXT, --collect-only, --rounds N, --threads N,"
        " --benchmark-autosave, --benchmark-compare, and so on.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="a short selection, in one to two minutes")
    add("--output", type=pathlib.Path, default=pathlib.Path("benchmark-report"), metavar="FOLDER",
        help="where results.json is written (default: %(default)s)")  # fmt: skip
    add("--load", type=pathlib.Path, metavar="FILE", help="report figures kept before, and measure nothing")
    add("--readme", action="store_true", help=f"bring the figures of {_pages.README} and {_pages.TABLES} up to date")
    options, rest = parser.parse_known_args(arguments)
    try:
        if options.load:
            status, text = 0, options.load.read_text()
        else:
            options.output.mkdir(parents=True, exist_ok=True)
            status, text = measure([*(QUICK if options.quick else ()), *rest])
            if not text:
                return status
        results, text = read(text), kept(text)
        print("", *_pages.report(results), sep="\n\n")
        if not options.load:
            file = options.output / "results.json"
            _pages.write_together({file: text.encode()})
            print(f"\nFigures: {file}")
        if options.readme and status:
            print("\nThe README is as it was: not everything was measured.")
        elif options.readme:
            _pages.update(ROOT, text)
    except (OSError, KeyError, ValueError) as error:
        reason = error if isinstance(error, OSError) else error.args[0]
        print(f"benchmarks: error: {reason}", file=sys.stderr)
        return 2
    return status


def measure(options: Sequence[str]) -> tuple[int, str]:
    """Exit status of pytest, and pytest-benchmark's JSON; empty where nothing was measured."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "results.json")
        status = pytest.main([str(ROOT / "benchmarks"), *OPTIONS, f"--benchmark-json={file}", *options])
        return int(status), file.read_text() if file.exists() else ""


if __name__ == "__main__":
    raise SystemExit(main())
