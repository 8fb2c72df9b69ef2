"""What a plan costs, in nanoseconds on one thread: arithmetic on a plan, no pixels and no clock.

A cost is a sum of counts, such as vectors of results times taps, each times a constant. Only the
ratios of the constants matter: the cheapest of several plans is wanted, not a time.

Costs are those on a CPU with AVX-512, wherever they are asked for: ways differ in how they round, and
every CPU is to take the same one. (With AVX2, kernels of 19 x 19 to 23 x 23 taps without few terms would
be transformed sooner: measured, they take 1.2 to 1.5 times as long tap by tap.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from fastsep._kernels.arguments import BOX_GROUP
from fastsep._plan.differences import is_antisymmetric, is_symmetric
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Dense, Separable, Strided

#: Nanoseconds for one of each, fitted by `python -m benchmarks.calibrate` on one core of an AMD EPYC of the Zen 4 and
#: of one of the Zen 5 kind (AVX-512 at half and at full rate): the geometric means of both. With
#: constants of the same CPU, estimates are 0.7 to 1.2 times what was measured for dense kernels and transforms, 0.5 to
#: 1.4 times for lines. BOX_VECTOR, FINITE, MIX, SCATTER and ROW_TAP are not fitted but taken from a few runs.
CONSTANTS = {
    "CALL": 2100.0,
    # For a vector of results by lines: to read, transpose, write; more for each of several terms, which
    # are summed in memory, and in a volume; a tap; two taps that are equal or negated.
    "FIR_VECTOR": 3.0,
    "FIR_TERM": 2.0,
    "FIR_VOLUME": 2.2,
    "FIR_TAP": 0.181,
    "FIR_PAIR": 0.263,
    "SWEEP_TAP": 0.188,
    "BOX_VECTOR": 6.0,
    # For a vector of results tap by tap: to read and write; a stretch of taps in a column; a tap.
    "DENSE_VECTOR": 1.43,
    "DENSE_RUN": 0.55,
    "DENSE_TAP": 0.171,
    # A tap of rows that are sums of rows, for a vector.
    "ROW_TAP": 0.4,
    # To look for NaN and infinity, a value.
    "FINITE": 0.11,
    # For a bank: a multiply-add of the mix, for a vector; a value that is copied into its place.
    "MIX": 0.22,
    "SCATTER": 0.9,
    # For a Fourier transform: a block, and a unit of `fft_tiles.work_of` in float32.
    "FFT_BLOCK": 76_000.0,
    "FFT_UNIT": 0.197,
}

#: Rows that a tile of dense correlation computes together with AVX-512 (`jit.dense_height`).
DENSE_ROWS = 8


def nanoseconds(plan: Plan) -> float:
    """About how long the plan takes on one thread."""
    return sum(CONSTANTS[name] * count for name, count in counts(plan).items())


def counts(plan: Plan) -> dict[str, float]:
    """How many of what each constant stands for."""
    return COUNTS.get(plan.strategy, _of_sweep)(plan)


def _of_passes(plan: Plan) -> dict[str, float]:
    total: Counter[str] = Counter()
    for piece in (piece for pieces in plan.passes for piece in pieces):
        total.update(counts(piece))
    return dict(total)


def _of_transforms(plan: Plan) -> dict[str, float]:
    assert plan.blocks is not None
    return {"FFT_BLOCK": plan.blocks.count, "FFT_UNIT": plan.work}


def lanes(dtype: np.dtype[Any]) -> int:
    """Values of a vector of AVX-512."""
    return 64 // dtype.itemsize


def _vectors(plan: Plan, height: int) -> int:
    """Vectors of results, in blocks of so many rows."""
    planes, depth, rows, cols, channels = plan.view
    return -(-cols * channels // lanes(plan.acc)) * planes * depth * -(-rows // height) * height


def _of_dense(plan: Plan) -> dict[str, float]:
    assert isinstance(plan.what, Dense)
    vectors = _vectors(plan, DENSE_ROWS)
    used = plan.what.kernel != 0
    runs = np.count_nonzero(np.diff(used.astype(np.int8), axis=1, prepend=0) > 0)
    taps = np.count_nonzero(used)
    return {
        "CALL": 1,
        "DENSE_VECTOR": vectors,
        "DENSE_RUN": float(vectors * runs),
        "DENSE_TAP": float(vectors * taps),
    }


def _of_sweep(plan: Plan) -> dict[str, float]:
    return {"CALL": 1, "SWEEP_TAP": plan.work / lanes(plan.acc)}


def _of_box(plan: Plan) -> dict[str, float]:
    return {"CALL": 1, "BOX_VECTOR": _vectors(plan, BOX_GROUP // plan.acc.itemsize)}


def _of_rows(plan: Plan) -> dict[str, float]:
    return {"CALL": 1, "ROW_TAP": plan.work / lanes(plan.acc)}


def _of_strided(plan: Plan) -> dict[str, float]:
    assert isinstance(plan.what, Strided)
    vectors = _vectors(plan, lanes(plan.acc))
    # All columns that are read are filtered down, also those that do not stay.
    down = vectors * plan.what.strides[1]
    counted = Counter[str]({"CALL": 1, "FIR_VECTOR": (down + vectors) / 2})
    for line, count in ((plan.what.y, down), (plan.what.x, vectors)):
        paired = len(line.taps) // 2 if is_symmetric(line) or is_antisymmetric(line) else 0
        counted["FIR_PAIR"] += paired * count
        counted["FIR_TAP"] += (len(line.taps) - 2 * paired) * count
    return dict(counted)


def _of_lines(plan: Plan) -> dict[str, float]:
    assert isinstance(plan.what, Separable)
    vectors, terms = _vectors(plan, lanes(plan.acc)), plan.what.terms
    lines = [line or IDENTITY for term in terms for line in term.lines[1:]]
    lines += [line for line in {term.lines[0] for term in terms} if line is not None]  # once for all terms
    pairs = sum(len(line.taps) // 2 for line in lines if (is_symmetric(line) or is_antisymmetric(line)))
    single = sum(len(line.taps) for line in lines) - 2 * pairs
    return {
        "CALL": 1,
        "FIR_VECTOR": vectors,
        "FIR_TERM": vectors * len(terms) if plan.kernel[1].endswith("terms") else 0,
        "FIR_VOLUME": vectors if plan.view[1] > 1 else 0,
        "FIR_TAP": vectors * single,
        "FIR_PAIR": vectors * pairs,
    }


#: By strategy. All others, the steps of pipelines, are counted as sweeps, which is a rough guess.
COUNTS: dict[str, Callable[[Plan], dict[str, float]]] = {
    "passes": _of_passes,
    "fft": _of_transforms,
    "dense": _of_dense,
    "box": _of_box,
    "fir": _of_lines,
    "polyphase": _of_rows,
    "strided": _of_strided,
}
