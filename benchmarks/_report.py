"""The results as a page for the browser: one file that needs no other."""

from __future__ import annotations

import base64
import importlib
import pathlib
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape

from benchmarks._compare import Change
from benchmarks._files import write_whole
from benchmarks._libraries import NOT_INSTALLED, reason
from benchmarks._results import NOISY, OURS, Process, Results, Row, Timing
from benchmarks._text import (
    BUSY,
    amount,
    count,
    digits,
    left_out,
    left_out_line,
    losses,
    milliseconds,
    noisy,
    share_of_limit,
    summaries,
    titled,
)

METHOD = f"""Every library that is installed takes part where it has the operation, with the same number of threads as
fastsep, or with its only one. Before a case is timed, the results have to agree; where they cannot, a note below the
table says why. Then all take turns in one process, round by round: a burst of calls to warm up, because a core that
slept wakes too slowly for a short measurement, and a burst that counts. Results are written into arrays made before,
wherever a library allows it. Times are medians, with quartiles in brackets; a ratio is the other library's time over
fastsep's, so above 1 fastsep is faster. A cell is marked ~ where its quartiles are more than {NOISY:.0%} of the median
apart. The limit is what the machine needs at least: to copy as many bytes, or for as many multiply-adds in registers,
measured in turns with the libraries; the larger of the two binds. Multiply-adds are one for each
tap: two symmetric taps cost one and an addition, so that wide symmetric filters go beyond that limit."""

CSS = """
:root { color-scheme: light dark; --line: #d5d5d5; --soft: #f3f3f3; --loss: #b00020; --dim: #666; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444; --soft: #262626; --loss: #ff7b88; --dim: #aaa; }
}
body { font: 15px/1.45 system-ui, sans-serif; max-width: 80rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 0.3rem; }
.scroll { overflow-x: auto; margin: 0.5rem 0; }
table { border-collapse: collapse; font-size: 0.87rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--dim); padding-bottom: 0.3rem; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--soft); }
td.number { text-align: right; white-space: nowrap; }
th.name { font-weight: 500; min-width: 14rem; }
.loss { color: var(--loss); font-weight: 700; }
.dim, .notes { color: var(--dim); }
.notes { font-size: 0.87rem; margin: 0.3rem 0; padding-left: 1.2rem; }
.contents a { margin-right: 0.8em; white-space: nowrap; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
"""

PLOTS = {
    "ratios": "Time of the others over fastsep's; a bar to the left of 1 is a loss.",
    "sizes": "Time against the size of the image.",
    "sigmas": "Time against the width of a Gaussian.",
    "threads": "What more threads bring: thin lines are cases, the bold one is their geometric mean.",
    "roofline": "What fastsep achieves, below the limits of memory and arithmetic.",
}


