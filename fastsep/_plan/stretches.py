"""Few long rows as images: stretches of a row, one behind the other, serve as rows.

So there is work for all lanes of the vectors and for all threads, with the scratch of a stretch. Each pixel keeps its
bits: its sum is that of the row filtered whole. Stretches of `Box`, which adds up groups of columns, are whole groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastsep._kernels import arguments as at
from fastsep._plan import tuning
from fastsep._plan.pieces import RANKED, UNCUT, reach, resized
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Separable


@dataclass(frozen=True, slots=True)
class Stretches:
    """One long row as an image, whose rows are stretches of it: `count` of `cols` pixels, the first from `start` on.

    Their kernel finds the neighbours of the first and last pixels of a stretch where they are. Only at the ends of the
    long row are borders: both ends, `ends` pixels each, are an image of two rows of their own, of whose results those
    near the border are wanted. The others are those of pixels that belong to stretches.

    Where rows go round, `beyond` pixels of the other end follow the first end and precede the last one (see `Piece`).
    """

    start: int
    cols: int
    count: int
    ends: int
    beyond: int


def stretches_of(plan: Plan) -> Stretches | None:
    """How the rows of an image are cut into stretches; None if they depend on each other, or if that would not pay."""
    rows, (cols, channels) = math.prod(plan.view[:3]), plan.view[3:]
    several = isinstance(plan.what, Separable) and plan.what.combine == "each"  # results
    # Kernels of volumes and of slopes filter rows of their own making, beside which there are no neighbours.
    made = plan.strategy == "fir" and plan.kernel[1].startswith(("volume", "plane slopes"))
    if plan.strategy in UNCUT or several or made or rows >= tuning.ROWS_APART:
        return None
    others, (left, right) = reach(plan)
    if others:
        return None
    # Stretches are whole cache lines, an odd number of them, for the reason of `odd_lines`; so are groups of boxes.
    unit = at.LINE // min(plan.src.itemsize, plan.acc.itemsize, plan.dst.itemsize)
    height = tuning.STRETCHES
    # On either side more than a cache line is left beside what the last taps reach: kernels load whole vectors. A
    # network of rows makes values that nobody wants of pixels up to another window's width further right.
    further = left + right if plan.kernel[1].startswith("rows ") else 0
    room = cols - 2 * (max(left, right) + further + 2 * unit)
    ranked = plan.strategy in RANKED
    shortest, longest = tuning.STRETCH_OF_RANKS if ranked else tuning.STRETCH
    usual = min(max(room // (height * tuning.BLOCKS_OF_STRETCHES), shortest), longest)
    most = min(max(usual // channels, tuning.MARGINS * (left + right)), room // height)
    least = max(most // 2, tuning.LEAST_STRETCH // channels, (left + right) // 2, 1)
    sizes = [lines * unit for lines in range(1 | (least - 1) // unit, most // unit + 1, 2)]
    if not sizes:
        return None
    # As few pixels as can be are left for the ends.
    count, size = max(((room // size // height * height, size) for size in reversed(sizes)), key=math.prod)
    start = (cols - count * size) // 2 // unit * unit
    ends = max(start + right, cols - (start + count * size) + left) + 1
    ends += (cols - ends) % unit
    if ends > start + count * size:  # what is wrong where an end is cut off would lie in the other one
        return None
    beyond = -(-max(left, right) // unit) * unit if plan.modes[2] == "wrap" else 0
    longest_row = tuning.LONGEST_ROW_OF_RANKS if ranked else tuning.LONGEST_ROW
    block = tuning.ROWS_OF_A_BLOCK.get(plan.strategy, height)
    whole, cut = -(-rows // block) * block * cols, rows * (cols + max(block, 2) * (ends + beyond))
    if whole * channels <= cut * channels + rows * tuning.STRETCH_CALLS and cols * channels < longest_row:
        return None
    return Stretches(start, size, count, ends, beyond)


def of_stretches(plan: Plan, cut: Stretches) -> tuple[Plan, Plan]:
    """The plan of the stretches of a long row and that of its ends."""
    channels = plan.view[4]
    return (
        resized(plan._replace(joined=True), (1, 1, cut.count, cut.cols, channels)),
        resized(plan, (1, 1, 2, cut.ends + cut.beyond, channels)),
    )
