"""Edges by hysteresis, block by block: found in each, then joined across blocks."""

from __future__ import annotations

import numpy as np

from fastsep._arrays.blocks.grid import Bounds
from fastsep._arrays.blocks.writing import Target
from fastsep._ops.joining import Marks, finished, join, marks, two_axes
from fastsep._validation.array_like import Array


class Edges:
    """What is known of the edges in all blocks: of each the few pixels that others decide about."""

    def __init__(self, whole: tuple[int, ...], diagonal: bool) -> None:
        self.whole, self.diagonal = whole, diagonal
        self.found: list[tuple[Bounds, Marks]] = []

    def add(self, bounds: Bounds, codes: Array) -> Array:
        """The edges within a block."""
        start = two_axes([low for low, _ in bounds], 0)
        known = marks(codes.reshape(two_axes(codes.shape)), start, two_axes(self.whole), self.diagonal)
        self.found.append((bounds, known._replace(edges=known.edges[:0])))
        return finished(known, np.zeros(known.open.shape, bool)).reshape(codes.shape)

    def join(self, target: Target) -> None:
        """Add to the blocks in `target` what other blocks make edges."""
        ends = [(known.places, known.faces) for _, known in self.found]
        for (bounds, known), joined in zip(self.found, join(ends, two_axes(self.whole), self.diagonal), strict=True):
            if joined.any():
                edges = target.read(bounds)
                edges.reshape(-1)[known.open[joined]] = True
                target.write(bounds, edges)
