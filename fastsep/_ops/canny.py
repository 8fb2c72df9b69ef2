"""Canny's edge detector on the engine: smoothing, gradient and non-maximum suppression in one sweep.

In float64 every operation is the one, in the order, that scikit-image and SciPy carry out, so that every decision is
the same; in float32 the fast tiles are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import BOOL, DECISION, Operation, PerPixel, Request, apply, takes_wrappers
from fastsep._engine import execution
from fastsep._engine.caches import MIB, remembered
from fastsep._engine.pipeline import IMAGE, RESULT, Buffer, Pipeline, Stage
from fastsep._ops.hysteresis import Tracking, track
from fastsep._ops.stages import SOBEL, plan_of_step
from fastsep._plan import description, dtypes, operators, planner
from fastsep._plan.description import Description
from fastsep._plan.operators import TRUNCATE
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Divisors, Line, Separable, Suppress, Term
from fastsep._validation import array_like, arrays, scalars
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame

BYTE = np.dtype(np.uint8)
BORDERS = ("reflect", "reflect")  # of the stages behind the smoothing


class Smoothing(NamedTuple):
    """The Gaussian before the gradient, and how it treats the borders."""

    sigma: tuple[float, float]
    modes: tuple[str, str]
    cval: float
    scale: float  # what values are multiplied by first
    divide: bool  # by the share of the Gaussian that lies inside the image

    def lines(self, acc: np.dtype[Any]) -> list[Line]:
        """Taps along both axes. In float64 they are SciPy's on this CPU, as scikit-image's decisions ask."""
        if acc == np.float32:
            return [operators.gaussian_line(s, 0, TRUNCATE) or IDENTITY for s in self.sigma]
        return [
            operators.scipy_gaussian_line(s, 0, int(TRUNCATE * s + 0.5)) if s > operators.SMALLEST_SIGMA else IDENTITY
            for s in self.sigma
        ]


#: Of an image that is smoothed already.
AS_IS = Smoothing((0.0, 0.0), ("reflect", "reflect"), 0.0, 1.0, False)


@takes_wrappers
def canny(
    image: Any, sigma: Any, low: Any, high: Any, mask: Any, use_quantiles: bool, mode: Any, cval: Any, out: Any,
    dtype: Any, workers: Any,
) -> Array:  # fmt: skip
    """`edges.canny`."""
    image = arrays.grey_image(image)
    arrays.need_range(image)
    low, high = _thresholds(low, high, use_quantiles, dtypes.unit(image.dtype))
    if mask is not None:
        read = array_like.real_array if isinstance(image, np.ndarray) else array_like.real_image
        mask = PerPixel(arrays.expanded_mask(mask, read("mask", mask), image.shape, None))
    # scikit-image divides for this mode by this name only.
    divide = isinstance(mode, str) and mode == "constant" and mask is None
    parameters = (sigma, low, high, use_quantiles, divide, mask)
    return apply(_canny, parameters, image, mode, cval, None, DECISION, dtype, out, workers)


def _canny(
    frame: Frame, sigma: Any, low: float, high: float, use_quantiles: bool, divide: bool, mask: PerPixel | None
) -> Operation:
    sigma = scalars.sigmas("sigma", sigma, 2, TRUNCATE)
    return Operation(partial(CannyProgram, sigma, low, high, use_quantiles, divide, mask))


class CannyProgram(Tracking):
    """Canny's edges of images of one shape and dtype."""

    diagonal = True

    def __init__(
        self, sigma: tuple[float, float], low: float, high: float, use_quantiles: bool, divide: bool,
        mask: PerPixel | None, request: Request,
    ) -> None:  # fmt: skip
        """`mask`: which pixels count. `divide`: the smoothed image by the share of the
        Gaussian that lies inside."""
        super().__init__(request)
        self.source, self.target = None, BOOL
        self.acc, self.border = request.frame.result, request.frame.border
        self.thresholds, self.use_quantiles = (low, high), use_quantiles
        self.limits = None if use_quantiles else _limits(low, high, self.acc)
        self.mask = None if mask is None else mask.values[0] != 0
        self.smoothing = Smoothing(sigma, request.modes, request.cval, 1.0, divide)  # type: ignore[arg-type]

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        codes = outs[0].view(BYTE)
        self.classify(image, codes, workers)
        track(codes, True, workers)

    def classify(self, image: Array, codes: Array, workers: int | None) -> None:
        acc, mask, limits = self.acc, self.mask, self.limits
        if mask is not None:
            image = np.where(mask, image, image.dtype.type(0))
        image, scale = _source(image, acc, self.border)
        smoothing = self.smoothing._replace(scale=scale)
        if mask is not None:
            image, smoothing = _smoothed_inside(image, mask, smoothing, acc, workers), AS_IS
        if limits is None:
            magnitudes = np.empty(image.shape, acc)
            _detector(image.shape, image.dtype, acc, smoothing, None, None).run(image, magnitudes, workers)
            limits = _limits(*_quantiles(magnitudes, *self.thresholds), acc)
        _detector(image.shape, image.dtype, acc, smoothing, *limits).run(image, codes, workers)
        if mask is not None:
            codes *= arrays.eroded(mask, None)

    def describe(self) -> Description:
        acc, shape = self.acc, self.shape
        smoothing = operators.gaussian(self.smoothing.sigma, (0, 0), TRUNCATE)
        slopes = tuple(operators.edges("sobel", 2, (axis,)) for axis in (0, 1))
        stages = [
            description.Stage("smoothing", (smoothing,), (_smoothing_plan(shape, acc, acc, self.smoothing),)),
            description.Stage("gradient", slopes, (_gradient_plan(shape, acc),)),
            description.Stage("non-maximum suppression", (), (_suppress_plan(shape, acc, 0.1, 0.2),), ((1, 1), (1, 1))),
            description.Stage("hysteresis"),
        ]
        if self.use_quantiles:
            stages.insert(2, description.Stage("quantiles of the magnitudes"))
        notes = ["the estimate is without hysteresis, whose time depends on the image"]
        why = "once over the image, strip by strip, then along the edges"
        return description.of_stages(why, acc, stages, True, notes)


