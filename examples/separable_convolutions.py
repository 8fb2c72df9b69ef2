"""The two kinds of separable convolution, for someone who meets them first.

    python -m pip install ".[examples]" && python examples/separable_convolutions.py

Prints a short text with measured times and writes one picture, `separable-convolutions.png`.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import matplotlib

matplotlib.use("Agg")  # draws into files, so that no display is needed

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage as ndi
import skimage.data
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch, Polygon, Rectangle

import fastsep

Array = np.ndarray[Any, Any]
Name = TypeVar("Name")

SMOOTH, DERIVE = np.array([1, 2, 1]), np.array([-1, 0, 1])
SOBEL = np.outer(SMOOTH, DERIVE)
LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])

# Image (H, W, C), kernel size, number of filters, padding; and how many images a timed call takes, so
# that it is the work that is timed and not the call.
LAYERS = (
    ((12, 12, 3), 5, 256, "valid", 64),
    ((7, 7, 3), 3, 128, "valid", 256),
    ((56, 56, 64), 3, 64, "same", 8),
    ((28, 28, 256), 3, 256, "same", 8),
)
DETAIL = np.s_[60:260, 150:350]  # of the photograph
TURN, ROUNDS = 0.03, 5  # seconds in which a call is timed in each round

BLUE, ORANGE, GREEN, GREY = "#3b6ea8", "#d9822b", "#4d9a5b", "#8a8a8a"
RGB = ("#e08080", "#85c285", "#85a5e0")
STAGES = {"standard": GREY, "depthwise": ORANGE, "pointwise": BLUE}


class Space(NamedTuple):
    """The first kind, computed and timed."""

    photo: Array
    smoothed: Array  # after the column
    sobel: Array  # after column and row
    times: dict[tuple[str, int, str], float]  # seconds; by library, threads and multiplications


class Layer(NamedTuple):
    """A layer of the second kind, counted and timed."""

    cost: Any  # what fastsep.conv_cost gives
    standard: float  # seconds
    separable: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The two kinds of separable convolution, with pictures and times.")
    parser.add_argument(
        "-o",
        "--output",
        type=picture_name,
        metavar="FILE",
        default="separable-convolutions.png",
        help="picture to write (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="time every call once only")
    options = parser.parse_args(argv)
    seconds = 0.0 if options.quick else TURN

    space = in_space(seconds)
    layers = in_channels(seconds)
    draw(space, layers).savefig(options.output, dpi=100)
    print(f"\nwrote {options.output}")


# ---- 1. separable in space


def in_space(seconds: float) -> Space:
    photo = skimage.data.camera()
    # Whole numbers, hence exact: both ways must give the same to the last bit.
    smoothed = fastsep.separable_filter(photo, (SMOOTH, None), dtype=np.int16)
    sobel = fastsep.separable_filter(photo, (SMOOTH, DERIVE), dtype=np.int16)
    assert np.array_equal(sobel, ndi.correlate(photo.astype(np.int16), SOBEL))

    print("1. Separable in space: the kernel is a column times a row")
    print("\n   Sobel              column   row")
    for line, tap, equals, times_row in zip(SOBEL, SMOOTH, " = ", ("", f"  x  {numbers(DERIVE)}", ""), strict=True):
        print(f"   {numbers(line)}  {equals}   [{tap:2}]{times_row}")
    print("\n   3 x 3 = 9 multiplications a pixel in one pass, 3 + 3 = 6 in two, and the same result.")
    for name, kernel in (("Sobel", SOBEL), ("Laplace", LAPLACE)):
        print(f"   Singular values of {name + ':':9}{numbers(singular_values(kernel), 6, 2)}")
    print("   A kernel splits if only one of them is not 0. Laplace needs two columns and two rows,")
    print("   2 x 6 = 12 multiplications: here the 9 are cheaper. Larger kernels gain more:")

    x = photo.astype(np.float32)
    line = gaussian_line(15)
    square = np.outer(line, line)
    out, middle = np.empty_like(x), np.empty_like(x)

    def two_passes() -> Any:
        ndi.correlate1d(x, line, 0, middle)
        return ndi.correlate1d(middle, line, 1, out)

    times = measure(
        {
            ("SciPy", 1, "15 x 15 = 225"): lambda: ndi.correlate(x, square, out),
            ("SciPy", 1, "15 + 15 = 30"): two_passes,
            ("fastsep", fastsep.get_num_threads(), "15 + 15 = 30"): lambda: fastsep.separable_filter(x, line, out=out),
        },
        seconds,
    )
    print(f"\n   Gaussian of 15 x 15 pixels, image of {x.shape[0]} x {x.shape[1]}, multiplications a pixel and time:")
    for (library, count, product), value in times.items():
        print(f"   {f'{library}, {threads(count)}':20}  {product:13}  {1e3 * value:8.2f} ms")
    return Space(photo, smoothed, sobel, times)


def gaussian_line(size: int) -> Array:
    x = np.arange(size) - size // 2
    line = np.exp(-0.5 * (x / (size / 6)) ** 2)
    return line / line.sum()


def singular_values(kernel: Array) -> Array:
    values = np.linalg.svd(kernel, compute_uv=False)
    return np.where(values < 1e-12 * values[0], 0.0, values)  # what rounding left of a zero


# ---- 2. separable in channels


def in_channels(seconds: float) -> list[Layer]:
    print("\n2. Depthwise-separable: every channel filtered by itself, then the channels mixed pixel by pixel")
    layers = [timed_layer(*layer, seconds) for layer in LAYERS]
    for layer in layers[:2]:
        print("\n   " + str(layer.cost).replace("\n", "\n   "))
    print("\n   Time of an image      standard    separable    times less    counted")
    for layer in layers:
        a, b = 1e6 * layer.standard, 1e6 * layer.separable
        print(f"   {label(layer.cost):20} {a:8.1f} us  {b:8.1f} us  {a / b:10.1f}x {layer.cost.separable.ratio:9.1f}x")
    print("\n   Small layers gain less than counted: packing weights, reading the image and writing the")
    print("   result take time, too.")
    return layers


def timed_layer(
    shape: tuple[int, int, int], size: int, filters: int, padding: str, images: int, seconds: float
) -> Layer:
    rng = np.random.default_rng(0)
    x, dense, depthwise, pointwise = (
        rng.standard_normal(s, dtype=np.float32)
        for s in ((images, *shape), (size, size, shape[2], filters), (size, size, shape[2]), (shape[2], filters))
    )
    cost = fastsep.conv_cost(shape, size, filters, padding=padding)
    out = np.empty((images, *cost.output_shape), np.float32)
    times = measure(
        {
            "standard": lambda: fastsep.conv2d(x, dense, padding=padding, out=out),
            "separable": lambda: fastsep.separable_conv2d(x, depthwise, pointwise, padding=padding, out=out),
        },
        seconds,
    )
    return Layer(cost, times["standard"] / images, times["separable"] / images)


def label(cost: Any) -> str:
    height, width, channels = cost.input_shape
    return f"{height}x{width}x{channels} -> {cost.output_shape[2]}, {cost.kernel_size[0]}x{cost.kernel_size[1]}"


# ---- times and numbers


def measure(calls: dict[Name, Callable[[], Any]], seconds: float) -> dict[Name, float]:
    """Median time of each call. They take turns of `seconds`, so that whatever else runs here meets them all."""
    samples: dict[Name, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS if seconds else 1):
        for name, call in calls.items():
            turn(call, 2 * seconds)  # it may compile, and a core that slept needs a while to be as fast as it can
            samples[name] += turn(call, seconds)
    return {name: statistics.median(values) for name, values in samples.items()}


def turn(call: Callable[[], Any], seconds: float) -> list[float]:
    """Times of one call after the other until they add up to `seconds`."""
    samples: list[float] = []
    while not samples or sum(samples) < seconds:
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return samples


def threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"


def numbers(values: Any, width: int = 2, places: int = 0) -> str:
    return "[" + " ".join(f"{value:{width}.{places}f}" for value in values) + "]"


# ---- the picture


def draw(space: Space, layers: Sequence[Layer]) -> Figure:
    figure = plt.figure(figsize=(13, 15), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.2))
    draw_space(top, space)
    draw_channels(bottom, layers)
    return figure


def draw_space(part: SubFigure, space: Space) -> None:
    title = "1. Separable in space: the kernel is a column times a row"
    part.suptitle(title, x=0.01, ha="left", weight="bold", size=15)
    kernels, pictures = part.subfigures(2, 1, height_ratios=(1, 1.3))

    split, values = kernels.subplots(1, 2, width_ratios=(3, 1))
    matrix(split, SOBEL, 0, 0)
    split.text(3.6, 1.5, "=", ha="center", va="center", size=20)
    matrix(split, SMOOTH[:, None], 4.2, 0)
    split.text(5.8, 1.5, "x", ha="center", va="center", size=18)
    matrix(split, DERIVE[None], 6.4, 1)
    matrix(split, LAPLACE, 11.5, 0)
    split.text(4.7, -0.25, "Sobel splits: 3 x 3 = 9 multiplications become 3 + 3 = 6", ha="center", size=12)
    split.text(13, -0.25, "Laplace does not", ha="center", size=12)
    split.set(xlim=(0, 15), ylim=(3.1, -0.8), aspect="equal")
    split.axis("off")

    x = np.arange(3)
    for shift, name, kernel, colour in ((-0.2, "Sobel", SOBEL, BLUE), (0.2, "Laplace", LAPLACE, ORANGE)):
        bars = values.bar(x + shift, singular_values(kernel), 0.38, label=name, color=colour)
        values.bar_label(bars, fmt="%.2f", size=9)
    values.set_title("Singular values:\na kernel splits if only one is not 0", size=12)
    values.set_xticks(x, ["first", "second", "third"])
    values.margins(y=0.15)
    values.legend(frameon=False)
    tidy(values)

    photo, smoothed, sobel, times = pictures.subplots(1, 4, width_ratios=(1, 1, 1, 0.9))
    for axes, image, title in (
        (photo, space.photo, "A photograph, detail"),
        (smoothed, space.smoothed, "after the column: smoothed"),
        (sobel, np.abs(space.sobel), "after the row, too: edges"),
    ):
        axes.imshow(image[DETAIL], cmap="gray", vmin=0, vmax=np.quantile(image, 0.998))
        axes.set_title(title, size=12)
        axes.axis("off")
    names = [f"{name}\n{threads(count)}\n{product.partition(' =')[0]}" for name, count, product in space.times]
    bars = times.bar(names, [1e3 * value for value in space.times.values()], 0.6, color=(GREY, ORANGE, BLUE))
    times.bar_label(bars, fmt="%.2f ms", size=10)
    times.set_title("Gaussian, 15 x 15: time of a call", size=12)
    times.margins(y=0.1)
    times.set_yticks([])
    times.spines["left"].set_visible(False)
    tidy(times)


def draw_channels(part: SubFigure, layers: Sequence[Layer]) -> None:
    title = "2. Depthwise-separable: every channel filtered by itself, then the channels mixed"
    part.suptitle(title, x=0.01, ha="left", weight="bold", size=15)
    diagram, charts = part.subfigures(2, 1, height_ratios=(1.5, 1))
    draw_diagram(diagram.subplots(), layers[0].cost)

    counts, gains = charts.subplots(1, 2)
    ticks = []
    for row, cost in enumerate(layer.cost for layer in layers[:2]):
        draw_stages(counts, 3 * row, cost, ("standard",))
        draw_stages(counts, 3 * row + 1, cost, ("depthwise", "pointwise"))
        ticks += [(3 * row, f"{label(cost)}\nstandard"), (3 * row + 1, f"{label(cost)}\nseparable")]
    counts.set_yticks(*zip(*ticks, strict=True))
    counts.invert_yaxis()
    counts.set_title("Multiplications, as a part of the standard convolution's", size=12)
    counts.set_xlabel("%")
    patches = [Patch(color=colour) for colour in STAGES.values()]
    counts.legend(patches, STAGES, loc="center right", ncols=3, frameon=False)
    tidy(counts)

    x = np.arange(len(layers))
    ratios = [layer.cost.separable.ratio for layer in layers]
    gained = [layer.standard / layer.separable for layer in layers]
    counted = gains.bar(x - 0.2, ratios, 0.38, color=GREY, label="fewer multiplications")
    measured = gains.bar(x + 0.2, gained, 0.38, color=GREEN, label="less time, measured")
    for bars in (counted, measured):
        gains.bar_label(bars, fmt="%.1fx", size=9)
    gains.set_xticks(x, [label(n.cost).replace(", ", "\n") for n in layers], size=9)
    gains.set_title("Standard / separable", size=12)
    gains.margins(y=0.12)
    gains.legend(frameon=False)
    tidy(gains)


def draw_stages(axes: Axes, place: int, cost: Any, names: Sequence[str]) -> None:
    """A bar of the multiplications of one stage after the other, as a part of the standard form's."""
    end = 0.0
    for name in names:
        part = 100 / getattr(cost, name).ratio
        axes.barh(place, part, 0.8, left=end, color=STAGES[name])
        end += part
    counts = [getattr(cost, name).multiplications for name in names]
    text = " + ".join(f"{count:,}" for count in counts) + (f" = {sum(counts):,}" if len(counts) > 1 else "")
    if end > 50:
        axes.text(end / 2, place, text, ha="center", va="center", color="white")
    else:
        axes.text(end + 1, place, text, ha="left", va="center")