def write(results: Results, folder: pathlib.Path, comparison: Sequence[Change] | None = None) -> None:
    """The page report.html, and every plot as a PNG file beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not plotless():
        from benchmarks import _plots

        for name, figure in _plots.draw(results).items():
            write_whole(folder / f"{name}.png", _plots.png(figure))
    write_html(results, folder / "report.html", comparison)


def write_html(results: Results, path: pathlib.Path, comparison: Sequence[Change] | None = None) -> None:
    """The page. `comparison` is what `benchmarks._compare.compare` returns."""
    write_whole(path, "\n".join(_page(results, comparison)).encode())


@cache
def plotless() -> str:
    """Why there are no plots; empty where there are."""
    try:
        importlib.import_module("matplotlib.figure")
    except Exception as error:  # without Pillow, too, which it needs
        absent = isinstance(error, ModuleNotFoundError) and error.name == "matplotlib"
        return f"matplotlib {NOT_INSTALLED if absent else f'cannot be imported: {reason(error)}'}"
    return ""


def _page(results: Results, comparison: Sequence[Change] | None) -> Iterator[str]:
    title = f"fastsep {results.machine.get('fastsep', '')}: benchmarks".replace(" :", ":")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>"
    yield from _machine(results)
    if results.rows:
        yield from _summary(results)
        yield from _losses(results)
    if comparison is not None:
        yield from _comparison(comparison)
    yield from _plots_of(results)
    if results.rows:
        yield from _cases(results)
    yield from _left_out(results)
    if results.processes:
        yield from _processes(results.processes)
    yield f'<h2 id="method">How it was measured</h2>\n<p>{escape(METHOD)}</p>\n</body>\n</html>\n'


def _table(caption: str, titles: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0">\n<table>\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{chr(10).join(rows)}\n</tbody>\n</table>\n</div>"
    )


def _name(text: str, rows: int = 1) -> str:
    span = f' rowspan="{rows}"' if rows > 1 else ""
    return f'<th class="name" scope="row"{span}>{escape(text)}</th>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _number(text: str, loss: bool = False) -> str:
    """A cell whose text is HTML already."""
    return f'<td class="number{" loss" if loss else ""}">{text}</td>'


def _ratio(ratio: float) -> str:
    return _number(digits(ratio, 3), ratio < 1)


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _machine(results: Results) -> Iterator[str]:
    rows = [_row(_name(key), _cell(text)) for key, text in results.machine.items()]
    yield _table("What the figures depend on", ("machine", ""), rows)


def _summary(results: Results) -> Iterator[str]:
    rows = [
        _row(
            _name(titled(cell.library)),
            _number(str(cell.threads)),
            _number(str(cell.cells)),
            _ratio(cell.mean),
            _number(str(cell.losses)),
            _ratio(cell.ratio),
            _cell(cell.worst.name),
        )
        for cell in summaries(results)
    ]
    titles = ("library", "fastsep's threads", "cells", "geometric mean", "losses", "worst", "worst case")
    yield '<h2 id="summary">Summary</h2>'
    yield _table("How many times as long the others take as fastsep", titles, rows)


def _losses(results: Results) -> Iterator[str]:
    found = losses(results)
    yield '<h2 id="losses">Losses</h2>'
    if not found:
        yield "<p>No library is faster than fastsep in any cell.</p>"
        return
    rows = [
        _row(_name(loss.row.name), _number(str(loss.threads)), _cell(titled(loss.library)), _ratio(loss.ratio))
        for loss in found
    ]
    caption = f"Every cell in which another library is faster: {len(found)}"
    yield _table(caption, ("case", "fastsep's threads", "library", "ratio"), rows)


def _comparison(changes: Sequence[Change]) -> Iterator[str]:
    yield '<h2 id="comparison">Compared with earlier results</h2>'
    changed = [change for verdict in ("slower", "faster") for change in changes if change.verdict == verdict]
    slower = sum(change.verdict == "slower" for change in changed)
    yield (
        f"<p>Of {count(len(changes), 'cell')} in both: {slower} slower, {len(changed) - slower} faster. The verdict is"
        " of the normalised figure: new time over old, had the machine been as fast as before.</p>"
    )
    if changed:
        yield _table("Cells that changed", ("case", "threads", "", "old ms", "new ms", "new / old", "normalised"),
                     [_change(change) for change in changed])  # fmt: skip


def _change(change: Change) -> str:
    return _row(
        _name(change.name),
        _number(str(change.threads)),
        _cell(change.verdict),
        _number(milliseconds(change.old)),
        _number(milliseconds(change.new)),
        _number(digits(change.raw, 3)),
        _number(digits(change.normalised, 3), change.verdict == "slower"),
    )


def _plots_of(results: Results) -> Iterator[str]:
    if plotless():
        yield f"<p>Without plots: {escape(plotless())}.</p>"
        return
    from benchmarks import _plots

    figures = _plots.draw(results)
    if figures:
        yield '<h2 id="plots">Plots</h2>'
    for name, figure in figures.items():
        caption = escape(PLOTS[name.partition("-")[0]])
        content = base64.b64encode(_plots.svg(figure)).decode()
        yield f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{content}">'
        yield f"<figcaption>{caption}</figcaption></figure>"


def _cases(results: Results) -> Iterator[str]:
    operations = list(dict.fromkeys(row.operation for row in results.rows))
    yield '<h2 id="cases">All cases</h2>'
    links = " ".join(f'<a href="#op-{escape(operation)}">{escape(operation)}</a>' for operation in operations)
    yield f'<p class="contents">{links}</p>'
    for operation in operations:
        yield from _operation(operation, [row for row in results.rows if row.operation == operation])


def _operation(operation: str, rows: Sequence[Row]) -> Iterator[str]:
    rivals = list(dict.fromkeys(library for row in rows for library in row.rivals))
    titles = ("case", "threads", "fastsep ms", "of the limit", *(f"{titled(library)} ms, ratio" for library in rivals))
    yield f'<h3 id="op-{escape(operation)}">{escape(operation)}</h3>'
    lines = [line for row in rows for line in _case(row, rivals)]
    yield _table(f"{operation}: medians, fastsep's quartiles in brackets", titles, lines)
    notes = list(dict.fromkeys(note for row in rows for note in _notes(row)))
    if notes:
        yield '<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _case(row: Row, rivals: Sequence[str]) -> Iterator[str]:
    """A row for each number of threads; the name spans them."""
    for number, threads in enumerate(row.threads):
        ours, limit = row.timing(OURS, threads), share_of_limit(row, threads)
        assert ours is not None
        yield _row(
            *([_name(row.name, len(row.threads))] if number == 0 else []),
            _number(str(threads)),
            _number(_own_time(ours)),
            _number("" if limit is None else f"{limit[0]:.0%} {limit[1]}"),
            *(_rival(row, library, threads) for library in rivals),
        )


def _own_time(ours: Timing) -> str:
    quartiles = f"({milliseconds(ours.low)} - {milliseconds(ours.high)})"
    return f'{milliseconds(ours.median)}{_mark(ours.noisy)} <span class="dim">{quartiles}</span>'


def _rival(row: Row, library: str, threads: int) -> str:
    timing, ratio = row.timing(library, threads), row.ratio(library, threads)
    if timing is None or ratio is None:
        return _number('<span class="dim">-</span>')
    text = f"{milliseconds(timing.median)}{_mark(noisy(row, library, threads))}, <b>{digits(ratio, 3)}</b>"
    return _number(text, ratio < 1)


def _mark(is_noisy: bool) -> str:
    return '<abbr title="noisy: the quartiles are far apart">~</abbr>' if is_noisy else ""


def _notes(row: Row) -> Iterator[str]:
    for timing in row.timings:
        if timing.note:
            yield f"{timing.library}: {timing.note}"
    for library in row.wrong:
        yield f"{row.name}: without {library}, which {row.left_out[library]}"
    if row.busy > BUSY:
        yield f"{row.name}: other processes used {digits(row.busy, 2)} cores meanwhile"


def _left_out(results: Results) -> Iterator[str]:
    found = [left_out_line(library, reason, names) for (library, reason), names in left_out(results).items()]
    absent = [name for name, version in results.machine.items() if version == NOT_INSTALLED]
    found += [f"{name}: {NOT_INSTALLED}" for name in absent if not any(name == key for key, _ in left_out(results))]
    if found:
        yield '<h2 id="left-out">Left out</h2>\n<ul>'
        yield from (f"<li>{escape(line)}</li>" for line in found)
        yield "</ul>"


def _processes(processes: Sequence[Process]) -> Iterator[str]:
    libraries = list(dict.fromkeys(value.library for process in processes for value in process.values))
    rows = []
    for process in processes:
        values = {value.library: value for value in process.values}
        cells = [_process_value(values.get(library), process.unit) for library in libraries]
        rows.append(_row(_name(process.name), *cells))
    yield '<h2 id="processes">Whole processes</h2>'
    caption = "Cold starts and memory, each the median over fresh processes, quartiles in brackets"
    yield _table(caption, ("", *libraries), rows)


def _process_value(value: Timing | None, unit: str) -> str:
    if value is None:
        return _number('<span class="dim">-</span>')
    quartiles = f"({amount(value.low, unit)} - {amount(value.high, unit)})"
    return _number(f'{amount(value.median, unit)}{_mark(value.noisy)} <span class="dim">{quartiles}</span>')
