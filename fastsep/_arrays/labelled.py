"""Arrays of xarray: results keep dimensions, coordinates, attributes and name, and arguments may name dimensions.

What is inside, an array of NumPy or dask, goes the way that it goes without labels: those of dask stay lazy.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import repeat, zip_longest
from typing import Any

from xarray import DataArray, Variable

from fastsep._arrays.wrapper import Wrapper
from fastsep._validation.array_like import StandIn, is_sequence, show
from fastsep._validation.axes import axis_index, by_position, channel

#: Arguments that are axes of the image.
AXES = ("axis", "axes", "channel_axis")
#: Arguments that have a value for each axis, with the value that leaves an axis alone.
ALONE = {
    "sigma": 0, "low_sigma": 0, "high_sigma": 0, "radius": 0, "size": 1, "taps": None, "order": 0, "origin": 0,
    "stride": 1, "mode": "reflect",
}  # fmt: skip


class Labelled(Wrapper):
    """An image whose dimensions have names."""

    def __init__(self, image: DataArray) -> None:
        self.image, self.inner, self.dims = image, image.data, image.dims
        self.strides: dict[Hashable, Any] = {}

    def by_position(self, names: Sequence[str], values: Sequence[Any]) -> list[Any]:
        given = dict(zip(names, values, strict=False))
        found = {name: self._axes(name, given[name]) for name in AXES if name in given}
        filtered = self._filtered(found.get("axes"), found.get("channel_axis"))
        named = {name: value for name, value in given.items() if name in ALONE and isinstance(value, Mapping)}
        others: set[Hashable] = set().union(*(value for name, value in named.items() if name not in ("mode", "stride")))
        for name, value in named.items():
            # Beside a sigma, a radius is how far its taps reach.
            alone = None if name == "radius" and "sigma" in given else ALONE[name]
            # Of an axis that is left alone nobody has to tell the border.
            needed = [dim for dim in filtered if not others or dim in others] if name == "mode" else []
            found[name] = _for_each(name, value, filtered, needed, alone)
        found |= {name: self._aligned(name, value) for name, value in given.items() if isinstance(value, DataArray)}
        stride = found.get("stride", given.get("stride", 1))
        self.strides = dict(zip(filtered, stride if is_sequence(stride) else repeat(stride), strict=False))
        return [found.get(name, value) for name, value in zip_longest(names, values, fillvalue="")]

    def _filtered(self, axes: Any, channel_axis: Any) -> list[Hashable]:
        """The dimensions to filter, in the order of their values."""
        count = len(self.dims)
        if axes is not None:
            return [self.dims[axis_index("axes", axis, count)] for axis in (axes if is_sequence(axes) else [axes])]
        channels = channel(channel_axis, count)
        return [dim for axis, dim in enumerate(self.dims) if axis != channels]

    def _axes(self, name: str, value: Any) -> Any:
        """One axis or several by position; None stays None."""
        if is_sequence(value):
            return tuple(self._axes(name, item) for item in value)
        return by_position(name, value, self.image)

    def _aligned(self, name: str, value: DataArray) -> Any:
        """A mask, threshold or footprint, whose dimensions are in the image's order then."""
        if not set(value.dims) <= set(self.dims):
            return value.data
        if name in ("low", "high", "weights"):  # which broadcast
            value = value.expand_dims([dim for dim in self.dims if dim not in value.dims])
        return value.transpose(*(dim for dim in self.dims if dim in value.dims)).data

    def target(self, out: Any) -> Any:
        if out is None:
            return None
        if not isinstance(out, DataArray):
            raise TypeError(f"`out` must be a DataArray, as the image is; got {type(out).__name__}.")
        if out.dims[: len(self.dims)] != self.dims:
            raise ValueError(f"`out` must have the image's dimensions {_listed(self.dims)}; got {_listed(out.dims)}.")
        return out.data

    def result(self, values: Any, out: Any) -> Any:
        if out is not None:
            return out
        dims, image = self.dims, self.image
        if values.shape[: len(dims)] != image.shape:
            image = image.isel({dim: slice(None, None, int(stride)) for dim, stride in self.strides.items()})
        if values.ndim > len(dims):
            dims = (*dims, next(name for name in ("kernel", "kernel_", "kernel__") if name not in dims))
        return self._like(values, dims, image)

    def feature_maps(self, values: Any, out: Any, channels_first: bool) -> Any:
        if out is not None:
            return out
        lengths = zip(self.dims, values.shape, self.image.shape, strict=True)
        others = {dim for dim, after, before in lengths if after != before} | {self.dims[-3 if channels_first else -1]}
        coords = self.image.coords
        kept = self.image.drop_vars([name for name, coord in coords.items() if others & set(coord.dims)])
        return self._like(values, self.dims, kept)

    def _like(self, values: Any, dims: tuple[Hashable, ...], image: DataArray) -> DataArray:
        """Without `encoding`: what the image is stored as is not what its edges can be stored as."""
        return DataArray(values, image.coords, dims, image.name, image.attrs)


def _for_each(
    name: str, value: Mapping[Hashable, Any], filtered: Sequence[Hashable], needed: Sequence[Hashable], alone: Any
) -> tuple[Any, ...]:
    """A value for each dimension that is filtered. `needed`: must be named; `alone`: the value of others."""
    unknown = [dim for dim in value if dim not in filtered]
    if unknown:
        raise ValueError(
            f"`{name}` must name dimensions that are filtered, {_listed(filtered)}; got {show(unknown[0])}."
        )
    missing = [dim for dim in needed if dim not in value]
    if missing:
        raise ValueError(f"`{name}` must name every dimension that is filtered; got none for {_listed(missing)}.")
    return tuple(value.get(dim, alone) for dim in filtered)


def _listed(dims: Sequence[Hashable]) -> str:
    return ", ".join(map(str, dims))


def named(image: StandIn, dims: tuple[Hashable, ...]) -> DataArray:
    """A stand-in with names."""
    return DataArray(Variable(dims, image, fastpath=True))  # else it would be made a plain array
