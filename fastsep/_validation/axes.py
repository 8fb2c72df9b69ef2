"""Axes, border modes, and which axis has the channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastsep._validation.array_like import DType, is_sequence, show
from fastsep._validation.scalars import ArgumentError, integer, not_negative, one_of, per_axis

# SciPy's names; for filters (not for its interpolation) the grid names mean the same as the plain
# ones.
MODES = {
    "reflect": "reflect",
    "constant": "constant",
    "nearest": "nearest",
    "mirror": "mirror",
    "wrap": "wrap",
    "grid-mirror": "reflect",
    "grid-constant": "constant",
    "grid-wrap": "wrap",
}

#: Of images with missing pixels: beyond such a border nothing has any weight.
IGNORE = "ignore"

# What others call these borders: NumPy, MATLAB and PyTorch by a word, OpenCV by a number.
_MODES_ELSEWHERE: dict[int | str, str] = {
    "symmetric": "reflect",
    "edge": "nearest",
    "replicate": "nearest",
    "circular": "wrap",
    "periodic": "wrap",
    "zeros": "constant",
    0: "constant",
    1: "nearest",
    2: "reflect",
    3: "wrap",
    4: "mirror",
}


class Frame(NamedTuple):
    """What a filter may know of the image while it turns its parameters into taps."""

    ndim: int
    channel: int | None  # the axis that is not filtered, counted from the front
    dtype: DType
    result: DType
    border: float  # cval where a mode is "constant", else 0

    @property
    def integer(self) -> bool:
        """Whether the result has an integer dtype, hence the image's own scale."""
        return self.result.kind != "f"

    @property
    def spatial(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(self.ndim) if axis != self.channel)


def axis_index(name: str, value: Any, ndim: int) -> int:
    """An axis of the array, counted from the front."""
    axis = integer(name, value)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(
            f"`{name}` must lie in [{-ndim}, {ndim - 1}] for an array of {ndim} dimensions; got {show(axis)}."
        )
    return axis % ndim


def by_position(name: str, value: Any, image: Any) -> Any:
    """An axis of an image, which may be a dimension's name if the image has names."""
    dims = getattr(image, "dims", None)
    if dims is None or not isinstance(value, str):
        return value
    if value not in dims:
        raise ValueError(f"`{name}` must be a dimension of the image, {', '.join(map(str, dims))}; got {show(value)}.")
    return dims.index(value)


def channel(value: Any, ndim: int) -> int | None:
    """The channel axis, counted from the front; at least one axis must remain."""
    if value is None:
        return None
    axis = axis_index("channel_axis", value, ndim)
    if ndim == 1:
        raise ValueError("`channel_axis` must leave an axis to filter; got an array of 1 dimension.")
    return axis


def edge_axes(value: Any, frame: Frame) -> tuple[int, ...]:
    """Positions, among the spatial axes, of the axes named by `axis` (None: all)."""
    spatial = frame.spatial
    if value is None:
        return tuple(range(len(spatial)))
    named = tuple(value) if is_sequence(value) else (value,)
    if not named:
        raise ValueError("`axis` must be None, an axis or several axes; got an empty sequence.")
    axes = [axis_index("axis", item, frame.ndim) for item in named]
    if frame.channel in axes:
        raise ValueError(f"`axis` must not name the channel axis; got {show(value)}.")
    return tuple(spatial.index(axis) for axis in axes)


def need_2d(frame: Frame) -> None:
    """Refuse all but two spatial axes."""
    count = len(frame.spatial)
    if count != 2:
        hint = " For colours pass `channel_axis`, or convert them to grey first." if count == 3 else ""
        raise ValueError(f"`image` must have 2 spatial axes for this filter; got {count}.{hint}")


def matrix_order(value: Any, ndim: int) -> str:
    """Which axis comes first in a matrix of derivatives: "rc" the first, "xy" the last."""
    order = one_of("order", value, ("rc", "xy"))
    if order == "xy" and ndim > 2:
        raise ValueError(f"`order` must be rc for an image of more than 2 axes; got {show(value)} for {ndim} axes.")
    return order


def modes(value: Any, frame: Frame) -> tuple[str, ...]:
    """Canonical border modes of the spatial axes; one per array axis passes, as in scikit-image."""
    if is_sequence(value) and frame.channel is not None and len(value) == frame.ndim:
        value = [value[axis] for axis in frame.spatial]
    return tuple(border_mode(mode) for mode in per_axis("mode", value, len(frame.spatial)))


def border_mode(value: Any) -> str:
    """Canonical name of one border mode."""
    if not isinstance(value, str) or value not in MODES:
        known = isinstance(value, str | int)
        ours = _MODES_ELSEWHERE.get(value.lower() if isinstance(value, str) else value) if known else None
        hint = "" if ours is None else f" {'It' if isinstance(value, str) else 'In OpenCV it'} means {ours!r}."
        if isinstance(value, str) and value.lower() == IGNORE:
            hint = f" Functions that take missing pixels also have {IGNORE!r}."
        raise ArgumentError(f"`mode` must be one of {', '.join(MODES)}; got {show(value)}.{hint}")
    return MODES[value]


def split_channel(ndim: int, sigma: Any, order: Any, mode: Any, channel_axis: Any) -> tuple[Any, Any, Any, Any]:
    """Read one sigma per array axis, which scikit-image takes beside one per spatial axis.

    The channel axis then has a sigma of its own. Where it is 0 the entries for that axis are
    dropped, else the channels are filtered like any other axis.
    """
    if not is_sequence(sigma) or len(sigma) != ndim:
        return sigma, order, mode, channel_axis
    axis = channel(channel_axis, ndim)
    values = [not_negative("sigma", item) for item in sigma]
    if axis is None or values[axis] > 0:
        return tuple(values), order, mode, None

    def spatial(value: Any) -> Any:
        full = is_sequence(value) and len(value) == ndim
        return tuple(item for i, item in enumerate(value) if i != axis) if full else value

    return spatial(values), spatial(order), spatial(mode), channel_axis


def drop_axis(items: Sequence[int], axis: int) -> tuple[int, ...]:
    """`items` without the one at `axis`, which goes to the front."""
    return (items[axis], *items[:axis], *items[axis + 1 :])
