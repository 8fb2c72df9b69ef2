"""Plots of the results. Each function returns None, or nothing, where the results lack what it shows."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks._readme import DIGEST, IMAGE_PEERS, LAYER_PEERS, SELECTED, digest, selected
from benchmarks._results import OURS, Results, Row
from benchmarks._text import count, digits, ends, titled

# Told apart with any kind of colour vision, and none as strong as fastsep's.
COLOURS = {
    OURS: "#d55e00",
    "OpenCV": "#0072b2",
    "scikit-image": "#009e73",
    "SciPy": "#56b4e9",
    "DIPlib": "#cc79a7",
    "Pillow": "#e6b000",
    "ONNX Runtime": "#332288",
    "torch": "#88a0a8",
    "NumPy": "#777777",
}
MARKERS = {OURS: "o", "OpenCV": "s", "scikit-image": "^", "SciPy": "v", "DIPlib": "D", "Pillow": "P"}
OTHER = "#777777"
GREY, LIGHT, LOSS = "#555555", "#dddddd", "#b00020"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "legend.frameon": False,
    "svg.hashsalt": OURS,  # the same names in the same picture
}
BARS = 64  # on one page
SMALLEST_RATIO, LARGEST_RATIO = 0.7, 3.0  # that an axis of ratios shows at least


def draw(results: Results) -> dict[str, Figure]:
    """All plots that the results have data for, by name."""
    with matplotlib.rc_context(STYLE):
        pages = ratios(results)
        found: dict[str, Figure | None] = {
            "ratios" if len(pages) == 1 else f"ratios-{number}": page for number, page in enumerate(pages, 1)
        }
        found |= {
            "sizes": sizes(results),
            "sigmas": sigmas(results),
            "threads": threads(results),
            "roofline": roofline(results),
        }
        return {name: figure for name, figure in found.items() if figure is not None}


def svg(figure: Figure) -> bytes:
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def png(figure: Figure, dpi: int = 150, **entries: str) -> bytes:
    return _saved(figure, format="png", dpi=dpi, metadata={"Software": None, **entries})


def _saved(figure: Figure, **options: Any) -> bytes:
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(content, **options)
    return content.getvalue()


def colour(library: str) -> str:
    return COLOURS.get(library, OTHER)


def ratios(results: Results) -> list[Figure]:
    """Bars of every case and library, with one thread and with all; pages of a readable height."""
    rows = [row for row in results.rows if any(_bars(row, number) for number in row.threads)]
    counts = ends(results)
    values = [ratio for row in rows for number in counts for _, ratio in _bars(row, number)]
    pages = []
    for page in _pages(rows):
        lines = sum(len(row.rivals) + 1 for row in page)
        figure = Figure(figsize=(12, 1.3 + 0.155 * lines), layout="constrained")
        panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for axes, number in zip(panels, counts, strict=True):
            _draw_bars(axes, [(row.name, row) for row in page], number)
            _ratio_axis(axes, values, f"fastsep with {count(number, 'thread')}")
        libraries = list(dict.fromkeys(library for row in page for library in row.rivals))
        figure.legend(handles=_patches(libraries), loc="outside upper center", ncols=len(libraries))
        pages.append(figure)
    return pages


def _bars(row: Row, threads: int) -> list[tuple[str, float]]:
    """Libraries and ratios; none where fastsep was not timed with as many threads."""
    if threads not in row.threads:
        return []
    found = [(library, row.ratio(library, threads)) for library in row.rivals]
    return [(library, ratio) for library, ratio in found if ratio is not None]


def _pages(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows in order, an operation on one page where that is possible."""
    page: list[Row] = []
    for number, row in enumerate(rows):
        alike = [other for other in rows[number:] if other.operation == row.operation]
        fresh = not page or page[-1].operation != row.operation
        coming = sum(len(other.rivals) for other in (alike if fresh else [row]))
        if page and sum(len(other.rivals) for other in page) + coming > BARS:
            yield page
            page = []
        page.append(row)
    if page:
        yield page


def _draw_bars(axes: Axes, rows: Sequence[tuple[str, Row]], threads: int, size: float = 7.0) -> None:
    """A group of bars for each row, from above; each tells its ratio at its end."""
    top, middles = 0.0, []
    for _, row in rows:
        drawn = dict(_bars(row, threads))
        for number, library in enumerate(row.rivals):
            ratio = drawn.get(library)
            if ratio is not None:
                _draw_bar(axes, top + number, library, ratio, size)
        middles.append(top + (len(row.rivals) - 1) / 2)
        top += len(row.rivals) + 1
    axes.set_yticks(middles, [label for label, _ in rows])
    axes.tick_params(axis="y", length=0, labelsize=size + 1)
    axes.set_ylim(top - 1, -1)


