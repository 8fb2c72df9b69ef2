"""Gradients, Canny, hysteresis and corners beside OpenCV and scikit-image: one table, losses included.

    python -m benchmarks.edges [--only TEXT] [--rounds N] [--json FILE] [--pool]

The image is a photograph from scikit-image, enlarged to 3840 x 2160, with a camera's noise; 2-4 % of its
pixels are edges. Canny's result is compared with scikit-image's before anything is timed. How things
are measured: see `benchmarks.separable`.
"""

from __future__ import annotations

from benchmarks._timing import Array  # before all that loads OpenMP

# isort: split

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import cv2
import numpy as np
import skimage.data
import skimage.feature
import skimage.filters

import fastsep
from benchmarks._table import UHD, Case, Rival, main

REFLECT = cv2.BORDER_REFLECT
CANNY_SIGMA, SMOOTH_SIGMA = 1.4, 1.5
Targets = Mapping[int, float | None]


@cache
def photograph(dtype: str) -> Array:
    """A photograph of the size of a video's frame; floats in [0, 1]."""
    grey = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    large = cv2.resize(grey, UHD[::-1], interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 2, UHD)
    byte = np.clip(np.rint(large + noise), 0, 255).astype(np.uint8)
    grey_levels: Array = byte if dtype == "uint8" else (byte / np.float32(255)).astype(dtype)
    return grey_levels


def compare(name: str, call: Callable[[], Any], target: float) -> Rival:
    """scikit-image, which has one thread: against one of ours."""
    return Rival(name, call, {1: target, 2: None})


def gradient(targets: Targets) -> Case:
    """Both derivatives and the magnitude."""
    x = photograph("float32")
    mine = tuple(np.empty_like(x) for _ in range(3))
    dy, dx, both = (np.empty_like(x) for _ in range(3))

    def ours(workers: int) -> Any:
        return fastsep.gradient(x, output=("dy", "dx", "magnitude"), out=mine, workers=workers)[2]

    def opencv() -> Any:
        cv2.Sobel(x, cv2.CV_32F, 0, 1, dy, 3, 0.25, 0, REFLECT)
        cv2.Sobel(x, cv2.CV_32F, 1, 0, dx, 3, 0.25, 0, REFLECT)
        return cv2.magnitude(dx, dy, both)

    def scikit_image() -> Any:
        down, across = (skimage.filters.sobel(x, axis=axis) for axis in (0, 1))
        return np.hypot(down, across)

    return Case(ours, (Rival("OpenCV", opencv, targets, 2e-6), compare("scikit-image", scikit_image, 80)))


def smooth_gradient(dtype: str, targets: Targets) -> Case:
    x = photograph(dtype)
    mine, dy, dx, both = (np.empty(x.shape, np.float32) for _ in range(4))
    smoothed = np.empty_like(x)
    scale = 0.25 if dtype == "float32" else 0.25 / 255
    size = (2 * int(4 * SMOOTH_SIGMA + 0.5) + 1,) * 2

    def ours(workers: int) -> Any:
        return fastsep.gradient(
            x, sigma=SMOOTH_SIGMA, output="magnitude", dtype=np.float32, out=mine, workers=workers
        )  # fmt: skip

    def opencv() -> Any:
        cv2.GaussianBlur(x, size, SMOOTH_SIGMA, smoothed, SMOOTH_SIGMA, REFLECT)
        cv2.Sobel(smoothed, cv2.CV_32F, 0, 1, dy, 3, scale, 0, REFLECT)
        cv2.Sobel(smoothed, cv2.CV_32F, 1, 0, dx, 3, scale, 0, REFLECT)
        return cv2.magnitude(dx, dy, both)

    def scikit_image() -> Any:
        return skimage.filters.sobel(skimage.filters.gaussian(x, SMOOTH_SIGMA, mode="reflect"))

    # OpenCV rounds a smoothed image of uint8 to uint8: up to half a level at each of eight pixels.
    tolerance = 2e-6 if dtype == "float32" else 4 / 255
    return Case(ours, (Rival("OpenCV", opencv, targets, tolerance), compare("scikit-image", scikit_image, 60)))


