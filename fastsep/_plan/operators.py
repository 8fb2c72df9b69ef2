"""The numbers: from a filter's parameters to the taps that define it. NumPy only, no pixels.

They make values of `spec.Separable` and `spec.Dense`. The table of edge
operators is in convolution order, as papers and scikit-image print their kernels; it is flipped
once, in `edges`, because everything below this file correlates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastsep._plan.spec import IDENTITY, Dense, Line, Separable, Term

TRUNCATE = 4.0  # sigmas at which scikit-image cuts Gaussians off


class Edge(NamedTuple):
    """One edge operator: a derivative along one axis, smoothing along every other."""

    derivative: tuple[float, ...]
    smoothing: tuple[float, ...]
    scale: float  # multiplies the smoothing taps, so that they sum to one


# Farid and Simoncelli, "Differentiation of discrete multidimensional signals" (2004), Table 1, five
# taps, with the further decimal places of scikit-image.
_FARID_DERIVATIVE = (0.109603762960254, 0.276690988455557, 0.0, -0.276690988455557, -0.109603762960254)
_FARID_SMOOTHING = (0.0376593171958126, 0.249153396177344, 0.426374573253687, 0.249153396177344, 0.0376593171958126)

EDGES = {
    #               derivative         smoothing          scale
    "sobel": Edge((1.0, 0.0, -1.0), (1.0, 2.0, 1.0), 1 / 4),
    "scharr": Edge((1.0, 0.0, -1.0), (3.0, 10.0, 3.0), 1 / 16),
    "prewitt": Edge((1.0, 0.0, -1.0), (1.0, 1.0, 1.0), 1 / 3),
    "farid": Edge(_FARID_DERIVATIVE, _FARID_SMOOTHING, 1.0),
}

#: Those of `gradient`: beside the filters of their own, half the difference of both neighbours.
OPERATORS = {**EDGES, "central": Edge((0.5, 0.0, -0.5), (1.0,), 1.0)}


def edges(name: str, ndim: int, axes: Sequence[int]) -> Separable:
    """Derivative along one axis, or the magnitude over several, of an operator of the table.

    The magnitude is divided by sqrt(ndim) even where `axes` names fewer axes, as scikit-image does.
    """
    edge = OPERATORS[name]
    factor = 1.0 if len(axes) == 1 else 1.0 / math.sqrt(ndim)
    derivative = _line([factor * tap for tap in reversed(edge.derivative)])
    smoothing = _line([edge.scale * tap for tap in reversed(edge.smoothing)]) if len(edge.smoothing) > 1 else None
    terms = tuple(Term(tuple(derivative if i == axis else smoothing for i in range(ndim))) for axis in axes)
    # Zero taps are skipped, as dense correlation does: a NaN under the middle of a derivative does
    # not spread.
    return Separable(terms, combine="sum" if len(axes) == 1 else "magnitude", skip_zeros=True)


def laplace(ndim: int) -> Dense:
    """Discrete Laplacian: 2 ndim in the middle, -1 at the nearest neighbours."""
    kernel = np.zeros((3,) * ndim)
    distances = np.abs(np.indices(kernel.shape) - 1).sum(axis=0)
    kernel[distances == 1] = -1.0
    kernel[distances == 0] = 2.0 * ndim
    return Dense(kernel, (1,) * ndim)


def gaussian(sigma: Sequence[float], order: Sequence[int], truncate: float) -> Separable:
    """Gaussian, or its derivative of the given order along each axis."""
    term = Term(tuple(gaussian_line(s, o, truncate) for s, o in zip(sigma, order, strict=True)))
    # The taps of order 0 sum to one, so every pass sees `cval` outside either way; those of a
    # derivative do not.
    return Separable((term,), chained=any(order))


def difference_of_gaussians(low: Sequence[float], high: Sequence[float], truncate: float) -> Separable:
    """The narrow Gaussian minus the wide one, as a sum of terms that each take differences along one axis.

    With d = n - w along each axis, n n - w w = d w + n d, and n n n - w w w = d w w + n d w + n n d: no
    two large values are subtracted.
    """
    (narrow,) = gaussian(low, [0] * len(low), truncate).terms
    (wide,) = gaussian(high, [0] * len(high), truncate).terms
    terms = []
    for axis, (first, second) in enumerate(zip(narrow.lines, wide.lines, strict=True)):
        difference = _difference(first, second)
        if any(difference.taps):
            terms.append(Term((*narrow.lines[:axis], difference, *wide.lines[axis + 1 :])))
    return Separable(tuple(terms) or (Term((Line((0.0,), 0), *narrow.lines[1:])),))


def _difference(first: Line | None, second: Line | None) -> Line:
    """Symmetric taps minus others."""
    lines = [line or IDENTITY for line in (first, second)]
    radius = max(line.centre for line in lines)
    one, other = (np.pad(line.taps, radius - line.centre) for line in lines)
    return _line((one - other).tolist())


def unsharp(radius: Sequence[float], amount: float, truncate: float, clip: tuple[float, float] | None) -> Separable:
    """image + amount * (image - blurred), as (1 + amount) * image - amount * blurred."""
    (blurred,) = gaussian(radius, [0] * len(radius), truncate).terms
    identity = Term((None,) * len(radius))
    return Separable((_scaled(identity, 1.0 + amount), _scaled(blurred, -amount)), clip=clip)


def gaussian_gradient_magnitude(sigma: Sequence[float], truncate: float) -> Separable:
    """Root of the sum of the squared derivatives of the blurred image."""
    return Separable(_axis_by_axis(sigma, 1, truncate), combine="magnitude", chained=True)


def gaussian_laplace(sigma: Sequence[float], truncate: float) -> Separable:
    """Sum of the second derivatives of the blurred image."""
    return Separable(_axis_by_axis(sigma, 2, truncate), chained=True)


def _axis_by_axis(sigma: Sequence[float], order: int, truncate: float) -> tuple[Term, ...]:
    # Where sigma is 0 the term of that axis only blurs the others, as in SciPy.
    axes = range(len(sigma))
    return tuple(
        Term(tuple(gaussian_line(s, order if i == axis else 0, truncate) for i, s in enumerate(sigma))) for axis in axes
    )


def separable(taps: Sequence[tuple[float, ...] | None]) -> Separable:
    """One correlation per axis, centred at len // 2; every pass sees the border value itself."""
    return Separable((Term(tuple(None if t is None else _line(t) for t in taps)),), chained=True)