def _draw_bar(axes: Axes, y: float, library: str, ratio: float, size: float) -> None:
    axes.barh(y, ratio - 1, left=1, height=0.86, color=colour(library))
    axes.annotate(
        digits(ratio, 2 if ratio < 100 else 3),
        (ratio, y),
        (3 if ratio >= 1 else -3, 0),
        textcoords="offset points",
        va="center_baseline",
        ha="left" if ratio >= 1 else "right",
        fontsize=size,
        color=GREY if ratio >= 1 else LOSS,
        weight="normal" if ratio >= 1 else "bold",
    )


def _ratio_axis(axes: Axes, values: Sequence[float], title: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(min(SMALLEST_RATIO, *values) / 2.2, max(LARGEST_RATIO, *values) * 1.9)
    axes.spines["left"].set_visible(False)
    axes.axvline(1, color=GREY, linewidth=1.2)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("time / fastsep's time: right of 1 fastsep is faster")
    axes.set_title(title)


def _plain(value: float, position: object = None) -> str:
    return f"{value:g}"


def _patches(libraries: Sequence[str]) -> list[Patch]:
    return [Patch(color=colour(library), label=titled(library)) for library in libraries]


def sizes(results: Results) -> Figure | None:
    """Time against the number of pixels."""
    kinds = {"gaussian": {"sigma": 2}, "sobel": {}}
    chosen = {}
    for operation, parameters in kinds.items():
        rows = [row for row in results.rows if row.operation == operation and row.parameters == parameters]
        rows = [row for row in rows if row.dtype == "float32" and len(row.shape) == 2]
        if len({_pixels(row) for row in rows}) > 1:
            chosen[operation] = sorted(rows, key=_pixels)
    if not chosen:
        return None
    figure = Figure(figsize=(11 if len(chosen) > 1 else 7, 5), layout="constrained")
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for axes, (operation, rows) in zip(panels, chosen.items(), strict=True):
        _draw_lines(axes, rows, _pixels, ends(results))
        ticks = {_pixels(row): " x ".join(map(str, row.shape)) for row in rows}
        axes.set_xticks(list(ticks), list(ticks.values()), rotation=35, ha="right", rotation_mode="anchor")
        words = [operation, *(f"{key} {value}" for key, value in kinds[operation].items()), "float32"]
        axes.set_title(", ".join(words))
        axes.set_xlabel("pixels")
    panels[0].set_ylabel("ms")
    _line_legend(figure, [row for rows in chosen.values() for row in rows], ends(results))
    return figure


def _pixels(row: Row) -> float:
    return float(row.shape[0] * row.shape[1])


def sigmas(results: Results) -> Figure | None:
    """Time against the width of a Gaussian."""
    rows = [row for row in results.rows if row.operation == "gaussian" and set(row.parameters) == {"sigma"}]
    rows = sorted((row for row in rows if row.dtype == "float32" and row.shape == (2160, 3840)), key=_sigma)
    if len({_sigma(row) for row in rows}) < 2:
        return None
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    _draw_lines(axes, rows, _sigma, ends(results))
    axes.set_xticks([_sigma(row) for row in rows], [f"{_sigma(row):g}" for row in rows])
    axes.set_title("gaussian, 2160 x 3840, float32")
    axes.set_xlabel("sigma")
    axes.set_ylabel("ms")
    _line_legend(figure, rows, ends(results))
    return figure


def _sigma(row: Row) -> float:
    return float(row.parameters["sigma"])


def _draw_lines(axes: Axes, rows: Sequence[Row], place: Callable[[Row], float], counts: Sequence[int]) -> None:
    """A line for each library; dashed with more than one thread."""
    for library in _libraries(rows):
        for number in counts:
            found = [
                (place(row), t.median)
                for row in rows
                for t in row.timings
                if (t.library, t.threads) == (library, number)
            ]
            axes.plot(
                [x for x, _ in found],
                [1e3 * seconds for _, seconds in found],
                color=colour(library),
                linestyle="-" if number == counts[0] else "--",
                marker=MARKERS.get(library, "x"),
                markersize=5.5 if library == OURS else 4,
                linewidth=2.6 if library == OURS else 1.3,
                zorder=3 if library == OURS else 2,
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.grid(color=LIGHT, linewidth=0.6)


def _libraries(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(timing.library for row in rows for timing in row.timings))


def _line_legend(figure: Figure, rows: Sequence[Row], counts: Sequence[int]) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=colour(library),
            marker=MARKERS.get(library, "x"),
            linewidth=2.6 if library == OURS else 1.3,
            markersize=5.5 if library == OURS else 4,
            label=titled(library),
        )
        for library in _libraries(rows)
    ]
    if len(counts) > 1:
        styles: tuple[Any, ...] = ("-", "--")
        for number, style in zip(counts, styles, strict=True):
            handles.append(Line2D([], [], color=GREY, linestyle=style, label=count(number, "thread")))
    figure.legend(handles=handles, loc="outside right upper")


