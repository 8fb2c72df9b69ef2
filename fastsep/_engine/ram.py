"""How much memory the machine and its administrator let a process use.

Limits are those of control groups: memory.limit_in_bytes in version 1, memory.max in version 2.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from fastsep._engine.cpus import groups

FILES = {1: "memory.limit_in_bytes", 2: "memory.max"}


def memory(root: Path = Path("/")) -> int | None:
    """Bytes; None where the system does not tell."""
    limits = []
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # no Linux, or /proc is hidden
        for folder, version in groups(root, "memory"):
            with suppress(OSError, ValueError):  # no such group or file here, or "max"
                limits.append(int((folder / FILES[version]).read_text()))
    limits = [limit for limit in limits if limit > 0]
    return min(limits) if limits else None
