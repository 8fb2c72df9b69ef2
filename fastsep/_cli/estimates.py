"""How long the originals of replaced calls would have taken: measured on the side, within bounds.

Every *kind* of call (a function, shapes and dtypes of arrays, other arguments) is measured once, after its first call.
What one kind and all of them may cost is limited, so that a report does not make a program much slower.
"""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastsep._patch import tally

Function = Callable[..., Any]

# Seconds: of one measurement, and of all.
LONGEST, BUDGET = 1.0, 10.0
# Pixels of the piece that tells how long a whole image would take.
PIECE = 2**16
# What takes less seconds is measured again: the first time finds cold caches, or imports.
QUICK = 0.1

OUTPUTS = ("out", "output")  # arguments that are written into


@dataclass
class Kind:
    """Calls that should take the same time."""

    function: str
    pixels: int
    calls: int = 0
    seconds: float | None = None  # of one original call, if it could be measured


class Estimates:
    """Of all replaced calls; `observe` is told of each."""

    def __init__(self) -> None:
        self.kinds: dict[object, Kind] = {}
        self.first: dict[str, float] = {}  # seconds of the first replaced call of a function
        self.spent = 0.0

    def observe(
        self, function: str, original: Function, args: tuple[Any, ...], kwargs: dict[str, Any], seconds: float
    ) -> None:
        key = (function, *map(_value, args), *((name, _value(value)) for name, value in sorted(kwargs.items())))
        kind = self.kinds.get(key)
        self.first.setdefault(function, seconds)
        if kind is None:
            images = [value for value in (*args, *kwargs.values()) if _is_array(value)]
            kind = self.kinds[key] = Kind(function, images[0].size if images else 1)
            if self.spent < BUDGET:
                start = time.perf_counter()
                kind.seconds = _measured(original, args, kwargs)
                self.spent += time.perf_counter() - start
        kind.calls += 1

    def original_seconds(self, function: str) -> float | None:
        """Of all replaced calls of a function; kinds that were not measured in proportion to their pixels."""
        kinds = [kind for kind in self.kinds.values() if kind.function == function]
        known = [(kind.seconds, kind.pixels) for kind in kinds if kind.seconds is not None]
        if not known:
            return None
        a_pixel = sum(seconds for seconds, _ in known) / max(sum(pixels for _, pixels in known), 1)
        return sum(kind.calls * (a_pixel * kind.pixels if kind.seconds is None else kind.seconds) for kind in kinds)

    def describe(self) -> str:
        measured = sum(kind.seconds is not None for kind in self.kinds.values())
        return (
            f"Estimated: of {len(self.kinds)} kinds of replaced calls (shapes, dtypes, arguments), {measured} were "
            f"timed with the original once, on the side, in {self.spent:.2g} s; of long ones a piece of the image was."
        )


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and bool(value.shape)


def _value(value: Any) -> object:
    """What tells kinds of calls apart."""
    if _is_array(value):
        return value.shape, str(value.dtype)
    return repr(value)


def _measured(original: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
    """Seconds of a call, or None if it cannot be told."""
    try:
        call = inspect.signature(original).bind(*args, **kwargs)
        arguments = call.arguments
        image = next(value for value in arguments.values() if _is_array(value))
        for name in OUTPUTS:
            if _is_array(arguments.get(name)):  # holds the result already
                arguments[name] = arguments[name].copy()
        if image.size <= PIECE:
            return _timed(original, call)
        rows = max(PIECE * image.shape[0] // image.size, 1)
        piece = inspect.BoundArguments(call.signature, arguments.copy())
        for name, value in arguments.items():
            if _is_array(value) and value.shape[: image.ndim] == image.shape:  # a mask, or where results go
                piece.arguments[name] = value[:rows]
        estimate = _timed(original, piece) * image.shape[0] / rows
        return estimate if estimate > LONGEST else _timed(original, call)
    except Exception:  # whatever it is, it must not become an error of the program
        return None


def _timed(original: Function, call: inspect.BoundArguments) -> float:
    shortest = float("inf")
    with tally.quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the program is told by its own call, if at all
        for _ in range(2):
            start = time.perf_counter()
            original(*call.args, **call.kwargs)
            shortest = min(shortest, time.perf_counter() - start)
            if shortest > QUICK:
                break
    return shortest
