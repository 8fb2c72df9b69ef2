"""Derivatives, their magnitudes, and matrices of them.

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
from benchmarks._contest import Contest, Entry
from benchmarks._libraries import load, missing
from benchmarks.operations._peers import (
    FLOAT32,
    FLOAT64,
    MIRROR,
    allowed,
    channels,
    contest,
    diplib_call,
    gauss_options,
    opencv_reads,
    peer,
    reach,
)
from fastsep import filters
from fastsep._plan import operators

# How many times as large as a difference of two pixels SciPy's operators are.
SCIPY_GAINS = {"sobel": 4, "prewitt": 3}
ROBERTS = {"roberts_pos_diag": [[-1, 0], [0, 1]], "roberts_neg_diag": [[0, -1], [1, 0]]}


def result_dtype(x: Array) -> type[np.floating[Any]]:
    return np.float64 if x.dtype == np.float64 else np.float32


def result_rounding(x: Array, scale: float = 1.0) -> float:
    """The largest difference by rounding between results of `result_dtype`."""
    return scale * (FLOAT64 if x.dtype == np.float64 else FLOAT32)


def unit(x: Array) -> float:
    """What one level of an image becomes."""
    return 1.0 if x.dtype.kind == "f" else 1.0 / float(np.iinfo(x.dtype).max)


def scaled(factor: float) -> Callable[[Any], Array]:
    return lambda result: factor * np.asarray(result)


def filter_of(name: str, x: Array, peers: list[Entry]) -> Contest:
    return contest(
        getattr(fastsep, name), x, mode="reflect", channel_axis=channels(x), dtype=result_dtype(x), peers=peers
    )


def scikit_image_filter(name: str, x: Array) -> list[Entry]:
    """It takes no colours for channels here, but for a third dimension; and it has not every operator."""
    if x.ndim != 2 or not (missing("scikit-image") or hasattr(load("scikit-image").filters, name)):
        return []
    return [peer("scikit-image", lambda skimage: partial(getattr(skimage.filters, name), x), result_rounding(x, 4))]


# ---- Sobel, Scharr, Prewitt, Farid


def opencv_derivative(cv2: Any, operator: str, x: Array, axis: int, out: Array) -> Call:
    """Along one axis, on the scale of fastsep's."""
    depth, scale = (cv2.CV_64F if out.dtype == np.float64 else cv2.CV_32F), unit(x)
    dx, dy = axis, 1 - axis
    if operator == "sobel":
        return partial(cv2.Sobel, x, depth, dx, dy, out, 3, scale / 4, 0, cv2.BORDER_REFLECT)
    if operator == "scharr":
        return partial(cv2.Scharr, x, depth, dx, dy, out, scale / 16, 0, cv2.BORDER_REFLECT)
    edge = operators.EDGES[operator]
    derivative = np.array(edge.derivative[::-1])  # they are written down to convolve with
    smoothing = scale * edge.scale * np.array(edge.smoothing)
    columns, rows = (derivative, smoothing) if axis == 1 else (smoothing, derivative)
    return partial(cv2.sepFilter2D, x, depth, columns, rows, out, (-1, -1), 0, cv2.BORDER_REFLECT)


def opencv_magnitude(cv2: Any, along: Callable[[int, Array], Call], x: Array) -> Call:
    """Of the derivatives along both axes, not divided by anything."""
    dy, dx, out = (np.empty(x.shape, result_dtype(x)) for _ in range(3))
    down, across = along(0, dy), along(1, dx)

    def call() -> Any:
        down()
        across()
        return cv2.magnitude(dx, dy, out)

    return call


def scipy_magnitude(ndi: Any, operator: str, x: Array) -> Call:
    """Not divided by anything, in the memory of one of the derivatives."""
    dy, dx = (np.empty(x.shape, result_dtype(x)) for _ in range(2))

    def call() -> Array:
        for axis, out in ((0, dy), (1, dx)):
            getattr(ndi, operator)(x, axis, output=out, mode="reflect")
            np.multiply(out, out, out=out)
        np.add(dy, dx, out=dy)
        return np.sqrt(dy, out=dy)

    return call


