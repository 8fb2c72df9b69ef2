"""Builders of SciPy's linear filters: from a frame and SciPy's parameters to what has to be computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fastsep._call import NDIMAGE, Builder, FilterProgram, Operation, Program, Request
from fastsep._ops import choice
from fastsep._ops.ndimage.calls import EACH, ONE, Elsewhere, Function, Packed
from fastsep._plan import description, dtypes, operators
from fastsep._plan.casting import whole_taps
from fastsep._plan.description import Description, Stage
from fastsep._plan.pieces import unit_of
from fastsep._plan.spec import Box, Dense, Filter, Halo, Line, Separable, Term
from fastsep._validation import scalars, scipy_arguments
from fastsep._validation.array_like import Array, show
from fastsep._validation.axes import Frame, axis_index

# ---- one line of taps along some axes


class InOrder(Program):
    """Filters one after the other, each on what the one before has made, through arrays of the result's dtype."""

    def __init__(self, filters: Sequence[Filter], request: Request) -> None:
        super().__init__(request)
        middle = request.target
        if "constant" in request.modes:
            middle = dtypes.border_dtype(middle, middle, request.cval)
        requests = [request, *[request._replace(source=middle)] * (len(filters) - 1)]
        self.filters = tuple(filters)
        self.runners = [each.runner(what) for each, what in zip(requests, filters, strict=True)]

    @property
    def unit(self) -> int:
        return max(unit_of(runner.plan) for runner in self.runners)

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        for runner in self.runners[:-1]:
            image = runner.run(image, None, workers).astype(self.runners[-1].plan.src, copy=False)
        self.runners[-1].run(image, outs[0], workers)

    def describe(self) -> Description:
        stages = [
            Stage(f"pass {number}", (what,), (runner.plan,))
            for number, (what, runner) in enumerate(zip(self.filters, self.runners, strict=True), start=1)
        ]
        return description.of_stages("", self.target, stages, True, ())


def _along(frame: Frame, lines: dict[int, Line | None], chained: bool = True) -> Filter | Operation:
    """Taps along one axis after the other, in the order of `lines`."""

    def only(axes: Sequence[int]) -> Separable:
        used = tuple(lines[axis] if axis in axes else None for axis in range(frame.ndim))
        return Separable((Term(used),), chained=chained or frame.integer, cast=frame.integer)

    if not lines:
        return _nothing(frame)
    return _in_order(only, list(lines), partial(_order_matters, frame, lines, chained))


def _in_order(
    only: Callable[[Sequence[int]], Filter], order: list[int], matters: Callable[[], bool]
) -> Filter | Operation:  # fmt: skip
    """`only` of all axes at once, or where their order `matters` of one after the other."""
    if order == sorted(order) or not matters():
        return only(order)
    return Operation(lambda request: InOrder([only((axis,)) for axis in order], request))


def _order_matters(frame: Frame, lines: dict[int, Line | None], chained: bool) -> bool:
    """True beyond a constant, which every pass sees as it is, and where sums are cast.

    Whole numbers that float64 holds may be cast, which wraps them, as late as one likes.
    """
    if not frame.integer:
        return chained and frame.border != 0
    return (
        frame.border != 0
        or not whole_taps(line for line in lines.values() if line is not None)
        or max(frame.dtype.itemsize, frame.result.itemsize) > 4
        or frame.dtype.kind == "f"
    )


def _weights(packed: Packed) -> Array:
    """The caller's own taps in float64. SciPy does what is not finite, also where it is a sum of taps only."""
    weights = packed.array.astype(np.float64)
    if not np.isfinite(np.abs(weights).sum()):
        raise Elsewhere
    return weights


def _correlate1d(frame: Frame, weights: Packed, axis: Any, origin: Any) -> Filter | Operation:
    taps = _line_of(_weights(weights))
    line = Line(tuple(taps.tolist()), scipy_arguments.centre(len(taps), origin, taps=True))
    return _along(frame, {axis_index("axis", axis, frame.ndim): line})


def _convolve1d(frame: Frame, weights: Packed, axis: Any, origin: Any) -> Filter | Operation:
    taps = _line_of(_weights(weights))[::-1]
    origin = scipy_arguments.turned(len(taps), origin)
    line = Line(tuple(taps.tolist()), scipy_arguments.centre(len(taps), origin, taps=True))
    return _along(frame, {axis_index("axis", axis, frame.ndim): line})


