"""Blurs, and filters that are made of them."""

from __future__ import annotations

from benchmarks._timing import Array, Call

# isort: split

from functools import partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, Entry, is_rgb
from benchmarks.operations._peers import (
    FLOAT64,
    MIRROR,
    allowed,
    channels,
    contest,
    diplib_call,
    gauss_options,
    gives_floats,
    in_levels,
    opencv_reads,
    peer,
    per_axis,
    pillow_filter,
    pillow_reads,
    reach,
)


def gaussian(x: Array, *, sigma: float) -> Contest:
    """Result in the image's own dtype."""
    size = 2 * reach(sigma) + 1

    def opencv(cv2: Any) -> Call:
        return partial(cv2.GaussianBlur, x, (size, size), sigma, np.empty_like(x), sigma, cv2.BORDER_REFLECT)

    def scikit_image(skimage: Any) -> Call:
        out = np.empty(x.shape, x.dtype if x.dtype.kind == "f" else np.float64)
        return partial(
            skimage.filters.gaussian, x, sigma, mode="reflect", preserve_range=True, channel_axis=channels(x), out=out
        )

    def scipy(ndi: Any) -> Call:
        return partial(ndi.gaussian_filter, x, per_axis(x, sigma), output=np.empty_like(x), mode="reflect")

    def diplib(dip: Any) -> Call:
        return diplib_call(x, lambda image, out: dip.Gauss(image, out=out, method="FIR", **gauss_options(sigma)))

    peers = []
    if opencv_reads(x):
        # It works on integers in fixed point, with rounded taps.
        peers.append(peer("OpenCV", opencv, allowed(x, 2)))
    peers += [
        peer("scikit-image", scikit_image, allowed(x, 1), view=in_levels(x), note=gives_floats(x)),
        peer("SciPy", scipy, allowed(x, x.ndim)),  # cuts off the fraction after each pass
        peer("DIPlib", diplib, allowed(x, 1), margin=reach(sigma), view=in_levels(x), note=gives_floats(x)),
    ]
    if pillow_reads(x):
        blur = partial(pillow_filter, x, "GaussianBlur", sigma)
        peers.append(peer("Pillow", lambda _: blur(), None, note="approximates the Gaussian by boxes"))
    return contest(fastsep.gaussian, x, sigma, mode="reflect", channel_axis=channels(x), dtype=x.dtype, peers=peers)


def gaussian_default(x: Array, *, sigma: float) -> Contest:
    """No option: integers become floats in [0, 1], and the border is "nearest"."""

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.filters.gaussian, x, sigma)

    plain = contest(fastsep.gaussian, x, sigma, peers=[])
    return Contest(
        (
            Entry("fastsep", lambda threads: partial(fastsep.gaussian, x, sigma, workers=threads)),
            peer("scikit-image", scikit_image, allowed(x, FLOAT64)),
        ),
        plain.bytes,
        plain.multiply_adds,
        plain.arithmetic,
    )


