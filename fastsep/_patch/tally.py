"""How often and how long fastsep's functions ran in the place of others, and how often and why those ran themselves."""

from __future__ import annotations

from _thread import _local as local
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from fastsep._patch.locks import renewed_lock


class Count:
    """Calls, and the seconds that they took."""

    __slots__ = ("calls", "seconds")

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0

    def __repr__(self) -> str:
        return f"Count(calls={self.calls}, seconds={self.seconds:.6f})"


class Tally:
    """The calls of one function. Those inside another one that is counted are counted twice."""

    __slots__ = ("fast", "original", "pixels")

    def __init__(self) -> None:
        self.fast = Count()
        self.pixels = 0  # of the images of fast calls
        self.original: dict[str, Count] = {}  # by the reason

    def __repr__(self) -> str:
        return f"Tally(fast={self.fast}, original={self.original})"

    def add_fast(self, seconds: float, pixels: int) -> None:
        with _lock:
            self.fast.calls += 1
            self.fast.seconds += seconds
            self.pixels += pixels

    def add_original(self, reason: str, seconds: float) -> None:
        with _lock:
            count = self.original.get(reason)
            if count is None:
                count = self.original[reason] = Count()
            count.calls += 1
            count.seconds += seconds


#: By public names, such as "skimage.filters.gaussian": those whose wrappers are made, called or not.
calls: dict[str, Tally] = {}
_lock = renewed_lock()

#: (public name, original, args, kwargs, seconds)
Observer: TypeAlias = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any], float], None]

#: Called after each fast call, in its thread.
observer: Observer | None = None


def of(public: str) -> Tally:
    """The calls of a function."""
    with _lock:
        return calls.setdefault(public, Tally())


def clear() -> None:
    """Begin to count anew."""
    with _lock:
        for tally in calls.values():
            tally.fast, tally.pixels, tally.original = Count(), 0, {}


class _Quiet(local):
    on = False


_quiet = _Quiet()


def is_quiet() -> bool:
    """Whether calls inside scikit-image and SciPy are the originals' now, and not counted."""
    return _quiet.on


@contextmanager
def quiet() -> Iterator[None]:
    """Let originals that this package calls, in this thread, run as if nothing was patched."""
    before, _quiet.on = _quiet.on, True
    try:
        yield
    finally:
        _quiet.on = before
