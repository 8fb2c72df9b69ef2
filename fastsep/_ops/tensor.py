"""Structure tensors of planes, what is a corner by them, and Hessian matrices, each in one sweep.

Images are of float32 or float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsep._engine.pipeline import IMAGE, RESULT, Buffer, Pipeline, Stage, halo_of
from fastsep._ops.stages import SOBEL, plan_of_step
from fastsep._plan import operators, planner
from fastsep._plan.operators import TRUNCATE
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Corner, CornerOfBlur, Hessian, Line, Separable, Term


def can_fuse(modes: Sequence[str], cval: float) -> bool:
    """Whether these borders are those of a sweep: from row to row, and the same for every pass."""
    return len(modes) == 2 and "wrap" not in modes and (cval == 0 or "constant" not in modes)


def tensor_pipeline(
    shape: tuple[int, ...], dtype: np.dtype[Any], sigma: tuple[float, ...], modes: tuple[str, ...], cval: float,
    measure: str | None, factor: float,
) -> Pipeline:  # fmt: skip
    """Blurred products of derivatives: of rows, mixed, of columns; or the `measure` that is taken of them.

    `measure`: one of those of `_kernels/filters/corner.py`. The last stage takes it; it is a blur, too, where that is a
    sweep.
    """
    # In SciPy's order, in which a NaN under a tap of zero counts.
    kernel = ("sweep", "exact yy+yx+xx", "1", dtype.name, dtype.name, dtype.name)
    sobel = Separable((Term((Line(SOBEL, 0), IDENTITY)),))
    derivatives = plan_of_step("sweep", kernel, sobel, shape, dtype, dtype, modes, cval, 12.0)
    blur = _blur(shape, dtype, sigma, modes, cval)
    target = RESULT if measure is None else 1
    stages = [Stage(derivatives, IMAGE, 0, 1)]
    if measure is not None and blur.strategy == "sweep":
        last = _corner_of_blur(blur, measure, factor)
        stages += [Stage(last, 0, 1, halo_of(blur), source_plane=k, first=k - 1) for k in (1, 2)]
        stages.append(Stage(last, 0, RESULT, halo_of(blur), second=1))
        return Pipeline(stages, [Buffer(dtype, 3), Buffer(dtype, 2)])
    stages += [Stage(blur, 0, target, halo_of(blur), source_plane=k, first=k) for k in range(3)]
    if measure is None:
        return Pipeline(stages, [Buffer(dtype, 3)])
    corner = plan_of_step(
        "corner", ("corner", measure, dtype.name), Corner(factor), shape, dtype, dtype, modes, cval, 8.0
    )  # fmt: skip
    return Pipeline([*stages, Stage(corner, 1, RESULT, 0)], [Buffer(dtype, 3)] * 2)


def _corner_of_blur(blur: Plan, measure: str, factor: float) -> Plan:
    """The sweep `blur`, which takes the measure of its results, the first values of matrices, while it has them."""
    assert isinstance(blur.what, Separable)
    family, form, *rest = blur.kernel
    return blur._replace(kernel=(family, f"{form} {measure}", *rest), what=CornerOfBlur(blur.what.terms, factor=factor))


def hessian_pipeline(
    shape: tuple[int, ...], dtype: np.dtype[Any], order: str, sigma: tuple[float, ...], modes: tuple[str, ...],
    cval: float,
) -> tuple[Pipeline, tuple[Plan, ...]]:  # fmt: skip
    """Second differences of the blurred image, of at least 2 x 2 pixels: along (y, y), both axes, (x, x).

    `order`: "yx" or "xy", along which axis those of both are taken first.
    """
    # Differences have no border: at either end there is another one.
    ends = ("nearest", "nearest")
    if dtype == np.float64:
        blur, kernel = _blur(shape, dtype, sigma, modes, cval), ("hessian", order, dtype.name)
        differences = plan_of_step("hessian", kernel, Hessian(), shape, dtype, dtype, ends, 0.0, 8.0)
        stages = [Stage(blur, IMAGE, 0, halo_of(blur)), Stage(differences, 0, RESULT, 2)]
        return Pipeline(stages, [Buffer(dtype, 1)]), (blur, differences)
    # In float32 little would be left of second differences of an image that stands high and differs little. So they
    # are taken of the image and of what blurring changes, and then added.
    lines = _lines(sigma)
    change = plan_of_step(
        "deviation", ("deviation", dtype.name, dtype.name), Separable((Term((None, *lines)),)), shape, dtype, dtype,
        modes, cval, sum(len(line.taps) for line in lines) + 12.0,
    )  # fmt: skip
    kernel = ("hessian", f"{order} of sum", dtype.name)
    differences = plan_of_step("hessian", kernel, Hessian(), shape, dtype, dtype, ends, 0.0, 12.0)
    stages = [Stage(change, IMAGE, 0, halo_of(change)), Stage(differences, 0, RESULT, 2, second=IMAGE)]
    return Pipeline(stages, [Buffer(dtype, 1)]), (change, differences)


def _blur(
    shape: tuple[int, ...], dtype: np.dtype[Any], sigma: tuple[float, ...], modes: tuple[str, ...], cval: float
) -> Plan:
    return planner.prepare(
        Separable((Term(_lines(sigma)),)), shape, dtype, dtype, first=0, modes=modes, cval=cval, scale=1.0,
    )  # fmt: skip


def _lines(sigma: tuple[float, ...]) -> tuple[Line, ...]:
    # A line for every axis: a short last one that is left alone would be taken for channels.
    return tuple(operators.gaussian_line(width, 0, TRUNCATE) or IDENTITY for width in sigma)
