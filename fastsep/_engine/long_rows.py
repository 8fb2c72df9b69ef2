"""Runs a kernel on images whose rows are too long to be filtered whole, piece by piece (see `_plan.pieces`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._plan.pieces import Piece, columns
from fastsep._plan.plan import Plan
from fastsep._validation.array_like import Array


class Runs(Protocol):
    """What filters images of one shape and dtype."""

    def run(
        self, image: Array, out: Array, workers: int | None,
        others: Sequence[Array] = (), second: Array | None = None,
    ) -> None:  # fmt: skip
        """Filter `image`, and `second` if two are read, into `out`, and `others` if there are more results."""


class Kernel(Runs, Protocol):
    """A kernel with its argument block."""

    words: Array


class InPieces:
    """A kernel for images with long rows; it is run as if it took them whole."""

    def __init__(
        self, plan: Plan, dst: np.dtype[Any], pieces: Sequence[Piece], make: Callable[[Piece], Kernel]
    ) -> None:  # fmt: skip
        """For the images of `plan` and results of dtype `dst`; `make` gives the kernel for a piece."""
        *rows, self.cols, self.channels = plan.view
        self.rows, self.width = math.prod(rows), self.cols * self.channels
        self.dst = dst
        # Pieces of one shape share a kernel.
        made: dict[tuple[int, ...], Kernel] = {}
        self.parts: list[tuple[Piece, Kernel]] = []
        for piece in pieces:
            key = (piece.cols, piece.left, piece.right, piece.count, piece.beyond)
            if key not in made:
                made[key] = make(piece)
                self._aim(made[key], piece, plan.src.itemsize)
            self.parts.append((piece, made[key]))

    def _aim(self, kernel: Kernel, piece: Piece, itemsize: int) -> None:
        """Set the distances from row to row, or from one piece of a row to the next."""
        own = piece.cols * self.channels
        apart = (piece.stop - piece.start) * self.channels if piece.count else self.width
        args = at.Head(kernel.words)
        args.src_row = args.src_2_row = (own if piece.beyond else apart) * itemsize
        args.dst_row = (apart if self._in_place(piece) else own) * self.dst.itemsize

    def _in_place(self, piece: Piece) -> bool:
        """Whether results, those of the margins included, are written where they belong: one piece after the other."""
        return not (piece.beyond or (piece.count and (piece.left or piece.right)))

    def run(
        self, image: Array, out: Array, workers: int | None,
        others: Sequence[Array] = (), second: Array | None = None,
    ) -> None:  # fmt: skip
        """Filter `image`, and `second` if the kernel reads two, into `out`, and `others` if it has more results."""
        results = [array.reshape(self.rows, self.width) for array in (out, *others)]
        for piece, kernel in self.parts:
            if not piece.count:
                self._filter(kernel, piece, slice(None), image, second, results, workers)
                continue
            for row in range(self.rows):
                self._filter(kernel, piece, slice(row, row + 1), image, second, results, workers)

    def _filter(
        self, kernel: Kernel, piece: Piece, rows: slice, image: Array, second: Array | None, results: list[Array],
        workers: int | None,
    ) -> None:  # fmt: skip
        """Filter one piece of these rows, to the right of what has been filtered before."""
        targets = [array[rows] for array in results]
        left, start = piece.left * self.channels, piece.start * self.channels
        first = start - left
        source = self._source(image, piece, rows)
        beside = None if second is None else self._source(second, piece, rows)
        if self._in_place(piece):
            # The results of the right margin are replaced by those of the next piece, those of the left one kept.
            kept = [array[:, first:start].copy() for array in targets]
            into = [array.reshape(-1)[first:] for array in targets]
            kernel.run(source, into[0], workers, into[1:], beside)
            for array, before in zip(targets, kept, strict=True):
                array[:, first:start] = before
            return
        size, count = (piece.stop - piece.start) * self.channels, piece.count or self.rows
        made = [np.empty((count, piece.cols * self.channels), self.dst) for _ in targets]
        kernel.run(source, made[0], workers, made[1:], beside)
        for array, values in zip(targets, made, strict=True):
            if piece.count:
                place = array.reshape(-1)[start : start + count * size].reshape(count, size)
            else:
                place = array[:, start : start + size]
            place[...] = values[:, left : left + size]

    def _source(self, image: Array, piece: Piece, rows: slice) -> Array:
        """What a piece of these rows reads: the image from there on, or a copy with columns of the other end."""
        lines = image.reshape(self.rows, self.cols, self.channels)[rows]
        if piece.beyond:
            return columns(lines, piece)
        return lines.reshape(-1)[(piece.start - piece.left) * self.channels :]
