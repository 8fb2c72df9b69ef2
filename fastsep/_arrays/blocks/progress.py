"""How far the work is, for whoever waits for it."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from fastsep._validation.array_like import show

#: (finished blocks, all blocks)
Report: TypeAlias = Callable[[int, int], object]


@contextlib.contextmanager
def reporter(progress: Any, total: int) -> Iterator[Report]:
    """What `progress` asks for: nothing, a bar of so many blocks, or calls of a function."""
    if progress is None or progress is False:
        yield lambda done, total: None
    elif callable(progress):
        yield progress
    elif progress is not True:
        raise TypeError(f"`progress` must be None, True or a function of two numbers; got {show(progress)}.")
    elif importlib.util.find_spec("tqdm") is not None:
        from tqdm import tqdm

        with tqdm(total=total, unit="block") as bar:
            yield lambda done, total: bar.update(done - bar.n)
    else:
        try:
            yield lambda done, total: print(f"\rfastsep: {done} of {total} blocks", end="", file=sys.stderr)  # noqa: T201
        finally:
            print(file=sys.stderr)  # noqa: T201
