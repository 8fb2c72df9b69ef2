"""Calls with an array around another one: repeated with the array inside, and results made like the wrapper."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from fastsep import _call
from fastsep._arrays.wrapper import Wrapper
from fastsep._ops.ndimage import calls
from fastsep._plan.convolution import Geometry
from fastsep._validation.array_like import Borrowed


def wrapper_of(image: Any) -> Wrapper:
    """What is known of an array around another one."""
    if type(image) is Borrowed:
        from fastsep._arrays.borrowed import Lent

        return Lent(image)
    from fastsep._arrays.labelled import Labelled

    return Labelled(image)


def apply(options: tuple[Any, ...], image: Any, outs: Sequence[Any], workers: Any) -> list[Any]:
    """A call that `options` describe, as `_call.apply` has it."""
    builder, parameters, mode, cval, _, channel_axis, rules, dtype = options
    wrapper = wrapper_of(image)
    names = ("mode", "channel_axis", *parameters_of(builder)[1:])
    mode, channel_axis, *found = wrapper.by_position(names, (mode, channel_axis, *parameters))
    arguments = (builder, tuple(found), wrapper.inner, mode, cval, channel_axis, rules, dtype)
    targets = [wrapper.target(out) for out in outs]
    if len(targets) == 1:  # may go straight to the engine
        results = [_call.apply(*arguments, targets[0], workers)]
    else:
        results = _call.apply_for_several(*arguments, targets, workers)
    return [wrapper.result(values, out) for values, out in zip(results, outs, strict=True)]


def call(function: Callable[..., Any], image: Any, args: tuple[Any, ...]) -> Any:
    """A call of a function of several steps, whose first argument is the image."""
    wrapper = wrapper_of(image)
    names = parameters_of(function)[1:]
    values = dict(zip(names, wrapper.by_position(names, args), strict=True))
    for name, value in values.items():
        if name == "parameters":
            values[name] = tuple(wrapper.by_position(parameters_of(values["builder"])[1:], value))
        elif hasattr(value, "_fields"):
            values[name] = value._make(wrapper.by_position(value._fields, value))
    target = "out" if "out" in names else "output"
    out = values.get(target)
    if out is None or _is_dtype(out):
        return wrapper.result(function(wrapper.inner, *values.values()), None)
    values[target] = wrapper.target(out)
    return wrapper.result(function(wrapper.inner, *values.values()), out)


def run(
    function: calls.Function, parameters: tuple[Any, ...], image: Any, output: Any, mode: Any, cval: Any, workers: Any
) -> Any:
    """A call of a function of `fastsep.ndimage`, as `calls.run` has it."""
    wrapper = wrapper_of(image)
    mode, *found = wrapper.by_position(("mode", *function.parameters), (mode, *parameters))
    out, target = (None, output) if _is_dtype(output) else (output, wrapper.target(output))
    return wrapper.result(calls.run(function, tuple(found), wrapper.inner, target, mode, cval, workers), out)


def convolve(image: Any, layer: Callable[[Any, Any], Any], out: Any, place: Geometry) -> Any:
    """A call of a layer, `layer(image, out)`."""
    wrapper = wrapper_of(image)
    return wrapper.feature_maps(layer(wrapper.inner, wrapper.target(out)), out, place.channels_first)


@cache
def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names, in order."""
    return tuple(inspect.signature(function).parameters)


def with_dimensions(function: Callable[..., Any], dims: tuple[Any, ...]) -> Callable[..., Any]:
    """`function` for images without names, where the arguments name these dimensions."""
    from fastsep._arrays import labelled

    return lambda image, *args, **kwargs: function(labelled.named(image, dims), *args, **kwargs)


def _is_dtype(value: Any) -> bool:
    return isinstance(value, type | np.dtype | str)
