"""The commands for an installation: `info`, `warmup` and `cache`."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import fastsep
from fastsep._cli import console
from fastsep._cli.errors import Refusal
from fastsep._engine import config, warmup
from fastsep._kernels import cache


def add_commands(commands: Any) -> None:
    """Add `info`, `warmup` and `cache` to a parser's sub-commands."""
    command = commands.add_parser(
        "info",
        help="versions, SIMD width, threads, cache folder",
        description="Print versions, SIMD width, the number of threads, the cache folders, and why FASTSEP_CACHE_DIR "
        "is not used if it is not.",
    )
    command.set_defaults(run=run_info)

    command = commands.add_parser(
        "warmup",
        help="compile the kernels of common calls into the cache folder",
        description="Compile the kernels of common calls into the cache folder on all cores, for instance when a\n"
        "container image is built. What root compiles serves every user.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: fastsep warmup --only filters,edges --dtype uint8,float32",
    )
    command.add_argument("--only", metavar="NAMES", help=f"what for: {', '.join(warmup.GROUPS)} (default: all)")
    default = "(default: uint8, float32, float64; layers of float32)"
    command.add_argument("--dtype", metavar="NAMES", help=f"of images: {', '.join(warmup.DTYPES)} {default}")
    command.add_argument("--jobs", type=int, metavar="N", help="processes that compile (default: one for each core)")
    command.set_defaults(run=run_warmup)

    command = commands.add_parser(
        "cache",
        help="folder, number and size of the compiled kernels",
        description="Print the folder of compiled kernels, how many there are, and how large they are. The folder is "
        "FASTSEP_CACHE_DIR, else one beside the package, else one in the user's cache folder; one that others can "
        "write to is not trusted.",
    )
    command.add_argument("--clear", action="store_true", help="delete them")
    command.set_defaults(run=run_cache)


def run_info(options: argparse.Namespace) -> int:
    print(fastsep.show_config())
    return 0


def run_warmup(options: argparse.Namespace) -> int:
    progress = _Progress(time.monotonic)
    try:
        seconds = fastsep.warmup(progress, only=_list(options.only), dtype=_list(options.dtype), workers=options.jobs)
    except ValueError as error:
        raise Refusal(str(error).replace("`workers`", "`--jobs`")) from None
    finally:
        progress.close()
    print(f"{progress.total} compiled, ready in {seconds:.1f} s; cache folder: {config.cache_folders()}")
    if not config.cache_usable():
        console.warn("fastsep warmup: no cache folder is writable: the next process compiles what it does not find")
        return 1
    return 0


def _list(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


class _Progress:
    """One line that overwrites itself on a terminal; elsewhere a line for each kernel."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.start = clock()
        self.total = 0
        self.live = sys.stdout is not None and sys.stdout.isatty()

    def __call__(self, done: int, total: int, label: str) -> None:
        if not done:
            self.start, self.total = self.clock(), total
            if total:
                self._show(f"kernels to compile: {total}")
            return
        left = (self.clock() - self.start) / done * (total - done)
        self._show(f"[{done:{len(str(total))}}/{total}] {label}, {duration(left)} left")

    def _show(self, line: str) -> None:
        print(f"\r\x1b[K{line}" if self.live else line, end="" if self.live else "\n", flush=True)

    def close(self) -> None:
        if self.live and self.total:
            print()


def duration(seconds: float) -> str:
    """A time in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def run_cache(options: argparse.Namespace) -> int:
    found = cache.entries()
    count = _count(found)
    if options.clear:
        left = cache.clear()
        print(f"deleted {len(found) - len(left)} of {count}")
        if left:
            console.warn("fastsep cache: what is left cannot be deleted by this user")
        return 1 if left else 0
    print(f"folder   {config.cache_folders()}")
    print(f"kernels  {count}, of all versions and CPUs")
    return 0


def _count(paths: Sequence[pathlib.Path]) -> str:
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):  # deleted by another process
            size += path.stat().st_size
    return f"{len(paths)} ({size / 1e6:.1f} MB)"
