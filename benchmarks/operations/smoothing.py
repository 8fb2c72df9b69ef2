"""Blurs, and filters that are made of them."""

from __future__ import annotations

from benchmarks._timing import Array, Call

# isort: split

from functools import partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, is_rgb, operation
from benchmarks.operations import _peers
from benchmarks.operations._peers import (
    FLOAT64,
    MIRROR,
    allowed,
    channels,
    contest,
    gauss_options,
    gives_floats,
    in_levels,
    peer,
    reach,
    width,
)  # fmt: skip


def opencv_blur(cv2: Any, x: Array, sigma: float, out: Array) -> Call:
    return partial(cv2.GaussianBlur, x, width(sigma), sigma, out, sigma, cv2.BORDER_REFLECT)


@operation
def gaussian(x: Array, *, sigma: float) -> Contest:
    """Result in the image's own dtype."""

    def scikit_image(skimage: Any) -> Call:
        out = np.empty(x.shape, x.dtype if x.dtype.kind == "f" else np.float64)
        options = {"mode": "reflect", "preserve_range": True, "channel_axis": channels(x), "out": out}
        return partial(skimage.filters.gaussian, x, sigma, **options)

    def scipy(ndi: Any) -> Call:
        sigmas = (sigma, sigma, 0) if is_rgb(x.shape) else sigma
        return partial(ndi.gaussian_filter, x, sigmas, output=np.empty_like(x), mode="reflect")

    def diplib(dip: Any) -> Call:
        return _peers.diplib_call(x, lambda i, out: dip.Gauss(i, out=out, method="FIR", **gauss_options(sigma)))

    peers = [
        peer("scikit-image", scikit_image, allowed(x, 1), view=in_levels(x), note=gives_floats(x)),
        peer("SciPy", scipy, allowed(x, x.ndim)),  # cuts off the fraction after each pass
        peer("DIPlib", diplib, allowed(x, 1), margin=reach(sigma), view=in_levels(x), note=gives_floats(x)),
    ]
    if _peers.is_picture(x):
        # It works on integers in fixed point, with rounded taps.
        peers.insert(0, peer("OpenCV", lambda cv2: opencv_blur(cv2, x, sigma, np.empty_like(x)), allowed(x, 2)))
    if x.dtype == np.uint8:
        blur = partial(_peers.pillow_filter, x, "GaussianBlur", sigma)
        peers.append(peer("Pillow", lambda _: blur(), None, note="approximates the Gaussian by boxes"))
    return contest(fastsep.gaussian, x, sigma, mode="reflect", channel_axis=channels(x), dtype=x.dtype, peers=peers)


@operation
def gaussian_default(x: Array, *, sigma: float) -> Contest:
    """No option: integers become floats in [0, 1], and the border is "nearest"."""
    peers = [peer("scikit-image", lambda skimage: partial(skimage.filters.gaussian, x, sigma), FLOAT64)]
    return contest(fastsep.gaussian, x, sigma, allocated=False, peers=peers)


