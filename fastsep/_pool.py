"""Threads that help with the bands of a call, and with tasks in Python."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from fastsep._kernels import jit
from fastsep._kernels.blocks import LINE
from fastsep._kernels.pool_words import BANDS, BLOCK, INSIDE, KERNEL, NEW, POOL_WORDS, SEEN, STATE

ROLES = ("post", "share", "serve")
#: Between looks whether the helpers of a call are done, once compiled code has looked in vain.
NAP = 50e-6  # seconds


class Pool:
    """Threads that run bands in compiled code, and sleep in the interpreter. One call at a time."""

    def __init__(self, most: int) -> None:
        """`most`: threads that may ever be started."""
        self._memory = np.zeros(8 * (POOL_WORDS + most) + LINE, np.uint8)
        start = -self._memory.ctypes.data % LINE
        self._words = self._memory[start : start + 8 * (POOL_WORDS + most)].view(np.int64)
        self._word = memoryview(self._words)  # type: ignore[arg-type]  # sets single words faster than the array does
        self._address = self._words.ctypes.data
        self._post, self._share, self._serve = (jit.BAND(jit.kernel("pool", role)) for role in ROLES)
        self._most = most
        #: One for each thread, unlocked to say that there is work; the thread locks it before it looks again.
        self._bells: list[threading.Lock] = []

    def run(self, kernel: int, block: int, bands: int, threads: int) -> None:
        """Run all bands of the kernel at an address, in the calling thread and in others, so many in all.

        The caller takes bands, too, so that a call ends even if nobody comes to help. It does not leave
        before the others, not even by Ctrl-C, because bands write into its arrays.
        """
        word = self._word
        word[KERNEL], word[BLOCK], word[BANDS], word[STATE] = kernel, block, bands, NEW
        rung = False
        interrupt: BaseException | None = None
        while True:
            try:
                if word[STATE] == NEW:
                    self._post(jit.UNUSED, jit.UNUSED, self._address, 0)
                if not rung:  # after the call is posted, or somebody may look in vain and sleep again
                    rung = True
                    self._wake(threads - 1)
                self._share(jit.UNUSED, jit.UNUSED, self._address, 0)
                if not word[INSIDE]:
                    break
                time.sleep(NAP)
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _wake(self, helpers: int) -> None:
        """Start threads that are missing, and tell all that are wanted that there is work."""
        while len(self._bells) < min(helpers, self._most):
            bell = threading.Lock()
            bell.acquire()
            number = len(self._bells)
            try:
                threading.Thread(target=self._help, args=(number, bell), daemon=True, name="fastsep").start()
            except RuntimeError:  # at the end of the process, or there are too many
                break
            self._bells.append(bell)
        for bell in self._bells[:helpers]:
            if bell.locked():
                bell.release()

    def _help(self, number: int, bell: threading.Lock) -> None:
        while True:
            self._serve(jit.UNUSED, jit.UNUSED, self._address, self._address + 8 * (SEEN + number))
            bell.acquire()


class Tasks:
    """Threads for tasks in Python that spend their time in libraries which release the GIL."""

    def __init__(self, most: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=most, thread_name_prefix="fastsep")

    def run(self, task: Callable[[int], None], count: int, threads: int) -> None:
        """Call `task` with 0 .. count - 1, in the calling thread and in others, so many in all.

        The first exception is raised when all threads have left; tasks not begun by then are not run.
        """
        numbers = iter(range(count))  # next() on it is atomic

        def work() -> None:
            try:
                for number in numbers:
                    task(number)
            except BaseException:
                for _ in numbers:
                    pass
                raise

        helpers: list[Future[None]] = []
        try:
            with contextlib.suppress(RuntimeError):  # at the end of the process
                for _ in range(threads - 1):
                    helpers.append(self._executor.submit(work))
            work()
        finally:
            wait(helpers)
        for helper in helpers:
            helper.result()
