"""SciPy's linear filters for images with missing pixels, an extension of `fastsep.ndimage`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsep._call import Builder, takes_wrappers
from fastsep._ops import missing
from fastsep._ops.missing import NOTHING, differ, names_ignore
from fastsep._ops.ndimage import calls, complex_weights
from fastsep._ops.ndimage.calls import EACH, Elsewhere, Function, Packed
from fastsep._validation import scipy_arguments
from fastsep._validation.array_like import Array, is_masked, show
from fastsep._validation.scalars import ArgumentError

#: What a call without missing pixels has for the type of `mode` and the keywords of `NOTHING`.
COMPLETE = (str, *NOTHING)


def run(
    function: Function, parameters: tuple[Any, ...], image: Any, output: Any, mode: Any, cval: Any, workers: Any,
    weights: Any, given: tuple[Any, ...],
) -> Array:  # fmt: skip
    """`calls.run` for an image that may have missing pixels. `weights`: of pixels."""
    if _none_missing(mode, weights, given):
        return calls.run(function, parameters, image, output, mode, cval, workers)
    return _incomplete(image, function.builder, function, parameters, output, mode, cval, workers, weights, given)


def _none_missing(mode: Any, weights: Any, given: tuple[Any, ...]) -> bool:
    return weights is None and not differ(given, NOTHING) and not names_ignore(mode)


@takes_wrappers
def _incomplete(
    image: Any, builder: Builder, function: Function, parameters: tuple[Any, ...], output: Any, mode: Any, cval: Any,
    workers: Any, weights: Any, given: tuple[Any, ...],
) -> Array:  # fmt: skip
    image = image if is_masked(image) else scipy_arguments.as_array(image)
    dtype, out = scipy_arguments.output_of(output, image.shape, False)
    result = out.dtype if out is not None else dtype or image.dtype
    for name, found in (("input", image.dtype), ("output", result)):
        if found.char not in function.dtypes:
            raise ValueError(
                f"`{name}` must be of integers, float32 or float64 where pixels may be missing; got {found}."
            )
    named = dict(zip(function.parameters, parameters, strict=True))
    modes = _modes(mode, function, scipy_arguments.axes_of(named.get("axes"), image.ndim), image.ndim)
    call = (builder, parameters, image, modes, cval, None, function.rules, dtype, out, workers)
    try:
        return missing.apply(call, builder, weights, given, "pixel_weights")  # type: ignore[no-any-return]
    except Elsewhere:
        raise ValueError(
            f"`pixel_weights`, `nan` and the like need a call that is accelerated; {function.name} passes this one on"
            " to SciPy."
        ) from None


def _modes(mode: Any, function: Function, axes: tuple[int, ...], ndim: int) -> tuple[Any, ...]:
    """The mode of every axis, of which some may be "ignore"."""
    if not isinstance(mode, str) and function.modes != EACH:
        raise ArgumentError(f"`mode` must be a single one here; got {show(mode)}.")
    found: list[Any] = ["reflect"] * ndim
    for axis, each in zip(axes, scipy_arguments.per_axis("mode", mode, len(axes)), strict=True):
        found[axis] = each
    return tuple(found)


def weighted(
    function: Function, taps: Any, others: tuple[Any, ...], image: Any, output: Any, mode: Any, cval: Any,
    workers: Any, weights: Any, given: tuple[Any, ...],
) -> Array:  # fmt: skip
    """The result of a function whose first parameter are taps, there called `weights`."""
    if _none_missing(mode, weights, given):
        return complex_weights.weighted(function, taps, others, image, output, mode, cval, workers)
    taps = np.asarray(taps)
    if taps.dtype.kind not in "biuf":
        raise ValueError(f"`weights` must be real numbers for missing pixels; got dtype {taps.dtype}.")
    return run(
        function, (Packed.of(taps.astype(np.float64)), *others), image, output, mode, cval, workers, weights, given
    )