def magnitude(x: Array, *, operator: str) -> Contest:
    """Root mean square of the derivatives along both axes."""

    def opencv(cv2: Any) -> Call:
        return opencv_magnitude(cv2, lambda axis, out: opencv_derivative(cv2, operator, x, axis, out), x)

    def diplib(dip: Any) -> Call:
        return diplib_call(
            x, lambda image, out: dip.GradientMagnitude(image, out=out, method="finitediff", boundaryCondition=MIRROR)
        )

    peers = []
    if opencv_reads(x):
        peers.append(peer("OpenCV", opencv, result_rounding(x), view=scaled(1 / math.sqrt(2))))
    peers += scikit_image_filter(operator, x)
    if operator in SCIPY_GAINS and x.ndim == 2:
        factor = unit(x) / (SCIPY_GAINS[operator] * math.sqrt(2))
        find = partial(scipy_magnitude, operator=operator, x=x)
        peers.append(peer("SciPy", lambda ndi: find(ndi), result_rounding(x), view=scaled(factor)))
    if operator == "sobel" and x.ndim == 2:
        # Its differences are divided by two, and its magnitude is a root of a sum.
        peers.append(peer("DIPlib", diplib, result_rounding(x), margin=1, view=scaled(math.sqrt(2) * unit(x))))
    return filter_of(operator, x, peers)


def derivative(x: Array, *, operator: str, axis: int) -> Contest:
    """Along one axis."""

    def opencv(cv2: Any) -> Call:
        return opencv_derivative(cv2, operator, x, axis, np.empty(x.shape, result_dtype(x)))

    def scipy(ndi: Any) -> Call:
        return partial(getattr(ndi, operator), x, axis, output=np.empty(x.shape, result_dtype(x)), mode="reflect")

    def diplib(dip: Any) -> Call:
        # Its first dimension is the last axis.
        return diplib_call(
            x, lambda image, out: dip.SobelGradient(image, out=out, dimension=1 - axis, boundaryCondition=MIRROR)
        )

    name = f"{operator}_{'hv'[axis]}"
    peers = []
    if opencv_reads(x):
        peers.append(peer("OpenCV", opencv, result_rounding(x)))
    peers += scikit_image_filter(name, x)
    if operator in SCIPY_GAINS and x.ndim == 2:
        peers.append(peer("SciPy", scipy, result_rounding(x), view=scaled(unit(x) / SCIPY_GAINS[operator])))
    if operator == "sobel" and x.ndim == 2:
        peers.append(peer("DIPlib", diplib, result_rounding(x), margin=1, view=scaled(2 * unit(x))))
    return filter_of(name, x, peers)


def sobel_default(x: Array) -> Contest:
    """No option: the result of integers is float64."""
    plain = contest(fastsep.sobel, x, peers=[])
    return Contest(
        (
            Entry("fastsep", lambda threads: partial(fastsep.sobel, x, workers=threads)),
            peer("scikit-image", lambda skimage: partial(skimage.filters.sobel, x), allowed(x, FLOAT64)),
        ),
        plain.bytes,
        plain.multiply_adds,
        plain.arithmetic,
    )


# ---- Roberts and Laplace


def opencv_diagonal(cv2: Any, name: str, x: Array, out: Array) -> Call:
    depth = cv2.CV_64F if out.dtype == np.float64 else cv2.CV_32F
    kernel = unit(x) * np.array(ROBERTS[name])
    return partial(cv2.filter2D, x, depth, kernel, out, (0, 0), 0, cv2.BORDER_REFLECT)


def roberts(x: Array) -> Contest:
    def opencv(cv2: Any) -> Call:
        names = list(ROBERTS)
        return opencv_magnitude(cv2, lambda axis, out: opencv_diagonal(cv2, names[axis], x, out), x)

    peers = []
    if opencv_reads(x):
        peers.append(peer("OpenCV", opencv, result_rounding(x), view=scaled(1 / math.sqrt(2))))
    return filter_of("roberts", x, [*peers, *scikit_image_filter("roberts", x)])


