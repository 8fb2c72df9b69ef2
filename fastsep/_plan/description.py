"""What is known of an operation before it runs, in words and numbers: what `explain` shows. No pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from fastsep._kernels import jit
from fastsep._plan import cost_model
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter, Halo, Term
from fastsep._validation.array_like import DType

_SHOWN_TAPS = 9


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
    if plan.strategy not in ("fft", "passes"):  # which have no kernel of their own
        lanes = jit.target().vector_bytes // plan.acc.itemsize
        notes.append(f"kernel {' '.join(plan.kernel)}, {lanes} lanes")
    if what.cast:
        notes.append(f"sums of each axis are cast to {plan.dst} before the next one, in the order of scipy.ndimage")
    multiplied, dense = what.multiplications()
    return Description(
        arithmetic=plan.acc, strategy=strategy(plan), why=_how(plan), terms=tuple(map(_term, what.terms)),
        multiplications=multiplied, dense_multiplications=dense, halo=what.halo(),
        seconds=cost_model.nanoseconds(plan) * 1e-9, notes=tuple(notes),
    )  # fmt: skip


class Stage(NamedTuple):
    """One of several steps, of which each needs what the one before has made."""

    name: str
    filters: tuple[Filter, ...] = ()  # side by side
    plans: tuple[Plan, ...] = ()
    halo: Halo = ()  # where no filter tells


def of_stages(why: str, arithmetic: DType, stages: Sequence[Stage], timed: bool, notes: Sequence[str]) -> Description:
    """Of an operation of several stages. `timed`: no stage depends on the pixels for its time."""
    around = [_widest(what.halo() for what in stage.filters) or stage.halo for stage in stages]
    sides = [tuple(zip(*along, strict=True)) for along in zip(*filter(None, around), strict=True)]
    counts = [what.multiplications() for stage in stages for what in stage.filters]
    counts = [(count, dense) for count, dense in counts if count is not None]  # None: there are no taps
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
    return WORDS.get(plan.strategy, plan.strategy)


def _how(plan: Plan) -> str:
    tell = HOW.get(plan.strategy)
    return tell(plan) if tell else ""


def _in_blocks(plan: Plan) -> str:
    assert plan.blocks is not None
    return f"{plan.blocks.count} blocks of {' x '.join(map(str, plan.blocks.size))}"


def _in_lines(plan: Plan) -> str:
    assert isinstance(plan.what, Filter)
    count = len(plan.what.terms)
    kind = "root of the sum of squares of" if plan.what.combine == "magnitude" else "sum of"
    return "1 term" if count == 1 else f"{kind} {count} terms, band by band"


#: What users see, where it is another word.
WORDS = {"fir": "lines", "dense": "direct", "small_box": "box", "sweep_volume": "sweep"}
HOW: dict[str, Callable[[Plan], str]] = {
    "fft": _in_blocks,
    "fir": _in_lines,
    "sweep": lambda plan: "once over the image",
    "sweep_volume": lambda plan: "once over the volume, plane by plane",
    "box": lambda plan: "window sums from sums of groups",
    "small_box": lambda plan: "sums of integers, sliding down the columns",
    "extremum": lambda plan: "down groups of rows, then along rows by doubling",
    "flat": lambda plan: "runs of pixels, row by row",
    "rank": lambda plan: "comparisons of rows of pixels",
    "histogram": lambda plan: "histograms of columns",
    "cumulative": lambda plan: "cumulative histograms of columns, tile by tile",
}


def _term(term: Term) -> str:
    return " x ".join("1" if line is None else shown(line.taps) for line in term.lines)


def shown(taps: Sequence[float]) -> str:
    """Taps as text."""
    words = [f"{tap:.4g}" for tap in taps]
    if len(words) > _SHOWN_TAPS:
        words = [*words[:3], "...", *words[-3:], f"{len(taps)} taps"]
    return f"({', '.join(words)})"
