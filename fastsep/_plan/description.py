"""What is known of an operation before it runs, in words and numbers: what `explain` shows. No pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastsep._kernels import jit
from fastsep._plan import cost_model
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Box, Dense, Filter, Fourier, Line, Roberts, Separable, Term
from fastsep._validation.array_like import DType

Halo = tuple[tuple[int, int], ...]

_SHOWN_TAPS = 9
_LARGEST_FOOTPRINT = 1 << 24  # pixels that are looked at one by one


class Description(NamedTuple):
    """How an operation runs on images of one shape and dtype. For the fields see `fastsep.Explanation`."""

    arithmetic: DType
    strategy: str
    why: str = ""
    stages: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    multiplications: int | None = None
    dense_multiplications: int | None = None
    halo: Halo = ()
    error: float = 0.0
    seconds: float | None = None
    rejected: tuple[tuple[str, float | None, str], ...] = ()
    notes: tuple[str, ...] = ()


def of_plan(what: Filter, plan: Plan) -> Description:
    """Of one filter; `what` has all axes, scale and differences apart."""
    notes = []
    if plan.strategy in ("fir", "sweep", "box", "dense"):
        lanes = jit.target().vector_bytes // plan.acc.itemsize
        notes.append(f"kernel {' '.join(plan.kernel)}, {lanes} lanes")
    multiplied, dense = multiplications(what)
    return Description(
        arithmetic=plan.acc, strategy=strategy(plan), why=_how(plan), terms=_terms(what), multiplications=multiplied,
        dense_multiplications=dense, halo=halo(what), seconds=cost_model.nanoseconds(plan) * 1e-9, notes=tuple(notes),
    )  # fmt: skip


class Stage(NamedTuple):
    """One of several steps, of which each needs what the one before has made."""

    name: str
    filters: tuple[Filter, ...] = ()  # side by side
    plans: tuple[Plan, ...] = ()
    halo: Halo = ()  # where no filter tells


def of_stages(why: str, arithmetic: DType, stages: Sequence[Stage], timed: bool, notes: Sequence[str]) -> Description:
    """Of an operation of several stages. `timed`: no stage depends on the pixels for its time."""
    around = [_widest(map(halo, stage.filters)) or stage.halo for stage in stages]
    sides = [tuple(zip(*along, strict=True)) for along in zip(*filter(None, around), strict=True)]
    counts = [multiplications(what) for stage in stages for what in stage.filters]
    plans = [plan for stage in stages for plan in stage.plans]
    ways = [", ".join(dict.fromkeys(strategy(plan) for plan in stage.plans)) for stage in stages]
    return Description(
        arithmetic=arithmetic, strategy=ways[0] if len(stages) == 1 else "stages", why=why,
        stages=tuple(f"{stage.name}: {way}" if way else stage.name for stage, way in zip(stages, ways, strict=True)),
        multiplications=sum(count or 0 for count, _ in counts) if counts else None,
        dense_multiplications=sum(dense or 0 for _, dense in counts) if counts else None,
        halo=tuple((sum(before), sum(after)) for before, after in sides),
        seconds=sum(map(cost_model.nanoseconds, plans)) * 1e-9 if timed else None, notes=tuple(notes),
    )  # fmt: skip


def _widest(halos: Iterable[Halo]) -> Halo:
    return tuple(
        (max(before for before, _ in sides), max(after for _, after in sides)) for sides in zip(*halos, strict=True)
    )


def strategy(plan: Plan) -> str:
    """The word that users see for a plan's strategy."""
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
    return tuple(" x ".join("1" if line is None else shown(line.taps) for line in term.lines) for term in what.terms)


def shown(taps: Sequence[float]) -> str:
    """Taps as text."""
    words = [f"{tap:.4g}" for tap in taps]
    if len(words) > _SHOWN_TAPS:
        words = [*words[:3], "...", *words[-3:], f"{len(taps)} taps"]
    return f"({', '.join(words)})"


def halo(what: Filter) -> Halo:
    """Pixels that a result needs beside its own, along each axis."""
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


def multiplications(what: Filter) -> tuple[int | None, int | None]:
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
    around = halo(Separable(tuple(terms)))
    if len(terms) == 1:
        return math.prod(int(np.count_nonzero(line.taps)) for line in terms[0].lines if line is not None)
    box = math.prod(before + after + 1 for before, after in around)
    if box > _LARGEST_FOOTPRINT:
        return box
    reached = np.zeros([before + after + 1 for before, after in around], bool)
    for term in terms:
        places = []
        for line, (before, _) in zip(term.lines, around, strict=True):
            line = Line((1.0,), 0) if line is None else line
            places.append(np.flatnonzero(line.taps) + before - line.centre)
        reached[np.ix_(*places)] = True
    return int(np.count_nonzero(reached))
