"""In how many threads a call runs, how many bands it is cut into, and running them on the pool of threads.

There are more bands than threads, and each thread takes the next one when it has done one: so a thread that starts
late, or has to share its core with another program, does less.

One lock lets one call at a time be parallel; whoever finds it taken runs serially, so that many calling threads do not
overload the machine. A forked child is always serial, because threads do not survive a fork, and so is whoever calls
when the interpreter ends.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from fastsep._engine.memory import Workspace
from fastsep._engine.pool import Pool
from fastsep._kernels import jit
from fastsep._kernels.arguments import BANDS
from fastsep._kernels.internals import compiler_lock
from fastsep._plan import tuning

#: Upper bound on threads. Counted once: asking the system takes 5 us, more than the rest of a small call.
_MOST_THREADS = 4 * (os.cpu_count() or 1)
_threads: int | None = None
_forked = False
_taken_by_fork: list[Any] = []  # Numba's lock, or None, while a process forks
_pool = Pool(_MOST_THREADS)


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
        from fastsep._engine import cpus

        _threads = cpus.threads()
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
    from fastsep._validation.scalars import thread_count

    global _threads
    _threads = thread_count("count", count)


class Kernel(Protocol):
    """A kernel that is loaded."""

    address: int
    first_band: Callable[..., int]


def threads_for(work: float, workers: int | None) -> int:
    """Number of threads in which to run a call of so many multiply-adds."""
    # Once the interpreter ends, a helper that wants something of it never comes back.
    if work < 2 * tuning.SHARED_WORK or _forked or sys.is_finalizing():
        return 1
    most = get_num_threads() if workers is None else workers
    if most > _MOST_THREADS:  # they are of use to nobody, but each needs scratch memory
        most = _MOST_THREADS
    woken, shared = work / tuning.WOKEN_WORK, work / tuning.SHARED_WORK
    if most < 2 or woken >= most:
        return most
    wanted = int(shared if shared < most else most) - 1
    return max(int(woken), 1 + _pool.helpers(wanted, work > tuning.OUTLASTING_WORK))


def bands_worth(work: float) -> int:
    """Into how many bands a call of so many multiply-adds may be cut, if there are more of them than threads."""
    return int(work / tuning.BAND_WORK)


def bands_of(threads: int, worth: int) -> int:
    """Number of bands for so many threads; more than threads only if they are worth it."""
    return max(threads, min(tuning.BANDS_A_THREAD * threads, worth))


def launch(kernel: Kernel, workspace: Workspace, threads: int, bands: int, stride: int) -> int:
    """Run a kernel whose arguments are in the workspace, and give the number of bands that it was cut into.

    That is `bands`, or 1 if there is one thread, or another call has the helpers now. `stride`: see `Pool.run`.
    """
    word = workspace.word
    # Not by an `acquire` that does not wait: an interrupt behind it, before a `try` begins, would leave the lock held.
    # Of two threads that find it free at once, one waits for the other's call.
    if threads > 1 and not _pool.lock.locked():
        with _pool.lock:
            word[BANDS] = bands
            _pool.run(kernel.address, workspace.address, stride, bands, threads)
        return bands
    word[BANDS] = 1
    kernel.first_band(*workspace.arguments)
    return 1


def run_tasks(task: Callable[[int], None], count: int, workers: int | None) -> None:
    """Call `task` with 0 .. count - 1, in threads unless another call runs in parallel now: see `Pool.run_tasks`."""
    threads = min(threads_for(math.inf, workers), count)
    if threads > 1 and not _pool.lock.locked():  # as in `launch`
        with _pool.lock:
            _pool.run_tasks(task, count, threads)
    else:
        for index in range(count):
            task(index)


def _before_fork() -> None:
    # A child that inherits a held lock would wait for ever when it compiles or loads a kernel.
    jit.lock.acquire()
    numbas = compiler_lock()
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
    _pool = Pool(_MOST_THREADS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


def float32_work(work: float, dtype: np.dtype[Any]) -> float:
    """As many multiply-adds of float32 as take the time of `work` in `dtype`: vectors hold half as many float64."""
    return work * dtype.itemsize / 4