def _line_of(weights: Array) -> Array:
    if weights.ndim != 1 or not weights.size:
        raise RuntimeError(f"`weights` must be 1-D with at least one weight; got shape {weights.shape}.")
    return weights


def _gaussian(
    frame: Frame, sigma: Any, order: Any, truncate: Any, radius: Any, axes: Any
) -> Filter | Operation:  # fmt: skip
    found = scipy_arguments.axes_of(axes, frame.ndim)
    given = {"sigma": sigma, "order": order, "radius": radius}
    sigmas, orders, radii = (scipy_arguments.per_axis(name, value, len(found)) for name, value in given.items())
    lines: dict[int, Line | None] = {
        axis: _gaussian_line(frame, s, o, truncate, r)
        for axis, s, o, r in zip(found, sigmas, orders, radii, strict=True)
        if scalars.number("sigma", s) > operators.SMALLEST_SIGMA
    }
    return _along(frame, lines, chained=any(orders))


def _gaussian1d(
    frame: Frame, sigma: Any, axis: Any, order: Any, truncate: Any, radius: Any
) -> Filter | Operation:  # fmt: skip
    axis = axis_index("axis", axis, frame.ndim)
    if isinstance(sigma, str):  # a TypeError in the other functions
        raise ValueError(f"`sigma` must be a real number; got {show(sigma)}.")
    if scalars.number("sigma", sigma) == 0:
        raise ZeroDivisionError(
            "`sigma` must not be 0 for a single axis; `gaussian_filter` leaves an axis with 0 alone."
        )
    return _along(frame, {axis: _gaussian_line(frame, sigma, order, truncate, radius)}, chained=bool(order))


def _gaussian_line(frame: Frame, sigma: Any, order: Any, truncate: Any, radius: Any) -> Line:
    sigma = scalars.finite("sigma", sigma)
    if sigma == 0:
        raise ZeroDivisionError("`sigma` must not be 0 here; `gaussian_filter` leaves an axis with 0 alone.")
    truncated = int(scalars.finite("truncate", truncate) * sigma + 0.5)
    reach = scipy_arguments.radius(truncated if radius is None else radius)
    if reach > scalars.WIDEST_RADIUS:
        raise ValueError(
            f"`radius`, or `sigma` times `truncate`, must be at most {scalars.WIDEST_RADIUS}; got {reach}."
        )
    sample = operators.scipy_gaussian_line if frame.integer else operators.sampled_gaussian
    return sample(sigma, scalars.integer("order", order, 0), reach)


def _uniform(frame: Frame, size: Any, origin: Any, axes: Any) -> Filter | Operation:
    found = scipy_arguments.axes_of(axes, frame.ndim)
    each = [scipy_arguments.per_axis(n, value, len(found)) for n, value in (("size", size), ("origin", origin))]
    windows = {
        axis: (int(length), scipy_arguments.centre(int(length), shift))
        for axis, length, shift in zip(found, *each, strict=True)
        if scalars.number("size", length) > 1
    }
    if not windows:
        return _nothing(frame)
    _check_sums(frame)

    def only(axes: Sequence[int]) -> Box:
        used = [windows[axis] if axis in axes else (1, 0) for axis in range(frame.ndim)]
        sizes, centres = zip(*used, strict=True)
        return Box(sizes, centres, cast=frame.integer)

    return _in_order(only, list(windows), lambda: frame.integer)


def _uniform1d(frame: Frame, size: Any, axis: Any, origin: Any) -> Filter:
    axis = axis_index("axis", axis, frame.ndim)
    sizes, centres = [1] * frame.ndim, [0] * frame.ndim
    sizes[axis] = scipy_arguments.window_size("size", size)
    centres[axis] = scipy_arguments.centre(sizes[axis], origin)
    _check_sums(frame)
    return Box(tuple(sizes), tuple(centres), cast=frame.integer)


def _check_sums(frame: Frame) -> None:
    """Leave to SciPy what its running sums round on the way to an integer: they have errors of their own."""
    whole = (frame.border * 2.0**16).is_integer() and abs(frame.border) < 2.0**31
    if frame.integer and (frame.dtype.kind == "f" or not whole):
        raise Elsewhere


