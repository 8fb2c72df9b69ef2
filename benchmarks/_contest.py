"""What a case is: an operation on an image, the libraries that can do it, and what it costs at least."""

from __future__ import annotations

from benchmarks._timing import Array, Call

# isort: split

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

UHD, FULL_HD = (2160, 3840), (1080, 1920)


@dataclass(frozen=True)
class Entry:
    """How one library does the work. `start` does all that need not be timed, and returns the timed call.

    The call returns the result. `start` imports its library itself, so that one that is missing can be
    left out; it is called with the number of threads, once for each number.
    """

    library: str
    start: Callable[[int], Call]
    tolerance: float | None = 0.0  # largest difference from fastsep's result; None: the note says why it differs
    margin: int = 0  # pixels along every border where the results may differ, because border rules do
    view: Callable[[Any], Array] = np.asarray  # the result of a call as an array like fastsep's
    note: str = ""  # what a reader of the figures has to know

    def check(self, result: Any, reference: Array) -> None:
        """Refuse a result of a call that is not fastsep's; AssertionError says how it differs."""
        found = self.view(result)
        assert found.shape == reference.shape, f"gives the shape {found.shape}, not {reference.shape}"
        # Channels have no border.
        axes = reference.ndim - is_rgb(reference.shape)
        inner = (slice(self.margin, -self.margin),) * axes if self.margin else ()
        if self.tolerance is None or not reference[inner].size:
            return
        gap = largest_difference(found[inner], reference[inner])
        assert gap <= self.tolerance, f"differs by {gap:.3g}, tolerated {self.tolerance:.3g}"


@dataclass(frozen=True)
class Contest:
    entries: tuple[Entry, ...]  # fastsep first
    bytes: int  # that have to be read and written: images and results
    multiply_adds: int = 0  # of the method that fastsep uses
    arithmetic: str = "float32"


def largest_difference(one: Array, other: Array) -> float:
    """NaN where either has one. Row by row: the difference as a whole may be another gigabyte."""
    rows = zip(np.atleast_1d(one), np.atleast_1d(other), strict=True)
    return float(np.max([np.abs(np.subtract(a, b, dtype=np.float64)).max() for a, b in rows]))


@dataclass(frozen=True)
class Case:
    """A row of the table. Its name tells all of it, and is how it is asked for."""

    operation: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False  # belongs to the short selection

    @property
    def name(self) -> str:
        words = [self.operation, "x".join(map(str, self.shape)), self.dtype]
        words += [f"{key}={value}" for key, value in self.parameters.items()]
        return " ".join(word.replace(" ", "") for word in words)


def is_rgb(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] == 3


def random_image(shape: tuple[int, ...], dtype: str) -> Array:
    """Random pixels: floats in [0, 1), integers over their whole range."""
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype, copy=False)
    return (values * np.iinfo(dtype).max).astype(dtype)


def pixels(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
