"""How many threads the machine, its administrator and the environment let a process use.

Quotas are read as the kernel's documentation describes them: "CFS Bandwidth Control" (cgroup v1: cpu.cfs_quota_us and
cpu.cfs_period_us) and "Control Group v2" (cpu.max). They hold for a group and all groups within it.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath


def threads(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> int:
    """FASTSEP_NUM_THREADS, else the fewest that CPUs, quotas, OMP_NUM_THREADS and NUMBA_NUM_THREADS allow.

    Values that are no numbers of threads do not count; of FASTSEP_NUM_THREADS, a warning says so.
    """
    environ = os.environ if environ is None else environ
    own = environ.get("FASTSEP_NUM_THREADS", "")
    if own.strip():
        count = _number(own)
        if count is not None:
            return count
        warnings.warn(
            f"FASTSEP_NUM_THREADS is ignored: it must be an integer of at least 1, got {own!r}",
            RuntimeWarning,
            stacklevel=3,
        )
    limits = [
        _cpus(),
        _quota(root),
        _first(environ.get("OMP_NUM_THREADS", "")),
        _number(environ.get("NUMBA_NUM_THREADS", "")),
    ]
    return min(limit for limit in limits if limit is not None)


def _cpus() -> int:
    """CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\s*\+?0*[1-9][0-9]{0,8}\s*", text, re.ASCII) else None


def _first(text: str) -> int | None:
    """The first of OpenMP's numbers of threads, one for each level of nested parallelism."""
    numbers = [_number(part) for part in text.split(",")]
    return None if None in numbers else numbers[0]


def _quota(root: Path) -> int | None:
    """CPUs whose whole time the process's groups may use, rounded up; None without a limit."""
    try:
        found = list(groups(root, "cpu"))
    except (OSError, ValueError):
        return None  # no Linux, or /proc is hidden
    limits = []
    for folder, version in found:
        try:
            if version == 2:
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            limits.append(int(quota) / int(period))
        except (OSError, ValueError, ZeroDivisionError):
            continue  # no such group or file here, or "max"
    limits = [limit for limit in limits if limit > 0]  # -1: no limit
    return max(math.ceil(min(limits)), 1) if limits else None


def groups(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """Folders of the process's groups and of all around them, with the version of their file system.

    `controller`: of what they are groups; in version 2 of all.
    """
    lines = (root / "proc/self/cgroup").read_text().splitlines()
    mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    paths = {}
    for line in lines:
        number, controllers, group = line.split(":", 2)
        if number == "0" or controller in controllers.split(","):
            paths[2 if number == "0" else 1] = PurePosixPath(group)
    for line in mounts:
        mount, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        version = {"cgroup": 1, "cgroup2": 2}.get(kind, 0)
        if version not in paths or (version == 1 and controller not in options.split(" ")[-1].split(",")):
            continue
        inside, at = (_unescaped(field) for field in mount.split(" ")[3:5])
        top = root / at.lstrip("/")
        path = paths[version]
        # Of a container only its own group is mounted, while its path may begin far outside.
        below = path.relative_to(inside) if path.is_relative_to(inside) else PurePosixPath(str(path).lstrip("/"))
        folders = [top] if ".." in below.parts else [top / below, *(top / part for part in below.parents)]
        yield from ((folder, version) for folder in folders)


def _unescaped(field: str) -> str:
    """A path in mountinfo, where blanks and the like are octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