def matrix(axes: Axes, values: Array, left: float, top: float) -> None:
    """The numbers of a kernel in coloured squares of side 1."""
    largest = np.abs(SOBEL).max()
    for (row, column), value in np.ndenumerate(values):
        colour = plt.get_cmap("RdBu")(0.5 + 0.22 * np.clip(value / largest, -1, 1))
        axes.add_patch(Rectangle((left + column, top + row), 1, 1, facecolor=colour, edgecolor="white", linewidth=2))
        axes.text(left + column + 0.5, top + row + 0.5, f"{value}", ha="center", va="center", size=13)


def draw_diagram(axes: Axes, cost: Any) -> None:
    """Both ways from image to result, as stacks of slices, one for each channel."""
    (size, _, _), (result, _, filters), (kernel, _) = cost.input_shape, cost.output_shape, cost.kernel_size
    top, bottom = 25, 0
    for base in (top, bottom):
        stack(axes, 2, base, size, RGB, f"{size} x {size} x 3")
        stack(axes, 108, base + 2, result, (BLUE,), f"{result} x {result} x {filters}", 14)

    axes.text(0, top + 19, "Standard", size=12, weight="bold")
    stack(axes, 30, top + 4, kernel, RGB, f"{filters} kernels\n{kernel} x {kernel} x 3")
    product = f"{kernel}·{kernel}·3 · {result}·{result} · {filters}"
    arrow(axes, 46, 104, top, product, cost.standard.multiplications)

    axes.text(0, bottom + 19, "Depthwise-separable", size=12, weight="bold")
    for x, colour, text in zip((24, 29, 34), RGB, ("", f"3 kernels\n{kernel} x {kernel}", ""), strict=True):
        stack(axes, x, bottom + 4, kernel, (colour,), text)
    arrow(axes, 42, 59, bottom, f"{kernel}·{kernel} · {result}·{result} · 3", cost.depthwise.multiplications)
    stack(axes, 63, bottom + 2, result, RGB, f"{result} x {result} x 3")
    stack(axes, 79, bottom + 6, 1, RGB, f"{filters} kernels\n1 x 1 x 3")
    arrow(axes, 89, 104, bottom, f"3 · {result}·{result} · {filters}", cost.pointwise.multiplications)

    axes.set(xlim=(0, 127), ylim=(-4, 46), aspect="equal")
    axes.axis("off")


