"""Runs plans: allocates the result and scratch, cuts the work into bands, calls the kernels.

Bands run on a pool of threads. One lock lets one call at a time be parallel; whoever finds it taken
runs serially, so that many calling threads do not overload the machine. A forked child is always
serial, because threads do not survive a fork, and so is whoever calls when the interpreter ends.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from fastsep import _dtypes, _pieces
from fastsep._block import Block, block
from fastsep._caches import MIB, emptied_by
from fastsep._kernels import jit
from fastsep._kernels.blocks import (
    BANDS,
    BLOCK_WORDS,
    CLIP,
    COLS,
    DST,
    DST_2,
    LINE,
    SCRATCH,
    SCRATCH_BAND,
    SRC,
    SRC_2,
)
from fastsep._kernels.conv_words import CONV_WORDS
from fastsep._long_rows import InPieces
from fastsep._plan import Plan, Separable
from fastsep._pool import Pool

#: Multiply-adds of float32 that each thread is to have: where the helpers are awake, and where they have to be woken.
#: A thread does 30,000 to 80,000 of them a microsecond. Microseconds on one thread and on two, measured on two cores
#: (gaussian, sobel, box, canny, separable layers from 128x128 to 640x640): with a helper awake 8 and 10, 13 and 13,
#: 18 and 15, 44 and 28, 103 and 60; called once in 2 ms, so that it sleeps, 54 and 164, 93 and 210, 131 and 264,
#: 169 and 199, 204 and 185, 318 and 220.
SHARED_WORK = 500_000.0
WOKEN_WORK = 7_500_000.0
#: That of a call which lasts longer than helpers look for the next.
OUTLASTING_WORK = 3_000_000.0

#: Values of an image that are looked through by a kernel and not by NumPy, whose two passes take 0.1 ms here.
LOOKED_AT = 1 << 18
#: The largest finite values of floats, by their bytes.
_LARGEST = {4: float(np.finfo(np.float32).max), 8: float(np.finfo(np.float64).max)}
#: Results from this size on are worth the microsecond that aligning them takes.
ALIGNED_BYTES = 32 << 10
#: Bands beyond any use. Counted once: asking the system takes 5 us, more than the rest of a small call.
_MOST_BANDS = 4 * (os.cpu_count() or 1)

_threads: int | None = None
_forked = False
_taken_by_fork: list[Any] = []  # Numba's lock, or None, while a process forks
_pool = Pool(_MOST_BANDS)
#: Room for the argument block of any kernel.
WORDS = max(BLOCK_WORDS, CONV_WORDS)

_BYTES = np.dtype(np.uint8)

Array = np.ndarray[Any, np.dtype[Any]]


# --- memory --------------------------------------------------------------------------------------


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any], least: int = 0) -> Array:
    """A new array that begins on a cache line, if it has at least so many bytes."""
    size = math.prod(shape) * dtype.itemsize
    if size < least:
        return np.empty(shape, dtype)
    memory = np.empty(size + LINE, _BYTES)
    return np.ndarray(shape, dtype, memory, -address_of(memory) % LINE)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array for results.

    Large ones of NumPy begin 16 bytes behind a cache line, so that every vector crosses the next one: that costs
    box filters 20 %, small blurs 15 %, and layers of few channels 11 % (measured).
    """
    return aligned(shape, dtype, ALIGNED_BYTES)


