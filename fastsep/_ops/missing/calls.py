"""A call for an image with missing pixels: weights and masks are read, and what runs is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fastsep import _call
from fastsep._call import Operation, PerPixel, Request, Rules
from fastsep._engine.caches import MIB, Cache
from fastsep._ops.missing import options, swept
from fastsep._ops.missing.combined import Combined
from fastsep._ops.missing.derivatives import Gradients
from fastsep._ops.missing.interpolation import Interpolation
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.parts import Combination, Derivatives, Scales
from fastsep._ops.missing.whole import Incomplete, single_filter
from fastsep._plan.spec import Filter
from fastsep._validation import array_like, arrays, axes
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame
from fastsep._validation.borrowing import lent

#: (frame, *parameters) -> what is normalized
Parts: TypeAlias = Callable[..., Filter | Operation | Combination | Derivatives | Scales]


def apply(
    builder: Parts, parameters: tuple[Any, ...], image: Any, mode: Any, cval: Any, channel_axis: Any, rules: Rules,
    dtype: Any, outs: Sequence[Any], workers: Any, weights: Any, given: tuple[Any, ...], named: str = "weights",
) -> list[Any]:  # fmt: skip
    """A call of what `builder(frame, *parameters)` describes.

    `given`: the keywords of `NOTHING`. `named`: what the function calls `weights`.
    """
    image = lent("image", image)
    if array_like.is_wrapper(image):
        wrapper = _call.wrapped().wrapper_of(image)
        names = ("mode", "channel_axis", "weights", *_call.wrapped().parameters_of(builder)[1:])
        values = (mode, channel_axis, weights, *parameters)
        mode, channel_axis, weights, *found = wrapper.by_position(names, values)
        results = apply(
            builder, tuple(found), wrapper.inner, mode, cval, channel_axis, rules, dtype,
            [wrapper.target(out) for out in outs], workers, weights, given, named,
        )  # fmt: skip
        return [wrapper.result(result, out) for result, out in zip(results, outs, strict=True)]
    mask = fill = None
    if array_like.is_masked(image):
        mask, fill, image = np.ma.getmaskarray(image), own_fill(image), image.data
    image = arrays.as_image(image)
    channel = axes.channel(channel_axis, image.ndim)
    mode, ignored = options.without_ignore(mode, image.ndim, channel)
    if weights is not None:
        read = array_like.real_array if isinstance(image, np.ndarray) else array_like.real_image
        weights = arrays.expanded_weights(named, read(named, weights), image.shape, channel)
        if any(isinstance(each, np.ndarray) and np.may_share_memory(weights, each) for each in outs):
            weights = weights.copy()
    absent = None
    if mask is not None:
        weights = ~mask if weights is None else np.where(mask, weights.dtype.type(0), weights)
        absent = np.zeros(image.shape, bool)
    pixels = (None if each is None else PerPixel(each) for each in (weights, absent))
    arguments = (builder, parameters, given, named, ignored, *pixels)
    call = (normalized, arguments, image, mode, 0.0 if any(ignored) else cval, channel_axis, rules, dtype)
    if len(outs) == 1:
        results = [_call.apply(*call, outs[0], workers)]
    else:
        results = _call.apply_for_several(*call, outs, workers)
    return results if absent is None else [_masked(result, absent, fill) for result in results]


def own_fill(image: np.ma.MaskedArray[Any, Any]) -> Any:
    """The `fill_value` of a masked array; None: it is the one of its dtype."""
    value = image.fill_value
    return None if value == np.ma.default_fill_value(image) else value


def _masked(result: Array, absent: Array, fill: Any) -> np.ma.MaskedArray[Any, Any]:
    """`fill`: see `own_fill`; it is kept where the result's dtype has it."""
    masked = np.ma.MaskedArray(result, absent)
    if fill is not None:
        with np.errstate(all="ignore"):
            kept = np.asarray(fill).astype(result.dtype)
        if kept == fill or (result.dtype.kind == "f" and not np.isinf(kept)):
            masked.fill_value = kept.item()
    return masked


def normalized(
    frame: Frame, builder: Parts, parameters: tuple[Any, ...], given: tuple[Any, ...], named: str,
    ignored: tuple[bool, ...], weights: PerPixel | None, absent: PerPixel | None,
) -> Operation:  # fmt: skip
    """What `builder` describes, divided by weights. `absent`: see `Incomplete`."""
    what = builder(frame, *parameters)
    missing = options.missing_of(frame, given, named, ignored, absent is not None or isinstance(what, Scales))

    def prepare(request: Request) -> Incomplete:
        if weights is None:  # the call is remembered, and its program with it
            return _program(what, request, missing, weights, absent)
        values = weights.values[0]
        # The axes along which pixels share a weight; of an array of dask nobody asks.
        shared = tuple(stride == 0 for stride in getattr(values, "strides", ()))
        key = (builder, parameters, given, named, ignored, values.dtype, shared, absent is None, request)
        found = _programs.get(key)
        if found is None:
            found = _program(what, request, missing, weights, absent).of(None, None)
            _programs.keep(key, found)
        return found.of(weights, absent)

    return Operation(prepare)


#: Programs without their weights, by all that they depend on.
_programs = Cache(8 * MIB, 64)


def _program(
    what: Any, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
) -> Incomplete:  # fmt: skip
    if isinstance(what, Combination):
        return swept.program_of_parts(Combined(what, request, missing, weights, absent))
    if isinstance(what, Derivatives):
        return swept.program_of_parts(Gradients(what, request, missing, weights, absent))
    if isinstance(what, Scales):
        return Interpolation(what, request, missing, weights, absent)
    return swept.program(single_filter(what, request), request, missing, weights, absent)
