"""Canny's edges, hysteresis and corners, and the photograph that they are timed on."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import scipy.ndimage as ndi

import fastsep
from benchmarks._contest import Contest, operation
from benchmarks._libraries import load, missing
from benchmarks._timing import Array
from benchmarks.operations._peers import FLOAT32, Prepare, blur, contest, in_turn, named, peer


@lru_cache(maxsize=2)  # the image of two neighbouring cases: a whole frame takes seconds
def photograph(shape: tuple[int, int], dtype: str) -> Array:
    """scikit-image's astronaut, or blobs without it, enlarged, with a camera's noise; floats in [0, 1]."""
    grey = astronaut()
    grey = blobs() if grey is None else grey
    zoom = [wanted / present for wanted, present in zip(shape, grey.shape, strict=True)]
    large = ndi.zoom(grey, zoom, order=3, mode="reflect")
    noise = np.random.default_rng(0).normal(0, 2, shape)
    byte: Array = np.clip(np.rint(large + noise), 0, 255).astype(np.uint8)
    return byte if dtype == "uint8" else (byte / np.float32(255)).astype(dtype)


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


def strength(photo: Array) -> Array:
    """Of its edges, in float32: what hysteresis takes."""
    return fastsep.sobel(fastsep.gaussian(photo, 1.4, dtype=np.float32))


@operation
def canny(x: Array, *, sigma: float, arithmetic: str | None = None) -> Contest:
    single = "float32" in (arithmetic, str(x.dtype))
    tolerance, note = (None, "a few pixels differ: float32 decides otherwise") if single else (0.0, "")
    peers = [peer("scikit-image", named("feature.canny", x, sigma), tolerance, note=note)]
    if x.dtype == np.uint8:
        smoothed, edges = np.empty_like(x), np.empty(x.shape, np.uint8)
        # The same thresholds, a tenth and a fifth of the largest value.
        opencv = in_turn(blur(x, sigma, smoothed), named("Canny", smoothed, 25.5, 51, edges, 3, True))
        peers.insert(0, peer("OpenCV", opencv, None, note="decides a little differently, after rounding to uint8"))
    return contest(fastsep.canny, x, sigma, dtype=arithmetic, peers=peers)


@operation
def apply_hysteresis_threshold(x: Array, *, low: float = 0.02, high: float = 0.08) -> Contest:
    peers = [peer("scikit-image", named("filters.apply_hysteresis_threshold", x, low, high))]
    return contest(fastsep.apply_hysteresis_threshold, x, low, high, peers=peers)


@operation
def corner_harris(x: Array) -> Contest:
    # Products of two elements of a tensor, which are up to 16: a response is up to 256, rounding in proportion.
    return corners("corner_harris", x, named("cornerHarris", x, 5, 3, 0.05, np.empty_like(x)), 256)


@operation
def corner_shi_tomasi(x: Array) -> Contest:
    return corners("corner_shi_tomasi", x, named("cornerMinEigenVal", x, 5, np.empty_like(x), 3), 16)


def corners(name: str, x: Array, opencv: Prepare, scale: float) -> Contest:
    """The response of scikit-image to float32, with a Gaussian of radius 4 for a window."""
    peers = [
        peer("OpenCV", opencv, None, note="its window is a box of 5 x 5, which is cheaper"),
        peer("scikit-image", named(f"feature.{name}", x), scale * FLOAT32),
    ]
    return contest(getattr(fastsep, name), x, peers=peers)