def canny(dtype: str, arithmetic: str | None, targets: Targets | None, scikit_target: float) -> Case:
    x = photograph(dtype)
    mine = np.empty(x.shape, bool)
    smoothed, edges = np.empty_like(x), np.empty(x.shape, np.uint8)
    expected = skimage.feature.canny(x, CANNY_SIGMA)
    found = fastsep.canny(x, CANNY_SIGMA, dtype=arithmetic)
    differ = int((found != expected).sum())
    print(f"  {differ} of {expected.sum()} edge pixels differ from scikit-image's; {expected.mean():.1%} of all")
    assert differ == 0 or arithmetic is not None or dtype == "float32"

    def ours(workers: int) -> Any:
        return fastsep.canny(x, CANNY_SIGMA, dtype=arithmetic, out=mine, workers=workers)

    def opencv() -> Any:
        cv2.GaussianBlur(x, (0, 0), CANNY_SIGMA, smoothed)
        # The same thresholds: a tenth and a fifth of 255.
        return cv2.Canny(smoothed, 25.5, 51, edges, 3, True)

    rivals = [] if targets is None else [Rival("OpenCV", opencv, targets)]
    rivals.append(compare("scikit-image", lambda: skimage.feature.canny(x, CANNY_SIGMA), scikit_target))
    return Case(ours, tuple(rivals))


def hysteresis() -> Case:
    x = fastsep.sobel(fastsep.gaussian(photograph("float32"), CANNY_SIGMA))
    low, high = 0.02, 0.08
    mine = np.empty(x.shape, bool)

    def ours(workers: int) -> Any:
        return fastsep.apply_hysteresis_threshold(x, low, high, out=mine, workers=workers)

    def scikit_image() -> Any:
        return skimage.filters.apply_hysteresis_threshold(x, low, high)

    return Case(ours, (Rival("scikit-image", scikit_image, {1: 10, 2: None}, 0),))


def harris(targets: Targets) -> Case:
    """OpenCV's window is a box of 5 x 5, ours scikit-image's Gaussian of radius 4, which is dearer."""
    x = photograph("float32")
    mine, theirs = np.empty_like(x), np.empty_like(x)

    def ours(workers: int) -> Any:
        return fastsep.corner_harris(x, out=mine, workers=workers)

    def opencv() -> Any:
        return cv2.cornerHarris(x, 5, 3, 0.05, theirs)

    def scikit_image() -> Any:
        return skimage.feature.corner_harris(x)

    return Case(ours, (Rival("OpenCV", opencv, targets), Rival("scikit-image", scikit_image, {1: 40, 2: None}, 2e-4)))


def structure_tensor(targets: Targets) -> Case:
    """OpenCV's cornerHarris does more than the tensor, and less: products, a box for a window, the response."""
    x = photograph("float32")
    theirs = np.empty_like(x)

    def ours(workers: int) -> Any:
        return np.asarray(fastsep.structure_tensor(x, workers=workers)[0])

    def opencv() -> Any:
        return cv2.cornerHarris(x, 5, 3, 0.05, theirs)

    def scikit_image() -> Any:
        return skimage.feature.structure_tensor(x)[0]

    return Case(ours, (Rival("OpenCV", opencv, targets), Rival("scikit-image", scikit_image, {1: 40, 2: None}, 2e-5)))


CELLS: dict[str, Callable[[], Case]] = {
    "Sobel dy, dx, magnitude float32": lambda: gradient({1: 4.5, 2: 6}),
    "Gaussian 1.5, Sobel magnitude float32": lambda: smooth_gradient("float32", {1: 2.8, 2: 4}),
    "Gaussian 1.5, Sobel magnitude uint8": lambda: smooth_gradient("uint8", {1: 2.8, 2: 4}),
    "Canny 1.4 uint8, as scikit-image": lambda: canny("uint8", None, {1: 1.5, 2: 1.5}, 45),
    "Canny 1.4 uint8, in float32": lambda: canny("uint8", "float32", {1: 2.5, 2: 2.5}, 75),
    "Canny 1.4 float32": lambda: canny("float32", None, None, 60),
    "hysteresis float32": hysteresis,
    "structure tensor float32": lambda: structure_tensor({1: 1.2, 2: 1.2}),
    "Harris float32": lambda: harris({1: 1.2, 2: 1.2}),
}


if __name__ == "__main__":
    raise SystemExit(main(CELLS, __doc__ or "", lambda name, rounds: None))
