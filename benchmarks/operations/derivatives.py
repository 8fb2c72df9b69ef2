"""Derivatives, their magnitudes, and matrices of them; of float32 images in grey unless said otherwise.

Integer images become floats in [0, 1], as in scikit-image, and results float32 except those of float64 images.
"""

from __future__ import annotations

from benchmarks._timing import Array, Call

# isort: split

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import OPERATIONS, Contest, Entry, operation
from benchmarks._libraries import load, missing
from benchmarks.operations._peers import (
    FLOAT32,
    FLOAT64,
    MIRROR,
    channels,
    contest,
    diplib_call,
    gauss_options,
    peer,
    reach,
    scaled,
)  # fmt: skip
from benchmarks.operations.smoothing import opencv_blur
from fastsep import filters
from fastsep._plan import operators

# How many times as large as a difference of two pixels SciPy's operators are.
SCIPY_GAINS = {"sobel": 4, "prewitt": 3}
ROBERTS = {"roberts_pos_diag": [[-1, 0], [0, 1]], "roberts_neg_diag": [[0, -1], [1, 0]]}

Along = Callable[[Any, Array, int, Array], Call]  # OpenCV's module, image, axis, result: derivative along the axis


def result_of(x: Array) -> Array:
    return np.empty(x.shape, np.float64 if x.dtype == np.float64 else np.float32)


def rounding(x: Array, scale: float = 1.0) -> float:
    """The largest difference by rounding between results."""
    return scale * (FLOAT64 if x.dtype == np.float64 else FLOAT32)


def unit(x: Array) -> float:
    """What one level of an image becomes."""
    return 1.0 if x.dtype.kind == "f" else 1.0 / float(np.iinfo(x.dtype).max)


def depth(cv2: Any, out: Array) -> Any:
    return cv2.CV_64F if out.dtype == np.float64 else cv2.CV_32F


def filtered(name: str, x: Array, *peers: Entry) -> Contest:
    """By a filter of fastsep's; scikit-image has not every operator, and takes colours for a third dimension."""
    entries = list(peers)
    if x.ndim == 2 and (missing("scikit-image") or hasattr(load("scikit-image").filters, name)):
        run = peer("scikit-image", lambda skimage: partial(getattr(skimage.filters, name), x), rounding(x, 4))
        entries.insert(1, run)
    dtype = result_of(x[:0]).dtype
    return contest(getattr(fastsep, name), x, mode="reflect", channel_axis=channels(x), dtype=dtype, peers=entries)


def opencv_magnitude(cv2: Any, along: Along, x: Array) -> Call:
    """Of the derivatives along both axes, not divided by anything."""
    dy, dx, out = (result_of(x) for _ in range(3))
    down, across = along(cv2, x, 0, dy), along(cv2, x, 1, dx)

    def call() -> Any:
        down()
        across()
        return cv2.magnitude(dx, dy, out)

    return call


# ---- Sobel, Scharr, Prewitt, Farid


def opencv_operator(operator: str) -> Along:
    """Along one axis, on the scale of fastsep's."""

    def along(cv2: Any, x: Array, axis: int, out: Array) -> Call:
        scale, ends = unit(x), (0, cv2.BORDER_REFLECT)
        if operator == "sobel":
            return partial(cv2.Sobel, x, depth(cv2, out), axis, 1 - axis, out, 3, scale / 4, *ends)
        if operator == "scharr":
            return partial(cv2.Scharr, x, depth(cv2, out), axis, 1 - axis, out, scale / 16, *ends)
        edge = operators.EDGES[operator]
        derivative = np.array(edge.derivative[::-1])  # they are written down to convolve with
        smoothing = scale * edge.scale * np.array(edge.smoothing)
        lines = (derivative, smoothing) if axis == 1 else (smoothing, derivative)
        return partial(cv2.sepFilter2D, x, depth(cv2, out), *lines, out, (-1, -1), *ends)

    return along


