"""Blurs, and filters that are made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, is_rgb, operation
from benchmarks._timing import Array, Call
from benchmarks.operations._peers import (
    CV_16S,
    FLOAT64,
    REFLECT,
    allowed,
    as_levels,
    blur,
    channels,
    contest,
    diplib,
    gauss_options,
    in_levels,
    in_turn,
    named,
    peer,
    pillow,
    reach,
)  # fmt: skip

BOXES = "approximates the Gaussian by boxes"


@operation
def gaussian(x: Array, *, sigma: float) -> Contest:
    """Result in the image's own dtype."""
    floats = np.empty(x.shape, x.dtype if x.dtype.kind == "f" else np.float64)
    options: dict[str, Any] = {"mode": "reflect", "channel_axis": channels(x)}
    scikit_image = named("filters.gaussian", x, sigma, preserve_range=True, out=floats, **options)
    sigmas = (sigma, sigma, 0) if is_rgb(x.shape) else sigma
    scipy = named("gaussian_filter", x, sigmas, output=np.empty_like(x), mode="reflect")
    fir = diplib(x, "Gauss", method="FIR", **gauss_options(sigma))
    peers = [
        peer("scikit-image", scikit_image, allowed(x, 1), **as_levels(x)),
        peer("SciPy", scipy, allowed(x, x.ndim)),  # cuts off the fraction after each pass
        peer("DIPlib", fir, allowed(x, 1), margin=reach(sigma), **as_levels(x)),
    ]
    if x.ndim == 2 or is_rgb(x.shape):  # OpenCV works on integers in fixed point, with rounded taps
        peers.insert(0, peer("OpenCV", blur(x, sigma, np.empty_like(x)), allowed(x, 2)))
    if x.dtype == np.uint8:
        peers.append(peer("Pillow", pillow(x, "GaussianBlur", sigma), None, note=BOXES))
    return contest(fastsep.gaussian, x, sigma, dtype=x.dtype, **options, peers=peers)


@operation
def gaussian_default(x: Array, *, sigma: float) -> Contest:
    """No option: integers become floats in [0, 1], and the border is "nearest"."""
    peers = [peer("scikit-image", named("filters.gaussian", x, sigma), FLOAT64)]
    return contest(fastsep.gaussian, x, sigma, allocated=False, peers=peers)


@operation
def gaussian_within(x: Array, *, sigma: float, tol: float) -> Contest:
    """The kernel may be off by `tol`; OpenCV's is exact."""
    peers = [peer("OpenCV", blur(x, sigma, np.empty_like(x)), tol)]
    return contest(fastsep.gaussian, x, sigma, tol=tol, mode="reflect", peers=peers)


