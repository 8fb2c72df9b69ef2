"""Where rows are cut that are too long to be filtered whole: which columns are filtered together.

A kernel holds some 64 bytes of scratch for each value of a row, however few rows there are: a sound track or a
spectrum would take many times its own memory. A piece is filtered as an image of its own, with a margin on either
side that is read and whose results are dropped. Pixels keep their bits: no sum depends on where a row begins, but
those of `Box`, which are counted in groups of columns; so pieces and margins are whole groups.

Few rows that have nothing to do with each other are cut otherwise (see `_plan.stretches`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastsep._kernels import jit
from fastsep._plan import tuning
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Dense, Filter, FlatExtremum, Rank, Separable
from fastsep._validation.array_like import Array

#: Columns that pieces and margins are a multiple of: of the lanes of any vector, of groups of boxes, of cache lines.
UNIT = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """Columns `start` .. `stop` - 1 of all rows, with so many on either side that are only read.

    Where rows go round, the first and the last piece have so many columns of the other end, `beyond`, on the side that
    lies at no end: a kernel that goes round the ends of the piece finds them there, and for the stages of a pipeline
    that do not go round, the end of the piece is that of the row.
    """

    start: int
    stop: int
    left: int
    right: int
    beyond: int = 0

    @property
    def cols(self) -> int:
        """Columns that are read."""
        return self.left + self.stop - self.start + self.right


def unit_of(plan: Plan) -> int:
    """So many pixels, along any axis, are whole groups of those that are added up together."""
    steps = [plan, *(step for steps in plan.passes for step in steps)]
    return UNIT if any(step.strategy == "box" for step in steps) else 1


#: Strategies whose rows are not cut here; and those of ranks, which are cut only into stretches.
UNCUT, RANKED = ("fft", "passes", "polar", "polyphase", "strided"), ("rank", "histogram", "cumulative")


def pieces_of(plan: Plan) -> list[Piece]:
    """The pieces of the rows of an image that this plan filters; none if they are better filtered whole."""
    if plan.strategy in UNCUT + RANKED:
        return []
    kind = "sweep" if plan.strategy == "sweep" else "volume" if plan.kernel[1].startswith("volume") else "plane"
    return cut(plan.view, reach(plan)[1], tuning.PIECE_VALUES[kind], plan.modes[2] == "wrap")


def cut(view: tuple[int, int, int, int, int], margins: tuple[int, int], values: int, wraps: bool) -> list[Piece]:
    """The pieces, of so many values or more, of the rows of an image (see `Plan.view`); none if there would be few.

    `margins`: columns needed left and right of a pixel. `wraps`: they go round the ends of a row.
    """
    cols, channels = view[3:]
    rows = math.prod(view[:3])
    left, right = (_up(margin) for margin in margins)
    size = values * max(rows * cols * channels // tuning.ENOUGH_VALUES, 1) // channels
    step = _up(max(size, tuning.MARGINS * (left + right), 1))
    if cols < tuning.FEWEST_PIECES * step:
        return []
    last = (cols // step - 1) * step  # the last piece holds what is left over
    before, behind = (left, right) if wraps else (0, 0)
    return [
        Piece(0, step, 0, right + before, before),
        *(Piece(start, start + step, left, right) for start in range(step, last, step)),
        Piece(last, cols, left + behind, 0, behind),
    ]


def _up(columns: int) -> int:
    return -(-columns // UNIT) * UNIT


def reach(plan: Plan) -> tuple[bool, tuple[int, int]]:
    """Whether a pixel depends on other rows than its own, and on how many columns left and right of it."""
    return REACH.get(plan.strategy, _reach_of_halo)(plan)


def _reach_of_halo(plan: Plan) -> tuple[bool, tuple[int, int]]:
    assert isinstance(plan.what, Filter)
    *others, along = plan.what.halo()
    return any(side != (0, 0) for side in others), along


def _reach_of_lines(plan: Plan) -> tuple[bool, tuple[int, int]]:
    assert isinstance(plan.what, Separable)
    rows, along = _reach_of_halo(plan)
    return rows or plan.what.divisors is not None, along


def _reach_of_kernels(plan: Plan) -> tuple[bool, tuple[int, int]]:
    """Of a stack of kernels of planes, one of which may be all zero in a pixel's own plane."""
    assert isinstance(plan.what, Dense | FlatExtremum | Rank)
    shape = (plan.what.kernel if isinstance(plan.what, Dense) else plan.what.footprint).shape
    centre = plan.what.centre[-1]
    slices = [] if plan.slices is None else plan.slices.tolist()
    leaves = any(plane != own for own, planes in enumerate(slices) for plane in planes)
    return leaves or math.prod(shape[:-1]) != 1, (centre, shape[-1] - 1 - centre)


