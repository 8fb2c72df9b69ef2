"""Fit the constants of `fastsep/_plan/cost_model.py` on this machine.

    python -m benchmarks.calibrate [--rounds N]

Runs plans of every strategy on one thread, over images of several sizes and dtypes, and fits the
constants to the times by least squares of the relative errors, none below zero. Prints them as they
stand there, and how far each kind of plan is off. Everything is measured round by round,
so that what else the machine does meets all.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import nnls

from benchmarks._timing import Array, measure
from fastsep._engine import execution
from fastsep._plan import cost_model
from fastsep._plan.plan import Plan
from fastsep._plan.planner import prepare
from fastsep._plan.spec import Dense, Filter, Fourier, Line, Separable, Term

PLANES = ((96, 200), (270, 480), (1080, 1920), (2160, 3840))
VOLUME = (40, 120, 160)

#: Which constants are fitted to which families of cases.
FITTED = {
    "direct": ("CALL", "DENSE_VECTOR", "DENSE_RUN", "DENSE_TAP"),
    "lines terms volume": (
        "FIR_VECTOR", "FIR_TERM", "FIR_VOLUME", "FIR_TAP", "FIR_PAIR", "SWEEP_TAP",
    ),
    "fft": ("FFT_BLOCK", "FFT_UNIT"),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    family: str
    plan: Plan
    image: Array


def lines(length: int, kind: str, count: int) -> list[Line]:
    rng = np.random.default_rng(length)
    found = []
    for _ in range(count):
        taps = rng.random(length) + 0.1
        if kind == "even":
            taps += taps[::-1]
        found.append(Line(tuple((taps / taps.sum()).tolist()), length // 2))
    return found


def separable(length: int, kind: str, terms: int, ndim: int) -> Filter:
    return Separable(tuple(Term(tuple(lines(length, kind, ndim))) for _ in range(terms)))


def case(family: str, what: Filter, shape: tuple[int, ...], dtype: str) -> Case:
    image = np.random.default_rng(0).random(shape, dtype=np.float32).astype(dtype)
    plan = prepare(
        what, shape, image.dtype, image.dtype, first=0, modes=("reflect",) * len(shape), cval=0.0, scale=1.0,
    )  # fmt: skip
    return Case(family, plan, image)


def cases() -> Iterator[Case]:
    rng = np.random.default_rng(1)
    for shape in PLANES:
        for dtype in ("float32", "float64"):
            for length in (3, 7, 15, 31):
                yield case("direct", Dense(rng.random((length, length)), (length // 2,) * 2), shape, dtype)
                for kind in ("any", "even"):
                    yield case("lines", separable(length, kind, 1, 2), shape, dtype)
                    yield case("terms", separable(length, kind, 4, 2), shape, dtype)
            # One tap in a row and column, so that every run is one tap.
            yield case("direct", Dense(np.eye(15), (7, 7)), shape, dtype)
            for length in (7, 31, 63):
                yield case("fft", Fourier(rng.random((length, length)), (length // 2,) * 2), shape, dtype)
    for dtype in ("float32", "float64"):
        for length in (3, 5, 9):
            yield case("volume", separable(length, "any", 1, 3), VOLUME, dtype)
            yield case("volume", separable(length, "any", 3, 3), VOLUME, dtype)
            yield case("direct", Dense(rng.random((length,) * 3), (length // 2,) * 3), VOLUME, dtype)
            yield case("fft", Fourier(rng.random((length,) * 3), (length // 2,) * 3), VOLUME, dtype)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    options = parser.parse_args()
    found = list(cases())
    calls = []
    for each in found:
        calls.append(partial(execution.Runner(each.plan).run, each.image, np.empty_like(each.image), 1))
    times = np.array([1e9 * statistics.median(samples) for samples in measure(calls, options.rounds)])

    names = list(cost_model.CONSTANTS)
    constants = dict(cost_model.CONSTANTS)
    for family, members in FITTED.items():
        rows = np.array([each.family in family.split() for each in found])
        columns = [names.index(name) for name in members]
        counts = np.array([[cost_model.counts(each.plan).get(name, 0.0) for name in names] for each in found])
        matrix, measured = counts[rows], times[rows]
        fixed = matrix @ [0.0 if name in members else constants[name] for name in names]
        fitted, _ = nnls(matrix[:, columns] / measured[:, None], 1 - fixed / measured)
        for name, value in zip(members, fitted, strict=True):
            constants[name] = float(value)
            print(f"{name} = {value:.4g}")
        off = (matrix[:, columns] @ fitted + fixed) / measured
        print(f"  {family}: estimated / measured {off.min():.2f} .. {off.max():.2f}, median {np.median(off):.2f}")
        for each, ratio, time in zip([e for e in found if e.family in family.split()], off, measured, strict=True):
            if not 0.7 < ratio < 1.4:
                name = f"{each.family} {each.plan.kernel} {each.plan.shape}"
                print(f"    {ratio:.2f} of {time / 1e6:.3f} ms: {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
