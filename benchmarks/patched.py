"""Whole programs before and after `fastsep run`.

    python -m benchmarks.patched [--rounds N] [--internal] [NAME ...]

The programs are in `benchmarks/programs`: ten of the kinds in scikit-image's gallery, six of kinds that users have.
Each runs in processes of its own, with and without fastsep in turns, and what it imports is imported before the clock
starts. Its arrays are compared: same names, shapes and dtypes, and values that differ by rounding at most.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import pickle
import statistics
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

PROGRAMS = pathlib.Path(__file__).with_name("programs")
USERS = ("nuclei", "particles", "photo", "focus_stack", "scan", "vessels")  # all others are of the gallery's kinds
#: In parts of the largest value: what is left of single precision after several steps.
TOLERANCE = 1e-5

# Runs a program after its imports and keeps its arrays.
MEASURE = """
import ast, pickle, sys, time
path, results = sys.argv[1:]
tree = ast.parse(open(path).read(), path)
imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
names = {"__name__": "__main__"}
exec(compile(ast.Module(imports, []), path, "exec"), names)
start = time.perf_counter()
exec(compile(tree, path, "exec"), names)
seconds = time.perf_counter() - start
import numpy
def kept(value):
    return isinstance(value, numpy.ndarray | float | int) or isinstance(value, list | tuple | dict) and value
arrays = {name: value for name, value in names.items() if not name.startswith("_") and kept(value)}
pickle.dump((seconds, arrays), open(results, "wb"))
"""


def run(program: pathlib.Path, options: list[str] | None) -> tuple[float, dict[str, Any]]:
    """Seconds, and what the program computed; with `fastsep run` and its options, or without."""
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder, "results")
        runner = [] if options is None else ["-m", "fastsep", "run", *options]
        subprocess.run([sys.executable, *runner, "-c", MEASURE, program, results], check=True)
        with results.open("rb") as file:
            found: tuple[float, dict[str, Any]] = pickle.load(file)
    return found


def difference(value: Any, expected: Any) -> float:
    """The largest, in parts of the largest value; of integers and bools how many differ; infinite if the kind does."""
    if isinstance(expected, dict):
        return difference(list(value.items()), list(expected.items()))
    if isinstance(expected, list | tuple):
        if len(value) != len(expected):
            return np.inf
        return max((difference(one, other) for one, other in zip(value, expected, strict=True)), default=0.0)
    if isinstance(expected, str):
        return 0.0 if value == expected else np.inf
    value, expected = np.asarray(value), np.asarray(expected)
    if value.shape != expected.shape or value.dtype != expected.dtype:
        return np.inf
    if not expected.size:
        return 0.0
    if expected.dtype.kind != "f":
        return float((value != expected).mean())
    missing = np.isnan(expected)
    if not np.array_equal(missing, np.isnan(value)):
        return np.inf
    away = np.abs(value - expected)[~missing].max(initial=0)
    return float(away / (np.abs(expected)[~missing].max(initial=0) or 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="programs (default: all)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of each, of which medians are told (default: %(default)s)"
    )
    parser.add_argument("--internal", action="store_true", help="also replace what scikit-image calls inside")
    arguments = parser.parse_args()
    options = ["--internal"] if arguments.internal else []
    paths = [PROGRAMS / f"{name}.py" for name in arguments.names] or sorted(PROGRAMS.glob("*.py"))
    os.environ.pop("FASTSEP_PATCH", None)  # the first of both runs without
    different = False
    print(f"{'program':16} {'before':>8} {'after':>8} {'factor':>7}  largest difference")
    for path in sorted(paths, key=lambda path: path.stem in USERS):
        run(path, options)  # what it needs is compiled, once
        before, after, largest = [], [], {}
        for _ in range(arguments.rounds):
            seconds, expected = run(path, None)
            before.append(seconds)
            seconds, found = run(path, options)
            after.append(seconds)
            largest = {name: difference(found.get(name), value) for name, value in expected.items()}
        worst = max(largest, key=lambda name: largest[name])
        first, second = statistics.median(before), statistics.median(after)
        note = f"{largest[worst]:.1e} in {worst}" if largest[worst] else "none"
        print(f"{path.stem:16} {first:7.2f}s {second:7.2f}s {first / second:6.1f}x  {note}", flush=True)
        different |= largest[worst] > TOLERANCE
    return int(different)


if __name__ == "__main__":
    raise SystemExit(main())