def _edge(frame: Frame, smoothing: tuple[float, ...], axis: Any) -> Filter | Operation:
    along = axis_index("axis", axis, frame.ndim)
    lines: dict[int, Line | None] = {along: Line((-1.0, 0.0, 1.0), 1)}
    lines.update((other, Line(smoothing, 1)) for other in range(frame.ndim) if other != along)
    return _along(frame, lines)


def _sobel(frame: Frame, axis: Any) -> Filter | Operation:
    return _edge(frame, (1.0, 2.0, 1.0), axis)


def _prewitt(frame: Frame, axis: Any) -> Filter | Operation:
    return _edge(frame, (1.0, 1.0, 1.0), axis)


# ---- sums of second derivatives, roots of sums of squares


class Combined(Program):
    """Terms that are filtered one by one, each with the modes that it has, then added in the dtype of the result."""

    def __init__(self, terms: Sequence[Filter], modes: Sequence[str], combine: str, request: Request) -> None:
        super().__init__(request)
        self.terms, self.combine = tuple(terms), combine
        requests = [request._replace(modes=(mode,) * len(request.modes)) for mode in modes]
        self.runners = [each.runner(term) for each, term in zip(requests, terms, strict=True)]
        self.wraps = ("wrap" in modes and len(set(modes)) == 1,) * len(request.modes)
        self.apart = "wrap" in modes and len(set(modes)) > 1

    @property
    def halo(self) -> Halo:
        if self.apart:  # an axis goes round its ends in one term and not in another one
            return tuple((length, length) for length in self.shape)
        return super().halo

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        (total,) = outs
        for number, runner in enumerate(self.runners):
            value = runner.run(image, None if number else total, workers)
            if self.combine == "magnitude":
                np.multiply(value, value, out=value)
            if number:
                np.add(total, value, out=total)
        if self.combine == "magnitude":
            np.sqrt(total, out=total, casting="unsafe")

    def describe(self) -> Description:
        stage = Stage("derivatives", self.terms, tuple(runner.plan for runner in self.runners))
        return description.of_stages("", self.target, [stage, Stage(self.combine)], True, ())


