"""Grey morphology as scikit-image composes it: of minima and maxima under flat footprints, in the image's own dtype."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import ORDER, apply, foreign, takes_wrappers
from fastsep._ops.ndimage import composed, order
from fastsep._ops.ndimage.calls import Elsewhere, Packed
from fastsep._ops.ndimage.stages import raise_not_run
from fastsep._validation import arrays, axes, scalars
from fastsep._validation.array_like import Array, DType, StandIn, makes_array, show

#: scikit-image's borders, which have no other names.
MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "max", "min", "ignore")

_ERODE_FIRST = ("erosion", "opening", "white_tophat")


class Options(NamedTuple):
    """What all steps of a call share."""

    mode: str
    cval: Any
    axes: tuple[int, ...] | None  # those that are filtered; None: all
    workers: Any

    def border(self, dtype: DType, ignored: str) -> tuple[str, Any]:
        """Mode and value as SciPy has them. `ignored`: the border that no result notices."""
        mode = ignored if self.mode == "ignore" else self.mode
        return ("constant", _extreme(dtype, mode)) if mode in ("max", "min") else (mode, self.cval)


def _extreme(dtype: DType, which: str) -> float:
    """The largest ("max") or smallest value of a dtype."""
    if dtype.kind in "iu":
        return int(getattr(np.iinfo(dtype), which))
    if dtype.kind == "b":
        return float(which == "max")
    return np.inf if which == "max" else -np.inf


class Step:
    """An erosion or dilation by one flat footprint."""

    def __init__(self, name: str, footprint: Packed, turned: bool, options: Options) -> None:
        self.__name__ = name
        self.footprint, self.options = footprint, options
        # Of an even length scikit-image has the left one of both middles on the pixel, hence turned around, as SciPy
        # has it anyway, the right one.
        self.origin = tuple(0 if turned else -(size % 2 == 0) for size in footprint.shape)
        if turned:
            self.footprint = Packed.of(footprint.array[(slice(None, None, -1),) * len(footprint.shape)])

    @property
    def erodes(self) -> bool:
        return self.__name__ == "erosion"

    def border(self, dtype: DType) -> tuple[str, Any]:
        return self.options.border(dtype, "max" if self.erodes else "min")

    def window(self, dtype: DType) -> composed.Window:
        which = "minimum" if self.erodes else "maximum"
        return composed.Window(which, self.footprint, self.origin, self.border(dtype))

    def __call__(self, image: Array, out: Array | None) -> Array:
        mode, cval = self.border(image.dtype)
        function = order.MINIMUM_FILTER if self.erodes else order.MAXIMUM_FILTER
        others = (self.origin, self.options.axes)
        return order.run_window(function, None, self.footprint, others, image, out, mode, cval, self.options.workers)


@cache
def cross(ndim: int) -> Packed:
    """A pixel and its neighbours along each axis."""
    return Packed.of(np.abs(np.indices((3,) * ndim) - 1).sum(axis=0) <= 1)


def footprints(value: Any, ndim: int) -> list[Packed]:
    """A footprint, or those that are applied one after the other; None is the cross."""
    if value is None:
        return [cross(ndim)]
    pairs = [(value, 1)] if makes_array(value) else value
    if not (isinstance(pairs, Sequence) and pairs and all(map(_is_pair, pairs))):
        raise ValueError(
            "`footprint` must be an array, or a sequence of pairs: an array and how often it is applied;"
            f" got {show(value)}."
        )
    found: list[Packed] = []
    for footprint, times in pairs:
        # As in scikit-image the first one is applied once at least.
        found += [Packed.of(np.asarray(footprint, dtype=bool))] * max(times, not found)
    return found


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and makes_array(value[0]) and isinstance(value[1], Integral)


@takes_wrappers
def run(
    image: Any, name: str, footprint: Any, out: Any, mode: Any, cval: Any, channel_axis: Any, workers: Any
) -> Array:
    """The function of scikit-image of that name."""
    image = arrays.as_image(image)
    if not isinstance(mode, str) or mode not in MODES:
        raise scalars.ArgumentError(f"unsupported mode: `mode` must be one of {', '.join(MODES)}; got {show(mode)}.")
    if not isinstance(image, np.ndarray):
        call = partial(_run_block, name, footprint, mode, cval, channel_axis)
        return foreign().by_blocks(call, name, image, image.dtype.newbyteorder("="), out, workers)  # type: ignore[no-any-return]
    channel = axes.channel(channel_axis, image.ndim)
    spatial = tuple(axis for axis in range(image.ndim) if axis != channel)
    options = Options(mode, cval, None if channel is None else spatial, workers)
    parts = footprints(footprint, len(spatial))
    if out is not None:
        arrays.check_writeable(out)
        arrays.check_shape(out, image.shape)

    first, second = ("erosion", "dilation") if name in _ERODE_FIRST else ("dilation", "erosion")
    steps = [Step(first, part, False, options) for part in parts]
    if name != first:
        steps += [Step(second, part, True, options) for part in parts]
    differs = name.endswith("tophat")
    if differs and out is not None and np.may_share_memory(image, out):
        image = image.copy()  # it is read again
    form = ("source" if name == "white_tophat" else "second") if differs and image.dtype in composed.SUBTRACTED else ""
    found = None
    if name != first and len(parts) == 1 and len(spatial) == 2 and composed.takes(parts[0], image, out, mode):
        found = _sweep(steps, form, image, out, channel_axis)
    if found is None:
        found, form = _chain(steps, image, out), ""
    if form or not differs:
        return found
    if found.dtype.kind == "b":
        np.logical_xor(image, found, out=found)
        return found
    one, other = (image, found) if name == "white_tophat" else (found, image)
    with np.errstate(all="ignore"):  # of infinity minus infinity
        np.subtract(one, other, out=found)
    return found


def _run_block(
    name: str, footprint: Any, mode: Any, cval: Any, channel_axis: Any, image: Array, out: Array | None, workers: Any
) -> Array:  # fmt: skip
    return run(image, name, footprint, out, mode, cval, channel_axis, workers)


def _sweep(steps: Sequence[Step], form: str, image: Array, out: Array | None, channel_axis: Any) -> Array | None:
    """Two steps and their difference from the image, if `form` is not empty, without an image in between.

    None if the engine does not do them.
    """
    first, second = (step.window(image.dtype) for step in steps)
    mode, cval = first.border
    parameters, workers = (first, second, form), steps[0].options.workers
    try:
        return apply(composed.build, parameters, image, mode, cval, channel_axis, ORDER, None, out, workers)
    except Elsewhere:
        return None


def _chain(steps: Sequence[Step], image: Array, out: Array | None) -> Array:
    """Each step's result is the next one's image. Two arrays are enough for any number of steps."""
    if type(image) is StandIn and len(steps) > 1:
        raise_not_run(image, *steps)
    spare = None
    for number, step in enumerate(steps[:-1]):
        image, spare = step(image, spare), image if number else None
    return steps[-1](image, spare if out is None else out)
