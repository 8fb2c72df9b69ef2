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
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import fastsep
from benchmarks import _compare, _processes, _readme, _report, _results, _text
from benchmarks._contest import Case
from benchmarks._libraries import missing, reason, versions
from benchmarks._measure import run
from benchmarks._results import Results, Row
from benchmarks.cases import CASES, image, on_picture
from benchmarks.operations.edges import astronaut
from fastsep._cli.errors import Refusal, one_line
from fastsep._cli.pictures import picture as _pictures

ROUNDS, QUICK_ROUNDS = 3, 2
SMALLEST = 32  # rows and columns of a picture of one's own
FAILED, STOPPED = 1, 130  # exit codes; 130 is the shells' for Ctrl-C
ROOT = pathlib.Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        return command(options)
    except Refusal as refusal:
        print(f"benchmarks: error: {one_line(str(refusal))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before anything was measured, or while it was written
        print("benchmarks: stopped", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # whoever read what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains of it once more at its end
        return 1


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
    add("--readme", action="store_true", help=f"bring the figures of {_readme.README} and {_readme.TABLES} up to date")
    add("--list", action="store_true", help="print the names of all cases and processes, and stop")
    return parser


def command(options: argparse.Namespace) -> int:
    if options.list:
        print(*(case.name for case in CASES), *(f"process: {entry.name}" for entry in _processes.PROCESSES), sep="\n")
        sys.stdout.flush()
        return 0
    check(options)
    earlier = load(options.compare) if options.compare else None
    if options.load:
        status, results = 0, load(options.load)
        check_targets(options)
    else:
        selection = choose(options)
        check_targets(options)
        with interruptions() as go_on:
            status, results = measure(options, *selection, go_on)
    if not results.rows and not results.processes:
        print("benchmarks: nothing was measured", file=sys.stderr)
        return status or 1
    comparison = None if earlier is None else _compare.compare(earlier, results)
    for line in _text.summary(results):
        print(line)
    if earlier is not None and comparison is not None:
        print("\n".join(_compare.lines(earlier, results, comparison)))
    figures, report = options.output / "results.json", options.output / "report.html"
    for path in filter(None, (figures, options.json)):
        written(path, lambda path=path: _results.save(results, path))  # type: ignore[misc]
    written(report, lambda: _report.write(results, options.output, comparison))
    plots = f"without plots ({_report.plotless()})" if _report.plotless() else "plots beside it"
    print(f"\nreport: {report}, {plots}; figures: {figures}")
    if options.readme and status:
        print("the README is as it was: not everything was measured")
    elif options.readme:
        update(ROOT, results)
    # A library that computes something else is no failure of the machine's, but somebody has to look at it.
    return status or (FAILED if any(row.wrong for row in results.rows) else 0)


def update(root: pathlib.Path, results: Results) -> None:
    try:
        _readme.update(root, results)
    except OSError as error:
        raise Refusal(f"cannot bring the README up to date: {error.filename}: {error.strerror}") from error
    except (KeyError, ValueError) as error:
        raise Refusal(f"cannot bring the README up to date: {error.args[0]}") from error


def load(path: pathlib.Path) -> Results:
    try:
        return _results.read(path)
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise Refusal(f"{path} {error}") from error


def check(options: argparse.Namespace) -> None:
    """Refuse what makes no sense before minutes of measuring, not after."""
    given = {f"--{name}" for name in ("quick", "only", "image", "threads", "rounds") if getattr(options, name)}
    if options.load and given:
        raise Refusal(f"--load measures nothing, and {' and '.join(sorted(given))} cannot change what was measured")
    if options.readme and (partial := given & {"--quick", "--only", "--image"}):
        raise Refusal(f"--readme needs the whole table, without {' and '.join(sorted(partial))}")
    if options.readme and _report.plotless():
        raise Refusal(f"--readme draws a picture: {_report.plotless()}")
    if options.image and (why := missing("Pillow")):
        raise Refusal(f"--image reads with Pillow: {why}")
    if options.rounds is not None and options.rounds < 1:
        raise Refusal(f"--rounds must be at least 1, got {options.rounds}")
    cores = fastsep.get_num_threads()
    for count in options.threads or ():
        if not 1 <= count <= cores:
            raise Refusal(f"--threads must be from 1 to {cores} on this machine, got {count}")


def check_targets(options: argparse.Namespace) -> None:
    """Refuse what cannot be written, before minutes of measuring, too."""
    for path in filter(None, (options.output / "report.html", options.json)):
        folder = path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except FileExistsError:
            raise Refusal(f"cannot write to the folder {folder}: it is a file") from None
        except OSError as error:
            raise Refusal(f"cannot write to the folder {folder}: {error.strerror}") from error
        if path.is_dir():
            raise Refusal(f"cannot write {path}: it is a folder")


def written(path: pathlib.Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise Refusal(f"cannot write {path}: {error.strerror}") from error


def measure(
    options: argparse.Namespace,
    chosen: Sequence[Chosen],
    processes: Sequence[_processes.Figure],
    go_on: Callable[[], None] = lambda: None,
) -> tuple[int, Results]:
    """The exit status, and what was measured: all of it, what did not fail, or what there was time for.

    `go_on` raises KeyboardInterrupt after Ctrl-C.
    """
    threads = sorted(set(options.threads or (1, fastsep.get_num_threads())))
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)

    machine = header()
    go_on()
    for key, text in machine.items():
        print(f"{key:24} {text}")
    done: list[Row | str] = []
    outcome, stopped = _processes.Outcome(()), False
    with progress(len(chosen) + _processes.steps(processes, rounds)) as (say, advance):
        if chosen:
            say(_text.head(threads))
        try:
            for case, picture in chosen:
                row = attempt(case, picture, threads, rounds)
                go_on()
                done.append(row)
                say(row if isinstance(row, str) else "\n".join(_text.row(row)))
                advance(case.name)
            outcome = _processes.measure(processes, rounds, lambda: advance("processes"))
        except KeyboardInterrupt:
            stopped = True
        for line in outcome.failures:
            say(line)
        if stopped or outcome.stopped:
            say("stopped: what follows is what was measured so far")
    rows = tuple(row for row in done if isinstance(row, Row))
    failed = outcome.failures or len(rows) < len(done)
    status = STOPPED if stopped or outcome.stopped else FAILED if failed else 0
    return status, Results(machine, rows, outcome.processes)


def attempt(case: Case, picture: Callable[[], Array], threads: Sequence[int], rounds: int) -> Row | str:
    """The timings, or why there are none: the other cases can still be timed."""
    try:
        return run(case, picture(), threads, rounds)
    except Exception as error:  # fastsep's own, or of a picture too large for the memory
        return f"{case.name}\n  left out: {type(error).__name__}: {reason(error)}"


Chosen = tuple[Case, Callable[[], Array]]  # a case, and how it gets its image


def choose(options: argparse.Namespace) -> tuple[list[Chosen], list[_processes.Figure]]:
    """Cases and processes."""
    pairs: list[Chosen]
    if options.image:
        picture = _pictures.read(options.image).pixels
        if min(picture.shape[:2]) < SMALLEST:
            size = " x ".join(map(str, picture.shape[:2]))
            raise Refusal(f"{options.image} has {size} pixels; less than {SMALLEST} x {SMALLEST} are nearly all border")
        pairs = [(case, lambda pixels=pixels: pixels) for case, pixels in on_picture(picture)]  # type: ignore[misc]
    else:
        pairs = [(case, lambda case=case: image(case)) for case in CASES]  # type: ignore[misc]

    def wanted(entry: Case | _processes.Figure) -> bool:
        return options.only in entry.name and (entry.quick or not options.quick)

    chosen = [pair for pair in pairs if wanted(pair[0])]
    processes = [] if options.image else [entry for entry in _processes.PROCESSES if wanted(entry)]
    if not chosen and not processes:
        among = " of the short selection" if options.quick else ""
        raise Refusal(f"no case{among} contains {options.only!r}; --list prints their names")
    return chosen, processes


def header() -> dict[str, str]:
    """What the figures depend on."""
    report = dict(fastsep.show_config())
    report.pop("cache", None)  # a path of this machine
    report |= {name: version for name, version in versions().items() if name != "fastsep"}
    report["system"] = f"{platform.system()} {platform.machine()}"
    report["cores"] = str(os.cpu_count())
    if hasattr(os, "getloadavg"):
        report["load"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    if astronaut() is None:
        report["photograph"] = "blobs: scikit-image or Pillow is missing"
    report["environment"] = " ".join(f"{name}={os.environ[name]}" for name in ENVIRONMENT)
    return report


@contextmanager
def interruptions() -> Iterator[Callable[[], None]]:
    """Yields a function that raises KeyboardInterrupt if there was a Ctrl-C.

    Until it is called first, a single Ctrl-C is only remembered: libraries are imported meanwhile, and some make an
    ImportError of it, or a process that never ends.
    """
    seen: list[int] = []
    called = False

    def handler(number: int, frame: object) -> None:
        seen.append(number)
        if called or len(seen) > 1:
            raise KeyboardInterrupt

    def go_on() -> None:
        nonlocal called
        called = True
        if seen:
            raise KeyboardInterrupt

    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # else somebody wants it ignored, or has plans of their own
        signal.signal(signal.SIGINT, handler)
    try:
        yield go_on
    finally:
        if usual is signal.default_int_handler:
            signal.signal(signal.SIGINT, usual)


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