def _laplace(frame: Frame, axes: Any) -> Filter:
    found = scipy_arguments.axes_of(axes, frame.ndim)
    if not found:
        return _nothing(frame)
    if frame.integer:
        _refuse_bool(frame)
        slope = Line((1.0, -2.0, 1.0), 1)
        terms = tuple(Term(tuple(slope if at == axis else None for at in range(frame.ndim))) for axis in found)
        return Separable(terms, chained=True, cast=True)
    kernel = -operators.laplace(len(found)).kernel
    kernel = np.expand_dims(kernel, tuple(axis for axis in range(frame.ndim) if axis not in found))
    return Dense(kernel, tuple(size // 2 for size in kernel.shape))


def _gaussian_laplace(frame: Frame, sigma: Any, truncate: Any, radius: Any, axes: Any) -> Filter | Operation:
    found = scipy_arguments.axes_of(axes, frame.ndim)
    sigmas = scipy_arguments.of_all_axes("sigma", sigma, found, frame.ndim)
    return _derivatives(frame, sigmas, 2, truncate, radius, found, "sum")


def _gaussian_gradient_magnitude(frame: Frame, sigma: Any, truncate: Any, radius: Any, axes: Any) -> Filter | Operation:
    found = scipy_arguments.axes_of(axes, frame.ndim)
    if not found:
        return _nothing(frame)
    sigmas = scipy_arguments.per_axis("sigma", sigma, frame.ndim)  # `axes` are those of derivatives; all are blurred
    return _derivatives(frame, sigmas, 1, truncate, radius, found, "magnitude")


def _derivatives(
    frame: Frame, sigmas: Sequence[Any], order: int, truncate: Any, radius: Any, axes: Sequence[int], combine: str
) -> Filter | Operation:
    """Derivatives of the blurred image along each of `axes`, combined."""
    if not axes:
        return _nothing(frame)
    _refuse_bool(frame)
    radii = scipy_arguments.per_axis("radius", radius, frame.ndim)
    used = [scalars.number("sigma", sigma) > operators.SMALLEST_SIGMA for sigma in sigmas]

    def line(at: int, along: int) -> Line | None:
        return _gaussian_line(frame, sigmas[at], order * (at == along), truncate, radii[at]) if used[at] else None

    terms = tuple(Term(tuple(line(at, along) for at in range(frame.ndim))) for along in axes)

    def prepare(request: Request) -> Program:
        modes = [request.modes[axis] for axis in axes]
        # In float32 SciPy adds what it has rounded; so do we, which its tests compare to the last bit.
        fused = request.target == np.float64 or (combine == "magnitude" and not frame.integer)
        if len(set(modes)) == 1 and fused:
            whole = request._replace(modes=(modes[0],) * frame.ndim)
            return FilterProgram(Separable(terms, combine=combine, chained=True), whole)
        each = [Separable((term,), chained=True, cast=frame.integer) for term in terms]
        return Combined(each, modes, combine, request)

    return Operation(prepare)


def reach(name: str, truncate: Any = 4.0, radius: Any = None, **others: Any) -> tuple[Any, Any]:
    """What a function that is named passes on to `gaussian_filter`."""
    if others:
        raise TypeError(f"{name}() takes `truncate` and `radius` for `gaussian_filter`; got `{next(iter(others))}`.")
    return truncate, radius


def _nothing(frame: Frame) -> Filter:
    """The image as it is, in the dtype of the result."""
    if any(dtype.kind in "iu" and dtype.itemsize == 8 for dtype in (frame.dtype, frame.result)):
        raise Elsewhere  # the engine computes in float64, which does not hold these integers; SciPy copies them
    return Separable((Term((None,) * frame.ndim),), chained=True, cast=frame.integer)


def _refuse_bool(frame: Frame) -> None:
    """Leave it to NumPy what sums of bools are."""
    if frame.result.kind == "b":
        raise Elsewhere


# ---- kernels


def _correlate(frame: Frame, weights: Packed, origin: Any, axes: Any) -> Filter | Operation:
    return _kernel(frame, weights, origin, axes, flip=False)


def _convolve(frame: Frame, weights: Packed, origin: Any, axes: Any) -> Filter | Operation:
    return _kernel(frame, weights, origin, axes, flip=True)


def _kernel(frame: Frame, weights: Packed, origin: Any, axes: Any, flip: bool) -> Filter | Operation:
    found = scipy_arguments.axes_of(axes, frame.ndim)
    kernel = scipy_arguments.for_all_axes(_weights(weights), found, frame.ndim, "weights")
    origins = scipy_arguments.of_all_axes("origin", origin, found, frame.ndim)
    if flip:
        kernel = kernel[(slice(None, None, -1),) * kernel.ndim]
        origins = [scipy_arguments.turned(size, shift) for size, shift in zip(kernel.shape, origins, strict=True)]
    kernel, centres = np.ascontiguousarray(kernel), scipy_arguments.centres(kernel.shape, origins, taps=True)
    return Dense(kernel, centres, cast=True) if frame.integer else choice.near_exact(frame, kernel, centres)


# ---- the table


#: What SciPy takes, too.
REAL = "?bBhHiIlLqQfd"


def _linear(name: str, parameters: str, builder: Builder, modes: str = ONE, linear: bool = True) -> Function:
    return Function(name, tuple(parameters.split()), builder, NDIMAGE, REAL, modes, linear)


CORRELATE1D = _linear("correlate1d", "weights axis origin", _correlate1d)
CONVOLVE1D = _linear("convolve1d", "weights axis origin", _convolve1d)
CORRELATE = _linear("correlate", "weights origin axes", _correlate)
CONVOLVE = _linear("convolve", "weights origin axes", _convolve)
GAUSSIAN_FILTER1D = _linear("gaussian_filter1d", "sigma axis order truncate radius", _gaussian1d)
GAUSSIAN_FILTER = _linear("gaussian_filter", "sigma order truncate radius axes", _gaussian, EACH)
UNIFORM_FILTER1D = _linear("uniform_filter1d", "size axis origin", _uniform1d)
UNIFORM_FILTER = _linear("uniform_filter", "size origin axes", _uniform, EACH)
SOBEL = _linear("sobel", "axis", _sobel, EACH)
PREWITT = _linear("prewitt", "axis", _prewitt, EACH)
LAPLACE = _linear("laplace", "axes", _laplace, EACH)
GAUSSIAN_LAPLACE = _linear("gaussian_laplace", "sigma truncate radius axes", _gaussian_laplace, EACH)
GAUSSIAN_GRADIENT_MAGNITUDE = _linear(
    "gaussian_gradient_magnitude", "sigma truncate radius axes", _gaussian_gradient_magnitude, EACH, linear=False
)
