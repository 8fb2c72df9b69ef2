"""fastsep beside OpenCV, scikit-image, SciPy and a plain copy: one table, losses included.

    python -m benchmarks.separable [--only TEXT] [--rounds N] [--json FILE] [--pool]

Every cell runs with one thread and with two, on both sides (scikit-image, SciPy and np.copyto
always use one). Results are preallocated wherever the library allows it. Before a cell is timed,
its results must agree within the tolerance written beside it. The contenders take turns within one
process; each turn begins with 60 ms of the same call, because a core that slept wakes too slowly
for a short measurement. Ratios are other / fastsep, of the medians of all samples.
"""

from __future__ import annotations

from benchmarks._timing import ENVIRONMENT, Array, Call, measure, multiply_adds  # before all that loads OpenMP

# isort: split

import argparse
import json
import os
import pathlib
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import scipy
import scipy.ndimage as ndi
import skimage
import skimage.filters

import fastsep
from fastsep._kernels import jit

REFLECT = cv2.BORDER_REFLECT
UHD, FULL_HD = (2160, 3840), (1080, 1920)


@dataclass(frozen=True)
class Rival:
    name: str
    call: Call
    targets: Mapping[int, float | None]  # threads -> ratio aimed at; None: measured, nothing aimed at
    tolerance: float | None = None  # largest difference from fastsep's result; None: nothing to compare
    scale: float = 1.0  # multiplies the rival's time: where its work is smaller or larger than ours


@dataclass(frozen=True)
class Case:
    ours: Callable[[int], Any]  # takes the number of threads
    rivals: tuple[Rival, ...]


def image(shape: tuple[int, ...], dtype: str) -> Array:
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return (values * np.iinfo(dtype).max).astype(dtype)


def gaussian(
    shape: tuple[int, ...],
    dtype: str,
    sigma: float,
    targets: Mapping[int, float | None],
    tolerance: float,
    extra: Callable[[Array], tuple[Rival, ...]] = lambda x: (),
) -> Case:
    """Result in the image's own dtype, against OpenCV with as many taps as truncate=4 gives."""
    x = image(shape, dtype)
    mine, theirs = np.empty_like(x), np.empty_like(x)
    size = 2 * int(4 * sigma + 0.5) + 1
    channel_axis = -1 if x.ndim == 3 else None

    def ours(workers: int) -> Any:
        return fastsep.gaussian(
            x,
            sigma,
            mode="reflect",
            channel_axis=channel_axis,
            dtype=x.dtype,
            out=mine,
            workers=workers,
        )

    def opencv() -> Any:
        return cv2.GaussianBlur(x, (size, size), sigma, theirs, sigma, REFLECT)

    return Case(ours, (Rival("OpenCV", opencv, targets, tolerance), *extra(x)))


def copy(x: Array, target: float) -> tuple[Rival, ...]:
    return (Rival("np.copyto", partial(np.copyto, np.empty_like(x), x), {1: target}),)


def fma_limit(x: Array, length: int) -> tuple[Rival, ...]:
    """The multiply-adds of two passes of `length` taps, with no memory in the way."""
    chains, vector = 16, jit.target().vector_bytes // 4  # 16 chains hide the latency of each
    turns = 2 * length * x.size // (chains * vector)
    run = multiply_adds(chains, vector)
    return (Rival("FMA limit", lambda: run(turns), {1: 1.0}),)


def width_3840(sigma: float) -> Callable[[Array], tuple[Rival, ...]]:
    """The same rows at a width that is no power of two, scaled to as many pixels."""

    def rivals(x: Array) -> tuple[Rival, ...]:
        narrow = np.ascontiguousarray(x[:, :3840])
        out = np.empty_like(narrow)
        call = partial(fastsep.gaussian, narrow, sigma, mode="reflect", out=out, workers=1)
        return (Rival("width 3840", call, {1: 0.95}, None, x.shape[1] / 3840),)

    return rivals


