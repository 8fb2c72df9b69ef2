"""Builders of SciPy's minimum, maximum, median, rank and grey morphology: footprints, centres and ranks."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fastsep._call import ORDER, Builder
from fastsep._ops.ndimage.calls import EACH, ONE, PASSED_ON, Elsewhere, Function, Packed, run
from fastsep._plan.ranking import can_rank
from fastsep._plan.spec import Extremum, Filter, FlatExtremum, Rank
from fastsep._validation import scalars, scipy_arguments
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame, axis_index

# ---- what the engine does


def _extremum(frame: Frame, which: str, sizes: Sequence[int], centres: Sequence[int]) -> Filter:
    """Minimum or maximum over a rectangle."""
    _check_border(frame)
    return Extremum(which, tuple(sizes), tuple(centres))


def flat_extremum(frame: Frame, which: str, footprint: Array, centres: Sequence[int]) -> Filter:
    """Minimum or maximum under a footprint of any form."""
    _check_border(frame)
    if footprint.all():
        return Extremum(which, footprint.shape, tuple(centres))
    return FlatExtremum(which, footprint, tuple(centres))


def _rank(frame: Frame, footprint: Array, centres: Sequence[int], rank: int) -> Filter:
    """The value of a rank, counted from the smallest, under any footprint."""
    _check_border(frame)
    if not can_rank(footprint, frame.result):
        raise Elsewhere
    return Rank(footprint, tuple(centres), int(rank))


def _check_border(frame: Frame) -> None:
    """Leave a border that the dtype of the image does not reach to SciPy, which compares in float64."""
    if frame.dtype.kind == "f":
        return
    low, high = (0, 1) if frame.dtype.kind == "b" else (np.iinfo(frame.dtype).min, np.iinfo(frame.dtype).max)
    if not float(low) <= frame.border <= float(high):  # as floats: the border is one
        raise Elsewhere


# ---- windows: `size`, `footprint`, `structure`


def window(size: Any, footprint: Any, depth: int) -> tuple[Any, Packed | None]:
    """`size` and `footprint` in hashable form; where both are given the footprint counts.

    `depth`: calls between the user's and this one, for the warning.
    """
    if footprint is None:
        return size, None
    if size is not None:
        warnings.warn("`size` is ignored, because `footprint` is given.", UserWarning, stacklevel=depth + 2)
    return None, Packed.of(np.asarray(footprint, dtype=bool))


def _footprint(size: Any, footprint: Packed | None, axes: Sequence[int], ndim: int) -> Array:
    """Of all axes of the array, from what is given for some."""
    if footprint is None:
        if size is None:
            raise RuntimeError("`size` or `footprint` must be given; got neither.")
        sizes = scipy_arguments.per_axis("size", size, len(axes))
        found = np.ones([scipy_arguments.window_size("size", item) for item in sizes], bool)
    else:
        found = footprint.array
    found = scipy_arguments.for_all_axes(found, axes, ndim, "footprint")
    if not found.any():
        raise scalars.ArgumentError("`footprint` must not be all zero.")
    return found


# ---- minimum and maximum


def _along_axis(which: str, frame: Frame, size: Any, axis: Any, origin: Any) -> Filter:
    axis = axis_index("axis", axis, frame.ndim)
    sizes, centres = [1] * frame.ndim, [0] * frame.ndim
    sizes[axis] = scipy_arguments.window_size("size", size)
    centres[axis] = scipy_arguments.centre(sizes[axis], origin)
    return _extremum(frame, which, sizes, centres)


def _of_window(
    which: str, frame: Frame, size: Any, footprint: Packed | None, origin: Any, axes: Any
) -> Filter:  # fmt: skip
    found = scipy_arguments.axes_of(axes, frame.ndim)
    if footprint is not None:
        if not footprint.array.all() or 0 in footprint.shape:
            return _under_footprint(which, frame, footprint, origin, found)
        size = scipy_arguments.per_axis("footprint", footprint.shape, len(found))
    elif size is None:
        raise RuntimeError("`size` or `footprint` must be given; got neither.")
    sizes, places = [1] * frame.ndim, [0] * frame.ndim
    given = [scipy_arguments.per_axis(name, value, len(found)) for name, value in (("size", size), ("origin", origin))]
    for axis, length, shift in zip(found, *given, strict=True):
        if length > 1:
            sizes[axis] = int(length)
            places[axis] = scipy_arguments.centre(sizes[axis], shift)
    return _extremum(frame, which, sizes, places)


def _under_footprint(which: str, frame: Frame, footprint: Packed, origin: Any, axes: Sequence[int]) -> Filter:
    """As in SciPy, the footprint's axes are in the order of the array's, not in that of `axes`."""
    shape = _footprint(None, footprint, axes, frame.ndim)
    centres = scipy_arguments.centres(shape.shape, scipy_arguments.of_all_axes("origin", origin, axes, frame.ndim))
    return flat_extremum(frame, which, shape, centres)


def _erosion(
    which: str, frame: Frame, size: Any, footprint: Packed | None, structure: Packed | None, origin: Any, axes: Any
) -> Filter:  # fmt: skip
    if structure is not None:
        if structure.array.any():
            raise Elsewhere  # it is not flat
        found = scipy_arguments.axes_of(axes, frame.ndim)
        scipy_arguments.check_window("structure", structure.shape, len(found))
        footprint = footprint or Packed.of(np.ones(structure.shape, bool))
        return _under_footprint(which, frame, footprint, origin, found)
    return _of_window(which, frame, size, footprint, origin, axes)


def _dilation(
    which: str, frame: Frame, size: Any, footprint: Packed | None, structure: Packed | None, origin: Any, axes: Any
) -> Filter:  # fmt: skip
    """The window is turned around."""
    found = scipy_arguments.axes_of(axes, frame.ndim)
    name, each = "size", size
    if footprint is not None:
        name, each = "footprint", footprint.shape
    elif structure is not None:
        name, each = "structure", structure.shape
    if isinstance(each, str) or not np.iterable(each):
        each = (each,) * len(found)
    sizes = [scalars.integer(name, value) for value in each]
    if len(sizes) < len(found):  # more are refused as those of an erosion are
        raise IndexError(f"`{name}` must have {len(found)} axes, one for each that is filtered; got {len(sizes)}.")
    turned = tuple(map(scipy_arguments.turned, sizes, scipy_arguments.per_axis("origin", origin, len(found))))
    if footprint is not None:
        footprint = Packed.of(footprint.array[(slice(None, None, -1),) * len(footprint.shape)])
    return _erosion(which, frame, size, footprint, structure, turned, axes)


# ---- ranks


def _any_rank(frame: Frame, rank: Any, size: Any, footprint: Packed | None, origin: Any, axes: Any) -> Filter:
    return _ranked(frame, size, footprint, origin, axes, lambda count: rank + count if rank < 0 else rank)


def _median(frame: Frame, size: Any, footprint: Packed | None, origin: Any, axes: Any) -> Filter:
    return _ranked(frame, size, footprint, origin, axes, lambda count: count // 2)


def _percentile(
    frame: Frame, percentile: Any, size: Any, footprint: Packed | None, origin: Any, axes: Any
) -> Filter:  # fmt: skip
    scalars.number("percentile", percentile)
    part = percentile + 100.0 if percentile < 0.0 else percentile
    if not 0 <= part <= 100:
        raise RuntimeError(f"`percentile` must lie in [-100, 100]; got {percentile}.")

    def rank_of(count: int) -> int:
        return count - 1 if part == 100.0 else int(float(count) * part / 100.0)

    return _ranked(frame, size, footprint, origin, axes, rank_of)


def _ranked(
    frame: Frame, size: Any, footprint: Packed | None, origin: Any, axes: Any, rank_of: Any
) -> Filter:  # fmt: skip
    found = scipy_arguments.axes_of(axes, frame.ndim)
    shape = _footprint(size, footprint, found, frame.ndim)
    centres = scipy_arguments.centres(shape.shape, scipy_arguments.of_all_axes("origin", origin, found, frame.ndim))
    count = int(np.count_nonzero(shape))
    rank = rank_of(count)
    if not 0 <= rank < count:
        raise RuntimeError(f"the rank must lie within the {count} pixels of the footprint; got {rank}.")
    if rank in (0, count - 1):
        return flat_extremum(frame, "maximum" if rank else "minimum", shape, centres)
    return _rank(frame, shape, centres, rank)


# ---- the table


def _order(name: str, parameters: str, builder: Builder, modes: str) -> Function:
    return Function(name, tuple(parameters.split()), builder, ORDER, DTYPES, modes, by_parts=False)


#: All real dtypes that fit float64 or integers of 64 bits.
DTYPES = "?bBhHiIlLqQefd"

MINIMUM_FILTER1D = _order("minimum_filter1d", "size axis origin", partial(_along_axis, "minimum"), ONE)
MAXIMUM_FILTER1D = _order("maximum_filter1d", "size axis origin", partial(_along_axis, "maximum"), ONE)
MINIMUM_FILTER = _order("minimum_filter", "size footprint origin axes", partial(_of_window, "minimum"), EACH)
MAXIMUM_FILTER = _order("maximum_filter", "size footprint origin axes", partial(_of_window, "maximum"), EACH)
RANK_FILTER = _order("rank_filter", "rank size footprint origin axes", _any_rank, PASSED_ON)
MEDIAN_FILTER = _order("median_filter", "size footprint origin axes", _median, PASSED_ON)
PERCENTILE_FILTER = _order("percentile_filter", "percentile size footprint origin axes", _percentile, PASSED_ON)
GREY_EROSION = _order("grey_erosion", "size footprint structure origin axes", partial(_erosion, "minimum"), EACH)
GREY_DILATION = _order("grey_dilation", "size footprint structure origin axes", partial(_dilation, "maximum"), EACH)


def run_window(
    function: Function, size: Any, footprint: Packed | None, others: tuple[Any, ...], image: Any, output: Any,
    mode: Any, cval: Any, workers: Any,
) -> Array:  # fmt: skip
    """`run` of a function of a window. Several modes under a footprint that is no rectangle go to SciPy, which refuses
    them."""
    if footprint is not None and type(mode) is not str and not footprint.array.all():
        function = function._replace(modes=PASSED_ON)
    return run(function, (size, footprint, *others), image, output, mode, cval, workers)


def index_of(rank: Any) -> int:
    """`rank` as an int, or a TypeError."""
    return operator.index(rank)
