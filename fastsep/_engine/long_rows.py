"""Runs a kernel on images whose rows are too long to be filtered whole, in pieces or in stretches (see `_plan`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._plan.pieces import Piece, columns
from fastsep._plan.plan import Plan
from fastsep._plan.stretches import Stretches, of_stretches
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
            key = (piece.cols, piece.left, piece.right, piece.beyond)
            if key not in made:
                made[key] = make(piece)
                self._aim(made[key], piece, plan.src.itemsize)
            self.parts.append((piece, made[key]))

    def _aim(self, kernel: Kernel, piece: Piece, itemsize: int) -> None:
        """Set the distances from row to row."""
        own = piece.cols * self.channels
        args = at.Head(kernel.words)
        args.src_row = args.src_2_row = (own if piece.beyond else self.width) * itemsize
        args.dst_row = (own if piece.beyond else self.width) * self.dst.itemsize

    def run(
        self, image: Array, out: Array, workers: int | None,
        others: Sequence[Array] = (), second: Array | None = None,
    ) -> None:  # fmt: skip
        """Filter `image`, and `second` if the kernel reads two, into `out`, and `others` if it has more results."""
        results = [array.reshape(self.rows, self.width) for array in (out, *others)]
        for piece, kernel in self.parts:
            self._filter(kernel, piece, image, second, results, workers)

    def _filter(
        self, kernel: Kernel, piece: Piece, image: Array, second: Array | None, results: list[Array],
        workers: int | None,
    ) -> None:  # fmt: skip
        """Filter one piece, to the right of what has been filtered before."""
        left, start = piece.left * self.channels, piece.start * self.channels
        first = start - left
        source = self._source(image, piece)
        beside = None if second is None else self._source(second, piece)
        if not piece.beyond:
            # The results of the right margin are replaced by those of the next piece, those of the left one kept.
            kept = [array[:, first:start].copy() for array in results]
            into = [array.reshape(-1)[first:] for array in results]
            kernel.run(source, into[0], workers, into[1:], beside)
            for array, before in zip(results, kept, strict=True):
                array[:, first:start] = before
            return
        size = (piece.stop - piece.start) * self.channels
        made = [np.empty((self.rows, piece.cols * self.channels), self.dst) for _ in results]
        kernel.run(source, made[0], workers, made[1:], beside)
        for array, values in zip(results, made, strict=True):
            array[:, start : start + size] = values[:, left : left + size]

    def _source(self, image: Array, piece: Piece) -> Array:
        """What a piece reads: the image from there on, or a copy with columns of the other end."""
        if piece.beyond:
            return columns(image.reshape(self.rows, self.cols, self.channels), piece)
        return image.reshape(-1)[(piece.start - piece.left) * self.channels :]


class InStretches:
    """A kernel for few long rows that have nothing to do with each other (see `Stretches`)."""

    def __init__(self, plan: Plan, cut: Stretches, make: Callable[[Plan], Kernel]) -> None:
        """For the images of `plan`; `make` gives the kernel of a plan."""
        *rows, cols, channels = plan.view
        self.rows, self.width = math.prod(rows), cols * channels
        self.start, self.end, self.beyond = (size * channels for size in (cut.start, cut.ends, cut.beyond))
        self.dst = plan.dst
        middle, ends = of_stretches(plan, cut)
        self.middle, self.ends = make(middle), make(ends)
        if not cut.beyond:
            args = at.Head(self.ends.words)
            args.src_row, args.dst_row = ((self.width - self.end) * dtype.itemsize for dtype in (plan.src, plan.dst))

    def run(
        self, image: Array, out: Array, workers: int | None,
        others: Sequence[Array] = (), second: Array | None = None,
    ) -> None:  # fmt: skip
        """Filter `image` into `out`; plans that have other results or read a second image are not cut so."""
        assert not others
        assert second is None
        source, target = image.reshape(-1), out.reshape(-1)
        for first in range(0, self.rows * self.width, self.width):
            # In this order: the stretches replace what is wrong where an end is cut off.
            self._filter_ends(source[first:], target[first:], workers)
            start = first + self.start
            self.middle.run(source[start:], target[start:], workers)

    def _filter_ends(self, source: Array, target: Array, workers: int | None) -> None:
        if not self.beyond:
            self.ends.run(source, target, workers)
            return
        last, end, beyond = self.width - self.end, self.end, self.beyond
        row = source[: self.width]
        pairs = np.concatenate((row[:end], row[-beyond:], row[:beyond], row[-end:]))
        made = np.empty((2, end + beyond), self.dst)
        self.ends.run(pairs, made, workers)
        target[:end] = made[0, :end]
        target[last : self.width] = made[1, beyond:]
