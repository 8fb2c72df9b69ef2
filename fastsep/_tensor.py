"""Structure tensors of planes, what is a corner by them, and Hessian matrices, each in one sweep.

Images are C-contiguous, of float32 or float64; no argument is checked any more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsep import _plan, _run, taps
from fastsep._caches import MIB, remembered
from fastsep._pipeline import IMAGE, RESULT, Buffer, Pipeline, Stage, halo_of
from fastsep._plan import IDENTITY, Corner, Hessian, Line, Plan, Separable, Term

Array = np.ndarray[Any, np.dtype[Any]]
TRUNCATE = 4.0  # of the Gaussian; scikit-image's
#: Sobel's smoothing taps, not divided by their sum: side and centre.
SOBEL = (1.0, 2.0)


def possible(image: Array, modes: Sequence[str], cval: float) -> bool:
    """Whether these borders are those of a sweep: from row to row, and the same for every pass."""
    return image.ndim == 2 and "wrap" not in modes and (cval == 0 or "constant" not in modes)


def products(
    image: Array, sigma: tuple[float, ...], modes: tuple[str, ...], cval: float, workers: int | None
) -> list[Array]:
    """Blurred products of both of Sobel's derivatives: of rows, mixed, of columns."""
    results = [_run.empty(image.shape, image.dtype) for _ in range(3)]
    _pipeline(image.shape, image.dtype, sigma, modes, cval, None, 0.0).run(image, results, workers)
    return results


def corners(
    image: Array, measure: str, factor: float, sigma: tuple[float, ...], modes: tuple[str, ...], cval: float,
    workers: int | None,
) -> Array:  # fmt: skip
    """One of the measures of `_kernels/corner.py`."""
    result = _run.empty(image.shape, image.dtype)
    _pipeline(image.shape, image.dtype, sigma, modes, cval, measure, factor).run(image, [result], workers)
    return result


def hessian(
    image: Array, order: str, sigma: tuple[float, ...], modes: tuple[str, ...], cval: float, workers: int | None
) -> list[Array]:
    """Second differences of the blurred image, of at least 2 x 2 pixels: along (y, y), both axes, (x, x).

    `order`: "yx" or "xy", along which axis those of both are taken first.
    """
    results = [_run.empty(image.shape, image.dtype) for _ in range(3)]
    _hessian_pipeline(image.shape, image.dtype, order, sigma, modes, cval).run(image, results, workers)
    return results


@remembered(4 * MIB, 32)
@np.errstate(all="ignore")  # taps so far out that they are no float any more
def _pipeline(
    shape: tuple[int, ...], dtype: np.dtype[Any], sigma: tuple[float, ...], modes: tuple[str, ...], cval: float,
    measure: str | None, factor: float,
) -> Pipeline:  # fmt: skip
    # In SciPy's order, in which a NaN under a tap of zero counts.
    derivatives = _planned(
        "sweep", ("sweep", "exact yy+yx+xx", "1", dtype.name, dtype.name, dtype.name),
        Separable((Term((Line(SOBEL, 0), IDENTITY)),)), shape, dtype, modes, cval, 12.0,
    )  # fmt: skip
    blur = _blur(shape, dtype, sigma, modes, cval)
    target = RESULT if measure is None else 1
    stages = [Stage(derivatives, IMAGE, 0, 1)]
    stages += [Stage(blur, 0, target, halo_of(blur), source_plane=k, first=k) for k in range(3)]
    buffers = [Buffer(dtype, 3)]
    if measure is not None:
        buffers.append(Buffer(dtype, 3))
        kernel = ("corner", measure, dtype.name)
        corner = _planned("corner", kernel, Corner(factor), shape, dtype, modes, cval, 8.0)
        stages.append(Stage(corner, 1, RESULT, 0))
    return Pipeline(stages, buffers)


@remembered(4 * MIB, 32)
@np.errstate(all="ignore")  # taps so far out that they are no float any more
def _hessian_pipeline(
    shape: tuple[int, ...], dtype: np.dtype[Any], order: str, sigma: tuple[float, ...], modes: tuple[str, ...],
    cval: float,
) -> Pipeline:  # fmt: skip
    # Differences have no border: at either end there is another one.
    ends = ("nearest", "nearest")
    if dtype == np.float64:
        blur = _blur(shape, dtype, sigma, modes, cval)
        differences = _planned("hessian", ("hessian", order, dtype.name), Hessian(), shape, dtype, ends, 0.0, 8.0)
        stages = [Stage(blur, IMAGE, 0, halo_of(blur)), Stage(differences, 0, RESULT, 2)]
        return Pipeline(stages, [Buffer(dtype, 1)])
    # In float32 little would be left of second differences of an image that stands high and differs little. So they
    # are taken of the image and of what blurring changes, and then added.
    lines = _lines(sigma)
    change = _planned(
        "deviation", ("deviation", dtype.name, dtype.name), Separable((Term((None, *lines)),)), shape, dtype, modes,
        cval, sum(len(line.taps) for line in lines) + 12.0,
    )  # fmt: skip
    kernel = ("hessian", f"{order} of sum", dtype.name)
    differences = _planned("hessian", kernel, Hessian(), shape, dtype, ends, 0.0, 12.0)
    stages = [Stage(change, IMAGE, 0, halo_of(change)), Stage(differences, 0, RESULT, 2, second=IMAGE)]
    return Pipeline(stages, [Buffer(dtype, 1)])


def _planned(
    strategy: str, kernel: tuple[str, ...], what: _plan.Filter | _plan.Step, shape: tuple[int, ...],
    dtype: np.dtype[Any], modes: tuple[str, ...], cval: float, work: float,
) -> Plan:  # fmt: skip
    return Plan(
        strategy, kernel, what, shape, (1, 1, *shape, 1), ("reflect", *modes), cval, cval, dtype, dtype, dtype,  # type: ignore[arg-type]
        work * math.prod(shape), 1.0,
    )  # fmt: skip


def _blur(
    shape: tuple[int, ...], dtype: np.dtype[Any], sigma: tuple[float, ...], modes: tuple[str, ...], cval: float
) -> Plan:
    return _plan.prepare(
        Separable((Term(_lines(sigma)),)), shape, dtype, dtype, first=0, modes=modes, cval=cval, scale=1.0,
        vector_bytes=_run.vector_bytes(),
    )  # fmt: skip


def _lines(sigma: tuple[float, ...]) -> tuple[Line, ...]:
    # A line for every axis: a short last one that is left alone would be taken for channels.
    return tuple(taps.gaussian_line(width, 0, TRUNCATE) or IDENTITY for width in sigma)
