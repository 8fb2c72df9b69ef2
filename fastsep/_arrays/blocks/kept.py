"""Arrays that finished blocks leave for a second pass over the image: in memory, and in a file beside a journal.

The file only grows. The journal says how much of it counts, and is replaced when that is on the disk. What a run wrote
behind that before it died is cut off by the next one.
"""

from __future__ import annotations

import io
import os
import zlib

import numpy as np

from fastsep._validation.array_like import Array

#: The arrays that a block leaves.
Left = tuple[Array, ...]


class Kept:
    """What blocks have left, in the order in which they were finished."""

    def __init__(self, path: str | None) -> None:
        """Without a path: in memory only."""
        self.path = path
        self.found: list[Left] = []
        self._new = io.BytesIO()  # what is not in the file yet
        self._length = self._checksum = 0  # of what is

    def add(self, left: Left) -> None:
        self.found.append(left)
        if self.path is not None:
            for values in left:
                np.save(self._new, values, allow_pickle=False)

    def save(self) -> list[int]:
        """Bring all to the disk, and return what `load` asks for."""
        new = self._new.getvalue()
        if self.path is not None and new:
            with open(self.path, "r+b" if self._length else "wb") as file:
                file.truncate(self._length)
                file.seek(self._length)
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            self._length, self._checksum = self._length + len(new), zlib.crc32(new, self._checksum)
            self._new = io.BytesIO()
        return [self._length, self._checksum]

    def load(self, saved: list[int], each: int) -> None:
        """What was there when `save` returned this, `each` arrays a block. A ValueError if it is not there now."""
        self._length, self._checksum = saved
        if self.path is None or not self._length:
            return
        try:
            with open(self.path, "rb") as file:
                data = file.read(self._length)
        except FileNotFoundError as error:
            raise ValueError from error
        if len(data) != self._length or zlib.crc32(data) != self._checksum:
            raise ValueError
        reader = io.BytesIO(data)
        while reader.tell() < self._length:
            self.found.append(tuple(np.load(reader, allow_pickle=False) for _ in range(each)))
