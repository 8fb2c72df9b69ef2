"""Runs plans: allocates the result and scratch, cuts the work into bands, calls the kernels.

Bands run on Numba's parallel loop in a process where Numba is loaded, else on a pool of threads of
our own, which needs no Numba. Both call the same machine code. One lock lets one call at a time be
parallel; whoever finds it taken runs serially, so many calling threads neither overload the
machine nor enter a threading layer that allows one caller only. A forked child is always serial:
OpenMP and threads do not survive a fork.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from fastsep._block import Block, block
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
from fastsep._plan import Plan
from fastsep._pool import ROLES, Pool, Tasks

#: Multiply-adds below which a second thread does not pay (measured: launching the parallel loop
#: takes 2 us, waking a thread of the pool about 20 us; a thread does some 10 of them a nanosecond).
LOOP_WORK = 400_000.0
POOL_WORK = 1_000_000.0

#: Values of an image that are looked through by a kernel and not by NumPy, whose two passes take 0.1 ms here.
LOOKED_AT = 1 << 18
#: Results from this size on are worth the microsecond that aligning them takes.
ALIGNED_BYTES = 32 << 10
#: Bands beyond any use. Counted once: asking the system takes 5 us, more than the rest of a small call.
_MOST_BANDS = 4 * (os.cpu_count() or 1)

_parallel = threading.Lock()  # held by the one call that runs in parallel
_threads: int | None = None
_forked = False
_pool: Pool | None = None
_tasks: Tasks | None = None
_loop: object = None  # the driver's entry point; False: not to be used
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
#: Larger scratch is given back to the system.
_KEPT_BYTES = 16 << 20


def take_workspace(size: int) -> Workspace:
    try:
        found = _free.pop()
    except IndexError:
        return Workspace(size)
    return found if found.size >= size else Workspace(size)


def give_back(workspace: Workspace) -> None:
    if workspace.size <= _KEPT_BYTES and len(_free) < 16:
        _free.append(workspace)


# --- threads -------------------------------------------------------------------------------------


def get_num_threads() -> int:
    """Number of threads that a call uses unless `workers` says otherwise.

    That is what `set_num_threads` asked for, else the CPUs this process may run on, or
    OMP_NUM_THREADS if that is fewer. One in a forked child.
    """
    if _forked:
        return 1
    return _threads if _threads is not None else _default_threads()


def _default_threads() -> int:
    global _threads
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit() and int(limit) > 0:
        count = min(count, int(limit))
    _threads = count
    return count


def set_num_threads(count: int) -> None:
    """Set the number of threads that calls use unless `workers` says otherwise.

    Parameters
    ----------
    count : int
        At least 1, or -1 for all cores. Holds for all threads of this process.

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


def _driver() -> Callable[[int, int, int], None] | None:
    """Numba's parallel loop, if Numba is loaded and its threading layer allows it."""
    global _loop
    if _forked:
        return None
    if _loop is None:
        if "numba" not in sys.modules:
            return None
        with jit.lock:
            _loop = _load_driver()
    return _loop or None  # type: ignore[return-value]


def _load_driver() -> object:
    try:
        if _numba_layer() in ("workqueue", "none"):
            # workqueue aborts the process if anybody else, say a kernel of the user's own, is in a parallel
            # region at the same moment.
            return False
        from fastsep._kernels.driver import run

        for role in ROLES:
            jit.kernel("pool", role)  # for processes to come that need not load Numba
        return run
    except Exception:  # without its threads Numba is of no use here, and not needed
        return False


def _numba_layer() -> str:
    from fastsep._kernels.threads import layer

    return layer()


def threading_layer() -> str:
    """What runs bands in parallel: "omp", "tbb", "pool" for threads of our own; "serial" in a
    forked child."""
    if _forked:
        return "serial"
    return "pool" if _driver() is None else _numba_layer()


class Runnable(Protocol):
    """A kernel with arguments of one kind."""

    address: int
    band: Callable[..., int]
    work: float  # multiply-adds of a call


def bands_for(work: float, workers: int | None) -> int:
    """Number of bands in which to run a call of so many multiply-adds."""
    if work <= LOOP_WORK or _forked:
        return 1
    # More bands than threads are of use to nobody, but each needs scratch memory.
    return min(get_num_threads() if workers is None else workers, _MOST_BANDS)


def run_bands(ready: Runnable, words: int, bands: int) -> None:
    """Run all bands, in parallel unless another call does so now or it would not pay."""
    if not _run_parallel(ready, words, bands):
        for band in range(bands):
            ready.band(jit.UNUSED, jit.UNUSED, words, band)


