"""How a kernel of any form is applied: as lines, tap by tap, or by Fourier transform.

`candidates` says what is possible for a kernel and an image's frame; `Candidates.prepare` asks for the
plan of each and takes the cheapest by `cost_model`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from fastsep._call import Operation, Program, Request
from fastsep._engine.caches import MIB, remembered
from fastsep._engine.execution import Runner, is_within
from fastsep._plan import cost_model, description
from fastsep._plan.description import Description
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Dense, Filter, Fourier, Halo, Line, Separable, Term
from fastsep._validation import filter_kernels, scalars
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame
from fastsep.factorization.kernel import Factorization, factorize, takes_more_than

METHODS = ("auto", "direct", "separable", "fft")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to apply a kernel."""

    method: str
    what: Filter | None  # None: not possible here
    finite: bool  # NaN and inf in the image would reach further than the kernel does
    note: str  # what it amounts to, or why it is not possible
    error: float  # L1 norm of what it leaves of the kernel
    size: float  # sum of the magnitudes of its products of taps


@dataclass(frozen=True, slots=True)
class Candidates:
    """All ways to apply a kernel."""

    options: tuple[Candidate, ...]  # all but the separable ones
    separable: Callable[[int | None], Candidate] | None  # of at most so many terms, or any number; None: not wanted
    method: str
    integers: bool  # the image has no NaN or inf
    kernel: Array
    centre: tuple[int, ...]
    most: int | None = None  # separable terms that there may be; None: as many as cost less than the other ways

    def prepare(self, request: Request) -> CorrelationProgram:
        """The cheapest of the plans that are allowed."""
        make, tame = request.of_whole.plan, request.finite_border
        priced = [self._price(option, make) for option in self.options if option.what is not None]
        options, separable = list(self.options), None
        if self.separable is not None:
            # To find the terms of a kernel takes longer than many a correlation.
            most = self.most
            if most is None and self.method == "auto" and takes_more_than(self.kernel, 1, 0.0):
                most = self._most_terms(make, min(cost for _, _, cost in priced)) if tame else 1
            options.append(self.separable(most))
            if options[-1].what is not None:
                priced.append(self._price(options[-1], make))
            elif most is not None:
                separable = partial(self._all_terms, make)
        if self.method == "auto":
            allowed = [entry for entry in priced if tame or not entry[0].finite]
        else:
            allowed = [entry for entry in priced if entry[0].method == self.method]
        chosen, plan, _ = min(allowed, key=lambda entry: entry[2])
        fallback, narrow = None, chosen
        if self.method == "auto" and chosen.finite and not self.integers:
            other, fallback, _ = min((entry for entry in allowed if not entry[0].finite), key=lambda entry: entry[2])
            narrow = other
            if request.whole is not None:
                chosen, fallback = chosen if request.within else other, None
        rejected = [(option, cost) for option, _, cost in priced if option is not chosen]
        rejected += [(option, math.inf) for option in options if option.what is None]
        # No sum of products may overflow on the way to a result that does not; a transform sums up whole blocks.
        values = 1 if plan.blocks is None else math.prod(plan.blocks.size)
        most_float = float(np.finfo(plan.acc if plan.acc.kind == "f" else np.float64).max)
        limit = most_float / (4 * values * max(chosen.size, 1.0))
        if request.whole is not None:
            assert chosen.what is not None
            plan = request.plan(chosen.what)
        return CorrelationProgram(request, plan, chosen, fallback, limit, tuple(rejected), separable, narrow.what)

    def _price(self, option: Candidate, make: Callable[[Filter], Plan]) -> tuple[Candidate, Plan, float]:
        assert option.what is not None
        plan = make(option.what)
        looks = option.finite and self.method == "auto" and not self.integers
        return (
            option,
            plan,
            cost_model.nanoseconds(plan) + looks * cost_model.CONSTANTS["FINITE"] * math.prod(plan.shape),
        )

    def _all_terms(self, make: Callable[[Filter], Plan]) -> tuple[Candidate, float]:
        assert self.separable is not None
        found = self.separable(None)
        return found, math.inf if found.what is None else self._price(found, make)[2]

    def _most_terms(self, make: Callable[[Filter], Plan], limit: float) -> int:
        """How many terms cost less than `limit`, one at least, if they have a tap wherever the kernel has any."""
        lines = []
        for axis, middle in enumerate(self.centre):
            used = self.kernel.any(axis=tuple(other for other in range(self.kernel.ndim) if other != axis))
            lines.append(_line(used.astype(float), middle))
        two, three = (cost_model.nanoseconds(make(Separable((Term(tuple(lines)),) * count))) for count in (2, 3))
        return max(1, min(2 + int((limit - two) // (three - two)), MOST_TERMS)) if limit > two else 1


class CorrelationProgram(Program):
    """The plan that was chosen, and another for images that it is not fit for."""

    def __init__(
        self, request: Request, plan: Plan, chosen: Candidate, fallback: Plan | None, limit: float,
        others: tuple[tuple[Candidate, float], ...], separable: Callable[[], tuple[Candidate, float]] | None,
        narrow: Filter | None,
    ) -> None:  # fmt: skip
        """`fallback`: for an image with NaN or infinity, or values beyond `limit`. `others` with their estimated
        nanoseconds; `separable`: finds the separable one, where only its price is too high; `narrow`: the filter that
        reaches no further than the kernel, if the call may take one."""
        super().__init__(request)
        self.runner, self.chosen, self.narrow = Runner(plan), chosen, narrow
        self.fallback = None if fallback is None else Runner(fallback)
        self.others, self.separable = others, separable
        if fallback is None:
            self.alone = self.runner
        else:
            self.limit = limit

    @property
    def halo(self) -> Halo:
        assert self.chosen.what is not None
        return self.chosen.what.halo()

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        runner = self.runner
        if self.fallback is not None and self.limit is not None and not is_within(image, self.limit, workers):
            runner = self.fallback
        runner.run(image, outs[0], workers)

    def describe(self) -> Description:
        plan, chosen = self.runner.plan, self.chosen
        assert chosen.what is not None
        found = description.of_plan(chosen.what, plan)
        others = list(self.others)
        if self.separable is not None:
            others = [entry for entry in others if entry[0].method != "separable"] + [self.separable()]
        notes = []
        if self.fallback is not None:
            notes.append(f"an image with NaN or infinity takes another way: {description.strategy(self.fallback.plan)}")
        if plan.strategy == "fft" and plan.dst.kind == "f":
            from fastsep._engine import rounding

            local, faint = rounding.LOCAL[plan.acc], rounding.FAINT
            notes.append(
                f"off by at most {local:.0e} x sum(|kernel|) x the largest |pixel| under the kernel by rounding"
            )
            notes.append(f"if nothing is negative, by at most {local:.0e} of itself plus {faint:.0e} x that product")
        return found._replace(
            why=chosen.note or found.why, error=chosen.error, notes=(*notes, *found.notes),
            rejected=tuple((o.method, None if math.isinf(cost) else cost * 1e-9, o.note) for o, cost in others),
        )  # fmt: skip


def candidates(frame: Frame, key: tuple[bytes, tuple[int, ...]], flip: bool, tol: float, method: Any) -> Operation:
    """The ways to correlate an image with the kernel that `pack` made a key of, or to convolve it."""
    return Operation(_candidates(frame, key, flip, tol, method, False).prepare)


def of_missing(frame: Frame, key: tuple[bytes, tuple[int, ...]], flip: bool, tol: float, method: Any) -> Operation:
    """The ways that images with missing pixels take: no transform, and a single term if not more are asked for."""
    filter_kernels.need_one_sign([unpack(key)])
    if method == "fft":
        raise ValueError("`method` must not be fft for an image with missing pixels.")
    return Operation(_candidates(frame, key, flip, tol, method, True).prepare)


def _candidates(
    frame: Frame, key: tuple[bytes, tuple[int, ...]], flip: bool, tol: float, method: Any, simple: bool
) -> Candidates:
    """`simple`: where a method is not asked for, taps one by one or a single term."""
    method = scalars.one_of("method", method, METHODS)
    kernel = unpack(key)
    if kernel.ndim != len(frame.spatial):
        raise scalars.ArgumentError(
            f"`kernel` must have one axis for each of the {len(frame.spatial)} spatial axes (`channel_axis` is none); "
            f"got shape {kernel.shape}."
        )
    centre = tuple(n // 2 for n in kernel.shape)
    if flip:
        kernel = kernel[(slice(None, None, -1),) * kernel.ndim]
        # scipy.ndimage's convolve: the pixel under the middle of the kernel, before it is turned around.
        centre = tuple(n - 1 - middle for n, middle in zip(kernel.shape, centre, strict=True))
    size = float(np.abs(kernel).sum())
    direct = Candidate("direct", Dense(kernel, centre), False, f"{np.count_nonzero(kernel)} taps", 0.0, size)
    whole = frame.integer and frame.dtype.kind in "iub" and not (kernel != np.rint(kernel)).any()
    options, separable = [direct], None
    if method == "fft" or (method == "auto" and not simple):
        options.append(_fourier(frame, kernel, centre, method, whole))
    if method in ("auto", "separable"):
        separable = partial(_separable, frame, kernel, centre, tol, whole)
    wanted = separable(None) if method == "separable" and separable is not None else options[-1]
    if wanted.what is None and method != "auto":
        raise ValueError(f"`method` must not be {method!r} here: {wanted.note}.")
    most = 1 if simple and method == "auto" else None
    return Candidates(tuple(options), separable, method, frame.dtype.kind in "iub", kernel, centre, most)


def near_exact(frame: Frame, kernel: Array, centre: tuple[int, ...]) -> Operation:
    """The ways to correlate that round no more than sums tap by tap do: these, or one line for each axis."""
    key, size = pack(kernel), float(np.abs(kernel).sum())
    direct = Candidate("direct", Dense(kernel, centre), False, f"{np.count_nonzero(kernel)} taps", 0.0, size)
    separable = partial(_separable, frame, unpack(key), centre, 0.0, False)
    integers = frame.dtype.kind in "iub"
    return Operation(Candidates((direct,), separable, "auto", integers, kernel, centre, most=1).prepare)


# ---- kernels as keys


def pack(kernel: Array) -> tuple[bytes, tuple[int, ...]]:
    """A float64 kernel as a key of plans."""
    return kernel.tobytes(), kernel.shape


def unpack(key: tuple[bytes, tuple[int, ...]]) -> Array:
    return np.frombuffer(key[0]).reshape(key[1])


# ---- candidates


@remembered(4 * MIB, 16)
def _factorized(key: tuple[bytes, tuple[int, ...]], tol: float | None) -> Factorization:
    return factorize(unpack(key), tol=tol)


#: Terms above which a factorization is not even tried to be run: `direct` or `fft` are far cheaper.
MOST_TERMS = 64


def _separable(
    frame: Frame, kernel: Array, centre: tuple[int, ...], tol: float, whole: bool, most: int | None
) -> Candidate:
    single = frame.result.kind == "f" and frame.result.itemsize <= 4 and frame.dtype != np.float64
    # What float32 arithmetic rounds away is no part of the kernel.
    rounding = 2.0**-25 * float(np.abs(kernel).sum()) if single else 0.0
    if most is not None and takes_more_than(kernel, most, tol + rounding):
        return _impossible("separable", f"it would take more than {most} term{'s' if most > 1 else ''}")
    parts = _factorized(pack(kernel), (tol + rounding) or None)
    if parts.rank == 0:
        return _impossible("separable", "all taps are zero")
    if parts.rank > MOST_TERMS:
        return _impossible("separable", f"it would take {parts.rank} terms")
    if not all(taps.any() for term in parts.terms for taps in term.folded()):
        return _impossible("separable", "its taps are too small to be taken apart")
    size = _size(parts)
    if whole and not _stays_whole(frame, parts, size):
        return _impossible("separable", f"{parts.rank} terms would not give exact integers")
    others = [tuple(a for a in range(kernel.ndim) if a != axis) for axis in range(kernel.ndim)]
    empty = [np.asarray(~kernel.any(axis=axes)) for axes in others]
    terms = tuple(_term(term.folded(), empty, centre) for term in parts.terms)
    one = len(terms) == 1
    reach = reduce(np.logical_and.outer, [taps != 0 for taps in parts.terms[0].taps]) if one else None
    same = reach is not None and bool((reach == (kernel != 0)).all())
    what = Separable(terms, skip_zeros=one, whole=whole)
    note = f"{parts.rank} term{'s' if parts.rank > 1 else ''}"
    return Candidate("separable", what, not same, note, parts.error, size)


def _impossible(method: str, why: str) -> Candidate:
    return Candidate(method, None, False, why, 0.0, 0.0)


def _size(parts: Factorization) -> float:
    return sum(math.prod(float(np.abs(taps).sum()) for taps in term.folded()) for term in parts.terms)


def _stays_whole(frame: Frame, parts: Factorization, size: float) -> bool:
    """Whether rounding float64 sums of whole pixels gives the exact whole numbers."""
    if parts.exact and parts.terms[0].scale.denominator == 1:
        return True
    if frame.dtype.itemsize > 2:
        return False
    taps = sum(taps.size for term in parts.terms for taps in term.taps)
    return _largest(frame) * (parts.error + size * taps * 2.0**-52) < 0.25


def _largest(frame: Frame) -> float:
    """The largest magnitude in an image of small integers, and beyond its border."""
    return max(2.0**16, abs(frame.border))


def _term(taps: tuple[Array, ...], empty: list[Array], centre: tuple[int, ...]) -> Term:
    """Where the whole kernel is zero, rounding may have left a tap that is not."""
    lines = [_line(np.where(none, 0.0, t), c) for t, none, c in zip(taps, empty, centre, strict=True)]
    return Term(tuple(None if line == IDENTITY else line for line in lines))


def _line(taps: Array, centre: int) -> Line:
    """Without the zeros at both ends, as far as the centre allows."""
    (used,) = np.nonzero(taps)
    first, last = min(used[0], centre), max(used[-1], centre)
    return Line(tuple(taps[first : last + 1].tolist()), int(centre - first))


def _fourier(frame: Frame, kernel: Array, centre: tuple[int, ...], method: str, whole: bool) -> Candidate:
    if frame.integer:
        # Asked for, it runs where rounding is certain to give the exact integer.
        largest = _largest(frame) * float(np.abs(kernel).sum())
        if method != "fft" or not whole or frame.dtype.itemsize > 2 or not largest < 2.0**40:
            return _impossible("fft", "its integers would not be certain")
    return Candidate("fft", Fourier(kernel, centre), True, "", 0.0, float(np.abs(kernel).sum()))
