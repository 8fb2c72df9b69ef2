"""Which way does the texture run? A classical pipeline on a photograph, without anything learned.

    python -m pip install ".[examples]" && python examples/texture_channels.py

The bytes of an RGB photograph go through a bank of derivative filters in eight directions
(depthwise: each of the three colours by itself, 24 channels), what is negative is dropped, and
opposite directions of all colours are added up (pointwise: 24 -> 4 channels). This is one call.
Smoothed and mixed into colours, the four channels make a picture in which the hue tells the
direction of the strokes. Prints times, compares with SciPy and writes `texture-channels.png`.
"""

from __future__ import annotations

import argparse
import colorsys
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")  # draws into files, so that no display is needed

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage as ndi
import skimage.data
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

import fastsep

Array = np.ndarray[Any, Any]

SIZE, SIGMA = 9, 1.5  # of the filters, in pixels
# Strokes that a derivative at 0, 45, 90, 135 degrees responds to; angles from x towards y, which is down.
STROKES = ("upright  |", "rising  /", "lying  -", "falling  \\")
ANGLES = np.arange(2 * len(STROKES)) * np.pi / len(STROKES)
COLOURS = np.array([colorsys.hsv_to_rgb(i / len(STROKES), 1, 1) for i in range(len(STROKES))], np.float32)  # (4, 3)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Directions of the texture in a photograph, as colours.")
    parser.add_argument(
        "-o",
        "--output",
        type=picture_name,
        metavar="FILE",
        default="texture-channels.png",
        help="picture to write (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="time every call once only")
    options = parser.parse_args(argv)

    photo = skimage.data.coffee()
    directions, mix = direction_bank(), direction_mix()
    depthwise = np.repeat(directions[:, :, None], 3, axis=2)  # (9, 9, 3, 8): the same bank for each colour

    def strokes() -> Array:
        return fastsep.separable_conv2d(
            photo, depthwise, mix, padding="same", mode="reflect", depthwise_activation="relu"
        )

    energy = strokes()  # (H, W, 4)
    report(photo, energy, strokes, options.quick)

    smooth = fastsep.gaussian(energy, sigma=2, mode="reflect", channel_axis=-1)
    distinct = smooth - smooth.min(axis=-1, keepdims=True)  # what one direction has more than all of them
    picture = fastsep.pointwise_conv2d(distinct, COLOURS)  # (H, W, 3)
    draw(photo, directions, energy, picture).savefig(options.output, dpi=100)
    print(f"wrote {options.output}")


def direction_bank() -> Array:
    """First derivatives of a Gaussian, (9, 9, 8): at an edge from 0 to 255 they reach 1."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    spot = np.exp(-0.5 * (x**2 + y**2) / SIGMA**2)
    bank = (np.cos(ANGLES) * x[..., None] + np.sin(ANGLES) * y[..., None]) * spot[..., None]
    bank /= 255 * np.maximum(bank, 0).sum(axis=(0, 1))
    return bank.astype(np.float32)


def direction_mix() -> Array:
    """Mean over the colours of both opposite directions, (24, 4): channel 8 c + m has direction m."""
    channels = np.arange(3 * len(ANGLES))
    mix = channels[:, None] % len(STROKES) == np.arange(len(STROKES))
    return mix.astype(np.float32) / 3


def report(photo: Array, energy: Array, strokes: Callable[[], Array], quick: bool) -> None:
    cost = fastsep.conv_cost(photo.shape, SIZE, len(STROKES), padding="same", depth_multiplier=len(ANGLES))
    print(f"photograph {photo.shape}, {photo.dtype} -> {len(STROKES)} channels, {energy.dtype}")
    print(f"{cost.depthwise.weights} + {cost.pointwise.weights} multiplications a pixel")
    start = time.perf_counter()
    expected = with_scipy(photo)
    theirs = time.perf_counter() - start
    difference = np.abs(energy - expected).max() / expected.max()
    assert difference < 1e-5, difference
    ours = median_time(strokes, 1 if quick else 20)
    threads = fastsep.get_num_threads()
    print(f"fastsep, {threads} threads: {1e3 * ours:.1f} ms; SciPy's correlate in float64: {1e3 * theirs:.0f} ms")
    print(f"largest difference {difference:.0e} of the largest value")


def with_scipy(photo: Array) -> Array:
    """The same channels filter by filter. Opposite directions make up the absolute value."""
    bank = direction_bank().astype(np.float64)
    result = np.zeros((*photo.shape[:2], len(STROKES)))
    for colour in np.moveaxis(photo.astype(np.float64), -1, 0):
        for m in range(len(STROKES)):
            result[..., m] += np.abs(ndi.correlate(colour, bank[..., m], mode="reflect")) / 3
    return result


def median_time(call: Callable[[], Any], rounds: int) -> float:
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def draw(photo: Array, directions: Array, energy: Array, picture: Array) -> Figure:
    figure = plt.figure(figsize=(13, 6.4), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.4, 1))

    source, bank, result = top.subplots(1, 3, width_ratios=(1.5, 1, 1.5))
    source.imshow(photo)
    source.set_title("Photograph")
    # Two rows of four filters with a white frame; opposite directions below each other.
    tiles = np.pad(directions, ((0, 1), (0, 1), (0, 0)), constant_values=np.nan)
    sheet = np.concatenate([np.concatenate(list(half), 1) for half in np.split(np.moveaxis(tiles, -1, 0), 2)], 0)
    bank.imshow(sheet, cmap="gray")
    bank.set_title("Each colour through 8 filters")
    result.imshow(np.clip(picture / np.quantile(picture, 0.98), 0, 1))
    result.set_title("Direction of the texture as hue")

    brightest = np.quantile(energy, 0.99)
    for m, axes in enumerate(bottom.subplots(1, 4)):
        tint = LinearSegmentedColormap.from_list("", ["black", COLOURS[m], "white"])
        axes.imshow(energy[..., m], cmap=tint, vmin=0, vmax=1.2 * brightest)
        axes.set_title(STROKES[m])
    for axes in figure.findobj(plt.Axes):
        axes.axis("off")
    return figure


def picture_name(text: str) -> pathlib.Path:
    """What cannot be written is refused before the work."""
    path = pathlib.Path(text)
    if path.suffix not in (".png", ".pdf", ".svg") or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} is no .png, .pdf or .svg in a folder that can be written to")
    return path


if __name__ == "__main__":
    main()
