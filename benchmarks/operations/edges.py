"""Canny's edges, hysteresis and corners, and the photograph that they are timed on."""

from __future__ import annotations

from benchmarks._timing import Array, Call

# isort: split

from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import scipy.ndimage as ndi

import fastsep
from benchmarks._contest import Contest, Entry
from benchmarks._libraries import load, missing
from benchmarks.operations._peers import FLOAT32, FLOAT64, peer, reach

SMOOTH_SIGMA = 1.4  # before the gradient that hysteresis takes


@lru_cache(maxsize=2)  # the image of two neighbouring cases: a whole frame takes seconds
def photograph(shape: tuple[int, int], dtype: str) -> Array:
    """scikit-image's astronaut, or blobs without it, enlarged, with a camera's noise; floats in [0, 1]."""
    grey = astronaut()
    grey = blobs() if grey is None else grey
    zoom = [wanted / present for wanted, present in zip(shape, grey.shape, strict=True)]
    large = ndi.zoom(grey, zoom, order=3, mode="reflect")
    noise = np.random.default_rng(0).normal(0, 2, shape)
    byte: Array = np.clip(np.rint(large + noise), 0, 255).astype(np.uint8)
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    image: Array = (byte / np.float32(255) * np.float32(top)).astype(dtype)
    return image


@cache
def astronaut() -> Array | None:
    """In grey; None without scikit-image, or without Pillow, with which it reads its pictures."""
    if missing("scikit-image") or missing("Pillow"):
        return None
    grey: Array = load("scikit-image").data.astronaut() @ (0.299, 0.587, 0.114)
    return grey


def blobs() -> Array:
    """Bright and dark patches with soft edges, as large as the photograph."""
    coarse = np.random.default_rng(1).random((64, 64)) < 0.5
    smooth = ndi.zoom(coarse.astype(np.float64), 8, order=3, mode="reflect")
    grey: Array = 40 + 160 * np.clip(4 * smooth - 1.5, 0, 1)
    return grey


def canny(x: Array, *, sigma: float, arithmetic: str | None = None) -> Contest:
    def ours(threads: int) -> Call:
        return partial(fastsep.canny, x, sigma, dtype=arithmetic, out=np.empty(x.shape, bool), workers=threads)

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.feature.canny, x, sigma)

    def opencv(cv2: Any) -> Call:
        smoothed, edges = np.empty_like(x), np.empty(x.shape, np.uint8)
        size = 2 * reach(sigma) + 1

        def call() -> Any:
            cv2.GaussianBlur(x, (size, size), sigma, smoothed, sigma, cv2.BORDER_REFLECT)
            # The same thresholds, a tenth and a fifth of the largest value.
            return cv2.Canny(smoothed, 25.5, 51, edges, 3, True)

        return call

    single = "float32" in (arithmetic, str(x.dtype))
    if single:
        peers = [peer("scikit-image", scikit_image, None, note="a few pixels differ: float32 decides otherwise")]
    else:
        peers = [peer("scikit-image", scikit_image)]
    if x.dtype == np.uint8:
        peers.insert(0, peer("OpenCV", opencv, None, note="decides a little differently, after rounding to uint8"))
    return Contest(
        (Entry("fastsep", ours), *peers),
        x.nbytes + x.size,
        (2 * (2 * reach(sigma) + 1) + 10) * x.size,
        "float32" if single else "float64",
    )


def apply_hysteresis_threshold(x: Array, *, low: float = 0.02, high: float = 0.08) -> Contest:
    """Of the magnitude of the image's gradient, in float32."""

    @lru_cache(maxsize=1)
    def strength() -> Array:
        return fastsep.sobel(fastsep.gaussian(x, SMOOTH_SIGMA, dtype=np.float32))

    def ours(threads: int) -> Call:
        out = np.empty(x.shape, bool)
        return partial(fastsep.apply_hysteresis_threshold, strength(), low, high, out=out, workers=threads)

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.filters.apply_hysteresis_threshold, strength(), low, high)

    return Contest((Entry("fastsep", ours), peer("scikit-image", scikit_image)), 4 * x.size + x.size)


def corner_harris(x: Array) -> Contest:
    def opencv(cv2: Any) -> Call:
        return partial(cv2.cornerHarris, x, 5, 3, 0.05, np.empty(x.shape, np.float32))

    # Products of two elements of a tensor, which are up to 16: a response is up to 256, rounding in proportion.
    return corners("corner_harris", x, opencv, 256)


def corner_shi_tomasi(x: Array) -> Contest:
    def opencv(cv2: Any) -> Call:
        return partial(cv2.cornerMinEigenVal, x, 5, np.empty(x.shape, np.float32), 3)

    return corners("corner_shi_tomasi", x, opencv, 16)


def corners(name: str, x: Array, opencv: Any, scale: float) -> Contest:
    """The response of scikit-image, with a Gaussian of radius 4 for a window."""
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    find = getattr(fastsep, name)

    def ours(threads: int) -> Call:
        return partial(find, x, out=np.empty(x.shape, dtype), workers=threads)

    def scikit_image(skimage: Any) -> Call:
        return partial(getattr(skimage.feature, name), x)

    peers = [peer("scikit-image", scikit_image, scale * (FLOAT32 if dtype == np.float32 else FLOAT64))]
    if x.dtype in (np.uint8, np.float32):
        peers.insert(0, peer("OpenCV", opencv, None, note="its window is a box of 5 x 5, which is cheaper"))
    taps = 2 * reach(1) + 1
    return Contest(
        (Entry("fastsep", ours), *peers),
        x.nbytes + x.size * np.dtype(dtype).itemsize,
        (10 + 3 + 3 * 2 * taps + 4) * x.size,
        str(np.dtype(dtype)),
    )