def scipy_magnitude(ndi: Any, operator: str, x: Array) -> Call:
    """Not divided by anything, in the memory of one of the derivatives."""
    dy, dx = result_of(x), result_of(x)

    def call() -> Array:
        for axis, out in ((0, dy), (1, dx)):
            getattr(ndi, operator)(x, axis, output=out, mode="reflect")
            np.multiply(out, out, out=out)
        np.add(dy, dx, out=dy)
        return np.sqrt(dy, out=dy)

    return call


def magnitude(x: Array, *, operator: str) -> Contest:
    """Root mean square of the derivatives along both axes; also of images in colour or float64."""

    def opencv(cv2: Any) -> Call:
        return opencv_magnitude(cv2, opencv_operator(operator), x)

    def diplib(dip: Any) -> Call:
        options = {"method": "finitediff", "boundaryCondition": MIRROR}
        return diplib_call(x, lambda image, out: dip.GradientMagnitude(image, out=out, **options))

    peers = [peer("OpenCV", opencv, rounding(x), view=scaled(1 / math.sqrt(2)))]
    if operator in SCIPY_GAINS and x.ndim == 2:
        find = partial(scipy_magnitude, operator=operator, x=x)
        factor = 1 / (SCIPY_GAINS[operator] * math.sqrt(2))
        peers.append(peer("SciPy", lambda ndi: find(ndi), rounding(x), view=scaled(factor)))
    if operator == "sobel" and x.ndim == 2:
        # Its differences are divided by two, and its magnitude is a root of a sum.
        peers.append(peer("DIPlib", diplib, rounding(x), margin=1, view=scaled(math.sqrt(2))))
    return filtered(operator, x, *peers)


def derivative(x: Array, *, operator: str, axis: int) -> Contest:
    """Along one axis."""

    def scipy(ndi: Any) -> Call:
        return partial(getattr(ndi, operator), x, axis, output=result_of(x), mode="reflect")

    def diplib(dip: Any) -> Call:
        options = {"dimension": 1 - axis, "boundaryCondition": MIRROR}  # its first dimension is the last axis
        return diplib_call(x, lambda image, out: dip.SobelGradient(image, out=out, **options))

    peers = [peer("OpenCV", lambda cv2: opencv_operator(operator)(cv2, x, axis, result_of(x)), FLOAT32)]
    if operator in SCIPY_GAINS:
        peers.append(peer("SciPy", scipy, FLOAT32, view=scaled(1 / SCIPY_GAINS[operator])))
    if operator == "sobel":
        peers.append(peer("DIPlib", diplib, FLOAT32, margin=1, view=scaled(2)))
    return filtered(f"{operator}_{'hv'[axis]}", x, *peers)


@operation
def sobel_default(x: Array) -> Contest:
    """No option: the result of integers is float64."""
    peers = [peer("scikit-image", lambda skimage: partial(skimage.filters.sobel, x), FLOAT64)]
    return contest(fastsep.sobel, x, allocated=False, peers=peers)


# ---- Roberts and Laplace


def opencv_diagonal(cv2: Any, name: str, x: Array, out: Array) -> Call:
    return partial(cv2.filter2D, x, cv2.CV_32F, np.array(ROBERTS[name], float), out, (0, 0), 0, cv2.BORDER_REFLECT)


@operation
def roberts(x: Array) -> Contest:
    def along(cv2: Any, x: Array, axis: int, out: Array) -> Call:
        return opencv_diagonal(cv2, list(ROBERTS)[axis], x, out)

    find = partial(opencv_magnitude, along=along, x=x)
    return filtered("roberts", x, peer("OpenCV", lambda cv2: find(cv2), FLOAT32, view=scaled(1 / math.sqrt(2))))


def diagonal(x: Array, *, name: str) -> Contest:
    return filtered(name, x, peer("OpenCV", lambda cv2: opencv_diagonal(cv2, name, x, result_of(x)), FLOAT32))


