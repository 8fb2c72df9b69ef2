"""Laplacians and gradient magnitudes of derivatives of the caller's own, composed as SciPy does."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from fastsep._call import NotRun, foreign, takes_wrappers
from fastsep._plan.description import Description
from fastsep._validation import scipy_arguments
from fastsep._validation.array_like import Array, DType, StandIn, is_foreign

#: (input, axis, output, mode, cval, *extra_arguments, **extra_keywords), as SciPy calls it.
Derivative = Callable[..., Any]


@takes_wrappers
def laplacian(
    image: Any, derivative2: Derivative, output: Any, mode: Any, cval: Any, arguments: Any, keywords: Any, axes: Any
) -> Array:
    """The sum of the second derivatives along `axes`."""
    if is_foreign(image):
        found = _lazily(derivative2, image, output, mode, cval, arguments, keywords, axes)
        return reduce(np.add, found)
    image, out, steps = _prepared(image, output, mode, axes)
    if not steps:
        return _copied(image, out)
    keywords = keywords or {}
    (axis, first), *others = steps
    derivative2(image, axis, out, first, cval, *arguments, **keywords)
    for axis, each in others:
        out += derivative2(image, axis, out.dtype, each, cval, *arguments, **keywords)
    return out


@takes_wrappers
def magnitude(
    image: Any, derivative: Derivative, output: Any, mode: Any, cval: Any, arguments: Any, keywords: Any, axes: Any
) -> Array:
    """The root of the sum of the squares of the derivatives along `axes`."""
    if is_foreign(image):
        found = _lazily(derivative, image, output, mode, cval, arguments, keywords, axes)
        if axes is not None and not np.size(axes):
            return found[0]
        total: Array = reduce(np.add, (np.multiply(each, each) for each in found))
        return np.sqrt(total).astype(total.dtype)
    image, out, steps = _prepared(image, output, mode, axes)
    if not steps:
        return _copied(image, out)
    keywords = keywords or {}
    (axis, first), *others = steps
    derivative(image, axis, out, first, cval, *arguments, **keywords)
    np.multiply(out, out, out)
    for axis, each in others:
        found = derivative(image, axis, out.dtype, each, cval, *arguments, **keywords)
        np.multiply(found, found, found)
        out += found
    return np.sqrt(out, out, casting="unsafe")


def _prepared(image: Any, output: Any, mode: Any, axes: Any) -> tuple[Array, Array, list[tuple[int, Any]]]:
    """The image, an array to write into that shares no memory with it, and the axes with their modes."""
    image = scipy_arguments.as_array(image)
    found = scipy_arguments.axes_of(axes, image.ndim)
    modes = scipy_arguments.per_axis("mode", mode, len(found))
    dtype, out = scipy_arguments.output_of(output, image.shape, False)
    if dtype is None:
        dtype = image.dtype.newbyteorder("=") if out is None else out.dtype
    if type(image) is StandIn:
        raise NotRun(_Composed(image.dtype), dtype, True, image.shape, None, 1)
    if out is None:
        out = np.zeros(image.shape, dtype)
    elif np.may_share_memory(image, out):
        image = image.copy()
    return image, out, list(zip(found, modes, strict=True))


def _lazily(
    derivative: Derivative, image: Any, output: Any, mode: Any, cval: Any, arguments: Any, keywords: Any, axes: Any
) -> list[Array]:
    """The derivatives of an array that is computed later; without `axes` the array itself."""
    found = scipy_arguments.axes_of(axes, image.ndim)
    modes = scipy_arguments.per_axis("mode", mode, len(found))
    dtype, out = scipy_arguments.output_of(output, image.shape, False)
    foreign().check("input", image, (out,))
    dtype = image.dtype.newbyteorder("=") if dtype is None else dtype
    options, keywords = (cval, *arguments), keywords or {}
    for axis, each in zip(found[:1], modes, strict=False):
        pixel = derivative(image[(slice(1),) * image.ndim], axis, dtype, each, *options, **keywords)
        if not is_foreign(pixel):
            raise TypeError(
                "the derivative must give an array of dask for one, as `fastsep.ndimage.sobel` does;"
                f" got {type(pixel).__name__}."
            )
    steps = zip(found, modes, strict=True)
    return [derivative(image, axis, dtype, each, *options, **keywords) for axis, each in steps] or [image.astype(dtype)]


def _copied(image: Array, out: Array) -> Array:
    out[...] = image
    return out


class _Composed:
    """What `explain` gets to see."""

    source = None

    def __init__(self, arithmetic: DType) -> None:
        self.arithmetic = arithmetic

    def describe(self) -> Description:
        return Description(
            arithmetic=self.arithmetic, strategy="stages", why="the derivatives that are given, then NumPy"
        )
