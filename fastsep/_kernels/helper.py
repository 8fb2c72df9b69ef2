"""Functions that band functions call."""

from __future__ import annotations

from numba.extending import register_jitable

#: Marks them. Nobody calls them from Python or C: without the ways in from there they compile in 0.9 of the time.
helper = register_jitable(no_cpython_wrapper=True, no_cfunc_wrapper=True)

#: Qualified names of the functions that are optimized within their callers only.
within_callers: set[str] = set()


def step(function):
    """Marks a large part of a band, called in one place: to optimize it by itself first would gain nothing."""
    within_callers.add(function.__qualname__)
    return helper(function)