@operation
def laplace(x: Array) -> Contest:
    def opencv(cv2: Any) -> Call:
        return partial(cv2.Laplacian, x, cv2.CV_32F, result_of(x), 1, -1, 0, cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        return partial(ndi.laplace, x, output=result_of(x), mode="reflect")

    rough = 4 * FLOAT32
    return filtered("laplace", x, peer("OpenCV", opencv, rough), peer("SciPy", scipy, rough, view=scaled(-1)))


# ---- derivatives of Gaussians


def opencv_gaussian(sigma: float, order: int) -> Along:
    """A derivative of the Gaussian along one axis, the Gaussian along the other."""
    found = [operators.gaussian_line(sigma, each, 4.0) for each in (0, order)]
    smooth, derived = (np.array(line.taps) for line in found if line is not None)

    def along(cv2: Any, x: Array, axis: int, out: Array) -> Call:
        lines = (derived, smooth) if axis == 1 else (smooth, derived)
        return partial(cv2.sepFilter2D, x, cv2.CV_32F, *lines, out, (-1, -1), 0, cv2.BORDER_REFLECT)

    return along


@operation
def gaussian_gradient_magnitude(x: Array, *, sigma: float) -> Contest:
    def opencv(cv2: Any) -> Call:
        return opencv_magnitude(cv2, opencv_gaussian(sigma, 1), x)

    def scipy(ndi: Any) -> Call:
        return partial(ndi.gaussian_gradient_magnitude, x, sigma, output=result_of(x), mode="reflect")

    def diplib(dip: Any) -> Call:
        options = gauss_options(sigma) | {"method": "gaussFIR"}
        return diplib_call(x, lambda image, out: dip.GradientMagnitude(image, out=out, **options))

    peers = [
        peer("OpenCV", opencv, FLOAT32),
        peer("SciPy", scipy, FLOAT32),
        # It scales the taps of a derivative so that it is right for a ramp: up to 1e-4 of it for sigma 1 and larger.
        peer("DIPlib", diplib, 5e-5, margin=reach(sigma), note="other taps, by up to 0.01 %"),
    ]
    return contest(fastsep.gaussian_gradient_magnitude, x, sigma, mode="reflect", dtype=np.float32, peers=peers)


@operation
def gaussian_laplace(x: Array, *, sigma: float) -> Contest:
    def opencv(cv2: Any) -> Call:
        along, dyy, dxx = opencv_gaussian(sigma, 2), result_of(x), result_of(x)
        down, across = along(cv2, x, 0, dyy), along(cv2, x, 1, dxx)

        def call() -> Any:
            down()
            across()
            return cv2.add(dyy, dxx, dyy)

        return call

    def scipy(ndi: Any) -> Call:
        return partial(ndi.gaussian_laplace, x, sigma, output=result_of(x), mode="reflect")

    def diplib(dip: Any) -> Call:
        options = gauss_options(sigma) | {"method": "gaussFIR"}
        return diplib_call(x, lambda image, out: dip.Laplace(image, out=out, **options))

    peers = [
        peer("OpenCV", opencv, FLOAT32),
        peer("SciPy", scipy, FLOAT32),
        # It makes the taps sum to 0, which those of SciPy and fastsep do nearly.
        peer("DIPlib", diplib, 3e-4, margin=reach(sigma), note="other taps, by up to 1 %"),
    ]
    return contest(fastsep.gaussian_laplace, x, sigma, mode="reflect", dtype=np.float32, peers=peers)


# ---- several results


@operation
def gradient(x: Array) -> Contest:
    """Both of Sobel's derivatives and their magnitude."""

    def opencv(cv2: Any) -> Call:
        dy, dx, both = (result_of(x) for _ in range(3))
        down, across = (opencv_operator("sobel")(cv2, x, axis, out) for axis, out in ((0, dy), (1, dx)))

        def call() -> Any:
            down()
            across()
            cv2.magnitude(dx, dy, both)
            return dy, dx, both

        return call

    def scikit_image(skimage: Any) -> Call:
        def call() -> Any:
            dy, dx = skimage.filters.sobel(x, axis=0), skimage.filters.sobel(x, axis=1)
            return dy, dx, np.hypot(dy, dx)

        return call

    peers = [peer("OpenCV", opencv, 2 * FLOAT32), peer("scikit-image", scikit_image, 2 * FLOAT32)]
    output = ("dy", "dx", "magnitude")
    return contest(fastsep.gradient, x, "sobel", output=output, dtype=np.float32, results=3, peers=peers)


@operation
def smooth_gradient(x: Array, *, sigma: float) -> Contest:
    """A Gaussian, and the magnitude of Sobel's derivatives: `gradient` in one sweep; also of bytes."""

    def opencv(cv2: Any) -> Call:
        smoothed = np.empty_like(x)
        blur, find = opencv_blur(cv2, x, sigma, smoothed), opencv_magnitude(cv2, opencv_operator("sobel"), smoothed)

        def call() -> Any:
            blur()
            return find()

        return call

    def scikit_image(skimage: Any) -> Call:
        return lambda: skimage.filters.sobel(skimage.filters.gaussian(x, sigma, mode="reflect"))

    # OpenCV rounds smoothed integers: up to a level, as it works in fixed point, at each of eight pixels.
    gap = 2 * FLOAT32 if x.dtype.kind == "f" else 4 * unit(x)
    peers = [
        peer("OpenCV", opencv, gap),
        peer("scikit-image", scikit_image, 2 * FLOAT32, view=scaled(math.sqrt(2))),
    ]
    return contest(fastsep.gradient, x, sigma=sigma, output="magnitude", dtype=np.float32, peers=peers)


@operation
def structure_tensor(x: Array, *, sigma: float) -> Contest:
    """All three elements."""

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.feature.structure_tensor, x, sigma, mode="reflect")

    def opencv(cv2: Any) -> Call:
        dy, dx, product, *tensor = (result_of(x) for _ in range(6))
        blurs = [opencv_blur(cv2, product, sigma, out) for out in tensor]

        def call() -> Any:
            cv2.Sobel(x, cv2.CV_32F, 0, 1, dy, 3, 1, 0, cv2.BORDER_REFLECT)
            cv2.Sobel(x, cv2.CV_32F, 1, 0, dx, 3, 1, 0, cv2.BORDER_REFLECT)
            for one, other, blur in zip((dy, dy, dx), (dy, dx, dx), blurs, strict=True):
                cv2.multiply(one, other, product)
                blur()
            return tensor

        return call

    # Derivatives are up to 4, their products up to 16.
    peers = [peer("OpenCV", opencv, 16 * FLOAT32), peer("scikit-image", scikit_image, 16 * FLOAT32)]
    return contest(fastsep.structure_tensor, x, sigma, "reflect", results=3, allocated=False, peers=peers)


@operation
def hessian_matrix(x: Array, *, sigma: float) -> Contest:
    """All three elements, by differences of the blurred image."""
    options: dict[str, Any] = {"mode": "reflect", "use_gaussian_derivatives": False}

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.feature.hessian_matrix, x, sigma, **options)

    peers = [peer("scikit-image", scikit_image, FLOAT32)]
    return contest(fastsep.hessian_matrix, x, sigma, **options, results=3, allocated=False, peers=peers)


def by_operator() -> dict[str, Callable[..., Contest]]:
    """The filters that differ by their taps alone."""
    found: dict[str, Callable[..., Contest]] = {}
    for operator in operators.EDGES:
        found[operator] = partial(magnitude, operator=operator)
        for axis, suffix in enumerate(("_h", "_v")):
            if operator + suffix in filters.__all__:  # an operator that scikit-image lacks may do without
                found[operator + suffix] = partial(derivative, operator=operator, axis=axis)
    return found | {name: partial(diagonal, name=name) for name in ROBERTS}


OPERATIONS.update(by_operator())
