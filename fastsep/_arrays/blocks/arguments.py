"""Checks of the arrays that a filter reads and writes block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsep._arrays.blocks.local import Local
from fastsep._arrays.blocks.places import same
from fastsep._validation.array_like import DType, is_foreign, refuse_masked, show


def check_source(source: Any) -> None:
    """Refuse what cannot be read block by block."""
    _check("source", source, "__getitem__")
    if not source.shape or 0 in source.shape:
        raise ValueError(f"`source` must have axes, and pixels along each; got shape {tuple(source.shape)}.")


def dtype_of_targets(targets: Sequence[Any]) -> DType:
    """The dtype of what is written to."""
    if not targets:
        raise ValueError("`target` must be an array or several; got none.")
    for target in targets:
        _check("target", target, "__setitem__")
        if is_foreign(target):  # which would keep in mind what is to be written, and write nothing
            raise TypeError(f"`target` must be an array that is written to at once; got {type(target).__name__}.")
        if isinstance(target, np.ndarray) and not target.flags.writeable:
            raise ValueError("`target` must be writeable; got a read-only array.")
    found = {str(target.dtype): np.dtype(target.dtype) for target in targets}
    if len(found) > 1:
        raise ValueError(f"`target` must be arrays of one dtype; got {', '.join(sorted(found))}.")
    return next(iter(found.values()))


def _check(name: str, array: Any, needed: str) -> None:
    try:
        shape, _ = tuple(array.shape), np.dtype(array.dtype)
    except (AttributeError, TypeError):
        shape = None
    if shape is None or not hasattr(array, needed):
        raise TypeError(f"`{name}` must have shape, dtype and slices, as arrays have; got {show(array)}.")
    refuse_masked(name, array) if isinstance(array, np.ndarray) else None


def mask_of(mask: Any, call: Local) -> Any:
    """The mask as an array of the image's shape, or of its spatial axes."""
    if mask is None:
        return None
    mask = mask if hasattr(mask, "shape") and hasattr(mask, "dtype") else np.asarray(mask)
    shape = tuple(axis.length for axis in call.axes)
    allowed = [shape, tuple(shape[axis] for axis in call.spatial)]
    if tuple(mask.shape) not in allowed:
        raise ValueError(f"`mask` must have the image's shape {shape}; got {tuple(mask.shape)}.")
    return mask


def check_targets(targets: Sequence[Any], several: bool, call: Local, source: Any, mask: Any) -> None:
    """Refuse what results do not fit into, and what is read when it is written already."""
    if several and len(targets) != call.results:
        raise ValueError(f"`target` must be as many arrays as there are results, {call.results}; got {len(targets)}.")
    if not several and call.results > 1:
        raise ValueError(f"`target` must be a tuple of {call.results} arrays for as many results; got one.")
    for number, target in enumerate(targets):
        if tuple(target.shape) != call.shape:
            raise ValueError(f"`target` must have the result's shape {call.shape}; got {tuple(target.shape)}.")
        if call.uses_neighbours and same(source, target):
            raise ValueError("`target` must not share memory or a file with `source`: blocks read their neighbours.")
        if mask is not None and same(mask, target):
            raise ValueError("`target` must not share memory or a file with `mask`.")
        if any(same(target, other) for other in targets[:number]):
            raise ValueError("`target` must be arrays that share no memory; got two that may.")