def box(x: Array, *, size: int) -> Contest:
    def opencv(cv2: Any) -> Call:
        return partial(cv2.blur, x, (size, size), np.empty_like(x), (-1, -1), cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        sizes = (size, size, 1) if is_rgb(x.shape) else size
        return partial(ndi.uniform_filter, x, sizes, output=np.empty_like(x), mode="reflect")

    def diplib(dip: Any) -> Call:
        window = dip.Kernel([size], "rectangular")
        return diplib_call(x, lambda image, out: dip.Uniform(image, out=out, kernel=window, boundaryCondition=MIRROR))

    peers = []
    if opencv_reads(x):
        peers.append(peer("OpenCV", opencv, allowed(x, 1)))
    peers += [
        peer("SciPy", scipy, allowed(x, x.ndim)),  # cuts off the fraction after each pass
        # Carries one sum along a whole line in the precision of its result: rounding adds up, to 7.5e-6 over 8192
        # random pixels in float32.
        peer("DIPlib", diplib, allowed(x, 1, 50), margin=size // 2, view=in_levels(x), note=gives_floats(x)),
    ]
    if pillow_reads(x) and size % 2:  # an even window has halves of pixels at its ends
        blur = partial(pillow_filter, x, "BoxBlur", size // 2)
        # It rounds after each pass, and takes the outermost pixel for all outside.
        peers.append(peer("Pillow", lambda _: blur(), 1, margin=size // 2))
    return contest(fastsep.box, x, size, mode="reflect", channel_axis=channels(x), dtype=x.dtype, peers=peers)


def difference_of_gaussians(x: Array, *, low: float, high: float) -> Contest:
    """Result float, of integers in [-1, 1]."""

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.filters.difference_of_gaussians, x, low, high, mode="reflect", channel_axis=channels(x))

    def opencv(cv2: Any) -> Call:
        narrow, wide = np.empty_like(x), np.empty_like(x)

        def call() -> Any:
            for sigma, out in ((low, narrow), (high, wide)):
                size = 2 * reach(sigma) + 1
                cv2.GaussianBlur(x, (size, size), sigma, out, sigma, cv2.BORDER_REFLECT)
            return cv2.subtract(narrow, wide, narrow)

        return call

    def scipy(ndi: Any) -> Call:
        narrow, wide = np.empty_like(x), np.empty_like(x)

        def call() -> Any:
            for sigma, out in ((low, narrow), (high, wide)):
                ndi.gaussian_filter(x, per_axis(x, sigma), output=out, mode="reflect")
            return np.subtract(narrow, wide, out=narrow)

        return call

    peers = [peer("scikit-image", scikit_image, allowed(x, FLOAT64))]
    if x.dtype.kind == "f":
        peers.append(peer("SciPy", scipy, allowed(x, 0)))
        if opencv_reads(x):
            peers.append(peer("OpenCV", opencv, allowed(x, 0)))
    return contest(fastsep.difference_of_gaussians, x, low, high, mode="reflect", channel_axis=channels(x), peers=peers)


def unsharp_mask(x: Array, *, radius: float, amount: float) -> Contest:
    """Result in the image's own dtype: integers are kept in their range, floats are not."""
    size = 2 * reach(radius) + 1
    floats = x.dtype.kind == "f"

    def opencv(cv2: Any) -> Call:
        blurred, out = np.empty_like(x), np.empty_like(x)

        def call() -> Any:
            cv2.GaussianBlur(x, (size, size), radius, blurred, radius, cv2.BORDER_REFLECT)
            return cv2.addWeighted(x, 1 + amount, blurred, -amount, 0, out)

        return call

    def scikit_image(skimage: Any) -> Call:
        # Not -1, for which scikit-image 0.26 filters rows.
        axis = 2 if is_rgb(x.shape) else None
        return partial(skimage.filters.unsharp_mask, x, radius, amount, preserve_range=floats, channel_axis=axis)

    def diplib(dip: Any) -> Call:
        options = gauss_options(radius)
        return diplib_call(
            x, lambda image, out: dip.UnsharpMask(image, out=out, weight=amount, method="FIR", **options)
        )

    def from_unit(result: Array) -> Array:
        return in_levels(x)(result if floats else result * np.iinfo(x.dtype).max)

    rounding, note = allowed(x, 1, 1 + amount), gives_floats(x)
    peers = []
    if opencv_reads(x) and x.dtype.kind in "uf":  # of signed integers the range depends on the pixels
        # Its blurred integers are off by up to two levels, and rounded before they are subtracted.
        peers.append(peer("OpenCV", opencv, allowed(x, 2 * amount + 1, 1 + amount)))
    peers.append(peer("scikit-image", scikit_image, rounding, view=from_unit, note=note))
    if x.dtype.kind in "uf":
        peers.append(peer("DIPlib", diplib, rounding, margin=reach(radius), view=in_levels(x), note=note))
    if pillow_reads(x):
        sharpen = partial(pillow_filter, x, "UnsharpMask", radius, round(100 * amount), 0)
        peers.append(peer("Pillow", lambda _: sharpen(), None, note="approximates the Gaussian by boxes"))
    return contest(
        fastsep.unsharp_mask, x, radius, amount, floats, mode="reflect", channel_axis=channels(x), dtype=x.dtype,
        peers=peers,
    )  # fmt: skip


def separable_filter(x: Array, *, length: int) -> Contest:
    """A grey image of two dimensions, with random positive taps."""
    rows, columns = np.random.default_rng(1).random((2, length), dtype=np.float32).astype(np.float64) / length

    def opencv(cv2: Any) -> Call:
        return partial(cv2.sepFilter2D, x, -1, columns, rows, np.empty_like(x), (-1, -1), 0, cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        middle = np.empty(x.shape, x.dtype if x.dtype.kind == "f" else np.float64)
        out = np.empty_like(x)

        def call() -> Any:
            ndi.correlate1d(x, rows, 0, output=middle, mode="reflect")
            ndi.correlate1d(middle, columns, 1, output=out, mode="reflect")
            return out

        return call

    def diplib(dip: Any) -> Call:
        # It convolves, and its first dimension is the last axis.
        filters = [dip.OneDimensionalFilter(taps[::-1].tolist()) for taps in (columns, rows)]
        return diplib_call(
            x, lambda image, out: dip.SeparableConvolution(image, out=out, filter=filters, boundaryCondition=MIRROR)
        )

    peers = []
    if opencv_reads(x):
        peers.append(peer("OpenCV", opencv, allowed(x, 1)))
    peers.append(peer("SciPy", scipy, allowed(x, 1)))  # cuts off the fraction
    if length % 2:  # the middle of an even number of taps is another
        peers.append(peer("DIPlib", diplib, allowed(x, 1), margin=length // 2, view=in_levels(x), note=gives_floats(x)))
    return contest(fastsep.separable_filter, x, [rows, columns], mode="reflect", dtype=x.dtype, peers=peers)


def sobel_x_int16(x: Array) -> Contest:
    """Whole numbers: exact in all libraries."""
    taps = [np.array([1, 2, 1]), np.array([-1, 0, 1])]

    def opencv(cv2: Any) -> Call:
        return partial(cv2.Sobel, x, cv2.CV_16S, 1, 0, np.empty(x.shape, np.int16), 3, 1, 0, cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        return partial(ndi.sobel, x, 1, output=np.empty(x.shape, np.int16), mode="reflect")

    return contest(
        fastsep.separable_filter,
        x,
        taps,
        mode="reflect",
        dtype=np.int16,
        peers=[peer("OpenCV", opencv), peer("SciPy", scipy)],
    )
