"""Rows that are filtered where they lie: read from an array or a mapped file, written into another, without a copy."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any

import numpy as np

from fastsep._arrays.blocks import mapped
from fastsep._arrays.blocks.grid import Bounds
from fastsep._arrays.blocks.local import Local
from fastsep._arrays.blocks.places import same
from fastsep._arrays.blocks.writing import Target
from fastsep._engine.bands import get_num_threads
from fastsep._engine.execution import LoadedKernel
from fastsep._validation import scalars
from fastsep._validation.array_like import Array


class Rows:
    """An image and its result, whose rows a kernel makes, as many at a time as a block has."""

    def __init__(
        self, kernel: LoadedKernel, halo: tuple[int, int], source: Array, target: Array, workers: Any, memory: int,
        keep: bool,
    ) -> None:  # fmt: skip
        """`memory`: bytes of files that may be in this process' memory, about. `keep`: finished rows of the target are
        left there as long as they may."""
        self.kernel, self.halo, self.source, self.target = kernel, halo, source, target
        self.memory, self.keep = memory, keep
        self.workers = None if workers is None else scalars.check_workers(workers)
        self._threads = get_num_threads() if self.workers is None else self.workers
        self._finished: deque[tuple[int, int]] = deque()  # and kept
        self._room = 0  # for so many of such rows
        self._lock = Lock()

    def fetch(self, bounds: Bounds) -> None:
        """Let the system read what a block will need."""
        mapped.fetch(self._read(*bounds[0]))

    def make(self, bounds: Bounds) -> None:
        """The results of a block, where they belong."""
        start, stop = bounds[0]
        out, row = self.target[start:stop], self.source[:1].nbytes + self.target[:1].nbytes
        most = max(self.memory // (2 * self._threads * row), 1)  # rows of a band
        self._room = (self.memory - self._threads * most * row) // self.target[:1].nbytes if self.keep else 0
        self.kernel.run_rows(self.source, out, start, self.workers, -(-len(out) // most), self._release)

    def _release(self, start: int, stop: int) -> None:
        """Rows are finished: of the source they leave this process' memory, of the target when there is no more room.

        To let go of pages that were written takes time (measured: 3 ms for 256 MiB).
        """
        mapped.release(self._read(start, stop))
        leave = []
        with self._lock:
            self._finished.append((start, stop))
            while sum(stop - start for start, stop in self._finished) > self._room:
                leave.append(self._finished.popleft())
        for rows in leave:
            mapped.release(self.target[slice(*rows)])

    def _read(self, start: int, stop: int) -> Array:
        return self.source[max(start - self.halo[0], 0) : stop + self.halo[1]]


def rows_of(
    call: Local, source: Any, target: Target, memory: int, block: tuple[int, ...] | None
) -> Rows | None:  # fmt: skip
    """None where pixels have to be copied. `block`: the caller's."""
    if call.kernel is None or not (
        isinstance(source, np.ndarray) and source.flags.c_contiguous and source.flags.aligned
    ):
        return None
    if (block is not None and block[1:] != source.shape[1:]) or same(source, target.array):
        return None
    out = target.in_place()
    if out is None:
        return None
    workers, keep = call.arguments.get("workers"), out is target.array
    return Rows(call.kernel, call.axes[0].halo, source, out, workers, memory, keep)
