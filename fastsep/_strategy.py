"""How a kernel of any form is applied: as lines, tap by tap, or by Fourier transform.

`candidates` says what is possible for a kernel and an image's frame; `Candidates.choose` asks for the
plan of each and takes the cheapest by `_estimate`. Numbers only, no pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from fastsep import _estimate, _image
from fastsep._image import Array, Frame
from fastsep._plan import Alternatives, Dense, Filter, Fourier, Line, Plan, Separable, Term
from fastsep.factor import Factorization, factorize

METHODS = ("auto", "direct", "separable", "fft")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to apply a kernel."""

    method: str
    what: Filter | None  # None: not possible here
    finite: bool  # NaN and inf in the image would reach further than the kernel does
    note: str  # what it amounts to, or why it is not possible
    error: float  # L1 norm of what it leaves of the kernel


@dataclass(frozen=True, slots=True)
class Candidates(Alternatives):
    """What a recipe gives where there is a choice."""

    options: tuple[Candidate, ...]
    method: str
    integers: bool  # the image has no NaN or inf
    dense: int  # taps that are not zero

    def choose(self, make: Callable[[Filter], Plan]) -> Choice:
        """The cheapest of the plans that are allowed."""
        priced = []
        for option in self.options:
            if option.what is not None:
                plan = make(option.what)
                looks = option.finite and self.method == "auto" and not self.integers
                cost = _estimate.nanoseconds(plan) + looks * _estimate.CONSTANTS["FINITE"] * math.prod(plan.shape)
                priced.append((option, plan, cost))
        allowed = [entry for entry in priced if self.method in ("auto", entry[0].method)]
        chosen, plan, cost = min(allowed, key=lambda entry: entry[2])
        fallback = None
        if self.method == "auto" and chosen.finite and not self.integers:
            fallback = min((entry for entry in allowed if not entry[0].finite), key=lambda entry: entry[2])[1]
        others = [(option, cost) for option, _, cost in priced if option is not chosen]
        others += [(option, math.inf) for option in self.options if option.what is None]
        return Choice(plan, chosen, fallback, tuple(others), cost, self.dense)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and why."""

    plan: Plan
    chosen: Candidate
    fallback: Plan | None  # for an image with NaN or inf
    rejected: tuple[tuple[Candidate, float], ...]  # with their estimated nanoseconds
    cost: float
    dense: int


def candidates(frame: Frame, key: tuple[bytes, tuple[int, ...]], flip: bool, tol: Any, method: Any) -> Candidates:
    """The ways to correlate an image with the kernel that `kernel_key` packed, or to convolve it."""
    tol = _image.not_negative("tol", tol)
    method = _image.one_of("method", method, METHODS)
    kernel = unpack(key)
    if kernel.ndim != len(frame.spatial):
        raise _image.ArgumentError(
            f"`kernel` must have one axis for each of the {len(frame.spatial)} spatial axes; got shape {kernel.shape}."
        )
    centre = tuple(n // 2 for n in kernel.shape)
    if flip:
        kernel = kernel[(slice(None, None, -1),) * kernel.ndim]
        # scipy.ndimage's convolve: the pixel under the middle of the kernel, before it is turned around.
        centre = tuple(n - 1 - middle for n, middle in zip(kernel.shape, centre, strict=True))
    dense = int(np.count_nonzero(kernel))
    direct = Candidate("direct", Dense(kernel, centre), False, f"{dense} taps", 0.0)
    whole = frame.integer and frame.dtype.kind in "iub" and not (kernel != np.rint(kernel)).any()
    options = (_separable(frame, kernel, centre, tol, whole), direct, _fourier(frame, kernel, centre, method, whole))
    wanted = next((option for option in options if option.method == method), direct)
    if wanted.what is None:
        raise ValueError(f"`method` must not be {method!r} here: {wanted.note}.")
    return Candidates(options, method, frame.dtype.kind in "iub", dense)


# ---- kernels as keys


def pack(kernel: Array) -> tuple[bytes, tuple[int, ...]]:
    """A float64 kernel as a key of plans."""
    return kernel.tobytes(), kernel.shape


def unpack(key: tuple[bytes, tuple[int, ...]]) -> Array:
    return np.frombuffer(key[0]).reshape(key[1])


# ---- candidates


@lru_cache(maxsize=64)
def _factorized(key: tuple[bytes, tuple[int, ...]], tol: float | None) -> Factorization:
    return factorize(unpack(key), tol=tol)


#: Terms above which a factorization is not even tried to be run: `direct` or `fft` are far cheaper.
MOST_TERMS = 64


def _separable(frame: Frame, kernel: Array, centre: tuple[int, ...], tol: float, whole: bool) -> Candidate:
    single = frame.result.kind == "f" and frame.result.itemsize <= 4 and frame.dtype != np.float64
    # What float32 arithmetic rounds away is no part of the kernel.
    rounding = 2.0**-25 * float(np.abs(kernel).sum()) if single else 0.0
    parts = _factorized(pack(kernel), (tol + rounding) or None)
    if parts.rank == 0:
        return Candidate("separable", None, False, "all taps are zero", 0.0)
    if parts.rank > MOST_TERMS:
        return Candidate("separable", None, False, f"it would take {parts.rank} terms", parts.error)
    if whole and not _stays_whole(frame, parts):
        return Candidate("separable", None, False, f"{parts.rank} terms would not give exact integers", parts.error)
    others = [tuple(a for a in range(kernel.ndim) if a != axis) for axis in range(kernel.ndim)]
    empty = [np.asarray(~kernel.any(axis=axes)) for axes in others]
    terms = tuple(_term(term.folded(), empty, centre) for term in parts.terms)
    one = len(terms) == 1
    reach = reduce(np.logical_and.outer, [taps != 0 for taps in parts.terms[0].taps]) if one else None
    same = reach is not None and bool((reach == (kernel != 0)).all())
    what = Separable(terms, skip_zeros=one, whole=whole)
    note = f"{parts.rank} term{'s' if parts.rank > 1 else ''}"
    return Candidate("separable", what, not same, note, parts.error)


def _stays_whole(frame: Frame, parts: Factorization) -> bool:
    """Whether rounding float64 sums of whole pixels gives the exact whole numbers."""
    if parts.exact and all(term.scale.denominator == 1 for term in parts.terms):
        return True
    if frame.dtype.itemsize > 2:
        return False
    growth = sum(abs(float(t.scale)) * math.prod(float(np.abs(taps).sum()) for taps in t.taps) for t in parts.terms)
    taps = sum(taps.size for term in parts.terms for taps in term.taps)
    return 2.0**16 * (parts.error + growth * taps * 2.0**-52) < 0.25


def _term(taps: tuple[Array, ...], empty: list[Array], centre: tuple[int, ...]) -> Term:
    """Where the whole kernel is zero, rounding may have left a tap that is not."""
    lines = [_line(np.where(none, 0.0, t), c) for t, none, c in zip(taps, empty, centre, strict=True)]
    return Term(tuple(None if line == Line((1.0,), 0) else line for line in lines))


def _line(taps: Array, centre: int) -> Line:
    """Without the zeros at both ends, as far as the centre allows."""
    (used,) = np.nonzero(taps)
    first, last = min(used[0], centre), max(used[-1], centre)
    return Line(tuple(taps[first : last + 1].tolist()), int(centre - first))


def _fourier(frame: Frame, kernel: Array, centre: tuple[int, ...], method: str, whole: bool) -> Candidate:
    if frame.integer:
        # Asked for, it runs where rounding is certain to give the exact integer.
        largest = 2.0**16 * float(np.abs(kernel).sum())
        if method != "fft" or not whole or frame.dtype.itemsize > 2 or largest >= 2.0**40:
            return Candidate("fft", None, True, "its integers would not be certain", 0.0)
    return Candidate("fft", Fourier(kernel, centre), True, "", 0.0)
