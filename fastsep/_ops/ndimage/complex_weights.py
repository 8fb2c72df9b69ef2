"""Correlation with complex weights, by correlations of real and imaginary parts."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np

from fastsep._call import takes_wrappers
from fastsep._ops.ndimage.calls import Function, Packed, joined, run
from fastsep._ops.ndimage.stages import raise_not_run_of_parts
from fastsep._validation import scipy_arguments
from fastsep._validation.array_like import Array, StandIn, show


def weighted(
    function: Function, weights: Any, others: tuple[Any, ...], image: Any, output: Any, mode: Any, cval: Any,
    workers: Any,
) -> Array:  # fmt: skip
    """The result of a function whose first parameter is `weights`."""
    weights = np.asarray(weights)
    if weights.dtype.kind != "c":
        try:
            packed = Packed.of(weights.astype(np.float64, copy=False))
        except ValueError:
            raise ValueError(f"`weights` must be numbers; got {show(weights.tolist())}.") from None
        return run(function, (packed, *others), image, output, mode, cval, workers)
    return _by_parts(image, function, weights, others, output, mode, cval, workers)


@takes_wrappers
def _by_parts(
    image: Any, function: Function, weights: Array, others: tuple[Any, ...], output: Any, mode: Any, cval: Any,
    workers: Any,
) -> Array:  # fmt: skip
    image = scipy_arguments.as_array(image)
    if np.iscomplexobj(cval) and image.dtype.kind != "c":
        raise ValueError("`cval` must be real where `input` is.")
    dtype, out = scipy_arguments.output_of(output, image.shape, True)
    result = out.dtype if out is not None else dtype or np.promote_types(image.dtype, np.complex64)
    part = np.empty(0, result).real.dtype

    def filtered(pixels: Array, taps: Array, border: Any) -> Array:
        packed = Packed.of(taps.astype(np.float64))
        return run(function, (packed, *others), pixels, part, mode, border, workers)

    if function.name.startswith("correlate"):
        weights = weights.conj()
    if type(image) is StandIn:
        parts = (image.real, image.imag) if image.dtype.kind == "c" else (image,)
        every = itertools.product(parts, (weights.real, weights.imag))
        raise_not_run_of_parts(result, *(partial(filtered, pixels, taps, np.real(cval)) for pixels, taps in every))
    if image.dtype.kind == "c":
        of_real = [filtered(image.real, taps, np.real(cval)) for taps in (weights.real, weights.imag)]
        of_imaginary = [filtered(image.imag, taps, np.imag(cval)) for taps in (weights.real, weights.imag)]
        return joined(of_real[0] - of_imaginary[1], of_real[1] + of_imaginary[0], result, out)
    return joined(filtered(image, weights.real, cval), filtered(image, weights.imag, cval), result, out)
