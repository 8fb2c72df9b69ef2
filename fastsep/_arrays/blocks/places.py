"""Where arrays are kept, if in files: what tells one from another, and where a journal goes."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from fastsep._arrays.blocks import mapped


class Place(NamedTuple):
    path: str  # of a file or folder
    inside: str  # which array of it

    @property
    def beside(self) -> str:
        """A path beside it that is the array's own."""
        return ".".join(filter(None, (self.path, self.inside.strip("/").replace("/", "."))))


def place_of(array: Any) -> Place | None:
    """Of arrays of NumPy, h5py and zarr; of others, None."""
    if isinstance(array, np.ndarray):
        found = mapped.span(array)
        if found is None or not found.path:
            return None
        return Place(os.path.realpath(found.path), str(found.offset + found.start or ""))
    store = getattr(array, "store", None)  # of zarr
    if store is not None:
        root = getattr(store, "root", None)
        return None if root is None else Place(os.path.realpath(root), str(getattr(array, "path", "")))
    name = getattr(getattr(array, "file", None), "filename", None)  # of h5py
    return Place(os.path.realpath(name), str(array.name)) if isinstance(name, str) else None


def same(one: Any, other: Any) -> bool:
    """Whether two arrays share memory or a place in a file."""
    if one is other:
        return True
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if np.may_share_memory(one, other):
            return True
        first, second = mapped.span_behind(one), mapped.span_behind(other)
        if first is None or second is None or not (first.path and os.path.exists(first.path)):
            return False
        if not (os.path.exists(second.path) and os.path.samefile(first.path, second.path)):
            return False
        (start, stop), (begin, end) = ((at.offset + at.start, at.offset + at.stop) for at in (first, second))
        return start < end and begin < stop
    place = place_of(one)
    return place is not None and place == place_of(other)
