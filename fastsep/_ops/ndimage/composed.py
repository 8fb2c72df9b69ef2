"""Two minima or maxima, one of the other's results, and what they differ from the image by: in one sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import Operation, Request
from fastsep._engine.pipeline import IMAGE, RESULT, Buffer, Pipeline, Stage
from fastsep._ops.ndimage import order
from fastsep._ops.ndimage.calls import Elsewhere, Packed
from fastsep._ops.stages import Sweep
from fastsep._plan import description, dtypes
from fastsep._plan.spec import Filter, Halo, Subtract
from fastsep._validation import scipy_arguments
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame

#: Taller windows run one after the other: each step of a sweep begins anew, with as many rows as a window has.
_MOST_ROWS = 16
#: Differences of these dtypes are NumPy's, bit for bit.
SUBTRACTED = frozenset(map(np.dtype, "bBhHiIlLqQfd"))


class Window(NamedTuple):
    """An erosion or dilation by a flat footprint."""

    which: str  # "minimum" or "maximum"
    footprint: Packed
    origin: tuple[int, ...]
    border: tuple[str, float]  # mode and constant


def takes(footprint: Packed, image: Array, out: Array | None, mode: str) -> bool:
    """Whether two windows of this shape run in one sweep, one after the other, over an image of two spatial axes."""
    return (
        len(footprint.shape) == 2
        and 0 < footprint.shape[0] <= _MOST_ROWS
        and bool(footprint.array.any())
        and mode != "wrap"
        and image.dtype.char in order.DTYPES
        and (out is None or out.dtype == image.dtype)
    )


def build(frame: Frame, first: Window, second: Window, form: str) -> Operation:
    """The operation. `form`: "second" or "source" where one is subtracted from the other, see `filters.subtract`."""
    return of_filters([_what(frame, window) for window in (first, second)], second.border, form)


def of_filters(whats: Sequence[Filter], border: tuple[str, float] | None, form: str) -> Operation:
    """The same for what is known already. `border`: mode and constant of the second filter, None: as of the first."""
    return Operation(partial(_prepare, whats, border, form))


def build_for_scipy(frame: Frame, erodes: bool, window: tuple[Any, ...]) -> Operation:
    """SciPy's erosion and dilation, or the other way round, with the same `window`: their arguments but `axes`."""
    functions = (order.GREY_EROSION, order.GREY_DILATION)[:: 1 if erodes else -1]
    whats: list[Any] = [function.builder(frame, *window, None) for function in functions]
    if max(sum(what.halo()[0]) for what in whats) >= _MOST_ROWS:
        raise Elsewhere
    return of_filters(whats, None, "")


def _what(frame: Frame, window: Window) -> Filter:
    footprint = window.footprint.array
    centres = scipy_arguments.centres(footprint.shape, window.origin)
    return order.flat_extremum(frame, window.which, footprint, centres)


def _prepare(whats: Sequence[Filter], border: tuple[str, float] | None, form: str, request: Request) -> Composed:
    other = request
    if border is not None:
        mode, cval = border
        other = request._replace(modes=(mode,) * len(request.modes), cval=dtypes.order_border(request.source, cval))
    plans = [request.plan(whats[0]), other.plan(whats[1])]
    halos = [max(what.halo()[0]) for what in whats]
    stages = [Stage(plans[0], IMAGE, 0, halos[0]), Stage(plans[1], 0, 1 if form else RESULT, halos[1])]
    told = [
        description.Stage("erosion" if plan.kernel[1] == "minimum" else "dilation", (what,), (plan,))
        for what, plan in zip(whats, plans, strict=True)
    ]
    if form:
        difference = plans[0]._replace(
            strategy="subtract", kernel=("subtract", form, request.source.name), what=Subtract(),
            work=float(math.prod(plans[0].view)), slices=None,
        )  # fmt: skip
        stages.append(Stage(difference, 1, RESULT, 0, second=IMAGE))
        told.append(description.Stage("difference", (), (difference,)))
    buffers = [Buffer(request.source, 1)] * (len(stages) - 1)
    return Composed(request, Pipeline(stages, buffers), (0,), told, (0,))


class Composed(Sweep):
    """The program."""

    @property
    def halo(self) -> Halo:
        # A border that reflects the results of one window needs them as far inside as the next one reaches outside.
        halos = zip(*(what.halo() for stage in self.stages for what in stage.filters), strict=True)
        return tuple((reach, reach) for reach in (sum(map(max, sides)) for sides in halos))
