"""Edges by hysteresis, block by block, in two passes: found in each block, then joined across blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastsep._arrays.blocks.grid import Bounds
from fastsep._arrays.blocks.kept import Left
from fastsep._ops.joining import finished, join, marks, two_axes
from fastsep._validation.array_like import Array

#: What a block leaves for the second pass: `open`, `places` and `faces` of its `Marks`.
LEFT = 3


class Edges(NamedTuple):
    """How the edges of an image are followed."""

    whole: tuple[int, ...]  # the image's shape
    diagonal: bool

    def within(self, bounds: Bounds, codes: Array) -> tuple[Array, Left]:
        """The edges that a block finds by itself, and the few pixels that it and others decide about together."""
        start = two_axes([low for low, _ in bounds], 0)
        known = marks(codes.reshape(two_axes(codes.shape)), start, two_axes(self.whole), self.diagonal)
        found = finished(known, np.zeros(known.open.shape, bool)).reshape(codes.shape)
        return found, (known.open, known.places, known.faces)

    def joined(self, left: Sequence[Left]) -> list[Array]:
        """For each block, which of its pixels, as flat indices, other blocks make edges."""
        ends = [(places, faces) for _, places, faces in left]
        found = join(ends, two_axes(self.whole), self.diagonal)
        return [places[strong] for (places, *_), strong in zip(left, found, strict=True)]
