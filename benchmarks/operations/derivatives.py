"""Derivatives, their magnitudes, and matrices of them; of float32 images in grey unless said otherwise.

Integer images become floats in [0, 1], as in scikit-image, and results float32 except those of float64 images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import OPERATIONS, Contest, Entry, operation
from benchmarks._libraries import load, missing
from benchmarks._timing import Array, Call
from benchmarks.operations._peers import (
    CV_32F,
    CV_64F,
    FLOAT32,
    FLOAT64,
    REFLECT,
    Prepare,
    allowed,
    blur,
    channels,
    contest,
    diplib,
    gauss_options,
    in_turn,
    named,
    peer,
    reach,
    scaled,
)  # fmt: skip
from fastsep import filters
from fastsep._plan import operators

# How many times as large as a difference of two pixels SciPy's operators are.
SCIPY_GAINS = {"sobel": 4, "prewitt": 3}
ROBERTS = {"roberts_pos_diag": [[-1, 0], [0, 1]], "roberts_neg_diag": [[0, -1], [1, 0]]}

Along = Callable[[Array, int, Array], Prepare]  # OpenCV's derivative: of an image, along an axis, into a result


def result_of(x: Array) -> Array:
    return np.empty(x.shape, np.float64 if x.dtype == np.float64 else np.float32)


def unit(x: Array) -> float:
    """What one level of an image becomes."""
    return 1.0 if x.dtype.kind == "f" else 1.0 / float(np.iinfo(x.dtype).max)


def filtered(name: str, x: Array, *peers: Entry) -> Contest:
    """By a filter of fastsep's; scikit-image has not every operator, and takes colours for a third dimension."""
    entries = list(peers)
    if x.ndim == 2 and (missing("scikit-image") or hasattr(load("scikit-image").filters, name)):
        entries.insert(1, peer("scikit-image", named(f"filters.{name}", x), allowed(x, 0, 4)))
    dtype = result_of(x[:0]).dtype
    return contest(getattr(fastsep, name), x, mode="reflect", channel_axis=channels(x), dtype=dtype, peers=entries)


def magnitude_of(along: Along, x: Array) -> Prepare:
    """OpenCV's, of the derivatives along both axes, not divided by anything."""
    dy, dx, out = (result_of(x) for _ in range(3))
    return in_turn(along(x, 0, dy), along(x, 1, dx), named("magnitude", dx, dy, out))


# ---- Sobel, Scharr, Prewitt, Farid


def along_axis(operator: str) -> Along:
    """On the scale of fastsep's."""

    def along(x: Array, axis: int, out: Array) -> Prepare:
        depth = CV_64F if out.dtype == np.float64 else CV_32F
        if operator == "sobel":
            return named("Sobel", x, depth, axis, 1 - axis, out, 3, unit(x) / 4, 0, REFLECT)
        if operator == "scharr":
            return named("Scharr", x, depth, axis, 1 - axis, out, unit(x) / 16, 0, REFLECT)
        edge = operators.EDGES[operator]
        derivative = np.array(edge.derivative[::-1])  # they are written down to convolve with
        lines = (derivative, unit(x) * edge.scale * np.array(edge.smoothing))
        return named("sepFilter2D", x, depth, *(lines if axis else lines[::-1]), out, (-1, -1), 0, REFLECT)

    return along


def scipy_magnitude(x: Array, operator: str) -> Prepare:
    """Not divided by anything, in the memory of one of the derivatives."""
    dy, dx = result_of(x), result_of(x)
    steps = [named(operator, x, axis, output=out, mode="reflect") for axis, out in enumerate((dy, dx))]

    def root() -> Array:
        np.add(np.multiply(dy, dy, out=dy), np.multiply(dx, dx, out=dx), out=dy)
        return np.sqrt(dy, out=dy)

    return in_turn(*steps, lambda _: root)