def defaults(name: str, *args: float, preallocated: bool = True) -> Case:
    """A uint8 image and no option: a float64 result, as scikit-image gives it."""
    x = image(UHD, "uint8")
    filter_, reference = getattr(fastsep, name), getattr(skimage.filters, name)
    mine = {"out": np.empty(UHD)} if preallocated else {}
    # scikit-image's edge operators have no `out`.
    theirs = {"out": np.empty(UHD)} if preallocated and name == "gaussian" else {}
    targets: Mapping[int, float | None] = {1: 20, 2: 35} if preallocated else {1: None, 2: None}
    return Case(
        lambda workers: filter_(x, *args, workers=workers, **mine),
        (Rival("scikit-image", lambda: reference(x, *args, **theirs), targets, 1e-12),),
    )


def sobel_magnitude() -> Case:
    x = image(UHD, "float32")
    mine, dy, dx, theirs = (np.empty_like(x) for _ in range(4))
    scale = 1 / np.sqrt(32)  # smoothing (1, 2, 1) / 4 across, and the mean of two squares

    def opencv() -> Any:
        cv2.Sobel(x, cv2.CV_32F, 1, 0, dx, 3, scale, 0, REFLECT)
        cv2.Sobel(x, cv2.CV_32F, 0, 1, dy, 3, scale, 0, REFLECT)
        return cv2.magnitude(dx, dy, theirs)

    return Case(
        lambda workers: fastsep.sobel(x, out=mine, workers=workers),
        (
            Rival("OpenCV", opencv, {1: 4.5, 2: 6}, 2e-6),
            Rival("scikit-image", lambda: skimage.filters.sobel(x), {1: 80, 2: None}, 2e-6),
            *copy(x, 1 / 1.4),
        ),
    )


def sobel_x() -> Case:
    x = image(UHD, "uint8")
    mine, theirs = np.empty(UHD, np.int16), np.empty(UHD, np.int16)
    taps = [np.array([1, 2, 1]), np.array([-1, 0, 1])]

    def ours(workers: int) -> Any:
        return fastsep.separable_filter(x, taps, mode="reflect", dtype=np.int16, out=mine, workers=workers)

    def opencv() -> Any:
        return cv2.Sobel(x, cv2.CV_16S, 1, 0, theirs, 3, 1, 0, REFLECT)

    return Case(ours, (Rival("OpenCV", opencv, {1: 2.5, 2: 4}, 0),))


def box(size: int, one: float, two: float) -> Case:
    x = image(UHD, "float32")
    mine, theirs = np.empty_like(x), np.empty_like(x)
    return Case(
        lambda workers: fastsep.box(x, size, mode="reflect", out=mine, workers=workers),
        (
            Rival(
                "OpenCV",
                lambda: cv2.blur(x, (size, size), theirs, (-1, -1), REFLECT),
                {1: one, 2: two},
                2e-6,
            ),
        ),
    )


def any_taps(length: int, one: float, two: float) -> Case:
    x = image(UHD, "float32")
    mine, theirs = np.empty_like(x), np.empty_like(x)
    rows, columns = np.random.default_rng(1).random((2, length), dtype=np.float32) / length

    def ours(workers: int) -> Any:
        return fastsep.separable_filter(x, [rows, columns], mode="reflect", out=mine, workers=workers)

    def opencv() -> Any:
        return cv2.sepFilter2D(x, -1, columns, rows, theirs, (-1, -1), 0, REFLECT)

    return Case(ours, (Rival("OpenCV", opencv, {1: one, 2: two}, 2e-6),))


def volume() -> Case:
    x = image((256, 256, 256), "float32")
    mine, theirs = np.empty_like(x), np.empty_like(x)

    def ours(workers: int) -> Any:
        return fastsep.gaussian(x, 2, mode="reflect", out=mine, workers=workers)

    def reference() -> Any:
        ndi.gaussian_filter(x, 2, mode="reflect", output=theirs)
        return theirs

    return Case(ours, (Rival("SciPy", reference, {1: 25, 2: 40}, 2e-6),))


