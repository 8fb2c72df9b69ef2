"""Another CPU than this process's, so that tests run vectors of every size in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastsep._engine.caches import clear_caches
from fastsep._kernels import jit


@contextmanager
def for_level(level: str) -> Iterator[None]:
    """Plan, compile and run for a level of x86-64, such as "x86-64-v3", while the context lasts.

    That is what a process does where NUMBA_CPU_NAME names the level and NUMBA_CPU_FEATURES is empty; the two share what
    is cached. It holds in all threads. When it begins or ends, no other thread may be in a call or compile with Numba.
    Raises ValueError for a level whose code this machine cannot run.
    """
    before, asked = jit.instead, jit.level_target(level)
    clear_caches()  # programs and packed weights are laid out for one CPU
    jit.instead = None if asked == jit.own_target() else asked
    try:
        yield
    finally:
        jit.instead = before
        clear_caches()