def threads(results: Results) -> Figure | None:
    """How much faster each library is with more threads: a thin line a case, a bold one for their mean."""
    gains: dict[str, list[dict[int, float]]] = {}
    for row in results.rows:
        for library in _libraries([row]):
            own = {timing.threads: timing.median for timing in row.timings if timing.library == library}
            if len(own) > 1 and 1 in own:
                gains.setdefault(library, []).append({number: own[1] / own[number] for number in sorted(own)})
    if not gains:
        return None
    counts = sorted({number for cases in gains.values() for case in cases for number in case})
    figure = Figure(figsize=(max(5.0, 2.6 * len(gains)), 4.2), layout="constrained")
    panels = figure.subplots(1, len(gains), sharey=True, squeeze=False)[0]
    for axes, (library, cases) in zip(panels, gains.items(), strict=True):
        _draw_gains(axes, library, cases, counts)
    panels[0].set_ylabel("times as fast as with one thread")
    figure.supxlabel("threads", fontsize=9)
    return figure


def _draw_gains(axes: Axes, library: str, cases: Sequence[dict[int, float]], counts: Sequence[int]) -> None:
    axes.plot(counts, counts, color=GREY, linewidth=1, linestyle=":")
    for case in cases:
        axes.plot(list(case), list(case.values()), color=colour(library), linewidth=0.8, alpha=0.25)
    means = {}
    for number in counts:
        found = [case[number] for case in cases if number in case]
        if found:
            means[number] = statistics.geometric_mean(found)
    axes.plot(list(means), list(means.values()), color=colour(library), linewidth=3, marker="o")
    last = max(means)
    axes.annotate(
        digits(means[last], 3),
        (last, means[last]),
        (6, 0),
        textcoords="offset points",
        va="center",
        weight="bold",
        color=colour(library),
        annotation_clip=False,
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_plain))
        axis.set_minor_locator(NullLocator())
    axes.set_xticks(counts)
    axes.set_xlim(counts[0] / 1.1, counts[-1] * (counts[-1] / counts[0]) ** 0.35)
    axes.grid(color=LIGHT, linewidth=0.6)
    axes.set_title(f"{library}\n{count(len(cases), 'case')}")


@dataclass(frozen=True)
class Roof:
    """What one core can do at most; in 1e9 a second."""

    best: float  # bytes, of the row that fared best: small images stay in a cache
    memory: float  # bytes, of the largest row
    peak: float  # floating-point operations


def _roof(results: Results) -> Roof | None:
    rates = []
    peak = 0.0
    for row in results.rows:
        limit = row.limit(1)
        if limit is not None and limit.memory:
            rates.append((row.bytes, row.bytes / limit.memory / 1e9))
        if limit is not None and limit.arithmetic:
            peak = max(peak, 2 * row.multiply_adds / limit.arithmetic / 1e9)
    if not rates or not peak:
        return None
    return Roof(max(rate for _, rate in rates), max(rates)[1], peak)


def roofline(results: Results) -> Figure | None:
    """What fastsep achieves with one thread, below what memory and arithmetic allow."""
    points = []
    for row in results.rows:
        ours = row.timing(OURS, 1)
        if ours is not None and 1 in row.threads and row.multiply_adds and row.bytes:
            work = 2 * row.multiply_adds
            points.append((work / row.bytes, work / ours.median / 1e9, row.name))
    roof = _roof(results)
    if len(points) < 2 or roof is None:
        return None
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(*xs, roof.peak / roof.best) / 2, max(*xs, roof.peak / roof.memory) * 3)
    axes.set_ylim(min(ys) / 1.6, 1.7 * max(roof.peak, *ys))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_plain))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(color=LIGHT, linewidth=0.6)
    axes.set_title("fastsep with one thread, and what the machine allows")
    axes.set_xlabel("arithmetic intensity: operations for each byte that has to be read or written")
    axes.set_ylabel("1e9 floating-point operations a second")
    lines = _draw_roof(axes, roof)
    axes.scatter(xs, ys, s=26, color=colour(OURS), alpha=0.85, linewidth=0, zorder=3)
    axes.legend(loc="upper left")
    _label_points(figure, axes, points, lines)
    return figure