class Workspace:
    """An argument block followed by scratch memory, on cache lines, kept for later calls."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.memory = aligned((size + 8 * WORDS + LINE,), _BYTES)
        self.address = address_of(self.memory)
        self.words = self.memory[: 8 * WORDS].view(np.int64)
        self.word = memoryview(self.words)  # type: ignore[arg-type]  # sets single words faster than the array does
        self.scratch = self.address + 8 * WORDS
        self.filled_by: object = None  # whose arguments are in the block


_free: list[Workspace] = []  # pop and append are atomic
#: More scratch than this is given back to the system.
_KEPT_BYTES = 16 * MIB
emptied_by(_free.clear)


def take_workspace(size: int) -> Workspace:
    try:
        found = _free.pop()
    except IndexError:
        return Workspace(size)
    return found if found.size >= size else Workspace(size)


def give_back(workspace: Workspace) -> None:
    if workspace.size <= _KEPT_BYTES and (
        not _free or (len(_free) < 16 and sum(kept.size for kept in _free) <= _KEPT_BYTES - workspace.size)
    ):
        _free.append(workspace)


# --- threads -------------------------------------------------------------------------------------


def get_num_threads() -> int:
    """Number of threads that a call uses unless `workers` says otherwise.

    That is what `set_num_threads` asked for; else FASTSEP_NUM_THREADS; else as many as the CPUs that this
    process may run on or its container's quota of CPU time allow, and OMP_NUM_THREADS and
    NUMBA_NUM_THREADS if they are set, whichever is fewest. One in a forked child.
    """
    global _threads
    if _forked:
        return 1
    if _threads is None:
        from fastsep import _cpus

        _threads = _cpus.threads()
    return _threads


def set_num_threads(count: int) -> None:
    """Set the number of threads that calls use unless `workers` says otherwise.

    Parameters
    ----------
    count : int
        At least 1, or -1 for all cores. Holds for all threads of this process.

    Notes
    -----
    It is a limit: a call takes as many threads as its work is worth, and small images run on one.
    Results do not depend on it. Calls from many Python threads at once, from forked children and in
    exit handlers are safe, also where gevent has patched `threading`; kernels release the GIL.

    Examples
    --------
    >>> import fastsep
    >>> fastsep.set_num_threads(1)
    >>> fastsep.get_num_threads()
    1
    """
    from fastsep._image import thread_count

    global _threads
    _threads = thread_count("count", count)


class Runnable(Protocol):
    """A kernel with arguments of one kind."""

    address: int
    band: Callable[..., int]


def bands_for(work: float, workers: int | None) -> int:
    """Number of bands in which to run a call of so many multiply-adds: of threads that it is worth."""
    # Once the interpreter ends, a helper that wants something of it never comes back.
    if work < 2 * SHARED_WORK or _forked or sys.is_finalizing():
        return 1
    most = get_num_threads() if workers is None else workers
    if most > _MOST_BANDS:  # they are of use to nobody, but each needs scratch memory
        most = _MOST_BANDS
    woken, shared = work / WOKEN_WORK, work / SHARED_WORK
    if most < 2 or woken >= most:
        return most
    wanted = int(shared if shared < most else most) - 1
    return max(int(woken), 1 + _pool.helpers(wanted, work > OUTLASTING_WORK))


def run_bands(ready: Runnable, words: int, bands: int) -> None:
    """Run all bands, in parallel unless another call does so now."""
    if _pool.lock.acquire(blocking=False):
        try:
            _pool.run(ready.address, words, bands, bands)
        finally:
            _pool.lock.release()
    else:
        for band in range(bands):
            ready.band(jit.UNUSED, jit.UNUSED, words, band)


def run_tasks(task: Callable[[int], None], count: int, workers: int | None) -> None:
    """Call `task` with 0 .. count - 1, in threads unless another call runs in parallel now: see `Pool.run_tasks`."""
    threads = min(bands_for(math.inf, workers), count)
    if threads > 1 and _pool.lock.acquire(blocking=False):
        try:
            _pool.run_tasks(task, count, threads)
        finally:
            _pool.lock.release()
    else:
        for index in range(count):
            task(index)


def _before_fork() -> None:
    # A child that inherits a held lock would wait for ever when it compiles or loads a kernel.
    jit.lock.acquire()
    numbas = _numba_lock()
    if numbas is not None:
        numbas.acquire()
    _taken_by_fork.append(numbas)


def _after_fork_in_parent() -> None:
    numbas = _taken_by_fork.pop()  # not what there is by now: another thread may have imported Numba
    if numbas is not None:
        numbas.release()
    jit.lock.release()


def _after_fork_in_child() -> None:
    global _forked, _pool
    _after_fork_in_parent()
    _forked = True
    _pool = Pool(_MOST_BANDS)


def _numba_lock() -> Any:
    module = sys.modules.get("numba.core.compiler_lock")
    return getattr(getattr(module, "global_compiler_lock", None), "_lock", None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


# --- running -------------------------------------------------------------------------------------


def vector_bytes() -> int:
    """Width of the vectors that kernels use on this CPU."""
    return jit.target().vector_bytes


def execute(
    plan: Plan, image: Array, out: Array | None, workers: int | None,
    others: Sequence[Array] = (), second: Array | None = None,
) -> Array:  # fmt: skip
    """Run a plan on an image of its shape and dtype. Checks nothing: `_image` has.

    `image` and `out` are C-contiguous, aligned, native, and share no memory; so are `others`,
    the arrays for further results of a plan that has several, and `second`, a second image.
    """
    if out is None:
        out = empty(plan.shape, plan.dst)
    ready = plan.cache.get("ready")
    if ready is None:
        if plan.strategy == "passes":
            return _execute_passes(plan, image, out, workers)
        ready = plan.cache["ready"] = _ready(plan)
    ready.run(image, out, workers, others, second)  # type: ignore[attr-defined]
    return out


def _ready(plan: Plan) -> Ready | InPieces:
    pieces = _pieces.pieces_of(plan)
    if pieces:
        return InPieces(plan, plan.dst, pieces, lambda piece: _whole(_pieces.narrow(plan, piece)))
    return _whole(plan)


def _whole(plan: Plan) -> Ready:
    # More bands than rows would be empty; each band has scratch of its own.
    work = float32_work(plan.work, plan.acc)
    return Ready(plan.kernel, block(plan), work, max(math.prod(plan.view[:3]), 1))


def float32_work(work: float, dtype: np.dtype[Any]) -> float:
    """As many multiply-adds of float32 as take the time of `work` in `dtype`: vectors hold half as many float64."""
    return work * dtype.itemsize / 4


class Ready:
    """A kernel, loaded, with its argument block filled in."""

    __slots__ = ("address", "band", "made", "most", "scratch", "words", "work")

    def __init__(self, kernel: tuple[str, ...], made: Block, work: float, most: int) -> None:
        self.address = jit.kernel(*kernel)
        self.band: Callable[..., int] = jit.BAND(self.address)
        self.made = made
        self.words = made.words
        self.words[SCRATCH_BAND] = self.scratch = made.scratch
        self.work = work
        self.most = most  # bands

    def run(
        self, image: Array, out: Array, workers: int | None,
        others: Sequence[Array] = (), second: Array | None = None,
    ) -> None:  # fmt: skip
        """Filter `image`, and `second` if the kernel reads two, into `out`, and `others` if it has more results."""
        bands = min(bands_for(self.work, workers), self.most)
        workspace = take_workspace(self.scratch * bands)
        word = workspace.word
        if workspace.filled_by is not self:
            workspace.words[: len(self.words)] = self.words
            word[SCRATCH] = workspace.scratch
            workspace.filled_by = self
        word[SRC] = address_of(image)
        word[DST] = address_of(out)
        for number, array in enumerate(others):
            word[DST_2 + number] = address_of(array)
        if second is not None:
            word[SRC_2] = address_of(second)
        word[BANDS] = bands
        if bands == 1:
            self.band(jit.UNUSED, jit.UNUSED, workspace.address, 0)
        else:
            run_bands(self, workspace.address, bands)
        give_back(workspace)


class _Look:
    """The kernel that looks for values beyond a limit."""

    def __init__(self, dtype: str) -> None:
        self.address = jit.kernel("within", dtype)
        self.band: Callable[..., int] = jit.BAND(self.address)

    def run(self, image: Array, limit: float, bands: int) -> bool:
        """Whether no value is beyond it."""
        most = np.array([limit], image.dtype)
        workspace = take_workspace(8 * bands)
        workspace.filled_by = None
        word = workspace.word
        word[SRC], word[SCRATCH], word[BANDS] = address_of(image), workspace.scratch, bands
        word[COLS], word[CLIP] = image.size, address_of(most)
        if bands == 1:
            self.band(jit.UNUSED, jit.UNUSED, workspace.address, 0)
        else:
            run_bands(self, workspace.address, bands)
        found = (ctypes.c_int64 * bands).from_address(workspace.scratch)
        within = not any(found)
        give_back(workspace)
        return within


def is_within(image: Array, limit: float, workers: int | None) -> bool:
    """`_dtypes.is_within` for C-contiguous images of a native type: large ones at the speed of memory."""
    if image.dtype.kind != "f":
        return _dtypes.is_within(image, limit)
    if image.size < LOOKED_AT:
        values = image.reshape(-1)
        # A sum of squares up to the limit needs no second look: no value is larger than its root.
        with np.errstate(over="ignore", invalid="ignore"):
            return (limit >= 1.0 and float(np.dot(values, values)) <= limit) or _dtypes.is_within(image, limit)
    most = min(limit, _LARGEST[image.dtype.itemsize])
    return _Look(image.dtype.name).run(image, most, bands_for(float(image.size), workers))


def address_of(array: Array) -> int:
    """Where the values of a C-contiguous array are; four times faster than `array.ctypes`."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except TypeError:  # read-only
        return array.ctypes.data


@np.errstate(all="ignore")
def _execute_passes(plan: Plan, image: Array, out: Array, workers: int | None) -> Array:
    """Filter axis after axis through whole arrays, then combine the terms."""
    what = plan.what
    total: Array | None = None
    direct = len(plan.passes) == 1 and plan.passes[0][-1].dst == plan.dst and not (
        isinstance(what, Separable) and (what.combine != "sum" or what.clip is not None)
    )  # fmt: skip
    for plans in plan.passes:
        value = image
        for number, piece in enumerate(plans):
            last = direct and number == len(plans) - 1
            value = execute(piece, value, out.reshape(piece.shape) if last else None, workers)
        if direct:
            return out
        assert isinstance(what, Separable)
        value = value.reshape(plan.shape)
        if what.combine == "magnitude":
            np.multiply(value, value, out=value)
        total = value if total is None else np.add(total, value, out=total)
    assert total is not None
    assert isinstance(what, Separable)
    if what.combine == "magnitude":
        np.sqrt(total, out=total)
    if what.clip is not None:
        np.clip(total, *what.clip, out=total)
    if plan.dst.kind != "f":
        total = _dtypes.finish(total, plan.dst)
    np.copyto(out, total, casting="unsafe")
    return out
