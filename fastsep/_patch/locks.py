"""Locks that a forked child finds open, whichever thread of its parent held them."""

from __future__ import annotations

import os
from _thread import RLock


def renewed_lock() -> RLock:
    """A lock that one thread may take several times."""
    found = RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=found._at_fork_reinit)  # type: ignore[attr-defined]
    return found