def _draw_roof(axes: Axes, roof: Roof) -> list[tuple[float, float]]:
    """Draw the lines, and return points on them."""
    left, right = axes.get_xlim()
    xs = [left * (right / left) ** (k / 200) for k in range(201)]
    kinds = (
        (roof.best, "-", f"arithmetic {digits(roof.peak, 3)} GFLOP/s; memory {digits(roof.best, 3)} GB/s, at best"),
        (roof.memory, "--", f"memory {digits(roof.memory, 3)} GB/s, the largest image"),
    )
    found = []
    for rate, style, label in kinds:
        ys = [min(roof.peak, rate * x) for x in xs]
        axes.plot(xs, ys, color=GREY, linewidth=1.5, linestyle=style, label=label)
        found += list(zip(xs, ys, strict=True))
    return found


def _label_points(
    figure: Figure, axes: Axes, points: Sequence[tuple[float, float, str]], lines: Sequence[tuple[float, float]]
) -> None:
    """Name as many points as have room, one of each operation first."""
    figure.draw_without_rendering()  # puts the axes where they will be
    legend = axes.get_legend()
    taken = [] if legend is None else [legend.get_window_extent()]
    places = axes.transData.transform([(x, y) for x, y, _ in points])
    crossed = axes.transData.transform(list(lines))
    for number in _one_of_each_first([name.split()[0] for _, _, name in points]):
        x, y, name = points[number]
        others = [place for k, place in enumerate(places) if k != number]
        for offset, ha, va in _SIDES:
            label = axes.annotate(
                _short(name), (x, y), offset, textcoords="offset points", ha=ha, va=va, fontsize=7, color="#333333"
            )
            box = label.get_window_extent().padded(2)
            inside = axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1 and axes.bbox.y0 < box.y0 and box.y1 < axes.bbox.y1
            if inside and not (
                any(box.overlaps(other) for other in taken)
                or any(box.padded(3).contains(*place) for place in others)
                or any(box.contains(*place) for place in crossed)
            ):
                taken.append(box)
                break
            label.remove()


def _one_of_each_first(kinds: Sequence[str]) -> list[int]:
    """Places in a sequence: the first of every kind, then the second of every kind, and so on."""
    return sorted(range(len(kinds)), key=lambda number: (kinds[:number].count(kinds[number]), number))


_SIDES: tuple[tuple[tuple[int, int], str, str], ...] = (
    ((6, 0), "left", "center"),
    ((-6, 0), "right", "center"),
    ((0, 6), "center", "bottom"),
    ((0, -6), "center", "top"),
)


def _short(name: str) -> str:
    return name.replace(" 2160x3840", "").replace(" float32", "")


def plot_readme(results: Results) -> bytes:
    """The README's picture, PNG of 900 x 500 pixels, which tells what results it shows."""
    with matplotlib.rc_context(STYLE):
        threads = ends(results)[-1]
        rows = [(label, _of_tables(row)) for row, label in selected(results, SELECTED)]
        libraries = list(dict.fromkeys(library for _, row in rows for library, _ in _bars(row, threads)))
        values = [ratio for _, row in rows for _, ratio in _bars(row, threads)]
        figure = Figure(figsize=(9, 5), layout="constrained")
        half = (len(rows) + 1) // 2
        for axes, part in zip(figure.subplots(1, 2), (rows[:half], rows[half:]), strict=True):
            _draw_bars(axes, part, threads, size=6.5)
            _ratio_axis(axes, values, "")
            axes.set_xlabel("")
        handles = _patches(libraries)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(libraries), fontsize=7.5)
        title = f"Time of others / time of fastsep with {count(threads, 'thread')}: right of 1 fastsep is faster"
        figure.suptitle(title, fontsize=10, weight="bold")
        return png(figure, dpi=100, **{DIGEST: digest(results)})


def _of_tables(row: Row) -> Row:
    """With the libraries only that the tables show."""
    shown = (OURS, *IMAGE_PEERS, *LAYER_PEERS)
    return replace(row, timings=tuple(timing for timing in row.timings if timing.library in shown))
