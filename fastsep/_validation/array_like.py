"""What callers pass for arrays: lists, objects that make arrays, and what must not be taken for one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
DType = np.dtype[Any]

#: Types that need no look before NumPy makes an array of a list of them.
NUMBERS = frozenset((bool, int, float))
#: Of what has a length, what counts as one value.
_ONE_VALUE = (str, bytes, set, frozenset, Mapping)


class StandIn(np.ndarray[Any, Any]):
    """An image of which only shape and dtype count: a call for it is prepared and not run."""


class Block(np.ndarray[Any, Any]):
    """A part of a larger image, with pixels around it that are read only.

    What the size of an image or a look at its pixels decides, the whole image decides for all of its blocks.
    """

    whole: tuple[int, ...]  # shape of the larger image
    within: bool | None  # whether all its pixels are finite and within the limit of `Program.limit`; None: nobody asked

    @staticmethod
    def of(array: Array, whole: tuple[int, ...], within: bool | None = None) -> Block:
        """`array` as a block of an image of that shape."""
        block = array.view(Block)
        block.whole, block.within = whole, within
        return block


class Borrowed(np.ndarray[Any, Any]):
    """The memory of an array of another package, which lends it by DLPack and gets results of its own kind."""

    owner: Any = None  # that array

    def __array_finalize__(self, source: Any) -> None:
        self.owner = getattr(source, "owner", None)


def is_foreign(value: Any) -> bool:
    """Whether it is an array of dask or xarray, which calls hand over to `_arrays`. Imports neither."""
    return type(value) is not np.ndarray and any(
        isinstance(value, getattr(sys.modules[module], name))
        for module, name in (("dask.array", "Array"), ("xarray", "DataArray"))
        if module in sys.modules
    )


def is_wrapper(value: Any) -> bool:
    """Whether it is an array around another one: of xarray, or of a package that lends it by DLPack."""
    return type(value) is Borrowed or is_labelled(value)


def is_labelled(value: Any) -> bool:
    """Whether it is an array of xarray, which is not imported."""
    return "xarray" in sys.modules and isinstance(value, sys.modules["xarray"].DataArray)


def is_masked(value: object) -> bool:
    """Whether it is a masked array. Importing `numpy.ma` takes 6 ms; where there is a masked array, it is imported."""
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray)


def show(value: object) -> str:
    """`value` in one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def is_sequence(value: Any) -> bool:
    """Several values in order, then; a string, a set, a mapping and a 0-d array count as one."""
    several = np.iterable(value) and hasattr(value, "__len__")
    return several and not isinstance(value, _ONE_VALUE)


def real_array(name: str, value: Any) -> Array:
    """`value` as a plain array of a real dtype."""
    return _check_real(name, value if type(value) in (np.ndarray, StandIn, Block, Borrowed) else _as_array(name, value))


def real_image(name: str, value: Any) -> Array:
    """The same for what is filtered: arrays of dask and xarray stay what they are."""
    plain = type(value) is np.ndarray or not is_foreign(value)
    return real_array(name, value) if plain else _check_real(name, value)


def _check_real(name: str, array: Array) -> Array:
    if array.dtype.kind == "c":
        raise ValueError(f"`{name}` must be real; got dtype {array.dtype}. Pass `.real` and `.imag` one by one.")
    if array.dtype.kind not in "biuf":
        hint = " Convert it, for instance with `.astype(float)`." if array.dtype.kind == "O" else ""
        raise ValueError(f"`{name}` must have a float, integer or bool dtype; got {array.dtype}.{hint}")
    return array


def _as_array(name: str, value: Any) -> Array:
    if value is None or isinstance(value, str | bytes | os.PathLike):
        hint = " Read the file first, for instance with `skimage.io.imread`." if name in ("image", "x") else ""
        if hint and value is None:
            hint = " Read the file first; OpenCV's `imread` gives None where it cannot."
        raise ValueError(f"`{name}` must be an array; got {show(value)}.{hint}")
    if hasattr(value, "getpalette") and value.mode in ("P", "PA"):
        raise ValueError(f"`{name}` must not be a picture with a palette; pass `{name}.convert('RGB')`.")
    if makes_array(value):
        value = made_array(name, value)
    refuse_masked(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"`{name}` must be an array; got a sequence that does not make one: its items differ in length or kind."
        ) from None
    if array.dtype.kind == "O" and not array.ndim:
        raise ValueError(f"`{name}` must be an array; got {show(array.item())}.")
    return array


def makes_array(value: Any) -> bool:
    """Whether NumPy asks the object for its array, and does not take it for a sequence."""
    protocols = ("__array__", "__array_interface__", "__array_struct__")
    return isinstance(value, memoryview) or any(hasattr(value, name) for name in protocols)


def made_array(name: str, value: Any) -> Array:
    """The array that an object makes of itself; a masked one stays masked."""
    if is_masked(getattr(value, "_meta", None)):  # dask's, which makes a plain one of itself
        raise _masked_items(name)
    try:
        return np.asanyarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        # The object tells why, for instance that its values are in the memory of a GPU.
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"`{name}` must be an array; got {type(value).__name__}, which says: {reason}") from error


def _arrays_in(name: str, value: Any) -> Iterator[Array]:
    """`value` if it is or makes an array, else the arrays in nested sequences."""
    if makes_array(value):
        yield made_array(name, value)
    elif is_sequence(value) and not NUMBERS.issuperset(map(type, value)):
        for item in value:
            yield from _arrays_in(name, item)


def refuse_masked(name: str, value: Any) -> None:
    """Refuse masked arrays, also as items and as what an object makes: NumPy would let out what they hide."""
    if is_masked(value):
        raise ValueError(f"`{name}` must not be a masked array; pass `{name}.filled(value)` or `{name}.data`.")
    if any(is_masked(array) for array in _arrays_in(name, value)):
        raise _masked_items(name)


def _masked_items(name: str) -> ValueError:
    return ValueError(f"`{name}` must not hold a masked array; fill it with `.filled(value)`, or take its `.data`.")


def one_image(name: str, value: Any, batch: bool) -> None:
    """Refuse a list of images, which would become one array and be filtered across each other.

    `batch`: images of three axes make a batch, each of which is filtered by itself.
    """
    if type(value) is np.ndarray or is_foreign(value) or makes_array(value):
        return
    axes = [array.ndim for array in _arrays_in(name, value) if array.ndim > 1]
    if axes and not (batch and min(axes) > 2):
        advice = ""
        if max(axes) == 2:
            stacked = "`np.stack(images)[..., None]`" if batch else "`np.stack(images)` with `channel_axis=0`"
            advice = f", or all as {stacked}"
        raise ValueError(
            f"`{name}` must be one image; got a {type(value).__name__} of {len(value)}. Filter each by itself{advice}."
        )
