"""What the figures say, in lines of plain text for the terminal; and how numbers are written everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks._libraries import LIBRARIES
from benchmarks._results import OURS, Process, Results, Row

NAME = 52  # columns of a case's name
THREADS = 12  # columns of a number of threads
BUSY = 0.08  # cores that others use without disturbing; the system itself needs a few hundredths


@dataclass(frozen=True)
class Loss:
    """A cell in which another library is faster."""

    row: Row
    threads: int
    library: str
    ratio: float


@dataclass(frozen=True)
class Summary:
    """All cells of one library and one number of threads."""

    library: str
    threads: int
    mean: float  # geometric, of the ratios
    worst: Row
    ratio: float  # of the worst
    cells: int
    losses: int


def digits(value: float, count: int) -> str:
    """With `count` digits that count, and never as a power of ten."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{count}g}")
    places = max(0, count - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:.{places}f}"


def milliseconds(seconds: float) -> str:
    return digits(1e3 * seconds, 4)


def amount(value: float, unit: str) -> str:
    """A figure of a process with its unit."""
    if unit == "bytes":
        return f"{digits(value / 1e6, 3)} MB"
    return f"{digits(1e3 * value, 3)} ms"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_thread(library: str) -> bool:
    """Whether the library has only one, whatever number fastsep takes."""
    return library in LIBRARIES and LIBRARIES[library].threads == "one"


def titled(library: str) -> str:
    return f"{library} (one thread)" if one_thread(library) else library


def noisy(row: Row, library: str, threads: int) -> bool:
    timing = row.timing(library, threads)
    return timing is not None and timing.noisy


def share_of_limit(row: Row, threads: int) -> tuple[float, str] | None:
    """What the machine needs at least, over what fastsep takes; and which limit it is."""
    ours, limit = row.timing(OURS, threads), row.limit(threads)
    if ours is None or limit is None or not limit.seconds:
        return None
    return limit.seconds / ours.median, limit.binding


def losses(results: Results) -> list[Loss]:
    return [
        Loss(row, threads, library, ratio)
        for row in results.rows
        for threads in row.threads
        for library in row.rivals
        if (ratio := row.ratio(library, threads)) is not None and ratio < 1
    ]


def summaries(results: Results) -> list[Summary]:
    found = []
    for library in results.rivals():
        for threads in results.threads():
            mean, cells = results.geometric_mean(library, threads), list(results.ratios(library, threads))
            if mean is None:
                continue
            worst, ratio = min(cells, key=lambda cell: cell[1])
            lost = sum(ratio < 1 for _, ratio in cells)
            found.append(Summary(library, threads, mean, worst, ratio, len(cells), lost))
    return found


def ends(results: Results) -> list[int]:
    """The smallest and the largest number of threads: where there is room for two only."""
    threads = results.threads()
    return sorted({threads[0], threads[-1]}) if threads else []


def left_out(results: Results) -> dict[tuple[str, str], list[str]]:
    """Names of the cases in which a library was left out, for each library and reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in results.rows:
        for library, reason in row.left_out.items():
            found.setdefault((library, reason), []).append(row.name)
    return found


def left_out_line(library: str, reason: str, names: Sequence[str]) -> str:
    """Not all names: what is not installed is missing in dozens of cases, what differs stands beside its case."""
    return f"{library}: {reason} ({names[0] if len(names) == 1 else count(len(names), 'case')})"


def head(threads: Sequence[int]) -> str:
    """What stands above the rows."""
    numbers = f"{' and '.join(map(str, threads))} thread{'' if list(threads) == [1] else 's'}"
    marks = "~ a noisy cell, ! fastsep is slower, busy: other processes took that share of a core"
    titles = f"{'':{THREADS}} {'ms':>9}  {'of the limit':15} how many times as long the others take"
    return f"\nfastsep with {numbers} ({marks})\n\ncase\n{titles}"


def row(row: Row) -> list[str]:
    """The name, a line for each number of threads, and one for each library that failed or whose result differs."""
    busy = f"  (busy {row.busy:.0%})" if row.busy > BUSY else ""
    lines = [row.name + busy, *(_cell_line(row, threads) for threads in row.threads)]
    # What is not installed is said once, below the table.
    return lines + [f"  {library} left out: {row.left_out[library]}" for library in row.wrong]


def _cell_line(row: Row, threads: int) -> str:
    ours, limit = row.timing(OURS, threads), share_of_limit(row, threads)
    assert ours is not None
    share = "" if limit is None else f"{limit[0]:4.0%} {limit[1]}"
    others = "  ".join(
        f"{library} {digits(ratio, 3) + _marks(row, library, threads, ratio):6}"
        for library in row.rivals
        if (ratio := row.ratio(library, threads)) is not None
    )
    mark = "~" if ours.noisy else " "
    where = f"  {count(threads, 'thread')}"
    return f"{where:{THREADS}} {milliseconds(ours.median):>9}{mark} {share:15} {others}".rstrip()


def _marks(row: Row, library: str, threads: int, ratio: float) -> str:
    return ("!" if ratio < 1 else "") + ("~" if noisy(row, library, threads) else "")


def summary(results: Results) -> Iterator[str]:
    """What to read first: means and worst cells, losses, processes, and what was left out."""
    found = summaries(results)
    if found:
        yield f"\n{'others / fastsep':34} {'cells':>5} {'mean':>6} {'losses':>6}  worst"
    for cell in found:
        title = f"{titled(cell.library)}, {count(cell.threads, 'thread')}"
        if one_thread(cell.library):
            title = f"{titled(cell.library)} beside {cell.threads}"
        worst = f"{digits(cell.ratio, 3)} {cell.worst.name}"
        yield f"{title:34} {cell.cells:5} {digits(cell.mean, 3):>6} {cell.losses:6}  {worst}"
    if found:
        yield from _loss_lines(losses(results))
    for (library, reason), names in left_out(results).items():
        yield f"left out: {left_out_line(library, reason, names)}"
    if results.processes:
        yield "\nwhole processes"
    for process in results.processes:
        yield process_line(process)


def _loss_lines(found: Sequence[Loss]) -> Iterator[str]:
    yield f"\nlosses: {len(found)}"
    for loss in found:
        where = f"{loss.row.name}, {count(loss.threads, 'thread')}"
        yield f"  {where:{NAME + 12}} {titled(loss.library):26} {digits(loss.ratio, 3)}"


def process_line(process: Process) -> str:
    values = "  ".join(f"{value.library} {amount(value.median, process.unit)}" for value in process.values)
    return f"  {process.name:{NAME}} {values}"


def lines(results: Results) -> Iterator[str]:
    """The whole table and its summary."""
    if results.rows:
        yield head(results.threads())
    for one in results.rows:
        yield from row(one)
    yield from summary(results)
