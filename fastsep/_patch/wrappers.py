"""What stands in the place of a function: call by call fastsep's function of that name, or the original."""

from __future__ import annotations

from _thread import _local as local
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from sys import _getframe
from time import perf_counter
from typing import Any

from fastsep._patch import tally, worth
from fastsep._patch.locks import renewed_lock

Function = Callable[..., Any]

#: What fastsep raises for what it does not take. Before that it has written into no array.
REFUSALS = (TypeError, ValueError, RuntimeError, IndexError, ArithmeticError)

ARGUMENTS = "arguments"
INSIDE = "called inside scikit-image or SciPy"
REFUSED = "refused by fastsep"
PASSED_ON = "passed on to SciPy by fastsep"
SINGLE = "sums of float32 inside scikit-image or SciPy"
EARLY = "too little so far to load fastsep for"

#: The file of wrappers, as tracebacks tell. Warnings pass over frames of files that are named like this, so that those
#: of the original are about the line of its caller, as ever. If they were about the wrapper, they would be shown once
#: for all callers, and those for developers not at all.
FILE = "<fastsep.patch, to warnings as importlib._bootstrap>"


#: Functions that compare pixels, so that their results are the original's to the last bit, by parts of their names. Of
#: float32 images others may differ in the last places, and scikit-image makes more of these: `structural_similarity`
#: subtracts means of products, and is off by 5e-6. So inside scikit-image these run for float32 as before.
_COMPARING = (
    "minimum", "maximum", "median", "rank", "percentile", "erosion", "dilation", "opening", "closing", "tophat", "peak"
)  # fmt: skip


class State:
    """What is patched now."""

    def __init__(self) -> None:
        self.active: frozenset[str] = frozenset()  # public names
        self.internal = False  # also for calls inside scikit-image and SciPy


state = State()


# ---- who calls

USER, INTERNAL, OURS = range(3)
_origins: dict[Any, int] = {}  # by the names of modules
_PACKAGES = {"skimage": INTERNAL, "skimage2": INTERNAL, "_skimage2": INTERNAL, "scipy": INTERNAL, "fastsep": OURS}


def origin_of(module: Any) -> int:
    """Whether a module of that name is the user's. So are tests, which call functions as users do."""
    package, *others = str(module).split(".")
    found = USER if "tests" in others else _PACKAGES.get(package, USER)
    _origins[module] = found
    return found


class _Passing(local):
    """Whether fastsep has called the original during a call in this thread."""

    on = False


_passing = _Passing()


# ---- wrappers

#: Those made so far: the last one by public name, and all by `id`.
_latest: dict[str, Function] = {}
made: dict[int, Function] = {}
_lock = renewed_lock()


def wrapper_of(public: str, original: Function) -> Function:
    """What is to stand in the place of `original`, which users know as `public`."""
    if id(original) in made:
        return original
    with _lock:
        found = _latest.get(public)
        if found is None or found.__wrapped__ is not original:  # type: ignore[attr-defined]
            found = _latest[public] = _make(public, original)
            made[id(found)] = found
        return found


def _make(public: str, original: Function) -> Function:
    check = _check_of(public)
    count = tally.of(public)
    compares = any(part in public for part in _COMPARING)
    first = "input" if public.startswith("scipy") else "image"

    def argument(args: Any, kwargs: Any) -> Any:
        return args[0] if args else kwargs[first]

    ours: Function | None = None

    @wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal ours
        if public not in state.active:
            return original(*args, **kwargs)
        caller = _getframe(1).f_globals.get("__name__")
        origin = _origins.get(caller)
        if origin is None:
            origin = origin_of(caller)
        if origin == OURS:
            _passing.on = True
            return original(*args, **kwargs)
        if origin == INTERNAL and tally.is_quiet():
            return original(*args, **kwargs)
        if origin == INTERNAL and not state.internal:
            reason = INSIDE
        else:
            try:
                reason = check(*args, **kwargs)
            except REFUSALS:
                reason = ARGUMENTS
            if reason is None and origin == INTERNAL and not compares and argument(args, kwargs).dtype.char in "fe":
                reason = SINGLE
            if reason is None and not worth.is_due(public, check, argument(args, kwargs), args, kwargs):
                reason = EARLY
        start = perf_counter()
        if reason is None:
            if ours is None:
                ours = _ours(public)
            _passing.on = False
            try:
                result = ours(*args, **kwargs)
            except REFUSALS:
                reason = REFUSED
            else:
                seconds = perf_counter() - start
                if _passing.on:
                    count.add_original(PASSED_ON, seconds)
                else:
                    count.add_fast(seconds, argument(args, kwargs).size)
                    if tally.observer is not None:
                        tally.observer(public, original, args, kwargs, seconds)
                return result
        try:
            return original(*args, **kwargs)
        finally:
            count.add_original(reason, perf_counter() - start)

    # Pickled by name: as the wrapper here, and as the original in a process where nothing is patched.
    module, _, name = public.rpartition(".")
    wrapper.__module__, wrapper.__qualname__, wrapper.__name__ = module, name, name
    wrapper.__code__ = wrapper.__code__.replace(co_filename=FILE, co_name=name)  # type: ignore[attr-defined]
    return wrapper


def _check_of(public: str) -> Function:
    """What tells of the arguments of a call why fastsep does not take them."""
    module, _, name = public.rpartition(".")
    checks = "scipy_calls" if module == "scipy.ndimage" else "skimage_calls"
    check: Function = getattr(import_module(f"fastsep._patch.{checks}"), name)
    return check


def _ours(public: str) -> Function:
    """The function of this package."""
    module, _, name = public.rpartition(".")
    ours: Function = getattr(import_module("fastsep.ndimage" if module == "scipy.ndimage" else "fastsep"), name)
    return ours
