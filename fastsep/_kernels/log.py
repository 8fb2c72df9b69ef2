"""What a program's log hears of kernels. Imported where there is something to say: importing `logging` takes time."""

from __future__ import annotations

import logging
import os
import threading

from fastsep._kernels.jit import lock

log = logging.getLogger("fastsep")

# A fork takes the locks of what was imported last first. Whoever compiles holds ours and then takes that of `logging`,
# so a fork has to take ours first, too; it may have been registered before that of `logging`.
_taken: list[object] = []


def _before_fork() -> None:
    lock.acquire()
    _taken.append(lock)


def _after_fork() -> None:
    # A fork that has been waiting since before this module was imported comes by here only.
    if _taken:
        _taken.pop()
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class _Silence(logging.Filter):
    """Keeps what Numba's compiler says of our kernels from the program's log: at level debug, 50,000 lines for each.

    It drops what is below a warning, and only in a thread that compiles a kernel: what Numba says elsewhere of the
    program's own functions goes on, and no level is changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.local()

    def __enter__(self) -> None:
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("numba."):
                logging.getLogger(name).addFilter(self)  # once: a filter is not added again
        self.thread.compiles = True

    def __exit__(self, *error: object) -> None:
        self.thread.compiles = False

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or not getattr(self.thread, "compiles", False)


silence = _Silence()
