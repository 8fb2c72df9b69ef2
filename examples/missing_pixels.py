"""A map of heights with holes: smoothed, shaded, and filled in.

    python -m pip install ".[examples]" && python examples/missing_pixels.py

A scanner has measured the heights of a landscape, which this script makes up: single points are missing, and there is
nothing under a cloud and in a corner. The heights are smoothed in three ways: the plain Gaussian spreads every hole,
the quotient of two Gaussians in SciPy closes small ones, and so does `nan="ignore"`, in one call. Slopes and filled
holes are one call each, too. Prints times and errors, and writes `missing-pixels.png`.
"""

from __future__ import annotations

import argparse
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
from matplotlib.figure import Figure

import fastsep

Array = np.ndarray[Any, Any]

SHAPE, SIGMA = (1080, 1920), 2.0
HEIGHTS, SHADES = (plt.get_cmap(name).with_extremes(bad="deeppink") for name in ("gist_earth", "gray"))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Heights with holes: smoothed, shaded and filled in.")
    parser.add_argument(
        "-o",
        "--output",
        type=picture_name,
        metavar="FILE",
        default="missing-pixels.png",
        help="picture to write (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="time every call once only")
    options = parser.parse_args(argv)

    rng = np.random.default_rng(0)
    land = landscape(rng)
    heights = measured(land, rng)
    missing = np.isnan(heights)
    print(f"heights {heights.shape}, {heights.dtype}: {missing.mean():.0%} are missing")

    def smoothed() -> Array:
        return fastsep.gaussian(heights, SIGMA, nan="ignore", mode="ignore")

    calls = {
        "plain Gaussian": lambda: fastsep.gaussian(heights, SIGMA),
        "SciPy, two Gaussians": lambda: with_scipy(heights),
        'fastsep, nan="ignore"': smoothed,
    }
    panels = {"measured": heights}
    for name, call in calls.items():
        result = call()
        milliseconds = 1e3 * median_time(call, 1 if options.quick else 9)
        print(f"{name:22} {milliseconds:7.1f} ms, {np.isnan(result).mean():.0%} without a height")
        panels[f"{name}: {milliseconds:.1f} ms"] = result
    theirs, ours = list(panels.values())[-2:]
    known = ~np.isnan(theirs) & ~np.isnan(ours)
    difference = float(np.abs(theirs - ours)[known].max())
    assert difference < 1e-5 * np.ptp(land), difference
    print(f"largest difference of the last two: {difference:.0e} m, of heights up to {land.max():.0f} m")

    filled = fastsep.interpolate_missing(heights, SIGMA)
    assert np.array_equal(filled[~missing], heights[~missing])
    error = np.sqrt(np.mean((filled - land)[missing] ** 2))
    print(f"filled in: off by {error:.1f} m where nothing was measured (root mean square)")
    draw(panels | {"filled in": filled}, shaded(heights)).savefig(options.output, dpi=100)
    print(f"wrote {options.output}")


def landscape(rng: np.random.Generator) -> Array:
    """Hills of all sizes, in metres: noise whose spectrum falls as that of real landscapes does."""
    rows, columns = np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1])
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf  # no mean
    spectrum = np.fft.rfft2(rng.normal(size=SHAPE)) * frequency**-1.8
    hills = np.fft.irfft2(spectrum, SHAPE)
    hills -= hills.min()
    return (300 + 900 * hills / hills.max()).astype(np.float32)


def measured(land: Array, rng: np.random.Generator) -> Array:
    """What a scanner from a plane knows of it: noisy heights, NaN where there is none."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    heights = land + rng.normal(0, 2, SHAPE).astype(np.float32)
    heights[rng.random(SHAPE) < 0.05] = np.nan
    cloud = ((y - 420) / 130) ** 2 + ((x - 1150) / 210) ** 2 < 1 + 0.2 * np.sin(7 * np.arctan2(y - 420, x - 1150))
    heights[cloud | (x + y < 500)] = np.nan
    return heights


def with_scipy(heights: Array) -> Array:
    """A Gaussian of the heights divided by one of their weights."""
    weights = ~np.isnan(heights)
    known = np.where(weights, heights, np.float32(0))
    found = ndi.gaussian_filter(weights.astype(np.float32), SIGMA, mode="constant")
    with np.errstate(invalid="ignore"):  # nothing by nothing is NaN, as it should be
        return ndi.gaussian_filter(known, SIGMA, mode="constant") / found


def shaded(heights: Array) -> Array:
    """The brightness of slopes in light from the top left."""
    dy, dx = fastsep.gradient(heights, "gaussian", sigma=SIGMA, nan="ignore", mode="ignore")
    return (dy + dx) / np.sqrt(2 * (1 + dx**2 + dy**2))


def median_time(call: Callable[[], Any], rounds: int) -> float:
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def draw(panels: dict[str, Array], shades: Array) -> Figure:
    """Maps of heights, and of slopes; pink is what has no value."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 5.4), layout="constrained")
    *maps, last = axes.flat
    for place, (title, heights) in zip(maps, panels.items(), strict=True):
        place.imshow(heights, cmap=HEIGHTS, vmin=0, vmax=1300)
        place.set_title(title)
    last.imshow(shades, cmap=SHADES, vmin=-1, vmax=1)
    last.set_title("slopes, in light from the top left")
    for place in axes.flat:
        place.axis("off")
    return figure


def picture_name(text: str) -> pathlib.Path:
    """What cannot be written is refused before the work."""
    path = pathlib.Path(text)
    if path.suffix not in (".png", ".pdf", ".svg") or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} is no .png, .pdf or .svg in a folder that can be written to")
    return path


if __name__ == "__main__":
    main()
