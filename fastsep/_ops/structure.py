"""Matrices of derivatives, and what corners are by them: in one sweep over a plane, else one array after the other.

Results are the upper triangle of a symmetric matrix for each pixel, row by row. What overflows or has no value is
infinite or NaN, as in the engine, without a warning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import Operation, Program, Request
from fastsep._engine.execution import Runner
from fastsep._ops import tensor
from fastsep._ops.stages import Sweep
from fastsep._plan import description, dtypes, operators
from fastsep._plan.description import Description, Stage
from fastsep._plan.operators import TRUNCATE
from fastsep._validation import scalars
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame

# Sobel's, correlated and not divided by anything, as SciPy has it.
SLOPE, ACROSS = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)


# ---- builders


def structure_tensor(frame: Frame, sigma: Any) -> Operation:
    return corners(frame, None, 0.0, sigma)


def corners(frame: Frame, measure: str | None, factor: float, sigma: Any) -> Operation:
    return Operation(StructureTensor(scalars.sigmas("sigma", sigma, frame.ndim, TRUNCATE), measure, factor).prepare)


def hessian(frame: Frame, sigma: Any, backwards: bool, gaussian: bool) -> Operation:
    axes = tuple(range(frame.ndim))[:: -1 if backwards else 1]
    if not gaussian:
        return Operation(HessianMatrix(scalars.sigmas("sigma", sigma, frame.ndim, TRUNCATE), axes, None).prepare)
    widths = scalars.sigmas("sigma", sigma, frame.ndim, 8.0)
    truncate = 8.0 if all(width > 1 for width in widths) else 100.0
    widths = tuple(1 / math.sqrt(2) * width for width in scalars.sigmas("sigma", widths, frame.ndim, truncate))
    return Operation(HessianMatrix(widths, axes, truncate).prepare)


# ---- operations


class StructureTensor(NamedTuple):
    """Blurred products of the derivatives, or what is a corner by them."""

    sigma: tuple[float, ...]
    measure: str | None  # "harris", "noble" or "shi_tomasi"
    factor: float

    def prepare(self, request: Request) -> Program:
        dtype = dtypes.working_dtype(request.frame.dtype, request.frame.result)
        request, given = request._replace(source=dtype, target=dtype, scale=1.0), request
        if not tensor.can_fuse(request.modes, request.cval):
            return of_floats(TensorArrays(request, self), given)
        pipeline = tensor.tensor_pipeline(
            request.shape, dtype, self.sigma, request.modes, request.cval, self.measure, self.factor
        )
        blur = operators.gaussian(self.sigma, (0, 0), TRUNCATE)
        derivatives, *blurs = (stage.plan for stage in pipeline.stages)
        measures = [] if self.measure is None else [Stage("measure", (), (blurs.pop(),))]
        stages = [
            Stage("derivatives", tuple(map(operators.separable, _lines(2))), (derivatives,)),
            Stage("blur of their products", (blur,) * 3, tuple(blurs)),
            *measures,
        ]
        results = range(3 if self.measure is None else 1)
        return of_floats(Sweep(request, pipeline, results, stages, results), given)


class HessianMatrix(NamedTuple):
    """Second derivatives of the blurred image."""

    sigma: tuple[float, ...]
    axes: tuple[int, ...]
    truncate: float | None  # of derivatives of a Gaussian; None: differences of differences

    def prepare(self, request: Request) -> Program:
        dtype = request.frame.result
        request, given = request._replace(source=dtype, target=dtype, scale=1.0), request
        # The kernel for float32 compares neighbours, which the two ends of a row that goes round are not.
        sweeps = len(self.axes) == 2 and (dtype == np.float64 or request.modes[1] != "wrap")
        if self.truncate is not None or not sweeps:
            return of_floats(HessianArrays(request, self), given)
        forwards = self.axes == (0, 1)
        pipeline, plans = tensor.hessian_pipeline(
            request.shape, dtype, "yx" if forwards else "xy", self.sigma, request.modes, request.cval
        )
        blur = operators.gaussian(self.sigma, (0, 0), TRUNCATE)
        stages = [
            Stage("blur", (blur,), plans[:1]),
            Stage("differences of differences", (), plans[1:], ((2, 2), (2, 2))),
        ]
        return of_floats(Sweep(request, pipeline, range(3)[:: 1 if forwards else -1], stages, range(3)), given)


# ---- programs


def of_floats(program: Program, request: Request) -> Program:
    """A program that takes integers, too, from one that takes float32 or float64."""
    return program if request.frame.dtype.kind == "f" else OfIntegers(program, request)


class OfIntegers(Program):
    """Integers become floats, in an array of their own."""

    def __init__(self, program: Program, request: Request) -> None:
        super().__init__(request)
        assert program.source is not None
        self.source, self.target, self.program = dtypes.source_dtype(request.frame.dtype), program.target, program
        reflect = ("reflect",) * len(request.modes)
        given = request._replace(source=self.source, target=program.source, modes=reflect, cval=0.0)
        self.convert = given.runner(operators.separable((None,) * len(reflect)))

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        self.program.run(self.convert.run(image, None, workers), outs, workers)

    def describe(self) -> Description:
        told = self.program.describe()
        return told._replace(stages=(f"conversion to {self.program.source}", *told.stages))


class TensorArrays(Program):
    """The structure tensor of any number of axes; takes one more array of the image's size, for corners four."""

    def __init__(self, request: Request, operation: StructureTensor) -> None:
        super().__init__(request)
        self.measure, self.factor = operation.measure, operation.factor
        self.ndim = len(request.modes)
        self.blur_of = operators.gaussian(operation.sigma, (0,) * self.ndim, TRUNCATE)
        self.blur = request.runner(self.blur_of)
        self.derivatives = []
        # Only what lies beyond a constant border tells one order of the axes from another: the derivative comes first.
        split = request.cval != 0 and "constant" in request.modes
        for axis, lines in enumerate(_lines(self.ndim)):
            chain = [lines]
            if axis > 0 and split:
                alone = [line if i == axis else None for i, line in enumerate(lines)]
                chain = [alone, [line if i != axis else None for i, line in enumerate(lines)]]
            self.derivatives.append([request.runner(operators.separable(each)) for each in chain])

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        if self.measure is None:
            self._products(image, outs, workers)
            return
        (rows,) = outs
        mixed, cols = np.empty_like(image), np.empty_like(image)
        self._products(image, (rows, mixed, cols), workers)
        trace = rows + cols
        if self.measure == "shi_tomasi":
            rows -= cols
            rows *= rows
            mixed *= mixed
            mixed *= 4.0
            rows += mixed
            np.subtract(trace, np.sqrt(rows, out=rows), out=rows)
            rows *= 0.5
            return
        rows *= cols
        mixed *= mixed
        rows -= mixed
        if self.measure == "harris":
            np.multiply(trace, trace, out=trace)
            trace *= self.factor
            rows -= trace
        else:
            rows *= 2.0
            trace += self.factor
            rows /= trace

    def _products(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        place = dict(zip(combinations_with_replacement(range(self.ndim), 2), outs, strict=True))
        product = np.empty_like(image)
        slopes = []
        for axis, runners in enumerate(self.derivatives):
            slope = image
            for runner in runners[:-1]:
                slope = runner.run(slope, product, workers)
            slopes.append(runners[-1].run(slope, place[axis, axis], workers))
        # The squares come last: then nobody needs the derivatives any more, in whose place they go.
        for pair in (*combinations(range(self.ndim), 2), *((axis, axis) for axis in range(self.ndim))):
            np.multiply(slopes[pair[0]], slopes[pair[1]], out=product)
            self.blur.run(product, place[pair], workers)

    def describe(self) -> Description:
        whats = tuple(map(operators.separable, _lines(self.ndim)))
        count = self.ndim * (self.ndim + 1) // 2
        stages = [
            Stage("derivatives", whats, tuple(runner.plan for runners in self.derivatives for runner in runners)),
            Stage("blur of their products", (self.blur_of,) * count, (self.blur.plan,) * count),
        ]
        if self.measure is not None:
            stages.append(Stage("measure"))
        return description.of_stages(ARRAYS, self.blur.plan.acc, stages, True, ())


class HessianArrays(Program):
    """Derivatives one after the other; takes one or two more arrays, in float64 where they are differences."""

    def __init__(self, request: Request, operation: HessianMatrix) -> None:
        super().__init__(request)
        axes, sigma, truncate = operation.axes, operation.sigma, operation.truncate
        self.axes, ndim = axes, len(axes)
        self.blur: Runner | None = None
        if truncate is None:
            # An image that stands high and differs little has few digits left for second differences in float32.
            double = request._replace(target=np.dtype(np.float64))
            self.blur_of = operators.gaussian(sigma, (0,) * ndim, TRUNCATE)
            self.blur = double.runner(self.blur_of)
            request = double._replace(source=double.target, modes=("nearest",) * ndim, cval=0.0)
            self.whats = {axis: operators.edges("central", ndim, (axis,)) for axis in axes}
        else:
            orders = {axis: tuple(int(i == axis) for i in range(ndim)) for axis in axes}
            self.whats = {axis: operators.gaussian(sigma, order, truncate) for axis, order in orders.items()}
        self.steps = {axis: request.runner(what) for axis, what in self.whats.items()}

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        if self.blur is not None:
            image = self.blur.run(image, None, workers)
        first = np.empty_like(image)
        results = iter(outs)
        for number, axis in enumerate(self.axes):
            self._step(image, axis, first, workers)
            for other in self.axes[number:]:
                out = next(results)
                if out.dtype == first.dtype:
                    self._step(first, other, out, workers)
                else:
                    out[...] = dtypes.finish(self._step(first, other, None, workers), out.dtype)

    def _step(self, image: Array, axis: int, out: Array | None, workers: int | None) -> Array:
        """One derivative; of differences those at either end are the whole difference of two pixels."""
        result = self.steps[axis].run(image, out, workers)
        if self.blur is not None:
            ends = np.moveaxis(result, axis, 0)[:: image.shape[axis] - 1]
            ends *= 2.0
        return result

    def describe(self) -> Description:
        stages = [] if self.blur is None else [Stage("blur", (self.blur_of,), (self.blur.plan,))]
        second = [other for number in range(len(self.axes)) for other in self.axes[number:]]
        for name, axes in (("derivatives", self.axes), ("derivatives of these", second)):
            stages.append(Stage(name, tuple(self.whats[a] for a in axes), tuple(self.steps[a].plan for a in axes)))
        return description.of_stages(ARRAYS, self.steps[self.axes[0]].plan.acc, stages, True, ())


ARRAYS = "one whole array after the other"


def _lines(ndim: int) -> list[list[tuple[float, ...] | None]]:
    """The taps of the derivative along each axis."""
    return [[SLOPE if i == axis else ACROSS for i in range(ndim)] for axis in range(ndim)]
