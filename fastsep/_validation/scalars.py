"""Numbers, names and one value for each axis: checked, or refused in one line.

A message names the argument, what is accepted, and what came.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsep._validation.array_like import is_masked, is_sequence, show

# A Gaussian with more taps than this is a mistyped sigma, and would only fill the memory.
WIDEST_RADIUS = 1_000_000


class ArgumentError(RuntimeError, ValueError):
    """An unknown mode, a wrong number of values or a wrong shape: a ValueError, and RuntimeError as in scikit-image."""

    __module__ = "fastsep"  # where users find it, hence what tracebacks say


def number(name: str, value: Any) -> float:
    """A real number; NaN and infinity pass."""
    try:
        if isinstance(value, str | bytes | complex | np.complexfloating) or is_masked(value) or is_sequence(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"`{name}` must be a real number; got {show(value)}.") from None


def finite(name: str, value: Any) -> float:
    """A number that is neither NaN nor infinite."""
    result = number(name, value)
    if not math.isfinite(result):
        raise ValueError(f"`{name}` must be a finite number; got {show(value)}.")
    return result


def not_negative(name: str, value: Any) -> float:
    """A finite number, zero or more."""
    result = number(name, value)
    if not 0.0 <= result < math.inf:
        raise ValueError(f"`{name}` must be finite and not negative; got {show(value)}.")
    return result


def tolerance(value: Any) -> float:
    """How far a result may be off, `tol`. True does not say how far, and would let it be off by everything."""
    if isinstance(value, bool | np.bool_) and value:
        raise TypeError(f"`tol` must be a real number; got {show(value)}.")
    return not_negative("tol", value)


def integer(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, at least `least`. 2.0 passes as 2: as keys of plans they are equal."""
    try:
        if is_masked(value):
            raise TypeError
        result = operator.index(value)
    except TypeError:
        if not (isinstance(value, float | np.floating) and float(value).is_integer()):
            raise TypeError(f"`{name}` must be an integer; got {show(value)}.") from None
        result = int(value)
    if least is not None and result < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}; got {show(value)}.")
    return result


def rank_or_tol(rank: Any, tol: Any) -> tuple[int | None, float | None]:
    """Where to cut a factorization: after so many terms, or at an error; or neither."""
    if rank is not None and tol is not None:
        raise ValueError(f"`rank` or `tol` must be None; got {show(rank)} and {show(tol)}.")
    return None if rank is None else integer("rank", rank, 1), None if tol is None else tolerance(tol)


def check_workers(value: Any) -> int:
    """A number of threads for one call."""
    return thread_count("workers", value)


def thread_count(name: str, value: Any) -> int:
    """A number of threads; -1, as in SciPy, is one for each CPU that this process may run on."""
    if isinstance(value, bool | np.bool_):  # which says whether, not how many
        raise TypeError(f"`{name}` must be an integer; got {show(value)}.")
    count = integer(name, value)
    if count == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, or -1 for all cores; got {show(value)}.")
    return count


def flag(name: str, value: Any) -> bool:
    """Whether or not."""
    if not isinstance(value, bool | np.bool_ | int | np.integer) or value not in (0, 1):
        raise TypeError(f"`{name}` must be True or False; got {show(value)}.")
    return bool(value)


def one_of(name: str, value: Any, accepted: Sequence[str]) -> str:
    """One of several words."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"`{name}` must be one of {', '.join(accepted)}; got {show(value)}.")
    return value


def words(name: str, value: Any) -> tuple[Any, ...]:
    """A word or several, as a tuple."""
    found = tuple(value) if is_sequence(value) else ()
    if not found:
        raise ValueError(f"`{name}` must be a name or several names; got {show(value)}.")
    return found


def per_axis(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """One value for every axis, from one value or one per axis."""
    if not is_sequence(value):
        return (value,) * count
    values = tuple(value)
    if len(values) != count:
        raise ArgumentError(
            f"`{name}` must be one value or one for each of the {count} spatial axes; got {len(values)} values."
        )
    return values


def sigmas(name: str, value: Any, count: int, truncate: float) -> tuple[float, ...]:
    """Standard deviations, one for each axis."""
    result = tuple(not_negative(name, item) for item in per_axis(name, value, count))
    if max(result, default=0.0) * truncate > WIDEST_RADIUS:
        raise ValueError(
            f"`{name}` times `truncate` must be at most {WIDEST_RADIUS} pixels; got {show(value)} times {truncate}."
        )
    return result


def integers(name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """Whole numbers of at least `least`, one for each axis."""
    return tuple(integer(name, item, least) for item in per_axis(name, value, count))


def difference_sigmas(low: Any, high: Any, count: int, truncate: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Both sigmas of a difference of Gaussians; a sequence of one value counts for all axes."""
    if high is None:
        narrow = sigmas("low_sigma", _unwrapped(low), count, 1.6 * truncate)
        return narrow, tuple(1.6 * sigma for sigma in narrow)
    narrow = sigmas("low_sigma", _unwrapped(low), count, truncate)
    wide = sigmas("high_sigma", _unwrapped(high), count, truncate)
    if any(w < n for n, w in zip(narrow, wide, strict=True)):
        raise ValueError(
            f"`high_sigma` must be at least `low_sigma` on every axis; got {show(high)} with `low_sigma` {show(low)}."
        )
    return narrow, wide


def _unwrapped(value: Any) -> Any:
    return value[0] if is_sequence(value) and len(value) == 1 else value


def hashable(value: Any) -> Any:
    """`value` with lists and arrays in it made tuples, to serve as a key."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(hashable(item) for item in value)
    return value
