"""What a function would do with an image, without doing it: `explain`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastsep._call import not_run, wrapped
from fastsep._plan.description import Description
from fastsep._validation import array_like, arrays, scipy_arguments
from fastsep._validation.array_like import is_labelled

__all__ = ["Explanation", "explain"]


def __dir__() -> list[str]:
    return __all__


_SHOWN_TERMS = 8
#: Strategies whose results are pixels of the image, exactly.
_COMPARISONS = ("extremum", "flat", "rank", "histogram", "cumulative")


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Explanation:
    """How a function runs on an image of one shape and dtype; printed, a table.

    Attributes
    ----------
    function : str
    shape : tuple of int
    dtype, result, arithmetic : dtype
        Of the image, of the result, and of the sums between.
    strategy : str
        "sweep" (gradients and smoothing of short taps, in registers), "lines" (taps along one axis
        after the other), "direct" (tap by tap), "fft", "box" (sums that are reused), "passes" (more
        than three axes), "extremum" and "flat" (minima and maxima of a rectangle, and under other
        footprints), "rank" and "histogram" (ranks), "separable" (common terms of a bank), "stages"
        (several steps, each on what the one before has made), "polyphase" (lines thinned out, or filled in
        again), "strided" (lines, at the pixels that stay and no others), "scipy" (passed on to it), or
        "nothing" for an empty image.
    why : str
        What the strategy amounts to here.
    stages : tuple of str
        The steps of strategy "stages", each with the strategies of its filters.
    terms : tuple of str
        Rank-1 terms, for filters that are made of them.
    multiplications, dense_multiplications : int or None
        For a pixel and channel, of a bank for all its results; as it runs, and with all products of
        taps multiplied out. None where there are no taps.
    halo : tuple of (before, after)
        Pixels that a result needs beside its own, for each spatial axis.
    error : float
        Rounding apart, no value of the result is off by more than this times the largest of
        abs(image) and abs(cval).
    seconds : float or None
        Estimate for one thread of a CPU with AVX-512; None where it depends on the pixels, and for layers.
    rejected : tuple of (method, seconds or None, why)
        Other ways, with their estimates; None: not possible.
    notes : tuple of str
    """

    function: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    result: np.dtype[Any]
    arithmetic: np.dtype[Any]
    strategy: str
    why: str
    stages: tuple[str, ...]
    terms: tuple[str, ...]
    multiplications: int | None
    dense_multiplications: int | None
    halo: tuple[tuple[int, int], ...]
    error: float
    seconds: float | None
    rejected: tuple[tuple[str, float | None, str], ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{self.function}: {' x '.join(map(str, self.shape))} {self.dtype} -> {self.result}"
        rows = [("strategy", f"{self.strategy}: {self.why}" if self.why else self.strategy)]
        rows += [("stages" if not n else "", stage) for n, stage in enumerate(self.stages)]
        rows += [("terms" if not n else "", term) for n, term in enumerate(self.terms[:_SHOWN_TERMS])]
        if len(self.terms) > _SHOWN_TERMS:
            rows.append(("", f"... {len(self.terms) - _SHOWN_TERMS} more"))
        if self.multiplications is not None and self.dense_multiplications is not None:
            ratio = self.dense_multiplications / max(self.multiplications, 1)
            text = f"{self.multiplications:,} a pixel; dense {self.dense_multiplications:,} ({ratio:.2f}x)"
            rows.append(("multiplications", text))
        rows.append(("halo", ", ".join(f"{before} + {after}" for before, after in self.halo)))
        bound = "none, pixels are compared" if self.strategy in _COMPARISONS else "rounding"
        if self.error:
            bound = f"{self.error:.2e} x max(|image|, |cval|), and rounding"
        rows.append(("error bound", bound))
        if self.seconds is not None:
            rows.append(("estimate", f"{_time(self.seconds)} on one thread"))
        for number, (method, seconds, why) in enumerate(self.rejected):
            cost = f"{_time(seconds)}, {why}" if seconds is not None and why else _time(seconds) if seconds else why
            rows.append(("rejected" if not number else "", f"{method}: {cost}"))
        rows += [("note", note) for note in self.notes]
        return "\n".join([head, *(f"  {name:15}  {text}".rstrip() for name, text in rows)])

    __repr__ = __str__


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Tell how a function would run, without running it.

    Parameters
    ----------
    function : callable
        Any function of this package that takes an image, or a layer, such as a `SeparableConv2D`.
    *args, **kwargs
        As for the function. Of the image only shape and dtype count, so
        `np.broadcast_to(np.float32(0), shape)` stands for any of them without taking memory.

    Returns
    -------
    Explanation
        Prints as a table: strategy, stages, terms, multiplications, halo, error bound, and other ways
        with what they would cost.

    Raises
    ------
    TypeError
        If `function` is none of them.
    Whatever the function raises for its arguments.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> plan = fastsep.explain(fastsep.gaussian, np.zeros((480, 640), np.float32), sigma=3)
    >>> plan.strategy, plan.multiplications, plan.dense_multiplications, plan.halo
    ('lines', 50, 625, ((12, 12), (12, 12)))
    """
    name = getattr(function, "__name__", type(function).__name__)
    first = _first_parameter(function)
    if first not in ("image", "input", "x"):
        raise TypeError(f"`function` must be a filter or a layer of fastsep; got {array_like.show(function)}.")
    if first in kwargs:
        args = (kwargs.pop(first), *args)
    if not args:
        raise TypeError(f"`explain({name})` needs the image too, or one of its shape and dtype.")
    takes = scipy_arguments.as_array if function.__module__ == "fastsep.ndimage" else arrays.as_image
    masked = array_like.is_masked(args[0])
    image: Any = takes(args[0].data if masked else args[0])
    named = function
    if masked:
        named = _with_mask(function, args[0].mask)
    elif is_labelled(image):
        named = wrapped().with_dimensions(function, image.dims)
    found = not_run(named, image.shape, image.dtype, *args[1:], **kwargs)
    if found.program is None:
        told = Description(arithmetic=found.result, strategy="nothing", why="the image is empty", seconds=0.0)
    else:
        told, source = found.program.describe(), found.program.source
        straight = found.direct or not isinstance(image, np.ndarray) or image.flags.c_contiguous
        if source is not None and not (straight and source == image.dtype):
            told = told._replace(notes=(f"the image is copied once, as {source}", *told.notes))
    return Explanation(function=name, shape=image.shape, dtype=image.dtype, result=found.result, **told._asdict())


def _with_mask(function: Callable[..., Any], mask: Any) -> Callable[..., Any]:
    """`function` for images without masks, for which it gets masked ones."""
    return lambda image, *args, **kwargs: function(np.ma.MaskedArray(image, mask), *args, **kwargs)


def _first_parameter(function: Any) -> str | None:
    """Of a function of this package."""
    if not str(getattr(function, "__module__", "")).startswith("fastsep.") or not callable(function):
        return None
    return next(iter(inspect.signature(function).parameters), None)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not possible"
    unit, factor = ("ms", 1e3) if seconds >= 1e-3 else ("us", 1e6)
    return f"{seconds * factor:.3g} {unit}"