def diagonal(x: Array, *, name: str) -> Contest:
    def opencv(cv2: Any) -> Call:
        return opencv_diagonal(cv2, name, x, np.empty(x.shape, result_dtype(x)))

    peers = []
    if opencv_reads(x):
        peers.append(peer("OpenCV", opencv, result_rounding(x)))
    return filter_of(name, x, [*peers, *scikit_image_filter(name, x)])


def laplace(x: Array) -> Contest:
    def opencv(cv2: Any) -> Call:
        out = np.empty(x.shape, result_dtype(x))
        depth = cv2.CV_64F if out.dtype == np.float64 else cv2.CV_32F
        return partial(cv2.Laplacian, x, depth, out, 1, -unit(x), 0, cv2.BORDER_REFLECT)

    def scipy(ndi: Any) -> Call:
        return partial(ndi.laplace, x, output=np.empty(x.shape, result_dtype(x)), mode="reflect")

    peers = []
    if opencv_reads(x):
        peers.append(peer("OpenCV", opencv, result_rounding(x, 4)))
    peers += scikit_image_filter("laplace", x)
    if x.ndim == 2:
        peers.append(peer("SciPy", scipy, result_rounding(x, 4), view=scaled(-unit(x))))
    return filter_of("laplace", x, peers)


# ---- derivatives of Gaussians: integers are not rescaled, and images are grey


def gaussian_lines(sigma: float, order: int) -> tuple[Array, Array]:
    """Taps of the Gaussian, and of its derivative."""
    lines = [operators.gaussian_line(sigma, each, 4.0) for each in (0, order)]
    smooth, derived = (np.array(line.taps) for line in lines if line is not None)
    return smooth, derived


def opencv_gaussian(cv2: Any, lines: tuple[Array, Array], x: Array, axis: int, out: Array) -> Call:
    """A derivative of the Gaussian along one axis, the Gaussian along the other."""
    depth = cv2.CV_64F if out.dtype == np.float64 else cv2.CV_32F
    rows, columns = lines if axis == 1 else lines[::-1]
    return partial(cv2.sepFilter2D, x, depth, columns, rows, out, (-1, -1), 0, cv2.BORDER_REFLECT)


def gaussian_gradient_magnitude(x: Array, *, sigma: float) -> Contest:
    dtype = result_dtype(x)

    def opencv(cv2: Any) -> Call:
        lines = gaussian_lines(sigma, 1)
        return opencv_magnitude(cv2, lambda axis, out: opencv_gaussian(cv2, lines, x, axis, out), x)

    def scipy(ndi: Any) -> Call:
        return partial(ndi.gaussian_gradient_magnitude, x, sigma, output=np.empty(x.shape, dtype), mode="reflect")

    def diplib(dip: Any) -> Call:
        options = gauss_options(sigma)
        return diplib_call(x, lambda image, out: dip.GradientMagnitude(image, out=out, method="gaussFIR", **options))

    peers = [
        peer("SciPy", scipy, result_rounding(x, 1 / unit(x))),
        # It scales the taps of a derivative so that it is right for a ramp: up to 1e-4 of it for sigma 1 and larger.
        peer("DIPlib", diplib, 5e-5 / unit(x), margin=reach(sigma), note="other taps, by up to 0.01 %"),
    ]
    if opencv_reads(x):
        peers.insert(0, peer("OpenCV", opencv, result_rounding(x, 1 / unit(x))))
    return contest(fastsep.gaussian_gradient_magnitude, x, sigma, mode="reflect", dtype=dtype, peers=peers)


