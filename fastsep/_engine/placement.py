"""Where helpers run: not on the core of the thread that they help, as long as that thread works itself.

A system may let a woken thread wait for the core of whoever woke it, though another core is idle or shared with another
program (measured beside a program that keeps one of two cores busy: a blur of 4K takes 1.0 to 1.1 times as long on two
threads as on one, and 0.8 to 0.9 times so). Linux lets a thread choose its cores; elsewhere nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

from fastsep._kernels.native_threads import get_native_id
from fastsep._plan import tuning

NOWHERE = -1

#: The number of the core that the calling thread runs on.
current_core = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None


class Placement:
    """The helpers of a pool, and the core that they are kept off."""

    def __init__(self) -> None:
        self._threads: dict[int, set[int]] = {}  # helpers, and the cores that each may use
        self._kept_off = NOWHERE

    def add_this_thread(self) -> None:
        """Note that the calling thread is a helper, and on which cores it was started."""
        if current_core is not None:
            with contextlib.suppress(OSError):  # not every sandbox lets a thread ask or choose
                self._threads[get_native_id()] = os.sched_getaffinity(0)
        self._kept_off = NOWHERE  # all are placed anew

    def keep_off(self) -> None:
        """Keep helpers off the core of the calling thread. Takes half a microsecond if they are so already."""
        here = current_core() if current_core is not None else NOWHERE
        if here != self._kept_off:
            self._let_run(here)

    def set_free(self) -> None:
        """Let helpers run on any core of theirs."""
        if self._kept_off != NOWHERE:
            self._let_run(NOWHERE)

    def _let_run(self, kept_off: int) -> None:
        """Let helpers run on their cores, but for one."""
        self._kept_off = kept_off
        for thread, cores in list(self._threads.items()):
            if 1 < len(cores) <= tuning.FEW_CORES:
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread, cores - {kept_off})
