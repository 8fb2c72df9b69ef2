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
def reporter(progress: Any) -> Iterator[Report]:
    """What `progress` asks for: nothing, a bar, or calls of a function."""
    if progress is None or progress is False:
        yield lambda done, total: None
    elif callable(progress):
        yield progress
    elif progress is not True:
        raise TypeError(f"`progress` must be None, True or a function of two numbers; got {show(progress)}.")
    elif importlib.util.find_spec("tqdm") is not None:
        from tqdm import tqdm

        with tqdm(unit="block") as bar:

            def show_bar(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield show_bar
    else:
        try:
            yield lambda done, total: print(f"\rfastsep: {done} of {total} blocks", end="", file=sys.stderr)  # noqa: T201
        finally:
            print(file=sys.stderr)  # noqa: T201