@operation
def box(x: Array, *, size: int) -> Contest:
    def opencv(cv2: Any) -> Call:
        return partial(cv2.blur, x, (size, size), np.empty_like(x), (-1, -1), cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        sizes = (size, size, 1) if is_rgb(x.shape) else size
        return partial(ndi.uniform_filter, x, sizes, output=np.empty_like(x), mode="reflect")

    def diplib(dip: Any) -> Call:
        options = {"kernel": dip.Kernel([size], "rectangular"), "boundaryCondition": MIRROR}
        return _peers.diplib_call(x, lambda image, out: dip.Uniform(image, out=out, **options))

    peers = [
        peer("OpenCV", opencv, allowed(x, 1)),
        peer("SciPy", scipy, allowed(x, x.ndim)),  # cuts off the fraction after each pass
        # Carries one sum along a whole line in the precision of its result: rounding adds up, to 7.5e-6 over 8192
        # random pixels in float32.
        peer("DIPlib", diplib, allowed(x, 1, 50), margin=size // 2, view=in_levels(x), note=gives_floats(x)),
    ]
    if x.dtype == np.uint8:
        blur = partial(_peers.pillow_filter, x, "BoxBlur", size // 2)
        # It rounds after each pass, and takes the outermost pixel for all outside.
        peers.append(peer("Pillow", lambda _: blur(), 1, margin=size // 2))
    return contest(fastsep.box, x, size, mode="reflect", channel_axis=channels(x), dtype=x.dtype, peers=peers)


@operation
def difference_of_gaussians(x: Array, *, low: float, high: float) -> Contest:
    """Of a grey image of floats."""

    def both(blur: Any, subtract: Any) -> Call:
        """`blur` makes a call of a sigma and an array for its result."""
        narrow, wide = np.empty_like(x), np.empty_like(x)
        calls = blur(low, narrow), blur(high, wide)

        def call() -> Any:
            for each in calls:
                each()
            return subtract(narrow, wide, narrow)

        return call

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.filters.difference_of_gaussians, x, low, high, mode="reflect")

    def scipy(ndi: Any) -> Call:
        return both(lambda sigma, out: partial(ndi.gaussian_filter, x, sigma, output=out, mode="reflect"), np.subtract)

    def opencv(cv2: Any) -> Call:
        return both(lambda sigma, out: opencv_blur(cv2, x, sigma, out), cv2.subtract)

    peers = [
        peer("scikit-image", scikit_image, allowed(x, 0)),
        peer("SciPy", scipy, allowed(x, 0)),
        peer("OpenCV", opencv, allowed(x, 0)),
    ]
    return contest(fastsep.difference_of_gaussians, x, low, high, mode="reflect", peers=peers)


@operation
def unsharp_mask(x: Array, *, radius: float, amount: float) -> Contest:
    """Result in the image's own dtype: integers are kept in their range, floats are not."""
    floats = x.dtype.kind == "f"

    def opencv(cv2: Any) -> Call:
        blurred, out = np.empty_like(x), np.empty_like(x)
        blur = opencv_blur(cv2, x, radius, blurred)

        def call() -> Any:
            blur()
            return cv2.addWeighted(x, 1 + amount, blurred, -amount, 0, out)

        return call

    def scikit_image(skimage: Any) -> Call:
        # Not -1, for which scikit-image 0.26 filters rows.
        axis = 2 if is_rgb(x.shape) else None
        return partial(skimage.filters.unsharp_mask, x, radius, amount, preserve_range=floats, channel_axis=axis)

    def diplib(dip: Any) -> Call:
        options = gauss_options(radius) | {"weight": amount, "method": "FIR"}
        return _peers.diplib_call(x, lambda image, out: dip.UnsharpMask(image, out=out, **options))

    def from_unit(result: Array) -> Array:
        return in_levels(x)(result if floats else result * np.iinfo(x.dtype).max)

    rounding, note = allowed(x, 1, 1 + amount), gives_floats(x)
    peers = [
        # Its blurred integers are off by up to two levels, and rounded before they are subtracted.
        peer("OpenCV", opencv, allowed(x, 2 * amount + 1, 1 + amount)),
        peer("scikit-image", scikit_image, rounding, view=from_unit, note=note),
        peer("DIPlib", diplib, rounding, margin=reach(radius), view=in_levels(x), note=note),
    ]
    if x.dtype == np.uint8:
        sharpen = partial(_peers.pillow_filter, x, "UnsharpMask", radius, round(100 * amount), 0)
        peers.append(peer("Pillow", lambda _: sharpen(), None, note="approximates the Gaussian by boxes"))
    options: dict[str, Any] = {"mode": "reflect", "channel_axis": channels(x), "dtype": x.dtype}
    return contest(fastsep.unsharp_mask, x, radius, amount, floats, **options, peers=peers)


@operation
def separable_filter(x: Array, *, length: int) -> Contest:
    """A grey image of floats, with an odd number of random positive taps."""
    rows, columns = np.random.default_rng(1).random((2, length), dtype=np.float32).astype(np.float64) / length

    def opencv(cv2: Any) -> Call:
        return partial(cv2.sepFilter2D, x, -1, columns, rows, np.empty_like(x), (-1, -1), 0, cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        middle, out = np.empty_like(x), np.empty_like(x)

        def call() -> Any:
            ndi.correlate1d(x, rows, 0, output=middle, mode="reflect")
            ndi.correlate1d(middle, columns, 1, output=out, mode="reflect")
            return out

        return call

    def diplib(dip: Any) -> Call:
        # It convolves, and its first dimension is the last axis.
        filters = [dip.OneDimensionalFilter(taps[::-1].tolist()) for taps in (columns, rows)]
        options = {"filter": filters, "boundaryCondition": MIRROR}
        return _peers.diplib_call(x, lambda image, out: dip.SeparableConvolution(image, out=out, **options))

    peers = [
        peer("OpenCV", opencv, allowed(x, 0)),
        peer("SciPy", scipy, allowed(x, 0)),
        peer("DIPlib", diplib, allowed(x, 0), margin=length // 2),
    ]
    return contest(fastsep.separable_filter, x, [rows, columns], mode="reflect", dtype=x.dtype, peers=peers)


@operation
def sobel_x_int16(x: Array) -> Contest:
    """Whole numbers: exact in all libraries."""
    taps = [np.array([1, 2, 1]), np.array([-1, 0, 1])]

    def opencv(cv2: Any) -> Call:
        return partial(cv2.Sobel, x, cv2.CV_16S, 1, 0, np.empty(x.shape, np.int16), 3, 1, 0, cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        return partial(ndi.sobel, x, 1, output=np.empty(x.shape, np.int16), mode="reflect")

    peers = [peer("OpenCV", opencv), peer("SciPy", scipy)]
    return contest(fastsep.separable_filter, x, taps, mode="reflect", dtype=np.int16, peers=peers)