def magnitude(x: Array, *, operator: str) -> Contest:
    """Root mean square of the derivatives along both axes; also of images in colour or float64."""
    peers = [peer("OpenCV", magnitude_of(along_axis(operator), x), allowed(x, 0), view=scaled(1 / math.sqrt(2)))]
    if operator in SCIPY_GAINS and x.ndim == 2:
        factor = 1 / (SCIPY_GAINS[operator] * math.sqrt(2))
        peers.append(peer("SciPy", scipy_magnitude(x, operator), allowed(x, 0), view=scaled(factor)))
    if operator == "sobel" and x.ndim == 2:
        # Its differences are divided by two, and its magnitude is a root of a sum.
        run = diplib(x, "GradientMagnitude", method="finitediff")
        peers.append(peer("DIPlib", run, allowed(x, 0), margin=1, view=scaled(math.sqrt(2))))
    return filtered(operator, x, *peers)


def derivative(x: Array, *, operator: str, axis: int) -> Contest:
    """Along one axis."""
    peers = [peer("OpenCV", along_axis(operator)(x, axis, result_of(x)), FLOAT32)]
    if operator in SCIPY_GAINS:
        run = named(operator, x, axis, output=result_of(x), mode="reflect")
        peers.append(peer("SciPy", run, FLOAT32, view=scaled(1 / SCIPY_GAINS[operator])))
    if operator == "sobel":
        run = diplib(x, "SobelGradient", dimension=1 - axis)  # its first dimension is the last axis
        peers.append(peer("DIPlib", run, FLOAT32, margin=1, view=scaled(2)))
    return filtered(f"{operator}_{'hv'[axis]}", x, *peers)


@operation
def sobel_default(x: Array) -> Contest:
    """No option: the result of integers is float64."""
    peers = [peer("scikit-image", named("filters.sobel", x), FLOAT64)]
    return contest(fastsep.sobel, x, allocated=False, peers=peers)


# ---- Roberts and Laplace


def along_diagonal(x: Array, axis: int, out: Array) -> Prepare:
    kernel = np.array(list(ROBERTS.values())[axis], np.float32)
    return named("filter2D", x, CV_32F, kernel, out, (0, 0), 0, REFLECT)


@operation
def roberts(x: Array) -> Contest:
    opencv = peer("OpenCV", magnitude_of(along_diagonal, x), FLOAT32, view=scaled(1 / math.sqrt(2)))
    return filtered("roberts", x, opencv)


def diagonal(x: Array, *, axis: int) -> Contest:
    return filtered(list(ROBERTS)[axis], x, peer("OpenCV", along_diagonal(x, axis, result_of(x)), FLOAT32))


@operation
def laplace(x: Array) -> Contest:
    opencv = named("Laplacian", x, CV_32F, result_of(x), 1, -1, 0, REFLECT)
    scipy = named("laplace", x, output=result_of(x), mode="reflect")
    rough = 4 * FLOAT32
    return filtered("laplace", x, peer("OpenCV", opencv, rough), peer("SciPy", scipy, rough, view=scaled(-1)))


# ---- derivatives of Gaussians


def along_gaussian(sigma: float, order: int) -> Along:
    """A derivative of the Gaussian along one axis, the Gaussian along the other."""
    found = [operators.gaussian_line(sigma, each, 4.0) for each in (order, 0)]
    lines = [np.array(line.taps) for line in found if line is not None]

    def along(x: Array, axis: int, out: Array) -> Prepare:
        return named("sepFilter2D", x, CV_32F, *(lines if axis else lines[::-1]), out, (-1, -1), 0, REFLECT)

    return along


def of_gaussian(name: str, x: Array, sigma: float, opencv: Prepare, dip: Entry) -> Contest:
    scipy = named(name, x, sigma, output=result_of(x), mode="reflect")
    peers = [peer("OpenCV", opencv, FLOAT32), peer("SciPy", scipy, FLOAT32), dip]
    return contest(getattr(fastsep, name), x, sigma, mode="reflect", dtype=np.float32, peers=peers)


@operation
def gaussian_gradient_magnitude(x: Array, *, sigma: float) -> Contest:
    # DIPlib scales the taps of a derivative so that it is right for a ramp: up to 1e-4 of it for sigma 1 and larger.
    run = diplib(x, "GradientMagnitude", method="gaussFIR", **gauss_options(sigma))
    dip = peer("DIPlib", run, 5e-5, margin=reach(sigma), note="other taps, by up to 0.01 %")
    return of_gaussian("gaussian_gradient_magnitude", x, sigma, magnitude_of(along_gaussian(sigma, 1), x), dip)