def _thresholds(low: Any, high: Any, use_quantiles: bool, unit: float) -> tuple[float, float]:
    """Both thresholds for magnitudes of a rescaled image, or as quantiles."""
    found = []
    for name, value, default in (("low_threshold", low, 0.1), ("high_threshold", high, 0.2)):
        if value is None:
            found.append(default)
            continue
        number = scalars.number(name, value)
        if use_quantiles and not 0.0 <= number <= 1.0:
            raise ValueError(f"`{name}` must lie in [0, 1] with `use_quantiles`; got {array_like.show(value)}.")
        found.append(number if use_quantiles else number / unit)
    if found[1] < found[0]:
        # Those that were left out, too, on the scale of the others.
        lower, upper = (value if use_quantiles else value * unit for value in found)
        hint = " Both come after `sigma`." if high is None else ""  # in OpenCV they come first
        raise ValueError(f"`low_threshold` must not be above `high_threshold`; got {lower:.6g} and {upper:.6g}.{hint}")
    return found[0], found[1]


def _quantiles(magnitude: Array, low: float, high: float) -> tuple[float, float]:
    with np.errstate(invalid="ignore"):  # between infinite magnitudes
        low, high = np.percentile(magnitude, [100.0 * low, 100.0 * high])
    return float(low), float(high)


def _source(image: Array, acc: np.dtype[Any], border: float) -> tuple[Array, float]:
    """The image as the engine reads it, and what its values have to be multiplied by."""
    scale = 1.0 / dtypes.unit(image.dtype)
    plain = dtypes.source_dtype(image.dtype)
    if image.dtype.kind == "b" or (plain.kind == "u" and border == 0.0):
        return dtypes.convert(image, dtypes.border_dtype(plain, acc, border), None, False), scale
    if image.dtype.kind == "f":
        return dtypes.convert(image, acc, None, False), 1.0
    # In scikit-image's order of operations.
    values = np.multiply(image, scale, dtype=acc, order="C")
    return np.maximum(values, -1.0, out=values) if image.dtype.kind == "i" else values, 1.0


def _smoothed_inside(
    image: Array, inside: Array, smoothing: Smoothing, acc: np.dtype[Any], workers: int | None
) -> Array:
    """The image, zero outside, smoothed and divided by the share of the Gaussian that lies inside."""
    smoothed = _smooth(image, smoothing, acc, workers)
    share, scale = _source(inside, acc, smoothing.cval if "constant" in smoothing.modes else 0.0)
    share = _smooth(share, smoothing._replace(scale=scale), acc, workers)
    share += np.finfo(acc).eps
    with np.errstate(all="ignore"):
        smoothed /= share
    return smoothed


