"""Reads blocks with their halos out of arrays of any kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastsep._arrays.blocks import mapped
from fastsep._validation.array_like import Array

#: Start and stop of pixels along each axis, of one run or of two.
Runs = Sequence[tuple[tuple[int, int], ...]]


def chunks(array: Any) -> tuple[int, ...] | None:
    """The shape of what is read at a time, where that is more than a value."""
    return _sizes(array, "chunks")


def shards(array: Any) -> tuple[int, ...] | None:
    """The shape of what is written at a time."""
    return _sizes(array, "shards") or chunks(array)


def _sizes(array: Any, name: str) -> tuple[int, ...] | None:
    found = getattr(array, name, None)
    if not isinstance(found, tuple) or len(found) != len(array.shape):
        return None
    return found if all(isinstance(size, int) and size > 0 for size in found) else None  # dask's are tuples


def reader(array: Any, shared: int) -> Views | Rows:
    """`shared`: so many rows of a block are read again for the next one along the first axis."""
    return Views(array) if isinstance(array, np.ndarray) else Rows(array, (chunks(array) or (1,))[0], shared)


class Views:
    """An array in memory or a file mapped into it: nothing is copied where it need not be."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def read(self, runs: Runs) -> Array:
        found = self.array
        for axis, along in enumerate(runs):
            parts = [found[(slice(None),) * axis + (slice(*run),)] for run in along]
            found = parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
        mapped.fetch(found)
        return found

    def release(self, block: Array) -> None:
        """`block`, which was read, is no longer needed."""
        mapped.release(block)


class Rows:
    """An array in chunks. Chunks are read in whole rows, each once while blocks go down the first axis."""

    def __init__(self, array: Any, rows: int, shared: int) -> None:
        self.array, self.rows, self.shared = array, rows, shared
        self.others: Runs = []  # along the axes behind the first
        self.kept: list[tuple[int, int, Array]] = []  # start and stop of rows, and these

    def read(self, runs: Runs) -> Array:
        first, *others = runs
        if others != self.others:
            self.others, self.kept = others, []
        parts = [part for start, stop in first for part in self._parts(start, stop)]
        low = first[-1][1] - self.shared
        self.kept = [
            (start, stop, rows) if start >= low else (low, stop, rows[low - start :].copy())
            for start, stop, rows in self.kept
            if stop > low
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _parts(self, start: int, stop: int) -> Iterator[Array]:
        """Rows `start` .. `stop` - 1, part by part."""
        while start < stop:
            found = next((kept for kept in self.kept if kept[0] <= start < kept[1]), None)
            if found is None:
                ahead = min((kept[0] for kept in self.kept if kept[0] > start), default=self.array.shape[0])
                # From one boundary of chunks to another, for what is left of a chunk would have to be decoded again.
                end = min(-(-stop // self.rows) * self.rows, ahead)
                found = start, end, self._rows(start, end)
                self.kept.append(found)
            low, high, rows = found
            yield rows[start - low : min(stop, high) - low]
            start = high

    def _rows(self, start: int, stop: int, *columns: slice) -> Array:
        """Rows of the array, of the columns that are read."""
        axis = len(columns)
        if axis == len(self.others):
            return np.asarray(self.array[(slice(start, stop), *columns)])
        parts = [self._rows(start, stop, *columns, slice(*run)) for run in self.others[axis]]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis + 1)

    def release(self, block: Array) -> None:
        """Nothing is left of it elsewhere."""
