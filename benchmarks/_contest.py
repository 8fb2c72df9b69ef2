"""What a case is: an operation on an image, the libraries that can do it, and what it costs at least."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from benchmarks._timing import Array, Call

UHD, FULL_HD = (2160, 3840), (1080, 1920)
LIMITS = MEMORY, ARITHMETIC = "np.copyto", "multiply-adds"  # of one core; see `_limits`

Key = tuple[str, int]  # a library, or a limit, and its number of threads


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
    of_range: bool = False  # the tolerance is of the range of fastsep's result

    def check(self, result: Any, reference: Array) -> None:
        """Refuse a result of a call that is not fastsep's; AssertionError says how it differs."""
        found = self.view(result)
        assert found.shape == reference.shape, f"gives the shape {found.shape}, not {reference.shape}"
        axes = reference.ndim - is_rgb(reference.shape)  # channels have no border
        inner = (slice(self.margin, -self.margin),) * axes if self.margin else ()
        if self.tolerance is None or not reference[inner].size:
            return
        allowed = self.tolerance * (float(np.ptp(reference)) if self.of_range else 1.0)
        # Row by row: the difference as a whole may be another gigabyte. NaN where either has one.
        rows = zip(np.atleast_1d(found[inner]), np.atleast_1d(reference[inner]), strict=True)
        gap = float(np.max([np.abs(np.subtract(one, other, dtype=np.float64)).max() for one, other in rows]))
        assert gap <= allowed, f"differs by {gap:.3g}, tolerated {allowed:.3g}"


class Work(NamedTuple):
    """What has to be done at least."""

    bytes: int = 0  # that have to be read and written: images, results, weights
    multiply_adds: int = 0  # of the method that fastsep uses
    arithmetic: str = "float32"


@dataclass(frozen=True)
class Contest:
    entries: tuple[Entry, ...]  # fastsep first
    work: Callable[[], Work] | None = None  # None where it is nothing to speak of


Operation = TypeVar("Operation", bound=Callable[..., Contest])
#: By name: each sets up a contest for an image and the parameters of a case.
OPERATIONS: dict[str, Callable[..., Contest]] = {}


def operation(function: Operation) -> Operation:
    """Enter a function under its name."""
    OPERATIONS[function.__name__] = function
    return function


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
