"""Threads that help with the bands of a call, and with tasks in Python."""

from __future__ import annotations

import ctypes
import sys
import time
from collections import deque
from collections.abc import Callable
from time import perf_counter, sleep
from typing import Any

import numpy as np

from fastsep._engine.placement import Placement
from fastsep._kernels import jit
from fastsep._kernels.arguments import LINE
from fastsep._kernels.native_threads import allocate_lock, start_new_thread
from fastsep._kernels.pool.words import (
    AWAKE,
    BANDS,
    BLOCK,
    CLOCK,
    DONE,
    KERNEL,
    NEW,
    POOL_WORDS,
    SEEN,
    STATE,
    STAYING,
    STRIDE,
    THREADS,
    WERE_AWAKE,
)
from fastsep._plan import tuning

ROLES = ("post", "share", "serve")


class Pool:
    """Threads that run bands in compiled code, and sleep in the interpreter.

    Threads are started, and kernels loaded, by the first call that wants helpers.
    """

    def __init__(self, most: int) -> None:
        """`most`: threads that may ever be started."""
        self._memory = np.zeros(8 * (POOL_WORDS + most) + LINE, np.uint8)
        start = -self._memory.ctypes.data % LINE
        self._words = self._memory[start : start + 8 * (POOL_WORDS + most)].view(np.int64)
        self._word = memoryview(self._words)  # type: ignore[arg-type]  # sets single words faster than the array does
        self._address = self._words.ctypes.data
        self._kernels: tuple[Callable[..., int], ...] = ()
        self._most = most
        #: Held by the one call that runs now.
        self.lock = allocate_lock()
        #: One for each thread, unlocked to say that there is work; the thread locks it before it looks again.
        self._bells: list[Any] = []
        self._placement = Placement()
        self._until_ring = tuning.RING_SOON
        self._asked = 0.0  # when a short call last asked for helpers

    def run(self, kernel: int, block: int, stride: int, bands: int, threads: int) -> None:
        """Run all bands of the kernel at an address, in the calling thread and in others, so many in all.

        `stride`: bytes from the argument block of one thread to that of the next, with scratch memory between them; 0:
        all use one. The caller holds `lock`, as for tasks.
        """
        self._run(kernel, block, stride, bands, threads, None)

    def run_tasks(self, task: Callable[[int], None], count: int, threads: int) -> None:
        """Call `task` with 0 .. count - 1, in the calling thread and in others, so many in all.

        For tasks in Python that spend their time in libraries which release the GIL. The first exception is raised
        when all threads have left; tasks not begun by then are not run.
        """
        numbers = deque(range(count))  # taking one is atomic, without the GIL, too
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while numbers:
                    try:
                        number = numbers.popleft()
                    except IndexError:  # somebody else took it
                        break
                    task(number)
            except BaseException as error:
                numbers.clear()
                errors.append(error)

        def band(*_: int) -> int:
            work()
            return 0

        kernel = jit.BAND(band)  # for helpers only: an interrupt at its beginning would be lost
        # Not by `ctypes.cast`, which leaves a cycle: image and result would live until garbage is collected.
        address = ctypes.c_size_t.from_buffer(kernel).value
        self._run(address, 0, 0, threads - 1, threads, work)
        if errors:
            first = errors[0]
            errors.clear()
            try:
                raise first
            finally:
                del first  # or it would keep itself alive, and the arrays of its frames

    def helpers(self, wanted: int, outlasts: bool) -> int:
        """How many of the `wanted` helpers a short call can count on: those that are awake.

        To wake one may take longer than such a call. In a row of calls one in some rings all the same, for those behind
        it: where these come soon, they find the helpers awake; where they do not, the next rings later. There are none
        while another call runs. `outlasts`: whoever were rung now would look in vain until the call is over, and sleep
        again; so one call in some has helpers that sleep, too.
        """
        awake = self._word[AWAKE]
        before, self._asked = self._asked, perf_counter()
        if awake >= wanted:
            self._until_ring = tuning.RING_SOON
            awake = wanted
        elif self._asked - before < tuning.IN_A_ROW:
            self._until_ring -= 1
            if self._until_ring <= 0 and not self.lock.locked():
                with self.lock:
                    self._until_ring = tuning.RING_LATER
                    if outlasts:
                        return wanted
                    self._ring(wanted)
        return 0 if awake and self.lock.locked() else awake

    def _run(
        self, kernel: int, block: int, stride: int, bands: int, threads: int, instead: Callable[[], None] | None
    ) -> None:  # fmt: skip
        """Run a call; the caller takes bands, too, or does something `instead`.

        So a call ends even if nobody comes to help: nobody is waited for who has not begun. The caller does not leave
        before those who have, not even by Ctrl-C, because bands write into its arrays.
        """
        self._load()
        self._placement.keep_off()
        post, share, _ = self._kernels
        word = self._word
        word[KERNEL], word[BLOCK], word[STRIDE], word[BANDS], word[THREADS] = kernel, block, stride, bands, threads
        word[STATE] = NEW
        rung, shares = False, instead is None
        interrupt: BaseException | None = None
        while True:
            try:
                while word[STATE] != DONE:  # within the `try`: an interrupt may come with each turn
                    if word[STATE] == NEW:
                        post(jit.UNUSED, jit.UNUSED, self._address, 0)
                    if not rung:  # after the call is posted, or somebody may look in vain and sleep again
                        rung = True
                        if word[WERE_AWAKE] < threads - 1:
                            self._ring(threads - 1)
                    if instead is not None:
                        work, instead = instead, None
                        work()
                    if not shares:
                        word[BANDS] = 0  # for whoever has not begun
                    share(jit.UNUSED, jit.UNUSED, self._address, 0)
                    if word[STATE] != DONE:
                        self._placement.set_free()  # this core is idle now
                        sleep(tuning.NAP)
                break
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _load(self) -> None:
        if not self._kernels:
            self._word[CLOCK : STAYING + 1] = memoryview(np.array(_system(), np.int64))  # type: ignore[arg-type]
            self._kernels = tuple(jit.BAND(jit.kernel("loop", role)) for role in ROLES)

    def _ring(self, helpers: int) -> None:
        """Start threads that are missing, and tell all that are wanted that there is work."""
        self._load()
        while len(self._bells) < min(helpers, self._most):
            bell = allocate_lock()
            bell.acquire()
            try:
                start_new_thread(self._help, (len(self._bells), bell))
            except RuntimeError:  # at the end of the process, or there are too many
                break
            self._bells.append(bell)
        for bell in self._bells[:helpers]:
            if bell.locked():
                bell.release()

    def _help(self, number: int, bell: Any) -> None:
        serve = self._kernels[2]
        self._placement.add_this_thread()
        while True:
            serve(jit.UNUSED, jit.UNUSED, self._address, self._address + 8 * (SEEN + number))
            bell.acquire()


def _system() -> list[int]:
    """What `atomic.now` and `atomic.let_run` are to call, and how long is waited, in the clock's units."""
    if sys.platform == "win32":
        kernel32 = ctypes.WinDLL("kernel32")
        rate = ctypes.c_int64()
        kernel32.QueryPerformanceFrequency(ctypes.byref(rate))
        functions, which, second = (kernel32.QueryPerformanceCounter, kernel32.SwitchToThread), 0, rate.value
    else:
        libc = ctypes.CDLL(None)
        functions, which, second = (libc.clock_gettime, libc.sched_yield), time.CLOCK_MONOTONIC, 10**9
    now, let_run = (ctypes.cast(function, ctypes.c_void_p).value for function in functions)
    assert now is not None
    assert let_run is not None
    waits = (tuning.CALLERS_WAIT, tuning.CALLERS_LONG_WAIT, tuning.HELPERS_LOOK, tuning.HELPERS_STAY)
    return [now, which, let_run, *(int(wait * second) for wait in waits)]
