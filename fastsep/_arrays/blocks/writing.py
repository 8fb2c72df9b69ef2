"""Writes blocks of results into arrays of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsep._arrays.blocks import mapped
from fastsep._arrays.blocks.grid import Bounds
from fastsep._validation.array_like import Array


class Target:
    """An array to write to."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.file = mapped.file_of(array) if isinstance(array, np.ndarray) and array.flags.c_contiguous else None

    def write(self, bounds: Bounds, values: Array) -> None:
        place: Any = (*(slice(start, stop) for start, stop in bounds), ...)
        if not isinstance(self.array, np.ndarray):
            self.array[place] = values
            return
        view = self.array[place]
        whole = view.flags.c_contiguous and values.flags.c_contiguous and values.dtype == view.dtype
        found = mapped.span(view) if self.file is not None and whole else None
        if self.file is not None and found is not None:
            self.file.write(found, values)
        else:
            view[...] = values
            mapped.release(view)

    def in_place(self) -> Array | None:
        """The array, to be written by whoever makes results; None where `write` is better."""
        if not (isinstance(self.array, np.ndarray) and self.array.flags.carray and self.array.dtype.isnative):
            return None
        if self.file is None:
            return self.array
        place = mapped.span(self.array)
        return None if place is None else self.file.map(place, self.array)

    def read(self, bounds: Bounds) -> Array:
        """What was written there, as an array of its own."""
        found = self.array[tuple(slice(start, stop) for start, stop in bounds)]
        values = np.array(found)
        mapped.release(found)
        return values

    def sync(self) -> None:
        """Bring what was written as far as the array's kind allows: to the disk, or to the program that keeps it."""
        if self.file is not None:
            self.file.sync()
        elif isinstance(self.array, np.memmap):
            self.array.flush()
        flush = getattr(getattr(self.array, "file", None), "flush", None)  # of h5py
        if flush is not None:
            flush()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None