#: Up to this sigma a Gaussian changes no pixel (SciPy's limit).
SMALLEST_SIGMA = 1e-15


def gaussian_line(sigma: float, order: int, truncate: float) -> Line | None:
    """Sampled Gaussian taps, or None where sigma is too small to change a pixel."""
    if sigma <= SMALLEST_SIGMA:
        return None
    return sampled_gaussian(sigma, order, int(truncate * sigma + 0.5))


def sampled_gaussian(sigma: float, order: int, radius: int) -> Line:
    """Taps of a Gaussian or its derivative, the same on every CPU."""
    scale = -0.5 / (sigma * sigma)
    # The exponential of NumPy gives another last bit with AVX-512, for one value in twenty.
    half = [math.exp(scale * (x * x)) for x in range(radius + 1)]
    values = np.array(half[:0:-1] + half)
    values /= math.fsum(values)
    if order:
        values *= _hermite(np.arange(-radius, radius + 1), sigma, order)
    return _line(values[::-1].tolist())


def scipy_gaussian_line(sigma: float, order: int, radius: int) -> Line:
    """`sampled_gaussian` with SciPy's taps on this CPU, to the last bit: NumPy's exponential, and sums in its order."""
    x = np.arange(-radius, radius + 1)
    variance = sigma * sigma
    values = np.exp(-0.5 / variance * x**2)
    values = values / values.sum()
    if order:
        # (q' - x / variance q) as a matrix that is multiplied with the coefficients of q.
        slope = np.diag(np.arange(1.0, order + 1), 1) + np.diag(np.ones(order) / -variance, -1)
        q = np.eye(order + 1)[0]
        for _ in range(order):
            q = slope.dot(q)
        values = (x[:, None] ** np.arange(order + 1)).dot(q) * values
    return _line(values[::-1].tolist())


def _hermite(x: np.ndarray, sigma: float, order: int) -> np.ndarray:
    # d/dx (q(x) phi(x)) = (q'(x) - x / sigma^2 q(x)) phi(x), applied `order` times to q = 1.
    q = np.polynomial.Polynomial([1.0])
    slope = np.polynomial.Polynomial([0.0, -1.0 / (sigma * sigma)])
    for _ in range(order):
        q = q.deriv() + slope * q
    result: np.ndarray = q(x)
    return result


def _line(taps: Sequence[float]) -> Line:
    return Line(tuple(float(tap) for tap in taps), len(taps) // 2)


def _scaled(term: Term, factor: float) -> Term:
    # On the last pass: the passes before it then see the border value as it is, chained or not.
    lines = list(term.lines)
    last = max((i for i, line in enumerate(lines) if line is not None), default=0)
    line = lines[last] or IDENTITY
    lines[last] = Line(tuple(factor * tap for tap in line.taps), line.centre)
    return Term(tuple(lines))