# Tolerances. float32 and float64, pixels in [0, 1): the rounding of some 160 operations. Integers:
# OpenCV works in fixed point with rounded taps, and is off by two grey levels in a few pixels.
CELLS: dict[str, Callable[[], Case]] = {
    "gaussian float32 sigma 1": lambda: gaussian(UHD, "float32", 1, {1: 2.3, 2: 2.8}, 2e-6, lambda x: copy(x, 0.5)),
    "gaussian float32 sigma 2": lambda: gaussian(UHD, "float32", 2, {1: 2.9, 2: 2.8}, 2e-6),
    "gaussian float32 sigma 5": lambda: gaussian(UHD, "float32", 5, {1: 4.5, 2: 4.7}, 2e-6),
    "gaussian float32 sigma 10": lambda: gaussian(UHD, "float32", 10, {1: 8, 2: 8}, 2e-6, lambda x: fma_limit(x, 81)),
    "gaussian uint8 sigma 1": lambda: gaussian(UHD, "uint8", 1, {1: 2.1, 2: 2.1}, 2),
    "gaussian uint8 sigma 2": lambda: gaussian(UHD, "uint8", 2, {1: 3, 2: 3}, 2),
    "gaussian uint8 sigma 5": lambda: gaussian(UHD, "uint8", 5, {1: 4.7, 2: 4.7}, 2),
    "gaussian uint16 sigma 2": lambda: gaussian(UHD, "uint16", 2, {1: 6, 2: 6}, 2),
    "gaussian float64 sigma 2": lambda: gaussian(UHD, "float64", 2, {1: 3.3, 2: 3.5}, 1e-12),
    "gaussian RGB uint8 sigma 2, 1080p": lambda: gaussian((*FULL_HD, 3), "uint8", 2, {1: 2.4, 2: 2.4}, 2),
    "gaussian RGB float32 sigma 2, 1080p": lambda: gaussian((*FULL_HD, 3), "float32", 2, {1: 2.4, 2: 2.4}, 2e-6),
    "uint8 defaults: gaussian sigma 1": lambda: defaults("gaussian", 1),
    "uint8 defaults: gaussian sigma 2": lambda: defaults("gaussian", 2),
    "uint8 defaults: sobel": lambda: defaults("sobel"),
    "uint8 defaults: gaussian sigma 1, new result": lambda: defaults("gaussian", 1, preallocated=False),
    "uint8 defaults: sobel, new result": lambda: defaults("sobel", preallocated=False),
    "sobel float32": sobel_magnitude,
    "sobel-x uint8 to int16": sobel_x,
    "box float32 size 5": lambda: box(5, 1.5, 2.5),
    "box float32 size 21": lambda: box(21, 2.4, 4.8),
    "box float32 size 101": lambda: box(101, 2.4, 2.4),
    "any taps float32, length 17": lambda: any_taps(17, 3.5, 4),
    "any taps float32, length 81": lambda: any_taps(81, 11, 11),
    "gaussian float32 sigma 1, 64x64": lambda: gaussian((64, 64), "float32", 1, {1: 3}, 2e-6),
    "gaussian float32 sigma 2, 256^3": volume,
    "gaussian float32 sigma 10, width 4096": lambda: gaussian(
        (2160, 4096), "float32", 10, {1: 10, 2: None}, 2e-6, width_3840(10)
    ),
}


def check(case: Case) -> None:
    """Refuse to time libraries that do not compute the same thing."""
    for rival in case.rivals:
        if rival.tolerance is None:
            continue
        mine, theirs = case.ours(1), rival.call()
        assert mine.dtype == theirs.dtype, f"{rival.name} gives {theirs.dtype}, not {mine.dtype}"
        gap = float(np.abs(np.subtract(mine, theirs, dtype=np.float64)).max())
        assert gap <= rival.tolerance, f"{rival.name} differs by {gap:.3g}, tolerated {rival.tolerance}"


def wrapper(rounds: int) -> dict[str, Any]:
    """What Python adds to the kernel on a 64x64 image: the whole call less the kernel."""
    from fastsep import _plan, _run

    x = image((64, 64), "float32")
    out = np.empty_like(x)
    taps = np.exp(-0.5 * np.arange(-4, 5) ** 2.0)
    line = _plan.Line(tuple((taps / taps.sum()).tolist()), 4)
    what = _plan.Separable((_plan.Term((line, line)),))
    modes = ("reflect", "reflect")
    plan = _plan.prepare(
        what, x.shape, x.dtype, x.dtype, first=0, modes=modes, cval=0.0, scale=1.0, vector_bytes=_run.vector_bytes()
    )
    whole = partial(fastsep.gaussian, x, 1, mode="reflect", out=out, workers=1)
    # The kernel alone: the same band function on an argument block that is filled in already.
    ready = _run._Ready(plan)
    blocks: list[Any] = []
    give_back = _run.give_back
    _run.give_back = blocks.append  # type: ignore[assignment]
    ready.run(x, out, 1)
    _run.give_back = give_back
    kernel = partial(ready.band, _run.UNUSED, _run.UNUSED, blocks[0].address, 0)
    call, alone = (1e6 * statistics.median(times) for times in measure([whole, kernel], rounds))
    verdict = "ok" if call - alone < 3 else "SHORT"
    print(f"  wrapper: call {call:.2f} us - kernel {alone:.2f} us = {call - alone:.2f} us, target < 3 us: {verdict}")
    return {"call": call, "kernel": alone}


