"""The README's picture: bars of selected cases."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from benchmarks._libraries import has_one_thread
from benchmarks._pages import DIGEST, IMAGE_PEERS, IMAGES, LAYER_PEERS, LAYERS
from benchmarks._results import Ratio, Results, digits

# Told apart with any kind of colour vision.
COLOURS = {
    "OpenCV": "#0072b2",
    "scikit-image": "#009e73",
    "SciPy": "#56b4e9",
    "DIPlib": "#cc79a7",
    "ONNX Runtime": "#332288",
    "OpenVINO": "#e69f00",
    "torch": "#88a0a8",
}
GREY, LIGHT, LOSS = "#555555", "#dddddd", "#b00020"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": GREY,
    "legend.frameon": False,
}


def picture(results: Results, digest: str) -> bytes:
    """PNG of 900 x 650 pixels, which tells what results it shows."""
    threads = results.threads[-1]
    groups = [
        (label, [ratio for library in IMAGE_PEERS + LAYER_PEERS if (ratio := results.ratio(case, library, threads))])
        for case, label in IMAGES + LAYERS
    ]
    shown = {ratio.library for _, group in groups for ratio in group}
    values = [ratio.value for _, group in groups for ratio in group]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 6.5), layout="constrained")
        half = (len(groups) + 1) // 2
        for axes, part in zip(figure.subplots(1, 2), (groups[:half], groups[half:]), strict=True):
            axes.set_xscale("log")
            axes.set_xlim(min(0.7, *values) / 2.2, max(3.0, *values) * 1.9)
            draw(axes, part)
        handles = [Patch(color=COLOURS[library], label=titled(library)) for library in COLOURS if library in shown]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7.5)
        with_threads = "1 thread" if threads == 1 else f"{threads} threads"
        title = f"Time of others / time of fastsep with {with_threads}: right of 1 fastsep is faster"
        figure.suptitle(title, fontsize=10, weight="bold")
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=100, metadata={"Software": None, DIGEST: digest})
    return content.getvalue()


def draw(axes: Axes, groups: Sequence[tuple[str, Sequence[Ratio]]]) -> None:
    """A group of bars for each case, from above; each tells its ratio at its end."""
    top, middles = 0, []
    for _, ratios in groups:
        for y, ratio in enumerate(ratios, top):
            axes.barh(y, ratio.value - 1, left=1, height=0.86, color=COLOURS[ratio.library])
            won = ratio.value >= 1
            axes.annotate(
                digits(ratio.value, 2 if ratio.value < 100 else 3), (ratio.value, y), (3 if won else -3, 0),
                textcoords="offset points", va="center_baseline", ha="left" if won else "right",
                fontsize=6.5, color=GREY if won else LOSS, weight="normal" if won else "bold",
            )  # fmt: skip
        middles.append(top + (len(ratios) - 1) / 2)
        top += len(ratios) + 1
    axes.set_yticks(middles, [label for label, _ in groups])
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.set_ylim(top - 1, -1)
    axes.axvline(1, color=GREY, linewidth=1.2)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)


def titled(library: str) -> str:
    return f"{library} (one thread)" if has_one_thread(library) else library
