"""Images with missing pixels: filters that are divided by what they make of the pixels' weights.

This module is all of it that calls without missing pixels need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy import ndarray

from fastsep import _call
from fastsep._validation.array_like import is_masked, is_sequence
from fastsep._validation.axes import IGNORE

#: Of the keywords `nan`, `min_weight`, `keep_nan`, `nodata` and `fill_value`, the values that ask for nothing.
NOTHING = ("propagate", 0.0, False, None, None)
#: The types of image and mode, and these keywords, of a call that goes the plain way if it has no `weights` and its
#: mode is not IGNORE. Such a call does no more than to compare them.
COMPLETE = (ndarray, str, *NOTHING)


def apply(
    call: tuple[Any, ...], builder: Callable[..., Any], weights: Any, given: tuple[Any, ...], named: str = "weights"
) -> Any:
    """`_call.apply(*call)` for an image that may have missing pixels.

    `builder`: tells what is normalized, of the frame and the call's parameters. `given`: the keywords of `NOTHING`.
    `named`: what the function calls `weights`.
    """
    *arguments, out, workers = call
    if is_complete(call, weights, given):
        return _call.apply(*call)
    return _apply(builder, *arguments[1:], (out,), workers, weights, given, named)[0]


def apply_for_several(
    call: tuple[Any, ...], builder: Callable[..., Any], weights: Any, given: tuple[Any, ...]
) -> list[Any]:
    """`apply` for several results."""
    if is_complete(call, weights, given):
        return _call.apply_for_several(*call)
    return _apply(builder, *call[1:], weights, given)


def _apply(*arguments: Any) -> list[Any]:
    from fastsep._ops.missing import calls  # with plans of its own, and what describes them

    return calls.apply(*arguments)


def is_complete(call: tuple[Any, ...], weights: Any, given: tuple[Any, ...]) -> bool:
    """Whether nothing says that pixels may be missing."""
    _, _, image, mode, *_ = call
    return weights is None and not differ(given, NOTHING) and not is_masked(image) and not names_ignore(mode)


def differ(given: tuple[Any, ...], usual: tuple[Any, ...]) -> bool:
    """Whether keywords are not the usual ones. An array is not, and is refused later, by the name of its keyword."""
    try:
        return given != usual
    except (ValueError, TypeError):  # arrays, and NA of pandas, have no truth value
        return True


def names_ignore(mode: Any) -> bool:
    """Whether one of the modes is IGNORE."""
    if isinstance(mode, str):
        return mode == IGNORE
    values = mode.values() if isinstance(mode, dict) else mode if is_sequence(mode) else ()
    return any(isinstance(value, str) and value == IGNORE for value in values)
