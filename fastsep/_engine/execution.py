"""Runs plans: fills in the addresses and calls the kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from fastsep._engine.argument_writer import Block
from fastsep._engine.bands import bands_of, bands_worth, float32_work, launch, run_tasks, threads_for
from fastsep._engine.kernel_arguments import block
from fastsep._engine.long_rows import InPieces, InStretches, Runs
from fastsep._engine.memory import BLOCK_BYTES, address_of, give_back, maker, take_workspace
from fastsep._kernels import jit
from fastsep._kernels.arguments import BANDS, DST, SCRATCH, SRC, SRC_2, Head, Within
from fastsep._plan import dtypes, tuning
from fastsep._plan.pieces import narrow, pieces_of
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter
from fastsep._plan.stretches import stretches_of
from fastsep._validation.array_like import Array

#: Strategies whose kernels make any rows of a plane, and read rows of an image that lie as far apart as they are told.
BY_ROWS = frozenset(("fir", "sweep", "dense", "flat", "extremum"))
#: Rows of fewer values may be shorter than a vector.
LANES = 64
#: The largest finite values of floats, by their bytes.
_LARGEST = {4: float(np.finfo(np.float32).max), 8: float(np.finfo(np.float64).max)}


def vector_bytes() -> int:
    """Width of the vectors that kernels use on this CPU."""
    return jit.target().vector_bytes


class Runner:
    """A plan that runs on images of its shape and dtype; its kernel is loaded when it first does.

    It checks nothing: `_validation` has. No lock is held while it gets ready, which a fork would leave locked: threads
    that come at once may each make the same.
    """

    __slots__ = ("_loaded", "_make", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._make = maker(plan.shape, plan.dst)
        self._loaded: Runs | None = None

    def run(
        self, image: Array, out: Array | None, workers: int | None,
        others: Sequence[Array] = (), second: Array | None = None,
    ) -> Array:  # fmt: skip
        """Filter `image` into `out`, or a new array.

        Both are C-contiguous, aligned, native, and share no memory; so are `others`, the arrays for further results of
        a plan that has several, and `second`, a second image.
        """
        if out is None:
            out = self._make()
        loaded = self._loaded
        if loaded is None:
            loaded = self._loaded = _load(self.plan)
        loaded.run(image, out, workers, others, second)
        return out

    def by_rows(self) -> LoadedKernel | None:
        """The kernel, if it makes any rows of the result (see `LoadedKernel.run_rows`)."""
        plan = self.plan
        if (
            plan.strategy not in BY_ROWS
            or plan.view[:3] != (1, 1, plan.shape[0])
            or plan.view[3] * plan.view[4] < LANES
        ):
            return None
        if self._loaded is None:
            self._loaded = _load(plan)
        return self._loaded if isinstance(self._loaded, LoadedKernel) else None


def _load(plan: Plan) -> Runs:
    if plan.strategy == "passes":
        return _Passes(plan)
    if plan.strategy == "fft":
        from fastsep._engine.fft import Transform  # scipy.fft takes as long to import as all the rest

        return Transform(plan)
    stretches = stretches_of(plan)
    if stretches:
        return InStretches(plan, stretches, _whole)
    pieces = pieces_of(plan)
    if pieces:
        return InPieces(plan, plan.dst, pieces, lambda piece: _whole(narrow(plan, piece)))
    return _whole(plan)


def _whole(plan: Plan) -> LoadedKernel:
    made = block(plan)
    rows = math.prod(plan.view[:3])
    return LoadedKernel(plan.kernel, made, float32_work(plan.work, plan.acc), max(rows, 1), rows // made.least)


class LoadedKernel:
    """A kernel, loaded, with its argument block filled in."""

    __slots__ = ("address", "first_band", "made", "most", "scratch", "stride", "words", "work", "worth")

    def __init__(self, kernel: tuple[str, ...], made: Block, work: float, most: int, worth: int) -> None:
        """`most`: threads that find something to do; `worth`: bands that are long enough for their halo."""
        self.address = jit.kernel(*kernel)
        self.first_band: Callable[..., int] = jit.FIRST_BAND(self.address)
        self.made = made
        self.words = made.words
        self.scratch = made.scratch
        self.stride = BLOCK_BYTES + made.scratch
        self.work = work
        self.most = most
        self.worth = min(bands_worth(work), worth)

    def run(
        self, image: Array, out: Array, workers: int | None,
        others: Sequence[Array] = (), second: Array | None = None,
    ) -> None:  # fmt: skip
        """Filter `image`, and `second` if the kernel reads two, into `out`, and `others` if it has more results."""
        threads = threads_for(self.work, workers)
        if threads > self.most:
            threads = self.most
        workspace = take_workspace(self.scratch if threads == 1 else self.scratch + (threads - 1) * self.stride)
        word = workspace.word
        if workspace.filled_by is not self:
            workspace.words[: len(self.words)] = self.words
            word[SCRATCH] = workspace.scratch
            workspace.filled_by = self
        word[SRC] = address_of(image)
        word[DST] = address_of(out)
        if others:  # a loop over none takes 0.1 us
            for number, array in enumerate(others, start=DST + 1):
                word[number] = address_of(array)
        if second is not None:
            word[SRC_2] = address_of(second)
        if threads == 1:  # what `launch` would do; the way there takes a tenth of a small call
            word[BANDS] = 1
            self.first_band(*workspace.arguments)
        else:
            launch(self, workspace, threads, bands_of(threads, self.worth), self.stride)
        give_back(workspace)

    def run_rows(
        self, image: Array, out: Array, first: int, workers: int | None,
        least: int = 1, done: Callable[[int, int], None] | None = None,
    ) -> None:  # fmt: skip
        """Make rows `first`, `first` + 1 ... of the result of all of `image`: as many as `out` has, and nothing else.

        Each row of the image is C-contiguous; they may lie apart. They are made in so many bands at `least`; `done` is
        told the first row of one and that behind it when it is finished.
        """
        count = len(out)
        part = count / self.most
        threads = threads_for(self.work * part, workers)
        grain = int(Head(self.words).grain)
        grains = -(-count // grain)
        bands = min(max(least, 1 if threads == 1 else bands_of(threads, int(self.worth * part))), grains)
        source, apart = address_of(image), image.strides[0]
        target = address_of(out) - first * int(Head(self.words).dst_row)

        def band(index: int) -> None:
            workspace = take_workspace(self.scratch)
            workspace.words[: len(self.words)] = self.words
            workspace.filled_by = None
            args = Head(workspace.word)
            args.scratch, args.src, args.dst, args.src_row, args.bands = workspace.scratch, source, target, apart, 0
            start, stop = (min(grains * end // bands * grain, count) for end in (index, index + 1))
            args.first, args.last = first + start, first + stop
            self.first_band(*workspace.arguments)
            give_back(workspace)
            if done is not None:
                done(first + start, first + stop)

        run_tasks(band, bands, threads)


class _Look:
    """The kernel that looks for values beyond a limit."""

    def __init__(self, dtype: str) -> None:
        self.address = jit.kernel("within", dtype)
        self.first_band: Callable[..., int] = jit.FIRST_BAND(self.address)

    def run(self, image: Array, limit: float, threads: int) -> bool:
        """Whether no value is beyond it."""
        most = np.array([limit], image.dtype)
        bands = bands_of(threads, bands_worth(image.size))
        found = np.zeros(bands, np.int64)
        workspace = take_workspace(0)
        workspace.filled_by = None
        args = Within(workspace.word)
        args.src, args.dst = address_of(image), address_of(found)
        args.count, args.limit = image.size, address_of(most)
        launch(self, workspace, threads, bands, 0)
        give_back(workspace)
        return not found.any()


def is_within(image: Array, limit: float, workers: int | None) -> bool:
    """`dtypes.is_within` for C-contiguous images of a native type: large ones at the speed of memory."""
    if image.dtype.kind != "f":
        return dtypes.is_within(image, limit)
    if image.size < tuning.LOOKED_AT:
        values = image.reshape(-1)
        # A sum of squares up to the limit needs no second look: no value is larger than its root.
        with np.errstate(over="ignore", invalid="ignore"):
            return (limit >= 1.0 and float(np.dot(values, values)) <= limit) or dtypes.is_within(image, limit)
    most = min(limit, _LARGEST[image.dtype.itemsize])
    return _Look(image.dtype.name).run(image, most, threads_for(float(image.size), workers))


class _Passes:
    """Axis after axis through whole arrays, then the terms combined."""

    def __init__(self, plan: Plan) -> None:
        assert isinstance(plan.what, Filter)
        self.plan, self.terms = plan, [[Runner(each) for each in plans] for plans in plan.passes]
        self.magnitude, self.clip = plan.what.combine == "magnitude", plan.what.clip
        single = len(self.terms) == 1 and not self.magnitude and self.clip is None
        self.direct = single and plan.passes[0][-1].dst == plan.dst

    @np.errstate(all="ignore")
    def run(
        self, image: Array, out: Array, workers: int | None, others: Sequence[Array] = (), second: Array | None = None
    ) -> None:  # fmt: skip
        """Filter `image` into `out`."""
        total: Array | None = None
        for runners in self.terms:
            value = image
            for runner, following in pairwise(runners):
                # Another dtype is read only where a border does not fit the one of the results.
                value = runner.run(value, None, workers).astype(following.plan.src, copy=False)
            last = runners[-1]
            if self.direct:
                last.run(value, out.reshape(last.plan.shape), workers)
                return
            value = last.run(value, None, workers).reshape(self.plan.shape)
            if self.magnitude:
                np.multiply(value, value, out=value)
            total = value if total is None else np.add(total, value, out=total)
        assert total is not None
        if self.magnitude:
            np.sqrt(total, out=total)
        if self.clip is not None:
            np.clip(total, *self.clip, out=total)
        if self.plan.dst.kind != "f":
            total = dtypes.finish(total, self.plan.dst)
        np.copyto(out, total, casting="unsafe")