def _smooth(image: Array, smoothing: Smoothing, acc: np.dtype[Any], workers: int | None) -> Array:
    return execution.Runner(_smoothing_plan(image.shape, image.dtype, acc, smoothing)).run(image, None, workers)


def _limits(low: float, high: float, acc: np.dtype[Any]) -> tuple[float, float]:
    """The limits of magnitudes as scikit-image compares them: the lower one is a C float there."""
    with np.errstate(over="ignore", under="ignore"):
        least = float(np.float32(low)) or float(np.float32(1e-14))
        # A magnitude of zero is no edge, whatever the limit.
        least = max(least, float(np.finfo(acc).smallest_subnormal)) if least == least else least
        return least, float(np.asarray(high).astype(acc))


@remembered(4 * MIB, 32)
@np.errstate(all="ignore")  # of taps
def _detector(
    shape: tuple[int, int], src: np.dtype[Any], acc: np.dtype[Any], smoothing: Smoothing, low: float | None,
    high: float | None,
) -> Pipeline:  # fmt: skip
    """The stages; without limits only as far as the magnitudes."""
    smooth = Stage(_smoothing_plan(shape, src, acc, smoothing), IMAGE, 0, 0)
    gradient = _gradient_plan(shape, acc)
    if low is None or high is None:
        return Pipeline([smooth, Stage(gradient, 0, RESULT, 1)], [Buffer(acc, 1)])
    suppress = Stage(_suppress_plan(shape, acc, low, high), 1, RESULT, 1, second=0, second_halo=1)
    return Pipeline([smooth, Stage(gradient, 0, 1, 1), suppress], [Buffer(acc, 1)] * 2)


@np.errstate(all="ignore")  # of taps
def _smoothing_plan(shape: tuple[int, ...], src: np.dtype[Any], acc: np.dtype[Any], smoothing: Smoothing) -> Plan:
    y, x = smoothing.lines(acc)
    divisors = _divisors(shape, acc, smoothing) if smoothing.divide else None
    what = Separable((Term((y, x)),), chained=True, exact=acc == np.float64, divisors=divisors)
    return planner.prepare(
        what, shape, src, acc, first=0, modes=smoothing.modes, cval=smoothing.cval, scale=smoothing.scale,
    )  # fmt: skip


def _gradient_plan(shape: tuple[int, ...], acc: np.dtype[Any]) -> Plan:
    form = "exact magnitude" if acc == np.float64 else "magnitude"
    what = Separable((Term((Line(SOBEL, 0), IDENTITY)),))
    kernel = ("sweep", form, "1", acc.name, acc.name, acc.name)
    return plan_of_step("sweep", kernel, what, shape, acc, acc, BORDERS, 0.0, 12.0)


def _divisors(shape: tuple[int, ...], acc: np.dtype[Any], smoothing: Smoothing) -> Divisors:
    """The share of the Gaussian inside the image, for each pixel."""
    lines = smoothing.lines(acc)
    margins = [line.centre for line in lines]
    sizes = [min(size, 2 * margin + 1) for size, margin in zip(shape, margins, strict=True)]
    weights = np.ones(sizes)
    for axis, line in enumerate(lines):
        weights = _correlate_constant(weights, line, axis, smoothing.cval)
    weights = weights.astype(acc) + np.finfo(acc).eps
    return Divisors(weights, margins[1], shape[1], 0)


def _suppress_plan(shape: tuple[int, ...], acc: np.dtype[Any], low: float, high: float) -> Plan:
    return plan_of_step("suppress", ("suppress", acc.name), Suppress(low, high), shape, acc, BYTE, BORDERS, 0.0, 12.0)


def _correlate_constant(values: Array, line: Line, axis: int, cval: float) -> Array:
    """SciPy's correlate1d with symmetric taps and a constant border, in its order of operations."""
    radius = line.centre
    values = np.moveaxis(values, axis, 0)
    padded = np.pad(values, [(radius, radius), (0, 0)], constant_values=cval)
    size = len(values)
    total = padded[radius : radius + size] * line.taps[radius]
    for k in range(radius):
        pair = padded[k : k + size] + padded[2 * radius - k : 2 * radius - k + size]
        total = total + pair * line.taps[k]
    return np.moveaxis(total, 0, axis)
