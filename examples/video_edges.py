"""Edges of a video, frame by frame, without a new array for any of them.

    python -m pip install ".[examples]" && python examples/video_edges.py

A window moves over a photograph and makes the frames, noise included. Every frame is smoothed, its
gradient taken and Canny's edges found; `out=` writes all of them into the same arrays. Prints frames
per second, beside those without `out=`, and writes four of the frames to `video-edges.png`.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib

matplotlib.use("Agg")  # draws into files, so that no display is needed

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import fastsep

Array = np.ndarray[Any, Any]

SHAPE = (720, 1280)
SIGMA = 1.4


def main() -> None:
    parser = argparse.ArgumentParser(description="Edges of a video, frame by frame.")
    parser.add_argument("-o", "--output", default="video-edges.png", help="picture to write (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=120, help="frames to filter (default: %(default)s)")
    options = parser.parse_args()
    output = pathlib.Path(options.output)
    if output.suffix not in (".png", ".pdf", ".svg") or not output.resolve().parent.is_dir():
        parser.error(f"{output} is no .png, .pdf or .svg in a folder that can be written to")

    film = list(frames(max(options.frames, 4)))
    magnitude = np.empty(SHAPE, np.float32)
    edges = np.empty(SHAPE, bool)

    def reused(frame: Array) -> Array:
        fastsep.gradient(frame, sigma=SIGMA, output="magnitude", dtype=np.float32, out=magnitude)
        return fastsep.canny(frame, SIGMA, dtype=np.float32, out=edges)

    def fresh(frame: Array) -> Array:
        fastsep.gradient(frame, sigma=SIGMA, output="magnitude", dtype=np.float32)
        return fastsep.canny(frame, SIGMA, dtype=np.float32)

    reused(film[0])  # compiles, or loads what an earlier process compiled
    print(f"{len(film)} frames of {SHAPE[1]} x {SHAPE[0]}, gradient and edges, {fastsep.get_num_threads()} threads")
    print(f"into the same arrays  {rate(reused, film):6.0f} frames a second")
    print(f"into new arrays       {rate(fresh, film):6.0f} frames a second")

    figure, axes = plt.subplots(2, 4, figsize=(13, 5.2), layout="constrained")
    for column, number in zip(axes.T, np.linspace(0, len(film) - 1, 4).astype(int), strict=True):
        column[0].imshow(film[number], cmap="gray")
        column[1].imshow(reused(film[number]), cmap="gray")
        column[0].set_title(f"frame {number}")
        for axis in column:
            axis.set(xticks=[], yticks=[])
    figure.savefig(output, dpi=100)
    print(f"wrote {output}")


def frames(count: int) -> Iterator[Array]:
    """A window that moves over a photograph, seen by a camera that adds noise."""
    photo = skimage.data.astronaut().mean(axis=2)
    photo = np.kron(photo, np.ones((3, 3)))  # three times as large
    noise = np.random.default_rng(0).normal(0, 4, (2 * SHAPE[0], SHAPE[1]))
    room = np.subtract(photo.shape, SHAPE)
    for number in range(count):
        top, left = (room * number / (count - 1)).astype(int)
        first = number * 37 % SHAPE[0]  # other noise in every frame
        window = photo[top : top + SHAPE[0], left : left + SHAPE[1]] + noise[first : first + SHAPE[0]]
        yield np.clip(window, 0, 255).astype(np.uint8)


def rate(work: Callable[[Array], Array], film: list[Array]) -> float:
    start = time.perf_counter()
    for frame in film:
        work(frame)
    return len(film) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
