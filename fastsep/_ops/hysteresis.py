"""Tracks edges by hysteresis, in place: which weak pixels are connected to a strong one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from fastsep._call import BOOL, DECISION, Operation, PerPixel, Program, Request, apply, takes_wrappers
from fastsep._engine import bands as _bands
from fastsep._engine import execution, memory
from fastsep._engine.caches import MIB, emptied_by, remembered
from fastsep._engine.memory import address_of
from fastsep._kernels import arguments as at
from fastsep._kernels import jit
from fastsep._plan import description, tuning
from fastsep._plan.description import Description
from fastsep._plan.spec import Halo
from fastsep._validation import arrays
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame


class _Kernel:
    def __init__(self, *key: str) -> None:
        self.address = jit.kernel(*key)
        self.first_band: Callable[..., int] = jit.FIRST_BAND(self.address)


@cache
def _kernel(*key: str) -> _Kernel:
    return _Kernel(*key)


emptied_by(_kernel.cache_clear)


def track(codes: Array, diagonal: bool, workers: int | None) -> None:
    """Make 1 of every STRONG byte and of every WEAK one that is connected to it, 0 of all others.

    `codes` is C-contiguous and zero at its border. `diagonal`: pixels are neighbours at corners, too.
    """
    _tracker(codes.shape, diagonal).run(codes, workers)


class _Tracker:
    """The tracking of edges in arrays of one shape."""

    def __init__(self, shape: tuple[int, ...], diagonal: bool) -> None:
        lines, reach = neighbour_lines(shape, diagonal)
        self.lines = np.array(lines, np.int64)
        self.rows, pixels = shape[0], math.prod(shape[1:])
        self.work = tuning.PIXEL_WORK * self.rows * pixels
        self.worth = min(_bands.bands_worth(self.work), self.rows)
        self.kernel = _kernel("hysteresis")
        self.words = np.zeros(at.Hysteresis.length, np.int64)
        args = at.Hysteresis(self.words)
        args.dst_row, args.rows = pixels, self.rows
        args.lines, args.line_count, args.reach = address_of(self.lines), len(lines), reach
        args.furthest = max(map(abs, lines), default=0) + reach

    def run(self, codes: Array, workers: int | None) -> None:
        threads = min(_bands.threads_for(self.work, workers), self.rows)
        bands = _bands.bands_of(threads, self.worth)
        workspace = memory.take_workspace(_STACK + (threads - 1) * _STRIDE)
        word = workspace.word
        if workspace.filled_by is not self:
            workspace.words[: len(self.words)] = self.words
            word[at.SCRATCH] = workspace.scratch
            workspace.filled_by = self
        word[at.DST], word[_STEP] = address_of(codes), at.SEARCH
        searched = _bands.launch(self.kernel, workspace, threads, bands, _STRIDE)
        if searched > 1:
            word[_STEP], word[_SEARCHED] = at.JOIN, searched
            _bands.launch(self.kernel, workspace, 1, 1, 0)
        word[_STEP] = at.BOOLS
        _bands.launch(self.kernel, workspace, threads, bands, _STRIDE)
        memory.give_back(workspace)


_STEP, _SEARCHED = at.Hysteresis.step, at.Hysteresis.searched  # numbers of words: setting them is part of small calls
_STACK = 8 * at.STACK_WORDS
_STRIDE = memory.BLOCK_BYTES + _STACK
_tracker = remembered(MIB, 64)(_Tracker)


def neighbour_lines(shape: Sequence[int], diagonal: bool) -> tuple[list[int], int]:
    """Distances of the lines next to a pixel's own in an array of `shape`, and how far along them neighbours lie."""
    lines = [0]
    straight = []
    stride = shape[-1]
    for size in reversed(shape[:-1]):
        straight += [stride, -stride]
        lines = [line + step for line in lines for step in (-stride, 0, stride)]
        stride *= size
    return ([line for line in lines if line], 1) if diagonal else (straight, 0)


@takes_wrappers
def thresholded(image: Any, low: Any, high: Any, out: Any, workers: Any) -> Array:
    """`edges.apply_hysteresis_threshold`."""
    image = arrays.as_image(image)
    for name, value in (("low", low), ("high", high)):
        arrays.check_threshold(name, value, image.shape)
    limits = (value if isinstance(value, int | float | np.generic) else PerPixel(value) for value in (low, high))
    parameters = (*limits, type(low), type(high))
    return apply(hysteresis, parameters, image, "reflect", 0.0, None, DECISION, None, out, workers)