def _reach_of_sweep(plan: Plan) -> tuple[bool, tuple[int, int]]:
    radius = jit.sweep_radius(plan.kernel[1])
    return True, (radius, radius)


#: By strategy; of all others the halo of what the plan computes says it.
REACH: dict[str, Callable[[Plan], tuple[bool, tuple[int, int]]]] = {
    "fir": _reach_of_lines,
    "dense": _reach_of_kernels,
    **dict.fromkeys(("flat", *RANKED), _reach_of_kernels),
    "sweep": _reach_of_sweep,
    "sweep_volume": _reach_of_sweep,
    "gradient_of_sum": _reach_of_sweep,
    "polar": lambda plan: (False, (0, 0)),
    "corner": lambda plan: (False, (0, 0)),
    "subtract": lambda plan: (False, (0, 0)),
    "suppress": lambda plan: (True, (1, 1)),
    "hessian": lambda plan: (True, (2, 2)),
}


def pieces_of_all(plans: Sequence[Plan]) -> list[Piece]:
    """The pieces of an image that goes through these plans, one after the other, and through memory between them."""
    sides = [reach(plan)[1] for plan in plans]
    margins = sum(left for left, _ in sides), sum(right for _, right in sides)
    wraps = any(plan.modes[2] == "wrap" for plan in plans)
    return cut(plans[0].view, margins, tuning.PIECE_VALUES["pipeline"], wraps)


def pieces_of_bank(plans: Sequence[Plan]) -> list[Piece]:
    """The pieces of an image whose rows all these plans filter, side by side.

    Of tall images the planes of the terms are no more than the image itself.
    """
    rows = math.prod(plans[0].view[:3])
    if rows > tuning.ROWS_OF_A_PLANE * len(plans):
        return []
    sides = [reach(plan)[1] for plan in plans]
    margins = max(left for left, _ in sides), max(right for _, right in sides)
    wraps = any(plan.modes[2] == "wrap" for plan in plans)
    return cut(plans[0].view, margins, tuning.PIECE_VALUES["bank"], wraps)


def columns(lines: Array, piece: Piece) -> Array:
    """The columns (rows, columns, ...) that a piece reads."""
    if not piece.beyond:
        return lines[:, piece.start - piece.left : piece.stop + piece.right]
    own = piece.cols - piece.beyond
    if piece.start:
        return np.concatenate((lines[:, : piece.beyond], lines[:, -own:]), axis=1)
    return np.concatenate((lines[:, :own], lines[:, -piece.beyond :]), axis=1)


def narrow(plan: Plan, piece: Piece) -> Plan:
    """The plan of a piece."""
    what = plan.what.from_column(piece.start - piece.left) if isinstance(plan.what, Filter) else plan.what
    return resized(plan._replace(what=what), (*plan.view[:3], piece.cols, plan.view[4]))


def resized(plan: Plan, view: tuple[int, int, int, int, int]) -> Plan:
    """The plan for images of another shape."""
    return plan._replace(view=view, work=plan.work * math.prod(view) / math.prod(plan.view))