def gaussian_laplace(x: Array, *, sigma: float) -> Contest:
    dtype = result_dtype(x)

    def opencv(cv2: Any) -> Call:
        lines = gaussian_lines(sigma, 2)
        dyy, dxx = np.empty(x.shape, dtype), np.empty(x.shape, dtype)
        down, across = opencv_gaussian(cv2, lines, x, 0, dyy), opencv_gaussian(cv2, lines, x, 1, dxx)

        def call() -> Any:
            down()
            across()
            return cv2.add(dyy, dxx, dyy)

        return call

    def scipy(ndi: Any) -> Call:
        return partial(ndi.gaussian_laplace, x, sigma, output=np.empty(x.shape, dtype), mode="reflect")

    def diplib(dip: Any) -> Call:
        options = gauss_options(sigma)
        return diplib_call(x, lambda image, out: dip.Laplace(image, out=out, method="gaussFIR", **options))

    peers = [
        peer("SciPy", scipy, result_rounding(x, 1 / unit(x))),
        # It makes the taps sum to 0, which those of SciPy and fastsep do nearly.
        peer("DIPlib", diplib, 3e-4 / unit(x), margin=reach(sigma), note="other taps, by up to 1 %"),
    ]
    if opencv_reads(x):
        peers.insert(0, peer("OpenCV", opencv, result_rounding(x, 1 / unit(x))))
    return contest(fastsep.gaussian_laplace, x, sigma, mode="reflect", dtype=dtype, peers=peers)


# ---- several results


def gradient(x: Array, *, operator: str = "sobel") -> Contest:
    """Both derivatives and their magnitude, of a grey image."""
    dtype = result_dtype(x)
    pixels = x.size

    def ours(threads: int) -> Call:
        return partial(
            fastsep.gradient,
            x,
            operator,
            output=("dy", "dx", "magnitude"),
            dtype=dtype,
            out=tuple(np.empty(x.shape, dtype) for _ in range(3)),
            workers=threads,
        )

    def opencv(cv2: Any) -> Call:
        dy, dx, both = (np.empty(x.shape, dtype) for _ in range(3))
        down, across = (opencv_derivative(cv2, operator, x, axis, out) for axis, out in ((0, dy), (1, dx)))

        def call() -> Any:
            down()
            across()
            cv2.magnitude(dx, dy, both)
            return dy, dx, both

        return call

    def scikit_image(skimage: Any) -> Call:
        find = getattr(skimage.filters, operator)

        def call() -> Any:
            dy, dx = find(x, axis=0), find(x, axis=1)
            return dy, dx, np.hypot(dy, dx)

        return call

    peers = [peer("scikit-image", scikit_image, result_rounding(x, 2))]
    if opencv_reads(x):
        peers.insert(0, peer("OpenCV", opencv, result_rounding(x, 2)))
    edge = operators.EDGES[operator]
    multiply_adds = 2 * (sum(tap != 0 for tap in edge.derivative) + len(edge.smoothing)) * pixels
    return Contest(
        (Entry("fastsep", ours), *peers), x.nbytes + 3 * pixels * np.dtype(dtype).itemsize, multiply_adds, of(dtype)
    )


def smooth_gradient(x: Array, *, sigma: float) -> Contest:
    """A Gaussian, and the magnitude of Sobel's derivatives: `gradient` of a grey image in one sweep."""
    dtype = result_dtype(x)
    size = 2 * reach(sigma) + 1

    def ours(threads: int) -> Call:
        out = np.empty(x.shape, dtype)
        return partial(fastsep.gradient, x, sigma=sigma, output="magnitude", dtype=dtype, out=out, workers=threads)

    def opencv(cv2: Any) -> Call:
        smoothed = np.empty_like(x)
        find = opencv_magnitude(cv2, lambda axis, out: opencv_derivative(cv2, "sobel", smoothed, axis, out), smoothed)

        def call() -> Any:
            cv2.GaussianBlur(x, (size, size), sigma, smoothed, sigma, cv2.BORDER_REFLECT)
            return find()

        return call

    def scikit_image(skimage: Any) -> Call:
        def call() -> Any:
            return skimage.filters.sobel(skimage.filters.gaussian(x, sigma, mode="reflect"))

        return call

    peers = [peer("scikit-image", scikit_image, result_rounding(x, 2), view=scaled(math.sqrt(2)))]
    if opencv_reads(x):
        # It rounds smoothed integers: up to a level, as it works in fixed point, at each of eight pixels.
        gap = result_rounding(x, 2) if x.dtype.kind == "f" else 4 * unit(x)
        peers.insert(0, peer("OpenCV", opencv, gap))
    return Contest(
        (Entry("fastsep", ours), *peers),
        x.nbytes + x.size * np.dtype(dtype).itemsize,
        2 * (size + 5) * x.size,
        of(dtype),
    )


