"""A list of finished blocks in a file, which is right whenever the process ends.

It is replaced as a whole, after the results that it lists have been written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastsep._arrays.blocks.kept import Kept, Left
from fastsep._arrays.blocks.places import place_of
from fastsep._validation.array_like import Array

#: Finished blocks are listed so often: it takes a wait for the disk.
SECONDS = 5.0
#: So many values tell an array in memory from others.
_SAMPLE = 4096


class Journal:
    """Which blocks are finished, and what they leave for a second pass. Those of that pass are numbered on."""

    def __init__(
        self, path: str | None, work: dict[str, Any], resume: bool, sync: Callable[[], None], blocks: int, left: int
    ) -> None:
        """`work`: what is done, in words of JSON. `sync`: brings results to the disk. `left`: how many arrays each of
        the blocks leaves; without any, there is no second pass."""
        self.path, self.work, self.sync = path, work, sync
        self.done: list[int] = []
        self.kept = Kept(None if path is None else f"{path}.edges")
        self.within: bool | None = None  # see `Block`
        self.total = blocks * (2 if left else 1)
        self._listed, self._time = 0, time.monotonic()
        if path is None:
            return
        if not resume:
            self.remove()
            return
        try:
            with open(path, encoding="ascii") as file:
                found = json.load(file)
            changed = [name for name, value in work.items() if found["work"].get(name) != value]
            if not changed:
                self._take(found, blocks, left)
        except FileNotFoundError:
            return
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ValueError(f"`resume` must be False: the journal {path} is damaged.") from None
        if changed:
            raise ValueError(f"`resume` must be False: {changed[0]} is not what it was, says {path}.")

    def _take(self, found: dict[str, Any], blocks: int, left: int) -> None:
        """Go on from what was saved; an error if that cannot be."""
        self.done, self.within = found["done"], found["within"]
        self._listed = len(self.done)
        if left:
            self.kept.load(found["kept"], left)
        if self.done != list(range(min(self._listed, self.total))) or (
            left and len(self.kept.found) != min(self._listed, blocks)
        ):
            raise ValueError

    def add(self, block: int, left: Left) -> None:
        """`block` is written, and leaves this."""
        if left:
            self.kept.add(left)
        self.done.append(block)
        if time.monotonic() - self._time >= SECONDS:
            self.save()

    def save(self) -> None:
        """List what is finished."""
        if self.path is None or self._listed == len(self.done):
            return
        self.sync()
        kept = self.kept.save()
        new = f"{self.path}.new"
        with open(new, "w", encoding="ascii") as file:
            json.dump({"work": self.work, "within": self.within, "kept": kept, "done": self.done}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)
        self._listed, self._time = len(self.done), time.monotonic()

    def remove(self) -> None:
        """All is done, or is done anew."""
        if self.path is not None:
            for path in (self.path, f"{self.path}.new", f"{self.path}.edges"):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path)


def digest(value: Any) -> str:
    """Tells arguments from others."""
    found = hashlib.blake2b(digest_size=16)
    _add(found, value)
    return found.hexdigest()


def _add(found: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        found.update(f"array {value.dtype} {value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, dict):
        _add(found, sorted(value.items()))
    elif isinstance(value, list | tuple):
        found.update(f"{len(value)} of".encode())
        for item in value:
            _add(found, item)
    else:
        found.update(f"{type(value).__name__} {value!r} ".encode())


def identity(array: Any, changes: bool) -> list[Any]:
    """Tells an array from others, as far as can be without reading it all. `changes`: it is written to."""
    found: list[Any] = [list(array.shape), str(array.dtype)]
    place = place_of(array)
    if place is not None:
        found += place
        if not changes and os.path.isfile(place.path):
            status = os.stat(place.path)
            found += [status.st_size, status.st_mtime_ns]
    elif isinstance(array, np.ndarray) and not changes:
        found.append(digest(_sample(array)))
    return found


def _sample(array: Array) -> Array:
    step = max(1, round((array.size / _SAMPLE) ** (1 / array.ndim)))
    return array[(slice(None, None, step),) * array.ndim]
