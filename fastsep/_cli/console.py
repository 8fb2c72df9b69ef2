"""What commands print: names that the encoding cannot spell, and readers that went away, end no work."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

#: Exit codes of a program that a signal ended, as shells report them: 128 + SIGINT, 128 + SIGPIPE, 128 + SIGTERM.
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143


class Terminated(KeyboardInterrupt):
    """The process was told to end."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let a SIGTERM end the block as an interrupt does, so that what is half written is taken away."""

    def end(*_: object) -> None:
        raise Terminated

    # Signals can be caught in the main thread only, and whoever catches this one already has a reason to.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def prepare() -> None:
    """Let stdout spell every name: what its encoding lacks becomes an escape such as \\xe9, as on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """One line on stdout."""
    print(printable(line))


def warn(line: str) -> None:
    """One line on stderr. Where nobody can read it, the exit code has to do."""
    with contextlib.suppress(OSError):
        print(printable(line), file=sys.stderr)


def printable(text: str) -> str:
    """With escapes for line breaks and other control characters, which the names of files may hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def flush() -> None:
    """Write what is still in stdout's buffer, so that a failure is met here and not at interpreter shutdown."""
    if sys.stdout is not None:
        sys.stdout.flush()


def discard_output() -> None:
    """Send what stdout still holds nowhere: its reader has gone, and Python would try again at shutdown."""
    with contextlib.suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def verbose(wanted: bool) -> Iterator[None]:
    """What the logger "fastsep" says, from debug level on, on stderr."""
    if not wanted:
        yield
        return
    logger, handler = logging.getLogger("fastsep"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # the root logger's handlers, if there are any, would say it again
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