@operation
def box(x: Array, *, size: int) -> Contest:
    def uniform(dip: Any) -> Call:
        return diplib(x, "Uniform", kernel=dip.Kernel([size], "rectangular"))(dip)

    sizes = (size, size, 1) if is_rgb(x.shape) else size
    scipy = named("uniform_filter", x, sizes, output=np.empty_like(x), mode="reflect")
    peers = [
        peer("OpenCV", named("blur", x, (size, size), np.empty_like(x), (-1, -1), REFLECT), allowed(x, 1)),
        peer("SciPy", scipy, allowed(x, x.ndim)),  # cuts off the fraction after each pass
        # Carries one sum along a whole line in the precision of its result: rounding adds up, to 7.5e-6 over 8192
        # random pixels in float32.
        peer("DIPlib", uniform, allowed(x, 1, 50), margin=size // 2, **as_levels(x)),
    ]
    if x.dtype == np.uint8:  # Pillow rounds after each pass, and takes the outermost pixel for all outside
        peers.append(peer("Pillow", pillow(x, "BoxBlur", size // 2), 1, margin=size // 2))
    return contest(fastsep.box, x, size, mode="reflect", channel_axis=channels(x), dtype=x.dtype, peers=peers)


@operation
def difference_of_gaussians(x: Array, *, low: float, high: float) -> Contest:
    """Of a grey image of floats."""
    narrow, wide = np.empty_like(x), np.empty_like(x)
    pairs = ((low, narrow), (high, wide))
    blurs = [blur(x, sigma, out) for sigma, out in pairs]
    filters = [named("gaussian_filter", x, sigma, output=out, mode="reflect") for sigma, out in pairs]
    scikit_image = named("filters.difference_of_gaussians", x, low, high, mode="reflect")
    peers = [
        peer("scikit-image", scikit_image, allowed(x, 0)),
        peer("SciPy", in_turn(*filters, lambda _: lambda: np.subtract(narrow, wide, out=narrow)), allowed(x, 0)),
        peer("OpenCV", in_turn(*blurs, named("subtract", narrow, wide, narrow)), allowed(x, 0)),
    ]
    return contest(fastsep.difference_of_gaussians, x, low, high, mode="reflect", peers=peers)


@operation
def unsharp_mask(x: Array, *, radius: float, amount: float) -> Contest:
    """Result in the image's own dtype: integers are kept in their range, floats are not."""
    floats, blurred = x.dtype.kind == "f", np.empty_like(x)
    weighted = named("addWeighted", x, 1 + amount, blurred, -amount, 0, np.empty_like(x))
    # Not -1, for which scikit-image 0.26 filters rows.
    form = {"preserve_range": floats, "channel_axis": 2 if is_rgb(x.shape) else None}
    fir = diplib(x, "UnsharpMask", weight=amount, method="FIR", **gauss_options(radius))

    def from_unit(result: Array) -> Array:
        return in_levels(x)(result if floats else result * np.iinfo(x.dtype).max)

    rounding, levels = allowed(x, 1, 1 + amount), as_levels(x)
    peers = [
        # Its blurred integers are off by up to two levels, and rounded before they are subtracted.
        peer("OpenCV", in_turn(blur(x, radius, blurred), weighted), allowed(x, 2 * amount + 1, 1 + amount)),
        peer("scikit-image", named("filters.unsharp_mask", x, radius, amount, **form), rounding,
             **levels | {"view": from_unit}),
        peer("DIPlib", fir, rounding, margin=reach(radius), **levels),
    ]  # fmt: skip
    if x.dtype == np.uint8:
        sharpen = pillow(x, "UnsharpMask", radius, round(100 * amount), 0)
        peers.append(peer("Pillow", sharpen, None, note=BOXES))
    options: dict[str, Any] = {"mode": "reflect", "channel_axis": channels(x), "dtype": x.dtype}
    return contest(fastsep.unsharp_mask, x, radius, amount, floats, **options, peers=peers)


@operation
def separable_filter(x: Array, *, length: int) -> Contest:
    """A grey image of floats, with an odd number of random positive taps."""
    rows, columns = np.random.default_rng(1).random((2, length), dtype=np.float32).astype(np.float64) / length
    middle, out = np.empty_like(x), np.empty_like(x)
    down = named("correlate1d", x, rows, 0, output=middle, mode="reflect")
    across = named("correlate1d", middle, columns, 1, output=out, mode="reflect")

    def separable(dip: Any) -> Call:
        # It convolves, and its first dimension is the last axis.
        filters = [dip.OneDimensionalFilter(taps[::-1].tolist()) for taps in (columns, rows)]
        return diplib(x, "SeparableConvolution", filter=filters)(dip)

    opencv = named("sepFilter2D", x, -1, columns, rows, np.empty_like(x), (-1, -1), 0, REFLECT)
    peers = [
        peer("OpenCV", opencv, allowed(x, 0)),
        peer("SciPy", in_turn(down, across, result=out), allowed(x, 0)),
        peer("DIPlib", separable, allowed(x, 0), margin=length // 2),
    ]
    return contest(fastsep.separable_filter, x, [rows, columns], mode="reflect", dtype=x.dtype, peers=peers)


@operation
def pyramid_level(x: Array) -> Contest:
    """Every second pixel of a grey image that is blurred by five taps. OpenCV rounds halves of integers up."""
    taps = np.array([1, 4, 6, 4, 1]) / 16
    half = tuple(-(-length // 2) for length in x.shape)
    middle, out = np.empty(x.shape, np.float32), np.empty(x.shape, np.float32)
    down = named("correlate1d", x, taps, 0, output=middle, mode="reflect")
    across = named("correlate1d", middle, taps, 1, output=out, mode="reflect")
    peers = [
        peer("OpenCV", named("pyrDown", x, np.empty(half, x.dtype), half[::-1], REFLECT), allowed(x, 1)),
        peer("SciPy", in_turn(down, across, result=out), allowed(x, 1), view=lambda values: values[::2, ::2]),
    ]
    return contest(fastsep.separable_filter, x, taps, stride=2, mode="reflect", dtype=x.dtype, shape=half, peers=peers)


@operation
def sobel_x_int16(x: Array) -> Contest:
    """Whole numbers: exact in all libraries."""
    opencv = named("Sobel", x, CV_16S, 1, 0, np.empty(x.shape, np.int16), 3, 1, 0, REFLECT)
    scipy = named("sobel", x, 1, output=np.empty(x.shape, np.int16), mode="reflect")
    taps, peers = [np.array([1, 2, 1]), np.array([-1, 0, 1])], [peer("OpenCV", opencv), peer("SciPy", scipy)]
    return contest(fastsep.separable_filter, x, taps, mode="reflect", dtype=np.int16, peers=peers)