def _run_parallel(ready: Runnable, words: int, bands: int) -> bool:
    global _pool
    if not _parallel.acquire(blocking=False):
        return False
    try:
        driver = _driver()
        if driver is not None:
            driver(ready.address, words, bands)
            return True
        if ready.work < POOL_WORK:
            return False
        if _pool is None:
            _pool = Pool(_MOST_BANDS)
        _pool.run(ready.address, words, bands, bands)
        return True
    finally:
        _parallel.release()


def run_tasks(task: Callable[[int], None], count: int, workers: int | None) -> None:
    """Call `task` with 0 .. count - 1, in threads unless another call runs in parallel now.

    For tasks in Python that spend their time in libraries which release the GIL. The first exception
    is raised when all threads have left the task.
    """
    global _tasks
    threads = min(bands_for(math.inf, workers), count)
    if threads <= 1 or not _parallel.acquire(blocking=False):
        for index in range(count):
            task(index)
        return
    try:
        if _tasks is None:
            _tasks = Tasks(_MOST_BANDS)
        _tasks.run(task, count, threads)
    finally:
        _parallel.release()


def _before_fork() -> None:
    # A child that inherits a held lock would wait for ever when it compiles or loads a kernel.
    jit.lock.acquire()
    if _numba_lock() is not None:
        _numba_lock().acquire()  # type: ignore[attr-defined]


def _after_fork_in_parent() -> None:
    if _numba_lock() is not None:
        _numba_lock().release()  # type: ignore[attr-defined]
    jit.lock.release()


def _after_fork_in_child() -> None:
    global _forked, _pool, _tasks, _parallel
    _after_fork_in_parent()
    _forked = True
    _pool = _tasks = None
    _parallel = threading.Lock()


def _numba_lock() -> object:
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


def _ready(plan: Plan) -> Ready:
    # More bands than rows would be empty; each band has scratch of its own.
    return Ready(plan.kernel, block(plan), plan.work, max(math.prod(plan.view[:3]), 1))


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

    def __init__(self, dtype: str, count: int) -> None:
        self.address = jit.kernel("within", dtype)
        self.band: Callable[..., int] = jit.BAND(self.address)
        self.work = float(count)

    def run(self, image: Array, limit: float, bands: int) -> bool:
        """Whether no value is beyond it."""
        most = np.array([limit], image.dtype)
        workspace = take_workspace(8 * bands)
        workspace.filled_by = None
        word = workspace.word
        word[SRC], word[SCRATCH], word[BANDS] = address_of(image), workspace.scratch, bands
        word[COLS], word[CLIP] = image.size, most.ctypes.data
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
    from fastsep._dtypes import is_within as small

    if image.dtype.kind != "f":
        return small(image, limit)
    if image.size < LOOKED_AT:
        values = image.reshape(-1)
        # A sum of squares up to the limit needs no second look: no value is larger than its root.
        with np.errstate(over="ignore", invalid="ignore"):
            return (limit >= 1.0 and float(np.dot(values, values)) <= limit) or small(image, limit)
    with np.errstate(over="ignore"):
        most = min(limit, float(np.finfo(image.dtype).max))
    return _Look(image.dtype.name, image.size).run(image, most, bands_for(float(image.size), workers))


def address_of(array: Array) -> int:
    """Where the values of a C-contiguous array are; four times faster than `array.ctypes`."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except TypeError:  # read-only
        return array.ctypes.data


def _execute_passes(plan: Plan, image: Array, out: Array, workers: int | None) -> Array:
    """Filter axis after axis through whole arrays, then combine the terms."""
    from fastsep._dtypes import finish
    from fastsep._plan import Separable

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
        total = finish(total, plan.dst)
    np.copyto(out, total, casting="unsafe")
    return out


def warmup_keys() -> list[tuple[str, ...]]:
    """The filter kernels of common dtypes."""
    kinds = [("float32",) * 3, ("float64",) * 3, ("uint8", "float32", "uint8")]
    kinds += [("uint8", "float64", "float64"), ("uint8", "float32", "float32")]
    keys: list[tuple[str, ...]] = [
        ("pool", "share"),
        ("pool", "serve"),
        ("bank",),
        ("within", "float32"),
        ("within", "float64"),
    ]
    for kind in kinds:
        keys += [("fir", form, *kind) for form in ("plane", "plane terms", "volume", "volume terms")]
        keys.append(("sweep", "magnitude", "1", *kind))
        keys += [("box", *kind), ("dense", *kind)]
    keys += [("pipeline",), ("hysteresis",)]
    for acc, form in (("float32", "divided"), ("float64", "exact")):
        keys += [("fir", f"plane {form}", src, acc, acc) for src in ("uint8", acc)]
        keys += [("suppress", acc), ("threshold", acc), ("sweep", "dy+dx", "1", acc, acc, acc)]
    keys.append(("sweep", "exact magnitude", "1", *("float64",) * 3))
    return keys
