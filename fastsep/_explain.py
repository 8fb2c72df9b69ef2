"""What a filter would do with an image, without doing it: `explain`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastsep import _estimate, _image, _rounding
from fastsep._kernels import jit
from fastsep._plan import Box, Dense, Filter, Fourier, Line, Plan, Roberts, Separable, Term

_SHOWN_TAPS, _SHOWN_TERMS = 9, 8
_LARGEST_FOOTPRINT = 1 << 24  # pixels that are looked at one by one


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """How a filter runs on an image of one shape and dtype; printed, a table.

    Attributes
    ----------
    function : str
    shape : tuple of int
    dtype, result, arithmetic : dtype
        Of the image, of the result, and of the sums between.
    strategy : str
        "sweep" (gradients and smoothing of short taps, in registers), "lines" (taps along one axis
        after the other), "direct" (tap by tap), "fft", "box" (sums that are reused), "passes" (more
        than three axes), or "nothing" for an empty image.
    why : str
        What the strategy amounts to here.
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
    seconds : float
        Estimate for one thread.
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
    terms: tuple[str, ...]
    multiplications: int | None
    dense_multiplications: int | None
    halo: tuple[tuple[int, int], ...]
    error: float
    seconds: float
    rejected: tuple[tuple[str, float | None, str], ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{self.function}: {' x '.join(map(str, self.shape))} {self.dtype} -> {self.result}"
        rows = [("strategy", f"{self.strategy}: {self.why}" if self.why else self.strategy)]
        rows += [("terms" if not n else "", term) for n, term in enumerate(self.terms[:_SHOWN_TERMS])]
        if len(self.terms) > _SHOWN_TERMS:
            rows.append(("", f"... {len(self.terms) - _SHOWN_TERMS} more"))
        if self.multiplications is not None and self.dense_multiplications is not None:
            ratio = self.dense_multiplications / max(self.multiplications, 1)
            text = f"{self.multiplications:,} a pixel; dense {self.dense_multiplications:,} ({ratio:.2f}x)"
            rows.append(("multiplications", text))
        rows.append(("halo", ", ".join(f"{before} + {after}" for before, after in self.halo)))
        bound = "rounding" if self.error == 0 else f"{self.error:.2e} x max(|image|, |cval|), and rounding"
        rows.append(("error bound", bound))
        rows.append(("estimate", f"{_time(self.seconds)} on one thread"))
        for number, (method, seconds, why) in enumerate(self.rejected):
            cost = f"{_time(seconds)}, {why}" if seconds is not None and why else _time(seconds) if seconds else why
            rows.append(("rejected" if not number else "", f"{method}: {cost}"))
        rows += [("note", note) for note in self.notes]
        return "\n".join([head, *(f"  {name:15}  {text}".rstrip() for name, text in rows)])

    __repr__ = __str__


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Tell how a filter would run, without running it.

    Parameters
    ----------
    function : callable
        A filter of this package.
    *args, **kwargs
        As for the filter. Of the image only shape and dtype count, so
        `np.broadcast_to(np.float32(0), shape)` stands for any of them without taking memory.

    Returns
    -------
    Explanation
        Prints as a table: strategy, terms, multiplications, halo, error bound, and other ways with
        what they would cost.

    Raises
    ------
    TypeError
        If `function` is no filter of this package, such as a convolution layer, whose cost
        `conv_cost` tells.
    Whatever the filter raises for its arguments.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> plan = fastsep.explain(fastsep.gaussian, np.zeros((480, 640), np.float32), sigma=3)
    >>> plan.strategy, plan.multiplications, plan.dense_multiplications, plan.halo
    ('lines', 50, 625, ((12, 12), (12, 12)))
    """
    name = getattr(function, "__name__", _image.show(function))
    own = str(getattr(function, "__module__", "")) in ("fastsep.filters", "fastsep.gaussians", "fastsep.correlation")
    if not own or not callable(function):
        raise TypeError(f"`function` must be a filter of fastsep; got {name}.")
    if "image" in kwargs:
        args, kwargs = (kwargs["image"], *args), {k: v for k, v in kwargs.items() if k != "image"}
    if not args:
        raise TypeError(f"`explain({name})` needs the image too, or one of its shape and dtype.")
    probe = _image.as_image(args[0]).view(_image.Probe)
    function(probe, *args[1:], **kwargs)
    (job,) = probe.seen
    return _of_bank(probe, job) if name == "correlate_bank" else _explanation(name, probe, job)


def _explanation(name: str, image: Any, job: Any) -> Explanation:
    plan: Plan | None = job.plan
    if plan is None:
        return _nothing(name, image, job.result)
    what, choice = job.what, job.choice
    rejected: tuple[tuple[str, float | None, str], ...] = ()
    error, why, notes = 0.0, "", []
    if choice is not None:
        what, error, why = choice.chosen.what, choice.chosen.error, choice.chosen.note
        rejected = tuple(
            (option.method, None if math.isinf(cost) else cost * 1e-9, option.note) for option, cost in choice.rejected
        )
        if choice.fallback is not None:
            fallback = _strategy(choice.fallback)
            notes.append(f"an image with NaN or infinity takes another way: {fallback}")
    if plan.strategy == "fft" and plan.dst.kind == "f":
        local = f"{_rounding.LOCAL[plan.acc]:.0e}"
        notes.append(f"off by at most {local} x sum(|kernel|) x the largest |pixel| under the kernel by rounding")
        notes.append(f"if nothing is negative, by at most {local} of itself plus {_rounding.FAINT:.0e} x that product")
    if job.source != image.dtype or (not job.direct and not image.flags.c_contiguous):
        notes.append(f"the image is copied once, as {job.source}")
    if plan.strategy in ("fir", "sweep", "box", "dense"):
        lanes = jit.target().vector_bytes // plan.acc.itemsize
        notes.append(f"kernel {' '.join(plan.kernel)}, {lanes} lanes")
    multiplied, dense = _multiplications(what, plan)
    return Explanation(
        name, image.shape, image.dtype, job.result, plan.acc, _strategy(plan), why or _how(plan), _terms(what),
        multiplied, dense, _halo(what), error, _estimate.nanoseconds(plan) * 1e-9, rejected, tuple(notes),
    )  # fmt: skip


def _nothing(name: str, image: Any, result: Any) -> Explanation:
    return Explanation(
        name, image.shape, image.dtype, result, result, "nothing", "the image is empty", (), None, None, (), 0.0, 0.0,
        (), (),
    )  # fmt: skip


def _of_bank(image: Any, found: Any) -> Explanation:
    if found.bank is None:
        return _nothing("correlate_bank", image, found.result)
    parts = found.bank.parts
    count, height, width = found.kernels
    ways = {
        "separable": (found.bank.cost * 1e-9, f"{parts.rank} terms for {count} kernels"),
        "direct": (found.direct_cost * 1e-9, f"{count} kernels one by one"),
    }
    takes, other = ("separable", "direct") if found.takes_terms else ("direct", "separable")
    lines = zip(parts.y_taps, parts.x_taps, strict=True) if found.takes_terms else ()
    notes = ("an image with NaN or infinity takes another way: direct",) if takes == "separable" else ()
    return Explanation(
        "correlate_bank", image.shape, image.dtype, found.result, found.result, takes, ways[takes][1],
        tuple(f"{_line(y.tolist())} x {_line(x.tolist())}" for y, x in lines),
        parts.multiplications if found.takes_terms else parts.dense_multiplications, parts.dense_multiplications,
        tuple((n // 2, n - 1 - n // 2) for n in (height, width)), parts.error if found.takes_terms else 0.0,
        ways[takes][0], ((other, *ways[other]),), notes,
    )  # fmt: skip


def _strategy(plan: Plan) -> str:
    return {"fir": "lines", "dense": "direct"}.get(plan.strategy, plan.strategy)


def _how(plan: Plan) -> str:
    if plan.strategy == "fft":
        assert plan.blocks is not None
        return f"{plan.blocks.count} blocks of {' x '.join(map(str, plan.blocks.size))}"
    if isinstance(plan.what, Separable) and plan.strategy == "fir":
        count = len(plan.what.terms)
        kind = "root of the sum of squares of" if plan.what.combine == "magnitude" else "sum of"
        return "1 term" if count == 1 else f"{kind} {count} terms, band by band"
    return {"sweep": "once over the image", "box": "window sums from sums of groups"}.get(plan.strategy, "")


def _terms(what: Filter) -> tuple[str, ...]:
    if not isinstance(what, Separable):
        return ()
    return tuple(" x ".join("1" if line is None else _line(line.taps) for line in term.lines) for term in what.terms)


def _line(taps: Sequence[float]) -> str:
    shown = [f"{tap:.4g}" for tap in taps]
    if len(shown) > _SHOWN_TAPS:
        shown = [*shown[:3], "...", *shown[-3:], f"{len(taps)} taps"]
    return f"({', '.join(shown)})"


def _halo(what: Filter) -> tuple[tuple[int, int], ...]:
    if isinstance(what, Box):
        return tuple((size // 2, size - 1 - size // 2) for size in what.sizes)
    if isinstance(what, Roberts):
        return ((1, 1), (1, 1))
    if isinstance(what, Dense | Fourier):
        return tuple((middle, n - 1 - middle) for middle, n in zip(what.centre, what.kernel.shape, strict=True))
    axes = zip(*(term.lines for term in what.terms), strict=True)
    return tuple(
        (
            max(0 if line is None else line.centre for line in lines),
            max(0 if line is None else len(line.taps) - 1 - line.centre for line in lines),
        )
        for lines in axes
    )


def _multiplications(what: Filter, plan: Plan) -> tuple[int | None, int | None]:
    """As the filter runs, and with its kernels multiplied out."""
    if isinstance(what, Box):
        return None, None
    if isinstance(what, Roberts):
        return (4, 4) if what.which == "magnitude" else (2, 2)
    if isinstance(what, Dense | Fourier):
        taps = int(np.count_nonzero(what.kernel))
        return (taps, taps) if isinstance(what, Dense) else (None, None)
    lines = [line for term in what.terms for line in term.lines if line is not None and line.taps != (1.0,)]
    mine = sum(sum(tap != 0 for tap in line.taps) for line in lines)
    if what.combine == "sum":
        return mine, _footprint(what.terms)
    return mine, sum(_footprint((term,)) for term in what.terms)


def _footprint(terms: Sequence[Term]) -> int:
    """Pixels that any of the terms reaches; of very wide terms all that their halo holds."""
    halo = _halo(Separable(tuple(terms)))
    if len(terms) == 1:
        return math.prod(int(np.count_nonzero(line.taps)) for line in terms[0].lines if line is not None)
    box = math.prod(before + after + 1 for before, after in halo)
    if box > _LARGEST_FOOTPRINT:
        return box
    reached = np.zeros([before + after + 1 for before, after in halo], bool)
    for term in terms:
        places = []
        for line, (before, _) in zip(term.lines, halo, strict=True):
            line = Line((1.0,), 0) if line is None else line
            places.append(np.flatnonzero(line.taps) + before - line.centre)
        reached[np.ix_(*places)] = True
    return int(np.count_nonzero(reached))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not possible"
    unit, factor = ("ms", 1e3) if seconds >= 1e-3 else ("us", 1e6)
    return f"{seconds * factor:.3g} {unit}"
