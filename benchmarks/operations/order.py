"""Minimum, maximum, ranks, and what is made of them: grey morphology and peaks. All libraries are exact."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, is_rgb, operation
from benchmarks._timing import Array
from benchmarks.operations._peers import REFLECT, Prepare, channels, contest, named, peer, pillow

# OpenCV's constants: operations of `morphologyEx`.
OPEN, CLOSE, TOPHAT, BLACKHAT = 2, 3, 5, 6


@operation
def median(x: Array, *, size: int) -> Contest:
    """Of a square, or in a volume of a cube. The border is scikit-image's default, "nearest", as it is in OpenCV."""
    rgb = is_rgb(x.shape)
    sizes = (size, size, 1) if rgb else (size,) * x.ndim
    peers = []
    if x.ndim == 2 or (rgb and (x.dtype == np.uint8 or size <= 5)):  # larger ones OpenCV has for bytes alone
        peers.append(peer("OpenCV", named("medianBlur", x, size, np.empty_like(x))))
    if size <= 7:  # larger ones take those most of a minute
        scipy = named("median_filter", x, sizes, output=np.empty_like(x), mode="nearest")
        peers.append(peer("SciPy", scipy))
        peers.append(peer("scikit-image", named("filters.median", x, np.ones(sizes), np.empty_like(x))))
        if x.dtype == np.uint8:
            peers.append(peer("Pillow", pillow(x, "MedianFilter", size)))
    return contest(fastsep.median, x, np.ones((size,) * (x.ndim - rgb)), channel_axis=channels(x), peers=peers)


@operation
def minimum_filter(x: Array, *, size: int) -> Contest:
    peers = [
        peer("OpenCV", named("erode", x, np.ones((size, size), np.uint8), np.empty_like(x), (-1, -1), 1, REFLECT)),
        peer("SciPy", named("minimum_filter", x, size, output=np.empty_like(x))),
    ]
    if x.dtype == np.uint8 and size <= 5:  # its time grows with the area; border "nearest"
        peers.append(peer("Pillow", pillow(x, "MinFilter", size), margin=size // 2))
    return contest(fastsep.ndimage.minimum_filter, x, size, out="output", peers=peers)


@operation
def percentile_filter(x: Array, *, percentile: float, size: int) -> Contest:
    rank = int(size * size * percentile / 100)
    peers = [peer("SciPy", named("percentile_filter", x, percentile, size, output=np.empty_like(x)))]
    if x.dtype == np.uint8:
        peers.append(peer("Pillow", pillow(x, "RankFilter", size, rank), margin=size // 2))
    return contest(fastsep.ndimage.percentile_filter, x, percentile, size, out="output", peers=peers)


def disk(radius: int) -> Array:
    y, x = np.indices((2 * radius + 1,) * 2) - radius
    return (y * y + x * x <= radius * radius).astype(np.uint8)


def morphology(name: str, x: Array, radius: int, scipy: str, opencv: Prepare) -> Contest:
    """scikit-image's function of that name, under a disk; one of radius 1 is its cross."""
    footprint = disk(radius)
    peers = [
        peer("OpenCV", opencv),
        peer("scikit-image", named(f"morphology.{name}", x, footprint, out=np.empty_like(x))),
        peer("SciPy", named(scipy, x, footprint=footprint, output=np.empty_like(x))),
    ]
    return contest(getattr(fastsep, name), x, footprint, peers=peers)


def composed(name: str, x: Array, radius: int, scipy: str, opencv: int) -> Contest:
    """Of an erosion and a dilation."""
    at: tuple[Any, ...] = (np.empty_like(x), (-1, -1), 1, REFLECT)
    return morphology(name, x, radius, scipy, named("morphologyEx", x, opencv, disk(radius), *at))


@operation
def erosion(x: Array, *, radius: int) -> Contest:
    opencv = named("erode", x, disk(radius), np.empty_like(x), (-1, -1), 1, REFLECT)
    return morphology("erosion", x, radius, "grey_erosion", opencv)


@operation
def dilation(x: Array, *, radius: int) -> Contest:
    opencv = named("dilate", x, disk(radius), np.empty_like(x), (-1, -1), 1, REFLECT)
    return morphology("dilation", x, radius, "grey_dilation", opencv)


@operation
def opening(x: Array, *, radius: int) -> Contest:
    return composed("opening", x, radius, "grey_opening", OPEN)


@operation
def closing(x: Array, *, radius: int) -> Contest:
    return composed("closing", x, radius, "grey_closing", CLOSE)


@operation
def white_tophat(x: Array, *, radius: int) -> Contest:
    return composed("white_tophat", x, radius, "white_tophat", TOPHAT)


@operation
def black_tophat(x: Array, *, radius: int) -> Contest:
    return composed("black_tophat", x, radius, "black_tophat", BLACKHAT)


@operation
def peak_local_max(x: Array, *, min_distance: int) -> Contest:
    peers = [peer("scikit-image", named("feature.peak_local_max", x, min_distance))]
    return contest(fastsep.peak_local_max, x, min_distance, allocated=False, peers=peers)
