"""Whether it pays to load fastsep, which takes as long as originals do for some million pixels.

Until a program has asked for that much, its calls run the originals. What they take is estimated, and no clock decides:
a program that runs again has to get the same results, which differ in their last places.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from fastsep._patch.locks import renewed_lock

# Nanoseconds. Loading takes 0.07 s, and each function's first call some 0.01 s more.
#: A call that takes an original so long is faster with all of that.
PAYS = 0.08e9
#: A program that has filtered for so long is likely to go on.
ENOUGH = 0.2e9

# What originals take, in ns: for a call, and for a pixel (measured: float64, 512x512, one core).
_A_CALL = 20_000
_A_PIXEL = {
    "canny": 90, "corner_harris": 90, "corner_shi_tomasi": 90, "farid": 40, "grey_closing": 45, "grey_opening": 45,
    "hessian_matrix": 700, "morphological_gradient": 45, "morphological_laplace": 45, "peak_local_max": 30,
    "structure_tensor": 80,
}  # fmt: skip
_OTHER = 20
_RANKS = ("median", "median_filter", "rank_filter", "percentile_filter")
_A_PIXEL_OF_WINDOW = 12  # of ranks
_A_SIGMA = 5

_done = 0.0
_loaded = False
_lock = renewed_lock()


def is_due(public: str, check: Callable[..., Any], image: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether this call is to be fastsep's. `check` has the original's parameters, and has found nothing against it."""
    global _done, _loaded
    if not _loaded:
        with _lock:
            takes = _A_CALL + image.size * _a_pixel(public.rpartition(".")[2], check, image.ndim, args, kwargs)
            _done += takes
            _loaded = takes >= PAYS or _done >= ENOUGH or is_loaded()
    return _loaded


def is_loaded() -> bool:
    """Whether the program pays for nothing more: it has used fastsep already, through `patch` or by itself."""
    return "fastsep._call" in sys.modules


def _a_pixel(name: str, check: Callable[..., Any], ndim: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """About what the original takes for a pixel, in ns."""
    given = dict(zip(check.__code__.co_varnames, args, strict=False)) | kwargs
    if name in _RANKS:
        return _A_PIXEL_OF_WINDOW * _pixels_of_window(given.get("footprint"), given.get("size"), ndim)
    sigma = sum(_largest(given.get(each)) for each in ("sigma", "low_sigma", "high_sigma", "radius"))
    return _A_PIXEL.get(name, _OTHER) + _A_SIGMA * sigma


def _pixels_of_window(footprint: Any, size: Any, ndim: int) -> int:
    if footprint is not None:
        return int(footprint.size)
    return prod(size) if isinstance(size, Iterable) else (3 if size is None else int(size)) ** ndim


def _largest(value: Any) -> float:
    return max(value, default=0.0) if isinstance(value, Iterable) else value or 0.0
