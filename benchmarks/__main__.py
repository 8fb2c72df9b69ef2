"""fastsep beside scikit-image, SciPy, OpenCV, DIPlib, Pillow, ONNX Runtime and torch, round by round in one process.

Every library that is installed takes part where it has the operation. Before a case is timed, the results
have to agree. Then all take turns: 60 ms of calls to warm up, because a core that slept wakes too slowly
for a short measurement, and as much again that counts. Beside them run what the machine needs at least:
np.copyto of as many bytes, and as many multiply-adds in registers. Figures are medians.
"""

from __future__ import annotations

from benchmarks._timing import ENVIRONMENT, Array

# isort: split

import argparse
import importlib.util
import os
import pathlib
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

import fastsep
from benchmarks import _compare, _processes, _readme, _report, _results, _text
from benchmarks._contest import Case
from benchmarks._libraries import versions
from benchmarks._measure import run
from benchmarks._results import Process, Results, Row
from benchmarks.cases import CASES, image, on_picture
from fastsep import _pictures
from fastsep._refusal import Refusal, one_line

ROUNDS, QUICK_ROUNDS = 3, 2
ROOT = pathlib.Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        return command(options)
    except Refusal as refusal:
        print(f"benchmarks: error: {one_line(str(refusal))}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n\n")[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="a short selection, in one to two minutes")
    add("--only", default="", metavar="TEXT", help="cases and processes whose name contains TEXT")
    add("--image", type=pathlib.Path, metavar="FILE", help="the cases of whole frames, on a picture of your own")
    add("--threads", type=int, nargs="+", metavar="N", help="numbers of threads (default: 1 and all)")
    add("--rounds", type=int, metavar="N", help=f"turns of each library (default: {ROUNDS}, quick {QUICK_ROUNDS})")
    add("--output", type=pathlib.Path, default=pathlib.Path("benchmark-report"), metavar="FOLDER",
        help="where report.html, the plots and results.json are written (default: %(default)s)")  # fmt: skip
    add("--json", type=pathlib.Path, metavar="FILE", help="keep the figures here, too")
    add("--load", type=pathlib.Path, metavar="FILE", help="report figures kept before, and measure nothing")
    add("--compare", type=pathlib.Path, metavar="FILE", help="say what became slower or faster since")
    add("--readme", action="store_true", help="bring the README's tables and plot up to date")
    add("--pool", action="store_true", help="run on fastsep's own threads, as a process that does not load Numba")
    add("--list", action="store_true", help="print the names of all cases and processes, and stop")
    return parser


def command(options: argparse.Namespace) -> int:
    if options.list:
        print(*(case.name for case in CASES), *(f"process: {entry.name}" for entry in _processes.PROCESSES), sep="\n")
        return 0
    check_targets(options)
    earlier = load(options.compare) if options.compare else None
    results = load(options.load) if options.load else measure(options)
    comparison = None if earlier is None else _compare.compare(earlier, results)
    for line in _text.summary(results):
        print(line)
    if earlier is not None and comparison is not None:
        print("\n".join(_compare.lines(earlier, results, comparison)))
    figures, report = options.output / "results.json", options.output / "report.html"
    for path in filter(None, (figures, options.json)):
        written(path, lambda path=path: _results.save(results, path))  # type: ignore[misc]
    written(report, lambda: _report.write(results, options.output, comparison))
    print(f"\nreport: {report}, plots beside it; figures: {figures}")
    if options.readme:
        try:
            written(ROOT / "README.md", lambda: _readme.update(ROOT / "README.md", results))
        except (KeyError, ValueError) as error:
            raise Refusal(f"cannot bring the README up to date: {error.args[0]}") from error
    # A library that computes something else is no failure of the machine's, but somebody has to look at it.
    return 1 if any(row.wrong for row in results.rows) else 0


def load(path: pathlib.Path) -> Results:
    try:
        return _results.read(path)
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise Refusal(f"{path} {error}") from error


def check_targets(options: argparse.Namespace) -> None:
    """Refuse what cannot be written before minutes of measuring, not after."""
    folders = {options.output} | ({options.json.parent} if options.json else set())
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise Refusal(f"cannot write to the folder {folder}: {error.strerror}") from error
    if options.rounds is not None and options.rounds < 1:
        raise Refusal(f"--rounds must be at least 1, got {options.rounds}")
    cores = fastsep.get_num_threads()
    for count in options.threads or ():
        if not 1 <= count <= cores:
            raise Refusal(f"--threads must be from 1 to {cores} on this machine, got {count}")


def written(path: pathlib.Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise Refusal(f"cannot write {path}: {error.strerror}") from error


def measure(options: argparse.Namespace) -> Results:
    chosen = choose(options)
    processes = [] if options.image else [
        entry for entry in _processes.PROCESSES if options.only in entry.name and (entry.quick or not options.quick)
    ]  # fmt: skip
    if not chosen and not processes:
        raise Refusal(f"no case contains {options.only!r}; --list prints their names")
    threads = sorted(set(options.threads or (1, fastsep.get_num_threads())))
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)

    if not options.pool:
        import numba  # noqa: F401 - a process that has Numba runs on its threads, whatever the cache held
    machine = header()
    for key, text in machine.items():
        print(f"{key:24} {text}")
    rows: list[Row] = []
    figures: tuple[Process, ...] = ()
    with progress(len(chosen) + _processes.steps(processes, rounds)) as (say, advance):
        say(_text.head(threads))
        try:
            for case, picture in chosen:
                rows.append(run(case, picture(), threads, rounds))
                say("\n".join(_text.row(rows[-1])))
                advance(case.name)
            figures = _processes.measure(processes, rounds, lambda: advance("processes"))
        except KeyboardInterrupt:
            say("stopped: what follows is what was measured so far")
        except RuntimeError as error:
            say(f"not all processes could be measured: {one_line(str(error))}")
    return Results(machine, tuple(rows), figures)


def choose(options: argparse.Namespace) -> list[tuple[Case, Callable[[], Array]]]:
    """Cases, and how each gets its image."""
    pairs: list[tuple[Case, Callable[[], Array]]]
    if options.image:
        picture = _pictures.read(options.image).pixels
        pairs = [(case, lambda pixels=pixels: pixels) for case, pixels in on_picture(picture)]  # type: ignore[misc]
    else:
        pairs = [(case, lambda case=case: image(case)) for case in CASES]  # type: ignore[misc]
    return [pair for pair in pairs if options.only in pair[0].name and (pair[0].quick or not options.quick)]


def header() -> dict[str, str]:
    """What the figures depend on."""
    fastsep.gaussian(np.zeros((512, 512), np.float32))  # the threading layer is known after a parallel call
    report = dict(fastsep.show_config())
    report.pop("cache", None)  # a path of this machine
    report |= {name: version for name, version in versions().items() if name != "fastsep"}
    report["system"] = f"{platform.system()} {platform.machine()}"
    report["cores"] = str(os.cpu_count())
    if hasattr(os, "getloadavg"):
        report["load"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    report["environment"] = " ".join(f"{name}={os.environ[name]}" for name in ENVIRONMENT)
    return report


@contextmanager
def progress(total: int) -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """How to print a line, and how to say that one of `total` things is done."""
    if importlib.util.find_spec("tqdm") is None:
        yield print, lambda name: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="case", disable=None, leave=False) as bar:

        def advance(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        yield lambda line: tqdm.write(line), advance


if __name__ == "__main__":
    raise SystemExit(main())