@operation
def gaussian_laplace(x: Array, *, sigma: float) -> Contest:
    along, dyy, dxx = along_gaussian(sigma, 2), result_of(x), result_of(x)
    opencv = in_turn(along(x, 0, dyy), along(x, 1, dxx), named("add", dyy, dxx, dyy))
    # DIPlib makes the taps sum to 0, which those of SciPy and fastsep do nearly.
    run = diplib(x, "Laplace", method="gaussFIR", **gauss_options(sigma))
    dip = peer("DIPlib", run, 3e-4, margin=reach(sigma), note="other taps, by up to 1 %")
    return of_gaussian("gaussian_laplace", x, sigma, opencv, dip)


# ---- several results


@operation
def gradient(x: Array) -> Contest:
    """Both of Sobel's derivatives and their magnitude."""
    dy, dx, both = (result_of(x) for _ in range(3))
    derivatives = [along_axis("sobel")(x, axis, out) for axis, out in enumerate((dy, dx))]
    opencv = in_turn(*derivatives, named("magnitude", dx, dy, both), result=(dy, dx, both))

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
    smooth = np.empty_like(x)

    def scikit_image(skimage: Any) -> Call:
        return lambda: skimage.filters.sobel(skimage.filters.gaussian(x, sigma, mode="reflect"))

    # OpenCV rounds smoothed integers: up to a level, as it works in fixed point, at each of eight pixels.
    gap = 2 * FLOAT32 if x.dtype.kind == "f" else 4 * unit(x)
    peers = [
        peer("OpenCV", in_turn(blur(x, sigma, smooth), magnitude_of(along_axis("sobel"), smooth)), gap),
        peer("scikit-image", scikit_image, 2 * FLOAT32, view=scaled(math.sqrt(2))),
    ]
    return contest(fastsep.gradient, x, sigma=sigma, output="magnitude", dtype=np.float32, peers=peers)


@operation
def structure_tensor(x: Array, *, sigma: float) -> Contest:
    """All three elements."""
    dy, dx, product, *tensor = (result_of(x) for _ in range(6))
    steps = [named("Sobel", x, CV_32F, axis, 1 - axis, out, 3, 1, 0, REFLECT) for axis, out in enumerate((dy, dx))]
    for one, other, out in zip((dy, dy, dx), (dy, dx, dx), tensor, strict=True):
        steps += [named("multiply", one, other, product), blur(product, sigma, out)]
    # Derivatives are up to 4, their products up to 16.
    peers = [
        peer("OpenCV", in_turn(*steps, result=tensor), 16 * FLOAT32),
        peer("scikit-image", named("feature.structure_tensor", x, sigma, mode="reflect"), 16 * FLOAT32),
    ]
    return contest(fastsep.structure_tensor, x, sigma, "reflect", results=3, allocated=False, peers=peers)


@operation
def hessian_matrix(x: Array, *, sigma: float) -> Contest:
    """All three elements, by differences of the blurred image."""
    options: dict[str, Any] = {"mode": "reflect", "use_gaussian_derivatives": False}
    peers = [peer("scikit-image", named("feature.hessian_matrix", x, sigma, **options), FLOAT32)]
    return contest(fastsep.hessian_matrix, x, sigma, **options, results=3, allocated=False, peers=peers)


def by_operator() -> dict[str, Callable[..., Contest]]:
    """The filters that differ by their taps alone."""
    found: dict[str, Callable[..., Contest]] = {}
    for operator in operators.EDGES:
        found[operator] = partial(magnitude, operator=operator)
        for axis, suffix in enumerate(("_h", "_v")):
            if operator + suffix in filters.__all__:  # an operator that scikit-image lacks may do without
                found[operator + suffix] = partial(derivative, operator=operator, axis=axis)
    return found | {name: partial(diagonal, axis=axis) for axis, name in enumerate(ROBERTS)}


OPERATIONS.update(by_operator())