def structure_tensor(x: Array, *, sigma: float) -> Contest:
    """All three elements; integers give float64."""
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    size = 2 * reach(sigma) + 1

    def ours(threads: int) -> Call:
        return partial(fastsep.structure_tensor, x, sigma, "reflect", workers=threads)

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.feature.structure_tensor, x, sigma, mode="reflect")

    def opencv(cv2: Any) -> Call:
        depth = cv2.CV_32F if dtype == np.float32 else cv2.CV_64F
        dy, dx, product = (np.empty(x.shape, dtype) for _ in range(3))
        tensor = [np.empty(x.shape, dtype) for _ in range(3)]

        def call() -> Any:
            cv2.Sobel(x, depth, 0, 1, dy, 3, 1, 0, cv2.BORDER_REFLECT)
            cv2.Sobel(x, depth, 1, 0, dx, 3, 1, 0, cv2.BORDER_REFLECT)
            for one, other, out in zip((dy, dy, dx), (dy, dx, dx), tensor, strict=True):
                cv2.multiply(one, other, product)
                cv2.GaussianBlur(product, (size, size), sigma, out, sigma, cv2.BORDER_REFLECT)
            return tensor

        return call

    # Derivatives are up to 4, their products up to 16.
    gap = 16 * (FLOAT32 if dtype == np.float32 else FLOAT64)
    peers = [peer("scikit-image", scikit_image, gap)]
    if opencv_reads(x) and x.dtype.kind == "f":
        peers.insert(0, peer("OpenCV", opencv, gap))
    return Contest(
        (Entry("fastsep", ours), *peers),
        x.nbytes + 3 * x.size * np.dtype(dtype).itemsize,
        (10 + 3 + 3 * 2 * size) * x.size,
        of(dtype),
    )


def hessian_matrix(x: Array, *, sigma: float) -> Contest:
    """All three elements, by differences of the blurred image; integers give float64."""
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    options: dict[str, Any] = {"mode": "reflect", "use_gaussian_derivatives": False}

    def ours(threads: int) -> Call:
        return partial(fastsep.hessian_matrix, x, sigma, workers=threads, **options)

    def scikit_image(skimage: Any) -> Call:
        return partial(skimage.feature.hessian_matrix, x, sigma, **options)

    gap = FLOAT32 if dtype == np.float32 else FLOAT64
    return Contest(
        (Entry("fastsep", ours), peer("scikit-image", scikit_image, gap)),
        x.nbytes + 3 * x.size * np.dtype(dtype).itemsize,
        (2 * (2 * reach(sigma) + 1) + 5) * x.size,
        of(dtype),
    )


def of(dtype: type[np.floating[Any]]) -> str:
    return str(np.dtype(dtype))


def by_operator() -> dict[str, Callable[..., Contest]]:
    """The filters that differ by their taps alone."""
    found: dict[str, Callable[..., Contest]] = {}
    for operator in operators.EDGES:
        found[operator] = partial(magnitude, operator=operator)
        for axis, suffix in enumerate(("_h", "_v")):
            if operator + suffix in filters.__all__:  # an operator that scikit-image lacks may do without
                found[operator + suffix] = partial(derivative, operator=operator, axis=axis)
    for name in ROBERTS:
        found[name] = partial(diagonal, name=name)
    return found