def header() -> dict[str, str]:
    report = dict(fastsep.show_config())
    versions = {"opencv": cv2.__version__, "scikit-image": skimage.__version__}
    report |= versions | {"scipy": scipy.__version__, "system": platform.platform()}
    report["cores"] = str(os.cpu_count())
    if hasattr(os, "getloadavg"):
        report["load"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    report["environment"] = " ".join(f"{name}={os.environ[name]}" for name in ENVIRONMENT)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="cells whose name contains TEXT")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--pool", action="store_true", help="do not load Numba's threads beforehand")
    options = parser.parse_args()
    cells = {name: setup for name, setup in CELLS.items() if options.only in name}
    if not cells:
        parser.error(f"no cell contains {options.only!r}; there are: {'; '.join(CELLS)}")

    if not options.pool:
        import numba  # noqa: F401 - a process that has Numba runs on its threads, whatever the cache held
    fastsep.gaussian(image((512, 512), "float32"), workers=2)  # the layer is known after a parallel call
    about = header()
    for key, text in about.items():
        print(f"{key:16} {text}")
    columns = f"{'cell':46} {'other':13} {'threads':>7} {'other ms':>10} {'fastsep ms':>10}"
    print(f"\n{columns} {'ratio':>7} {'target':>7}")

    rows = []
    short = wrong = 0
    for name, setup in cells.items():
        case = setup()
        try:
            check(case)
        except AssertionError as error:
            print(f"{name:46} NOT TIMED: {error}")
            wrong += 1
            continue
        for threads in (1, 2):
            rivals = [rival for rival in case.rivals if threads in rival.targets]
            if not rivals or threads > (os.cpu_count() or 1):
                continue
            cv2.setNumThreads(threads)
            calls: list[Call] = [partial(case.ours, threads), *(rival.call for rival in rivals)]
            mine, *others = measure(calls, options.rounds)
            for rival, theirs in zip(rivals, others, strict=True):
                row = result(name, threads, rival, mine, theirs)
                short += row["verdict"] == "SHORT"
                rows.append(row)
                print_row(row)
        if "64x64" in name:
            rows.append({"cell": "wrapper", **wrapper(options.rounds)})
    print(f"\n{short} cells short of their target, {wrong} not timed")
    if options.json:
        options.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    return 1 if wrong else 0


def result(cell: str, threads: int, rival: Rival, mine: list[float], theirs: list[float]) -> dict[str, Any]:
    other = rival.scale * statistics.median(theirs)
    ours = statistics.median(mine)
    target = rival.targets[threads]
    verdict = "" if target is None else "ok" if other / ours >= target else "SHORT"
    return {
        "cell": cell,
        "other": rival.name,
        "threads": threads,
        "other_ms": 1e3 * other,
        "fastsep_ms": 1e3 * ours,
        "other_quartiles_ms": [1e3 * rival.scale * q for q in quartiles(theirs)],
        "fastsep_quartiles_ms": [1e3 * q for q in quartiles(mine)],
        "ratio": other / ours,
        "target": target,
        "verdict": verdict,
    }


def quartiles(samples: list[float]) -> list[float]:
    return [float(q) for q in np.quantile(samples, (0.25, 0.75))]


def print_row(row: dict[str, Any]) -> None:
    target = "" if row["target"] is None else f"{row['target']:.2f}"
    print(
        f"{row['cell']:46} {row['other']:13} {row['threads']:7} {row['other_ms']:10.4f}"
        f" {row['fastsep_ms']:10.4f} {row['ratio']:7.2f} {target:>7} {row['verdict']}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