def hysteresis(frame: Frame, low: Any, high: Any, *kinds: type) -> Operation:
    """Pixels above `high`, and those above `low` that are connected to one of them by sides that they share.

    `kinds`: the types of both, parts of the key of remembered calls. Equal numbers may be compared in different ways.
    """
    low, high = (limit.values[0] if isinstance(limit, PerPixel) else limit for limit in (low, high))
    return Operation(partial(HysteresisProgram, low, high))


class Tracking(Program):
    """An operation that tells strong and weak pixels apart, and follows edges from the strong ones."""

    local = False  # but what `classify` finds is
    diagonal: bool  # pixels are neighbours at corners, too
    use_quantiles = False  # what is strong depends on all pixels

    def classify(self, image: Array, codes: Array, workers: int | None) -> None:
        """Fill in WEAK, STRONG or 0 for each pixel."""
        raise NotImplementedError


class HysteresisProgram(Tracking):
    """Hysteresis for images of one shape and dtype."""

    diagonal = False

    @property
    def halo(self) -> Halo:
        return ((0, 0),) * len(self.shape)

    def __init__(self, low: Any, high: Any, request: Request) -> None:
        super().__init__(request)
        self.source, self.target, self.dtype = None, BOOL, request.frame.dtype
        self.high = high
        # Of Python's integers np.minimum takes those of int64 only; np.clip, which takes 5 us longer, all.
        self.lower = np.clip(low, None, high) if int in (type(low), type(high)) else np.minimum(low, high)

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        # An axis before the first: bands are cut along it, and no line may run from band to band.
        shape = image.shape if image.ndim > 1 else (1, image.size)
        codes = np.zeros([size + 2 for size in shape], np.uint8)
        inside = codes[(slice(1, -1),) * len(shape)]
        self.classify(image.reshape(shape), inside, workers)
        track(codes, False, workers)
        outs[0][...] = inside.view(BOOL).reshape(image.shape)

    @np.errstate(all="ignore")
    def classify(self, image: Array, codes: Array, workers: int | None) -> None:
        _classify(image, self.lower, self.high, codes, workers)

    def describe(self) -> Description:
        stages = [description.Stage("both thresholds"), description.Stage("hysteresis")]
        notes = ["a pixel may depend on any other: edges are followed as far as they go"]
        return description.of_stages("along the edges", self.dtype, stages, False, notes)


def _classify(image: Array, low: Any, high: Any, codes: Array, workers: int | None) -> None:
    """WEAK above `low`, STRONG above both."""
    dtype = image.dtype
    single = np.ndim(low) == 0 and np.ndim(high) == 0
    lanes = execution.vector_bytes() // dtype.itemsize
    if not (single and dtype in (np.float32, np.float64) and image.ndim == 2 and image.shape[1] >= lanes):
        codes[...] = image > low
        strong = image > high
        strong &= codes.view(np.bool_)
        codes += strong  # WEAK and STRONG are 1 and 2
        return
    # A Python number is compared as a value of the image's dtype, a NumPy one as what it is.
    limits = np.array(
        [_at_most(value, dtype) if isinstance(value, np.generic) else value for value in (low, high)], dtype
    )
    image = np.ascontiguousarray(image)
    workspace = memory.take_workspace(0)
    workspace.filled_by = None
    args = at.Threshold(workspace.word)
    args.src, args.src_row = address_of(image), image.strides[0]
    args.dst, args.dst_row = codes.ctypes.data, codes.strides[0]
    (args.rows, args.cols), args.limits, args.grain = image.shape, limits.ctypes.data, 1
    work = tuning.PIXEL_WORK * image.size
    threads = min(_bands.threads_for(work, workers), image.shape[0])
    bands = _bands.bands_of(threads, min(_bands.bands_worth(work), image.shape[0]))
    _bands.launch(_kernel("threshold", dtype.name), workspace, threads, bands, 0)
    memory.give_back(workspace)


def _at_most(value: Any, dtype: np.dtype[Any]) -> Any:
    """The largest number of a float dtype that is not above `value`: the same numbers of it are above both."""
    with np.errstate(over="ignore"):
        near = dtype.type(value)
    return near if not near > value else np.nextafter(near, dtype.type(-np.inf))