def stack(axes: Axes, x: float, y: float, side: float, colours: Sequence[str], text: str, thick: float = 1.3) -> None:
    """Slices of side x side, seen from the front left; `text` below."""
    slant = 0.35 * side
    for i, colour in enumerate(colours):
        left, right = x + i * thick, x + (i + 1) * thick
        front = [(left, y), (right, y), (right, y + side), (left, y + side)]
        top = [(left, y + side), (right, y + side), (right + slant, y + side + slant), (left + slant, y + side + slant)]
        end = [(right, y), (right + slant, y + slant), (right + slant, y + side + slant), (right, y + side)]
        for face, alpha in ((end, 0.75), (top, 0.55), (front, 1.0)):
            axes.add_patch(Polygon(face, facecolor="white", edgecolor="none"))
            axes.add_patch(Polygon(face, facecolor=colour, edgecolor="black", alpha=alpha, linewidth=0.7))
    axes.text(x + len(colours) * thick / 2 + slant / 2, y - 1, text, ha="center", va="top", size=10)


def arrow(axes: Axes, start: float, stop: float, base: float, product: str, count: int) -> None:
    """A stage, with its multiplications."""
    middle = (start + stop) / 2
    axes.annotate("", (stop, base + 7), (start, base + 7), arrowprops={"arrowstyle": "->", "linewidth": 1.5})
    axes.text(middle, base + 8, product, ha="center", va="bottom", size=11)
    axes.text(middle, base + 6, f"= {count:,}", ha="center", va="top", size=11, weight="bold")


def tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def picture_name(text: str) -> pathlib.Path:
    """What cannot be written is refused before the work."""
    path = pathlib.Path(text)
    if path.suffix not in (".png", ".pdf", ".svg") or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} is no .png, .pdf or .svg in a folder that can be written to")
    return path


if __name__ == "__main__":
    main()
